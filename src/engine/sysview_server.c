/* sysview_server.c - databases, configuration and files; see sysview_int.h. */
#include "sysview_int.h"
#include "qstore_int.h"
#include "link.h"
#include <stdio.h>
#include "codec/collation.h"
#include "base/banned.h"

/* ---- sys.databases ---- */

struct database_walk {
    struct qri_sysrows *rows;
    struct qr_session *session;
};

/* It is where nobody has turned it off, which only the database itself knows. */
static int is_query_store_on(const struct qr_session *session, const struct qr_database_info *info)
{
    bool is_own = info->database_id == session->db->info.database_id;
    return info->database_id != 1 &&
           (!is_own || session->db->qstore->options[QRI_QS_STATE] != QRI_QS_OFF);
}

static enum qr_status database_row(void *ctx, const struct qr_database_info *info)
{
    struct database_walk *w = ctx;
    uint32_t own = w->session->db->info.database_id;
    bool visible = own == 1 || info->database_id == 1 || info->database_id == own;
    if (!visible)
        return QR_OK;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    struct qr_str owner = qr_str_n((const char *)info->owner_sid, info->owner_sid_bytes);
    return qri_sysrow(w->rows, qr_arena_str(arena, info->name), (int)info->database_id,
                      owner.n > 0 ? qr_arena_str(arena, owner) : qri_server_owner(w->session),
                      info->create_ticks, qr_arena_str(arena, info->collation),
                      is_query_store_on(w->session, info), (int)info->is_encrypted);
}

static enum qr_status databases(struct qri_sysrows *rows, struct qr_session *session)
{
    struct database_walk w = {rows, session};
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_database(host->ctx, session->db->info.server_id, database_row, &w);
}

static enum qr_status objective_row(void *ctx, const struct qr_database_info *info)
{
    struct database_walk *w = ctx;
    uint32_t own = w->session->db->info.database_id;
    if (own != 1 && info->database_id != own)
        return QR_OK;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    struct qr_str none = {NULL, 0};
    return qri_sysrow(w->rows, (int)info->database_id, qr_arena_str(arena, info->edition),
                      qr_arena_str(arena, info->service_objective),
                      info->elastic_pool.n == 0 ? none : qr_arena_str(arena, info->elastic_pool));
}

static enum qr_status service_objectives(struct qri_sysrows *rows, struct qr_session *session)
{
    struct database_walk w = {rows, session};
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_database(host->ctx, session->db->info.server_id, objective_row, &w);
}

/* ---- firewall rules ---- */

static enum qr_status rule_row(void *ctx, const struct qr_firewall_info *info)
{
    struct qri_sysrows *rows = ctx;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    return qri_sysrow(rows, info->id, qr_arena_str(arena, info->name),
                      qr_arena_str(arena, info->start), qr_arena_str(arena, info->end),
                      info->create_ticks, info->modify_ticks);
}

/* They are seen from master, where they are changed. */
static enum qr_status firewall_rules(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    if (session->db->info.database_id != 1)
        return QR_OK;
    return host->each_firewall_rule(host->ctx, session->db->info.server_id, rule_row, rows);
}

static enum qr_status database_firewall_rules(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_firewall_rule(host->ctx, session->db->info.own_id, rule_row, rows);
}

/* ---- configuration ---- */

