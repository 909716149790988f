/* run_select.c - SELECT: to the client, into variables, into a new table. */
#include <string.h>
#include "dml_int.h"
#include "frame.h"
#include "lock_read.h"
#include "base/banned.h"

enum {
    COMMAND_SELECT = 0xC1,
    COMMAND_SELECT_INTO = 0xC2,
    FOR_PIECE_UNITS = 2033, /* FOR XML and FOR JSON leave in rows of so many UTF-16 units */
    CANCEL_ROWS = 256,
};

/* ---- to the client ---- */

struct to_client {
    struct qr_session *session;
    const struct qr_sink *sink;
    const struct qr_plan *plan;
    struct qr_value *cut; /* values cut at TEXTSIZE; NULL: nothing to cut */
    uint64_t pieces;
    uint32_t until_check;
};

static size_t piece_bytes(struct qr_str text)
{
    size_t units = 0, at = 0;
    while (at < text.n && units < FOR_PIECE_UNITS) {
        uint8_t c = (uint8_t)text.p[at];
        size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        units += n == 4 ? 2 : 1;
        at = at + n > text.n ? text.n : at + n;
    }
    return at;
}

static enum qr_status send_pieces(struct to_client *to, const struct qr_value *value)
{
    if (value->cell != QR_CELL_TEXT)
        return QR_OK;
    struct qr_str rest = qr_value_bytes(value);
    while (rest.n > 0) {
        size_t n = piece_bytes(rest);
        struct qr_value piece = qr_value_text(rest.p, n);
        QR_TRY(to->sink->row(to->sink->ctx, &piece, 1));
        to->pieces++;
        rest = qr_str_n(rest.p + n, rest.n - n);
    }
    return QR_OK;
}

static void cut_values(struct to_client *to, const struct qr_value *values, size_t count)
{
    size_t max = (size_t)to->session->options.textsize;
    for (size_t i = 0; i < count; i++) {
        to->cut[i] = values[i];
        if ((values[i].cell != QR_CELL_TEXT && values[i].cell != QR_CELL_BLOB) ||
            values[i].n <= max || !qr_type_is_lob(&to->plan->columns[i].type))
            continue;
        size_t n = qr_type_family(&to->plan->columns[i].type) == QR_FAMILY_NCHAR ? max / 2 : max;
        n = n < values[i].n ? n : values[i].n;
        while (n > 0 && values[i].cell == QR_CELL_TEXT && n < values[i].n &&
               ((uint8_t)values[i].p[n] & 0xC0) == 0x80)
            n--;
        to->cut[i].n = n;
    }
}

static enum qr_status send_row(void *ctx, const struct qr_value *values, size_t count,
                               struct qr_err *err)
{
    struct to_client *to = ctx;
    if (to->until_check-- == 0) {
        to->until_check = CANCEL_ROWS;
        QR_TRY(qri_check_cancelled(to->session, err));
    }
    if (to->plan->for_kind != QR_FORMAT_NONE && to->plan->for_kind != QR_FORMAT_BROWSE)
        return send_pieces(to, &values[0]);
    if (to->cut != NULL) {
        cut_values(to, values, count);
        values = to->cut;
    }
    return to->sink->row(to->sink->ctx, values, count);
}

static enum qr_status null_warning(struct qr_session *session, const struct qr_plan *plan)
{
    bool warn =
        session->null_eliminated && plan->warns_null_aggregate && session->options.ansi_warnings;
    session->null_eliminated = false;
    return warn ? qri_inform(session, 8153) : QR_OK;
}

static bool has_lob(const struct qr_plan *plan)
{
    for (size_t i = 0; i < plan->column_count; i++)
        if (qr_type_is_lob(&plan->columns[i].type))
            return true;
    return false;
}

static enum qr_status compile_op(void *ctx, struct qri_code **ret_code, struct qr_err *err)
{
    struct qri_frame *frame = ctx;
    return qri_code_stmt(frame, 0, frame->op->stmt, ret_code, err);
}

static enum qr_status begin_result(struct to_client *to, struct qri_frame *frame,
                                   const struct qr_plan *plan, struct qr_err *err)
{
    struct qr_session *session = to->session;
    if (session->options.textsize >= 0 && session->options.textsize != INT32_MAX && has_lob(plan)) {
        to->cut = qr_arena_array(&frame->arena, plan->column_count, sizeof *to->cut);
        if (to->cut == NULL)
            return qr_fail(err, QR_NOMEM, "send rows");
    }
    to->plan = plan;
    QR_TRY(to->sink->columns(to->sink->ctx, plan->columns, plan->column_count, plan->order_columns,
                             plan->order_count));
    session->result_open = true;
    return QR_OK;
}

static enum qr_status send_result(struct to_client *to, struct qri_frame *frame,
                                  struct qri_code *code, uint64_t *count, struct qr_err *err)
{
    QR_TRY(begin_result(to, frame, code->plan, err));
    return to->session->options.fmtonly ? QR_OK
                                        : qri_select_each(frame, code, send_row, to, count, err);
}

