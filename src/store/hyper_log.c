/* hyper_log.c - hardens the log by appends to the log service, many in flight; see hyper_int.h. */
#include "hyper_replica.h"
#include <assert.h>
#include <stdlib.h>
#include "base/endian.h"
#include "base/sim_break.h"
#include "governor/wait.h"
#include "base/banned.h"

enum { RECORD_KIND_OFFSET = 4 };
static const int64_t MS = 1000000, REPEAT_MIN_NS = 1000000, REPEAT_MAX_NS = 256000000,
                     POLL_NS = 20000000, HINT_NS = 1000000000, REFUSED_NS = 5000000000;

void qri_hyper_pause(struct qri_hyper *hy, int64_t ns)
{
    if (hy->options.pause != NULL)
        hy->options.pause(hy->options.pause_ctx, ns);
    else
        qr_env_sleep_ns(hy->store->env, ns);
}

bool qri_hyper_may_repeat(enum qr_status status)
{
    return status == QR_TIMEOUT || status == QR_CLOSED || status == QR_BUSY ||
           status == QR_CORRUPT || status == QR_NOMEM;
}

static struct qri_append *nth(struct qri_hyper *hy, size_t i)
{
    return &hy->appends[(hy->first + i) % QRI_APPENDS];
}

/* --- sending; with hy->mu held --- */

/* Fills in the next bytes of the batch; they stay where they are until the batch is done. A commit
 * mark counts where it ends, and every one must: the log service and the page servers have to agree
 * on the visible LSN. */
static enum qr_status next_bytes(struct qri_hyper *hy, struct qri_sending *s,
                                 struct qri_append *append)
{
    struct qr_logsvc_append *a = &append->x.append;
    const struct qri_log_chunk *c = s->at_chunk;
    size_t bytes = c->len - s->at < QRI_APPEND_BYTES ? c->len - s->at : QRI_APPEND_BYTES;
    if (c->file != NULL) {
        append->buffer = malloc(bytes);
        if (append->buffer == NULL)
            return QR_NOMEM;
        QR_TRY(qr_tmp_file_read_exactly(c->file, append->buffer, bytes, s->at, NULL));
    }
    a->bytes = c->file != NULL ? append->buffer : c->data + s->at;
    a->byte_count = (uint32_t)bytes;
    a->first_lsn = hy->sent_lsn;
    size_t end = s->at + bytes;
    while (s->record < end && c->file == NULL) { /* no commit mark is in a file */
        const uint8_t *record = c->data + s->record;
        uint32_t record_bytes = qr_get32le(record);
        if (s->record + record_bytes > end)
            break;
        struct qr_record commit;
        if (record[RECORD_KIND_OFFSET] == QR_RECORD_COMMIT &&
            qr_record_decode(record, record_bytes, &commit, NULL) == QR_OK) {
            a->commit_lsn = a->first_lsn + (s->record + record_bytes - s->at);
            a->commit_wall_ns = commit.commit.wall_ns;
        }
        s->record += record_bytes;
    }
    hy->sent_lsn += bytes;
    s->at = end;
    if (end == c->len) {
        s->at_chunk = c->next;
        s->at = s->record = 0;
    }
    return QR_OK;
}

static void append_done(struct qr_logsvc_append *a);

static void start(struct qri_hyper *hy, struct qri_append *append)
{
    append->state = QRI_APPEND_FLYING;
    append->x.append.end_lsn = 0;
    hy->append_count++;
    qr_logsvc_peer_append(hy->options.log, &append->x);
}

static struct qri_sending *next_to_send(struct qri_hyper *hy)
{
    for (size_t i = 0; i < hy->sending_count; i++) {
        struct qri_sending *s = &hy->sending[(hy->sending_first + i) % QRI_SENDING];
        if (s->at_chunk != NULL)
            return s;
    }
    return NULL;
}

/* The first append of an epoch goes alone: what overtook it would be refused. False: log that is in
 * a file cannot be read, which is as bad as a refusal. */
