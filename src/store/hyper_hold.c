/* hyper_hold.c - the page servers keep what our oldest snapshot may ask for (S13); see hyper_int.h.
 *
 * Leased for `snapshot_lease_ns`, renewed at a third of it. A store takes its first one before it
 * reads anything. What has been given up meanwhile the page server refuses (QR_GONE), so nothing
 * here has to know when the lease ran out. */
#include "hyper_int.h"
#include "pagesvc/client.h"
#include "base/banned.h"

enum { RENEWALS_PER_TTL = 3, RETRIES_PER_TTL = 16, ANSWER_BYTES_MAX = 64 };
static const int64_t CALL_NS = 5000000000, BACKOFF_NS = 5000000;

void qri_hold_init(struct qri_hyper *hy)
{
    qr_buf_init(&hy->hold.ask, QR_PAGES_LEASE_BYTES);
}

void qri_hold_done(struct qri_hyper *hy)
{
    qr_buf_done(&hy->hold.ask);
}

int64_t qri_hold_due_ns(const struct qri_hyper *hy)
{
    return hy->hold.flying || hy->hold.next_ns == 0 ? INT64_MAX : hy->hold.next_ns;
}

static enum qr_status encode(struct qri_hyper *hy, uint64_t lsn, struct qr_err *err)
{
    struct qri_hold *hold = &hy->hold;
    qr_buf_clear(&hold->ask);
    qr_pages_lease_encode(&hy->options.timeline, hy->holder, qr_lsn(lsn),
                          hy->options.snapshot_lease_ns, &hold->ask);
    hold->asked_lsn = lsn;
    hold->asked_ns = qr_env_mono_ns(hy->store->env);
    return qr_buf_status(&hold->ask, err);
}

/* With hy->mu held. True: snapshots have been lost, and that is news. */
static bool take_answer(struct qri_hyper *hy, uint64_t horizon_lsn)
{
    struct qri_hold *hold = &hy->hold;
    int64_t ttl = hy->options.snapshot_lease_ns;
    bool lost = horizon_lsn > hold->asked_lsn, news = lost && !hold->lost;
    hold->lost = lost;
    hold->next_ns = hold->asked_ns + ttl / RENEWALS_PER_TTL;
    hold->lsn = lost ? horizon_lsn : hold->asked_lsn;
    hold->until_ns = hold->asked_ns + ttl;
    return news;
}

static void tell(struct qri_hyper *hy, uint64_t horizon_lsn)
{
    QR_LOG(&hy->store->options.log, QR_WARN, "snapshots_lost", QR_F("dir", hy->store->dir),
           QR_F("lsn", horizon_lsn));
}

static void renewed(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_hyper *hy =
        (struct qri_hyper *)(void *)((uint8_t *)call - offsetof(struct qri_hyper, hold.call));
    struct qri_hold *hold = &hy->hold;
    struct qr_lsn horizon = {0};
    enum qr_status status = reply->status;
    if (status == QR_OK)
        status = qr_pages_lease_answer(reply->body, reply->bytes, &horizon, NULL);
    pthread_mutex_lock(&hy->mu);
    hy->answering++;
    hold->flying = false;
    bool news = status == QR_OK && take_answer(hy, horizon.v);
    if (status != QR_OK)
        hold->next_ns =
            qr_env_mono_ns(hy->store->env) + hy->options.snapshot_lease_ns / RETRIES_PER_TTL;
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
    if (news)
        tell(hy, horizon.v);
    pthread_mutex_lock(&hy->mu);
    hy->answering--; /* from here on the store may be freed */
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
}

void qri_hold_tick(struct qri_hyper *hy)
{
    struct qri_hold *hold = &hy->hold;
    pthread_mutex_lock(&hy->mu);
    bool due = !hy->ending && !hy->failed && qri_hold_due_ns(hy) <= qr_env_mono_ns(hy->store->env);
    if (due && encode(hy, qri_slot_oldest(hy->store), NULL) == QR_OK) {
        hold->flying = true;
        hold->call =
            (struct qr_rpc_call){.method = QR_PAGES_LEASE,
                                 .body_count = 1,
                                 .body = {{hold->ask.data, hold->ask.len}},
                                 .timeout_ns = hy->options.snapshot_lease_ns / RENEWALS_PER_TTL,
                                 .done = renewed};
        qr_rpc_start(hy->options.pages, &hold->call);
    } else if (due) { /* no memory: later */
        hold->next_ns = hold->asked_ns + hy->options.snapshot_lease_ns / RETRIES_PER_TTL;
    }
    pthread_mutex_unlock(&hy->mu);
}

enum qr_status qri_hold_begin(struct qri_hyper *hy, uint64_t lsn, struct qr_err *err)
{
    struct qr_env *env = hy->store->env;
    int64_t until = qr_env_mono_ns(env) + hy->options.open_timeout_ns;
    for (;;) {
        QR_TRY(encode(hy, lsn, err));
        struct iovec body = {hy->hold.ask.data, hy->hold.ask.len};
        struct qr_buf reply;
        struct qr_lsn horizon = {0};
        qr_buf_init(&reply, ANSWER_BYTES_MAX);
        int64_t left = until - qr_env_mono_ns(env);
        enum qr_status status = qr_rpc_call_wait(hy->options.pages, QR_PAGES_LEASE, &body, 1,
                                                 left < BACKOFF_NS ? BACKOFF_NS
                                                 : left < CALL_NS  ? left
                                                                   : CALL_NS,
                                                 &reply, err);
        if (status == QR_OK)
            status = qr_pages_lease_answer(reply.data, reply.len, &horizon, err);
        qr_buf_done(&reply);
        pthread_mutex_lock(&hy->mu);
        if (status == QR_OK)
            (void)take_answer(hy, horizon.v);
        pthread_mutex_unlock(&hy->mu);
        if (status == QR_OK || !qri_hyper_may_repeat(status) || qr_env_mono_ns(env) > until)
            return qr_wrap(err, status, "lease the snapshot");
        qri_hyper_pause(hy, BACKOFF_NS);
    }
}

void qr_hyper_get_hold(struct qr_store *store, struct qr_hyper_hold *ret_hold)
{
    struct qri_hyper *hy = store->hyper;
    pthread_mutex_lock(&hy->mu);
    *ret_hold = (struct qr_hyper_hold){.lsn = qr_lsn(hy->hold.lsn), .until_ns = hy->hold.until_ns};
    pthread_mutex_unlock(&hy->mu);
}
