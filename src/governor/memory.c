/* memory.c - see governor/memory.h
 *
 * All grants, waiting or given, stand in one list in the order of their coming. A walk along it
 * lets in who fits; behind one that does not, nobody else gets what that one waits for. */
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

static uint64_t part_of(uint64_t workspace, enum qr_gov_semaphore kind)
{
    uint64_t small = workspace / 100 * QR_GOV_SMALL_PERCENT;
    return workspace == 0 ? UINT64_MAX : kind == QR_GOV_SMALL ? small : workspace - small;
}

static uint64_t max_of(const struct qr_gov_pool *pool, enum qr_gov_semaphore kind)
{
    return part_of(atomic_load_explicit(&pool->workspace_bytes, memory_order_relaxed), kind);
}

static uint64_t max_here(const struct qr_governor *gov, enum qr_gov_semaphore kind)
{
    return part_of(gov->options.grant_bytes, kind);
}

static uint64_t left_of(const struct qri_semaphore *s, uint64_t max)
{
    return s->granted_bytes >= max ? 0 : max - s->granted_bytes;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What one may have at most, and so what it asks for. */
static void size_request(const struct qr_governor *gov, struct qr_gov_grant *g)
{
    uint64_t max = less(max_of(g->pool, QR_GOV_LARGE), max_here(gov, QR_GOV_LARGE));
    g->requested_bytes =
        less(g->ideal_bytes, max == UINT64_MAX ? max : max / 100 * QR_GOV_GRANT_PERCENT_MAX);
    g->semaphore = g->requested_bytes <= QR_GOV_SMALL_BYTES ? QR_GOV_SMALL : QR_GOV_LARGE;
    max = less(max_of(g->pool, g->semaphore), max_here(gov, g->semaphore));
    g->requested_bytes = less(g->requested_bytes, max);
    g->required_bytes = less(g->required_bytes, g->requested_bytes);
    double seconds = g->cost * QR_GOV_WAIT_PER_COST_S;
    seconds = seconds < TIMEOUT_S_MIN ? TIMEOUT_S_MIN : seconds;
    g->timeout_ns = (int64_t)(seconds > TIMEOUT_S_MAX ? TIMEOUT_S_MAX : seconds) * SECOND_NS;
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

static void grant(struct qr_governor *gov, struct qr_gov_grant *g, uint64_t bytes)
{
    struct qri_semaphore *const levels[] = {&g->pool->semaphores[g->semaphore],
                                            &gov->semaphores[g->semaphore]};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        levels[i]->granted_bytes += bytes;
        levels[i]->grantees += 1;
        levels[i]->grants += 1;
    }
    struct qr_gov_usage *usage = &g->task->group->account.usage;
    if (bytes < g->requested_bytes)
        qri_count(&usage->reduced_grants, 1);
    if (bytes > atomic_load_explicit(&usage->grant_max_bytes, memory_order_relaxed))
        atomic_store_explicit(&usage->grant_max_bytes, bytes, memory_order_relaxed);
    g->granted_bytes = bytes;
    g->grant_mono_ns = qri_now(gov);
}

static bool fits(const struct qr_governor *gov, const struct qr_gov_grant *g, uint64_t bytes)
{
    enum qr_gov_semaphore kind = g->semaphore;
    return left_of(&g->pool->semaphores[kind], max_of(g->pool, kind)) >= bytes &&
           left_of(&gov->semaphores[kind], max_here(gov, kind)) >= bytes;
}

/* Does somebody before it wait for the same? That is not overtaken. */
static bool is_blocked(const struct qr_governor *gov, const struct qr_gov_grant *g)
{
    return gov->walks != 0 && (g->pool->semaphores[g->semaphore].walk == gov->walks ||
                               gov->semaphores[g->semaphore].walk == gov->walks);
}

static void note_lack(struct qr_governor *gov, const struct qr_gov_grant *g)
{
    enum qr_gov_semaphore kind = g->semaphore;
    struct qri_semaphore *of_pool = &g->pool->semaphores[kind];
    if (left_of(of_pool, max_of(g->pool, kind)) < g->requested_bytes)
        of_pool->walk = gov->walks;
    else
        gov->semaphores[kind].walk = gov->walks;
}

static void let_in(struct qr_governor *gov)
{
    gov->walks += 1;
    for (struct qr_gov_grant *g = gov->grants_first; g != NULL; g = g->after) {
        if (g->waiter == NULL || g->granted_bytes != 0 || is_blocked(gov, g))
            continue;
        if (fits(gov, g, g->requested_bytes)) {
            grant(gov, g, g->requested_bytes);
            pthread_cond_signal(&g->waiter->wake);
        } else {
            note_lack(gov, g);
        }
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
    bool goes = fits(gov, g, g->required_bytes);
    struct qri_semaphore *const levels[] = {&g->pool->semaphores[g->semaphore],
                                            &gov->semaphores[g->semaphore]};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        levels[i]->timeouts += 1;
        levels[i]->forced += goes;
    }
    if (!goes)
        return qr_sql_fail(err, 8645, g->pool->account.name, (int)g->pool->account.id);
    grant(gov, g, g->required_bytes);
    return QR_OK;
}

static enum qr_status wait_in_line(struct qr_governor *gov, struct qr_gov_grant *g,
                                   struct qr_err *err)
{
    enum qr_status status = QR_OK;
    int64_t until_ns = g->request_mono_ns + g->timeout_ns;
    while (g->granted_bytes == 0 && status == QR_OK) {
        (void)qr_cond_wait(&g->waiter->wake, &gov->grant_mu, LOOK_NS);
        if (g->granted_bytes != 0)
            break;
        pthread_mutex_unlock(&gov->grant_mu);
        bool cancelled = is_cancelled(g->task);
        pthread_mutex_lock(&gov->grant_mu);
        let_in(gov); /* a limit may have been raised */
        if (g->granted_bytes != 0)
            break;
        if (cancelled)
            status = qr_fail(err, QR_CANCELLED, "the request was cancelled");
        else if (qri_now(gov) >= until_ns)
            status = give_up(gov, g, err);
    }
    return status;
}

static void set_waiter(struct qr_governor *gov, struct qr_gov_grant *g,
                       struct qri_grant_waiter *waiter)
{
    uint32_t more = waiter != NULL ? 1 : UINT32_MAX;
    g->waiter = waiter;
    g->pool->semaphores[g->semaphore].waiters += more;
    gov->semaphores[g->semaphore].waiters += more;
}

static enum qr_status wait_for_grant(struct qr_governor *gov, struct qr_gov_grant *g,
                                     struct qr_err *err)
{
    struct qr_gov_task *task = g->task;
    struct qri_grant_waiter waiter;
    qr_cond_init(&waiter.wake);
    set_waiter(gov, g, &waiter);
    pthread_mutex_unlock(&gov->grant_mu);
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_RESOURCE_SEMAPHORE);
    if (task->ops != NULL && task->ops->block_begin != NULL)
        task->ops->block_begin(task->ctx);
    pthread_mutex_lock(&gov->grant_mu);
    enum qr_status status = wait_in_line(gov, g, err);
    set_waiter(gov, g, NULL);
    if (status != QR_OK) {
        take_out(gov, g);
        let_in(gov); /* somebody behind it may fit */
    }
    pthread_mutex_unlock(&gov->grant_mu);
    if (task->ops != NULL && task->ops->block_end != NULL)
        task->ops->block_end(task->ctx);
    qr_wait_end(mark);
    pthread_cond_destroy(&waiter.wake);
    pthread_mutex_lock(&gov->grant_mu);
    return status;
}

