/* Goal: another machine gets what its role needs of control, and nothing else. Method: control with
 * a TCP address, asked by holders of several certificates. */
#include "qr_test.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "ctl/control.h"
#include "ctl/peer.h"
#include "rpc/identity.h"
#include "rpc/socket.h"

static const int64_t TIME_NS = INT64_C(20) * 1000000000;

struct fixture {
    char dir[64], path[96], run[96], self[96], other[96], address[64], operate[64];
    _Atomic int pid;           /* what the host says of every name */
    _Atomic int ended, wanted; /* hs-5, hs-6 */
    struct qr_buf ca;
    struct qr_meta *meta;
    struct qr_registry *registry;
    struct qr_control_machines machines;
    struct qr_control *control;
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *client;
};

static enum qr_status want(void *ctx, const char *node, struct qr_err *err)
{
    struct fixture *f = ctx;
    (void)err;
    atomic_fetch_add(&f->wanted, strcmp(node, "hs-6") == 0 || strcmp(node, "hs-5") == 0);
    return QR_OK;
}

static void end(void *ctx, const char *node)
{
    struct fixture *f = ctx;
    if (strcmp(node, "hs-6") != 0 && strcmp(node, "hs-5") != 0) /* HA replicas: there are none */
        return;
    atomic_store(&f->pid, 0);
    atomic_fetch_add(&f->ended, 1);
}

static int pid_of(void *ctx, const char *name)
{
    (void)name;
    return atomic_load(&((struct fixture *)ctx)->pid);
}

static void issue(struct fixture *f, const char *path, const char *roles)
{
    struct qr_identity identity = {.name = "b"};
    struct qr_buf pem;
    snprintf(identity.roles, sizeof identity.roles, "%s", roles);
    qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
    assert_int_equal(
        qr_identity_issue(qr_env_real(), qr_buf_cstr(&f->ca), &identity, 10, &pem, NULL), QR_OK);
    assert_int_equal(qr_env_replace_file(qr_env_real(), path, pem.data, pem.len, NULL), QR_OK);
    qr_buf_done(&pem);
}

/* The log service is on another machine, the page server is here. */
static enum qr_status open_control(struct fixture *f)
{
    struct qr_control_options options = {
        .env = qr_env_real(),
        .registry = f->registry,
        .run_dir = f->run,
        .machines = &f->machines,
        .host = {.ctx = f, .want = want, .end = end, .pid = pid_of},
    };
    f->machines = (struct qr_control_machines){.identity = f->self,
                                               .address = f->address,
                                               .operate_address = f->operate,
                                               .log_away = true};
    snprintf(f->machines.service.log, sizeof f->machines.service.log, "tcp:127.0.0.2:9");
    snprintf(f->machines.service.page, sizeof f->machines.service.page, "tcp:127.0.0.1:9");
    snprintf(f->machines.service.blob, sizeof f->machines.service.blob, "file:///there");
    snprintf(f->machines.service.server_key, sizeof f->machines.service.server_key, "secret");
    enum qr_status status = QR_EXISTS;
    for (unsigned port = 20000 + (unsigned)getpid() % 10000; status == QR_EXISTS; port += 2) {
        snprintf(f->operate, sizeof f->operate, "tcp:127.0.0.1:%u", port + 1);
        snprintf(f->address, sizeof f->address, "tcp:127.0.0.1:%u", port);
        status = qr_control_new(&options, &f->control, NULL);
    }
    return status;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->dir, "/tmp/qr_test_machines_XXXXXX", 29);
    f->pid = 77;
    if (mkdtemp(f->dir) == NULL)
        return 1;
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    snprintf(f->run, sizeof f->run, "%s/run", f->dir);
    snprintf(f->self, sizeof f->self, "%s/self.pem", f->dir);
    snprintf(f->other, sizeof f->other, "%s/other.pem", f->dir);
    qr_buf_init(&f->ca, QR_IDENTITY_PEM_BYTES_MAX);
    *state = f;
    assert_int_equal(qr_identity_make_ca(qr_env_real(), 10, &f->ca, NULL), QR_OK);
    issue(f, f->self, "control compute log page");
    return qr_meta_open(f->path, &f->meta, NULL) != QR_OK ||
           qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL) != QR_OK ||
           qr_registry_make_server(f->registry, qr_str("server01"), qr_str("boss"), qr_str("hash"),
                                   NULL, NULL, NULL) != QR_OK ||
           open_control(f) != QR_OK;
}

