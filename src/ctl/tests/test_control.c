/* Goal: sessions find their node, operations leave no half database, and who asks for news gets it.
 * Method: control over its real sockets, with a node that does what the test says. */
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "base/endian.h"
#include "ctl/control.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "rpc/socket.h"

enum { CALLS_MAX = 32 };
static const int64_t TIME_NS = INT64_C(60) * 1000000000;

struct fixture {
    char dir[64], path[96], run[96];
    struct qr_meta *meta;
    struct qr_registry *registry;
    struct qr_control *control;
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *brief, *operate;
    struct qr_rpc_listener *node;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    int pid; /* what the host says of every name */
    int wanted;
    char wanted_name[QR_NODE_NAME_BYTES];
    uint16_t calls[CALLS_MAX]; /* what the node was asked */
    int call_count;
    uint16_t fail_method; /* the node refuses it with error 3702 */
};

static enum qr_status want(void *ctx, const char *node, struct qr_err *err)
{
    struct fixture *f = ctx;
    (void)err;
    pthread_mutex_lock(&f->mu);
    f->wanted += 1;
    snprintf(f->wanted_name, sizeof f->wanted_name, "%s", node);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    return QR_OK;
}

static void end(void *ctx, const char *node)
{
    (void)ctx;
    (void)node;
}

static int pid_of(void *ctx, const char *name)
{
    (void)name;
    return ((struct fixture *)ctx)->pid;
}

static void serve_node(void *ctx, struct qr_rpc_request *own_request)
{
    struct fixture *f = ctx;
    struct qr_err err = {0};
    pthread_mutex_lock(&f->mu);
    if (f->call_count < CALLS_MAX)
        f->calls[f->call_count++] = own_request->method;
    bool fails = own_request->method == f->fail_method;
    pthread_mutex_unlock(&f->mu);
    if (!fails) {
        qr_rpc_answer(own_request, NULL, 0);
        return;
    }
    (void)qr_fail(&err, QR_SQL, "in use");
    err.number = 3702;
    qr_rpc_refuse(own_request, QR_SQL, &err);
}

static enum qr_status new_client(struct fixture *f, const char *name, struct qr_rpc_client **client)
{
    char address[128];
    snprintf(address, sizeof address, "unix:%s/%s.sock", f->run, name);
    return qr_rpc_client_new(f->loop, &(struct qr_rpc_client_options){.address = address}, client,
                             NULL);
}

static enum qr_status open_control(struct fixture *f)
{
    char address[128];
    struct qr_control_options options = {
        .env = qr_env_real(),
        .registry = f->registry,
        .run_dir = f->run,
        .host = {.ctx = f, .want = want, .end = end, .pid = pid_of},
    };
    QR_TRY(qr_control_new(&options, &f->control, NULL));
    QR_TRY(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &f->loop, NULL));
    QR_TRY(new_client(f, "control", &f->brief));
    QR_TRY(new_client(f, "operate", &f->operate));
    snprintf(address, sizeof address, "unix:%s/shared.node", f->run);
    struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
    return qr_rpc_listen(f->loop, &listen, &f->node, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->dir, "/tmp/qr_test_control_XXXXXX", 28);
    if (mkdtemp(f->dir) == NULL)
        return 1;
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    snprintf(f->run, sizeof f->run, "%s/run", f->dir);
    pthread_mutex_init(&f->mu, NULL);
    qr_cond_init(&f->changed);
    f->pid = (int)getpid();
    *state = f;
    return qr_meta_open(f->path, &f->meta, NULL) != QR_OK ||
           qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL) != QR_OK ||
           qr_registry_make_server(f->registry, qr_str("server01"), qr_str("boss"), qr_str("hash"),
                                   NULL) != QR_OK ||
           open_control(f) != QR_OK;
}

