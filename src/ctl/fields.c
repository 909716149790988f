/* fields.c - see fields_int.h */
#include "fields_int.h"
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

void qri_text_put(struct qr_buf *buf, struct qr_str text, size_t max)
{
    size_t n = text.n < max ? text.n : max; /* who asks has checked: what is cut names nothing */
    qr_buf_add16le(buf, (uint16_t)n);
    qr_buf_add(buf, text.p, n);
}

void qri_fields_put(struct qr_buf *buf, const struct qri_field *fields, const void *from)
{
    for (const struct qri_field *f = fields; f->kind != QRI_END; f++) {
        const char *at = (const char *)from + f->offset;
        switch (f->kind) {
        case QRI_FLAG:
            qr_buf_add8(buf, *(const bool *)at);
            break;
        case QRI_BYTE:
            qr_buf_add8(buf, *(const uint8_t *)at);
            break;
        case QRI_WORD:
            qr_buf_add32le(buf, *(const uint32_t *)(const void *)at);
            break;
        case QRI_LONG:
            qr_buf_add64le(buf, *(const uint64_t *)(const void *)at);
            break;
        case QRI_TEXT:
        case QRI_BYTES:
            qri_text_put(buf, *(const struct qr_str *)(const void *)at, f->max);
            break;
        case QRI_CHARS:
            qri_text_put(buf, qr_str(at), f->max);
            break;
        case QRI_END:
            break;
        }
    }
}

static bool bytes_take(const uint8_t *bytes, size_t count, size_t *at, size_t max,
                       struct qr_str *ret_text)
{
    if (count - *at < 2)
        return false;
    size_t n = qr_get16le(bytes + *at);
    *at += 2;
    if (n > max || n > count - *at)
        return false;
    *ret_text = qr_str_n((const char *)bytes + *at, n);
    *at += n;
    return true;
}

bool qri_text_take(const uint8_t *bytes, size_t count, size_t *at, size_t max,
                   struct qr_str *ret_text)
{
    return bytes_take(bytes, count, at, max, ret_text) &&
           memchr(ret_text->p, '\0', ret_text->n) == NULL;
}

static bool take_field(const uint8_t *bytes, size_t count, size_t *at, const struct qri_field *f,
                       char *to)
{
    static const size_t widths[] = {[QRI_FLAG] = 1, [QRI_BYTE] = 1, [QRI_WORD] = 4, [QRI_LONG] = 8};
    struct qr_str text;
    if (f->kind == QRI_TEXT || f->kind == QRI_CHARS) {
        if (!qri_text_take(bytes, count, at, f->max, &text))
            return false;
        if (f->kind == QRI_TEXT) {
            *(struct qr_str *)(void *)to = text;
        } else {
            memcpy(to, text.p, text.n);
            to[text.n] = '\0';
        }
        return true;
    }
    if (f->kind == QRI_BYTES)
        return bytes_take(bytes, count, at, f->max, (struct qr_str *)(void *)to);
    const uint8_t *p = bytes + *at;
    if (count - *at < widths[f->kind])
        return false;
    *at += widths[f->kind];
    if (f->kind == QRI_FLAG)
        *(bool *)to = *p != 0;
    else if (f->kind == QRI_BYTE)
        *(uint8_t *)to = *p;
    else if (f->kind == QRI_WORD)
        *(uint32_t *)(void *)to = qr_get32le(p);
    else
        *(uint64_t *)(void *)to = qr_get64le(p);
    return f->kind == QRI_FLAG ? *p <= 1 : f->kind != QRI_BYTE || *p < f->max;
}

bool qri_fields_take(const uint8_t *bytes, size_t count, size_t *at, const struct qri_field *fields,
                     void *to)
{
    for (const struct qri_field *f = fields; f->kind != QRI_END; f++)
        if (!take_field(bytes, count, at, f, (char *)to + f->offset))
            return false;
    return true;
}
