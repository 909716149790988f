/* policy.c - see policy.h: points in, wishes out. */
#include "autoscale/policy.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "forecast.h"
#include "base/banned.h"

const char *const qr_scale_metric_names[QR_SCALE_METRIC_COUNT] = {
    [QR_SCALE_CPU] = "cpu",         [QR_SCALE_DATA_IO] = "data_io", [QR_SCALE_LOG] = "log",
    [QR_SCALE_WORKERS] = "workers", [QR_SCALE_MEMORY] = "memory",
};
const char *const qr_scale_kind_names[QR_SCALE_KINDS] = {
    [QR_SCALE_FIXED] = "fixed",
    [QR_SCALE_MOVING_AVERAGE] = "moving_average",
    [QR_SCALE_FORECAST] = "forecast",
};
const char *const qr_scale_reason_names[QR_SCALE_REASONS] = {
    [QR_SCALE_STEADY] = "steady",   [QR_SCALE_WARMING_UP] = "warming_up",
    [QR_SCALE_HIGH] = "high",       [QR_SCALE_LOW] = "low",
    [QR_SCALE_AHEAD] = "ahead",     [QR_SCALE_BEYOND] = "beyond",
    [QR_SCALE_COOLING] = "cooling", [QR_SCALE_AT_MAX] = "at_max",
    [QR_SCALE_AT_MIN] = "at_min",   [QR_SCALE_OUTSIDE] = "outside_bounds",
};

/* Of the rate at which a measured load may be cut off by its own limit. */
static const double SATURATED_PERCENT = 97.0, SATURATED_GROWTH = 1.6;

struct qr_scaler {
    struct qr_scale_policy policy;
    const struct qr_rung *ladder;
    int64_t last_s, changed_s;
    int rung;             /* of the last point; -1: there was none */
    uint32_t count, next; /* of the window since the last change */
    double window[QR_SCALE_WINDOW_MAX][QR_SCALE_METRIC_COUNT];
    struct qri_forecast *forecast; /* NULL for kinds without */
};

void qr_scale_policy_default(struct qr_scale_policy *policy, enum qr_scale_kind kind,
                             size_t rung_count)
{
    *policy = (struct qr_scale_policy){
        .kind = kind,
        .max_rung = (int)rung_count - 1,
        .metrics = 1u << QR_SCALE_CPU | 1u << QR_SCALE_DATA_IO | 1u << QR_SCALE_LOG |
                   1u << QR_SCALE_WORKERS,
        .up_percent = kind == QR_SCALE_FORECAST ? 80 : 70, /* what is foreseen needs less room */
        .down_percent = 30,
        .window_points = 5,
        .points_min = 5,
        .cooldown_s = 300,
        .cost_weight = 0.5,
        .horizon_s = 600,
        .hold_s = 1800,
        .interval = 1.28,
    };
}

static enum qr_status refuse(struct qr_err *err, const char *field, const char *bounds)
{
    return qr_fail(err, QR_INVALID, "%s has to be %s", field, bounds);
}

enum qr_status qr_scale_policy_check(const struct qr_scale_policy *p, size_t rung_count,
                                     struct qr_err *err)
{
    if ((int)p->kind < 0 || p->kind >= QR_SCALE_KINDS)
        return refuse(err, "policy", "fixed, moving_average or forecast");
    if (p->min_rung < 0 || p->max_rung < p->min_rung || (size_t)p->max_rung >= rung_count)
        return refuse(err, "the least objective", "one of the ladder, and not above the greatest");
    if (p->metrics == 0 || p->metrics >= 1u << QR_SCALE_METRIC_COUNT)
        return refuse(err, "metrics", "at least one of cpu, data_io, log, workers, memory");
    if (!(p->up_percent > 0 && p->up_percent <= 100))
        return refuse(err, "the upper threshold", "above 0 and at most 100 percent");
    if (!(p->down_percent >= 0 && p->down_percent < p->up_percent))
        return refuse(err, "the lower threshold", "at least 0 and below the upper one");
    if (p->window_points < 1 || p->window_points > QR_SCALE_WINDOW_MAX)
        return refuse(err, "the window", "1 to 240 points");
    if (p->points_min < 1 || p->points_min > p->window_points)
        return refuse(err, "the least number of points", "1 to those of the window");
    if (p->warmup_s < 0 || p->warmup_s > 86400 || p->gap_s < 0)
        return refuse(err, "the warm-up", "0 to 86400 seconds");
    if (p->cooldown_s < 0 || p->cooldown_s > 86400)
        return refuse(err, "the cool-down", "0 to 86400 seconds");
    if (!(p->cost_weight >= 0 && p->cost_weight <= 1))
        return refuse(err, "the cost weight", "0 to 1");
    if (p->horizon_s < 60 || p->horizon_s > 86400 || p->hold_s < p->horizon_s || p->hold_s > 86400)
        return refuse(err, "the horizon", "60 to 86400 seconds, and not above the hold time");
    if (!(p->interval >= 0 && p->interval <= 6))
        return refuse(err, "the interval", "0 to 6 standard deviations");
    return QR_OK;
}

