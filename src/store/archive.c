/* archive.c - see store/archive.h: reading */
#include "store/archive.h"
#include <stdlib.h>
#include <string.h>
#include "logsvc/piece.h"
#include "copies_int.h"
#include "log_reader_int.h"
#include "base/banned.h"

struct qr_archive {
    struct qr_store *store;
    struct qri_slot slot;
    struct qr_archive_point point;
    struct qr_buf counters;
};

struct qr_timeline qr_store_timeline(const struct qr_store *store)
{
    struct qr_timeline timeline;
    memcpy(timeline.id, store->timeline, QR_TIMELINE_BYTES);
    return timeline;
}

/* With the counters' lock held, so that none is dropped whose table is there as of the head, and
 * log.mu, so that the head does not move. */
static void pin_head(void *ctx)
{
    struct qr_archive *a = ctx;
    struct qr_store *store = a->store;
    pthread_mutex_lock(&store->log.mu);
    a->point = (struct qr_archive_point){
        .page_bytes = store->page_bytes,
        .pages = atomic_load(&store->head_db_pages),
        .lsn = qr_lsn(qri_slot_pin(store, &a->slot, atomic_load(&store->head_lsn))),
        .commit_no = store->commit_no,
        .commit_wall_ns = store->commit_wall_ns};
    bool is_older = a->point.lsn.v <= store->base_lsn && store->epoch > 1; /* 1: it is new */
    a->point.epoch = store->epoch - is_older;
    pthread_mutex_unlock(&store->log.mu);
    memcpy(a->point.timeline.id, store->timeline, QR_TIMELINE_BYTES);
}

enum qr_status qr_archive_open(struct qr_store *store, struct qr_archive **ret_archive,
                               struct qr_err *err)
{
    if (!store->checkpointer.ready)
        return qr_fail(err, QR_UNSUPPORTED, "this store keeps no files of its own");
    struct qr_archive *a = calloc(1, sizeof *a);
    if (a == NULL)
        return qr_fail(err, QR_NOMEM, "archive");
    a->store = store;
    qr_buf_init(&a->counters, SIZE_MAX / 4);
    a->slot.stays = true;
    qri_slot_add(store, &a->slot);
    qri_counters_list(store, &a->counters, pin_head, a);
    enum qr_status status = qr_buf_status(&a->counters, err);
    if (status == QR_OK)
        status = qr_store_wait_durable(store, a->point.lsn, err);
    if (status != QR_OK)
        qr_archive_close(a);
    else
        *ret_archive = a;
    return status;
}

void qr_archive_close(struct qr_archive *a)
{
    if (a == NULL)
        return;
    atomic_store(&a->slot.lsn, 0);
    qri_slot_remove(a->store, &a->slot);
    qr_buf_done(&a->counters);
    free(a);
}

const struct qr_archive_point *qr_archive_point(const struct qr_archive *a)
{
    return &a->point;
}

const struct qr_buf *qr_archive_counters(const struct qr_archive *a)
{
    return &a->counters;
}

enum qr_status qr_archive_read(struct qr_archive *a, uint32_t page_no, uint8_t *dst,
                               struct qr_lsn *ret_version, struct qr_err *err)
{
    uint64_t version = 0;
    QR_TRY(qri_version_read(a->store, page_no, a->point.lsn.v, dst, &version, err));
    *ret_version = qr_lsn(version);
    return QR_OK;
}

/* --- log --- */

/* What of the block lies in [from, until). */
static void add_block(const struct qri_reader *r, const struct qr_block_header *h, uint64_t from,
                      uint64_t until, struct qr_buf *pieces, size_t *last_at)
{
    uint64_t first = h->first_lsn > from ? h->first_lsn : from;
    uint64_t end = h->first_lsn + h->raw_bytes < until ? h->first_lsn + h->raw_bytes : until;
    if (first >= end)
        return;
    bool begins = first == h->first_lsn && qri_reader_begins_epoch(r, h, NULL);
    qr_piece_add(pieces, last_at,
                 &(struct qr_piece){.first_lsn = first,
                                    .epoch = h->epoch,
                                    .bytes = (uint32_t)(end - first),
                                    .flags = begins ? QR_PIECE_NEW_EPOCH : 0,
                                    .data = r->payload + (first - h->first_lsn)});
}

static enum qr_status read_log(struct qri_reader *r, uint64_t from, uint64_t until,
                               size_t bytes_max, struct qr_buf *pieces, struct qr_err *err)
{
    size_t last_at = SIZE_MAX, start = pieces->len;
    while (r->lsn < until && pieces->len - start < bytes_max) {
        struct qr_block_header h;
        bool end = false;
        QR_TRY(qri_reader_next_block(r, &h, &end, err));
        if (end && until == UINT64_MAX)
            break;
        if (end)
            return qr_fail(err, QR_CORRUPT, "the log is damaged at LSN %llu",
                           (unsigned long long)r->lsn);
        add_block(r, &h, from, until, pieces, &last_at);
    }
    return qr_buf_status(pieces, err);
}

static enum qr_status log_until(struct qr_store *store, struct qr_lsn from, uint64_t until,
                                size_t bytes_max, struct qr_buf *pieces, struct qr_lsn *ret_end,
                                struct qr_err *err)
{
    struct qri_segment *segment = qri_logfile_read_from(store, from.v);
    if (segment == NULL)
        return qr_fail(err, QR_NOT_FOUND, "log at LSN %llu is not kept any more",
                       (unsigned long long)from.v);
    struct qri_reader r;
    enum qr_status status =
        qri_reader_init(&r, store, segment, QR_SEGMENT_HEADER_BYTES, segment->first_lsn, err);
    if (status == QR_OK)
        status = read_log(&r, from.v, until, bytes_max, pieces, err);
    if (status == QR_OK)
        *ret_end = qr_lsn(r.lsn < until ? r.lsn : until);
    qri_reader_done(&r);
    qri_logfile_read_done(store);
    return status;
}

enum qr_status qr_archive_log(struct qr_store *store, struct qr_lsn from, size_t bytes_max,
                              struct qr_buf *pieces, struct qr_lsn *ret_end, struct qr_err *err)
{
    uint64_t until = atomic_load(&store->durable_lsn);
    if (!store->checkpointer.ready)
        return qr_fail(err, QR_UNSUPPORTED, "this store keeps no log of its own");
    if (from.v < until)
        return log_until(store, from, until, bytes_max, pieces, ret_end, err);
    *ret_end = from;
    return QR_OK;
}

enum qr_status qri_log_read_rest(struct qr_store *store, uint64_t from, size_t bytes_max,
                                 struct qr_buf *pieces, uint64_t *ret_end, struct qr_err *err)
{
    struct qr_lsn end = qr_lsn(from);
    QR_TRY(log_until(store, qr_lsn(from), UINT64_MAX, bytes_max, pieces, &end, err));
    *ret_end = end.v;
    return QR_OK;
}

void qr_archive_release(struct qr_store *store, struct qr_lsn before)
{
    uint64_t now = atomic_load(&store->log.hold_lsn);
    while (now < before.v && !atomic_compare_exchange_weak(&store->log.hold_lsn, &now, before.v))
        ;
    qri_logfile_drop_before(store, atomic_load(&store->log.unneeded_no));
}
