/* compact.c - delta layers merged, images made; see slice_int.h.
 *
 * Merging: `fan_in` neighbours of one level become one layer of the next; a level is how often
 * open_layer_bytes times fan_in goes into the size. Images: a partition gets one when its entries
 * since the last weigh as much as its pages. Both leave what they replace to collect.c.
 *
 * A load writes each page whole, and once: its layers are as good as images already. They are
 * merged when they are many only, and not again, and their entries weigh half, so that an image is
 * made only when there are two versions of everything in it, and one of them can go. */
#include <stdlib.h>
#include <string.h>
#include "slice_int.h"
#include "base/banned.h"

/* A reader passes by this many layers of loads for each one that is merged at once, at most:
 * looking into the filters of all costs a fraction of what reading one block does. */
enum { LOADS_IN_FAN = 16 };

static int by_first_lsn(const void *a, const void *b)
{
    const struct qri_layer *x = *(struct qri_layer *const *)a, *y = *(struct qri_layer *const *)b;
    return (x->desc.first_lsn > y->desc.first_lsn) - (x->desc.first_lsn < y->desc.first_lsn);
}

/* The set's delta layers, oldest first. */
static size_t list_deltas(const struct qri_set *set, struct qri_layer **dst)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && layer->desc.kind == QRI_LAYER_DELTA)
            dst[count++] = layer;
    }
    qsort(dst, count, sizeof(struct qri_layer *), by_first_lsn);
    return count;
}

/* What so many bytes of its file were before compression, about. */
static uint64_t raw_of(const struct qri_layer *layer, uint64_t bytes)
{
    const struct qri_layer_desc *d = &layer->desc;
    return d->raw_bytes <= d->bytes
               ? bytes
               : (uint64_t)((double)bytes * (double)d->raw_bytes / (double)d->bytes);
}

static int level_of(const struct qri_slice *slice, const struct qri_layer *layer)
{
    uint64_t step = slice->svc->options.fan_in;
    uint64_t bytes = slice->svc->options.open_layer_bytes * 2;
    int level = 0;
    while (raw_of(layer, layer->desc.bytes) > bytes && level < 16) {
        bytes *= step;
        level++;
    }
    return level;
}

/* Is it of a load: full, and its entries are whole pages, most of them? */
static bool is_load(const struct qri_slice *slice, const struct qri_layer *layer)
{
    const struct qri_layer_desc *d = &layer->desc;
    uint64_t raw = raw_of(layer, d->bytes);
    return d->entry_count > 0 && raw >= d->entry_count * (slice->page_bytes / 2) &&
           raw >= slice->svc->options.open_layer_bytes / 2;
}

/* Own layers only: what a parent owns is the parent's to merge. One with damage stays alone, so
 * that it keeps nobody else from being merged and its damage stays that of a few pages. */
static bool can_merge(const struct qri_slice *slice, const struct qri_layer *layer)
{
    return qr_timeline_eq(&layer->desc.origin, &slice->id.timeline) &&
           layer->desc.lsn_max == UINT64_MAX && !atomic_load(&layer->damaged);
}

static bool goes_on(const struct qri_slice *slice, const struct qri_layer *a,
                    const struct qri_layer *b)
{
    return a->desc.last_lsn == b->desc.first_lsn && level_of(slice, a) == level_of(slice, b);
}

/* Layers of one load are left alone; those between others go with them. */
static bool is_worth(const struct qri_slice *slice, struct qri_layer **run, uint32_t fan_in,
                     size_t load_count)
{
    uint32_t loads = 0;
    for (uint32_t i = 0; i < fan_in; i++)
        loads += is_load(slice, run[i]);
    return loads * 2 <= fan_in ||
           (level_of(slice, run[0]) == 0 && load_count > (size_t)LOADS_IN_FAN * fan_in);
}

/* Index of the first of `fan_in` that can be merged; `count` if there are none. */
static size_t find_run(const struct qri_slice *slice, struct qri_layer **deltas, size_t count)
{
    uint32_t fan_in = slice->svc->options.fan_in;
    size_t run = 0, load_count = 0;
    for (size_t i = 0; i < count; i++)
        load_count += level_of(slice, deltas[i]) == 0 && is_load(slice, deltas[i]);
    for (size_t i = 0; i < count; i++) {
        run = !can_merge(slice, deltas[i])                          ? 0
              : run > 0 && goes_on(slice, deltas[i - 1], deltas[i]) ? run + 1
                                                                    : 1;
        if (run >= fan_in && is_worth(slice, deltas + i + 1 - fan_in, fan_in, load_count))
            return i + 1 - fan_in;
    }
    return count;
}

/* --- merge --- */

static bool is_before(const struct qri_layer_scan *a, const struct qri_layer_scan *b)
{
    return a->page_no != b->page_no ? a->page_no < b->page_no : a->lsn < b->lsn;
}

