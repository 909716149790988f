/* hold.c - who has what: finding, granting and giving back. */
#include "lock_int.h"
#include <assert.h>
#include <string.h>
#include "base/banned.h"

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * UINT64_C(0x9FB21C651E98DF25);
    h = (h ^ h >> 29) * UINT64_C(0xD6E8FEB86659FD93);
    return h ^ h >> 32;
}

static uint64_t hash_resource(const struct qr_locks *m, const struct qr_lock_resource *r)
{
    uint64_t place = (uint64_t)r->object << 32 ^ (uint64_t)r->index << 4 ^ r->kind;
    return mix(mix(r->hash ^ m->seed) + place * UINT64_C(0x9E3779B97F4A7C15));
}

static uint64_t hash_hold(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                          const struct qri_lock *lock)
{
    return mix(lock->node.hash + ((uint64_t)(uintptr_t)owner ^ scope));
}

static bool is_same(const struct qr_lock_resource *a, const struct qr_lock_resource *b)
{
    return a->hash == b->hash && a->object == b->object && a->index == b->index &&
           a->kind == b->kind;
}

static struct qri_lock *find_lock(const struct qr_locks *m, uint64_t hash,
                                  const struct qr_lock_resource *resource)
{
    struct qri_node *node = qri_table_chain(&m->locks, hash);
    for (; node != NULL; node = node->next) {
        struct qri_lock *lock = (struct qri_lock *)node;
        if (node->hash == hash && is_same(&lock->resource, resource))
            return lock;
    }
    return NULL;
}

struct qri_hold *qri_find_hold(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                               const struct qri_lock *lock)
{
    if (owner->counts[scope] == 0)
        return NULL;
    uint64_t hash = hash_hold(owner, scope, lock);
    struct qri_node *node = qri_table_chain(&owner->locks->holds, hash);
    for (; node != NULL; node = node->next) {
        struct qri_hold *hold = (struct qri_hold *)node;
        if (hold->lock == lock && hold->owner == owner && hold->scope == scope)
            return hold;
    }
    return NULL;
}

void qri_lock_ask(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                  const struct qr_lock_resource *resource, enum qr_lock_mode mode,
                  struct qri_ask *ret_ask)
{
    assert(resource->kind < QR_LOCK_KINDS && (unsigned)scope < QR_LOCK_SCOPES);
    struct qr_locks *m = owner->locks;
    uint64_t hash = hash_resource(m, resource);
    struct qri_ask ask = {.owner = (struct qr_lock_owner *)owner,
                          .resource = resource,
                          .hash = hash,
                          .lock = find_lock(m, hash, resource),
                          .scope = scope,
                          .mode = mode};
    for (int i = 0; ask.lock != NULL && i < QR_LOCK_SCOPES; i++)
        ask.holds[i] = qri_find_hold(owner, (enum qr_lock_scope)i, ask.lock);
    *ret_ask = ask;
}

static enum qr_lock_mode mode_of(const struct qri_hold *hold)
{
    return hold == NULL ? QR_LOCK_NONE : (enum qr_lock_mode)hold->mode;
}

enum qr_lock_mode qri_held(const struct qri_ask *ask)
{
    return qr_lock_join(mode_of(ask->holds[QR_LOCK_OF_TRAN]),
                        mode_of(ask->holds[QR_LOCK_OF_SESSION]));
}

qri_modes qri_held_by_others(const struct qri_ask *ask)
{
    enum qr_lock_mode a = mode_of(ask->holds[0]), b = mode_of(ask->holds[1]);
    qri_modes held = ask->lock->granted_modes;
    if (a != QR_LOCK_NONE && ask->lock->granted[a] == 1U + (a == b))
        held &= (qri_modes) ~(1U << a);
    if (b != QR_LOCK_NONE && ask->lock->granted[b] == 1U + (a == b))
        held &= (qri_modes) ~(1U << b);
    return held;
}

bool qri_may_grant(const struct qri_ask *ask)
{
    if (ask->lock == NULL)
        return true;
    qri_modes conflicts = qri_conflicts(ask->mode);
    if ((conflicts & qri_held_by_others(ask)) != 0)
        return false;
    if (qri_held(ask) != QR_LOCK_NONE)
        return true; /* who has it goes before those that wait */
    for (const struct qri_wait *w = ask->lock->waits_first; w != NULL; w = w->next)
        if (qri_mode_in((enum qr_lock_mode)w->mode, conflicts))
            return false;
    return true;
}

/* ---- granting ---- */

static void count_mode(struct qri_lock *lock, enum qr_lock_mode mode, int by)
{
    if (mode == QR_LOCK_NONE)
        return;
    lock->granted[mode] += (uint32_t)by;
    if (lock->granted[mode] == 0)
        lock->granted_modes &= (qri_modes) ~(1U << mode);
    else
        lock->granted_modes |= (qri_modes)(1U << mode);
}

