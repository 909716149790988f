/* Comparison, hashing, keys and search under an order: codec/collation.h. */
#include "codec/collation.h"

#include <assert.h>
#include <string.h>

#include "base/map.h"
#include "codec/utf.h"
#include "order_int.h"
#include "base/banned.h"

const char *qr_order_sqlite_name(enum qr_order order)
{
    return qri_order_rules[order].sqlite_name;
}

enum qr_order qr_order_of(const struct qr_type *type)
{
    const struct qr_collation *c = qr_collation_get(type->collation);
    if (c == NULL)
        c = qr_collation_get(QR_COLLATION_DEFAULT);
    return c->order[qr_type_family(type) == QR_FAMILY_NCHAR || type->id == QR_TYPE_XML];
}

static struct qr_str trim_tail(struct qr_str s)
{
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

static int compare_binary(struct qr_str a, struct qr_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* --- the stream of weights of a text --- */

struct stream {
    const struct qri_order_rule *rule;
    struct qr_str text;
    size_t pos;
    const uint32_t *pending; /* rest of an expansion */
    int pending_left;
    bool expanded_upper;
    size_t element; /* how many were given */
    bool special;   /* the last call stepped over specials */
};

static struct stream stream_of(const struct qri_order_rule *rule, struct qr_str text)
{
    return (struct stream){.rule = rule, .text = text};
}

/* Combining marks after a base letter join its secondary weight as tools/gen_unicode.py joins those
 * of a precomposed one. */
static uint8_t join_marks(struct stream *s, uint8_t secondary)
{
    while (s->rule->unicode && s->pos < s->text.n && (unsigned char)s->text.p[s->pos] >= 0xcc) {
        size_t next = s->pos;
        struct qri_weight w = qri_weight_of(s->rule, qr_utf_next(s->text, &next));
        if (w.primary != 0 || w.secondary == 0)
            break;
        secondary =
            (uint8_t)(secondary == 0 ? w.secondary : 0x80 + (secondary * 7 + w.secondary) % 127);
        s->pos = next;
    }
    return secondary;
}

/* The next element with a primary weight; false at the end. */
static bool next_weight(struct stream *s, struct qri_weight *ret)
{
    if (s->pending_left > 0) {
        *ret = qri_weight_of(s->rule, *s->pending++);
        if (--s->pending_left > 0 && *s->pending == 0)
            s->pending_left = 0;
        s->element++;
        return true;
    }
    while (s->pos < s->text.n) {
        struct qri_weight w = qri_weight_of(s->rule, qr_utf_next(s->text, &s->pos));
        if (w.primary == 0)
            continue;
        if (w.primary == QRI_SPECIAL && s->rule->unicode) {
            s->special = true;
            continue;
        }
        if (w.primary == QRI_EXPAND && s->rule->unicode) {
            s->pending = qri_expansion((uint32_t)w.secondary << 8 | w.tertiary);
            s->pending_left = 3;
            return next_weight(s, ret); /* once: an expansion holds plain letters only */
        }
        w.secondary = join_marks(s, w.secondary);
        *ret = w;
        s->element++;
        return true;
    }
    return false;
}

/* The next special and how many elements stand before it; false at the end. */
static bool next_special(struct stream *s, size_t *ret_at, uint8_t *ret_which)
{
    while (s->pos < s->text.n) {
        struct qri_weight w = qri_weight_of(s->rule, qr_utf_next(s->text, &s->pos));
        if (w.primary == QRI_SPECIAL) {
            *ret_at = s->element;
            *ret_which = w.tertiary;
            return true;
        }
        if (w.primary != 0)
            s->element += w.primary == QRI_EXPAND ? 2 : 1;
    }
    return false;
}

static int compare_specials(const struct qri_order_rule *rule, struct qr_str a, struct qr_str b)
{
    struct stream x = stream_of(rule, a), y = stream_of(rule, b);
    for (;;) {
        size_t at_x = 0, at_y = 0;
        uint8_t which_x = 0, which_y = 0;
        bool more_x = next_special(&x, &at_x, &which_x);
        bool more_y = next_special(&y, &at_y, &which_y);
        if (!more_x || !more_y)
            return (int)more_x - (int)more_y;
        if (at_x != at_y)
            return at_x < at_y ? -1 : 1;
        if (which_x != which_y)
            return which_x < which_y ? -1 : 1;
    }
}

static int compare_slow(const struct qri_order_rule *rule, struct qr_str a, struct qr_str b,
                        int tertiary)
{
    struct stream x = stream_of(rule, a), y = stream_of(rule, b);
    int secondary = 0;
    for (;;) {
        struct qri_weight wx, wy;
        bool more_x = next_weight(&x, &wx), more_y = next_weight(&y, &wy);
        if (!more_x || !more_y) {
            if (more_x != more_y)
                return more_x ? 1 : -1;
            break;
        }
        if (wx.primary != wy.primary)
            return wx.primary < wy.primary ? -1 : 1;
        if (secondary == 0)
            secondary = (wx.secondary > wy.secondary) - (wx.secondary < wy.secondary);
        if (tertiary == 0)
            tertiary = (wx.tertiary > wy.tertiary) - (wx.tertiary < wy.tertiary);
    }
    if (rule->accents && secondary != 0)
        return secondary;
    if (tertiary != 0)
        return tertiary;
    return x.special || y.special ? compare_specials(rule, a, b) : 0;
}

/* --- public --- */

/* How many bytes at the start are the same and ASCII, in steps of eight. */
static size_t equal_ascii(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y || (x & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return i;
}

/* Compares while both are ordinary ASCII. True if that decides (in *ret_sign); else *at is where
 * the slow way must go on, and *ret_sign the difference in case so far. */
static bool compare_ascii(const uint64_t *keys, struct qr_str a, struct qr_str b, size_t *at,
                          int *ret_sign)
{
    size_t n = a.n < b.n ? a.n : b.n, i = equal_ascii(a.p, b.p, n);
    *ret_sign = 0;
    for (; i < n; i++) {
        unsigned char ca = (unsigned char)a.p[i], cb = (unsigned char)b.p[i];
        if ((ca | cb) >= 0x80)
            break;
        if (ca == cb) /* specials too: at one place in both they decide nothing */
            continue;
        uint64_t ka = keys[ca], kb = keys[cb];
        if (ka >> 32 == 0 || kb >> 32 == 0)
            break; /* ignorable or special: hyphen, apostrophe, controls */
        bool decided = ka >> 32 != kb >> 32;
        if ((decided || *ret_sign == 0) && ka != kb)
            *ret_sign = ka < kb ? -1 : 1;
        if (decided)
            return true;
    }
    *at = i;
    if (i < n)
        return false;
    if (a.n == b.n)
        return true;
    /* One is a prefix of the other: the longer is greater, unless marks or specials follow. */
    unsigned char next = (unsigned char)(a.n > b.n ? a.p[i] : b.p[i]);
    if (i == 0 || next >= 0x80 || keys[next] >> 32 == 0)
        return false;
    *ret_sign = a.n > b.n ? 1 : -1;
    return true;
}

int qr_order_compare(enum qr_order order, struct qr_str a, struct qr_str b)
{
    const struct qri_order_rule *rule = &qri_order_rules[order];
    a = trim_tail(a);
    b = trim_tail(b);
    if (rule->binary)
        return compare_binary(a, b);
    size_t at;
    int sign;
    if (compare_ascii(qri_ascii_keys(order), a, b, &at, &sign))
        return sign;
    size_t back = at > 0 ? at - 1 : 0; /* a mark may belong to the character before */
    a.p += back;
    a.n -= back;
    b.p += back;
    b.n -= back;
    return compare_slow(rule, a, b, sign);
}

bool qr_order_equal(enum qr_order order, struct qr_str a, struct qr_str b)
{
    if (a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0))
        return true;
    return qr_order_compare(order, a, b) == 0;
}

uint64_t qr_order_hash(enum qr_order order, struct qr_str s, uint64_t seed)
{
    const struct qri_order_rule *rule = &qri_order_rules[order];
    s = trim_tail(s);
    if (rule->binary)
        return qr_hash_bytes(s.p, s.n, seed);
    /* Primary weights alone: equal texts agree in them, and accents seldom tell keys apart. */
    struct stream x = stream_of(rule, s);
    struct qri_weight w;
    uint64_t h = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    const uint64_t *keys = qri_ascii_keys(order);
    for (;;) {
        uint32_t primary;
        unsigned char c = x.pos < s.n && x.pending_left == 0 ? (unsigned char)s.p[x.pos] : 0x80;
        if (c < 0x80 && keys[c] >> 32 != 0) {
            primary = (uint32_t)(keys[c] >> 32);
            x.pos++;
        } else if (next_weight(&x, &w)) {
            primary = w.primary;
        } else {
            break;
        }
        h = (h ^ primary) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    return h;
}

static uint8_t *put_primary(uint8_t *p, uint32_t primary)
{
    if (primary >= 0x10000) { /* 0xff leads: above every table weight, whose high byte is lower */
        *p++ = 0xff;
        *p++ = (uint8_t)(primary >> 16);
    }
    *p++ = (uint8_t)(primary >> 8);
    *p++ = (uint8_t)primary;
    return p;
}

size_t qr_order_key(enum qr_order order, struct qr_str s, uint8_t *dst)
{
    const struct qri_order_rule *rule = &qri_order_rules[order];
    s = trim_tail(s);
    uint8_t *p = dst;
    if (rule->binary) {
        if (s.n > 0)
            memcpy(p, s.p, s.n);
        return s.n;
    }
    struct qri_weight w;
    struct stream x = stream_of(rule, s);
    while (next_weight(&x, &w))
        p = put_primary(p, w.primary);
    *p++ = 0; /* primaries are above 1, so 0 0 ends them */
    *p++ = 0;
    if (rule->accents) {
        struct stream y = stream_of(rule, s);
        while (next_weight(&y, &w))
            *p++ = (uint8_t)(w.secondary + 1);
        *p++ = 0;
    }
    if (rule->cases) {
        struct stream y = stream_of(rule, s);
        while (next_weight(&y, &w))
            *p++ = (uint8_t)(w.tertiary + 1);
        *p++ = 0;
    }
    if (x.special) {
        struct stream y = stream_of(rule, s);
        size_t at;
        uint8_t which;
        while (next_special(&y, &at, &which)) {
            *p++ = (uint8_t)(at >> 16);
            *p++ = (uint8_t)(at >> 8);
            *p++ = (uint8_t)at;
            *p++ = which;
        }
    }
    assert((size_t)(p - dst) <= QR_ORDER_KEY_BYTES(s.n));
    return (size_t)(p - dst);
}

/* The key of the character at *pos, which moves on. */
static uint64_t key_at(const struct qri_order_rule *rule, const uint64_t *ascii, struct qr_str s,
                       size_t *pos)
{
    unsigned char c = (unsigned char)s.p[*pos];
    if (c < 0x80) {
        *pos += 1;
        return ascii[c];
    }
    return qri_char_key(rule, qr_utf_next(s, pos));
}

bool qr_order_search(enum qr_order order, struct qr_str text, struct qr_str needle, size_t from,
                     size_t *ret_at, size_t *ret_bytes)
{
    const struct qri_order_rule *rule = &qri_order_rules[order];
    if (rule->binary) {
        const char *at = from > text.n || needle.n == 0
                             ? NULL
                             : memmem(text.p + from, text.n - from, needle.p, needle.n);
        if (at == NULL)
            return false;
        *ret_at = (size_t)(at - text.p);
        *ret_bytes = needle.n;
        return true;
    }
    const uint64_t *ascii = qri_ascii_keys(order);
    size_t needle_rest = 0;
    if (needle.n == 0)
        return false;
    uint64_t first = key_at(rule, ascii, needle, &needle_rest);
    for (size_t at = from; at < text.n;) {
        size_t i = at, k = needle_rest;
        bool same = key_at(rule, ascii, text, &i) == first;
        size_t next = i;
        while (same && k < needle.n && i < text.n)
            same = key_at(rule, ascii, text, &i) == key_at(rule, ascii, needle, &k);
        if (same && k == needle.n) {
            *ret_at = at;
            *ret_bytes = i - at;
            return true;
        }
        at = next;
    }
    return false;
}
