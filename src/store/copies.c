/* copies.c - commits of a primary that has members: each batch is sent to all of them when it is
 * hardened here, and counts when they all have it; see copies_int.h.
 *
 * A member that does not answer is given up: the record changes first, then commits go on. While
 * that cannot be asked, nothing is acknowledged. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "copies_int.h"
#include "base/banned.h"

enum { PART_BYTES = 2 << 20, RECORD_KIND_OFFSET = 4 };
static const int64_t RETRY_NS = 20000000;

/* --- sending a batch; log.flush_mu held --- */

static void append_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_copy *copy =
        (struct qri_copy *)(void *)((uint8_t *)call - offsetof(struct qri_copy, call));
    struct qr_logsvc_append a = {.status = QR_OK};
    copy->answer = reply->status;
    if (copy->answer == QR_OK)
        copy->answer = qr_logsvc_append_answer_get(reply->body, reply->bytes, &a, NULL);
    if (copy->answer == QR_OK)
        copy->answer = a.status;
    copy->answer_lsn = a.hardened_lsn;
}

static void start_part(struct qri_copies *copies, struct qri_copy *copy,
                       const struct qr_logsvc_append *a, const struct iovec *parts, int count)
{
    pthread_mutex_lock(&copies->mu);
    copy->sends = copy->state == QR_COPY_SYNCHRONOUS;
    pthread_mutex_unlock(&copies->mu);
    if (!copy->sends)
        return;
    qr_logsvc_append_put(copy->header, a);
    copy->call = (struct qr_rpc_call){.method = QR_LOGSVC_CALL_APPEND,
                                      .body_count = 1 + count,
                                      .body = {{copy->header, sizeof copy->header}},
                                      .timeout_ns = copies->options.answer_ns,
                                      .done = append_done};
    memcpy(copy->call.body + 1, parts, (size_t)count * sizeof parts[0]);
    qr_rpc_start(copy->peer, &copy->call);
}

/* Some of the log to everybody at once. True: somebody was lost. */
static bool send_part(struct qri_copies *copies, const struct qr_logsvc_append *a,
                      const struct iovec *parts, int count)
{
    bool lost = false;
    for (size_t i = 0; i < copies->count; i++)
        start_part(copies, &copies->items[i], a, parts, count);
    for (size_t i = 0; i < copies->count; i++) {
        struct qri_copy *copy = &copies->items[i];
        if (!copy->sends)
            continue;
        qr_rpc_wait(copy->peer, &copy->call);
        bool has_it = copy->answer == QR_OK && copy->answer_lsn >= a->first_lsn + a->byte_count;
        pthread_mutex_lock(&copies->mu);
        if (has_it)
            copy->hardened_lsn = copy->answer_lsn;
        else
            copy->state = QR_COPY_AWAY;
        pthread_mutex_unlock(&copies->mu);
        lost = lost || !has_it;
        if (!has_it)
            QR_LOG(&copies->store->options.log, QR_INFO, "copy_lost",
                   QR_F("dir", &copies->store->dir[0]), QR_F("copy", copy->index),
                   QR_F("status", qr_status_info(copy->answer)->name));
    }
    return lost;
}

static enum qr_status read_part(struct qri_copies *copies, struct qr_tmp_file *file, size_t bytes,
                                size_t at, struct qr_err *err)
{
    if (copies->part == NULL)
        copies->part = malloc(PART_BYTES);
    if (copies->part == NULL)
        return qr_fail(err, QR_NOMEM, "log for the copies");
    return qr_tmp_file_read_exactly(file, copies->part, bytes, at, err);
}

/* Several small buffers go in one call, what is in a file goes alone. */
static enum qr_status next_part(struct qri_copies *copies, const struct qri_log_chunk **chunk,
                                size_t *at, struct iovec *parts, int *ret_count, size_t *ret_bytes,
                                struct qr_err *err)
{
    size_t bytes = 0;
    int count = 0;
    bool alone = (*chunk)->file != NULL;
    while (*chunk != NULL && count < QR_RPC_IOV_MAX - 1 && bytes < PART_BYTES &&
           (alone ? count == 0 : (*chunk)->file == NULL)) {
        const struct qri_log_chunk *c = *chunk;
        size_t take = c->len - *at < PART_BYTES - bytes ? c->len - *at : PART_BYTES - bytes;
        if (alone)
            QR_TRY(read_part(copies, c->file, take, *at, err));
        parts[count++] = (struct iovec){alone ? copies->part : c->data + *at, take};
        bytes += take;
        *at += take;
        if (*at == c->len) {
            *chunk = c->next;
            *at = 0;
        }
    }
    *ret_count = count;
    *ret_bytes = bytes;
    return QR_OK;
}

enum qr_status qri_copies_harden(struct qri_copies *copies, uint64_t first_lsn,
                                 const struct qri_log_chunk *chunks, struct qr_err *err)
{
    bool lost = false;
    size_t at = 0;
    while (chunks != NULL) {
        struct iovec parts[QR_RPC_IOV_MAX];
        int count = 0;
        struct qr_logsvc_append a = {
            .epoch = copies->epoch, .first_lsn = first_lsn, .new_epoch = !copies->epoch_begun};
        memcpy(a.timeline.id, copies->store->timeline, QR_TIMELINE_BYTES);
        size_t bytes = 0;
        QR_TRY(next_part(copies, &chunks, &at, parts, &count, &bytes, err));
        a.byte_count = (uint32_t)bytes;
        lost = send_part(copies, &a, parts, count) || lost;
        copies->epoch_begun = true;
        first_lsn += a.byte_count;
    }
    return lost ? qri_copies_record(copies, err) : QR_OK;
}

