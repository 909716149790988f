/* Goal: I/O and log keep to their rates at every level, and the wait says which level it was.
 * Workers and sessions: as many as the limits say, and a few for the administrator. */
#include "stage.h"
#include "governor/sample.h"

static const struct qr_gov_limits unlimited = {0};

static void assert_near(double value, double wanted, double percent)
{
    if (value < wanted * (1 - percent / 100) || value > wanted * (1 + percent / 100))
        fail_msg("%.4g is not within %.1f %% of %.4g", value, percent, wanted);
}

static void read_pages(struct actor *a)
{
    qr_gov_enter(&a->task);
    while (stage.now_ns < a->until_ns) {
        qr_gov_io(QR_GOV_READ, 8192);
        qr_env_sleep_ns(&stage.env, MS / 10);
        a->requests += 1;
    }
    qr_gov_leave(&a->task);
}

static void read_large(struct actor *a)
{
    qr_gov_enter(&a->task);
    while (stage.now_ns < a->until_ns) {
        qr_gov_io(QR_GOV_READ, 1024 * 1024);
        a->requests += 1;
    }
    qr_gov_leave(&a->task);
}

static void write_log(struct actor *a)
{
    qr_gov_enter(&a->task);
    while (stage.now_ns < a->until_ns) {
        struct qr_gov_task *held = qr_gov_hold();
        qr_gov_log_made(50000);
        qr_gov_pay_log(); /* holds the lock: nothing */
        qr_gov_unhold(held);
        qr_gov_pay_log();
        qr_env_sleep_ns(&stage.env, MS / 10);
        a->requests += 1;
    }
    qr_gov_leave(&a->task);
}

/* The example of the documentation: 900 a group, 1500 the pool. */
static void test_groups_have_their_iops_and_the_pool_its_own(void **state)
{
    (void)state;
    for (size_t groups = 1; groups <= 2; groups++) {
        stage_open((struct qr_gov_options){.enforce = true}, 0);
        struct qr_gov_limits each = {.iops = 900}, all = {.iops = 1500};
        int64_t start = stage.now_ns;
        for (uint32_t g = 0; g < groups; g++) {
            struct qr_gov_group *group = stage_group(5 + g, 9, each, all);
            for (int i = 0; i < 4; i++)
                stage_enter_play(group, read_pages, start + 10 * S);
        }
        stage_run();
        const struct qr_gov_usage *u = qr_governor_usage(stage.gov);
        double s = (double)(stage.now_ns - start) / 1e9;
        assert_near((double)atomic_load(&u->reads) / s, groups == 1 ? 900 : 1500, 2);
        const struct qr_waits *w = qr_governor_waits(stage.gov);
        assert_true(atomic_load(&w->of[QR_WAIT_IO_QUEUE_LIMIT].count) > 100);
        assert_true(atomic_load(&u->read_queued_ns) > 0);
        assert_int_equal(atomic_load(&u->reads_queued),
                         atomic_load(&w->of[QR_WAIT_IO_QUEUE_LIMIT].count));
        assert_int_equal(atomic_load(&u->writes_queued), 0);
        stage_close();
    }
}

static void test_large_reads_count_as_several(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 0);
    struct qr_gov_group *group = stage_group(5, 5, (struct qr_gov_limits){.iops = 400}, unlimited);
    int64_t start = stage.now_ns;
    struct actor *a = stage_enter_play(group, read_large, start + 10 * S);
    stage_run();
    assert_near((double)a->requests / ((double)(stage.now_ns - start) / 1e9), 100, 3);
    stage_close();
}

static void write_temp(struct actor *a)
{
    qr_gov_enter(&a->task);
    while (stage.now_ns < a->until_ns) {
        qr_gov_io_temp(QR_GOV_WRITE, 65536);
        qr_env_sleep_ns(&stage.env, MS / 10);
        a->requests += 1;
    }
    qr_gov_leave(&a->task);
}

