/* base/buf.h - a growable byte buffer with a maximum; errors stick.
 *
 * One thread at a time. Appending past bytes_max or out of memory sets `failed`, appends nothing
 * and keeps what was there; the caller checks once at the end with qr_buf_status. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/status.h"
#include "base/str.h"

struct qr_buf {
    uint8_t *data;
    size_t len, capacity, bytes_max;
    bool is_counted;       /* its memory, when it is much: base/large.h */
    enum qr_status failed; /* QR_OK, QR_NOMEM or QR_TOO_BIG */
};

void qr_buf_init(struct qr_buf *buf, size_t bytes_max);
/* For a statement's values: who takes too much has QR_NOMEM. Its memory is freed by qr_buf_done. */
void qr_buf_init_counted(struct qr_buf *buf, size_t bytes_max);
void qr_buf_done(struct qr_buf *buf);
void qr_buf_clear(struct qr_buf *buf); /* len = 0, failed = QR_OK; keeps the memory */
/* Makes room for `bytes` more and returns where they go, without counting them; NULL on failure. */
uint8_t *qr_buf_reserve(struct qr_buf *buf, size_t bytes);
void qr_buf_consume(struct qr_buf *buf, size_t bytes); /* drops `bytes` from the front */
QR_NODISCARD enum qr_status qr_buf_status(const struct qr_buf *buf, struct qr_err *err);

void qr_buf_add(struct qr_buf *buf, const void *bytes, size_t count);
void qr_buf_fill(struct qr_buf *buf, uint8_t byte, size_t count);
void qr_buf_addz(struct qr_buf *buf, const char *z);
void qr_buf_addstr(struct qr_buf *buf, struct qr_str s);
void qr_buf_printf(struct qr_buf *buf, const char *fmt, ...) QR_PRINTF(2, 3);
/* NUL-terminates (not counted in len) and returns the text; "" after a failure. */
const char *qr_buf_cstr(struct qr_buf *buf);

static inline void qr_buf_add8(struct qr_buf *buf, uint8_t v)
{
    uint8_t *p = qr_buf_reserve(buf, 1);
    if (p != NULL) {
        *p = v;
        buf->len += 1;
    }
}
void qr_buf_add16le(struct qr_buf *buf, uint16_t v);
void qr_buf_add32le(struct qr_buf *buf, uint32_t v);
void qr_buf_add64le(struct qr_buf *buf, uint64_t v);
void qr_buf_add16be(struct qr_buf *buf, uint16_t v);
void qr_buf_add32be(struct qr_buf *buf, uint32_t v);
