/* result_sets.c - EXECUTE ... WITH RESULT SETS: what the statement sends is held against what the
 * clause says, and converted; see frame.h */
#include "frame.h"
#include "sink_around.h"
#include "base/banned.h"

struct held {
    struct qri_sink_around around; /* first */
    struct qr_session *session;
    const struct qr_ast_exec *stmt;
    struct qr_plan_column **sets; /* of each set of the clause */
    size_t sent;                  /* result sets that have begun */
    struct qr_type *from;         /* of the running one */
    struct qr_value *values;
    struct qr_arena types_arena, row_arena;
};

/* ---- what the clause says ---- */

static enum qr_status resolve_column(struct held *h, struct qri_frame *frame,
                                     const struct qr_ast_result_column *ast,
                                     struct qr_plan_column *to, struct qr_err *err)
{
    struct qr_bind_env env;
    bool nullable = true;
    qri_bind_env(frame, frame->op, &env);
    QR_TRY(qr_tsql_resolve_type(&env, &ast->type, &to->type, &to->user_type_id, &nullable, err));
    if (ast->collation.text.n > 0 && qr_type_is_string(&to->type)) {
        const struct qr_collation *collation = qr_collation_find(ast->collation.text);
        if (collation == NULL)
            return qr_sql_fail(err, 448, qr_arena_str(&h->types_arena, ast->collation.text).p);
        to->type.collation = collation->id;
    }
    to->name = qr_arena_str(&h->types_arena, ast->name.text);
    to->flags = ast->not_null ? 0 : QR_COLUMN_NULLABLE;
    return QR_OK;
}

static enum qr_status resolve(struct held *h, struct qri_frame *frame, struct qr_err *err)
{
    const struct qr_ast_exec *stmt = h->stmt;
    h->sets = qr_arena_array(&h->types_arena, stmt->set_count + 1, sizeof(struct qr_plan_column *));
    if (h->sets == NULL)
        return qr_fail(err, QR_NOMEM, "result sets");
    for (size_t i = 0; i < stmt->set_count; i++) {
        const struct qr_ast_result_set *set = &stmt->sets[i];
        if (set->count == 0)
            return qr_fail(err, QR_UNSUPPORTED, "WITH RESULT SETS %.*s is not supported.",
                           (int)set->refuse.n, set->refuse.p);
        h->sets[i] = qr_arena_array(&h->types_arena, set->count, sizeof *h->sets[i]);
        if (h->sets[i] == NULL)
            return qr_fail(err, QR_NOMEM, "result sets");
        for (size_t k = 0; k < set->count; k++)
            QR_TRY(resolve_column(h, frame, &set->columns[k], &h->sets[i][k], err));
    }
    return QR_OK;
}

/* ---- the sink ---- */

static enum qr_status on_columns(void *ctx, const struct qr_plan_column *columns, size_t count,
                                 const int *order_columns, size_t order_count)
{
    struct held *h = ctx;
    struct qr_err *err = &h->session->err;
    if (h->sent == h->stmt->set_count)
        return qr_sql_fail(err, 11535, (int)h->stmt->set_count);
    const struct qr_ast_result_set *set = &h->stmt->sets[h->sent];
    if (set->count != count)
        return qr_sql_fail(err, 11537, (int)set->count, (int)h->sent + 1, (int)count);
    h->from = qr_arena_array(&h->types_arena, count, sizeof *h->from);
    h->values = qr_arena_array(&h->types_arena, count, sizeof *h->values);
    if (h->from == NULL || h->values == NULL)
        return qr_fail(err, QR_NOMEM, "result sets");
    for (size_t i = 0; i < count; i++)
        h->from[i] = columns[i].type;
    h->sent++;
    return h->around.outer->columns(h->around.outer->ctx, h->sets[h->sent - 1], count,
                                    order_columns, order_count);
}

static enum qr_status on_row(void *ctx, const struct qr_value *values, size_t count)
{
    struct held *h = ctx;
    const struct qr_plan_column *to = h->sets[h->sent - 1];
    struct qr_eval eval;
    qr_arena_reset(&h->row_arena);
    qri_eval_init(&eval, h->session, h->session->frame, &h->row_arena);
    for (size_t i = 0; i < count; i++) {
        if (!qr_value_is_null(&values[i]))
            QR_TRY(qr_eval_cast(&eval, &h->from[i], &values[i], &to[i].type, QR_STYLE_DEFAULT, 0,
                                NULL, NULL, &h->values[i], &h->session->err));
        else if ((to[i].flags & QR_COLUMN_NULLABLE) == 0)
            return qr_sql_fail(&h->session->err, 11553, (int)i + 1, (int)h->sent);
        else
            h->values[i] = qr_value_null();
    }
    return h->around.outer->row(h->around.outer->ctx, h->values, count);
}

/* ---- running ---- */

static enum qr_status run_held(struct held *h, struct qri_frame *frame, size_t place,
                               struct qr_err *err)
{
    struct qr_session *session = frame->session;
    QR_TRY(resolve(h, frame, err));
    struct qr_sink sink = qri_sink_around(&h->around);
    sink.columns = on_columns;
    sink.row = on_row;
    session->sink = &sink;
    enum qr_status status = qri_exec_any(frame, h->stmt, place, err);
    session->sink = h->around.outer;
    if (status == QR_OK && h->sent < h->stmt->set_count)
        return qr_sql_fail(err, 11536, (int)h->stmt->set_count, (int)h->sent);
    return status;
}

enum qr_status qri_exec_stmt(struct qri_frame *frame, const struct qr_ast_exec *stmt, size_t place,
                             struct qr_err *err)
{
    if (stmt->results == QR_RESULTS_UNSAID)
        return qri_exec_any(frame, stmt, place, err);
    struct held h = {.session = frame->session, .stmt = stmt, .around = {frame->session->sink}};
    qr_arena_init(&h.types_arena, QRI_STMT_ARENA_BYTES_MAX);
    qr_arena_init(&h.row_arena, QRI_STMT_ARENA_BYTES_MAX);
    enum qr_status status = run_held(&h, frame, place, err);
    qr_arena_done(&h.types_arena);
    qr_arena_done(&h.row_arena);
    return status;
}
