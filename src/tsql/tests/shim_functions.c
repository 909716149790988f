/* shim_functions.c - see shim.h: qx, qagg and the others, and qrows() */
#include "shim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "expr/agg.h"

void shim_eval_init(struct shim *s, struct qr_eval *eval)
{
    *eval = (struct qr_eval){
        .vars = s->values, .var_count = s->var_count, .arena = &s->work, .settings = &s->settings};
}

static struct qr_value raw(struct shim *s, sqlite3_value *v)
{
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return qr_value_int(sqlite3_value_int64(v));
    case SQLITE_FLOAT:
        return qr_value_real(sqlite3_value_double(v));
    case SQLITE_TEXT: {
        const void *p = sqlite3_value_text(v);
        size_t n = (size_t)sqlite3_value_bytes(v);
        return qr_value_text(qr_arena_dup(&s->work, p, n), n);
    }
    case SQLITE_BLOB: {
        const void *p = sqlite3_value_blob(v);
        size_t n = (size_t)sqlite3_value_bytes(v);
        return qr_value_blob(qr_arena_dup(&s->work, n == 0 ? "" : p, n), n);
    }
    default:
        return qr_value_null();
    }
}

struct qr_value shim_cell(struct shim *s, sqlite3_value *v, const struct qr_type *type)
{
    struct qr_value cell = raw(s, v), value = cell;
    if (cell.cell != QR_CELL_NULL &&
        qr_value_load(type, &cell, &s->work, &value, &s->err) != QR_OK) {
        char name[QR_TYPE_NAME_BYTES];
        fprintf(stderr, "cell of %s: %s\n", qr_type_print(type, name), s->err.text);
        abort();
    }
    return value;
}

static void give(sqlite3_context *ctx, const struct qr_type *type, const struct qr_value *value)
{
    uint8_t scratch[16];
    struct qr_value v = qr_value_store(type, value, scratch);
    if (v.cell == QR_CELL_NULL)
        sqlite3_result_null(ctx);
    else if (v.cell == QR_CELL_INT)
        sqlite3_result_int64(ctx, v.i);
    else if (v.cell == QR_CELL_REAL)
        sqlite3_result_double(ctx, v.r);
    else if (v.cell == QR_CELL_TEXT)
        sqlite3_result_text(ctx, v.n == 0 ? "" : v.p, (int)v.n, SQLITE_TRANSIENT);
    else
        sqlite3_result_blob(ctx, v.n == 0 ? "" : v.p, (int)v.n, SQLITE_TRANSIENT);
}

static void fail(struct shim *s, sqlite3_context *ctx, int number)
{
    if (number != 0)
        (void)qr_sql_fail(&s->err, number, "expression", "int");
    sqlite3_result_error(ctx, "T-SQL error", -1);
}

static void fn_qx(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct shim *s = sqlite3_user_data(ctx);
    const struct qr_plan_program *p = sqlite3_value_pointer(argv[0], "qr_program");
    struct qr_value inputs[127], value;
    struct qr_eval eval;
    assert(p != NULL && (size_t)argc == p->input_count + 1);
    for (int i = 1; i < argc; i++)
        inputs[i - 1] = shim_cell(s, argv[i], &p->input_types[i - 1]);
    shim_eval_init(s, &eval);
    eval.vars = NULL; /* programs name no variables */
    eval.var_count = 0;
    eval.inputs = inputs;
    eval.input_count = p->input_count;
    if (qr_expr_eval(p->expr, &eval, &value, &s->err) == QR_OK)
        give(ctx, &p->expr->type, &value);
    else
        fail(s, ctx, 0);
}

struct agg_cell {
    const struct qr_agg_call *call;
    void *memory;
};

