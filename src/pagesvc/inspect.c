/* inspect.c - see pagesvc/inspect.h */
#include "pagesvc/inspect.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "layer_int.h"
#include "slice_int.h"
#include "base/banned.h"

enum { SECTION_BYTES_MAX = 1 << 30, BLOCK_BYTES_MAX = QRI_LAYER_BUFFER_BYTES_MAX };

/* --- manifests --- */

static struct qr_layer_info info_of(const struct qri_layer_desc *d)
{
    return (struct qr_layer_info){.origin = d->origin,
                                  .slice_no = d->slice_no,
                                  .id = d->id,
                                  .image = d->kind == QRI_LAYER_IMAGE,
                                  .first_lsn = d->first_lsn,
                                  .last_lsn = d->last_lsn,
                                  .first_page = d->first_page,
                                  .last_page = d->last_page,
                                  .bytes = d->bytes,
                                  .entry_count = d->entry_count,
                                  .raw_bytes = d->raw_bytes,
                                  .lsn_max = d->lsn_max};
}

void qr_layer_object_name(const struct qr_layer_info *layer, char dst[QR_LAYER_NAME_BYTES_MAX])
{
    _Static_assert((int)QRI_NAME_BYTES_MAX == (int)QR_LAYER_NAME_BYTES_MAX, "one bound");
    qri_layer_name(
        &(struct qri_layer_desc){.origin = layer->origin,
                                 .slice_no = layer->slice_no,
                                 .id = layer->id,
                                 .kind = layer->image ? QRI_LAYER_IMAGE : QRI_LAYER_DELTA},
        dst);
}

