/* files.c - the backend that keeps a database in a directory; see store/store.h */
#include "copies_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { BLOCK_ALIGN = 4096 /* of memory, for writes past the page cache */ };

/* --- the backend's parts --- */

static void files_free(struct qr_store *store)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    if (!cp->ready)
        return;
    qri_slot_remove(store, &cp->slot);
    pthread_mutex_destroy(&cp->run_mu);
    free(store->log.block);
    qri_logfiles_done(store);
    pthread_mutex_destroy(&store->log.segments_mu);
    pthread_mutex_destroy(&store->log.extend_mu);
    qr_file_close(store->data_file);
    qr_file_close(store->dw_file);
}

/* A member's log is hardened by whoever takes it. */
static enum qr_status files_flush(struct qr_store *store, struct qr_err *err)
{
    return store->pending.on ? qri_store_check(store, err) : qri_files_flush(store, err);
}

static enum qr_status files_checkpoint(struct qr_store *store, struct qr_err *err)
{
    return qri_checkpoint(store, false, err);
}

/* The log of a copy is its primary's: nothing is hardened without the others, so a close is what a
 * crash is, and the next open recovers. */
static enum qr_status files_close(struct qr_store *store, struct qr_err *err)
{
    if (store->pending.on || store->copies != NULL)
        return QR_OK;
    return qri_checkpoint(store, true, err);
}

static void files_stats(struct qr_store *store, struct qr_store_stats *stats)
{
    stats->checkpoint_lsn = qr_lsn(atomic_load(&store->checkpoint_lsn));
    stats->log_file_bytes = atomic_load(&store->log.file_bytes);
    stats->checkpoints = atomic_load(&store->checkpointer.count);
    stats->pages_written = atomic_load(&store->checkpointer.pages_written);
    stats->pages_write_ns = atomic_load(&store->checkpointer.write_ns);
    (void)!qr_file_size(store->data_file, &stats->file_bytes, NULL);
}

static enum qr_status read_page(struct qr_store *store, uint32_t page_no, uint8_t *dst,
                                uint64_t *ret_lsn, struct qr_err *err)
{
    enum qr_status status = qr_file_read_exactly(store->data_file, dst, store->page_bytes,
                                                 qri_page_offset(store, page_no), err);
    if (status == QR_TRUNCATED)
        return qr_fail(err, QR_CORRUPT, "page %u is behind the end of the data file", page_no);
    QR_TRY(qr_wrap(err, status, "read page %u", page_no));
    atomic_fetch_add_explicit(&store->pages_read, 1, memory_order_relaxed);
    return qr_page_open_as(&store->page_cipher, dst, store->page_bytes, page_no, ret_lsn, err);
}

static enum qr_status files_read_page(struct qr_store *store, uint32_t page_no, uint8_t *dst,
                                      uint64_t *ret_lsn, struct qr_err *err)
{
    struct qr_err damage = {0};
    enum qr_status status = read_page(store, page_no, dst, ret_lsn, &damage);
    if (status == QR_CORRUPT && store->options.page_damaged != NULL)
        store->options.page_damaged(store->options.page_damaged_ctx, &damage);
    if (status != QR_OK && err != NULL)
        *err = damage;
    return status;
}

static const struct qri_backend files_backend = {
    .flushers = 2, /* one hardens while the other calls those who waited */
    .reserve = qri_files_reserve,
    .unreserve = qri_files_unreserve,
    .harden = qri_files_flush,
    .flush = files_flush,
    .read_page = files_read_page,
    .upkeep = qri_files_upkeep,
    .checkpoint = files_checkpoint,
    .close = files_close,
    .free = files_free,
    .stats = files_stats,
};

