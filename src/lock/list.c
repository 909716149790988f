/* list.c - what is held and waited for, for system views. */
#include "lock_int.h"
#include "base/banned.h"

static void tell_hold(const struct qri_hold *hold, qr_lock_each_fn *each, void *ctx)
{
    const struct qri_ranged *ranged = hold->lock->ranged;
    if (ranged != NULL && qri_ranged_is_claim(ranged))
        return; /* what it waits for is listed */
    struct qr_lock_info info = {.resource = hold->lock->resource,
                                .name = hold->lock->name,
                                .session_id = hold->owner->session_id,
                                .scope = (enum qr_lock_scope)hold->scope,
                                .mode = (enum qr_lock_mode)hold->mode,
                                .count = hold->count,
                                .held = (enum qr_lock_mode)hold->mode};
    each(ctx, &info);
}

static void tell_wait(const struct qri_wait *wait, qr_lock_each_fn *each, void *ctx)
{
    struct qri_ask ask = {.owner = qri_wait_owner(wait), .lock = wait->lock};
    for (int i = 0; i < QR_LOCK_SCOPES; i++)
        ask.holds[i] = qri_find_hold(ask.owner, (enum qr_lock_scope)i, wait->lock);
    const struct qr_lock_owner *blocker = qri_blocker(wait);
    struct qr_lock_info info = {.resource = wait->lock->resource,
                                .name = wait->lock->name,
                                .session_id = ask.owner->session_id,
                                .scope = (enum qr_lock_scope)wait->scope,
                                .mode = (enum qr_lock_mode)wait->mode,
                                .is_waiting = true,
                                .is_converting = wait->is_conversion,
                                .held = qri_held(&ask),
                                .since_mono_ns = wait->since_mono_ns,
                                .blocking_session_id = blocker == NULL ? 0 : blocker->session_id};
    each(ctx, &info);
}

void qr_locks_list(struct qr_locks *m, qr_lock_each_fn *each, void *ctx)
{
    pthread_mutex_lock(&m->mu);
    for (size_t i = 0; i < m->locks.bucket_count; i++) {
        for (const struct qri_node *node = m->locks.buckets[i]; node != NULL; node = node->next) {
            const struct qri_lock *lock = (const struct qri_lock *)node;
            for (const struct qri_hold *h = lock->holds; h != NULL; h = h->lock_next)
                tell_hold(h, each, ctx);
            for (const struct qri_wait *w = lock->waits_first; w != NULL; w = w->next)
                tell_wait(w, each, ctx);
        }
    }
    pthread_mutex_unlock(&m->mu);
}

void qr_locks_list_waits(struct qr_locks *m, qr_lock_each_fn *each, void *ctx)
{
    pthread_mutex_lock(&m->mu);
    for (const struct qri_wait *w = m->waits_first; w != NULL; w = w->all_next)
        tell_wait(w, each, ctx);
    pthread_mutex_unlock(&m->mu);
}

size_t qr_locks_bytes(struct qr_locks *m)
{
    pthread_mutex_lock(&m->mu);
    size_t bytes = m->bytes;
    pthread_mutex_unlock(&m->mu);
    return bytes;
}
