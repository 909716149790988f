/* access_view.c - system views: what a user needs to ask one, and which of its rows he sees; see
 * access_int.h.
 *
 * Catalog views are public, and show what the user may see of the database's objects, types,
 * schemas and principals; they stand in `public_views`. A view whose name begins with "dm_" asks
 * VIEW DATABASE PERFORMANCE STATE unless it stands in `rights`; whatever is in no list VIEW
 * DATABASE STATE, so that no new one is forgotten. Rows are hidden where they have been made: dbo
 * never comes here. */
#include "access_int.h"
#include <string.h>
#include "frame.h"
#include "sysview_rows_int.h"
#include "base/banned.h"

/* ---- whole views ---- */

static const struct right {
    const char *name;
    enum qr_perm perm; /* QR_MAY_NOTHING: everybody may, and sees his own rows */
} rights[] = {
    {"dm_database_encryption_keys", QR_MAY_VIEW_DATABASE_SECURITY_STATE},
    {"dm_db_stats_properties", QR_MAY_NOTHING},
    {"dm_exec_connections", QR_MAY_VIEW_DATABASE_SECURITY_STATE},
    {"dm_exec_describe_first_result_set", QR_MAY_NOTHING},
    {"dm_exec_describe_first_result_set_for_object", QR_MAY_NOTHING},
    {"dm_exec_input_buffer", QR_MAY_NOTHING},
    {"dm_exec_requests", QR_MAY_NOTHING},
    {"dm_exec_session_wait_stats", QR_MAY_NOTHING},
    {"dm_exec_sessions", QR_MAY_NOTHING},
    {"database_automatic_tuning_options", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"database_event_session_targets", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"database_event_sessions", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"database_query_store_options", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"fn_xe_telemetry_blob_target_read_file", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"query_context_settings", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"quire_serverless_stats", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"resource_governor_resource_pools", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
    {"resource_governor_workload_groups", QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE},
};

/* Everybody asks them; their rows are hidden, or are nobody's secret. */
static const char *const public_views[] = {
    /* clang-format off */
    "all_columns", "all_objects", "all_parameters", "all_sql_modules", "all_views",
    "allocation_units", "assemblies", "assembly_files", "assembly_modules", "assembly_types",
    "asymmetric_keys", "certificates", "change_tracking_databases", "change_tracking_tables",
    "check_constraints", "column_encryption_keys", "column_master_keys", "column_privileges",
    "column_store_dictionaries", "column_store_row_groups", "column_store_segments", "columns",
    "computed_columns", "configurations", "constraint_column_usage", "constraint_table_usage",
    "data_spaces", "database_autoscale", "database_autoscale_history",
    "database_connection_stats", "database_files", "database_firewall_rules",
    "database_permissions", "database_principals", "database_role_members",
    "database_scoped_configurations", "database_scoped_credentials",
    "database_service_objectives", "databases", "default_constraints", "domains",
    "edge_constraints", "elastic_pool_resource_stats", "event_log", "extended_properties",
    "external_data_sources", "external_file_formats", "external_tables", "filegroups",
    "firewall_rules", "fn_builtin_permissions", "fn_listextendedproperty", "fn_my_permissions",
    "foreign_key_columns", "foreign_keys", "fulltext_catalogs", "fulltext_index_columns",
    "fulltext_indexes", "fulltext_stoplists", "geo_replication_links", "hash_indexes",
    "identity_columns", "index_columns", "index_resumable_operations", "indexes",
    "internal_tables", "key_column_usage", "key_constraints", "login_token", "masked_columns",
    "messages", "numbered_procedures", "objects", "parameters", "partition_functions",
    "partition_parameters", "partition_range_values", "partition_schemes", "partitions",
    "periods", "plan_guides", "procedures", "referential_constraints", "resource_stats",
    "routines", "schemas", "schemata", "security_policies", "security_predicates",
    "sensitivity_classifications", "sequences", "server_principals", "server_role_members", "server_resource_stats",
    "service_queues", "spatial_indexes", "sql_logins", "sql_modules", "stats", "stats_columns",
    "symmetric_keys", "synonyms", "syscolumns", "syscomments", "sysconstraints", "sysdatabases",
    "sysforeignkeys", "sysindexes", "sysindexkeys", "syslanguages", "sysmembers", "sysobjects",
    "sysprocesses", "sysprotects", "sysreferences", "system_columns", "system_objects",
    "system_views", "systypes", "sysusers", "table_constraints", "table_privileges", "table_types", "tables",
    "trigger_events", "triggers", "types", "user_token", "views", "xml_indexes",
    "xml_schema_collections",
    /* clang-format on */
};

bool qri_view_right(struct qr_str name, enum qr_perm *ret_perm)
{
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++)
        if (qr_str_ieqz(name, rights[i].name)) {
            *ret_perm = rights[i].perm;
            return true;
        }
    *ret_perm = QR_MAY_NOTHING;
    for (size_t i = 0; i < sizeof public_views / sizeof public_views[0]; i++)
        if (qr_str_ieqz(name, public_views[i]))
            return true;
    bool is_ours = name.n > 0 && name.p[name.n - 1] == '$'; /* for functions of the system */
    bool shows_work = qr_str_starts_i(name, "dm_") || qr_str_starts_i(name, "query_store_");
    *ret_perm =
        is_ours || shows_work ? QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE : QR_MAY_VIEW_DATABASE_STATE;
    return is_ours || shows_work;
}

