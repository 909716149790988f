/* Implements session/session.h: opening and closing sessions, and the frame around every request.
 */
#include "session/session.h"
#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/collation.h"
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "session_int.h"
#include "tds/request.h"
#include "tds/token.h"
#include "base/banned.h"

static struct qri_served *served_of(struct qr_served *served)
{
    return (struct qri_served *)served;
}

/* ---- durability ---- */

static void wait_reached(struct qr_durable_wait *wait)
{
    struct qri_served *s = (struct qri_served *)((char *)wait - offsetof(struct qri_served, wait));
    if (s->is_governed)
        qr_wait_count_of(&s->task, QR_WAIT_WRITELOG, wait->waited_ns);
    s->channel->ops->release(s->channel);
    atomic_store_explicit(&s->wait_state, QRI_WAIT_OVER, memory_order_release);
}

/* The callback is short and runs on another thread, perhaps still: its last step must be seen
 * before `wait` is used again or freed. */
static void settle_wait(struct qri_served *s)
{
    while (atomic_load_explicit(&s->wait_state, memory_order_acquire) == QRI_WAIT_ARMED)
        sched_yield();
    atomic_store(&s->wait_state, QRI_WAIT_NONE);
}

/* ---- packets, as sys.dm_exec_connections counts them ---- */

void qri_count_read(struct qri_served *s, size_t bytes)
{
    size_t room = s->packet_bytes - (size_t)QR_TDS_HEADER_BYTES;
    qr_session_add_packets(s->engine, bytes == 0 ? 1 : (bytes + room - 1) / room, 0);
}

static void count_written(struct qri_served *s, const uint8_t *packets, size_t bytes)
{
    uint64_t count = 0;
    for (size_t at = 0; at + QR_TDS_HEADER_BYTES <= bytes; count++) {
        size_t length = qr_get16be(packets + at + 2);
        at += length < QR_TDS_HEADER_BYTES ? QR_TDS_HEADER_BYTES : length;
    }
    if (s->engine != NULL)
        qr_session_add_packets(s->engine, 0, count);
}

/* Some of an answer leaves before the request is over: what it shows must be durable (S2). */
static enum qr_status send_packets(void *ctx, const uint8_t *packets, size_t bytes,
                                   struct qr_err *err)
{
    struct qri_served *s = ctx;
    struct qr_lsn lsn = {s->engine == NULL ? 0 : qr_session_answer_lsn(s->engine)};
    struct qr_store *store = qr_database_store(s->db);
    if (lsn.v != 0 && !qr_lsn_le(lsn, qr_store_durable_lsn(store))) {
        s->channel->ops->block_begin(s->channel);
        enum qr_status status = qr_store_wait_durable(store, lsn, err);
        s->channel->ops->block_end(s->channel);
        QR_TRY(status);
    }
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_ASYNC_NETWORK_IO);
    enum qr_status status = s->channel->ops->send(s->channel, packets, bytes, err);
    qr_wait_end(mark);
    count_written(s, packets, bytes);
    return status;
}

/* True if the tail has to wait; `release` is called for it. */
static bool hold_tail(struct qri_served *s)
{
    struct qr_lsn lsn = {qr_session_answer_lsn(s->engine)};
    if (lsn.v == 0)
        return false;
    s->wait = (struct qr_durable_wait){.lsn = lsn, .reached = wait_reached};
    atomic_store(&s->wait_state, QRI_WAIT_ARMED);
    if (qr_store_on_durable(qr_database_store(s->db), &s->wait))
        return true;
    atomic_store(&s->wait_state, QRI_WAIT_NONE);
    return false;
}

/* ---- requests ---- */

static void finish(struct qri_served *s, struct qr_tail *ret_tail)
{
    bool broken = s->answer.is_broken;
    if (qr_tds_writer_end(&s->writer, true) != QR_OK) {
        *ret_tail = (struct qr_tail){.kind = QR_TAIL_CLOSE};
        qr_session_let_go(s->engine);
        return;
    }
    *ret_tail = (struct qr_tail){
        .kind = QR_TAIL_SEND, .bytes = s->writer.buf.data, .count = s->writer.buf.len};
    count_written(s, ret_tail->bytes, ret_tail->count);
    if (broken) {
        struct qr_lsn lsn = {qr_session_answer_lsn(s->engine)};
        ret_tail->kind = QR_TAIL_CLOSE;
        if (lsn.v != 0 && qr_store_wait_durable(qr_database_store(s->db), lsn, NULL) != QR_OK)
            ret_tail->count = 0;      /* it may say "committed" and must not */
        qr_session_let_go(s->engine); /* whether or not the client reads that */
        return;
    }
    if (hold_tail(s))
        ret_tail->kind = QR_TAIL_HELD;
}

