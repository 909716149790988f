/* xml_tree.c - see expr/xml.h: text to tree and back */
#include "expr/xml.h"
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

enum { MARK = 1 }; /* begins a context; no XML text has it */

struct reader {
    struct qr_arena *arena;
    const char *p, *end;
    struct qr_xml_node *at; /* the element that is open */
    unsigned depth;
    struct qr_err *err;
};

static enum qr_status malformed(struct reader *r)
{
    return qr_sql_fail(r->err, r->p >= r->end ? 9400 : 9455);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == '-' || u == '.' || u == ':' || u >= 0x80;
}

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && is_blank(*r->p))
        r->p++;
}

static bool starts(const struct reader *r, const char *s)
{
    size_t n = strlen(s);
    return (size_t)(r->end - r->p) >= n && memcmp(r->p, s, n) == 0;
}

static struct qr_str read_name(struct reader *r)
{
    const char *begin = r->p;
    while (r->p < r->end && is_name_char(*r->p))
        r->p++;
    return qr_str_n(begin, (size_t)(r->p - begin));
}

static size_t put_utf8(char *out, unsigned long c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Entities only shrink. 0: it is none. */
static size_t undo_entity(struct qr_str s, size_t *at, char *out)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}};
    const char *p = s.p + *at + 1;
    size_t left = s.n - *at - 1;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t n = strlen(known[i].name);
        if (left >= n && memcmp(p, known[i].name, n) == 0) {
            *out = known[i].c;
            *at += n + 1;
            return 1;
        }
    }
    const char *semicolon = left > 0 && *p == '#' ? memchr(p, ';', left < 12 ? left : 12) : NULL;
    if (semicolon == NULL)
        return 0;
    char digits[16] = {0};
    memcpy(digits, p + 1, (size_t)(semicolon - p - 1));
    bool hex = digits[0] == 'x';
    unsigned long c = strtoul(digits + hex, NULL, hex ? 16 : 10);
    if (c == 0 || c > 0x10FFFF)
        return 0;
    *at += (size_t)(semicolon - p) + 2;
    return put_utf8(out, c);
}

static enum qr_status unescape(struct reader *r, struct qr_str s, struct qr_str *ret)
{
    if (s.n == 0 || memchr(s.p, '&', s.n) == NULL) {
        *ret = s;
        return QR_OK;
    }
    char *out = qr_arena_alloc(r->arena, s.n + 1);
    if (out == NULL)
        return qr_fail(r->err, QR_NOMEM, "read XML");
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        size_t made = s.p[i] == '&' ? undo_entity(s, &i, out + n) : 0;
        if (made == 0 && s.p[i] == '&')
            return qr_sql_fail(r->err, 9411);
        if (made == 0)
            out[n++] = s.p[i++];
        n += made;
    }
    *ret = qr_str_n(out, n);
    return QR_OK;
}

static struct qr_xml_node *add(struct reader *r, enum qr_xml_kind kind)
{
    struct qr_xml_node *node = qr_arena_alloc(r->arena, sizeof *node);
    if (node == NULL)
        return NULL;
    *node = (struct qr_xml_node){.kind = kind, .parent = r->at};
    if (r->at == NULL)
        return node;
    struct qr_xml_node **first = kind == QR_XML_ATTRIBUTE ? &r->at->attributes : &r->at->first;
    struct qr_xml_node **last = kind == QR_XML_ATTRIBUTE ? &r->at->last_attribute : &r->at->last;
    if (*last == NULL)
        *first = node;
    else
        (*last)->next = node;
    *last = node;
    return node;
}

static enum qr_status add_text(struct reader *r, struct qr_str text)
{
    struct qr_xml_node *last = r->at->last;
    if (last != NULL && last->kind == QR_XML_TEXT) { /* beside CDATA: one text */
        char *both = qr_arena_alloc(r->arena, last->text.n + text.n + 1);
        if (both == NULL)
            return qr_fail(r->err, QR_NOMEM, "read XML");
        memcpy(both, last->text.p, last->text.n);
        memcpy(both + last->text.n, text.p, text.n);
        last->text = qr_str_n(both, last->text.n + text.n);
        return QR_OK;
    }
    struct qr_xml_node *node = add(r, QR_XML_TEXT);
    if (node == NULL)
        return qr_fail(r->err, QR_NOMEM, "read XML");
    node->text = text;
    return QR_OK;
}

