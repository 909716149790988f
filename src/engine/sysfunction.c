/* sysfunction.c - system views that take arguments: T-SQL functions over views of the engine; see
 * sysview_int.h. */
#include "sysmodule_int.h"
#include <stddef.h>
#include "base/banned.h"

/* clang-format off */

/* What a LIMITED scan does not see. */
#define SAMPLED(column)                                                                            \
    "CASE WHEN @m IN ('SAMPLED', 'DETAILED') THEN " column " END AS " column ", "
#define NOTHING_OF(column) "CAST(0 AS bigint) AS " column

#define SERVER_PERMISSIONS                                                                         \
    "('ADMINISTER BULK OPERATIONS'), ('ALTER ANY DATABASE'), ('ALTER ANY LOGIN'), ('ALTER SERVER " \
    "STATE'), ('CONNECT SQL'), ('CONTROL SERVER'), ('CREATE ANY DATABASE'), ('VIEW ANY "           \
    "DATABASE'), ('VIEW ANY DEFINITION'), ('VIEW SERVER PERFORMANCE STATE'), ('VIEW SERVER "       \
    "SECURITY STATE'), ('VIEW SERVER STATE')"
#define UNKNOWN(column) "CAST(NULL AS bigint) AS " column ", "

#define FILE_STATS_COLUMNS                                                                         \
    "database_id, file_id, sample_ms, num_of_reads, num_of_bytes_read, io_stall_read_ms, "         \
    "num_of_writes, num_of_bytes_written, io_stall_write_ms, io_stall, size_on_disk_bytes, "       \
    "file_handle, io_stall_queued_read_ms, io_stall_queued_write_ms"