static void reset_connection(struct qri_served *s, uint8_t status)
{
    if ((status & (QR_TDS_STATUS_RESET | QR_TDS_STATUS_RESET_SKIP_TRAN)) == 0)
        return;
    bool keep_tran = (status & QR_TDS_STATUS_RESET_SKIP_TRAN) != 0;
    qri_answer_verdict(s, qr_session_reset(s->engine, keep_tran, &s->sink));
    s->answer.held.is_held = false; /* a reset is not a statement of its own here */
    qr_tds_put_env_reset(&s->writer);
}

static void run_with_headers(struct qri_served *s, const struct qr_request *request)
{
    struct qr_tds_cursor c = qr_tds_cursor(request->body, request->body_bytes);
    struct qr_tds_all_headers headers;
    struct qr_err err;
    enum qr_status status = qr_tds_all_headers_read(&c, s->client.version, &headers, &err);
    if (status == QR_OK && headers.has_notification)
        status = qr_sql_fail(&err, 40510, "query notification");
    if (status != QR_OK) {
        qri_answer_fail(s, &err);
        s->answer.is_broken = status != QR_SQL; /* what follows cannot be trusted */
        return;
    }
    switch (request->type) {
    case QR_TDS_PACKET_BATCH:
        qri_run_batch(s, &c);
        break;
    case QR_TDS_PACKET_RPC:
        qri_run_rpc(s, &c);
        break;
    default:
        qri_run_tran(s, &c);
        break;
    }
}

static void dispatch(struct qri_served *s, const struct qr_request *request)
{
    struct qr_err err;
    if (request->ignored)
        return;
    switch (request->type) {
    case QR_TDS_PACKET_BATCH:
    case QR_TDS_PACKET_RPC:
    case QR_TDS_PACKET_TRANSACTION:
        reset_connection(s, request->status);
        if (!s->answer.is_broken)
            run_with_headers(s, request);
        break;
    case QR_TDS_PACKET_BULK:
        qri_run_bulk(s);
        break;
    default:
        qr_fail(&err, QR_PROTOCOL, "A message of type 0x%02X is not expected here.", request->type);
        qri_answer_fail(s, &err);
        s->answer.is_broken = true;
        break;
    }
}

static void trim_arena(struct qr_arena *arena)
{
    size_t bytes_max = arena->bytes_max;
    if (arena->total_bytes > QRI_IDLE_BYTES_MAX) {
        qr_arena_done(arena);
        qr_arena_init(arena, bytes_max);
    } else {
        qr_arena_reset(arena);
    }
}

/* What waits for its turn looks whether the client still wants it, and whether it was killed. */
static bool task_cancelled(void *ctx)
{
    struct qri_served *s = ctx;
    struct qr_err why;
    return s->channel->ops->cancelled(s->channel) ||
           (s->engine != NULL && qr_session_is_over(s->engine, &why));
}

static void task_block_begin(void *ctx)
{
    struct qri_served *s = ctx;
    s->channel->ops->block_begin(s->channel);
}

static void task_block_end(void *ctx)
{
    struct qri_served *s = ctx;
    s->channel->ops->block_end(s->channel);
}

static const struct qr_gov_task_ops task_ops = {
    .block_begin = task_block_begin, .block_end = task_block_end, .cancelled = task_cancelled};

/* With a worker, which the request may have to wait for, and on the session's account. */
static void dispatch_governed(struct qri_served *s, const struct qr_request *request)
{
    struct qr_err err;
    if (!s->is_governed) {
        dispatch(s, request);
        return;
    }
    enum qr_status status = qr_gov_worker_take(&s->task, &err);
    if (status == QR_CANCELLED) {
        qri_answer_verdict(s, status);
        return;
    }
    if (status != QR_OK) {
        qri_answer_fail(s, &err);
        return;
    }
    qr_gov_enter(&s->task);
    dispatch(s, request);
    qr_gov_pay_log();
    qr_gov_leave(&s->task);
    qr_gov_worker_give(&s->task);
}

