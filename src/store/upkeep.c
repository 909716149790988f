/* upkeep.c - the thread that keeps memory and the backend in order; see store_int.h. */
#include "store_int.h"
#include "governor/task.h"
#include "base/banned.h"

enum {
    IDLE_NS = 1000 * 1000 * 1000,
    RETRY_NS = 1000 * 1000 * 1000,
    WARM_BYTES_MAX = 32 << 20, /* free memory kept for the next burst */
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

void qri_upkeep_look(struct qr_store *store)
{
    struct qri_upkeep *up = &store->upkeep;
    pthread_mutex_lock(&up->mu);
    up->looks = true;
    pthread_cond_signal(&up->wake);
    pthread_mutex_unlock(&up->mu);
}

static void one_round(struct qr_store *store, bool wanted)
{
    struct qri_upkeep *up = &store->upkeep;
    struct qr_err err = {.status = QR_OK};
    atomic_store(&store->swept_from_ns, qr_env_wall_ns(store->env));
    while (qri_collect(store, true))
        ;
    atomic_store(&store->swept_ns, qr_env_wall_ns(store->env));
    qri_cache_trim(store, WARM_BYTES_MAX);
    qri_log_trim(store);
    qri_tmp_bury(store);
    qri_stubs_sweep(store);
    bool over = qri_cache_is_over(store);
    if (over)
        qri_spill(store);
    qri_versions_bound(store);
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

/* Something is left that a later round may free. */
static bool has_left(struct qr_store *store)
{
    pthread_mutex_lock(&store->gc_mu);
    bool retired = store->retired.first != NULL;
    pthread_mutex_unlock(&store->gc_mu);
    return retired || atomic_load(&store->held_count) > 0 || atomic_load(&store->head_stubs) > 0 ||
           atomic_load(&store->log.large_kept);
}

void *qri_upkeep_main(void *arg)
{
    struct qr_store *store = arg;
    struct qri_upkeep *up = &store->upkeep;
    while (!atomic_load(&store->stopping)) {
        atomic_store(&up->dozes, true); /* before it looks for what is left */
        bool again = has_left(store);
        if (again)
            atomic_store(&up->dozes, false);
        pthread_mutex_lock(&up->mu);
        if (!up->wanted && !up->looks && !atomic_load(&store->stopping))
            (void)qr_cond_wait(&up->wake, &up->mu, again ? IDLE_NS : -1);
        bool wanted = up->wanted;
        up->wanted = up->looks = false;
        pthread_mutex_unlock(&up->mu);
        atomic_store(&up->dozes, false);
        struct qr_gov_task task;
        qr_gov_enter_internal(&task, QR_GOV_CHECKPOINT);
        one_round(store, wanted);
        qr_gov_leave_internal(&task);
    }
    return NULL;
}
