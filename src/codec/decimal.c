/* Decimals: codec/decimal.h. */
#include "codec/decimal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sqlmsg.h"
#include "u256.h"
#include "base/banned.h"

#define E19 ((qr_i128)10000000000000000000ULL)
static const qr_i128 pow10_table[39] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    E19,
    E19 * 10,
    E19 * 100,
    E19 * 1000,
    E19 * 10000,
    E19 * 100000,
    E19 * 1000000,
    E19 * 10000000,
    E19 * 100000000,
    E19 * 1000000000,
    E19 * 10000000000,
    E19 * 100000000000,
    E19 * 1000000000000,
    E19 * 10000000000000,
    E19 * 100000000000000,
    E19 * 1000000000000000,
    E19 * 10000000000000000,
    E19 * 100000000000000000,
    E19 * 1000000000000000000,
    E19 *E19,
};

qr_i128 qr_dec_pow10(int n)
{
    assert(n >= 0 && n <= QR_DECIMAL_PRECISION_MAX);
    return pow10_table[n];
}

enum qr_status qr_num_fail(struct qr_err *err, enum qr_num num, const char *from, const char *to)
{
    switch (num) {
    case QR_NUM_OK:
        return QR_OK;
    case QR_NUM_OVERFLOW:
        (void)qr_sql_fail(err, 8115, from, to);
        if (err != NULL && strcmp(to, "numeric") == 0) /* of a fraction in binary or of text: 6 */
            err->state = strcmp(from, "numeric") == 0 || strstr(from, "int") != NULL ? 8 : 6;
        return QR_SQL;
    case QR_NUM_DIVIDE_BY_ZERO:
        return qr_sql_fail(err, 8134);
    case QR_NUM_SYNTAX:
        break;
    }
    return qr_sql_fail(err, 8114, from, to);
}

static qr_u128 magnitude(qr_i128 v)
{
    return v < 0 ? -(qr_u128)v : (qr_u128)v;
}

/* --- text --- */

static struct qr_str trim_blanks(struct qr_str s)
{
    while (s.n > 0 && (*s.p == ' ' || (*s.p >= 9 && *s.p <= 13))) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= 9 && s.p[s.n - 1] <= 13)))
        s.n--;
    return s;
}

/* The digits of a number while they are read. */
struct digits {
    qr_i128 v;
    int count, fraction; /* significant ones; after the point */
    bool point, any, round_up, overflow;
};

static void take_digit(struct digits *d, int digit, int scale)
{
    d->any = true;
    if (d->point && d->fraction >= scale) { /* only the first past the scale counts */
        if (d->fraction == scale)
            d->round_up = digit >= 5;
        d->fraction = scale + 1;
        return;
    }
    d->fraction += d->point;
    d->count += d->v != 0 || digit != 0;
    if (d->count > QR_DECIMAL_PRECISION_MAX)
        d->overflow = true;
    else
        d->v = d->v * 10 + digit;
}

enum qr_num qr_dec_parse(struct qr_str text, int precision, int scale, qr_i128 *ret_value)
{
    struct qr_str s = trim_blanks(text);
    bool negative = s.n > 0 && s.p[0] == '-';
    struct digits d = {0};
    for (size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'); i < s.n; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            take_digit(&d, s.p[i] - '0', scale);
        else if (s.p[i] == '.' && !d.point)
            d.point = true;
        else
            return QR_NUM_SYNTAX;
    }
    if (!d.any)
        return QR_NUM_SYNTAX;
    int missing = d.fraction < scale ? scale - d.fraction : 0;
    if (d.overflow || (d.v != 0 && d.count + missing > QR_DECIMAL_PRECISION_MAX))
        return QR_NUM_OVERFLOW;
    qr_i128 v = (d.v == 0 ? 0 : d.v * pow10_table[missing]) + d.round_up;
    if (!qr_dec_fits(v, precision))
        return QR_NUM_OVERFLOW;
    *ret_value = negative ? -v : v;
    return QR_NUM_OK;
}

/* Writes the digits of v, at least `least` of them, ending at `end`; returns their start. */
static char *print_digits(uint64_t v, int least, char *end)
{
    char *p = end;
    while (v != 0 || end - p < least) {
        *--p = (char)('0' + v % 10);
        v /= 10;
    }
    return p;
}

