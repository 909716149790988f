/* metrics_int.h - metrics of databases, between metrics.c and metrics_used.c. */
#pragma once
#include "body_int.h"
#include "resource_int.h"

struct qri_used_metric {
    const char *name, *display, *unit;
    const char *aggregation; /* the one that it has: "Average", "Maximum", "Total" */
    int number;              /* of a sample */
    const char *events;      /* what the keys of its events begin with; NULL: of samples */
};
const struct qri_used_metric *qri_used_metric_at(size_t index); /* NULL: no more */

#define QRI_USED_GRAIN_NS INT64_C(300000000000)               /* of most */
int64_t qri_used_grain(const struct qri_used_metric *metric); /* of what there is */

struct qri_used_span {
    int64_t from_ns, to_ns, step_ns;
};
/* The request's timespan and interval, at least `grain_ns`; false: it was refused. */
bool qri_used_span(struct qri_request *r, int64_t grain_ns, struct qri_used_span *ret_span);
/* The points of that metric as Azure Monitor has them; NULL: control did not answer. */
json_t *qri_used_points(struct qri_request *r, uint32_t server, struct qr_str database,
                        const struct qri_used_metric *metric, const struct qri_used_span *span);
