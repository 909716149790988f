/* log.c - gathers what is committed and hardens it in groups; see store_int.h. */
#include "store_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum {
    SPARES = 2,
    EPOCH_RECORD_BYTES = 32,
    BLOCK_ALIGN = 4096, /* of memory, for writes past the page cache */
};
#define CLOCK_JUMP_NS INT64_C(5000000000)

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

static void free_chunks(struct qri_log_chunk *chunk)
{
    while (chunk != NULL) {
        struct qri_log_chunk *next = chunk->next;
        free(chunk->data);
        free(chunk);
        chunk = next;
    }
}

enum qr_status qri_log_init(struct qr_store *store, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    pthread_mutex_init(&log->mu, NULL);
    pthread_mutex_init(&log->flush_mu, NULL);
    pthread_mutex_init(&log->extend_mu, NULL);
    pthread_mutex_init(&log->segments_mu, NULL);
    qr_cond_init(&log->wake);
    qr_buf_init(&log->epoch_record, EPOCH_RECORD_BYTES);
    size_t block_bytes = QR_BLOCK_HEADER_BYTES + QR_BLOCK_PAYLOAD_BYTES_MAX + QR_SECTOR_BYTES;
    log->block =
        aligned_alloc(BLOCK_ALIGN, (block_bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN);
    for (int i = 0; i < SPARES; i++) {
        struct qri_log_chunk *chunk = new_chunk(QRI_LOG_CHUNK_BYTES);
        if (chunk == NULL || log->block == NULL)
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
    free_chunks(log->first);
    free_chunks(log->spares);
    free(log->block);
    qr_buf_done(&log->epoch_record);
    qri_segments_done(store);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->segments_mu);
    pthread_mutex_destroy(&log->extend_mu);
    pthread_mutex_destroy(&log->flush_mu);
    pthread_mutex_destroy(&log->mu);
}

enum qr_status qri_check_health(const struct qr_store *store, struct qr_err *err)
{
    enum qr_status health = (enum qr_status)atomic_load(&store->health);
    return health == QR_OK ? QR_OK : qr_fail(err, QR_CLOSED, "the store has failed");
}

void qri_fail_for_good(struct qr_store *store, const struct qr_err *err)
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
    } else if (jump > CLOCK_JUMP_NS || jump < -CLOCK_JUMP_NS) {
        QR_LOG(&store->options.log, QR_WARN, "clock_jumped", QR_F("dir", store->dir),
               QR_F("jump_ms", jump / 1000000));
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
    uint64_t blocks = bytes / QR_BLOCK_PAYLOAD_BYTES_MAX + 2;
    return (int64_t)(bytes + EPOCH_RECORD_BYTES +
                     blocks * (QR_BLOCK_HEADER_BYTES + QR_SECTOR_BYTES));
}

enum qr_status qri_log_reserve(struct qr_store *store, int64_t cost, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    for (;;) {
        pthread_mutex_lock(&log->mu);
        bool fits = log->room >= cost;
        if (fits)
            log->room -= cost;
        bool low = qri_segment_is_low(store);
        pthread_mutex_unlock(&log->mu);
        if (fits && low && store->threads_running)
            qri_checkpoint_want(store); /* the same thread makes segments ahead of need */
        if (fits)
            return QR_OK;
        QR_TRY(qri_segment_extend(store, false, err));
    }
}

