/* run_vars.c - DECLARE, SET, PRINT, RAISERROR, THROW, WAITFOR, RETURN. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "codec/convert.h"
#include "codec/datetime.h"
#include "cursor_int.h"
#include "expr/format.h"
#include "governor/wait.h"
#include "base/banned.h"

enum {
    PRINT_BYTES_MAX = 8000,
    THROW_SEVERITY = 16,
    THROW_NUMBER_MIN = 50000,
    WAIT_SLICE_NS = 20 * 1000000,
};

static void assigned(struct qr_session *session)
{
    session->error = 0;
    session->rowcount = 1;
}

/* ---- DECLARE, SET ---- */

enum qr_status qri_run_declare(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_declare *stmt = (const struct qr_ast_declare *)op->stmt;
    for (size_t i = 0; i < stmt->count; i++) {
        const struct qr_ast_declare_item *item = &stmt->items[i];
        uint32_t slot = 0;
        if (!frame->session->is_owner && qri_var_find(frame, item->name, &slot))
            QR_TRY(qri_want_table_type(frame->session, frame, frame->unit->vars[slot].user_type_id,
                                       err));
        if (item->init == NULL || !qri_var_find(frame, item->name, &slot))
            continue;
        struct qr_value value;
        QR_TRY(qri_eval_scalar(frame, i, item->init, &frame->unit->vars[slot].type, NULL, &value,
                               err));
        QR_TRY(qri_var_set(frame, slot, &value, err));
        assigned(frame->session);
    }
    return QR_OK;
}

/* SET @x += e is SET @x = @x + e: the tree for it lives with the operation's unit. */
static enum qr_status compound(struct qri_frame *frame, const struct qr_ast_set_variable *stmt,
                               struct qr_ast_expr **ret_expr, struct qr_err *err)
{
    static const uint8_t ops[] = {
        [QR_ASSIGN_ADD] = QR_AOP_ADD,       [QR_ASSIGN_SUB] = QR_AOP_SUB,
        [QR_ASSIGN_MUL] = QR_AOP_MUL,       [QR_ASSIGN_DIV] = QR_AOP_DIV,
        [QR_ASSIGN_MOD] = QR_AOP_MOD,       [QR_ASSIGN_AND] = QR_AOP_BIT_AND,
        [QR_ASSIGN_OR] = QR_AOP_BIT_OR,     [QR_ASSIGN_XOR] = QR_AOP_BIT_XOR,
        [QR_ASSIGN_CONCAT] = QR_AOP_CONCAT,
    };
    struct qr_arena *arena = &frame->arena;
    struct qr_ast_chain *chain = qr_arena_alloc(arena, sizeof *chain);
    struct qr_ast_variable *var = qr_arena_alloc(arena, sizeof *var);
    struct qr_ast_expr **operands = qr_arena_array(arena, 2, sizeof *operands);
    uint8_t *op = qr_arena_alloc(arena, 1);
    if (chain == NULL || var == NULL || operands == NULL || op == NULL)
        return qr_fail(err, QR_NOMEM, "compile an assignment");
    *var = (struct qr_ast_variable){{QR_AE_VARIABLE, stmt->head.pos}, stmt->name};
    operands[0] = &var->head;
    operands[1] = stmt->value;
    *op = ops[stmt->assign];
    *chain = (struct qr_ast_chain){{QR_AE_CHAIN, stmt->head.pos}, 2, operands, op};
    *ret_expr = &chain->head;
    return QR_OK;
}

