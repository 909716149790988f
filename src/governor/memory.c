/* memory.c - see governor/memory.h
 *
 * All grants, waiting or given, stand in one list in the order of their coming. Those that wait for
 * one pool's semaphore are a line in it: the first that does not fit keeps the rest waiting. */
#include <assert.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "env/thread.h"
#include "governor_int.h"
#include "base/banned.h"

enum { TIMEOUT_S_MIN = 1, TIMEOUT_S_MAX = 86400 };
static const int64_t SECOND_NS = 1000000000, LOOK_NS = 20 * 1000 * 1000;

struct qri_grant_waiter {
    pthread_cond_t wake;
};

/* ---- how much there is ---- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t part_of(uint64_t workspace, enum qr_gov_semaphore kind)
{
    uint64_t small = workspace / 100 * QR_GOV_SMALL_PERCENT;
    return workspace == 0 ? UINT64_MAX : kind == QR_GOV_SMALL ? small : workspace - small;
}

static uint64_t max_here(const struct qr_governor *gov, enum qr_gov_semaphore kind)
{
    return part_of(gov->options.grant_bytes, kind);
}

/* No pool has more than the process. */
static uint64_t max_of(const struct qr_governor *gov, const struct qr_gov_pool *pool,
                       enum qr_gov_semaphore kind)
{
    return less(part_of(atomic_load_explicit(&pool->workspace_bytes, memory_order_relaxed), kind),
                max_here(gov, kind));
}

/* Without enforcement nothing is ever too little. */
static uint64_t left_of(const struct qr_governor *gov, uint64_t granted, uint64_t max)
{
    return !gov->options.enforce ? UINT64_MAX : granted >= max ? 0 : max - granted;
}

static uint64_t left_in_pool(const struct qr_governor *gov, const struct qr_gov_grant *g)
{
    return left_of(gov, g->pool->semaphores[g->semaphore].granted_bytes,
                   max_of(gov, g->pool, g->semaphore));
}

static uint64_t left_here(const struct qr_governor *gov, const struct qr_gov_grant *g)
{
    return left_of(gov, gov->granted_bytes[g->semaphore], max_here(gov, g->semaphore));
}

/* What one request may have at most. */
static uint64_t most_for_one(const struct qr_governor *gov, const struct qr_gov_pool *pool,
                             enum qr_gov_semaphore kind)
{
    uint64_t max = max_of(gov, pool, kind);
    return kind == QR_GOV_SMALL || max == UINT64_MAX ? max : max / 100 * QR_GOV_GRANT_PERCENT_MAX;
}

static void size_request(const struct qr_governor *gov, struct qr_gov_grant *g)
{
    g->requested_bytes = less(g->ideal_bytes, most_for_one(gov, g->pool, QR_GOV_LARGE));
    g->semaphore = g->requested_bytes <= QR_GOV_SMALL_BYTES ? QR_GOV_SMALL : QR_GOV_LARGE;
    g->requested_bytes = less(g->requested_bytes, most_for_one(gov, g->pool, g->semaphore));
    g->required_bytes = less(g->required_bytes, g->requested_bytes);
    double seconds = g->cost * QR_GOV_WAIT_PER_COST_S;
    seconds = seconds < TIMEOUT_S_MIN ? TIMEOUT_S_MIN : seconds;
    g->timeout_ns = (int64_t)(seconds > TIMEOUT_S_MAX ? TIMEOUT_S_MAX : seconds) * SECOND_NS;
}

/* What was asked for may be more than the pool has by now. */
static uint64_t wanted_now(const struct qr_governor *gov, const struct qr_gov_grant *g)
{
    uint64_t bytes = less(g->requested_bytes, most_for_one(gov, g->pool, g->semaphore));
    bytes = bytes < g->required_bytes ? g->required_bytes : bytes;
    return less(bytes, max_of(gov, g->pool, g->semaphore));
}

/* ---- the list; grant_mu held ---- */

static void append(struct qr_governor *gov, struct qr_gov_grant *g)
{
    g->after = NULL;
    g->before = gov->grants_last;
    *(g->before == NULL ? &gov->grants_first : &g->before->after) = g;
    gov->grants_last = g;
}

