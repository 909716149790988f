/* upgrade.c - see supervisor_int.h: the program of all processes is replaced, one after the other
 * (README.md, "Another program") */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/endian.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "supervisor_int.h"
#include "upgrade_int.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, REPORT_BYTES_MAX = 1 << 20, LOOKED_MAX = 4096, ROUNDS = 3 };
static const int64_t SECOND_NS = 1000000000, MS_NS = 1000000,
                     HOLD_NS = INT64_C(30) * 1000000000, /* for operations that run */
    PAUSE_NS = INT64_C(3) * 1000000000, END_NS = INT64_C(5) * 1000000000,
                     READY_NS = INT64_C(30) * 1000000000,
                     STORAGE_READY_NS = INT64_C(120) * 1000000000, /* it reads its journal */
    SERVING_READY_NS = INT64_C(8) * 1000000000;                    /* sessions wait meanwhile */

struct qri_upgrade {
    struct supervisor *s;
    struct qr_rpc_loop *loop;
    struct qr_rpc_listener *listener;
    pthread_t thread;
    char path[PATH_BYTES];
    char program[64]; /* the same file, whatever becomes of its name */
    struct stat file;
    _Atomic bool cancelled;
    pthread_mutex_t mu; /* guards the rest */
    bool thread_runs, is_due;
    enum qri_upgrade_state state;
    struct qr_buf report;
};

