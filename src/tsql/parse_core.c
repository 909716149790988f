/* parse_core.c - tokens, errors and memory of the parser; see parse_int.h */
#include "parse_int.h"
#include <string.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

enum qr_status qri_parser_init(struct qri_parser *p, struct qr_arena *arena, const char *sql,
                               size_t sql_bytes, const struct qr_tsql_options *options,
                               struct qr_err *err)
{
    *p = (struct qri_parser){.arena = arena, .err = err};
    if (sql_bytes >= UINT32_MAX / 2)
        return qr_fail(err, QR_TOO_BIG, "batch of %zu bytes", sql_bytes);
    char *copy = qr_arena_dup(arena, sql, sql_bytes);
    if (copy == NULL)
        return qr_fail(err, QR_NOMEM, "copy a batch of %zu bytes", sql_bytes);
    p->text = qr_str_n(copy, sql_bytes);
    p->quoted_identifier = options->quoted_identifier;
    qr_map_init(&p->vars, true);
    return QR_OK;
}

_Noreturn void qri_p_fail_status(struct qri_parser *p, enum qr_status status)
{
    p->status = status;
    longjmp(p->unwind, 1);
}

static _Noreturn void fail_at(struct qri_parser *p, uint32_t line, enum qr_status status)
{
    if (p->err != NULL)
        p->err->line = (int)line;
    qri_p_fail_status(p, status);
}

_Noreturn void qri_p_fail(struct qri_parser *p, const struct qri_token *token, int number)
{
    fail_at(p, token->line, qr_sql_fail(p->err, number));
}

enum { ERROR_TEXT_BYTES_MAX = 1000 };

_Noreturn void qri_p_fail_str(struct qri_parser *p, const struct qri_token *token, int number,
                              struct qr_str arg)
{
    size_t n = arg.n < ERROR_TEXT_BYTES_MAX ? arg.n : ERROR_TEXT_BYTES_MAX;
    while (n > 0 && n < arg.n && ((uint8_t)arg.p[n] & 0xC0) == 0x80)
        n--; /* not within a character */
    char text[ERROR_TEXT_BYTES_MAX + 1];
    for (size_t i = 0; i < n; i++)
        text[i] = arg.p[i] == 0 ? ' ' : arg.p[i];
    text[n] = 0;
    fail_at(p, token->line, qr_sql_fail(p->err, number, text));
}

_Noreturn void qri_p_fail_str2(struct qri_parser *p, const struct qri_token *token, int number,
                               struct qr_str arg, const char *second)
{
    const char *first = qr_arena_dup(p->arena, arg.p, arg.n);
    fail_at(p, token->line, qr_sql_fail(p->err, number, first == NULL ? "" : first, second));
}

_Noreturn void qri_p_fail_parts(struct qri_parser *p, const struct qri_token *token,
                                struct qr_str name, uint32_t prefixes_max)
{
    const char *text = qr_arena_dup(p->arena, name.p, name.n);
    fail_at(p, token->line,
            qr_sql_fail(p->err, 117, "object", text == NULL ? "" : text, (int)prefixes_max));
}

_Noreturn void qri_p_fail_int(struct qri_parser *p, const struct qri_token *token, int number,
                              int arg)
{
    fail_at(p, token->line, qr_sql_fail(p->err, number, arg));
}

_Noreturn void qri_p_syntax(struct qri_parser *p)
{
    const struct qri_token *token = p->tok.kind == TOK_END ? &p->last : &p->tok;
    if (token->keyword == KW_WITH && p->tok.kind != TOK_END)
        qri_p_fail(p, token, 319);
    struct qr_str text = token->kind == TOK_BINARY || token->kind == TOK_MONEY
                             ? qr_str_n(p->text.p + token->begin, token->end - token->begin)
                             : qri_token_text(&p->lex, token, p->arena);
    qri_p_fail_str(p, token, token->reserved ? 156 : 102, text);
}

