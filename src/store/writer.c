/* writer.c - see store/writer.h */
#include "store_int.h"
#include <assert.h>
#include "governor/task.h"
#include "base/banned.h"

enum { NONE, WAITS, HELD };
enum {
    POLL_NS = 20 * 1000 * 1000,
    BARGE_NS = 2 * 1000 * 1000, /* who waited longer is not overtaken */
    CHECKPOINTS_WAITED = 2,     /* then a writer goes on whatever the limits say */
};
#define CACHE_EXCESS_BYTES (UINT64_C(16) << 20)

/* The queue is writers_first ... writers_last; a holder stands in front. */
static struct qr_writer *holder(const struct qr_store *store)
{
    struct qr_writer *first = store->writers_first;
    return first != NULL && first->state == HELD ? first : NULL;
}

static void push_front(struct qr_store *store, struct qr_writer *w)
{
    w->next = store->writers_first;
    store->writers_first = w;
    if (store->writers_last == NULL)
        store->writers_last = w;
}

static void push_back(struct qr_store *store, struct qr_writer *w)
{
    w->next = NULL;
    if (store->writers_last != NULL)
        store->writers_last->next = w;
    else
        store->writers_first = w;
    store->writers_last = w;
}

static void unlink_writer(struct qr_store *store, struct qr_writer *w)
{
    struct qr_writer **place = &store->writers_first, *before = NULL;
    while (*place != w) {
        before = *place;
        place = &before->next;
    }
    *place = w->next;
    if (store->writers_last == w)
        store->writers_last = before;
    w->next = NULL;
    w->state = NONE;
}

/* With writer_mu held and nobody holding the lock. */
static bool may_take(struct qr_store *store, const struct qr_writer *w, int64_t now)
{
    const struct qr_writer *first = store->writers_first;
    return first == NULL || first == w || now - first->since_mono_ns < BARGE_NS;
}

static void take(struct qr_store *store, struct qr_writer *w, int64_t now)
{
    w->state = HELD;
    w->since_mono_ns = now;
    w->store = store;
    push_front(store, w);
}

static bool is_log_long(struct qr_store *store)
{
    return atomic_load(&store->log.since_checkpoint) > store->options.log_bytes_max;
}

static bool is_over_limits(struct qr_store *store)
{
    if (is_log_long(store))
        return true;
    uint64_t cache = atomic_load(&store->cache.bytes_max);
    return qri_cache_used_bytes(store) > 2 * cache + CACHE_EXCESS_BYTES;
}

static enum qr_status wait_for_checkpoints(struct qr_store *store, qr_writer_poll_fn *poll,
                                           void *poll_ctx)
{
    struct qri_upkeep *up = &store->upkeep;
    pthread_mutex_lock(&up->mu);
    uint64_t until = up->runs + CHECKPOINTS_WAITED;
    pthread_mutex_unlock(&up->mu);
    while (is_over_limits(store) && qri_store_check(store, NULL) == QR_OK) {
        qri_upkeep_want(store);
        pthread_mutex_lock(&up->mu);
        (void)qr_cond_wait(&up->done, &up->mu, POLL_NS);
        bool enough = up->runs >= until;
        pthread_mutex_unlock(&up->mu);
        if (enough)
            break;
        if (poll != NULL)
            QR_TRY(poll(poll_ctx));
    }
    return QR_OK;
}

/* Before the lock is taken (S1): gives the checkpointer time to make room. Who waits
 * because the log is long is seen to. */
static enum qr_status wait_for_room(struct qr_store *store, qr_writer_poll_fn *poll, void *poll_ctx)
{
    if (store->backend->delay != NULL)
        QR_TRY(store->backend->delay(store, poll, poll_ctx));
    QR_TRY(qri_behind_delay(store, poll, poll_ctx));
    if (!is_over_limits(store))
        return QR_OK;
    if (!store->threads_running) {
        (void)!store->backend->checkpoint(store,
                                          NULL); /* a failure shows when log space runs out */
        return QR_OK;
    }
    bool is_log = is_log_long(store);
    struct qr_wait_mark mark = {0};
    if (is_log)
        mark = qr_wait_begin(QR_WAIT_HADR_THROTTLE_LOG_RATE_LOG_SIZE);
    enum qr_status status = wait_for_checkpoints(store, poll, poll_ctx);
    if (is_log)
        qr_wait_end(mark);
    return status;
}