static bool pump(struct qri_hyper *hy, struct qr_logsvc_append *ret_broken)
{
    struct qri_sending *s;
    while (!hy->failed && !hy->ending && (s = next_to_send(hy)) != NULL &&
           hy->count < (hy->epoch_begun ? QRI_APPENDS : 1)) {
        struct qri_append *append = nth(hy, hy->count++);
        *append = (struct qri_append){.hyper = hy};
        struct qr_logsvc_append *a = &append->x.append;
        a->timeline = hy->options.timeline;
        a->epoch = hy->store->epoch;
        a->new_epoch = !hy->epoch_begun;
        a->done = append_done;
        a->status = next_bytes(hy, s, append);
        if (a->status != QR_OK) {
            *ret_broken = *a;
            ret_broken->why = "the log of a large transaction cannot be read again";
            hy->count--;
            free(QR_TAKE(append->buffer));
            hy->failed = true;
            return false;
        }
        append->ends_batch = s->at_chunk == NULL;
        append->start_ns = qr_env_mono_ns(hy->store->env);
        append->give_up_ns = append->start_ns + hy->options.append_timeout_ns;
        start(hy, append);
    }
    return true;
}

/* --- answers --- */

static enum qri_append_state judge(const struct qr_logsvc_append *a, bool *ret_fatal)
{
    if (a->status == QR_OK)
        return QRI_APPEND_DONE;
    /* One before it was lost on the way; or there is no answer: the same append finds out. */
    bool gap =
        a->status == QR_CONFLICT && !a->new_epoch && a->end_lsn != 0 && a->end_lsn < a->first_lsn;
    *ret_fatal = !gap && !qri_hyper_may_repeat(a->status) && a->status != QR_FULL;
    return QRI_APPEND_FAILED;
}

/* The log service lives and has no room: what is committed waits for it however long that takes,
 * and can be read up to there; new writers are told (qri_hyper_delay). What comes behind a refused
 * one is told of the gap, which is an answer as well: only the refused one can close it. */
static void note_room(struct qri_hyper *hy, struct qri_append *append, int64_t now_ns)
{
    enum qr_status status = append->x.append.status;
    if (status == QR_FULL || status == QR_BUSY || status == QR_CONFLICT)
        append->give_up_ns = now_ns + hy->options.append_timeout_ns;
    if (status == QR_OK) {
        hy->refused_since_ns = 0;
    } else if (status == QR_FULL || status == QR_BUSY) {
        if (hy->refused_since_ns == 0)
            hy->refused_since_ns = now_ns;
        hy->refused = status;
    }
}

static void finish_oldest_batch(struct qri_hyper *hy, struct qri_log_chunk **ret_done)
{
    struct qri_sending *s = &hy->sending[hy->sending_first];
    struct qri_log_chunk **tail = ret_done;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = s->chunks;
    *s = (struct qri_sending){0};
    hy->sending_first = (hy->sending_first + 1) % QRI_SENDING;
    hy->sending_count--;
}

static void set_durable(struct qr_store *store, uint64_t lsn)
{
    atomic_store(&store->durable_lsn, lsn);
    atomic_store(&store->clean_lsn, lsn);
    atomic_store(&store->checkpoint_lsn, lsn);
}

/* What is answered without a gap is durable. Returns the newest commit mark in it that may be told,
 * or 0: without a lease nothing is (S6). */
static uint64_t retire(struct qri_hyper *hy, struct qri_log_chunk **ret_done)
{
    struct qr_store *store = hy->store;
    uint64_t commit_lsn = 0;
    while (hy->count > 0 && nth(hy, 0)->state == QRI_APPEND_DONE) {
        struct qri_append *append = nth(hy, 0);
        const struct qr_logsvc_append *a = &append->x.append;
        hy->epoch_begun = true;
        hy->hardened_lsn = a->first_lsn + a->byte_count;
        if (a->commit_lsn != 0)
            commit_lsn = a->commit_lsn;
        atomic_fetch_sub(&store->log.since_checkpoint, a->byte_count);
        atomic_fetch_add(&store->log.bytes_written, a->byte_count);
        if (append->ends_batch)
            finish_oldest_batch(hy, ret_done);
        append->state = QRI_APPEND_FREE;
        free(QR_TAKE(append->buffer));
        hy->first = (hy->first + 1) % QRI_APPENDS;
        hy->count--;
    }
    if (commit_lsn != 0 && !qri_lease_runs(hy)) {
        hy->held_lsn = commit_lsn;
        return 0;
    }
    if (commit_lsn != 0) {
        hy->held_lsn = 0;
        set_durable(store, commit_lsn);
    }
    return commit_lsn;
}

