/* feed.c - see pagesvc/feed.h.
 *
 * Rows remember what the log service last said of a slice, and those that failed. `rows` belongs to
 * the call in flight (its done alone changes it) and, when there is none, to who starts the next;
 * `mu` guards the flags that decide this. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "logsvc/client.h"
#include "pagesvc/feed.h"
#include "base/banned.h"

enum {
    SLICES_MAX = 65536,
    REQUEST_BYTES_MAX = 64 + QR_LOGSVC_CURSORS_MAX * QR_LOGSVC_CURSOR_BYTES,
    BYTES_DEFAULT = 4 << 20,
};
static const int64_t WAIT_NS = INT64_C(5000000000), REST_NS = INT64_C(1000000000);
static const int64_t FULL_REST_NS = 50000000;
static const uint64_t FROZEN_BYTES = UINT64_C(512) << 20;
static const int64_t ANSWER_NS = INT64_C(10000000000);

struct row {
    struct qr_slice_cursor at; /* as of when the call was made */
    uint64_t known_epoch, known_commit_lsn;
    int64_t rest_until_ns; /* 0: it does not rest */
    bool sick;             /* only attaching it again helps */
    bool seen;             /* it is attached */
};

struct qr_pagefeed {
    struct qr_pagefeed_options options;
    pthread_mutex_t mu;
    pthread_cond_t idle; /* not busy any more */
    bool busy;           /* a call is in flight, or somebody works on the rows */
    bool stopping;       /* no more calls */
    bool poked;          /* the call in flight lacks a slice */
    bool started;        /* `call` was given to the peer */
    int64_t wake_at_ns;  /* a row's rest is over: the call in flight lacks it; 0: never */
    bool any_sick;       /* only a tick, which may block, mends */
    struct qr_pagefeed_stats stats;

    struct row *rows; /* sorted as the service lists them, then the sick ones it does not */
    size_t row_count;
    uint32_t *fed; /* rows of the cursors */
    uint32_t fed_count;
    size_t first_fed; /* where the next call begins, when there are more than one call takes */
    uint64_t pieces, piece_bytes; /* of the answer at hand */
    struct qr_buf request;
    struct qr_rpc_call call;
};

static void call_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply);

enum qr_status qr_pagefeed_new(const struct qr_pagefeed_options *options,
                               struct qr_pagefeed **ret_feed, struct qr_err *err)
{
    struct qr_pagefeed *feed = calloc(1, sizeof *feed);
    uint32_t *fed = calloc(QR_LOGSVC_CURSORS_MAX, sizeof *fed);
    if (feed == NULL || fed == NULL) {
        free(feed);
        free(fed);
        return qr_fail(err, QR_NOMEM, "feed of the page server");
    }
    feed->options = *options;
    feed->fed = fed;
    struct qr_pagefeed_options *o = &feed->options;
    o->env = o->env != NULL ? o->env : qr_env_real();
    o->bytes_max = o->bytes_max != 0 ? o->bytes_max : BYTES_DEFAULT;
    o->wait_ns = o->wait_ns != 0 ? o->wait_ns : WAIT_NS;
    o->answer_ns = o->answer_ns != 0 ? o->answer_ns : ANSWER_NS;
    o->rest_ns = o->rest_ns != 0 ? o->rest_ns : REST_NS;
    o->frozen_bytes_max = o->frozen_bytes_max != 0 ? o->frozen_bytes_max : FROZEN_BYTES;
    pthread_mutex_init(&feed->mu, NULL);
    pthread_cond_init(&feed->idle, NULL);
    qr_buf_init(&feed->request, REQUEST_BYTES_MAX);
    *ret_feed = feed;
    return QR_OK;
}

void qr_pagefeed_free(struct qr_pagefeed *feed)
{
    if (feed == NULL)
        return;
    pthread_mutex_lock(&feed->mu);
    feed->stopping = true;
    while (feed->busy) {
        if (feed->started) { /* with `stopping` set nobody starts it anew */
            pthread_mutex_unlock(&feed->mu);
            qr_rpc_cancel(feed->options.logsvc, &feed->call);
            qr_rpc_wait(feed->options.logsvc, &feed->call);
            pthread_mutex_lock(&feed->mu);
        } else {
            pthread_cond_wait(&feed->idle, &feed->mu);
        }
    }
    pthread_mutex_unlock(&feed->mu);
    qr_buf_done(&feed->request);
    pthread_cond_destroy(&feed->idle);
    pthread_mutex_destroy(&feed->mu);
    free(feed->rows);
    free(feed->fed);
    free(feed);
}

/* --- rows --- */

