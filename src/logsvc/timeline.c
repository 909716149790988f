/* timeline.c - the table of timelines, where their log lies, who reads it; see logsvc_int.h */
#include "logsvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static struct qr_str key_of(const struct qr_timeline *id)
{
    return qr_str_n((const char *)id->id, QR_TIMELINE_BYTES);
}

struct qri_timeline *qri_timeline_find(struct qr_logsvc *svc, const struct qr_timeline *id)
{
    return qr_map_get(&svc->timelines, key_of(id));
}

struct qri_timeline *qri_timeline_add(struct qr_logsvc *svc, const struct qr_timeline *id)
{
    struct qri_timeline *tl = calloc(1, sizeof *tl);
    if (tl == NULL || qr_map_put(&svc->timelines, key_of(id), tl) != QR_OK) {
        free(tl);
        return NULL;
    }
    tl->id = *id;
    qr_timeline_hex(id, tl->name);
    return tl;
}

void qri_timeline_created(struct qri_timeline *tl, const struct qr_journal_entry *create)
{
    memcpy(tl->parent.id, create->data, QR_TIMELINE_BYTES);
    tl->start_lsn = create->lsn;
    tl->branch_lsn = create->extra;
    tl->destaged_commit_lsn = create->commit_lsn;
    tl->destaged_wall_ns = create->commit_wall_ns;
    tl->destaged_lsn = tl->ring_floor = tl->journal_floor = create->lsn;
}

void qri_timeline_remove(struct qr_logsvc *svc, struct qri_timeline *tl)
{
    assert(tl->refs == 0 && tl->watches == NULL && tl->piece_count == 0);
    qr_map_remove(&svc->timelines, key_of(&tl->id));
    free(tl->pieces);
    free(tl->places);
    free(tl->readers);
    free(tl);
}

void qri_timeline_unref(struct qr_logsvc *svc, struct qri_timeline *tl)
{
    assert(tl->refs > 0);
    tl->refs--;
    /* Its create was refused, and nobody else holds it. */
    if (tl->refs == 0 && tl->queued.live == QRI_NONE && tl->hard.live == QRI_NONE)
        qri_timeline_remove(svc, tl);
}

void qri_timeline_state(const struct qri_timeline *tl, struct qr_logsvc_state *ret_state)
{
    *ret_state = (struct qr_logsvc_state){
        .epoch = tl->hard.epoch,
        .hardened_lsn = tl->hard.end_lsn,
        .commit_lsn = tl->hard.commit_lsn,
        .commit_wall_ns = tl->hard.commit_wall_ns,
        .destaged_lsn = tl->destaged_lsn,
        .trimmed_lsn = tl->hard.trimmed_lsn,
        .start_lsn = tl->start_lsn,
        .branch_lsn = tl->branch_lsn,
        .parent = tl->parent,
    };
}

/* --- places --- */

/* Room for one more; what was forgotten at the front is used again. */
static bool reserve_place(struct qri_timeline *tl)
{
    if (tl->place_first + tl->place_count < tl->place_capacity)
        return true;
    if (tl->place_first > tl->place_capacity / 2) {
        memmove(tl->places, tl->places + tl->place_first, tl->place_count * sizeof *tl->places);
        tl->place_first = 0;
        return true;
    }
    size_t capacity = tl->place_capacity == 0 ? 4 : tl->place_capacity * 2;
    struct qri_place *places = realloc(tl->places, capacity * sizeof *places);
    if (places == NULL)
        return false;
    tl->places = places;
    tl->place_capacity = capacity;
    return true;
}

bool qri_timeline_add_place(struct qri_timeline *tl, const struct qri_place *place)
{
    if (!reserve_place(tl))
        return false;
    struct qri_place *next = &tl->places[tl->place_first + tl->place_count];
    *next = *place;
    next->log_before =
        tl->place_count == 0 ? 0 : next[-1].log_before + (next[-1].end_lsn - next[-1].lsn);
    tl->place_count++;
    return true;
}

bool qri_timeline_place(struct qri_timeline *tl, const struct qr_journal_entry *append,
                        uint64_t segment_no, uint64_t offset, const struct qri_state *before)
{
    uint64_t end = append->lsn + append->data_bytes;
    if (tl->place_count > 0) {
        struct qri_place *last = &tl->places[tl->place_first + tl->place_count - 1];
        /* one place has no gap, so that the places say how much log there is (qri_timeline_lag) */
        if (last->segment_no == segment_no && last->end_lsn == append->lsn &&
            offset < last->offset + QRI_PLACE_BYTES) {
            last->end_lsn = end;
            return true;
        }
    }
    struct qri_place place = {.lsn = append->lsn,
                              .end_lsn = end,
                              .segment_no = segment_no,
                              .offset = offset,
                              .commit_lsn = before->commit_lsn,
                              .commit_wall_ns = before->commit_wall_ns};
    return qri_timeline_add_place(tl, &place);
}

