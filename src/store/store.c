/* store.c - what all stores share; see store/store.h */
#include "store_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "governor/task.h"
#include "base/banned.h"

enum { FREE_PAGES_OFFSET = 36, LOG_SEGMENT_BYTES_MIN = 256 << 10 };

static const int64_t LOCK_WAIT_NS = INT64_C(3000000000), LOCK_POLL_NS = 10000000;

static const struct qr_store_options defaults = {
    .page_bytes = 8192,
    .cache_bytes = UINT64_C(64) << 20,
    .txn_bytes_max = UINT64_C(1) << 40,
    .txn_memory_bytes = UINT64_C(64) << 20,
    .log_segment_bytes = UINT64_C(16) << 20,
    .log_bytes_max = UINT64_C(1) << 30,
    .checkpoint_bytes = UINT64_C(64) << 20,
    .tmp_bytes_max = UINT64_C(64) << 30,
};

void qri_store_path(const struct qr_store *store, char dst[QR_STORE_PATH_BYTES_MAX + 64],
                    const char *name)
{
    snprintf(dst, QR_STORE_PATH_BYTES_MAX + 64, "%s/%s", store->dir, name);
}

static void fill_options(struct qr_store *store, const struct qr_store_options *options)
{
    struct qr_store_options *o = &store->options;
    if (options != NULL)
        *o = *options;
#define DEFAULT(field)                                                                             \
    if (o->field == 0)                                                                             \
    o->field = defaults.field
    DEFAULT(page_bytes);
    DEFAULT(cache_bytes);
    DEFAULT(txn_bytes_max);
    DEFAULT(txn_memory_bytes);
    DEFAULT(log_segment_bytes);
    DEFAULT(log_bytes_max);
    DEFAULT(checkpoint_bytes);
    DEFAULT(tmp_bytes_max);
#undef DEFAULT
    if (o->version_bytes_max == 0)
        o->version_bytes_max = UINT64_MAX;
    if (o->log_segment_bytes < LOG_SEGMENT_BYTES_MIN)
        o->log_segment_bytes = LOG_SEGMENT_BYTES_MIN;
    store->env = o->env != NULL ? o->env : qr_env_real();
    store->page_bytes = o->page_bytes;
    atomic_store(&store->max_data_bytes, o->max_data_bytes);
    atomic_store(&store->tmp_bytes_max, o->tmp_bytes_max);
}

void qri_store_free(struct qr_store *store)
{
    if (store == NULL)
        return;
    assert(store->writers_first == NULL);
    store->backend->free(store);
    assert(store->slots == NULL); /* all connections are closed */
    qri_spill_done(store);
    qri_counters_done(store);
    qri_log_done(store);
    qri_table_done(store);
    qri_cache_done(store);
    qri_upkeep_done(store);
    qri_tmp_bury(store);
    qr_file_close(store->lock_file);
    pthread_mutex_destroy(&store->slots_mu);
    pthread_mutex_destroy(&store->gc_mu);
    pthread_mutex_destroy(&store->waits_mu);
    pthread_mutex_destroy(&store->writer_mu);
    pthread_mutex_destroy(&store->tmp_mu);
    free(store);
}

enum qr_status qri_store_new(const char *dir, const struct qr_store_options *options,
                             const struct qri_backend *backend, struct qr_store **ret_store,
                             struct qr_err *err)
{
    if (strlen(dir) > QR_STORE_PATH_BYTES_MAX ||
        (options != NULL && options->tmp_dir != NULL &&
         strlen(options->tmp_dir) > QR_STORE_PATH_BYTES_MAX))
        return qr_fail(err, QR_INVALID, "path of more than %d bytes", QR_STORE_PATH_BYTES_MAX);
    struct qr_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return qr_fail(err, QR_NOMEM, "store");
    store->backend = backend;
    fill_options(store, options);
    snprintf(store->dir, sizeof store->dir, "%s", dir);
    snprintf(store->tmp_dir, sizeof store->tmp_dir, "%s",
             store->options.tmp_dir != NULL ? store->options.tmp_dir : dir);
    store->options.tmp_dir = NULL; /* the caller's string */
    pthread_mutex_init(&store->slots_mu, NULL);
    pthread_mutex_init(&store->gc_mu, NULL);
    pthread_mutex_init(&store->waits_mu, NULL);
    pthread_mutex_init(&store->writer_mu, NULL);
    pthread_mutex_init(&store->tmp_mu, NULL);
    qri_upkeep_init(store);
    enum qr_status status = qri_cache_init(store, err);
    if (status == QR_OK)
        status = qri_log_init(store, err);
    if (status == QR_OK)
        status = qri_counters_init(store, err);
    if (status == QR_OK)
        status = qri_table_init(store, err);
    if (status != QR_OK)
        qri_store_free(store);
    else
        *ret_store = store;
    return status;
}

