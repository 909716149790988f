/* agg_ordered.c - see expr/agg.h: aggregates of rows that come sorted: percentiles, and the
 * neighbours of a row that are not NULL.
 *
 * The binder sees to the order: WITHIN GROUP, or a window sorted as needed. So the state is a queue
 * of the values that are not NULL, from which a moving window takes the oldest. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agg_int.h"
#include "base/large.h"
#include "base/banned.h"

enum {
    QUEUE_BYTES_MAX = 256 << 20, /* of one group or window */
    PIECE_BYTES = 256 << 10,     /* by so much its values' bytes are counted (base/large.h) */
};

struct queue {
    struct qr_value *items; /* TEXT and BLOB own their bytes */
    size_t head, count, room;
    size_t bytes;           /* of the owned ones */
    size_t counted_bytes;   /* of these: a multiple of PIECE_BYTES */
    struct qr_value second; /* the other argument in the newest row */
};

static size_t owned_bytes(const struct qr_value *v)
{
    return v->cell == QR_CELL_TEXT || v->cell == QR_CELL_BLOB ? v->n : 0;
}

static enum qr_status make_room(struct queue *q, struct qr_err *err)
{
    if (q->head + q->count < q->room)
        return QR_OK;
    if (q->head > q->room / 2) {
        memmove(q->items, q->items + q->head, q->count * sizeof *q->items);
        q->head = 0;
        return QR_OK;
    }
    size_t room = q->room == 0 ? 64 : q->room * 2;
    if (room > QUEUE_BYTES_MAX / sizeof *q->items || !qr_large_take(room * sizeof *q->items))
        return qr_sql_fail(err, 701, "default");
    struct qr_value *items = realloc(q->items, room * sizeof *items);
    qr_large_give((items == NULL ? room : q->room) * sizeof *items);
    if (items == NULL)
        return qri_expr_nomem(err);
    q->items = items;
    q->room = room;
    return QR_OK;
}

/* Before that many bytes more are owned. */
static bool count_bytes(struct queue *q, size_t n)
{
    while (q->counted_bytes + PIECE_BYTES < q->bytes + n) {
        if (!qr_large_take(PIECE_BYTES))
            return false;
        q->counted_bytes += PIECE_BYTES;
    }
    return true;
}

static void uncount_bytes(struct queue *q, size_t kept)
{
    while (q->counted_bytes > kept) {
        q->counted_bytes -= PIECE_BYTES;
        qr_large_give(PIECE_BYTES);
    }
}

static enum qr_status queue_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 const struct qr_value *args, struct qr_err *err)
{
    struct queue *q = state;
    (void)ctx;
    QR_TRY(make_room(q, err));
    struct qr_value *item = &q->items[q->head + q->count];
    *item = args[0];
    size_t n = owned_bytes(item);
    if (n > 0) {
        if (q->bytes + n > QUEUE_BYTES_MAX || !count_bytes(q, n))
            return qr_sql_fail(err, 701, "default");
        char *copy = malloc(n);
        if (copy == NULL)
            return qri_expr_nomem(err);
        memcpy(copy, args[0].p, n);
        item->p = copy;
        q->bytes += n;
    }
    q->count++;
    if (call->arg_count > 1)
        q->second = args[1];
    return QR_OK;
}

static void drop_first(struct queue *q)
{
    struct qr_value *first = &q->items[q->head];
    size_t n = owned_bytes(first);
    if (n > 0)
        free((void *)(uintptr_t)first->p);
    q->bytes -= n;
    q->head++;
    q->count--;
    uncount_bytes(q, q->bytes + PIECE_BYTES);
}

static enum qr_status queue_inverse(const struct qr_agg_call *call, void *state,
                                    struct qr_eval *ctx, const struct qr_value *args,
                                    struct qr_err *err)
{
    (void)call;
    (void)ctx;
    (void)args;
    (void)err;
    drop_first(state);
    return QR_OK;
}

static void queue_done(void *state)
{
    struct queue *q = state;
    while (q->count > 0)
        drop_first(q);
    uncount_bytes(q, 0);
    free(q->items);
    qr_large_give(q->room * sizeof *q->items);
    *q = (struct queue){0};
}

/* The index-th value; NULL where there is none. */
static enum qr_status give(const struct queue *q, int64_t index, struct qr_eval *ctx,
                           struct qr_value *ret, struct qr_err *err)
{
    *ret = qr_value_null();
    if (index < 0 || index >= (int64_t)q->count)
        return QR_OK;
    /* a copy: the engine may ask again after rows have left */
    if (qr_value_copy(ctx->arena, &q->items[q->head + (size_t)index], ret) != QR_OK)
        return qri_expr_nomem(err);
    return QR_OK;
}

/* --- percentiles --- */

static enum qr_status type_share_of(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    const struct qr_type *type = &call->args[1]->type;
    if (!qr_type_is_number(type) || type->id == QR_TYPE_BIT)
        return qr_sql_fail(b->err, 8116, type->id == QR_TYPE_NULL ? "NULL" : qr_type_name(type), 1,
                           call->agg->name);
    return qr_expr_convert(b, qr_type_of(QR_TYPE_FLOAT), call->args[1], &call->args[1]);
}

static enum qr_status type_continuous(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    const struct qr_type *type = &call->args[0]->type;
    if (!qr_type_is_number(type) || type->id == QR_TYPE_BIT)
        return qri_agg_bad_operand(b, call);
    call->type = qr_type_of(QR_TYPE_FLOAT);
    QR_TRY(qr_expr_convert(b, call->type, call->args[0], &call->args[0]));
    return type_share_of(b, call);
}

