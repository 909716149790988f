/* login.c - see gateway_int.h: PRELOGIN, the TLS handshake, LOGIN7, and what a refusal looks like
 */
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/sqlmsg.h"
#include "handoff_int.h"
#include "tds/token.h"
#include "base/banned.h"

enum {
    HANDSHAKE_BYTES_MAX = 32 * 1024,
    LOGIN_ARENA_BYTES_MAX = 1024 * 1024,
};

/* What PRELOGIN tells as the server's version: 12.0.2000, as Azure SQL Database does. */
static const uint8_t server_version[4] = {12, 0, 0x07, 0xD0};

/* ---- refusals ---- */

void qri_login_tell_end(struct qri_conn *conn, int number, const char *reason)
{
    const struct qr_gateway_options *options = &conn->gateway->options;
    const struct qr_login *info = &conn->login->info;
    if (options->login_ended != NULL)
        options->login_ended(options->login_ended_ctx, info->server_id, info->database, number,
                             reason);
}

static void log_refusal(struct qri_conn *conn, const char *reason, int number)
{
    const struct qri_login *login = conn->login;
    struct qr_str user = login == NULL ? qr_str("") : login->info.user;
    qr_metric_add(&conn->gateway->metrics, QR_GATEWAY_LOGINS_FAILED, 1);
    QR_LOG(&conn->gateway->options.log, QR_INFO, "login_refused",
           QR_F("address", &conn->address.text[0]), QR_F("login", user), QR_F("reason", reason),
           QR_F("error", number));
    if (login != NULL && number != 0)
        qri_login_tell_end(conn, number, reason);
}

static enum qri_step close_because(struct qri_conn *conn, const char *reason)
{
    log_refusal(conn, reason, 0);
    return STEP_CLOSE;
}

/* As the client wrote it, once that is known. */
static struct qr_str server_of(const struct qri_conn *conn)
{
    return conn->login != NULL && conn->login->server.n > 0
               ? conn->login->server
               : qr_str(conn->gateway->options.server_name);
}

void qri_login_server_name(const struct qri_conn *conn, char dst[QRI_HANDOFF_TEXT_BYTES_MAX + 1])
{
    struct qr_str name = server_of(conn);
    size_t n = name.n < QRI_HANDOFF_TEXT_BYTES_MAX ? name.n : QRI_HANDOFF_TEXT_BYTES_MAX;
    memcpy(dst, name.p, n);
    dst[n] = '\0';
}

/* Puts the errors, one behind the other, and DONE into `out`; the connection closes behind them. */
static void refuse(struct qri_conn *conn, const char *reason, const struct qr_err *errs,
                   size_t count)
{
    enum qr_tds_version version = conn->login->login7.version;
    struct qr_tds_writer writer;
    log_refusal(conn, reason, errs[0].number);
    qr_tds_writer_init(&writer, QR_TDS_PACKET_BYTES_DEFAULT, 0, qri_stream_append, conn);
    qr_tds_writer_begin(&writer, QR_TDS_PACKET_REPLY);
    for (size_t i = 0; i < count; i++) {
        struct qr_tds_notice notice = {
            .number = errs[i].number,
            .state = errs[i].state,
            .severity = errs[i].severity,
            .text = qr_str(errs[i].text),
            .server = server_of(conn),
            .line = 1,
        };
        qr_tds_put_notice(&writer, version, &notice);
    }
    qr_tds_put_done(&writer, version, QR_TDS_TOKEN_DONE, QR_TDS_DONE_ERROR, 0, 0);
    if (qr_tds_writer_end(&writer, false) != QR_OK)
        qr_buf_done(&conn->out);
    qr_tds_writer_done(&writer);
    conn->close_after = true;
}

static enum qri_step refuse_number(struct qri_conn *conn, const char *reason, int number, ...)
{
    struct qr_err err = {0};
    va_list args;
    va_start(args, number);
    qr_sql_failv(&err, number, args);
    va_end(args);
    refuse(conn, reason, &err, 1);
    return STEP_AGAIN;
}

