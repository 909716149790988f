/* stress_int.h - `quire stress`: clients that send batches, and what they saw.
 *
 * A client is a thread with one connection. Each second the ticker takes what the clients counted
 * and makes a row of it. Latencies are of whole iterations: all batches of the script, without the
 * think time; at a fixed rate they count from when the iteration was due, so that a server that
 * stands still is not let off. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "sql_link.h"

/* ---- histogram.c: microseconds, in buckets at most 1.6 % wide, up to an hour ---- */

enum { QRI_HISTOGRAM_BUCKETS = 128 + 26 * 64 };

struct qri_histogram {
    uint64_t count, sum_us, max_us;
    uint32_t buckets[QRI_HISTOGRAM_BUCKETS];
};

void qri_histogram_add(struct qri_histogram *h, uint64_t us);
void qri_histogram_merge(struct qri_histogram *into, const struct qri_histogram *from);
/* The value that so many percent are not above; 0 of nothing. */
double qri_histogram_ms(const struct qri_histogram *h, double percent);

/* ---- stress_plan.c: how many clients, how fast, at what time ---- */

struct qri_stress_phase {
    double at_s;      /* since the start */
    uint32_t clients; /* that are at work */
    double think_ms;
    double rate; /* iterations per second of all of them; 0: as fast as they can */
};

struct qri_stress_plan {
    struct qri_stress_phase *phases; /* by rising at_s; the first is at 0 */
    size_t count;
    uint32_t clients_max;
};

/* CSV with a header (time, clients, and if wished think_ms, rate) or a JSON array of objects with
 * these members. What a row does not say stays as it was. */
QR_NODISCARD enum qr_status qri_stress_plan_parse(struct qr_str text,
                                                  const struct qri_stress_phase *first,
                                                  struct qri_stress_plan *ret_plan,
                                                  struct qr_err *err);
/* One phase, or a ramp of one client after the other within ramp_s. */
QR_NODISCARD enum qr_status qri_stress_plan_make(const struct qri_stress_phase *first,
                                                 double ramp_s, struct qri_stress_plan *ret_plan,
                                                 struct qr_err *err);
void qri_stress_plan_done(struct qri_stress_plan *plan);

/* ---- stress_run.c ---- */

enum { QRI_STRESS_CLIENTS_MAX = 4096, QRI_STRESS_ERRORS_MAX = 64, QRI_STRESS_ERROR_TEXT = 200 };

struct qri_stress_options {
    struct qri_sql_link_options link;
    struct qr_str *batches; /* of one iteration */
    size_t batch_count;
    struct qri_stress_plan plan;
    uint64_t iterations;  /* of each client; 0: until the time is over */
    double duration_s;    /* 0: until the iterations are done, or for ever */
    int query_timeout_s;  /* 0: none */
    bool stops_at_errors; /* the first error ends it */
    FILE *progress;       /* NULL: none is shown */
    FILE *timeline;       /* a row each second; NULL: none */
};

struct qri_stress_error {
    uint32_t number; /* 0: not the server's: text is ours */
    uint64_t count;
    char text[QRI_STRESS_ERROR_TEXT]; /* of the first one */
};

struct qri_stress_second {
    double at_s;
    uint32_t clients; /* at work */
    uint64_t iterations, errors, reconnects;
    double p50_ms, p95_ms, p99_ms, max_ms;
    double gap_ms; /* the longest that a client has been without a good iteration, as of now */
};

struct qri_stress_result {
    double took_s;
    uint64_t iterations, batches, rows, errors, reconnects, failed_logins;
    double gap_ms, gap_at_s; /* the longest between two good iterations of one client */
    struct qri_histogram latency;
    struct qri_stress_error by_number[QRI_STRESS_ERRORS_MAX];
    size_t error_count;
    struct qri_stress_second *seconds;
    size_t second_count;
};

/* Blocks until it is over or SIGINT asks for its end. A server that refuses the first login fails
 * the run; a connection that breaks later is opened again. */
QR_NODISCARD enum qr_status qri_stress_run(const struct qri_stress_options *options,
                                           struct qri_stress_result *ret_result,
                                           struct qr_err *err);
void qri_stress_result_done(struct qri_stress_result *result);
/* From a signal handler. */
void qri_stress_stop(void);

/* ---- stress_out.c ---- */

void qri_stress_print_progress(const struct qri_stress_second *second, FILE *out);
void qri_stress_print_row(const struct qri_stress_second *second, bool header, FILE *out);
void qri_stress_print_text(const struct qri_stress_result *result, FILE *out);
/* Iterations per second, latencies and errors over time as SVG. */
void qri_stress_plot(const struct qri_stress_result *result, struct qr_buf *dst);
