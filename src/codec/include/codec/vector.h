/* codec/vector.h - values of type vector(n): n numbers of single precision.
 *
 * A value is the bytes that SQL Server keeps: a head of eight (0xA9, version 1, n as two bytes,
 * base type 0, three zeros), then the numbers, little-endian. Written it is a JSON array. Pure, any
 * thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

enum {
    QR_VECTOR_DIMENSIONS_MAX = 1998,
    QR_VECTOR_HEAD_BYTES = 8,
    QR_VECTOR_ITEM_TEXT_BYTES = 18, /* "-1.0000000e+000," and the NUL of printing */
    QR_VECTOR_TEXT_BYTES = QR_VECTOR_DIMENSIONS_MAX * QR_VECTOR_ITEM_TEXT_BYTES + 2,
};

/* How many numbers the bytes of a value hold; 0 if they are no value. */
size_t qr_vector_dimensions(struct qr_str bytes);
float qr_vector_item(struct qr_str bytes, size_t index);
/* `dst` has room for QR_VECTOR_HEAD_BYTES + 4 * count. Returns the bytes. */
size_t qr_vector_put(char *dst, const float *items, size_t count);
/* `dst` has room for QR_VECTOR_ITEM_TEXT_BYTES a number and 2. Returns the length. */
size_t qr_vector_print(struct qr_str bytes, char *dst);
/* From a JSON array of numbers. 13609, 13670, 42204, 42241. */
QR_NODISCARD enum qr_status qr_vector_parse(struct qr_arena *arena, struct qr_str text,
                                            size_t dimensions, struct qr_str *ret_bytes,
                                            struct qr_err *err);