static const char *zero_ended(struct qri_login *login, struct qr_str text)
{
    const char *z = qr_arena_dup(&login->arena, text.p, text.n);
    return z == NULL ? "" : z;
}

static void login_failed(struct qri_conn *conn, const char *reason)
{
    refuse_number(conn, reason, 18456, zero_ended(conn->login, conn->login->info.user), "", "");
}

/* That a login is disabled is told to who knows its password alone. */
static void login_denied(struct qri_conn *conn, enum qri_auth_result result)
{
    if (result == QRI_AUTH_DISABLED)
        refuse_number(conn, "disabled", 18470, zero_ended(conn->login, conn->login->info.user), "");
    else
        login_failed(conn, qri_auth_result_name(result));
}

void qri_login_denied(struct qri_conn *conn)
{
    enum qri_auth_result result = conn->login->checked;
    login_denied(conn, result == QRI_AUTH_OK ? QRI_AUTH_WRONG_PASSWORD : result);
}

/* ---- PRELOGIN and TLS ---- */

static void enter(struct qri_conn *conn, enum qri_phase phase, size_t message_bytes_max)
{
    conn->phase = phase;
    qr_tds_message_clear(&conn->message);
    conn->message.body.bytes_max = message_bytes_max;
}

static enum qri_step answer_prelogin(struct qri_conn *conn)
{
    struct qr_tds_prelogin client;
    const struct qr_gateway_options *options = &conn->gateway->options;
    if (qr_tds_prelogin_parse(conn->message.body.data, conn->message.body.len, &client, NULL) !=
        QR_OK)
        return close_because(conn, "malformed_prelogin");
    enum qr_tds_encryption_policy policy = options->allow_plaintext_login
                                               ? QR_TDS_POLICY_PLAINTEXT_ALLOWED
                                               : QR_TDS_POLICY_LOGIN_ENCRYPTED;
    struct qr_tds_prelogin_reply reply = {.instance_matches = true};
    memcpy(reply.version, server_version, sizeof server_version);
    uint8_t wish = client.has_encryption ? client.encryption : QR_TDS_ENCRYPT_NOT_SUP;
    bool go_on = qr_tds_encryption_negotiate(policy, wish, &reply.encryption, &conn->tls_scope);

    struct qr_buf body;
    qr_buf_init(&body, HANDSHAKE_BYTES_MAX);
    qr_tds_prelogin_write(&body, &client, &reply);
    enum qr_status status = qr_buf_status(&body, NULL);
    if (status == QR_OK)
        status = qri_stream_put_packets(conn, QR_TDS_PACKET_REPLY, body.data, body.len);
    qr_buf_done(&body);
    if (status == QR_OK && go_on && conn->tls_scope != QR_TDS_TLS_NONE)
        status = qri_tds_tls_start(conn);
    if (status != QR_OK)
        return STEP_CLOSE;
    if (!go_on) {
        log_refusal(conn, "client_cannot_encrypt", 0);
        conn->close_after = true;
    }
    if (conn->tls_scope == QR_TDS_TLS_NONE)
        enter(conn, PHASE_LOGIN, QR_TDS_LOGIN_BYTES_MAX);
    else
        enter(conn, PHASE_TLS, HANDSHAKE_BYTES_MAX);
    return STEP_AGAIN;
}

static enum qri_step handshake(struct qri_conn *conn)
{
    bool done = false;
    struct qr_err err = {0};
    if (qri_tds_tls_handshake(conn, conn->message.body.data, conn->message.body.len, &done, &err) !=
        QR_OK) {
        QR_LOG(&conn->gateway->options.log, QR_INFO, "tls_failed",
               QR_F("address", &conn->address.text[0]), QR_F("reason", &err.text[0]));
        if (conn->out.len == 0)
            return STEP_CLOSE;
        conn->close_after = true; /* the alert goes out first */
        return STEP_AGAIN;
    }
    qr_tds_message_clear(&conn->message);
    if (!done)
        return STEP_AGAIN;
    if (conn->input_bytes > 0) /* nothing may come before our last handshake message is there */
        return close_because(conn, "bytes_behind_handshake");
    enter(conn, PHASE_LOGIN, QR_TDS_LOGIN_BYTES_MAX);
    return STEP_AGAIN;
}