enum qr_status qri_store_open_file(struct qr_store *store, const char *name, unsigned flags,
                                   struct qr_file **ret_file, struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    qri_store_path(store, path, name);
    return qr_wrap(err, qr_env_open(store->env, path, flags, ret_file, err), "open '%s'", path);
}

/* A node that comes back meets the one before it, which may still be ending. */
enum qr_status qri_store_lock_dir(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(qri_store_open_file(store, "lock", QR_OPEN_RW | QR_OPEN_CREATE, &store->lock_file, err));
    int64_t until = qr_env_mono_ns(store->env) + LOCK_WAIT_NS;
    enum qr_status status = qr_file_lock(store->lock_file, err);
    while (status == QR_LOCKED && qr_env_mono_ns(store->env) < until) {
        qr_env_sleep_ns(store->env, LOCK_POLL_NS);
        status = qr_file_lock(store->lock_file, err);
    }
    return qr_wrap(err, status, "lock '%s'", store->dir);
}

static void join_flushers(struct qr_store *store)
{
    while (store->flusher_count > 0)
        pthread_join(store->flusher_threads[--store->flusher_count], NULL);
}

enum qr_status qri_store_start_flushers(struct qr_store *store, struct qr_err *err)
{
    while (!store->pending.on && store->flusher_count < store->backend->flushers) {
        QR_TRY(qr_thread_start("qr-flusher", 0, qri_log_flusher_main, store,
                               &store->flusher_threads[store->flusher_count], err));
        store->flusher_count++;
    }
    return QR_OK;
}

enum qr_status qri_store_start(struct qr_store *store, struct qr_err *err)
{
    if (store->options.threads_off)
        return QR_OK;
    store->threads_running = true; /* the threads read it */
    enum qr_status status = qri_store_start_flushers(store, err);
    if (status == QR_OK)
        status =
            qr_thread_start("qr-upkeep", 0, qri_upkeep_main, store, &store->upkeep_thread, err);
    if (status == QR_OK)
        return QR_OK;
    pthread_mutex_lock(&store->log.mu);
    atomic_store(&store->stopping, true);
    pthread_cond_broadcast(&store->log.wake);
    pthread_mutex_unlock(&store->log.mu);
    join_flushers(store);
    store->threads_running = false;
    return status;
}

static void stop_threads(struct qr_store *store)
{
    if (!store->threads_running)
        return;
    struct qri_upkeep *up = &store->upkeep;
    pthread_mutex_lock(&store->log.mu);
    pthread_mutex_lock(&up->mu);
    atomic_store(&store->stopping, true);
    pthread_cond_broadcast(&store->log.wake);
    pthread_cond_broadcast(&up->wake);
    pthread_mutex_unlock(&up->mu);
    pthread_mutex_unlock(&store->log.mu);
    join_flushers(store);
    pthread_join(store->upkeep_thread, NULL);
    store->threads_running = false;
}

/* --- close --- */

enum qr_status qr_store_close(struct qr_store *store, struct qr_err *err)
{
    if (store == NULL)
        return QR_OK;
    stop_threads(store);
    enum qr_status status = qri_store_check(store, err);
    if (status == QR_OK)
        status = store->backend->close(store, err);
    qri_store_free(store);
    return status;
}

void qr_store_abandon(struct qr_store *store)
{
    if (store == NULL)
        return;
    /* The flushers may still harden what is queued; a crash a moment later would, too. */
    if (store->backend->abandon != NULL)
        store->backend->abandon(store);
    stop_threads(store);
    qri_store_free(store);
}

/* --- small public functions --- */

bool qr_store_is_read_only(const struct qr_store *store)
{
    return atomic_load_explicit(&store->read_only, memory_order_acquire);
}

uint32_t qr_store_page_bytes(const struct qr_store *store)
{
    return store->page_bytes;
}

struct qr_lsn qr_store_head_lsn(const struct qr_store *store)
{
    return qr_lsn(atomic_load(&store->head_lsn));
}

struct qr_lsn qr_store_durable_lsn(const struct qr_store *store)
{
    return qr_lsn(atomic_load(&store->durable_lsn));
}

enum qr_status qr_store_health(const struct qr_store *store)
{
    return (enum qr_status)atomic_load(&store->health);
}

void qr_store_set_max_data_bytes(struct qr_store *store, uint64_t bytes)
{
    atomic_store(&store->max_data_bytes, bytes);
}

void qr_store_set_log_txn_bytes(struct qr_store *store, uint64_t bytes)
{
    atomic_store(&store->log_txn_bytes_max, bytes);
}

void qr_store_set_tmp_bytes(struct qr_store *store, uint64_t bytes)
{
    atomic_store(&store->tmp_bytes_max, bytes);
}

