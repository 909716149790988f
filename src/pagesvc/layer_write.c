/* layer_write.c - writing a layer file; its form is in layer_int.h. */
#include "layer_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/compress.h"
#include "base/banned.h"

enum {
    WRITE_BYTES = 1 << 20,                             /* one system call carries this much */
    BLOCK_BYTES_MAX = 2 * QRI_LAYER_ENTRIES_BYTES_MAX, /* with room to compress into */
    SECTION_BYTES_MAX = 1 << 30,
};

struct qri_layer_writer {
    struct qri_layer_place place;
    struct qr_blob_stage *stage; /* or */
    struct qr_file *file;
    uint8_t head[QRI_LAYER_HEADER_BYTES];
    struct qri_layer_desc desc;
    uint32_t page_bytes;
    uint64_t written;  /* bytes in the file */
    struct qr_buf out; /* on their way to it */
    uint8_t compression;
    struct qr_cipher_key key;     /* off: in clear */
    uint64_t saved;               /* by compression */
    struct qr_buf block;          /* the open one's entries */
    struct qri_layer_block first; /* of the open block */
    struct qr_buf index;
    uint32_t *pages; /* for the filter: each once */
    size_t page_count, page_capacity;
};

static void free_writer(struct qri_layer_writer *w)
{
    qr_file_close(w->file);
    qr_buf_done(&w->out);
    qr_buf_done(&w->block);
    qr_buf_done(&w->index);
    free(w->pages);
    qr_cipher_forget(&w->key, sizeof w->key);
    free(w);
}

enum qr_status qri_layer_writer_new(const struct qri_layer_place *place,
                                    const struct qri_layer_desc *desc, uint32_t page_bytes,
                                    uint8_t compression, const struct qr_cipher_key *key,
                                    struct qri_layer_writer **ret_writer, struct qr_err *err)
{
    struct qri_layer_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return qr_fail(err, QR_NOMEM, "layer writer");
    *w = (struct qri_layer_writer){
        .place = *place, .desc = *desc, .page_bytes = page_bytes, .compression = compression};
    if (key != NULL)
        w->key = *key;
    qr_buf_init(&w->out, WRITE_BYTES + BLOCK_BYTES_MAX + SECTION_BYTES_MAX);
    qr_buf_init(&w->block, BLOCK_BYTES_MAX);
    qr_buf_init(&w->index, SECTION_BYTES_MAX);
    unsigned flags = QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE;
    enum qr_status status =
        place->blob != NULL
            ? qr_blob_stage_begin(place->blob, place->name, place->read_soon, &w->stage, err)
            : qr_env_open(place->env, place->name, flags, &w->file, err);
    if (status != QR_OK) {
        free_writer(w);
        return qr_wrap(err, status, "make layer '%s'", place->name);
    }
    qr_buf_fill(&w->out, 0, QRI_LAYER_HEADER_BYTES); /* written for good at the end */
    *ret_writer = w;
    return QR_OK;
}

static enum qr_status write_out(struct qri_layer_writer *w, struct qr_err *err)
{
    QR_TRY(qr_buf_status(&w->out, err));
    QR_TRY(w->stage != NULL
               ? qr_blob_stage_add(w->place.blob, w->stage, w->out.data, w->out.len, err)
               : qr_file_pwrite(w->file, w->out.data, w->out.len, w->written, err));
    w->written += w->out.len;
    qr_buf_clear(&w->out);
    return QR_OK;
}

/* The open block's entries, compressed if that pays. */
static void add_entries(struct qri_layer_writer *w)
{
    size_t raw = w->block.len;
    if (w->compression != QR_COMPRESSION_NONE) {
        enum qr_compression algorithm = (enum qr_compression)w->compression;
        size_t bound = qr_compress_bound(algorithm, raw);
        qr_buf_add32le(&w->out, (uint32_t)raw);
        uint8_t *place = qr_buf_reserve(&w->out, bound);
        size_t count = place == NULL ? 0 : qr_compress(algorithm, w->block.data, raw, place, bound);
        if (count > 0) {
            w->out.len += count;
            w->saved += raw - count;
            return;
        }
    }
    qr_buf_add(&w->out, w->block.data, raw);
}

/* Encrypts what lies behind `at` in `out`, and adds the tag. */
static enum qr_status seal_from(struct qri_layer_writer *w, size_t at, uint64_t position,
                                enum qri_layer_part part, struct qr_err *err)
{
    QR_TRY(qr_buf_status(&w->out, err));
    if (!qr_cipher_is_on(&w->key))
        return QR_OK;
    size_t count = w->out.len - at;
    qr_buf_fill(&w->out, 0, QR_TAG_BYTES);
    QR_TRY(qr_buf_status(&w->out, err));
    uint8_t *bytes = w->out.data + at;
    return qr_gcm_seal(&w->key, position, part, NULL, 0, bytes, count, bytes + count, err);
}

