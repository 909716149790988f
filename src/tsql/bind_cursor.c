/* bind_cursor.c - positioned UPDATE and DELETE: a cursor's rows carry the keys of the tables that
 * they come from, and WHERE CURRENT OF compares the target's key with them; see bind_int.h */
#include "dml_int.h"

#include "base/banned.h"

/* --- the cursor's SELECT --- */

static bool is_updatable(const struct qri_query *q)
{
    return q->kind == QRI_QUERY_SELECT && !q->is_grouped && !q->distinct && q->set_count == 0 &&
           q->for_inner == NULL && q->for_call == NULL && q->assign_names == NULL;
}

static enum qr_status add_keys(struct qri_compile *c, struct qri_query *query,
                               struct qri_source *source, size_t *capacity)
{
    const struct qr_cat_object *table = NULL;
    const struct qr_expr **keys = NULL;
    size_t count = 0;
    QR_TRY(qri_table_key(c, source, &table, &keys, &count));
    for (size_t i = 0; i < count && query->out_count < QR_CURSOR_COLUMNS_MAX; i++) {
        QR_TRY(qri_item_add(c, query, keys[i], qr_str(""), capacity));
        struct qri_column *out = &query->outs[query->out_count - 1];
        out->flags = QR_COLUMN_ROW_KEY;
        out->object = NULL;
        out->mask = NULL;
        out->column_id = table->object_id;
    }
    return QR_OK;
}

enum qr_status qri_cursor_keys(struct qri_compile *c, struct qri_query *query)
{
    size_t capacity = query->out_count;
    if (!is_updatable(query) || query->scope == NULL)
        return QR_OK;
    for (size_t i = 0; i < query->scope->count; i++)
        QR_TRY(add_keys(c, query, query->scope->items[i], &capacity));
    return QR_OK;
}

/* --- WHERE CURRENT OF --- */

enum qr_status qri_current_of(struct qri_compile *c, const struct qri_target *t, struct qr_str name,
                              const struct qr_expr **ret_where)
{
    const struct qr_expr *args[3] = {NULL, NULL, NULL};
    if (t->key_count == 0)
        return qr_sql_fail(c->err, 16933);
    QR_TRY(qr_expr_string(&c->b, name, true, &args[0]));
    QR_TRY(qr_expr_int(&c->b, t->object->object_id, &args[1]));
    for (size_t i = 0; i < t->key_count; i++) {
        const struct qr_expr *key = NULL, *equal = NULL;
        QR_TRY(qr_expr_int(&c->b, (int64_t)i, &args[2]));
        QR_TRY(qr_expr_call(&c->b, qr_str("CURRENT OF"), args, 3, &key));
        QR_TRY(qr_expr_cast(&c->b, t->keys[i]->type, key, NULL, QR_CAST_EXPLICIT, &key));
        QR_TRY(qri_compare(c, QR_CMP_EQ, t->keys[i], key, &equal));
        if (*ret_where == NULL)
            *ret_where = equal;
        else
            QR_TRY(qri_and(c, *ret_where, equal, ret_where));
    }
    return QR_OK;
}
