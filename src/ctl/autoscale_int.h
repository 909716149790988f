/* autoscale_int.h - what the files of the autoscaler share.
 *
 * What is said for a database is a document of kind AUTOSCALE, named by the database's id; what is
 * not said has a default that may depend on the database. Only what is said is kept. */
#pragma once
#include <jansson.h>
#include "autoscale/policy.h"
#include "control_int.h"
#include "ctl/autoscale.h"
#include "ctl/slo.h"

enum { QRI_RUNGS_MAX = 64 };

/* ---- autoscale_said.c: pure but for memory ---- */

/* What was said, for a database as it is now. */
struct qri_autoscale {
    bool is_on, is_dry;
    int least; /* as said: where a size keeps it from going so low, policy.min_rung is above it */
    struct qr_scale_policy policy;
    struct qr_rung ladder[QRI_RUNGS_MAX]; /* of its edition and hardware */
    size_t rung_count;
};
/* QR_INVALID: it cannot be scaled, or the objectives that were said are none of its ladder. */
QR_NODISCARD enum qr_status qri_autoscale_of(const json_t *said, const struct qr_database_row *row,
                                             int64_t interval_ns, struct qri_autoscale *ret,
                                             struct qr_err *err);
/* `wish`, a JSON object, becomes part of what was said; null takes a member back. QR_INVALID names
 * the member that is not known, or whose value is of no use. */
QR_NODISCARD enum qr_status qri_autoscale_wish(json_t *said, struct qr_str wish,
                                               struct qr_err *err);
/* All that holds, said or not. NULL: out of memory. */
json_t *qri_autoscale_json(const struct qri_autoscale *a);
/* The rung of those limits; -1: none. */
int qri_autoscale_rung(const struct qri_autoscale *a, uint32_t vcores_pct, uint32_t dtus);

/* ---- autoscale_row.c: decisions as rows of telemetry ---- */

/* One point and what came of it. */
struct qri_decision {
    struct qr_used_point used;
    struct qr_scale_point point;
    struct qr_scale_wish wish;
    bool is_dry, is_late; /* late: a newer point was there already */
    bool is_kept_back;    /* another operation has failed a moment ago */
    const char *error;    /* of the operation that was begun, or the one before; NULL: none */
};
/* Keeps it; what cannot be kept is logged and lost. */
void qri_decision_keep(struct qr_control *control, uint32_t id, const struct qri_autoscale *a,
                       const struct qri_decision *decision);
/* The scaler gets what was used in the last two weeks, and goes through its last decisions again,
 * so that windows and cool-downs are as they were before a start. */
void qri_decisions_recall(struct qr_control *control, const struct qr_database_row *row,
                          const struct qri_autoscale *a, struct qr_scaler *scaler,
                          int64_t *ret_last_wall_ns);

/* ---- autoscale.c ---- */
enum { QRI_SCALED_TEXT_BYTES = 400 };
struct qri_scaled { /* a database that has settings */
    struct qri_scaled *next;
    uint32_t id;
    json_t *said;
    bool is_ready; /* `a` and `scaler` are of the row as it was */
    char edition[QR_WORD_BYTES_MAX + 1], family[QR_WORD_BYTES_MAX + 1];
    uint64_t max_bytes;
    struct qri_autoscale a;
    struct qr_scaler *scaler;
    int64_t due_wall_ns, seen_wall_ns; /* the next look at it; the end of its last point */
    int64_t silent_wall_ns;            /* since when its node has had nothing to say; 0: it has */
    char operation[QR_GUID_TEXT_BYTES + 1]; /* that it has begun; "": none */
    int64_t pause_ns, until_mono_ns;        /* after one that has failed */
    char error[QRI_SCALED_TEXT_BYTES];      /* "": none */
    /* the last decision, to be shown */
    int64_t decided_wall_ns;
    struct qr_scale_wish wish;
    int rung;
};
struct qri_autoscaler {
    pthread_mutex_t mu; /* guards what follows but `rounds`; before the registry's and ops.mu */
    struct qri_scaled *list;
    bool is_loaded;
    struct qri_rounds rounds;
};
int64_t qri_autoscale_interval(const struct qr_control *control);
/* mu held for these. NULL: there is none; of _add: out of memory. */
struct qri_scaled *qri_scaled_find(struct qri_autoscaler *scaler, uint32_t id);
struct qri_scaled *qri_scaled_add(struct qri_autoscaler *scaler, uint32_t id);
bool qri_scaled_is_on(const struct qri_scaled *s);
/* What is kept, once; is_loaded says whether that worked. */
void qri_autoscale_load(struct qr_control *control);
/* A round, as the thread does it. */
void qri_autoscale_look(struct qr_control *control);
