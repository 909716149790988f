/* copies_join.c - brings members that are away up to date; see copies_int.h.
 *
 * A member says where its log ends; it gets the log from there on while commits go on, and the last
 * of it while they wait. If its log does not lead to ours, or ours from there on is not kept any
 * more, it gets all pages first. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "copies_int.h"
#include "base/banned.h"

enum { LOG_BYTES = 1 << 20, PAGES_BYTES = 1 << 20, LOG_BUFFER_BYTES = 32 << 20 };
static const int64_t AGAIN_NS = 100000000, AGAIN_SEED_NS = INT64_C(1000000000), PAUSE_NS = 20000000,
                     BEAT_NS = 500000000;

enum qr_status qri_copy_call(struct qri_copy *copy, uint16_t method, const struct qri_copy_ask *a,
                             const uint8_t *more, size_t more_bytes,
                             struct qri_copy_state *ret_state, struct qr_err *err)
{
    uint8_t head[QRI_COPY_ASK_BYTES];
    struct qr_buf answer;
    qr_buf_init(&answer, 4096);
    qri_copy_ask_put(head, a);
    struct iovec body[2] = {{head, sizeof head}, {(void *)(uintptr_t)more, more_bytes}};
    enum qr_status status = qr_rpc_call_wait(copy->peer, method, body, more_bytes == 0 ? 1 : 2,
                                             copy->copies->options.answer_ns, &answer, err);
    if (status == QR_OK)
        status = qri_copy_state_get(answer.data, answer.len, ret_state, err);
    qr_buf_done(&answer);
    return status;
}

/* --- log --- */

static enum qr_status send_log(struct qri_copy *copy, const struct qr_buf *pieces,
                               struct qr_err *err)
{
    struct qri_copy_ask a = {.try_no = copy->try_no, .epoch = copy->copies->epoch};
    struct qri_copy_state state;
    if (pieces->len == 0)
        return QR_OK;
    QR_TRY(qri_copy_call(copy, QRI_COPY_CALL_LOG, &a, pieces->data, pieces->len, &state, err));
    copy->log_epoch = state.log_epoch;
    return QR_OK;
}

enum qr_status qri_copy_send_piece(struct qri_copy *copy, uint64_t *from, struct qr_buf *pieces,
                                   bool *ret_more, struct qr_err *err)
{
    struct qr_lsn end = qr_lsn(*from);
    qr_buf_clear(pieces);
    QR_TRY(qr_archive_log(copy->copies->store, end, LOG_BYTES, pieces, &end, err));
    QR_TRY(send_log(copy, pieces, err));
    *ret_more = end.v != *from;
    *from = end.v;
    return QR_OK;
}

static enum qr_status send_durable(struct qri_copy *copy, uint64_t *from, struct qr_buf *pieces,
                                   struct qr_err *err)
{
    bool more = true;
    while (more && !atomic_load(&copy->copies->stopping))
        QR_TRY(qri_copy_send_piece(copy, from, pieces, &more, err));
    return QR_OK;
}

/* While no commit is hardened: what is left, and from then on it gets all there is. */
static enum qr_status send_rest(struct qri_copy *copy, uint64_t from, struct qr_buf *pieces,
                                struct qr_err *err)
{
    struct qri_copies *copies = copy->copies;
    struct qr_store *store = copies->store;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&store->log.flush_mu);
    uint64_t our_epoch = copies->epoch_begun ? copies->epoch : store->log_epoch;
    bool more = from != store->log.end_lsn;
    while (status == QR_OK && more) {
        uint64_t end = from;
        qr_buf_clear(pieces);
        status = qri_log_read_rest(store, from, LOG_BYTES, pieces, &end, err);
        if (status == QR_OK && end < from)
            status = qr_fail(err, QR_CONFLICT, "the copy has log that we have not");
        if (status == QR_OK)
            status = send_log(copy, pieces, err);
        more = end != from;
        from = end;
    }
    /* LSNs alone do not tell: two primaries may have begun at the same one */
    if (status == QR_OK && copy->log_epoch != our_epoch)
        status = qr_fail(err, QR_CONFLICT, "the copy ends in epoch %llu",
                         (unsigned long long)copy->log_epoch);
    pthread_mutex_lock(&copies->mu);
    if (status == QR_OK) {
        copy->state = QR_COPY_SYNCHRONOUS;
        copy->show_failed = false;
        copy->hardened_lsn = from;
    }
    pthread_mutex_unlock(&copies->mu);
    pthread_mutex_unlock(&store->log.flush_mu);
    return status;
}

