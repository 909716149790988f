/* ddl_approle.c - CREATE, ALTER, DROP APPLICATION ROLE; see ddl_principal_int.h. Who knows its
 * password becomes it (sysproc_approle.c); nobody comes in as one. */
#include "ddl_principal_int.h"
#include "base/sqlmsg.h"
#include "password/password.h"
#include "base/banned.h"

/* What WITH says; p NULL: not said. */
struct said {
    struct qr_str name, password, default_schema;
};

static enum qr_status read_options(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                                   struct said *ret, struct qr_err *err)
{
    bool creates = ast->action == QR_ACTION_CREATE;
    for (size_t i = 0; i < ast->options.count; i++) {
        const struct qr_ast_option *o = &ast->options.items[i];
        struct qr_str *to = qr_str_ieqz(o->name, "PASSWORD")           ? &ret->password
                            : qr_str_ieqz(o->name, "DEFAULT_SCHEMA")   ? &ret->default_schema
                            : qr_str_ieqz(o->name, "NAME") && !creates ? &ret->name
                                                                       : NULL;
        if (to == NULL || (qri_principal_option(o).n == 0 && to != &ret->password))
            return qr_sql_fail(err, 102, qri_z(ddl->arena, o->name));
        *to = qri_principal_option(o);
    }
    return ast->options.count == 0 || (creates && ret->password.p == NULL)
               ? qr_sql_fail(err, 102, qri_z(ddl->arena, ast->name.text))
               : QR_OK;
}

static enum qr_status set_password(struct qri_ddl_stmt *s, struct qr_str password,
                                   struct qri_principal *p)
{
    char hash[QR_PASSWORD_HASH_BYTES];
    QR_TRY(qr_password_check_policy(password, p->name, s->err));
    QR_TRY(qr_password_hash(password, hash, s->err));
    p->password_hash = qr_arena_str(s->arena, qr_str(hash));
    return p->password_hash.p == NULL ? qr_fail(s->err, QR_NOMEM, "application role") : QR_OK;
}

static enum qr_status create(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                             struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct said said = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!qri_ddl_may_database(ddl, QR_MAY_ALTER_ANY_APPLICATION_ROLE))
        return qr_sql_fail(err, 15247);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    QR_TRY(read_options(ddl, ast, &said, err));
    if (qri_principal_by_name(*ddl->main, ast->name.text) != NULL)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, ast->name.text));
    struct qri_principal p = {.principal_id = qri_new_principal_id(*ddl->main),
                              .name = ast->name.text,
                              .type = 'A',
                              .default_schema = said.default_schema.p != NULL ? said.default_schema
                                                                              : qr_str("dbo"),
                              .sid = qri_new_sid(ddl, true),
                              .create_ticks = ddl->now_ticks,
                              .modify_ticks = ddl->now_ticks};
    QR_TRY(set_password(&s, said.password, &p));
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

static enum qr_status alter(struct qri_ddl *ddl, const struct qr_ast_principal *ast,
                            struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct said said = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    QR_TRY(read_options(ddl, ast, &said, err));
    const struct qri_principal *old = qri_principal_by_name(*ddl->main, ast->name.text);
    if (old == NULL || old->type != 'A' || !qri_ddl_may_principal(ddl, old, QR_MAY_ALTER))
        return qr_sql_fail(err, 15151, "alter", "application role",
                           qri_z(ddl->arena, ast->name.text));
    struct qri_principal p = *old;
    const struct qri_principal *other =
        said.name.p == NULL ? NULL : qri_principal_by_name(*ddl->main, said.name);
    if (other != NULL && other != old)
        return qr_sql_fail(err, 15023, qri_z(ddl->arena, said.name));
    p.name = said.name.p != NULL ? said.name : p.name;
    p.default_schema = said.default_schema.p != NULL ? said.default_schema : p.default_schema;
    p.modify_ticks = ddl->now_ticks;
    if (said.password.p != NULL)
        QR_TRY(set_password(&s, said.password, &p));
    QR_TRY(qri_change_put_principal(&s.change, &p, err));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_approle(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                               struct qr_err *err)
{
    const struct qr_ast_principal *ast = (const struct qr_ast_principal *)stmt;
    return ast->action == QR_ACTION_CREATE ? create(ddl, ast, err) : alter(ddl, ast, err);
}

enum qr_status qri_ddl_drop_approle(struct qri_ddl *ddl, struct qr_str name, bool if_exists,
                                    struct qr_err *err)
{
    struct qri_ddl_stmt s;
    const char *z = qri_z(ddl->arena, name);
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qri_principal *p = qri_principal_by_name(*ddl->main, name);
    if ((p == NULL || p->type != 'A') && if_exists)
        return QR_OK;
    if (p == NULL || p->type != 'A' ||
        !qri_ddl_may_database(ddl, QR_MAY_ALTER_ANY_APPLICATION_ROLE))
        return qr_sql_fail(err, 15151, "drop", "application role", z);
    QR_TRY(qri_refuse_drop(&s, p));
    QR_TRY(qri_drop_rights_of(&s, p));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_PRINCIPAL, p->principal_id, err));
    return qri_ddl_commit(&s);
}
