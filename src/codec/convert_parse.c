/* Text to any type: codec/convert.h. */
#include "convert_int.h"

#include <math.h>
#include <string.h>

#include "base/sqlmsg.h"
#include "codec/codepage.h"
#include "codec/decimal.h"
#include "codec/utf.h"
#include "base/banned.h"

/* A value for a message, ended and not too long. */
static const char *quote(struct qr_str s, char dst[256])
{
    size_t n = qr_utf_prefix(s, 80);
    n = n < 255 ? n : 255;
    if (n > 0)
        memcpy(dst, s.p, n);
    dst[n] = 0;
    return dst;
}

static enum qr_num parse_int(struct qr_str s, int64_t *ret_value)
{
    s = qr_str_trim(s);
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    while (i > 0 && i < s.n && s.p[i] == ' ')
        i++;
    qr_i128 v = 0;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9)
            return QR_NUM_SYNTAX;
        if (v < ((qr_i128)1 << 100))
            v = v * 10 + (int)digit;
    }
    v = negative ? -v : v;
    if (v > INT64_MAX || v < INT64_MIN)
        return QR_NUM_OVERFLOW;
    *ret_value = (int64_t)v;
    return QR_NUM_OK;
}

static enum qr_status int_overflow(const struct qr_converter *c, struct qr_str text,
                                   struct qr_err *err)
{
    char q[256];
    if (c->to.id == QR_TYPE_BIGINT)
        return qr_sql_fail(err, 8115, "expression", "bigint");
    if (c->to.id == QR_TYPE_INT)
        return qr_sql_fail(err, 248, qr_type_name(&c->from), quote(text, q));
    return qr_sql_fail(err, 244, qr_type_name(&c->from), quote(text, q),
                       c->to.id == QR_TYPE_SMALLINT ? "INT2" : "INT1");
}

enum qr_status qri_text_to_int(const struct qr_converter *c, const struct qr_value *in,
                               const struct qr_convert_env *env, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)env;
    static const struct {
        int64_t min, max;
    } ranges[QR_TYPE_COUNT] = {
        [QR_TYPE_TINYINT] = {0, UINT8_MAX},
        [QR_TYPE_SMALLINT] = {INT16_MIN, INT16_MAX},
        [QR_TYPE_INT] = {INT32_MIN, INT32_MAX},
        [QR_TYPE_BIGINT] = {INT64_MIN, INT64_MAX},
    };
    struct qr_str text = qr_value_bytes(in);
    int64_t v;
    enum qr_num num = parse_int(text, &v);
    if (num == QR_NUM_SYNTAX) {
        char q[256];
        if (c->to.id == QR_TYPE_BIGINT)
            return qr_sql_fail(err, 8114, qr_type_name(&c->from), "bigint");
        return qr_sql_fail(err, 245, qr_type_name(&c->from), quote(text, q), qr_type_name(&c->to));
    }
    if (num != QR_NUM_OK || v < ranges[c->to.id].min || v > ranges[c->to.id].max)
        return int_overflow(c, text, err);
    *ret_value = qr_value_int(v);
    return QR_OK;
}

enum qr_status qri_text_to_bit(const struct qr_converter *c, const struct qr_value *in,
                               const struct qr_convert_env *env, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)env;
    struct qr_str text = qr_str_trim(qr_value_bytes(in));
    int64_t v = 0;
    if (qr_str_ieqz(text, "true")) {
        v = 1;
    } else if (qr_str_ieqz(text, "false")) {
        v = 0;
    } else if (parse_int(text, &v) == QR_NUM_SYNTAX) {
        char q[256];
        return qr_sql_fail(err, 245, qr_type_name(&c->from), quote(qr_value_bytes(in), q), "bit");
    }
    *ret_value = qr_value_int(v != 0);
    return QR_OK;
}

enum qr_status qri_text_to_decimal(const struct qr_converter *c, const struct qr_value *in,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    (void)env;
    qr_i128 v;
    enum qr_num num = qr_dec_parse(qr_value_bytes(in), c->to.precision, c->to.scale, &v);
    if (num != QR_NUM_OK)
        return qr_num_fail(err, num, qr_type_name(&c->from), "numeric");
    *ret_value = qr_value_decimal(&c->to, v);
    return QR_OK;
}

