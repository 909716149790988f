/* hostfn_principal.c - USER_NAME, SUSER_SNAME, IS_MEMBER, HAS_PERMS_BY_NAME and what else asks who
 * the session is and what it may do; see hostfn.h and access_int.h. */
#include "access_int.h"
#include "hostfn_int.h"
#include <stdio.h>
#include "base/endian.h"
#include "login_int.h"
#include "base/banned.h"

/* ---- users and roles ---- */

static const struct qri_principal *by_id(const struct qri_host_call *h, uint32_t id)
{
    const struct qri_principal *p = qri_principal_by_id(h->session->catalog, id);
    return p != NULL && qri_sees_principal(h->session, p) ? p : NULL;
}

static const struct qri_principal *by_name(const struct qri_host_call *h, struct qr_str name)
{
    const struct qri_principal *p = qri_principal_by_name(h->session->catalog, name);
    return p != NULL && qri_sees_principal(h->session, p) ? p : NULL;
}

static enum qr_status user_name(struct qri_host_call *h)
{
    if (h->arg_count > 0 && h->args[0].cell != QR_CELL_INT)
        return qri_host_null(h);
    uint32_t id =
        h->arg_count == 0 ? qri_access_user(h->session) : (uint32_t)qri_host_arg_int(h, 0);
    const struct qri_principal *p =
        h->arg_count == 0 ? qri_principal_by_id(h->session->catalog, id) : by_id(h, id);
    return p == NULL ? qri_host_null(h) : qri_host_text(h, p->name);
}

static enum qr_status user_id(struct qri_host_call *h)
{
    if (h->arg_count == 0)
        return qri_host_int(h, qri_access_user(h->session));
    const struct qri_principal *p = by_name(h, qri_host_arg_text(h, 0));
    return p == NULL ? qri_host_null(h) : qri_host_int(h, p->principal_id);
}

static enum qr_status is_member(struct qri_host_call *h)
{
    const struct qri_principal *p = by_name(h, qri_host_arg_text(h, 0));
    if (p == NULL || p->type != 'R')
        return qri_host_null(h);
    return qri_host_int(h, p->principal_id == QR_PRINCIPAL_PUBLIC ||
                               qri_is_member(h->session, p->principal_id));
}

static enum qr_status is_rolemember(struct qri_host_call *h)
{
    const struct qri_catalog *c = h->session->catalog;
    struct qr_perm_token token;
    if (h->arg_count < 2)
        return is_member(h);
    const struct qri_principal *role = by_name(h, qri_host_arg_text(h, 0));
    const struct qri_principal *member = by_name(h, qri_host_arg_text(h, 1));
    if (role == NULL || member == NULL || role->type != 'R')
        return qri_host_null(h);
    if (role->principal_id == QR_PRINCIPAL_PUBLIC)
        return qri_host_int(h, 1);
    QR_TRY(qr_perm_token_make(h->eval->arena, member->principal_id, c->members, c->member_count,
                              &token, h->err));
    return qri_host_int(h, qr_perm_token_has(&token, role->principal_id));
}

/* ---- logins ---- */

/* "S-1-9-3-...": how a SID is written that belongs to no login. */
static struct qr_str sid_text(struct qr_arena *arena, struct qr_str sid)
{
    enum { HEAD_BYTES = 8, PART_BYTES = 4 };
    const uint8_t *p = (const uint8_t *)sid.p;
    char text[256];
    if (sid.n < HEAD_BYTES || sid.n > QR_SID_BYTES_MAX)
        return (struct qr_str){NULL, 0};
    uint64_t authority = 0;
    for (size_t i = 2; i < HEAD_BYTES; i++)
        authority = authority << 8 | p[i];
    int used = snprintf(text, sizeof text, "S-%u-%llu", p[0], (unsigned long long)authority);
    for (size_t at = HEAD_BYTES; at + PART_BYTES <= sid.n && used < (int)sizeof text - 12;
         at += PART_BYTES)
        used += snprintf(text + used, sizeof text - (size_t)used, "-%u", qr_get32le(p + at));
    return qr_arena_str(arena, qr_str_n(text, (size_t)used));
}

struct qr_str qri_login_of_user(struct qr_arena *arena, const struct qri_principal *user)
{
    if (user->password_hash.n > 0)
        return user->name;
    return user->login.n > 0 ? user->login : sid_text(arena, user->sid);
}

