/* agg_sum.c - see expr/agg.h: COUNT, SUM, AVG, PRODUCT, MIN, MAX, CHECKSUM_AGG */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agg_int.h"
#include "base/banned.h"

/* --- COUNT --- */

struct count_state {
    int64_t count;
};

static enum qr_status type_count(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    (void)b;
    call->type = qr_type_of(strcmp(call->agg->name, "COUNT") == 0 ? QR_TYPE_INT : QR_TYPE_BIGINT);
    return QR_OK;
}

static enum qr_status count_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 const struct qr_value *args, struct qr_err *err)
{
    (void)call;
    (void)ctx;
    (void)args;
    (void)err;
    ((struct count_state *)state)->count++;
    return QR_OK;
}

static enum qr_status count_inverse(const struct qr_agg_call *call, void *state,
                                    struct qr_eval *ctx, const struct qr_value *args,
                                    struct qr_err *err)
{
    (void)call;
    (void)ctx;
    (void)args;
    (void)err;
    ((struct count_state *)state)->count--;
    return QR_OK;
}

static enum qr_status count_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                  struct qr_value *ret, struct qr_err *err)
{
    int64_t count = ((struct count_state *)state)->count;
    if (!qri_int_fits(call->type.id, count))
        return qri_overflow(ctx, &call->type, ret, err);
    *ret = qr_value_int(count);
    return QR_OK;
}

/* --- SUM, AVG --- */

struct sum_state {
    qr_i128 exact;     /* scaled as the argument */
    double real, lost; /* Neumaier: `lost` is what rounding took from `real` */
    int64_t count;
};

static enum qr_status type_sum(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    const struct qr_type *type = &call->args[0]->type;
    bool is_avg = strcmp(call->agg->name, "AVG") == 0;
    if (type->id == QR_TYPE_BIT)
        return qri_agg_bad_operand(b, call);
    switch (qri_number_of(type)) {
    case QRI_INT:
        call->type = qr_type_of(type->id == QR_TYPE_BIGINT ? QR_TYPE_BIGINT : QR_TYPE_INT);
        return QR_OK;
    case QRI_DECIMAL:
        call->type =
            qr_type_decimal(QR_DECIMAL_PRECISION_MAX, is_avg && type->scale < 6 ? 6 : type->scale);
        call->type.id = type->id;
        return QR_OK;
    case QRI_MONEY:
        call->type = qr_type_of(QR_TYPE_MONEY);
        return QR_OK;
    case QRI_FLOAT:
        call->type = qr_type_of(QR_TYPE_FLOAT);
        return QR_OK;
    case QRI_OTHER:
        break;
    }
    return qri_agg_bad_operand(b, call);
}

static void add_real(struct sum_state *s, double x)
{
    double sum = s->real + x;
    s->lost += fabs(s->real) >= fabs(x) ? (s->real - sum) + x : (x - sum) + s->real;
    s->real = sum;
}

static enum qr_status sum_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                               const struct qr_value *args, struct qr_err *err)
{
    struct sum_state *s = state;
    (void)ctx;
    s->count++;
    if (args[0].cell == QR_CELL_REAL)
        add_real(s, args[0].r);
    else if (__builtin_add_overflow(s->exact, qr_value_scaled(&args[0]), &s->exact))
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&call->type));
    return QR_OK;
}

static enum qr_status sum_inverse(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                  const struct qr_value *args, struct qr_err *err)
{
    struct sum_state *s = state;
    (void)ctx;
    s->count--;
    if (args[0].cell == QR_CELL_REAL)
        add_real(s, -args[0].r);
    else if (__builtin_sub_overflow(s->exact, qr_value_scaled(&args[0]), &s->exact))
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&call->type));
    return QR_OK;
}

/* An exact result already scaled as call->type. */
static enum qr_status exact_value(const struct qr_agg_call *call, struct qr_eval *ctx, qr_i128 v,
                                  struct qr_value *ret, struct qr_err *err)
{
    bool fits = true;
    enum qri_number kind = qri_number_of(&call->type);
    if (kind == QRI_DECIMAL)
        fits = qr_dec_fits(v, call->type.precision);
    else
        fits = v >= INT64_MIN && v <= INT64_MAX;
    if (fits && kind == QRI_INT)
        fits = qri_int_fits(call->type.id, (int64_t)v);
    if (!fits)
        return qri_overflow(ctx, &call->type, ret, err);
    *ret = kind == QRI_DECIMAL ? qr_value_decimal(&call->type, v) : qr_value_int((int64_t)v);
    return QR_OK;
}

