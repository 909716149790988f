/* sysview_governor.c - resource pools and workload groups, now and in the last hour; see
 * sysview_governor_int.h */
#include <stdlib.h>
#include "governor/memory.h"
#include "sysview_governor_int.h"
#include "base/banned.h"

enum { NS_PER_MS = 1000000, HISTORY_ROWS = 128 /* half an hour, as documented */ };

/* ---- whom a session may look at ---- */

struct qr_governor *qri_sys_governor(const struct qr_session *session)
{
    struct qr_gov_group *group = qr_database_group(session->db);
    return group == NULL ? NULL : qr_gov_group_governor(group);
}

static bool may_see(const struct qr_session *session, uint32_t own_id)
{
    const struct qr_database *own = session->db;
    if (own_id == own->info.own_id)
        return true;
    struct qr_instance *instance = own->instance;
    bool found = false;
    if (own->info.database_id != 1)
        return false;
    pthread_mutex_lock(&instance->mu);
    for (const struct qr_database *db = instance->databases; db != NULL && !found; db = db->next)
        found = db->info.own_id == own_id && db->info.server_id == own->info.server_id;
    pthread_mutex_unlock(&instance->mu);
    return found;
}

struct gather {
    struct qr_arena *arena;
    struct qr_gov_seen *list;
    size_t count, capacity;
    bool full;
};

static void keep(void *ctx, const struct qr_gov_seen *seen)
{
    struct gather *g = ctx;
    if (g->full)
        return;
    g->list =
        qr_arena_grow(g->arena, g->list, g->count, &g->capacity, g->count + 1, sizeof *g->list);
    g->full = g->list == NULL;
    if (!g->full)
        g->list[g->count++] = *seen;
}

static bool is_pool_of_any(const struct qr_gov_seen *pool, const struct gather *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        if (groups->list[i].pool_key == pool->pool_key)
            return true;
    return pool->is_internal;
}

enum qr_status qri_sys_governed(struct qri_sysrows *rows, struct qr_session *session,
                                struct qri_governed *ret_governed)
{
    struct qr_governor *gov = qri_sys_governor(session);
    struct gather groups = {.arena = qri_sysrows_arena(rows)}, pools = groups;
    *ret_governed = (struct qri_governed){0};
    if (gov == NULL)
        return QR_OK;
    qr_gov_each_group(gov, keep, &groups);
    qr_gov_each_pool(gov, keep, &pools);
    if (groups.full || pools.full)
        return QR_NOMEM;
    size_t kept = 0;
    for (size_t i = 0; i < groups.count; i++)
        if (groups.list[i].is_internal || may_see(session, groups.list[i].database_id))
            groups.list[kept++] = groups.list[i];
    groups.count = kept;
    kept = 0;
    for (size_t i = 0; i < pools.count; i++)
        if (is_pool_of_any(&pools.list[i], &groups))
            pools.list[kept++] = pools.list[i];
    *ret_governed = (struct qri_governed){groups.list, pools.list, groups.count, kept};
    return QR_OK;
}

const struct qr_gov_seen *qri_sys_own_group(const struct qri_governed *governed,
                                            const struct qr_session *session)
{
    for (size_t i = 0; i < governed->group_count; i++)
        if (!governed->groups[i].is_internal &&
            governed->groups[i].database_id == session->db->info.own_id)
            return &governed->groups[i];
    return NULL;
}

const struct qr_gov_seen *qri_sys_pool_of(const struct qri_governed *governed,
                                          const struct qr_gov_seen *group)
{
    for (size_t i = 0; i < governed->pool_count; i++)
        if (governed->pools[i].pool_key == group->pool_key)
            return &governed->pools[i];
    return NULL;
}

/* ---- now ---- */

static int64_t start_ticks(const struct qr_session *session)
{ /* counters begin with the process */
    return session->db->instance->start_ticks;
}

