/* parse_batch.c - batches, and which statement a word begins; see tsql/parse.h */
#include "parse_int.h"
#include "parse_ddl_int.h"
#include "base/banned.h"

/* ---- statements that are named and skipped ---- */

/* Words that begin a line of a new statement, not of the one being skipped. */
static bool at_next_statement(struct qri_parser *p)
{
    if (p->tok.line == p->last.line)
        return false;
    if (qri_p_at(p, KW_DROP) && qri_p_peek_sym(p, 1, '(')) /* DROP (...) of an audit */
        return false;
    switch ((int)p->tok.keyword) {
    case KW_SELECT:
    case KW_INSERT:
    case KW_UPDATE:
    case KW_DELETE:
    case KW_EXEC:
    case KW_EXECUTE:
    case KW_DECLARE:
    case KW_IF:
    case KW_WHILE:
    case KW_PRINT:
    case KW_CREATE:
    case KW_ALTER:
    case KW_DROP:
    case KW_BEGIN:
    case KW_END:
    case KW_ELSE:
    case KW_GRANT:
    case KW_RETURN:
    case KW_USE:
    case KW_BACKUP:
    case KW_RESTORE:
        return true;
    default:
        return false;
    }
}

void qri_p_skip_statement(struct qri_parser *p)
{
    while (p->tok.kind != TOK_END && !qri_p_at_sym(p, ';') && !at_next_statement(p) &&
           !qri_p_at(p, KW_END)) {
        if (qri_p_at_sym(p, '('))
            qri_p_skip_paren(p);
        else if (qri_p_at_sym(p, ')'))
            qri_p_syntax(p);
        else
            qri_p_advance(p);
    }
}

struct qr_ast_stmt *qri_p_unsupported(struct qri_parser *p, const char *what)
{
    struct qr_ast_unsupported *node = qri_p_stmt(p, sizeof *node, QR_AS_UNSUPPORTED);
    node->what = qr_str(what);
    qri_p_advance(p);
    qri_p_skip_statement(p);
    return qri_p_finish(p, node);
}

/* The first word, and the second if it is one, name the construct. */
static struct qr_ast_stmt *unsupported_words(struct qri_parser *p)
{
    struct qr_ast_unsupported *node = qri_p_stmt(p, sizeof *node, QR_AS_UNSUPPORTED);
    struct qr_str first = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_advance(p);
    node->what = first;
    if (p->tok.kind == TOK_IDENT && p->tok.keyword != KW_NONE) {
        struct qr_str second = qri_p_upper(p, qri_token_str(p, &p->tok));
        char *what =
            qr_arena_printf(p->arena, "%.*s %.*s", (int)first.n, first.p, (int)second.n, second.p);
        if (what == NULL)
            qri_p_fail_status(p, qr_fail(p->err, QR_NOMEM, "parse"));
        node->what = qr_str(what);
    }
    qri_p_skip_statement(p);
    return qri_p_finish(p, node);
}

static struct qr_ast_stmt *unsupported_text(struct qri_parser *p)
{
    return qri_p_unsupported(p, qri_keyword_name((enum qri_keyword)p->tok.keyword));
}

static struct qr_ast_stmt *bulk_insert(struct qri_parser *p)
{
    return qri_p_unsupported(p, "BULK INSERT");
}

/* ---- dispatch ---- */

static struct qr_ast_stmt *plain_insert(struct qri_parser *p)
{
    return qri_p_stmt_insert(p, NULL);
}
static struct qr_ast_stmt *plain_update(struct qri_parser *p)
{
    return qri_p_peek_at(p, 1, KW_STATISTICS) ? qri_p_stmt_update_statistics(p)
                                              : qri_p_stmt_update(p, NULL);
}
static struct qr_ast_stmt *plain_delete(struct qri_parser *p)
{
    return qri_p_stmt_delete(p, NULL);
}
static struct qr_ast_stmt *plain_merge(struct qri_parser *p)
{
    return qri_p_stmt_merge(p, NULL);
}

