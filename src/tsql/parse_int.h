/* parse_int.h - what the files of the recursive-descent parser share.
 *
 * Failure unwinds with longjmp to the entry point: a parser owns nothing but what lies in its
 * arena, so there is nothing to free on the way, and the grammar reads without a check per call.
 * Hence no function here returns a status, and none returns NULL unless it says so.
 * Every function that reads a construct begins at p->tok, its first token, and leaves p->tok at the
 * first token after it. */
#pragma once
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/map.h"
#include "base/status.h"
#include "lexer_int.h"
#include "tsql/ast.h"
#include "tsql/parse.h"

enum { QRI_AHEAD_MAX = 4 };

/* Where the parser stands; a copy of it is a place to come back to. */
struct qri_place {
    struct qri_lexer lex;
    struct qri_token tok;
    struct qri_token ahead[QRI_AHEAD_MAX];
    uint32_t ahead_count;
    struct qri_token last; /* the token before tok */
};

struct qri_label {
    struct qr_ast_ident name;
    uint32_t line;
};

struct qri_parser {
    struct qri_lexer lex;
    struct qri_token tok;
    struct qri_token ahead[QRI_AHEAD_MAX]; /* those after tok that were looked at */
    uint32_t ahead_count;
    struct qri_token last;

    struct qr_arena *arena;
    struct qr_str text; /* the batch's copy */
    bool quoted_identifier;
    bool sets_quoted_identifier;
    bool parse_only, sets_parse_only;
    bool has_secret;
    bool in_module;      /* body of a procedure, function or trigger */
    bool value_returned; /* RETURN may have a value here */
    bool at_start;       /* no statement of the batch was read yet */
    bool is_first;       /* the one being read is the batch's first */
    uint32_t depth;      /* QR_TSQL_DEPTH_MAX */
    uint32_t joins;      /* in this statement: QR_TSQL_JOINS_MAX */
    uint32_t loops;      /* WHILE around here */
    uint32_t temp_line;  /* where a #table was first named as a source or target; 0: nowhere */
    struct qri_label *labels, *gotos;
    size_t label_count, goto_count;

    struct qr_map vars; /* names declared so far, and those used before */
    struct qr_tsql_var_use *undeclared;
    size_t undeclared_count;

    struct qr_ast_pos ddl_pos; /* of the CREATE, ALTER or DROP being read */

    jmp_buf unwind;
    enum qr_status status;
    struct qr_err *err;
};

/* ---- parse_core.c: tokens, errors, memory ---- */
enum qr_status qri_parser_init(struct qri_parser *p, struct qr_arena *arena, const char *sql,
                               size_t sql_bytes, const struct qr_tsql_options *options,
                               struct qr_err *err);
void qri_parser_start(struct qri_parser *p); /* reads the first token; after setjmp */
void qri_p_advance(struct qri_parser *p);
const struct qri_token *qri_p_peek(struct qri_parser *p, uint32_t n); /* n-th after tok, from 1 */
void qri_p_mark(const struct qri_parser *p, struct qri_place *ret_place);
void qri_p_rewind(struct qri_parser *p, const struct qri_place *place);

_Noreturn void qri_p_fail_status(struct qri_parser *p, enum qr_status status);
/* The numbered message with one or no text argument, at the line of `token`. */
_Noreturn void qri_p_fail(struct qri_parser *p, const struct qri_token *token, int number);
_Noreturn void qri_p_fail_str(struct qri_parser *p, const struct qri_token *token, int number,
                              struct qr_str arg);
_Noreturn void qri_p_fail_str2(struct qri_parser *p, const struct qri_token *token, int number,
                               struct qr_str arg, const char *second);
/* 117: a name of more parts than it may have. */
_Noreturn void qri_p_fail_parts(struct qri_parser *p, const struct qri_token *token,
                                struct qr_str name, uint32_t prefixes_max);