static enum qr_status real_value(const struct qr_agg_call *call, struct qr_eval *ctx, double v,
                                 struct qr_value *ret, struct qr_err *err)
{
    if (!isfinite(v))
        return qri_overflow(ctx, &call->type, ret, err);
    *ret = qr_value_real(v);
    return QR_OK;
}

static enum qr_status sum_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                struct qr_value *ret, struct qr_err *err)
{
    struct sum_state *s = state;
    *ret = qr_value_null();
    if (s->count == 0)
        return QR_OK;
    if (qri_number_of(&call->type) == QRI_FLOAT)
        return real_value(call, ctx, s->real + s->lost, ret, err);
    return exact_value(call, ctx, s->exact, ret, err);
}

static enum qr_status avg_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                struct qr_value *ret, struct qr_err *err)
{
    struct sum_state *s = state;
    *ret = qr_value_null();
    if (s->count == 0)
        return QR_OK;
    if (qri_number_of(&call->type) == QRI_FLOAT)
        return real_value(call, ctx, (s->real + s->lost) / (double)s->count, ret, err);
    int grown = 0;
    if (qri_number_of(&call->type) == QRI_DECIMAL)
        grown = call->type.scale - call->args[0]->type.scale;
    qr_i128 r;
    enum qr_num num = qr_dec_muldiv(s->exact, qr_dec_pow10(grown), s->count, &r);
    if (num != QR_NUM_OK)
        return qri_num_fail(ctx, num, &call->type, ret, err);
    return exact_value(call, ctx, r, ret, err);
}

/* --- PRODUCT --- */

static enum qr_status type_product(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    QR_TRY(type_sum(b, call));
    if (qri_number_of(&call->type) == QRI_DECIMAL)
        call->type.scale = call->args[0]->type.scale == 0 ? 0 : 6;
    return QR_OK;
}

/* `exact` has the result's scale; every product is rounded to it. */
static enum qr_status product_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                   const struct qr_value *args, struct qr_err *err)
{
    struct sum_state *s = state;
    bool is_money = qri_number_of(&call->type) == QRI_MONEY;
    bool is_first = s->count++ == 0;
    if (args[0].cell == QR_CELL_REAL) {
        s->real = is_first ? args[0].r : s->real * args[0].r;
        return QR_OK;
    }
    int scale = is_money ? QR_MONEY_SCALE : call->args[0]->type.scale;
    int result_scale = is_money ? QR_MONEY_SCALE : call->type.scale;
    qr_i128 factor = is_first ? qr_dec_pow10(result_scale) : s->exact;
    enum qr_num num =
        qr_dec_muldiv(factor, qr_value_scaled(&args[0]), qr_dec_pow10(scale), &s->exact);
    struct qr_value fits;
    return num == QR_NUM_OK ? exact_value(call, ctx, s->exact, &fits, err)
                            : qri_num_fail(ctx, num, &call->type, &fits, err);
}

/* OVER has no frame that rows leave. */
static enum qr_status product_inverse(const struct qr_agg_call *call, void *state,
                                      struct qr_eval *ctx, const struct qr_value *args,
                                      struct qr_err *err)
{
    (void)call;
    (void)state;
    (void)ctx;
    (void)args;
    return qr_fail(err, QR_UNSUPPORTED, "PRODUCT over a frame that rows leave is not supported");
}

/* --- MIN, MAX --- */

struct extreme_state {
    struct qr_value value;
    char *bytes; /* owned copy of TEXT and BLOB */
    size_t bytes_capacity;
    bool seen;
};

static enum qr_status type_extreme(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    const struct qr_type *type = &call->args[0]->type;
    if (type->id == QR_TYPE_BIT || type->id == QR_TYPE_NULL || !qr_type_is_comparable(type))
        return qri_agg_bad_operand(b, call);
    call->type = *type;
    call->label = (enum qr_collation_label)call->args[0]->label;
    return QR_OK;
}

