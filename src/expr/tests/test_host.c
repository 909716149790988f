/* Goal: the host is asked with typed arguments, and the deepest tree runs on a small stack. */
#include <pthread.h>
#include "expr/analyze.h"
#include "mini.h"
#include "qr_test.h"

struct asked {
    enum qr_host_func func;
    size_t arg_count, calls;
    struct qr_value args[4];
    const void *udf;
};

static enum qr_status answer(void *host, struct qr_eval *ctx, enum qr_host_func func,
                             const struct qr_call *call, struct qr_value *ret, struct qr_err *err)
{
    struct asked *a = host;
    (void)ctx;
    (void)err;
    a->func = func;
    a->arg_count = call->arg_count;
    a->calls++;
    for (size_t i = 0; i < call->arg_count; i++)
        a->args[i] = call->args[i];
    *ret = qr_value_int(42);
    return QR_OK;
}

static enum qr_status run_udf(void *host, struct qr_eval *ctx, const struct qr_expr *expr,
                              const struct qr_value *args, struct qr_value *ret, struct qr_err *err)
{
    struct asked *a = host;
    (void)ctx;
    (void)err;
    a->udf = expr->u.ref;
    *ret = qr_value_int(args[0].i * 2);
    return QR_OK;
}

static const struct qr_eval_host ops = {.call = answer, .udf = run_udf};

static void setup(struct mini *m, struct asked *a)
{
    mini_init(m);
    *a = (struct asked){.calls = 0};
    m->ctx.host_ops = &ops;
    m->ctx.host = a;
}

static void test_host_functions_get_cast_arguments(void **state)
{
    (void)state;
    struct mini m;
    struct asked a;
    setup(&m, &a);
    assert_int_equal(mini_run(&m, "OBJECT_ID('dbo.t', N'U') + 1"), QR_OK);
    assert_string_equal(m.text, "43");
    assert_int_equal(a.func, QR_HOST_OBJECT_ID);
    assert_int_equal(a.arg_count, 2);
    assert_true(qr_str_eq(qr_value_bytes(&a.args[0]), qr_str("dbo.t")));
    assert_int_equal(mini_run(&m, "OBJECT_NAME('17')"), QR_OK); /* the string became an int */
    assert_int_equal(a.args[0].cell, QR_CELL_INT);
    assert_int_equal(a.args[0].i, 17);
    mini_done(&m);
}

static void test_null_arguments_do_not_reach_the_host(void **state)
{
    (void)state;
    struct mini m;
    struct asked a;
    setup(&m, &a);
    assert_int_equal(mini_run(&m, "OBJECT_ID(NULL)"), QR_OK);
    assert_string_equal(m.text, "NULL");
    assert_int_equal(a.calls, 0);
    assert_int_equal(mini_run(&m, "HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE')"), QR_OK);
    assert_int_equal(a.calls, 1); /* which gives NULL a meaning of its own */
    mini_done(&m);
}

static void test_user_functions_are_run_by_the_host(void **state)
{
    (void)state;
    struct mini m;
    struct asked a;
    int ref;
    const struct qr_expr *arg, *e;
    struct qr_value v;
    setup(&m, &a);
    assert_int_equal(qr_expr_int(&m.b, 21, &arg), QR_OK);
    assert_int_equal(
        qr_expr_udf(&m.b, &ref, qr_type_of(QR_TYPE_INT), QR_DETERMINISTIC, &arg, 1, &e), QR_OK);
    assert_int_equal(e->kind, QR_EXPR_UDF); /* not folded: only the host can run it */
    assert_int_equal(qr_expr_eval(e, &m.ctx, &v, &m.err), QR_OK);
    assert_int_equal(v.i, 42);
    assert_ptr_equal(a.udf, &ref);
    mini_done(&m);
}

/* As deep as the constructors allow, of the kinds with the largest frames. */
static const struct qr_expr *deepest(struct mini *m)
{
    const struct qr_expr *e, *zero, *test;
    assert_int_equal(qr_expr_var(&m->b, 0, qr_type_of(QR_TYPE_INT), &e), QR_OK);
    assert_int_equal(qr_expr_int(&m->b, 0, &zero), QR_OK);
    for (int i = 0; i < QR_EXPR_DEPTH_MAX / 4; i++) {
        const struct qr_expr *both[2] = {e, zero};
        assert_int_equal(qr_expr_call(&m->b, qr_str("GREATEST"), both, 2, &e), QR_OK);
        assert_int_equal(qr_expr_cmp(&m->b, QR_CMP_GE, e, zero, &test), QR_OK);
        assert_int_equal(qr_expr_iif(&m->b, test, zero, zero, &e), QR_OK);
    }
    return e;
}

static void *evaluate(void *arg)
{
    struct mini *m = arg;
    const struct qr_expr *e = deepest(m);
    struct qr_value var = qr_value_int(7), v = qr_value_null();
    struct qr_expr_program p;
    m->ctx.vars = &var;
    m->ctx.var_count = 1;
    enum qr_status status = qr_expr_eval(e, &m->ctx, &v, NULL);
    if (status == QR_OK)
        status = qr_expr_program(&m->arena, e, &p, NULL);
    return status == QR_OK && v.i == 0 && qr_expr_equal(e, p.expr) ? m : NULL;
}

static void test_the_deepest_tree_runs_in_one_mebibyte_of_stack(void **state)
{
    (void)state;
    struct mini m;
    pthread_attr_t attr;
    pthread_t thread;
    void *good = NULL;
    mini_init(&m);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 1 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attr, evaluate, &m), 0);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_ptr_equal(good, &m);
    pthread_attr_destroy(&attr);
    mini_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_functions_get_cast_arguments),
        cmocka_unit_test(test_null_arguments_do_not_reach_the_host),
        cmocka_unit_test(test_user_functions_are_run_by_the_host),
        cmocka_unit_test(test_the_deepest_tree_runs_in_one_mebibyte_of_stack),
    };
    return cmocka_run_group_tests_name("expr/host", tests, NULL, NULL);
}
