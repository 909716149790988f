/* block.c - see page/block.h */
#include "page/block.h"
#include <assert.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

static const char block_magic[4] = {'Q', 'R', 'L', 'B'};
static const char segment_magic[8] = {'Q', 'R', 'L', 'O', 'G', 'S', 'E', 'G'};

enum { CRC_OFFSET = 12 };

static uint32_t block_crc(const uint8_t *block, uint32_t stored_bytes)
{
    static const uint8_t zeros[4];
    uint32_t crc = qr_crc32c(0, block, CRC_OFFSET);
    crc = qr_crc32c(crc, zeros, sizeof zeros);
    return qr_crc32c(crc, block + CRC_OFFSET + 4,
                     (size_t)QR_BLOCK_HEADER_BYTES - CRC_OFFSET - 4 + stored_bytes);
}

void qr_block_encode(uint8_t *block, const struct qr_block_header *header)
{
    assert(header->stored_bytes > 0 && header->stored_bytes <= QR_BLOCK_PAYLOAD_BYTES_MAX);
    memset(block, 0, QR_BLOCK_HEADER_BYTES);
    memcpy(block, block_magic, sizeof block_magic);
    block[4] = QR_FORMAT_VERSION;
    block[5] = QR_CHECKSUM_CRC32C;
    qr_put32le(block + 8, header->key_id);
    qr_put64le(block + 16, header->first_lsn);
    qr_put64le(block + 24, header->synced_lsn);
    qr_put32le(block + 32, header->raw_bytes);
    qr_put32le(block + 36, header->stored_bytes);
    qr_put64le(block + 40, header->epoch);
    memcpy(block + 48, header->timeline, QR_TIMELINE_BYTES);
}

void qr_block_seal(uint8_t *block, const struct qr_block_header *header)
{
    qr_block_encode(block, header);
    qr_put32le(block + CRC_OFFSET, block_crc(block, header->stored_bytes));
}

enum qr_status qr_block_peek(const uint8_t *block, size_t count, struct qr_block_header *ret_header,
                             struct qr_err *err)
{
    if (count < QR_BLOCK_HEADER_BYTES || memcmp(block, block_magic, sizeof block_magic) != 0)
        return qr_fail(err, QR_CORRUPT, "no log block here");
    if (block[4] != QR_FORMAT_VERSION || block[5] != QR_CHECKSUM_CRC32C || block[6] != 0 ||
        block[7] != 0)
        return qr_fail(err, QR_CORRUPT, "log block of version %u, checksum %u, compression %u",
                       block[4], block[5], block[6]);
    struct qr_block_header h = {
        .first_lsn = qr_get64le(block + 16),
        .synced_lsn = qr_get64le(block + 24),
        .raw_bytes = qr_get32le(block + 32),
        .stored_bytes = qr_get32le(block + 36),
        .epoch = qr_get64le(block + 40),
        .key_id = qr_get32le(block + 8),
    };
    uint32_t seal = h.key_id == 0 ? 0 : QR_BLOCK_SEAL_BYTES;
    memcpy(h.timeline, block + 48, QR_TIMELINE_BYTES);
    if (h.stored_bytes <= seal || h.stored_bytes > QR_BLOCK_PAYLOAD_BYTES_MAX ||
        h.raw_bytes != h.stored_bytes - seal || h.first_lsn > UINT64_MAX / 2)
        return qr_fail(err, QR_CORRUPT, "log block of %u bytes", h.stored_bytes);
    *ret_header = h;
    return QR_OK;
}

enum qr_status qr_block_verify(const uint8_t *block, size_t count, struct qr_err *err)
{
    struct qr_block_header h;
    QR_TRY(qr_block_peek(block, count, &h, err));
    if (count - QR_BLOCK_HEADER_BYTES < h.stored_bytes ||
        qr_get32le(block + CRC_OFFSET) != block_crc(block, h.stored_bytes))
        return qr_fail(err, QR_CORRUPT, "log block at LSN %llu: checksum",
                       (unsigned long long)h.first_lsn);
    return QR_OK;
}

void qr_segment_header_encode(uint8_t sector[QR_SECTOR_BYTES],
                              const struct qr_segment_header *header)
{
    memset(sector, 0, QR_SECTOR_BYTES);
    memcpy(sector, segment_magic, sizeof segment_magic);
    qr_put32le(sector + 8, QR_FORMAT_VERSION);
    sector[12] = QR_CHECKSUM_CRC32C;
    qr_put64le(sector + 16, header->segment_no);
    qr_put64le(sector + 24, header->file_bytes);
    memcpy(sector + 32, header->timeline, QR_TIMELINE_BYTES);
    qr_put32le(sector + QR_SECTOR_BYTES - 4, qr_crc32c(0, sector, QR_SECTOR_BYTES - 4));
}

enum qr_status qr_segment_header_decode(const uint8_t sector[QR_SECTOR_BYTES],
                                        struct qr_segment_header *ret_header, struct qr_err *err)
{
    if (memcmp(sector, segment_magic, sizeof segment_magic) != 0 ||
        qr_get32le(sector + QR_SECTOR_BYTES - 4) != qr_crc32c(0, sector, QR_SECTOR_BYTES - 4))
        return qr_fail(err, QR_CORRUPT, "log segment header");
    if (qr_get32le(sector + 8) != QR_FORMAT_VERSION || sector[12] != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_UNSUPPORTED, "log segment of version %u", qr_get32le(sector + 8));
    struct qr_segment_header h = {
        .segment_no = qr_get64le(sector + 16),
        .file_bytes = qr_get64le(sector + 24),
    };
    memcpy(h.timeline, sector + 32, QR_TIMELINE_BYTES);
    *ret_header = h;
    return QR_OK;
}
