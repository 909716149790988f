/* put_int.h - how this component appends to a writer: numbers, counted texts, lengths set later.
 *
 * Positions returned by qri_tds_mark16 stay valid until the next pump, so a token is begun and
 * ended without one in between. */
#pragma once
#include "base/endian.h"
#include "base/str.h"
#include "tds/packet.h"

static inline void qri_put8(struct qr_tds_writer *w, uint8_t v)
{
    qr_buf_add8(&w->buf, v);
}
static inline void qri_put16(struct qr_tds_writer *w, uint16_t v)
{
    qr_buf_add16le(&w->buf, v);
}
static inline void qri_put32(struct qr_tds_writer *w, uint32_t v)
{
    qr_buf_add32le(&w->buf, v);
}
static inline void qri_put64(struct qr_tds_writer *w, uint64_t v)
{
    qr_buf_add64le(&w->buf, v);
}
static inline void qri_put(struct qr_tds_writer *w, const void *bytes, size_t count)
{
    qr_buf_add(&w->buf, bytes, count);
}

/* A two-byte length to be set by qri_tds_set16; returns its position. */
size_t qri_tds_mark16(struct qr_tds_writer *w);
/* Sets it to the bytes appended since. */
void qri_tds_set16(struct qr_tds_writer *w, size_t mark);

/* UTF-16LE without a count; returns the units. */
size_t qri_put_utf16(struct qr_tds_writer *w, struct qr_str text);
/* B_VARCHAR: at most 255 units. US_VARCHAR: at most 65,535. Longer texts are cut. */
void qri_put_bvarchar(struct qr_tds_writer *w, struct qr_str text);
void qri_put_usvarchar(struct qr_tds_writer *w, struct qr_str text);