/* Of both semaphores together. */
static struct qr_gov_semaphore_seen grants_of(const struct qr_session *session,
                                              const struct qr_gov_seen *pool)
{
    struct qr_gov_semaphore_seen seen[QR_GOV_SEMAPHORES], sum = {0};
    qr_gov_semaphores(qri_sys_governor(session), pool->pool_key, seen);
    for (int i = 0; i < QR_GOV_SEMAPHORES; i++) {
        sum.granted_bytes += seen[i].granted_bytes;
        sum.used_bytes += seen[i].used_bytes;
        sum.grantees += seen[i].grantees;
        sum.waiters += seen[i].waiters;
        sum.grants += seen[i].grants;
        sum.timeouts += seen[i].timeouts;
    }
    return sum;
}

/* Pages in memory of the pool's databases, and what its statements hold. */
static uint64_t cached_bytes(const struct qri_governed *g, const struct qr_gov_seen *pool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < g->group_count; i++)
        bytes += g->groups[i].pool_key == pool->pool_key ? g->groups[i].memory_bytes : 0;
    return bytes;
}

static enum qr_status pools(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed g;
    QR_TRY(qri_sys_governed(rows, session, &g));
    for (size_t i = 0; i < g.pool_count; i++) {
        const struct qr_gov_seen *p = &g.pools[i];
        const struct qr_gov_usage *u = p->usage;
        int64_t memory_kb = (int64_t)(p->limits.memory_bytes >> 10);
        struct qr_gov_semaphore_seen s = grants_of(session, p);
        uint64_t cached = cached_bytes(&g, p);
        QR_TRY(qri_sysrow(
            rows, (int)p->pool_id, qr_str(p->name), start_ticks(session),
            (int64_t)(qri_sys_counted(&u->cpu_ns) / NS_PER_MS), (int64_t)(cached >> 10),
            (int64_t)(s.used_bytes >> 10), (int64_t)s.grants, (int64_t)s.timeouts, (int)s.grantees,
            (int64_t)(s.granted_bytes >> 10), (int)s.waiters, memory_kb,
            (int64_t)((cached + s.used_bytes) >> 10), memory_kb,
            (int64_t)qri_sys_counted(&u->out_of_memory), qri_sys_known(p->limits.iops),
            qri_sys_int(qri_sys_counted(&u->reads_queued)), qri_sys_int(qri_sys_counted(&u->reads)),
            qri_sys_int(qri_sys_counted(&u->reads)), qri_sys_int(qri_sys_counted(&u->reads_queued)),
            (int64_t)qri_sys_counted(&u->read_bytes),
            (int64_t)(qri_sys_counted(&u->read_stall_ns) / NS_PER_MS),
            (int64_t)(qri_sys_counted(&u->read_queued_ns) / NS_PER_MS),
            qri_sys_int(qri_sys_counted(&u->writes_queued)),
            qri_sys_int(qri_sys_counted(&u->writes)), qri_sys_int(qri_sys_counted(&u->writes)),
            qri_sys_int(qri_sys_counted(&u->writes_queued)),
            (int64_t)qri_sys_counted(&u->write_bytes),
            (int64_t)(qri_sys_counted(&u->write_stall_ns) / NS_PER_MS),
            (int64_t)(qri_sys_counted(&u->write_queued_ns) / NS_PER_MS),
            (int64_t)((qri_sys_counted(&u->read_queued_ns) + qri_sys_counted(&u->write_queued_ns)) /
                      NS_PER_MS)));
    }
    return QR_OK;
}

/* Lock waits are the types whose names begin so. */
static void sum_locks(const struct qr_waits *waits, int64_t *ret_count, int64_t *ret_ms)
{
    *ret_count = *ret_ms = 0;
    for (int i = 1; i < QR_WAIT_COUNT; i++) {
        if (strncmp(qr_wait_info((enum qr_wait)i)->name, "LCK_", 4) != 0)
            continue;
        *ret_count += (int64_t)qri_sys_counted(&waits->of[i].count);
        *ret_ms += (int64_t)(qri_sys_counted(&waits->of[i].ns) / NS_PER_MS);
    }
}

