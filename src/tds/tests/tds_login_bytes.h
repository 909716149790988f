/* tds_login_bytes.h - builds a LOGIN7 message for tests, as a client would. */
#pragma once
#include "base/endian.h"
#include "tds_test.h"

struct login_options {
    uint32_t wire_version;
    const char *user, *password, *database;
    const uint8_t *features; /* NULL: no extension */
    size_t features_bytes;
};

static inline void login_text(struct hex_bytes *b, size_t at, const char *text, bool obscure)
{
    qr_put16le(b->data + at, (uint16_t)b->n);
    qr_put16le(b->data + at + 2, (uint16_t)strlen(text));
    for (; *text != '\0'; text++) {
        for (int half = 0; half < 2; half++) {
            uint8_t v = half == 0 ? (uint8_t)*text : 0;
            b->data[b->n++] = obscure ? (uint8_t)((v << 4 | v >> 4) ^ 0xA5) : v;
        }
    }
}

static inline struct hex_bytes login_bytes(const struct login_options *o)
{
    struct hex_bytes b = {.n = 94};
    qr_put32le(b.data + 4, o->wire_version);
    qr_put32le(b.data + 8, 4096);
    login_text(&b, 40, o->user, false);
    login_text(&b, 44, o->password, true);
    login_text(&b, 68, o->database, false);
    if (o->features != NULL) {
        b.data[27] |= 0x10;
        qr_put16le(b.data + 56, (uint16_t)b.n);
        qr_put16le(b.data + 58, 4);
        qr_put32le(b.data + b.n, (uint32_t)b.n + 4);
        b.n += 4;
        memcpy(b.data + b.n, o->features, o->features_bytes);
        b.n += o->features_bytes;
    }
    qr_put32le(b.data, (uint32_t)b.n);
    return b;
}
