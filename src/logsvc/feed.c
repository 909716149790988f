/* feed.c - readers that wait for log of many timelines; see logsvc_int.h.
 *
 * A feed is in one place at a time: waiting (in svc->feeds and on its timelines' watch lists),
 * ready (in svc->ready, for a worker, because its log is not in memory), or being run by one
 * thread. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/checked.h"
#include "logsvc/client.h"
#include "base/banned.h"

enum { RUNNING, WAITING, READY };

static const int64_t TICK_NS = 20000000;

/* --- lists; with mu held --- */

static void push_feed(struct qr_logsvc_feed **list, struct qr_logsvc_feed *feed)
{
    feed->prev = NULL;
    feed->next = *list;
    if (*list != NULL)
        (*list)->prev = feed;
    *list = feed;
}

static void unlink_feed(struct qr_logsvc_feed **list, struct qr_logsvc_feed *feed)
{
    if (feed->prev != NULL)
        feed->prev->next = feed->next;
    else
        *list = feed->next;
    if (feed->next != NULL)
        feed->next->prev = feed->prev;
    feed->prev = feed->next = NULL;
}

static void stop_watching(struct qr_logsvc *svc, struct qr_logsvc_feed *feed)
{
    for (uint32_t i = 0; i < feed->cursor_count; i++) {
        struct qri_watch *w = &feed->watches[i];
        if (w->tl == NULL)
            continue;
        if (w->prev != NULL)
            w->prev->next = w->next;
        else
            w->tl->watches = w->next;
        if (w->next != NULL)
            w->next->prev = w->prev;
        qri_timeline_unref(svc, w->tl);
        w->tl = NULL;
    }
    unlink_feed(&svc->feeds, feed);
    svc->feed_count--;
    feed->phase = RUNNING;
}

static bool has_news(const struct qri_timeline *tl, const struct qr_logsvc_cursor *c)
{
    return tl == NULL || tl->hard.live != QRI_LIVE || c->from_lsn < tl->hard.end_lsn ||
           tl->hard.epoch != c->known_epoch || tl->hard.commit_lsn != c->known_commit_lsn ||
           tl->damaged;
}

static bool any_news(struct qr_logsvc *svc, const struct qr_logsvc_feed *feed)
{
    bool any = false;
    for (uint32_t i = 0; i < feed->cursor_count; i++) {
        struct qri_timeline *tl = qri_timeline_find(svc, &feed->cursors[i].timeline);
        if (tl != NULL && tl->hard.live == QRI_LIVE)
            qri_reader_seen(svc, tl, &feed->cursors[i]);
        any = any || has_news(tl, &feed->cursors[i]);
    }
    return any;
}

static void watch(struct qr_logsvc *svc, struct qr_logsvc_feed *feed)
{
    for (uint32_t i = 0; i < feed->cursor_count; i++) {
        struct qri_timeline *tl = qri_timeline_find(svc, &feed->cursors[i].timeline);
        struct qri_watch *w = &feed->watches[i];
        *w = (struct qri_watch){.feed = feed, .tl = tl, .next = tl->watches};
        if (tl->watches != NULL)
            tl->watches->prev = w;
        tl->watches = w;
        tl->refs++;
    }
    push_feed(&svc->feeds, feed);
    svc->feed_count++;
    feed->phase = WAITING;
}

void qri_feeds_wake(struct qr_logsvc *svc, struct qri_timeline *tl, struct qr_logsvc_feed **ready)
{
    while (tl->watches != NULL) {
        struct qr_logsvc_feed *feed = tl->watches->feed;
        stop_watching(svc, feed);
        feed->next = *ready; /* singly linked from here */
        *ready = feed;
    }
}

/* --- running --- */

static void finish(struct qr_logsvc_feed *feed, enum qr_status status)
{
    free(feed->watches);
    feed->watches = NULL;
    feed->status = status;
    feed->done(feed);
}

struct run {
    struct qr_logsvc_feed *feed;
    bool may_block, incomplete;
    size_t bytes; /* of pieces so far */
};

/* One cursor that has news. */
static enum qr_status run_cursor(struct qr_logsvc *svc, struct run *run, uint32_t index,
                                 struct qri_timeline *tl, struct qr_feed_entry *entry)
{
    const struct qr_logsvc_cursor *c = &run->feed->cursors[index];
    struct qr_buf *buf = run->feed->answer;
    size_t room = run->feed->bytes_max - run->bytes;
    if (c->from_lsn >= entry->hardened_lsn)
        return tl->damaged ? QR_CORRUPT : QR_OK;
    bool complete = false;
    QR_TRY(qri_read_memory(svc, tl, c->from_lsn, room, buf, &complete, NULL));
    if (complete)
        return QR_OK;
    run->incomplete = !run->may_block;
    return run->may_block ? qri_read(svc, tl, c->from_lsn, room, buf, NULL) : QR_OK;
}