static void take_out(struct qr_governor *gov, struct qr_gov_grant *g)
{
    *(g->before == NULL ? &gov->grants_first : &g->before->after) = g->after;
    *(g->after == NULL ? &gov->grants_last : &g->after->before) = g->before;
}

/* Of what a task holds, what its grant covers. */
static int64_t covered(int64_t held, int64_t granted)
{
    int64_t bytes = held < granted ? held : granted;
    return bytes < 0 ? 0 : bytes;
}

/* The task's thread is here, or waits for this. */
static void set_granted(struct qr_governor *gov, struct qr_gov_task *task, int64_t bytes)
{
    int64_t held = atomic_load_explicit(&task->memory_bytes, memory_order_relaxed);
    int64_t before = atomic_load_explicit(&task->granted_bytes, memory_order_relaxed);
    atomic_store_explicit(&task->granted_bytes, bytes, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(
        &gov->in_grants_bytes, covered(held, bytes) - covered(held, before), memory_order_relaxed);
}

static void grant(struct qr_governor *gov, struct qr_gov_grant *g, uint64_t bytes)
{
    struct qri_semaphore *of_pool = &g->pool->semaphores[g->semaphore];
    of_pool->granted_bytes += bytes;
    of_pool->grantees += 1;
    of_pool->grants += 1;
    gov->granted_bytes[g->semaphore] += bytes;
    struct qr_gov_usage *usage = &g->task->group->account.usage;
    if (bytes < g->requested_bytes)
        qri_count(&usage->reduced_grants, 1);
    if (bytes > atomic_load_explicit(&usage->grant_max_bytes, memory_order_relaxed))
        atomic_store_explicit(&usage->grant_max_bytes, bytes, memory_order_relaxed);
    g->granted_bytes = bytes;
    set_granted(gov, g->task, (int64_t)bytes);
    g->grant_mono_ns = qri_now(gov);
}

/* It goes on: with so much if the process has it, with what the process has left if that will do,
 * else with nothing. */
static void go_on(struct qr_governor *gov, struct qr_gov_grant *g, uint64_t bytes)
{
    bytes = less(bytes, left_here(gov, g));
    if (bytes > 0 && bytes >= g->required_bytes)
        grant(gov, g, bytes);
    else
        take_out(gov, g);
}

static bool is_in_line(const struct qr_gov_grant *g, const struct qr_gov_pool *pool,
                       enum qr_gov_semaphore kind)
{
    return g->waiter != NULL && g->pool == pool && g->semaphore == kind;
}

static void leave_line(struct qr_gov_grant *g)
{
    g->waiter = NULL;
    g->pool->semaphores[g->semaphore].waiters -= 1;
}

/* Of those that wait for that semaphore, as many from the first as it has memory for. */
static void let_in(struct qr_governor *gov, const struct qr_gov_pool *pool,
                   enum qr_gov_semaphore kind)
{
    struct qr_gov_grant *g = pool->semaphores[kind].waiters == 0 ? NULL : gov->grants_first, *after;
    for (; g != NULL; g = after) {
        after = g->after;
        if (!is_in_line(g, pool, kind))
            continue;
        uint64_t bytes = wanted_now(gov, g);
        if (left_in_pool(gov, g) < bytes)
            return;
        pthread_cond_signal(&g->waiter->wake);
        leave_line(g);
        go_on(gov, g, bytes);
    }
}

/* ---- waiting ---- */

static bool is_cancelled(const struct qr_gov_task *task)
{
    return task->ops != NULL && task->ops->cancelled != NULL && task->ops->cancelled(task->ctx);
}

/* Its time is over: with what it needs at least it begins all the same. */
static enum qr_status give_up(struct qr_governor *gov, struct qr_gov_grant *g, struct qr_err *err)
{
    bool goes = left_in_pool(gov, g) >= g->required_bytes;
    struct qri_semaphore *of_pool = &g->pool->semaphores[g->semaphore];
    of_pool->timeouts += 1;
    of_pool->forced += goes;
    if (!goes)
        return qr_sql_fail(err, 8645, g->pool->account.name, (int)g->pool->account.id);
    leave_line(g);
    go_on(gov, g, g->required_bytes);
    return QR_OK;
}

static bool is_first(const struct qr_gov_grant *g)
{
    const struct qr_gov_grant *b = g->before;
    while (b != NULL && !is_in_line(b, g->pool, g->semaphore))
        b = b->before;
    return b == NULL;
}

/* Until it has left the line. */
static enum qr_status wait_in_line(struct qr_governor *gov, struct qr_gov_grant *g,
                                   struct qr_err *err)
{
    enum qr_status status = QR_OK;
    int64_t until_ns = g->request_mono_ns + g->timeout_ns;
    while (g->waiter != NULL && status == QR_OK) {
        (void)qr_cond_wait(&g->waiter->wake, &gov->grant_mu, LOOK_NS);
        if (g->waiter == NULL)
            break;
        pthread_mutex_unlock(&gov->grant_mu);
        bool cancelled = is_cancelled(g->task);
        pthread_mutex_lock(&gov->grant_mu);
        if (g->waiter != NULL && is_first(g))
            let_in(gov, g->pool, g->semaphore); /* a limit may have been raised */
        if (g->waiter == NULL)
            break;
        if (cancelled)
            status = qr_fail(err, QR_CANCELLED, "the request was cancelled");
        else if (qri_now(gov) >= until_ns)
            status = give_up(gov, g, err);
    }
    return status;
}

static enum qr_status wait_for_grant(struct qr_governor *gov, struct qr_gov_grant *g,
                                     struct qr_err *err)
{
    struct qr_gov_task *task = g->task;
    struct qri_grant_waiter waiter;
    qr_cond_init(&waiter.wake);
    g->waiter = &waiter;
    g->pool->semaphores[g->semaphore].waiters += 1;
    pthread_mutex_unlock(&gov->grant_mu);
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_RESOURCE_SEMAPHORE);
    if (task->ops != NULL && task->ops->block_begin != NULL)
        task->ops->block_begin(task->ctx);
    pthread_mutex_lock(&gov->grant_mu);
    enum qr_status status = wait_in_line(gov, g, err);
    if (status != QR_OK) {
        leave_line(g);
        take_out(gov, g);
        let_in(gov, g->pool, g->semaphore); /* somebody behind it may fit */
    }
    pthread_mutex_unlock(&gov->grant_mu);
    if (task->ops != NULL && task->ops->block_end != NULL)
        task->ops->block_end(task->ctx);
    qr_wait_end(mark);
    pthread_cond_destroy(&waiter.wake);
    pthread_mutex_lock(&gov->grant_mu);
    return status;
}

