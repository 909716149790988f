/* layer_format.c - see layer_int.h */
#include "layer_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/compress.h"
#include "base/banned.h"

enum {
    MAGIC = 0x594C5251, /* "QRLY" */
    CRC_AT = 12,
    COPY_AT = 96,
    FOOTER_CRC_AT = QRI_LAYER_FOOTER_BYTES - 8,
    SECTION_ROW_BYTES = 16,
    BITS_PER_PAGE = 10,
    HASHES = 5,
    FILTER_BITS_MIN = 64,
};

void qri_layer_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                      const struct qri_layer_desc *desc, const uint8_t salt[QR_SALT_BYTES])
{
    uint8_t context[QR_TIMELINE_BYTES + 12];
    memcpy(context, desc->origin.id, QR_TIMELINE_BYTES);
    qr_put32le(context + QR_TIMELINE_BYTES, desc->slice_no);
    qr_put64le(context + QR_TIMELINE_BYTES + 4, desc->id);
    qr_cipher_derive(ret_key, data_key, "layer", context, sizeof context, salt);
}

enum { ENDS_BYTES = QRI_LAYER_HEADER_BYTES + QRI_LAYER_TAG_AT };

static void bind_ends(const uint8_t *header, const uint8_t *footer, uint8_t dst[ENDS_BYTES])
{
    memcpy(dst, header, QRI_LAYER_HEADER_BYTES);
    memcpy(dst + QRI_LAYER_HEADER_BYTES, footer, QRI_LAYER_TAG_AT);
}

static enum qri_layer_part part_of(enum qri_layer_end end)
{
    return end == QRI_END_LAST ? QRI_PART_ENDS : QRI_PART_COPY_ENDS;
}

enum qr_status qri_ends_seal(const struct qr_cipher_key *key, enum qri_layer_end end,
                             const uint8_t *header, uint8_t *footer, struct qr_err *err)
{
    uint8_t ends[ENDS_BYTES], nothing[1];
    bind_ends(header, footer, ends);
    QR_TRY(qr_gcm_seal(key, 0, part_of(end), ends, sizeof ends, nothing, 0,
                       footer + QRI_LAYER_TAG_AT, err));
    qr_put32le(footer + FOOTER_CRC_AT, qr_crc32c(0, footer, FOOTER_CRC_AT));
    return QR_OK;
}

enum qr_status qri_ends_open(const struct qr_cipher_key *key, enum qri_layer_end end,
                             const uint8_t *header, const uint8_t *footer, struct qr_err *err)
{
    uint8_t ends[ENDS_BYTES], nothing[1];
    bind_ends(header, footer, ends);
    return qr_gcm_open(key, 0, part_of(end), ends, sizeof ends, nothing, 0,
                       footer + QRI_LAYER_TAG_AT, err);
}

void qri_header_encode(const struct qri_layer_desc *desc, const struct qri_layer_form *form,
                       uint8_t dst[QRI_LAYER_HEADER_BYTES])
{
    memset(dst, 0, QRI_LAYER_HEADER_BYTES);
    qr_put32le(dst, MAGIC);
    dst[4] = QR_FORMAT_VERSION;
    dst[5] = QR_CHECKSUM_CRC32C;
    dst[6] = (uint8_t)desc->kind;
    dst[7] = form->compression;
    qr_put32le(dst + 8, form->key_id);
    memcpy(dst + QRI_LAYER_SALT_AT, form->salt, QR_SALT_BYTES);
    memcpy(dst + 16, desc->origin.id, QR_TIMELINE_BYTES);
    qr_put32le(dst + 32, desc->slice_no);
    qr_put32le(dst + 36, form->page_bytes);
    qr_put64le(dst + 40, desc->id);
    qr_put64le(dst + 48, desc->first_lsn);
    qr_put64le(dst + 56, desc->last_lsn);
    qr_put32le(dst + 64, desc->first_page);
    qr_put32le(dst + 68, desc->last_page);
    qr_put64le(dst + 72, desc->bytes);
    qr_put64le(dst + COPY_AT, form->copy_at);
    qr_put32le(dst + CRC_AT, qr_crc32c(0, dst, QRI_LAYER_HEADER_BYTES));
}

static bool has_room_for_copies(uint64_t copy_at, uint64_t bytes)
{
    enum { AROUND = 2 * QRI_LAYER_HEADER_BYTES + 2 * QRI_LAYER_FOOTER_BYTES };
    return bytes >= AROUND && copy_at >= QRI_LAYER_HEADER_BYTES &&
           copy_at <= bytes - AROUND + QRI_LAYER_HEADER_BYTES;
}

