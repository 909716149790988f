/* eval_arith.c - see expr/eval.h: one operator on two values, by family of its result */
#include "expr_int.h"
#include <math.h>
#include "base/checked.h"
#include "codec/datetime.h"
#include "base/banned.h"

static const struct {
    int64_t low, high;
    unsigned bits;
} int_ranges[] = {
    [QR_TYPE_BIT] = {0, 1, 1},
    [QR_TYPE_TINYINT] = {0, UINT8_MAX, 8},
    [QR_TYPE_SMALLINT] = {INT16_MIN, INT16_MAX, 16},
    [QR_TYPE_INT] = {INT32_MIN, INT32_MAX, 32},
    [QR_TYPE_BIGINT] = {INT64_MIN, INT64_MAX, 64},
};

bool qri_int_fits(enum qr_type_id id, int64_t v)
{
    assert(id >= QR_TYPE_BIT && id <= QR_TYPE_BIGINT);
    return v >= int_ranges[id].low && v <= int_ranges[id].high;
}

static bool aborts(const struct qr_eval *ctx)
{
    return ctx->settings->arithabort || ctx->settings->ansi_warnings;
}

enum qr_status qri_overflow(const struct qr_eval *ctx, const struct qr_type *type,
                            struct qr_value *ret_value, struct qr_err *err)
{
    if (aborts(ctx))
        return qr_sql_fail(err, 8115, "expression", qr_type_name(type));
    *ret_value = qr_value_null();
    return QR_OK;
}

enum qr_status qri_divide_by_zero(const struct qr_eval *ctx, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    if (aborts(ctx))
        return qr_sql_fail(err, 8134);
    *ret_value = qr_value_null();
    return QR_OK;
}

enum qr_status qri_num_fail(const struct qr_eval *ctx, enum qr_num num, const struct qr_type *type,
                            struct qr_value *ret_value, struct qr_err *err)
{
    if (num == QR_NUM_DIVIDE_BY_ZERO)
        return qri_divide_by_zero(ctx, ret_value, err);
    return qri_overflow(ctx, type, ret_value, err);
}

/* --- integers --- */

static enum qr_status fit(const struct qr_expr *e, struct qr_eval *ctx, bool good, int64_t r,
                          struct qr_value *ret, struct qr_err *err)
{
    if (!good || !qri_int_fits(e->type.id, r))
        return qri_overflow(ctx, &e->type, ret, err);
    *ret = qr_value_int(r);
    return QR_OK;
}

static enum qr_status int_arith(const struct qr_expr *e, struct qr_eval *ctx,
                                const struct qr_value *a, const struct qr_value *b,
                                struct qr_value *ret, struct qr_err *err)
{
    int64_t r = 0;
    bool good = true;
    enum qr_op op = e->u.arith.op;
    if (op >= QR_OP_DIV && b->i == 0)
        return qri_divide_by_zero(ctx, ret, err);
    if (op == QR_OP_ADD)
        good = qr_add_i64(a->i, b->i, &r);
    else if (op == QR_OP_SUB)
        good = qr_sub_i64(a->i, b->i, &r);
    else if (op == QR_OP_MUL)
        good = qr_mul_i64(a->i, b->i, &r);
    else if (b->i == -1) /* INT64_MIN / -1 traps */
        good = op == QR_OP_MOD || qr_sub_i64(0, a->i, &r);
    else
        r = op == QR_OP_DIV ? a->i / b->i : a->i % b->i;
    return fit(e, ctx, good, r, ret, err);
}

/* Sign-extends the low bits of a pattern to the type. */
static int64_t from_bits(enum qr_type_id id, uint64_t u)
{
    unsigned bits = int_ranges[id].bits;
    if (bits < 64)
        u &= (UINT64_C(1) << bits) - 1;
    if (int_ranges[id].low < 0 && bits < 64 && (u >> (bits - 1)) != 0)
        u |= ~UINT64_C(0) << bits;
    return (int64_t)u;
}

static uint64_t shift(enum qr_type_id id, uint64_t u, int64_t count, bool left)
{
    unsigned bits = int_ranges[id].bits;
    if (count < 0) {
        left = !left;
        count = count == INT64_MIN ? INT64_MAX : -count;
    }
    if (count >= bits)
        return 0;
    if (bits < 64)
        u &= (UINT64_C(1) << bits) - 1;
    return left ? u << count : u >> count;
}

static enum qr_status int_bits(const struct qr_expr *e, struct qr_eval *ctx,
                               const struct qr_value *a, const struct qr_value *b,
                               struct qr_value *ret, struct qr_err *err)
{
    (void)ctx;
    (void)err;
    uint64_t x = (uint64_t)a->i, y = (uint64_t)b->i, r = 0;
    enum qr_op op = e->u.arith.op;
    if (op == QR_OP_BIT_AND)
        r = x & y;
    else if (op == QR_OP_BIT_OR)
        r = x | y;
    else if (op == QR_OP_BIT_XOR)
        r = x ^ y;
    else
        r = shift(e->type.id, x, b->i, op == QR_OP_SHIFT_LEFT);
    *ret = qr_value_int(from_bits(e->type.id, r));
    return QR_OK;
}

static enum qr_status int_unary(const struct qr_expr *e, struct qr_eval *ctx,
                                const struct qr_value *a, const struct qr_value *b,
                                struct qr_value *ret, struct qr_err *err)
{
    (void)b;
    int64_t r = 0;
    if (e->u.arith.op == QR_OP_NEG) {
        bool good = qr_sub_i64(0, a->i, &r);
        return fit(e, ctx, good, r, ret, err);
    }
    *ret = qr_value_int(from_bits(e->type.id, ~(uint64_t)a->i));
    return QR_OK;
}

/* --- decimal and money --- */