static void served_request(struct qr_served *served, const struct qr_request *request,
                           struct qr_tail *ret_tail)
{
    struct qri_served *s = served_of(served);
    settle_wait(s);
    if (!request->streams)
        qri_count_read(s, request->body_bytes);
    qri_answer_begin(s);
    if (request->type == QR_TDS_PACKET_ATTENTION) { /* after the answer it was meant to stop */
        qr_tds_put_done(&s->writer, s->client.version, QR_TDS_TOKEN_DONE, QR_TDS_DONE_ATTN, 0, 0);
    } else {
        if (!qri_moving_tell_lost(s, request))
            dispatch_governed(s, request);
        qri_answer_end(s);
    }
    trim_arena(&s->arena_request);
    trim_arena(&s->answer.arena_result);
    finish(s, ret_tail);
}

static void free_served(struct qri_served *s)
{
    if (atomic_load(&s->wait_state) == QRI_WAIT_ARMED) {
        if (qr_store_cancel_durable(qr_database_store(s->db), &s->wait))
            atomic_store(&s->wait_state, QRI_WAIT_NONE);
        else
            settle_wait(s);
    }
    qr_session_free(s->engine);
    if (s->is_governed)
        qr_gov_task_done(&s->task);
    if (s->db != NULL)
        s->host->leave(s->host->ctx, s->db);
    qr_tds_writer_done(&s->writer);
    qr_arena_done(&s->arena_request);
    qr_arena_done(&s->answer.arena_result);
    free(s);
}

static void served_free(struct qr_served *served)
{
    free_served(served_of(served));
}

static enum qr_status served_save(struct qr_served *served, bool late, struct qr_buf *dst,
                                  struct qr_str *ret_database, struct qr_err *err)
{
    struct qri_served *s = served_of(served);
    settle_wait(s);
    *ret_database = qr_session_database_name(s->engine);
    return qri_moving_save(s, late, dst, err);
}

static bool served_is_busy(struct qr_served *served)
{
    return qri_moving_is_busy(served_of(served));
}

static const struct qr_served_ops served_ops = {
    .request = served_request, .free = served_free, .save = served_save, .is_busy = served_is_busy};

/* ---- login ---- */

static void inform(struct qri_served *s, int number, const char *text)
{
    struct qr_err message;
    qr_err_reset(&message);
    enum qr_status status = qr_sql_fail(&message, number, text);
    assert(status == QR_SQL);
    qri_answer_message(s, &message);
}

static void put_env_number(struct qri_served *s, enum qr_tds_env_text type, unsigned new_number,
                           unsigned old_number)
{
    char new_text[16], old_text[16];
    snprintf(new_text, sizeof new_text, "%u", new_number);
    snprintf(old_text, sizeof old_text, "%u", old_number);
    qr_tds_put_env_text(&s->writer, type, qr_str(new_text), qr_str(old_text));
}

/* [MS-TDS] 3.3.5.2: what a client learns when it is let in, in SQL Server's order. */
static void answer_login(struct qri_served *s, const struct qr_login *login)
{
    static const uint8_t program_version[4] = {12, 0, 0x07, 0xD0};
    struct qr_tds_writer *w = &s->writer;
    struct qr_str database = qr_session_database_name(s->engine);
    char database_text[512];
    snprintf(database_text, sizeof database_text, "%.*s", (int)database.n, database.p);
    qr_tds_put_env_text(w, QR_TDS_ENV_DATABASE, database, qr_str("master"));
    inform(s, 5701, database_text);
    qr_tds_put_env_collation(w, qr_collation_get(QR_COLLATION_DEFAULT)->tds, NULL);
    struct qr_str language = qr_session_language(s->engine);
    qr_tds_put_env_text(w, QR_TDS_ENV_LANGUAGE, language, qr_str(""));
    inform(s, 5703, language.p);
    qr_tds_put_loginack(w, s->client.version, qr_str("Microsoft SQL Server"), program_version);
    put_env_number(s, QR_TDS_ENV_PACKET_SIZE, login->packet_bytes, QR_TDS_PACKET_BYTES_DEFAULT);
    qr_tds_put_feature_ack(w, login->login7);
    qr_tds_put_done(w, s->client.version, QR_TDS_TOKEN_DONE, 0, 0, 0);
}

static void break_connection(void *ctx, bool at_once)
{
    struct qri_served *s = ctx;
    struct qr_err why;
    if (at_once || !qr_session_is_over(s->engine, &why))
        s->channel->ops->abort(s->channel);
    else
        s->channel->ops->end(s->channel, &why);
}