static enum qr_status wait_in_queue(struct qr_store *store, struct qr_writer *w,
                                    qr_writer_poll_fn *poll, void *poll_ctx)
{
    pthread_cond_t wake;
    qr_cond_init(&wake);
    enum qr_status status = QR_OK;
    w->state = WAITS;
    w->store = store;
    /* cppcheck-suppress autoVariables; taken back before the end */
    w->wake = &wake;
    push_back(store, w);
    while (w->state != HELD && status == QR_OK) {
        if (holder(store) == NULL) {
            int64_t now = qr_env_mono_ns(store->env);
            if (may_take(store, w, now)) {
                unlink_writer(store, w);
                take(store, w, now);
                break;
            }
        }
        (void)qr_cond_wait(&wake, &store->writer_mu, POLL_NS);
        if (w->state == HELD)
            break;
        pthread_mutex_unlock(&store->writer_mu);
        status = qri_store_check(store, NULL);
        if (status == QR_OK && poll != NULL)
            status = poll(poll_ctx);
        pthread_mutex_lock(&store->writer_mu);
    }
    if (status != QR_OK && w->state == WAITS) {
        unlink_writer(store, w);
        struct qr_writer *first = store->writers_first;
        if (first != NULL && first->state == WAITS)
            pthread_cond_signal(first->wake); /* maybe the wake-up was meant for us */
    } else {
        status = QR_OK; /* it was handed to us while we gave up */
    }
    w->wake = NULL;
    pthread_cond_destroy(&wake);
    return status;
}

enum qr_status qr_writer_acquire(struct qr_store *store, struct qr_writer *writer,
                                 qr_writer_poll_fn *poll, void *poll_ctx, struct qr_err *err)
{
    assert(writer->state == NONE && writer->owner != 0);
    QR_TRY(qri_store_check(store, err));
    if (qr_store_is_read_only(store))
        return qr_fail(err, QR_READ_ONLY, "the store is a replica");
    enum qr_status status = wait_for_room(store, poll, poll_ctx);
    if (status == QR_OK) {
        int64_t now = qr_env_mono_ns(store->env);
        pthread_mutex_lock(&store->writer_mu);
        if (holder(store) == NULL && may_take(store, writer, now)) {
            take(store, writer, now);
        } else {
            writer->since_mono_ns = now;
            status = wait_in_queue(store, writer, poll, poll_ctx);
        }
        pthread_mutex_unlock(&store->writer_mu);
    }
    if (status != QR_OK)
        return qr_fail(err, status, "%s",
                       status == QR_FULL   ? "there is no space for log"
                       : status == QR_BUSY ? "the log service has no room for more log"
                                           : "wait for the writer lock");
    writer->task = qr_gov_hold();
    return QR_OK;
}

void qr_writer_release(struct qr_writer *writer)
{
    struct qr_store *store = writer->store;
    if (store == NULL)
        return;
    struct qr_gov_task *task = writer->task;
    pthread_mutex_lock(&store->writer_mu);
    if (writer->state == HELD) {
        unlink_writer(store, writer);
        writer->store = NULL;
        writer->task = NULL;
        struct qr_writer *next = store->writers_first;
        if (next != NULL) {
            int64_t now = qr_env_mono_ns(store->env);
            if (now - next->since_mono_ns >= BARGE_NS) {
                next->state = HELD; /* it stands in front already */
                next->since_mono_ns = now;
            }
            pthread_cond_signal(next->wake);
        }
    }
    pthread_mutex_unlock(&store->writer_mu);
    qr_gov_unhold(task);
}

bool qr_writer_is_held(const struct qr_writer *writer)
{
    return writer->state == HELD;
}

size_t qr_store_list_writers(struct qr_store *store, struct qr_writer_info *dst, size_t count_max)
{
    size_t count = 0;
    pthread_mutex_lock(&store->writer_mu);
    for (struct qr_writer *w = store->writers_first; w != NULL; w = w->next, count++)
        if (count < count_max)
            dst[count] = (struct qr_writer_info){w->owner, w->since_mono_ns};
    pthread_mutex_unlock(&store->writer_mu);
    return count;
}
