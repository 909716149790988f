/* reign_yield.c - see reign_int.h: a primary gives its place up while its database is served. */
#include <stdio.h>
#include <string.h>
#include "control_int.h"
#include "env/thread.h"
#include "machines_int.h"
#include "reign_int.h"
#include "base/banned.h"

bool qri_reign_heir(struct qr_control *control, const struct qr_database_row *row,
                    char ret_primary[QR_NODE_NAME_BYTES], char ret_heir[QR_NODE_NAME_BYTES])
{
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, row->id, ret_primary);
    bool any = qri_control_ready(control, ret_primary) &&
               qri_reign_choose(control, row->id, 0, ret_primary, ret_heir);
    pthread_mutex_unlock(&control->mu);
    return any;
}

void qri_reign_wait_heir(struct qr_control *control, const struct qr_database_row *row,
                         int64_t until_mono_ns)
{
    static const int64_t look_ns = INT64_C(100000000); /* nobody tells that a copy has caught up */
    char primary[QR_NODE_NAME_BYTES], heir[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    for (;;) {
        int64_t left = until_mono_ns - qr_env_mono_ns(control->options.env);
        qri_reign_primary(control, row->id, primary);
        if (left <= 0 || control->stopping || !qri_control_ready(control, primary) ||
            qri_reign_choose(control, row->id, 0, primary, heir))
            break;
        (void)qr_cond_wait(&control->changed, &control->mu, left < look_ns ? left : look_ns);
    }
    pthread_mutex_unlock(&control->mu);
}

/* A primary that has no session any more, and has resigned: the next one takes over while its
 * process ends. Of a database with copies the files are its own until then. */
static void pass_on(struct qr_control *control, const struct qr_database_row *row,
                    const char *primary, const char *next)
{
    char heir[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = qri_reign_find(control, row->id);
    bool passes = reign != NULL && reign->yields && strcmp(reign->primary, primary) == 0 &&
                  qri_reign_choose(control, row->id, 0, primary, heir);
    if (passes && next != NULL && qri_control_ready(control, next))
        snprintf(heir, sizeof heir, "%s", next);
    if (passes) {
        memcpy(reign->primary, heir, sizeof reign->primary);
        reign->heir[0] = '\0';
        reign->state = QRI_REIGN_VACANT;
        reign->again_ns = 0;
        pthread_cond_broadcast(&control->changed);
    }
    pthread_mutex_unlock(&control->mu);
    if (passes)
        QR_LOG(&control->options.log, QR_INFO, "primary_yielded", QR_F("node", primary),
               QR_F("next", &heir[0]));
}

/* Its process has ended: members may come and go again. */
static void passed_on(struct qr_control *control, uint32_t id)
{
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = qri_reign_find(control, id);
    if (reign != NULL)
        reign->yields = false;
    pthread_mutex_unlock(&control->mu);
}

enum qr_status qri_reign_yield(struct qr_control *control, const struct qr_database_row *row,
                               const char *next, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    char primary[QR_NODE_NAME_BYTES], other[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, row->id, primary);
    bool is_it = next != NULL && strcmp(next, primary) == 0;
    bool any = qri_reign_choose(control, row->id, 0, primary, other);
    struct qri_reign *reign =
        any && qri_control_ready(control, primary) ? qri_reign_get(control, row->id) : NULL;
    if (reign != NULL && !is_it) {
        reign->yields = true;
        snprintf(reign->heir, sizeof reign->heir, "%s", next == NULL ? "" : next);
    }
    pthread_mutex_unlock(&control->mu);
    if (is_it) /* it has taken over before */
        return QR_OK;
    if (!qri_away_leave(control, row, primary)) {
        if (qri_control_drain_node(control, row, primary) && qr_database_is_hyper(row))
            pass_on(control, row, primary, next);
        host->end(host->ctx, primary);
    }
    passed_on(control, row->id);
    if (next != NULL && any)
        return QR_OK;
    return qri_away_want(control, primary, err);
}
