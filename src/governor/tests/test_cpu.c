/* Goal: CPU time is given out by the limits, to the percent, and fairly. Method: threads on a clock
 * of the test's own, which use all they get. */
#include <pthread.h>
#include "stage.h"

static const struct qr_gov_limits unlimited = {0};

static void assert_near(double value, double wanted, double percent)
{
    if (value < wanted * (1 - percent / 100) || value > wanted * (1 + percent / 100))
        fail_msg("%.4g is not within %.1f %% of %.4g", value, percent, wanted);
}

static void test_a_group_gets_its_cores_and_no_more(void **state)
{
    (void)state;
    static const struct {
        uint32_t vcores_pct, vcore_ppm;
        size_t threads;
        int64_t burst_ns;
        double cores;
    } rows[] = {
        {200, 750000, 4, 3 * MS, 1.5},
        {200, 750000, 2, 20 * MS, 1.5},
        {100, 750000, 1, 500 * MS, 0.75},
        {10, 750000, 3, MS, 0.075},
        {8000, 18750, 16, 2 * MS, 1.5},
        {200, 18750, 20, MS / 20, 0.0375},
        {100, 1000000, 1, 5 * MS, 1.0},
        {200, 750000, 1, 5 * MS, 1.0 /* it is but one */},
        {200, 0, 3, 10 * MS, 3.0 /* no limit */},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stage_open((struct qr_gov_options){.enforce = true}, rows[i].vcore_ppm);
        struct qr_gov_limits limits = {.vcores_pct = rows[i].vcores_pct};
        struct qr_gov_group *group = stage_group(5, 5, limits, unlimited);
        for (size_t t = 0; t < rows[i].threads; t++)
            stage_enter(group, rows[i].burst_ns, stage.now_ns + 10 * S);
        int64_t start = stage.now_ns;
        stage_run();
        assert_near((double)stage_cpu_of(group) / (double)(stage.now_ns - start), rows[i].cores, 2);
        stage_close();
    }
}

static void test_a_statement_and_many_light_requests_get_on_together(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 1000000);
    struct qr_gov_group *group =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 100}, unlimited);
    int64_t until = stage.now_ns + 10 * S;
    struct actor *heavy = stage_enter(group, 7 * S, stage.now_ns + 1); /* one statement */
    for (int i = 0; i < 20; i++)
        stage_enter(group, MS / 10, until)->pause_ns = 10 * MS;
    stage_run();
    assert_int_equal(heavy->requests, 1);
    assert_true(heavy->worst_ns < 3 * S); /* the light ones took no more than a quarter of it */
    for (size_t i = 1; i < stage.count; i++) {
        assert_true(stage.actors[i].worst_ns < 15 * MS);
        assert_true(stage.actors[i].requests > 600);
    }
    stage_close();
}

static void test_the_administrator_has_a_reserve_to_begin_with(void **state)
{
    (void)state;
    for (int flood = 0; flood < 2; flood++) {
        stage_open((struct qr_gov_options){.enforce = true}, 100000);
        struct qr_gov_group *group =
            stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 200}, unlimited);
        int64_t start = stage.now_ns, until = start + 5 * S;
        for (int i = 0; i < 20; i++)
            stage_enter(group, 50 * MS, until);
        for (int i = 0; i < 1 + 20 * flood; i++) {
            struct actor *admin = stage_enter(group, MS / 5, until);
            admin->task.is_admin = true;
            admin->pause_ns = flood ? 0 : 20 * MS;
        }
        stage_run();
        double s = (double)(stage.now_ns - start);
        if (!flood)
            assert_true(stage.actors[20].worst_ns < MS);
        else /* who only ever uses that does not get round the limit */
            assert_near((double)stage_cpu_of(group) / s, 0.2, 4);
        stage_close();
    }
}

/* Who waits for CPU time is ready to run; a slice ends each millisecond that somebody runs. */
static void test_waits_for_cpu_time_are_signal_waits_and_slices_are_counted(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 1000000);
    struct qr_gov_limits limits = {.vcores_pct = 50};
    struct qr_gov_group *group = stage_group(5, 5, limits, limits);
    stage_enter(group, 20 * MS, stage.now_ns + 2 * S);
    stage_run();
    const struct qr_wait_stat *stat = &qr_gov_group_waits(group)->of[QR_WAIT_SOS_SCHEDULER_YIELD];
    assert_true(atomic_load(&stat->count) > 10);
    assert_int_equal(atomic_load(&stat->signal_ns), atomic_load(&stat->ns));
    uint64_t ms = (uint64_t)stage_cpu_of(group) / MS;
    uint64_t waits = atomic_load(&stat->count); /* who comes back looks at once */
    assert_in_range(atomic_load(&qr_gov_group_usage(group)->yields), ms * 3 / 4, ms + waits);
    stage_close();
}

