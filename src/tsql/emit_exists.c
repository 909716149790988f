/* emit_exists.c - EXISTS (SELECT …); see emit_int.h
 *
 * SQLite reads the inner table once for each row around it, which is well where an index finds the
 * rows that belong to that row. Where there is none, and rows are found by one column that equals
 * one of the row around (which cannot fail, as an expression could where there are no inner rows),
 *
 *     EXISTS (SELECT 1 FROM o WHERE o.k = c.k AND o.v > 1)
 *
 * is asked as
 *
 *     (c.k IN (SELECT o.k FROM o WHERE o.v > 1)) IS TRUE
 *
 * whose rows SQLite reads once, into an index. Not where conditions of the block around name rows
 * by an index: those are few, and the first row found ends the reading.
 */
#include "emit_key_int.h"

#include "base/banned.h"

enum { TERMS_MAX = 32 };

struct split {
    const struct qri_source *own; /* the inner table */
    bool names_own, names_other, is_odd;
};

static bool look(void *arg, const struct qr_expr *expr)
{
    struct split *s = arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    s->is_odd |= expr->volatility == QR_VOLATILE || expr->kind == QR_EXPR_UDF;
    if (leaf == NULL || leaf->kind == QRI_LEAF_VAR)
        return true;
    if (leaf->kind != QRI_LEAF_COLUMN)
        s->is_odd = true;
    else if (leaf->source == s->own)
        s->names_own = true;
    else
        s->names_other = true;
    return true;
}

static struct split look_at(const struct qri_source *own, const struct qr_expr *expr)
{
    struct split s = {.own = own};
    (void)!qr_expr_walk(expr, look, &s);
    return s;
}

static const struct qri_column *column_of(const struct qr_expr *expr, const struct qri_source *s)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf == NULL || leaf->kind != QRI_LEAF_COLUMN || leaf->source != s ||
                   leaf->column >= s->column_count
               ? NULL
               : &s->columns[leaf->column];
}

static bool is_indexed(const struct qr_cat_object *table, uint32_t column_id)
{
    for (size_t i = 0; i < table->index_count; i++)
        if (!table->indexes[i].is_disabled && table->indexes[i].columns[0].column_id == column_id)
            return true;
    return false;
}

/* Does a condition of the block around look up its rows in an index? */
static bool is_looked_up(const struct qri_scope *scope, const struct qr_expr *where)
{
    for (size_t i = 0; where->kind == QR_EXPR_AND && i < where->arg_count; i++)
        if (is_looked_up(scope, where->args[i]))
            return true;
    if (where->kind != QR_EXPR_CMP || where->u.cmp != QR_CMP_EQ)
        return false;
    for (size_t side = 0; side < 2; side++) {
        const struct qri_leaf *leaf = qri_leaf_of(where->args[side]);
        if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN || leaf->source->scope != scope ||
            leaf->source->kind != QRI_SOURCE_TABLE)
            continue;
        const struct qri_column *c = column_of(where->args[side], leaf->source);
        struct split other = look_at(NULL, where->args[1 - side]);
        if (c != NULL && !other.names_other && is_indexed(leaf->source->object, c->column_id))
            return true;
    }
    return false;
}

static bool is_for_few(const struct qri_scope *around)
{
    for (; around != NULL; around = around->outer)
        if (around->query != NULL && around->query->where != NULL &&
            is_looked_up(around, around->query->where))
            return true;
    return false;
}

static bool is_plain_table(const struct qri_query *q)
{
    return q->kind == QRI_QUERY_SELECT && q->is_correlated && q->from_count == 1 &&
           q->from[0]->kind == QRI_SOURCE_TABLE && q->where != NULL && !q->is_grouped &&
           !q->has_window && q->set_count == 0 && q->top.amount == NULL && q->offset == NULL &&
           q->fetch == NULL && q->for_inner == NULL && q->locks->count == 0 &&
           q->locks->driven_count == 0 && q->locks->in_count == 0;
}

