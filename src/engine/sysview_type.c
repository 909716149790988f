/* sysview_type.c - types, logins and messages; see sysview_int.h. */
#include "login_int.h"
#include "sysview_int.h"
#include "codec/collation.h"
#include "base/banned.h"

static enum qr_status type_row(struct qri_sysrows *rows, struct qr_str name, int user_type_id,
                               int schema_id, uint32_t owner_id, const struct qr_type *t,
                               bool nullable, bool user, bool table)
{
    const struct qr_collation *c =
        qr_type_is_string(t) ? qr_collation_get(QR_COLLATION_DEFAULT) : NULL;
    const struct qr_type_info *info = qr_type_info(t->id);
    return qri_sysrow(rows, name, table ? 243 : qr_type_shown_id(t->id), user_type_id, schema_id,
                      qri_sys_null_if(owner_id == 0, owner_id),
                      user ? qr_type_max_length(t) : (int)info->max_length,
                      user ? qr_type_precision(t) : (int)info->precision,
                      user ? qr_type_scale(t) : (int)info->scale,
                      c == NULL ? (struct qr_str){NULL, 0} : qr_str(c->name), (int)nullable,
                      (int)user, (int)table);
}

static enum qr_status types(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (int id = QR_TYPE_BIT; id < QR_TYPE_TABLE; id++) {
        struct qr_type t = qr_type_of((enum qr_type_id)id);
        const char *name = id == QR_TYPE_ROWVERSION ? "timestamp" : qr_type_info(t.id)->name;
        QR_TRY(type_row(rows, qr_str(name), qr_type_info(t.id)->system_type_id, QR_SCHEMA_SYS, 0,
                        &t, id != QR_TYPE_ROWVERSION, false, false));
    }
    struct qr_type sysname = qr_type_sized(QR_TYPE_NVARCHAR, 128);
    QR_TRY(qri_sysrow(rows, qr_str("sysname"), (int)qr_type_info(QR_TYPE_NVARCHAR)->system_type_id,
                      256, QR_SCHEMA_SYS, QRI_SYS_NULL, qr_type_max_length(&sysname), 0, 0,
                      qr_str(qr_collation_get(QR_COLLATION_DEFAULT)->name), 0, 0, 0));
    for (size_t i = 0; i < cat->usertype_count; i++) {
        const struct qr_cat_usertype *u = &cat->usertypes[i];
        QR_TRY(type_row(rows, u->name, (int)u->user_type_id, (int)u->schema_id, u->owner_id,
                        &u->type, u->nullable, true, u->table_object_id != 0));
    }
    return QR_OK;
}

static enum qr_status table_types(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (size_t i = 0; i < cat->usertype_count; i++) {
        const struct qr_cat_usertype *u = &cat->usertypes[i];
        if (u->table_object_id != 0)
            QR_TRY(qri_sysrow(rows, u->name, (int)u->user_type_id, (int)u->schema_id,
                              qri_sys_null_if(u->owner_id == 0, u->owner_id),
                              (int)u->table_object_id));
    }
    return QR_OK;
}

struct login_rows {
    struct qri_sysrows *rows;
    struct qr_session *session;
    int64_t admin_ticks; /* of his making: the database's */
};

/* Who is no loginmanager sees himself and the administrator. */
static enum qr_status login_row(void *ctx, const struct qr_login_seen *seen)
{
    const struct login_rows *w = ctx;
    struct qr_session *session = w->session;
    bool is_own = !session->login.is_own_user && qr_str_eq(seen->sid, session->login.sid);
    if (!seen->is_admin && !is_own && !qri_may_server(session, QRI_ROLE_LOGINMANAGER))
        return QR_OK;
    struct qr_arena *arena = qri_sysrows_arena(w->rows); /* `seen` ends with the call */
    struct qr_str name = qr_arena_str(arena, seen->name), sid = qr_arena_str(arena, seen->sid);
    if (name.p == NULL || sid.p == NULL)
        return QR_NOMEM;
    return qri_sysrow(w->rows, name, (int)seen->principal_id, sid, qr_str("S"), qr_str("SQL_LOGIN"),
                      (int)seen->is_disabled,
                      seen->create_ticks == 0 ? w->admin_ticks : seen->create_ticks,
                      seen->modify_ticks == 0 ? w->admin_ticks : seen->modify_ticks,
                      qr_str("master"), qr_str("us_english"), 0); /* is_fixed_role */
}

static enum qr_status each_login(struct login_rows *w,
                                 enum qr_status (*row)(void *ctx, const struct qr_login_seen *seen))
{
    const struct qr_instance_host *host = &w->session->db->instance->options.host;
    return host->each_login == NULL
               ? QR_OK
               : host->each_login(host->ctx, w->session->db->info.server_id, row, w);
}

/* Logins are seen in master, as in Azure SQL Database. */
static enum qr_status sql_logins(struct qri_sysrows *rows, struct qr_session *session)
{
    struct login_rows w = {rows, session, qri_info(session->db)->create_ticks};
    return qri_in_master(session) ? each_login(&w, login_row) : QR_OK;
}

static enum qr_status server_principals(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_str none = {NULL, 0};
    struct login_rows w = {rows, session, qri_info(session->db)->create_ticks};
    if (!qri_in_master(session))
        return QR_OK;
    QR_TRY(each_login(&w, login_row));
    for (unsigned i = 0; i < QR_SERVER_ROLE_COUNT; i++)
        QR_TRY(qri_sysrow(rows, qr_str(qri_server_role_name((enum qr_server_role)i)),
                          (int)(QRI_SERVER_ROLE_ID + i), none, qr_str("R"), qr_str("SERVER_ROLE"),
                          0, w.admin_ticks, w.admin_ticks, none, none, 1));
    return QR_OK;
}

