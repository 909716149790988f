/* hyper_rbpex.c - RBPEX (rbpex.h) in the life of a hyper store: what is offered to it, what it is
 * told, and how it is trusted again after a restart; see hyper_int.h.
 *
 * After a restart the log behind the table's mark tells which pages changed. Until that is read,
 * and for good if it is too much or no longer there, pages from before are confirmed one by one:
 * GetPage answers NOT_MODIFIED without the page. */
#include <stdlib.h>
#include "base/sim_break.h"
#include "hyper_int.h"
#include "rbpex.h"
#include "base/banned.h"

enum {
    SCAN_BYTES = 4 << 20, /* of log in one call */
    SCAN_TRIES = 100,
    RECORDS_BYTES_MAX = 64 << 20,
    QUEUE_PAGES_MAX = 1024,
    QUEUE_PART = 4,   /* of the slots */
    WALK_MIN = 128,   /* frames looked at in each turn of WAIT_NS, */
    WALK_TURNS = 300, /* or this part of them: a minute for all */
};
static const int64_t WAIT_NS = 200000000, MARK_NS = 1000000000, RETRY_NS = 20000000,
                     CALL_NS = 2000000000, CLOSE_NS = 500000000;

struct qri_tier {
    struct qri_rbpex *rbpex;
    struct qri_hyper *hyper;
    uint64_t visible_lsn; /* at open: what was changed behind it was changed by us */
    bool thread_runs;
    pthread_t thread;
    _Atomic bool stops;
    int64_t walked_ns, marked_ns; /* the thread's, as what follows */
    size_t frame_count;
};

/* --- what the log says --- */

struct scan {
    struct qr_buf records; /* not looked at yet: at most a part of one */
    uint64_t lsn;          /* where they start */
    uint64_t bytes;        /* read so far */
};

static enum qr_status scan_records(struct qri_tier *tier, struct scan *scan, struct qr_err *err)
{
    size_t at = 0;
    while (scan->records.len - at >= QR_RECORD_HEADER_BYTES) {
        uint32_t length;
        struct qr_record record;
        QR_TRY(qr_record_length(scan->records.data + at, &length, err));
        if (length > scan->records.len - at)
            break;
        QR_TRY(qr_record_decode(scan->records.data + at, length, &record, err));
        /* Its commit comes behind it: a version that is not older than where the record stands has
         * the change in it. */
        if (record.kind == QR_RECORD_DELTA || record.kind == QR_RECORD_IMAGE)
            qri_rbpex_changed(tier->rbpex, record.page.page_no, scan->lsn + at + 1);
        at += length;
    }
    qr_buf_consume(&scan->records, at);
    scan->lsn += at;
    return QR_OK;
}

static enum qr_status scan_piece(struct qri_tier *tier, struct scan *scan,
                                 const struct qr_piece *piece, struct qr_err *err)
{
    uint64_t end = scan->lsn + scan->records.len;
    if (piece->first_lsn != end && (piece->flags & QR_PIECE_NEW_EPOCH) == 0)
        return qr_fail(err, QR_CORRUPT, "log from LSN %llu on where %llu is next",
                       (unsigned long long)piece->first_lsn, (unsigned long long)end);
    if ((piece->flags & QR_PIECE_NEW_EPOCH) != 0) { /* what was not whole never will be */
        qr_buf_clear(&scan->records);
        scan->lsn = piece->first_lsn;
    }
    qr_buf_add(&scan->records, piece->data, piece->bytes);
    QR_TRY(qr_buf_status(&scan->records, err));
    scan->bytes += piece->bytes;
    return scan_records(tier, scan, err);
}

static enum qr_status scan_call(struct qri_tier *tier, struct scan *scan, struct qr_err *err)
{
    struct qri_hyper *hy = tier->hyper;
    struct qr_logsvc_state state;
    struct qr_buf body;
    size_t at = 0, first = 0;
    uint64_t left = hy->options.rbpex_log_bytes - scan->bytes;
    qr_buf_init(&body, RECORDS_BYTES_MAX);
    enum qr_status status = qr_logsvc_peer_read(
        hy->options.log, &hy->options.timeline, scan->lsn + scan->records.len,
        left < SCAN_BYTES ? left : SCAN_BYTES, CALL_NS, &body, &at, &state, err);
    for (first = at; status == QR_OK && at < body.len;) {
        struct qr_piece piece;
        status = qr_piece_next(body.data, body.len, &at, &piece, err);
        if (status == QR_OK)
            status = scan_piece(tier, scan, &piece, err);
    }
    if (status == QR_OK && first == body.len)
        status = qr_fail(err, QR_NOT_FOUND, "no log behind LSN %llu",
                         (unsigned long long)(scan->lsn + scan->records.len));
    qr_buf_done(&body);
    return status;
}