_Noreturn void qri_p_fail_int(struct qri_parser *p, const struct qri_token *token, int number,
                              int arg);
/* 102 or 156 near the current token; 319 at WITH. */
_Noreturn void qri_p_syntax(struct qri_parser *p);
void qri_p_enter(struct qri_parser *p); /* one level deeper: 191 past the limit */
static inline void qri_p_leave(struct qri_parser *p)
{
    p->depth--;
}

static inline bool qri_p_at(const struct qri_parser *p, enum qri_keyword keyword)
{
    return p->tok.keyword == keyword;
}
static inline bool qri_p_at_sym(const struct qri_parser *p, uint16_t kind)
{
    return p->tok.kind == kind;
}
/* @x; a user's variable may begin with @@ too. */
static inline bool qri_p_at_variable(const struct qri_parser *p)
{
    return p->tok.kind == TOK_VARIABLE || p->tok.kind == TOK_GLOBAL;
}
bool qri_p_accept(struct qri_parser *p, enum qri_keyword keyword);
void qri_p_expect(struct qri_parser *p, enum qri_keyword keyword);
bool qri_p_accept_sym(struct qri_parser *p, uint16_t kind);
void qri_p_expect_sym(struct qri_parser *p, uint16_t kind);
bool qri_p_peek_at(struct qri_parser *p, uint32_t n, enum qri_keyword keyword);
bool qri_p_peek_sym(struct qri_parser *p, uint32_t n, uint16_t kind);
/* Two words in a row, e.g. IF EXISTS; takes both or neither. */
bool qri_p_accept2(struct qri_parser *p, enum qri_keyword first, enum qri_keyword second);
/* A word the keyword table need not know, compared without case; not if quoted. */
bool qri_p_at_word(const struct qri_parser *p, const char *upper);
bool qri_p_accept_word(struct qri_parser *p, const char *upper);

void *qri_p_alloc(struct qri_parser *p, size_t bytes);
/* Appends a zeroed item to the list whose pointer is at `items_ptr` and returns it. */
void *qri_p_push(struct qri_parser *p, void *items_ptr, size_t *count, size_t item_bytes);
/* The same for a list of pointers. */
void qri_p_push_ptr(struct qri_parser *p, void *items_ptr, size_t *count, void *item);
void *qri_p_expr(struct qri_parser *p, size_t bytes, enum qr_ast_expr_kind kind,
                 struct qr_ast_pos pos);
void *qri_p_stmt(struct qri_parser *p, size_t bytes, enum qr_ast_stmt_kind kind);
void *qri_p_source(struct qri_parser *p, size_t bytes, enum qr_ast_source_kind kind,
                   struct qr_ast_pos pos);

static inline struct qr_ast_pos qri_p_pos(const struct qri_parser *p)
{
    return (struct qr_ast_pos){p->tok.begin, p->tok.line};
}
/* The text from `begin` to the end of the last token taken. */
struct qr_str qri_p_text_from(const struct qri_parser *p, uint32_t begin);
struct qr_str qri_token_str(struct qri_parser *p, const struct qri_token *token);
struct qr_str qri_p_upper(struct qri_parser *p, struct qr_str s);

