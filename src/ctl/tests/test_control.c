/* Goal: sessions find their node, operations leave no half database, and who asks for news gets it.
 * Method: control over its real sockets, with a node that does what the test says. */
#include "control_bed.h"

struct later { /* a call whose outcome is looked at later */
    struct qr_rpc_call call;
    struct fixture *f;
    struct qr_buf body;
    bool over;
    enum qr_status status;
    struct qr_err err;
    uint8_t reply[4096];
    size_t reply_bytes;
};

static void later_done(struct qr_rpc_call *rpc, const struct qr_rpc_reply *reply)
{
    struct later *later = (struct later *)rpc;
    pthread_mutex_lock(&later->f->mu);
    later->over = true;
    later->status = reply->status;
    if (reply->status != QR_OK)
        later->err = *reply->err;
    later->reply_bytes = reply->bytes < sizeof later->reply ? reply->bytes : sizeof later->reply;
    if (reply->status == QR_OK && later->reply_bytes > 0)
        memcpy(later->reply, reply->body, later->reply_bytes);
    pthread_cond_broadcast(&later->f->changed);
    pthread_mutex_unlock(&later->f->mu);
}

static void start_call(struct fixture *f, struct later *later, struct qr_rpc_client *client,
                       enum qr_control_method method, const struct qr_control_ask *ask,
                       int64_t timeout_ns)
{
    *later = (struct later){.f = f};
    qr_buf_init(&later->body, 4096);
    qr_control_ask_put(&later->body, method, ask);
    later->call = (struct qr_rpc_call){
        .method = (uint16_t)method,
        .body_count = 1,
        .body = {{.iov_base = later->body.data, .iov_len = later->body.len}},
        .timeout_ns = timeout_ns,
        .done = later_done,
    };
    qr_rpc_start(qr_rpc_client_peer(client), &later->call);
}

static void wait_call(struct later *later)
{
    pthread_mutex_lock(&later->f->mu);
    while (!later->over)
        (void)qr_cond_wait(&later->f->changed, &later->f->mu, -1);
    pthread_mutex_unlock(&later->f->mu);
    qr_buf_done(&later->body);
}

static void wait_wanted(struct fixture *f, int count)
{
    pthread_mutex_lock(&f->mu);
    while (f->wanted < count)
        (void)qr_cond_wait(&f->changed, &f->mu, -1);
    pthread_mutex_unlock(&f->mu);
}

/* ---- tests ---- */

static void test_a_route_waits_until_its_node_is_ready(void **state)
{
    struct fixture *f = *state;
    struct later later;
    struct qr_control_route route;
    create(f, "shop");
    start_call(f, &later, f->brief, QR_CONTROL_ROUTE,
               &(struct qr_control_ask){.name = qr_str("SHOP")}, TIME_NS);
    wait_wanted(f, 1); /* a node that is not there is asked for */
    assert_string_equal(f->wanted_name, "shared");
    assert_false(later.over);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "shared"), QR_OK);
    wait_call(&later);
    assert_int_equal(later.status, QR_OK);
    assert_int_equal(qr_control_route_get(later.reply, later.reply_bytes, &route, NULL), QR_OK);
    assert_non_null(strstr(route.address, "/run/shared.tds"));
    assert_int_equal(route.database_id, 5);
    qr_control_exited(f->control, "shared", true); /* and waits again once its process is gone */
    start_call(f, &later, f->brief, QR_CONTROL_ROUTE,
               &(struct qr_control_ask){.name = qr_str("shop")}, TIME_NS);
    wait_wanted(f, 2);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "shared"), QR_OK);
    wait_call(&later);
    assert_int_equal(later.status, QR_OK);
}

static void test_a_database_that_is_not_there_has_no_route(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    struct qr_control_ask ask = {.name = qr_str("nosuch")};
    assert_int_equal(call(f->brief, QR_CONTROL_ROUTE, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 4060);
}

static void test_a_route_that_will_not_come_is_40613(void **state)
{
    struct fixture *f = *state;
    struct later later;
    create(f, "shop");
    start_call(f, &later, f->brief, QR_CONTROL_ROUTE,
               &(struct qr_control_ask){.name = qr_str("shop")}, TIME_NS);
    wait_wanted(f, 1);
    qr_control_stop(f->control);
    wait_call(&later);
    assert_int_equal(later.err.number, 40613);
    start_call(f, &later, f->brief, QR_CONTROL_ROUTE,
               &(struct qr_control_ask){.name = qr_str("shop")}, TIME_NS);
    wait_call(&later); /* nobody waits for what will not come */
    assert_int_equal(later.err.number, 40613);
}

static void test_only_our_own_processes_register(void **state)
{
    struct fixture *f = *state;
    f->pid = (int)getpid() + 1;
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "shared"), QR_DENIED);
    f->pid = 0;
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "shared"), QR_DENIED);
}

