/* part.c - see backup_int.h.
 *
 * A part is 128 bytes of header (little-endian), then the payload, compressed with zstd:
 *    0 u32 magic "QRBP"   4 u8 version   5 u8 checksum algorithm   6 u8 compression (1 zstd)
 *    7 u8 content         8 u32 key id (0: in clear)   12 u32 crc of the header (this field as 0)
 *   16 16 bytes of timeline   32 u64 set id   40 u32 chain   44 u32 seq   48 u32 part
 *   52 u32 page bytes   56 u32 raw bytes   60 u32 stored bytes   64 u32 crc of the payload
 *   68 16 bytes of salt   84 zeros
 * With a key id the payload, compressed before, is encrypted (AES-256-GCM under a key of this part
 * alone, the header with its checksums as 0 is associated data) and ends with 16 bytes of tag.
 * Content: pages { u32 page number, u64 version LSN, the page without its last 32 bytes }; counter
 * records (page/record.h); pieces of log (logsvc/piece.h). */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "backup_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

enum { CRC_OFFSET = 12, SALT_AT = 68, PAYLOAD_CRC_OFFSET = 64, COMPRESSION_ZSTD = 1, LEVEL = 1 };
static const char magic[4] = {'Q', 'R', 'B', 'P'};

static uint32_t header_crc(const uint8_t *header)
{
    static const uint8_t zeros[4];
    uint32_t crc = qr_crc32c(0, header, CRC_OFFSET);
    crc = qr_crc32c(crc, zeros, sizeof zeros);
    return qr_crc32c(crc, header + CRC_OFFSET + 4, QRI_PART_HEADER_BYTES - CRC_OFFSET - 4);
}

static void put_header(uint8_t *h, const struct qri_part *p, const uint8_t *payload)
{
    memset(h, 0, QRI_PART_HEADER_BYTES);
    memcpy(h, magic, sizeof magic);
    h[4] = QR_FORMAT_VERSION;
    h[5] = QR_CHECKSUM_CRC32C;
    h[6] = COMPRESSION_ZSTD;
    h[7] = (uint8_t)p->content;
    memcpy(h + 16, p->timeline.id, QR_TIMELINE_BYTES);
    qr_put64le(h + 32, p->set_id);
    qr_put32le(h + 40, p->chain);
    qr_put32le(h + 44, p->seq);
    qr_put32le(h + 48, p->part_no);
    qr_put32le(h + 52, p->page_bytes);
    qr_put32le(h + 56, p->raw_bytes);
    qr_put32le(h + 60, p->stored_bytes);
    qr_put32le(h + 8, p->key_id);
    memcpy(h + SALT_AT, p->salt, QR_SALT_BYTES);
    if (payload == NULL)
        return; /* without checksums, as associated data */
    qr_put32le(h + PAYLOAD_CRC_OFFSET, qr_crc32c(0, payload, p->stored_bytes));
    qr_put32le(h + CRC_OFFSET, header_crc(h));
}

static void part_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                        const struct qri_part *p)
{
    qr_cipher_derive(ret_key, data_key, "backup part", p->timeline.id, QR_TIMELINE_BYTES, p->salt);
}

static enum qr_status encrypt(struct qri_part *part, struct qr_keyring *ring, struct qr_env *env,
                              uint8_t *payload, struct qr_err *err)
{
    struct qr_data_key data_key;
    struct qr_cipher_key key;
    uint8_t head[QRI_PART_HEADER_BYTES];
    uint32_t clear = part->stored_bytes;
    if (ring == NULL)
        return QR_OK;
    QR_TRY(qr_keyring_take(ring, &part->timeline, &data_key, err));
    qr_env_random(env, part->salt, QR_SALT_BYTES);
    part->key_id = data_key.id;
    part->stored_bytes += QR_TAG_BYTES;
    part_cipher(&key, &data_key, part);
    qr_cipher_forget(&data_key, sizeof data_key);
    put_header(head, part, NULL);
    return qr_gcm_seal(&key, part->part_no, 0, head, sizeof head, payload, clear, payload + clear,
                       err);
}

/* In place; the tag stays behind what is in clear then. */
static enum qr_status decrypt(const struct qri_part *p, struct qr_keyring *ring, uint8_t *dst,
                              struct qr_err *err)
{
    struct qr_data_key data_key;
    struct qr_cipher_key key;
    uint8_t head[QRI_PART_HEADER_BYTES];
    if (p->stored_bytes < QR_TAG_BYTES)
        return qr_fail(err, QR_CORRUPT, "an encrypted part of %u bytes", p->stored_bytes);
    QR_TRY(qr_keyring_find(ring, &p->timeline, p->key_id, &data_key, err));
    part_cipher(&key, &data_key, p);
    qr_cipher_forget(&data_key, sizeof data_key);
    put_header(head, p, NULL);
    size_t clear = p->stored_bytes - QR_TAG_BYTES;
    return qr_gcm_open(&key, p->part_no, 0, head, sizeof head, dst, clear, dst + clear, err);
}

enum qr_status qri_part_encode(struct qri_part *part, const struct qr_buf *raw,
                               struct qr_keyring *ring, struct qr_env *env, struct qr_buf *dst,
                               struct qr_err *err)
{
    QR_TRY(qr_buf_status(raw, err));
    size_t bound = ZSTD_compressBound(raw->len);
    uint8_t *p = qr_buf_reserve(dst, QRI_PART_HEADER_BYTES + bound + QR_TAG_BYTES);
    if (p == NULL)
        return qr_buf_status(dst, err);
    size_t stored = ZSTD_compress(p + QRI_PART_HEADER_BYTES, bound, raw->data, raw->len, LEVEL);
    if (ZSTD_isError(stored))
        return qr_fail(err, QR_NOMEM, "compress %zu bytes: %s", raw->len,
                       ZSTD_getErrorName(stored));
    part->raw_bytes = (uint32_t)raw->len;
    part->stored_bytes = (uint32_t)stored;
    part->key_id = 0;
    memset(part->salt, 0, sizeof part->salt);
    QR_TRY(encrypt(part, ring, env, p + QRI_PART_HEADER_BYTES, err));
    put_header(p, part, p + QRI_PART_HEADER_BYTES);
    dst->len += QRI_PART_HEADER_BYTES + part->stored_bytes;
    return QR_OK;
}

