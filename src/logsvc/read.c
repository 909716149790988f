/* read.c - hardened log from the ring, the journal or long-term storage; see logsvc_int.h */
#include "logsvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { PIECES_AT_ONCE = 256 };

void qri_log_emit_init(struct qri_log_emit *emit, struct qr_buf *buf, uint64_t from_lsn,
                       uint64_t until_lsn, size_t bytes_max)
{
    *emit = (struct qri_log_emit){.buf = buf,
                                  .last_at = SIZE_MAX,
                                  .bytes_max = bytes_max,
                                  .next_lsn = from_lsn,
                                  .until_lsn = until_lsn};
}

enum qr_status qri_log_emit_piece(struct qri_log_emit *emit, const struct qr_piece *piece,
                                  struct qr_err *err)
{
    struct qr_piece p = *piece;
    uint64_t end = p.first_lsn + p.bytes;
    if (end <= emit->next_lsn)
        return QR_OK;
    if (p.first_lsn >= emit->until_lsn) {
        emit->full = true;
        return QR_OK;
    }
    if (p.first_lsn > emit->next_lsn && (p.flags & QR_PIECE_NEW_EPOCH) == 0)
        return qr_fail(err, QR_CORRUPT, "log from %llu to %llu is lost",
                       (unsigned long long)emit->next_lsn, (unsigned long long)p.first_lsn);
    if (p.first_lsn < emit->next_lsn) {
        uint32_t cut = (uint32_t)(emit->next_lsn - p.first_lsn);
        p.first_lsn += cut;
        p.data += cut;
        p.bytes -= cut;
        p.flags = 0;
        if (p.commit_lsn <= p.first_lsn)
            p.commit_lsn = p.commit_wall_ns = 0;
    }
    if (emit->bytes > 0 && emit->bytes + p.bytes > emit->bytes_max) {
        emit->full = true;
        return QR_OK;
    }
    qr_piece_add(emit->buf, &emit->last_at, &p);
    emit->next_lsn = end;
    emit->bytes += p.bytes;
    emit->full = emit->bytes >= emit->bytes_max || end >= emit->until_lsn;
    return qr_buf_status(emit->buf, err);
}

/* --- memory --- */

struct borrowed {
    struct qri_piece *pieces[PIECES_AT_ONCE];
    size_t count;
};

/* With mu held. False: the log at from_lsn was here once. */
static bool borrow(struct qri_timeline *tl, uint64_t from_lsn, size_t bytes_max, struct borrowed *b)
{
    if (from_lsn < tl->ring_floor)
        return false;
    size_t bytes = 0;
    for (size_t i = qri_ring_find(tl, from_lsn);
         i < tl->piece_count && b->count < PIECES_AT_ONCE && bytes < bytes_max; i++) {
        struct qri_piece *piece = qri_ring_at(tl, i);
        atomic_fetch_add(&piece->refs, 1);
        b->pieces[b->count++] = piece;
        bytes += piece->bytes;
    }
    return true;
}

/* Room for all at once: a buffer that grows by and by is copied as often. */
static void reserve(struct qr_buf *buf, uint64_t bytes, size_t bytes_max)
{
    if (bytes > bytes_max)
        bytes = bytes_max;
    if (bytes < buf->bytes_max - buf->len)
        (void)qr_buf_reserve(buf, bytes);
}

static uint64_t bytes_of(const struct borrowed *b)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->count; i++)
        bytes += QR_PIECE_HEADER_BYTES + b->pieces[i]->bytes;
    return bytes;
}

static enum qr_status emit_borrowed(struct qri_log_emit *emit, struct borrowed *b,
                                    struct qr_err *err)
{
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < b->count; i++) {
        struct qri_piece *p = b->pieces[i];
        if (status == QR_OK && !emit->full)
            status = qri_log_emit_piece(emit,
                                        &(struct qr_piece){.first_lsn = p->lsn,
                                                           .epoch = p->epoch,
                                                           .commit_lsn = p->commit_lsn,
                                                           .commit_wall_ns = p->commit_wall_ns,
                                                           .bytes = p->bytes,
                                                           .flags = p->flags,
                                                           .data = p->data},
                                        err);
        qri_piece_unref(p);
    }
    return status;
}

