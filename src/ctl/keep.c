/* keep.c - see ctl/keep.h */
#include "ctl/keep.h"
#include <stddef.h>
#include "base/banned.h"

#define DAY_NS INT64_C(86400000000000)
enum { DAYS_MIN = 7, YEARS_MAX = 10, DIGITS_MAX = 5 };

/* ---- the calendar (proleptic Gregorian, UTC) ---- */

struct date {
    int64_t year;
    uint32_t month, day; /* from 1 */
};

static int64_t day_of(int64_t wall_ns)
{
    return wall_ns / DAY_NS - (wall_ns % DAY_NS < 0);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t days_in(int64_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Of 1 January, since 1970-01-01; years from 1970 on, which is when the wall clock begins. */
static int64_t first_day(int64_t year)
{
    int64_t y = year - 1;
    return 365 * (year - 1970) + (y / 4 - y / 100 + y / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

static struct date date_of(int64_t day)
{
    struct date d = {1970 + day / 366, 1, 1};
    while (first_day(d.year + 1) <= day)
        d.year++;
    int64_t left = day - first_day(d.year);
    for (; left >= days_in(d.year, d.month); d.month++)
        left -= days_in(d.year, d.month);
    d.day = (uint32_t)left + 1;
    return d;
}

static int64_t day_number(const struct date *d)
{
    int64_t day = first_day(d->year) + d->day - 1;
    for (uint32_t m = 1; m < d->month; m++)
        day += days_in(d->year, m);
    return day;
}

uint32_t qr_keep_iso_week(int64_t day, int64_t *ret_year)
{
    int64_t weekday = (day + 3) % 7; /* 0: Monday; 1970-01-01 was a Thursday */
    int64_t thursday = day - weekday + 3;
    *ret_year = date_of(thursday < 0 ? 0 : thursday).year;
    return (uint32_t)((thursday - first_day(*ret_year)) / 7 + 1);
}

/* ---- spans ---- */

/* True: digits were there; *at is behind them. */
static bool take_number(struct qr_str text, size_t *at, uint32_t *ret_number)
{
    uint32_t n = 0;
    size_t from = *at;
    for (; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9'; (*at)++) {
        if (*at - from == DIGITS_MAX)
            return false;
        n = n * 10 + (uint32_t)(text.p[*at] - '0');
    }
    *ret_number = n;
    return *at > from;
}

static bool take_duration(struct qr_str text, struct qr_keep_span *span)
{
    static const char units[] = "YMWD"; /* in this order, each once */
    size_t at = 1, unit = 0;
    while (at < text.n) {
        uint32_t n = 0;
        if (!take_number(text, &at, &n) || at == text.n)
            return false;
        char c = (char)(text.p[at++] & ~0x20);
        while (unit < 4 && units[unit] != c)
            unit++;
        if (unit == 4)
            return false;
        uint32_t *const members[] = {&span->years, &span->months, &span->days, &span->days};
        *members[unit] += unit == 2 ? n * 7 : n;
        unit++;
    }
    return text.n > 1;
}

static bool is_in_bounds(const struct qr_keep_span *span)
{
    static const struct qr_keep_span most = {.years = YEARS_MAX};
    int64_t days = qr_keep_span_end(span, 0) / DAY_NS;
    return days >= DAYS_MIN && days <= qr_keep_span_end(&most, 0) / DAY_NS;
}

bool qr_keep_span_parse(struct qr_str text, struct qr_keep_span *ret_span)
{
    struct qr_keep_span span = {0, 0, 0};
    size_t at = 0;
    bool good = qr_str_ieqz(text, "PT0S");
    if (!good && text.n > 0 && (text.p[0] == 'P' || text.p[0] == 'p'))
        good = take_duration(text, &span);
    else if (!good)
        good = take_number(text, &at, &span.days) && at == text.n;
    /* these bounds also keep the sum of the members small */
    if (!good || span.years > 1000 || span.months > 10000 || span.days > 100000 ||
        (!qr_keep_span_is_none(&span) && !is_in_bounds(&span)))
        return false;
    *ret_span = span;
    return true;
}

bool qr_keep_policy_is_whole(const struct qr_keep_policy *policy)
{
    return policy->week_of_year <= QR_KEEP_WEEK_MAX &&
           (policy->week_of_year > 0 || qr_keep_span_is_none(&policy->yearly));
}

int64_t qr_keep_span_end(const struct qr_keep_span *span, int64_t from_wall_ns)
{
    int64_t day = day_of(from_wall_ns);
    struct date d = date_of(day);
    uint32_t months = d.month - 1 + span->months;
    d.year += span->years + months / 12;
    d.month = months % 12 + 1;
    if (d.day > days_in(d.year, d.month))
        d.day = days_in(d.year, d.month);
    return from_wall_ns + (day_number(&d) + span->days - day) * DAY_NS;
}

/* ---- what is due ---- */

static void keep(const struct qr_keep_span *span, bool is_first, int64_t now_wall_ns,
                 int64_t *expires)
{
    if (!is_first || qr_keep_span_is_none(span))
        return;
    int64_t end = qr_keep_span_end(span, now_wall_ns);
    *expires = end > *expires ? end : *expires;
}

bool qr_keep_due(const struct qr_keep_policy *policy, int64_t last_wall_ns, int64_t now_wall_ns,
                 int64_t *ret_expires_wall_ns)
{
    bool never = last_wall_ns == 0 || last_wall_ns - now_wall_ns > DAY_NS;
    int64_t now_year = 0, last_year = 0, expires = 0;
    int64_t today = day_of(now_wall_ns), then = never ? 0 : day_of(last_wall_ns);
    uint32_t week = qr_keep_iso_week(today, &now_year), last = qr_keep_iso_week(then, &last_year);
    struct date d = date_of(today), last_d = date_of(then);
    bool new_week = never || week != last || now_year != last_year;
    bool new_month = never || d.month != last_d.month || d.year != last_d.year;
    keep(&policy->weekly, new_week, now_wall_ns, &expires);
    keep(&policy->monthly, new_month, now_wall_ns, &expires);
    keep(&policy->yearly, new_week && week == policy->week_of_year, now_wall_ns, &expires);
    if (expires != 0)
        *ret_expires_wall_ns = expires;
    return expires != 0;
}
