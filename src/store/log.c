/* log.c - gathers what is committed, for the backend to harden in groups; see store_int.h. */
#include "store_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/background.h"
#include "base/banned.h"

enum {
    SPARES = 2,
    LARGE_KEPT_BYTES = 2 * QRI_LOG_LARGE_BYTES, /* one is being filled while one is on its way */
    EPOCH_RECORD_BYTES = 32,
};
#define CLOCK_JUMP_NS INT64_C(5000000000)
#define LARGE_IDLE_NS INT64_C(2000000000)

static struct qri_log_chunk *new_chunk(size_t capacity)
{
    struct qri_log_chunk *chunk = calloc(1, sizeof *chunk);
    uint8_t *data = malloc(capacity);
    if (chunk == NULL || data == NULL) {
        free(chunk);
        free(data);
        return NULL;
    }
    chunk->data = data;
    chunk->capacity = capacity;
    return chunk;
}

void qri_log_free_chunks(struct qri_log_chunk *chunk)
{
    while (chunk != NULL) {
        struct qri_log_chunk *next = chunk->next;
        free(chunk->data);
        qr_tmp_file_free(chunk->file);
        free(chunk);
        chunk = next;
    }
}

enum qr_status qri_log_init(struct qr_store *store, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    pthread_mutex_init(&log->mu, NULL);
    pthread_mutex_init(&log->flush_mu, NULL);
    qr_cond_init(&log->wake);
    qr_buf_init(&log->epoch_record, EPOCH_RECORD_BYTES);
    for (int i = 0; i < SPARES; i++) {
        struct qri_log_chunk *chunk = new_chunk(QRI_LOG_CHUNK_BYTES);
        if (chunk == NULL)
            return qr_fail(err, QR_NOMEM, "log buffers");
        chunk->next = log->spares;
        log->spares = chunk;
        log->spare_count++;
    }
    return QR_OK;
}

void qri_log_done(struct qr_store *store)
{
    struct qri_log *log = &store->log;
    qri_log_free_chunks(log->first);
    qri_log_free_chunks(log->spares);
    qri_log_free_chunks(log->large);
    qr_buf_done(&log->epoch_record);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->flush_mu);
    pthread_mutex_destroy(&log->mu);
}

enum qr_status qri_store_check(const struct qr_store *store, struct qr_err *err)
{
    enum qr_status health = (enum qr_status)atomic_load(&store->health);
    return health == QR_OK ? QR_OK : qr_fail(err, QR_CLOSED, "the store has failed");
}

void qri_store_fail(struct qr_store *store, const struct qr_err *err)
{
    atomic_store(&store->health, QR_CLOSED);
    QR_LOG(&store->options.log, QR_ERROR, "log_failed", QR_F("dir", store->dir),
           QR_F("err", err->text));
    if (store->options.fatal != NULL) {
        store->options.fatal(store->options.fatal_ctx, err);
    } else {
        /* Nothing that was not acknowledged may survive in memory and be shown (S3). */
        fprintf(stderr, "lvl=error comp=store ev=log_failed dir=\"%s\" err=\"%s\"\n", store->dir,
                err->text);
        abort();
    }
}

/* Both clocks should move alike. When the wall clock was set, commit times follow it in steps. */
uint64_t qri_commit_time(struct qr_store *store)
{
    int64_t wall = qr_env_wall_ns(store->env), mono = qr_env_mono_ns(store->env);
    int64_t jump = wall - mono - store->clock_base_ns;
    if (store->clock_base_ns == 0) {
        store->clock_base_ns = wall - mono;
    } else if (jump <= CLOCK_JUMP_NS && jump >= -CLOCK_JUMP_NS) {
        store->clock_jumped = false;
    } else {
        if (!store->clock_jumped) /* else it is on its way there */
            QR_LOG(&store->options.log, QR_WARN, "clock_jumped", QR_F("dir", store->dir),
                   QR_F("jump_ms", jump / 1000000));
        store->clock_jumped = true;
        store->clock_base_ns += jump > 0 ? CLOCK_JUMP_NS : -CLOCK_JUMP_NS;
        wall = mono + store->clock_base_ns;
    }
    uint64_t now = wall > 0 ? (uint64_t)wall : 0;
    if (now <= store->commit_wall_ns)
        now = store->commit_wall_ns + 1;
    store->commit_wall_ns = now;
    return now;
}