/* With the pool's memory, where nobody waits for that; in line if it may stand there. */
static enum qr_status take(struct qr_governor *gov, struct qr_gov_grant *g, struct qr_err *err)
{
    bool is_free = g->pool->semaphores[g->semaphore].waiters == 0;
    uint64_t left = is_free ? left_in_pool(gov, g) : 0;
    append(gov, g);
    if (left < g->requested_bytes && g->task->holds == 0 && g->task == qr_gov_current()) {
        assert(g->required_bytes > 0); /* else nothing would be enough for who gives up */
        return wait_for_grant(gov, g, err);
    }
    go_on(gov, g, less(left, g->requested_bytes));
    return QR_OK;
}

enum qr_status qr_gov_grant_take(struct qr_gov_task *task, struct qr_gov_grant *g,
                                 struct qr_err *err)
{
    g->granted_bytes = 0;
    if (task == NULL || task->group == NULL)
        return QR_OK;
    struct qr_governor *gov = task->group->gov;
    enum qr_status status = QR_OK;
    g->task = task;
    g->pool = qri_pool_of(task->group);
    g->waiter = NULL;
    g->request_mono_ns = qri_now(gov);
    g->grant_mono_ns = 0;
    g->memory_before = atomic_load_explicit(&task->memory_bytes, memory_order_relaxed);
    atomic_store_explicit(&task->memory_max_bytes, g->memory_before, memory_order_relaxed);
    pthread_mutex_lock(&gov->grant_mu);
    size_request(gov, g);
    if (g->requested_bytes > 0)
        status = take(gov, g, err);
    pthread_mutex_unlock(&gov->grant_mu);
    return status;
}

