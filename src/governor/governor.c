/* governor.c - see governor/governor.h */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/thread.h"
#include "governor_int.h"
#include "base/banned.h"

static const int64_t TICK_NS = 1000000000;
enum { RESERVE_NS_PER_S = 20 * 1000 * 1000 };
static const int64_t RESERVE_BURST_NS = INT64_C(2) * 1000000000; /* 40 ms of it */
enum { FIRST_USER_ID = 256 }; /* of pools and groups; those below are internal */

static _Atomic(struct qr_governor *) process_governor;

void qr_governor_set_process(struct qr_governor *gov)
{
    atomic_store(&process_governor, gov);
}

struct qr_governor *qr_governor_process(void)
{
    return atomic_load_explicit(&process_governor, memory_order_acquire);
}

static void copy_name(char dst[QR_GOV_NAME_BYTES_MAX + 1], const char *src)
{
    snprintf(dst, QR_GOV_NAME_BYTES_MAX + 1, "%s", src == NULL ? "" : src);
}

/* ---- limits ---- */

uint64_t qri_cpu_ns_per_s(const struct qr_governor *gov, const struct qr_gov_limits *limits)
{
    return (uint64_t)limits->vcores_pct *
           atomic_load_explicit(&gov->vcore_ppm, memory_order_relaxed) * 10; /* 1e9 / 100 / 1e6 */
}

void qri_account_limit(struct qr_governor *gov, struct qri_account *account)
{
    const struct qr_gov_limits *l = &account->limits;
    int64_t now = qri_now(gov);
    bool on = gov->options.enforce;
    qri_bucket_set(&account->cpu, now, on ? qri_cpu_ns_per_s(gov, l) : 0);
    qri_bucket_set(&account->io, now, on ? l->iops : 0);
    qri_bucket_set(&account->temp_io, now, on ? l->temp_iops : 0);
    qri_bucket_set(&account->io_bytes, now, on ? l->io_bytes_per_s : 0);
    qri_bucket_set(&account->log, now, on ? l->log_bytes_per_s : 0);
    atomic_store(&account->workers_max, l->workers_max);
    atomic_store(&account->sessions_max, l->sessions_max);
}

static void limit_group(struct qr_governor *gov, struct qr_gov_group *group)
{
    struct qr_gov_limits least = {.vcores_pct = group->account.limits.vcores_min_pct};
    qri_account_limit(gov, &group->account);
    qri_bucket_set(&group->floor, qri_now(gov),
                   gov->options.enforce ? qri_cpu_ns_per_s(gov, &least) : 0);
}

/* Without what lies between the fields. */
static bool are_same(const struct qr_gov_limits *a, const struct qr_gov_limits *b)
{
    size_t first = offsetof(struct qr_gov_limits, temp_iops) + sizeof a->temp_iops;
    size_t second = offsetof(struct qr_gov_limits, io_bytes_per_s);
    return memcmp(a, b, first) == 0 &&
           memcmp((const char *)a + second, (const char *)b + second, sizeof *a - second) == 0;
}

static void init_account(struct qri_account *account, const char *name, uint32_t id)
{
    copy_name(account->name, name);
    account->id = id;
    account->cpu.burst_ns = QRI_CPU_BURST_NS;
    account->io.burst_ns = account->io_bytes.burst_ns = QRI_IO_BURST_NS;
    account->temp_io.burst_ns = account->log.burst_ns = QRI_IO_BURST_NS;
}

/* ---- pools and groups; mu held ---- */

static struct qr_gov_pool *make_pool(struct qr_governor *gov, uint64_t key, const char *name,
                                     const char *elastic, uint32_t id)
{
    struct qr_gov_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    init_account(&pool->account, name, id);
    pool->key = key;
    copy_name(pool->elastic, elastic);
    struct qr_gov_pool **at = &gov->pools;
    while (*at != NULL)
        at = &(*at)->next;
    *at = pool;
    return pool;
}

