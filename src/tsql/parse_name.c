/* parse_name.c - identifiers, names, types and option lists; see parse_int.h */
#include "parse_int.h"
#include <string.h>
#include "base/banned.h"

bool qri_p_is_ident(const struct qri_parser *p, const struct qri_token *token)
{
    switch ((int)token->kind) {
    case TOK_IDENT:
        return !token->reserved;
    case TOK_BRACKET:
        return true;
    case TOK_DQUOTE:
        return p->quoted_identifier;
    default:
        return false;
    }
}

bool qri_p_is_string(const struct qri_parser *p, const struct qri_token *token)
{
    return token->kind == TOK_STRING || token->kind == TOK_NSTRING ||
           (token->kind == TOK_DQUOTE && !p->quoted_identifier);
}

static size_t char_count(struct qr_str s)
{
    size_t units = 0;
    for (size_t i = 0; i < s.n; i++)
        units += ((uint8_t)s.p[i] & 0xC0) != 0x80 ? ((uint8_t)s.p[i] >= 0xF0 ? 2 : 1) : 0;
    return units;
}

static struct qr_ast_ident ident_of(struct qri_parser *p, const struct qri_token *token)
{
    struct qr_ast_ident ident = {qri_token_str(p, token), token->kind != TOK_IDENT};
    if (ident.quoted && ident.text.n == 0)
        qri_p_fail(p, token, 1038);
    if (token->kind == TOK_DQUOTE && char_count(ident.text) > QR_TSQL_NAME_CHARS_MAX)
        qri_p_fail_str(p, token, 102, ident.text);
    return ident;
}

struct qr_ast_ident qri_p_ident(struct qri_parser *p)
{
    if (!qri_p_is_ident(p, &p->tok))
        qri_p_syntax(p);
    struct qr_ast_ident ident = ident_of(p, &p->tok);
    qri_p_advance(p);
    return ident;
}

struct qr_ast_ident qri_p_ident_or_string(struct qri_parser *p)
{
    if (!qri_p_is_string(p, &p->tok))
        return qri_p_ident(p);
    struct qr_ast_ident ident = {qri_token_str(p, &p->tok), true};
    qri_p_advance(p);
    return ident;
}

struct qr_str qri_p_variable(struct qri_parser *p)
{
    if (!qri_p_at_variable(p))
        qri_p_syntax(p);
    struct qr_str name = qr_str_n(p->text.p + p->tok.begin, p->tok.end - p->tok.begin);
    qri_p_advance(p);
    return name;
}

enum { DECLARED = 1, USED_BEFORE = 2 };

static void note_var(struct qri_parser *p, struct qr_str name, uintptr_t what)
{
    if (qr_map_put(&p->vars, name, (void *)what) != QR_OK)
        qri_p_fail_status(p, qr_fail(p->err, QR_NOMEM, "names of variables"));
}

struct qr_str qri_p_declared(struct qri_parser *p)
{
    struct qr_str name = qri_p_variable(p);
    note_var(p, name, DECLARED);
    return name;
}

static struct qr_str used(struct qri_parser *p, bool is_table)
{
    uint32_t line = p->tok.line;
    bool global = p->tok.kind == TOK_GLOBAL;
    struct qr_str name = qri_p_variable(p);
    if (global || qr_map_get(&p->vars, name) != NULL)
        return name;
    note_var(p, name, USED_BEFORE);
    struct qr_tsql_var_use use = {name, line, is_table};
    *(struct qr_tsql_var_use *)qri_p_push(p, &p->undeclared, &p->undeclared_count, sizeof use) =
        use;
    return name;
}

struct qr_str qri_p_used(struct qri_parser *p)
{
    return used(p, false);
}

struct qr_str qri_p_used_table(struct qri_parser *p)
{
    return used(p, true);
}

/* a.b.c, a..c, .c ; an empty part stands where nothing is between two points. */
struct qr_ast_name qri_p_name(struct qri_parser *p, uint32_t parts_max)
{
    struct qr_ast_ident parts[5];
    struct qr_ast_name name = {.pos = qri_p_pos(p)};
    struct qri_token first = p->tok;
    for (;;) {
        if (name.count == parts_max)
            qri_p_fail_parts(p, &first, qri_p_text_from(p, first.begin), parts_max - 1);
        if (qri_p_at_sym(p, '.'))
            parts[name.count++] = (struct qr_ast_ident){{"", 0}, false};
        else
            parts[name.count++] = qri_p_ident(p);
        if (!qri_p_accept_sym(p, '.'))
            break;
    }
    name.parts = qri_p_alloc(p, name.count * sizeof *name.parts);
    memcpy(name.parts, parts, name.count * sizeof *name.parts);
    return name;
}

