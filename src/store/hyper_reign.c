/* hyper_reign.c - becoming a timeline's primary: at open, or by promoting a replica; see
 * hyper_int.h.
 */
#include "hyper_replica.h"
#include <assert.h>
#include "base/banned.h"

enum { EPOCHS_APART = 256, EPOCH_SHIFT = 24 };
static const int64_t SECOND_NS = 1000000000, BACKOFF_NS = 5000000;

static enum qr_status choose_epoch(struct qri_hyper *hy, struct qr_err *err)
{
    struct qr_logsvc_state state = {0};
    int64_t until = qr_env_mono_ns(hy->store->env) + hy->options.open_timeout_ns;
    while (hy->options.epoch == 0) {
        enum qr_status status =
            qr_logsvc_peer_state(hy->options.log, &hy->options.timeline, 0, &state, err);
        if (status == QR_OK)
            hy->options.epoch = state.epoch + 1;
        else if (!qri_hyper_may_repeat(status) || qr_env_mono_ns(hy->store->env) > until)
            return status;
        else
            qri_hyper_pause(hy, BACKOFF_NS);
    }
    return QR_OK;
}

/* One holder for all tries: whichever of them arrives, it is our reign. */
static enum qr_status fence(struct qri_hyper *hy, struct qr_logsvc_state *ret_state,
                            struct qr_err *err)
{
    struct qr_env *env = hy->store->env;
    struct qr_logsvc_change c = {.kind = QR_LOGSVC_FENCE,
                                 .timeline = hy->options.timeline,
                                 .epoch = hy->options.epoch,
                                 .holder = hy->holder,
                                 .force = hy->options.force};
    int64_t until = qr_env_mono_ns(env) + hy->options.open_timeout_ns;
    for (;;) {
        enum qr_status status = qr_logsvc_peer_change(hy->options.log, &c, 0, err);
        if (status == QR_OK)
            break;
        bool leased = status == QR_LOCKED;
        if ((!leased && !qri_hyper_may_repeat(status)) || qr_env_mono_ns(env) > until)
            return status;
        qri_hyper_pause(hy, leased && c.wait_ns > BACKOFF_NS && c.wait_ns < SECOND_NS ? c.wait_ns
                                                                                      : BACKOFF_NS);
    }
    *ret_state = c.state;
    return QR_OK;
}

enum qr_status qri_reign_fence(struct qri_hyper *hy, struct qr_logsvc_state *ret_state,
                               struct qr_err *err)
{
    QR_TRY(choose_epoch(hy, err));
    QR_TRY(qr_wrap(err, fence(hy, ret_state, err), "take over"));
    if (ret_state->epoch != hy->options.epoch) /* another one was faster */
        return qr_fail(err, QR_FENCED, "epoch %llu has followed already",
                       (unsigned long long)ret_state->epoch);
    return QR_OK;
}

enum qr_status qri_reign_begin(struct qri_hyper *hy, const struct qr_logsvc_state *state,
                               struct qr_err *err)
{
    struct qr_store *store = hy->store;
    struct qri_log *log = &store->log;
    pthread_mutex_lock(&log->mu);
    store->epoch = hy->options.epoch;
    /* A reign that hardened nothing began behind the same LSN, but did not use the same ones (S4).
     */
    uint64_t first_lsn =
        state->hardened_lsn + QRI_EPOCH_LSN_JUMP + (store->epoch % EPOCHS_APART << EPOCH_SHIFT);
    log->append_lsn = first_lsn;
    log->commit_lsn = state->commit_lsn;
    qr_record_add_epoch(&log->epoch_record, store->epoch, state->commit_lsn, store->commit_wall_ns);
    log->epoch_pending = true;
    /* What is not durable yet; appending does not count that record, hardening does. */
    atomic_store(&log->since_checkpoint, log->epoch_record.len);
    pthread_mutex_unlock(&log->mu);
    pthread_mutex_lock(&hy->mu);
    hy->sent_lsn = first_lsn;
    hy->hardened_lsn = state->hardened_lsn;
    pthread_mutex_unlock(&hy->mu);
    return qr_buf_status(&log->epoch_record, err);
}