__attribute__((format(printf, 2, 3))) static void tell(struct qri_upgrade *u, const char *format,
                                                       ...)
{
    char line[PATH_BYTES + QR_ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; !qri_handed_may_say(line) && *at != '\0'; at++)
        *at = (*at & 0x80) != 0 ? '?' : *at; /* else it could not be handed over */
    QR_LOG(&u->s->log, QR_INFO, "upgrade", QR_F("what", &line[0]));
    pthread_mutex_lock(&u->mu);
    qr_buf_add(&u->report, line, strlen(line));
    qr_buf_add(&u->report, "\n", 1);
    pthread_mutex_unlock(&u->mu);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the process runs the new program. */
static bool is_new(const struct qri_upgrade *u, int pid)
{
    char path[64];
    struct stat file;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return stat(path, &file) == 0 && is_same(&file, &u->file);
}

/* Runs the former program, or is about to. */
static bool is_former(const struct qri_upgrade *u, const struct qr_super_seen *child)
{
    struct stat file;
    if (child->retired)
        return false;
    return child->pid != 0 ? !is_new(u, child->pid)
                           : stat(child->path, &file) != 0 || !is_same(&file, &u->file);
}

struct search {
    const struct qri_upgrade *u;
    const char *name;
    bool found;
};

static void search_former(void *ctx, const struct qr_super_seen *child)
{
    struct search *search = ctx;
    search->found |= strcmp(child->name, search->name) == 0 && is_former(search->u, child);
}

static bool has_former(const struct qri_upgrade *u, const char *name)
{
    struct search search = {.u = u, .name = name};
    qr_super_each(u->s->super, search_former, &search);
    return search.found;
}

static void set_program(struct supervisor *s, const char *program)
{
    pthread_mutex_lock(&s->program_mu);
    snprintf(s->program, sizeof s->program, "%s", program);
    pthread_mutex_unlock(&s->program_mu);
}

/* ---- a child ---- */

static enum qr_status wait_ready(void *ctx, const char *name, int pid, int64_t until_mono_ns)
{
    const struct qri_upgrade *u = ctx;
    return qr_control_wait_ready(u->s->control, name, pid, until_mono_ns, NULL);
}

static void kept(void *ctx, const char *name, int pid)
{
    const struct qri_upgrade *u = ctx;
    qr_control_known(u->s->control, name, pid);
}

typedef enum qr_status replace_fn(struct qr_super *super, const struct qr_super_swap *swap,
                                  struct qr_err *err);

static enum qr_status swap(struct qri_upgrade *u, const char *name, int64_t ready_ns,
                           int retire_signal, replace_fn *replace, struct qr_err *err)
{
    struct supervisor *s = u->s;
    struct qri_child_spec next, former;
    int pid = qr_super_pid(s->super, name);
    if (!has_former(u, name))
        return QR_OK;
    int64_t began = qr_env_mono_ns(s->env);
    QR_TRY(qri_child_spec(s, name, u->program, &next, err));
    QR_TRY(qri_child_spec(s, name, QRI_OWN_PROGRAM, &former, err));
    struct qr_super_swap how = {
        .next = &next.child,
        .former = &former.child,
        .end_ns = END_NS,
        .ready_ns = ready_ns,
        .retire_signal = retire_signal,
        .wait_ready = wait_ready,
        .kept = kept,
        .ctx = u,
    };
    QR_TRY(replace(s->super, &how, err));
    tell(u, "%s: process %d replaced by %d in %lld ms", name, pid, qr_super_pid(s->super, name),
         (long long)(qr_env_mono_ns(s->env) - began) / MS_NS);
    return QR_OK;
}

/* Who asks it waits, and asks again. */
static enum qr_status replace_storage(struct qri_upgrade *u, const char *name, struct qr_err *err)
{
    return swap(u, name, STORAGE_READY_NS, 0, qr_super_replace, err);
}

/* Its sessions wait at the gateway. What control has told the node is forgotten with it, so no
 * operation is at work meanwhile, but for one that takes longer than PAUSE_NS: that repeats its
 * step. */
static enum qr_status replace_node(struct qri_upgrade *u, const char *name, struct qr_err *err)
{
    struct supervisor *s = u->s;
    if (!has_former(u, name))
        return QR_OK;
    qr_control_drain(s->control, name); /* statements that wait for an operation end, too */
    bool held = qr_control_hold(s->control, qr_env_mono_ns(s->env) + PAUSE_NS, NULL) == QR_OK;
    enum qr_status status = swap(u, name, SERVING_READY_NS, 0, qr_super_replace, err);
    if (held)
        qr_control_go_on(s->control);
    return status;
}

static enum qr_status replace_api(struct qri_upgrade *u, const char *name, struct qr_err *err)
{
    return swap(u, name, READY_NS, SIGTERM, qr_super_replace_beside, err);
}

/* The name that nodes give sessions back to is the new one's from its start on, and the former's
 * again if that does not come up. */
static enum qr_status replace_gateway(struct qri_upgrade *u, const char *name, struct qr_err *err)
{
    char back[PATH_BYTES], aside[PATH_BYTES];
    int n = snprintf(back, sizeof back, "%s/%s.back", u->s->run_dir, name),
        m = snprintf(aside, sizeof aside, "%s/%s.back.former", u->s->run_dir, name);
    if (n <= 0 || (size_t)n >= sizeof back || m <= 0 || (size_t)m >= sizeof aside)
        return qr_fail(err, QR_TOO_BIG, "the path of the run directory");
    unlink(aside);
    (void)!link(back, aside);
    enum qr_status status = swap(u, name, READY_NS, SIGUSR1, qr_super_replace_beside, err);
    if (status != QR_OK)
        (void)!rename(aside, back);
    unlink(aside);
    return status;
}

/* ---- nodes of single databases ---- */

struct look {
    const struct qri_upgrade *u;
    const uint32_t *seen; /* databases that have been relocated */
    size_t seen_count;
    char name[QR_SUPER_NAME_BYTES_MAX + 1]; /* of an old node; "": there is none */
    uint32_t database_id;
    bool again; /* it is of a database that has been relocated */
};

static void look_at(void *ctx, const struct qr_super_seen *child)
{
    struct look *look = ctx;
    uint32_t id = 0;
    if (look->name[0] != '\0' || !qr_place_database_of(child->name, &id) ||
        !is_former(look->u, child))
        return;
    snprintf(look->name, sizeof look->name, "%s", child->name);
    look->database_id = id;
    for (size_t i = 0; i < look->seen_count; i++)
        look->again |= look->seen[i] == id;
}

/* Each database goes to new processes as it does when it is scaled; what is left then is replaced
 * one by one. */
static enum qr_status replace_nodes(struct qri_upgrade *u, const char *name, struct qr_err *err)
{
    uint32_t *seen = calloc(LOOKED_MAX, sizeof *seen);
    enum qr_status status = seen == NULL ? qr_fail(err, QR_NOMEM, "replace '%s'", name) : QR_OK;
    size_t count = 0;
    while (status == QR_OK) {
        struct look look = {.u = u, .seen = seen, .seen_count = count};
        qr_super_each(u->s->super, look_at, &look);
        if (look.name[0] == '\0')
            break;
        int64_t began = qr_env_mono_ns(u->s->env);
        if (look.again || count == LOOKED_MAX) {
            status = replace_node(u, look.name, err);
            continue;
        }
        seen[count++] = look.database_id;
        struct qr_err own = {.line = 0};
        status = qr_control_relocate(u->s->control, look.database_id, &own);
        if (status == QR_OK)
            tell(u, "%s: its database has new processes after %lld ms", look.name,
                 (long long)(qr_env_mono_ns(u->s->env) - began) / MS_NS);
        else if (own.number != 0 && qr_env_mono_ns(u->s->env) - began < SECOND_NS)
            status = QR_OK; /* another operation waits for its turn: process by process, then */
        else if (err != NULL)
            *err = own;
    }
    free(seen);
    return status;
}

/* ---- all of it ---- */

static const struct step {
    const char *name;
    enum qr_status (*run)(struct qri_upgrade *u, const char *name, struct qr_err *err);
} steps[] = {
    /* who is asked before who asks */
    {QR_ROLE_NAME_LOG, replace_storage},   {QR_ROLE_NAME_PAGE, replace_storage},
    {QR_ROLE_NAME_COMPUTE, replace_nodes}, {QR_NODE_SHARED, replace_node},
    {QR_ROLE_NAME_API, replace_api},       {QR_ROLE_NAME_GATEWAY, replace_gateway},
};

struct others {
    const struct qri_upgrade *u;
    size_t count;
};

static void count_other(void *ctx, const struct qr_super_seen *child)
{
    struct others *others = ctx;
    others->count += is_former(others->u, child);
}

/* Operations are held when this is QR_OK. A process that came back between its step and the last
 * one did so with the former program: it is replaced in another round. */
static enum qr_status run_steps(struct qri_upgrade *u, struct qr_err *err)
{
    struct supervisor *s = u->s;
    QR_TRY(qr_wrap(err, qri_upgrade_probe(s->env, u->program, s->argv, &u->cancelled, err), "'%s'",
                   u->path));
    QR_TRY(qr_control_hold(s->control, qr_env_mono_ns(s->env) + HOLD_NS, err));
    qr_control_go_on(s->control); /* none is at work that would take long */
    set_program(s, u->program);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
            QR_TRY(qr_wrap(err, steps[i].run(u, steps[i].name, err), "%s", steps[i].name));
        QR_TRY(qr_wrap(err, qr_control_hold(s->control, qr_env_mono_ns(s->env) + HOLD_NS, err),
                       "supervisor"));
        struct others others = {u, 0};
        qr_super_each(s->super, count_other, &others);
        if (others.count == 0)
            return QR_OK;
        qr_control_go_on(s->control);
    }
    return qr_fail(err, QR_BUSY, "processes of the former program come back again and again");
}

