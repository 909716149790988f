/* [...] and \d, \pN in patterns: regexp_parse_int.h. */
#include <string.h>

#include "codec/utf.h"
#include "regexp_parse_int.h"
#include "base/banned.h"

static enum qr_status too_large(const struct qri_regexp_parser *p)
{
    return qri_regexp_too_large(p->re, p->err);
}

enum qr_status qri_regexp_set_node(struct qri_regexp_parser *p, const struct qri_char_set *set,
                                   struct qri_regexp_node **ret_node)
{
    struct qr_regexp *re = p->re;
    QR_TRY(qri_regexp_node(p, QRI_RE_SET, ret_node));
    re->sets = qr_arena_grow(&re->arena, re->sets, re->set_count, &re->set_capacity,
                             re->set_count + 1, sizeof *re->sets);
    if (re->sets == NULL)
        return too_large(p);
    (*ret_node)->index = (uint32_t)re->set_count;
    re->sets[re->set_count++] = *set;
    return QR_OK;
}

static enum qr_status named(struct qri_regexp_parser *p, struct qri_char_set *set,
                            enum qri_class_kind kind, struct qr_str name, bool negated, size_t from)
{
    bool known = false;
    bool fold = p->flags & QR_REGEXP_FOLD;
    if (qri_set_add_class(&p->re->arena, set, kind, name, negated, fold, &known) != QR_OK)
        return too_large(p);
    return known ? QR_OK : qri_regexp_bad(p, "invalid character class range", from);
}

/* At \p or \P: one letter, or a name in braces that may begin with ^. */
static enum qr_status unicode_class(struct qri_regexp_parser *p, struct qri_char_set *set)
{
    size_t from = p->pos;
    bool negated = p->s.p[from + 1] == 'P';
    p->pos += 2;
    if (p->pos >= p->s.n)
        return qri_regexp_bad(p, "invalid character class range", from);
    struct qr_str name = qr_str_n(p->s.p + p->pos, 0);
    if (!qri_regexp_at(p, '{')) {
        (void)qr_utf_next(p->s, &p->pos);
        name.n = (size_t)(p->s.p + p->pos - name.p);
        return named(p, set, QRI_CLASS_UNICODE, name, negated, from);
    }
    const char *end = memchr(name.p, '}', p->s.n - p->pos);
    p->pos = end == NULL ? p->s.n : (size_t)(end - p->s.p) + 1;
    if (end == NULL)
        return qri_regexp_bad(p, "invalid character class range", from);
    name = qr_str_n(name.p + 1, (size_t)(end - name.p) - 1);
    if (name.n > 0 && name.p[0] == '^') {
        negated = !negated;
        name = qr_str_n(name.p + 1, name.n - 1);
    }
    return named(p, set, QRI_CLASS_UNICODE, name, negated, from);
}

enum qr_status qri_regexp_class_escape(struct qri_regexp_parser *p, struct qri_char_set *set,
                                       bool *ret_is_class)
{
    *ret_is_class = false;
    if (!qri_regexp_at(p, '\\') || p->pos + 1 >= p->s.n)
        return QR_OK;
    char ch = p->s.p[p->pos + 1], low = (char)(ch | 0x20);
    *ret_is_class = low == 'd' || low == 's' || low == 'w' || low == 'p';
    if (!*ret_is_class)
        return QR_OK;
    if (low == 'p')
        return unicode_class(p, set);
    p->pos += 2;
    return named(p, set, QRI_CLASS_PERL, qr_str_n(&low, 1), ch != low, p->pos - 2);
}

/* [:alpha:] and [:^alpha:] within [...]. */
static enum qr_status posix_class(struct qri_regexp_parser *p, struct qri_char_set *set,
                                  bool *ret_is_class)
{
    size_t from = p->pos;
    *ret_is_class = false;
    if (!qri_regexp_starts(p, from, "[:"))
        return QR_OK;
    for (size_t i = from + 2; i + 1 < p->s.n; i++) {
        if (p->s.p[i] != ':' || p->s.p[i + 1] != ']')
            continue;
        struct qr_str name = qr_str_n(p->s.p + from + 2, i - from - 2);
        bool negated = name.n > 0 && name.p[0] == '^';
        if (negated)
            name = qr_str_n(name.p + 1, name.n - 1);
        p->pos = i + 2;
        *ret_is_class = true;
        return named(p, set, QRI_CLASS_POSIX, name, negated, from);
    }
    return QR_OK;
}

static enum qr_status set_char(struct qri_regexp_parser *p, uint32_t *ret_c)
{
    if (p->pos >= p->s.n)
        return qri_regexp_missing(p, "]");
    if (qri_regexp_at(p, '\\'))
        return qri_regexp_escape(p, ret_c);
    *ret_c = qr_utf_next(p->s, &p->pos);
    return QR_OK;
}

static enum qr_status set_range(struct qri_regexp_parser *p, struct qri_char_set *set)
{
    size_t from = p->pos;
    uint32_t lo = 0, hi = 0;
    QR_TRY(set_char(p, &lo));
    hi = lo;
    if (qri_regexp_at(p, '-') && p->pos + 1 < p->s.n && p->s.p[p->pos + 1] != ']') {
        p->pos++;
        QR_TRY(set_char(p, &hi));
        if (hi < lo)
            return qri_regexp_bad(p, "invalid character class range", from);
    }
    bool fold = p->flags & QR_REGEXP_FOLD;
    return qri_set_add(&p->re->arena, set, lo, hi, fold) == QR_OK ? QR_OK : too_large(p);
}

enum qr_status qri_regexp_class(struct qri_regexp_parser *p, struct qri_regexp_node **ret_node)
{
    struct qri_char_set set = {0};
    p->pos++;
    bool negated = qri_regexp_at(p, '^'), first = true;
    p->pos += negated;
    for (; first || !qri_regexp_at(p, ']'); first = false) {
        bool is_class = false;
        if (p->pos >= p->s.n)
            return qri_regexp_missing(p, "]");
        QR_TRY(posix_class(p, &set, &is_class));
        if (!is_class)
            QR_TRY(qri_regexp_class_escape(p, &set, &is_class));
        if (!is_class)
            QR_TRY(set_range(p, &set));
    }
    p->pos++;
    qri_set_close(&set);
    if (negated && qri_set_negate(&p->re->arena, &set) != QR_OK)
        return too_large(p);
    return qri_regexp_set_node(p, &set, ret_node);
}
