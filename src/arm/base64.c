/* base64.c - see arm_int.h */
#include "arm_int.h"
#include "base/banned.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void qri_base64url_put(struct qr_buf *buf, const void *bytes, size_t count)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i < 3 ? count - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        for (size_t k = 0; k <= left; k++)
            qr_buf_add8(buf, (uint8_t)digits[v >> (18 - 6 * k) & 63]);
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Bits that no byte takes must be zero, so that a text has one spelling. */
bool qri_base64url_get(struct qr_str text, struct qr_buf *buf)
{
    uint32_t bits = 0;
    unsigned count = 0;
    if (text.n % 4 == 1)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        int v = value_of(text.p[i]);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        count += 6;
        if (count >= 8) {
            count -= 8;
            qr_buf_add8(buf, (uint8_t)(bits >> count));
            bits &= (1u << count) - 1;
        }
    }
    return bits == 0 && buf->failed == QR_OK;
}
