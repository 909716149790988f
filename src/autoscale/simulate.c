/* simulate.c - see simulate.h: steps of a trace, a rung, a policy. */
#include "autoscale/simulate.h"
#include <math.h>
#include <stdlib.h>
#include "base/banned.h"

enum { STEPS_MAX = 16 * 1024 * 1024 };

void qr_simulation_default(struct qr_simulation *simulation)
{
    *simulation = (struct qr_simulation){
        .step_s = 15, .scale_s = 2, .violation_percent = 90, .hour_price = 0};
}

struct run {
    const struct qr_simulation *simulation;
    const struct qr_rung *ladder;
    const struct qr_trace *trace;
    size_t at;        /* the trace's point that holds now */
    int rung, coming; /* coming: the one that is being made; -1: none */
    double there_s;   /* when it is there */
    enum qr_scale_reason cause, coming_cause;
};

/* The load of a metric from one step to the next: the trace's values weighted by time. */
static double load_between(struct run *run, int metric, int64_t from_s, int64_t to_s)
{
    const struct qr_trace_point *points = run->trace->points;
    double sum = 0;
    size_t i = run->at;
    while (i + 1 < run->trace->count && points[i + 1].at_s <= from_s)
        i += 1;
    run->at = i;
    for (int64_t t = from_s; t < to_s; i++) {
        int64_t end =
            i + 1 < run->trace->count && points[i + 1].at_s < to_s ? points[i + 1].at_s : to_s;
        double load = points[i].load[metric];
        sum += (isnan(load) ? 0 : load) * (double)(end - t);
        t = end;
    }
    return sum / (double)(to_s - from_s);
}

static void measure(struct run *run, int64_t from_s, int64_t to_s, double capacity,
                    struct qr_scale_point *point, double *ret_load)
{
    *point = (struct qr_scale_point){.at_s = to_s, .rung = run->rung};
    *ret_load = 0;
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++) {
        double load = load_between(run, m, from_s, to_s);
        *ret_load = fmax(*ret_load, load);
        point->percent[m] = fmin(100, load / capacity * 100);
    }
}

static void judge(const struct qr_simulation *simulation, struct qr_simulation_result *result,
                  double load, double capacity)
{
    double hours = (double)simulation->step_s / 3600;
    if (load > capacity * simulation->violation_percent / 100)
        result->violation_minutes += hours * 60;
    result->vcore_hours += capacity * hours;
    result->load_hours += load * hours;
    result->unserved_hours += fmax(0, load - capacity) * hours;
}

/* The new rung takes over; until then the old one goes on. */
static void take_over(struct run *run, double now_s, struct qr_simulation_result *result)
{
    if (run->coming < 0 || now_s < run->there_s)
        return;
    if (run->coming > run->rung)
        result->ups += 1;
    else
        result->downs += 1;
    run->rung = run->coming;
    run->cause = run->coming_cause;
    run->coming = -1;
}

static void step(struct run *run, struct qr_scaler *scaler, int64_t from_s, bool judged,
                 struct qr_simulation_result *result)
{
    const struct qr_simulation *simulation = run->simulation;
    int64_t to_s = from_s + simulation->step_s;
    double capacity = run->ladder[run->rung].vcores;
    struct qr_simulated *s = &result->steps[result->count++];
    struct qr_scale_point point;
    measure(run, from_s, to_s, capacity, &point, &s->load);
    s->at_s = to_s;
    s->capacity = capacity;
    s->cause = run->cause;
    if (judged)
        judge(simulation, result, s->load, capacity);
    qr_scaler_next(scaler, &point, &s->wish);
    if (run->coming < 0 && s->wish.is_decided && s->wish.rung != run->rung) {
        run->coming = s->wish.rung;
        run->coming_cause = s->wish.reason;
        run->there_s = (double)to_s + simulation->scale_s;
    }
    /* what is there within the step that follows counts from its begin: steps are short */
    take_over(run, (double)(to_s + simulation->step_s / 2), result);
}

static enum qr_status check(const struct qr_simulation *simulation, size_t rung_count,
                            struct qr_err *err)
{
    if (simulation->step_s < 1 || simulation->step_s > 300)
        return qr_fail(err, QR_INVALID, "a step has to be 1 to 300 seconds");
    if (!(simulation->scale_s >= 0 && simulation->scale_s <= 86400))
        return qr_fail(err, QR_INVALID, "a scale has to take 0 to 86400 seconds");
    if (!(simulation->violation_percent > 0 && simulation->violation_percent <= 100))
        return qr_fail(err, QR_INVALID, "the violation's percent has to be above 0, at most 100");
    if (simulation->first_rung < 0 || (size_t)simulation->first_rung >= rung_count)
        return qr_fail(err, QR_INVALID, "the first objective has to be one of the ladder");
    return QR_OK;
}

enum qr_status qr_simulate(const struct qr_simulation *simulation,
                           const struct qr_scale_policy *policy, const struct qr_rung *ladder,
                           size_t rung_count, const struct qr_trace *trace,
                           struct qr_simulation_result *ret_result, struct qr_err *err)
{
    QR_TRY(check(simulation, rung_count, err));
    int64_t first = trace->points[0].at_s, last = trace->points[trace->count - 1].at_s;
    size_t count = (size_t)((last - first) / simulation->step_s);
    if (count < 1 || count > STEPS_MAX)
        return qr_fail(err, QR_INVALID, "the trace has to last 1 to %d steps", STEPS_MAX);
    QR_AUTO(qr_scaler_freep) struct qr_scaler *scaler = NULL;
    QR_TRY(qr_scaler_new(policy, ladder, rung_count, &scaler, err));
    struct qr_simulation_result result = {.steps = calloc(count, sizeof *result.steps)};
    if (result.steps == NULL)
        return qr_fail(err, QR_NOMEM, "simulate");
    struct run run = {.simulation = simulation,
                      .ladder = ladder,
                      .trace = trace,
                      .rung = simulation->first_rung,
                      .coming = -1};
    for (size_t i = 0; i < count; i++)
        step(&run, scaler, first + (int64_t)i * simulation->step_s, i >= simulation->learn_steps,
             &result);
    *ret_result = result;
    return QR_OK;
}

void qr_simulation_result_done(struct qr_simulation_result *result)
{
    free(result->steps);
    *result = (struct qr_simulation_result){0};
}
