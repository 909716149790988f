/* codec/decimal.h - exact decimals of up to 38 digits, and money.
 *
 * Pure, no allocation, any thread. A decimal is a scaled integer (qr_i128) with the scale known
 * from its type; a valid one is below 10^precision in magnitude. Functions answer an enum qr_num
 * so that hot paths build no message; qr_num_fail makes the T-SQL error of it.
 * Rounding is half away from zero, except that division cuts off, as SQL Server does. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"
#include "codec/value.h"

enum qr_num {
    QR_NUM_OK = 0,
    QR_NUM_OVERFLOW,       /* 8115 */
    QR_NUM_DIVIDE_BY_ZERO, /* 8134 */
    QR_NUM_SYNTAX,         /* not a number at all: 8114, 245, 235 by context */
};

/* 8115 "Arithmetic overflow error converting `from` to data type `to`." or 8134; `from` is
 * "expression" for arithmetic. QR_NUM_SYNTAX gives 8114. Returns QR_OK for QR_NUM_OK. */
enum qr_status qr_num_fail(struct qr_err *err, enum qr_num num, const char *from, const char *to);

enum { QR_DEC_TEXT_BYTES = 48 }; /* sign, 38 digits, point, a leading zero */

qr_i128 qr_dec_pow10(int n); /* 0..38 */
static inline bool qr_dec_fits(qr_i128 v, int precision)
{
    qr_i128 limit = qr_dec_pow10(precision);
    return v < limit && v > -limit;
}

/* Blanks around, a sign, digits with at most one point; no exponent, no commas. Digits past the
 * scale are rounded. "" and " " are QR_NUM_SYNTAX, as is ".". */
enum qr_num qr_dec_parse(struct qr_str text, int precision, int scale, qr_i128 *ret_value);
/* "-0.50"; exactly `scale` digits after the point. Returns the length; not terminated. */
size_t qr_dec_print(qr_i128 v, int scale, char dst[QR_DEC_TEXT_BYTES]);

enum qr_num qr_dec_rescale(qr_i128 v, int from_scale, int to_scale, int to_precision,
                           qr_i128 *ret_value);
int qr_dec_compare(qr_i128 a, int a_scale, qr_i128 b,
                   int b_scale); /* any scales, never overflows */

/* Arithmetic, prepared once per expression from the operand types. */
struct qr_dec_op {
    enum qr_arith op;
    uint8_t a_scale, b_scale; /* of the operands */
    uint8_t scale, precision; /* of the result */
};
/* Operands must be decimals (qr_type_as_decimal); ret_type may be NULL. */
struct qr_dec_op qr_dec_op_of(enum qr_arith op, const struct qr_type *a, const struct qr_type *b,
                              struct qr_type *ret_type);
enum qr_num qr_dec_arith(const struct qr_dec_op *op, qr_i128 a, qr_i128 b, qr_i128 *ret_value);

/* a * b / c in one step with a 256-bit middle; cuts off. For AVG and money. */
enum qr_num qr_dec_muldiv(qr_i128 a, qr_i128 b, qr_i128 c, qr_i128 *ret_value);

/* ROUND(v, digits [, truncate]): digits may be negative; the scale stays. */
enum qr_num qr_dec_round(qr_i128 v, int scale, int precision, int digits, bool truncate,
                         qr_i128 *ret_value);
/* FLOOR and CEILING: the result has scale 0. */
qr_i128 qr_dec_floor(qr_i128 v, int scale);
qr_i128 qr_dec_ceiling(qr_i128 v, int scale);

double qr_dec_to_double(qr_i128 v, int scale); /* correctly rounded */
enum qr_num qr_dec_from_double(double d, int precision, int scale, qr_i128 *ret_value);
/* Cuts the fraction off, as CAST to an integer type does. */
enum qr_num qr_dec_to_i64(qr_i128 v, int scale, int64_t *ret_value);

/* --- money: int64 in units of 1/10000 --- */

enum { QR_MONEY_SCALE = 4 };
#define QR_SMALLMONEY_MAX INT32_MAX
#define QR_SMALLMONEY_MIN INT32_MIN

/* + - * / % of two moneys; result in 1/10000; * and / cut off. */
enum qr_num qr_money_arith(enum qr_arith op, int64_t a, int64_t b, int64_t *ret_value);
/* Blanks, sign, a currency sign, digits with commas anywhere before the point, "(1.5)" is not
 * accepted; rounds to 4 digits. "" is 0.00, as in SQL Server. */
enum qr_num qr_money_parse(struct qr_str text, int64_t *ret_value);
/* style 0: "1234.57", 1: "1,234.57", 2 and 126: "1234.5678". */
size_t qr_money_print(int64_t v, int style, char dst[QR_DEC_TEXT_BYTES]);
