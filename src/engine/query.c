/* query.c - binding and stepping the SQLite statements of plans; see frame.h */
#include <assert.h>
#include "frame.h"
#include "mask.h"
#include "base/banned.h"

/* ---- parameters ---- */

static enum qr_status bind_rows(struct qri_query *query, int index, const struct qr_plan_rows *rows,
                                struct qr_err *err)
{
    struct qri_rows_arg *arg = qr_arena_alloc(&query->arena, sizeof *arg);
    if (arg == NULL)
        return qr_fail(err, QR_NOMEM, "bind a rowset");
    *arg = (struct qri_rows_arg){.rows = rows, .frame = query->frame};
    if (rows->kind == QR_ROWS_TABLE) {
        const struct qri_trigger_rows *trigger = query->frame->trigger;
        uint32_t slot = 0;
        if (qri_var_find(query->frame, rows->name, &slot))
            QR_TRY(qri_var_rowset(query->frame, slot, &arg->rowset, err));
        else if (trigger != NULL && qr_str_ieqz(rows->name, "inserted"))
            arg->rowset = trigger->inserted;
        else if (trigger != NULL && qr_str_ieqz(rows->name, "deleted"))
            arg->rowset = trigger->deleted;
        else
            return qr_fail(err, QR_BUG, "no rows named '%.*s'", (int)rows->name.n, rows->name.p);
    }
    sqlite3_bind_pointer(query->stmt->stmt, index, arg, "qr_rows", NULL);
    return QR_OK;
}

static enum qr_status bind_expr(struct qri_query *query, int index,
                                const struct qr_plan_param *param, struct qr_err *err)
{
    struct qr_eval eval;
    qri_eval_init(&eval, query->frame->session, query->frame, &query->arena);
    struct qr_value value;
    QR_TRY(qr_expr_eval(param->expr, &eval, &value, err));
    return qri_bind(query->stmt->stmt, index, &param->type, &value, err);
}

static enum qr_status bind_all(struct qri_query *query, const struct qr_plan_sql *sql,
                               const struct qr_value *args, struct qr_err *err)
{
    sqlite3_stmt *stmt = query->stmt->stmt;
    for (size_t i = 0; i < sql->param_count; i++) {
        const struct qr_plan_param *param = &sql->params[i];
        int index = (int)i + 1;
        switch (param->kind) {
        case QR_PARAM_VAR:
            assert(param->slot < query->frame->var_count);
            QR_TRY(
                query->frame->session->copies_vars
                    ? qri_bind_copy(stmt, index, &param->type, &query->frame->vars[param->slot],
                                    err)
                    : qri_bind(stmt, index, &param->type, &query->frame->vars[param->slot], err));
            break;
        case QR_PARAM_EXPR:
            QR_TRY(bind_expr(query, index, param, err));
            break;
        case QR_PARAM_ARG:
            assert(args != NULL);
            QR_TRY(qri_bind(stmt, index, &param->type, &args[param->slot], err));
            break;
        case QR_PARAM_PROGRAM:
            sqlite3_bind_pointer(stmt, index, (void *)(uintptr_t)param->program, "qr_program",
                                 NULL);
            break;
        case QR_PARAM_AGG:
            sqlite3_bind_pointer(stmt, index, (void *)(uintptr_t)param->agg, "qr_agg", NULL);
            break;
        case QR_PARAM_AGG_WINDOW:
            sqlite3_bind_int64(stmt, index, (intptr_t)param->agg);
            break;
        case QR_PARAM_AGG_SORTED:
            sqlite3_bind_pointer(stmt, index, (void *)(uintptr_t)param->sorted, "qr_agg_sorted",
                                 NULL);
            break;
        case QR_PARAM_FOR:
            sqlite3_bind_pointer(stmt, index, (void *)(uintptr_t)param->for_call, "qr_for", NULL);
            break;
        case QR_PARAM_LOCK:
            sqlite3_bind_pointer(stmt, index, (void *)(uintptr_t)param->lock, "qr_lock", NULL);
            break;
        case QR_PARAM_ROWS:
            QR_TRY(bind_rows(query, index, param->rows, err));
            break;
        }
    }
    return QR_OK;
}

