/* call.c - calling procedures, functions and dynamic SQL: arguments in, values out; see frame.h */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "access_int.h"
#include "frame.h"
#include "temp_int.h"
#include "base/banned.h"

/* ---- arguments ---- */

static const char *module_name(struct qr_arena *arena, const struct qr_cat_object *module)
{
    return module == NULL ? "sp_executesql" : qr_arena_str(arena, module->name).p;
}

static enum qr_status set_default(struct qri_frame *frame, uint32_t slot,
                                  const struct qr_ast_expr *initial, struct qr_err *err)
{
    if (initial->kind == QR_AE_COLUMN) { /* a bare word is a string */
        const struct qr_ast_column *word = (const struct qr_ast_column *)initial;
        struct qr_str text = word->name.parts[word->name.count - 1].text;
        struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
        struct qr_value value = qr_value_str(text);
        return qri_var_assign(frame, slot, &type, &value, err);
    }
    struct qr_bind_env env;
    qri_bind_env(frame, NULL, &env);
    const struct qr_expr *expr = NULL;
    struct qr_plan *plan = NULL;
    struct qr_plan_accesses accesses = {0};
    QR_TRY(qr_tsql_bind_scalar(&frame->arena, &env, initial, &frame->unit->vars[slot].type, &expr,
                               &plan, &accesses, err));
    if (expr == NULL)
        return qr_sql_fail(err, 1046);
    QR_TRY(qri_want_accesses(frame->session, frame, &accesses, err));
    struct qr_eval eval;
    qri_eval_init(&eval, frame->session, frame, &frame->arena);
    struct qr_value value;
    QR_TRY(qr_expr_eval(expr, &eval, &value, err));
    return qri_var_set(frame, slot, &value, err);
}

static bool is_conversion(int number)
{
    return number == 241 || number == 245 || number == 235 || number == 8169 || number == 295 ||
           number == 248;
}

static enum qr_status set_arg(struct qri_frame *frame, uint32_t slot,
                              const struct qri_call_arg *arg, struct qr_err *err)
{
    struct qri_unit *unit = frame->unit;
    const struct qri_param *param = &unit->params[slot];
    if (arg->is_default) {
        if (param->initial != NULL)
            return set_default(frame, slot, param->initial, err);
        if (unit->vars[slot].table != NULL)
            return QR_OK; /* an empty table */
        return qr_sql_fail(err, 201, module_name(&frame->arena, frame->module),
                           qr_arena_str(&frame->arena, param->name).p);
    }
    if (arg->is_output && !param->is_output)
        return qr_sql_fail(err, 8162, qr_arena_str(&frame->arena, param->name).p);
    if (unit->vars[slot].table != NULL)
        return qri_table_arg(frame, slot, arg, err);
    if (qr_type_eq(&arg->type, &unit->vars[slot].type)) {
        qri_var_borrow(frame, slot, &arg->value); /* the caller's bytes outlive the frame */
        return QR_OK;
    }
    const struct qr_type *to = &unit->vars[slot].type;
    QR_TRY(qr_type_check_implicit(&arg->type, to, err));
    enum qr_status status = qri_var_assign(frame, slot, &arg->type, &arg->value, err);
    if (status != QR_SQL || frame->module == NULL || !is_conversion(err->number))
        return status;
    qr_err_reset(err); /* of a parameter it is told in one way whatever the types */
    return qr_sql_fail(err, 8114, qr_type_name(&arg->type), qr_type_name(to));
}

/* Which parameter each argument is for. */
static enum qr_status match(struct qri_frame *frame, struct qri_call_arg *args, size_t arg_count,
                            struct qri_call_arg **by_param, struct qr_err *err)
{
    struct qri_unit *unit = frame->unit;
    for (size_t i = 0; i < arg_count; i++) {
        size_t at = i;
        if (args[i].name.n > 0) {
            for (at = 0; at < unit->param_count; at++)
                if (qr_str_ieq(unit->params[at].name, args[i].name))
                    break;
            if (at == unit->param_count)
                return qr_sql_fail(err, 8145, qr_arena_str(&frame->arena, args[i].name).p,
                                   module_name(&frame->arena, frame->module));
        }
        if (at >= unit->param_count)
            return qr_sql_fail(err, 8144, module_name(&frame->arena, frame->module));
        if (by_param[at] != NULL)
            return qr_sql_fail(err, 8143, qr_arena_str(&frame->arena, unit->params[at].name).p);
        by_param[at] = &args[i];
    }
    return QR_OK;
}