static void disconnect(struct fixture *f)
{
    qr_rpc_client_free(f->client);
    qr_rpc_loop_free(f->loop);
    f->client = NULL;
    f->loop = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    disconnect(f);
    qr_control_free(f->control);
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    qr_buf_done(&f->ca);
    snprintf(command, sizeof command, "rm -r '%s'", f->dir);
    int code = system(command);
    free(f);
    return code;
}

static struct qr_rpc_peer *connect_as(struct fixture *f, const char *roles)
{
    issue(f, f->other, roles);
    disconnect(f);
    struct qr_rpc_loop_options loop = {
        .env = qr_env_real(), .cert_path = f->other, .key_path = f->other, .ca_path = f->other};
    struct qr_rpc_client_options client = {.address = f->address, .roles = "control"};
    assert_int_equal(qr_rpc_loop_new(&loop, &f->loop, NULL), QR_OK);
    assert_int_equal(qr_rpc_client_new(f->loop, &client, &f->client, NULL), QR_OK);
    return qr_rpc_client_peer(f->client);
}

static enum qr_status join(struct qr_rpc_peer *peer, enum qr_role role)
{
    struct qr_control_service service;
    return qr_control_join(peer, role, TIME_NS, &service, NULL);
}

static enum qr_status call(struct qr_rpc_peer *peer, enum qr_control_method method,
                           const char *name, enum qr_role role)
{
    struct qr_control_ask ask = {.name = qr_str(name), .role = (uint8_t)role, .pid = 77, .id = 1};
    return qr_control_call(peer, method, &ask, TIME_NS, NULL, NULL);
}

/* As who is on control's machine. */
static enum qr_status ask_here(struct fixture *f, enum qr_control_method method, const char *name,
                               int64_t timeout_ns, struct qr_buf *reply)
{
    char address[128];
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_client *client = NULL;
    struct qr_control_ask ask = {.name = qr_str(name)};
    qr_buf_init(reply, 4096);
    snprintf(address, sizeof address, "unix:%s/control.sock", f->run);
    struct qr_rpc_client_options options = {.address = address};
    assert_int_equal(
        qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &loop, NULL), QR_OK);
    assert_int_equal(qr_rpc_client_new(loop, &options, &client, NULL), QR_OK);
    enum qr_status status =
        qr_control_call(qr_rpc_client_peer(client), method, &ask, timeout_ns, reply, NULL);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
    return status;
}

static enum qr_status ask_route(struct fixture *f, const char *database, int64_t timeout_ns,
                                struct qr_control_route *ret_route)
{
    struct qr_buf reply;
    enum qr_status status = ask_here(f, QR_CONTROL_ROUTE, database, timeout_ns, &reply);
    if (status == QR_OK)
        status = qr_control_route_get(reply.data, reply.len, ret_route, NULL);
    qr_buf_done(&reply);
    return status;
}

/* 1: it is there; 0: it is not; -1: nobody expects it on another machine. */
static int is_there(struct fixture *f, const char *name)
{
    struct qr_buf reply;
    struct qr_control_item item;
    int found = -1;
    assert_int_equal(ask_here(f, QR_CONTROL_MACHINES, "", TIME_NS, &reply), QR_OK);
    for (size_t at = 0; at < reply.len;) {
        assert_int_equal(qr_control_item_next(reply.data, reply.len, &at, &item, NULL), QR_OK);
        assert_int_equal(item.kind, QR_ITEM_MACHINE);
        if (qr_str_eq(item.name, qr_str(name)))
            found = item.flag;
    }
    qr_buf_done(&reply);
    return found;
}