/* ---- LOGIN7 ---- */

void qri_login_checked(struct qri_auth_job *job)
{
    struct qri_login *login =
        (struct qri_login *)(void *)((char *)job - offsetof(struct qri_login, job));
    qri_conn_release(login->conn);
}

void qri_wipe_text(struct qr_str *text)
{
    if (text->p != NULL)
        sodium_memzero((void *)(uintptr_t)text->p, text->n);
    *text = (struct qr_str){NULL, 0};
}

void qri_login_free(struct qri_login *login)
{
    if (login == NULL)
        return;
    qri_wipe_text(&login->info.password); /* the job's is the same, or is its own */
    qri_wipe_text(&login->job.password);
    qr_tds_login7_wipe(&login->login7);
    qr_arena_done(&login->arena);
    free(login->facts);
    if (login->state_fd >= 0)
        close(login->state_fd);
    free(login);
}

static bool dup_texts(struct qri_login *login)
{
    struct qr_login *info = &login->info;
    const struct qr_tds_login7 *login7 = &login->login7;
    struct {
        struct qr_tds_utf16 from;
        struct qr_str *to;
    } texts[] = {
        {login7->user, &info->user},       {login7->database, &info->database},
        {login7->host, &info->host},       {login7->application, &info->application},
        {login7->library, &info->library}, {login7->language, &info->language},
        {login7->server, &login->dialled}, {login7->password, &login->job.password},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i].to = qr_tds_utf16_dup(&login->arena, texts[i].from);
        if (texts[i].to->p == NULL)
            return false;
    }
    return true;
}

static bool firewall_allows(const struct qri_conn *conn, uint32_t server_id, struct qr_str database)
{
    const struct qri_address *address = &conn->address;
    const struct qr_gateway_options *options = &conn->gateway->options;
    if (address->is_loopback || !address->is_v4)
        return address->is_loopback;
    uint32_t id = options->database_id == NULL
                      ? 0
                      : options->database_id(options->lookup_ctx, server_id, database);
    return qr_firewall_allows(options->firewall, server_id, id, address->v4);
}

/* The name that the client connected to, as LOGIN7 or else TLS has it. */
static struct qr_str dialled(const struct qri_conn *conn)
{
    const char *sni =
        conn->ssl == NULL ? NULL : SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name);
    struct qr_str name = conn->login->dialled;
    return name.n > 0 ? name : qr_str(sni == NULL ? "" : sni);
}

/* Which may have users of its own: master has none. */
static bool names_user_database(const struct qr_login *info)
{
    return info->database.n > 0 && !qr_str_ieqz(info->database, "master");
}

static enum qri_step check_login(struct qri_conn *conn, struct qri_login *login)
{
    const struct qr_gateway_options *options = &conn->gateway->options;
    struct qri_server_choice server;
    if (!qri_server_choose(options, &login->info.user, dialled(conn), &server))
        return refuse_number(conn, "other_server", 40532, zero_ended(login, server.name));
    login->server = server.name;
    login->info.server_id = login->job.server_id = server.id;
    if (!firewall_allows(conn, server.id, login->info.database))
        return refuse_number(conn, "firewall", 40615, zero_ended(login, server.name),
                             conn->address.text);
    if (login->login7.integrated_security)
        return refuse_number(conn, "integrated_security", 18452, "");
    if (login->login7.change_password) {
        login_failed(conn, "password_change_unsupported");
        return STEP_AGAIN;
    }
    int64_t left = conn->deadline_ns - qr_env_mono_ns(options->env);
    login->job.login = login->info.user;
    memcpy(login->job.address_key, conn->address.key, sizeof login->job.address_key);
    login->job.wait_ns_max = left - QRI_LOGIN_ROUND_MS * INT64_C(1000000);
    login->job.done = qri_login_checked;
    login->job.defers = options->router != NULL && names_user_database(&login->info);
    login->job.place = login->job.defers ? login->info.database : qr_str("");
    conn->phase = PHASE_CHECKING;
    qri_auth_submit(conn->gateway->auth, &login->job);
    return STEP_HELD;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_port
                     : ((const struct sockaddr_in *)(const void *)address)->sin_port);
}

