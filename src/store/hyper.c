/* hyper.c - see store/hyper.h */
#include "hyper_replica.h"
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "pagesvc/client.h"
#include "base/banned.h"

enum {
    COUNTER_BYTES = 16,
    CLOSE_RECORDS_MAX = 256,
    FEED_BYTES = 4 << 20,
    RBPEX_LOG_BYTES = 256 << 20
};
static const int64_t SECOND_NS = 1000000000, BACKOFF_NS = 5000000;

static void hyper_free(struct qr_store *store)
{
    struct qri_hyper *hy = store->hyper;
    if (hy == NULL)
        return;
    qri_hyper_stop(hy);
    qri_tier_free(hy);
    for (size_t i = 0; i < hy->sending_count; i++)
        qri_log_free_chunks(hy->sending[(hy->sending_first + i) % QRI_SENDING].chunks);
    for (size_t i = 0; i < QRI_APPENDS; i++)
        free(hy->appends[i].buffer);
    qri_written_done(&hy->written);
    qri_lease_done(hy);
    qri_hold_done(hy);
    qri_replica_free(hy);
    pthread_cond_destroy(&hy->wake);
    pthread_mutex_destroy(&hy->streams_mu);
    pthread_mutex_destroy(&hy->grow_mu);
    pthread_mutex_destroy(&hy->mu);
    free(hy);
    store->hyper = NULL;
}

static void hyper_abandon(struct qr_store *store)
{
    if (store->hyper != NULL)
        qri_hyper_stop(store->hyper);
}

/* Room is memory, which prepare has taken already; what is too much waits before it (delay). */
static enum qr_status hyper_reserve(struct qr_store *store, int64_t cost, struct qr_err *err)
{
    (void)cost;
    return qr_store_is_read_only(store)
               ? qr_fail(err, QR_READ_ONLY, "a replica has no log of its own")
               : QR_OK;
}

static void hyper_unreserve(struct qr_store *store, int64_t cost)
{
    (void)store, (void)cost;
}

static void hyper_evicting(struct qr_store *store, uint32_t page_no, uint64_t lsn)
{
    qri_written_note(&store->hyper->written, page_no, lsn);
}

static enum qr_status hyper_upkeep(struct qr_store *store, bool wanted, bool over,
                                   struct qr_err *err)
{
    (void)wanted, (void)over, (void)err;
    if (store->hyper->replica != NULL)
        qri_replica_retire(store->hyper);
    return qri_store_check(store, NULL) == QR_OK ? QR_OK : QR_CLOSED;
}

/* There is none to write; who calls it wants memory, or everything to be durable. */
static enum qr_status hyper_checkpoint(struct qr_store *store, struct qr_err *err)
{
    QR_TRY(qri_hyper_flush(store, err));
    while (qri_collect(store, true))
        ;
    return QR_OK;
}

/* Exact counters count only behind a commit mark: what follows the last one is void once the next
 * epoch begins. */
static enum qr_status hyper_close(struct qr_store *store, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    if (qr_store_is_read_only(store)) {
        qri_hyper_stop(store->hyper);
        qri_tier_close(store->hyper);
        qri_replica_forget(store->hyper);
        return QR_OK;
    }
    QR_TRY(qri_counters_log_all(store, true, err));
    pthread_mutex_lock(&log->mu);
    bool silent = log->epoch_pending; /* nothing was appended in this epoch */
    uint64_t now = qri_commit_time(store), commit_no = ++store->commit_no;
    pthread_mutex_unlock(&log->mu);
    if (!silent) {
        struct qr_buf mark;
        qr_buf_init(&mark, CLOSE_RECORDS_MAX);
        qr_record_add_commit(&mark, atomic_load(&store->head_db_pages), 0, now, commit_no);
        enum qr_status status = qri_log_add(store, &mark, err);
        qr_buf_done(&mark);
        QR_TRY(status);
    }
    QR_TRY(qri_hyper_flush(store, err));
    qri_tier_close(store->hyper);
    qri_hyper_stop(store->hyper); /* from here on it answers nobody */
    qri_lease_give_back(store->hyper);
    return QR_OK;
}