static const struct configuration {
    int id;
    const char *name;
    int value, minimum, maximum;
    const char *description;
    bool dynamic, advanced;
} configurations_known[] = {
    {101, "recovery interval (min)", 0, 0, 32767, "Maximum recovery interval in minutes", true,
     true},
    {102, "allow updates", 0, 0, 1, "Allow updates to system tables", true, false},
    {103, "user connections", 0, 0, 32767, "Number of user connections allowed", false, true},
    {115, "nested triggers", 1, 0, 1, "Allow triggers to be invoked within triggers", true, false},
    {117, "remote access", 1, 0, 1, "Allow remote access", false, false},
    {124, "default language", 0, 0, 9999, "default language", true, false},
    {503, "max worker threads", 0, 128, 65535, "Maximum worker threads", true, true},
    {505, "network packet size (B)", 4096, 512, 32767, "Network packet size", true, true},
    {518, "show advanced options", 0, 0, 1, "show advanced options", true, false},
    {1520, "remote query timeout (s)", 600, 0, INT32_MAX, "remote query timeout", true, false},
    {1534, "user options", 0, 0, 32767, "user options", true, false},
    {1539, "max degree of parallelism", 0, 0, 32767, "maximum degree of parallelism", true, true},
    {1544, "max server memory (MB)", INT32_MAX, 128, INT32_MAX,
     "Maximum size of server memory (MB)", true, true},
    {1555, "transform noise words", 0, 0, 1, "Transform noise words for full-text query", true,
     true},
    {16384, "Agent XPs", 0, 0, 1, "Enable or disable Agent XPs", true, true},
    {16390, "xp_cmdshell", 0, 0, 1, "Enable or disable command shell", true, true},
    {1562, "clr enabled", 0, 0, 1, "CLR user code execution enabled in the server", true, false},
};

static enum qr_status configurations(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)session;
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_arena *arena = qri_sysrows_arena(rows);
    for (size_t i = 0; i < sizeof configurations_known / sizeof configurations_known[0]; i++) {
        const struct configuration *c = &configurations_known[i];
        struct qr_value in[3] = {qr_value_int(c->value), qr_value_int(c->minimum),
                                 qr_value_int(c->maximum)};
        struct qr_value out[3];
        for (int k = 0; k < 3; k++)
            QR_TRY(qr_variant_make(arena, &type, &in[k], &out[k]));
        QR_TRY(qri_sysrow(rows, c->id, qr_str(c->name), &out[0], &out[1], &out[2], &out[0],
                          qr_str(c->description), (int)c->dynamic, (int)c->advanced));
    }
    return QR_OK;
}

/* ---- storage ---- */

static enum qr_status data_spaces(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)session;
    return qri_sysrow(rows, qr_str("PRIMARY"));
}

static int pages_8k(uint64_t bytes)
{
    uint64_t pages = bytes / 8192;
    return pages > INT32_MAX ? INT32_MAX : (int)pages;
}

static enum qr_status database_files(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_store_stats stats;
    struct qr_gov_group *group = qr_database_group(session->db);
    uint64_t log_max = group == NULL ? 0 : qr_gov_group_limits(group).log_bytes;
    qr_store_get_stats(session->db->store, &stats);
    QR_TRY(qri_sysrow(rows, 1, 0, qr_str("ROWS"), 1, qr_str("data_0"), qr_str("data_0"),
                      pages_8k(stats.data_bytes),
                      stats.max_data_bytes == 0 ? -1 : pages_8k(stats.max_data_bytes)));
    return qri_sysrow(rows, 2, 1, qr_str("LOG"), 0, qr_str("log"), qr_str("log"),
                      pages_8k(stats.log_file_bytes), log_max == 0 ? -1 : pages_8k(log_max));
}

int64_t qri_sys_row_count(struct qr_session *session, const struct qr_cat_object *table)
{
    char sql[64];
    sqlite3_stmt *stmt = NULL;
    int64_t count = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.t%u",
             table->object_id >= QRI_TEMP_OBJECT_FIRST ? "temp" : "main", table->object_id);
    if (sqlite3_prepare_v2(session->link->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        count = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return count;
}

static enum qr_status no_rows(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)rows;
    (void)session;
    return QR_OK;
}

