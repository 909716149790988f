/* emit_leaf.c - columns, aggregates, window functions, subqueries; see emit_int.h */
#include "emit_int.h"

#include "base/banned.h"

typedef enum qr_status (*leaf_fn)(struct qri_emit *em, struct qr_buf *out,
                                  const struct qr_expr *expr, const struct qri_leaf *leaf);

/* --- columns --- */

/* Does it stand in a block of this text? Also in one that is part of an expression from outside. */
static bool is_own(const struct qri_emit *em, const struct qri_source *source)
{
    for (const struct qri_emit_block *b = em->block; b != NULL; b = b->around)
        if (b->scope == source->scope)
            return true;
    return false;
}

static enum qr_status emit_arg(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    struct qri_emit_args *args = em->args;
    struct qr_plan_param param = {.kind = QR_PARAM_ARG, .type = expr->type};
    size_t i = 0;
    while (i < args->count && args->exprs[i]->u.ref != expr->u.ref)
        i++;
    if (i == args->count) {
        args->exprs = (const struct qr_expr **)qr_arena_grow(em->c->arena, args->exprs, args->count,
                                                             &args->capacity, args->count + 1,
                                                             sizeof(*args->exprs));
        if (args->exprs == NULL)
            return qri_nomem(em->c);
        if (args->count >= QR_ROWS_ARGS_MAX)
            return qr_sql_fail(em->c->err, 8631);
        args->exprs[args->count++] = expr;
    }
    param.slot = (uint32_t)i;
    return qri_emit_param(em, out, &param);
}

static enum qr_status emit_column(struct qri_emit *em, struct qr_buf *out,
                                  const struct qr_expr *expr, const struct qri_leaf *leaf)
{
    const struct qri_source *source = leaf->source;
    uint32_t number = source->columns[leaf->column].column_id;
    if (em->args != NULL && !is_own(em, source))
        return emit_arg(em, out, expr);
    if (number == 0 && source->kind <= QRI_SOURCE_ROWS) {
        qr_buf_printf(out, "s%u.%s", (unsigned)source->id,
                      source->needs_rid || qri_rows_are_kept(source) ? "rid" : "rowid");
        return QR_OK;
    }
    switch (source->kind) {
    case QRI_SOURCE_TABLE:
    case QRI_SOURCE_ROWS:
        qr_buf_printf(out, "s%u.c%u", (unsigned)source->id, (unsigned)number);
        return QR_OK;
    case QRI_SOURCE_COUNTER:
        qr_buf_printf(out, "s%u.column1", (unsigned)source->id);
        return QR_OK;
    case QRI_SOURCE_QUERY:
    case QRI_SOURCE_RECURSE:
        qr_buf_printf(out, "s%u.%s%zu", (unsigned)source->id, source->query->is_applied ? "c" : "k",
                      leaf->column + 1);
        return QR_OK;
    case QRI_SOURCE_PSEUDO:
    case QRI_SOURCE_EXPAND:
    case QRI_SOURCE_JOIN:
        break;
    }
    return qr_fail(em->c->err, QR_BUG, "column of a source without columns");
}

static enum qr_status emit_var(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                               const struct qri_leaf *leaf)
{
    struct qr_plan_param param = {.kind = QR_PARAM_VAR, .type = expr->type, .slot = leaf->slot};
    return qri_emit_param(em, out, &param);
}

static enum qr_status emit_live(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                                const struct qri_leaf *leaf)
{
    (void)em;
    (void)expr;
    qr_buf_printf(out, "qvar(%u)", (unsigned)leaf->slot);
    return QR_OK;
}

/* --- aggregates --- */

static enum qr_status emit_over(struct qri_emit *em, struct qr_buf *out,
                                const struct qri_window *w);

static enum qr_status emit_args(struct qri_emit *em, struct qr_buf *out,
                                const struct qr_agg_call *call, bool collate, const char *separator)
{
    for (size_t i = 0; i < call->arg_count; i++) {
        qr_buf_addz(out, i == 0 ? separator : ", ");
        QR_TRY(qri_emit_expr(em, out, call->args[i]));
        if (collate)
            qri_emit_collate(out, &call->args[i]->type);
    }
    return QR_OK;
}

/* SQLite takes DISTINCT with one argument only; qagg has its pointer besides. */
static bool is_native(const struct qri_leaf *leaf)
{
    return leaf->agg->agg->native != NULL && leaf->within_count == 0;
}