static enum qr_status catch_up(struct qri_copy *copy, uint64_t from, struct qr_err *err)
{
    struct qr_buf pieces;
    qr_buf_init(&pieces, LOG_BUFFER_BYTES);
    enum qr_status status = send_durable(copy, &from, &pieces, err);
    if (status == QR_OK)
        status = send_rest(copy, from, &pieces, err);
    qr_buf_done(&pieces);
    return status;
}

/* --- all pages --- */

static uint64_t log_epoch_at(const struct qri_copies *copies, uint64_t commit_lsn)
{
    return commit_lsn > copies->base_lsn ? copies->epoch : copies->store->log_epoch;
}

static enum qr_status send_pages(struct qri_copy *copy, struct qr_archive *archive,
                                 struct qr_err *err)
{
    const struct qr_archive_point *point = qr_archive_point(archive);
    struct qri_copy_ask a = {
        .try_no = copy->try_no, .epoch = copy->copies->epoch, .lsn = point->lsn.v};
    struct qri_copy_state state;
    size_t one = QRI_COPY_PAGE_HEADER_BYTES + (size_t)point->page_bytes, fill = 0;
    uint8_t *buffer = malloc(PAGES_BYTES + one);
    enum qr_status status = buffer == NULL ? qr_fail(err, QR_NOMEM, "pages of a copy") : QR_OK;
    for (uint32_t no = 1; no <= point->pages && no != 0 && status == QR_OK; no++) {
        struct qr_lsn version = qr_lsn(0);
        status =
            qr_archive_read(archive, no, buffer + fill + QRI_COPY_PAGE_HEADER_BYTES, &version, err);
        qr_put32le(buffer + fill, no);
        qr_put64le(buffer + fill + 4, version.v);
        fill += one;
        if (status == QR_OK && (fill >= PAGES_BYTES || no == point->pages)) {
            status = qri_copy_call(copy, QRI_COPY_CALL_PAGES, &a, buffer, fill, &state, err);
            fill = 0;
        }
        if (atomic_load(&copy->copies->stopping))
            status = qr_fail(err, QR_CLOSED, "the primary is being closed");
    }
    free(buffer);
    return status;
}

enum qr_status qri_copy_send_all(struct qri_copy *copy, struct qr_archive *archive,
                                 uint64_t log_epoch, const struct qr_timeline *timeline,
                                 struct qr_err *err)
{
    const struct qr_archive_point *point = qr_archive_point(archive);
    const struct qr_buf *counters = qr_archive_counters(archive);
    struct qri_copy_state state;
    struct qri_copy_ask a = {.try_no = copy->try_no,
                             .epoch = copy->copies->epoch,
                             .lsn = point->lsn.v,
                             .log_epoch = log_epoch,
                             .commit_no = point->commit_no,
                             .commit_wall_ns = point->commit_wall_ns,
                             .page_bytes = point->page_bytes,
                             .pages = point->pages,
                             .timeline = *timeline};
    QR_TRY(qri_copy_call(copy, QRI_COPY_CALL_SEED, &a, counters->data, counters->len, &state, err));
    QR_TRY(send_pages(copy, archive, err));
    return qri_copy_call(copy, QRI_COPY_CALL_SEEDED, &a, NULL, 0, &state, err);
}

static enum qr_status seed(struct qri_copy *copy, struct qr_err *err)
{
    struct qr_store *store = copy->copies->store;
    struct qr_archive *archive = NULL;
    int64_t start_ns = qr_env_mono_ns(store->env);
    QR_TRY(qr_archive_open(store, &archive, err));
    struct qr_archive_point point = *qr_archive_point(archive);
    /* the log from there on stays until the copy has it */
    struct qri_segment *segment = qri_logfile_read_from(store, point.lsn.v);
    enum qr_status status = qri_copy_send_all(
        copy, archive, log_epoch_at(copy->copies, point.lsn.v), &point.timeline, err);
    qr_archive_close(archive);
    if (status == QR_OK) {
        QR_LOG(&store->options.log, QR_INFO, "copy_seeded", QR_F("dir", &store->dir[0]),
               QR_F("copy", copy->index), QR_F("pages", point.pages), QR_F("lsn", point.lsn.v),
               QR_F("took_ms", (qr_env_mono_ns(store->env) - start_ns) / 1000000));
        copy->must_seed = false;
        copy->log_epoch = log_epoch_at(copy->copies, point.lsn.v);
        status = catch_up(copy, point.lsn.v, err);
    }
    if (segment != NULL)
        qri_logfile_read_done(store);
    return status;
}

/* --- one member --- */

