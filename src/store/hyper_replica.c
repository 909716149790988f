/* hyper_replica.c - a replica's feed: log of the timeline as it is hardened, group by group; see
 * hyper_replica.h.
 *
 * One call is in flight at a time. With threads one of ours waits for it and applies what came;
 * without them its `done` does, wherever somebody waits: also in the middle of a reader's fetch. */
#include "hyper_replica.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum {
    REQUEST_BYTES_MAX = 256,
    ANSWER_BYTES_MAX = 64 << 20,
    LOG_BYTES_MAX = 256 << 20,
    GROUP_BYTES_MAX = 16 << 20, /* of an open group in memory; then it goes to a file */
};
static const int64_t SECOND_NS = 1000000000, RETRY_NS = 20000000;

/* --- records and groups --- */

static enum qr_status new_epoch(struct qri_hyper *hy, const struct qr_record *record,
                                struct qr_err *err)
{
    uint64_t applied = atomic_load(&hy->store->durable_lsn);
    if (record->epoch.last_commit_lsn != applied)
        return qr_fail(
            err, QR_CORRUPT, "epoch %llu follows the commit at LSN %llu, applied is %llu",
            (unsigned long long)record->epoch.epoch,
            (unsigned long long)record->epoch.last_commit_lsn, (unsigned long long)applied);
    pthread_mutex_lock(&hy->store->log.mu);
    hy->store->epoch = record->epoch.epoch;
    pthread_mutex_unlock(&hy->store->log.mu);
    return QR_OK;
}

/* The record at `at` of the log, which is whole. */
static enum qr_status take_record(struct qri_hyper *hy, const struct qr_record *record,
                                  struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    size_t from = rep->at;
    rep->at += record->bytes;
    rep->at_lsn += record->bytes;
    if (record->kind != QR_RECORD_COMMIT && record->kind != QR_RECORD_EPOCH)
        return QR_OK;
    enum qr_status status = record->kind == QR_RECORD_EPOCH
                                ? new_epoch(hy, record, err) /* what was open is void */
                                : qri_replica_apply(hy, rep->log.data + rep->start,
                                                    from - rep->start, rep->at_lsn, record, err);
    rep->start = rep->at;
    qr_tmp_file_free(QR_TAKE(rep->earlier));
    return status;
}

/* Whole records of a group that goes on. */
static enum qr_status put_aside(struct qri_hyper *hy, struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    size_t bytes = rep->at - rep->start;
    if (bytes < hy->store->options.txn_memory_bytes && bytes < GROUP_BYTES_MAX)
        return QR_OK;
    if (rep->earlier == NULL)
        QR_TRY(qr_tmp_file_new(hy->store, &rep->earlier, err));
    enum qr_status status = qr_tmp_file_write(rep->earlier, rep->log.data + rep->start, bytes,
                                              qr_tmp_file_bytes(rep->earlier), err);
    if (status == QR_SQL)
        status = qr_fail(err, QR_FULL, "no space for a large group of log");
    QR_TRY(status);
    rep->start = rep->at;
    return QR_OK;
}

static enum qr_status take_bytes(struct qri_hyper *hy, const uint8_t *bytes, size_t count,
                                 struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    qr_buf_add(&rep->log, bytes, count);
    QR_TRY(qr_buf_status(&rep->log, err));
    rep->next_lsn += count;
    while (rep->log.len - rep->at >= QR_RECORD_HEADER_BYTES) {
        uint32_t length;
        struct qr_record record;
        QR_TRY(qr_record_length(rep->log.data + rep->at, &length, err));
        if (length > rep->log.len - rep->at)
            break;
        QR_TRY(qr_record_decode(rep->log.data + rep->at, length, &record, err));
        QR_TRY(take_record(hy, &record, err));
    }
    QR_TRY(put_aside(hy, err));
    qr_buf_consume(&rep->log, rep->start);
    rep->at -= rep->start;
    rep->start = 0;
    return QR_OK;
}

static enum qr_status take_piece(struct qri_hyper *hy, const struct qr_piece *piece,
                                 struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    if (piece->first_lsn + piece->bytes <= rep->next_lsn)
        return QR_OK;
    if (piece->first_lsn > rep->next_lsn && piece->epoch <= rep->log_epoch)
        return qr_fail(err, QR_CORRUPT, "log from LSN %llu on, %llu is next",
                       (unsigned long long)piece->first_lsn, (unsigned long long)rep->next_lsn);
    if (piece->epoch > rep->log_epoch) {
        rep->log.len = rep->at; /* the rest of a record that was begun never comes */
        rep->log_epoch = piece->epoch;
        if (piece->first_lsn > rep->next_lsn)
            rep->next_lsn = piece->first_lsn;
        rep->at_lsn = rep->next_lsn;
    }
    size_t skip = rep->next_lsn - piece->first_lsn;
    return take_bytes(hy, piece->data + skip, piece->bytes - skip, err);
}

/* --- the feed --- */

