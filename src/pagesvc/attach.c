/* attach.c - slices made, attached, branched, pinned and dropped; see pagesvc/pagesvc.h. */
#include <stdlib.h>
#include <string.h>
#include "slice_int.h"
#include "base/banned.h"

/* --- attach --- */

/* A layer that is open already, in the parent's set; NULL if it is not. */
static struct qri_layer *find_open(const struct qri_set *set, const struct qri_layer_desc *desc)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && layer->desc.id == desc->id &&
            qr_timeline_eq(&layer->desc.origin, &desc->origin))
            return qri_layer_ref(layer);
    }
    return NULL;
}

/* Layers from the manifest, and memory layers that a parent shares. */
static enum qr_status make_set(struct qri_slice *slice, const struct qri_set *parent_set,
                               const struct qri_source *shared, size_t shared_count,
                               struct qr_err *err)
{
    const struct qri_manifest *m = &slice->manifest;
    size_t count = 0, capacity = m->layer_count + shared_count + 1;
    struct qri_source *sources = calloc(capacity, sizeof *sources);
    enum qr_status status = sources == NULL ? qr_fail(err, QR_NOMEM, "sources of a slice") : QR_OK;
    for (size_t i = 0; i < m->layer_count && status == QR_OK; i++) {
        const struct qri_layer_desc *d = &m->layers[i].desc;
        sources[count].layer = find_open(parent_set, d);
        if (sources[count].layer == NULL)
            status = qri_layer_bring(slice->svc, d, &sources[count].layer, err);
        if (status == QR_OK) {
            if (sources[count].layer->lost)
                slice->mend_asked = 1; /* nobody else knows it yet */
            sources[count].lsn_max = d->lsn_max;
            sources[count++].last_lsn = d->last_lsn < d->lsn_max ? d->last_lsn : d->lsn_max;
        }
    }
    size_t own = count;
    for (size_t i = 0; i < shared_count && status == QR_OK; i++)
        sources[count++] = shared[i];
    struct qri_set *set = NULL;
    if (status == QR_OK)
        status = qri_set_new(sources, count, &set, err);
    for (size_t i = 0; i < own; i++)
        qri_layer_unref(sources[i].layer);
    free(sources);
    if (status == QR_OK)
        qri_set_install(slice, set);
    return status;
}

static enum qr_status add_open(struct qri_slice *slice, struct qr_err *err)
{
    struct qri_mem *mem = NULL;
    QR_TRY(qri_mem_new(&slice->id.timeline, slice->visible_lsn, &slice->meta, &mem, err));
    mem->opened_mono_ns = qr_env_mono_ns(slice->svc->env);
    struct qri_set *old = slice->set, *set = NULL;
    struct qri_source *sources = calloc(old->count + 1, sizeof *sources);
    enum qr_status status = sources == NULL ? qr_fail(err, QR_NOMEM, "sources of a slice") : QR_OK;
    if (status == QR_OK) {
        memcpy(sources, old->sources, old->count * sizeof *sources);
        sources[old->count] =
            (struct qri_source){.mem = mem, .lsn_max = UINT64_MAX, .last_lsn = UINT64_MAX};
        status = qri_set_new(sources, old->count + 1, &set, err);
    }
    free(sources);
    if (status == QR_OK) {
        qri_set_install(slice, set);
        slice->open = mem;
    }
    qri_mem_unref(mem);
    return status;
}

/* Nothing tells what the database was: only imported pages are there, or nothing at all. */
static bool has_no_delta(const struct qri_set *set)
{
    size_t i = 0;
    while (i < set->count && set->sources[i].layer != NULL &&
           set->sources[i].layer->desc.kind == QRI_LAYER_IMAGE)
        i++;
    return i == set->count;
}

enum qr_status qri_slice_build(struct qr_pagesvc *svc, const struct qri_manifest *manifest,
                               const struct qr_blob_tag *tag, const struct qri_set *parent_set,
                               const struct qri_source *shared, size_t shared_count,
                               uint64_t visible, struct qri_slice **ret_slice, struct qr_err *err)
{
    struct qri_slice *slice = NULL;
    QR_TRY(qri_slice_new(svc, manifest, &slice, err));
    slice->tag = *tag;
    slice->next_lsn = slice->visible_lsn = visible;
    enum qr_status status = make_set(slice, parent_set, shared, shared_count, err);
    if (status == QR_OK) {
        status = qri_slice_meta(slice, visible, &slice->meta, err);
        if (status == QR_NOT_FOUND && has_no_delta(slice->set)) { /* its log is all to come */
            if (err != NULL)
                qr_err_reset(err);
            slice->meta.mark.lsn = visible;
            status = QR_OK;
        }
    }
    if (status == QR_OK)
        status = add_open(slice, err);
    if (status != QR_OK)
        qri_slice_unref(slice);
    else
        *ret_slice = slice;
    return status;
}