static void test_temporary_files_count_as_data_unless_tempdb_has_a_limit_of_its_own(void **state)
{
    static const struct {
        struct qr_gov_limits limits;
        double rate;
        bool is_data; /* counted among the group's data I/O */
    } rows[] = {
        {{.iops = 200}, 200, true},
        {{.iops = 200, .temp_iops = 1000}, 1000, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stage_open((struct qr_gov_options){.enforce = true}, 0);
        struct qr_gov_group *group = stage_group(5, 5, rows[i].limits, unlimited);
        int64_t start = stage.now_ns;
        struct actor *a = stage_enter_play(group, write_temp, start + 10 * S);
        stage_run();
        assert_near((double)a->requests / ((double)(stage.now_ns - start) / 1e9), rows[i].rate, 3);
        assert_int_equal(atomic_load(&qr_gov_group_usage(group)->io_units) > 0, rows[i].is_data);
        assert_int_equal(atomic_load(&qr_gov_group_usage(group)->writes), a->requests);
        assert_int_equal(atomic_load(&qr_gov_group_usage(group)->write_bytes), a->requests * 65536);
        assert_true(atomic_load(&qr_gov_group_usage(group)->write_queued_ns) > 0);
        stage_close();
    }
}

static void test_log_rate_has_three_levels_and_a_wait_for_each(void **state)
{
    (void)state;
    static const struct {
        uint64_t group, pool, instance;
        double rate;
        enum qr_wait type;
    } rows[] = {
        {4500000, 9000000, 20000000, 4500000, QR_WAIT_LOG_RATE_GOVERNOR},
        {0, 9000000, 20000000, 9000000, QR_WAIT_POOL_LOG_RATE_GOVERNOR},
        {50000000, 0, 20000000, 20000000, QR_WAIT_INSTANCE_LOG_RATE_GOVERNOR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stage_open((struct qr_gov_options){.enforce = true, .log_bytes_per_s = rows[i].instance},
                   0);
        struct qr_gov_group *group =
            stage_group(5, 5, (struct qr_gov_limits){.log_bytes_per_s = rows[i].group},
                        (struct qr_gov_limits){.log_bytes_per_s = rows[i].pool});
        int64_t start = stage.now_ns;
        for (int t = 0; t < 4; t++)
            stage_enter_play(group, write_log, start + 10 * S);
        stage_run();
        double s = (double)(stage.now_ns - start) / 1e9;
        assert_near((double)atomic_load(&qr_gov_group_usage(group)->log_bytes) / s, rows[i].rate,
                    3);
        const struct qr_waits *w = qr_gov_group_waits(group);
        for (enum qr_wait t = 1; t < QR_WAIT_COUNT; t++)
            if (qr_wait_info(t)->governs_log_rate)
                assert_int_equal(atomic_load(&w->of[t].count) > 0, t == rows[i].type);
        stage_close();
    }
}

static void test_waits_count_for_session_group_pool_and_process(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 0);
    struct qr_gov_group *group = stage_group(5, 5, unlimited, unlimited);
    struct qr_gov_task task;
    struct qr_wait_mark none = qr_wait_begin(QR_WAIT_WRITELOG); /* no task: counts nowhere */
    qr_wait_end(none);
    qr_gov_task_init(&task, group, NULL, NULL, false);
    qr_gov_enter(&task);
    struct qr_wait_mark outer = qr_wait_begin(QR_WAIT_WRITELOG);
    assert_int_equal(atomic_load(&task.wait_type), QR_WAIT_WRITELOG);
    qr_env_sleep_ns(&stage.env, 5 * MS);
    struct qr_wait_mark inner = qr_wait_begin(QR_WAIT_LCK_M_X);
    assert_int_equal(atomic_load(&task.wait_type), QR_WAIT_LCK_M_X);
    qr_env_sleep_ns(&stage.env, 2 * MS);
    qr_wait_end_signal(inner, MS);
    assert_int_equal(atomic_load(&task.wait_type), QR_WAIT_WRITELOG);
    qr_wait_end(outer);
    assert_int_equal(atomic_load(&task.wait_type), QR_WAIT_NONE);
    qr_gov_leave(&task);
    const struct qr_waits *const levels[] = {&task.waits, qr_gov_group_waits(group),
                                             qr_governor_waits(stage.gov)};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const struct qr_wait_stat *stat = &levels[i]->of[QR_WAIT_LCK_M_X];
        assert_int_equal(atomic_load(&stat->count), 1);
        assert_int_equal(atomic_load(&stat->ns), 2 * MS);
        assert_int_equal(atomic_load(&stat->signal_ns), MS);
        assert_int_equal(atomic_load(&levels[i]->of[QR_WAIT_WRITELOG].ns), 7 * MS);
        assert_int_equal(atomic_load(&levels[i]->of[QR_WAIT_WRITELOG].max_ns), 7 * MS);
    }
    qr_gov_task_done(&task);
    stage_close();
}

