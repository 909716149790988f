/* fn_date.c - see expr/func.h: clock, date arithmetic, parts, zones */
#include "expr_int.h"
#include <string.h>
#include "codec/datetime.h"
#include "expr/language.h"
#include "base/banned.h"

/* --- the statement's clock --- */

static enum qr_status clock_value(const struct qr_call *c, bool local, struct qr_value *ret,
                                  struct qr_err *err)
{
    const struct qr_eval_settings *s = c->ctx->settings;
    int64_t offset = local ? s->now_offset_minutes : 0;
    int64_t ticks = s->now_utc_ticks + offset * 60 * QR_TICKS_PER_SECOND;
    struct qr_moment m = {(int32_t)(ticks / QR_TICKS_PER_DAY), ticks % QR_TICKS_PER_DAY,
                          (int16_t)offset};
    if (qr_moment_to(&c->expr->type, &m, ret) != QR_DT_OK)
        return qri_overflow(c->ctx, &c->expr->type, ret, err);
    return QR_OK;
}

static enum qr_status fn_getdate(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return clock_value(c, true, ret, err);
}

static enum qr_status fn_getutcdate(const struct qr_call *c, struct qr_value *ret,
                                    struct qr_err *err)
{
    return clock_value(c, false, ret, err);
}

/* --- DATEADD, DATEDIFF and the parts --- */

static enum qr_datepart part_of(const struct qr_call *c)
{
    return (enum qr_datepart)c->args[0].i;
}

static enum qr_status bad_part(const struct qr_call *c, size_t date_index, const char *name,
                               struct qr_err *err)
{
    return qr_sql_fail(err, 9810, qr_datepart_name(part_of(c)), name,
                       qr_type_name(qri_arg_type(c, date_index)));
}

/* A bigint may be counted that is none of int. */
static enum qr_status type_count(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[1]->type;
    if (type->id == QR_TYPE_BIGINT)
        return QR_OK;
    if (!qr_type_is_number(type) && !qr_type_is_string(type) && !qri_is_null_literal(t->args[1]))
        return qri_bad_argument(t, 1);
    return qr_expr_convert(t->b, qr_type_of(QR_TYPE_INT), t->args[1], &t->args[1]);
}

/* Strings are datetime here, where most functions take them as datetime2. */
static enum qr_status type_dateadd(struct qr_func_typing *t)
{
    enum qr_family family = qr_type_family(&t->args[2]->type);
    QR_TRY(type_count(t));
    if (family != QR_FAMILY_DATETIME) {
        if (!qr_type_is_string(&t->args[2]->type) && !qr_type_is_number(&t->args[2]->type) &&
            !qri_is_null_literal(t->args[2]))
            return qri_bad_argument(t, 2);
        QR_TRY(qr_expr_convert(t->b, qr_type_of(QR_TYPE_DATETIME), t->args[2], &t->args[2]));
    }
    t->type = t->args[2]->type;
    t->nullable = t->args[1]->nullable || t->args[2]->nullable;
    return QR_OK;
}

static enum qr_status fn_dateadd(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    const struct qr_type *type = &c->expr->type;
    switch (qr_dateadd(part_of(c), c->args[1].i, type, &c->args[2], ret)) {
    case QR_DT_OK:
        return QR_OK;
    case QR_DT_BAD_PART:
        return bad_part(c, 2, "dateadd", err);
    case QR_DT_SYNTAX:
    case QR_DT_RANGE:
        break;
    }
    return qr_sql_fail(err, 517, qr_type_name(type));
}

static enum qr_status date_diff(const struct qr_call *c, const char *name, int64_t *ret_count,
                                struct qr_err *err)
{
    enum qr_dt dt = qr_datediff(part_of(c), qri_arg_type(c, 1), &c->args[1], qri_arg_type(c, 2),
                                &c->args[2], ret_count);
    if (dt == QR_DT_BAD_PART)
        return bad_part(c, 1, name, err);
    return dt == QR_DT_OK ? QR_OK : qr_sql_fail(err, 535, name, name);
}