/* Requests of the group that wait for a lock. */
static int blocked_in(const struct qr_session *session, uint32_t group_id)
{
    struct qr_instance *instance = session->db->instance;
    int count = 0;
    pthread_mutex_lock(&instance->mu);
    for (const struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        const struct qr_gov_task *task = s->login.task;
        if (task == NULL || qr_gov_group_id(task->group) != group_id)
            continue;
        enum qr_wait wait =
            (enum qr_wait)atomic_load_explicit(&task->wait_type, memory_order_relaxed);
        count += strncmp(qr_wait_info(wait)->name, "LCK_", 4) == 0;
    }
    pthread_mutex_unlock(&instance->mu);
    return count;
}

static enum qr_status groups(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed g;
    QR_TRY(qri_sys_governed(rows, session, &g));
    for (size_t i = 0; i < g.group_count; i++) {
        const struct qr_gov_seen *s = &g.groups[i];
        int64_t lock_count = 0, lock_ms = 0;
        sum_locks(s->waits, &lock_count, &lock_ms);
        QR_TRY(qri_sysrow(rows, (int)s->id, qr_str(s->name), (int)s->pool_id, start_ticks(session),
                          (int64_t)qri_sys_counted(&s->usage->requests), (int)s->workers,
                          (int)s->workers_waiting,
                          (int64_t)(qri_sys_counted(&s->usage->cpu_ns) / NS_PER_MS),
                          (int64_t)(qri_sys_counted(&s->usage->request_cpu_max_ns) / NS_PER_MS),
                          blocked_in(session, s->id), lock_count, lock_ms,
                          (int64_t)qri_sys_counted(&s->usage->optimizations),
                          (int64_t)qri_sys_counted(&s->usage->reduced_grants),
                          (int64_t)(qri_sys_counted(&s->usage->grant_max_bytes) >> 10),
                          qri_sys_int(s->limits.workers_max)));
    }
    return QR_OK;
}

/* ---- the last hour ---- */

static double vcores(uint64_t ns, int64_t of_ns, const struct qr_gov_sample *s)
{ /* CPU time in vCores: what a vCore is follows from the limit */
    if (s->cpu_ns_per_s == 0 || of_ns == 0)
        return 0;
    return (double)ns / (double)of_ns * 1e9 / (double)s->cpu_ns_per_s * s->vcores_pct / 100;
}

static enum qr_status pool_samples(struct qri_sysrows *rows, const struct qr_gov_seen *p,
                                   const struct qr_gov_sample *s, int64_t start)
{
    struct qr_value max_vcores = qri_sys_hundredths(s->vcores_pct / 100.0),
                    used = qri_sys_hundredths(vcores(s->cpu_ns, s->ns, s)),
                    cpu = qri_sys_hundredths(s->cpu), io = qri_sys_hundredths(s->data_io),
                    log = qri_sys_hundredths(s->log_write),
                    storage = qri_sys_hundredths(s->storage),
                    allocated = qri_sys_hundredths(s->storage_limit == 0
                                                       ? 0
                                                       : 100.0 * (double)s->allocated_bytes /
                                                             (double)s->storage_limit),
                    instance = qri_sys_hundredths(s->instance_cpu),
                    login = qri_sys_hundredths(s->login_rate),
                    worker = qri_sys_hundredths(s->workers_max),
                    session = qri_sys_hundredths(s->sessions_max), null = qr_value_null();
    const struct qr_value *known_vcores = s->vcores_pct == 0 ? &null : &max_vcores;
    return qri_sysrow(
        rows, (int)p->pool_id, qr_str(p->name), qri_ticks_of_wall(s->end_wall_ns),
        (int)(s->ns / NS_PER_MS), start, (int)s->sessions, (int)s->workers,
        qri_sys_int(s->cpu_ns / NS_PER_MS), (int64_t)(s->storage_bytes >> 10),
        (int64_t)(s->allocated_bytes >> 10), (int64_t)(s->memory_limit >> 10),
        (int64_t)((s->memory_bytes + s->grant_used_bytes) >> 10), (int64_t)(s->memory_bytes >> 10),
        (int64_t)s->grantees, (int64_t)(s->granted_bytes >> 10),
        (int64_t)(s->grant_used_bytes >> 10), (int)s->grant_timeouts, (int)s->grant_waiters,
        qri_sys_int(s->out_of_memory), qri_sys_int(s->reads_queued), qri_sys_int(s->reads),
        qri_sys_int(s->reads), qri_sys_int(s->reads_queued), (int64_t)s->read_bytes,
        qri_sys_int(s->read_stall_ns / NS_PER_MS), qri_sys_int(s->read_queued_ns / NS_PER_MS),
        qri_sys_int(s->writes_queued), qri_sys_int(s->writes), qri_sys_int(s->writes),
        qri_sys_int(s->writes_queued), (int64_t)s->write_bytes,
        qri_sys_int(s->write_stall_ns / NS_PER_MS), qri_sys_int(s->write_queued_ns / NS_PER_MS),
        qri_sys_int((s->read_queued_ns + s->write_queued_ns) / NS_PER_MS), qri_sys_known(s->iops),
        (int64_t)(s->memory_limit >> 10), qri_sys_known_long(s->log_bytes_per_s >> 10),
        qri_sys_known_long(s->storage_limit >> 10), qri_sys_known(s->sessions_limit),
        qri_sys_known(s->workers_limit), known_vcores, known_vcores,
        qri_sys_known((s->vcores_pct + 99) / 100), &instance, known_vcores, (int64_t)s->log_bytes,
        &login, &used, &cpu, &instance, &io, &log, &storage, &allocated, &worker, &session,
        &instance);
}