/* The login of the user that the session is now. */
static struct qr_str login_now(const struct qri_host_call *h)
{
    const struct qr_session *session = h->session;
    const struct qri_context *now = session->context_now;
    if (now->outer == NULL || now->user_id == QR_PRINCIPAL_DBO)
        return session->login.login;
    const struct qri_principal *p = qri_principal_by_id(session->catalog, now->user_id);
    if (p != NULL && p->type == 'A') /* it takes the user's place, not the login's */
        return session->login.login;
    return p == NULL ? (struct qr_str){NULL, 0} : qri_login_of_user(h->eval->arena, p);
}

static enum qr_status text_or_null(struct qri_host_call *h, struct qr_str text)
{
    return text.n == 0 ? qri_host_null(h) : qri_host_text(h, text);
}

static struct qr_str sid_now(const struct qri_host_call *h)
{
    static const uint8_t of_admin[] = {1, 6, 0, 0, 0, 0, 0, 100};
    const struct qri_principal *p =
        qri_principal_by_id(h->session->catalog, qri_access_user(h->session));
    if (p != NULL && p->type != 'A' && p->sid.n > 0)
        return p->sid;
    return h->session->login.sid.n > 0 ? h->session->login.sid
                                       : qr_str_n((const char *)of_admin, sizeof of_admin);
}

static enum qr_status suser_name(struct qri_host_call *h)
{
    if (h->arg_count == 0)
        return text_or_null(h, login_now(h));
    return qri_host_arg_int(h, 0) == 1 ? text_or_null(h, login_now(h)) : qri_host_null(h);
}

static enum qr_status suser_sname(struct qri_host_call *h)
{
    if (h->arg_count == 0)
        return text_or_null(h, login_now(h));
    struct qr_str sid =
        h->args[0].cell == QR_CELL_BLOB ? qr_value_bytes(&h->args[0]) : (struct qr_str){NULL, 0};
    if (qr_str_eq(sid, sid_now(h)))
        return text_or_null(h, login_now(h));
    const struct qri_principal *p = qri_principal_by_sid(h->session->catalog, sid);
    if (p == NULL || !qri_sees_principal(h->session, p))
        return qri_host_null(h);
    return p->login.n > 0 ? qri_host_text(h, p->login) : qri_host_text(h, p->name);
}

static enum qr_status original_login(struct qri_host_call *h)
{
    return qri_host_text(h, h->session->login.login);
}

static enum qr_status suser_id(struct qri_host_call *h)
{
    if (h->arg_count > 0 && !qr_str_ieq(qri_host_arg_text(h, 0), login_now(h)))
        return qri_host_null(h);
    return qri_host_int(h, 1);
}

static enum qr_status suser_sid(struct qri_host_call *h)
{
    struct qr_str sid = sid_now(h);
    if (h->arg_count > 0 && !qr_str_ieq(qri_host_arg_text(h, 0), login_now(h))) {
        const struct qri_catalog *c = h->session->catalog;
        const struct qri_principal *found = NULL;
        for (size_t i = 0; i < c->principal_count && found == NULL; i++)
            if (qr_str_ieq(c->principals[i].login, qri_host_arg_text(h, 0)) &&
                qri_sees_principal(h->session, &c->principals[i]))
                found = &c->principals[i];
        if (found == NULL || found->sid.n == 0)
            return qri_host_null(h);
        sid = found->sid;
    }
    *h->ret_value = qr_value_blob(sid.p, sid.n);
    return QR_OK;
}

/* No login here is in one of the server's roles but public. */
struct member {
    struct qr_str name;
    uint32_t roles;
    bool found;
};

static enum qr_status look_at_login(void *ctx, const struct qr_login_seen *seen)
{
    struct member *member = ctx;
    if (qr_str_ieq(seen->name, member->name)) {
        member->found = true;
        member->roles = seen->roles;
    }
    return QR_OK;
}

/* Of who may see logins; to others it is as if there was none of that name. */
static enum qr_status another_in_role(struct qri_host_call *h, struct qr_str name,
                                      enum qr_server_role role)
{
    const struct qr_instance_host *host = &h->session->db->instance->options.host;
    struct member member = {.name = name};
    if (host->each_login == NULL || !qri_sees_logins(h->session) ||
        host->each_login(host->ctx, h->session->db->info.server_id, look_at_login, &member) !=
            QR_OK ||
        !member.found)
        return qri_host_null(h);
    return qri_host_int(h, (member.roles >> role & 1) != 0);
}

