/* request.c - one request of a session from its first to its last token; see engine/engine.h */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "frame.h"
#include "governor/task.h"
#include "prepared_int.h"
#include "sysproc.h"
#include "base/banned.h"

/* ---- begin and end ---- */

struct qri_temp_room qri_temp_room_of(const struct qr_gov_task *task)
{
    struct qri_temp_room room;
    for (int i = 0; i < QR_GOV_TEMP_COUNT; i++) {
        room.taken[i] = atomic_load_explicit(&task->usage.temp_taken[i], memory_order_relaxed);
        room.freed[i] = atomic_load_explicit(&task->usage.temp_freed[i], memory_order_relaxed);
    }
    return room;
}

static void note_usage(struct qr_session *session)
{
    const struct qr_gov_task *task = session->login.task;
    if (task == NULL)
        return;
    const struct qr_gov_usage *u = &task->usage;
    session->before.cpu_ms =
        (int)(atomic_load_explicit(&u->cpu_ns, memory_order_relaxed) / 1000000);
    session->before.reads = (int64_t)atomic_load_explicit(&u->reads, memory_order_relaxed);
    session->before.writes = (int64_t)atomic_load_explicit(&u->writes, memory_order_relaxed);
    session->before.logical_reads =
        (int64_t)atomic_load_explicit(&u->logical_reads, memory_order_relaxed);
    session->before.page_server_reads =
        (int64_t)atomic_load_explicit(&u->page_server_reads, memory_order_relaxed);
    session->before.room = qri_temp_room_of(task);
}

enum qr_status qri_request_begin(struct qr_session *session, const struct qr_sink *sink)
{
    assert(session->frame == NULL && session->sink == NULL);
    if (atomic_load(&session->killed) != 0)
        return QR_CLOSED;
    session->sink = sink;
    session->answer_lsn = 0;
    session->unwind = QRI_UNWIND_NONE;
    session->err_is_compile = session->err_is_raised = false;
    session->err_is_thrown = session->err_is_dynamic = false;
    session->err_is_located = session->err_is_fatal = false;
    session->nest_level = 0;
    session->request_count++;
    qr_err_reset(&session->err);
    qri_settings_stamp(session);
    session->request_ticks = session->settings.now_utc_ticks;
    note_usage(session);
    qri_session_show(session);
    qri_session_refresh_catalog(session);
    return QR_OK;
}

/* An error that no frame was there to report: the text did not parse, the procedure is not there.
 */
static enum qr_status report_outside(struct qr_session *session, enum qr_status status)
{
    if (status != QR_SQL && (status == QR_CANCELLED || status == QR_CLOSED))
        return status;
    if (session->unwind != QRI_UNWIND_NONE) {
        session->unwind = QRI_UNWIND_NONE;
        return QR_OK;
    }
    session->err.status = status;
    session->error = session->err.number;
    QR_TRY(qri_send_error(session, &session->err));
    bool is_syntax = session->err.severity == 15; /* nothing of the text has run */
    if (session->options.xact_abort && session->tran.count > 0 && !is_syntax)
        qri_tran_abort(session);
    return session->err.severity >= 20 ? QR_CLOSED : QR_OK;
}

/* An idle session keeps only a little: there may be thousands. */
static void trim_memory(struct qr_session *session)
{
    enum { KEPT_BYTES = 16 * 1024 };
    for (size_t i = 0; i < sizeof session->fn_arenas / sizeof session->fn_arenas[0]; i++)
        if (session->fn_arenas[i].total_bytes > KEPT_BYTES)
            qr_arena_done(&session->fn_arenas[i]);
}

enum qr_status qri_request_end(struct qr_session *session, enum qr_status status,
                               enum qr_done_kind kind)
{
    assert(session->frame == NULL);
    bool failed = status != QR_OK;
    if (failed)
        status = report_outside(session, status);
    if (session->tran.doomed && session->tran.count > 0 && status == QR_OK) {
        struct qr_err message; /* a doomed transaction does not outlive its batch */
        qr_err_reset(&message);
        enum qr_status ignored = qr_sql_fail(&message, 3998);
        (void)ignored;
        qri_tran_abort(session);
        status = qri_send_error(session, &message);
    }
    if (session->tran.depth > 0 && !session->tran.sqlite_open)
        session->tran.depth = 0;
    qri_tran_rest(session);
    qri_link_put(session);
    trim_memory(session);
    if (status == QR_OK && (failed || kind == QR_DONE_BATCH)) {
        struct qr_done done = {.kind = kind, .is_error = failed, .command = 0xFD};
        status = session->sink->done(session->sink->ctx, &done);
    }
    session->sink = NULL;
    if (session->ended_ticks < session->request_ticks) /* no statement ran */
        session->ended_ticks = session->request_ticks;
    session->scheduled_ticks += session->ended_ticks - session->request_ticks;
    qri_session_show(session);
    return status;
}

