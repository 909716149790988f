/* ddl_principal.c - users of a database; see ddl_principal_int.h. Logins are the server's.
 *
 * A user is known by a login's SID, or by a password of his own, or by nobody: WITHOUT LOGIN. */
#include "ddl_principal_int.h"
#include "base/sqlmsg.h"
#include "login_int.h"
#include "expr/language.h"
#include "password/password.h"
#include "base/banned.h"

/* What WITH says; p NULL: not said. */
struct user_options {
    struct qr_str name, default_schema, login, password, old_password, language, sid;
    bool has_encrypted, encrypted;
};

struct qr_str qri_principal_option(const struct qr_ast_option *o)
{
    if (o->value != NULL && o->value->kind == QR_AE_LITERAL)
        return ((const struct qr_ast_literal *)o->value)->text;
    if (o->value != NULL && o->value->kind == QR_AE_COLUMN)
        return ((const struct qr_ast_column *)o->value)->name.parts[0].text;
    return qr_str("");
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* SID = 0x... */
static enum qr_status sid_of(struct qri_ddl *ddl, const struct qr_ast_option *o, struct qr_str *ret,
                             struct qr_err *err)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)o->value;
    if (o->value == NULL || o->value->kind != QR_AE_LITERAL || literal->literal != QR_LIT_BINARY)
        return qr_sql_fail(err, 102, qri_z(ddl->arena, o->name));
    struct qr_str digits = literal->text;
    char *bytes = qr_arena_alloc(ddl->arena, digits.n / 2 + 1);
    if (bytes == NULL)
        return qr_fail(err, QR_NOMEM, "user");
    if (digits.n == 0 || digits.n % 2 != 0 || digits.n / 2 > QR_SID_BYTES_MAX)
        return qr_sql_fail(err, 15419);
    for (size_t i = 0; i < digits.n / 2; i++)
        bytes[i] = (char)(digit_of(digits.p[2 * i]) << 4 | digit_of(digits.p[2 * i + 1]));
    *ret = qr_str_n(bytes, digits.n / 2);
    return QR_OK;
}

/* NONE, a name, an alias or an LCID; its name. */
static enum qr_status language_of(struct qri_ddl *ddl, struct qr_str said, struct qr_str *ret,
                                  struct qr_err *err)
{
    *ret = qr_str("");
    if (qr_str_ieqz(said, "NONE"))
        return QR_OK;
    const struct qr_language *l = qr_language_find(said);
    int lcid = 0;
    for (size_t i = 0; i < said.n && lcid < 1 << 20 && digit_of(said.p[i]) >= 0; i++)
        lcid = 10 * lcid + digit_of(said.p[i]);
    for (size_t i = 0; l == NULL && lcid > 0 && qr_language_at(i) != NULL; i++)
        if (qr_language_at(i)->lcid == lcid)
            l = qr_language_at(i);
    if (l == NULL)
        return qr_sql_fail(err, 15033, qri_z(ddl->arena, said));
    *ret = qr_str(l->name);
    return QR_OK;
}

static enum qr_status read_options(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                                   struct user_options *ret, struct qr_err *err)
{
    struct qr_str name;
    for (size_t i = 0; i < ast->options.count; i++) {
        const struct qr_ast_option *o = &ast->options.items[i];
        if (qr_str_ieqz(o->name, "DEFAULT_SCHEMA"))
            ret->default_schema = qri_principal_option(o);
        else if (qr_str_ieqz(o->name, "NAME"))
            ret->name = qri_principal_option(o);
        else if (qr_str_ieqz(o->name, "LOGIN"))
            ret->login = qri_principal_option(o);
        else if (qr_str_ieqz(o->name, "PASSWORD"))
            ret->password = qri_principal_option(o);
        else if (qr_str_ieqz(o->name, "OLD_PASSWORD"))
            ret->old_password = qri_principal_option(o);
        else if (qr_str_ieqz(o->name, "SID"))
            QR_TRY(sid_of(ddl, o, &ret->sid, err));
        else if (qr_str_ieqz(o->name, "DEFAULT_LANGUAGE")) {
            name = qri_principal_option(o);
            QR_TRY(language_of(ddl, name, &ret->language, err));
        } else if (qr_str_ieqz(o->name, "ALLOW_ENCRYPTED_VALUE_MODIFICATIONS")) {
            ret->has_encrypted = true;
            ret->encrypted = qr_str_ieqz(o->word, "ON");
        } else {
            return qr_sql_fail(err, 40510, qri_z(ddl->arena, o->name));
        }
        if (o->value != NULL && qri_principal_option(o).n == 0 && !qr_str_ieqz(o->name, "PASSWORD"))
            return qr_sql_fail(err, 102, qri_z(ddl->arena, o->name));
    }
    return QR_OK;
}

