/* emit_select.c - SELECT blocks, TOP, DISTINCT, ORDER BY; see emit_int.h */
#include "emit_int.h"

#include "base/banned.h"

/* --- the block itself --- */

static enum qr_status emit_items(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q,
                                 enum qri_form form)
{
    bool collate = q->distinct || form == QRI_FORM_BRANCH;
    bool live = qri_assigns_live(q);
    for (size_t i = 0; i < q->out_count; i++) {
        qr_buf_addz(out, i == 0 ? "" : ", ");
        em->depth = 0;
        if (live)
            QR_TRY(qri_emit_assigned(em, out, q, i, q->items[i]));
        else if (collate)
            QR_TRY(qri_emit_sorted(em, out, q->items[i]));
        else
            QR_TRY(qri_emit_expr(em, out, q->items[i]));
        if (form != QRI_FORM_PLAIN)
            qr_buf_printf(out, " AS k%zu", i + 1);
    }
    return QR_OK;
}

static enum qr_status emit_order_items(struct qri_emit *em, struct qr_buf *out,
                                       const struct qri_query *q)
{
    size_t n = q->out_count;
    for (size_t i = 0; i < q->order_count; i++) {
        if (q->order[i].item != SIZE_MAX)
            continue;
        qr_buf_addz(out, ", ");
        em->depth = 0;
        QR_TRY(qri_emit_expr(em, out, q->order[i].expr));
        qr_buf_printf(out, " AS k%zu", ++n);
    }
    return QR_OK;
}

/* A number would be taken for a column's position, and all constants sort and group alike. */
static enum qr_status emit_unless_constant(struct qri_emit *em, struct qr_buf *out,
                                           const struct qr_expr *expr)
{
    if (expr->kind != QR_EXPR_CONST)
        return qri_emit_sorted(em, out, expr);
    qr_buf_addz(out, "NULL");
    return QR_OK;
}

static enum qr_status emit_group_by(struct qri_emit *em, struct qr_buf *out,
                                    const struct qri_query *q)
{
    const char *separator = " GROUP BY ";
    const struct qri_grouping *set = em->grouping == q ? em->set : NULL;
    em->set = NULL;
    for (size_t i = 0; i < q->group_count; i++) {
        if (set != NULL && set->in[i] == 0)
            continue;
        qr_buf_addz(out, separator);
        separator = ", ";
        em->depth = 0;
        QR_TRY(emit_unless_constant(em, out, q->group[i]));
    }
    em->set = set;
    return QR_OK;
}

static enum qr_status emit_where(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    bool locks = q->locks->count > 0 && em->locked != q;
    em->depth = 0;
    bool driven = q->locks->driven_count > 0;
    if (locks) {
        QR_TRY(qri_emit_where_locked(em, out, q));
    } else if (q->where != NULL) {
        qr_buf_addz(out, driven ? " WHERE (" : " WHERE ");
        QR_TRY(qri_emit_expr(em, out, q->where));
        qr_buf_addz(out, driven ? ")" : "");
    }
    if (driven) {
        qr_buf_addz(out, locks || q->where != NULL ? " AND " : " WHERE ");
        QR_TRY(qri_emit_driven(em, out, q));
    }
    return QR_OK;
}

static enum qr_status emit_plain_block(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                       enum qri_form form, bool with_order_items, const char *extra)
{
    QR_TRY(qri_block_locks(em, q));
    qr_buf_addz(out, q->distinct && form != QRI_FORM_EXISTS ? "SELECT DISTINCT " : "SELECT ");
    if (form == QRI_FORM_EXISTS)
        qr_buf_addz(out, "1");
    else
        QR_TRY(emit_items(em, out, q, form));
    if (with_order_items)
        QR_TRY(emit_order_items(em, out, q));
    qr_buf_addz(out, extra);
    const struct qri_grouping *set = em->set;
    em->set = NULL; /* what is not grouped by is NULL behind the rows, not in what makes them */
    QR_TRY(qri_emit_from(em, out, q));
    QR_TRY(emit_where(em, out, q));
    em->set = set;
    QR_TRY(emit_group_by(em, out, q));
    if (q->having != NULL) {
        em->depth = 0;
        qr_buf_addz(out, " HAVING ");
        QR_TRY(qri_emit_expr(em, out, q->having));
    }
    return QR_OK;
}

