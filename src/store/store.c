/* store.c - see store/store.h */
#include "store_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum { FREE_PAGES_OFFSET = 36, LOG_SEGMENT_BYTES_MIN = 256 << 10 };

static const struct qr_store_options defaults = {
    .page_bytes = 8192,
    .cache_bytes = UINT64_C(64) << 20,
    .txn_bytes_max = UINT64_C(1) << 30,
    .log_segment_bytes = UINT64_C(16) << 20,
    .log_bytes_max = UINT64_C(1) << 30,
    .checkpoint_bytes = UINT64_C(64) << 20,
    .tmp_bytes_max = UINT64_C(16) << 30,
};

void qri_path(const struct qr_store *store, char dst[QR_STORE_PATH_BYTES_MAX + 64],
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
    DEFAULT(log_segment_bytes);
    DEFAULT(log_bytes_max);
    DEFAULT(checkpoint_bytes);
    DEFAULT(tmp_bytes_max);
#undef DEFAULT
    if (o->log_segment_bytes < LOG_SEGMENT_BYTES_MIN)
        o->log_segment_bytes = LOG_SEGMENT_BYTES_MIN;
    store->env = o->env != NULL ? o->env : qr_env_real();
    store->page_bytes = o->page_bytes;
    atomic_store(&store->max_data_bytes, o->max_data_bytes);
}

static void free_store(struct qr_store *store)
{
    if (store == NULL)
        return;
    assert(store->writers_first == NULL);
    qri_slot_remove(store, &store->checkpointer.slot);
    assert(store->slots == NULL); /* all connections are closed */
    qri_spill_done(store);
    qri_counters_done(store);
    qri_log_done(store);
    qri_table_done(store);
    qri_cache_done(store);
    qri_checkpointer_done(store);
    qr_file_close(store->data_file);
    qr_file_close(store->dw_file);
    qr_file_close(store->lock_file);
    pthread_mutex_destroy(&store->slots_mu);
    pthread_mutex_destroy(&store->gc_mu);
    pthread_mutex_destroy(&store->waits_mu);
    pthread_mutex_destroy(&store->writer_mu);
    free(store);
}

static enum qr_status new_store(const char *dir, const struct qr_store_options *options,
                                struct qr_store **ret_store, struct qr_err *err)
{
    if (strlen(dir) > QR_STORE_PATH_BYTES_MAX ||
        (options != NULL && options->tmp_dir != NULL &&
         strlen(options->tmp_dir) > QR_STORE_PATH_BYTES_MAX))
        return qr_fail(err, QR_INVALID, "path of more than %d bytes", QR_STORE_PATH_BYTES_MAX);
    struct qr_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return qr_fail(err, QR_NOMEM, "store");
    fill_options(store, options);
    snprintf(store->dir, sizeof store->dir, "%s", dir);
    snprintf(store->tmp_dir, sizeof store->tmp_dir, "%s",
             store->options.tmp_dir != NULL ? store->options.tmp_dir : dir);
    store->options.tmp_dir = NULL; /* the caller's string */
    pthread_mutex_init(&store->slots_mu, NULL);
    pthread_mutex_init(&store->gc_mu, NULL);
    pthread_mutex_init(&store->waits_mu, NULL);
    pthread_mutex_init(&store->writer_mu, NULL);
    enum qr_status status = qri_checkpointer_init(store, err);
    if (status == QR_OK)
        status = qri_cache_init(store, err);
    if (status == QR_OK)
        status = qri_log_init(store, err);
    if (status == QR_OK)
        status = qri_counters_init(store, err);
    if (status == QR_OK)
        status = qri_table_init(store, err);
    if (status != QR_OK)
        free_store(store);
    else
        *ret_store = store;
    return status;
}

static enum qr_status open_file(struct qr_store *store, const char *name, unsigned flags,
                                struct qr_file **ret_file, struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    qri_path(store, path, name);
    return qr_wrap(err, qr_env_open(store->env, path, flags, ret_file, err), "open '%s'", path);
}

static enum qr_status take_directory(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(open_file(store, "lock", QR_OPEN_RW | QR_OPEN_CREATE, &store->lock_file, err));
    return qr_wrap(err, qr_file_lock(store->lock_file, err), "lock '%s'", store->dir);
}

static void join_flushers(struct qr_store *store)
{
    while (store->flusher_count > 0)
        pthread_join(store->flusher_threads[--store->flusher_count], NULL);
}

