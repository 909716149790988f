/* ast_dump_stmt.c - see ast_dump.h */
#include "ast_dump.h"
#include "base/banned.h"

static const char *const assigns[] = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="};

static void text(struct qr_buf *out, const char *before, struct qr_str s)
{
    if (s.n > 0) {
        qr_buf_addz(out, before);
        qr_buf_addstr(out, s);
    }
}

static void expr(struct qr_buf *out, const char *before, const struct qr_ast_expr *e)
{
    if (e != NULL) {
        qr_buf_addz(out, before);
        ast_dump_expr(out, e);
    }
}

static void clause(struct qr_buf *out, const char *word, const struct qr_ast_expr *e)
{
    if (e != NULL) {
        qr_buf_printf(out, " (%s ", word);
        ast_dump_expr(out, e);
        qr_buf_addz(out, ")");
    }
}

static void names(struct qr_buf *out, const char *word, const struct qr_ast_names *list)
{
    if (list->count == 0)
        return;
    qr_buf_printf(out, " (%s", word);
    for (size_t i = 0; i < list->count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_name(out, &list->items[i]);
    }
    qr_buf_addz(out, ")");
}

static void with(struct qr_buf *out, const struct qr_ast_with *w)
{
    for (size_t i = 0; w != NULL && i < w->count; i++) {
        qr_buf_addz(out, " (cte ");
        ast_dump_ident(out, &w->ctes[i].name);
        qr_buf_addz(out, " ");
        ast_dump_query(out, w->ctes[i].query);
        qr_buf_addz(out, ")");
    }
}

static void outputs(struct qr_buf *out, const struct qr_ast_outputs *list)
{
    for (size_t i = 0; i < list->count; i++) {
        qr_buf_addz(out, " (output");
        ast_dump_items(out, &list->items[i].items);
        text(out, " into:", list->items[i].into_variable);
        if (list->items[i].into.count > 0) {
            qr_buf_addz(out, " into:");
            ast_dump_name(out, &list->items[i].into);
        }
        qr_buf_addz(out, ")");
    }
}

static void set_items(struct qr_buf *out, const struct qr_ast_set_items *items)
{
    qr_buf_addz(out, " (set");
    for (size_t i = 0; i < items->count; i++) {
        const struct qr_ast_set_item *item = &items->items[i];
        qr_buf_addz(out, " (");
        if (item->method.text.n > 0) {
            qr_buf_addz(out, ".");
            qr_buf_addstr(out, item->method.text);
        } else {
            qr_buf_addz(out, assigns[item->assign]);
        }
        text(out, " ", item->variable);
        if (item->column.count > 0) {
            qr_buf_addz(out, " ");
            ast_dump_name(out, &item->column);
        }
        expr(out, " ", item->value);
        ast_dump_exprs(out, &item->method_args);
        qr_buf_addz(out, ")");
    }
    qr_buf_addz(out, ")");
}

static void select(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_select_stmt *node = (const struct qr_ast_select_stmt *)stmt;
    with(out, node->with);
    qr_buf_addz(out, " ");
    ast_dump_query(out, node->query);
    ast_dump_options(out, "option", &node->options);
}

static void exec_body(struct qr_buf *out, const struct qr_ast_exec *node)
{
    text(out, " rc:", node->return_variable);
    if (node->procedure.count > 0) {
        qr_buf_addz(out, " ");
        ast_dump_name(out, &node->procedure);
    }
    text(out, " var:", node->procedure_variable);
    expr(out, " string:", node->string);
    for (size_t i = 0; i < node->arg_count; i++) {
        qr_buf_addz(out, " (arg ");
        text(out, "", node->args[i].name);
        expr(out, node->args[i].name.n > 0 ? "=" : "", node->args[i].value);
        qr_buf_addz(out, node->args[i].output ? " output)" : ")");
    }
}

static void insert(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_insert *node = (const struct qr_ast_insert *)stmt;
    with(out, node->with);
    ast_dump_top(out, node->top);
    qr_buf_addz(out, " ");
    ast_dump_source(out, node->target);
    names(out, "columns", &node->columns);
    outputs(out, &node->outputs);
    qr_buf_addz(out, " ");
    if (node->source == QR_INSERT_QUERY) {
        ast_dump_query(out, node->query);
    } else if (node->source == QR_INSERT_EXEC) {
        qr_buf_addz(out, "(exec");
        exec_body(out, node->exec);
        qr_buf_addz(out, ")");
    } else {
        qr_buf_addz(out, "default-values");
    }
}

static void update(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_update *node = (const struct qr_ast_update *)stmt;
    with(out, node->with);
    ast_dump_top(out, node->top);
    qr_buf_addz(out, " ");
    ast_dump_source(out, node->target);
    set_items(out, &node->set);
    outputs(out, &node->outputs);
    ast_dump_sources(out, "from", &node->from);
    clause(out, "where", node->where);
    text(out, " current-of:", node->current_of.text);
}

