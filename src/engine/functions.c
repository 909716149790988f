/* functions.c - the SQL functions, aggregates and collations that plans call (tsql/plan.h). */
#include <assert.h>
#include <stdint.h>
#include "codec/collation.h"
#include "expr/agg.h"
#include "frame.h"
#include "functions_int.h"
#include "lock_read.h"
#include "base/banned.h"

enum { ARGS_MAX = 127 };

void qri_function_fail(struct qri_link *link, sqlite3_context *ctx, enum qr_status status,
                       const struct qr_err *err)
{
    struct qr_session *session = link->session;
    session->pending = *err;
    session->pending.status = status;
    session->has_pending = true;
    if (ctx != NULL)
        sqlite3_result_error(ctx, "T-SQL error", -1);
}

struct qr_arena *qri_function_begin(struct qr_session *session, struct qr_arena *own)
{
    uint32_t depth = session->fn_depth++;
    if (depth < sizeof session->fn_arenas / sizeof session->fn_arenas[0])
        return &session->fn_arenas[depth];
    qr_arena_init(own, QRI_STMT_ARENA_BYTES_MAX);
    return own;
}

void qri_function_end(struct qr_session *session, struct qr_arena *arena, struct qr_arena *own)
{
    session->fn_depth--;
    if (arena == own)
        qr_arena_done(own);
    else if (arena->chunk != NULL)
        qr_arena_reset(arena);
}

/* ---- qx, qv ---- */

static enum qr_status run_program(struct qr_session *session, const struct qr_plan_program *program,
                                  struct qr_arena *arena, int argc, sqlite3_value **argv,
                                  struct qr_value *ret_value, struct qr_err *err)
{
    struct qr_value inputs[ARGS_MAX];
    assert((size_t)(argc - 1) == program->input_count && argc <= ARGS_MAX);
    for (int i = 1; i < argc; i++)
        QR_TRY(qri_from_sqlite(argv[i], &program->input_types[i - 1], arena, &inputs[i - 1], err));
    struct qr_eval eval;
    qri_eval_init(&eval, session, session->frame, arena);
    eval.inputs = inputs;
    eval.input_count = program->input_count;
    return qr_expr_eval(program->expr, &eval, ret_value, err);
}

static void fn_qx(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    struct qr_session *session = link->session;
    const struct qr_plan_program *program = sqlite3_value_pointer(argv[0], "qr_program");
    assert(program != NULL);
    struct qr_arena own, *arena = qri_function_begin(session, &own);
    struct qr_value value;
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = run_program(session, program, arena, argc, argv, &value, &err);
    if (status == QR_OK)
        qri_result(ctx, &program->expr->type, &value);
    else
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(session, arena, &own);
}

/* ---- qagg ---- */

struct agg_cell {
    const struct qr_agg_call *call; /* NULL: not begun */
    char state[];                   /* aligned by hand */
};

static void *agg_state(struct agg_cell *cell)
{
    return (void *)(((uintptr_t)cell->state + 15) & ~(uintptr_t)15);
}

static void agg_move(sqlite3_context *ctx, int argc, sqlite3_value **argv, bool inverse)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    struct qr_session *session = link->session;
    const struct qr_agg_call *call = sqlite3_value_pointer(argv[0], "qr_agg");
    if (call == NULL) /* qaggw(): a pointer would not survive the window's own table */
        call = (const struct qr_agg_call *)(intptr_t)sqlite3_value_int64(argv[0]);
    assert(call != NULL && argc <= ARGS_MAX);
    struct agg_cell *cell =
        sqlite3_aggregate_context(ctx, (int)(sizeof *cell + 16 + call->agg->state_bytes));
    if (cell == NULL) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    cell->call = call;
    struct qr_arena own, *arena = qri_function_begin(session, &own);
    struct qr_value args[ARGS_MAX];
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = QR_OK;
    for (int i = 1; i < argc && status == QR_OK; i++)
        status = qri_from_sqlite(argv[i], &call->args[i - 1]->type, arena, &args[i - 1], &err);
    struct qr_eval eval;
    qri_eval_init(&eval, session, session->frame, arena);
    if (status == QR_OK)
        status = inverse ? qr_agg_inverse(call, agg_state(cell), &eval, args, &err)
                         : qr_agg_step(call, agg_state(cell), &eval, args, &err);
    session->null_eliminated |= eval.null_eliminated;
    if (status != QR_OK)
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(session, arena, &own);
}

static void agg_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    agg_move(ctx, argc, argv, false);
}

static void agg_inverse(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    agg_move(ctx, argc, argv, true);
}