static void hyper_stats(struct qr_store *store, struct qr_store_stats *stats)
{
    struct qri_hyper *hy = store->hyper;
    stats->checkpoint_lsn = qr_lsn(atomic_load(&store->checkpoint_lsn));
    pthread_mutex_lock(&hy->mu);
    memcpy(stats->rbio, hy->rbio, sizeof stats->rbio);
    stats->appends = hy->append_count;
    stats->appends_repeated = hy->repeat_count;
    pthread_mutex_unlock(&hy->mu);
    stats->pages_ahead = atomic_load(&hy->pages_ahead);
    qri_tier_stats(hy, &stats->rbpex);
}

static bool is_local(struct qr_store *store, uint32_t page_no)
{
    return qri_tier_has(store->hyper, page_no);
}

static const struct qri_backend hyper_backend = {
    .flushers = 1,
    .reserve = hyper_reserve,
    .unreserve = hyper_unreserve,
    .harden = qri_hyper_harden,
    .flush = qri_hyper_flush,
    .is_local = is_local,
    .read_page = qri_hyper_read_page,
    .read_base = qri_hyper_read_base,
    .evicting = hyper_evicting,
    .evicted = qri_tier_evicted,
    .changed = qri_tier_changed,
    .delay = qri_hyper_delay,
    .may_answer = qri_hyper_may_answer,
    .upkeep = hyper_upkeep,
    .checkpoint = hyper_checkpoint,
    .close = hyper_close,
    .abandon = hyper_abandon,
    .free = hyper_free,
    .stats = hyper_stats,
};

/* A store that was opened as a replica; after its promotion, too, because it may have snapshots
 * before the newest version of a page that is not in memory. */
static const struct qri_backend replica_backend = {
    .flushers = 1,
    .reserve = hyper_reserve,
    .unreserve = hyper_unreserve,
    .harden = qri_hyper_harden,
    .flush = qri_hyper_flush,
    .is_local = is_local,
    .read_page = qri_replica_read_page,
    .link_page = qri_replica_link_page,
    .read_at = qri_replica_read_at,
    .read_base = qri_hyper_read_base,
    .evicting = hyper_evicting,
    .evicted = qri_tier_evicted,
    .changed = qri_tier_changed,
    .delay = qri_hyper_delay,
    .may_answer = qri_hyper_may_answer,
    .upkeep = hyper_upkeep,
    .checkpoint = hyper_checkpoint,
    .close = hyper_close,
    .abandon = hyper_abandon,
    .free = hyper_free,
    .stats = hyper_stats,
};

/* --- open --- */

static enum qr_status new_hyper(struct qr_store *store, const struct qr_hyper_options *options,
                                struct qr_err *err)
{
    struct qri_hyper *hy = calloc(1, sizeof *hy);
    if (hy == NULL)
        return qr_fail(err, QR_NOMEM, "hyper store");
    hy->store = store;
    hy->options = *options;
    struct qr_hyper_options *o = &hy->options;
    o->slice_count = o->slice_count == 0 ? 1 : o->slice_count;
    o->slice_bytes = o->slice_bytes == 0 ? QR_SLICE_BYTES : o->slice_bytes;
    o->open_timeout_ns = o->open_timeout_ns == 0 ? 30 * SECOND_NS : o->open_timeout_ns;
    o->append_timeout_ns = o->append_timeout_ns == 0 ? 60 * SECOND_NS : o->append_timeout_ns;
    o->page_timeout_ns = o->page_timeout_ns == 0 ? 30 * SECOND_NS : o->page_timeout_ns;
    o->lease_ttl_ns = o->lease_ttl_ns == 0 ? 10 * SECOND_NS : o->lease_ttl_ns;
    o->snapshot_lease_ns = o->snapshot_lease_ns == 0 ? 30 * SECOND_NS : o->snapshot_lease_ns;
    o->rbpex_log_bytes = o->rbpex_log_bytes == 0 ? RBPEX_LOG_BYTES : o->rbpex_log_bytes;
    o->feed_wait_ns = o->feed_wait_ns == 0 ? 5 * SECOND_NS : o->feed_wait_ns;
    o->feed_answer_ns = o->feed_answer_ns == 0 ? 10 * SECOND_NS : o->feed_answer_ns;
    o->feed_bytes = o->feed_bytes == 0 ? FEED_BYTES : o->feed_bytes;
    while (o->reader_id == 0)
        qr_env_random(store->env, &o->reader_id, sizeof o->reader_id);
    qr_env_random(store->env, &hy->holder, sizeof hy->holder);
    qri_lease_init(hy);
    qri_hold_init(hy);
    pthread_mutex_init(&hy->mu, NULL);
    pthread_mutex_init(&hy->streams_mu, NULL);
    pthread_mutex_init(&hy->grow_mu, NULL);
    qr_cond_init(&hy->wake);
    store->hyper = hy;
    return qri_written_init(&hy->written, 0, err);
}

