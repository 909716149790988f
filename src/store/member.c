/* member.c - one copy of a database that has several: what a primary asks of it, and how it becomes
 * the primary; see store/copies.h.
 *
 * It opens its store when a primary says at which commit its epoch began: what a copy has beyond
 * that of an older epoch was never acknowledged, and is cut off. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "copies_int.h"
#include "logsvc/piece.h"
#include "base/banned.h"

static const int64_t JOIN_NS = INT64_C(5) * 1000000000, LOOK_NS = 20000000;

enum qr_status qr_member_new(const struct qr_member_options *options, struct qr_member **ret_member,
                             struct qr_err *err)
{
    struct qr_member *m = calloc(1, sizeof *m);
    if (m == NULL || strlen(options->dir) > QR_STORE_PATH_BYTES_MAX) {
        free(m);
        return qr_fail(err, QR_NOMEM, "a copy of a database");
    }
    m->options = *options->store;
    if (m->options.env == NULL)
        m->options.env = qr_env_real();
    snprintf(m->dir, sizeof m->dir, "%s", options->dir);
    if (m->options.tmp_dir != NULL) {
        snprintf(m->tmp_dir, sizeof m->tmp_dir, "%s", m->options.tmp_dir);
        m->options.tmp_dir = m->tmp_dir;
    }
    m->damaged = options->damaged;
    m->start_anew = options->start_anew;
    m->ctx = options->ctx;
    pthread_mutex_init(&m->mu, NULL);
    qr_cond_init(&m->changed);
    *ret_member = m;
    return QR_OK;
}

void qr_member_stop(struct qr_member *m)
{
    if (m == NULL)
        return;
    struct qri_copies *copies = m->copies;
    if (copies != NULL)
        qri_copies_stop(copies);
    pthread_mutex_lock(&m->mu);
    m->stopped = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mu);
}

void qr_member_free(struct qr_member *m)
{
    if (m == NULL)
        return;
    qr_member_stop(m);
    if (!m->handed_out)
        qr_store_abandon(m->store);
    qri_copies_free(m->copies);
    qr_archive_abandon(m->builder);
    qr_buf_done(&m->seed_counters);
    qr_buf_done(&m->log);
    qr_buf_done(&m->counters);
    free(m->changes);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mu);
    free(m);
}

/* --- opening and giving up; with mu held --- */

static enum qr_status open_copy(struct qr_member *m, uint64_t until, struct qr_err *err)
{
    if (m->damaged)
        return qr_fail(err, QR_CORRUPT, "the copy in '%s' has damaged pages", m->dir);
    QR_TRY(qri_files_open_member(m->dir, &m->options, until, &m->store, err));
    return qri_member_begin(m, err);
}

/* The store is not what it must be. One that nobody else has is closed. */
static enum qr_status give_up(struct qr_member *m, struct qr_err *err)
{
    if (!m->handed_out) {
        qr_store_abandon(m->store);
        m->store = NULL;
        return QR_OK;
    }
    m->stopped = true;
    if (m->start_anew != NULL)
        m->start_anew(m->ctx);
    return qr_fail(err, QR_CLOSED, "the copy is opened anew");
}

static void answer_state(struct qr_member *m, struct qri_copy_state *state)
{
    *state = (struct qri_copy_state){.has_store = m->store != NULL && !m->store->pending.ragged};
    if (!state->has_store)
        return;
    state->log_epoch = m->log_epoch;
    state->end_lsn = m->end_lsn;
    state->shown_lsn = m->shown_lsn;
}

/* --- calls; with mu held --- */

