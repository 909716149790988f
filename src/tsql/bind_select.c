/* bind_select.c - one SELECT block; see bind_int.h */
#include "mask_int.h"
#include "policy_int.h"

#include "base/banned.h"

enum qr_status qri_item_describe(struct qri_compile *c, struct qri_query *query, size_t item)
{
    const struct qr_expr *expr = query->items[item];
    struct qri_column *out = &query->outs[item];
    out->type = expr->type;
    out->label = (enum qr_collation_label)expr->label;
    out->nullable = expr->nullable;
    QR_TRY(qri_mask_of(c, expr, &out->mask));
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN)
        return QR_OK;
    const struct qri_column *col = &leaf->source->columns[leaf->column];
    out->user_type_id = col->user_type_id;
    out->flags = col->flags & ~(uint32_t)QR_COLUMN_HIDDEN; /* it is asked for by name */
    out->object = col->object;
    out->column_id = col->column_id;
    return QR_OK;
}

enum qr_status qri_item_add(struct qri_compile *c, struct qri_query *query,
                            const struct qr_expr *expr, struct qr_str name, size_t *capacity)
{
    size_t n = query->out_count;
    size_t outs_capacity = *capacity, items_capacity = *capacity;
    if (n >= QRI_SELECT_ITEMS_MAX)
        return qr_sql_fail(c->err, 1056, QRI_SELECT_ITEMS_MAX);
    query->outs = (struct qri_column *)qr_arena_grow(c->arena, query->outs, n, &outs_capacity,
                                                     n + 1, sizeof(struct qri_column));
    query->items = (const struct qr_expr **)qr_arena_grow(
        c->arena, query->items, n, &items_capacity, n + 1, sizeof(const struct qr_expr *));
    if (query->outs == NULL || query->items == NULL)
        return qri_nomem(c);
    *capacity = outs_capacity < items_capacity ? outs_capacity : items_capacity;
    query->outs[n] = (struct qri_column){.name = name};
    query->items[n] = expr;
    query->out_count = n + 1;
    return qri_item_describe(c, query, n);
}

enum qr_status qri_star(struct qri_compile *c, const struct qr_ast_star *ast,
                        struct qri_query *query, size_t *capacity)
{
    const struct qri_scope *scope = c->scope;
    bool found = false;
    if (scope->count == 0 && ast->qualifier.count == 0)
        return qr_sql_fail(c->err, 263);
    for (size_t i = 0; i < scope->count; i++) {
        struct qri_source *source = scope->items[i];
        if (!qri_source_matches(source, ast->qualifier.parts, ast->qualifier.count))
            continue;
        found = true;
        for (size_t k = 0; k < source->column_count; k++) {
            const struct qr_expr *expr = NULL;
            if ((source->columns[k].flags & QR_COLUMN_HIDDEN) != 0)
                continue;
            QR_TRY(qri_use_column(c, source, k));
            QR_TRY(qri_column_leaf(c, source, k, &expr));
            QR_TRY(qri_item_add(c, query, expr, source->columns[k].name, capacity));
        }
    }
    return found ? QR_OK : qr_sql_fail(c->err, 107, qri_name_z(c, &ast->qualifier));
}

static struct qr_str item_name(const struct qr_ast_select_item *item)
{
    if (item->alias.text.n != 0)
        return item->alias.text;
    if (item->expr->kind == QR_AE_COLUMN) {
        const struct qr_ast_name *name = &((const struct qr_ast_column *)item->expr)->name;
        return name->parts[name->count - 1].text;
    }
    return qr_str("");
}

/* @v = x: x in the variable's type, so that the engine only stores it. */
static enum qr_status bind_assigned(struct qri_compile *c, const struct qr_ast_select_item *item,
                                    const struct qr_expr **expr)
{
    const struct qr_bind_var *var =
        c->frame != NULL && c->frame->hides_vars ? NULL : qri_bind_var(c->env, item->variable);
    const struct qr_expr *old = NULL;
    if (var == NULL || var->table != NULL)
        return qr_sql_fail(c->err, 137, qri_text_z(c, item->variable));
    QR_TRY(qri_var_expr(c, var, &old));
    QR_TRY(qri_assign_op(c, item->assign, old, *expr, expr));
    return qr_expr_convert(&c->b, var->type, *expr, expr);
}

