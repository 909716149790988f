/* pagesvc.c - the service around the slices, and its worker; see pagesvc/pagesvc.h. */
#include <stdlib.h>
#include <string.h>
#include "env/thread.h"
#include "slice_int.h"
#include "env/background.h"
#include "base/banned.h"

static const struct qr_pagesvc_options defaults = {
    .open_layer_bytes = UINT64_C(64) << 20,
    .group_memory_bytes = UINT64_C(128) << 20,
    .flush_age_ns = INT64_C(60) * 1000000000,
    .grace_ns = INT64_C(600) * 1000000000,
    .fan_in = 8,
    .lease_ns_max = INT64_C(30) * 1000000000,
    .slice_bytes = QR_SLICE_BYTES,
};
/* A frozen layer's bytes in a file hold the log up, too, but later than those in memory. */
enum { SPILLED_WEIGHT = 16 };
static const int64_t tick_ns = 100000000;         /* the worker looks for work this often */
static const int64_t failed_wait_ns = 1000000000; /* after a failure it tries again */

static void *worker_main(void *arg);

static enum qr_status take_options(struct qr_pagesvc *svc, const struct qr_pagesvc_options *options,
                                   struct qr_err *err)
{
    struct qr_pagesvc_options *o = &svc->options;
    *o = *options;
#define DEFAULT(field)                                                                             \
    if (o->field == 0)                                                                             \
    o->field = defaults.field
    DEFAULT(open_layer_bytes);
    DEFAULT(group_memory_bytes);
    DEFAULT(flush_age_ns);
    DEFAULT(grace_ns);
    DEFAULT(fan_in);
    DEFAULT(lease_ns_max);
    DEFAULT(slice_bytes);
#undef DEFAULT
    svc->env = o->env != NULL ? o->env : qr_env_real();
    if (o->blob == NULL || o->dir == NULL || strlen(o->dir) > QRI_LAYER_PATH_BYTES_MAX - 100 ||
        o->fan_in < 2)
        return qr_fail(err, QR_INVALID, "options of the page server");
    svc->files = qr_blob_has_files(o->blob);
    svc->dir = strdup(o->dir);
    o->dir = svc->dir;
    return svc->dir == NULL ? qr_fail(err, QR_NOMEM, "page server") : QR_OK;
}

static enum qr_status make_dir(struct qr_pagesvc *svc, struct qr_err *err)
{
    enum qr_status status = qr_env_make_dir(svc->env, svc->dir, err);
    if (status == QR_EXISTS) {
        if (err != NULL)
            qr_err_reset(err);
        status = QR_OK;
    }
    return qr_wrap(err, status, "make '%s'", svc->dir);
}

enum qr_status qr_pagesvc_open(const struct qr_pagesvc_options *options,
                               struct qr_pagesvc **ret_svc, struct qr_err *err)
{
    struct qr_pagesvc *svc = calloc(1, sizeof *svc);
    if (svc == NULL)
        return qr_fail(err, QR_NOMEM, "page server");
    pthread_mutex_init(&svc->mu, NULL);
    qr_cond_init(&svc->wake);
    enum qr_status status = take_options(svc, options, err);
    if (status == QR_OK && !svc->files)
        status = make_dir(svc, err);
    if (status == QR_OK)
        status = qri_copies_clean(svc, err);
    if (status == QR_OK && !svc->options.threads_off) {
        svc->worker_runs = true;
        status = qr_thread_start("qr-pagework", 0, worker_main, svc, &svc->worker, err);
        svc->worker_runs = status == QR_OK;
    }
    if (status != QR_OK)
        qr_pagesvc_close(svc);
    else
        *ret_svc = svc;
    return status;
}

