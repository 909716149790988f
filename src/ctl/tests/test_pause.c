/* Goal: a serverless database that nobody uses is paused, what is in use is not, and a route never
 * leads to a paused one. Method: control over its real sockets, with a node that says what the test
 * says, and minutes of a millisecond. */
#include "control_bed.h"
#include "ctl/resources.h"
#include "ctl/telemetry.h"

static int setup_paused(void **state)
{
    static const char *const names[] = {"log", "page", "gateway", "shared", "api"};
    bed_pause_minute_ns = 1000000;
    if (setup(state) != 0)
        return 1;
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        if (make_ready(f, (enum qr_role)i, names[i]) != QR_OK)
            return 1;
    return qr_control_start(f->control, qr_env_mono_ns(qr_env_real()) + TIME_NS, NULL) != QR_OK;
}

static void create_serverless(struct fixture *f, int32_t minutes)
{
    struct qr_control_ask ask = {.name = qr_str("shop"),
                                 .objective = qr_str("GP_S_Gen5_2"),
                                 .traits = {.auto_pause_minutes = minutes}};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
}

static void set_rest(struct fixture *f, bool rests, uint64_t idle_ns)
{
    pthread_mutex_lock(&f->mu);
    f->rest = (struct qr_rest_state){.rests = rests, .idle_ns = idle_ns};
    pthread_mutex_unlock(&f->mu);
}

static void wait_rests(struct fixture *f, int more)
{
    pthread_mutex_lock(&f->mu);
    more += f->rest_count;
    while (f->rest_count < more)
        (void)qr_cond_wait(&f->changed, &f->mu, -1);
    pthread_mutex_unlock(&f->mu);
}

static const char *status_of(struct fixture *f, struct qr_resource_database *d)
{
    assert_int_equal(
        qr_resource_database_get(qr_rpc_client_peer(f->brief), 0, qr_str("shop"), TIME_NS, d, NULL),
        QR_OK);
    return qr_resource_status(d);
}

static void wait_status(struct fixture *f, struct qr_resource_database *d, const char *status)
{
    while (strcmp(status_of(f, d), status) != 0)
        qr_env_sleep_ns(qr_env_real(), 1000000);
}

static bool was_asked(struct fixture *f, uint16_t method)
{
    bool found = false;
    pthread_mutex_lock(&f->mu);
    for (int i = 0; i < f->call_count; i++)
        found = found || f->calls[i] == method;
    f->call_count = 0; /* from here on, please */
    pthread_mutex_unlock(&f->mu);
    return found;
}

static enum qr_status route(struct fixture *f)
{
    struct qr_control_ask ask = {.name = qr_str("shop")};
    return call(f->brief, QR_CONTROL_ROUTE, &ask, NULL, NULL);
}

static void test_what_nobody_uses_is_paused_and_a_route_resumes_it(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    set_rest(f, true, UINT64_MAX);
    create_serverless(f, 15);
    for (int i = 0; i < 3; i++) {
        wait_status(f, &d, "Paused");
        assert_true(d.row.paused_wall_ns > 0);
        (void)was_asked(f, QR_NODE_RELEASE);
        assert_int_equal(route(f), QR_OK);
        assert_true(was_asked(f, QR_NODE_RELEASE));
    }
    set_rest(f, false, 0);
    assert_int_equal(route(f), QR_OK);
    wait_status(f, &d, "Online");
    assert_true(d.row.paused_wall_ns == 0 && d.row.resumed_wall_ns > 0);
}