uint64_t qr_store_max_data_bytes(const struct qr_store *store)
{
    return atomic_load(&store->max_data_bytes);
}

void qr_store_set_cache_bytes(struct qr_store *store, uint64_t bytes)
{
    atomic_store(&store->cache.bytes_max, bytes);
}

uint64_t qr_store_cache_bytes(const struct qr_store *store)
{
    return atomic_load(&store->cache.bytes_max);
}

uint64_t qr_store_cache_used(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    pthread_mutex_lock(&c->mu);
    uint64_t bytes = (uint64_t)(c->total_count - c->cold_count) * store->page_bytes;
    pthread_mutex_unlock(&c->mu);
    return bytes;
}

void qr_store_reclaim_cache(struct qr_store *store, uint64_t bytes)
{
    qri_cache_shrink(store, bytes);
    uint64_t used = qri_cache_used_bytes(store);
    qri_cache_trim(store, used < bytes ? bytes - used : 0);
    if (used > bytes) /* changed pages stay */
        qri_upkeep_want(store);
}

static uint64_t free_pages(struct qr_store *store)
{
    struct qri_frame *f = NULL;
    if (atomic_load(&store->head_db_pages) == 0 ||
        qri_version_pin(store, 1, UINT64_MAX, false, &f, NULL) != QR_OK || f == NULL)
        return 0;
    uint64_t pages = qr_get32be(f->data + FREE_PAGES_OFFSET);
    qri_frame_unpin(f);
    return pages;
}

static struct qr_store_waits get_waits(const struct qri_waits *waits)
{
    return (struct qr_store_waits){atomic_load(&waits->count), atomic_load(&waits->ns),
                                   atomic_load(&waits->ns_max)};
}

static struct qr_store_tmp_io tmp_io(const struct qr_store *store, enum qr_gov_io kind)
{
    const struct qri_tmp_io *io = &store->tmp_io[kind];
    return (struct qr_store_tmp_io){atomic_load(&io->count), atomic_load(&io->bytes),
                                    atomic_load(&io->stall_ns), atomic_load(&io->queued_ns)};
}

void qr_store_get_stats(struct qr_store *store, struct qr_store_stats *ret_stats)
{
    uint64_t pages = atomic_load(&store->head_db_pages), unused = free_pages(store);
    struct qri_log *log = &store->log;
    struct qr_store_stats s = {
        .data_bytes = pages * store->page_bytes,
        .used_bytes = (unused < pages ? pages - unused : 0) * store->page_bytes,
        .max_data_bytes = atomic_load(&store->max_data_bytes),
        .head_lsn = qr_store_head_lsn(store),
        .durable_lsn = qr_store_durable_lsn(store),
        .epoch = store->epoch,
        .log_bytes = atomic_load(&log->since_checkpoint),
        .log_bytes_written = atomic_load(&log->bytes_written),
        .blocks = atomic_load(&log->blocks),
        .syncs = atomic_load(&log->syncs),
        .pages_read = atomic_load(&store->pages_read),
        .cache_bytes = qri_cache_used_bytes(store),
        .cache_bytes_max = atomic_load(&store->cache.bytes_max),
        .cache_hits = atomic_load(&store->cache.hits),
        .cache_misses = atomic_load(&store->cache.misses),
        .evictions = atomic_load(&store->cache.evictions),
        .versions_held = atomic_load(&store->held_count) - atomic_load(&store->spilled_count),
        .versions_spilled = atomic_load(&store->spilled_count),
        .tmp_bytes = atomic_load(&store->tmp_bytes),
        .tmp_bytes_max = atomic_load(&store->tmp_bytes_max),
        .log_txn_bytes_max = atomic_load(&store->log_txn_bytes_max),
        .tmp_bytes_written = atomic_load(&store->tmp_io[QR_GOV_WRITE].bytes),
        .tmp_reads = tmp_io(store, QR_GOV_READ),
        .tmp_writes = tmp_io(store, QR_GOV_WRITE),
        .read_queued_ns = atomic_load(&store->read_queued_ns),
        .log_waits = get_waits(&store->log_waits),
        .page_waits = get_waits(&store->page_waits),
        .log_writes = get_waits(&store->log_writes),
    };
    store->backend->stats(store, &s);
    pthread_mutex_lock(&log->mu);
    s.commits = store->commits_made;
    pthread_mutex_unlock(&log->mu);
    *ret_stats = s;
}

enum qr_status qr_store_flush(struct qr_store *store, struct qr_err *err)
{
    return qri_log_flush(store, err);
}

enum qr_status qr_store_checkpoint(struct qr_store *store, struct qr_err *err)
{
    return store->backend->checkpoint(store, err);
}

struct qr_env *qr_store_env(struct qr_store *store)
{
    return store->env;
}
