/* UTF-8 and UTF-16: codec/utf.h. */
#include "codec/utf.h"

#include <string.h>

#include "base/endian.h"
#include "codec_case.h" /* generated: upper_page, upper_rows, lower_page, lower_rows */
#include "base/banned.h"

enum { REPLACEMENT = 0xfffd };

static const uint64_t high_bits = UINT64_C(0x8080808080808080);

static bool is_high_surrogate(uint32_t c)
{
    return (c & 0xfffffc00u) == 0xd800;
}
static bool is_low_surrogate(uint32_t c)
{
    return (c & 0xfffffc00u) == 0xdc00;
}

/* Bytes of ASCII at the start of the text, eight at a time. */
static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if ((word & high_bits) != 0)
            break;
    }
    while (i < n && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

bool qr_utf_is_ascii(struct qr_str text)
{
    return ascii_run(text.p, text.n) == text.n;
}

/* --- one code point --- */

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The sequence at p of at most n bytes: its code point, and *ret_bytes; false if malformed. */
static bool decode(const unsigned char *p, size_t n, uint32_t *ret_code, size_t *ret_bytes)
{
    if (p[0] < 0x80) {
        *ret_code = p[0];
        *ret_bytes = 1;
        return true;
    }
    if (p[0] >= 0xc2 && p[0] < 0xe0 && n >= 2 && is_tail((char)p[1])) {
        *ret_code = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        *ret_bytes = 2;
        return true;
    }
    if (p[0] >= 0xe0 && p[0] < 0xf0 && n >= 3 && is_tail((char)p[1]) && is_tail((char)p[2])) {
        uint32_t c = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        *ret_code = c;
        *ret_bytes = 3;
        return c >= 0x800; /* surrogates are allowed: WTF-8 */
    }
    if (p[0] >= 0xf0 && p[0] < 0xf5 && n >= 4 && is_tail((char)p[1]) && is_tail((char)p[2]) &&
        is_tail((char)p[3])) {
        uint32_t c = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                     (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        *ret_code = c;
        *ret_bytes = 4;
        return c >= 0x10000 && c <= 0x10ffff;
    }
    return false;
}

uint32_t qr_utf_next(struct qr_str text, size_t *pos)
{
    uint32_t code;
    size_t bytes;
    if (!decode((const unsigned char *)text.p + *pos, text.n - *pos, &code, &bytes)) {
        *pos += 1;
        return REPLACEMENT;
    }
    *pos += bytes;
    return code;
}

size_t qr_utf_put(uint32_t c, char *dst)
{
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        dst[0] = (char)(0xc0 | c >> 6);
        dst[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        dst[0] = (char)(0xe0 | c >> 12);
        dst[1] = (char)(0x80 | (c >> 6 & 0x3f));
        dst[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    dst[0] = (char)(0xf0 | c >> 18);
    dst[1] = (char)(0x80 | (c >> 12 & 0x3f));
    dst[2] = (char)(0x80 | (c >> 6 & 0x3f));
    dst[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* --- both ways --- */

size_t qr_utf8_from_utf16le(const void *src, size_t units, char *dst)
{
    const uint8_t *p = src;
    char *out = dst;
    size_t i = 0;
    while (i < units) {
        /* Four ASCII units at a time. */
        for (; i + 4 <= units; i += 4) {
            uint64_t word = qr_get64le(p + 2 * i);
            if ((word & UINT64_C(0xff80ff80ff80ff80)) != 0)
                break;
            out[0] = (char)word;
            out[1] = (char)(word >> 16);
            out[2] = (char)(word >> 32);
            out[3] = (char)(word >> 48);
            out += 4;
        }
        if (i == units)
            break;
        uint32_t c = qr_get16le(p + 2 * i++);
        if (is_high_surrogate(c) && i < units && is_low_surrogate(qr_get16le(p + 2 * i)))
            c = 0x10000 + ((c - 0xd800) << 10) + (uint32_t)(qr_get16le(p + 2 * i++) - 0xdc00);
        out += qr_utf_put(c, out);
    }
    return (size_t)(out - dst);
}

size_t qr_utf16le_from_utf8(struct qr_str src, void *dst)
{
    uint8_t *out = dst;
    for (size_t i = 0; i < src.n;) {
        size_t run = ascii_run(src.p + i, src.n - i);
        for (size_t k = 0; k < run; k++) {
            out[0] = (uint8_t)src.p[i + k];
            out[1] = 0;
            out += 2;
        }
        i += run;
        if (i == src.n)
            break;
        uint32_t c = qr_utf_next(src, &i);
        if (c >= 0x10000) {
            qr_put16le(out, (uint16_t)(0xd800 + ((c - 0x10000) >> 10)));
            out += 2;
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        qr_put16le(out, (uint16_t)c);
        out += 2;
    }
    return (size_t)(out - (uint8_t *)dst) / 2;
}

/* --- positions --- */

size_t qr_utf16_units(struct qr_str text)
{
    size_t units = 0;
    for (size_t i = 0; i < text.n;) {
        size_t run = ascii_run(text.p + i, text.n - i);
        units += run;
        i += run;
        if (i < text.n)
            units += qr_utf_next(text, &i) >= 0x10000 ? 2 : 1;
    }
    return units;
}

/* Walks to unit `units`: the byte reached without splitting, and how many units that is. */
static size_t walk(struct qr_str text, size_t units, size_t *ret_units)
{
    size_t done = 0, i = 0;
    while (i < text.n && done < units) {
        size_t left = units - done;
        size_t run = ascii_run(text.p + i, text.n - i < left ? text.n - i : left);
        done += run;
        i += run;
        if (i == text.n || done == units)
            break;
        size_t next = i;
        size_t width = qr_utf_next(text, &next) >= 0x10000 ? 2 : 1;
        if (done + width > units)
            break;
        done += width;
        i = next;
    }
    *ret_units = done;
    return i;
}

size_t qr_utf_prefix(struct qr_str text, size_t units)
{
    size_t done;
    return text.n <= units ? text.n : walk(text, units, &done);
}

size_t qr_utf_byte_of_unit(struct qr_str text, size_t index)
{
    size_t done;
    return walk(text, index, &done);
}

enum qr_status qr_utf_substr(struct qr_str text, size_t from, size_t units, struct qr_arena *arena,
                             struct qr_str *ret_text)
{
    size_t at_units;
    size_t start = walk(text, from, &at_units);
    struct qr_str rest = {text.p + start, text.n - start};
    bool cut_first = rest.n > 0 && at_units < from;
    if (cut_first) { /* `from` is the low half of the pair at `start` */
        rest.p += 4;
        rest.n -= 4;
    }
    size_t want = cut_first && units > 0 ? units - 1 : units;
    size_t got_units;
    size_t end = walk(rest, want, &got_units);
    bool cut_last = end < rest.n && got_units < want;
    if ((!cut_first && !cut_last) || units == 0) {
        *ret_text = (struct qr_str){rest.p, units == 0 ? 0 : end};
        return QR_OK;
    }
    char *out = qr_arena_alloc(arena, end + 6);
    if (out == NULL)
        return QR_NOMEM;
    size_t n = 0, pos = start;
    if (cut_first)
        n += qr_utf_put(0xdc00 + ((qr_utf_next(text, &pos) - 0x10000) & 0x3ff), out);
    memcpy(out + n, rest.p, end);
    n += end;
    pos = end;
    if (cut_last)
        n += qr_utf_put(0xd800 + ((qr_utf_next(rest, &pos) - 0x10000) >> 10), out + n);
    *ret_text = (struct qr_str){out, n};
    return QR_OK;
}

enum qr_status qr_utf_join(struct qr_arena *arena, struct qr_str a, struct qr_str b,
                           struct qr_str *ret_text)
{
    if (a.n == 0 || b.n == 0) {
        *ret_text = a.n == 0 ? b : a;
        return QR_OK;
    }
    char *out = qr_arena_alloc(arena, a.n + b.n + 1);
    if (out == NULL)
        return QR_NOMEM;
    memcpy(out, a.p, a.n);
    size_t n = a.n, skip = 0;
    if (a.n >= 3 && b.n >= 3 && (unsigned char)b.p[0] == 0xed) {
        size_t pos_a = a.n - 3, pos_b = 0;
        uint32_t high = qr_utf_next(a, &pos_a), low = qr_utf_next(b, &pos_b);
        if (pos_a == a.n && is_high_surrogate(high) && is_low_surrogate(low)) {
            n -= 3;
            n += qr_utf_put(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), out + n);
            skip = 3;
        }
    }
    memcpy(out + n, b.p + skip, b.n - skip);
    *ret_text = (struct qr_str){out, n + b.n - skip};
    return QR_OK;
}

bool qr_utf_valid(struct qr_str text)
{
    uint32_t before = 0;
    for (size_t i = 0; i < text.n;) {
        size_t run = ascii_run(text.p + i, text.n - i);
        i += run;
        if (run > 0)
            before = 0;
        if (i == text.n)
            break;
        uint32_t code;
        size_t bytes;
        if (!decode((const unsigned char *)text.p + i, text.n - i, &code, &bytes))
            return false;
        if (is_high_surrogate(before) && is_low_surrogate(code))
            return false; /* a pair has one form only */
        before = code;
        i += bytes;
    }
    return true;
}

/* --- case --- */

uint32_t qr_utf_upper1(uint32_t c)
{
    return c >= 0x20000 ? c : c + (uint32_t)upper_rows[upper_page[c >> 8]][c & 0xff];
}

uint32_t qr_utf_lower1(uint32_t c)
{
    return c >= 0x20000 ? c : c + (uint32_t)lower_rows[lower_page[c >> 8]][c & 0xff];
}

static size_t map_case(struct qr_str text, char *dst, uint32_t (*map)(uint32_t), char first)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x80) {
            dst[n++] = (char)((unsigned char)(c - first) < 26 ? c ^ 0x20 : c);
            i++;
            continue;
        }
        size_t at = i;
        uint32_t code = qr_utf_next(text, &i);
        if (code == REPLACEMENT && i - at == 1) { /* keep malformed bytes as they are */
            dst[n++] = (char)c;
            continue;
        }
        n += qr_utf_put(map(code), dst + n);
    }
    return n;
}

size_t qr_utf_upper(struct qr_str text, char *dst)
{
    return map_case(text, dst, qr_utf_upper1, 'a');
}

size_t qr_utf_lower(struct qr_str text, char *dst)
{
    return map_case(text, dst, qr_utf_lower1, 'A');
}