/* What limits the one group of a pool limits the pool. */
static void show_pool_limits(struct qr_gov_pool *pool, const struct qr_gov_limits *of_group)
{
    struct qr_gov_limits *shown = &pool->account.shown;
    *shown = pool->account.limits;
    if (pool->elastic[0] != '\0')
        return;
    shown->iops = shown->iops == 0 ? of_group->iops : shown->iops;
    if (shown->io_bytes_per_s == 0)
        shown->io_bytes_per_s = of_group->io_bytes_per_s;
    if (shown->log_bytes_per_s == 0)
        shown->log_bytes_per_s = of_group->log_bytes_per_s;
    shown->data_bytes = shown->data_bytes == 0 ? of_group->data_bytes : shown->data_bytes;
}

static struct qr_gov_pool *need_pool(struct qr_governor *gov,
                                     const struct qr_gov_group_options *options)
{
    struct qr_gov_pool *pool = gov->pools;
    while (pool != NULL && pool->key != options->pool_key)
        pool = pool->next;
    if (pool == NULL)
        pool =
            make_pool(gov, options->pool_key, "SloSharedPool1", options->pool, gov->next_pool_id++);
    if (pool == NULL)
        return NULL;
    pool->account.limits = options->pool_limits;
    atomic_store(&pool->workspace_bytes,
                 options->pool_limits.memory_bytes / 100 * QR_GOV_WORKSPACE_PERCENT);
    qri_account_limit(gov, &pool->account);
    show_pool_limits(pool, &options->limits);
    return pool;
}

static void add_group(struct qr_governor *gov, struct qr_gov_group *group)
{
    struct qr_gov_group **at = &gov->groups;
    while (*at != NULL)
        at = &(*at)->next;
    *at = group;
}

static struct qr_gov_group *make_group(struct qr_governor *gov, const char *name, uint32_t id)
{
    struct qr_gov_group *group = calloc(1, sizeof *group);
    if (group == NULL)
        return NULL;
    init_account(&group->account, name, id);
    group->gov = gov;
    group->share.burst_ns = group->floor.burst_ns = QRI_CPU_BURST_NS;
    group->reserve.burst_ns = RESERVE_BURST_NS;
    atomic_store(&group->reserve.per_s, RESERVE_NS_PER_S);
    atomic_store(&group->weight, 100);
    return group;
}

static enum qr_status set_group(struct qr_gov_group *group,
                                const struct qr_gov_group_options *options, struct qr_err *err)
{
    struct qr_governor *gov = group->gov;
    struct qr_gov_pool *pool = need_pool(gov, options), *before = qri_pool_of(group);
    if (pool == NULL)
        return qr_fail(err, QR_NOMEM, "make a resource pool");
    if (pool != before) {
        pool->refs += 1;
        atomic_store(&group->pool, pool);
        if (before != NULL)
            before->refs -= 1;
    }
    copy_name(group->database, options->database);
    copy_name(group->objective, options->objective);
    if (!are_same(&group->account.limits, &options->limits))
        group->account.limited_wall_ns = qr_env_wall_ns(gov->options.env);
    group->account.limits = group->account.shown = options->limits;
    atomic_store(&group->weight,
                 options->limits.vcores_pct == 0 ? 100 : options->limits.vcores_pct);
    limit_group(gov, group);
    return QR_OK;
}

