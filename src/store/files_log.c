/* files_log.c - the log in files: promises space, writes blocks, syncs; see store_int.h. */
#include "copies_int.h"
#include <assert.h>
#include <sched.h>
#include <string.h>
#include "governor/task.h"
#include "base/banned.h"

enum {
    GATHER_YIELDS = 4,
    GATHER_DEAR_NS = 500000,
    GATHER_PAUSE_MIN_NS = 8000000,
    GATHER_PAUSE_MAX_NS = 1000000000,
};

enum qr_status qri_files_reserve(struct qr_store *store, int64_t cost, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    for (;;) {
        pthread_mutex_lock(&log->mu);
        bool fits = log->room >= cost;
        if (fits)
            log->room -= cost;
        bool low = qri_logfile_is_low(store);
        pthread_mutex_unlock(&log->mu);
        if (fits && low && store->threads_running)
            qri_upkeep_want(store); /* the same thread makes segments ahead of need */
        if (fits)
            return QR_OK;
        QR_TRY(qri_logfile_extend(store, false, err));
    }
}

void qri_files_unreserve(struct qr_store *store, int64_t cost)
{
    pthread_mutex_lock(&store->log.mu);
    store->log.room += cost;
    pthread_mutex_unlock(&store->log.mu);
}

/* --- hardening --- */

static enum qr_status sync_current(struct qr_store *store, struct qri_batch *b, struct qr_err *err)
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

