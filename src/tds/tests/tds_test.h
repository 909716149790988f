/* tds_test.h - bytes written as hex text, so that vectors read like those of [MS-TDS] section 4. */
#pragma once
#include "qr_test.h"
#include <ctype.h>
#include <stdlib.h>

struct hex_bytes {
    uint8_t data[4096];
    size_t n;
};

/* Blanks are ignored; 'x' quotes ASCII characters, u'x' the same as UTF-16LE. */
static inline struct hex_bytes hex(const char *text)
{
    struct hex_bytes b = {.n = 0};
    for (const char *p = text; *p != '\0'; p++) {
        bool wide = *p == 'u' && p[1] == '\'';
        if (isspace((unsigned char)*p))
            continue;
        if (wide || *p == '\'') {
            for (p += wide ? 2 : 1; *p != '\''; p++) {
                b.data[b.n++] = (uint8_t)*p;
                if (wide)
                    b.data[b.n++] = 0;
            }
            continue;
        }
        char pair[3] = {p[0], p[1], '\0'};
        b.data[b.n++] = (uint8_t)strtoul(pair, NULL, 16);
        p++;
    }
    return b;
}

static inline void assert_bytes(const uint8_t *got, size_t got_bytes, const char *want_hex)
{
    struct hex_bytes want = hex(want_hex);
    size_t common = got_bytes < want.n ? got_bytes : want.n;
    for (size_t i = 0; i < common; i++) {
        if (got[i] != want.data[i])
            fail_msg("byte %zu is %02x, wanted %02x in %s", i, got[i], want.data[i], want_hex);
    }
    assert_int_equal(got_bytes, want.n);
}
