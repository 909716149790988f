/* rbpex_journal.c - the table on disk: blocks of records, each block good only behind the one
 * before it, so that what is found is the table as it was at some moment. See rbpex_int.h.
 *
 * Little-endian. A block is 40 bytes of header, then its payload:
 *   0 u32 magic "QRRJ"   4 u8 version   5 u8 checksum algorithm   6 u16 0   8 u64 generation
 *  16 u64 number from 0  24 u32 payload bytes   28 u32 key id (0)   32 u32 0
 *  36 u32 crc of the header before it and the payload
 * Block 0's payload: 16 bytes of timeline, u32 page bytes, u32 0, u64 id of the file of slots,
 * u64 mark. Then records of 24 bytes:
 *   0 u8 kind   1 u8 flags   2 u16 0   4 u32 slot   8 u64 LSN   16 u32 page   20 u32 crc
 * PUT: the slot holds that page. DROP: it does not any more. MARK: of its LSN. */
#include <stdio.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/block.h"
#include "rbpex_int.h"
#include "base/banned.h"

#define MAGIC UINT32_C(0x4a525251)
enum {
    RECORD_PUT = 1,
    RECORD_DROP = 2,
    RECORD_MARK = 3,
    FIRST_BYTES = 40,
    CRC_OFFSET = 36,
    REWRITE_MIN = 4096, /* records that are not worth a rewrite */
    PATH_BYTES = 4096,
};
static const int64_t RETRY_NS = 1000000000;

void qri_rb_path(const struct qri_rbpex *rb, char *dst, size_t bytes, const char *name)
{
    snprintf(dst, bytes, "%s/%s", rb->dir, name);
}

/* --- records; with mu held --- */

static void reset_pending(struct qri_rbpex *rb)
{
    qr_buf_clear(&rb->pending);
    qr_buf_fill(&rb->pending, 0, QRI_RB_BLOCK_HEADER_BYTES);
}

static void note(struct qri_rbpex *rb, uint8_t kind, const struct qri_rb_slot *slot, uint64_t lsn)
{
    if (rb->rewrite_wanted)
        return; /* it will have everything */
    uint8_t flags = 0;
    if (kind == RECORD_PUT && qri_rb_is_suspect(rb, slot) &&
        ((slot->flags & QRI_RB_LAZY) != 0 || rb->trust == QRI_RB_IN_DOUBT))
        flags = QRI_RB_LAZY;
    uint8_t record[QRI_RB_RECORD_BYTES] = {kind, flags};
    if (slot != NULL) {
        qr_put32le(record + 4, (uint32_t)(slot - rb->slots));
        qr_put32le(record + 16, slot->page_no);
        qr_put32le(record + 20, slot->crc);
    }
    qr_put64le(record + 8, lsn);
    qr_buf_add(&rb->pending, record, sizeof record);
    if (rb->pending.failed != QR_OK || rb->pending.len > QRI_RB_PENDING_MAX) {
        rb->rewrite_wanted = true;
        reset_pending(rb);
    }
}

void qri_rb_note_put(struct qri_rbpex *rb, const struct qri_rb_slot *slot)
{
    note(rb, RECORD_PUT, slot, slot->lsn);
}

void qri_rb_note_drop(struct qri_rbpex *rb, const struct qri_rb_slot *slot)
{
    note(rb, RECORD_DROP, slot, slot->lsn);
}

void qri_rb_note_mark(struct qri_rbpex *rb)
{
    note(rb, RECORD_MARK, NULL, rb->mark_lsn);
}

/* --- writing; with step_mu held --- */

static enum qr_status write_block(struct qri_rbpex *rb, struct qr_buf *block, struct qr_err *err)
{
    struct qri_rb_journal *j = &rb->journal;
    QR_TRY(qr_buf_status(block, err));
    uint8_t *h = block->data;
    uint32_t payload = (uint32_t)(block->len - QRI_RB_BLOCK_HEADER_BYTES);
    memset(h, 0, QRI_RB_BLOCK_HEADER_BYTES);
    qr_put32le(h, MAGIC);
    h[4] = QR_FORMAT_VERSION;
    h[5] = QR_CHECKSUM_CRC32C;
    qr_put64le(h + 8, j->generation);
    qr_put64le(h + 16, j->seq);
    qr_put32le(h + 24, payload);
    uint32_t crc = qr_crc32c(0, h, CRC_OFFSET);
    qr_put32le(h + CRC_OFFSET, qr_crc32c(crc, h + QRI_RB_BLOCK_HEADER_BYTES, payload));
    QR_TRY(qr_file_pwrite(j->file, block->data, block->len, j->offset, err));
    j->seq++;
    j->offset += block->len;
    j->records += payload / QRI_RB_RECORD_BYTES;
    return QR_OK;
}

