/* float and real as text: codec/convert.h. */
#include "codec/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

size_t qr_float_print(double d, bool is_real, int style, char dst[QR_FLOAT_TEXT_BYTES])
{
    char text[64];
    if (d == 0)
        d = 0; /* no "-0" */
    switch (style) {
    case 1:
        snprintf(text, sizeof text, "%.7e", d);
        break;
    case 2:
        snprintf(text, sizeof text, "%.15e", d);
        break;
    case 3:
        snprintf(text, sizeof text, is_real ? "%.8e" : "%.16e", d);
        break;
    default:
        snprintf(text, sizeof text, "%.6g", d);
        break;
    }
    /* The exponent has three digits. */
    char *e = strchr(text, 'e');
    size_t n = e == NULL ? strlen(text) : (size_t)(e - text);
    for (size_t i = 0; i < n; i++)
        dst[i] = text[i];
    if (e == NULL)
        return n;
    long exponent = strtol(e + 1, NULL, 10);
    return n + (size_t)snprintf(dst + n, QR_FLOAT_TEXT_BYTES - n, "e%c%03ld",
                                exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool qr_float_parse(struct qr_str text, double *ret_value, bool *ret_overflow)
{
    struct qr_str s = qr_str_trim(text);
    char copy[512];
    size_t n = 0, i = 0, digits = 0;
    *ret_overflow = false;
    if (s.n == 0) {
        *ret_value = 0;
        return true;
    }
    if (s.n >= sizeof copy)
        return false;
    if (s.p[i] == '-' || s.p[i] == '+')
        copy[n++] = s.p[i++];
    for (; i < s.n && is_digit(s.p[i]); digits++)
        copy[n++] = s.p[i++];
    if (i < s.n && s.p[i] == '.')
        copy[n++] = s.p[i++];
    for (; i < s.n && is_digit(s.p[i]); digits++)
        copy[n++] = s.p[i++];
    if (digits == 0)
        return false;
    if (i < s.n && ((s.p[i] | 0x20) == 'e' || (s.p[i] | 0x20) == 'd')) {
        copy[n++] = 'e';
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            copy[n++] = s.p[i++];
        size_t start = i;
        while (i < s.n && is_digit(s.p[i]))
            copy[n++] = s.p[i++];
        if (i == start)
            return false;
    }
    if (i != s.n)
        return false;
    copy[n] = 0;
    double d = strtod(copy, NULL);
    *ret_overflow = isinf(d);
    *ret_value = d;
    return true;
}