/* "(@a int)SELECT @a": as messages name a statement with parameters. */
static const char *declared_text(struct qri_frame *frame)
{
    struct qr_str text = frame->unit->batch->text, key = frame->unit->key;
    size_t n = key.n > text.n ? key.n - text.n : 0;
    const char *named =
        qr_arena_printf(&frame->arena, "(%.*s)%.*s", (int)n, key.p, (int)text.n, text.p);
    return named == NULL ? "" : named;
}

static enum qr_status set_args(struct qri_frame *frame, struct qri_call_arg **by_param,
                               struct qr_err *err)
{
    struct qri_unit *unit = frame->unit;
    for (uint32_t slot = 0; slot < unit->param_count; slot++) {
        const struct qri_param *param = &unit->params[slot];
        if (by_param[slot] != NULL)
            QR_TRY(set_arg(frame, slot, by_param[slot], err));
        else if (param->initial != NULL)
            QR_TRY(set_default(frame, slot, param->initial, err));
        else if (unit->vars[slot].table == NULL)
            return qr_sql_fail(err, frame->module == NULL ? 8178 : 201,
                               frame->module == NULL ? declared_text(frame)
                                                     : module_name(&frame->arena, frame->module),
                               qr_arena_str(&frame->arena, param->name).p);
    }
    return QR_OK;
}

/* ---- results ---- */

/* To a client its own variable is returned: an integer in the integer type that it sent. */
static enum qr_status return_value(struct qri_frame *frame, const struct qri_call_arg *arg,
                                   uint32_t slot, struct qr_err *err)
{
    const struct qr_sink *sink = frame->session->sink;
    const struct qr_type *type = &frame->unit->vars[slot].type, *sent = &arg->out_arg->type;
    struct qr_value value = frame->vars[slot];
    if (sent->id != type->id && qr_type_family(sent) == QR_FAMILY_INT &&
        qr_type_family(type) == QR_FAMILY_INT) {
        struct qr_eval eval;
        qri_eval_init(&eval, frame->session, frame, &frame->arena);
        QR_TRY(
            qr_eval_cast(&eval, type, &value, sent, QR_STYLE_DEFAULT, 0, NULL, NULL, &value, err));
        type = sent;
    }
    return sink->return_value(sink->ctx, arg->out_ordinal, frame->unit->params[slot].name, type,
                              &value);
}

static enum qr_status put_outputs(struct qri_frame *frame, struct qri_call_arg **by_param,
                                  struct qr_err *err)
{
    struct qri_unit *unit = frame->unit;
    for (uint32_t slot = 0; slot < unit->param_count; slot++) {
        struct qri_call_arg *arg = by_param[slot];
        if (arg == NULL || !arg->is_output || !unit->params[slot].is_output)
            continue;
        const struct qr_type *type = &unit->vars[slot].type;
        if (arg->out_arg != NULL)
            QR_TRY(return_value(frame, arg, slot, err));
        else if (arg->out_slot != UINT32_MAX)
            QR_TRY(qri_var_assign(frame->outer, arg->out_slot, type, &frame->vars[slot], err));
    }
    return QR_OK;
}

static enum qr_status send_end(struct qri_frame *frame, struct qri_call_arg **by_param, bool is_rpc,
                               struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_sink *sink = session->sink;
    bool outermost =
        is_rpc || (frame->outer != NULL && frame->outer->outer == NULL && frame->module != NULL);
    if (outermost)
        QR_TRY(sink->return_status(sink->ctx, frame->return_status));
    QR_TRY(put_outputs(frame, by_param, err));
    if (!outermost)
        return QR_OK;
    struct qr_done done = {.kind = QR_DONE_PROC, .in_module = true, .command = 0xE0};
    return sink->done(sink->ctx, &done);
}

