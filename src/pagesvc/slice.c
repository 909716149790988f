/* slice.c - reading a slice, and those who wait for it; see slice_int.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "slice_int.h"
#include "base/sim_break.h"
#include "base/banned.h"

enum {
    MARKS_BYTES_MAX = 1 << 30,
    PARTIAL_BYTES_MAX = 2 * QR_RECORD_BYTES_MAX,
    MENDS_MAX = 100, /* for one page */
};

/* --- sets of sources --- */

static int newest_first(const void *a, const void *b)
{
    const struct qri_source *x = a, *y = b;
    return (x->last_lsn < y->last_lsn) - (x->last_lsn > y->last_lsn);
}

enum qr_status qri_set_new(const struct qri_source *sources, size_t count, struct qri_set **ret_set,
                           struct qr_err *err)
{
    struct qri_set *set = malloc(sizeof *set + count * sizeof set->sources[0]);
    if (set == NULL)
        return qr_fail(err, QR_NOMEM, "sources of a slice");
    atomic_init(&set->refs, 1);
    set->count = count;
    for (size_t i = 0; i < count; i++) {
        set->sources[i] = sources[i];
        if (sources[i].mem != NULL)
            qri_mem_ref(sources[i].mem);
        else
            qri_layer_ref(sources[i].layer);
    }
    if (count > 1)
        qsort(set->sources, count, sizeof set->sources[0], newest_first);
    *ret_set = set;
    return QR_OK;
}

void qri_set_unref(struct qri_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->refs, 1) != 1)
        return;
    for (size_t i = 0; i < set->count; i++) {
        qri_mem_unref(set->sources[i].mem);
        qri_layer_unref(set->sources[i].layer);
    }
    free(set);
}

struct qri_set *qri_set_take(struct qri_slice *slice)
{
    pthread_mutex_lock(&slice->mu);
    struct qri_set *set = slice->set;
    atomic_fetch_add(&set->refs, 1);
    pthread_mutex_unlock(&slice->mu);
    return set;
}

void qri_set_install(struct qri_slice *slice, struct qri_set *own_set)
{
    pthread_mutex_lock(&slice->mu);
    struct qri_set *old = slice->set;
    slice->set = own_set;
    pthread_mutex_unlock(&slice->mu);
    qri_set_unref(old);
}

/* --- reading --- */

/* *ret_at: the source that failed. */
static enum qr_status walk_set(const struct qri_set *set, struct qri_walk *walk, size_t *ret_at,
                               struct qr_err *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_source *s = &set->sources[i];
        if (s->last_lsn <= walk->base_lsn)
            break; /* and so do all behind it */
        *ret_at = i;
        if (s->mem != NULL)
            QR_TRY(qri_mem_walk(s->mem, walk, s->lsn_max, err));
        else
            QR_TRY(qri_layer_walk(s->layer, walk, s->lsn_max, err));
    }
    return QR_OK;
}

/* A damaged local copy is replaced by the blob store's (G8). A page may lie in several; each is
 * fetched once, so a copy that is damaged there as well ends it. */
static enum qr_status walk_and_mend(struct qri_slice *slice, struct qri_walk *walk,
                                    struct qri_set **set, struct qr_err *err)
{
    size_t at = 0, tries = (*set)->count;
    uint64_t last_id = UINT64_MAX;
    for (;;) {
        enum qr_status status = walk_set(*set, walk, &at, err);
        if (status != QR_CORRUPT || (*set)->sources[at].layer == NULL || tries-- == 0 ||
            (*set)->sources[at].layer->desc.id == last_id)
            return status;
        last_id = (*set)->sources[at].layer->desc.id;
        if (err != NULL)
            qr_err_reset(err);
        QR_TRY(qri_layer_mend(slice, &(*set)->sources[at], err));
        uint32_t page_no = walk->page_no;
        uint64_t lsn = walk->lsn;
        qri_walk_done(walk);
        qri_walk_init(walk, page_no, lsn);
        qri_set_unref(*set);
        *set = qri_set_take(slice);
    }
}