static enum qr_status fn_datediff(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int64_t count;
    QR_TRY(date_diff(c, "datediff", &count, err));
    if (count > INT32_MAX || count < INT32_MIN)
        return qr_sql_fail(err, 535, "datediff", "datediff");
    *ret = qr_value_int(count);
    return QR_OK;
}

static enum qr_status fn_datediff_big(const struct qr_call *c, struct qr_value *ret,
                                      struct qr_err *err)
{
    int64_t count;
    QR_TRY(date_diff(c, "datediff_big", &count, err));
    *ret = qr_value_int(count);
    return QR_OK;
}

/* Weeks and weekdays follow SET DATEFIRST. */
static bool follows_datefirst(const struct qr_expr *part)
{
    return part->u.value.i == QR_PART_WEEK || part->u.value.i == QR_PART_WEEKDAY;
}

static enum qr_status type_datepart(struct qr_func_typing *t)
{
    t->type = qr_type_of(QR_TYPE_INT);
    if (follows_datefirst(t->args[0]))
        t->volatility = QR_STABLE;
    return QR_OK;
}

static enum qr_status fn_datepart(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int number;
    enum qr_dt dt = qr_datepart(part_of(c), qri_arg_type(c, 1), &c->args[1],
                                c->ctx->settings->datefirst, &number);
    if (dt != QR_DT_OK)
        return bad_part(c, 1, "datepart", err);
    *ret = qr_value_int(number);
    return QR_OK;
}

static enum qr_status type_datename(struct qr_func_typing *t)
{
    QR_TRY(type_datepart(t));
    qri_result_string(t, true, 30);
    t->volatility = QR_STABLE; /* the session's language */
    return QR_OK;
}

static enum qr_status fn_datename(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    char *out;
    size_t n;
    QR_TRY(qri_room(c, QR_DT_TEXT_BYTES, &out, err));
    enum qr_dt dt = qr_datename(part_of(c), qri_arg_type(c, 1), &c->args[1],
                                c->ctx->settings->datefirst, out, &n);
    if (dt != QR_DT_OK)
        return bad_part(c, 1, "datename", err);
    *ret = qr_value_text(out, n);
    const struct qr_language *language = qr_language_by_id(c->ctx->settings->language_id);
    if (language == NULL || language->id == 0)
        return QR_OK;
    int number = 0;
    if (part_of(c) == QR_PART_MONTH &&
        qr_datepart(QR_PART_MONTH, qri_arg_type(c, 1), &c->args[1], 7, &number) == QR_DT_OK)
        *ret = qr_value_str(qr_language_name(language->months, number - 1));
    if (part_of(c) == QR_PART_WEEKDAY) /* 1 is a Monday where weeks begin with it */
        if (qr_datepart(QR_PART_WEEKDAY, qri_arg_type(c, 1), &c->args[1], 1, &number) == QR_DT_OK)
            *ret = qr_value_str(qr_language_name(language->days, number - 1));
    return QR_OK;
}

static enum qr_status fixed_part(const struct qr_call *c, enum qr_datepart part, const char *name,
                                 struct qr_value *ret, struct qr_err *err)
{
    int number;
    const struct qr_type *type = qri_arg_type(c, 0);
    if (qr_datepart(part, type, &c->args[0], 7, &number) != QR_DT_OK)
        return qr_sql_fail(err, 9810, qr_datepart_name(part), name, qr_type_name(type));
    *ret = qr_value_int(number);
    return QR_OK;
}

static enum qr_status fn_day(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return fixed_part(c, QR_PART_DAY, "day", ret, err);
}

static enum qr_status fn_month(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return fixed_part(c, QR_PART_MONTH, "month", ret, err);
}

static enum qr_status fn_year(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return fixed_part(c, QR_PART_YEAR, "year", ret, err);
}

static enum qr_status type_like_date(struct qr_func_typing *t)
{
    size_t index = t->func->args_min == 2 ? 1 : 2;
    t->type = t->args[index]->type;
    if (follows_datefirst(t->args[0]))
        t->volatility = QR_STABLE;
    return QR_OK;
}

