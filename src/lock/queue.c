/* queue.c - those that wait for a lock: conversions first, then in the order of coming. */
#include "lock_int.h"
#include <assert.h>
#include "base/banned.h"

/* The last that a request stands behind; NULL: it is the first. */
static struct qri_wait *place_behind(const struct qri_lock *lock, bool is_conversion)
{
    if (!is_conversion)
        return lock->waits_last;
    struct qri_wait *before = NULL;
    for (struct qri_wait *w = lock->waits_first; w != NULL && w->is_conversion; w = w->next)
        before = w;
    return before;
}

static void link_into_lock(struct qri_lock *lock, struct qri_wait *wait)
{
    struct qri_wait *before = place_behind(lock, wait->is_conversion);
    struct qri_wait *after = before == NULL ? lock->waits_first : before->next;
    wait->prev = before;
    wait->next = after;
    if (before != NULL)
        before->next = wait;
    else
        lock->waits_first = wait;
    if (after != NULL)
        after->prev = wait;
    else
        lock->waits_last = wait;
}

static void link_into_all(struct qr_locks *m, struct qri_wait *wait)
{
    wait->all_prev = m->waits_last;
    wait->all_next = NULL;
    if (m->waits_last != NULL)
        m->waits_last->all_next = wait;
    else
        m->waits_first = wait;
    m->waits_last = wait;
}

static void unlink_wait(struct qr_locks *m, struct qri_wait *wait)
{
    struct qri_lock *lock = wait->lock;
    *(wait->prev != NULL ? &wait->prev->next : &lock->waits_first) = wait->next;
    *(wait->next != NULL ? &wait->next->prev : &lock->waits_last) = wait->prev;
    *(wait->all_prev != NULL ? &wait->all_prev->all_next : &m->waits_first) = wait->all_next;
    *(wait->all_next != NULL ? &wait->all_next->all_prev : &m->waits_last) = wait->all_prev;
    wait->lock = NULL;
}

bool qri_enqueue(const struct qri_ask *ask)
{
    struct qr_lock_owner *owner = ask->owner;
    struct qr_locks *m = owner->locks;
    const struct qri_hold *hold = ask->holds[ask->scope];
    struct qri_hold *spare = NULL;
    assert(ask->lock != NULL && owner->wait.lock == NULL);
    if (hold == NULL) { /* now, because a grant may not fail */
        spare = qri_pool_take(m, &m->hold_pool);
        if (spare == NULL)
            return false;
        spare->owner = owner;
        spare->lock = ask->lock;
        spare->scope = (uint8_t)ask->scope;
    }
    enum qr_lock_mode has = hold == NULL ? QR_LOCK_NONE : (enum qr_lock_mode)hold->mode;
    owner->wait = (struct qri_wait){.state = QRI_WAITS,
                                    .lock = ask->lock,
                                    .spare = spare,
                                    .since_mono_ns = qr_env_mono_ns(m->options.env),
                                    .turn = ++m->turn,
                                    .mode = (uint8_t)qr_lock_join(has, ask->mode),
                                    .scope = (uint8_t)ask->scope,
                                    .is_conversion = qri_held(ask) != QR_LOCK_NONE};
    link_into_lock(ask->lock, &owner->wait);
    link_into_all(m, &owner->wait);
    return true;
}

void qri_dequeue(struct qri_wait *wait, enum qri_wait_state state)
{
    struct qr_locks *m = qri_wait_owner(wait)->locks;
    struct qri_lock *lock = wait->lock;
    assert(wait->state == QRI_WAITS);
    unlink_wait(m, wait);
    if (wait->spare != NULL)
        qri_pool_give(m, &m->hold_pool, wait->spare);
    wait->spare = NULL;
    wait->state = state;
    qri_settle(m, lock);
}

static void grant_wait(struct qr_locks *m, struct qri_wait *wait)
{
    struct qr_lock_owner *owner = qri_wait_owner(wait);
    enum qr_lock_mode mode = (enum qr_lock_mode)wait->mode;
    if (wait->spare != NULL) {
        bool linked = qri_hold_link(wait->spare, mode); /* the table has stood since the first */
        assert(linked);
        (void)linked;
    } else {
        struct qri_hold *hold = qri_find_hold(owner, (enum qr_lock_scope)wait->scope, wait->lock);
        qri_hold_set_mode(hold, mode);
        hold->count += wait->lock->resource.kind == QR_LOCK_APP;
    }
    unlink_wait(m, wait);
    wait->spare = NULL;
    wait->state = QRI_GRANTED;
    pthread_cond_signal(&owner->wake);
}

static qri_modes granted_conflicts(const struct qri_lock *lock)
{
    qri_modes conflicts = 0;
    for (enum qr_lock_mode mode = QR_LOCK_NONE + 1; mode < QR_LOCK_MODES; mode++)
        if (qri_mode_in(mode, lock->granted_modes))
            conflicts |= qri_conflicts(mode);
    return conflicts;
}

static bool may_convert(const struct qri_wait *wait)
{
    struct qri_ask ask = {.owner = qri_wait_owner(wait), .lock = wait->lock};
    for (int i = 0; i < QR_LOCK_SCOPES; i++)
        ask.holds[i] = qri_find_hold(ask.owner, (enum qr_lock_scope)i, wait->lock);
    return (qri_conflicts((enum qr_lock_mode)wait->mode) & qri_held_by_others(&ask)) == 0;
}

/* The modes that may come in a queue for such a resource: with all of them blocked nobody further
 * back need be asked. */
static qri_modes possible_modes(const struct qri_lock *lock)
{
    qri_modes all = (1U << QR_LOCK_MODES) - 2;
    if (lock->resource.kind == QR_LOCK_TABLE)
        return all;
    return all & (qri_modes) ~(1U << QR_LOCK_SCH_S | 1U << QR_LOCK_SCH_M);
}

void qri_settle(struct qr_locks *m, struct qri_lock *lock)
{
    if (lock->waits_first == NULL) {
        if (lock->holds == NULL)
            qri_lock_forget(m, lock);
        return;
    }
    qri_modes blocked = granted_conflicts(lock), possible = possible_modes(lock);
    struct qri_wait *w = lock->waits_first;
    while (w != NULL && (w->is_conversion || (possible & ~blocked) != 0)) {
        struct qri_wait *next = w->next;
        enum qr_lock_mode mode = (enum qr_lock_mode)w->mode;
        if (w->is_conversion ? may_convert(w) : !qri_mode_in(mode, blocked))
            grant_wait(m, w);
        blocked |= qri_conflicts(mode);
        w = next;
    }
}

bool qri_is_before(const struct qri_wait *wait, const struct qri_wait *other)
{
    if (wait->lock != other->lock)
        return false;
    if (wait->is_conversion != other->is_conversion)
        return wait->is_conversion;
    return wait->turn < other->turn;
}

struct qr_lock_owner *qri_blocker(const struct qri_wait *wait)
{
    struct qr_lock_owner *owner = qri_wait_owner(wait);
    qri_modes conflicts = qri_conflicts((enum qr_lock_mode)wait->mode);
    for (struct qri_hold *hold = wait->lock->holds; hold != NULL; hold = hold->lock_next)
        if (hold->owner != owner && qri_mode_in((enum qr_lock_mode)hold->mode, conflicts))
            return hold->owner;
    if (wait->is_conversion)
        return NULL;
    for (struct qri_wait *w = wait->lock->waits_first; w != wait; w = w->next)
        if (qri_mode_in((enum qr_lock_mode)w->mode, conflicts))
            return qri_wait_owner(w);
    return NULL;
}
