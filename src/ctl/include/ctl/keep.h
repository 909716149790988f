/* ctl/keep.h - long-term retention: for how long, and which of a database's backups. Pure.
 *
 * Of each ISO week the first backup is kept for the weekly span, of each month the first one for
 * the monthly span, and the first one of week `week_of_year` of each year for the yearly span; one
 * that is several of these is kept for the longest. Times are wall clock nanoseconds, days are UTC.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

struct qr_keep_span {
    uint32_t years, months, days; /* zeros: none */
};
struct qr_keep_policy {
    struct qr_keep_span weekly, monthly, yearly;
    uint32_t week_of_year; /* ISO 8601; of the yearly one */
};
enum { QR_KEEP_WEEK_MAX = 52 /* every year has it */, QR_KEEP_TEXT_BYTES = 31 };

/* An ISO 8601 duration in years, months, weeks and days ("P4W", "P1Y6M", "PT0S"), or a number of
 * days. False: it is none, or not 0 and less than 7 days or more than 10 years. */
bool qr_keep_span_parse(struct qr_str text, struct qr_keep_span *ret_span);
static inline bool qr_keep_span_is_none(const struct qr_keep_span *span)
{
    return span->years == 0 && span->months == 0 && span->days == 0;
}
/* False: a yearly span without its week. */
bool qr_keep_policy_is_whole(const struct qr_keep_policy *policy);
static inline bool qr_keep_policy_is_off(const struct qr_keep_policy *policy)
{
    return qr_keep_span_is_none(&policy->weekly) && qr_keep_span_is_none(&policy->monthly) &&
           qr_keep_span_is_none(&policy->yearly);
}
/* As many days as the month has: a month after 31 January is the last day of February. */
int64_t qr_keep_span_end(const struct qr_keep_span *span, int64_t from_wall_ns);

/* Is a backup to be kept now, and until when? `last_wall_ns` is when the last one was; 0: never,
 * and one that lies more than a day ahead counts for none, as the clock went back since. */
bool qr_keep_due(const struct qr_keep_policy *policy, int64_t last_wall_ns, int64_t now_wall_ns,
                 int64_t *ret_expires_wall_ns);

/* Of a day since 1970-01-01: the ISO 8601 week, 1 to 53, and the year that it belongs to. */
uint32_t qr_keep_iso_week(int64_t day, int64_t *ret_year);
