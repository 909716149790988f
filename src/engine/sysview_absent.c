/* sysview_absent.c - views of features that no database here has: queue services, full text, keys
 * and policies of security, external tables, latches, automatic tuning … Tools ask them when they
 * draw a database, and the truth is that they have no rows; see sysview_int.h. */
#include "sysview_int.h"
#include "base/banned.h"

static enum qr_status none(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)rows;
    (void)session;
    return QR_OK;
}

#define OBJECT_COLUMNS                                                                             \
    "name sysname, object_id int, principal_id int null, schema_id int, parent_object_id int, "    \
    "type char(2), type_desc nvarchar(60) null, create_date datetime, modify_date datetime, "      \
    "is_ms_shipped bit, is_published bit, is_schema_published bit"
#define KEY_COLUMNS                                                                                \
    "name sysname, principal_id int null, key_length int, algorithm_desc nvarchar(60) null, "      \
    "create_date datetime, modify_date datetime, thumbprint varbinary(32) null"

const struct qri_sysview qri_sysviews_absent[] = {
    {"sys", "assembly_files", "assembly_id int, name nvarchar(260) null, file_id int", none, NULL,
     false},
    {"sys", "assembly_modules",
     "object_id int, assembly_id int, assembly_class sysname null, assembly_method sysname null, "
     "null_on_null_input bit null, execute_as_principal_id int null",
     none, NULL, false},
    {"sys", "asymmetric_keys", KEY_COLUMNS, none, NULL, false},
    {"sys", "certificates",
     "name sysname, certificate_id int, principal_id int null, pvt_key_encryption_type char(2), "
     "subject nvarchar(4000) null, expiry_date datetime null, start_date datetime null, thumbprint "
     "varbinary(32)",
     none, NULL, false},
    {"sys", "change_tracking_databases",
     "database_id int, is_auto_cleanup_on tinyint null, retention_period int null, "
     "retention_period_units tinyint null, retention_period_units_desc nvarchar(60) null, "
     "max_cleanup_version bigint null",
     none, NULL, false},
    {"sys", "change_tracking_tables",
     "object_id int, is_track_columns_updated_on bit null, min_valid_version bigint null, "
     "begin_version bigint null, cleanup_version bigint null",
     none, NULL, false},
    {"sys", "column_encryption_keys",
     "name sysname, column_encryption_key_id int, create_date datetime, modify_date datetime", none,
     NULL, false},
    {"sys", "column_master_keys",
     "name sysname, column_master_key_id int, create_date datetime, modify_date datetime, "
     "key_store_provider_name sysname null, key_path nvarchar(4000) null, "
     "allow_enclave_computations bit null",
     none, NULL, false},
    {"sys", "column_store_dictionaries",
     "hobt_id bigint, column_id int, dictionary_id int, version int, type int, last_id int, "
     "entry_count bigint, on_disk_size bigint, partition_id bigint",
     none, NULL, false},
    {"sys", "column_store_row_groups",
     "object_id int, index_id int, partition_number int, row_group_id int, delta_store_hobt_id "
     "bigint null, state tinyint, state_description nvarchar(60), total_rows bigint, deleted_rows "
     "bigint null, size_in_bytes bigint",
     none, NULL, false},
    {"sys", "column_store_segments",
     "partition_id bigint, hobt_id bigint, column_id int, segment_id int, version int, "
     "encoding_type int, row_count int, has_nulls int, base_id bigint, magnitude float, "
     "primary_dictionary_id int, secondary_dictionary_id int, min_data_id bigint, max_data_id "
     "bigint, null_value bigint, on_disk_size bigint",
     none, NULL, false},
    {"sys", "database_event_session_targets",
     "event_session_id int, target_id int, name sysname, package sysname, module sysname", none,
     NULL, false},
    {"sys", "database_event_sessions",
     "event_session_id int, name sysname, event_retention_mode nchar(1) null, "
     "event_retention_mode_desc sysname null, max_dispatch_latency int null, max_memory int null, "
     "max_event_size int null, memory_partition_mode nchar(1) null, memory_partition_mode_desc "
     "sysname null, track_causality bit null, startup_state bit null",
     none, NULL, false},
    {"sys", "database_scoped_credentials",
     "name sysname, principal_id int null, credential_id int, credential_identity nvarchar(4000) "
     "null, create_date datetime, modify_date datetime",
     none, NULL, false},
    {"sys", "dm_db_tuning_recommendations",
     "name nvarchar(4000) null, type nvarchar(4000) null, reason nvarchar(4000) null, valid_since "
     "datetime2 null, last_refresh datetime2 null, state nvarchar(4000) null, is_executable_action "
     "bit null, is_revertable_action bit null, execute_action_start_time datetime2 null, "
     "execute_action_duration time null, execute_action_initiated_by nvarchar(4000) null, "
     "execute_action_initiated_time datetime2 null, revert_action_start_time datetime2 null, "
     "revert_action_duration time null, revert_action_initiated_by nvarchar(4000) null, "
     "revert_action_initiated_time datetime2 null, score int null, details nvarchar(max) null",
     none, NULL, false},
    {"sys", "dm_os_spinlock_stats",
     "name nvarchar(256), collisions bigint null, spins bigint null, spins_per_collision real "
     "null, sleep_time bigint null, backoffs int null",
     none, NULL, false},
    {"sys", "dm_os_latch_stats",
     "latch_class nvarchar(60), waiting_requests_count bigint null, wait_time_ms bigint null, "
     "max_wait_time_ms bigint null",
     none, NULL, false},
    {"sys", "dm_broker_activated_tasks",
     "spid int null, database_id smallint null, queue_id int null, procedure_name nvarchar(650) "
     "null, execute_as int null",
     none, NULL, false},
    {"sys", "dm_db_column_store_row_group_physical_stats",
     "object_id int, index_id int, partition_number int, row_group_id int, delta_store_hobt_id "
     "bigint null, state tinyint, state_desc nvarchar(60), total_rows bigint null, deleted_rows "
     "bigint null, size_in_bytes bigint null, trim_reason tinyint null, trim_reason_desc "
     "nvarchar(60) null, transition_to_compressed_state tinyint null, "
     "transition_to_compressed_state_desc nvarchar(60) null, has_vertipaq_optimization bit null, "
     "generation bigint null, created_time datetime2 null, closed_time datetime2 null",
     none, NULL, false},
    {"sys", "dm_db_xtp_hash_index_stats",
     "object_id int, xtp_object_id bigint, index_id int, total_bucket_count bigint, "
     "empty_bucket_count bigint, avg_chain_length bigint, max_chain_length bigint",
     none, NULL, false},
    {"sys", "dm_db_xtp_index_stats",
     "object_id int, xtp_object_id bigint, index_id int, scans_started bigint, scans_retries "
     "bigint, rows_returned bigint, rows_touched bigint, rows_expiring bigint, rows_expired "
     "bigint, rows_expired_removed bigint, phantom_scans_started bigint, phantom_scans_retries "
     "bigint, phantom_rows_touched bigint, phantom_expiring_rows_encountered bigint, "
     "phantom_expired_removed_rows_encountered bigint, phantom_expired_rows_removed bigint, "
     "object_address varbinary(8)",
     none, NULL, false},
    {"sys", "dm_db_xtp_nonclustered_index_stats",
     "object_id int, xtp_object_id bigint, index_id int, delta_pages bigint, internal_pages "
     "bigint, leaf_pages bigint, outstanding_retired_nodes bigint, page_update_count bigint, "
     "page_update_retry_count bigint, page_consolidation_count bigint, "
     "page_consolidation_retry_count bigint, page_split_count bigint, page_split_retry_count "
     "bigint, key_split_count bigint, key_split_retry_count bigint, page_merge_count bigint, "
     "page_merge_retry_count bigint, key_merge_count bigint, key_merge_retry_count bigint, "
     "uses_key_normalization bit",
     none, NULL, false},
    {"sys", "dm_os_ring_buffers",
     "ring_buffer_address varbinary(8), ring_buffer_type nvarchar(60), timestamp bigint, record "
     "nvarchar(3072) null",
     none, NULL, false},
    {"sys", "dm_xe_database_session_targets",
     "event_session_address varbinary(8), target_name nvarchar(256), target_package_guid "
     "uniqueidentifier, execution_count bigint, execution_duration_ms bigint, target_data "
     "nvarchar(max) null, bytes_written bigint, failed_buffer_count bigint",
     none, NULL, false},
    {"sys", "dm_xe_database_sessions",
     "address varbinary(8), name nvarchar(256), pending_buffers int, total_regular_buffers int, "
     "regular_buffer_size bigint, total_large_buffers int, large_buffer_size bigint, "
     "total_buffer_size bigint, buffer_policy_flags int, buffer_policy_desc nvarchar(256), flags "
     "int, flag_desc nvarchar(256), dropped_event_count int, dropped_buffer_count int, "
     "blocked_event_fire_time int, create_time datetime, largest_event_dropped_size int",
     none, NULL, false},
    {"sys", "edge_constraints", OBJECT_COLUMNS ", is_disabled bit, is_not_trusted bit", none, NULL,
     false},
    {"sys", "external_data_sources",
     "data_source_id int, name sysname, location nvarchar(4000), type_desc nvarchar(255) null, "
     "type "
     "tinyint, credential_id int, database_name sysname null, shard_map_name sysname null",
     none, NULL, false},
    {"sys", "external_file_formats",
     "file_format_id int, name sysname, format_type nvarchar(100), field_terminator nvarchar(10) "
     "null, string_delimiter nvarchar(10) null, encoding nvarchar(10) null",
     none, NULL, false},
    {"sys", "external_tables",
     OBJECT_COLUMNS ", location nvarchar(4000) null, data_source_id int, file_format_id int null",
     none, NULL, false},
    {"sys", "fulltext_catalogs",
     "fulltext_catalog_id int, name sysname, path nvarchar(260) null, is_default bit, "
     "is_accent_sensitivity_on bit, data_space_id int null, file_id int null, principal_id int "
     "null, is_importing bit",
     none, NULL, false},
    {"sys", "fulltext_index_columns",
     "object_id int, column_id int, type_column_id int null, language_id int, "
     "statistical_semantics int",
     none, NULL, false},
    {"sys", "fulltext_stoplists",
     "stoplist_id int, name sysname, create_date datetime, modify_date datetime, principal_id int "
     "null",
     none, NULL, false},
    {"sys", "hash_indexes",
     "object_id int, name sysname null, index_id int, type tinyint, type_desc nvarchar(60) null, "
     "bucket_count bigint",
     none, NULL, false},
    {"sys", "index_resumable_operations",
     "object_id int, index_id int, name sysname null, sql_text nvarchar(max) null, "
     "last_max_dop_used smallint, partition_number int null, state tinyint, state_desc "
     "nvarchar(60) null, start_time datetime, last_pause_time datetime null, total_execution_time "
     "int, percent_complete float, page_count bigint",
     none, NULL, false},
    {"sys", "internal_tables",
     OBJECT_COLUMNS ", internal_type tinyint null, internal_type_desc nvarchar(60) null, parent_id "
                    "int null, parent_minor_id int null",
     none, NULL, false},
    {"sys", "numbered_procedures",
     "object_id int, procedure_number smallint null, definition nvarchar(max) null", none, NULL,
     false},
    {"sys", "partition_parameters",
     "function_id int, parameter_id int, system_type_id tinyint, max_length smallint, precision "
     "tinyint, scale tinyint, collation_name sysname null, user_type_id int",
     none, NULL, false},
    {"sys", "partition_range_values",
     "function_id int, boundary_id int, parameter_id int, value sql_variant null", none, NULL,
     false},
    {"sys", "plan_guides",
     "plan_guide_id int, name sysname, create_date datetime, modify_date datetime, is_disabled "
     "bit, "
     "query_text nvarchar(max) null, scope_type tinyint, scope_type_desc nvarchar(60) null, "
     "scope_object_id int null, scope_batch nvarchar(max) null, parameters nvarchar(max) null, "
     "hints nvarchar(max) null",
     none, NULL, false},
    {"sys", "sensitivity_classifications",
     "class int, class_desc varchar(16), major_id int, minor_id int, label sysname null, label_id "
     "sysname null, information_type sysname null, information_type_id sysname null, rank int "
     "null, rank_desc nvarchar(60) null",
     none, NULL, false},
    {"sys", "service_queues",
     OBJECT_COLUMNS ", max_readers smallint null, activation_procedure nvarchar(776) null, "
                    "is_activation_enabled bit, is_receive_enabled bit, is_enqueue_enabled bit, "
                    "is_retention_enabled bit",
     none, NULL, false},
    {"sys", "spatial_indexes",
     "object_id int, name sysname null, index_id int, type tinyint, type_desc nvarchar(60) null, "
     "spatial_index_type tinyint, spatial_index_type_desc nvarchar(60) null, tessellation_scheme "
     "sysname null",
     none, NULL, false},
    {"sys", "symmetric_keys", KEY_COLUMNS, none, NULL, false},
    {0},
};
