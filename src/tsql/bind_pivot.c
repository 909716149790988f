/* bind_pivot.c - PIVOT as GROUP BY over CASE, UNPIVOT as a join with a counter; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

/* A block around `input`, in whose scope the parts are bound. */
static enum qr_status begin(struct qri_compile *c, const struct qr_ast_source *input,
                            struct qri_query **ret_query)
{
    struct qri_query *q = QRI_NEW(c, struct qri_query);
    if (q == NULL)
        return qri_nomem(c);
    QR_TRY(qri_enter(c));
    q->kind = QRI_QUERY_SELECT;
    q->apply_scope = c->lateral ? c->scope : NULL;
    q->scope = qri_scope_new(c, qri_inner_scope(c), q);
    q->from = QRI_ARRAY(c, 2, struct qri_source *);
    if (q->scope == NULL || q->from == NULL)
        return qri_nomem(c);
    c->scope = q->scope;
    c->lateral = false;
    QR_TRY(qri_source_bind(c, input, &q->from[0]));
    q->from_count = 1;
    *ret_query = q;
    return QR_OK;
}

static bool is_among(const struct qr_expr *expr, const struct qr_expr *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == expr)
            return true;
    return false;
}

/* The input's columns that PIVOT and UNPIVOT do not use up. */
static enum qr_status add_others(struct qri_compile *c, struct qri_query *q,
                                 const struct qr_expr *const *used, size_t used_count,
                                 size_t *capacity)
{
    const struct qri_scope *scope = q->scope;
    for (size_t i = 0; i < scope->count; i++) {
        struct qri_source *s = scope->items[i];
        for (size_t k = 0; k < s->column_count && s->kind != QRI_SOURCE_COUNTER; k++) {
            const struct qr_expr *expr = NULL;
            if ((s->columns[k].flags & QR_COLUMN_HIDDEN) != 0)
                continue;
            QR_TRY(qri_use_column(c, s, k));
            QR_TRY(qri_column_leaf(c, s, k, &expr));
            if (!is_among(expr, used, used_count))
                QR_TRY(qri_item_add(c, q, expr, s->columns[k].name, capacity));
        }
    }
    return QR_OK;
}

/* agg(CASE WHEN column = 'value' THEN x END) */
static enum qr_status pivot_item(struct qri_compile *c, const struct qr_agg *agg,
                                 const struct qr_expr *column, const struct qr_expr *arg,
                                 struct qr_str value, const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    struct qr_agg_call *call = QRI_NEW(c, struct qr_agg_call);
    const struct qr_expr *text = NULL, *when = NULL, *then = NULL;
    if (leaf == NULL || call == NULL)
        return qri_nomem(c);
    bool national = qr_type_family(&column->type) == QR_FAMILY_NCHAR;
    QR_TRY(qr_expr_string(&c->b, value, national, &text));
    QR_TRY(qri_compare(c, QR_CMP_EQ, column, text, &when));
    QR_TRY(qr_expr_case(&c->b, &when, &arg, 1, NULL, &then));
    QR_TRY(qr_agg_bind(&c->b, agg, &then, 1, false, call));
    leaf->kind = QRI_LEAF_AGG;
    leaf->agg = call;
    c->clause = QRI_CLAUSE_SELECT;
    return qri_aggregate_leaf(c, leaf, call, ret_expr);
}

