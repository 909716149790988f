/* lock_int.h - shared inside lock. Everything here is guarded by qr_locks.mu, except where a field
 * says otherwise; functions that take a qr_locks want it held. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "lock/lock.h"

/* One bit for each mode. */
typedef uint16_t qri_modes;

/* First member of what stands in a hash table. */
struct qri_node {
    struct qri_node *next;
    uint64_t hash;
};
struct qri_table {
    struct qri_node **buckets;
    size_t count, bucket_count; /* a power of two */
};

/* Items of one size, cut from chunks. */
struct qri_pool {
    size_t item_bytes;
    struct qri_chunk *chunks;
    struct qri_free *free;
    size_t chunk_count, live;
};

/* A resource that somebody holds or waits for. */
struct qri_lock {
    struct qri_node node; /* first */
    struct qr_lock_resource resource;
    char *name;                /* own; NULL: none was told */
    struct qri_ranged *ranged; /* RANGE: own, while its maker holds it; else NULL */
    struct qri_hold *holds;
    struct qri_wait *waits_first, *waits_last; /* conversions in front */
    uint64_t search;                           /* the last search that saw the holders, ... */
    qri_modes searched;                        /* ... and which of their modes */
    qri_modes granted_modes;
    uint32_t granted[QR_LOCK_MODES]; /* holds of each mode */
};

/* What an owner has of a lock in one scope. */
struct qri_hold {
    struct qri_node node; /* first */
    struct qr_lock_owner *owner;
    struct qri_lock *lock;
    struct qri_hold *lock_prev, *lock_next;
    struct qri_hold *owner_prev, *owner_next; /* newest first */
    uint32_t count;
    uint8_t mode, scope;
};

enum qri_wait_state { QRI_WAIT_NONE, QRI_WAITS, QRI_GRANTED, QRI_VICTIM };

/* An owner waits for one lock at a time. */
struct qri_wait {
    enum qri_wait_state state;
    struct qri_lock *lock;
    struct qri_wait *prev, *next;         /* in the lock's queue */
    struct qri_wait *all_prev, *all_next; /* of all that wait, longest first */
    struct qri_hold *spare;               /* own: what is granted; NULL: the scope has a hold */
    int64_t since_mono_ns;
    uint64_t turn; /* rises along the queue, among conversions and among the others */
    uint8_t mode, scope;
    bool is_conversion;
};

struct qr_lock_owner {
    struct qr_locks *locks;
    uint32_t session_id;
    _Atomic int priority;
    _Atomic uint64_t work;
    struct qri_hold *holds[QR_LOCK_SCOPES];
    size_t counts[QR_LOCK_SCOPES]; /* read without mu by its thread: others change it only while
                                      that thread waits */
    struct qri_wait wait;
    pthread_cond_t wake;
    struct qri_ranged *ranges;  /* of range.c: all it has, the last made in front */
    /* Of its own thread: */
    struct qri_ranged *claim; /* one of them; NULL: none */
    uint32_t refusals;        /* since it was last let in */
    /* of deadlock.c */
    uint64_t search;
    struct qr_lock_owner *search_from, *search_next, *circle_next;
};

struct qr_locks {
    pthread_mutex_t mu;
    struct qr_lock_options options;
    uint64_t seed; /* nobody chooses keys that share a bucket */
    struct qri_table locks, holds, spaces;
    struct qri_pool lock_pool, hold_pool;
    struct qri_wait *waits_first, *waits_last;
    uint64_t turn, search, range_count; /* numbers given */
    size_t bytes, owner_count;
};

/* What a request finds. */
struct qri_ask {
    struct qr_lock_owner *owner; /* changed by a grant only */
    const struct qr_lock_resource *resource;
    uint64_t hash;
    struct qri_lock *lock;                  /* NULL: nobody has it */
    struct qri_hold *holds[QR_LOCK_SCOPES]; /* its owner's own; NULL: none */
    enum qr_lock_scope scope;
    enum qr_lock_mode mode;
};