/* ---- batches ---- */

static enum qr_status run_batch(struct qr_session *session, struct qr_str text)
{
    struct qri_source source = {.kind = QRI_UNIT_BATCH, .text = text};
    struct qri_unit *unit = NULL;
    qri_bulk_clear(session); /* its rows never came */
    QR_TRY(qri_unit_take(session, &source, &unit, &session->err));
    struct qri_frame frame;
    enum qr_status status = qri_frame_push(session, &frame, unit, &session->err);
    if (status == QR_OK) {
        if (unit->batch->sets_parse_only) /* of a batch that does not run, too */
            session->options.parseonly = unit->batch->parse_only;
        status = session->options.parseonly ? QR_OK : qri_frame_run(&frame);
        if (unit->batch->sets_quoted_identifier)
            session->options.quoted_identifier = unit->batch->quoted_identifier;
        qri_frame_pop(&frame);
    }
    if (session->bulk_stmt != NULL && session->bulk_unit == NULL)
        session->bulk_unit = unit; /* the rows that follow need the statement */
    else
        qri_unit_put(session, unit);
    return status;
}

enum qr_status qr_session_batch(struct qr_session *session, struct qr_str text,
                                const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    return qri_request_end(session, run_batch(session, text), QR_DONE_BATCH);
}

/* ---- calls ---- */

static struct qri_call_arg *take_args(struct qr_session *session, const struct qr_arg *args,
                                      size_t arg_count, struct qri_call_arg *inline_args,
                                      size_t inline_count)
{
    struct qri_call_arg *out = inline_args;
    if (arg_count > inline_count) {
        out = calloc(arg_count, sizeof *out);
        if (out == NULL) {
            enum qr_status ignored = qr_fail(&session->err, QR_NOMEM, "read arguments");
            (void)ignored;
            return NULL;
        }
    }
    for (size_t i = 0; i < arg_count; i++)
        out[i] = (struct qri_call_arg){.name = args[i].name,
                                       .type = args[i].type,
                                       .value = args[i].value,
                                       .rowset = args[i].rowset,
                                       .column_defaults = args[i].column_defaults,
                                       .is_default = args[i].is_default,
                                       .is_output = args[i].is_output,
                                       .out_slot = UINT32_MAX,
                                       .out_arg = args[i].is_output ? &args[i] : NULL,
                                       .out_ordinal = i};
    return out;
}

enum { ARGS_INLINE = 16 };

enum qr_status qr_session_execute_sql(struct qr_session *session, struct qr_str text,
                                      struct qr_str params, const struct qr_arg *args,
                                      size_t arg_count, const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    struct qri_call_arg inline_args[ARGS_INLINE];
    struct qri_call_arg *own = take_args(session, args, arg_count, inline_args, ARGS_INLINE);
    enum qr_status status = QR_NOMEM;
    if (own != NULL)
        status = qri_call_text(session, text, params, own, arg_count, true, NULL, &session->err);
    if (own != inline_args)
        free(own);
    return qri_request_end(session, status, QR_DONE_PROC);
}

static enum qr_status call_by_text(struct qr_session *session, struct qr_str procedure,
                                   struct qri_call_arg *args, size_t arg_count)
{
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_ast_name name;
    enum qr_status status = qri_name_parse(&arena, procedure, &name, &session->err);
    if (status == QR_OK)
        status = qri_call_by_name(session, &name, args, arg_count, true, NULL, &session->err);
    qr_arena_done(&arena);
    return status;
}

