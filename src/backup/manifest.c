/* manifest.c - see backup_int.h.
 *
 * A chain's manifest is 64 bytes of header (little-endian), then rows of 128 bytes:
 *    0 u32 magic "QRBM"   4 u8 version   5 u8 checksum algorithm   8 u32 key id (0 none)
 *   12 u32 crc of all (this field as 0)   16 16 bytes of timeline   32 u32 chain   36 u32 rows
 * Row: 0 u32 kind   4 u32 seq   8 u32 parts   12 u32 page bytes   16 u32 pages   20 u32 0
 *   24 u64 set id   32 u64 base LSN   40 u64 first LSN   48 u64 last LSN   56 u64 wall_ns
 *   64 u64 taken wall_ns   72 u64 commit number   80 u64 epoch   88 u64 raw bytes
 *   96 u64 stored bytes  104 u64 end wall_ns  112 u64 first wall_ns  120 zeros
 * The first row is the full backup; seq counts from 0 without a gap. */
#include <stdlib.h>
#include <string.h>
#include "backup_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

enum { CRC_OFFSET = 12 };
static const char magic[4] = {'Q', 'R', 'B', 'M'};

static uint32_t crc_of(const uint8_t *bytes, size_t count)
{
    static const uint8_t zeros[4];
    uint32_t crc = qr_crc32c(0, bytes, CRC_OFFSET);
    crc = qr_crc32c(crc, zeros, sizeof zeros);
    return qr_crc32c(crc, bytes + CRC_OFFSET + 4, count - CRC_OFFSET - 4);
}

static void add_row(struct qr_buf *dst, const struct qr_backup_row *r)
{
    const uint32_t small[6] = {(uint32_t)r->kind, r->seq,   r->part_count,
                               r->page_bytes,     r->pages, 0};
    const uint64_t large[12] = {r->set_id,    r->base.v,        r->first.v,     r->last.v,
                                r->wall_ns,   r->taken_wall_ns, r->commit_no,   r->epoch,
                                r->raw_bytes, r->stored_bytes,  r->end_wall_ns, r->first_wall_ns};
    for (size_t i = 0; i < 6; i++)
        qr_buf_add32le(dst, small[i]);
    for (size_t i = 0; i < 12; i++)
        qr_buf_add64le(dst, large[i]);
    qr_buf_fill(dst, 0, QRI_ROW_BYTES - 24 - 96);
}

void qri_chain_encode(uint32_t chain, const struct qr_backup_row *rows, size_t count,
                      struct qr_buf *dst)
{
    size_t start = dst->len;
    qr_buf_add(dst, magic, sizeof magic);
    qr_buf_add8(dst, QR_FORMAT_VERSION);
    qr_buf_add8(dst, QR_CHECKSUM_CRC32C);
    qr_buf_fill(dst, 0, 10);
    qr_buf_add(dst, rows[0].timeline.id, QR_TIMELINE_BYTES);
    qr_buf_add32le(dst, chain);
    qr_buf_add32le(dst, (uint32_t)count);
    qr_buf_fill(dst, 0, QRI_MANIFEST_HEADER_BYTES - 40);
    for (size_t i = 0; i < count; i++)
        add_row(dst, &rows[i]);
    if (dst->failed == QR_OK)
        qr_put32le(dst->data + start + CRC_OFFSET, crc_of(dst->data + start, dst->len - start));
}

static struct qr_backup_row get_row(const uint8_t *p, uint32_t chain)
{
    return (struct qr_backup_row){.kind = (enum qr_backup_kind)qr_get32le(p),
                                  .chain = chain,
                                  .seq = qr_get32le(p + 4),
                                  .part_count = qr_get32le(p + 8),
                                  .page_bytes = qr_get32le(p + 12),
                                  .pages = qr_get32le(p + 16),
                                  .set_id = qr_get64le(p + 24),
                                  .base = qr_lsn(qr_get64le(p + 32)),
                                  .first = qr_lsn(qr_get64le(p + 40)),
                                  .last = qr_lsn(qr_get64le(p + 48)),
                                  .wall_ns = qr_get64le(p + 56),
                                  .taken_wall_ns = qr_get64le(p + 64),
                                  .commit_no = qr_get64le(p + 72),
                                  .epoch = qr_get64le(p + 80),
                                  .raw_bytes = qr_get64le(p + 88),
                                  .stored_bytes = qr_get64le(p + 96),
                                  .end_wall_ns = qr_get64le(p + 104),
                                  .first_wall_ns = qr_get64le(p + 112)};
}

static bool row_is_sound(const struct qr_backup_row *r, size_t index)
{
    bool pages_sound = r->page_bytes >= QR_PAGE_BYTES_MIN && r->page_bytes <= QR_PAGE_BYTES_MAX &&
                       (r->page_bytes & (r->page_bytes - 1)) == 0;
    bool kind_sound = index == 0 ? r->kind == QR_BACKUP_FULL
                                 : r->kind == QR_BACKUP_DIFF || r->kind == QR_BACKUP_LOG;
    return kind_sound && pages_sound && r->seq == index && r->first.v <= r->last.v &&
           r->last.v <= UINT64_MAX / 2 && r->epoch <= UINT64_MAX / 2;
}

static enum qr_status reserve(struct qr_backup_catalog *c, size_t more, struct qr_err *err)
{
    if (c->count + more > QRI_ROWS_MAX)
        return qr_fail(err, QR_TOO_BIG, "more than %d backups", QRI_ROWS_MAX);
    struct qr_backup_row *rows = realloc(c->rows, (c->count + more) * sizeof *rows);
    if (rows == NULL)
        return qr_fail(err, QR_NOMEM, "%zu backups", c->count + more);
    c->rows = rows;
    return QR_OK;
}

enum qr_status qri_chain_decode(const uint8_t *bytes, size_t count, uint32_t chain,
                                struct qr_backup_catalog *catalog, struct qr_err *err)
{
    if (count < QRI_MANIFEST_HEADER_BYTES || memcmp(bytes, magic, sizeof magic) != 0 ||
        crc_of(bytes, count) != qr_get32le(bytes + CRC_OFFSET))
        return qr_fail(err, QR_CORRUPT, "it is no manifest of a backup chain, or it is damaged");
    if (bytes[4] != QR_FORMAT_VERSION || bytes[5] != QR_CHECKSUM_CRC32C ||
        qr_get32le(bytes + 8) != 0)
        return qr_fail(err, QR_UNSUPPORTED, "manifest format %u, checksum %u", bytes[4], bytes[5]);
    struct qr_timeline timeline;
    memcpy(timeline.id, bytes + 16, QR_TIMELINE_BYTES);
    uint32_t rows = qr_get32le(bytes + 36);
    if (rows == 0 || rows > QRI_ROWS_MAX || qr_get32le(bytes + 32) != chain ||
        count - QRI_MANIFEST_HEADER_BYTES != (size_t)rows * QRI_ROW_BYTES)
        return qr_fail(err, QR_CORRUPT, "a manifest of chain %u with %u rows in %zu bytes",
                       qr_get32le(bytes + 32), rows, count);
    QR_TRY(reserve(catalog, rows, err));
    for (uint32_t i = 0; i < rows; i++) {
        struct qr_backup_row r =
            get_row(bytes + QRI_MANIFEST_HEADER_BYTES + (size_t)i * QRI_ROW_BYTES, chain);
        if (!row_is_sound(&r, i))
            return qr_fail(err, QR_CORRUPT, "row %u of a backup manifest", i);
        r.timeline = timeline;
        catalog->rows[catalog->count + i] = r;
    }
    catalog->count += rows;
    return QR_OK;
}
