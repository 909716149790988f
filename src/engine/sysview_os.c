/* sysview_os.c - the machine and the process that a session runs in; see sysview_governor_int.h. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "sysview_governor_int.h"
#include "sysview_lock_int.h"
#include "base/banned.h"

enum { KIB = 1 << 10, NS_PER_MS = 1000000, NS_PER_TICK = 100 };

static int64_t ms_of(const struct timeval *t)
{
    return (int64_t)t->tv_sec * 1000 + t->tv_usec / 1000;
}

/* Bytes of the process in memory: the second number of statm, in pages. */
static int64_t resident_kb(void)
{
    long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return QRI_SYS_NULL_BIGINT;
    bool is_read = fscanf(f, "%ld %ld", &total, &resident) == 2;
    fclose(f);
    return is_read ? resident * (sysconf(_SC_PAGESIZE) / KIB) : QRI_SYS_NULL_BIGINT;
}

/* Processors, memory and workers are those of the objective, as for sys.dm_os_schedulers; times are
 * the process's. */
static enum qr_status sys_info(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed governed;
    struct rusage usage = {0};
    const struct qr_instance *instance = session->db->instance;
    QR_TRY(qri_sys_governed(rows, session, &governed));
    if (qri_sys_governor(session) == NULL || getrusage(RUSAGE_SELF, &usage) != 0)
        return QR_OK;
    struct qri_hardware hardware = qri_sys_hardware(session, &governed);
    const struct qr_gov_seen *group = qri_sys_own_group(&governed, session);
    int64_t now_ms = qr_env_mono_ns(instance->options.env) / NS_PER_MS;
    int64_t since_start_ms =
        (qri_ticks_of_wall(qr_env_wall_ns(instance->options.env)) - instance->start_ticks) *
        NS_PER_TICK / NS_PER_MS;
    int64_t memory_kb = qri_sys_known_long((uint64_t)hardware.memory_mb * KIB);
    int workers = group == NULL ? QRI_SYS_NULL : qri_sys_known(group->limits.workers_max);
    return qri_sysrow(rows, now_ms, hardware.schedulers, memory_kb, resident_kb(), memory_kb,
                      memory_kb, workers, hardware.schedulers, hardware.schedulers,
                      now_ms - since_start_ms, instance->start_ticks, ms_of(&usage.ru_stime),
                      ms_of(&usage.ru_utime), hardware.schedulers);
}

/* ---- sys.dm_os_schedulers ---- */

/* What the pool's tasks have done, in even parts: no thread belongs to a scheduler. */
struct switches {
    uint64_t all, preemptive, yields;
};

static struct switches switches_of(const struct qr_gov_seen *pool)
{
    struct switches sum = {0};
    for (int i = 1; pool != NULL && i < QR_WAIT_COUNT; i++) {
        uint64_t count = qri_sys_counted(&pool->waits->of[i].count);
        sum.all += count;
        if (strncmp(qr_wait_info((enum qr_wait)i)->name, "PREEMPTIVE_", 11) == 0)
            sum.preemptive += count;
    }
    if (pool != NULL)
        sum.yields = qri_sys_counted(&pool->usage->yields);
    return sum;
}

static int part_of(uint64_t sum, int count, int index)
{
    uint64_t parts = (uint64_t)count;
    return qri_sys_int(sum / parts + ((uint64_t)index < sum % parts));
}

/* What a database's requests (of an elastic pool: all of its) do just now. The processors are those
 * of the objective; a session's requests count for the one that qri_sys_scheduler says. */
struct scheduler {
    int tasks, runnable, workers, running, disk;
};
struct schedulers {
    struct scheduler *of;
    int count;
    int64_t queued; /* for a worker: they are nobody's yet */
};

