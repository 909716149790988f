/* lock/lock.h - the lock manager of one database: rows, keys, tables, names of applications.
 *
 * A resource is known by its kind, object, index and a 64-bit hash; two keys with one hash share a
 * lock, which costs a needless wait and never correctness. Locks belong to an owner (a session) and
 * a scope: those of its transaction go together, those of the session (application locks) when it
 * says so. A lock asked for again is counted only for application locks; its mode becomes the
 * weakest that does what both do (a conversion, which goes before new requests).
 *
 * Queues are fair: a request that does not go with one that waits before it waits behind it, unless
 * its owner holds the resource already. Deadlocks are found when somebody starts to wait.
 *
 * Source: SQL Server's documentation of locking (modes, compatibility, conversion, 1204, 1205,
 * 1222, sys.dm_tran_locks).
 * Threads: any; an owner by one thread at a time, except what says "any thread".
 * Errors: QR_BUSY, QR_SQL 1204 (no room for the lock), 1205 (victim), 1222 (time-out), or what a
 * caller's poll says. After every one of them all is held that was held before, and nothing more.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "env/env.h"

enum qr_lock_mode {
    QR_LOCK_NONE,
    QR_LOCK_SCH_S,
    QR_LOCK_SCH_M,
    QR_LOCK_IS,
    QR_LOCK_S,
    QR_LOCK_U,
    QR_LOCK_IX,
    QR_LOCK_SIX, /* only by conversion: S and IX */
    QR_LOCK_UIX, /* only by conversion: U and IX */
    QR_LOCK_X,
    QR_LOCK_MODES
};

enum qr_lock_kind {
    QR_LOCK_DATABASE,
    QR_LOCK_TABLE, /* and other objects: Sch-S, Sch-M */
    QR_LOCK_ROW,   /* hash: of the clustered key, or the rowid itself */
    QR_LOCK_KEY,   /* index: index_id; hash: of a unique key's values */
    QR_LOCK_APP,   /* hash: of principal and name; the text is kept beside */
    QR_LOCK_RANGE, /* index: index_id; hash: a number of its own. Made by lock/range.h only */
    QR_LOCK_KINDS
};

struct qr_lock_resource {
    uint8_t kind;  /* enum qr_lock_kind */
    bool is_rowid; /* ROW: hash is the rowid of a heap (RID in sys.dm_tran_locks); names nothing */
    uint32_t object, index;
    uint64_t hash;
};

enum qr_lock_scope { QR_LOCK_OF_TRAN, QR_LOCK_OF_SESSION };
enum { QR_LOCK_SCOPES = QR_LOCK_OF_SESSION + 1 };

struct qr_locks;      /* of a database */
struct qr_lock_owner; /* a session in it */

enum { QR_LOCK_REPORT_BYTES_MAX = 1000, QR_LOCK_NAME_BYTES_MAX = 2048, QR_DEADLOCK_MAX = 16 };

/* One that takes part in a deadlock: it waits for the next, the last for the first. */
struct qr_deadlock_member {
    uint32_t session_id;
    int priority;
    uint64_t work;
    struct qr_lock_resource resource;
    char name[129]; /* APP, cut; else "" */
    enum qr_lock_mode wants, has;
    enum qr_lock_mode next_has; /* why it waits for the next: what that one has, or NONE: it stands
                                   before it in the queue */
    int64_t since_mono_ns;
};
struct qr_deadlock {
    uint32_t victim_session_id;
    size_t count; /* members; may be more than are kept */
    struct qr_deadlock_member members[QR_DEADLOCK_MAX];
    char text[QR_LOCK_REPORT_BYTES_MAX]; /* session ids, modes, resources in one readable line */
};

struct qr_lock_options {
    struct qr_env *env;
    size_t bytes_max; /* of all locks; 0: 64 MiB, about 300,000 locks */
    /* Called without any lock held, on the thread that closed the circle, once for a deadlock. */
    void (*on_deadlock)(void *ctx, const struct qr_deadlock *deadlock);
    void *ctx;
};
QR_NODISCARD enum qr_status qr_locks_new(const struct qr_lock_options *options,
                                         struct qr_locks **ret_locks, struct qr_err *err);
void qr_locks_free(struct qr_locks *locks); /* no owner is left; NULL is accepted */

QR_NODISCARD enum qr_status qr_lock_owner_new(struct qr_locks *locks, uint32_t session_id,
                                              struct qr_lock_owner **ret_owner, struct qr_err *err);
void qr_lock_owner_free(struct qr_lock_owner *owner); /* releases everything; NULL is accepted */
/* For QR_AUTO. */
static inline void qr_lock_owner_freep(struct qr_lock_owner **owner)
{
    qr_lock_owner_free(*owner);
}
/* For the choice of a victim: DEADLOCK_PRIORITY (-10 to 10; who has less is preferred) and how much
 * would be undone. Any thread, any time; costs no lock. */