static enum qr_perm right_of(struct qr_str name)
{
    enum qr_perm perm;
    (void)qri_view_right(name, &perm);
    return perm;
}

enum qr_status qri_want_system_view(const struct qr_session *session, const struct qri_frame *frame,
                                    const struct qr_cat_object *view, struct qr_err *err)
{
    bool is_ours = frame != NULL && frame->module != NULL && frame->module->is_ms_shipped;
    enum qr_perm perm = session->is_owner || is_ours ? QR_MAY_NOTHING : right_of(view->name);
    return perm == QR_MAY_NOTHING ? QR_OK : qri_want_database(session, perm, err);
}

/* ---- rows ---- */

enum gate { GATE_OBJECT, GATE_TYPE, GATE_SCHEMA, GATE_PRINCIPAL, GATE_SESSION, GATE_LOGIN };

/* Whose column says what the row is about. Views with a column object_id need no line. */
static const struct gate_row {
    const char *view, *column;
    enum gate gate;
} gates[] = {
    {"database_permissions", "grantee_principal_id", GATE_PRINCIPAL},
    {"database_principals", "principal_id", GATE_PRINCIPAL},
    {"database_role_members", "member_principal_id", GATE_PRINCIPAL},
    {"dm_exec_requests", "session_id", GATE_SESSION},
    {"dm_exec_session_wait_stats", "session_id", GATE_SESSION},
    {"dm_exec_sessions", "session_id", GATE_SESSION},
    {"foreign_key_columns", "constraint_object_id", GATE_OBJECT},
    {"schemas", "schema_id", GATE_SCHEMA},
    {"server_principals", "name", GATE_LOGIN},
    {"sql_logins", "name", GATE_LOGIN},
    {"table_types", "user_type_id", GATE_TYPE},
    {"types", "user_type_id", GATE_TYPE},
};

enum { NO_COLUMN = -1 };

static int find_column(const struct qri_sysview_shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->column_count; i++)
        if (qr_str_ieqz(shape->columns[i].name, name))
            return (int)i;
    return NO_COLUMN;
}

struct hiding {
    const struct qr_session *session;
    enum gate gate;
    int column;       /* NO_COLUMN: every row is seen */
    int definition;   /* column that only who has VIEW DEFINITION reads */
    int class_column; /* of sys.extended_properties */
    bool sees_all;    /* GATE_SESSION */
    int64_t last;     /* what was asked last, and the answer: rows of one table come together */
    bool has_last, is_seen;
};

/* Who may see the state of the database sees it of all of its objects; their sizes only of those
 * that he sees. */
static bool shows_all_objects(const struct qr_session *session, const char *view)
{
    enum qr_perm perm = right_of(qr_str(view));
    return perm != QR_MAY_NOTHING && strcmp(view, "dm_db_partition_stats") != 0 &&
           qri_may_database(session, perm);
}

static struct hiding hiding_of(const struct qr_session *session,
                               const struct qri_sysview_shape *shape)
{
    struct hiding h = {.session = session,
                       .gate = GATE_OBJECT,
                       .column = find_column(shape, "object_id"),
                       .definition = find_column(shape, "definition"),
                       .class_column = NO_COLUMN};
    for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
        if (strcmp(gates[i].view, shape->view->name) != 0)
            continue;
        h.gate = gates[i].gate;
        h.column = find_column(shape, gates[i].column);
    }
    if (h.gate == GATE_OBJECT && shows_all_objects(session, shape->view->name))
        h.column = NO_COLUMN;
    if (strcmp(shape->view->name, "extended_properties") == 0) {
        h.column = find_column(shape, "major_id");
        h.class_column = find_column(shape, "class");
    }
    if (h.gate == GATE_SESSION)
        h.sees_all = qri_may_database(session, QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE);
    return h;
}

