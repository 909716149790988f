/* link_out.c - see socket_int.h: one connection, what goes out; all with the link's mutex held */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "socket_int.h"
#include "base/banned.h"

enum { WRITE_IOV_MAX = 64, WRITE_BYTES_MAX = 1 << 20 };

/* An out of our own, with its body behind it. */
struct own_out {
    struct qr_rpc_out out; /* first */
    struct iovec iov;
    void *memory; /* of the body; NULL: it is `bytes` */
    uint8_t bytes[];
};

static void free_own(struct qr_rpc_out *out)
{
    free(((struct own_out *)out)->memory);
    free(out);
}

struct qr_rpc_out *qri_out_new(const uint8_t header[QR_RPC_HEADER_BYTES], const struct iovec *body,
                               int body_count, void *own_memory)
{
    size_t bytes = 0;
    for (int i = 0; i < body_count; i++)
        bytes += body[i].iov_len;
    struct own_out *own = malloc(sizeof *own + (own_memory == NULL ? bytes : 0));
    if (own == NULL) {
        free(own_memory);
        return NULL;
    }
    own->out = (struct qr_rpc_out){.sent = free_own, .body = &own->iov, .body_count = 1};
    own->out.bytes = QR_RPC_HEADER_BYTES + bytes;
    own->iov = (struct iovec){.iov_base = own->bytes, .iov_len = bytes};
    own->memory = own_memory;
    if (own_memory != NULL)
        own->iov = body[0];
    for (int i = 0, at = 0; i < body_count && own_memory == NULL; i++) {
        if (body[i].iov_len > 0)
            memcpy(own->bytes + at, body[i].iov_base, body[i].iov_len);
        at += (int)body[i].iov_len;
    }
    memcpy(own->out.header, header, QR_RPC_HEADER_BYTES);
    return &own->out;
}

static void unlink_out(struct qri_link *link, struct qr_rpc_out *out)
{
    if (out->prev != NULL)
        out->prev->next = out->next;
    else
        link->out_first = out->next;
    if (out->next != NULL)
        out->next->prev = out->prev;
    else
        link->out_last = out->prev;
    out->prev = out->next = NULL;
    out->queued = false;
    link->out_bytes -= out->bytes - out->sent_bytes;
}

static void finish_out(struct qri_link *link, struct qr_rpc_out *out)
{
    unlink_out(link, out);
    if (out->sent != NULL)
        out->sent(out);
}

void qri_link_drop_all(struct qri_link *link)
{
    while (link->out_first != NULL)
        finish_out(link, link->out_first);
}

/* The parts of `out` from its byte `sent_bytes` on. Returns how many it put. */
static int put_rest(const struct qr_rpc_out *out, struct iovec *dst, int room)
{
    int n = 0;
    size_t skip = out->sent_bytes;
    if (skip < QR_RPC_HEADER_BYTES) {
        dst[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)(out->header + skip),
                                  .iov_len = QR_RPC_HEADER_BYTES - skip};
        skip = 0;
    } else {
        skip -= QR_RPC_HEADER_BYTES;
    }
    for (int i = 0; i < out->body_count && n < room; i++) {
        size_t bytes = out->body[i].iov_len;
        if (skip >= bytes) {
            skip -= bytes;
            continue;
        }
        dst[n++] = (struct iovec){.iov_base = (char *)out->body[i].iov_base + skip,
                                  .iov_len = bytes - skip};
        skip = 0;
    }
    return n;
}

static int gather(const struct qri_link *link, struct iovec *iov)
{
    int n = 0;
    size_t bytes = 0;
    for (const struct qr_rpc_out *out = link->out_first;
         out != NULL && n < WRITE_IOV_MAX && bytes < WRITE_BYTES_MAX; out = out->next) {
        n += put_rest(out, iov + n, WRITE_IOV_MAX - n);
        bytes += out->bytes - out->sent_bytes;
    }
    return n;
}

/* `bytes` of the queue have left. */
static void advance(struct qri_link *link, size_t bytes)
{
    while (bytes > 0) {
        struct qr_rpc_out *out = link->out_first;
        size_t left = out->bytes - out->sent_bytes;
        size_t n = bytes < left ? bytes : left;
        out->sent_bytes += n;
        link->out_bytes -= n;
        bytes -= n;
        if (out->sent_bytes == out->bytes)
            finish_out(link, out);
    }
}

static void want_write(struct qri_link *link, bool on)
{
    if (link->want_write == on)
        return;
    link->want_write = on;
    qri_source_watch(&link->source, qri_link_events(link));
}

void qri_link_break(struct qri_link *link)
{
    link->broken = true;
    shutdown(link->source.fd, SHUT_RDWR);
    qri_link_drop_all(link);
}