void qr_lock_owner_set(struct qr_lock_owner *owner, int priority, uint64_t work);

/* Takes the lock if nobody is in the way. QR_BUSY: somebody is (err untouched). */
QR_NODISCARD enum qr_status qr_lock_try(struct qr_lock_owner *owner, enum qr_lock_scope scope,
                                        const struct qr_lock_resource *resource,
                                        enum qr_lock_mode mode, struct qr_err *err);

/* Called before the first sleep and while waiting, at least every 20 ms, without any lock held:
 * QR_OK to go on, any other status gives up. */
typedef enum qr_status qr_lock_poll_fn(void *ctx);
/* The same, but waits its turn. timeout_ms: -1 for ever, 0 not at all: 1222 when it has passed.
 * 1205: chosen as a victim; what it holds stays until the caller releases it. Or what `poll` says
 * (may be NULL). A lock that is granted in the moment of giving up is taken. `name` (APP; else
 * NULL, copied, cut at QR_LOCK_NAME_BYTES_MAX): shown by the list. */
QR_NODISCARD enum qr_status qr_lock_wait(struct qr_lock_owner *owner, enum qr_lock_scope scope,
                                         const struct qr_lock_resource *resource,
                                         enum qr_lock_mode mode, const char *name,
                                         int32_t timeout_ms, qr_lock_poll_fn *poll, void *poll_ctx,
                                         struct qr_err *err);

/* Does the owner, which waits (its own poll asks), wait for one of these sessions, over others that
 * wait if need be? */
bool qr_lock_waits_for(struct qr_lock_owner *owner, const uint32_t *session_ids, size_t count);

/* What the owner holds on it in this scope (any scope: the join of both by _held_any). */
enum qr_lock_mode qr_lock_held(const struct qr_lock_owner *owner, enum qr_lock_scope scope,
                               const struct qr_lock_resource *resource);
enum qr_lock_mode qr_lock_held_any(const struct qr_lock_owner *owner,
                                   const struct qr_lock_resource *resource);
/* Would try succeed? Takes nothing. */
bool qr_lock_may(const struct qr_lock_owner *owner, const struct qr_lock_resource *resource,
                 enum qr_lock_mode mode);
/* One count of it; the lock goes with the last. QR_NOT_FOUND: not held. */
enum qr_status qr_lock_release(struct qr_lock_owner *owner, enum qr_lock_scope scope,
                               const struct qr_lock_resource *resource);
/* All of a scope; wakes who can go on. */
void qr_lock_release_all(struct qr_lock_owner *owner, enum qr_lock_scope scope);
/* How many it holds in a scope; a mark for qr_lock_release_after. Costs no lock. */
size_t qr_lock_count(const struct qr_lock_owner *owner, enum qr_lock_scope scope);
/* Those first taken since qr_lock_count said `mark` go (what was converted since keeps its mode).
 * A mark is good until qr_lock_release, or until less than it is held. */
void qr_lock_release_after(struct qr_lock_owner *owner, enum qr_lock_scope scope, size_t mark);

/* The weakest mode that does what both do. */
enum qr_lock_mode qr_lock_join(enum qr_lock_mode a, enum qr_lock_mode b);
bool qr_lock_goes_with(enum qr_lock_mode a, enum qr_lock_mode b);
const char *qr_lock_mode_name(enum qr_lock_mode mode); /* as sys.dm_tran_locks: "IX", "Sch-M" */
/* The same of a RANGE: "RangeS-S"; else as above. */
const char *qr_lock_mode_name_on(const struct qr_lock_resource *resource, enum qr_lock_mode mode);

/* One row per lock and per request that waits. Any thread. `each` is called with the manager's
 * mutex held: it only copies. Strings live during the call. */
struct qr_lock_info {
    struct qr_lock_resource resource;
    const char *name; /* APP; else NULL */
    uint32_t session_id;
    enum qr_lock_scope scope;
    enum qr_lock_mode mode; /* granted, or what it would hold once granted */
    uint32_t count;
    bool is_waiting, is_converting; /* converting: `held` is what it has meanwhile, any scope */
    enum qr_lock_mode held;
    int64_t since_mono_ns;        /* of a wait */
    uint32_t blocking_session_id; /* of a wait: the first in the way; 0: none */
};
typedef void qr_lock_each_fn(void *ctx, const struct qr_lock_info *info);
void qr_locks_list(struct qr_locks *locks, qr_lock_each_fn *each, void *ctx);
/* Only the requests that wait, longest first. Its time does not depend on how many locks there are.
 */
void qr_locks_list_waits(struct qr_locks *locks, qr_lock_each_fn *each, void *ctx);
size_t qr_locks_bytes(struct qr_locks *locks); /* allocated now */