void qr_gov_grant_give(struct qr_gov_grant *g)
{
    if (g->granted_bytes == 0)
        return;
    struct qr_governor *gov = g->task->group->gov;
    pthread_mutex_lock(&gov->grant_mu);
    struct qri_semaphore *of_pool = &g->pool->semaphores[g->semaphore];
    assert(of_pool->granted_bytes >= g->granted_bytes);
    of_pool->granted_bytes -= g->granted_bytes;
    of_pool->grantees -= 1;
    gov->granted_bytes[g->semaphore] -= g->granted_bytes;
    take_out(gov, g);
    g->granted_bytes = 0;
    set_granted(gov, g->task, 0);
    let_in(gov, g->pool, g->semaphore);
    pthread_mutex_unlock(&gov->grant_mu);
}

/* ---- what tasks hold ---- */

void qr_gov_memory(int64_t bytes)
{
    struct qr_gov_task *task = qr_gov_current();
    if (task == NULL || task->group == NULL)
        return;
    int64_t before = atomic_load_explicit(&task->memory_bytes, memory_order_relaxed);
    int64_t now = before + bytes;
    atomic_store_explicit(&task->memory_bytes, now, memory_order_relaxed);
    int64_t granted = atomic_load_explicit(&task->granted_bytes, memory_order_relaxed);
    if (granted > 0)
        (void)atomic_fetch_add_explicit(&task->group->gov->in_grants_bytes,
                                        covered(now, granted) - covered(before, granted),
                                        memory_order_relaxed);
    if (now > atomic_load_explicit(&task->memory_max_bytes, memory_order_relaxed))
        atomic_store_explicit(&task->memory_max_bytes, now, memory_order_relaxed);
    bool was_long = before > QR_GOV_HELD_LONG_BYTES, is_long = now > QR_GOV_HELD_LONG_BYTES;
    if (was_long != is_long)
        atomic_store_explicit(&task->memory_since_mono_ns, is_long ? qri_now(task->group->gov) : 0,
                              memory_order_relaxed);
}

uint64_t qr_gov_memory_beyond(uint64_t bytes)
{
    const struct qr_gov_task *task = qr_gov_current();
    if (task == NULL)
        return bytes;
    int64_t beyond = (int64_t)bytes;
    beyond += atomic_load_explicit(&task->memory_bytes, memory_order_relaxed);
    beyond -= atomic_load_explicit(&task->granted_bytes, memory_order_relaxed);
    return beyond < 0 ? 0 : (uint64_t)beyond;
}

uint64_t qr_gov_memory_in_grants(void)
{
    const struct qr_gov_task *task = qr_gov_current();
    if (task == NULL || task->group == NULL)
        return 0;
    return (uint64_t)atomic_load_explicit(&task->group->gov->in_grants_bytes, memory_order_relaxed);
}

int64_t qr_gov_memory_since(const struct qr_gov_task *task)
{
    return atomic_load_explicit(&task->memory_since_mono_ns, memory_order_relaxed);
}

bool qri_pool_has_grants(struct qr_governor *gov, const struct qr_gov_pool *pool)
{
    pthread_mutex_lock(&gov->grant_mu);
    bool has = false;
    for (int i = 0; i < QR_GOV_SEMAPHORES; i++)
        has = has || pool->semaphores[i].grantees != 0 || pool->semaphores[i].waiters != 0;
    pthread_mutex_unlock(&gov->grant_mu);
    return has;
}

/* ---- for views ---- */

static uint64_t used_by(const struct qr_gov_grant *g, const _Atomic int64_t *held)
{
    int64_t bytes = atomic_load_explicit(held, memory_order_relaxed) - g->memory_before;
    return bytes < 0 ? 0 : (uint64_t)bytes;
}

uint64_t qr_gov_grant_used_max(const struct qr_gov_grant *grant)
{
    return grant->granted_bytes == 0 ? 0 : used_by(grant, &grant->task->memory_max_bytes);
}

