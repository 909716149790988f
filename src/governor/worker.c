/* worker.c - see governor/task.h: how many sessions there are, and how many requests run
 *
 * A group, its pool and the process have limits. Who finds no worker waits in one queue, first come
 * first served among those for whom there is room. */
#include <string.h>
#include "base/sqlmsg.h"
#include "env/thread.h"
#include "governor_int.h"
#include "base/banned.h"

static const int64_t QUEUED_NS_MAX = INT64_C(2) * 1000000000; /* then the request is refused */
static const int64_t POLL_NS = 20 * 1000 * 1000;

enum { RESOURCE_REQUEST = 1, RESOURCE_SESSION = 2 };

static bool take_one(_Atomic uint32_t *count, uint32_t max)
{
    uint32_t now = atomic_load_explicit(count, memory_order_relaxed);
    do {
        if (max != 0 && now >= max)
            return false;
    } while (!atomic_compare_exchange_weak(count, &now, now + 1));
    return true;
}

static uint32_t limit_of(const struct qr_gov_task *task, const _Atomic uint32_t *max)
{
    uint32_t limit = atomic_load_explicit(max, memory_order_relaxed);
    return !task->group->gov->options.enforce || limit == 0 ? 0
           : task->is_admin                                 ? limit + QRI_ADMIN_RESERVED
                                                            : limit;
}

/* ---- sessions ---- */

static enum qr_status session_refused(struct qr_gov_task *task, bool of_pool, struct qr_err *err)
{
    const struct qr_gov_pool *pool = qri_pool_of(task->group);
    const struct qri_account *account = of_pool ? &pool->account : &task->group->account;
    int max = (int)atomic_load(&account->sessions_max);
    QRI_COUNT(task, sessions_refused, 1);
    return of_pool && pool->elastic[0] != '\0'
               ? qr_sql_fail(err, 10936, (int)RESOURCE_SESSION, "session", max)
               : qr_sql_fail(err, 10928, (int)RESOURCE_SESSION, "session", max);
}

enum qr_status qr_gov_session_take(struct qr_gov_task *task, struct qr_err *err)
{
    struct qri_account *own = &task->group->account;
    struct qri_account *pool = &qri_pool_of(task->group)->account; /* may be another one later */
    if (!take_one(&own->sessions, limit_of(task, &own->sessions_max)))
        return session_refused(task, false, err);
    if (!take_one(&pool->sessions, limit_of(task, &pool->sessions_max))) {
        atomic_fetch_sub(&own->sessions, 1);
        return session_refused(task, true, err);
    }
    task->has_session = true;
    task->session_pool = qri_pool_of(task->group);
    QRI_COUNT(task, logins, 1);
    return QR_OK;
}

/* ---- workers ---- */

enum lack { NOTHING, OF_GROUP, OF_POOL, OF_PROCESS };

static enum lack try_take(struct qr_gov_task *task)
{
    struct qr_governor *gov = task->group->gov;
    struct qri_account *own = &task->group->account;
    struct qr_gov_pool *pool = qri_pool_of(task->group);
    uint32_t process = gov->options.workers_max;
    process = process == 0 || !gov->options.enforce ? 0
              : task->is_admin                      ? process + QRI_ADMIN_RESERVED
                                                    : process;
    if (!take_one(&own->workers, limit_of(task, &own->workers_max)))
        return OF_GROUP;
    if (!take_one(&pool->account.workers, limit_of(task, &pool->account.workers_max))) {
        atomic_fetch_sub(&own->workers, 1);
        return OF_POOL;
    }
    if (!take_one(&gov->workers, process)) {
        atomic_fetch_sub(&own->workers, 1);
        atomic_fetch_sub(&pool->account.workers, 1);
        return OF_PROCESS;
    }
    task->worker_pool = pool;
    return NOTHING;
}

static void let_in(struct qr_governor *gov) /* worker_mu held */
{
    struct qri_worker_waiter *before = NULL, *w = gov->waiters_first;
    while (w != NULL) {
        struct qri_worker_waiter *next = w->next;
        if (try_take(w->task) == NOTHING) {
            *(before == NULL ? &gov->waiters_first : &before->next) = next;
            if (gov->waiters_last == w)
                gov->waiters_last = before;
            w->granted = true;
            pthread_cond_signal(&w->wake);
        } else {
            before = w;
        }
        w = next;
    }
}

static void unlink_waiter(struct qr_governor *gov, struct qri_worker_waiter *w)
{
    struct qri_worker_waiter *before = NULL, *at = gov->waiters_first;
    while (at != w) {
        before = at;
        at = at->next;
    }
    *(before == NULL ? &gov->waiters_first : &before->next) = w->next;
    if (gov->waiters_last == w)
        gov->waiters_last = before;
}

