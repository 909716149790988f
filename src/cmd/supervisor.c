/* supervisor.c - see cmd_int.h: holds the data directory, the metadata and the listening sockets,
 * serves as control, and keeps the other processes running.
 *
 * Standard output gets the ready line and nothing else (with --sample also how to connect).
 * SIGTERM and SIGINT end it within STOP_MS: first who takes logins and who runs sessions, then what
 * these need. What is not written back by then the logs cover. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "blob/blob.h"
#include "cmd_int.h"
#include "ctl/place.h"
#include "ctl/control.h"
#include "ctl/telemetry.h"
#include "super/cgroup.h"
#include "super/super.h"
#include "vfs/conn.h"
#include "base/banned.h"

enum {
    TICK_MS = 50,
    START_S = 60,
    COMPUTES_STOP_MS = 4100, /* since the signal; more than the processes give themselves */
    STOP_MS = 4700,
    DROP_MS = 3000, /* what a compute node gets whose database is dropped */
    BACKLOG = 1024,
    PEM_BYTES_MAX = 64 * 1024,
    ARGS_MAX = QR_SUPER_ARGS_MAX,
};

struct supervisor {
    struct qr_env *env;
    struct qr_log_sink *sink;
    struct qr_log log;
    struct qr_arena *arena;
    const struct qri_settings *settings;
    struct qri_datadir dir;
    const char *run_dir;
    struct qr_server_key *server_key;
    struct qr_meta *meta;
    struct qr_telemetry *telemetry;
    struct qr_registry *registry;
    int tds_fd, https_fd;
    uint16_t tds_port, https_port;
    struct qr_control_machines machines;
    struct qr_super *super;
    struct qr_cgroups *cgroups; /* NULL: switched off */
    struct qr_control *control;
};

/* ---- listening sockets ---- */