void qr_gov_each_grant(struct qr_governor *gov, qr_gov_each_grant_fn *each, void *ctx)
{
    pthread_mutex_lock(&gov->grant_mu);
    for (const struct qr_gov_grant *g = gov->grants_first; g != NULL; g = g->after)
        g->pool->semaphores[g->semaphore].numbered = 0;
    for (const struct qr_gov_grant *g = gov->grants_first; g != NULL; g = g->after) {
        struct qr_gov_grant_seen seen = {
            .session_id = g->session_id,
            .pool_id = g->pool->account.id,
            .group_id = g->task->group->account.id,
            .database_id = g->task->group->database_id,
            .text_id = g->text_id,
            .batch_id = g->batch_id,
            .requested_bytes = g->requested_bytes,
            .granted_bytes = g->granted_bytes,
            .required_bytes = g->required_bytes,
            .ideal_bytes = g->ideal_bytes,
            .used_bytes = used_by(g, &g->task->memory_bytes),
            .used_max_bytes = used_by(g, &g->task->memory_max_bytes),
            .cost = g->cost,
            .request_mono_ns = g->request_mono_ns,
            .grant_mono_ns = g->grant_mono_ns,
            .timeout_ns = g->timeout_ns,
            .semaphore = g->semaphore,
        };
        if (g->waiter != NULL)
            seen.wait_order = g->pool->semaphores[g->semaphore].numbered++;
        each(ctx, &seen);
    }
    pthread_mutex_unlock(&gov->grant_mu);
}

void qr_gov_semaphores(struct qr_governor *gov, uint64_t pool_key,
                       struct qr_gov_semaphore_seen ret_seen[QR_GOV_SEMAPHORES])
{
    memset(ret_seen, 0, QR_GOV_SEMAPHORES * sizeof *ret_seen);
    pthread_mutex_lock(&gov->mu);
    const struct qr_gov_pool *pool = gov->pools;
    while (pool != NULL && pool->key != pool_key)
        pool = pool->next;
    pthread_mutex_lock(&gov->grant_mu);
    for (int i = 0; pool != NULL && i < QR_GOV_SEMAPHORES; i++) {
        const struct qri_semaphore *s = &pool->semaphores[i];
        enum qr_gov_semaphore kind = (enum qr_gov_semaphore)i;
        uint64_t max = max_of(gov, pool, kind);
        ret_seen[i] = (struct qr_gov_semaphore_seen){.max_bytes = max == UINT64_MAX ? 0 : max,
                                                     .granted_bytes = s->granted_bytes,
                                                     .grantees = s->grantees,
                                                     .waiters = s->waiters,
                                                     .grants = s->grants,
                                                     .timeouts = s->timeouts,
                                                     .forced = s->forced};
    }
    for (const struct qr_gov_grant *g = gov->grants_first; g != NULL; g = g->after)
        if (g->pool == pool && g->granted_bytes != 0)
            ret_seen[g->semaphore].used_bytes +=
                less(used_by(g, &g->task->memory_bytes), g->granted_bytes);
    pthread_mutex_unlock(&gov->grant_mu);
    pthread_mutex_unlock(&gov->mu);
}

void qri_pool_sample_grants(struct qr_governor *gov, struct qr_gov_pool *pool,
                            struct qr_gov_sample *row)
{
    pthread_mutex_lock(&gov->grant_mu);
    for (int i = 0; i < QR_GOV_SEMAPHORES; i++) {
        struct qri_semaphore *s = &pool->semaphores[i];
        row->granted_bytes += s->granted_bytes;
        row->grantees += s->grantees;
        row->grant_waiters += s->waiters;
        row->grant_timeouts += (uint32_t)(s->timeouts - s->timeouts_sampled);
        s->timeouts_sampled = s->timeouts;
    }
    for (const struct qr_gov_grant *g = gov->grants_first; g != NULL; g = g->after)
        if (g->pool == pool && g->granted_bytes != 0)
            row->grant_used_bytes += less(used_by(g, &g->task->memory_bytes), g->granted_bytes);
    pthread_mutex_unlock(&gov->grant_mu);
}