/* The term's side that is the inner table's column, where the other is one of the rows around. */
static bool is_key(const struct qri_source *own, const struct qr_expr *term, size_t *ret_side)
{
    if (term->kind != QR_EXPR_CMP || term->u.cmp != QR_CMP_EQ)
        return false;
    for (*ret_side = 0; *ret_side < 2; (*ret_side)++) {
        const struct qr_expr *other = term->args[1 - *ret_side];
        const struct qri_leaf *around = qri_leaf_of(other);
        const struct qri_column *c = column_of(term->args[*ret_side], own);
        if (c != NULL && around != NULL && around->kind == QRI_LEAF_COLUMN &&
            around->source != own &&
            qr_type_family(&c->type) != QR_FAMILY_BINARY && /* 0x01 = 0x0100, but not IN */
            qri_compare_alike(&c->type, &other->type))
            return !is_indexed(own->object, c->column_id);
    }
    return false;
}

/* *ret_probe is looked for among the query's rows, which have one column then and look at nothing
 * outside; NULL: the query stays. */
static enum qr_status separate(struct qri_compile *c, struct qri_query *q,
                               const struct qr_expr **ret_probe)
{
    const struct qri_source *own = q->from[0];
    const struct qri_scope *around = q->scope == NULL ? NULL : q->scope->outer;
    const struct qr_expr *rest[TERMS_MAX], *key = NULL, *probe = NULL;
    bool is_list = q->where->kind == QR_EXPR_AND;
    size_t count = is_list ? q->where->arg_count : 1, kept = 0, side = 0;
    if (count > TERMS_MAX || around == NULL || around->query == NULL ||
        around->query->kind != QRI_QUERY_SELECT || is_for_few(around))
        return QR_OK;
    for (size_t i = 0; i < count; i++) {
        const struct qr_expr *term = is_list ? q->where->args[i] : q->where;
        struct split s = look_at(own, term);
        if (key == NULL && is_key(own, term, &side)) {
            key = term->args[side];
            probe = term->args[1 - side];
            continue;
        }
        if (s.names_other || s.is_odd)
            return QR_OK;
        rest[kept++] = term;
    }
    if (key == NULL)
        return QR_OK;
    const struct qr_expr **items = QRI_ARRAY(c, 1, const struct qr_expr *);
    if (items == NULL)
        return qri_nomem(c);
    q->where = NULL;
    if (kept == 1)
        q->where = rest[0];
    else if (kept > 1)
        QR_TRY(qr_expr_logic(&c->b, QR_EXPR_AND, rest, kept, &q->where));
    items[0] = key;
    q->items = items;
    q->out_count = 1;
    q->is_correlated = q->distinct = false;
    q->order_count = 0;
    *ret_probe = probe;
    return QR_OK;
}

enum qr_status qri_emit_exists(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                               const struct qri_leaf *leaf)
{
    struct qri_query *q = leaf->query;
    const struct qr_expr *probe = leaf->left;
    bool deep = em->level > QRI_LEVEL_QUERY_MAX;
    if (q->kind == QRI_QUERY_SELECT)
        QR_TRY(qri_block_locks(em, q));
    if (probe == NULL && is_plain_table(q))
        QR_TRY(separate(em->c, q, &probe));
    qri_leaf_of(expr)->left = probe;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    qr_buf_addz(out, probe == NULL ? "EXISTS (" : "((");
    if (probe != NULL) {
        QR_TRY(qri_emit_sorted(em, out, probe));
        qr_buf_addz(out, " IN (");
    }
    if (deep)
        QR_TRY(qri_emit_select_from(em, out, q, "SELECT ", ""));
    else
        QR_TRY(qri_emit_query(em, out, q, probe == NULL ? QRI_FORM_EXISTS : QRI_FORM_PLAIN));
    qr_buf_addz(out, probe == NULL ? ")" : ")) IS TRUE)");
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    return QR_OK;
}