static enum qr_status listen_at(struct supervisor *s, int64_t port, int *ret_fd, uint16_t *ret_port,
                                struct qr_err *err)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address;
    socklen_t bytes = sizeof *in;
    int on = 1;
    if (inet_pton(AF_INET, s->settings->listen, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
    } else if (inet_pton(AF_INET6, s->settings->listen, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        bytes = sizeof *in6;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return qr_fail(err, QR_IO, "make a socket: %s", strerrordesc_np(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, bytes) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
        enum qr_status status = qr_fail(err, QR_IO, "listen on %s port %u: %s", s->settings->listen,
                                        (unsigned)port, strerrordesc_np(errno));
        close(fd);
        return status;
    }
    *ret_fd = fd;
    *ret_port = ntohs(address.ss_family == AF_INET ? in->sin_port : in6->sin6_port);
    return QR_OK;
}

/* ---- children ---- */

struct arguments {
    struct supervisor *s;
    size_t count;
    bool overflows; /* ARGS_MAX wants to be larger */
    const char *texts[ARGS_MAX + 1];
};

static void add_text(struct arguments *args, const char *option, const char *value)
{
    args->overflows |= args->count + 2 > ARGS_MAX - 1;
    if (args->overflows)
        return;
    args->texts[args->count++] = option;
    args->texts[args->count++] = value;
}

static void add_number(struct arguments *args, const char *option, int64_t value, char dst[24])
{
    snprintf(dst, 24, "%lld", (long long)value);
    add_text(args, option, dst);
}

/* A compute node gets a group of its own, and the API is told where they are. */
static void add_groups(struct arguments *args, struct qr_super_child *child, bool is_compute,
                       char dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES])
{
    static const char *const options[QR_CGROUP_PARTS] = {"--cgroup-cpu", "--cgroup-memory"};
    struct supervisor *s = args->s;
    struct qr_err err = {0};
    size_t count = 0;
    if (s->cgroups == NULL)
        return;
    if (is_compute && qr_cgroups_make(s->cgroups, child->name, dirs, &err) != QR_OK) {
        QR_LOG(&s->log, QR_WARN, "cgroup_not_made", QR_F("name", child->name),
               QR_F("reason", &err.text[0]));
        return;
    }
    for (int i = 0; i < QR_CGROUP_PARTS; i++) {
        const char *all = "";
        bool holds = qr_cgroups_hold(s->cgroups, (enum qr_cgroup_part)i, &all);
        if (!holds || (is_compute && dirs[i][0] == '\0'))
            continue;
        add_text(args, options[i], is_compute ? dirs[i] : all);
        if (is_compute && (count == 0 || strcmp(child->groups[0], dirs[i]) != 0))
            child->groups[count++] = dirs[i];
    }
}

/* Every role gets the same; each uses what it needs. */
static enum qr_status start_child(struct supervisor *s, const char *role, const char *name,
                                  struct qr_err *err)
{
    const struct qri_settings *settings = s->settings;
    char numbers[10][24], grace[24], dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES];
    struct arguments args = {.s = s};
    args.texts[args.count++] = "quired";
    add_text(&args, "--role", role);
    add_text(&args, "--data-dir", s->dir.path);
    add_text(&args, "--run-dir", s->run_dir);
    add_text(&args, "--log-level", settings->log_level);
    add_text(&args, "--server-name", qr_registry_first_name(s->registry));
    add_text(&args, "--admin-login", qr_registry_first_login(s->registry));
    add_text(&args, "--blob", settings->blob);
    add_text(&args, "--blob-credential-file", settings->blob_credential_file);
    add_text(&args, "--region-roots", settings->region_roots);
    add_text(&args, "--geo-blob", settings->geo_blob);
    add_text(&args, "--geo-blob-credential-file", settings->geo_blob_credential_file);
    add_text(&args, "--landing-zone", settings->landing_zone);
    add_text(&args, "--server-key-file", settings->server_key_file);
    add_text(&args, "--listen", settings->listen);
    add_text(&args, "--advertise", settings->advertise);
    add_text(&args, "--log-at", settings->log_at);
    add_text(&args, "--page-at", settings->page_at);
    add_text(&args, "--governance", settings->governance);
    add_text(&args, "--vcore-cpu", settings->vcore_cpu);
    add_number(&args, "--move-grace-ms", settings->move_grace_ms, grace);
    add_text(&args, "--metrics-token-file", settings->metrics_token_file);
    add_number(&args, "--workers", settings->workers, numbers[0]);
    add_number(&args, "--connections-max", settings->connections_max, numbers[1]);
    add_number(&args, "--cache-mib", settings->cache_mib, numbers[2]);
    add_number(&args, "--query-memory-mib", settings->query_memory_mib, numbers[3]);
    add_number(&args, "--rbpex-percent", settings->rbpex_percent, numbers[5]);
    add_number(&args, "--transaction-memory-mib", settings->transaction_memory_mib, numbers[6]);
    add_number(&args, "--transaction-max-mib", settings->transaction_max_mib, numbers[7]);
    add_number(&args, "--version-store-max-mib", settings->version_store_max_mib, numbers[8]);
    add_number(&args, "--resource-sample-seconds", settings->resource_sample_seconds, numbers[9]);
    struct qr_super_child child = {.name = name, .path = "/proc/self/exe"};
    if (strcmp(role, QR_ROLE_NAME_API) == 0) {
        add_number(&args, "--https-fd", s->https_fd, numbers[4]);
        child.fds[child.fd_count++] = s->https_fd;
        add_groups(&args, &child, false, dirs);
    }
    if (strcmp(role, QR_ROLE_NAME_GATEWAY) == 0) {
        add_number(&args, "--tds-fd", s->tds_fd, numbers[4]);
        child.fds[child.fd_count++] = s->tds_fd;
        if (settings->allow_plaintext_login)
            args.texts[args.count++] = "--allow-plaintext-login";
    }
    if (strcmp(role, "compute") == 0) {
        add_text(&args, "--name", name);
        add_groups(&args, &child, true, dirs);
        child.may_rest = strcmp(name, QR_NODE_SHARED) != 0; /* its database is used by nobody */
    }
    args.texts[args.count] = NULL;
    if (args.overflows)
        return qr_fail(err, QR_BUG, "start '%s': more than %d arguments", name, (int)ARGS_MAX);
    child.argv = (char *const *)(uintptr_t)args.texts;
    return qr_super_start(s->super, &child, err);
}

static enum qr_status want(void *ctx, const char *name, struct qr_err *err)
{
    static const char *const roles[] = {QR_ROLE_NAME_LOG, QR_ROLE_NAME_PAGE, QR_ROLE_NAME_GATEWAY,
                                        QR_ROLE_NAME_API};
    const struct supervisor *s = ctx;
    if ((s->machines.log_away && strcmp(name, QR_ROLE_NAME_LOG) == 0) ||
        (s->machines.page_away && strcmp(name, QR_ROLE_NAME_PAGE) == 0))
        return QR_OK; /* somebody starts it there */
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(name, roles[i]) == 0)
            return start_child(ctx, roles[i], name, err);
    return start_child(ctx, "compute", name, err);
}

