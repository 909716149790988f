/* Goal: from what was measured comes the wish that the seed's rules and the bounds allow, and no
 * other. */
#include "qr_test.h"
#include <math.h>
#include "traces.h"

struct given {
    struct qr_scaler *scaler;
    int64_t at_s;
    struct qr_scale_wish wish;
};

static void make(struct given *g, const struct qr_scale_policy *policy)
{
    *g = (struct given){.at_s = 1767571200};
    struct qr_err err = {0};
    assert_int_equal(qr_scaler_new(policy, ladder, RUNGS, &g->scaler, &err), QR_OK);
}

static struct qr_scale_wish *point(struct given *g, int rung, double cpu)
{
    g->at_s += 15;
    struct qr_scale_point p = {.at_s = g->at_s, .rung = rung, .percent = {[QR_SCALE_CPU] = cpu}};
    qr_scaler_next(g->scaler, &p, &g->wish);
    return &g->wish;
}

static struct qr_scale_policy average_policy(void)
{
    struct qr_scale_policy policy;
    qr_scale_policy_default(&policy, QR_SCALE_MOVING_AVERAGE, RUNGS);
    return policy;
}

static void test_the_seeds_spike_goes_one_up_after_a_minute_and_down_again(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    policy.cooldown_s = 0;
    make(&g, &policy);
    for (int i = 0; i < 5; i++)
        point(&g, 0, 5);
    assert_int_equal(point(&g, 0, 80)->rung, 0); /* (4 x 5 + 80) / 5 = 20 */
    for (int i = 0; i < 3; i++)
        assert_int_equal(point(&g, 0, 80)->rung, 0); /* 35, 50, 65 */
    assert_int_equal(point(&g, 0, 80)->rung, 1);     /* 80 */
    assert_int_equal(g.wish.reason, QR_SCALE_HIGH);
    for (int i = 0; i < 4; i++) { /* on the new objective */
        assert_int_equal(point(&g, 1, 40)->rung, 1);
        assert_false(g.wish.is_decided);
        assert_int_equal(g.wish.reason, QR_SCALE_WARMING_UP);
    }
    assert_int_equal(point(&g, 1, 40)->reason, QR_SCALE_STEADY);
    assert_true(g.wish.is_decided);
    for (int i = 0; i < 5; i++)
        point(&g, 1, 2);
    assert_int_equal(g.wish.rung, 0);
    assert_int_equal(g.wish.reason, QR_SCALE_LOW);
    qr_scaler_free(g.scaler);
}

static void test_the_bounds_hold(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    policy.min_rung = 1;
    policy.max_rung = 2;
    make(&g, &policy);
    for (int i = 0; i < 5; i++)
        point(&g, 2, 99);
    assert_int_equal(g.wish.rung, 2);
    assert_int_equal(g.wish.reason, QR_SCALE_AT_MAX);
    for (int i = 0; i < 10; i++)
        point(&g, 1, 1);
    assert_int_equal(g.wish.rung, 1);
    assert_int_equal(g.wish.reason, QR_SCALE_AT_MIN);
    qr_scaler_free(g.scaler);
    make(&g, &policy);
    assert_int_equal(point(&g, 0, 1)->rung, 1); /* outside from the first: at once */
    assert_int_equal(g.wish.reason, QR_SCALE_OUTSIDE);
    qr_scaler_free(g.scaler);
}

static void test_who_puts_it_outside_of_the_bounds_has_the_cool_down_for_it(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    policy.max_rung = 2;
    make(&g, &policy);
    point(&g, 2, 50);
    for (int i = 0; i < 20; i++) { /* 300 s */
        assert_int_equal(point(&g, 6, 99)->rung, 6);
        assert_int_equal(g.wish.reason, QR_SCALE_COOLING);
    }
    assert_int_equal(point(&g, 6, 99)->rung, 2);
    assert_int_equal(g.wish.reason, QR_SCALE_OUTSIDE);
    qr_scaler_free(g.scaler);
}

static void test_a_warm_up_in_time_and_a_gap_let_points_be_counted_anew(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    policy.warmup_s = 120;
    policy.gap_s = 60;
    make(&g, &policy);
    for (int i = 0; i < 4; i++)
        assert_false(point(&g, 0, 90)->is_decided);
    assert_int_equal(point(&g, 0, 90)->rung, 1); /* nothing has changed yet */
    for (int i = 0; i < 8; i++)
        assert_int_equal(point(&g, 1, 90)->reason, QR_SCALE_WARMING_UP);
    assert_int_equal(point(&g, 1, 90)->rung, 2);
    g.at_s += 60;
    for (uint32_t i = 1; i < 5; i++) {
        assert_int_equal(point(&g, 1, 90)->points, i);
        assert_int_equal(g.wish.reason, QR_SCALE_WARMING_UP);
    }
    assert_int_equal(point(&g, 1, 90)->rung, 2);
    qr_scaler_free(g.scaler);
}

static void test_nothing_goes_down_while_it_cools(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    make(&g, &policy);
    for (int i = 0; i < 5; i++)
        point(&g, 0, 90);
    assert_int_equal(g.wish.rung, 1);
    for (int i = 0; i < 20; i++) { /* 300 s from the first point of the new rung */
        assert_int_equal(point(&g, 1, 1)->rung, 1);
        if (i >= 4)
            assert_int_equal(g.wish.reason, QR_SCALE_COOLING);
    }
    assert_int_equal(point(&g, 1, 1)->rung, 0);
    qr_scaler_free(g.scaler);
}