static enum qr_status hello(struct qr_member *m, const struct qri_copy_ask *ask, struct qr_err *err)
{
    if (m->epoch == ask->epoch && ask->try_no <= m->try_no)
        return qr_fail(err, QR_CONFLICT, "that was said before");
    m->epoch = ask->epoch;
    m->try_no = ask->try_no;
    m->may_seed = ask->anew;
    m->shows = m->shows && m->log_epoch == ask->epoch;
    /* of an older epoch, and beyond what the new one began with */
    bool beyond =
        m->store != NULL && m->log_epoch < ask->epoch && m->store->log.commit_lsn > ask->lsn;
    if (m->store != NULL && (ask->anew || beyond || qr_store_health(m->store) != QR_OK))
        QR_TRY(give_up(m, err));
    if (m->store != NULL || ask->anew)
        return QR_OK;
    enum qr_status status = open_copy(m, 0, err);
    if (status == QR_OK && m->log_epoch < ask->epoch && m->store->log.commit_lsn > ask->lsn) {
        QR_TRY(give_up(m, err));
        status = open_copy(m, ask->lsn, err);
    }
    /* there is none, or none that can be cut there: the primary sends all of it */
    if (status == QR_NOT_FOUND || status == QR_CONFLICT || status == QR_CORRUPT)
        status = QR_OK;
    m->may_seed = m->store == NULL || m->store->pending.ragged;
    return status;
}

static enum qr_status take_log(struct qr_member *m, const struct qri_copy_ask *ask,
                               const uint8_t *bytes, size_t count, struct qr_err *err)
{
    (void)ask;
    for (size_t at = 0; at < count;) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(bytes, count, &at, &piece, err));
        QR_TRY(qri_member_take(m, piece.epoch, piece.first_lsn, piece.data, piece.bytes, err));
    }
    return QR_OK;
}

static enum qr_status show(struct qr_member *m, const struct qri_copy_ask *ask,
                           const uint8_t *bytes, size_t count, struct qr_err *err)
{
    (void)bytes;
    (void)count;
    QR_TRY(qri_member_show(m, ask->lsn, err));
    if (!m->shows && ask->lsn >= qr_store_durable_lsn(m->store).v) {
        m->shows = true;
        pthread_cond_broadcast(&m->changed);
    }
    return QR_OK;
}

