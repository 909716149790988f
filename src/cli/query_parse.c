/* query_parse.c - see query.h: the text of a query to its tree, by operator precedence. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "query_int.h"
#include "base/banned.h"

enum {
    DEPTH_MAX = 64,
    TEXT_BYTES_MAX = 16 * 1024,
    ITEMS_MAX = 256,
    NODES_MAX = 4096,
    NUMBER_BYTES_MAX = 18
};

enum token {
    T_END,
    T_NAME,
    T_QUOTED,
    T_LITERAL,
    T_NUMBER,
    T_DOT,
    T_STAR,
    T_FILTER,
    T_FLATTEN,
    T_LEFT_BRACKET,
    T_RIGHT_BRACKET,
    T_LEFT_BRACE,
    T_RIGHT_BRACE,
    T_LEFT_PAREN,
    T_RIGHT_PAREN,
    T_COMMA,
    T_COLON,
    T_CURRENT,
    T_REFERENCE,
    T_PIPE,
    T_OR,
    T_AND,
    T_NOT,
    T_COMPARE,
};

enum { PROJECTION_ENDS = 10 }; /* what binds weaker ends a projection */
static const int power_of[] = {
    [T_PIPE] = 1,    [T_OR] = 2,          [T_AND] = 3,           [T_COMPARE] = 5,
    [T_FLATTEN] = 9, [T_STAR] = 20,       [T_FILTER] = 21,       [T_DOT] = 40,
    [T_NOT] = 45,    [T_LEFT_BRACE] = 50, [T_LEFT_BRACKET] = 55, [T_LEFT_PAREN] = 60,
};

static const struct {
    const char *text; /* the longer first */
    enum token token;
} signs[] = {
    {"[?", T_FILTER},     {"[]", T_FLATTEN},     {"||", T_OR},           {"&&", T_AND},
    {"==", T_COMPARE},    {"!=", T_COMPARE},     {"<=", T_COMPARE},      {">=", T_COMPARE},
    {"<", T_COMPARE},     {">", T_COMPARE},      {"!", T_NOT},           {".", T_DOT},
    {"*", T_STAR},        {"[", T_LEFT_BRACKET}, {"]", T_RIGHT_BRACKET}, {"{", T_LEFT_BRACE},
    {"}", T_RIGHT_BRACE}, {"(", T_LEFT_PAREN},   {")", T_RIGHT_PAREN},   {",", T_COMMA},
    {":", T_COLON},       {"@", T_CURRENT},      {"&", T_REFERENCE},     {"|", T_PIPE},
};

struct parser {
    struct qr_arena *arena;
    struct qr_err *err;
    const char *text, *at; /* at: behind the token */
    const char *start;     /* of the token */
    enum token token;
    const char *word; /* of a name, a literal (JSON) or a comparison */
    int64_t number;
    int depth, nodes;
};

static const struct qri_query current = {.kind = QRI_Q_CURRENT};

static const struct qri_query *fail(struct parser *p, const char *what)
{
    if (p->err != NULL && p->err->status == QR_OK)
        qr_fail(p->err, QR_INVALID, "query, column %zu: %s", (size_t)(p->start - p->text) + 1,
                what);
    return NULL;
}

/* ---- tokens ---- */

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool take_word(struct parser *p, const char *word, size_t n)
{
    p->word = qr_arena_dup(p->arena, word, n);
    if (p->word == NULL)
        qr_fail(p->err, QR_NOMEM, "query");
    return p->word != NULL;
}

/* JSON of any kind, printed again, so that it is JSON for sure. */
static bool take_json(struct parser *p, json_t *own_value)
{
    char *text = own_value == NULL ? NULL : json_dumps(own_value, JSON_ENCODE_ANY | JSON_COMPACT);
    bool good = text != NULL && take_word(p, text, strlen(text));
    free(text);
    json_decref(own_value);
    return good;
}