static bool is_one_group(const struct qri_query *q)
{
    return q->is_grouped && q->group_count == 0 && q->set_count == 0;
}

static bool is_no_aggregate(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf == NULL || leaf->kind != QRI_LEAF_AGG ||
           leaf->block != (const struct qri_query *)arg;
}

/* The grand total of ROLLUP and the like. */
static bool is_total(const struct qri_emit *em, const struct qri_query *q)
{
    if (em->grouping != q || em->set == NULL)
        return false;
    for (size_t i = 0; i < q->group_count; i++)
        if (em->set->in[i] != 0)
            return false;
    return true;
}

/* SQLite knows one group only by an aggregate among the items, and refuses HAVING without. */
static bool needs_help(const struct qri_emit *em, struct qri_query *q)
{
    if (!is_one_group(q) && !is_total(em, q))
        return false;
    for (size_t i = 0; i < q->out_count; i++)
        if (!qr_expr_walk(q->items[i], is_no_aggregate, q))
            return q->having != NULL;
    return true;
}

/* The one row with a count beside it, which makes it one, and HAVING as a filter on it. */
static enum qr_status emit_one_group(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                     bool with_order_items)
{
    const struct qr_expr *having = q->having;
    enum qr_status status = QR_OK;
    struct qr_buf extra;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    qr_buf_init(&extra, QRI_TEXT_BYTES_MAX);
    qr_buf_addz(&extra, ", count(*) AS kc");
    em->depth = 0;
    if (having != NULL) {
        qr_buf_addz(&extra, ", ");
        status = qri_emit_expr(em, &extra, having);
        qr_buf_addz(&extra, " AS kh");
    }
    if (status == QR_OK)
        status = qr_buf_status(&extra, em->c->err);
    qr_buf_addz(out, "SELECT ");
    size_t count = q->out_count;
    for (size_t i = 0; with_order_items && i < q->order_count; i++)
        count += q->order[i].item == SIZE_MAX ? 1 : 0;
    for (size_t i = 0; i < count; i++)
        qr_buf_printf(out, "%sk%zu", i == 0 ? "" : ", ", i + 1);
    qr_buf_addz(out, " FROM (");
    q->having = NULL;
    if (status == QR_OK)
        status =
            emit_plain_block(em, out, q, QRI_FORM_NAMED, with_order_items, qr_buf_cstr(&extra));
    q->having = having;
    qr_buf_addz(out, having != NULL ? ") WHERE kh" : ")");
    qr_buf_done(&extra);
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    return status;
}

enum qr_status qri_emit_block(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                              enum qri_form form, bool with_order_items, const char *extra)
{
    if (needs_help(em, q))
        return emit_one_group(em, out, q, with_order_items);
    return emit_plain_block(em, out, q, form, with_order_items, extra);
}

/* --- ORDER BY and LIMIT --- */

static enum qr_status emit_order_by(struct qri_emit *em, struct qr_buf *out,
                                    const struct qri_query *q, bool by_name)
{
    size_t hidden = q->out_count;
    if (q->kind == QRI_QUERY_SELECT && is_one_group(q))
        return QR_OK; /* one row at most */
    for (size_t i = 0; i < q->order_count; i++) {
        const struct qri_order *o = &q->order[i];
        qr_buf_addz(out, i == 0 ? " ORDER BY " : ", ");
        em->depth = 0;
        if (o->item != SIZE_MAX) {
            qr_buf_printf(out, by_name ? "k%zu" : "%zu", o->item + 1);
            /* The branches of a set operation carry COLLATE themselves; SQLite refuses one here if
             * a later branch is grouped ("no such column"). */
            if (q->kind == QRI_QUERY_SELECT || by_name)
                qri_emit_collate(out, &q->outs[o->item].type);
        } else if (by_name) {
            qr_buf_printf(out, "k%zu", ++hidden);
            qri_emit_collate(out, &o->expr->type);
        } else {
            QR_TRY(emit_unless_constant(em, out, o->expr));
        }
        qr_buf_addz(out, o->descending ? " DESC" : "");
    }
    return QR_OK;
}