static enum qr_status bind_pivot(struct qri_compile *c, const struct qr_ast_pivot *ast,
                                 struct qri_query *q)
{
    const struct qr_ast_name *name = &ast->aggregate->name;
    const struct qr_agg *agg = qr_agg_find(name->parts[name->count - 1].text);
    const struct qr_expr *used[2];
    size_t capacity = 0;
    if (agg == NULL || ast->aggregate->args.count != 1)
        return qr_sql_fail(c->err, 195, qri_name_z(c, name), "aggregate function");
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(qri_bind_column(c, &ast->for_column, &used[0]));
    QR_TRY(qri_expr(c, ast->aggregate->args.items[0], &used[1]));
    QR_TRY(add_others(c, q, used, 2, &capacity));
    q->group_count = q->out_count;
    q->group = QRI_ARRAY(c, q->out_count + 1, const struct qr_expr *);
    if (q->group == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < q->out_count; i++)
        q->group[i] = q->items[i];
    q->is_grouped = true;
    for (size_t i = 0; i < ast->values.count; i++) {
        const struct qr_expr *expr = NULL;
        struct qr_str value = ast->values.items[i].text;
        QR_TRY(pivot_item(c, agg, used[0], used[1], value, &expr));
        QR_TRY(qri_item_add(c, q, expr, value, &capacity));
    }
    return QR_OK;
}

struct place {
    struct qri_scope *scope;
    enum qri_clause clause;
    bool lateral;
};

enum qr_status qri_pivot_source(struct qri_compile *c, const struct qr_ast_pivot *ast,
                                struct qri_source **ret_source)
{
    struct place place = {c->scope, c->clause, c->lateral};
    struct qri_query *q = NULL;
    QR_TRY(begin(c, ast->input, &q));
    QR_TRY(bind_pivot(c, ast, q));
    c->scope = place.scope;
    c->clause = place.clause;
    c->lateral = place.lateral;
    qri_leave(c);
    return qri_query_source(c, q, &ast->head.columns, ast->head.alias.text, ret_source);
}

static enum qr_status bind_unpivot(struct qri_compile *c, const struct qr_ast_unpivot *ast,
                                   struct qri_query *q)
{
    size_t n = ast->columns.count, capacity = 0;
    const struct qr_expr **values = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    const struct qr_expr **names = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    const struct qr_expr **used = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    const struct qr_expr *value = NULL, *name = NULL;
    struct qr_type type;
    if (values == NULL || names == NULL || used == NULL)
        return qri_nomem(c);
    struct qr_type name_type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
    name_type.collation = c->b.collation;
    for (size_t i = 0; i < n; i++) {
        const struct qr_ast_name *column = &ast->columns.items[i];
        QR_TRY(qri_bind_column(c, column, &values[i]));
        used[i] = values[i];
        QR_TRY(qr_expr_string(&c->b, column->parts[column->count - 1].text, true, &names[i]));
        QR_TRY(qr_expr_convert(&c->b, name_type, names[i], &names[i]));
    }
    QR_TRY(qr_expr_common_type(&c->b, values, n, &type, NULL));
    for (size_t i = 0; i < n; i++)
        QR_TRY(qr_expr_convert(&c->b, type, values[i], &values[i]));
    QR_TRY(qri_counter_source(c, n, &q->from[1]));
    q->from_count = 2;
    QR_TRY(qri_scope_add(c, q->scope, q->from[1]));
    QR_TRY(qri_counter_case(c, q->from[1], values, &value));
    QR_TRY(qri_counter_case(c, q->from[1], names, &name));
    QR_TRY(add_others(c, q, used, n, &capacity));
    QR_TRY(qri_item_add(c, q, value, ast->value_column.text, &capacity));
    QR_TRY(qri_item_add(c, q, name, ast->for_column.text, &capacity));
    return qr_expr_is_null(&c->b, value, true, &q->where);
}

enum qr_status qri_unpivot_source(struct qri_compile *c, const struct qr_ast_unpivot *ast,
                                  struct qri_source **ret_source)
{
    struct place place = {c->scope, c->clause, c->lateral};
    struct qri_query *q = NULL;
    QR_TRY(begin(c, ast->input, &q));
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(bind_unpivot(c, ast, q));
    c->scope = place.scope;
    c->clause = place.clause;
    c->lateral = place.lateral;
    qri_leave(c);
    return qri_query_source(c, q, &ast->head.columns, ast->head.alias.text, ret_source);
}
