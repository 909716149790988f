/* agg_stat.c - see expr/agg.h: STDEV, STDEVP, VAR, VARP, and the window functions' types */
#include <math.h>
#include <string.h>
#include "agg_int.h"
#include "base/banned.h"

/* Welford's running moments. */
struct moments {
    int64_t count;
    double mean, squares; /* squares: sum of squared distances from the mean */
};

static enum qr_status type_stat(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    if (!qr_type_is_number(&call->args[0]->type) || call->args[0]->type.id == QR_TYPE_BIT)
        return qri_agg_bad_operand(b, call);
    call->type = qr_type_of(QR_TYPE_FLOAT);
    return qr_expr_convert(b, call->type, call->args[0], &call->args[0]);
}

static enum qr_status stat_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                const struct qr_value *args, struct qr_err *err)
{
    struct moments *m = state;
    (void)call;
    (void)ctx;
    (void)err;
    double x = args[0].r, distance = x - m->mean;
    m->count++;
    m->mean += distance / (double)m->count;
    m->squares += distance * (x - m->mean);
    return QR_OK;
}

static enum qr_status stat_inverse(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                   const struct qr_value *args, struct qr_err *err)
{
    struct moments *m = state;
    (void)call;
    (void)ctx;
    (void)err;
    double x = args[0].r, distance = x - m->mean;
    m->count--;
    if (m->count <= 0) {
        *m = (struct moments){0};
        return QR_OK;
    }
    m->mean -= distance / (double)m->count;
    m->squares -= distance * (x - m->mean);
    if (m->squares < 0)
        m->squares = 0;
    return QR_OK;
}

static enum qr_status stat_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 struct qr_value *ret, struct qr_err *err)
{
    const struct moments *m = state;
    const char *name = call->agg->name;
    bool population = name[strlen(name) - 1] == 'P', root = name[0] == 'S';
    int64_t divisor = population ? m->count : m->count - 1;
    *ret = qr_value_null();
    if (divisor <= 0)
        return QR_OK;
    double v = m->squares / (double)divisor;
    if (!isfinite(v))
        return qri_overflow(ctx, &call->type, ret, err);
    *ret = qr_value_real(root ? sqrt(v) : v);
    return QR_OK;
}

static const struct qr_agg stat_aggs[] = {
    {"STDEV", 1, 1, 0, NULL, type_stat, sizeof(struct moments), stat_step, stat_inverse, stat_value,
     NULL},
    {"STDEVP", 1, 1, 0, NULL, type_stat, sizeof(struct moments), stat_step, stat_inverse,
     stat_value, NULL},
    {"VAR", 1, 1, 0, NULL, type_stat, sizeof(struct moments), stat_step, stat_inverse, stat_value,
     NULL},
    {"VARP", 1, 1, 0, NULL, type_stat, sizeof(struct moments), stat_step, stat_inverse, stat_value,
     NULL},
};
const struct qri_agg_family qri_stat_aggs = {stat_aggs, sizeof stat_aggs / sizeof stat_aggs[0]};

/* --- window functions that SQLite has: only their types are ours --- */

static enum qr_status type_rank(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    call->type = qr_type_of(QR_TYPE_BIGINT);
    if (call->arg_count == 1)
        return qr_expr_call(b, qr_str("NTILE TILES"), call->args, 1, &call->args[0]);
    return QR_OK;
}

static enum qr_status type_share(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    (void)b;
    call->type = qr_type_of(QR_TYPE_FLOAT);
    return QR_OK;
}

static enum qr_status type_neighbour(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    if (qri_is_null_literal(call->args[0]))
        QR_TRY(qri_null_of(b, qr_type_of(QR_TYPE_INT), &call->args[0]));
    call->type = call->args[0]->type;
    call->label = (enum qr_collation_label)call->args[0]->label;
    if (call->arg_count > 1)
        QR_TRY(qr_expr_call(b, qr_str("LAG OFFSET"), &call->args[1], 1, &call->args[1]));
    if (call->arg_count > 2)
        QR_TRY(qri_coerce(b, call->type, call->args[2], &call->args[2]));
    return QR_OK;
}

/* --- NEXT VALUE FOR ... OVER (ORDER BY ...): its rows take numbers in that order --- */

struct numbers {
    struct qr_value last;
    int64_t rows;
};

static enum qr_status type_next(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    (void)b;
    call->type = qr_type_of(QR_TYPE_BIGINT);
    return QR_OK;
}

static enum qr_status next_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                const struct qr_value *args, struct qr_err *err)
{
    struct numbers *n = state;
    const struct qr_value what[2] = {args[0], qr_value_wide(QR_NEXT_ORDERED + n->rows++)};
    const struct qr_call next = {.ctx = ctx, .args = what, .arg_count = call->arg_count};
    if (ctx->host_ops == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "NEXT VALUE FOR is not supported here");
    return ctx->host_ops->call(ctx->host, ctx, QR_HOST_NEXT_VALUE, &next, &n->last, err);
}

/* No row leaves a frame that begins with the first. */
static enum qr_status next_inverse(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                   const struct qr_value *args, struct qr_err *err)
{
    (void)call;
    (void)state;
    (void)ctx;
    (void)args;
    (void)err;
    return QR_OK;
}

static enum qr_status next_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 struct qr_value *ret, struct qr_err *err)
{
    (void)call;
    (void)ctx;
    (void)err;
    *ret = ((const struct numbers *)state)->last;
    return QR_OK;
}

enum { RANKING = QR_AGG_WINDOW_ONLY | QR_AGG_ORDER | QR_AGG_NOT_NULL };
enum { NEIGHBOUR = QR_AGG_WINDOW_ONLY | QR_AGG_ORDER };

static const struct qr_agg window_aggs[] = {
    {"CUME_DIST", 0, 0, RANKING, "cume_dist", type_share, 0, NULL, NULL, NULL, NULL},
    {"DENSE_RANK", 0, 0, RANKING, "dense_rank", type_rank, 0, NULL, NULL, NULL, NULL},
    {"FIRST_VALUE", 1, 1, NEIGHBOUR, "first_value", type_neighbour, 0, NULL, NULL, NULL, NULL},
    {"LAG", 1, 3, NEIGHBOUR, "lag", type_neighbour, 0, NULL, NULL, NULL, NULL},
    {"LAST_VALUE", 1, 1, NEIGHBOUR, "last_value", type_neighbour, 0, NULL, NULL, NULL, NULL},
    {"LEAD", 1, 3, NEIGHBOUR, "lead", type_neighbour, 0, NULL, NULL, NULL, NULL},
    {"NEXT VALUE FOR", 2, 2, QR_AGG_OVER_ONLY, NULL, type_next, sizeof(struct numbers), next_step,
     next_inverse, next_value, NULL},
    {"NTILE", 1, 1, RANKING, "ntile", type_rank, 0, NULL, NULL, NULL, NULL},
    {"PERCENT_RANK", 0, 0, RANKING, "percent_rank", type_share, 0, NULL, NULL, NULL, NULL},
    {"RANK", 0, 0, RANKING, "rank", type_rank, 0, NULL, NULL, NULL, NULL},
    {"ROW_NUMBER", 0, 0, RANKING, "row_number", type_rank, 0, NULL, NULL, NULL, NULL},
};
const struct qri_agg_family qri_window_aggs = {window_aggs,
                                               sizeof window_aggs / sizeof window_aggs[0]};
