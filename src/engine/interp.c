/* interp.c - runs the operations of a frame and decides what an error ends.
 *
 * An error is caught by the CATCH block that its operation names, else by an outer frame's, else it
 * is sent and ends what the message table says: the statement, the batch, the transaction, the
 * connection. An error of the compiler (a missing table, say) ends the scope it arose in, and only
 * outer frames can catch it, as SQL Server's deferred name resolution has it. */
#include <assert.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "access_int.h"
#include "memory_int.h"
#include "texts_int.h"
#include "base/banned.h"

static enum qr_status push_caught(struct qri_frame *frame)
{
    struct qr_session *session = frame->session;
    struct qri_caught *caught = malloc(sizeof *caught);
    if (caught == NULL)
        return qr_fail(&session->err, QR_NOMEM, "catch an error");
    caught->err = session->err;
    caught->outer = session->caught;
    session->caught = caught;
    frame->catch_depth++;
    return QR_OK;
}

static void pop_caught(struct qri_frame *frame, uint16_t depth)
{
    struct qr_session *session = frame->session;
    while (frame->catch_depth > depth) {
        struct qri_caught *caught = session->caught;
        session->caught = caught->outer;
        free(caught);
        frame->catch_depth--;
    }
}

/* A status that is no T-SQL error but has a number of its own: it is reported under that number. */
static bool ends_request(enum qr_status status)
{
    return status == QR_CANCELLED || status == QR_CLOSED;
}

static enum qr_sql_ends ends_of(const struct qr_session *session, const struct qr_err *err)
{
    const struct qr_sqlmsg *msg = err->status == QR_SQL ? qr_sqlmsg_find(err->number) : NULL;
    if (err->severity >= 20)
        return QR_ENDS_CONNECTION;
    enum qr_sql_ends ends = msg == NULL ? QR_ENDS_STATEMENT : msg->ends;
    if (err->status == QR_NOMEM || err->status == QR_FULL || err->status == QR_CORRUPT)
        ends = QR_ENDS_BATCH;
    if (session->err_is_dynamic && ends == QR_ENDS_BATCH)
        ends = QR_ENDS_STATEMENT;
    if (session->err_is_thrown && ends < QR_ENDS_BATCH)
        ends = QR_ENDS_BATCH;
    if (session->err_is_fatal && err->severity > 10 && ends < QR_ENDS_TRANSACTION)
        ends = QR_ENDS_TRANSACTION;
    return ends;
}

/* The error that follows err, as err->also says, in its place and at its line. */
static void follow_error(struct qr_err *err)
{
    int line = err->line;
    char procedure[sizeof err->procedure];
    memcpy(procedure, err->procedure, sizeof procedure);
    (void)!qr_sql_fail(err, err->also);
    err->line = line;
    memcpy(err->procedure, procedure, sizeof procedure);
}

/* CATCH takes over. What would have ended the transaction leaves it doomed instead. */
static enum qr_status enter_catch(struct qri_frame *frame, const struct qri_op *op, size_t *pc)
{
    struct qr_session *session = frame->session;
    enum qr_sql_ends ends = ends_of(session, &session->err);
    if (session->tran.count > 0 && ends >= QR_ENDS_TRANSACTION)
        session->tran.doomed = true;
    if (session->err.also != 0)
        follow_error(&session->err); /* CATCH sees the last error only */
    session->error = session->err.number;
    session->rowcount = 0;
    if (session->result_open) /* the failed SELECT's rows end here */
        QR_TRY(qri_send_done(session, false, 0, false, 0xC1));
    pop_caught(frame, op->catch_depth);
    QR_TRY(push_caught(frame));
    qr_err_reset(&session->err);
    session->err_before.number = 0;
    session->err_is_compile = false;
    session->err_is_raised = session->err_is_thrown = session->err_is_dynamic = false;
    session->err_is_located = session->err_is_fatal = false;
    *pc = (size_t)op->handler;
    return QR_OK;
}

/* "The statement has been terminated." follows the error of a statement that changes rows. */
static bool undoes_statement(const struct qri_frame *frame, bool was_compile)
{
    if (was_compile || frame->op->kind != QRI_OP_RUN)
        return false;
    enum qr_ast_stmt_kind kind = frame->op->stmt->kind;
    return kind == QR_AS_INSERT || kind == QR_AS_UPDATE || kind == QR_AS_DELETE ||
           kind == QR_AS_MERGE;
}

/* Nobody catches: send it and end what it ends. */
static enum qr_status report(struct qri_frame *frame, bool *ret_go_on)
{
    struct qr_session *session = frame->session;
    enum qr_sql_ends ends = ends_of(session, &session->err);
    session->error = session->err.number;
    session->rowcount = 0;
    bool was_compile = session->err_is_compile;
    session->err_is_compile = false;
    session->err_is_raised = session->err_is_thrown = session->err_is_dynamic = false;
    session->err_is_located = session->err_is_fatal = false;
    if (session->err_before.number != 0) {
        session->err_before.line = session->err.line;
        (void)snprintf(session->err_before.procedure, sizeof session->err_before.procedure, "%s",
                       session->err.procedure);
        QR_TRY(qri_send_error(session, &session->err_before));
        session->err_before.number = 0;
    }
    QR_TRY(qri_send_error(session, &session->err));
    bool was_denied = session->err.number == 229 || session->err.number == 230;
    /* a procedure that says nothing else returns its worst error: -6 for severity 16 */
    if (10 - session->err.severity < frame->return_status)
        frame->return_status = 10 - session->err.severity;
    if (session->err.also != 0) {
        follow_error(&session->err);
        session->error = session->err.number;
        QR_TRY(qri_send_error(session, &session->err));
    }
    if (undoes_statement(frame, was_compile) && ends == QR_ENDS_STATEMENT && !was_denied)
        QR_TRY(qri_inform(session, 3621));
    QR_TRY(qri_send_done(session, false, 0, true, 0xFD));
    qr_err_reset(&session->err);
    if (ends == QR_ENDS_CONNECTION) {
        qri_tran_abort(session);
        return QR_CLOSED;
    }
    if (ends == QR_ENDS_TRANSACTION)
        qri_tran_abort(session);
    *ret_go_on = ends == QR_ENDS_STATEMENT && !was_compile;
    if (was_compile && ends <= QR_ENDS_BATCH) {
        frame->returned = true; /* this scope ends; the caller goes on */
        frame->return_status = -6;
        return QR_OK;
    }
    if (!*ret_go_on) {
        session->unwind = QRI_UNWIND_BATCH;
        return QR_SQL;
    }
    return QR_OK;
}

