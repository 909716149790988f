/* Goal: aggregates have SQL Server's types, values and errors, also when rows leave a window. */
#include "base/large.h"
#include "codec/convert.h"
#include "expr/agg.h"
#include "mini.h"
#include "qr_test.h"

enum { VALUES_MAX = 8 };

static const struct agg_case {
    const char *name, *type;        /* of the argument */
    const char *values[VALUES_MAX]; /* expressions; NULL ends */
    const char *want, *want_type;
    int error;
} cases[] = {
    {"SUM", "int", {"1", "2", "NULL", "4"}, "7", "int", 0},
    {"SUM", "int", {"2147483647", "1"}, NULL, "int", 8115},
    {"SUM", "tinyint", {"200", "200"}, "400", "int", 0},
    {"SUM", "bigint", {"9223372036854775807", "1"}, NULL, "bigint", 8115},
    {"SUM", "decimal(10,2)", {"1.25", "2.50"}, "3.75", "decimal(38,2)", 0},
    {"SUM", "money", {"1.5", "2.25"}, "3.75", "money", 0},
    {"SUM", "real", {"1.5", "2"}, "3.5", "float", 0},
    {"SUM", "int", {"NULL"}, "NULL", "int", 0},
    {"SUM", "bit", {"1"}, NULL, NULL, 8117},
    {"SUM", "varchar(10)", {"'1'"}, NULL, NULL, 8117},
    {"AVG", "int", {"1", "2"}, "1", "int", 0},
    {"AVG", "int", {"-1", "-2"}, "-1", "int", 0},
    {"AVG", "decimal(5,2)", {"1", "2", "2"}, "1.666666", "decimal(38,6)", 0},
    {"AVG", "float", {"1", "2"}, "1.5", "float", 0},
    {"PRODUCT", "int", {"2", "NULL", "-3", "7"}, "-42", "int", 0},
    {"PRODUCT", "int", {"NULL"}, "NULL", "int", 0},
    {"PRODUCT", "tinyint", {"200", "200"}, "40000", "int", 0},
    {"PRODUCT", "int", {"65536", "65536"}, NULL, "int", 8115},
    {"PRODUCT", "bigint", {"3000000000", "3"}, "9000000000", "bigint", 0},
    {"PRODUCT", "decimal(9,2)", {"1.25", "2.50", "0.01"}, "0.031250", "decimal(38,6)", 0},
    {"PRODUCT", "decimal(38,0)", {"3", "4"}, "12", "decimal(38,0)", 0},
    {"PRODUCT", "money", {"1.5", "-2.25"}, "-3.38", "money", 0},
    {"PRODUCT", "real", {"1.5", "2", "0"}, "0", "float", 0},
    {"PRODUCT", "float", {"1e200", "1e200"}, NULL, "float", 8115},
    {"PRODUCT", "bit", {"1"}, NULL, NULL, 8117},
    {"COUNT", "int", {"1", "NULL", "3"}, "2", "int", 0},
    {"COUNT_BIG", "int", {"1", "NULL"}, "1", "bigint", 0},
    {"MIN", "varchar(5)", {"'b'", "'A'", "'c'"}, "A", "varchar(5)", 0},
    {"MAX", "date", {"'2020-01-01'", "'2021-01-01'"}, "2021-01-01", "date", 0},
    {"MAX", "bit", {"1"}, NULL, NULL, 8117},
    {"STDEV", "int", {"1", "2", "3", "4"}, "1.29099", "float", 0},
    {"STDEVP", "int", {"1", "3"}, "1", "float", 0},
    {"VAR", "int", {"1"}, "NULL", "float", 0},
    {"VARP", "int", {"1", "3"}, "1", "float", 0},
    {"CHECKSUM_AGG", "int", {"1", "2", "4"}, "7", "int", 0},
    {"APPROX_COUNT_DISTINCT", "int", {"1", "2", "2", "3"}, "3", "bigint", 0},
};

static enum qr_status bind(struct mini *m, const struct agg_case *c, struct qr_agg_call *call)
{
    char sql[200];
    const struct qr_expr *args[1];
    snprintf(sql, sizeof sql, "CAST(%s AS %s)", c->values[0], c->type);
    QR_TRY(mini_build(m, sql, &args[0]));
    return qr_agg_bind(&m->b, qr_agg_find(qr_str(c->name)), args, 1, false, call);
}

