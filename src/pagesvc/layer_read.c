/* layer_read.c - reading a layer file; its form is in layer_int.h. */
#include <stdlib.h>
#include <string.h>
#include "layer_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "page/compress.h"
#include "base/banned.h"

enum {
    SECTION_BYTES_MAX = 1 << 30,
    BLOCK_BYTES_MAX = QRI_LAYER_BUFFER_BYTES_MAX,
};

static void free_layer(struct qri_layer *layer)
{
    qr_file_close(layer->file);
    free(layer->blocks);
    free(layer->filter);
    qr_cipher_forget(&layer->key, sizeof layer->key);
    free(layer);
}

struct qri_layer *qri_layer_ref(struct qri_layer *layer)
{
    atomic_fetch_add(&layer->refs, 1);
    return layer;
}

void qri_layer_unref(struct qri_layer *layer)
{
    if (layer != NULL && atomic_fetch_sub(&layer->refs, 1) == 1)
        free_layer(layer);
}

enum qr_status qri_layer_read_section(const struct qri_layer *layer,
                                      const struct qri_layer_section *section, struct qr_buf *buf,
                                      struct qr_err *err)
{
    uint8_t *place = qr_buf_reserve(buf, section->bytes + 1);
    if (place == NULL)
        return qr_buf_status(buf, err);
    QR_TRY(qr_file_read_exactly(layer->file, place, section->bytes, layer->start + section->offset,
                                err));
    if (qr_crc32c(0, place, section->bytes) != section->crc)
        return qr_fail(err, QR_CORRUPT, "checksum of a layer's section");
    uint32_t clear = section->bytes;
    if (qr_cipher_is_on(&layer->key)) {
        if (clear < QR_TAG_BYTES)
            return qr_fail(err, QR_CORRUPT, "encrypted section of %u bytes", clear);
        clear -= QR_TAG_BYTES;
        QR_TRY(qr_gcm_open(&layer->key, section->offset, QRI_PART_SECTION, NULL, 0, place, clear,
                           place + clear, err));
    }
    buf->len += clear;
    return QR_OK;
}

/* Of one of two places, so the other may help. */
static bool is_damage(enum qr_status status)
{
    return status == QR_CORRUPT || status == QR_TRUNCATED || status == QR_IO;
}

/* From whichever place is whole. */
static enum qr_status read_either(struct qri_layer *layer, enum qri_layer_section_no no,
                                  struct qr_buf *buf, struct qr_err *err)
{
    enum qr_status status = QR_CORRUPT;
    for (int end = 0; end < QRI_END_COUNT && is_damage(status); end++) {
        if (!layer->has_footer[end])
            continue;
        if (err != NULL)
            qr_err_reset(err);
        status = qri_layer_read_section(layer, &layer->footers[end].sections[no], buf, err);
        if (is_damage(status))
            atomic_store(&layer->is_hurt, true);
    }
    return status;
}

static enum qr_status header_at(struct qri_layer *layer, uint64_t at,
                                uint8_t head[QRI_LAYER_HEADER_BYTES],
                                struct qri_layer_form *ret_form, struct qr_err *err)
{
    const struct qri_layer_desc *want = &layer->desc;
    struct qri_layer_desc have;
    QR_TRY(qr_file_read_exactly(layer->file, head, QRI_LAYER_HEADER_BYTES, layer->start + at, err));
    QR_TRY(qri_header_decode(head, &have, ret_form, err));
    if (have.id != want->id || !qr_timeline_eq(&have.origin, &want->origin) ||
        have.slice_no != want->slice_no || have.kind != want->kind ||
        have.first_lsn != want->first_lsn || have.last_lsn != want->last_lsn ||
        have.bytes != want->bytes)
        return qr_fail(err, QR_CORRUPT, "another layer is in its place");
    layer->page_bytes = ret_form->page_bytes;
    layer->compression = ret_form->compression;
    return QR_OK;
}

