/* destage.c - moves log to long-term storage, deletes what was given up, drops journal segments;
 * see logsvc_int.h. Runs under destage_mu. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { CANDIDATES_MAX = 64, DELETES_AT_ONCE = 32, RESERVE_BYTES = 512 << 20 };

static const int64_t PERIOD_NS = 250000000, RETRY_NS = 1000000000;

struct candidates {
    struct qri_timeline *tl[CANDIDATES_MAX]; /* each with a reference */
    size_t count;
};

typedef bool want_fn(const struct qr_logsvc *svc, const struct qri_timeline *tl);

static uint64_t in_use(const struct qr_logsvc *svc)
{
    return svc->segment_count * svc->options.segment_bytes;
}

static bool wants_destage(const struct qr_logsvc *svc, const struct qri_timeline *tl)
{
    if (tl->hard.live != QRI_LIVE || tl->destaged_lsn >= tl->hard.end_lsn)
        return false;
    bool pressed = in_use(svc) > svc->options.journal_bytes_max / 2 || atomic_load(&svc->no_room);
    int64_t age = qr_env_mono_ns(svc->env) - tl->undestaged_since_ns;
    if (pressed || svc->load.puts_off)
        return pressed;
    return age >= svc->options.destage_age_ns ||
           qri_timeline_lag(tl, tl->destaged_lsn) >= svc->options.object_bytes;
}

/* Little is left of what was put off: the next burst may put off again. */
static bool has_caught_up(const struct qr_logsvc *svc)
{
    uint64_t little = svc->options.journal_bytes_max / 16, few = 4 * svc->options.segment_bytes;
    return in_use(svc) <= (little > few ? little : few);
}

/* Destaging needs room of its own where journal and long-term storage share a disk. */
static bool has_room_later(const struct qr_logsvc *svc)
{
    const struct qr_logsvc_options *o = &svc->options;
    return o->free_bytes == NULL || o->free_bytes(o->free_ctx) / 2 >= in_use(svc) + RESERVE_BYTES;
}

/* While log comes faster than busy_bytes_per_s its writers have the processors and the disk: what
 * is destaged waits, as long as the journal has room (wants_destage), can grow and can be destaged
 * later, and for six times the age at which log is destaged otherwise: counted from when it began
 * to wait, pauses or not, until it has been caught up with. */
static void judge_load(struct qr_logsvc *svc)
{
    struct qri_load *load = &svc->load;
    const int64_t age = svc->options.destage_age_ns;
    int64_t now = qr_env_mono_ns(svc->env), passed = now - load->at_ns;
    pthread_mutex_lock(&svc->mu);
    uint64_t bytes = svc->stats.append_bytes;
    pthread_mutex_unlock(&svc->mu);
    if (load->at_ns == 0 || passed >= age / 40) {
        double rate = (double)(bytes - load->bytes) * 1e9 / (double)(passed > 0 ? passed : 1);
        bool busy = load->at_ns != 0 && rate >= (double)svc->options.busy_bytes_per_s;
        if (busy)
            load->busy_ns = now;
        if (busy && load->since_ns == 0)
            load->since_ns = now;
        else if (!busy && now - load->busy_ns >= age / 10 && has_caught_up(svc))
            load->since_ns = 0;
        load->at_ns = now;
        load->bytes = bytes;
    }
    load->puts_off = load->since_ns != 0 && now - load->since_ns < 6 * age &&
                     now - load->busy_ns < age / 10 && !atomic_load(&svc->no_room) &&
                     has_room_later(svc);
}

static bool wants_delete(const struct qr_logsvc *svc, const struct qri_timeline *tl)
{
    (void)svc;
    return (tl->hard.live == QRI_DROPPED && !tl->deleted) ||
           (tl->hard.live == QRI_LIVE && tl->hard.trimmed_lsn > tl->deleted_lsn);
}

/* From place `*from` of the map on, which is behind the last one then if there are more: so that
 * many that always want something take turns. */
static void collect(struct qr_logsvc *svc, want_fn *wants, size_t *from, struct candidates *c)
{
    const struct qr_map_entry *entry;
    c->count = 0;
    pthread_mutex_lock(&svc->mu);
    size_t first = *from, i = first;
    for (bool wrapped = false; c->count < CANDIDATES_MAX && (!wrapped || i < first);) {
        if (!qr_map_next(&svc->timelines, &i, &entry)) {
            if (wrapped)
                break;
            wrapped = true;
            i = 0;
            continue;
        }
        struct qri_timeline *tl = entry->value;
        if (!wants(svc, tl) || (wrapped && i > first))
            continue;
        tl->refs++;
        c->tl[c->count++] = tl;
    }
    *from = c->count == CANDIDATES_MAX ? i : 0;
    pthread_mutex_unlock(&svc->mu);
}

