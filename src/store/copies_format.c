/* copies_format.c - calls between a primary and its members as bytes; see copies_int.h. All
 * little-endian. A request: u64 epoch, lsn, log epoch, commit_no, commit_wall_ns; u32 page_bytes,
 * pages, anew, try; 16 bytes of timeline; u64 0. A state: u64 log epoch, end_lsn, shown_lsn; u32
 * has_store, u32 0. */
#include <string.h>
#include "base/endian.h"
#include "copies_int.h"
#include "base/banned.h"

void qri_copy_ask_put(uint8_t dst[QRI_COPY_ASK_BYTES], const struct qri_copy_ask *ask)
{
    memset(dst, 0, QRI_COPY_ASK_BYTES);
    qr_put64le(dst, ask->epoch);
    qr_put64le(dst + 8, ask->lsn);
    qr_put64le(dst + 16, ask->log_epoch);
    qr_put64le(dst + 24, ask->commit_no);
    qr_put64le(dst + 32, ask->commit_wall_ns);
    qr_put32le(dst + 40, ask->page_bytes);
    qr_put32le(dst + 44, ask->pages);
    qr_put32le(dst + 48, ask->anew);
    qr_put32le(dst + 52, ask->try_no);
    memcpy(dst + 56, ask->timeline.id, sizeof ask->timeline.id);
}

enum qr_status qri_copy_ask_get(const uint8_t *bytes, size_t count, struct qri_copy_ask *ret_ask,
                                struct qr_err *err)
{
    if (count < QRI_COPY_ASK_BYTES || qr_get32le(bytes + 48) > 1)
        return qr_fail(err, QR_PROTOCOL, "a call to a copy breaks its format");
    *ret_ask = (struct qri_copy_ask){
        .epoch = qr_get64le(bytes),
        .lsn = qr_get64le(bytes + 8),
        .log_epoch = qr_get64le(bytes + 16),
        .commit_no = qr_get64le(bytes + 24),
        .commit_wall_ns = qr_get64le(bytes + 32),
        .page_bytes = qr_get32le(bytes + 40),
        .pages = qr_get32le(bytes + 44),
        .anew = qr_get32le(bytes + 48) != 0,
        .try_no = qr_get32le(bytes + 52),
    };
    memcpy(ret_ask->timeline.id, bytes + 56, sizeof ret_ask->timeline.id);
    return QR_OK;
}

void qri_copy_state_put(uint8_t dst[QRI_COPY_STATE_BYTES], const struct qri_copy_state *state)
{
    memset(dst, 0, QRI_COPY_STATE_BYTES);
    qr_put64le(dst, state->log_epoch);
    qr_put64le(dst + 8, state->end_lsn);
    qr_put64le(dst + 16, state->shown_lsn);
    qr_put32le(dst + 24, state->has_store);
}

enum qr_status qri_copy_state_get(const uint8_t *bytes, size_t count,
                                  struct qri_copy_state *ret_state, struct qr_err *err)
{
    if (count != QRI_COPY_STATE_BYTES || qr_get32le(bytes + 24) > 1)
        return qr_fail(err, QR_PROTOCOL, "an answer of a copy breaks its format");
    *ret_state = (struct qri_copy_state){
        .log_epoch = qr_get64le(bytes),
        .end_lsn = qr_get64le(bytes + 8),
        .shown_lsn = qr_get64le(bytes + 16),
        .has_store = qr_get32le(bytes + 24) != 0,
    };
    return QR_OK;
}
