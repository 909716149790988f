/* collect.c - what no reader may ask for any more goes; see slice_int.h.
 *
 * Readers may ask for the pins' LSNs and for everything from the horizon on. A layer that none of
 * them needs leaves the manifest (it becomes garbage); its object goes after the grace period,
 * unless a branch that was made while the manifest named it still lives. */
#include <stdlib.h>
#include <string.h>
#include "slice_int.h"
#include "base/sim_break.h"
#include "base/banned.h"

static const int64_t ASK_PARENT_NS = INT64_C(1000000000);

static bool is_own(const struct qri_slice *slice, const struct qri_layer_desc *desc)
{
    return qr_timeline_eq(&desc->origin, &slice->id.timeline);
}

/* Is there an image of the partition in [from, to]? */
static bool has_image(const struct qri_set *set, uint32_t first, uint32_t last, uint64_t from,
                      uint64_t to)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && layer->desc.kind == QRI_LAYER_IMAGE && !atomic_load(&layer->damaged) &&
            layer->desc.first_page <= first && layer->desc.last_page >= last &&
            layer->desc.last_lsn >= from && layer->desc.last_lsn <= to)
            return true;
    }
    return false;
}

/* May the layer hold entries of these pages? A block reaches up to where the next begins. */
static bool touches(const struct qri_layer *layer, uint32_t first, uint32_t last)
{
    if (layer->lost)
        return layer->desc.first_page <= last && layer->desc.last_page >= first;
    for (size_t i = 0; i < layer->block_count; i++) {
        uint32_t end =
            i + 1 < layer->block_count ? layer->blocks[i + 1].page_no : layer->desc.last_page;
        if (layer->blocks[i].page_no <= last && end >= first)
            return true;
    }
    return false;
}

/* A delta layer before that one knows the meta page as of where that one begins. It is not idle for
 * a reader of that LSN, so it stays. */
static bool is_preceded(const struct qri_set *set, const struct qri_layer *layer)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_layer *other = set->sources[i].layer;
        if (other != NULL && other->desc.kind == QRI_LAYER_DELTA &&
            other->desc.first_lsn < layer->desc.first_lsn &&
            other->desc.last_lsn >= layer->desc.first_lsn)
            return true;
    }
    return false;
}

/* Does reading at exactly `lsn` use nothing of this delta layer? Images do not replace the one that
 * ends there: a branch gets layers that begin before its LSN only, and its meta page from them. Nor
 * the one that begins there, if it is the first: who reads the timeline's start finds the meta page
 * in it. */
static bool delta_is_idle(const struct qri_slice *slice, const struct qri_set *set,
                          const struct qri_layer *layer, uint64_t lsn)
{
    const struct qri_layer_desc *d = &layer->desc;
    if (lsn < d->first_lsn)
        return true;
    if (lsn == d->first_lsn)
        return is_preceded(set, layer);
    if (lsn <= d->last_lsn)
        return false;
    for (uint64_t at = d->first_page / QRI_PARTITION_PAGES * QRI_PARTITION_PAGES;
         at <= d->last_page && d->entry_count > 0; at += QRI_PARTITION_PAGES) {
        uint32_t first = at < slice->first_page ? slice->first_page : (uint32_t)at;
        uint32_t last = (uint32_t)(at + QRI_PARTITION_PAGES - 1);
        if (touches(layer, first, last) && !has_image(set, first, last, d->last_lsn, lsn))
            return false;
    }
    return true;
}

static bool image_is_idle(const struct qri_set *set, const struct qri_layer *layer, uint64_t lsn)
{
    const struct qri_layer_desc *d = &layer->desc;
    return lsn < d->last_lsn || has_image(set, d->first_page, d->last_page, d->last_lsn + 1, lsn);
}

static bool is_idle(const struct qri_slice *slice, const struct qri_set *set,
                    const struct qri_layer *layer, const struct qri_manifest *m)
{
    bool image = layer->desc.kind == QRI_LAYER_IMAGE;
    /* From the horizon on all LSNs may be asked for: the first is the hardest. */
    if (m->horizon_lsn < layer->desc.last_lsn)
        return false;
    if (!(image ? image_is_idle(set, layer, m->horizon_lsn)
                : delta_is_idle(slice, set, layer, m->horizon_lsn)))
        return false;
    for (size_t i = 0; i < m->pin_count; i++) {
        if (!(image ? image_is_idle(set, layer, m->pins[i].lsn)
                    : delta_is_idle(slice, set, layer, m->pins[i].lsn)))
            return false;
    }
    return true;
}