static enum qr_status read_header(struct qri_layer *layer, uint8_t head[QRI_LAYER_HEADER_BYTES],
                                  struct qri_layer_form *ret_form, struct qr_err *err)
{
    enum { ENDS = QRI_LAYER_HEADER_BYTES + QRI_LAYER_FOOTER_BYTES };
    if (layer->desc.bytes < ENDS)
        return qr_fail(err, QR_CORRUPT, "layer of %llu bytes",
                       (unsigned long long)layer->desc.bytes);
    enum qr_status status = header_at(layer, 0, head, ret_form, err);
    if (is_damage(status) &&
        header_at(layer, layer->desc.bytes - ENDS, head, ret_form, NULL) == QR_OK) {
        atomic_store(&layer->is_hurt, true);
        if (err != NULL)
            qr_err_reset(err);
        return QR_OK;
    }
    return status;
}

enum qr_status qri_layer_take_key(struct qri_layer *layer, struct qr_keyring *ring,
                                  const struct qri_layer_form *form, struct qr_err *err)
{
    struct qr_data_key data_key;
    if (form->key_id == 0)
        return QR_OK;
    QR_TRY(qr_keyring_find(ring, &layer->desc.origin, form->key_id, &data_key, err));
    qri_layer_cipher(&layer->key, &data_key, &layer->desc, form->salt);
    qr_cipher_forget(&data_key, sizeof data_key);
    return QR_OK;
}

static enum qr_status footer_at(struct qri_layer *layer, enum qri_layer_end end, uint64_t at,
                                const uint8_t *head, struct qr_err *err)
{
    uint8_t bytes[QRI_LAYER_FOOTER_BYTES];
    QR_TRY(qr_file_read_exactly(layer->file, bytes, sizeof bytes, layer->start + at, err));
    QR_TRY(qri_footer_decode(bytes, layer->desc.bytes, &layer->footers[end], err));
    if (qr_cipher_is_on(&layer->key))
        QR_TRY(qri_ends_open(&layer->key, end, head, bytes, err));
    layer->has_footer[end] = true;
    return QR_OK;
}

static enum qr_status read_footers(struct qri_layer *layer, uint64_t copy_at, const uint8_t *head,
                                   struct qr_err *err)
{
    uint64_t last_at = layer->desc.bytes - QRI_LAYER_FOOTER_BYTES;
    enum qr_status status = footer_at(layer, QRI_END_LAST, last_at, head, err);
    if (copy_at == 0 || (status != QR_OK && !is_damage(status)))
        return status;
    bool has_copy = footer_at(layer, QRI_END_COPY, copy_at, head, NULL) == QR_OK;
    if (status != QR_OK || !has_copy)
        atomic_store(&layer->is_hurt, true);
    if (status == QR_OK || !has_copy)
        return status;
    if (err != NULL)
        qr_err_reset(err);
    return QR_OK;
}

static enum qr_status read_index(struct qri_layer *layer, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SECTION_BYTES_MAX);
    enum qr_status status = read_either(layer, QRI_SECTION_INDEX, &buf, err);
    if (status == QR_OK)
        status = qri_index_decode(buf.data, buf.len, layer->desc.bytes, &layer->blocks,
                                  &layer->block_count, err);
    qr_buf_clear(&buf);
    if (status == QR_OK)
        status = read_either(layer, QRI_SECTION_FILTER, &buf, err);
    if (status == QR_OK && (buf.len < 8 || buf.len > UINT32_MAX / 8))
        status = qr_fail(err, QR_CORRUPT, "filter of %zu bytes", buf.len);
    if (status == QR_OK) {
        layer->filter_bits = (uint32_t)buf.len * 8;
        layer->filter = QR_TAKE(buf.data);
        buf.len = buf.capacity = 0;
    }
    qr_buf_done(&buf);
    return status;
}

static _Atomic uint64_t layer_serial; /* of the one that was opened last */

static struct qri_layer *new_layer(const struct qri_layer_desc *desc)
{
    struct qri_layer *layer = calloc(1, sizeof *layer);
    if (layer == NULL)
        return NULL;
    atomic_init(&layer->refs, 1);
    atomic_init(&layer->damaged, false);
    atomic_init(&layer->is_hurt, false);
    layer->serial = atomic_fetch_add(&layer_serial, 1) + 1;
    layer->desc = *desc;
    return layer;
}

