/* channel.c - see session/service.h: what a running request may ask of its connection */
#include <errno.h>
#include <poll.h>
#include "gateway_int.h"
#include "base/banned.h"

/* A blocked wait looks up this often, so that a cancelled gateway is noticed. */
enum { WAIT_SLICE_MS = 200 };

static struct qri_conn *conn_of(struct qr_channel *channel)
{
    return (struct qri_conn *)channel;
}

static bool must_stop(struct qri_conn *conn)
{
    return conn->peer_gone || atomic_load(&conn->aborted) ||
           atomic_load(&conn->gateway->cancel_all);
}

/* The node gives its sessions up, and this request has had its time. */
static bool is_late(const struct qri_conn *conn)
{
    const struct qr_gateway *gateway = conn->gateway;
    enum qri_drain drain = atomic_load(&gateway->drain);
    return drain == DRAIN_LATE ||
           (drain == DRAIN_EVICT && qri_conn_lingers(conn, atomic_load(&gateway->evict_ns)));
}

/* Waits for the socket; the pool runs another worker meanwhile. A session that is ended (KILL)
 * waits a slice for its client and no longer: it may never read, and the session has locks. */
static enum qr_status wait_socket(struct qri_conn *conn, short events)
{
    struct pollfd poll_fd = {.fd = conn->fd, .events = events};
    qri_pump_block_begin(conn->gateway);
    atomic_store(&conn->waits_peer, events);
    int rc = 0;
    bool over = false;
    while (rc == 0 && !over && !must_stop(conn)) {
        over = atomic_load(&conn->why) != NULL;
        rc = poll(&poll_fd, 1, WAIT_SLICE_MS);
        if (rc < 0 && errno == EINTR)
            rc = 0;
    }
    atomic_store(&conn->waits_peer, 0);
    qri_pump_block_end(conn->gateway);
    return rc > 0 && !must_stop(conn) ? QR_OK : QR_CLOSED;
}

static enum qr_status channel_send(struct qr_channel *channel, const uint8_t *packets, size_t bytes,
                                   struct qr_err *err)
{
    struct qri_conn *conn = conn_of(channel);
    conn->tail = (struct qr_tail){.kind = QR_TAIL_SEND, .bytes = packets, .count = bytes};
    for (;;) {
        enum qri_step step = qri_stream_flush(conn);
        if (step == STEP_AGAIN)
            return QR_OK;
        if (step != STEP_OUTPUT || wait_socket(conn, POLLOUT) != QR_OK) {
            conn->peer_gone = true;
            conn->tail.count = 0;
            return qr_fail(err, QR_CLOSED, "the client is gone");
        }
    }
}

static enum qr_status channel_receive(struct qr_channel *channel, const uint8_t **ret_data,
                                      size_t *ret_bytes, bool *ret_end, bool *ret_ignored,
                                      struct qr_err *err)
{
    struct qri_conn *conn = conn_of(channel);
    *ret_bytes = 0;
    *ret_end = true;
    *ret_ignored = false;
    while (!conn->stream_end) {
        struct qr_tds_read read = conn->stream_first;
        conn->stream_first.kind = QR_TDS_READ_MORE;
        if (read.kind == QR_TDS_READ_MORE) {
            size_t used;
            enum qr_status status = qr_tds_reader_step(&conn->reader, conn->input,
                                                       conn->input_bytes, &used, &read, err);
            if (status != QR_OK) {
                conn->peer_gone = true;
                return status;
            }
            qri_stream_consume(conn, used);
        }
        if (read.kind == QR_TDS_READ_DATA) {
            *ret_data = read.data;
            *ret_bytes = read.data_bytes;
            *ret_end = false;
            return QR_OK;
        }
        if (read.kind == QR_TDS_READ_END) {
            conn->stream_end = true;
            *ret_ignored = read.ignored || read.type == QR_TDS_PACKET_ATTENTION;
            if (read.type == QR_TDS_PACKET_ATTENTION)
                conn->attention = true;
            return QR_OK;
        }
        conn->drained = false;
        enum qri_step step = qri_stream_fill(conn);
        if (step == STEP_CLOSE || (step == STEP_INPUT && wait_socket(conn, POLLIN) != QR_OK)) {
            conn->peer_gone = true;
            return qr_fail(err, QR_CLOSED, "the client is gone");
        }
    }
    return QR_OK;
}

static bool channel_cancelled(struct qr_channel *channel)
{
    struct qri_conn *conn = conn_of(channel);
    conn->evicted = conn->evicted || is_late(conn);
    if (conn->attention || conn->evicted || must_stop(conn))
        return true;
    int64_t now = qr_env_mono_ns(conn->gateway->options.env);
    if (now - conn->last_poll_ns < QRI_ATTENTION_POLL_NS)
        return false;
    conn->last_poll_ns = now;
    qri_stream_look(conn);
    return conn->attention || conn->peer_gone;
}

static bool channel_evicted(struct qr_channel *channel)
{
    struct qri_conn *conn = conn_of(channel);
    return conn->evicted && !conn->attention && !must_stop(conn);
}

static bool channel_take_attention(struct qr_channel *channel)
{
    struct qri_conn *conn = conn_of(channel);
    bool attention = conn->attention;
    conn->attention = false;
    return attention;
}

static void channel_block_begin(struct qr_channel *channel)
{
    qri_pump_block_begin(conn_of(channel)->gateway);
}

static void channel_block_end(struct qr_channel *channel)
{
    qri_pump_block_end(conn_of(channel)->gateway);
}

static void channel_release(struct qr_channel *channel)
{
    qri_conn_release(conn_of(channel));
}

static void channel_abort(struct qr_channel *channel)
{
    qri_conn_abort(conn_of(channel));
}

static void channel_end(struct qr_channel *channel, const struct qr_err *why)
{
    qri_conn_end(conn_of(channel), why);
}

const struct qr_channel_ops qri_channel_ops = {
    .send = channel_send,
    .receive = channel_receive,
    .cancelled = channel_cancelled,
    .evicted = channel_evicted,
    .take_attention = channel_take_attention,
    .block_begin = channel_block_begin,
    .block_end = channel_block_end,
    .release = channel_release,
    .abort = channel_abort,
    .end = channel_end,
};