static void delete (struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_delete *node = (const struct qr_ast_delete *)stmt;
    with(out, node->with);
    ast_dump_top(out, node->top);
    qr_buf_addz(out, " ");
    ast_dump_source(out, node->target);
    outputs(out, &node->outputs);
    ast_dump_sources(out, "from", &node->from);
    clause(out, "where", node->where);
    text(out, " current-of:", node->current_of.text);
}

static void merge(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    static const char *const matches[] = {"matched", "not-matched", "not-matched-by-source"};
    static const char *const actions[] = {"update", "delete", "insert"};
    const struct qr_ast_merge *node = (const struct qr_ast_merge *)stmt;
    with(out, node->with);
    qr_buf_addz(out, " ");
    ast_dump_source(out, node->target);
    qr_buf_addz(out, " ");
    ast_dump_source(out, node->using_source);
    clause(out, "on", node->on);
    for (size_t i = 0; i < node->when_count; i++) {
        const struct qr_ast_merge_when *when = &node->whens[i];
        qr_buf_printf(out, " (%s", matches[when->match]);
        expr(out, " ", when->condition);
        qr_buf_printf(out, " %s", actions[when->action]);
        if (when->action == QR_MERGE_UPDATE)
            set_items(out, &when->set);
        names(out, "columns", &when->columns);
        ast_dump_exprs(out, &when->values);
        qr_buf_addz(out, ")");
    }
    outputs(out, &node->outputs);
}

static void declare(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_declare *node = (const struct qr_ast_declare *)stmt;
    for (size_t i = 0; i < node->count; i++) {
        text(out, " (", node->items[i].name);
        qr_buf_addz(out, node->items[i].is_cursor ? " cursor" : "");
        text(out, " ", node->items[i].type.text);
        if (node->items[i].table != NULL)
            qr_buf_printf(out, " table:%zu", node->items[i].table->column_count);
        expr(out, " = ", node->items[i].init);
        qr_buf_addz(out, ")");
    }
}

static void cursor_def(struct qr_buf *out, const struct qr_ast_cursor_def *def)
{
    for (size_t i = 0; i < def->options.count; i++)
        text(out, " ", def->options.items[i]);
    qr_buf_addz(out, " ");
    ast_dump_stmt(out, def->select);
    qr_buf_addz(out, def->for_read_only ? " read-only" : def->for_update ? " for-update" : "");
    names(out, "of", &def->update_of);
}

static void declare_cursor(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_declare_cursor *node = (const struct qr_ast_declare_cursor *)stmt;
    text(out, " ", node->name.text);
    cursor_def(out, &node->def);
}

static void set_variable(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_set_variable *node = (const struct qr_ast_set_variable *)stmt;
    text(out, " ", node->name);
    qr_buf_printf(out, " %s", assigns[node->assign]);
    expr(out, " ", node->value);
    expr(out, " ", node->method);
    if (node->cursor != NULL)
        cursor_def(out, node->cursor);
}

static void set_option(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_set_option *node = (const struct qr_ast_set_option *)stmt;
    for (size_t i = 0; i < node->options.count; i++)
        text(out, " ", node->options.items[i]);
    if (node->table.count > 0) {
        qr_buf_addz(out, " ");
        ast_dump_name(out, &node->table);
    }
    qr_buf_addz(out, !node->on_off ? "" : node->on ? " on" : " off");
    text(out, " word:", node->word);
    expr(out, " ", node->value);
}

static void if_of(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_if *node = (const struct qr_ast_if *)stmt;
    expr(out, " ", node->condition);
    qr_buf_addz(out, " ");
    ast_dump_stmt(out, node->then);
    if (node->otherwise != NULL) {
        qr_buf_addz(out, " ");
        ast_dump_stmt(out, node->otherwise);
    }
}

static void while_of(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_while *node = (const struct qr_ast_while *)stmt;
    expr(out, " ", node->condition);
    qr_buf_addz(out, " ");
    ast_dump_stmt(out, node->body);
}

static void block(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    ast_dump_stmts(out, &((const struct qr_ast_block *)stmt)->stmts);
}

static void try_of(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_try *node = (const struct qr_ast_try *)stmt;
    ast_dump_stmts(out, &node->body);
    qr_buf_addz(out, " (catch");
    ast_dump_stmts(out, &node->handler);
    qr_buf_addz(out, ")");
}

static void return_of(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    expr(out, " ", ((const struct qr_ast_return *)stmt)->value);
}

static void goto_of(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    text(out, " ", ((const struct qr_ast_goto *)stmt)->label.text);
}

