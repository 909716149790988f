/* ctl/measure.h - what a database or elastic pool used in an interval: average, least and most of
 * each measure. Bodies of telemetry (telemetry.h) of databases, minutes and pools end with it,
 * behind a word "=". Pure; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

enum qr_measure {                 /* in the order of a body: new ones go to the end */
                  QR_MEASURE_CPU, /* percents of the limits */
                  QR_MEASURE_IO,
                  QR_MEASURE_LOG,
                  QR_MEASURE_DTU, /* the most of those three */
                  QR_MEASURE_WORKERS,
                  QR_MEASURE_SESSIONS,
                  QR_MEASURE_INSTANCE_CPU, /* of the process */
                  QR_MEASURE_INSTANCE_MEMORY,
                  QR_MEASURE_SESSION_COUNT,
                  QR_MEASURE_STORAGE, /* bytes: used, that it may have, of its files */
                  QR_MEASURE_STORAGE_LIMIT,
                  QR_MEASURE_ALLOCATED,
                  QR_MEASURE_TEMPDB_KB,
                  QR_MEASURES
};

struct qr_measured {
    double average, least, most;
};
enum { QR_MEASURES_BYTES_MAX = QR_MEASURES * 3 * 20 + 4 };

/* Writes " = ..." with a zero behind it. */
void qr_measures_put(const struct qr_measured measures[QR_MEASURES], char *dst, size_t dst_bytes);
/* False: the body has none, as those of versions before 2026-11 and of other kinds. */
bool qr_measures_parse(struct qr_str body, struct qr_measured ret_measures[QR_MEASURES]);
/* One more look at a measure, the `count`th beginning with 0; the average is a sum until
 * qr_measures_end. */
void qr_measure_add(struct qr_measured *measure, size_t count, double value);
void qr_measures_end(struct qr_measured measures[QR_MEASURES], size_t count);
