/* codec/datetime.h - the six date and time types: calendar, text, conversion, arithmetic.
 *
 * Pure, no allocation, any thread; no clock (the caller brings "now"). The calendar is proleptic
 * Gregorian, years 1 to 9999. The common form between all types is struct qr_moment. Functions
 * answer an enum qr_dt so that TRY_ variants build no message; qr_dt_fail makes the T-SQL error. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"
#include "codec/value.h"

#define QR_TICKS_PER_SECOND INT64_C(10000000)
#define QR_TICKS_PER_DAY (INT64_C(86400) * QR_TICKS_PER_SECOND)
enum {
    QR_DAYS_MAX = 3652058, /* 9999-12-31, from 0001-01-01 = 0 */
    QR_DAYS_1900 = 693595, /* 1900-01-01: day 0 of datetime and smalldatetime */
    QR_DAYS_1753 = 639905, /* 1753-01-01: the first datetime */
    QR_OFFSET_MINUTES_MAX = 840,
    QR_DT_TEXT_BYTES = 64, /* enough for every style */
};

enum qr_dt {
    QR_DT_OK = 0,
    QR_DT_SYNTAX,   /* 241 (295 for smalldatetime) */
    QR_DT_RANGE,    /* 242 from text; 8115 / 517 from arithmetic */
    QR_DT_BAD_PART, /* the date part does not exist for the type: 9810 */
};
/* QR_DT_BAD_PART needs qr_datepart_fail. Raises 241, 295 or 242 ("... resulted in an out-of-range
 * value.") for `from` type text to `to`. */
enum qr_status qr_dt_fail(struct qr_err *err, enum qr_dt dt, const struct qr_type *from,
                          const struct qr_type *to);

enum qr_dateformat { QR_MDY, QR_DMY, QR_YMD, QR_YDM, QR_MYD, QR_DYM };
/* SET DATEFORMAT's words. False if none. */
bool qr_dateformat_find(struct qr_str word, enum qr_dateformat *ret_format);

/* A wall-clock moment: local date and time of day, and minutes east of UTC. */
struct qr_moment {
    int32_t days;   /* since 0001-01-01, 0..QR_DAYS_MAX */
    int64_t ticks;  /* 100 ns since midnight, 0..QR_TICKS_PER_DAY-1 */
    int16_t offset; /* minutes; 0 for types without one */
};

/* --- calendar --- */

bool qr_date_valid(int year, int month, int day);
int32_t qr_days_from_ymd(int year, int month, int day); /* asserts valid */
void qr_ymd_from_days(int32_t days, int *ret_year, int *ret_month, int *ret_day);
int qr_month_days(int year, int month);

/* --- values --- */

/* `type` is one of the six; v not NULL. date has ticks 0; time has the date 1900-01-01. */
struct qr_moment qr_moment_of(const struct qr_type *type, const struct qr_value *v);
/* Rounds to the type's precision (datetime: 1/300 s; smalldatetime: minutes, 29.998 s down;
 * time alone wraps at 24:00). QR_DT_RANGE outside the type's range. */
enum qr_dt qr_moment_to(const struct qr_type *type, const struct qr_moment *m,
                        struct qr_value *ret_value);
/* Between any two of the six, with the documented rules: date to datetime gives midnight, time to
 * datetime gives 1900-01-01, datetimeoffset to others gives the local time, others to
 * datetimeoffset get offset 0. */
enum qr_dt qr_datetime_convert(const struct qr_type *from, const struct qr_value *v,
                               const struct qr_type *to, struct qr_value *ret_value);

/* --- text --- */

/* Every literal form: ISO 8601, ODBC escapes, yyyymmdd, numeric with / - . and DATEFORMAT,
 * alphabetic months, time alone, AM/PM, offsets, for the rules of `type` (datetime and
 * smalldatetime keep their older, laxer rules: yyyy-mm-dd follows DATEFORMAT ydm/dmy there).
 * style: -1, or a CONVERT style that forces an order (e.g. 103 = dmy); unknown styles are the
 * caller's error 281. */
enum qr_dt qr_datetime_parse(struct qr_str text, const struct qr_type *type,
                             enum qr_dateformat format, int style, struct qr_value *ret_value);
/* style -1: the default text of the type (datetime "Jan  2 2020  3:04AM", the newer types ISO);
 * else a CONVERT style. Returns the length, 0 if the style is unknown or shows nothing of the type
 * (108 of a date): error 281. */