static enum qr_status value_of(struct mini *m, const struct qr_agg_call *call, const char *text,
                               const char *type, struct qr_value *ret)
{
    char sql[200];
    const struct qr_expr *e;
    snprintf(sql, sizeof sql, "CAST(%s AS %s)", text, type);
    QR_TRY(mini_build(m, sql, &e));
    QR_TRY(qr_expr_convert(&m->b, call->args[0]->type, e, &e));
    return qr_expr_eval(e, &m->ctx, ret, &m->err);
}

static enum qr_status run(struct mini *m, const struct agg_case *c, struct qr_agg_call *call,
                          void *state)
{
    struct qr_value v;
    struct qr_str text = qr_str("NULL");
    struct qr_convert_env env = {.arena = &m->arena};
    for (size_t i = 0; i < VALUES_MAX && c->values[i] != NULL; i++) {
        QR_TRY(value_of(m, call, c->values[i], c->type, &v));
        QR_TRY(qr_agg_step(call, state, &m->ctx, &v, &m->err));
    }
    QR_TRY(qr_agg_value(call, state, &m->ctx, &v, &m->err));
    if (!qr_value_is_null(&v))
        QR_TRY(qr_value_text_of(&call->type, &v, &env, &text, &m->err));
    snprintf(m->text, sizeof m->text, "%.*s", (int)text.n, text.p);
    return QR_OK;
}

static void test_values_types_and_errors(void **state)
{
    (void)state;
    static _Alignas(16) char memory[8192];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct agg_case *c = &cases[i];
        struct mini m;
        struct qr_agg_call call;
        mini_init(&m);
        enum qr_status status = bind(&m, c, &call);
        if (status == QR_OK) {
            char type[QR_TYPE_NAME_BYTES];
            assert_string_equal(qr_type_print(&call.type, type), c->want_type);
            assert_true(call.agg->state_bytes <= sizeof memory);
            memset(memory, 0, sizeof memory);
            status = run(&m, c, &call, memory);
            qr_agg_done(&call, memory);
        }
        if (c->error != 0) {
            assert_int_equal(status, QR_SQL);
            assert_int_equal(m.err.number, c->error);
        } else {
            assert_int_equal(status, QR_OK);
            assert_string_equal(m.text, c->want);
        }
        mini_done(&m);
    }
}

static void test_what_leaves_a_window_is_as_if_never_seen(void **state)
{
    (void)state;
    static const char *const names[] = {"SUM", "AVG", "COUNT", "VAR", "STDEVP", "CHECKSUM_AGG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct agg_case c = {names[i], "int", {"5", "7", "11"}, NULL, NULL, 0};
        struct mini m;
        struct qr_agg_call call;
        _Alignas(16) char slid[256] = {0}, direct[256] = {0};
        struct qr_value v, a, b;
        mini_init(&m);
        assert_int_equal(bind(&m, &c, &call), QR_OK);
        assert_int_equal(value_of(&m, &call, "1000", "int", &v), QR_OK);
        assert_int_equal(qr_agg_step(&call, slid, &m.ctx, &v, &m.err), QR_OK);
        assert_int_equal(run(&m, &c, &call, slid), QR_OK);
        assert_int_equal(qr_agg_inverse(&call, slid, &m.ctx, &v, &m.err), QR_OK);
        assert_int_equal(run(&m, &c, &call, direct), QR_OK);
        assert_int_equal(qr_agg_value(&call, slid, &m.ctx, &a, &m.err), QR_OK);
        assert_int_equal(qr_agg_value(&call, direct, &m.ctx, &b, &m.err), QR_OK);
        assert_int_equal(a.cell, b.cell);
        if (a.cell == QR_CELL_REAL)
            assert_true(a.r - b.r < 1e-9 && b.r - a.r < 1e-9);
        else
            assert_int_equal(a.i, b.i);
        mini_done(&m);
    }
}

static void test_nulls_left_out_are_reported(void **state)
{
    (void)state;
    struct agg_case c = {"SUM", "int", {"1", "NULL"}, NULL, NULL, 0};
    struct mini m;
    struct qr_agg_call call;
    _Alignas(16) char memory[256] = {0};
    mini_init(&m);
    assert_int_equal(bind(&m, &c, &call), QR_OK);
    assert_false(m.ctx.null_eliminated);
    assert_int_equal(run(&m, &c, &call, memory), QR_OK);
    assert_true(m.ctx.null_eliminated);
    mini_done(&m);
}

