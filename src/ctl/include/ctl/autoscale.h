/* ctl/autoscale.h - the autoscaler as others see it: settings and decisions of a database, and what
 * a node says of the use of its resources.
 *
 * Settings are a JSON object: state (Enabled, Disabled), policy (moving_average, forecast),
 * minObjective, maxObjective, upPercent, downPercent, windowPoints, minPoints, warmupSeconds,
 * cooldownSeconds, costWeight, horizonSeconds, metrics (of cpu, data_io, log, workers, memory),
 * dryRun. They are asked for with the database's name, the objective it has, and its last decision
 * (lastDecisionWallNs, lastReason, lastRequestedObjective, lastError, retryAfterWallNs).
 * Calls block, as those of ctl/peer.h; bytes are hostile. */
#pragma once
#include "ctl/calls.h"
#include "rpc/rpc.h"

/* What is said becomes part of the settings; the rest stays. `operate` as for operations. Error
 * 911 there is no such database, QR_INVALID says what is wrong. */
QR_NODISCARD enum qr_status qr_autoscale_set(struct qr_rpc_peer *operate, uint32_t server,
                                             struct qr_str name, struct qr_str json,
                                             int64_t timeout_ns, struct qr_err *err);
/* Those of a server's databases that have settings, in order of id; with a name only that one's.
 * `each` may stop it with a status. */
typedef enum qr_status qr_autoscale_fn(void *ctx, uint32_t id, struct qr_str json);
QR_NODISCARD enum qr_status qr_autoscale_each(struct qr_rpc_peer *control, uint32_t server,
                                              struct qr_str name, int64_t timeout_ns,
                                              qr_autoscale_fn *each, void *ctx, struct qr_err *err);

/* ---- decisions ---- */

/* The body of a row of telemetry: "CURRENT REQUESTED {...}", REQUESTED "-" if nothing was decided.
 * Texts point into the body. */
struct qr_autoscale_decision {
    struct qr_str current, requested, usage; /* requested: n = 0; usage: a JSON object */
};
QR_NODISCARD bool qr_autoscale_decision_parse(struct qr_str body,
                                              struct qr_autoscale_decision *ret_decision);

/* ---- QR_NODE_USED ---- */

enum qr_used {
    QR_USED_CPU,
    QR_USED_DATA_IO,
    QR_USED_LOG,
    QR_USED_WORKERS,
    QR_USED_MEMORY,
    QR_USED_INSTANCE_CPU,
    QR_USED_COUNT
};
/* A row of sys.dm_db_resource_stats. */
struct qr_used_point {
    int64_t end_wall_ns;
    uint32_t vcores_pct, dtus; /* hundredths of a vCore; of the limits that held at its end */
    double percent[QR_USED_COUNT];
};
enum { QR_USED_POINTS_MAX = 240, QR_USED_POINT_BYTES = 16 + 4 * QR_USED_COUNT };
void qr_used_put(struct qr_buf *buf, const struct qr_used_point *point);
/* The points behind that time, oldest first; how many. QR_NOT_FOUND: the node does not have it
 * open, or it has used nothing yet. */
QR_NODISCARD enum qr_status qr_node_used(struct qr_rpc_peer *node,
                                         const struct qr_database_row *row, int64_t after_wall_ns,
                                         int64_t timeout_ns,
                                         struct qr_used_point dst[QR_USED_POINTS_MAX],
                                         size_t *ret_count, struct qr_err *err);