/* Takes what is pending and writes it as one block. */
static enum qr_status write_pending(struct qri_rbpex *rb, struct qr_err *err)
{
    pthread_mutex_lock(&rb->mu);
    bool any = rb->pending.len > QRI_RB_BLOCK_HEADER_BYTES;
    if (any) {
        struct qr_buf full = rb->pending;
        rb->pending = rb->writing;
        rb->writing = full;
        reset_pending(rb);
    }
    pthread_mutex_unlock(&rb->mu);
    return any ? write_block(rb, &rb->writing, err) : QR_OK;
}

static enum qr_status write_first(struct qri_rbpex *rb, uint64_t mark_lsn, struct qr_err *err)
{
    struct qr_buf *b = &rb->writing;
    qr_buf_clear(b);
    qr_buf_fill(b, 0, QRI_RB_BLOCK_HEADER_BYTES);
    qr_buf_add(b, rb->timeline.id, QR_TIMELINE_BYTES);
    qr_buf_add32le(b, rb->page_bytes);
    qr_buf_add32le(b, 0);
    qr_buf_add64le(b, rb->data_id);
    qr_buf_add64le(b, mark_lsn);
    return write_block(rb, b, err);
}

/* Records of changes and of what is there already stand in one order, that of mu. */
static enum qr_status write_snapshot(struct qri_rbpex *rb, struct qr_err *err)
{
    for (uint32_t at = 0; at < rb->slot_count;) {
        pthread_mutex_lock(&rb->mu);
        for (uint32_t n = 0; n < QRI_RB_CHUNK_SLOTS && at < rb->slot_count; n++, at++)
            if (rb->slots[at].state == QRI_RB_READY)
                qri_rb_note_put(rb, &rb->slots[at]);
        bool lost = rb->rewrite_wanted;
        pthread_mutex_unlock(&rb->mu);
        if (lost)
            return qr_fail(err, QR_BUSY, "more changes than could be noted");
        QR_TRY(write_pending(rb, err));
    }
    return QR_OK;
}

static enum qr_status begin_file(struct qri_rbpex *rb, const char *path, struct qr_err *err)
{
    struct qri_rb_journal *j = &rb->journal;
    qr_file_close(j->file);
    *j = (struct qri_rb_journal){0};
    qr_env_random(rb->env, &j->generation, sizeof j->generation);
    QR_TRY(
        qr_env_open(rb->env, path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE, &j->file, err));
    pthread_mutex_lock(&rb->mu);
    rb->rewrite_wanted = false;
    reset_pending(rb);
    uint64_t mark_lsn = rb->mark_lsn;
    pthread_mutex_unlock(&rb->mu);
    return write_first(rb, mark_lsn, err);
}

enum qr_status qri_rb_journal_rewrite(struct qri_rbpex *rb, struct qr_err *err)
{
    struct qri_rb_journal *j = &rb->journal;
    char path[PATH_BYTES], new_path[PATH_BYTES];
    qri_rb_path(rb, path, sizeof path, "rbpex-table");
    qri_rb_path(rb, new_path, sizeof new_path, "rbpex-table.new");
    enum qr_status status = begin_file(rb, new_path, err);
    if (status == QR_OK)
        status = write_snapshot(rb, err);
    if (status == QR_OK)
        status = qr_file_sync(j->file, err);
    if (status == QR_OK)
        status = qr_env_rename(rb->env, new_path, path, err);
    if (status == QR_OK)
        status = qr_env_sync_dir(rb->env, rb->dir, err);
    j->snapshot_records = j->records;
    if (status == QR_OK)
        return QR_OK;
    qr_file_close(j->file);
    j->file = NULL;
    j->retry_at_ns = qr_env_mono_ns(rb->env) + RETRY_NS;
    pthread_mutex_lock(&rb->mu);
    rb->rewrite_wanted = true;
    pthread_mutex_unlock(&rb->mu);
    return status;
}

void qri_rb_journal_flush(struct qri_rbpex *rb)
{
    struct qri_rb_journal *j = &rb->journal;
    pthread_mutex_lock(&rb->mu);
    uint64_t used = rb->used_count;
    bool rewrite = rb->rewrite_wanted || j->file == NULL;
    pthread_mutex_unlock(&rb->mu);
    rewrite = rewrite || j->records - j->snapshot_records > 2 * used + REWRITE_MIN;
    enum qr_status status = QR_OK;
    if (!rewrite)
        status = write_pending(rb, NULL);
    else if (qr_env_mono_ns(rb->env) >= j->retry_at_ns)
        status = qri_rb_journal_rewrite(rb, NULL);
    if (status == QR_OK && !rewrite)
        return;
    pthread_mutex_lock(&rb->mu);
    rb->stats.rewrites += rewrite && status == QR_OK;
    rb->stats.failed += status != QR_OK;
    if (status != QR_OK) /* the chain has a hole where this block should be */
        rb->rewrite_wanted = true;
    pthread_mutex_unlock(&rb->mu);
}

/* --- reading --- */

