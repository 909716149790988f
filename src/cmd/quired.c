/* quired.c - the server: puts the parts together, starts them in order, and ends them in the other.
 *
 * Standard output gets the ready line and nothing else (with --sample also how to connect),
 * standard error gets log lines. SIGTERM and SIGINT end it within STOP_MS; what is not checkpointed
 * by then the log covers. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "cmd_int.h"
#include "env/thread.h"
#include "gateway/gateway.h"
#include "vfs/conn.h"
#include "base/banned.h"

enum {
    ARENA_BYTES_MAX = 4 * 1024 * 1024,
    HELP_BYTES_MAX = 64 * 1024,
    PEM_BYTES_MAX = 64 * 1024,
    TICK_S = 10,
    GRACE_MS = 2500,
    STOP_MS = 4500,
    EXIT_USAGE = 2,
};

struct server {
    struct qr_env *env;
    struct qr_log_sink sink;
    struct qr_log log;
    struct qr_arena arena;
    struct qri_settings settings;
    struct qri_datadir dir;
    struct qr_meta *meta;
    struct qr_registry *registry;
    struct qri_node *node;
    struct qr_buf key_pem, cert_pem;
    struct qr_firewall firewall;
    struct qr_service service;
    struct qr_login_directory logins;
    struct qr_gateway *gateway;
};

static enum qr_status find_login(void *ctx, struct qr_str login, struct qr_login_record *ret_record,
                                 struct qr_err *err)
{
    _Static_assert(QR_PASSWORD_HASH_BYTES == QR_HASH_BYTES_MAX + 1, "one hash, two headers");
    _Static_assert(QR_LOGIN_BYTES_MAX + 0 == QR_NAME_BYTES_MAX + 0, "one name, two headers");
    ret_record->is_disabled = false;
    QR_TRY(qr_registry_login_hash(ctx, login, ret_record->hash, &ret_record->is_admin, err));
    snprintf(ret_record->name, sizeof ret_record->name, "%s", qr_registry_admin_login(ctx));
    return QR_OK;
}

static enum qr_status open_metadata(struct server *server, struct qr_err *err)
{
    const char *path = qri_datadir_path(&server->dir, &server->arena, "meta", "meta.db");
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "open metadata");
    QR_TRY(qr_meta_open(path, &server->meta, err));
    QR_TRY(qr_registry_open(server->meta, server->env, &server->registry, err));
    QR_TRY(qri_admin_prepare(&server->dir, &server->arena, &server->settings, server->registry,
                             &server->log, err));
    return qri_firewall_load(&server->firewall, server->registry, &server->log, err);
}

static enum qr_status open_databases(struct server *server, struct qr_err *err)
{
    struct qri_node_options options = {
        .env = server->env,
        .log = {&server->sink, "node"},
        .dir = &server->dir,
        .registry = server->registry,
        .firewall = &server->firewall,
        .cache_bytes = (uint64_t)server->settings.cache_mib << 20,
        .query_memory_bytes = (uint64_t)server->settings.query_memory_mib << 20,
    };
    QR_TRY(qri_node_open(&options, &server->node, err));
    if (server->settings.sample)
        QR_TRY(qri_sample_prepare(server->node, &server->log, err));
    return QR_OK;
}

static enum qr_status open_gateway(struct server *server, struct qr_err *err)
{
    const struct qri_settings *settings = &server->settings;
    QR_TRY(qri_datadir_tls(&server->dir, &server->arena, &server->key_pem, &server->cert_pem, err));
    qr_session_service_init(&server->service, qri_node_session_host(server->node));
    server->logins = (struct qr_login_directory){.ctx = server->registry, .find = find_login};
    struct qr_gateway_options options = {
        .env = server->env,
        .log = {&server->sink, "gateway"},
        .listen = settings->listen,
        .tds_port = (uint16_t)settings->tds_port,
        .https_port = (uint16_t)settings->https_port,
        .key_pem = qr_buf_cstr(&server->key_pem),
        .cert_pem = qr_buf_cstr(&server->cert_pem),
        .server_name = qr_registry_server_name(server->registry),
        .service = &server->service,
        .logins = &server->logins,
        .firewall = &server->firewall,
        .database_id = qri_node_database_id,
        .database_id_ctx = server->node,
        .allow_plaintext_login = settings->allow_plaintext_login,
        .workers = (uint32_t)settings->workers,
        .connections_max = (uint32_t)settings->connections_max,
    };
    return qr_gateway_start(&options, &server->gateway, err);
}

static enum qr_status start(struct server *server, struct qr_err *err)
{
    QR_TRY(qri_datadir_open(server->env, server->settings.data_dir, &server->dir, err));
    QR_TRY(qr_vfs_init(err)); /* configures SQLite, before metadata uses it */
    QR_TRY(open_metadata(server, err));
    QR_TRY(open_databases(server, err));
    return open_gateway(server, err);
}