/* 'raw string' and `JSON`: where it ends, with the escapes of the delimiter taken out. */
static char *unescaped(struct parser *p, char delimiter, size_t *ret_n)
{
    const char *end = p->at + 1;
    while (*end != '\0' && *end != delimiter)
        end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
    char *copy = *end == '\0' ? NULL : qr_arena_alloc(p->arena, (size_t)(end - p->at));
    if (copy == NULL) {
        fail(p, "the literal has no end");
        return NULL;
    }
    size_t n = 0;
    for (const char *c = p->at + 1; c < end; c++) {
        bool escaped = *c == '\\' && c[1] == delimiter && c + 1 < end;
        copy[n++] = escaped ? *++c : *c;
    }
    p->at = end + 1;
    *ret_n = n;
    return copy;
}

static bool take_literal(struct parser *p)
{
    size_t n = 0;
    char delimiter = *p->at;
    char *text = unescaped(p, delimiter, &n);
    if (text == NULL)
        return false;
    json_t *value = NULL;
    if (delimiter == '`')
        value = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    if (value == NULL) { /* `word` without quotes is a string, too */
        struct qr_str word = qr_str_trim(qr_str_n(text, n));
        bool looks_like_json = word.n > 0 && strchr("{[\"", word.p[0]) != NULL;
        if (delimiter == '`' && looks_like_json)
            return fail(p, "the literal is no JSON") != NULL;
        value = delimiter == '`' ? json_stringn(word.p, word.n) : json_stringn(text, n);
    }
    p->token = T_LITERAL;
    return take_json(p, value) || fail(p, "the literal is no UTF-8") != NULL;
}

static bool take_quoted(struct parser *p)
{
    const char *end = p->at + 1;
    while (*end != '\0' && *end != '"')
        end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
    json_t *value =
        *end == '\0' ? NULL : json_loadb(p->at, (size_t)(end + 1 - p->at), JSON_DECODE_ANY, NULL);
    bool good =
        json_is_string(value) && take_word(p, json_string_value(value), json_string_length(value));
    json_decref(value);
    p->token = T_QUOTED;
    p->at = end + 1;
    return good || fail(p, "the quoted name is wrong") != NULL;
}

static bool take_number(struct parser *p)
{
    const char *end = p->at + 1;
    while (*end >= '0' && *end <= '9')
        end++;
    size_t n = (size_t)(end - p->at);
    if (n > NUMBER_BYTES_MAX || (n == 1 && *p->at == '-'))
        return fail(p, "that is no number for an index") != NULL;
    p->number = strtoll(p->at, NULL, 10);
    p->token = T_NUMBER;
    p->at = end;
    return true;
}

static bool next(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
    p->start = p->at;
    char c = *p->at;
    if (c == '\0') {
        p->token = T_END;
        return true;
    }
    if (is_name_start(c)) {
        while (is_name_start(*p->at) || (*p->at >= '0' && *p->at <= '9'))
            p->at++;
        p->token = T_NAME;
        return take_word(p, p->start, (size_t)(p->at - p->start));
    }
    if (c == '"')
        return take_quoted(p);
    if (c == '\'' || c == '`')
        return take_literal(p);
    if (c == '-' || (c >= '0' && c <= '9'))
        return take_number(p);
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t n = strlen(signs[i].text);
        if (strncmp(p->at, signs[i].text, n) != 0)
            continue;
        p->token = signs[i].token;
        p->word = signs[i].text;
        p->at += n;
        return true;
    }
    return fail(p, "that character has no meaning here") != NULL;
}

static bool expect(struct parser *p, enum token token, const char *what)
{
    if (p->token != token)
        return fail(p, what) != NULL;
    return next(p);
}

/* ---- trees ---- */

static const struct qri_query *expression(struct parser *p, int power);

static struct qri_query *node(struct parser *p, enum qri_query_kind kind,
                              const struct qri_query *left, const struct qri_query *right)
{
    struct qri_query *q = qr_arena_alloc(p->arena, sizeof *q);
    if (q == NULL || ++p->nodes > NODES_MAX) {
        qr_fail(p->err, QR_TOO_BIG, "the query is too long");
        return NULL;
    }
    q->kind = kind;
    q->left = left;
    q->right = right;
    return q;
}

