/* logsvc/piece.h - hardened log as it travels: pieces one behind the other, in memory, on the wire
 * and in long-term objects.
 *
 * A piece is log of one epoch without a gap. 40 bytes of header (little-endian), then the log:
 *   0 u64 first LSN   8 u64 epoch   16 u64 commit LSN (0: no mark known in it)   24 u64 commit
 * wall_ns 32 u32 bytes   36 u8 flags   37 three bytes 0 Between two pieces the LSN has a gap only
 * if the second begins an epoch (QR_PIECE_NEW_EPOCH); what no commit mark covers before such a
 * piece is void (STORAGE.md S4).
 *
 * A long-term object `log/<timeline>/<first LSN, 16 hex>` is 128 bytes of header, then pieces
 * without a gap between them: 0 u32 magic "QRLO"   4 u8 version   5 u8 checksum algorithm   6 u8
 * compression   7 u8 flags 8 u32 key id   12 u32 crc of the header (this field as 0)   16 16 bytes
 * of timeline 32 u64 first LSN   40 u64 end LSN   48 u64 commit LSN before it   56 u64 its wall_ns
 *  64 u64 last commit LSN at its end   72 u64 its wall_ns   80 u64 payload bytes, as stored
 *  88 u32 crc of the payload, as stored   92 u32 0   96 u64 payload bytes before compression
 * (0: the same)   104 16 bytes of salt   120 zeros. Compression is an id of page/compress.h. With a
 * key id the payload is encrypted after compression (AES-256-GCM under a key of this object alone;
 * the header with its crc and that of the payload as 0 is associated data) and ends with 16 bytes
 * of tag.
 *
 * Pure; any thread; hostile input. Errors: QR_CORRUPT, QR_NOMEM and QR_TOO_BIG from the buffer. */
#pragma once
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "crypt/keyring.h"
#include "page/timeline.h"

enum {
    QR_PIECE_HEADER_BYTES = 40,
    QR_PIECE_NEW_EPOCH = 1,
    QR_LOG_OBJECT_HEADER_BYTES = 128,
    QR_LOG_OBJECT_BYTES = 4 << 20,      /* of log, roughly; at most one append more */
    QR_LOG_OBJECT_BYTES_MAX = 16 << 20, /* of the whole object */
};

struct qr_piece {
    uint64_t first_lsn, epoch;
    uint64_t commit_lsn, commit_wall_ns; /* of the last mark in it, 0: none known */
    uint32_t bytes;
    uint8_t flags;
    const uint8_t *data;
};

/* Appends a piece. It grows the last one at *last_at instead when it continues that; *last_at is
 * SIZE_MAX before the first. */
void qr_piece_add(struct qr_buf *buf, size_t *last_at, const struct qr_piece *piece);
/* The piece at *at, which moves behind it; the log points into `bytes`. */
QR_NODISCARD enum qr_status qr_piece_next(const uint8_t *bytes, size_t count, size_t *at,
                                          struct qr_piece *ret_piece, struct qr_err *err);

struct qr_log_object {
    struct qr_timeline timeline;
    uint64_t first_lsn, end_lsn;
    uint64_t before_commit_lsn, before_wall_ns;
    uint64_t commit_lsn, commit_wall_ns;
    uint64_t payload_bytes, raw_bytes; /* as stored; before compression */
    uint32_t payload_crc;
    uint8_t compression; /* enum qr_compression */
    uint32_t key_id;     /* 0: in clear */
    uint8_t salt[QR_SALT_BYTES];
};
/* The header alone: `bytes` are its 128. */
QR_NODISCARD enum qr_status qr_log_object_header(const uint8_t *bytes, size_t count,
                                                 struct qr_log_object *ret_object,
                                                 struct qr_err *err);
/* The key of one object: never used for another, because its salt is random. */
void qr_log_object_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                          const struct qr_timeline *timeline, const uint8_t salt[QR_SALT_BYTES]);
/* `buf` has room for the header, then the payload: completes the object. object->payload_bytes is
 * of the payload, and then as stored. `key` NULL: in clear. */
QR_NODISCARD enum qr_status qr_log_object_seal(struct qr_buf *buf, struct qr_log_object *object,
                                               const struct qr_cipher_key *key, struct qr_err *err);
/* A whole object in `buf`: checks header, checksum, and pieces that go from first to end without a
 * gap. Then its header and the pieces as they were before encryption and compression are in `buf`;
 * after a failure anything. `ring` NULL: QR_DENIED if it is encrypted. */
QR_NODISCARD enum qr_status qr_log_object_unpack(struct qr_buf *buf, struct qr_keyring *ring,
                                                 struct qr_log_object *ret_object,
                                                 struct qr_err *err);