static void agg_move(sqlite3_context *ctx, int argc, sqlite3_value **argv, bool inverse)
{
    struct shim *s = sqlite3_user_data(ctx);
    const struct qr_agg_call *call = sqlite3_value_pointer(argv[0], "qr_agg");
    if (call == NULL)
        call = (const struct qr_agg_call *)(intptr_t)sqlite3_value_int64(argv[0]);
    struct agg_cell *cell = sqlite3_aggregate_context(ctx, sizeof *cell);
    struct qr_value args[8];
    struct qr_eval eval;
    if (cell->call == NULL) {
        cell->call = call;
        cell->memory = qr_arena_alloc(&s->arena, call->agg->state_bytes + 16);
    }
    for (int i = 1; i < argc; i++)
        args[i - 1] = shim_cell(s, argv[i], &call->args[i - 1]->type);
    shim_eval_init(s, &eval);
    enum qr_status status = inverse ? qr_agg_inverse(call, cell->memory, &eval, args, &s->err)
                                    : qr_agg_step(call, cell->memory, &eval, args, &s->err);
    if (status != QR_OK)
        fail(s, ctx, 0);
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
    struct shim *s = sqlite3_user_data(ctx);
    struct agg_cell *cell = sqlite3_aggregate_context(ctx, 0);
    struct qr_value value;
    struct qr_eval eval;
    if (cell == NULL || cell->call == NULL || s->err.status != QR_OK)
        return;
    shim_eval_init(s, &eval);
    if (qr_agg_value(cell->call, cell->memory, &eval, &value, &s->err) == QR_OK)
        give(ctx, &cell->call->type, &value);
    else
        fail(s, ctx, 0);
}

static void agg_final(sqlite3_context *ctx)
{
    struct agg_cell *cell = sqlite3_aggregate_context(ctx, 0);
    agg_value(ctx);
    if (cell != NULL && cell->call != NULL)
        qr_agg_done(cell->call, cell->memory);
}

/* --- aggregates over sorted rows --- */

enum { SORTED_ROWS_MAX = 256, SORTED_VALUES_MAX = 8 };
struct sorted {
    const struct qr_plan_agg_sorted *plan;
    struct qr_value (*rows)[SORTED_VALUES_MAX];
    size_t count;
};

static void sorted_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct shim *s = sqlite3_user_data(ctx);
    struct sorted *c = sqlite3_aggregate_context(ctx, sizeof *c);
    const struct qr_plan_agg_sorted *plan = sqlite3_value_pointer(argv[0], "qr_agg_sorted");
    if (c->rows == NULL) {
        c->plan = plan;
        c->rows = qr_arena_alloc(&s->work, sizeof(*c->rows) * SORTED_ROWS_MAX);
    }
    assert(c->count < SORTED_ROWS_MAX);
    for (int i = 1; i < argc; i++) {
        size_t k = (size_t)i - 1, n = plan->call->arg_count;
        const struct qr_type *type = k < n ? &plan->call->args[k]->type : &plan->order[k - n].type;
        c->rows[c->count][k] = shim_cell(s, argv[i], type);
    }
    c->count++;
}

static int compare_rows(const struct sorted *c, size_t a, size_t b)
{
    for (size_t i = 0; i < c->plan->order_count; i++) {
        const struct qr_value *x = &c->rows[a][c->plan->call->arg_count + i];
        const struct qr_value *y = &c->rows[b][c->plan->call->arg_count + i];
        bool xn = qr_value_is_null(x), yn = qr_value_is_null(y);
        int order = xn || yn ? yn - xn : qr_value_compare(&c->plan->order[i].type, x, y);
        if (order != 0)
            return c->plan->order[i].is_descending ? -order : order;
    }
    return 0;
}

static bool seen_before(const struct sorted *c, size_t row)
{
    const struct qr_type *type = &c->plan->call->args[0]->type;
    for (size_t i = 0; i < row; i++)
        if (!qr_value_is_null(&c->rows[i][0]) && !qr_value_is_null(&c->rows[row][0]) &&
            qr_value_compare(type, &c->rows[i][0], &c->rows[row][0]) == 0)
            return true;
    return false;
}

static void sorted_final(sqlite3_context *ctx)
{
    struct shim *s = sqlite3_user_data(ctx);
    struct sorted *c = sqlite3_aggregate_context(ctx, 0);
    struct qr_value value;
    struct qr_eval eval;
    if (c == NULL || c->plan == NULL)
        return;
    for (size_t i = 1; i < c->count; i++)
        for (size_t k = i; k > 0 && compare_rows(c, k - 1, k) > 0; k--) {
            struct qr_value row[SORTED_VALUES_MAX];
            memcpy(row, c->rows[k], sizeof(row));
            memcpy(c->rows[k], c->rows[k - 1], sizeof(row));
            memcpy(c->rows[k - 1], row, sizeof(row));
        }
    void *state = qr_arena_alloc(&s->work, c->plan->call->agg->state_bytes + 16);
    shim_eval_init(s, &eval);
    for (size_t i = 0; i < c->count; i++)
        if (!c->plan->distinct || !seen_before(c, i))
            if (qr_agg_step(c->plan->call, state, &eval, c->rows[i], &s->err) != QR_OK)
                fail(s, ctx, 0);
    if (qr_agg_value(c->plan->call, state, &eval, &value, &s->err) == QR_OK)
        give(ctx, &c->plan->call->type, &value);
    qr_agg_done(c->plan->call, state);
}