/* The most that one statement may be granted. */
static int64_t grant_max_kb(const struct qr_gov_sample *s)
{
    uint64_t workspace = s->memory_limit / 100 * QR_GOV_WORKSPACE_PERCENT;
    return qri_sys_known_long(workspace / 100 * QR_GOV_GRANT_PERCENT_MAX >> 10);
}

static enum qr_status group_samples(struct qri_sysrows *rows, const struct qr_gov_seen *g,
                                    const struct qr_gov_seen *pool, const struct qr_gov_sample *s)
{
    return qri_sysrow(rows, (int)g->pool_id, (int)g->id, qr_str(g->name),
                      qri_ticks_of_wall(s->end_wall_ns), (int)(s->ns / NS_PER_MS), (int)s->workers,
                      (int)s->workers, (int)s->sessions, (int64_t)s->requests_total,
                      (int)s->requests, (int64_t)(s->cpu_total_ns / NS_PER_MS),
                      qri_sys_int(s->cpu_ns / NS_PER_MS), qri_sys_int(s->reads_queued),
                      qri_sys_int(s->reads_queued), qri_sys_int(s->reads), qri_sys_int(s->reads),
                      (int64_t)s->read_bytes, qri_sys_int(s->read_stall_ns / NS_PER_MS),
                      qri_sys_int(s->read_queued_ns / NS_PER_MS), qri_sys_int(s->writes_queued),
                      qri_sys_int(s->writes), qri_sys_int(s->writes), (int64_t)s->write_bytes,
                      qri_sys_int(s->write_stall_ns / NS_PER_MS), (int64_t)s->log_bytes,
                      (int64_t)s->optimizations, grant_max_kb(s), qri_sys_known(s->workers_limit),
                      qri_sys_known(s->iops), qri_sys_known(pool == NULL ? 0 : pool->limits.iops),
                      qri_sys_known_long(s->log_bytes_per_s >> 10),
                      qri_sys_known(s->sessions_limit), qri_sys_known(s->workers_limit));
}

static enum qr_status pools_history(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed g;
    struct qr_gov_sample *samples =
        qr_arena_array(qri_sysrows_arena(rows), HISTORY_ROWS, sizeof *samples);
    QR_TRY(qri_sys_governed(rows, session, &g));
    if (samples == NULL)
        return QR_NOMEM;
    for (size_t i = 0; i < g.pool_count; i++) {
        size_t n = qr_gov_pool_samples(qri_sys_governor(session), g.pools[i].pool_key, samples,
                                       HISTORY_ROWS);
        for (size_t k = 0; k < n; k++)
            QR_TRY(pool_samples(rows, &g.pools[i], &samples[k], start_ticks(session)));
    }
    return QR_OK;
}

