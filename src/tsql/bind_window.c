/* bind_window.c - functions with OVER; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

static const struct qr_ast_window *named_window(struct qri_compile *c, struct qr_str name)
{
    const struct qri_query *block = c->scope == NULL ? NULL : c->scope->query;
    if (block == NULL || block->kind != QRI_QUERY_SELECT)
        return NULL;
    const struct qr_ast_select *select = (const struct qr_ast_select *)block->ast;
    for (size_t i = 0; i < select->window_count; i++)
        if (qr_str_ieq(select->windows[i].name.text, name))
            return select->windows[i].window;
    return NULL;
}

/* OVER (w ORDER BY …): what the named window says comes first. Chains of names are followed. */
static enum qr_status merge_windows(struct qri_compile *c, const struct qr_ast_window *ast,
                                    struct qr_ast_window *ret_window)
{
    struct qr_ast_window merged = *ast;
    for (int steps = 0; merged.base.text.n != 0; steps++) {
        const struct qr_ast_window *base = named_window(c, merged.base.text);
        if (base == NULL || steps > 32)
            return qr_sql_fail(c->err, 5362, qri_text_z(c, merged.base.text));
        if (merged.partition_by.count == 0)
            merged.partition_by = base->partition_by;
        if (merged.order_by.count == 0)
            merged.order_by = base->order_by;
        if (merged.frame == NULL)
            merged.frame = base->frame;
        merged.base = base->base;
    }
    *ret_window = merged;
    return QR_OK;
}

static enum qr_status bind_order(struct qri_compile *c, const struct qr_ast_order *ast,
                                 struct qri_window *window)
{
    window->order = QRI_ARRAY(c, ast->count + 1, struct qri_order);
    if (window->order == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->count; i++) {
        struct qri_order *o = &window->order[window->order_count++];
        uint32_t expanded = c->expanded;
        QR_TRY(qri_expr(c, ast->items[i].expr, &o->expr));
        o->descending = ast->items[i].descending;
        o->item = SIZE_MAX;
        if (o->expr->kind == QR_EXPR_CONST && c->expanded == expanded)
            return qr_sql_fail(c->err, o->expr->type.id == QR_TYPE_INT ? 5308 : 5309);
        QR_TRY(qri_sortable(c, &o->expr->type));
    }
    return QR_OK;
}

static enum qr_status bind_bound(struct qri_compile *c, const struct qr_ast_expr *ast,
                                 const struct qr_expr **ret_expr)
{
    if (ast == NULL)
        return QR_OK;
    QR_TRY(qri_expr(c, ast, ret_expr));
    if ((*ret_expr)->kind != QR_EXPR_CONST || (*ret_expr)->type.id != QR_TYPE_INT ||
        (*ret_expr)->u.value.cell != QR_CELL_INT || (*ret_expr)->u.value.i < 0)
        return qr_sql_fail(c->err, 102, "ROWS"); /* an unsigned literal only */
    return qr_expr_convert(&c->b, qr_type_of(QR_TYPE_BIGINT), *ret_expr, ret_expr);
}

static enum qr_status bind_over(struct qri_compile *c, const struct qr_ast_window *ast,
                                struct qri_window *window)
{
    struct qr_ast_window merged;
    QR_TRY(merge_windows(c, ast, &merged));
    QR_TRY(qri_exprs(c, &merged.partition_by, &window->partition));
    window->partition_count = merged.partition_by.count;
    for (size_t i = 0; i < window->partition_count; i++)
        QR_TRY(qri_sortable(c, &window->partition[i]->type));
    QR_TRY(bind_order(c, &merged.order_by, window));
    window->frame = merged.frame;
    if (merged.frame != NULL) {
        if (window->order_count == 0)
            return qr_sql_fail(c->err, 10756);
        if (merged.frame->range &&
            (merged.frame->start_value != NULL || merged.frame->end_value != NULL))
            return qr_sql_fail(c->err, 4194);
        QR_TRY(bind_bound(c, merged.frame->start_value, &window->frame_start));
        QR_TRY(bind_bound(c, merged.frame->end_value, &window->frame_end));
    }
    return QR_OK;
}

