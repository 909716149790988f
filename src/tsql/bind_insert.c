/* bind_insert.c - INSERT; see dml_int.h */
#include "mask_int.h"

#include "base/banned.h"

enum { VALUES_ROWS_MAX = 1000 };

struct insert {
    struct qri_compile *c;
    const struct qr_ast_insert *ast;
    struct qri_target t;
    struct qr_plan_dml *dml;
    size_t *columns; /* places in the target, in the order of the values */
    size_t count;
};

static enum qr_status add_column(struct insert *in, size_t column)
{
    const struct qr_cat_column *col = &in->t.object->columns[column];
    for (size_t k = 0; k < in->count; k++)
        if (in->columns[k] == column)
            return qr_sql_fail(in->c->err, 264, qri_text_z(in->c, col->name));
    if (col->is_identity)
        in->dml->identity_insert_needed = true;
    in->columns[in->count++] = column;
    return QR_OK;
}

/* INSERT into a view without a list of columns: the view's, not the table's. */
static enum qr_status view_columns(struct insert *in)
{
    const struct qri_source *source = in->t.source;
    for (size_t i = 0; i < source->column_count; i++) {
        const struct qri_column *from = &source->columns[i];
        if (from->name.n == 0)
            continue;
        size_t column = from->object == in->t.object
                            ? qr_cat_column_index(in->t.object, from->column_id)
                            : SIZE_MAX;
        if (column == SIZE_MAX)
            return qr_sql_fail(in->c->err, 4406, qri_text_z(in->c, source->alias));
        const struct qr_cat_column *col = &in->t.object->columns[column];
        if (!col->is_identity && !col->is_computed)
            QR_TRY(add_column(in, column));
    }
    return QR_OK;
}

static enum qr_status choose_columns(struct insert *in)
{
    const struct qr_cat_object *table = in->t.object;
    const struct qr_ast_names *names = &in->ast->columns;
    in->columns = QRI_ARRAY(in->c, table->column_count + names->count + 1, size_t);
    if (in->columns == NULL)
        return qri_nomem(in->c);
    for (size_t i = 0; i < names->count; i++) {
        size_t column;
        QR_TRY(qri_target_column(in->c, &in->t, &names->items[i], true, &column));
        QR_TRY(add_column(in, column));
    }
    if (names->count == 0 && in->t.source != NULL && in->t.source != in->t.base)
        return view_columns(in);
    for (size_t i = 0; names->count == 0 && i < table->column_count; i++)
        if (!table->columns[i].is_identity && !table->columns[i].is_computed &&
            !table->columns[i].is_hidden)
            QR_TRY(add_column(in, i));
    return QR_OK;
}

static enum qr_status check_count(const struct insert *in, size_t values, bool is_values)
{
    if (values == in->count)
        return QR_OK;
    if (in->ast->columns.count == 0) {
        bool identity = in->t.object->identity_column != 0 && values == in->count + 1;
        return identity ? qr_sql_fail(in->c->err, 8101, qri_text_z(in->c, in->t.object->name))
                        : qr_sql_fail(in->c->err, 213);
    }
    if (is_values)
        return qr_sql_fail(in->c->err, values < in->count ? 109 : 110);
    return qr_sql_fail(in->c->err, values < in->count ? 120 : 121);
}

static bool is_default(const struct qr_ast_expr *ast)
{
    return ast->kind == QR_AE_LITERAL &&
           ((const struct qr_ast_literal *)ast)->literal == QR_LIT_DEFAULT;
}

/* A rowversion column takes DEFAULT or NULL only. */
static enum qr_status check_value(const struct insert *in, size_t column,
                                  const struct qr_expr *value)
{
    if (in->t.object->columns[column].type.id != QR_TYPE_ROWVERSION)
        return QR_OK;
    if (value->kind == QR_EXPR_CONST && qr_value_is_null(&value->u.value))
        return QR_OK;
    return qr_sql_fail(in->c->err, 273);
}

/* A period's columns take DEFAULT only. */
static enum qr_status check_period(const struct insert *in, size_t column)
{
    const struct qr_cat_object *table = in->t.object;
    return qr_cat_is_period(table, &table->columns[column])
               ? qr_sql_fail(in->c->err, 13536, qri_table_z(in->c, table))
               : QR_OK;
}

static enum qr_status check_periods(const struct insert *in)
{
    for (size_t i = 0; i < in->count; i++)
        QR_TRY(check_period(in, in->columns[i]));
    return QR_OK;
}

static enum qr_status bind_row(struct insert *in, const struct qr_ast_row *ast,
                               struct qr_plan_set *row, bool *needs_stage)
{
    struct qri_compile *c = in->c;
    QR_TRY(check_count(in, ast->values.count, true));
    c->drawn = NULL; /* each row has numbers of its own */
    for (size_t i = 0; i < in->count; i++) {
        const struct qr_ast_expr *value = ast->values.items[i];
        struct qr_plan_set *set = &row[i];
        set->column_id = in->t.object->columns[in->columns[i]].column_id;
        set->is_default = is_default(value);
        c->b.line = (int)value->pos.line;
        if (set->is_default)
            continue;
        QR_TRY(check_period(in, in->columns[i]));
        QR_TRY(qri_expr(c, value, &set->expr));
        QR_TRY(check_value(in, in->columns[i], set->expr));
        QR_TRY(qri_assign(c, in->t.object, in->columns[i], set->expr, &set->expr));
        *needs_stage = *needs_stage || set->expr->has_foreign;
    }
    return QR_OK;
}

