/* Numbers and dates to numbers and dates: codec/convert.h. */
#include "convert_int.h"

#include <math.h>
#include <stdio.h>

#include "base/sqlmsg.h"
#include "codec/decimal.h"
#include "base/banned.h"

enum { UNITS_PER_DAY = 300 * 86400 };

static const struct range {
    int64_t min, max;
} ranges[QR_TYPE_COUNT] = {
    [QR_TYPE_TINYINT] = {0, UINT8_MAX},
    [QR_TYPE_SMALLINT] = {INT16_MIN, INT16_MAX},
    [QR_TYPE_INT] = {INT32_MIN, INT32_MAX},
    [QR_TYPE_BIGINT] = {INT64_MIN, INT64_MAX},
};

static const char *number_name(const struct qr_type *t)
{
    return qr_type_family(t) == QR_FAMILY_DECIMAL ? "numeric" : qr_type_name(t);
}

enum qr_status qri_int_result(const struct qr_converter *c, qr_i128 v, const char *from,
                              struct qr_value *ret_value, struct qr_err *err)
{
    const struct range *r = &ranges[c->to.id];
    if (v >= r->min && v <= r->max) {
        *ret_value = qr_value_int((int64_t)v);
        return QR_OK;
    }
    bool small = c->to.id == QR_TYPE_TINYINT || c->to.id == QR_TYPE_SMALLINT;
    if (small && qr_type_family(&c->from) == QR_FAMILY_INT) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)v);
        enum qr_status status = qr_sql_fail(err, 220, qr_type_name(&c->to), text);
        if (c->to.id == QR_TYPE_TINYINT && err != NULL)
            err->state = 2;
        return status;
    }
    return qr_sql_fail(err, 8115, from, qr_type_name(&c->to));
}

enum qr_status qr_float_overflow(struct qr_err *err, const struct qr_type *to, const char *text)
{
    enum qr_status status = qr_sql_fail(err, 232, qr_type_name(to), text);
    if (err != NULL)
        err->state = to->id == QR_TYPE_INT ? 3 : to->id == QR_TYPE_SMALLINT ? 2 : 1;
    return status;
}

/* 232 carries the value. */
static enum qr_status float_overflow(const struct qr_converter *c, double d, struct qr_err *err)
{
    char text[400];
    snprintf(text, sizeof text, "%f", d);
    return qr_float_overflow(err, &c->to, text);
}

/* Days since 1900 of a datetime or smalldatetime, as a number. */
static double days_of(const struct qr_type *t, const struct qr_value *v)
{
    return t->id == QR_TYPE_DATETIME ? (double)v->i / UNITS_PER_DAY : (double)v->i / 1440;
}

enum qr_status qri_number_to_int(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)env;
    switch ((int)qr_type_family(&c->from)) {
    case QR_FAMILY_INT:
        return qri_int_result(c, in->i, "expression", ret_value, err);
    case QR_FAMILY_DECIMAL:
        return qri_int_result(c, qr_value_scaled(in) / qr_dec_pow10(c->from.scale), "numeric",
                              ret_value, err);
    case QR_FAMILY_MONEY: { /* rounds, where decimal cuts off */
        int64_t v = in->i;
        return qri_int_result(c, ((qr_i128)v + (v < 0 ? -5000 : 5000)) / 10000,
                              qr_type_name(&c->from), ret_value, err);
    }
    case QR_FAMILY_DATETIME:
        return qri_int_result(c, (qr_i128)floor(days_of(&c->from, in) + 0.5), "expression",
                              ret_value, err);
    default:
        break;
    }
    double d = trunc(in->r);
    if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0) ||
        d < (double)ranges[c->to.id].min || d > (double)ranges[c->to.id].max) {
        if (c->to.id == QR_TYPE_BIGINT)
            return qr_sql_fail(err, 8115, "expression", "bigint");
        return float_overflow(c, in->r, err);
    }
    *ret_value = qr_value_int((int64_t)d);
    return QR_OK;
}

enum qr_status qri_number_to_bit(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)c;
    (void)env;
    (void)err;
    bool set = in->cell == QR_CELL_REAL ? in->r != 0 : qr_value_scaled(in) != 0;
    *ret_value = qr_value_int(set);
    return QR_OK;
}

