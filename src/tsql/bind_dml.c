/* bind_dml.c - what INSERT, UPDATE, DELETE and MERGE share; see dml_int.h */
#include "mask_int.h"
#include "policy_int.h"

#include "base/banned.h"

const char *qri_table_z(struct qri_compile *c, const struct qr_cat_object *table)
{
    const struct qr_catalog *cat = c->env->catalog;
    const struct qr_cat_schema *schema =
        cat == NULL ? NULL : qr_cat_schema_by_id(cat, table->schema_id);
    const char *name = schema == NULL
                           ? NULL
                           : qr_arena_printf(c->arena, "%.*s.%.*s.%.*s", (int)cat->database_name.n,
                                             cat->database_name.p, (int)schema->name.n,
                                             schema->name.p, (int)table->name.n, table->name.p);
    return name == NULL ? qri_text_z(c, table->name) : name;
}

enum qr_status qri_assign(struct qri_compile *c, const struct qr_cat_object *table, size_t column,
                          const struct qr_expr *expr, const struct qr_expr **ret_expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf != NULL && leaf->kind == QRI_LEAF_COLUMN &&
        leaf->source->columns[leaf->column].is_null)
        QR_TRY(qr_expr_null(&c->b, &expr));
    const struct qr_cat_column *col = &table->columns[column];
    return qr_expr_assign(&c->b, col->type, qri_table_z(c, table), qri_text_z(c, col->name), expr,
                          ret_expr);
}

/* The column's DEFAULT, or NULL. */
enum qr_status qri_default(struct qri_compile *c, const struct qr_cat_object *table, size_t column,
                           const struct qr_expr **ret_expr)
{
    const struct qr_cat_column *col = &table->columns[column];
    const struct qr_expr *expr = NULL;
    if (col->default_text.n == 0) {
        QR_TRY(qr_expr_null(&c->b, &expr));
        return qr_expr_convert(&c->b, col->type, expr, ret_expr);
    }
    const struct qr_cat_object *through = c->through;
    c->through = qri_through(c, table);
    enum qr_status status = qri_row_expr(c, NULL, col->default_text, false, NULL, &expr);
    c->through = through;
    QR_TRY(status);
    return qri_assign(c, table, column, expr, ret_expr);
}

static enum qr_status bind_columns(struct qri_compile *c, const struct qr_cat_object *table,
                                   struct qr_plan_dml *dml)
{
    size_t n = table->column_count;
    dml->defaults = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    dml->computed = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    dml->checks = QRI_ARRAY(c, table->check_count + 1, const struct qr_expr *);
    if (dml->defaults == NULL || dml->computed == NULL || dml->checks == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < n; i++) {
        const struct qr_cat_column *col = &table->columns[i];
        c->completes_rows = true;
        if (col->default_text.n != 0)
            QR_TRY(qri_default(c, table, i, &dml->defaults[i]));
        c->completes_rows = false;
        if (col->is_computed)
            QR_TRY(
                qri_row_expr(c, table, col->computed_text, false, &col->type, &dml->computed[i]));
    }
    for (size_t i = 0; i < table->check_count; i++)
        if (!table->checks[i].is_disabled)
            QR_TRY(qri_row_expr(c, table, table->checks[i].text, true, NULL, &dml->checks[i]));
    return QR_OK;
}

enum qr_status qri_dml_new(struct qri_compile *c, const struct qri_target *t, struct qr_plan *plan,
                           struct qr_plan_dml **ret_dml)
{
    static const int refusals[] = {[QR_PLAN_INSERT] = 13559,
                                   [QR_PLAN_UPDATE] = 13561,
                                   [QR_PLAN_DELETE] = 13560,
                                   [QR_PLAN_MERGE] = 13562};
    struct qr_plan_dml *dml = QRI_NEW(c, struct qr_plan_dml);
    if (dml == NULL)
        return qri_nomem(c);
    if (t->object->history_of != 0)
        return qr_sql_fail(c->err, refusals[plan->kind], qri_table_z(c, t->object));
    dml->target = t->object;
    dml->rowset_name = t->rowset_name;
    dml->target_is_temp = t->is_temp;
    dml->action_index = SIZE_MAX;
    dml->view_check = t->check;
    plan->dml = dml;
    plan->needs_write_lock = t->rowset_name.n == 0 && !t->is_temp;
    *ret_dml = dml;
    QR_TRY(bind_columns(c, t->object, dml));
    return qri_blocks(c, plan->kind, dml);
}

/* --- staging --- */

enum qr_status qri_stage_add(struct qri_compile *c, struct qri_query *stage, size_t *capacity,
                             const struct qr_expr *expr, size_t *ret_index)
{
    *ret_index = stage->out_count;
    return qri_item_add(c, stage, expr, qr_str(""), capacity);
}

enum qr_status qri_stage_target(struct qri_compile *c, struct qri_query *stage, size_t *capacity,
                                const struct qri_target *t, struct qr_plan_dml *dml)
{
    size_t unused;
    dml->key_count = t->key_count;
    for (size_t i = 0; i < t->key_count; i++)
        QR_TRY(qri_stage_add(c, stage, capacity, t->keys[i], &unused));
    dml->old_index = stage->out_count;
    for (size_t i = 0; i < t->object->column_count; i++)
        QR_TRY(qri_stage_add(c, stage, capacity, t->olds[i], &unused));
    return QR_OK;
}