/* All of it is to come: what was there goes. */
static enum qr_status seed(struct qr_member *m, const struct qri_copy_ask *ask,
                           const uint8_t *bytes, size_t count, struct qr_err *err)
{
    if (!m->may_seed)
        return qr_fail(err, QR_CONFLICT, "this copy is not to be made");
    m->may_seed = false;
    if (m->store != NULL)
        QR_TRY(give_up(m, err));
    qr_archive_abandon(m->builder);
    m->builder = NULL;
    enum qr_status status = qr_store_remove(m->options.env, m->dir, err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    m->damaged = false;
    m->seed = (struct qr_archive_point){.timeline = ask->timeline,
                                        .page_bytes = ask->page_bytes,
                                        .pages = ask->pages,
                                        .lsn = qr_lsn(ask->lsn),
                                        .commit_no = ask->commit_no,
                                        .commit_wall_ns = ask->commit_wall_ns,
                                        .epoch = ask->log_epoch};
    qr_buf_done(&m->seed_counters);
    qr_buf_init(&m->seed_counters, QR_RPC_BODY_BYTES_MAX);
    qr_buf_add(&m->seed_counters, bytes, count);
    QR_TRY(qr_buf_status(&m->seed_counters, err));
    return qri_archive_build_copy(m->options.env, m->dir, &m->seed, m->options.server_key,
                                  &m->builder, err);
}

static enum qr_status take_pages(struct qr_member *m, const struct qri_copy_ask *ask,
                                 const uint8_t *bytes, size_t count, struct qr_err *err)
{
    size_t one = QRI_COPY_PAGE_HEADER_BYTES + (size_t)m->seed.page_bytes;
    if (m->builder == NULL || ask->lsn != m->seed.lsn.v)
        return qr_fail(err, QR_CONFLICT, "this copy is not being made");
    if (count % one != 0)
        return qr_fail(err, QR_PROTOCOL, "pages of a copy break their format");
    uint8_t *page = malloc(m->seed.page_bytes); /* it is sealed in place */
    enum qr_status status = page == NULL ? qr_fail(err, QR_NOMEM, "page") : QR_OK;
    for (size_t at = 0; at < count && status == QR_OK; at += one) {
        memcpy(page, bytes + at + QRI_COPY_PAGE_HEADER_BYTES, m->seed.page_bytes);
        status = qr_archive_build_page(m->builder, qr_get32le(bytes + at),
                                       qr_lsn(qr_get64le(bytes + at + 4)), page, err);
    }
    free(page);
    return status;
}

static enum qr_status seeded(struct qr_member *m, const struct qri_copy_ask *ask,
                             const uint8_t *bytes, size_t count, struct qr_err *err)
{
    (void)bytes;
    (void)count;
    if (m->builder == NULL || ask->lsn != m->seed.lsn.v)
        return qr_fail(err, QR_CONFLICT, "this copy is not being made");
    enum qr_status status = qri_archive_finish_copy(QR_TAKE(m->builder), &m->seed_counters, err);
    qr_buf_done(&m->seed_counters);
    if (status == QR_OK)
        status = open_copy(m, 0, err);
    return status;
}

static const struct {
    uint16_t method;
    bool of_store; /* there has to be one */
    enum qr_status (*run)(struct qr_member *m, const struct qri_copy_ask *ask, const uint8_t *bytes,
                          size_t count, struct qr_err *err);
} calls[] = {
    {QRI_COPY_CALL_LOG, true, take_log},   {QRI_COPY_CALL_SHOW, true, show},
    {QRI_COPY_CALL_SEED, false, seed},     {QRI_COPY_CALL_PAGES, false, take_pages},
    {QRI_COPY_CALL_SEEDED, false, seeded},
};

static enum qr_status check_epoch(const struct qr_member *m, uint64_t epoch, struct qr_err *err)
{
    if (m->stopped)
        return qr_fail(err, QR_CLOSED, "the copy is not open");
    if (m->copies != NULL ? epoch <= m->copies->epoch : epoch < m->epoch)
        return qr_fail(err, QR_FENCED, "there is a primary of epoch %llu",
                       (unsigned long long)m->epoch);
    /* a primary that hears of a higher one learns from the record that it is over */
    if (m->copies != NULL)
        return qr_fail(err, QR_BUSY, "this copy is the primary's");
    return QR_OK;
}

static enum qr_status run(struct qr_member *m, const struct qr_rpc_request *request,
                          struct qr_err *err)
{
    struct qri_copy_ask ask;
    QR_TRY(qri_copy_ask_get(request->body, request->bytes, &ask, err));
    QR_TRY(check_epoch(m, ask.epoch, err));
    if (request->method == QRI_COPY_CALL_HELLO)
        return hello(m, &ask, err);
    size_t i = 0, count = sizeof calls / sizeof calls[0];
    while (i < count && calls[i].method != request->method)
        i++;
    if (i == count)
        return qr_fail(err, QR_UNSUPPORTED, "no call %u of a copy", request->method);
    bool is_late = request->method != QRI_COPY_CALL_SHOW && ask.try_no != m->try_no;
    if (ask.epoch != m->epoch || is_late || (calls[i].of_store && m->store == NULL))
        return qr_fail(err, QR_CONFLICT, "that primary has not said hello");
    return calls[i].run(m, &ask, request->body + QRI_COPY_ASK_BYTES,
                        request->bytes - QRI_COPY_ASK_BYTES, err);
}

/* A batch of the primary, as the log service takes it; refusals are in the answer. */
static enum qr_status append(struct qr_member *m, const struct qr_rpc_request *request,
                             struct qr_buf *answer, struct qr_err *err)
{
    struct qr_logsvc_append a;
    QR_TRY(qr_logsvc_append_get(request->body, request->bytes, &a, err));
    a.status = check_epoch(m, a.epoch, err);
    if (a.status == QR_OK && (m->store == NULL || a.epoch != m->epoch))
        a.status = qr_fail(err, QR_CONFLICT, "that primary has not said hello");
    if (a.status == QR_OK)
        a.status = qri_member_take(m, a.epoch, a.first_lsn, a.bytes, a.byte_count, err);
    a.end_lsn = a.hardened_lsn = m->end_lsn;
    a.visible_lsn = m->shown_lsn;
    a.throttle = (struct qr_logsvc_throttle){0};
    qr_logsvc_append_answer_put(answer, &a);
    return qr_buf_status(answer, err);
}

/* What took half of a group can go on no more. */
static void judge(struct qr_member *m, enum qr_status status, const struct qr_err *err)
{
    static const enum qr_status harmless[] = {QR_OK,       QR_CONFLICT, QR_FENCED,     QR_CLOSED,
                                              QR_PROTOCOL, QR_BUSY,     QR_UNSUPPORTED};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (status == harmless[i])
            return;
    QR_LOG(&m->options.log, QR_WARN, "copy_failed", QR_F("dir", &m->dir[0]),
           QR_F("status", qr_status_info(status)->name), QR_F("reason", &err->text[0]));
    if (m->store != NULL)
        (void)!give_up(m, NULL);
}

void qr_member_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_member *m = ctx;
    struct qr_err err = {0};
    struct qr_buf answer;
    uint8_t state_bytes[QRI_COPY_STATE_BYTES];
    struct qri_copy_state state;
    qr_buf_init(&answer, 4096);
    pthread_mutex_lock(&m->mu);
    bool is_append = own_request->method == QR_LOGSVC_CALL_APPEND;
    enum qr_status status =
        is_append ? append(m, own_request, &answer, &err) : run(m, own_request, &err);
    judge(m, status, &err);
    answer_state(m, &state);
    pthread_mutex_unlock(&m->mu);
    qri_copy_state_put(state_bytes, &state);
    struct iovec iov = {is_append ? answer.data : state_bytes,
                        is_append ? answer.len : sizeof state_bytes};
    if (status == QR_OK)
        qr_rpc_answer(own_request, &iov, 1);
    else
        qr_rpc_refuse(own_request, status, &err);
    qr_buf_done(&answer);
}

