/* fields_int.h - a format is a list of fields of a struct, read and written by one loop.
 *
 * Little-endian; a text is u16 bytes and then the text, without NUL. Bytes that are read are
 * hostile; texts point into them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/str.h"

enum qri_field_kind {
    QRI_END,
    QRI_FLAG,  /* bool */
    QRI_BYTE,  /* uint8_t, below `max` */
    QRI_WORD,  /* uint32_t or int32_t */
    QRI_LONG,  /* uint64_t or int64_t */
    QRI_TEXT,  /* struct qr_str of at most `max` bytes */
    QRI_CHARS, /* char[max + 1] */
    QRI_BYTES, /* as TEXT, of any bytes */
};
struct qri_field {
    enum qri_field_kind kind;
    uint16_t offset;
    uint16_t max;
};

void qri_fields_put(struct qr_buf *buf, const struct qri_field *fields, const void *from);
/* False: the bytes at *at, which moves behind them, break the format. */
bool qri_fields_take(const uint8_t *bytes, size_t count, size_t *at, const struct qri_field *fields,
                     void *to);
void qri_text_put(struct qr_buf *buf, struct qr_str text, size_t max); /* cut to `max` */
bool qri_text_take(const uint8_t *bytes, size_t count, size_t *at, size_t max,
                   struct qr_str *ret_text);