void qri_timeline_forget_places(struct qri_timeline *tl, uint64_t before_segment_no)
{
    while (tl->place_count > 0 && tl->places[tl->place_first].segment_no < before_segment_no) {
        tl->journal_floor = tl->places[tl->place_first].end_lsn;
        tl->place_first++;
        tl->place_count--;
    }
    if (tl->place_count == 0)
        tl->place_first = 0;
}

/* --- readers --- */

/* How much log before an LSN the places have, from some point on that is the same for all LSNs.
 * Under mu for every reader at every append, of a journal of gigabytes. */
static uint64_t placed_before(const struct qri_timeline *tl, uint64_t lsn)
{
    const struct qri_place *places = tl->places + tl->place_first;
    size_t low = 0, high = tl->place_count;
    while (low < high) { /* places before `low` begin before the LSN, those from `high` on do not */
        size_t mid = low + (high - low) / 2;
        if (places[mid].lsn < lsn)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0)
        return tl->place_count == 0 ? 0 : places[0].log_before;
    const struct qri_place *p = &places[low - 1];
    return p->log_before + (lsn < p->end_lsn ? lsn : p->end_lsn) - p->lsn;
}

/* Log from an LSN on that earlier epochs than the last wrote. Between them LSNs jump, which is no
 * log; of gaps before the journal nothing is known any more. */
static uint64_t earlier_log(const struct qri_timeline *tl, uint64_t lsn)
{
    uint64_t end = tl->hard.prev_end_lsn;
    uint64_t floor = tl->journal_floor < end ? tl->journal_floor : end;
    uint64_t gone = lsn < floor ? floor - lsn : 0;
    return gone + placed_before(tl, end) - placed_before(tl, lsn);
}

uint64_t qri_timeline_lag(const struct qri_timeline *tl, uint64_t lsn)
{
    const struct qri_state *s = &tl->hard;
    if (lsn >= s->end_lsn)
        return 0;
    if (lsn >= s->epoch_first_lsn)
        return s->end_lsn - lsn;
    uint64_t before = lsn < s->prev_end_lsn ? earlier_log(tl, lsn) : 0;
    return before + (s->end_lsn - s->epoch_first_lsn);
}

static struct qri_reader *find_reader(struct qri_timeline *tl, uint64_t id)
{
    for (size_t i = 0; i < tl->reader_count; i++)
        if (tl->readers[i].id == id)
            return &tl->readers[i];
    return NULL;
}

/* A new one; in place of the one silent longest when there are too many. */
static struct qri_reader *new_reader(struct qri_timeline *tl)
{
    if (tl->reader_count == QR_LOGSVC_READERS_MAX) {
        struct qri_reader *oldest = &tl->readers[0];
        for (size_t i = 1; i < tl->reader_count; i++)
            if (tl->readers[i].seen_ns < oldest->seen_ns)
                oldest = &tl->readers[i];
        return oldest;
    }
    if (tl->reader_count == tl->reader_capacity) {
        size_t capacity = tl->reader_capacity == 0 ? 4 : tl->reader_capacity * 2;
        struct qri_reader *readers = realloc(tl->readers, capacity * sizeof *readers);
        if (readers == NULL)
            return NULL;
        tl->readers = readers;
        tl->reader_capacity = capacity;
    }
    return &tl->readers[tl->reader_count++];
}

void qri_reader_seen(struct qr_logsvc *svc, struct qri_timeline *tl,
                     const struct qr_logsvc_cursor *cursor)
{
    if (cursor->reader_id == 0)
        return;
    struct qri_reader *r = find_reader(tl, cursor->reader_id);
    if (r == NULL)
        r = new_reader(tl);
    if (r == NULL)
        return;
    int64_t now = qr_env_mono_ns(svc->env);
    bool behind = cursor->applied_lsn < tl->hard.commit_lsn;
    bool was = r->id == cursor->reader_id && r->behind_ns != 0;
    *r = (struct qri_reader){.id = cursor->reader_id,
                             .applied_lsn = cursor->applied_lsn,
                             .kind = cursor->kind,
                             .seen_ns = now,
                             .behind_ns = !behind ? 0
                                          : was   ? r->behind_ns
                                                  : now};
}