/* --- appending --- */

int64_t qri_log_cost(uint64_t bytes)
{
    uint64_t blocks = bytes / (QR_BLOCK_PAYLOAD_BYTES_MAX - QR_BLOCK_SEAL_BYTES) + 2;
    return (int64_t)(bytes + EPOCH_RECORD_BYTES +
                     blocks * (QR_BLOCK_HEADER_BYTES + QR_BLOCK_SEAL_BYTES + QR_SECTOR_BYTES));
}

static void link_chunk(struct qri_log *log, struct qri_log_chunk *chunk)
{
    chunk->next = NULL;
    if (log->last != NULL)
        log->last->next = chunk;
    else
        log->first = chunk;
    log->last = chunk;
}

static bool copy_to_last(struct qri_log *log, const uint8_t *bytes, size_t count)
{
    if (log->last == NULL || log->last->file != NULL ||
        log->last->capacity - log->last->len < count) {
        if (log->spares == NULL || count > log->spares->capacity)
            return false;
        struct qri_log_chunk *chunk = log->spares;
        log->spares = chunk->next;
        log->spare_count--;
        link_chunk(log, chunk);
    }
    memcpy(log->last->data + log->last->len, bytes, count);
    log->last->len += count;
    return true;
}

/* The first block of an epoch starts with its EPOCH record. */
static void append_epoch(struct qri_log *log)
{
    bool copied = copy_to_last(log, log->epoch_record.data, log->epoch_record.len);
    assert(copied); /* it is the first, so the spares are all there */
    log->append_lsn += log->epoch_record.len;
    log->epoch_pending = false;
}

uint64_t qri_log_append(struct qr_store *store, struct qri_log_chunk **chunk, int64_t cost)
{
    struct qri_log *log = &store->log;
    if (log->epoch_pending)
        append_epoch(log);
    log->append_lsn += (*chunk)->len;
    atomic_fetch_add_explicit(&log->since_checkpoint, (*chunk)->len, memory_order_relaxed);
    log->queued_cost += cost;
    if ((*chunk)->file != NULL || !copy_to_last(log, (*chunk)->data, (*chunk)->len))
        link_chunk(log, QR_TAKE(*chunk));
    return log->append_lsn;
}

enum qr_status qri_log_add(struct qr_store *store, const struct qr_buf *records, struct qr_err *err)
{
    QR_TRY(qr_buf_status(records, err));
    if (records->len == 0)
        return QR_OK;
    struct qri_log_chunk *chunk = new_chunk(records->len);
    if (chunk == NULL)
        return qr_fail(err, QR_NOMEM, "log records");
    memcpy(chunk->data, records->data, records->len);
    chunk->len = records->len;
    int64_t cost = qri_log_cost(records->len);
    enum qr_status status = store->backend->reserve(store, cost, err);
    if (status == QR_OK) {
        pthread_mutex_lock(&store->log.mu);
        qri_log_append(store, &chunk, cost);
        pthread_mutex_unlock(&store->log.mu);
    }
    qri_log_free_chunks(chunk);
    return status;
}

bool qri_log_want_flush(struct qr_store *store)
{
    struct qri_log *log = &store->log;
    /* After a sync its thread looks for more, and who was woken for the first commit takes all. */
    bool wake = !log->flush_wanted && !log->flushing && log->flushers_asleep > 0;
    log->flush_wanted = true;
    return wake;
}

void qri_log_wake(struct qr_store *store)
{
    pthread_cond_signal(&store->log.wake);
}

/* --- batches --- */

