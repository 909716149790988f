/* Calendar, and values of the date and time types: codec/datetime.h. */
#include "codec/datetime.h"

#include <assert.h>

#include "base/sqlmsg.h"
#include "base/banned.h"

enum { UNITS_PER_SECOND = 300 }; /* datetime */
#define UNITS_PER_DAY (INT64_C(86400) * UNITS_PER_SECOND)
#define TICKS_PER_MINUTE (60 * QR_TICKS_PER_SECOND)
#define TICKS_MAX ((QR_DAYS_MAX + INT64_C(1)) * QR_TICKS_PER_DAY - 1)

enum qr_status qr_dt_fail(struct qr_err *err, enum qr_dt dt, const struct qr_type *from,
                          const struct qr_type *to)
{
    switch (dt) {
    case QR_DT_OK:
        return QR_OK;
    case QR_DT_SYNTAX:
        return qr_sql_fail(err, to->id == QR_TYPE_SMALLDATETIME ? 295 : 241);
    case QR_DT_RANGE:
        return qr_sql_fail(err, 242, qr_type_name(from), qr_type_name(to));
    case QR_DT_BAD_PART:
        break;
    }
    return qr_sql_fail(err, 9810, "datepart", "date function", qr_type_name(to));
}

/* --- calendar --- */

int qr_month_days(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool qr_date_valid(int year, int month, int day)
{
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
           day <= qr_month_days(year, month);
}

int32_t qr_days_from_ymd(int year, int month, int day)
{
    assert(qr_date_valid(year, month, day));
    /* Years that begin in March end with the leap day. */
    int y = year - (month <= 2), m = (month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 306;
}

void qr_ymd_from_days(int32_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int32_t z = days + 306; /* days since 0000-03-01 */
    int32_t era = z / 146097, in_era = z % 146097;
    int32_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int32_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int32_t m = (5 * in_year + 2) / 153;
    *ret_day = in_year - (153 * m + 2) / 5 + 1;
    *ret_month = m < 10 ? m + 3 : m - 9;
    *ret_year = y + era * 400 + (*ret_month <= 2);
}

/* --- values --- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct qr_moment qr_moment_of(const struct qr_type *type, const struct qr_value *v)
{
    struct qr_moment m = {.days = QR_DAYS_1900};
    switch ((int)type->id) {
    case QR_TYPE_DATE:
        m.days = (int32_t)v->i;
        break;
    case QR_TYPE_TIME:
        m.ticks = v->i;
        break;
    case QR_TYPE_SMALLDATETIME:
        m.days += (int32_t)(v->i / 1440);
        m.ticks = v->i % 1440 * TICKS_PER_MINUTE;
        break;
    case QR_TYPE_DATETIME: {
        int64_t days = floor_div(v->i, UNITS_PER_DAY);
        m.days += (int32_t)days;
        m.ticks = ((v->i - days * UNITS_PER_DAY) * 200000 + 3) / 6; /* 33333 1/3 ticks, rounded */
        break;
    }
    case QR_TYPE_DATETIME2:
        m.days = (int32_t)(v->i / QR_TICKS_PER_DAY);
        m.ticks = v->i % QR_TICKS_PER_DAY;
        break;
    case QR_TYPE_DATETIMEOFFSET: {
        m.offset = (int16_t)qr_dto_offset(v->w);
        int64_t local = qr_dto_ticks(v->w) + m.offset * TICKS_PER_MINUTE;
        m.days = (int32_t)floor_div(local, QR_TICKS_PER_DAY);
        m.ticks = local - m.days * QR_TICKS_PER_DAY;
        break;
    }
    default:
        assert(false); /* not a date or time type */
    }
    return m;
}