enum qr_status qri_reign_lease(struct qri_hyper *hy, struct qr_err *err)
{
    atomic_store(&hy->lease.wanted, true);
    pthread_mutex_lock(&hy->mu);
    pthread_cond_broadcast(&hy->wake); /* somebody has to renew it from now on */
    pthread_mutex_unlock(&hy->mu);
    return qri_lease_wait(hy, hy->options.open_timeout_ns, err);
}

/* --- promotion --- */

/* The fence's answer is the end of all that older epochs hardened. */
static enum qr_status catch_up(struct qri_hyper *hy, uint64_t commit_lsn, struct qr_err *err)
{
    struct qr_store *store = hy->store;
    int64_t until = qr_env_mono_ns(store->env) + hy->options.open_timeout_ns;
    while (atomic_load(&store->durable_lsn) < commit_lsn) {
        QR_TRY(qri_store_check(store, err));
        if (qr_env_mono_ns(store->env) > until)
            return qr_fail(err, QR_TIMEOUT, "applied is LSN %llu, the log goes up to %llu",
                           (unsigned long long)atomic_load(&store->durable_lsn),
                           (unsigned long long)commit_lsn);
        if (store->options.threads_off) {
            qri_replica_drive(hy);
            continue;
        }
        pthread_mutex_lock(&hy->mu);
        (void)qr_cond_wait(&hy->wake, &hy->mu, BACKOFF_NS);
        pthread_mutex_unlock(&hy->mu);
    }
    return QR_OK;
}

static enum qr_status stay_replica(struct qri_hyper *hy, struct qr_err *err)
{
    atomic_store(&hy->lease.wanted, false);
    return qr_fail(err, QR_FENCED, "another epoch has followed already");
}

/* Everything that can fail comes before the feed ends for good; from there on there is a primary.
 */
static enum qr_status promote(struct qri_hyper *hy, struct qr_err *err)
{
    struct qr_store *store = hy->store;
    struct qr_logsvc_state state = {0};
    QR_TRY(qri_reign_fence(hy, &state, err));
    QR_TRY(catch_up(hy, state.commit_lsn, err));
    enum qr_status status = qri_reign_lease(hy, err);
    if (status != QR_OK) {
        atomic_store(&hy->lease.wanted, false);
        return status;
    }
    qri_replica_stop(hy);
    if (atomic_load(&store->durable_lsn) != state.commit_lsn) {
        QR_TRY(qri_replica_resume(hy, err)); /* commits of a later one have come */
        return stay_replica(hy, err);
    }
    QR_TRY(qri_reign_begin(hy, &state, err));
    if (hy->replica->page_1 != NULL)
        qri_frame_unpin(hy->replica->page_1);
    hy->replica->page_1 = NULL;
    qri_grow_init(hy);
    atomic_store_explicit(&store->read_only, false, memory_order_release);
    qri_replica_forget(hy);
    return QR_OK;
}

enum qr_status qr_hyper_promote(struct qr_store *store, uint64_t epoch, bool force,
                                struct qr_err *err)
{
    struct qri_hyper *hy = store->hyper;
    if (!qr_store_is_read_only(store))
        return qr_fail(err, QR_INVALID, "the store is no replica");
    int64_t start = qr_env_mono_ns(store->env);
    hy->options.epoch = epoch;
    hy->options.force = force;
    QR_TRY(qr_wrap(err, promote(hy, err), "promote '%s'", store->dir));
    QR_LOG(&store->options.log, QR_INFO, "store_promoted", QR_F("dir", store->dir),
           QR_F("epoch", store->epoch), QR_F("lsn", atomic_load(&store->durable_lsn)),
           QR_F("took_ms", (qr_env_mono_ns(store->env) - start) / 1000000));
    return QR_OK;
}

void qr_hyper_resign(struct qr_store *store)
{
    struct qri_hyper *hy = store->hyper;
    atomic_store(&store->health, QR_CLOSED);
    pthread_mutex_lock(&hy->mu);
    hy->failed = true;                    /* no append and no renewal any more, */
    atomic_store(&hy->lease.until_ns, 0); /* and what comes of earlier ones is told to nobody */
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
}
