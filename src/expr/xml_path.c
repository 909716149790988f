/* xml_path.c - see expr/xml.h: following a path */
#include "expr/xml.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

enum { NESTING_MAX = 32, NODES_MAX = 4 << 20 };

/* The node in hand, its place among those that the step before found. */
struct focus {
    struct qr_xml_node *node;
    size_t position, last;
};

struct path {
    struct qr_arena *arena;
    const char *p, *end;
    unsigned depth;
    struct qr_err *err;
};

static enum qr_status expression(struct path *p, const struct focus *focus,
                                 struct qr_xml_found *ret);

/* ---- reading ---- */

static bool is_word(struct qr_str s, const char *word)
{
    return qr_str_eq(s, qr_str(word));
}

static void skip(struct path *p)
{
    for (;;) {
        while (p->p < p->end && strchr(" \t\r\n", *p->p) != NULL && *p->p != '\0')
            p->p++;
        if (p->end - p->p < 2 || p->p[0] != '(' || p->p[1] != ':')
            return;
        while (p->end - p->p >= 2 && (p->p[0] != ':' || p->p[1] != ')'))
            p->p++;
        p->p += p->end - p->p >= 2 ? 2 : p->end - p->p;
    }
}

static bool accept(struct path *p, const char *s)
{
    size_t n = strlen(s);
    skip(p);
    if ((size_t)(p->end - p->p) < n || memcmp(p->p, s, n) != 0)
        return false;
    p->p += n;
    return true;
}

static bool is_name_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
           u == '_' || u == '-' || u == '.' || u >= 0x80;
}

static bool at_name(struct path *p)
{
    skip(p);
    return p->p < p->end && is_name_char(*p->p) && *p->p != '-' && *p->p != '.' &&
           (*p->p < '0' || *p->p > '9');
}

/* A name with its prefix left out, unless it is a function's. */
static struct qr_str read_name(struct path *p, bool keep_prefix)
{
    skip(p);
    const char *begin = p->p;
    while (p->p < p->end && is_name_char(*p->p))
        p->p++;
    bool has_prefix = p->end - p->p >= 2 && p->p[0] == ':' && is_name_char(p->p[1]);
    if (!has_prefix)
        return qr_str_n(begin, (size_t)(p->p - begin));
    const char *local = ++p->p;
    while (p->p < p->end && is_name_char(*p->p))
        p->p++;
    return keep_prefix ? qr_str_n(begin, (size_t)(p->p - begin))
                       : qr_str_n(local, (size_t)(p->p - local));
}

static bool accept_word(struct path *p, const char *word)
{
    const char *before = p->p;
    if (at_name(p) && is_word(read_name(p, true), word))
        return true;
    p->p = before;
    return false;
}

static enum qr_status bad_path(const struct path *p)
{
    char near[24];
    size_t n = (size_t)(p->end - p->p);
    n = n < sizeof near - 1 ? n : sizeof near - 1;
    memcpy(near, p->p, n);
    near[n] = '\0';
    return qr_sql_fail(p->err, 2209, near);
}

static enum qr_status refused(const struct path *p, struct qr_str what)
{
    return qr_fail(p->err, QR_UNSUPPORTED, "%.*s in a path over xml is not supported", (int)what.n,
                   what.p);
}

/* ---- nodes ---- */

static enum qr_status push(struct path *p, struct qr_xml_found *f, struct qr_xml_node *node)
{
    if (f->count > 0 && f->nodes[f->count - 1] == node)
        return QR_OK; /* the parent of two children */
    if (f->count >= NODES_MAX)
        return qr_sql_fail(p->err, 701, "default");
    f->nodes = qr_arena_grow(p->arena, f->nodes, f->count, &f->capacity, f->count + 1,
                             sizeof(struct qr_xml_node *));
    if (f->nodes == NULL)
        return qr_fail(p->err, QR_NOMEM, "follow a path");
    f->nodes[f->count++] = node;
    return QR_OK;
}

