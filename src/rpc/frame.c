/* frame.c - see rpc/frame.h */
#include "rpc/frame.h"
#include <assert.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

enum {
    AT_VERSION = 4,
    AT_KIND = 5,
    AT_METHOD = 6,
    AT_CALL_ID = 8,
    AT_BODY_BYTES = 16,
    AT_STATUS = 20,
    AT_ZERO = 22,
    AT_TIMEOUT = 24,
    AT_BODY_CRC = 32,
    AT_HEADER_CRC = 36,
    ERROR_HEADER_BYTES = 8,
};
static const uint8_t magic[4] = {'Q', 'R', 'P', 'C'};

void qr_rpc_frame_put(struct qr_rpc_frame *frame, const struct iovec *body, int body_count,
                      uint8_t dst[QR_RPC_HEADER_BYTES])
{
    size_t bytes = 0;
    uint32_t crc = 0;
    for (int i = 0; i < body_count; i++) {
        bytes += body[i].iov_len;
        crc = qr_crc32c(crc, body[i].iov_base, body[i].iov_len);
    }
    assert(bytes <= QR_RPC_BODY_BYTES_MAX);
    frame->body_bytes = (uint32_t)bytes;
    frame->body_crc = crc;

    memcpy(dst, magic, sizeof magic);
    dst[AT_VERSION] = QR_RPC_VERSION;
    dst[AT_KIND] = (uint8_t)frame->kind;
    qr_put16le(dst + AT_METHOD, frame->method);
    qr_put64le(dst + AT_CALL_ID, frame->call_id);
    qr_put32le(dst + AT_BODY_BYTES, frame->body_bytes);
    qr_put16le(dst + AT_STATUS, (uint16_t)frame->status);
    qr_put16le(dst + AT_ZERO, 0);
    qr_put64le(dst + AT_TIMEOUT, frame->timeout_us);
    qr_put32le(dst + AT_BODY_CRC, frame->body_crc);
    qr_put32le(dst + AT_HEADER_CRC, qr_crc32c(0, dst, AT_HEADER_CRC));
}

void qr_rpc_frame_set_timeout(uint8_t header[QR_RPC_HEADER_BYTES], uint64_t timeout_us)
{
    qr_put64le(header + AT_TIMEOUT, timeout_us);
    qr_put32le(header + AT_HEADER_CRC, qr_crc32c(0, header, AT_HEADER_CRC));
}

enum qr_status qr_rpc_frame_get(const uint8_t header[QR_RPC_HEADER_BYTES],
                                struct qr_rpc_frame *ret_frame, struct qr_err *err)
{
    if (memcmp(header, magic, sizeof magic) != 0)
        return qr_fail(err, QR_PROTOCOL, "what came is no frame of ours");
    if (header[AT_VERSION] != QR_RPC_VERSION)
        return qr_fail(err, QR_UNSUPPORTED, "the other side speaks version %d, we speak %d",
                       header[AT_VERSION], QR_RPC_VERSION);
    if (qr_get32le(header + AT_HEADER_CRC) != qr_crc32c(0, header, AT_HEADER_CRC))
        return qr_fail(err, QR_CORRUPT, "checksum of a frame header");

    struct qr_rpc_frame frame = {
        .kind = header[AT_KIND],
        .method = qr_get16le(header + AT_METHOD),
        .body_bytes = qr_get32le(header + AT_BODY_BYTES),
        .body_crc = qr_get32le(header + AT_BODY_CRC),
        .call_id = qr_get64le(header + AT_CALL_ID),
        .timeout_us = qr_get64le(header + AT_TIMEOUT),
    };
    uint16_t status = qr_get16le(header + AT_STATUS);
    frame.status = status < QR_STATUS_COUNT ? (enum qr_status)status : QR_BUG;
    if (frame.kind < QR_RPC_HELLO || frame.kind > QR_RPC_PONG || header[AT_ZERO] != 0 ||
        header[AT_ZERO + 1] != 0)
        return qr_fail(err, QR_CORRUPT, "frame of unknown kind %d", (int)frame.kind);
    if (frame.body_bytes > QR_RPC_BODY_BYTES_MAX)
        return qr_fail(err, QR_TOO_BIG, "frame with a body of %u bytes", frame.body_bytes);
    *ret_frame = frame;
    return QR_OK;
}

enum qr_status qr_rpc_frame_check(const struct qr_rpc_frame *frame, const uint8_t *body,
                                  struct qr_err *err)
{
    if (qr_crc32c(0, body, frame->body_bytes) != frame->body_crc)
        return qr_fail(err, QR_CORRUPT, "checksum of a frame body of %u bytes", frame->body_bytes);
    return QR_OK;
}

size_t qr_rpc_error_put(const struct qr_err *err, uint8_t dst[QR_RPC_ERROR_BYTES_MAX])
{
    size_t text_bytes = strnlen(err->text, sizeof err->text - 1);
    qr_put32le(dst, (uint32_t)err->number);
    dst[4] = err->severity;
    dst[5] = err->state;
    qr_put16le(dst + 6, 0);
    memcpy(dst + ERROR_HEADER_BYTES, err->text, text_bytes);
    return ERROR_HEADER_BYTES + text_bytes;
}

void qr_rpc_error_get(enum qr_status status, const uint8_t *body, size_t bytes,
                      struct qr_err *ret_err)
{
    qr_err_reset(ret_err);
    if (bytes < ERROR_HEADER_BYTES) {
        (void)qr_fail(ret_err, status, "%s", qr_status_info(status)->meaning);
        return;
    }
    size_t text_bytes = bytes - ERROR_HEADER_BYTES;
    if (text_bytes > sizeof ret_err->text - 1)
        text_bytes = sizeof ret_err->text - 1;
    (void)qr_fail(ret_err, status, "%.*s", (int)text_bytes,
                  (const char *)body + ERROR_HEADER_BYTES);
    ret_err->number = (int)qr_get32le(body);
    ret_err->severity = body[4];
    ret_err->state = body[5];
}
