/* role.c - see cmd_int.h */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "blob/regions.h"
#include "cmd_int.h"
#include "ctl/place.h"
#include "engine/engine.h"
#include "env/thread.h"
#include "base/banned.h"

enum { CREDENTIAL_BYTES_MAX = 4096 };
static const int64_t REGISTER_NS = INT64_C(10) * 1000000000;

const char *qri_role_address(const struct qri_role *role, const char *name, const char *ending)
{
    return qr_arena_printf(role->arena, "unix:%s/%s.%s", role->settings->run_dir, name, ending);
}

struct qr_rpc_loop_options qri_role_loop(const struct qri_role *role, const char *name)
{
    return (struct qr_rpc_loop_options){
        .env = role->env,
        .log = &role->log,
        .name = name,
        .cert_path = role->identity,
        .key_path = role->identity,
        .ca_path = role->identity,
    };
}

/* Of a service that runs on another machine: its address there. NULL: it runs on this one. */
static enum qr_status away_address(const struct qri_role *role, const char *name,
                                   char dst[QR_CONTROL_PLACE_BYTES], bool *ret_away,
                                   struct qr_err *err)
{
    const struct qri_settings *settings = role->settings;
    bool is_log = strcmp(name, QR_ROLE_NAME_LOG) == 0,
         is_page = strcmp(name, QR_ROLE_NAME_PAGE) == 0;
    *ret_away = true;
    if (role->control_address != NULL) {
        const char *address = is_log                         ? role->service->log
                              : is_page                      ? role->service->page
                              : strcmp(name, "operate") == 0 ? role->service->operate
                                                             : role->control_address;
        snprintf(dst, QR_CONTROL_PLACE_BYTES, "%s", address);
        return QR_OK;
    }
    if (is_log && *settings->log_at != '\0')
        return qri_machine_address("log-at", settings->log_at, QRI_PORT_LOG, dst, err);
    if (is_page && *settings->page_at != '\0')
        return qri_machine_address("page-at", settings->page_at, QRI_PORT_PAGE, dst, err);
    *ret_away = false;
    return QR_OK;
}

enum qr_status qri_role_client(struct qri_role *role, struct qr_rpc_loop *loop, const char *name,
                               bool patient, struct qr_rpc_client **ret_client, struct qr_err *err)
{
    /* what waits for a process that is starting again shall not wait long after it has; a machine
     * that is away may be so for long. Control counts a role as lost that does not say for some
     * seconds that it is there, so a connection that carries nothing is given up as soon. */
    static const int64_t backoff_max_ns = 20000000, away_backoff_max_ns = 250000000,
                         beat_ping_ns = INT64_C(2000000000);
    char address[QR_CONTROL_PLACE_BYTES];
    bool away;
    QR_TRY(away_address(role, name, address, &away, err));
    struct qr_rpc_client_options options = {
        .address = away ? address : qri_role_address(role, name, "sock"),
        .roles = strcmp(name, "operate") == 0 ? "control" : name,
        .backoff_max_ns = away ? away_backoff_max_ns : backoff_max_ns,
        .ping_ns = away && strcmp(name, "control") == 0 ? beat_ping_ns : 0,
        .patient = patient,
    };
    if (options.address == NULL)
        return qr_fail(err, QR_NOMEM, "reach '%s'", name);
    return qr_rpc_client_new(loop, &options, ret_client, err);
}

enum qr_status qri_role_listen(struct qri_role *role, const struct qr_rpc_listen_options *options,
                               const char *asker_roles, struct qri_role_listeners *ret_listeners,
                               struct qr_err *err)
{
    struct qr_rpc_listen_options own = *options;
    char address[QR_CONTROL_PLACE_BYTES];
    own.roles = asker_roles;
    if (*role->settings->advertise != '\0') {
        bool is_log = strcmp(role->name, QR_ROLE_NAME_LOG) == 0;
        QR_TRY(qri_machine_address("advertise", role->settings->advertise,
                                   is_log ? QRI_PORT_LOG : QRI_PORT_PAGE, address, err));
        own.address = address;
        QR_TRY(qr_rpc_listen(role->loop, &own, &ret_listeners->machines, err));
    }
    if (role->control_address != NULL)
        return QR_OK;
    own.address = qri_role_address(role, role->name, "sock");
    if (own.address == NULL)
        return qr_fail(err, QR_NOMEM, "listen");
    return qr_rpc_listen(role->loop, &own, &ret_listeners->here, err);
}

