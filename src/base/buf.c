/* buf.c - see base/buf.h */
#include "base/buf.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/endian.h"
#include "base/large.h"
#include "base/banned.h"

void qr_buf_init(struct qr_buf *buf, size_t bytes_max)
{
    *buf = (struct qr_buf){.bytes_max = bytes_max};
}

void qr_buf_init_counted(struct qr_buf *buf, size_t bytes_max)
{
    *buf = (struct qr_buf){.bytes_max = bytes_max, .is_counted = true};
}

void qr_buf_done(struct qr_buf *buf)
{
    if (buf == NULL)
        return;
    free(buf->data);
    if (buf->is_counted)
        qr_large_give(buf->capacity);
    *buf = (struct qr_buf){.bytes_max = buf->bytes_max, .is_counted = buf->is_counted};
}

void qr_buf_clear(struct qr_buf *buf)
{
    buf->len = 0;
    buf->failed = QR_OK;
}

/* Old and new bytes are there at one time. */
static uint8_t *grow(const struct qr_buf *buf, size_t capacity)
{
    if (buf->is_counted && !qr_large_take(capacity))
        return NULL;
    uint8_t *data = realloc(buf->data, capacity);
    if (buf->is_counted)
        qr_large_give(data == NULL ? capacity : buf->capacity);
    return data;
}

uint8_t *qr_buf_reserve(struct qr_buf *buf, size_t bytes)
{
    if (buf->failed != QR_OK)
        return NULL;
    if (bytes > buf->bytes_max - buf->len) {
        buf->failed = QR_TOO_BIG;
        return NULL;
    }
    if (bytes <= buf->capacity - buf->len)
        return buf->data + buf->len;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity - buf->len < bytes)
        capacity *= 2;
    if (capacity - 1 > buf->bytes_max)
        capacity = buf->bytes_max + 1; /* one more for the NUL of qr_buf_cstr */
    uint8_t *data = grow(buf, capacity);
    if (data == NULL) {
        buf->failed = QR_NOMEM;
        return NULL;
    }
    buf->data = data;
    buf->capacity = capacity;
    return buf->data + buf->len;
}

void qr_buf_consume(struct qr_buf *buf, size_t bytes)
{
    assert(bytes <= buf->len);
    buf->len -= bytes;
    if (buf->len > 0)
        memmove(buf->data, buf->data + bytes, buf->len);
}

enum qr_status qr_buf_status(const struct qr_buf *buf, struct qr_err *err)
{
    if (buf->failed == QR_OK)
        return QR_OK;
    return qr_fail(err, buf->failed, "buffer of at most %zu bytes", buf->bytes_max);
}

void qr_buf_add(struct qr_buf *buf, const void *bytes, size_t count)
{
    if (count == 0) /* `bytes` may be NULL then, and there may be no memory yet */
        return;
    uint8_t *p = qr_buf_reserve(buf, count);
    if (p == NULL)
        return;
    memcpy(p, bytes, count);
    buf->len += count;
}

void qr_buf_fill(struct qr_buf *buf, uint8_t byte, size_t count)
{
    if (count == 0)
        return;
    uint8_t *p = qr_buf_reserve(buf, count);
    if (p == NULL)
        return;
    memset(p, byte, count);
    buf->len += count;
}

void qr_buf_addz(struct qr_buf *buf, const char *z)
{
    qr_buf_add(buf, z, strlen(z));
}

void qr_buf_addstr(struct qr_buf *buf, struct qr_str s)
{
    qr_buf_add(buf, s.p, s.n);
}

void qr_buf_printf(struct qr_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char small[256];
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof small) {
        qr_buf_add(buf, small, (size_t)n);
        return;
    }
    uint8_t *p = qr_buf_reserve(buf, (size_t)n + 1);
    if (p == NULL)
        return;
    va_start(args, fmt);
    vsnprintf((char *)p, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
}

const char *qr_buf_cstr(struct qr_buf *buf)
{
    if (buf->failed != QR_OK)
        return "";
    if (buf->len == buf->capacity) {
        uint8_t *data = grow(buf, buf->len + 1);
        if (data == NULL) {
            buf->failed = QR_NOMEM;
            return "";
        }
        buf->data = data;
        buf->capacity = buf->len + 1;
    }
    buf->data[buf->len] = '\0';
    return (const char *)buf->data;
}

void qr_buf_add16le(struct qr_buf *buf, uint16_t v)
{
    uint8_t b[2];
    qr_put16le(b, v);
    qr_buf_add(buf, b, sizeof b);
}
void qr_buf_add32le(struct qr_buf *buf, uint32_t v)
{
    uint8_t b[4];
    qr_put32le(b, v);
    qr_buf_add(buf, b, sizeof b);
}
void qr_buf_add64le(struct qr_buf *buf, uint64_t v)
{
    uint8_t b[8];
    qr_put64le(b, v);
    qr_buf_add(buf, b, sizeof b);
}
void qr_buf_add16be(struct qr_buf *buf, uint16_t v)
{
    uint8_t b[2];
    qr_put16be(b, v);
    qr_buf_add(buf, b, sizeof b);
}
void qr_buf_add32be(struct qr_buf *buf, uint32_t v)
{
    uint8_t b[4];
    qr_put32be(b, v);
    qr_buf_add(buf, b, sizeof b);
}