size_t qr_datetime_print(const struct qr_type *type, const struct qr_value *v, int style,
                         char dst[QR_DT_TEXT_BYTES]);
bool qr_datetime_style_known(int style);

/* --- date parts --- */

enum qr_datepart {
    QR_PART_YEAR,
    QR_PART_QUARTER,
    QR_PART_MONTH,
    QR_PART_DAYOFYEAR,
    QR_PART_DAY,
    QR_PART_WEEK,
    QR_PART_WEEKDAY,
    QR_PART_HOUR,
    QR_PART_MINUTE,
    QR_PART_SECOND,
    QR_PART_MILLISECOND,
    QR_PART_MICROSECOND,
    QR_PART_NANOSECOND,
    QR_PART_TZOFFSET,
    QR_PART_ISO_WEEK,
    QR_PART_COUNT
};
/* Names and abbreviations: year yy yyyy, ... False if none (155). */
bool qr_datepart_find(struct qr_str name, enum qr_datepart *ret_part);
const char *qr_datepart_name(enum qr_datepart part);
/* 9810: "The datepart hour is not supported by date function dateadd for data type date." */
enum qr_status qr_datepart_fail(struct qr_err *err, enum qr_datepart part, const char *function,
                                const struct qr_type *type);

/* datefirst: 1 (Monday) .. 7 (Sunday, the default). QR_DT_BAD_PART where the type lacks it. */
enum qr_dt qr_datepart(enum qr_datepart part, const struct qr_type *type, const struct qr_value *v,
                       int datefirst, int *ret_number);
/* DATENAME: like DATEPART, months and weekdays by English name, tz as "+01:00". Returns through
 * dst and *ret_bytes. */
enum qr_dt qr_datename(enum qr_datepart part, const struct qr_type *type, const struct qr_value *v,
                       int datefirst, char dst[QR_DT_TEXT_BYTES], size_t *ret_bytes);
/* DATEADD; month arithmetic clips to the last day. QR_DT_RANGE is error 517. */
enum qr_dt qr_dateadd(enum qr_datepart part, int64_t count, const struct qr_type *type,
                      const struct qr_value *v, struct qr_value *ret_value);
/* DATEDIFF_BIG: boundaries crossed from a to b (weeks start on Sunday whatever DATEFIRST is; for
 * datetimeoffset in UTC). The caller checks int range for DATEDIFF (535). */
enum qr_dt qr_datediff(enum qr_datepart part, const struct qr_type *a_type,
                       const struct qr_value *a, const struct qr_type *b_type,
                       const struct qr_value *b, int64_t *ret_count);
/* DATETRUNC. */
enum qr_dt qr_datetrunc(enum qr_datepart part, const struct qr_type *type, const struct qr_value *v,
                        int datefirst, struct qr_value *ret_value);
/* EOMONTH: the last day of the month `months` away from m, as days. */
enum qr_dt qr_eomonth(const struct qr_moment *m, int64_t months, int32_t *ret_days);

/* datetime + number and datetime - number: whole days and fractions. */
enum qr_dt qr_datetime_add_days(const struct qr_type *type, const struct qr_value *v, double days,
                                struct qr_value *ret_value);

/* --- offsets and zones --- */

/* "+hh:mm", "-hh:mm" (|offset| <= 14:00). */
bool qr_offset_parse(struct qr_str text, int *ret_minutes);
/* SWITCHOFFSET: same instant, other offset. */
enum qr_dt qr_switch_offset(qr_i128 dto, int offset_minutes, qr_i128 *ret_dto);
/* TODATETIMEOFFSET: same wall clock, given offset. */
enum qr_dt qr_to_offset(const struct qr_moment *m, int offset_minutes, qr_i128 *ret_dto);

/* AT TIME ZONE. Windows zone names of a built-in table with the rules now in force; "UTC" always.
 * -1 if unknown (9820). */
int qr_zone_find(struct qr_str name);
const char *qr_zone_name(int zone); /* NULL past the end; for sys.time_zone_info */
/* Minutes east of UTC at a UTC instant; and of a wall-clock time (a gap moves forward, an overlap
 * takes the standard-time offset). */
int qr_zone_offset_utc(int zone, int64_t utc_ticks);
int qr_zone_offset_local(int zone, int64_t local_ticks);