void qri_role_unlisten(struct qri_role_listeners *listeners)
{
    qr_rpc_listener_free(listeners->here);
    qr_rpc_listener_free(listeners->machines);
    *listeners = (struct qri_role_listeners){0};
}

/* `made`: the supervisor has made it; else it may have to be made here. */
static enum qr_status open_blob(struct qri_role *role, const char *url, const char *credential_file,
                                bool made, struct qr_blob **ret_blob, struct qr_err *err)
{
    struct qr_buf credential;
    enum qr_status status = QR_OK;
    qr_buf_init(&credential, CREDENTIAL_BYTES_MAX);
    if (*credential_file != '\0')
        status = qr_wrap(err, qr_env_read_file(role->env, credential_file, &credential, err),
                         "credential of the blob store");
    if (status == QR_OK) {
        struct qr_str text = qr_str_trim(qr_str(qr_buf_cstr(&credential)));
        const char *copy = qr_arena_dup(role->arena, text.p, text.n);
        struct qr_log log = {role->sink, "blob"};
        status = copy == NULL ? qr_fail(err, QR_NOMEM, "open the blob store")
                 : made       ? qr_blob_open_made(role->env, &log, url, copy, ret_blob, err)
                              : qr_blob_open(role->env, &log, url, copy, ret_blob, err);
    }
    qr_buf_done(&credential);
    return status;
}

enum qr_status qri_role_blob(struct qri_role *role, struct qr_blob **ret_blob, struct qr_err *err)
{
    const struct qri_settings *settings = role->settings;
    struct qr_blob *stores[QR_PLACE_REGIONS];
    enum qr_status status = QR_OK;
    size_t count = 0;
    while (count < QR_PLACE_REGIONS && status == QR_OK) {
        const char *url = qri_region_blob(&role->dir, role->arena, settings->blob, (uint32_t)count);
        /* on another machine nobody has made those of other regions, which are in its directory */
        bool made = count == 0 || role->control_address == NULL;
        status = url == NULL ? qr_fail(err, QR_NOMEM, "open the blob store")
                             : open_blob(role, url, settings->blob_credential_file, made,
                                         &stores[count], err);
        count += status == QR_OK;
    }
    if (status == QR_OK)
        return qr_blob_regions(stores, count, ret_blob, err);
    while (count > 0)
        qr_blob_close(stores[--count]);
    return status;
}

void qri_role_geo_blob(struct qri_role *role, struct qr_blob **ret_blob)
{
    const struct qri_settings *settings = role->settings;
    struct qr_err err = {0};
    if (*settings->geo_blob == '\0' ||
        open_blob(role, settings->geo_blob, settings->geo_blob_credential_file, false, ret_blob,
                  &err) == QR_OK)
        return;
    QR_LOG(&role->log, QR_WARN, "geo_blob_not_opened", QR_F("reason", &err.text[0]));
}

/* ---- registration ---- */

static void answer(void *ctx, struct qr_rpc_request *own_request)
{
    (void)ctx;
    qr_rpc_answer(own_request, NULL, 0);
}

/* Whoever looks whether this process still does anything asks its loop; nodes have a socket for
 * calls anyway. */
static enum qr_status listen_to_watch(struct qri_role *role, struct qr_err *err)
{
    struct qr_rpc_listen_options options = {
        .address = qr_arena_printf(role->arena, "unix:%s/%s-%d.node", role->settings->run_dir,
                                   role->name, (int)getpid()),
        .serve = answer,
    };
    if (options.address == NULL)
        return qr_fail(err, QR_NOMEM, "listen");
    return qr_rpc_listen(role->loop, &options, &role->watch, err);
}

struct registration {
    struct qri_role *role;
    enum qr_role kind;
};