/* In the order of how often they occur. */
static const struct {
    uint16_t word; /* enum qri_keyword */
    uint16_t next; /* the word behind it, KW_NONE: any */
    struct qr_ast_stmt *(*parse)(struct qri_parser *p);
} starts[] = {
    /* clang-format off */
    {KW_SELECT, KW_NONE, qri_p_stmt_select},       {KW_INSERT, KW_NONE, plain_insert},
    {KW_SET, KW_NONE, qri_p_stmt_set},             {KW_EXEC, KW_NONE, qri_p_stmt_exec},
    {KW_DECLARE, KW_NONE, qri_p_stmt_declare},     {KW_UPDATE, KW_NONE, plain_update},
    {KW_DELETE, KW_NONE, plain_delete},          {KW_IF, KW_NONE, qri_p_stmt_if},
    {KW_BEGIN, KW_NONE, qri_p_stmt_begin},         {KW_CREATE, KW_NONE, qri_p_stmt_create},
    {KW_ALTER, KW_NONE, qri_p_stmt_alter},         {KW_DROP, KW_NONE, qri_p_stmt_drop},
    {KW_WITH, KW_NONE, qri_p_stmt_with},           {KW_MERGE, KW_NONE, plain_merge},
    {KW_EXECUTE, KW_NONE, qri_p_stmt_exec},        {KW_WHILE, KW_NONE, qri_p_stmt_while},
    {KW_RETURN, KW_NONE, qri_p_stmt_return},       {KW_PRINT, KW_NONE, qri_p_stmt_print},
    {KW_COMMIT, KW_NONE, qri_p_stmt_tran},         {KW_ROLLBACK, KW_NONE, qri_p_stmt_tran},
    {KW_SAVE, KW_NONE, qri_p_stmt_tran},           {KW_FETCH, KW_NONE, qri_p_stmt_cursor},
    {KW_OPEN, KW_NONE, qri_p_stmt_cursor},         {KW_CLOSE, KW_NONE, qri_p_stmt_cursor},
    {KW_DEALLOCATE, KW_NONE, qri_p_stmt_cursor},   {KW_RAISERROR, KW_NONE, qri_p_stmt_raiserror},
    {KW_BREAK, KW_NONE, qri_p_stmt_break},         {KW_CONTINUE, KW_NONE, qri_p_stmt_break},
    {KW_GOTO, KW_NONE, qri_p_stmt_goto},           {KW_WAITFOR, KW_NONE, qri_p_stmt_waitfor},
    {KW_TRUNCATE, KW_NONE, qri_p_stmt_truncate},   {KW_GRANT, KW_NONE, qri_p_stmt_permission},
    {KW_DENY, KW_NONE, qri_p_stmt_permission},     {KW_REVOKE, KW_NONE, qri_p_stmt_permission},
    {KW_USE, KW_NONE, qri_p_stmt_use},             {KW_DBCC, KW_NONE, qri_p_stmt_dbcc},
    {KW_KILL, KW_NONE, qri_p_stmt_kill},           {KW_REVERT, KW_NONE, qri_p_stmt_revert},
    {KW_CHECKPOINT, KW_NONE, qri_p_stmt_word},     {KW_SHUTDOWN, KW_NONE, qri_p_stmt_word},
    {KW_RECONFIGURE, KW_NONE, qri_p_stmt_word},    {KW_SETUSER, KW_NONE, qri_p_stmt_setuser},
    {KW_THROW, KW_NONE, qri_p_stmt_throw},
    {KW_ENABLE, KW_TRIGGER, qri_p_stmt_enable_trigger},
    {KW_DISABLE, KW_TRIGGER, qri_p_stmt_enable_trigger},
    {KW_BULK, KW_INSERT, bulk_insert},           {KW_BACKUP, KW_NONE, unsupported_words},
    {KW_RESTORE, KW_NONE, unsupported_words},    {KW_ADD, KW_NONE, unsupported_words},
    {KW_READTEXT, KW_NONE, unsupported_text},    {KW_WRITETEXT, KW_NONE, unsupported_text},
    {KW_UPDATETEXT, KW_NONE, unsupported_text},  {KW_DUMP, KW_NONE, unsupported_words},
    {KW_LOAD, KW_NONE, unsupported_words},       {KW_LINENO, KW_NONE, unsupported_text},
    {KW_SEND, KW_ON, unsupported_words},         {KW_GET, KW_CONVERSATION, unsupported_words},
    {KW_MOVE, KW_CONVERSATION, unsupported_words}, {KW_RECEIVE, KW_NONE, unsupported_text},
    {KW_END, KW_CONVERSATION, unsupported_words},
    /* clang-format on */
};

static struct qr_ast_stmt *parse_statement(struct qri_parser *p, bool first)
{
    if (qri_p_is_ident(p, &p->tok) && qri_p_peek_sym(p, 1, ':'))
        return qri_p_stmt_label(p);
    uint16_t word = p->tok.keyword;
    for (size_t i = 0; word != KW_NONE && i < sizeof starts / sizeof starts[0]; i++) {
        if (starts[i].word == word &&
            (starts[i].next == KW_NONE || qri_p_peek_at(p, 1, (enum qri_keyword)starts[i].next)))
            return starts[i].parse(p);
    }
    if (qri_p_at_sym(p, '(') && qri_p_at_query(p))
        return qri_p_stmt_select(p);
    if (qri_p_at_sym(p, '{'))
        return qri_p_stmt_odbc_call(p);
    if (first && (qri_p_is_ident(p, &p->tok) || qri_p_at_sym(p, '.')))
        return qri_p_stmt_bare_exec(p);
    return NULL;
}