/* NULL: of the system, a #table, or gone. */
static const struct qr_cat_object *object_of(const struct qr_session *session, int64_t id)
{
    return id <= 0 || id >= QRI_TEMP_OBJECT_FIRST
               ? NULL
               : qr_cat_by_id(&session->catalog->cat, (uint32_t)id);
}

bool qri_sees_type(const struct qr_session *session, const struct qr_cat_usertype *type)
{
    return qri_may_type(session, type, QR_MAY_VIEW_DEFINITION) ||
           qri_may_type(session, type, QR_MAY_REFERENCES) ||
           qri_may_type(session, type, QR_MAY_EXECUTE);
}

static bool sees_type(const struct qr_session *session, int64_t id)
{
    const struct qr_cat_usertype *type =
        qr_cat_usertype_by_id(&session->catalog->cat, (uint32_t)id);
    return type == NULL || qri_sees_type(session, type);
}

static bool sees_schema(const struct qr_session *session, int64_t id)
{
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(&session->catalog->cat, (uint32_t)id);
    return schema == NULL || id < QR_SCHEMA_FIRST_USER || qri_sees_schema(session, schema);
}

static bool sees_principal(const struct qr_session *session, int64_t id)
{
    const struct qri_principal *p = qri_principal_by_id(session->catalog, (uint32_t)id);
    return p == NULL || qri_sees_principal(session, p);
}

static bool sees_number(const struct hiding *h, enum gate gate, int64_t id)
{
    const struct qr_session *session = h->session;
    switch (gate) {
    case GATE_OBJECT: {
        const struct qr_cat_object *object = object_of(session, id);
        return object == NULL || qri_sees_object(session, object);
    }
    case GATE_TYPE:
        return sees_type(session, id);
    case GATE_SCHEMA:
        return sees_schema(session, id);
    case GATE_PRINCIPAL:
        return sees_principal(session, id);
    case GATE_SESSION:
        return h->sees_all || id == session->id;
    case GATE_LOGIN:
        break;
    }
    return false;
}

/* A property of the database itself is everybody's to see. */
static enum gate gate_of_property(int64_t class_id, bool *ret_is_public)
{
    *ret_is_public = class_id == QR_ON_DATABASE;
    return class_id == QR_ON_SCHEMA      ? GATE_SCHEMA
           : class_id == QR_ON_PRINCIPAL ? GATE_PRINCIPAL
           : class_id == QR_ON_TYPE      ? GATE_TYPE
                                         : GATE_OBJECT;
}

static bool sees_login(const struct qr_session *session, const struct qr_value *name)
{
    return name->cell == QR_CELL_TEXT &&
           (qr_str_ieq(qr_value_bytes(name), session->login.login) ||
            qr_str_starts_i(qr_value_bytes(name), "##") || /* a role's, which no login has */
            qri_sees_logins(session));
}

static bool sees_row(struct hiding *h, const struct qr_value *row)
{
    const struct qr_value *v = &row[h->column];
    if (h->gate == GATE_LOGIN)
        return sees_login(h->session, v);
    if (v->cell != QR_CELL_INT)
        return true;
    if (h->class_column != NO_COLUMN) {
        bool is_public = false;
        enum gate gate = gate_of_property(row[h->class_column].i, &is_public);
        return is_public || sees_number(h, gate, v->i);
    }
    if (!h->has_last || h->last != v->i) {
        h->is_seen = sees_number(h, h->gate, v->i);
        h->last = v->i;
        h->has_last = true;
    }
    return h->is_seen;
}

static bool reads_definition(const struct hiding *h, const struct qr_value *row)
{
    const struct qr_cat_object *object =
        h->gate == GATE_OBJECT && row[h->column].cell == QR_CELL_INT
            ? object_of(h->session, row[h->column].i)
            : NULL;
    return object == NULL || qri_may_object(h->session, object, QR_MAY_VIEW_DEFINITION);
}

void qri_hide_rows(struct qri_sysrows *rows, const struct qr_session *session)
{
    struct hiding h = hiding_of(session, rows->shape);
    size_t n = rows->shape->column_count, kept = 0;
    if (h.column == NO_COLUMN)
        return;
    for (size_t i = 0; i < rows->row_count; i++) {
        struct qr_value *row = &rows->values[i * n];
        if (!sees_row(&h, row))
            continue;
        if (h.definition != NO_COLUMN && !reads_definition(&h, row))
            row[h.definition] = qr_value_null();
        if (kept < i)
            memcpy(&rows->values[kept * n], row, n * sizeof *row);
        kept++;
    }
    rows->row_count = kept;
}