struct qr_ast_idents qri_p_ident_list(struct qri_parser *p)
{
    struct qr_ast_idents list = {0};
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_ident *item = qri_p_push(p, &list.items, &list.count, sizeof *list.items);
        *item = qri_p_ident(p);
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
    return list;
}

int32_t qri_p_int(struct qri_parser *p)
{
    if (p->tok.kind != TOK_INT)
        qri_p_syntax(p);
    int64_t v = 0;
    for (uint32_t i = p->tok.begin; i < p->tok.end && v <= INT32_MAX; i++)
        v = v * 10 + (p->text.p[i] - '0');
    qri_p_advance(p);
    return v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

/* ---- types ---- */

static struct qr_ast_name one_part(struct qri_parser *p, const char *word, struct qr_ast_pos pos)
{
    struct qr_ast_name name = {.pos = pos, .count = 1};
    name.parts = qri_p_alloc(p, sizeof *name.parts);
    name.parts[0].text = qr_str(word);
    return name;
}

/* Spellings of several words, or NULL parts: the caller reads an ordinary name. */
static struct qr_ast_name type_words(struct qri_parser *p)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    if (qri_p_accept(p, KW_NATIONAL)) {
        bool text = qri_p_accept_word(p, "TEXT");
        if (text)
            return one_part(p, "ntext", pos);
        if (!qri_p_accept(p, KW_CHAR) && !qri_p_accept(p, KW_CHARACTER))
            qri_p_syntax(p);
        return one_part(p, qri_p_accept(p, KW_VARYING) ? "nvarchar" : "nchar", pos);
    }
    if (qri_p_accept(p, KW_DOUBLE)) {
        qri_p_expect(p, KW_PRECISION);
        return one_part(p, "float", pos);
    }
    if ((qri_p_at(p, KW_CHAR) || qri_p_at(p, KW_CHARACTER)) && qri_p_peek_at(p, 1, KW_VARYING)) {
        qri_p_advance(p);
        qri_p_advance(p);
        return one_part(p, "varchar", pos);
    }
    if (qri_p_at_word(p, "NCHAR") && qri_p_peek_at(p, 1, KW_VARYING)) {
        qri_p_advance(p);
        qri_p_advance(p);
        return one_part(p, "nvarchar", pos);
    }
    if (qri_p_accept2(p, KW_BINARY, KW_VARYING))
        return one_part(p, "varbinary", pos);
    return (struct qr_ast_name){0};
}

/* A number, or of vector(n, float32) the base type. */
static void second_argument(struct qri_parser *p, struct qr_ast_type *type)
{
    bool vector = qr_str_ieq(type->name.parts[type->name.count - 1].text, qr_str("vector"));
    if (!vector)
        type->args[type->arg_count++] = qri_p_int(p);
    else if (!qri_p_accept_word(p, "FLOAT32"))
        qri_p_fail_str(p, &p->tok, 40510, qr_str("vector with a base type other than float32"));
}

void qri_p_type(struct qri_parser *p, struct qr_ast_type *ret_type)
{
    struct qr_ast_type type = {0};
    uint32_t begin = p->tok.begin;
    type.name = type_words(p);
    if (type.name.count == 0)
        type.name = qri_p_name(p, 4);
    if (qri_p_at_sym(p, '(')) {
        qri_p_advance(p);
        if (qri_p_accept(p, KW_MAX)) {
            type.max = true;
        } else if (p->tok.kind == TOK_INT) {
            type.args[type.arg_count++] = qri_p_int(p);
            if (qri_p_accept_sym(p, ','))
                second_argument(p, &type);
        } else {
            if (!qr_str_ieq(type.name.parts[type.name.count - 1].text, qr_str("xml")))
                qri_p_syntax(p);
            if (qri_p_at(p, KW_CONTENT) || qri_p_at(p, KW_DOCUMENT))
                qri_p_advance(p);
            type.xml_schema = qri_p_name(p, 3);
        }
        qri_p_expect_sym(p, ')');
    }
    type.text = qri_p_text_from(p, begin);
    *ret_type = type;
}

/* ---- options ---- */