static void test_a_database_is_made_by_its_node_and_found_afterwards(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    create(f, "shop");
    assert_int_equal(f->calls[0], QR_NODE_MAKE);
    assert_int_equal(
        qr_control_find(qr_rpc_client_peer(f->brief), 0, qr_str("Shop"), 0, TIME_NS, &row, NULL),
        QR_OK);
    assert_int_equal(row.state, QR_DATABASE_ONLINE);
    assert_int_equal(
        qr_control_find(qr_rpc_client_peer(f->brief), 0, qr_str(""), row.id, TIME_NS, &row, NULL),
        QR_OK);
    assert_string_equal(row.name, "shop");
    assert_int_equal(
        qr_control_find(qr_rpc_client_peer(f->brief), 0, qr_str("no"), 0, TIME_NS, &row, NULL),
        QR_NOT_FOUND);
}

static void test_what_the_node_cannot_make_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_control_ask ask = {.name = qr_str("shop")};
    f->fail_method = QR_NODE_MAKE;
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 3702); /* what the node said */
    assert_int_equal(f->calls[1], QR_NODE_REMOVE);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("shop"), &row), QR_NOT_FOUND);
    ask.name = qr_str("x");
    ask.objective = qr_str("GP_Gen5_3");
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 40804);
}

static void test_a_database_in_use_is_not_dropped(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_control_ask ask = {.name = qr_str("shop")};
    create(f, "shop");
    f->fail_method = QR_NODE_HOLD;
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 3702);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("shop"), &row), QR_OK);
    assert_int_equal(row.state, QR_DATABASE_ONLINE);
    f->fail_method = 0;
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, &err), QR_OK);
    assert_int_equal(f->calls[f->call_count - 1], QR_NODE_REMOVE);
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, &err), QR_NOT_FOUND);
}

static void test_a_start_finishes_what_a_crash_left(void **state)
{
    static const char *const names[] = {"log", "page", "gateway", "shared", "api"};
    struct fixture *f = *state;
    struct qr_database_row half;
    struct qr_database_wish wish = {0};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("half"), &wish, &half, NULL),
                     QR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(make_ready(f, (enum qr_role)i, names[i]), QR_OK);
    assert_int_equal(qr_control_start(f->control, qr_env_mono_ns(qr_env_real()) + TIME_NS, NULL),
                     QR_OK);
    assert_int_equal(f->calls[0], QR_NODE_REMOVE);
    assert_int_equal(f->calls[1], QR_NODE_MAKE);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("half"), &half),
                     QR_NOT_FOUND);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("master"), &half), QR_OK);
    assert_int_equal(half.id, QR_MASTER_ID);
}

/* What a half made database has on log service and page server goes when they are there. */
static void test_a_start_without_storage_finishes_what_a_crash_left(void **state)
{
    static const char *const names[] = {"", "", "gateway", "shared", "api"};
    struct fixture *f = *state;
    struct qr_database_row half, hyper, dropped, row;
    struct qr_database_wish wish = {0}, at_storage = {.edition = qr_str("Hyperscale")};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("half"), &wish, &half, NULL),
                     QR_OK);
    assert_int_equal(
        qr_registry_add_database(f->registry, 0, qr_str("hyper"), &at_storage, &hyper, NULL),
        QR_OK);
    assert_int_equal(
        qr_registry_add_database(f->registry, 0, qr_str("dropped"), &at_storage, &dropped, NULL),
        QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, dropped.id, QR_DATABASE_DROPPING, NULL),
                     QR_OK);
    for (int i = 2; i < 5; i++)
        assert_int_equal(make_ready(f, (enum qr_role)i, names[i]), QR_OK);
    int64_t begun_ns = qr_env_mono_ns(qr_env_real());
    assert_int_equal(qr_control_start(f->control, begun_ns + TIME_NS / 120, NULL), QR_OK);
    assert_true(qr_env_mono_ns(qr_env_real()) - begun_ns <
                TIME_NS / 6); /* not longer than is said */
    assert_int_equal(f->calls[0], QR_NODE_REMOVE);
    assert_int_equal(qr_registry_find_id(f->registry, half.id, &row), QR_NOT_FOUND);
    assert_int_equal(qr_registry_find_id(f->registry, hyper.id, &row), QR_OK);
    assert_int_equal(row.state, QR_DATABASE_PURGING);
    assert_int_equal(qr_registry_find_id(f->registry, dropped.id, &row), QR_OK);
    assert_int_equal(row.state, QR_DATABASE_DROPPED);
}

