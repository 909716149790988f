/* Goal: the simulator counts what a policy costs and what it misses, and the forecast is worth what
 * it is there for. */
#include "qr_test.h"
#include <math.h>
#include "traces.h"

static struct qr_simulation_result run(const struct qr_trace *trace, enum qr_scale_kind kind,
                                       int rung, size_t learn_steps)
{
    struct qr_simulation simulation;
    struct qr_scale_policy policy;
    struct qr_simulation_result result = {0};
    struct qr_err err = {0};
    qr_simulation_default(&simulation);
    simulation.first_rung = rung;
    simulation.learn_steps = learn_steps;
    qr_scale_policy_default(&policy, kind, RUNGS);
    assert_int_equal(qr_simulate(&simulation, &policy, ladder, RUNGS, trace, &result, &err), QR_OK);
    return result;
}

static void test_a_fixed_size_costs_its_hours_and_misses_what_is_above(void **state)
{
    (void)state;
    struct qr_trace_point points[] = {
        {.at_s = 0, .load = {1}}, {.at_s = 3600, .load = {3}}, {.at_s = 7200, .load = {1}}};
    struct qr_trace trace = {points, 3};
    struct qr_simulation_result r = run(&trace, QR_SCALE_FIXED, 0, 0);
    assert_int_equal(r.count, 480);
    assert_true(fabs(r.vcore_hours - 4) < 1e-6);
    assert_true(fabs(r.violation_minutes - 60) < 1e-6);
    assert_true(fabs(r.unserved_hours - 1) < 1e-6);
    assert_true(fabs(r.load_hours - 4) < 1e-6);
    assert_int_equal(r.ups + r.downs, 0);
    qr_simulation_result_done(&r);
}

static void test_the_seeds_experiment_goes_as_its_picture_shows(void **state)
{
    (void)state;
    struct qr_trace trace;
    spike_trace(&trace);
    struct qr_simulation_result r = run(&trace, QR_SCALE_MOVING_AVERAGE, 0, 0);
    assert_int_equal(r.ups, 1);
    assert_int_equal(r.downs, 1);
    int64_t up = 0, down = 0;
    for (size_t i = 1; i < r.count; i++) {
        if (r.steps[i].capacity > r.steps[i - 1].capacity)
            up = r.steps[i].at_s - trace.points[0].at_s;
        if (r.steps[i].capacity < r.steps[i - 1].capacity)
            down = r.steps[i].at_s - trace.points[0].at_s;
    }
    /* the spike is from 720 to 1200: a minute to be sure of it, a minute to see it end */
    assert_in_range(up, 720 + 60, 720 + 105);
    assert_in_range(down, 1200 + 45, 1200 + 105);
    qr_simulation_result_done(&r);
    qr_trace_done(&trace);
}

static void expect_forecast_pays(struct qr_trace *trace, size_t learn_days)
{
    size_t learn = learn_days * 5760;
    struct qr_simulation_result fixed = run(trace, QR_SCALE_FIXED, 7, learn);
    struct qr_simulation_result average = run(trace, QR_SCALE_MOVING_AVERAGE, 0, learn);
    struct qr_simulation_result ahead = run(trace, QR_SCALE_FORECAST, 0, learn);
    print_message("fixed %.0f min %.0f h, average %.0f min %.0f h (%zu up), forecast %.0f min %.0f "
                  "h (%zu up)\n",
                  fixed.violation_minutes, fixed.vcore_hours, average.violation_minutes,
                  average.vcore_hours, average.ups, ahead.violation_minutes, ahead.vcore_hours,
                  ahead.ups);
    assert_true(average.violation_minutes > 0);
    assert_true(ahead.violation_minutes <= average.violation_minutes / 2);
    assert_true(ahead.vcore_hours <= average.vcore_hours);
    assert_true(ahead.vcore_hours < fixed.vcore_hours);
    qr_simulation_result_done(&fixed);
    qr_simulation_result_done(&average);
    qr_simulation_result_done(&ahead);
    qr_trace_done(trace);
}

static void test_a_forecast_misses_half_as_much_for_no_more_on_daily_loads(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct qr_trace trace;
        daily_trace(&trace, 14, seed);
        expect_forecast_pays(&trace, 3);
    }
}

static void test_a_forecast_misses_half_as_much_for_no_more_on_weekly_loads(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct qr_trace trace;
        weekly_trace(&trace, 28, seed);
        expect_forecast_pays(&trace, 14);
    }
}

