/* changes.c - see move_int.h: log record by record, and the pages that it changes */
#include <stdlib.h>
#include <string.h>
#include "move_int.h"
#include "base/banned.h"

enum { CARRY_BYTES_MAX = 64 << 20, BYTES_MIN = 4096 };

void qri_changes_done(struct qri_changes *c)
{
    free(c->bits);
    *c = (struct qri_changes){NULL, 0};
}

void qri_changes_swap(struct qri_changes *a, struct qri_changes *b)
{
    struct qri_changes t = *a;
    *a = *b;
    *b = t;
}

static enum qr_status grow(struct qri_changes *c, size_t bytes, struct qr_err *err)
{
    if (bytes <= c->bytes)
        return QR_OK;
    size_t want = c->bytes * 2 > bytes ? c->bytes * 2 : bytes < BYTES_MIN ? BYTES_MIN : bytes;
    uint8_t *bits = realloc(c->bits, want);
    if (bits == NULL)
        return qr_fail(err, QR_NOMEM, "pages that have changed");
    memset(bits + c->bytes, 0, want - c->bytes);
    c->bits = bits;
    c->bytes = want;
    return QR_OK;
}

enum qr_status qri_changes_add(struct qri_changes *c, uint32_t page_no, struct qr_err *err)
{
    QR_TRY(grow(c, (size_t)page_no / 8 + 1, err));
    c->bits[page_no / 8] |= (uint8_t)(1U << page_no % 8);
    return QR_OK;
}

enum qr_status qri_changes_add_all(struct qri_changes *c, uint32_t pages, struct qr_err *err)
{
    QR_TRY(grow(c, (size_t)pages / 8 + 1, err));
    memset(c->bits, 0xff, c->bytes);
    return QR_OK;
}

uint32_t qri_changes_next(const struct qri_changes *c, uint32_t *at, uint32_t last, uint32_t *dst,
                          uint32_t max)
{
    uint32_t count = 0;
    uint64_t page = *at == 0 ? 1 : *at, end = (uint64_t)c->bytes * 8;
    for (; count < max && page < end && page <= last; page++) {
        if (page % 8 == 0 && c->bits[page / 8] == 0)
            page += 7;
        else if ((c->bits[page / 8] & 1U << page % 8) != 0)
            dst[count++] = (uint32_t)page;
    }
    *at = page > UINT32_MAX ? UINT32_MAX : (uint32_t)page;
    return count;
}

/* ---- records ---- */

void qri_scan_init(struct qri_scan *s)
{
    *s = (struct qri_scan){.lsn = 0};
    qr_buf_init(&s->carry, CARRY_BYTES_MAX);
}

void qri_scan_done(struct qri_scan *s)
{
    qr_buf_done(&s->carry);
}

enum qr_status qri_scan_piece(struct qri_scan *s, const struct qr_piece *piece, qri_record_fn *each,
                              void *ctx, struct qr_err *err)
{
    size_t at = 0;
    if ((piece->flags & QR_PIECE_NEW_EPOCH) != 0) /* what is unfinished is void */
        qr_buf_clear(&s->carry);
    else if (s->carry.len > 0 && piece->first_lsn != s->lsn + s->carry.len)
        return qr_fail(err, QR_CORRUPT, "log at LSN %llu does not follow",
                       (unsigned long long)piece->first_lsn);
    if (s->carry.len == 0)
        s->lsn = piece->first_lsn;
    qr_buf_add(&s->carry, piece->data, piece->bytes);
    QR_TRY(qr_buf_status(&s->carry, err));
    while (s->carry.len - at >= QR_RECORD_HEADER_BYTES) {
        const uint8_t *bytes = s->carry.data + at;
        struct qr_record record;
        uint32_t length = 0;
        QR_TRY(qr_record_length(bytes, &length, err));
        if (length > s->carry.len - at)
            break;
        QR_TRY(qr_record_decode(bytes, s->carry.len - at, &record, err));
        QR_TRY(each(ctx, &record, bytes, s->lsn, err));
        s->lsn += length;
        at += length;
    }
    memmove(s->carry.data, s->carry.data + at, s->carry.len - at);
    s->carry.len -= at;
    return QR_OK;
}
