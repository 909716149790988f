/* DATEPART, DATENAME, DATEADD, DATEDIFF, DATETRUNC, EOMONTH: codec/datetime.h. */
#include "codec/datetime.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* What a part needs of its type, and how DATEADD counts it. */
enum kind { DATE_PART, TIME_PART, ZONE_PART };
static const struct part {
    const char *name, *short1, *short2;
    enum kind kind;
    int months, days;
    int64_t ticks; /* of one; nanosecond: 0 */
} parts[QR_PART_COUNT] = {
    /* clang-format off */
    [QR_PART_YEAR]        = {"year",        "yy",  "yyyy",  DATE_PART, 12, 0, 0},
    [QR_PART_QUARTER]     = {"quarter",     "qq",  "q",     DATE_PART, 3, 0, 0},
    [QR_PART_MONTH]       = {"month",       "mm",  "m",     DATE_PART, 1, 0, 0},
    [QR_PART_DAYOFYEAR]   = {"dayofyear",   "dy",  "y",     DATE_PART, 0, 1, 0},
    [QR_PART_DAY]         = {"day",         "dd",  "d",     DATE_PART, 0, 1, 0},
    [QR_PART_WEEK]        = {"week",        "wk",  "ww",    DATE_PART, 0, 7, 0},
    [QR_PART_WEEKDAY]     = {"weekday",     "dw",  "w",     DATE_PART, 0, 1, 0},
    [QR_PART_HOUR]        = {"hour",        "hh",  NULL,    TIME_PART, 0, 0, 3600 * QR_TICKS_PER_SECOND},
    [QR_PART_MINUTE]      = {"minute",      "mi",  "n",     TIME_PART, 0, 0, 60 * QR_TICKS_PER_SECOND},
    [QR_PART_SECOND]      = {"second",      "ss",  "s",     TIME_PART, 0, 0, QR_TICKS_PER_SECOND},
    [QR_PART_MILLISECOND] = {"millisecond", "ms",  NULL,    TIME_PART, 0, 0, 10000},
    [QR_PART_MICROSECOND] = {"microsecond", "mcs", NULL,    TIME_PART, 0, 0, 10},
    [QR_PART_NANOSECOND]  = {"nanosecond",  "ns",  NULL,    TIME_PART, 0, 0, 0},
    [QR_PART_TZOFFSET]    = {"tzoffset",    "tz",  NULL,    ZONE_PART, 0, 0, 0},
    [QR_PART_ISO_WEEK]    = {"iso_week",    "isowk", "isoww", DATE_PART, 0, 0, 0},
    /* clang-format on */
};

bool qr_datepart_find(struct qr_str name, enum qr_datepart *ret_part)
{
    for (int i = 0; i < QR_PART_COUNT; i++) {
        const struct part *p = &parts[i];
        if (qr_str_ieqz(name, p->name) || qr_str_ieqz(name, p->short1) ||
            (p->short2 != NULL && qr_str_ieqz(name, p->short2))) {
            *ret_part = (enum qr_datepart)i;
            return true;
        }
    }
    return false;
}

const char *qr_datepart_name(enum qr_datepart part)
{
    return parts[part].name;
}

enum qr_status qr_datepart_fail(struct qr_err *err, enum qr_datepart part, const char *function,
                                const struct qr_type *type)
{
    return qr_sql_fail(err, 9810, parts[part].name, function, qr_type_name(type));
}

static bool part_exists(enum qr_datepart part, const struct qr_type *type)
{
    switch (parts[part].kind) {
    case DATE_PART:
        return type->id != QR_TYPE_TIME;
    case TIME_PART:
        return type->id != QR_TYPE_DATE;
    case ZONE_PART:
        break;
    }
    return type->id == QR_TYPE_DATETIMEOFFSET || type->id == QR_TYPE_DATETIME2;
}

static int day_of_year(int32_t days)
{
    int y, m, d;
    qr_ymd_from_days(days, &y, &m, &d);
    return days - qr_days_from_ymd(y, 1, 1) + 1;
}

/* 0001-01-01 was a Monday. 0..6 from the first day of the week. */
static int weekday0(int32_t days, int datefirst)
{
    return (days % 7 - (datefirst - 1) + 7) % 7;
}

static int iso_week(int32_t days)
{
    int32_t thursday = days - days % 7 + 3; /* its year is the week's year */
    if (thursday > QR_DAYS_MAX)
        return 52; /* 9999-12-31 is a Friday, so this is never reached */
    return (day_of_year(thursday) - 1) / 7 + 1;
}

/* Milliseconds as printed: of datetime .003 and .007. */
static int milliseconds(const struct qr_type *type, const struct qr_value *v,
                        const struct qr_moment *m)
{
    if (type->id == QR_TYPE_DATETIME)
        return (int)(((v->i % 300 + 300) % 300 * 10 + 1) / 3);
    return (int)(m->ticks % QR_TICKS_PER_SECOND / 10000);
}