enum qr_status qri_slice_read(struct qri_slice *slice, uint32_t page_no, uint64_t lsn,
                              struct qr_buf *dst, uint64_t *ret_version, struct qr_err *err)
{
    struct qri_set *set = qri_set_take(slice);
    struct qri_walk walk;
    qri_walk_init(&walk, page_no, lsn);
    enum qr_status status = walk_and_mend(slice, &walk, &set, err);
    uint8_t *page = NULL;
    if (status == QR_OK) {
        page = qr_buf_reserve(dst, slice->page_bytes);
        status = page == NULL ? qr_buf_status(dst, err)
                              : qri_walk_apply(&walk, page, slice->page_bytes, ret_version, err);
    }
    if (status == QR_OK)
        dst->len += slice->page_bytes;
    qri_walk_done(&walk);
    qri_set_unref(set);
    return status;
}

static enum qr_status meta_of_mem(struct qri_mem *mem, uint64_t lsn, struct qri_meta *ret_meta,
                                  struct qr_err *err)
{
    struct qri_meta meta = {0};
    pthread_rwlock_rdlock(&mem->lock);
    enum qr_status status = qri_meta_copy(&mem->meta, &meta, err);
    if (status == QR_OK)
        status = qri_meta_fold(&meta, &mem->marks, &mem->changes, lsn, err);
    pthread_rwlock_unlock(&mem->lock);
    if (status == QR_OK)
        *ret_meta = meta;
    else
        qri_meta_done(&meta);
    return status;
}

static enum qr_status meta_of_layer(struct qri_layer *layer, uint64_t lsn,
                                    struct qri_meta *ret_meta, struct qr_err *err)
{
    struct qri_meta meta = {0};
    struct qr_buf marks, changes;
    qr_buf_init(&marks, MARKS_BYTES_MAX);
    qr_buf_init(&changes, MARKS_BYTES_MAX);
    enum qr_status status = qri_layer_meta(layer, &meta, &marks, &changes, err);
    if (status == QR_OK)
        status = qri_meta_fold(&meta, &marks, &changes, lsn, err);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
    if (status == QR_OK)
        *ret_meta = meta;
    else
        qri_meta_done(&meta);
    return status;
}

enum qr_status qri_slice_meta(struct qri_slice *slice, uint64_t lsn, struct qri_meta *ret_meta,
                              struct qr_err *err)
{
    struct qri_set *set = qri_set_take(slice);
    enum qr_status status = QR_NOT_FOUND;
    for (size_t i = 0; i < set->count && status == QR_NOT_FOUND; i++) {
        const struct qri_source *s = &set->sources[i];
        uint64_t bound = lsn < s->lsn_max ? lsn : s->lsn_max;
        if (s->mem != NULL && s->mem->first_lsn <= bound)
            status = meta_of_mem(s->mem, bound, ret_meta, err);
        else if (s->layer != NULL && s->layer->desc.kind == QRI_LAYER_DELTA &&
                 s->layer->desc.first_lsn <= bound)
            status = meta_of_layer(s->layer, bound, ret_meta, err);
    }
    qri_set_unref(set);
    if (status == QR_NOT_FOUND)
        return qr_fail(err, QR_NOT_FOUND, "nothing is known of LSN %llu any more",
                       (unsigned long long)lsn);
    return status;
}

/* --- gets --- */

/* Behind the read: layers go only after the horizon has passed them. */
static enum qr_status check_horizon(struct qri_slice *slice, uint64_t lsn, struct qr_err *err)
{
    if (lsn >= atomic_load(&slice->horizon_lsn) || qri_slice_is_pinned(slice, lsn))
        return QR_OK;
    return qr_fail(err, QR_GONE, "LSN %llu is before the horizon", (unsigned long long)lsn);
}

static enum qr_status read_as_of(struct qri_slice *slice, struct qr_page_get *get, uint64_t lsn,
                                 struct qr_err *err)
{
    if (get->page_no == 0) {
        struct qri_meta meta = {0};
        QR_TRY(qri_slice_meta(slice, lsn, &meta, err));
        qri_meta_encode(&meta, get->dst);
        get->version = qr_lsn(meta.mark.lsn);
        qri_meta_done(&meta);
        return qr_buf_status(get->dst, err);
    }
    uint64_t version;
    size_t before = get->dst->len;
    QR_TRY(qri_slice_read(slice, get->page_no, lsn, get->dst, &version, err));
    get->version = qr_lsn(version);
    if (version == get->have.v)
        get->dst->len = before;
    return QR_OK;
}

