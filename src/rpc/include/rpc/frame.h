/* rpc/frame.h - what travels between our services: a fixed header, then a body.
 *
 * Pure: no I/O, no allocation, any thread. Input is hostile and may be any bytes.
 * Little-endian. Offsets: 0 magic "QRPC", 4 version u8, 5 kind u8, 6 method u16, 8 call id u64,
 * 16 body bytes u32, 20 status u16, 22 zero u16, 24 time left in microseconds u64 (0: no limit),
 * 32 CRC-32C of the body, 36 CRC-32C of bytes 0 to 35. Magic and version stay where they are in
 * every later version, so that a mismatch can be named. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/buf.h"
#include "base/status.h"

enum {
    QR_RPC_VERSION = 1,
    QR_RPC_HEADER_BYTES = 40,
    QR_RPC_BODY_BYTES_MAX = 16 << 20,
    QR_RPC_ERROR_BYTES_MAX = 8 + QR_ERR_TEXT_BYTES_MAX,
};

enum qr_rpc_kind {
    QR_RPC_HELLO = 1, /* the first frame of each side */
    QR_RPC_CALL,
    QR_RPC_REPLY,  /* the body is the answer, or with a status an error (qr_rpc_error_put) */
    QR_RPC_CANCEL, /* the asker of this call id does not want the answer any more */
    QR_RPC_PING,
    QR_RPC_PONG,
};

struct qr_rpc_frame {
    enum qr_rpc_kind kind;
    uint16_t method;
    enum qr_status status;
    uint32_t body_bytes;
    uint32_t body_crc;
    uint64_t call_id;
    uint64_t timeout_us;
};

/* Fills in body_bytes and body_crc from the body, which must not exceed QR_RPC_BODY_BYTES_MAX. */
void qr_rpc_frame_put(struct qr_rpc_frame *frame, const struct iovec *body, int body_count,
                      uint8_t dst[QR_RPC_HEADER_BYTES]);
/* Another time left in a header that was put. */
void qr_rpc_frame_set_timeout(uint8_t header[QR_RPC_HEADER_BYTES], uint64_t timeout_us);
/* Reads QR_RPC_HEADER_BYTES bytes. QR_PROTOCOL: not ours; QR_UNSUPPORTED: another version;
 * QR_CORRUPT: checksum or a field; QR_TOO_BIG: body. A status that this build does not know becomes
 * QR_BUG. */
QR_NODISCARD enum qr_status qr_rpc_frame_get(const uint8_t header[QR_RPC_HEADER_BYTES],
                                             struct qr_rpc_frame *ret_frame, struct qr_err *err);
/* `body` has frame->body_bytes bytes. */
QR_NODISCARD enum qr_status qr_rpc_frame_check(const struct qr_rpc_frame *frame,
                                               const uint8_t *body, struct qr_err *err);

/* The body of a reply with a status: number u32, severity u8, state u8, zero u16, text. */
size_t qr_rpc_error_put(const struct qr_err *err, uint8_t dst[QR_RPC_ERROR_BYTES_MAX]);
/* Whatever the bytes are, `ret_err` becomes an error with that status. */
void qr_rpc_error_get(enum qr_status status, const uint8_t *body, size_t bytes,
                      struct qr_err *ret_err);