static enum qr_status start_flushers(struct qr_store *store, struct qr_err *err)
{
    while (store->flusher_count < QRI_FLUSHERS) {
        QR_TRY(qr_thread_start("qr-flusher", 0, qri_flusher_main, store,
                               &store->flusher_threads[store->flusher_count], err));
        store->flusher_count++;
    }
    return QR_OK;
}

static enum qr_status start_threads(struct qr_store *store, struct qr_err *err)
{
    if (store->options.threads_off)
        return QR_OK;
    store->threads_running = true; /* the threads read it */
    enum qr_status status = start_flushers(store, err);
    if (status == QR_OK)
        status = qr_thread_start("qr-checkpoint", 0, qri_checkpointer_main, store,
                                 &store->checkpointer_thread, err);
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
    struct qri_checkpointer *cp = &store->checkpointer;
    pthread_mutex_lock(&store->log.mu);
    pthread_mutex_lock(&cp->mu);
    atomic_store(&store->stopping, true);
    pthread_cond_broadcast(&store->log.wake);
    pthread_cond_broadcast(&cp->wake);
    pthread_mutex_unlock(&cp->mu);
    pthread_mutex_unlock(&store->log.mu);
    join_flushers(store);
    pthread_join(store->checkpointer_thread, NULL);
    store->threads_running = false;
}

/* --- create --- */

static enum qr_status remove_leftovers(struct qr_store *store, struct qr_err *err);

static enum qr_status write_new_files(struct qr_store *store, struct qr_err *err)
{
    struct qri_segment *segment = NULL;
    QR_TRY(qri_segment_create(store, 1, true, &segment, err));
    qri_segment_append(store, segment);
    QR_TRY(open_file(store, "double-write", QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE,
                     &store->dw_file, err));
    QR_TRY(open_file(store, "data.tmp", QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE,
                     &store->data_file, err));
    QR_TRY(qr_file_preallocate(store->data_file, 0, QR_DATA_PAGES_OFFSET, err));
    struct qr_data_header *h = &store->checkpointer.header;
    *h = (struct qr_data_header){.page_bytes = store->page_bytes,
                                 .state = QR_DATA_ACTIVE,
                                 .checkpoint_lsn = QRI_FIRST_LSN,
                                 .log_segment_no = 1,
                                 .log_offset = QR_SEGMENT_HEADER_BYTES,
                                 .log_lsn = QRI_FIRST_LSN,
                                 .log_end_lsn = QRI_FIRST_LSN,
                                 .clean = 1};
    memcpy(h->timeline, store->timeline, QR_TIMELINE_BYTES);
    QR_TRY(qri_header_write(store, err));
    char from[QR_STORE_PATH_BYTES_MAX + 64], to[QR_STORE_PATH_BYTES_MAX + 64],
        parent[QR_STORE_PATH_BYTES_MAX + 2];
    qri_path(store, from, "data.tmp");
    qri_path(store, to, "data");
    qr_env_dir_name(store->dir, parent);
    QR_TRY(qr_env_rename(store->env, from, to, err));
    QR_TRY(qr_env_sync_dir(store->env, store->dir, err));
    return qr_env_sync_dir(store->env, parent, err);
}

static enum qr_status create_files(struct qr_store *store, struct qr_err *err)
{
    enum qr_status status = qr_env_make_dir(store->env, store->dir, err);
    if (status != QR_OK && status != QR_EXISTS)
        return status;
    QR_TRY(take_directory(store, err));
    QR_AUTO(qr_file_closep) struct qr_file *existing = NULL;
    status = open_file(store, "data", QR_OPEN_READ, &existing, NULL);
    if (status == QR_OK)
        return qr_fail(err, QR_EXISTS, "there is a database in '%s'", store->dir);
    if (status != QR_NOT_FOUND)
        return qr_fail(err, status, "look into '%s'", store->dir);
    QR_TRY(remove_leftovers(store, err));
    qr_env_random(store->env, store->timeline, QR_TIMELINE_BYTES);
    return write_new_files(store, err);
}

enum qr_status qr_store_create(const char *dir, const struct qr_store_options *options,
                               struct qr_store **ret_store, struct qr_err *err)
{
    uint32_t page_bytes = options == NULL ? 0 : options->page_bytes;
    if (page_bytes != 0 && (page_bytes < QR_PAGE_BYTES_MIN || page_bytes > QR_PAGE_BYTES_MAX ||
                            (page_bytes & (page_bytes - 1)) != 0))
        return qr_fail(err, QR_INVALID, "page size %u", page_bytes);
    struct qr_store *store = NULL;
    QR_TRY(new_store(dir, options, &store, err));
    enum qr_status status = create_files(store, err);
    free_store(store);
    QR_TRY(qr_wrap(err, status, "create store '%s'", dir));
    return qr_store_open(dir, options, ret_store, err);
}