/* ---- how he is known ---- */

static enum qr_status set_login(struct qri_ddl_stmt *s, struct qr_str login,
                                struct qri_principal *p)
{
    const struct qr_database *db = qri_ddl_session(s->ddl)->db;
    const struct qr_instance_host *host = &db->instance->options.host;
    uint8_t sid[QR_SID_BYTES_MAX];
    size_t bytes = 0;
    enum qr_status status =
        host->find_login == NULL
            ? QR_NOT_FOUND
            : host->find_login(host->ctx, db->info.server_id, login, sid, &bytes, s->err);
    if (status == QR_NOT_FOUND || (status == QR_OK && bytes == 0)) {
        qr_err_reset(s->err);
        return qr_sql_fail(s->err, 15007, qri_z(s->arena, login));
    }
    QR_TRY(status);
    p->login = login;
    p->sid = qr_str_n(qr_arena_dup(s->arena, sid, bytes), bytes);
    if (p->sid.p == NULL)
        return qr_fail(s->err, QR_NOMEM, "user");
    const struct qri_principal *other = qri_principal_by_sid(*s->catalog, p->sid);
    if (other != NULL && other->principal_id != p->principal_id)
        return qr_sql_fail(s->err, 15063);
    return QR_OK;
}

static enum qr_status set_password(struct qri_ddl_stmt *s, struct qr_str password,
                                   struct qri_principal *p)
{
    char hash[QR_PASSWORD_HASH_BYTES];
    _Static_assert((int)QR_PASSWORD_HASH_BYTES <= (int)QR_USER_HASH_BYTES, "it is read whole");
    QR_TRY(qr_password_check_policy(password, p->name, s->err));
    QR_TRY(qr_password_hash(password, hash, s->err));
    p->password_hash = qr_arena_str(s->arena, qr_str(hash));
    return p->password_hash.p == NULL ? qr_fail(s->err, QR_NOMEM, "user") : QR_OK;
}

/* A user who was made by an earlier version has no row that says so. */
static enum qr_status let_connect(struct qri_ddl_stmt *s, uint32_t user_id)
{
    const struct qri_catalog *c = *s->catalog;
    const struct qr_perm_row row = {.on = QR_ON_DATABASE,
                                    .state = QR_PERM_GRANT,
                                    .perm = QR_MAY_CONNECT,
                                    .grantee_id = user_id,
                                    .grantor_id = QR_PRINCIPAL_DBO};
    for (size_t i = 0; i < c->permission_count; i++)
        if (c->permissions[i].row.grantee_id == user_id &&
            c->permissions[i].row.perm == QR_MAY_CONNECT)
            return QR_OK;
    return qri_put_right(s, &row);
}

/* ---- CREATE USER ---- */

static enum qr_status make_known(struct qri_ddl_stmt *s, const struct qr_ast_principal *ast,
                                 const struct user_options *o, struct qri_principal *p)
{
    struct qr_str login = ast->for_login.text.n > 0 ? ast->for_login.text : ast->name.text;
    if (o->password.p != NULL && qri_in_master(qri_ddl_session(s->ddl)))
        return qr_sql_fail(s->err, 33233);
    if (o->password.p != NULL && (ast->without_login || ast->for_login.text.n > 0))
        return qr_sql_fail(s->err, 102, "PASSWORD");
    if (o->password.p != NULL)
        QR_TRY(set_password(s, o->password, p));
    else if (!ast->without_login)
        return set_login(s, login, p);
    p->sid = o->sid.n > 0 ? o->sid : qri_new_sid(s->ddl, false);
    if (p->sid.p == NULL)
        return qr_fail(s->err, QR_NOMEM, "user");
    return qri_principal_by_sid(*s->catalog, p->sid) != NULL ? qr_sql_fail(s->err, 15433) : QR_OK;
}

