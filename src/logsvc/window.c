/* window.c - blocks of the journal one behind the other, many read at once; see logsvc_int.h. What
 * is read back was written past the page cache and is read once: it goes past it here, too, for
 * which memory, place and size are aligned. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "logsvc_int.h"
#include "base/banned.h"

enum { AHEAD_MIN = 64 << 10, AHEAD_MAX = 1 << 20 };

enum qr_status qri_window_init(struct qri_window *w, const struct qr_logsvc *svc, size_t wanted,
                               struct qr_err *err)
{
    size_t ahead = wanted < AHEAD_MIN ? AHEAD_MIN : wanted < AHEAD_MAX ? wanted : AHEAD_MAX;
    *w = (struct qri_window){.svc = svc,
                             .ahead = ahead / QRI_BLOCK_ALIGN * QRI_BLOCK_ALIGN,
                             .bytes = aligned_alloc(QRI_BLOCK_ALIGN, QRI_BLOCK_BYTES_MAX)};
    return w->bytes != NULL ? QR_OK : qr_fail(err, QR_NOMEM, "journal blocks");
}

void qri_window_done(struct qri_window *w)
{
    free(w->bytes);
    w->bytes = NULL;
}

/* Makes it hold `bytes` from `offset` on, or what the file has of them. What it has of them already
 * is not read again: a block of megabytes is longer than what was read ahead of it. */
static enum qr_status fill(struct qri_window *w, const struct qri_segment *segment, uint64_t offset,
                           uint64_t bytes, uint64_t end_offset, struct qr_err *err)
{
    bool inside = w->segment_no == segment->no && offset >= w->next && offset < w->base + w->count;
    size_t have = inside ? (size_t)(w->base + w->count - offset) : 0;
    if (inside && have >= bytes)
        return QR_OK;
    uint64_t rest = end_offset > offset ? end_offset - offset : 0;
    uint64_t want = rest < w->ahead ? rest : w->ahead;
    want = want < bytes ? bytes : want;
    assert(want <= QRI_BLOCK_BYTES_MAX);
    have -= have % QRI_BLOCK_ALIGN; /* so that the rest goes past the page cache, too */
    if (have > 0 && offset > w->base)
        memmove(w->bytes, w->bytes + (offset - w->base), have);
    w->segment_no = segment->no;
    w->base = w->next = offset;
    w->count = 0;
    size_t got = 0;
    QR_TRY(qr_file_pread(segment->file, w->bytes + have, want - have, offset + have, &got, err));
    w->count = have + got;
    return QR_OK;
}

enum qr_status qri_window_load(struct qri_window *w, const struct qri_segment *segment,
                               uint64_t offset, uint64_t end_offset, const uint8_t **ret_block,
                               struct qr_journal_block *ret_header, struct qr_err *err)
{
    const struct qr_logsvc *svc = w->svc;
    QR_TRY(fill(w, segment, offset, QR_SECTOR_BYTES, end_offset, err));
    size_t got = w->base + w->count - offset;
    QR_TRY(qr_journal_block_peek(w->bytes + (offset - w->base),
                                 got < QR_SECTOR_BYTES ? got : QR_SECTOR_BYTES, ret_header, err));
    QR_TRY(qri_block_belongs(svc, segment, offset, ret_header, err));
    uint64_t bytes = qr_journal_block_file_bytes(ret_header->payload_bytes);
    QR_TRY(fill(w, segment, offset, bytes, end_offset, err));
    uint8_t *block = w->bytes + (offset - w->base);
    got = w->base + w->count - offset;
    QR_TRY(qr_journal_block_verify(block, got < bytes ? got : bytes, err));
    w->next = offset + bytes; /* it is opened where it lies */
    *ret_block = block;
    return qr_journal_block_open(block, &svc->data_key,
                                 qr_cipher_is_on(&svc->cipher) ? &svc->cipher : NULL, err);
}