void qri_hold_set_mode(struct qri_hold *hold, enum qr_lock_mode mode)
{
    if (hold->mode == mode)
        return;
    count_mode(hold->lock, (enum qr_lock_mode)hold->mode, -1);
    count_mode(hold->lock, mode, 1);
    hold->mode = (uint8_t)mode;
}

bool qri_hold_link(struct qri_hold *hold, enum qr_lock_mode mode)
{
    struct qr_lock_owner *owner = hold->owner;
    struct qri_lock *lock = hold->lock;
    hold->node.hash = hash_hold(owner, (enum qr_lock_scope)hold->scope, lock);
    if (!qri_table_put(owner->locks, &owner->locks->holds, &hold->node))
        return false;
    hold->lock_next = lock->holds;
    if (lock->holds != NULL)
        lock->holds->lock_prev = hold;
    lock->holds = hold;
    struct qri_hold **first = &owner->holds[hold->scope];
    hold->owner_next = *first;
    if (*first != NULL)
        (*first)->owner_prev = hold;
    *first = hold;
    owner->counts[hold->scope]++;
    hold->count = 1;
    qri_hold_set_mode(hold, mode);
    return true;
}

void qri_set_name(struct qr_locks *m, struct qri_lock *lock, const char *name)
{
    if (name == NULL || lock->name != NULL)
        return;
    size_t n = strnlen(name, QR_LOCK_NAME_BYTES_MAX);
    lock->name = qri_alloc(m, n + 1);
    if (lock->name != NULL) /* only the list would show it */
        memcpy(lock->name, name, n);
}

static struct qri_lock *make_lock(struct qr_locks *m, const struct qri_ask *ask)
{
    struct qri_lock *lock = qri_pool_take(m, &m->lock_pool);
    if (lock == NULL)
        return NULL;
    lock->node.hash = ask->hash;
    lock->resource = *ask->resource;
    if (!qri_table_put(m, &m->locks, &lock->node)) {
        qri_pool_give(m, &m->lock_pool, lock);
        return NULL;
    }
    return lock;
}

void qri_lock_forget(struct qr_locks *m, struct qri_lock *lock)
{
    assert(lock->holds == NULL && lock->waits_first == NULL && lock->granted_modes == 0);
    if (lock->name != NULL)
        qri_free(m, lock->name, strlen(lock->name) + 1);
    qri_table_remove(m, &m->locks, &lock->node);
    qri_pool_give(m, &m->lock_pool, lock);
}

static bool make_hold(struct qr_locks *m, const struct qri_ask *ask, struct qri_lock *lock)
{
    struct qri_hold *hold = qri_pool_take(m, &m->hold_pool);
    if (hold == NULL)
        return false;
    hold->owner = ask->owner;
    hold->lock = lock;
    hold->scope = (uint8_t)ask->scope;
    if (qri_hold_link(hold, ask->mode))
        return true;
    qri_pool_give(m, &m->hold_pool, hold);
    return false;
}

bool qri_grant(const struct qri_ask *ask, const char *name)
{
    struct qr_locks *m = ask->owner->locks;
    struct qri_hold *hold = ask->holds[ask->scope];
    if (hold != NULL) {
        qri_hold_set_mode(hold, qr_lock_join((enum qr_lock_mode)hold->mode, ask->mode));
        hold->count += ask->resource->kind == QR_LOCK_APP;
        return true;
    }
    struct qri_lock *lock = ask->lock == NULL ? make_lock(m, ask) : ask->lock;
    if (lock == NULL)
        return false;
    if (!make_hold(m, ask, lock)) {
        if (ask->lock == NULL)
            qri_lock_forget(m, lock);
        return false;
    }
    qri_set_name(m, lock, name);
    return true;
}

void qri_drop(struct qri_hold *hold)
{
    struct qr_lock_owner *owner = hold->owner;
    struct qr_locks *m = owner->locks;
    struct qri_lock *lock = hold->lock;
    qri_hold_set_mode(hold, QR_LOCK_NONE);
    qri_table_remove(m, &m->holds, &hold->node);
    if (hold->lock_next != NULL)
        hold->lock_next->lock_prev = hold->lock_prev;
    if (hold->lock_prev != NULL)
        hold->lock_prev->lock_next = hold->lock_next;
    else
        lock->holds = hold->lock_next;
    if (hold->owner_next != NULL)
        hold->owner_next->owner_prev = hold->owner_prev;
    if (hold->owner_prev != NULL)
        hold->owner_prev->owner_next = hold->owner_next;
    else
        owner->holds[hold->scope] = hold->owner_next;
    owner->counts[hold->scope]--;
    qri_pool_give(m, &m->hold_pool, hold);
    if (lock->ranged != NULL && qri_ranged_owner(lock->ranged) == owner) {
        qri_ranged_free(m, lock->ranged);
        lock->ranged = NULL;
    }
    qri_settle(m, lock);
}