enum qr_status qr_gov_group_open(struct qr_governor *gov,
                                 const struct qr_gov_group_options *options,
                                 struct qr_gov_group **ret_group, struct qr_err *err)
{
    char name[QR_GOV_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "UserPrimaryGroup.DBId[%u]", options->shown_id);
    assert(options->pool_key != 0);
    pthread_mutex_lock(&gov->mu);
    struct qr_gov_group *group = gov->groups;
    while (group != NULL && (group->is_internal || group->database_id != options->database_id))
        group = group->next;
    bool is_new = group == NULL;
    if (is_new)
        group = make_group(gov, name, gov->next_group_id);
    enum qr_status status = group == NULL ? qr_fail(err, QR_NOMEM, "make a workload group")
                                          : set_group(group, options, err);
    if (status == QR_OK && is_new) {
        group->database_id = options->database_id;
        gov->next_group_id += 1;
        add_group(gov, group);
    } else if (is_new) {
        free(group);
    }
    if (status == QR_OK) {
        assert(!group->is_open);
        group->is_open = true;
        *ret_group = group;
    }
    pthread_mutex_unlock(&gov->mu);
    return status;
}

void qr_gov_group_close(struct qr_gov_group *group)
{
    if (group == NULL)
        return;
    pthread_mutex_lock(&group->gov->mu);
    assert(group->is_open && atomic_load(&group->account.sessions) == 0);
    group->is_open = false;
    group->closed_mono_ns = qri_now(group->gov);
    pthread_mutex_unlock(&group->gov->mu);
}

enum qr_status qr_gov_group_update(struct qr_gov_group *group,
                                   const struct qr_gov_group_options *options, struct qr_err *err)
{
    pthread_mutex_lock(&group->gov->mu);
    enum qr_status status = set_group(group, options, err);
    pthread_mutex_unlock(&group->gov->mu);
    return status;
}

uint32_t qr_gov_group_id(const struct qr_gov_group *group)
{
    return group->account.id;
}

struct qr_governor *qr_gov_group_governor(const struct qr_gov_group *group)
{
    return group->gov;
}

struct qr_gov_limits qr_gov_group_limits(const struct qr_gov_group *group)
{
    pthread_mutex_lock(&group->gov->mu);
    struct qr_gov_limits limits = group->account.limits;
    pthread_mutex_unlock(&group->gov->mu);
    return limits;
}

const struct qr_gov_usage *qr_gov_group_usage(const struct qr_gov_group *group)
{
    return &group->account.usage;
}

const struct qr_waits *qr_gov_group_waits(const struct qr_gov_group *group)
{
    return &group->account.waits;
}

void qr_gov_group_set_memory(struct qr_gov_group *group, uint64_t bytes)
{
    atomic_store_explicit(&group->account.memory_bytes, bytes, memory_order_relaxed);
}

void qr_gov_group_set_storage(struct qr_gov_group *group, uint64_t bytes, uint64_t allocated_bytes)
{
    atomic_store_explicit(&group->account.allocated_bytes, allocated_bytes, memory_order_relaxed);
    atomic_store_explicit(&group->account.storage_bytes, bytes, memory_order_relaxed);
}

void qr_gov_group_set_pool_storage(struct qr_gov_group *group, uint64_t bytes,
                                   uint64_t allocated_bytes)
{
    struct qri_account *pool = &qri_pool_of(group)->account;
    atomic_store_explicit(&pool->storage_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&pool->allocated_bytes, allocated_bytes, memory_order_relaxed);
}

/* ---- the governor ---- */

static bool make_internals(struct qr_governor *gov)
{
    static const char *const names[QR_GOV_INTERNALS] = {
        [QR_GOV_CHECKPOINT] = "CheckpointGroup", [QR_GOV_CLEANING] = "PVSCleanerGroup",
        [QR_GOV_BACKUP] = "BackupGroup",         [QR_GOV_SEEDING] = "SeedingGroup",
        [QR_GOV_SYSTEM] = "SystemGroup",
    };
    gov->internal_pool = make_pool(gov, 0, "internal", "", 1);
    if (gov->internal_pool == NULL)
        return false;
    for (size_t i = 0; i < QR_GOV_INTERNALS; i++) {
        struct qr_gov_group *group = make_group(gov, names[i], (uint32_t)(i + 1));
        if (group == NULL)
            return false;
        group->is_internal = group->is_open = true;
        atomic_store(&group->pool, gov->internal_pool);
        gov->internals[i] = group;
        add_group(gov, group);
    }
    return true;
}