enum qr_status qri_run_set_variable(struct qri_frame *frame, const struct qri_op *op,
                                    struct qr_err *err)
{
    const struct qr_ast_set_variable *stmt = (const struct qr_ast_set_variable *)op->stmt;
    uint32_t slot = 0;
    if (!qri_var_find(frame, stmt->name, &slot) || slot >= op->var_visible) {
        frame->session->err_is_compile = true;
        return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, stmt->name).p);
    }
    if (stmt->method != NULL)
        return qr_fail(err, QR_UNSUPPORTED, "SET with an xml method is not supported.");
    if (frame->unit->vars[slot].type.id == QR_TYPE_CURSOR)
        return qri_cursor_set(frame, op, slot, err);
    struct qr_ast_expr *expr = stmt->value;
    if (stmt->assign != QR_ASSIGN_SET)
        QR_TRY(compound(frame, stmt, &expr, err));
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, 0, expr, &frame->unit->vars[slot].type, NULL, &value, err));
    QR_TRY(qri_var_set(frame, slot, &value, err));
    assigned(frame->session);
    return QR_OK;
}

enum qr_status qri_run_return(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_return *stmt = (const struct qr_ast_return *)op->stmt;
    if (frame->unit->kind == QRI_UNIT_SCALAR) {
        if (stmt->value == NULL)
            return qr_sql_fail(err, 455);
        struct qr_value value;
        QR_TRY(
            qri_eval_scalar(frame, 0, stmt->value, &frame->unit->return_type, NULL, &value, err));
        if (qr_value_copy(frame->return_arena, &value, &frame->return_value) != QR_OK)
            return qr_fail(err, QR_NOMEM, "return a value");
    } else if (stmt->value != NULL) {
        if (frame->unit->kind != QRI_UNIT_PROC)
            return qr_sql_fail(err, 178);
        struct qr_type want = qr_type_of(QR_TYPE_INT);
        struct qr_value value;
        QR_TRY(qri_eval_scalar(frame, 0, stmt->value, &want, NULL, &value, err));
        if (value.cell == QR_CELL_NULL)
            QR_TRY(qri_inform(
                frame->session, 282,
                frame->module == NULL ? "" : qr_arena_str(&frame->arena, frame->module->name).p));
        frame->return_status = value.cell == QR_CELL_INT ? (int32_t)value.i : 0;
    }
    frame->returned = true;
    return QR_OK;
}

/* ---- PRINT, RAISERROR, THROW ---- */

/* A message that is not of the table. */
static void fill(struct qri_frame *frame, const struct qri_op *op, int number, int severity,
                 int state, struct qr_str text, struct qr_err *err)
{
    qr_err_reset(err);
    err->status = QR_SQL;
    err->number = number;
    err->severity = (uint8_t)severity;
    err->state = (uint8_t)state;
    err->line = (int)op->line;
    size_t n = text.n < sizeof err->text - 1 ? text.n : sizeof err->text - 1;
    while (n < text.n && n > 0 && ((uint8_t)text.p[n] & 0xC0) == 0x80)
        n--;   /* not in the middle of a character */
    if (n > 0) /* an empty text may have no bytes at all */
        memcpy(err->text, text.p, n);
    err->text[n] = '\0';
    if (frame->module != NULL)
        snprintf(err->procedure, sizeof err->procedure, "%.*s", (int)frame->module->name.n,
                 frame->module->name.p);
}

static enum qr_status send(struct qr_session *session, const struct qr_err *message)
{
    return session->sink->message(session->sink->ctx, message);
}

enum qr_status qri_run_print(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_print *stmt = (const struct qr_ast_print *)op->stmt;
    struct qr_type type;
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, 0, stmt->value, NULL, &type, &value, err));
    struct qr_str text = {0};
    if (value.cell != QR_CELL_NULL) {
        struct qr_convert_env env = {.arena = &frame->arena,
                                     .dateformat = frame->session->options.dateformat};
        QR_TRY(qr_value_text_of(&type, &value, &env, &text, err));
    }
    if (text.n > PRINT_BYTES_MAX)
        text.n = PRINT_BYTES_MAX;
    struct qr_err message;
    fill(frame, op, 0, 0, 1, text, &message);
    QR_TRY(send(frame->session, &message));
    frame->session->error = 0;
    frame->session->rowcount = 0;
    return QR_OK;
}

