/* obs/metrics.h - counters and gauges as rows: one table gives the values, the text and the docs.
 *
 * A component declares an enum of its metrics and a table with one row each, then a set over both:
 *   qr_metric_add(&gateway->metrics, GW_LOGINS, 1);
 * Threads: any; each value is one relaxed atomic, values are not a snapshot of one moment. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

enum qr_metric_kind { QR_COUNTER, QR_GAUGE }; /* never falls; goes both ways */

struct qr_metric {
    const char *name; /* quire_<component>_<what>_<unit> */
    const char *unit;
    enum qr_metric_kind kind;
    const char *help; /* one line */
};

struct qr_metrics {
    const struct qr_metric *rows;
    _Atomic int64_t *values; /* caller's array of `count` */
    size_t count;
};

static inline void qr_metric_add(const struct qr_metrics *metrics, size_t index, int64_t n)
{
    atomic_fetch_add_explicit(&metrics->values[index], n, memory_order_relaxed);
}
static inline int64_t qr_metric_get(const struct qr_metrics *metrics, size_t index)
{
    return atomic_load_explicit(&metrics->values[index], memory_order_relaxed);
}

/* The OpenMetrics text exposition of the set. */
void qr_metrics_print(const struct qr_metrics *metrics, struct qr_buf *buf);