static enum qr_status serve(struct qri_slice *slice, struct qr_page_get *get, struct qr_err *err)
{
    pthread_mutex_lock(&slice->mu);
    uint64_t lsn = slice->visible_lsn;
    enum qr_status health = slice->health;
    pthread_mutex_unlock(&slice->mu);
    if (health != QR_OK)
        return qr_fail(err, health, "slice is out of service");
    if (get->lsn.v < lsn)
        lsn = get->lsn.v;
    enum qr_status status = read_as_of(slice, get, lsn, err);
    QR_TRY(check_horizon(slice, get->lsn.v, err)); /* it says why nothing was found, too */
    return status;
}

static void unlink_get(struct qri_slice *slice, struct qr_page_get *get)
{
    if (get->prev != NULL)
        get->prev->next = get->next;
    else
        slice->gets_first = get->next;
    if (get->next != NULL)
        get->next->prev = get->prev;
    else
        slice->gets_last = get->prev;
    atomic_fetch_sub(&slice->svc->waiting_gets, 1);
}

static void queue_get(struct qri_slice *slice, struct qr_page_get *get)
{
    get->next = NULL;
    get->prev = slice->gets_last;
    if (slice->gets_last != NULL)
        slice->gets_last->next = get;
    else
        slice->gets_first = get;
    slice->gets_last = get;
    atomic_fetch_add(&slice->svc->waiting_gets, 1);
}

/* What is damaged may be made whole by the worker; and then the next layer of the page may be. */
static bool wait_for_mending(struct qri_slice *slice, struct qr_page_get *get)
{
    if (get->mend_count++ == MENDS_MAX || qri_slice_health(slice) != QR_OK)
        return false;
    get->mend_no = qri_mend_wanted(slice);
    if (get->mend_no == 0)
        return false;
    pthread_mutex_lock(&slice->mu);
    bool waits = !slice->detached, is_over = slice->mend_done >= get->mend_no;
    if (waits)
        queue_get(slice, get);
    pthread_mutex_unlock(&slice->mu);
    if (waits && is_over)
        qri_slice_serve_ready(slice);
    return waits;
}

static void finish(struct qri_slice *slice, struct qr_page_get *get)
{
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = serve(slice, get, &err);
    if (status == QR_CORRUPT && wait_for_mending(slice, get))
        return;
    get->done(get, status, &err);
}

void qr_pagesvc_get(struct qr_pagesvc *svc, struct qr_page_get *get)
{
    atomic_fetch_add(&svc->page_gets, 1);
    struct qr_err err;
    qr_err_reset(&err);
    get->mend_no = get->mend_count = 0;
    struct qri_slice *slice = qri_slice_find(svc, &get->id);
    enum qr_status status = QR_OK;
    if (slice == NULL)
        status = qr_fail(&err, QR_NOT_FOUND, "slice %u is not served here", get->id.no);
    else if (get->page_no != 0 &&
             (get->page_no < slice->first_page || get->page_no > slice->last_page))
        status = qr_fail(&err, QR_INVALID, "page %u is not in slice %u", get->page_no, get->id.no);
    if (status != QR_OK) {
        get->done(get, status, &err);
        qri_slice_unref(slice);
        return;
    }
    pthread_mutex_lock(&slice->mu);
    bool waits = slice->visible_lsn < get->not_modified_since.v && slice->health == QR_OK &&
                 !slice->detached && !qr_sim_broken(QR_BREAK_WAIT);
    if (waits)
        queue_get(slice, get);
    pthread_mutex_unlock(&slice->mu);
    if (!waits)
        finish(slice, get);
    qri_slice_unref(slice);
}