enum qr_dt qr_datepart(enum qr_datepart part, const struct qr_type *type, const struct qr_value *v,
                       int datefirst, int *ret_number)
{
    if (!part_exists(part, type))
        return QR_DT_BAD_PART;
    struct qr_moment m = qr_moment_of(type, v);
    int year, month, day;
    qr_ymd_from_days(m.days, &year, &month, &day);
    int seconds = (int)(m.ticks / QR_TICKS_PER_SECOND);
    int fraction = (int)(m.ticks % QR_TICKS_PER_SECOND);
    int numbers[QR_PART_COUNT] = {
        [QR_PART_YEAR] = year,
        [QR_PART_QUARTER] = (month + 2) / 3,
        [QR_PART_MONTH] = month,
        [QR_PART_DAYOFYEAR] = day_of_year(m.days),
        [QR_PART_DAY] = day,
        [QR_PART_WEEKDAY] = weekday0(m.days, datefirst) + 1,
        [QR_PART_HOUR] = seconds / 3600,
        [QR_PART_MINUTE] = seconds / 60 % 60,
        [QR_PART_SECOND] = seconds % 60,
        [QR_PART_MILLISECOND] = milliseconds(type, v, &m),
        [QR_PART_MICROSECOND] = fraction / 10,
        [QR_PART_NANOSECOND] = fraction * 100,
        [QR_PART_TZOFFSET] = m.offset,
        [QR_PART_ISO_WEEK] = iso_week(m.days),
    };
    int32_t january1 = qr_days_from_ymd(year, 1, 1);
    numbers[QR_PART_WEEK] = (m.days - january1 + weekday0(january1, datefirst)) / 7 + 1;
    *ret_number = numbers[part];
    return QR_DT_OK;
}

enum qr_dt qr_datename(enum qr_datepart part, const struct qr_type *type, const struct qr_value *v,
                       int datefirst, char dst[QR_DT_TEXT_BYTES], size_t *ret_bytes)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const weekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                           "Friday", "Saturday", "Sunday"};
    int number;
    enum qr_dt dt = qr_datepart(part, type, v, datefirst, &number);
    if (dt != QR_DT_OK)
        return dt;
    int n;
    if (part == QR_PART_MONTH)
        n = snprintf(dst, QR_DT_TEXT_BYTES, "%s", months[number - 1]);
    else if (part == QR_PART_WEEKDAY)
        n = snprintf(dst, QR_DT_TEXT_BYTES, "%s", weekdays[qr_moment_of(type, v).days % 7]);
    else if (part == QR_PART_TZOFFSET)
        n = snprintf(dst, QR_DT_TEXT_BYTES, "%c%02d:%02d", number < 0 ? '-' : '+',
                     (number < 0 ? -number : number) / 60, (number < 0 ? -number : number) % 60);
    else
        n = snprintf(dst, QR_DT_TEXT_BYTES, "%d", number);
    *ret_bytes = (size_t)n;
    return QR_DT_OK;
}

/* --- DATEADD --- */

static enum qr_dt add_months(struct qr_moment *m, int64_t months)
{
    int year, month, day;
    qr_ymd_from_days(m->days, &year, &month, &day);
    int64_t at;
    if (!qr_add_i64(year * INT64_C(12) + month - 1, months, &at) || at < 12 || at >= 120000)
        return QR_DT_RANGE;
    year = (int)(at / 12);
    month = (int)(at % 12) + 1;
    int last = qr_month_days(year, month);
    m->days = qr_days_from_ymd(year, month, day < last ? day : last);
    return QR_DT_OK;
}

static enum qr_dt add_ticks(struct qr_moment *m, const struct qr_type *type, qr_i128 ticks)
{
    qr_i128 at = (qr_i128)m->days * QR_TICKS_PER_DAY + m->ticks + ticks;
    if (type->id == QR_TYPE_TIME) { /* goes round the clock */
        at %= QR_TICKS_PER_DAY;
        m->ticks = (int64_t)(at < 0 ? at + QR_TICKS_PER_DAY : at);
        return QR_DT_OK;
    }
    if (at < 0 || at > (QR_DAYS_MAX + (qr_i128)1) * QR_TICKS_PER_DAY - 1)
        return QR_DT_RANGE;
    m->days = (int32_t)(at / QR_TICKS_PER_DAY);
    m->ticks = (int64_t)(at % QR_TICKS_PER_DAY);
    return QR_DT_OK;
}