static enum qr_status sorted_param(struct qri_emit *em, const struct qri_leaf *leaf,
                                   struct qr_plan_param *param)
{
    struct qri_compile *c = em->c;
    struct qr_plan_agg_sorted *sorted = QRI_NEW(c, struct qr_plan_agg_sorted);
    struct qr_plan_agg_order *order =
        QRI_ARRAY(c, leaf->within_count + 1, struct qr_plan_agg_order);
    if (sorted == NULL || order == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < leaf->within_count; i++) {
        order[i].type = leaf->within[i].expr->type;
        order[i].is_descending = leaf->within[i].descending;
    }
    sorted->call = leaf->agg;
    sorted->order = order;
    sorted->order_count = leaf->within_count;
    sorted->distinct = leaf->agg->distinct && (leaf->agg->agg->flags & QR_AGG_ANY_ORDER) == 0;
    param->kind = QR_PARAM_AGG_SORTED;
    param->sorted = sorted;
    return QR_OK;
}

static enum qr_status emit_qagg(struct qri_emit *em, struct qr_buf *out,
                                const struct qri_leaf *leaf)
{
    struct qr_plan_param param = {.kind = QR_PARAM_AGG, .type = leaf->agg->type, .agg = leaf->agg};
    bool distinct = leaf->agg->distinct && (leaf->agg->agg->flags & QR_AGG_ANY_ORDER) == 0;
    if (distinct || leaf->within_count > 0)
        QR_TRY(sorted_param(em, leaf, &param));
    else if (leaf->window != NULL)
        param.kind = QR_PARAM_AGG_WINDOW;
    qr_buf_addz(out, param.kind == QR_PARAM_AGG          ? "qagg("
                     : param.kind == QR_PARAM_AGG_WINDOW ? "qaggw("
                                                         : "qaggs(");
    QR_TRY(qri_emit_param(em, out, &param));
    QR_TRY(emit_args(em, out, leaf->agg, false, ", "));
    for (size_t i = 0; i < leaf->within_count; i++) {
        qr_buf_addz(out, ", ");
        QR_TRY(qri_emit_expr(em, out, leaf->within[i].expr));
    }
    qr_buf_addz(out, ")");
    return QR_OK;
}

/* SUM and AVG of whole numbers up to int: SQLite's sum is exact, the result is checked. */
static bool is_int_sum(const struct qri_leaf *leaf)
{
    const struct qr_agg_call *call = leaf->agg;
    bool sum = qr_str_ieqz(qr_str(call->agg->name), "SUM");
    bool avg = qr_str_ieqz(qr_str(call->agg->name), "AVG");
    return (sum || avg) && leaf->within_count == 0 && call->type.id == QR_TYPE_INT;
}