static void release(struct qr_logsvc *svc, struct candidates *c)
{
    pthread_mutex_lock(&svc->mu);
    for (size_t i = 0; i < c->count; i++)
        qri_timeline_unref(svc, c->tl[i]);
    pthread_mutex_unlock(&svc->mu);
}

/* The log at the destaged LSN is lost: goes on behind the hole, so that one damaged timeline does
 * not fill the journal for all. */
static void skip_hole(struct qr_logsvc *svc, struct qri_timeline *tl)
{
    pthread_mutex_lock(&svc->mu);
    uint64_t from = tl->destaged_lsn, to = tl->hard.end_lsn;
    for (size_t i = tl->place_count; i-- > 0;)
        if (tl->places[tl->place_first + i].lsn > from)
            to = tl->places[tl->place_first + i].lsn;
    tl->destaged_lsn = to;
    tl->damaged = true;
    pthread_mutex_unlock(&svc->mu);
    QR_LOG(&svc->options.log, QR_ERROR, "log_lost", QR_F("timeline", tl->name),
           QR_F("from_lsn", from), QR_F("to_lsn", to));
}

static bool wants_skip(const struct qr_logsvc *svc, const struct qri_timeline *tl)
{
    (void)svc;
    return tl->hard.live == QRI_LIVE && tl->destaged_lsn < tl->hard.trimmed_lsn;
}

/* What was trimmed need not be written any more, and cannot be read: the trim was ahead of that, or
 * a crash has forgotten that it was done. Then objects may be there already, and the next one must
 * begin where they end: of two that overlap only the nearer would be found. */
static enum qr_status skip_trimmed(struct qr_logsvc *svc, struct qri_timeline *tl,
                                   struct qr_err *err)
{
    struct qr_log_object object;
    pthread_mutex_lock(&svc->mu);
    uint64_t trimmed = tl->hard.trimmed_lsn;
    pthread_mutex_unlock(&svc->mu);
    enum qr_status status = qri_longterm_find(svc, tl, trimmed, &object, err);
    bool covered = status == QR_OK && object.first_lsn <= trimmed;
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    pthread_mutex_lock(&svc->mu);
    tl->destaged_lsn = trimmed;
    if (covered && object.end_lsn <= tl->hard.end_lsn) {
        tl->destaged_lsn = object.end_lsn;
        tl->destaged_commit_lsn = object.commit_lsn;
        tl->destaged_wall_ns = object.commit_wall_ns;
    }
    pthread_mutex_unlock(&svc->mu);
    return QR_OK;
}

static enum qr_status skip_all_trimmed(struct qr_logsvc *svc, struct qr_err *err)
{
    struct candidates c;
    size_t from = 0;
    collect(svc, wants_skip, &from, &c);
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < c.count && status == QR_OK; i++)
        status = skip_trimmed(svc, c.tl[i], err);
    release(svc, &c);
    if (status == QR_OK && err != NULL)
        qr_err_reset(err); /* what was not found is no failure */
    return status;
}

static enum qr_status write_objects(struct qr_logsvc *svc, uint32_t objects_max, bool *more,
                                    struct qr_err *err)
{
    struct candidates c;
    QR_TRY(skip_all_trimmed(svc, err));
    collect(svc, wants_destage, &svc->destage_from, &c);
    enum qr_status status = c.count > 1 ? qri_stream_pass(svc, c.tl, c.count, err) : QR_OK;
    uint32_t left = objects_max;
    enum qr_status damaged = QR_OK; /* of one timeline's, which must not hold up the others */
    for (size_t i = 0; i < c.count && left > 0 && status == QR_OK; i++, left--) {
        status = qri_longterm_put(svc, c.tl[i], err);
        if (status == QR_CORRUPT) {
            status = qri_longterm_resume(svc, c.tl[i], err);
            if (status == QR_NOT_FOUND)
                skip_hole(svc, c.tl[i]);
            else if (status != QR_OK)
                damaged = status;
            status = QR_OK;
        }
    }
    release(svc, &c);
    status = status == QR_OK ? damaged : status;
    if (status == QR_OK && c.count > 0) {
        size_t from = 0;
        collect(svc, wants_destage, &from, &c);
        *more = *more || c.count > 0;
        release(svc, &c);
    }
    return status;
}

static enum qr_status delete_objects(struct qr_logsvc *svc, bool *more, struct qr_err *err)
{
    struct candidates c;
    size_t from = 0;
    collect(svc, wants_delete, &from, &c);
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < c.count && status == QR_OK; i++) {
        struct qri_timeline *tl = c.tl[i];
        pthread_mutex_lock(&svc->mu);
        bool dropped = tl->hard.live == QRI_DROPPED;
        uint64_t trimmed = tl->hard.trimmed_lsn;
        pthread_mutex_unlock(&svc->mu);
        uint32_t count = 0;
        status = qri_longterm_delete(svc, tl, dropped ? UINT64_MAX : trimmed, DELETES_AT_ONCE,
                                     &count, err);
        bool done = status == QR_OK && count < DELETES_AT_ONCE;
        pthread_mutex_lock(&svc->mu);
        svc->stats.objects_deleted += count;
        if (done && dropped)
            tl->deleted = true;
        else if (done)
            tl->deleted_lsn = trimmed;
        pthread_mutex_unlock(&svc->mu);
        *more = *more || (status == QR_OK && !done);
    }
    release(svc, &c);
    return status;
}

