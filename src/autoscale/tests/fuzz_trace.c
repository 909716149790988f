/* fuzz_trace.c - any bytes as a trace: points whose times rise, or a reason; and they simulate. */
#include <assert.h>
#include <stdlib.h>
#include "autoscale/simulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void simulate(const struct qr_trace *trace)
{
    static const struct qr_rung ladder[] = {{"a", 2}, {"b", 4}};
    if (trace->points[trace->count - 1].at_s - trace->points[0].at_s > 86400)
        return; /* it would only take long */
    for (int kind = 0; kind < QR_SCALE_KINDS; kind++) {
        struct qr_simulation simulation;
        struct qr_scale_policy policy;
        struct qr_simulation_result result;
        qr_simulation_default(&simulation);
        qr_scale_policy_default(&policy, (enum qr_scale_kind)kind, 2);
        struct qr_err err = {0};
        if (qr_simulate(&simulation, &policy, ladder, 2, trace, &result, &err) != QR_OK)
            continue;
        for (size_t i = 0; i < result.count; i++)
            assert(result.steps[i].wish.rung >= 0 && result.steps[i].wish.rung < 2);
        qr_simulation_result_done(&result);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_trace trace = {0};
    struct qr_err err = {0};
    if (qr_trace_parse(qr_str_n((const char *)data, size), &trace, &err) != QR_OK) {
        assert(*err.text != '\0');
        return 0;
    }
    for (size_t i = 1; i < trace.count; i++)
        assert(trace.points[i].at_s > trace.points[i - 1].at_s);
    simulate(&trace);
    qr_trace_done(&trace);
    return 0;
}