size_t qr_dec_print(qr_i128 v, int scale, char dst[QR_DEC_TEXT_BYTES])
{
    char digits[44];
    char *end = digits + sizeof digits, *p;
    qr_u128 m = magnitude(v);
    if (m >> 64 == 0) {
        p = print_digits((uint64_t)m, scale + 1, end);
    } else {
        uint64_t low = (uint64_t)(m % (qr_u128)E19);
        m /= (qr_u128)E19;
        p = print_digits(low, 19, end);
        p = print_digits((uint64_t)m, scale + 1 > 19 ? scale + 1 - 19 : 1, p);
    }
    size_t n = 0;
    if (v < 0)
        dst[n++] = '-';
    size_t whole = (size_t)(end - p) - (size_t)scale;
    memcpy(dst + n, p, whole);
    n += whole;
    if (scale > 0) {
        dst[n++] = '.';
        memcpy(dst + n, p + whole, (size_t)scale);
        n += (size_t)scale;
    }
    return n;
}

/* --- scale --- */

/* v / 10^n, half away from zero. */
static qr_i128 divide_rounded(qr_i128 v, int n)
{
    qr_i128 unit = pow10_table[n];
    qr_i128 q = v / unit, rest = v % unit;
    if (rest < 0)
        rest = -rest;
    if (n > 0 && rest >= unit / 2)
        q += v < 0 ? -1 : 1;
    return q;
}

enum qr_num qr_dec_rescale(qr_i128 v, int from_scale, int to_scale, int to_precision,
                           qr_i128 *ret_value)
{
    if (to_scale < from_scale) {
        v = divide_rounded(v, from_scale - to_scale);
    } else if (to_scale > from_scale && v != 0) {
        qr_i128 scaled;
        if (__builtin_mul_overflow(v, pow10_table[to_scale - from_scale], &scaled))
            return QR_NUM_OVERFLOW;
        v = scaled;
    }
    if (!qr_dec_fits(v, to_precision))
        return QR_NUM_OVERFLOW;
    *ret_value = v;
    return QR_NUM_OK;
}

int qr_dec_compare(qr_i128 a, int a_scale, qr_i128 b, int b_scale)
{
    if (a_scale != b_scale && (a < 0) != (b < 0))
        return a < 0 ? -1 : 1;
    qr_i128 scaled;
    if (a_scale < b_scale) {
        if (__builtin_mul_overflow(a, pow10_table[b_scale - a_scale], &scaled))
            return a < 0 ? -1 : 1;
        a = scaled;
    } else if (b_scale < a_scale) {
        if (__builtin_mul_overflow(b, pow10_table[a_scale - b_scale], &scaled))
            return b < 0 ? 1 : -1;
        b = scaled;
    }
    return (a > b) - (a < b);
}

/* --- arithmetic --- */

struct qr_dec_op qr_dec_op_of(enum qr_arith op, const struct qr_type *a, const struct qr_type *b,
                              struct qr_type *ret_type)
{
    struct qr_type t = qr_type_decimal_arith(op, a, b);
    if (ret_type != NULL)
        *ret_type = t;
    return (struct qr_dec_op){op, a->scale, b->scale, t.scale, t.precision};
}

/* q / 10^n, half away from zero; n up to 76. */
static void shrink_rounded(struct qri_u256 *q, int n)
{
    if (n > QR_DECIMAL_PRECISION_MAX) { /* cutting first cannot change what the half decides */
        qri_u256_divide(q, (qr_u128)pow10_table[n - QR_DECIMAL_PRECISION_MAX]);
        n = QR_DECIMAL_PRECISION_MAX;
    }
    qr_u128 unit = (qr_u128)pow10_table[n];
    qr_u128 rest = qri_u256_divide(q, unit);
    if (n > 0 && rest >= unit / 2) {
        struct qri_u256 one = qri_u256_of(1);
        qri_u256_add(q, &one);
    }
}

static enum qr_num finish(const struct qr_dec_op *op, const struct qri_u256 *q, bool negative,
                          qr_i128 *ret_value)
{
    qr_i128 v;
    if (!qri_u256_to_i128(q, &v) || !qr_dec_fits(v, op->precision))
        return QR_NUM_OVERFLOW;
    *ret_value = negative ? -v : v;
    return QR_NUM_OK;
}

