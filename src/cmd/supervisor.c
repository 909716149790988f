/* supervisor.c - see cmd_int.h: holds the data directory, the metadata and the listening sockets,
 * serves as control, and keeps the other processes running.
 *
 * Standard output gets the ready line and nothing else (with --sample also how to connect).
 * SIGTERM and SIGINT end it within STOP_MS: first who takes logins and who runs sessions, then what
 * these need. What is not written back by then the logs cover. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "blob/blob.h"
#include "ctl/place.h"
#include "ctl/control.h"
#include "ctl/telemetry.h"
#include "env/thread.h"
#include "supervisor_int.h"
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
    CGROUP_BYTES_MAX = 64 * 1024,
    SERVICE_STACK_BYTES = 8 << 20,
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

/* ---- control's host ---- */

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

static void kill_node(void *ctx, const char *name, int pid)
{
    struct supervisor *s = ctx;
    qr_super_kill(s->super, name, pid);
}

static void on_exit_of(void *ctx, const struct qr_super_exit *e)
{
    struct supervisor *s = ctx;
    pthread_mutex_lock(&s->mu);
    if (s->control != NULL)
        qr_control_exited(s->control, e->name, e->pause_ns >= 0);
    pthread_mutex_unlock(&s->mu);
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
    return s->resumes
               ? qri_admin_resume(err)
               : qri_admin_prepare(&s->dir, s->arena, s->settings, s->registry, &s->log, err);
}

static enum qr_status open_super(struct supervisor *s, struct qr_err *err)
{
    struct qr_super_options options = {
        .env = s->env,
        .log = {s->sink, "super"},
        .lock_path = qri_datadir_path(&s->dir, s->arena, "children", NULL),
        .lock_fd = s->resumes ? s->handed.children_fd : 0,
        .no_thread = true,
        .exited = on_exit_of,
        .ctx = s,
    };
    if (options.lock_path == NULL)
        return qr_fail(err, QR_NOMEM, "supervise");
    QR_TRY(qr_super_new(&options, &s->super, err));
    pthread_mutex_lock(&s->mu);
    s->has_super = true; /* the first thread is its from now on */
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mu);
    return QR_OK;
}

/* Which groups this process came from: it may be in one of its own when the next program looks. */
static const char *note_group(struct supervisor *s)
{
    char text[CGROUP_BYTES_MAX];
    const char *path = qr_arena_printf(s->arena, "%s/cgroup", s->run_dir);
    FILE *file = path == NULL || s->resumes ? NULL : fopen("/proc/self/cgroup", "re");
    size_t n = file == NULL ? 0 : fread(text, 1, sizeof text, file);
    if (file != NULL)
        fclose(file);
    if (n > 0 && n < sizeof text)
        (void)!qr_env_replace_file(s->env, path, text, n, NULL);
    return path != NULL && access(path, R_OK) == 0 ? path : NULL;
}

/* No process of an earlier start is left, so its groups are swept; those with processes of ours
 * stay. */
static enum qr_status open_cgroups(struct supervisor *s, struct qr_err *err)
{
    char id[48];
    struct stat st;
    const char *cpu = NULL, *memory = NULL, *mode = s->settings->cgroups;
    struct qr_cgroups_options options = {.id = id, .pid = getpid(), .own = note_group(s)};
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
        .handed = s->resumes ? s->handed.control : NULL,
        .silence_ns = s->settings->node_silence_s * INT64_C(1000000000),
        .host =
            {.ctx = s, .want = qri_child_want, .end = end_node, .pid = pid_of, .kill = kill_node},
    };
    struct qr_control *control = NULL;
    QR_TRY(qr_control_new(&options, &control, err));
    pthread_mutex_lock(&s->mu);
    s->control = control;
    pthread_mutex_unlock(&s->mu);
    return QR_OK;
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

/* A directory of objects. Where one was at the last start there has to be one: an empty one in its
 * place, because nothing is mounted there, would get what belongs into the other. */
static enum qr_status make_store(struct supervisor *s, const char *url, const char *key,
                                 struct qr_err *err)
{
    struct qr_blob *blob = NULL;
    struct qr_buf was;
    bool applied;
    qr_buf_init(&was, QR_META_VALUE_BYTES_MAX);
    bool made = qr_meta_get(s->meta, qr_str(key), &was, NULL, NULL) == QR_OK &&
                strcmp(qr_buf_cstr(&was), url) == 0;
    qr_buf_done(&was);
    enum qr_status status = made ? qr_blob_open_made(s->env, NULL, url, "", &blob, err)
                                 : qr_blob_open(s->env, NULL, url, "", &blob, err);
    qr_blob_close(blob);
    if (made)
        return qr_wrap(err, status, "the blob store, where it was at the last start");
    QR_TRY(status);
    struct qr_meta_op put = {.key = qr_str(key), .value = qr_str(url)};
    return qr_meta_txn(s->meta, NULL, 0, &put, 1, &applied, NULL, err);
}