static void test_a_start_without_its_processes_times_out(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(qr_control_start(f->control, qr_env_mono_ns(qr_env_real()), NULL), QR_TIMEOUT);
}

/* The version, and how many items of that kind there are. */
static uint64_t read_state(const uint8_t *bytes, size_t count, enum qr_control_item_kind kind,
                           int *ret_items)
{
    struct qr_control_item item;
    *ret_items = 0;
    for (size_t at = 8; at < count;) {
        assert_int_equal(qr_control_item_next(bytes, count, &at, &item, NULL), QR_OK);
        *ret_items += item.kind == kind;
    }
    return qr_get64le(bytes);
}

static void test_a_rule_is_known_to_the_gateway_when_the_statement_ends(void **state)
{
    struct fixture *f = *state;
    struct later rule, news;
    int rules;
    uint64_t version = 0;
    assert_int_equal(make_ready(f, QR_ROLE_GATEWAY, "gateway"), QR_OK);
    start_call(f, &news, f->brief, QR_CONTROL_STATE, &(struct qr_control_ask){0}, TIME_NS);
    wait_call(&news);
    version = read_state(news.reply, news.reply_bytes, QR_ITEM_RULE, &rules);
    assert_int_equal(rules, 0);
    start_call(f, &news, f->brief, QR_CONTROL_STATE, &(struct qr_control_ask){.version = version},
               TIME_NS);
    start_call(f, &rule, f->operate, QR_CONTROL_SET_RULE,
               &(struct qr_control_ask){.name = qr_str("office"),
                                        .start = qr_str("10.0.0.1"),
                                        .end = qr_str("10.0.0.9")},
               TIME_NS);
    wait_call(&news); /* the rule ends its wait */
    assert_true(read_state(news.reply, news.reply_bytes, QR_ITEM_RULE, &rules) > version);
    assert_int_equal(rules, 1);
    version = qr_get64le(news.reply);
    start_call(f, &news, f->brief, QR_CONTROL_STATE, &(struct qr_control_ask){.version = version},
               TIME_NS);
    wait_call(&rule); /* and only this tells that the gateway has it */
    assert_int_equal(rule.status, QR_OK);
    create(f, "another"); /* news again */
    wait_call(&news);
    (void)read_state(news.reply, news.reply_bytes, QR_ITEM_DATABASE, &rules);
    assert_int_equal(rules, 2); /* the server is one of them */
}

static void test_rules_are_checked(void **state)
{
    static const struct {
        const char *start, *end;
        int want;
    } rows[] = {{"10.0.0.1", "10.0.0.1", 0},
                {"10.0.0.2", "10.0.0.1", 40614},
                {"10.0.0", "10.0.0.1", 40609},
                {"10.0.0.1", "somewhere", 40609},
                {"", "10.0.0.1", 40609}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_err err = {0};
        struct qr_control_ask ask = {
            .name = qr_str("r"), .start = qr_str(rows[i].start), .end = qr_str(rows[i].end)};
        enum qr_status status = call(f->operate, QR_CONTROL_SET_RULE, &ask, NULL, &err);
        assert_int_equal(status, rows[i].want == 0 ? QR_OK : QR_SQL);
        assert_int_equal(err.number, rows[i].want);
    }
    for (int i = 1; i <= QR_RULES_MAX; i++) {
        char name[16];
        struct qr_err err = {0};
        snprintf(name, sizeof name, "rule%d", i);
        struct qr_control_ask ask = {
            .name = qr_str(name), .start = qr_str("1.1.1.1"), .end = qr_str("1.1.1.1")};
        enum qr_status status = call(f->operate, QR_CONTROL_SET_RULE, &ask, NULL, &err);
        assert_int_equal(status, i < QR_RULES_MAX ? QR_OK : QR_SQL);
        assert_int_equal(err.number, i < QR_RULES_MAX ? 0 : 40611);
    }
}