const struct qri_sysmodule qri_sysfunctions[] = {
    {"dm_db_index_physical_stats",
     "CREATE FUNCTION sys.dm_db_index_physical_stats(@a int, @b int, @c int, @d int, @m "
     "nvarchar(20)) RETURNS TABLE AS RETURN (SELECT database_id, object_id, index_id, "
     "partition_number, index_type_desc, alloc_unit_type_desc, index_depth, index_level, "
     "avg_fragmentation_in_percent, fragment_count, avg_fragment_size_in_pages, page_count, "
     SAMPLED("avg_page_space_used_in_percent") SAMPLED("record_count")
     NOTHING_OF("ghost_record_count") ", " NOTHING_OF("version_ghost_record_count") ", "
     SAMPLED("min_record_size_in_bytes") SAMPLED("max_record_size_in_bytes")
     SAMPLED("avg_record_size_in_bytes") "CAST(NULL AS bigint) AS forwarded_record_count, "
     NOTHING_OF("compressed_page_count") ", hobt_id, CAST(0 AS tinyint) AS "
     "columnstore_delete_buffer_state, CAST(N'NOT_APPLICABLE' AS nvarchar(60)) AS "
     "columnstore_delete_buffer_state_desc, " NOTHING_OF("version_record_count") ", "
     NOTHING_OF("inrow_version_record_count") ", " NOTHING_OF("inrow_diff_version_record_count")
     ", " NOTHING_OF("total_inrow_version_payload_size_in_bytes") ", "
     NOTHING_OF("offrow_regular_version_record_count") ", "
     NOTHING_OF("offrow_long_term_version_record_count") " FROM sys.index_physical_stats$ WHERE "
     "(@a IS NULL OR @a IN (0, database_id)) AND (@b IS NULL OR @b IN (0, object_id)) AND (@c IS "
     "NULL OR @c IN (-1, index_id)) AND (@d IS NULL OR @d IN (0, 1)))"},
    /* Counted are statements that used an index, and how (sys.dm_db_index_usage_stats). */
    {"dm_db_index_operational_stats",
     "CREATE FUNCTION sys.dm_db_index_operational_stats(@a int, @b int, @c int, @d int) RETURNS "
     "TABLE AS RETURN (SELECT CAST(DB_ID() AS smallint) AS database_id, p.object_id, p.index_id, "
     "p.partition_number, p.hobt_id, " UNKNOWN("leaf_insert_count") UNKNOWN("leaf_delete_count")
     UNKNOWN("leaf_update_count") NOTHING_OF("leaf_ghost_count") ", "
     UNKNOWN("nonleaf_insert_count") UNKNOWN("nonleaf_delete_count")
     UNKNOWN("nonleaf_update_count") UNKNOWN("leaf_allocation_count")
     UNKNOWN("nonleaf_allocation_count") UNKNOWN("leaf_page_merge_count")
     UNKNOWN("nonleaf_page_merge_count") "ISNULL(u.user_seeks + u.user_scans, 0) AS "
     "range_scan_count, ISNULL(u.user_lookups, 0) AS singleton_lookup_count, "
     NOTHING_OF("forwarded_fetch_count") ", " UNKNOWN("lob_fetch_in_pages")
     UNKNOWN("lob_fetch_in_bytes") NOTHING_OF("lob_orphan_create_count") ", "
     NOTHING_OF("lob_orphan_insert_count") ", " UNKNOWN("row_overflow_fetch_in_pages")
     UNKNOWN("row_overflow_fetch_in_bytes") UNKNOWN("column_value_push_off_row_count")
     UNKNOWN("column_value_pull_in_row_count") UNKNOWN("row_lock_count")
     UNKNOWN("row_lock_wait_count") UNKNOWN("row_lock_wait_in_ms") NOTHING_OF("page_lock_count")
     ", " NOTHING_OF("page_lock_wait_count") ", " NOTHING_OF("page_lock_wait_in_ms") ", "
     NOTHING_OF("index_lock_promotion_attempt_count") ", "
     NOTHING_OF("index_lock_promotion_count") ", " UNKNOWN("page_latch_wait_count")
     UNKNOWN("page_latch_wait_in_ms") UNKNOWN("page_io_latch_wait_count")
     UNKNOWN("page_io_latch_wait_in_ms") UNKNOWN("tree_page_latch_wait_count")
     UNKNOWN("tree_page_latch_wait_in_ms") UNKNOWN("tree_page_io_latch_wait_count")
     UNKNOWN("tree_page_io_latch_wait_in_ms") NOTHING_OF("page_compression_attempt_count") ", "
     NOTHING_OF("page_compression_success_count") " FROM sys.partitions p LEFT JOIN "
     "sys.dm_db_index_usage_stats u ON u.object_id = p.object_id AND u.index_id = p.index_id WHERE "
     "(@a IS NULL OR @a IN (0, DB_ID())) AND (@b IS NULL OR @b IN (0, p.object_id)) AND (@c IS "
     "NULL OR @c IN (-1, p.index_id)) AND (@d IS NULL OR @d IN (0, 1)))"},
    /* Of plans in the cache: the database and the user (every one is dbo) that they are for and, of
     * modules, whose they are. */
    {"dm_exec_plan_attributes",
     "CREATE FUNCTION sys.dm_exec_plan_attributes(@a varbinary(64)) RETURNS TABLE AS RETURN (SELECT "
     "CAST(v.attribute AS varchar(128)) AS attribute, v.value, v.is_cache_key FROM (SELECT "
     "p.objtype, (SELECT t.objectid FROM sys.dm_exec_sql_text(@a) t) AS objectid FROM "
     "sys.dm_exec_cached_plans p WHERE p.plan_handle = @a) AS p CROSS APPLY (SELECT 'dbid' AS "
     "attribute, CAST(CAST(DB_ID() AS int) AS sql_variant) AS value, CAST(1 AS bit) AS "
     "is_cache_key UNION ALL SELECT 'user_id', CAST(1 AS sql_variant), CAST(1 AS bit) UNION ALL "
     "SELECT 'dbid_execute', CAST(0 AS sql_variant), CAST(1 AS bit) UNION "
     "ALL SELECT 'objectid', CAST(p.objectid AS sql_variant), CAST(1 AS bit) WHERE p.objectid IS "
     "NOT NULL) AS v)"},
    {"dm_db_log_stats",
     "CREATE FUNCTION sys.dm_db_log_stats(@a int) RETURNS TABLE AS RETURN (SELECT database_id, "
     "recovery_model, log_min_lsn, log_end_lsn, current_vlf_sequence_number, current_vlf_size_mb, "
     "total_vlf_count, total_log_size_mb, active_vlf_count, active_log_size_mb, "
     "log_truncation_holdup_reason, log_backup_time, log_backup_lsn, "
     "log_since_last_log_backup_mb, log_checkpoint_lsn, log_since_last_checkpoint_mb, "
     "log_recovery_lsn, log_recovery_size_mb, recovery_vlf_count FROM sys.log_stats$ WHERE "
     "database_id = @a)"},
    /* As of statistics that were never made: plans here need none. */
    {"dm_db_stats_properties",
     "CREATE FUNCTION sys.dm_db_stats_properties(@a int, @b int) RETURNS TABLE AS RETURN (SELECT "
     "object_id, stats_id, CAST(NULL AS datetime2(7)) AS last_updated, CAST(NULL AS bigint) AS "
     "rows, CAST(NULL AS bigint) AS rows_sampled, CAST(NULL AS int) AS steps, CAST(NULL AS "
     "bigint) AS unfiltered_rows, CAST(NULL AS bigint) AS modification_counter, CAST(NULL AS "
     "float) AS persisted_sample_percent FROM sys.stats WHERE object_id = @a AND stats_id = @b)"},
    {"dm_db_missing_index_columns",
     "CREATE FUNCTION sys.dm_db_missing_index_columns(@a int) RETURNS TABLE AS RETURN (SELECT "
     "column_id, column_name, column_usage FROM sys.missing_index_columns$ WHERE index_handle = "
     "@a)"},
    {"dm_hs_database_replicas",
     "CREATE FUNCTION sys.dm_hs_database_replicas(@a int) RETURNS TABLE AS RETURN (SELECT "
     "replica_id, replica_server_name, replica_database_name, is_local, replica_role, "
     "replica_role_desc, local_database_id, parent_replica_id FROM sys.hs_database_replicas$ WHERE "
     "@a IS NULL OR @a = DB_ID())"},
    {"dm_hs_database_log_rate",
     "CREATE FUNCTION sys.dm_hs_database_log_rate(@a int) RETURNS TABLE AS RETURN (SELECT "
     "database_id, replica_id, file_id, current_max_log_rate, component_id, role, role_desc, "
     "catchup_rate, catchup_bytes, last_reported_time FROM sys.hs_database_log_rate$ WHERE "
     "@a IS NULL OR @a = DB_ID())"},
    {"dm_io_virtual_file_stats",
     "CREATE FUNCTION sys.dm_io_virtual_file_stats(@a int, @b int) RETURNS TABLE AS RETURN (SELECT "
     FILE_STATS_COLUMNS " FROM sys.virtual_file_stats$ WHERE (@a IS NULL OR database_id = @a) AND "
     "(@b IS NULL OR file_id = @b))"},
    /* What HAS_PERMS_BY_NAME says yes to; of tables, views and functions of rows of columns too. */
    {"fn_my_permissions",
     "CREATE FUNCTION sys.fn_my_permissions(@securable nvarchar(776), @class nvarchar(60)) RETURNS "
     "TABLE AS RETURN (SELECT CAST(CASE WHEN b.class_desc = 'DATABASE' THEN N'database' ELSE "
     "@securable END AS sysname) AS entity_name, CAST(N'' AS sysname) AS subentity_name, "
     "b.permission_name FROM sys.builtin_permissions$ b WHERE b.class_desc = UPPER(@class) AND "
     "HAS_PERMS_BY_NAME(CASE WHEN b.class_desc <> 'DATABASE' THEN @securable WHEN @securable <> "
     "N'database' THEN @securable END, @class, b.permission_name) = 1 UNION ALL SELECT "
     "CAST(@securable AS sysname), c.name, b.permission_name FROM sys.builtin_permissions$ b "
     "CROSS JOIN sys.all_columns c WHERE UPPER(@class) = 'OBJECT' AND b.class_desc = 'OBJECT' AND "
     "b.permission_name IN ('REFERENCES', 'SELECT', 'UPDATE') AND c.object_id = "
     "OBJECT_ID(@securable) AND HAS_PERMS_BY_NAME(@securable, 'OBJECT', b.permission_name, "
     "QUOTENAME(c.name), 'COLUMN') = 1 UNION ALL SELECT CAST(N'server' AS sysname), CAST(N'' "
     "AS sysname), CAST(v.name AS nvarchar(60)) FROM (VALUES " SERVER_PERMISSIONS ") AS v(name) "
     "WHERE UPPER(ISNULL(@class, N'SERVER')) = 'SERVER' AND HAS_PERMS_BY_NAME(NULL, NULL, v.name) "
     "= 1)"},
    {"fn_builtin_permissions",
     "CREATE FUNCTION sys.fn_builtin_permissions(@class nvarchar(60)) RETURNS TABLE AS RETURN "
     "(SELECT class_desc, permission_name, type, covering_permission_name, parent_class_desc, "
     "parent_covering_permission_name FROM sys.builtin_permissions$ WHERE ISNULL(@class, N'') IN "
     "(N'', class_desc))"},
    {"fn_listextendedproperty",
     "CREATE FUNCTION sys.fn_listextendedproperty(@name sysname, @t0 varchar(128), @n0 sysname, @t1 "
     "varchar(128), @n1 sysname, @t2 varchar(128), @n2 sysname) RETURNS TABLE AS RETURN (SELECT "
     "CAST(NULL AS sysname) AS objtype, CAST(NULL AS sysname) AS objname, p.name, p.value FROM "
     "sys.extended_properties p WHERE p.class = 0 AND @t0 IS NULL AND (@name IS NULL OR p.name = "
     "@name) UNION ALL SELECT CAST(N'SCHEMA' AS sysname), s.name, p.name, p.value FROM "
     "sys.extended_properties p JOIN sys.schemas s ON s.schema_id = p.major_id WHERE p.class = 3 "
     "AND @t0 = 'SCHEMA' AND @t1 IS NULL AND (@n0 IS NULL OR s.name = @n0) AND (@name IS NULL OR "
     "p.name = @name) UNION ALL SELECT CAST(UPPER(@t1) AS sysname), o.name, p.name, p.value FROM "
     "sys.extended_properties p JOIN sys.objects o ON o.object_id = p.major_id WHERE p.class = 1 "
     "AND p.minor_id = 0 AND @t0 = 'SCHEMA' AND SCHEMA_NAME(o.schema_id) = @n0 AND @t2 IS NULL "
     "AND (@n1 IS NULL OR o.name = @n1) AND (@name IS NULL OR p.name = @name) AND ((@t1 = 'TABLE' "
     "AND o.type = 'U') OR (@t1 = 'VIEW' AND o.type = 'V') OR (@t1 = 'PROCEDURE' AND o.type = "
     "'P') OR (@t1 = 'FUNCTION' AND o.type IN ('FN', 'IF', 'TF')) OR (@t1 = 'SYNONYM' AND o.type "
     "= 'SN') OR (@t1 = 'SEQUENCE' AND o.type = 'SO')) UNION ALL SELECT CAST(N'COLUMN' AS "
     "sysname), c.name, p.name, p.value FROM sys.extended_properties p JOIN sys.columns c ON "
     "c.object_id = p.major_id AND c.column_id = p.minor_id WHERE p.class = 1 AND @t0 = 'SCHEMA' "
     "AND OBJECT_SCHEMA_NAME(c.object_id) = @n0 AND OBJECT_NAME(c.object_id) = @n1 AND @t1 IN "
     "('TABLE', 'VIEW', 'FUNCTION') AND @t2 = 'COLUMN' AND (@n2 IS NULL OR c.name = @n2) AND "
     "(@name IS NULL OR p.name = @name))"},
    {0},
};