static void test_a_role_that_is_placed_away_joins_and_registers(void **state)
{
    struct fixture *f = *state;
    struct qr_rpc_peer *peer = connect_as(f, "log");
    struct qr_control_service service;
    assert_int_equal(qr_control_join(peer, QR_ROLE_LOG, TIME_NS, &service, NULL), QR_OK);
    assert_int_equal(is_there(f, "log"), 0);
    assert_string_equal(service.log, "tcp:127.0.0.2:9");
    assert_string_equal(service.page, "tcp:127.0.0.1:9");
    assert_string_equal(service.blob, "file:///there");
    assert_string_equal(service.server_key, "secret");
    assert_int_equal(call(peer, QR_CONTROL_REGISTER, "log", QR_ROLE_LOG), QR_OK);
    assert_int_equal(call(peer, QR_CONTROL_DATABASES, "", QR_ROLE_LOG), QR_DENIED);
    peer = connect_as(f, "page");
    assert_int_equal(call(peer, QR_CONTROL_DATABASES, "", QR_ROLE_LOG), QR_OK);
}

static void test_a_certificate_does_for_its_own_role_only(void **state)
{
    struct fixture *f = *state;
    struct qr_rpc_peer *peer = connect_as(f, "page");
    assert_int_equal(join(peer, QR_ROLE_LOG), QR_DENIED);
    assert_int_equal(join(peer, QR_ROLE_PAGE), QR_DENIED); /* it is placed here */
    static const char *const names[] = {"log", "page", "gateway", "shared", "hs-5", "control", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) /* with the right process id */
        assert_int_equal(call(peer, QR_CONTROL_REGISTER, names[i], QR_ROLE_PAGE), QR_DENIED);
    assert_int_equal(join(connect_as(f, "compute"), QR_ROLE_LOG), QR_DENIED);
    struct qr_control_service service;
    assert_int_equal(
        qr_control_join(connect_as(f, "compute"), QR_ROLE_COMPUTE, TIME_NS, &service, NULL), QR_OK);
    assert_string_equal(service.server_key, ""); /* for those who read the blob store */
    assert_int_equal(join(connect_as(f, "gateway"), QR_ROLE_LOG), QR_CLOSED);
}

static void test_what_other_machines_may_not_ask_is_refused(void **state)
{
    struct fixture *f = *state;
    struct qr_rpc_peer *peer = connect_as(f, "log page");
    static const enum qr_control_method methods[] = {
        QR_CONTROL_ROUTE, QR_CONTROL_STATE, QR_CONTROL_FIND,       QR_CONTROL_RULES,
        QR_CONTROL_DUTY,  QR_CONTROL_LOGIN, QR_CONTROL_ADMIN_HASH, QR_CONTROL_DOC_PUT,
        QR_CONTROL_DROP,  QR_CONTROL_GROW,  QR_CONTROL_CREATE,     QR_CONTROL_RESOURCES,
        QR_CONTROL_LIMITS};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        assert_int_equal(call(peer, methods[i], "master", QR_ROLE_LOG), QR_DENIED);
}

static enum qr_status register_node(struct qr_rpc_peer *peer, const char *name, const char *address)
{
    struct qr_control_ask ask = {.name = qr_str(name),
                                 .role = QR_ROLE_COMPUTE,
                                 .pid = 99,
                                 .node_address = qr_str(address),
                                 .session_address = qr_str("tcp:127.0.0.2:8")};
    return qr_control_call(peer, QR_CONTROL_REGISTER, &ask, TIME_NS, NULL, NULL);
}