static void close_control(struct fixture *f)
{
    qr_rpc_client_free(f->brief);
    qr_rpc_client_free(f->operate);
    if (f->control != NULL)
        qr_control_stop(f->control);
    qr_rpc_listener_free(f->node);
    qr_control_free(f->control);
    qr_rpc_loop_free(f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    close_control(f);
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    snprintf(command, sizeof command, "rm -r '%s'", f->dir);
    int code = system(command);
    free(f);
    return code;
}

/* ---- asking ---- */

static enum qr_status call(struct qr_rpc_client *client, enum qr_control_method method,
                           const struct qr_control_ask *ask, struct qr_buf *reply,
                           struct qr_err *err)
{
    return qr_control_call(qr_rpc_client_peer(client), method, ask, TIME_NS, reply, err);
}

static enum qr_status make_ready(struct fixture *f, enum qr_role role, const char *name)
{
    struct qr_control_ask ask = {
        .role = (uint8_t)role, .name = qr_str(name), .pid = (uint32_t)getpid()};
    return call(f->brief, QR_CONTROL_REGISTER, &ask, NULL, NULL);
}

static void create(struct fixture *f, const char *name)
{
    struct qr_control_ask ask = {.name = qr_str(name)};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
}

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
        qr_control_find(qr_rpc_client_peer(f->brief), qr_str("Shop"), 0, TIME_NS, &row, NULL),
        QR_OK);
    assert_int_equal(row.state, QR_DATABASE_ONLINE);
    assert_int_equal(
        qr_control_find(qr_rpc_client_peer(f->brief), qr_str(""), row.id, TIME_NS, &row, NULL),
        QR_OK);
    assert_string_equal(row.name, "shop");
    assert_int_equal(
        qr_control_find(qr_rpc_client_peer(f->brief), qr_str("no"), 0, TIME_NS, &row, NULL),
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
    assert_int_equal(qr_registry_find_database(f->registry, qr_str("shop"), &row), QR_NOT_FOUND);
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
    assert_int_equal(qr_registry_find_database(f->registry, qr_str("shop"), &row), QR_OK);
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
    assert_int_equal(qr_registry_add_database(f->registry, qr_str("half"), &wish, &half, NULL),
                     QR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(make_ready(f, (enum qr_role)i, names[i]), QR_OK);
    assert_int_equal(qr_control_start(f->control, qr_env_mono_ns(qr_env_real()) + TIME_NS, NULL),
                     QR_OK);
    assert_int_equal(f->calls[0], QR_NODE_REMOVE);
    assert_int_equal(f->calls[1], QR_NODE_MAKE);
    assert_int_equal(qr_registry_find_database(f->registry, qr_str("half"), &half), QR_NOT_FOUND);
    assert_int_equal(qr_registry_find_database(f->registry, qr_str("master"), &half), QR_OK);
    assert_int_equal(half.id, QR_MASTER_ID);
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
    assert_int_equal(rules, 1);
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
    enum qr_duty duty = QR_DUTY_COUNT;
    assert_int_equal(
        qr_control_duty(qr_rpc_client_peer(f->brief), qr_str(node), TIME_NS, &duty, NULL), QR_OK);
    assert_int_equal(duty, wanted);
}

static void test_a_ready_replica_takes_over_when_the_primary_is_gone(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = 2};
    struct qr_rpc_listener *replica = NULL;
    char address[128];
    assert_int_equal(qr_registry_add_database(f->registry, qr_str("h"), &wish, &row, NULL), QR_OK);
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

static void test_without_a_ready_replica_the_primary_comes_back(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    assert_int_equal(qr_registry_add_database(f->registry, qr_str("h"), &wish, &row, NULL), QR_OK);
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
    assert_int_equal(qr_registry_add_database(f->registry, qr_str("h"), &wish, &row, NULL), QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-5"), QR_OK);
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, qr_str("reports"), &replica), QR_OK);
    assert_int_equal(replica.replica_of, row.id);
    assert_string_equal(replica.timeline, row.timeline);
    expect_duty(f, "hs-6", QR_DUTY_NAMED_REPLICA);
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, &err), QR_SQL);
    assert_int_equal(err.number, 1801);
    ask = (struct qr_control_ask){.name = qr_str("reports"), .new_name = qr_str("more")};
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, NULL), QR_INVALID);
    ask = (struct qr_control_ask){.name = qr_str("reports")};
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, qr_str("h"), &row), QR_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_route_waits_until_its_node_is_ready),
        T(test_a_database_that_is_not_there_has_no_route),
        T(test_a_ready_replica_takes_over_when_the_primary_is_gone),
        T(test_without_a_ready_replica_the_primary_comes_back),
        T(test_a_named_replica_is_a_row_that_follows_its_primary),
        T(test_a_route_that_will_not_come_is_40613),
        T(test_only_our_own_processes_register),
        T(test_a_database_is_made_by_its_node_and_found_afterwards),
        T(test_what_the_node_cannot_make_is_not_there),
        T(test_a_database_in_use_is_not_dropped),
        T(test_a_start_finishes_what_a_crash_left),
        T(test_a_start_without_its_processes_times_out),
        T(test_a_rule_is_known_to_the_gateway_when_the_statement_ends),
        T(test_rules_are_checked),
        T(test_what_breaks_its_format_is_refused),
    };
    return cmocka_run_group_tests_name("ctl/control", tests, NULL, NULL);
}