/* Objects of this timeline that the manifest does not name: what a crash left between the upload of
 * a layer and the manifest that would have named it; and objects that it left half written. */
struct orphans {
    struct qr_pagesvc *svc;
    const struct qri_manifest *manifest;
    struct qr_err *err;
    enum qr_status status;
};

static bool is_named(const struct qri_manifest *m, const char *name)
{
    char known[QRI_NAME_BYTES_MAX];
    for (size_t i = 0; i < m->layer_count; i++) {
        qri_layer_name(&m->layers[i].desc, known);
        if (strcmp(known, name) == 0)
            return true;
    }
    for (size_t i = 0; i < m->garbage_count; i++) {
        qri_layer_name(&m->garbage[i].desc, known);
        if (strcmp(known, name) == 0)
            return true;
    }
    qri_manifest_name(&m->id, known);
    if (strcmp(known, name) == 0)
        return true;
    qri_manifest_copy_name(&m->id, known);
    return strcmp(known, name) == 0;
}

static bool drop_orphan(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct orphans *o = arg;
    if (is_named(o->manifest, name))
        return true;
    o->status = qr_blob_delete(o->svc->options.blob, name, NULL, o->err);
    return o->status == QR_OK;
}

static enum qr_status drop_orphans(struct qr_pagesvc *svc, const struct qri_manifest *m,
                                   struct qr_err *err)
{
    char prefix[QRI_NAME_BYTES_MAX];
    qri_manifest_name(&m->id, prefix);
    strrchr(prefix, '/')[1] = '\0';
    if (svc->files)
        QR_TRY(qr_blob_drop_stages(svc->options.blob, prefix, err));
    struct orphans o = {.svc = svc, .manifest = m, .err = err};
    QR_TRY(qr_blob_list(svc->options.blob, prefix, drop_orphan, &o, err));
    return o.status;
}

/* Another server that took the slice over may have left no trace here yet. */
static enum qr_status check_owner(struct qri_slice *slice, bool *ret_owns, struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    qri_manifest_name(&slice->id, name);
    struct qr_blob_info info = {0};
    pthread_mutex_lock(&slice->work_mu);
    enum qr_status status = qr_blob_stat(slice->svc->options.blob, name, &info, err);
    bool same = status == QR_OK && strcmp(info.tag.z, slice->tag.z) == 0;
    pthread_mutex_unlock(&slice->work_mu);
    if (status == QR_OK)
        *ret_owns = same;
    return qr_wrap(err, status, "look at manifest '%s'", name);
}

/* False: it is not here, or is not any more, because it failed or was taken over. */
static enum qr_status check_attached(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                     bool *ret_attached, struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice == NULL) {
        *ret_attached = false;
        return QR_OK;
    }
    bool well = qri_slice_health(slice) == QR_OK;
    enum qr_status status = well ? check_owner(slice, &well, err) : QR_OK;
    qri_slice_unref(slice);
    QR_TRY(status);
    if (!well)
        qr_pagesvc_detach(svc, id);
    *ret_attached = well;
    return QR_OK;
}

/* `slice` has the manifest, and is none that can be read. */
static enum qr_status make_ready(struct qri_slice *slice, struct qri_slice **ret_ready,
                                 struct qr_err *err)
{
    struct qri_slice *ready = NULL;
    enum qr_status status = qri_slice_build(slice->svc, &slice->manifest, &slice->tag, NULL, NULL,
                                            0, slice->manifest.disk_lsn, &ready, err);
    if (status == QR_CORRUPT) { /* nothing tells what the database is at its disk LSN */
        struct qr_err local;
        qr_err_reset(&local);
        enum qr_status made = qri_remake_lost(slice, &local);
        if (made == QR_NOT_FOUND || made == QR_CORRUPT)
            return status;
        if (err != NULL)
            qr_err_reset(err);
        if (made != QR_OK)
            return qr_fail(err, made, "%s", local.text);
        status = qri_slice_build(slice->svc, &slice->manifest, &slice->tag, NULL, NULL, 0,
                                 slice->manifest.disk_lsn, &ready, err);
    }
    QR_TRY(status);
    ready->next_layer_no = slice->next_layer_no;
    ready->copy_tag = slice->copy_tag;
    ready->copy_known = slice->copy_known;
    ready->copied_serial = slice->copied_serial;
    *ret_ready = ready;
    return QR_OK;
}

