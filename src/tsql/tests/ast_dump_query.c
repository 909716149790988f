/* ast_dump_query.c - see ast_dump.h */
#include "ast_dump.h"
#include "base/banned.h"

void ast_dump_options(struct qr_buf *out, const char *word, const struct qr_ast_options *options)
{
    if (options->count == 0)
        return;
    qr_buf_printf(out, " (%s", word);
    for (size_t i = 0; i < options->count; i++) {
        const struct qr_ast_option *o = &options->items[i];
        qr_buf_addz(out, " ");
        qr_buf_addstr(out, o->name);
        if (o->value != NULL) {
            qr_buf_addz(out, "=");
            ast_dump_expr(out, o->value);
        }
        if (o->word.n > 0) {
            qr_buf_addz(out, ":");
            qr_buf_addstr(out, o->word);
        }
        ast_dump_options(out, "sub", &(struct qr_ast_options){o->subs, o->sub_count});
    }
    qr_buf_addz(out, ")");
}

void ast_dump_rows(struct qr_buf *out, const struct qr_ast_rows *rows)
{
    qr_buf_addz(out, "(values");
    for (size_t i = 0; i < rows->count; i++) {
        qr_buf_addz(out, " (row");
        ast_dump_exprs(out, &rows->items[i].values);
        qr_buf_addz(out, ")");
    }
    qr_buf_addz(out, ")");
}

static void aliases(struct qr_buf *out, const struct qr_ast_source *source)
{
    if (source->alias.text.n > 0) {
        qr_buf_addz(out, " as:");
        ast_dump_ident(out, &source->alias);
    }
    for (size_t i = 0; i < source->columns.count; i++) {
        qr_buf_addz(out, i == 0 ? "(" : ",");
        ast_dump_ident(out, &source->columns.items[i]);
    }
    qr_buf_addz(out, source->columns.count > 0 ? ")" : "");
}

static void table(struct qr_buf *out, const struct qr_ast_source *source)
{
    static const char *const temporal[] = {"",         " as-of",        " from-to",
                                           " between", " contained-in", " all-times"};
    const struct qr_ast_table_source *node = (const struct qr_ast_table_source *)source;
    qr_buf_addz(out, "(table ");
    ast_dump_name(out, &node->name);
    qr_buf_addz(out, temporal[node->temporal]);
    if (node->sample != NULL)
        qr_buf_addz(out, " sample");
    ast_dump_options(out, "hints", &node->hints);
}

static void variable(struct qr_buf *out, const struct qr_ast_source *source)
{
    qr_buf_addz(out, "(table ");
    qr_buf_addstr(out, ((const struct qr_ast_variable_source *)source)->name);
}

static void derived(struct qr_buf *out, const struct qr_ast_source *source)
{
    qr_buf_addz(out, "(derived ");
    ast_dump_query(out, ((const struct qr_ast_derived_source *)source)->query);
}

static void values(struct qr_buf *out, const struct qr_ast_source *source)
{
    qr_buf_addz(out, "(derived ");
    ast_dump_rows(out, &((const struct qr_ast_values_source *)source)->rows);
}

static void call(struct qr_buf *out, const struct qr_ast_source *source)
{
    const struct qr_ast_call_source *node = (const struct qr_ast_call_source *)source;
    qr_buf_addz(out, "(tvf ");
    ast_dump_expr(out, node->call);
    for (size_t i = 0; i < node->with_count; i++) {
        qr_buf_addz(out, " (with ");
        ast_dump_ident(out, &node->with[i].name);
        qr_buf_addz(out, " ");
        ast_dump_name(out, &node->with[i].type.name);
        qr_buf_addz(out, node->with[i].as_json ? " json)" : ")");
    }
}

static void rowset(struct qr_buf *out, const struct qr_ast_source *source)
{
    const struct qr_ast_rowset_source *node = (const struct qr_ast_rowset_source *)source;
    qr_buf_addz(out, "(rowset ");
    qr_buf_addstr(out, node->function);
}