static enum qr_num add_wide(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value)
{
    int s = op->a_scale > op->b_scale ? op->a_scale : op->b_scale;
    struct qri_u256 x = qri_u256_mul(magnitude(a), (qr_u128)pow10_table[s - op->a_scale]);
    struct qri_u256 y = qri_u256_mul(magnitude(b), (qr_u128)pow10_table[s - op->b_scale]);
    bool negative = a < 0;
    if ((a < 0) == (b < 0)) {
        qri_u256_add(&x, &y); /* both below 2^253 */
    } else if (qri_u256_compare(&x, &y) >= 0) {
        qri_u256_sub(&x, &y);
    } else {
        qri_u256_sub(&y, &x);
        x = y;
        negative = b < 0;
    }
    shrink_rounded(&x, s - op->scale);
    return finish(op, &x, negative, ret_value);
}

static enum qr_num add(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value)
{
    qr_i128 x = a, y = b, sum;
    if (op->scale < op->a_scale || op->scale < op->b_scale ||
        (op->scale != op->a_scale &&
         __builtin_mul_overflow(a, pow10_table[op->scale - op->a_scale], &x)) ||
        (op->scale != op->b_scale &&
         __builtin_mul_overflow(b, pow10_table[op->scale - op->b_scale], &y)) ||
        __builtin_add_overflow(x, y, &sum))
        return add_wide(op, a, b, ret_value);
    if (!qr_dec_fits(sum, op->precision))
        return QR_NUM_OVERFLOW;
    *ret_value = sum;
    return QR_NUM_OK;
}

static enum qr_num multiply(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value)
{
    int extra = op->a_scale + op->b_scale - op->scale;
    qr_i128 product;
    if (extra == 0 && !__builtin_mul_overflow(a, b, &product)) {
        if (!qr_dec_fits(product, op->precision))
            return QR_NUM_OVERFLOW;
        *ret_value = product;
        return QR_NUM_OK;
    }
    struct qri_u256 q = qri_u256_mul(magnitude(a), magnitude(b));
    shrink_rounded(&q, extra);
    return finish(op, &q, (a < 0) != (b < 0), ret_value);
}

static enum qr_num divide(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value)
{
    if (b == 0)
        return QR_NUM_DIVIDE_BY_ZERO;
    int shift = op->scale + op->b_scale - op->a_scale;
    struct qri_u256 q = qri_u256_of(magnitude(a));
    if (shift < 0) { /* a division of the quotient cuts off the same digits */
        qri_u256_divide(&q, (qr_u128)pow10_table[-shift]);
    } else {
        int first = shift > QR_DECIMAL_PRECISION_MAX ? QR_DECIMAL_PRECISION_MAX : shift;
        q = qri_u256_mul(magnitude(a), (qr_u128)pow10_table[first]);
        if (shift > first && !qri_u256_mul_by(&q, (qr_u128)pow10_table[shift - first]))
            return QR_NUM_OVERFLOW; /* past 256 bits the quotient is past 128 */
    }
    qri_u256_divide(&q, magnitude(b));
    return finish(op, &q, (a < 0) != (b < 0), ret_value);
}

static enum qr_num modulo(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value)
{
    if (b == 0)
        return QR_NUM_DIVIDE_BY_ZERO;
    qr_u128 divisor = magnitude(b);
    struct qri_u256 x = qri_u256_of(magnitude(a));
    if (op->a_scale < op->b_scale) {
        x = qri_u256_mul(magnitude(a), (qr_u128)pow10_table[op->b_scale - op->a_scale]);
    } else if (op->a_scale > op->b_scale) {
        struct qri_u256 d = qri_u256_mul(divisor, (qr_u128)pow10_table[op->a_scale - op->b_scale]);
        if (d.limb[2] != 0 || d.limb[3] != 0) { /* greater than any a */
            *ret_value = a;
            return QR_NUM_OK;
        }
        divisor = (qr_u128)d.limb[1] << 64 | d.limb[0];
    }
    struct qri_u256 rest = qri_u256_of(qri_u256_divide(&x, divisor));
    return finish(op, &rest, a < 0, ret_value);
}

enum qr_num qr_dec_arith(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value)
{
    switch (op->op) {
    case QR_ARITH_ADD:
        return add(op, a, b, ret_value);
    case QR_ARITH_SUB:
        return add(op, a, -b, ret_value);
    case QR_ARITH_MUL:
        return multiply(op, a, b, ret_value);
    case QR_ARITH_DIV:
        return divide(op, a, b, ret_value);
    case QR_ARITH_MOD:
        break;
    }
    return modulo(op, a, b, ret_value);
}