enum qr_status qr_session_call(struct qr_session *session, struct qr_str procedure,
                               const struct qr_arg *args, size_t arg_count,
                               const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    struct qri_call_arg inline_args[ARGS_INLINE];
    struct qri_call_arg *own = take_args(session, args, arg_count, inline_args, ARGS_INLINE);
    enum qr_status status =
        own == NULL ? QR_NOMEM : call_by_text(session, procedure, own, arg_count);
    if (own != inline_args)
        free(own);
    return qri_request_end(session, status, QR_DONE_PROC);
}

/* ---- prepared statements ---- */

static struct qri_prepared *find_prepared(struct qr_session *session, int32_t handle)
{
    size_t low = 0, high = session->prepared_count; /* handles only grow */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (session->prepared[mid].handle < handle)
            low = mid + 1;
        else
            high = mid;
    }
    return low < session->prepared_count && session->prepared[low].handle == handle
               ? &session->prepared[low]
               : NULL;
}

static void free_prepared(struct qr_session *session, struct qri_prepared *prepared)
{
    qri_unit_put(session, prepared->unit);
    qr_arena_done(&prepared->arena);
}

void qri_prepared_clear(struct qr_session *session)
{
    for (size_t i = 0; i < session->prepared_count; i++)
        free_prepared(session, &session->prepared[i]);
    session->prepared_count = 0;
}

static enum qr_status add_prepared(struct qr_session *session, struct qr_str text,
                                   struct qr_str params, struct qri_unit *own_unit,
                                   int32_t *ret_handle)
{
    struct qr_err *err = &session->err;
    if (session->prepared_count >= QRI_PREPARED_MAX) {
        qri_unit_put(session, own_unit);
        return qr_fail(err, QR_TOO_BIG, "more than %d prepared statements", QRI_PREPARED_MAX);
    }
    if (session->prepared_count == session->prepared_capacity) {
        size_t capacity = session->prepared_capacity == 0 ? 8 : session->prepared_capacity * 2;
        struct qri_prepared *grown = realloc(session->prepared, capacity * sizeof *grown);
        if (grown == NULL) {
            qri_unit_put(session, own_unit);
            return qr_fail(err, QR_NOMEM, "prepare a statement");
        }
        session->prepared = grown;
        session->prepared_capacity = capacity;
    }
    struct qri_prepared *prepared = &session->prepared[session->prepared_count++];
    *prepared = (struct qri_prepared){.handle = ++session->last_handle, .unit = own_unit};
    qr_arena_init(&prepared->arena, QRI_UNIT_ARENA_BYTES_MAX);
    prepared->text = qr_arena_str(&prepared->arena, text);
    prepared->params = qr_arena_str(&prepared->arena, params);
    *ret_handle = prepared->handle;
    return QR_OK;
}

enum qr_status qri_prepare(struct qr_session *session, struct qr_str text, struct qr_str params,
                           int32_t *ret_handle)
{
    struct qri_source source = {.kind = QRI_UNIT_BATCH, .text = text, .params = params};
    struct qri_unit *unit = NULL;
    QR_TRY(qri_unit_take(session, &source, &unit, &session->err));
    return add_prepared(session, text, params, unit, ret_handle);
}

enum qr_status qr_session_prepare(struct qr_session *session, struct qr_str text,
                                  struct qr_str params, const struct qr_sink *sink,
                                  int32_t *ret_handle)
{
    *ret_handle = 0;
    QR_TRY(qri_request_begin(session, sink));
    enum qr_status status = qri_prepare(session, text, params, ret_handle);
    return qri_request_end(session, status, QR_DONE_PROC);
}

enum qr_status qri_execute(struct qr_session *session, int32_t handle, struct qri_call_arg *args,
                           size_t arg_count)
{
    struct qri_prepared *prepared = find_prepared(session, handle);
    if (prepared == NULL)
        return qr_sql_fail(&session->err, 8179, (int)handle);
    struct qri_unit *unit = prepared->unit;
    prepared->unit = NULL; /* it is the frame's while it runs */
    if (unit != NULL && unit->has_catalog_types &&
        unit->catalog_serial != session->catalog_serial) {
        qri_unit_put(session, unit);
        unit = NULL;
    }
    if (unit == NULL) {
        struct qri_source source = {
            .kind = QRI_UNIT_BATCH, .text = prepared->text, .params = prepared->params};
        QR_TRY(qri_unit_take(session, &source, &unit, &session->err));
    }
    enum qr_status status =
        qri_call_unit(session, unit, NULL, args, arg_count, true, NULL, &session->err);
    prepared = find_prepared(session, handle); /* the array may have moved, the handle be gone */
    if (prepared != NULL && prepared->unit == NULL)
        prepared->unit = unit;
    else
        qri_unit_put(session, unit);
    return status;
}

