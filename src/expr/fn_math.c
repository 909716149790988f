/* fn_math.c - see expr/func.h: numeric functions */
#include "expr_int.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/checked.h"
#include "codec/convert.h"
#include "base/banned.h"

static enum qr_status return_float(const struct qr_call *c, double r, struct qr_value *ret,
                                   struct qr_err *err)
{
    if (isnan(r))
        return qr_sql_fail(err, 3623);
    if (!isfinite(r))
        return qri_overflow(c->ctx, &c->expr->type, ret, err);
    *ret = qr_value_real(r == 0 ? 0 : r);
    return QR_OK;
}

static enum qr_status return_int(const struct qr_call *c, bool good, int64_t r,
                                 struct qr_value *ret, struct qr_err *err)
{
    if (!good || !qri_int_fits(c->expr->type.id, r))
        return qri_overflow(c->ctx, &c->expr->type, ret, err);
    *ret = qr_value_int(r);
    return QR_OK;
}

static enum qr_status return_money(const struct qr_call *c, qr_i128 r, struct qr_value *ret,
                                   struct qr_err *err)
{
    if (r > INT64_MAX || r < INT64_MIN)
        return qri_overflow(c->ctx, &c->expr->type, ret, err);
    *ret = qr_value_int((int64_t)r);
    return QR_OK;
}

static enum qr_status return_decimal(const struct qr_call *c, enum qr_num num, qr_i128 r,
                                     struct qr_value *ret, struct qr_err *err)
{
    if (num == QR_NUM_OK && !qr_dec_fits(r, c->expr->type.precision))
        num = QR_NUM_OVERFLOW;
    if (num != QR_NUM_OK)
        return qri_num_fail(c->ctx, num, &c->expr->type, ret, err);
    *ret = qr_value_decimal(&c->expr->type, r);
    return QR_OK;
}

/* --- float in, float out --- */

static enum qr_status apply(const struct qr_call *c, double (*f)(double), struct qr_value *ret,
                            struct qr_err *err)
{
    return return_float(c, f(c->args[0].r), ret, err);
}

static enum qr_status fn_acos(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, acos, ret, err);
}

static enum qr_status fn_asin(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, asin, ret, err);
}

static enum qr_status fn_atan(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, atan, ret, err);
}

static enum qr_status fn_cos(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, cos, ret, err);
}

static enum qr_status fn_exp(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, exp, ret, err);
}

static enum qr_status fn_sin(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, sin, ret, err);
}

static enum qr_status fn_sqrt(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, sqrt, ret, err);
}

static enum qr_status fn_tan(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, tan, ret, err);
}

static double cot(double x)
{
    return 1 / tan(x);
}

static enum qr_status fn_cot(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, cot, ret, err);
}

static double square(double x)
{
    return x * x;
}

static enum qr_status fn_square(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return apply(c, square, ret, err);
}

static enum qr_status fn_atn2(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    if (c->args[0].r == 0 && c->args[1].r == 0)
        return qr_sql_fail(err, 3623);
    return return_float(c, atan2(c->args[0].r, c->args[1].r), ret, err);
}

static enum qr_status fn_log(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    double x = c->args[0].r, base = c->arg_count > 1 ? c->args[1].r : M_E;
    if (x <= 0 || base <= 0 || base == 1)
        return qr_sql_fail(err, 3623);
    if (c->arg_count == 1)
        return return_float(c, log(x), ret, err);
    double r = base == 2 ? log2(x) : base == 10 ? log10(x) : log(x) / log(base);
    return return_float(c, r, ret, err);
}

static enum qr_status fn_log10(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    if (c->args[0].r <= 0)
        return qr_sql_fail(err, 3623);
    return apply(c, log10, ret, err);
}

static enum qr_status fn_pi(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return return_float(c, M_PI, ret, err);
}

/* --- functions that keep the type of their argument --- */

/* Small integers count as int. */
static enum qr_status type_number(struct qr_func_typing *t)
{
    struct qr_type type = t->args[0]->type;
    if (qr_type_family(&type) == QR_FAMILY_INT && type.id != QR_TYPE_BIGINT)
        type = qr_type_of(QR_TYPE_INT);
    else if (type.id == QR_TYPE_SMALLMONEY)
        type = qr_type_of(QR_TYPE_MONEY);
    else if (type.id == QR_TYPE_REAL)
        type = qr_type_of(QR_TYPE_FLOAT);
    t->type = type;
    return QR_OK;
}

