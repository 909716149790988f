/* find.c - from a time to the last commit at or before it; see logsvc/logsvc.h.
 *
 * Headers of long-term objects and places of the journal say which commit came before them: the
 * latest of these that is not too late is where decoding of records starts, because the end of a
 * commit mark is where a record begins. */
#include "logsvc_int.h"
#include <string.h>
#include "page/record.h"
#include "base/banned.h"

enum { STEP_BYTES = 1 << 20 };

struct found {
    uint64_t lsn, wall_ns; /* the best commit so far; wall_ns is at or before what is looked for */
    bool any;
};

static void offer(struct found *f, uint64_t lsn, uint64_t wall_ns, uint64_t wanted_ns)
{
    if (lsn == 0 || wall_ns > wanted_ns || (f->any && lsn < f->lsn))
        return;
    *f = (struct found){lsn, wall_ns, true};
}

static enum qr_status search_longterm(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                      uint64_t low, uint64_t high, uint64_t wanted_ns,
                                      struct found *f, struct qr_err *err)
{
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        struct qr_log_object o;
        enum qr_status status = qri_longterm_find(svc, tl, mid, &o, err);
        if (status != QR_OK && status != QR_NOT_FOUND)
            return status;
        if (status == QR_NOT_FOUND || o.before_wall_ns > wanted_ns) {
            high = status == QR_OK && o.first_lsn < mid ? o.first_lsn : mid;
            continue;
        }
        offer(f, o.before_commit_lsn, o.before_wall_ns, wanted_ns);
        offer(f, o.commit_lsn, o.commit_wall_ns, wanted_ns);
        if (o.commit_wall_ns > wanted_ns)
            return QR_OK;
        low = o.end_lsn;
    }
    return QR_OK;
}

/* Records from f->lsn on. They may span pieces, but not a jump into another epoch. */
struct walk {
    struct found *f;
    uint64_t wanted_ns, until_lsn;
    struct qr_buf carry;
    uint64_t carry_lsn;
    bool over;
};

static enum qr_status walk_carry(struct walk *w, struct qr_err *err)
{
    size_t at = 0;
    while (!w->over) {
        struct qr_record rec;
        enum qr_status status = qr_record_decode(w->carry.data + at, w->carry.len - at, &rec, err);
        if (status == QR_TRUNCATED)
            break;
        QR_TRY(status);
        at += rec.bytes;
        if (rec.kind != QR_RECORD_COMMIT)
            continue;
        uint64_t lsn = w->carry_lsn + at;
        w->over = rec.commit.wall_ns > w->wanted_ns || lsn >= w->until_lsn;
        if (rec.commit.wall_ns <= w->wanted_ns)
            *w->f = (struct found){lsn, rec.commit.wall_ns, true};
    }
    qr_buf_consume(&w->carry, at);
    w->carry_lsn += at;
    return QR_OK;
}

static enum qr_status walk_pieces(struct walk *w, const struct qr_buf *pieces, uint64_t *next,
                                  struct qr_err *err)
{
    for (size_t at = 0; at < pieces->len && !w->over;) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(pieces->data, pieces->len, &at, &piece, err));
        if ((piece.flags & QR_PIECE_NEW_EPOCH) != 0 || piece.first_lsn != *next) {
            qr_buf_clear(&w->carry); /* what the epoch before left unfinished is void */
            w->carry_lsn = piece.first_lsn;
        }
        qr_buf_add(&w->carry, piece.data, piece.bytes);
        QR_TRY(qr_buf_status(&w->carry, err));
        QR_TRY(walk_carry(w, err));
        *next = piece.first_lsn + piece.bytes;
    }
    return QR_OK;
}

static enum qr_status walk_records(struct qr_logsvc *svc, struct qri_timeline *tl, struct walk *w,
                                   struct qr_err *err)
{
    uint64_t next = w->f->lsn > tl->start_lsn ? w->f->lsn : tl->start_lsn;
    w->carry_lsn = next;
    struct qr_buf pieces;
    qr_buf_init(&pieces, QR_LOG_OBJECT_BYTES_MAX);
    enum qr_status status = QR_OK;
    while (status == QR_OK && !w->over) {
        qr_buf_clear(&pieces);
        status = qri_read(svc, tl, next, STEP_BYTES, &pieces, err);
        if (status == QR_OK && pieces.len == 0)
            break;
        if (status == QR_OK)
            status = walk_pieces(w, &pieces, &next, err);
    }
    qr_buf_done(&pieces);
    return status;
}

/* With a reference to the timeline. */
static enum qr_status find_in(struct qr_logsvc *svc, struct qri_timeline *tl, uint64_t wall_ns,
                              struct found *f, struct qr_err *err)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_state s = tl->hard;
    uint64_t destaged = tl->destaged_lsn;
    for (size_t i = 0; i < tl->place_count; i++) {
        const struct qri_place *p = &tl->places[tl->place_first + i];
        offer(f, p->commit_lsn, p->commit_wall_ns, wall_ns);
    }
    offer(f, tl->destaged_commit_lsn, tl->destaged_wall_ns, wall_ns);
    offer(f, s.commit_lsn, s.commit_wall_ns, wall_ns);
    pthread_mutex_unlock(&svc->mu);
    if (f->any && f->lsn == s.commit_lsn)
        return QR_OK;
    uint64_t low = s.trimmed_lsn > tl->start_lsn ? s.trimmed_lsn : tl->start_lsn;
    if (!f->any && svc->options.blob != NULL)
        QR_TRY(search_longterm(svc, tl, low, destaged, wall_ns, f, err));
    if (!f->any || f->lsn < s.trimmed_lsn)
        return qr_fail(err, QR_NOT_FOUND, "the log that is kept begins later");
    struct walk w = {.f = f, .wanted_ns = wall_ns, .until_lsn = s.commit_lsn};
    qr_buf_init(&w.carry, QR_LOG_OBJECT_BYTES_MAX + 2 * QR_RECORD_BYTES_MAX);
    enum qr_status status = walk_records(svc, tl, &w, err);
    qr_buf_done(&w.carry);
    return status;
}

enum qr_status qr_logsvc_find(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                              uint64_t wall_ns, uint64_t *ret_commit_lsn,
                              uint64_t *ret_commit_wall_ns, struct qr_err *err)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_timeline *tl = qri_timeline_find(svc, timeline);
    if (tl != NULL && tl->hard.live != QRI_LIVE)
        tl = NULL;
    if (tl != NULL)
        tl->refs++;
    pthread_mutex_unlock(&svc->mu);
    if (tl == NULL)
        return qr_fail(err, QR_NOT_FOUND, "no such timeline");
    struct found f = {.any = false};
    enum qr_status status = find_in(svc, tl, wall_ns, &f, err);
    pthread_mutex_lock(&svc->mu);
    qri_timeline_unref(svc, tl);
    pthread_mutex_unlock(&svc->mu);
    if (status == QR_OK) {
        *ret_commit_lsn = f.lsn;
        *ret_commit_wall_ns = f.wall_ns;
    }
    return status;
}