void qr_pagesvc_close(struct qr_pagesvc *svc)
{
    if (svc == NULL)
        return;
    pthread_mutex_lock(&svc->mu);
    svc->stopping = true;
    pthread_cond_broadcast(&svc->wake);
    pthread_mutex_unlock(&svc->mu);
    if (svc->worker_runs)
        pthread_join(svc->worker, NULL);
    while (svc->slices != NULL) {
        struct qr_slice_id id = svc->slices->id;
        qr_pagesvc_detach(svc, &id);
    }
    qri_leases_free(svc);
    pthread_mutex_destroy(&svc->mu);
    pthread_cond_destroy(&svc->wake);
    free(svc->dir);
    free(svc);
}

/* --- work --- */

/* An open layer that has waited long enough is frozen. */
static enum qr_status freeze_by_age(struct qri_slice *slice, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    int64_t now = qr_env_mono_ns(slice->svc->env);
    pthread_mutex_lock(&slice->ingest_mu);
    if (slice->open->last_lsn != 0 &&
        now - slice->open->opened_mono_ns >= slice->svc->options.flush_age_ns)
        status = qri_slice_freeze(slice, err);
    pthread_mutex_unlock(&slice->ingest_mu);
    return status;
}

static enum qr_status work_on(struct qri_slice *slice, bool *ret_did, struct qr_err *err)
{
    enum qr_status status = freeze_by_age(slice, err);
    pthread_mutex_lock(&slice->task_mu);
    qri_mend(slice);
    if (status == QR_OK)
        status = qri_flush_one(slice, ret_did, err);
    if (status == QR_OK && !*ret_did)
        status = qri_compact_one(slice, ret_did, err);
    if (status == QR_OK && !*ret_did)
        status = qri_collect_one(slice, ret_did, err);
    if (status == QR_CORRUPT)
        (void)!qri_mend_wanted(slice);
    pthread_mutex_unlock(&slice->task_mu);
    return status;
}

/* QR_FENCED also when it was another call that learned of it. */
static enum qr_status work_if_well(struct qri_slice *slice, bool *ret_did, struct qr_err *err)
{
    enum qr_status health = qri_slice_health(slice);
    if (health == QR_FENCED)
        return qr_fail(err, QR_FENCED, "another server has the slice");
    return health == QR_OK ? work_on(slice, ret_did, err) : QR_OK;
}

/* One slice that fails must not keep the others from their work: the first failure is told. */
enum qr_status qr_pagesvc_work(struct qr_pagesvc *svc, bool *ret_more, struct qr_err *err)
{
    enum qr_status first = QR_OK;
    *ret_more = false;
    for (struct qri_slice *s = qri_slice_after(svc, NULL); s != NULL; s = qri_slice_after(svc, s)) {
        bool did = false;
        struct qr_err local;
        qr_err_reset(&local);
        enum qr_status status = work_if_well(s, &did, &local);
        if (status == QR_FENCED) {
            struct qr_slice_id id = s->id;
            QR_LOG(&svc->options.log, QR_WARN, "slice_taken_over", QR_F("slice", id.no));
            qr_pagesvc_detach(svc, &id);
        } else if (status != QR_OK && first == QR_OK) {
            first = status;
            if (err != NULL)
                *err = local;
        }
        *ret_more = *ret_more || did;
    }
    return first;
}

static void *worker_main(void *arg)
{
    struct qr_pagesvc *svc = arg;
    struct qr_err err;
    qr_thread_background(); /* the feed takes no more log once too much waits */
    pthread_mutex_lock(&svc->mu);
    while (!svc->stopping) {
        pthread_mutex_unlock(&svc->mu);
        bool more = false;
        qr_err_reset(&err);
        enum qr_status status = qr_pagesvc_work(svc, &more, &err);
        if (status != QR_OK)
            QR_LOG(&svc->options.log, QR_ERROR, "work_failed",
                   QR_F("error", (const char *)err.text));
        qr_pagesvc_tick(svc);
        pthread_mutex_lock(&svc->mu);
        if (!svc->stopping && (!more || status != QR_OK))
            (void)qr_cond_wait(&svc->wake, &svc->mu, status != QR_OK ? failed_wait_ns : tick_ns);
    }
    pthread_mutex_unlock(&svc->mu);
    return NULL;
}