static enum qr_status identity_number(struct qri_compile *c, const struct qr_ast_expr *ast,
                                      int64_t *ret_number)
{
    const struct qr_expr *expr = NULL;
    *ret_number = 1;
    if (ast == NULL)
        return QR_OK;
    QR_TRY(qri_expr(c, ast, &expr));
    QR_TRY(qr_expr_convert(&c->b, qr_type_of(QR_TYPE_BIGINT), expr, &expr));
    if (expr->kind != QR_EXPR_CONST || expr->u.value.cell != QR_CELL_INT)
        return qr_sql_fail(c->err, 102, "IDENTITY");
    *ret_number = expr->u.value.i;
    return QR_OK;
}

/* IDENTITY(type, seed, increment): seed + (ROW_NUMBER() - 1) * increment, and the column's
 * property. */
static enum qr_status bind_identity(struct qri_compile *c, const struct qr_ast_identity_call *ast,
                                    struct qri_column *ret_property,
                                    const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    const struct qr_expr *row = NULL, *step = NULL, *base = NULL;
    struct qr_type type = {0};
    uint32_t user_type = 0;
    bool nullable = false;
    if (leaf == NULL)
        return qri_nomem(c);
    leaf->kind = QRI_LEAF_WINDOW;
    leaf->agg = QRI_NEW(c, struct qr_agg_call);
    leaf->window = QRI_NEW(c, struct qri_window);
    if (leaf->agg == NULL || leaf->window == NULL)
        return qri_nomem(c);
    QR_TRY(identity_number(c, ast->seed, &ret_property->identity_seed));
    QR_TRY(identity_number(c, ast->increment, &ret_property->identity_increment));
    QR_TRY(qri_type(c, &ast->type, false, &type, &user_type, &nullable));
    QR_TRY(qr_agg_bind(&c->b, qr_agg_find(qr_str("ROW_NUMBER")), NULL, 0, false, leaf->agg));
    struct qr_expr_foreign shape = {.type = leaf->agg->type};
    QR_TRY(qri_leaf(c, leaf, &shape, &row));
    struct qr_type bigint = qr_type_of(QR_TYPE_BIGINT);
    struct qr_value by = qr_value_int(ret_property->identity_increment);
    struct qr_value from = qr_value_int(ret_property->identity_seed - by.i);
    QR_TRY(qr_expr_const(&c->b, bigint, &by, &step));
    QR_TRY(qr_expr_const(&c->b, bigint, &from, &base));
    QR_TRY(qr_expr_arith(&c->b, QR_OP_MUL, row, step, &row));
    QR_TRY(qr_expr_arith(&c->b, QR_OP_ADD, row, base, &row));
    return qr_expr_convert(&c->b, type, row, ret_expr);
}

static enum qr_status bind_each_item(struct qri_compile *c, const struct qr_ast_select *ast,
                                     struct qri_query *query)
{
    size_t capacity = 0, assigned = 0;
    query->assign_names = QRI_ARRAY(c, ast->items.count + 1, struct qr_str);
    if (query->assign_names == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->items.count; i++) {
        const struct qr_ast_select_item *item = &ast->items.items[i];
        const struct qr_expr *expr = NULL;
        c->b.line = (int)item->pos.line;
        if (c->assigning == ast)
            c->assigning_live = ast->from.count > 0 ? ast->items.count : i;
        bool is_star = item->expr->kind == QR_AE_STAR;
        if (is_star && query->is_tested && query->is_grouped) {
            QR_TRY(qr_expr_int(&c->b, 1, &expr)); /* nobody asks for its columns */
            QR_TRY(qri_item_add(c, query, expr, qr_str(""), &capacity));
            continue;
        }
        if (is_star) {
            QR_TRY(qri_star(c, (const struct qr_ast_star *)item->expr, query, &capacity));
            continue;
        }
        struct qri_column identity = {.identity_increment = 0};
        if (item->expr->kind == QR_AE_IDENTITY && ast->into.count > 0)
            QR_TRY(bind_identity(c, (const struct qr_ast_identity_call *)item->expr, &identity,
                                 &expr));
        else
            QR_TRY(qri_expr(c, item->expr, &expr));
        if (item->variable.n != 0) {
            QR_TRY(bind_assigned(c, item, &expr));
            query->assign_names[assigned++] = item->variable;
        }
        QR_TRY(qri_item_add(c, query, expr, item_name(item), &capacity));
        if (identity.identity_increment != 0) {
            struct qri_column *out = &query->outs[query->out_count - 1];
            out->flags |= QR_COLUMN_IDENTITY;
            out->identity_seed = identity.identity_seed;
            out->identity_increment = identity.identity_increment;
        }
    }
    if (assigned != 0 && assigned != query->out_count)
        return qr_sql_fail(c->err, 141);
    if (assigned == 0)
        query->assign_names = NULL;
    return assigned == 0 ? QR_OK : qri_masks_of_live(c, query);
}