/* ---- parse_name.c: identifiers, names, types, options ---- */
bool qri_p_is_ident(const struct qri_parser *p, const struct qri_token *token);
bool qri_p_is_string(const struct qri_parser *p, const struct qri_token *token);
struct qr_ast_ident qri_p_ident(struct qri_parser *p);
struct qr_ast_ident qri_p_ident_or_string(struct qri_parser *p);
struct qr_str qri_p_variable(struct qri_parser *p); /* @x */
struct qr_str qri_p_declared(struct qri_parser *p); /* … and it is declared here */
struct qr_str qri_p_used(struct qri_parser *p);     /* … and must have been declared (137) */
struct qr_str qri_p_used_table(struct qri_parser *p);
/* A view or function is all of its batch. */
void qri_p_expect_alone(struct qri_parser *p);
struct qr_ast_name qri_p_name(struct qri_parser *p, uint32_t parts_max);
/* Reads `( ident, ... )`. */
struct qr_ast_idents qri_p_ident_list(struct qri_parser *p);
void qri_p_type(struct qri_parser *p, struct qr_ast_type *ret_type);
int32_t qri_p_int(struct qri_parser *p); /* an integer constant, saturated */
/* `( option, ... )`; the elements of one are described at struct qr_ast_option. */
void qri_p_options_paren(struct qri_parser *p, struct qr_ast_options *options);
/* Without parentheses: option [, option]... */
void qri_p_options_list(struct qri_parser *p, struct qr_ast_options *options);
void qri_p_option(struct qri_parser *p, struct qr_ast_option *option);
/* Takes everything to the matching ')' of the '(' at the current token. */
void qri_p_skip_paren(struct qri_parser *p);
struct qr_str qri_p_words(struct qri_parser *p); /* words in a row, upper case, one blank between */

/* ---- parse_expr.c, parse_primary.c, parse_call.c ---- */
struct qr_ast_expr *qri_p_scalar(struct qri_parser *p);
struct qr_ast_expr *qri_p_condition(struct qri_parser *p);
struct qr_ast_expr *qri_p_primary(struct qri_parser *p, bool condition_allowed);
struct qr_ast_expr *qri_p_primary_no_zone(struct qri_parser *p);
struct qr_ast_expr *qri_p_any_expr(struct qri_parser *p); /* scalar or condition */
struct qr_ast_expr *qri_p_literal(struct qri_parser *p);  /* constant at the current token */
struct qr_ast_expr *qri_p_word_literal(struct qri_parser *p, enum qr_ast_literal_kind kind);
/* [+-] constant, or variable: where no expression may stand. */
struct qr_ast_expr *qri_p_simple_value(struct qri_parser *p);
struct qr_ast_expr *qri_p_variable_expr(struct qri_parser *p);
bool qri_p_at_constant(const struct qri_parser *p);
void qri_p_scalar_list(struct qri_parser *p, struct qr_ast_exprs *list);       /* e, e, ... */
struct qr_ast_expr *qri_p_call(struct qri_parser *p, struct qr_ast_name name); /* at its '(' */
struct qr_ast_expr *qri_p_special_call(struct qri_parser *p);  /* NULL: the token begins none */
struct qr_ast_window *qri_p_over(struct qri_parser *p);        /* after OVER */
struct qr_ast_window *qri_p_window_body(struct qri_parser *p); /* at '(' */
struct qr_ast_expr *qri_p_odbc_escape(struct qri_parser *p);   /* at '{' */
bool qri_p_assign_op(struct qri_parser *p, enum qr_ast_assign *ret_op); /* takes =, +=, ... */

/* ---- parse_query.c, parse_select.c, parse_from.c ---- */
bool qri_p_at_query(struct qri_parser *p); /* SELECT, or ( ... SELECT */
struct qr_ast_query *qri_p_query(struct qri_parser *p);
/* The set operations that follow `first`, which was read already in parentheses. */
struct qr_ast_query *qri_p_query_rest(struct qri_parser *p, struct qr_ast_query *first,
                                      struct qr_ast_pos pos);
bool qri_p_at_setop(const struct qri_parser *p);
struct qr_ast_query *qri_p_select(struct qri_parser *p);
void qri_p_order_by(struct qri_parser *p, struct qr_ast_order *order); /* after ORDER BY */
void qri_p_select_items(struct qri_parser *p, struct qr_ast_select_items *items);
struct qr_ast_top *qri_p_top(struct qri_parser *p);   /* NULL: none */
struct qr_ast_with *qri_p_with(struct qri_parser *p); /* after WITH */
/* FOR XML ..., FOR JSON ..., FOR BROWSE, if it is next; another FOR belongs to a cursor. */
void qri_p_for_clause(struct qri_parser *p, struct qr_ast_query *query);
void qri_p_query_options(struct qri_parser *p,
                         struct qr_ast_options *options);              /* OPTION (...), if any */
