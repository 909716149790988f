/* durable.c - see store/durable.h */
#include "store_int.h"
#include "governor/wait.h"
#include "base/banned.h"

enum { HEALTH_CHECK_NS = 200 * 1000 * 1000 };

void qri_waited(struct qri_waits *waits, int64_t ns)
{
    uint64_t took = ns > 0 ? (uint64_t)ns : 0;
    uint64_t longest = atomic_load_explicit(&waits->ns_max, memory_order_relaxed);
    atomic_fetch_add_explicit(&waits->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&waits->ns, took, memory_order_relaxed);
    while (took > longest && !atomic_compare_exchange_weak(&waits->ns_max, &longest, took)) {
    }
}

bool qr_store_on_durable(struct qr_store *store, struct qr_durable_wait *wait)
{
    if (atomic_load(&store->durable_lsn) >= wait->lsn.v)
        return false;
    wait->since_ns = qr_env_mono_ns(store->env);
    pthread_mutex_lock(&store->waits_mu);
    /* A flusher moves the durable LSN before it takes waits_mu, so looking again is enough. */
    bool waits = atomic_load(&store->durable_lsn) < wait->lsn.v;
    if (waits) {
        struct qr_durable_wait *before = store->waits_last; /* nearly always the right place */
        while (before != NULL && before->lsn.v > wait->lsn.v)
            before = before->prev;
        wait->prev = before;
        wait->next = before == NULL ? store->waits_first : before->next;
        *(wait->prev == NULL ? &store->waits_first : &wait->prev->next) = wait;
        *(wait->next == NULL ? &store->waits_last : &wait->next->prev) = wait;
    }
    pthread_mutex_unlock(&store->waits_mu);
    return waits;
}

bool qr_store_cancel_durable(struct qr_store *store, struct qr_durable_wait *wait)
{
    pthread_mutex_lock(&store->waits_mu);
    struct qr_durable_wait *w = store->waits_first;
    while (w != NULL && w != wait)
        w = w->next;
    if (w != NULL) {
        *(w->prev == NULL ? &store->waits_first : &w->prev->next) = w->next;
        *(w->next == NULL ? &store->waits_last : &w->next->prev) = w->prev;
    }
    pthread_mutex_unlock(&store->waits_mu);
    return w != NULL;
}

void qri_durable_reached(struct qr_store *store, uint64_t lsn)
{
    pthread_mutex_lock(&store->waits_mu);
    struct qr_durable_wait *list = store->waits_first, *rest = list;
    while (rest != NULL && rest->lsn.v <= lsn)
        rest = rest->next;
    if (rest == list) {
        list = NULL;
    } else if (rest == NULL) {
        store->waits_first = store->waits_last = NULL;
    } else {
        rest->prev->next = NULL;
        rest->prev = NULL;
        store->waits_first = rest;
    }
    pthread_mutex_unlock(&store->waits_mu);
    int64_t now_ns = list == NULL ? 0 : qr_env_mono_ns(store->env);
    while (list != NULL) {
        struct qr_durable_wait *next = list->next; /* `reached` may free its wait */
        list->waited_ns = now_ns - list->since_ns;
        qri_waited(&store->log_waits, list->waited_ns);
        list->reached(list);
        list = next;
    }
}

struct blocking_wait {
    struct qr_durable_wait wait; /* first */
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool done; /* guarded by mu */
};

static void wake_up(struct qr_durable_wait *wait)
{
    struct blocking_wait *w = (struct blocking_wait *)wait;
    pthread_mutex_lock(&w->mu);
    w->done = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mu);
}

static enum qr_status sleep_until_reached(struct qr_store *store, struct blocking_wait *w,
                                          struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&w->mu);
    while (!w->done) {
        (void)qr_cond_wait(&w->wake, &w->mu, HEALTH_CHECK_NS);
        if (w->done)
            break;
        pthread_mutex_unlock(&w->mu);
        status = qri_store_check(store, err);
        bool gave_up = status != QR_OK && qr_store_cancel_durable(store, &w->wait);
        pthread_mutex_lock(&w->mu);
        if (gave_up)
            break;
    }
    if (w->done)
        status = QR_OK;
    pthread_mutex_unlock(&w->mu);
    return status;
}

enum qr_status qr_store_wait_durable(struct qr_store *store, struct qr_lsn lsn, struct qr_err *err)
{
    if (atomic_load(&store->durable_lsn) >= lsn.v)
        return QR_OK;
    if (!store->threads_running)
        return qri_log_flush(store, err);
    struct blocking_wait w = {.wait = {.lsn = lsn, .reached = wake_up}};
    pthread_mutex_init(&w.mu, NULL);
    qr_cond_init(&w.wake);
    enum qr_status status = QR_OK;
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_WRITELOG);
    if (qr_store_on_durable(store, &w.wait))
        status = sleep_until_reached(store, &w, err);
    qr_wait_end(mark);
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.mu);
    return status;
}
