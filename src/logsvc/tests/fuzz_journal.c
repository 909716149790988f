/* fuzz_journal.c - any bytes as blocks, segment headers, the table of timelines, pieces and
 * long-term objects; with and without a checksum that fits. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "logsvc_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_entries(const uint8_t *data, size_t size)
{
    struct qri_state s = {.live = QRI_NONE};
    for (size_t at = 0; at < size;) {
        struct qr_journal_entry e;
        const char *why = "";
        if (qr_journal_entry_next(data, size, &at, &e, NULL) != QR_OK)
            break;
        assert(e.data + e.data_bytes <= data + size);
        if (qri_state_check(&s, &e, &why) == QR_OK)
            qri_state_apply(&s, &e);
    }
}

static void walk_pieces(const uint8_t *data, size_t size)
{
    struct qr_buf buf;
    size_t last = SIZE_MAX;
    qr_buf_init(&buf, 1 << 20);
    for (size_t at = 0; at < size;) {
        struct qr_piece piece;
        if (qr_piece_next(data, size, &at, &piece, NULL) != QR_OK)
            break;
        assert(piece.data + piece.bytes <= data + size);
        qr_piece_add(&buf, &last, &piece);
    }
    qr_buf_done(&buf);
}

static enum qr_status add_row(void *arg, const struct qri_timeline *row)
{
    ++*(uint64_t *)arg;
    assert(row->hard.commit_lsn <= row->hard.end_lsn);
    return QR_OK;
}

static enum qr_status add_places(void *arg, const struct qri_places_row *row)
{
    uint64_t *sum = arg; /* all of it is there */
    for (size_t i = 0; i < row->count * 40; i++)
        *sum += row->places[i];
    return QR_OK;
}

static void whole_files(uint8_t *data, size_t size)
{
    struct qri_snapshot_head head;
    struct qr_log_object object;
    struct qr_journal_segment segment;
    uint64_t rows = 0;
    if (qri_snapshot_decode(data, size, &head, add_row, &rows, NULL) == QR_OK)
        assert(rows == head.count);
    struct qri_places_head places;
    (void)!qri_places_decode(data, size, &places, add_places, &rows, NULL);
    struct qr_buf copy;
    qr_buf_init(&copy, 4 << 20); /* what it claims to be before compression is bounded by this */
    qr_buf_add(&copy, data, size);
    (void)!qr_log_object_unpack(&copy, NULL, &object, NULL);
    qr_buf_done(&copy);
    if (size >= QR_SECTOR_BYTES)
        (void)!qr_journal_segment_decode(data, &segment, NULL);
}

/* The fuzzer need not guess checksums. */
static void mend(uint8_t *data, size_t size)
{
    if (size >= 84)
        qr_put32le(data + size - 4, qr_crc32c(0, data, size - 4));
    whole_files(data, size);
    if (size > QR_LOG_OBJECT_HEADER_BYTES) {
        qr_put64le(data + 80, size - QR_LOG_OBJECT_HEADER_BYTES);
        qr_put32le(data + 88, qr_crc32c(0, data + QR_LOG_OBJECT_HEADER_BYTES,
                                        size - QR_LOG_OBJECT_HEADER_BYTES));
        memset(data + 12, 0, 4);
        qr_put32le(data + 12, qr_crc32c(0, data, QR_LOG_OBJECT_HEADER_BYTES));
        whole_files(data, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_journal_block header;
    if (qr_journal_block_peek(data, size, &header, NULL) == QR_OK &&
        qr_journal_block_verify(data, size, NULL) == QR_OK && header.key_id == 0)
        walk_entries(data + QR_JOURNAL_BLOCK_HEADER_BYTES, header.payload_bytes);
    walk_entries(data, size);
    walk_pieces(data, size);
    uint8_t *copy = malloc(size + 1);
    assert(copy != NULL);
    memcpy(copy, data, size);
    whole_files(copy, size);
    mend(copy, size);
    free(copy);
    return 0;
}