/* Adds this cursor's entry, if there is anything to tell. */
static void add_entry(struct qr_logsvc *svc, struct run *run, uint32_t index)
{
    const struct qr_logsvc_cursor *c = &run->feed->cursors[index];
    struct qr_feed_entry entry = {.cursor_index = index, .status = QR_NOT_FOUND};
    pthread_mutex_lock(&svc->mu);
    struct qri_timeline *tl = qri_timeline_find(svc, &c->timeline);
    bool news = has_news(tl, c);
    if (tl != NULL && tl->hard.live != QRI_LIVE)
        tl = NULL;
    if (tl != NULL) {
        tl->refs++;
        entry.epoch = tl->hard.epoch;
        entry.hardened_lsn = tl->hard.end_lsn;
        entry.commit_lsn = tl->hard.commit_lsn;
        entry.commit_wall_ns = tl->hard.commit_wall_ns;
    }
    pthread_mutex_unlock(&svc->mu);
    struct qr_buf *buf = run->feed->answer;
    size_t start = buf->len;
    if (news) {
        qr_buf_fill(buf, 0, QR_FEED_ENTRY_BYTES);
        if (tl != NULL)
            entry.status = run_cursor(svc, run, index, tl, &entry);
        if (entry.status != QR_OK && buf->failed == QR_OK)
            buf->len = start + QR_FEED_ENTRY_BYTES; /* nothing half */
        if (buf->failed == QR_OK) {
            entry.pieces_bytes = buf->len - start - QR_FEED_ENTRY_BYTES;
            run->bytes += entry.pieces_bytes;
            qr_feed_entry_put(buf->data + start, &entry);
        }
    }
    if (tl != NULL) {
        pthread_mutex_lock(&svc->mu);
        qri_timeline_unref(svc, tl);
        pthread_mutex_unlock(&svc->mu);
    }
}

static void hand_to_worker(struct qr_logsvc *svc, struct qr_logsvc_feed *feed)
{
    pthread_mutex_lock(&svc->mu);
    push_feed(&svc->ready, feed);
    feed->phase = READY;
    pthread_cond_signal(&svc->work);
    pthread_mutex_unlock(&svc->mu);
}

static void run_feed(struct qr_logsvc *svc, struct qr_logsvc_feed *feed, bool may_block)
{
    struct run run = {.feed = feed, .may_block = may_block};
    pthread_mutex_lock(&svc->mu);
    uint32_t turn = svc->feed_turn++; /* each time another cursor is the first */
    pthread_mutex_unlock(&svc->mu);
    qr_buf_clear(feed->answer);
    for (uint32_t i = 0; i < feed->cursor_count && run.bytes < feed->bytes_max && !run.incomplete;
         i++)
        add_entry(svc, &run, (turn + i) % feed->cursor_count);
    if (run.incomplete)
        hand_to_worker(svc, feed);
    else
        finish(feed, feed->answer->failed);
}

void qri_feeds_run(struct qr_logsvc *svc, struct qr_logsvc_feed *ready)
{
    while (ready != NULL) {
        struct qr_logsvc_feed *feed = ready;
        ready = feed->next;
        feed->next = NULL;
        run_feed(svc, feed, !svc->threads_running);
    }
}

void qr_logsvc_feed(struct qr_logsvc *svc, struct qr_logsvc_feed *feed)
{
    enum qr_status status = QR_OK;
    feed->watches = NULL;
    feed->phase = RUNNING;
    if (feed->cursor_count == 0 || feed->cursor_count > QR_LOGSVC_CURSORS_MAX ||
        feed->bytes_max == 0 || feed->bytes_max > QR_LOGSVC_READ_BYTES_MAX || feed->wait_ns < 0) {
        finish(feed, QR_INVALID);
        return;
    }
    if (feed->wait_ns > 0)
        feed->watches = calloc(feed->cursor_count, sizeof *feed->watches);
    feed->deadline_ns = qr_env_mono_ns(svc->env);
    if (qr_add_i64(feed->deadline_ns, feed->wait_ns, &feed->deadline_ns) == false)
        feed->deadline_ns = INT64_MAX;
    pthread_mutex_lock(&svc->mu);
    bool news = any_news(svc, feed);
    bool waits = !news && feed->wait_ns > 0;
    if (atomic_load(&svc->health) != QR_OK || atomic_load(&svc->stopping))
        status = QR_CLOSED;
    else if (waits && feed->watches == NULL)
        status = QR_NOMEM;
    else if (waits && svc->feed_count >= svc->options.feeds_max)
        status = QR_BUSY;
    else if (waits)
        watch(svc, feed);
    pthread_mutex_unlock(&svc->mu);
    if (status != QR_OK || (!news && !waits))
        finish(feed, status);
    else if (news)
        run_feed(svc, feed, !svc->threads_running);
}

