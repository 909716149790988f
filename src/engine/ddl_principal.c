/* ddl_principal.c - users and roles of a database; see ddl_int.h.
 *
 * Users and roles are kept and shown truly. Logins are the server's, permissions on objects are not
 * enforced yet: both answer with an error that names them, so that nobody relies on them. */
#include "ddl_int.h"
#include <assert.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

static const struct qri_principal *find(const struct qri_catalog *c, struct qr_str name)
{
    for (size_t i = 0; i < c->principal_count; i++)
        if (qr_str_ieq(c->principals[i].name, name))
            return &c->principals[i];
    return NULL;
}

static uint32_t free_id(const struct qri_catalog *c)
{
    uint32_t id = 5;
    for (size_t i = 0; i < c->principal_count; i++)
        if (c->principals[i].principal_id >= id && c->principals[i].principal_id < 16384)
            id = c->principals[i].principal_id + 1;
    return id;
}

static enum qr_status change_member(struct qri_ddl_stmt *s, const struct qri_principal *role,
                                    struct qr_str member, bool add)
{
    const struct qri_principal *found = find(*s->catalog, member);
    if (found == NULL)
        return qr_sql_fail(s->err, 15151, add ? "add" : "drop", "principal",
                           qri_z(s->arena, member));
    struct qri_principal p = *found;
    p.member_of = qr_arena_array(s->arena, p.member_count + 1, sizeof *p.member_of);
    if (p.member_of == NULL)
        return qr_fail(s->err, QR_NOMEM, "role");
    p.member_count = 0;
    for (size_t i = 0; i < found->member_count; i++)
        if (found->member_of[i] != role->principal_id)
            p.member_of[p.member_count++] = found->member_of[i];
    if (add)
        p.member_of[p.member_count++] = role->principal_id;
    return qri_change_put_principal(&s->change, &p, s->err);
}

static enum qr_status set_options(struct qri_ddl_stmt *s, const struct qr_ast_principal *ast,
                                  struct qri_principal *p)
{
    for (size_t i = 0; i < ast->options.count; i++) {
        const struct qr_ast_option *o = &ast->options.items[i];
        struct qr_str value = {NULL, 0};
        if (o->value != NULL && o->value->kind == QR_AE_LITERAL)
            value = ((const struct qr_ast_literal *)o->value)->text;
        else if (o->value != NULL && o->value->kind == QR_AE_COLUMN)
            value = ((const struct qr_ast_column *)o->value)->name.parts[0].text;
        if (qr_str_ieqz(o->name, "DEFAULT_SCHEMA"))
            p->default_schema = value;
        else if (qr_str_ieqz(o->name, "NAME"))
            p->name = value;
        else if (qr_str_ieqz(o->name, "LOGIN"))
            p->login = value;
        else if (qr_str_ieqz(o->name, "PASSWORD"))
            return qr_sql_fail(s->err, 40510, "contained users with passwords");
        else
            return qr_sql_fail(s->err, 40510, qri_z(s->arena, o->name));
    }
    return QR_OK;
}

enum qr_status qri_ddl_principal(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                 struct qr_err *err)
{
    const struct qr_ast_principal *ast = (const struct qr_ast_principal *)stmt;
    struct qri_ddl_stmt s;
    bool user = qr_str_ieqz(ast->principal_class, "USER");
    bool role = qr_str_ieqz(ast->principal_class, "ROLE");
    if (!user && !role)
        return qr_sql_fail(err, 40510, qri_z(ddl->arena, ast->principal_class));
    if (ast->from_external)
        return qr_sql_fail(err, 40510, "FROM EXTERNAL PROVIDER");
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qri_principal *old = find(*ddl->main, ast->name.text);
    if (ast->action == QR_ACTION_CREATE && old != NULL)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, ast->name.text));
    if (ast->action != QR_ACTION_CREATE && old == NULL)
        return qr_sql_fail(err, 15151, "alter", user ? "user" : "role",
                           qri_z(ddl->arena, ast->name.text));
    assert(old != NULL || (ast->add_member.text.n == 0 && ast->drop_member.text.n == 0));
    if (role && ast->add_member.text.n > 0) {
        QR_TRY(change_member(&s, old, ast->add_member.text, true));
        return qri_ddl_commit(&s);
    }
    if (role && ast->drop_member.text.n > 0) {
        QR_TRY(change_member(&s, old, ast->drop_member.text, false));
        return qri_ddl_commit(&s);
    }
    struct qri_principal p = {.name = ast->name.text,
                              .type = user ? 'S' : 'R',
                              .owning_principal_id = role ? 1 : 0,
                              .default_schema = user ? qr_str("dbo") : qr_str(""),
                              .login = ast->for_login.text,
                              .create_ticks = ddl->now_ticks};
    if (old != NULL)
        p = *old;
    else
        p.principal_id = free_id(*ddl->main);
    p.modify_ticks = ddl->now_ticks;
    QR_TRY(set_options(&s, ast, &p));
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_drop_principal(struct qri_ddl *ddl, const struct qr_ast_drop_item *item,
                                      struct qr_str object_class, bool if_exists,
                                      struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct qr_str name = item->name.parts[item->name.count - 1].text;
    bool user = qr_str_ieqz(object_class, "USER");
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qri_principal *p = find(*ddl->main, name);
    if (p == NULL || (p->type == 'R') == user)
        return if_exists ? QR_OK
                         : qr_sql_fail(err, 15151, "drop", user ? "user" : "role",
                                       qri_z(ddl->arena, name));
    if (p->is_fixed_role || p->principal_id < 5)
        return qr_sql_fail(err, 15150, "drop", user ? "user" : "role", qri_z(ddl->arena, name));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_PRINCIPAL, p->principal_id, err));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_permission(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                  struct qr_err *err)
{
    (void)ddl;
    static const char *const words[] = {[QR_PERMISSION_GRANT] = "GRANT",
                                        [QR_PERMISSION_DENY] = "DENY",
                                        [QR_PERMISSION_REVOKE] = "REVOKE"};
    return qr_sql_fail(err, 40510, words[((const struct qr_ast_permission *)stmt)->action]);
}

enum qr_status qri_ddl_authorization(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                     struct qr_err *err)
{
    (void)ddl;
    (void)stmt;
    return qr_sql_fail(err, 40510, "ALTER AUTHORIZATION");
}