static void agg_value(sqlite3_context *ctx)
{
    struct agg_cell *cell = sqlite3_aggregate_context(ctx, 0);
    if (cell == NULL || cell->call == NULL)
        return; /* no row: NULL */
    struct qri_link *link = sqlite3_user_data(ctx);
    struct qr_arena own, *arena = qri_function_begin(link->session, &own);
    struct qr_eval eval;
    qri_eval_init(&eval, link->session, link->session->frame, arena);
    struct qr_value value;
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = qr_agg_value(cell->call, agg_state(cell), &eval, &value, &err);
    if (status == QR_OK)
        qri_result(ctx, &cell->call->type, &value);
    else
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(link->session, arena, &own);
}

static void agg_final(sqlite3_context *ctx)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    struct agg_cell *cell = sqlite3_aggregate_context(ctx, 0);
    if (cell == NULL || cell->call == NULL)
        return;
    if (!link->session->has_pending) /* called after an error too, only to clean up */
        agg_value(ctx);
    qr_agg_done(cell->call, agg_state(cell));
    cell->call = NULL;
}

/* ---- q1row ---- */

struct one_row {
    sqlite3_value *value;
    bool seen;
};

static void one_row_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct one_row *one = sqlite3_aggregate_context(ctx, sizeof *one);
    if (one == NULL) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    if (one->seen) {
        struct qr_err err;
        qr_err_reset(&err);
        enum qr_status status = qr_sql_fail(&err, 512);
        qri_function_fail(sqlite3_user_data(ctx), ctx, status, &err);
        return;
    }
    one->seen = true;
    one->value = sqlite3_value_dup(argv[0]);
}

static void one_row_final(sqlite3_context *ctx)
{
    struct one_row *one = sqlite3_aggregate_context(ctx, 0);
    if (one == NULL)
        return;
    if (one->value != NULL)
        sqlite3_result_value(ctx, one->value);
    sqlite3_value_free(one->value);
    one->value = NULL;
}

/* ---- integers ---- */

static const struct int_type {
    const char *name, *type;
    int64_t low, high;
} int_types[] = {
    {"qi1", "tinyint", 0, 255},
    {"qi2", "smallint", INT16_MIN, INT16_MAX},
    {"qi4", "int", INT32_MIN, INT32_MAX},
    {"qi8", "bigint", INT64_MIN, INT64_MAX},
};

static void fail_with(sqlite3_context *ctx, struct qri_link *link, int number, const char *a,
                      const char *b)
{
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = qr_sql_fail(&err, number, a, b);
    qri_function_fail(link, ctx, status, &err);
}

static void int_check(sqlite3_context *ctx, sqlite3_value **argv, const struct int_type *t)
{
    int kind = sqlite3_value_type(argv[0]);
    if (kind == SQLITE_NULL)
        return;
    int64_t v = sqlite3_value_int64(argv[0]);
    if (kind == SQLITE_INTEGER && v >= t->low && v <= t->high)
        sqlite3_result_int64(ctx, v);
    else
        fail_with(ctx, sqlite3_user_data(ctx), 8115, "expression", t->type);
}

static void fn_qi1(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    int_check(ctx, argv, &int_types[0]);
}
static void fn_qi2(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    int_check(ctx, argv, &int_types[1]);
}
static void fn_qi4(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    int_check(ctx, argv, &int_types[2]);
}
static void fn_qi8(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    int_check(ctx, argv, &int_types[3]);
}

static void divide(sqlite3_context *ctx, sqlite3_value **argv, bool modulo)
{
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL)
        return;
    int64_t a = sqlite3_value_int64(argv[0]), b = sqlite3_value_int64(argv[1]);
    if (b == 0)
        fail_with(ctx, sqlite3_user_data(ctx), 8134, NULL, NULL);
    else if (b == -1 && modulo)
        sqlite3_result_int64(ctx, 0);
    else if (b == -1 && a == INT64_MIN)
        fail_with(ctx, sqlite3_user_data(ctx), 8115, "expression", "bigint");
    else
        sqlite3_result_int64(ctx, modulo ? a % b : a / b);
}

static void fn_qdiv(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    divide(ctx, argv, false);
}
static void fn_qmod(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    divide(ctx, argv, true);
}

static void fn_qfail(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    fail_with(ctx, sqlite3_user_data(ctx), sqlite3_value_int(argv[0]), NULL, NULL);
}

static void fn_qvar(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct qri_link *link = sqlite3_user_data(ctx);
    const struct qri_frame *frame = link->session->frame;
    uint32_t slot = (uint32_t)sqlite3_value_int(argv[0]);
    assert(frame != NULL && slot < frame->var_count);
    qri_result(ctx, &frame->unit->vars[slot].type, &frame->vars[slot]);
}

