/* fuzz_calls.c - any bytes as a control call: what is accepted survives being written again. The
 * first byte chooses the format. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/calls.h"
#include "ctl/warm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 22 };

static void try_rows(const uint8_t *data, size_t size, struct qr_buf *buf)
{
    struct qr_database_row row;
    for (size_t at = 0; at < size;) {
        size_t from = at;
        if (qr_control_row_next(data, size, &at, &row, NULL) != QR_OK)
            return;
        qr_buf_clear(buf);
        qr_control_row_put(buf, &row);
        assert(buf->len == at - from && memcmp(buf->data, data + from, buf->len) == 0);
    }
}

static void try_items(const uint8_t *data, size_t size, struct qr_buf *buf)
{
    struct qr_control_item item;
    for (size_t at = 0; at < size;) {
        size_t from = at;
        if (qr_control_item_next(data, size, &at, &item, NULL) != QR_OK)
            return;
        qr_buf_clear(buf);
        qr_control_item_put(buf, &item);
        assert(buf->len == at - from && memcmp(buf->data, data + from, buf->len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_control_ask ask;
    struct qr_control_route route;
    struct qr_buf buf;
    if (size == 0)
        return 0;
    uint16_t method = (uint16_t)(0x300 + data[0] % 0x60);
    data++;
    size--;
    qr_buf_init(&buf, BYTES_MAX);
    if (qr_control_ask_get(method, data, size, &ask, NULL) == QR_OK) {
        qr_control_ask_put(&buf, (enum qr_control_method)method, &ask);
        assert(buf.len == size && (size == 0 || memcmp(buf.data, data, size) == 0));
    }
    if (qr_control_route_get(data, size, &route, NULL) == QR_OK)
        assert(strlen(route.address) < sizeof route.address);
    struct qr_control_service service;
    if (qr_control_service_get(data, size, &service, NULL) == QR_OK) {
        qr_buf_clear(&buf);
        qr_control_service_put(&buf, &service);
        assert(buf.len == size && (size == 0 || memcmp(buf.data, data, size) == 0));
    }
    struct qr_hyper_listed listed;
    const uint8_t *pages;
    if (qr_warm_list_get(data, size, &listed, &pages, NULL) == QR_OK)
        assert(listed.memory <= listed.all && pages + 4 * listed.all == data + size);
    uint32_t numbers[QR_HYPER_WARM_MAX];
    enum qr_warmth as;
    size_t count;
    if (qr_warm_pages_get(data, size, &as, numbers, &count, NULL) == QR_OK)
        assert(1 + 4 * count == size && as < QR_WARM_COUNT);
    try_rows(data, size, &buf);
    try_items(data, size, &buf);
    qr_buf_done(&buf);
    return 0;
}
