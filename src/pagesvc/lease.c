/* lease.c - what compute nodes still read keeps the horizons back (S13); see pagesvc/pagesvc.h.
 *
 * Leases are in memory only. Who serves a slice after another process did so leaves its horizon
 * where it is until every lease that the other one gave has run out or was renewed here. */
#include <stdlib.h>
#include "slice_int.h"
#include "base/sim_break.h"
#include "base/banned.h"

enum { LEASES_MAX = 1 << 14 };

struct qri_lease {
    struct qri_lease *next;
    struct qr_timeline timeline;
    uint64_t holder, lsn;
    int64_t until_ns;
};

/* With svc->mu held: the pointer to the holder's lease, or to the list's end. Those that ran out
 * go.
 */
static struct qri_lease **find_lease(struct qr_pagesvc *svc, const struct qr_timeline *timeline,
                                     uint64_t holder)
{
    int64_t now = qr_env_mono_ns(svc->env);
    struct qri_lease **at = &svc->leases;
    while (*at != NULL) {
        struct qri_lease *lease = *at;
        if (lease->holder == holder && qr_timeline_eq(&lease->timeline, timeline))
            break;
        if (lease->until_ns <= now) {
            *at = lease->next;
            free(lease);
            svc->lease_count--;
        } else {
            at = &lease->next;
        }
    }
    return at;
}

/* With svc->mu held. */
static void horizons(const struct qr_pagesvc *svc, const struct qr_timeline *timeline,
                     uint64_t *ret_least, uint64_t *ret_most)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (const struct qri_slice *s = svc->slices; s != NULL; s = s->next) {
        if (!qr_timeline_eq(&s->id.timeline, timeline))
            continue;
        uint64_t horizon = atomic_load(&s->horizon_lsn);
        least = horizon < least ? horizon : least;
        most = horizon > most ? horizon : most;
    }
    *ret_least = least == UINT64_MAX ? 0 : least;
    *ret_most = most;
}

/* With svc->mu held. */
static enum qr_status put_lease(struct qr_pagesvc *svc, const struct qri_lease *row,
                                struct qr_err *err)
{
    struct qri_lease **at = find_lease(svc, &row->timeline, row->holder);
    if (*at == NULL) {
        if (svc->lease_count == LEASES_MAX)
            return qr_fail(err, QR_BUSY, "too many compute nodes lease snapshots");
        *at = calloc(1, sizeof **at);
        if (*at == NULL)
            return qr_fail(err, QR_NOMEM, "lease");
        svc->lease_count++;
    }
    struct qri_lease *next = (*at)->next;
    **at = *row;
    (*at)->next = next;
    return QR_OK;
}

enum qr_status qr_pagesvc_lease(struct qr_pagesvc *svc, const struct qr_timeline *timeline,
                                uint64_t holder, struct qr_lsn lsn, int64_t ttl_ns,
                                struct qr_lsn *ret_horizon, struct qr_err *err)
{
    uint64_t least, most;
    if (ttl_ns < 0)
        return qr_fail(err, QR_INVALID, "a lease of %lld ns", (long long)ttl_ns);
    ttl_ns = ttl_ns < svc->options.lease_ns_max ? ttl_ns : svc->options.lease_ns_max;
    pthread_mutex_lock(&svc->mu);
    horizons(svc, timeline, &least, &most);
    struct qri_lease row = {.timeline = *timeline,
                            .holder = holder,
                            .lsn = lsn.v > least ? lsn.v : least, /* what is gone holds nothing */
                            .until_ns = qr_env_mono_ns(svc->env) + ttl_ns};
    enum qr_status status = put_lease(svc, &row, err);
    pthread_mutex_unlock(&svc->mu);
    if (status == QR_OK)
        *ret_horizon = qr_lsn(most);
    return status;
}

uint64_t qri_lease_bound(struct qri_slice *slice, uint64_t lsn)
{
    struct qr_pagesvc *svc = slice->svc;
    int64_t now = qr_env_mono_ns(svc->env);
    pthread_mutex_lock(&svc->mu);
    uint64_t horizon = atomic_load(&slice->horizon_lsn);
    if (now < slice->settled_at_ns && !qr_sim_broken(QR_BREAK_HOLD))
        lsn = horizon;
    for (const struct qri_lease *l = svc->leases; l != NULL; l = l->next)
        if (l->until_ns > now && l->lsn < lsn &&
            qr_timeline_eq(&l->timeline, &slice->id.timeline) && !qr_sim_broken(QR_BREAK_HOLD))
            lsn = l->lsn;
    /* Before anything goes: who reads afterwards learns that it may have. */
    if (lsn > horizon)
        atomic_store(&slice->horizon_lsn, lsn);
    else
        lsn = horizon;
    pthread_mutex_unlock(&svc->mu);
    return lsn;
}

void qri_lease_settle(struct qri_slice *slice, bool served_before)
{
    struct qr_pagesvc *svc = slice->svc;
    pthread_mutex_lock(&svc->mu);
    slice->settled_at_ns = served_before ? qr_env_mono_ns(svc->env) + svc->options.lease_ns_max : 0;
    pthread_mutex_unlock(&svc->mu);
}

void qri_leases_free(struct qr_pagesvc *svc)
{
    while (svc->leases != NULL) {
        struct qri_lease *lease = svc->leases;
        svc->leases = lease->next;
        free(lease);
    }
}