static void fn_qset(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct qri_link *link = sqlite3_user_data(ctx);
    struct qr_session *session = link->session;
    struct qri_frame *frame = session->frame;
    uint32_t slot = (uint32_t)sqlite3_value_int(argv[0]);
    assert(frame != NULL && slot < frame->var_count);
    struct qr_arena own, *arena = qri_function_begin(session, &own);
    struct qr_value value;
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status =
        qri_from_sqlite(argv[1], &frame->unit->vars[slot].type, arena, &value, &err);
    if (status == QR_OK)
        status = qri_var_set(frame, slot, &value, &err);
    if (status == QR_OK)
        sqlite3_result_value(ctx, argv[1]);
    else
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(session, arena, &own);
}

static void fn_qstay(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    sqlite3_result_value(ctx, argv[0]);
}

static void fn_qdepth(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    int64_t depth = sqlite3_value_int64(argv[0]), max = sqlite3_value_int64(argv[1]);
    if (depth <= max) {
        sqlite3_result_int64(ctx, depth);
        return;
    }
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = qr_sql_fail(&err, 530, (int)max);
    qri_function_fail(sqlite3_user_data(ctx), ctx, status, &err);
}

/* ---- registration ---- */

static int collate(void *arg, int a_bytes, const void *a, int b_bytes, const void *b)
{
    enum qr_order order = (enum qr_order)(intptr_t)arg;
    return qr_order_compare(order, qr_str_n(a, (size_t)a_bytes), qr_str_n(b, (size_t)b_bytes));
}

static int collate_dto(void *arg, int a_bytes, const void *a, int b_bytes, const void *b)
{
    (void)arg;
    return qr_dto_compare_stored(a, (size_t)a_bytes, b, (size_t)b_bytes);
}

static int collate_variant(void *arg, int a_bytes, const void *a, int b_bytes, const void *b)
{
    (void)arg;
    return qr_variant_compare(a, (size_t)a_bytes, b, (size_t)b_bytes);
}

static const struct fn_row {
    const char *name;
    int argc;
    bool pure;
    void (*fn)(sqlite3_context *ctx, int argc, sqlite3_value **argv);
} fns[] = {
    /* clang-format off */
    {"qx",     -1, true,  fn_qx},
    {"qv",     -1, false, fn_qx},
    {"qi1",     1, true,  fn_qi1},
    {"qi2",     1, true,  fn_qi2},
    {"qi4",     1, true,  fn_qi4},
    {"qi8",     1, true,  fn_qi8},
    {"qdiv",    2, true,  fn_qdiv},
    {"qmod",    2, true,  fn_qmod},
    {"qfail",   1, false, fn_qfail},
    {"qvar",    1, false, fn_qvar},
    {"qset",    2, false, fn_qset},
    {"qdepth",  2, true,  fn_qdepth},
    {"qstay",   1, false, fn_qstay},
    /* clang-format on */
};

static int register_collations(sqlite3 *db)
{
    int rc = SQLITE_OK;
    for (int order = 0; order < QR_ORDER_COUNT && rc == SQLITE_OK; order++)
        rc = sqlite3_create_collation(db, qr_order_sqlite_name((enum qr_order)order), SQLITE_UTF8,
                                      (void *)(intptr_t)order, collate);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_collation(db, "qr_dto", SQLITE_UTF8, NULL, collate_dto);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_collation(db, "qr_variant", SQLITE_UTF8, NULL, collate_variant);
    return rc;
}

enum qr_status qri_functions_register(struct qri_link *link, struct qr_err *err)
{
    int rc = register_collations(link->db);
    for (size_t i = 0; i < sizeof fns / sizeof fns[0] && rc == SQLITE_OK; i++) {
        int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY | (fns[i].pure ? SQLITE_DETERMINISTIC : 0);
        rc = sqlite3_create_function_v2(link->db, fns[i].name, fns[i].argc, flags, link, fns[i].fn,
                                        NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(link->db, "qagg", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, link,
                                        NULL, agg_step, agg_final, NULL);
    if (rc == SQLITE_OK)
        rc =
            sqlite3_create_window_function(link->db, "qaggw", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                           link, agg_step, agg_final, agg_value, agg_inverse, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(link->db, "q1row", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, link,
                                        NULL, one_row_step, one_row_final, NULL);
    if (rc == SQLITE_OK)
        rc = qri_sorted_register(link);
    if (rc == SQLITE_OK)
        rc = qri_lock_register(link);
    if (rc == SQLITE_OK)
        rc = qri_for_register(link);
    return rc == SQLITE_OK ? QR_OK : qr_fail(err, QR_NOMEM, "register functions: %d", rc);
}