enum qr_status qri_layer_open_file(struct qr_file *own_file, uint64_t start,
                                   struct qr_keyring *ring, const struct qri_layer_desc *desc,
                                   struct qri_layer **ret_layer, struct qr_err *err)
{
    struct qri_layer *layer = new_layer(desc);
    if (layer == NULL) {
        qr_file_close(own_file);
        return qr_fail(err, QR_NOMEM, "layer");
    }
    layer->file = own_file;
    layer->start = start;
    uint8_t head[QRI_LAYER_HEADER_BYTES];
    struct qri_layer_form form;
    enum qr_status status = read_header(layer, head, &form, err);
    if (status == QR_OK)
        status = qri_layer_take_key(layer, ring, &form, err);
    if (status == QR_OK)
        status = read_footers(layer, form.copy_at, head, err);
    if (status == QR_OK)
        status = read_index(layer, err);
    if (status != QR_OK) {
        free_layer(layer);
        return status;
    }
    *ret_layer = layer;
    return QR_OK;
}

enum qr_status qri_layer_open(struct qr_env *env, struct qr_keyring *ring, const char *path,
                              const struct qri_layer_desc *desc, struct qri_layer **ret_layer,
                              struct qr_err *err)
{
    struct qr_file *file = NULL;
    enum qr_status status = qr_env_open(env, path, QR_OPEN_READ, &file, err);
    if (status == QR_OK)
        status = qri_layer_open_file(file, 0, ring, desc, ret_layer, err);
    return qr_wrap(err, status, "open layer '%s'", path);
}

enum qr_status qri_layer_lost(const struct qri_layer_desc *desc, struct qri_layer **ret_layer,
                              struct qr_err *err)
{
    struct qri_layer *layer = new_layer(desc);
    if (layer == NULL)
        return qr_fail(err, QR_NOMEM, "layer");
    layer->lost = true;
    atomic_store(&layer->told, true);
    atomic_store(&layer->damaged, true);
    *ret_layer = layer;
    return QR_OK;
}

static enum qr_status fail_lost(const struct qri_layer *layer, struct qr_err *err)
{
    return qr_fail(err, QR_CORRUPT, "layer %llx cannot be read",
                   (unsigned long long)layer->desc.id);
}

/* The stored block is in `buf`, not counted; the entries take its place. */
static enum qr_status inflate(const struct qri_layer *layer, uint32_t bytes, struct qr_buf *buf,
                              struct qr_err *err)
{
    enum { HEAD = QRI_LAYER_BLOCK_HEADER_BYTES + QRI_LAYER_RAW_BYTES };
    uint32_t raw =
        bytes < QRI_LAYER_RAW_BYTES ? 0 : qr_get32le(buf->data + HEAD - QRI_LAYER_RAW_BYTES);
    uint32_t stored = bytes - QRI_LAYER_RAW_BYTES;
    if (raw == 0 || raw > QRI_LAYER_ENTRIES_BYTES_MAX)
        return qr_fail(err, QR_CORRUPT, "block of layer %llx with %u bytes of entries",
                       (unsigned long long)layer->desc.id, raw);
    buf->len = HEAD + stored; /* kept when the buffer grows */
    uint8_t *place = qr_buf_reserve(buf, raw);
    buf->len = 0;
    if (place == NULL)
        return qr_buf_status(buf, err);
    if (raw == stored)
        place = buf->data + HEAD;
    else
        QR_TRY(qr_decompress((enum qr_compression)layer->compression, buf->data + HEAD, stored,
                             place, raw, err));
    memmove(buf->data, place, raw);
    buf->len = raw;
    return QR_OK;
}

