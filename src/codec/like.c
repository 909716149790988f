/* LIKE and PATINDEX: codec/collation.h. */
#include "codec/collation.h"

#include <string.h>

#include "codec/utf.h"
#include "order_int.h"
#include "base/banned.h"

struct matcher {
    const struct qri_order_rule *rule;
    const uint64_t *ascii;
    struct qr_str text, pattern;
    uint32_t escape;
    bool national;
};

static uint64_t key_of(const struct matcher *m, uint32_t c)
{
    return c < 0x80 ? m->ascii[c] : qri_char_key(m->rule, c);
}

static uint32_t next_char(struct qr_str s, size_t *pos)
{
    unsigned char c = (unsigned char)s.p[*pos];
    if (c < 0x80) {
        *pos += 1;
        return c;
    }
    return qr_utf_next(s, pos);
}

/* One character of a set, after an escape if there is one; false at the end of the pattern. */
static bool set_char(const struct matcher *m, size_t *pos, uint32_t *ret_char, bool *ret_escaped)
{
    if (*pos >= m->pattern.n)
        return false;
    *ret_char = next_char(m->pattern, pos);
    *ret_escaped = m->escape != 0 && *ret_char == m->escape;
    if (*ret_escaped) {
        if (*pos >= m->pattern.n)
            return false;
        *ret_char = next_char(m->pattern, pos);
    }
    return true;
}

/* The set that begins after '[' at *pos; moves past its ']'. False also if it has no end. */
static bool match_set(const struct matcher *m, size_t *pos, uint64_t key)
{
    size_t i = *pos;
    bool negated = i < m->pattern.n && m->pattern.p[i] == '^';
    i += negated;
    bool found = false;
    uint32_t low, high;
    bool escaped;
    while (set_char(m, &i, &low, &escaped)) {
        if (low == ']' && !escaped) {
            *pos = i;
            return found != negated;
        }
        uint64_t low_key = key_of(m, low), high_key = low_key;
        if (i + 1 < m->pattern.n && m->pattern.p[i] == '-' && m->pattern.p[i + 1] != ']') {
            i++;
            if (!set_char(m, &i, &high, &escaped))
                break;
            high_key = key_of(m, high);
        }
        found |= key >= low_key && key <= high_key;
    }
    return false;
}

/* Of a ligature or sharp s its letters, ended by 0 or 3; NULL of others. */
static const uint32_t *letters_of(const struct matcher *m, uint32_t c)
{
    if (c < 0x80 || !m->rule->unicode || m->rule->binary)
        return NULL;
    struct qri_weight w = qri_weight_of(m->rule, c);
    return w.primary == QRI_EXPAND ? qri_expansion((uint32_t)w.secondary << 8 | w.tertiary) : NULL;
}

/* Whether `letters` stand at *pos of `s`; moves past them. */
static bool match_letters(const struct matcher *m, const uint32_t *letters, struct qr_str s,
                          size_t *pos)
{
    size_t i = *pos;
    for (int k = 0; k < 3 && letters[k] != 0; k++)
        if (i >= s.n || key_of(m, next_char(s, &i)) != key_of(m, letters[k]))
            return false;
    *pos = i;
    return true;
}

/* Whether the text at *text_pos matches the pattern's element at *pos, which is not '%'. */
static bool match_element(const struct matcher *m, size_t *pos, size_t *text_pos)
{
    size_t pattern_start = *pos, text_start = *text_pos;
    uint32_t text_char = next_char(m->text, text_pos);
    uint32_t c = next_char(m->pattern, pos);
    if (m->escape != 0 && c == m->escape) {
        if (*pos >= m->pattern.n)
            return false;
        c = next_char(m->pattern, pos);
    } else if (c == '_') {
        return true;
    } else if (c == '[') {
        return match_set(m, pos, key_of(m, text_char));
    }
    if (c == text_char || key_of(m, c) == key_of(m, text_char))
        return true;
    const uint32_t *letters = letters_of(m, c);
    if (letters != NULL) {
        *text_pos = text_start;
        return match_letters(m, letters, m->text, text_pos);
    }
    letters = letters_of(m, text_char);
    *pos = pattern_start;
    return letters != NULL && match_letters(m, letters, m->pattern, pos);
}