static void dml(struct qr_buf *out, const struct qr_ast_source *source)
{
    qr_buf_addz(out, "(dml ");
    ast_dump_stmt(out, ((const struct qr_ast_dml_source *)source)->dml);
}

static void join(struct qr_buf *out, const struct qr_ast_source *source)
{
    static const char *const words[] = {"inner", "left",        "right",      "full",
                                        "cross", "cross-apply", "outer-apply"};
    const struct qr_ast_join *node = (const struct qr_ast_join *)source;
    qr_buf_printf(out, "(%s ", words[node->join]);
    if (node->hint.n > 0) {
        qr_buf_addstr(out, node->hint);
        qr_buf_addz(out, " ");
    }
    ast_dump_source(out, node->left);
    qr_buf_addz(out, " ");
    ast_dump_source(out, node->right);
    if (node->on != NULL) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, node->on);
    }
}

static void pivot(struct qr_buf *out, const struct qr_ast_source *source)
{
    const struct qr_ast_pivot *node = (const struct qr_ast_pivot *)source;
    qr_buf_addz(out, "(pivot ");
    ast_dump_source(out, node->input);
    qr_buf_addz(out, " ");
    ast_dump_expr(out, &node->aggregate->head);
    qr_buf_addz(out, " for ");
    ast_dump_name(out, &node->for_column);
    for (size_t i = 0; i < node->values.count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_ident(out, &node->values.items[i]);
    }
}

static void unpivot(struct qr_buf *out, const struct qr_ast_source *source)
{
    const struct qr_ast_unpivot *node = (const struct qr_ast_unpivot *)source;
    qr_buf_addz(out, "(unpivot ");
    ast_dump_source(out, node->input);
    qr_buf_addz(out, " ");
    ast_dump_ident(out, &node->value_column);
    qr_buf_addz(out, " for ");
    ast_dump_ident(out, &node->for_column);
    for (size_t i = 0; i < node->columns.count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_name(out, &node->columns.items[i]);
    }
}

void ast_dump_source(struct qr_buf *out, const struct qr_ast_source *source)
{
    static void (*const dumpers[QR_AT_KIND_COUNT])(struct qr_buf *,
                                                   const struct qr_ast_source *) = {
        [QR_AT_TABLE] = table,    [QR_AT_VARIABLE] = variable, [QR_AT_DERIVED] = derived,
        [QR_AT_VALUES] = values,  [QR_AT_CALL] = call,         [QR_AT_ROWSET] = rowset,
        [QR_AT_DML] = dml,        [QR_AT_JOIN] = join,         [QR_AT_PIVOT] = pivot,
        [QR_AT_UNPIVOT] = unpivot};
    dumpers[source->kind](out, source);
    aliases(out, source);
    qr_buf_addz(out, ")");
}

void ast_dump_sources(struct qr_buf *out, const char *word, const struct qr_ast_sources *sources)
{
    if (sources->count == 0)
        return;
    qr_buf_printf(out, " (%s", word);
    for (size_t i = 0; i < sources->count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_source(out, sources->items[i]);
    }
    qr_buf_addz(out, ")");
}

void ast_dump_top(struct qr_buf *out, const struct qr_ast_top *top)
{
    if (top == NULL)
        return;
    qr_buf_addz(out, " (top ");
    ast_dump_expr(out, top->amount);
    qr_buf_addz(out, top->percent ? " percent" : "");
    qr_buf_addz(out, top->with_ties ? " ties)" : ")");
}

void ast_dump_items(struct qr_buf *out, const struct qr_ast_select_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        const struct qr_ast_select_item *item = &items->items[i];
        qr_buf_addz(out, " ");
        if (item->variable.n > 0) {
            qr_buf_addstr(out, item->variable);
            qr_buf_addz(out, item->assign == QR_ASSIGN_SET ? ":=" : ":op=");
        }
        ast_dump_expr(out, item->expr);
        if (item->alias.text.n > 0) {
            qr_buf_addz(out, ":");
            ast_dump_ident(out, &item->alias);
        }
    }
}

