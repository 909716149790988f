/* governor_int.h - what the files of the governor share. */
#pragma once
#include <pthread.h>
#include "bucket.h"
#include "governor/governor.h"
#include "governor/memory.h"
#include "governor/sample.h"
#include "governor/task.h"

enum {
    QRI_CPU_BURST_NS = 100 * 1000 * 1000,
    QRI_IO_BURST_NS = 100 * 1000 * 1000,
    QRI_SLICE_NS = 1000 * 1000,         /* between charges of what runs long */
    QRI_TOLERANCE_NS = 2 * 1000 * 1000, /* debts that nobody sleeps for: a switch costs more */
    QRI_SLEEP_NS_MAX = 50 * 1000 * 1000,
    QRI_ADMIN_RESERVED = 4,
};

struct qri_totals { /* a copy of what samples are differences of */
    uint64_t cpu_ns, cpu_delayed_ns, reads, read_bytes, writes, write_bytes, io_units, log_bytes;
    uint64_t requests, logins, reads_queued, writes_queued, optimizations, out_of_memory;
    uint64_t read_stall_ns, read_queued_ns, write_stall_ns, write_queued_ns;
};

struct qri_history {
    struct qri_totals at_row, at_tick;
    int64_t row_mono_ns, tick_mono_ns;
    uint32_t workers_max, sessions_max; /* of the row in the making */
    size_t first, count;
    struct qr_gov_sample last_tick;
    bool has_tick;
    struct qr_gov_sample *rows; /* NULL until there is something to keep */
};

/* What groups and pools have alike. */
struct qri_account {
    char name[QR_GOV_NAME_BYTES_MAX + 1];
    uint32_t id;
    struct qr_gov_limits limits; /* guarded by the governor's mu, as the next two */
    struct qr_gov_limits
        shown; /* to views: of one database's pool its group's, where it has none */
    int64_t limited_wall_ns;
    struct qr_gov_usage usage;
    struct qr_waits waits;
    struct qri_bucket cpu, io, io_bytes, temp_io, log;
    _Atomic uint32_t workers, workers_waiting, sessions;
    _Atomic uint32_t workers_max, sessions_max; /* of the limits, 0: none */
    _Atomic uint64_t memory_bytes, storage_bytes, allocated_bytes;
    struct qri_history history; /* guarded by the governor's mu */
};

/* What a pool has given as grants; guarded by the governor's grant_mu. */
struct qri_semaphore {
    uint64_t granted_bytes;
    uint32_t grantees, waiters;
    uint64_t grants, timeouts, forced;
    uint32_t numbered;         /* of the waiters, by the look that goes on */
    uint64_t timeouts_sampled; /* by the last row of the pool */
};

struct qr_gov_pool {
    struct qri_account account;
    struct qr_gov_pool *next;
    uint64_t key;
    char elastic[QR_GOV_NAME_BYTES_MAX + 1]; /* "": of one database, or internal */
    uint32_t refs;                           /* groups that are kept */
    _Atomic uint64_t workspace_bytes;        /* for grants; 0: no limit */
    struct qri_semaphore semaphores[QR_GOV_SEMAPHORES];
};

struct qr_gov_group {
    struct qri_account account;
    struct qr_gov_group *next;
    struct qr_governor *gov;
    _Atomic(struct qr_gov_pool *) pool;
    bool is_internal, is_open;
    uint32_t database_id;
    char database[QR_GOV_NAME_BYTES_MAX + 1], objective[QR_GOV_NAME_BYTES_MAX + 1];
    int64_t closed_mono_ns;
    struct qri_bucket share; /* of the host, while that is in debt */
    struct qri_bucket floor; /* what a database of an elastic pool is promised of that; the same */
    struct qri_bucket reserve; /* of the administrator, to begin without waiting */
    _Atomic uint32_t weight;   /* hundredths of a vCore */
    _Atomic int64_t active_mono_ns;
    _Atomic uint64_t billed_micros; /* vCore seconds beyond the least that is billed */
};