/* What its process kept for itself goes, too: the pages on its local disk above all. */
static void end_node(void *ctx, const char *node)
{
    struct supervisor *s = ctx;
    char path[QR_STORE_PATH_BYTES_MAX];
    qr_super_end(s->super, node);
    qr_super_reap(s->super, node, qr_env_mono_ns(s->env) + DROP_MS * INT64_C(1000000));
    if (s->cgroups != NULL)
        qr_cgroups_remove(s->cgroups, node);
    int bytes = snprintf(path, sizeof path, "%s/compute/%s", s->dir.path, node);
    if (bytes > 0 && (size_t)bytes < sizeof path)
        (void)!qr_store_remove(s->env, path, NULL); /* there is none if it was never opened */
}

static int pid_of(void *ctx, const char *name)
{
    struct supervisor *s = ctx;
    return qr_super_pid(s->super, name);
}

static void on_exit_of(void *ctx, const struct qr_super_exit *e)
{
    struct supervisor *s = ctx;
    if (s->control != NULL)
        qr_control_exited(s->control, e->name, e->pause_ns >= 0);
}

/* ---- start ---- */

static enum qr_status open_metadata(struct supervisor *s, struct qr_err *err)
{
    const char *path = qri_datadir_path(&s->dir, s->arena, "meta", "meta.db");
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "open metadata");
    QR_TRY(qr_meta_open(path, &s->meta, err));
    path = qri_datadir_path(&s->dir, s->arena, "meta", "telemetry.db");
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "open metadata");
    QR_TRY(qr_telemetry_open(path, &s->telemetry, err));
    QR_TRY(qr_registry_open(s->meta, s->env, &s->registry, err));
    return qri_admin_prepare(&s->dir, s->arena, s->settings, s->registry, &s->log, err);
}

static enum qr_status open_super(struct supervisor *s, struct qr_err *err)
{
    struct qr_super_options options = {
        .env = s->env,
        .log = {s->sink, "super"},
        .lock_path = qri_datadir_path(&s->dir, s->arena, "children", NULL),
        .exited = on_exit_of,
        .ctx = s,
    };
    if (options.lock_path == NULL)
        return qr_fail(err, QR_NOMEM, "supervise");
    return qr_super_new(&options, &s->super, err);
}

