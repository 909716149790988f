/* bind_query.c - query expressions: select, set operations, VALUES; see bind_int.h */
#include "mask_int.h"

#include "base/banned.h"

enum qr_status qri_enter(struct qri_compile *c)
{
    if (c->nest >= QRI_NEST_MAX)
        return qr_sql_fail(c->err, 191);
    c->nest++;
    return QR_OK;
}

/* What a result column is, as an operand for finding a common type: a NULL literal stays one. */
static enum qr_status out_operand(struct qri_compile *c, const struct qri_query *query, size_t i,
                                  const struct qr_expr **ret_expr)
{
    const struct qri_column *out = &query->outs[i];
    if (query->kind == QRI_QUERY_SELECT && query->for_inner == NULL) {
        *ret_expr = query->items[i];
        return QR_OK;
    }
    if (out->type.id == QR_TYPE_NULL)
        return qr_expr_null(&c->b, ret_expr);
    struct qr_expr_foreign shape = {
        .ref = (void *)(uintptr_t)query, .type = out->type, .label = out->label, .nullable = true};
    return qr_expr_foreign(&c->b, &shape, ret_expr);
}

enum qr_status qri_query_coerce(struct qri_compile *c, struct qri_query *query, size_t column,
                                struct qr_type type)
{
    struct qri_column *out = &query->outs[column];
    if (query->for_inner != NULL)
        return qr_type_eq(&out->type, &type)
                   ? QR_OK
                   : qr_fail(c->err, QR_UNSUPPORTED, "a FOR clause here needs a CAST around it");
    switch (query->kind) {
    case QRI_QUERY_SELECT:
        QR_TRY(qr_expr_convert(&c->b, type, query->items[column], &query->items[column]));
        break;
    case QRI_QUERY_VALUES:
        for (size_t r = 0; r < query->row_count; r++)
            QR_TRY(qr_expr_convert(&c->b, type, query->rows[r][column], &query->rows[r][column]));
        break;
    case QRI_QUERY_SETOP:
        for (size_t k = 0; k < query->branch_count; k++)
            QR_TRY(qri_query_coerce(c, query->branches[k], column, type));
        break;
    }
    if (!qr_type_eq(&out->type, &type))
        out->user_type_id = 0;
    out->type = type;
    return QR_OK;
}

static enum qr_status unify_column(struct qri_compile *c, struct qri_query *query, size_t count,
                                   size_t column)
{
    const struct qr_expr **operands = QRI_ARRAY(c, count, const struct qr_expr *);
    struct qri_column *out = &query->outs[column];
    struct qr_type type;
    enum qr_collation_label label = QR_LABEL_COERCIBLE_DEFAULT;
    if (operands == NULL)
        return qri_nomem(c);
    for (size_t k = 0; k < count; k++) {
        QR_TRY(out_operand(c, query->branches[k], column, &operands[k]));
        out->nullable = out->nullable || query->branches[k]->outs[column].nullable;
    }
    QR_TRY(qr_expr_common_type(&c->b, operands, count, &type, &label));
    for (size_t k = 0; k < count; k++)
        QR_TRY(qri_query_coerce(c, query->branches[k], column, type));
    out->type = type;
    out->label = label;
    return QR_OK;
}

/* The result takes its names from the first branch and its types from all. */
enum qr_status qri_unify(struct qri_compile *c, struct qri_query *query, size_t count)
{
    const struct qri_query *first = query->branches[0];
    for (size_t k = 1; k < count; k++)
        if (query->branches[k]->out_count != first->out_count)
            return qr_sql_fail(c->err, 205);
    query->out_count = first->out_count;
    query->outs = QRI_ARRAY(c, first->out_count + 1, struct qri_column);
    if (query->outs == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < first->out_count; i++) {
        query->outs[i] = first->outs[i];
        query->outs[i].flags = 0;
        query->outs[i].object = NULL;
        QR_TRY(unify_column(c, query, count, i));
    }
    return qri_masks_of_branches(c, query, count);
}

static enum qr_status check_comparable(struct qri_compile *c, const struct qri_query *query,
                                       const uint8_t *ops, size_t op_count)
{
    bool distinct = false;
    for (size_t i = 0; i < op_count; i++)
        distinct = distinct || ops[i] != QR_SETOP_UNION_ALL;
    for (size_t i = 0; distinct && i < query->out_count; i++)
        if (!qr_type_is_comparable(&query->outs[i].type))
            return qr_sql_fail(c->err, 421, qr_type_name(&query->outs[i].type));
    return QR_OK;
}

static enum qr_status bind_setop(struct qri_compile *c, const struct qr_ast_setop *ast,
                                 struct qri_query *query)
{
    query->branch_count = ast->count;
    query->ops = ast->ops;
    query->branches = QRI_ARRAY(c, ast->count, struct qri_query *);
    if (query->branches == NULL)
        return qri_nomem(c);
    struct qri_cte *cte = c->recursing;
    c->recursing = NULL;
    for (size_t k = 0; k < ast->count; k++) {
        if (cte != NULL && k > 0 && ast->ops[k - 1] == QR_SETOP_UNION_ALL) {
            query->branch_count = k;
            QR_TRY(qri_unify(c, query, query->is_recursive ? query->anchor_count : k));
            cte->partial = query;
            cte->uses_itself = false;
        }
        bool is_branch = c->is_branch;
        c->is_branch = true;
        QR_TRY(qri_bind_query(c, ast->branches[k], c->scope, &query->branches[k]));
        c->is_branch = is_branch;
        if (cte != NULL && cte->uses_itself && !query->is_recursive) {
            query->is_recursive = true;
            query->anchor_count = k;
        }
        if (cte != NULL)
            cte->partial = NULL;
    }
    query->branch_count = ast->count;
    if (query->is_recursive) {
        QR_TRY(qri_check_recursion(c, query, cte));
        return qri_masks_of_branches(c, query, query->branch_count);
    }
    QR_TRY(qri_unify(c, query, query->branch_count));
    return check_comparable(c, query, ast->ops, ast->count - 1);
}

