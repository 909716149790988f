/* server.c - see arm/arm.h: the HTTPS server. A connection has a thread; a request's token is
 * checked before its body is read. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "router_int.h"
#include "resource_int.h"
#include "server_int.h"
#include "base/banned.h"

enum {
    CONNECTIONS_MAX = 256,
    PER_ADDRESS_MAX = 128,
    IDLE_S = 60,
    MEMORY_BYTES = 48 * 1024, /* of a connection: what its headers may take */
    STACK_BYTES = 1 << 20,
    REQUESTS_PER_MINUTE = 1200, /* ARM allows 12000 reads and 1200 writes an hour */
    REQUEST_S_MAX = 120,        /* until its last byte is here */
};

/* ---- one request ---- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct qri_request *r)
{
    bool is_json = r->own_text == NULL;
    char *text = !is_json            ? r->own_text
                 : r->answer == NULL ? NULL
                                     : json_dumps(r->answer, JSON_COMPACT);
    r->own_text = NULL; /* the response's now */
    size_t bytes = text == NULL ? 0 : strlen(text);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    bool has_cache_control = false;
    for (size_t i = 0; i < r->header_count; i++) {
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
        has_cache_control |= strcmp(r->headers[i].name, "Cache-Control") == 0;
    }
    if (text != NULL)
        MHD_add_response_header(response, "Content-Type",
                                is_json ? "application/json; charset=utf-8" : r->text_type);
    if (!has_cache_control)
        MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "x-ms-request-id", r->id);
    MHD_add_response_header(response, "x-ms-correlation-request-id", r->correlation_id);
    if (r->wants_client_request_id && r->client_request_id != NULL)
        MHD_add_response_header(response, "x-ms-client-request-id", r->client_request_id);
    enum MHD_Result result = MHD_queue_response(connection, r->status, response);
    MHD_destroy_response(response);
    return result;
}

static void log_request(const struct qri_request *r)
{
    const struct qr_arm_options *options = &r->arm->options;
    if (r->route != NULL && r->route->right == QRI_ANYBODY && r->method != QRI_POST &&
        r->status < 400)
        return; /* nobody's, and nothing changed */
    QR_LOG(&options->log, QR_INFO, "request", QR_F("method", r->method_name),
           QR_F("path", r->raw_path), QR_F("status", r->status),
           QR_F("code", r->error_code == NULL ? "" : r->error_code),
           QR_F("principal", &r->who.name[0]), QR_F("client", r->client), QR_F("id", &r->id[0]),
           QR_F("took_ms", (qr_env_mono_ns(options->env) - r->began_ns) / 1000000));
}

static enum MHD_Result finish(struct MHD_Connection *connection, struct qri_request *r)
{
    if (r->status == 0)
        qri_arm_run(r);
    log_request(r);
    return send_answer(connection, r);
}

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void note_client(struct MHD_Connection *connection, struct qri_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    if (address != NULL && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  sizeof text);
    else if (address != NULL && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  sizeof text);
    r->client = qri_copy(r, qr_str(text));
}

static struct qri_request *new_request(struct qr_arm *arm, const char *line)
{
    struct qri_request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    const char *query = strchr(line, '?');
    r->arm = arm;
    r->began_ns = qr_env_mono_ns(arm->options.env);
    qr_arena_init(&r->arena, QRI_ARENA_BYTES_MAX);
    qr_buf_init(&r->body, QRI_BODY_BYTES_MAX);
    r->raw_path =
        qri_copy(r, query == NULL ? qr_str(line) : qr_str_n(line, (size_t)(query - line)));
    r->query = query == NULL ? "" : qri_copy(r, qr_str(query + 1));
    r->client = "";
    qri_guid_new(arm->options.env, r->id);
    return r;
}

/* Before anything else of the request is looked at: the whole first line, as it was sent. */
static void *on_line(void *arg, const char *line, struct MHD_Connection *connection)
{
    (void)connection;
    return new_request(arg, line);
}

static void free_request(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    struct qri_request *r = *context;
    if (r == NULL)
        return;
    json_decref(r->json);
    json_decref(r->answer);
    free(r->own_text);
    qr_buf_done(&r->body);
    qr_arena_done(&r->arena);
    free(r);
    *context = NULL;
}

static void take_headers(struct MHD_Connection *connection, struct qri_request *r,
                         const char *method)
{
    const char *host = header_of(connection, "Host");
    const char *length = header_of(connection, "Content-Length");
    note_client(connection, r);
    r->authorization = header_of(connection, "Authorization");
    r->if_match = header_of(connection, "If-Match");
    r->if_none_match = header_of(connection, "If-None-Match");
    r->client_request_id = header_of(connection, "x-ms-client-request-id");
    const char *wants = header_of(connection, "x-ms-return-client-request-id");
    r->wants_client_request_id = wants != NULL && qr_str_ieqz(qr_str(wants), "true");
    const char *correlation = header_of(connection, "x-ms-correlation-request-id");
    bool given = correlation != NULL && qri_is_guid(qr_str(correlation));
    snprintf(r->correlation_id, sizeof r->correlation_id, "%s", given ? correlation : r->id);
    qri_arm_begin(r, method, host, length);
}

/* A client that is still sending would lose the answer with the connection: what is refused is read
 * first, unless it is large. */