static enum qr_status stage_query(struct insert *in, struct qri_query *query);

/* Rows with subqueries are staged by SQLite. */
static enum qr_status stage_values(struct insert *in, struct qr_plan_set **rows, size_t row_count)
{
    struct qri_compile *c = in->c;
    struct qri_query *query = QRI_NEW(c, struct qri_query);
    if (query == NULL)
        return qri_nomem(c);
    query->kind = QRI_QUERY_VALUES;
    query->scope = qri_scope_new(c, NULL, query);
    query->row_count = row_count;
    query->rows = QRI_ARRAY(c, row_count, const struct qr_expr **);
    query->out_count = in->count;
    query->outs = QRI_ARRAY(c, in->count + 1, struct qri_column);
    if (query->scope == NULL || query->rows == NULL || query->outs == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < in->count; i++)
        query->outs[i].type = in->t.object->columns[in->columns[i]].type;
    for (size_t r = 0; r < row_count; r++) {
        query->rows[r] = QRI_ARRAY(c, in->count + 1, const struct qr_expr *);
        if (query->rows[r] == NULL)
            return qri_nomem(c);
        for (size_t i = 0; i < in->count; i++) {
            query->rows[r][i] = rows[r][i].expr;
            if (rows[r][i].is_default)
                QR_TRY(qri_default(c, in->t.object, in->columns[i], &query->rows[r][i]));
        }
    }
    QR_TRY(qri_masks_of_rows(c, query));
    return stage_query(in, query);
}

static enum qr_status bind_values(struct insert *in, const struct qr_ast_rows *ast)
{
    struct qri_compile *c = in->c;
    struct qr_plan_dml *dml = in->dml;
    bool needs_stage = in->ast->top != NULL;
    if (ast->count > VALUES_ROWS_MAX)
        return qr_sql_fail(c->err, 10738);
    struct qr_plan_set **rows = QRI_ARRAY(c, ast->count + 1, struct qr_plan_set *);
    if (rows == NULL)
        return qri_nomem(c);
    c->clause = QRI_CLAUSE_NONE;
    for (size_t r = 0; r < ast->count; r++) {
        rows[r] = QRI_ARRAY(c, in->count + 1, struct qr_plan_set);
        if (rows[r] == NULL)
            return qri_nomem(c);
        QR_TRY(bind_row(in, &ast->items[r], rows[r], &needs_stage));
    }
    if (needs_stage)
        return stage_values(in, rows, ast->count);
    dml->value_rows = rows;
    dml->value_row_count = ast->count;
    return QR_OK;
}

/* --- INSERT … SELECT --- */

/* SELECT over the query, so that the conversions into the columns come after it is done. */
static enum qr_status wrap(struct insert *in, struct qri_query *inner, struct qri_query **ret_query)
{
    struct qri_compile *c = in->c;
    struct qri_query *query = QRI_NEW(c, struct qri_query);
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_QUERY, inner->out_count);
    size_t capacity = 0;
    if (query == NULL || source == NULL)
        return qri_nomem(c);
    query->scope = qri_scope_new(c, NULL, query);
    query->from = QRI_ARRAY(c, 1, struct qri_source *);
    if (query->scope == NULL || query->from == NULL)
        return qri_nomem(c);
    query->from[0] = source;
    query->from_count = 1;
    source->query = inner;
    memcpy(source->columns, inner->outs, inner->out_count * sizeof(struct qri_column));
    QR_TRY(qri_scope_add(c, query->scope, source));
    struct qri_scope *scope = c->scope;
    c->scope = query->scope;
    for (size_t i = 0; i < inner->out_count; i++) {
        const struct qr_expr *expr = NULL;
        source->columns[i].is_null = source->columns[i].type.id == QR_TYPE_NULL;
        if (source->columns[i].is_null)
            source->columns[i].type = qr_type_of(QR_TYPE_INT);
        source->columns[i].leaf = source->columns[i].expr = NULL;
        QR_TRY(qri_column_leaf(c, source, i, &expr));
        QR_TRY(qri_item_add(c, query, expr, qr_str(""), &capacity));
    }
    c->scope = scope;
    *ret_query = query;
    return QR_OK;
}

static bool can_convert_in_place(const struct qri_query *q)
{
    return q->kind == QRI_QUERY_SELECT && !q->distinct && q->set_count == 0 &&
           q->for_inner == NULL && q->order_count == 0 && !q->top.percent && !q->top.with_ties;
}