/* Whom no login let in wakes it only if it may have users that it alone knows. */
static void test_who_cannot_come_in_does_not_resume_it(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    const struct qr_control_ask guess = {.name = qr_str("shop"), .unchecked = true};
    struct qr_err err = {0};
    set_rest(f, true, UINT64_MAX);
    f->rest.only_logins = true;
    create_serverless(f, 15);
    wait_status(f, &d, "Paused");
    assert_int_equal(call(f->brief, QR_CONTROL_ROUTE, &guess, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 4060);
    assert_string_equal(status_of(f, &d), "Paused");
    set_rest(f, false, 0); /* it is not paused again at once */
    assert_int_equal(route(f), QR_OK);
    wait_status(f, &d, "Online");
    assert_int_equal(call(f->brief, QR_CONTROL_ROUTE, &guess, NULL, NULL), QR_OK);
    set_rest(f, true, UINT64_MAX); /* with such users, or it does not know */
    wait_status(f, &d, "Paused");
    set_rest(f, false, 0);
    assert_int_equal(call(f->brief, QR_CONTROL_ROUTE, &guess, NULL, NULL), QR_OK);
    wait_status(f, &d, "Online");
}

static void test_what_is_in_use_stays_online(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    set_rest(f, false, 0);
    create_serverless(f, 15);
    wait_rests(f, 3);
    wait_status(f, &d, "Online");
    set_rest(f, false, UINT64_MAX); /* long enough, but its backup is not there yet */
    wait_rests(f, 3);
    wait_status(f, &d, "Online");
    assert_true(d.row.paused_wall_ns == 0 && d.row.resumed_wall_ns == 0);
}

static void test_one_that_shall_never_pause_is_not_asked(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    struct qr_control_ask other = {.name = qr_str("other"), .objective = qr_str("GP_S_Gen5_2")};
    set_rest(f, true, UINT64_MAX);
    create_serverless(f, -1);
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &other, NULL, NULL), QR_OK);
    wait_rests(f, 1); /* the other one's, which waits for an hour */
    assert_string_equal(status_of(f, &d), "Online");
    assert_true(d.row.paused_wall_ns == 0);
}

static void *route_main(void *arg)
{
    return route(arg) == QR_OK ? arg : NULL;
}

static void test_who_comes_while_it_pauses_keeps_it_online(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    uint8_t answer[QR_REST_BYTES];
    pthread_t thread;
    void *routed = NULL;
    set_rest(f, true, UINT64_MAX);
    f->keep_method = QR_NODE_REST;
    create_serverless(f, 15);
    wait_rests(f, 1);
    assert_string_equal(status_of(f, &d), "Pausing");
    assert_int_equal(pthread_create(&thread, NULL, route_main, f), 0);
    qr_env_sleep_ns(qr_env_real(),
                    20000000); /* most likely it waits now; if not, it is led there */
    pthread_mutex_lock(&f->mu);
    f->keep_method = 0;
    f->rest = (struct qr_rest_state){.rests = false};
    struct qr_rpc_request *kept = f->kept[0];
    pthread_mutex_unlock(&f->mu);
    (void)was_asked(f, QR_NODE_RELEASE);
    qr_rest_state_put(answer, &(struct qr_rest_state){.rests = true, .idle_ns = UINT64_MAX});
    qr_rpc_answer(kept, &(struct iovec){answer, sizeof answer}, 1);
    assert_int_equal(pthread_join(thread, &routed), 0);
    assert_ptr_equal(routed, f);
    wait_status(f, &d, "Online");
    assert_true(was_asked(f, QR_NODE_RELEASE)); /* the node lets people in again */
}

static void test_a_paused_one_is_resumed_before_an_operation(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    struct qr_control_ask ask = {.name = qr_str("shop"), .traits = {.min_capacity_pct = 100}};
    set_rest(f, true, UINT64_MAX);
    create_serverless(f, 15);
    wait_status(f, &d, "Paused");
    set_rest(f, false, 0);
    (void)was_asked(f, QR_NODE_RELEASE);
    assert_int_equal(call(f->operate, QR_CONTROL_ALTER, &ask, NULL, NULL), QR_OK);
    wait_status(f, &d, "Online"); /* its node may be asked again already, whether it rests */
    assert_true(was_asked(f, QR_NODE_RELEASE));
    assert_int_equal(d.row.traits.min_capacity_pct, 100);
    set_rest(f, true, UINT64_MAX);
    wait_status(f, &d, "Paused");
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, NULL), QR_OK);
}