static void test_a_named_replica_is_served_where_its_node_says_that_it_is(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row primary, row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    struct qr_control_route route;
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &primary, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, primary.id, QR_DATABASE_ONLINE, NULL),
                     QR_OK);
    wish.replica_of = &primary;
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("reports"), &wish, &row, NULL),
                     QR_OK);
    struct qr_rpc_peer *peer = connect_as(f, "compute");
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_NOT_FOUND); /* not yet */
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    static const char *const others[] = {"hs-5", "hs-6-r1", "shared", "gateway", "log", "hs-7"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_not_equal(register_node(peer, others[i], "tcp:127.0.0.2:7"), QR_OK);

    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_BUSY); /* one runs here */
    while (atomic_load(&f->ended) == 0)
        qr_env_sleep_ns(qr_env_real(), 1000000);
    assert_int_not_equal(ask_route(f, "reports", 100000000, &route), QR_OK);
    assert_int_equal(atomic_load(&f->wanted), 0); /* who comes now waits for the other machine */
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_OK);
    qr_control_exited(f->control, "hs-6", false); /* of the one that ran here */
    assert_int_equal(ask_route(f, "reports", TIME_NS, &route), QR_OK);
    assert_string_equal(route.address, "tcp:127.0.0.2:8/hs-6");
    assert_int_equal(route.database_id, row.id);
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:77"), QR_CONFLICT);

    assert_int_equal(call(connect_as(f, "log"), QR_CONTROL_REGISTER, "log", QR_ROLE_LOG), QR_OK);
    assert_int_equal(is_there(f, "hs-6"), 1);
    assert_int_equal(is_there(f, "log"), 1);
    assert_int_equal(is_there(f, "page"), -1);
    qr_env_sleep_ns(qr_env_real(), INT64_C(5200000000)); /* they are silent */
    qr_control_tick(f->control);
    assert_int_equal(is_there(f, "hs-6"), 0);
    assert_int_equal(is_there(f, "log"), 0);
    peer = connect_as(f, "compute");
    assert_int_not_equal(ask_route(f, "reports", 100000000, &route),
                         QR_OK); /* and nobody has started another */
    assert_int_equal(atomic_load(&f->wanted), 1);
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_OK);
    assert_int_equal(ask_route(f, "reports", TIME_NS, &route), QR_OK);
    assert_string_equal(route.address, "tcp:127.0.0.2:8/hs-6");
}

static enum qr_status take(struct qr_rpc_peer *peer, const char *name,
                           struct qr_control_duty *ret_duty)
{
    return qr_control_duty(peer, qr_str(name), true, TIME_NS, ret_duty, NULL);
}

static uint32_t away_of(struct fixture *f, uint32_t id)
{
    struct qr_database_row row;
    assert_int_equal(qr_registry_find_id(f->registry, id, &row), QR_OK);
    return row.away;
}

/* A process of control's machine is ready. */
static void register_here(struct fixture *f, const char *name, uint32_t pid)
{
    char address[128];
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_client *client = NULL;
    struct qr_control_ask ask = {.name = qr_str(name), .role = QR_ROLE_COMPUTE, .pid = pid};
    snprintf(address, sizeof address, "unix:%s/control.sock", f->run);
    struct qr_rpc_client_options options = {.address = address};
    atomic_store(&f->pid, (int)pid);
    assert_int_equal(
        qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &loop, NULL), QR_OK);
    assert_int_equal(qr_rpc_client_new(loop, &options, &client, NULL), QR_OK);
    assert_int_equal(
        qr_control_call(qr_rpc_client_peer(client), QR_CONTROL_REGISTER, &ask, TIME_NS, NULL, NULL),
        QR_OK);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
}

/* A primary on another machine cannot be reaped: who follows it waits for its lease, until the row
 * says that nobody was there. */