static void print(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    expr(out, " ", ((const struct qr_ast_print *)stmt)->value);
}

static void raiserror(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_raiserror *node = (const struct qr_ast_raiserror *)stmt;
    qr_buf_addz(out, node->old_form ? " old" : "");
    expr(out, " ", node->message);
    expr(out, " ", node->severity);
    expr(out, " ", node->state);
    ast_dump_exprs(out, &node->args);
    qr_buf_addz(out, node->with_log ? " log" : "");
    qr_buf_addz(out, node->with_nowait ? " nowait" : "");
    qr_buf_addz(out, node->with_seterror ? " seterror" : "");
}

static void throw_of(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_throw *node = (const struct qr_ast_throw *)stmt;
    expr(out, " ", node->number);
    expr(out, " ", node->message);
    expr(out, " ", node->state);
}

static void waitfor(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    static const char *const words[] = {" delay", " time", " statement"};
    const struct qr_ast_waitfor *node = (const struct qr_ast_waitfor *)stmt;
    qr_buf_addz(out, words[node->wait]);
    expr(out, " ", node->value);
}

static void exec(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_exec *node = (const struct qr_ast_exec *)stmt;
    qr_buf_addz(out, node->bare ? " bare" : "");
    exec_body(out, node);
    text(out, " at:", node->at_server.text);
    qr_buf_addz(out, node->recompile ? " recompile" : "");
    text(out, " ", node->result_sets);
}

static void transaction(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    static const char *const words[] = {" begin", " commit", " rollback", " save"};
    const struct qr_ast_transaction *node = (const struct qr_ast_transaction *)stmt;
    qr_buf_addz(out, words[node->action]);
    qr_buf_addz(out, node->distributed ? " distributed" : "");
    text(out, " ", node->name.text);
    text(out, " ", node->variable);
    qr_buf_addz(out, node->with_mark ? " mark" : "");
    expr(out, " ", node->mark);
    qr_buf_addz(out, node->delayed_durability ? " delayed" : "");
}

static void cursor(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    static const char *const words[] = {" open", " fetch", " close", " deallocate"};
    static const char *const rows[] = {" next", " prior",    " first",
                                       " last", " absolute", " relative"};
    const struct qr_ast_cursor *node = (const struct qr_ast_cursor *)stmt;
    qr_buf_addz(out, words[node->action]);
    if (node->action == QR_CURSOR_FETCH)
        qr_buf_addz(out, rows[node->fetch]);
    expr(out, " ", node->fetch_row);
    qr_buf_addz(out, node->global ? " global" : "");
    text(out, " ", node->name.text);
    text(out, " ", node->variable);
    for (size_t i = 0; i < node->into.count; i++)
        text(out, i == 0 ? " into:" : ",", node->into.items[i]);
}

static void unsupported(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    text(out, " ", ((const struct qr_ast_unsupported *)stmt)->what);
}

static void (*const dumpers[QR_AS_KIND_COUNT])(struct qr_buf *, const struct qr_ast_stmt *) = {
    /* clang-format off */
    [QR_AS_DECLARE] = declare,           [QR_AS_DECLARE_CURSOR] = declare_cursor,
    [QR_AS_SET_VARIABLE] = set_variable, [QR_AS_SET_OPTION] = set_option,
    [QR_AS_IF] = if_of,                  [QR_AS_WHILE] = while_of,
    [QR_AS_BLOCK] = block,               [QR_AS_TRY] = try_of,
    [QR_AS_RETURN] = return_of,          [QR_AS_GOTO] = goto_of,
    [QR_AS_LABEL] = goto_of,             [QR_AS_PRINT] = print,
    [QR_AS_RAISERROR] = raiserror,       [QR_AS_THROW] = throw_of,
    [QR_AS_WAITFOR] = waitfor,           [QR_AS_EXEC] = exec,
    [QR_AS_TRANSACTION] = transaction,   [QR_AS_CURSOR] = cursor,
    [QR_AS_SELECT] = select,             [QR_AS_INSERT] = insert,
    [QR_AS_UPDATE] = update,             [QR_AS_DELETE] = delete,
    [QR_AS_MERGE] = merge,               [QR_AS_UNSUPPORTED] = unsupported,
    /* clang-format on */
};

void ast_dump_stmt(struct qr_buf *out, const struct qr_ast_stmt *stmt)
{
    qr_buf_printf(out, "{%s", qr_ast_stmt_command(stmt->kind));
    if (dumpers[stmt->kind] != NULL)
        dumpers[stmt->kind](out, stmt);
    qr_buf_addz(out, "}");
}

void ast_dump_stmts(struct qr_buf *out, const struct qr_ast_stmts *stmts)
{
    for (size_t i = 0; i < stmts->count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_stmt(out, stmts->items[i]);
    }
}
