/* Any bytes as headers and transaction requests. */
#include <assert.h>
#include "tds/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_tds_cursor c = qr_tds_cursor(data, size);
    struct qr_tds_all_headers headers;
    struct qr_tds_tran tran;
    struct qr_tds_utf16 text;
    if (qr_tds_all_headers_read(&c, QR_TDS_VERSION_74, &headers, NULL) != QR_OK)
        return 0;
    struct qr_tds_cursor batch = c;
    if (qr_tds_batch_read(&batch, &text, NULL) == QR_OK)
        assert(text.units == 0 || text.p + text.units * 2 == data + size);
    if (qr_tds_tran_read(&c, &tran, NULL) == QR_OK)
        assert(tran.name.units == 0 || tran.name.p + tran.name.units * 2 <= data + size);
    return 0;
}
