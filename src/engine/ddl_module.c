/* ddl_module.c - views, procedures, functions and triggers; see ddl_int.h. Their text is kept as it
 * was written; what is derived from it (columns, parameters) is kept beside it. */
#include "access_int.h"
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

struct module {
    struct qri_ddl_stmt s;
    struct qri_target target;
    struct qr_cat_object object;
};

static bool has_option(const struct qr_ast_options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (qr_str_ieqz(options->items[i].name, name))
            return true;
    return false;
}

/* A module is kept as its CREATE: the last ALTER before its name is replaced. */
static struct qr_str as_create(struct qr_arena *arena, struct qr_str text, size_t name_offset)
{
    static const char alter[] = "ALTER", create[] = "CREATE";
    size_t n = sizeof alter - 1, at = name_offset < text.n ? name_offset : text.n;
    while (at >= n && !qr_str_ieqz(qr_str_n(text.p + at - n, n), alter))
        at--;
    char *made = at < n ? NULL : qr_arena_alloc(arena, text.n + 2);
    if (made == NULL)
        return text;
    memcpy(made, text.p, at - n);
    memcpy(made + at - n, create, sizeof create - 1);
    memcpy(made + at + 1, text.p + at, text.n - at);
    return qr_str_n(made, text.n + 1);
}

/* Resolves the name against CREATE, ALTER and CREATE OR ALTER: 2714, 208, 2010. */
static enum qr_status module_begin(struct module *m, struct qri_ddl *ddl,
                                   const struct qr_ast_name *name, enum qr_ast_action action,
                                   enum qr_cat_type type, struct qr_err *err)
{
    QR_TRY(qri_ddl_resolve(ddl, name, &m->target, err));
    if (m->target.is_temp && type != QR_CAT_PROC)
        return qr_sql_fail(err, 40510, "temporary view, function or trigger");
    QR_TRY(qri_ddl_begin(&m->s, ddl, m->target.is_temp, err));
    const struct qr_cat_object *old = m->target.object;
    if (old == NULL && action == QR_ACTION_ALTER)
        return qr_sql_fail(err, 208, qri_ddl_spell(ddl->arena, name));
    if (old != NULL && action == QR_ACTION_CREATE)
        return qr_sql_fail(err, 2714, qri_z(ddl->arena, m->target.name));
    if (old != NULL && old->type != type) /* a function of another kind is another object, too */
        return qr_sql_fail(err, 2010, qri_z(ddl->arena, m->target.name));
    const struct qr_cat_object *policy =
        old == NULL ? NULL : qri_policy_of(&(*m->s.catalog)->cat, old);
    if (policy != NULL)
        return qr_sql_fail(err, 3729, "ALTER", qri_ddl_spell(ddl->arena, name),
                           qri_z(ddl->arena, policy->name));
    m->object = (struct qr_cat_object){
        .object_id = old != NULL ? old->object_id : qri_new_object_id(&m->s),
        .schema_id = m->target.schema_id,
        .owner_id = old != NULL ? old->owner_id : 0,
        .name = old != NULL ? old->name : m->target.name,
        .type = type,
        .storage = QR_STORE_HEAP,
        .create_ticks = old != NULL ? old->create_ticks : ddl->now_ticks,
        .modify_ticks = ddl->now_ticks,
        .text = action == QR_ACTION_ALTER ? as_create(ddl->arena, ddl->batch_text, name->pos.offset)
                                          : ddl->batch_text,
        .uses_ansi_nulls = ddl->env->options.ansi_nulls,
        .uses_quoted_identifier = ddl->env->options.quoted_identifier,
    };
    return QR_OK;
}

static enum qr_status set_execute_as(struct module *m, const struct qr_ast_options *options)
{
    struct qr_session *session = m->s.ddl->ctx;
    QR_TRY(qri_module_execute_as(session, options, &m->object.execute_as, m->s.err));
    if (m->object.execute_as != QR_EXECUTE_AS_OWNER)
        return QR_OK;
    return qri_want_as_owner(session, qr_cat_owner(&(*m->s.catalog)->cat, &m->object), m->s.err);
}

static enum qr_status module_end(struct module *m)
{
    QR_TRY(qri_change_put_object(&m->s.change, &m->object, m->s.err));
    return qri_ddl_commit(&m->s);
}

/* ---- parameters ---- */