enum qr_status qri_header_decode(const uint8_t src[QRI_LAYER_HEADER_BYTES],
                                 struct qri_layer_desc *ret_desc, struct qri_layer_form *ret_form,
                                 struct qr_err *err)
{
    uint8_t copy[QRI_LAYER_HEADER_BYTES];
    memcpy(copy, src, sizeof copy);
    qr_put32le(copy + CRC_AT, 0);
    if (qr_get32le(src) != MAGIC)
        return qr_fail(err, QR_CORRUPT, "no layer file");
    if (src[4] != QR_FORMAT_VERSION || src[5] != QR_CHECKSUM_CRC32C ||
        !qr_compression_known(src[7]))
        return qr_fail(err, QR_CORRUPT, "layer of version %u, algorithm %u, compression %u", src[4],
                       src[5], src[7]);
    if (qr_get32le(src + CRC_AT) != qr_crc32c(0, copy, sizeof copy))
        return qr_fail(err, QR_CORRUPT, "checksum of a layer's header");
    struct qri_layer_desc d = {.slice_no = qr_get32le(src + 32),
                               .id = qr_get64le(src + 40),
                               .kind = (enum qri_layer_kind)src[6],
                               .first_lsn = qr_get64le(src + 48),
                               .last_lsn = qr_get64le(src + 56),
                               .first_page = qr_get32le(src + 64),
                               .last_page = qr_get32le(src + 68),
                               .bytes = qr_get64le(src + 72),
                               .lsn_max = UINT64_MAX};
    memcpy(d.origin.id, src + 16, QR_TIMELINE_BYTES);
    uint32_t page_bytes = qr_get32le(src + 36);
    uint64_t copy_at = qr_get64le(src + COPY_AT);
    if ((d.kind != QRI_LAYER_DELTA && d.kind != QRI_LAYER_IMAGE) || d.first_lsn > d.last_lsn ||
        d.first_page > d.last_page || page_bytes < QR_PAGE_BYTES_MIN ||
        page_bytes > QR_PAGE_BYTES_MAX || (page_bytes & (page_bytes - 1)) != 0 ||
        (copy_at != 0 && !has_room_for_copies(copy_at, d.bytes)))
        return qr_fail(err, QR_CORRUPT, "layer header breaks its form");
    *ret_desc = d;
    *ret_form = (struct qri_layer_form){.page_bytes = page_bytes,
                                        .compression = src[7],
                                        .key_id = qr_get32le(src + 8),
                                        .copy_at = copy_at};
    memcpy(ret_form->salt, src + QRI_LAYER_SALT_AT, QR_SALT_BYTES);
    return QR_OK;
}

void qri_footer_encode(const struct qri_layer_footer *footer, uint8_t dst[QRI_LAYER_FOOTER_BYTES])
{
    memset(dst, 0, QRI_LAYER_FOOTER_BYTES);
    for (int i = 0; i < QRI_SECTION_COUNT; i++) {
        qr_put64le(dst + i * SECTION_ROW_BYTES, footer->sections[i].offset);
        qr_put32le(dst + i * SECTION_ROW_BYTES + 8, footer->sections[i].bytes);
        qr_put32le(dst + i * SECTION_ROW_BYTES + 12, footer->sections[i].crc);
    }
    qr_put64le(dst + QRI_SECTION_COUNT * SECTION_ROW_BYTES, footer->entry_count);
    qr_put32le(dst + FOOTER_CRC_AT, qr_crc32c(0, dst, FOOTER_CRC_AT));
    qr_put32le(dst + FOOTER_CRC_AT + 4, MAGIC);
}

enum qr_status qri_footer_decode(const uint8_t src[QRI_LAYER_FOOTER_BYTES], uint64_t file_bytes,
                                 struct qri_layer_footer *ret_footer, struct qr_err *err)
{
    if (qr_get32le(src + FOOTER_CRC_AT + 4) != MAGIC ||
        qr_get32le(src + FOOTER_CRC_AT) != qr_crc32c(0, src, FOOTER_CRC_AT))
        return qr_fail(err, QR_CORRUPT, "checksum of a layer's footer");
    struct qri_layer_footer f = {.entry_count =
                                     qr_get64le(src + QRI_SECTION_COUNT * SECTION_ROW_BYTES)};
    for (int i = 0; i < QRI_SECTION_COUNT; i++) {
        struct qri_layer_section *s = &f.sections[i];
        *s = (struct qri_layer_section){.offset = qr_get64le(src + i * SECTION_ROW_BYTES),
                                        .bytes = qr_get32le(src + i * SECTION_ROW_BYTES + 8),
                                        .crc = qr_get32le(src + i * SECTION_ROW_BYTES + 12)};
        if (s->offset > file_bytes || s->bytes > file_bytes - s->offset)
            return qr_fail(err, QR_CORRUPT, "section %d of a layer reaches past its end", i);
    }
    *ret_footer = f;
    return QR_OK;
}

