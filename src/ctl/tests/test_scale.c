/* Goal: the node that takes over is warmed by the one that serves, before that is drained, in
 * pieces and for as long as the options say; nothing that fails there fails the operation; and who
 * takes over waits for no process that has resigned. Method: two nodes that do what the test says.
 */
#include "control_bed.h"
#include "ctl/warm.h"

enum { HOT = 2, MEMORY = 600, LISTED = 1100 };
static _Atomic uint32_t warmed[QR_WARM_COUNT], warm_calls;
static atomic_bool garbage;

static void answer_hot(struct qr_rpc_request *own_request)
{
    static uint32_t pages[LISTED];
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    for (uint32_t i = 0; i < LISTED; i++)
        pages[i] = 1000 + i;
    qr_warm_list_put(&buf, pages, &(struct qr_hyper_listed){HOT, MEMORY, LISTED});
    if (atomic_load(&garbage))
        buf.len = 7;
    qr_rpc_answer(own_request, &(struct iovec){buf.data, buf.len}, 1);
    qr_buf_done(&buf);
}

static void answer_warm(struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    uint32_t pages[QR_HYPER_WARM_MAX];
    enum qr_warmth as = QR_WARM_COLD;
    uint8_t answer[4] = {0};
    size_t at = 0, count = 0;
    assert_int_equal(qr_control_row_next(own_request->body, own_request->bytes, &at, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_warm_pages_get(own_request->body + at, own_request->bytes - at, &as, pages,
                                       &count, NULL),
                     QR_OK);
    uint32_t before = atomic_load(&warmed[0]) + atomic_load(&warmed[1]) + atomic_load(&warmed[2]);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(pages[i], 1000 + before + i); /* most used first */
    atomic_fetch_add(&warmed[as], (uint32_t)count);
    atomic_fetch_add(&warm_calls, 1);
    qr_put32le(answer, (uint32_t)count);
    qr_rpc_answer(own_request, &(struct iovec){answer, sizeof answer}, 1);
}

static bool serve_warming(struct fixture *f, struct qr_rpc_request *own_request)
{
    pthread_mutex_lock(&f->mu);
    bool fails = own_request->method == f->fail_method || own_request->method == f->keep_method;
    if (f->call_count < CALLS_MAX && !fails &&
        (own_request->method == QR_NODE_HOT || own_request->method == QR_NODE_WARM))
        f->calls[f->call_count++] = own_request->method;
    pthread_mutex_unlock(&f->mu);
    if (!fails && own_request->method == QR_NODE_HOT)
        answer_hot(own_request);
    else if (!fails && own_request->method == QR_NODE_WARM)
        answer_warm(own_request);
    else
        return false;
    return true;
}

static int setup_warming(void **state)
{
    bed_warm_up_ns = INT64_C(30000000000);
    for (int i = 0; i < QR_WARM_COUNT; i++)
        atomic_store(&warmed[i], 0);
    atomic_store(&warm_calls, 0);
    atomic_store(&garbage, false);
    return setup(state);
}

static size_t place_of(const struct fixture *f, uint16_t method)
{
    size_t i = 0;
    while (i < (size_t)f->call_count && f->calls[i] != method)
        i++;
    return i;
}

static size_t place_of_last(const struct fixture *f, uint16_t method)
{
    size_t i = (size_t)f->call_count;
    while (i > 0 && f->calls[i - 1] != method)
        i--;
    return i;
}

/* hs-5 serves, hs-5-r1 and hs-5-r2 are there; the objective is asked for in new processes. No
 * process of this world ends but the one that the fixture says. */
static void relocate(struct fixture *f, uint32_t replicas)
{
    static const char *const names[] = {"hs-5", "hs-5-r1", "hs-5-r2"};
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = replicas + 1};
    struct qr_rpc_listener *nodes[3] = {NULL};
    struct qr_database_row row;
    char address[128];
    f->serve = serve_warming;
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    for (int i = 0; i < 3; i++) {
        snprintf(address, sizeof address, "unix:%s/%s.node", f->run, names[i]);
        struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
        assert_int_equal(qr_rpc_listen(f->loop, &listen, &nodes[i], NULL), QR_OK);
        assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, names[i]), QR_OK);
    }
    struct qr_control_ask ask = {
        .name = qr_str("h"), .objective = qr_str("HS_Gen5_4"), .relocate = true};
    struct qr_err err = {0};
    if (call(f->operate, QR_CONTROL_ALTER, &ask, NULL, &err) != QR_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < 3; i++)
        qr_rpc_listener_free(nodes[i]);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("h"), &row), QR_OK);
    assert_string_equal(row.objective, "HS_Gen5_4");
    assert_true(place_of(f, QR_NODE_DRAIN) < place_of(f, QR_NODE_PROMOTE));
    assert_true(place_of(f, QR_NODE_PROMOTE) < (size_t)f->call_count);
}

