/* stream.c - see gateway_int.h: a connection's bytes, in and out, never blocking.
 *
 * In: socket, worker's buffer, (TLS) `in`, `input`. Out: `out` first, then the tail, which TLS
 * encrypts into `out` 16 KiB at a time and clear connections send from where it is. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "gateway_int.h"
#include "base/banned.h"

enum { TLS_STEP_BYTES = 16384, LOOK_BYTES = 4096 };

/* Moves what is unconsumed to the front of `in`, whatever buffer it is in. */
static bool gather(struct qri_conn *conn)
{
    const uint8_t *in = conn->in.data;
    bool inside = in != NULL && conn->input >= in && conn->input <= in + conn->in.len;
    if (conn->input_bytes > 0 && inside) {
        qr_buf_consume(&conn->in, (size_t)(conn->input - in));
    } else {
        qr_buf_clear(&conn->in);
        qr_buf_add(&conn->in, conn->input, conn->input_bytes);
    }
    conn->input = conn->in.data;
    return conn->in.failed == QR_OK;
}

bool qri_stream_stash(struct qri_conn *conn)
{
    if (conn->input_bytes > 0)
        return gather(conn);
    if (conn->in.capacity > QRI_KEEP_BYTES_MAX || conn->ssl != NULL)
        qr_buf_done(&conn->in);
    qr_buf_clear(&conn->in);
    conn->input = NULL;
    return true;
}

void qri_stream_consume(struct qri_conn *conn, size_t bytes)
{
    conn->input += bytes;
    conn->input_bytes -= bytes;
}

static void note_heard(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    if (atomic_load(&gateway->drain) != DRAIN_NO)
        atomic_store(&conn->heard_ns, qr_env_mono_ns(gateway->options.env));
}

