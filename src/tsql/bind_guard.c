/* bind_guard.c - conditions that can fail do not see rows that a security policy hides; see
 * policy_int.h.
 *
 * SQLite merges a filtered table's query into its surroundings and evaluates the conditions of both
 * in an order of its own. What cannot fail may come first. What can, a cast or a division, becomes
 *   CASE WHEN guard = 0 THEN 0 WHEN condition THEN 1 ELSE 0 END = 1
 * where the guard is a column that the filtered query gives besides: its filter as a number. */
#include "policy_int.h"

#include "base/banned.h"

/* ---- what can fail ---- */

static bool is_safe(const struct qr_expr *expr);

static bool is_safe_cast(const struct qr_type *from, const struct qr_type *to)
{
    bool ints = qr_type_family(from) == QR_FAMILY_INT && qr_type_family(to) == QR_FAMILY_INT;
    return (qr_type_is_string(from) && qr_type_is_string(to)) || (ints && to->id >= from->id);
}

static bool are_safe(const struct qr_expr *expr)
{
    for (size_t i = 0; i < expr->arg_count; i++)
        if (!is_safe(expr->args[i]))
            return false;
    return true;
}

/* A column of a query is what the query computes there. */
static bool is_safe_leaf(const struct qri_leaf *leaf)
{
    if (leaf->kind == QRI_LEAF_EXISTS || leaf->kind == QRI_LEAF_MARK)
        return true;
    if (leaf->kind == QRI_LEAF_IN)
        return is_safe(leaf->left);
    if (leaf->kind != QRI_LEAF_COLUMN)
        return false;
    const struct qri_query *q = leaf->source->query;
    if (leaf->source->kind != QRI_SOURCE_QUERY)
        return true;
    return q->kind == QRI_QUERY_SELECT && q->items != NULL && leaf->column < q->out_count &&
           is_safe(q->items[leaf->column]);
}

static bool is_safe(const struct qr_expr *expr)
{
    switch ((int)expr->kind) {
    case QR_EXPR_FOREIGN:
        return is_safe_leaf(qri_leaf_of(expr));
    case QR_EXPR_CALL:
    case QR_EXPR_UDF:
    case QR_EXPR_CHOOSE:
        return !expr->has_foreign;
    case QR_EXPR_CAST:
        return is_safe_cast(&expr->args[0]->type, &expr->type) && are_safe(expr);
    case QR_EXPR_ARITH:
        return expr->u.arith.op != QR_OP_DIV && expr->u.arith.op != QR_OP_MOD && are_safe(expr);
    default:
        return are_safe(expr);
    }
}

/* ---- guards ---- */

static bool may_be_merged(const struct qri_source *s)
{
    const struct qri_query *q = s->query;
    return s->kind == QRI_SOURCE_QUERY && q->kind == QRI_QUERY_SELECT && !q->is_grouped &&
           !q->is_recursive && q->set_count == 0 && q->for_inner == NULL && q->top.amount == NULL &&
           q->offset == NULL && q->fetch == NULL && !q->has_window && q->scope != NULL;
}

/* CASE WHEN zero THEN 0 ELSE 1 END */
static enum qr_status as_number(struct qri_compile *c, const struct qr_expr *zero, bool negated,
                                const struct qr_expr **ret_expr)
{
    const struct qr_expr *values[2] = {NULL, NULL};
    QR_TRY(qr_expr_int(&c->b, negated ? 1 : 0, &values[0]));
    QR_TRY(qr_expr_int(&c->b, negated ? 0 : 1, &values[1]));
    return qr_expr_case(&c->b, &zero, &values[0], 1, values[1], ret_expr);
}

/* `*zero` or that the guard of the source is 0; it stays NULL while there is none. */
static enum qr_status add_guard(struct qri_compile *c, struct qri_source *s, unsigned depth,
                                const struct qr_expr **zero);

