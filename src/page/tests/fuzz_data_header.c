/* fuzz_data_header.c - any bytes as headers of the data file, the double-write area and a log
 * segment; with and without a checksum that fits. */
#include <assert.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/datafile.h"
#include "page/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_all(const uint8_t *slot)
{
    struct qr_data_header data_header;
    if (qr_data_header_decode(slot, &data_header, NULL) == QR_OK)
        assert(data_header.page_bytes >= QR_PAGE_BYTES_MIN);
    struct qr_dw_header dw;
    if (qr_dw_header_decode(slot, &dw, NULL) == QR_OK)
        assert(dw.page_count <= QR_DW_PAGES_MAX);
    struct qr_segment_header segment;
    (void)!qr_segment_header_decode(slot, &segment, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t slot[QR_DATA_HEADER_SLOT_BYTES] = {0};
    memcpy(slot, data, size < sizeof slot ? size : sizeof slot);
    decode_all(slot);
    qr_put32le(slot + QR_SECTOR_BYTES - 4, qr_crc32c(0, slot, QR_SECTOR_BYTES - 4));
    qr_put32le(slot + sizeof slot - 4, qr_crc32c(0, slot, sizeof slot - 4));
    decode_all(slot);
    return 0;
}