static int by_lsn(const void *a, const void *b)
{
    const struct qr_layer_info *x = a, *y = b;
    if (x->first_lsn != y->first_lsn)
        return x->first_lsn < y->first_lsn ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool copy_rows(const struct qri_manifest *m, struct qr_manifest_info *info)
{
    info->layers = calloc(m->layer_count + 1, sizeof *info->layers);
    info->garbage = calloc(m->garbage_count + 1, sizeof *info->garbage);
    info->pins = calloc(m->pin_count + 1, sizeof *info->pins);
    info->lineage = calloc(m->lineage_count + 1, sizeof *info->lineage);
    if (info->layers == NULL || info->garbage == NULL || info->pins == NULL ||
        info->lineage == NULL)
        return false;
    for (size_t i = 0; i < m->layer_count; i++) {
        info->layers[i] = info_of(&m->layers[i].desc);
        info->layers[i].page_bytes = m->page_bytes;
    }
    for (size_t i = 0; i < m->garbage_count; i++)
        info->garbage[i] = info_of(&m->garbage[i].desc);
    for (size_t i = 0; i < m->pin_count; i++)
        info->pins[i] =
            (struct qr_manifest_pin){m->pins[i].name, m->pins[i].lsn, m->pins[i].branch};
    for (size_t i = 0; i < m->lineage_count; i++)
        info->lineage[i] =
            (struct qr_manifest_lineage){m->lineage[i].timeline, m->lineage[i].end_lsn};
    info->layer_count = m->layer_count;
    info->garbage_count = m->garbage_count;
    info->pin_count = m->pin_count;
    info->lineage_count = m->lineage_count;
    qsort(info->layers, info->layer_count, sizeof *info->layers, by_lsn);
    qsort(info->garbage, info->garbage_count, sizeof *info->garbage, by_lsn);
    return true;
}

enum qr_status qr_manifest_info_decode(const uint8_t *bytes, size_t count, struct qr_keyring *ring,
                                       struct qr_manifest_info *ret_info, struct qr_err *err)
{
    struct qri_manifest m = {0};
    if (ring != NULL)
        QR_TRY(qri_manifest_verify(ring, bytes, count, err));
    QR_TRY(qri_manifest_decode(bytes, count, &m, err));
    struct qr_manifest_info info = {.id = m.id,
                                    .page_bytes = m.page_bytes,
                                    .dropped = m.dropped,
                                    .generation = m.generation,
                                    .serial = m.serial,
                                    .start_lsn = m.start_lsn,
                                    .disk_lsn = m.disk_lsn,
                                    .horizon_lsn = m.horizon_lsn};
    bool room = copy_rows(&m, &info);
    qri_manifest_done(&m);
    if (!room) {
        qr_manifest_info_done(&info);
        return qr_fail(err, QR_NOMEM, "manifest");
    }
    *ret_info = info;
    return QR_OK;
}

void qr_manifest_info_done(struct qr_manifest_info *info)
{
    free(info->layers);
    free(info->garbage);
    free(info->pins);
    free(info->lineage);
    *info = (struct qr_manifest_info){.page_bytes = 0};
}

/* --- layers --- */

struct look {
    const struct qr_layer_sight *sight;
    struct qri_layer layer; /* on the stack: nobody else has it */
    struct qr_layer_info info;
    bool has_header;
    uint8_t head[QRI_LAYER_HEADER_BYTES];
    uint64_t copy_at; /* of the footer's copy; 0: no copies */
    uint64_t file_bytes, damage_count, entry_count;
    bool whole; /* every block could be read */
    bool any;   /* an entry came before: what follows is it */
    uint32_t last_page;
    uint64_t last_lsn;
};

QR_PRINTF(3, 4) static void report(struct look *k, const char *part, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    k->damage_count++;
    if (k->sight->damage != NULL)
        k->sight->damage(k->sight->ctx, part, text);
}

/* Damage is reported and not an error; true if the status was QR_OK. */
static bool is_good(struct look *k, const char *part, enum qr_status *status, struct qr_err *err)
{
    if (*status != QR_CORRUPT && *status != QR_TRUNCATED && *status != QR_TOO_BIG)
        return *status == QR_OK;
    report(k, part, "%s", err->text);
    qr_err_reset(err);
    *status = QR_OK;
    return false;
}

/* The one in front, or its copy if that is damaged; both are looked at. */
static enum qr_status choose_header(struct look *k, struct qri_layer_desc *ret_desc,
                                    struct qri_layer_form *ret_form, struct qr_err *err)
{
    enum { ENDS = QRI_LAYER_HEADER_BYTES + QRI_LAYER_FOOTER_BYTES };
    uint8_t copy[QRI_LAYER_HEADER_BYTES];
    enum qr_status status = qr_file_read_exactly(k->layer.file, k->head, sizeof k->head, 0, err);
    if (status == QR_OK)
        status = qri_header_decode(k->head, ret_desc, ret_form, err);
    k->has_header = is_good(k, "header", &status, err);
    if (status != QR_OK || (k->has_header && ret_form->copy_at == 0))
        return status;
    uint64_t bytes = k->has_header ? ret_desc->bytes : k->file_bytes;
    if (bytes < ENDS)
        return QR_OK;
    status = qr_file_read_exactly(k->layer.file, copy, sizeof copy, bytes - ENDS, err);
    if (k->has_header) {
        if (is_good(k, "header", &status, err) && memcmp(copy, k->head, sizeof copy) != 0)
            report(k, "header", "its copy is damaged");
        return status;
    }
    if (status == QR_OK && qri_header_decode(copy, ret_desc, ret_form, NULL) == QR_OK) {
        k->has_header = true;
        memcpy(k->head, copy, sizeof copy);
    }
    return status;
}

static enum qr_status look_at_header(struct look *k, const struct qr_layer_info *want,
                                     struct qr_err *err)
{
    struct qri_layer_desc d;
    struct qri_layer_form form;
    QR_TRY(choose_header(k, &d, &form, err));
    if (!k->has_header)
        return QR_OK;
    k->layer.desc = d;
    k->layer.page_bytes = form.page_bytes;
    k->layer.compression = form.compression;
    k->copy_at = form.copy_at;
    k->info = info_of(&d);
    k->info.page_bytes = k->layer.page_bytes;
    k->info.compression = k->layer.compression;
    if (d.bytes != k->file_bytes)
        report(k, "header", "the file has %llu bytes, its header says %llu",
               (unsigned long long)k->file_bytes, (unsigned long long)d.bytes);
    if (want != NULL && (d.id != want->id || !qr_timeline_eq(&d.origin, &want->origin) ||
                         d.slice_no != want->slice_no || k->info.image != want->image ||
                         d.first_lsn != want->first_lsn || d.last_lsn != want->last_lsn ||
                         d.first_page != want->first_page || d.last_page != want->last_page ||
                         d.bytes != want->bytes || k->layer.page_bytes != want->page_bytes))
        report(k, "header", "it is another layer than the manifest names");
    return qri_layer_take_key(&k->layer, k->sight->keyring, &form, err);
}

static const char *const section_names[QRI_SECTION_COUNT] = {
    [QRI_SECTION_INDEX] = "index", [QRI_SECTION_FILTER] = "filter",   [QRI_SECTION_META] = "meta",
    [QRI_SECTION_MARKS] = "marks", [QRI_SECTION_CHANGES] = "changes",
};

static enum qr_status look_at_end(struct look *k, enum qri_layer_end end,
                                  enum qri_layer_section_no no, struct qr_buf *buf, bool *ret_good,
                                  struct qr_err *err)
{
    const struct qri_layer_section *section = &k->layer.footers[end].sections[no];
    const char *part = section_names[no];
    qr_buf_clear(buf);
    *ret_good = false;
    if (!k->layer.has_footer[end])
        return QR_OK;
    if (k->sight->section != NULL)
        k->sight->section(k->sight->ctx, part, section->offset, section->bytes);
    enum qr_status status = qri_layer_read_section(&k->layer, section, buf, err);
    *ret_good = is_good(k, part, &status, err);
    return status;
}

/* Both of it; one that is good is in `buf` then. */
static enum qr_status look_at_section(struct look *k, enum qri_layer_section_no no,
                                      struct qr_buf *buf, bool *ret_good, struct qr_err *err)
{
    struct qr_buf copy;
    bool has_last = false, has_copy = false;
    QR_TRY(look_at_end(k, QRI_END_LAST, no, buf, &has_last, err));
    qr_buf_init(&copy, SECTION_BYTES_MAX);
    enum qr_status status = look_at_end(k, QRI_END_COPY, no, &copy, &has_copy, err);
    if (has_last && has_copy &&
        (buf->len != copy.len || (buf->len > 0 && memcmp(buf->data, copy.data, buf->len) != 0)))
        report(k, section_names[no], "its copy says something else");
    if (!has_last && has_copy) {
        qr_buf_clear(buf);
        qr_buf_add(buf, copy.data, copy.len);
        status = qr_buf_status(buf, err);
    }
    qr_buf_done(&copy);
    *ret_good = has_last || has_copy;
    return status;
}

/* --- entries --- */

static void check_entry(struct look *k, size_t block_index, uint32_t page_no, uint64_t lsn,
                        const uint8_t *record, uint32_t bytes)
{
    const struct qri_layer_desc *d = &k->layer.desc;
    struct qr_record rec;
    struct qr_err err;
    qr_err_reset(&err);
    if (k->any && (page_no < k->last_page || (page_no == k->last_page && lsn <= k->last_lsn)))
        report(k, "entry", "block %zu: page %u, LSN %llu is out of order", block_index, page_no,
               (unsigned long long)lsn);
    if (k->has_header && (lsn > d->last_lsn || (!k->info.image && lsn <= d->first_lsn) ||
                          page_no < d->first_page || page_no > d->last_page))
        report(k, "entry", "block %zu: page %u, LSN %llu is not of this layer", block_index,
               page_no, (unsigned long long)lsn);
    if (qr_record_decode(record, bytes, &rec, &err) != QR_OK)
        report(k, "entry", "block %zu: page %u, LSN %llu: %s", block_index, page_no,
               (unsigned long long)lsn, err.text);
    else if ((rec.kind != QR_RECORD_IMAGE && rec.kind != QR_RECORD_DELTA) ||
             rec.page.page_no != page_no || rec.bytes != bytes)
        report(k, "entry", "block %zu: page %u, LSN %llu holds a record of another page",
               block_index, page_no, (unsigned long long)lsn);
    if (k->layer.filter != NULL && (!k->any || page_no != k->last_page) &&
        !qri_filter_may_have(k->layer.filter, k->layer.filter_bits, page_no))
        report(k, "filter", "page %u is in block %zu and not in the filter", page_no, block_index);
    k->any = true;
    k->last_page = page_no;
    k->last_lsn = lsn;
    k->entry_count++;
}

static void look_at_entries(struct look *k, size_t block_index, const struct qr_buf *block)
{
    const struct qri_layer_block *b = &k->layer.blocks[block_index];
    bool first = true;
    for (size_t at = 0; at < block->len; first = false) {
        uint32_t page_no, bytes;
        uint64_t lsn;
        const uint8_t *record;
        struct qr_err err;
        qr_err_reset(&err);
        if (qri_entry_decode(block->data, block->len, &at, &page_no, &lsn, &record, &bytes, &err) !=
            QR_OK) {
            report(k, "block", "block %zu: %s", block_index, err.text);
            k->whole = false;
            return;
        }
        if (first && (page_no != b->page_no || lsn != b->lsn))
            report(k, "index", "row %zu says page %u, LSN %llu; the block begins with %u, %llu",
                   block_index, b->page_no, (unsigned long long)b->lsn, page_no,
                   (unsigned long long)lsn);
        check_entry(k, block_index, page_no, lsn, record, bytes);
    }
}

static enum qr_status look_at_blocks(struct look *k, uint64_t end, struct qr_err *err)
{
    struct qr_buf block;
    qr_buf_init(&block, BLOCK_BYTES_MAX);
    enum qr_status status = QR_OK;
    uint64_t next = QRI_LAYER_HEADER_BYTES;
    k->whole = true;
    for (size_t i = 0; i < k->layer.block_count && status == QR_OK; i++) {
        const struct qri_layer_block *b = &k->layer.blocks[i];
        if (b->offset != next)
            report(k, "index", "block %zu is at %llu, the one before ends at %llu", i,
                   (unsigned long long)b->offset, (unsigned long long)next);
        next = b->offset + b->bytes + QRI_LAYER_BLOCK_HEADER_BYTES;
        status = qri_layer_read_block(&k->layer, i, &block, err);
        if (is_good(k, "block", &status, err))
            look_at_entries(k, i, &block);
        else
            k->whole = false;
    }
    if (status == QR_OK && next != end)
        report(k, "index", "blocks end at %llu, sections begin at %llu", (unsigned long long)next,
               (unsigned long long)end);
    qr_buf_done(&block);
    return status;
}

/* --- meta, marks, changes --- */

static void check_lsns(struct look *k, const char *part, const struct qr_buf *rows,
                       size_t row_bytes)
{
    if (rows->len % row_bytes != 0) {
        report(k, part, "%zu bytes are no whole rows", rows->len);
        return;
    }
    uint64_t last = 0;
    for (size_t at = 0; at < rows->len; at += row_bytes) {
        uint64_t lsn = qr_get64le(rows->data + at);
        if (lsn < last ||
            (k->has_header && (lsn <= k->layer.desc.first_lsn || lsn > k->layer.desc.last_lsn))) {
            report(k, part, "LSN %llu is out of order or not of this layer",
                   (unsigned long long)lsn);
            return;
        }
        last = lsn;
    }
}

static enum qr_status look_at_rows(struct look *k, struct qr_buf *buf, struct qr_err *err)
{
    bool good;
    QR_TRY(look_at_section(k, QRI_SECTION_META, buf, &good, err));
    if (good) {
        struct qri_meta meta = {0};
        enum qr_status status = qri_meta_decode(buf->data, buf->len, &meta, err);
        (void)is_good(k, "meta", &status, err);
        qri_meta_done(&meta);
        QR_TRY(status);
    }
    QR_TRY(look_at_section(k, QRI_SECTION_MARKS, buf, &good, err));
    if (good)
        check_lsns(k, "marks", buf, QRI_MARK_BYTES);
    QR_TRY(look_at_section(k, QRI_SECTION_CHANGES, buf, &good, err));
    if (good)
        check_lsns(k, "changes", buf, QRI_CHANGE_BYTES);
    return QR_OK;
}

static enum qr_status look_at_footer(struct look *k, enum qri_layer_end end, uint64_t at,
                                     struct qr_err *err)
{
    uint8_t bytes[QRI_LAYER_FOOTER_BYTES];
    enum qr_status status = qr_file_read_exactly(k->layer.file, bytes, sizeof bytes, at, err);
    if (status == QR_OK)
        status = qri_footer_decode(bytes, k->file_bytes, &k->layer.footers[end], err);
    k->layer.has_footer[end] = is_good(k, "footer", &status, err);
    if (k->layer.has_footer[end] && qr_cipher_is_on(&k->layer.key)) {
        status = qri_ends_open(&k->layer.key, end, k->head, bytes, err);
        (void)is_good(k, "footer", &status, err);
    }
    return status;
}

static enum qr_status look_at_gap(struct look *k, struct qr_err *err)
{
    uint8_t gap[QRI_LAYER_GAP_BYTES];
    enum qr_status status = qr_file_read_exactly(k->layer.file, gap, sizeof gap,
                                                 k->copy_at + QRI_LAYER_FOOTER_BYTES, err);
    if (is_good(k, "footer", &status, err) &&
        (gap[0] != 0 || memcmp(gap, gap + 1, sizeof gap - 1) != 0))
        report(k, "footer", "what lies behind its copy is not zeros");
    return status;
}

static enum qr_status look_at_footers(struct look *k, struct qr_err *err)
{
    uint64_t bytes = k->has_header ? k->layer.desc.bytes : k->file_bytes;
    if (bytes < QRI_LAYER_HEADER_BYTES + QRI_LAYER_FOOTER_BYTES) {
        report(k, "footer", "the file has only %llu bytes", (unsigned long long)bytes);
        return QR_OK;
    }
    QR_TRY(look_at_footer(k, QRI_END_LAST, bytes - QRI_LAYER_FOOTER_BYTES, err));
    if (k->copy_at == 0)
        return QR_OK;
    QR_TRY(look_at_footer(k, QRI_END_COPY, k->copy_at, err));
    return look_at_gap(k, err);
}

static enum qr_status look_at_index(struct look *k, const struct qri_layer_footer *footer,
                                    struct qr_buf *buf, struct qr_err *err)
{
    bool good;
    QR_TRY(look_at_section(k, QRI_SECTION_INDEX, buf, &good, err));
    if (!good)
        return QR_OK;
    uint64_t sections_at = footer->sections[QRI_SECTION_INDEX].offset;
    if (k->copy_at != 0) {
        sections_at = k->copy_at;
        for (int i = 0; i < QRI_SECTION_COUNT; i++)
            sections_at -= footer->sections[i].bytes;
    }
    enum qr_status status = qri_index_decode(buf->data, buf->len, k->file_bytes, &k->layer.blocks,
                                             &k->layer.block_count, err);
    if (is_good(k, "index", &status, err))
        status = look_at_blocks(k, sections_at, err);
    if (k->whole && k->entry_count != footer->entry_count)
        report(k, "footer", "it counts %llu entries, there are %llu",
               (unsigned long long)footer->entry_count, (unsigned long long)k->entry_count);
    return status;
}

static enum qr_status look_at_body(struct look *k, struct qr_buf *buf, struct qr_err *err)
{
    bool good;
    QR_TRY(look_at_footers(k, err));
    enum qri_layer_end end = k->layer.has_footer[QRI_END_LAST] ? QRI_END_LAST : QRI_END_COPY;
    if (!k->layer.has_footer[end])
        return QR_OK;
    QR_TRY(look_at_section(k, QRI_SECTION_FILTER, buf, &good, err));
    if (good && buf->len >= 8 && buf->len <= UINT32_MAX / 8) {
        k->layer.filter_bits = (uint32_t)buf->len * 8;
        k->layer.filter = QR_TAKE(buf->data);
        buf->len = buf->capacity = 0;
    } else if (good) {
        report(k, "filter", "%zu bytes", buf->len);
    }
    QR_TRY(look_at_index(k, &k->layer.footers[end], buf, err));
    k->info.entry_count = k->layer.footers[end].entry_count;
    return look_at_rows(k, buf, err);
}

enum qr_status qr_layer_look(struct qr_file *file, const struct qr_layer_info *want,
                             const struct qr_layer_sight *sight, struct qr_layer_info *ret_info,
                             uint64_t *ret_damage_count, struct qr_err *err)
{
    struct qr_err local;
    if (err == NULL) { /* what is damaged is told in its words */
        qr_err_reset(&local);
        err = &local;
    }
    struct look k = {.sight = sight};
    k.layer.file = file;
    struct qr_buf buf;
    qr_buf_init(&buf, SECTION_BYTES_MAX);
    enum qr_status status = qr_file_size(file, &k.file_bytes, err);
    if (status == QR_OK)
        status = look_at_header(&k, want, err);
    if (status == QR_OK)
        status = look_at_body(&k, &buf, err);
    qr_buf_done(&buf);
    free(k.layer.blocks);
    free(k.layer.filter);
    qr_cipher_forget(&k.layer.key, sizeof k.layer.key);
    if (status != QR_OK)
        return status;
    *ret_info = k.info;
    *ret_damage_count = k.damage_count;
    return QR_OK;
}