static void *register_main(void *arg)
{
    struct registration *registration = arg;
    struct qri_role *role = registration->role;
    struct qr_control_ask ask = {
        .role = (uint8_t)registration->kind, .name = qr_str(role->name), .pid = (uint32_t)getpid()};
    struct qr_err err = {0};
    enum qr_status status;
    free(registration);
    if (role->control_address != NULL) {
        qri_role_stay_registered(role, &ask);
        return NULL;
    }
    do
        status = qr_control_call(qr_rpc_client_peer(role->control), QR_CONTROL_REGISTER, &ask,
                                 REGISTER_NS, NULL, &err);
    while (status == QR_TIMEOUT || status == QR_CLOSED || status == QR_BUSY);
    if (status != QR_OK &&
        status != QR_CANCELLED) /* it was started by hand, and serves who asks it */
        QR_LOG(&role->log, QR_WARN, "not_registered", QR_F("name", role->name),
               QR_F("reason", &err.text[0]));
    return NULL;
}

enum qr_status qri_role_ready(struct qri_role *role, enum qr_role kind, struct qr_err *err)
{
    sigset_t signals; /* until now a signal ended the process as a crash would */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (kind != QR_ROLE_COMPUTE && role->control_address == NULL)
        QR_TRY(listen_to_watch(role, err));
    struct registration *registration = malloc(sizeof *registration);
    if (registration == NULL)
        return qr_fail(err, QR_NOMEM, "register");
    *registration = (struct registration){role, kind};
    enum qr_status status =
        qr_thread_start("register", 0, register_main, registration, &role->registering, err);
    role->registers = status == QR_OK;
    if (status != QR_OK)
        free(registration);
    return status;
}

/* ---- service and its end ---- */

void qri_give_back_memory(void)
{
    static const size_t worth_bytes = (size_t)64 << 20;
    if (mallinfo2().fordblks >= worth_bytes)
        malloc_trim(0);
}

void qri_keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 16 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

void qri_give_back_when_calm(struct qri_calm *calm, uint64_t work)
{
    enum { CALM_TICKS = 120, LITTLE_BYTES = 256 << 10 };
    calm->ticks = work - calm->work <= LITTLE_BYTES ? calm->ticks + 1 : 0;
    calm->work = work;
    /* The second time what was let go because it was calm, as most of the log service's ring. */
    if (calm->ticks == CALM_TICKS || calm->ticks == 2 * CALM_TICKS)
        malloc_trim(0);
}

int qri_role_wait(struct qri_role *role, int tick_ms, bool (*tick)(void *ctx), void *ctx)
{
    const struct timespec pause = {.tv_sec = tick_ms / 1000,
                                   .tv_nsec = (long)(tick_ms % 1000) * 1000000};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (role->may_retire)
        sigaddset(&signals, SIGUSR1);
    for (;;) {
        int number = sigtimedwait(&signals, NULL, &pause);
        if (number > 0) {
            QR_LOG(&role->log, QR_DEBUG, "stopping", QR_F("signal", number));
            return number;
        }
        if (number < 0 && errno == EAGAIN && tick != NULL && !tick(ctx))
            return 0;
    }
}

struct watchdog {
    struct qr_env *env;
    struct qr_log log;
    int ms, code;
};

static void *end_in_time(void *arg)
{
    struct watchdog *watchdog = arg;
    qr_env_sleep_ns(watchdog->env, watchdog->ms * INT64_C(1000000));
    qr_log_event(&watchdog->log, QR_WARN, "stop_cut_short", NULL);
    _exit(watchdog->code); /* acknowledged commits are in the log */
}

void qri_role_end_within(struct qri_role *role, int ms, int code)
{
    static struct watchdog watchdog; /* the thread is there as long as the process */
    pthread_t thread;
    watchdog = (struct watchdog){role->env, role->log, ms, code};
    if (qr_thread_start("stop", 0, end_in_time, &watchdog, &thread, NULL) == QR_OK)
        pthread_detach(thread);
}

