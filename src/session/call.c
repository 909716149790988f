/* Runs one procedure call: the statement procedures of drivers (sp_executesql, sp_prepare, ...)
 * here, everything else by name in the engine. */
#include <assert.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "base/buf.h"
#include "codec/convert.h"
#include "session_int.h"
#include "base/banned.h"

/* ---- parameters of the statement procedures ---- */

/* By position; drivers name them differently (@stmt, @statement, none). NULL if there are fewer. */
static const struct qr_tds_param *param_at(const struct qr_tds_rpc *rpc, size_t index)
{
    return index < rpc->param_count ? &rpc->params[index] : NULL;
}

static bool is_text(const struct qr_tds_param *p)
{
    return p != NULL && p->value.cell == QR_CELL_TEXT && qr_type_is_string(&p->type);
}

/* Empty for NULL or a missing one. */
static struct qr_str text_of(const struct qr_tds_param *p)
{
    return is_text(p) ? qr_value_bytes(&p->value) : qr_str("");
}

static enum qr_status missing(const char *procedure, const char *parameter, struct qr_err *err)
{
    return qr_sql_fail(err, 201, procedure, parameter);
}

static enum qr_status handle_of(const struct qr_tds_rpc *rpc, int32_t *ret_handle,
                                struct qr_err *err)
{
    const struct qr_tds_param *p = param_at(rpc, 0);
    if (p == NULL)
        return missing(qr_tds_proc_name(rpc->id), "@handle", err);
    if (p->value.cell == QR_CELL_NULL && p->type.id != QR_TYPE_TABLE)
        return qr_sql_fail(err, 8179, 0);
    if (p->value.cell != QR_CELL_INT || qr_type_family(&p->type) != QR_FAMILY_INT ||
        p->value.i != (int32_t)p->value.i)
        return qr_sql_fail(err, 214, "handle", "int");
    *ret_handle = (int32_t)p->value.i;
    return QR_OK;
}

/* The statement text; T-SQL wants it to be national (214). */
static enum qr_status statement_of(const struct qr_tds_rpc *rpc, size_t index, const char *name,
                                   struct qr_str *ret_text, struct qr_err *err)
{
    const struct qr_tds_param *p = param_at(rpc, index);
    if (p == NULL)
        return missing(qr_tds_proc_name(rpc->id), name, err);
    if (p->value.cell != QR_CELL_NULL && !is_text(p))
        return qr_sql_fail(err, 214, name + 1, "ntext/nchar/nvarchar");
    *ret_text = text_of(p);
    return QR_OK;
}

/* ---- what each does; a failure is the session's own error, to be sent ---- */

static enum qr_status run_executesql(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                     struct qr_err *err)
{
    struct qr_str text = {"", 0};
    struct qr_arg *args = NULL;
    size_t count = 0;
    QR_TRY(statement_of(rpc, 0, "@statement", &text, err));
    QR_TRY(qri_args_make(s, rpc, 2, &args, &count, err));
    s->answer.ordinal_base = 2;
    qri_answer_verdict(s, qr_session_execute_sql(s->engine, text, text_of(param_at(rpc, 1)), args,
                                                 count, &s->sink));
    qri_args_free(args, count);
    return QR_OK;
}

static enum qr_status run_prepare(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                  struct qr_err *err)
{
    struct qr_str text = {"", 0};
    int32_t handle = 0;
    QR_TRY(statement_of(rpc, 2, "@stmt", &text, err));
    s->answer.handle_param = param_at(rpc, 0);
    s->answer.handle = &handle;
    qri_answer_verdict(
        s, qr_session_prepare(s->engine, text, text_of(param_at(rpc, 1)), &s->sink, &handle));
    qri_answer_end_call(s); /* while `handle` is here */
    return QR_OK;
}

static enum qr_status execute_handle(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                     size_t first, int32_t handle, struct qr_err *err)
{
    struct qr_arg *args = NULL;
    size_t count = 0;
    QR_TRY(qri_args_make(s, rpc, first, &args, &count, err));
    s->answer.ordinal_base = first;
    qri_answer_verdict(s, qr_session_execute(s->engine, handle, args, count, &s->sink));
    qri_args_free(args, count);
    return QR_OK;
}

