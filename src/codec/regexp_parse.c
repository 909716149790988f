/* Pattern to tree, by RE2's grammar (github.com/google/re2/wiki/Syntax): regexp_int.h. */
#include "regexp_int.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/sqlmsg.h"
#include "codec/utf.h"
#include "regexp_parse_int.h"
#include "base/banned.h"

enum { NESTING_MAX = 400 }; /* parentheses; the parser recurses */

enum qr_status qri_regexp_fail(const struct qr_regexp *re, const char *what, struct qr_str where,
                               struct qr_err *err)
{
    char text[256];
    struct qr_buf all;
    qr_buf_init(&all, 3 * QRI_PATTERN_BYTES_MAX);
    qr_buf_addstr(&all, re->pattern);
    qr_buf_add8(&all, 0);
    int n = (int)qr_utf_prefix(where, 100);
    (void)snprintf(text, sizeof text, n > 0 ? "%s: %.*s" : "%s", what, n, where.p);
    enum qr_status status = qr_sql_fail(err, 19300, qr_buf_cstr(&all), text);
    qr_buf_done(&all);
    return status;
}

static enum qr_status fail_whole(const struct qri_regexp_parser *p, int number, const char *missing)
{
    struct qr_buf all;
    qr_buf_init(&all, 3 * QRI_PATTERN_BYTES_MAX);
    qr_buf_addstr(&all, p->re->pattern);
    enum qr_status status = missing != NULL
                                ? qr_sql_fail(p->err, number, missing, qr_buf_cstr(&all))
                                : qr_sql_fail(p->err, number, qr_buf_cstr(&all));
    qr_buf_done(&all);
    return status;
}

enum qr_status qri_regexp_too_large(const struct qr_regexp *re, struct qr_err *err)
{
    return qri_regexp_fail(re, "pattern too large - compile failed", qr_str(""), err);
}

enum qr_status qri_regexp_missing(const struct qri_regexp_parser *p, const char *what)
{
    return fail_whole(p, 19308, what);
}

enum qr_status qri_regexp_bad(const struct qri_regexp_parser *p, const char *what, size_t from)
{
    return qri_regexp_fail(p->re, what, qr_str_n(p->s.p + from, p->pos - from), p->err);
}

enum qr_status qri_regexp_node(struct qri_regexp_parser *p, enum qri_regexp_kind kind,
                               struct qri_regexp_node **ret_node)
{
    struct qri_regexp_node *node = qr_arena_alloc(&p->re->arena, sizeof *node);
    if (node == NULL)
        return qri_regexp_too_large(p->re, p->err);
    node->kind = kind;
    node->repeats = 1;
    *ret_node = node;
    return QR_OK;
}

/* --- escapes --- */