static enum qr_status bring_in(struct qri_copy *copy, struct qr_err *err)
{
    struct qri_copies *copies = copy->copies;
    struct qri_copy_state state;
    struct qri_copy_ask a = {.epoch = copies->epoch,
                             .try_no = ++copy->try_no,
                             .lsn = copies->base_lsn,
                             .anew = copy->must_seed};
    QR_TRY(qri_copy_call(copy, QRI_COPY_CALL_HELLO, &a, NULL, 0, &state, err));
    pthread_mutex_lock(&copies->mu);
    copy->state = QR_COPY_CATCHING_UP;
    copy->hardened_lsn = state.end_lsn;
    copy->log_epoch = state.log_epoch;
    bool is_open = copies->is_open;
    pthread_mutex_unlock(&copies->mu);
    if (state.has_store) {
        enum qr_status status = catch_up(copy, state.end_lsn, err);
        if (status != QR_CONFLICT && status != QR_NOT_FOUND)
            return status;
        copy->must_seed = true;
        return status;
    }
    copy->must_seed = true;
    return is_open ? seed(copy, err) : QR_NOT_FOUND; /* not before commits can become durable */
}

static void join(struct qri_copy *copy)
{
    struct qri_copies *copies = copy->copies;
    struct qr_store *store = copies->store;
    struct qr_err err = {0};
    bool seeds = copy->must_seed;
    enum qr_status status = bring_in(copy, &err);
    pthread_mutex_lock(&copies->mu);
    bool is_in = copy->state == QR_COPY_SYNCHRONOUS, is_open = copies->is_open;
    if (!is_in)
        copy->state = QR_COPY_AWAY;
    bool soon = copy->must_seed && !seeds;
    copy->try_again_ns = qr_env_mono_ns(store->env) + (soon ? 0 : seeds ? AGAIN_SEED_NS : AGAIN_NS);
    pthread_cond_broadcast(&copies->changed);
    pthread_mutex_unlock(&copies->mu);
    if (status == QR_OK && is_in && is_open)
        status = qri_copies_record(copies, &err);
    if (status == QR_OK && is_in)
        QR_LOG(&store->options.log, QR_INFO, "copy_joined", QR_F("dir", &store->dir[0]),
               QR_F("copy", copy->index), QR_F("lsn", copy->hardened_lsn));
    if (is_in)
        qri_copies_show(copies, atomic_load(&store->durable_lsn));
    if (status == QR_FENCED) /* another is the primary: nothing is acknowledged any more */
        qri_store_fail(store, &err);
}

/* It does not answer, or is another process than the one that had caught up. Nothing is hardened
 * before the record says so. */
static void lose(struct qri_copy *copy)
{
    struct qri_copies *copies = copy->copies;
    struct qr_store *store = copies->store;
    struct qr_err err = {0};
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&store->log.flush_mu);
    pthread_mutex_lock(&copies->mu);
    bool is_in = copy->state == QR_COPY_SYNCHRONOUS;
    copy->state = QR_COPY_AWAY;
    pthread_mutex_unlock(&copies->mu);
    if (is_in && copies->is_open)
        status = qri_copies_record(copies, &err);
    pthread_mutex_unlock(&store->log.flush_mu);
    if (status == QR_FENCED)
        qri_store_fail(store, &err);
}

static void look_after(struct qri_copies *copies)
{
    int64_t now = qr_env_mono_ns(copies->store->env);
    for (size_t i = 0; i < copies->count; i++) {
        struct qri_copy *copy = &copies->items[i];
        pthread_mutex_lock(&copies->mu);
        bool lost = copy->state == QR_COPY_SYNCHRONOUS && copy->show_failed;
        pthread_mutex_unlock(&copies->mu);
        if (lost)
            lose(copy);
    }
    if (now < copies->beat_ns)
        return;
    copies->beat_ns = now + BEAT_NS;
    qri_copies_show(copies, atomic_load(&copies->store->durable_lsn));
}

void qri_copies_join(struct qri_copies *copies)
{
    if (qr_store_health(copies->store) == QR_OK)
        look_after(copies);
    for (size_t i = 0; i < copies->count && !atomic_load(&copies->stopping); i++) {
        struct qri_copy *copy = &copies->items[i];
        pthread_mutex_lock(&copies->mu);
        bool due = copy->state == QR_COPY_AWAY &&
                   qr_env_mono_ns(copies->store->env) >= copy->try_again_ns &&
                   (!copy->must_seed || copies->is_open);
        pthread_mutex_unlock(&copies->mu);
        if (due && qr_store_health(copies->store) == QR_OK)
            join(copy);
    }
}

void *qri_copies_main(void *arg)
{
    struct qri_copies *copies = arg;
    while (!atomic_load(&copies->stopping)) {
        qri_copies_join(copies);
        pthread_mutex_lock(&copies->mu);
        if (!atomic_load(&copies->stopping))
            (void)qr_cond_wait(&copies->changed, &copies->mu, PAUSE_NS);
        pthread_mutex_unlock(&copies->mu);
    }
    return NULL;
}