enum qr_status qri_read_memory(struct qr_logsvc *svc, struct qri_timeline *tl, uint64_t from_lsn,
                               size_t bytes_max, struct qr_buf *buf, bool *ret_complete,
                               struct qr_err *err)
{
    struct borrowed b = {.count = 0};
    pthread_mutex_lock(&svc->mu);
    uint64_t end = tl->hard.end_lsn;
    bool complete = from_lsn >= end || borrow(tl, from_lsn, bytes_max, &b);
    pthread_mutex_unlock(&svc->mu);
    struct qri_log_emit emit;
    qri_log_emit_init(&emit, buf, from_lsn, end, bytes_max);
    reserve(buf, bytes_of(&b), bytes_max);
    QR_TRY(emit_borrowed(&emit, &b, err));
    *ret_complete = complete;
    return QR_OK;
}

/* --- the journal --- */

/* One place as it was found, with its segment held. */
struct held_place {
    struct qri_place place;
    struct qri_segment *segment;
    uint64_t end_offset;  /* look at blocks before this */
    uint64_t hard_offset; /* what the segment has before this is hardened */
};

/* The place to look at for `lsn`; behind the one at after_lsn if that is not 0. False: there is
 * none, or none any more: what is left then may begin with a later epoch, and look like the next.
 */
static bool hold_place(struct qr_logsvc *svc, struct qri_timeline *tl, uint64_t lsn,
                       uint64_t after_lsn, struct held_place *ret_held)
{
    bool found = false;
    pthread_mutex_lock(&svc->mu);
    const struct qri_place *places = tl->places + tl->place_first;
    size_t low = 0, high = tl->place_count; /* binary search: the last with place.lsn <= lsn */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (places[mid].lsn <= lsn)
            low = mid + 1;
        else
            high = mid;
    }
    size_t i = lsn < tl->journal_floor ? tl->place_count : low > 0 ? low - 1 : 0;
    while (after_lsn != 0 && i < tl->place_count && places[i].lsn <= after_lsn)
        i++;
    if (i < tl->place_count) {
        struct qri_segment *s = svc->segments;
        while (s != NULL && s->no != places[i].segment_no)
            s = s->next;
        if (s != NULL) {
            s->refs++;
            uint64_t end = places[i].offset + QRI_PLACE_BYTES;
            *ret_held = (struct held_place){.place = places[i],
                                            .segment = s,
                                            .end_offset = end < s->end_offset ? end : s->end_offset,
                                            .hard_offset = s->end_offset};
            found = true;
        }
    }
    pthread_mutex_unlock(&svc->mu);
    return found;
}

/* *ret_bytes: what the block has of the timeline's log, unless the answer is full before its end.
 */
static enum qr_status emit_block(const struct qri_timeline *tl, const uint8_t *block,
                                 const struct qr_journal_block *h, struct qri_log_emit *emit,
                                 size_t *ret_bytes, struct qr_err *err)
{
    size_t at = 0;
    *ret_bytes = 0;
    for (uint32_t i = 0; i < h->entry_count && !emit->full; i++) {
        struct qr_journal_entry e;
        QR_TRY(qr_journal_entry_next(block + QR_JOURNAL_BLOCK_HEADER_BYTES, h->payload_bytes, &at,
                                     &e, err));
        if (e.kind != QR_JOURNAL_APPEND || !qr_timeline_eq(&e.timeline, &tl->id))
            continue;
        *ret_bytes += e.data_bytes;
        QR_TRY(qri_log_emit_piece(emit,
                                  &(struct qr_piece){.first_lsn = e.lsn,
                                                     .epoch = e.epoch,
                                                     .commit_lsn = e.commit_lsn,
                                                     .commit_wall_ns = e.commit_wall_ns,
                                                     .bytes = e.data_bytes,
                                                     .flags = e.flags,
                                                     .data = e.data},
                                  err));
    }
    return QR_OK;
}

static enum qr_status emit_place(const struct qri_timeline *tl, const struct held_place *held,
                                 struct qri_window *window, struct qri_log_emit *emit,
                                 struct qr_err *err)
{
    uint64_t offset = held->place.offset;
    while (offset < held->end_offset && !emit->full) {
        struct qr_journal_block h;
        const uint8_t *block;
        QR_TRY(qr_wrap(
            err, qri_window_load(window, held->segment, offset, held->hard_offset, &block, &h, err),
            "journal segment %llu, offset %llu", (unsigned long long)held->segment->no,
            (unsigned long long)offset));
        size_t bytes = 0; /* the block's may be other timelines', the emitted ones half of these */
        QR_TRY(emit_block(tl, block, &h, emit, &bytes, err));
        offset += qr_journal_block_file_bytes(h.payload_bytes);
        /* The next block has as much of it, mostly. It is read whole or not at all, not twice. */
        emit->full = emit->full || (emit->bytes > 0 && emit->bytes + bytes > emit->bytes_max);
    }
    return QR_OK;
}

