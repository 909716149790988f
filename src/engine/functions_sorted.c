/* functions_sorted.c - qaggs(): aggregates over sorted or distinct rows (tsql/plan.h). */
#include <assert.h>
#include <stdlib.h>
#include "expr/agg.h"
#include "functions_int.h"
#include "rowset_int.h"
#include "base/banned.h"

enum { ARGS_MAX = 127 };

struct sorted_cell {
    const struct qr_plan_agg_sorted *sorted; /* NULL: not begun */
    struct qr_rowset *rows;                  /* arguments, then the order's values */
    size_t column_count;
};

static enum qr_status begin(struct sorted_cell *cell, const struct qr_plan_agg_sorted *sorted,
                            struct qr_err *err)
{
    struct qr_type types[ARGS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sorted->call->arg_count; i++)
        types[count++] = sorted->call->args[i]->type;
    for (size_t i = 0; i < sorted->order_count; i++)
        types[count++] = sorted->order[i].type;
    cell->sorted = sorted;
    cell->column_count = count;
    return qr_rowset_new(types, count, NULL, &cell->rows, err); /* sorted in memory */
}

static void sorted_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    const struct qr_plan_agg_sorted *sorted = sqlite3_value_pointer(argv[0], "qr_agg_sorted");
    struct sorted_cell *cell = sqlite3_aggregate_context(ctx, sizeof *cell);
    assert(sorted != NULL && argc <= ARGS_MAX);
    if (cell == NULL) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    struct qr_arena own, *arena = qri_function_begin(link->session, &own);
    struct qr_value values[ARGS_MAX];
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = cell->sorted == NULL ? begin(cell, sorted, &err) : QR_OK;
    const struct qr_type *types = status == QR_OK ? qr_rowset_types(cell->rows) : NULL;
    for (int i = 1; i < argc && status == QR_OK; i++)
        status = qri_from_sqlite(argv[i], &types[i - 1], arena, &values[i - 1], &err);
    if (status == QR_OK)
        status = qr_rowset_append(cell->rows, values, &err);
    if (status != QR_OK)
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(link->session, arena, &own);
}

/* ---- sorting ---- */

struct sort_row {
    uint64_t position;
    struct qr_value *values;
};

static int compare_values(const struct qr_type *type, const struct qr_value *a,
                          const struct qr_value *b)
{
    bool null_a = a->cell == QR_CELL_NULL, null_b = b->cell == QR_CELL_NULL;
    if (null_a || null_b)
        return (int)null_b - (int)null_a; /* NULL is the smallest */
    return qr_value_compare(type, a, b);
}

static int compare_rows(const void *pa, const void *pb, void *arg)
{
    const struct sort_row *a = pa, *b = pb;
    const struct sorted_cell *cell = arg;
    const struct qr_plan_agg_sorted *sorted = cell->sorted;
    size_t first = sorted->call->arg_count;
    for (size_t i = 0; i < sorted->order_count; i++) {
        int c =
            compare_values(&sorted->order[i].type, &a->values[first + i], &b->values[first + i]);
        if (c != 0)
            return sorted->order[i].is_descending ? -c : c;
    }
    return a->position < b->position ? -1 : 1;
}

static int compare_first(const void *pa, const void *pb, void *arg)
{
    const struct sort_row *a = pa, *b = pb;
    const struct sorted_cell *cell = arg;
    int c = compare_values(&cell->sorted->call->args[0]->type, &a->values[0], &b->values[0]);
    return c != 0 ? c : a->position < b->position ? -1 : 1;
}

/* Leaves one row of each value of the first argument. */
static size_t make_distinct(struct sorted_cell *cell, struct sort_row *rows, size_t count)
{
    qsort_r(rows, count, sizeof *rows, compare_first, cell);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_values(&cell->sorted->call->args[0]->type,
                                        &rows[kept - 1].values[0], &rows[i].values[0]) != 0)
            rows[kept++] = rows[i];
    return kept;
}

static enum qr_status run_rows(struct sorted_cell *cell, struct qr_session *session,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    const struct qr_agg_call *call = cell->sorted->call;
    size_t count = (size_t)qr_rowset_count(cell->rows);
    struct sort_row *rows = qr_arena_array(arena, count + 1, sizeof *rows);
    void *state = qr_arena_alloc(arena, call->agg->state_bytes + 1);
    if (rows == NULL || state == NULL)
        return qr_fail(err, QR_NOMEM, "sort an aggregate's rows");
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        rows[i].position = i;
        rows[i].values = qr_arena_array(arena, cell->column_count + 1, sizeof(struct qr_value));
        if (rows[i].values == NULL)
            return qr_fail(err, QR_NOMEM, "sort an aggregate's rows");
        QR_TRY(qri_rowset_get(cell->rows, i, rows[i].values, &found, err));
    }
    if (cell->sorted->distinct)
        count = make_distinct(cell, rows, count);
    qsort_r(rows, count, sizeof *rows, compare_rows, cell);
    struct qr_eval eval;
    qri_eval_init(&eval, session, session->frame, arena);
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < count && status == QR_OK; i++)
        status = qr_agg_step(call, state, &eval, rows[i].values, err);
    if (status == QR_OK)
        status = qr_agg_value(call, state, &eval, ret_value, err);
    session->null_eliminated |= eval.null_eliminated;
    if (status == QR_OK && qr_value_copy(arena, ret_value, ret_value) != QR_OK)
        status = qr_fail(err, QR_NOMEM, "sort an aggregate's rows");
    qr_agg_done(call, state);
    return status;
}

static void sorted_final(sqlite3_context *ctx)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    struct sorted_cell *cell = sqlite3_aggregate_context(ctx, 0);
    if (cell == NULL || cell->sorted == NULL)
        return;
    if (!link->session->has_pending) {
        struct qr_arena own, *arena = qri_function_begin(link->session, &own);
        struct qr_value value;
        struct qr_err err;
        qr_err_reset(&err);
        enum qr_status status = run_rows(cell, link->session, arena, &value, &err);
        if (status == QR_OK)
            qri_result(ctx, &cell->sorted->call->type, &value);
        else
            qri_function_fail(link, ctx, status, &err);
        qri_function_end(link->session, arena, &own);
    }
    qr_rowset_free(cell->rows);
    cell->rows = NULL;
    cell->sorted = NULL;
}

int qri_sorted_register(struct qri_link *link)
{
    return sqlite3_create_function_v2(link->db, "qaggs", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, link,
                                      NULL, sorted_step, sorted_final, NULL);
}