static enum qr_status emit_int_sum(struct qri_emit *em, struct qr_buf *out,
                                   const struct qri_leaf *leaf)
{
    const struct qr_expr *arg = leaf->agg->args[0];
    const char *distinct = leaf->agg->distinct ? "DISTINCT " : "";
    bool avg = qr_str_ieqz(qr_str(leaf->agg->agg->name), "AVG");
    qr_buf_printf(out, "%ssum(%s", avg ? "qdiv(" : "qi4(", distinct);
    QR_TRY(qri_emit_expr(em, out, arg));
    qr_buf_addz(out, ")");
    if (leaf->window != NULL)
        QR_TRY(emit_over(em, out, leaf->window));
    if (avg) {
        qr_buf_printf(out, ", count(%s", distinct);
        QR_TRY(qri_emit_expr(em, out, arg));
        qr_buf_addz(out, ")");
        if (leaf->window != NULL)
            QR_TRY(emit_over(em, out, leaf->window));
    }
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_call(struct qri_emit *em, struct qr_buf *out,
                                const struct qri_leaf *leaf)
{
    const struct qr_agg_call *call = leaf->agg;
    bool distinct = call->distinct && (call->agg->flags & QR_AGG_ANY_ORDER) == 0;
    if (!is_native(leaf))
        return emit_qagg(em, out, leaf);
    qr_buf_printf(out, "%s(%s", call->agg->native, distinct ? "DISTINCT " : "");
    bool is_count_star = call->arg_count == 0 && (call->agg->flags & QR_AGG_COUNTS_NULLS) != 0;
    if (call->arg_count == 0 && (is_count_star || (call->agg->flags & QR_AGG_WINDOW_ONLY) == 0))
        qr_buf_addz(out, "*");
    QR_TRY(emit_args(em, out, call, true, ""));
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_agg(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                               const struct qri_leaf *leaf)
{
    const struct qri_grouping *set = em->set;
    (void)expr;
    /* WHERE of a block within the one that it belongs to takes none that is not in a SELECT */
    bool is_outer = em->block != NULL && em->block->scope != leaf->block->scope;
    em->set = NULL; /* arguments are rows, not groups */
    qr_buf_addz(out, is_outer ? "(SELECT " : "");
    QR_TRY(is_int_sum(leaf) ? emit_int_sum(em, out, leaf) : emit_call(em, out, leaf));
    qr_buf_addz(out, is_outer ? ")" : "");
    em->set = set;
    return QR_OK;
}

static enum qr_status emit_grouping(struct qri_emit *em, struct qr_buf *out,
                                    const struct qr_expr *expr, const struct qri_leaf *leaf)
{
    unsigned value = 0;
    (void)expr;
    for (size_t i = 0; i < leaf->arg_count; i++) {
        bool grouped = em->set == NULL;
        bool found = false;
        for (size_t k = 0; k < leaf->block->group_count; k++)
            if (qr_expr_equal(leaf->block->group[k], leaf->args[i])) {
                found = true;
                grouped = em->set == NULL || em->set->in[k] != 0;
            }
        if (!found)
            return qr_sql_fail(em->c->err, 8161, (int)i + 1, "GROUPING");
        value = value << 1 | (grouped ? 0 : 1);
    }
    qr_buf_printf(out, "%u", value);
    return QR_OK;
}

/* --- windows --- */

static enum qr_status emit_bound(struct qri_emit *em, struct qr_buf *out,
                                 enum qr_ast_frame_bound bound, const struct qr_expr *value)
{
    static const char *const words[] = {
        [QR_FRAME_UNBOUNDED_PRECEDING] = "UNBOUNDED PRECEDING",
        [QR_FRAME_PRECEDING] = " PRECEDING",
        [QR_FRAME_CURRENT_ROW] = "CURRENT ROW",
        [QR_FRAME_FOLLOWING] = " FOLLOWING",
        [QR_FRAME_UNBOUNDED_FOLLOWING] = "UNBOUNDED FOLLOWING",
    };
    if (value != NULL)
        QR_TRY(qri_emit_expr(em, out, value));
    qr_buf_addz(out, words[bound]);
    return QR_OK;
}

/* ORDER BY (SELECT NULL): all rows are peers, as without ORDER BY, but SQLite would sort them, and
 * so read them all before the first. */
static bool is_constant(const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf == NULL || leaf->kind != QRI_LEAF_SCALAR)
        return false;
    const struct qri_query *q = leaf->query;
    return q->kind == QRI_QUERY_SELECT && q->from_count == 0 && q->where == NULL &&
           q->top.amount == NULL && q->offset == NULL && q->fetch == NULL && !q->is_grouped &&
           q->for_inner == NULL && q->items[0]->kind == QR_EXPR_CONST;
}

static bool is_ordered(const struct qri_window *w)
{
    for (size_t i = 0; i < w->order_count; i++)
        if (!is_constant(w->order[i].expr))
            return true;
    return false;
}

static enum qr_status emit_over(struct qri_emit *em, struct qr_buf *out, const struct qri_window *w)
{
    const char *space = "";
    qr_buf_addz(out, " OVER (");
    for (size_t i = 0; i < w->partition_count; i++) {
        qr_buf_addz(out, i == 0 ? "PARTITION BY " : ", ");
        QR_TRY(qri_emit_sorted(em, out, w->partition[i]));
        space = " ";
    }
    if (is_ordered(w)) {
        qr_buf_printf(out, "%sORDER BY ", space);
        QR_TRY(qri_emit_order(em, out, w->order, w->order_count));
    }
    if (w->frame != NULL) {
        qr_buf_addz(out, w->frame->range ? " RANGE BETWEEN " : " ROWS BETWEEN ");
        QR_TRY(emit_bound(em, out, w->frame->start, w->frame_start));
        qr_buf_addz(out, " AND ");
        QR_TRY(emit_bound(em, out, w->frame->between ? w->frame->end : QR_FRAME_CURRENT_ROW,
                          w->frame_end));
    }
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_window(struct qri_emit *em, struct qr_buf *out,
                                  const struct qr_expr *expr, const struct qri_leaf *leaf)
{
    (void)expr;
    if (is_int_sum(leaf))
        return emit_int_sum(em, out, leaf);
    QR_TRY(emit_call(em, out, leaf));
    return emit_over(em, out, leaf->window);
}

enum qr_status qri_emit_order(struct qri_emit *em, struct qr_buf *out,
                              const struct qri_order *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        qr_buf_addz(out, i == 0 ? "" : ", ");
        QR_TRY(qri_emit_sorted(em, out, order[i].expr));
        qr_buf_addz(out, order[i].descending ? " DESC" : "");
    }
    return QR_OK;
}

/* --- subqueries --- */

/* At most one row, whatever the data. */
static bool is_one_row(const struct qri_query *q)
{
    if (q->for_inner != NULL)
        return true;
    if (q->kind == QRI_QUERY_VALUES)
        return q->row_count == 1;
    if (q->kind != QRI_QUERY_SELECT)
        return false;
    if (q->is_grouped && q->group_count == 0 && q->set_count == 0)
        return true;
    if (q->from_count == 0)
        return true;
    const struct qr_expr *top = q->top.amount;
    return top != NULL && !q->top.percent && !q->top.with_ties && top->kind == QR_EXPR_CONST &&
           top->u.value.cell == QR_CELL_INT && top->u.value.i <= 1;
}

/* The query as a table: "(SELECT …)" with columns k1 …; far inside, where the parser's stack would
 * not do, a WITH term or a plan of its own. */
static enum qr_status emit_rows_of(struct qri_emit *em, struct qr_buf *out, struct qri_query *query,
                                   const char **ret_column)
{
    bool deep = em->level > QRI_LEVEL_QUERY_MAX;
    *ret_column = "k1";
    if (!query->is_correlated && (deep || query->is_driver || query->kind != QRI_QUERY_SELECT)) {
        QR_TRY(qri_emit_with(em, query));
        qr_buf_printf(out, "w%u", (unsigned)query->with_id);
        return QR_OK;
    }
    if (deep) {
        *ret_column = "c1";
        return qri_emit_detached(em, out, query);
    }
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_query(em, out, query, QRI_FORM_NAMED));
    qr_buf_addz(out, ")");
    return QR_OK;
}