static enum qr_status decimal_arith(const struct qr_expr *e, struct qr_eval *ctx,
                                    const struct qr_value *a, const struct qr_value *b,
                                    struct qr_value *ret, struct qr_err *err)
{
    qr_i128 r = 0;
    enum qr_num num = qr_dec_arith(&e->u.arith.dec, qr_value_scaled(a), qr_value_scaled(b), &r);
    if (num != QR_NUM_OK)
        return qri_num_fail(ctx, num, &e->type, ret, err);
    *ret = qr_value_decimal(&e->type, r);
    return QR_OK;
}

static enum qr_status decimal_neg(const struct qr_expr *e, struct qr_eval *ctx,
                                  const struct qr_value *a, const struct qr_value *b,
                                  struct qr_value *ret, struct qr_err *err)
{
    (void)ctx;
    (void)b;
    (void)err;
    *ret = qr_value_decimal(&e->type, -qr_value_scaled(a));
    return QR_OK;
}

static enum qr_status fit_money(const struct qr_expr *e, struct qr_eval *ctx, enum qr_num num,
                                int64_t r, struct qr_value *ret, struct qr_err *err)
{
    bool small = e->type.id == QR_TYPE_SMALLMONEY;
    if (num == QR_NUM_OK && small && (r < QR_SMALLMONEY_MIN || r > QR_SMALLMONEY_MAX))
        num = QR_NUM_OVERFLOW;
    if (num != QR_NUM_OK)
        return qri_num_fail(ctx, num, &e->type, ret, err);
    *ret = qr_value_int(r);
    return QR_OK;
}

static enum qr_status money_arith(const struct qr_expr *e, struct qr_eval *ctx,
                                  const struct qr_value *a, const struct qr_value *b,
                                  struct qr_value *ret, struct qr_err *err)
{
    int64_t r = 0;
    enum qr_num num = qr_money_arith((enum qr_arith)e->u.arith.op, a->i, b->i, &r);
    return fit_money(e, ctx, num, r, ret, err);
}

static enum qr_status money_neg(const struct qr_expr *e, struct qr_eval *ctx,
                                const struct qr_value *a, const struct qr_value *b,
                                struct qr_value *ret, struct qr_err *err)
{
    (void)b;
    int64_t r = 0;
    bool good = qr_sub_i64(0, a->i, &r);
    return fit_money(e, ctx, good ? QR_NUM_OK : QR_NUM_OVERFLOW, r, ret, err);
}

/* --- float --- */

static enum qr_status float_arith(const struct qr_expr *e, struct qr_eval *ctx,
                                  const struct qr_value *a, const struct qr_value *b,
                                  struct qr_value *ret, struct qr_err *err)
{
    double r = 0;
    enum qr_op op = e->u.arith.op;
    if ((op == QR_OP_DIV || op == QR_OP_MOD) && b->r == 0)
        return qri_divide_by_zero(ctx, ret, err);
    if (op == QR_OP_ADD)
        r = a->r + b->r;
    else if (op == QR_OP_SUB)
        r = a->r - b->r;
    else if (op == QR_OP_MUL)
        r = a->r * b->r;
    else if (op == QR_OP_DIV)
        r = a->r / b->r;
    else if (op == QR_OP_MOD)
        r = fmod(a->r, b->r);
    else
        r = -a->r;
    if (e->type.id == QR_TYPE_REAL)
        r = (double)(float)r;
    if (!isfinite(r))
        return qri_overflow(ctx, &e->type, ret, err);
    *ret = qr_value_real(r == 0 ? 0 : r); /* no negative zero */
    return QR_OK;
}

/* --- datetime and smalldatetime: both operands are of the result's type --- */

enum { SMALLDATETIME_DAYS = 65536 };
static const int64_t datetime_day = 300 * 86400;

static enum qr_status datetime_arith(const struct qr_expr *e, struct qr_eval *ctx,
                                     const struct qr_value *a, const struct qr_value *b,
                                     struct qr_value *ret, struct qr_err *err)
{
    bool small = e->type.id == QR_TYPE_SMALLDATETIME;
    int64_t low = small ? 0 : (QR_DAYS_1753 - (int64_t)QR_DAYS_1900) * datetime_day;
    int64_t end = small ? (int64_t)SMALLDATETIME_DAYS * 1440
                        : ((int64_t)QR_DAYS_MAX + 1 - QR_DAYS_1900) * datetime_day;
    int64_t r = e->u.arith.op == QR_OP_ADD ? a->i + b->i : a->i - b->i;
    if (r < low || r >= end)
        return qri_overflow(ctx, &e->type, ret, err);
    *ret = qr_value_int(r);
    return QR_OK;
}

void qri_arith_prepare(struct qr_expr *node)
{
    enum qr_op op = node->u.arith.op;
    qri_arith_fn *run = NULL;
    switch (qri_number_of(&node->type)) {
    case QRI_INT:
        run = op >= QR_OP_NEG ? int_unary : op >= QR_OP_BIT_AND ? int_bits : int_arith;
        break;
    case QRI_DECIMAL:
        run = op == QR_OP_NEG ? decimal_neg : decimal_arith;
        if (op <= QR_OP_MOD)
            node->u.arith.dec =
                qr_dec_op_of((enum qr_arith)op, &node->args[0]->type, &node->args[1]->type, NULL);
        break;
    case QRI_MONEY:
        run = op == QR_OP_NEG ? money_neg : money_arith;
        break;
    case QRI_FLOAT:
        run = float_arith;
        break;
    case QRI_OTHER:
        if (qr_type_family(&node->type) == QR_FAMILY_DATETIME)
            run = datetime_arith; /* else concatenation, which runs without */
        break;
    }
    node->u.arith.run = run;
}