static enum qr_status take_counters(struct qr_store *store, const struct qr_pages_meta *meta,
                                    struct qr_err *err)
{
    for (size_t i = 0; i < meta->counter_count; i++) {
        const uint8_t *p = meta->counters + i * COUNTER_BYTES;
        struct qr_record record = {
            .kind = QR_RECORD_COUNTER,
            .counter = {.id = qr_get64le(p), .next = (int64_t)qr_get64le(p + 8)}};
        QR_TRY(qri_counters_recover(store, &record, err));
    }
    return QR_OK;
}

/* The newest visible commit, of which nothing is in memory yet. */
static void adopt(struct qr_store *store, const struct qr_logsvc_state *state,
                  const struct qr_pages_meta *meta)
{
    uint64_t visible = state->commit_lsn;
    uint64_t wall = meta->wall_ns > state->commit_wall_ns ? meta->wall_ns : state->commit_wall_ns;
    store->durable_pages_max = meta->db_pages;
    atomic_store(&store->pages_max, meta->db_pages);
    store->empty_lsn = meta->db_pages == 0 ? visible : 0;
    store->commit_no = store->durable_commit_no = meta->commit_no;
    store->commit_wall_ns = store->durable_commit_wall_ns = wall;
    atomic_store(&store->head_db_pages, meta->db_pages);
    _Atomic uint64_t *lsns[] = {&store->head_lsn, &store->durable_lsn, &store->clean_lsn,
                                &store->checkpoint_lsn};
    for (size_t i = 0; i < sizeof lsns / sizeof lsns[0]; i++)
        atomic_store(lsns[i], visible);
    for (size_t i = 0; i < QRI_WRITTEN_BUCKETS; i++)
        store->hyper->written.buckets[i].floor = visible;
}

static enum qr_status read_meta(struct qr_store *store, const struct qr_logsvc_state *state,
                                struct qr_err *err)
{
    struct qr_lsn visible = qr_lsn(state->commit_lsn);
    struct qr_pages_want want = {.page_no = 0, .not_modified_since = visible, .lsn = visible};
    struct qr_buf reply;
    struct qr_pages_got got;
    struct qr_pages_meta meta;
    size_t at = 0;
    qr_buf_init(&reply, SIZE_MAX / 4);
    enum qr_status status = qri_hyper_get(store->hyper, 0, &want, 1, &reply, err);
    if (status == QR_OK)
        status = qr_pages_got_next(reply.data, reply.len, &at, &got, err);
    if (status == QR_OK && got.status != QR_OK)
        status = qr_fail(err, got.status, "the page server has no meta page");
    if (status == QR_OK)
        status = qr_pages_meta_decode(got.page, got.bytes, &meta, err);
    if (status == QR_OK && meta.lsn.v > visible.v)
        status = qr_fail(err, QR_CORRUPT, "the meta page is of LSN %llu, visible is %llu",
                         (unsigned long long)meta.lsn.v, (unsigned long long)visible.v);
    if (status == QR_OK)
        status = take_counters(store, &meta, err);
    if (status == QR_OK)
        adopt(store, state, &meta);
    qr_buf_done(&reply);
    return status;
}

