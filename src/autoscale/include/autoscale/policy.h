/* autoscale/policy.h - which objective a database should have, from what was measured of it.
 *
 * A scaler is a policy with its memory. qr_scaler_next is a function of the points it was given and
 * of nothing else: no clock, no random numbers, no I/O. So the simulator runs the code that decides
 * for databases, and a decision can be made again from its inputs.
 *
 * Threads: a scaler belongs to one at a time. Memory: about 110 KB with a forecast, 2 KB without.
 * Source: the seed on autoscaling (moving average, thresholds, data points, warm-up); Holt-Winters
 * smoothing with two seasons (Taylor 2003) for the forecast. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"

enum qr_scale_metric {
    QR_SCALE_CPU,
    QR_SCALE_DATA_IO,
    QR_SCALE_LOG,
    QR_SCALE_WORKERS,
    QR_SCALE_MEMORY,
    QR_SCALE_METRIC_COUNT
};
extern const char *const qr_scale_metric_names[QR_SCALE_METRIC_COUNT]; /* "cpu", "data_io", ... */

/* An objective that a database may have. A ladder is an array of them by rising vCores. */
struct qr_rung {
    const char *name; /* "HS_Gen5_4" */
    double vcores;
};

enum qr_scale_kind { QR_SCALE_FIXED, QR_SCALE_MOVING_AVERAGE, QR_SCALE_FORECAST, QR_SCALE_KINDS };
extern const char *const qr_scale_kind_names[QR_SCALE_KINDS]; /* "fixed", "moving_average", ... */

enum { QR_SCALE_WINDOW_MAX = 240 }; /* an hour of points of 15 s */

struct qr_scale_policy {
    enum qr_scale_kind kind;
    int min_rung, max_rung;          /* bounds, both inclusive */
    uint32_t metrics;                /* bit (1 << metric): it counts */
    double up_percent, down_percent; /* of the moving average; the forecast plans for up_percent */
    uint32_t window_points;          /* of the moving average, as the seed's: 5 */
    uint32_t points_min;             /* since the last change, before anything is decided: 5 */
    int64_t warmup_s;                /* the same in time, whatever the points: 0 */
    int64_t gap_s;      /* after so long without a point they are counted anew; 0: never */
    int64_t cooldown_s; /* after a change before the next one downwards, or back into the bounds */
    double cost_weight; /* 0: room is worth all; 1: vCores are; 0.5: in between */
    /* of the forecast */
    int64_t horizon_s; /* how far ahead capacity has to be there */
    int64_t hold_s;    /* how long a smaller rung has to be enough before it is taken */
    double interval;   /* standard deviations of the upper bound that is planned for */
};

/* The seed's numbers, and a forecast that looks ten minutes ahead. */
void qr_scale_policy_default(struct qr_scale_policy *policy, enum qr_scale_kind kind,
                             size_t rung_count);
/* QR_INVALID names the field that is out of its bounds. */
QR_NODISCARD enum qr_status qr_scale_policy_check(const struct qr_scale_policy *policy,
                                                  size_t rung_count, struct qr_err *err);

/* What was measured in the seconds up to at_s. */
struct qr_scale_point {
    int64_t at_s; /* UTC, seconds since 1970-01-01; rises from point to point */
    int rung;     /* that the database had */
    double percent[QR_SCALE_METRIC_COUNT]; /* of that rung's limits; 100: all of it was used */
};

enum qr_scale_reason {
    QR_SCALE_STEADY,
    QR_SCALE_WARMING_UP, /* too few points since the last change: nothing is decided */
    QR_SCALE_HIGH,
    QR_SCALE_LOW,
    QR_SCALE_AHEAD,   /* the forecast wants more than is needed now */
    QR_SCALE_BEYOND,  /* the forecast sees no need for what there is */
    QR_SCALE_COOLING, /* less would do, but the last change was just now */
    QR_SCALE_AT_MAX,  /* more is wanted than the bounds allow */
    QR_SCALE_AT_MIN,
    QR_SCALE_OUTSIDE, /* the rung is outside of the bounds */
    QR_SCALE_REASONS
};
extern const char *const qr_scale_reason_names[QR_SCALE_REASONS];

struct qr_scale_wish {
    int rung; /* the one to have from now on; the point's own: stay */
    bool is_decided;
    enum qr_scale_reason reason;
    uint32_t points;                       /* data points behind the averages */
    double average[QR_SCALE_METRIC_COUNT]; /* percent */
    double load; /* vCores used by the metric that is nearest to its limit */
    bool has_forecast;
    double expected, upper; /* vCores: the highest of the horizon, and its upper bound */
};

struct qr_scaler;
/* `ladder` stays the caller's and outlives the scaler. */
QR_NODISCARD enum qr_status qr_scaler_new(const struct qr_scale_policy *policy,
                                          const struct qr_rung *ladder, size_t rung_count,
                                          struct qr_scaler **ret_scaler, struct qr_err *err);
void qr_scaler_free(struct qr_scaler *scaler); /* NULL is fine */
void qr_scaler_freep(struct qr_scaler **scaler);
/* A point of the past (the service keeps two weeks): the forecast learns, nothing is decided. */
void qr_scaler_learn(struct qr_scaler *scaler, const struct qr_scale_point *point);
/* A point that is not later than the one before is ignored: steady. */
void qr_scaler_next(struct qr_scaler *scaler, const struct qr_scale_point *point,
                    struct qr_scale_wish *ret_wish);
/* What the wish was made from, as the `UsageInfo` of the decisions' table: one JSON object. */
void qr_scale_wish_print(const struct qr_scale_wish *wish, struct qr_buf *dst);