static struct qr_str local_name(struct qr_str name)
{
    const char *colon = name.n == 0 ? NULL : memchr(name.p, ':', name.n);
    if (colon == NULL)
        return name;
    size_t n = (size_t)(colon - name.p) + 1;
    return qr_str_n(name.p + n, name.n - n);
}

enum test { TEST_NAME, TEST_ANY_ELEMENT, TEST_TEXT, TEST_NODE };

struct step {
    enum { CHILD, ATTRIBUTE, PARENT, SELF } axis;
    bool descends; /* behind a double slash */
    enum test test;
    struct qr_str name;
};

static bool fits(const struct step *s, const struct qr_xml_node *node)
{
    switch (s->test) {
    case TEST_NODE:
        return true;
    case TEST_TEXT:
        return node->kind == QR_XML_TEXT;
    case TEST_ANY_ELEMENT:
        return node->kind == QR_XML_ELEMENT || node->kind == QR_XML_ATTRIBUTE;
    case TEST_NAME:
        break;
    }
    return (node->kind == QR_XML_ELEMENT || node->kind == QR_XML_ATTRIBUTE) &&
           qr_str_eq(local_name(node->name), s->name);
}

static enum qr_status take(struct path *p, const struct step *s, struct qr_xml_node *from,
                           struct qr_xml_found *ret)
{
    if (s->axis == PARENT)
        return from->parent == NULL ? QR_OK : push(p, ret, from->parent);
    if (s->axis == SELF)
        return push(p, ret, from);
    struct qr_xml_node *node = s->axis == ATTRIBUTE ? from->attributes : from->first;
    for (; node != NULL; node = node->next)
        if (fits(s, node))
            QR_TRY(push(p, ret, node));
    return QR_OK;
}

/* The next node of the tree below `top`, itself first. */
static struct qr_xml_node *next_below(const struct qr_xml_node *top, struct qr_xml_node *node)
{
    if (node->first != NULL)
        return node->first;
    while (node != top && node->next == NULL)
        node = node->parent;
    return node == top ? NULL : node->next;
}

static enum qr_status filter(struct path *p, struct qr_xml_found *all, size_t from)
{
    const char *begin = p->p;
    size_t kept = from, last = all->count - from;
    bool any = false;
    for (size_t i = from; i < all->count || !any; i++) { /* read once even if there is nothing */
        static struct qr_xml_node nothing = {.kind = QR_XML_DOCUMENT};
        struct focus focus = {.node = i < all->count ? all->nodes[i] : &nothing,
                              .position = i - from + 1,
                              .last = last};
        struct qr_xml_found found = {0};
        p->p = begin;
        any = true;
        QR_TRY(expression(p, &focus, &found));
        if (!accept(p, "]"))
            return bad_path(p);
        bool is_kept = found.is_value && found.value_kind == QR_XML_NUMBER
                           ? found.number == (double)focus.position
                       : found.is_value ? (found.value_kind == QR_XML_BOOLEAN ? found.number != 0
                                                                              : found.string.n > 0)
                                        : found.count > 0;
        if (i < all->count && is_kept)
            all->nodes[kept++] = all->nodes[i];
    }
    all->count = kept;
    return QR_OK;
}

static enum qr_status filters(struct path *p, struct qr_xml_found *all, size_t from)
{
    const char *begin = p->p;
    while (accept(p, "[")) {
        QR_TRY(filter(p, all, from));
        begin = p->p;
    }
    p->p = begin;
    return QR_OK;
}

