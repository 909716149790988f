/* tds/wire.h - a bounded cursor over received bytes, and UTF-16 slices. Pure; any thread.
 *
 * A read past the end sets `failed`, returns 0 or NULL and stays at the end, so that a decoder
 * reads straight on and asks once. Nothing is copied. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/endian.h"
#include "base/status.h"
#include "base/str.h"

/* UTF-16LE as received: unaligned, possibly ill-formed. */
struct qr_tds_utf16 {
    const uint8_t *p;
    size_t units;
};

/* UTF-8 copy (WTF-8 for lone surrogates) in the arena; p NULL if out of memory. */
struct qr_str qr_tds_utf16_dup(struct qr_arena *arena, struct qr_tds_utf16 text);
/* The text in ASCII lower case equals `z`? For names of system procedures and keywords. */
bool qr_tds_utf16_ieqz(struct qr_tds_utf16 text, const char *z);

struct qr_tds_cursor {
    const uint8_t *p, *end;
    bool failed; /* something was read past the end */
};

static inline struct qr_tds_cursor qr_tds_cursor(const uint8_t *bytes, size_t count)
{
    return (struct qr_tds_cursor){bytes, bytes + count, false};
}
static inline size_t qr_tds_left(const struct qr_tds_cursor *c)
{
    return (size_t)(c->end - c->p);
}
/* `count` bytes, or NULL. */
static inline const uint8_t *qr_tds_take(struct qr_tds_cursor *c, size_t count)
{
    if (count > (size_t)(c->end - c->p)) {
        c->failed = true;
        c->p = c->end;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += count;
    return p;
}
static inline uint8_t qr_tds_take8(struct qr_tds_cursor *c)
{
    const uint8_t *p = qr_tds_take(c, 1);
    return p == NULL ? 0 : *p;
}
static inline uint16_t qr_tds_take16(struct qr_tds_cursor *c)
{
    const uint8_t *p = qr_tds_take(c, 2);
    return p == NULL ? 0 : qr_get16le(p);
}
static inline uint32_t qr_tds_take32(struct qr_tds_cursor *c)
{
    const uint8_t *p = qr_tds_take(c, 4);
    return p == NULL ? 0 : qr_get32le(p);
}
static inline uint64_t qr_tds_take64(struct qr_tds_cursor *c)
{
    const uint8_t *p = qr_tds_take(c, 8);
    return p == NULL ? 0 : qr_get64le(p);
}
/* B_VARCHAR and US_VARCHAR (2.2.5.1.2): count of UTF-16 units, then the units. */
static inline struct qr_tds_utf16 qr_tds_take_utf16(struct qr_tds_cursor *c, size_t units)
{
    const uint8_t *p = qr_tds_take(c, units * 2);
    return (struct qr_tds_utf16){p, p == NULL ? 0 : units};
}