enum qr_status qr_pagesvc_attach(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                 struct qr_err *err)
{
    bool attached = false;
    QR_TRY(check_attached(svc, id, &attached, err));
    if (attached)
        return QR_OK;
    struct qri_slice *slice = NULL;
    struct qri_manifest m = {0}, next = {0};
    struct qr_blob_tag tag;
    bool put_back;
    QR_TRY(qri_manifest_restore(svc, id, &m, &tag, &put_back, err));
    enum qr_status status = qri_manifest_copy(&m, &next, err);
    /* Reading goes on by others until this swap; from then on they cannot write (G5). */
    if (status == QR_OK)
        status = qri_slice_new(svc, &m, &slice, err);
    if (status == QR_OK) {
        next.generation++;
        next.serial++;
        slice->tag = tag;
        status = qri_manifest_swap(slice, &next, err);
    }
    if (status == QR_OK) /* so that the generation is in both before it is used (G13) */
        status = qri_manifest_put_copy(slice, err);
    if (status == QR_OK && !put_back)
        status = drop_orphans(svc, &slice->manifest, err);
    if (status == QR_OK && !put_back)
        status = qri_copies_drop_unnamed(svc, &slice->manifest, err);
    struct qri_slice *ready = NULL;
    if (status == QR_OK)
        status = make_ready(slice, &ready, err);
    if (status == QR_OK) {
        qri_lease_settle(ready, true);
        qri_slice_publish(&ready);
        QR_LOG(&svc->options.log, QR_INFO, "slice_attached", QR_F("slice", id->no),
               QR_F("generation", m.generation + 1), QR_F("layers", (uint64_t)m.layer_count));
    }
    qri_slice_unref(ready);
    qri_slice_unref(slice);
    qri_manifest_done(&next);
    qri_manifest_done(&m);
    return status;
}

enum qr_status qr_pagesvc_create(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                 uint32_t page_bytes, struct qr_lsn start_lsn, struct qr_err *err)
{
    struct qri_manifest m = {.id = *id,
                             .page_bytes = page_bytes,
                             .serial = 1,
                             .start_lsn = start_lsn.v,
                             .disk_lsn = start_lsn.v,
                             .horizon_lsn = start_lsn.v};
    if (page_bytes < QR_PAGE_BYTES_MIN || page_bytes > QR_PAGE_BYTES_MAX ||
        (page_bytes & (page_bytes - 1)) != 0)
        return qr_fail(err, QR_INVALID, "pages of %u bytes", page_bytes);
    struct qr_blob_tag tag;
    enum qr_status status = qri_manifest_put_new(svc, &m, &tag, err);
    if (status != QR_OK && status != QR_CONFLICT)
        return status;
    bool is_new = status == QR_OK;
    QR_TRY(qr_pagesvc_attach(svc, id, err));
    struct qri_slice *slice = is_new ? qri_slice_find(svc, id) : NULL;
    if (slice != NULL) /* nobody has read of it yet */
        qri_lease_settle(slice, false);
    qri_slice_unref(slice);
    return QR_OK;
}

/* --- pins --- */

static struct qri_pin *find_pin(struct qri_manifest *m, const struct qr_timeline *name)
{
    for (size_t i = 0; i < m->pin_count; i++) {
        if (qr_timeline_eq(&m->pins[i].name, name))
            return &m->pins[i];
    }
    return NULL;
}

static bool is_pinned(const struct qri_manifest *m, uint64_t lsn)
{
    for (size_t i = 0; i < m->pin_count; i++) {
        if (m->pins[i].lsn == lsn && !m->pins[i].branch)
            return true;
    }
    return false;
}

bool qri_slice_is_pinned(struct qri_slice *slice, uint64_t lsn)
{
    bool pinned = false;
    pthread_mutex_lock(&slice->work_mu);
    for (size_t i = 0; i < slice->manifest.pin_count; i++)
        pinned = pinned || slice->manifest.pins[i].lsn == lsn;
    pthread_mutex_unlock(&slice->work_mu);
    return pinned;
}

/* Is the newest row of this pin of the manifest as it is now? */
static bool is_current(const struct qri_manifest *m, const struct qr_timeline *name)
{
    for (size_t i = 0; i < m->pin_count; i++) {
        if (qr_timeline_eq(&m->pins[i].name, name) && m->pins[i].serial == m->serial)
            return true;
    }
    return false;
}

/* With work_mu held. A branch that is tried again gets another row: the child's manifest will name
 * the layers of now, and one made by the first try, whose answer was lost, those of then. */
