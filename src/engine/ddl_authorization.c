/* ddl_authorization.c - ALTER AUTHORIZATION: who owns it; see ddl_principal_int.h. */
#include "ddl_principal_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

struct authorization {
    struct qri_ddl_stmt s;
    const struct qr_ast_authorization *ast;
    const struct qri_principal *owner; /* NULL: SCHEMA OWNER */
};

static enum qr_status not_found(struct authorization *a, const char *noun)
{
    return qr_sql_fail(a->s.err, 15151, "find", noun,
                       qri_z(a->s.arena, a->ast->object.parts[a->ast->object.count - 1].text));
}

static enum qr_status may_take(struct authorization *a, const struct qr_perm_securable *what,
                               const char *noun)
{
    return qri_ddl_may(a->s.ddl, what, QR_MAY_TAKE_OWNERSHIP) ? QR_OK : not_found(a, noun);
}

static enum qr_status own_object(struct authorization *a)
{
    struct qri_target target;
    const struct qr_catalog *cat = &(*a->s.catalog)->cat;
    struct qr_err ignored = {0};
    if (qri_ddl_resolve(a->s.ddl, &a->ast->object, &target, &ignored) != QR_OK ||
        target.object == NULL || target.is_temp)
        return not_found(a, "object");
    struct qr_cat_object o = *target.object;
    if (o.parent_object_id != 0)
        return qr_sql_fail(a->s.err, 15346);
    struct qr_perm_securable what = qri_securable(cat, &o);
    QR_TRY(may_take(a, &what, "object"));
    o.owner_id = a->owner == NULL ? 0 : a->owner->principal_id;
    o.modify_ticks = a->s.ddl->now_ticks;
    QR_TRY(
        qri_hand_on_rights(&a->s, QR_ON_OBJECT, o.object_id, what.owner_id, qr_cat_owner(cat, &o)));
    return qri_change_put_object(&a->s.change, &o, a->s.err);
}

static enum qr_status own_type(struct authorization *a)
{
    struct qri_target target;
    const struct qr_catalog *cat = &(*a->s.catalog)->cat;
    struct qr_err ignored = {0};
    const struct qr_cat_usertype *found = NULL;
    if (qri_ddl_resolve(a->s.ddl, &a->ast->object, &target, &ignored) == QR_OK)
        found = qr_cat_usertype_find(cat, target.schema_id, target.name);
    if (found == NULL)
        return not_found(a, "type");
    struct qr_cat_usertype type = *found;
    struct qr_perm_securable what = qri_securable_type(cat, &type);
    QR_TRY(may_take(a, &what, "type"));
    type.owner_id = a->owner == NULL ? 0 : a->owner->principal_id;
    QR_TRY(qri_hand_on_rights(&a->s, QR_ON_TYPE, type.user_type_id, what.owner_id,
                              qri_securable_type(cat, &type).owner_id));
    return qri_change_put_usertype(&a->s.change, &type, a->s.err);
}

/* What is in it belongs to its owner, unless it has one of its own. */
static enum qr_status own_schema(struct authorization *a)
{
    const struct qr_catalog *cat = &(*a->s.catalog)->cat;
    const struct qr_cat_schema *found = qr_cat_schema_find(cat, a->ast->object.parts[0].text);
    if (found == NULL || a->ast->object.count != 1)
        return not_found(a, "schema");
    struct qr_cat_schema schema = *found;
    struct qr_perm_securable what = qri_securable_schema(&schema);
    QR_TRY(may_take(a, &what, "schema"));
    if (schema.schema_id < QR_SCHEMA_FIRST_USER)
        return qr_sql_fail(a->s.err, 15150, "alter", "schema", qri_z(a->s.arena, schema.name));
    uint32_t old = schema.principal_id;
    schema.principal_id = a->owner->principal_id;
    QR_TRY(qri_hand_on_rights(&a->s, QR_ON_SCHEMA, schema.schema_id, old, schema.principal_id));
    for (size_t i = 0; i < cat->object_count; i++)
        if (cat->objects[i]->schema_id == schema.schema_id && cat->objects[i]->owner_id == 0)
            QR_TRY(qri_hand_on_rights(&a->s, QR_ON_OBJECT, cat->objects[i]->object_id, old,
                                      schema.principal_id));
    for (size_t i = 0; i < cat->usertype_count; i++)
        if (cat->usertypes[i].schema_id == schema.schema_id && cat->usertypes[i].owner_id == 0)
            QR_TRY(qri_hand_on_rights(&a->s, QR_ON_TYPE, cat->usertypes[i].user_type_id, old,
                                      schema.principal_id));
    return qri_change_put_schema(&a->s.change, &schema, a->s.err);
}

static enum qr_status own_role(struct authorization *a)
{
    const struct qri_principal *found =
        qri_principal_by_name(*a->s.catalog, a->ast->object.parts[0].text);
    if (found == NULL || found->type != 'R' || a->ast->object.count != 1)
        return not_found(a, "role");
    struct qri_principal role = *found;
    struct qr_perm_securable what = qri_securable_principal(&role);
    QR_TRY(may_take(a, &what, "role"));
    if (role.is_fixed_role || role.principal_id == QR_PRINCIPAL_PUBLIC)
        return qr_sql_fail(a->s.err, 15150, "alter", "role", qri_z(a->s.arena, role.name));
    uint32_t old = role.owning_principal_id;
    role.owning_principal_id = a->owner->principal_id;
    role.modify_ticks = a->s.ddl->now_ticks;
    QR_TRY(qri_hand_on_rights(&a->s, QR_ON_PRINCIPAL, role.principal_id, old,
                              role.owning_principal_id));
    return qri_change_put_principal(&a->s.change, &role, a->s.err);
}

enum qr_status qri_ddl_authorization(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                     struct qr_err *err)
{
    static const struct {
        const char *word;
        enum qr_status (*own)(struct authorization *a);
        bool in_schema; /* SCHEMA OWNER can own it */
    } classes[] = {
        {"OBJECT", own_object, true},
        {"TYPE", own_type, true},
        {"SCHEMA", own_schema, false},
        {"ROLE", own_role, false},
    };
    struct authorization a = {.ast = (const struct qr_ast_authorization *)stmt};
    struct qr_str word = a.ast->object_class.n > 0 ? a.ast->object_class : qr_str("OBJECT");
    QR_TRY(qri_ddl_begin(&a.s, ddl, false, err));
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (!qr_str_ieqz(word, classes[i].word))
            continue;
        if (a.ast->owner.text.n > 0)
            QR_TRY(qri_find_new_owner(ddl, a.ast->owner.text, &a.owner, err));
        else if (!classes[i].in_schema)
            return qr_sql_fail(err, 102, "OWNER");
        QR_TRY(classes[i].own(&a));
        return qri_ddl_commit(&a.s);
    }
    const char *what =
        qr_arena_printf(ddl->arena, "ALTER AUTHORIZATION ON %.*s", (int)word.n, word.p);
    return qr_sql_fail(err, 40510, what == NULL ? "ALTER AUTHORIZATION" : what);
}
