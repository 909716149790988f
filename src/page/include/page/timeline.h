/* page/timeline.h - the identity of a log stream and of the pages it makes (STORAGE.md S13). Pure.
 *
 * Never reused. A database maps to one timeline; a branch (a copy, a restore) is a new one. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "page/block.h"

struct qr_timeline {
    uint8_t id[QR_TIMELINE_BYTES];
};

enum { QR_TIMELINE_HEX_BYTES = 2 * QR_TIMELINE_BYTES + 1 };

static inline bool qr_timeline_eq(const struct qr_timeline *a, const struct qr_timeline *b)
{
    return memcmp(a->id, b->id, QR_TIMELINE_BYTES) == 0;
}
/* All zeros: none. */
static inline bool qr_timeline_is_none(const struct qr_timeline *t)
{
    return qr_timeline_eq(t, &(struct qr_timeline){0});
}
static inline void qr_timeline_hex(const struct qr_timeline *t, char dst[QR_TIMELINE_HEX_BYTES])
{
    for (int i = 0; i < QR_TIMELINE_BYTES; i++)
        snprintf(dst + 2 * i, 3, "%02x", t->id[i]);
}