static enum qr_status read_journal(struct qr_logsvc *svc, struct qri_timeline *tl,
                                   struct qri_log_emit *emit, struct qr_err *err)
{
    struct qri_window window;
    struct held_place held;
    uint64_t left = emit->until_lsn - emit->next_lsn; /* gaps between epochs included */
    reserve(emit->buf, left + (left >> 6) + QR_PIECE_HEADER_BYTES, emit->bytes_max);
    enum qr_status status = qri_window_init(&window, svc, emit->bytes_max, err);
    for (uint64_t after = 0;
         status == QR_OK && !emit->full && hold_place(svc, tl, emit->next_lsn, after, &held);
         after = held.place.lsn) {
        status = emit_place(tl, &held, &window, emit, err);
        if (status == QR_CORRUPT)
            qri_places_drop(svc, held.segment->no);
        qri_segment_unref(svc, held.segment);
    }
    qri_window_done(&window);
    if (status == QR_OK && emit->bytes == 0)
        status = qr_fail(err, QR_CORRUPT, "log at %llu is not in the journal",
                         (unsigned long long)emit->next_lsn);
    return status;
}

/* --- anywhere --- */

enum qr_status qri_read(struct qr_logsvc *svc, struct qri_timeline *tl, uint64_t from_lsn,
                        size_t bytes_max, struct qr_buf *buf, struct qr_err *err)
{
    bool in_memory = false;
    uint64_t from = from_lsn > tl->start_lsn ? from_lsn : tl->start_lsn;
    QR_TRY(qri_read_memory(svc, tl, from, bytes_max, buf, &in_memory, err));
    if (in_memory)
        return QR_OK;
    pthread_mutex_lock(&svc->mu);
    uint64_t end = tl->hard.end_lsn, trimmed = tl->hard.trimmed_lsn;
    bool in_journal = from >= tl->journal_floor;
    bool in_longterm = svc->options.blob != NULL && from < tl->destaged_lsn;
    pthread_mutex_unlock(&svc->mu);
    if (from < trimmed)
        return qr_fail(err, QR_NOT_FOUND, "log before %llu was trimmed",
                       (unsigned long long)trimmed);
    struct qri_log_emit emit;
    qri_log_emit_init(&emit, buf, from, end, bytes_max);
    enum qr_status status = QR_CORRUPT;
    size_t before = buf->len;
    if (in_journal) {
        status = read_journal(svc, tl, &emit, err);
        if (status == QR_CORRUPT && emit.bytes > 0)
            return QR_OK;             /* up to the hole; who asks there is told */
        pthread_mutex_lock(&svc->mu); /* it may have been moved meanwhile */
        in_longterm = svc->options.blob != NULL && from < tl->destaged_lsn;
        pthread_mutex_unlock(&svc->mu);
        if (status == QR_OK || !in_longterm)
            return status;
        buf->len = before;
        qri_log_emit_init(&emit, buf, from, end, bytes_max);
    }
    return qri_longterm_read(svc, tl, &emit, err);
}

enum qr_status qr_logsvc_read(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                              uint64_t from_lsn, size_t bytes_max, struct qr_buf *buf,
                              struct qr_logsvc_state *ret_state, struct qr_err *err)
{
    struct qr_logsvc_state state;
    pthread_mutex_lock(&svc->mu);
    struct qri_timeline *tl = qri_timeline_find(svc, timeline);
    if (tl != NULL && tl->hard.live != QRI_LIVE)
        tl = NULL;
    bool damaged = tl != NULL && tl->damaged;
    if (tl != NULL) {
        tl->refs++;
        qri_timeline_state(tl, &state);
    }
    pthread_mutex_unlock(&svc->mu);
    if (tl == NULL)
        return qr_fail(err, QR_NOT_FOUND, "no such timeline");
    size_t max = bytes_max < QR_LOGSVC_READ_BYTES_MAX ? bytes_max : QR_LOGSVC_READ_BYTES_MAX;
    enum qr_status status = QR_OK;
    if (damaged && from_lsn >= state.hardened_lsn)
        status = qr_fail(err, QR_CORRUPT, "log of this timeline behind %llu is lost",
                         (unsigned long long)state.hardened_lsn);
    else
        status = qri_read(svc, tl, from_lsn, max, buf, err);
    if (status == QR_OK)
        *ret_state = state;
    pthread_mutex_lock(&svc->mu);
    qri_timeline_unref(svc, tl);
    pthread_mutex_unlock(&svc->mu);
    return status;
}
