/* Code pages: codec/codepage.h. */
#include "codec/codepage.h"

#include <string.h>

#include "codec/utf.h"
#include "codec_pages.h" /* generated: pages, fits_1252 */
#include "base/banned.h"

enum { PAGE_COUNT = sizeof pages / sizeof pages[0], NOT_THERE = -1 };

static const struct page *find_page(uint16_t code_page)
{
    const struct page *fallback = NULL;
    for (int i = 0; i < PAGE_COUNT; i++) {
        if (pages[i].id == code_page)
            return &pages[i];
        if (pages[i].id == QR_CP_1252)
            fallback = &pages[i];
    }
    return fallback;
}

bool qr_codepage_known(uint16_t code_page)
{
    return code_page == QR_CP_UTF8 || find_page(code_page)->id == code_page;
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

/* The byte of a code point above ASCII, NOT_THERE if the page lacks it. */
static int exact_byte(const struct page *page, uint32_t code)
{
    if (code < 0x80)
        return (int)code;
    if (page->id == QR_CP_1252 && code >= 0xa0 && code <= 0xff)
        return (int)code;
    if (code > 0xffff)
        return NOT_THERE;
    return search_pair(page->back, 128, code);
}

static int fitted_byte(const struct page *page, uint32_t code)
{
    int byte = exact_byte(page, code);
    if (byte == NOT_THERE && page->id == QR_CP_1252)
        byte = search_pair(fits_1252, sizeof fits_1252 / sizeof fits_1252[0], code);
    return byte == NOT_THERE ? '?' : byte;
}

size_t qr_codepage_decode(uint16_t code_page, const void *src, size_t bytes, char *dst)
{
    const uint8_t *p = src;
    if (code_page == QR_CP_UTF8) {
        struct qr_str text = {src, bytes};
        size_t n = 0;
        for (size_t i = 0; i < bytes;)
            n += qr_utf_put(qr_utf_next(text, &i), dst + n);
        return n;
    }
    const struct page *page = find_page(code_page);
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] < 0x80)
            dst[n++] = (char)p[i];
        else
            n += qr_utf_put(page->high[p[i] - 128], dst + n);
    }
    return n;
}

size_t qr_codepage_encode(uint16_t code_page, struct qr_str text, void *dst)
{
    uint8_t *out = dst;
    if (code_page == QR_CP_UTF8) {
        memcpy(out, text.p, text.n);
        return text.n;
    }
    const struct page *page = find_page(code_page);
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        if ((unsigned char)text.p[i] < 0x80) {
            out[n++] = (uint8_t)text.p[i++];
            continue;
        }
        uint32_t code = qr_utf_next(text, &i);
        out[n++] = (uint8_t)fitted_byte(page, code);
        if (code >= 0x10000)
            out[n++] = '?';
    }
    return n;
}

size_t qr_codepage_length(uint16_t code_page, struct qr_str text)
{
    if (code_page == QR_CP_UTF8)
        return text.n;
    return qr_utf16_units(text); /* one byte for each unit, found or '?' */
}

size_t qr_codepage_prefix(uint16_t code_page, struct qr_str text, size_t bytes)
{
    if (text.n <= bytes)
        return text.n;
    if (code_page != QR_CP_UTF8)
        return qr_utf_prefix(text, bytes);
    while (bytes > 0 && ((unsigned char)text.p[bytes] & 0xc0) == 0x80)
        bytes--;
    return bytes;
}

bool qr_codepage_has(uint16_t code_page, struct qr_str text)
{
    if (code_page == QR_CP_UTF8 || qr_utf_is_ascii(text))
        return true;
    const struct page *page = find_page(code_page);
    for (size_t i = 0; i < text.n;)
        if (exact_byte(page, qr_utf_next(text, &i)) == NOT_THERE)
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
    const struct page *page = find_page(code_page);
    char *out = qr_arena_alloc(arena, text.n + 1); /* a fit is never longer in UTF-8 */
    if (out == NULL)
        return QR_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        uint32_t code = qr_utf_next(text, &i);
        uint8_t byte = (uint8_t)fitted_byte(page, code);
        n += qr_utf_put(byte < 0x80 ? byte : page->high[byte - 128], out + n);
        if (code >= 0x10000)
            out[n++] = '?';
    }
    *ret_text = (struct qr_str){out, n};
    return QR_OK;
}

int qr_codepage_first_byte(uint16_t code_page, struct qr_str text)
{
    if (text.n == 0)
        return -1;
    if (code_page == QR_CP_UTF8)
        return (unsigned char)text.p[0];
    size_t pos = 0;
    return fitted_byte(find_page(code_page), qr_utf_next(text, &pos));
}

size_t qr_codepage_char(uint16_t code_page, uint8_t byte, char dst[4])
{
    return qr_codepage_decode(code_page, &byte, 1, dst);
}
