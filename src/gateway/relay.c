/* relay.c - see handoff_int.h: between a client's TLS and the node that has its session.
 *
 * Each way moves what it can and stops where the other side is slow: the client is not read while
 * the node has not taken what came before, nor the node while the client has not. The two ways do
 * not wait for each other, so an attention passes a result that nobody reads. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "handoff_int.h"
#include "base/banned.h"

enum { ROUNDS_MAX = 16, TLS_STEP_BYTES = 16384 };

static void want_output(struct qri_conn *conn, bool wants)
{
    if (conn->relay_wants_output != wants)
        qri_pump_watch_output(conn->gateway, conn->relay_fd, conn->id | QRI_NODE_SIDE, wants);
    conn->relay_wants_output = wants;
}

/* Counts the messages that pass, so that it is known at the node's end what the client waits for.
 */
static size_t pass(struct qri_conn *conn, struct qr_tds_reader *reader, const uint8_t *bytes,
                   size_t count)
{
    size_t ends = 0;
    while (!conn->relay_unframed) {
        size_t used;
        struct qr_tds_read read;
        if (qr_tds_reader_step(reader, bytes, count, &used, &read, NULL) != QR_OK) {
            conn->relay_unframed = true;
            break;
        }
        bytes += used;
        count -= used;
        if (read.kind == QR_TDS_READ_MORE)
            break;
        ends += read.kind == QR_TDS_READ_END;
    }
    return ends;
}

static enum qri_step to_node(struct qri_conn *conn)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (conn->relay_sent_end || conn->relay_broken)
            return STEP_INPUT;
        enum qri_step step = qri_stream_fill(conn);
        if (step == STEP_CLOSE) { /* the node has all it sent; the answer may still be coming */
            shutdown(conn->relay_fd, SHUT_WR);
            conn->relay_sent_end = true;
            return STEP_INPUT;
        }
        if (step != STEP_AGAIN)
            return step;
        ssize_t n =
            send(conn->relay_fd, conn->input, conn->input_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            want_output(conn, true);
            return STEP_OUTPUT;
        }
        if (n < 0 && errno != EINTR) { /* the node is gone, which the other way finds out */
            conn->relay_broken = true;
        } else if (n > 0) {
            conn->relay_owed += (uint32_t)pass(conn, &conn->reader, conn->input, (size_t)n);
            qri_stream_consume(conn, (size_t)n);
            want_output(conn, false);
        }
    }
    return STEP_YIELD;
}

static void drop_node(struct qri_conn *conn)
{
    close(conn->relay_fd);
    conn->relay_fd = -1;
    if (atomic_exchange(&conn->relays, false))
        qr_metric_add(&conn->gateway->metrics, QR_GATEWAY_RELAYS, -1);
}

static enum qri_step end_relay(struct qri_conn *conn)
{
    bool lost = qri_over_node_lost(conn);
    drop_node(conn);
    conn->relay_lost = lost;
    if (lost)
        return qri_over_begin(conn);
    if (atomic_load(&conn->gateway->stopping))
        return STEP_CLOSE; /* all was sent, and the client has its connections open until it looks
                            */
    qri_conn_begin_close(conn);
    return STEP_AGAIN;
}

static enum qri_step to_client(struct qri_conn *conn)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        enum qri_step step = qri_stream_flush(conn);
        if (step != STEP_AGAIN)
            return step;
        if (conn->relay_drained)
            return STEP_INPUT;
        uint8_t *bytes = conn->worker->input;
        ssize_t n = recv(conn->relay_fd, bytes, QRI_READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
            return end_relay(conn);
        conn->relay_drained =
            n < (ssize_t)QRI_READ_BYTES && (n < 0 || !atomic_load(&conn->half_closed));
        size_t answered = n > 0 ? pass(conn, &conn->relay_reader, bytes, (size_t)n) : 0;
        conn->relay_owed -= answered < conn->relay_owed ? (uint32_t)answered : conn->relay_owed;
        for (ssize_t at = 0; at < n; at += TLS_STEP_BYTES) {
            ssize_t step_bytes = n - at < TLS_STEP_BYTES ? n - at : TLS_STEP_BYTES;
            if (qri_tds_tls_encrypt(conn, bytes + at, (size_t)step_bytes) != QR_OK)
                return STEP_CLOSE;
        }
    }
    return STEP_YIELD;
}

/* Between two requests, and nothing of the next one is here. */
static bool may_end(const struct qri_conn *conn)
{
    return atomic_load(&conn->gateway->ends_relays) && conn->relay_owed == 0 &&
           !conn->relay_unframed && conn->input_bytes == 0 && conn->out.len == 0 &&
           qr_tds_reader_idle(&conn->reader) && qr_tds_reader_idle(&conn->relay_reader);
}

enum qri_step qri_relay_step(struct qri_conn *conn)
{
    if (atomic_load(&conn->aborted))
        return STEP_CLOSE;
    if (may_end(conn)) {
        drop_node(conn);
        return qri_over_begin(conn);
    }
    enum qri_step up = to_node(conn);
    enum qri_step down = to_client(conn);
    if (down == STEP_AGAIN || down == STEP_CLOSE)
        return down;
    return up == STEP_YIELD || down == STEP_YIELD ? STEP_YIELD : STEP_INPUT;
}