static void test_only_the_metrics_that_count_count(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    policy.metrics = 1u << QR_SCALE_LOG;
    make(&g, &policy);
    for (int i = 0; i < 5; i++)
        point(&g, 2, 100);
    assert_int_equal(g.wish.rung, 1); /* of the log nothing is used */
    for (int i = 0; i < 5; i++) {
        g.at_s += 15;
        struct qr_scale_point p = {.at_s = g.at_s, .rung = 2, .percent = {[QR_SCALE_LOG] = 85}};
        qr_scaler_next(g.scaler, &p, &g.wish);
    }
    assert_int_equal(g.wish.rung, 3);
    qr_scaler_free(g.scaler);
}

static void test_points_that_are_nonsense_change_nothing(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy = average_policy();
    make(&g, &policy);
    for (int i = 0; i < 5; i++)
        point(&g, 0, 50);
    struct qr_scale_point late = {.at_s = g.at_s, .rung = 0, .percent = {[QR_SCALE_CPU] = 100}};
    qr_scaler_next(g.scaler, &late, &g.wish); /* the same time again */
    assert_int_equal(g.wish.points, 0);
    assert_int_equal(point(&g, 0, (double)NAN)->points, 5);
    assert_true(g.wish.average[QR_SCALE_CPU] == 40); /* it counts as nothing used */
    assert_true(point(&g, 0, 1e300)->average[QR_SCALE_CPU] == 50);
    qr_scaler_free(g.scaler);
}

static void test_a_policy_out_of_its_bounds_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        double value;
    } bad[] = {
        {offsetof(struct qr_scale_policy, up_percent), 101},
        {offsetof(struct qr_scale_policy, up_percent), (double)NAN},
        {offsetof(struct qr_scale_policy, down_percent), 70},
        {offsetof(struct qr_scale_policy, cost_weight), 1.5},
        {offsetof(struct qr_scale_policy, interval), -1},
    };
    struct qr_err err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qr_scale_policy policy = average_policy();
        memcpy((char *)&policy + bad[i].at, &bad[i].value, sizeof bad[i].value);
        assert_int_equal(qr_scale_policy_check(&policy, RUNGS, &err), QR_INVALID);
    }
    struct qr_scale_policy policy = average_policy();
    policy.window_points = QR_SCALE_WINDOW_MAX + 1;
    assert_int_equal(qr_scale_policy_check(&policy, RUNGS, &err), QR_INVALID);
    policy = average_policy();
    policy.max_rung = RUNGS;
    assert_int_equal(qr_scale_policy_check(&policy, RUNGS, &err), QR_INVALID);
}

/* Two weeks of a busy hour at ten, then the third. */
static void test_what_was_learnt_makes_room_before_the_hour(void **state)
{
    (void)state;
    struct given g;
    struct qr_scale_policy policy;
    qr_scale_policy_default(&policy, QR_SCALE_FORECAST, RUNGS);
    make(&g, &policy);
    for (; g.at_s < 1767571200 + 14 * 86400; g.at_s += 300) {
        bool busy = g.at_s % 86400 >= 36000 && g.at_s % 86400 < 39600;
        struct qr_scale_point p = {
            .at_s = g.at_s, .rung = 3, .percent = {[QR_SCALE_CPU] = busy ? 60 : 5}};
        qr_scaler_learn(g.scaler, &p);
    }
    int at_nine = -1, at_ten = -1, at_noon = -1, rung = 0;
    int64_t midnight = g.at_s;
    while (g.at_s < midnight + 43200) {
        int64_t s = g.at_s % 86400;
        bool busy = s >= 36000 && s < 39600;
        double percent = (busy ? 4.8 : 0.4) / ladder[rung].vcores * 100;
        rung = point(&g, rung, percent > 100 ? 100 : percent)->rung;
        at_nine = s == 32400 ? rung : at_nine;
        at_ten = s == 35985 ? rung : at_ten;
    }
    at_noon = rung;
    assert_int_equal(at_nine, 0);
    assert_int_equal(ladder[at_ten].vcores >= 4.8 / 0.7, true);
    assert_int_equal(at_noon, 0);
    qr_scaler_free(g.scaler);
}

static void test_a_wish_is_printed_with_its_inputs(void **state)
{
    (void)state;
    struct qr_scale_wish wish = {.reason = QR_SCALE_AHEAD,
                                 .points = 5,
                                 .load = 1.5,
                                 .average = {[QR_SCALE_CPU] = 75},
                                 .has_forecast = true,
                                 .expected = 3,
                                 .upper = 4};
    struct qr_buf buf;
    qr_buf_init(&buf, 4096);
    qr_scale_wish_print(&wish, &buf);
    assert_string_equal(qr_buf_cstr(&buf),
                        "{\"Reason\":\"ahead\",\"DataPoints\":5,\"Load\":1.500,\"MovingAvg_cpu\":"
                        "75.000,\"MovingAvg_data_io\":0.000,\"MovingAvg_log\":0.000,\"MovingAvg_"
                        "workers\":0.000,\"MovingAvg_memory\":0.000,\"Expected\":3.000,\"Upper\":"
                        "4.000}");
    qr_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_seeds_spike_goes_one_up_after_a_minute_and_down_again),
        cmocka_unit_test(test_the_bounds_hold),
        cmocka_unit_test(test_who_puts_it_outside_of_the_bounds_has_the_cool_down_for_it),
        cmocka_unit_test(test_a_warm_up_in_time_and_a_gap_let_points_be_counted_anew),
        cmocka_unit_test(test_nothing_goes_down_while_it_cools),
        cmocka_unit_test(test_only_the_metrics_that_count_count),
        cmocka_unit_test(test_points_that_are_nonsense_change_nothing),
        cmocka_unit_test(test_a_policy_out_of_its_bounds_is_refused),
        cmocka_unit_test(test_what_was_learnt_makes_room_before_the_hour),
        cmocka_unit_test(test_a_wish_is_printed_with_its_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