static enum qr_status run_execute(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                  struct qr_err *err)
{
    int32_t handle = 0;
    QR_TRY(handle_of(rpc, &handle, err));
    return execute_handle(s, rpc, 1, handle, err);
}

static enum qr_status prepare_and_execute(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                          struct qr_str text, struct qr_str params, size_t first,
                                          struct qr_err *err)
{
    int32_t handle = 0;
    s->answer.handle_param = param_at(rpc, 0);
    s->answer.handle = &handle;
    enum qr_status status = qr_session_prepare(s->engine, text, params, &s->sink, &handle);
    qri_answer_verdict(s, status);
    enum qr_status executed = QR_OK;
    if (handle > 0 && status == QR_OK) {
        s->answer.held.is_held = false; /* the preparing said nothing that ends the call */
        s->answer.has_status = false;
        executed = execute_handle(s, rpc, first, handle, err);
    }
    if (executed == QR_OK)
        qri_answer_end_call(s);
    s->answer.handle_param = NULL;
    return executed;
}

static enum qr_status run_prepexec(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                   struct qr_err *err)
{
    struct qr_str text = {"", 0};
    QR_TRY(statement_of(rpc, 2, "@stmt", &text, err));
    return prepare_and_execute(s, rpc, text, text_of(param_at(rpc, 1)), 3, err);
}

/* "EXEC procedure @P0, @a = @P1 OUTPUT" and "@P0 int, @P1 int OUTPUT" for the arguments from
 * `first` on; names only from `named_from` on. */
static enum qr_status exec_text(const struct qr_tds_rpc *rpc, struct qr_str procedure, size_t first,
                                size_t named_from, struct qr_buf *text, struct qr_buf *params,
                                struct qr_err *err)
{
    qr_buf_printf(text, "EXEC %.*s", (int)procedure.n, procedure.p);
    for (size_t i = first; i < rpc->param_count; i++) {
        const struct qr_tds_param *p = &rpc->params[i];
        char type[QR_TYPE_NAME_BYTES];
        const char *comma = i == first ? "" : ",";
        const char *output = p->is_output ? " OUTPUT" : "";
        qr_buf_printf(text, "%s ", comma);
        if (i >= named_from && p->name.n > 0)
            qr_buf_printf(text, "%.*s = ", (int)p->name.n, p->name.p);
        qr_buf_printf(text, "@P%zu%s", i - first, output);
        qr_buf_printf(params, "%s@P%zu %s%s", comma, i - first, qr_type_print(&p->type, type),
                      output);
    }
    QR_TRY(qr_buf_status(text, err));
    return qr_buf_status(params, err);
}

enum { EXEC_TEXT_BYTES_MAX = 1 << 20 };

/* sp_prepexecrpc @handle OUTPUT, N'procedure', arguments: prepared as an EXEC of that procedure
 * with one parameter for each argument. */
static enum qr_status run_prepexecrpc(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                      struct qr_err *err)
{
    enum { FIRST = 2 };
    struct qr_str procedure = {"", 0};
    QR_TRY(statement_of(rpc, 1, "@RPCCall", &procedure, err));
    struct qr_buf text, params;
    qr_buf_init(&text, EXEC_TEXT_BYTES_MAX);
    qr_buf_init(&params, EXEC_TEXT_BYTES_MAX);
    enum qr_status status = exec_text(rpc, procedure, FIRST, SIZE_MAX, &text, &params, err);
    if (status == QR_OK)
        status = prepare_and_execute(s, rpc, qr_str_n((char *)text.data, text.len),
                                     qr_str_n((char *)params.data, params.len), FIRST, err);
    qr_buf_done(&text);
    qr_buf_done(&params);
    return status;
}

static enum qr_status run_unprepare(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                    struct qr_err *err)
{
    int32_t handle = 0;
    QR_TRY(handle_of(rpc, &handle, err));
    qri_answer_verdict(s, qr_session_unprepare(s->engine, handle, &s->sink));
    return QR_OK;
}