static enum qr_status create_user(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                                  struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct user_options o = {0};
    if (!qri_ddl_may_database(ddl, QR_MAY_CREATE_USER))
        return qr_sql_fail(err, 15247);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    QR_TRY(read_options(ddl, ast, &o, err));
    if (o.name.p != NULL || o.login.p != NULL || o.old_password.p != NULL)
        return qr_sql_fail(err, 102,
                           o.name.p != NULL    ? "NAME"
                           : o.login.p != NULL ? "LOGIN"
                                               : "OLD_PASSWORD");
    if (qri_principal_by_name(*ddl->main, ast->name.text) != NULL)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, ast->name.text));
    struct qri_principal p = {.principal_id = qri_new_principal_id(*ddl->main),
                              .name = ast->name.text,
                              .type = 'S',
                              .default_schema =
                                  o.default_schema.p != NULL ? o.default_schema : qr_str("dbo"),
                              .default_language = o.language,
                              .is_encrypted_writer = o.encrypted,
                              .create_ticks = ddl->now_ticks,
                              .modify_ticks = ddl->now_ticks};
    QR_TRY(make_known(&s, ast, &o, &p));
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    QR_TRY(let_connect(&s, p.principal_id));
    return qri_ddl_commit(&s);
}

/* ---- ALTER USER ---- */

/* Whoever could come in as such a user would have all of the database. */
static bool has_control(const struct qri_ddl *ddl, const struct qri_principal *p)
{
    const struct qr_perm_securable database = {.kind = QR_KIND_DATABASE,
                                               .owner_id = QR_PRINCIPAL_DBO};
    const struct qri_catalog *c = *ddl->main;
    struct qr_perm_token token;
    struct qr_err ignored = {0};
    return qr_perm_token_make(ddl->arena, p->principal_id, c->members, c->member_count, &token,
                              &ignored) != QR_OK ||
           qr_perm_ask(c->book, &token, &database, 0, QR_MAY_CONTROL) == QR_PERM_ALLOWED;
}

/* Schema and language are his own to choose. */
static bool is_his_choice(const struct qri_ddl *ddl, const struct qri_principal *p,
                          const struct user_options *o, size_t count)
{
    return p->principal_id == qri_access_user(qri_ddl_session(ddl)) &&
           (size_t)(o->default_schema.p != NULL) + (o->language.p != NULL) == count;
}

/* Who may not alter users may give himself another password if he knows his own. */
static bool may_alter(const struct qri_ddl *ddl, const struct qri_principal *p,
                      const struct user_options *o, size_t count)
{
    bool knows = o->old_password.p != NULL && p->password_hash.n > 0 &&
                 qr_password_is_right(qri_z(ddl->arena, p->password_hash), o->old_password);
    if (o->old_password.p != NULL && !knows)
        return false;
    if (o->login.p != NULL && !qri_ddl_may_database(ddl, QR_MAY_CONTROL))
        return false;
    if (o->name.p != NULL && !qri_ddl_may_database(ddl, QR_MAY_ALTER_ANY_USER))
        return false;
    if (is_his_choice(ddl, p, o, count))
        return true;
    bool as_another = o->name.p != NULL || o->password.p != NULL;
    if (qri_ddl_may_principal(ddl, p, QR_MAY_ALTER) &&
        (!as_another || qri_ddl_may_database(ddl, QR_MAY_CONTROL) || !has_control(ddl, p)))
        return true;
    return knows && o->password.p != NULL && count == 2 &&
           p->principal_id == qri_access_user(qri_ddl_session(ddl));
}

static enum qr_status alter_known(struct qri_ddl_stmt *s, const struct user_options *o,
                                  struct qri_principal *p)
{
    if (o->login.p != NULL) {
        if (p->password_hash.n > 0)
            return qr_sql_fail(s->err, 33234, "LOGIN");
        QR_TRY(set_login(s, o->login, p));
        QR_TRY(let_connect(s, p->principal_id));
    }
    if (o->password.p == NULL)
        return QR_OK;
    if (p->password_hash.n == 0)
        return qr_sql_fail(s->err, 33234, "PASSWORD");
    return set_password(s, o->password, p);
}