/* No process of an earlier start is left, so its groups are swept. */
static enum qr_status open_cgroups(struct supervisor *s, struct qr_err *err)
{
    char id[48];
    struct stat st;
    const char *cpu = NULL, *memory = NULL, *mode = s->settings->cgroups;
    struct qr_cgroups_options options = {.id = id, .pid = getpid()};
    options.anyway = strcmp(mode, "anyway") == 0;
    if (strcmp(mode, "off") == 0) {
        QR_LOG(&s->log, QR_INFO, "cgroups", QR_F("cpu", false), QR_F("memory", false),
               QR_F("reason", "--cgroups off"));
        return QR_OK;
    }
    if (stat(s->dir.path, &st) != 0)
        return qr_fail(err, QR_IO, "look at '%s': %s", s->dir.path, strerrordesc_np(errno));
    snprintf(id, sizeof id, "%llx-%llx", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    QR_TRY(qr_cgroups_open(&options, &s->cgroups, err));
    bool has_cpu = qr_cgroups_hold(s->cgroups, QR_CGROUP_CPU, &cpu);
    bool has_memory = qr_cgroups_hold(s->cgroups, QR_CGROUP_MEMORY, &memory);
    QR_LOG(&s->log, QR_INFO, "cgroups", QR_F("cpu", has_cpu), QR_F("memory", has_memory),
           QR_F(has_cpu ? "cpu_dir" : "cpu_reason", cpu),
           QR_F(has_memory ? "memory_dir" : "memory_reason", memory));
    return QR_OK;
}

/* What control has to know of other machines, and tells them. */
static enum qr_status know_machines(struct supervisor *s, struct qr_err *err)
{
    const struct qri_settings *settings = s->settings;
    struct qr_control_machines *m = &s->machines;
    struct qr_control_service *service = &m->service;
    char address[QR_CONTROL_PLACE_BYTES];
    m->log_away = *settings->log_at != '\0';
    m->page_away = *settings->page_at != '\0';
    QR_TRY(qri_machines_prepare(&s->dir, s->arena, settings, err));
    QR_TRY(qri_machine_address("advertise", settings->advertise, QRI_PORT_CONTROL, address, err));
    QR_TRY(qri_machine_address("log-at", m->log_away ? settings->log_at : settings->advertise,
                               QRI_PORT_LOG, service->log, err));
    QR_TRY(qri_machine_address("page-at", m->page_away ? settings->page_at : settings->advertise,
                               QRI_PORT_PAGE, service->page, err));
    m->identity = qri_datadir_path(&s->dir, s->arena, "machines", "self.pem");
    m->address = qr_arena_printf(s->arena, "%s", address);
    m->operate_address = service->operate;
    QR_TRY(qri_machine_address("advertise", settings->advertise, QRI_PORT_OPERATE, service->operate,
                               err));
    if (m->identity == NULL || m->address == NULL)
        return qr_fail(err, QR_NOMEM, "know other machines");
    snprintf(service->server_name, sizeof service->server_name, "%s",
             qr_registry_first_name(s->registry));
    snprintf(service->admin_login, sizeof service->admin_login, "%s",
             qr_registry_first_login(s->registry));
    snprintf(service->blob, sizeof service->blob, "%s", settings->blob);
    qr_server_key_text(s->server_key, service->server_key);
    snprintf(service->landing_zone, sizeof service->landing_zone, "%s", settings->landing_zone);
    return QR_OK;
}

static enum qr_status open_control(struct supervisor *s, struct qr_err *err)
{
    bool is_alone = *s->settings->advertise == '\0';
    if (!is_alone)
        QR_TRY(know_machines(s, err));
    struct qr_control_options options = {
        .machines = is_alone ? NULL : &s->machines,
        .env = s->env,
        .log = {s->sink, "control"},
        .registry = s->registry,
        .telemetry = s->telemetry,
        .run_dir = s->run_dir,
        .pause_minute_ns = s->settings->auto_pause_minute_ms * INT64_C(1000000),
        .warm_up_ns = s->settings->warm_up_seconds * INT64_C(1000000000),
        .autoscale_interval_ns = s->settings->resource_sample_seconds * 1000000000,
        .host = {.ctx = s, .want = want, .end = end_node, .pid = pid_of},
    };
    return qr_control_new(&options, &s->control, err);
}

/* Gateway and management API have one certificate: it is made before either looks for it. */
static enum qr_status make_certificate(struct supervisor *s, struct qr_err *err)
{
    struct qr_buf key, cert;
    qr_buf_init(&key, PEM_BYTES_MAX);
    qr_buf_init(&cert, PEM_BYTES_MAX);
    enum qr_status status = qri_datadir_tls(&s->dir, s->arena, &key, &cert, err);
    qr_buf_done(&key);
    qr_buf_done(&cert);
    return status;
}

/* The directory that log service and page server share is made before both find it missing. */
static enum qr_status make_blob(struct supervisor *s, struct qr_err *err)
{
    for (uint32_t i = 0; i < QR_PLACE_REGIONS; i++) {
        struct qr_blob *blob = NULL;
        const char *url = qri_region_blob(&s->dir, s->arena, s->settings->blob, i);
        if (url == NULL)
            return qr_fail(err, QR_NOMEM, "open the blob store");
        if (strncmp(url, "file:", 5) == 0)
            QR_TRY(qr_blob_open(s->env, NULL, url, "", &blob, err));
        qr_blob_close(blob);
    }
    return QR_OK;
}

static enum qr_status start(struct supervisor *s, struct qr_err *err)
{
    const struct qri_settings *settings = s->settings;
    int64_t until = qr_env_mono_ns(s->env) + START_S * INT64_C(1000000000);
    QR_TRY(qri_datadir_open(s->env, settings->data_dir, s->arena, &s->dir, err));
    s->dir.region_roots = settings->region_roots;
    QR_TRY(qri_datadir_regions(&s->dir, s->arena, err));
    QR_TRY(listen_at(s, settings->tds_port, &s->tds_fd, &s->tds_port, err));
    QR_TRY(listen_at(s, settings->https_port, &s->https_fd, &s->https_port, err));
    QR_TRY(open_super(s, err)); /* from here on no process of an earlier start is left */
    QR_TRY(open_cgroups(s, err));
    QR_TRY(qri_datadir_run(&s->dir, s->arena, &s->run_dir, err));
    QR_TRY(make_blob(s, err));
    QR_TRY(make_certificate(s, err));
    QR_TRY(qri_datadir_key(&s->dir, s->arena, settings->server_key_file, true, &s->server_key,
                           err)); /* the roles find it made */
    QR_TRY(qr_vfs_init(err));     /* configures SQLite, before metadata uses it */
    QR_TRY(open_metadata(s, err));
    QR_TRY(open_control(s, err));
    QR_TRY(qr_control_start(s->control, until, err));
    return settings->sample ? qri_sample_prepare(s->control, s->registry, &s->log, err) : QR_OK;
}

static void print_ready(const struct supervisor *s)
{
    const struct qri_settings *settings = s->settings;
    bool is_v6 = strchr(settings->listen, ':') != NULL;
    const char *open = is_v6 ? "[" : "", *close_ = is_v6 ? "]" : "";
    if (settings->sample) {
        const char *made = qr_arena_printf(s->arena, "%s/admin-password", settings->data_dir);
        const char *path =
            *settings->admin_password_file != '\0' ? settings->admin_password_file : made;
        qri_sample_print_help(s->registry, settings->listen, path == NULL ? "" : path, s->tds_port);
    }
    printf("quired ready tds=%s%s%s:%u https=%s%s%s:%u data=%s\n", open, settings->listen, close_,
           s->tds_port, open, settings->listen, close_, s->https_port, settings->data_dir);
    fflush(stdout);
}

/* ---- service and its end ---- */

static void wait_for_signal(struct supervisor *s, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    for (;;) {
        int number = sigtimedwait(signals, NULL, &tick);
        if (number == SIGTERM || number == SIGINT) {
            QR_LOG(&s->log, QR_INFO, "stopping", QR_F("signal", number));
            return;
        }
        if (number < 0 && errno == EAGAIN)
            qr_control_tick(s->control);
    }
}

static void stop(struct supervisor *s)
{
    static const char *const storage[] = {QR_ROLE_NAME_LOG, QR_ROLE_NAME_PAGE, NULL},
                             *const none[] = {NULL};
    int64_t began = qr_env_mono_ns(s->env);
    if (s->control != NULL)
        qr_control_stop(s->control);
    if (s->super != NULL) {
        qr_super_end(s->super, QR_ROLE_NAME_API);
        qr_super_end(s->super, QR_ROLE_NAME_GATEWAY); /* first, so that nobody logs in any more */
        qr_super_end_but(s->super, storage);
        qr_super_reap_ended(s->super, began + COMPUTES_STOP_MS * INT64_C(1000000));
        qr_super_end_but(s->super, none);
        qr_super_reap_ended(s->super, began + STOP_MS * INT64_C(1000000));
    }
    qr_super_free(s->super);
    qr_cgroups_close(s->cgroups);
    qr_control_free(s->control);
    qr_registry_close(s->registry);
    qr_telemetry_close(s->telemetry);
    qr_meta_close(s->meta);
    qr_server_key_close(s->server_key);
    if (s->tds_fd >= 0)
        close(s->tds_fd);
    if (s->https_fd >= 0)
        close(s->https_fd);
    qri_datadir_leave_run(&s->dir, s->arena);
    qri_datadir_close(&s->dir);
}

int qri_supervise(const struct qri_settings *settings, struct qr_env *env, struct qr_log_sink *sink,
                  struct qr_arena *arena)
{
    struct supervisor s = {.env = env,
                           .sink = sink,
                           .log = {sink, "quired"},
                           .arena = arena,
                           .settings = settings,
                           .tds_fd = -1,
                           .https_fd = -1};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(077); /* SQLite makes the metadata file itself */

    struct qr_err err = {0};
    int64_t began_ns = qr_env_mono_ns(env);
    enum qr_status status = start(&s, &err);
    if (status != QR_OK) {
        QR_LOG(&s.log, QR_ERROR, "not_started", QR_F("status", qr_status_info(status)->name),
               QR_F("reason", &err.text[0]));
        stop(&s);
        return EXIT_FAILURE;
    }
    QR_LOG(&s.log, QR_INFO, "serving", QR_F("version", QUIRE_VERSION),
           QR_F("data", settings->data_dir),
           QR_F("took_ms", (qr_env_mono_ns(env) - began_ns) / 1000000));
    print_ready(&s);
    wait_for_signal(&s, &signals);
    stop(&s);
    qr_log_event(&s.log, QR_INFO, "stopped", NULL);
    return EXIT_SUCCESS;
}
