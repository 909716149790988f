/* bind_output.c - OUTPUT clauses: expressions over the changed row; see dml_int.h */
#include "policy_int.h"

#include "base/banned.h"

struct output {
    struct qri_compile *c;
    const struct qri_target *t;
    struct qri_extras *extras;
    enum qr_status status;
};

/* inserted or deleted: its columns are inputs from `first` on. is_maybe: some rows have none. */
static enum qr_status add_pseudo(struct output *o, struct qri_scope *scope, const char *name,
                                 size_t first, bool is_maybe)
{
    struct qri_compile *c = o->c;
    const struct qr_cat_object *table = o->t->object;
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_PSEUDO, table->column_count);
    if (source == NULL)
        return qri_nomem(c);
    source->alias = qr_str(name);
    source->is_aliased = true;
    source->pseudo_of = o->t;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct qr_cat_column *from = &table->columns[i];
        struct qri_column *to = &source->columns[i];
        to->name = from->name;
        to->type = from->type;
        to->nullable = from->nullable || is_maybe;
        to->user_type_id = from->user_type_id;
        to->flags = from->is_hidden ? QR_COLUMN_HIDDEN : 0;
        to->label = qr_type_is_string(&from->type) ? QR_LABEL_IMPLICIT : QR_LABEL_COERCIBLE_DEFAULT;
        QR_TRY(qr_expr_input(&c->b, (uint32_t)(first + i), from->type, to->nullable, to->label,
                             &to->expr));
    }
    return qri_scope_add(c, scope, source);
}

/* Columns of other tables become inputs after $action. */
static const struct qr_expr *replace_leaf(void *arg, const struct qr_expr *expr)
{
    struct output *o = (struct output *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf == NULL || o->status != QR_OK)
        return NULL;
    if (leaf->kind != QRI_LEAF_COLUMN) {
        o->status = qr_sql_fail(o->c->err, 10705);
        return NULL;
    }
    struct qri_extras *x = o->extras;
    size_t i = 0;
    while (i < x->count && x->exprs[i]->u.ref != expr->u.ref)
        i++;
    if (i == x->count) {
        x->exprs = (const struct qr_expr **)qr_arena_grow(
            o->c->arena, x->exprs, x->count, &x->capacity, x->count + 1, sizeof(*x->exprs));
        if (x->exprs == NULL) {
            o->status = qri_nomem(o->c);
            return NULL;
        }
        x->exprs[x->count++] = expr;
    }
    const struct qr_expr *input = NULL;
    o->status =
        qr_expr_input(&o->c->b, (uint32_t)(2 * o->t->object->column_count + 1 + i), expr->type,
                      expr->nullable, (enum qr_collation_label)expr->label, &input);
    return o->status == QR_OK ? input : NULL;
}

static enum qr_status bind_action(struct qri_compile *c, const struct qri_target *t,
                                  const struct qr_expr **ret_expr)
{
    struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, 10);
    type.collation = c->b.collation;
    return qr_expr_input(&c->b, (uint32_t)(2 * t->object->column_count), type, true,
                         QR_LABEL_COERCIBLE_DEFAULT, ret_expr);
}

static enum qr_status bind_item(struct output *o, const struct qr_ast_select_item *item,
                                struct qri_query *query, size_t *capacity)
{
    struct qri_compile *c = o->c;
    const struct qr_expr *expr = NULL;
    struct qr_str name = item->alias.text;
    if (item->expr->kind == QR_AE_STAR)
        return qri_star(c, (const struct qr_ast_star *)item->expr, query, capacity);
    if (item->expr->kind == QR_AE_PSEUDO &&
        qr_str_ieqz(((const struct qr_ast_pseudo *)item->expr)->name, "$ACTION")) {
        QR_TRY(bind_action(c, o->t, &expr));
        name = name.n == 0 ? qr_str("$action") : name;
    } else {
        QR_TRY(qri_expr(c, item->expr, &expr));
    }
    if (name.n == 0 && item->expr->kind == QR_AE_COLUMN) {
        const struct qr_ast_name *column = &((const struct qr_ast_column *)item->expr)->name;
        name = column->parts[column->count - 1].text;
    }
    return qri_item_add(c, query, expr, name, capacity);
}

/* --- OUTPUT … INTO --- */

static enum qr_status into_target(struct qri_compile *c, const struct qr_ast_output *ast,
                                  struct qri_target *ret_target)
{
    struct qr_ast_variable_source variable = {.head = {.kind = QR_AT_VARIABLE, .pos = ast->pos},
                                              .name = ast->into_variable};
    struct qr_ast_table_source table = {.head = {.kind = QR_AT_TABLE, .pos = ast->pos},
                                        .name = ast->into};
    QR_TRY(qri_target_of(c, ast->into_variable.n != 0 ? &variable.head : &table.head, ret_target));
    QR_TRY(qri_use_call(c, &ret_target->found, QR_ACCESS_INSERT));
    if (qri_blocks_insert(ret_target->object))
        return qr_fail(c->err, QR_UNSUPPORTED,
                       "OUTPUT INTO a table with a block predicate is not supported");
    if (ret_target->object->history_of != 0)
        return qr_sql_fail(c->err, 13559, qri_table_z(c, ret_target->object));
    return ret_target->object->type == QR_CAT_VIEW
               ? qr_sql_fail(c->err, 330, qri_text_z(c, ret_target->object->name))
               : QR_OK;
}