static void test_what_breaks_its_format_is_refused(void **state)
{
    static const uint16_t methods[] = {
        0, 0x2ff, QR_CONTROL_REGISTER, QR_CONTROL_FIND, 0x307, 0x310, 0x311, 0x316, 0x317, 0xffff};
    struct fixture *f = *state;
    char junk[] = "\xff\xff junk";
    struct iovec iov = {.iov_base = junk, .iov_len = sizeof junk};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct qr_rpc_client *clients[] = {f->brief, f->operate};
        for (int c = 0; c < 2; c++) {
            enum qr_status status = qr_rpc_call_wait(qr_rpc_client_peer(clients[c]), methods[i],
                                                     &iov, 1, TIME_NS, NULL, NULL);
            assert_true(status == QR_PROTOCOL || status == QR_UNSUPPORTED);
        }
    }
}

static void expect_route(struct fixture *f, bool read_only, const char *socket)
{
    struct qr_control_ask ask = {.name = qr_str("h"), .read_only = read_only};
    struct qr_control_route route;
    struct qr_buf reply;
    qr_buf_init(&reply, 4096);
    assert_int_equal(call(f->brief, QR_CONTROL_ROUTE, &ask, &reply, NULL), QR_OK);
    assert_int_equal(qr_control_route_get(reply.data, reply.len, &route, NULL), QR_OK);
    assert_non_null(strstr(route.address, socket));
    qr_buf_done(&reply);
}

static void expect_duty(struct fixture *f, const char *node, enum qr_duty wanted)
{
    struct qr_control_duty duty = {.duty = QR_DUTY_COUNT};
    assert_int_equal(
        qr_control_duty(qr_rpc_client_peer(f->brief), qr_str(node), false, TIME_NS, &duty, NULL),
        QR_OK);
    assert_int_equal(duty.duty, wanted);
}

static void test_a_ready_replica_takes_over_when_the_primary_is_gone(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = 2};
    struct qr_rpc_listener *replica = NULL;
    char address[128];
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    snprintf(address, sizeof address, "unix:%s/hs-5-r1.node", f->run);
    struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
    assert_int_equal(qr_rpc_listen(f->loop, &listen, &replica, NULL), QR_OK);

    expect_duty(f, "hs-5", QR_DUTY_PRIMARY);
    expect_duty(f, "hs-5-r1", QR_DUTY_HA_REPLICA);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    wait_wanted(f, 1);
    assert_string_equal(f->wanted_name, "hs-5-r1");
    expect_route(f, true, "/hs-5.tds"); /* no replica yet: the primary serves readers too */
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5-r1"), QR_OK);
    expect_route(f, true, "/hs-5-r1.tds");
    expect_route(f, false, "/hs-5.tds");

    qr_control_exited(f->control, "hs-5", true);
    expect_duty(f, "hs-5", QR_DUTY_HA_REPLICA); /* whoever comes back is told so at once */
    expect_route(f, false, "/hs-5-r1.tds");     /* waits until it has taken over */
    assert_int_equal(f->calls[f->call_count - 1], QR_NODE_PROMOTE);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    expect_route(f, true, "/hs-5.tds");
    qr_rpc_listener_free(replica);
}

static void test_a_replica_that_is_read_outlives_the_rest_of_its_primary(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = 2};
    struct qr_rpc_listener *replica = NULL;
    char address[128];
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    snprintf(address, sizeof address, "unix:%s/hs-5-r1.node", f->run);
    struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
    assert_int_equal(qr_rpc_listen(f->loop, &listen, &replica, NULL), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5-r1"), QR_OK);
    f->ends = "hs-5-r1";
    f->rest.rests = false;
    qr_control_exited(f->control, "hs-5", false);
    pthread_mutex_lock(&f->mu);
    while (f->rest_count < 2) /* again and again */
        assert_int_equal(qr_cond_wait(&f->changed, &f->mu, TIME_NS), 0);
    assert_false(f->has_ended);
    f->rest.rests = true;
    pthread_mutex_unlock(&f->mu);
    expect_route(f, true, "/hs-5-r1.tds");
    int64_t until = qr_env_mono_ns(qr_env_real()) + TIME_NS;
    while (pid_of(f, "hs-5-r1") != 0) {
        assert_true(qr_env_mono_ns(qr_env_real()) < until);
        qr_env_sleep_ns(qr_env_real(), 5000000);
    }
    qr_rpc_listener_free(replica);
}