static enum qr_status alter_user(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                                 struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct user_options o = {0};
    const char *name = qri_z(ddl->arena, ast->name.text);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    QR_TRY(read_options(ddl, ast, &o, err));
    const struct qri_principal *old = qri_principal_by_name(*ddl->main, ast->name.text);
    if (old == NULL || old->type != 'S' || !may_alter(ddl, old, &o, ast->options.count))
        return qr_sql_fail(err, 15151, "alter", "user", name);
    if (old->principal_id < QR_PRINCIPAL_FIRST_USER)
        return qr_sql_fail(err, 15150, "alter", "user", name);
    if (o.sid.p != NULL)
        return qr_sql_fail(err, 102, "SID");
    struct qri_principal p = *old;
    const struct qri_principal *other =
        o.name.p == NULL ? NULL : qri_principal_by_name(*ddl->main, o.name);
    if (other != NULL && other != old)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, o.name));
    p.name = o.name.p != NULL ? o.name : p.name;
    p.default_schema = o.default_schema.p != NULL ? o.default_schema : p.default_schema;
    p.default_language = o.language.p != NULL ? o.language : p.default_language;
    p.is_encrypted_writer = o.has_encrypted ? o.encrypted : p.is_encrypted_writer;
    p.modify_ticks = ddl->now_ticks;
    QR_TRY(alter_known(&s, &o, &p));
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

/* ---- statements ---- */

enum qr_status qri_ddl_principal(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                 struct qr_err *err)
{
    const struct qr_ast_principal *ast = (const struct qr_ast_principal *)stmt;
    if (qr_str_ieqz(ast->principal_class, "ROLE"))
        return qri_ddl_role(ddl, stmt, err);
    if (qr_str_ieqz(ast->principal_class, "APPLICATION ROLE"))
        return qri_ddl_approle(ddl, stmt, err);
    if (!qr_str_ieqz(ast->principal_class, "USER"))
        return qr_sql_fail(err, 40510, qri_z(ddl->arena, ast->principal_class));
    if (ast->from_what.n > 0 || ast->from_external) {
        const char *what = qr_arena_printf(ddl->arena, "FROM %.*s", (int)ast->from_what.n,
                                           ast->from_what.n == 0 ? "" : ast->from_what.p);
        return qr_sql_fail(err, 40510, what == NULL ? "FROM" : what);
    }
    return ast->action == QR_ACTION_CREATE ? create_user(ddl, ast, err) : alter_user(ddl, ast, err);
}

static enum qr_status drop_user(struct qri_ddl *ddl, struct qr_str name, bool if_exists,
                                struct qr_err *err)
{
    struct qri_ddl_stmt s;
    const char *z = qri_z(ddl->arena, name);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qri_principal *p = qri_principal_by_name(*ddl->main, name);
    if (p == NULL || p->type != 'S')
        return if_exists ? QR_OK : qr_sql_fail(err, 15151, "drop", "user", z);
    if (!qri_ddl_may_database(ddl, QR_MAY_ALTER_ANY_USER))
        return qr_sql_fail(err, 15151, "drop", "user", z);
    if (p->principal_id < QR_PRINCIPAL_FIRST_USER)
        return qr_sql_fail(err, 15150, "drop", "user", z);
    QR_TRY(qri_refuse_drop(&s, p));
    QR_TRY(qri_drop_rights_of(&s, p));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_PRINCIPAL, p->principal_id, err));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_drop_principal(struct qri_ddl *ddl, const struct qr_ast_drop_item *item,
                                      struct qr_str object_class, bool if_exists,
                                      struct qr_err *err)
{
    struct qr_str name = item->name.parts[item->name.count - 1].text;
    if (qr_str_ieqz(object_class, "APPLICATION ROLE"))
        return qri_ddl_drop_approle(ddl, name, if_exists, err);
    return qr_str_ieqz(object_class, "ROLE") ? qri_ddl_drop_role(ddl, name, if_exists, err)
                                             : drop_user(ddl, name, if_exists, err);
}