void qri_hyper_release_held(struct qri_hyper *hy)
{
    pthread_mutex_lock(&hy->mu);
    uint64_t lsn = qri_lease_runs(hy) ? hy->held_lsn : 0;
    if (lsn != 0) {
        hy->held_lsn = 0;
        set_durable(hy->store, lsn);
    }
    pthread_mutex_unlock(&hy->mu);
    if (lsn != 0)
        qri_durable_reached(hy->store, lsn);
}

static void recycle(struct qr_store *store, struct qri_log_chunk *chunks)
{
    if (chunks == NULL)
        return;
    pthread_mutex_lock(&store->log.mu);
    struct qri_log_chunk *rest = qri_log_keep_spares(store, chunks);
    pthread_mutex_unlock(&store->log.mu);
    qri_log_free_chunks(rest);
}

/* Never with hy->mu held. */
static void fail(struct qri_hyper *hy, const struct qr_logsvc_append *a)
{
    struct qr_err err = {0};
    (void)!qr_fail(&err, a->status, "append at LSN %llu in epoch %llu: %s",
                   (unsigned long long)a->first_lsn, (unsigned long long)a->epoch,
                   a->why != NULL ? a->why : "refused");
    qri_store_fail(hy->store, &err);
}

static void append_done(struct qr_logsvc_append *a)
{
    struct qri_append *append = (struct qri_append *)(void *)a; /* x and append are first */
    struct qri_hyper *hy = append->hyper;
    struct qr_store *store = hy->store;
    struct qri_log_chunk *done = NULL;
    bool fatal = false;
    int64_t now_ns = qr_env_mono_ns(store->env);
    pthread_mutex_lock(&hy->mu);
    hy->answering++;
    append->state = judge(a, &fatal);
    note_room(hy, append, now_ns);
    fatal = fatal && !hy->failed && !hy->ending;
    hy->failed = hy->failed || fatal;
    struct qr_logsvc_append copy = *a;
    if (a->status == QR_OK) {
        qri_waited(&store->log_writes, now_ns - append->start_ns);
        hy->hint = a->throttle;
        hy->hint_until_ns = now_ns + HINT_NS;
    }
    uint64_t commit_lsn = hy->failed ? 0 : retire(hy, &done);
    fatal = !pump(hy, &copy) || fatal;
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
    recycle(store, done);
    if (fatal)
        fail(hy, &copy);
    else if (commit_lsn != 0)
        qri_durable_reached(store, commit_lsn);
    pthread_mutex_lock(&hy->mu);
    hy->answering--; /* from here on the store may be freed */
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
}

/* --- repeating --- */

/* Starts again what failed, oldest first; false: nothing did. Gives up on the store when one had no
 * answer for too long: whether it was hardened is then not known (S3). */
static bool repeat_failed(struct qri_hyper *hy)
{
    bool any = false, fatal = false;
    struct qr_logsvc_append copy;
    int64_t now = qr_env_mono_ns(hy->store->env);
    pthread_mutex_lock(&hy->mu);
    for (size_t i = 0; i < hy->count && !hy->failed && !hy->ending; i++) {
        struct qri_append *append = nth(hy, i);
        if (append->state != QRI_APPEND_FAILED)
            continue;
        any = true;
        if (now > append->give_up_ns) {
            copy = append->x.append;
            fatal = hy->failed = true;
        } else {
            hy->repeat_count++;
            start(hy, append);
        }
    }
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
    if (fatal)
        fail(hy, &copy);
    return any;
}

static bool any_failed(struct qri_hyper *hy)
{
    for (size_t i = 0; i < hy->count; i++)
        if (nth(hy, i)->state == QRI_APPEND_FAILED)
            return true;
    return false;
}