static enum qr_status int_arg(struct qri_frame *frame, size_t place, const struct qr_ast_expr *ast,
                              int fallback, int *ret_value, struct qr_err *err)
{
    *ret_value = fallback;
    if (ast == NULL)
        return QR_OK;
    struct qr_type want = qr_type_of(QR_TYPE_INT);
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, place, ast, &want, NULL, &value, err));
    if (value.cell == QR_CELL_INT)
        *ret_value = (int)value.i;
    return QR_OK;
}

/* The text or number of RAISERROR's first argument. */
static enum qr_status raise_text(struct qri_frame *frame, const struct qr_ast_raiserror *stmt,
                                 int *ret_number, struct qr_str *ret_format, struct qr_err *err)
{
    struct qr_type type;
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, 0, stmt->message, NULL, &type, &value, err));
    if (!qr_type_is_string(&type) && value.cell == QR_CELL_INT) {
        const struct qr_sqlmsg *msg = qr_sqlmsg_find((int)value.i);
        if (value.i < 13000)
            return qr_sql_fail(err, 2732, (int)value.i, 13000, INT32_MAX);
        if (msg == NULL && !stmt->old_form)
            return qr_sql_fail(err, 18054, (int)value.i, 16, 1);
        *ret_number = (int)value.i;
        *ret_format = msg == NULL ? (struct qr_str){NULL, 0} : qr_str(msg->text);
        return QR_OK;
    }
    *ret_number = 50000;
    *ret_format = value.cell == QR_CELL_TEXT ? qr_value_bytes(&value) : (struct qr_str){0};
    return QR_OK;
}

struct raise_args {
    struct qr_type *types;
    struct qr_value *values;
    size_t count;
};

static enum qr_status raise_args(struct qri_frame *frame, const struct qr_ast_raiserror *stmt,
                                 struct raise_args *args, struct qr_err *err)
{
    args->count = stmt->args.count;
    args->types = qr_arena_array(&frame->arena, args->count + 1, sizeof *args->types);
    args->values = qr_arena_array(&frame->arena, args->count + 1, sizeof *args->values);
    if (args->types == NULL || args->values == NULL)
        return qr_fail(err, QR_NOMEM, "raise an error");
    for (size_t i = 0; i < args->count; i++)
        QR_TRY(qri_eval_scalar(frame, 3 + i, stmt->args.items[i], NULL, &args->types[i],
                               &args->values[i], err));
    return QR_OK;
}

enum qr_status qri_run_raiserror(struct qri_frame *frame, const struct qri_op *op,
                                 struct qr_err *err)
{
    const struct qr_ast_raiserror *stmt = (const struct qr_ast_raiserror *)op->stmt;
    struct qr_session *session = frame->session;
    int number = 0, severity = 0, state = 0;
    struct qr_str format = {0}, text = {0};
    struct raise_args args = {0};
    QR_TRY(raise_text(frame, stmt, &number, &format, err));
    QR_TRY(int_arg(frame, 1, stmt->severity, 16, &severity, err));
    QR_TRY(int_arg(frame, 2, stmt->state, 1, &state, err));
    QR_TRY(raise_args(frame, stmt, &args, err));
    if (stmt->old_form && args.count > 0 && args.values[0].cell == QR_CELL_TEXT)
        text = qr_value_bytes(&args.values[0]);
    else
        QR_TRY(qr_format_message(&frame->arena, format, args.types, args.values, args.count, &text,
                                 err));
    if (severity > 18 && !stmt->with_log)
        return qr_sql_fail(err, 2754, 18);
    const struct qr_sqlmsg *known = severity < 0 ? qr_sqlmsg_find(number) : NULL;
    if (known != NULL && number != 50000) /* its own, where the statement leaves it open */
        severity = known->severity;
    severity = severity < 0 ? 0 : severity > 25 ? 25 : severity;
    state = state < 0 ? 1 : state > 255 ? 255 : state;
    struct qr_err message;
    fill(frame, op, number, severity, state, text, &message);
    if (severity > 10) {
        *err = message;
        session->err_is_raised = true;
        return QR_SQL;
    }
    QR_TRY(send(session, &message));
    if (stmt->with_nowait)
        QR_TRY(session->sink->flush(session->sink->ctx));
    session->error = stmt->with_seterror ? number : 0;
    session->rowcount = 0;
    return QR_OK;
}

