/* access_admin.c - what administration needs, of who is not dbo: statements, DBCC commands and
 * system procedures; see access_int.h.
 *
 * Each has its line in a table. A DBCC command or a procedure without one is for those who CONTROL
 * the database, so that a new one is not open to everybody by being forgotten. Who is a member of
 * db_owner has CONTROL, and what is documented to need the role is asked for as that. */
#include "access_int.h"
#include <stdio.h>
#include "base/sqlmsg.h"
#include "frame.h"
#include "base/banned.h"

enum { NO_KILL = 6102, NO_RECONFIGURE = 5812, NO_DBCC = 2571, NO_PERMISSION = 15247 };
enum { NO_DBCC_OF_OBJECT = 2557 };

static const char *z_of(struct qr_str text, char dst[4 * QR_CAT_NAME_CHARS_MAX])
{
    (void)snprintf(dst, 4 * QR_CAT_NAME_CHARS_MAX, "%.*s", (int)text.n, text.p);
    return dst;
}

bool qri_reaches_session(const struct qr_session *session, const struct qr_session *other)
{
    bool is_admin = session->login.is_admin && session->is_owner;
    return other->db == session->db ||
           (is_admin && other->db->info.server_id == session->db->info.server_id);
}

/* ---- statements ---- */

enum qr_status qri_want_statement(const struct qr_session *session, const struct qr_ast_stmt *stmt,
                                  struct qr_err *err)
{
    enum qr_perm config = QR_MAY_ALTER_ANY_DATABASE_SCOPED_CONFIGURATION;
    switch ((int)stmt->kind) {
    case QR_AS_CHECKPOINT:
        return qri_want_database(session, QR_MAY_CHECKPOINT, err);
    case QR_AS_KILL:
        return qri_may_database(session, QR_MAY_KILL_DATABASE_CONNECTION)
                   ? QR_OK
                   : qr_sql_fail(err, NO_KILL);
    case QR_AS_SCOPED_CONFIGURATION:
        return qri_may_database(session, config) ? QR_OK : qr_sql_fail(err, NO_PERMISSION);
    case QR_AS_RECONFIGURE:
        return qri_may_database(session, QR_MAY_CONTROL) ? QR_OK : qr_sql_fail(err, NO_RECONFIGURE);
    default:
        return QR_OK;
    }
}

/* ---- DBCC ---- */

enum dbcc_need { OF_NOTHING, OF_CONTROL, OF_TABLE, OF_SCHEMA };

/* OF_TABLE: who owns the table, OF_SCHEMA: its schema, or a member of db_ddladmin. */
static const struct dbcc {
    const char *command;
    enum dbcc_need need;
} dbccs[] = {
    {"CHECKDB", OF_CONTROL},          {"CHECKIDENT", OF_SCHEMA},      {"CHECKTABLE", OF_TABLE},
    {"DROPCLEANBUFFERS", OF_CONTROL}, {"FLUSHAUTHCACHE", OF_CONTROL}, {"FREEPROCCACHE", OF_CONTROL},
    {"INPUTBUFFER", OF_NOTHING}, /* qri_input_buffer() asks */
    {"OPENTRAN", OF_CONTROL},         {"SHRINKDATABASE", OF_CONTROL}, {"SHRINKFILE", OF_CONTROL},
    {"TRACEOFF", OF_CONTROL},         {"TRACEON", OF_CONTROL},        {"TRACESTATUS", OF_NOTHING},
    {"UPDATEUSAGE", OF_CONTROL},      {"USEROPTIONS", OF_NOTHING},
};

static enum dbcc_need dbcc_need_of(struct qr_str command)
{
    for (size_t i = 0; i < sizeof dbccs / sizeof dbccs[0]; i++)
        if (qr_str_ieqz(command, dbccs[i].command))
            return dbccs[i].need;
    return OF_CONTROL;
}

static const char *user_name(const struct qr_session *session, char dst[4 * QR_CAT_NAME_CHARS_MAX])
{
    const struct qri_principal *p = qri_principal_by_id(session->catalog, qri_access_user(session));
    return z_of(p == NULL ? qr_str("") : p->name, dst);
}