static enum qr_status read_step(struct path *p, struct step *s)
{
    static const struct {
        const char *name;
        int axis;
    } axes[] = {{"child::", CHILD}, {"attribute::", ATTRIBUTE}, {"parent::", PARENT},
                {"self::", SELF}};
    s->axis = CHILD;
    s->test = TEST_NODE;
    if (accept(p, "..")) {
        s->axis = PARENT;
        return QR_OK;
    }
    if (accept(p, ".")) {
        s->axis = SELF;
        return QR_OK;
    }
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++)
        if (accept(p, axes[i].name))
            s->axis = axes[i].axis;
    if (accept(p, "@"))
        s->axis = ATTRIBUTE;
    if (accept(p, "*:") || at_name(p)) {
        s->name = read_name(p, false);
        s->test = TEST_NAME;
        if (accept(p, "()"))
            s->test = is_word(s->name, "text") ? TEST_TEXT : TEST_NODE;
        return QR_OK;
    }
    s->test = TEST_ANY_ELEMENT;
    return accept(p, "*") ? QR_OK : bad_path(p);
}

/* From each node of `found` on; predicates count within each node's own. */
static enum qr_status follow(struct path *p, bool descends, struct qr_xml_found *found)
{
    struct step s = {.descends = descends};
    struct qr_xml_found next = {0};
    QR_TRY(read_step(p, &s));
    const char *begin = p->p;
    static struct qr_xml_node nothing = {.kind = QR_XML_DOCUMENT};
    for (size_t i = 0; i < found->count || i == 0; i++) {
        struct qr_xml_node *top = i < found->count ? found->nodes[i] : &nothing, *node = top;
        do {
            size_t from = next.count;
            QR_TRY(take(p, &s, node, &next));
            p->p = begin;
            QR_TRY(filters(p, &next, from < next.count ? from : next.count));
            node = descends ? next_below(top, node) : NULL;
        } while (node != NULL);
    }
    *found = next;
    return QR_OK;
}

static enum qr_status location(struct path *p, const struct focus *focus, struct qr_xml_found *ret)
{
    struct qr_xml_node *node = focus->node;
    bool absolute = false, descends = accept(p, "//");
    if (!descends)
        absolute = accept(p, "/");
    while ((absolute || descends) && node->parent != NULL)
        node = node->parent;
    QR_TRY(push(p, ret, node));
    skip(p);
    bool is_root = absolute && (p->p >= p->end || strchr(")],", *p->p) != NULL);
    if (!is_root)
        QR_TRY(follow(p, descends, ret));
    for (;;) {
        if (accept(p, "//"))
            QR_TRY(follow(p, true, ret));
        else if (accept(p, "/"))
            QR_TRY(follow(p, false, ret));
        else
            return QR_OK;
    }
}

/* ---- values ---- */

static enum qr_status text_of(struct path *p, const struct qr_xml_node *node, struct qr_str *ret)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 256 << 20);
    qr_xml_string(&buf, node);
    char *copy = buf.failed == QR_OK ? qr_arena_dup(p->arena, (const char *)buf.data, buf.len) : NULL;
    *ret = qr_str_n(copy, copy == NULL ? 0 : buf.len);
    qr_buf_done(&buf);
    return copy == NULL ? qr_fail(p->err, QR_NOMEM, "follow a path") : QR_OK;
}

static void set_number(struct qr_xml_found *f, double number)
{
    *f = (struct qr_xml_found){.is_value = true, .value_kind = QR_XML_NUMBER, .number = number};
}

static void set_boolean(struct qr_xml_found *f, bool is_true)
{
    *f = (struct qr_xml_found){.is_value = true, .value_kind = QR_XML_BOOLEAN, .number = is_true};
}

static void set_string(struct qr_xml_found *f, struct qr_str s)
{
    *f = (struct qr_xml_found){.is_value = true, .value_kind = QR_XML_STRING, .string = s};
}

static bool is_true(const struct qr_xml_found *f)
{
    if (!f->is_value)
        return f->count > 0;
    return f->value_kind == QR_XML_STRING ? f->string.n > 0 : f->number != 0;
}

