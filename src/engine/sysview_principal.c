/* sysview_principal.c - principals, their members and permissions; see sysview_int.h. Who may not
 * see a principal does not see what it may, either. */
#include <stdio.h>
#include "access_int.h"
#include "login_int.h"
#include "expr/language.h"
#include "sysview_int.h"
#include "base/banned.h"

/* ---- principals ---- */

enum { SERVER_OWNER_BYTES = 8 };
static const char server_owner[] = "\1\6\0\0\0\0\0\144"; /* without a SID of its own */

struct qr_str qri_server_owner(const struct qr_session *session)
{
    const struct qr_session_options *login = &session->login;
    return login->is_admin && login->sid.n > 0 ? login->sid
                                               : qr_str_n(server_owner, SERVER_OWNER_BYTES);
}

/* SIDs of the fixed ones, and of those that earlier versions made without one. */
static struct qr_str sid_of(struct qri_sysrows *rows, const struct qr_session *session,
                            const struct qri_principal *p)
{
    enum { BYTES = 28 };
    if (p->sid.n > 0)
        return p->sid;
    switch (p->principal_id) {
    case QR_PRINCIPAL_DBO:
        return qri_server_owner(session);
    case QR_PRINCIPAL_GUEST:
        return qr_str_n("", 1);
    case QR_PRINCIPAL_INFORMATION_SCHEMA:
    case QR_PRINCIPAL_SYS:
        return (struct qr_str){NULL, 0};
    default:
        break;
    }
    char *sid = qr_arena_alloc(qri_sysrows_arena(rows), BYTES);
    if (sid == NULL)
        return (struct qr_str){NULL, 0};
    memset(sid, 0, BYTES);
    memcpy(sid, "\1\5\0\0\0\0\0\11\3\0\0\0", 12);
    sid[8] = p->type == 'R' ? 4 : 3;
    sid[24] = (char)(p->principal_id & 0xff);
    sid[25] = (char)(p->principal_id >> 8 & 0xff);
    return qr_str_n(sid, BYTES);
}

enum { AUTHENTICATION_NONE, AUTHENTICATION_INSTANCE, AUTHENTICATION_DATABASE };

static int authentication_of(const struct qri_principal *p)
{
    if (p->type == 'S' && p->password_hash.n > 0)
        return AUTHENTICATION_DATABASE;
    return p->principal_id == QR_PRINCIPAL_DBO || p->login.n > 0 ? AUTHENTICATION_INSTANCE
                                                                 : AUTHENTICATION_NONE;
}

static int lcid_of(const struct qri_principal *p)
{
    const struct qr_language *l =
        p->default_language.n > 0 ? qr_language_find(p->default_language) : NULL;
    return l == NULL ? QRI_SYS_NULL : l->lcid;
}

static struct qr_str or_null(struct qr_str text)
{
    return text.n > 0 ? text : (struct qr_str){NULL, 0};
}

static enum qr_status database_principals(struct qri_sysrows *rows, struct qr_session *session)
{
    static const char *const authentications[] = {"NONE", "INSTANCE", "DATABASE"};
    const struct qri_catalog *c = qri_sys_catalog(session);
    for (size_t i = 0; i < c->principal_count; i++) {
        const struct qri_principal *p = &c->principals[i];
        if (!qri_sees_principal(session, p))
            continue;
        int authentication = authentication_of(p);
        QR_TRY(qri_sysrow(rows, p->name, (int)p->principal_id, qr_str_n(&p->type, 1),
                          qr_str(p->type == 'R'   ? "DATABASE_ROLE"
                                 : p->type == 'A' ? "APPLICATION_ROLE"
                                                  : "SQL_USER"),
                          or_null(p->default_schema), p->create_ticks, p->modify_ticks,
                          qri_sys_null_if(p->owning_principal_id == 0, p->owning_principal_id),
                          sid_of(rows, session, p), (int)p->is_fixed_role, authentication,
                          qr_str(authentications[authentication]), or_null(p->default_language),
                          lcid_of(p), (int)p->is_encrypted_writer));
    }
    return QR_OK;
}

static bool sees(const struct qr_session *session, uint32_t principal_id)
{
    const struct qri_principal *p = qri_principal_by_id(qri_sys_catalog(session), principal_id);
    return p != NULL && qri_sees_principal(session, p);
}

static enum qr_status database_role_members(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qri_catalog *c = qri_sys_catalog(session);
    QR_TRY(qri_sysrow(rows, QR_ROLE_OWNER, QR_PRINCIPAL_DBO));
    for (size_t i = 0; i < c->member_count; i++)
        if (sees(session, c->members[i].role_id) && sees(session, c->members[i].member_id))
            QR_TRY(qri_sysrow(rows, (int)c->members[i].role_id, (int)c->members[i].member_id));
    return QR_OK;
}