static enum qr_status next_segment(struct qr_store *store, struct qri_batch *b, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    QR_TRY(sync_current(store, b, err));
    struct qri_segment *next = qri_logfile_find(store, log->current->no + 1);
    if (next == NULL) {
        QR_TRY(qri_logfile_extend(store, false, err)); /* never needed while `room` is right */
        next = qri_logfile_find(store, log->current->no + 1);
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
static enum qr_status put_block(struct qr_store *store, struct qri_batch *b, bool last,
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

static enum qr_status write_block(struct qr_store *store, struct qri_batch *b, bool last,
                                  struct qr_err *err)
{
    struct qri_log *log = &store->log;
    struct qr_block_header header = {
        .first_lsn = log->written_lsn,
        .synced_lsn = b->synced_lsn,
        .raw_bytes = b->fill,
        .epoch = store->epoch,
    };
    memcpy(header.timeline, store->timeline, QR_TIMELINE_BYTES);
    QR_TRY(qr_block_seal_as(&store->log_cipher, log->block, &header, err));
    uint64_t file_bytes = qr_block_file_bytes(header.stored_bytes);
    if (log->offset == QR_SEGMENT_HEADER_BYTES)
        qri_logfile_begins(store, log->current, log->written_lsn);
    QR_TRY(put_block(store, b, last, file_bytes, err));
    log->offset += file_bytes;
    log->written_lsn += b->fill;
    log->end_lsn = log->written_lsn;
    b->file_bytes += file_bytes;
    b->fill = 0;
    atomic_fetch_add_explicit(&log->blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->bytes_written, file_bytes, memory_order_relaxed);
    return QR_OK;
}

/* Room for payload in the block being filled, in this segment. */
static uint32_t block_room(const struct qr_store *store, const struct qri_batch *b)
{
    const struct qri_log *log = &store->log;
    uint32_t seal = qr_cipher_is_on(&store->log_cipher) ? QR_BLOCK_SEAL_BYTES : 0;
    uint64_t rest = segment_rest(log) / QR_SECTOR_BYTES * QR_SECTOR_BYTES - QR_BLOCK_HEADER_BYTES;
    uint64_t max = rest < QR_BLOCK_PAYLOAD_BYTES_MAX ? rest : QR_BLOCK_PAYLOAD_BYTES_MAX;
    return (uint32_t)max - seal - b->fill;
}

static enum qr_status write_batch(struct qr_store *store, struct qri_batch *b, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    for (const struct qri_log_chunk *c = b->chunks; c != NULL; c = c->next) {
        for (size_t at = 0; at < c->len;) {
            if (b->fill == 0 && segment_rest(log) < QRI_SEGMENT_REST_MIN)
                QR_TRY(next_segment(store, b, err));
            uint32_t room = block_room(store, b);
            uint32_t bytes = c->len - at < room ? (uint32_t)(c->len - at) : room;
            uint8_t *dst = log->block + QR_BLOCK_HEADER_BYTES + b->fill;
            if (c->file != NULL)
                QR_TRY(qr_tmp_file_read_exactly(c->file, dst, bytes, at, err));
            else
                memcpy(dst, c->data + at, bytes);
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

/* With log.mu held. */
static void settle(struct qr_store *store, const struct qri_hardened *h)
{
    store->log.durable_pos = h->pos;
    store->durable_commit_no = h->commit_no;
    store->durable_commit_wall_ns = h->commit_wall_ns;
    /* the file may have been cut off since the batch began */
    uint32_t pages_max = atomic_load(&store->pages_max);
    store->durable_pages_max = h->pages_max < pages_max ? h->pages_max : pages_max;
    atomic_store(&store->durable_lsn, h->commit_lsn);
}

/* With log.mu held. One too many takes the place of the last: it says more. */
static void hold_back(struct qri_pending *held, const struct qri_hardened *h)
{
    if (held->ragged)
        return;
    if (held->count < QRI_PENDING_MAX)
        held->count++;
    held->items[held->count - 1] = *h;
}

void qri_pending_release(struct qr_store *store, uint64_t lsn)
{
    struct qri_pending *held = &store->pending;
    pthread_mutex_lock(&store->log.mu);
    size_t count = 0;
    while (count < held->count && held->items[count].commit_lsn <= lsn)
        count++;
    uint64_t reached = count == 0 ? 0 : held->items[count - 1].commit_lsn;
    if (count > 0)
        settle(store, &held->items[count - 1]);
    held->count -= count;
    memmove(held->items, held->items + count, held->count * sizeof held->items[0]);
    pthread_mutex_unlock(&store->log.mu);
    if (reached != 0)
        qri_durable_reached(store, reached);
}

/* True: there is more to flush, and somebody sleeps who can do it. */
static bool finish_batch(struct qr_store *store, struct qri_batch *b)
{
    struct qri_log *log = &store->log;
    pthread_mutex_lock(&log->mu);
    log->flushing = false;
    bool wake = log->flush_wanted && log->flushers_asleep > 0;
    log->room += b->cost - (int64_t)b->file_bytes;
    struct qri_hardened h = {
        .commit_lsn = b->commit_lsn,
        .commit_no = b->commit_no,
        .commit_wall_ns = b->commit_wall_ns,
        .pages_max = b->pages_max,
        .pos = {.lsn = b->end_lsn, .segment_no = log->current->no, .offset = log->offset}};
    if (store->pending.on)
        hold_back(&store->pending, &h);
    else
        settle(store, &h);
    struct qri_log_chunk *old = qri_log_keep_spares(store, b->chunks);
    pthread_mutex_unlock(&log->mu);
    qri_log_free_chunks(old);
    return wake;
}

/* Without flush_mu: the other flusher writes and syncs while this one sends the answers. */
static void tell_who_waits(struct qr_store *store, uint64_t commit_lsn)
{
    if (!store->pending.on)
        qri_durable_reached(store, commit_lsn);
    if (store->threads_running &&
        atomic_load(&store->log.since_checkpoint) > store->options.checkpoint_bytes)
        qri_upkeep_want(store);
}

/* Lets those who are about to commit do so first: one sync then serves more of them. Where other
 * work wants the processors a yield costs a time slice; then there is none for a while. Under
 * flush_mu. */
static void gather(struct qr_store *store)
{
    struct qri_log *log = &store->log;
    int64_t now = store->threads_running && !store->pending.on ? qr_env_mono_ns(store->env) : 0;
    if (now <= log->gather_again_ns)
        return;
    int64_t start_ns = now;
    for (int i = 0; i < GATHER_YIELDS && now - start_ns < GATHER_DEAR_NS; i++) {
        sched_yield();
        now = qr_env_mono_ns(store->env);
    }
    int64_t pause = log->gather_pause_ns;
    if (now - start_ns < GATHER_DEAR_NS)
        pause /= 2;
    else if (pause < GATHER_PAUSE_MAX_NS)
        pause = pause < GATHER_PAUSE_MIN_NS ? GATHER_PAUSE_MIN_NS : 4 * pause;
    log->gather_pause_ns = pause;
    log->gather_again_ns = now + pause;
}

enum qr_status qri_files_flush(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(qri_store_check(store, err));
    struct qr_err local;
    struct qri_batch b;
    bool done = false, wake = false;
    pthread_mutex_lock(&store->log.flush_mu);
    enum qr_status status = qri_store_check(store, err);
    gather(store);
    if (status == QR_OK && qri_log_take(store, &b)) {
        qr_err_reset(&local);
        int64_t start_ns = qr_env_mono_ns(store->env);
        uint64_t first_lsn = store->log.written_lsn;
        status = write_batch(store, &b, &local);
        if (status == QR_OK && store->copies != NULL) /* what is hardened here is sent (S4) */
            status = qri_copies_harden(store->copies, first_lsn, b.chunks, &local);
        if (status == QR_OK) {
            qri_waited(&store->log_writes, qr_env_mono_ns(store->env) - start_ns);
            qr_gov_log_written();
            wake = finish_batch(store, &b);
            done = true;
        } else if (status == QR_CANCELLED) { /* told to nobody, as after a crash */
            qri_log_free_chunks(b.chunks);
            atomic_store(&store->health, QR_CLOSED);
        } else {
            qri_log_free_chunks(b.chunks);
            qri_store_fail(store, &local);
            status = qr_fail(err, QR_CLOSED, "harden the log: %.500s", local.text);
        }
    }
    if (done && store->copies != NULL)
        qri_copies_show(store->copies, b.commit_lsn);
    pthread_mutex_unlock(&store->log.flush_mu);
    if (wake)
        qri_log_wake(store);
    if (done)
        tell_who_waits(store, b.commit_lsn);
    return status;
}
