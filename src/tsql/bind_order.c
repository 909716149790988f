/* bind_order.c - ORDER BY, OFFSET and FETCH; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

static const struct qr_ast_name *plain_name(const struct qr_ast_expr *ast)
{
    if (ast->kind != QR_AE_COLUMN)
        return NULL;
    const struct qr_ast_name *name = &((const struct qr_ast_column *)ast)->name;
    return name->count == 1 ? name : NULL;
}

static enum qr_status by_position(struct qri_compile *c, const struct qri_query *query,
                                  struct qr_str text, size_t *ret_item)
{
    int64_t position = 0;
    for (size_t i = 0; i < text.n && position <= QRI_SELECT_ITEMS_MAX; i++)
        position = position * 10 + (text.p[i] - '0');
    if (position < 1 || (uint64_t)position > query->out_count)
        return qr_sql_fail(c->err, 108, (int)position);
    *ret_item = (size_t)position - 1;
    return QR_OK;
}

/* Names in ORDER BY are first those of the result. */
static enum qr_status by_name(struct qri_compile *c, const struct qri_query *query,
                              struct qr_str name, size_t *ret_item)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < query->out_count; i++) {
        if (!qr_str_ieq(query->outs[i].name, name))
            continue;
        if (found != SIZE_MAX && (query->kind != QRI_QUERY_SELECT ||
                                  !qr_expr_equal(query->items[found], query->items[i])))
            return qr_sql_fail(c->err, 209, qri_text_z(c, name));
        if (found == SIZE_MAX)
            found = i;
    }
    *ret_item = found;
    return QR_OK;
}

/* An expression in ORDER BY of a set operation, a qualified name too, means what it does in the
 * first SELECT, and has to be one of its items. */
static enum qr_status by_first_branch(struct qri_compile *c, const struct qri_query *query,
                                      const struct qr_ast_expr *ast, struct qri_order *order)
{
    const struct qri_query *first = query;
    const struct qr_expr *expr;
    while (first->kind == QRI_QUERY_SETOP)
        first = first->branches[0];
    if (first->kind != QRI_QUERY_SELECT || first->for_inner != NULL || plain_name(ast) != NULL)
        return qr_sql_fail(c->err, 104);
    struct qri_scope *scope = c->scope;
    c->scope = first->scope;
    QR_TRY(qri_expr(c, ast, &expr));
    c->scope = scope;
    for (size_t i = 0; i < query->out_count; i++) {
        const struct qr_expr *coerced = expr; /* as the items are by now */
        enum qr_status status = qr_expr_convert(&c->b, query->outs[i].type, expr, &coerced);
        if (status != QR_OK && status != QR_SQL)
            return status;
        if (status == QR_OK && qr_expr_equal(first->items[i], coerced)) {
            order->item = i;
            return QR_OK;
        }
    }
    return qr_sql_fail(c->err, 104);
}

static enum qr_status by_expr(struct qri_compile *c, struct qri_query *query, size_t position,
                              const struct qr_ast_expr *ast, struct qri_order *order)
{
    if (query->kind != QRI_QUERY_SELECT)
        return by_first_branch(c, query, ast, order);
    uint32_t expanded = c->expanded;
    QR_TRY(qri_expr(c, ast, &order->expr));
    bool is_column = c->expanded != expanded; /* of APPLY, whatever it stands for */
    if (order->expr->kind == QR_EXPR_CONST && !is_column)
        return qr_sql_fail(c->err, 408, (int)position + 1);
    if (order->expr->kind == QR_EXPR_VAR && !is_column)
        return qr_sql_fail(c->err, 1008, (int)position + 1);
    for (size_t i = 0; i < query->out_count; i++)
        if (qr_expr_equal(query->items[i], order->expr)) {
            order->item = i;
            return QR_OK;
        }
    return query->distinct ? qr_sql_fail(c->err, 145) : QR_OK;
}

enum qr_status qri_sortable(struct qri_compile *c, const struct qr_type *type)
{
    if (qr_type_is_comparable(type))
        return QR_OK;
    return qr_sql_fail(c->err, type->id == QR_TYPE_XML      ? 305
                               : type->id == QR_TYPE_JSON   ? 13636
                               : type->id == QR_TYPE_VECTOR ? 42213
                                                            : 306);
}

static enum qr_status bind_item(struct qri_compile *c, struct qri_query *query, size_t position,
                                const struct qr_ast_order_item *ast, struct qri_order *order)
{
    const struct qr_ast_name *name = plain_name(ast->expr);
    const struct qr_ast_literal *literal =
        ast->expr->kind == QR_AE_LITERAL ? (const struct qr_ast_literal *)ast->expr : NULL;
    order->item = SIZE_MAX;
    order->descending = ast->descending;
    if (literal != NULL && literal->literal == QR_LIT_INT)
        QR_TRY(by_position(c, query, literal->text, &order->item));
    else if (name != NULL)
        QR_TRY(by_name(c, query, name->parts[0].text, &order->item));
    if (order->item == SIZE_MAX)
        QR_TRY(by_expr(c, query, position, ast->expr, order));
    const struct qr_type *type =
        order->item != SIZE_MAX ? &query->outs[order->item].type : &order->expr->type;
    return qri_sortable(c, type);
}

static enum qr_status bind_limit(struct qri_compile *c, const struct qr_ast_expr *ast,
                                 const struct qr_expr **ret_expr)
{
    if (ast == NULL)
        return QR_OK;
    bool lateral = c->lateral;
    c->lateral = false;
    QR_TRY(qri_limit(c, ast, ret_expr));
    c->lateral = lateral;
    if (qr_type_family(&(*ret_expr)->type) != QR_FAMILY_INT)
        return qr_sql_fail(c->err, 10743, "OFFSET");
    return qr_expr_convert(&c->b, qr_type_of(QR_TYPE_BIGINT), *ret_expr, ret_expr);
}

enum qr_status qri_order_by(struct qri_compile *c, const struct qr_ast_query *ast,
                            struct qri_query *query)
{
    size_t n = ast->order_by.count;
    if (n == 0)
        return query->top.with_ties ? qr_sql_fail(c->err, 1062) : QR_OK;
    c->clause = QRI_CLAUSE_ORDER;
    query->order = QRI_ARRAY(c, n, struct qri_order);
    if (query->order == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < n; i++) {
        c->b.line = (int)ast->order_by.items[i].expr->pos.line;
        QR_TRY(bind_item(c, query, i, &ast->order_by.items[i], &query->order[i]));
        for (size_t k = 0; k < i; k++)
            if (query->order[i].item != SIZE_MAX && query->order[k].item == query->order[i].item)
                return qr_sql_fail(c->err, 169);
        query->order_count = i + 1;
    }
    c->clause = QRI_CLAUSE_FROM;
    if (ast->offset != NULL && query->top.amount != NULL)
        return qr_sql_fail(c->err, 10741);
    QR_TRY(bind_limit(c, ast->offset, &query->offset));
    return bind_limit(c, ast->fetch, &query->fetch);
}