static enum qr_status add_pin(struct qri_slice *slice, const struct qr_timeline *name, uint64_t lsn,
                              bool branch, struct qr_err *err)
{
    struct qri_manifest *m = &slice->manifest;
    const struct qri_pin *there = find_pin(m, name);
    if (there != NULL && (there->lsn != lsn || there->branch != branch))
        return qr_fail(err, QR_EXISTS, "this pin is at another LSN");
    if (there != NULL && (!branch || is_current(m, name)))
        return qri_manifest_put_copy(slice, err);
    if (m->dropped)
        return qr_fail(err, QR_NOT_FOUND, "slice is dropped");
    if (there == NULL && lsn < m->horizon_lsn && !is_pinned(m, lsn))
        return qr_fail(err, QR_INVALID, "LSN %llu is before the horizon", (unsigned long long)lsn);
    struct qri_manifest next;
    QR_TRY(qri_manifest_copy(m, &next, err));
    next.serial++;
    struct qri_pin *pin = qri_manifest_add_pin(&next);
    if (pin == NULL) {
        qri_manifest_done(&next);
        return qr_fail(err, QR_NOMEM, "manifest");
    }
    *pin = (struct qri_pin){.name = *name, .lsn = lsn, .serial = next.serial, .branch = branch};
    QR_TRY(qri_manifest_swap(slice, &next, err));
    return qri_manifest_put_copy(slice, err);
}

enum qr_status qr_pagesvc_pin(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                              const struct qr_timeline *name, struct qr_lsn lsn, struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    pthread_mutex_lock(&slice->work_mu);
    enum qr_status status = add_pin(slice, name, lsn.v, false, err);
    pthread_mutex_unlock(&slice->work_mu);
    qri_slice_unref(slice);
    return status;
}

/* Changes that need nothing but a new manifest. */
typedef bool change_fn(struct qri_manifest *next, const void *arg); /* false: nothing to do */

static enum qr_status change(struct qr_pagesvc *svc, const struct qr_slice_id *id, change_fn *apply,
                             const void *arg, struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    pthread_mutex_lock(&slice->work_mu);
    struct qri_manifest next;
    enum qr_status status = qri_manifest_copy(&slice->manifest, &next, err);
    if (status == QR_OK) {
        next.serial++;
        if (apply(&next, arg))
            status = qri_manifest_swap(slice, &next, err);
        else
            qri_manifest_done(&next);
    }
    pthread_mutex_unlock(&slice->work_mu);
    qri_slice_unref(slice);
    return status;
}

static bool remove_pin(struct qri_manifest *next, const void *arg)
{
    size_t before = next->pin_count;
    for (struct qri_pin *pin; (pin = find_pin(next, arg)) != NULL;)
        *pin = next->pins[--next->pin_count];
    return next->pin_count < before;
}

enum qr_status qr_pagesvc_unpin(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                const struct qr_timeline *name, struct qr_err *err)
{
    return change(svc, id, remove_pin, name, err);
}

static bool raise_horizon(struct qri_manifest *next, const void *arg)
{
    const struct qr_lsn *lsn = arg;
    if (lsn->v <= next->horizon_lsn)
        return false;
    next->horizon_lsn = lsn->v;
    return true;
}

enum qr_status qr_pagesvc_set_horizon(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                      struct qr_lsn lsn, struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    struct qr_lsn bound = qr_lsn(qri_lease_bound(slice, lsn.v));
    qri_slice_unref(slice);
    return change(svc, id, raise_horizon, &bound, err);
}

static bool mark_dropped(struct qri_manifest *next, const void *arg)
{
    (void)arg;
    bool was = next->dropped;
    next->dropped = true;
    return !was;
}

enum qr_status qr_pagesvc_drop(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                               struct qr_err *err)
{
    return change(svc, id, mark_dropped, NULL, err);
}

/* --- branch --- */

