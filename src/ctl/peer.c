/* peer.c - see ctl/peer.h */
#include "ctl/peer.h"
#include "base/endian.h"
#include "registry_int.h"
#include "base/banned.h"

enum { ASK_BYTES_MAX = 64 * 1024, DUTY_BYTES = 5, MOVE_BYTES = 25, REPEATS_MAX = 2 };

void qr_control_new_id(struct qr_env *env, char dst[QR_GUID_TEXT_BYTES + 1])
{
    qri_new_guid(env, dst);
}

/* Asked again, it is not done again. */
static bool may_repeat(enum qr_control_method method, const struct qr_control_ask *ask)
{
    static const uint16_t asking[] = {
        QR_CONTROL_ROUTE,      QR_CONTROL_STATE,     QR_CONTROL_FIND,      QR_CONTROL_DATABASES,
        QR_CONTROL_RULES,      QR_CONTROL_DUTY,      QR_CONTROL_LOGIN,     QR_CONTROL_SERVER,
        QR_CONTROL_LOGINS,     QR_CONTROL_LIMITS,    QR_CONTROL_TELEMETRY, QR_CONTROL_SET_RULE,
        QR_CONTROL_GROW,       QR_CONTROL_REIGN,     QR_CONTROL_MEMBERS,   QR_CONTROL_OPERATION,
        QR_CONTROL_OPERATIONS, QR_CONTROL_DOC,       QR_CONTROL_DOCS,      QR_CONTROL_RESOURCE,
        QR_CONTROL_RESOURCES,  QR_CONTROL_LINKS,     QR_CONTROL_BACKUPS,   QR_CONTROL_USAGE,
        QR_CONTROL_POOL,       QR_CONTROL_POOLS,     QR_CONTROL_AUTOSCALE, QR_CONTROL_BACKED_UP,
        QR_CONTROL_MACHINES,   QR_CONTROL_SURE_TIME,
    };
    bool found = ask->operation_id.n > 0;
    for (size_t i = 0; !found && i < sizeof asking / sizeof asking[0]; i++)
        found = asking[i] == (uint16_t)method;
    return found;
}

enum qr_status qr_control_call(struct qr_rpc_peer *peer, enum qr_control_method method,
                               const struct qr_control_ask *ask, int64_t timeout_ns,
                               struct qr_buf *reply, struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_control_ask_put(&body, method, ask);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, (uint16_t)method, &iov, 1, timeout_ns, reply, err);
    /* control's process may just have become another program, and is there again */
    for (int i = 0; i < REPEATS_MAX && status == QR_CLOSED && may_repeat(method, ask); i++)
        status = qr_rpc_call_wait(peer, (uint16_t)method, &iov, 1, timeout_ns, reply, err);
    qr_buf_done(&body);
    return status;
}

