/* task.c - see governor/task.h: entering, leaving, and CPU time */
#include <assert.h>
#include <string.h>
#include "env/thread.h"
#include "governor_int.h"
#include "base/banned.h"

enum {
    PREPAID_NS = 100 * 1000, /* of who waits to begin: they shall not all begin at once */
    WEIGHED_NS = 10 * 1000 * 1000,
    ACTIVE_NS = 100 * 1000 * 1000,
    INTERNAL_WAIT_NS = 4 * 1000 * 1000, /* internal work goes on, whatever users do */
};
static const int64_t CHARGE_NS_MAX = INT64_C(4) * 1000000000; /* that one charge takes to pay */

static _Thread_local struct qri_gov_thread thread;

struct qri_gov_thread *qri_gov_thread(void)
{
    return &thread;
}

struct qr_gov_task *qr_gov_current(void)
{
    return thread.current;
}

static int64_t read_cpu(const struct qr_governor *gov)
{
    return (int64_t)(gov->options.cpu_ns != NULL ? gov->options.cpu_ns() : qr_thread_cpu_ns());
}

/* ---- shares of the host ---- */

static uint64_t weight_of(const struct qr_gov_group *group)
{
    return atomic_load_explicit(&group->weight, memory_order_relaxed);
}

/* Of the groups that ran lately, that one too. */
static uint64_t weigh(struct qr_governor *gov, const struct qr_gov_group *own, int64_t now)
{
    int64_t then = atomic_load_explicit(&gov->weighed_mono_ns, memory_order_relaxed);
    uint64_t weight = atomic_load_explicit(&gov->weight, memory_order_relaxed);
    if (weight != 0 && now - then < WEIGHED_NS)
        return weight;
    weight = 0;
    pthread_mutex_lock(&gov->mu);
    for (const struct qr_gov_group *g = gov->groups; g != NULL; g = g->next)
        if (!g->is_internal &&
            (g == own ||
             now - atomic_load_explicit(&g->active_mono_ns, memory_order_relaxed) < ACTIVE_NS))
            weight += weight_of(g);
    pthread_mutex_unlock(&gov->mu);
    atomic_store_explicit(&gov->weight, weight, memory_order_relaxed);
    atomic_store_explicit(&gov->weighed_mono_ns, now, memory_order_relaxed);
    return weight;
}

/* A group that stays under its share of a host in debt does not wait for the host. */
static void charge_share(struct qr_gov_group *group, int64_t now, int64_t ns)
{
    struct qr_governor *gov = group->gov;
    uint64_t weight = weigh(gov, group, now), host = gov->options.host_cpu_ns_per_s;
    uint64_t own = weight_of(group);
    own = own > weight ? weight : own;
    atomic_store_explicit(&group->share.per_s,
                          (uint64_t)((double)host * (double)own / (double)weight) + 1,
                          memory_order_relaxed);
    (void)qri_bucket_charge(&group->share, now, ns);
}

/* ---- charging ---- */

static int64_t bounded(const struct qri_bucket *bucket, int64_t ns)
{
    uint64_t per_s = atomic_load_explicit(&bucket->per_s, memory_order_relaxed);
    int64_t max = (int64_t)((double)CHARGE_NS_MAX * (double)per_s / 1e9);
    return ns > max ? max : ns;
}

/* A group that stays under what it is promised does not wait for a pool in debt. What it had beyond
 * that is no reason to keep it from its promise for longer than the pool's debt would. */
