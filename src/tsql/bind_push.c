/* bind_push.c - comparisons of a filtered table's columns with what is known before the statement
 * runs, said again inside the table's query; see policy_int.h. Which keys and ranges a statement
 * locks follows from the conditions beside the table (emit_key.c). */
#include "policy_int.h"

#include "base/banned.h"

struct push {
    const struct qri_source *source;
    bool is_other; /* something else is named */
};

static const struct qr_expr *inner_column(void *arg, const struct qr_expr *expr)
{
    const struct push *p = (const struct push *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf == NULL ? NULL : p->source->query->items[leaf->column];
}

static bool is_column(void *arg, const struct qr_expr *expr)
{
    struct push *p = (struct push *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    p->is_other |= leaf != NULL && (leaf->kind != QRI_LEAF_COLUMN || leaf->source != p->source);
    return !p->is_other;
}

/* column = value, value < column, column IN (value, ...); and OR of such. */
static bool may_be_pushed(struct push *p, const struct qr_expr *term)
{
    bool compares = (term->kind == QR_EXPR_CMP && term->u.cmp != QR_CMP_NE) ||
                    (term->kind == QR_EXPR_IN && !term->u.negated);
    if (term->kind == QR_EXPR_OR || term->kind == QR_EXPR_AND) {
        for (size_t i = 0; i < term->arg_count; i++)
            if (!may_be_pushed(p, term->args[i]))
                return false;
        return true;
    }
    for (size_t i = 0; compares && i < term->arg_count; i++)
        compares = qri_leaf_of(term->args[i]) != NULL || !term->args[i]->has_foreign;
    return compares && term->has_foreign && qr_expr_walk(term, is_column, p);
}

static enum qr_status push_term(struct qri_compile *c, struct qri_source *source,
                                const struct qr_expr *term)
{
    struct push p = {.source = source};
    const struct qr_expr *inner = NULL;
    if (term->volatility == QR_VOLATILE || !may_be_pushed(&p, term))
        return QR_OK;
    QR_TRY(qr_expr_rewrite(c->arena, term, inner_column, &p, &inner, c->err));
    return qri_and(c, source->query->where, inner, &source->query->where);
}

enum qr_status qri_push_down(struct qri_compile *c, const struct qri_query *query)
{
    const struct qr_expr *where = query->where;
    if (!c->is_filtered || where == NULL)
        return QR_OK;
    for (size_t i = 0; i < query->scope->count; i++) {
        struct qri_source *source = query->scope->items[i];
        if (!source->is_filter || source->is_null_extended || source->query->where == NULL)
            continue;
        bool several = where->kind == QR_EXPR_AND;
        for (size_t k = 0; k < (several ? where->arg_count : 1); k++)
            QR_TRY(push_term(c, source, several ? where->args[k] : where));
    }
    return QR_OK;
}