enum qr_status qr_session_execute(struct qr_session *session, int32_t handle,
                                  const struct qr_arg *args, size_t arg_count,
                                  const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    struct qri_call_arg inline_args[ARGS_INLINE];
    struct qri_call_arg *own = take_args(session, args, arg_count, inline_args, ARGS_INLINE);
    enum qr_status status = own == NULL ? QR_NOMEM : qri_execute(session, handle, own, arg_count);
    if (own != inline_args)
        free(own);
    return qri_request_end(session, status, QR_DONE_PROC);
}

enum qr_status qri_prepared_text(struct qr_session *session, int32_t handle, struct qr_arena *arena,
                                 struct qr_str *ret_text, struct qr_str *ret_params)
{
    const struct qri_prepared *prepared = find_prepared(session, handle);
    if (prepared == NULL)
        return qr_sql_fail(&session->err, 8179, (int)handle);
    *ret_text = qr_arena_str(arena, prepared->text);
    *ret_params = qr_arena_str(arena, prepared->params);
    return ret_text->p == NULL || ret_params->p == NULL
               ? qr_fail(&session->err, QR_NOMEM, "open a cursor")
               : QR_OK;
}

enum qr_status qri_unprepare(struct qr_session *session, int32_t handle)
{
    struct qri_prepared *prepared = find_prepared(session, handle);
    if (prepared == NULL)
        return qr_sql_fail(&session->err, 8179, (int)handle);
    free_prepared(session, prepared);
    size_t after = session->prepared_count - (size_t)(prepared - session->prepared) - 1;
    memmove(prepared, prepared + 1, after * sizeof *prepared);
    session->prepared_count--;
    return QR_OK;
}

static enum qr_status end_call(struct qr_session *session, enum qr_status status)
{
    if (status == QR_OK) {
        const struct qr_sink *sink = session->sink;
        struct qr_done done = {.kind = QR_DONE_PROC, .in_module = true, .command = 0xE0};
        status = sink->return_status(sink->ctx, 0);
        if (status == QR_OK)
            status = sink->done(sink->ctx, &done);
    }
    return qri_request_end(session, status, QR_DONE_PROC);
}

enum qr_status qr_session_unprepare(struct qr_session *session, int32_t handle,
                                    const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    return end_call(session, qri_unprepare(session, handle));
}

/* ---- transactions, reset ---- */

static enum qr_status run_tran(struct qr_session *session, enum qr_tran_request request,
                               struct qr_str name, uint8_t isolation, bool begin_after)
{
    struct qr_err *err = &session->err;
    if (isolation > 5)
        return qr_fail(err, QR_PROTOCOL, "isolation level %u does not exist", isolation);
    if (isolation != 0)
        session->options.isolation = isolation;
    struct qr_str none = {0};
    switch (request) {
    case QR_TM_BEGIN:
        return qri_tran_begin(session, name, err);
    case QR_TM_COMMIT:
        QR_TRY(qri_tran_commit(session, err));
        break;
    case QR_TM_ROLLBACK:
        QR_TRY(qri_tran_rollback(session, name, err));
        break;
    case QR_TM_SAVE:
        return qri_tran_save(session, name, err);
    }
    return begin_after ? qri_tran_begin(session, none, err) : QR_OK;
}

enum qr_status qr_session_tran(struct qr_session *session, enum qr_tran_request request,
                               struct qr_str name, uint8_t isolation, bool begin_after,
                               const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    return qri_request_end(session, run_tran(session, request, name, isolation, begin_after),
                           QR_DONE_BATCH);
}

enum qr_status qr_session_reset(struct qr_session *session, bool keep_tran,
                                const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    if (!qri_access_reset(session))
        qr_session_kill(session); /* who was not to come back as himself does not */
    qri_session_clear(session, keep_tran);
    qri_link_put(session);
    session->sink = NULL;
    qri_session_show(session);
    return atomic_load(&session->killed) != 0 ? QR_CLOSED : QR_OK;
}