static enum qr_status merge_entries(struct qri_layer_scan *scans, size_t count,
                                    struct qri_layer_writer *writer, struct qr_err *err)
{
    bool *more = calloc(count, sizeof *more);
    enum qr_status status = more == NULL ? qr_fail(err, QR_NOMEM, "merge") : QR_OK;
    for (size_t i = 0; i < count && status == QR_OK; i++)
        status = qri_layer_scan_next(&scans[i], &more[i], err);
    while (status == QR_OK) {
        size_t least = count;
        for (size_t i = 0; i < count; i++) {
            if (more[i] && (least == count || is_before(&scans[i], &scans[least])))
                least = i;
        }
        if (least == count)
            break;
        struct qri_layer_scan *s = &scans[least];
        status = qri_layer_writer_add(writer, s->page_no, s->lsn, s->record, s->bytes, err);
        if (status == QR_OK)
            status = qri_layer_scan_next(s, &more[least], err);
    }
    free(more);
    return status;
}

/* Meta at the first one's start, and all their marks and changes. */
static enum qr_status gather_meta(struct qri_layer **layers, size_t count, struct qri_meta *meta,
                                  struct qr_buf *marks, struct qr_buf *changes, struct qr_err *err)
{
    QR_TRY(qri_layer_meta(layers[0], meta, marks, changes, err));
    for (size_t i = 1; i < count; i++) {
        struct qri_meta skipped = {0};
        enum qr_status status = qri_layer_meta(layers[i], &skipped, marks, changes, err);
        qri_meta_done(&skipped);
        QR_TRY(status);
    }
    return QR_OK;
}

static enum qr_status write_merged(struct qri_slice *slice, struct qri_layer **layers, size_t count,
                                   struct qri_layer_desc *ret_desc, struct qr_err *err)
{
    struct qri_layer_desc desc = qri_layer_new_desc(slice, QRI_LAYER_DELTA);
    desc.first_lsn = layers[0]->desc.first_lsn;
    desc.last_lsn = layers[count - 1]->desc.last_lsn;
    struct qri_meta meta = {0};
    struct qr_buf marks, changes;
    qr_buf_init(&marks, 1 << 30);
    qr_buf_init(&changes, 1 << 30);
    struct qri_layer_scan *scans = calloc(count, sizeof *scans);
    struct qri_layer_writer *writer = NULL;
    enum qr_status status = scans == NULL
                                ? qr_fail(err, QR_NOMEM, "merge")
                                : gather_meta(layers, count, &meta, &marks, &changes, err);
    for (size_t i = 0; i < count && scans != NULL; i++)
        qri_layer_scan_init(&scans[i], layers[i]);
    if (status == QR_OK)
        status = qri_layer_begin(slice, &desc, false, &writer, err);
    if (status == QR_OK)
        status = merge_entries(scans, count, writer, err);
    if (status == QR_OK)
        status = qri_layer_writer_end(QR_TAKE(writer), &meta, &marks, &changes, ret_desc, err);
    qri_layer_writer_abandon(writer);
    for (size_t i = 0; i < count && scans != NULL; i++)
        qri_layer_scan_done(&scans[i]);
    free(scans);
    qri_meta_done(&meta);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
    return status;
}

static bool same_layer(const struct qri_layer_desc *a, const struct qri_layer_desc *b)
{
    return a->id == b->id && qr_timeline_eq(&a->origin, &b->origin);
}

/* Moves a layer of `next` from its layers to its garbage; false if memory is short. */
static bool discard(struct qri_slice *slice, struct qri_manifest *next,
                    const struct qri_layer_desc *desc)
{
    for (size_t i = 0; i < next->layer_count; i++) {
        if (!same_layer(&next->layers[i].desc, desc))
            continue;
        struct qri_garbage *g = qri_manifest_add_garbage(next);
        if (g == NULL)
            return false;
        *g = (struct qri_garbage){.desc = next->layers[i].desc,
                                  .added_serial = next->layers[i].added_serial,
                                  .removed_serial = next->serial,
                                  .removed_wall_ns = qr_env_wall_ns(slice->svc->env)};
        next->layers[i] = next->layers[--next->layer_count];
        return true;
    }
    return true;
}

enum qr_status qri_manifest_replace(struct qri_slice *slice, struct qri_layer **gone,
                                    size_t gone_count, const struct qri_layer_desc *added,
                                    size_t added_count, struct qr_err *err)
{
    pthread_mutex_lock(&slice->work_mu);
    struct qri_manifest next = {0};
    enum qr_status status = qri_manifest_copy(&slice->manifest, &next, err);
    bool room = status == QR_OK;
    next.serial++;
    for (size_t i = 0; i < gone_count && room; i++)
        room = discard(slice, &next, &gone[i]->desc);
    for (size_t i = 0; i < added_count && room; i++) {
        struct qri_manifest_layer *row = qri_manifest_add_layer(&next);
        if ((room = row != NULL))
            *row = (struct qri_manifest_layer){.desc = added[i], .added_serial = next.serial};
    }
    if (room)
        status = qri_manifest_swap(slice, &next, err);
    else {
        qri_manifest_done(&next);
        if (status == QR_OK)
            status = qr_fail(err, QR_NOMEM, "manifest");
    }
    pthread_mutex_unlock(&slice->work_mu);
    return status;
}