static enum qr_status check_place(struct qri_compile *c, const struct qr_ast_call *ast,
                                  const struct qr_agg *agg)
{
    if (c->in_window || c->in_aggregate)
        return qr_sql_fail(c->err, 4109);
    if (c->clause != QRI_CLAUSE_SELECT && c->clause != QRI_CLAUSE_ORDER)
        return qr_sql_fail(c->err, 4108);
    if (ast->distinct)
        return qr_sql_fail(c->err, 10759);
    if ((agg->flags & QR_AGG_NO_WINDOW) != 0)
        return qr_sql_fail(c->err, 4113, agg->name);
    if (ast->within_group.count > 0 && (agg->flags & QR_AGG_WITHIN) == 0)
        return qr_sql_fail(c->err, 10757, agg->name);
    return QR_OK;
}

/* --- windows whose rows come in the order of WITHIN GROUP --- */

static enum qr_status bind_percentile(struct qri_compile *c, const struct qr_ast_call *ast,
                                      const struct qr_agg *agg, struct qri_leaf *leaf,
                                      struct qri_window *window)
{
    static const struct qr_ast_frame whole = {.between = true,
                                              .start = QR_FRAME_UNBOUNDED_PRECEDING,
                                              .end = QR_FRAME_UNBOUNDED_FOLLOWING};
    if (window->frame != NULL)
        return qr_sql_fail(c->err, 10752, agg->name);
    if (window->order_count > 0)
        return qr_sql_fail(c->err, 10758, agg->name);
    QR_TRY(qri_bind_within(c, ast, leaf));
    window->order = leaf->within;
    window->order_count = leaf->within_count;
    window->frame = &whole;
    leaf->within_count = 0;
    return QR_OK;
}

/* --- IGNORE NULLS --- */

static const struct neighbour {
    const char *name, *ignoring;
    bool moves; /* looks at the rows before, or after, this one */
    struct qr_ast_frame frame;
} neighbours[] = {
    {"FIRST_VALUE", "FIRST_VALUE IGNORE NULLS", false, {.between = true}},
    {"LAST_VALUE", "LAST_VALUE IGNORE NULLS", false, {.between = true}},
    {"LAG",
     "LAG IGNORE NULLS",
     true,
     {.between = true, .start = QR_FRAME_UNBOUNDED_PRECEDING, .end = QR_FRAME_PRECEDING}},
    {"LEAD",
     "LEAD IGNORE NULLS",
     true,
     {.between = true, .start = QR_FRAME_FOLLOWING, .end = QR_FRAME_UNBOUNDED_FOLLOWING}},
};

static const struct neighbour *neighbour_find(const struct qr_agg *agg)
{
    for (size_t i = 0; i < sizeof neighbours / sizeof neighbours[0]; i++)
        if (qr_str_ieqz(qr_str(neighbours[i].name), agg->name))
            return &neighbours[i];
    return NULL;
}

/* LAG and LEAD become aggregates of the rows on one side of this one. */
static enum qr_status bind_ignoring(struct qri_compile *c, const struct neighbour *n,
                                    const struct qr_expr *const *args, size_t arg_count,
                                    struct qri_window *window)
{
    const struct qr_expr *one;
    if (!n->moves)
        return QR_OK;
    if (arg_count > 1 && args[1]->kind != QR_EXPR_CONST && args[1]->kind != QR_EXPR_VAR)
        return qr_fail(c->err, QR_UNSUPPORTED,
                       "%s with IGNORE NULLS and an offset that differs between rows is not "
                       "supported",
                       n->name);
    QR_TRY(qr_expr_int(&c->b, 1, &one));
    QR_TRY(qr_expr_convert(&c->b, qr_type_of(QR_TYPE_BIGINT), one, &one));
    window->frame = &n->frame;
    window->frame_start = n->frame.start == QR_FRAME_FOLLOWING ? one : NULL;
    window->frame_end = n->frame.end == QR_FRAME_PRECEDING ? one : NULL;
    return QR_OK;
}

/* What the kind of function asks of its window; with IGNORE NULLS the function becomes another. */
static enum qr_status check_window(struct qri_compile *c, const struct qr_ast_call *ast,
                                   const struct qr_agg *agg, const struct qri_window *window)
{
    const struct neighbour *n = neighbour_find(agg);
    bool framed = (agg->flags & QR_AGG_ORDER) == 0 || (n != NULL && !n->moves);
    if ((agg->flags & QR_AGG_ORDER) != 0 && window->order_count == 0)
        return qr_sql_fail(c->err, 4112, qri_text_z(c, ast->name.parts[0].text));
    if (!framed && window->frame != NULL)
        return qr_sql_fail(c->err, 10752, agg->name);
    if ((ast->ignore_nulls || ast->respect_nulls) && n == NULL)
        return qr_sql_fail(c->err, 102, ast->ignore_nulls ? "IGNORE" : "RESPECT");
    return QR_OK;
}

