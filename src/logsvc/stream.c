/* stream.c - destages many timelines in one pass over the journal; see logsvc_int.h.
 *
 * Log that has left the ring lies in the journal among that of all other timelines. Reading it back
 * timeline by timeline would read the same blocks once for each; one pass reads every block once
 * and deals its entries out. */
#include "logsvc_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { GATHERED_BYTES_MAX = 64 << 20, SCANNED_BYTES_MAX = 256 << 20 };

/* One timeline's next object. */
struct slot {
    struct qri_timeline *tl; /* NULL: not in this pass, or not any more */
    struct qr_log_object object;
    struct qr_buf buf;
    size_t last_at;
    uint64_t next_lsn;
};

struct stream {
    struct qr_logsvc *svc;
    struct slot *slots;
    size_t slot_count, gathered;
    uint64_t segment_no, offset; /* of the next block */
    uint64_t scanned;
    struct qri_window window;
};

static void slot_reset(struct stream *s, struct slot *slot, uint64_t first_lsn)
{
    pthread_mutex_lock(&s->svc->mu);
    const struct qri_timeline *tl = slot->tl;
    slot->object = (struct qr_log_object){.timeline = tl->id,
                                          .first_lsn = first_lsn,
                                          .before_commit_lsn = tl->destaged_commit_lsn,
                                          .before_wall_ns = tl->destaged_wall_ns,
                                          .commit_lsn = tl->destaged_commit_lsn,
                                          .commit_wall_ns = tl->destaged_wall_ns};
    pthread_mutex_unlock(&s->svc->mu);
    qr_buf_clear(&slot->buf);
    qr_buf_fill(&slot->buf, 0, QR_LOG_OBJECT_HEADER_BYTES);
    slot->last_at = SIZE_MAX;
    slot->next_lsn = first_lsn;
}

static enum qr_status slot_put(struct stream *s, struct slot *slot, struct qr_err *err)
{
    if (slot->tl == NULL)
        return QR_OK;
    QR_TRY(qr_buf_status(&slot->buf, err)); /* first: a piece that found no room must not be lost */
    if (slot->buf.len <= QR_LOG_OBJECT_HEADER_BYTES)
        return QR_OK;
    s->gathered -= slot->buf.len;
    slot->object.end_lsn = slot->next_lsn;
    QR_TRY(qri_longterm_store(s->svc, slot->tl, &slot->buf, &slot->object, err));
    uint64_t end = slot->object.end_lsn;
    if (end < slot->next_lsn) /* a shorter one was there: the rest comes in another pass */
        slot->tl = NULL;
    else
        slot_reset(s, slot, end);
    return QR_OK;
}

static enum qr_status put_all(struct stream *s, struct qr_err *err)
{
    for (size_t i = 0; i < s->slot_count; i++)
        QR_TRY(slot_put(s, &s->slots[i], err));
    return QR_OK;
}

static enum qr_status take_entry(struct stream *s, struct slot *slot,
                                 const struct qr_journal_entry *e, struct qr_err *err)
{
    bool jumps = e->lsn > slot->next_lsn && (e->flags & QR_JOURNAL_NEW_EPOCH) != 0;
    if (e->lsn + e->data_bytes <= slot->next_lsn)
        return QR_OK;
    if (jumps) {
        QR_TRY(slot_put(s, slot, err));
        if (slot->tl != NULL)
            slot_reset(s, slot, e->lsn);
    }
    if (slot->tl == NULL || e->lsn != slot->next_lsn) { /* a hole: whoever reads it alone tells */
        QR_TRY(slot_put(s, slot, err));
        slot->tl = NULL;
        return QR_OK;
    }
    size_t before = slot->buf.len;
    qr_piece_add(&slot->buf, &slot->last_at,
                 &(struct qr_piece){.first_lsn = e->lsn,
                                    .epoch = e->epoch,
                                    .commit_lsn = e->commit_lsn,
                                    .commit_wall_ns = e->commit_wall_ns,
                                    .bytes = e->data_bytes,
                                    .flags = e->flags,
                                    .data = e->data});
    s->gathered += slot->buf.len - (before > QR_LOG_OBJECT_HEADER_BYTES ? before : 0);
    slot->next_lsn += e->data_bytes;
    if (e->commit_lsn != 0) {
        slot->object.commit_lsn = e->commit_lsn;
        slot->object.commit_wall_ns = e->commit_wall_ns;
    }
    bool full = slot->buf.len - QR_LOG_OBJECT_HEADER_BYTES >= s->svc->options.object_bytes;
    return full ? slot_put(s, slot, err) : QR_OK;
}