static void apply(struct qri_rbpex *rb, const uint8_t *record, uint64_t trust_lsn)
{
    uint32_t slot_no = qr_get32le(record + 4), page_no = qr_get32le(record + 16);
    uint64_t lsn = qr_get64le(record + 8);
    if (record[0] == RECORD_MARK) {
        if (lsn > rb->mark_lsn && lsn <= trust_lsn)
            rb->mark_lsn = lsn;
        return;
    }
    struct qri_rb_slot *slot = qri_rb_find(rb, page_no);
    if (record[0] == RECORD_DROP && slot != NULL && slot->lsn == lsn)
        qri_rb_forget(rb, slot);
    if (record[0] != RECORD_PUT || page_no == 0)
        return;
    struct qri_rb_slot put = {.lsn = lsn,
                              .page_no = page_no,
                              .crc = qr_get32le(record + 20),
                              .state = QRI_RB_READY,
                              .flags = QRI_RB_SUSPECT | (record[1] & QRI_RB_LAZY)};
    if (slot_no < rb->slot_count && lsn <= trust_lsn)
        qri_rb_put(rb, slot_no, &put);
    else if (slot != NULL)
        qri_rb_forget(rb, slot);
}

/* The next block into rb->writing; QR_NOT_FOUND where the chain ends. */
static enum qr_status read_block(struct qri_rbpex *rb, struct qr_file *file, uint64_t size,
                                 struct qr_err *err)
{
    struct qri_rb_journal *j = &rb->journal;
    uint8_t h[QRI_RB_BLOCK_HEADER_BYTES];
    if (size < j->offset || size - j->offset < sizeof h)
        return QR_NOT_FOUND;
    QR_TRY(qr_file_read_exactly(file, h, sizeof h, j->offset, err));
    uint32_t payload = qr_get32le(h + 24);
    if (j->seq == 0)
        j->generation = qr_get64le(h + 8);
    if (qr_get32le(h) != MAGIC || h[4] != QR_FORMAT_VERSION || h[5] != QR_CHECKSUM_CRC32C ||
        qr_get64le(h + 8) != j->generation || qr_get64le(h + 16) != j->seq ||
        qr_get32le(h + 28) != 0 || payload > QRI_RB_BLOCK_MAX ||
        size - j->offset - sizeof h < payload)
        return QR_NOT_FOUND;
    qr_buf_clear(&rb->writing);
    uint8_t *dst = qr_buf_reserve(&rb->writing, payload == 0 ? 1 : payload);
    QR_TRY(qr_buf_status(&rb->writing, err));
    QR_TRY(qr_file_read_exactly(file, dst, payload, j->offset + sizeof h, err));
    rb->writing.len = payload;
    if (qr_crc32c(qr_crc32c(0, h, CRC_OFFSET), dst, payload) != qr_get32le(h + CRC_OFFSET))
        return QR_NOT_FOUND;
    j->seq++;
    j->offset += sizeof h + payload;
    return QR_OK;
}

static bool take_first(struct qri_rbpex *rb, uint64_t trust_lsn)
{
    const uint8_t *p = rb->writing.data;
    if (rb->writing.len != FIRST_BYTES || memcmp(p, rb->timeline.id, QR_TIMELINE_BYTES) != 0 ||
        qr_get32le(p + 16) != rb->page_bytes || qr_get64le(p + 24) != rb->data_id)
        return false;
    rb->mark_lsn = qr_get64le(p + 32);
    return rb->mark_lsn <= trust_lsn;
}

static enum qr_status read_blocks(struct qri_rbpex *rb, struct qr_file *file, uint64_t trust_lsn,
                                  struct qr_err *err)
{
    uint64_t size = 0;
    QR_TRY(qr_file_size(file, &size, err));
    enum qr_status status = QR_OK;
    for (bool first = true; (status = read_block(rb, file, size, err)) == QR_OK; first = false) {
        if (first && !take_first(rb, trust_lsn))
            return QR_OK;
        for (size_t at = 0; !first && at + QRI_RB_RECORD_BYTES <= rb->writing.len;
             at += QRI_RB_RECORD_BYTES)
            apply(rb, rb->writing.data + at, trust_lsn);
    }
    return status == QR_NOT_FOUND ? QR_OK : status;
}

enum qr_status qri_rb_journal_read(struct qri_rbpex *rb, uint64_t trust_lsn, struct qr_err *err)
{
    char path[PATH_BYTES];
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    qri_rb_path(rb, path, sizeof path, "rbpex-table");
    rb->rewrite_wanted = true; /* nothing is noted while we read */
    enum qr_status status = qr_env_open(rb->env, path, QR_OPEN_READ, &file, err);
    if (status == QR_OK)
        status = read_blocks(rb, file, trust_lsn, err);
    rb->journal = (struct qri_rb_journal){0};
    return status == QR_NOT_FOUND ? QR_OK : status;
}