static enum qr_status into_columns(struct qri_compile *c, const struct qr_ast_output *ast,
                                   const struct qri_target *into, struct qr_plan_output *output)
{
    const struct qr_cat_object *table = into->object;
    size_t n = 0;
    output->into_column_ids = QRI_ARRAY(c, output->count + table->column_count + 1, uint32_t);
    if (output->into_column_ids == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->into_columns.count && i <= output->count; i++) {
        struct qr_str name = ast->into_columns.items[i].text;
        const struct qr_cat_column *col = qr_cat_column_find(table, name);
        if (col == NULL)
            return qr_sql_fail(c->err, 207, qri_text_z(c, name));
        output->into_column_ids[n++] = col->column_id;
    }
    for (size_t i = 0; ast->into_columns.count == 0 && i < table->column_count; i++)
        if (!table->columns[i].is_identity && !table->columns[i].is_computed &&
            !table->columns[i].is_hidden)
            output->into_column_ids[n++] = table->columns[i].column_id;
    if (n != output->count || ast->into_columns.count > output->count)
        return qr_sql_fail(c->err, 213);
    for (size_t i = 0; i < n; i++) {
        size_t column = qr_cat_column_index(table, output->into_column_ids[i]);
        if (qr_cat_is_period(table, &table->columns[column]))
            return qr_sql_fail(c->err, 13536, qri_table_z(c, table));
        QR_TRY(qri_assign(c, table, column, output->exprs[i], &output->exprs[i]));
    }
    output->into = table;
    output->into_rowset = into->rowset_name;
    output->into_is_temp = into->is_temp;
    return QR_OK;
}

static enum qr_status finish_output(struct output *o, struct qri_query *query,
                                    struct qr_plan_output *output)
{
    struct qr_plan plan = {0};
    output->count = query->out_count;
    output->exprs = query->items;
    QR_TRY(qri_plan_columns(o->c, query, &plan));
    output->columns = plan.columns;
    for (size_t i = 0; i < output->count; i++) {
        QR_TRY(qr_expr_rewrite(o->c->arena, output->exprs[i], replace_leaf, o, &output->exprs[i],
                               o->c->err));
        QR_TRY(o->status);
    }
    return QR_OK;
}

static enum qr_status bind_output(struct output *o, const struct qr_ast_output *ast,
                                  struct qr_plan_output *output)
{
    struct qri_compile *c = o->c;
    struct qri_query *query = QRI_NEW(c, struct qri_query);
    size_t capacity = 0;
    if (query == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->items.count; i++) {
        c->b.line = (int)ast->items.items[i].pos.line;
        QR_TRY(bind_item(o, &ast->items.items[i], query, &capacity));
    }
    QR_TRY(finish_output(o, query, output));
    if (ast->into.count == 0 && ast->into_variable.n == 0)
        return QR_OK;
    struct qri_target into;
    QR_TRY(into_target(c, ast, &into));
    return into_columns(c, ast, &into, output);
}

enum qr_status qri_outputs(struct qri_compile *c, const struct qr_ast_outputs *ast,
                           const struct qri_target *t, bool has_deleted, bool has_inserted,
                           struct qri_extras *extras, struct qr_plan_dml *dml)
{
    struct output o = {.c = c, .t = t, .extras = extras, .status = QR_OK};
    struct qri_scope *outer = c->scope;
    if (ast->count == 0)
        return QR_OK;
    struct qri_scope *scope = qri_scope_new(c, outer, NULL);
    bool is_merge = dml->action_index != SIZE_MAX;
    if (scope == NULL)
        return qri_nomem(c);
    if (has_deleted)
        QR_TRY(add_pseudo(&o, scope, "deleted", 0, is_merge));
    if (has_inserted)
        QR_TRY(add_pseudo(&o, scope, "inserted", t->object->column_count, is_merge));
    c->scope = scope;
    c->clause = QRI_CLAUSE_OUTPUT;
    c->output_of = t;
    for (size_t i = 0; !t->is_temp && i < t->object->column_count; i++)
        c->has_masks |= t->object->columns[i].mask.n > 0;
    for (size_t i = 0; i < ast->count; i++) {
        const struct qr_ast_output *one = &ast->items[i];
        bool into = one->into.count > 0 || one->into_variable.n > 0;
        QR_TRY(bind_output(&o, one, into ? &dml->output_into : &dml->output));
    }
    c->scope = outer;
    c->output_of = NULL;
    return QR_OK;
}