/* What the source's rows have to meet inside, as a number that it gives. */
static enum qr_status make_guard(struct qri_compile *c, struct qri_source *s, unsigned depth)
{
    struct qri_query *q = s->query;
    struct qri_scope *scope = c->scope;
    const struct qr_expr *zero = NULL;
    s->has_guard = true;
    c->scope = q->scope;
    for (size_t i = 0; i < q->scope->count; i++)
        QR_TRY(add_guard(c, q->scope->items[i], depth + 1, &zero));
    if (zero != NULL)
        QR_TRY(as_number(c, zero, false, &s->guard));
    if (s->is_filter && q->where != NULL) {
        const struct qr_expr *own = NULL;
        QR_TRY(as_number(c, q->where, true, &own));
        if (s->guard == NULL) {
            s->guard = own;
        } else { /* of a view: its tables' guards come first */
            const struct qr_expr *both[2] = {zero, NULL}, *number = NULL;
            QR_TRY(qr_expr_int(&c->b, 0, &number));
            QR_TRY(qr_expr_cmp(&c->b, QR_CMP_EQ, own, number, &both[1]));
            QR_TRY(qr_expr_logic(&c->b, QR_EXPR_OR, both, 2, &zero));
            QR_TRY(as_number(c, zero, false, &s->guard));
        }
    }
    c->scope = scope;
    return QR_OK;
}

static enum qr_status add_guard(struct qri_compile *c, struct qri_source *s, unsigned depth,
                                const struct qr_expr **zero)
{
    const struct qr_expr *column = NULL, *number = NULL, *either[2] = {*zero, NULL};
    if (!may_be_merged(s) || depth > QRI_NEST_MAX)
        return QR_OK;
    if (!s->has_guard)
        QR_TRY(make_guard(c, s, depth));
    if (s->guard == NULL)
        return QR_OK;
    QR_TRY(qri_expose(c, s, s->guard, &column));
    QR_TRY(qr_expr_int(&c->b, 0, &number));
    QR_TRY(qr_expr_cmp(&c->b, QR_CMP_EQ, column, number, &either[1]));
    if (*zero == NULL) {
        *zero = either[1];
        return QR_OK;
    }
    return qr_expr_logic(&c->b, QR_EXPR_OR, either, 2, zero);
}

/* ---- conditions ---- */

struct named {
    struct qri_source *items[QRI_JOIN_TABLES_MAX];
    size_t count;
    bool has_query; /* which may name any */
};

static void note(struct named *n, struct qri_source *s)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->items[i] == s)
            return;
    if (n->count < QRI_JOIN_TABLES_MAX)
        n->items[n->count++] = s;
}

static bool note_leaf(void *arg, const struct qr_expr *expr)
{
    struct named *n = (struct named *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf != NULL && leaf->kind == QRI_LEAF_COLUMN)
        note(n, leaf->source);
    if (leaf != NULL && leaf->query != NULL) {
        n->has_query |= leaf->query->is_correlated;
        if (leaf->left != NULL)
            (void)qr_expr_walk(leaf->left, note_leaf, n);
    }
    return true;
}

static enum qr_status guard_term(struct qri_compile *c, const struct qr_expr **term)
{
    const struct qr_expr *zero = NULL, *whens[2], *thens[2], *one = NULL, *none = NULL;
    struct named n = {.count = 0};
    if (is_safe(*term))
        return QR_OK;
    (void)qr_expr_walk(*term, note_leaf, &n);
    for (size_t i = 0; n.has_query && c->scope != NULL && i < c->scope->count; i++)
        note(&n, c->scope->items[i]);
    for (size_t i = 0; i < n.count; i++)
        QR_TRY(add_guard(c, n.items[i], 0, &zero));
    if (zero == NULL)
        return QR_OK;
    QR_TRY(qr_expr_int(&c->b, 1, &one));
    QR_TRY(qr_expr_int(&c->b, 0, &none));
    whens[0] = zero;
    whens[1] = *term;
    thens[0] = none;
    thens[1] = one;
    QR_TRY(qr_expr_case(&c->b, whens, thens, 2, none, term));
    return qr_expr_cmp(&c->b, QR_CMP_EQ, *term, one, term);
}

enum qr_status qri_guard(struct qri_compile *c, const struct qr_expr **condition)
{
    const struct qr_expr *all = *condition;
    if (!c->is_filtered || c->in_predicate || all == NULL)
        return QR_OK;
    if (all->kind != QR_EXPR_AND)
        return guard_term(c, condition);
    const struct qr_expr **terms = QRI_ARRAY(c, all->arg_count, const struct qr_expr *);
    if (terms == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < all->arg_count; i++) {
        terms[i] = all->args[i];
        QR_TRY(guard_term(c, &terms[i]));
    }
    return qr_expr_logic(&c->b, QR_EXPR_AND, terms, all->arg_count, condition);
}
