/* xml_path.c - see expr/xml.h: following a path */
#include "xml_int.h"
#include <math.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

enum { NESTING_MAX = 32, NODES_MAX = 4 << 20, STEPS_MAX = 64 << 20 };

/* ---- reading ---- */

bool qri_xml_is_word(struct qr_str s, const char *word)
{
    return qr_str_eq(s, qr_str(word));
}

static void skip(struct qri_xml_path *p)
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

bool qri_xml_accept(struct qri_xml_path *p, const char *s)
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
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == '-' || u == '.' || u >= 0x80;
}

static bool at_name(struct qri_xml_path *p)
{
    skip(p);
    return p->p < p->end && is_name_char(*p->p) && *p->p != '-' && *p->p != '.' &&
           (*p->p < '0' || *p->p > '9');
}

/* A name with its prefix left out, unless it is a function's. */
static struct qr_str read_name(struct qri_xml_path *p, bool keep_prefix)
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

static bool accept_word(struct qri_xml_path *p, const char *word)
{
    const char *before = p->p;
    if (at_name(p) && qri_xml_is_word(read_name(p, true), word))
        return true;
    p->p = before;
    return false;
}

enum qr_status qri_xml_bad_path(const struct qri_xml_path *p)
{
    char near[24];
    size_t n = (size_t)(p->end - p->p);
    n = n < sizeof near - 1 ? n : sizeof near - 1;
    memcpy(near, p->p, n);
    near[n] = '\0';
    return qr_sql_fail(p->err, 2209, near);
}

enum qr_status qri_xml_refused(const struct qri_xml_path *p, struct qr_str what)
{
    return qr_fail(p->err, QR_UNSUPPORTED, "%.*s in a path over xml is not supported", (int)what.n,
                   what.p);
}

/* ---- nodes ---- */

static enum qr_status push(struct qri_xml_path *p, struct qr_xml_found *f, struct qr_xml_node *node)
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
           qr_str_eq(qri_xml_local_name(node->name), s->name);
}

static enum qr_status spend(struct qri_xml_path *p)
{
    if (++p->steps <= STEPS_MAX)
        return QR_OK;
    return qr_fail(p->err, QR_UNSUPPORTED, "a path over xml that takes more than %d steps",
                   (int)STEPS_MAX);
}

static enum qr_status take(struct qri_xml_path *p, const struct step *s, struct qr_xml_node *from,
                           struct qr_xml_found *ret)
{
    QR_TRY(spend(p));
    if (s->axis == PARENT)
        return from->parent == NULL ? QR_OK : push(p, ret, from->parent);
    if (s->axis == SELF)
        return push(p, ret, from);
    struct qr_xml_node *node = s->axis == ATTRIBUTE ? from->attributes : from->first;
    for (; node != NULL; node = node->next) {
        QR_TRY(spend(p));
        if (fits(s, node))
            QR_TRY(push(p, ret, node));
    }
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

static enum qr_status filter(struct qri_xml_path *p, struct qr_xml_found *all, size_t from)
{
    const char *begin = p->p;
    size_t kept = from, last = all->count - from;
    bool any = false;
    for (size_t i = from; i < all->count || !any; i++) { /* read once even if there is nothing */
        static struct qr_xml_node nothing = {.kind = QR_XML_DOCUMENT};
        struct qri_xml_focus focus = {.node = i < all->count ? all->nodes[i] : &nothing,
                                      .position = i - from + 1,
                                      .last = last};
        struct qr_xml_found found = {0};
        p->p = begin;
        any = true;
        QR_TRY(qri_xml_expression(p, &focus, &found));
        if (!qri_xml_accept(p, "]"))
            return qri_xml_bad_path(p);
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

static enum qr_status filters(struct qri_xml_path *p, struct qr_xml_found *all, size_t from)
{
    const char *begin = p->p;
    while (qri_xml_accept(p, "[")) {
        QR_TRY(filter(p, all, from));
        begin = p->p;
    }
    p->p = begin;
    return QR_OK;
}

static enum qr_status read_step(struct qri_xml_path *p, struct step *s)
{
    static const struct {
        const char *name;
        int axis;
    } axes[] = {
        {"child::", CHILD}, {"attribute::", ATTRIBUTE}, {"parent::", PARENT}, {"self::", SELF}};
    s->axis = CHILD;
    s->test = TEST_NODE;
    if (qri_xml_accept(p, "..")) {
        s->axis = PARENT;
        return QR_OK;
    }
    if (qri_xml_accept(p, ".")) {
        s->axis = SELF;
        return QR_OK;
    }
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++)
        if (qri_xml_accept(p, axes[i].name))
            s->axis = axes[i].axis;
    if (qri_xml_accept(p, "@"))
        s->axis = ATTRIBUTE;
    if (qri_xml_accept(p, "*:") || at_name(p)) {
        s->name = read_name(p, false);
        s->test = TEST_NAME;
        if (qri_xml_accept(p, "()"))
            s->test = qri_xml_is_word(s->name, "text") ? TEST_TEXT : TEST_NODE;
        return QR_OK;
    }
    s->test = TEST_ANY_ELEMENT;
    return qri_xml_accept(p, "*") ? QR_OK : qri_xml_bad_path(p);
}

/* From each node of `found` on; predicates count within each node's own. */
static enum qr_status follow(struct qri_xml_path *p, bool descends, struct qr_xml_found *found)
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

static enum qr_status location(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                               struct qr_xml_found *ret)
{
    struct qr_xml_node *node = focus->node;
    bool absolute = false, descends = qri_xml_accept(p, "//");
    if (!descends)
        absolute = qri_xml_accept(p, "/");
    while ((absolute || descends) && node->parent != NULL)
        node = node->parent;
    QR_TRY(push(p, ret, node));
    skip(p);
    bool is_root = absolute && (p->p >= p->end || strchr(")],", *p->p) != NULL);
    if (!is_root)
        QR_TRY(follow(p, descends, ret));
    for (;;) {
        if (qri_xml_accept(p, "//"))
            QR_TRY(follow(p, true, ret));
        else if (qri_xml_accept(p, "/"))
            QR_TRY(follow(p, false, ret));
        else
            return QR_OK;
    }
}

/* ---- expressions ---- */

static enum qr_status string_literal(struct qri_xml_path *p, char quote, struct qr_xml_found *ret)
{
    const char *close = memchr(p->p, quote, (size_t)(p->end - p->p));
    if (close == NULL)
        return qri_xml_bad_path(p);
    qri_xml_set_string(ret, qr_str_n(p->p, (size_t)(close - p->p)));
    p->p = close + 1;
    return QR_OK;
}

static bool at_call(struct qri_xml_path *p, struct qr_str *ret_name)
{
    const char *before = p->p;
    if (!at_name(p))
        return false;
    *ret_name = read_name(p, true);
    bool is_test = qri_xml_is_word(*ret_name, "text") || qri_xml_is_word(*ret_name, "node");
    if (!is_test && qri_xml_accept(p, "("))
        return true;
    p->p = before;
    return false;
}

static enum qr_status primary(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                              struct qr_xml_found *ret)
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
        qri_xml_set_number(ret, qri_xml_number_of(qr_str_n(begin, (size_t)(p->p - begin))));
        return QR_OK;
    }
    if (qri_xml_accept(p, "(")) {
        QR_TRY(qri_xml_expression(p, focus, ret));
        if (!qri_xml_accept(p, ")"))
            return qri_xml_bad_path(p);
        QR_TRY(filters(p, ret, 0));
        while (!ret->is_value && qri_xml_accept(p, "/"))
            QR_TRY(follow(p, qri_xml_accept(p, "/"), ret));
        return QR_OK;
    }
    if (at_call(p, &name))
        return qri_xml_call(p, focus, name, ret);
    return location(p, focus, ret);
}