/* Forgets what changed between the mark and what was visible when we opened. */
static enum qr_status scan_log(struct qri_tier *tier, struct scan *scan, struct qr_err *err)
{
    int tries = 0;
    while (scan->lsn + scan->records.len < tier->visible_lsn) {
        if (atomic_load(&tier->stops))
            return qr_fail(err, QR_CLOSED, "the store is closing");
        if (scan->bytes >= tier->hyper->options.rbpex_log_bytes)
            return qr_fail(err, QR_TOO_BIG, "more than %llu bytes of log",
                           (unsigned long long)scan->bytes);
        enum qr_status status = scan_call(tier, scan, err);
        if (status == QR_OK)
            continue;
        if (!qri_hyper_may_repeat(status) || status == QR_CORRUPT || ++tries > SCAN_TRIES)
            return status;
        qri_hyper_pause(tier->hyper, RETRY_NS);
    }
    return QR_OK;
}

static void trust(struct qri_tier *tier)
{
    struct qr_store *store = tier->hyper->store;
    struct scan scan = {.lsn = qri_rbpex_recovered_lsn(tier->rbpex)};
    struct qr_err err = {.status = QR_OK};
    int64_t start = qr_env_mono_ns(store->env);
    qr_buf_init(&scan.records, RECORDS_BYTES_MAX);
    enum qr_status status = scan_log(tier, &scan, &err);
    qr_buf_done(&scan.records);
    if (status == QR_CLOSED)
        return; /* not before the next open */
    qri_rbpex_confirm_all(tier->rbpex, status == QR_OK);
    struct qri_rbpex_stats stats;
    qri_rbpex_get_stats(tier->rbpex, &stats);
    QR_LOG(&store->options.log, status == QR_OK ? QR_INFO : QR_WARN, "rbpex_trusted",
           QR_F("dir", store->dir), QR_F("all", status == QR_OK),
           QR_F("why", status == QR_OK ? "" : err.text), QR_F("bytes", stats.bytes),
           QR_F("changed_pages", stats.changed), QR_F("log_bytes", scan.bytes),
           QR_F("took_ms", (qr_env_mono_ns(store->env) - start) / 1000000));
}

/* --- the thread --- */

/* What is used most never leaves memory: so that it outlives the process too, it is offered while
 * it is there. A commit can replace the version while we look: it says so after it has linked its
 * own, so if ours is still linked behind the offer we are in time; if not, we take it back. Nothing
 * of this is on disk before, because who offers here is who writes. */
static void offer(struct qr_store *store, struct qri_frame *f, enum qri_rbpex_offer kind)
{
    struct qri_rbpex *rb = store->hyper->tier->rbpex;
    uint32_t page_no = atomic_load(&f->page_no);
    qri_rbpex_offer(rb, page_no, f->lsn, f->data, kind);
    if (atomic_load(qri_table_entry(store, page_no, false)) != f)
        qri_rbpex_changed(rb, page_no, f->lsn + 1);
}

static void offer_spare(struct qr_store *store, struct qri_frame *f)
{
    offer(store, f, QRI_RBPEX_SPARE);
}

static void offer_hot(struct qr_store *store, struct qri_frame *f)
{
    offer(store, f, QRI_RBPEX_HOT);
}

static void offer_some(struct qri_tier *tier)
{
    size_t some = tier->frame_count / WALK_TURNS;
    tier->frame_count =
        qri_cache_each_hot(tier->hyper->store, some < WALK_MIN ? WALK_MIN : some, offer_spare);
}