static const struct qri_query *field(struct parser *p)
{
    struct qri_query *q = node(p, QRI_Q_FIELD, NULL, NULL);
    if (q == NULL)
        return NULL;
    q->text = p->word;
    return next(p) ? q : NULL;
}

static bool add_item(struct parser *p, struct qri_query *q, size_t *capacity, const char *name,
                     const struct qri_query *value)
{
    if (value == NULL)
        return false;
    if (q->item_count == ITEMS_MAX)
        return fail(p, "too many items") != NULL;
    q->items = qr_arena_grow(p->arena, q->items, q->item_count, capacity, q->item_count + 1,
                             sizeof *q->items);
    if (q->items == NULL)
        return qr_fail(p->err, QR_NOMEM, "query") == QR_OK;
    q->items[q->item_count++] = (struct qri_query_item){name, value};
    return true;
}

/* Behind `[` or `(`: expressions with commas up to `end`. */
static const struct qri_query *listed(struct parser *p, enum qri_query_kind kind, enum token end,
                                      const char *what)
{
    size_t capacity = 0;
    struct qri_query *q = node(p, kind, NULL, NULL);
    if (q == NULL)
        return NULL;
    while (p->token != end) {
        if (!add_item(p, q, &capacity, NULL, expression(p, 0)))
            return NULL;
        if (p->token == T_COMMA) {
            if (!next(p))
                return NULL;
            if (p->token == end)
                return fail(p, "an item is missing");
        } else if (p->token != end) {
            return fail(p, what);
        }
    }
    if (kind == QRI_Q_MULTI_LIST && q->item_count == 0)
        return fail(p, "an item is missing");
    return next(p) ? q : NULL;
}

static const struct qri_query *hash(struct parser *p)
{
    size_t capacity = 0;
    struct qri_query *q = node(p, QRI_Q_MULTI_HASH, NULL, NULL);
    while (q != NULL) {
        if (p->token != T_NAME && p->token != T_QUOTED)
            return fail(p, "a name is missing, as in {name: value}");
        const char *name = p->word;
        if (!next(p) || !expect(p, T_COLON, "':' is missing, as in {name: value}") ||
            !add_item(p, q, &capacity, name, expression(p, 0)))
            return NULL;
        if (p->token == T_RIGHT_BRACE)
            return next(p) ? q : NULL;
        if (!expect(p, T_COMMA, "',' or '}' is missing"))
            return NULL;
    }
    return NULL;
}

static const struct qri_query *dot_right(struct parser *p, int power)
{
    switch ((int)p->token) {
    case T_NAME:
    case T_QUOTED:
    case T_STAR:
        return expression(p, power);
    case T_LEFT_BRACKET:
        return next(p) ? listed(p, QRI_Q_MULTI_LIST, T_RIGHT_BRACKET, "',' or ']' is missing")
                       : NULL;
    case T_LEFT_BRACE:
        return next(p) ? hash(p) : NULL;
    default:
        return fail(p, "a name, '*', '[' or '{' is missing behind '.'");
    }
}

/* What is done with each item of a projection. */
static const struct qri_query *projection_right(struct parser *p, int power)
{
    if (power_of[p->token] < PROJECTION_ENDS)
        return &current;
    if (p->token == T_LEFT_BRACKET || p->token == T_FILTER)
        return expression(p, power);
    if (p->token == T_DOT)
        return next(p) ? dot_right(p, power) : NULL;
    return fail(p, "that cannot follow a list");
}

static const struct qri_query *project(struct parser *p, enum qri_query_kind kind,
                                       const struct qri_query *left, int power)
{
    const struct qri_query *right = projection_right(p, power);
    return right == NULL ? NULL : node(p, kind, left, right);
}

static const struct qri_query *filter(struct parser *p, const struct qri_query *left)
{
    const struct qri_query *condition = expression(p, 0);
    if (condition == NULL || !expect(p, T_RIGHT_BRACKET, "']' is missing"))
        return NULL;
    const struct qri_query *right = projection_right(p, power_of[T_FILTER]);
    struct qri_query *q = right == NULL ? NULL : node(p, QRI_Q_FILTER, left, right);
    if (q != NULL)
        q->condition = condition;
    return q;
}