static enum qr_status groups_history(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed g;
    struct qr_gov_sample *samples =
        qr_arena_array(qri_sysrows_arena(rows), HISTORY_ROWS, sizeof *samples);
    QR_TRY(qri_sys_governed(rows, session, &g));
    if (samples == NULL)
        return QR_NOMEM;
    for (size_t i = 0; i < g.group_count; i++) {
        if (g.groups[i].is_internal) /* they are sampled as a pool */
            continue;
        size_t n = qr_gov_group_samples(qri_sys_governor(session), g.groups[i].database_id, samples,
                                        HISTORY_ROWS);
        for (size_t k = 0; k < n; k++)
            QR_TRY(
                group_samples(rows, &g.groups[i], qri_sys_pool_of(&g, &g.groups[i]), &samples[k]));
    }
    return QR_OK;
}

const struct qri_sysview qri_sysviews_governor[] = {
    {"sys", "dm_resource_governor_resource_pools",
     "pool_id int, name sysname, statistics_start_time datetime, total_cpu_usage_ms bigint, "
     "cache_memory_kb bigint, compile_memory_kb bigint =null, used_memgrant_kb bigint, "
     "total_memgrant_count bigint, total_memgrant_timeout_count bigint, "
     "active_memgrant_count int, active_memgrant_kb bigint, memgrant_waiter_count int, "
     "max_memory_kb bigint, used_memory_kb bigint, target_memory_kb bigint, "
     "out_of_memory_count bigint, min_cpu_percent int =0, max_cpu_percent int =100, "
     "min_memory_percent int =0, max_memory_percent int =100, cap_cpu_percent int =100, "
     "min_iops_per_volume int null =0, max_iops_per_volume int null, "
     "read_io_queued_total int null, read_io_issued_total int null, "
     "read_io_completed_total int, read_io_throttled_total int null, read_bytes_total "
     "bigint, "
     "read_io_stall_total_ms bigint, read_io_stall_queued_ms bigint null, "
     "write_io_queued_total int null, write_io_issued_total int null, "
     "write_io_completed_total int, write_io_throttled_total int, write_bytes_total bigint, "
     "write_io_stall_total_ms bigint, write_io_stall_queued_ms bigint null, "
     "io_issue_violations_total int null =null, io_issue_delay_total_ms bigint null",
     pools, NULL, false},
    {"sys", "dm_resource_governor_workload_groups",
     "group_id int, name sysname, pool_id int, external_pool_id int =2, statistics_start_time "
     "datetime, total_request_count bigint, total_queued_request_count bigint =0, "
     "active_request_count int, queued_request_count int, "
     "total_cpu_limit_violation_count bigint =0, total_cpu_usage_ms bigint, "
     "max_request_cpu_time_ms bigint, blocked_task_count int, total_lock_wait_count "
     "bigint, "
     "total_lock_wait_time_ms bigint, total_query_optimization_count bigint, "
     "total_suboptimal_plan_generation_count bigint =0, total_reduced_memgrant_count bigint, "
     "max_request_grant_memory_kb bigint, active_parallel_thread_count bigint =0, "
     "importance sysname ='Medium', request_max_memory_grant_percent int =25, "
     "request_max_cpu_time_sec int =0, request_memory_grant_timeout_sec int =0, "
     "group_max_requests int, max_dop int =1, effective_max_dop int =1, "
     "total_cpu_usage_preemptive_ms bigint =0, request_max_memory_grant_percent_numeric float =25",
     groups, NULL, false},
    {"sys", "dm_resource_governor_resource_pools_history_ex",
     "pool_id int, name sysname, snapshot_time datetime2 null, duration_ms int null, "
     "statistics_start_time datetime2, active_session_count int null, active_worker_count int "
     "null, "
     "delta_cpu_usage_ms int null, delta_cpu_usage_preemptive_ms int null =0, "
     "used_data_space_kb bigint null, allocated_disk_space_kb bigint null, "
     "target_memory_kb bigint null, used_memory_kb bigint null, cache_memory_kb bigint null, "
     "compile_memory_kb bigint null =null, active_memgrant_count bigint null, "
     "active_memgrant_kb bigint null, used_memgrant_kb bigint null, "
     "delta_memgrant_timeout_count int null, delta_memgrant_waiter_count int null, "
     "delta_out_of_memory_count int null, delta_read_io_queued int null, "
     "delta_read_io_issued int null, delta_read_io_completed int, "
     "delta_read_io_throttled int null, delta_read_bytes bigint, "
     "delta_read_io_stall_ms int null, delta_read_io_stall_queued_ms int null, "
     "delta_write_io_queued int null, delta_write_io_issued int null, "
     "delta_write_io_completed int, delta_write_io_throttled int null, "
     "delta_write_bytes bigint, delta_write_io_stall_ms int null, "
     "delta_write_io_stall_queued_ms int null, delta_io_issue_delay_ms int null, "
     "max_iops_per_volume int null, max_memory_kb bigint, max_log_rate_kb bigint null, "
     "max_data_space_kb bigint null, max_session int null, max_worker int null, "
     "min_cpu_percent int null =0, max_cpu_percent int null =100, cap_cpu_percent int null =100, "
     "min_vcores decimal(5,2) null =0, max_vcores decimal(5,2) null, cap_vcores decimal(5,2) null, "
     "instance_cpu_count int null, instance_cpu_percent decimal(5,2) null, "
     "instance_vcores decimal(5,2) null, delta_log_bytes_used bigint null, "
     "avg_login_rate_percent decimal(5,2) null, delta_vcores_used decimal(5,2) null, "
     "cap_vcores_used_percent decimal(5,2) null, instance_vcores_used_percent decimal(5,2) null, "
     "avg_data_io_percent decimal(5,2) null, avg_log_write_percent decimal(5,2) null, "
     "avg_storage_percent decimal(5,2) null, avg_allocated_storage_percent decimal(5,2) null, "
     "max_worker_percent decimal(5,2) null, max_session_percent decimal(5,2) null, "
     "avg_instance_cpu_percent decimal(5,2) null",
     pools_history, NULL, false},
    {"sys", "dm_resource_governor_workload_groups_history_ex",
     "pool_id int, group_id int, name nvarchar(256), snapshot_time datetime null, "
     "duration_ms int null, active_worker_count int null, active_request_count int null, "
     "active_session_count int null, total_request_count bigint null, delta_request_count int "
     "null, "
     "total_cpu_usage_ms bigint null, delta_cpu_usage_ms int null, "
     "delta_cpu_usage_preemptive_ms int null =0, delta_reads_reduced_memgrant_count int null =0, "
     "reads_throttled int null, delta_reads_queued int null, "
     "delta_reads_issued int null, delta_reads_completed int null, delta_read_bytes bigint null, "
     "delta_read_stall_ms int null, delta_read_stall_queued_ms int null, "
     "delta_writes_queued int null, delta_writes_issued int null, "
     "delta_writes_completed int null, delta_writes_bytes bigint null, "
     "delta_write_stall_ms int null, delta_background_writes int null =null, "
     "delta_background_write_bytes bigint null =null, delta_log_bytes_used bigint null, "
     "delta_log_temp_db_bytes_used bigint null =0, delta_query_optimizations bigint null, "
     "delta_suboptimal_plan_generations bigint null =0, max_memory_grant_kb bigint null, "
     "max_request_cpu_msec bigint null =0, max_concurrent_request int null, "
     "max_io int null, max_global_io int null, max_queued_io int null =null, "
     "max_log_rate_kb bigint null, max_session int null, max_worker int null",
     groups_history, NULL, false},
    {0},
};
