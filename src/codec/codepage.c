/* Code pages: codec/codepage.h. */
#include "codec/codepage.h"

#include <string.h>

#include "codec/utf.h"
#include "codec_pages.h" /* generated: pages, wide_pages, fits_1252 */
#include "base/banned.h"

enum {
    PAGE_COUNT = sizeof pages / sizeof pages[0],
    WIDE_COUNT = sizeof wide_pages / sizeof wide_pages[0],
    NOT_THERE = -1,
    LEAD_FIRST = 0x81,
    TRAIL_FIRST = 0x40,
    TRAIL_COUNT = 0xff - TRAIL_FIRST,
    REPLACEMENT = 0xfffd,
};

/* One of the two is set; both NULL is UTF-8. */
struct found {
    const struct page *single;
    const struct wide_page *wide;
};

static struct found find_page(uint16_t code_page)
{
    struct found f = {NULL, NULL};
    if (code_page == QR_CP_UTF8)
        return f;
    for (int i = 0; i < WIDE_COUNT; i++)
        if (wide_pages[i].id == code_page)
            f.wide = &wide_pages[i];
    for (int i = 0; i < PAGE_COUNT && f.wide == NULL; i++)
        if (pages[i].id == code_page || (f.single == NULL && pages[i].id == QR_CP_1252))
            f.single = &pages[i];
    return f;
}

static bool is_utf8(const struct found *f)
{
    return f->single == NULL && f->wide == NULL;
}

bool qr_codepage_known(uint16_t code_page)
{
    struct found f = find_page(code_page);
    return code_page == QR_CP_UTF8 || f.wide != NULL || f.single->id == code_page;
}

static int search_pair(const struct pair *pairs, size_t count, uint32_t code)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (pairs[mid].code < code)
            low = mid + 1;
        else
            high = mid;
    }
    return low < count && pairs[low].code == code ? pairs[low].byte : NOT_THERE;
}

/* The byte, or two as one number, of a code point; NOT_THERE if the page lacks it. */
static int exact_bytes(const struct found *f, uint32_t code)
{
    if (code < 0x80)
        return (int)code;
    if (code > 0xffff)
        return NOT_THERE;
    if (f->wide != NULL) {
        int bytes = f->wide->back[f->wide->index[code >> 8]][code & 0xff];
        return bytes == 0 ? NOT_THERE : bytes;
    }
    if (f->single->id == QR_CP_1252 && code >= 0xa0 && code <= 0xff)
        return (int)code;
    return search_pair(f->single->back, 128, code);
}

static int fitted_bytes(const struct found *f, uint32_t code)
{
    int bytes = exact_bytes(f, code);
    if (bytes == NOT_THERE && f->single != NULL && f->single->id == QR_CP_1252)
        bytes = search_pair(fits_1252, sizeof fits_1252 / sizeof fits_1252[0], code);
    return bytes == NOT_THERE ? '?' : bytes;
}

/* One character of the page at p (of n bytes, not ASCII): its code point and its bytes. */
static uint32_t decode_one(const struct found *f, const uint8_t *p, size_t n, size_t *ret_bytes)
{
    *ret_bytes = 1;
    if (f->wide == NULL)
        return f->single->high[p[0] - 128];
    uint32_t code = f->wide->single[p[0] - 128];
    if (code != 0)
        return code;
    if (n < 2 || p[1] < TRAIL_FIRST || p[1] >= TRAIL_FIRST + TRAIL_COUNT)
        return REPLACEMENT;
    *ret_bytes = 2;
    code = f->wide->pair[(p[0] - LEAD_FIRST) * TRAIL_COUNT + p[1] - TRAIL_FIRST];
    return code == 0 ? REPLACEMENT : code;
}

size_t qr_codepage_decode(uint16_t code_page, const void *src, size_t bytes, char *dst)
{
    const uint8_t *p = src;
    struct found f = find_page(code_page);
    struct qr_str text = {src, bytes};
    size_t n = 0;
    for (size_t i = 0; i < bytes;) {
        if (p[i] < 0x80) {
            dst[n++] = (char)p[i++];
        } else if (is_utf8(&f)) {
            n += qr_utf_put(qr_utf_next(text, &i), dst + n);
        } else {
            size_t used;
            n += qr_utf_put(decode_one(&f, p + i, bytes - i, &used), dst + n);
            i += used;
        }
    }
    return n;
}

