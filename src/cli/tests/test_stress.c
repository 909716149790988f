/* test_stress.c - what the load generator counts, and when it does how much. */
#include <stdlib.h>
#include "qr_test.h"
#include "../stress_int.h"

static void expect_near(double got, double want)
{
    if (got < want * 0.984 || got > want * 1.016)
        fail_msg("%g is not %g", got, want);
}

static void test_a_histogram_is_at_most_two_percent_off(void **state)
{
    (void)state;
    struct qri_histogram *h = calloc(1, sizeof *h);
    for (uint64_t us = 1; us <= 1000000; us += 7)
        qri_histogram_add(h, us);
    expect_near(qri_histogram_ms(h, 50), 500);
    expect_near(qri_histogram_ms(h, 99), 990);
    expect_near(qri_histogram_ms(h, 99.9), 999);
    assert_true(qri_histogram_ms(h, 100) <= 1000);
    assert_int_equal(h->max_us, 1000000);
    free(h);
}

static void test_a_histogram_takes_any_number(void **state)
{
    (void)state;
    struct qri_histogram *h = calloc(1, sizeof *h), *sum = calloc(1, sizeof *h);
    assert_true(qri_histogram_ms(h, 50) == 0);
    qri_histogram_add(h, 0);
    assert_true(qri_histogram_ms(h, 100) == 0);
    for (int bit = 0; bit < 64; bit++) {
        qri_histogram_add(h, UINT64_C(1) << bit);
        qri_histogram_add(h, (UINT64_C(1) << bit) - 1);
    }
    qri_histogram_merge(sum, h);
    qri_histogram_merge(sum, h);
    assert_int_equal(sum->count, 2 * h->count);
    assert_true(sum->max_us == h->max_us);
    free(h);
    free(sum);
}

static const struct qri_stress_phase first = {.clients = 4, .think_ms = 10};

static void test_a_ramp_adds_one_client_after_the_other(void **state)
{
    (void)state;
    struct qri_stress_plan plan;
    struct qr_err err = {0};
    assert_int_equal(qri_stress_plan_make(&first, 2, &plan, &err), QR_OK);
    assert_int_equal(plan.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(plan.phases[i].at_s == 0.5 * i);
        assert_int_equal(plan.phases[i].clients, i + 1);
    }
    qri_stress_plan_done(&plan);
    assert_int_equal(qri_stress_plan_make(&first, 0, &plan, &err), QR_OK);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.clients_max, 4);
    qri_stress_plan_done(&plan);
}

static void check_plan(const char *text)
{
    struct qri_stress_plan plan;
    struct qr_err err = {0};
    if (qri_stress_plan_parse(qr_str(text), &first, &plan, &err) != QR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(plan.count, 3);
    assert_int_equal(plan.clients_max, 32);
    assert_int_equal(plan.phases[0].clients, 2);
    assert_true(plan.phases[0].think_ms == 10); /* as the options say */
    assert_int_equal(plan.phases[1].clients, 32);
    assert_true(plan.phases[1].rate == 500);
    assert_int_equal(plan.phases[2].clients, 32); /* as before */
    assert_true(plan.phases[2].rate == 0);
    assert_true(plan.phases[2].at_s == 60.5);
    qri_stress_plan_done(&plan);
}

static void test_a_schedule_is_csv_or_json(void **state)
{
    (void)state;
    check_plan("time,clients,note,rate\n0,2,quiet,\n30,32,\"\",500\n\n60.5,,,0\n");
    check_plan(" [{\"time\": 0, \"threads\": 2}, {\"time\": 30, \"clients\": 32, \"rate\": 500},"
               "{\"time\": 60.5, \"rate\": 0}]");
}

static void test_a_bad_schedule_names_its_row(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no row has clients"},
        {"time,clients\n5,1\n", "row 1: times begin with 0"},
        {"time,clients\n0,1\n0,2\n", "row 2: times"},
        {"time,clients\n0,many\n", "row 1: 'many' is no number"},
        {"time,clients\n0,100000\n", "row 1: clients has to be 0 to 4096"},
        {"time,clients\n0,-1\n", "row 1: clients"},
        {"time,clients\n0,0\n", "no row has clients"},
        {"[{\"time\": 0, \"clients\": \"2\"}]", "row 1: 'clients'"},
        {"[{\"time\": 0, \"speed\": 2}]", "row 1: 'speed' is not known"},
        {"[{\"time\": 0", "line 1"},
        {"[1]", "row 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qri_stress_plan plan;
        struct qr_err err = {0};
        assert_int_equal(qri_stress_plan_parse(qr_str(bad[i].text), &first, &plan, &err),
                         QR_INVALID);
        if (strstr(err.text, bad[i].says) == NULL)
            fail_msg("'%s' does not say '%s'", err.text, bad[i].says);
    }
}

static void test_a_picture_takes_an_empty_run(void **state)
{
    (void)state;
    struct qri_stress_result *result = calloc(1, sizeof *result);
    struct qr_buf svg;
    qr_buf_init(&svg, 1 << 20);
    result->took_s = 1;
    qri_stress_plot(result, &svg);
    assert_non_null(strstr(qr_buf_cstr(&svg), "</svg>"));
    qr_buf_done(&svg);
    free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_histogram_is_at_most_two_percent_off),
        cmocka_unit_test(test_a_histogram_takes_any_number),
        cmocka_unit_test(test_a_ramp_adds_one_client_after_the_other),
        cmocka_unit_test(test_a_schedule_is_csv_or_json),
        cmocka_unit_test(test_a_bad_schedule_names_its_row),
        cmocka_unit_test(test_a_picture_takes_an_empty_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