enum qr_status qr_scaler_new(const struct qr_scale_policy *policy, const struct qr_rung *ladder,
                             size_t rung_count, struct qr_scaler **ret_scaler, struct qr_err *err)
{
    QR_TRY(qr_scale_policy_check(policy, rung_count, err));
    struct qr_scaler *scaler = calloc(1, sizeof *scaler);
    if (scaler == NULL)
        return qr_fail(err, QR_NOMEM, "make a scaler");
    scaler->policy = *policy;
    scaler->ladder = ladder;
    scaler->last_s = INT64_MIN;
    scaler->changed_s = INT64_MIN;
    scaler->rung = -1;
    if (policy->kind == QR_SCALE_FORECAST && (scaler->forecast = qri_forecast_new()) == NULL) {
        free(scaler);
        return qr_fail(err, QR_NOMEM, "make a scaler");
    }
    *ret_scaler = scaler;
    return QR_OK;
}

void qr_scaler_free(struct qr_scaler *scaler)
{
    if (scaler != NULL)
        qri_forecast_free(scaler->forecast);
    free(scaler);
}

void qr_scaler_freep(struct qr_scaler **scaler)
{
    qr_scaler_free(*scaler);
}

/* ---- what was measured ---- */

static double clamp(double v, double low, double high)
{
    return v >= low ? (v <= high ? v : high) : low; /* NaN: low */
}

/* The highest of the metrics that count. */
static double highest(const struct qr_scaler *scaler, const double *percent)
{
    double most = 0;
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        if ((scaler->policy.metrics >> m & 1) != 0 && percent[m] > most)
            most = percent[m];
    return most;
}

static bool is_usable(const struct qr_scaler *scaler, const struct qr_scale_point *point)
{
    return point->at_s > scaler->last_s && point->rung >= 0;
}

/* vCores; what is cut off by its own limit may be anything above, so a guess is made. */
static double load_of(const struct qr_scaler *scaler, int rung, double percent)
{
    double load = percent / 100 * scaler->ladder[rung].vcores;
    return percent >= SATURATED_PERCENT ? load * SATURATED_GROWTH : load;
}

void qr_scaler_learn(struct qr_scaler *scaler, const struct qr_scale_point *point)
{
    if (!is_usable(scaler, point))
        return;
    scaler->last_s = point->at_s;
    double percent = clamp(highest(scaler, point->percent), 0, 100);
    if (scaler->forecast != NULL)
        qri_forecast_add(scaler->forecast, point->at_s,
                         percent / 100 * scaler->ladder[point->rung].vcores);
}

static void average_of(struct qr_scaler *scaler, const struct qr_scale_point *point,
                       struct qr_scale_wish *wish)
{
    bool is_gap = scaler->policy.gap_s > 0 && scaler->rung >= 0 &&
                  point->at_s - scaler->last_s > scaler->policy.gap_s;
    bool is_new = point->rung != scaler->rung; /* what was of another objective says little */
    if (is_new && scaler->rung >= 0)
        scaler->changed_s = point->at_s;
    if (is_new || is_gap)
        scaler->count = scaler->next = 0;
    scaler->rung = point->rung;
    uint32_t window = scaler->policy.window_points;
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        scaler->window[scaler->next][m] = clamp(point->percent[m], 0, 100);
    scaler->next = (scaler->next + 1) % window;
    if (scaler->count < window)
        scaler->count += 1;
    wish->points = scaler->count;
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++) {
        double sum = 0;
        for (uint32_t i = 0; i < scaler->count; i++)
            sum += scaler->window[i][m];
        wish->average[m] = sum / scaler->count;
    }
}

/* ---- the policies ---- */

/* The least rung, of all, in which `load` is at most `percent`; the last one if it is in none. */
static int rung_for(const struct qr_scaler *scaler, double load, double percent)
{
    int rung = 0;
    while (rung < scaler->policy.max_rung && scaler->ladder[rung].vcores * percent / 100 < load)
        rung += 1;
    return rung;
}

static double shifted(const struct qr_scaler *scaler, double percent)
{
    return clamp(percent + (scaler->policy.cost_weight - 0.5) * 20, 1, 100);
}

/* The last change was less than that ago. */
static bool has_changed_within(const struct qr_scaler *scaler, int64_t seconds)
{
    return scaler->changed_s != INT64_MIN && scaler->last_s - scaler->changed_s < seconds;
}

