/* sample.c - see governor/sample.h */
#include <stdlib.h>
#include <string.h>
#include "governor_int.h"
#include "base/banned.h"

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct qri_totals totals_of(const struct qr_gov_usage *u)
{
    return (struct qri_totals){
        .cpu_ns = get(&u->cpu_ns),
        .cpu_delayed_ns = get(&u->cpu_delayed_ns),
        .reads = get(&u->reads),
        .read_bytes = get(&u->read_bytes),
        .writes = get(&u->writes),
        .write_bytes = get(&u->write_bytes),
        .io_units = get(&u->io_units),
        .log_bytes = get(&u->log_bytes),
        .requests = get(&u->requests),
        .logins = get(&u->logins),
        .reads_queued = get(&u->reads_queued),
        .writes_queued = get(&u->writes_queued),
        .optimizations = get(&u->optimizations),
        .out_of_memory = get(&u->out_of_memory),
        .read_stall_ns = get(&u->read_stall_ns),
        .read_queued_ns = get(&u->read_queued_ns),
        .write_stall_ns = get(&u->write_stall_ns),
        .write_queued_ns = get(&u->write_queued_ns),
    };
}

static float percent(double used, double limit)
{
    double p = limit <= 0 ? 0 : 100.0 * used / limit;
    return (float)(p > 100 ? 100 : p);
}

static struct qr_gov_sample sample_of(const struct qr_governor *gov, struct qri_account *account,
                                      const struct qri_totals *from, const struct qri_totals *to,
                                      int64_t ns)
{
    const struct qr_gov_limits *l = &account->shown;
    double s = (double)ns / 1e9;
    struct qr_gov_sample row = {
        .end_wall_ns = qr_env_wall_ns(gov->options.env),
        .ns = ns,
        .cpu_ns = to->cpu_ns - from->cpu_ns,
        .cpu_delayed_ns = to->cpu_delayed_ns - from->cpu_delayed_ns,
        .reads = to->reads - from->reads,
        .read_bytes = to->read_bytes - from->read_bytes,
        .writes = to->writes - from->writes,
        .write_bytes = to->write_bytes - from->write_bytes,
        .io_units = to->io_units - from->io_units,
        .log_bytes = to->log_bytes - from->log_bytes,
        .requests = (uint32_t)(to->requests - from->requests),
        .requests_total = to->requests,
        .cpu_total_ns = to->cpu_ns,
        .memory_bytes = get(&account->memory_bytes),
        .storage_bytes = get(&account->storage_bytes),
        .allocated_bytes = get(&account->allocated_bytes),
        .read_stall_ns = to->read_stall_ns - from->read_stall_ns,
        .read_queued_ns = to->read_queued_ns - from->read_queued_ns,
        .write_stall_ns = to->write_stall_ns - from->write_stall_ns,
        .write_queued_ns = to->write_queued_ns - from->write_queued_ns,
        .reads_queued = to->reads_queued - from->reads_queued,
        .writes_queued = to->writes_queued - from->writes_queued,
        .optimizations = to->optimizations - from->optimizations,
        .out_of_memory = to->out_of_memory - from->out_of_memory,
        .vcores_pct = l->vcores_pct,
        .dtus = l->dtus,
        .iops = l->iops,
        .workers_limit = l->workers_max,
        .sessions_limit = l->sessions_max,
        .cpu_ns_per_s = qri_cpu_ns_per_s(gov, l),
        .io_bytes_per_s = l->io_bytes_per_s,
        .log_bytes_per_s = l->log_bytes_per_s,
        .memory_limit = l->memory_bytes,
        .storage_limit = l->data_bytes,
    };
    row.cpu = percent((double)row.cpu_ns, (double)row.cpu_ns_per_s * s);
    row.data_io = percent((double)row.io_units, (double)l->iops * s);
    row.log_write = percent((double)row.log_bytes, (double)l->log_bytes_per_s * s);
    row.memory = percent((double)row.memory_bytes, (double)l->memory_bytes);
    row.storage = percent((double)row.storage_bytes, (double)l->data_bytes);
    row.login_rate = percent((double)(to->logins - from->logins), (double)l->logins_max * s);
    return row;
}

static void keep_row(struct qri_history *h, const struct qr_gov_sample *row)
{
    if (h->rows == NULL) {
        bool nothing = row->cpu_ns == 0 && row->sessions == 0 && row->requests == 0;
        h->rows = nothing ? NULL : malloc(QR_GOV_SAMPLES_MAX * sizeof *h->rows);
        if (h->rows == NULL)
            return; /* nothing to show yet, or no memory to show it from */
    }
    h->rows[(h->first + h->count) % QR_GOV_SAMPLES_MAX] = *row;
    if (h->count < QR_GOV_SAMPLES_MAX)
        h->count += 1;
    else
        h->first = (h->first + 1) % QR_GOV_SAMPLES_MAX;
}

