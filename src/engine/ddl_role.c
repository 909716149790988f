/* ddl_role.c - roles of a database and their members; see ddl_principal_int.h. */
#include "ddl_principal_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* ---- members ---- */

static bool is_special(const struct qri_principal *p)
{
    return p->principal_id < QR_PRINCIPAL_FIRST_USER && p->principal_id != QR_PRINCIPAL_GUEST;
}

static bool is_in(const struct qri_principal *p, uint32_t role_id)
{
    for (size_t i = 0; i < p->member_count; i++)
        if (p->member_of[i] == role_id)
            return true;
    return false;
}

/* 15413: the role is, through other roles too, a member of the one that is to be its member. */
static enum qr_status refuse_circle(struct qri_ddl_stmt *s, const struct qri_principal *role,
                                    const struct qri_principal *member)
{
    const struct qri_catalog *c = *s->catalog;
    struct qr_perm_token token;
    QR_TRY(qr_perm_token_make(s->arena, role->principal_id, c->members, c->member_count, &token,
                              s->err));
    return qr_perm_token_has(&token, member->principal_id) ? qr_sql_fail(s->err, 15413) : QR_OK;
}

static bool may_change_members(const struct qri_ddl *ddl, const struct qri_principal *role)
{
    const struct qr_session *session = qri_ddl_session(ddl);
    if (role->is_fixed_role)
        return session->is_owner || qr_perm_token_has(&session->context_now->token, QR_ROLE_OWNER);
    return qri_ddl_may_principal(ddl, role, QR_MAY_ALTER);
}

static enum qr_status change_member(struct qri_ddl *ddl, const struct qri_principal *role,
                                    struct qr_str name, bool add, struct qr_err *err)
{
    struct qri_ddl_stmt s;
    const char *z = qri_z(ddl->arena, name);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    if (role->principal_id == QR_PRINCIPAL_PUBLIC)
        return qr_sql_fail(err, 15081);
    if (!may_change_members(ddl, role))
        return qr_sql_fail(err, 15151, "alter", "role", qri_z(ddl->arena, role->name));
    const struct qri_principal *member = qri_principal_by_name(*ddl->main, name);
    if (member == NULL || member->type == 'A')
        return qr_sql_fail(err, 15151, add ? "add" : "drop", "principal", z);
    if (is_special(member) || member->is_fixed_role)
        return qr_sql_fail(err, 15405, z);
    if (add)
        QR_TRY(refuse_circle(&s, role, member));
    if (is_in(member, role->principal_id) == add)
        return QR_OK;
    struct qri_principal p = *member;
    p.member_of = qr_arena_array(s.arena, p.member_count + 1, sizeof *p.member_of);
    if (p.member_of == NULL)
        return qr_fail(err, QR_NOMEM, "role");
    p.member_count = 0;
    for (size_t i = 0; i < member->member_count; i++)
        if (member->member_of[i] != role->principal_id)
            p.member_of[p.member_count++] = member->member_of[i];
    if (add)
        p.member_of[p.member_count++] = role->principal_id;
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

/* ---- CREATE, ALTER, DROP ROLE ---- */

static enum qr_status create_role(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                                  struct qr_err *err)
{
    struct qri_ddl_stmt s;
    const struct qri_principal *owner = NULL;
    if (!qri_ddl_may_database(ddl, QR_MAY_CREATE_ROLE))
        return qr_sql_fail(err, 15247);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    if (ast->options.count > 0)
        return qr_sql_fail(err, 102, "WITH");
    if (qri_principal_by_name(*ddl->main, ast->name.text) != NULL)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, ast->name.text));
    if (ast->authorization.text.n > 0)
        QR_TRY(qri_find_new_owner(ddl, ast->authorization.text, &owner, err));
    struct qri_principal p = {.principal_id = qri_new_principal_id(*ddl->main),
                              .name = ast->name.text,
                              .type = 'R',
                              .owning_principal_id = owner != NULL
                                                         ? owner->principal_id
                                                         : qri_access_user(qri_ddl_session(ddl)),
                              .sid = qri_new_sid(ddl, true),
                              .create_ticks = ddl->now_ticks,
                              .modify_ticks = ddl->now_ticks};
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

/* WITH NAME = n */
static enum qr_status rename_role(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                                  const struct qri_principal *role, struct qr_err *err)
{
    struct qri_ddl_stmt s;
    const struct qr_ast_option *o = &ast->options.items[0];
    const char *z = qri_z(ddl->arena, role->name);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    if (!qri_ddl_may_principal(ddl, role, QR_MAY_ALTER))
        return qr_sql_fail(err, 15151, "alter", "role", z);
    if (role->is_fixed_role || role->principal_id == QR_PRINCIPAL_PUBLIC)
        return qr_sql_fail(err, 15150, "alter", "role", z);
    if (ast->options.count != 1 || !qr_str_ieqz(o->name, "NAME") || o->value == NULL ||
        o->value->kind != QR_AE_COLUMN)
        return qr_sql_fail(err, 102, qri_z(ddl->arena, o->name));
    struct qri_principal p = *role;
    p.name = ((const struct qr_ast_column *)o->value)->name.parts[0].text;
    p.modify_ticks = ddl->now_ticks;
    const struct qri_principal *other = qri_principal_by_name(*ddl->main, p.name);
    if (other != NULL && other != role)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, p.name));
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_role(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    const struct qr_ast_principal *ast = (const struct qr_ast_principal *)stmt;
    if (ast->action == QR_ACTION_CREATE)
        return create_role(ddl, ast, err);
    const struct qri_principal *role = qri_principal_by_name(*ddl->main, ast->name.text);
    if (role == NULL || role->type != 'R')
        return qr_sql_fail(err, 15151, "alter", "role", qri_z(ddl->arena, ast->name.text));
    if (ast->add_member.text.n > 0)
        return change_member(ddl, role, ast->add_member.text, true, err);
    if (ast->drop_member.text.n > 0)
        return change_member(ddl, role, ast->drop_member.text, false, err);
    return rename_role(ddl, ast, role, err);
}

enum qr_status qri_ddl_drop_role(struct qri_ddl *ddl, struct qr_str name, bool if_exists,
                                 struct qr_err *err)
{
    struct qri_ddl_stmt s;
    const char *z = qri_z(ddl->arena, name);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qri_catalog *c = *ddl->main;
    const struct qri_principal *p = qri_principal_by_name(c, name);
    if (p == NULL || p->type != 'R')
        return if_exists ? QR_OK : qr_sql_fail(err, 15151, "drop", "role", z);
    if (!qri_ddl_may_principal(ddl, p, QR_MAY_CONTROL) &&
        !qri_ddl_may_database(ddl, QR_MAY_ALTER_ANY_ROLE))
        return qr_sql_fail(err, 15151, "drop", "role", z);
    if (p->is_fixed_role || p->principal_id == QR_PRINCIPAL_PUBLIC)
        return qr_sql_fail(err, 15150, "drop", "role", z);
    for (size_t i = 0; i < c->member_count; i++)
        if (c->members[i].role_id == p->principal_id)
            return qr_sql_fail(err, 15144);
    QR_TRY(qri_refuse_drop(&s, p));
    QR_TRY(qri_drop_rights_of(&s, p));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_PRINCIPAL, p->principal_id, err));
    return qri_ddl_commit(&s);
}