/* ---- sessions ---- */

static void test_sessions_are_limited_and_the_administrator_gets_in(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 0);
    struct qr_gov_group *group =
        stage_group(5, 5, (struct qr_gov_limits){.sessions_max = 3}, unlimited);
    struct qr_gov_task tasks[4], admins[QRI_ADMIN_RESERVED + 1];
    struct qr_err err = {0};
    for (int i = 0; i < 4; i++) {
        qr_gov_task_init(&tasks[i], group, NULL, NULL, false);
        assert_int_equal(qr_gov_session_take(&tasks[i], &err), i < 3 ? QR_OK : QR_SQL);
    }
    assert_int_equal(err.number, 10928);
    assert_non_null(strstr(err.text, "Resource ID : 2. The session limit for the database is 3"));
    for (int i = 0; i <= QRI_ADMIN_RESERVED; i++) {
        qr_gov_task_init(&admins[i], group, NULL, NULL, true);
        assert_int_equal(qr_gov_session_take(&admins[i], &err),
                         i < QRI_ADMIN_RESERVED ? QR_OK : QR_SQL);
    }
    for (int i = 0; i < 4; i++)
        qr_gov_task_done(&tasks[i]);
    for (int i = 0; i <= QRI_ADMIN_RESERVED; i++)
        qr_gov_task_done(&admins[i]);
    qr_gov_task_init(&tasks[0], group, NULL, NULL, false);
    assert_int_equal(qr_gov_session_take(&tasks[0], &err), QR_OK);
    qr_gov_task_done(&tasks[0]);
    assert_int_equal(atomic_load(&group->account.sessions), 0);
    stage_close();
}

/* Each time somebody asks whether it is cancelled, a second has gone by. */
static bool a_second_passes(void *ctx)
{
    (void)ctx;
    stage.now_ns += S;
    return false;
}

/* The error of a second session, or request, where one is the limit of `pool`, `process`, or else
 * of the database; the first stays. */
static void check_refused(const char *elastic, uint32_t own, uint32_t pool, uint32_t process,
                          bool sessions, int number, const char *words)
{
    static const struct qr_gov_task_ops ops = {.cancelled = a_second_passes};
    stage_open((struct qr_gov_options){.enforce = true, .workers_max = process}, 0);
    struct qr_gov_group_options options = {
        .database_id = 5,
        .shown_id = 5,
        .pool_key = 9,
        .database = "db",
        .objective = "ElasticPool",
        .pool = elastic,
        .limits = {.workers_max = own, .sessions_max = own},
        .pool_limits = {.workers_max = pool, .sessions_max = pool},
    };
    struct qr_gov_group *group = NULL;
    struct qr_gov_task tasks[2];
    struct qr_err err = {0};
    assert_int_equal(qr_gov_group_open(stage.gov, &options, &group, NULL), QR_OK);
    for (int i = 0; i < 2; i++) {
        qr_gov_task_init(&tasks[i], group, &ops, NULL, false);
        enum qr_status status =
            sessions ? qr_gov_session_take(&tasks[i], &err) : qr_gov_worker_take(&tasks[i], &err);
        assert_int_equal(status, i == 0 ? QR_OK : QR_SQL);
    }
    assert_int_equal(err.number, number);
    if (strstr(err.text, words) == NULL)
        fail_msg("%s", err.text);
    if (!sessions)
        qr_gov_worker_give(&tasks[0]);
    for (int i = 0; i < 2; i++)
        qr_gov_task_done(&tasks[i]);
    stage_close();
}

static void test_who_is_refused_is_told_whose_limit_it_was(void **state)
{
    (void)state;
    check_refused("", 1, 1, 0, false, 10928, "Resource ID : 1. The request limit");
    check_refused("p", 9, 1, 0, false, 10936, "Resource ID : 1");
    check_refused("p", 9, 1, 0, true, 10936, "Resource ID : 2");
    check_refused("p", 1, 9, 0, true, 10928, "Resource ID : 2");
    check_refused("", 9, 1, 0, true, 10928, "Resource ID : 2"); /* a pool of its own */
    check_refused("p", 9, 9, 1, false, 10929, "Resource ID : 1");
}

/* ---- samples ---- */

