/* sysview_resource.c - what databases and pools used, in percent of what they may, and what that
 * is; see sysview_governor_int.h */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "sysview_governor_int.h"
#include "base/banned.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static enum qr_status own_role(void *ctx, const struct qr_replica_info *info)
{
    if (info->is_local)
        *(int *)ctx = info->role;
    return QR_OK;
}

int qri_sys_replica_role(struct qr_session *session)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    int role = QR_REPLICA_PRIMARY;
    (void)host->each_replica(host->ctx, session->db->info.own_id, session->db->store, own_role,
                             &role);
    return role;
}

/* ---- sys.dm_db_resource_stats ---- */

static double mib(uint64_t bytes)
{
    return (double)bytes / MIB;
}

static enum qr_status stats_row(struct qri_sysrows *rows, const struct qr_gov_sample *s,
                                const struct qri_hardware *hardware, int role)
{
    bool is_dtu = hardware->dtus > 0;
    struct qr_value null = qr_value_null(), cpu = qri_sys_hundredths(s->cpu),
                    io = qri_sys_hundredths(s->data_io), log = qri_sys_hundredths(s->log_write),
                    memory = qri_sys_hundredths(s->memory), zero = qr_value_int(0),
                    worker = qri_sys_hundredths(s->workers_max),
                    session = qri_sys_hundredths(s->sessions_max),
                    limit = qri_sys_hundredths(s->vcores_pct / 100.0),
                    instance_cpu = qri_sys_hundredths(s->instance_cpu),
                    instance_memory = qri_sys_hundredths(s->instance_memory),
                    storage = qri_sys_hundredths(mib(s->storage_bytes)),
                    allocated = qri_sys_hundredths(mib(s->allocated_bytes));
    return qri_sysrow(rows, qri_ticks_of_wall(s->end_wall_ns), &cpu, &io, &log, &memory, &zero,
                      &worker, &session, is_dtu ? hardware->dtus : QRI_SYS_NULL,
                      is_dtu || s->vcores_pct == 0 ? &null : &limit, &instance_cpu,
                      &instance_memory, &null, role, &storage,
                      s->allocated_bytes == 0 ? &null : &allocated);
}

static enum qr_status db_resource_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed governed;
    struct qr_gov_sample *samples =
        qr_arena_array(qri_sysrows_arena(rows), QR_GOV_SAMPLES_MAX, sizeof *samples);
    QR_TRY(qri_sys_governed(rows, session, &governed));
    if (samples == NULL)
        return QR_NOMEM;
    const struct qr_gov_seen *group = qri_sys_own_group(&governed, session);
    if (group == NULL)
        return QR_OK;
    struct qri_hardware hardware = qri_sys_hardware(session, &governed);
    size_t n = qr_gov_group_samples(qri_sys_governor(session), session->db->info.own_id, samples,
                                    QR_GOV_SAMPLES_MAX);
    int role = qri_sys_replica_role(session);
    /* as documented, a scale empties it: percents of other limits say nothing */
    for (size_t i = 0; i < n && samples[i].vcores_pct == group->limits.vcores_pct &&
                       samples[i].dtus == group->limits.dtus;
         i++)
        QR_TRY(stats_row(rows, &samples[i], &hardware, role));
    return QR_OK;
}

/* ---- sys.dm_elastic_pool_resource_stats ---- */