enum qr_status qri_text_to_money(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)env;
    int64_t v = 0;
    bool small = c->to.id == QR_TYPE_SMALLMONEY;
    enum qr_num num = qr_money_parse(qr_value_bytes(in), &v);
    if (num == QR_NUM_OK && small && (v > QR_SMALLMONEY_MAX || v < QR_SMALLMONEY_MIN))
        num = QR_NUM_OVERFLOW;
    if (num == QR_NUM_SYNTAX)
        return qr_sql_fail(err, small ? 293 : 235);
    if (num != QR_NUM_OK)
        return qr_sql_fail(err, small ? 294 : 236);
    *ret_value = qr_value_int(v);
    return QR_OK;
}

enum qr_status qri_text_to_float(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)env;
    double d;
    bool overflow;
    bool real = c->to.id == QR_TYPE_REAL;
    if (!qr_float_parse(qr_value_bytes(in), &d, &overflow))
        return qr_sql_fail(err, 8114, qr_type_name(&c->from), qr_type_name(&c->to));
    if (overflow || (real && fabs(d) > 3.40282346638528859e38))
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&c->to));
    *ret_value = qr_value_real(real ? (double)(float)d : d);
    return QR_OK;
}

enum qr_status qri_text_to_datetime(const struct qr_converter *c, const struct qr_value *in,
                                    const struct qr_convert_env *env, struct qr_value *ret_value,
                                    struct qr_err *err)
{
    enum qr_dt dt =
        qr_datetime_parse(qr_value_bytes(in), &c->to, env->dateformat, c->style, ret_value);
    return qr_dt_fail(err, dt, &c->from, &c->to);
}

enum qr_status qri_text_to_guid(const struct qr_converter *c, const struct qr_value *in,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    (void)c;
    uint8_t ordered[16];
    if (!qr_guid_parse(qr_value_bytes(in), ordered))
        return qr_sql_fail(err, 8169);
    char *p = qr_arena_dup(env->arena, ordered, 16);
    if (p == NULL)
        return QR_NOMEM;
    *ret_value = qr_value_blob(p, 16);
    return QR_OK;
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch = (char)(ch | 0x20);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static enum qr_status hex_bytes(const struct qr_converter *c, struct qr_str s,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    bool prefix = s.n >= 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
    size_t start = prefix ? 2 : 0;
    uint8_t *out = qr_arena_alloc(env->arena, s.n / 2 + 1);
    if (out == NULL)
        return QR_NOMEM;
    bool good = prefix == (c->style == 1) && s.n % 2 == 0;
    size_t n = 0;
    for (size_t i = start; good && i < s.n; i += 2) {
        int hi = hex_digit(s.p[i]), lo = hex_digit(s.p[i + 1]);
        good = hi >= 0 && lo >= 0;
        out[n++] = (uint8_t)(((unsigned)hi << 4) | (unsigned)lo);
    }
    if (!good)
        return qr_sql_fail(err, 8114, qr_type_name(&c->from), qr_type_name(&c->to));
    return qri_finish_binary(c, out, n, false, env, ret_value, err);
}

enum qr_status qri_text_to_binary(const struct qr_converter *c, const struct qr_value *in,
                                  const struct qr_convert_env *env, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    struct qr_str text = qr_value_bytes(in);
    if (c->style == 1 || c->style == 2)
        return hex_bytes(c, text, env, ret_value, err);
    uint8_t *out = qr_arena_alloc(env->arena, 2 * text.n + 2);
    if (out == NULL)
        return QR_NOMEM;
    bool wide = qr_type_family(&c->from) == QR_FAMILY_NCHAR || c->from.id == QR_TYPE_XML;
    size_t n = wide ? 2 * qr_utf16le_from_utf8(text, out)
                    : qr_codepage_encode(qri_code_page(&c->from), text, out);
    return qri_finish_binary(c, out, n, false, env, ret_value, err);
}