bool qri_log_take(struct qr_store *store, struct qri_batch *b)
{
    struct qri_log *log = &store->log;
    pthread_mutex_lock(&log->mu);
    *b = (struct qri_batch){
        .chunks = log->first,
        .cost = log->queued_cost,
        .end_lsn = log->append_lsn,
        .commit_lsn = log->commit_lsn,
        .commit_no = store->commit_no,
        .commit_wall_ns = store->commit_wall_ns,
        .pages_max = store->pages_max,
        .synced_lsn = log->durable_pos.lsn,
    };
    log->first = log->last = NULL;
    log->queued_cost = 0;
    log->flush_wanted = false;
    log->flushing = b->chunks != NULL;
    pthread_mutex_unlock(&log->mu);
    return b->chunks != NULL;
}

/* --- buffers kept --- */

static bool keep(struct qr_store *store, struct qri_log_chunk *chunk)
{
    struct qri_log *log = &store->log;
    if (log->spare_count < SPARES && chunk->capacity == QRI_LOG_CHUNK_BYTES) {
        chunk->len = 0;
        chunk->next = log->spares;
        log->spares = chunk;
        log->spare_count++;
        return true;
    }
    if (chunk->capacity <= QRI_LOG_CHUNK_BYTES || chunk->capacity > QRI_LOG_LARGE_BYTES ||
        chunk->capacity > LARGE_KEPT_BYTES - log->large_bytes)
        return false;
    chunk->len = 0;
    chunk->next = log->large;
    log->large = chunk;
    log->large_bytes += chunk->capacity;
    log->large_used_ns = qr_env_mono_ns(store->env);
    if (!atomic_exchange(&log->large_kept, true))
        qri_upkeep_look(store);
    return true;
}

struct qri_log_chunk *qri_log_keep_spares(struct qr_store *store, struct qri_log_chunk *old)
{
    struct qri_log_chunk *rest = NULL;
    while (old != NULL) {
        struct qri_log_chunk *next = old->next;
        if (!keep(store, old)) {
            old->next = rest;
            rest = old;
        }
        old = next;
    }
    return rest;
}

void qri_log_lend(struct qr_store *store, struct qr_buf *group)
{
    struct qri_log *log = &store->log;
    pthread_mutex_lock(&log->mu);
    struct qri_log_chunk *large = log->large;
    if (large != NULL) {
        log->large = large->next;
        log->large_bytes -= large->capacity;
        atomic_store(&log->large_kept, log->large != NULL);
    }
    log->large_used_ns = qr_env_mono_ns(store->env);
    pthread_mutex_unlock(&log->mu);
    if (large == NULL)
        return;
    size_t bytes_max = group->bytes_max;
    qr_buf_done(group);
    *group =
        (struct qr_buf){.data = large->data, .capacity = large->capacity, .bytes_max = bytes_max};
    free(large);
}

void qri_log_trim(struct qr_store *store)
{
    struct qri_log *log = &store->log;
    struct qri_log_chunk *idle = NULL;
    pthread_mutex_lock(&log->mu);
    if (qr_env_mono_ns(store->env) - log->large_used_ns >= LARGE_IDLE_NS) {
        idle = QR_TAKE(log->large);
        log->large_bytes = 0;
        atomic_store(&log->large_kept, false);
    }
    pthread_mutex_unlock(&log->mu);
    qri_log_free_chunks(idle);
}

enum qr_status qri_log_flush(struct qr_store *store, struct qr_err *err)
{
    return store->backend->flush(store, err);
}

void *qri_log_flusher_main(void *arg)
{
    struct qr_store *store = arg;
    struct qri_log *log = &store->log;
    qr_thread_prompt(); /* every commit waits for it */
    for (;;) {
        pthread_mutex_lock(&log->mu);
        while (!log->flush_wanted && !atomic_load(&store->stopping)) {
            log->flushers_asleep++;
            pthread_cond_wait(&log->wake, &log->mu);
            log->flushers_asleep--;
        }
        bool stop = !log->flush_wanted;
        pthread_mutex_unlock(&log->mu);
        if (stop || store->backend->harden(store, NULL) != QR_OK)
            return NULL;
    }
}
