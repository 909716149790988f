/* fuzz_backup.c - objects of a backup as hostile bytes, with and without checksums that fit: the
 * first byte says which. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "backup_int.h"
#include "base/crc.h"
#include "base/endian.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_pages(const struct qri_part *part, const struct qr_buf *raw)
{
    static uint8_t page[QR_PAGE_BYTES_MAX];
    if (part->page_bytes < QR_PAGE_BYTES_MIN || part->page_bytes > QR_PAGE_BYTES_MAX)
        return; /* compared with the manifest before anybody reads pages */
    for (size_t at = 0; at < raw->len;) {
        uint32_t page_no;
        struct qr_lsn version;
        if (qri_page_next(raw, &at, part->page_bytes, &page_no, &version, page, NULL) != QR_OK)
            return;
        assert(at <= raw->len);
    }
}

static enum qr_status take_record(void *ctx, const struct qr_record *rec, uint64_t start_lsn,
                                  struct qr_err *err)
{
    (void)start_lsn, (void)err;
    *(uint64_t *)ctx += rec->bytes;
    return QR_OK;
}

static void try_log(const uint8_t *bytes, size_t count)
{
    struct qri_log_walk walk;
    uint64_t sum = 0;
    bool begun = false;
    for (size_t at = 0; at < count;) {
        struct qr_piece piece;
        if (qr_piece_next(bytes, count, &at, &piece, NULL) != QR_OK)
            break;
        if (!begun)
            qri_log_walk_init(&walk, piece.first_lsn);
        begun = true;
        if (qri_log_walk_piece(&walk, &piece, take_record, &sum, NULL) != QR_OK)
            break;
    }
    if (begun)
        qri_log_walk_done(&walk);
    assert(sum <= count);
}

static void try_part(const uint8_t *bytes, size_t count)
{
    struct qri_part part;
    struct qr_buf raw;
    qr_buf_init(&raw, QRI_PART_RAW_BYTES_MAX + 1);
    if (qri_part_decode(bytes, count, NULL, &part, &raw, NULL) == QR_OK) {
        assert(raw.len == part.raw_bytes && raw.len <= QRI_PART_RAW_BYTES_MAX);
        try_pages(&part, &raw);
        try_log(raw.data, raw.len);
    }
    qr_buf_done(&raw);
}

static void try_manifest(const uint8_t *bytes, size_t count)
{
    struct qr_backup_catalog catalog = {.rows = NULL};
    if (qri_chain_decode(bytes, count, 1, &catalog, NULL) == QR_OK) {
        struct qr_buf again;
        qr_buf_init(&again, SIZE_MAX / 4);
        qri_chain_encode(1, catalog.rows, catalog.count, &again);
        assert(again.len == count);
        qr_buf_done(&again);
    }
    qr_backup_catalog_done(&catalog);
}

/* What a writer would have put there. */
static void fix_checksums(uint8_t *bytes, size_t count, bool part)
{
    if (count < QRI_MANIFEST_HEADER_BYTES || (part && count < QRI_PART_HEADER_BYTES))
        return;
    size_t covered = part ? QRI_PART_HEADER_BYTES : count;
    if (part)
        qr_put32le(bytes + 64,
                   qr_crc32c(0, bytes + QRI_PART_HEADER_BYTES, count - QRI_PART_HEADER_BYTES));
    qr_put32le(bytes + 12, 0);
    qr_put32le(bytes + 12, qr_crc32c(0, bytes, covered));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int what = data[0] % 3;
    uint8_t *copy = malloc(size); /* exactly as long, so that reading past it is noticed */
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 1, size - 1);
    if (data[0] >= 128 && what < 2)
        fix_checksums(copy, size - 1, what == 0);
    if (what == 0)
        try_part(copy, size - 1);
    else if (what == 1)
        try_manifest(copy, size - 1);
    else
        try_log(copy, size - 1);
    free(copy);
    return 0;
}
