/* autoscale/simulate.h - days of a load in moments: what would a policy have done?
 *
 * A trace is the load over time in vCores (what the database would use if nothing held it back).
 * The simulator cuts it into points as a database reports them, asks the policy (policy.h, the code
 * that decides for databases), and applies its wishes after the time that a scale takes. What a
 * rung cannot carry is a violation; it is cut off, not saved up.
 *
 * Pure but for memory; any thread. Traces are bytes from outside. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "autoscale/policy.h"
#include "base/str.h"

enum { QR_TRACE_POINTS_MAX = 4 * 1024 * 1024 };

struct qr_trace_point {
    int64_t at_s;
    double load[QR_SCALE_METRIC_COUNT]; /* vCores' worth of each metric; NaN: not in the trace */
};

struct qr_trace {
    struct qr_trace_point *points;
    size_t count;
};

/* CSV with a header: `time` (seconds, or YYYY-MM-DDTHH:MM:SSZ), and at least one of `load` (the
 * same as cpu), `cpu`, `data_io`, `log`, `workers`, `memory`, in vCores' worth. Other columns are
 * passed over. QR_INVALID names the line. */
QR_NODISCARD enum qr_status qr_trace_parse(struct qr_str text, struct qr_trace *ret_trace,
                                           struct qr_err *err);
void qr_trace_done(struct qr_trace *trace);

struct qr_simulation {
    int first_rung;
    int64_t step_s;           /* between points: 15, as sys.dm_db_resource_stats */
    double scale_s;           /* from a wish to its rung being there: 2 */
    double violation_percent; /* of a rung's capacity; a step above it is violated: 90 */
    double hour_price;        /* of a vCore; only in the report */
    size_t learn_steps;       /* so many of the first are not judged: the forecast's school */
};
void qr_simulation_default(struct qr_simulation *simulation);

struct qr_simulated {
    int64_t at_s;
    double load, capacity;      /* vCores */
    enum qr_scale_reason cause; /* of the capacity */
    struct qr_scale_wish wish;
};

struct qr_simulation_result {
    struct qr_simulated *steps;
    size_t count;
    double violation_minutes, vcore_hours, load_hours; /* of what was judged */
    double unserved_hours;                             /* vCore-hours of load above capacity */
    size_t ups, downs;
};

QR_NODISCARD enum qr_status
qr_simulate(const struct qr_simulation *simulation, const struct qr_scale_policy *policy,
            const struct qr_rung *ladder, size_t rung_count, const struct qr_trace *trace,
            struct qr_simulation_result *ret_result, struct qr_err *err);
void qr_simulation_result_done(struct qr_simulation_result *result);

/* One picture for each result below the other: load, capacity, decisions. SVG. `names` are the
 * policies'. */
void qr_simulation_plot(const struct qr_simulation_result *results, const char *const *names,
                        size_t count, struct qr_buf *dst);
/* The decisions of one as CSV: time, load, capacity, objective wished for, reason, averages. */
void qr_simulation_csv(const struct qr_simulation_result *result, const struct qr_rung *ladder,
                       struct qr_buf *dst);