enum qr_status qri_values(struct qri_compile *c, const struct qr_ast_rows *ast,
                          struct qri_query *query)
{
    size_t width = ast->count == 0 ? 0 : ast->items[0].values.count;
    query->rows = QRI_ARRAY(c, ast->count, const struct qr_expr **);
    query->outs = QRI_ARRAY(c, width + 1, struct qri_column);
    const struct qr_expr **column = QRI_ARRAY(c, ast->count, const struct qr_expr *);
    if (query->rows == NULL || query->outs == NULL || column == NULL)
        return qri_nomem(c);
    query->out_count = width;
    query->row_count = ast->count;
    for (size_t r = 0; r < ast->count; r++) {
        if (ast->items[r].values.count != width)
            return qr_sql_fail(c->err, 10709);
        QR_TRY(qri_exprs(c, &ast->items[r].values, &query->rows[r]));
    }
    for (size_t i = 0; i < width; i++) {
        struct qri_column *out = &query->outs[i];
        struct qr_type type;
        out->is_null = ast->count > 0;
        for (size_t r = 0; r < ast->count; r++) {
            column[r] = query->rows[r][i];
            out->is_null = out->is_null && column[r]->kind == QR_EXPR_CONST &&
                           column[r]->type.id == QR_TYPE_NULL;
            out->nullable = out->nullable || column[r]->nullable;
        }
        QR_TRY(qr_expr_common_type(&c->b, column, ast->count, &type, &out->label));
        QR_TRY(qri_query_coerce(c, query, i, type));
    }
    return qri_masks_of_rows(c, query);
}

struct place {
    struct qri_scope *scope;
    enum qri_clause clause;
    bool in_aggregate, in_window;
    int line;
};

static struct place save_place(const struct qri_compile *c)
{
    return (struct place){c->scope, c->clause, c->in_aggregate, c->in_window, c->b.line};
}

static void restore_place(struct qri_compile *c, const struct place *p)
{
    c->scope = p->scope;
    c->clause = p->clause;
    c->in_aggregate = p->in_aggregate;
    c->in_window = p->in_window;
    c->b.line = p->line;
}

/* The ORDER BY behind a set operation may stand in a view if one of the branches has TOP. */
static bool has_top(const struct qri_query *query)
{
    for (size_t i = 0; i < query->branch_count; i++)
        if (has_top(query->branches[i]))
            return true;
    return query->top.amount != NULL;
}

static enum qr_status bind_body(struct qri_compile *c, const struct qr_ast_query *ast,
                                struct qri_query *query, bool is_top)
{
    switch (ast->kind) {
    case QR_AQ_SELECT:
        query->kind = QRI_QUERY_SELECT;
        QR_TRY(qri_select(c, (const struct qr_ast_select *)ast, query));
        break;
    case QR_AQ_SETOP:
        query->kind = QRI_QUERY_SETOP;
        QR_TRY(bind_setop(c, (const struct qr_ast_setop *)ast, query));
        break;
    case QR_AQ_VALUES:
        query->kind = QRI_QUERY_VALUES;
        c->clause = QRI_CLAUSE_SET;
        QR_TRY(qri_values(c, &((const struct qr_ast_values_query *)ast)->rows, query));
        break;
    }
    if (!is_top && ast->order_by.count > 0 && !has_top(query) && ast->offset == NULL &&
        (ast->for_clause == NULL || ast->for_clause->kind == QR_FOR_BROWSE))
        return qr_sql_fail(c->err, 1033);
    QR_TRY(qri_order_by(c, ast, query));
    if (query->kind == QRI_QUERY_SELECT)
        QR_TRY(qri_group_check(c, query));
    return ast->for_clause == NULL ? QR_OK : qri_for_clause(c, ast, query);
}

enum qr_status qri_bind_query(struct qri_compile *c, const struct qr_ast_query *ast,
                              struct qri_scope *outer, struct qri_query **ret_query)
{
    struct place place = save_place(c);
    struct qri_query *query = QRI_NEW(c, struct qri_query);
    struct qri_scope *scope = qri_scope_new(c, outer, query);
    bool is_top = c->is_top_query, is_tested = c->is_tested_query;
    if (outer != NULL)
        outer->clause = c->clause;
    if (query == NULL || scope == NULL)
        return qri_nomem(c);
    QR_TRY(qri_enter(c));
    c->is_top_query = c->is_tested_query = false;
    c->in_aggregate = c->in_window = false;
    c->scope = scope;
    query->scope = scope;
    query->ast = ast;
    query->apply_scope = c->apply_scope;
    c->apply_scope = NULL;
    query->is_top = is_top;
    query->is_tested = is_tested;
    QR_TRY(bind_body(c, ast, query, is_top));
    restore_place(c, &place);
    qri_leave(c);
    *ret_query = query;
    return QR_OK;
}
