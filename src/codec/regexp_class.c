/* Sets of characters of regular expressions: regexp_int.h. */
#include "regexp_int.h"

#include <stdlib.h>
#include <string.h>

#include "codec/utf.h"
#include "codec_classes.h"
#include "base/banned.h"

enum { CASED_END = 0x20000 }; /* no letter beyond has another case */

/* Letters with more than two forms; the others have an upper and a lower one. */
static const uint32_t orbits[][4] = {
    {'K', 'k', 0x212A},           {'S', 's', 0x17F},
    {0xC5, 0xE5, 0x212B},         {0xDF, 0x1E9E},
    {0xB5, 0x39C, 0x3BC},         {0x1C4, 0x1C5, 0x1C6},
    {0x1C7, 0x1C8, 0x1C9},        {0x1CA, 0x1CB, 0x1CC},
    {0x1F1, 0x1F2, 0x1F3},        {0x345, 0x399, 0x3B9, 0x1FBE},
    {0x392, 0x3B2, 0x3D0},        {0x395, 0x3B5, 0x3F5},
    {0x398, 0x3B8, 0x3D1, 0x3F4}, {0x39A, 0x3BA, 0x3F0},
    {0x3A0, 0x3C0, 0x3D6},        {0x3A1, 0x3C1, 0x3F1},
    {0x3A3, 0x3C2, 0x3C3},        {0x3A6, 0x3C6, 0x3D5},
    {0x3A9, 0x3C9, 0x2126},       {0x1E60, 0x1E61, 0x1E9B},
};

static enum qr_status add_range(struct qr_arena *arena, struct qri_char_set *set, uint32_t lo,
                                uint32_t hi)
{
    if (set->count > 0 && set->ranges[set->count - 1].hi + 1 == lo) {
        set->ranges[set->count - 1].hi = hi;
        return QR_OK;
    }
    set->ranges = qr_arena_grow(arena, set->ranges, set->count, &set->capacity, set->count + 1,
                                sizeof *set->ranges);
    if (set->ranges == NULL)
        return QR_NOMEM;
    set->ranges[set->count++] = (struct qri_char_range){lo, hi};
    return QR_OK;
}

/* The other cases of the characters. */
static enum qr_status add_cases(struct qr_arena *arena, struct qri_char_set *set, uint32_t lo,
                                uint32_t hi)
{
    for (uint32_t c = lo; c <= hi && c < CASED_END; c++) {
        uint32_t upper = qr_utf_upper1(c), lower = qr_utf_lower1(c);
        if (upper != c)
            QR_TRY(add_range(arena, set, upper, upper));
        if (lower != c)
            QR_TRY(add_range(arena, set, lower, lower));
    }
    for (size_t i = 0; i < sizeof orbits / sizeof orbits[0]; i++) {
        bool hit = false;
        for (size_t k = 0; k < 4 && orbits[i][k] != 0; k++)
            hit |= orbits[i][k] >= lo && orbits[i][k] <= hi;
        for (size_t k = 0; hit && k < 4 && orbits[i][k] != 0; k++)
            QR_TRY(add_range(arena, set, orbits[i][k], orbits[i][k]));
    }
    return QR_OK;
}

enum qr_status qri_set_add(struct qr_arena *arena, struct qri_char_set *set, uint32_t lo,
                           uint32_t hi, bool fold)
{
    QR_TRY(add_range(arena, set, lo, hi));
    return fold && !(lo == 0 && hi == QRI_CHAR_MAX) ? add_cases(arena, set, lo, hi) : QR_OK;
}

enum qr_status qri_set_add_set(struct qr_arena *arena, struct qri_char_set *set,
                               const struct qri_char_set *other)
{
    for (size_t i = 0; i < other->count; i++)
        QR_TRY(add_range(arena, set, other->ranges[i].lo, other->ranges[i].hi));
    return QR_OK;
}