/* --- small ones --- */

static void one_row_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    sqlite3_value **kept = sqlite3_aggregate_context(ctx, sizeof *kept);
    (void)argc;
    if (*kept != NULL)
        fail(sqlite3_user_data(ctx), ctx, 512);
    else
        *kept = sqlite3_value_dup(argv[0]);
}

static void one_row_final(sqlite3_context *ctx)
{
    sqlite3_value **kept = sqlite3_aggregate_context(ctx, 0);
    if (kept == NULL || *kept == NULL)
        return;
    sqlite3_result_value(ctx, *kept);
    sqlite3_value_free(*kept);
}

static void check_int(sqlite3_context *ctx, sqlite3_value *v, int64_t low, int64_t high)
{
    if (sqlite3_value_type(v) == SQLITE_NULL)
        return;
    if (sqlite3_value_type(v) != SQLITE_INTEGER || sqlite3_value_int64(v) < low ||
        sqlite3_value_int64(v) > high)
        fail(sqlite3_user_data(ctx), ctx, 8115);
    else
        sqlite3_result_value(ctx, v);
}

static void fn_qi4(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    check_int(ctx, argv[0], INT32_MIN, INT32_MAX);
}
static void fn_qi2(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    check_int(ctx, argv[0], INT16_MIN, INT16_MAX);
}
static void fn_qi1(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    check_int(ctx, argv[0], 0, 255);
}
static void fn_qi8(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    check_int(ctx, argv[0], INT64_MIN, INT64_MAX);
}

static void fn_qdiv(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL)
        return;
    if (sqlite3_value_int64(argv[1]) == 0)
        fail(sqlite3_user_data(ctx), ctx, 8134);
    else
        sqlite3_result_int64(ctx, sqlite3_value_int64(argv[0]) / sqlite3_value_int64(argv[1]));
}

static void fn_qdepth(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (sqlite3_value_int64(argv[0]) > sqlite3_value_int64(argv[1]))
        fail(sqlite3_user_data(ctx), ctx, 530);
    else
        sqlite3_result_value(ctx, argv[0]);
}

static void fn_qstay(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    sqlite3_result_value(ctx, argv[0]);
}

/* A variable's value now: SELECT @v = @v + x reads what the row before it left. */
static void fn_qvar(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct shim *s = sqlite3_user_data(ctx);
    int slot = sqlite3_value_int(argv[0]);
    (void)argc;
    give(ctx, &s->vars[slot].type, &s->values[slot]);
}

/* SELECT @v = x: the value is the variable's from here on. */
static void fn_qset(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct shim *s = sqlite3_user_data(ctx);
    int slot = sqlite3_value_int(argv[0]);
    (void)argc;
    struct qr_value value = shim_cell(s, argv[1], &s->vars[slot].type);
    if (qr_value_copy(&s->arena, &value, &s->values[slot]) != QR_OK)
        abort();
    sqlite3_result_value(ctx, argv[1]);
}

static void fn_qfail(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    fail(sqlite3_user_data(ctx), ctx, sqlite3_value_int(argv[0]));
}

/* FOR: enough to see what reaches it: name=value pairs, rows by ';'. */
static void for_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct shim *s = sqlite3_user_data(ctx);
    const struct qr_plan_for *f = sqlite3_value_pointer(argv[0], "qr_for");
    char **text = sqlite3_aggregate_context(ctx, sizeof *text);
    for (int i = 1; i < argc; i++) {
        const struct qr_plan_for_column *c = &f->columns[i - 1];
        *text = qr_arena_printf(&s->work, "%s%s%.*s=%s", *text == NULL ? "" : *text,
                                i > 1           ? ","
                                : *text == NULL ? ""
                                                : ";",
                                (int)c->name.n, c->name.p,
                                sqlite3_value_type(argv[i]) == SQLITE_NULL
                                    ? "NULL"
                                    : (const char *)sqlite3_value_text(argv[i]));
    }
}

static void for_final(sqlite3_context *ctx)
{
    char **text = sqlite3_aggregate_context(ctx, 0);
    if (text != NULL && *text != NULL)
        sqlite3_result_text(ctx, *text, -1, SQLITE_TRANSIENT);
}

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