/* [1], [1:2:3] behind the bracket. */
static const struct qri_query *index_or_slice(struct parser *p, const struct qri_query *left)
{
    int64_t parts[3] = {0, 0, 1};
    bool has[3] = {false, false, false};
    int colons = 0;
    while (p->token != T_RIGHT_BRACKET) {
        if (p->token == T_COLON && colons < 2) {
            colons++;
        } else if (p->token == T_NUMBER && !has[colons]) {
            parts[colons] = p->number;
            has[colons] = true;
        } else {
            return fail(p, "']' is missing");
        }
        if (!next(p))
            return NULL;
    }
    if (colons > 0 && parts[2] == 0)
        return fail(p, "the step of a slice is not 0");
    struct qri_query *q = node(p, colons == 0 ? QRI_Q_INDEX : QRI_Q_SLICE, NULL, NULL);
    if (q == NULL || !next(p))
        return NULL;
    q->from = parts[0];
    q->to = parts[1];
    q->step = parts[2];
    q->has_from = has[0];
    q->has_to = has[1];
    const struct qri_query *chain = node(p, QRI_Q_CHAIN, left, q);
    if (chain == NULL || colons == 0)
        return chain;
    return project(p, QRI_Q_LIST, chain, power_of[T_STAR]);
}

/* `[` behind nothing or behind something. */
static const struct qri_query *bracket(struct parser *p, const struct qri_query *left,
                                       bool may_list)
{
    if (p->token == T_NUMBER || p->token == T_COLON)
        return index_or_slice(p, left);
    if (p->token == T_STAR) {
        const char *at = p->at, *start = p->start;
        if (!next(p))
            return NULL;
        if (p->token == T_RIGHT_BRACKET)
            return next(p) ? project(p, QRI_Q_LIST, left, power_of[T_STAR]) : NULL;
        p->at = at;
        p->start = start;
        p->token = T_STAR;
    }
    if (may_list)
        return listed(p, QRI_Q_MULTI_LIST, T_RIGHT_BRACKET, "',' or ']' is missing");
    return fail(p, "a number, '*' or ':' is missing behind '['");
}

static const struct qri_query *call(struct parser *p, const char *name)
{
    const char *start = p->start;
    const struct qri_query *list =
        next(p) ? listed(p, QRI_Q_CALL, T_RIGHT_PAREN, "',' or ')' is missing") : NULL;
    struct qri_query *q = list == NULL ? NULL : node(p, QRI_Q_CALL, NULL, NULL);
    if (q == NULL)
        return NULL;
    *q = *list;
    q->text = name;
    struct qr_err why = {0};
    if (qri_query_call_check(q, &why))
        return q;
    p->start = start;
    return fail(p, why.text);
}

static const struct qri_query *flatten(struct parser *p, const struct qri_query *left)
{
    const struct qri_query *q = node(p, QRI_Q_FLATTEN, left, NULL);
    return q == NULL ? NULL : project(p, QRI_Q_LIST, q, power_of[T_FLATTEN]);
}

static const struct qri_query *literal(struct parser *p)
{
    struct qri_query *q = node(p, QRI_Q_LITERAL, NULL, NULL);
    if (q == NULL)
        return NULL;
    q->literal = p->word;
    return next(p) ? q : NULL;
}

static const struct qri_query *parenthesised(struct parser *p)
{
    const struct qri_query *inner = next(p) ? expression(p, 0) : NULL;
    return inner != NULL && expect(p, T_RIGHT_PAREN, "')' is missing") ? inner : NULL;
}

static const struct qri_query *one_sided(struct parser *p, enum qri_query_kind kind, int power)
{
    const struct qri_query *inner = next(p) ? expression(p, power) : NULL;
    return inner == NULL ? NULL : node(p, kind, inner, NULL);
}

