/* used.c - see ctl/autoscale.h: what a node says of the use of resources, as bytes, and asking it
 */
#include "base/endian.h"
#include "control_int.h"
#include "ctl/autoscale.h"
#include "ctl/peer.h"
#include "base/banned.h"

enum { BODY_BYTES = 64 * 1024 };
static const double PERCENT_MAX = 100000;

void qr_used_put(struct qr_buf *buf, const struct qr_used_point *point)
{
    qr_buf_add64le(buf, (uint64_t)point->end_wall_ns);
    qr_buf_add32le(buf, point->vcores_pct);
    qr_buf_add32le(buf, point->dtus);
    for (int i = 0; i < QR_USED_COUNT; i++) {
        double percent = point->percent[i];
        if (!(percent >= 0))
            percent = 0;
        qr_buf_add32le(buf, (uint32_t)((percent < PERCENT_MAX ? percent : PERCENT_MAX) * 100));
    }
}

static struct qr_used_point take_point(const uint8_t *p)
{
    struct qr_used_point point = {.end_wall_ns = (int64_t)qr_get64le(p),
                                  .vcores_pct = qr_get32le(p + 8),
                                  .dtus = qr_get32le(p + 12)};
    for (size_t i = 0; i < QR_USED_COUNT; i++)
        point.percent[i] = qr_get32le(p + 16 + 4 * i) / 100.0;
    return point;
}

enum qr_status qr_node_used(struct qr_rpc_peer *node, const struct qr_database_row *row,
                            int64_t after_wall_ns, int64_t timeout_ns,
                            struct qr_used_point dst[QR_USED_POINTS_MAX], size_t *ret_count,
                            struct qr_err *err)
{
    struct qr_buf body, reply;
    qr_buf_init(&body, BODY_BYTES);
    qr_buf_init(&reply, (size_t)QR_USED_POINTS_MAX * QR_USED_POINT_BYTES);
    qr_control_row_put(&body, row);
    qr_buf_add64le(&body, (uint64_t)after_wall_ns);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(node, QR_NODE_USED, &iov, 1, timeout_ns, &reply, err);
    if (status == QR_OK && reply.len % QR_USED_POINT_BYTES != 0)
        status = qr_fail(err, QR_PROTOCOL, "the answer about used resources breaks its format");
    size_t count = status == QR_OK ? reply.len / QR_USED_POINT_BYTES : 0;
    for (size_t i = 0; i < count; i++)
        dst[i] = take_point(reply.data + i * QR_USED_POINT_BYTES);
    *ret_count = count;
    qr_buf_done(&body);
    qr_buf_done(&reply);
    return status;
}
