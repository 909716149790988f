/* flush.c - hardens what waits: one block, one sync, for all timelines; see logsvc_int.h */
#include "logsvc_int.h"
#include <assert.h>
#include <string.h>
#include "base/sim_break.h"
#include "zone.h"
#include "base/banned.h"

/* What one flush takes. */
struct batch {
    struct qri_ops ops;
    uint32_t entry_count, payload_bytes;
    struct qri_segment *segment;
    uint64_t offset;
};

/* As much of the queue as a block in `room` bytes of file holds; with mu held. */
static void take(struct qr_logsvc *svc, struct batch *b, uint64_t room)
{
    uint64_t max = room / QR_SECTOR_BYTES * QR_SECTOR_BYTES;
    uint64_t head = QR_JOURNAL_BLOCK_HEADER_BYTES, seal = qri_seal_bytes(svc);
    max = max < head ? 0 : max - head;
    max = max < QR_JOURNAL_PAYLOAD_BYTES_MAX ? max : QR_JOURNAL_PAYLOAD_BYTES_MAX;
    max = max < seal ? 0 : max - seal;
    while (svc->queue.first != NULL) {
        struct qri_op *op = svc->queue.first;
        uint32_t bytes = op->barrier ? 0 : QR_JOURNAL_ENTRY_BYTES + op->entry.data_bytes;
        if (b->payload_bytes + bytes > max)
            break;
        svc->queue.first = op->next;
        if (op->next == NULL)
            svc->queue.last = NULL;
        svc->queue_bytes -= bytes;
        if (!op->barrier) {
            qri_state_apply(&op->tl->taken, &op->entry);
            b->payload_bytes += bytes;
            b->entry_count++;
        }
        qri_ops_push(&b->ops, op);
    }
    svc->flushing = b->ops.first != NULL;
}

static enum qr_status next_segment(struct qr_logsvc *svc, struct qr_err *err)
{
    uint64_t no = svc->current->no;
    if (qri_segment_after(svc, no) == NULL)
        QR_TRY(qri_segment_extend(svc, false, err));
    pthread_mutex_lock(&svc->mu);
    struct qri_segment *next = svc->current->next;
    assert(next != NULL && next->no == no + 1);
    next->first_block_no = svc->block_no + 1;
    svc->current = next; /* read under mu elsewhere */
    pthread_mutex_unlock(&svc->mu);
    svc->offset = QR_JOURNAL_HEADER_BYTES;
    return QR_OK;
}

/* Leaves b->ops empty when nothing waits. */
static enum qr_status take_batch(struct qr_logsvc *svc, struct batch *b, struct qr_err *err)
{
    *b = (struct batch){.payload_bytes = 0};
    for (int tries = 0; tries < 2; tries++) {
        pthread_mutex_lock(&svc->mu);
        uint64_t room = svc->current->bytes - svc->offset;
        if (svc->zone != NULL && svc->current->writes >= svc->options.landing_appends_max)
            room = 0;
        take(svc, b, room < QRI_REST_MIN ? 0 : room);
        bool waits = svc->queue.first != NULL;
        pthread_mutex_unlock(&svc->mu);
        if (b->ops.first != NULL || !waits)
            break;
        QR_TRY(next_segment(svc, err)); /* the first that waits does not fit the rest */
    }
    b->segment = svc->current;
    b->offset = svc->offset;
    return QR_OK;
}

static enum qr_status write_block(struct qr_logsvc *svc, struct batch *b, struct qr_err *err)
{
    struct qr_journal_block header = {.block_no = svc->block_no + 1,
                                      .synced_block_no = svc->block_no,
                                      .generation = svc->generation,
                                      .entry_count = b->entry_count,
                                      .payload_bytes = b->payload_bytes};
    memcpy(header.journal_id, svc->journal_id, QR_JOURNAL_ID_BYTES);
    const struct qr_cipher_key *key = qr_cipher_is_on(&svc->cipher) ? &svc->cipher : NULL;
    struct qr_journal_writer w;
    QR_TRY(qr_journal_block_begin(&w, svc->block, &header, key, err));
    for (const struct qri_op *op = b->ops.first; op != NULL; op = op->next)
        if (!op->barrier)
            QR_TRY(qr_journal_block_add(&w, &op->entry, err));
    QR_TRY(qr_journal_block_end(&w, &header, err));
    b->payload_bytes = header.payload_bytes; /* as stored */
    uint64_t bytes = qr_journal_block_file_bytes(b->payload_bytes);
    assert(svc->offset + bytes <= svc->current->bytes);
    if (qr_sim_broken(QR_BREAK_SYNC))
        QR_TRY(qr_file_pwrite(svc->current->file, svc->block, bytes, svc->offset, err));
    else
        QR_TRY(qr_file_pwrite_sync(svc->current->file, svc->block, bytes, svc->offset, err));
    svc->current->writes += 1 + bytes / QR_BLOB_APPEND_BYTES_MAX;
    svc->offset += bytes;
    svc->block_no++;
    return QR_OK;
}