static enum qr_status take_entry(struct qri_hyper *hy, const struct qr_feed_entry *entry,
                                 struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    if (entry->status != QR_OK)
        return qr_fail(err, entry->status, "the log service's answer from LSN %llu on",
                       (unsigned long long)rep->next_lsn);
    atomic_store(&rep->visible_wall_ns, entry->commit_wall_ns);
    atomic_store(&rep->visible_lsn, entry->commit_lsn);
    rep->known_epoch = entry->epoch;
    rep->known_commit_lsn = entry->commit_lsn;
    for (size_t at = 0; at < entry->pieces_bytes;) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(entry->pieces, entry->pieces_bytes, &at, &piece, err));
        QR_TRY(take_piece(hy, &piece, err));
    }
    return QR_OK;
}

/* QR_OK: ask again. A failure that asking again may mend is not fatal. */
static enum qr_status take_answer(struct qri_hyper *hy, const uint8_t *bytes, size_t count,
                                  bool *ret_fatal, struct qr_err *err)
{
    *ret_fatal = false;
    for (size_t at = 0; at < count;) {
        struct qr_feed_entry entry;
        QR_TRY(qr_feed_entry_next(bytes, count, &at, &entry, err));
        enum qr_status status = take_entry(hy, &entry, err);
        *ret_fatal = status != QR_OK && (entry.status == QR_OK || status == QR_NOT_FOUND);
        QR_TRY(status);
    }
    return QR_OK;
}

static void encode_request(struct qri_hyper *hy)
{
    struct qri_replica *rep = hy->replica;
    struct qr_logsvc_cursor cursor = {.timeline = hy->options.timeline,
                                      .from_lsn = rep->next_lsn,
                                      .reader_id = hy->options.reader_id,
                                      .kind = QR_READER_REPLICA,
                                      .applied_lsn = atomic_load(&hy->store->durable_lsn),
                                      .known_epoch = rep->known_epoch,
                                      .known_commit_lsn = rep->known_commit_lsn};
    qr_buf_clear(&rep->request);
    qr_logsvc_feed_put(&rep->request, &cursor, 1, hy->options.feed_bytes, hy->options.feed_wait_ns);
}

/* Waits a little after a failure; ends the store after one that asking again cannot mend. True:
 * all is well. */
static bool judge(struct qri_hyper *hy, enum qr_status status, bool fatal, const struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    if (status == QR_OK)
        return true;
    rep->ask_at_ns = qr_env_mono_ns(hy->store->env) + RETRY_NS;
    if (!fatal)
        return false;
    pthread_mutex_lock(&hy->mu);
    bool first = !hy->failed && !hy->ending;
    hy->failed = true;
    pthread_mutex_unlock(&hy->mu);
    if (first)
        qri_store_fail(hy->store, err);
    return false;
}

/* True: it may ask again at once. */
static bool take_reply(struct qri_hyper *hy, enum qr_status call_status, const uint8_t *bytes,
                       size_t count)
{
    struct qr_err err = {0};
    bool fatal = false;
    enum qr_status status = call_status;
    if (status == QR_OK)
        status = take_answer(hy, bytes, count, &fatal, &err);
    return judge(hy, status, fatal, &err);
}

static void done_alone(struct qr_rpc_call *call, const struct qr_rpc_reply *reply);
static void done_for_thread(struct qr_rpc_call *call, const struct qr_rpc_reply *reply);

/* False: none is to be made any more. */
static bool start_call(struct qri_hyper *hy)
{
    struct qri_replica *rep = hy->replica;
    encode_request(hy);
    pthread_mutex_lock(&hy->mu);
    bool may = !hy->ending && !hy->failed && !rep->stopping && !rep->flying;
    if (may) {
        rep->flying = true;
        rep->call = (struct qr_rpc_call){
            .method = QR_LOGSVC_CALL_FEED,
            .body_count = 1,
            .body = {{rep->request.data, rep->request.len}},
            .timeout_ns = hy->options.feed_wait_ns + hy->options.feed_answer_ns,
            .done = hy->store->options.threads_off ? done_alone : done_for_thread};
        qr_rpc_start(hy->options.log, &rep->call);
    }
    pthread_mutex_unlock(&hy->mu);
    return may;
}

static void landed(struct qri_hyper *hy)
{
    pthread_mutex_lock(&hy->mu);
    hy->replica->flying = false;
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
}

static void done_alone(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_replica *rep =
        (struct qri_replica *)(void *)((uint8_t *)call - offsetof(struct qri_replica, call));
    struct qri_hyper *hy = rep->hyper;
    pthread_mutex_lock(&hy->mu);
    bool over = hy->ending || hy->failed || rep->stopping;
    pthread_mutex_unlock(&hy->mu);
    bool again = !over && take_reply(hy, reply->status, reply->body, reply->bytes);
    landed(hy);
    if (again)
        (void)start_call(hy);
}