/* The child's manifest: what the parent has up to `lsn`. */
static enum qr_status child_manifest(const struct qri_manifest *parent,
                                     const struct qr_timeline *child, uint64_t lsn, uint64_t start,
                                     struct qri_manifest *ret_manifest, struct qr_err *err)
{
    struct qri_manifest m = {.id = {*child, parent->id.no},
                             .page_bytes = parent->page_bytes,
                             .serial = 1,
                             .start_lsn = start,
                             .disk_lsn = parent->disk_lsn < lsn ? parent->disk_lsn : lsn,
                             .horizon_lsn = lsn};
    bool room = true;
    for (size_t i = 0; i < parent->lineage_count && room; i++) {
        struct qri_lineage *row = qri_manifest_add_lineage(&m);
        if ((room = row != NULL)) {
            *row = parent->lineage[i];
            row->end_lsn = row->end_lsn < lsn ? row->end_lsn : lsn;
        }
    }
    struct qri_lineage *last = room ? qri_manifest_add_lineage(&m) : NULL;
    room = last != NULL;
    if (room)
        *last = (struct qri_lineage){.timeline = parent->id.timeline, .end_lsn = lsn};
    for (size_t i = 0; i < parent->layer_count && room; i++) {
        const struct qri_layer_desc *d = &parent->layers[i].desc;
        if (d->kind == QRI_LAYER_IMAGE ? d->last_lsn > lsn : d->first_lsn >= lsn)
            continue;
        struct qri_manifest_layer *row = qri_manifest_add_layer(&m);
        if ((room = row != NULL)) {
            *row = (struct qri_manifest_layer){.desc = *d, .added_serial = m.serial};
            row->desc.lsn_max = d->lsn_max < lsn ? d->lsn_max : lsn;
        }
    }
    if (!room) {
        qri_manifest_done(&m);
        return qr_fail(err, QR_NOMEM, "manifest");
    }
    *ret_manifest = m;
    return QR_OK;
}

/* Memory layers of the parent that hold log behind its disk LSN, and not past `lsn`. */
static size_t shared_mems(const struct qri_set *set, uint64_t disk_lsn, uint64_t lsn,
                          struct qri_source *dst)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_source *s = &set->sources[i];
        if (s->mem == NULL || s->mem->first_lsn >= lsn || s->mem->last_lsn <= disk_lsn)
            continue;
        uint64_t end = s->mem->last_lsn < lsn ? s->mem->last_lsn : lsn;
        dst[count++] = (struct qri_source){.mem = s->mem, .lsn_max = end, .last_lsn = end};
    }
    return count;
}

/* With the parent's work_mu held: its pin is durable. The manifest is new and nobody else's. */
static enum qr_status open_child(struct qri_slice *parent, const struct qri_manifest *m,
                                 const struct qr_blob_tag *tag, uint64_t lsn, struct qr_err *err)
{
    struct qri_set *set = qri_set_take(parent);
    struct qri_source *shared = malloc(set->count * sizeof *shared);
    struct qri_slice *slice = NULL;
    enum qr_status status = QR_OK;
    if (shared == NULL) {
        status = qr_fail(err, QR_NOMEM, "sources of a slice");
    } else {
        size_t count = shared_mems(set, m->disk_lsn, lsn, shared);
        status = qri_slice_build(parent->svc, m, tag, set, shared, count, lsn, &slice, err);
    }
    if (status == QR_OK)
        qri_slice_publish(&slice);
    qri_slice_unref(slice);
    free(shared);
    qri_set_unref(set);
    return status;
}

static enum qr_status make_child(struct qri_slice *parent, const struct qr_timeline *child,
                                 uint64_t lsn, uint64_t start, struct qr_err *err)
{
    struct qri_manifest m = {0};
    struct qr_blob_tag tag;
    QR_TRY(child_manifest(&parent->manifest, child, lsn, start, &m, err));
    enum qr_status status = qri_manifest_put_new(parent->svc, &m, &tag, err);
    if (status == QR_CONFLICT) /* from before a crash: its log comes again */
        status = qr_pagesvc_attach(parent->svc, &m.id, err);
    else if (status == QR_OK)
        status = open_child(parent, &m, &tag, lsn, err);
    qri_manifest_done(&m);
    return status;
}

enum qr_status qr_pagesvc_branch(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                 struct qr_lsn lsn, const struct qr_timeline *child,
                                 struct qr_lsn child_start, struct qr_err *err)
{
    struct qr_slice_id child_id = {*child, id->no};
    struct qri_slice *there = qri_slice_find(svc, &child_id);
    if (there != NULL) {
        qri_slice_unref(there);
        return QR_OK;
    }
    struct qri_slice *parent = qri_slice_find(svc, id);
    if (parent == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    pthread_mutex_lock(&parent->ingest_mu);
    pthread_mutex_lock(&parent->work_mu);
    enum qr_status status = QR_OK;
    if (parent->visible_lsn < lsn.v)
        status =
            qr_fail(err, QR_BUSY, "log up to LSN %llu has not come yet", (unsigned long long)lsn.v);
    if (status == QR_OK)
        status = qri_slice_freeze(parent, err); /* a frozen layer can be shared */
    if (status == QR_OK)
        status = add_pin(parent, child, lsn.v, true, err);
    if (status == QR_OK)
        status = make_child(parent, child, lsn.v, child_start.v, err);
    pthread_mutex_unlock(&parent->work_mu);
    pthread_mutex_unlock(&parent->ingest_mu);
    qri_slice_unref(parent);
    return status;
}