static enum qr_status pool_row(struct qri_sysrows *rows, const struct qr_gov_sample *s)
{
    float most = s->cpu > s->data_io ? s->cpu : s->data_io;
    most = s->log_write > most ? s->log_write : most;
    struct qr_value null = qr_value_null(), cpu = qri_sys_hundredths(s->cpu),
                    io = qri_sys_hundredths(s->data_io), log = qri_sys_hundredths(s->log_write),
                    worker = qri_sys_hundredths(s->workers_max),
                    session = qri_sys_hundredths(s->sessions_max),
                    instance_cpu = qri_sys_hundredths(s->instance_cpu),
                    instance_memory = qri_sys_hundredths(s->instance_memory),
                    edtu = qri_sys_hundredths(most), storage = qri_sys_hundredths(s->storage),
                    limit = qri_sys_hundredths(s->vcores_pct / 100.0),
                    allocated = qri_sys_hundredths(s->storage_limit == 0
                                                       ? 0
                                                       : 100.0 * (double)s->allocated_bytes /
                                                             (double)s->storage_limit);
    return qri_sysrow(rows, qri_ticks_of_wall(s->end_wall_ns), &cpu, &io, &log, &null, &worker,
                      &session, &instance_memory, &instance_cpu, &edtu,
                      s->vcores_pct == 0 ? &null : &limit, (int64_t)(s->storage_bytes / MIB),
                      (int64_t)(s->allocated_bytes / MIB),
                      qri_sys_known_long(s->storage_limit / MIB), &storage,
                      s->storage_limit == 0 ? &null : &allocated);
}

static enum qr_status pool_resource_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed governed;
    struct qr_gov_sample *samples =
        qr_arena_array(qri_sysrows_arena(rows), QR_GOV_SAMPLES_MAX, sizeof *samples);
    QR_TRY(qri_sys_governed(rows, session, &governed));
    const struct qr_gov_seen *group = qri_sys_own_group(&governed, session);
    const struct qr_gov_seen *pool = group == NULL ? NULL : qri_sys_pool_of(&governed, group);
    if (samples == NULL)
        return QR_NOMEM;
    if (pool == NULL || qri_info(session->db)->elastic_pool.n == 0)
        return QR_OK;
    size_t n =
        qr_gov_pool_samples(qri_sys_governor(session), pool->pool_key, samples, QR_GOV_SAMPLES_MAX);
    for (size_t i = 0; i < n; i++)
        QR_TRY(pool_row(rows, &samples[i]));
    return QR_OK;
}

/* ---- sys.dm_user_db_resource_governance ---- */