static enum qr_status set_params(struct module *m, const struct qr_ast_params *params,
                                 const struct qr_ast_type *returns)
{
    size_t extra = returns != NULL ? 1 : 0;
    struct qr_cat_param *list = qr_arena_array(m->s.arena, params->count + extra, sizeof *list);
    bool nullable = true;
    if (list == NULL)
        return qr_fail(m->s.err, QR_NOMEM, "parameters");
    if (params->count > 2100)
        return qr_sql_fail(m->s.err, 180, qri_z(m->s.arena, m->target.name), 2100);
    if (returns != NULL) {
        list[0] = (struct qr_cat_param){.is_output = true, .is_nullable = true};
        QR_TRY(qr_tsql_resolve_type(m->s.ddl->env, returns, &list[0].type, &list[0].user_type_id,
                                    &nullable, m->s.err));
    }
    for (size_t i = 0; i < params->count; i++) {
        const struct qr_ast_param *p = &params->items[i];
        struct qr_cat_param *c = &list[i + extra];
        for (size_t k = 0; k < i; k++)
            if (qr_str_ieq(params->items[k].name, p->name))
                return qr_sql_fail(m->s.err, 134, qri_z(m->s.arena, p->name));
        *c = (struct qr_cat_param){.parameter_id = (uint32_t)i + 1,
                                   .name = p->name,
                                   .is_output = p->output,
                                   .is_readonly = p->readonly,
                                   .is_nullable = p->nullable != QR_NO,
                                   .has_default = p->initial != NULL};
        if (p->initial != NULL)
            QR_TRY(qri_constant_text(m->s.arena, p->initial, &c->default_text, m->s.err));
        if (p->cursor_varying) {
            c->type = qr_type_of(QR_TYPE_CURSOR);
            continue;
        }
        QR_TRY(qr_tsql_resolve_type(m->s.ddl->env, &p->type, &c->type, &c->user_type_id, &nullable,
                                    m->s.err));
        if (c->type.id == QR_TYPE_TABLE && !c->is_readonly)
            return qr_sql_fail(m->s.err, 352, qri_z(m->s.arena, p->name));
    }
    m->object.params = list;
    m->object.param_count = params->count + extra;
    return QR_OK;
}

/* ---- columns of what can be selected from ---- */

static enum qr_status set_columns(struct module *m, const struct qr_plan_column *columns,
                                  size_t count, const struct qr_ast_idents *names)
{
    struct qr_arena *arena = m->s.arena;
    if (names != NULL && names->count > 0 && names->count != count)
        return qr_sql_fail(m->s.err, names->count > count ? 8158 : 8159,
                           qri_z(arena, m->target.name));
    m->object.columns = qr_arena_array(arena, count, sizeof *m->object.columns);
    if (m->object.columns == NULL)
        return qr_fail(m->s.err, QR_NOMEM, "columns");
    for (size_t i = 0; i < count; i++) {
        struct qr_str name =
            names != NULL && names->count > 0 ? names->items[i].text : columns[i].name;
        if (name.n == 0)
            return qr_sql_fail(m->s.err, 4511, (int)i + 1);
        for (size_t k = 0; k < i; k++)
            if (qr_str_ieq(m->object.columns[k].name, name))
                return qr_sql_fail(m->s.err, 4506, qri_z(arena, name),
                                   qri_z(arena, m->target.name));
        m->object.columns[i] =
            (struct qr_cat_column){.column_id = (uint32_t)i + 1,
                                   .name = name,
                                   .type = columns[i].type,
                                   .user_type_id = columns[i].user_type_id,
                                   .nullable = (columns[i].flags & QR_COLUMN_NULLABLE) != 0};
        if (columns[i].type.id == QR_TYPE_NULL)
            m->object.columns[i].type = qr_type_of(QR_TYPE_INT);
    }
    m->object.column_count = count;
    return QR_OK;
}

/* Of a set operation: one of its branches. */
static bool has_top(const struct qr_ast_query *query)
{
    const struct qr_ast_setop *setop = (const struct qr_ast_setop *)query;
    for (size_t i = 0; query->kind == QR_AQ_SETOP && i < setop->count; i++)
        if (has_top(setop->branches[i]))
            return true;
    return query->kind == QR_AQ_SELECT && ((const struct qr_ast_select *)query)->top != NULL;
}

/* The SELECT of a view or inline function has no order, unless it picks rows by it. */
static enum qr_status refuse_order(const struct qr_ast_select_stmt *select, struct qr_err *err)
{
    const struct qr_ast_query *query = select->query;
    bool ordered = query->order_by.count > 0 && !has_top(query) && query->offset == NULL &&
                   query->for_clause == NULL;
    return ordered ? qr_sql_fail(err, 1033) : QR_OK;
}