/* Nobody who came before it waits for the same. */
static bool goes_at_once(struct qr_governor *gov, struct qr_gov_grant *g)
{
    if (g->pool->semaphores[g->semaphore].waiters != 0 || !fits(gov, g, g->requested_bytes))
        return false;
    if (gov->semaphores[g->semaphore].waiters != 0)
        let_in(gov); /* finds out whom the process is too small for */
    return !is_blocked(gov, g);
}

/* Who must not wait takes what is left, if nobody else waits for that. */
static void take_left(struct qr_governor *gov, struct qr_gov_grant *g)
{
    enum qr_gov_semaphore kind = g->semaphore;
    const struct qri_semaphore *of_pool = &g->pool->semaphores[kind],
                               *here = &gov->semaphores[kind];
    uint64_t left =
        less(left_of(of_pool, max_of(g->pool, kind)), left_of(here, max_here(gov, kind)));
    if (of_pool->waiters == 0 && left >= g->required_bytes && left > 0)
        grant(gov, g, less(left, g->requested_bytes));
    else
        take_out(gov, g);
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
    if (g->requested_bytes > 0) {
        append(gov, g);
        if (goes_at_once(gov, g))
            grant(gov, g, g->requested_bytes);
        else if (task->holds > 0 || task != qr_gov_current())
            take_left(gov, g);
        else
            status = wait_for_grant(gov, g, err);
    }
    pthread_mutex_unlock(&gov->grant_mu);
    return status;
}

void qr_gov_grant_give(struct qr_gov_grant *g)
{
    if (g->granted_bytes == 0)
        return;
    struct qr_governor *gov = g->task->group->gov;
    pthread_mutex_lock(&gov->grant_mu);
    struct qri_semaphore *const levels[] = {&g->pool->semaphores[g->semaphore],
                                            &gov->semaphores[g->semaphore]};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        assert(levels[i]->granted_bytes >= g->granted_bytes);
        levels[i]->granted_bytes -= g->granted_bytes;
        levels[i]->grantees -= 1;
    }
    take_out(gov, g);
    g->granted_bytes = 0;
    if (gov->semaphores[QR_GOV_LARGE].waiters + gov->semaphores[QR_GOV_SMALL].waiters > 0)
        let_in(gov);
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
    if (now > atomic_load_explicit(&task->memory_max_bytes, memory_order_relaxed))
        atomic_store_explicit(&task->memory_max_bytes, now, memory_order_relaxed);
    bool was_long = before > QR_GOV_HELD_LONG_BYTES, is_long = now > QR_GOV_HELD_LONG_BYTES;
    if (was_long != is_long)
        atomic_store_explicit(&task->memory_since_mono_ns, is_long ? qri_now(task->group->gov) : 0,
                              memory_order_relaxed);
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

void qr_gov_each_grant(struct qr_governor *gov, qr_gov_each_grant_fn *each, void *ctx)
{
    pthread_mutex_lock(&gov->grant_mu);
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
        for (const struct qr_gov_grant *b = g->before; b != NULL; b = b->before)
            seen.wait_order +=
                b->granted_bytes == 0 && b->pool == g->pool && b->semaphore == g->semaphore;
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
        uint64_t max = less(max_of(pool, kind), max_here(gov, kind));
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
