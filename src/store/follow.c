/* follow.c - a copy that follows, and that no commit waits for; see store/copies.h.
 *
 * It is told what a primary tells its members, so it is one of them for itself; but it hears only
 * of what is durable here already, and it is in no record. What it has is therefore always a part
 * of our history: nothing of it is ever taken back. */
#include <stdlib.h>
#include <string.h>
#include "copies_int.h"
#include "governor/wait.h"
#include "base/banned.h"

enum { LOG_BUFFER_BYTES = 32 << 20, BEHIND_BYTES_MAX = 64 << 20, GAIN_BYTES_MAX = 1 << 20 };
static const uint64_t KEPT_BYTES_MAX = UINT64_C(8) << 30;
static const int64_t ANSWER_NS = INT64_C(10) * 1000000000, LOOK_NS = 100000000, SLEEP_NS = 10000000,
                     STANDS_NS = INT64_C(2) * 1000000000, DELAY_NS_MIN = 1000000,
                     DELAY_NS_MAX = 1000000000;

struct qr_follow {
    struct qri_copies copies; /* what the calls need of one: nothing else is used */
    bool is_in;               /* it has said where it is since we asked */
    bool must_seed;
    bool keeps_log; /* our log stays while it gets it */
    uint64_t from;  /* it has the log up to there */
    pthread_mutex_t mu;
    struct qr_follow_info info; /* guarded by mu */
};

enum qr_status qr_follow_new(const struct qr_follow_options *options, struct qr_follow **ret_follow,
                             struct qr_err *err)
{
    if (!options->store->checkpointer.ready)
        return qr_fail(err, QR_UNSUPPORTED, "this store keeps no files of its own");
    struct qr_follow *f = calloc(1, sizeof *f);
    if (f == NULL)
        return qr_fail(err, QR_NOMEM, "follow a database");
    f->copies.store = options->store;
    f->copies.options.answer_ns = options->answer_ns == 0 ? ANSWER_NS : options->answer_ns;
    f->copies.items[0] = (struct qri_copy){.peer = options->peer, .copies = &f->copies};
    pthread_mutex_init(&f->mu, NULL);
    *ret_follow = f;
    return QR_OK;
}

void qr_follow_stop(struct qr_follow *f)
{
    atomic_store(&f->copies.stopping, true);
}

void qr_follow_free(struct qr_follow *f)
{
    if (f == NULL)
        return;
    pthread_mutex_destroy(&f->mu);
    free(f);
}

struct qr_follow_info qr_follow_info(struct qr_follow *f)
{
    pthread_mutex_lock(&f->mu);
    struct qr_follow_info info = f->info;
    pthread_mutex_unlock(&f->mu);
    return info;
}

/* --- being behind --- */

/* Until the end of the step, if it is not too much by then. */
static void keep_log(struct qr_follow *f, uint64_t from)
{
    if (!f->keeps_log)
        f->keeps_log = qri_logfile_read_from(f->copies.store, from) != NULL;
}

static void drop_log(struct qr_follow *f)
{
    if (f->keeps_log)
        qri_logfile_read_done(f->copies.store);
    f->keeps_log = false;
}

/* One that it is told in from now on how far the copy is, so that writers see it; NULL: others have
 * them all. */
static struct qri_follower *take_place(struct qr_follow *f)
{
    struct qri_behind *b = &f->copies.store->behind;
    for (int i = 0; i < QRI_FOLLOWERS_MAX; i++) {
        uint64_t nobody = 0;
        if (atomic_compare_exchange_strong(&b->followers[i].from, &nobody, f->from))
            return &b->followers[i];
    }
    return NULL;
}

/* In bytes of log: LSNs jump between epochs. */
static uint64_t lag_from(const struct qr_store *store, uint64_t from)
{
    uint64_t durable = atomic_load(&store->durable_lsn);
    if (from >= durable)
        return 0;
    return from > store->base_lsn ? durable - from : (durable - from) % QRI_EPOCH_LSN_JUMP;
}

/* Of the last one. Who stands still is waited for by nobody. */
static uint64_t lag_of(const struct qr_store *store)
{
    uint64_t lag = 0;
    for (int i = 0; i < QRI_FOLLOWERS_MAX; i++) {
        const struct qri_follower *f = &store->behind.followers[i];
        uint64_t from = atomic_load_explicit(&f->from, memory_order_relaxed);
        if (from == 0 || atomic_load_explicit(&f->stands, memory_order_relaxed))
            continue;
        uint64_t own = lag_from(store, from);
        lag = own > lag ? own : lag;
    }
    return lag;
}