/* One non-blocking read; sets peer_gone and drained. */
static size_t receive(struct qri_conn *conn, uint8_t *dst, size_t bytes)
{
    ssize_t n;
    do
        n = recv(conn->fd, dst, bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
        conn->peer_gone = true;
    conn->drained = n < (ssize_t)bytes && (n <= 0 || !atomic_load(&conn->half_closed));
    if (n <= 0)
        return 0;
    note_heard(conn);
    return (size_t)n;
}

enum qri_step qri_stream_fill(struct qri_conn *conn)
{
    while (conn->input_bytes == 0) {
        if (conn->raw.len > 0 && conn->ssl != NULL) { /* records behind the one just read */
            qr_buf_clear(&conn->in);
            if (qri_tds_tls_decrypt(conn, NULL, 0) != QR_OK)
                return STEP_CLOSE;
            conn->input = conn->in.data;
            conn->input_bytes = conn->in.len;
            if (conn->input_bytes > 0)
                break;
        }
        if (conn->peer_gone)
            return STEP_CLOSE;
        if (conn->drained)
            return STEP_INPUT;
        size_t n = receive(conn, conn->worker->input, QRI_READ_BYTES);
        if (n == 0)
            continue;
        if (conn->ssl == NULL || conn->phase == PHASE_TLS) {
            conn->input = conn->worker->input;
            conn->input_bytes = n;
            continue;
        }
        qr_buf_clear(&conn->in);
        if (qri_tds_tls_decrypt(conn, conn->worker->input, n) != QR_OK)
            return STEP_CLOSE;
        conn->input = conn->in.data;
        conn->input_bytes = conn->in.len;
    }
    return STEP_AGAIN;
}

static ssize_t send_some(struct qri_conn *conn, const uint8_t *bytes, size_t count)
{
    ssize_t n;
    do
        n = send(conn->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

static void want_output(struct qri_conn *conn, bool wants)
{
    if (conn->is_pair && conn->wants_output != wants)
        qri_pump_watch_output(conn->gateway, conn->fd, conn->id, wants);
    conn->wants_output = wants;
}

static enum qri_step step_of_send_error(struct qri_conn *conn)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        want_output(conn, true);
        return STEP_OUTPUT;
    }
    conn->peer_gone = true;
    return STEP_CLOSE;
}

static enum qri_step flush_out(struct qri_conn *conn)
{
    while (conn->out_sent < conn->out.len) {
        ssize_t n =
            send_some(conn, conn->out.data + conn->out_sent, conn->out.len - conn->out_sent);
        if (n < 0)
            return step_of_send_error(conn);
        conn->out_sent += (size_t)n;
    }
    conn->out_sent = 0;
    qr_buf_clear(&conn->out);
    return STEP_AGAIN;
}

enum qri_step qri_stream_flush(struct qri_conn *conn)
{
    for (;;) {
        enum qri_step step = flush_out(conn);
        if (step != STEP_AGAIN)
            return step;
        if (conn->tail.count == 0)
            break;
        ssize_t n;
        if (conn->ssl != NULL) {
            n = (ssize_t)(conn->tail.count < TLS_STEP_BYTES ? conn->tail.count : TLS_STEP_BYTES);
            if (qri_tds_tls_encrypt(conn, conn->tail.bytes, (size_t)n) != QR_OK)
                return STEP_CLOSE;
        } else {
            n = send_some(conn, conn->tail.bytes, conn->tail.count);
            if (n < 0)
                return step_of_send_error(conn);
        }
        conn->tail.bytes += n;
        conn->tail.count -= (size_t)n;
    }
    want_output(conn, false);
    if (conn->out.capacity > QRI_KEEP_BYTES_MAX || conn->phase < PHASE_SESSION)
        qr_buf_done(&conn->out);
    return STEP_AGAIN;
}

/* An attention is a packet of eight header bytes. Any other message waits for its turn. */
static void find_attention(struct qri_conn *conn)
{
    while (qr_tds_reader_idle(&conn->reader) && conn->input_bytes >= QR_TDS_HEADER_BYTES &&
           conn->input[0] == QR_TDS_PACKET_ATTENTION) {
        conn->attention = true;
        qri_stream_consume(conn, QR_TDS_HEADER_BYTES);
    }
}

void qri_stream_look(struct qri_conn *conn)
{
    find_attention(conn);
    if (conn->peer_gone || conn->in_stream || conn->input_bytes >= LOOK_BYTES)
        return;
    uint8_t bytes[LOOK_BYTES];
    size_t n = receive(conn, bytes, sizeof bytes);
    if (n == 0)
        return;
    enum qr_status status = QR_OK;
    if (!gather(conn))
        status = QR_NOMEM;
    else if (conn->ssl != NULL)
        status = qri_tds_tls_decrypt(conn, bytes, n);
    else
        qr_buf_add(&conn->in, bytes, n);
    if (status != QR_OK || conn->in.failed != QR_OK) {
        conn->peer_gone = true;
        return;
    }
    conn->input = conn->in.data;
    conn->input_bytes = conn->in.len;
    find_attention(conn);
}

enum qr_status qri_stream_append(void *ctx, const uint8_t *packets, size_t bytes,
                                 struct qr_err *err)
{
    struct qri_conn *conn = ctx;
    if (conn->ssl == NULL) {
        qr_buf_add(&conn->out, packets, bytes);
        return qr_buf_status(&conn->out, err);
    }
    for (size_t at = 0; at < bytes; at += TLS_STEP_BYTES) {
        size_t n = bytes - at < TLS_STEP_BYTES ? bytes - at : TLS_STEP_BYTES;
        QR_TRY(qri_tds_tls_encrypt(conn, packets + at, n));
    }
    return QR_OK;
}

static enum qr_status append_clear(void *ctx, const uint8_t *packets, size_t bytes,
                                   struct qr_err *err)
{
    struct qri_conn *conn = ctx;
    qr_buf_add(&conn->out, packets, bytes);
    return qr_buf_status(&conn->out, err);
}

enum qr_status qri_stream_put_packets(struct qri_conn *conn, uint8_t type, const uint8_t *bytes,
                                      size_t count)
{
    struct qr_tds_writer writer;
    qr_tds_writer_init(&writer, QR_TDS_PACKET_BYTES_DEFAULT, 0, append_clear, conn);
    qr_tds_writer_begin(&writer, type);
    uint8_t *dst = qr_tds_writer_reserve(&writer, count);
    if (dst != NULL) {
        memcpy(dst, bytes, count);
        qr_tds_writer_advance(&writer, count);
        qr_tds_writer_pump(&writer);
    }
    enum qr_status status = qr_tds_writer_end(&writer, false);
    qr_tds_writer_done(&writer);
    return status;
}