struct qri_worker_waiter {
    struct qri_worker_waiter *next;
    struct qr_gov_task *task;
    pthread_cond_t wake;
    bool granted;
};

struct qr_governor {
    struct qr_gov_options options;
    pthread_mutex_t mu;
    struct qr_gov_group *groups; /* guarded by mu; ordered by account.id */
    struct qr_gov_pool *pools;
    uint32_t next_group_id, next_pool_id;
    struct qr_gov_group *internals[QR_GOV_INTERNALS];
    struct qr_gov_pool *internal_pool;
    _Atomic uint32_t vcore_ppm;
    struct qri_bucket host_cpu, log;
    _Atomic int64_t weighed_mono_ns;
    _Atomic uint64_t weight; /* of the groups that ran lately */
    struct qr_gov_usage usage;
    struct qr_waits waits;
    _Atomic uint32_t workers;
    pthread_mutex_t worker_mu; /* guards the queue */
    struct qri_worker_waiter *waiters_first, *waiters_last;
    _Atomic uint32_t waiters;
    pthread_mutex_t grant_mu; /* guards the next three */
    struct qr_gov_grant *grants_first, *grants_last;
    uint64_t granted_bytes[QR_GOV_SEMAPHORES]; /* of all pools */
    _Atomic int64_t in_grants_bytes; /* of what tasks hold, what their grants cover; no lock */
    pthread_t ticker;
    pthread_cond_t tick_end;
    bool ticking, stopping;
    int64_t instance_mono_ns; /* of the last row, for what the process used */
    float instance_memory;    /* percent, at the last row */
    uint64_t instance_cpu_ns;
    uint32_t ticks;
};

/* What the thread has to do with clocks; of the real thread, and swapped by tests that play
 * several. */
struct qri_gov_thread {
    struct qr_gov_task *current;
    bool has_base;
    int64_t cpu_base_ns; /* at the last read */
    int64_t charged_ns;  /* since then, by the clock on the wall */
    int64_t read_mono_ns;
};
struct qri_gov_thread *qri_gov_thread(void);

static inline void qri_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
/* Of a counter that only one thread at a time changes. */
static inline void qri_count_own(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
/* usage.FIELD of the task, its group, its pool and the governor. */
#define QRI_COUNT(task, field, n)                                                                  \
    do {                                                                                           \
        struct qr_gov_group *qri_g = (task)->group;                                                \
        qri_count_own(&(task)->usage.field, (n));                                                  \
        qri_count(&qri_g->account.usage.field, (n));                                               \
        qri_count(&qri_pool_of(qri_g)->account.usage.field, (n));                                  \
        qri_count(&qri_g->gov->usage.field, (n));                                                  \
    } while (0)

static inline struct qr_gov_pool *qri_pool_of(const struct qr_gov_group *group)
{
    return atomic_load_explicit(&group->pool, memory_order_relaxed);
}
static inline int64_t qri_now(const struct qr_governor *gov)
{
    return qr_env_mono_ns(gov->options.env);
}

/* ---- governor.c ---- */
/* mu held. */
void qri_account_limit(struct qr_governor *gov, struct qri_account *account);
uint64_t qri_cpu_ns_per_s(const struct qr_governor *gov, const struct qr_gov_limits *limits);

/* ---- pay.c ---- */
/* Sleeps until `due_ns`, or until the bucket (may be NULL) is paid, or the task is cancelled; the
 * time it took. */
int64_t qri_sleep_until(struct qr_gov_task *task, int64_t due_ns, const struct qri_bucket *bucket,
                        enum qr_wait type);

/* ---- memory.c ---- */
/* Takes grant_mu; mu may be held. */
bool qri_pool_has_grants(struct qr_governor *gov, const struct qr_gov_pool *pool);
/* The same: what a row says of grants. */
void qri_pool_sample_grants(struct qr_governor *gov, struct qr_gov_pool *pool,
                            struct qr_gov_sample *row);

/* ---- sample.c ---- */
void qri_history_done(struct qri_history *history);