enum qr_status qri_layer_read_block(const struct qri_layer *layer, size_t block_index,
                                    struct qr_buf *buf, struct qr_err *err)
{
    enum { HEAD = QRI_LAYER_BLOCK_HEADER_BYTES };
    const struct qri_layer_block *b = &layer->blocks[block_index];
    qr_buf_clear(buf);
    size_t raw = layer->compression == QR_COMPRESSION_NONE ? 0 : QRI_BLOCK_BYTES; /* mostly */
    uint8_t *place = qr_buf_reserve(buf, b->bytes + HEAD + raw);
    if (place == NULL)
        return qr_buf_status(buf, err);
    QR_TRY(
        qr_file_read_exactly(layer->file, place, b->bytes + HEAD, layer->start + b->offset, err));
    if (qr_get32le(place) != b->bytes ||
        qr_get32le(place + 4) != qr_crc32c(0, place + HEAD, b->bytes))
        return qr_fail(err, QR_CORRUPT, "checksum of block %zu of layer %llx", block_index,
                       (unsigned long long)layer->desc.id);
    uint32_t bytes = b->bytes;
    if (qr_cipher_is_on(&layer->key)) {
        if (bytes < QR_TAG_BYTES)
            return qr_fail(err, QR_CORRUPT, "encrypted block of %u bytes", bytes);
        bytes -= QR_TAG_BYTES;
        QR_TRY(qr_wrap(err,
                       qr_gcm_open(&layer->key, b->offset, QRI_PART_BLOCK, NULL, 0, place + HEAD,
                                   bytes, place + HEAD + bytes, err),
                       "block %zu of layer %llx", block_index, (unsigned long long)layer->desc.id));
    }
    if (layer->compression != QR_COMPRESSION_NONE)
        return inflate(layer, bytes, buf, err);
    memmove(place, place + HEAD, bytes);
    buf->len = bytes;
    return QR_OK;
}

/* The last block that begins at or before the page's first possible entry. */
static size_t first_block(const struct qri_layer *layer, uint32_t page_no)
{
    size_t low = 0, high = layer->block_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (layer->blocks[mid].page_no < page_no)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 ? low - 1 : 0;
}

static enum qr_status walk_block(const struct qr_buf *block, struct qri_walk *walk, uint64_t bound,
                                 bool *ret_past, struct qr_err *err)
{
    for (size_t at = 0; at < block->len;) {
        uint32_t page_no, bytes;
        uint64_t lsn;
        const uint8_t *record;
        QR_TRY(
            qri_entry_decode(block->data, block->len, &at, &page_no, &lsn, &record, &bytes, err));
        if (page_no > walk->page_no || (page_no == walk->page_no && lsn > bound)) {
            *ret_past = true;
            return QR_OK;
        }
        if (page_no == walk->page_no)
            QR_TRY(qri_walk_add(walk, lsn, record, bytes, true, err));
    }
    return QR_OK;
}

/* Blocks that were read last, some of all layers: who reads pages in order wants the same one
 * again.
 */
enum { LAST_BLOCKS = 16 };
static struct last_block {
    _Atomic bool taken; /* whoever finds it taken reads for himself */
    uint64_t serial;    /* of the layer; 0: nothing */
    size_t index;
    struct qr_buf block;
} last_blocks[LAST_BLOCKS];

/* Taken. */
static enum qr_status read_last(struct last_block *last, const struct qri_layer *layer,
                                size_t index, struct qr_err *err)
{
    if (last->serial == layer->serial && last->index == index)
        return QR_OK;
    if (last->block.bytes_max == 0)
        qr_buf_init(&last->block, BLOCK_BYTES_MAX);
    last->serial = 0;
    QR_TRY(qri_layer_read_block(layer, index, &last->block, err));
    last->serial = layer->serial;
    last->index = index;
    return QR_OK;
}

enum qr_status qri_layer_walk(struct qri_layer *layer, struct qri_walk *walk, uint64_t lsn_max,
                              struct qr_err *err)
{
    uint64_t bound = walk->lsn < lsn_max ? walk->lsn : lsn_max;
    const struct qri_layer_desc *d = &layer->desc;
    bool image = d->kind == QRI_LAYER_IMAGE;
    if (walk->page_no < d->first_page || walk->page_no > d->last_page ||
        (image ? d->last_lsn > bound : d->first_lsn >= bound))
        return QR_OK;
    if (layer->lost)
        return fail_lost(layer, err);
    struct qr_buf block;
    qr_buf_init(&block, BLOCK_BYTES_MAX);
    enum qr_status status = QR_OK;
    struct last_block *last = &last_blocks[layer->serial % LAST_BLOCKS];
    bool kept = !atomic_exchange_explicit(&last->taken, true, memory_order_acquire);
    bool past = !qri_filter_may_have(layer->filter, layer->filter_bits, walk->page_no);
    for (size_t i = first_block(layer, walk->page_no);
         status == QR_OK && !past && i < layer->block_count &&
         layer->blocks[i].page_no <= walk->page_no;
         i++) {
        status =
            kept ? read_last(last, layer, i, err) : qri_layer_read_block(layer, i, &block, err);
        if (status == QR_OK)
            status = walk_block(kept ? &last->block : &block, walk, bound, &past, err);
    }
    if (kept)
        atomic_store_explicit(&last->taken, false, memory_order_release);
    qr_buf_done(&block);
    if (status == QR_CORRUPT)
        atomic_store(&layer->damaged, true);
    /* Nothing happened to the page between its version here and the image's LSN. */
    if (status == QR_OK && image && d->last_lsn > walk->base_lsn) {
        walk->base_lsn = d->last_lsn;
        walk->base_found = true;
    }
    return status;
}

