/* listen.c - see gateway_int.h: the accepting thread, which is also the clock of the time-outs */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "env/thread.h"
#include "handoff_int.h"
#include "base/banned.h"

enum { BACKLOG = 1024, TICK_MS = 20, ACCEPT_PAUSE_MS = 50 };

void qri_address_of(const struct sockaddr_storage *peer, struct qri_address *ret_address)
{
    struct qri_address address = {0};
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
        const uint8_t *b = in6->sin6_addr.s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            address.is_v4 = true;
            address.v4 =
                (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
        } else {
            memcpy(address.key, b, 8); /* one subscriber commands a /64 */
            address.is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
            inet_ntop(AF_INET6, b, address.text, sizeof address.text);
        }
    } else if (peer->ss_family == AF_INET) {
        address.is_v4 = true;
        address.v4 = ntohl(((const struct sockaddr_in *)(const void *)peer)->sin_addr.s_addr);
    }
    if (address.is_v4) {
        struct in_addr in = {.s_addr = htonl(address.v4)};
        address.is_loopback = address.v4 >> 24 == 127;
        address.key[15] = 4;
        memcpy(address.key, &address.v4, sizeof address.v4);
        inet_ntop(AF_INET, &in, address.text, sizeof address.text);
    }
    *ret_address = address;
}

static bool parse_listen(const char *text, uint16_t port, struct sockaddr_storage *ret_address,
                         socklen_t *ret_bytes)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        *ret_bytes = sizeof *in;
    } else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        *ret_bytes = sizeof *in6;
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}

static enum qr_status find_port(int fd, uint16_t *ret_port, struct qr_err *err)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        return qr_fail(err, QR_IO, "ask for a socket's port: error %d", errno);
    *ret_port =
        ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&address)->sin_port
                                           : ((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return QR_OK;
}

static enum qr_status open_port(struct qr_gateway *gateway, struct qr_err *err)
{
    const struct qr_gateway_options *options = &gateway->options;
    struct sockaddr_storage address;
    socklen_t bytes;
    int on = 1;
    if (!parse_listen(options->listen, options->tds_port, &address, &bytes))
        return qr_fail(err, QR_INVALID, "'%s' is no numeric IPv4 or IPv6 address", options->listen);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return qr_fail(err, QR_IO, "make a socket: error %d", errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, bytes) != 0 || listen(fd, BACKLOG) != 0) {
        char reason[128];
        enum qr_status status =
            qr_fail(err, QR_IO, "listen on %s port %u: %s", options->listen, options->tds_port,
                    strerror_r(errno, reason, sizeof reason));
        close(fd);
        return status;
    }
    gateway->tds_fd = fd;
    return find_port(fd, &gateway->tds_port, err);
}

/* A socket that was bound for us; we use a copy, so that ours can be closed. */
static enum qr_status take_port(struct qr_gateway *gateway, struct qr_err *err)
{
    int fd = fcntl(gateway->options.tds_fd, F_DUPFD_CLOEXEC, 0);
    int is_listening = 0;
    socklen_t bytes = sizeof is_listening;
    if (fd < 0)
        return qr_fail(err, QR_INVALID, "copy descriptor %d: error %d", gateway->options.tds_fd,
                       errno);
    gateway->tds_fd = fd;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &bytes) != 0 || !is_listening ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        return qr_fail(err, QR_INVALID, "descriptor %d is no listening socket",
                       gateway->options.tds_fd);
    return find_port(fd, &gateway->tds_port, err);
}

/* Takes what waits on the port; false: a shortage that will not go away at once. */
static bool accept_all(struct qr_gateway *gateway)
{
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t bytes = sizeof peer;
        int fd = accept4(gateway->tds_fd, (struct sockaddr *)&peer, &bytes,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        struct qr_err err = {0};
        if (qri_conn_accept(gateway, fd, &peer, &err) != QR_OK) {
            qr_metric_add(&gateway->metrics, QR_GATEWAY_REFUSED, 1);
            QR_LOG(&gateway->options.log, QR_INFO, "connection_refused",
                   QR_F("reason", &err.text[0]));
        }
    }
}

static void *accept_main(void *arg)
{
    struct qr_gateway *gateway = arg;
    struct pollfd fds[3] = {
        /* poll leaves one of -1 alone */
        {.fd = gateway->tds_fd, .events = POLLIN},
        {.fd = gateway->taker == NULL ? -1 : qri_taker_fd(gateway), .events = POLLIN},
        {.fd = gateway->stop_fd, .events = POLLIN}};
    int64_t tick_ns = 0;
    uint32_t cursor = 0;
    while (!atomic_load(&gateway->stopping)) {
        bool ok = true;
        if (fds[0].fd >= 0 && atomic_load(&gateway->retired)) {
            fds[0].fd = -1;
            close(gateway->tds_fd); /* our copy */
            gateway->tds_fd = -1;
        }
        int n = poll(fds, 3, TICK_MS);
        if (n > 0 && (fds[0].revents & POLLIN) != 0)
            ok = accept_all(gateway);
        if (n > 0 && (fds[1].revents & POLLIN) != 0)
            ok &= qri_taker_run(gateway);
        if (!ok) {
            QR_LOG(&gateway->options.log, QR_WARN, "accept_paused",
                   QR_F("pause_ms", (int)ACCEPT_PAUSE_MS));
            poll(&fds[2], 1, ACCEPT_PAUSE_MS);
        }
        int64_t now_ns = qr_env_mono_ns(gateway->options.env);
        if (now_ns - tick_ns < TICK_MS * INT64_C(1000000))
            continue;
        tick_ns = now_ns;
        qri_pump_tick(gateway);
        qri_conns_abort_late(gateway, now_ns);
        qri_conns_abort_vanished(gateway, &cursor);
    }
    return NULL;
}

enum qr_status qri_listen_start(struct qr_gateway *gateway, struct qr_err *err)
{
    gateway->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gateway->stop_fd < 0)
        return qr_fail(err, QR_IO, "make an event: error %d", errno);
    bool is_node = gateway->options.handoff_address != NULL;
    if (is_node || gateway->options.return_address != NULL)
        QR_TRY(qri_taker_start(gateway, err));
    if (is_node)
        gateway->tds_fd = -1;
    else if (gateway->options.tds_fd > 0)
        QR_TRY(take_port(gateway, err));
    else
        QR_TRY(open_port(gateway, err));
    QR_TRY(qr_thread_start("accept", 0, accept_main, gateway, &gateway->accept_thread, err));
    gateway->accept_started = true;
    return QR_OK;
}

void qri_listen_stop(struct qr_gateway *gateway)
{
    if (gateway->accept_started) {
        uint64_t one = 1;
        ssize_t ignored = write(gateway->stop_fd, &one, sizeof one);
        (void)ignored;
        pthread_join(gateway->accept_thread, NULL);
        gateway->accept_started = false;
    }
    qri_taker_stop(gateway);
    if (gateway->tds_fd >= 0)
        close(gateway->tds_fd);
    if (gateway->stop_fd >= 0)
        close(gateway->stop_fd);
    gateway->tds_fd = gateway->stop_fd = -1;
}