static enum qr_status new_files(const char *dir, const struct qr_store_options *options,
                                struct qr_store **ret_store, struct qr_err *err)
{
    struct qr_store *store = NULL;
    QR_TRY(qri_store_new(dir, options, &files_backend, &store, err));
    struct qri_log *log = &store->log;
    store->checkpointer.ready = true;
    pthread_mutex_init(&store->checkpointer.run_mu, NULL);
    pthread_mutex_init(&log->extend_mu, NULL);
    pthread_mutex_init(&log->segments_mu, NULL);
    store->checkpointer.slot.stays = true;
    qri_slot_add(store, &store->checkpointer.slot);
    size_t block_bytes = QR_BLOCK_HEADER_BYTES + QR_BLOCK_PAYLOAD_BYTES_MAX + QR_SECTOR_BYTES;
    log->block =
        aligned_alloc(BLOCK_ALIGN, (block_bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN);
    if (log->block == NULL) {
        qri_store_free(store);
        return qr_fail(err, QR_NOMEM, "log buffers");
    }
    *ret_store = store;
    return QR_OK;
}

/* --- keys --- */

/* Makes the store's key, or reads it; `key_id` 0: whichever it is. */
static enum qr_status take_key(struct qr_store *store, bool make, uint32_t key_id,
                               struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    qri_store_path(store, path, "key");
    if (store->options.server_key == NULL)
        return qr_fail(err, QR_DENIED,
                       "it is encrypted under key %08x ('%s'), and no server key was given", key_id,
                       path);
    enum qr_status status =
        qr_key_pair_take(store->options.server_key, store->env, path, store->timeline,
                         make ? QR_KEY_MAKE : QR_KEY_MEND, &store->data_key, err);
    if (status == QR_NOT_FOUND || (status == QR_OK && key_id != 0 && store->data_key.id != key_id))
        return qr_fail(err, QR_DENIED, "it is encrypted under key %08x, which '%s' does not have",
                       key_id, path);
    QR_TRY(status);
    qr_page_cipher(&store->page_cipher, &store->data_key, "data page", store->timeline,
                   QR_TIMELINE_BYTES);
    return QR_OK;
}

static void begin_log_cipher(struct qr_store *store)
{
    uint8_t salt[QR_SALT_BYTES];
    if (store->data_key.id == 0)
        return;
    qr_env_random(store->env, salt, sizeof salt);
    qr_log_cipher(&store->log_cipher, &store->data_key, store->timeline, store->epoch, salt);
}

/* --- create --- */

static enum qr_status remove_leftovers(struct qr_store *store, struct qr_err *err);

static enum qr_status begin_files(struct qr_store *store, const struct qr_timeline *timeline,
                                  struct qr_err *err)
{
    enum qr_status status = qr_env_make_dir(store->env, store->dir, err);
    if (status != QR_OK && status != QR_EXISTS)
        return status;
    QR_TRY(qri_store_lock_dir(store, err));
    QR_AUTO(qr_file_closep) struct qr_file *existing = NULL;
    status = qri_store_open_file(store, "data", QR_OPEN_READ, &existing, NULL);
    if (status == QR_OK)
        return qr_fail(err, QR_EXISTS, "there is a database in '%s'", store->dir);
    if (status != QR_NOT_FOUND)
        return qr_fail(err, status, "look into '%s'", store->dir);
    QR_TRY(remove_leftovers(store, err));
    if (timeline == NULL)
        qr_env_random(store->env, store->timeline, QR_TIMELINE_BYTES);
    else
        memcpy(store->timeline, timeline->id, QR_TIMELINE_BYTES);
    if (store->options.server_key != NULL)
        QR_TRY(take_key(store, true, 0, err));
    QR_TRY(qri_store_open_file(store, "double-write",
                               QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE, &store->dw_file,
                               err));
    QR_TRY(qri_store_open_file(store, "data.tmp",
                               QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE | QR_OPEN_DIRECT,
                               &store->data_file, err));
    return qr_file_preallocate(store->data_file, 0, QR_DATA_PAGES_OFFSET, err);
}

enum qr_status qri_files_begin(const char *dir, const struct qr_store_options *options,
                               const struct qr_timeline *timeline, struct qr_store **ret_store,
                               struct qr_err *err)
{
    struct qr_store *store = NULL;
    QR_TRY(new_files(dir, options, &store, err));
    enum qr_status status = begin_files(store, timeline, err);
    if (status != QR_OK)
        qri_store_free(store);
    else
        *ret_store = store;
    return status;
}

enum qr_status qri_files_publish(struct qr_store *store, struct qr_err *err)
{
    char from[QR_STORE_PATH_BYTES_MAX + 64], to[QR_STORE_PATH_BYTES_MAX + 64],
        parent[QR_STORE_PATH_BYTES_MAX + 2];
    qri_store_path(store, from, "data.tmp");
    qri_store_path(store, to, "data");
    qr_env_dir_name(store->dir, parent);
    QR_TRY(qr_env_rename(store->env, from, to, err));
    QR_TRY(qr_env_sync_dir(store->env, store->dir, err));
    return qr_env_sync_dir(store->env, parent, err);
}

static enum qr_status write_new_files(struct qr_store *store, struct qr_err *err)
{
    struct qri_segment *segment = NULL;
    QR_TRY(qri_logfile_create(store, 1, true, &segment, err));
    qri_logfile_append(store, segment);
    struct qr_data_header *h = &store->checkpointer.header;
    *h = (struct qr_data_header){.page_bytes = store->page_bytes,
                                 .key_id = store->data_key.id,
                                 .state = QR_DATA_ACTIVE,
                                 .checkpoint_lsn = QRI_FIRST_LSN,
                                 .log_segment_no = 1,
                                 .log_offset = QR_SEGMENT_HEADER_BYTES,
                                 .log_lsn = QRI_FIRST_LSN,
                                 .log_end_lsn = QRI_FIRST_LSN,
                                 .clean = 1};
    memcpy(h->timeline, store->timeline, QR_TIMELINE_BYTES);
    QR_TRY(qri_header_write(store, err));
    return qri_files_publish(store, err);
}

enum qr_status qr_store_create(const char *dir, const struct qr_store_options *options,
                               struct qr_store **ret_store, struct qr_err *err)
{
    uint32_t page_bytes = options == NULL ? 0 : options->page_bytes;
    if (page_bytes != 0 && (page_bytes < QR_PAGE_BYTES_MIN || page_bytes > QR_PAGE_BYTES_MAX ||
                            (page_bytes & (page_bytes - 1)) != 0))
        return qr_fail(err, QR_INVALID, "page size %u", page_bytes);
    struct qr_store *store = NULL;
    enum qr_status status = qri_files_begin(dir, options, NULL, &store, err);
    if (status == QR_OK)
        status = write_new_files(store, err);
    qri_store_free(store);
    QR_TRY(qr_wrap(err, status, "create store '%s'", dir));
    return qr_store_open(dir, options, ret_store, err);
}

/* --- open and close --- */

static enum qr_status open_files(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(qri_store_open_file(store, "data", QR_OPEN_RW, &store->data_file, err));
    QR_TRY(qri_store_lock_dir(store, err));
    QR_TRY(qri_store_open_file(store, "double-write", QR_OPEN_RW | QR_OPEN_CREATE, &store->dw_file,
                               err));
    QR_TRY(qri_header_read(store, err));
    struct qr_data_header *h = &store->checkpointer.header;
    if (h->state == QR_DATA_MOVED && !store->options.open_moved)
        return qr_fail(err, QR_FENCED, "the database was moved at LSN %llu",
                       (unsigned long long)h->log_end_lsn);
    store->page_bytes = h->page_bytes;
    memcpy(store->timeline, h->timeline, QR_TIMELINE_BYTES);
    if (h->key_id != 0)
        QR_TRY(take_key(store, false, h->key_id, err));
    return qr_file_size(store->data_file, &store->checkpointer.file_bytes_ready, err);
}

static enum qr_status open_store(struct qr_store *store, struct qr_err *err)
{
    int64_t start = qr_env_mono_ns(store->env);
    QR_TRY(open_files(store, err));
    struct qr_data_header *h = &store->checkpointer.header;
    h->epoch += !store->pending.on; /* a member's is its primary's */
    if (!store->pending.on && h->epoch < store->options.epoch_min)
        h->epoch = store->options.epoch_min;
    store->epoch = h->epoch;
    begin_log_cipher(store);
    store->was_clean = h->clean != 0;
    h->clean = 0;
    QR_TRY(qri_header_write(store, err)); /* before anything is written in this epoch */
    if (!store->was_clean) /* after a clean close no place is torn, and damage must show, not be
                              healed */
        QR_TRY(qri_double_write_restore(store, err));
    QR_TRY(qri_files_recover(store, err));
    QR_LOG(&store->options.log, QR_INFO, "store_opened", QR_F("dir", store->dir),
           QR_F("clean", store->was_clean), QR_F("epoch", store->epoch),
           QR_F("lsn", qr_store_head_lsn(store).v),
           QR_F("log_bytes", atomic_load(&store->log.since_checkpoint)),
           QR_F("took_ms", (qr_env_mono_ns(store->env) - start) / 1000000));
    return qri_store_start(store, err);
}

enum qr_status qr_store_open(const char *dir, const struct qr_store_options *options,
                             struct qr_store **ret_store, struct qr_err *err)
{
    struct qr_store *store = NULL;
    QR_TRY(new_files(dir, options, &store, err));
    enum qr_status status = qr_wrap(err, open_store(store, err), "open store '%s'", dir);
    if (status != QR_OK)
        qri_store_free(store);
    else
        *ret_store = store;
    return status;
}

/* --- copies --- */

enum qr_status qri_files_open_member(const char *dir, const struct qr_store_options *options,
                                     uint64_t until, struct qr_store **ret_store,
                                     struct qr_err *err)
{
    struct qr_store *store = NULL;
    QR_TRY(new_files(dir, options, &store, err));
    store->pending.on = true;
    store->recover_until = until;
    atomic_store(&store->read_only, true);
    enum qr_status status = qr_wrap(err, open_store(store, err), "open store '%s'", dir);
    if (status != QR_OK)
        qri_store_free(store);
    else
        *ret_store = store;
    return status;
}

/* Recovery takes no block of an epoch that the header does not know. */
static enum qr_status raise_epoch(struct qr_store *store, uint64_t epoch, struct qr_err *err)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    pthread_mutex_lock(&cp->run_mu);
    struct qr_data_header before = cp->header;
    cp->header.epoch = epoch;
    enum qr_status status = qri_header_write(store, err);
    if (status != QR_OK) {
        uint64_t sequence = cp->header.sequence;
        cp->header = before;
        cp->header.sequence = sequence + 1;
    }
    pthread_mutex_unlock(&cp->run_mu);
    if (status != QR_OK)
        return status;
    pthread_mutex_lock(&store->log.flush_mu);
    store->epoch = epoch;
    begin_log_cipher(store);
    pthread_mutex_unlock(&store->log.flush_mu);
    return QR_OK;
}