static double number_of(struct qr_str s)
{
    char text[64];
    char *end = NULL;
    s = qr_str_trim(s);
    if (s.n == 0 || s.n >= sizeof text)
        return NAN;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double v = strtod(text, &end);
    return *end == '\0' ? v : NAN;
}

/* One value of what was found: the first node's text. */
static enum qr_status string_of(struct path *p, const struct qr_xml_found *f, struct qr_str *ret)
{
    char text[40];
    if (!f->is_value && f->count > 0)
        return text_of(p, f->nodes[0], ret);
    *ret = f->is_value && f->value_kind == QR_XML_STRING ? f->string : qr_str("");
    if (!f->is_value || f->value_kind == QR_XML_STRING)
        return QR_OK;
    if (f->value_kind == QR_XML_BOOLEAN)
        *ret = qr_str(f->number != 0 ? "true" : "false");
    else
        (void)snprintf(text, sizeof text, "%.15g", f->number);
    if (f->value_kind == QR_XML_NUMBER)
        *ret = qr_arena_str(p->arena, qr_str(text));
    return ret->p == NULL ? qr_fail(p->err, QR_NOMEM, "follow a path") : QR_OK;
}

/* ---- functions ---- */

enum { ARGS_MAX = 8 };

static enum qr_status arguments(struct path *p, const struct focus *focus,
                                struct qr_xml_found args[ARGS_MAX], size_t *ret_count)
{
    size_t n = 0;
    if (!accept(p, ")")) {
        do {
            if (n == ARGS_MAX)
                return bad_path(p);
            args[n] = (struct qr_xml_found){0};
            QR_TRY(expression(p, focus, &args[n++]));
        } while (accept(p, ","));
        if (!accept(p, ")"))
            return bad_path(p);
    }
    *ret_count = n;
    return QR_OK;
}

static enum qr_status sum(struct path *p, const struct qr_xml_found *f, struct qr_xml_found *ret)
{
    double total = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct qr_str text;
        QR_TRY(text_of(p, f->nodes[i], &text));
        total += number_of(text);
    }
    set_number(ret, total);
    return QR_OK;
}

static enum qr_status concat(struct path *p, const struct qr_xml_found *args, size_t n,
                             struct qr_xml_found *ret)
{
    struct qr_str all = qr_str("");
    for (size_t i = 0; i < n; i++) {
        struct qr_str part;
        QR_TRY(string_of(p, &args[i], &part));
        char *both = qr_arena_alloc(p->arena, all.n + part.n + 1);
        if (both == NULL)
            return qr_fail(p->err, QR_NOMEM, "follow a path");
        memcpy(both, all.p, all.n);
        if (part.n > 0)
            memcpy(both + all.n, part.p, part.n);
        all = qr_str_n(both, all.n + part.n);
    }
    set_string(ret, all);
    return QR_OK;
}

static enum qr_status call(struct path *p, const struct focus *focus, struct qr_str name,
                           struct qr_xml_found *ret)
{
    struct qr_xml_found args[ARGS_MAX] = {{0}};
    struct qr_str a = qr_str(""), b = qr_str("");
    size_t n = 0;
    if (qr_str_starts_i(name, "sql:"))
        return refused(p, name);
    QR_TRY(arguments(p, focus, args, &n));
    if (n > 0)
        QR_TRY(string_of(p, &args[0], &a));
    if (n > 1)
        QR_TRY(string_of(p, &args[1], &b));
    if (is_word(name, "count") && n == 1)
        set_number(ret, args[0].is_value ? 1 : (double)args[0].count);
    else if (is_word(name, "position") && n == 0)
        set_number(ret, (double)focus->position);
    else if (is_word(name, "last") && n == 0)
        set_number(ret, (double)focus->last);
    else if (is_word(name, "not") && n == 1)
        set_boolean(ret, !is_true(&args[0]));
    else if (is_word(name, "empty") && n == 1)
        set_boolean(ret, !args[0].is_value && args[0].count == 0);
    else if (is_word(name, "true") && n == 0)
        set_boolean(ret, true);
    else if (is_word(name, "false") && n == 0)
        set_boolean(ret, false);
    else if (is_word(name, "contains") && n == 2)
        set_boolean(ret, b.n == 0 || memmem(a.p, a.n, b.p, b.n) != NULL);
    else if (is_word(name, "string-length") && n == 1)
        set_number(ret, (double)a.n);
    else if (is_word(name, "number") && n == 1)
        set_number(ret, number_of(a));
    else if (is_word(name, "sum") && n == 1)
        return sum(p, &args[0], ret);
    else if (is_word(name, "concat") && n > 1)
        return concat(p, args, n, ret);
    else if (is_word(name, "local-name") && n < 2)
        set_string(ret, n == 0              ? local_name(focus->node->name)
                        : args[0].count > 0 ? local_name(args[0].nodes[0]->name)
                                            : qr_str(""));
    else if ((is_word(name, "data") || is_word(name, "string")) && n == 1)
        *ret = args[0];
    else
        return refused(p, name);
    return QR_OK;
}

