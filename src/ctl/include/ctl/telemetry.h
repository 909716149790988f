/* ctl/telemetry.h - what happened and what was used, kept for weeks: sys.event_log,
 * sys.resource_stats and the like are made of it.
 *
 * Gateways and nodes count and report to control, which keeps rows in a file of its own beside the
 * metadata. A crash may lose the last seconds, and nothing waits for the disk. A row is found by
 * kind, server, time and key; counts with the same add up, bodies replace each other.
 * Threads: any. Errors: QR_IO, QR_FULL, QR_CORRUPT, QR_NOMEM, QR_PROTOCOL for bytes that break the
 * format, and those of rpc/rpc.h. */
#pragma once
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "rpc/rpc.h"

enum qr_telemetry_kind {
    QR_TELEMETRY_EVENT = 1, /* key "type/subtype/database", begins of 5 minutes; 30 days */
    QR_TELEMETRY_DATABASE,  /* key: name of the database; ends of 5 minutes; 14 days */
    QR_TELEMETRY_POOL,      /* key: name of the pool; ends of 15 seconds; 14 days */
    /* Compute that is billed for a serverless database, in millionths of a vCore second; key: its
     * name, of its HA replicas behind "ha:"; begins of minutes; 14 days. The body is "CPU MEMORY",
     * percents of the most that it may have, or empty. */
    QR_TELEMETRY_BILLED,
    QR_TELEMETRY_AUTOSCALE, /* key: number of the database; ends of 15 seconds; 14 days */
    /* What a database uses now, for /metrics: its number as key; ends of 15 seconds; 10 minutes.
     * The body is that of QR_TELEMETRY_DATABASE without what is allocated, for one sample, then
     * percent of its memory, the most workers and sessions, the bytes that it may have, and its
     * name. */
    QR_TELEMETRY_NOW,
    /* As QR_TELEMETRY_DATABASE, for metrics by minutes; key: name; ends of minutes; 6 hours. The
     * bodies of databases, minutes and pools end with MB that are allocated, which versions before
     * did not tell, and measures (measure.h). */
    QR_TELEMETRY_MINUTE,
    QR_TELEMETRY_KINDS,
};

enum {
    QR_TELEMETRY_KEY_BYTES_MAX = 512,
    QR_TELEMETRY_BODY_BYTES_MAX = 2048,
    QR_TELEMETRY_REPORT_BYTES_MAX = 60000, /* of one report */
};

struct qr_telemetry_row {
    uint8_t kind;
    uint32_t server;
    int64_t at_wall_ns;
    uint64_t count; /* of events; 0: a sample */
    struct qr_str key, body;
};
void qr_telemetry_put(struct qr_buf *buf, const struct qr_telemetry_row *row);
/* The row at *at, which moves behind it. Texts point into the bytes. */
QR_NODISCARD enum qr_status qr_telemetry_next(const uint8_t *bytes, size_t count, size_t *at,
                                              struct qr_telemetry_row *ret_row, struct qr_err *err);

/* ---- who keeps it ---- */
struct qr_telemetry;
/* Makes the file if there is none; one that is damaged is made anew. */
QR_NODISCARD enum qr_status qr_telemetry_open(const char *path, struct qr_telemetry **ret_telemetry,
                                              struct qr_err *err);
void qr_telemetry_close(struct qr_telemetry *telemetry); /* NULL is accepted */
/* The rows in those bytes, all or none; what is older than its kind is kept goes. */
QR_NODISCARD enum qr_status qr_telemetry_add(struct qr_telemetry *telemetry, const uint8_t *bytes,
                                             size_t count, int64_t now_wall_ns, struct qr_err *err);
/* Rows behind that time and key, in order of time; as many as fit, none: that was all. */
QR_NODISCARD enum qr_status qr_telemetry_list(struct qr_telemetry *telemetry, uint8_t kind,
                                              uint32_t server, int64_t after_wall_ns,
                                              struct qr_str after_key, size_t bytes_max,
                                              struct qr_buf *out, struct qr_err *err);

/* ---- who reports and who asks, on control's address of short calls ---- */
QR_NODISCARD enum qr_status qr_telemetry_report(struct qr_rpc_peer *control, const uint8_t *bytes,
                                                size_t count, int64_t timeout_ns,
                                                struct qr_err *err);
typedef enum qr_status qr_telemetry_fn(void *ctx, const struct qr_telemetry_row *row);
/* All rows after that time, in order of time. */
QR_NODISCARD enum qr_status qr_telemetry_each(struct qr_rpc_peer *control, uint8_t kind,
                                              uint32_t server, int64_t after_wall_ns,
                                              int64_t timeout_ns, qr_telemetry_fn *each, void *ctx,
                                              struct qr_err *err);
