/* traces.c - see traces.h. */
#include "traces.h"
#include <math.h>
#include <stdlib.h>

/* clang-format off */
const struct qr_rung ladder[] = {
    {"HS_Gen5_2", 2},   {"HS_Gen5_4", 4},   {"HS_Gen5_6", 6},   {"HS_Gen5_8", 8},
    {"HS_Gen5_10", 10}, {"HS_Gen5_12", 12}, {"HS_Gen5_14", 14}, {"HS_Gen5_16", 16},
};
/* clang-format on */

static double noise(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (double)(*state >> 8) / (1 << 24) - 0.5;
}

/* 0 to 1: up within minutes past eight, down at six; a dip at noon. */
static double working_hours(double hour)
{
    double up = 1 / (1 + exp(-(hour - 8.25) * 60)), down = 1 / (1 + exp((hour - 18.25) * 6));
    return up * down * (1 - 0.25 * exp(-(hour - 12.5) * (hour - 12.5) * 4));
}

static void make(struct qr_trace *trace, size_t count)
{
    *trace = (struct qr_trace){calloc(count, sizeof *trace->points), count};
    for (size_t i = 0; trace->points != NULL && i < count; i++) {
        trace->points[i].at_s = (int64_t)i * 60 + INT64_C(1767571200); /* a Monday */
        for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
            trace->points[i].load[m] = (double)NAN;
    }
}

static void fill(struct qr_trace *trace, int days, uint32_t seed, bool weekly)
{
    double burst = 0;
    make(trace, (size_t)days * 1440);
    for (size_t i = 0; i < trace->count; i++) {
        double hour = (double)(i % 1440) / 60;
        size_t day = i / 1440 % 7;
        double busy = working_hours(hour) * (!weekly ? 1 : day >= 5 ? 0.08 : day == 0 ? 1.3 : 1);
        if (noise(&seed) > 0.498)
            burst = 1.5;
        burst *= 0.7;
        double load = 0.6 + 8 * busy * (1 + 0.12 * noise(&seed)) + burst * busy;
        trace->points[i].load[QR_SCALE_CPU] = load;
    }
}

void daily_trace(struct qr_trace *trace, int days, uint32_t seed)
{
    fill(trace, days, seed, false);
}

void weekly_trace(struct qr_trace *trace, int days, uint32_t seed)
{
    fill(trace, days, seed, true);
}

void spike_trace(struct qr_trace *trace)
{
    make(trace, 35);
    for (size_t i = 0; i < trace->count; i++)
        trace->points[i].load[QR_SCALE_CPU] = i >= 12 && i < 20 ? 1.6 : 0.1;
}
