/* logsvc/journal.h - the landing-zone journal as bytes: segment header, blocks, entries.
 *
 * A segment is a file: a header sector in QR_JOURNAL_HEADER_BYTES, then blocks one behind the
 * other. A block is what one sync hardens, for all timelines. Layout (little-endian): 64 bytes of
 * header, entries, zeros up to a multiple of 512: 0 u32 magic "QRJB"   4 u8 version   5 u8 checksum
 * algorithm   6 u8 compression   7 u8 flags 8 u32 key id        12 u32 crc of header (this field as
 * 0) and payload 16 u64 block number  24 u64 synced block: blocks up to it were durable when this
 * was written 32 u64 generation    40 u32 entry count   44 u32 payload bytes   48 16 bytes of
 * journal id An entry: 64 bytes of header, then its data: 0 u8 kind   1 u8 flags   2 u16 0   4 u32
 * data bytes   8 16 bytes of timeline 24 u64 epoch   32 u64 lsn   40 u64 commit LSN   48 u64 commit
 * wall_ns   56 u64 extra Block numbers start at 1 and have no gaps, so the block that follows is
 * known before it is read; the journal id is random, so nothing that a client stores can pass for a
 * block. With a key id the payload is encrypted (AES-256-GCM over the header as associated data,
 * its crc as 0; nonce: the block number) and ends with 16 bytes of salt, random for each process
 * that writes, and 16 of tag; the crc is of what is stored.
 *
 * Pure; any thread; hostile input. QR_CORRUPT for what is not whole and intact, QR_UNSUPPORTED for
 * an intact segment of another version. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "crypt/cipher.h"
#include "page/block.h"
#include "page/timeline.h"

enum {
    QR_JOURNAL_ID_BYTES = 16,
    QR_JOURNAL_HEADER_BYTES = 4096, /* of a segment; one sector used */
    QR_JOURNAL_BLOCK_HEADER_BYTES = 64,
    QR_JOURNAL_ENTRY_BYTES = 64,
    QR_JOURNAL_DATA_BYTES_MAX = 1 << 20,    /* of one entry */
    QR_JOURNAL_PAYLOAD_BYTES_MAX = 4 << 20, /* of one block */
};

enum qr_journal_kind {
    QR_JOURNAL_APPEND =
        1, /* lsn: of the first byte of the data; commit: the last mark in it, or 0 */
    QR_JOURNAL_FENCE = 2, /* epoch begins; lsn, commit: what was hardened; extra: the holder */
    QR_JOURNAL_CREATE =
        3, /* lsn: start; commit: of the start; extra: branch LSN; data: the parent */
    QR_JOURNAL_DROP = 4,
    QR_JOURNAL_TRIM = 5, /* log before lsn is given up */
};
enum { QR_JOURNAL_NEW_EPOCH = 1 }; /* flag of an APPEND: the first of its epoch, lsn may jump */

struct qr_journal_entry {
    enum qr_journal_kind kind;
    uint8_t flags;
    struct qr_timeline timeline;
    uint64_t epoch, lsn, commit_lsn, commit_wall_ns, extra;
    const uint8_t *data;
    uint32_t data_bytes;
};

struct qr_journal_block {
    uint64_t block_no, synced_block_no, generation;
    uint32_t entry_count, payload_bytes; /* as stored */
    uint32_t key_id;                     /* 0: in clear */
    uint8_t journal_id[QR_JOURNAL_ID_BYTES];
};

struct qr_journal_segment {
    uint64_t segment_no; /* from 1, without gaps */
    uint64_t file_bytes;
    uint8_t journal_id[QR_JOURNAL_ID_BYTES];
};

static inline uint64_t qr_journal_block_file_bytes(uint32_t payload_bytes)
{
    return ((uint64_t)payload_bytes + QR_JOURNAL_BLOCK_HEADER_BYTES + QR_SECTOR_BYTES - 1) /
           QR_SECTOR_BYTES * QR_SECTOR_BYTES;
}

/* Writes the entry's header alone; its data go behind it. */
void qr_journal_entry_put(uint8_t dst[QR_JOURNAL_ENTRY_BYTES],
                          const struct qr_journal_entry *entry);
/* The entry at *at, which moves behind it; `data` points into the payload. */
QR_NODISCARD enum qr_status qr_journal_entry_next(const uint8_t *payload, size_t payload_bytes,
                                                  size_t *at, struct qr_journal_entry *ret_entry,
                                                  struct qr_err *err);

/* The key of one process's blocks. */
void qr_journal_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                       const uint8_t journal_id[QR_JOURNAL_ID_BYTES], uint64_t generation,
                       const uint8_t salt[QR_SALT_BYTES]);
/* A block that is being written: each part of it is copied, encrypted and counted in the checksum
 * while the processor has it at hand. One thread, which seals nothing else meanwhile. */
struct qr_journal_writer {
    uint8_t *block;
    const struct qr_cipher_key *key; /* NULL: in clear */
    struct qr_gcm gcm;
    uint8_t *end, *done; /* of what was added; of what is sealed and counted */
    uint32_t crc;
};
/* `block` has room for a header, the payload, QR_SEAL_BYTES and padding. header->payload_bytes is
 * of the entries that will be added with their headers, and becomes what is stored. What fails,
 * fails for lack of memory only. */
QR_NODISCARD enum qr_status qr_journal_block_begin(struct qr_journal_writer *ret_w, uint8_t *block,
                                                   struct qr_journal_block *header,
                                                   const struct qr_cipher_key *key,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qr_journal_block_add(struct qr_journal_writer *w,
                                                 const struct qr_journal_entry *entry,
                                                 struct qr_err *err);
/* Zeroes the padding. */
QR_NODISCARD enum qr_status qr_journal_block_end(struct qr_journal_writer *w,
                                                 const struct qr_journal_block *header,
                                                 struct qr_err *err);
/* The header alone; lengths are within bounds, the checksum is not verified yet. */
QR_NODISCARD enum qr_status qr_journal_block_peek(const uint8_t *block, size_t count,
                                                  struct qr_journal_block *ret_header,
                                                  struct qr_err *err);
/* `count` bytes from the header on: the checksum, and of a block in clear that the entries fill the
 * payload exactly. */
QR_NODISCARD enum qr_status qr_journal_block_verify(const uint8_t *block, size_t count,
                                                    struct qr_err *err);
/* Decrypts the payload of a verified block in place and verifies its entries; one in clear is left
 * as it is. `own`: a cipher that may fit (NULL: none). QR_DENIED: not encrypted under this key. */
QR_NODISCARD enum qr_status qr_journal_block_open(uint8_t *block,
                                                  const struct qr_data_key *data_key,
                                                  const struct qr_cipher_key *own,
                                                  struct qr_err *err);

void qr_journal_segment_encode(uint8_t sector[QR_SECTOR_BYTES],
                               const struct qr_journal_segment *header);
QR_NODISCARD enum qr_status qr_journal_segment_decode(const uint8_t sector[QR_SECTOR_BYTES],
                                                      struct qr_journal_segment *ret_header,
                                                      struct qr_err *err);