static bool may_still_send(struct MHD_Connection *connection)
{
    enum { DIGITS_MAX = 5 };
    const char *length = header_of(connection, "Content-Length");
    return length != NULL && strlen(length) <= DIGITS_MAX;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **context)
{
    (void)url;
    (void)version;
    struct qr_arm *arm = arg;
    struct qri_request *r = *context;
    if (r == NULL)
        return MHD_NO; /* out of memory */
    if (!r->has_begun) {
        r->has_begun = true;
        take_headers(connection, r, method);
        return r->status == 0 || may_still_send(connection) ? MHD_YES : finish(connection, r);
    }
    if (*upload_bytes > 0) {
        if (qr_env_mono_ns(arm->options.env) - r->began_ns > REQUEST_S_MAX * INT64_C(1000000000))
            return MHD_NO;
        if (r->status == 0)
            qri_arm_body(r, upload, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    return finish(connection, r);
}

/* URLs stay as they are: which slash divides and which is written %2F is for url.c to tell. */
static size_t leave(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

/* ---- the server ---- */

static enum qr_status listen_on(struct qr_arm *arm, struct qr_err *err)
{
    const struct qr_arm_options *options = &arm->options;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(options->port)};
    int own_fd = -1;
    if (options->listen_fd > 0 && (own_fd = fcntl(options->listen_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return qr_fail(err, QR_INVALID, "copy descriptor %d: error %d", options->listen_fd, errno);
    bool is_v6 = own_fd < 0 && inet_pton(AF_INET6, options->listen, &in6.sin6_addr) == 1;
    if (own_fd < 0 && !is_v6 && inet_pton(AF_INET, options->listen, &in.sin_addr) != 1)
        return qr_fail(err, QR_INVALID, "'%s' is no numeric address", options->listen);
    /* ITC: else it is stopped by a shutdown of the listening socket, which can be others' too */
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_TLS | MHD_USE_ITC | (is_v6 ? MHD_USE_IPv6 : 0);
    const struct sockaddr *address =
        is_v6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in;
    errno = 0;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, options->port, NULL, NULL, handle, arm, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_HTTPS_MEM_KEY, options->key_pem, MHD_OPTION_HTTPS_MEM_CERT, options->cert_pem,
        MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
        MHD_OPTION_URI_LOG_CALLBACK, on_line, arm, MHD_OPTION_UNESCAPE_CALLBACK, leave, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, free_request, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY_BYTES, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
        own_fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, own_fd, MHD_OPTION_END);
    if (daemon == NULL) {
        if (own_fd >= 0)
            close(own_fd);
        return qr_fail(err, QR_IO, "listen on %s port %u for HTTPS: %s", options->listen,
                       options->port, strerrordesc_np(errno));
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    arm->daemon = daemon;
    arm->port = info == NULL ? options->port : info->port;
    return QR_OK;
}

static enum qr_status find_subscription(struct qr_arm *arm, struct qr_err *err)
{
    enum qr_status status;
    json_t *doc = qri_doc_find(arm, QR_DOC_SUBSCRIPTION, qr_str("default"), NULL, &status, err);
    const char *tenant = json_string_value(json_object_get(doc, "tenantId"));
    const char *id = json_string_value(json_object_get(doc, "subscriptionId"));
    bool good =
        tenant != NULL && id != NULL && qri_is_guid(qr_str(tenant)) && qri_is_guid(qr_str(id));
    if (good) {
        snprintf(arm->tenant, sizeof arm->tenant, "%s", tenant);
        snprintf(arm->subscription, sizeof arm->subscription, "%s", id);
    } else if (status == QR_OK) {
        status = qr_fail(err, QR_CORRUPT, "control's subscription has no ids");
    }
    json_decref(doc);
    return status;
}

static enum qr_status open_arm(struct qr_arm *arm, struct qr_err *err)
{
    const struct qr_arm_options *options = &arm->options;
    uint32_t per_minute =
        options->requests_per_minute == 0 ? REQUESTS_PER_MINUTE : options->requests_per_minute;
    QR_TRY(qri_signer_new(options->token_key_pem, &arm->signer, err));
    QR_TRY(find_subscription(arm, err));
    QR_TRY(qri_throttle_new(options->env, per_minute, &arm->throttle, err));
    QR_TRY(qri_passwords_new(arm, &arm->passwords, err));
    return listen_on(arm, err);
}

enum qr_status qr_arm_start(const struct qr_arm_options *options, struct qr_arm **ret_arm,
                            struct qr_err *err)
{
    struct qr_arm *arm = calloc(1, sizeof *arm);
    if (arm == NULL)
        return qr_fail(err, QR_NOMEM, "start the management API");
    arm->options = *options;
    int64_t now = qr_env_wall_ns(options->env);
    atomic_init(&arm->counted_from_ns, now - now % INT64_C(300000000000)); /* of its five minutes */
    enum qr_status status = open_arm(arm, err);
    if (status != QR_OK)
        qr_arm_free(arm);
    else
        *ret_arm = arm;
    return status;
}

uint16_t qr_arm_port(const struct qr_arm *arm)
{
    return arm->port;
}

void qr_arm_drain(struct qr_arm *arm)
{
    atomic_store(&arm->draining, true);
}

void qr_arm_free(struct qr_arm *arm)
{
    if (arm == NULL)
        return;
    if (arm->daemon != NULL)
        MHD_stop_daemon(arm->daemon);
    qri_passwords_free(arm->passwords);
    qri_throttle_free(arm->throttle);
    qri_signer_free(arm->signer);
    free(arm);
}