static enum qr_status read_rows(struct qri_layer *layer, enum qri_layer_section_no no,
                                size_t row_bytes, struct qr_buf *rows, struct qr_err *err)
{
    size_t before = rows->len;
    QR_TRY(read_either(layer, no, rows, err));
    if ((rows->len - before) % row_bytes != 0)
        return qr_fail(err, QR_CORRUPT, "marks of layer %llx", (unsigned long long)layer->desc.id);
    return QR_OK;
}

enum qr_status qri_layer_meta(struct qri_layer *layer, struct qri_meta *ret_meta,
                              struct qr_buf *marks, struct qr_buf *changes, struct qr_err *err)
{
    if (layer->lost)
        return fail_lost(layer, err);
    struct qr_buf buf;
    qr_buf_init(&buf, SECTION_BYTES_MAX);
    enum qr_status status = read_either(layer, QRI_SECTION_META, &buf, err);
    if (status == QR_OK)
        status = qri_meta_decode(buf.data, buf.len, ret_meta, err);
    qr_buf_done(&buf);
    if (status == QR_OK)
        status = read_rows(layer, QRI_SECTION_MARKS, QRI_MARK_BYTES, marks, err);
    if (status == QR_OK)
        status = read_rows(layer, QRI_SECTION_CHANGES, QRI_CHANGE_BYTES, changes, err);
    if (status == QR_CORRUPT)
        atomic_store(&layer->damaged, true);
    return status;
}

void qri_layer_scan_init(struct qri_layer_scan *scan, struct qri_layer *layer)
{
    *scan = (struct qri_layer_scan){.layer = qri_layer_ref(layer)};
    qr_buf_init(&scan->block, BLOCK_BYTES_MAX);
}

void qri_layer_scan_done(struct qri_layer_scan *scan)
{
    qri_layer_unref(scan->layer);
    qr_buf_done(&scan->block);
}

/* In larger pieces than blocks: of a file that is not cached each block would be waited for, and
 * the machine would guess how much more to bring. */
static void read_ahead(struct qri_layer_scan *scan, const struct qri_layer_block *block)
{
    enum { AHEAD_BYTES = 1 << 20 };
    uint64_t end = block->offset + block->bytes;
    while (scan->ahead < end) {
        uint64_t from = scan->ahead > block->offset ? scan->ahead : block->offset;
        qr_file_read_ahead(scan->layer->file, scan->layer->start + from, AHEAD_BYTES);
        scan->ahead = from + AHEAD_BYTES;
    }
}

static enum qr_status next_entry(struct qri_layer_scan *scan, bool *ret_more, struct qr_err *err)
{
    if (scan->layer->lost)
        return fail_lost(scan->layer, err);
    while (scan->at >= scan->block.len) {
        if (scan->block_index == scan->layer->block_count) {
            *ret_more = false;
            return QR_OK;
        }
        read_ahead(scan, &scan->layer->blocks[scan->block_index]);
        QR_TRY(qri_layer_read_block(scan->layer, scan->block_index++, &scan->block, err));
        scan->at = 0;
    }
    QR_TRY(qri_entry_decode(scan->block.data, scan->block.len, &scan->at, &scan->page_no,
                            &scan->lsn, &scan->record, &scan->bytes, err));
    *ret_more = true;
    return QR_OK;
}

enum qr_status qri_layer_scan_next(struct qri_layer_scan *scan, bool *ret_more, struct qr_err *err)
{
    enum qr_status status = next_entry(scan, ret_more, err);
    if (status == QR_CORRUPT)
        atomic_store(&scan->layer->damaged, true);
    return status;
}