void *qri_hyper_repeater_main(void *arg)
{
    struct qri_hyper *hy = arg;
    int64_t backoff = REPEAT_MIN_NS;
    pthread_mutex_lock(&hy->mu);
    while (!hy->ending) {
        int64_t lease_ns = qri_lease_due_ns(hy), hold_ns = qri_hold_due_ns(hy);
        int64_t until_due =
            (lease_ns < hold_ns ? lease_ns : hold_ns) - qr_env_mono_ns(hy->store->env);
        if (until_due <= 0 && !hy->failed) {
            pthread_mutex_unlock(&hy->mu);
            qri_lease_tick(hy);
            qri_hold_tick(hy);
            pthread_mutex_lock(&hy->mu);
            continue;
        }
        if (!any_failed(hy) || hy->failed) {
            uint64_t before = hy->hardened_lsn;
            bool timed = !hy->failed && until_due < INT64_MAX / 2;
            (void)qr_cond_wait(&hy->wake, &hy->mu, timed ? until_due : -1);
            if (hy->hardened_lsn != before)
                backoff = REPEAT_MIN_NS;
            continue;
        }
        pthread_mutex_unlock(&hy->mu);
        qri_hyper_pause(hy, backoff);
        (void)repeat_failed(hy);
        backoff = backoff < REPEAT_MAX_NS ? backoff * 2 : backoff;
        pthread_mutex_lock(&hy->mu);
    }
    pthread_mutex_unlock(&hy->mu);
    return NULL;
}

/* --- the backend's functions --- */

/* Takes what is gathered if not too many batches are in flight; they come from one hand at a time,
 * so that their order is that of the log. */
static void take_and_send(struct qr_store *store)
{
    struct qri_hyper *hy = store->hyper;
    struct qri_batch b;
    struct qr_logsvc_append a;
    bool broken = false;
    pthread_mutex_lock(&store->log.flush_mu);
    pthread_mutex_lock(&hy->mu);
    bool room = hy->sending_count < QRI_SENDING;
    pthread_mutex_unlock(&hy->mu);
    uint64_t early_lsn = 0;
    if (room && qri_log_take(store, &b)) {
        pthread_mutex_lock(&hy->mu);
        hy->sending[(hy->sending_first + hy->sending_count++) % QRI_SENDING] =
            (struct qri_sending){.chunks = b.chunks, .at_chunk = b.chunks};
        broken = !pump(hy, &a);
        pthread_mutex_unlock(&hy->mu);
        pthread_mutex_lock(&store->log.mu);
        store->log.flushing = false;
        pthread_mutex_unlock(&store->log.mu);
        atomic_fetch_add_explicit(&store->log.blocks, 1, memory_order_relaxed);
        if (qr_sim_broken(QR_BREAK_EARLY))
            early_lsn = b.commit_lsn;
    }
    pthread_mutex_unlock(&store->log.flush_mu);
    if (broken)
        fail(hy, &a);
    else if (early_lsn != 0)
        qri_durable_reached(store, early_lsn);
}

enum qr_status qri_hyper_harden(struct qr_store *store, struct qr_err *err)
{
    struct qri_hyper *hy = store->hyper;
    QR_TRY(qri_store_check(store, err));
    pthread_mutex_lock(&hy->mu);
    while (hy->sending_count == QRI_SENDING && !hy->failed && !hy->ending)
        (void)qr_cond_wait(&hy->wake, &hy->mu, -1);
    bool over = hy->failed || hy->ending;
    pthread_mutex_unlock(&hy->mu);
    if (over)
        return qr_fail(err, QR_CLOSED, "the store is closing");
    take_and_send(store);
    return QR_OK;
}

