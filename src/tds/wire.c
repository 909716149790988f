/* Implements tds/wire.h. */
#include "tds/wire.h"
#include "base/banned.h"

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