/* --- what is shown --- */

static void show_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply);

/* With mu held. */
static void start_show(struct qri_copy *copy)
{
    struct qri_copy_ask ask = {.epoch = copy->copies->epoch, .lsn = copy->show_wanted};
    copy->show_flies = true;
    copy->show_sent = copy->show_wanted;
    qri_copy_ask_put(copy->show_body, &ask);
    copy->show_call = (struct qr_rpc_call){.method = QRI_COPY_CALL_SHOW,
                                           .body_count = 1,
                                           .body = {{copy->show_body, sizeof copy->show_body}},
                                           .timeout_ns = copy->copies->options.answer_ns,
                                           .done = show_done};
    qr_rpc_start(copy->peer, &copy->show_call);
}

static void show_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_copy *copy =
        (struct qri_copy *)(void *)((uint8_t *)call - offsetof(struct qri_copy, show_call));
    struct qri_copies *copies = copy->copies;
    pthread_mutex_lock(&copies->mu);
    copy->show_flies = false;
    copy->show_failed = copy->show_failed || reply->status != QR_OK;
    bool again = copy->show_wanted > copy->show_sent && copy->state == QR_COPY_SYNCHRONOUS &&
                 reply->status == QR_OK && !atomic_load(&copies->stopping);
    if (again)
        start_show(copy);
    pthread_cond_broadcast(&copies->changed);
    pthread_mutex_unlock(&copies->mu);
}

void qri_copies_show(struct qri_copies *copies, uint64_t lsn)
{
    pthread_mutex_lock(&copies->mu);
    for (size_t i = 0; i < copies->count && !atomic_load(&copies->stopping); i++) {
        struct qri_copy *copy = &copies->items[i];
        if (lsn > copy->show_wanted)
            copy->show_wanted = lsn;
        if (copy->state == QR_COPY_SYNCHRONOUS && !copy->show_flies)
            start_show(copy);
    }
    pthread_mutex_unlock(&copies->mu);
}

/* --- the record --- */

static uint32_t synchronous(struct qri_copies *copies)
{
    uint32_t members = UINT32_C(1) << copies->options.own;
    pthread_mutex_lock(&copies->mu);
    for (size_t i = 0; i < copies->count; i++)
        if (copies->items[i].state == QR_COPY_SYNCHRONOUS)
            members |= UINT32_C(1) << copies->items[i].index;
    pthread_mutex_unlock(&copies->mu);
    return members;
}

bool qri_copies_all_in(struct qri_copies *copies)
{
    uint32_t members = synchronous(copies);
    pthread_mutex_lock(&copies->mu);
    for (size_t i = 0; i < copies->count; i++) /* that takes its time, and commits */
        if (copies->items[i].must_seed)
            members |= UINT32_C(1) << copies->items[i].index;
    pthread_mutex_unlock(&copies->mu);
    pthread_mutex_lock(&copies->record_mu);
    bool all = (copies->recorded & ~members) == 0;
    pthread_mutex_unlock(&copies->record_mu);
    return all;
}

enum qr_status qri_copies_record(struct qri_copies *copies, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&copies->record_mu);
    for (;;) {
        uint32_t members = synchronous(copies); /* again each time: one may have been lost */
        if (members == copies->recorded)
            break;
        status = copies->options.record == NULL
                     ? QR_OK
                     : copies->options.record(copies->options.ctx, copies->epoch, members, err);
        if (status == QR_OK)
            copies->recorded = members;
        if (status == QR_FENCED)
            break;
        if (atomic_load(&copies->stopping)) {
            status = qr_fail(err, QR_CANCELLED, "the primary is being closed");
            break;
        }
        if (status != QR_OK)
            qr_env_sleep_ns(copies->store->env, RETRY_NS);
    }
    pthread_mutex_unlock(&copies->record_mu);
    return status;
}

/* --- end --- */

void qri_copies_stop(struct qri_copies *copies)
{
    pthread_mutex_lock(&copies->mu);
    atomic_store(&copies->stopping, true);
    pthread_cond_broadcast(&copies->changed);
    pthread_mutex_unlock(&copies->mu);
    if (copies->thread_runs)
        pthread_join(copies->thread, NULL);
    copies->thread_runs = false;
    for (size_t i = 0; i < copies->count; i++) {
        struct qri_copy *copy = &copies->items[i];
        pthread_mutex_lock(&copies->mu);
        bool flies = copy->show_flies;
        pthread_mutex_unlock(&copies->mu);
        if (!flies)
            continue;
        qr_rpc_cancel(copy->peer, &copy->show_call);
        qr_rpc_wait(copy->peer, &copy->show_call);
    }
}

void qri_copies_free(struct qri_copies *copies)
{
    if (copies == NULL)
        return;
    pthread_cond_destroy(&copies->changed);
    pthread_mutex_destroy(&copies->mu);
    pthread_mutex_destroy(&copies->record_mu);
    free(copies->part);
    free(copies);
}