static enum qr_status type_discrete(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    if (!qr_type_is_comparable(&call->args[0]->type))
        return qri_agg_bad_operand(b, call);
    call->type = call->args[0]->type;
    call->label = (enum qr_collation_label)call->args[0]->label;
    return type_share_of(b, call);
}

static enum qr_status percentile_step(const struct qr_agg_call *call, void *state,
                                      struct qr_eval *ctx, const struct qr_value *args,
                                      struct qr_err *err)
{
    if (qr_value_is_null(&args[1]) || !(args[1].r >= 0 && args[1].r <= 1))
        return qr_sql_fail(err, 8727);
    return queue_step(call, state, ctx, args, err);
}

static enum qr_status continuous_value(const struct qr_agg_call *call, void *state,
                                       struct qr_eval *ctx, struct qr_value *ret,
                                       struct qr_err *err)
{
    const struct queue *q = state;
    (void)call;
    (void)ctx;
    (void)err;
    *ret = qr_value_null();
    if (q->count == 0)
        return QR_OK;
    double row = q->second.r * (double)(q->count - 1);
    size_t low = (size_t)floor(row), high = (size_t)ceil(row);
    double a = q->items[q->head + low].r, b = q->items[q->head + high].r;
    *ret = qr_value_real(low == high ? a : ((double)high - row) * a + (row - (double)low) * b);
    return QR_OK;
}

/* The first value whose CUME_DIST is not below the share. Divided, not multiplied: 0.07 of 100
 * rows is row 7, though 0.07 * 100 is above 7 in binary. */
static enum qr_status discrete_value(const struct qr_agg_call *call, void *state,
                                     struct qr_eval *ctx, struct qr_value *ret, struct qr_err *err)
{
    const struct queue *q = state;
    (void)call;
    int64_t index = (int64_t)ceil(q->second.r * (double)q->count) - 1;
    while (index > 0 && (double)index / (double)q->count >= q->second.r)
        index--;
    return give(q, index < 0 ? 0 : index, ctx, ret, err);
}

/* --- FIRST_VALUE, LAST_VALUE, LAG, LEAD with IGNORE NULLS --- */

static enum qr_status type_value(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    call->type = call->args[0]->type;
    call->label = (enum qr_collation_label)call->args[0]->label;
    if (call->arg_count == 1)
        return QR_OK;
    return qr_expr_convert(b, qr_type_of(QR_TYPE_BIGINT), call->args[1], &call->args[1]);
}

static enum qr_status neighbour_step(const struct qr_agg_call *call, void *state,
                                     struct qr_eval *ctx, const struct qr_value *args,
                                     struct qr_err *err)
{
    if (call->arg_count > 1 && (qr_value_is_null(&args[1]) || args[1].i < 0))
        return qr_sql_fail(err, 8730);
    return queue_step(call, state, ctx, args, err);
}

static int64_t offset_of(const struct qr_agg_call *call, const struct queue *q)
{
    return call->arg_count > 1 && q->second.cell == QR_CELL_INT ? q->second.i : 1;
}

static enum qr_status first_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                  struct qr_value *ret, struct qr_err *err)
{
    return give(state, offset_of(call, state) - 1, ctx, ret, err);
}

static enum qr_status last_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 struct qr_value *ret, struct qr_err *err)
{
    const struct queue *q = state;
    return give(q, (int64_t)q->count - offset_of(call, q), ctx, ret, err);
}

enum {
    PERCENTILE = QR_AGG_WITHIN | QR_AGG_OVER_ONLY,
    APPROXIMATE = QR_AGG_WITHIN | QR_AGG_NO_WINDOW
};

static const struct qr_agg ordered_aggs[] = {
    {"APPROX_PERCENTILE_CONT", 2, 2, APPROXIMATE, NULL, type_continuous, sizeof(struct queue),
     percentile_step, NULL, continuous_value, queue_done},
    {"APPROX_PERCENTILE_DISC", 2, 2, APPROXIMATE, NULL, type_discrete, sizeof(struct queue),
     percentile_step, NULL, discrete_value, queue_done},
    {"FIRST_VALUE IGNORE NULLS", 1, 1, QR_AGG_OVER_ONLY, NULL, type_value, sizeof(struct queue),
     queue_step, queue_inverse, first_value, queue_done},
    {"LAG IGNORE NULLS", 1, 2, QR_AGG_OVER_ONLY, NULL, type_value, sizeof(struct queue),
     neighbour_step, queue_inverse, last_value, queue_done},
    {"LAST_VALUE IGNORE NULLS", 1, 1, QR_AGG_OVER_ONLY, NULL, type_value, sizeof(struct queue),
     queue_step, queue_inverse, last_value, queue_done},
    {"LEAD IGNORE NULLS", 1, 2, QR_AGG_OVER_ONLY, NULL, type_value, sizeof(struct queue),
     neighbour_step, queue_inverse, first_value, queue_done},
    {"PERCENTILE_CONT", 2, 2, PERCENTILE, NULL, type_continuous, sizeof(struct queue),
     percentile_step, queue_inverse, continuous_value, queue_done},
    {"PERCENTILE_DISC", 2, 2, PERCENTILE, NULL, type_discrete, sizeof(struct queue),
     percentile_step, queue_inverse, discrete_value, queue_done},
};
const struct qri_agg_family qri_ordered_aggs = {ordered_aggs,
                                                sizeof ordered_aggs / sizeof ordered_aggs[0]};
