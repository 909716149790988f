/* lock.c - see lock/lock.h */
#include "lock_int.h"
#include <assert.h>
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "env/thread.h"
#include "base/banned.h"

enum { POLL_NS = 20 * 1000 * 1000, RELEASES_MAX = 512 /* in one go */ };
#define BYTES_MAX_DEFAULT ((size_t)64 << 20)

enum qr_status qr_locks_new(const struct qr_lock_options *options, struct qr_locks **ret_locks,
                            struct qr_err *err)
{
    struct qr_locks *m = calloc(1, sizeof *m);
    if (m == NULL)
        return qr_fail(err, QR_NOMEM, "allocate lock manager");
    m->options = *options;
    if (m->options.bytes_max == 0)
        m->options.bytes_max = BYTES_MAX_DEFAULT;
    pthread_mutex_init(&m->mu, NULL);
    m->lock_pool.item_bytes = sizeof(struct qri_lock);
    m->hold_pool.item_bytes = sizeof(struct qri_hold);
    qr_env_random(m->options.env, &m->seed, sizeof m->seed);
    *ret_locks = m;
    return QR_OK;
}

void qr_locks_free(struct qr_locks *m)
{
    if (m == NULL)
        return;
    assert(m->owner_count == 0);
    qri_locks_table_done(m, &m->locks);
    qri_locks_table_done(m, &m->holds);
    qri_locks_table_done(m, &m->spaces);
    qri_pool_done(m, &m->lock_pool);
    qri_pool_done(m, &m->hold_pool);
    assert(m->bytes == 0);
    pthread_mutex_destroy(&m->mu);
    free(m);
}

enum qr_status qr_lock_owner_new(struct qr_locks *m, uint32_t session_id,
                                 struct qr_lock_owner **ret_owner, struct qr_err *err)
{
    struct qr_lock_owner *owner = calloc(1, sizeof *owner); /* as many as sessions: bounded there */
    if (owner == NULL)
        return qr_fail(err, QR_NOMEM, "allocate lock owner");
    owner->locks = m;
    owner->session_id = session_id;
    qr_cond_init(&owner->wake);
    pthread_mutex_lock(&m->mu);
    m->owner_count++;
    pthread_mutex_unlock(&m->mu);
    *ret_owner = owner;
    return QR_OK;
}

void qr_lock_owner_free(struct qr_lock_owner *owner)
{
    if (owner == NULL)
        return;
    struct qr_locks *m = owner->locks;
    assert(owner->wait.state != QRI_WAITS);
    qr_lock_release_all(owner, QR_LOCK_OF_TRAN);
    qr_lock_release_all(owner, QR_LOCK_OF_SESSION);
    pthread_mutex_lock(&m->mu);
    m->owner_count--;
    pthread_mutex_unlock(&m->mu);
    pthread_cond_destroy(&owner->wake);
    free(owner);
}

void qr_lock_owner_set(struct qr_lock_owner *owner, int priority, uint64_t work)
{
    atomic_store(&owner->priority, priority);
    atomic_store(&owner->work, work);
}

/* ---- taking ---- */

enum qr_status qr_lock_try(struct qr_lock_owner *owner, enum qr_lock_scope scope,
                           const struct qr_lock_resource *resource, enum qr_lock_mode mode,
                           struct qr_err *err)
{
    assert(mode != QR_LOCK_NONE);
    struct qr_locks *m = owner->locks;
    struct qri_ask ask;
    pthread_mutex_lock(&m->mu);
    qri_lock_ask(owner, scope, resource, mode, &ask);
    bool is_free = qri_may_grant(&ask);
    bool has_room = !is_free || qri_grant(&ask, NULL);
    pthread_mutex_unlock(&m->mu);
    if (!has_room)
        return qr_sql_fail(err, 1204);
    return is_free ? QR_OK : QR_BUSY;
}

/* With mu, which it gives up for the reports. */
static void break_circles(struct qr_lock_owner *owner)
{
    struct qr_locks *m = owner->locks;
    struct qr_deadlock deadlock;
    while (owner->wait.state == QRI_WAITS && qri_break_circle(owner, &deadlock)) {
        pthread_mutex_unlock(&m->mu);
        if (m->options.on_deadlock != NULL)
            m->options.on_deadlock(m->options.ctx, &deadlock);
        pthread_mutex_lock(&m->mu);
    }
}

enum outcome { TAKEN, TIMED_OUT, VICTIM, NO_ROOM, GIVEN_UP };

/* With mu, which it gives up while it sleeps and polls. */
static enum outcome wait_turn(struct qr_lock_owner *owner, int32_t timeout_ms,
                              qr_lock_poll_fn *poll, void *poll_ctx, enum qr_status *ret_polled)
{
    struct qr_locks *m = owner->locks;
    struct qri_wait *wait = &owner->wait;
    int64_t until =
        timeout_ms < 0 ? INT64_MAX : wait->since_mono_ns + (int64_t)timeout_ms * 1000 * 1000;
    break_circles(owner);
    while (wait->state == QRI_WAITS) {
        pthread_mutex_unlock(&m->mu);
        enum qr_status polled = poll == NULL ? QR_OK : poll(poll_ctx);
        int64_t left = until - qr_env_mono_ns(m->options.env);
        pthread_mutex_lock(&m->mu);
        if (wait->state != QRI_WAITS)
            break;
        if (polled != QR_OK || left <= 0) {
            qri_dequeue(wait, QRI_WAIT_NONE);
            *ret_polled = polled;
            return polled != QR_OK ? GIVEN_UP : TIMED_OUT;
        }
        (void)qr_cond_wait(&owner->wake, &m->mu, left < POLL_NS ? left : POLL_NS);
    }
    return wait->state == QRI_GRANTED ? TAKEN : VICTIM;
}