void qri_p_from(struct qri_parser *p, struct qr_ast_sources *sources); /* after FROM */
void qri_p_note_temp(struct qri_parser *p, const struct qr_ast_name *name); /* p->temp_line */
void qri_p_hints(struct qri_parser *p, struct qr_ast_options *hints);       /* WITH (...), if any */
void qri_p_rows(struct qri_parser *p, struct qr_ast_rows *rows);            /* after VALUES */
struct qr_ast_source *qri_p_rowset(struct qri_parser *p); /* OPENROWSET and so on */
void qri_p_rowset_columns(struct qri_parser *p, struct qr_ast_rowset_column **columns,
                          size_t *count);

/* ---- statements: each begins at its first keyword ---- */
struct qr_ast_stmt *qri_p_statement(struct qri_parser *p);
struct qr_ast_stmt *qri_p_statement_or_null(struct qri_parser *p); /* NULL: none begins here */
/* Until END, END TRY, end of text: whatever cannot begin a statement. */
void qri_p_statements(struct qri_parser *p, struct qr_ast_stmts *list);
struct qr_ast_stmt *qri_p_finish(struct qri_parser *p, void *stmt); /* sets its text */
/* Reads to what looks like the end of a statement and names it; begins at its first word. */
struct qr_ast_stmt *qri_p_unsupported(struct qri_parser *p, const char *what);
void qri_p_skip_statement(struct qri_parser *p);

/* parse_dml.c, parse_merge.c */
struct qr_ast_stmt *qri_p_stmt_select(struct qri_parser *p);
struct qr_ast_select_stmt *qri_p_select_stmt(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_with(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_insert(struct qri_parser *p, struct qr_ast_with *with);
struct qr_ast_stmt *qri_p_stmt_update(struct qri_parser *p, struct qr_ast_with *with);
struct qr_ast_stmt *qri_p_stmt_delete(struct qri_parser *p, struct qr_ast_with *with);
struct qr_ast_stmt *qri_p_stmt_merge(struct qri_parser *p, struct qr_ast_with *with);
struct qr_ast_stmt *qri_p_stmt_truncate(struct qri_parser *p);

/* parse_flow.c */
struct qr_ast_stmt *qri_p_stmt_if(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_while(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_begin(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_break(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_return(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_goto(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_label(struct qri_parser *p);
void qri_p_check_labels(struct qri_parser *p);
/* parse_message.c */
struct qr_ast_stmt *qri_p_stmt_print(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_raiserror(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_throw(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_waitfor(struct qri_parser *p);
/* parse_exec.c */
struct qr_ast_exec *qri_p_exec(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_exec(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_bare_exec(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_odbc_call(struct qri_parser *p);
/* parse_set.c, parse_declare.c */
struct qr_ast_stmt *qri_p_stmt_set(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_declare(struct qri_parser *p);
void qri_p_cursor_def(struct qri_parser *p, struct qr_ast_cursor_def *def); /* after CURSOR */
/* parse_tran.c: transactions and cursors */
struct qr_ast_stmt *qri_p_stmt_tran(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_cursor(struct qri_parser *p);
/* parse_create.c: CREATE, ALTER, DROP by the object's class */
struct qr_ast_stmt *qri_p_stmt_create(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_alter(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_drop(struct qri_parser *p);
/* parse_security.c, parse_admin.c */
struct qr_ast_stmt *qri_p_stmt_permission(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_execute_as(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_setuser(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_use(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_dbcc(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_kill(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_word(struct qri_parser *p); /* CHECKPOINT, SHUTDOWN, ... */
struct qr_ast_stmt *qri_p_stmt_revert(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_enable_trigger(struct qri_parser *p);
struct qr_ast_stmt *qri_p_stmt_update_statistics(struct qri_parser *p);