void qri_p_skip_paren(struct qri_parser *p)
{
    uint32_t open = 0;
    do {
        open += qri_p_at_sym(p, '(');
        open -= qri_p_at_sym(p, ')');
        if (p->tok.kind == TOK_END)
            qri_p_syntax(p);
        qri_p_advance(p);
    } while (open > 0);
}

static bool at_plain_word(const struct qri_parser *p)
{
    return p->tok.kind == TOK_IDENT;
}

enum { WORDS_BYTES_MAX = 512 };

struct qr_str qri_p_words(struct qri_parser *p)
{
    char words[WORDS_BYTES_MAX];
    size_t n = 0;
    while (at_plain_word(p)) {
        size_t bytes = p->tok.end - p->tok.begin;
        if (n + bytes + 1 > sizeof words)
            qri_p_syntax(p);
        if (n > 0)
            words[n++] = ' ';
        memcpy(words + n, p->text.p + p->tok.begin, bytes);
        n += bytes;
        qri_p_advance(p);
    }
    return n == 0 ? qr_str("") : qri_p_upper(p, qr_str_n(words, n));
}

/* What follows a name: = value, or a value directly, or nothing. */
static void option_value(struct qri_parser *p, struct qr_ast_option *option)
{
    bool equals = qri_p_accept_sym(p, '=');
    if (at_plain_word(p) && equals) {
        struct qri_place place;
        qri_p_mark(p, &place);
        option->word = qri_p_words(p);
        if (qri_p_at_sym(p, '.') || qri_p_at_sym(p, '[')) {
            qri_p_rewind(p, &place);
            option->word = qr_str("");
            option->value = qri_p_primary(p, false);
        }
    } else if (p->tok.kind == TOK_BRACKET ||
               (p->tok.kind == TOK_DQUOTE && p->quoted_identifier && equals)) {
        option->value = qri_p_primary(p, false);
    } else if (qri_p_at_constant(p) || qri_p_at_sym(p, '-') || qri_p_at_sym(p, '+') ||
               qri_p_at_variable(p)) {
        option->value = qri_p_simple_value(p);
        if (at_plain_word(p)) /* a unit: 5 GB, 10 MINUTES, 50 PERCENT; or 2 TO 4 */
            option->word = qri_p_words(p);
        if (qri_p_at_constant(p) && qr_str_ieqz(option->word, "TO"))
            qri_p_advance(p);
    } else if (equals && !qri_p_at_sym(p, '(')) {
        qri_p_syntax(p);
    }
}

void qri_p_option(struct qri_parser *p, struct qr_ast_option *option)
{
    qri_p_enter(p);
    option->pos = qri_p_pos(p);
    if (at_plain_word(p))
        option->name = qri_p_words(p);
    else if (p->tok.kind == TOK_BRACKET || p->tok.kind == TOK_DQUOTE)
        option->name = qri_p_ident(p).text;
    else if (qri_p_at_variable(p))
        option->name = qri_p_variable(p);
    if (qri_p_at_sym(p, '.')) { /* a name of several parts, as in TABLE HINT (dbo.t, ...) */
        while (qri_p_accept_sym(p, '.'))
            qri_p_ident(p);
    }
    option_value(p, option);
    if (qri_p_at_sym(p, '(')) {
        qri_p_advance(p);
        struct qr_ast_options subs = {0};
        if (!qri_p_at_sym(p, ')'))
            qri_p_options_list(p, &subs);
        qri_p_expect_sym(p, ')');
        option->subs = subs.items;
        option->sub_count = subs.count;
        if (at_plain_word(p) && option->word.n == 0) /* ... ON PARTITIONS (1, 2 TO 4) */
            option->word = qri_p_words(p);
        if (qri_p_at_sym(p, '('))
            qri_p_skip_paren(p);
    }
    option->text = qri_p_text_from(p, option->pos.offset);
    if (option->text.n == 0)
        qri_p_syntax(p);
    qri_p_leave(p);
}

void qri_p_options_list(struct qri_parser *p, struct qr_ast_options *options)
{
    do {
        struct qr_ast_option *option =
            qri_p_push(p, &options->items, &options->count, sizeof *options->items);
        qri_p_option(p, option);
    } while (qri_p_accept_sym(p, ','));
}

void qri_p_options_paren(struct qri_parser *p, struct qr_ast_options *options)
{
    qri_p_expect_sym(p, '(');
    if (!qri_p_at_sym(p, ')'))
        qri_p_options_list(p, options);
    qri_p_expect_sym(p, ')');
}