void qri_log_unreserve(struct qr_store *store, int64_t cost)
{
    if (cost == 0)
        return;
    pthread_mutex_lock(&store->log.mu);
    store->log.room += cost;
    pthread_mutex_unlock(&store->log.mu);
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
    if (log->last == NULL || log->last->capacity - log->last->len < count) {
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
    if (!copy_to_last(log, (*chunk)->data, (*chunk)->len))
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
    enum qr_status status = qri_log_reserve(store, cost, err);
    if (status == QR_OK) {
        pthread_mutex_lock(&store->log.mu);
        qri_log_append(store, &chunk, cost);
        pthread_mutex_unlock(&store->log.mu);
    }
    free_chunks(chunk);
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

/* --- hardening --- */

/* What one flush takes, all read under log.mu at once. */
struct batch {
    struct qri_log_chunk *chunks;
    int64_t cost;
    uint64_t end_lsn, commit_lsn, commit_no, commit_wall_ns;
    uint32_t pages_max;
    uint64_t synced_lsn, file_bytes;
    uint32_t fill; /* payload bytes in log.block */
    bool unsynced; /* blocks are written and not synced */
};

static enum qr_status sync_current(struct qr_store *store, struct batch *b, struct qr_err *err)
{
    if (!b->unsynced || store->options.sync_off)
        return QR_OK;
    b->unsynced = false;
    atomic_fetch_add_explicit(&store->log.syncs, 1, memory_order_relaxed);
    return qr_file_sync(store->log.current->file, err);
}

static uint64_t segment_rest(const struct qri_log *log)
{
    return log->current->bytes - log->offset;
}

static enum qr_status next_segment(struct qr_store *store, struct batch *b, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    QR_TRY(sync_current(store, b, err));
    struct qri_segment *next = qri_segment_find(store, log->current->no + 1);
    if (next == NULL) {
        QR_TRY(qri_segment_extend(store, false, err)); /* never needed while `room` is right */
        next = qri_segment_find(store, log->current->no + 1);
    }
    if (next == NULL)
        return qr_fail(err, QR_BUG, "no log segment behind %llu",
                       (unsigned long long)log->current->no);
    log->current = next;
    log->offset = QR_SEGMENT_HEADER_BYTES;
    return QR_OK;
}

/* The only block of a batch, as nearly all are, is synced by the call that writes it; several are
 * synced together. */
static enum qr_status put_block(struct qr_store *store, struct batch *b, bool last,
                                uint64_t file_bytes, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    if (last && !b->unsynced && !store->options.sync_off) {
        atomic_fetch_add_explicit(&log->syncs, 1, memory_order_relaxed);
        return qr_file_pwrite_sync(log->current->file, log->block, file_bytes, log->offset, err);
    }
    b->unsynced = true;
    return qr_file_pwrite(log->current->file, log->block, file_bytes, log->offset, err);
}

static enum qr_status write_block(struct qr_store *store, struct batch *b, bool last,
                                  struct qr_err *err)
{
    struct qri_log *log = &store->log;
    struct qr_block_header header = {
        .first_lsn = log->written_lsn,
        .synced_lsn = b->synced_lsn,
        .raw_bytes = b->fill,
        .stored_bytes = b->fill,
        .epoch = store->epoch,
    };
    memcpy(header.timeline, store->timeline, QR_TIMELINE_BYTES);
    qr_block_seal(log->block, &header);
    uint64_t file_bytes = qr_block_file_bytes(b->fill);
    memset(log->block + QR_BLOCK_HEADER_BYTES + b->fill, 0,
           file_bytes - QR_BLOCK_HEADER_BYTES - b->fill);
    QR_TRY(put_block(store, b, last, file_bytes, err));
    log->offset += file_bytes;
    log->written_lsn += b->fill;
    b->file_bytes += file_bytes;
    b->fill = 0;
    atomic_fetch_add_explicit(&log->blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->bytes_written, file_bytes, memory_order_relaxed);
    return QR_OK;
}

/* Room for payload in the block being filled, in this segment. */
static uint32_t block_room(const struct qri_log *log, const struct batch *b)
{
    uint64_t rest = segment_rest(log) / QR_SECTOR_BYTES * QR_SECTOR_BYTES - QR_BLOCK_HEADER_BYTES;
    uint64_t max = rest < QR_BLOCK_PAYLOAD_BYTES_MAX ? rest : QR_BLOCK_PAYLOAD_BYTES_MAX;
    return (uint32_t)max - b->fill;
}

static enum qr_status write_batch(struct qr_store *store, struct batch *b, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    for (const struct qri_log_chunk *c = b->chunks; c != NULL; c = c->next) {
        for (size_t at = 0; at < c->len;) {
            if (b->fill == 0 && segment_rest(log) < QRI_SEGMENT_REST_MIN)
                QR_TRY(next_segment(store, b, err));
            uint32_t room = block_room(log, b);
            uint32_t bytes = c->len - at < room ? (uint32_t)(c->len - at) : room;
            memcpy(log->block + QR_BLOCK_HEADER_BYTES + b->fill, c->data + at, bytes);
            b->fill += bytes;
            at += bytes;
            if (bytes == room)
                QR_TRY(write_block(store, b, false, err));
        }
    }
    if (b->fill > 0)
        QR_TRY(write_block(store, b, true, err));
    assert(log->written_lsn == b->end_lsn);
    return sync_current(store, b, err);
}

static bool take_batch(struct qr_store *store, struct batch *b)
{
    struct qri_log *log = &store->log;
    pthread_mutex_lock(&log->mu);
    *b = (struct batch){
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

/* True: there is more to flush, and somebody sleeps who can do it. */
static bool finish_batch(struct qr_store *store, struct batch *b)
{
    struct qri_log *log = &store->log;
    struct qri_log_chunk *old = b->chunks;
    pthread_mutex_lock(&log->mu);
    log->flushing = false;
    bool wake = log->flush_wanted && log->flushers_asleep > 0;
    log->room += b->cost - (int64_t)b->file_bytes;
    log->durable_pos = (struct qri_log_pos){
        .lsn = b->end_lsn, .segment_no = log->current->no, .offset = log->offset};
    store->durable_commit_no = b->commit_no;
    store->durable_commit_wall_ns = b->commit_wall_ns;
    store->durable_pages_max = b->pages_max;
    atomic_store(&store->durable_lsn, b->commit_lsn);
    while (old != NULL && log->spare_count < SPARES && old->capacity == QRI_LOG_CHUNK_BYTES) {
        struct qri_log_chunk *next = old->next;
        old->len = 0;
        old->next = log->spares;
        log->spares = old;
        log->spare_count++;
        old = next;
    }
    pthread_mutex_unlock(&log->mu);
    free_chunks(old);
    return wake;
}

/* Without flush_mu: the other flusher writes and syncs while this one sends the answers. */
static void tell_who_waits(struct qr_store *store, uint64_t commit_lsn)
{
    qri_durable_reached(store, commit_lsn);
    if (store->threads_running &&
        atomic_load(&store->log.since_checkpoint) > store->options.checkpoint_bytes)
        qri_checkpoint_want(store);
}

enum qr_status qri_log_flush(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(qri_check_health(store, err));
    struct qr_err local;
    struct batch b;
    bool done = false, wake = false;
    pthread_mutex_lock(&store->log.flush_mu);
    enum qr_status status = qri_check_health(store, err);
    if (status == QR_OK && take_batch(store, &b)) {
        qr_err_reset(&local);
        status = write_batch(store, &b, &local);
        if (status == QR_OK) {
            wake = finish_batch(store, &b);
            done = true;
        } else {
            free_chunks(b.chunks);
            qri_fail_for_good(store, &local);
            status = qr_fail(err, QR_CLOSED, "harden the log: %.500s", local.text);
        }
    }
    pthread_mutex_unlock(&store->log.flush_mu);
    if (wake)
        qri_log_wake(store);
    if (done)
        tell_who_waits(store, b.commit_lsn);
    return status;
}

void *qri_flusher_main(void *arg)
{
    struct qr_store *store = arg;
    struct qri_log *log = &store->log;
    for (;;) {
        pthread_mutex_lock(&log->mu);
        while (!log->flush_wanted && !atomic_load(&store->stopping)) {
            log->flushers_asleep++;
            pthread_cond_wait(&log->wake, &log->mu);
            log->flushers_asleep--;
        }
        bool stop = !log->flush_wanted;
        pthread_mutex_unlock(&log->mu);
        if (stop || qri_log_flush(store, NULL) != QR_OK)
            return NULL;
    }
}