/* modes.c */
qri_modes qri_conflicts(enum qr_lock_mode mode); /* those that do not go with it */

static inline bool qri_mode_in(enum qr_lock_mode mode, qri_modes modes)
{
    return (modes >> mode & 1) != 0;
}

/* table.c */
struct qri_node *qri_table_chain(const struct qri_table *table, uint64_t hash);
/* False: no room. */
bool qri_table_put(struct qr_locks *m, struct qri_table *table, struct qri_node *node);
void qri_table_remove(struct qr_locks *m, struct qri_table *table, struct qri_node *node);
void qri_locks_table_done(struct qr_locks *m, struct qri_table *table);
/* Zeroed; NULL: no room. */
void *qri_pool_take(struct qr_locks *m, struct qri_pool *pool);
void qri_pool_give(struct qr_locks *m, struct qri_pool *pool, void *item);
void qri_pool_done(struct qr_locks *m, struct qri_pool *pool);
/* malloc and free against bytes_max. */
void *qri_alloc(struct qr_locks *m, size_t bytes);
void qri_free(struct qr_locks *m, void *p, size_t bytes);

/* hold.c */
void qri_lock_ask(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                  const struct qr_lock_resource *resource, enum qr_lock_mode mode,
                  struct qri_ask *ret_ask);
bool qri_may_grant(const struct qri_ask *ask);
/* False: no room, nothing has changed. */
bool qri_grant(const struct qri_ask *ask, const char *name);
/* What the owner has, of both scopes. */
enum qr_lock_mode qri_held(const struct qri_ask *ask);
qri_modes qri_held_by_others(const struct qri_ask *ask); /* ask->lock is not NULL */
struct qri_hold *qri_find_hold(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                               const struct qri_lock *lock);
/* Whoever can go on is woken. */
void qri_drop(struct qri_hold *hold);
void qri_set_name(struct qr_locks *m, struct qri_lock *lock, const char *name);
/* Into its lock's and its owner's lists, counted once. False: no room. */
bool qri_hold_link(struct qri_hold *hold, enum qr_lock_mode mode);
void qri_hold_set_mode(struct qri_hold *hold, enum qr_lock_mode mode);
void qri_lock_forget(struct qr_locks *m, struct qri_lock *lock); /* nobody has or wants it */

/* queue.c */
/* ask->lock is somebody's. False: no room. */
bool qri_enqueue(const struct qri_ask *ask);
/* Out of the queue, without what it asked for; those behind it are looked at again. */
void qri_dequeue(struct qri_wait *wait, enum qri_wait_state state);
/* Grants what can be granted, in order; forgets the lock if nobody has or wants it. */
void qri_settle(struct qr_locks *m, struct qri_lock *lock);
/* Does `wait` stand before `other` in the same queue? */
bool qri_is_before(const struct qri_wait *wait, const struct qri_wait *other);
static inline struct qr_lock_owner *qri_wait_owner(const struct qri_wait *wait)
{
    return (struct qr_lock_owner *)((const char *)wait - offsetof(struct qr_lock_owner, wait));
}
/* The first that is in its way; NULL: nobody. */
struct qr_lock_owner *qri_blocker(const struct qri_wait *wait);

/* range.c: the maker of a RANGE drops it. */
void qri_ranged_free(struct qr_locks *m, struct qri_ranged *ranged);
const struct qr_lock_owner *qri_ranged_owner(const struct qri_ranged *ranged);
bool qri_ranged_is_claim(const struct qri_ranged *ranged);

/* deadlock.c: if `start`, which waits, closes a circle, a victim is chosen and no longer waits (it
 * may be `start`), and the report is written. */
bool qri_reaches(struct qr_lock_owner *start, const uint32_t *session_ids, size_t count);
bool qri_break_circle(struct qr_lock_owner *start, struct qr_deadlock *ret_deadlock);