static bool same_slice(const struct qr_slice_id *a, const struct qr_slice_id *b)
{
    return a->no == b->no && qr_timeline_eq(&a->timeline, &b->timeline);
}

static struct row *find_row(struct row *rows, size_t count, size_t guess,
                            const struct qr_slice_id *id)
{
    for (size_t i = 0; i < count; i++) { /* mostly it is where it was */
        struct row *row = &rows[(guess + i) % count];
        if (same_slice(&row->at.id, id))
            return row;
    }
    return NULL;
}

/* The slices as they are attached now. */
static enum qr_status list_slices(struct qr_pagesvc *svc, struct qr_slice_cursor **ret_list,
                                  size_t *ret_count, struct qr_err *err)
{
    for (size_t capacity = 64;; capacity *= 2) {
        struct qr_slice_cursor *list =
            capacity > SLICES_MAX ? NULL : calloc(capacity, sizeof *list);
        if (list == NULL)
            return qr_fail(err, QR_NOMEM, "list of slices");
        size_t count = qr_pagesvc_list(svc, list, capacity);
        if (count <= capacity) {
            *ret_list = list;
            *ret_count = count;
            return QR_OK;
        }
        free(list);
    }
}

static void rest(struct qr_pagefeed *feed, struct row *row)
{
    row->rest_until_ns = qr_env_mono_ns(feed->options.env) + feed->options.rest_ns;
}

/* What broke a slice without its feed, as a damaged file does its flush, is seen when no log comes,
 * or none is taken, too. */
static enum qr_status refresh_rows(struct qr_pagefeed *feed, struct qr_err *err)
{
    struct qr_slice_cursor *list = NULL;
    size_t count = 0;
    QR_TRY(list_slices(feed->options.svc, &list, &count, err));
    struct row *rows = calloc(count + feed->row_count + 1, sizeof *rows);
    if (rows == NULL) {
        free(list);
        return qr_fail(err, QR_NOMEM, "rows of the feed");
    }
    for (size_t i = 0; i < count; i++) {
        struct row *old = find_row(feed->rows, feed->row_count, i, &list[i].id);
        if (old != NULL) {
            rows[i] = *old;
            old->seen = true;
        }
        if (old == NULL || !qr_timeline_eq(&old->at.source, &list[i].source))
            rows[i].known_epoch = rows[i].known_commit_lsn = 0;
        rows[i].at = list[i];
        rows[i].seen = false;
        if (list[i].is_broken && !rows[i].sick) {
            rows[i].sick = true;
            rest(feed, &rows[i]);
        }
    }
    for (size_t i = 0; i < feed->row_count; i++) {
        if (feed->rows[i].sick && !feed->rows[i].seen) /* detached, not yet attached again */
            rows[count++] = feed->rows[i];
    }
    free(list);
    free(feed->rows);
    feed->rows = rows;
    feed->row_count = count;
    return QR_OK;
}

/* --- asking --- */

static void add_cursor(struct qr_pagefeed *feed, const struct row *row,
                       struct qr_logsvc_cursor *ret_cursor)
{
    bool own = qr_timeline_eq(&row->at.source, &row->at.id.timeline);
    *ret_cursor =
        (struct qr_logsvc_cursor){.timeline = row->at.source,
                                  .from_lsn = row->at.next.v,
                                  /* A branch that catches up slows nobody down. */
                                  .reader_id = own ? feed->options.reader_id + row->at.id.no : 0,
                                  .kind = own ? QR_READER_PAGES : QR_READER_OTHER,
                                  .applied_lsn = row->at.visible.v,
                                  .known_epoch = row->known_epoch,
                                  .known_commit_lsn = row->known_commit_lsn};
}

/* False: there is nothing to ask for. */
static bool encode_request(struct qr_pagefeed *feed, struct qr_logsvc_cursor *cursors)
{
    int64_t now = qr_env_mono_ns(feed->options.env);
    feed->fed_count = 0;
    for (size_t i = 0; i < feed->row_count && feed->fed_count < QR_LOGSVC_CURSORS_MAX; i++) {
        size_t at = (feed->first_fed + i) % feed->row_count;
        struct row *row = &feed->rows[at];
        if (row->sick || row->rest_until_ns > now)
            continue;
        row->rest_until_ns = 0;
        if (row->at.frozen_bytes > feed->options.frozen_bytes_max) {
            row->rest_until_ns = now + FULL_REST_NS;
            continue;
        }
        add_cursor(feed, row, &cursors[feed->fed_count]);
        feed->fed[feed->fed_count++] = (uint32_t)at;
    }
    if (feed->fed_count == 0)
        return false;
    feed->first_fed = feed->row_count > QR_LOGSVC_CURSORS_MAX
                          ? (feed->fed[feed->fed_count - 1] + 1) % feed->row_count
                          : 0;
    bool some = feed->row_count > QR_LOGSVC_CURSORS_MAX; /* the others should not wait for these */
    qr_buf_clear(&feed->request);
    qr_logsvc_feed_put(&feed->request, cursors, feed->fed_count, feed->options.bytes_max,
                       some ? 0 : feed->options.wait_ns);
    return qr_buf_status(&feed->request, NULL) == QR_OK;
}