void qr_logsvc_feed_cancel(struct qr_logsvc *svc, struct qr_logsvc_feed *feed)
{
    pthread_mutex_lock(&svc->mu);
    bool waiting = feed->phase == WAITING;
    if (waiting)
        stop_watching(svc, feed);
    pthread_mutex_unlock(&svc->mu);
    if (waiting)
        finish(feed, QR_CANCELLED);
}

/* --- time and threads --- */

/* Takes waiting feeds whose time is over, or all. */
static struct qr_logsvc_feed *take_expired(struct qr_logsvc *svc, bool all)
{
    struct qr_logsvc_feed *expired = NULL;
    int64_t now = qr_env_mono_ns(svc->env);
    pthread_mutex_lock(&svc->mu);
    for (struct qr_logsvc_feed *f = svc->feeds, *next; f != NULL; f = next) {
        next = f->next;
        if (!all && f->deadline_ns > now)
            continue;
        stop_watching(svc, f);
        f->next = expired;
        expired = f;
    }
    pthread_mutex_unlock(&svc->mu);
    return expired;
}

static void finish_list(struct qr_logsvc_feed *list, enum qr_status status)
{
    while (list != NULL) {
        struct qr_logsvc_feed *next = list->next;
        list->next = NULL;
        finish(list, status);
        list = next;
    }
}

static struct qr_logsvc_feed *take_ready(struct qr_logsvc *svc)
{
    struct qr_logsvc_feed *feed = svc->ready;
    if (feed != NULL) {
        unlink_feed(&svc->ready, feed);
        feed->phase = RUNNING;
    }
    return feed;
}

void qr_logsvc_tick(struct qr_logsvc *svc)
{
    pthread_mutex_lock(&svc->mu);
    qri_ring_calm(svc);
    pthread_mutex_unlock(&svc->mu);
    finish_list(take_expired(svc, false), QR_OK);
}

void qri_feeds_end(struct qr_logsvc *svc, enum qr_status status)
{
    finish_list(take_expired(svc, true), status);
    struct qr_logsvc_feed *ready = svc->ready;
    svc->ready = NULL;
    finish_list(ready, status);
    while (svc->jobs != NULL) {
        struct qri_job *job = svc->jobs;
        svc->jobs = job->next;
        job->run(svc, job, status);
    }
}

void qri_job_start(struct qr_logsvc *svc, struct qri_job *own_job)
{
    if (!svc->threads_running) {
        own_job->run(svc, own_job, qri_check_health(svc, NULL));
        return;
    }
    pthread_mutex_lock(&svc->mu);
    own_job->next = svc->jobs;
    svc->jobs = own_job;
    pthread_cond_signal(&svc->work);
    pthread_mutex_unlock(&svc->mu);
}

void *qri_worker_main(void *arg)
{
    struct qr_logsvc *svc = arg;
    for (;;) {
        pthread_mutex_lock(&svc->mu);
        while (svc->ready == NULL && svc->jobs == NULL && !atomic_load(&svc->stopping))
            pthread_cond_wait(&svc->work, &svc->mu);
        bool stop = atomic_load(&svc->stopping);
        struct qr_logsvc_feed *feed = stop ? NULL : take_ready(svc);
        struct qri_job *job = stop || feed != NULL ? NULL : svc->jobs;
        if (job != NULL)
            svc->jobs = job->next;
        pthread_mutex_unlock(&svc->mu);
        if (stop)
            return NULL;
        if (feed != NULL)
            run_feed(svc, feed, true);
        else if (job != NULL)
            job->run(svc, job, QR_OK);
    }
}

void *qri_ticker_main(void *arg)
{
    struct qr_logsvc *svc = arg;
    while (!atomic_load(&svc->stopping)) {
        pthread_mutex_lock(&svc->bg_mu);
        if (!atomic_load(&svc->stopping))
            (void)qr_cond_wait(&svc->bg_wake, &svc->bg_mu, TICK_NS);
        pthread_mutex_unlock(&svc->bg_mu);
        qr_logsvc_tick(svc);
    }
    return NULL;
}