static void test_the_same_trace_ends_the_same(void **state)
{
    (void)state;
    struct qr_trace trace;
    daily_trace(&trace, 5, 9);
    struct qr_simulation_result a = run(&trace, QR_SCALE_FORECAST, 0, 0);
    struct qr_simulation_result b = run(&trace, QR_SCALE_FORECAST, 0, 0);
    for (size_t i = 0; i < a.count; i++)
        assert_int_equal(a.steps[i].wish.rung, b.steps[i].wish.rung);
    qr_simulation_result_done(&a);
    qr_simulation_result_done(&b);
    qr_trace_done(&trace);
}

static void test_a_slow_scale_misses_more(void **state)
{
    (void)state;
    struct qr_trace trace;
    daily_trace(&trace, 4, 5);
    double before = -1;
    static const double takes_s[] = {2, 132};
    for (int i = 0; i < 2; i++) {
        struct qr_simulation simulation;
        struct qr_scale_policy policy;
        struct qr_simulation_result r = {0};
        struct qr_err err = {0};
        qr_simulation_default(&simulation);
        simulation.scale_s = takes_s[i];
        qr_scale_policy_default(&policy, QR_SCALE_MOVING_AVERAGE, RUNGS);
        assert_int_equal(qr_simulate(&simulation, &policy, ladder, RUNGS, &trace, &r, &err), QR_OK);
        assert_true(r.violation_minutes > before);
        before = r.violation_minutes;
        qr_simulation_result_done(&r);
    }
    qr_trace_done(&trace);
}

static void test_a_trace_is_read_and_a_bad_one_names_its_line(void **state)
{
    (void)state;
    struct qr_trace trace;
    struct qr_err err = {0};
    assert_int_equal(qr_trace_parse(qr_str("# no\ntime,load\n"), &trace, &err), QR_INVALID);
    assert_int_equal(qr_trace_parse(qr_str("note,Time,CPU,log\r\n\"a,b\",2026-01-05 00:00:00,1,\r\n"
                                           "# a remark\n\nx,2026-01-05T00:01:00Z,2,0.5"),
                                    &trace, &err),
                     QR_OK);
    assert_int_equal(trace.count, 2);
    assert_int_equal(trace.points[0].at_s, 1767571200);
    assert_int_equal(trace.points[1].at_s, 1767571260);
    assert_true(trace.points[1].load[QR_SCALE_LOG] == 0.5);
    assert_true(isnan(trace.points[0].load[QR_SCALE_LOG]));
    qr_trace_done(&trace);
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "header"},
        {"time,other\n0,1\n", "header"},
        {"time,load\n0,1\n0,1\n", "line 3: the time does not rise"},
        {"time,load\n0,1\nnoon,1\n", "line 3: 'noon' is no time"},
        {"time,load\n0,1\n1,-1\n", "line 3: '-1' is no load"},
        {"time,load\n0,1\n1,inf\n", "line 3: 'inf' is no load"},
        {"time,load\n0,1\n1,\n", "line 3: no load"},
        {"time,load\n0,1\n", "two points"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(qr_trace_parse(qr_str(bad[i].text), &trace, &err), QR_INVALID);
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

static void test_a_picture_has_load_capacity_and_decisions(void **state)
{
    (void)state;
    struct qr_trace trace;
    struct qr_buf svg;
    spike_trace(&trace);
    struct qr_simulation_result r = run(&trace, QR_SCALE_MOVING_AVERAGE, 0, 0);
    const char *name = "moving_average";
    qr_buf_init(&svg, 1 << 20);
    qr_simulation_plot(&r, &name, 1, &svg);
    const char *text = qr_buf_cstr(&svg);
    assert_non_null(strstr(text, "2 to 4 vCores: high"));
    assert_non_null(strstr(text, "4 to 2 vCores: low"));
    assert_non_null(strstr(text, "1 up, 1 down"));
    assert_string_equal(text + svg.len - 7, "</svg>\n");
    qr_buf_clear(&svg);
    qr_simulation_csv(&r, ladder, &svg);
    assert_non_null(strstr(qr_buf_cstr(&svg), ",HS_Gen5_4,high,5,"));
    qr_buf_done(&svg);
    qr_simulation_result_done(&r);
    qr_trace_done(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fixed_size_costs_its_hours_and_misses_what_is_above),
        cmocka_unit_test(test_the_seeds_experiment_goes_as_its_picture_shows),
        cmocka_unit_test(test_a_forecast_misses_half_as_much_for_no_more_on_daily_loads),
        cmocka_unit_test(test_a_forecast_misses_half_as_much_for_no_more_on_weekly_loads),
        cmocka_unit_test(test_the_same_trace_ends_the_same),
        cmocka_unit_test(test_a_slow_scale_misses_more),
        cmocka_unit_test(test_a_trace_is_read_and_a_bad_one_names_its_line),
        cmocka_unit_test(test_a_picture_has_load_capacity_and_decisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