static enum qr_status take_block(struct stream *s, const uint8_t *block,
                                 const struct qr_journal_block *h, struct qr_err *err)
{
    size_t at = 0;
    for (uint32_t i = 0; i < h->entry_count; i++) {
        struct qr_journal_entry e;
        QR_TRY(qr_journal_entry_next(block + QR_JOURNAL_BLOCK_HEADER_BYTES, h->payload_bytes, &at,
                                     &e, err));
        for (size_t k = 0; e.kind == QR_JOURNAL_APPEND && k < s->slot_count; k++)
            if (s->slots[k].tl != NULL && qr_timeline_eq(&s->slots[k].tl->id, &e.timeline)) {
                QR_TRY(take_entry(s, &s->slots[k], &e, err));
                break;
            }
    }
    return s->gathered > GATHERED_BYTES_MAX ? put_all(s, err) : QR_OK;
}

static bool is_over(const struct stream *s)
{
    return s->scanned >= SCANNED_BYTES_MAX || atomic_load(&s->svc->stopping);
}

/* Up to what was hardened when the segment was looked at. */
static enum qr_status scan_segment(struct stream *s, struct qri_segment *segment,
                                   uint64_t end_offset, struct qr_err *err)
{
    while (s->offset < end_offset && !is_over(s)) {
        struct qr_journal_block h;
        const uint8_t *block;
        QR_TRY(qri_window_load(&s->window, segment, s->offset, end_offset, &block, &h, err));
        QR_TRY(take_block(s, block, &h, err));
        uint64_t bytes = qr_journal_block_file_bytes(h.payload_bytes);
        s->offset += bytes;
        s->scanned += bytes;
    }
    return QR_OK;
}

static enum qr_status scan(struct stream *s, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    for (bool last = false; !last && status == QR_OK && !is_over(s);) {
        struct qri_segment *segment = qri_segment_ref(s->svc, s->segment_no);
        if (segment == NULL)
            break;
        pthread_mutex_lock(&s->svc->mu);
        uint64_t end_offset = segment->end_offset;
        last = s->svc->current == segment;
        pthread_mutex_unlock(&s->svc->mu);
        status = scan_segment(s, segment, end_offset, err);
        qri_segment_unref(s->svc, segment);
        if (!last && s->offset >= end_offset) {
            s->segment_no++;
            s->offset = QR_JOURNAL_HEADER_BYTES;
        }
    }
    return status;
}

/* Where the log behind the timeline's destaged LSN begins; with mu held. */
static const struct qri_place *start_place(const struct qri_timeline *tl)
{
    const struct qri_place *found = NULL;
    for (size_t i = 0; i < tl->place_count; i++) {
        const struct qri_place *p = &tl->places[tl->place_first + i];
        if (found != NULL && p->lsn > tl->destaged_lsn)
            break;
        found = p;
    }
    return found;
}

/* Makes slots for those whose log is not in memory any more, and finds where to begin. */
static void choose(struct stream *s, struct qri_timeline **timelines, size_t count)
{
    pthread_mutex_lock(&s->svc->mu);
    for (size_t i = 0; i < count; i++) {
        const struct qri_place *p = start_place(timelines[i]);
        if (p == NULL || timelines[i]->destaged_lsn >= timelines[i]->ring_floor)
            continue;
        bool first = s->slot_count == 0;
        if (first || p->segment_no < s->segment_no ||
            (p->segment_no == s->segment_no && p->offset < s->offset)) {
            s->segment_no = p->segment_no;
            s->offset = p->offset;
        }
        s->slots[s->slot_count].tl = timelines[i];
        s->slots[s->slot_count++].next_lsn = timelines[i]->destaged_lsn;
    }
    pthread_mutex_unlock(&s->svc->mu);
    for (size_t i = 0; i < s->slot_count; i++) {
        qr_buf_init(&s->slots[i].buf, QR_LOG_OBJECT_BYTES_MAX);
        slot_reset(s, &s->slots[i], s->slots[i].next_lsn);
    }
}

enum qr_status qri_stream_pass(struct qr_logsvc *svc, struct qri_timeline **timelines, size_t count,
                               struct qr_err *err)
{
    struct stream s = {.svc = svc, .slots = calloc(count, sizeof *s.slots)};
    enum qr_status status = qri_window_init(&s.window, svc, SCANNED_BYTES_MAX, err);
    if (s.slots == NULL)
        status = qr_fail(err, QR_NOMEM, "pass over the journal");
    if (status == QR_OK)
        choose(&s, timelines, count);
    if (status == QR_OK && s.slot_count > 1)
        status = scan(&s, err);
    if (status == QR_OK && s.slot_count > 1)
        status = put_all(&s, err);
    for (size_t i = 0; i < s.slot_count; i++)
        qr_buf_done(&s.slots[i].buf);
    free(s.slots);
    qri_window_done(&s.window);
    /* A damaged block: the timelines one by one find out whose log it hurt. */
    return status == QR_CORRUPT ? QR_OK : status;
}
