/* Any bytes, cut anywhere: the reader stays inside them and inside its bound. */
#include <assert.h>
#include "tds/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] == 0 ? 1 : data[0];
    struct qr_tds_reader reader;
    struct qr_tds_message message;
    qr_tds_reader_init(&reader);
    qr_tds_message_init(&message, 4096);
    enum qr_status status = QR_OK;
    for (size_t at = 1; at < size && status == QR_OK;) {
        size_t n = size - at < step ? size - at : step, used = 0;
        status = qr_tds_message_feed(&message, &reader, data + at, n, &used, NULL);
        if (status == QR_OK) {
            assert(used <= n && message.body.len <= 4096 && (used > 0 || message.complete));
            at += used;
        }
        if (message.complete)
            qr_tds_message_clear(&message);
    }
    qr_tds_message_done(&message);
    return 0;
}