#define DESCRIBE_COLUMNS                                                                           \
    "is_hidden bit, column_ordinal int, name nvarchar(128) null, is_nullable bit, "                \
    "system_type_id int, system_type_name nvarchar(256) null, max_length smallint, "               \
    "precision tinyint, scale tinyint, collation_name nvarchar(128) null, "                        \
    "user_type_id int null, user_type_database nvarchar(128) null, user_type_schema "              \
    "nvarchar(128) null, user_type_name nvarchar(128) null, "                                      \
    "assembly_qualified_type_name nvarchar(4000) null, xml_collection_id int null, "               \
    "xml_collection_database nvarchar(128) null, xml_collection_schema "                           \
    "nvarchar(128) null, xml_collection_name nvarchar(128) null, is_xml_document "                 \
    "bit, is_case_sensitive bit, is_fixed_length_clr_type bit, source_server "                     \
    "nvarchar(128) null, source_database nvarchar(128) null, source_schema "                       \
    "nvarchar(128) null, source_table nvarchar(128) null, source_column "                          \
    "nvarchar(128) null, is_identity_column bit null, is_part_of_unique_key bit "                  \
    "null, is_updateable bit null, is_computed_column bit null, "                                  \
    "is_sparse_column_set bit null, ordinal_in_order_by_list smallint null, "                      \
    "order_by_list_length smallint null, order_by_is_descending smallint null, "                   \
    "tds_type_id int, tds_length int, tds_collation_id int null, "                                 \
    "tds_collation_sort_id tinyint null, error_number int null, error_severity int "               \
    "null, error_state int null, error_message nvarchar(4000) null, error_type int "               \
    "null, error_type_desc nvarchar(60) null"

