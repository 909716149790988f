/* fuzz_calls.c - any bytes as requests and answers; what is read is written again the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "logsvc/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void requests(const uint8_t *data, size_t size)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    struct qr_logsvc_change change;
    if (qr_logsvc_change_get(data, size, &change, NULL) == QR_OK) {
        qr_logsvc_change_put(&buf, &change);
        assert(buf.len == size);
    }
    qr_buf_clear(&buf);
    struct qr_logsvc_ask ask;
    if (qr_logsvc_ask_get(data, size, &ask, NULL) == QR_OK) {
        qr_logsvc_ask_put(&buf, &ask);
        assert(buf.len == size && memcmp(buf.data, data, size) == 0);
    }
    qr_buf_clear(&buf);
    struct qr_logsvc_append append;
    if (qr_logsvc_append_get(data, size, &append, NULL) == QR_OK)
        assert(append.bytes + append.byte_count == data + size);
    struct qr_logsvc_cursor *cursors = NULL;
    uint32_t count = 0;
    uint64_t bytes_max;
    int64_t wait_ns;
    if (qr_logsvc_feed_get(data, size, &cursors, &count, &bytes_max, &wait_ns, NULL) == QR_OK) {
        qr_logsvc_feed_put(&buf, cursors, count, bytes_max, wait_ns);
        assert(buf.len == size);
        free(cursors);
    }
    qr_buf_done(&buf);
}

static void answers(const uint8_t *data, size_t size)
{
    struct qr_logsvc_change change;
    struct qr_logsvc_append append;
    struct qr_logsvc_state state;
    size_t used;
    uint64_t lsn, wall;
    (void)!qr_logsvc_change_answer_get(data, size, &change, NULL);
    (void)!qr_logsvc_append_answer_get(data, size, &append, NULL);
    if (qr_logsvc_state_get(data, size, &state, &used, NULL) == QR_OK)
        assert(used <= size);
    (void)!qr_logsvc_found_get(data, size, &lsn, &wall, NULL);
    struct qr_logsvc_readers readers;
    if (qr_logsvc_readers_get(data, size, &readers, NULL) == QR_OK)
        assert(readers.count <= QR_LOGSVC_READERS_MAX);
    for (size_t at = 0; at < size;) {
        struct qr_feed_entry entry;
        if (qr_feed_entry_next(data, size, &at, &entry, NULL) != QR_OK)
            break;
        assert(entry.pieces + entry.pieces_bytes <= data + size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    requests(data, size);
    answers(data, size);
    return 0;
}