static enum qr_status keep(struct extreme_state *s, const struct qr_value *v, struct qr_err *err)
{
    struct qr_value copy = *v;
    if (v->cell == QR_CELL_TEXT || v->cell == QR_CELL_BLOB) {
        if (s->bytes == NULL || v->n > s->bytes_capacity) {
            char *bytes = realloc(s->bytes, v->n + 1);
            if (bytes == NULL)
                return qri_expr_nomem(err);
            s->bytes = bytes;
            s->bytes_capacity = v->n;
        }
        if (v->n > 0)
            memmove(s->bytes, v->p, v->n);
        copy.p = s->bytes;
    }
    s->value = copy;
    s->seen = true;
    return QR_OK;
}

static enum qr_status extreme_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                   const struct qr_value *args, struct qr_err *err)
{
    struct extreme_state *s = state;
    (void)ctx;
    if (s->seen) {
        int order = qr_value_compare(&call->args[0]->type, &args[0], &s->value);
        bool better = call->agg->name[1] == 'I' ? order < 0 : order > 0;
        if (!better)
            return QR_OK;
    }
    return keep(s, &args[0], err);
}

static enum qr_status extreme_value(const struct qr_agg_call *call, void *state,
                                    struct qr_eval *ctx, struct qr_value *ret, struct qr_err *err)
{
    struct extreme_state *s = state;
    (void)call;
    (void)ctx;
    (void)err;
    *ret = s->seen ? s->value : qr_value_null();
    return QR_OK;
}

static void extreme_done(void *state)
{
    struct extreme_state *s = state;
    free(s->bytes);
    s->bytes = NULL;
}

/* --- CHECKSUM_AGG --- */

static enum qr_status type_checksum(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    if (qri_number_of(&call->args[0]->type) != QRI_INT)
        return qri_agg_bad_operand(b, call);
    call->type = qr_type_of(QR_TYPE_INT);
    return QR_OK;
}

/* XOR: a step and its inverse are the same but for the count. */
static enum qr_status checksum_step(const struct qr_agg_call *call, void *state,
                                    struct qr_eval *ctx, const struct qr_value *args,
                                    struct qr_err *err)
{
    struct sum_state *s = state;
    (void)call;
    (void)ctx;
    (void)err;
    s->count++;
    s->exact ^= args[0].i;
    return QR_OK;
}

static enum qr_status checksum_inverse(const struct qr_agg_call *call, void *state,
                                       struct qr_eval *ctx, const struct qr_value *args,
                                       struct qr_err *err)
{
    QR_TRY(checksum_step(call, state, ctx, args, err));
    ((struct sum_state *)state)->count -= 2;
    return QR_OK;
}

static enum qr_status checksum_value(const struct qr_agg_call *call, void *state,
                                     struct qr_eval *ctx, struct qr_value *ret, struct qr_err *err)
{
    struct sum_state *s = state;
    (void)call;
    (void)ctx;
    (void)err;
    *ret = s->count == 0 ? qr_value_null() : qr_value_int((int32_t)s->exact);
    return QR_OK;
}

static const struct qr_agg sum_aggs[] = {
    {"AVG", 1, 1, 0, NULL, type_sum, sizeof(struct sum_state), sum_step, sum_inverse, avg_value,
     NULL},
    {"CHECKSUM_AGG", 1, 1, 0, NULL, type_checksum, sizeof(struct sum_state), checksum_step,
     checksum_inverse, checksum_value, NULL},
    {"COUNT", 0, 1, QR_AGG_NOT_NULL | QR_AGG_COUNTS_NULLS, "count", type_count,
     sizeof(struct count_state), count_step, count_inverse, count_value, NULL},
    {"COUNT_BIG", 0, 1, QR_AGG_NOT_NULL | QR_AGG_COUNTS_NULLS, "count", type_count,
     sizeof(struct count_state), count_step, count_inverse, count_value, NULL},
    {"MAX", 1, 1, QR_AGG_ANY_ORDER, "max", type_extreme, sizeof(struct extreme_state), extreme_step,
     NULL, extreme_value, extreme_done},
    {"MIN", 1, 1, QR_AGG_ANY_ORDER, "min", type_extreme, sizeof(struct extreme_state), extreme_step,
     NULL, extreme_value, extreme_done},
    {"PRODUCT", 1, 1, 0, NULL, type_product, sizeof(struct sum_state), product_step,
     product_inverse, sum_value, NULL},
    {"SUM", 1, 1, 0, NULL, type_sum, sizeof(struct sum_state), sum_step, sum_inverse, sum_value,
     NULL},
};
const struct qri_agg_family qri_sum_aggs = {sum_aggs, sizeof sum_aggs / sizeof sum_aggs[0]};
