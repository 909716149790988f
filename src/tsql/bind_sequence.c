/* bind_sequence.c - NEXT VALUE FOR: where it may stand, and one number a row; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

/* A row's expressions are evaluated in the order in which they are bound: the first to name a
 * sequence takes a number, the others get the same. */
struct qri_drawn {
    uint32_t object_id;
    const struct qri_window *window; /* NULL: without OVER */
    struct qri_drawn *next;
};

static bool is_same_window(const struct qri_window *a, const struct qri_window *b)
{
    if (a == NULL || b == NULL || a->order_count != b->order_count)
        return a == b;
    for (size_t i = 0; i < a->order_count; i++)
        if (!qr_expr_equal(a->order[i].expr, b->order[i].expr) ||
            a->order[i].descending != b->order[i].descending)
            return false;
    return true;
}

static struct qri_drawn *find_drawn(const struct qri_compile *c, uint32_t object_id)
{
    struct qri_drawn *d = c->drawn;
    while (d != NULL && d->object_id != object_id)
        d = d->next;
    return d;
}

/* `value` is of the sequence; others of the row have to be like it. */
static enum qr_status note_drawn(struct qri_compile *c, uint32_t object_id,
                                 const struct qr_expr *value)
{
    const struct qri_leaf *leaf = qri_leaf_of(value);
    const struct qri_window *window = leaf == NULL ? NULL : leaf->window;
    const struct qri_drawn *first = find_drawn(c, object_id);
    if (first != NULL)
        return is_same_window(first->window, window) ? QR_OK : qr_sql_fail(c->err, 11727);
    struct qri_drawn *drawn = QRI_NEW(c, struct qri_drawn);
    if (drawn == NULL)
        return qri_nomem(c);
    *drawn = (struct qri_drawn){object_id, window, c->drawn};
    c->drawn = drawn;
    return QR_OK;
}

static enum qr_status check_query(struct qri_compile *c, const struct qri_query *query,
                                  bool has_over)
{
    const struct qr_ast_query *ast = query->ast;
    if (ast == NULL)
        return QR_OK;
    if (!query->is_top)
        return qr_sql_fail(c->err, c->is_branch ? 11721 : 11719);
    if (ast->order_by.count > 0 && !has_over)
        return qr_sql_fail(c->err, 11723);
    if (ast->kind != QR_AQ_SELECT)
        return QR_OK;
    const struct qr_ast_select *select = (const struct qr_ast_select *)ast;
    if (select->distinct)
        return qr_sql_fail(c->err, 11721);
    if (select->top != NULL || ast->offset != NULL)
        return qr_sql_fail(c->err, 11739);
    return QR_OK;
}

static enum qr_status check_place(struct qri_compile *c, const struct qr_ast_next_value *ast)
{
    const struct qri_query *query = c->scope == NULL ? NULL : c->scope->query;
    if (ast->over != NULL && ast->over->partition_by.count > 0)
        return qr_sql_fail(c->err, 11716);
    if (ast->over != NULL && ast->over->order_by.count == 0 && ast->over->base.text.n == 0)
        return qr_sql_fail(c->err, 11718);
    if (c->in_default || c->in_merge || c->clause == QRI_CLAUSE_SET) {
        if (ast->over != NULL)
            return qr_sql_fail(c->err, 11717);
        if (c->in_merge && !c->in_default)
            return qr_sql_fail(c->err, 11722);
    }
    if (c->in_aggregate)
        return qr_sql_fail(c->err, 11725);
    if (c->in_window)
        return qr_sql_fail(c->err, 11720);
    if (c->in_choice)
        return qr_sql_fail(c->err, 11741);
    if (c->in_default)
        return QR_OK;
    if (c->clause != QRI_CLAUSE_NONE && c->clause != QRI_CLAUSE_SELECT &&
        c->clause != QRI_CLAUSE_SET)
        return qr_sql_fail(c->err, 11720);
    return query == NULL ? QR_OK : check_query(c, query, ast->over != NULL);
}

enum qr_status qri_next_value(struct qri_compile *c, const struct qr_ast_expr *head,
                              const struct qr_expr **ret_expr)
{
    const struct qr_ast_next_value *ast = (const struct qr_ast_next_value *)head;
    struct qri_object found;
    const struct qr_expr *args[2] = {NULL, NULL}, *value = NULL;
    QR_TRY(qri_object_find(c, &ast->sequence, false, &found));
    if (found.object->type != QR_CAT_SEQUENCE)
        return qr_sql_fail(c->err, 11726, qri_name_z(c, &ast->sequence));
    QR_TRY(check_place(c, ast));
    QR_TRY(qri_use_call(c, &found, QR_ACCESS_UPDATE));
    bool again = !c->completes_rows && find_drawn(c, found.object->object_id) != NULL;
    QR_TRY(qr_expr_int(&c->b, found.object->object_id, &args[0]));
    QR_TRY(qr_expr_int(&c->b,
                       c->completes_rows ? QR_NEXT_OF_ROW
                       : again           ? QR_NEXT_AGAIN
                                         : QR_NEXT_NEW,
                       &args[1]));
    if (ast->over != NULL)
        QR_TRY(qri_next_value_over(c, ast->over, args, &value));
    else
        QR_TRY(qr_expr_call(&c->b, qr_str("NEXT VALUE FOR"), args, 2, &value));
    if (!c->completes_rows)
        QR_TRY(note_drawn(c, found.object->object_id, value));
    return qr_expr_convert(&c->b, found.object->sequence_type, value, ret_expr);
}