static enum qr_status read_text(struct reader *r)
{
    const char *begin = r->p;
    bool blank = true;
    while (r->p < r->end && *r->p != '<')
        blank &= is_blank(*r->p++);
    struct qr_str text;
    if (blank)
        return QR_OK;
    QR_TRY(unescape(r, qr_str_n(begin, (size_t)(r->p - begin)), &text));
    return add_text(r, text);
}

static enum qr_status read_attributes(struct reader *r)
{
    for (;;) {
        skip_blanks(r);
        struct qr_str name = read_name(r);
        if (name.n == 0)
            return QR_OK;
        skip_blanks(r);
        if (r->p >= r->end || *r->p++ != '=')
            return malformed(r);
        skip_blanks(r);
        char quote = r->p < r->end ? *r->p : '\0';
        const char *begin = r->p + 1;
        const char *close =
            quote == '"' || quote == '\'' ? memchr(begin, quote, (size_t)(r->end - begin)) : NULL;
        if (close == NULL)
            return malformed(r);
        struct qr_xml_node *node = add(r, QR_XML_ATTRIBUTE);
        if (node == NULL)
            return qr_fail(r->err, QR_NOMEM, "read XML");
        node->name = name;
        QR_TRY(unescape(r, qr_str_n(begin, (size_t)(close - begin)), &node->text));
        r->p = close + 1;
    }
}

static enum qr_status open_tag(struct reader *r)
{
    struct qr_xml_node *node = add(r, QR_XML_ELEMENT);
    if (node == NULL)
        return qr_fail(r->err, QR_NOMEM, "read XML");
    r->p++;
    node->name = read_name(r);
    if (node->name.n == 0)
        return malformed(r);
    if (++r->depth > QR_XML_DEPTH_MAX)
        return qr_sql_fail(r->err, 6335, QR_XML_DEPTH_MAX);
    r->at = node;
    QR_TRY(read_attributes(r));
    bool empty = starts(r, "/>");
    if (!empty && !starts(r, ">"))
        return malformed(r);
    r->p += empty ? 2 : 1;
    if (empty) {
        r->at = node->parent;
        r->depth--;
    }
    return QR_OK;
}

static enum qr_status close_tag(struct reader *r)
{
    r->p += 2;
    struct qr_str name = read_name(r);
    skip_blanks(r);
    if (r->at->kind != QR_XML_ELEMENT || !qr_str_eq(name, r->at->name))
        return qr_sql_fail(r->err, 9436);
    if (r->p >= r->end || *r->p++ != '>')
        return malformed(r);
    r->at = r->at->parent;
    r->depth--;
    return QR_OK;
}

/* Skips from an opening to its end; NULL text: what stands between is left out. */
static enum qr_status skip_to(struct reader *r, size_t open, const char *close, bool is_text)
{
    const char *begin = r->p + open;
    size_t n = strlen(close);
    for (r->p = begin; (size_t)(r->end - r->p) >= n; r->p++)
        if (memcmp(r->p, close, n) == 0) {
            struct qr_str text = qr_str_n(begin, (size_t)(r->p - begin));
            r->p += n;
            return is_text ? add_text(r, text) : QR_OK;
        }
    r->p = r->end;
    return malformed(r);
}

static enum qr_status read_all(struct reader *r)
{
    while (r->p < r->end) {
        if (*r->p != '<')
            QR_TRY(read_text(r));
        else if (starts(r, "</"))
            QR_TRY(close_tag(r));
        else if (starts(r, "<!--"))
            QR_TRY(skip_to(r, 4, "-->", false));
        else if (starts(r, "<![CDATA["))
            QR_TRY(skip_to(r, 9, "]]>", true));
        else if (starts(r, "<?"))
            QR_TRY(skip_to(r, 2, "?>", false));
        else if (starts(r, "<!"))
            return qr_sql_fail(r->err, 6359);
        else
            QR_TRY(open_tag(r));
    }
    return r->at->kind == QR_XML_DOCUMENT ? QR_OK : malformed(r);
}

/* "\1" depth, ':' element, '#' text or '@' attribute, then the chain of elements as XML. */
static enum qr_status find_context(struct reader *r, struct qr_xml_node *document, unsigned depth,
                                   char kind, struct qr_xml_node **ret_context)
{
    struct qr_xml_node *node = document;
    for (unsigned i = 0; i < depth && node != NULL; i++)
        node = node->first;
    if (node != NULL && kind != ':')
        node = kind == '@' ? node->attributes : node->first;
    if (node == NULL)
        return malformed(r);
    *ret_context = node;
    return QR_OK;
}