static enum qr_status check_trancount(struct qr_session *session, uint32_t before)
{
    if (session->tran.count == before || session->tran.doomed)
        return QR_OK;
    struct qr_err message;
    qr_err_reset(&message);
    enum qr_status ignored = qr_sql_fail(&message, 266, (int)before, (int)session->tran.count);
    (void)ignored;
    message.line = session->frame->op == NULL ? 0 : (int)session->frame->op->line;
    session->error = 266;
    return qri_send_error(session, &message);
}

/* ---- units ---- */

static void leave(struct qri_frame *frame)
{
    struct qr_session *session = frame->session;
    qri_temp_drop_scope(frame);
    session->options = frame->options_before;
    session->nest_level--;
    qri_frame_pop(frame);
}

static enum qr_status enter(struct qr_session *session, struct qri_frame *frame,
                            struct qri_unit *unit, const struct qr_cat_object *module,
                            struct qr_err *err)
{
    if (session->nest_level >= QRI_NEST_MAX)
        return qr_sql_fail(err, 217, QRI_NEST_MAX);
    QR_TRY(qri_frame_push(session, frame, unit, err));
    frame->module = module;
    frame->is_scope = true;
    session->nest_level++;
    if (module != NULL) {
        session->options.quoted_identifier = module->uses_quoted_identifier;
        session->options.ansi_nulls = module->uses_ansi_nulls;
    }
    if (module == NULL || module->execute_as == 0)
        return QR_OK;
    enum qr_status status = qri_access_push_module(session, module, err);
    if (status != QR_OK)
        leave(frame);
    return status;
}

enum qr_status qri_call_unit(struct qr_session *session, struct qri_unit *unit,
                             const struct qr_cat_object *module, struct qri_call_arg *args,
                             size_t arg_count, bool is_rpc, int32_t *ret_status, struct qr_err *err)
{
    struct qri_frame frame;
    QR_TRY(enter(session, &frame, unit, module, err));
    frame.is_rpc = is_rpc;
    uint32_t trancount = session->tran.count;
    struct qri_call_arg *inline_by_param[32] = {0}, **by_param = inline_by_param;
    enum qr_status status = QR_OK;
    if (unit->param_count > 32) {
        by_param = calloc(unit->param_count, sizeof(struct qri_call_arg *));
        if (by_param == NULL)
            status = qr_fail(err, QR_NOMEM, "call a procedure");
    }
    if (status == QR_OK)
        status = match(&frame, args, arg_count, by_param, err);
    if (status == QR_OK)
        status = set_args(&frame, by_param, err);
    if (status == QR_SQL && module != NULL && err->procedure[0] == '\0')
        (void)snprintf(err->procedure, sizeof err->procedure, "%.*s", (int)module->name.n,
                       module->name.p); /* at its line 0 */
    if (frame.arena.chunk != NULL)
        qr_arena_reset(&frame.arena);
    if (status == QR_OK)
        status = qri_frame_run(&frame);
    if (status == QR_OK && module != NULL)
        status = check_trancount(session, trancount);
    if (status == QR_OK)
        status = send_end(&frame, by_param, is_rpc, err);
    if (status == QR_OK && ret_status != NULL)
        *ret_status = frame.return_status;
    if (by_param != inline_by_param)
        free(by_param);
    leave(&frame);
    return status;
}

enum qr_status qri_call_procedure(struct qr_session *session, const struct qr_cat_object *proc,
                                  struct qri_call_arg *args, size_t arg_count, bool is_rpc,
                                  int32_t *ret_status, struct qr_err *err)
{
    struct qri_source source = {.kind = QRI_UNIT_PROC, .text = proc->text, .module = proc};
    struct qri_unit *unit = NULL;
    QR_TRY(qri_unit_take(session, &source, &unit, err));
    struct qri_catalog *hold = qri_catalog_ref(session->catalog); /* `proc` stays while it runs */
    enum qr_status status =
        qri_call_unit(session, unit, proc, args, arg_count, is_rpc, ret_status, err);
    qri_unit_put(session, unit);
    qri_catalog_unref(hold);
    return status;
}

