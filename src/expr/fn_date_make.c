/* fn_date_make.c - see expr/func.h: ...FROMPARTS */
#include "expr_int.h"
#include "codec/datetime.h"
#include "base/banned.h"

static enum qr_status bad_parts(const struct qr_call *c, struct qr_err *err)
{
    return qr_sql_fail(err, 289, qr_type_name(&c->expr->type));
}

static bool date_of(const struct qr_value *a, int32_t *ret_days)
{
    if (a[0].i < 1 || a[0].i > 9999 || a[1].i < 1 || a[1].i > 12 || a[2].i < 1 || a[2].i > 31 ||
        !qr_date_valid((int)a[0].i, (int)a[1].i, (int)a[2].i))
        return false;
    *ret_days = qr_days_from_ymd((int)a[0].i, (int)a[1].i, (int)a[2].i);
    return true;
}

/* Hours, minutes, seconds and a fraction in units of 10^-digits. */
static bool time_of(int64_t h, int64_t m, int64_t s, int64_t fraction, int digits,
                    int64_t *ret_ticks)
{
    int64_t unit = 1, per_second = QR_TICKS_PER_SECOND;
    for (int i = digits; i < 7; i++)
        unit *= 10;
    if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 59 || fraction < 0 ||
        fraction >= per_second / unit)
        return false;
    *ret_ticks = ((h * 60 + m) * 60 + s) * per_second + fraction * unit;
    return true;
}

static enum qr_status made(const struct qr_call *c, const struct qr_moment *m, struct qr_value *ret,
                           struct qr_err *err)
{
    return qr_moment_to(&c->expr->type, m, ret) == QR_DT_OK ? QR_OK : bad_parts(c, err);
}

static enum qr_status fn_date(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_moment m = {0, 0, 0};
    if (!date_of(c->args, &m.days))
        return bad_parts(c, err);
    return made(c, &m, ret, err);
}

static enum qr_status fn_datetime(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    const struct qr_value *a = c->args;
    struct qr_moment m = {0, 0, 0};
    if (!date_of(a, &m.days) || !time_of(a[3].i, a[4].i, a[5].i, a[6].i, 3, &m.ticks))
        return bad_parts(c, err);
    return made(c, &m, ret, err);
}

static enum qr_status fn_smalldatetime(const struct qr_call *c, struct qr_value *ret,
                                       struct qr_err *err)
{
    const struct qr_value *a = c->args;
    struct qr_moment m = {0, 0, 0};
    if (!date_of(a, &m.days) || !time_of(a[3].i, a[4].i, 0, 0, 0, &m.ticks))
        return bad_parts(c, err);
    return made(c, &m, ret, err);
}

/* With precision 0 a fraction is only allowed to be 0: a unit of a second is one of those. */
static bool precise_time(const struct qr_call *c, const struct qr_value *a, int64_t *ret_ticks)
{
    return time_of(a[0].i, a[1].i, a[2].i, a[3].i, c->expr->type.scale, ret_ticks);
}

static enum qr_status fn_time(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_moment m = {QR_DAYS_1900, 0, 0};
    if (!precise_time(c, c->args, &m.ticks))
        return bad_parts(c, err);
    return made(c, &m, ret, err);
}

static enum qr_status fn_datetime2(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    struct qr_moment m = {0, 0, 0};
    if (!date_of(c->args, &m.days) || !precise_time(c, c->args + 3, &m.ticks))
        return bad_parts(c, err);
    return made(c, &m, ret, err);
}

static enum qr_status fn_datetimeoffset(const struct qr_call *c, struct qr_value *ret,
                                        struct qr_err *err)
{
    struct qr_moment m = {0, 0, 0};
    int64_t hours = c->args[7].i, minutes = c->args[8].i;
    bool mixed = (hours > 0 && minutes < 0) || (hours < 0 && minutes > 0);
    if (!date_of(c->args, &m.days) || !precise_time(c, c->args + 3, &m.ticks) || mixed ||
        hours < -14 || hours > 14 || minutes < -59 || minutes > 59 ||
        hours * 60 + minutes > QR_OFFSET_MINUTES_MAX ||
        hours * 60 + minutes < -QR_OFFSET_MINUTES_MAX)
        return bad_parts(c, err);
    m.offset = (int16_t)(hours * 60 + minutes);
    return made(c, &m, ret, err);
}

/* The last argument is the precision: a constant 0 to 7. */
static enum qr_status type_precise(struct qr_func_typing *t)
{
    enum qr_type_id id = t->arg_count == 5   ? QR_TYPE_TIME
                         : t->arg_count == 8 ? QR_TYPE_DATETIME2
                                             : QR_TYPE_DATETIMEOFFSET;
    const struct qr_expr *last = t->args[t->arg_count - 1];
    if (!qri_is_const(last) || qr_value_is_null(&last->u.value))
        return qr_sql_fail(t->b->err, 10760, qr_type_info(id)->name);
    if (last->u.value.i < 0 || last->u.value.i > 7)
        return qr_sql_fail(t->b->err, 1002, t->b->line, (int)last->u.value.i);
    t->type = qr_type_time(id, (uint8_t)last->u.value.i);
    return QR_OK;
}

static const struct qr_func make_funcs[] = {
    /* clang-format off */
    {"DATEFROMPARTS",      3, 3, "i", NULL, QR_TYPE_DATE, 0, fn_date, 0, QR_HOST_NONE},
    {"DATETIME2FROMPARTS", 8, 8, "i", type_precise, 0, 0, fn_datetime2, 0, QR_HOST_NONE},
    {"DATETIMEFROMPARTS",  7, 7, "i", NULL, QR_TYPE_DATETIME, 0, fn_datetime, 0, QR_HOST_NONE},
    {"DATETIMEOFFSETFROMPARTS", 10, 10, "i", type_precise, 0, 0, fn_datetimeoffset, 0,
     QR_HOST_NONE},
    {"SMALLDATETIMEFROMPARTS", 5, 5, "i", NULL, QR_TYPE_SMALLDATETIME, 0, fn_smalldatetime, 0,
     QR_HOST_NONE},
    {"TIMEFROMPARTS",      5, 5, "i", type_precise, 0, 0, fn_time, 0, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_date_make_funcs = {make_funcs,
                                               sizeof make_funcs / sizeof make_funcs[0]};