/* The directories that the roles share are made before they find them missing. */
static enum qr_status make_blob(struct supervisor *s, struct qr_err *err)
{
    for (uint32_t i = 0; i < QR_PLACE_REGIONS; i++) {
        const char *url = qri_region_blob(&s->dir, s->arena, s->settings->blob, i);
        const char *key = qr_arena_printf(s->arena, "blobStore/%u", i);
        if (url == NULL || key == NULL)
            return qr_fail(err, QR_NOMEM, "open the blob store");
        if (strncmp(url, "file:", 5) == 0)
            QR_TRY(make_store(s, url, key, err));
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
    QR_TRY(qri_datadir_run(&s->dir, s->arena, &s->run_dir, err));
    QR_TRY(open_cgroups(s, err));
    QR_TRY(make_certificate(s, err));
    QR_TRY(qri_datadir_key(&s->dir, s->arena, settings->server_key_file, true, &s->server_key,
                           err)); /* the roles find it made */
    QR_TRY(qr_vfs_init(err));     /* configures SQLite, before metadata uses it */
    QR_TRY(open_metadata(s, err));
    QR_TRY(make_blob(s, err));
    QR_TRY(open_control(s, err));
    QR_TRY(qr_control_start(s->control, until, err));
    QR_TRY(qri_upgrade_open(s, &s->upgrade, err));
    return settings->sample ? qri_sample_prepare(s->control, s->registry, &s->log, err) : QR_OK;
}

/* ---- start where an earlier program of this process was ---- */

static enum qr_status port_of(int fd, uint16_t *ret_port, struct qr_err *err)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        return qr_fail(err, QR_IO, "the listening socket: %s", strerrordesc_np(errno));
    *ret_port = ntohs(address.ss_family == AF_INET ? in->sin_port : in6->sin6_port);
    return QR_OK;
}

static enum qr_status adopt_children(struct supervisor *s, struct qr_err *err)
{
    struct qri_child_spec spec;
    for (; s->adopted < s->handed.child_count; s->adopted++) {
        const struct qri_handed_child *child = &s->handed.children[s->adopted];
        char name[sizeof child->name];
        snprintf(name, sizeof name, "%s", child->name);
        if (child->retired)
            name[strcspn(name, ".")] = '\0'; /* its role's, for no group is made for what goes */
        QR_TRY(qri_child_spec(s, name, s->program, &spec, err));
        spec.child.name = child->name;
        QR_TRY(qr_super_adopt(s->super, &spec.child, child->pid, child->retired, err));
    }
    return QR_OK;
}