static int hex_of(char ch)
{
    char low = (char)(ch | 0x20);
    return ch >= '0' && ch <= '9' ? ch - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool hex_escape(struct qri_regexp_parser *p, uint32_t *ret_c)
{
    bool braces = qri_regexp_at(p, '{');
    size_t digits = 0;
    uint32_t c = 0;
    p->pos += braces;
    for (; p->pos < p->s.n && hex_of(p->s.p[p->pos]) >= 0 && (braces || digits < 2); digits++) {
        c = c * 16 + (uint32_t)hex_of(p->s.p[p->pos++]);
        if (c > QRI_CHAR_MAX)
            return false;
    }
    *ret_c = c;
    if (!braces)
        return digits == 2;
    if (!qri_regexp_at(p, '}'))
        return false;
    p->pos++;
    return digits > 0;
}

/* \1 would be a reference to a group, which there is not; \12 is octal. */
static bool octal_escape(struct qri_regexp_parser *p, uint32_t first, uint32_t *ret_c)
{
    bool more = p->pos < p->s.n && p->s.p[p->pos] >= '0' && p->s.p[p->pos] <= '7';
    if (first != 0 && !more)
        return false;
    uint32_t c = first;
    for (int i = 0; i < 2 && p->pos < p->s.n && p->s.p[p->pos] >= '0' && p->s.p[p->pos] <= '7'; i++)
        c = c * 8 + (uint32_t)(p->s.p[p->pos++] - '0');
    *ret_c = c;
    return true;
}

enum qr_status qri_regexp_escape(struct qri_regexp_parser *p, uint32_t *ret_c)
{
    static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    size_t from = p->pos++;
    if (p->pos >= p->s.n)
        return fail_whole(p, 19309, NULL);
    uint32_t c = qr_utf_next(p->s, &p->pos);
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', digit = c >= '0' && c <= '9';
    const char *at = letter ? strchr(letters, (int)c) : NULL;
    bool good = true;
    if (c >= '0' && c <= '7')
        good = octal_escape(p, c - '0', ret_c);
    else if (c == 'x')
        good = hex_escape(p, ret_c);
    else if (at != NULL)
        *ret_c = (unsigned char)values[at - letters];
    else if (c < 0x80 && !letter && !digit)
        *ret_c = c;
    else
        good = false;
    return good ? QR_OK : qri_regexp_bad(p, "invalid escape sequence", from);
}

/* --- one item --- */

static enum qr_status char_node(struct qri_regexp_parser *p, uint32_t c,
                                struct qri_regexp_node **ret_node)
{
    struct qri_char_set set = {0};
    if (p->flags & QR_REGEXP_FOLD) {
        if (qri_set_add(&p->re->arena, &set, c, c, true) != QR_OK)
            return qri_regexp_too_large(p->re, p->err);
        qri_set_close(&set);
        if (set.count > 1 || set.ranges[0].lo < set.ranges[0].hi)
            return qri_regexp_set_node(p, &set, ret_node);
    }
    QR_TRY(qri_regexp_node(p, QRI_RE_CHAR, ret_node));
    assert(*ret_node != NULL);
    (*ret_node)->c = c;
    return QR_OK;
}

static enum qr_status assert_node(struct qri_regexp_parser *p, enum qri_assert what,
                                  struct qri_regexp_node **ret_node)
{
    QR_TRY(qri_regexp_node(p, QRI_RE_ASSERT, ret_node));
    (*ret_node)->c = what;
    (*ret_node)->may_be_empty = true;
    return QR_OK;
}

static enum qr_status dot(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    struct qri_char_set set = {0};
    bool all = p->flags & QR_REGEXP_DOT_NL;
    p->pos++;
    if (qri_set_add(&p->re->arena, &set, 0, all ? QRI_CHAR_MAX : '\n' - 1, false) != QR_OK ||
        (!all && qri_set_add(&p->re->arena, &set, '\n' + 1, QRI_CHAR_MAX, false) != QR_OK))
        return qri_regexp_too_large(p->re, p->err);
    return qri_regexp_set_node(p, &set, ret_node);
}

static enum qr_status backslash(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    static const struct {
        char letter;
        enum qri_assert what;
    } asserts[] = {{'A', QRI_ASSERT_TEXT_BEGIN},
                   {'z', QRI_ASSERT_TEXT_END},
                   {'b', QRI_ASSERT_WORD},
                   {'B', QRI_ASSERT_NOT_WORD}};
    char next = p->pos + 1 < p->s.n ? p->s.p[p->pos + 1] : '\0';
    for (size_t i = 0; i < sizeof asserts / sizeof asserts[0]; i++) {
        if (next == asserts[i].letter) {
            p->pos += 2;
            return assert_node(p, asserts[i].what, ret_node);
        }
    }
    struct qri_char_set set = {0};
    bool is_class = false;
    QR_TRY(qri_regexp_class_escape(p, &set, &is_class));
    if (is_class) {
        qri_set_close(&set);
        return qri_regexp_set_node(p, &set, ret_node);
    }
    uint32_t c = 0;
    QR_TRY(qri_regexp_escape(p, &c));
    return char_node(p, c, ret_node);
}

static enum qr_status alternatives(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node);

/* (?P<name>...) and (?<name>...): the name only has to be new. */
static enum qr_status group_name(struct qri_regexp_parser *p, size_t open)
{
    size_t from = p->pos;
    while (p->pos < p->s.n && p->s.p[p->pos] != '>')
        p->pos++;
    struct qr_str name = qr_str_n(p->s.p + from, p->pos - from);
    bool good = name.n > 0 && p->pos < p->s.n;
    for (size_t i = 0; i < name.n; i++)
        good &= isalnum((unsigned char)name.p[i]) || name.p[i] == '_' || (name.p[i] & 0x80) != 0;
    for (size_t i = 0; i < p->name_count; i++)
        good &= !qr_str_eq(p->names[i], name);
    if (!good)
        return qri_regexp_bad(p, "invalid named capture group", open);
    p->names = qr_arena_grow(&p->re->arena, p->names, p->name_count, &p->name_capacity,
                             p->name_count + 1, sizeof *p->names);
    if (p->names == NULL)
        return qri_regexp_too_large(p->re, p->err);
    p->names[p->name_count++] = name;
    p->pos++;
    return QR_OK;
}

/* Behind "(?": imsU-imsU up to ':' or ')'. */
static enum qr_status group_flags(struct qri_regexp_parser *p, size_t open)
{
    static const char letters[] = "imsU";
    bool negated = false, any = false;
    for (;;) {
        if (p->pos >= p->s.n)
            return qri_regexp_missing(p, ")");
        char ch = p->s.p[p->pos++];
        const char *at = ch == '\0' ? NULL : strchr(letters, ch);
        if ((ch == ':' || ch == ')') && (!negated || any))
            return QR_OK;
        if (ch == '-' && !negated) {
            negated = true;
            any = false;
            continue;
        }
        if (at == NULL)
            return qri_regexp_bad(p, "invalid perl operator", open);
        unsigned flag = 1U << (at - letters); /* the order of enum qr_regexp_flags */
        p->flags = negated ? p->flags & ~flag : p->flags | flag;
        any = true;
    }
}

static enum qr_status look_around(struct qri_regexp_parser *p, size_t open)
{
    static const char *const refused[] = {"(?=", "(?!", "(?<=", "(?<!"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (!qri_regexp_starts(p, open, refused[i]))
            continue;
        p->pos = open + strlen(refused[i]);
        return qri_regexp_bad(p, "invalid perl operator", open);
    }
    return QR_OK;
}

/* At '('. NULL if it only sets flags. */
static enum qr_status group(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    size_t open = p->pos++;
    unsigned flags = p->flags;
    bool captures = true;
    QR_TRY(look_around(p, open));
    if (qri_regexp_starts(p, open, "(?P<") || qri_regexp_starts(p, open, "(?<")) {
        p->pos = open + (p->s.p[open + 2] == 'P' ? 4 : 3);
        QR_TRY(group_name(p, open));
    } else if (qri_regexp_starts(p, open, "(?")) {
        p->pos++;
        captures = false;
        QR_TRY(group_flags(p, open));
        if (p->s.p[p->pos - 1] == ')') {
            *ret_node = NULL;
            return QR_OK;
        }
    }
    if (++p->depth > NESTING_MAX)
        return qri_regexp_too_large(p->re, p->err);
    uint32_t index = captures ? (uint32_t)++p->re->group_count : 0;
    struct qri_regexp_node *inside = NULL, *node = NULL;
    QR_TRY(alternatives(p, &inside));
    if (!qri_regexp_at(p, ')'))
        return qri_regexp_missing(p, ")");
    p->pos++;
    p->depth--;
    p->flags = flags;
    *ret_node = inside;
    if (captures) {
        QR_TRY(qri_regexp_node(p, QRI_RE_GROUP, &node));
        node->index = index;
        node->first = inside;
        node->may_be_empty = inside->may_be_empty;
        node->repeats = inside->repeats;
        *ret_node = node;
    }
    return QR_OK;
}

static enum qr_status item(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    bool lines = p->flags & QR_REGEXP_MULTILINE;
    uint32_t c = 0;
    switch (p->s.p[p->pos]) {
    case '(':
        return group(p, ret_node);
    case '[':
        return qri_regexp_class(p, ret_node);
    case '.':
        return dot(p, ret_node);
    case '\\':
        return backslash(p, ret_node);
    case '^':
        p->pos++;
        return assert_node(p, lines ? QRI_ASSERT_LINE_BEGIN : QRI_ASSERT_TEXT_BEGIN, ret_node);
    case '$':
        p->pos++;
        return assert_node(p, lines ? QRI_ASSERT_LINE_END : QRI_ASSERT_TEXT_END, ret_node);
    default:
        c = qr_utf_next(p->s, &p->pos);
        return char_node(p, c, ret_node);
    }
}

/* --- repetition --- */

static bool number(struct qri_regexp_parser *p, int *ret_n)
{
    enum { LARGE = 100000 };
    size_t from = p->pos;
    int n = 0;
    while (p->pos < p->s.n && p->s.p[p->pos] >= '0' && p->s.p[p->pos] <= '9') {
        n = n * 10 + (p->s.p[p->pos++] - '0');
        n = n > LARGE ? LARGE : n;
    }
    *ret_n = n;
    return p->pos > from && (p->pos == from + 1 || p->s.p[from] != '0');
}

/* * + ? {n} {n,} {n,m}, each perhaps with ? behind it. What only looks like {n} is text. */
static bool repetition(struct qri_regexp_parser *p, int *ret_min, int *ret_max, bool *ret_lazy)
{
    size_t from = p->pos;
    char ch = p->pos < p->s.n ? p->s.p[p->pos++] : '\0';
    bool good = ch == '*' || ch == '+' || ch == '?';
    *ret_min = ch == '+';
    *ret_max = ch == '?' ? 1 : -1;
    if (ch == '{' && number(p, ret_min)) {
        *ret_max = *ret_min;
        good = true;
        if (qri_regexp_at(p, ',')) {
            p->pos++;
            *ret_max = -1;
            if (!qri_regexp_at(p, '}'))
                good = number(p, ret_max);
        }
        good = good && qri_regexp_at(p, '}');
        p->pos += good;
    }
    if (!good) {
        p->pos = from;
        return false;
    }
    *ret_lazy = qri_regexp_at(p, '?');
    p->pos += *ret_lazy;
    return true;
}

/* Replaces *node by its repetition if one follows. */
static enum qr_status repeated(struct qri_regexp_parser *p, struct qri_regexp_node **node)
{
    struct qri_regexp_node *repeat = NULL;
    size_t from = p->pos, first = from;
    int min, max;
    bool lazy;
    if (!repetition(p, &min, &max, &lazy))
        return QR_OK;
    int times = (max < 0 ? min : max) > 1 ? (max < 0 ? min : max) : 1;
    if ((max >= 0 && max < min) || times > QRI_REPEAT_MAX ||
        times * (*node)->repeats > QRI_REPEAT_MAX)
        return qri_regexp_bad(p, "invalid repetition size", from);
    QR_TRY(qri_regexp_node(p, QRI_RE_REPEAT, &repeat));
    assert(repeat != NULL);
    repeat->first = *node;
    repeat->min = min;
    repeat->max = max;
    repeat->greedy = lazy == ((p->flags & QR_REGEXP_UNGREEDY) != 0);
    repeat->may_be_empty = min == 0 || (*node)->may_be_empty;
    repeat->repeats = times * (*node)->repeats;
    *node = repeat;
    from = p->pos;
    if (repetition(p, &min, &max, &lazy))
        return qri_regexp_bad(p, "bad repetition operator", first);
    p->pos = from;
    return QR_OK;
}

static enum qr_status sequence(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    struct qri_regexp_node *cat = NULL, **tail;
    bool quoted = false, lazy;
    int min, max;
    QR_TRY(qri_regexp_node(p, QRI_RE_CAT, &cat));
    cat->may_be_empty = true;
    tail = &cat->first;
    while (p->pos < p->s.n && (quoted || (p->s.p[p->pos] != '|' && p->s.p[p->pos] != ')'))) {
        struct qri_regexp_node *one = NULL;
        size_t from = p->pos;
        if (qri_regexp_starts(p, p->pos, quoted ? "\\E" : "\\Q")) {
            quoted = !quoted;
            p->pos += 2;
            continue;
        }
        if (quoted)
            QR_TRY(char_node(p, qr_utf_next(p->s, &p->pos), &one));
        else if (repetition(p, &min, &max, &lazy))
            return qri_regexp_bad(p, "no argument for repetition operator", from);
        else
            QR_TRY(item(p, &one));
        if (quoted && qri_regexp_starts(p, p->pos, "\\E")) {
            quoted = false;
            p->pos += 2;
        }
        if (one == NULL)
            continue;
        if (!quoted)
            QR_TRY(repeated(p, &one));
        cat->may_be_empty &= one->may_be_empty;
        cat->repeats = one->repeats > cat->repeats ? one->repeats : cat->repeats;
        *tail = one;
        tail = &one->next;
    }
    *ret_node = cat;
    return QR_OK;
}

static enum qr_status alternatives(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    struct qri_regexp_node *first = NULL, *alt = NULL;
    QR_TRY(sequence(p, &first));
    *ret_node = first;
    if (!qri_regexp_at(p, '|'))
        return QR_OK;
    QR_TRY(qri_regexp_node(p, QRI_RE_ALT, &alt));
    alt->first = first;
    alt->may_be_empty = first->may_be_empty;
    alt->repeats = first->repeats;
    while (qri_regexp_at(p, '|')) {
        p->pos++;
        QR_TRY(sequence(p, &first->next));
        first = first->next;
        alt->may_be_empty |= first->may_be_empty;
        alt->repeats = first->repeats > alt->repeats ? first->repeats : alt->repeats;
    }
    *ret_node = alt;
    return QR_OK;
}

enum qr_status qri_regexp_parse(struct qr_regexp *re, struct qri_regexp_node **ret_tree,
                                struct qr_err *err)
{
    struct qri_regexp_parser p = {.re = re, .s = re->pattern, .flags = re->flags, .err = err};
    QR_TRY(alternatives(&p, ret_tree));
    if (p.pos < p.s.n)
        return fail_whole(&p, 19307, NULL);
    return QR_OK;
}