enum qr_status qri_call_text(struct qr_session *session, struct qr_str text, struct qr_str params,
                             struct qri_call_arg *args, size_t arg_count, bool is_rpc,
                             int32_t *ret_status, struct qr_err *err)
{
    struct qri_source source = {.kind = QRI_UNIT_BATCH, .text = text, .params = params};
    struct qri_unit *unit = NULL;
    session->err_is_dynamic = true;
    QR_TRY(qri_unit_take(session, &source, &unit, err));
    session->err_is_dynamic = false;
    enum qr_status status =
        qri_call_unit(session, unit, NULL, args, arg_count, is_rpc, ret_status, err);
    qri_unit_put(session, unit);
    return status;
}

/* ---- functions ---- */

static enum qr_status run_function(struct qri_frame *frame, const struct qr_type *types,
                                   const struct qr_value *args, size_t arg_count,
                                   struct qr_err *err)
{
    for (uint32_t i = 0; i < arg_count && i < frame->unit->param_count; i++)
        QR_TRY(qri_var_assign(frame, i, &types[i], &args[i], err));
    enum qr_status status = qri_frame_run(frame);
    if (status == QR_SQL) {
        *err = frame->session->err;
        return status;
    }
    return status;
}

/* A function's statement errors land in session->err, which belongs to the calling statement. */
static enum qr_status call_function(struct qri_frame *frame, const struct qr_type *types,
                                    const struct qr_value *args, size_t arg_count,
                                    struct qr_err *err)
{
    struct qr_session *session = frame->session;
    bool nocount = session->options.nocount;
    session->options.nocount = true;
    enum qr_status status = run_function(frame, types, args, arg_count, err);
    session->options.nocount = nocount;
    session->err_is_compile = false;
    return status;
}

enum qr_status qri_call_scalar(struct qr_session *session, const struct qr_cat_object *function,
                               const struct qr_type *types, const struct qr_value *args,
                               size_t arg_count, const struct qr_type *return_type,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)return_type;
    struct qri_source source = {
        .kind = QRI_UNIT_SCALAR, .text = function->text, .module = function};
    struct qri_unit *unit = NULL;
    QR_TRY(qri_unit_take(session, &source, &unit, err));
    struct qri_frame frame;
    enum qr_status status = enter(session, &frame, unit, function, err);
    if (status == QR_OK) {
        frame.return_arena = arena;
        frame.return_value = qr_value_null();
        int64_t rowcount = session->rowcount;
        int32_t error = session->error;
        status = call_function(&frame, types, args, arg_count, err);
        session->rowcount = rowcount;
        session->error = error;
        *ret_value = frame.return_value;
        leave(&frame);
    }
    qri_unit_put(session, unit);
    return status;
}

enum qr_status qri_call_table_function(struct qr_session *session,
                                       const struct qr_cat_object *function,
                                       const struct qr_type *types, const struct qr_value *args,
                                       size_t arg_count, struct qr_rowset **ret_rowset,
                                       struct qr_err *err)
{
    struct qri_source source = {.kind = QRI_UNIT_TABLE, .text = function->text, .module = function};
    struct qri_unit *unit = NULL;
    QR_TRY(qri_unit_take(session, &source, &unit, err));
    struct qri_frame frame;
    enum qr_status status = enter(session, &frame, unit, function, err);
    if (status == QR_OK) {
        int64_t rowcount = session->rowcount;
        status = call_function(&frame, types, args, arg_count, err);
        session->rowcount = rowcount;
        struct qr_rowset *rows = NULL;
        if (status == QR_OK)
            status = qri_var_rowset(&frame, unit->return_slot, &rows, err);
        if (status == QR_OK) {
            frame.slots[unit->return_slot].rowset = NULL; /* the caller's from here */
            *ret_rowset = rows;
        }
        leave(&frame);
    }
    qri_unit_put(session, unit);
    return status;
}