static enum qr_status get_header(const uint8_t *h, size_t count, struct qri_part *ret_part,
                                 struct qr_err *err)
{
    if (count < QRI_PART_HEADER_BYTES || memcmp(h, magic, sizeof magic) != 0 ||
        header_crc(h) != qr_get32le(h + CRC_OFFSET))
        return qr_fail(err, QR_CORRUPT, "it is no part of a backup, or its header is damaged");
    if (h[4] != QR_FORMAT_VERSION || h[5] != QR_CHECKSUM_CRC32C || h[6] != COMPRESSION_ZSTD)
        return qr_fail(err, QR_UNSUPPORTED, "backup format %u, checksum %u, compression %u", h[4],
                       h[5], h[6]);
    struct qri_part p = {.content = (enum qri_content)h[7],
                         .set_id = qr_get64le(h + 32),
                         .chain = qr_get32le(h + 40),
                         .seq = qr_get32le(h + 44),
                         .part_no = qr_get32le(h + 48),
                         .page_bytes = qr_get32le(h + 52),
                         .raw_bytes = qr_get32le(h + 56),
                         .stored_bytes = qr_get32le(h + 60),
                         .key_id = qr_get32le(h + 8)};
    memcpy(p.salt, h + SALT_AT, QR_SALT_BYTES);
    memcpy(p.timeline.id, h + 16, QR_TIMELINE_BYTES);
    if (h[7] < QRI_CONTENT_PAGES || h[7] > QRI_CONTENT_LOG ||
        p.raw_bytes > QRI_PART_RAW_BYTES_MAX || p.stored_bytes != count - QRI_PART_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "a part with content %u of %u bytes in %zu", h[7],
                       p.raw_bytes, count);
    *ret_part = p;
    return QR_OK;
}

static enum qr_status inflate(const struct qri_part *p, const uint8_t *payload, struct qr_buf *raw,
                              struct qr_err *err)
{
    uint8_t *dst = qr_buf_reserve(raw, p->raw_bytes + (size_t)1); /* not NULL for nothing */
    if (dst == NULL)
        return qr_buf_status(raw, err);
    size_t bytes = p->stored_bytes - (p->key_id == 0 ? 0 : QR_TAG_BYTES);
    size_t got = ZSTD_decompress(dst, p->raw_bytes, payload, bytes);
    if (ZSTD_isError(got) || got != p->raw_bytes)
        return qr_fail(err, QR_CORRUPT, "the payload does not decompress to %u bytes",
                       p->raw_bytes);
    raw->len += got;
    return QR_OK;
}

enum qr_status qri_part_decode(const uint8_t *bytes, size_t count, struct qr_keyring *ring,
                               struct qri_part *ret_part, struct qr_buf *raw, struct qr_err *err)
{
    struct qri_part p;
    QR_TRY(get_header(bytes, count, &p, err));
    const uint8_t *payload = bytes + QRI_PART_HEADER_BYTES;
    if (qr_crc32c(0, payload, p.stored_bytes) != qr_get32le(bytes + PAYLOAD_CRC_OFFSET))
        return qr_fail(err, QR_CORRUPT, "the payload's checksum does not match");
    enum qr_status status = QR_OK;
    uint8_t *clear = p.key_id == 0 ? NULL : malloc((size_t)p.stored_bytes + 1);
    if (p.key_id != 0 && clear == NULL)
        return qr_fail(err, QR_NOMEM, "decrypt a part");
    if (clear != NULL) {
        memcpy(clear, payload, p.stored_bytes);
        status = decrypt(&p, ring, clear, err);
    }
    if (status == QR_OK)
        status = inflate(&p, clear != NULL ? clear : payload, raw, err);
    free(clear);
    QR_TRY(status);
    *ret_part = p;
    return QR_OK;
}

/* --- pages --- */

void qri_page_add(struct qr_buf *raw, uint32_t page_no, struct qr_lsn version, const uint8_t *page,
                  uint32_t page_bytes)
{
    qr_buf_add32le(raw, page_no);
    qr_buf_add64le(raw, version.v);
    qr_buf_add(raw, page, page_bytes - QR_PAGE_RESERVED_BYTES);
}

enum qr_status qri_page_next(const struct qr_buf *raw, size_t *at, uint32_t page_bytes,
                             uint32_t *ret_page_no, struct qr_lsn *ret_version, uint8_t *page,
                             struct qr_err *err)
{
    size_t stored = page_bytes - QR_PAGE_RESERVED_BYTES;
    if (raw->len - *at < QRI_PAGE_ITEM_BYTES + stored)
        return qr_fail(err, QR_CORRUPT, "a part of a backup ends inside a page");
    const uint8_t *p = raw->data + *at;
    *ret_page_no = qr_get32le(p);
    *ret_version = qr_lsn(qr_get64le(p + 4));
    memcpy(page, p + QRI_PAGE_ITEM_BYTES, stored);
    memset(page + stored, 0, QR_PAGE_RESERVED_BYTES);
    *at += QRI_PAGE_ITEM_BYTES + stored;
    return QR_OK;
}