struct instance_use {
    float cpu, memory;
};

static uint32_t more_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* `of` NULL: it is a group's. */
static void tick_account(struct qr_governor *gov, struct qri_account *account,
                         struct qr_gov_pool *of, int64_t now, bool row_due,
                         struct instance_use instance)
{
    struct qri_history *h = &account->history;
    struct qri_totals totals = totals_of(&account->usage);
    uint32_t workers = atomic_load(&account->workers), sessions = atomic_load(&account->sessions);
    if (h->tick_mono_ns == 0) { /* its first: nothing to be a difference of */
        h->tick_mono_ns = h->row_mono_ns = now;
        h->at_tick = h->at_row = (struct qri_totals){0};
        return;
    }
    h->workers_max = more_of(h->workers_max, workers);
    h->sessions_max = more_of(h->sessions_max, sessions);
    int64_t ns = now - h->tick_mono_ns;
    if (ns > 0) {
        h->last_tick = sample_of(gov, account, &h->at_tick, &totals, ns);
        h->last_tick.workers = workers;
        h->last_tick.sessions = sessions;
        h->last_tick.workers_max = percent(workers, account->limits.workers_max);
        h->last_tick.sessions_max = percent(sessions, account->limits.sessions_max);
        h->last_tick.instance_cpu = instance.cpu;
        h->last_tick.instance_memory = instance.memory;
        h->has_tick = true;
    }
    h->at_tick = totals;
    h->tick_mono_ns = now;
    if (!row_due || now == h->row_mono_ns)
        return;
    struct qr_gov_sample row = sample_of(gov, account, &h->at_row, &totals, now - h->row_mono_ns);
    row.workers = h->workers_max;
    row.sessions = h->sessions_max;
    row.workers_max = percent(h->workers_max, account->limits.workers_max);
    row.sessions_max = percent(h->sessions_max, account->limits.sessions_max);
    row.instance_cpu = instance.cpu;
    row.instance_memory = instance.memory;
    if (of != NULL)
        qri_pool_sample_grants(gov, of, &row);
    keep_row(h, &row);
    h->at_row = totals;
    h->row_mono_ns = now;
    h->workers_max = h->sessions_max = 0;
}

/* Of the process: user and internal work together, of what the host gives. */
static struct instance_use use_instance(struct qr_governor *gov, int64_t now, bool row_due)
{
    struct qri_totals totals = totals_of(&gov->usage);
    int64_t ns = now - gov->instance_mono_ns;
    const struct qr_gov_options *o = &gov->options;
    struct instance_use use = {.memory = 0};
    if (o->memory_bytes != NULL) {
        if (row_due || gov->instance_mono_ns == 0)
            gov->instance_memory = percent((double)o->memory_bytes(), (double)o->memory_bytes_max);
        use.memory = gov->instance_memory;
    }
    if (gov->instance_mono_ns != 0 && ns > 0)
        use.cpu = percent((double)(totals.cpu_ns - gov->instance_cpu_ns),
                          (double)gov->options.host_cpu_ns_per_s * (double)ns / 1e9);
    if (row_due || gov->instance_mono_ns == 0) {
        gov->instance_mono_ns = now;
        gov->instance_cpu_ns = totals.cpu_ns;
    }
    return use;
}

/* Serverless: what that second costs beyond the least. */
static void bill(struct qr_gov_group *g, int64_t before_ns)
{
    const struct qr_gov_sample *s = &g->account.history.last_tick;
    double least = g->account.limits.billed_min_milli / 1000.0;
    if (least <= 0 || !g->account.history.has_tick || g->account.history.tick_mono_ns == before_ns)
        return;
    double seconds = (double)s->ns / 1e9;
    double cpu = s->cpu_ns_per_s == 0 ? 0
                                      : (double)s->cpu_ns / seconds / (double)s->cpu_ns_per_s *
                                            s->vcores_pct / 100.0;
    double memory = (double)s->memory_bytes / (QR_GOV_GIB_PER_VCORE * 1073741824.0);
    double used = cpu > memory ? cpu : memory;
    if (used > least)
        atomic_fetch_add(&g->billed_micros, (uint64_t)((used - least) * seconds * 1e6));
}

uint64_t qr_gov_group_take_billed(struct qr_gov_group *group)
{
    return atomic_exchange(&group->billed_micros, 0);
}

static const int64_t KEPT_NS = INT64_C(3600) * 1000000000; /* after it was closed */

