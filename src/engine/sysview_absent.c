/* sysview_absent.c - views of features that no database here has: queue services, full text, keys
 * and policies of security, external tables … Tools ask them when they draw a database, and the
 * truth is that they have no rows; see sysview_int.h. */
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
    {"sys", "database_scoped_credentials",
     "name sysname, principal_id int null, credential_id int, credential_identity nvarchar(4000) "
     "null, create_date datetime, modify_date datetime",
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
    {"sys", "security_policies",
     OBJECT_COLUMNS ", is_enabled bit, is_not_for_replication bit, uses_database_collation bit "
                    "null, is_schema_bound bit",
     none, NULL, false},
    {"sys", "security_predicates",
     "object_id int, security_predicate_id int, target_object_id int, predicate_definition "
     "nvarchar(max), predicate_type int null, predicate_type_desc nvarchar(60) null, operation int "
     "null, operation_desc nvarchar(60) null",
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
