/* traces.h - loads that are made up, the same ones every time. */
#pragma once
#include "autoscale/simulate.h"

/* A minute a point, so many days, in vCores: busy in working hours, with noise and short bursts. */
void daily_trace(struct qr_trace *trace, int days, uint32_t seed);
/* As that, but Saturday and Sunday are quiet, and Monday morning is busier than other days. */
void weekly_trace(struct qr_trace *trace, int days, uint32_t seed);
/* The seed's picture: 2 vCores nearly used up from minute 12 to minute 20, else next to nothing. */
void spike_trace(struct qr_trace *trace);

extern const struct qr_rung ladder[];
enum { RUNGS = 8 };