static enum qr_status stage_query(struct insert *in, struct qri_query *query)
{
    struct qri_compile *c = in->c;
    struct qr_plan_dml *dml = in->dml;
    struct qri_top top = {0};
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(qri_top_bind(c, in->ast->top, &top));
    if (!can_convert_in_place(query) || top.amount != NULL)
        QR_TRY(wrap(in, query, &query));
    if (top.amount != NULL)
        query->top = top;
    for (size_t i = 0; i < in->count; i++) {
        QR_TRY(check_value(in, in->columns[i], query->items[i]));
        const struct qr_plan_mask *mask = query->outs[i].mask; /* of what is converted */
        QR_TRY(qri_assign(c, in->t.object, in->columns[i], query->items[i], &query->items[i]));
        QR_TRY(qri_item_describe(c, query, i));
        query->outs[i].mask = mask;
    }
    for (size_t i = 0; i < in->count; i++)
        dml->sets[i].stage_index = i;
    dml->extra_index = in->count;
    return qri_stage_finish(c, query, dml);
}

static enum qr_status bind_query(struct insert *in)
{
    struct qri_query *query = NULL;
    QR_TRY(check_periods(in));
    in->c->is_top_query = true;
    QR_TRY(qri_bind_query(in->c, in->ast->query, NULL, &query));
    if (query->kind == QRI_QUERY_SELECT && query->assign_names != NULL)
        return qr_sql_fail(in->c->err, 199);
    QR_TRY(check_count(in, query->out_count, false));
    return stage_query(in, query);
}

static enum qr_status bind_source(struct insert *in)
{
    const struct qr_ast_insert *ast = in->ast;
    switch (ast->source) {
    case QR_INSERT_EXEC:
        in->dml->exec = &ast->exec->head;
        if (ast->outputs.count > 0)
            return qr_sql_fail(in->c->err, 483);
        return check_periods(in);
    case QR_INSERT_DEFAULT_VALUES:
        in->count = 0;
        in->dml->set_count = 0;
        in->dml->identity_insert_needed = false;
        in->dml->value_rows = QRI_ARRAY(in->c, 1, struct qr_plan_set *);
        in->dml->value_row_count = 1;
        return in->dml->value_rows == NULL ? qri_nomem(in->c) : QR_OK;
    case QR_INSERT_QUERY:
    default:
        if (ast->query->kind == QR_AQ_VALUES)
            return bind_values(in, &((const struct qr_ast_values_query *)ast->query)->rows);
        return bind_query(in);
    }
}

/* INSERT into a view: its columns stand for those of the one table below. */
static enum qr_status resolve_view(struct insert *in)
{
    struct qri_compile *c = in->c;
    struct qri_query *block = QRI_NEW(c, struct qri_query);
    struct qri_source *source = NULL;
    const struct qr_ast_name *wanted =
        in->ast->columns.count > 0 ? &in->ast->columns.items[0] : NULL;
    if (block == NULL)
        return qri_nomem(c);
    c->scope = block->scope = qri_scope_new(c, NULL, block);
    if (c->scope == NULL)
        return qri_nomem(c);
    QR_TRY(qri_source_bind(c, in->ast->target, &source));
    QR_TRY(qri_target_reach(c, source, wanted, QRI_CHANGE_INSERT, &in->t));
    c->scope = NULL;
    return QR_OK;
}

enum qr_status qri_insert(struct qri_compile *c, const struct qr_ast_insert *ast,
                          struct qr_plan *plan)
{
    struct insert in = {.c = c, .ast = ast};
    struct qri_extras extras = {0};
    uint32_t hints = 0;
    plan->kind = QR_PLAN_INSERT;
    QR_TRY(qri_bind_options(c, &ast->options));
    QR_TRY(qri_with(c, ast->with));
    QR_TRY(qri_target_of(c, ast->target, &in.t));
    QR_TRY(qri_hints_of_target(c, ast->target, NULL, &hints));
    if (in.t.object->type == QR_CAT_VIEW && !qri_view_has_trigger(in.t.object, QRI_CHANGE_INSERT))
        QR_TRY(resolve_view(&in));
    else
        QR_TRY(qri_use_new(c, &in.t.found, 0, &in.t.use));
    QR_TRY(qri_use_change(c, &in.t, QR_ACCESS_INSERT, NULL));
    QR_TRY(qri_dml_new(c, &in.t, plan, &in.dml));
    in.dml->no_wait = (hints & QRI_HINT_NOWAIT) != 0;
    if (plan->needs_write_lock)
        QR_TRY(qri_prelock_target(c, in.t.object, hints));
    QR_TRY(choose_columns(&in));
    in.dml->sets = QRI_ARRAY(c, in.count + 1, struct qr_plan_set);
    if (in.dml->sets == NULL)
        return qri_nomem(c);
    in.dml->set_count = in.count;
    for (size_t i = 0; i < in.count; i++) {
        in.dml->sets[i].column_id = in.t.object->columns[in.columns[i]].column_id;
        in.dml->sets[i].stage_index = i;
    }
    QR_TRY(bind_source(&in));
    return qri_outputs(c, &ast->outputs, &in.t, false, true, &extras, in.dml);
}
