/* Goal: what is called native really cannot differ, and programs compute what their trees do. */
#include "expr/analyze.h"
#include "mini.h"
#include "qr_test.h"

static int refs[4];

static const struct qr_expr *column(struct mini *m, int index, enum qr_type_id id)
{
    struct qr_expr_foreign leaf = {
        .ref = &refs[index], .type = qr_type_of(id), .label = QR_LABEL_IMPLICIT, .nullable = true};
    const struct qr_expr *e;
    assert_int_equal(qr_expr_foreign(&m->b, &leaf, &e), QR_OK);
    return e;
}

static const struct qr_expr *arith(struct mini *m, enum qr_op op, const struct qr_expr *a,
                                   const struct qr_expr *b)
{
    const struct qr_expr *e;
    assert_int_equal(qr_expr_arith(&m->b, op, a, b, &e), QR_OK);
    return e;
}

static void test_int_arithmetic_is_native_while_int64_holds_it(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *a = column(&m, 0, QR_TYPE_INT), *b = column(&m, 1, QR_TYPE_INT), *two;
    const struct qr_expr *big = column(&m, 2, QR_TYPE_BIGINT);
    assert_int_equal(qr_expr_int(&m.b, 2, &two), QR_OK);
    const struct qr_expr *sum = arith(&m, QR_OP_ADD, a, b), *product = arith(&m, QR_OP_MUL, a, b);
    assert_int_equal(qr_expr_native(sum), QR_NATIVE_RANGE);
    assert_int_equal(qr_expr_native(product), QR_NATIVE_RANGE);
    assert_int_equal(qr_expr_native(arith(&m, QR_OP_MUL, product, product)), QR_NATIVE_NO);
    assert_int_equal(qr_expr_native(arith(&m, QR_OP_ADD, big, a)), QR_NATIVE_NO);
    assert_int_equal(qr_expr_native(arith(&m, QR_OP_DIV, a, two)), QR_NATIVE_YES);
    assert_int_equal(qr_expr_native(arith(&m, QR_OP_DIV, a, b)), QR_NATIVE_NO);
    struct qr_interval range;
    assert_true(qr_expr_interval(sum, &range));
    assert_true(range.low == 2 * (qr_i128)INT32_MIN && range.high == 2 * (qr_i128)INT32_MAX);
    mini_done(&m);
}

static int64_t plus(int64_t x, int64_t y)
{
    return x + y;
}

static int64_t minus(int64_t x, int64_t y)
{
    return x - y;
}

static int64_t times(int64_t x, int64_t y)
{
    return x * y;
}

static int64_t quotient(int64_t x, int64_t y)
{
    return x / y;
}

static int64_t rest(int64_t x, int64_t y)
{
    return x % y;
}

static void test_intervals_hold_every_value(void **state)
{
    (void)state;
    static const int64_t edges[] = {INT32_MIN, INT32_MIN + 1, -3, -1, 0, 1, 2, INT32_MAX};
    static const struct {
        enum qr_op op;
        int64_t (*value)(int64_t x, int64_t y);
        bool divides;
    } ops[] = {{QR_OP_ADD, plus, false},
               {QR_OP_SUB, minus, false},
               {QR_OP_MUL, times, false},
               {QR_OP_DIV, quotient, true},
               {QR_OP_MOD, rest, true}};
    struct mini m;
    mini_init(&m);
    const struct qr_expr *a = column(&m, 0, QR_TYPE_INT), *b = column(&m, 1, QR_TYPE_INT);
    for (size_t o = 0; o < 5; o++) {
        struct qr_interval r;
        assert_true(qr_expr_interval(arith(&m, ops[o].op, a, b), &r));
        for (size_t i = 0; i < 8; i++)
            for (size_t k = 0; k < 8; k++) {
                int64_t x = edges[i], y = edges[k];
                if (ops[o].divides && y == 0)
                    continue;
                int64_t v = ops[o].value(x, y);
                assert_true(v >= r.low && v <= r.high);
            }
    }
    mini_done(&m);
}