static enum qr_status fn_abs(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    const struct qr_value *v = &c->args[0];
    int64_t r = 0;
    qr_i128 w;
    switch (qri_number_of(&c->expr->type)) {
    case QRI_INT: {
        bool good = v->i >= 0 || qr_sub_i64(0, v->i, &r);
        return return_int(c, good, v->i >= 0 ? v->i : r, ret, err);
    }
    case QRI_DECIMAL:
        w = qr_value_scaled(v);
        return return_decimal(c, QR_NUM_OK, w < 0 ? -w : w, ret, err);
    case QRI_MONEY:
        w = v->i;
        return return_money(c, w < 0 ? -w : w, ret, err);
    case QRI_FLOAT:
    case QRI_OTHER:
        break;
    }
    return return_float(c, fabs(v->r), ret, err);
}

static enum qr_status fn_sign(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    const struct qr_value *v = &c->args[0];
    int sign = v->cell == QR_CELL_REAL ? (v->r > 0) - (v->r < 0)
                                       : (qr_value_scaled(v) > 0) - (qr_value_scaled(v) < 0);
    switch (qri_number_of(&c->expr->type)) {
    case QRI_DECIMAL:
        return return_decimal(c, QR_NUM_OK, sign * qr_dec_pow10(c->expr->type.scale), ret, err);
    case QRI_MONEY:
        return return_money(c, sign * 10000, ret, err);
    case QRI_FLOAT:
        return return_float(c, sign, ret, err);
    case QRI_INT:
    case QRI_OTHER:
        break;
    }
    return return_int(c, true, sign, ret, err);
}

/* FLOOR and CEILING of a decimal(p,s) are decimal(p,0). */
static enum qr_status type_floor(struct qr_func_typing *t)
{
    QR_TRY(type_number(t));
    if (qr_type_family(&t->type) == QR_FAMILY_DECIMAL)
        t->type.scale = 0;
    return QR_OK;
}

static enum qr_status floor_or_ceiling(const struct qr_call *c, qr_i128 (*decimal)(qr_i128, int),
                                       double (*real)(double), struct qr_value *ret,
                                       struct qr_err *err)
{
    const struct qr_value *v = &c->args[0];
    const struct qr_type *from = qri_arg_type(c, 0);
    switch (qri_number_of(from)) {
    case QRI_DECIMAL:
        return return_decimal(c, QR_NUM_OK, decimal(qr_value_scaled(v), from->scale), ret, err);
    case QRI_MONEY:
        return return_money(c, decimal(v->i, QR_MONEY_SCALE) * 10000, ret, err);
    case QRI_FLOAT:
        return return_float(c, real(v->r), ret, err);
    case QRI_INT:
    case QRI_OTHER:
        break;
    }
    *ret = *v;
    return QR_OK;
}

static enum qr_status fn_floor(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return floor_or_ceiling(c, qr_dec_floor, floor, ret, err);
}

static enum qr_status fn_ceiling(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return floor_or_ceiling(c, qr_dec_ceiling, ceil, ret, err);
}

static double round_float(double x, int digits, bool truncate)
{
    if (digits > 15 || digits < -308)
        return digits > 15 ? x : 0;
    double scale = pow(10, abs(digits));
    double scaled = digits >= 0 ? x * scale : x / scale;
    if (fabs(scaled) >= 4503599627370496.0)
        return x;
    double whole = truncate ? trunc(scaled) : round(scaled);
    return digits >= 0 ? whole / scale : whole * scale;
}

enum { ROUND_DIGITS_MAX = 100 };

static enum qr_status fn_round(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    const struct qr_value *v = &c->args[0];
    const struct qr_type *type = &c->expr->type;
    int64_t wanted = c->args[1].i;
    int digits = wanted > ROUND_DIGITS_MAX    ? ROUND_DIGITS_MAX
                 : wanted < -ROUND_DIGITS_MAX ? -ROUND_DIGITS_MAX
                                              : (int)wanted;
    bool truncate = c->arg_count == 3 && c->args[2].i != 0;
    qr_i128 r = 0;
    enum qr_num num;
    switch (qri_number_of(type)) {
    case QRI_INT:
        num = qr_dec_round(v->i, 0, 19, digits, truncate, &r);
        return return_int(c, num == QR_NUM_OK && r <= INT64_MAX && r >= INT64_MIN, (int64_t)r, ret,
                          err);
    case QRI_DECIMAL:
        num = qr_dec_round(qr_value_scaled(v), type->scale, type->precision, digits, truncate, &r);
        return return_decimal(c, num, r, ret, err);
    case QRI_MONEY:
        num = qr_dec_round(v->i, QR_MONEY_SCALE, 19, digits, truncate, &r);
        return num == QR_NUM_OK ? return_money(c, r, ret, err)
                                : qri_num_fail(c->ctx, num, type, ret, err);
    case QRI_FLOAT:
    case QRI_OTHER:
        break;
    }
    return return_float(c, round_float(v->r, digits, truncate), ret, err);
}