enum qr_num qr_dec_muldiv(qr_i128 a, qr_i128 b, qr_i128 c, qr_i128 *ret_value)
{
    if (c == 0)
        return QR_NUM_DIVIDE_BY_ZERO;
    struct qri_u256 q = qri_u256_mul(magnitude(a), magnitude(b));
    qri_u256_divide(&q, magnitude(c));
    qr_i128 v;
    if (!qri_u256_to_i128(&q, &v))
        return QR_NUM_OVERFLOW;
    *ret_value = ((a < 0) != (b < 0)) != (c < 0) ? -v : v;
    return QR_NUM_OK;
}

/* --- rounding --- */

enum qr_num qr_dec_round(qr_i128 v, int scale, int precision, int digits, bool truncate,
                         qr_i128 *ret_value)
{
    if (digits >= scale) {
        *ret_value = v;
        return QR_NUM_OK;
    }
    if (digits < -QR_DECIMAL_PRECISION_MAX || scale - digits > QR_DECIMAL_PRECISION_MAX) {
        *ret_value = 0;
        return QR_NUM_OK;
    }
    qr_i128 unit = pow10_table[scale - digits];
    qr_i128 kept = truncate ? v / unit : divide_rounded(v, scale - digits);
    if (__builtin_mul_overflow(kept, unit, &v) || !qr_dec_fits(v, precision))
        return QR_NUM_OVERFLOW;
    *ret_value = v;
    return QR_NUM_OK;
}

qr_i128 qr_dec_floor(qr_i128 v, int scale)
{
    qr_i128 unit = pow10_table[scale];
    return v / unit - (v % unit < 0);
}

qr_i128 qr_dec_ceiling(qr_i128 v, int scale)
{
    qr_i128 unit = pow10_table[scale];
    return v / unit + (v % unit > 0);
}

/* --- double and int64 --- */

double qr_dec_to_double(qr_i128 v, int scale)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (v > -((qr_i128)1 << 53) && v < ((qr_i128)1 << 53) && scale <= 22)
        return (double)v / exact[scale]; /* both exact, one rounding */
    char text[QR_DEC_TEXT_BYTES + 1];
    text[qr_dec_print(v, scale, text)] = 0;
    return strtod(text, NULL);
}

enum { SHIFT_MAX = 64 }; /* bits in one step */

static bool shift_left(struct qri_u256 *q, int bits)
{
    for (int step; bits > 0; bits -= step) {
        step = bits > SHIFT_MAX ? SHIFT_MAX : bits;
        if (!qri_u256_mul_by(q, (qr_u128)1 << step))
            return false;
    }
    return true;
}

/* q / 2^bits, half up; q is below 2^180. */
static void shift_right_rounded(struct qri_u256 *q, int bits)
{
    if (bits > 255) {
        *q = qri_u256_of(0);
        return;
    }
    struct qri_u256 half = qri_u256_of(1);
    shift_left(&half, bits - 1);
    qri_u256_add(q, &half);
    for (int step; bits > 0; bits -= step) {
        step = bits > SHIFT_MAX ? SHIFT_MAX : bits;
        qri_u256_divide(q, (qr_u128)1 << step);
    }
}

enum qr_num qr_dec_from_double(double d, int precision, int scale, qr_i128 *ret_value)
{
    if (!isfinite(d) || fabs(d) >= 1e39)
        return QR_NUM_OVERFLOW;
    int exponent;
    double fraction = frexp(fabs(d), &exponent); /* [0.5, 1) */
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    exponent -= 53;
    /* |d| * 10^scale = mantissa * 10^scale * 2^exponent, exactly. */
    struct qri_u256 q = qri_u256_mul(mantissa, (qr_u128)pow10_table[scale]);
    if (exponent < 0)
        shift_right_rounded(&q, -exponent);
    else if (!shift_left(&q, exponent))
        return QR_NUM_OVERFLOW;
    qr_i128 v;
    if (!qri_u256_to_i128(&q, &v) || !qr_dec_fits(v, precision))
        return QR_NUM_OVERFLOW;
    *ret_value = d < 0 ? -v : v;
    return QR_NUM_OK;
}

enum qr_num qr_dec_to_i64(qr_i128 v, int scale, int64_t *ret_value)
{
    v /= pow10_table[scale];
    if (v > INT64_MAX || v < INT64_MIN)
        return QR_NUM_OVERFLOW;
    *ret_value = (int64_t)v;
    return QR_NUM_OK;
}
