/* ddl_object.c - schemas, types, sequences and synonyms; see ddl_int.h. */
#include "ddl_principal_int.h"
#include "base/sqlmsg.h"
#include "tsql/print.h"
#include "base/banned.h"

enum qr_status qri_ddl_create_schema(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                     struct qr_err *err)
{
    const struct qr_ast_create_schema *ast = (const struct qr_ast_create_schema *)stmt;
    struct qr_str name = ast->name.text.n > 0 ? ast->name.text : ast->authorization.text;
    struct qri_ddl_stmt s;
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    if (qr_cat_schema_find(&(*ddl->main)->cat, name) != NULL)
        return qr_sql_fail(err, 2714, qri_z(ddl->arena, name));
    uint32_t owner_id = qri_access_user(qri_ddl_session(ddl));
    if (ast->authorization.text.n > 0) {
        const struct qri_principal *owner = NULL;
        QR_TRY(qri_find_new_owner(ddl, ast->authorization.text, &owner, err));
        owner_id = owner->principal_id;
    }
    struct qr_cat_schema schema = {s.change.next_schema_id++, owner_id, name};
    QR_TRY(qri_change_put_schema(&s.change, &schema, err));
    QR_TRY(qri_ddl_commit(&s));
    struct qr_bind_env env = *ddl->env; /* elements without a schema belong to this one */
    env.catalog = &(*ddl->main)->cat;
    env.default_schema_id = schema.schema_id;
    for (size_t i = 0; i < ast->elements.count; i++) {
        struct qri_ddl inner = *ddl;
        inner.env = &env;
        QR_TRY(qri_ddl_run(&inner, ast->elements.items[i], err));
        env.catalog = &(*ddl->main)->cat;
    }
    return QR_OK;
}

/* Who was given something on it was given it in the schema that it leaves. */
static enum qr_status transfer_type(struct qri_ddl_stmt *s, const struct qr_ast_name *name,
                                    const struct qr_cat_schema *to)
{
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(s->ddl, name, &target, s->err));
    const struct qr_catalog *cat = &(*s->catalog)->cat;
    const struct qr_cat_usertype *found = qr_cat_usertype_find(cat, target.schema_id, target.name);
    if (found == NULL)
        return qr_sql_fail(s->err, 15151, "find", "type", qri_z(s->arena, target.name));
    if (qr_cat_usertype_find(cat, to->schema_id, target.name) != NULL)
        return qr_sql_fail(s->err, 15530, qri_z(s->arena, target.name));
    struct qr_cat_usertype type = *found;
    type.schema_id = to->schema_id;
    QR_TRY(qri_drop_rights(s, QR_ON_TYPE, type.user_type_id, 0));
    QR_TRY(qri_change_put_usertype(&s->change, &type, s->err));
    return qri_ddl_commit(s);
}