/* ---- expressions ---- */

static enum qr_status string_literal(struct path *p, char quote, struct qr_xml_found *ret)
{
    const char *close = memchr(p->p, quote, (size_t)(p->end - p->p));
    if (close == NULL)
        return bad_path(p);
    set_string(ret, qr_str_n(p->p, (size_t)(close - p->p)));
    p->p = close + 1;
    return QR_OK;
}

static bool at_call(struct path *p, struct qr_str *ret_name)
{
    const char *before = p->p;
    if (!at_name(p))
        return false;
    *ret_name = read_name(p, true);
    bool is_test = is_word(*ret_name, "text") || is_word(*ret_name, "node");
    if (!is_test && accept(p, "("))
        return true;
    p->p = before;
    return false;
}

static enum qr_status primary(struct path *p, const struct focus *focus, struct qr_xml_found *ret)
{
    struct qr_str name;
    skip(p);
    if (p->p < p->end && (*p->p == '"' || *p->p == '\'')) {
        char quote = *p->p++;
        return string_literal(p, quote, ret);
    }
    if (p->p < p->end && *p->p >= '0' && *p->p <= '9') {
        const char *begin = p->p;
        while (p->p < p->end && ((*p->p >= '0' && *p->p <= '9') || *p->p == '.'))
            p->p++;
        set_number(ret, number_of(qr_str_n(begin, (size_t)(p->p - begin))));
        return QR_OK;
    }
    if (accept(p, "(")) {
        QR_TRY(expression(p, focus, ret));
        if (!accept(p, ")"))
            return bad_path(p);
        QR_TRY(filters(p, ret, 0));
        while (!ret->is_value && accept(p, "/"))
            QR_TRY(follow(p, accept(p, "/"), ret));
        return QR_OK;
    }
    if (at_call(p, &name))
        return call(p, focus, name, ret);
    return location(p, focus, ret);
}

enum compare { EQ, NE, LT, LE, GT, GE, COMPARES };

static bool holds(enum compare op, int order)
{
    static const int8_t fits_order[COMPARES][3] = {[EQ] = {0, 1, 0}, [NE] = {1, 0, 1},
                                                   [LT] = {1, 0, 0}, [LE] = {1, 1, 0},
                                                   [GT] = {0, 0, 1}, [GE] = {0, 1, 1}};
    return fits_order[op][order < 0 ? 0 : order == 0 ? 1 : 2] != 0;
}

static bool compare_texts(enum compare op, struct qr_str a, struct qr_str b, bool as_numbers)
{
    if (as_numbers) {
        double x = number_of(a), y = number_of(b);
        return !isnan(x) && !isnan(y) && holds(op, x < y ? -1 : x > y);
    }
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order == 0)
        order = a.n < b.n ? -1 : a.n > b.n;
    return holds(op, order);
}