/* A negative LIMIT means no limit to SQLite, and NULL is an error of its own. */
static enum qr_status emit_limit_value(struct qri_emit *em, struct qr_buf *out,
                                       const struct qr_expr *expr, int negative)
{
    em->depth = 0;
    if (expr->kind == QR_EXPR_CONST && expr->u.value.cell == QR_CELL_INT && expr->u.value.i >= 0)
        return qri_emit_expr(em, out, expr);
    if (expr->kind == QR_EXPR_CONST)
        return qr_sql_fail(em->c->err, qr_value_is_null(&expr->u.value) ? 1014 : negative);
    qr_buf_addz(out, "CASE WHEN ");
    QR_TRY(qri_emit_expr(em, out, expr));
    qr_buf_addz(out, " >= 0 THEN ");
    QR_TRY(qri_emit_expr(em, out, expr));
    qr_buf_addz(out, " WHEN ");
    QR_TRY(qri_emit_expr(em, out, expr));
    qr_buf_printf(out, " IS NULL THEN qfail(1014) ELSE qfail(%d) END", negative);
    return QR_OK;
}

static enum qr_status emit_limit(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q)
{
    const struct qr_expr *limit =
        q->kind == QRI_QUERY_SELECT && q->top.amount != NULL && !q->top.percent && !q->top.with_ties
            ? q->top.amount
            : q->fetch;
    if (limit == NULL && q->offset == NULL)
        return QR_OK;
    qr_buf_addz(out, " LIMIT ");
    if (limit == NULL)
        qr_buf_addz(out, "-1");
    else
        QR_TRY(emit_limit_value(em, out, limit, 127));
    if (q->offset != NULL) {
        qr_buf_addz(out, " OFFSET ");
        QR_TRY(emit_limit_value(em, out, q->offset, 10742));
    }
    return QR_OK;
}

static void emit_names(struct qr_buf *out, const struct qri_query *q)
{
    for (size_t i = 0; i < q->out_count; i++)
        qr_buf_printf(out, "%sk%zu", i == 0 ? "" : ", ", i + 1);
}

/* TOP … PERCENT and WITH TIES count by window functions over the whole result. */
static enum qr_status emit_counted_top(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    qr_buf_addz(out, "SELECT ");
    emit_names(out, q);
    qr_buf_addz(out, " FROM (SELECT *, ");
    qr_buf_addz(out, q->top.with_ties ? "rank()" : "row_number()");
    qr_buf_addz(out, " OVER (");
    QR_TRY(emit_order_by(em, out, q, true));
    qr_buf_addz(out, ") AS kr, count(*) OVER () AS kc FROM (");
    QR_TRY(qri_emit_enter(em, 2 * QRI_LEVEL_QUERY));
    if (q->set_count > 0)
        QR_TRY(qri_emit_grouping_sets(em, out, q, QRI_FORM_NAMED));
    else
        QR_TRY(qri_emit_block(em, out, q, QRI_FORM_NAMED, true, ""));
    qri_emit_leave(em, 2 * QRI_LEVEL_QUERY);
    qr_buf_addz(out, ")) WHERE kr");
    if (q->top.percent) {
        qr_buf_addz(out, " - 1 < kc * ");
        QR_TRY(qri_emit_expr(em, out, q->top.amount));
        qr_buf_addz(out, " / 100.0");
    } else {
        qr_buf_addz(out, " <= ");
        QR_TRY(qri_emit_expr(em, out, q->top.amount));
    }
    qr_buf_addz(out, " ORDER BY kr");
    return QR_OK;
}

static enum qr_status emit_sets(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    qr_buf_addz(out, "SELECT ");
    emit_names(out, q);
    qr_buf_addz(out, " FROM (");
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    QR_TRY(qri_emit_grouping_sets(em, out, q, QRI_FORM_NAMED));
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    qr_buf_addz(out, ")");
    QR_TRY(emit_order_by(em, out, q, true));
    return emit_limit(em, out, q);
}