static void test_a_program_reads_each_column_once(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *a = column(&m, 0, QR_TYPE_INT), *again = column(&m, 0, QR_TYPE_INT);
    const struct qr_expr *b = column(&m, 1, QR_TYPE_INT);
    const struct qr_expr *e = arith(&m, QR_OP_SUB, arith(&m, QR_OP_MUL, a, b), again);
    struct qr_expr_program p;
    assert_int_equal(qr_expr_program(&m.arena, e, &p, &m.err), QR_OK);
    assert_int_equal(p.leaf_count, 2);
    assert_ptr_equal(p.leaves[0]->u.ref, &refs[0]);
    assert_false(p.expr->has_foreign);
    struct qr_value inputs[2] = {qr_value_int(6), qr_value_int(7)}, v;
    m.ctx.inputs = inputs;
    m.ctx.input_count = 2;
    assert_int_equal(qr_expr_eval(p.expr, &m.ctx, &v, &m.err), QR_OK);
    assert_int_equal(v.i, 36);
    mini_done(&m);
}

static void test_equal_trees_are_recognised(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    m.b.no_folding = true;
    const struct qr_expr *a, *b, *c;
    assert_int_equal(mini_build(&m, "UPPER('x') + 'y'", &a), QR_OK);
    assert_int_equal(mini_build(&m, "UPPER('x') + 'y'", &b), QR_OK);
    assert_int_equal(mini_build(&m, "LOWER('x') + 'y'", &c), QR_OK);
    assert_true(qr_expr_equal(a, b));
    assert_false(qr_expr_equal(a, c));
    mini_done(&m);
}

static void test_only_stable_leafless_trees_are_hoisted(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *e;
    assert_int_equal(mini_build(&m, "DATEADD(day, 1, GETDATE())", &e), QR_OK);
    assert_true(qr_expr_is_hoistable(e));
    assert_int_equal(mini_build(&m, "NEWID()", &e), QR_OK);
    assert_false(qr_expr_is_hoistable(e));
    assert_false(qr_expr_is_hoistable(column(&m, 0, QR_TYPE_INT)));
    mini_done(&m);
}

static void test_a_foreign_collation_conflict_is_refused(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    struct qr_type one = qr_type_sized(QR_TYPE_VARCHAR, 10), two = one;
    two.collation = QR_COLLATION_LATIN1_BIN2;
    struct qr_expr_foreign a = {&refs[0], one,  QR_LABEL_IMPLICIT, QR_DETERMINISTIC, true,
                                false,    false};
    struct qr_expr_foreign b = {&refs[1], two,  QR_LABEL_IMPLICIT, QR_DETERMINISTIC, true,
                                false,    false};
    const struct qr_expr *x, *y, *e;
    assert_int_equal(qr_expr_foreign(&m.b, &a, &x), QR_OK);
    assert_int_equal(qr_expr_foreign(&m.b, &b, &y), QR_OK);
    assert_int_equal(qr_expr_cmp(&m.b, QR_CMP_EQ, x, y, &e), QR_SQL);
    assert_int_equal(m.err.number, 468);
    assert_int_equal(mini_build(&m, "'z'", &e), QR_OK);
    assert_int_equal(qr_expr_cmp(&m.b, QR_CMP_EQ, y, e, &e), QR_OK); /* a literal gives way */
    assert_int_equal(e->args[0]->type.collation, QR_COLLATION_LATIN1_BIN2);
    assert_int_equal(e->args[1]->type.collation, QR_COLLATION_LATIN1_BIN2);
    mini_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int_arithmetic_is_native_while_int64_holds_it),
        cmocka_unit_test(test_intervals_hold_every_value),
        cmocka_unit_test(test_a_program_reads_each_column_once),
        cmocka_unit_test(test_equal_trees_are_recognised),
        cmocka_unit_test(test_only_stable_leafless_trees_are_hoisted),
        cmocka_unit_test(test_a_foreign_collation_conflict_is_refused),
    };
    return cmocka_run_group_tests_name("expr/analyze", tests, NULL, NULL);
}