enum qr_status qr_governor_new(const struct qr_gov_options *options, struct qr_governor **ret_gov,
                               struct qr_err *err)
{
    struct qr_governor *gov = calloc(1, sizeof *gov);
    if (gov == NULL)
        return qr_fail(err, QR_NOMEM, "make the governor");
    gov->options = *options;
    pthread_mutex_init(&gov->mu, NULL);
    pthread_mutex_init(&gov->worker_mu, NULL);
    pthread_mutex_init(&gov->grant_mu, NULL);
    qr_cond_init(&gov->tick_end);
    gov->next_group_id = gov->next_pool_id = FIRST_USER_ID;
    gov->host_cpu.burst_ns = QRI_CPU_BURST_NS;
    gov->log.burst_ns = QRI_IO_BURST_NS;
    if (options->enforce) {
        qri_bucket_set(&gov->host_cpu, qri_now(gov), options->host_cpu_ns_per_s);
        qri_bucket_set(&gov->log, qri_now(gov), options->log_bytes_per_s);
    }
    if (!make_internals(gov)) {
        qr_governor_free(gov);
        return qr_fail(err, QR_NOMEM, "make the governor");
    }
    *ret_gov = gov;
    return QR_OK;
}

void qr_governor_free(struct qr_governor *gov)
{
    if (gov == NULL)
        return;
    assert(!gov->ticking);
    if (qr_governor_process() == gov)
        qr_governor_set_process(NULL);
    while (gov->groups != NULL) {
        struct qr_gov_group *group = gov->groups;
        gov->groups = group->next;
        qri_history_done(&group->account.history);
        free(group);
    }
    while (gov->pools != NULL) {
        struct qr_gov_pool *pool = gov->pools;
        gov->pools = pool->next;
        qri_history_done(&pool->account.history);
        free(pool);
    }
    pthread_cond_destroy(&gov->tick_end);
    pthread_mutex_destroy(&gov->grant_mu);
    pthread_mutex_destroy(&gov->worker_mu);
    pthread_mutex_destroy(&gov->mu);
    free(gov);
}

static void *run_ticker(void *arg)
{
    struct qr_governor *gov = arg;
    int64_t next = qri_now(gov) + TICK_NS;
    pthread_mutex_lock(&gov->mu);
    while (!gov->stopping) {
        int64_t left = next - qri_now(gov);
        if (left > 0) {
            (void)qr_cond_wait(&gov->tick_end, &gov->mu, left);
            continue;
        }
        next += TICK_NS;
        pthread_mutex_unlock(&gov->mu);
        qr_governor_tick(gov);
        pthread_mutex_lock(&gov->mu);
    }
    pthread_mutex_unlock(&gov->mu);
    return NULL;
}

enum qr_status qr_governor_start(struct qr_governor *gov, struct qr_err *err)
{
    gov->stopping = false;
    QR_TRY(qr_thread_start("governor", 0, run_ticker, gov, &gov->ticker, err));
    gov->ticking = true;
    return QR_OK;
}

void qr_governor_stop(struct qr_governor *gov)
{
    if (gov == NULL || !gov->ticking)
        return;
    pthread_mutex_lock(&gov->mu);
    gov->stopping = true;
    pthread_cond_broadcast(&gov->tick_end);
    pthread_mutex_unlock(&gov->mu);
    pthread_join(gov->ticker, NULL);
    gov->ticking = false;
}

bool qr_governor_enforces(const struct qr_governor *gov)
{
    return gov->options.enforce;
}

void qr_governor_set_vcore(struct qr_governor *gov, uint32_t vcore_ppm)
{
    pthread_mutex_lock(&gov->mu);
    if (atomic_exchange(&gov->vcore_ppm, vcore_ppm) != vcore_ppm) {
        for (struct qr_gov_group *g = gov->groups; g != NULL; g = g->next)
            limit_group(gov, g);
        for (struct qr_gov_pool *p = gov->pools; p != NULL; p = p->next)
            qri_account_limit(gov, &p->account);
    }
    pthread_mutex_unlock(&gov->mu);
}