/* The rows, sorted, with their keys; what locks them, and counts them, stands around it. */
static enum qr_status emit_locked(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                  enum qri_form form)
{
    const struct qri_query *locked = em->locked;
    struct qr_buf keys;
    qr_buf_init(&keys, QRI_TEXT_BYTES_MAX);
    qr_buf_addz(out, "SELECT ");
    if (form == QRI_FORM_EXISTS)
        qr_buf_addz(out, "1");
    else
        emit_names(out, q);
    qr_buf_addz(out, " FROM (");
    enum qr_status status = qri_emit_enter(em, QRI_LEVEL_QUERY);
    if (status == QR_OK)
        status = qri_emit_lock_keys(em, &keys, q);
    if (status == QR_OK)
        status = qr_buf_status(&keys, em->c->err);
    em->locked = q;
    if (status == QR_OK)
        status = emit_plain_block(em, out, q, form == QRI_FORM_PLAIN ? QRI_FORM_NAMED : form, false,
                                  qr_buf_cstr(&keys));
    em->locked = locked;
    qr_buf_done(&keys);
    QR_TRY(status);
    QR_TRY(emit_order_by(em, out, q, false));
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    qr_buf_addz(out, " LIMIT -1) WHERE ");
    QR_TRY(qri_emit_locks(em, out, q, true));
    return emit_limit(em, out, q);
}

static bool is_bare(const struct qri_query *q)
{
    return !q->is_grouped && q->top.amount == NULL && q->offset == NULL && q->fetch == NULL &&
           q->set_count == 0;
}

static enum qr_status emit_select(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                  enum qri_form form)
{
    if (form == QRI_FORM_EXISTS && !is_bare(q))
        form = QRI_FORM_NAMED;
    if (q->order_count > 0 && qri_assigns_live(q))
        return qri_emit_assign(em, out, q);
    bool counted = q->top.amount != NULL && (q->top.percent || q->top.with_ties);
    bool limited = q->top.amount != NULL || q->offset != NULL || q->fetch != NULL;
    bool wrap = form == QRI_FORM_BRANCH && (counted || limited || q->set_count > 0);
    if (wrap) {
        qr_buf_addz(out, "SELECT * FROM (");
        QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    }
    QR_TRY(qri_block_locks(em, q));
    if (qri_locks_outside(q)) {
        QR_TRY(emit_locked(em, out, q, form));
    } else if (counted) {
        QR_TRY(emit_counted_top(em, out, q));
    } else if (q->set_count > 0) {
        QR_TRY(emit_sets(em, out, q));
    } else {
        QR_TRY(qri_emit_block(em, out, q, form, false, ""));
        if (form != QRI_FORM_EXISTS && (form != QRI_FORM_BRANCH || limited))
            QR_TRY(emit_order_by(em, out, q, false));
        QR_TRY(emit_limit(em, out, q));
    }
    if (wrap) {
        qri_emit_leave(em, QRI_LEVEL_QUERY);
        qr_buf_addz(out, ")");
    }
    return QR_OK;
}

enum qr_status qri_emit_select(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                               enum qri_form form)
{
    struct qri_emit_block block = {q->scope, em->block};
    em->block = &block;
    enum qr_status status = emit_select(em, out, q, form);
    em->block = block.around;
    return status;
}

/* ROLLUP and the like: one block for each set, what is not grouped by there being NULL. */
enum qr_status qri_emit_grouping_sets(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                      enum qri_form form)
{
    const struct qri_query *grouping = em->grouping;
    const struct qri_grouping *set = em->set;
    if (q->has_window)
        return qr_fail(em->c->err, QR_UNSUPPORTED,
                       "window functions over grouping sets are not supported");
    bool distinct = q->distinct;
    q->distinct = false;
    if (distinct) {
        qr_buf_addz(out, "SELECT DISTINCT * FROM (");
    }
    for (size_t i = 0; i < q->set_count; i++) {
        em->grouping = q;
        em->set = &q->sets[i];
        qr_buf_addz(out, i == 0 ? "" : " UNION ALL ");
        QR_TRY(qri_emit_block(em, out, q, form, true, ""));
    }
    qr_buf_addz(out, distinct ? ")" : "");
    q->distinct = distinct;
    em->grouping = grouping;
    em->set = set;
    return QR_OK;
}

/* ORDER BY of a set operation names result columns only. */
enum qr_status qri_emit_tail(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q)
{
    QR_TRY(emit_order_by(em, out, q, false));
    return emit_limit(em, out, q);
}