/* So that the next try finds them well, where there is another copy. */
static void mend_damaged(struct qri_slice *slice, struct qri_layer **layers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct qri_source source = {.layer = layers[i], .lsn_max = layers[i]->desc.lsn_max};
        if (atomic_load(&layers[i]->damaged))
            (void)!qri_layer_mend(slice, &source, NULL);
    }
}

static enum qr_status merge(struct qri_slice *slice, struct qri_layer **layers, size_t count,
                            struct qr_err *err)
{
    struct qri_layer_desc desc;
    struct qri_layer *merged = NULL;
    enum qr_status written = write_merged(slice, layers, count, &desc, err);
    if (written == QR_CORRUPT)
        mend_damaged(slice, layers, count);
    QR_TRY(written);
    QR_TRY(qri_layer_store(slice, &desc, &merged, err));
    enum qr_status status = qri_manifest_replace(slice, layers, count, &desc, 1, err);
    if (status == QR_OK)
        status = qri_set_replace(slice, (const void *const *)layers, count, merged, err);
    int level = level_of(slice, merged);
    level = level < 1 ? 1 : level > QR_PAGESVC_LEVELS ? QR_PAGESVC_LEVELS : level;
    atomic_fetch_add(&slice->svc->merged_bytes[level - 1], desc.bytes);
    qri_layer_unref(merged);
    return status;
}

/* --- images --- */

/* Of a load's layer: is the block one of pages, each once, and not of many changes to a few? It has
 * about as many bytes as the pages up to the next one. */
static bool is_of_pages(const struct qri_slice *slice, const struct qri_layer *layer, size_t i)
{
    const struct qri_layer_block *b = &layer->blocks[i];
    uint64_t next = i + 1 < layer->block_count ? b[1].page_no : layer->desc.last_page + 1ull;
    uint64_t bytes = (next - b->page_no) * slice->page_bytes, raw = raw_of(layer, b->bytes);
    return raw <= bytes * 2 && raw >= bytes / 2;
}

/* What entries in a partition weigh, by the index: a block counts where it begins. */
static uint64_t partition_weight(const struct qri_slice *slice, const struct qri_layer *layer,
                                 uint32_t first, uint32_t last)
{
    uint64_t bytes = 0;
    if (layer->desc.last_page < first || layer->desc.first_page > last)
        return 0;
    bool load = is_load(slice, layer);
    for (size_t i = 0; i < layer->block_count; i++) {
        const struct qri_layer_block *b = &layer->blocks[i];
        if (b->page_no >= first && b->page_no <= last)
            bytes += load && is_of_pages(slice, layer, i) ? b->bytes / 2 : b->bytes;
    }
    return raw_of(layer, bytes);
}

/* LSN of the newest image of exactly this partition; 0 if there is none. */
static uint64_t newest_image(const struct qri_set *set, uint32_t first, uint32_t last)
{
    uint64_t lsn = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && layer->desc.kind == QRI_LAYER_IMAGE && !atomic_load(&layer->damaged) &&
            layer->desc.first_page <= first && layer->desc.last_page >= last &&
            layer->desc.last_lsn > lsn)
            lsn = layer->desc.last_lsn;
    }
    return lsn;
}

/* Some of its pages since that image are known to be damaged: there is nothing to make another of.
 */
static bool is_hurt(const struct qri_set *set, uint64_t image_lsn, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && atomic_load(&layer->damaged) && layer->desc.last_lsn > image_lsn &&
            layer->desc.first_page <= last && layer->desc.last_page >= first)
            return true;
    }
    return false;
}

static bool wants_image(const struct qri_slice *slice, struct qri_layer **deltas, size_t count,
                        uint64_t image_lsn, uint32_t first, uint32_t last, uint32_t pages)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < count; i++) {
        if (deltas[i]->desc.last_lsn > image_lsn)
            weight += partition_weight(slice, deltas[i], first, last);
    }
    return weight >= (uint64_t)pages * slice->page_bytes && pages > 0;
}