/* What stands at the beginning of an expression. */
static const struct qri_query *first(struct parser *p)
{
    switch ((int)p->token) {
    case T_NAME: {
        const char *name = p->word;
        const struct qri_query *q = field(p);
        return q != NULL && p->token == T_LEFT_PAREN ? call(p, name) : q;
    }
    case T_QUOTED:
        return field(p);
    case T_LITERAL:
        return literal(p);
    case T_CURRENT:
        return next(p) ? &current : NULL;
    case T_STAR:
        return next(p) ? project(p, QRI_Q_VALUES, &current, power_of[T_STAR]) : NULL;
    case T_FLATTEN:
        return next(p) ? flatten(p, &current) : NULL;
    case T_FILTER:
        return next(p) ? filter(p, &current) : NULL;
    case T_LEFT_BRACKET:
        return next(p) ? bracket(p, &current, true) : NULL;
    case T_LEFT_BRACE:
        return next(p) ? hash(p) : NULL;
    case T_LEFT_PAREN:
        return parenthesised(p);
    case T_NOT:
        return one_sided(p, QRI_Q_NOT, power_of[T_NOT]);
    case T_REFERENCE:
        return one_sided(p, QRI_Q_REFERENCE, 0);
    case T_END:
        return fail(p, "the query ends too early");
    default:
        return fail(p, "an expression cannot begin so");
    }
}

static const struct qri_query *binary(struct parser *p, enum qri_query_kind kind,
                                      const struct qri_query *left, int power, const char *word)
{
    const struct qri_query *right = expression(p, power);
    struct qri_query *q = right == NULL ? NULL : node(p, kind, left, right);
    if (q != NULL)
        q->text = word;
    return q;
}

static const struct qri_query *dotted(struct parser *p, const struct qri_query *left)
{
    if (p->token == T_STAR)
        return next(p) ? project(p, QRI_Q_VALUES, left, power_of[T_STAR]) : NULL;
    const struct qri_query *right = dot_right(p, power_of[T_DOT]);
    return right == NULL ? NULL : node(p, QRI_Q_CHAIN, left, right);
}

/* What follows `left`. */
static const struct qri_query *more(struct parser *p, const struct qri_query *left)
{
    enum token token = p->token;
    const char *word = p->word;
    if (!next(p))
        return NULL;
    switch ((int)token) {
    case T_DOT:
        return dotted(p, left);
    case T_PIPE:
        return binary(p, QRI_Q_CHAIN, left, power_of[token], NULL);
    case T_OR:
        return binary(p, QRI_Q_OR, left, power_of[token], NULL);
    case T_AND:
        return binary(p, QRI_Q_AND, left, power_of[token], NULL);
    case T_COMPARE:
        return binary(p, QRI_Q_COMPARE, left, power_of[token], word);
    case T_FLATTEN:
        return flatten(p, left);
    case T_FILTER:
        return filter(p, left);
    case T_LEFT_BRACKET:
        return bracket(p, left, false);
    default:
        return fail(p, "that cannot follow here");
    }
}

static const struct qri_query *expression(struct parser *p, int power)
{
    if (p->depth == DEPTH_MAX)
        return fail(p, "the query is nested too deeply");
    p->depth++;
    const struct qri_query *left = first(p);
    while (left != NULL && power < power_of[p->token])
        left = more(p, left);
    p->depth--;
    return left;
}

enum qr_status qri_query_parse(struct qr_arena *arena, const char *text,
                               const struct qri_query **ret_query, struct qr_err *err)
{
    struct qr_err own = {0};
    struct parser p = {.arena = arena, .err = &own, .text = text, .at = text, .start = text};
    if (strlen(text) > TEXT_BYTES_MAX)
        return qr_fail(err, QR_TOO_BIG, "a query has at most %d bytes", TEXT_BYTES_MAX);
    const struct qri_query *q = next(&p) ? expression(&p, 0) : NULL;
    if (q != NULL && p.token != T_END)
        q = fail(&p, "the query should end here");
    if (q == NULL) {
        assert(own.status != QR_OK);
        return qr_fail(err, own.status, "%s", own.text);
    }
    *ret_query = q;
    return QR_OK;
}