/* Without threads of ours the peer's wait moves the world; with them `wake` tells. */
static void wait_for_answers(struct qri_hyper *hy, int64_t *backoff)
{
    pthread_mutex_lock(&hy->mu);
    if (hy->thread_runs) {
        (void)qr_cond_wait(&hy->wake, &hy->mu, 100 * MS);
        pthread_mutex_unlock(&hy->mu);
        return;
    }
    struct qri_append *oldest = NULL;
    for (size_t i = 0; i < hy->count && oldest == NULL; i++)
        if (nth(hy, i)->state == QRI_APPEND_FLYING)
            oldest = nth(hy, i);
    uint64_t before = hy->hardened_lsn;
    pthread_mutex_unlock(&hy->mu);
    if (oldest != NULL) {
        qr_rpc_wait(hy->options.log, &oldest->x.call);
        if (hy->hardened_lsn != before)
            *backoff = REPEAT_MIN_NS;
        return;
    }
    qri_hyper_pause(hy, *backoff);
    *backoff = *backoff < REPEAT_MAX_NS ? *backoff * 2 : *backoff;
    (void)repeat_failed(hy);
}

enum qr_status qri_hyper_flush(struct qr_store *store, struct qr_err *err)
{
    struct qri_hyper *hy = store->hyper;
    int64_t backoff = REPEAT_MIN_NS;
    pthread_mutex_lock(&store->log.mu);
    uint64_t target = store->log.append_lsn;
    bool nothing = store->log.epoch_pending; /* nor was anything appended */
    pthread_mutex_unlock(&store->log.mu);
    for (;;) {
        QR_TRY(qri_store_check(store, err));
        if (nothing)
            return QR_OK;
        take_and_send(store);
        pthread_mutex_lock(&hy->mu);
        bool reached = hy->hardened_lsn >= target, held = hy->held_lsn != 0;
        pthread_mutex_unlock(&hy->mu);
        if (reached && !held)
            return QR_OK;
        if (reached) {
            QR_TRY(qri_lease_wait(hy, hy->options.append_timeout_ns, err));
            qri_hyper_release_held(hy);
            continue;
        }
        wait_for_answers(hy, &backoff);
    }
}

static enum qr_status sleep_polling(struct qri_hyper *hy, int64_t ns, qr_writer_poll_fn *poll,
                                    void *poll_ctx)
{
    while (ns > 0) {
        int64_t piece = ns < POLL_NS ? ns : POLL_NS;
        qri_hyper_pause(hy, piece);
        ns -= piece;
        if (poll != NULL)
            QR_TRY(poll(poll_ctx));
    }
    return QR_OK;
}

static enum qr_status wait_as_asked(struct qri_hyper *hy, int64_t ns,
                                    enum qr_store_rbio_reason reason, qr_writer_poll_fn *poll,
                                    void *poll_ctx)
{
    static const enum qr_wait types[QR_RBIO_COUNT] = {
        [QR_RBIO_LOCALDESTAGE] = QR_WAIT_RBIO_RG_LOCALDESTAGE,
        [QR_RBIO_REPLICA] = QR_WAIT_RBIO_RG_REPLICA,
        [QR_RBIO_DESTAGE] = QR_WAIT_RBIO_RG_DESTAGE,
        [QR_RBIO_STORAGE] = QR_WAIT_RBIO_RG_STORAGE,
    };
    struct qr_wait_mark mark = qr_wait_begin(types[reason]);
    enum qr_status status = sleep_polling(hy, ns, poll, poll_ctx);
    qr_wait_end(mark);
    return status;
}

enum qr_store_rbio_reason qr_hyper_slowed_by(struct qr_store *store)
{
    struct qri_hyper *hy = store->hyper;
    int64_t now = qr_env_mono_ns(store->env);
    pthread_mutex_lock(&hy->mu);
    bool slows = now < hy->hint_until_ns && hy->hint.delay_us > 0;
    enum qr_store_rbio_reason reason =
        slows ? (enum qr_store_rbio_reason)hy->hint.reason : QR_RBIO_NONE;
    pthread_mutex_unlock(&hy->mu);
    return reason;
}

static bool is_far_ahead(struct qr_store *store)
{
    return store->threads_running && qri_store_check(store, NULL) == QR_OK &&
           atomic_load(&store->log.since_checkpoint) > store->options.log_bytes_max;
}

