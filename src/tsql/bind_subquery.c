/* bind_subquery.c - queries inside expressions; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

static enum qr_status bind_inner(struct qri_compile *c, const struct qr_ast_query *ast,
                                 struct qri_leaf **ret_leaf)
{
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    if (leaf == NULL)
        return qri_nomem(c);
    if (c->in_aggregate)
        return qr_sql_fail(c->err, 130);
    if (c->row_table != NULL && c->scope == NULL)
        return qr_sql_fail(c->err, 1046);
    c->has_subquery = true;
    QR_TRY(qri_bind_query(c, ast, c->scope, &leaf->query));
    *ret_leaf = leaf;
    return QR_OK;
}

static enum qr_status one_column(struct qri_compile *c, const struct qri_query *query)
{
    return query->out_count == 1 ? QR_OK : qr_sql_fail(c->err, 116);
}

enum qr_status qri_scalar_subquery(struct qri_compile *c, const struct qr_ast_query *ast,
                                   const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = NULL;
    QR_TRY(bind_inner(c, ast, &leaf));
    QR_TRY(one_column(c, leaf->query));
    leaf->kind = QRI_LEAF_SCALAR;
    const struct qri_column *out = &leaf->query->outs[0];
    struct qr_expr_foreign shape = {.type = out->type, .label = out->label, .nullable = true};
    const struct qr_plan_for *made = leaf->query->for_call;
    shape.is_json =
        made != NULL && (made->kind == QR_FORMAT_JSON_AUTO || made->kind == QR_FORMAT_JSON_PATH);
    if (shape.type.id == QR_TYPE_NULL) {
        shape.type = qr_type_of(QR_TYPE_INT);
        QR_TRY(qri_query_coerce(c, leaf->query, 0, shape.type));
    }
    return qri_leaf(c, leaf, &shape, ret_expr);
}

enum qr_status qri_exists(struct qri_compile *c, const struct qr_ast_query *ast,
                          const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = NULL;
    c->is_tested_query = true;
    QR_TRY(bind_inner(c, ast, &leaf));
    leaf->kind = QRI_LEAF_EXISTS;
    struct qr_expr_foreign shape = {.type = qr_type_of(QR_TYPE_BIT), .is_predicate = true};
    return qri_leaf(c, leaf, &shape, ret_expr);
}

/* Brings both sides to the type that they are compared in. */
static enum qr_status unify(struct qri_compile *c, enum qr_cmp cmp, struct qri_leaf *leaf)
{
    const struct qri_column *out = &leaf->query->outs[0];
    const struct qr_expr *inner = NULL;
    struct qr_expr_foreign shape = {
        .ref = leaf, .type = out->type, .label = out->label, .nullable = true};
    if (out->type.id == QR_TYPE_NULL)
        QR_TRY(qr_expr_null(&c->b, &inner));
    else
        QR_TRY(qr_expr_foreign(&c->b, &shape, &inner));
    QR_TRY(qr_expr_cmp_operands(&c->b, cmp, &leaf->left, &inner));
    return qri_query_coerce(c, leaf->query, 0, inner->type);
}

static bool is_sure_column(const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf != NULL && leaf->kind == QRI_LEAF_COLUMN && !expr->nullable;
}

/* Is the query asked for each row around it, and its value a column of the rows that it looks at?
 * Without NULLs on either side IN is EXISTS then, which reads and locks the rows that are equal. */
static bool is_seek(const struct qri_leaf *leaf)
{
    const struct qri_query *q = leaf->query;
    return q->is_correlated && q->kind == QRI_QUERY_SELECT && q->from_count > 0 && !q->is_grouped &&
           !q->has_window && q->set_count == 0 && !q->distinct && q->top.amount == NULL &&
           q->offset == NULL && q->fetch == NULL && q->for_inner == NULL &&
           is_sure_column(leaf->left) && is_sure_column(q->items[0]);
}

static enum qr_status bind_seek(struct qri_compile *c, struct qri_leaf *leaf,
                                const struct qr_expr **ret_expr)
{
    struct qri_query *q = leaf->query;
    const struct qr_expr *terms[2] = {q->where, NULL};
    struct qr_expr_foreign shape = {.type = qr_type_of(QR_TYPE_BIT), .is_predicate = true};
    QR_TRY(qr_expr_cmp(&c->b, QR_CMP_EQ, q->items[0], leaf->left, &terms[1]));
    if (q->where == NULL)
        q->where = terms[1];
    else
        QR_TRY(qr_expr_logic(&c->b, QR_EXPR_AND, terms, 2, &q->where));
    leaf->kind = QRI_LEAF_EXISTS;
    QR_TRY(qri_leaf(c, leaf, &shape, ret_expr));
    return leaf->negated ? qr_expr_not(&c->b, *ret_expr, ret_expr) : QR_OK;
}

enum qr_status qri_in_subquery(struct qri_compile *c, const struct qr_ast_in *ast,
                               const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = NULL;
    const struct qr_expr *left = NULL;
    QR_TRY(qri_expr(c, ast->operand, &left));
    QR_TRY(bind_inner(c, ast->query, &leaf));
    QR_TRY(one_column(c, leaf->query));
    leaf->kind = QRI_LEAF_IN;
    leaf->left = left;
    leaf->negated = ast->negated;
    QR_TRY(unify(c, QR_CMP_EQ, leaf));
    if (is_seek(leaf))
        return bind_seek(c, leaf, ret_expr);
    struct qr_expr_foreign shape = {
        .type = qr_type_of(QR_TYPE_BIT), .is_predicate = true, .nullable = true};
    return qri_leaf(c, leaf, &shape, ret_expr);
}

enum qr_status qri_quantified(struct qri_compile *c, const struct qr_ast_quantified *ast,
                              const struct qr_expr **ret_expr)
{
    static const enum qr_cmp cmps[] = {
        [QR_ACMP_EQ] = QR_CMP_EQ, [QR_ACMP_NE] = QR_CMP_NE, [QR_ACMP_LT] = QR_CMP_LT,
        [QR_ACMP_LE] = QR_CMP_LE, [QR_ACMP_GT] = QR_CMP_GT, [QR_ACMP_GE] = QR_CMP_GE,
    };
    struct qri_leaf *leaf = NULL;
    const struct qr_expr *left = NULL;
    QR_TRY(qri_expr(c, ast->operand, &left));
    QR_TRY(bind_inner(c, ast->query, &leaf));
    QR_TRY(one_column(c, leaf->query));
    leaf->kind = QRI_LEAF_QUANTIFIED;
    leaf->left = left;
    leaf->cmp = cmps[ast->op];
    leaf->all = ast->all;
    QR_TRY(unify(c, leaf->cmp, leaf));
    if ((leaf->cmp == QR_CMP_EQ && !leaf->all) || (leaf->cmp == QR_CMP_NE && leaf->all)) {
        leaf->kind = QRI_LEAF_IN;
        leaf->negated = leaf->all;
    }
    struct qr_expr_foreign shape = {
        .type = qr_type_of(QR_TYPE_BIT), .is_predicate = true, .nullable = true};
    return qri_leaf(c, leaf, &shape, ret_expr);
}