/* What the lexer could not read. */
static _Noreturn void fail_lexer(struct qri_parser *p, const struct qri_token *token)
{
    struct qr_str text = qr_str_n(p->text.p + token->begin, token->end - token->begin);
    if (token->kind == TOK_OPEN_COMMENT)
        qri_p_fail(p, token, 113);
    if (token->kind == TOK_OPEN_STRING) {
        size_t skip = text.n > 1 && (text.p[0] == 'N' || text.p[0] == 'n') ? 2 : 1;
        qri_p_fail_str(p, token, 105, qr_str_n(text.p + skip, text.n - skip));
    }
    if (text.p[0] == '[')
        text = qr_str_n(text.p + 1, text.n - 2);
    size_t n = text.n < QR_TSQL_NAME_CHARS_MAX ? text.n : QR_TSQL_NAME_CHARS_MAX;
    while (n > 0 && ((uint8_t)text.p[n] & 0xC0) == 0x80)
        n--;
    const char *start = qr_arena_dup(p->arena, text.p, n);
    if (start == NULL)
        qri_p_fail_status(p, qr_fail(p->err, QR_NOMEM, "parse"));
    fail_at(p, token->line,
            qr_sql_fail(p->err, 103, "identifier", start, (int)QR_TSQL_NAME_CHARS_MAX));
}

static void read_token(struct qri_parser *p, struct qri_token *ret_token)
{
    qri_lexer_next(&p->lex, ret_token);
    if (ret_token->kind >= TOK_OPEN_STRING)
        fail_lexer(p, ret_token);
}

void qri_parser_start(struct qri_parser *p)
{
    qri_lexer_init(&p->lex, p->text.p, (uint32_t)p->text.n);
    p->last = (struct qri_token){.line = 1};
    read_token(p, &p->tok);
}

void qri_p_advance(struct qri_parser *p)
{
    p->last = p->tok;
    if (p->ahead_count == 0) {
        read_token(p, &p->tok);
        return;
    }
    p->tok = p->ahead[0];
    p->ahead_count--;
    memmove(p->ahead, p->ahead + 1, p->ahead_count * sizeof p->ahead[0]);
}

const struct qri_token *qri_p_peek(struct qri_parser *p, uint32_t n)
{
    while (p->ahead_count < n)
        read_token(p, &p->ahead[p->ahead_count++]);
    return &p->ahead[n - 1];
}

void qri_p_mark(const struct qri_parser *p, struct qri_place *ret_place)
{
    ret_place->lex = p->lex;
    ret_place->tok = p->tok;
    ret_place->last = p->last;
    ret_place->ahead_count = p->ahead_count;
    memcpy(ret_place->ahead, p->ahead, sizeof p->ahead);
}

void qri_p_rewind(struct qri_parser *p, const struct qri_place *place)
{
    p->lex = place->lex;
    p->tok = place->tok;
    p->last = place->last;
    p->ahead_count = place->ahead_count;
    memcpy(p->ahead, place->ahead, sizeof p->ahead);
}

void qri_p_enter(struct qri_parser *p)
{
    if (++p->depth > QR_TSQL_DEPTH_MAX)
        qri_p_fail(p, &p->tok, 191);
}

bool qri_p_accept(struct qri_parser *p, enum qri_keyword keyword)
{
    if (p->tok.keyword != keyword)
        return false;
    qri_p_advance(p);
    return true;
}

void qri_p_expect(struct qri_parser *p, enum qri_keyword keyword)
{
    if (!qri_p_accept(p, keyword))
        qri_p_syntax(p);
}

bool qri_p_accept_sym(struct qri_parser *p, uint16_t kind)
{
    if (p->tok.kind != kind)
        return false;
    qri_p_advance(p);
    return true;
}

void qri_p_expect_sym(struct qri_parser *p, uint16_t kind)
{
    if (!qri_p_accept_sym(p, kind))
        qri_p_syntax(p);
}

bool qri_p_peek_at(struct qri_parser *p, uint32_t n, enum qri_keyword keyword)
{
    return qri_p_peek(p, n)->keyword == keyword;
}