enum qr_status qr_lock_wait(struct qr_lock_owner *owner, enum qr_lock_scope scope,
                            const struct qr_lock_resource *resource, enum qr_lock_mode mode,
                            const char *name, int32_t timeout_ms, qr_lock_poll_fn *poll,
                            void *poll_ctx, struct qr_err *err)
{
    assert(mode != QR_LOCK_NONE);
    struct qr_locks *m = owner->locks;
    enum qr_status polled = QR_OK;
    enum outcome outcome = TIMED_OUT;
    struct qri_ask ask;
    pthread_mutex_lock(&m->mu);
    qri_lock_ask(owner, scope, resource, mode, &ask);
    if (qri_may_grant(&ask)) {
        outcome = qri_grant(&ask, name) ? TAKEN : NO_ROOM;
    } else if (timeout_ms != 0 && !qri_enqueue(&ask)) {
        outcome = NO_ROOM;
    } else if (timeout_ms != 0) {
        qri_set_name(m, ask.lock, name);
        outcome = wait_turn(owner, timeout_ms, poll, poll_ctx, &polled);
        owner->wait.state = QRI_WAIT_NONE;
    }
    pthread_mutex_unlock(&m->mu);
    switch (outcome) {
    case TAKEN:
        return QR_OK;
    case TIMED_OUT:
        return qr_sql_fail(err, 1222);
    case VICTIM:
        return qr_sql_fail(err, 1205, (int)owner->session_id, "lock");
    case NO_ROOM:
        return qr_sql_fail(err, 1204);
    case GIVEN_UP:
        break;
    }
    return qr_fail(err, polled, "wait for a lock");
}

/* ---- looking ---- */

bool qr_lock_waits_for(struct qr_lock_owner *owner, const uint32_t *session_ids, size_t count)
{
    pthread_mutex_lock(&owner->locks->mu);
    bool does = owner->wait.state == QRI_WAITS && qri_reaches(owner, session_ids, count);
    pthread_mutex_unlock(&owner->locks->mu);
    return does;
}

enum qr_lock_mode qr_lock_held(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                               const struct qr_lock_resource *resource)
{
    if (owner->counts[scope] == 0)
        return QR_LOCK_NONE;
    struct qri_ask ask;
    pthread_mutex_lock(&owner->locks->mu);
    qri_lock_ask(owner, scope, resource, QR_LOCK_NONE, &ask);
    const struct qri_hold *hold = ask.holds[scope];
    enum qr_lock_mode mode = hold == NULL ? QR_LOCK_NONE : (enum qr_lock_mode)hold->mode;
    pthread_mutex_unlock(&owner->locks->mu);
    return mode;
}

enum qr_lock_mode qr_lock_held_any(const struct qr_lock_owner *owner,
                                   const struct qr_lock_resource *resource)
{
    return qr_lock_join(qr_lock_held(owner, QR_LOCK_OF_TRAN, resource),
                        qr_lock_held(owner, QR_LOCK_OF_SESSION, resource));
}

bool qr_lock_may(const struct qr_lock_owner *owner, const struct qr_lock_resource *resource,
                 enum qr_lock_mode mode)
{
    struct qri_ask ask;
    pthread_mutex_lock(&owner->locks->mu);
    qri_lock_ask(owner, QR_LOCK_OF_TRAN, resource, mode, &ask);
    bool may = qri_may_grant(&ask);
    pthread_mutex_unlock(&owner->locks->mu);
    return may;
}

size_t qr_lock_count(const struct qr_lock_owner *owner, enum qr_lock_scope scope)
{
    return owner->counts[scope];
}

/* ---- giving back ---- */

enum qr_status qr_lock_release(struct qr_lock_owner *owner, enum qr_lock_scope scope,
                               const struct qr_lock_resource *resource)
{
    struct qri_ask ask;
    pthread_mutex_lock(&owner->locks->mu);
    qri_lock_ask(owner, scope, resource, QR_LOCK_NONE, &ask);
    struct qri_hold *hold = ask.holds[scope];
    if (hold != NULL && --hold->count == 0)
        qri_drop(hold);
    pthread_mutex_unlock(&owner->locks->mu);
    return hold != NULL ? QR_OK : QR_NOT_FOUND;
}

void qr_lock_release_after(struct qr_lock_owner *owner, enum qr_lock_scope scope, size_t mark)
{
    while (owner->counts[scope] > mark) { /* others get the mutex in between */
        pthread_mutex_lock(&owner->locks->mu);
        for (int i = 0; i < RELEASES_MAX && owner->counts[scope] > mark; i++)
            qri_drop(owner->holds[scope]);
        pthread_mutex_unlock(&owner->locks->mu);
    }
}

void qr_lock_release_all(struct qr_lock_owner *owner, enum qr_lock_scope scope)
{
    qr_lock_release_after(owner, scope, 0);
}