static ssize_t send_iov(struct qri_link *link, const struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                             .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = sendmsg(link->source.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

/* True when the socket took all. */
static bool flush_plain(struct qri_link *link)
{
    while (link->out_first != NULL) {
        struct iovec iov[WRITE_IOV_MAX];
        int count = gather(link, iov);
        size_t total = 0;
        for (int i = 0; i < count; i++)
            total += iov[i].iov_len;
        ssize_t n = send_iov(link, iov, count);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            qri_link_break(link);
            return true;
        }
        if (n > 0)
            advance(link, (size_t)n);
        if (n < 0 || (size_t)n < total)
            return false;
    }
    return true;
}

/* Plain bytes are gathered into whole records; what is staged counts as sent. */
static bool flush_tls(struct qri_link *link)
{
    while (link->out_first != NULL || link->stage_start < link->stage_end) {
        if (link->stage_start == link->stage_end) {
            struct iovec iov[WRITE_IOV_MAX];
            int count = gather(link, iov);
            size_t n = 0;
            for (int i = 0; i < count && n < QRI_LINK_TLS_BYTES; i++) {
                size_t room = QRI_LINK_TLS_BYTES - n;
                size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;
                memcpy(link->stage + n, iov[i].iov_base, part);
                n += part;
            }
            link->stage_start = 0;
            link->stage_end = n;
            advance(link, n);
        }
        ssize_t n = qri_tls_write(link, link->stage + link->stage_start,
                                  link->stage_end - link->stage_start);
        if (n < 0 && errno != EAGAIN) {
            qri_link_break(link);
            return true;
        }
        if (n < 0)
            return false;
        link->stage_start += (size_t)n;
    }
    return true;
}

void qri_link_flush(struct qri_link *link)
{
    if (link->dead || link->broken || link->connecting || link->shaking)
        return;
    bool all = link->ssl == NULL ? flush_plain(link) : flush_tls(link);
    want_write(link, !all);
}

void qri_link_send(struct qri_link *link, struct qr_rpc_out *out)
{
    if (link->dead || link->broken) {
        if (out->sent != NULL)
            out->sent(out);
        return;
    }
    out->queued = true;
    out->next = NULL;
    out->prev = link->out_last;
    if (link->out_last != NULL)
        link->out_last->next = out;
    else
        link->out_first = out;
    link->out_last = out;
    link->out_bytes += out->bytes - out->sent_bytes;
    if (!link->corked && !link->want_write)
        qri_link_flush(link);
}

void qri_link_unsend(struct qri_link *link, struct qr_rpc_out *out)
{
    if (!out->queued)
        return;
    if (out->sent_bytes == 0) {
        unlink_out(link, out);
        return;
    }
    size_t left = out->bytes - out->sent_bytes;
    struct own_out *rest = malloc(sizeof *rest + left);
    if (rest == NULL) {
        qri_link_break(link); /* half a frame can be followed by nothing */
        return;
    }
    struct iovec iov[QR_RPC_IOV_MAX + 1];
    int count = put_rest(out, iov, QR_RPC_IOV_MAX + 1);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        memcpy(rest->bytes + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    assert(at == left && out == link->out_first);
    unlink_out(link, out);
    /* Looks like a frame whose header has left. */
    rest->memory = NULL;
    rest->iov = (struct iovec){.iov_base = rest->bytes, .iov_len = left};
    rest->out = (struct qr_rpc_out){.sent = free_own,
                                    .body = &rest->iov,
                                    .body_count = 1,
                                    .queued = true,
                                    .next = link->out_first,
                                    .bytes = QR_RPC_HEADER_BYTES + left,
                                    .sent_bytes = QR_RPC_HEADER_BYTES};
    if (link->out_first != NULL)
        link->out_first->prev = &rest->out;
    else
        link->out_last = &rest->out;
    link->out_first = &rest->out;
    link->out_bytes += left;
}

void qri_link_send_small(struct qri_link *link, struct qr_rpc_frame *frame, const void *body,
                         size_t bytes)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)body, .iov_len = bytes};
    uint8_t header[QR_RPC_HEADER_BYTES];
    qr_rpc_frame_put(frame, &iov, bytes > 0, header);
    struct qr_rpc_out *out = qri_out_new(header, &iov, bytes > 0, NULL);
    if (out == NULL)
        qri_link_break(link);
    else
        qri_link_send(link, out);
}

size_t qri_link_write_now(struct qri_link *link, const struct iovec *iov, int iov_count)
{
    if (link->dead || link->broken || link->corked || link->ssl != NULL || link->connecting ||
        link->out_first != NULL)
        return 0;
    ssize_t n = send_iov(link, iov, iov_count);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        qri_link_break(link);
    return n > 0 ? (size_t)n : 0;
}