static enum qr_status member_row(void *ctx, const struct qr_login_seen *seen)
{
    const struct login_rows *w = ctx;
    bool is_own = qr_str_eq(seen->sid, w->session->login.sid);
    for (unsigned i = 0; i < QR_SERVER_ROLE_COUNT; i++)
        if ((seen->roles >> i & 1) != 0 && (is_own || qri_sees_logins(w->session)))
            QR_TRY(qri_sysrow(w->rows, (int)(QRI_SERVER_ROLE_ID + i), (int)seen->principal_id));
    return QR_OK;
}

static enum qr_status server_role_members(struct qri_sysrows *rows, struct qr_session *session)
{
    struct login_rows w = {rows, session, 0};
    return qri_in_master(session) ? each_login(&w, member_row) : QR_OK;
}

static enum qr_status no_rows(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)rows;
    (void)session;
    return QR_OK;
}

static enum qr_status periods(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (o->period_start != 0)
            QR_TRY(qri_sysrow(rows, (int)o->object_id, (int)o->period_start, (int)o->period_end));
    }
    return QR_OK;
}

static enum qr_status messages(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)session;
    for (size_t i = 0; i < qr_sqlmsg_count(); i++) {
        const struct qr_sqlmsg *m = qr_sqlmsg_at(i);
        QR_TRY(qri_sysrow(rows, m->number, (int)m->severity, qr_str(m->text)));
    }
    return QR_OK;
}

static enum qr_status languages(struct qri_sysrows *rows, struct qr_session *session)
{
    static const char *const formats[] = {
        [QR_MDY] = "mdy", [QR_DMY] = "dmy", [QR_YMD] = "ymd", [QR_YDM] = "ydm"};
    (void)session;
    const struct qr_language *l;
    for (size_t i = 0; (l = qr_language_at(i)) != NULL; i++)
        QR_TRY(qri_sysrow(rows, l->id, qr_str(formats[l->dateformat]), (int)l->datefirst,
                          qr_str(l->name), qr_str(l->alias), qr_str(l->months),
                          qr_str(l->short_months), qr_str(l->days), l->lcid, l->lcid));
    return QR_OK;
}

const struct qri_sysview qri_sysviews_type[] = {
    {"sys", "types",
     "name sysname, system_type_id tinyint, user_type_id int, schema_id int, "
     "principal_id int null, max_length smallint, precision tinyint, scale tinyint, "
     "collation_name sysname null, is_nullable bit null, is_user_defined bit, "
     "is_assembly_type bit =0, default_object_id int =0, rule_object_id int =0, is_table_type bit",
     types, NULL, false},
    {"sys", "table_types",
     "name sysname, system_type_id tinyint =243, user_type_id int, schema_id int, "
     "principal_id int null, max_length smallint =-1, precision tinyint =0, "
     "scale tinyint =0, collation_name sysname null =null, is_nullable bit null =0, "
     "is_user_defined bit =1, is_assembly_type bit =0, default_object_id int =0, "
     "rule_object_id int =0, is_table_type bit =1, type_table_object_id int, "
     "is_memory_optimized bit null =0",
     table_types, NULL, false},
    {"sys", "server_principals",
     "name sysname, principal_id int, sid varbinary(85) null, type char(1), "
     "type_desc nvarchar(60) null, is_disabled bit null, create_date datetime, "
     "modify_date datetime, default_database_name sysname null, "
     "default_language_name sysname null, credential_id int null =null, "
     "owning_principal_id int null =null, is_fixed_role bit",
     server_principals, NULL, false},
    {"sys", "sql_logins",
     "name sysname, principal_id int, sid varbinary(85) null, type char(1), "
     "type_desc nvarchar(60) null, is_disabled bit null, create_date datetime, "
     "modify_date datetime, default_database_name sysname null, "
     "default_language_name sysname null, credential_id int null =null, "
     "is_policy_checked bit null =1, is_expiration_checked bit null =0, "
     "password_hash varbinary(256) null =null",
     sql_logins, NULL, false},
    {"sys", "server_role_members", "role_principal_id int, member_principal_id int",
     server_role_members, NULL, false},
    {"sys", "assemblies", "name sysname, principal_id int, assembly_id int", no_rows, NULL, false},
    {"sys", "assembly_types",
     "name sysname, system_type_id tinyint, user_type_id int, schema_id int, assembly_id int, "
     "assembly_class sysname null",
     no_rows, NULL, false},
    {"sys", "xml_schema_collections",
     "xml_collection_id int, schema_id int, principal_id int null, name sysname, "
     "create_date datetime, modify_date datetime",
     no_rows, NULL, false},
    {"sys", "xml_indexes",
     "object_id int, name sysname null, index_id int, type tinyint, using_xml_index_id int null, "
     "secondary_type char(1) null",
     no_rows, NULL, false},
    {"sys", "fulltext_indexes", "object_id int, unique_index_id int, fulltext_catalog_id int null",
     no_rows, NULL, false},
    {"sys", "periods",
     "name sysname ='SYSTEM_TIME', period_type tinyint null =1, period_type_desc nvarchar(60) null "
     "='SYSTEM_TIME_PERIOD', object_id int, start_column_id int, end_column_id int",
     periods, NULL, false},
    {"sys", "messages",
     "message_id int, language_id smallint =1033, severity tinyint null, "
     "is_event_logged bit =0, text nvarchar(2048)",
     messages, NULL, false},
    {"sys", "syslanguages",
     "langid smallint, dateformat nchar(3), datefirst tinyint, upgrade int null =0, "
     "name sysname, alias sysname null, months nvarchar(372) null, shortmonths nvarchar(132) null, "
     "days nvarchar(217) null, lcid int, msglangid smallint",
     languages, NULL, false},
    {0},
};
