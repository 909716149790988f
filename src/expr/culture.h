/* culture.h - the .NET cultures that FORMAT and PARSE know. */
#pragma once
#include "base/buf.h"
#include "codec/datetime.h"
#include "codec/type.h"

struct qri_culture {
    const char *name;
    char decimal_point, group;
    enum qr_dateformat dates;
    const char *currency;               /* UTF-8 */
    const char *money, *negative_money; /* $ is the currency, n the number */
    const char *percent;                /* n the number */
    const char *short_date, *long_date, *short_time, *long_time, *month_day, *year_month;
    /* Lists as qr_language_name takes them: from January, from Monday; AM and PM, "" for none. */
    const char *months, *short_months, *days, *short_days, *halves;
};

/* NULL if unknown. Without case. */
const struct qri_culture *qri_culture_find(struct qr_str name);

/* Appends the number or moment formatted; false if the format is not valid (FORMAT gives NULL). */
bool qri_format_number(const struct qri_culture *culture, struct qr_str format,
                       const struct qr_type *type, const struct qr_value *v, struct qr_buf *out);
bool qri_format_moment(const struct qri_culture *culture, struct qr_str format,
                       const struct qr_type *type, const struct qr_value *v, struct qr_buf *out);