static bool shares_processors(const struct qr_session *asker, const struct qr_session *s)
{
    const struct qr_database *own = asker->db, *db = s->db;
    struct qr_str pool = qri_info(own)->elastic_pool;
    if (own->info.server_id != db->info.server_id)
        return false;
    return own->info.own_id == db->info.own_id || own->info.database_id == 1 ||
           (pool.n > 0 && qr_str_ieq(pool, qri_info(db)->elastic_pool));
}

static void add_request(struct scheduler *to, const struct qr_gov_task *task)
{
    enum qr_wait wait =
        task == NULL ? QR_WAIT_NONE
                     : (enum qr_wait)atomic_load_explicit(&task->wait_type, memory_order_relaxed);
    to->tasks += 1;
    to->workers += 1;
    to->running += wait == QR_WAIT_NONE;
    to->runnable += wait == QR_WAIT_SOS_SCHEDULER_YIELD;
    to->disk += wait == QR_WAIT_PAGEIOLATCH_SH || wait == QR_WAIT_IO_QUEUE_LIMIT;
}

static void look_at_requests(struct qr_session *session, struct schedulers *all)
{
    struct qr_instance *instance = session->db->instance;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        if (!shares_processors(session, s))
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        if (seen.is_running)
            add_request(&all->of[qri_sys_scheduler(s, all->count)], s->login.task);
    }
    pthread_mutex_unlock(&instance->mu);
}

/* CPU time and waits for it, in even parts: no thread belongs to a scheduler. */
static int64_t part_ms(const _Atomic uint64_t *ns, int count)
{
    return (int64_t)(qri_sys_counted(ns) / NS_PER_MS / (uint64_t)count);
}

static enum qr_status schedulers(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed governed;
    QR_TRY(qri_sys_governed(rows, session, &governed));
    if (qri_sys_governor(session) == NULL)
        return QR_OK;
    struct schedulers all = {.count = qri_sys_hardware(session, &governed).schedulers};
    all.of = qr_arena_array(qri_sysrows_arena(rows), (size_t)all.count, sizeof *all.of);
    if (all.of == NULL)
        return QR_NOMEM;
    memset(all.of, 0, (size_t)all.count * sizeof *all.of);
    look_at_requests(session, &all);
    const struct qr_gov_seen *group = qri_sys_own_group(&governed, session);
    const struct qr_gov_seen *pool = group == NULL ? NULL : qri_sys_pool_of(&governed, group);
    all.queued = pool == NULL ? 0 : pool->workers_waiting;
    struct switches switches = switches_of(pool);
    for (int i = 0; i < all.count; i++) {
        const struct scheduler *s = &all.of[i];
        int64_t queued = all.queued / all.count + (i < all.queued % all.count);
        QR_TRY(qri_sysrow(rows, i, i, (int)(s->running == 0),
                          part_of(switches.preemptive, all.count, i),
                          part_of(switches.all, all.count, i), s->tasks + (int)queued, s->runnable,
                          s->workers, s->workers, queued, s->disk, s->tasks + (int)queued,
                          part_of(switches.yields, all.count, i),
                          pool == NULL ? 0 : part_ms(&pool->usage->cpu_ns, all.count),
                          pool == NULL ? 0 : part_ms(&pool->usage->cpu_delayed_ns, all.count)));
    }
    return QR_OK;
}

/* ---- sys.dm_os_tasks ---- */

static const char *state_of(const struct qr_gov_task *task)
{
    uint32_t wait =
        task == NULL ? QR_WAIT_NONE : atomic_load_explicit(&task->wait_type, memory_order_relaxed);
    return wait == QR_WAIT_NONE                  ? "RUNNING"
           : wait == QR_WAIT_SOS_SCHEDULER_YIELD ? "RUNNABLE"
                                                 : "SUSPENDED";
}

/* Of its session, which has one task at a time. */
static int switches_by(const struct qr_gov_task *task)
{
    uint64_t count = 0;
    for (int i = 1; task != NULL && i < QR_WAIT_COUNT; i++)
        count += qri_sys_counted(&task->waits.of[i].count);
    return task == NULL ? QRI_SYS_NULL : qri_sys_int(count);
}