/* Those who wait and need not any more, in a list by `next`. */
static struct qr_page_get *take_ready(struct qri_slice *slice, int64_t now, bool timed_out)
{
    struct qr_page_get *ready = NULL, *next;
    for (struct qr_page_get *g = slice->gets_first; g != NULL; g = next) {
        next = g->next;
        bool over = g->deadline_mono_ns != 0 && g->deadline_mono_ns <= now;
        bool waits = g->mend_no != 0 ? g->mend_no > slice->mend_done
                                     : g->not_modified_since.v > slice->visible_lsn;
        if (timed_out ? !over : waits && slice->health == QR_OK && !slice->detached)
            continue;
        unlink_get(slice, g);
        g->next = ready;
        ready = g;
    }
    return ready;
}

void qri_slice_serve_ready(struct qri_slice *slice)
{
    pthread_mutex_lock(&slice->mu);
    struct qr_page_get *ready = take_ready(slice, 0, false);
    bool detached = slice->detached;
    pthread_mutex_unlock(&slice->mu);
    while (ready != NULL) {
        struct qr_page_get *get = ready;
        ready = get->next;
        if (detached) {
            struct qr_err err;
            qr_err_reset(&err);
            get->done(get, qr_fail(&err, QR_CLOSED, "slice moved away"), &err);
        } else {
            finish(slice, get);
        }
    }
}

enum qr_status qri_slice_health(struct qri_slice *slice)
{
    pthread_mutex_lock(&slice->mu);
    enum qr_status health = slice->health == QR_OK && slice->detached ? QR_CLOSED : slice->health;
    pthread_mutex_unlock(&slice->mu);
    return health;
}

void qri_slice_advance(struct qri_slice *slice, uint64_t visible_lsn)
{
    pthread_mutex_lock(&slice->mu);
    assert(visible_lsn >= slice->visible_lsn);
    slice->visible_lsn = visible_lsn;
    bool any = slice->gets_first != NULL;
    pthread_mutex_unlock(&slice->mu);
    if (any)
        qri_slice_serve_ready(slice);
}

static void time_out(struct qri_slice *slice)
{
    int64_t now = qr_env_mono_ns(slice->svc->env);
    pthread_mutex_lock(&slice->mu);
    struct qr_page_get *over = take_ready(slice, now, true);
    pthread_mutex_unlock(&slice->mu);
    while (over != NULL) {
        struct qr_page_get *get = over;
        over = get->next;
        struct qr_err err;
        qr_err_reset(&err);
        get->done(get,
                  qr_fail(&err, QR_TIMEOUT,
                          get->mend_no != 0 ? "page %u: a layer is being made again, LSN %llu"
                                            : "page %u: log up to LSN %llu has not come",
                          get->page_no, (unsigned long long)get->not_modified_since.v),
                  &err);
    }
}

/* --- the list of slices --- */

struct qri_slice *qri_slice_find(struct qr_pagesvc *svc, const struct qr_slice_id *id)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_slice *s = svc->slices;
    while (s != NULL && (s->id.no != id->no || !qr_timeline_eq(&s->id.timeline, &id->timeline)))
        s = s->next;
    if (s != NULL)
        atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&svc->mu);
    return s;
}

static void free_slice(struct qri_slice *slice)
{
    assert(slice->gets_first == NULL);
    qri_import_abandon(slice);
    qri_set_unref(slice->set);
    qri_manifest_done(&slice->manifest);
    qri_meta_done(&slice->meta);
    qr_buf_done(&slice->partial);
    free(slice->group);
    qri_group_file_free(slice->spill);
    free(slice->changes);
    free(slice->lineage);
    pthread_mutex_destroy(&slice->mu);
    pthread_mutex_destroy(&slice->set_mu);
    pthread_mutex_destroy(&slice->work_mu);
    pthread_mutex_destroy(&slice->task_mu);
    pthread_mutex_destroy(&slice->import_mu);
    pthread_mutex_destroy(&slice->ingest_mu);
    free(slice);
}

void qri_slice_unref(struct qri_slice *slice)
{
    if (slice != NULL && atomic_fetch_sub(&slice->refs, 1) == 1)
        free_slice(slice);
}

