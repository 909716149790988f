/* remake.c - what is damaged in a slice made whole again; see slice_int.h and README.md.
 *
 * A layer that cannot be read as it should is fetched once more. If that does not help, a delta
 * layer is made again from the log that it was made of, as long as that is kept, and an image
 * layer goes if all that it was made of is still there. Log is taken in by a slice of its own that
 * nobody knows, its shadow, which begins where the layer did: so it goes the way that all log
 * goes. */
#include <stdlib.h>
#include "layer_int.h"
#include "logsvc/piece.h"
#include "slice_int.h"
#include "base/banned.h"

enum { LOG_BYTES = 4 << 20, READ_BYTES_MAX = 64 << 20, SECTION_BYTES_MAX = 1 << 30 };
static const int64_t AGAIN_NS = INT64_C(60000000000), SOON_NS = INT64_C(5000000000);

struct remake {
    struct qri_slice *slice, *shadow;
    const struct qri_layer_desc *lost;
    uint64_t end_lsn;
    bool has_before; /* a layer before it tells what the database was */
    struct qri_layer **layers;
    struct qri_layer_desc *descs;
    size_t count;
};

static uint64_t end_of(const struct qri_layer_desc *d)
{
    return d->last_lsn < d->lsn_max ? d->last_lsn : d->lsn_max;
}

/* --- from the log --- */

/* Of the slice's layers only the one that ends where the lost one begins. */
static enum qr_status shadow_manifest(struct remake *r, struct qri_manifest *ret_manifest,
                                      struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_manifest m = {0};
    pthread_mutex_lock(&r->slice->work_mu);
    enum qr_status status = qri_manifest_copy(&r->slice->manifest, &m, err);
    *ret_tag = r->slice->tag;
    pthread_mutex_unlock(&r->slice->work_mu);
    QR_TRY(status);
    size_t kept = 0;
    for (size_t i = 0; i < m.layer_count && kept == 0; i++) {
        const struct qri_layer_desc *d = &m.layers[i].desc;
        if (d->kind == QRI_LAYER_DELTA && end_of(d) == r->lost->first_lsn &&
            d->first_lsn < r->lost->first_lsn)
            m.layers[kept++] = m.layers[i];
    }
    m.layer_count = kept;
    m.disk_lsn = r->lost->first_lsn;
    r->has_before = kept > 0;
    *ret_manifest = m;
    return QR_OK;
}

static enum qr_status make_shadow(struct remake *r, struct qr_err *err)
{
    struct qri_manifest m = {0};
    struct qr_blob_tag tag;
    QR_TRY(shadow_manifest(r, &m, &tag, err));
    struct qri_set *set = r->slice->owns ? qri_set_take(r->slice) : NULL; /* attached: has one */
    enum qr_status status =
        qri_slice_build(r->slice->svc, &m, &tag, set, NULL, 0, r->lost->first_lsn, &r->shadow, err);
    if (status == QR_OK)
        r->shadow->next_layer_no = r->slice->next_layer_no;
    qri_set_unref(set);
    qri_manifest_done(&m);
    return status;
}

static enum qr_status keep(struct remake *r, struct qri_layer *own_layer, struct qr_err *err)
{
    size_t count = r->count + 1;
    struct qri_layer **layers = realloc(r->layers, count * sizeof(struct qri_layer *));
    if (layers != NULL)
        r->layers = layers;
    struct qri_layer_desc *descs = realloc(r->descs, count * sizeof *descs);
    if (descs != NULL)
        r->descs = descs;
    if (layers == NULL || descs == NULL) {
        qri_layer_unref(own_layer);
        return qr_fail(err, QR_NOMEM, "layers made again");
    }
    descs[r->count] = own_layer->desc;
    layers[r->count++] = own_layer;
    return QR_OK;
}

/* What the shadow has frozen, up to the lost layer's end. */
static enum qr_status write_frozen(struct remake *r, struct qr_err *err)
{
    for (;;) {
        struct qri_mem *mem = NULL;
        struct qri_layer *layer = NULL;
        QR_TRY(qri_flush_oldest(r->shadow, r->end_lsn, &mem, &layer, err));
        if (mem == NULL)
            return QR_OK;
        enum qr_status status =
            qri_set_replace(r->shadow, (const void *const[]){mem}, 1, NULL, err);
        qri_mem_unref(mem);
        if (status == QR_OK && layer != NULL)
            status = keep(r, QR_TAKE(layer), err);
        qri_layer_unref(layer);
        QR_TRY(status);
    }
}

