/* node_serve.c - see cmd_int.h: what control asks of a compute node */
#include <signal.h>
#include <unistd.h>
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "ctl/autoscale.h"
#include "store/hyper.h"
#include "base/banned.h"

/* Of a node of one database. */
static enum qr_status drain(struct qri_node *node, const struct qr_database_row *row,
                            struct qr_err *err)
{
    const struct qri_node_options *options = qri_node_options_of(node);
    struct qr_database *db = NULL;
    bool is_hyper = qr_database_is_hyper(row), takes_over = qri_node_takes_over(node);
    bool is_primary = qri_node_is_primary(node);
    bool is_entered = is_primary && qri_node_enter_row(node, row, &db, err) == QR_OK;
    if (is_entered)
        (void)!qr_database_flush_statistics(db, NULL); /* while its sessions are served */
    enum qr_status status = options->drain(options->drain_ctx, err);
    if (is_entered && status == QR_OK && is_hyper)
        qr_hyper_resign(qr_database_store(db)); /* the next one need not wait for our end */
    else if (status == QR_OK && is_hyper && (is_primary || takes_over))
        status = qr_fail(err, QR_BUSY, "it may hold a lease until its process ends");
    if (is_entered)
        qri_node_leave(node, db);
    return status;
}

/* Whoever watches it starts it again. */
static enum qr_status leave(struct qri_node *node, const struct qr_database_row *row,
                            struct qr_err *err)
{
    (void)row;
    if (!qri_node_options_of(node)->is_away)
        return qr_fail(err, QR_UNSUPPORTED, "this node is its service's own");
    kill(getpid(), SIGTERM); /* as a person would end it */
    return QR_OK;
}

static const struct {
    uint16_t method;
    enum qr_status (*run)(struct qri_node *node, const struct qr_database_row *row,
                          struct qr_err *err);
} rows[] = {
    {QR_NODE_MAKE, qri_node_make},
    {QR_NODE_FILL, qri_sample_fill},
    {QR_NODE_HOLD, qri_node_hold},
    {QR_NODE_RELEASE, qri_node_release},
    {QR_NODE_REMOVE, qri_node_remove},
    {QR_NODE_RESIZE, qri_node_resize},
    {QR_NODE_PROMOTE, qri_node_promote},
    {QR_NODE_FORGET, qri_node_forget},
    {QR_NODE_CHECK, qri_node_check},
    {QR_NODE_VACATE, qri_node_vacate},
    {QR_NODE_TIDY, qri_node_tidy},
    {QR_NODE_DRAIN, drain},
    {QR_NODE_LEAVE, leave},
    {QR_NODE_SUCCEED, qri_node_succeed},
};

static enum qr_status copy(struct qri_node *node, const struct qr_rpc_request *request,
                           struct qr_err *err)
{
    struct qr_database_row row, source;
    size_t at = 0;
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &row, err));
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &source, err));
    if (request->bytes - at != 9 || request->body[at + 8] > 1)
        return qr_fail(err, QR_PROTOCOL, "a copy's call breaks its format");
    return qri_node_copy(node, &row, &source, qr_get64le(request->body + at),
                         request->body[at + 8] == 1, err);
}

static enum qr_status keep(struct qri_node *node, const struct qr_rpc_request *request,
                           struct qr_err *err)
{
    struct qr_database_row row, source;
    size_t at = 0;
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &row, err));
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &source, err));
    if (request->bytes - at != 9)
        return qr_fail(err, QR_PROTOCOL, "a call to keep a backup breaks its format");
    return qri_node_keep(node, &row, &source, err);
}

static void tell_used(struct qri_node *node, struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    size_t at = 0;
    qr_buf_init(&buf, (size_t)QR_USED_POINTS_MAX * QR_USED_POINT_BYTES);
    enum qr_status status =
        qr_control_row_next(own_request->body, own_request->bytes, &at, &row, &err);
    if (status == QR_OK && own_request->bytes - at != 8)
        status = qr_fail(&err, QR_PROTOCOL, "a call for used resources breaks its format");
    if (status == QR_OK)
        status = qri_node_used(node, &row, (int64_t)qr_get64le(own_request->body + at), &buf, &err);
    qr_rpc_finish(own_request, &buf, status, &err);
}

static void list_backups(struct qri_node *node, struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    size_t at = 0;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status =
        qr_control_row_next(own_request->body, own_request->bytes, &at, &row, &err);
    if (status == QR_OK && (own_request->bytes - at != 1 || own_request->body[at] > 1))
        status = qr_fail(&err, QR_PROTOCOL, "a call for backups breaks its format");
    if (status == QR_OK)
        status = qri_node_list_backups(node, &row, own_request->body[at] == 1, &buf, &err);
    qr_rpc_finish(own_request, &buf, status, &err);
}

