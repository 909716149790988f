/* bind_apply.c - APPLY without LATERAL: what SQLite can join is merged; see bind_int.h
 *
 * A correlated query right of APPLY becomes, in this order of preference:
 *   a plain SELECT: its tables joined in place, its columns the expressions they stand for;
 *   VALUES: a join with a counter, each column a CASE over it;
 *   anything else: qrows() over a plan of its own, with the outer columns as arguments (emitter).
 */
#include "bind_int.h"

#include "base/banned.h"

/* A derived table inside that looks out itself could not do so from the same FROM. */
static bool has_correlated_part(const struct qri_query *q)
{
    for (size_t i = 0; i < q->scope->count; i++) {
        const struct qri_source *s = q->scope->items[i];
        if (s->query != NULL && s->kind == QRI_SOURCE_QUERY && s->query->is_correlated)
            return true;
    }
    return false;
}

static bool is_plain_select(const struct qri_query *q)
{
    return q->kind == QRI_QUERY_SELECT && !q->is_grouped && !q->has_window && !q->distinct &&
           q->top.amount == NULL && q->offset == NULL && q->fetch == NULL && q->order_count == 0 &&
           q->for_inner == NULL && !has_correlated_part(q);
}

/* Null-extended rows give NULL only for columns, not for ISNULL(column, 0). */
static bool items_are_columns(const struct qri_query *q)
{
    for (size_t i = 0; i < q->out_count; i++) {
        const struct qri_leaf *leaf = qri_leaf_of(q->items[i]);
        if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN || leaf->source->scope != q->scope ||
            leaf->source->columns[leaf->column].expr != NULL)
            return false;
    }
    return true;
}

static bool items_are_volatile(const struct qri_query *q)
{
    for (size_t i = 0; i < q->out_count; i++)
        if (q->items[i]->volatility == QR_VOLATILE)
            return true;
    return false;
}

static enum qr_status join_all(struct qri_compile *c, const struct qri_query *q,
                               struct qri_source **ret_tree)
{
    struct qri_source *tree = q->from_count == 0 ? NULL : q->from[0];
    for (size_t i = 1; i < q->from_count; i++) {
        struct qri_source *join = qri_source_new(c, QRI_SOURCE_JOIN, 0);
        if (join == NULL)
            return qri_nomem(c);
        join->join = QR_JOIN_CROSS;
        join->left = tree;
        join->right = q->from[i];
        tree = join;
    }
    *ret_tree = tree;
    return QR_OK;
}

/* What it stands for in rows that OUTER APPLY extends: the column anew, which may be NULL there. */
static enum qr_status extended_item(struct qri_compile *c, const struct qr_expr *item,
                                    const struct qr_expr **ret_expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(item);
    struct qri_column *column = &leaf->source->columns[leaf->column];
    if (!item->nullable && column->leaf == item) {
        column->nullable = true;
        column->leaf = NULL;
    }
    return qri_column_leaf(c, leaf->source, leaf->column, ret_expr);
}

/* is_extended: the items are columns, and there may be no row. */
static enum qr_status merge_select(struct qri_compile *c, struct qri_source *right,
                                   bool is_extended)
{
    const struct qri_query *q = right->query;
    QR_TRY(join_all(c, q, &right->left));
    right->kind = QRI_SOURCE_EXPAND;
    right->on = q->where;
    for (size_t i = 0; i < q->scope->count; i++)
        q->scope->items[i]->scope = c->scope; /* they stand here now */
    for (size_t i = 0; i < right->column_count; i++) {
        right->columns[i].expr = q->items[i];
        if (is_extended)
            QR_TRY(extended_item(c, q->items[i], &right->columns[i].expr));
    }
    return QR_OK;
}

/* CASE counter WHEN 0 THEN … WHEN 1 THEN … END */
enum qr_status qri_counter_case(struct qri_compile *c, struct qri_source *counter,
                                const struct qr_expr *const *values,
                                const struct qr_expr **ret_expr)
{
    size_t n = counter->row_count;
    const struct qr_expr **whens = QRI_ARRAY(c, n, const struct qr_expr *);
    const struct qr_expr *row = NULL;
    if (whens == NULL)
        return qri_nomem(c);
    if (n == 1) {
        *ret_expr = values[0];
        return QR_OK;
    }
    if (counter->columns[0].leaf == NULL)
        QR_TRY(qri_column_leaf(c, counter, 0, &row));
    row = counter->columns[0].leaf;
    for (size_t i = 0; i + 1 < n; i++) {
        const struct qr_expr *number = NULL;
        QR_TRY(qr_expr_int(&c->b, (int64_t)i, &number));
        QR_TRY(qr_expr_cmp(&c->b, QR_CMP_EQ, row, number, &whens[i]));
    }
    return qr_expr_case(&c->b, whens, values, n - 1, values[n - 1], ret_expr);
}

enum qr_status qri_counter_source(struct qri_compile *c, size_t row_count,
                                  struct qri_source **ret_source)
{
    struct qri_source *counter = qri_source_new(c, QRI_SOURCE_COUNTER, 1);
    if (counter == NULL)
        return qri_nomem(c);
    counter->row_count = row_count;
    counter->columns[0].type = qr_type_of(QR_TYPE_INT);
    counter->columns[0].column_id = 1;
    *ret_source = counter;
    return QR_OK;
}

static enum qr_status merge_values(struct qri_compile *c, struct qri_source *right)
{
    struct qri_query *q = right->query;
    struct qri_source *counter = NULL;
    const struct qr_expr **values = QRI_ARRAY(c, q->row_count, const struct qr_expr *);
    if (values == NULL)
        return qri_nomem(c);
    QR_TRY(qri_counter_source(c, q->row_count, &counter));
    counter->scope = c->scope;
    right->kind = QRI_SOURCE_EXPAND;
    right->left = q->row_count == 1 ? NULL : counter;
    for (size_t i = 0; i < right->column_count; i++) {
        for (size_t r = 0; r < q->row_count; r++)
            values[r] = q->rows[r][i];
        QR_TRY(qri_counter_case(c, counter, values, &right->columns[i].expr));
    }
    return QR_OK;
}

enum qr_status qri_apply_lower(struct qri_compile *c, struct qri_source *right, bool is_outer)
{
    if (right->kind != QRI_SOURCE_QUERY || !right->query->uses_siblings)
        return QR_OK;
    const struct qri_query *q = right->query;
    if (q->kind == QRI_QUERY_VALUES && !c->extended)
        return merge_values(c, right);
    bool one_row = q->kind == QRI_QUERY_SELECT && q->from_count == 0 && q->where == NULL;
    bool always_there = !c->extended && (!is_outer || one_row);
    if (is_plain_select(q) && !items_are_volatile(q) && (always_there || items_are_columns(q)))
        return merge_select(c, right, !always_there);
    right->query->is_applied = true;
    return QR_OK;
}