/* Without a layer before it nothing is known of the database but at the very start of its log. */
static enum qr_status check_start(const struct remake *r, const struct qr_timeline *source,
                                  uint64_t log_start_lsn, struct qr_err *err)
{
    const struct qri_slice *s = r->shadow;
    const struct qr_timeline *first =
        s->lineage_count > 0 ? &s->lineage[0].timeline : &s->id.timeline;
    if (r->has_before || s->next_lsn != r->lost->first_lsn ||
        (qr_timeline_eq(source, first) && log_start_lsn == r->lost->first_lsn))
        return QR_OK;
    return qr_fail(err, QR_NOT_FOUND, "nothing is known of LSN %llu any more",
                   (unsigned long long)r->lost->first_lsn);
}

static enum qr_status take_some(struct remake *r, struct qr_buf *buf, struct qr_err *err)
{
    const struct qr_pagesvc_options *o = &r->slice->svc->options;
    struct qri_slice *s = r->shadow;
    struct qr_timeline source, now;
    uint64_t source_end, from = s->next_lsn, log_start_lsn = 0;
    size_t at = 0;
    qri_lineage_at(s, from, &source, &source_end);
    now = source;
    qr_buf_clear(buf);
    QR_TRY(o->read_log(o->read_log_ctx, &source, from, LOG_BYTES, buf, &at, &log_start_lsn, err));
    QR_TRY(check_start(r, &source, log_start_lsn, err));
    while (at < buf->len && qr_timeline_eq(&now, &source)) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(buf->data, buf->len, &at, &piece, err));
        QR_TRY(qri_slice_take_log(s, &source, piece.epoch, piece.first_lsn, piece.data, piece.bytes,
                                  err));
        qri_lineage_at(s, s->next_lsn, &now, &source_end);
    }
    return s->next_lsn > from
               ? write_frozen(r, err)
               : qr_fail(err, QR_NOT_FOUND, "the log ends at LSN %llu", (unsigned long long)from);
}

static enum qr_status take_log(struct remake *r, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, READ_BYTES_MAX);
    enum qr_status status = QR_OK;
    while (status == QR_OK && r->shadow->visible_lsn < r->end_lsn)
        status = take_some(r, &buf, err);
    qr_buf_done(&buf);
    if (status == QR_OK)
        status = qri_slice_freeze(r->shadow, err);
    if (status == QR_OK)
        status = write_frozen(r, err);
    if (status == QR_OK && (r->count == 0 || r->descs[0].first_lsn != r->lost->first_lsn ||
                            r->descs[r->count - 1].last_lsn != r->end_lsn))
        status = qr_fail(err, QR_CORRUPT, "the log has no commit at LSN %llu",
                         (unsigned long long)r->end_lsn);
    return status;
}

/* For those who read, each of the new ones is there before the lost one goes. */
static enum qr_status install(struct remake *r, struct qri_layer *lost, struct qr_err *err)
{
    QR_TRY(qri_manifest_replace(r->slice, &lost, 1, r->descs, r->count, err));
    for (size_t i = 0; i < r->count && r->slice->owns; i++)
        QR_TRY(qri_set_replace(r->slice, NULL, 0, r->layers[i], err));
    return r->slice->owns ? qri_set_replace(r->slice, (const void *const[]){lost}, 1, NULL, err)
                          : QR_OK;
}

static void remake_done(struct remake *r)
{
    for (size_t i = 0; i < r->count; i++)
        qri_layer_unref(r->layers[i]);
    free(r->layers);
    free(r->descs);
    qri_slice_unref(r->shadow);
}