bool qri_p_peek_sym(struct qri_parser *p, uint32_t n, uint16_t kind)
{
    return qri_p_peek(p, n)->kind == kind;
}

bool qri_p_accept2(struct qri_parser *p, enum qri_keyword first, enum qri_keyword second)
{
    if (p->tok.keyword != first || !qri_p_peek_at(p, 1, second))
        return false;
    qri_p_advance(p);
    qri_p_advance(p);
    return true;
}

bool qri_p_at_word(const struct qri_parser *p, const char *upper)
{
    return p->tok.kind == TOK_IDENT &&
           qr_str_ieqz(qr_str_n(p->text.p + p->tok.begin, p->tok.end - p->tok.begin), upper);
}

bool qri_p_accept_word(struct qri_parser *p, const char *upper)
{
    if (!qri_p_at_word(p, upper))
        return false;
    qri_p_advance(p);
    return true;
}

void *qri_p_alloc(struct qri_parser *p, size_t bytes)
{
    void *memory = qr_arena_alloc(p->arena, bytes);
    if (memory == NULL)
        qri_p_fail_status(p, qr_fail(p->err, QR_NOMEM, "parse: the batch is too complex"));
    return memory;
}

/* Capacity is implied: 1, then powers of two from 4 on. */
void *qri_p_push(struct qri_parser *p, void *items_ptr, size_t *count, size_t item_bytes)
{
    char *items;
    memcpy(&items, items_ptr, sizeof items);
    size_t used = *count;
    if (used <= 1 || (used >= 4 && (used & (used - 1)) == 0)) {
        size_t capacity = used == 0 ? 1 : used == 1 ? 4 : used * 2;
        char *grown = qri_p_alloc(p, capacity * item_bytes);
        if (used > 0)
            memcpy(grown, items, used * item_bytes);
        items = grown;
        memcpy(items_ptr, &items, sizeof items);
    }
    *count = used + 1;
    return items + used * item_bytes;
}

void qri_p_push_ptr(struct qri_parser *p, void *items_ptr, size_t *count, void *item)
{
    *(void **)qri_p_push(p, items_ptr, count, sizeof(void *)) = item;
}

void *qri_p_expr(struct qri_parser *p, size_t bytes, enum qr_ast_expr_kind kind,
                 struct qr_ast_pos pos)
{
    struct qr_ast_expr *expr = qri_p_alloc(p, bytes);
    expr->kind = kind;
    expr->pos = pos;
    return expr;
}

void *qri_p_stmt(struct qri_parser *p, size_t bytes, enum qr_ast_stmt_kind kind)
{
    struct qr_ast_stmt *stmt = qri_p_alloc(p, bytes);
    stmt->kind = kind;
    stmt->pos = qri_p_pos(p);
    return stmt;
}

void *qri_p_source(struct qri_parser *p, size_t bytes, enum qr_ast_source_kind kind,
                   struct qr_ast_pos pos)
{
    struct qr_ast_source *source = qri_p_alloc(p, bytes);
    source->kind = kind;
    source->pos = pos;
    return source;
}

struct qr_str qri_p_text_from(const struct qri_parser *p, uint32_t begin)
{
    return qr_str_n(p->text.p + begin, p->last.end > begin ? p->last.end - begin : 0);
}

struct qr_str qri_token_str(struct qri_parser *p, const struct qri_token *token)
{
    struct qr_str text = qri_token_text(&p->lex, token, p->arena);
    if (text.p == NULL)
        qri_p_fail_status(p, qr_fail(p->err, QR_NOMEM, "parse"));
    return text;
}

struct qr_str qri_p_upper(struct qri_parser *p, struct qr_str s)
{
    char *out = qri_p_alloc(p, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)(s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 32 : s.p[i]);
    return qr_str_n(out, s.n);
}

struct qr_ast_stmt *qri_p_finish(struct qri_parser *p, void *stmt)
{
    struct qr_ast_stmt *done = stmt;
    done->text = qri_p_text_from(p, done->pos.offset);
    return done;
}