/* What a primary and a replica begin with. */
static enum qr_status open_dir(struct qr_store *store, const struct qr_hyper_options *options,
                               struct qr_err *err)
{
    QR_TRY(new_hyper(store, options, err));
    enum qr_status status = qr_env_make_dir(store->env, store->dir, err);
    if (status != QR_OK && status != QR_EXISTS)
        return status;
    memcpy(store->timeline, options->timeline.id, QR_TIMELINE_BYTES);
    return qri_store_lock_dir(store, err);
}

static enum qr_status start(struct qr_store *store, const char *event, int64_t since_ns,
                            struct qr_err *err)
{
    struct qri_hyper *hy = store->hyper;
    QR_LOG(&store->options.log, QR_INFO, event, QR_F("dir", store->dir),
           QR_F("epoch", store->epoch), QR_F("lsn", atomic_load(&store->durable_lsn)),
           QR_F("took_ms", (qr_env_mono_ns(store->env) - since_ns) / 1000000));
    if (!store->options.threads_off) {
        QR_TRY(qr_thread_start("qr-append", 0, qri_hyper_repeater_main, hy, &hy->thread, err));
        hy->thread_runs = true;
    }
    return qri_store_start(store, err);
}

static enum qr_status open_hyper(struct qr_store *store, const struct qr_hyper_options *options,
                                 struct qr_err *err)
{
    int64_t since_ns = qr_env_mono_ns(store->env);
    struct qr_logsvc_state state = {0};
    QR_TRY(open_dir(store, options, err));
    QR_TRY(qri_reign_fence(store->hyper, &state, err));
    QR_TRY(qri_hold_begin(store->hyper, state.commit_lsn, err));
    QR_TRY(qr_wrap(err, read_meta(store, &state, err), "read the meta page"));
    QR_TRY(qri_reign_lease(store->hyper, err));
    QR_TRY(qri_reign_begin(store->hyper, &state, err));
    qri_grow_init(store->hyper);
    qri_tier_open(store->hyper, state.commit_lsn);
    return start(store, "store_opened", since_ns, err);
}

static enum qr_status ask_state(struct qri_hyper *hy, struct qr_logsvc_state *ret_state,
                                struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(hy->store->env) + hy->options.open_timeout_ns;
    for (;;) {
        enum qr_status status =
            qr_logsvc_peer_state(hy->options.log, &hy->options.timeline, 0, ret_state, err);
        if (status == QR_OK || !qri_hyper_may_repeat(status) ||
            qr_env_mono_ns(hy->store->env) > until)
            return status;
        qri_hyper_pause(hy, BACKOFF_NS);
    }
}

static enum qr_status open_replica(struct qr_store *store, const struct qr_hyper_options *options,
                                   struct qr_err *err)
{
    int64_t since_ns = qr_env_mono_ns(store->env);
    struct qr_logsvc_state state = {0};
    atomic_store(&store->read_only, true);
    QR_TRY(open_dir(store, options, err));
    struct qri_hyper *hy = store->hyper;
    QR_TRY(qri_replica_new(hy, err));
    QR_TRY(ask_state(hy, &state, err));
    QR_TRY(qri_hold_begin(hy, state.commit_lsn, err));
    QR_TRY(qr_wrap(err, read_meta(store, &state, err), "read the meta page"));
    store->epoch = state.epoch;
    hy->replica->applying_lsn = state.commit_lsn;
    atomic_store(&hy->replica->visible_lsn, state.commit_lsn);
    atomic_store(&hy->replica->visible_wall_ns, store->commit_wall_ns);
    atomic_store(&hy->replica->applied_wall_ns, store->commit_wall_ns);
    if (store->pages_max > 0)
        QR_TRY(qri_version_pin(store, 1, state.commit_lsn, true, &hy->replica->page_1, err));
    qri_tier_open(hy, state.commit_lsn);
    QR_TRY(start(store, "replica_opened", since_ns, err));
    /* A branch's own log begins behind what is visible of its parent. */
    uint64_t from = state.start_lsn > state.commit_lsn ? state.start_lsn : state.commit_lsn;
    return qri_replica_start(hy, from, err);
}