enum qr_status qr_pagesvc_flush(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    pthread_mutex_lock(&slice->ingest_mu);
    enum qr_status status = qri_slice_freeze(slice, err);
    pthread_mutex_unlock(&slice->ingest_mu);
    pthread_mutex_lock(&slice->task_mu);
    for (bool did = true; did && status == QR_OK;) {
        did = false;
        status = qri_flush_one(slice, &did, err);
    }
    pthread_mutex_unlock(&slice->task_mu);
    qri_slice_unref(slice);
    return status;
}

/* --- what is there --- */

static uint64_t frozen_bytes(struct qri_slice *slice)
{
    uint64_t bytes = 0;
    struct qri_set *set = qri_set_take(slice);
    for (size_t i = 1; i < set->count; i++) { /* the first is the open one */
        const struct qri_mem *mem = set->sources[i].mem;
        if (mem != NULL)
            bytes += atomic_load(&mem->bytes) + atomic_load(&mem->spilled_bytes) / SPILLED_WEIGHT;
    }
    qri_set_unref(set);
    return bytes;
}

static void read_cursor(struct qri_slice *slice, struct qr_slice_cursor *ret_cursor)
{
    uint64_t end;
    struct qr_slice_cursor c = {.id = slice->id};
    pthread_mutex_lock(&slice->ingest_mu);
    c.next = qr_lsn(slice->next_lsn);
    qri_lineage_at(slice, slice->next_lsn, &c.source, &end);
    c.visible = qr_lsn(slice->visible_lsn);
    pthread_mutex_unlock(&slice->ingest_mu);
    pthread_mutex_lock(&slice->work_mu);
    c.disk = qr_lsn(slice->manifest.disk_lsn);
    pthread_mutex_unlock(&slice->work_mu);
    c.frozen_bytes = frozen_bytes(slice);
    enum qr_status health = qri_slice_health(slice);
    c.is_broken = health == QR_CORRUPT || health == QR_NOMEM;
    *ret_cursor = c;
}

bool qr_pagesvc_cursor(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                       struct qr_slice_cursor *ret_cursor)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice != NULL)
        read_cursor(slice, ret_cursor);
    qri_slice_unref(slice);
    return slice != NULL;
}

size_t qr_pagesvc_list(struct qr_pagesvc *svc, struct qr_slice_cursor *dst, size_t count_max)
{
    size_t count = 0;
    for (struct qri_slice *s = qri_slice_after(svc, NULL); s != NULL; s = qri_slice_after(svc, s)) {
        if (count < count_max)
            read_cursor(s, &dst[count]);
        count++;
    }
    return count;
}

void qr_pagesvc_get_stats(struct qr_pagesvc *svc, struct qr_pagesvc_stats *ret_stats)
{
    struct qr_pagesvc_stats stats = {.waiting_gets = atomic_load(&svc->waiting_gets),
                                     .page_gets = atomic_load(&svc->page_gets),
                                     .ingested_bytes = atomic_load(&svc->ingested_bytes),
                                     .flushed_bytes = atomic_load(&svc->flushed_bytes),
                                     .image_bytes = atomic_load(&svc->image_bytes)};
    for (int i = 0; i < QR_PAGESVC_LEVELS; i++) {
        stats.level_bytes[i] = atomic_load(&svc->merged_bytes[i]);
        stats.merged_bytes += stats.level_bytes[i];
    }
    for (struct qri_slice *s = qri_slice_after(svc, NULL); s != NULL; s = qri_slice_after(svc, s)) {
        struct qri_set *set = qri_set_take(s);
        stats.slices++;
        for (size_t i = 0; i < set->count; i++) {
            const struct qri_source *source = &set->sources[i];
            stats.layers += source->layer != NULL;
            stats.layer_bytes += source->layer != NULL ? source->layer->desc.bytes : 0;
            stats.memory_bytes += source->mem != NULL ? source->mem->bytes : 0;
        }
        qri_set_unref(set);
    }
    *ret_stats = stats;
}