static bool prepare(struct qr_pagefeed *feed)
{
    struct qr_logsvc_cursor *cursors = calloc(QR_LOGSVC_CURSORS_MAX, sizeof *cursors);
    bool ready =
        cursors != NULL && refresh_rows(feed, NULL) == QR_OK && encode_request(feed, cursors);
    free(cursors);
    return ready;
}

/* With mu held. */
static void set_busy(struct qr_pagefeed *feed, bool busy)
{
    feed->busy = busy;
    if (!busy)
        pthread_cond_broadcast(&feed->idle);
}

static int64_t first_rest_end(const struct qr_pagefeed *feed)
{
    int64_t first = 0;
    for (size_t i = 0; i < feed->row_count; i++) {
        int64_t end = feed->rows[i].rest_until_ns;
        if (end != 0 && (first == 0 || end < first))
            first = end;
    }
    return first;
}

static bool has_sick(const struct qr_pagefeed *feed)
{
    bool any = false;
    for (size_t i = 0; i < feed->row_count; i++)
        any = any || feed->rows[i].sick;
    return any;
}

/* The caller has made the feed busy. */
static void ask(struct qr_pagefeed *feed)
{
    pthread_mutex_lock(&feed->mu);
    feed->poked = false;
    pthread_mutex_unlock(&feed->mu);
    bool ready = prepare(feed);
    int64_t wake_at_ns = first_rest_end(feed);
    bool any_sick = has_sick(feed);
    pthread_mutex_lock(&feed->mu);
    feed->any_sick = any_sick;
    ready = ready && !feed->stopping;
    feed->wake_at_ns = wake_at_ns;
    set_busy(feed, ready);
    if (ready) {
        feed->call = (struct qr_rpc_call){
            .method = QR_LOGSVC_CALL_FEED,
            .body_count = 1,
            .body = {{feed->request.data, feed->request.len}},
            .timeout_ns = feed->options.wait_ns + feed->options.answer_ns,
            .done = call_done,
        };
        feed->started = true;
        feed->stats.calls++;
        /* Under the lock: who frees the feed must find the call with the peer. */
        qr_rpc_start(feed->options.logsvc, &feed->call);
        if (feed->poked)
            qr_rpc_cancel(feed->options.logsvc, &feed->call);
    }
    pthread_mutex_unlock(&feed->mu);
}

/* --- the answer --- */

/* Not so when it has come to the end of an ancestor's log, or was attached anew meanwhile. */
static bool still_wants(struct qr_pagefeed *feed, const struct row *row)
{
    struct qr_slice_cursor cursor;
    return qr_pagesvc_cursor(feed->options.svc, &row->at.id, &cursor) &&
           qr_timeline_eq(&cursor.source, &row->at.source) && cursor.next.v >= row->at.next.v;
}

static enum qr_status take_pieces(struct qr_pagefeed *feed, const struct row *row,
                                  const struct qr_feed_entry *entry, struct qr_err *err)
{
    for (size_t at = 0; at < entry->pieces_bytes && still_wants(feed, row);) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(entry->pieces, entry->pieces_bytes, &at, &piece, err));
        feed->pieces++;
        feed->piece_bytes += piece.bytes;
        QR_TRY(qr_pagesvc_ingest(feed->options.svc, &row->at.id, &row->at.source, piece.epoch,
                                 qr_lsn(piece.first_lsn), piece.data, piece.bytes, err));
    }
    return QR_OK;
}

/* A slice that was detached meanwhile is no news to anybody. The row rests: it is not asked for. */
static void take_failure(struct qr_pagefeed *feed, struct row *row, enum qr_status status,
                         const char *text)
{
    rest(feed, row);
    if (status == QR_NOT_FOUND)
        return;
    QR_LOG(&feed->options.log, QR_WARN, "feed_of_slice_failed", QR_F("slice", row->at.id.no),
           QR_F("lsn", row->at.next.v), QR_F("error", text));
    row->sick = status == QR_CORRUPT || status == QR_CONFLICT || status == QR_NOMEM;
}

/* True: something came, or its row rests from here on, so that asking for the others at once does
 * not come to the same answer. */