enum qr_status qri_emit_select_from(struct qri_emit *em, struct qr_buf *out,
                                    struct qri_query *query, const char *before, const char *after)
{
    struct qr_buf rows;
    const char *column = "k1";
    qr_buf_init(&rows, QRI_TEXT_BYTES_MAX);
    enum qr_status status = emit_rows_of(em, &rows, query, &column);
    if (status == QR_OK)
        status = qr_buf_status(&rows, em->c->err);
    if (status == QR_OK) {
        qr_buf_printf(out, "%s%s%s FROM ", before, column, after);
        qr_buf_add(out, rows.data, rows.len);
    }
    qr_buf_done(&rows);
    return status;
}

static enum qr_status emit_scalar(struct qri_emit *em, struct qr_buf *out,
                                  const struct qr_expr *expr, const struct qri_leaf *leaf)
{
    bool one = is_one_row(leaf->query), deep = em->level > QRI_LEVEL_QUERY_MAX;
    (void)expr;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    qr_buf_addz(out, "(");
    if (one && !deep)
        QR_TRY(qri_emit_query(em, out, leaf->query, QRI_FORM_PLAIN));
    else
        QR_TRY(qri_emit_select_from(em, out, leaf->query, one ? "SELECT " : "SELECT q1row(",
                                    one ? "" : ")"));
    qr_buf_addz(out, ")");
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    return QR_OK;
}

static enum qr_status emit_in(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                              const struct qri_leaf *leaf)
{
    bool deep = em->level > QRI_LEVEL_QUERY_MAX;
    (void)expr;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_sorted(em, out, leaf->left));
    qr_buf_addz(out, leaf->negated ? " NOT IN (" : " IN (");
    if (deep || leaf->query->is_driver)
        QR_TRY(qri_emit_select_from(em, out, leaf->query, "SELECT ", ""));
    else
        QR_TRY(qri_emit_query(em, out, leaf->query, QRI_FORM_PLAIN));
    qr_buf_addz(out, "))");
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    return QR_OK;
}