/* ---- what started meanwhile when it fails ---- */

struct started {
    const struct qri_upgrade *u;
    struct started_child {
        char name[QR_SUPER_NAME_BYTES_MAX + 1];
        int pid;
    } * children;
    size_t count;
};

static void note_started(void *ctx, const struct qr_super_seen *child)
{
    struct started *started = ctx;
    if (child->retired || strcmp(child->path, started->u->program) != 0)
        return;
    struct started_child *to = &started->children[started->count++];
    snprintf(to->name, sizeof to->name, "%s", child->name);
    to->pid = child->pid;
}

/* Children that control has asked for meanwhile have the new program. Who is not ready gets the
 * former one: it may never be. */
static void give_up(struct qri_upgrade *u)
{
    struct supervisor *s = u->s;
    struct started started = {.u = u};
    struct qr_err err = {0};
    set_program(s, QRI_OWN_PROGRAM);
    started.children = calloc(QR_SUPER_CHILDREN_MAX, sizeof *started.children);
    if (started.children == NULL)
        return;
    qr_super_each(s->super, note_started, &started);
    for (size_t i = 0; i < started.count && !u->cancelled; i++) {
        const struct started_child *child = &started.children[i];
        struct qri_child_spec former;
        if (child->pid != 0 &&
            qr_control_wait_ready(s->control, child->name, child->pid, 0, NULL) != QR_TIMEOUT)
            continue;
        enum qr_status status = qri_child_spec(s, child->name, QRI_OWN_PROGRAM, &former, &err);
        if (status == QR_OK)
            status = qr_super_exchange(s->super, &former.child, END_NS, &err);
        if (status == QR_OK)
            tell(u, "%s: not ready, started again with the former program", child->name);
        else
            QR_LOG(&s->log, QR_ERROR, "not_given_up", QR_F("name", &child->name[0]),
                   QR_F("reason", &err.text[0]));
    }
    free(started.children);
}