/* Who would only join those that wait for room is refused, before it has changed anything. */
static enum qr_status check_room(struct qri_hyper *hy, int64_t now_ns)
{
    pthread_mutex_lock(&hy->mu);
    bool refused = hy->refused_since_ns != 0 && now_ns - hy->refused_since_ns > REFUSED_NS;
    enum qr_status status = hy->refused;
    pthread_mutex_unlock(&hy->mu);
    return refused ? status : QR_OK;
}

/* The log service does not come after. */
static enum qr_status wait_for_hardening(struct qri_hyper *hy, qr_writer_poll_fn *poll,
                                         void *poll_ctx)
{
    enum qr_status status = QR_OK;
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_RBIO_RG_LOCALDESTAGE);
    while (status == QR_OK && is_far_ahead(hy->store)) {
        status = sleep_polling(hy, MS, poll, poll_ctx);
        if (status == QR_OK)
            status = check_room(hy, qr_env_mono_ns(hy->store->env));
    }
    qr_wait_end(mark);
    return status;
}

/* Back-pressure: what the last answer asked for, then a bound on what is not durable yet. */
enum qr_status qri_hyper_delay(struct qr_store *store, qr_writer_poll_fn *poll, void *poll_ctx)
{
    struct qri_hyper *hy = store->hyper;
    int64_t now = qr_env_mono_ns(store->env);
    QR_TRY(check_room(hy, now));
    pthread_mutex_lock(&hy->mu);
    int64_t ns = now < hy->hint_until_ns ? (int64_t)hy->hint.delay_us * 1000 : 0;
    enum qr_store_rbio_reason reason = (enum qr_store_rbio_reason)hy->hint.reason;
    if (ns > 0) {
        struct qr_store_rbio *rbio = &hy->rbio[hy->hint.reason];
        rbio->waits++;
        rbio->wait_ns += (uint64_t)ns;
        rbio->wait_ns_max = (uint64_t)ns > rbio->wait_ns_max ? (uint64_t)ns : rbio->wait_ns_max;
    }
    pthread_mutex_unlock(&hy->mu);
    if (ns > 0)
        QR_TRY(wait_as_asked(hy, ns, reason, poll, poll_ctx));
    qri_grow(hy);
    return is_far_ahead(store) ? wait_for_hardening(hy, poll, poll_ctx) : QR_OK;
}

/* None is started again once the store is ending. */
static void cancel(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    qr_rpc_cancel(peer, call);
    qr_rpc_wait(peer, call);
}

void qri_hyper_repeat(struct qri_hyper *hy)
{
    qri_lease_tick(hy);
    qri_hold_tick(hy);
    (void)repeat_failed(hy);
    if (!hy->store->threads_running && qri_store_check(hy->store, NULL) == QR_OK)
        take_and_send(hy->store);
}

void qri_hyper_stop(struct qri_hyper *hy)
{
    pthread_mutex_lock(&hy->mu);
    hy->ending = true;
    pthread_cond_broadcast(&hy->wake);
    pthread_mutex_unlock(&hy->mu);
    if (hy->thread_runs)
        pthread_join(hy->thread, NULL);
    hy->thread_runs = false;
    qri_replica_stop(hy);
    for (size_t i = 0; i < QRI_APPENDS; i++) {
        struct qri_append *append = &hy->appends[i];
        pthread_mutex_lock(&hy->mu);
        bool flying = append->state == QRI_APPEND_FLYING;
        pthread_mutex_unlock(&hy->mu);
        if (flying)
            cancel(hy->options.log, &append->x.call);
    }
    pthread_mutex_lock(&hy->mu);
    bool renewing = hy->lease.flying, holding = hy->hold.flying;
    pthread_mutex_unlock(&hy->mu);
    if (renewing)
        cancel(hy->options.log, &hy->lease.call);
    if (holding)
        cancel(hy->options.pages, &hy->hold.call);
    /* What they made durable was seen before they were through. */
    pthread_mutex_lock(&hy->mu);
    while (hy->answering > 0 && !hy->store->options.threads_off)
        (void)qr_cond_wait(&hy->wake, &hy->mu, -1);
    pthread_mutex_unlock(&hy->mu);
}