static enum qr_status end_block(struct qri_layer_writer *w, struct qr_err *err)
{
    if (w->block.len == 0)
        return QR_OK;
    uint32_t bytes = 0;
    size_t at = w->out.len;
    qr_buf_fill(&w->out, 0, QRI_LAYER_BLOCK_HEADER_BYTES);
    add_entries(w);
    QR_TRY(seal_from(w, at + QRI_LAYER_BLOCK_HEADER_BYTES, w->written + at, QRI_PART_BLOCK, err));
    bytes = (uint32_t)(w->out.len - at) - QRI_LAYER_BLOCK_HEADER_BYTES;
    qri_block_encode(&(struct qri_layer_block){.page_no = w->first.page_no,
                                               .bytes = bytes,
                                               .lsn = w->first.lsn,
                                               .offset = w->written + at},
                     &w->index);
    uint8_t *head = w->out.data + at;
    qr_put32le(head, bytes);
    qr_put32le(head + 4, qr_crc32c(0, head + QRI_LAYER_BLOCK_HEADER_BYTES, bytes));
    qr_buf_clear(&w->block);
    if (w->out.len >= WRITE_BYTES)
        return write_out(w, err);
    return qr_buf_status(&w->out, err);
}

static enum qr_status note_page(struct qri_layer_writer *w, uint32_t page_no, struct qr_err *err)
{
    if (w->page_count > 0 && w->pages[w->page_count - 1] == page_no)
        return QR_OK;
    if (w->page_count == w->page_capacity) {
        size_t capacity = w->page_capacity == 0 ? 1024 : w->page_capacity * 2;
        uint32_t *more = realloc(w->pages, capacity * sizeof *more);
        if (more == NULL)
            return qr_fail(err, QR_NOMEM, "pages of a layer");
        w->pages = more;
        w->page_capacity = capacity;
    }
    w->pages[w->page_count++] = page_no;
    return QR_OK;
}

enum qr_status qri_layer_writer_add(struct qri_layer_writer *w, uint32_t page_no, uint64_t lsn,
                                    const uint8_t *record, uint32_t bytes, struct qr_err *err)
{
    if (w->block.len + bytes + QRI_ENTRY_HEADER_BYTES > QRI_BLOCK_BYTES)
        QR_TRY(end_block(w, err));
    if (w->block.len == 0)
        w->first = (struct qri_layer_block){.page_no = page_no, .lsn = lsn};
    QR_TRY(note_page(w, page_no, err));
    qr_buf_add32le(&w->block, page_no);
    qr_buf_add32le(&w->block, bytes);
    qr_buf_add64le(&w->block, lsn);
    qr_buf_add(&w->block, record, bytes);
    w->desc.entry_count++;
    return qr_buf_status(&w->block, err);
}

static enum qr_status add_sections(struct qri_layer_writer *w,
                                   const struct qr_buf *const sections[QRI_SECTION_COUNT],
                                   struct qri_layer_footer *ret_footer, struct qr_err *err)
{
    ret_footer->entry_count = w->desc.entry_count;
    for (int i = 0; i < QRI_SECTION_COUNT; i++) {
        size_t at = w->out.len;
        uint64_t offset = w->written + at;
        qr_buf_add(&w->out, sections[i]->data, sections[i]->len);
        QR_TRY(seal_from(w, at, offset, QRI_PART_SECTION, err));
        size_t stored = w->out.len - at;
        ret_footer->sections[i] =
            (struct qri_layer_section){.offset = offset,
                                       .bytes = (uint32_t)stored,
                                       .crc = qr_crc32c(0, w->out.data + at, stored)};
    }
    return QR_OK;
}

static enum qr_status add_footer(struct qri_layer_writer *w, enum qri_layer_end end,
                                 const struct qri_layer_footer *footer, struct qr_err *err)
{
    uint8_t bytes[QRI_LAYER_FOOTER_BYTES];
    qri_footer_encode(footer, bytes);
    if (qr_cipher_is_on(&w->key))
        QR_TRY(qri_ends_seal(&w->key, end, w->head, bytes, err));
    qr_buf_add(&w->out, bytes, sizeof bytes);
    return QR_OK;
}

