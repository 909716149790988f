/* pay.c - see governor/task.h: debts of I/O and log, and sleeping for them */
#include "governor_int.h"
#include "base/banned.h"

static bool is_cancelled(const struct qr_gov_task *task)
{
    return task->ops != NULL && task->ops->cancelled != NULL && task->ops->cancelled(task->ctx);
}

int64_t qri_sleep_until(struct qr_gov_task *task, int64_t due_ns, const struct qri_bucket *bucket,
                        enum qr_wait type)
{
    struct qr_governor *gov = task->group->gov;
    int64_t start = qri_now(gov), now = start;
    if (due_ns <= now)
        return 0;
    struct qr_wait_mark mark = qr_wait_begin(type);
    if (task->ops != NULL && task->ops->block_begin != NULL)
        task->ops->block_begin(task->ctx);
    while (due_ns > now && !is_cancelled(task)) {
        int64_t left = due_ns - now;
        qr_env_sleep_ns(gov->options.env, left < QRI_SLEEP_NS_MAX ? left : QRI_SLEEP_NS_MAX);
        now = qri_now(gov);
        if (bucket != NULL) { /* its limit may have been raised */
            int64_t due = qri_bucket_due(bucket);
            due_ns = due < due_ns ? due : due_ns;
        }
    }
    if (task->ops != NULL && task->ops->block_end != NULL)
        task->ops->block_end(task->ctx);
    /* who waits for CPU time is ready all the while, others from when they might go on */
    qr_wait_end_signal(mark, type == QR_WAIT_SOS_SCHEDULER_YIELD ? now - start : now - due_ns);
    return now - start;
}

/* ---- I/O ---- */

struct level {
    int64_t due_ns;
    const struct qri_bucket *bucket;
};

static struct level worst_of(struct level worst, struct qri_bucket *bucket, int64_t now,
                             uint64_t units)
{
    int64_t due = qri_bucket_charge(bucket, now, (int64_t)units);
    return due > worst.due_ns ? (struct level){due, bucket} : worst;
}

/* Waits for it, if it must be and may. */
static int64_t wait_for_io(struct qr_gov_task *task, enum qr_gov_io kind, struct level worst,
                           int64_t now)
{
    if (worst.due_ns < now + QRI_TOLERANCE_NS || task->holds > 0)
        return 0;
    int64_t waited = qri_sleep_until(task, worst.due_ns, worst.bucket, QR_WAIT_IO_QUEUE_LIMIT);
    if (kind == QR_GOV_READ) {
        QRI_COUNT(task, reads_queued, 1);
        QRI_COUNT(task, read_queued_ns, (uint64_t)waited);
    } else {
        QRI_COUNT(task, writes_queued, 1);
        QRI_COUNT(task, write_queued_ns, (uint64_t)waited);
    }
    return waited;
}

static void count_io(struct qr_gov_task *task, enum qr_gov_io kind, uint64_t bytes)
{
    if (kind == QR_GOV_READ) {
        QRI_COUNT(task, reads, 1);
        QRI_COUNT(task, read_bytes, bytes);
    } else {
        QRI_COUNT(task, writes, 1);
        QRI_COUNT(task, write_bytes, bytes);
    }
}

int64_t qr_gov_io_temp(enum qr_gov_io kind, uint64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL)
        return 0;
    struct qri_bucket *bucket = &task->group->account.temp_io;
    if (atomic_load_explicit(&bucket->per_s, memory_order_relaxed) == 0)
        return qr_gov_io(kind, bytes);
    uint64_t units = (bytes + QR_GOV_IO_UNIT_BYTES - 1) / QR_GOV_IO_UNIT_BYTES;
    count_io(task, kind, bytes); /* but not its units: the limit of data has no part in it */
    int64_t now = qri_now(task->group->gov);
    struct level level = worst_of((struct level){INT64_MIN, NULL}, bucket, now, units);
    return wait_for_io(task, kind, level, now);
}

int64_t qr_gov_io(enum qr_gov_io kind, uint64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL)
        return 0;
    uint64_t units = bytes == 0 ? 1 : (bytes + QR_GOV_IO_UNIT_BYTES - 1) / QR_GOV_IO_UNIT_BYTES;
    count_io(task, kind, bytes);
    QRI_COUNT(task, io_units, units);
    struct qr_gov_group *group = task->group;
    struct qr_gov_pool *pool = qri_pool_of(group);
    if (!group->gov->options.enforce)
        return 0;
    int64_t now = qri_now(group->gov);
    struct level worst = {INT64_MIN, NULL};
    worst = worst_of(worst, &group->account.io, now, units);
    worst = worst_of(worst, &group->account.io_bytes, now, bytes);
    worst = worst_of(worst, &pool->account.io, now, units);
    worst = worst_of(worst, &pool->account.io_bytes, now, bytes);
    return wait_for_io(task, kind, worst, now);
}

void qr_gov_io_done(enum qr_gov_io kind, int64_t ns)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL || ns <= 0)
        return;
    if (kind == QR_GOV_READ)
        QRI_COUNT(task, read_stall_ns, (uint64_t)ns);
    else
        QRI_COUNT(task, write_stall_ns, (uint64_t)ns);
}

/* ---- log ---- */

void qr_gov_log_written(void)
{
    struct qr_governor *gov = qr_governor_process();
    if (gov != NULL)
        qri_count(&gov->usage.log_writes, 1);
}

enum { GROUP_LOG, POOL_LOG, INSTANCE_LOG, LOG_LEVELS };

static struct qri_bucket *log_bucket(const struct qr_gov_task *task, int level)
{
    struct qr_gov_group *group = task->group;
    return level == GROUP_LOG  ? &group->account.log
           : level == POOL_LOG ? &qri_pool_of(group)->account.log
                               : &group->gov->log;
}

void qr_gov_log_made(uint64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL)
        return;
    QRI_COUNT(task, log_bytes, bytes);
    if (!task->group->gov->options.enforce)
        return;
    int64_t now = qri_now(task->group->gov);
    for (int i = 0; i < LOG_LEVELS; i++)
        task->log_due_ns[i] = qri_bucket_charge(log_bucket(task, i), now, (int64_t)bytes);
}

void qr_gov_pay_log(void)
{
    static const enum qr_wait types[LOG_LEVELS] = {QR_WAIT_LOG_RATE_GOVERNOR,
                                                   QR_WAIT_POOL_LOG_RATE_GOVERNOR,
                                                   QR_WAIT_INSTANCE_LOG_RATE_GOVERNOR};
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL || task->holds > 0)
        return;
    int worst = GROUP_LOG;
    for (int i = POOL_LOG; i < LOG_LEVELS; i++)
        if (task->log_due_ns[i] > task->log_due_ns[worst])
            worst = i;
    int64_t due = task->log_due_ns[worst];
    if (due <= 0 || due - qri_now(task->group->gov) < QRI_TOLERANCE_NS)
        return;
    int64_t waited = qri_sleep_until(task, due, log_bucket(task, worst), types[worst]);
    for (int i = 0; i < LOG_LEVELS; i++)
        task->log_due_ns[i] = 0;
    QRI_COUNT(task, log_delayed_ns, (uint64_t)waited);
}