static void done_for_thread(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_replica *rep =
        (struct qri_replica *)(void *)((uint8_t *)call - offsetof(struct qri_replica, call));
    qr_buf_clear(&rep->answer);
    if (reply->status == QR_OK)
        qr_buf_add(&rep->answer, reply->body, reply->bytes);
    rep->answer_status = reply->status != QR_OK ? reply->status : qr_buf_status(&rep->answer, NULL);
}

static void *feed_main(void *arg)
{
    struct qri_hyper *hy = arg;
    struct qri_replica *rep = hy->replica;
    while (start_call(hy)) {
        qr_rpc_wait(hy->options.log, &rep->call);
        bool again = take_reply(hy, rep->answer_status, rep->answer.data, rep->answer.len);
        landed(hy);
        pthread_mutex_lock(&hy->mu);
        if (!again && !hy->ending && !rep->stopping)
            (void)qr_cond_wait(&hy->wake, &hy->mu, RETRY_NS);
        pthread_mutex_unlock(&hy->mu);
    }
    return NULL;
}

/* --- from outside --- */

enum qr_status qri_replica_new(struct qri_hyper *hy, struct qr_err *err)
{
    struct qri_replica *rep = calloc(1, sizeof *rep);
    if (rep == NULL)
        return qr_fail(err, QR_NOMEM, "replica");
    rep->hyper = hy;
    pthread_mutex_init(&rep->fetch_mu, NULL);
    qr_buf_init(&rep->request, REQUEST_BYTES_MAX);
    qr_buf_init(&rep->answer, ANSWER_BYTES_MAX);
    qr_buf_init(&rep->log, LOG_BYTES_MAX);
    hy->replica = rep;
    return QR_OK;
}

void qri_replica_free(struct qri_hyper *hy)
{
    struct qri_replica *rep = hy->replica;
    if (rep == NULL)
        return;
    qr_buf_done(&rep->request);
    qr_buf_done(&rep->answer);
    qr_buf_done(&rep->log);
    qr_tmp_file_free(rep->earlier);
    free(rep->changes);
    pthread_mutex_destroy(&rep->fetch_mu);
    free(rep);
    hy->replica = NULL;
}

enum qr_status qri_replica_start(struct qri_hyper *hy, uint64_t from_lsn, struct qr_err *err)
{
    hy->replica->next_lsn = hy->replica->at_lsn = from_lsn;
    return qri_replica_resume(hy, err);
}

enum qr_status qri_replica_resume(struct qri_hyper *hy, struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    pthread_mutex_lock(&hy->mu);
    rep->stopping = false;
    pthread_mutex_unlock(&hy->mu);
    if (hy->store->options.threads_off) {
        (void)start_call(hy);
        return QR_OK;
    }
    QR_TRY(qr_thread_start("qr-replica", 0, feed_main, hy, &rep->thread, err));
    rep->thread_runs = true;
    return QR_OK;
}

void qri_replica_stop(struct qri_hyper *hy)
{
    struct qri_replica *rep = hy->replica;
    if (rep == NULL)
        return;
    pthread_mutex_lock(&hy->mu);
    rep->stopping = true;
    bool flying = rep->flying;
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
    if (flying)
        qr_rpc_cancel(hy->options.log, &rep->call);
    if (rep->thread_runs)
        pthread_join(rep->thread, NULL);
    else if (flying)
        qr_rpc_wait(hy->options.log, &rep->call);
    rep->thread_runs = false;
}

void qri_replica_tick(struct qri_hyper *hy)
{
    struct qri_replica *rep = hy->replica;
    if (rep == NULL || !hy->store->options.threads_off ||
        rep->ask_at_ns > qr_env_mono_ns(hy->store->env))
        return;
    pthread_mutex_lock(&hy->mu);
    bool busy = rep->flying;
    pthread_mutex_unlock(&hy->mu);
    if (!busy) /* the request must stay as it is while a call is in flight */
        (void)start_call(hy);
}

void qri_replica_drive(struct qri_hyper *hy)
{
    qri_replica_tick(hy);
    pthread_mutex_lock(&hy->mu);
    bool flying = hy->replica->flying;
    pthread_mutex_unlock(&hy->mu);
    if (flying)
        qr_rpc_wait(hy->options.log, &hy->replica->call);
    else
        qri_hyper_pause(hy, RETRY_NS / 4);
}

void qri_replica_forget(struct qri_hyper *hy)
{
    struct qr_logsvc_ask question = {.timeline = hy->options.timeline,
                                     .reader_id = hy->options.reader_id};
    struct qr_buf ask;
    qr_buf_init(&ask, REQUEST_BYTES_MAX);
    qr_logsvc_ask_put(&ask, &question);
    struct iovec body = {ask.data, ask.len};
    if (qr_buf_status(&ask, NULL) == QR_OK) /* else it is forgotten after a while */
        (void)!qr_rpc_call_wait(hy->options.log, QR_LOGSVC_CALL_FORGET, &body, 1, SECOND_NS, NULL,
                                NULL);
    qr_buf_done(&ask);
}