static enum qr_status add_image(struct qri_slice *slice, struct qri_layer_writer *writer,
                                uint32_t page_no, uint64_t lsn, struct qr_buf *page,
                                struct qr_buf *record, struct qr_err *err)
{
    uint64_t version;
    qr_buf_clear(page);
    qr_buf_clear(record);
    enum qr_status status = qri_slice_read(slice, page_no, lsn, page, &version, err);
    if (status == QR_NOT_FOUND) {
        if (err != NULL)
            qr_err_reset(err);
        return QR_OK;
    }
    QR_TRY(status);
    qr_record_add_page(record, page_no, NULL, page->data, slice->page_bytes);
    QR_TRY(qr_buf_status(record, err));
    return qri_layer_writer_add(writer, page_no, version, record->data, (uint32_t)record->len, err);
}

static enum qr_status write_image(struct qri_slice *slice, uint32_t first, uint32_t last,
                                  uint64_t lsn, struct qri_layer_desc *ret_desc, struct qr_err *err)
{
    struct qri_layer_desc desc = qri_layer_new_desc(slice, QRI_LAYER_IMAGE);
    desc.first_lsn = desc.last_lsn = lsn;
    desc.first_page = first;
    desc.last_page = last;
    struct qri_layer_writer *writer = NULL;
    QR_TRY(qri_layer_begin(slice, &desc, false, &writer, err));
    struct qr_buf page, record, none;
    qr_buf_init(&page, QR_PAGE_BYTES_MAX);
    qr_buf_init(&record, QR_RECORD_BYTES_MAX);
    qr_buf_init(&none, 0);
    enum qr_status status = QR_OK;
    for (uint64_t p = first; p <= last && status == QR_OK; p++)
        status = add_image(slice, writer, (uint32_t)p, lsn, &page, &record, err);
    qr_buf_done(&page);
    qr_buf_done(&record);
    if (status != QR_OK) {
        qri_layer_writer_abandon(writer);
        return status;
    }
    return qri_layer_writer_end(writer, &(struct qri_meta){0}, &none, &none, ret_desc, err);
}

static enum qr_status make_image(struct qri_slice *slice, uint32_t first, uint32_t last,
                                 uint64_t lsn, struct qr_err *err)
{
    struct qri_layer_desc desc;
    struct qri_layer *layer = NULL;
    QR_TRY(write_image(slice, first, last, lsn, &desc, err));
    QR_TRY(qri_layer_store(slice, &desc, &layer, err));
    enum qr_status status = qri_manifest_replace(slice, NULL, 0, &desc, 1, err);
    if (status == QR_OK)
        status = qri_set_replace(slice, NULL, 0, layer, err);
    atomic_fetch_add(&slice->svc->image_bytes, desc.bytes);
    qri_layer_unref(layer);
    return status;
}

static enum qr_status image_one(struct qri_slice *slice, const struct qri_set *set,
                                struct qri_layer **deltas, size_t count, bool *ret_did,
                                struct qr_err *err)
{
    pthread_mutex_lock(&slice->work_mu);
    uint64_t lsn = slice->manifest.disk_lsn;
    pthread_mutex_unlock(&slice->work_mu);
    struct qri_meta meta = {0};
    QR_TRY(qri_slice_meta(slice, lsn, &meta, err));
    uint32_t db_pages = meta.mark.db_pages;
    qri_meta_done(&meta);
    uint64_t end = db_pages < slice->last_page ? db_pages : slice->last_page;
    for (uint64_t at = slice->first_page / QRI_PARTITION_PAGES * QRI_PARTITION_PAGES; at <= end;
         at += QRI_PARTITION_PAGES) {
        uint32_t first = at < slice->first_page ? slice->first_page : (uint32_t)at;
        uint32_t last = (uint32_t)(at + QRI_PARTITION_PAGES - 1);
        uint32_t pages = (uint32_t)((end < last ? end : last) - first + 1);
        uint64_t image_lsn = newest_image(set, first, last);
        if (image_lsn < lsn && !is_hurt(set, image_lsn, first, last) &&
            wants_image(slice, deltas, count, image_lsn, first, last, pages)) {
            *ret_did = true;
            return make_image(slice, first, last, lsn, err);
        }
    }
    return QR_OK;
}

enum qr_status qri_compact_one(struct qri_slice *slice, bool *ret_did, struct qr_err *err)
{
    struct qri_set *set = qri_set_take(slice);
    struct qri_layer **deltas = malloc((set->count + 1) * sizeof(struct qri_layer *));
    enum qr_status status = deltas == NULL ? qr_fail(err, QR_NOMEM, "compaction") : QR_OK;
    size_t count = status == QR_OK ? list_deltas(set, deltas) : 0;
    if (count > 0) {
        size_t run = find_run(slice, deltas, count);
        if (run < count) {
            *ret_did = true;
            status = merge(slice, deltas + run, slice->svc->options.fan_in, err);
        } else {
            status = image_one(slice, set, deltas, count, ret_did, err);
        }
    }
    free(deltas);
    qri_set_unref(set);
    return status;
}