enum qr_dt qr_dateadd(enum qr_datepart part, int64_t count, const struct qr_type *type,
                      const struct qr_value *v, struct qr_value *ret_value)
{
    const struct part *p = &parts[part];
    bool old = type->id == QR_TYPE_DATETIME || type->id == QR_TYPE_SMALLDATETIME;
    if (!part_exists(part, type) || p->kind == ZONE_PART || part == QR_PART_ISO_WEEK ||
        (old && (part == QR_PART_MICROSECOND || part == QR_PART_NANOSECOND)))
        return QR_DT_BAD_PART;
    struct qr_moment m = qr_moment_of(type, v);
    enum qr_dt dt = QR_DT_OK;
    if (p->months != 0) {
        int64_t months;
        dt = qr_mul_i64(count, p->months, &months) ? add_months(&m, months) : QR_DT_RANGE;
    } else if (p->days != 0) {
        dt = add_ticks(&m, type, (qr_i128)count * p->days * QR_TICKS_PER_DAY);
    } else if (part == QR_PART_NANOSECOND) {
        dt = add_ticks(&m, type, ((qr_i128)count + (count < 0 ? -50 : 50)) / 100);
    } else if (type->id == QR_TYPE_DATETIME && part != QR_PART_MILLISECOND) {
        /* Whole seconds leave the 1/300 s alone. */
        struct qr_value moved = qr_value_int(0);
        int64_t units;
        if (!qr_mul_i64(count, p->ticks / QR_TICKS_PER_SECOND * 300, &units) ||
            !qr_add_i64(v->i, units, &moved.i))
            return QR_DT_RANGE;
        if (moved.i < (QR_DAYS_1753 - (int64_t)QR_DAYS_1900) * 25920000 ||
            moved.i >= (QR_DAYS_MAX + INT64_C(1) - QR_DAYS_1900) * 25920000)
            return QR_DT_RANGE;
        *ret_value = moved;
        return QR_DT_OK;
    } else {
        dt = add_ticks(&m, type, (qr_i128)count * p->ticks);
    }
    return dt != QR_DT_OK ? dt : qr_moment_to(type, &m, ret_value);
}

/* --- DATEDIFF --- */

/* In UTC, so that offsets do not count. */
static struct qr_moment utc_moment(const struct qr_type *type, const struct qr_value *v)
{
    struct qr_moment m = qr_moment_of(type, v);
    if (type->id == QR_TYPE_DATETIMEOFFSET) {
        int64_t ticks = qr_dto_ticks(v->w);
        m.days = (int32_t)(ticks / QR_TICKS_PER_DAY);
        m.ticks = ticks % QR_TICKS_PER_DAY;
    }
    return m;
}

/* How many boundaries of the part lie between the beginning of time and the moment. */
static qr_i128 boundaries(enum qr_datepart part, const struct qr_moment *m)
{
    int year, month, day;
    qr_ymd_from_days(m->days, &year, &month, &day);
    qr_i128 ticks = (qr_i128)m->days * QR_TICKS_PER_DAY + m->ticks;
    if (parts[part].months != 0)
        return (year * 12 + month - 1) / parts[part].months;
    if (part == QR_PART_WEEK)
        return (m->days + 1) / 7; /* a week begins on Sunday */
    if (parts[part].days != 0)
        return m->days;
    return part == QR_PART_NANOSECOND ? ticks * 100 : ticks / parts[part].ticks;
}

enum qr_dt qr_datediff(enum qr_datepart part, const struct qr_type *a_type,
                       const struct qr_value *a, const struct qr_type *b_type,
                       const struct qr_value *b, int64_t *ret_count)
{
    if (parts[part].kind == ZONE_PART || part == QR_PART_ISO_WEEK)
        return QR_DT_BAD_PART;
    struct qr_moment x = utc_moment(a_type, a), y = utc_moment(b_type, b);
    qr_i128 count = boundaries(part, &y) - boundaries(part, &x);
    if (count > INT64_MAX || count < INT64_MIN)
        return QR_DT_RANGE;
    *ret_count = (int64_t)count;
    return QR_DT_OK;
}

/* --- DATETRUNC, EOMONTH --- */

enum qr_dt qr_datetrunc(enum qr_datepart part, const struct qr_type *type, const struct qr_value *v,
                        int datefirst, struct qr_value *ret_value)
{
    if (!part_exists(part, type) || parts[part].kind == ZONE_PART || part == QR_PART_WEEKDAY ||
        part == QR_PART_NANOSECOND)
        return QR_DT_BAD_PART;
    struct qr_moment m = qr_moment_of(type, v);
    if (parts[part].kind == TIME_PART) {
        m.ticks -= m.ticks % parts[part].ticks;
        return qr_moment_to(type, &m, ret_value);
    }
    int year, month, day;
    qr_ymd_from_days(m.days, &year, &month, &day);
    m.ticks = 0;
    if (parts[part].months != 0) {
        int first = (month - 1) / parts[part].months * parts[part].months + 1;
        m.days = qr_days_from_ymd(year, first, 1);
    } else if (part == QR_PART_WEEK || part == QR_PART_ISO_WEEK) {
        m.days -= weekday0(m.days, part == QR_PART_WEEK ? datefirst : 1);
    }
    return qr_moment_to(type, &m, ret_value);
}

enum qr_dt qr_eomonth(const struct qr_moment *m, int64_t months, int32_t *ret_days)
{
    struct qr_moment at = *m;
    enum qr_dt dt = add_months(&at, months);
    if (dt != QR_DT_OK)
        return dt;
    int year, month, day;
    qr_ymd_from_days(at.days, &year, &month, &day);
    *ret_days = qr_days_from_ymd(year, month, qr_month_days(year, month));
    return QR_DT_OK;
}