static void test_a_primary_takes_its_place_and_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row files, row;
    struct qr_database_wish wish = {.edition = qr_str("Basic")};
    struct qr_control_route route;
    struct qr_control_duty duty = {0};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("f"), &wish, &files, NULL),
                     QR_OK);
    wish.edition = qr_str("Hyperscale");
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    struct qr_rpc_peer *peer = connect_as(f, "compute");
    assert_int_equal(take(peer, "hs-6", &duty), QR_NOT_FOUND); /* not yet */
    assert_int_equal(qr_registry_set_state(f->registry, files.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    static const char *const others[] = {"hs-5", "hs-6-r1", "bc-6", "shared", "hs-7"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_not_equal(take(peer, others[i], &duty), QR_OK);
    assert_int_equal(atomic_load(&f->ended), 0);

    register_here(f, "hs-6", 77);
    assert_int_equal(take(peer, "hs-6", &duty), QR_BUSY); /* ours runs, until it has ended */
    while (atomic_load(&f->ended) == 0)
        qr_env_sleep_ns(qr_env_real(), 1000000);
    qr_control_exited(f->control, "hs-6", false);
    assert_int_not_equal(ask_route(f, "h", 100000000, &route), QR_OK);
    assert_int_equal(atomic_load(&f->wanted), 0); /* who comes now waits for the other machine */
    assert_int_equal(take(peer, "hs-6", &duty), QR_OK);
    assert_int_equal(duty.duty, QR_DUTY_PRIMARY);
    assert_false(duty.waits); /* ours was reaped */
    assert_int_equal(away_of(f, row.id), 1);
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_OK);
    assert_int_equal(ask_route(f, "h", TIME_NS, &route), QR_OK);
    assert_string_equal(route.address, "tcp:127.0.0.2:8/hs-6");

    assert_int_equal(take(peer, "hs-6", &duty), QR_OK); /* it has started again */
    assert_true(duty.waits);
    assert_int_not_equal(ask_route(f, "h", 100000000, &route), QR_OK);
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_OK);

    qr_env_sleep_ns(qr_env_real(), INT64_C(5200000000)); /* it is silent */
    qr_control_tick(f->control);
    register_here(f, "hs-6", 78); /* ours, after it has waited */
    assert_int_equal(away_of(f, row.id), 0);
    assert_int_equal(register_node(connect_as(f, "compute"), "hs-6", "tcp:127.0.0.2:7"),
                     QR_CONFLICT); /* the one that was silent is not the primary any more */

    atomic_store(&f->pid, 0);
    qr_control_exited(f->control, "hs-6", false);
    peer = qr_rpc_client_peer(f->client);
    assert_int_equal(take(peer, "hs-6", &duty), QR_OK);
    assert_false(duty.waits);
    assert_int_equal(register_node(peer, "hs-6", "tcp:127.0.0.2:7"), QR_OK);
    struct qr_control_ask gone = {.name = qr_str("hs-6"), .pid = 98};
    assert_int_equal(qr_control_call(peer, QR_CONTROL_GONE, &gone, TIME_NS, NULL, NULL), QR_OK);
    assert_int_equal(away_of(f, row.id), 1); /* another one went */
    gone.pid = 99;
    assert_int_equal(qr_control_call(peer, QR_CONTROL_GONE, &gone, TIME_NS, NULL, NULL), QR_OK);
    assert_int_equal(away_of(f, row.id), 0);
    assert_int_equal(is_there(f, "hs-6"), -1); /* nobody misses it */
    int wanted = atomic_load(&f->wanted);
    assert_int_not_equal(ask_route(f, "h", 100000000, &route), QR_OK);
    assert_int_equal(atomic_load(&f->wanted), wanted + 1); /* ours comes in its place at once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_role_that_is_placed_away_joins_and_registers),
        cmocka_unit_test(test_a_certificate_does_for_its_own_role_only),
        cmocka_unit_test(test_what_other_machines_may_not_ask_is_refused),
        cmocka_unit_test(test_a_named_replica_is_served_where_its_node_says_that_it_is),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(test_a_primary_takes_its_place_and_is_remembered),
    };
    return cmocka_run_group_tests_name("ctl/machines", tests, setup, teardown) +
           cmocka_run_group_tests_name("ctl/away", alone, setup, teardown);
}