static enum qr_status is_srvrolemember(struct qri_host_call *h)
{
    static const char *const roles[] = {"sysadmin",    "dbcreator",    "bulkadmin",
                                        "diskadmin",   "processadmin", "securityadmin",
                                        "serveradmin", "setupadmin",   "public"};
    struct qr_str login = qr_str_trim(qri_host_arg_text(h, 1));
    enum qr_server_role role;
    bool is_own = h->arg_count <= 1 || qr_str_ieq(login, h->session->login.login);
    if (qri_server_role_find(qr_str_trim(qri_host_arg_text(h, 0)), &role))
        return is_own ? qri_host_int(h, qri_has_server_role(h->session, role))
                      : another_in_role(h, login, role);
    if (!is_own)
        return qri_host_null(h);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (qr_str_ieqz(qr_str_trim(qri_host_arg_text(h, 0)), roles[i]))
            return qri_host_int(h, qr_str_ieqz(qr_str(roles[i]), "public") ? 1 : 0);
    return qri_host_null(h);
}

/* ---- HAS_PERMS_BY_NAME ---- */

/* What a name of a class is; its kind is what permissions are asked by. */
struct securable {
    enum qr_perm_kind kind;
    const struct qr_cat_object *object;
    const struct qr_cat_schema *schema;
    const struct qr_cat_usertype *type;
    const struct qri_principal *principal;
    bool is_system; /* an object of the system: everybody reads it */
};

static bool kind_of(struct qr_str class_name, enum qr_perm_kind *ret_kind)
{
    for (int kind = 0; kind < QR_KIND_COUNT; kind++) {
        *ret_kind = (enum qr_perm_kind)kind;
        if (qr_str_ieqz(class_name, qr_perm_kind_name((enum qr_perm_kind)kind)))
            return true;
    }
    return false;
}

static bool find_object(const struct qri_host_call *h, struct qr_str text, struct securable *s)
{
    s->object = qri_host_object(h, text);
    if (s->object != NULL && s->object->type == QR_CAT_SYSTEM_VIEW)
        s->is_system = true;
    return s->object != NULL;
}

static bool find_securable(const struct qri_host_call *h, struct qr_str text, struct securable *s)
{
    const struct qri_catalog *c = h->session->catalog;
    struct qr_ast_name name;
    if (s->kind == QR_KIND_OBJECT)
        return find_object(h, text, s);
    if (qri_name_parse(h->eval->arena, text, &name, NULL) != QR_OK)
        return false;
    struct qr_str last = name.parts[name.count - 1].text;
    switch (s->kind) {
    case QR_KIND_DATABASE:
        return qr_str_ieq(last, c->cat.database_name);
    case QR_KIND_SCHEMA:
        s->schema = qr_cat_schema_find(&c->cat, last);
        return s->schema != NULL && qri_sees_schema(h->session, s->schema);
    case QR_KIND_ROLE:
    case QR_KIND_USER:
    case QR_KIND_APPLICATION_ROLE:
        s->principal = by_name(h, last);
        return s->principal != NULL && (s->principal->type == 'R') == (s->kind == QR_KIND_ROLE);
    case QR_KIND_TYPE:
        s->type = qri_host_usertype(h, &name);
        return s->type != NULL && qri_sees_type(h->session, s->type);
    case QR_KIND_OBJECT:
    case QR_KIND_COUNT:
        break;
    }
    return false;
}

/* What can be said of an object of that type: a procedure is not read from, a table not executed.
 */
static bool fits_object(const struct qr_cat_object *object, enum qr_perm perm)
{
    bool is_called = object->type == QR_CAT_PROC || object->type == QR_CAT_FN_SCALAR;
    bool has_rows = object->type == QR_CAT_TABLE || object->type == QR_CAT_VIEW ||
                    object->type == QR_CAT_SYSTEM_VIEW || object->type == QR_CAT_SYNONYM;
    switch ((int)perm) {
    case QR_MAY_EXECUTE:
        return is_called || object->type == QR_CAT_SYNONYM;
    case QR_MAY_SELECT:
    case QR_MAY_INSERT:
    case QR_MAY_DELETE:
        return has_rows || object->type == QR_CAT_FN_INLINE || object->type == QR_CAT_FN_TABLE;
    case QR_MAY_UPDATE:
        return has_rows || object->type == QR_CAT_FN_INLINE || object->type == QR_CAT_FN_TABLE ||
               object->type == QR_CAT_SEQUENCE;
    case QR_MAY_RECEIVE:
        return false;
    default:
        return true;
    }
}

static bool has_perm(const struct qr_session *session, const struct securable *s,
                     uint32_t column_id, enum qr_perm perm)
{
    if (!qr_perm_applies(s->kind, perm))
        return false;
    if (s->is_system)
        return perm == QR_MAY_SELECT;
    switch (s->kind) {
    case QR_KIND_DATABASE:
        return qri_may_database(session, perm);
    case QR_KIND_OBJECT:
        return fits_object(s->object, perm) && qri_may_column(session, s->object, column_id, perm);
    case QR_KIND_SCHEMA:
        return qri_may_schema(session, s->schema->schema_id, perm);
    case QR_KIND_ROLE:
    case QR_KIND_USER:
    case QR_KIND_APPLICATION_ROLE:
        return qri_may_principal(session, s->principal, perm);
    case QR_KIND_TYPE:
        return qri_may_type(session, s->type, perm);
    case QR_KIND_COUNT:
        break;
    }
    return false;
}

