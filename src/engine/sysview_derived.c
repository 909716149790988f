/* sysview_derived.c - views that tell again, in the shape that tools ask for, what others know: in
 * T-SQL over those; see sysview_int.h. A column that nothing here knows is NULL. */
#include "sysview_int.h"
#include "base/banned.h"

/* clang-format off */

/* Bits that no hobt_id has tell the units of one apart. */
#define LOB_UNIT "CAST(4611686018427387904 AS bigint)"
#define OVERFLOW_UNIT "CAST(2305843009213693952 AS bigint)"
#define UNIT(id, type, desc, reserved, used, data)                                                 \
    "SELECT " id " AS allocation_unit_id, CAST(" type " AS tinyint) AS type, CAST(N'" desc         \
    "' AS nvarchar(60)) AS type_desc, partition_id AS container_id, 1 AS data_space_id, "          \
    reserved " AS total_pages, " used " AS used_pages, " data                                      \
    " AS data_pages FROM sys.dm_db_partition_stats"

/* One row of sys.dm_os_memory_clerks. */
#define CLERK(type, name, kb)                                                                      \
    "SELECT CAST(NULL AS varbinary(8)) AS memory_clerk_address, CAST(N'" type "' AS nvarchar(60)) "\
    "AS type, CAST(N'" name "' AS nvarchar(256)) AS name, CAST(0 AS smallint) AS memory_node_id, " \
    "CAST(" kb " AS bigint) AS pages_kb, CAST(0 AS bigint) AS virtual_memory_reserved_kb, "        \
    "CAST(0 AS bigint) AS virtual_memory_committed_kb, CAST(0 AS bigint) AS awe_allocated_kb, "    \
    "CAST(0 AS bigint) AS shared_memory_reserved_kb, CAST(0 AS bigint) AS "                        \
    "shared_memory_committed_kb, CAST(8192 AS bigint) AS page_size_in_bytes, CAST(NULL AS "        \
    "varbinary(8)) AS page_allocator_address, CAST(NULL AS varbinary(8)) AS host_address"
#define COUNTER(name) "SELECT SUM(cntr_value) FROM sys.dm_os_performance_counters WHERE counter_name = '" name "'"
#define PLANS(condition) "(SELECT ISNULL(SUM(CAST(size_in_bytes AS bigint)), 0) / 1024 FROM "      \
    "sys.dm_exec_cached_plans WHERE objtype " condition ")"

#define NONE(type, column) "CAST(NULL AS " type ") AS " column ", "