enum qr_status qr_xml_read(struct qr_arena *arena, struct qr_str text,
                           struct qr_xml_node **ret_context, struct qr_err *err)
{
    struct reader r = {.arena = arena, .p = text.p, .end = text.p + text.n, .err = err};
    unsigned depth = 0;
    char kind = '\0';
    if (text.n > 0 && *r.p == MARK) {
        for (r.p++; r.p < r.end && *r.p >= '0' && *r.p <= '9' && depth < 1000; r.p++)
            depth = depth * 10 + (unsigned)(*r.p - '0');
        kind = r.p < r.end ? *r.p++ : ':';
    }
    struct qr_xml_node *document = add(&r, QR_XML_DOCUMENT);
    if (document == NULL)
        return qr_fail(err, QR_NOMEM, "read XML");
    r.at = document;
    QR_TRY(read_all(&r));
    *ret_context = document;
    return kind == '\0' ? QR_OK : find_context(&r, document, depth, kind, ret_context);
}

/* ---- writing ---- */

static void put_escaped(struct qr_buf *out, struct qr_str s, bool in_attribute)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '&')
            qr_buf_addz(out, "&amp;");
        else if (c == '<')
            qr_buf_addz(out, "&lt;");
        else if (c == '>')
            qr_buf_addz(out, "&gt;");
        else if (c == '"' && in_attribute)
            qr_buf_addz(out, "&quot;");
        else
            qr_buf_add8(out, (uint8_t)c);
    }
}

static void put_attribute(struct qr_buf *out, const struct qr_xml_node *a)
{
    qr_buf_add8(out, ' ');
    qr_buf_addstr(out, a->name);
    qr_buf_addz(out, "=\"");
    put_escaped(out, a->text, true);
    qr_buf_add8(out, '"');
}

static void put_open(struct qr_buf *out, const struct qr_xml_node *element,
                     const struct qr_xml_node *only)
{
    qr_buf_add8(out, '<');
    qr_buf_addstr(out, element->name);
    for (const struct qr_xml_node *a = element->attributes; a != NULL; a = a->next)
        if (only == NULL || a == only)
            put_attribute(out, a);
}

static void put_close(struct qr_buf *out, const struct qr_xml_node *element)
{
    qr_buf_addz(out, "</");
    qr_buf_addstr(out, element->name);
    qr_buf_add8(out, '>');
}

/* As deep as the tree, which is bounded. */
void qr_xml_write(struct qr_buf *out, const struct qr_xml_node *node)
{
    if (node->kind == QR_XML_TEXT || node->kind == QR_XML_ATTRIBUTE) {
        put_escaped(out, node->text, false);
        return;
    }
    bool is_element = node->kind == QR_XML_ELEMENT;
    if (is_element) {
        put_open(out, node, NULL);
        qr_buf_addz(out, node->first == NULL ? "/>" : ">");
    }
    for (const struct qr_xml_node *child = node->first; child != NULL; child = child->next)
        qr_xml_write(out, child);
    if (is_element && node->first != NULL)
        put_close(out, node);
}

void qr_xml_write_context(struct qr_buf *out, const struct qr_xml_node *node)
{
    const struct qr_xml_node *chain[QR_XML_DEPTH_MAX];
    size_t depth = 0;
    bool is_attribute = node->kind == QR_XML_ATTRIBUTE;
    for (const struct qr_xml_node *up = node->parent; up != NULL && depth < QR_XML_DEPTH_MAX;
         up = up->parent)
        if (up->kind == QR_XML_ELEMENT)
            chain[depth++] = up;
    bool is_element = node->kind == QR_XML_ELEMENT;
    qr_buf_add8(out, MARK);
    qr_buf_printf(out, "%zu%c", depth + (is_element ? 1 : 0),
                  node->kind == QR_XML_TEXT ? '#'
                  : is_attribute            ? '@'
                                            : ':');
    for (size_t i = depth; i > 0; i--) {
        put_open(out, chain[i - 1], is_attribute && i == 1 ? node : NULL);
        qr_buf_add8(out, '>');
    }
    if (!is_attribute)
        qr_xml_write(out, node);
    for (size_t i = 0; i < depth; i++)
        put_close(out, chain[i]);
}

void qr_xml_string(struct qr_buf *out, const struct qr_xml_node *node)
{
    qr_buf_addstr(out, node->text);
    for (const struct qr_xml_node *child = node->first; child != NULL; child = child->next)
        qr_xml_string(out, child);
}