/* The newest delta layer tells where ingest goes on. */
static const struct qri_layer *newest_delta(const struct qri_set *set)
{
    const struct qri_layer *newest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && layer->desc.kind == QRI_LAYER_DELTA &&
            (newest == NULL || layer->desc.last_lsn > newest->desc.last_lsn))
            newest = layer;
    }
    return newest;
}

static enum qr_status drop_idle(struct qri_slice *slice, const struct qri_manifest *m,
                                bool *ret_did, struct qr_err *err)
{
    struct qri_set *set = qri_set_take(slice);
    struct qri_layer **idle = malloc((set->count + 1) * sizeof(struct qri_layer *));
    size_t count = 0;
    const struct qri_layer *newest = newest_delta(set);
    for (size_t i = 0; i < set->count && idle != NULL; i++) {
        struct qri_layer *layer = set->sources[i].layer;
        if (layer != NULL && layer != newest && is_idle(slice, set, layer, m))
            idle[count++] = layer;
    }
    enum qr_status status = idle == NULL ? qr_fail(err, QR_NOMEM, "collection") : QR_OK;
    if (count > 0) {
        *ret_did = true;
        status = qri_manifest_replace(slice, idle, count, NULL, 0, err);
        if (status == QR_OK)
            status = qri_set_replace(slice, (const void *const *)idle, count, NULL, err);
    }
    free(idle);
    qri_set_unref(set);
    return status;
}

/* --- deleting --- */

static enum qr_status delete_layer(struct qri_slice *slice, const struct qri_layer_desc *desc,
                                   struct qr_err *err)
{
    if (!is_own(slice, desc))
        return QR_OK; /* its owner deletes it */
    char name[QRI_NAME_BYTES_MAX], path[QRI_LAYER_PATH_BYTES_MAX];
    qri_layer_name(desc, name);
    QR_TRY(qr_blob_delete(slice->svc->options.blob, name, NULL, err));
    if (slice->svc->files)
        return QR_OK;
    qri_layer_path(slice->svc, desc, path);
    (void)!qr_env_unlink(slice->svc->env, path, NULL);
    return QR_OK;
}

/* Was a branch made while the manifest named it? */
static bool is_lent(const struct qri_manifest *m, const struct qri_garbage *g)
{
    if (qr_sim_broken(QR_BREAK_PIN))
        return false;
    for (size_t i = 0; i < m->pin_count; i++) {
        const struct qri_pin *pin = &m->pins[i];
        if (pin->branch && pin->serial >= g->added_serial && pin->serial < g->removed_serial)
            return true;
    }
    return false;
}

static bool may_go(const struct qri_slice *slice, const struct qri_manifest *m,
                   const struct qri_garbage *g, int64_t now)
{
    return now - g->removed_wall_ns >= slice->svc->options.grace_ns && !is_lent(m, g);
}

/* It must not name what goes (G13). */
static enum qr_status put_copy(struct qri_slice *slice, struct qr_err *err)
{
    pthread_mutex_lock(&slice->work_mu);
    enum qr_status status = qri_manifest_put_copy(slice, err);
    pthread_mutex_unlock(&slice->work_mu);
    return status;
}

static enum qr_status delete_garbage(struct qri_slice *slice, const struct qri_manifest *m,
                                     bool *ret_did, struct qr_err *err)
{
    bool any = false;
    int64_t now = qr_env_wall_ns(slice->svc->env);
    for (size_t i = 0; i < m->garbage_count; i++) {
        if (may_go(slice, m, &m->garbage[i], now)) {
            QR_TRY(delete_layer(slice, &m->garbage[i].desc, err));
            any = true;
        }
    }
    if (!any)
        return QR_OK;
    *ret_did = true;
    pthread_mutex_lock(&slice->work_mu);
    struct qri_manifest next = {0};
    enum qr_status status = qri_manifest_copy(&slice->manifest, &next, err);
    if (status == QR_OK) {
        next.serial++;
        size_t kept = 0;
        for (size_t i = 0; i < next.garbage_count; i++) {
            /* By the pins and the time of before: what was deleted is what is forgotten. */
            if (!may_go(slice, m, &next.garbage[i], now))
                next.garbage[kept++] = next.garbage[i];
        }
        next.garbage_count = kept;
        status = qri_manifest_swap(slice, &next, err);
    }
    pthread_mutex_unlock(&slice->work_mu);
    return status;
}

/* --- branches let go of their parents --- */

static bool holds_foreign(const struct qri_slice *slice, const struct qri_manifest *m)
{
    for (size_t i = 0; i < m->layer_count; i++) {
        if (!is_own(slice, &m->layers[i].desc))
            return true;
    }
    /* A child of this one may have copied what it held. */
    for (size_t i = 0; i < m->pin_count; i++) {
        if (m->pins[i].branch)
            return true;
    }
    return false;
}