static void continue_at(struct qr_store *store, uint64_t lsn)
{
    pthread_mutex_lock(&store->log.flush_mu);
    pthread_mutex_lock(&store->log.mu);
    store->log.append_lsn = store->log.written_lsn = lsn;
    pthread_mutex_unlock(&store->log.mu);
    pthread_mutex_unlock(&store->log.flush_mu);
}

enum qr_status qri_files_follow_epoch(struct qr_store *store, uint64_t epoch, uint64_t first_lsn,
                                      struct qr_err *err)
{
    QR_TRY(raise_epoch(store, epoch, err));
    continue_at(store, first_lsn);
    return QR_OK;
}

enum qr_status qri_files_own_epoch(struct qr_store *store, uint64_t epoch, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    QR_TRY(raise_epoch(store, epoch, err));
    continue_at(store, log->written_lsn + QRI_EPOCH_LSN_JUMP);
    pthread_mutex_lock(&log->mu);
    store->base_lsn = log->commit_lsn;
    qr_buf_clear(&log->epoch_record);
    qr_record_add_epoch(&log->epoch_record, epoch, log->commit_lsn, store->commit_wall_ns);
    log->epoch_pending = true;
    pthread_mutex_unlock(&log->mu);
    return qr_buf_status(&log->epoch_record, err);
}

/* --- remove --- */

struct leftovers {
    char names[64][64];
    size_t count;
};

static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "data",     "data.tmp",     "double-write",    "versions.tmp", "lock",
        "rbpex",    "rbpex-table",  "rbpex-table.new", "key",          "key.tmp",
        "key.copy", "key.copy.tmp", "counters",        "counters.tmp", "damaged"};
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