/* --- segments --- */

/* The first segment that must stay. With mu held. */
static uint64_t first_needed(struct qr_logsvc *svc)
{
    uint64_t no = svc->current->no;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);) {
        const struct qri_timeline *tl = entry->value;
        if (tl->hard.live != QRI_LIVE)
            continue;
        for (size_t k = 0; k < tl->place_count; k++) {
            const struct qri_place *p = &tl->places[tl->place_first + k];
            if (p->segment_no >= no)
                break;
            if (p->end_lsn > tl->destaged_lsn) {
                no = p->segment_no;
                break;
            }
        }
    }
    return no;
}

/* Forgets dropped timelines of which nothing is left anywhere. With mu held. */
static void remove_dropped(struct qr_logsvc *svc)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);) {
        struct qri_timeline *tl = entry->value;
        bool nothing_left = tl->hard.live == QRI_DROPPED && tl->refs == 0 && tl->watches == NULL &&
                            tl->piece_count == 0 && tl->place_count == 0;
        if (nothing_left && (tl->deleted || svc->options.blob == NULL))
            qri_timeline_remove(svc, tl);
    }
}

/* The states first, so that reading the journal never needs what is gone. */
static enum qr_status drop_segments(struct qr_logsvc *svc, struct qr_err *err)
{
    pthread_mutex_lock(&svc->snapshot_mu);
    pthread_mutex_lock(&svc->mu);
    uint64_t no = first_needed(svc);
    struct qri_segment *first = svc->segments;
    while (first->no < no)
        first = first->next;
    if (no > svc->first_segment_no) {
        svc->first_segment_no = no;
        svc->first_block_no = first->first_block_no;
        const struct qr_map_entry *entry;
        for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);)
            qri_timeline_forget_places(entry->value, no);
    }
    no = svc->first_segment_no;
    bool any = svc->segments->no < no;
    remove_dropped(svc);
    pthread_mutex_unlock(&svc->mu);
    pthread_mutex_unlock(&svc->snapshot_mu);
    if (!any)
        return QR_OK;
    QR_TRY(qri_snapshot_write(svc, err));
    qri_segment_drop_before(svc, no);
    return QR_OK;
}

enum qr_status qr_logsvc_destage(struct qr_logsvc *svc, uint32_t objects_max, bool *ret_more,
                                 struct qr_err *err)
{
    bool more = false;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&svc->destage_mu);
    judge_load(svc);
    /* What spares an open the reading holds up nothing: a full disk needs destaging most. */
    enum qr_status placed = qri_places_write(svc, err);
    if (svc->options.blob != NULL)
        status = write_objects(svc, objects_max, &more, placed == QR_OK ? err : NULL);
    if (status == QR_OK && svc->options.blob != NULL)
        status = delete_objects(svc, &more, placed == QR_OK ? err : NULL);
    /* Also when the blob store does not answer: what it has already may go here. */
    status = placed != QR_OK ? placed : status;
    enum qr_status dropped = drop_segments(svc, status == QR_OK ? err : NULL);
    pthread_mutex_unlock(&svc->destage_mu);
    *ret_more = more;
    return status != QR_OK ? status : dropped;
}

void *qri_destager_main(void *arg)
{
    struct qr_logsvc *svc = arg;
    int64_t wait_ns = PERIOD_NS;
    while (!atomic_load(&svc->stopping)) {
        pthread_mutex_lock(&svc->bg_mu);
        if (!svc->destage_wanted && wait_ns > 0 && !atomic_load(&svc->stopping))
            (void)qr_cond_wait(&svc->bg_wake, &svc->bg_mu, wait_ns);
        svc->destage_wanted = false;
        pthread_mutex_unlock(&svc->bg_mu);
        if (atomic_load(&svc->stopping))
            break;
        if (qri_segment_want_spare(svc)) /* if it fails the flusher tries, and tells */
            (void)!qri_segment_extend(svc, qri_segment_wants_zeros(svc), NULL);
        struct qr_err err;
        qr_err_reset(&err);
        bool more = false;
        enum qr_status status = qr_logsvc_destage(svc, CANDIDATES_MAX, &more, &err);
        if (status != QR_OK)
            QR_LOG(&svc->options.log, QR_WARN, "destage_failed", QR_F("dir", svc->dir),
                   QR_F("err", err.text));
        wait_ns = status != QR_OK ? RETRY_NS : more ? 0 : PERIOD_NS;
    }
    return NULL;
}
