/* session.c - making and ending sessions, and what every statement of one needs. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "applock_int.h"
#include "governor/task.h"
#include "lock_int.h"
#include "oplog_int.h"
#include "cursor_int.h"
#include "frame.h"
#include "prepared_int.h"
#include "temp_int.h"
#include "tran_int.h"
#include "base/banned.h"

enum { MOVED_IDS = 4096, DAYS_TO_1970 = 719162, LOGIN_BYTES_MAX = 1 << 20 };

/* ---- list of sessions ---- */

/* A session that comes from elsewhere takes none that another of those may have had there. */
static void add_session(struct qr_instance *instance, struct qr_session *session)
{
    pthread_mutex_lock(&instance->mu);
    uint16_t last = session->login.is_moved ? UINT16_MAX - MOVED_IDS : instance->last_session_id;
    for (bool taken = true; taken;) {
        uint16_t id = last == UINT16_MAX ? QRI_SESSION_ID_FIRST : last + 1;
        last = id;
        if (!session->login.is_moved)
            instance->last_session_id = id;
        taken = false;
        for (struct qr_session *s = instance->sessions; s != NULL && !taken; s = s->next)
            taken = s->id == id;
        session->id = id;
    }
    session->next = instance->sessions;
    if (session->next != NULL)
        session->next->prev = session;
    instance->sessions = session;
    pthread_mutex_unlock(&instance->mu);
}

void qri_session_take_id(struct qr_session *session, uint16_t id)
{
    struct qr_instance *instance = session->db->instance;
    bool taken = id < QRI_SESSION_ID_FIRST;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL && !taken; s = s->next)
        taken = s->id == id;
    if (!taken)
        session->id = id;
    pthread_mutex_unlock(&instance->mu);
}

static void remove_session(struct qr_instance *instance, struct qr_session *session)
{
    pthread_mutex_lock(&instance->mu);
    *(session->prev == NULL ? &instance->sessions : &session->prev->next) = session->next;
    if (session->next != NULL)
        session->next->prev = session->prev;
    pthread_mutex_unlock(&instance->mu);
}

static void copy_login(struct qr_session *session, const struct qr_session_options *options)
{
    session->login = *options;
    struct qr_str *strings[] = {&session->login.login,
                                &session->login.host_name,
                                &session->login.app_name,
                                &session->login.client_library,
                                &session->login.client_address,
                                &session->login.language,
                                &session->login.sid,
                                &session->login.local_address};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        *strings[i] = qr_arena_str(&session->arena, *strings[i]);
}

/* ---- life ---- */

enum qr_status qr_session_new(struct qr_database *db, const struct qr_session_options *options,
                              struct qr_session **ret_session, struct qr_err *err)
{
    struct qr_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return qr_fail(err, QR_NOMEM, "make a session");
    session->db = db;
    qr_arena_init(&session->arena, LOGIN_BYTES_MAX);
    copy_login(session, options);
    qri_options_init(&session->login_options, options->is_odbc);
    const struct qr_language *language = qr_language_find(session->login.language);
    if (language != NULL) /* an unknown one is left at us_english */
        qri_options_language(&session->login_options, language);
    session->options = session->login_options;
    session->login_ticks = session->request_ticks = qri_now_ticks(session);
    uint64_t of_connection[2] = {(uint64_t)session->login_ticks, (uintptr_t)session};
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t half = qr_hash_bytes(of_connection, sizeof of_connection, i);
        memcpy(session->connection_id + 8 * i, &half, sizeof half);
    }
    session->last_identity = session->batch_identity = qr_value_null();
    session->cursor_rows = 0;
    qr_map_init(&session->temp_counters, false);
    qr_map_init(&session->context, true);
    for (size_t i = 0; i < sizeof session->fn_arenas / sizeof session->fn_arenas[0]; i++)
        qr_arena_init(&session->fn_arenas[i], QRI_STMT_ARENA_BYTES_MAX);
    pthread_mutex_lock(&db->mu);
    db->session_count++;
    pthread_mutex_unlock(&db->mu);
    qri_session_refresh_catalog(session);
    pthread_mutex_init(&session->seen_mu, NULL);
    enum qr_status status = qri_access_begin(session, err);
    qri_session_show(session);
    add_session(db->instance, session);
    if (status != QR_OK) {
        qr_session_free(session);
        return status;
    }
    *ret_session = session;
    return QR_OK;
}