enum qr_status qri_ddl_view(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    const struct qr_ast_view *ast = (const struct qr_ast_view *)stmt;
    struct module m = {0};
    struct qr_plan_column *columns = NULL;
    struct qr_plan_accesses accesses = {0};
    size_t count = 0;
    struct qr_bind_env env = *ddl->env;
    env.in_view = true;
    QR_TRY(module_begin(&m, ddl, &ast->name, ast->action, QR_CAT_VIEW, err));
    QR_TRY(refuse_order(ast->select, err));
    QR_TRY(
        qr_tsql_describe(ddl->arena, &env, &ast->select->head, &columns, &count, &accesses, err));
    QR_TRY(qri_want_accesses(ddl->ctx, NULL, &accesses, err));
    QR_TRY(set_columns(&m, columns, count, &ast->columns));
    m.object.is_schema_bound = has_option(&ast->options, "SCHEMABINDING");
    m.object.with_check_option = ast->check_option;
    return module_end(&m);
}

enum qr_status qri_ddl_procedure(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                 struct qr_err *err)
{
    const struct qr_ast_procedure *ast = (const struct qr_ast_procedure *)stmt;
    struct module m = {0};
    if (ast->external_name.n > 0)
        return qr_sql_fail(err, 40510, "EXTERNAL NAME");
    if (ast->number > 1)
        return qr_sql_fail(err, 40510, "procedure numbers");
    QR_TRY(module_begin(&m, ddl, &ast->name, ast->action, QR_CAT_PROC, err));
    QR_TRY(set_params(&m, &ast->params, NULL));
    QR_TRY(set_execute_as(&m, &ast->options));
    return module_end(&m);
}

/* Parameters of an inline function stand as variables while its SELECT is described. */
static enum qr_status describe_inline(struct module *m, const struct qr_ast_function *ast,
                                      struct qr_err *err)
{
    struct qr_bind_env env = *m->s.ddl->env;
    struct qr_bind_var *vars = qr_arena_array(m->s.arena, m->object.param_count, sizeof *vars);
    struct qr_plan_column *columns = NULL;
    struct qr_plan_accesses accesses = {0};
    size_t count = 0;
    if (vars == NULL)
        return qr_fail(err, QR_NOMEM, "parameters");
    for (size_t i = 0; i < m->object.param_count; i++) {
        const struct qr_cat_param *p = &m->object.params[i];
        vars[i] = (struct qr_bind_var){
            .name = p->name, .slot = (uint32_t)i, .type = p->type, .user_type_id = p->user_type_id};
        const struct qr_cat_usertype *type =
            qr_cat_usertype_by_id(&(*m->s.ddl->main)->cat, p->user_type_id);
        if (type != NULL && type->table_object_id != 0)
            vars[i].table = qr_cat_by_id(&(*m->s.ddl->main)->cat, type->table_object_id);
    }
    QR_TRY(refuse_order(ast->select, err));
    env.vars = vars;
    env.var_count = m->object.param_count;
    env.in_function = true;
    QR_TRY(
        qr_tsql_describe(m->s.arena, &env, &ast->select->head, &columns, &count, &accesses, err));
    QR_TRY(qri_want_accesses(m->s.ddl->ctx, NULL, &accesses, err));
    return set_columns(m, columns, count, NULL);
}

static enum qr_status table_function_columns(struct module *m, const struct qr_ast_function *ast,
                                             struct qr_err *err)
{
    struct qr_cat_object *shape = NULL;
    QR_TRY(qri_table_shape(m->s.arena, m->s.ddl->env, ast->return_variable, ast->return_table,
                           &shape, err));
    m->object.columns = shape->columns;
    m->object.column_count = shape->column_count;
    return QR_OK;
}

enum qr_status qri_ddl_function(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                struct qr_err *err)
{
    static const enum qr_cat_type types[] = {
        [QR_FUNCTION_SCALAR] = QR_CAT_FN_SCALAR,
        [QR_FUNCTION_INLINE] = QR_CAT_FN_INLINE,
        [QR_FUNCTION_TABLE] = QR_CAT_FN_TABLE,
    };
    const struct qr_ast_function *ast = (const struct qr_ast_function *)stmt;
    struct module m = {0};
    if (ast->external_name.n > 0)
        return qr_sql_fail(err, 40510, "EXTERNAL NAME");
    QR_TRY(module_begin(&m, ddl, &ast->name, ast->action, types[ast->function], err));
    QR_TRY(
        set_params(&m, &ast->params, ast->function == QR_FUNCTION_SCALAR ? &ast->returns : NULL));
    for (size_t i = 0; i < ast->params.count; i++)
        if (ast->params.items[i].output)
            return qr_sql_fail(err, 102, "OUTPUT");
    if (ast->function != QR_FUNCTION_INLINE)
        QR_TRY(qri_check_body(ast, err));
    m.object.is_schema_bound = has_option(&ast->options, "SCHEMABINDING");
    QR_TRY(set_execute_as(&m, &ast->options));
    if (ast->function == QR_FUNCTION_INLINE)
        QR_TRY(describe_inline(&m, ast, err));
    if (ast->function == QR_FUNCTION_TABLE)
        QR_TRY(table_function_columns(&m, ast, err));
    return module_end(&m);
}