enum qr_status qr_control_find(struct qr_rpc_peer *peer, uint32_t server, struct qr_str name,
                               uint32_t id, int64_t timeout_ns, struct qr_database_row *ret_row,
                               struct qr_err *err)
{
    struct qr_buf reply;
    size_t at = 0;
    qr_buf_init(&reply, ASK_BYTES_MAX);
    struct qr_control_ask ask = {.server = server, .name = name, .id = id};
    enum qr_status status = qr_control_call(peer, QR_CONTROL_FIND, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qr_control_row_next(reply.data, reply.len, &at, ret_row, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_control_join(struct qr_rpc_peer *peer, enum qr_role role, int64_t timeout_ns,
                               struct qr_control_service *ret_service, struct qr_err *err)
{
    struct qr_control_ask ask = {.role = (uint8_t)role};
    struct qr_buf reply;
    qr_buf_init(&reply, ASK_BYTES_MAX);
    enum qr_status status = qr_control_call(peer, QR_CONTROL_JOIN, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qr_control_service_get(reply.data, reply.len, ret_service, err);
    qr_buf_done(&reply);
    return status;
}

/* One answer's rows. *ret_after is the last one's id, 0 if there was none. */
static enum qr_status each_row(const struct qr_buf *reply,
                               enum qr_status (*each)(void *ctx, const struct qr_database_row *row),
                               void *ctx, uint32_t *after, struct qr_err *err)
{
    struct qr_database_row row;
    for (size_t at = 0; at < reply->len;) {
        QR_TRY(qr_control_row_next(reply->data, reply->len, &at, &row, err));
        if (row.id <= *after)
            return qr_fail(err, QR_PROTOCOL, "databases come out of order");
        *after = row.id;
        QR_TRY(each(ctx, &row));
    }
    return QR_OK;
}

enum qr_status
qr_control_each_database(struct qr_rpc_peer *peer, uint32_t server, int64_t timeout_ns,
                         enum qr_status (*each)(void *ctx, const struct qr_database_row *row),
                         void *ctx, struct qr_err *err)
{
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    uint32_t after = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        struct qr_control_ask ask = {.server = server, .id = after};
        status = qr_control_call(peer, QR_CONTROL_DATABASES, &ask, timeout_ns, &reply, err);
        if (status == QR_OK)
            status = each_row(&reply, each, ctx, &after, err);
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_node_call(struct qr_rpc_peer *peer, enum qr_control_method method,
                            const struct qr_database_row *row, int64_t timeout_ns,
                            struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_control_row_put(&body, row);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, (uint16_t)method, &iov, 1, timeout_ns, NULL, err);
    qr_buf_done(&body);
    return status;
}

enum qr_status qr_control_duty(struct qr_rpc_peer *peer, struct qr_str node, bool takes,
                               int64_t timeout_ns, struct qr_control_duty *ret_duty,
                               struct qr_err *err)
{
    enum qr_control_method method = takes ? QR_CONTROL_TAKE : QR_CONTROL_DUTY;
    struct qr_control_ask ask = {.name = node};
    struct qr_buf reply;
    qr_buf_init(&reply, 64);
    enum qr_status status = qr_control_call(peer, method, &ask, timeout_ns, &reply, err);
    uint8_t duty = status == QR_OK && reply.len == DUTY_BYTES ? reply.data[0] : QR_DUTY_COUNT;
    if (status == QR_OK && (duty & ~QR_DUTY_WAITS) >= QR_DUTY_COUNT)
        status = qr_fail(err, QR_PROTOCOL, "the answer about a duty breaks its format");
    if (status == QR_OK)
        *ret_duty = (struct qr_control_duty){.duty = (enum qr_duty)(duty & ~QR_DUTY_WAITS),
                                             .waits = (duty & QR_DUTY_WAITS) != 0,
                                             .memory_mib = qr_get32le(reply.data + 1)};
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_control_sure_time(struct qr_rpc_peer *peer, int64_t timeout_ns,
                                    int64_t *ret_wall_ns, struct qr_err *err)
{
    struct qr_control_ask ask = {0};
    struct qr_buf reply;
    qr_buf_init(&reply, 64);
    enum qr_status status =
        qr_control_call(peer, QR_CONTROL_SURE_TIME, &ask, timeout_ns, &reply, err);
    if (status == QR_OK && reply.len != 8)
        status = qr_fail(err, QR_PROTOCOL, "the answer about the time breaks its format");
    if (status == QR_OK)
        *ret_wall_ns = (int64_t)qr_get64le(reply.data);
    qr_buf_done(&reply);
    return status;
}

static enum qr_status call_with_rows(struct qr_rpc_peer *peer, enum qr_control_method method,
                                     const struct qr_database_row *row,
                                     const struct qr_database_row *source, uint64_t wall_ns,
                                     bool geo, int64_t timeout_ns, struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_control_row_put(&body, row);
    qr_control_row_put(&body, source);
    qr_buf_add64le(&body, wall_ns);
    qr_buf_add8(&body, geo);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, (uint16_t)method, &iov, 1, timeout_ns, NULL, err);
    qr_buf_done(&body);
    return status;
}

enum qr_status qr_node_copy(struct qr_rpc_peer *peer, const struct qr_database_row *row,
                            const struct qr_database_row *source, uint64_t wall_ns, bool geo,
                            int64_t timeout_ns, struct qr_err *err)
{
    return call_with_rows(peer, QR_NODE_COPY, row, source, wall_ns, geo, timeout_ns, err);
}

enum qr_status qr_node_keep(struct qr_rpc_peer *peer, const struct qr_database_row *kept,
                            const struct qr_database_row *source, int64_t timeout_ns,
                            struct qr_err *err)
{
    return call_with_rows(peer, QR_NODE_KEEP, kept, source, 0, false, timeout_ns, err);
}

enum qr_status qr_node_move(struct qr_rpc_peer *peer, const struct qr_database_row *row,
                            const struct qr_database_row *target, enum qr_move_wish wish,
                            int64_t timeout_ns, struct qr_move_state *ret_state, struct qr_err *err)
{
    struct qr_buf body, reply;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_buf_init(&reply, MOVE_BYTES);
    qr_control_row_put(&body, row);
    qr_control_row_put(&body, target);
    qr_buf_add8(&body, (uint8_t)wish);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, QR_NODE_MOVE, &iov, 1, timeout_ns, &reply, err);
    if (status == QR_OK && (reply.len != MOVE_BYTES || reply.data[0] >= QR_MOVE_PHASE_COUNT))
        status = qr_fail(err, QR_PROTOCOL, "the answer about a move breaks its format");
    if (status == QR_OK)
        *ret_state = (struct qr_move_state){.phase = reply.data[0],
                                            .done = qr_get64le(reply.data + 1),
                                            .total = qr_get64le(reply.data + 9),
                                            .lsn = qr_get64le(reply.data + 17)};
    qr_buf_done(&body);
    qr_buf_done(&reply);
    return status;
}
