/* base/region.h - the region that a timeline's data is in.
 *
 * A timeline's id is a UUID, and whoever has its text (a row, the name of a directory or object)
 * can tell the region: one of version 8 (RFC 9562: custom) with 7265 for its second group says it
 * in its eighth byte; every other one is of region 0. Random ones look so once in sixteen million.
 * Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

enum { QR_REGIONS_MAX = 16, QR_REGION_SIGN = 0x7265 };

/* Of a UUID's text, with dashes or without, and whatever follows it; false: it is none. */
static inline bool qr_region_of(struct qr_str text, uint32_t *ret_region)
{
    uint32_t digits = 0, sign = 0, byte6 = 0, byte7 = 0;
    for (size_t i = 0; i < text.n && digits < 32; i++) {
        char c = text.p[i];
        uint32_t value = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                                                : 16;
        if (c == '-' && digits > 0)
            continue;
        if (value == 16)
            return false;
        if (digits >= 8 && digits < 12)
            sign = sign << 4 | value;
        if (digits == 12 || digits == 13)
            byte6 = byte6 << 4 | value;
        if (digits == 14 || digits == 15)
            byte7 = byte7 << 4 | value;
        digits += 1;
    }
    bool says = sign == QR_REGION_SIGN && byte6 >> 4 == 8 && byte7 < QR_REGIONS_MAX;
    *ret_region = says ? byte7 : 0;
    return digits == 32;
}

/* The text of a random UUID, with dashes, becomes one of that region; 0: it is one already. */
static inline void qr_region_mark(char *text, uint32_t region)
{
    static const char hex[] = "0123456789abcdef";
    enum { SIGN = 9, AT = 14 }; /* XXXXXXXX-7265-8Xrr-... */
    if (region == 0)
        return;
    for (int i = 0; i < 4; i++)
        text[SIGN + i] = hex[QR_REGION_SIGN >> (12 - 4 * i) & 15];
    text[AT] = '8';
    text[AT + 2] = hex[region >> 4 & 15];
    text[AT + 3] = hex[region & 15];
}