/* Ticks in one unit of the last digit of a scale. */
static int64_t scale_unit(int scale)
{
    static const int64_t units[] = {10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    return units[scale];
}

static int64_t round_ticks(int64_t ticks, int scale)
{
    int64_t unit = scale_unit(scale);
    return (ticks + unit / 2) / unit * unit;
}

static enum qr_dt to_old(const struct qr_type *type, const struct qr_moment *m,
                         struct qr_value *ret_value)
{
    int64_t units = (int64_t)(m->days - QR_DAYS_1900) * UNITS_PER_DAY +
                    (m->ticks * UNITS_PER_SECOND + QR_TICKS_PER_SECOND / 2) / QR_TICKS_PER_SECOND;
    if (type->id == QR_TYPE_DATETIME) {
        if (m->days < QR_DAYS_1753 ||
            units >= (QR_DAYS_MAX + INT64_C(1) - QR_DAYS_1900) * UNITS_PER_DAY)
            return QR_DT_RANGE;
        *ret_value = qr_value_int(units);
        return QR_DT_OK;
    }
    /* By way of 1/300 s: 29.998 s goes down and 29.999 s goes up. */
    int64_t minutes = floor_div(units + 30 * UNITS_PER_SECOND, 60 * UNITS_PER_SECOND);
    if (minutes < 0 || minutes > INT64_C(65536) * 1440 - 1)
        return QR_DT_RANGE;
    *ret_value = qr_value_int(minutes);
    return QR_DT_OK;
}

enum qr_dt qr_moment_to(const struct qr_type *type, const struct qr_moment *m,
                        struct qr_value *ret_value)
{
    int64_t ticks;
    if (m->days < 0 || m->days > QR_DAYS_MAX)
        return QR_DT_RANGE;
    switch ((int)type->id) {
    case QR_TYPE_DATE:
        *ret_value = qr_value_int(m->days);
        return QR_DT_OK;
    case QR_TYPE_TIME:
        ticks = round_ticks(m->ticks, type->scale);
        *ret_value = qr_value_int(ticks >= QR_TICKS_PER_DAY ? 0 : ticks);
        return QR_DT_OK;
    case QR_TYPE_DATETIME2:
    case QR_TYPE_DATETIMEOFFSET:
        ticks = m->days * QR_TICKS_PER_DAY + round_ticks(m->ticks, type->scale);
        if (ticks > TICKS_MAX) /* at the end of time rounding stays below it */
            ticks -= scale_unit(type->scale);
        if (type->id == QR_TYPE_DATETIME2) {
            *ret_value = qr_value_int(ticks);
            return QR_DT_OK;
        }
        ticks -= m->offset * TICKS_PER_MINUTE;
        if (ticks < 0 || ticks > TICKS_MAX || m->offset > QR_OFFSET_MINUTES_MAX ||
            m->offset < -QR_OFFSET_MINUTES_MAX)
            return QR_DT_RANGE;
        *ret_value = qr_value_wide(qr_dto_pack(ticks, m->offset));
        return QR_DT_OK;
    default:
        return to_old(type, m, ret_value);
    }
}

enum qr_dt qr_datetime_convert(const struct qr_type *from, const struct qr_value *v,
                               const struct qr_type *to, struct qr_value *ret_value)
{
    struct qr_moment m = qr_moment_of(from, v);
    if (to->id != QR_TYPE_DATETIMEOFFSET)
        m.offset = 0;
    return qr_moment_to(to, &m, ret_value);
}

enum qr_dt qr_datetime_add_days(const struct qr_type *type, const struct qr_value *v, double days,
                                struct qr_value *ret_value)
{
    assert(type->id == QR_TYPE_DATETIME || type->id == QR_TYPE_SMALLDATETIME);
    if (!(days > -1e7 && days < 1e7))
        return QR_DT_RANGE;
    struct qr_moment m = qr_moment_of(type, v);
    double units = days * (double)UNITS_PER_DAY;
    int64_t sum = (int64_t)(units < 0 ? units - 0.5 : units + 0.5) +
                  (int64_t)(m.days - QR_DAYS_1900) * UNITS_PER_DAY +
                  (m.ticks * UNITS_PER_SECOND + QR_TICKS_PER_SECOND / 2) / QR_TICKS_PER_SECOND;
    const struct qr_type datetime = {.id = QR_TYPE_DATETIME};
    if (sum < (QR_DAYS_1753 - (int64_t)QR_DAYS_1900) * UNITS_PER_DAY ||
        sum >= (QR_DAYS_MAX + INT64_C(1) - QR_DAYS_1900) * UNITS_PER_DAY)
        return QR_DT_RANGE;
    struct qr_value at = qr_value_int(sum);
    return qr_datetime_convert(&datetime, &at, type, ret_value);
}