static enum qr_status move(struct qri_node *node, struct qr_rpc_request *request,
                           struct qr_err *err)
{
    struct qr_database_row row, target;
    struct qr_move_state state = {.phase = QR_MOVE_NONE};
    uint8_t answer[25];
    size_t at = 0;
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &row, err));
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &target, err));
    if (request->bytes - at != 1 || request->body[at] >= QR_MOVE_WISH_COUNT)
        return qr_fail(err, QR_PROTOCOL, "a move's call breaks its format");
    QR_TRY(qri_node_move(node, &row, &target, request->body[at], &state, err));
    answer[0] = state.phase;
    qr_put64le(answer + 1, state.done);
    qr_put64le(answer + 9, state.total);
    qr_put64le(answer + 17, state.lsn);
    qr_rpc_answer(request, &(struct iovec){answer, sizeof answer}, 1);
    return QR_OK;
}

static enum qr_status follow(struct qri_node *node, struct qr_rpc_request *request,
                             struct qr_err *err)
{
    struct qr_database_row primary, secondary;
    struct qr_follow_state state = {.phase = QR_FOLLOW_NONE};
    uint8_t answer[QR_FOLLOW_BYTES];
    size_t at = 0;
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &primary, err));
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &secondary, err));
    if (request->bytes - at != 1 || request->body[at] >= QR_FOLLOW_WISH_COUNT)
        return qr_fail(err, QR_PROTOCOL, "a call to follow breaks its format");
    QR_TRY(qri_node_follow(node, &primary, &secondary, request->body[at], &state, err));
    qr_follow_state_put(answer, &state);
    qr_rpc_answer(request, &(struct iovec){answer, sizeof answer}, 1);
    return QR_OK;
}

static enum qr_status rest(struct qri_node *node, struct qr_rpc_request *request,
                           struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_rest_state state = {.rests = false};
    uint8_t answer[QR_REST_BYTES];
    size_t at = 0;
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &row, err));
    if (request->bytes - at != 8)
        return qr_fail(err, QR_PROTOCOL, "a call to rest breaks its format");
    QR_TRY(qri_node_rest(node, &row, qr_get64le(request->body + at), &state, err));
    qr_rest_state_put(answer, &state);
    qr_rpc_answer(request, &(struct iovec){answer, sizeof answer}, 1);
    return QR_OK;
}

static enum qr_status run(struct qri_node *node, const struct qr_rpc_request *request,
                          struct qr_err *err)
{
    struct qr_database_row row;
    size_t at = 0, i = 0;
    if (request->method == QR_NODE_COPY)
        return copy(node, request, err);
    if (request->method == QR_NODE_KEEP)
        return keep(node, request, err);
    while (i < sizeof rows / sizeof rows[0] && rows[i].method != request->method)
        i++;
    if (i == sizeof rows / sizeof rows[0])
        return qr_fail(err, QR_UNSUPPORTED, "no node call %u", request->method);
    QR_TRY(qr_control_row_next(request->body, request->bytes, &at, &row, err));
    if (at != request->bytes)
        return qr_fail(err, QR_PROTOCOL, "a node call has more than its row");
    return rows[i].run(node, &row, err);
}

enum qr_status qri_node_asked(enum qr_status status, struct qr_err *err)
{
    static const enum qr_status lost[] = {QR_CANCELLED, QR_CLOSED, QR_TIMEOUT, QR_BUSY,
                                          QR_PROTOCOL};
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        if (status == lost[i]) /* of our call; a client's attention looks the same to the engine */
            return qr_sql_fail(err, 40197, (int)status);
    return status;
}

void qri_node_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_err err = {0};
    if (own_request->method == QR_NODE_BACKUPS) {
        list_backups(ctx, own_request);
        return;
    }
    if (own_request->method == QR_NODE_USED) {
        tell_used(ctx, own_request);
        return;
    }
    if (own_request->method == QR_NODE_ANSWER) {
        qr_rpc_answer(own_request, NULL, 0);
        return;
    }
    static const struct {
        uint16_t method;
        enum qr_status (*run)(struct qri_node *node, struct qr_rpc_request *request,
                              struct qr_err *err);
    } answering[] = {{QR_NODE_MOVE, move},
                     {QR_NODE_FOLLOW, follow},
                     {QR_NODE_REST, rest},
                     {QR_NODE_HOT, qri_node_hot},
                     {QR_NODE_WARM, qri_node_warm}};
    size_t i = 0, count = sizeof answering / sizeof answering[0];
    while (i < count && answering[i].method != own_request->method)
        i++;
    bool answers = i < count;
    enum qr_status status =
        answers ? answering[i].run(ctx, own_request, &err) : run(ctx, own_request, &err);
    if (status == QR_OK && answers)
        return;
    if (status == QR_OK)
        qr_rpc_answer(own_request, NULL, 0);
    else
        qr_rpc_refuse(own_request, status, &err);
}
