/* node_used.c - see cmd_int.h: what a database of this node used, told to control's autoscaler */
#include "ctl/autoscale.h"
#include "governor/sample.h"
#include "node_int.h"
#include <stdlib.h>
#include "base/banned.h"

static void put(struct qr_buf *buf, const struct qr_gov_sample *s)
{
    struct qr_used_point point = {.end_wall_ns = s->end_wall_ns,
                                  .vcores_pct = s->vcores_pct,
                                  .dtus = s->dtus,
                                  .percent = {[QR_USED_CPU] = (double)s->cpu,
                                              [QR_USED_DATA_IO] = (double)s->data_io,
                                              [QR_USED_LOG] = (double)s->log_write,
                                              [QR_USED_WORKERS] = (double)s->workers_max,
                                              [QR_USED_MEMORY] = (double)s->memory,
                                              [QR_USED_INSTANCE_CPU] = (double)s->instance_cpu}};
    qr_used_put(buf, &point);
}

enum qr_status qri_node_used(struct qri_node *node, const struct qr_database_row *row,
                             int64_t after_wall_ns, struct qr_buf *answer, struct qr_err *err)
{
    struct qr_gov_sample *samples = NULL;
    pthread_mutex_lock(&node->mu);
    const struct hosted *hosted = qri_node_find_hosted(node, row->id);
    bool is_open = hosted != NULL && hosted->state == HOSTED_OPEN && hosted->group != NULL;
    pthread_mutex_unlock(&node->mu);
    if (!is_open || node->options.governor == NULL)
        return qr_fail(err, QR_NOT_FOUND, "database '%s' is not open here", row->name);
    samples = calloc(QR_GOV_SAMPLES_MAX, sizeof *samples);
    if (samples == NULL)
        return qr_fail(err, QR_NOMEM, "tell what '%s' used", row->name);
    size_t count =
        qr_gov_group_samples(node->options.governor, row->id, samples, QR_GOV_SAMPLES_MAX);
    for (size_t i = count; i > 0; i--) /* they come newest first */
        if (samples[i - 1].end_wall_ns > after_wall_ns)
            put(answer, &samples[i - 1]);
    free(samples);
    return count > 0 ? QR_OK
                     : qr_fail(err, QR_NOT_FOUND, "database '%s' has used nothing yet", row->name);
}