static void locate_error(struct qri_frame *frame, const struct qri_op *op)
{
    struct qr_err *err = &frame->session->err;
    if (frame->session->err_is_located) /* in a frame further in */
        return;
    frame->session->err_is_located = true;
    /* RAISERROR does not obey XACT_ABORT; its errors say so by not being from a statement */
    frame->session->err_is_fatal =
        frame->session->options.xact_abort && !frame->session->err_is_raised;
    if (err->line == 0 && err->procedure[0] == '\0') /* else line 0 of the procedure called */
        err->line = (int)op->line;
    if (frame->module != NULL && err->procedure[0] == '\0')
        snprintf(err->procedure, sizeof err->procedure, "%.*s", (int)frame->module->name.n,
                 frame->module->name.p);
}

static enum qr_status treat_error(struct qri_frame *frame, const struct qri_op *op,
                                  enum qr_status status, size_t *pc)
{
    struct qr_session *session = frame->session;
    if (session->unwind != QRI_UNWIND_NONE)
        return QR_SQL;
    if (status == QR_AGAIN) /* in a trigger: the statement that fired it runs again */
        return status;
    session->err.status = status;
    if (ends_request(status)) {
        if (session->options.xact_abort && session->tran.count > 0)
            qri_tran_abort(session);
        return status;
    }
    if (status == QR_NOMEM)
        (void)!qr_sql_fail(&session->err, 701, "default");
    if (status == QR_GONE) /* its snapshot cannot be read any more */
        (void)!qr_sql_fail(&session->err, 3966);
    locate_error(frame, op);
    if (frame->unit->kind == QRI_UNIT_SCALAR || frame->unit->kind == QRI_UNIT_TABLE)
        return QR_SQL; /* a function's error is its statement's */
    bool catchable = session->err.severity < 20;
    bool own = op->handler >= 0 && !session->err_is_compile;
    if (catchable && own)
        return enter_catch(frame, op, pc);
    if (catchable && frame->outer_try) {
        session->err_is_compile = false; /* to the caller it is an error of its EXEC */
        return QR_SQL;
    }
    bool go_on = false;
    QR_TRY(report(frame, &go_on));
    if (go_on)
        (*pc)++;
    return QR_OK;
}

static enum qr_status run_op(struct qri_frame *frame, const struct qri_op *op, size_t *pc)
{
    struct qr_session *session = frame->session;
    struct qr_err *err = &session->err;
    switch (op->kind) {
    case QRI_OP_JUMP:
        *pc = op->target;
        return qri_check_cancelled(session, err);
    case QRI_OP_BRANCH: {
        bool is_true = false;
        qri_settings_stamp(session);
        QR_TRY(qri_eval_condition(frame, 0, op->condition, &is_true, err));
        session->error = 0;
        session->rowcount = 0;
        *pc = is_true ? *pc + 1 : op->target;
        return QR_OK;
    }
    case QRI_OP_RUN:
        break;
    }
    if (!session->is_owner) {
        QR_TRY(qri_access_settle(session, err));
        QR_TRY(qri_want_statement(session, op->stmt, err));
    }
    qri_settings_stamp(session);
    if (session->tran.count != session->seen.tran_count)
        qri_session_show(session); /* others see the transaction that the statement runs in */
    struct qri_meter meter;
    qri_meter_begin(frame, op, &meter);
    enum qr_status status = qri_stmt_kinds[op->stmt->kind].run(frame, op, err);
    qri_meter_end(frame, op, &meter, status);
    QR_TRY(status);
    *pc = *pc + 1;
    return QR_OK;
}

enum qr_status qri_frame_run(struct qri_frame *frame)
{
    struct qri_unit *unit = frame->unit;
    struct qr_session *session = frame->session;
    size_t pc = 0;
    while (pc < unit->op_count && !frame->returned) {
        const struct qri_op *op = &unit->ops[pc];
        if (frame->outer == NULL)
            qri_memory_begin();
        frame->op = op;
        if (frame->catch_depth > op->catch_depth)
            pop_caught(frame, op->catch_depth);
        enum qr_status status = run_op(frame, op, &pc);
        qri_grant_end(session, frame);
        if (qri_memory_is_short())
            qri_memory_relieve(session);
        if (frame->arena.chunk != NULL)
            qr_arena_reset(&frame->arena);
        if (status != QR_OK) {
            QR_TRY(treat_error(frame, op, status, &pc));
            if (session->unwind != QRI_UNWIND_NONE)
                return QR_SQL;
        }
    }
    return QR_OK;
}