enum qr_status qri_ddl_alter_schema(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                    struct qr_err *err)
{
    const struct qr_ast_alter_schema *ast = (const struct qr_ast_alter_schema *)stmt;
    struct qri_ddl_stmt s;
    struct qri_target target;
    const struct qr_catalog *cat = &(*ddl->main)->cat;
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qr_cat_schema *to = qr_cat_schema_find(cat, ast->name.text);
    if (to == NULL)
        return qr_sql_fail(err, 15151, "alter", "schema", qri_z(ddl->arena, ast->name.text));
    if (qr_str_ieqz(ast->object_class, "TYPE"))
        return transfer_type(&s, &ast->object, to);
    if (ast->object_class.n > 0 && !qr_str_ieqz(ast->object_class, "OBJECT"))
        return qr_sql_fail(err, 40510, qri_z(ddl->arena, ast->object_class));
    QR_TRY(qri_ddl_resolve(ddl, &ast->object, &target, err));
    if (target.object == NULL || target.object->parent_object_id != 0)
        return qr_sql_fail(err, 15151, "find", "object", qri_z(ddl->arena, target.name));
    if (qr_cat_find(cat, to->schema_id, target.name) != NULL)
        return qr_sql_fail(err, 15530, qri_z(ddl->arena, target.name));
    if (qri_policy_of(cat, target.object) != NULL)
        return qr_sql_fail(err, 15348);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (o != target.object && o->parent_object_id != target.object->object_id)
            continue;
        struct qr_cat_object copy = *o;
        copy.schema_id = to->schema_id;
        if (o->execute_as == QR_EXECUTE_AS_OWNER) /* and that may be another one there */
            QR_TRY(qri_want_as_owner(
                qri_ddl_session(ddl),
                target.object->owner_id != 0 ? target.object->owner_id : to->principal_id, err));
        QR_TRY(qri_change_put_object(&s.change, &copy, err));
    }
    QR_TRY(qri_drop_rights(&s, QR_ON_OBJECT, target.object->object_id, 0));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_create_type(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                   struct qr_err *err)
{
    const struct qr_ast_create_type *ast = (const struct qr_ast_create_type *)stmt;
    struct qri_ddl_stmt s;
    struct qri_target target;
    if (ast->external_name.n > 0)
        return qr_sql_fail(err, 40510, "EXTERNAL NAME");
    QR_TRY(qri_ddl_resolve(ddl, &ast->name, &target, err));
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qr_catalog *cat = &(*ddl->main)->cat;
    struct qr_type system;
    if (qr_cat_usertype_find(cat, target.schema_id, target.name) != NULL ||
        (qr_type_find(target.name, &system) && ast->name.count == 1))
        return qr_sql_fail(err, 219, qri_ddl_spell(ddl->arena, &ast->name));
    struct qr_cat_usertype type = {.user_type_id = s.change.next_user_type_id++,
                                   .schema_id = target.schema_id,
                                   .name = target.name,
                                   .nullable = ast->nullable != QR_NO};
    if (ast->table == NULL) {
        uint32_t base_user = 0;
        bool nullable = true;
        QR_TRY(qr_tsql_resolve_type(ddl->env, &ast->base, &type.type, &base_user, &nullable, err));
        if (base_user != 0)
            return qr_sql_fail(err, 102, "FROM");
        if (type.type.id == QR_TYPE_JSON || type.type.id == QR_TYPE_VECTOR)
            return qr_fail(err, QR_UNSUPPORTED, "CREATE TYPE ... FROM %s is not allowed.",
                           qr_type_name(&type.type));
    } else {
        struct qr_cat_object *shape = NULL;
        QR_TRY(qri_table_shape(ddl->arena, ddl->env, target.name, ast->table, &shape, err));
        struct qr_cat_object object = *shape;
        object.object_id = qri_new_object_id(&s);
        object.schema_id = QR_SCHEMA_SYS;
        object.name = qri_system_name(ddl->arena, "TT", target.name, (struct qr_str){NULL, 0},
                                      object.object_id);
        object.type = QR_CAT_TABLE_TYPE;
        object.create_ticks = object.modify_ticks = ddl->now_ticks;
        type.type = qr_type_of(QR_TYPE_TABLE);
        type.nullable = false;
        type.table_object_id = object.object_id;
        QR_TRY(qri_change_put_object(&s.change, &object, err));
    }
    QR_TRY(qri_change_put_usertype(&s.change, &type, err));
    return qri_ddl_commit(&s);
}

/* ---- sequences ---- */

static enum qr_status number_of(struct qri_ddl *ddl, const struct qr_ast_expr *expr, int64_t *dst,
                                struct qr_err *err)
{
    const struct qr_expr *bound = NULL;
    struct qr_plan *plan = NULL;
    struct qr_type want = qr_type_of(QR_TYPE_BIGINT);
    struct qr_value v = qr_value_null();
    if (expr == NULL)
        return QR_OK;
    QR_TRY(qr_tsql_bind_scalar(ddl->arena, ddl->env, expr, &want, &bound, &plan, NULL, err));
    if (bound != NULL && !bound->has_var)
        QR_TRY(qr_expr_eval(bound, ddl->eval, &v, err));
    if (v.cell != QR_CELL_INT)
        return qr_sql_fail(err, 11711, "value");
    *dst = v.i;
    return QR_OK;
}

static void type_range(const struct qr_type *type, int64_t *ret_min, int64_t *ret_max)
{
    switch ((int)type->id) {
    case QR_TYPE_TINYINT:
        *ret_min = 0;
        *ret_max = UINT8_MAX;
        break;
    case QR_TYPE_SMALLINT:
        *ret_min = INT16_MIN;
        *ret_max = INT16_MAX;
        break;
    case QR_TYPE_INT:
        *ret_min = INT32_MIN;
        *ret_max = INT32_MAX;
        break;
    case QR_TYPE_DECIMAL:
    case QR_TYPE_NUMERIC:
        *ret_max = INT64_MAX;
        if (type->precision <= 18) {
            *ret_max = 1;
            for (int i = 0; i < type->precision; i++)
                *ret_max *= 10;
            *ret_max -= 1;
        }
        *ret_min = -*ret_max;
        break;
    default:
        *ret_min = INT64_MIN;
        *ret_max = INT64_MAX;
        break;
    }
}