/* ---- stepping ---- */

enum qr_status qri_query_open(struct qri_frame *frame, const struct qr_plan_sql *sql,
                              struct qri_sql text, const struct qr_value *args,
                              struct qri_query *query, struct qr_err *err)
{
    *query = (struct qri_query){.frame = frame, .link = frame->session->link};
    assert(query->link != NULL);
    qr_arena_init(&query->arena, QRI_STMT_ARENA_BYTES_MAX);
    enum qr_status status = qri_stmt_take(query->link, text, &query->stmt, err);
    if (status == QR_OK)
        status = bind_all(query, sql, args, err);
    if (status != QR_OK)
        qri_query_close(query);
    return status;
}

enum qr_status qri_query_next(struct qri_query *query, bool *ret_row, struct qr_err *err)
{
    enum qr_status status = qri_stmt_step(query->link, query->stmt, ret_row, err);
    if (status == QR_EXISTS)
        return qr_fail(err, QR_BUG, "a constraint failed while reading");
    return status;
}

void qri_query_close(struct qri_query *query)
{
    qri_stmt_put(query->link, query->stmt);
    query->stmt = NULL;
    qr_arena_done(&query->arena);
}

enum { ROW_VALUES_INLINE = 32 };

struct each {
    struct qri_query *query;
    const struct qr_plan *plan;
    struct qr_value *values;
    struct qr_arena *arena_row;
    struct qri_masks masks;
    qri_select_row_fn *row;
    void *ctx;
};

static enum qr_status each_row(struct each *e, uint64_t *ret_count, struct qr_err *err)
{
    const struct qr_plan *plan = e->plan;
    uint64_t count = 0, limit = e->query->frame->session->options.rowcount;
    for (;;) {
        bool more = false;
        if (limit != 0 && count == limit)
            break;
        QR_TRY(qri_query_next(e->query, &more, err));
        if (!more)
            break;
        if (e->arena_row->chunk != NULL)
            qr_arena_reset(e->arena_row);
        for (size_t i = 0; i < plan->column_count; i++)
            QR_TRY(qri_column(e->query->stmt->stmt, (int)i, &plan->columns[i].type, e->arena_row,
                              &e->values[i], err));
        if (e->masks.count > 0)
            QR_TRY(qri_masks_apply(&e->masks, e->values, e->arena_row, err));
        QR_TRY(e->row(e->ctx, e->values, plan->column_count, err));
        count++;
    }
    *ret_count = count;
    return QR_OK;
}

enum qr_status qri_select_each(struct qri_frame *frame, struct qri_code *code,
                               qri_select_row_fn *row, void *ctx, uint64_t *ret_count,
                               struct qr_err *err)
{
    const struct qr_plan *plan = code->plan;
    struct qri_query query;
    QR_TRY(qri_grant_before(frame, &code->need, plan->select.text, err));
    QR_TRY(qri_query_open(frame, &plan->select, code->select, NULL, &query, err));
    struct qr_arena arena_row;
    qr_arena_init(&arena_row, QRI_STMT_ARENA_BYTES_MAX);
    struct qr_value inline_values[ROW_VALUES_INLINE], *values = inline_values;
    enum qr_status status = QR_OK;
    if (plan->column_count > ROW_VALUES_INLINE) {
        values = qr_arena_array(&query.arena, plan->column_count, sizeof *values);
        if (values == NULL)
            status = qr_fail(err, QR_NOMEM, "read rows");
    }
    struct each each = {&query, plan, values, &arena_row, .row = row, .ctx = ctx};
    if (status == QR_OK)
        status = qri_masks_of_columns(frame->session, &query.arena, plan->columns,
                                      plan->column_count, &each.masks, err);
    if (status == QR_OK)
        status = qri_redact(plan->is_filtered || each.masks.count > 0,
                            each_row(&each, ret_count, err), err);
    qr_arena_done(&arena_row);
    qri_query_close(&query);
    qri_grant_after(frame->session, &code->need);
    return status;
}