enum qr_status qri_want_dbcc(const struct qr_session *session, struct qr_str command,
                             struct qr_err *err)
{
    char user[4 * QR_CAT_NAME_CHARS_MAX], text[4 * QR_CAT_NAME_CHARS_MAX];
    if (dbcc_need_of(command) != OF_CONTROL || qri_may_database(session, QR_MAY_CONTROL))
        return QR_OK;
    if (qr_str_ieqz(command, "FREEPROCCACHE") &&
        qri_has_server_role(session, QR_SERVER_STATE_MANAGER))
        return QR_OK;
    return qr_sql_fail(err, NO_DBCC, user_name(session, user), z_of(command, text));
}

enum qr_status qri_want_dbcc_of(const struct qr_session *session, struct qr_str command,
                                const struct qr_cat_object *table, struct qr_err *err)
{
    char user[4 * QR_CAT_NAME_CHARS_MAX], text[4 * QR_CAT_NAME_CHARS_MAX];
    char name[4 * QR_CAT_NAME_CHARS_MAX];
    enum dbcc_need need = dbcc_need_of(command);
    if (table->object_id >= QRI_TEMP_OBJECT_FIRST || need == OF_NOTHING ||
        qri_may_database(session, QR_MAY_ALTER_ANY_SCHEMA))
        return QR_OK;
    if (need == OF_TABLE && qri_may_object(session, table, QR_MAY_CONTROL))
        return QR_OK;
    if (need == OF_SCHEMA && qri_may_schema(session, table->schema_id, QR_MAY_CONTROL))
        return QR_OK;
    return qr_sql_fail(err, NO_DBCC_OF_OBJECT, user_name(session, user), z_of(command, text),
                       z_of(table->name, name));
}

/* ---- system procedures ---- */

/* QR_MAY_NOTHING: everybody's, since it shows what he may see, or asks for itself as the statement
 * that it stands for does, or in the function beside it. */
