/* node_stats.c - see cmd_int.h: Query Store of open databases is written when it is due, or when
 * the last session has left. What is idle stays so: nobody enters it. */
#include "engine/engine.h"
#include "node_int.h"
#include "base/banned.h"

static const int64_t BUDGET_NS = INT64_C(1000000000); /* of one look; the rest waits for the next */

/* The next one behind `after` (0: from the start) that is due, kept open. node.mu held. */
static struct hosted *next_due(struct qri_node *node, struct hosted_link *at)
{
    for (; at != &node->opened; at = at->after) {
        struct hosted *h = qri_hosted_of(at);
        if (h->state == HOSTED_OPEN && !h->backing_up &&
            qr_database_statistics_due(h->db, h->refs == 0 ? h->idle_since_ns : 0)) {
            h->backing_up = true;
            return h;
        }
    }
    return NULL;
}

static void flush(struct qri_node *node, struct hosted *h)
{
    struct qr_err err = {0};
    enum qr_status status = qr_database_flush_statistics(h->db, &err);
    if (status != QR_OK && status != QR_TIMEOUT) /* somebody holds the writer lock: later */
        QR_LOG(&node->options.log, QR_INFO, "statistics_not_written", QR_F("id", h->id),
               QR_F("reason", &err.text[0]));
}

void qri_node_keep_statistics(struct qri_node *node)
{
    int64_t until = qr_env_mono_ns(node->options.env) + BUDGET_NS;
    if (atomic_load(&node->duty) != QR_DUTY_PRIMARY)
        return;
    pthread_mutex_lock(&node->mu);
    struct hosted *h = next_due(node, node->opened.after);
    while (h != NULL && !node->ends) {
        pthread_mutex_unlock(&node->mu);
        flush(node, h);
        pthread_mutex_lock(&node->mu);
        struct hosted_link *after = h->opened.after;
        h->backing_up = h->is_backed_up = false;
        pthread_cond_broadcast(&node->changed);
        h = qr_env_mono_ns(node->options.env) < until ? next_due(node, after) : NULL;
    }
    if (h != NULL) { /* the node ends */
        h->backing_up = false;
        pthread_cond_broadcast(&node->changed);
    }
    pthread_mutex_unlock(&node->mu);
}