enum qr_status qri_run_throw(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_throw *stmt = (const struct qr_ast_throw *)op->stmt;
    if (stmt->number == NULL) {
        if (frame->catch_depth == 0)
            return qr_sql_fail(err, 10704);
        *err = frame->session->caught->err;
        frame->session->err_is_thrown = true;
        return QR_SQL;
    }
    int number = 0, state = 0;
    QR_TRY(int_arg(frame, 0, stmt->number, 0, &number, err));
    struct qr_type want = qr_type_sized(QR_TYPE_NVARCHAR, 2048);
    struct qr_value text;
    QR_TRY(qri_eval_scalar(frame, 1, stmt->message, &want, NULL, &text, err));
    QR_TRY(int_arg(frame, 2, stmt->state, 1, &state, err));
    if (number < THROW_NUMBER_MIN)
        return qr_sql_fail(err, 35100, number, THROW_NUMBER_MIN, INT32_MAX);
    fill(frame, op, number, THROW_SEVERITY, state < 0 || state > 255 ? 255 : state,
         text.cell == QR_CELL_TEXT ? qr_value_bytes(&text) : (struct qr_str){0}, err);
    frame->session->err_is_thrown = true;
    return QR_SQL;
}

/* ---- WAITFOR ---- */

static enum qr_status wait_ns(struct qr_session *session, int64_t ns, struct qr_err *err)
{
    struct qr_env *env = session->db->instance->options.env;
    int64_t end = qr_env_mono_ns(env) + ns;
    enum qr_status status = QR_OK;
    session->sink->block_begin(session->sink->ctx);
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_WAITFOR);
    for (;;) {
        status = qri_check_cancelled(session, err);
        int64_t left = end - qr_env_mono_ns(env);
        if (status != QR_OK || left <= 0)
            break;
        qr_env_sleep_ns(env, left < WAIT_SLICE_NS ? left : WAIT_SLICE_NS);
    }
    qr_wait_end(mark);
    session->sink->block_end(session->sink->ctx);
    return status;
}

enum qr_status qri_run_waitfor(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_waitfor *stmt = (const struct qr_ast_waitfor *)op->stmt;
    struct qr_session *session = frame->session;
    if (stmt->wait == QR_WAITFOR_STATEMENT)
        return qr_fail(err, QR_UNSUPPORTED, "WAITFOR with a statement is not supported.");
    struct qr_type want = qr_type_time(QR_TYPE_TIME, 7);
    struct qr_value value;
    enum qr_status status = qri_eval_scalar(frame, 0, stmt->value, &want, NULL, &value, err);
    if (status == QR_SQL && err->number == 241 && stmt->value->kind == QR_AE_LITERAL)
        return qr_sql_fail(
            err, 148,
            qr_arena_str(&frame->arena, ((const struct qr_ast_literal *)stmt->value)->text).p);
    QR_TRY(status);
    if (value.cell != QR_CELL_INT)
        return QR_OK;
    int64_t day = (int64_t)86400 * 10000000, ticks = value.i;
    if (stmt->wait == QR_WAITFOR_TIME) {
        ticks -= qri_now_ticks(session) % day;
        if (ticks < 0)
            ticks += day;
    }
    if (session->tran.count > 0)
        qri_session_show(session); /* others see what it has changed so far */
    QR_TRY(wait_ns(session, ticks * 100, err));
    session->error = 0;
    session->rowcount = 0;
    return QR_OK;
}