struct qr_str qr_session_language(const struct qr_session *session)
{
    return qr_str(session->options.language);
}

/* Everything that a connection reset or the end of the session takes away. */
void qri_session_clear(struct qr_session *session, bool keep_tran)
{
    if (!keep_tran)
        qri_tran_abort(session);
    qri_cursors_free(&session->cursors);
    qri_prepared_clear(session);
    qri_temp_drop_all(session);
    qri_context_clear(session);
    qri_applocks_release(session);
    uint8_t isolation = session->options.isolation;
    session->options = session->login_options;
    if (session->tran.count > 0) /* a transaction that was kept goes on as it was */
        session->options.isolation = isolation;
    session->rowcount = 0;
    session->error = 0;
    session->fetch_status = 0;
    session->last_identity = qr_value_null();
    session->context_info_bytes = 0;
    session->rand_state = (struct qr_rand){0};
    qri_bulk_clear(session);
    (void)qri_access_reset(session);
    session->batch_identity = qr_value_null();
}

void qr_session_let_go(struct qr_session *session)
{
    assert(session->frame == NULL);
    session->sink = NULL;
    qri_session_clear(session, false);
    qri_link_put(session);
}

void qr_session_free(struct qr_session *session)
{
    if (session == NULL)
        return;
    struct qr_database *db = session->db;
    qr_session_let_go(session);
    assert(session->link == NULL);
    qri_locks_leave(session);
    remove_session(db->instance, session);
    pthread_mutex_destroy(&session->seen_mu);
    qri_access_end(session);
    qri_catalog_unref(session->catalog);
    qr_map_done(&session->temp_counters);
    qr_map_done(&session->context);
    for (size_t i = 0; i < sizeof session->fn_arenas / sizeof session->fn_arenas[0]; i++)
        qr_arena_done(&session->fn_arenas[i]);
    free(session->prepared);
    free(session->drawn);
    qr_regexp_cache_done(&session->regexps);
    qr_arena_done(&session->arena);
    free(session);
    qri_link_trim(db);
    pthread_mutex_lock(&db->mu);
    db->session_count--;
    pthread_mutex_unlock(&db->mu);
}

uint16_t qr_session_id(const struct qr_session *session)
{
    return session->id;
}

void qr_session_add_packets(struct qr_session *session, uint64_t read, uint64_t written)
{
    qr_gov_add(&session->packets_read, read);
    qr_gov_add(&session->packets_written, written);
}

enum { KILLED = 596, MOVED = 40197, MEMORY = 40553 };

static void end_session(struct qr_session *session, int why)
{
    int lives = 0;
    atomic_compare_exchange_strong(&session->killed, &lives, why);
}

void qri_session_end_for_memory(struct qr_session *session)
{
    end_session(session, MEMORY);
    qri_session_break(session, false);
}

void qr_session_kill(struct qr_session *session)
{
    end_session(session, KILLED);
}

bool qr_session_is_over(const struct qr_session *session, struct qr_err *ret_why)
{
    int why = atomic_load(&session->killed);
    if (why == 0)
        return false;
    if (why == MEMORY) {
        qr_err_reset(ret_why);
        (void)!qr_sql_fail(ret_why, MEMORY);
    } else {
        qr_session_why_over(why == KILLED, ret_why);
    }
    return true;
}

void qr_session_why_over(bool was_killed, struct qr_err *ret_why)
{
    enum { RECONFIGURATION = 40166, SEVERITY_FATAL = 20 };
    qr_err_reset(ret_why);
    if (was_killed) {
        (void)!qr_sql_fail(ret_why, KILLED);
        return;
    }
    (void)!qr_sql_fail(ret_why, MOVED, RECONFIGURATION);
    ret_why->severity = SEVERITY_FATAL; /* here the connection ends with it */
}

void qri_session_break(struct qr_session *session, bool at_once)
{
    if (session->break_it != NULL)
        session->break_it(session->break_ctx, at_once);
}

void qr_session_on_break(struct qr_session *session, void (*break_it)(void *ctx, bool at_once),
                         void *ctx)
{
    struct qr_instance *instance = session->db->instance;
    pthread_mutex_lock(&instance->mu);
    session->break_it = break_it;
    session->break_ctx = ctx;
    pthread_mutex_unlock(&instance->mu);
}

void qr_database_end_sessions(struct qr_database *db, enum qr_session_end why, bool all)
{
    struct qr_instance *instance = db->instance;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        if (s->db != db)
            continue;
        end_session(s, why == QR_END_KILLED ? KILLED : MOVED);
        qri_session_break(s, all);
    }
    pthread_mutex_unlock(&instance->mu);
}