/* DEGREES and RADIANS keep integers and money; decimals get 18 digits after the point. */
static enum qr_status type_angle(struct qr_func_typing *t)
{
    QR_TRY(type_number(t));
    if (qr_type_family(&t->type) == QR_FAMILY_DECIMAL)
        t->type = qr_type_decimal(QR_DECIMAL_PRECISION_MAX, 18);
    return QR_OK;
}

static double as_double(const struct qr_type *type, const struct qr_value *v)
{
    switch (qri_number_of(type)) {
    case QRI_DECIMAL:
        return qr_dec_to_double(qr_value_scaled(v), type->scale);
    case QRI_MONEY:
        return qr_dec_to_double(v->i, QR_MONEY_SCALE);
    case QRI_FLOAT:
        return v->r;
    case QRI_INT:
    case QRI_OTHER:
        break;
    }
    return (double)v->i;
}

/* A computed double as the CALL's type; integers are cut off. 232 names what did not fit. */
static enum qr_status return_number(const struct qr_call *c, double r, struct qr_value *ret,
                                    struct qr_err *err)
{
    const struct qr_type *type = &c->expr->type;
    qr_i128 w = 0;
    char text[400];
    switch (qri_number_of(type)) {
    case QRI_INT:
        if (fabs(r) < 9223372036854775808.0 && qri_int_fits(type->id, (int64_t)trunc(r))) {
            *ret = qr_value_int((int64_t)trunc(r));
            return QR_OK;
        }
        snprintf(text, sizeof text, "%f", r);
        return qr_float_overflow(err, type, text);
    case QRI_DECIMAL: {
        enum qr_num num =
            isfinite(r) ? qr_dec_from_double(r, type->precision, type->scale, &w) : QR_NUM_OVERFLOW;
        return return_decimal(c, num, w, ret, err);
    }
    case QRI_MONEY:
        if (!isfinite(r) || fabs(r) > 922337203685477.0)
            return qri_overflow(c->ctx, type, ret, err);
        return return_money(c, (qr_i128)round(r * 10000), ret, err);
    case QRI_FLOAT:
    case QRI_OTHER:
        break;
    }
    return return_float(c, r, ret, err);
}

static enum qr_status fn_degrees(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return return_number(c, as_double(qri_arg_type(c, 0), &c->args[0]) * (180 / M_PI), ret, err);
}

static enum qr_status fn_radians(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return return_number(c, as_double(qri_arg_type(c, 0), &c->args[0]) * (M_PI / 180), ret, err);
}

/* --- POWER --- */

static enum qr_status type_power(struct qr_func_typing *t)
{
    QR_TRY(type_number(t));
    if (qr_type_family(&t->type) == QR_FAMILY_DECIMAL)
        t->type = qr_type_decimal(QR_DECIMAL_PRECISION_MAX, t->type.scale);
    return QR_OK;
}

/* Exact while it fits: squares of an int64. */
static bool int_power(int64_t base, int64_t exponent, int64_t *ret)
{
    int64_t r = 1;
    if (exponent < 0)
        return false;
    while (exponent > 0) {
        if ((exponent & 1) && !qr_mul_i64(r, base, &r))
            return false;
        exponent >>= 1;
        if (exponent > 0 && !qr_mul_i64(base, base, &base))
            return false;
    }
    *ret = r;
    return true;
}

static enum qr_status fn_power(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    const struct qr_type *base_type = qri_arg_type(c, 0);
    double base = as_double(base_type, &c->args[0]), exponent = c->args[1].r;
    int64_t r;
    bool whole = trunc(exponent) == exponent && fabs(exponent) < 1e9;
    if (qr_type_family(base_type) == QR_FAMILY_INT && whole &&
        int_power(c->args[0].i, (int64_t)exponent, &r) && qri_int_fits(c->expr->type.id, r)) {
        *ret = qr_value_int(r);
        return QR_OK;
    }
    if (base == 0 && exponent < 0)
        return qri_divide_by_zero(c->ctx, ret, err);
    double power = pow(base, exponent);
    if (isnan(power))
        return qr_sql_fail(err, 3623);
    return return_number(c, power, ret, err);
}

