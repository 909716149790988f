/* health.c - see gateway_int.h: the HTTPS port. It serves /healthz; the management API will be
 * here. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "gateway_int.h"
#include "base/banned.h"

enum { CONNECTIONS_MAX = 256, PER_ADDRESS_MAX = 64, IDLE_S = 30, MEMORY_BYTES = 32 * 1024 };

struct answer {
    unsigned status;
    const char *body;
};

static struct answer answer_of(const struct qr_gateway *gateway, const char *url,
                               const char *method)
{
    if (strcmp(url, "/healthz") != 0)
        return (struct answer){MHD_HTTP_NOT_FOUND,
                               "{\"error\":{\"code\":\"ResourceNotFound\","
                               "\"message\":\"This port serves /healthz only.\"}}\n"};
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return (struct answer){MHD_HTTP_METHOD_NOT_ALLOWED,
                               "{\"error\":{\"code\":\"MethodNotAllowed\","
                               "\"message\":\"/healthz answers GET and HEAD.\"}}\n"};
    if (atomic_load(&gateway->stopping))
        return (struct answer){MHD_HTTP_SERVICE_UNAVAILABLE, "{\"status\":\"stopping\"}\n"};
    return (struct answer){MHD_HTTP_OK, "{\"status\":\"ok\"}\n"};
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **request)
{
    (void)version;
    (void)upload;
    static int seen;
    if (*request == NULL) { /* headers only; the body, if any, is read and dropped */
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_bytes > 0) {
        *upload_bytes = 0;
        return MHD_YES;
    }
    struct answer answer = answer_of(arg, url, method);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(answer.body), (void *)(uintptr_t)answer.body, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return result;
}

enum qr_status qri_https_start(struct qr_gateway *gateway, struct qr_err *err)
{
    const struct qr_gateway_options *options = &gateway->options;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(options->https_port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(options->https_port)};
    int own_fd = -1;
    if (options->https_fd > 0) {
        own_fd = fcntl(options->https_fd, F_DUPFD_CLOEXEC, 0);
        if (own_fd < 0)
            return qr_fail(err, QR_INVALID, "copy descriptor %d: error %d", options->https_fd,
                           errno);
    }
    bool is_v6 = own_fd < 0 && inet_pton(AF_INET6, options->listen, &in6.sin6_addr) == 1;
    if (own_fd < 0 && !is_v6 && inet_pton(AF_INET, options->listen, &in.sin_addr) != 1)
        return qr_fail(err, QR_INVALID, "'%s' is no numeric address", options->listen);
    /* ITC: else it is stopped by a shutdown of the listening socket, which can be others' too */
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ITC | (is_v6 ? MHD_USE_IPv6 : 0);
    const struct sockaddr *address =
        is_v6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in;
    errno = 0;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, options->https_port, NULL, NULL, handle, gateway, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_HTTPS_MEM_KEY, options->key_pem, MHD_OPTION_HTTPS_MEM_CERT, options->cert_pem,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES,
        own_fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, own_fd, MHD_OPTION_END);
    if (daemon == NULL) {
        char reason[128];
        if (own_fd >= 0)
            close(own_fd);
        return qr_fail(err, QR_IO, "listen on %s port %u for HTTPS: %s", options->listen,
                       options->https_port, strerror_r(errno, reason, sizeof reason));
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    gateway->https = daemon;
    gateway->https_port = info == NULL ? options->https_port : info->port;
    return QR_OK;
}

void qri_https_stop(struct qr_gateway *gateway)
{
    if (gateway->https != NULL)
        MHD_stop_daemon(gateway->https);
    gateway->https = NULL;
}