const struct qri_sysview qri_sysviews_server[] = {
    {"sys", "databases",
     "name sysname, database_id int, source_database_id int null =null, "
     "owner_sid varbinary(85) null, create_date datetime, compatibility_level tinyint =150, "
     "collation_name sysname null, user_access tinyint null =0, "
     "user_access_desc nvarchar(60) null ='MULTI_USER', is_read_only bit null =0, "
     "is_auto_close_on bit =0, is_auto_shrink_on bit null =0, state tinyint null =0, "
     "state_desc nvarchar(60) null ='ONLINE', is_in_standby bit null =0, "
     "is_cleanly_shutdown bit null =0, is_supplemental_logging_enabled bit null =0, "
     "snapshot_isolation_state tinyint null =1, snapshot_isolation_state_desc nvarchar(60) null "
     "='ON', is_read_committed_snapshot_on bit null =1, recovery_model tinyint null =1, "
     "recovery_model_desc nvarchar(60) null ='FULL', page_verify_option tinyint null =2, "
     "page_verify_option_desc nvarchar(60) null ='CHECKSUM', is_auto_create_stats_on bit null =1, "
     "is_auto_create_stats_incremental_on bit null =0, is_auto_update_stats_on bit null =1, "
     "is_auto_update_stats_async_on bit null =0, is_ansi_null_default_on bit null =0, "
     "is_ansi_nulls_on bit null =0, is_ansi_padding_on bit null =0, is_ansi_warnings_on bit null "
     "=0, is_arithabort_on bit null =0, is_concat_null_yields_null_on bit null =0, "
     "is_numeric_roundabort_on bit null =0, is_quoted_identifier_on bit null =0, "
     "is_recursive_triggers_on bit null =0, is_cursor_close_on_commit_on bit null =0, "
     "is_local_cursor_default bit null =0, is_fulltext_enabled bit null =0, "
     "is_trustworthy_on bit null =0, is_db_chaining_on bit null =0, "
     "is_parameterization_forced bit null =0, is_master_key_encrypted_by_server bit =0, "
     "is_query_store_on bit null, is_published bit =0, is_subscribed bit =0, "
     "is_merge_published bit =0, is_distributor bit =0, is_sync_with_backup bit =0, "
     "service_broker_guid uniqueidentifier null =null, is_broker_enabled bit =0, "
     "log_reuse_wait tinyint null =0, log_reuse_wait_desc nvarchar(60) null ='NOTHING', "
     "is_date_correlation_on bit =0, is_cdc_enabled bit =0, is_encrypted bit null, "
     "is_honor_broker_priority_on bit null =0, replica_id uniqueidentifier null =null, "
     "group_database_id uniqueidentifier null =null, resource_pool_id int null =null, "
     "default_language_lcid smallint null =1033, default_language_name nvarchar(128) null "
     "='us_english', default_fulltext_language_lcid int null =null, "
     "default_fulltext_language_name nvarchar(128) null =null, is_nested_triggers_on bit null "
     "=null, is_transform_noise_words_on bit null =null, two_digit_year_cutoff smallint null "
     "=null, containment tinyint null =0, containment_desc nvarchar(60) null ='NONE', "
     "target_recovery_time_in_seconds int null =60, delayed_durability int null =0, "
     "delayed_durability_desc nvarchar(60) null ='DISABLED', "
     "is_memory_optimized_elevate_to_snapshot_on bit null =0, is_federation_member bit null =0, "
     "is_remote_data_archive_enabled bit null =0, is_mixed_page_allocation_on bit null =0, "
     "is_temporal_history_retention_enabled bit null =1, catalog_collation_type int null =0, "
     "catalog_collation_type_desc nvarchar(60) null ='DATABASE_DEFAULT', "
     "physical_database_name nvarchar(128) null =null, is_result_set_caching_on bit =0, "
     "is_accelerated_database_recovery_on bit =1, is_tempdb_spill_to_remote_store bit =0, "
     "is_stale_page_detection_on bit =0, is_memory_optimized_enabled bit =0, is_ledger_on bit =0",
     databases, NULL, false},
    {"sys", "database_service_objectives",
     "database_id int, edition sysname, service_objective sysname, elastic_pool_name sysname null",
     service_objectives, NULL, false},
    {"sys", "firewall_rules",
     "id int, name nvarchar(128), start_ip_address varchar(45), end_ip_address varchar(45), "
     "create_date datetime, modify_date datetime",
     firewall_rules, NULL, true},
    {"sys", "database_firewall_rules",
     "id int, name nvarchar(128), start_ip_address varchar(50), end_ip_address varchar(50), "
     "create_date datetime, modify_date datetime",
     database_firewall_rules, NULL, false},
    {"sys", "configurations",
     "configuration_id int, name nvarchar(35), value sql_variant null, minimum sql_variant null, "
     "maximum sql_variant null, value_in_use sql_variant null, description nvarchar(255), "
     "is_dynamic bit, is_advanced bit",
     configurations, NULL, false},
    {"sys", "data_spaces",
     "name sysname, data_space_id int =1, type char(2) ='FG', "
     "type_desc nvarchar(60) null ='ROWS_FILEGROUP', is_default bit null =1, is_system bit null =0",
     data_spaces, NULL, false},
    {"sys", "filegroups",
     "name sysname, data_space_id int =1, type char(2) ='FG', "
     "type_desc nvarchar(60) null ='ROWS_FILEGROUP', is_default bit null =1, is_system bit null "
     "=0, filegroup_guid uniqueidentifier null =null, log_filegroup_id int null =null, "
     "is_read_only bit null =0, is_autogrow_all_files bit null =0",
     data_spaces, NULL, false},
    {"sys", "database_files",
     "file_id int, file_guid uniqueidentifier null =null, type tinyint, type_desc nvarchar(60) "
     "null, data_space_id int, name sysname, physical_name nvarchar(260), state tinyint null =0, "
     "state_desc nvarchar(60) null ='ONLINE', size int, max_size int, growth int =2048, "
     "is_media_read_only bit =0, is_read_only bit =0, is_sparse bit =0, is_percent_growth bit =0, "
     "is_name_reserved bit =0",
     database_files, NULL, false},
    {"sys", "partition_schemes", "name sysname, data_space_id int, function_id int", no_rows, NULL,
     false},
    {"sys", "partition_functions", "name sysname, function_id int, fanout int", no_rows, NULL,
     false},
    {"sys", "dm_exec_describe_first_result_set", DESCRIBE_COLUMNS, NULL, NULL, false},
    {"sys", "dm_exec_describe_first_result_set_for_object", DESCRIBE_COLUMNS, NULL, NULL, false},
    {0},
};