/* What was written and is named by nobody goes when the slice is attached the next time. */
static enum qr_status remake(struct qri_slice *slice, struct qri_layer *lost, struct qr_err *err)
{
    struct remake r = {.slice = slice, .lost = &lost->desc, .end_lsn = end_of(&lost->desc)};
    if (slice->svc->options.read_log == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no log to make layers of");
    enum qr_status status = make_shadow(&r, err);
    if (status == QR_OK)
        status = take_log(&r, err);
    if (r.shadow != NULL)
        slice->next_layer_no = r.shadow->next_layer_no;
    if (status == QR_OK)
        status = install(&r, lost, err);
    remake_done(&r);
    if (status == QR_OK)
        QR_LOG(&slice->svc->options.log, QR_INFO, "layer_made_again", QR_F("layer", lost->desc.id),
               QR_F("slice", slice->id.no), QR_F("first_lsn", lost->desc.first_lsn),
               QR_F("last_lsn", lost->desc.last_lsn));
    else
        QR_LOG(&slice->svc->options.log, QR_ERROR, "layer_not_made_again",
               QR_F("layer", lost->desc.id), QR_F("slice", slice->id.no),
               QR_F("error", err != NULL ? (const char *)err->text : ""));
    return status;
}

/* --- what is damaged --- */

static bool reads_well(struct qri_layer *layer)
{
    struct qri_layer_scan scan;
    struct qri_meta meta = {0};
    struct qr_buf marks, changes;
    bool more = true;
    if (layer->lost)
        return false;
    qr_buf_init(&marks, SECTION_BYTES_MAX);
    qr_buf_init(&changes, SECTION_BYTES_MAX);
    qri_layer_scan_init(&scan, layer);
    enum qr_status status = layer->desc.kind == QRI_LAYER_IMAGE
                                ? QR_OK
                                : qri_layer_meta(layer, &meta, &marks, &changes, NULL);
    while (status == QR_OK && more)
        status = qri_layer_scan_next(&scan, &more, NULL);
    qri_layer_scan_done(&scan);
    qri_meta_done(&meta);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
    return status != QR_CORRUPT && status != QR_TRUNCATED;
}

/* From the store; somebody may have put the object back, or it was read wrongly. */
static bool fetch_again(struct qri_slice *slice, struct qri_layer *damaged)
{
    struct qri_layer_desc desc = damaged->desc;
    struct qri_layer *layer = NULL;
    bool well = qri_layer_fetch_if(slice->svc, &desc, reads_well, &layer, NULL) == QR_OK &&
                qri_set_replace(slice, (const void *const[]){damaged}, 1, layer, NULL) == QR_OK;
    qri_layer_unref(layer);
    return well;
}

/* Not of one that was imported: no commit is before it. */
static bool is_made_of_log(struct qri_slice *slice, const struct qri_layer_desc *image)
{
    struct qri_meta meta = {0};
    bool is = image->last_lsn > slice->start_lsn &&
              qri_slice_meta(slice, image->last_lsn - 1, &meta, NULL) == QR_OK &&
              meta.mark.lsn > slice->start_lsn;
    qri_meta_done(&meta);
    return is;
}

/* What an image behind the horizon was made of is there: nothing else may have replaced it, because
 * who reads just before the image needs it. */
static enum qr_status drop_image(struct qri_slice *slice, struct qri_layer *image,
                                 struct qr_err *err)
{
    pthread_mutex_lock(&slice->work_mu);
    uint64_t horizon_lsn = slice->manifest.horizon_lsn;
    pthread_mutex_unlock(&slice->work_mu);
    if (image->desc.last_lsn <= horizon_lsn || image->desc.lsn_max != UINT64_MAX ||
        !is_made_of_log(slice, &image->desc))
        return qr_fail(err, QR_NOT_FOUND, "its pages are nowhere else");
    QR_TRY(qri_manifest_replace(slice, &image, 1, NULL, 0, err));
    QR_TRY(qri_set_replace(slice, (const void *const[]){image}, 1, NULL, err));
    QR_LOG(&slice->svc->options.log, QR_INFO, "image_dropped", QR_F("layer", image->desc.id),
           QR_F("slice", slice->id.no), QR_F("went_on", "with what it was made of"));
    return QR_OK;
}

static bool is_due(struct qri_layer *layer, int64_t now)
{
    return layer != NULL && atomic_load(&layer->damaged) &&
           atomic_load(&layer->mend_after_ns) <= now;
}

/* Oldest first: what the database was before the next one is told by it. */
static size_t list_damaged(const struct qri_set *set, int64_t now, struct qri_layer **dst)
{
    size_t count = 0;
    for (size_t i = set->count; i-- > 0;) {
        if (is_due(set->sources[i].layer, now))
            dst[count++] = set->sources[i].layer;
    }
    return count;
}

static void mend_layer(struct qri_slice *slice, struct qri_layer *damaged)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (fetch_again(slice, damaged))
        return;
    enum qr_status status = damaged->desc.kind == QRI_LAYER_IMAGE ? drop_image(slice, damaged, &err)
                                                                  : remake(slice, damaged, &err);
    bool is_final = status == QR_CORRUPT || status == QR_NOT_FOUND;
    if (status != QR_OK)
        atomic_store(&damaged->mend_after_ns,
                     qr_env_mono_ns(slice->svc->env) + (is_final ? AGAIN_NS : SOON_NS));
}