static const struct procedure {
    const char *name;
    enum qr_perm perm; /* of the database */
} procedures[] = {
    {"sp_addextendedproperty", QR_MAY_NOTHING}, /* sysproc.c: ALTER on what it is said of */
    {"sp_addrole", QR_MAY_NOTHING},
    {"sp_addrolemember", QR_MAY_NOTHING},
    {"sp_adduser", QR_MAY_NOTHING},
    {"sp_cleanup_temporal_history", QR_MAY_CONTROL},
    {"sp_column_privileges", QR_MAY_NOTHING},
    {"sp_columns", QR_MAY_NOTHING},
    {"sp_columns_100", QR_MAY_NOTHING},
    {"sp_columns_90", QR_MAY_NOTHING},
    {"sp_cursor", QR_MAY_NOTHING},
    {"sp_cursorclose", QR_MAY_NOTHING},
    {"sp_cursorexecute", QR_MAY_NOTHING},
    {"sp_cursorfetch", QR_MAY_NOTHING},
    {"sp_cursoropen", QR_MAY_NOTHING},
    {"sp_cursoroption", QR_MAY_NOTHING},
    {"sp_cursorprepare", QR_MAY_NOTHING},
    {"sp_cursorprepexec", QR_MAY_NOTHING},
    {"sp_cursorunprepare", QR_MAY_NOTHING},
    {"sp_databases", QR_MAY_NOTHING},
    {"sp_datatype_info", QR_MAY_NOTHING},
    {"sp_datatype_info_100", QR_MAY_NOTHING},
    {"sp_datatype_info_90", QR_MAY_NOTHING},
    {"sp_delete_database_firewall_rule", QR_MAY_CONTROL},
    {"sp_delete_firewall_rule", QR_MAY_NOTHING}, /* sysproc.c: the administrator's */
    {"sp_describe_first_result_set", QR_MAY_NOTHING},
    {"sp_describe_undeclared_parameters", QR_MAY_NOTHING},
    {"sp_dropextendedproperty", QR_MAY_NOTHING}, /* as sp_addextendedproperty */
    {"sp_droprole", QR_MAY_NOTHING},
    {"sp_droprolemember", QR_MAY_NOTHING},
    {"sp_dropuser", QR_MAY_NOTHING},
    {"sp_execute", QR_MAY_NOTHING},
    {"sp_executesql", QR_MAY_NOTHING},
    {"sp_fkeys", QR_MAY_NOTHING},
    {"sp_getapplock", QR_MAY_NOTHING}, /* applock.c: a member of @DbPrincipal */
    {"sp_getapplock$", QR_MAY_NOTHING},
    {"sp_grantdbaccess", QR_MAY_NOTHING},
    {"sp_help", QR_MAY_NOTHING},
    {"sp_helpconstraint", QR_MAY_NOTHING},
    {"sp_helpdbfixedrole", QR_MAY_NOTHING},
    {"sp_helpindex", QR_MAY_NOTHING},
    {"sp_helprole", QR_MAY_NOTHING},
    {"sp_helprolemember", QR_MAY_NOTHING},
    {"sp_helprotect", QR_MAY_NOTHING},
    {"sp_helptext", QR_MAY_NOTHING},
    {"sp_helpuser", QR_MAY_NOTHING},
    {"sp_lock", QR_MAY_VIEW_DATABASE_STATE},
    {"sp_pkeys", QR_MAY_NOTHING},
    {"sp_prepare", QR_MAY_NOTHING},
    {"sp_query_store_clear_hints", QR_MAY_ALTER},
    {"sp_query_store_flush_db", QR_MAY_ALTER},
    {"sp_query_store_force_plan", QR_MAY_ALTER},
    {"sp_query_store_remove_plan", QR_MAY_ALTER},
    {"sp_query_store_remove_query", QR_MAY_ALTER},
    {"sp_query_store_reset_exec_stats", QR_MAY_ALTER},
    {"sp_query_store_set_hints", QR_MAY_ALTER},
    {"sp_query_store_unforce_plan", QR_MAY_ALTER},
    {"sp_recompile", QR_MAY_NOTHING},        /* sysproc.c: ALTER on the object */
    {"sp_refreshsqlmodule", QR_MAY_NOTHING}, /* it runs the ALTER of the module */
    {"sp_refreshview", QR_MAY_NOTHING},
    {"sp_releaseapplock", QR_MAY_NOTHING}, /* as sp_getapplock */
    {"sp_releaseapplock$", QR_MAY_NOTHING},
    {"sp_rename", QR_MAY_NOTHING}, /* ddl_drop.c: ALTER on the object */
    {"sp_revokedbaccess", QR_MAY_NOTHING},
    {"sp_sequence_get_range", QR_MAY_NOTHING}, /* UPDATE on the sequence */
    {"sp_server_info", QR_MAY_NOTHING},
    {"sp_set_database_firewall_rule", QR_MAY_CONTROL},
    {"sp_set_firewall_rule", QR_MAY_NOTHING},
    {"sp_set_session_context", QR_MAY_NOTHING},
    {"sp_setapprole", QR_MAY_NOTHING}, /* who knows the password */
    {"sp_spaceused", QR_MAY_NOTHING},
    {"sp_special_columns", QR_MAY_NOTHING},
    {"sp_sproc_columns", QR_MAY_NOTHING},
    {"sp_sproc_columns_100", QR_MAY_NOTHING},
    {"sp_sproc_columns_90", QR_MAY_NOTHING},
    {"sp_statistics", QR_MAY_NOTHING},
    {"sp_stored_procedures", QR_MAY_NOTHING},
    {"sp_table_privileges", QR_MAY_NOTHING},
    {"sp_tablecollations_100", QR_MAY_NOTHING},
    {"sp_tablecollations_90", QR_MAY_NOTHING},
    {"sp_tables", QR_MAY_NOTHING},
    {"sp_unprepare", QR_MAY_NOTHING},
    {"sp_unsetapprole", QR_MAY_NOTHING},           /* who has the cookie */
    {"sp_updateextendedproperty", QR_MAY_NOTHING}, /* as sp_addextendedproperty */
    {"sp_updatestats", QR_MAY_CONTROL},
    {"sp_who", QR_MAY_NOTHING}, /* of other sessions with VIEW DATABASE STATE */
    {"sp_who2", QR_MAY_NOTHING},
};

bool qri_procedure_right(struct qr_str name, enum qr_perm *ret_perm)
{
    for (size_t i = 0; i < sizeof procedures / sizeof procedures[0]; i++)
        if (qr_str_ieqz(name, procedures[i].name)) {
            *ret_perm = procedures[i].perm;
            return true;
        }
    *ret_perm = QR_MAY_CONTROL;
    return false;
}

enum qr_status qri_want_procedure(const struct qr_session *session, struct qr_str name,
                                  struct qr_err *err)
{
    enum qr_perm perm;
    if (session->is_owner)
        return QR_OK;
    (void)qri_procedure_right(name, &perm);
    if (perm == QR_MAY_NOTHING || qri_may_database(session, perm))
        return QR_OK;
    return perm == QR_MAY_VIEW_DATABASE_STATE ? qri_want_database(session, perm, err)
                                              : qr_sql_fail(err, NO_PERMISSION);
}
