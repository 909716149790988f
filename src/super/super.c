/* super.c - see super/super.h: the table of children and the thread that keeps it true.
 *
 * Other threads change what a row wants and wake the thread; only the thread forks, reaps and
 * frees. */
#include "super/super.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/thread.h"
#include "super/cgroup.h"
#include "super_int.h"
#include "base/banned.h"

enum { THREAD_STACK_BYTES = 256 * 1024 };
static const int64_t SECOND_NS = 1000000000, MS_NS = 1000000, LOOK_NS = 10000000;

/* ---- rows; mu held ---- */

struct qri_child *qri_super_find(struct qr_super *super, const char *name)
{
    struct qri_child *child = super->children;
    while (child != NULL && strcmp(child->name, name) != 0)
        child = child->next;
    return child;
}

static void child_free(struct qri_child *child)
{
    for (size_t i = 0; child->args[i] != NULL; i++)
        free(child->args[i]);
    for (size_t i = 0; i < QR_SUPER_GROUPS_MAX; i++)
        free(child->groups[i]);
    free(child->path);
    free(child);
}

void qri_super_forget(struct qr_super *super, struct qri_child *child)
{
    struct qri_child **at = &super->children;
    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
    super->count -= 1;
    child_free(child);
    pthread_cond_broadcast(&super->gone);
}