static void harden_append(struct qr_logsvc *svc, struct qri_op *op, const struct batch *b)
{
    struct qri_timeline *tl = op->tl;
    /* Without memory for the place the log cannot be found in the journal; the ring and the state
     * are right, so readers get QR_CORRUPT at worst and nothing wrong. */
    if (!qri_timeline_place(tl, &op->entry, b->segment->no, b->offset, &tl->hard))
        QR_LOG(&svc->options.log, QR_ERROR, "journal_index_lost", QR_F("timeline", tl->name),
               QR_F("lsn", op->entry.lsn));
    qri_state_apply(&tl->hard, &op->entry);
    svc->stats.appends++;
    svc->stats.append_bytes += op->entry.data_bytes;
    if (tl->undestaged_since_ns == 0)
        tl->undestaged_since_ns = qr_env_mono_ns(svc->env);
    qri_ring_push(svc, tl, QR_TAKE(op->piece));
}

/* True: more waits, and a flusher sleeps. */
static bool harden(struct qr_logsvc *svc, const struct batch *b, struct qr_logsvc_feed **ready)
{
    pthread_mutex_lock(&svc->mu);
    svc->hardened_block_no = svc->block_no;
    svc->current->end_offset = svc->offset;
    svc->current->last_block_no = svc->block_no;
    for (struct qri_op *op = b->ops.first; op != NULL; op = op->next) {
        if (op->barrier)
            continue;
        if (op->append != NULL)
            harden_append(svc, op, b);
        else
            qri_state_apply(&op->tl->hard, &op->entry);
        qri_feeds_wake(svc, op->tl, ready);
    }
    qri_ring_evict(svc, svc->options.ring_bytes);
    if (b->entry_count > 0) {
        svc->stats.blocks++;
        svc->stats.syncs++;
        svc->stats.journal_bytes_written += qr_journal_block_file_bytes(b->payload_bytes);
    }
    svc->flushing = false;
    bool wake = svc->queue.first != NULL && svc->flushers_asleep > 0;
    pthread_mutex_unlock(&svc->mu);
    return wake;
}

static void answer(struct qr_logsvc *svc, struct batch *b, enum qr_status status, const char *why)
{
    for (struct qri_op *op = b->ops.first, *next; op != NULL; op = next) {
        next = op->next;
        qri_op_done(svc, op, status, why);
    }
}

/* With flush_mu held. */
static enum qr_status flush_locked(struct qr_logsvc *svc, struct batch *b,
                                   struct qr_logsvc_feed **ready, bool *ret_wake,
                                   struct qr_err *err)
{
    QR_TRY(qri_check_health(svc, err));
    enum qr_status status = take_batch(svc, b, err);
    if (status != QR_OK) { /* no room: nothing was written */
        qri_queue_refuse(svc, b->ops.first, status == QR_FULL ? QR_FULL : QR_BUSY,
                         "no journal segment can be made");
        b->ops = (struct qri_ops){NULL, NULL};
        return status;
    }
    if (b->ops.first == NULL)
        return qr_fail(err, QR_NOT_FOUND, "nothing waits");
    if (b->entry_count > 0) {
        struct qr_err local;
        qr_err_reset(&local);
        if (write_block(svc, b, &local) != QR_OK) {
            qri_fail_for_good(svc, &local);
            return qr_fail(err, QR_CLOSED, "harden the journal: %.500s", local.text);
        }
    }
    *ret_wake = harden(svc, b, ready);
    return QR_OK;
}

enum qr_status qri_flush(struct qr_logsvc *svc, struct qr_err *err)
{
    struct batch b = {.payload_bytes = 0};
    struct qr_logsvc_feed *ready = NULL;
    bool wake = false;
    pthread_mutex_lock(&svc->flush_mu);
    enum qr_status status = flush_locked(svc, &b, &ready, &wake, err);
    pthread_mutex_unlock(&svc->flush_mu);
    if (wake)
        pthread_cond_signal(&svc->wake);
    answer(svc, &b, status, status == QR_OK ? NULL : "the journal failed");
    if (status == QR_CLOSED)
        qri_queue_refuse(svc, NULL, QR_CLOSED, "the journal failed");
    qri_feeds_run(svc, ready);
    if (svc->threads_running && qri_segment_want_spare(svc))
        qri_destage_wake(svc); /* the same thread makes segments ahead of need */
    return status;
}

enum qr_status qr_logsvc_flush(struct qr_logsvc *svc, struct qr_err *err)
{
    return qri_flush(svc, err);
}

void *qri_flusher_main(void *arg)
{
    struct qr_logsvc *svc = arg;
    for (;;) {
        pthread_mutex_lock(&svc->mu);
        while (svc->queue.first == NULL && !atomic_load(&svc->stopping)) {
            svc->flushers_asleep++;
            pthread_cond_wait(&svc->wake, &svc->mu);
            svc->flushers_asleep--;
        }
        bool stop = svc->queue.first == NULL;
        pthread_mutex_unlock(&svc->mu);
        if (stop || qri_flush(svc, NULL) == QR_CLOSED)
            return NULL;
    }
}