/* The connection's two ends, as sys.dm_exec_connections has them. */
static void note_ends(const struct qri_conn *conn, struct qri_login *login)
{
    struct sockaddr_storage end = {0};
    struct qri_address address;
    socklen_t bytes = sizeof end;
    if (getpeername(conn->fd, (struct sockaddr *)&end, &bytes) == 0)
        login->info.client_port = port_of(&end);
    bytes = sizeof end;
    if (getsockname(conn->fd, (struct sockaddr *)&end, &bytes) != 0)
        return;
    qri_address_of(&end, &address);
    login->info.local_port = port_of(&end);
    login->info.local_address = qr_arena_str(&login->arena, qr_str(address.text));
}

static enum qri_step take_login(struct qri_conn *conn)
{
    struct qri_login *login = calloc(1, sizeof *login);
    if (login == NULL)
        return STEP_CLOSE;
    conn->login = login;
    login->conn = conn;
    login->state_fd = -1;
    qr_arena_init(&login->arena, LOGIN_ARENA_BYTES_MAX);
    /* the parsed login points into the message's body, which stays until the login has ended */
    if (qr_tds_login7_parse(conn->message.body.data, conn->message.body.len, &login->login7,
                            NULL) != QR_OK) {
        login->login7 = (struct qr_tds_login7){0};
        return close_because(conn, "malformed_login");
    }
    if (!dup_texts(login))
        return STEP_CLOSE;
    qr_tds_login7_wipe(&login->login7);
    bool encrypted = conn->tls_scope == QR_TDS_TLS_ALL;
    if (conn->tls_scope == QR_TDS_TLS_LOGIN_ONLY && qri_tds_tls_end(conn) != QR_OK)
        return close_because(conn, "bytes_behind_login");
    if (login->login7.version == QR_TDS_VERSION_NONE)
        return close_because(conn, "tds_version_too_old");
    login->info.login7 = &login->login7;
    login->info.is_encrypted = encrypted;
    login->info.address = qr_str(conn->address.text);
    note_ends(conn, login);
    login->info.packet_bytes =
        qr_tds_packet_bytes_negotiate(login->login7.packet_bytes, QR_TDS_PACKET_BYTES_DEFAULT);
    return check_login(conn, login);
}

void qri_login_refuse(struct qri_conn *conn, const char *reason, const struct qr_err *err)
{
    struct qri_login *login = conn->login;
    struct qr_err errs[2] = {*err};
    size_t count = 1;
    if (err->number == 4060) { /* as SQL Server does */
        qr_sql_fail(&errs[1], 18456, zero_ended(login, login->info.user), "", "");
        count = 2;
    }
    refuse(conn, reason, errs, count);
}

void qri_login_opened(struct qri_conn *conn, const struct qr_tail *tail)
{
    struct qr_gateway *gateway = conn->gateway;
    struct qri_login *login = conn->login;
    QR_LOG(&gateway->options.log, QR_INFO, login->info.is_moved ? "session_taken" : "login",
           QR_F("address", &conn->address.text[0]), QR_F("login", login->info.user),
           QR_F("db", login->info.database), QR_F("app", login->info.application),
           QR_F("encrypted", login->info.is_encrypted));
    if (!login->info.is_moved) {
        qr_metric_add(&gateway->metrics, QR_GATEWAY_LOGINS, 1);
        qri_login_tell_end(conn, 0, "");
    }
    conn->version = login->login7.version;
    qri_login_free(login);
    conn->login = NULL;
    qri_conn_leave_lobby(conn);
    conn->deadline_ns = 0;
    conn->tail = *tail;
    qr_buf_done(&conn->message.body);
    enter(conn, PHASE_SESSION, gateway->options.request_bytes_max);
}

