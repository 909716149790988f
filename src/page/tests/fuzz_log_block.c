/* fuzz_log_block.c - any bytes as a log block, and any bytes as a stream of records. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "page/block.h"
#include "page/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_records(const uint8_t *data, size_t size)
{
    uint8_t *page = calloc(1, QR_PAGE_BYTES_MIN);
    assert(page != NULL);
    for (size_t at = 0; at < size;) {
        struct qr_record rec;
        if (qr_record_decode(data + at, size - at, &rec, NULL) != QR_OK)
            break;
        assert(rec.bytes > 0 && rec.bytes <= size - at);
        if (rec.kind == QR_RECORD_DELTA || rec.kind == QR_RECORD_IMAGE)
            (void)!qr_record_apply(&rec, page, QR_PAGE_BYTES_MIN, NULL);
        at += rec.bytes;
    }
    free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_block_header header;
    if (qr_block_peek(data, size, &header, NULL) == QR_OK) {
        assert(header.stored_bytes <= QR_BLOCK_PAYLOAD_BYTES_MAX);
        if (qr_block_verify(data, size, NULL) == QR_OK)
            walk_records(data + QR_BLOCK_HEADER_BYTES, header.stored_bytes);
    }
    walk_records(data, size); /* the fuzzer need not guess a checksum to get here */
    return 0;
}