/* 10: the part is not of the type; 11: nor of its precision. */
static enum qr_status bad_trunc(const struct qr_call *c, uint8_t state, struct qr_err *err)
{
    enum qr_status status = bad_part(c, 1, "datetrunc", err);
    if (err != NULL)
        err->state = state;
    return status;
}

static int fraction_digits(const struct qr_type *type)
{
    return type->id == QR_TYPE_DATETIME ? 3 : type->id == QR_TYPE_SMALLDATETIME ? 0 : type->scale;
}

static enum qr_status fn_datetrunc(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    int digits = fraction_digits(qri_arg_type(c, 1));
    bool is_date = qri_arg_type(c, 1)->id == QR_TYPE_DATE;
    if (!is_date && ((part_of(c) == QR_PART_MICROSECOND && digits < 6) ||
                     (part_of(c) == QR_PART_MILLISECOND && digits < 3)))
        return bad_trunc(c, 11, err);
    enum qr_dt dt =
        qr_datetrunc(part_of(c), qri_arg_type(c, 1), &c->args[1], c->ctx->settings->datefirst, ret);
    if (dt == QR_DT_BAD_PART)
        return bad_trunc(c, 10, err);
    return dt == QR_DT_OK ? QR_OK : qr_sql_fail(err, 517, qr_type_name(&c->expr->type));
}

static enum qr_status fn_eomonth(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    *ret = qr_value_null();
    if (qr_value_is_null(&c->args[0]))
        return QR_OK;
    int64_t months = c->arg_count > 1 && !qr_value_is_null(&c->args[1]) ? c->args[1].i : 0;
    struct qr_moment m = qr_moment_of(qri_arg_type(c, 0), &c->args[0]);
    int32_t days;
    if (qr_eomonth(&m, months, &days) != QR_DT_OK)
        return qr_sql_fail(err, 517, "date");
    *ret = qr_value_int(days);
    return QR_OK;
}

/* --- DATE_BUCKET --- */