static void keep_half_busy(struct actor *a)
{
    while (stage.now_ns < a->until_ns) {
        qr_gov_enter(&a->task);
        stage_use_cpu(a, 5 * MS);
        qr_gov_leave(&a->task);
        qr_env_sleep_ns(&stage.env, 5 * MS);
    }
}

static void tick(struct actor *a)
{
    while (stage.now_ns <= a->until_ns) {
        qr_governor_tick(stage.gov);
        qr_env_sleep_ns(&stage.env, S);
    }
}

static void test_samples_are_percents_of_the_limits_every_15_seconds(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true, .host_cpu_ns_per_s = 2 * S}, 500000);
    struct qr_gov_limits limits = {.vcores_pct = 200, .sessions_max = 10, .workers_max = 4};
    struct qr_gov_group *group = stage_group(5, 5, limits, unlimited);
    struct actor *ticker = stage_enter_play(qr_gov_internal_group(stage.gov, QR_GOV_SYSTEM), tick,
                                            stage.now_ns + 75 * S);
    struct actor *busy = stage_enter_play(group, keep_half_busy, stage.now_ns + 70 * S);
    assert_int_equal(qr_gov_session_take(&busy->task, NULL), QR_OK);
    (void)ticker;
    stage_run();
    struct qr_gov_sample rows[QR_GOV_SAMPLES_MAX];
    size_t n = qr_gov_group_samples(stage.gov, 5, rows, QR_GOV_SAMPLES_MAX);
    assert_in_range(n, 4, 5);
    for (size_t i = 1; i < n - 1; i++) {
        assert_int_equal(rows[i].ns, 15 * S);
        assert_near(rows[i].cpu, 50, 3); /* half a core of one */
        assert_near(rows[i].instance_cpu, 25, 5);
        assert_int_equal((int)rows[i].sessions_max, 10);
        assert_true(rows[i - 1].end_wall_ns - rows[i].end_wall_ns == 15 * S);
        assert_int_equal(rows[i].vcores_pct, 200);
    }
    struct qr_gov_sample last;
    assert_true(qr_gov_group_last(stage.gov, 5, &last));
    stage_close();
}

static uint64_t two_mib(void)
{
    return 2 << 20;
}

static void
test_memory_of_a_pool_is_that_of_its_groups_and_of_the_process_what_it_says(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.memory_bytes = two_mib, .memory_bytes_max = 8 << 20},
               500000);
    struct qr_gov_limits limits = {.vcores_pct = 200},
                         pool = {.memory_bytes = 400, .data_bytes = 1000};
    struct qr_gov_group *group = stage_group(5, 77, limits, pool),
                        *other = stage_group(6, 77, limits, pool);
    qr_gov_group_set_memory(group, 100);
    qr_gov_group_set_memory(other, 200);
    qr_gov_group_set_storage(other, 250, 500);
    stage_enter_play(qr_gov_internal_group(stage.gov, QR_GOV_SYSTEM), tick, stage.now_ns + 60 * S);
    stage_enter_play(group, keep_half_busy, stage.now_ns + 60 * S);
    stage_run();
    struct qr_gov_sample row;
    assert_int_equal(qr_gov_pool_samples(stage.gov, 77, &row, 1), 1);
    assert_near(row.memory, 75, 0.1);
    assert_near(row.storage, 25, 0.1);
    assert_near(row.instance_memory, 25, 0.1);
    stage_close();
}

/* Half a processor is one vCore here. */
static uint64_t billed_of(uint32_t least_milli, uint64_t memory_bytes)
{
    stage_open((struct qr_gov_options){.enforce = true, .host_cpu_ns_per_s = 2 * S}, 500000);
    struct qr_gov_limits limits = {.vcores_pct = 200, .billed_min_milli = least_milli};
    struct qr_gov_group *group = stage_group(5, 5, limits, unlimited);
    qr_gov_group_set_memory(group, memory_bytes);
    stage_enter_play(qr_gov_internal_group(stage.gov, QR_GOV_SYSTEM), tick, stage.now_ns + 60 * S);
    stage_enter_play(group, keep_half_busy, stage.now_ns + 60 * S);
    stage_run();
    uint64_t micros = qr_gov_group_take_billed(group);
    assert_int_equal(qr_gov_group_take_billed(group), 0);
    stage_close();
    return micros;
}