static enum qr_status open_engine(struct qri_served *s, const struct qr_login *login,
                                  struct qr_err *err)
{
    const struct qr_tds_login7 *l = login->login7;
    struct qr_session_options options = {
        .login = login->user,
        .host_name = login->host,
        .app_name = login->application,
        .client_library = login->library,
        .client_address = login->address,
        .client_pid = l->client_pid,
        .client_interface_version = l->client_program_version,
        .tds_version = qr_tds_version_to_wire(l->version),
        .packet_bytes = login->packet_bytes,
        .is_encrypted = login->is_encrypted,
        .is_odbc = l->odbc_defaults,
        .is_admin = login->is_admin,
        .is_own_user = login->is_own_user,
        .sid = login->sid,
        .server_roles = login->roles,
        .client_port = login->client_port,
        .local_port = login->local_port,
        .local_address = login->local_address,
        .read_only_intent = l->read_only_intent,
        .is_moved = login->is_moved,
        .language = login->language,
    };
    QR_TRY(s->host->enter(s->host->ctx, login, &s->db, err));
    struct qr_gov_group *group = qr_database_group(s->db);
    if (group != NULL) {
        qr_gov_task_init(&s->task, group, &task_ops, s, login->is_admin);
        s->is_governed = true;
        options.task = &s->task;
        QR_TRY(qr_gov_session_take(&s->task, err));
    }
    QR_TRY(qr_session_new(s->db, &options, &s->engine, err));
    qr_session_on_break(s->engine, break_connection, s);
    return QR_OK;
}

static enum qr_status service_open(void *ctx, struct qr_channel *channel,
                                   const struct qr_login *login, struct qr_served **ret_served,
                                   struct qr_tail *ret_tail, struct qr_err *err)
{
    struct qri_served *s = calloc(1, sizeof *s);
    if (s == NULL)
        return qr_fail(err, QR_NOMEM, "open a session");
    s->served.ops = &served_ops;
    s->host = ctx;
    s->channel = channel;
    s->client.version = login->login7->version;
    s->client.utf8 = qr_tds_login7_feature(login->login7, QR_TDS_FEATURE_UTF8_SUPPORT) != NULL;
    s->packet_bytes = login->packet_bytes;
    qr_arena_init(&s->arena_request, QRI_REQUEST_ARENA_BYTES_MAX);
    qr_arena_init(&s->answer.arena_result, QRI_RESULT_ARENA_BYTES_MAX);
    qri_answer_init_sink(s);
    enum qr_status status = open_engine(s, login, err);
    if (status == QR_OK && login->is_moved)
        status = qri_moving_restore(s, login->moved, err);
    if (status != QR_OK) {
        free_served(s);
        return status;
    }
    uint16_t first_bytes = login->packet_bytes < QR_TDS_PACKET_BYTES_DEFAULT
                               ? login->packet_bytes
                               : (uint16_t)QR_TDS_PACKET_BYTES_DEFAULT;
    qr_tds_writer_init(&s->writer, first_bytes, qr_session_id(s->engine), send_packets, s);
    *ret_served = &s->served;
    if (login->is_moved) {
        *ret_tail = (struct qr_tail){.kind = QR_TAIL_SEND};
        return QR_OK;
    }
    qr_tds_writer_begin(&s->writer, QR_TDS_PACKET_REPLY);
    answer_login(s, login);
    finish(s, ret_tail);
    return QR_OK;
}

static enum qr_status service_user_hash(void *ctx, const struct qr_login *login,
                                        char dst[QR_SERVICE_HASH_BYTES], struct qr_err *err)
{
    const struct qr_session_host *host = ctx;
    struct qr_database *db = NULL;
    _Static_assert((int)QR_SERVICE_HASH_BYTES == (int)QR_USER_HASH_BYTES, "one hash, two headers");
    QR_TRY(host->enter(host->ctx, login, &db, err));
    enum qr_status status = qr_database_user_hash(db, login->user, dst, err);
    host->leave(host->ctx, db);
    return status;
}

static void service_end_all(void *ctx)
{
    const struct qr_session_host *host = ctx;
    if (host->end_sessions != NULL)
        host->end_sessions(host->ctx);
}

void qr_session_service_init(struct qr_service *ret_service, const struct qr_session_host *host)
{
    /* The slot takes a plain pointer for services that change; this one is only read. */
    *ret_service = (struct qr_service){.ctx = (void *)(uintptr_t)host,
                                       .open = service_open,
                                       .user_hash = service_user_hash,
                                       .end_all = service_end_all};
}
