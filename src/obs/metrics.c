/* metrics.c - see obs/metrics.h */
#include "obs/metrics.h"
#include "base/banned.h"

void qr_metrics_print(const struct qr_metrics *metrics, struct qr_buf *buf)
{
    for (size_t i = 0; i < metrics->count; i++) {
        const struct qr_metric *row = &metrics->rows[i];
        qr_buf_printf(buf, "# TYPE %s %s\n# HELP %s %s\n%s%s %lld\n", row->name,
                      row->kind == QR_COUNTER ? "counter" : "gauge", row->name, row->help,
                      row->name, row->kind == QR_COUNTER ? "_total" : "",
                      (long long)qr_metric_get(metrics, i));
    }
}