/* --- qrows: plans for APPLY, GENERATE_SERIES, STRING_SPLIT by one byte --- */

enum { ROW_COLUMNS = 16, ROW_ARGS = QR_ROWS_ARGS_MAX };
struct rows_table {
    sqlite3_vtab base;
    struct shim *s;
};
struct rows_cursor {
    sqlite3_vtab_cursor base;
    const struct qr_plan_rows *rows;
    sqlite3_stmt *stmt;
    struct qr_value args[ROW_ARGS];
    size_t arg_count, at;
    int64_t row;
    bool eof;
};

static int rows_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **ret_table, char **ret_error)
{
    struct qr_buf sql;
    (void)argc;
    (void)argv;
    (void)ret_error;
    qr_buf_init(&sql, 1 << 20);
    qr_buf_addz(&sql, "CREATE TABLE x(");
    for (int i = 1; i <= ROW_COLUMNS; i++)
        qr_buf_printf(&sql, "c%d,", i);
    qr_buf_addz(&sql, "p HIDDEN");
    for (int i = 1; i <= ROW_ARGS; i++)
        qr_buf_printf(&sql, ",a%d HIDDEN", i);
    qr_buf_addz(&sql, ")");
    int rc = sqlite3_declare_vtab(db, qr_buf_cstr(&sql));
    qr_buf_done(&sql);
    struct rows_table *t = sqlite3_malloc(sizeof *t);
    *t = (struct rows_table){.s = aux};
    *ret_table = &t->base;
    return rc;
}

static int rows_disconnect(sqlite3_vtab *t)
{
    sqlite3_free(t);
    return SQLITE_OK;
}

static int rows_best(sqlite3_vtab *t, sqlite3_index_info *info)
{
    (void)t;
    int highest = -1;
    for (int i = 0; i < info->nConstraint; i++) {
        int arg = info->aConstraint[i].iColumn - ROW_COLUMNS;
        if (arg < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = arg + 1;
        info->aConstraintUsage[i].omit = 1;
        highest = arg > highest ? arg : highest;
    }
    info->estimatedCost = 1000;
    return highest < 0 ? SQLITE_CONSTRAINT : SQLITE_OK;
}

static int rows_open(sqlite3_vtab *t, sqlite3_vtab_cursor **ret_cursor)
{
    (void)t;
    struct rows_cursor *c = calloc(1, sizeof *c); /* sqlite3_malloc aligns to 8, a value to 16 */
    *ret_cursor = &c->base;
    return SQLITE_OK;
}

static int rows_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_finalize(((struct rows_cursor *)cursor)->stmt);
    free(cursor);
    return SQLITE_OK;
}

static bool is_kind(const struct rows_cursor *c, const char *name)
{
    return c->rows->kind == QR_ROWS_BUILTIN && qr_str_ieqz(c->rows->name, name);
}

static int rows_next(sqlite3_vtab_cursor *cursor)
{
    struct rows_cursor *c = (struct rows_cursor *)cursor;
    c->row++;
    if (c->rows->kind == QR_ROWS_PLAN) {
        int rc = sqlite3_step(c->stmt);
        c->eof = rc != SQLITE_ROW;
        return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (is_kind(c, "GENERATE_SERIES"))
        c->eof = c->args[0].i + c->row - 1 > c->args[1].i;
    else
        c->eof = c->at > c->args[0].n;
    return SQLITE_OK;
}

static int rows_filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc,
                       sqlite3_value **argv)
{
    struct rows_cursor *c = (struct rows_cursor *)cursor;
    struct shim *s = ((struct rows_table *)cursor->pVtab)->s;
    (void)number;
    (void)text;
    c->rows = sqlite3_value_pointer(argv[0], "qr_rows");
    assert(c->rows != NULL && (size_t)argc == c->rows->arg_count + 1);
    for (int i = 1; i < argc; i++)
        c->args[i - 1] = shim_cell(s, argv[i], &c->rows->arg_types[i - 1]);
    c->row = 0;
    c->at = 0;
    c->eof = false;
    if (c->rows->kind == QR_ROWS_PLAN) {
        sqlite3_finalize(c->stmt);
        c->stmt = NULL;
        if (sqlite3_prepare_v2(s->db, c->rows->plan->select.text.p, -1, &c->stmt, NULL) !=
            SQLITE_OK) {
            fprintf(stderr, "%s\n%s\n", c->rows->plan->select.text.p, sqlite3_errmsg(s->db));
            return SQLITE_ERROR;
        }
        if (shim_bind(s, c->stmt, &c->rows->plan->select, c->args) != QR_OK)
            return SQLITE_ERROR;
    }
    return rows_next(cursor);
}