static void charge_floor(struct qr_gov_group *group, int64_t now, int64_t ns, int64_t pool_due)
{
    int64_t due = qri_bucket_charge(&group->floor, now, ns), max = now + QRI_CPU_BURST_NS;
    max = pool_due > max ? pool_due : max;
    while (due > max &&
           !atomic_compare_exchange_weak_explicit(&group->floor.due_ns, &due, max,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

static void charge_buckets(struct qr_gov_group *group, int64_t now, int64_t ns)
{
    struct qr_governor *gov = group->gov;
    struct qri_bucket *cpu = &group->account.cpu, *pool = &qri_pool_of(group)->account.cpu;
    (void)qri_bucket_charge(cpu, now, bounded(cpu, ns));
    int64_t pool_due = qri_bucket_charge(pool, now, bounded(pool, ns));
    if (pool_due > now)
        charge_floor(group, now, ns, pool_due);
    atomic_store_explicit(&group->active_mono_ns, now, memory_order_relaxed);
    if (qri_bucket_charge(&gov->host_cpu, now, bounded(&gov->host_cpu, ns)) > now &&
        !group->is_internal)
        charge_share(group, now, ns);
}

/* The time that the thread ran since the last charge. */
static int64_t used(struct qr_gov_task *task, int64_t now)
{
    const struct qr_governor *gov = task->group->gov;
    int64_t ns = now - task->enter_ns - task->waited_ns;
    task->enter_ns = now;
    task->waited_ns = 0;
    if (now - thread.read_mono_ns < QRI_SLICE_NS) {
        ns = ns < 0 ? 0 : ns;
        thread.charged_ns += ns;
        return ns;
    }
    int64_t cpu = read_cpu(gov);
    ns = cpu - thread.cpu_base_ns - thread.charged_ns;
    thread.cpu_base_ns = cpu;
    thread.read_mono_ns = now;
    thread.charged_ns = ns < 0 ? -ns : 0; /* too much was charged, as others ran in between */
    return ns < 0 ? 0 : ns;
}

static void charge(struct qr_gov_task *task, int64_t now)
{
    int64_t ns = used(task, now), due = ns - task->prepaid_ns;
    task->prepaid_ns = 0;
    if (task->on_reserve)
        (void)qri_bucket_charge(&task->group->reserve, now, ns < QRI_SLICE_NS ? ns : QRI_SLICE_NS);
    task->on_reserve = false;
    QRI_COUNT(task, cpu_ns, (uint64_t)ns);
    if (task->group->gov->options.enforce)
        charge_buckets(task->group, now, due);
}

/* ---- waiting ---- */

/* INT64_MIN: for nothing. */
static int64_t cpu_due(const struct qr_gov_task *task, int64_t now,
                       const struct qri_bucket **ret_bucket)
{
    const struct qr_gov_group *group = task->group;
    const struct qri_bucket *cpu = &group->account.cpu, *pool = &qri_pool_of(group)->account.cpu;
    const struct qri_bucket *host = &group->gov->host_cpu;
    int64_t due = qri_bucket_due(cpu), pool_due = qri_bucket_due(pool);
    *ret_bucket = cpu;
    int64_t floor_due = qri_bucket_due(&group->floor);
    if (floor_due != INT64_MIN && floor_due < pool_due) { /* it looks again: others may be first */
        pool_due = floor_due;
        pool = NULL;
    }
    if (pool_due > due) {
        due = pool_due;
        *ret_bucket = pool;
    }
    int64_t host_due = qri_bucket_due(host);
    if (host_due <= now)
        return due;
    if (group->is_internal) {
        *ret_bucket = host;
        return host_due < now + INTERNAL_WAIT_NS ? host_due : now + INTERNAL_WAIT_NS;
    }
    int64_t share_due = qri_bucket_due(&group->share);
    int64_t level = share_due < host_due ? share_due : host_due;
    if (level > due) {
        due = level;
        *ret_bucket = NULL;
    }
    return due;
}

static void wait_cpu(struct qr_gov_task *task, int64_t now, bool begins)
{
    const struct qri_bucket *bucket = NULL;
    int64_t due = cpu_due(task, now, &bucket), waited = 0;
    if (due < now + QRI_TOLERANCE_NS)
        return;
    if (begins && task->is_admin && qri_bucket_due(&task->group->reserve) <= now) {
        task->on_reserve = true;
        return;
    }
    if (begins) {
        task->prepaid_ns = PREPAID_NS;
        charge_buckets(task->group, now, PREPAID_NS);
    }
    /* For the group's own limit it sleeps once, until what was charged before is paid; what comes
     * later stands behind. For the host it looks again, as others may still be in its way. */
    do {
        int64_t slept = qri_sleep_until(task, due, bucket, QR_WAIT_SOS_SCHEDULER_YIELD);
        waited += slept;
        now += slept;
        if (bucket != NULL || slept == 0)
            break;
        due = cpu_due(task, now, &bucket);
    } while (
        bucket == NULL && due > now &&
        !(task->ops != NULL && task->ops->cancelled != NULL && task->ops->cancelled(task->ctx)));
    QRI_COUNT(task, cpu_delayed_ns, (uint64_t)waited);
}

/* ---- tasks ---- */

void qr_gov_task_init(struct qr_gov_task *task, struct qr_gov_group *group,
                      const struct qr_gov_task_ops *ops, void *ctx, bool is_admin)
{
    memset(task, 0, sizeof *task);
    task->group = group;
    task->ops = ops;
    task->ctx = ctx;
    task->is_admin = is_admin;
}

void qr_gov_enter(struct qr_gov_task *task)
{
    const struct qr_governor *gov = task->group->gov;
    int64_t now = qri_now(gov);
    if (thread.current != NULL)
        charge(thread.current, now);
    task->outer = thread.current;
    thread.current = task;
    if (!thread.has_base) {
        thread.has_base = true;
        thread.cpu_base_ns = read_cpu(gov);
        thread.read_mono_ns = now;
    }
    task->enter_ns = now;
    task->waited_ns = 0;
    task->request_cpu_ns = atomic_load_explicit(&task->usage.cpu_ns, memory_order_relaxed);
    if (gov->options.enforce && task->holds == 0)
        wait_cpu(task, now, true);
}

/* Counters that nobody but the task's thread changes are handed on now and then. */
static void hand_on(struct qr_gov_task *task)
{
    uint64_t reads = atomic_load_explicit(&task->usage.logical_reads, memory_order_relaxed);
    uint64_t writes = atomic_load_explicit(&task->usage.logical_writes, memory_order_relaxed);
    uint64_t more_reads = reads - task->seen_logical_reads;
    uint64_t more_writes = writes - task->seen_logical_writes;
    task->seen_logical_reads = reads;
    task->seen_logical_writes = writes;
    struct qr_gov_usage *const levels[] = {&task->group->account.usage,
                                           &qri_pool_of(task->group)->account.usage,
                                           &task->group->gov->usage};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (more_reads != 0)
            qri_count(&levels[i]->logical_reads, more_reads);
        if (more_writes != 0)
            qri_count(&levels[i]->logical_writes, more_writes);
    }
}

static void note_request(struct qr_gov_task *task)
{
    _Atomic uint64_t *max = &task->group->account.usage.request_cpu_max_ns;
    uint64_t cpu = atomic_load_explicit(&task->usage.cpu_ns, memory_order_relaxed);
    uint64_t own = cpu - task->request_cpu_ns,
             most = atomic_load_explicit(max, memory_order_relaxed);
    while (own > most && !atomic_compare_exchange_weak_explicit(
                             max, &most, own, memory_order_relaxed, memory_order_relaxed))
        continue;
    QRI_COUNT(task, requests, 1);
}

void qr_gov_count_optimization(void)
{
    struct qr_gov_task *task = thread.current;
    if (task != NULL && task->group != NULL)
        QRI_COUNT(task, optimizations, 1);
}

void qr_gov_count_out_of_memory(void)
{
    struct qr_gov_task *task = thread.current;
    if (task != NULL && task->group != NULL)
        QRI_COUNT(task, out_of_memory, 1);
}

void qr_gov_leave(struct qr_gov_task *task)
{
    assert(thread.current == task);
    int64_t now = qri_now(task->group->gov);
    charge(task, now);
    hand_on(task);
    note_request(task);
    thread.current = task->outer;
    task->outer = NULL;
    if (thread.current != NULL) {
        thread.current->enter_ns = now;
        thread.current->waited_ns = 0;
    }
}

void qr_gov_enter_internal(struct qr_gov_task *task, enum qr_gov_internal kind)
{
    struct qr_governor *gov = qr_governor_process();
    if (gov == NULL) {
        memset(task, 0, sizeof *task);
        return;
    }
    qr_gov_task_init(task, qr_gov_internal_group(gov, kind), NULL, NULL, false);
    qr_gov_enter(task);
}

void qr_gov_leave_internal(struct qr_gov_task *task)
{
    if (task->group != NULL)
        qr_gov_leave(task);
}

void qr_gov_poll(void)
{
    struct qr_gov_task *task = thread.current;
    if (task == NULL)
        return;
    const struct qr_governor *gov = task->group->gov;
    int64_t now = qri_now(gov);
    if (now - task->enter_ns < QRI_SLICE_NS)
        return;
    charge(task, now);
    QRI_COUNT(task, yields, 1);
    if (gov->options.enforce && task->holds == 0)
        wait_cpu(task, now, false);
}

struct qr_gov_task *qr_gov_hold(void)
{
    struct qr_gov_task *task = thread.current;
    if (task != NULL)
        task->holds += 1;
    return task;
}

void qr_gov_unhold(struct qr_gov_task *task)
{
    if (task == NULL)
        return;
    assert(task->holds > 0);
    task->holds -= 1;
}

bool qr_gov_may_wait(void)
{
    return thread.current != NULL && thread.current->holds == 0;
}