struct qr_ast_stmt *qri_p_statement_or_null(struct qri_parser *p)
{
    bool first = p->at_start;
    p->at_start = false;
    p->is_first = first;
    p->joins = 0;
    qri_p_enter(p);
    struct qr_ast_stmt *stmt = parse_statement(p, first);
    qri_p_leave(p);
    return stmt;
}

struct qr_ast_stmt *qri_p_statement(struct qri_parser *p)
{
    struct qr_ast_stmt *stmt = qri_p_statement_or_null(p);
    if (stmt == NULL)
        qri_p_syntax(p);
    return stmt;
}

void qri_p_statements(struct qri_parser *p, struct qr_ast_stmts *list)
{
    for (;;) {
        while (qri_p_accept_sym(p, ';'))
            continue;
        if (p->tok.kind == TOK_END ||
            (qri_p_at(p, KW_END) && !qri_p_peek_at(p, 1, KW_CONVERSATION)))
            return;
        if (qri_p_at(p, KW_WITH) && list->count > 0 && p->last.kind != ';' && p->last.kind != ':')
            qri_p_syntax(p); /* 319: the one statement that needs a semicolon before it */
        struct qr_ast_stmt *stmt = qri_p_statement_or_null(p);
        if (stmt == NULL)
            return;
        qri_p_push_ptr(p, &list->items, &list->count, stmt);
    }
}

/* ---- entry points ---- */

static void expect_end(struct qri_parser *p)
{
    if (p->tok.kind != TOK_END)
        qri_p_syntax(p);
}

static void parse_batch(struct qri_parser *p, void *ret)
{
    struct qr_tsql_batch *batch = qri_p_alloc(p, sizeof *batch);
    p->at_start = true;
    qri_p_statements(p, &batch->stmts);
    expect_end(p);
    qri_p_check_labels(p);
    batch->text = p->text;
    batch->undeclared = p->undeclared;
    batch->undeclared_count = p->undeclared_count;
    batch->literal_count = p->lex.ordinal;
    batch->quoted_identifier = p->quoted_identifier;
    batch->sets_quoted_identifier = p->sets_quoted_identifier;
    batch->sets_parse_only = p->sets_parse_only;
    batch->parse_only = p->parse_only;
    batch->has_secret = p->has_secret;
    *(struct qr_tsql_batch **)ret = batch;
}

static void parse_any_expr(struct qri_parser *p, void *ret)
{
    struct qr_ast_expr *expr = qri_p_any_expr(p);
    expect_end(p);
    *(struct qr_ast_expr **)ret = expr;
}

static void parse_type(struct qri_parser *p, void *ret)
{
    struct qr_ast_type type;
    qri_p_type(p, &type);
    expect_end(p);
    *(struct qr_ast_type *)ret = type;
}

static void parse_params(struct qri_parser *p, void *ret)
{
    struct qr_ast_params params = {0};
    if (p->tok.kind != TOK_END)
        qri_p_params(p, &params);
    expect_end(p);
    *(struct qr_ast_params *)ret = params;
}

/* Runs `parse` with somewhere to unwind to. */
static enum qr_status run(struct qr_arena *arena, const char *sql, size_t sql_bytes,
                          const struct qr_tsql_options *options, struct qr_err *err,
                          void (*parse)(struct qri_parser *, void *), void *ret)
{
    struct qri_parser p;
    QR_TRY(qri_parser_init(&p, arena, sql, sql_bytes, options, err));
    if (setjmp(p.unwind) == 0) {
        qri_parser_start(&p);
        parse(&p, ret);
        p.status = QR_OK;
    }
    qr_map_done(&p.vars);
    return p.status;
}

static const struct qr_tsql_options plain_options = {.quoted_identifier = true};

enum qr_status qr_tsql_parse(struct qr_arena *arena_batch, const char *sql, size_t sql_bytes,
                             const struct qr_tsql_options *options,
                             struct qr_tsql_batch **ret_batch, struct qr_err *err)
{
    return run(arena_batch, sql, sql_bytes, options, err, parse_batch, ret_batch);
}

enum qr_status qr_tsql_parse_expr(struct qr_arena *arena_batch, const char *sql, size_t sql_bytes,
                                  const struct qr_tsql_options *options,
                                  struct qr_ast_expr **ret_expr, struct qr_err *err)
{
    return run(arena_batch, sql, sql_bytes, options, err, parse_any_expr, ret_expr);
}

enum qr_status qr_tsql_parse_type(struct qr_arena *arena_batch, const char *sql, size_t sql_bytes,
                                  struct qr_ast_type *ret_type, struct qr_err *err)
{
    return run(arena_batch, sql, sql_bytes, &plain_options, err, parse_type, ret_type);
}

enum qr_status qr_tsql_parse_params(struct qr_arena *arena_batch, const char *sql, size_t sql_bytes,
                                    struct qr_ast_params *ret_params, struct qr_err *err)
{
    return run(arena_batch, sql, sql_bytes, &plain_options, err, parse_params, ret_params);
}
