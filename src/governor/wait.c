/* wait.c - see governor/wait.h */
#include "governor/wait.h"
#include "governor_int.h"
#include "base/banned.h"

static const struct qr_wait_info infos[QR_WAIT_COUNT] = {
    [QR_WAIT_NONE] = {"", "", false},
#include "governor_waits_table.h"
};

const struct qr_wait_info *qr_wait_info(enum qr_wait type)
{
    return &infos[type];
}

static void add(struct qr_wait_stat *stat, uint64_t ns, uint64_t signal_ns)
{
    qri_count(&stat->count, 1);
    qri_count(&stat->ns, ns);
    if (signal_ns != 0)
        qri_count(&stat->signal_ns, signal_ns);
    uint64_t max = atomic_load_explicit(&stat->max_ns, memory_order_relaxed);
    while (max < ns && !atomic_compare_exchange_weak_explicit(
                           &stat->max_ns, &max, ns, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void count(struct qr_gov_task *task, enum qr_wait type, int64_t ns, int64_t signal_ns)
{
    uint64_t n = ns < 0 ? 0 : (uint64_t)ns, signal = signal_ns < 0 ? 0 : (uint64_t)signal_ns;
    struct qr_gov_group *group = task->group;
    add(&task->waits.of[type], n, signal);
    task->wait_count++;
    add(&group->account.waits.of[type], n, signal);
    add(&qri_pool_of(group)->account.waits.of[type], n, signal);
    add(&group->gov->waits.of[type], n, signal);
    atomic_store_explicit(&task->last_wait_type, type, memory_order_relaxed);
    atomic_store_explicit(&task->last_wait_ns, ns, memory_order_relaxed);
}

struct qr_wait_mark qr_wait_begin(enum qr_wait type)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL)
        return (struct qr_wait_mark){0};
    int64_t now = qri_now(task->group->gov);
    enum qr_wait outer = atomic_load_explicit(&task->wait_type, memory_order_relaxed);
    if (outer == QR_WAIT_NONE)
        atomic_store_explicit(&task->wait_since_mono_ns, now, memory_order_relaxed);
    atomic_store_explicit(&task->wait_type, type, memory_order_relaxed);
    return (struct qr_wait_mark){.start_ns = now, .type = type, .outer = outer};
}

void qr_wait_end_signal(struct qr_wait_mark mark, int64_t signal_ns)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL || mark.type == QR_WAIT_NONE)
        return;
    int64_t ns = qri_now(task->group->gov) - mark.start_ns;
    atomic_store_explicit(&task->wait_type, mark.outer, memory_order_relaxed);
    if (mark.outer == QR_WAIT_NONE)
        task->waited_ns += ns;
    count(task, mark.type, ns, signal_ns > ns ? ns : signal_ns);
}

void qr_wait_end(struct qr_wait_mark mark)
{
    qr_wait_end_signal(mark, 0);
}

void qr_wait_count(enum qr_wait type, int64_t ns, int64_t signal_ns)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task != NULL)
        count(task, type, ns, signal_ns);
}

void qr_wait_count_of(struct qr_gov_task *task, enum qr_wait type, int64_t ns)
{
    count(task, type, ns, 0);
}