static void group_items(struct qr_buf *out, const struct qr_ast_group_item *items, size_t count)
{
    static const char *const words[] = {"", " (rollup", " (cube", " (sets", " (composite"};
    for (size_t i = 0; i < count; i++) {
        qr_buf_addz(out, words[items[i].kind]);
        ast_dump_exprs(out, &items[i].exprs);
        group_items(out, items[i].subs, items[i].sub_count);
        qr_buf_addz(out, items[i].kind == QR_GROUP_EXPR ? "" : ")");
    }
}

static void clause(struct qr_buf *out, const char *word, const struct qr_ast_expr *expr)
{
    if (expr == NULL)
        return;
    qr_buf_printf(out, " (%s ", word);
    ast_dump_expr(out, expr);
    qr_buf_addz(out, ")");
}

static void select(struct qr_buf *out, const struct qr_ast_select *node)
{
    qr_buf_addz(out, node->distinct ? "(select distinct" : "(select");
    ast_dump_top(out, node->top);
    ast_dump_items(out, &node->items);
    if (node->into.count > 0) {
        qr_buf_addz(out, " (into ");
        ast_dump_name(out, &node->into);
        qr_buf_addz(out, ")");
    }
    ast_dump_sources(out, "from", &node->from);
    clause(out, "where", node->where);
    if (node->group_by.count > 0) {
        qr_buf_addz(out, node->group_by.all ? " (group-all" : " (group");
        group_items(out, node->group_by.items, node->group_by.count);
        qr_buf_addz(out, node->group_by.with_rollup ? " with-rollup" : "");
        qr_buf_addz(out, node->group_by.with_cube ? " with-cube" : "");
        qr_buf_addz(out, ")");
    }
    clause(out, "having", node->having);
    for (size_t i = 0; i < node->window_count; i++) {
        qr_buf_addz(out, " (window ");
        ast_dump_ident(out, &node->windows[i].name);
        qr_buf_addz(out, ")");
    }
}

static void setop(struct qr_buf *out, const struct qr_ast_setop *node)
{
    static const char *const words[] = {"union", "union-all", "except", "intersect"};
    qr_buf_addz(out, "(set ");
    for (size_t i = 0; i < node->count; i++) {
        if (i > 0)
            qr_buf_printf(out, " %s ", words[node->ops[i - 1]]);
        ast_dump_query(out, node->branches[i]);
    }
}

static void for_clause(struct qr_buf *out, const struct qr_ast_for *node)
{
    static const char *const words[] = {"xml", "json", "browse"};
    if (node == NULL)
        return;
    qr_buf_printf(out, " (for-%s ", words[node->kind]);
    qr_buf_addstr(out, node->mode);
    if (node->has_element) {
        qr_buf_addz(out, " '");
        qr_buf_addstr(out, node->element);
        qr_buf_addz(out, "'");
    }
    ast_dump_options(out, "with", &node->options);
    qr_buf_addz(out, ")");
}

void ast_dump_query(struct qr_buf *out, const struct qr_ast_query *query)
{
    if (query->kind == QR_AQ_VALUES) {
        ast_dump_rows(out, &((const struct qr_ast_values_query *)query)->rows);
        return;
    }
    if (query->kind == QR_AQ_SELECT)
        select(out, (const struct qr_ast_select *)query);
    else
        setop(out, (const struct qr_ast_setop *)query);
    if (query->order_by.count > 0) {
        qr_buf_addz(out, " (order");
        ast_dump_order(out, &query->order_by);
        qr_buf_addz(out, ")");
    }
    clause(out, "offset", query->offset);
    clause(out, "fetch", query->fetch);
    for_clause(out, query->for_clause);
    qr_buf_addz(out, ")");
}
