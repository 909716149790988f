/* fn_convert.c - see expr/func.h: ISNUMERIC, PARSE */
#include "expr_int.h"
#include <string.h>
#include "codec/datetime.h"
#include "culture.h"
#include "base/banned.h"

/* --- ISNUMERIC --- */

static enum qr_status fn_isnumeric(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    (void)err;
    *ret = qr_value_int(0);
    if (qr_value_is_null(&c->args[0]))
        return QR_OK;
    const struct qr_type *type = qri_arg_type(c, 0);
    if (!qr_type_is_string(type)) {
        *ret = qr_value_int(qr_type_is_number(type));
        return QR_OK;
    }
    struct qr_str text = qr_str_trim(qri_arg_str(c, 0));
    double d;
    bool overflow = false;
    int64_t money;
    /* signs, points and commas alone convert to money, so they count */
    bool lone = text.n == 1 && strchr("+-.,$", text.p[0]) != NULL && text.p[0] != '\0';
    bool good = text.n > 0 && (lone || (qr_float_parse(text, &d, &overflow) && !overflow) ||
                               qr_money_parse(text, &money) == QR_NUM_OK);
    *ret = qr_value_int(good);
    return QR_OK;
}

/* --- PARSE --- */

/* "(1,234.50)" and "1,234.50-" to "-1234.50": what .NET's number styles allow. */
static struct qr_str plain_number(const struct qri_culture *culture, struct qr_str s, bool money,
                                  char *out)
{
    size_t n = 0, currency = strlen(culture->currency);
    bool negative = false;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (money && currency > 0 && s.n - i >= currency &&
            memcmp(s.p + i, culture->currency, currency) == 0) {
            i += currency - 1;
        } else if (ch == '-' || (money && (ch == '(' || ch == ')'))) {
            negative = true;
        } else if (ch == culture->decimal_point) {
            out[++n] = '.';
        } else if (ch != culture->group && ch != '+') {
            out[++n] = ch;
        }
    }
    out[0] = '-'; /* digits start at 1 */
    return negative ? qr_str_n(out, n + 1) : qr_str_n(out + 1, n);
}

/* "Monday, 13 December 2010": the weekday carries nothing. */
static struct qr_str without_weekday(struct qr_str s)
{
    static const char *const days[] = {"monday", "tuesday",  "wednesday", "thursday",
                                       "friday", "saturday", "sunday"};
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        size_t n = qr_str_starts_i(s, days[i]) ? strlen(days[i]) : 3;
        if (s.n < n || !qr_str_ieq(qr_str_n(s.p, n), qr_str_n(days[i], n)))
            continue;
        if (s.n > n && (s.p[n] == ',' || s.p[n] == ' '))
            return qr_str_trim(qr_str_n(s.p + n + 1, s.n - n - 1));
    }
    return s;
}

static enum qr_status parse_date(const struct qr_expr *e, const struct qri_culture *culture,
                                 struct qr_str text, struct qr_value *ret, bool *ret_good)
{
    enum qr_dt dt = qr_datetime_parse(without_weekday(text), &e->type, culture->dates, 0, ret);
    *ret_good = dt == QR_DT_OK;
    return QR_OK;
}

static enum qr_status parse_number(const struct qr_expr *e, struct qr_eval *ctx,
                                   const struct qri_culture *culture, struct qr_str text,
                                   struct qr_value *ret, bool *ret_good, struct qr_err *err)
{
    char *out = qr_arena_alloc(ctx->arena, text.n + 2);
    if (out == NULL)
        return qri_expr_nomem(err);
    bool money = qri_number_of(&e->type) == QRI_MONEY;
    struct qr_value plain = qr_value_str(plain_number(culture, text, money, out));
    struct qr_type from = qr_type_sized(QR_TYPE_VARCHAR, QR_CHAR_LENGTH_MAX);
    struct qr_convert_env env = qri_convert_env(ctx);
    enum qr_status status =
        plain.n == 0 ? QR_SQL : qr_convert_once(&from, &plain, &e->type, &env, ret, NULL);
    *ret_good = status == QR_OK;
    return status == QR_SQL ? QR_OK : status;
}

enum qr_status qri_parse_value(const struct qr_expr *e, struct qr_eval *ctx,
                               const struct qr_value *text, struct qr_value *ret_value,
                               struct qr_err *err)
{
    struct qr_value name = qr_value_str(qr_str("en-US"));
    if (e->arg_count == 2)
        QR_TRY(qr_expr_eval(e->args[1], ctx, &name, err));
    if (qr_value_is_null(&name)) {
        *ret_value = name;
        return QR_OK;
    }
    char *name_z = qr_arena_dup(ctx->arena, name.p, name.n);
    char *text_z = qr_arena_dup(ctx->arena, text->p, text->n);
    if (name_z == NULL || text_z == NULL)
        return qri_expr_nomem(err);
    const struct qri_culture *culture = qri_culture_find(qr_value_bytes(&name));
    if (culture == NULL)
        return qr_sql_fail(err, 9818, name_z);
    struct qr_str trimmed = qr_str_trim(qr_value_bytes(text));
    bool good = false;
    if (qr_type_family(&e->type) == QR_FAMILY_DATETIME)
        QR_TRY(parse_date(e, culture, trimmed, ret_value, &good));
    else
        QR_TRY(parse_number(e, ctx, culture, trimmed, ret_value, &good, err));
    if (!good)
        return qr_sql_fail(err, 9819, text_z, qr_type_name(&e->type), name_z);
    return QR_OK;
}

static const struct qr_func convert_funcs[] = {
    {"ISNUMERIC", 1, 1, "*", NULL, QR_TYPE_INT, 0, fn_isnumeric, QR_FUNC_NULLS | QR_FUNC_NOT_NULL,
     QR_HOST_NONE},
};
const struct qri_family qri_convert_funcs = {convert_funcs,
                                             sizeof convert_funcs / sizeof convert_funcs[0]};