/* Two of them make requests of 2 and of 5 ms. */
static void test_the_cpu_time_of_the_largest_request_is_kept(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 1000000);
    struct qr_gov_limits limits = {.vcores_pct = 200};
    struct qr_gov_group *group = stage_group(5, 5, limits, limits);
    stage_enter(group, 5 * MS, stage.now_ns + S);
    stage_enter(group, 2 * MS, stage.now_ns + S);
    stage_run();
    uint64_t most = atomic_load(&qr_gov_group_usage(group)->request_cpu_max_ns);
    assert_in_range(most, 5 * MS, 6 * MS);
    stage_close();
}

static void test_pool_limits_what_its_groups_use_together(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 500000);
    struct qr_gov_limits each = {.vcores_pct = 200}, all = {.vcores_pct = 300};
    struct qr_gov_group *a = stage_group(5, 9, each, all), *b = stage_group(6, 9, each, all);
    int64_t start = stage.now_ns, until = start + 5 * S;
    for (int i = 0; i < 3; i++) {
        stage_enter(a, 4 * MS, until);
        stage_enter(b, 4 * MS, until);
    }
    stage_run();
    double s = (double)(stage.now_ns - start);
    assert_near((double)(stage_cpu_of(a) + stage_cpu_of(b)) / s, 1.5, 2);
    assert_near((double)stage_cpu_of(a) / s, 0.75, 5);
    stage_close();
}

/* What b of a pool of three vCores gets, in processors, beside two that want all of it. */
static double promised(uint32_t least_pct, uint32_t most_pct, int64_t pause_ns)
{
    stage_open((struct qr_gov_options){.enforce = true}, 500000);
    struct qr_gov_limits each = {.vcores_pct = 300}, all = {.vcores_pct = 300},
                         own = {.vcores_pct = most_pct, .vcores_min_pct = least_pct};
    struct qr_gov_group *a = stage_group(5, 9, each, all), *b = stage_group(6, 9, own, all),
                        *c = stage_group(7, 9, each, all);
    int64_t start = stage.now_ns, until = start + 5 * S;
    for (int i = 0; i < 6; i++) {
        stage_enter(a, 4 * MS, until);
        stage_enter(c, 4 * MS, until);
    }
    struct actor *one = stage_enter(b, 4 * MS, until);
    one->pause_ns = pause_ns;
    stage_run();
    double s = (double)(stage.now_ns - start), got = (double)stage_cpu_of(b) / s;
    assert_near((double)(stage_cpu_of(a) + stage_cpu_of(c)) / s + got, 1.5, 4);
    stage_close();
    return got;
}

static void test_a_database_of_a_pool_has_what_it_is_promised(void **state)
{
    (void)state;
    assert_true(promised(0, 300, 0) < 0.2); /* one of thirteen that stand in line */
    assert_near(promised(100, 300, 0), 0.5, 10);
    assert_near(promised(100, 100, 0), 0.5, 5);      /* no more than it may have, either */
    assert_true(promised(100, 300, 36 * MS) > 0.09); /* who wants a tenth does not wait at all */
}

/* Requests that may not sleep: each is charged as one. */
static void write_much(struct actor *a)
{
    while (stage.now_ns < a->until_ns) {
        qr_gov_enter(&a->task);
        struct qr_gov_task *held = qr_gov_hold();
        stage_use_cpu(a, 4 * MS);
        qr_gov_unhold(held);
        qr_gov_leave(&a->task);
        a->requests += 1;
    }
}

/* The others have what their threads get in the pool's line, and do not stand behind all of these.
 */
static void
test_many_threads_of_who_is_promised_something_leave_the_others_their_turns(void **state)
{
    enum { MANY = 120, FEW = 36 };
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 500000);
    struct qr_gov_limits each = {.vcores_pct = 300}, all = {.vcores_pct = 300},
                         own = {.vcores_pct = 300, .vcores_min_pct = 100};
    struct qr_gov_group *a = stage_group(5, 9, each, all), *b = stage_group(6, 9, own, all);
    int64_t start = stage.now_ns, until = start + 20 * S;
    for (int i = 0; i < MANY; i++)
        stage_enter_play(b, write_much, until);
    for (int i = 0; i < FEW; i++)
        stage_enter_play(a, write_much, until);
    stage_run();
    double s = (double)(stage.now_ns - start);
    assert_near((double)stage_cpu_of(a) / s, 1.5 * FEW / (MANY + FEW), 10);
    assert_true((double)stage_cpu_of(b) / s > 0.5);
    stage_close();
}