uint64_t qr_session_answer_lsn(const struct qr_session *session)
{
    return session->answer_lsn;
}

uint64_t qr_session_tran_descriptor(const struct qr_session *session)
{
    return session->tran.descriptor;
}

uint32_t qr_session_trancount(const struct qr_session *session)
{
    return session->tran.count;
}

uint32_t qr_session_server_id(const struct qr_session *session)
{
    return session->db->info.server_id;
}

struct qr_store *qr_session_store(const struct qr_session *session)
{
    return session->db->store;
}

struct qr_str qr_session_login_sid(const struct qr_session *session)
{
    return session->login.is_admin || session->login.is_own_user ? (struct qr_str){NULL, 0}
                                                                 : session->login.sid;
}

struct qr_str qr_session_database_name(const struct qr_session *session)
{
    return qri_info(session->db)->name;
}

/* ---- what other sessions see ---- */

static size_t memory_bytes(const struct qr_session *session)
{
    size_t bytes = sizeof *session + session->arena.total_bytes;
    for (size_t i = 0; i < sizeof session->fn_arenas / sizeof session->fn_arenas[0]; i++)
        bytes += session->fn_arenas[i].total_bytes;
    return bytes;
}

static uint64_t snapshot_of(const struct qr_session *session)
{
    if (session->link == NULL)
        return 0;
    const struct qr_conn *conn = session->link->conn;
    uint64_t kept = qr_conn_kept_lsn(conn).v;
    return kept != 0 ? kept : qr_conn_in_read(conn) ? qr_conn_pinned_lsn(conn).v : 0;
}

struct qri_session_seen qri_session_look(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    struct qri_oplog_mark changed = qri_oplog_mark(tran->oplog);
    struct qri_session_seen seen = {.options = session->options,
                                    .is_running = session->sink != NULL,
                                    .as_user = qri_access_became(session),
                                    .request_ticks = session->request_ticks,
                                    .ended_ticks = session->ended_ticks,
                                    .scheduled_ticks = session->scheduled_ticks,
                                    .memory_bytes = memory_bytes(session),
                                    .context_info_bytes = session->context_info_bytes,
                                    .rowcount = session->rowcount,
                                    .error = session->error,
                                    .nest_level = session->nest_level,
                                    .tran_count = tran->count};
    seen.cpu_ms_before = session->before.cpu_ms;
    seen.reads_before = session->before.reads;
    seen.writes_before = session->before.writes;
    seen.logical_reads_before = session->before.logical_reads;
    seen.page_server_reads_before = session->before.page_server_reads;
    seen.room_before = session->before.room;
    if (seen.context_info_bytes > 0)
        memcpy(seen.context_info, session->context_info, sizeof seen.context_info);
    if (tran->count == 0)
        return seen;
    seen.tran_id = tran->descriptor;
    seen.tran_ticks = tran->begin_ticks;
    seen.tran_ops = changed.count;
    seen.tran_bytes = changed.bytes;
    seen.snapshot_lsn = snapshot_of(session);
    struct qr_str name = tran->name.n > 0 ? tran->name : qr_str("user_transaction");
    memcpy(seen.tran_name, name.p,
           name.n < sizeof seen.tran_name ? name.n : sizeof seen.tran_name - 1);
    return seen;
}

void qri_session_show(struct qr_session *session)
{
    pthread_mutex_lock(&session->seen_mu);
    session->seen = qri_session_look(session);
    pthread_mutex_unlock(&session->seen_mu);
}

struct qri_session_seen qri_session_shown(struct qr_session *session)
{
    pthread_mutex_lock(&session->seen_mu);
    struct qri_session_seen seen = session->seen;
    pthread_mutex_unlock(&session->seen_mu);
    return seen;
}

/* ---- what statements need ---- */

int64_t qri_ticks_of_wall(int64_t wall_ns)
{
    return wall_ns / 100 + (int64_t)DAYS_TO_1970 * 86400 * 10000000;
}

int64_t qri_now_ticks(const struct qr_session *session)
{
    return qri_ticks_of_wall(qr_env_wall_ns(session->db->instance->options.env));
}

void qri_session_own_catalog(struct qr_session *session, struct qri_catalog *own_catalog)
{
    qri_catalog_unref(session->catalog);
    session->catalog = own_catalog;
    session->catalog_serial = atomic_fetch_add(&session->db->last_serial, 1) + 1;
    session->tran.catalog_changed = true;
}

