/* forecast.h - the load of the next hours, from the load at this time on other days.
 *
 * Time is cut into slots of five minutes; a slot's load is the highest minute's average in it. Two
 * profiles are smoothed exponentially: by time of day and by time of week. The one that has erred
 * less of late speaks; a level that fades says how far today is off the profile; errors of the
 * forecast of the next slot give the interval. Additive Holt-Winters without trend: a load
 * has no trend that matters within a horizon of minutes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct qri_forecast;
struct qri_forecast *qri_forecast_new(void); /* NULL: out of memory */
void qri_forecast_free(struct qri_forecast *forecast);
/* Times rise. A gap is a gap: slots that nothing is known of keep what they were. */
void qri_forecast_add(struct qri_forecast *forecast, int64_t at_s, double load);
/* The highest of the slots from the last point's to the one `ahead_s` later, and of their upper
 * bounds, `z` standard deviations above. False: not even a day has been seen. */
bool qri_forecast_max(const struct qri_forecast *forecast, int64_t ahead_s, double z,
                      double *ret_expected, double *ret_upper);
