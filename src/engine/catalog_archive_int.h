/* catalog_archive_int.h - fields of stored catalog rows, both directions: an archive either writes
 * a field or reads it. Integers are little-endian, strings and arrays carry a 32-bit count. What
 * cannot be read is 0 or "" and fails the archive. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct qri_archive {
    struct qr_buf *out; /* writing; else NULL */
    const uint8_t *next, *end;
    struct qr_arena *arena;
    bool failed;
};

void qri_put_u8(struct qri_archive *ar, uint8_t *v);
void qri_put_bool(struct qri_archive *ar, bool *v);
void qri_put_u32(struct qri_archive *ar, uint32_t *v);
void qri_put_i64(struct qri_archive *ar, int64_t *v);
void qri_put_str(struct qri_archive *ar, struct qr_str *s);
/* Counts of arrays; on reading makes room for `count` items of `item_bytes`. */
void *qri_put_count(struct qri_archive *ar, void *items, size_t *count, size_t item_bytes);
#define QRI_PUT_ENUM(ar, field)                                                                    \
    do {                                                                                           \
        uint8_t put_enum_ = (uint8_t)(field);                                                      \
        qri_put_u8((ar), &put_enum_);                                                              \
        (field) = put_enum_;                                                                       \
    } while (0)
