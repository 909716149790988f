/* forecast.c - see forecast.h. */
#include "forecast.h"
#include <math.h>
#include <stdlib.h>
#include "base/banned.h"

enum { SLOT_S = 300, DAY_SLOTS = 288, WEEK_SLOTS = 7 * DAY_SLOTS, MINUTE_S = 60 };

/* How much of what is new a smoothed value takes. The level halves its distance in a quarter of an
 * hour and has faded to a third an hour ahead; errors are those of about the last day. */
static const double TAKE_SEASON = 0.3, TAKE_LEVEL = 0.25, KEEP_LEVEL = 0.91, TAKE_ERROR = 0.01;

struct slot {
    float load;
    float spread; /* squared error, smoothed */
    uint32_t seen;
};

struct profile {
    uint32_t slots;
    struct slot *of;
    double error; /* absolute, smoothed */
    uint32_t judged;
};

enum { DAY, WEEK, PROFILES };

struct qri_forecast {
    struct profile profiles[PROFILES];
    int64_t slot, minute; /* of the last point; -1: none */
    double minute_sum, slot_high;
    uint32_t minute_count;
    double level, spread; /* spread: squared error of all slots */
    uint32_t closed;
    struct slot day[DAY_SLOTS], week[WEEK_SLOTS];
};

struct qri_forecast *qri_forecast_new(void)
{
    struct qri_forecast *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->profiles[DAY] = (struct profile){.slots = DAY_SLOTS, .of = f->day};
    f->profiles[WEEK] = (struct profile){.slots = WEEK_SLOTS, .of = f->week};
    f->slot = f->minute = -1;
    return f;
}

void qri_forecast_free(struct qri_forecast *forecast)
{
    free(forecast);
}

static struct slot *slot_at(const struct profile *profile, int64_t slot)
{
    return &profile->of[slot % profile->slots];
}

/* The profile that speaks for a slot; NULL if none has seen it. */
static const struct profile *speaker(const struct qri_forecast *f, int64_t slot)
{
    const struct profile *best = NULL;
    for (int i = 0; i < PROFILES; i++) {
        const struct profile *p = &f->profiles[i];
        if (slot_at(p, slot)->seen == 0)
            continue;
        /* a profile that was never put to the test has nothing to its credit */
        if (best == NULL || (p->judged >= DAY_SLOTS / 4 && p->error < best->error))
            best = p;
    }
    return best;
}

static void judge(struct profile *profile, int64_t slot, double load)
{
    const struct slot *s = slot_at(profile, slot);
    if (s->seen == 0)
        return;
    double error = fabs(load - s->load);
    profile->judged += 1;
    double take = 1.0 / profile->judged > TAKE_ERROR ? 1.0 / profile->judged : TAKE_ERROR;
    profile->error += take * (error - profile->error);
}

static void smooth(struct slot *s, double load, double squared_error)
{
    s->seen += 1;
    double take = 1.0 / s->seen > TAKE_SEASON ? 1.0 / s->seen : TAKE_SEASON;
    s->load += (float)(take * (load - s->load));
    s->spread += (float)(take * (squared_error - s->spread));
}

static void close_slot(struct qri_forecast *f)
{
    double load = f->slot_high, squared = 0;
    const struct profile *p = speaker(f, f->slot);
    if (p != NULL) {
        double off = load - slot_at(p, f->slot)->load, error = off - f->level * KEEP_LEVEL;
        squared = error * error;
        f->level = f->level * KEEP_LEVEL + TAKE_LEVEL * (off - f->level * KEEP_LEVEL);
        f->closed += 1;
        double take = 1.0 / f->closed > TAKE_ERROR ? 1.0 / f->closed : TAKE_ERROR;
        f->spread += take * (squared - f->spread);
    }
    for (int i = 0; i < PROFILES; i++) {
        judge(&f->profiles[i], f->slot, load);
        smooth(slot_at(&f->profiles[i], f->slot), load, squared);
    }
    f->slot_high = 0;
}

static void close_minute(struct qri_forecast *f)
{
    double average = f->minute_count == 0 ? 0 : f->minute_sum / f->minute_count;
    if (average > f->slot_high)
        f->slot_high = average;
    f->minute_sum = 0;
    f->minute_count = 0;
}

void qri_forecast_add(struct qri_forecast *f, int64_t at_s, double load)
{
    int64_t slot = at_s / SLOT_S, minute = at_s / MINUTE_S;
    if (at_s < 0 || !isfinite(load))
        return;
    if (f->slot >= 0 && minute != f->minute) {
        close_minute(f);
        if (slot != f->slot) {
            int64_t gap = slot - f->slot;
            close_slot(f);
            f->level *= pow(KEEP_LEVEL, (double)(gap - 1)); /* what was off then may be over */
        }
    }
    f->slot = slot;
    f->minute = minute;
    f->minute_sum += load;
    f->minute_count += 1;
}

bool qri_forecast_max(const struct qri_forecast *f, int64_t ahead_s, double z, double *ret_expected,
                      double *ret_upper)
{
    double most = 0, upper_most = 0;
    bool known = false;
    /* a slot is early by up to its own length; the next one's beginning may be a moment away */
    int64_t count = ahead_s / SLOT_S + 1;
    double level = f->level;
    for (int64_t i = 0; f->slot >= 0 && f->closed > 0 && i <= count; i++, level *= KEEP_LEVEL) {
        const struct profile *p = speaker(f, f->slot + i);
        if (p == NULL)
            continue;
        const struct slot *s = slot_at(p, f->slot + i);
        double squared = s->seen > 1 ? (s->spread + f->spread) / 2 : f->spread;
        double expected = fmax(0, s->load + level), upper = expected + z * sqrt(squared);
        most = fmax(most, expected);
        upper_most = fmax(upper_most, upper);
        known = true;
    }
    if (known) {
        *ret_expected = most;
        *ret_upper = upper_most;
    }
    return known;
}