/* What the header says is known once the first of two equal ends has been laid out. */
static void make_header(struct qri_layer_writer *w, const struct qri_layer_footer *footer)
{
    struct qri_layer_form form = {.page_bytes = w->page_bytes,
                                  .compression = w->compression,
                                  .key_id = w->key.id,
                                  .copy_at = w->written + w->out.len};
    memcpy(form.salt, w->key.salt, QR_SALT_BYTES);
    w->desc.bytes = form.copy_at + QRI_LAYER_FOOTER_BYTES + QRI_LAYER_GAP_BYTES +
                    QRI_LAYER_HEADER_BYTES + QRI_LAYER_FOOTER_BYTES;
    for (int i = 0; i < QRI_SECTION_COUNT; i++)
        w->desc.bytes += footer->sections[i].bytes;
    w->desc.raw_bytes = w->desc.bytes + w->saved;
    qri_header_encode(&w->desc, &form, w->head);
}

static enum qr_status write_ends(struct qri_layer_writer *w,
                                 const struct qr_buf *const sections[QRI_SECTION_COUNT],
                                 struct qr_err *err)
{
    struct qri_layer_footer footer;
    QR_TRY(add_sections(w, sections, &footer, err));
    make_header(w, &footer);
    QR_TRY(add_footer(w, QRI_END_COPY, &footer, err));
    qr_buf_fill(&w->out, 0, QRI_LAYER_GAP_BYTES);
    QR_TRY(write_out(w, err));
    QR_TRY(add_sections(w, sections, &footer, err));
    qr_buf_add(&w->out, w->head, sizeof w->head);
    QR_TRY(add_footer(w, QRI_END_LAST, &footer, err));
    QR_TRY(write_out(w, err));
    assert(w->written == w->desc.bytes);
    if (w->stage != NULL)
        return qr_blob_stage_end(w->place.blob, QR_TAKE(w->stage), w->head, sizeof w->head, NULL,
                                 NULL, err);
    QR_TRY(qr_file_pwrite(w->file, w->head, sizeof w->head, 0, err));
    return qr_file_sync(w->file, err);
}

static void make_filter(const struct qri_layer_writer *w, struct qr_buf *filter)
{
    uint32_t bits = qri_filter_bits(w->page_count);
    qr_buf_fill(filter, 0, bits / 8);
    for (size_t i = 0; i < w->page_count && filter->len > 0; i++)
        qri_filter_add(filter->data, bits, w->pages[i]);
}

static enum qr_status write_end(struct qri_layer_writer *w, const struct qri_meta *meta,
                                const struct qr_buf *marks, const struct qr_buf *changes,
                                struct qr_err *err)
{
    QR_TRY(end_block(w, err));
    if (w->desc.kind == QRI_LAYER_DELTA) {
        w->desc.first_page = w->page_count > 0 ? w->pages[0] : 0;
        w->desc.last_page = w->page_count > 0 ? w->pages[w->page_count - 1] : 0;
    }
    struct qr_buf filter, encoded;
    qr_buf_init(&filter, SECTION_BYTES_MAX);
    qr_buf_init(&encoded, SECTION_BYTES_MAX);
    make_filter(w, &filter);
    qri_meta_encode(meta, &encoded);
    const struct qr_buf *const sections[QRI_SECTION_COUNT] = {
        [QRI_SECTION_INDEX] = &w->index, [QRI_SECTION_FILTER] = &filter,
        [QRI_SECTION_META] = &encoded,   [QRI_SECTION_MARKS] = marks,
        [QRI_SECTION_CHANGES] = changes,
    };
    enum qr_status status = qr_buf_status(&filter, err);
    if (status == QR_OK)
        status = qr_buf_status(&encoded, err);
    if (status == QR_OK)
        status = write_ends(w, sections, err);
    qr_buf_done(&filter);
    qr_buf_done(&encoded);
    return status;
}

enum qr_status qri_layer_writer_end(struct qri_layer_writer *own_writer,
                                    const struct qri_meta *meta, const struct qr_buf *marks,
                                    const struct qr_buf *changes, struct qri_layer_desc *ret_desc,
                                    struct qr_err *err)
{
    enum qr_status status = qr_wrap(err, write_end(own_writer, meta, marks, changes, err),
                                    "write layer '%s'", own_writer->place.name);
    if (status != QR_OK) {
        qri_layer_writer_abandon(own_writer);
        return status;
    }
    *ret_desc = own_writer->desc;
    free_writer(own_writer);
    return QR_OK;
}

void qri_layer_writer_abandon(struct qri_layer_writer *own_writer)
{
    if (own_writer == NULL)
        return;
    const struct qri_layer_place *place = &own_writer->place;
    if (own_writer->stage != NULL)
        qr_blob_stage_abandon(place->blob, own_writer->stage);
    else if (place->blob != NULL) /* its end failed, and may have happened */
        (void)!qr_blob_delete(place->blob, place->name, NULL, NULL);
    else
        (void)!qr_env_unlink(place->env, place->name, NULL);
    free_writer(own_writer);
}