/* ---- permissions ---- */

static const char *state_desc(uint8_t state)
{
    return state == QR_PERM_DENY           ? "DENY"
           : state == QR_PERM_REVOKE       ? "REVOKE"
           : state == QR_PERM_GRANT_OPTION ? "GRANT_WITH_GRANT_OPTION"
                                           : "GRANT";
}

static enum qr_status database_permissions(struct qri_sysrows *rows, struct qr_session *session)
{
    size_t count = 0;
    const struct qri_catalog *c = qri_sys_catalog(session);
    const struct qr_perm_row *row = qr_perm_book_rows(c->book, &count);
    for (; count > 0; count--, row++) {
        enum qr_perm perm = (enum qr_perm)row->perm;
        if (!sees(session, row->grantee_id))
            continue;
        QR_TRY(
            qri_sysrow(rows, (int)row->on, qr_str(qr_perm_class_desc((enum qr_perm_class)row->on)),
                       (int)row->major_id, (int)row->minor_id, (int)row->grantee_id,
                       (int)row->grantor_id, qr_str(qr_perm_code(perm)), qr_str(qr_perm_name(perm)),
                       qr_str_n((const char *)&row->state, 1), qr_str(state_desc(row->state))));
    }
    return QR_OK;
}

static struct qr_str short_code(struct qri_sysrows *rows, enum qr_perm perm)
{
    return qr_arena_str(qri_sysrows_arena(rows), qr_str_trim(qr_str(qr_perm_code(perm))));
}

static enum qr_status builtin_permissions(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_perm_builtin b;
    (void)session;
    for (size_t i = 0; qr_perm_builtin(i, &b); i++)
        QR_TRY(qri_sysrow(
            rows, qr_str(qr_perm_kind_name(b.kind)), qr_str(qr_perm_name(b.perm)),
            short_code(rows, b.perm), qr_str(qr_perm_name(b.covering)),
            qr_str(b.parent_covering == QR_MAY_NOTHING ? "" : qr_perm_kind_name(b.parent)),
            qr_str(qr_perm_name(b.parent_covering))));
    return QR_OK;
}

/* As servers before 2005 showed what statements of theirs could give. */
static int old_action(enum qr_perm perm)
{
    static const struct {
        enum qr_perm perm;
        int action;
    } actions[] = {
        {QR_MAY_REFERENCES, 26},      {QR_MAY_CREATE_FUNCTION, 178},
        {QR_MAY_SELECT, 193},         {QR_MAY_INSERT, 195},
        {QR_MAY_DELETE, 196},         {QR_MAY_UPDATE, 197},
        {QR_MAY_CREATE_TABLE, 198},   {QR_MAY_CREATE_DATABASE, 203},
        {QR_MAY_CREATE_VIEW, 207},    {QR_MAY_CREATE_PROCEDURE, 222},
        {QR_MAY_EXECUTE, 224},        {QR_MAY_BACKUP_DATABASE, 228},
        {QR_MAY_CREATE_DEFAULT, 233}, {QR_MAY_BACKUP_LOG, 235},
        {QR_MAY_CREATE_RULE, 236},
    };
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (actions[i].perm == perm)
            return actions[i].action;
    return 0;
}

/* Bit 0: all columns; else a bit for each. */
static struct qr_str column_bits(struct qri_sysrows *rows, const struct qr_perm_row *row)
{
    size_t bytes = row->minor_id / 8 + 1;
    char *bits = qr_arena_alloc(qri_sysrows_arena(rows), bytes);
    if (bits == NULL || !qr_perm_has_columns((enum qr_perm)row->perm) || bytes > 4000)
        return (struct qr_str){NULL, 0};
    memset(bits, 0, bytes);
    bits[bytes - 1] = (char)(1 << row->minor_id % 8);
    return qr_str_n(bits, bytes);
}

static enum qr_status sysprotects(struct qri_sysrows *rows, struct qr_session *session)
{
    size_t count = 0;
    const struct qri_catalog *c = qri_sys_catalog(session);
    const struct qr_perm_row *row = qr_perm_book_rows(c->book, &count);
    for (; count > 0; count--, row++) {
        int action = old_action((enum qr_perm)row->perm);
        if (action == 0 || row->on > QR_ON_OBJECT || row->state == QR_PERM_REVOKE ||
            !sees(session, row->grantee_id))
            continue;
        QR_TRY(qri_sysrow(rows, (int)row->major_id, (int)row->grantee_id, action,
                          row->state == QR_PERM_DENY           ? 206
                          : row->state == QR_PERM_GRANT_OPTION ? 204
                                                               : 205,
                          column_bits(rows, row), (int)row->grantor_id));
    }
    return QR_OK;
}