/* --- open and close --- */

static enum qr_status open_files(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(open_file(store, "data", QR_OPEN_RW, &store->data_file, err));
    QR_TRY(take_directory(store, err));
    QR_TRY(open_file(store, "double-write", QR_OPEN_RW | QR_OPEN_CREATE, &store->dw_file, err));
    QR_TRY(qri_header_read(store, err));
    struct qr_data_header *h = &store->checkpointer.header;
    if (h->state == QR_DATA_MOVED)
        return qr_fail(err, QR_FENCED, "the database was moved at LSN %llu",
                       (unsigned long long)h->checkpoint_lsn);
    store->page_bytes = h->page_bytes;
    memcpy(store->timeline, h->timeline, QR_TIMELINE_BYTES);
    return qr_file_size(store->data_file, &store->checkpointer.file_bytes_ready, err);
}

static enum qr_status open_store(struct qr_store *store, struct qr_err *err)
{
    int64_t start = qr_env_mono_ns(store->env);
    QR_TRY(open_files(store, err));
    struct qr_data_header *h = &store->checkpointer.header;
    h->epoch++;
    store->epoch = h->epoch;
    store->was_clean = h->clean != 0;
    h->clean = 0;
    QR_TRY(qri_header_write(store, err)); /* before anything is written in this epoch */
    if (!store->was_clean) /* after a clean close no place is torn, and damage must show, not be
                              healed */
        QR_TRY(qri_double_write_restore(store, err));
    QR_TRY(qri_recover(store, err));
    QR_LOG(&store->options.log, QR_INFO, "store_opened", QR_F("dir", store->dir),
           QR_F("clean", store->was_clean), QR_F("epoch", store->epoch),
           QR_F("lsn", qr_store_head_lsn(store).v),
           QR_F("log_bytes", atomic_load(&store->log.since_checkpoint)),
           QR_F("took_ms", (qr_env_mono_ns(store->env) - start) / 1000000));
    return start_threads(store, err);
}

enum qr_status qr_store_open(const char *dir, const struct qr_store_options *options,
                             struct qr_store **ret_store, struct qr_err *err)
{
    struct qr_store *store = NULL;
    QR_TRY(new_store(dir, options, &store, err));
    enum qr_status status = qr_wrap(err, open_store(store, err), "open store '%s'", dir);
    if (status != QR_OK)
        free_store(store);
    else
        *ret_store = store;
    return status;
}

enum qr_status qr_store_close(struct qr_store *store, struct qr_err *err)
{
    if (store == NULL)
        return QR_OK;
    stop_threads(store);
    enum qr_status status = qri_check_health(store, err);
    if (status == QR_OK)
        status = qri_checkpoint(store, true, err);
    free_store(store);
    return status;
}

void qr_store_abandon(struct qr_store *store)
{
    if (store == NULL)
        return;
    /* The flushers may still harden what is queued; a crash a moment later would, too. */
    stop_threads(store);
    free_store(store);
}

/* --- remove --- */

struct leftovers {
    char names[64][64];
    size_t count;
};

static bool is_ours(const char *name)
{
    static const char *const ours[] = {"data", "data.tmp", "double-write", "versions.tmp", "lock"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(name, ours[i]) == 0)
            return true;
    return strncmp(name, "log.", 4) == 0 || strncmp(name, "tmp.", 4) == 0;
}

static bool collect_name(void *arg, const char *name)
{
    struct leftovers *l = arg;
    size_t bytes = strlen(name);
    if (is_ours(name) && strcmp(name, "lock") != 0 && bytes < sizeof l->names[0])
        memcpy(l->names[l->count++], name, bytes + 1);
    return l->count < sizeof l->names / sizeof l->names[0];
}

/* The lock file stays: whoever holds it must be found by the next one. */
static enum qr_status remove_files(struct qr_env *env, const char *dir, struct qr_err *err)
{
    struct leftovers found;
    do {
        found.count = 0;
        QR_TRY(qr_env_list(env, dir, collect_name, &found, err));
        for (size_t i = 0; i < found.count; i++) {
            char path[QR_STORE_PATH_BYTES_MAX + 80];
            snprintf(path, sizeof path, "%s/%s", dir, found.names[i]);
            QR_TRY(qr_env_unlink(env, path, err));
        }
    } while (found.count > 0);
    return QR_OK;
}