static void test_string_agg_joins_and_knows_its_limit(void **state)
{
    (void)state;
    struct mini m;
    struct qr_agg_call call;
    _Alignas(16) char memory[256] = {0};
    const struct qr_expr *args[2];
    struct qr_value v[2] = {qr_value_text("ab", 2), qr_value_text(", ", 2)}, ret;
    mini_init(&m);
    assert_int_equal(mini_build(&m, "'ab'", &args[0]), QR_OK);
    assert_int_equal(mini_build(&m, "', '", &args[1]), QR_OK);
    assert_int_equal(qr_agg_bind(&m.b, qr_agg_find(qr_str("string_agg")), args, 2, false, &call),
                     QR_OK);
    assert_int_equal(qr_agg_value(&call, memory, &m.ctx, &ret, &m.err), QR_OK);
    assert_true(qr_value_is_null(&ret));
    for (int i = 0; i < 3; i++)
        assert_int_equal(qr_agg_step(&call, memory, &m.ctx, v, &m.err), QR_OK);
    assert_int_equal(qr_agg_value(&call, memory, &m.ctx, &ret, &m.err), QR_OK);
    assert_true(qr_str_eq(qr_value_bytes(&ret), qr_str("ab, ab, ab")));
    enum qr_status status = QR_OK;
    for (int i = 0; i < 10000 && status == QR_OK; i++)
        status = qr_agg_step(&call, memory, &m.ctx, v, &m.err);
    assert_int_equal(status, QR_SQL);
    assert_int_equal(m.err.number, 9829);
    qr_agg_done(&call, memory);
    mini_done(&m);
}

static size_t counted, counted_max;

static bool count_in(size_t bytes)
{
    bool has_room = counted + bytes <= counted_max;
    counted += has_room ? bytes : 0;
    return has_room;
}

static void count_out(size_t bytes)
{
    counted -= bytes;
}

static void test_what_a_window_keeps_is_counted(void **state)
{
    enum { ROWS = 10000, ROW_BYTES = 1000, BOUND = 4 << 20 };
    (void)state;
    struct agg_case c = {"LAST_VALUE IGNORE NULLS", "varchar(1000)", {"''"}, NULL, NULL, 0};
    struct mini m;
    struct qr_agg_call call;
    _Alignas(16) char memory[256] = {0};
    static char row[ROW_BYTES];
    struct qr_value v = qr_value_text(row, sizeof row), ret;
    enum qr_status status = QR_OK;
    int rows = 0;
    mini_init(&m);
    assert_int_equal(bind(&m, &c, &call), QR_OK);
    counted_max = BOUND;
    qr_large_watch(64 << 10, count_in, count_out);
    for (; rows < ROWS && status == QR_OK; rows++)
        status = qr_agg_step(&call, memory, &m.ctx, &v, &m.err);
    assert_int_equal(status, QR_SQL);
    assert_int_equal(m.err.number, 701);
    assert_in_range(--rows, BOUND / ROW_BYTES * 9 / 10, BOUND / ROW_BYTES * 11 / 10);
    for (; rows > 100; rows--)
        assert_int_equal(qr_agg_inverse(&call, memory, &m.ctx, &v, &m.err), QR_OK);
    assert_in_range(counted, 0, 1 << 20);
    assert_int_equal(qr_agg_value(&call, memory, &m.ctx, &ret, &m.err), QR_OK);
    assert_int_equal(qr_value_bytes(&ret).n, ROW_BYTES);
    qr_agg_done(&call, memory);
    assert_int_equal(counted, 0);
    qr_large_watch(0, NULL, NULL);
    mini_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_types_and_errors),
        cmocka_unit_test(test_what_leaves_a_window_is_as_if_never_seen),
        cmocka_unit_test(test_nulls_left_out_are_reported),
        cmocka_unit_test(test_string_agg_joins_and_knows_its_limit),
        cmocka_unit_test(test_what_a_window_keeps_is_counted),
    };
    return cmocka_run_group_tests_name("expr/agg", tests, NULL, NULL);
}