static int rows_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx, int column)
{
    struct rows_cursor *c = (struct rows_cursor *)cursor;
    if (column >= ROW_COLUMNS)
        return SQLITE_OK;
    if (c->rows->kind == QR_ROWS_PLAN) {
        sqlite3_result_value(ctx, sqlite3_column_value(c->stmt, column));
        return SQLITE_OK;
    }
    if (is_kind(c, "GENERATE_SERIES")) {
        sqlite3_result_int64(ctx, c->args[0].i + c->row - 1);
        return SQLITE_OK;
    }
    size_t begin = 0;
    for (int64_t part = 1; part < c->row; part++) {
        while (begin < c->args[0].n && c->args[0].p[begin] != c->args[1].p[0])
            begin++;
        begin++;
    }
    size_t end = begin;
    while (end < c->args[0].n && c->args[0].p[end] != c->args[1].p[0])
        end++;
    sqlite3_result_text(ctx, c->args[0].p + begin, (int)(end - begin), SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int rows_eof(sqlite3_vtab_cursor *cursor)
{
    struct rows_cursor *c = (struct rows_cursor *)cursor;
    if (!is_kind(c, "STRING_SPLIT"))
        return c->eof;
    int64_t parts = 1;
    for (size_t i = 0; i < c->args[0].n; i++)
        parts += c->args[0].p[i] == c->args[1].p[0];
    return c->row > parts;
}

static int rows_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret_row)
{
    *ret_row = ((struct rows_cursor *)cursor)->row;
    return SQLITE_OK;
}

static const sqlite3_module rows_module = {
    .xConnect = rows_connect,
    .xBestIndex = rows_best,
    .xDisconnect = rows_disconnect,
    .xOpen = rows_open,
    .xClose = rows_close,
    .xFilter = rows_filter,
    .xNext = rows_next,
    .xEof = rows_eof,
    .xColumn = rows_column,
    .xRowid = rows_rowid,
};

void shim_register(struct shim *s)
{
    const struct {
        const char *name;
        int argc;
        void (*fn)(sqlite3_context *ctx, int argc, sqlite3_value **argv);
    } fns[] = {
        {"qx", -1, fn_qx},      {"qv", -1, fn_qx},        {"qi1", 1, fn_qi1},
        {"qi2", 1, fn_qi2},     {"qi4", 1, fn_qi4},       {"qi8", 1, fn_qi8},
        {"qdiv", 2, fn_qdiv},   {"qdepth", 2, fn_qdepth}, {"qvar", 1, fn_qvar},
        {"qfail", 1, fn_qfail}, {"qset", 2, fn_qset},     {"qstay", 1, fn_qstay},
    };
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        sqlite3_create_function(s->db, fns[i].name, fns[i].argc,
                                SQLITE_UTF8 | (fns[i].fn == fn_qvar || fns[i].fn == fn_qset ||
                                                       fns[i].fn == fn_qfail ||
                                                       fns[i].fn == fn_qstay || i == 1
                                                   ? 0
                                                   : SQLITE_DETERMINISTIC),
                                s, fns[i].fn, NULL, NULL);
    shim_lock_register(s);
    sqlite3_create_function(s->db, "qagg", -1, SQLITE_UTF8, s, NULL, agg_step, agg_final);
    sqlite3_create_window_function(s->db, "qaggw", -1, SQLITE_UTF8, s, agg_step, agg_final,
                                   agg_value, agg_inverse, NULL);
    sqlite3_create_function(s->db, "qaggs", -1, SQLITE_UTF8, s, NULL, sorted_step, sorted_final);
    sqlite3_create_function(s->db, "q1row", 1, SQLITE_UTF8, s, NULL, one_row_step, one_row_final);
    sqlite3_create_function(s->db, "qfor", -1, SQLITE_UTF8, s, NULL, for_step, for_final);
    for (int order = 0; order < QR_ORDER_COUNT; order++)
        sqlite3_create_collation(s->db, qr_order_sqlite_name((enum qr_order)order), SQLITE_UTF8,
                                 (void *)(intptr_t)order, collate);
    sqlite3_create_collation(s->db, "qr_dto", SQLITE_UTF8, NULL, collate_dto);
    sqlite3_create_module(s->db, "qrows", &rows_module, s);
}