/* Ticks of a part with a fixed length, 0 for months, quarters and years, -1 for what has none. */
static int64_t part_ticks(enum qr_datepart part)
{
    static const int64_t ticks[QR_PART_COUNT] = {
        [QR_PART_DAYOFYEAR] = -1,
        [QR_PART_DAY] = QR_TICKS_PER_DAY,
        [QR_PART_WEEK] = 7 * QR_TICKS_PER_DAY,
        [QR_PART_WEEKDAY] = -1,
        [QR_PART_HOUR] = 3600 * QR_TICKS_PER_SECOND,
        [QR_PART_MINUTE] = 60 * QR_TICKS_PER_SECOND,
        [QR_PART_SECOND] = QR_TICKS_PER_SECOND,
        [QR_PART_MILLISECOND] = QR_TICKS_PER_SECOND / 1000,
        [QR_PART_MICROSECOND] = -1,
        [QR_PART_NANOSECOND] = -1,
        [QR_PART_TZOFFSET] = -1,
        [QR_PART_ISO_WEEK] = -1,
    };
    return ticks[part];
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t moment_ticks(const struct qr_moment *m)
{
    return m->days * QR_TICKS_PER_DAY + m->ticks;
}

/* Whole calendar months from origin to m, rounded down. */
static int64_t months_between(const struct qr_moment *origin, const struct qr_moment *m)
{
    int y1, m1, d1, y2, m2, d2;
    qr_ymd_from_days(origin->days, &y1, &m1, &d1);
    qr_ymd_from_days(m->days, &y2, &m2, &d2);
    int64_t months = (int64_t)(y2 - y1) * 12 + m2 - m1;
    if (d2 < d1 || (d2 == d1 && m->ticks < origin->ticks))
        months--;
    return months;
}

static enum qr_status fn_date_bucket(const struct qr_call *c, struct qr_value *ret,
                                     struct qr_err *err)
{
    enum qr_datepart part = part_of(c);
    const struct qr_type *type = qri_arg_type(c, 2);
    struct qr_moment m = qr_moment_of(type, &c->args[2]);
    struct qr_moment origin = {QR_DAYS_1900, 0, m.offset};
    if (c->arg_count == 4)
        origin = qr_moment_of(qri_arg_type(c, 3), &c->args[3]);
    int64_t width = c->args[1].i, unit = part_ticks(part);
    if (unit < 0)
        return bad_part(c, 2, "date_bucket", err);
    if (width <= 0 || width > INT32_MAX)
        return qr_sql_fail(err, 9834);
    enum qr_dt dt;
    if (unit > 0) {
        int64_t from = moment_ticks(&origin), step;
        if (__builtin_mul_overflow(width, unit, &step))
            return qr_sql_fail(err, 517, qr_type_name(type));
        int64_t at = from + floor_div(moment_ticks(&m) - from, step) * step;
        if (at < 0)
            return qr_sql_fail(err, 517, qr_type_name(type));
        struct qr_moment r = {(int32_t)(at / QR_TICKS_PER_DAY), at % QR_TICKS_PER_DAY, m.offset};
        dt = qr_moment_to(type, &r, ret);
    } else {
        int64_t months = part == QR_PART_YEAR ? 12 : part == QR_PART_QUARTER ? 3 : 1;
        int64_t step = width * months;
        struct qr_value start;
        dt = qr_moment_to(type, &origin, &start);
        if (dt == QR_DT_OK)
            dt = qr_dateadd(QR_PART_MONTH, floor_div(months_between(&origin, &m), step) * step,
                            type, &start, ret);
    }
    return dt == QR_DT_OK ? QR_OK : qr_sql_fail(err, 517, qr_type_name(type));
}

/* --- ISDATE --- */

static enum qr_status type_isdate(struct qr_func_typing *t)
{
    enum qr_type_id id = t->args[0]->type.id;
    t->type = qr_type_of(QR_TYPE_INT);
    t->nullable = false;
    t->volatility = QR_STABLE;
    if (id == QR_TYPE_DATETIME || id == QR_TYPE_SMALLDATETIME)
        return QR_OK;
    if (qr_type_family(&t->args[0]->type) == QR_FAMILY_DATETIME)
        return qri_bad_argument(t, 0);
    return qri_arg_string(t, 0);
}

static enum qr_status fn_isdate(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    *ret = qr_value_int(0);
    if (qr_value_is_null(&c->args[0]))
        return QR_OK;
    bool good = qr_type_family(qri_arg_type(c, 0)) == QR_FAMILY_DATETIME;
    if (!good) {
        struct qr_type type = qr_type_of(QR_TYPE_DATETIME);
        struct qr_value v;
        struct qr_str text = qr_str_trim(qri_arg_str(c, 0));
        good = text.n > 0 &&
               qr_datetime_parse(text, &type, c->ctx->settings->dateformat, 0, &v) == QR_DT_OK;
    }
    *ret = qr_value_int(good);
    return QR_OK;
}

/* --- offsets and zones --- */

static enum qr_status type_offset(struct qr_func_typing *t)
{
    bool to = t->func->name[0] == 'T'; /* TODATETIMEOFFSET wants no offset yet */
    const struct qr_type *type = &t->args[0]->type;
    bool dated = qr_type_family(type) == QR_FAMILY_DATETIME;
    uint8_t scale = dated && (type->id == QR_TYPE_DATETIME2 || type->id == QR_TYPE_DATETIMEOFFSET)
                        ? type->scale
                    : type->id == QR_TYPE_DATETIME ? 3
                                                   : 7;
    struct qr_type want = qr_type_time(to ? QR_TYPE_DATETIME2 : QR_TYPE_DATETIMEOFFSET, scale);
    QR_TRY(qr_expr_convert(t->b, want, t->args[0], &t->args[0]));
    if (!qr_type_is_string(&t->args[1]->type))
        QR_TRY(qr_expr_convert(t->b, qr_type_of(QR_TYPE_INT), t->args[1], &t->args[1]));
    t->type = qr_type_time(QR_TYPE_DATETIMEOFFSET, scale);
    return QR_OK;
}

static bool offset_of(const struct qr_call *c, int *ret_minutes)
{
    const struct qr_value *v = &c->args[1];
    if (v->cell == QR_CELL_TEXT)
        return qr_offset_parse(qr_str_trim(qr_value_bytes(v)), ret_minutes);
    *ret_minutes = (int)v->i;
    return v->i >= -QR_OFFSET_MINUTES_MAX && v->i <= QR_OFFSET_MINUTES_MAX;
}

static enum qr_status fn_switchoffset(const struct qr_call *c, struct qr_value *ret,
                                      struct qr_err *err)
{
    int minutes;
    qr_i128 dto;
    if (!offset_of(c, &minutes))
        return qr_sql_fail(err, 9812, "switchoffset");
    if (qr_switch_offset(c->args[0].w, minutes, &dto) != QR_DT_OK)
        return qr_sql_fail(err, 9813, "switchoffset");
    *ret = qr_value_wide(dto);
    return QR_OK;
}

static enum qr_status fn_todatetimeoffset(const struct qr_call *c, struct qr_value *ret,
                                          struct qr_err *err)
{
    int minutes;
    qr_i128 dto;
    if (!offset_of(c, &minutes))
        return qr_sql_fail(err, 9812, "todatetimeoffset");
    struct qr_moment m = qr_moment_of(qri_arg_type(c, 0), &c->args[0]);
    if (qr_to_offset(&m, minutes, &dto) != QR_DT_OK)
        return qr_sql_fail(err, 9813, "todatetimeoffset");
    *ret = qr_value_wide(dto);
    return QR_OK;
}

static enum qr_status type_at_time_zone(struct qr_func_typing *t)
{
    struct qr_type type = t->args[0]->type;
    if (qr_type_is_string(&type) || qri_is_null_literal(t->args[0])) {
        type = qr_type_time(QR_TYPE_DATETIME2, 7);
        QR_TRY(qr_expr_convert(t->b, type, t->args[0], &t->args[0]));
    }
    bool good = type.id == QR_TYPE_DATETIME || type.id == QR_TYPE_SMALLDATETIME ||
                type.id == QR_TYPE_DATETIME2 || type.id == QR_TYPE_DATETIMEOFFSET;
    if (!good)
        return qri_bad_argument(t, 0);
    uint8_t scale = type.id == QR_TYPE_DATETIME        ? 3
                    : type.id == QR_TYPE_SMALLDATETIME ? 0
                                                       : type.scale;
    t->type = qr_type_time(QR_TYPE_DATETIMEOFFSET, scale);
    return QR_OK;
}

static enum qr_status fn_at_time_zone(const struct qr_call *c, struct qr_value *ret,
                                      struct qr_err *err)
{
    struct qr_str name = qri_arg_str(c, 1);
    int zone = qr_zone_find(name);
    if (zone < 0) {
        char *z = qr_arena_dup(c->ctx->arena, name.p, name.n);
        return z == NULL ? qri_expr_nomem(err) : qr_sql_fail(err, 9820, z);
    }
    const struct qr_type *type = qri_arg_type(c, 0);
    qr_i128 dto;
    enum qr_dt dt;
    if (type->id == QR_TYPE_DATETIMEOFFSET) {
        int64_t utc = qr_dto_ticks(c->args[0].w);
        dt = qr_switch_offset(c->args[0].w, qr_zone_offset_utc(zone, utc), &dto);
    } else {
        struct qr_moment m = qr_moment_of(type, &c->args[0]);
        int minutes = qr_zone_offset_local(zone, moment_ticks(&m));
        dt = qr_to_offset(&m, minutes, &dto);
        int64_t utc = moment_ticks(&m) - minutes * 60 * QR_TICKS_PER_SECOND;
        if (dt == QR_DT_OK) /* a wall-clock time in a gap moves forward */
            dt = qr_switch_offset(dto, qr_zone_offset_utc(zone, utc), &dto);
    }
    if (dt != QR_DT_OK)
        return qr_sql_fail(err, 517, qr_type_name(&c->expr->type));
    *ret = qr_value_wide(dto);
    return QR_OK;
}

enum { CLOCK = QR_FUNC_STABLE | QR_FUNC_NOT_NULL, PART = QR_FUNC_DATEPART };
static const struct qr_func date_funcs[] = {
    /* clang-format off */
    {"AT TIME ZONE", 2, 2, "*n", type_at_time_zone, 0, 0, fn_at_time_zone, 0, QR_HOST_NONE},
    {"CURRENT_DATE", 0, 0, "", NULL, QR_TYPE_DATE, 0, fn_getdate, CLOCK | QR_FUNC_NILADIC,
     QR_HOST_NONE},
    {"CURRENT_TIMESTAMP", 0, 0, "", NULL, QR_TYPE_DATETIME, 0, fn_getdate,
     CLOCK | QR_FUNC_NILADIC, QR_HOST_NONE},
    {"DATEADD",      3, 3, "p**", type_dateadd, 0, 0, fn_dateadd, PART, QR_HOST_NONE},
    {"DATEDIFF",     3, 3, "pd", NULL, QR_TYPE_INT, 0, fn_datediff, PART, QR_HOST_NONE},
    {"DATEDIFF_BIG", 3, 3, "pd", NULL, QR_TYPE_BIGINT, 0, fn_datediff_big, PART, QR_HOST_NONE},
    {"DATENAME",     2, 2, "pd", type_datename, 0, 0, fn_datename, PART, QR_HOST_NONE},
    {"DATEPART",     2, 2, "pd", type_datepart, 0, 0, fn_datepart, PART, QR_HOST_NONE},
    {"DATETRUNC",    2, 2, "pe", type_like_date, 0, 0, fn_datetrunc, PART, QR_HOST_NONE},
    {"DATE_BUCKET",  3, 4, "pIe", type_like_date, 0, 0, fn_date_bucket, PART, QR_HOST_NONE},
    {"DAY",          1, 1, "d",  NULL, QR_TYPE_INT, 0, fn_day, 0, QR_HOST_NONE},
    {"EOMONTH",      1, 2, "di", NULL, QR_TYPE_DATE, 0, fn_eomonth, QR_FUNC_NULLS, QR_HOST_NONE},
    {"GETDATE",      0, 0, "",   NULL, QR_TYPE_DATETIME, 0, fn_getdate, CLOCK, QR_HOST_NONE},
    {"GETUTCDATE",   0, 0, "",   NULL, QR_TYPE_DATETIME, 0, fn_getutcdate, CLOCK, QR_HOST_NONE},
    {"ISDATE",       1, 1, "*",  type_isdate, 0, 0, fn_isdate, QR_FUNC_NULLS, QR_HOST_NONE},
    {"MONTH",        1, 1, "d",  NULL, QR_TYPE_INT, 0, fn_month, 0, QR_HOST_NONE},
    {"SWITCHOFFSET", 2, 2, "*",  type_offset, 0, 0, fn_switchoffset, 0, QR_HOST_NONE},
    {"SYSDATETIME",  0, 0, "",   NULL, QR_TYPE_DATETIME2, 7, fn_getdate, CLOCK, QR_HOST_NONE},
    {"SYSDATETIMEOFFSET", 0, 0, "", NULL, QR_TYPE_DATETIMEOFFSET, 7, fn_getdate, CLOCK,
     QR_HOST_NONE},
    {"SYSUTCDATETIME", 0, 0, "", NULL, QR_TYPE_DATETIME2, 7, fn_getutcdate, CLOCK, QR_HOST_NONE},
    {"TODATETIMEOFFSET", 2, 2, "*", type_offset, 0, 0, fn_todatetimeoffset, 0, QR_HOST_NONE},
    {"YEAR",         1, 1, "d",  NULL, QR_TYPE_INT, 0, fn_year, 0, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_date_funcs = {date_funcs, sizeof date_funcs / sizeof date_funcs[0]};