static void open_session(struct qri_conn *conn)
{
    struct qr_err err = {0};
    struct qr_tail tail = {0};
    const struct qr_service *service = conn->gateway->options.service;
    if (service->open(service->ctx, &conn->channel, &conn->login->info, &conn->served, &tail,
                      &err) == QR_OK)
        qri_login_opened(conn, &tail);
    else
        qri_login_refuse(conn, "database_not_opened", &err);
}

enum qri_step qri_login_continue(struct qri_conn *conn)
{
    struct qri_login *login = conn->login;
    enum qri_auth_result result = login->job.result;
    conn->phase = PHASE_LOGIN; /* until the session is there */
    if (atomic_load(&conn->aborted))
        return STEP_CLOSE;
    if (login->was_denied) { /* and a password was checked: qri_handoff_end */
        qri_auth_settle(conn->gateway->auth, &login->job, false);
        qri_login_denied(conn);
        return STEP_AGAIN;
    }
    login->checked = result;
    bool is_right = result == QRI_AUTH_OK, is_admin = is_right && login->job.is_admin;
    bool is_asked = login->job.defers && !is_admin && result != QRI_AUTH_TOO_MANY &&
                    result != QRI_AUTH_ERROR &&
                    login->job.password.n > 0; /* the database, by its node */
    if (login->job.defers && !is_asked && result != QRI_AUTH_TOO_MANY)
        qri_auth_settle(conn->gateway->auth, &login->job, is_right);
    login->job.defers = is_asked;
    if (!is_right && !is_asked) {
        login_denied(conn, result);
        return STEP_AGAIN;
    }
    login->info.is_checked = is_right;
    login->info.is_admin = is_admin;
    if (is_right) {
        login->info.sid = qr_str_n((const char *)login->job.sid, login->job.sid_bytes);
        login->info.roles = login->job.roles;
        if (login->job.name[0] != '\0')
            login->info.user = qr_str(login->job.name);
    }
    if (is_asked)
        login->info.password = login->job.password;
    if (conn->gateway->options.router != NULL)
        return qri_handoff_begin(conn);
    open_session(conn);
    return STEP_AGAIN;
}

static const struct row {
    uint8_t type;
    enum qri_step (*take)(struct qri_conn *conn);
} rows[PHASE_COUNT] = {
    [PHASE_PRELOGIN] = {QR_TDS_PACKET_PRELOGIN, answer_prelogin},
    [PHASE_TLS] = {QR_TDS_PACKET_PRELOGIN, handshake},
    [PHASE_LOGIN] = {QR_TDS_PACKET_LOGIN7, take_login},
};

static bool may_skip_prelogin(const struct qri_conn *conn, uint8_t type)
{
    return conn->phase == PHASE_PRELOGIN && type == QR_TDS_PACKET_LOGIN7 &&
           conn->gateway->options.allow_plaintext_login;
}

bool qri_login_expects(const struct qri_conn *conn, uint8_t type)
{
    return (rows[conn->phase].take != NULL && rows[conn->phase].type == type) ||
           may_skip_prelogin(conn, type);
}

enum qri_step qri_login_message(struct qri_conn *conn)
{
    if (!qri_login_expects(conn, conn->message.type))
        return close_because(conn, "unexpected_message");
    if (conn->message.ignored)
        return close_because(conn, "ignored_message");
    if (may_skip_prelogin(conn, conn->message.type))
        conn->phase = PHASE_LOGIN;
    return rows[conn->phase].take(conn);
}