static void test_databases_share_a_host_by_their_vcores(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true, .host_cpu_ns_per_s = 1500000000}, 750000);
    struct qr_gov_group *small =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 200}, unlimited);
    struct qr_gov_group *large =
        stage_group(6, 6, (struct qr_gov_limits){.vcores_pct = 800}, unlimited);
    int64_t start = stage.now_ns, until = start + 10 * S;
    for (int i = 0; i < 6; i++) { /* as many threads of the small one: they count for nothing */
        stage_enter(small, 3 * MS, until);
        stage_enter(large, 3 * MS, until);
    }
    stage_run();
    double s = (double)(stage.now_ns - start);
    assert_near((double)(stage_cpu_of(small) + stage_cpu_of(large)) / s, 1.5, 3);
    assert_near((double)stage_cpu_of(large) / s, 1.2, 5);
    assert_near((double)stage_cpu_of(small) / s, 0.3, 10);
    stage_close();
}

static void test_what_one_database_leaves_another_may_have(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true, .host_cpu_ns_per_s = 1500000000}, 750000);
    struct qr_gov_group *busy =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 200}, unlimited);
    struct qr_gov_group *calm =
        stage_group(6, 6, (struct qr_gov_limits){.vcores_pct = 200}, unlimited);
    int64_t start = stage.now_ns, until = start + 10 * S;
    for (int i = 0; i < 6; i++)
        stage_enter(busy, 3 * MS, until);
    struct actor *quiet = stage_enter(calm, MS / 10, until);
    quiet->pause_ns = MS;
    stage_run();
    double s = (double)(stage.now_ns - start);
    assert_near((double)(stage_cpu_of(busy) + stage_cpu_of(calm)) / s, 1.5, 3);
    assert_true(quiet->worst_ns < 2 * MS); /* the neighbour's debt is not its own */
    stage_close();
}

static void test_internal_work_yields_and_borrows(void **state)
{
    (void)state;
    for (int busy = 0; busy < 2; busy++) {
        stage_open((struct qr_gov_options){.enforce = true, .host_cpu_ns_per_s = 1500000000},
                   750000);
        struct qr_gov_group *group =
            stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 200}, unlimited);
        struct qr_gov_group *internal = qr_gov_internal_group(stage.gov, QR_GOV_BACKUP);
        int64_t start = stage.now_ns, until = start + 5 * S;
        for (int i = 0; i < 4 * busy; i++)
            stage_enter(group, 3 * MS, until);
        stage_enter(internal, 4 * S, until);
        stage.actors[stage.count - 1].until_ns = until;
        stage.actors[stage.count - 1].burst_ns = 50 * MS;
        stage_run();
        double s = (double)(stage.now_ns - start), cores = (double)stage_cpu_of(internal) / s;
        if (busy)
            assert_true(cores < 0.3 && cores > 0.005);
        else
            assert_near(cores, 1.0, 2);
        stage_close();
    }
}

static void set_vcores(struct actor *a)
{
    qr_env_sleep_ns(&stage.env, 2 * S);
    struct qr_gov_group_options options = {
        .database_id = 5, .shown_id = 5, .pool_key = 5, .limits = {.vcores_pct = 800}};
    assert_int_equal(qr_gov_group_update(a->task.group, &options, NULL), QR_OK);
    a->requests = stage_cpu_of(a->task.group);
}

static void test_new_limits_count_at_once(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 250000);
    struct qr_gov_group *group =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 20}, unlimited);
    for (int i = 0; i < 8; i++)
        stage_enter(group, 5 * MS, stage.now_ns + 4 * S);
    struct actor *scaler = stage_enter_play(group, set_vcores, 0);
    stage_run();
    assert_near((double)scaler->requests / 2e9, 0.05, 5);
    assert_near((double)(stage_cpu_of(group) - scaler->requests) / 2e9, 2.0, 4);
    stage_close();
}

static void test_who_holds_what_others_need_does_not_sleep(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 100000);
    struct qr_gov_group *group =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 100}, unlimited);
    struct actor *a = stage_enter(group, 100 * MS, stage.now_ns + 1);
    a->task.holds = 1;
    int64_t start = stage.now_ns;
    stage_run();
    assert_int_equal(stage.now_ns - start, 100 * MS);
    a->task.holds = 0;
    stage_close();
}

static void cancel_later(struct actor *a)
{
    qr_env_sleep_ns(&stage.env, 100 * MS);
    stage.actors[0].is_cancelled = true;
    a->requests = (uint64_t)stage.now_ns;
}

static void test_who_is_cancelled_stops_waiting(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 10000);
    struct qr_gov_group *group =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 100}, unlimited);
    stage_enter(group, 30 * MS, stage.now_ns + 1);
    struct actor *killer = stage_enter_play(group, cancel_later, 0);
    stage_run();
    assert_true(stage.now_ns - (int64_t)killer->requests <= QRI_SLEEP_NS_MAX);
    stage_close();
}

