/* dml_exec.c - INSERT ... EXEC: the procedure's result sets become the rows to insert. */
#include "dml_stage.h"
#include "sink_around.h"
#include "codec/convert.h"
#include "base/banned.h"

struct capture {
    struct qri_sink_around around; /* first */
    struct qri_run *run;
    struct qr_rowset *rows;
    const struct qr_plan_column *columns; /* of the running result set; lives until its end */
    size_t column_count;
    struct qr_value *values;
    struct qr_arena arena;
    struct qr_err err;
    bool failed;
};

static enum qr_status fail(struct capture *c, enum qr_status status)
{
    c->failed = true;
    return status;
}

static enum qr_status on_columns(void *ctx, const struct qr_plan_column *columns, size_t count,
                                 const int *order_columns, size_t order_count)
{
    struct capture *c = ctx;
    (void)order_columns;
    (void)order_count;
    if (count != c->run->dml->plan->set_count)
        return fail(c, qr_sql_fail(&c->run->session->err, 213));
    c->columns = columns;
    c->column_count = count;
    return QR_OK;
}

static enum qr_status on_row(void *ctx, const struct qr_value *values, size_t count)
{
    struct capture *c = ctx;
    const struct qri_dml *dml = c->run->dml;
    qr_arena_reset(&c->arena);
    struct qr_eval eval;
    qri_eval_init(&eval, c->run->session, c->run->session->frame, &c->arena);
    for (size_t i = 0; i < count; i++) {
        if (qr_value_is_null(&values[i])) { /* of any type: a bare NULL has come as an int */
            c->values[i] = qr_value_null();
            continue;
        }
        const struct qr_cat_column *to = &dml->table->object->columns[dml->insert_columns[i]];
        enum qr_status status = qr_eval_cast(
            &eval, &c->columns[i].type, &values[i], &to->type, QR_STYLE_DEFAULT, QR_CAST_ASSIGN,
            dml->table->full_name, to->name.p, &c->values[i], &c->run->session->err);
        if (status != QR_OK)
            return fail(c, status);
    }
    return qr_rowset_append(c->rows, c->values, &c->run->session->err);
}

static enum qr_status on_done(void *ctx, const struct qr_done *done)
{
    (void)ctx;
    (void)done;
    return QR_OK;
}

static enum qr_status on_return_status(void *ctx, int32_t status)
{
    (void)ctx;
    (void)status;
    return QR_OK;
}

enum qr_status qri_collect_exec(struct qri_run *run, struct qr_rowset **ret_rows)
{
    struct qr_session *session = run->session;
    const struct qri_dml *dml = run->dml;
    struct capture c = {.run = run, .around = {session->sink}};
    if (session->collects_exec)
        return qr_sql_fail(run->err, 8164);
    struct qr_type *types =
        qr_arena_array(&run->frame->arena, dml->plan->set_count + 1, sizeof *types);
    c.values = qr_arena_array(&run->frame->arena, dml->plan->set_count + 1, sizeof *c.values);
    if (types == NULL || c.values == NULL)
        return qr_fail(run->err, QR_NOMEM, "collect rows");
    for (size_t i = 0; i < dml->plan->set_count; i++)
        types[i] = dml->table->object->columns[dml->insert_columns[i]].type;
    QR_TRY(qr_rowset_new(types, dml->plan->set_count, session->db->store, &c.rows, run->err));
    qr_arena_init(&c.arena, QRI_STMT_ARENA_BYTES_MAX);
    struct qr_sink sink = qri_sink_around(&c.around);
    sink.columns = on_columns;
    sink.row = on_row;
    sink.done = on_done;
    sink.return_status = on_return_status;
    session->sink = &sink;
    session->collects_exec = true;
    session->exec_tran_count = session->tran.count;
    enum qr_status status =
        qri_exec_stmt(run->frame, (const struct qr_ast_exec *)dml->plan->exec, 1, run->err);
    session->sink = c.around.outer;
    session->collects_exec = false;
    qr_arena_done(&c.arena);
    if (status != QR_OK) {
        qr_rowset_free(c.rows);
        return status;
    }
    *ret_rows = c.rows;
    return QR_OK;
}