static void *run(void *arg)
{
    struct qri_upgrade *u = arg;
    struct supervisor *s = u->s;
    struct qr_err err = {0};
    tell(u, "upgrade to '%s'", u->path);
    enum qr_status status = run_steps(u, &err);
    bool becomes = status == QR_OK && !is_new(u, getpid());
    if (status != QR_OK) {
        QR_LOG(&s->log, QR_WARN, "upgrade_failed", QR_F("reason", &err.text[0]));
        give_up(u);
        tell(u, "failed: %s; what has not been replaced goes on as it was", err.text);
    } else if (!becomes) {
        set_program(s, QRI_OWN_PROGRAM);
        qr_control_go_on(s->control);
        tell(u, "supervisor: process %d runs it already", (int)getpid());
    }
    pthread_mutex_lock(&u->mu);
    u->is_due = becomes;
    u->state = becomes ? QRI_UPGRADE_RUNS : status == QR_OK ? QRI_UPGRADE_DONE : QRI_UPGRADE_FAILED;
    pthread_mutex_unlock(&u->mu);
    return NULL;
}

/* ---- who asks ---- */

struct opened {
    char path[PATH_BYTES];
    int fd;
    struct stat file;
};

/* The file is kept open, because its children may be started again from it. What is no file, and
 * blocks who opens it, is found out; nothing is locked meanwhile. */
static enum qr_status open_program(struct opened *opened, const uint8_t *path, size_t bytes,
                                   struct qr_err *err)
{
    opened->fd = -1;
    if (bytes == 0 || bytes >= sizeof opened->path || memchr(path, '\0', bytes) != NULL)
        return qr_fail(err, QR_INVALID, "the program's path is none");
    memcpy(opened->path, path, bytes);
    opened->path[bytes] = '\0';
    if (!qri_handed_may_say(opened->path))
        return qr_fail(err, QR_INVALID, "the program's path is not UTF-8");
    opened->fd = open(opened->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened->fd < 0 || fstat(opened->fd, &opened->file) != 0)
        return qr_fail(err, QR_INVALID, "'%s' cannot be read: %s", opened->path,
                       strerrordesc_np(errno));
    return S_ISREG(opened->file.st_mode)
               ? QR_OK
               : qr_fail(err, QR_INVALID, "'%s' cannot be read: it is no file", opened->path);
}

static enum qr_status begin(struct qri_upgrade *u, const struct opened *opened,
                            struct qr_err *err) /* mu held */
{
    if (u->state == QRI_UPGRADE_RUNS)
        return qr_fail(err, QR_BUSY, "an upgrade is under way");
    if (*u->s->settings->advertise != '\0')
        return qr_fail(err, QR_UNSUPPORTED,
                       "a server that other machines belong to (--advertise) is not upgraded in "
                       "service: stop it and start the new program");
    if (!qri_handed_may_say(u->s->run_dir))
        return qr_fail(err, QR_UNSUPPORTED,
                       "a server with a run directory whose path is not UTF-8 is not upgraded in "
                       "service: stop it and start the new program");
    if (u->thread_runs)
        pthread_join(u->thread, NULL);
    u->thread_runs = false;
    memcpy(u->path, opened->path, sizeof u->path);
    u->file = opened->file;
    struct others others = {u, !is_new(u, getpid())};
    qr_super_each(u->s->super, count_other, &others);
    if (others.count == 0)
        return qr_fail(err, QR_EXISTS, "all processes run '%s' already", u->path);
    snprintf(u->program, sizeof u->program, "/proc/self/fd/%d", opened->fd);
    qr_buf_clear(&u->report);
    enum qr_status status = qr_thread_start("upgrade", 0, run, u, &u->thread, err);
    u->thread_runs = status == QR_OK;
    if (status == QR_OK)
        u->state = QRI_UPGRADE_RUNS;
    return status;
}