uint32_t qr_governor_vcore(const struct qr_governor *gov)
{
    return atomic_load(&gov->vcore_ppm);
}

struct qr_gov_group *qr_gov_internal_group(struct qr_governor *gov, enum qr_gov_internal kind)
{
    return gov->internals[kind];
}

/* ---- for views ---- */

static struct qr_gov_seen see_account(const struct qr_governor *gov,
                                      const struct qri_account *account)
{
    struct qr_gov_seen seen = {
        .id = account->id,
        .limits = account->shown,
        .cpu_ns_per_s = qri_cpu_ns_per_s(gov, &account->limits),
        .limited_wall_ns = account->limited_wall_ns,
        .workers = atomic_load(&account->workers),
        .workers_waiting = atomic_load(&account->workers_waiting),
        .sessions = atomic_load(&account->sessions),
        .memory_bytes = atomic_load(&account->memory_bytes),
        .usage = &account->usage,
        .waits = &account->waits,
    };
    copy_name(seen.name, account->name);
    return seen;
}

static struct qr_gov_seen see_group(const struct qr_gov_group *group)
{
    const struct qr_gov_pool *pool = qri_pool_of(group);
    struct qr_gov_seen seen = see_account(group->gov, &group->account);
    copy_name(seen.database, group->database);
    copy_name(seen.objective, group->objective);
    copy_name(seen.pool_name, pool->account.name);
    copy_name(seen.elastic_pool, pool->elastic);
    seen.pool_id = pool->account.id;
    seen.pool_key = pool->key;
    seen.database_id = group->database_id;
    seen.is_internal = group->is_internal;
    seen.is_open = group->is_open;
    return seen;
}

void qr_gov_each_group(struct qr_governor *gov, qr_gov_each_fn *each, void *ctx)
{
    pthread_mutex_lock(&gov->mu);
    for (const struct qr_gov_group *g = gov->groups; g != NULL; g = g->next) {
        struct qr_gov_seen seen = see_group(g);
        each(ctx, &seen);
    }
    pthread_mutex_unlock(&gov->mu);
}

bool qr_gov_find_group(struct qr_governor *gov, uint32_t database_id, qr_gov_each_fn *each,
                       void *ctx)
{
    pthread_mutex_lock(&gov->mu);
    const struct qr_gov_group *g = gov->groups;
    while (g != NULL && (g->is_internal || g->database_id != database_id))
        g = g->next;
    if (g != NULL) {
        struct qr_gov_seen seen = see_group(g);
        each(ctx, &seen);
    }
    pthread_mutex_unlock(&gov->mu);
    return g != NULL;
}

void qr_gov_each_pool(struct qr_governor *gov, qr_gov_each_fn *each, void *ctx)
{
    pthread_mutex_lock(&gov->mu);
    for (const struct qr_gov_pool *p = gov->pools; p != NULL; p = p->next) {
        struct qr_gov_seen seen = see_account(gov, &p->account);
        copy_name(seen.elastic_pool, p->elastic);
        seen.pool_id = p->account.id;
        seen.pool_key = p->key;
        seen.is_internal = p == gov->internal_pool;
        seen.is_open = p->refs != 0 || seen.is_internal;
        each(ctx, &seen);
    }
    pthread_mutex_unlock(&gov->mu);
}

const struct qr_gov_usage *qr_governor_usage(const struct qr_governor *gov)
{
    return &gov->usage;
}

const struct qr_waits *qr_governor_waits(const struct qr_governor *gov)
{
    return &gov->waits;
}

const struct qr_gov_options *qr_governor_options(const struct qr_governor *gov)
{
    return &gov->options;
}
