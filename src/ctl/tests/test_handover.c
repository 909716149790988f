/* Goal: control's program is replaced while others ask it: who is ready stays so, who is not any
 * more is found out, and an operation that was asked for is done once. Method: control over its
 * real sockets, stopped as for another program and made again from what it wrote down. */
#include "control_bed.h"

static const char id[] = "6f9619ff-8b86-4d11-b42d-00c04fc964ff";

static void ready_all(struct fixture *f)
{
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "shared"), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_GATEWAY, "gateway"), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_API, "api"), QR_OK);
}

static int64_t soon(void)
{
    return qr_env_mono_ns(qr_env_real()) + TIME_NS;
}

/* What the next program does; the caller frees the text after close_control. */
static char *replace(struct fixture *f, int pid)
{
    struct qr_buf state;
    qr_buf_init(&state, 1 << 20);
    assert_int_equal(qr_control_hold(f->control, soon(), NULL), QR_OK);
    assert_int_equal(qr_control_hand_over(f->control, &state, NULL), QR_OK);
    close_control(f);
    f->control = NULL;
    f->pid = pid;
    bed_handed = strdup(qr_buf_cstr(&state));
    qr_buf_done(&state);
    assert_int_equal(open_control(f), QR_OK);
    return (char *)(uintptr_t)bed_handed;
}

static void test_who_was_ready_is_ready(void **state)
{
    struct fixture *f = *state;
    struct qr_buf reply;
    qr_buf_init(&reply, 1024);
    create(f, "shop");
    ready_all(f);
    char *handed = replace(f, (int)getpid());
    int wanted = f->wanted;
    struct qr_control_ask ask = {.name = qr_str("shop")};
    assert_int_equal(call(f->brief, QR_CONTROL_ROUTE, &ask, &reply, NULL), QR_OK);
    assert_int_equal(f->wanted, wanted); /* nobody was to be started for it */
    assert_int_equal(qr_control_start(f->control, soon(), NULL), QR_OK);
    qr_buf_done(&reply);
    bed_handed = NULL;
    free(handed);
}

static void test_who_ended_meanwhile_is_not(void **state)
{
    struct fixture *f = *state;
    ready_all(f);
    char *handed = replace(f, (int)getpid() + 1);
    assert_int_equal(qr_control_start(f->control, qr_env_mono_ns(qr_env_real()), NULL), QR_TIMEOUT);
    assert_int_equal(
        qr_control_wait_ready(f->control, "shared", f->pid, qr_env_mono_ns(qr_env_real()), NULL),
        QR_TIMEOUT);
    qr_control_known(f->control, "shared", f->pid);
    assert_int_equal(
        qr_control_wait_ready(f->control, "shared", f->pid, qr_env_mono_ns(qr_env_real()), NULL),
        QR_OK);
    bed_handed = NULL;
    free(handed);
}

static void *ask_create(void *arg)
{
    struct fixture *f = arg;
    struct qr_control_ask ask = {.name = qr_str("shop"), .operation_id = qr_str(id)};
    struct qr_err err = {0};
    struct iovec iov;
    struct qr_buf body;
    qr_buf_init(&body, 4096);
    qr_control_ask_put(&body, QR_CONTROL_CREATE, &ask);
    iov = (struct iovec){body.data, body.len};
    enum qr_status status = qr_rpc_call_wait(qr_rpc_client_peer(f->operate), QR_CONTROL_CREATE,
                                             &iov, 1, TIME_NS, NULL, &err);
    qr_buf_done(&body);
    return status == QR_CLOSED ? f : NULL;
}

static void test_an_operation_that_waits_is_done_once_by_the_next(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    void *closed = NULL;
    struct qr_database_row row;
    ready_all(f);
    assert_int_equal(qr_control_hold(f->control, soon(), NULL), QR_OK);
    assert_int_equal(pthread_create(&thread, NULL, ask_create, f), 0);
    while (qr_registry_find_database(f->registry, 0, qr_str("shop"), &row) != QR_OK)
        usleep(1000); /* it has begun, and does not run */
    struct qr_buf text;
    qr_buf_init(&text, 1 << 20);
    assert_int_equal(qr_control_hand_over(f->control, &text, NULL), QR_OK);
    qr_control_free(f->control);
    f->control = NULL;
    assert_int_equal(pthread_join(thread, &closed), 0);
    assert_non_null(closed); /* who asked is to ask again, now that nobody would refuse it again */
    close_control(f);
    bed_handed = qr_buf_cstr(&text);
    assert_int_equal(open_control(f), QR_OK);
    assert_int_equal(qr_control_start(f->control, soon(), NULL), QR_OK);
    struct qr_control_ask ask = {.name = qr_str("shop"), .operation_id = qr_str(id)};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("shop"), &row), QR_OK);
    assert_int_equal(row.state, QR_DATABASE_ONLINE);
    bed_handed = NULL;
    qr_buf_done(&text);
}

static void test_what_is_no_state_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum qr_status want;
    } rows[] = {
        {"", QR_UNSUPPORTED},
        {"{}", QR_UNSUPPORTED},
        {"{\"format\":2,\"version\":1,\"members\":[],\"reigns\":[]}", QR_UNSUPPORTED},
        {"{\"format\":1,\"version\":1,\"members\":[{\"name\":\"shared\"}],\"reigns\":[]}",
         QR_CORRUPT},
        {"{\"format\":1,\"version\":1,\"members\":[{\"name\":"
         "\"a-name-that-is-longer-than-any-node-has\",\"pid\":2}],\"reigns\":[]}",
         QR_CORRUPT},
        {"{\"format\":1,\"version\":1,\"members\":[],\"reigns\":[{\"database\":5,\"state\":9,"
         "\"primary\":\"hs-5\"}]}",
         QR_CORRUPT},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_control *control = NULL;
        struct qr_control_options options = {.env = qr_env_real(),
                                             .registry = f->registry,
                                             .run_dir = f->run,
                                             .handed = rows[i].text};
        assert_int_equal(qr_control_new(&options, &control, NULL), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_was_ready_is_ready, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_ended_meanwhile_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_operation_that_waits_is_done_once_by_the_next,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_state_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("ctl/handover", tests, NULL, NULL);
}