/* ---- tokens ---- */

static enum qr_status token_row(struct qri_sysrows *rows, const struct qr_session *session,
                                uint32_t id)
{
    const struct qri_principal *p = qri_principal_by_id(session->catalog, id);
    return p == NULL ? QR_OK
                     : qri_sysrow(rows, (int)id, sid_of(rows, session, p), p->name,
                                  qr_str(p->type == 'R'   ? "ROLE"
                                         : p->type == 'A' ? "APPLICATION ROLE"
                                                          : "SQL USER"));
}

static enum qr_status user_token(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_perm_token *token = &session->context_now->token;
    QR_TRY(token_row(rows, session, token->user_id));
    if (token->is_owner) {
        QR_TRY(token_row(rows, session, QR_PRINCIPAL_PUBLIC));
        return token_row(rows, session, QR_ROLE_OWNER);
    }
    for (size_t i = 0; i < token->count; i++)
        if (token->ids[i] != token->user_id)
            QR_TRY(token_row(rows, session, token->ids[i]));
    return QR_OK;
}

/* Who came in by the database's own password has no login. */
static enum qr_status login_token(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_session_options *login = &session->login;
    const struct qr_str none = {NULL, 0};
    if (login->is_own_user)
        return QR_OK;
    QR_TRY(qri_sysrow(rows, 1,
                      login->sid.n > 0 ? login->sid : qr_str_n(server_owner, SERVER_OWNER_BYTES),
                      login->login, qr_str("SQL LOGIN")));
    for (unsigned i = 0; i < QR_SERVER_ROLE_COUNT; i++)
        if ((login->server_roles >> i & 1) != 0)
            QR_TRY(qri_sysrow(rows, (int)(QRI_SERVER_ROLE_ID + i), none,
                              qr_str(qri_server_role_name((enum qr_server_role)i)),
                              qr_str("SERVER ROLE")));
    return qri_sysrow(rows, 2, qr_str_n("\2", 1), qr_str("public"), qr_str("SERVER ROLE"));
}