static bool take_entry(struct qr_pagefeed *feed, const struct qr_feed_entry *entry)
{
    struct row *row = &feed->rows[feed->fed[entry->cursor_index]];
    if (entry->status != QR_OK) { /* of the log service: attaching again would not help */
        rest(feed, row);
        return true;
    }
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = take_pieces(feed, row, entry, &err);
    if (status != QR_OK) {
        take_failure(feed, row, status, err.text);
        return true;
    }
    bool news = entry->pieces_bytes > 0 || row->known_epoch != entry->epoch ||
                row->known_commit_lsn != entry->commit_lsn;
    row->known_epoch = entry->epoch;
    row->known_commit_lsn = entry->commit_lsn;
    return news;
}

/* False: the answer made no sense or told nothing, so that asking at once again would spin. */
static bool take_answer(struct qr_pagefeed *feed, const uint8_t *bytes, size_t count)
{
    bool news = count == 0; /* the wait is over */
    for (size_t at = 0; at < count;) {
        struct qr_feed_entry entry;
        if (qr_feed_entry_next(bytes, count, &at, &entry, NULL) != QR_OK ||
            entry.cursor_index >= feed->fed_count)
            return false;
        news = take_entry(feed, &entry) || news;
    }
    return news;
}

static void call_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qr_pagefeed *feed =
        (struct qr_pagefeed *)(void *)((uint8_t *)call - offsetof(struct qr_pagefeed, call));
    bool news = reply->status == QR_OK && take_answer(feed, reply->body, reply->bytes);
    pthread_mutex_lock(&feed->mu);
    feed->started = false;
    feed->stats.failed_calls += reply->status != QR_OK && reply->status != QR_CANCELLED;
    feed->stats.pieces += feed->pieces;
    feed->stats.piece_bytes += feed->piece_bytes;
    feed->pieces = feed->piece_bytes = 0;
    bool again = (news || feed->poked) && !feed->stopping;
    set_busy(feed, again);
    pthread_mutex_unlock(&feed->mu);
    if (again)
        ask(feed);
}

/* --- from outside --- */

/* What failed inside is gone with the slice object; the manifest knows where to go on. */
static void mend(struct qr_pagefeed *feed)
{
    int64_t now = qr_env_mono_ns(feed->options.env);
    for (size_t i = 0; i < feed->row_count; i++) {
        struct row *row = &feed->rows[i];
        if (!row->sick || row->rest_until_ns > now)
            continue;
        struct qr_err err;
        qr_err_reset(&err);
        qr_pagesvc_detach(feed->options.svc, &row->at.id);
        enum qr_status status = qr_pagesvc_attach(feed->options.svc, &row->at.id, &err);
        /* Dropped, or taken by another server: it is not ours any more. */
        row->sick = status != QR_OK && status != QR_NOT_FOUND && status != QR_FENCED;
        row->rest_until_ns = 0;
        if (row->sick)
            rest(feed, row);
        feed->stats.reattached += status == QR_OK;
        QR_LOG(&feed->options.log, QR_WARN, "slice_attached_again", QR_F("slice", row->at.id.no),
               QR_F("status", qr_status_info(status)->name));
    }
}

void qr_pagefeed_tick(struct qr_pagefeed *feed)
{
    pthread_mutex_lock(&feed->mu);
    bool mine = !feed->busy && !feed->stopping;
    feed->busy = feed->busy || mine;
    if (feed->started && feed->wake_at_ns != 0 &&
        feed->wake_at_ns <= qr_env_mono_ns(feed->options.env)) {
        /* who ends the call asks again at once, or, if there is something to mend, the next tick */
        feed->poked = feed->poked || !feed->any_sick;
        feed->wake_at_ns = 0;
        qr_rpc_cancel(feed->options.logsvc, &feed->call);
    }
    pthread_mutex_unlock(&feed->mu);
    if (!mine)
        return;
    mend(feed);
    ask(feed);
}

void qr_pagefeed_poke(struct qr_pagefeed *feed)
{
    pthread_mutex_lock(&feed->mu);
    bool started = feed->started && !feed->stopping;
    feed->poked = true;
    if (started)
        qr_rpc_cancel(feed->options.logsvc, &feed->call);
    pthread_mutex_unlock(&feed->mu);
    if (!started)
        qr_pagefeed_tick(feed);
}

void qr_pagefeed_get_stats(struct qr_pagefeed *feed, struct qr_pagefeed_stats *ret_stats)
{
    pthread_mutex_lock(&feed->mu);
    *ret_stats = feed->stats;
    pthread_mutex_unlock(&feed->mu);
}