size_t qr_codepage_encode(uint16_t code_page, struct qr_str text, void *dst)
{
    uint8_t *out = dst;
    struct found f = find_page(code_page);
    if (is_utf8(&f)) {
        if (text.n > 0)
            memcpy(out, text.p, text.n);
        return text.n;
    }
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        if ((unsigned char)text.p[i] < 0x80) {
            out[n++] = (uint8_t)text.p[i++];
            continue;
        }
        uint32_t code = qr_utf_next(text, &i);
        int byte = fitted_bytes(&f, code);
        if (byte > 0xff)
            out[n++] = (uint8_t)(byte >> 8);
        out[n++] = (uint8_t)byte;
        if (code >= 0x10000)
            out[n++] = '?';
    }
    return n;
}

/* Bytes of the page that a code point takes. */
static size_t width_of(const struct found *f, uint32_t code)
{
    if (code >= 0x10000)
        return 2; /* "??" */
    return f->wide != NULL && fitted_bytes(f, code) > 0xff ? 2 : 1;
}

size_t qr_codepage_length(uint16_t code_page, struct qr_str text)
{
    struct found f = find_page(code_page);
    if (is_utf8(&f))
        return text.n;
    if (f.wide == NULL)
        return qr_utf16_units(text); /* one byte for each unit, found or '?' */
    size_t n = 0;
    for (size_t i = 0; i < text.n;)
        n += width_of(&f, qr_utf_next(text, &i));
    return n;
}

size_t qr_codepage_prefix(uint16_t code_page, struct qr_str text, size_t bytes)
{
    struct found f = find_page(code_page);
    if (text.n <= bytes)
        return text.n;
    if (f.single != NULL)
        return qr_utf_prefix(text, bytes);
    if (is_utf8(&f)) {
        while (bytes > 0 && ((unsigned char)text.p[bytes] & 0xc0) == 0x80)
            bytes--;
        return bytes;
    }
    for (size_t i = 0, used = 0; i < text.n;) {
        size_t next = i;
        used += width_of(&f, qr_utf_next(text, &next));
        if (used > bytes)
            return i;
        i = next;
    }
    return text.n;
}

bool qr_codepage_has(uint16_t code_page, struct qr_str text)
{
    if (code_page == QR_CP_UTF8 || qr_utf_is_ascii(text))
        return true;
    struct found f = find_page(code_page);
    for (size_t i = 0; i < text.n;)
        if (exact_bytes(&f, qr_utf_next(text, &i)) == NOT_THERE)
            return false;
    return true;
}

enum qr_status qr_codepage_fit(uint16_t code_page, struct qr_str text, struct qr_arena *arena,
                               struct qr_str *ret_text)
{
    if (qr_codepage_has(code_page, text)) {
        *ret_text = text;
        return QR_OK;
    }
    struct found f = find_page(code_page);
    char *out = qr_arena_alloc(arena, text.n + 1); /* a fit is never longer in UTF-8 */
    if (out == NULL)
        return QR_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        uint32_t code = qr_utf_next(text, &i);
        if (exact_bytes(&f, code) == NOT_THERE) {
            int byte = fitted_bytes(&f, code);
            n += qr_utf_put(byte < 0x80 ? (uint32_t)byte : f.single->high[byte - 128], out + n);
            if (code >= 0x10000)
                out[n++] = '?';
        } else {
            n += qr_utf_put(code, out + n);
        }
    }
    *ret_text = (struct qr_str){out, n};
    return QR_OK;
}

int qr_codepage_first_byte(uint16_t code_page, struct qr_str text)
{
    struct found f = find_page(code_page);
    if (text.n == 0)
        return -1;
    if (is_utf8(&f))
        return (unsigned char)text.p[0];
    size_t pos = 0;
    int bytes = fitted_bytes(&f, qr_utf_next(text, &pos));
    return bytes > 0xff ? bytes >> 8 : bytes;
}

size_t qr_codepage_char(uint16_t code_page, uint8_t byte, char dst[4])
{
    return qr_codepage_decode(code_page, &byte, 1, dst);
}
