/* Any bytes as a bulk stream: memory stays bounded, and the rows do not depend on how it is cut. */
#include <assert.h>
#include "tds/bulk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t run(const uint8_t *data, size_t size, size_t step, enum qr_tds_version version)
{
    static struct qr_value values[QR_TDS_BULK_COLUMNS_MAX];
    struct qr_arena arena, arena_row;
    struct qr_tds_bulk bulk;
    qr_arena_init(&arena, 64 << 20);
    qr_arena_init(&arena_row, 16 << 20);
    qr_tds_bulk_init(&bulk, version, &arena, 1 << 20);
    enum qr_status status = QR_OK;
    enum qr_tds_bulk_event event = QR_TDS_BULK_MORE;
    for (size_t at = 0; status == QR_OK && event != QR_TDS_BULK_END;) {
        size_t n = size - at < step ? size - at : step;
        if (n == 0)
            qr_tds_bulk_finish(&bulk);
        else
            status = qr_tds_bulk_feed(&bulk, data + at, n, NULL);
        at += n;
        do {
            qr_arena_reset(&arena_row);
            if (status == QR_OK)
                status = qr_tds_bulk_next(&bulk, &arena_row, values, &event, NULL);
        } while (status == QR_OK && event != QR_TDS_BULK_MORE && event != QR_TDS_BULK_END);
    }
    uint64_t rows = bulk.row_count;
    qr_tds_bulk_done(&bulk);
    qr_arena_done(&arena);
    qr_arena_done(&arena_row);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    enum qr_tds_version version = (enum qr_tds_version)(QR_TDS_VERSION_71 + data[0] % 5);
    uint64_t whole = run(data + 2, size - 2, size, version);
    uint64_t cut = run(data + 2, size - 2, data[1] % 64 + 1u, version);
    assert(whole == cut);
    return 0;
}