/* One that was seen before the last commit has lacked it since that was made. */
static int64_t behind_for(struct qr_logsvc *svc, const struct qri_timeline *tl,
                          const struct qri_reader *r)
{
    if (r->applied_lsn >= tl->hard.commit_lsn)
        return 0;
    int64_t ns = r->behind_ns != 0 ? qr_env_mono_ns(svc->env) - r->behind_ns
                                   : qr_env_wall_ns(svc->env) - (int64_t)tl->hard.commit_wall_ns;
    return ns > 0 ? ns : 1;
}

enum qr_status qr_logsvc_readers(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                                 struct qr_logsvc_readers *ret_readers, struct qr_err *err)
{
    pthread_mutex_lock(&svc->mu);
    const struct qri_timeline *tl = qri_timeline_find(svc, timeline);
    bool live = tl != NULL && tl->hard.live == QRI_LIVE;
    if (live) {
        int64_t now = qr_env_mono_ns(svc->env);
        *ret_readers = (struct qr_logsvc_readers){.commit_lsn = tl->hard.commit_lsn,
                                                  .commit_wall_ns = tl->hard.commit_wall_ns,
                                                  .count = tl->reader_count};
        for (size_t i = 0; i < tl->reader_count; i++) {
            const struct qri_reader *r = &tl->readers[i];
            ret_readers->items[i] =
                (struct qr_logsvc_reader_info){.id = r->id,
                                               .applied_lsn = r->applied_lsn,
                                               .kind = r->kind,
                                               .lag_bytes = qri_timeline_lag(tl, r->applied_lsn),
                                               .silent_ns = now - r->seen_ns,
                                               .behind_ns = behind_for(svc, tl, r)};
        }
    }
    pthread_mutex_unlock(&svc->mu);
    return live ? QR_OK : qr_fail(err, QR_NOT_FOUND, "there is no such timeline");
}

void qr_logsvc_reader_forget(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                             uint64_t reader_id)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_timeline *tl = qri_timeline_find(svc, timeline);
    struct qri_reader *r = tl == NULL ? NULL : find_reader(tl, reader_id);
    if (r != NULL)
        *r = tl->readers[--tl->reader_count];
    pthread_mutex_unlock(&svc->mu);
}

/* From nothing at the limit to the most at twice the limit. */
static void slow_down(struct qr_logsvc *svc, struct qr_logsvc_throttle *t,
                      enum qr_logsvc_reason reason, uint64_t lag, uint64_t limit)
{
    if (lag <= limit)
        return;
    uint64_t over = lag - limit < limit ? lag - limit : limit;
    uint32_t delay = (uint32_t)((double)svc->options.delay_us_max * (double)over / (double)limit);
    if (delay >= t->delay_us) {
        t->delay_us = delay;
        t->reason = reason;
    }
}

struct qr_logsvc_throttle qri_throttle(struct qr_logsvc *svc, struct qri_timeline *tl)
{
    const struct qr_logsvc_options *o = &svc->options;
    struct qr_logsvc_throttle t = {.delay_us = 0};
    uint64_t journal = svc->segment_count * o->segment_bytes;
    slow_down(svc, &t, QR_THROTTLE_LOCAL, journal, o->journal_bytes_max / 4 * 3);
    int64_t now = tl->reader_count > 0 ? qr_env_mono_ns(svc->env) : 0;
    for (size_t i = 0; i < tl->reader_count; i++) {
        const struct qri_reader *r = &tl->readers[i];
        if (now - r->seen_ns > o->reader_ttl_ns || r->kind == QR_READER_OTHER)
            continue;
        bool pages = r->kind == QR_READER_PAGES;
        slow_down(svc, &t, pages ? QR_THROTTLE_STORAGE : QR_THROTTLE_REPLICA,
                  qri_timeline_lag(tl, r->applied_lsn),
                  pages ? o->storage_lag_bytes : o->replica_lag_bytes);
    }
    if (o->blob != NULL)
        slow_down(svc, &t, QR_THROTTLE_DESTAGE, qri_timeline_lag(tl, tl->destaged_lsn),
                  o->destage_lag_bytes);
    return t;
}

enum qr_status qr_logsvc_state(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                               struct qr_logsvc_state *ret_state, struct qr_err *err)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_timeline *tl = qri_timeline_find(svc, timeline);
    bool live = tl != NULL && tl->hard.live == QRI_LIVE;
    bool damaged = live && tl->damaged;
    if (live)
        qri_timeline_state(tl, ret_state);
    pthread_mutex_unlock(&svc->mu);
    if (!live)
        return qr_fail(err, QR_NOT_FOUND, "no such timeline");
    return damaged ? qr_fail(err, QR_CORRUPT, "the journal lost log of this timeline") : QR_OK;
}