/* Exact numbers as a scaled integer. */
static qr_i128 scaled_of(const struct qr_converter *c, const struct qr_value *in, int *ret_scale)
{
    enum qr_family f = qr_type_family(&c->from);
    *ret_scale = f == QR_FAMILY_MONEY ? QR_MONEY_SCALE : f == QR_FAMILY_DECIMAL ? c->from.scale : 0;
    return qr_value_scaled(in);
}

enum qr_status qri_number_to_decimal(const struct qr_converter *c, const struct qr_value *in,
                                     const struct qr_convert_env *env, struct qr_value *ret_value,
                                     struct qr_err *err)
{
    (void)env;
    qr_i128 v;
    enum qr_num num;
    enum qr_family f = qr_type_family(&c->from);
    if (f == QR_FAMILY_FLOAT || f == QR_FAMILY_DATETIME) {
        double d = f == QR_FAMILY_FLOAT ? in->r : days_of(&c->from, in);
        num = qr_dec_from_double(d, c->to.precision, c->to.scale, &v);
    } else {
        int scale;
        qr_i128 exact = scaled_of(c, in, &scale);
        num = qr_dec_rescale(exact, scale, c->to.scale, c->to.precision, &v);
    }
    if (num != QR_NUM_OK)
        return qr_num_fail(err, num, number_name(&c->from), "numeric");
    *ret_value = qr_value_decimal(&c->to, v);
    return QR_OK;
}

enum qr_status qri_number_to_money(const struct qr_converter *c, const struct qr_value *in,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    (void)env;
    enum qr_family f = qr_type_family(&c->from);
    qr_i128 v;
    enum qr_num num;
    if (f == QR_FAMILY_FLOAT || f == QR_FAMILY_DATETIME) {
        double d = f == QR_FAMILY_FLOAT ? in->r : days_of(&c->from, in);
        num = qr_dec_from_double(d, 19, QR_MONEY_SCALE, &v);
        if (num != QR_NUM_OK)
            return float_overflow(c, d, err);
    } else {
        int scale;
        qr_i128 exact = scaled_of(c, in, &scale);
        num = qr_dec_rescale(exact, scale, QR_MONEY_SCALE, 38, &v);
    }
    bool small = c->to.id == QR_TYPE_SMALLMONEY;
    if (num != QR_NUM_OK || v > (small ? INT32_MAX : INT64_MAX) ||
        v < (small ? INT32_MIN : INT64_MIN))
        return qr_sql_fail(err, 8115, f == QR_FAMILY_INT ? "expression" : number_name(&c->from),
                           qr_type_name(&c->to));
    *ret_value = qr_value_int((int64_t)v);
    return QR_OK;
}

enum qr_status qri_number_to_float(const struct qr_converter *c, const struct qr_value *in,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    (void)env;
    double d;
    switch ((int)qr_type_family(&c->from)) {
    case QR_FAMILY_INT:
        d = (double)in->i;
        break;
    case QR_FAMILY_FLOAT:
        d = in->r;
        break;
    case QR_FAMILY_DATETIME:
        d = days_of(&c->from, in);
        break;
    default: {
        int scale;
        qr_i128 v = scaled_of(c, in, &scale);
        d = qr_dec_to_double(v, scale);
    }
    }
    if (c->to.id == QR_TYPE_REAL) {
        if (fabs(d) > 3.40282346638528859e38)
            return float_overflow(c, d, err);
        d = (double)(float)d;
    }
    *ret_value = qr_value_real(d);
    return QR_OK;
}

enum qr_status qri_number_to_datetime(const struct qr_converter *c, const struct qr_value *in,
                                      const struct qr_convert_env *env, struct qr_value *ret_value,
                                      struct qr_err *err)
{
    (void)env;
    double days;
    if (qr_type_family(&c->from) == QR_FAMILY_FLOAT) {
        days = in->r;
    } else {
        int scale;
        qr_i128 v = scaled_of(c, in, &scale);
        days = qr_dec_to_double(v, scale);
    }
    struct qr_value day0 = qr_value_int(0); /* 1900-01-01 in both types */
    if (qr_datetime_add_days(&c->to, &day0, days, ret_value) != QR_DT_OK)
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&c->to));
    return QR_OK;
}

enum qr_status qri_datetime_to_datetime(const struct qr_converter *c, const struct qr_value *in,
                                        const struct qr_convert_env *env,
                                        struct qr_value *ret_value, struct qr_err *err)
{
    (void)env;
    return qr_dt_fail(err, qr_datetime_convert(&c->from, in, &c->to, ret_value), &c->from, &c->to);
}
