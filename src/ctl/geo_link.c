/* geo_link.c - see ctl/peer.h: links of geo-secondaries as bytes, and who asks for them */
#include "base/endian.h"
#include "ctl/peer.h"
#include "base/banned.h"

enum { ASK_BYTES_MAX = 64 * 1024 };

void qr_follow_state_put(uint8_t dst[QR_FOLLOW_BYTES], const struct qr_follow_state *state)
{
    dst[0] = state->phase;
    qr_put64le(dst + 1, state->replicated_wall_ns);
    qr_put64le(dst + 9, state->commit_wall_ns);
}

static enum qr_status take_state(const uint8_t *bytes, size_t count,
                                 struct qr_follow_state *ret_state, struct qr_err *err)
{
    if (count < QR_FOLLOW_BYTES || bytes[0] >= QR_FOLLOW_PHASE_COUNT)
        return qr_fail(err, QR_PROTOCOL, "what is said of a link breaks its format");
    *ret_state = (struct qr_follow_state){.phase = bytes[0],
                                          .replicated_wall_ns = qr_get64le(bytes + 1),
                                          .commit_wall_ns = qr_get64le(bytes + 9)};
    return QR_OK;
}

enum qr_status qr_node_follow(struct qr_rpc_peer *peer, const struct qr_database_row *primary,
                              const struct qr_database_row *secondary, uint8_t wish,
                              int64_t timeout_ns, struct qr_follow_state *ret_state,
                              struct qr_err *err)
{
    struct qr_buf body, reply;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_buf_init(&reply, 64);
    qr_control_row_put(&body, primary);
    qr_control_row_put(&body, secondary);
    qr_buf_add8(&body, wish);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, QR_NODE_FOLLOW, &iov, 1, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = take_state(reply.data, reply.len, ret_state, err);
    qr_buf_done(&body);
    qr_buf_done(&reply);
    return status;
}

void qr_geo_link_put(struct qr_buf *buf, const struct qr_geo_link *link)
{
    uint8_t state[QR_FOLLOW_BYTES];
    qr_control_row_put(buf, &link->primary);
    qr_control_row_put(buf, &link->secondary);
    qr_follow_state_put(state, &link->state);
    qr_buf_add(buf, state, sizeof state);
}

static enum qr_status each_of(const struct qr_buf *reply,
                              enum qr_status (*each)(void *ctx, const struct qr_geo_link *link),
                              void *ctx, uint32_t *after, struct qr_err *err)
{
    struct qr_geo_link link;
    for (size_t at = 0; at < reply->len; at += QR_FOLLOW_BYTES) {
        QR_TRY(qr_control_row_next(reply->data, reply->len, &at, &link.primary, err));
        QR_TRY(qr_control_row_next(reply->data, reply->len, &at, &link.secondary, err));
        QR_TRY(take_state(reply->data + at, reply->len - at, &link.state, err));
        if (link.secondary.id <= *after)
            return qr_fail(err, QR_PROTOCOL, "links come out of order");
        *after = link.secondary.id;
        QR_TRY(each(ctx, &link));
    }
    return QR_OK;
}

enum qr_status qr_geo_each_link(struct qr_rpc_peer *peer, int64_t timeout_ns,
                                enum qr_status (*each)(void *ctx, const struct qr_geo_link *link),
                                void *ctx, struct qr_err *err)
{
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    uint32_t after = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        struct qr_control_ask ask = {.id = after};
        status = qr_control_call(peer, QR_CONTROL_LINKS, &ask, timeout_ns, &reply, err);
        if (status == QR_OK)
            status = each_of(&reply, each, ctx, &after, err);
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}