static void test_the_next_node_is_warmed_before_the_one_that_serves_is_drained(void **state)
{
    struct fixture *f = *state;
    relocate(f, 0);
    assert_true(place_of(f, QR_NODE_HOT) < place_of(f, QR_NODE_WARM));
    assert_true(place_of(f, QR_NODE_WARM) < place_of(f, QR_NODE_DRAIN));
    assert_int_equal(atomic_load(&warmed[QR_WARM_HOT]), HOT);
    assert_int_equal(atomic_load(&warmed[QR_WARM_COLD]), MEMORY - HOT);
    assert_int_equal(atomic_load(&warmed[QR_WARM_DISK]), LISTED - MEMORY);
    assert_int_equal(atomic_load(&warm_calls), 4);
}

static void test_what_fails_in_warming_fails_nothing_else(void **state)
{
    struct fixture *f = *state;
    f->fail_method = QR_NODE_HOT;
    relocate(f, 0);
    assert_int_equal(atomic_load(&warm_calls), 0);
}

/* It does not even answer: the operation takes no longer than warming may. */
static void test_who_serves_and_is_stuck_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    f->keep_method = QR_NODE_HOT;
    int64_t start = qr_env_mono_ns(qr_env_real());
    relocate(f, 0);
    assert_in_range(qr_env_mono_ns(qr_env_real()) - start, 0, INT64_C(5000000000));
    assert_int_equal(f->kept_count, 2); /* the primary, then the replica that is replaced */
    assert_int_equal(atomic_load(&warm_calls), 0);
    for (int i = 0; i < f->kept_count; i++)
        qr_rpc_answer(f->kept[i], NULL, 0);
}

static void test_a_node_that_cannot_be_warmed_takes_over_cold(void **state)
{
    struct fixture *f = *state;
    f->fail_method = QR_NODE_WARM;
    relocate(f, 0);
}

/* The one that served is to be a replica, and does not come back; hs-5-r2 has told its pages. */
static void test_a_replica_that_does_not_come_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    f->ends = "hs-5";
    int64_t start = qr_env_mono_ns(qr_env_real());
    relocate(f, 1);
    assert_in_range(qr_env_mono_ns(qr_env_real()) - start, 0, bed_warm_up_ns / 3);
    assert_true(place_of_last(f, QR_NODE_HOT) > place_of(f, QR_NODE_DRAIN));
    assert_int_equal(atomic_load(&warm_calls), 4); /* the new primary's */
}

static void test_a_list_that_breaks_its_format_warms_nothing(void **state)
{
    atomic_store(&garbage, true);
    relocate(*state, 0);
    assert_int_equal(atomic_load(&warm_calls), 0);
}

static void test_without_time_for_it_nobody_is_asked(void **state)
{
    struct fixture *f = *state;
    relocate(f, 0);
    assert_int_equal(place_of(f, QR_NODE_HOT), f->call_count);
}

static int setup_brief(void **state)
{
    int code = setup_warming(state);
    struct fixture *f = *state;
    bed_warm_up_ns = 200000000;
    close_control(f);
    f->control = NULL;
    return code != 0 || open_control(f) != QR_OK;
}

static int setup_cold(void **state)
{
    int code = setup_warming(state);
    struct fixture *f = *state;
    bed_warm_up_ns = 0;
    close_control(f);
    f->control = NULL;
    return code != 0 || open_control(f) != QR_OK;
}

#define T(name, begin) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_next_node_is_warmed_before_the_one_that_serves_is_drained, setup_warming),
        T(test_what_fails_in_warming_fails_nothing_else, setup_warming),
        T(test_who_serves_and_is_stuck_is_not_waited_for, setup_brief),
        T(test_a_node_that_cannot_be_warmed_takes_over_cold, setup_warming),
        T(test_a_replica_that_does_not_come_is_not_waited_for, setup_warming),
        T(test_a_list_that_breaks_its_format_warms_nothing, setup_warming),
        T(test_without_time_for_it_nobody_is_asked, setup_cold),
    };
    return cmocka_run_group_tests_name("ctl/scale", tests, NULL, NULL);
}
