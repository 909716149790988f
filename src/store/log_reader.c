/* log_reader.c - reads the log's blocks in their order; see store_int.h. */
#include "log_reader_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum qr_status qri_reader_init(struct qri_reader *r, struct qr_store *store,
                               struct qri_segment *segment, uint64_t offset, uint64_t lsn,
                               struct qr_err *err)
{
    *r = (struct qri_reader){
        .store = store, .segment = segment, .offset = offset, .lsn = lsn, .until = UINT64_MAX};
    qr_buf_init(&r->carry, 2 * QR_RECORD_BYTES_MAX);
    r->block = malloc((size_t)QR_BLOCK_HEADER_BYTES + QR_BLOCK_PAYLOAD_BYTES_MAX + QR_SECTOR_BYTES);
    r->payload = malloc(QR_BLOCK_PAYLOAD_BYTES_MAX);
    return r->block != NULL && r->payload != NULL ? QR_OK : qr_fail(err, QR_NOMEM, "log block");
}

void qri_reader_done(struct qri_reader *r)
{
    qr_buf_done(&r->carry);
    free(r->block);
    free(r->payload);
}

enum qr_status qri_reader_load(struct qri_reader *r, uint64_t offset,
                               struct qr_block_header *ret_header, struct qr_err *err)
{
    struct qr_file *file = r->segment->file;
    size_t got = 0;
    QR_TRY(qr_file_pread(file, r->block, QR_SECTOR_BYTES, offset, &got, err));
    QR_TRY(qr_block_peek(r->block, got, ret_header, err));
    uint64_t bytes = qr_block_file_bytes(ret_header->stored_bytes);
    if (offset + bytes > r->segment->bytes)
        return qr_fail(err, QR_CORRUPT, "log block reaches past its segment");
    if (bytes > QR_SECTOR_BYTES) {
        QR_TRY(qr_file_pread(file, r->block + QR_SECTOR_BYTES, bytes - QR_SECTOR_BYTES,
                             offset + QR_SECTOR_BYTES, &got, err));
        got += QR_SECTOR_BYTES;
    }
    if (memcmp(ret_header->timeline, r->store->timeline, QR_TIMELINE_BYTES) != 0)
        return qr_fail(err, QR_CORRUPT, "log block of another timeline");
    QR_TRY(qr_block_verify(r->block, got, err));
    return qr_block_open_as(&r->store->data_key, &r->store->log_cipher, r->block, ret_header,
                            r->payload, err);
}

bool qri_reader_begins_epoch(const struct qri_reader *r, const struct qr_block_header *h,
                             uint64_t *ret_last_commit)
{
    struct qr_record rec;
    bool begins = qr_record_decode(r->payload, h->raw_bytes, &rec, NULL) == QR_OK &&
                  rec.kind == QR_RECORD_EPOCH && rec.epoch.epoch == h->epoch;
    if (begins && ret_last_commit != NULL)
        *ret_last_commit = rec.epoch.last_commit_lsn;
    return begins;
}

/* Does this intact block continue the log? */
static bool continues(const struct qri_reader *r, const struct qr_block_header *h)
{
    if (h->epoch == r->epoch || (r->epoch == 0 && h->first_lsn == r->lsn))
        return h->first_lsn == r->lsn;
    return h->epoch > r->epoch && h->epoch <= r->store->epoch && h->first_lsn >= r->lsn &&
           qri_reader_begins_epoch(r, h, NULL);
}

bool qri_reader_next_segment(struct qri_reader *r)
{
    struct qri_segment *next = qri_logfile_find(r->store, r->segment->no + 1);
    if (next == NULL)
        return false;
    r->segment = next;
    r->offset = QR_SEGMENT_HEADER_BYTES;
    return true;
}

enum qr_status qri_reader_next_block(struct qri_reader *r, struct qr_block_header *ret_header,
                                     bool *ret_end, struct qr_err *err)
{
    *ret_end = false;
    if (r->segment->bytes - r->offset < QRI_SEGMENT_REST_MIN && !qri_reader_next_segment(r)) {
        *ret_end = true;
        return QR_OK;
    }
    enum qr_status status = qri_reader_load(r, r->offset, ret_header, err);
    if (status == QR_CORRUPT || (status == QR_OK && !continues(r, ret_header))) {
        *ret_end = true;
        return QR_OK;
    }
    QR_TRY(status);
    if (ret_header->first_lsn != r->lsn)
        r->carry.len = 0; /* a new epoch: what the old one left unfinished is void */
    r->epoch = ret_header->epoch;
    r->lsn = ret_header->first_lsn + ret_header->raw_bytes;
    r->synced_lsn = ret_header->synced_lsn;
    r->offset += qr_block_file_bytes(ret_header->stored_bytes);
    return QR_OK;
}