enum qr_status qri_stage_extras(struct qri_compile *c, struct qri_query *stage, size_t *capacity,
                                const struct qri_extras *extras, struct qr_plan_dml *dml)
{
    size_t unused;
    dml->extra_index = stage->out_count;
    dml->extra_count = extras->count;
    for (size_t i = 0; i < extras->count; i++)
        QR_TRY(qri_stage_add(c, stage, capacity, extras->exprs[i], &unused));
    return QR_OK;
}

enum qr_status qri_stage_finish(struct qri_compile *c, struct qri_query *stage,
                                struct qr_plan_dml *dml)
{
    dml->stage_column_count = stage->out_count;
    dml->stage_types = QRI_ARRAY(c, stage->out_count + 1, struct qr_type);
    if (dml->stage_types == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < stage->out_count; i++)
        dml->stage_types[i] = stage->outs[i].type;
    QR_TRY(qri_masks_of_stage(c, stage, dml));
    return qri_emit_stage(c, stage, &dml->stage);
}

/* --- SET --- */

static bool is_default(const struct qr_ast_expr *ast)
{
    return ast->kind == QR_AE_LITERAL &&
           ((const struct qr_ast_literal *)ast)->literal == QR_LIT_DEFAULT;
}

/* column.WRITE(value, offset, length) of varchar(max) and the like. */
static enum qr_status bind_write(struct qri_compile *c, const struct qr_ast_set_item *item,
                                 const struct qr_expr *old, const struct qr_expr **ret_expr)
{
    const struct qr_expr *args[4], **given = NULL, *one = NULL;
    if (!qr_str_ieqz(item->method.text, "WRITE") || item->method_args.count != 3)
        return qr_fail(c->err, QR_UNSUPPORTED, "method %.*s() is not supported in SET",
                       (int)item->method.text.n, item->method.text.p);
    QR_TRY(qri_exprs(c, &item->method_args, &given));
    QR_TRY(qr_expr_int(&c->b, 1, &one));
    if (given[1]->kind == QR_EXPR_CONST && qr_value_is_null(&given[1]->u.value)) {
        QR_TRY(qr_expr_arith(&c->b, QR_OP_ADD, old, given[0], ret_expr)); /* NULL offset: append */
        return QR_OK;
    }
    args[0] = old;
    QR_TRY(qr_expr_arith(&c->b, QR_OP_ADD, given[1], one, &args[1]));
    args[2] = given[2];
    args[3] = given[0];
    return qr_expr_call(&c->b, qr_str("STUFF"), args, 4, ret_expr);
}

static enum qr_status set_column(struct qri_compile *c, const struct qr_ast_set_item *item,
                                 const struct qri_target *t, struct qri_sets *sets,
                                 size_t *ret_column)
{
    const struct qr_expr *value = NULL;
    size_t column;
    QR_TRY(qri_target_column(c, t, &item->column, false, &column));
    if (sets->values[column] != NULL)
        return qr_sql_fail(c->err, 264, qri_text_z(c, t->object->columns[column].name));
    if (item->method.text.n != 0) {
        QR_TRY(bind_write(c, item, t->olds[column], &value));
    } else if (is_default(item->value)) {
        QR_TRY(qri_default(c, t->object, column, &value));
    } else {
        QR_TRY(qri_expr(c, item->value, &value));
        if (item->assign != QR_ASSIGN_SET)
            QR_TRY(qri_use_target_column(c, t, column));
        QR_TRY(qri_assign_op(c, item->assign, t->olds[column], value, &value));
    }
    QR_TRY(qri_assign(c, t->object, column, value, &sets->values[column]));
    sets->count++;
    *ret_column = column;
    return QR_OK;
}

static enum qr_status set_variable(struct qri_compile *c, const struct qr_ast_set_item *item,
                                   size_t column, struct qri_sets *sets)
{
    struct qri_var_set *set = &sets->vars[sets->var_count++];
    const struct qr_expr *old = NULL;
    set->column = column;
    set->var = qri_bind_var(c->env, item->variable);
    if (set->var == NULL || set->var->table != NULL)
        return qr_sql_fail(c->err, 137, qri_text_z(c, item->variable));
    if (column != SIZE_MAX) {
        set->value = sets->values[column];
    } else {
        QR_TRY(qri_expr(c, item->value, &set->value));
        QR_TRY(qri_var_expr(c, set->var, &old));
        QR_TRY(qri_assign_op(c, item->assign, old, set->value, &set->value));
    }
    return qr_expr_convert(&c->b, set->var->type, set->value, &set->value);
}

enum qr_status qri_set_items(struct qri_compile *c, const struct qr_ast_set_items *ast,
                             const struct qri_target *t, struct qri_sets *ret_sets)
{
    struct qri_sets sets = {0};
    sets.values = QRI_ARRAY(c, t->object->column_count + 1, const struct qr_expr *);
    sets.vars = QRI_ARRAY(c, ast->count + 1, struct qri_var_set);
    if (sets.values == NULL || sets.vars == NULL)
        return qri_nomem(c);
    c->clause = QRI_CLAUSE_SET;
    for (size_t i = 0; i < ast->count; i++) {
        const struct qr_ast_set_item *item = &ast->items[i];
        size_t column = SIZE_MAX;
        c->b.line = (int)item->pos.line;
        if (item->column.count > 0)
            QR_TRY(set_column(c, item, t, &sets, &column));
        if (item->variable.n > 0)
            QR_TRY(set_variable(c, item, column, &sets));
    }
    *ret_sets = sets;
    return QR_OK;
}