/* The seed's: one rung up above the one threshold, one down below the other. */
static void moving_average(const struct qr_scaler *scaler, struct qr_scale_wish *wish)
{
    double most = highest(scaler, wish->average);
    if (most > shifted(scaler, scaler->policy.up_percent)) {
        wish->rung += 1;
        wish->reason = QR_SCALE_HIGH;
    } else if (most < shifted(scaler, scaler->policy.down_percent) && wish->rung > 0) {
        wish->rung -= 1;
        wish->reason = QR_SCALE_LOW;
    }
}

/* The rung for what is used now and for what is expected; smaller ones only if they stay enough. */
static void forecast(const struct qr_scaler *scaler, struct qr_scale_wish *wish)
{
    const struct qr_scale_policy *policy = &scaler->policy;
    double z = policy->interval * 2 * (1 - policy->cost_weight);
    double expected, upper, held;
    if (!qri_forecast_max(scaler->forecast, policy->horizon_s, z, &expected, &upper)) {
        moving_average(scaler, wish); /* until it has seen a day */
        return;
    }
    wish->has_forecast = true;
    wish->expected = expected;
    wish->upper = upper;
    double up = shifted(scaler, policy->up_percent);
    int now = rung_for(scaler, wish->load, up), ahead = rung_for(scaler, upper, up);
    int wanted = now > ahead ? now : ahead;
    if (wanted > wish->rung) {
        wish->reason = now >= ahead ? QR_SCALE_HIGH : QR_SCALE_AHEAD;
        wish->rung = wanted;
        return;
    }
    (void)qri_forecast_max(scaler->forecast, policy->hold_s, z, &expected, &held);
    int enough = rung_for(scaler, held, up);
    if (enough < now)
        enough = now;
    if (enough < wish->rung) {
        wish->rung = enough;
        wish->reason = QR_SCALE_BEYOND;
    }
}

static void bound(const struct qr_scaler *scaler, int current, struct qr_scale_wish *wish)
{
    const struct qr_scale_policy *policy = &scaler->policy;
    int wanted = wish->rung;
    wish->rung = wanted < policy->min_rung   ? policy->min_rung
                 : wanted > policy->max_rung ? policy->max_rung
                                             : wanted;
    if (wish->rung != wanted && wish->rung == current)
        wish->reason = wanted > current ? QR_SCALE_AT_MAX : QR_SCALE_AT_MIN;
    /* who has just put it outside of the bounds has the cool-down for it */
    bool cools = wish->rung < current || wish->reason == QR_SCALE_OUTSIDE;
    if (cools && has_changed_within(scaler, policy->cooldown_s)) {
        wish->rung = current;
        wish->reason = QR_SCALE_COOLING;
    }
}

void qr_scaler_next(struct qr_scaler *scaler, const struct qr_scale_point *point,
                    struct qr_scale_wish *ret_wish)
{
    *ret_wish = (struct qr_scale_wish){.rung = point->rung, .reason = QR_SCALE_STEADY};
    if (!is_usable(scaler, point))
        return;
    average_of(scaler, point, ret_wish);
    ret_wish->load = load_of(scaler, point->rung, highest(scaler, ret_wish->average));
    qr_scaler_learn(scaler, point);
    const struct qr_scale_policy *policy = &scaler->policy;
    bool outside = point->rung < policy->min_rung || point->rung > policy->max_rung;
    if (!outside &&
        (ret_wish->points < policy->points_min || has_changed_within(scaler, policy->warmup_s))) {
        ret_wish->reason = QR_SCALE_WARMING_UP;
        return;
    }
    ret_wish->is_decided = true;
    if (outside)
        ret_wish->reason = QR_SCALE_OUTSIDE;
    else if (policy->kind == QR_SCALE_MOVING_AVERAGE)
        moving_average(scaler, ret_wish);
    else if (policy->kind == QR_SCALE_FORECAST)
        forecast(scaler, ret_wish);
    bound(scaler, point->rung, ret_wish);
}

void qr_scale_wish_print(const struct qr_scale_wish *wish, struct qr_buf *dst)
{
    qr_buf_printf(dst, "{\"Reason\":\"%s\",\"DataPoints\":%u,\"Load\":%.3f",
                  qr_scale_reason_names[wish->reason], wish->points, wish->load);
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        qr_buf_printf(dst, ",\"MovingAvg_%s\":%.3f", qr_scale_metric_names[m], wish->average[m]);
    if (wish->has_forecast)
        qr_buf_printf(dst, ",\"Expected\":%.3f,\"Upper\":%.3f", wish->expected, wish->upper);
    qr_buf_addz(dst, "}");
}
