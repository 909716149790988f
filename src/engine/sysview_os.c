/* sysview_os.c - the machine and the process that a session runs in; see sysview_governor_int.h. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "sysview_governor_int.h"
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

const struct qri_sysview qri_sysviews_os[] = {
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