/* --- RAND: two linear congruential generators combined (L'Ecuyer 1988), with the constants that
 * SQL Server's documented results imply --- */

enum { RAND_M1 = 2147483563, RAND_M2 = 2147483399, RAND_SEED1 = 12345, RAND_SEED2 = 67890 };

static double next_random(struct qr_rand *r)
{
    r->s1 = (int32_t)((int64_t)r->s1 * 40014 % RAND_M1);
    r->s2 = (int32_t)((int64_t)r->s2 * 40692 % RAND_M2);
    int64_t z = (int64_t)r->s1 - r->s2;
    if (z < 1)
        z += RAND_M1 - 1;
    return (double)z * 4.656613e-10;
}

static void seed_random(struct qr_rand *r, int64_t seed)
{
    int64_t s = (seed < 0 ? -seed : seed) % RAND_M1;
    r->s1 = s == 0 ? RAND_SEED1 : (int32_t)s;
    r->s2 = RAND_SEED2;
}

static enum qr_status fn_rand(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_rand local = {0, 0};
    struct qr_rand *r = c->ctx->random_state != NULL ? c->ctx->random_state : &local;
    (void)err;
    if (c->arg_count == 1) {
        seed_random(r, qr_value_is_null(&c->args[0]) ? 0 : c->args[0].i);
    } else if (r->s1 == 0) {
        uint32_t seed = RAND_SEED1;
        if (c->ctx->host_ops != NULL && c->ctx->host_ops->random != NULL)
            c->ctx->host_ops->random(c->ctx->host, &seed, sizeof seed);
        seed_random(r, seed);
        (void)next_random(r);
    }
    *ret = qr_value_real(next_random(r));
    return QR_OK;
}

static const struct qr_func math_funcs[] = {
    /* clang-format off */
    {"ABS",     1, 1, "N",   type_number, 0, 0, fn_abs,     0, QR_HOST_NONE},
    {"ACOS",    1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_acos, 0, QR_HOST_NONE},
    {"ASIN",    1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_asin, 0, QR_HOST_NONE},
    {"ATAN",    1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_atan, 0, QR_HOST_NONE},
    {"ATN2",    2, 2, "f",   NULL, QR_TYPE_FLOAT, 0, fn_atn2, 0, QR_HOST_NONE},
    {"CEILING", 1, 1, "N",   type_floor,  0, 0, fn_ceiling, 0, QR_HOST_NONE},
    {"COS",     1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_cos, 0, QR_HOST_NONE},
    {"COT",     1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_cot, 0, QR_HOST_NONE},
    {"DEGREES", 1, 1, "N",   type_angle,  0, 0, fn_degrees, 0, QR_HOST_NONE},
    {"EXP",     1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_exp, 0, QR_HOST_NONE},
    {"FLOOR",   1, 1, "N",   type_floor,  0, 0, fn_floor,   0, QR_HOST_NONE},
    {"LOG",     1, 2, "f",   NULL, QR_TYPE_FLOAT, 0, fn_log, 0, QR_HOST_NONE},
    {"LOG10",   1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_log10, 0, QR_HOST_NONE},
    {"PI",      0, 0, "",    NULL, QR_TYPE_FLOAT, 0, fn_pi, QR_FUNC_NOT_NULL, QR_HOST_NONE},
    {"POWER",   2, 2, "Nf",  type_power,  0, 0, fn_power,   0, QR_HOST_NONE},
    {"RADIANS", 1, 1, "N",   type_angle,  0, 0, fn_radians, 0, QR_HOST_NONE},
    {"RAND",    0, 1, "i",   NULL, QR_TYPE_FLOAT, 0, fn_rand,
     QR_FUNC_STABLE | QR_FUNC_NULLS | QR_FUNC_NOT_NULL, QR_HOST_NONE},
    {"ROUND",   2, 3, "Nii", type_number, 0, 0, fn_round,   0, QR_HOST_NONE},
    {"SIGN",    1, 1, "N",   type_number, 0, 0, fn_sign,    0, QR_HOST_NONE},
    {"SIN",     1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_sin, 0, QR_HOST_NONE},
    {"SQRT",    1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_sqrt, 0, QR_HOST_NONE},
    {"SQUARE",  1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_square, 0, QR_HOST_NONE},
    {"TAN",     1, 1, "f",   NULL, QR_TYPE_FLOAT, 0, fn_tan, 0, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_math_funcs = {math_funcs, sizeof math_funcs / sizeof math_funcs[0]};
