/* functions_for.c - qfor(): the text of FOR JSON and FOR XML (tsql/plan.h), one row at a time. */
#include <assert.h>
#include "for_int.h"
#include "functions_int.h"
#include "base/banned.h"

enum { ARGS_MAX = 127 };

struct for_cell {
    const struct qr_plan_for *call; /* NULL: not begun */
    struct qri_for state;
};

static enum qr_status read_row(struct for_cell *cell, int argc, sqlite3_value **argv,
                               struct qr_arena *arena, struct qr_value *values, struct qr_err *err)
{
    assert((size_t)(argc - 1) == cell->call->column_count);
    for (int i = 1; i < argc; i++)
        QR_TRY(
            qri_from_sqlite(argv[i], &cell->call->columns[i - 1].type, arena, &values[i - 1], err));
    return QR_OK;
}

static void for_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    const struct qr_plan_for *call = sqlite3_value_pointer(argv[0], "qr_for");
    struct for_cell *cell = sqlite3_aggregate_context(ctx, sizeof *cell);
    assert(call != NULL && argc <= ARGS_MAX);
    if (cell == NULL) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    struct qr_arena own, *arena = qri_function_begin(link->session, &own);
    struct qr_value values[ARGS_MAX];
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = QR_OK;
    if (cell->call == NULL) {
        cell->call = call;
        status = qri_for_begin(&cell->state, call, &err);
    }
    if (status == QR_OK)
        status = read_row(cell, argc, argv, arena, values, &err);
    if (status == QR_OK)
        status = qri_for_row(&cell->state, arena, values, &err);
    if (status != QR_OK)
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(link->session, arena, &own);
}

static void for_final(sqlite3_context *ctx)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    struct for_cell *cell = sqlite3_aggregate_context(ctx, 0);
    if (cell == NULL || cell->call == NULL)
        return; /* no row: NULL */
    struct qr_err err;
    qr_err_reset(&err);
    struct qr_str text;
    enum qr_status status = qri_for_end(&cell->state, &text, &err);
    if (status == QR_OK)
        sqlite3_result_text64(ctx, text.p, text.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    else if (!link->session->has_pending)
        qri_function_fail(link, ctx, status, &err);
    qri_for_done(&cell->state);
    cell->call = NULL;
}

int qri_for_register(struct qri_link *link)
{
    return sqlite3_create_function_v2(link->db, "qfor", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, link,
                                      NULL, for_step, for_final, NULL);
}