/* A request is a task, of the schedulers that sys.dm_os_schedulers shows. */
static enum qr_status tasks(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    struct qri_governed governed;
    enum qr_status status = QR_OK;
    QR_TRY(qri_sys_governed(rows, session, &governed));
    if (qri_sys_governor(session) == NULL)
        return QR_OK;
    int count = qri_sys_hardware(session, &governed).schedulers;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next) {
        if (!shares_processors(session, s))
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        if (seen.is_running)
            status =
                qri_sysrow(rows, qri_task_address(rows, s->id), qr_str(state_of(s->login.task)),
                           switches_by(s->login.task), qri_sys_scheduler(s, count), (int)s->id);
    }
    pthread_mutex_unlock(&instance->mu);
    return status;
}

const struct qri_sysview qri_sysviews_os[] = {
    {"sys", "dm_os_tasks",
     "task_address varbinary(8), task_state nvarchar(60) null, context_switches_count int null, "
     "pending_io_count int null =null, pending_io_byte_count bigint null =null, "
     "pending_io_byte_average int null =null, scheduler_id int, session_id smallint null, "
     "exec_context_id int null =0, request_id int null =0, worker_address varbinary(8) null =null, "
     "host_address varbinary(8) null =null, parent_task_address varbinary(8) null =null",
     tasks, NULL, false},
    {"sys", "dm_os_schedulers",
     "scheduler_address varbinary(8) null =null, parent_node_id int =0, scheduler_id int, cpu_id "
     "smallint, status nvarchar(60) ='VISIBLE ONLINE', is_online bit =1, is_idle bit, "
     "preemptive_switches_count int, context_switches_count int, "
     "idle_switches_count int null =null, current_tasks_count int, runnable_tasks_count int, "
     "current_workers_count int, active_workers_count int, work_queue_count bigint, "
     "pending_disk_io_count int, load_factor int, yield_count int, last_timer_activity bigint null "
     "=null, failed_to_create_worker bit null =0, "
     "active_worker_address varbinary(8) null =null, memory_object_address varbinary(8) null "
     "=null, task_memory_object_address varbinary(8) null =null, quantum_length_us bigint null "
     "=2000, total_cpu_usage_ms bigint, total_cpu_idle_capped_ms bigint null =null, "
     "total_scheduler_delay_ms bigint, ideal_workers_limit int null =null",
     schedulers, NULL, false},
    {"sys", "dm_os_sys_info",
     "cpu_ticks bigint null =null, ms_ticks bigint, cpu_count int, hyperthread_ratio int =1, "
     "physical_memory_kb bigint null, virtual_memory_kb bigint null =null, committed_kb bigint "
     "null, committed_target_kb bigint null, visible_target_kb bigint null, stack_size_in_bytes "
     "int null =null, os_quantum bigint null =null, os_error_mode int null =null, "
     "os_priority_class int null =null, max_workers_count int null, scheduler_count int, "
     "scheduler_total_count int, deadlock_monitor_serial_number int null =null, "
     "sqlserver_start_time_ms_ticks bigint, sqlserver_start_time datetime, affinity_type int =2, "
     "affinity_type_desc nvarchar(60) ='AUTO', process_kernel_time_ms bigint, "
     "process_user_time_ms bigint, time_source int null =null, time_source_desc nvarchar(60) null "
     "=null, virtual_machine_type int =0, virtual_machine_type_desc nvarchar(60) ='NONE', "
     "softnuma_configuration int =0, softnuma_configuration_desc nvarchar(60) ='OFF', "
     "process_physical_affinity nvarchar(3072) null =null, sql_memory_model int =1, "
     "sql_memory_model_desc nvarchar(60) ='CONVENTIONAL', socket_count int =1, cores_per_socket "
     "int, numa_node_count int =1",
     sys_info, NULL, false},
    {0},
};