static int by_low(const void *a, const void *b)
{
    const struct qri_char_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void qri_set_close(struct qri_char_set *set)
{
    size_t n = 0;
    if (set->count > 1)
        qsort(set->ranges, set->count, sizeof *set->ranges, by_low);
    for (size_t i = 0; i < set->count; i++) {
        struct qri_char_range r = set->ranges[i];
        if (n > 0 && r.lo <= set->ranges[n - 1].hi + 1) {
            if (r.hi > set->ranges[n - 1].hi)
                set->ranges[n - 1].hi = r.hi;
        } else {
            set->ranges[n++] = r;
        }
    }
    set->count = n;
}

enum qr_status qri_set_negate(struct qr_arena *arena, struct qri_char_set *set)
{
    struct qri_char_set out = {0};
    uint32_t from = 0;
    qri_set_close(set);
    for (size_t i = 0; i < set->count; i++) {
        if (set->ranges[i].lo > from)
            QR_TRY(add_range(arena, &out, from, set->ranges[i].lo - 1));
        from = set->ranges[i].hi + 1;
    }
    if (from <= QRI_CHAR_MAX)
        QR_TRY(add_range(arena, &out, from, QRI_CHAR_MAX));
    *set = out;
    return QR_OK;
}

bool qri_set_has(const struct qri_char_set *set, uint32_t c)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (set->ranges[mid].hi < c)
            low = mid + 1;
        else
            high = mid;
    }
    return low < set->count && set->ranges[low].lo <= c;
}

/* --- classes with names --- */

static const struct ascii_class {
    enum qri_class_kind kind;
    const char *name, *ranges; /* pairs of bytes */
} ascii_classes[] = {
    /* clang-format off */
    {QRI_CLASS_PERL,  "d",      "09"},       {QRI_CLASS_PERL,  "s",      "\t\n\f\r  "},
    {QRI_CLASS_PERL,  "w",      "09AZ__az"}, {QRI_CLASS_POSIX, "alnum",  "09AZaz"},
    {QRI_CLASS_POSIX, "alpha",  "AZaz"},     {QRI_CLASS_POSIX, "blank",  "\t\t  "},
    {QRI_CLASS_POSIX, "cntrl",  "\x01\x1f\x7f\x7f"},
    {QRI_CLASS_POSIX, "digit",  "09"},       {QRI_CLASS_POSIX, "graph",  "!~"},
    {QRI_CLASS_POSIX, "lower",  "az"},       {QRI_CLASS_POSIX, "print",  " ~"},
    {QRI_CLASS_POSIX, "punct",  "!/:@[`{~"}, {QRI_CLASS_POSIX, "space",  "\t\r  "},
    {QRI_CLASS_POSIX, "upper",  "AZ"},       {QRI_CLASS_POSIX, "word",   "09AZ__az"},
    {QRI_CLASS_POSIX, "xdigit", "09AFaf"},
    /* clang-format on */
};

static enum qr_status add_ascii(struct qr_arena *arena, struct qri_char_set *set,
                                enum qri_class_kind kind, struct qr_str name, bool fold,
                                bool *ret_known)
{
    *ret_known = true;
    if (kind == QRI_CLASS_POSIX && qr_str_eq(name, qr_str("ascii")))
        return qri_set_add(arena, set, 0, 0x7F, fold);
    for (size_t i = 0; i < sizeof ascii_classes / sizeof ascii_classes[0]; i++) {
        const struct ascii_class *c = &ascii_classes[i];
        if (c->kind != kind || !qr_str_eq(name, qr_str(c->name)))
            continue;
        if (c->ranges[0] == '\x01') /* NUL is a control character too */
            QR_TRY(qri_set_add(arena, set, 0, 0, false));
        for (const char *r = c->ranges; *r != '\0'; r += 2)
            QR_TRY(qri_set_add(arena, set, (unsigned char)r[0], (unsigned char)r[1], fold));
        return QR_OK;
    }
    *ret_known = false;
    return QR_OK;
}

static enum qr_status add_unicode(struct qr_arena *arena, struct qri_char_set *set,
                                  struct qr_str name, bool fold, bool *ret_known)
{
    *ret_known = true;
    if (qr_str_eq(name, qr_str("Any")))
        return qri_set_add(arena, set, 0, QRI_CHAR_MAX, false);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (!qr_str_eq(name, qr_str(classes[i].name)))
            continue;
        for (size_t k = 0; k < classes[i].count; k++) {
            const struct qri_char_range *r = &class_ranges[classes[i].first + k];
            QR_TRY(qri_set_add(arena, set, r->lo, r->hi, fold));
        }
        return QR_OK;
    }
    *ret_known = false;
    return QR_OK;
}

enum qr_status qri_set_add_class(struct qr_arena *arena, struct qri_char_set *set,
                                 enum qri_class_kind kind, struct qr_str name, bool negated,
                                 bool fold, bool *ret_known)
{
    struct qri_char_set named = {0};
    if (kind == QRI_CLASS_UNICODE)
        QR_TRY(add_unicode(arena, &named, name, fold, ret_known));
    else
        QR_TRY(add_ascii(arena, &named, kind, name, fold, ret_known));
    if (negated)
        QR_TRY(qri_set_negate(arena, &named));
    return qri_set_add_set(arena, set, &named);
}