/* ---- triggers ---- */

enum qr_status qri_ddl_trigger(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                               struct qr_err *err)
{
    const struct qr_ast_trigger *ast = (const struct qr_ast_trigger *)stmt;
    struct module m = {0};
    struct qri_target table;
    if (ast->table.count == 0)
        return qr_sql_fail(err, 40510, "DDL triggers");
    if (ast->external_name.n > 0)
        return qr_sql_fail(err, 40510, "EXTERNAL NAME");
    QR_TRY(qri_ddl_resolve(ddl, &ast->table, &table, err));
    if (table.object == NULL ||
        (table.object->type != QR_CAT_TABLE && table.object->type != QR_CAT_VIEW))
        return qr_sql_fail(err, 8197, qri_ddl_spell(ddl->arena, &ast->table));
    if (table.is_temp)
        return qr_sql_fail(err, 2103);
    if (table.object->type == QR_CAT_VIEW && ast->time != QR_TRIGGER_INSTEAD_OF)
        return qr_sql_fail(err, 8197, qri_ddl_spell(ddl->arena, &ast->table));
    QR_TRY(module_begin(&m, ddl, &ast->name, ast->action, QR_CAT_TRIGGER, err));
    if (table.object->history_of != 0 ||
        (table.object->history_id != 0 && ast->time == QR_TRIGGER_INSTEAD_OF))
        return qri_fail_table(&m.s, 13569, table.object);
    if (m.target.object != NULL && m.target.object->parent_object_id != table.object->object_id)
        return qr_sql_fail(err, 2110, qri_z(ddl->arena, m.object.name),
                           qri_ddl_spell(ddl->arena, &ast->table));
    m.object.parent_object_id = table.object->object_id;
    QR_TRY(set_execute_as(&m, &ast->options));
    m.object.trigger_events = ast->events;
    m.object.trigger_instead_of = ast->time == QR_TRIGGER_INSTEAD_OF;
    for (size_t i = 0; m.object.trigger_instead_of && i < table.object->trigger_count; i++) {
        const struct qr_cat_object *other = table.object->triggers[i];
        if (other->trigger_instead_of && other->object_id != m.object.object_id &&
            (other->trigger_events & ast->events) != 0)
            return qr_sql_fail(err, 2111, qri_z(ddl->arena, m.object.name), "INSTEAD OF",
                               table.object->type == QR_CAT_VIEW ? "view" : "table",
                               qri_z(ddl->arena, table.object->name));
    }
    for (size_t i = 0; i < table.object->fk_count; i++)
        if (qri_cascade_meets(&table.object->fks[i], &m.object))
            return qr_sql_fail(err, 2113, qri_z(ddl->arena, m.object.name),
                               qri_z(ddl->arena, table.object->name));
    return module_end(&m);
}

enum qr_status qri_ddl_enable_trigger(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                      struct qr_err *err)
{
    const struct qr_ast_enable_trigger *ast = (const struct qr_ast_enable_trigger *)stmt;
    struct qri_target table;
    struct qri_ddl_stmt s;
    if (ast->table.count == 0)
        return qr_sql_fail(err, 40510, "DDL triggers");
    QR_TRY(qri_ddl_resolve(ddl, &ast->table, &table, err));
    if (table.object == NULL)
        return qr_sql_fail(err, 1088, qri_ddl_spell(ddl->arena, &ast->table));
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    size_t found = 0;
    for (size_t i = 0; i < table.object->trigger_count; i++) {
        const struct qr_cat_object *trigger = table.object->triggers[i];
        bool named = ast->all;
        for (size_t k = 0; !named && k < ast->triggers.count; k++) {
            const struct qr_ast_name *name = &ast->triggers.items[k];
            named = qr_str_ieq(name->parts[name->count - 1].text, trigger->name);
        }
        if (!named)
            continue;
        struct qr_cat_object copy = *trigger;
        copy.is_disabled = !ast->enable;
        found++;
        QR_TRY(qri_change_put_object(&s.change, &copy, err));
    }
    if (!ast->all && found < ast->triggers.count)
        return qr_sql_fail(err, 4902, qri_ddl_spell(ddl->arena, &ast->triggers.items[0]));
    return qri_ddl_commit(&s);
}