enum qr_status qri_slice_new(struct qr_pagesvc *svc, const struct qri_manifest *manifest,
                             struct qri_slice **ret_slice, struct qr_err *err)
{
    struct qri_slice *slice = calloc(1, sizeof *slice);
    if (slice == NULL)
        return qr_fail(err, QR_NOMEM, "slice");
    slice->svc = svc;
    atomic_init(&slice->refs, 1);
    slice->id = manifest->id;
    slice->page_bytes = manifest->page_bytes;
    uint64_t pages = svc->options.slice_bytes / manifest->page_bytes;
    uint64_t first = pages * manifest->id.no, last = first + pages - 1;
    slice->start_lsn = manifest->start_lsn;
    atomic_init(&slice->horizon_lsn, manifest->horizon_lsn);
    slice->first_page = first == 0 ? 1 : (uint32_t)first;
    slice->last_page = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
    pthread_mutex_init(&slice->mu, NULL);
    pthread_mutex_init(&slice->set_mu, NULL);
    pthread_mutex_init(&slice->work_mu, NULL);
    pthread_mutex_init(&slice->task_mu, NULL);
    pthread_mutex_init(&slice->import_mu, NULL);
    pthread_mutex_init(&slice->ingest_mu, NULL);
    qr_buf_init(&slice->partial, PARTIAL_BYTES_MAX);
    enum qr_status status = first > UINT32_MAX
                                ? qr_fail(err, QR_INVALID, "slice %u", manifest->id.no)
                                : qri_manifest_copy(manifest, &slice->manifest, err);
    if (status == QR_OK && manifest->lineage_count > 0) {
        slice->lineage = malloc(manifest->lineage_count * sizeof *slice->lineage);
        if (slice->lineage == NULL)
            status = qr_fail(err, QR_NOMEM, "slice");
        else
            memcpy(slice->lineage, manifest->lineage,
                   manifest->lineage_count * sizeof *slice->lineage);
        slice->lineage_count = manifest->lineage_count;
    }
    if (status != QR_OK)
        free_slice(slice);
    else
        *ret_slice = slice;
    return status;
}

void qri_slice_publish(struct qri_slice **slice)
{
    struct qr_pagesvc *svc = (*slice)->svc;
    struct qri_slice *there = qri_slice_find(svc, &(*slice)->id);
    if (there != NULL) { /* attaching is serialised by the caller; this is its own second look */
        qri_slice_unref(*slice);
        *slice = there;
        return;
    }
    (*slice)->owns = true; /* nobody else knows it yet */
    pthread_mutex_lock(&svc->mu);
    atomic_fetch_add(&(*slice)->refs, 1);
    (*slice)->next = svc->slices;
    svc->slices = *slice;
    svc->slice_count++;
    pthread_mutex_unlock(&svc->mu);
}

/* Takes it out of the list; those who wait are told. */
static void remove_slice(struct qr_pagesvc *svc, struct qri_slice *slice)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_slice **place = &svc->slices;
    while (*place != NULL && *place != slice)
        place = &(*place)->next;
    bool there = *place != NULL;
    if (there) {
        *place = slice->next;
        svc->slice_count--;
    }
    pthread_mutex_unlock(&svc->mu);
    pthread_mutex_lock(&slice->mu);
    slice->detached = true;
    pthread_mutex_unlock(&slice->mu);
    qri_slice_serve_ready(slice);
    if (there)
        qri_slice_unref(slice);
}

void qr_pagesvc_detach(struct qr_pagesvc *svc, const struct qr_slice_id *id)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice != NULL)
        remove_slice(svc, slice);
    qri_slice_unref(slice);
}

struct qri_slice *qri_slice_after(struct qr_pagesvc *svc, struct qri_slice *own_slice)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_slice *next = svc->slices;
    if (own_slice != NULL) {
        /* One that was removed meanwhile ends the round. */
        struct qri_slice *s = svc->slices;
        while (s != NULL && s != own_slice)
            s = s->next;
        next = s != NULL ? s->next : NULL;
    }
    if (next != NULL)
        atomic_fetch_add(&next->refs, 1);
    pthread_mutex_unlock(&svc->mu);
    qri_slice_unref(own_slice);
    return next;
}

void qr_pagesvc_tick(struct qr_pagesvc *svc)
{
    for (struct qri_slice *s = qri_slice_after(svc, NULL); s != NULL; s = qri_slice_after(svc, s))
        time_out(s);
}