/* The parent's manifest tells if it still keeps what this one needs. */
static enum qr_status look_for_pin(struct qri_slice *slice, const struct qr_slice_id *parent,
                                   struct qr_err *err)
{
    struct qri_manifest m = {0};
    int64_t now = qr_env_mono_ns(slice->svc->env);
    if (slice->parent_asked_ns != 0 && now - slice->parent_asked_ns < ASK_PARENT_NS)
        return QR_OK;
    slice->parent_asked_ns = now;
    enum qr_status status = qri_manifest_load(slice->svc, parent, &m, err);
    if (status == QR_NOT_FOUND) {
        slice->parent_released = true;
        return QR_OK;
    }
    QR_TRY(status);
    bool pinned = false;
    for (size_t i = 0; i < m.pin_count; i++)
        pinned = pinned || qr_timeline_eq(&m.pins[i].name, &slice->id.timeline);
    slice->parent_released = !pinned;
    qri_manifest_done(&m);
    return QR_OK;
}

static enum qr_status release_parent(struct qri_slice *slice, const struct qri_manifest *m,
                                     bool *ret_did, struct qr_err *err)
{
    if (m->lineage_count == 0 || slice->parent_released ||
        m->disk_lsn < m->lineage[m->lineage_count - 1].end_lsn)
        return QR_OK;
    struct qr_slice_id parent = {m->lineage[m->lineage_count - 1].timeline, m->id.no};
    struct qri_slice *there = qri_slice_find(slice->svc, &parent);
    if (there == NULL) /* served by nobody yet, or by another server, which control tells */
        return look_for_pin(slice, &parent, err);
    qri_slice_unref(there);
    QR_TRY(qr_pagesvc_unpin(slice->svc, &parent, &m->id.timeline, err));
    slice->parent_released = true;
    *ret_did = true;
    return QR_OK;
}

static enum qr_status delete_all(struct qri_slice *slice, const struct qri_manifest *m,
                                 struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    QR_TRY(put_copy(slice, err));
    for (size_t i = 0; i < m->layer_count; i++)
        QR_TRY(delete_layer(slice, &m->layers[i].desc, err));
    for (size_t i = 0; i < m->garbage_count; i++)
        QR_TRY(delete_layer(slice, &m->garbage[i].desc, err));
    pthread_mutex_lock(&slice->work_mu);
    qri_manifest_copy_name(&slice->id, name); /* first: it would bring back the other */
    enum qr_status status = qr_blob_delete(slice->svc->options.blob, name, NULL, err);
    slice->copy_known = false;
    slice->copied_serial = 0;
    qri_manifest_name(&slice->id, name);
    if (status == QR_OK)
        status = qr_blob_delete(slice->svc->options.blob, name, slice->tag.z, err);
    pthread_mutex_unlock(&slice->work_mu);
    QR_TRY(status);
    qr_pagesvc_detach(slice->svc, &slice->id);
    return QR_OK;
}

/* With a copy of the manifest, so that pins can be set meanwhile. */
static enum qr_status collect(struct qri_slice *slice, const struct qri_manifest *m, bool *ret_did,
                              struct qr_err *err)
{
    if (m->dropped && m->pin_count == 0) {
        struct qri_manifest free_of_log = *m;
        free_of_log.disk_lsn = UINT64_MAX; /* nobody reads it any more */
        QR_TRY(release_parent(slice, &free_of_log, ret_did, err));
        if (m->lineage_count > 0 && !slice->parent_released)
            return QR_OK; /* else nobody would ever take that pin away */
        *ret_did = true;
        return delete_all(slice, m, err);
    }
    QR_TRY(drop_idle(slice, m, ret_did, err));
    if (*ret_did)
        return QR_OK;
    QR_TRY(put_copy(slice, err)); /* nor what the parent deletes then */
    if (!holds_foreign(slice, m))
        QR_TRY(release_parent(slice, m, ret_did, err));
    return delete_garbage(slice, m, ret_did, err);
}

enum qr_status qri_collect_one(struct qri_slice *slice, bool *ret_did, struct qr_err *err)
{
    struct qri_manifest m = {0};
    pthread_mutex_lock(&slice->work_mu);
    enum qr_status status = qri_manifest_copy(&slice->manifest, &m, err);
    pthread_mutex_unlock(&slice->work_mu);
    if (status == QR_OK)
        status = collect(slice, &m, ret_did, err);
    qri_manifest_done(&m);
    return status;
}