static bool is_percent(const struct matcher *m, size_t pos)
{
    return m->pattern.p[pos] == '%' && m->escape != '%';
}

static bool rest_is_blank(struct qr_str s, size_t pos)
{
    while (pos < s.n && s.p[pos] == ' ')
        pos++;
    return pos == s.n;
}

/* Where a match stands. Only the last '%' ever needs to be tried again. */
struct place {
    size_t text, pattern;
    size_t star_text, star_pattern; /* behind the last '%', where it was last tried */
    int stars;
    size_t first;    /* of the text, where the part behind a leading '%' began */
    bool first_open; /* `first` is still star_text */
};

/* At a '%': true if nothing follows it, which matches all the rest. */
static bool take_percent(const struct matcher *m, struct place *at)
{
    if (at->stars > 0 && at->first_open) {
        at->first = at->star_text;
        at->first_open = false;
    }
    if (at->pattern == 0)
        at->first_open = true;
    while (at->pattern < m->pattern.n && is_percent(m, at->pattern))
        at->pattern++;
    at->stars++;
    at->star_pattern = at->pattern;
    at->star_text = at->text;
    return at->pattern == m->pattern.n;
}

/* Lets the last '%' take one character more; false if there is none. */
static bool take_more(const struct matcher *m, struct place *at)
{
    if (at->stars == 0 || at->star_text >= m->text.n)
        return false;
    next_char(m->text, &at->star_text);
    at->text = at->star_text;
    at->pattern = at->star_pattern;
    return true;
}

static bool at_end(const struct matcher *m, const struct place *at)
{
    return at->pattern == m->pattern.n &&
           (at->text == m->text.n || (!m->national && rest_is_blank(m->text, at->text)));
}

static bool match(const struct matcher *m, size_t *ret_first)
{
    struct place at = {0};
    while (!at_end(m, &at)) {
        size_t text = at.text, pattern = at.pattern;
        if (pattern < m->pattern.n && is_percent(m, pattern)) {
            if (take_percent(m, &at))
                break;
        } else if (pattern < m->pattern.n && text == m->text.n) {
            return false; /* a later start has even less text */
        } else if (pattern < m->pattern.n && match_element(m, &pattern, &text)) {
            at.text = text;
            at.pattern = pattern;
        } else if (!take_more(m, &at)) {
            return false;
        }
    }
    *ret_first = at.first_open ? at.star_text : at.first;
    return true;
}

bool qr_like(enum qr_order order, bool national, struct qr_str text, struct qr_str pattern,
             uint32_t escape)
{
    struct matcher m = {
        &qri_order_rules[order], qri_ascii_keys(order), text, pattern, escape, national};
    size_t first;
    return match(&m, &first);
}

bool qr_like_index(enum qr_order order, bool national, struct qr_str text, struct qr_str pattern,
                   size_t *ret_at)
{
    struct matcher m = {&qri_order_rules[order], qri_ascii_keys(order), text, pattern, 0, national};
    return match(&m, ret_at);
}

enum qr_status qr_like_prefix(struct qr_str pattern, uint32_t escape, struct qr_arena *arena,
                              struct qr_str *ret_prefix, bool *ret_exact)
{
    char *out = qr_arena_alloc(arena, pattern.n + 1);
    if (out == NULL)
        return QR_NOMEM;
    size_t n = 0, i = 0;
    while (i < pattern.n) {
        size_t at = i;
        uint32_t c = next_char(pattern, &i);
        if (escape != 0 && c == escape) {
            if (i == pattern.n)
                break;
            at = i;
            next_char(pattern, &i);
            memcpy(out + n, pattern.p + at, i - at);
            n += i - at;
            continue;
        }
        if (c == '%' || c == '_' || c == '[') {
            i = at;
            break;
        }
        memcpy(out + n, pattern.p + at, i - at);
        n += i - at;
    }
    *ret_prefix = (struct qr_str){out, n};
    *ret_exact = i + 1 == pattern.n && pattern.p[i] == '%';
    return QR_OK;
}
