/* peer.c - see logsvc/peer.h */
#include "logsvc/peer.h"
#include "base/banned.h"

enum { SMALL_BYTES_MAX = 4096, BODY_BYTES_MAX = 16 << 20 };

/* `ask` is what is sent; the answer goes to `reply`. */
static enum qr_status call(struct qr_rpc_peer *peer, enum qr_logsvc_method method,
                           const struct qr_buf *ask, int64_t timeout_ns, struct qr_buf *reply,
                           struct qr_err *err)
{
    QR_TRY(qr_buf_status(ask, err));
    struct iovec body = {.iov_base = ask->data, .iov_len = ask->len};
    return qr_rpc_call_wait(peer, (uint16_t)method, &body, 1, timeout_ns, reply, err);
}

static enum qr_status ask_small(struct qr_rpc_peer *peer, enum qr_logsvc_method method,
                                const struct qr_logsvc_ask *ask, int64_t timeout_ns,
                                struct qr_buf *reply, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SMALL_BYTES_MAX);
    qr_logsvc_ask_put(&buf, ask);
    enum qr_status status = call(peer, method, &buf, timeout_ns, reply, err);
    qr_buf_done(&buf);
    return status;
}

enum qr_status qr_logsvc_peer_change(struct qr_rpc_peer *peer, struct qr_logsvc_change *change,
                                     int64_t timeout_ns, struct qr_err *err)
{
    struct qr_buf ask, reply;
    qr_buf_init(&ask, SMALL_BYTES_MAX);
    qr_buf_init(&reply, SMALL_BYTES_MAX);
    qr_logsvc_change_put(&ask, change);
    enum qr_status status = call(peer, QR_LOGSVC_CALL_CHANGE, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qr_logsvc_change_answer_get(reply.data, reply.len, change, err);
    if (status == QR_OK && change->status != QR_OK)
        status = qr_fail(err, change->status, "log service: %s", change->why);
    qr_buf_done(&ask);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_logsvc_peer_state(struct qr_rpc_peer *peer, const struct qr_timeline *timeline,
                                    int64_t timeout_ns, struct qr_logsvc_state *ret_state,
                                    struct qr_err *err)
{
    struct qr_buf reply;
    size_t used = 0;
    qr_buf_init(&reply, SMALL_BYTES_MAX);
    enum qr_status status =
        ask_small(peer, QR_LOGSVC_CALL_STATE, &(struct qr_logsvc_ask){.timeline = *timeline},
                  timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qr_logsvc_state_get(reply.data, reply.len, ret_state, &used, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_logsvc_peer_readers(struct qr_rpc_peer *peer, const struct qr_timeline *timeline,
                                      int64_t timeout_ns, struct qr_logsvc_readers *ret_readers,
                                      struct qr_err *err)
{
    struct qr_buf reply;
    qr_buf_init(&reply, SMALL_BYTES_MAX);
    enum qr_status status =
        ask_small(peer, QR_LOGSVC_CALL_READERS, &(struct qr_logsvc_ask){.timeline = *timeline},
                  timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qr_logsvc_readers_get(reply.data, reply.len, ret_readers, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_logsvc_peer_renew(struct qr_rpc_peer *peer, const struct qr_timeline *timeline,
                                    uint64_t epoch, int64_t ttl_ns, int64_t timeout_ns,
                                    struct qr_err *err)
{
    return ask_small(
        peer, QR_LOGSVC_CALL_RENEW,
        &(struct qr_logsvc_ask){.timeline = *timeline, .epoch = epoch, .ttl_ns = ttl_ns},
        timeout_ns, NULL, err);
}

enum qr_status qr_logsvc_peer_find(struct qr_rpc_peer *peer, const struct qr_timeline *timeline,
                                   uint64_t wall_ns, int64_t timeout_ns, uint64_t *ret_commit_lsn,
                                   uint64_t *ret_commit_wall_ns, struct qr_err *err)
{
    struct qr_buf reply;
    qr_buf_init(&reply, SMALL_BYTES_MAX);
    enum qr_status status =
        ask_small(peer, QR_LOGSVC_CALL_FIND,
                  &(struct qr_logsvc_ask){.timeline = *timeline, .wall_ns = wall_ns}, timeout_ns,
                  &reply, err);
    if (status == QR_OK)
        status =
            qr_logsvc_found_get(reply.data, reply.len, ret_commit_lsn, ret_commit_wall_ns, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_logsvc_peer_read(struct qr_rpc_peer *peer, const struct qr_timeline *timeline,
                                   uint64_t from_lsn, size_t bytes_max, int64_t timeout_ns,
                                   struct qr_buf *body, size_t *ret_pieces_at,
                                   struct qr_logsvc_state *ret_state, struct qr_err *err)
{
    QR_TRY(ask_small(peer, QR_LOGSVC_CALL_READ,
                     &(struct qr_logsvc_ask){
                         .timeline = *timeline, .from_lsn = from_lsn, .bytes_max = bytes_max},
                     timeout_ns, body, err));
    return qr_logsvc_state_get(body->data, body->len, ret_state, ret_pieces_at, err);
}

static void append_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qr_logsvc_peer_append *x =
        (struct qr_logsvc_peer_append *)((char *)call -
                                         offsetof(struct qr_logsvc_peer_append, call));
    struct qr_logsvc_append *a = &x->append;
    enum qr_status status = reply->status;
    if (status == QR_OK)
        status = qr_logsvc_append_answer_get(reply->body, reply->bytes, a, NULL);
    if (status != QR_OK) {
        a->status = status;
        a->why = qr_status_info(status)->meaning;
    }
    a->done(a);
}

void qr_logsvc_peer_append(struct qr_rpc_peer *peer, struct qr_logsvc_peer_append *x)
{
    qr_logsvc_append_put(x->header, &x->append);
    x->call = (struct qr_rpc_call){.method = QR_LOGSVC_CALL_APPEND,
                                   .timeout_ns = x->timeout_ns,
                                   .body_count = 2,
                                   .done = append_done};
    x->call.body[0] = (struct iovec){x->header, sizeof x->header};
    x->call.body[1] = (struct iovec){(void *)(uintptr_t)x->append.bytes, x->append.byte_count};
    qr_rpc_start(peer, &x->call);
}
