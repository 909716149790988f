/* datafile.c - see page/datafile.h */
#include "page/datafile.h"
#include <assert.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/record.h"
#include "base/banned.h"

static const char data_magic[8] = {'Q', 'R', 'D', 'A', 'T', 'A', '\r', '\n'};
static const char dw_magic[8] = {'Q', 'R', 'D', 'B', 'L', 'W', 'R', '\n'};

static bool is_page_size(uint32_t bytes)
{
    return bytes >= QR_PAGE_BYTES_MIN && bytes <= QR_PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

void qr_data_header_encode(uint8_t slot[QR_DATA_HEADER_SLOT_BYTES],
                           const struct qr_data_header *header)
{
    assert(is_page_size(header->page_bytes));
    memset(slot, 0, QR_DATA_HEADER_SLOT_BYTES);
    memcpy(slot, data_magic, sizeof data_magic);
    qr_put32le(slot + 8, QR_FORMAT_VERSION);
    slot[12] = QR_CHECKSUM_CRC32C;
    slot[13] = (uint8_t)header->state;
    qr_put32le(slot + 16, header->key_id);
    qr_put32le(slot + 20, header->page_bytes);
    qr_put64le(slot + 24, header->sequence);
    memcpy(slot + 32, header->timeline, QR_TIMELINE_BYTES);
    qr_put64le(slot + 48, header->epoch);
    qr_put64le(slot + 56, header->checkpoint_lsn);
    qr_put64le(slot + 64, header->log_segment_no);
    qr_put64le(slot + 72, header->log_offset);
    qr_put64le(slot + 80, header->log_lsn);
    qr_put64le(slot + 88, header->commit_no);
    qr_put64le(slot + 96, header->commit_wall_ns);
    qr_put32le(slot + 104, header->db_pages);
    qr_put32le(slot + 108, header->clean);
    qr_put64le(slot + 112, header->log_end_lsn);
    qr_put32le(slot + QR_SECTOR_BYTES - 4, qr_crc32c(0, slot, QR_SECTOR_BYTES - 4));
}

enum qr_status qr_data_header_decode(const uint8_t slot[QR_DATA_HEADER_SLOT_BYTES],
                                     struct qr_data_header *ret_header, struct qr_err *err)
{
    if (memcmp(slot, data_magic, sizeof data_magic) != 0 ||
        qr_get32le(slot + QR_SECTOR_BYTES - 4) != qr_crc32c(0, slot, QR_SECTOR_BYTES - 4))
        return qr_fail(err, QR_CORRUPT, "data file header");
    if (qr_get32le(slot + 8) != QR_FORMAT_VERSION || slot[12] != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_UNSUPPORTED, "data file of version %u, checksum %u",
                       qr_get32le(slot + 8), slot[12]);
    struct qr_data_header h = {
        .state = (enum qr_data_state)slot[13],
        .key_id = qr_get32le(slot + 16),
        .page_bytes = qr_get32le(slot + 20),
        .sequence = qr_get64le(slot + 24),
        .epoch = qr_get64le(slot + 48),
        .checkpoint_lsn = qr_get64le(slot + 56),
        .log_segment_no = qr_get64le(slot + 64),
        .log_offset = qr_get64le(slot + 72),
        .log_lsn = qr_get64le(slot + 80),
        .commit_no = qr_get64le(slot + 88),
        .commit_wall_ns = qr_get64le(slot + 96),
        .db_pages = qr_get32le(slot + 104),
        .clean = qr_get32le(slot + 108),
        .log_end_lsn = qr_get64le(slot + 112),
    };
    memcpy(h.timeline, slot + 32, QR_TIMELINE_BYTES);
    if (!is_page_size(h.page_bytes) || (h.state != QR_DATA_ACTIVE && h.state != QR_DATA_MOVED) ||
        h.log_offset % QR_SECTOR_BYTES != 0 || h.log_offset < QR_SEGMENT_HEADER_BYTES ||
        h.checkpoint_lsn > UINT64_MAX / 2 || h.log_lsn > UINT64_MAX / 2 || h.clean > 1)
        return qr_fail(err, QR_CORRUPT, "data file header: a field is out of bounds");
    *ret_header = h;
    return QR_OK;
}

void qr_dw_header_encode(uint8_t dst[QR_DW_HEADER_BYTES], const struct qr_dw_header *header)
{
    assert(header->page_count <= QR_DW_PAGES_MAX);
    memset(dst, 0, QR_DW_HEADER_BYTES);
    memcpy(dst, dw_magic, sizeof dw_magic);
    qr_put32le(dst + 8, QR_FORMAT_VERSION);
    dst[12] = QR_CHECKSUM_CRC32C;
    qr_put32le(dst + 16, header->page_bytes);
    qr_put32le(dst + 20, header->page_count);
    memcpy(dst + 24, header->timeline, QR_TIMELINE_BYTES);
    for (uint32_t i = 0; i < header->page_count; i++)
        qr_put32le(dst + 64 + 4 * (size_t)i, header->page_no[i]);
    qr_put32le(dst + QR_DW_HEADER_BYTES - 4, qr_crc32c(0, dst, QR_DW_HEADER_BYTES - 4));
}

enum qr_status qr_dw_header_decode(const uint8_t src[QR_DW_HEADER_BYTES],
                                   struct qr_dw_header *ret_header, struct qr_err *err)
{
    if (memcmp(src, dw_magic, sizeof dw_magic) != 0 ||
        qr_get32le(src + QR_DW_HEADER_BYTES - 4) != qr_crc32c(0, src, QR_DW_HEADER_BYTES - 4))
        return qr_fail(err, QR_CORRUPT, "double-write header");
    if (qr_get32le(src + 8) != QR_FORMAT_VERSION || src[12] != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_UNSUPPORTED, "double-write area of version %u", qr_get32le(src + 8));
    struct qr_dw_header h = {
        .page_bytes = qr_get32le(src + 16),
        .page_count = qr_get32le(src + 20),
    };
    memcpy(h.timeline, src + 24, QR_TIMELINE_BYTES);
    if (!is_page_size(h.page_bytes) || h.page_count > QR_DW_PAGES_MAX)
        return qr_fail(err, QR_CORRUPT, "double-write header: a field is out of bounds");
    for (uint32_t i = 0; i < h.page_count; i++)
        h.page_no[i] = qr_get32le(src + 64 + 4 * (size_t)i);
    *ret_header = h;
    return QR_OK;
}
