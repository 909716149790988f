/* fuzz_frame.c - any bytes as a frame: what is accepted survives being written again. */
#include <assert.h>
#include <string.h>
#include "rpc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_err err;
    if (size < QR_RPC_HEADER_BYTES)
        return 0;
    struct qr_rpc_frame frame;
    if (qr_rpc_frame_get(data, &frame, &err) != QR_OK)
        return 0;
    assert(frame.body_bytes <= QR_RPC_BODY_BYTES_MAX);
    assert(frame.kind >= QR_RPC_HELLO && frame.kind <= QR_RPC_PONG);
    const uint8_t *body = data + QR_RPC_HEADER_BYTES;
    if (size - QR_RPC_HEADER_BYTES < frame.body_bytes)
        return 0;
    if (qr_rpc_frame_check(&frame, body, &err) != QR_OK)
        return 0;
    if (frame.status != QR_OK) {
        qr_rpc_error_get(frame.status, body, frame.body_bytes, &err);
        assert(err.status == frame.status && strlen(err.text) < sizeof err.text);
    }
    uint8_t again[QR_RPC_HEADER_BYTES];
    struct iovec iov = {.iov_base = (void *)(uintptr_t)body, .iov_len = frame.body_bytes};
    struct qr_rpc_frame copy = frame, back;
    qr_rpc_frame_put(&copy, &iov, 1, again);
    enum qr_status status = qr_rpc_frame_get(again, &back, &err);
    assert(status == QR_OK && back.body_crc == frame.body_crc && back.call_id == frame.call_id);
    return 0;
}