static enum qr_status resume(struct supervisor *s, struct qr_err *err)
{
    const struct qri_settings *settings = s->settings;
    struct qri_handed *h = &s->handed;
    int64_t until = qr_env_mono_ns(s->env) + START_S * INT64_C(1000000000);
    QR_TRY(qri_handed_read(s->arena, h, err));
    QR_TRY(qri_datadir_resume(s->env, settings->data_dir, s->arena, h->lock_fd, &s->dir, err));
    s->dir.region_roots = settings->region_roots;
    QR_TRY(qri_datadir_regions(&s->dir, s->arena, err));
    s->tds_fd = h->tds_fd;
    s->https_fd = h->https_fd;
    QR_TRY(port_of(s->tds_fd, &s->tds_port, err));
    QR_TRY(port_of(s->https_fd, &s->https_port, err));
    fcntl(h->lock_fd, F_SETFD, FD_CLOEXEC);
    fcntl(h->children_fd, F_SETFD, FD_CLOEXEC);
    s->run_dir = h->run_dir;
    QR_TRY(open_super(s, err));
    QR_TRY(open_cgroups(s, err));
    QR_TRY(
        qri_datadir_key(&s->dir, s->arena, settings->server_key_file, false, &s->server_key, err));
    QR_TRY(qr_vfs_init(err));
    QR_TRY(open_metadata(s, err));
    QR_TRY(adopt_children(s, err));
    QR_TRY(open_control(s, err));
    QR_TRY(qr_control_start(s->control, until, err));
    QR_TRY(qri_upgrade_open(s, &s->upgrade, err));
    if (h->back_fd >= 0)
        close(h->back_fd);
    close(h->fd);
    h->back_fd = h->fd = -1;
    return QR_OK;
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

/* Returns with a signal, or with the program that this process is to become. */
static const char *wait_for_signal(struct supervisor *s, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    for (;;) {
        int number = sigtimedwait(signals, NULL, &tick);
        if (number == SIGTERM || number == SIGINT) {
            QR_LOG(&s->log, QR_INFO, "stopping", QR_F("signal", number));
            return NULL;
        }
        if (number < 0 && errno == EAGAIN)
            qr_control_tick(s->control);
        const char *program = qri_upgrade_is_due(s->upgrade);
        if (program != NULL)
            return program;
    }
}

static void stop(struct supervisor *s)
{
    static const char *const storage[] = {QR_ROLE_NAME_LOG, QR_ROLE_NAME_PAGE, NULL},
                             *const none[] = {NULL};
    if (s->control != NULL)
        qr_control_stop(s->control);
    qri_upgrade_close(QR_TAKE(s->upgrade)); /* what it is at ends first, and gets its time */
    int64_t began = qr_env_mono_ns(s->env);
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
    qri_close_metadata(s);
    qr_server_key_close(s->server_key);
    if (s->tds_fd >= 0)
        close(s->tds_fd);
    if (s->https_fd >= 0)
        close(s->https_fd);
    qri_datadir_leave_run(&s->dir, s->arena);
    qri_datadir_close(&s->dir);
}

static void serve(struct supervisor *s)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    struct qr_err err = {0};
    int64_t began_ns = qr_env_mono_ns(s->env);
    enum qr_status status = s->resumes ? resume(s, &err) : start(s, &err);
    if (status != QR_OK) {
        QR_LOG(&s->log, QR_ERROR, "not_started", QR_F("status", qr_status_info(status)->name),
               QR_F("reason", &err.text[0]));
        s->code = EXIT_FAILURE;
        s->fails_over = s->resumes && s->handed.back_fd >= 0;
        s->why = err;
        return;
    }
    QR_LOG(&s->log, QR_INFO, s->resumes ? "serving_on" : "serving", QR_F("version", QUIRE_VERSION),
           QR_F("data", s->settings->data_dir),
           QR_F("took_ms", (qr_env_mono_ns(s->env) - began_ns) / 1000000));
    if (!s->resumes)
        print_ready(s);
    const char *program = wait_for_signal(s, &signals);
    if (program != NULL) {
        qri_become_leave(s, program);
        s->code = EXIT_FAILURE; /* unless that program runs */
    }
}

static void *serve_main(void *arg)
{
    struct supervisor *s = arg;
    serve(s);
    if (s->fails_over && s->super != NULL) /* the program before us goes on with the children */
        qri_become_back(s);
    else if (!s->fails_over && !s->has_left) /* else this process ends, and the kernel ends them */
        stop(s);
    pthread_mutex_lock(&s->mu);
    s->is_over = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

/* The first thread is the one that forks, so that children outlive an execve. */
static enum qr_status supervise(struct supervisor *s, struct qr_err *err)
{
    pthread_t thread;
    QR_TRY(qr_thread_start("service", SERVICE_STACK_BYTES, serve_main, s, &thread, err));
    pthread_mutex_lock(&s->mu);
    while (!s->has_super && !s->is_over)
        (void)qr_cond_wait(&s->changed, &s->mu, -1);
    struct qr_super *super = s->is_over ? NULL : s->super;
    pthread_mutex_unlock(&s->mu);
    if (super != NULL)
        qr_super_loop(super);
    pthread_join(thread, NULL);
    qri_become_run(s);
    return QR_OK;
}

int qri_supervise(const struct qri_settings *settings, char *const *argv, struct qr_env *env,
                  struct qr_log_sink *sink, struct qr_arena *arena, const struct qri_handed *handed)
{
    struct supervisor s = {.env = env,
                           .sink = sink,
                           .log = {sink, "quired"},
                           .arena = arena,
                           .settings = settings,
                           .argv = argv,
                           .program_mu = PTHREAD_MUTEX_INITIALIZER,
                           .program = QRI_OWN_PROGRAM,
                           .resumes = handed != NULL,
                           .mu = PTHREAD_MUTEX_INITIALIZER,
                           .tds_fd = -1,
                           .https_fd = -1,
                           .next = {.fd = -1}};
    if (handed != NULL)
        s.handed = *handed;
    sigset_t signals;
    struct qr_err err = {0};
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(077); /* SQLite makes the metadata file itself */
    qr_cond_init(&s.changed);
    if (supervise(&s, &err) != QR_OK) {
        QR_LOG(&s.log, QR_ERROR, "not_started", QR_F("reason", &err.text[0]));
        return EXIT_FAILURE;
    }
    if (s.code == EXIT_SUCCESS)
        qr_log_event(&s.log, QR_INFO, "stopped", NULL);
    return s.code;
}