static bool accept_compare(struct qri_xml_path *p, enum qri_xml_compare *ret)
{
    static const struct {
        const char *sign;
        enum qri_xml_compare op;
    } signs[] = {{"!=", QRI_XML_NE}, {"<=", QRI_XML_LE}, {">=", QRI_XML_GE},
                 {"=", QRI_XML_EQ},  {"<", QRI_XML_LT},  {">", QRI_XML_GT}};
    static const char *const words[QRI_XML_COMPARES] = {"eq", "ne", "lt", "le", "gt", "ge"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (qri_xml_accept(p, signs[i].sign)) {
            *ret = signs[i].op;
            return true;
        }
    for (int i = 0; i < QRI_XML_COMPARES; i++)
        if (accept_word(p, words[i])) {
            *ret = (enum qri_xml_compare)i;
            return true;
        }
    return false;
}

static enum qr_status comparison(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                                 struct qr_xml_found *ret)
{
    enum qri_xml_compare op;
    struct qr_xml_found right = {0};
    bool result = false;
    QR_TRY(primary(p, focus, ret));
    if (!accept_compare(p, &op))
        return QR_OK;
    QR_TRY(primary(p, focus, &right));
    QR_TRY(qri_xml_compare(p, op, ret, &right, &result));
    qri_xml_set_boolean(ret, result);
    return QR_OK;
}

static enum qr_status conjunction(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                                  struct qr_xml_found *ret)
{
    QR_TRY(comparison(p, focus, ret));
    while (accept_word(p, "and")) {
        struct qr_xml_found next = {0};
        QR_TRY(comparison(p, focus, &next));
        qri_xml_set_boolean(ret, qri_xml_is_true(ret) && qri_xml_is_true(&next));
    }
    return QR_OK;
}

enum qr_status qri_xml_expression(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                                  struct qr_xml_found *ret)
{
    if (++p->depth > NESTING_MAX)
        return qr_sql_fail(p->err, 191);
    QR_TRY(conjunction(p, focus, ret));
    while (accept_word(p, "or")) {
        struct qr_xml_found next = {0};
        QR_TRY(conjunction(p, focus, &next));
        qri_xml_set_boolean(ret, qri_xml_is_true(ret) || qri_xml_is_true(&next));
    }
    p->depth--;
    return QR_OK;
}

enum qr_status qr_xml_path(struct qr_arena *arena, struct qr_xml_node *context, struct qr_str text,
                           struct qr_xml_found *ret_found, struct qr_err *err)
{
    struct qri_xml_path p = {.arena = arena, .p = text.p, .end = text.p + text.n, .err = err};
    struct qri_xml_focus focus = {.node = context, .position = 1, .last = 1};
    *ret_found = (struct qr_xml_found){0};
    while (accept_word(&p, "declare")) { /* prefixes are not looked at */
        const char *semicolon = memchr(p.p, ';', (size_t)(p.end - p.p));
        if (semicolon == NULL)
            return qri_xml_bad_path(&p);
        p.p = semicolon + 1;
    }
    if (accept_word(&p, "for") || accept_word(&p, "let"))
        return qri_xml_refused(&p, qr_str("FLWOR"));
    QR_TRY(qri_xml_expression(&p, &focus, ret_found));
    skip(&p);
    return p.p == p.end ? QR_OK : qri_xml_bad_path(&p);
}