/* ret_otherwise: what LAG and LEAD give where there is no row; NULL if the function sees to it. */
static enum qr_status window_bind(struct qri_compile *c, const struct qr_ast_call *ast,
                                  const struct qr_agg *agg, struct qri_leaf *leaf,
                                  const struct qr_expr **ret_otherwise)
{
    const struct qr_expr **args = NULL;
    size_t arg_count = ast->args.count;
    if (arg_count == 1 && ast->args.items[0]->kind == QR_AE_STAR &&
        (agg->flags & QR_AGG_NOT_NULL) != 0)
        arg_count = 0;
    c->in_window = true;
    if (arg_count > 0)
        QR_TRY(qri_exprs(c, &ast->args, &args));
    QR_TRY(bind_over(c, ast->over, leaf->window));
    if ((agg->flags & QR_AGG_WITHIN) != 0) {
        QR_TRY(bind_percentile(c, ast, agg, leaf, leaf->window));
        QR_TRY(qri_within_args(c, agg, leaf->window->order, leaf->window->order_count, &args,
                               &arg_count));
    }
    c->in_window = false;
    QR_TRY(check_window(c, ast, agg, leaf->window));
    if (ast->ignore_nulls) {
        const struct neighbour *n = neighbour_find(agg);
        QR_TRY(bind_ignoring(c, n, args, arg_count, leaf->window));
        *ret_otherwise = arg_count > 2 ? args[2] : NULL;
        arg_count = arg_count > 2 ? 2 : arg_count;
        agg = qr_agg_find(qr_str(n->ignoring));
    }
    return qr_agg_bind(&c->b, agg, args, arg_count, false, leaf->agg);
}

enum qr_status qri_window_call(struct qri_compile *c, const struct qr_ast_call *ast,
                               const struct qr_agg *agg, const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    struct qr_agg_call *call = QRI_NEW(c, struct qr_agg_call);
    struct qri_window *window = QRI_NEW(c, struct qri_window);
    const struct qr_expr *otherwise = NULL;
    if (leaf == NULL || call == NULL || window == NULL)
        return qri_nomem(c);
    QR_TRY(check_place(c, ast, agg));
    leaf->kind = QRI_LEAF_WINDOW;
    leaf->agg = call;
    leaf->window = window;
    QR_TRY(window_bind(c, ast, agg, leaf, &otherwise));
    if (c->scope != NULL && c->scope->query != NULL)
        c->scope->query->has_window = true;
    struct qr_expr_foreign shape = {
        .type = call->type, .label = call->label, .nullable = call->nullable};
    QR_TRY(qri_leaf(c, leaf, &shape, ret_expr));
    if (otherwise == NULL)
        return QR_OK;
    const struct qr_expr *both[] = {*ret_expr, otherwise};
    return qr_expr_call(&c->b, qr_str("ISNULL"), both, 2, ret_expr);
}

/* An aggregate that takes a number at each row, of which the frame has the last. */
enum qr_status qri_next_value_over(struct qri_compile *c, const struct qr_ast_window *over,
                                   const struct qr_expr *const args[2],
                                   const struct qr_expr **ret_expr)
{
    static const struct qr_ast_frame so_far = {.start = QR_FRAME_UNBOUNDED_PRECEDING,
                                               .end = QR_FRAME_CURRENT_ROW};
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    if (leaf == NULL)
        return qri_nomem(c);
    leaf->kind = QRI_LEAF_WINDOW;
    leaf->agg = QRI_NEW(c, struct qr_agg_call);
    leaf->window = QRI_NEW(c, struct qri_window);
    if (leaf->agg == NULL || leaf->window == NULL)
        return qri_nomem(c);
    c->in_window = true;
    QR_TRY(bind_over(c, over, leaf->window));
    c->in_window = false;
    if (leaf->window->frame != NULL)
        return qr_sql_fail(c->err, 11737);
    leaf->window->frame = &so_far;
    QR_TRY(qr_agg_bind(&c->b, qr_agg_find(qr_str("NEXT VALUE FOR")), args, 2, false, leaf->agg));
    if (c->scope != NULL && c->scope->query != NULL)
        c->scope->query->has_window = true;
    struct qr_expr_foreign shape = {.type = leaf->agg->type};
    return qri_leaf(c, leaf, &shape, ret_expr);
}
