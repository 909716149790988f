/* Implements put_int.h. */
#include "put_int.h"
#include <assert.h>
#include "codec/utf.h"
#include "base/banned.h"

size_t qri_tds_mark16(struct qr_tds_writer *w)
{
    size_t mark = w->buf.len;
    qri_put16(w, 0);
    return mark;
}

void qri_tds_set16(struct qr_tds_writer *w, size_t mark)
{
    if (w->buf.failed != QR_OK)
        return;
    size_t bytes = w->buf.len - mark - 2;
    assert(bytes <= UINT16_MAX);
    qr_put16le(w->buf.data + mark, (uint16_t)bytes);
}

size_t qri_put_utf16(struct qr_tds_writer *w, struct qr_str text)
{
    uint8_t *p = qr_tds_writer_reserve(w, text.n * 2);
    if (p == NULL || text.n == 0)
        return 0;
    size_t units = qr_utf16le_from_utf8(text, p);
    qr_tds_writer_advance(w, units * 2);
    return units;
}

void qri_put_bvarchar(struct qr_tds_writer *w, struct qr_str text)
{
    text.n = qr_utf_prefix(text, UINT8_MAX);
    size_t mark = w->buf.len;
    qri_put8(w, 0);
    size_t units = qri_put_utf16(w, text);
    if (w->buf.failed == QR_OK)
        w->buf.data[mark] = (uint8_t)units;
}

void qri_put_usvarchar(struct qr_tds_writer *w, struct qr_str text)
{
    text.n = qr_utf_prefix(text, UINT16_MAX);
    size_t mark = w->buf.len;
    qri_put16(w, 0);
    size_t units = qri_put_utf16(w, text);
    if (w->buf.failed == QR_OK)
        qr_put16le(w->buf.data + mark, (uint16_t)units);
}