static enum qr_status bind_items(struct qri_compile *c, const struct qr_ast_select *ast,
                                 struct qri_query *query)
{
    const struct qr_ast_select *outer = c->assigning;
    size_t outer_live = c->assigning_live;
    bool assigns = ast->items.count > 0 && ast->items.items[0].variable.n > 0;
    c->assigning = assigns ? ast : outer;
    enum qr_status status = bind_each_item(c, ast, query);
    c->assigning = outer;
    c->assigning_live = outer_live;
    return status;
}

struct own_columns {
    struct qri_compile *c;
    struct qr_str name; /* n = 0: none found */
};

static bool is_not_own(void *arg, const struct qr_expr *expr)
{
    struct own_columns *own = (struct own_columns *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN || leaf->source->scope != own->c->scope)
        return true;
    own->name = leaf->source->columns[leaf->column].name;
    return false;
}

static bool has_no_query(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    (void)arg;
    return leaf == NULL || leaf->query == NULL;
}

enum qr_status qri_limit(struct qri_compile *c, const struct qr_ast_expr *ast,
                         const struct qr_expr **ret_expr)
{
    struct own_columns own = {.c = c};
    struct qri_scope *scope = c->scope;
    QR_TRY(qri_expr(c, ast, ret_expr));
    if (!qr_expr_walk(*ret_expr, is_not_own, &own))
        return qr_sql_fail(c->err, 4115, qri_text_z(c, own.name));
    if (qr_expr_walk(*ret_expr, has_no_query, NULL))
        return QR_OK;
    c->scope = qri_inner_scope(c); /* nor do subqueries see the block's own columns */
    QR_TRY(qri_expr(c, ast, ret_expr));
    c->scope = scope;
    return QR_OK;
}

enum qr_status qri_top_bind(struct qri_compile *c, const struct qr_ast_top *ast,
                            struct qri_top *ret_top)
{
    if (ast == NULL)
        return QR_OK;
    enum qri_clause clause = c->clause;
    struct qri_scope *scope = c->scope;
    const struct qr_expr *amount = NULL;
    c->clause = QRI_CLAUSE_FROM;
    bool lateral = c->lateral;
    c->lateral = false;
    QR_TRY(qri_limit(c, ast->amount, &amount));
    c->lateral = lateral;
    c->clause = clause;
    c->scope = scope;
    struct qr_type type = qr_type_of(ast->percent ? QR_TYPE_FLOAT : QR_TYPE_BIGINT);
    bool is_untyped = amount->kind == QR_EXPR_VAR && amount->type.id == QR_TYPE_NULL;
    if (!qr_type_is_number(&amount->type) && !is_untyped)
        return qr_sql_fail(c->err, 1060);
    QR_TRY(qr_expr_convert(&c->b, type, amount, &ret_top->amount));
    ret_top->percent = ast->percent;
    ret_top->with_ties = ast->with_ties;
    return QR_OK;
}

static enum qr_status check_distinct(struct qri_compile *c, const struct qri_query *query)
{
    for (size_t i = 0; query->distinct && i < query->out_count; i++)
        if (!qr_type_is_comparable(&query->outs[i].type))
            return qr_sql_fail(c->err, 421, qr_type_name(&query->outs[i].type));
    return QR_OK;
}

enum qr_status qri_select(struct qri_compile *c, const struct qr_ast_select *ast,
                          struct qri_query *query)
{
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(qri_from(c, &ast->from, query));
    if (ast->where != NULL) {
        c->clause = QRI_CLAUSE_WHERE;
        QR_TRY(qri_condition(c, ast->where, &query->where));
        QR_TRY(qri_guard(c, &query->where));
        QR_TRY(qri_push_down(c, query));
    }
    QR_TRY(qri_group_by(c, ast, query));
    c->clause = QRI_CLAUSE_SELECT;
    struct qri_drawn *drawn = c->drawn;
    c->drawn = NULL;
    QR_TRY(bind_items(c, ast, query));
    c->drawn = drawn;
    if (ast->having != NULL) {
        c->clause = QRI_CLAUSE_HAVING;
        QR_TRY(qri_condition(c, ast->having, &query->having));
        query->is_grouped = true;
    }
    query->distinct = ast->distinct;
    QR_TRY(check_distinct(c, query));
    return qri_top_bind(c, ast->top, &query->top);
}
