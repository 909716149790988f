/* node_rest.c - see cmd_int.h: serverless databases that nobody uses are closed for control, and
 * those that use little give memory back */
#include <stdlib.h>
#include "ctl/peer.h"
#include "governor/governor.h"
#include "governor/sample.h"
#include "node_int.h"
#include "store/store.h"
#include "base/banned.h"

enum { CALM_TICKS = 6, CALM_PERCENT = 5 };
static const uint64_t STEP_BYTES_MAX = UINT64_C(16) << 20, GIB = UINT64_C(1) << 30;

/* All that is in it is in a backup; else the next look at it makes that so. held */
static bool is_safe(struct qri_node *node, struct hosted *hosted)
{
    bool safe =
        !hosted->has_files || hosted->is_backed_up || (!hosted->was_used && hosted->has_backup);
    if (safe && !hosted->backing_up)
        return true;
    hosted->wants_rest = true;
    node->wants_look = true;
    pthread_cond_signal(&node->look_wake);
    return false;
}

enum qr_status qri_node_rest(struct qri_node *node, const struct qr_database_row *row,
                             uint64_t idle_ns, struct qr_rest_state *ret_state, struct qr_err *err)
{
    struct qr_rest_state state = {.rests = true, .idle_ns = UINT64_MAX};
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return qr_fail(err, QR_NOMEM, "pause a database");
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = qri_node_find_settled(node, row->id);
    if (hosted != NULL) {
        bool used = hosted->sessions > 0;
        state.idle_ns =
            used ? 0 : (uint64_t)(qr_env_mono_ns(node->options.env) - hosted->rest_since_ns);
        state.rests = state.idle_ns >= idle_ns && hosted->refs == 0 && is_safe(node, hosted);
        state.only_logins = hosted->db != NULL && !qr_database_has_passwords(hosted->db);
    }
    if (state.rests && qri_node_find_held(node, row->id) == NULL) {
        *held = (struct held){node->held, row->id, true}; /* who comes asks for another route */
        node->held = QR_TAKE(held);
    }
    /* of a process of its own, which ends then, it is what the process is for */
    if (state.rests && hosted != NULL && !qr_database_has_nodes(row))
        qri_node_close_hosted(node, hosted);
    pthread_mutex_unlock(&node->mu);
    free(held);
    *ret_state = state;
    return QR_OK;
}

/* A quarter at a time, never below the memory of its min vCores, and only while it stays calm: as
 * the documentation describes it for low CPU utilization. */
void qri_node_reclaim(struct qri_node *node, struct hosted *hosted, uint64_t cache_bytes)
{
    struct qr_gov_limits limits = qr_gov_group_limits(hosted->group);
    struct qr_gov_sample last;
    uint64_t least = limits.billed_min_milli * QR_GOV_GIB_PER_VCORE * GIB / 1000;
    bool calm = limits.billed_min_milli > 0 && cache_bytes > least &&
                qr_gov_group_last(node->options.governor, hosted->id, &last) &&
                last.cpu < CALM_PERCENT;
    hosted->calm_ticks = calm ? hosted->calm_ticks + 1 : 0;
    if (hosted->calm_ticks < CALM_TICKS)
        return;
    uint64_t step = cache_bytes / 4 < STEP_BYTES_MAX ? cache_bytes / 4 : STEP_BYTES_MAX;
    uint64_t left = cache_bytes - step < least ? least : cache_bytes - step;
    qr_store_reclaim_cache(qr_database_store(hosted->db), left);
}