/* --- for who has it --- */

enum qr_status qr_member_wait(struct qr_member *m, int64_t timeout_ns, struct qr_store **ret_store,
                              struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(m->options.env) + timeout_ns;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&m->mu);
    while (status == QR_OK && !(m->store != NULL && m->shows)) {
        int64_t left = until - qr_env_mono_ns(m->options.env);
        if (m->stopped || left <= 0)
            status = qr_fail(err, m->stopped ? QR_CLOSED : QR_TIMEOUT, "the copy is not complete");
        else
            (void)qr_cond_wait(&m->changed, &m->mu, left < LOOK_NS ? left : LOOK_NS);
    }
    if (status == QR_OK) {
        *ret_store = m->store;
        m->handed_out = true;
    }
    pthread_mutex_unlock(&m->mu);
    return status;
}

/* --- promotion --- */

static enum qr_status new_copies(struct qr_member *m, const struct qr_copies_options *options,
                                 uint64_t epoch, uint32_t recorded, struct qri_copies **ret_copies,
                                 struct qr_err *err)
{
    struct qri_copies *copies = calloc(1, sizeof *copies);
    if (copies == NULL)
        return qr_fail(err, QR_NOMEM, "other copies");
    copies->options = *options;
    copies->epoch = epoch;
    if (copies->options.join_ns == 0)
        copies->options.join_ns = JOIN_NS;
    if (copies->options.answer_ns == 0)
        copies->options.answer_ns = JOIN_NS;
    copies->store = m->store;
    copies->recorded = recorded | UINT32_C(1) << options->own;
    copies->base_lsn = m->store->log.commit_lsn;
    for (uint32_t i = 0; i < QR_COPIES_MAX; i++)
        if (options->peers[i] != NULL && i != options->own)
            copies->items[copies->count++] =
                (struct qri_copy){.index = i, .peer = options->peers[i], .copies = copies};
    pthread_mutex_init(&copies->record_mu, NULL);
    pthread_mutex_init(&copies->mu, NULL);
    qr_cond_init(&copies->changed);
    *ret_copies = copies;
    return QR_OK;
}

/* With mu held. */
static enum qr_status prepare_reign(struct qr_member *m, uint64_t *ret_above, struct qr_err *err)
{
    if (m->stopped)
        return qr_fail(err, QR_CLOSED, "the copy is not open");
    if (m->store == NULL)
        QR_TRY(open_copy(m, 0, err));
    *ret_above = m->epoch > m->store->epoch ? m->epoch : m->store->epoch;
    return QR_OK;
}

