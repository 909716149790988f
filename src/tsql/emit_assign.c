/* emit_assign.c - SELECT @v = @v + x, @w = @v … ORDER BY; see emit_int.h
 *
 * Where an item reads what another assigns, each item assigns its variable as it is computed, from
 * left to right: qset(slot, value). SQLite computes a row's columns before it sorts, but what reads
 * the variable must see what the row before it in the order has left there. So the leaves are
 * sorted in a query of their own, and the items computed over them as its rows come. */
#include "emit_int.h"

#include "base/banned.h"

struct split {
    struct qri_compile *c;
    struct qri_source *source;     /* the sorted query */
    const struct qr_expr **leaves; /* its columns */
    size_t count, capacity;
    enum qr_status status;
};

static bool is_not_live(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    (void)arg;
    return leaf == NULL || leaf->kind != QRI_LEAF_LIVE;
}

bool qri_assigns_live(const struct qri_query *q)
{
    if (q->assign_names == NULL)
        return false;
    for (size_t i = 0; i < q->out_count; i++)
        if (!qr_expr_walk(q->items[i], is_not_live, NULL))
            return true;
    return false;
}

enum qr_status qri_emit_assigned(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q,
                                 size_t item, const struct qr_expr *expr)
{
    if (q->assign_names[item].n == 0)
        return qri_emit_expr(em, out, expr);
    const struct qr_bind_var *var = qri_bind_var(em->c->env, q->assign_names[item]);
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_CALL));
    qr_buf_printf(out, "qset(%u, ", (unsigned)var->slot);
    QR_TRY(qri_emit_expr(em, out, expr));
    qr_buf_addz(out, ")");
    qri_emit_leave(em, QRI_LEVEL_CALL);
    return QR_OK;
}

static enum qr_status take_leaf(struct split *s, const struct qr_expr *expr,
                                const struct qr_expr **ret_expr)
{
    size_t i = 0;
    while (i < s->count && s->leaves[i]->u.ref != expr->u.ref)
        i++;
    if (i == s->count) {
        s->leaves = (const struct qr_expr **)qr_arena_grow(
            s->c->arena, s->leaves, s->count, &s->capacity, s->count + 1, sizeof(*s->leaves));
        if (s->leaves == NULL)
            return qri_nomem(s->c);
        s->leaves[s->count++] = expr;
    }
    struct qri_leaf *leaf = QRI_NEW(s->c, struct qri_leaf);
    if (leaf == NULL)
        return qri_nomem(s->c);
    leaf->kind = QRI_LEAF_COLUMN;
    leaf->source = s->source;
    leaf->column = i;
    struct qr_expr_foreign shape = {
        .type = expr->type, .label = (enum qr_collation_label)expr->label, .nullable = true};
    return qri_leaf(s->c, leaf, &shape, ret_expr);
}

static const struct qr_expr *replace_leaf(void *arg, const struct qr_expr *expr)
{
    struct split *s = (struct split *)arg;
    const struct qr_expr *out = NULL;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (s->status != QR_OK || leaf == NULL || leaf->kind == QRI_LEAF_LIVE)
        return NULL;
    s->status = take_leaf(s, expr, &out);
    return s->status == QR_OK ? out : NULL;
}

/* The query over the leaves instead of the items; ORDER BY an item becomes ORDER BY what it is. */
static enum qr_status sorted_query(struct split *s, const struct qri_query *q,
                                   struct qri_query *inner)
{
    *inner = *q;
    inner->assign_names = NULL;
    inner->items = s->leaves;
    inner->out_count = s->count;
    inner->outs = QRI_ARRAY(s->c, s->count + 1, struct qri_column);
    inner->order = QRI_ARRAY(s->c, q->order_count, struct qri_order);
    if (inner->outs == NULL || inner->order == NULL)
        return qri_nomem(s->c);
    s->source->columns = inner->outs;
    s->source->column_count = s->count;
    for (size_t i = 0; i < s->count; i++)
        inner->outs[i].type = s->leaves[i]->type;
    for (size_t i = 0; i < q->order_count; i++) {
        inner->order[i] = q->order[i];
        if (q->order[i].item != SIZE_MAX)
            inner->order[i].expr = q->items[q->order[i].item];
        inner->order[i].item = SIZE_MAX;
    }
    return QR_OK;
}

enum qr_status qri_emit_assign(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    struct qri_compile *c = em->c;
    struct split s = {.c = c, .source = QRI_NEW(c, struct qri_source)};
    struct qri_query *inner = QRI_NEW(c, struct qri_query);
    if (s.source == NULL || inner == NULL)
        return qri_nomem(c);
    s.source->kind = QRI_SOURCE_QUERY;
    s.source->id = ++c->next_source;
    s.source->query = inner;
    /* every leaf is known before the first item is printed */
    const struct qr_expr **items = QRI_ARRAY(c, q->out_count, const struct qr_expr *);
    if (items == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < q->out_count; i++)
        QR_TRY(qr_expr_rewrite(c->arena, q->items[i], replace_leaf, &s, &items[i], c->err));
    QR_TRY(s.status);
    if (s.count == 0) { /* the rows count, if nothing else */
        s.leaves = QRI_ARRAY(c, 1, const struct qr_expr *);
        if (s.leaves == NULL)
            return qri_nomem(c);
        const struct qr_value one = qr_value_int(1);
        QR_TRY(qr_expr_const(&c->b, qr_type_of(QR_TYPE_INT), &one, &s.leaves[s.count++]));
    }
    QR_TRY(sorted_query(&s, q, inner));
    for (size_t i = 0; i < q->out_count; i++) {
        qr_buf_addz(out, i == 0 ? "SELECT " : ", ");
        em->depth = 0;
        QR_TRY(qri_emit_assigned(em, out, q, i, items[i]));
    }
    qr_buf_addz(out, " FROM (");
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    QR_TRY(qri_emit_select(em, out, inner, QRI_FORM_NAMED));
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    bool counted = q->top.amount != NULL && (q->top.percent || q->top.with_ties);
    bool limited = !counted && (q->top.amount != NULL || q->offset != NULL || q->fetch != NULL);
    /* two LIMITs keep SQLite from merging the queries, which would sort the items again */
    qr_buf_printf(out, "%s) AS s%u LIMIT -1", limited ? "" : " LIMIT -1", (unsigned)s.source->id);
    return QR_OK;
}