static void test_serverless_is_billed_for_the_more_of_cpu_and_memory_beyond_the_least(void **state)
{
    (void)state;
    const uint64_t gib = UINT64_C(1) << 30;
    assert_near((double)billed_of(500, 0) / 1e6, 30, 2);       /* half a vCore more, for a minute */
    assert_int_equal(billed_of(1100, 0), 0);                   /* the least is more */
    assert_near((double)billed_of(500, 6 * gib) / 1e6, 90, 4); /* 6 GB are two vCores */
    assert_int_equal(billed_of(0, 6 * gib), 0);                /* it is not serverless */
}

static void test_what_was_closed_is_kept_for_an_hour(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 0);
    struct qr_gov_group *group = stage_group(5, 5, unlimited, unlimited);
    stage_enter(group, 30 * MS, stage.now_ns + 40 * S)->pause_ns = S;
    stage_enter_play(qr_gov_internal_group(stage.gov, QR_GOV_SYSTEM), tick, stage.now_ns + 40 * S);
    stage_run();
    for (size_t i = 0; i < stage.count; i++)
        qr_gov_task_done(&stage.actors[i].task);
    qr_gov_group_close(group);
    struct qr_gov_sample rows[4];
    assert_true(qr_gov_group_samples(stage.gov, 5, rows, 4) >= 2);
    struct qr_gov_group *again = stage_group(5, 5, unlimited, unlimited);
    assert_ptr_equal(again, group);
    qr_gov_group_close(again);
    stage.now_ns += 3700 * S;
    qr_governor_tick(stage.gov);
    assert_int_equal(qr_gov_group_samples(stage.gov, 5, rows, 4), 0);
    stage.count = 0;
    stage_close();
}

static void keep_logging(struct actor *a)
{
    while (stage.now_ns < a->until_ns && !a->is_cancelled) {
        qr_gov_enter(&a->task);
        qr_gov_log_made(500);
        qr_gov_leave(&a->task);
        qr_env_sleep_ns(&stage.env, S);
    }
}

/* It has no buckets of its own for log, but the percents of its database; an elastic pool has not.
 */
static void test_the_pool_of_one_database_shows_what_limits_that(void **state)
{
    (void)state;
    stage_open((struct qr_gov_options){.enforce = true}, 500000);
    struct qr_gov_limits limits = {
        .vcores_pct = 200, .log_bytes_per_s = 1000, .iops = 7, .data_bytes = 1000};
    struct qr_gov_group *group = stage_group(5, 77, limits, unlimited);
    qr_gov_group_set_storage(group, 250, 500);
    stage_enter_play(qr_gov_internal_group(stage.gov, QR_GOV_SYSTEM), tick, stage.now_ns + 60 * S);
    stage_enter_play(group, keep_logging, stage.now_ns + 60 * S);
    stage_run();
    struct qr_gov_sample row;
    assert_int_equal(qr_gov_pool_samples(stage.gov, 77, &row, 1), 1);
    assert_near(row.log_write, 50, 10);
    assert_near(row.storage, 25, 0.1);
    assert_int_equal(row.iops, 7);
    assert_int_equal(row.log_bytes_per_s, 1000);
    stage_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serverless_is_billed_for_the_more_of_cpu_and_memory_beyond_the_least),
        cmocka_unit_test(test_groups_have_their_iops_and_the_pool_its_own),
        cmocka_unit_test(test_large_reads_count_as_several),
        cmocka_unit_test(test_temporary_files_count_as_data_unless_tempdb_has_a_limit_of_its_own),
        cmocka_unit_test(test_log_rate_has_three_levels_and_a_wait_for_each),
        cmocka_unit_test(test_waits_count_for_session_group_pool_and_process),
        cmocka_unit_test(test_sessions_are_limited_and_the_administrator_gets_in),
        cmocka_unit_test(test_who_is_refused_is_told_whose_limit_it_was),
        cmocka_unit_test(test_samples_are_percents_of_the_limits_every_15_seconds),
        cmocka_unit_test(
            test_memory_of_a_pool_is_that_of_its_groups_and_of_the_process_what_it_says),
        cmocka_unit_test(test_the_pool_of_one_database_shows_what_limits_that),
        cmocka_unit_test(test_what_was_closed_is_kept_for_an_hour),
    };
    return cmocka_run_group_tests_name("governor/rates", tests, NULL, NULL);
}
