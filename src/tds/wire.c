/* Implements tds/wire.h. */
#include "tds/wire.h"
#include "codec/utf.h"
#include "base/banned.h"

struct qr_str qr_tds_utf16_dup(struct qr_arena *arena, struct qr_tds_utf16 text)
{
    char *p = qr_arena_alloc(arena, text.units * 3 + 1);
    if (p == NULL)
        return (struct qr_str){NULL, 0};
    size_t bytes = text.units == 0 ? 0 : qr_utf8_from_utf16le(text.p, text.units, p);
    return qr_str_n(p, bytes);
}

bool qr_tds_utf16_ieqz(struct qr_tds_utf16 text, const char *z)
{
    for (size_t i = 0; i < text.units; i++) {
        uint16_t unit = qr_get16le(text.p + i * 2);
        if (unit >= 'A' && unit <= 'Z')
            unit = (uint16_t)(unit + ('a' - 'A'));
        char want = z[i];
        if (want >= 'A' && want <= 'Z')
            want = (char)(want + ('a' - 'A'));
        if (want == '\0' || unit != (uint8_t)want)
            return false;
    }
    return z[text.units] == '\0';
}