static void test_without_enforcement_all_is_counted_and_nothing_waits(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = false}, 10000);
    struct qr_gov_group *group =
        stage_group(5, 5, (struct qr_gov_limits){.vcores_pct = 100}, unlimited);
    int64_t start = stage.now_ns;
    stage_enter(group, 300 * MS, stage.now_ns + 1);
    stage_run();
    assert_int_equal(stage.now_ns - start, 300 * MS);
    assert_near((double)stage_cpu_of(group), 300 * MS, 1);
    stage_close();
}

static void test_short_requests_share_one_look_at_the_clock(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 0);
    struct qr_gov_group *group = stage_group(5, 5, unlimited, unlimited);
    struct actor *a = stage_enter(group, MS / 20, stage.now_ns + S);
    stage_run();
    assert_true(a->requests > 19000);
    assert_near((double)stage_cpu_of(group), (double)a->cpu_ns, 0.2);
    assert_int_equal(atomic_load(&a->task.usage.cpu_ns), stage_cpu_of(group));
    stage_close();
}

struct spinner {
    struct qr_gov_task task;
    atomic_bool ends;
};

static void *spin(void *arg)
{
    struct spinner *s = arg;
    qr_gov_enter(&s->task);
    while (!atomic_load(&s->ends))
        qr_gov_poll();
    qr_gov_leave(&s->task);
    return NULL;
}

/* Real threads, for builds with ThreadSanitizer. */
static void test_limits_change_while_a_thread_is_charged(void **state)
{
    (void)state;
    struct qr_gov_options options = {.env = qr_env_real(), .enforce = true};
    struct qr_gov_group_options of = {.database_id = 5, .shown_id = 5, .pool_key = 9};
    struct qr_governor *gov = NULL;
    struct qr_gov_group *group = NULL;
    struct spinner s = {.ends = false};
    pthread_t thread;
    of.limits = (struct qr_gov_limits){.vcores_pct = 5, .vcores_min_pct = 3, .workers_max = 1};
    of.pool_limits = (struct qr_gov_limits){.vcores_pct = 5}; /* in debt: what is promised counts */
    assert_int_equal(qr_governor_new(&options, &gov, NULL), QR_OK);
    qr_governor_set_vcore(gov, 1000000);
    assert_int_equal(qr_gov_group_open(gov, &of, &group, NULL), QR_OK);
    qr_gov_task_init(&s.task, group, NULL, NULL, false);
    assert_int_equal(qr_gov_worker_take(&s.task, NULL), QR_OK);
    assert_int_equal(pthread_create(&thread, NULL, spin, &s), 0);
    for (uint32_t n = 0; n < 100 || stage_cpu_of(group) < (uint64_t)(20 * MS); n++) {
        of.limits.vcores_min_pct = 2 + n % 2;
        assert_int_equal(qr_gov_group_update(group, &of, NULL), QR_OK);
        qr_env_sleep_ns(qr_env_real(), MS / 10);
    }
    atomic_store(&s.ends, true);
    pthread_join(thread, NULL);
    qr_gov_worker_give(&s.task);
    assert_int_equal(atomic_load(&s.task.usage.cpu_ns), stage_cpu_of(group));
    qr_gov_task_done(&s.task);
    qr_gov_group_close(group);
    qr_governor_free(gov);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_gets_its_cores_and_no_more),
        cmocka_unit_test(test_a_statement_and_many_light_requests_get_on_together),
        cmocka_unit_test(test_the_administrator_has_a_reserve_to_begin_with),
        cmocka_unit_test(test_the_cpu_time_of_the_largest_request_is_kept),
        cmocka_unit_test(test_waits_for_cpu_time_are_signal_waits_and_slices_are_counted),
        cmocka_unit_test(test_pool_limits_what_its_groups_use_together),
        cmocka_unit_test(test_a_database_of_a_pool_has_what_it_is_promised),
        cmocka_unit_test(
            test_many_threads_of_who_is_promised_something_leave_the_others_their_turns),
        cmocka_unit_test(test_databases_share_a_host_by_their_vcores),
        cmocka_unit_test(test_what_one_database_leaves_another_may_have),
        cmocka_unit_test(test_internal_work_yields_and_borrows),
        cmocka_unit_test(test_new_limits_count_at_once),
        cmocka_unit_test(test_who_holds_what_others_need_does_not_sleep),
        cmocka_unit_test(test_who_is_cancelled_stops_waiting),
        cmocka_unit_test(test_without_enforcement_all_is_counted_and_nothing_waits),
        cmocka_unit_test(test_short_requests_share_one_look_at_the_clock),
        cmocka_unit_test(test_limits_change_while_a_thread_is_charged),
    };
    return cmocka_run_group_tests_name("governor/cpu", tests, NULL, NULL);
}