/* Two that have lost their primaries, and nobody answers yet: both are asked. */
static void test_takeovers_do_not_wait_for_each_other(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = 2};
    struct qr_rpc_listener *replicas[2] = {NULL};
    f->keep_method = QR_NODE_PROMOTE;
    for (uint32_t i = 0; i < 2; i++) {
        char address[160], name[2][QR_NODE_NAME_BYTES];
        snprintf(name[0], sizeof name[0], "hs-%u", 5 + i);
        snprintf(name[1], sizeof name[1], "hs-%u-r1", 5 + i);
        snprintf(address, sizeof address, "unix:%s/%s.node", f->run, name[1]);
        assert_int_equal(
            qr_registry_add_database(f->registry, 0, qr_str(name[0]), &wish, &row, NULL), QR_OK);
        assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL),
                         QR_OK);
        struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
        assert_int_equal(qr_rpc_listen(f->loop, &listen, &replicas[i], NULL), QR_OK);
        for (int k = 0; k < 2; k++)
            assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, name[k]), QR_OK);
    }
    qr_control_exited(f->control, "hs-5", true);
    qr_control_exited(f->control, "hs-6", true);
    pthread_mutex_lock(&f->mu);
    int64_t until =
        qr_env_mono_ns(qr_env_real()) + INT64_C(5000000000); /* before one is given up */
    while (f->kept_count < 2 && qr_env_mono_ns(qr_env_real()) < until)
        (void)qr_cond_wait(&f->changed, &f->mu, INT64_C(100000000));
    assert_int_equal(f->kept_count, 2);
    for (int i = 0; i < 2; i++)
        qr_rpc_answer(f->kept[i], NULL, 0);
    pthread_mutex_unlock(&f->mu);
    for (int i = 0; i < 2; i++)
        qr_rpc_listener_free(replicas[i]);
}

static void test_without_a_ready_replica_the_primary_comes_back(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    qr_control_exited(f->control, "hs-5", true);
    expect_duty(f, "hs-5", QR_DUTY_PRIMARY);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    expect_route(f, false, "/hs-5.tds");
}

static void test_a_named_replica_is_a_row_that_follows_its_primary(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row, replica;
    struct qr_err err = {0};
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    struct qr_control_ask ask = {.name = qr_str("h"), .new_name = qr_str("reports")};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("reports"), &replica), QR_OK);
    assert_int_equal(replica.replica_of, row.id);
    assert_string_equal(replica.timeline, row.timeline);
    expect_duty(f, "hs-6", QR_DUTY_NAMED_REPLICA);
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 45138);
    ask = (struct qr_control_ask){.name = qr_str("reports"), .new_name = qr_str("more")};
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 40694);
    ask = (struct qr_control_ask){.name = qr_str("reports")};
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("h"), &row), QR_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_route_waits_until_its_node_is_ready),
        T(test_a_database_that_is_not_there_has_no_route),
        T(test_a_ready_replica_takes_over_when_the_primary_is_gone),
        T(test_a_replica_that_is_read_outlives_the_rest_of_its_primary),
        T(test_takeovers_do_not_wait_for_each_other),
        T(test_without_a_ready_replica_the_primary_comes_back),
        T(test_a_named_replica_is_a_row_that_follows_its_primary),
        T(test_a_route_that_will_not_come_is_40613),
        T(test_only_our_own_processes_register),
        T(test_a_database_is_made_by_its_node_and_found_afterwards),
        T(test_what_the_node_cannot_make_is_not_there),
        T(test_a_database_in_use_is_not_dropped),
        T(test_a_start_finishes_what_a_crash_left),
        T(test_a_start_without_storage_finishes_what_a_crash_left),
        T(test_a_start_without_its_processes_times_out),
        T(test_a_rule_is_known_to_the_gateway_when_the_statement_ends),
        T(test_rules_are_checked),
        T(test_what_breaks_its_format_is_refused),
    };
    return cmocka_run_group_tests_name("ctl/control", tests, NULL, NULL);
}