static enum qr_status refuse(struct qr_gov_task *task, enum lack lack, struct qr_err *err)
{
    const struct qr_gov_pool *pool = qri_pool_of(task->group);
    const struct qri_account *own = &task->group->account;
    int own_max = (int)atomic_load(&own->workers_max), used = (int)atomic_load(&own->workers);
    int pool_max = (int)atomic_load(&pool->account.workers_max);
    QRI_COUNT(task, workers_refused, 1);
    if (lack == OF_PROCESS)
        return qr_sql_fail(err, 10929, (int)RESOURCE_REQUEST, "request", (int)0, own_max, used,
                           "requests", used);
    return lack == OF_POOL && pool->elastic[0] != '\0'
               ? qr_sql_fail(err, 10936, (int)RESOURCE_REQUEST, "request", pool_max)
               : qr_sql_fail(err, 10928, (int)RESOURCE_REQUEST, "request",
                             lack == OF_POOL ? pool_max : own_max);
}

static bool is_cancelled(const struct qr_gov_task *task)
{
    return task->ops != NULL && task->ops->cancelled != NULL && task->ops->cancelled(task->ctx);
}

static enum qr_status wait_for_worker(struct qr_gov_task *task, int64_t until_ns,
                                      struct qr_err *err)
{
    struct qr_governor *gov = task->group->gov;
    struct qri_worker_waiter waiter = {.task = task};
    enum qr_status status = QR_OK;
    enum lack lack = NOTHING;
    qr_cond_init(&waiter.wake);
    pthread_mutex_lock(&gov->worker_mu);
    atomic_fetch_add(&gov->waiters, 1);
    if (gov->waiters_last != NULL)
        gov->waiters_last->next = &waiter;
    else
        gov->waiters_first = &waiter;
    /* cppcheck-suppress autoVariables; taken out before the end */
    gov->waiters_last = &waiter;
    let_in(gov); /* one may have been given back before we stood in the queue */
    while (!waiter.granted && status == QR_OK) {
        (void)qr_cond_wait(&waiter.wake, &gov->worker_mu, POLL_NS);
        if (waiter.granted)
            break;
        pthread_mutex_unlock(&gov->worker_mu);
        bool cancelled = is_cancelled(task);
        pthread_mutex_lock(&gov->worker_mu);
        if (waiter.granted)
            break;
        if (cancelled)
            status = qr_fail(err, QR_CANCELLED, "the request was cancelled");
        else if (qri_now(gov) >= until_ns && (lack = try_take(task)) != NOTHING)
            status = refuse(task, lack, err);
        else if (qri_now(gov) >= until_ns)
            break;
    }
    if (!waiter.granted)
        unlink_waiter(gov, &waiter);
    atomic_fetch_sub(&gov->waiters, 1);
    pthread_mutex_unlock(&gov->worker_mu);
    pthread_cond_destroy(&waiter.wake);
    return status;
}

enum qr_status qr_gov_worker_take(struct qr_gov_task *task, struct qr_err *err)
{
    struct qri_account *own = &task->group->account;
    struct qri_account *pool = &qri_pool_of(task->group)->account;
    /* Who comes does not overtake those that wait for the same. */
    bool queue = atomic_load_explicit(&own->workers_waiting, memory_order_relaxed) != 0;
    if ((queue && !task->is_admin) || try_take(task) != NOTHING) {
        struct qri_gov_thread *thread = qri_gov_thread();
        struct qr_gov_task *outer = thread->current;
        thread->current = task; /* so that the wait is its own */
        struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_THREADPOOL);
        atomic_fetch_add(&own->workers_waiting, 1);
        atomic_fetch_add(&pool->workers_waiting, 1);
        if (task->ops != NULL && task->ops->block_begin != NULL)
            task->ops->block_begin(task->ctx);
        enum qr_status status = wait_for_worker(task, mark.start_ns + QUEUED_NS_MAX, err);
        if (task->ops != NULL && task->ops->block_end != NULL)
            task->ops->block_end(task->ctx);
        atomic_fetch_sub(&own->workers_waiting, 1);
        atomic_fetch_sub(&pool->workers_waiting, 1);
        qr_wait_end(mark);
        thread->current = outer;
        QR_TRY(status);
    }
    task->has_worker = true;
    return QR_OK;
}

void qr_gov_worker_give(struct qr_gov_task *task)
{
    struct qr_governor *gov = task->group->gov;
    if (!task->has_worker)
        return;
    task->has_worker = false;
    atomic_fetch_sub(&gov->workers, 1);
    atomic_fetch_sub(&task->worker_pool->account.workers, 1);
    atomic_fetch_sub(&task->group->account.workers, 1);
    if (atomic_load(&gov->waiters) != 0) {
        pthread_mutex_lock(&gov->worker_mu);
        let_in(gov);
        pthread_mutex_unlock(&gov->worker_mu);
    }
}

void qr_gov_task_done(struct qr_gov_task *task)
{
    if (task->group == NULL)
        return;
    qr_gov_worker_give(task);
    if (task->has_session) {
        task->has_session = false;
        atomic_fetch_sub(&task->group->account.sessions, 1);
        atomic_fetch_sub(&task->session_pool->account.sessions, 1);
    }
}