static void look_who_stands(struct qri_behind *b, int64_t now)
{
    for (int i = 0; i < QRI_FOLLOWERS_MAX; i++) {
        struct qri_follower *f = &b->followers[i];
        uint64_t from = atomic_load(&f->from);
        if (from != 0 && atomic_exchange(&f->seen, from) != from) {
            atomic_store(&f->moved_ns, now);
        } else if (from != 0 && now - atomic_load(&f->moved_ns) > STANDS_NS) {
            atomic_store(&f->stands, true);
        }
    }
}

/* Grows until what it lacks becomes less: in a tenth of a second by a sixteenth, or by 1 MiB. */
static int64_t delay_for(struct qr_store *store, uint64_t lag)
{
    struct qri_behind *b = &store->behind;
    int64_t now = qr_env_mono_ns(store->env), looked = atomic_load(&b->looked_ns);
    int64_t delay = atomic_load(&b->delay_ns);
    if (now - looked < LOOK_NS || !atomic_compare_exchange_strong(&b->looked_ns, &looked, now))
        return delay;
    look_who_stands(b, now);
    uint64_t before = atomic_exchange(&b->lag_before, lag), gain = before / 16;
    gain = gain < GAIN_BYTES_MAX ? gain : GAIN_BYTES_MAX;
    delay = lag + gain < before ? delay / 4 * 3 : delay * 2;
    delay = delay < DELAY_NS_MIN ? DELAY_NS_MIN : delay > DELAY_NS_MAX ? DELAY_NS_MAX : delay;
    atomic_store(&b->delay_ns, delay);
    return delay;
}

enum qr_status qri_behind_delay(struct qr_store *store, qr_writer_poll_fn *poll, void *poll_ctx)
{
    uint64_t lag = lag_of(store);
    if (lag <= BEHIND_BYTES_MAX) {
        if (atomic_load_explicit(&store->behind.delay_ns, memory_order_relaxed) != 0)
            atomic_store(&store->behind.delay_ns, 0);
        return QR_OK;
    }
    enum qr_status status = QR_OK;
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_HADR_THROTTLE_LOG_RATE_MISMATCHED_SLO);
    int64_t until = qr_env_mono_ns(store->env) + delay_for(store, lag);
    for (int64_t left = 1; left > 0 && status == QR_OK && lag_of(store) > BEHIND_BYTES_MAX;) {
        left = until - qr_env_mono_ns(store->env);
        if (left > 0)
            qr_env_sleep_ns(store->env, left < SLEEP_NS ? left : SLEEP_NS);
        if (poll != NULL)
            status = poll(poll_ctx);
    }
    qr_wait_end(mark);
    return status;
}

/* --- all pages --- */

/* Our epoch's first log comes behind base_lsn; before that it was some older one's. */
static uint64_t epoch_at(const struct qr_follow *f, uint64_t commit_lsn)
{
    return commit_lsn > f->copies.store->base_lsn ? f->copies.epoch : f->copies.epoch - 1;
}

static enum qr_status seed(struct qr_follow *f, struct qr_err *err)
{
    static const struct qr_timeline its_own;
    struct qr_store *store = f->copies.store;
    struct qr_archive *archive = NULL;
    int64_t start_ns = qr_env_mono_ns(store->env);
    QR_TRY(qr_archive_open(store, &archive, err));
    struct qr_archive_point point = *qr_archive_point(archive);
    pthread_mutex_lock(&f->mu);
    f->info.seeds = true;
    pthread_mutex_unlock(&f->mu);
    /* the log from there on stays until the copy has it */
    keep_log(f, point.lsn.v);
    enum qr_status status =
        qri_copy_send_all(&f->copies.items[0], archive, epoch_at(f, point.lsn.v), &its_own, err);
    qr_archive_close(archive);
    if (status == QR_OK) {
        QR_LOG(&store->options.log, QR_INFO, "follower_seeded", QR_F("dir", &store->dir[0]),
               QR_F("pages", point.pages), QR_F("lsn", point.lsn.v),
               QR_F("took_ms", (qr_env_mono_ns(store->env) - start_ns) / 1000000));
        f->must_seed = false;
        f->from = point.lsn.v;
    }
    pthread_mutex_lock(&f->mu);
    f->info.seeds = false;
    f->info.seeded += status == QR_OK;
    if (status == QR_OK)
        f->info.commit_wall_ns = point.commit_wall_ns;
    pthread_mutex_unlock(&f->mu);
    return status;
}