void qri_block_encode(const struct qri_layer_block *block, struct qr_buf *buf)
{
    qr_buf_add32le(buf, block->page_no);
    qr_buf_add32le(buf, block->bytes);
    qr_buf_add64le(buf, block->lsn);
    qr_buf_add64le(buf, block->offset);
}

static bool in_order(const struct qri_layer_block *a, const struct qri_layer_block *b)
{
    return a->page_no < b->page_no || (a->page_no == b->page_no && a->lsn < b->lsn);
}

enum qr_status qri_index_decode(const uint8_t *bytes, size_t count, uint64_t file_bytes,
                                struct qri_layer_block **ret_blocks, size_t *ret_count,
                                struct qr_err *err)
{
    if (count % QRI_LAYER_BLOCK_BYTES != 0)
        return qr_fail(err, QR_CORRUPT, "layer index of %zu bytes", count);
    size_t rows = count / QRI_LAYER_BLOCK_BYTES;
    struct qri_layer_block *blocks = malloc((rows + 1) * sizeof *blocks);
    if (blocks == NULL)
        return qr_fail(err, QR_NOMEM, "layer index");
    for (size_t i = 0; i < rows; i++, bytes += QRI_LAYER_BLOCK_BYTES) {
        struct qri_layer_block *b = &blocks[i];
        *b = (struct qri_layer_block){.page_no = qr_get32le(bytes),
                                      .bytes = qr_get32le(bytes + 4),
                                      .lsn = qr_get64le(bytes + 8),
                                      .offset = qr_get64le(bytes + 16)};
        if (b->offset > file_bytes || b->bytes + UINT64_C(8) > file_bytes - b->offset ||
            b->bytes > QRI_LAYER_ENTRIES_BYTES_MAX + QRI_LAYER_RAW_BYTES + QR_TAG_BYTES ||
            (i > 0 && !in_order(&blocks[i - 1], b))) {
            free(blocks);
            return qr_fail(err, QR_CORRUPT, "row %zu of a layer's index", i);
        }
    }
    *ret_blocks = blocks;
    *ret_count = rows;
    return QR_OK;
}

enum qr_status qri_entry_decode(const uint8_t *payload, size_t bytes, size_t *at,
                                uint32_t *ret_page_no, uint64_t *ret_lsn,
                                const uint8_t **ret_record, uint32_t *ret_bytes, struct qr_err *err)
{
    if (bytes - *at < QRI_ENTRY_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "entry reaches past its block");
    const uint8_t *p = payload + *at;
    uint32_t record_bytes = qr_get32le(p + 4);
    if (record_bytes < QR_RECORD_HEADER_BYTES ||
        record_bytes > bytes - *at - QRI_ENTRY_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "entry of %u bytes", record_bytes);
    *ret_page_no = qr_get32le(p);
    *ret_lsn = qr_get64le(p + 8);
    *ret_record = p + QRI_ENTRY_HEADER_BYTES;
    *ret_bytes = record_bytes;
    *at += QRI_ENTRY_HEADER_BYTES + record_bytes;
    return QR_OK;
}

uint32_t qri_filter_bits(size_t page_count)
{
    uint64_t bits = ((uint64_t)page_count * BITS_PER_PAGE + 7) / 8 * 8;
    if (bits > UINT32_MAX / 8 * 8)
        bits = UINT32_MAX / 8 * 8;
    return bits < FILTER_BITS_MIN ? FILTER_BITS_MIN : (uint32_t)bits;
}

static uint64_t hash_page(uint32_t page_no)
{
    uint64_t h = (page_no + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    return h * UINT64_C(0xD6E8FEB86659FD93);
}

/* Two hashes make them all: the i-th is low + i * high. */
static uint32_t bit_of(uint64_t hash, uint32_t i, uint32_t bits)
{
    return (uint32_t)(((uint32_t)hash + (uint64_t)i * ((uint32_t)(hash >> 32) | 1)) % bits);
}

void qri_filter_add(uint8_t *filter, uint32_t bits, uint32_t page_no)
{
    uint64_t hash = hash_page(page_no);
    for (uint32_t i = 0; i < HASHES; i++) {
        uint32_t bit = bit_of(hash, i, bits);
        filter[bit / 8] |= (uint8_t)(1 << bit % 8);
    }
}

bool qri_filter_may_have(const uint8_t *filter, uint32_t bits, uint32_t page_no)
{
    uint64_t hash = hash_page(page_no);
    for (uint32_t i = 0; i < HASHES; i++) {
        uint32_t bit = bit_of(hash, i, bits);
        if ((filter[bit / 8] >> bit % 8 & 1) == 0)
            return false;
    }
    return true;
}