static enum qr_status remove_leftovers(struct qr_store *store, struct qr_err *err)
{
    return remove_files(store->env, store->dir, err);
}

enum qr_status qr_store_remove(struct qr_env *env, const char *dir, struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 80], parent[QR_STORE_PATH_BYTES_MAX + 2];
    if (strlen(dir) > QR_STORE_PATH_BYTES_MAX)
        return qr_fail(err, QR_INVALID, "path of more than %d bytes", QR_STORE_PATH_BYTES_MAX);
    QR_AUTO(qr_file_closep) struct qr_file *lock = NULL;
    snprintf(path, sizeof path, "%s/lock", dir);
    QR_TRY(qr_env_open(env, path, QR_OPEN_RW, &lock, err));
    QR_TRY(qr_file_lock(lock, err));
    /* Without its data file it is no store any more, whatever else a crash leaves. */
    char data[QR_STORE_PATH_BYTES_MAX + 80];
    snprintf(data, sizeof data, "%s/data", dir);
    enum qr_status status = qr_env_unlink(env, data, err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    QR_TRY(qr_env_sync_dir(env, dir, err));
    QR_TRY(remove_files(env, dir, err));
    QR_TRY(qr_env_unlink(env, path, err));
    QR_TRY(qr_env_remove_dir(env, dir, err));
    qr_env_dir_name(dir, parent);
    return qr_env_sync_dir(env, parent, err);
}

/* --- small public functions --- */

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

uint64_t qr_store_max_data_bytes(const struct qr_store *store)
{
    return atomic_load(&store->max_data_bytes);
}

void qr_store_set_cache_bytes(struct qr_store *store, uint64_t bytes)
{
    atomic_store(&store->cache.bytes_max, bytes);
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
        .checkpoint_lsn = qr_lsn(atomic_load(&store->checkpoint_lsn)),
        .epoch = store->epoch,
        .log_bytes = atomic_load(&log->since_checkpoint),
        .log_file_bytes = atomic_load(&log->file_bytes),
        .log_bytes_written = atomic_load(&log->bytes_written),
        .blocks = atomic_load(&log->blocks),
        .syncs = atomic_load(&log->syncs),
        .checkpoints = atomic_load(&store->checkpointer.count),
        .pages_read = atomic_load(&store->pages_read),
        .pages_written = atomic_load(&store->checkpointer.pages_written),
        .cache_bytes = qri_cache_used_bytes(store),
        .cache_bytes_max = atomic_load(&store->cache.bytes_max),
        .cache_hits = atomic_load(&store->cache.hits),
        .cache_misses = atomic_load(&store->cache.misses),
        .evictions = atomic_load(&store->cache.evictions),
        .versions_held = atomic_load(&store->held_count) - atomic_load(&store->spilled_count),
        .versions_spilled = atomic_load(&store->spilled_count),
        .tmp_bytes = atomic_load(&store->tmp_bytes),
    };
    (void)!qr_file_size(store->data_file, &s.file_bytes, NULL);
    pthread_mutex_lock(&log->mu);
    s.commits = store->commit_no;
    pthread_mutex_unlock(&log->mu);
    *ret_stats = s;
}

enum qr_status qr_store_flush(struct qr_store *store, struct qr_err *err)
{
    return qri_log_flush(store, err);
}

enum qr_status qr_store_checkpoint(struct qr_store *store, struct qr_err *err)
{
    return qri_checkpoint(store, false, err);
}

enum qr_status qr_store_tmp_grow(struct qr_store *store, uint64_t bytes, struct qr_err *err)
{
    uint64_t now = atomic_fetch_add(&store->tmp_bytes, bytes) + bytes;
    if (now <= store->options.tmp_bytes_max)
        return QR_OK;
    atomic_fetch_sub(&store->tmp_bytes, bytes);
    return qr_fail(err, QR_FULL, "temporary files take more than %llu bytes",
                   (unsigned long long)store->options.tmp_bytes_max);
}

void qr_store_tmp_shrink(struct qr_store *store, uint64_t bytes)
{
    atomic_fetch_sub(&store->tmp_bytes, bytes);
}

const char *qr_store_tmp_dir(const struct qr_store *store)
{
    return store->tmp_dir;
}

struct qr_env *qr_store_env(struct qr_store *store)
{
    return store->env;
}