void qri_role_fatal(void *ctx, const struct qr_err *err)
{
    const struct qri_role *role = ctx;
    QR_LOG(&role->log, QR_ERROR, "fatal", QR_F("status", qr_status_info(err->status)->name),
           QR_F("reason", &err->text[0]));
    _exit(QRI_EXIT_FATAL);
}

/* ---- the process ---- */

static const struct {
    const char *role, *log_name;
    enum qr_status (*serve)(struct qri_role *role, struct qr_err *err);
    bool has_key; /* not who parses what strangers send */
} kinds[] = {
    {"log", "logsvc", qri_serve_log, true},           {"page", "pagesvc", qri_serve_page, true},
    {"gateway", "gateway", qri_serve_gateway, false}, {"api", "api", qri_serve_api, false},
    {"compute", "node", qri_serve_compute, true},
};

/* NULL: there is no such directory. */
static const char *real_path(const struct qri_role *role)
{
    char *path = realpath(role->settings->data_dir, NULL);
    const char *copy = path == NULL ? NULL : qr_arena_dup(role->arena, path, strlen(path));
    free(path);
    return copy;
}

static enum qr_status open_role(struct qri_role *role, struct qr_err *err)
{
    const struct qri_settings *settings = role->settings;
    if (*settings->join != '\0') {
        QR_TRY(qri_datadir_open(role->env, settings->data_dir, role->arena, &role->dir, err));
        role->dir.region_roots = settings->region_roots;
        QR_TRY(qri_datadir_regions(&role->dir, role->arena, err));
        return qri_role_join(role, err);
    }
    role->dir.path = real_path(role);
    role->dir.region_roots = settings->region_roots;
    if (role->dir.path == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no data directory '%s'", settings->data_dir);
    if (*settings->advertise != '\0') {
        role->identity = qri_datadir_path(&role->dir, role->arena, "machines", "self.pem");
        if (role->identity == NULL)
            return qr_fail(err, QR_NOMEM, "start");
    }
    struct qr_rpc_loop_options loop = qri_role_loop(role, "control");
    QR_TRY(qr_rpc_loop_new(&loop, &role->loop, err));
    QR_TRY(qri_role_client(role, role->loop, "control", true, &role->control, err));
    return qri_role_client(role, role->loop, "operate", true, &role->operate, err);
}

static void close_role(struct qri_role *role)
{
    atomic_store(&role->leaves, true);
    qr_rpc_client_stop(role->control); /* the registration may still be under way */
    if (role->registers)
        pthread_join(role->registering, NULL);
    qr_rpc_client_free(role->control);
    qr_rpc_client_free(role->operate);
    qr_rpc_listener_free(role->watch);
    qr_rpc_loop_free(role->loop);
}

int qri_role_run(const struct qri_settings *settings, struct qr_env *env, struct qr_log_sink *sink,
                 struct qr_arena *arena)
{
    struct qri_role role = {
        .env = env, .sink = sink, .settings = settings, .arena = arena, .name = settings->role};
    struct qr_err err = {0};
    size_t i = 0;
    while (strcmp(kinds[i].role, settings->role) != 0)
        i++; /* the options have been checked */
    role.log = (struct qr_log){sink, kinds[i].log_name};
    role.dir = (struct qri_datadir){.env = env};
    if (*settings->name != '\0')
        role.name = settings->name;
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    enum qr_status status = qr_engine_init(&err);
    if (status == QR_OK)
        status = open_role(&role, &err);
    /* a compute node of another machine gets log and pages from those who have the key */
    bool keyless = !kinds[i].has_key ||
                   (role.control_address != NULL && strcmp(settings->role, "compute") == 0);
    if (status == QR_OK && !keyless && role.server_key == NULL)
        status = qri_datadir_key(&role.dir, arena, settings->server_key_file, false,
                                 &role.server_key, &err);
    if (status == QR_OK)
        status = kinds[i].serve(&role, &err);
    if (status != QR_OK)
        QR_LOG(&role.log, QR_ERROR, "not_started", QR_F("name", role.name),
               QR_F("status", qr_status_info(status)->name), QR_F("reason", &err.text[0]));
    close_role(&role);
    qr_server_key_close(role.server_key);
    qri_datadir_close(&role.dir);
    return status == QR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