static enum qr_status sequence_limits(struct qri_ddl *ddl, const struct qr_ast_sequence *ast,
                                      struct qr_cat_object *o, bool is_new, struct qr_err *err)
{
    int64_t type_min, type_max;
    type_range(&o->sequence_type, &type_min, &type_max);
    QR_TRY(number_of(ddl, ast->increment, &o->sequence_increment, err));
    if (o->sequence_increment == 0)
        return qr_sql_fail(err, 11700, qri_z(ddl->arena, o->name));
    if (is_new || ast->has_min == QR_NO)
        o->sequence_min = type_min;
    if (is_new || ast->has_max == QR_NO)
        o->sequence_max = type_max;
    QR_TRY(number_of(ddl, ast->min, &o->sequence_min, err));
    QR_TRY(number_of(ddl, ast->max, &o->sequence_max, err));
    if (o->sequence_min >= o->sequence_max)
        return qr_sql_fail(err, 11705, qri_z(ddl->arena, o->name));
    if (is_new)
        o->sequence_start = o->sequence_increment > 0 ? o->sequence_min : o->sequence_max;
    QR_TRY(number_of(ddl, ast->start, &o->sequence_start, err));
    if (o->sequence_start < o->sequence_min || o->sequence_start > o->sequence_max)
        return qr_sql_fail(err, 11703, qri_z(ddl->arena, o->name));
    if (ast->cycle != QR_UNSAID)
        o->sequence_cycle = ast->cycle == QR_YES;
    return QR_OK;
}

enum qr_status qri_ddl_sequence(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                struct qr_err *err)
{
    const struct qr_ast_sequence *ast = (const struct qr_ast_sequence *)stmt;
    struct qri_ddl_stmt s;
    struct qri_target target;
    bool is_new = ast->action == QR_ACTION_CREATE;
    QR_TRY(qri_ddl_resolve(ddl, &ast->name, &target, err));
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    if (is_new)
        QR_TRY(qri_ddl_want_free(&target, err));
    else if (target.object == NULL || target.object->type != QR_CAT_SEQUENCE)
        return qr_sql_fail(err, 15151, "alter", "sequence", qri_z(ddl->arena, target.name));
    struct qr_cat_object o = {.name = target.name,
                              .schema_id = target.schema_id,
                              .type = QR_CAT_SEQUENCE,
                              .storage = QR_STORE_HEAP,
                              .sequence_increment = 1,
                              .sequence_type = qr_type_of(QR_TYPE_BIGINT),
                              .create_ticks = ddl->now_ticks};
    if (is_new)
        o.object_id = qri_new_object_id(&s);
    else
        o = *target.object;
    o.modify_ticks = ddl->now_ticks;
    if (ast->type.name.count > 0) {
        uint32_t user_type_id = 0;
        bool nullable = true;
        QR_TRY(qr_tsql_resolve_type(ddl->env, &ast->type, &o.sequence_type, &user_type_id,
                                    &nullable, err));
        bool whole =
            (o.sequence_type.id >= QR_TYPE_TINYINT && o.sequence_type.id <= QR_TYPE_BIGINT) ||
            (qr_type_family(&o.sequence_type) == QR_FAMILY_DECIMAL && o.sequence_type.scale == 0);
        if (!whole)
            return qr_sql_fail(err, 11702, qri_z(ddl->arena, o.name));
    }
    QR_TRY(sequence_limits(ddl, ast, &o, is_new, err));
    if (is_new || ast->restart)
        QR_TRY(ddl->counter_set(ddl->ctx, qri_counter_id(o.object_id, QRI_COUNTER_SEQUENCE), false,
                                o.sequence_start, o.sequence_increment, err));
    QR_TRY(qri_change_put_object(&s.change, &o, err));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_synonym(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                               struct qr_err *err)
{
    const struct qr_ast_create_synonym *ast = (const struct qr_ast_create_synonym *)stmt;
    struct qri_ddl_stmt s;
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(ddl, &ast->name, &target, err));
    QR_TRY(qri_ddl_want_free(&target, err));
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    struct qr_buf base;
    qr_buf_init(&base, 8192);
    qr_tsql_print_names(&base, &ast->target);
    char *text = qr_arena_dup(ddl->arena, base.data, base.len);
    struct qr_cat_object o = {.object_id = qri_new_object_id(&s),
                              .name = target.name,
                              .schema_id = target.schema_id,
                              .type = QR_CAT_SYNONYM,
                              .storage = QR_STORE_HEAP,
                              .text = {text, text == NULL ? 0 : base.len},
                              .create_ticks = ddl->now_ticks,
                              .modify_ticks = ddl->now_ticks};
    qr_buf_done(&base);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "synonym");
    QR_TRY(qri_change_put_object(&s.change, &o, err));
    return qri_ddl_commit(&s);
}