static void forget_old(struct qr_governor *gov, int64_t now)
{
    struct qr_gov_group **at = &gov->groups;
    while (*at != NULL) {
        struct qr_gov_group *g = *at;
        bool old = !g->is_internal && !g->is_open &&
                   (g->account.history.rows == NULL || now - g->closed_mono_ns > KEPT_NS);
        if (old) {
            *at = g->next;
            qri_pool_of(g)->refs -= 1;
            qri_history_done(&g->account.history);
            free(g);
        } else {
            at = &g->next;
        }
    }
    struct qr_gov_pool **pool_at = &gov->pools;
    while (*pool_at != NULL) {
        struct qr_gov_pool *p = *pool_at;
        if (p->refs == 0 && p != gov->internal_pool && atomic_load(&p->account.sessions) == 0 &&
            atomic_load(&p->account.workers) == 0 && !qri_pool_has_grants(gov, p)) {
            *pool_at = p->next;
            qri_history_done(&p->account.history);
            free(p);
        } else {
            pool_at = &p->next;
        }
    }
}

/* Of a pool: what its groups have. An elastic pool's storage is told, with what is not open. */
static void sum_pools(struct qr_governor *gov)
{
    for (struct qr_gov_pool *p = gov->pools; p != NULL; p = p->next)
        atomic_store(&p->account.memory_bytes, 0);
    for (const struct qr_gov_group *g = gov->groups; g != NULL; g = g->next)
        if (g->is_open) {
            struct qr_gov_pool *pool = qri_pool_of(g);
            atomic_fetch_add(&pool->account.memory_bytes, get(&g->account.memory_bytes));
            if (pool->elastic[0] != '\0')
                continue;
            atomic_store(&pool->account.storage_bytes, get(&g->account.storage_bytes));
            atomic_store(&pool->account.allocated_bytes, get(&g->account.allocated_bytes));
        }
}

void qr_governor_tick(struct qr_governor *gov)
{
    int64_t now = qri_now(gov);
    pthread_mutex_lock(&gov->mu);
    gov->ticks += 1;
    uint32_t every = gov->options.sample_s > 0 ? gov->options.sample_s : QR_GOV_SAMPLE_S;
    bool row_due = gov->ticks % every == 0;
    struct instance_use instance = use_instance(gov, now, row_due);
    for (struct qr_gov_group *g = gov->groups; g != NULL; g = g->next) {
        int64_t before_ns = g->account.history.tick_mono_ns;
        tick_account(gov, &g->account, NULL, now, row_due, instance);
        bill(g, before_ns);
    }
    if (row_due)
        sum_pools(gov);
    for (struct qr_gov_pool *p = gov->pools; p != NULL; p = p->next)
        tick_account(gov, &p->account, p, now, row_due, instance);
    forget_old(gov, now);
    pthread_mutex_unlock(&gov->mu);
}

void qri_history_done(struct qri_history *history)
{
    free(history->rows);
    history->rows = NULL;
}

/* ---- for views ---- */

static size_t copy_rows(const struct qri_history *h, struct qr_gov_sample *dst, size_t max)
{
    size_t n = h->count < max ? h->count : max;
    for (size_t i = 0; i < n; i++)
        dst[i] = h->rows[(h->first + h->count - 1 - i) % QR_GOV_SAMPLES_MAX];
    return n;
}

static const struct qri_history *group_history(const struct qr_governor *gov, uint32_t database_id)
{
    for (const struct qr_gov_group *g = gov->groups; g != NULL; g = g->next)
        if (!g->is_internal && g->database_id == database_id)
            return &g->account.history;
    return NULL;
}

size_t qr_gov_group_samples(struct qr_governor *gov, uint32_t database_id,
                            struct qr_gov_sample *dst, size_t max)
{
    pthread_mutex_lock(&gov->mu);
    const struct qri_history *h = group_history(gov, database_id);
    size_t n = h == NULL ? 0 : copy_rows(h, dst, max);
    pthread_mutex_unlock(&gov->mu);
    return n;
}

bool qr_gov_group_last(struct qr_governor *gov, uint32_t database_id, struct qr_gov_sample *dst)
{
    pthread_mutex_lock(&gov->mu);
    const struct qri_history *h = group_history(gov, database_id);
    bool found = h != NULL && h->has_tick;
    if (found)
        *dst = h->last_tick;
    pthread_mutex_unlock(&gov->mu);
    return found;
}

size_t qr_gov_pool_samples(struct qr_governor *gov, uint64_t pool_key, struct qr_gov_sample *dst,
                           size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&gov->mu);
    for (const struct qr_gov_pool *p = gov->pools; p != NULL; p = p->next)
        if (p->key == pool_key)
            n = copy_rows(&p->account.history, dst, max);
    pthread_mutex_unlock(&gov->mu);
    return n;
}