/* And what comes next reads it as well: between the statements of a transaction at another level
 * than SNAPSHOT it is the last one's, and the next one moves on to that of the newest catalog. */
static bool reads_a_snapshot(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    if (session->link == NULL || !qr_conn_in_read(session->link->conn) ||
        qr_conn_has_writer(session->link->conn))
        return false;
    return tran->depth > 0 || !tran->sqlite_open || session->options.isolation == QR_SNAPSHOT ||
           qr_store_is_read_only(session->db->store);
}

void qri_session_refresh_catalog(struct qr_session *session)
{
    struct qr_database *db = session->db;
    if (session->tran.kept_catalog != NULL && session->options.isolation == QR_SNAPSHOT &&
        session->tran.depth == 0 && !qr_conn_has_writer(session->link->conn)) {
        qri_kept_take_catalog(session); /* another level may have left it */
        return;
    }
    if (atomic_load_explicit(&db->follows, memory_order_acquire))
        qri_follow_newest(db);
    if (atomic_load_explicit(&db->catalog_serial, memory_order_acquire) == session->catalog_serial)
        return;
    if (session->tran.catalog_changed || reads_a_snapshot(session))
        return;
    struct qri_catalog *old = session->catalog;
    pthread_mutex_lock(&db->catalog_mu);
    session->catalog = qri_catalog_ref(db->catalog);
    session->catalog_lsn = db->catalog_lsn;
    session->catalog_serial = atomic_load(&db->catalog_serial);
    pthread_mutex_unlock(&db->catalog_mu);
    qri_catalog_unref(old);
    qri_access_look_again(session);
}

void qri_session_set_temp(struct qr_session *session, struct qri_catalog *own_temp)
{
    qri_catalog_unref(session->temp);
    static atomic_uint_fast64_t changes; /* of all sessions: code they share keeps the number */
    session->temp = own_temp;
    session->temp_serial = atomic_fetch_add(&changes, 1) + 1;
}

enum qr_status qri_check_cancelled(struct qr_session *session, struct qr_err *err)
{
    qr_gov_poll();
    qr_gov_pay_log();
    if (atomic_load_explicit(&session->killed, memory_order_relaxed))
        return qr_fail(err, QR_CLOSED, "the session was killed");
    if (session->sink != NULL && session->sink->cancelled(session->sink->ctx))
        return qr_fail(err, QR_CANCELLED, "the request was cancelled");
    return QR_OK;
}

/* A damaged page or a disk that fails is no business of the client's alone. */
static void log_damage(const struct qr_session *session, const struct qr_err *err)
{
    enum { READ_FAILED = 823, PAGE_DAMAGED = 824 };
    if (session->db->instance->options.log == NULL ||
        (err->number != READ_FAILED && err->number != PAGE_DAMAGED))
        return;
    QR_LOG(session->db->instance->options.log, QR_ERROR, "storage_failed",
           QR_F("db", qri_info(session->db)->name), QR_F("error", err->number),
           QR_F("reason", &err->text[0]));
}

enum qr_status qri_send_error(struct qr_session *session, struct qr_err *err)
{
    log_damage(session, err);
    return session->sink->message(session->sink->ctx, err);
}

enum qr_status qri_inform(struct qr_session *session, int number, ...)
{
    struct qr_err message;
    qr_err_reset(&message);
    va_list args;
    va_start(args, number);
    enum qr_status ignored = qr_sql_failv(&message, number, args);
    (void)ignored;
    va_end(args);
    const struct qri_frame *frame = session->frame;
    if (frame != NULL && frame->op != NULL)
        message.line = (int)frame->op->line;
    return session->sink->message(session->sink->ctx, &message);
}

bool qri_in_module(const struct qr_session *session)
{
    const struct qri_frame *frame = session->frame;
    return frame != NULL && (frame->outer != NULL || frame->is_rpc || frame->module != NULL);
}

enum qr_status qri_send_done(struct qr_session *session, bool has_count, uint64_t count,
                             bool is_error, uint16_t command)
{
    session->result_open = false;
    struct qr_done done = {.kind = QR_DONE_STATEMENT,
                           .has_count = has_count,
                           .count = count,
                           .is_error = is_error,
                           .in_module = qri_in_module(session),
                           .command = command};
    return session->sink->done(session->sink->ctx, &done);
}