static void offer_all(struct qri_tier *tier)
{
    struct qr_env *env = tier->hyper->store->env;
    int64_t until_ns = qr_env_mono_ns(env) + CLOSE_NS; /* most were offered before */
    size_t frames = WALK_MIN;
    for (size_t n = 0; n < frames && qr_env_mono_ns(env) < until_ns; n += WALK_MIN) {
        frames = qri_cache_each_hot(tier->hyper->store, WALK_MIN, offer_hot);
        while (qri_rbpex_step(tier->rbpex))
            ;
    }
}

static void work(struct qri_tier *tier)
{
    struct qr_store *store = tier->hyper->store;
    int64_t now = qr_env_mono_ns(store->env);
    bool always = store->options.threads_off; /* a simulation has no time to lose */
    if (always || now - tier->walked_ns >= WAIT_NS) {
        offer_some(tier);
        tier->walked_ns = now;
    }
    if (always || now - tier->marked_ns >= MARK_NS) {
        /* All that is durable was published, so told, before. */
        qri_rbpex_mark(tier->rbpex, atomic_load(&store->durable_lsn));
        tier->marked_ns = now;
    }
    while (qri_rbpex_step(tier->rbpex))
        ;
}

static void *tier_main(void *arg)
{
    struct qri_tier *tier = arg;
    trust(tier);
    while (!atomic_load(&tier->stops)) {
        qri_rbpex_wait(tier->rbpex, WAIT_NS);
        work(tier);
    }
    return NULL;
}

static void stop(struct qri_tier *tier)
{
    atomic_store(&tier->stops, true);
    qri_rbpex_stop(tier->rbpex);
    if (tier->thread_runs)
        pthread_join(tier->thread, NULL);
    tier->thread_runs = false;
}

/* --- open, close --- */

static enum qr_status open_tier(struct qri_hyper *hy, uint64_t visible_lsn, struct qri_tier *tier,
                                struct qr_err *err)
{
    struct qr_store *store = hy->store;
    uint64_t queue = hy->options.rbpex_bytes / store->page_bytes / QUEUE_PART;
    struct qri_rbpex_options o = {.env = store->env,
                                  .dir = store->dir,
                                  .server_key = store->options.server_key,
                                  .timeline = hy->options.timeline,
                                  .page_bytes = store->page_bytes,
                                  .bytes = hy->options.rbpex_bytes,
                                  .queue_pages =
                                      (uint32_t)(queue < QUEUE_PAGES_MAX ? queue : QUEUE_PAGES_MAX),
                                  .trust_lsn = visible_lsn};
    QR_TRY(qri_rbpex_open(&o, &tier->rbpex, err));
    if (store->options.threads_off) {
        trust(tier);
        return QR_OK;
    }
    QR_TRY(qr_thread_start("qr-rbpex", 0, tier_main, tier, &tier->thread, err));
    tier->thread_runs = true;
    return QR_OK;
}

void qri_tier_open(struct qri_hyper *hy, uint64_t visible_lsn)
{
    struct qr_store *store = hy->store;
    struct qr_err err = {.status = QR_OK};
    if (hy->options.rbpex_bytes == 0) {
        qri_rbpex_remove(store->env, store->dir);
        return;
    }
    struct qri_tier *tier = calloc(1, sizeof *tier);
    enum qr_status status = tier == NULL ? qr_fail(&err, QR_NOMEM, "page file tier") : QR_OK;
    if (status == QR_OK) {
        tier->hyper = hy;
        tier->visible_lsn = visible_lsn;
        tier->walked_ns = tier->marked_ns = qr_env_mono_ns(store->env);
        hy->tier = tier; /* its thread looks there */
        status = open_tier(hy, visible_lsn, tier, &err);
    }
    if (status == QR_OK)
        return;
    hy->tier = NULL;
    QR_LOG(&store->options.log, QR_WARN, "rbpex_off", QR_F("dir", store->dir),
           QR_F("err", err.text));
    if (tier != NULL)
        qri_rbpex_free(tier->rbpex);
    free(tier);
}

void qri_tier_close(struct qri_hyper *hy)
{
    if (hy->tier == NULL)
        return;
    stop(hy->tier);
    offer_all(hy->tier);
    qri_rbpex_close(hy->tier->rbpex, atomic_load(&hy->store->durable_lsn));
}