/* True if any pair is. */
static enum qr_status compare(struct path *p, enum compare op, const struct qr_xml_found *left,
                              const struct qr_xml_found *right, bool *ret)
{
    bool numbers = (left->is_value && left->value_kind == QR_XML_NUMBER) ||
                   (right->is_value && right->value_kind == QR_XML_NUMBER);
    size_t n = left->is_value ? 1 : left->count, m = right->is_value ? 1 : right->count;
    *ret = false;
    for (size_t i = 0; i < n && !*ret; i++)
        for (size_t k = 0; k < m && !*ret; k++) {
            struct qr_str a, b;
            QR_TRY(left->is_value ? string_of(p, left, &a) : text_of(p, left->nodes[i], &a));
            QR_TRY(right->is_value ? string_of(p, right, &b) : text_of(p, right->nodes[k], &b));
            *ret = compare_texts(op, a, b, numbers);
        }
    return QR_OK;
}

static bool accept_compare(struct path *p, enum compare *ret)
{
    static const struct {
        const char *sign;
        enum compare op;
    } signs[] = {{"!=", NE}, {"<=", LE}, {">=", GE}, {"=", EQ}, {"<", LT}, {">", GT}};
    static const char *const words[COMPARES] = {"eq", "ne", "lt", "le", "gt", "ge"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (accept(p, signs[i].sign)) {
            *ret = signs[i].op;
            return true;
        }
    for (int i = 0; i < COMPARES; i++)
        if (accept_word(p, words[i])) {
            *ret = (enum compare)i;
            return true;
        }
    return false;
}

static enum qr_status comparison(struct path *p, const struct focus *focus,
                                 struct qr_xml_found *ret)
{
    enum compare op;
    struct qr_xml_found right = {0};
    bool result = false;
    QR_TRY(primary(p, focus, ret));
    if (!accept_compare(p, &op))
        return QR_OK;
    QR_TRY(primary(p, focus, &right));
    QR_TRY(compare(p, op, ret, &right, &result));
    set_boolean(ret, result);
    return QR_OK;
}

static enum qr_status conjunction(struct path *p, const struct focus *focus,
                                  struct qr_xml_found *ret)
{
    QR_TRY(comparison(p, focus, ret));
    while (accept_word(p, "and")) {
        struct qr_xml_found next = {0};
        QR_TRY(comparison(p, focus, &next));
        set_boolean(ret, is_true(ret) && is_true(&next));
    }
    return QR_OK;
}

static enum qr_status expression(struct path *p, const struct focus *focus,
                                 struct qr_xml_found *ret)
{
    if (++p->depth > NESTING_MAX)
        return qr_sql_fail(p->err, 191);
    QR_TRY(conjunction(p, focus, ret));
    while (accept_word(p, "or")) {
        struct qr_xml_found next = {0};
        QR_TRY(conjunction(p, focus, &next));
        set_boolean(ret, is_true(ret) || is_true(&next));
    }
    p->depth--;
    return QR_OK;
}

enum qr_status qr_xml_path(struct qr_arena *arena, struct qr_xml_node *context, struct qr_str text,
                           struct qr_xml_found *ret_found, struct qr_err *err)
{
    struct path p = {.arena = arena, .p = text.p, .end = text.p + text.n, .err = err};
    struct focus focus = {.node = context, .position = 1, .last = 1};
    *ret_found = (struct qr_xml_found){0};
    while (accept_word(&p, "declare")) { /* prefixes are not looked at */
        const char *semicolon = memchr(p.p, ';', (size_t)(p.end - p.p));
        if (semicolon == NULL)
            return bad_path(&p);
        p.p = semicolon + 1;
    }
    if (accept_word(&p, "for") || accept_word(&p, "let"))
        return refused(&p, qr_str("FLWOR"));
    QR_TRY(expression(&p, &focus, ret_found));
    skip(&p);
    return p.p == p.end ? QR_OK : bad_path(&p);
}