/* ---- what it costs ---- */

static int setup_billed(void **state)
{
    char path[] = "/tmp/qr_test_pause_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0 || qr_telemetry_open(path, &bed_telemetry, NULL) != QR_OK)
        return 1;
    (void)unlink(path); /* it is used as long as it is open */
    return setup_paused(state);
}

static int teardown_billed(void **state)
{
    int failed = teardown(state);
    qr_telemetry_close(bed_telemetry);
    bed_telemetry = NULL;
    return failed;
}

static uint64_t billed(const char *key)
{
    struct qr_telemetry_row row;
    struct qr_buf buf;
    uint64_t micros = 0;
    qr_buf_init(&buf, 65536);
    assert_int_equal(
        qr_telemetry_list(bed_telemetry, QR_TELEMETRY_BILLED, 0, 0, qr_str(""), 60000, &buf, NULL),
        QR_OK);
    for (size_t at = 0; at < buf.len;) {
        assert_int_equal(qr_telemetry_next(buf.data, buf.len, &at, &row, NULL), QR_OK);
        assert_true(row.at_wall_ns % (60 * INT64_C(1000000000)) == 0);
        micros += qr_str_ieqz(row.key, key) ? row.count : 0;
    }
    qr_buf_done(&buf);
    return micros;
}

/* Kept with the next look, in two rows if a minute begins meanwhile; then it stays as it is. */
static uint64_t billed_at_last(const char *key)
{
    uint64_t micros = 0, before = 1;
    for (int looks = 0; micros == 0 || micros != before; looks++) {
        assert_true(looks < 200);
        before = micros;
        qr_env_sleep_ns(qr_env_real(), 60000000);
        micros = billed(key);
    }
    return micros;
}

static void test_the_least_is_billed_while_it_is_online_and_nothing_while_it_is_paused(void **state)
{
    static struct qr_resource_database d;
    struct fixture *f = *state;
    struct qr_control_ask ask = {.name = qr_str("shop"),
                                 .objective = qr_str("GP_S_Gen5_8"),
                                 .traits = {.auto_pause_minutes = 200, .min_capacity_pct = 400}};
    int64_t began_ns = qr_env_mono_ns(qr_env_real());
    set_rest(f, true, UINT64_MAX);
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
    wait_status(f, &d, "Paused");
    uint64_t online_us = (uint64_t)(qr_env_mono_ns(qr_env_real()) - began_ns) / 1000;
    uint64_t micros = billed_at_last("shop");
    assert_in_range(micros, 4 * 100000, 4 * online_us); /* 4 vCores, for 200 ms or more */
    assert_int_equal(billed("ha:shop"), 0);
    set_rest(f, false, 0);
    assert_int_equal(route(f), QR_OK);
    qr_control_stop(f->control);
    close_control(f); /* what it owes is kept */
    f->control = NULL;
    f->node = NULL;
    f->loop = NULL;
    f->brief = f->operate = NULL;
    assert_true(billed("shop") > micros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_nobody_uses_is_paused_and_a_route_resumes_it,
                                        setup_paused, teardown),
        cmocka_unit_test_setup_teardown(test_who_cannot_come_in_does_not_resume_it, setup_paused,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_in_use_stays_online, setup_paused, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_shall_never_pause_is_not_asked, setup_paused,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_who_comes_while_it_pauses_keeps_it_online,
                                        setup_paused, teardown),
        cmocka_unit_test_setup_teardown(test_a_paused_one_is_resumed_before_an_operation,
                                        setup_paused, teardown),
        cmocka_unit_test_setup_teardown(
            test_the_least_is_billed_while_it_is_online_and_nothing_while_it_is_paused,
            setup_billed, teardown_billed),
    };
    return cmocka_run_group_tests_name("ctl/pause", tests, NULL, NULL);
}