const struct qri_sysview qri_sysviews_principal[] = {
    {"sys", "database_principals",
     "name sysname, principal_id int, type char(1), type_desc nvarchar(60) null, "
     "default_schema_name sysname null, create_date datetime, modify_date datetime, "
     "owning_principal_id int null, sid varbinary(85) null, is_fixed_role bit, "
     "authentication_type int, authentication_type_desc nvarchar(60) null, "
     "default_language_name sysname null, default_language_lcid int null, "
     "allow_encrypted_value_modifications bit",
     database_principals, NULL, false},
    {"sys", "database_role_members", "role_principal_id int, member_principal_id int",
     database_role_members, NULL, false},
    {"sys", "database_permissions",
     "class tinyint, class_desc nvarchar(60) null, major_id int, minor_id int, "
     "grantee_principal_id int, grantor_principal_id int, type char(4), "
     "permission_name nvarchar(128) null, state char(1), state_desc nvarchar(60) null",
     database_permissions, NULL, false},
    {"sys", "builtin_permissions$",
     "class_desc nvarchar(60) null, permission_name nvarchar(60) null, type varchar(4) null, "
     "covering_permission_name nvarchar(60) null, parent_class_desc nvarchar(60) null, "
     "parent_covering_permission_name nvarchar(60) null",
     builtin_permissions, NULL, false},
    {"sys", "user_token",
     "principal_id int null, sid varbinary(85) null, name nvarchar(128) null, type nvarchar(128) "
     "null, usage nvarchar(128) null ='GRANT OR DENY'",
     user_token, NULL, false},
    {"sys", "login_token",
     "principal_id int null, sid varbinary(85) null, name nvarchar(128) null, type nvarchar(128) "
     "null, usage nvarchar(128) null ='GRANT OR DENY'",
     login_token, NULL, false},
    {"sys", "sysprotects",
     "id int, uid smallint null, action tinyint null, protecttype tinyint null, columns "
     "varbinary(4000) null, grantor smallint null",
     sysprotects, NULL, false},
    {"sys", "sysmembers", "memberuid smallint null, groupuid smallint null", NULL,
     "SELECT CAST(member_principal_id AS smallint) AS memberuid, CAST(role_principal_id AS "
     "smallint) AS groupuid FROM sys.database_role_members",
     false},
    {"sys", "sysusers",
     "uid smallint null, status smallint null, name sysname null, sid varbinary(85) null, "
     "createdate datetime, updatedate datetime, altuid smallint null, password varbinary(256) "
     "null, gid smallint null, environ varchar(255) null, hasdbaccess int null, islogin int null, "
     "isntname int null, isntgroup int null, isntuser int null, issqluser int null, isaliased int "
     "null, issqlrole int null, isapprole int null",
     NULL,
     "SELECT CAST(u.principal_id AS smallint) AS uid, CAST(0 AS smallint) AS status, u.name, "
     "u.sid, u.create_date AS createdate, u.modify_date AS updatedate, CAST(u.owning_principal_id "
     "AS smallint) AS altuid, CAST(NULL AS varbinary(256)) AS password, CAST(CASE u.type WHEN 'R' "
     "THEN u.principal_id ELSE 0 END AS smallint) AS gid, CAST(NULL AS varchar(255)) AS environ, "
     "CASE WHEN u.principal_id = 1 OR EXISTS (SELECT 1 FROM sys.database_permissions p WHERE "
     "p.grantee_principal_id = u.principal_id AND p.class = 0 AND p.type = 'CO' AND p.state <> "
     "'D') THEN 1 ELSE 0 END AS hasdbaccess, CASE WHEN u.type = 'S' THEN 1 ELSE 0 END AS islogin, "
     "0 AS isntname, 0 AS isntgroup, 0 AS isntuser, CASE WHEN u.type = 'S' THEN 1 ELSE 0 END AS "
     "issqluser, 0 AS isaliased, CASE WHEN u.type = 'R' THEN 1 ELSE 0 END AS issqlrole, CASE WHEN "
     "u.type = 'A' THEN 1 ELSE 0 END AS isapprole FROM sys.database_principals u",
     false},
#define PRIVILEGES_OF(column)                                                                      \
    "SELECT USER_NAME(p.grantor_principal_id) AS GRANTOR, USER_NAME(p.grantee_principal_id) AS "   \
    "GRANTEE, DB_NAME() AS TABLE_CATALOG, SCHEMA_NAME(o.schema_id) AS TABLE_SCHEMA, o.name AS "    \
    "TABLE_NAME, " column "CAST(p.permission_name AS varchar(10)) AS PRIVILEGE_TYPE, CAST(CASE "   \
    "p.state WHEN 'W' THEN 'YES' ELSE 'NO' END AS varchar(3)) AS IS_GRANTABLE FROM "               \
    "sys.database_permissions p JOIN sys.objects o ON o.object_id = p.major_id "
#define PRIVILEGES_WHERE(types)                                                                    \
    "WHERE p.class = 1 AND p.state IN ('G', 'W') AND p.type IN (" types ") AND o.type IN ('U', "   \
    "'V') AND (p.grantee_principal_id = 0 OR p.grantor_principal_id = USER_ID() OR "               \
    "p.grantee_principal_id = USER_ID() OR IS_MEMBER(USER_NAME(p.grantee_principal_id)) = 1)"
    {"INFORMATION_SCHEMA", "TABLE_PRIVILEGES",
     "GRANTOR nvarchar(128) null, GRANTEE nvarchar(128) null, TABLE_CATALOG nvarchar(128) null, "
     "TABLE_SCHEMA nvarchar(128) null, TABLE_NAME sysname, PRIVILEGE_TYPE varchar(10) null, "
     "IS_GRANTABLE varchar(3) null",
     NULL, PRIVILEGES_OF("") PRIVILEGES_WHERE("'RF', 'SL', 'IN', 'DL', 'UP'") " AND p.minor_id = 0",
     false},
    {"INFORMATION_SCHEMA", "COLUMN_PRIVILEGES",
     "GRANTOR nvarchar(128) null, GRANTEE nvarchar(128) null, TABLE_CATALOG nvarchar(128) null, "
     "TABLE_SCHEMA nvarchar(128) null, TABLE_NAME sysname, COLUMN_NAME sysname null, "
     "PRIVILEGE_TYPE varchar(10) null, IS_GRANTABLE varchar(3) null",
     NULL,
     PRIVILEGES_OF(
         "c.name AS COLUMN_NAME, ") "JOIN sys.columns c ON c.object_id = o.object_id AND "
                                    "(p.minor_id = 0 OR p.minor_id = "
                                    "c.column_id) " PRIVILEGES_WHERE(
                                        "'RF', 'SL', 'IN', 'UP'") " AND NOT EXISTS (SELECT 1 FROM "
                                                                  "sys.database_permissions r "
                                                                  "WHERE r.class = 1 AND r.state = "
                                                                  "'R' AND "
                                                                  "r.major_id = p.major_id AND "
                                                                  "r.minor_id = c.column_id AND "
                                                                  "r.type = p.type AND "
                                                                  "r.grantee_principal_id = "
                                                                  "p.grantee_principal_id AND "
                                                                  "r.grantor_principal_id = "
                                                                  "p.grantor_principal_id)",
     false},
    {0},
};
