/* link.c - see socket_int.h: one connection, what comes in */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "socket_int.h"
#include "base/banned.h"

enum { READS_MAX = 16 }; /* one socket may not keep the loop from the others */

uint32_t qri_link_events(const struct qri_link *link)
{
    uint32_t events = link->paused ? 0 : EPOLLIN;
    if (link->want_write || link->connecting)
        events |= EPOLLOUT;
    return events;
}

static void set_paused(struct qri_link *link, bool paused)
{
    pthread_mutex_lock(link->mu);
    link->paused = paused;
    qri_source_watch(&link->source, qri_link_events(link));
    pthread_mutex_unlock(link->mu);
}

void qri_link_close(struct qri_link *link)
{
    pthread_mutex_lock(link->mu);
    if (link->dead) {
        pthread_mutex_unlock(link->mu);
        return;
    }
    link->dead = true;
    SSL_free(link->ssl);
    link->ssl = NULL;
    qri_link_drop_all(link);
    /* The fd goes with the mutex held: nobody else may write into a number that was reused. */
    qri_source_close(&link->source);
    pthread_mutex_unlock(link->mu);
    free(link->in);
    link->in = NULL;
    free(link->message);
    link->message = NULL;
    free(link->stage);
    link->stage = NULL;
}

void qri_link_fail(struct qri_link *link, const struct qr_err *err)
{
    if (link->dead)
        return;
    qri_link_close(link);
    link->ops->down(link, err);
}

/* Bytes, 0 at the end, -1 with errno. */
static ssize_t read_some(struct qri_link *link, void *dst, size_t bytes)
{
    if (link->ssl == NULL) {
        ssize_t n;
        do
            n = recv(link->source.fd, dst, bytes, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n;
    }
    pthread_mutex_lock(link->mu);
    ssize_t n = qri_tls_read(link, dst, bytes);
    int errnum = errno;
    pthread_mutex_unlock(link->mu);
    errno = errnum;
    return n;
}

static enum qr_status deliver(struct qri_link *link, const uint8_t *body, struct qr_err *err)
{
    struct qr_rpc_frame frame = link->frame;
    link->have_header = false;
    QR_TRY(qr_rpc_frame_check(&frame, body, err));
    struct qri_message *message = link->message;
    link->message = NULL;
    enum qr_status status = QR_OK;
    if (!link->greeted) { /* both sides name themselves first */
        link->greeted = frame.kind == QR_RPC_HELLO;
        if (!link->greeted)
            status = qr_fail(err, QR_PROTOCOL, "frame of kind %d before the greeting", frame.kind);
    }
    if (status == QR_OK)
        status = link->ops->frame(link, &frame, body, &message, err);
    free(message);
    return status;
}

static enum qr_status take_header(struct qri_link *link, struct qr_err *err)
{
    QR_TRY(qr_rpc_frame_get(link->in + link->in_start, &link->frame, err));
    link->in_start += QR_RPC_HEADER_BYTES;
    link->have_header = true;
    size_t bytes = link->frame.body_bytes;
    if (bytes <= QRI_LINK_IN_BYTES)
        return QR_OK;
    if (!link->greeted)
        return qr_fail(err, QR_PROTOCOL, "greeting of %zu bytes", bytes);

    link->message = malloc(sizeof *link->message + bytes);
    if (link->message == NULL)
        return qr_fail(err, QR_NOMEM, "receive a frame of %zu bytes", bytes);
    link->message->bytes = bytes;
    link->message_got = link->in_end - link->in_start;
    memcpy(link->message->body, link->in + link->in_start, link->message_got);
    link->in_start = link->in_end = 0;
    return QR_OK;
}

/* Answers from other threads may have made room before they could see the pause: asked again with
 * the pause in place, or nobody would end it. */
static bool stays_paused(struct qri_link *link)
{
    set_paused(link, true);
    if (!link->ops->wants(link))
        return true;
    set_paused(link, false);
    return false;
}

/* Handles all frames that are complete. */
static enum qr_status take_frames(struct qri_link *link, struct qr_err *err)
{
    while (!link->dead) {
        size_t have = link->in_end - link->in_start;
        if (link->ops->wants != NULL && !link->ops->wants(link) && stays_paused(link))
            return QR_OK;
        if (!link->have_header) {
            if (have < QR_RPC_HEADER_BYTES)
                return QR_OK;
            QR_TRY(take_header(link, err));
        } else if (link->message != NULL) {
            if (link->message_got < link->message->bytes)
                return QR_OK;
            QR_TRY(deliver(link, link->message->body, err));
        } else {
            if (have < link->frame.body_bytes)
                return QR_OK;
            const uint8_t *body = link->in + link->in_start;
            link->in_start += link->frame.body_bytes;
            QR_TRY(deliver(link, body, err));
        }
    }
    return QR_OK;
}

/* Reads once; *ret_more: there may be more. */
static enum qr_status read_once(struct qri_link *link, bool *ret_more, struct qr_err *err)
{
    uint8_t *dst;
    size_t room;
    if (link->message != NULL) {
        dst = link->message->body + link->message_got;
        room = link->message->bytes - link->message_got;
    } else {
        if (link->in_start > 0) {
            memmove(link->in, link->in + link->in_start, link->in_end - link->in_start);
            link->in_end -= link->in_start;
            link->in_start = 0;
        }
        dst = link->in + link->in_end;
        room = QRI_LINK_IN_BYTES - link->in_end;
    }
    assert(room > 0); /* a header or body that fits was handled */
    ssize_t n = read_some(link, dst, room);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        *ret_more = false;
        return QR_OK;
    }
    if (n < 0)
        return qr_fail(err, QR_CLOSED, "%s: connection lost: error %d", link->who, errno);
    if (n == 0)
        return qr_fail(err, QR_CLOSED, "%s: the other side closed the connection", link->who);
    if (link->message != NULL)
        link->message_got += (size_t)n;
    else
        link->in_end += (size_t)n;
    atomic_store(&link->heard_ns, qr_env_mono_ns(link->source.loop->env));
    *ret_more = link->ssl != NULL || (size_t)n == room;
    return QR_OK;
}