const struct qri_sysview qri_sysviews_derived[] = {
    {"sys", "allocation_units",
     "allocation_unit_id bigint, type tinyint, type_desc nvarchar(60) null, container_id bigint, "
     "data_space_id int null, total_pages bigint, used_pages bigint, data_pages bigint",
     NULL,
     UNIT("partition_id", "1", "IN_ROW_DATA", "in_row_reserved_page_count",
          "in_row_used_page_count", "in_row_data_page_count") " UNION ALL "
     UNIT("partition_id + " LOB_UNIT, "2", "LOB_DATA", "lob_reserved_page_count",
          "lob_used_page_count", "CAST(0 AS bigint)") " WHERE lob_reserved_page_count > 0 UNION ALL "
     UNIT("partition_id + " OVERFLOW_UNIT, "3", "ROW_OVERFLOW_DATA",
          "row_overflow_reserved_page_count", "row_overflow_used_page_count", "CAST(0 AS bigint)")
     " WHERE row_overflow_reserved_page_count > 0",
     false},
    /* Nothing tunes by itself, and plans cannot be forced. */
    {"sys", "database_automatic_tuning_options",
     "name nvarchar(128) null, desired_state smallint null, desired_state_desc nvarchar(60) null, "
     "actual_state smallint null, actual_state_desc nvarchar(60) null, reason smallint null, "
     "reason_desc nvarchar(60) null",
     NULL,
     "SELECT CAST(o.name AS nvarchar(128)) AS name, CAST(0 AS smallint) AS desired_state, CAST("
     "N'OFF' AS nvarchar(60)) AS desired_state_desc, CAST(0 AS smallint) AS actual_state, CAST("
     "N'OFF' AS nvarchar(60)) AS actual_state_desc, CAST(NULL AS smallint) AS reason, CAST(NULL AS "
     "nvarchar(60)) AS reason_desc FROM (VALUES ('FORCE_LAST_GOOD_PLAN'), ('CREATE_INDEX'), "
     "('DROP_INDEX'), ('MAINTAIN_INDEX')) AS o(name)",
     false},
    /* Azure SQL Database has it, undocumented; sp_BlitzFirst asks it since when waits are counted. */
    {"sys", "dm_cloud_database_epoch", "last_role_transition_time datetime", NULL,
     "SELECT sqlserver_start_time AS last_role_transition_time FROM sys.dm_os_sys_info", false},
    {"sys", "dm_os_memory_clerks",
     "memory_clerk_address varbinary(8) null, type nvarchar(60), name nvarchar(256), "
     "memory_node_id smallint, pages_kb bigint, virtual_memory_reserved_kb bigint, "
     "virtual_memory_committed_kb bigint, awe_allocated_kb bigint, shared_memory_reserved_kb "
     "bigint, shared_memory_committed_kb bigint, page_size_in_bytes bigint, "
     "page_allocator_address varbinary(8) null, host_address varbinary(8) null",
     NULL,
     CLERK("MEMORYCLERK_SQLBUFFERPOOL", "Default", "ISNULL((" COUNTER("Database pages") "), 0) * 8")
     " UNION ALL "
     CLERK("MEMORYCLERK_SQLQERESERVATIONS", "SQL Reservations",
           "ISNULL((" COUNTER("Granted Workspace Memory (KB)") "), 0)") " UNION ALL "
     CLERK("CACHESTORE_SQLCP", "SQL Plans", PLANS("IN ('Adhoc', 'Prepared')")) " UNION ALL "
     CLERK("CACHESTORE_OBJCP", "Object Plans", PLANS("NOT IN ('Adhoc', 'Prepared')")),
     false},
    {"sys", "dm_os_nodes",
     "node_id smallint, node_state_desc nvarchar(256), memory_object_address varbinary(8) null, "
     "memory_clerk_address varbinary(8) null, io_completion_worker_address varbinary(8) null, "
     "memory_node_id smallint, cpu_affinity_mask bigint null, online_scheduler_count smallint, "
     "idle_scheduler_count smallint, active_worker_count int, avg_load_balance int null, "
     "timer_task_affinity_mask bigint null, permanent_task_affinity_mask bigint null, "
     "resource_monitor_state bit, online_scheduler_mask bigint null, processor_group smallint, "
     "cpu_count int",
     NULL,
     "SELECT CAST(0 AS smallint) AS node_id, CAST(N'ONLINE' AS nvarchar(256)) AS node_state_desc, "
     "CAST(NULL AS varbinary(8)) AS memory_object_address, CAST(NULL AS varbinary(8)) AS "
     "memory_clerk_address, CAST(NULL AS varbinary(8)) AS io_completion_worker_address, CAST(0 AS "
     "smallint) AS memory_node_id, CAST(NULL AS bigint) AS cpu_affinity_mask, CAST(COUNT(*) AS "
     "smallint) AS online_scheduler_count, CAST(ISNULL(SUM(CAST(is_idle AS int)), 0) AS smallint) "
     "AS idle_scheduler_count, ISNULL(SUM(active_workers_count), 0) AS active_worker_count, "
     "CAST(NULL AS int) AS avg_load_balance, CAST(NULL AS bigint) AS timer_task_affinity_mask, "
     "CAST(NULL AS bigint) AS permanent_task_affinity_mask, CAST(0 AS bit) AS "
     "resource_monitor_state, CAST(NULL AS bigint) AS online_scheduler_mask, CAST(0 AS smallint) "
     "AS processor_group, COUNT(*) AS cpu_count FROM sys.dm_os_schedulers WHERE status = "
     "'VISIBLE ONLINE'",
     false},
    {"sys", "dm_os_workers",
     "worker_address varbinary(8) null, status int null, is_preemptive bit null, is_fiber bit null, "
     "is_sick bit null, is_in_cc_exception bit null, is_fatal_exception bit null, is_inside_catch "
     "bit null, is_in_polling_io_completion_routine bit null, context_switch_count int null, "
     "pending_io_count int null, pending_io_byte_count bigint null, pending_io_byte_average float "
     "null, wait_started_ms_ticks bigint null, wait_resumed_ms_ticks bigint null, "
     "task_bound_ms_ticks bigint null, worker_created_ms_ticks bigint null, exception_num int "
     "null, exception_severity int null, exception_address varbinary(8) null, affinity bigint "
     "null, state nvarchar(60) null, start_quantum bigint null, end_quantum bigint null, "
     "last_wait_type nvarchar(60) null, return_code int null, quantum_used bigint null, "
     "max_quantum bigint null, boost_count int null, tasks_processed_count int null, fiber_address "
     "varbinary(8) null, task_address varbinary(8) null, memory_object_address varbinary(8) null, "
     "thread_address varbinary(8) null, signal_worker_address varbinary(8) null, "
     "scheduler_address varbinary(8) null, processor_group smallint",
     NULL,
     "SELECT t.worker_address, " NONE("int", "status") NONE("bit", "is_preemptive")
     "CAST(0 AS bit) AS is_fiber, " NONE("bit", "is_sick") NONE("bit", "is_in_cc_exception")
     NONE("bit", "is_fatal_exception") NONE("bit", "is_inside_catch")
     NONE("bit", "is_in_polling_io_completion_routine")
     "t.context_switches_count AS context_switch_count, t.pending_io_count, "
     "t.pending_io_byte_count, " NONE("float", "pending_io_byte_average")
     NONE("bigint", "wait_started_ms_ticks") NONE("bigint", "wait_resumed_ms_ticks")
     NONE("bigint", "task_bound_ms_ticks") NONE("bigint", "worker_created_ms_ticks")
     NONE("int", "exception_num") NONE("int", "exception_severity")
     NONE("varbinary(8)", "exception_address") NONE("bigint", "affinity")
     "t.task_state AS state, " NONE("bigint", "start_quantum") NONE("bigint", "end_quantum")
     "NULLIF(r.last_wait_type, '') AS last_wait_type, " NONE("int", "return_code")
     NONE("bigint", "quantum_used") NONE("bigint", "max_quantum") NONE("int", "boost_count")
     NONE("int", "tasks_processed_count") NONE("varbinary(8)", "fiber_address") "t.task_address, "
     NONE("varbinary(8)", "memory_object_address") NONE("varbinary(8)", "thread_address")
     NONE("varbinary(8)", "signal_worker_address") NONE("varbinary(8)", "scheduler_address")
     "CAST(0 AS smallint) AS processor_group FROM sys.dm_os_tasks t LEFT JOIN sys.dm_exec_requests "
     "r ON r.session_id = t.session_id",
     false},
    {"sys", "resource_governor_resource_pools",
     "pool_id int, name sysname, min_cpu_percent int, max_cpu_percent int, min_memory_percent int, "
     "max_memory_percent int, cap_cpu_percent int, min_iops_per_volume int null, "
     "max_iops_per_volume int null",
     NULL,
     "SELECT pool_id, name, min_cpu_percent, max_cpu_percent, min_memory_percent, "
     "max_memory_percent, cap_cpu_percent, min_iops_per_volume, max_iops_per_volume FROM "
     "sys.dm_resource_governor_resource_pools",
     false},
    {"sys", "resource_governor_workload_groups",
     "group_id int, name sysname, importance sysname, request_max_memory_grant_percent int, "
     "request_max_cpu_time_sec int, request_memory_grant_timeout_sec int, max_dop int, "
     "group_max_requests int, pool_id int, external_pool_id int, "
     "request_max_memory_grant_percent_numeric float",
     NULL,
     "SELECT group_id, name, importance, request_max_memory_grant_percent, "
     "request_max_cpu_time_sec, request_memory_grant_timeout_sec, max_dop, group_max_requests, "
     "pool_id, external_pool_id, request_max_memory_grant_percent_numeric FROM "
     "sys.dm_resource_governor_workload_groups",
     false},
    {0},
};
