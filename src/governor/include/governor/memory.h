/* governor/memory.h - memory that statements work in: grants, and what tasks hold.
 *
 * A statement that sorts or collects much asks for a grant before it begins. Grants come from
 * semaphores: every pool has one for large requests and one for small ones (up to
 * QR_GOV_SMALL_BYTES, from a twentieth of the memory), neither larger than the process's. Who finds
 * too little in its pool waits (RESOURCE_SEMAPHORE), first come first served in each; a small one
 * does not stand behind a large one. When its time is over it gets the least it can do with, or
 * error 8645. Nobody waits for what other pools have: who fits into its pool and not into the
 * process gets what the process has left, or nothing, and goes on. Without enforcement one request
 * is bounded, and all together are not. A statement that asks for nothing costs nothing here.
 *
 * Threads: any; a grant belongs to its task's thread. Lock: `grant_mu`, a leaf. */
#pragma once
#include "governor/task.h"

enum qr_gov_semaphore { QR_GOV_LARGE, QR_GOV_SMALL, QR_GOV_SEMAPHORES }; /* as views number them */
enum {
    QR_GOV_SMALL_BYTES = 5 << 20,
    QR_GOV_SMALL_PERCENT = 5,      /* of what a pool has for grants, for small ones */
    QR_GOV_GRANT_PERCENT_MAX = 25, /* of what there is for large ones, for one statement */
    QR_GOV_WORKSPACE_PERCENT = 75, /* of the objective's memory, for grants */
    QR_GOV_WAIT_PER_COST_S = 25,   /* for each second that the statement is thought to take */
};

struct qr_gov_grant {
    /* what is asked */
    uint64_t required_bytes; /* it can do with that; more than none */
    uint64_t ideal_bytes;    /* with that nothing goes to a file */
    double cost;             /* in seconds: how long it may wait follows from it */
    uint32_t session_id;     /* for views, as the next two */
    uint64_t text_id, batch_id;
    /* what was given; 0: it has none, and keeps to what every statement may use */
    uint64_t granted_bytes;
    /* of memory.c, guarded by grant_mu */
    struct qr_gov_grant *before, *after;
    struct qr_gov_task *task;
    struct qr_gov_pool *pool;
    struct qri_grant_waiter *waiter; /* NULL: it is not in line */
    enum qr_gov_semaphore semaphore;
    uint64_t requested_bytes;
    int64_t request_mono_ns, grant_mono_ns, timeout_ns, memory_before;
};

/* Fills what was given. Waits unless the task holds something (task.h, V2) or has no governor: then
 * it gets what is free, which may be nothing. Errors: 8645, QR_CANCELLED. */
QR_NODISCARD enum qr_status qr_gov_grant_take(struct qr_gov_task *task, struct qr_gov_grant *grant,
                                              struct qr_err *err);
void qr_gov_grant_give(struct qr_gov_grant *grant); /* nothing if none was given */
/* The most that the task has held since it got the grant; 0 without one. By the task's thread. */
uint64_t qr_gov_grant_used_max(const struct qr_gov_grant *grant);

/* ---- what a task holds, in large pieces ---- */

enum { QR_GOV_HELD_LONG_BYTES = 16 << 20 }; /* from so much on it is known since when */

/* Said of the thread's task by who takes (or, < 0, frees) it. */
void qr_gov_memory(int64_t bytes);
/* How much the thread's task would hold beyond its grant with so much more. */
uint64_t qr_gov_memory_beyond(uint64_t bytes);
/* Of what all tasks of the governor of the thread's task hold, what their grants cover. */
uint64_t qr_gov_memory_in_grants(void);
/* Since when (monotonic) the task has held more than QR_GOV_HELD_LONG_BYTES; 0: it does not. */
int64_t qr_gov_memory_since(const struct qr_gov_task *task);

/* ---- for views: copies ---- */

struct qr_gov_grant_seen {
    uint32_t session_id, pool_id, group_id, database_id;
    uint64_t text_id, batch_id;
    uint64_t requested_bytes, granted_bytes, required_bytes, ideal_bytes, used_bytes,
        used_max_bytes;
    double cost;
    int64_t request_mono_ns, grant_mono_ns, timeout_ns; /* grant 0: it waits */
    enum qr_gov_semaphore semaphore;
    uint32_t wait_order; /* among those that wait for its semaphore, from 0 */
};
typedef void qr_gov_each_grant_fn(void *ctx, const struct qr_gov_grant_seen *seen);
/* With grant_mu held: it only copies. In the order of their coming. */
void qr_gov_each_grant(struct qr_governor *gov, qr_gov_each_grant_fn *each, void *ctx);

struct qr_gov_semaphore_seen {
    uint64_t max_bytes, granted_bytes, used_bytes;
    uint32_t grantees, waiters;
    uint64_t grants, timeouts, forced; /* since the process began */
};
/* Of the pool of that key. */
void qr_gov_semaphores(struct qr_governor *gov, uint64_t pool_key,
                       struct qr_gov_semaphore_seen ret_seen[QR_GOV_SEMAPHORES]);