static void serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct qri_upgrade *u = ctx;
    struct qr_err err = {0};
    struct qr_buf answer;
    struct opened opened = {.fd = -1};
    bool begins = own_request->method == QRI_UPGRADE_BEGIN;
    qr_buf_init(&answer, REPORT_BYTES_MAX + 1);
    enum qr_status status =
        begins ? open_program(&opened, own_request->body, own_request->bytes, &err) : QR_OK;
    pthread_mutex_lock(&u->mu);
    if (begins) {
        status = status == QR_OK ? begin(u, &opened, &err) : status;
    } else if (own_request->method == QRI_UPGRADE_SEEN && own_request->bytes == 4) {
        size_t known = qr_get32le(own_request->body);
        qr_buf_add8(&answer, (uint8_t)u->state);
        if (known < u->report.len)
            qr_buf_add(&answer, u->report.data + known, u->report.len - known);
    } else {
        status = qr_fail(&err, QR_UNSUPPORTED, "no call %u", own_request->method);
    }
    pthread_mutex_unlock(&u->mu);
    if (status != QR_OK && opened.fd >= 0)
        close(opened.fd);
    qr_rpc_finish(own_request, &answer, status, &err);
}

/* ---- open, close ---- */

/* What the former program of this process began. */
static void take_over(struct qri_upgrade *u)
{
    const struct qri_handed *handed = &u->s->handed;
    char path[PATH_BYTES];
    ssize_t n = readlink(QRI_OWN_PROGRAM, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    qr_buf_add(&u->report, handed->report, strlen(handed->report));
    bool good = *handed->failed == '\0';
    u->state = good ? QRI_UPGRADE_DONE : QRI_UPGRADE_FAILED;
    if (good)
        tell(u, "supervisor: process %d runs '%s'", (int)getpid(), path);
    else
        tell(u, "failed: supervisor: %s; it goes on with '%s'", handed->failed, path);
}

enum qr_status qri_upgrade_open(struct supervisor *s, struct qri_upgrade **ret_upgrade,
                                struct qr_err *err)
{
    struct qri_upgrade *u = calloc(1, sizeof *u);
    if (u == NULL)
        return qr_fail(err, QR_NOMEM, "serve upgrades");
    u->s = s;
    pthread_mutex_init(&u->mu, NULL);
    qr_buf_init(&u->report, REPORT_BYTES_MAX);
    if (s->resumes)
        take_over(u);
    const char *address = qr_arena_printf(s->arena, "unix:%s/upgrade.sock", s->run_dir);
    struct qr_rpc_loop_options loop = {.env = s->env, .log = &s->log, .name = "upgrades"};
    struct qr_rpc_listen_options listen = {
        .address = address, .serve = serve, .ctx = u, .workers = 1};
    enum qr_status status = address == NULL ? qr_fail(err, QR_NOMEM, "serve upgrades") : QR_OK;
    if (status == QR_OK)
        status = qr_rpc_loop_new(&loop, &u->loop, err);
    if (status == QR_OK)
        status = qr_rpc_listen(u->loop, &listen, &u->listener, err);
    if (status != QR_OK)
        qri_upgrade_close(u);
    else
        *ret_upgrade = u;
    return status;
}

void qri_upgrade_close(struct qri_upgrade *u)
{
    if (u == NULL)
        return;
    u->cancelled = true;
    qr_rpc_listener_free(u->listener);
    qr_rpc_loop_free(u->loop);
    if (u->thread_runs)
        pthread_join(u->thread, NULL);
    qr_buf_done(&u->report);
    pthread_mutex_destroy(&u->mu);
    free(u);
}

const char *qri_upgrade_is_due(struct qri_upgrade *u)
{
    pthread_mutex_lock(&u->mu);
    bool is_due = u->is_due;
    pthread_mutex_unlock(&u->mu);
    return is_due ? u->program : NULL;
}

char *qri_upgrade_report(struct qri_upgrade *u)
{
    pthread_mutex_lock(&u->mu);
    char *copy = strdup(qr_buf_cstr(&u->report));
    pthread_mutex_unlock(&u->mu);
    return copy;
}
