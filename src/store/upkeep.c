/* upkeep.c - the thread that keeps memory and the backend in order; see store_int.h. */
#include "store_int.h"
#include "governor/task.h"
#include "base/banned.h"

enum {
    IDLE_NS = 1000 * 1000 * 1000,
    RETRY_NS = 1000 * 1000 * 1000,
};

void qri_upkeep_init(struct qr_store *store)
{
    struct qri_upkeep *up = &store->upkeep;
    pthread_mutex_init(&up->mu, NULL);
    qr_cond_init(&up->wake);
    qr_cond_init(&up->done);
}

void qri_upkeep_done(struct qr_store *store)
{
    struct qri_upkeep *up = &store->upkeep;
    pthread_cond_destroy(&up->done);
    pthread_cond_destroy(&up->wake);
    pthread_mutex_destroy(&up->mu);
}

void qri_upkeep_want(struct qr_store *store)
{
    struct qri_upkeep *up = &store->upkeep;
    if (!store->threads_running)
        return;
    pthread_mutex_lock(&up->mu);
    bool wake = !up->wanted;
    up->wanted = true;
    pthread_mutex_unlock(&up->mu);
    if (wake)
        pthread_cond_signal(&up->wake);
}

/* It may sleep without an end: there is something that it frees after a while. */
void qri_upkeep_look(struct qr_store *store)
{
    struct qri_upkeep *up = &store->upkeep;
    pthread_mutex_lock(&up->mu);
    pthread_cond_signal(&up->wake);
    pthread_mutex_unlock(&up->mu);
}

static void one_round(struct qr_store *store, bool wanted)
{
    struct qri_upkeep *up = &store->upkeep;
    struct qr_err err = {.status = QR_OK};
    while (qri_collect(store, true))
        ;
    qri_cache_trim(store);
    qri_log_trim(store);
    qri_tmp_bury(store);
    qri_stubs_sweep(store);
    bool over = qri_cache_is_over(store);
    if (over)
        qri_spill(store);
    enum qr_status status = store->backend->upkeep(store, wanted, over, &err);
    if (status != QR_OK && up->last == QR_OK)
        QR_LOG(&store->options.log, QR_WARN, "checkpoint_failed", QR_F("dir", store->dir),
               QR_F("err", err.text));
    pthread_mutex_lock(&up->mu);
    up->runs += wanted;
    up->last = status;
    pthread_cond_broadcast(&up->done);
    pthread_mutex_unlock(&up->mu);
    if (status != QR_OK) { /* a full disk, most likely: not in a tight loop */
        pthread_mutex_lock(&up->mu);
        if (!atomic_load(&store->stopping))
            (void)qr_cond_wait(&up->wake, &up->mu, RETRY_NS);
        pthread_mutex_unlock(&up->mu);
    }
}

void *qri_upkeep_main(void *arg)
{
    struct qr_store *store = arg;
    struct qri_upkeep *up = &store->upkeep;
    while (!atomic_load(&store->stopping)) {
        pthread_mutex_lock(&up->mu);
        bool again = atomic_load(&store->held_count) > 0 || atomic_load(&store->head_stubs) > 0 ||
                     atomic_load(&store->log.large_kept);
        if (!up->wanted && !atomic_load(&store->stopping))
            (void)qr_cond_wait(&up->wake, &up->mu, again ? IDLE_NS : -1);
        bool wanted = up->wanted;
        up->wanted = false;
        pthread_mutex_unlock(&up->mu);
        struct qr_gov_task task;
        qr_gov_enter_internal(&task, QR_GOV_CHECKPOINT);
        one_round(store, wanted);
        qr_gov_leave_internal(&task);
    }
    return NULL;
}