static enum qr_status
open_as(const char *dir, const struct qr_store_options *options,
        const struct qr_hyper_options *hyper, const struct qri_backend *backend,
        enum qr_status (*open)(struct qr_store *store, const struct qr_hyper_options *hyper,
                               struct qr_err *err),
        struct qr_store **ret_store, struct qr_err *err)
{
    struct qr_store_options o = options != NULL ? *options : (struct qr_store_options){0};
    if (o.log_bytes_max == 0)
        o.log_bytes_max = UINT64_C(64) << 20;
    struct qr_store *store = NULL;
    QR_TRY(qri_store_new(dir, &o, backend, &store, err));
    enum qr_status status = qr_wrap(err, open(store, hyper, err), "open store '%s'", dir);
    if (status != QR_OK)
        qr_store_abandon(store);
    else
        *ret_store = store;
    return status;
}

enum qr_status qr_hyper_open(const char *dir, const struct qr_store_options *options,
                             const struct qr_hyper_options *hyper, struct qr_store **ret_store,
                             struct qr_err *err)
{
    return open_as(dir, options, hyper, &hyper_backend, open_hyper, ret_store, err);
}

enum qr_status qr_hyper_open_replica(const char *dir, const struct qr_store_options *options,
                                     const struct qr_hyper_options *hyper,
                                     struct qr_store **ret_store, struct qr_err *err)
{
    return open_as(dir, options, hyper, &replica_backend, open_replica, ret_store, err);
}

void qr_hyper_get_lag(struct qr_store *store, struct qr_hyper_lag *ret_lag)
{
    struct qri_replica *rep = store->hyper->replica;
    struct qr_lsn durable = qr_store_durable_lsn(store);
    if (rep == NULL || !qr_store_is_read_only(store)) {
        pthread_mutex_lock(&store->log.mu);
        uint64_t wall_ns = store->commit_wall_ns;
        pthread_mutex_unlock(&store->log.mu);
        *ret_lag = (struct qr_hyper_lag){durable, durable, wall_ns, wall_ns};
        return;
    }
    struct qr_hyper_lag lag = {.applied_lsn = durable,
                               .applied_wall_ns = atomic_load(&rep->applied_wall_ns),
                               .visible_lsn = qr_lsn(atomic_load(&rep->visible_lsn)),
                               .visible_wall_ns = atomic_load(&rep->visible_wall_ns)};
    if (lag.visible_lsn.v < durable.v) { /* an answer tells both; we came between */
        lag.visible_lsn = durable;
        lag.visible_wall_ns = lag.applied_wall_ns;
    }
    *ret_lag = lag;
}

void qr_hyper_step(struct qr_store *store)
{
    qri_hyper_repeat(store->hyper);
    if (qr_store_is_read_only(store))
        qri_replica_tick(store->hyper);
}

enum qr_status qr_hyper_create(const struct qr_hyper_options *hyper, uint32_t page_bytes,
                               struct qr_err *err)
{
    struct qr_logsvc_change c = {
        .kind = QR_LOGSVC_CREATE, .timeline = hyper->timeline, .start_lsn = QRI_FIRST_LSN};
    QR_TRY(qr_logsvc_peer_change(hyper->log, &c, 0, err));
    uint32_t slices = hyper->slice_count == 0 ? 1 : hyper->slice_count;
    for (uint32_t no = 0; no < slices; no++) {
        struct qr_slice_id id = {.timeline = hyper->timeline, .no = no};
        QR_TRY(qr_pages_create(hyper->pages, &id, page_bytes, qr_lsn(QRI_FIRST_LSN), err));
    }
    return QR_OK;
}