static bool has_any(const struct qr_session *session, const struct securable *s, uint32_t column_id)
{
    for (int perm = QR_MAY_NOTHING + 1; perm < QR_MAY_COUNT; perm++)
        if (has_perm(session, s, column_id, (enum qr_perm)perm))
            return true;
    return false;
}

static enum qr_status server_perm(struct qri_host_call *h, struct qr_str perm)
{
    static const char *const names[] = {
        "ANY",
        "CONNECT SQL",
        "VIEW ANY DATABASE",
        "ADMINISTER BULK OPERATIONS",
        "ALTER ANY DATABASE",
        "ALTER ANY LOGIN",
        "ALTER SERVER STATE",
        "CONNECT ANY DATABASE",
        "CONTROL SERVER",
        "CREATE ANY DATABASE",
        "CREATE LOGIN",
        "VIEW ANY DEFINITION",
        "VIEW ANY SECURITY DEFINITION",
        "VIEW SERVER STATE",
        "VIEW SERVER PERFORMANCE STATE",
        "VIEW SERVER SECURITY STATE",
    };
    enum { OF_EVERYBODY = 3 };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (qr_str_ieqz(perm, names[i]))
            return qri_host_int(h, i < OF_EVERYBODY || qri_may_on_server(h->session, perm));
    return qri_host_null(h);
}

static enum qr_status has_perms_by_name(struct qri_host_call *h)
{
    struct qr_str text = qr_str_trim(qri_host_arg_text(h, 0));
    struct qr_str class_name = qr_str_trim(qri_host_arg_text(h, 1));
    struct qr_str perm_name = qr_str_trim(qri_host_arg_text(h, 2));
    struct securable s = {.kind = QR_KIND_DATABASE};
    if (class_name.n == 0 || qr_str_ieqz(class_name, "SERVER"))
        return text.n > 0 ? qri_host_null(h) : server_perm(h, perm_name);
    if (!kind_of(class_name, &s.kind))
        return qri_host_null(h);
    bool is_here = s.kind == QR_KIND_DATABASE && text.n == 0;
    if (!is_here && !find_securable(h, text, &s))
        return qri_host_null(h);
    uint32_t column_id = 0;
    struct qr_str column = qr_str_trim(qri_host_arg_text(h, 3));
    if (column.n > 0) {
        struct qr_ast_name name;
        const struct qr_cat_column *found = NULL;
        if (s.object != NULL && qri_name_parse(h->eval->arena, column, &name, NULL) == QR_OK)
            found = qr_cat_column_find(s.object, name.parts[name.count - 1].text);
        if (found == NULL)
            return qri_host_null(h);
        column_id = found->column_id;
    }
    if (qr_str_ieqz(perm_name, "ANY"))
        return qri_host_int(h, has_any(h->session, &s, column_id));
    enum qr_perm perm = qr_perm_by_name(perm_name);
    if (perm == QR_MAY_NOTHING || !qr_perm_applies(s.kind, perm))
        return qri_host_null(h);
    return qri_host_int(h, has_perm(h->session, &s, column_id, perm));
}

static qri_host_fn *const functions[QR_HOST_COUNT] = {
    [QR_HOST_CURRENT_USER] = user_name,
    [QR_HOST_SESSION_USER] = user_name,
    [QR_HOST_USER] = user_name,
    [QR_HOST_USER_NAME] = user_name,
    [QR_HOST_USER_ID] = user_id,
    [QR_HOST_DATABASE_PRINCIPAL_ID] = user_id,
    [QR_HOST_SYSTEM_USER] = suser_name,
    [QR_HOST_SUSER_NAME] = suser_name,
    [QR_HOST_SUSER_SNAME] = suser_sname,
    [QR_HOST_ORIGINAL_LOGIN] = original_login,
    [QR_HOST_SUSER_ID] = suser_id,
    [QR_HOST_SUSER_SID] = suser_sid,
    [QR_HOST_IS_MEMBER] = is_member,
    [QR_HOST_IS_ROLEMEMBER] = is_rolemember,
    [QR_HOST_IS_SRVROLEMEMBER] = is_srvrolemember,
    [QR_HOST_HAS_PERMS_BY_NAME] = has_perms_by_name,
};

qri_host_fn *qri_hostfn_principal(enum qr_host_func func)
{
    return functions[func];
}