/* Cursors by procedure are the engine's, whose procedures run within a batch: one EXEC. */
static enum qr_status run_cursor(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                 struct qr_err *err)
{
    enum { VALUES = 4 }; /* of sp_cursor: their names are columns */
    size_t named_from = rpc->id == QR_TDS_PROC_CURSOR ? VALUES : SIZE_MAX;
    struct qr_arg *args = NULL;
    size_t count = 0;
    for (size_t i = 0; i < rpc->param_count; i++)
        if (rpc->params[i].type.id == QR_TYPE_TABLE)
            return qr_sql_fail(err, 16902, qr_tds_proc_name(rpc->id), "value");
    struct qr_buf text, params;
    qr_buf_init(&text, EXEC_TEXT_BYTES_MAX);
    qr_buf_init(&params, EXEC_TEXT_BYTES_MAX);
    enum qr_status status =
        exec_text(rpc, qr_str(qr_tds_proc_name(rpc->id)), 0, named_from, &text, &params, err);
    if (status == QR_OK)
        status = qri_args_make(s, rpc, 0, &args, &count, err);
    for (size_t i = 0; status == QR_OK && i < count; i++)
        args[i].name = (struct qr_str){NULL, 0};
    if (status == QR_OK)
        qri_answer_verdict(s,
                           qr_session_execute_sql(s->engine, qr_str_n((char *)text.data, text.len),
                                                  qr_str_n((char *)params.data, params.len), args,
                                                  count, &s->sink));
    qri_args_free(args, count);
    qr_buf_done(&text);
    qr_buf_done(&params);
    return status;
}

static enum qr_status run_reset(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                struct qr_err *err)
{
    (void)rpc, (void)err;
    qri_answer_verdict(s, qr_session_reset(s->engine, false, &s->sink));
    return QR_OK;
}

static enum qr_status run_named(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                struct qr_err *err)
{
    struct qr_arg *args = NULL;
    size_t count = 0;
    QR_TRY(qri_args_make(s, rpc, 0, &args, &count, err));
    qri_answer_verdict(s, qr_session_call(s->engine, rpc->name, args, count, &s->sink));
    qri_args_free(args, count);
    return QR_OK;
}

typedef enum qr_status run_fn(struct qri_served *s, const struct qr_tds_rpc *rpc,
                              struct qr_err *err);

static run_fn *const by_id[QR_TDS_PROC_COUNT] = {
    [QR_TDS_PROC_NONE] = run_named,
    [QR_TDS_PROC_CURSOR] = run_cursor,
    [QR_TDS_PROC_CURSOROPEN] = run_cursor,
    [QR_TDS_PROC_CURSORPREPARE] = run_cursor,
    [QR_TDS_PROC_CURSOREXECUTE] = run_cursor,
    [QR_TDS_PROC_CURSORPREPEXEC] = run_cursor,
    [QR_TDS_PROC_CURSORUNPREPARE] = run_cursor,
    [QR_TDS_PROC_CURSORFETCH] = run_cursor,
    [QR_TDS_PROC_CURSOROPTION] = run_cursor,
    [QR_TDS_PROC_CURSORCLOSE] = run_cursor,
    [QR_TDS_PROC_EXECUTESQL] = run_executesql,
    [QR_TDS_PROC_PREPARE] = run_prepare,
    [QR_TDS_PROC_EXECUTE] = run_execute,
    [QR_TDS_PROC_PREPEXEC] = run_prepexec,
    [QR_TDS_PROC_PREPEXECRPC] = run_prepexecrpc,
    [QR_TDS_PROC_UNPREPARE] = run_unprepare,
};

/* "[sys].sp_executesql" and "master..sp_executesql" are the same procedure as its bare name. */
static struct qr_str last_part(struct qr_str name)
{
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '.') {
            name = qr_str_n(name.p + i, name.n - i);
            break;
        }
    }
    if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        name = qr_str_n(name.p + 1, name.n - 2);
    return name;
}

void qri_run_call(struct qri_served *s, const struct qr_tds_rpc *rpc)
{
    struct qr_err err;
    struct qr_tds_rpc call = *rpc;
    struct qr_str name = last_part(call.name);
    if (call.id == QR_TDS_PROC_NONE)
        call.id = qr_tds_proc_find(name);
    run_fn *run = by_id[call.id];
    if (call.id == QR_TDS_PROC_NONE && qr_str_ieqz(name, "sp_reset_connection"))
        run = run_reset;
    if (run(s, &call, &err) != QR_OK)
        qri_answer_fail(s, &err);
}