/* --- steps --- */

/* It says where it is, or gets all pages. */
static enum qr_status bring_in(struct qr_follow *f, struct qr_err *err)
{
    struct qr_store *store = f->copies.store;
    struct qri_copy *copy = &f->copies.items[0];
    struct qri_copy_state state;
    pthread_mutex_lock(&store->log.flush_mu);
    f->copies.epoch = store->epoch;
    pthread_mutex_unlock(&store->log.flush_mu);
    copy->try_no = atomic_fetch_add(&store->behind.try_no, 1) + 1;
    /* nothing that it has is to be cut: all of it was durable here */
    struct qri_copy_ask a = {
        .epoch = f->copies.epoch, .try_no = copy->try_no, .lsn = UINT64_MAX, .anew = f->must_seed};
    QR_TRY(qri_copy_call(copy, QRI_COPY_CALL_HELLO, &a, NULL, 0, &state, err));
    bool is_ours = state.has_store && state.log_epoch <= f->copies.epoch &&
                   state.end_lsn <= atomic_load(&store->durable_lsn);
    if (state.has_store && !is_ours) {
        f->must_seed = true;
        return qr_fail(err, QR_CONFLICT, "the copy has log that we have not");
    }
    f->from = state.end_lsn;
    if (!state.has_store) {
        f->must_seed = true;
        QR_TRY(seed(f, err));
    }
    f->is_in = true;
    return QR_OK;
}

static enum qr_status send_log(struct qr_follow *f, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    struct qr_buf pieces;
    qr_buf_init(&pieces, LOG_BUFFER_BYTES);
    keep_log(f, f->from);
    struct qri_follower *place = take_place(f);
    for (bool more = true; more && status == QR_OK && !atomic_load(&f->copies.stopping);) {
        status = qri_copy_send_piece(&f->copies.items[0], &f->from, &pieces, &more, err);
        if (place != NULL) {
            atomic_store(&place->from, f->from);
            if (status == QR_OK)
                atomic_store(&place->stands, false);
        }
        if (lag_from(f->copies.store, f->from) > KEPT_BYTES_MAX)
            drop_log(f); /* it may get all pages again */
    }
    if (place != NULL)
        atomic_store(&place->from, 0);
    qr_buf_done(&pieces);
    if (status == QR_CONFLICT || status == QR_NOT_FOUND) /* ours does not continue its log */
        f->must_seed = true;
    return status;
}

/* Also tells whether it is still there. */
static enum qr_status show(struct qr_follow *f, struct qr_err *err)
{
    struct qri_copy_ask a = {
        .epoch = f->copies.epoch, .try_no = f->copies.items[0].try_no, .lsn = f->from};
    struct qri_copy_state state;
    return qri_copy_call(&f->copies.items[0], QRI_COPY_CALL_SHOW, &a, NULL, 0, &state, err);
}

static enum qr_status step(struct qr_follow *f, struct qr_err *err)
{
    if (!f->is_in)
        QR_TRY(bring_in(f, err));
    QR_TRY(send_log(f, err));
    if (atomic_load(&f->copies.stopping))
        return qr_fail(err, QR_CANCELLED, "it is to follow no more");
    return show(f, err);
}

enum qr_status qr_follow_step(struct qr_follow *f, struct qr_err *err)
{
    struct qr_store *store = f->copies.store;
    if (atomic_load(&f->copies.stopping))
        return qr_fail(err, QR_CANCELLED, "it is to follow no more");
    QR_TRY(qr_store_health(store));
    pthread_mutex_lock(&store->log.mu);
    uint64_t wall_ns = store->durable_commit_wall_ns;
    pthread_mutex_unlock(&store->log.mu);
    enum qr_status status = step(f, err);
    drop_log(f);
    f->is_in = status == QR_OK;
    pthread_mutex_lock(&f->mu);
    f->info.follows = status == QR_OK;
    f->info.hardened = qr_lsn(f->from);
    if (status == QR_OK)
        f->info.commit_wall_ns = wall_ns;
    pthread_mutex_unlock(&f->mu);
    return status;
}