/* x > ANY (q): the strongest of the answers over q's rows; 2 true, 1 unknown, 0 false. x > ALL (q)
 * is NOT (x <= ANY (q)). */
static enum qr_status emit_quantified(struct qri_emit *em, struct qr_buf *out,
                                      const struct qr_expr *expr, const struct qri_leaf *leaf)
{
    static const char *const any[] = {
        [QR_CMP_EQ] = "=",  [QR_CMP_NE] = "<>", [QR_CMP_LT] = "<",
        [QR_CMP_LE] = "<=", [QR_CMP_GT] = ">",  [QR_CMP_GE] = ">=",
    };
    static const char *const opposite[] = {
        [QR_CMP_EQ] = "<>", [QR_CMP_NE] = "=",  [QR_CMP_LT] = ">=",
        [QR_CMP_LE] = ">",  [QR_CMP_GT] = "<=", [QR_CMP_GE] = "<",
    };
    const char *op = leaf->all ? opposite[leaf->cmp] : any[leaf->cmp];
    (void)expr;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY + 2 * QRI_LEVEL_NODE));
    qr_buf_addz(out, "CASE (SELECT max(CASE WHEN ");
    QR_TRY(qri_emit_sorted(em, out, leaf->left));
    qr_buf_printf(out, " %s k1 THEN 2 WHEN (", op);
    QR_TRY(qri_emit_expr(em, out, leaf->left));
    qr_buf_addz(out, ") IS NULL OR k1 IS NULL THEN 1 ELSE 0 END) FROM (");
    QR_TRY(qri_emit_query(em, out, leaf->query, QRI_FORM_NAMED));
    qr_buf_printf(out, ")) WHEN 2 THEN %d WHEN 1 THEN NULL ELSE %d END", leaf->all ? 0 : 1,
                  leaf->all ? 1 : 0);
    qri_emit_leave(em, QRI_LEVEL_QUERY + 2 * QRI_LEVEL_NODE);
    return QR_OK;
}

/* Of a keyed table its first key column, which is never NULL; of a query the column km. */
static enum qr_status emit_mark(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                                const struct qri_leaf *leaf)
{
    const struct qri_source *s = leaf->source;
    if (em->args != NULL && !is_own(em, s))
        return emit_arg(em, out, expr);
    const struct qr_cat_index *key =
        s->kind == QRI_SOURCE_TABLE && s->object->storage == QR_STORE_KEYED
            ? qr_cat_clustered(s->object)
            : NULL;
    if (s->kind == QRI_SOURCE_QUERY)
        qr_buf_printf(out, "s%u.km", (unsigned)s->id);
    else if (key != NULL)
        qr_buf_printf(out, "s%u.c%u", (unsigned)s->id, (unsigned)key->columns[0].column_id);
    else
        qr_buf_printf(out, "s%u.%s", (unsigned)s->id,
                      s->needs_rid || qri_rows_are_kept(s) ? "rid" : "rowid");
    return QR_OK;
}

static enum qr_status emit_group(struct qri_emit *em, struct qr_buf *out,
                                 const struct qr_expr *expr, const struct qri_leaf *leaf)
{
    (void)expr;
    return qri_emit_expr(em, out, leaf->left);
}

static const leaf_fn leaf_fns[] = {
    [QRI_LEAF_MARK] = emit_mark,
    [QRI_LEAF_COLUMN] = emit_column,
    [QRI_LEAF_VAR] = emit_var,
    [QRI_LEAF_GROUP] = emit_group,
    [QRI_LEAF_LIVE] = emit_live,
    [QRI_LEAF_AGG] = emit_agg,
    [QRI_LEAF_WINDOW] = emit_window,
    [QRI_LEAF_SCALAR] = emit_scalar,
    [QRI_LEAF_EXISTS] = qri_emit_exists,
    [QRI_LEAF_IN] = emit_in,
    [QRI_LEAF_QUANTIFIED] = emit_quantified,
    [QRI_LEAF_GROUPING] = emit_grouping,
};

enum qr_status qri_emit_leaf(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf_fns[leaf->kind](em, out, expr, leaf);
}