void qri_tier_free(struct qri_hyper *hy)
{
    if (hy->tier == NULL)
        return;
    stop(hy->tier);
    qri_rbpex_free(hy->tier->rbpex);
    free(hy->tier);
    hy->tier = NULL;
}

enum qr_status qr_hyper_set_rbpex_bytes(struct qr_store *store, uint64_t bytes, struct qr_err *err)
{
    struct qri_tier *tier = store->hyper->tier;
    if (tier == NULL)
        return QR_OK;
    return qr_wrap(err, qri_rbpex_resize(tier->rbpex, bytes, err), "page file tier");
}

/* --- pages --- */

uint64_t qri_tier_find(struct qri_hyper *hy, uint32_t page_no, uint8_t *dst, bool *ret_newest)
{
    uint64_t lsn = 0;
    *ret_newest = false;
    if (hy->tier == NULL)
        return 0;
    if (!hy->tier->thread_runs)
        work(hy->tier);
    enum qri_rbpex_found found = qri_rbpex_read(hy->tier->rbpex, page_no, dst, &lsn);
    if (found == QRI_RBPEX_NONE)
        return 0;
    uint64_t known = qri_written_known(&hy->written, page_no);
    if (lsn < known) { /* nobody told it: don't trust who should have */
        qri_rbpex_changed(hy->tier->rbpex, page_no, known);
        return 0;
    }
    *ret_newest = found == QRI_RBPEX_NEWEST;
    return lsn;
}

bool qri_tier_has(struct qri_hyper *hy, uint32_t page_no)
{
    return hy->tier != NULL && qri_rbpex_has(hy->tier->rbpex, page_no);
}

void qri_tier_confirm(struct qri_hyper *hy, uint32_t page_no, uint64_t lsn)
{
    if (hy->tier != NULL)
        qri_rbpex_confirm(hy->tier->rbpex, page_no, lsn);
}

void qri_tier_changed(struct qr_store *store, uint32_t page_no, uint64_t lsn)
{
    if (store->hyper->tier != NULL && !qr_sim_broken(QR_BREAK_STALE))
        qri_rbpex_changed(store->hyper->tier->rbpex, page_no, lsn);
}

void qri_tier_evicted(struct qr_store *store, const struct qri_frame *frame, uint8_t used)
{
    enum qri_rbpex_offer kind = (used & QRI_USED_WAS_HOT) != 0 ? QRI_RBPEX_HOT
                                : used == (QRI_USED_NEW | 1)   ? QRI_RBPEX_NEW
                                                               : QRI_RBPEX_COLD;
    struct qri_hyper *hy = store->hyper;
    if (hy->tier != NULL)
        qri_rbpex_offer(hy->tier->rbpex, atomic_load(&frame->page_no), frame->lsn, frame->data,
                        kind);
}

void qri_tier_offer(struct qri_hyper *hy, uint32_t page_no, uint64_t lsn, const uint8_t *page)
{
    if (hy->tier != NULL)
        qri_rbpex_offer(hy->tier->rbpex, page_no, lsn, page, QRI_RBPEX_SPARE);
}

bool qri_tier_has_room(struct qri_hyper *hy, size_t pages)
{
    if (hy->tier == NULL)
        return false;
    while (!qri_rbpex_may_take(hy->tier->rbpex, pages) && qri_rbpex_step(hy->tier->rbpex))
        ;
    return qri_rbpex_may_take(hy->tier->rbpex, pages);
}

size_t qri_tier_list(struct qri_hyper *hy, uint32_t *dst, size_t max)
{
    return hy->tier == NULL ? 0 : qri_rbpex_list(hy->tier->rbpex, dst, max);
}

void qri_tier_stats(struct qri_hyper *hy, struct qr_store_rbpex *ret_stats)
{
    struct qri_rbpex_stats s;
    if (hy->tier == NULL)
        return;
    qri_rbpex_get_stats(hy->tier->rbpex, &s);
    *ret_stats = (struct qr_store_rbpex){.bytes = s.bytes,
                                         .bytes_max = s.bytes_max,
                                         .hits = s.hits,
                                         .misses = s.misses,
                                         .confirmed = s.confirmed,
                                         .written = s.written,
                                         .refused = s.refused + s.busy,
                                         .changed = s.changed,
                                         .damaged = s.damaged,
                                         .failed = s.failed};
}