/* "SQLDB_GP_GEN5_2_SQLG5" */
static struct qr_str slo_name(struct qr_arena *arena, const struct qr_database_info *info,
                              const struct qri_hardware *hardware)
{
    struct qr_str objective = info->service_objective;
    char *upper = qr_arena_printf(arena, "SQLDB_%.*s_SQLG%c", (int)objective.n, objective.p,
                                  hardware->generation[strlen(hardware->generation) - 1]);
    for (char *p = upper; p != NULL && *p != '\0'; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    if (upper != NULL && strncmp(hardware->generation, "Gen", 3) != 0)
        upper[strlen(upper) - strlen("_SQLGx")] = '\0';
    return qr_str(upper == NULL ? "" : upper);
}

static int local_usage_mb(const struct qr_store_stats *stats)
{
    return qri_sys_int((stats->file_bytes + stats->log_file_bytes + stats->tmp_bytes) / MIB);
}

static struct qr_str guid_of(struct qr_arena *arena, const struct qr_database_info *info)
{
    static const uint8_t none[sizeof info->guid] = {0};
    if (memcmp(info->guid, none, sizeof none) == 0)
        return (struct qr_str){NULL, 0};
    return qr_arena_str(arena, qr_str_n((const char *)info->guid, sizeof info->guid));
}

/* The objective says it, or the pool. */
static int64_t size_mb(uint64_t of_objective, uint64_t of_pool)
{
    return qri_sys_known_long((of_objective != 0 ? of_objective : of_pool) / MIB);
}

static enum qr_status governance(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed governed;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    const struct qr_database_info *info = qri_info(session->db);
    QR_TRY(qri_sys_governed(rows, session, &governed));
    const struct qr_gov_seen *group = qri_sys_own_group(&governed, session);
    const struct qr_gov_seen *pool = group == NULL ? NULL : qri_sys_pool_of(&governed, group);
    if (group == NULL)
        return QR_OK;
    const struct qr_gov_limits *l = &group->limits, *pl = pool == NULL ? l : &pool->limits;
    const struct qr_gov_options *options = qr_governor_options(qri_sys_governor(session));
    struct qri_hardware hardware = qri_sys_hardware(session, &governed);
    struct qr_store_stats stats;
    qr_store_get_stats(session->db->store, &stats);
    bool is_dtu = hardware.dtus > 0;
    int local_iops = qri_sys_known(l->iops); /* no disk but the node's own is counted */
    return qri_sysrow(
        rows, (int)info->database_id, guid_of(arena, info), qr_arena_str(arena, info->server_name),
        qr_arena_str(arena, info->name), slo_name(arena, info, &hardware),
        is_dtu ? hardware.dtus : QRI_SYS_NULL,
        is_dtu ? QRI_SYS_NULL : qri_sys_known(l->vcores_pct / 100), (int)(l->vcores_min_pct / 100),
        qri_sys_known(l->sessions_max), qri_sys_known_long(l->memory_bytes / KIB),
        size_mb(info->max_bytes_least, l->max_least), size_mb(info->max_bytes_most, l->max_most),
        size_mb(info->max_bytes_usual, l->max_usual), qri_sys_known_long(l->log_bytes / MIB),
        hardware.cap_cpu, qri_sys_known_long(options->log_bytes_per_s),
        qri_sys_known(options->workers_max), (int)qr_store_is_read_only(session->db->store),
        qri_sys_known_long(stats.log_txn_bytes_max / KIB),
        group->limited_wall_ns == 0 ? 0 : qri_ticks_of_wall(group->limited_wall_ns), (int)group->id,
        qri_sys_known(l->workers_max), qri_sys_known_long(l->log_bytes_per_s),
        qri_sys_known(l->iops), qri_sys_known(pl->workers_max),
        qri_sys_known(pl->iops != 0 ? pl->iops : l->iops), local_iops, local_iops,
        qri_sys_known(l->local_bytes / MIB), local_usage_mb(&stats),
        qri_sys_int(stats.rbpex.bytes_max >> 30),
        qri_sys_known_long(pl->log_bytes_per_s != 0 ? pl->log_bytes_per_s : l->log_bytes_per_s),
        qri_sys_replica_role(session));
}

/* ---- sys.dm_os_job_object ---- */

static int64_t ticks_of_timeval(const struct timeval *t)
{
    return (int64_t)t->tv_sec * 10000000 + (int64_t)t->tv_usec * 10;
}

/* A bit for each, of the first 64: a group of processors, as Windows counts them. */
static int64_t processors_of(void)
{
    cpu_set_t set;
    uint64_t mask = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return QRI_SYS_NULL_BIGINT;
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(CPU_ISSET(i, &set) != 0) << i;
    return (int64_t)mask;
}

static enum qr_status job_object(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed governed;
    struct rusage usage = {0};
    QR_TRY(qri_sys_governed(rows, session, &governed));
    struct qr_governor *gov = qri_sys_governor(session);
    if (gov == NULL || getrusage(RUSAGE_SELF, &usage) != 0)
        return QR_OK;
    const struct qr_gov_usage *used = qr_governor_usage(gov);
    struct qri_hardware hardware = qri_sys_hardware(session, &governed);
    int64_t memory = qri_sys_known_long((uint64_t)hardware.memory_mb);
    int64_t peak = (int64_t)usage.ru_maxrss / 1024;
    return qri_sysrow(
        rows, hardware.cap_cpu * 100, processors_of(), memory, memory, memory,
        ticks_of_timeval(&usage.ru_utime), ticks_of_timeval(&usage.ru_stime),
        (int64_t)(qri_sys_counted(&used->writes) + qri_sys_counted(&used->log_writes)),
        (int64_t)qri_sys_counted(&used->reads), peak, peak);
}

const struct qri_sysview qri_sysviews_resource[] = {
    {"sys", "dm_db_resource_stats",
     "end_time datetime, avg_cpu_percent decimal(5,2), avg_data_io_percent decimal(5,2), "
     "avg_log_write_percent decimal(5,2), avg_memory_usage_percent decimal(5,2), "
     "xtp_storage_percent decimal(5,2), max_worker_percent decimal(5,2), max_session_percent "
     "decimal(5,2), dtu_limit int null, cpu_limit decimal(5,2) null, avg_instance_cpu_percent "
     "decimal(5,2), avg_instance_memory_percent decimal(5,2), avg_login_rate_percent decimal(5,2) "
     "null, replica_role int, used_storage_mb decimal(18,2), allocated_storage_mb decimal(18,2) "
     "null",
     db_resource_stats, NULL, false},
    {"sys", "dm_elastic_pool_resource_stats",
     "end_time datetime, avg_cpu_percent decimal(5,2), avg_data_io_percent decimal(5,2), "
     "avg_log_write_percent decimal(5,2), avg_storage_percent decimal(5,2) null, "
     "max_worker_percent decimal(5,2), max_session_percent decimal(5,2), "
     "avg_instance_memory_percent decimal(5,2), avg_instance_cpu_percent decimal(5,2), "
     "avg_edtu_percent decimal(5,2), instance_vcores decimal(5,2) null, used_storage_mb bigint, "
     "allocated_storage_mb bigint null, storage_limit_mb bigint null, used_storage_percent "
     "decimal(5,2), allocated_storage_percent decimal(5,2) null",
     pool_resource_stats, NULL, false},
    {"sys", "dm_user_db_resource_governance",
     "database_id int, logical_database_guid uniqueidentifier null, physical_database_guid "
     "uniqueidentifier null =null, server_name nvarchar(128), database_name nvarchar(128), "
     "slo_name nvarchar(128), dtu_limit int null, cpu_limit int null, min_cpu tinyint =0, "
     "max_cpu tinyint =100, cap_cpu tinyint =100, min_cores smallint, max_dop smallint =1, "
     "min_memory int =0, max_memory int =100, max_sessions int null, max_memory_grant int null "
     "=25, max_db_memory int null, govern_background_io bit =0, min_db_max_size_in_mb "
     "bigint null, max_db_max_size_in_mb bigint null, default_db_max_size_in_mb bigint null, "
     "db_file_growth_in_mb bigint =16, initial_db_file_size_in_mb bigint null =null, "
     "log_size_in_mb bigint null, instance_cap_cpu int, instance_max_log_rate bigint null, "
     "instance_max_worker_threads int null, replica_type int, max_transaction_size bigint null, "
     "checkpoint_rate_mbps int null =null, checkpoint_rate_io int null =null, "
     "last_updated_date_utc datetime null, primary_group_id int, primary_group_max_workers "
     "int null, primary_min_log_rate bigint null =0, primary_max_log_rate bigint null, "
     "primary_group_min_io int null =0, primary_group_max_io int null, primary_group_min_cpu float "
     "=0, primary_group_max_cpu float =100, primary_log_commit_fee int =0, "
     "primary_pool_max_workers int null, pool_max_io int null, govern_db_memory_in_resource_pool "
     "bit =0, volume_local_iops int null, volume_managed_xstore_iops int null =null, "
     "volume_external_xstore_iops int null =null, volume_type_local_iops int null, "
     "volume_type_managed_xstore_iops int null =null, volume_type_external_xstore_iops int null "
     "=null, volume_pfs_iops int null =null, volume_type_pfs_iops int null =null, "
     "user_data_directory_space_quota_mb int null, user_data_directory_space_usage_mb int, "
     "bufferpool_extension_size_gb int, pool_max_log_rate bigint null, "
     "primary_group_max_outbound_connection_workers int null =null, "
     "primary_pool_max_outbound_connection_workers int null =null, replica_role tinyint",
     governance, NULL, false},
    {"sys", "dm_os_job_object",
     "cpu_rate int, cpu_affinity_mask bigint null, cpu_affinity_group int null =0, "
     "memory_limit_mb bigint null, process_memory_limit_mb bigint null, workingset_limit_mb bigint "
     "null, non_sos_mem_gap_mb bigint null =null, low_mem_signal_threshold_mb bigint null =null, "
     "total_user_time bigint, total_kernel_time bigint, write_operation_count bigint, "
     "read_operation_count bigint, peak_process_memory_used_mb bigint, peak_job_memory_used_mb "
     "bigint, process_physical_affinity nvarchar(3072) null =null",
     job_object, NULL, false},
    {0},
};
