/* hyper_lease.c - the lease that a primary serves under (S6); see hyper_int.h.
 *
 * Renewed in the background at a third of its time. It counts from before it was asked for, by the
 * monotonic clock, so it is over here before it is over at the log service. */
#include "hyper_int.h"
#include "base/sim_break.h"
#include "base/banned.h"

enum { RENEWALS_PER_TTL = 3, ASK_BYTES_MAX = 256 };
static const int64_t MS = 1000000, GIVE_BACK_NS = 1000000000;

void qri_lease_init(struct qri_hyper *hy)
{
    qr_buf_init(&hy->lease.ask, ASK_BYTES_MAX);
}

void qri_lease_done(struct qri_hyper *hy)
{
    qr_buf_done(&hy->lease.ask);
}

bool qri_lease_runs(const struct qri_hyper *hy)
{
    return qr_env_mono_ns(hy->store->env) < atomic_load(&hy->lease.until_ns) ||
           (qr_sim_broken(QR_BREAK_LEASE) && atomic_load(&hy->lease.until_ns) != 0);
}

int64_t qri_lease_due_ns(const struct qri_hyper *hy)
{
    if (hy->lease.flying || !hy->lease.wanted)
        return INT64_MAX;
    return hy->lease.next_ns;
}

static void renewed(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_hyper *hy =
        (struct qri_hyper *)(void *)((uint8_t *)call - offsetof(struct qri_hyper, lease.call));
    struct qri_lease *lease = &hy->lease;
    enum qr_status status = reply->status;
    pthread_mutex_lock(&hy->mu);
    hy->answering++;
    lease->flying = false;
    bool ours = lease->wanted && !hy->ending && !hy->failed;
    bool over = ours && status != QR_OK && !qri_hyper_may_repeat(status) && status != QR_CANCELLED;
    hy->failed = hy->failed || over;
    if (ours && status == QR_OK) {
        int64_t ttl = hy->options.lease_ttl_ns;
        atomic_store(&lease->until_ns, lease->asked_ns + ttl);
        lease->next_ns = lease->asked_ns + ttl / RENEWALS_PER_TTL;
    } else {
        lease->next_ns = qr_env_mono_ns(hy->store->env) + hy->options.lease_ttl_ns / 16;
    }
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
    if (over) {
        struct qr_err err = {0};
        (void)!qr_fail(&err, status, "the lease of epoch %llu is not renewed: %.300s",
                       (unsigned long long)hy->options.epoch,
                       reply->err != NULL ? reply->err->text : "refused");
        qri_store_fail(hy->store, &err);
    } else if (ours && status == QR_OK) {
        qri_hyper_release_held(hy);
    }
    pthread_mutex_lock(&hy->mu);
    hy->answering--; /* from here on the store may be freed */
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
}

/* With hy->mu held. */
static void ask(struct qri_hyper *hy)
{
    struct qri_lease *lease = &hy->lease;
    struct qr_logsvc_ask question = {.timeline = hy->options.timeline,
                                     .epoch = hy->options.epoch,
                                     .ttl_ns = hy->options.lease_ttl_ns};
    qr_buf_clear(&lease->ask);
    qr_logsvc_ask_put(&lease->ask, &question);
    lease->asked_ns = qr_env_mono_ns(hy->store->env);
    lease->next_ns = lease->asked_ns + hy->options.lease_ttl_ns / 16;
    if (qr_buf_status(&lease->ask, NULL) != QR_OK)
        return; /* no memory: later */
    lease->flying = true;
    lease->call = (struct qr_rpc_call){.method = QR_LOGSVC_CALL_RENEW,
                                       .body_count = 1,
                                       .body = {{lease->ask.data, lease->ask.len}},
                                       .timeout_ns = hy->options.lease_ttl_ns / RENEWALS_PER_TTL,
                                       .done = renewed};
    qr_rpc_start(hy->options.log, &lease->call);
}

void qri_lease_tick(struct qri_hyper *hy)
{
    pthread_mutex_lock(&hy->mu);
    if (!hy->ending && !hy->failed && qri_lease_due_ns(hy) <= qr_env_mono_ns(hy->store->env))
        ask(hy);
    pthread_mutex_unlock(&hy->mu);
}

/* Nobody looks after the lease but the thread that waits for it. */
static void drive(struct qri_hyper *hy)
{
    qri_lease_tick(hy);
    pthread_mutex_lock(&hy->mu);
    bool flying = hy->lease.flying;
    pthread_mutex_unlock(&hy->mu);
    if (flying)
        qr_rpc_wait(hy->options.log, &hy->lease.call);
    else if (!qri_lease_runs(hy)) /* it does when the answer came before we looked */
        qri_hyper_pause(hy, hy->options.lease_ttl_ns / 16);
}

enum qr_status qri_lease_wait(struct qri_hyper *hy, int64_t timeout_ns, struct qr_err *err)
{
    int64_t give_up = qr_env_mono_ns(hy->store->env) + timeout_ns;
    while (!qri_lease_runs(hy)) {
        QR_TRY(qri_store_check(hy->store, err));
        if (qr_env_mono_ns(hy->store->env) > give_up)
            return qr_fail(err, QR_TIMEOUT, "the lease ran out and is not renewed");
        if (!hy->thread_runs) {
            drive(hy);
            continue;
        }
        pthread_mutex_lock(&hy->mu);
        if (hy->ending) {
            pthread_mutex_unlock(&hy->mu);
            return qr_fail(err, QR_CLOSED, "the store is closing");
        }
        (void)qr_cond_wait(&hy->wake, &hy->mu, 20 * MS);
        pthread_mutex_unlock(&hy->mu);
    }
    return qri_store_check(hy->store, err);
}

enum qr_status qri_hyper_may_answer(struct qr_store *store, struct qr_err *err)
{
    struct qri_hyper *hy = store->hyper;
    if (!hy->lease.wanted || qri_lease_runs(hy))
        return QR_OK;
    return qri_lease_wait(hy, hy->options.page_timeout_ns, err);
}

void qri_lease_give_back(struct qri_hyper *hy)
{
    const int64_t least_ns = 1;         /* a lease that has run out when it is given */
    if (atomic_load(&hy->lease.wanted)) /* else, or when that fails, it is waited for */
        (void)!qr_logsvc_peer_renew(hy->options.log, &hy->options.timeline, hy->options.epoch,
                                    least_ns, GIVE_BACK_NS, NULL);
}