static void print_ready(const struct server *server)
{
    const struct qri_settings *settings = &server->settings;
    bool is_v6 = strchr(settings->listen, ':') != NULL;
    const char *open = is_v6 ? "[" : "", *close = is_v6 ? "]" : "";
    uint16_t tds_port = qr_gateway_tds_port(server->gateway);
    if (settings->sample) {
        const char *made = qr_arena_printf((struct qr_arena *)(uintptr_t)&server->arena,
                                           "%s/admin-password", settings->data_dir);
        const char *path =
            *settings->admin_password_file != '\0' ? settings->admin_password_file : made;
        qri_sample_print_help(server->registry, settings->listen, path == NULL ? "" : path,
                              tds_port);
    }
    printf("quired ready tds=%s%s%s:%u https=%s%s%s:%u data=%s\n", open, settings->listen, close,
           tds_port, open, settings->listen, close, qr_gateway_https_port(server->gateway),
           settings->data_dir);
    fflush(stdout);
}

/* ---- the end ---- */

static void *end_in_time(void *arg)
{
    struct server *server = arg;
    qr_env_sleep_ns(server->env, STOP_MS * INT64_C(1000000));
    qr_log_event(&server->log, QR_WARN, "stop_cut_short", NULL);
    _exit(0); /* acknowledged commits are in the log */
}

static void stop(struct server *server)
{
    pthread_t watchdog;
    if (qr_thread_start("stop", 0, end_in_time, server, &watchdog, NULL) == QR_OK)
        pthread_detach(watchdog);
    if (server->gateway != NULL && !qr_gateway_stop(server->gateway, GRACE_MS)) {
        qr_log_event(&server->log, QR_WARN, "sessions_left_at_stop", NULL);
        _exit(0);
    }
    qr_gateway_free(server->gateway);
    qri_node_close(server->node);
    qr_registry_close(server->registry);
    qr_meta_close(server->meta);
    qri_datadir_close(&server->dir);
    qr_buf_done(&server->key_pem);
    qr_buf_done(&server->cert_pem);
    qr_firewall_done(&server->firewall);
}

/* malloc keeps what large requests have freed, and would keep it for ever. Pages that it has given
 * back before count as free too: asking again costs little. */
static void give_back_memory(void)
{
    static const size_t worth_bytes = (size_t)64 << 20;
    if (mallinfo2().fordblks >= worth_bytes)
        malloc_trim(0);
}

static void wait_for_signal(struct server *server, const sigset_t *signals)
{
    const struct timespec tick = {.tv_sec = TICK_S};
    for (;;) {
        int number = sigtimedwait(signals, NULL, &tick);
        if (number == SIGTERM || number == SIGINT) {
            QR_LOG(&server->log, QR_INFO, "stopping", QR_F("signal", number));
            return;
        }
        if (number < 0 && errno == EAGAIN) {
            qri_node_tick(server->node);
            give_back_memory();
        }
    }
}

static int serve(struct server *server)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(077); /* SQLite makes the metadata file itself */

    struct qr_err err = {0};
    int64_t began_ns = qr_env_mono_ns(server->env);
    enum qr_status status = start(server, &err);
    if (status != QR_OK) {
        QR_LOG(&server->log, QR_ERROR, "not_started", QR_F("status", qr_status_info(status)->name),
               QR_F("reason", &err.text[0]));
        stop(server);
        return EXIT_FAILURE;
    }
    QR_LOG(&server->log, QR_INFO, "serving", QR_F("version", QUIRE_VERSION),
           QR_F("data", server->settings.data_dir),
           QR_F("took_ms", (qr_env_mono_ns(server->env) - began_ns) / 1000000));
    print_ready(server);
    wait_for_signal(server, &signals);
    stop(server);
    qr_log_event(&server->log, QR_INFO, "stopped", NULL);
    return EXIT_SUCCESS;
}

static int print_help(void)
{
    struct qr_buf buf;
    qr_buf_init(&buf, HELP_BYTES_MAX);
    qr_options_print_help(&qri_options, &buf);
    printf("quired - a self-hosted Azure SQL Database\n\nusage: quired [--option value]...\n\n%s",
           qr_buf_cstr(&buf));
    qr_buf_done(&buf);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct server server;
    struct qr_err err = {0};
    server.env = qr_env_real();
    qr_log_sink_init_stderr(&server.sink, server.env, QR_INFO);
    server.log = (struct qr_log){&server.sink, "quired"};
    qr_arena_init(&server.arena, ARENA_BYTES_MAX);
    qr_buf_init(&server.key_pem, PEM_BYTES_MAX);
    qr_buf_init(&server.cert_pem, PEM_BYTES_MAX);
    qr_firewall_init(&server.firewall);
    int code = EXIT_USAGE;
    if (qr_options_parse(&qri_options, server.env, argc, argv, &server.settings, &server.arena,
                         &err) != QR_OK ||
        qri_settings_check(&server.settings, &err) != QR_OK) {
        fprintf(stderr, "quired: %s\n", err.text);
    } else if (server.settings.help) {
        code = print_help();
    } else if (server.settings.version) {
        printf("quired %s\n", QUIRE_VERSION);
        code = EXIT_SUCCESS;
    } else {
        enum qr_level level = QR_INFO;
        if (qr_level_parse(qr_str(server.settings.log_level), &level))
            server.sink.level = (int)level;
        code = serve(&server);
    }
    qr_arena_done(&server.arena);
    return code;
}