/* With mu held. */
static enum qr_status begin_reign(struct qr_member *m, const struct qr_copies_options *options,
                                  uint64_t epoch, uint32_t recorded, struct qr_err *err)
{
    struct qri_copies *copies = NULL;
    if (m->stopped || m->store == NULL)
        return qr_fail(err, QR_CLOSED, "the copy is not open");
    if (epoch <= m->store->epoch || epoch < m->epoch)
        return qr_fail(err, QR_FENCED, "epoch %llu is over", (unsigned long long)epoch);
    QR_TRY(new_copies(m, options, epoch, recorded, &copies, err));
    enum qr_status status = qri_member_show(m, m->shown_lsn, err);
    if (status == QR_OK)
        status = qri_files_own_epoch(m->store, epoch, err);
    if (status != QR_OK) {
        qri_copies_free(copies);
        return status;
    }
    m->store->log_epoch = m->log_epoch;
    m->epoch = m->log_epoch = epoch;
    m->copies = copies;
    if (!m->options.threads_off && copies->count > 0) {
        QR_TRY(qr_thread_start("qr-copies", 0, qri_copies_main, copies, &copies->thread, err));
        copies->thread_runs = true;
    }
    return QR_OK;
}

/* Those in the record catch up, or leave it. */
static enum qr_status gather_members(struct qri_copies *copies, struct qr_err *err)
{
    struct qr_env *env = copies->store->env;
    int64_t until = qr_env_mono_ns(env) + copies->options.join_ns;
    while (!qri_copies_all_in(copies) && !atomic_load(&copies->stopping) &&
           qr_env_mono_ns(env) < until) {
        if (!copies->thread_runs)
            qri_copies_join(copies);
        if (qri_copies_all_in(copies))
            break;
        pthread_mutex_lock(&copies->mu);
        if (copies->thread_runs)
            (void)qr_cond_wait(&copies->changed, &copies->mu, LOOK_NS);
        pthread_mutex_unlock(&copies->mu);
        if (!copies->thread_runs)
            qr_env_sleep_ns(env, LOOK_NS);
    }
    pthread_mutex_lock(&copies->mu);
    copies->is_open = true;
    pthread_mutex_unlock(&copies->mu);
    return qri_copies_record(copies, err);
}

static enum qr_status open_for_writers(struct qr_member *m, struct qr_err *err)
{
    struct qr_store *store = m->store;
    QR_TRY(qri_member_show(m, UINT64_MAX, err)); /* all of it is everywhere */
    pthread_mutex_lock(&store->log.flush_mu);
    store->copies = m->copies;
    store->pending.on = false;
    pthread_mutex_unlock(&store->log.flush_mu);
    if (store->threads_running)
        QR_TRY(qri_store_start_flushers(store, err));
    atomic_store(&store->read_only, false);
    return QR_OK;
}

enum qr_status qr_member_promote(struct qr_member *m, const struct qr_copies_options *options,
                                 struct qr_store **ret_store, struct qr_err *err)
{
    uint64_t above = 0, epoch = 0;
    uint32_t recorded = 0;
    pthread_mutex_lock(&m->mu);
    bool begins = m->copies == NULL;
    enum qr_status status = begins ? prepare_reign(m, &above, err) : QR_OK;
    pthread_mutex_unlock(&m->mu);
    if (status == QR_OK && begins)
        status = options->reign(options->ctx, above, &epoch, &recorded, err);
    if (status != QR_OK)
        return status;
    pthread_mutex_lock(&m->mu);
    if (m->copies == NULL)
        status = begin_reign(m, options, epoch, recorded, err);
    pthread_mutex_unlock(&m->mu);
    if (status != QR_OK)
        return status;
    status = gather_members(m->copies, err);
    pthread_mutex_lock(&m->mu);
    if (status == QR_OK && atomic_load(&m->store->read_only))
        status = open_for_writers(m, err);
    if (status == QR_OK) {
        *ret_store = m->store;
        m->handed_out = true;
    }
    pthread_mutex_unlock(&m->mu);
    return status;
}

void qr_member_step(struct qr_member *m)
{
    if (m->copies != NULL)
        qri_copies_join(m->copies);
}

size_t qr_member_list(struct qr_member *m, struct qr_copy_info dst[QR_COPIES_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&m->mu);
    struct qri_copies *copies = m->copies;
    pthread_mutex_unlock(&m->mu);
    if (copies == NULL)
        return 0;
    pthread_mutex_lock(&copies->mu);
    for (; count < copies->count; count++)
        dst[count] = (struct qr_copy_info){copies->items[count].index, copies->items[count].state,
                                           qr_lsn(copies->items[count].hardened_lsn)};
    pthread_mutex_unlock(&copies->mu);
    return count;
}