void qri_super_wake(struct qr_super *super)
{
    uint64_t one = 1;
    while (write(super->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

static void send_signal(const struct qri_child *child, int number)
{
    if (child->state == QRI_CHILD_RUNNING)
        syscall(SYS_pidfd_send_signal, child->pidfd, number, NULL, 0);
}

static struct qri_child *child_new(const struct qr_super_child *spec)
{
    struct qri_child *child = calloc(1, sizeof *child);
    if (child == NULL)
        return NULL;
    memcpy(child->name, spec->name, strlen(spec->name) + 1);
    memcpy(child->fds, spec->fds, sizeof child->fds);
    child->fd_count = spec->fd_count;
    child->may_rest = spec->may_rest;
    child->path = strdup(spec->path);
    bool good = child->path != NULL;
    for (size_t i = 0; good && spec->argv[i] != NULL; i++)
        good = (child->args[i] = strdup(spec->argv[i])) != NULL;
    for (size_t i = 0; good && i < QR_SUPER_GROUPS_MAX && spec->groups[i] != NULL; i++)
        good = (child->groups[i] = strdup(spec->groups[i])) != NULL;
    if (!good) {
        child_free(child);
        return NULL;
    }
    return child;
}

/* ---- the thread ---- */

/* One that has ended already is nowhere to be put. */
static void enter_groups(struct qr_super *super, const struct qri_child *child)
{
    struct qr_err err = {0};
    for (size_t i = 0; i < QR_SUPER_GROUPS_MAX && child->groups[i] != NULL; i++) {
        enum qr_status status = qr_cgroup_enter(child->groups[i], child->pid, &err);
        if (status != QR_OK && status != QR_NOT_FOUND)
            QR_LOG(&super->options.log, QR_WARN, "child_not_in_cgroup",
                   QR_F("name", &child->name[0]), QR_F("reason", &err.text[0]));
    }
}

static void start_child(struct qr_super *super, struct qri_child *child) /* held */
{
    struct qr_err err = {0};
    child->since_ns = qr_env_mono_ns(super->options.env);
    enum qr_status status = qri_spawn(child->path, child->args, child->fds, child->fd_count,
                                      super->lock_fd, &child->pid, &child->pidfd, &err);
    if (status == QR_OK) {
        child->state = QRI_CHILD_RUNNING;
        child->starts += 1;
        enter_groups(super, child);
        pthread_cond_broadcast(&super->gone);
        QR_LOG(&super->options.log, QR_INFO, "child_started", QR_F("name", &child->name[0]),
               QR_F("pid", child->pid));
        return;
    }
    int64_t pause = qri_backoff_next(&child->backoff, 0, &super->options);
    child->due_ns = child->since_ns + (pause == 0 ? super->options.pause_min_ns : pause);
    QR_LOG(&super->options.log, QR_ERROR, "child_not_started", QR_F("name", &child->name[0]),
           QR_F("reason", &err.text[0]));
}

static void log_exit(struct qr_super *super, const struct qr_super_exit *e, bool expected)
{
    QR_LOG(&super->options.log, expected ? QR_INFO : QR_WARN, "child_ended", QR_F("name", e->name),
           QR_F("pid", e->pid), QR_F("code", e->code), QR_F("ran_ms", e->ran_ns / MS_NS),
           QR_F("pause_ms", e->pause_ns < 0 ? -1 : e->pause_ns / MS_NS));
}

/* The child's pidfd is readable: it has ended. Returns with mu held again. */
static void reap(struct qr_super *super, struct qri_child *child) /* held */
{
    int wait_status = 0;
    pid_t got;
    while ((got = waitpid(child->pid, &wait_status, WNOHANG)) < 0 && errno == EINTR)
        continue;
    if (got == 0)
        return; /* not yet, whatever woke us */
    close(child->pidfd);
    int64_t now = qr_env_mono_ns(super->options.env);
    char name[sizeof child->name];
    memcpy(name, child->name, sizeof name);
    struct qr_super_exit e = {
        .name = name,
        .pid = child->pid,
        .code = WIFSIGNALED(wait_status) ? -WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
        .ran_ns = now - child->since_ns,
        .pause_ns = -1,
    };
    bool rests = child->may_rest && e.code == 0;
    bool expected = child->ending || child->retired || rests;
    child->pid = 0;
    child->state = QRI_CHILD_RESTING;
    if (!expected) {
        e.pause_ns = qri_backoff_next(&child->backoff, e.ran_ns, &super->options);
        child->due_ns = now + e.pause_ns;
        child->state = QRI_CHILD_WAITING;
    }
    log_exit(super, &e, expected);
    if (child->retired && !child->ending)
        qri_super_forget(super, child);
    if (super->options.exited != NULL) {
        pthread_mutex_unlock(&super->mu);
        super->options.exited(super->options.ctx, &e);
        pthread_mutex_lock(&super->mu);
    }
    pthread_cond_broadcast(&super->gone);
}

static bool prepare_poll(struct qr_super *super, size_t *ret_count, int *ret_timeout_ms) /* held */
{
    int64_t now = qr_env_mono_ns(super->options.env), due = INT64_MAX;
    if (super->count + 1 > super->polled_max) {
        size_t max = (super->count + 1) * 2;
        struct pollfd *polled = realloc(super->polled, max * sizeof *polled);
        if (polled != NULL)
            super->polled = polled;
        struct qri_child **children = realloc(super->polled_children, max * sizeof *children);
        if (children != NULL)
            super->polled_children = children;
        if (polled == NULL || children == NULL)
            return false;
        super->polled_max = max;
    }
    size_t n = 0;
    super->polled[n++] = (struct pollfd){.fd = super->wake_fd, .events = POLLIN};
    for (struct qri_child *child = super->children; child != NULL; child = child->next) {
        if (child->state == QRI_CHILD_RUNNING) {
            super->polled_children[n] = child;
            super->polled[n++] = (struct pollfd){.fd = child->pidfd, .events = POLLIN};
        }
        bool timed =
            child->state == QRI_CHILD_WAITING ? !child->ending : child->ending && !child->killed;
        if (timed && child->due_ns < due)
            due = child->due_ns;
    }
    *ret_count = n;
    int64_t ms = due <= now ? 0 : (due - now) / MS_NS + 1;
    *ret_timeout_ms = due == INT64_MAX ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms;
    return true;
}

/* Starts and kills what is due. */
static void do_due(struct qr_super *super) /* held */
{
    int64_t now = qr_env_mono_ns(super->options.env);
    for (struct qri_child *child = super->children; child != NULL; child = child->next) {
        if (child->state == QRI_CHILD_WAITING && !child->ending && child->due_ns <= now)
            start_child(super, child);
        if (child->state == QRI_CHILD_RUNNING && child->ending && !child->killed &&
            child->due_ns <= now) {
            child->killed = true;
            QR_LOG(&super->options.log, QR_WARN, "child_killed", QR_F("name", &child->name[0]),
                   QR_F("pid", child->pid));
            send_signal(child, SIGKILL);
        }
    }
}

static void forget_rested(struct qr_super *super, const struct qri_child *successor)
{
    struct qri_child *child = super->children;
    while (child != NULL && (child == successor || child->state != QRI_CHILD_RESTING ||
                             child->ending || strcmp(child->name, successor->name) != 0))
        child = child->next;
    if (child != NULL)
        qri_super_forget(super, child);
}

static bool any_runs(const struct qr_super *super)
{
    const struct qri_child *child = super->children;
    while (child != NULL && child->state != QRI_CHILD_RUNNING)
        child = child->next;
    return child != NULL;
}

/* One look at everything. held */
static void look(struct qr_super *super)
{
    uint64_t drained;
    size_t count = 0;
    int timeout_ms = 10;
    do_due(super);
    bool ready = prepare_poll(super, &count, &timeout_ms);
    pthread_mutex_unlock(&super->mu);
    int got = ready ? poll(super->polled, count, timeout_ms) : poll(NULL, 0, timeout_ms);
    pthread_mutex_lock(&super->mu);
    if (got <= 0)
        return;
    if (super->polled[0].revents != 0)
        (void)!read(super->wake_fd, &drained, sizeof drained);
    for (size_t i = 1; i < count; i++) /* a row that runs is freed by nobody but this thread */
        if (super->polled[i].revents != 0)
            reap(super, super->polled_children[i]);
}

void qr_super_loop(struct qr_super *super)
{
    pthread_mutex_lock(&super->mu);
    super->loops = true;
    while (!super->closing)
        look(super);
    super->loops = false;
    pthread_cond_broadcast(&super->gone);
    pthread_mutex_unlock(&super->mu);
}

static void *run(void *arg)
{
    qr_super_loop(arg);
    return NULL;
}

/* ---- the calls ---- */

enum qr_status qr_super_new(const struct qr_super_options *options, struct qr_super **ret_super,
                            struct qr_err *err)
{
    struct qr_super *super = calloc(1, sizeof *super);
    if (super == NULL)
        return qr_fail(err, QR_NOMEM, "supervise");
    struct qr_super_options *o = &super->options;
    *o = *options;
    o->lock_wait_ns = o->lock_wait_ns == 0 ? 10 * SECOND_NS : o->lock_wait_ns;
    o->pause_min_ns = o->pause_min_ns == 0 ? 10 * MS_NS : o->pause_min_ns;
    o->pause_max_ns = o->pause_max_ns == 0 ? 5 * SECOND_NS : o->pause_max_ns;
    o->service_ns = o->service_ns == 0 ? 10 * SECOND_NS : o->service_ns;
    super->lock_fd = o->lock_fd > 0 ? o->lock_fd : -1;
    pthread_mutex_init(&super->mu, NULL);
    qr_cond_init(&super->gone);
    super->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum qr_status status =
        super->wake_fd < 0 ? qr_fail(err, QR_IO, "eventfd: %s", strerrordesc_np(errno)) : QR_OK;
    if (status == QR_OK && o->lock_path != NULL && super->lock_fd < 0)
        status = qri_lock_children(o->env, o->lock_path, o->lock_wait_ns, &super->lock_fd, err);
    super->loops = status == QR_OK && o->no_thread; /* its thread is about to come */
    bool own_thread = status == QR_OK && !o->no_thread;
    if (own_thread)
        status = qr_thread_start("super", THREAD_STACK_BYTES, run, super, &super->thread, err);
    super->thread_runs = own_thread && status == QR_OK;
    if (status != QR_OK)
        qr_super_free(super);
    else
        *ret_super = super;
    return status;
}

void qr_super_free(struct qr_super *super)
{
    if (super == NULL)
        return;
    pthread_mutex_lock(&super->mu);
    for (struct qri_child *child = super->children; child != NULL; child = child->next) {
        child->ending = child->killed = true;
        send_signal(child, SIGKILL);
    }
    while (any_runs(super) && (super->thread_runs || super->loops))
        qr_cond_wait(&super->gone, &super->mu, -1);
    super->closing = true;
    pthread_mutex_unlock(&super->mu);
    if (super->thread_runs) {
        qri_super_wake(super);
        pthread_join(super->thread, NULL);
    }
    pthread_mutex_lock(&super->mu);
    while (super->loops) {
        qri_super_wake(super);
        (void)qr_cond_wait(&super->gone, &super->mu, LOOK_NS);
    }
    pthread_mutex_unlock(&super->mu);
    while (super->children != NULL)
        qri_super_forget(super, super->children);
    if (super->wake_fd >= 0)
        close(super->wake_fd);
    if (super->lock_fd >= 0)
        close(super->lock_fd);
    free(super->polled);
    free(super->polled_children);
    pthread_cond_destroy(&super->gone);
    pthread_mutex_destroy(&super->mu);
    free(super);
}

static enum qr_status check(const struct qr_super_child *spec, struct qr_err *err)
{
    size_t args = 0;
    while (args <= QR_SUPER_ARGS_MAX && spec->argv[args] != NULL)
        args++;
    if (*spec->name == '\0' || strlen(spec->name) > QR_SUPER_NAME_BYTES_MAX || args == 0 ||
        args > QR_SUPER_ARGS_MAX || spec->fd_count > QR_SUPER_FDS_MAX)
        return qr_fail(err, QR_INVALID, "a child's name, arguments or descriptors are too many");
    return QR_OK;
}

enum qr_status qri_super_add(struct qr_super *super, const struct qr_super_child *spec,
                             struct qri_child **ret_child, struct qr_err *err)
{
    QR_TRY(check(spec, err));
    if (super->count >= QR_SUPER_CHILDREN_MAX || super->closing)
        return qr_fail(err, QR_FULL, "at most %d child processes", QR_SUPER_CHILDREN_MAX);
    struct qri_child *child = child_new(spec);
    if (child == NULL)
        return qr_fail(err, QR_NOMEM, "start '%s'", spec->name);
    child->next = super->children;
    super->children = child;
    super->count += 1;
    *ret_child = child;
    return QR_OK;
}

enum qr_status qr_super_start(struct qr_super *super, const struct qr_super_child *spec,
                              struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&super->mu);
    struct qri_child *child = qri_super_find(super, spec->name);
    if (child != NULL && child->ending)
        status = qr_fail(err, QR_BUSY, "'%s' is being ended", spec->name);
    else if (child == NULL || child->state == QRI_CHILD_RESTING)
        status = qri_super_add(super, spec, &child, err); /* the program may be another one now */
    if (status == QR_OK)                                  /* who rested makes way */
        forget_rested(super, child);
    pthread_mutex_unlock(&super->mu);
    qri_super_wake(super);
    return status;
}

static void end_child(struct qri_child *child) /* held */
{
    if (child->ending)
        return;
    child->ending = true;
    child->due_ns = INT64_MAX;
    send_signal(child, SIGTERM);
}

void qri_super_remove(struct qr_super *super, const char *name, int64_t until_mono_ns)
{
    struct qri_child *child;
    while ((child = qri_super_find(super, name)) != NULL) {
        end_child(child);
        child->due_ns = until_mono_ns;
        if (child->state != QRI_CHILD_RUNNING) {
            qri_super_forget(super, child);
            continue;
        }
        qri_super_wake(super);
        qr_cond_wait(&super->gone, &super->mu, -1);
    }
}

void qr_super_end(struct qr_super *super, const char *name)
{
    pthread_mutex_lock(&super->mu);
    struct qri_child *child = qri_super_find(super, name);
    if (child != NULL)
        end_child(child);
    pthread_mutex_unlock(&super->mu);
}

void qr_super_end_but(struct qr_super *super, const char *const *kept)
{
    pthread_mutex_lock(&super->mu);
    for (struct qri_child *child = super->children; child != NULL; child = child->next) {
        size_t i = 0;
        while (kept[i] != NULL && strcmp(kept[i], child->name) != 0)
            i++;
        if (kept[i] == NULL)
            end_child(child);
    }
    pthread_mutex_unlock(&super->mu);
}

void qr_super_reap_ended(struct qr_super *super, int64_t until_mono_ns)
{
    char name[QR_SUPER_NAME_BYTES_MAX + 1];
    pthread_mutex_lock(&super->mu);
    for (struct qri_child *child = super->children; child != NULL; child = child->next)
        if (child->ending)
            child->due_ns = until_mono_ns;
    qri_super_wake(super);
    for (;;) {
        const struct qri_child *child = super->children;
        while (child != NULL && !child->ending)
            child = child->next;
        if (child == NULL)
            break;
        memcpy(name, child->name, sizeof name);
        pthread_mutex_unlock(&super->mu);
        qr_super_reap(super, name, until_mono_ns);
        pthread_mutex_lock(&super->mu);
    }
    pthread_mutex_unlock(&super->mu);
}

void qr_super_reap(struct qr_super *super, const char *name, int64_t until_mono_ns)
{
    pthread_mutex_lock(&super->mu);
    struct qri_child *child = qri_super_find(super, name);
    if (child != NULL && child->ending) {
        child->due_ns = until_mono_ns;
        qri_super_wake(super);
        while (child != NULL && child->state == QRI_CHILD_RUNNING) {
            qr_cond_wait(&super->gone, &super->mu, -1);
            child = qri_super_find(super, name);
        }
        if (child != NULL)
            qri_super_forget(super, child);
    }
    pthread_mutex_unlock(&super->mu);
}

void qr_super_kill(struct qr_super *super, const char *name, int pid)
{
    pthread_mutex_lock(&super->mu);
    const struct qri_child *child = qri_super_find(super, name);
    if (child != NULL && child->state == QRI_CHILD_RUNNING && child->pid == pid)
        send_signal(child, SIGKILL);
    pthread_mutex_unlock(&super->mu);
}

int qr_super_pid(struct qr_super *super, const char *name)
{
    pthread_mutex_lock(&super->mu);
    const struct qri_child *child = qri_super_find(super, name);
    int pid = child == NULL ? 0 : child->pid;
    pthread_mutex_unlock(&super->mu);
    return pid;
}
