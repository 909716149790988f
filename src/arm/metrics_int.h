/* metrics_int.h - Microsoft.Insights/metrics: between metrics.c, metrics_table.c and
 * metrics_points.c. */
#pragma once
#include "base/arena.h"
#include "ctl/measure.h"
#include "ctl/telemetry.h"
#include "resource_int.h"

/* ---- metrics_table.c: which metrics there are, of what ---- */

enum qri_metric_source { QRI_OF_SAMPLES, QRI_OF_EVENTS, QRI_OF_BILLED, QRI_OF_BACKUPS };
enum { QRI_OF_DATABASE = 1, QRI_OF_POOL = 2 };
enum { QRI_AVERAGE = 1, QRI_MINIMUM = 2, QRI_MAXIMUM = 4, QRI_TOTAL = 8 };

/* What is made of measures, besides themselves. */
enum qri_metric_made {
    QRI_MADE_STORAGE_PERCENT = QR_MEASURES,
    QRI_MADE_ALLOCATED_PERCENT,
    QRI_MADE_DTU_LIMIT, /* these two of what is sold by DTUs */
    QRI_MADE_DTU_USED,
    QRI_MADE_CPU_LIMIT, /* these two of what is not */
    QRI_MADE_CPU_USED,
    QRI_MADE_NOTHING, /* tempdb has no log here */
    QRI_MADE_APP_CPU, /* of QRI_OF_BILLED */
    QRI_MADE_APP_MEMORY,
    QRI_MADE_APP_BILLED,
};

struct qri_metric {
    const char *name, *display, *unit;
    uint8_t resources, source;
    uint8_t aggregations, primary; /* that it has; the one if none is asked for */
    uint8_t what;                  /* of samples: a measure or made; of backups: its word */
    const char *key;               /* what keys of its events or billed rows begin with */
};
extern const struct qri_metric qri_metrics[];
extern const size_t qri_metric_count;
/* "average" of QRI_AVERAGE, "Average" with `capital`. */
const char *qri_aggregation_name(uint8_t one, bool capital);
/* Of "Average,Maximum"; 0: one of the words is none, or there is none. */
uint8_t qri_aggregations_parse(struct qr_str words);
/* Is it among the names, which commas separate, in whatever case? No names: all. */
bool qri_metric_is_wanted(struct qr_str names, const char *name);

struct qri_grain {
    const char *name, *duration; /* "PT1H", and "01:00:00" as error texts have it */
    int64_t ns;
};
extern const struct qri_grain qri_grains[];
extern const size_t qri_grain_count;
/* NULL: not one of them. */
const struct qri_grain *qri_grain_find(struct qr_str name);

/* ---- metrics_points.c: rows of telemetry to points. Pure ---- */

struct qri_span {
    int64_t from_ns, to_ns, step_ns;
};

struct qri_point {
    double sum, least, most;
    uint64_t count;
};

struct qri_series {
    const struct qri_metric *metric;
    struct qri_point *points;
};

struct qri_series_set {
    const struct qri_span *span;
    struct qr_str resource; /* the name of the database or pool */
    struct qri_series *list;
    size_t count, point_count;
};
/* The points of all series; false: no memory. */
bool qri_series_alloc(struct qr_arena *arena, struct qri_series_set *set);
/* How long the interval of a row of that kind is; it is found by its end, or by its begin. */
int64_t qri_row_interval_ns(uint8_t kind, bool *ret_at_end);
/* Slots for qr_telemetry_each; ctx is the set. */
enum qr_status qri_series_take(void *ctx, const struct qr_telemetry_row *row);
/* False: that aggregation of the point is not known. */
bool qri_point_value(const struct qri_point *point, uint8_t aggregation, double *ret_value);
