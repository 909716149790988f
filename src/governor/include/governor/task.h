/* governor/task.h - who pays for what a thread does just now.
 *
 * A session has a task; its worker enters it when a request begins and leaves it at the end.
 * Threads of internal work enter one of an internal group. Everything below (store, vfs, engine)
 * then says what it uses to the thread's task, with no parameter. On a thread without a task all
 * calls here do nothing, or succeed.
 *
 * CPU time: read when a request ends, and by qr_gov_poll when a millisecond has gone by; who is
 * over its limit waits there, and a request that begins while its group is in debt waits before it.
 * Reads of the thread's clock cost a microsecond, so the short requests of a millisecond share one:
 * they are charged the time that went by, and the next read charges the difference.
 * I/O and log are charged by who does them; the wait comes before the I/O, and for log in
 * qr_gov_pay_log, once what the log records protect is published.
 * Nobody sleeps while the task holds something that others need (qr_gov_hold): debts stay, and are
 * paid by whoever of the group comes next.
 *
 * Threads: a task belongs to the thread that entered it; counters and `wait_type` may be read by
 * any. Waits look at `cancelled` at least every 50 ms and end early if it says so. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "governor/governor.h"

struct qr_gov_task_ops {
    /* Around anything that may block. NULL: nobody needs to know. */
    void (*block_begin)(void *ctx);
    void (*block_end)(void *ctx);
    /* True: stop waiting. Called by the task's thread. NULL: never. */
    bool (*cancelled)(void *ctx);
};

struct qr_gov_task {
    struct qr_gov_group *group;
    const struct qr_gov_task_ops *ops; /* may be NULL */
    void *ctx;
    bool is_admin; /* has a reserve, of workers, sessions, and CPU time to begin requests with */
    struct qr_gov_usage usage;
    struct qr_waits waits;
    uint64_t wait_count;        /* of all types, for the task's own thread */
    _Atomic uint32_t wait_type; /* enum qr_wait; NONE: it runs, or has nothing to do */
    _Atomic int64_t wait_since_mono_ns;
    _Atomic uint32_t last_wait_type;
    _Atomic int64_t last_wait_ns;
    /* of task.c */
    struct qr_gov_task *outer; /* that the thread was in before */
    uint32_t holds;
    bool has_session, has_worker, on_reserve;
    struct qr_gov_pool *session_pool, *worker_pool; /* that they were taken from */
    int64_t enter_ns, waited_ns;                    /* since the last charge */
    int64_t prepaid_ns;
    uint64_t request_cpu_ns; /* of its usage, when the request began */
    int64_t log_due_ns[3];   /* until when group, pool and instance have its log paid */
    uint64_t seen_logical_reads, seen_logical_writes;
    /* of memory.c: in large pieces */
    _Atomic int64_t memory_bytes, memory_max_bytes, memory_since_mono_ns;
    _Atomic int64_t granted_bytes; /* by a semaphore */
};

/* All zeros but for what is given. The group outlives it. */
void qr_gov_task_init(struct qr_gov_task *task, struct qr_gov_group *group,
                      const struct qr_gov_task_ops *ops, void *ctx, bool is_admin);
/* What is counted of it goes to its group; sessions and workers are given back. */
void qr_gov_task_done(struct qr_gov_task *task);
struct qr_gov_task *qr_gov_current(void); /* NULL: none */

/* The thread works for that from now on, inside what it worked for before. _enter waits while the
 * group is in debt for CPU time. Never fails: who was cancelled finds out by itself. */
void qr_gov_enter(struct qr_gov_task *task);
void qr_gov_leave(struct qr_gov_task *task);
/* The thread's task has made a plan, or found no memory; nothing without one. */
void qr_gov_count_optimization(void);
void qr_gov_count_out_of_memory(void);
/* The same for internal work, of the process's governor if there is one. */
void qr_gov_enter_internal(struct qr_gov_task *task, enum qr_gov_internal kind);
void qr_gov_leave_internal(struct qr_gov_task *task);

/* Called often by what runs long; costs a clock read. May sleep. */
void qr_gov_poll(void);

/* Around what others wait for while it is held (writer lock, mutexes of the store): nobody sleeps
 * for a debt. Both by the task, which qr_gov_unhold gets because another thread may call it. */
struct qr_gov_task *qr_gov_hold(void); /* the current task, or NULL */
void qr_gov_unhold(struct qr_gov_task *task);
bool qr_gov_may_wait(void);

/* ---- what is used ---- */

enum qr_gov_io { QR_GOV_READ, QR_GOV_WRITE, QR_GOV_IO_KINDS };
enum { QR_GOV_IO_UNIT_BYTES = 256 * 1024 }; /* what is larger counts as several */
/* Before the I/O on a data file: charges it and waits for its turn (IO_QUEUE_LIMIT), unless the
 * task holds something. The time it waited. */
int64_t qr_gov_io(enum qr_gov_io kind, uint64_t bytes);
/* The same of a temporary file: where tempdb has a limit of its own (qr_gov_limits) that one's. */
int64_t qr_gov_io_temp(enum qr_gov_io kind, uint64_t bytes);
/* How long it took then; for the totals of stalls. */
void qr_gov_io_done(enum qr_gov_io kind, int64_t ns);
/* By the task's own thread. */
static inline void qr_gov_add(_Atomic uint64_t *counter, uint64_t count)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
                          memory_order_relaxed);
}
static inline void qr_gov_logical_reads(uint64_t count)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        qr_gov_add(&task->usage.logical_reads, count);
}
static inline void qr_gov_logical_writes(uint64_t count)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        qr_gov_add(&task->usage.logical_writes, count);
}
/* Pages that a page server sent, those that were read ahead too. */
static inline void qr_gov_page_server_reads(uint64_t count)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        qr_gov_add(&task->usage.page_server_reads, count);
}
static inline void qr_gov_temp_written(uint64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        qr_gov_add(&task->usage.temp_bytes, bytes);
}
/* Room in temporary files was taken, or given back. */
static inline void qr_gov_temp_taken(enum qr_gov_temp use, uint64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        qr_gov_add(&task->usage.temp_taken[use], bytes);
}
static inline void qr_gov_temp_freed(enum qr_gov_temp use, uint64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        qr_gov_add(&task->usage.temp_freed[use], bytes);
}
/* Log records were made: charges them. The wait comes with qr_gov_pay_log, which returns at once
 * while the task holds something; leaving the task does not wait for it. */
void qr_gov_log_made(uint64_t bytes);
void qr_gov_pay_log(void);
/* Log went to a file of this machine, written by whatever thread. */
void qr_gov_log_written(void);

/* ---- workers and sessions ---- */

/* A session of the task's group. Errors 10928 (resource 2), 10936; the server's administrator has
 * some that nobody else gets. */
QR_NODISCARD enum qr_status qr_gov_session_take(struct qr_gov_task *task, struct qr_err *err);
/* Given back by qr_gov_task_done. */

/* A worker for a request; waits for one for a while (THREADPOOL). Errors 10928 (resource 1), 10929,
 * 10936; QR_CANCELLED. */
QR_NODISCARD enum qr_status qr_gov_worker_take(struct qr_gov_task *task, struct qr_err *err);
void qr_gov_worker_give(struct qr_gov_task *task);