/* The rows are kept back until the statement, which may run several times, has ended. */
struct locked_result {
    struct to_client *to;
    struct qri_frame *frame;
    struct qri_code **code;
};

static enum qr_status send_kept_row(void *ctx, const struct qr_value *values, size_t count,
                                    struct qr_err *err)
{
    struct locked_result *result = ctx;
    if (result->to->plan == NULL)
        QR_TRY(begin_result(result->to, result->frame, (*result->code)->plan, err));
    return send_row(result->to, values, count, err);
}

static enum qr_status send_locked(struct to_client *to, struct qri_frame *frame,
                                  struct qri_code **code, uint64_t *ret_count, struct qr_err *err)
{
    struct locked_result result = {to, frame, code};
    struct qri_locked_read read = {.frame = frame,
                                   .compile = compile_op,
                                   .compile_ctx = frame,
                                   .row = send_kept_row,
                                   .row_ctx = &result};
    QR_TRY(qri_read_locked(&read, code, err));
    *ret_count = read.count;
    return to->plan != NULL ? QR_OK : begin_result(to, frame, (*code)->plan, err);
}

static enum qr_status select_to_client(struct qri_frame *frame, struct qri_code *code,
                                       struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct to_client to = {.session = session, .sink = session->sink};
    uint64_t count = 0;
    if (session->options.fmtonly) {
        QR_TRY(send_result(&to, frame, code, &count, err));
    } else if (code->plan->locks_rows) {
        QR_TRY(send_locked(&to, frame, &code, &count, err));
    } else {
        QR_TRY(qri_code_begin_read(frame, frame->op->stmt, &code, err));
        enum qr_status status = send_result(&to, frame, code, &count, err);
        QR_TRY(qri_tran_statement_end(session, status, err));
    }
    const struct qr_plan *plan = code->plan;
    if (plan->for_kind != QR_FORMAT_NONE && plan->for_kind != QR_FORMAT_BROWSE)
        count = to.pieces;
    QR_TRY(null_warning(session, plan));
    session->rowcount = (int64_t)count;
    session->error = 0;
    return qri_send_done(session, !session->options.nocount, count, false, COMMAND_SELECT);
}

/* ---- into variables ---- */

/* Each row is assigned as it comes: an expression may read what the row before has left. */
static enum qr_status assign_row(void *ctx, const struct qr_value *values, size_t count,
                                 struct qr_err *err)
{
    struct qri_frame *frame = ctx;
    const struct qr_plan *plan = frame->op->codes[0]->plan;
    (void)count;
    for (size_t i = 0; i < plan->assign_count; i++)
        QR_TRY(qri_var_assign(frame, plan->assigns[i].slot, &plan->assigns[i].type,
                              &values[plan->assigns[i].column_index], err));
    return QR_OK;
}

static enum qr_status select_assign(struct qri_frame *frame, struct qri_code *code,
                                    struct qr_err *err)
{
    struct qr_session *session = frame->session;
    uint64_t count = 0;
    if (code->plan->locks_rows) {
        struct qri_locked_read read = {.frame = frame,
                                       .compile = compile_op,
                                       .compile_ctx = frame,
                                       .row = assign_row,
                                       .row_ctx = frame};
        QR_TRY(qri_read_locked(&read, &code, err));
        count = read.count;
    } else {
        QR_TRY(qri_code_begin_read(frame, frame->op->stmt, &code, err));
        session->copies_vars = true;
        enum qr_status status = qri_select_each(frame, code, assign_row, frame, &count, err);
        session->copies_vars = false;
        QR_TRY(qri_tran_statement_end(session, status, err));
    }
    QR_TRY(null_warning(session, code->plan));
    session->rowcount = (int64_t)count;
    session->error = 0;
    if (session->options.nocount)
        return QR_OK;
    return qri_send_done(session, true, count, false, COMMAND_SELECT);
}

/* ---- into a new table ---- */

static enum qr_status select_into(struct qri_frame *frame, struct qri_code *code,
                                  struct qr_err *err)
{
    struct qr_session *session = frame->session;
    uint64_t count = 0;
    QR_TRY(qri_select_into(frame, &code, &count, err));
    QR_TRY(null_warning(session, code->plan));
    session->rowcount = (int64_t)count;
    session->error = 0;
    if (session->options.nocount)
        return QR_OK;
    return qri_send_done(session, true, count, false, COMMAND_SELECT_INTO);
}

enum qr_status qri_run_select(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    qri_session_refresh_catalog(session);
    struct qri_code *code = NULL;
    QR_TRY(qri_code_stmt(frame, 0, op->stmt, &code, err));
    if (session->options.noexec)
        return QR_OK;
    if (code->plan->reads_user_tables)
        QR_TRY(qri_tran_implicit(session, err));
    QR_TRY(qri_code_stmt(frame, 0, op->stmt, &code, err)); /* in a transaction it may lock */
    session->null_eliminated = false;
    if (code->plan->kind == QR_PLAN_SELECT_ASSIGN)
        return select_assign(frame, code, err);
    if (code->plan->kind == QR_PLAN_SELECT_INTO)
        return select_into(frame, code, err);
    return select_to_client(frame, code, err);
}
