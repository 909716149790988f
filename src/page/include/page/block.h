/* page/block.h - log blocks: the unit in which log is hardened, and the header of a log segment.
 *
 * A block carries a piece of the log stream; records and groups may span blocks. Layout (little-
 * endian): 64 bytes of header, stored_bytes of payload, zeros up to a multiple of 512:
 *   0 u32 magic "QRLB"   4 u8 version   5 u8 checksum algorithm   6 u8 compression   7 u8 flags
 *   8 u32 key id        12 u32 crc of header (this field as 0) and payload
 *  16 u64 first LSN     24 u64 synced LSN: everything before it was durable when this was written
 *  32 u32 raw bytes     36 u32 stored bytes    40 u64 epoch    48 16 bytes of timeline id
 * With a key id the payload is encrypted and ends with 32 bytes more (crypt/page.h).
 * A log segment is a file: a header sector, then blocks one behind the other.
 *
 * Pure; any thread; hostile input. QR_CORRUPT for anything that is not a whole, intact block. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

enum {
    QR_FORMAT_VERSION = 1,
    QR_CHECKSUM_CRC32C = 1, /* the only algorithm so far */
    QR_TIMELINE_BYTES = 16,
    QR_SECTOR_BYTES = 512,
    QR_BLOCK_HEADER_BYTES = 64,
    QR_BLOCK_PAYLOAD_BYTES_MAX = 1 << 20,
    QR_BLOCK_SEAL_BYTES = 32,
    QR_SEGMENT_HEADER_BYTES = 4096, /* one sector used */
};

struct qr_block_header {
    uint64_t first_lsn, synced_lsn;
    uint32_t raw_bytes, stored_bytes; /* of log; of payload: QR_BLOCK_SEAL_BYTES more with a key */
    uint32_t key_id;                  /* 0: in clear */
    uint64_t epoch;
    uint8_t timeline[QR_TIMELINE_BYTES];
};

/* Bytes that a block takes in the file. */
static inline uint64_t qr_block_file_bytes(uint32_t stored_bytes)
{
    return ((uint64_t)stored_bytes + QR_BLOCK_HEADER_BYTES + QR_SECTOR_BYTES - 1) /
           QR_SECTOR_BYTES * QR_SECTOR_BYTES;
}

/* The header with its checksum as 0. */
void qr_block_encode(uint8_t *block, const struct qr_block_header *header);
/* `block` has room for the header before its payload, which is in place already. */
void qr_block_seal(uint8_t *block, const struct qr_block_header *header);
/* Reads the header alone; its lengths are within bounds, its checksum is not verified yet. */
QR_NODISCARD enum qr_status qr_block_peek(const uint8_t *block, size_t count,
                                          struct qr_block_header *ret_header, struct qr_err *err);
/* `count` >= header and stored_bytes. */
QR_NODISCARD enum qr_status qr_block_verify(const uint8_t *block, size_t count, struct qr_err *err);

struct qr_segment_header {
    uint64_t segment_no; /* from 1, without gaps */
    uint64_t file_bytes;
    uint8_t timeline[QR_TIMELINE_BYTES];
};
void qr_segment_header_encode(uint8_t sector[QR_SECTOR_BYTES],
                              const struct qr_segment_header *header);
QR_NODISCARD enum qr_status qr_segment_header_decode(const uint8_t sector[QR_SECTOR_BYTES],
                                                     struct qr_segment_header *ret_header,
                                                     struct qr_err *err);