static void mend_layers(struct qri_slice *slice)
{
    struct qri_set *set = qri_set_take(slice);
    struct qri_layer **damaged = malloc((set->count + 1) * sizeof(struct qri_layer *));
    int64_t now = qr_env_mono_ns(slice->svc->env);
    size_t count = damaged == NULL ? 0 : list_damaged(set, now, damaged);
    for (size_t i = 0; i < count; i++)
        mend_layer(slice, damaged[i]);
    free(damaged);
    qri_set_unref(set);
}

/* Not if all that is damaged was tried lately. If nothing is, it was mended just now. */
static bool may_help(struct qri_slice *slice)
{
    bool any = false, due = false;
    struct qri_set *set = qri_set_take(slice);
    int64_t now = qr_env_mono_ns(slice->svc->env);
    for (size_t i = 0; i < set->count && !due; i++) {
        any = any || is_due(set->sources[i].layer, INT64_MAX);
        due = is_due(set->sources[i].layer, now);
    }
    qri_set_unref(set);
    return due || !any;
}

uint64_t qri_mend_wanted(struct qri_slice *slice)
{
    struct qr_pagesvc *svc = slice->svc;
    if (svc->options.read_log == NULL || !may_help(slice))
        return 0;
    pthread_mutex_lock(&slice->mu);
    uint64_t no = ++slice->mend_asked;
    pthread_mutex_unlock(&slice->mu);
    pthread_mutex_lock(&svc->mu);
    pthread_cond_broadcast(&svc->wake);
    pthread_mutex_unlock(&svc->mu);
    return no;
}

void qri_mend(struct qri_slice *slice)
{
    pthread_mutex_lock(&slice->mu);
    uint64_t asked = slice->mend_asked;
    bool wanted = slice->mend_done < asked;
    pthread_mutex_unlock(&slice->mu);
    if (!wanted)
        return;
    mend_layers(slice);
    pthread_mutex_lock(&slice->mu);
    slice->mend_done = asked;
    pthread_mutex_unlock(&slice->mu);
    qri_slice_serve_ready(slice);
}

/* --- before it is attached --- */

static int by_last_lsn(const void *a, const void *b)
{
    const struct qri_manifest_layer *x = a, *y = b;
    uint64_t x_end = end_of(&x->desc), y_end = end_of(&y->desc);
    return (x_end > y_end) - (x_end < y_end);
}

static enum qr_status remake_if_lost(struct qri_slice *slice, const struct qri_layer_desc *desc,
                                     struct qr_err *err)
{
    struct qri_layer *layer = NULL;
    struct qri_meta meta = {0};
    struct qr_buf marks, changes;
    QR_TRY(qri_layer_bring(slice->svc, desc, &layer, err));
    qr_buf_init(&marks, SECTION_BYTES_MAX);
    qr_buf_init(&changes, SECTION_BYTES_MAX);
    enum qr_status status = qri_layer_meta(layer, &meta, &marks, &changes, NULL);
    if (status == QR_CORRUPT)
        status = remake(slice, layer, err);
    qri_meta_done(&meta);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
    qri_layer_unref(layer);
    return status;
}

enum qr_status qri_remake_lost(struct qri_slice *slice, struct qr_err *err)
{
    struct qri_manifest m = {0};
    QR_TRY(qri_manifest_copy(&slice->manifest, &m, err));
    qsort(m.layers, m.layer_count, sizeof m.layers[0], by_last_lsn);
    enum qr_status status = QR_OK; /* the newest one's: without it nothing goes on */
    for (size_t i = 0; i < m.layer_count; i++) {
        if (m.layers[i].desc.kind == QRI_LAYER_DELTA) {
            if (err != NULL)
                qr_err_reset(err);
            status = remake_if_lost(slice, &m.layers[i].desc, err);
        }
    }
    qri_manifest_done(&m);
    return status;
}