/* What is answered or started while frames are handled leaves together afterwards. */
static void cork(struct qri_link *link, bool on)
{
    pthread_mutex_lock(link->mu);
    link->corked = on;
    if (!on)
        qri_link_flush(link);
    pthread_mutex_unlock(link->mu);
}

static enum qr_status read_all(struct qri_link *link, struct qr_err *err)
{
    bool more = true;
    int reads = 0;
    QR_TRY(take_frames(link, err));
    while (more && !link->paused && !link->dead) {
        if (++reads > READS_MAX) {
            qri_source_due(&link->source, 0); /* TLS may hold bytes that no event tells of */
            break;
        }
        QR_TRY(read_once(link, &more, err));
        QR_TRY(take_frames(link, err));
    }
    return QR_OK;
}

static void read_and_handle(struct qri_link *link)
{
    struct qr_err err;
    qr_err_reset(&err);
    cork(link, true);
    enum qr_status status = read_all(link, &err);
    if (link->dead)
        return;
    cork(link, false);
    if (status != QR_OK)
        qri_link_fail(link, &err);
}

void qri_link_resume(struct qri_link *link)
{
    if (link->dead || !link->paused || !link->ops->wants(link))
        return;
    set_paused(link, false);
    read_and_handle(link);
}

/* Connects and shakes hands; *ret_up when frames may flow. */
static enum qr_status come_up(struct qri_link *link, bool *ret_up, struct qr_err *err)
{
    if (link->connecting) {
        int errnum = 0;
        socklen_t bytes = sizeof errnum;
        if (getsockopt(link->source.fd, SOL_SOCKET, SO_ERROR, &errnum, &bytes) != 0)
            errnum = errno;
        if (errnum != 0) {
            char text[128];
            return qr_fail(err, QR_CLOSED, "connect to %s: %s", link->who,
                           strerror_r(errnum, text, sizeof text));
        }
        link->connecting = false;
    }
    bool done = true;
    pthread_mutex_lock(link->mu);
    enum qr_status status = QR_OK;
    if (link->shaking)
        status = qri_tls_handshake(link, &done, err);
    if (status == QR_OK && done)
        link->shaking = false;
    qri_source_watch(&link->source, qri_link_events(link));
    pthread_mutex_unlock(link->mu);
    if (status == QR_OK && done)
        status = link->ops->up(link, err);
    *ret_up = status == QR_OK && done;
    return status;
}

static void link_ready(struct qri_source *source, uint32_t events)
{
    struct qri_link *link = (struct qri_link *)source;
    if (link->connecting || link->shaking) {
        struct qr_err err;
        qr_err_reset(&err);
        bool up = false;
        enum qr_status status = come_up(link, &up, &err);
        if (status != QR_OK)
            qri_link_fail(link, &err);
        if (!up)
            return;
    }
    if ((events & EPOLLOUT) != 0) {
        pthread_mutex_lock(link->mu);
        qri_link_flush(link);
        pthread_mutex_unlock(link->mu);
    }
    if (link->paused && (events & (EPOLLHUP | EPOLLERR)) != 0) {
        struct qr_err err;
        (void)qr_fail(&err, QR_CLOSED, "%s: the other side closed the connection", link->who);
        qri_link_fail(link, &err);
        return;
    }
    if (!link->paused)
        read_and_handle(link);
}

static void link_due(struct qri_source *source, int64_t now_ns)
{
    struct qri_link *link = (struct qri_link *)source;
    if (!link->connecting && !link->shaking) {
        if (link->paused)
            qri_link_resume(link);
        else
            read_and_handle(link);
    }
    if (!link->dead)
        link->ops->due(link, now_ns);
}

enum qr_status qri_link_init(struct qri_link *link, struct qr_rpc_loop *loop, int fd,
                             bool connecting, struct qr_err *err)
{
    link->source.fd = fd;
    link->source.ready = link_ready;
    link->source.due = link_due;
    link->connecting = connecting;
    atomic_init(&link->source.due_ns, INT64_MAX);
    atomic_init(&link->heard_ns, qr_env_mono_ns(loop->env));
    link->in = malloc(QRI_LINK_IN_BYTES);
    if (link->in == NULL)
        return qr_fail(err, QR_NOMEM, "keep a connection");
    QR_TRY(qri_source_add(loop, &link->source, err));
    qri_source_watch(&link->source, qri_link_events(link));
    return QR_OK;
}
