/* uniqueidentifier: byte order and text: codec/value.h. */
#include "codec/value.h"

#include <string.h>

#include "base/banned.h"

/* SQL Server compares the last six bytes first, then 8-9, 7-6, 5-4 and 3-0 of the wire form.
 * ordered[i] = wire[order[i]]. */
static const uint8_t order[16] = {10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3};
/* The text shows the first three groups as little-endian numbers. */
static const uint8_t text_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

void qr_guid_from_wire(const uint8_t wire[16], uint8_t ordered[16])
{
    for (int i = 0; i < 16; i++)
        ordered[i] = wire[order[i]];
}

void qr_guid_to_wire(const uint8_t ordered[16], uint8_t wire[16])
{
    for (int i = 0; i < 16; i++)
        wire[order[i]] = ordered[i];
}

void qr_guid_print(const uint8_t ordered[16], char dst[36])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t wire[16];
    qr_guid_to_wire(ordered, wire);
    char *p = dst;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[wire[text_order[i]] >> 4];
        *p++ = digits[wire[text_order[i]] & 15];
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool qr_guid_parse(struct qr_str text, uint8_t ordered[16])
{
    bool brace = text.n > 0 && text.p[0] == '{';
    if (text.n < (brace ? 38u : 36u) || (brace && text.p[37] != '}'))
        return false;
    const char *p = text.p + brace;
    uint8_t wire[16];
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int hi = hex_digit(p[0]), lo = hex_digit(p[1]);
        if (hi < 0 || lo < 0)
            return false;
        wire[text_order[i]] = (uint8_t)(hi << 4 | lo);
        p += 2;
    }
    qr_guid_from_wire(wire, ordered);
    return true;
}
