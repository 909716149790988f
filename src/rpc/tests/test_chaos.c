/* test_chaos.c - every call ends once, whatever happens: servers come and go, calls are cancelled,
 * time out, are too many or too large, and their memory is freed the moment they end. */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <stdlib.h>
#include <unistd.h>
#include "certs.h"
#include "echo.h"
#include "env/thread.h"

enum { THREADS = 3, CALLS = 600, RESTARTS = 25 };
static char dir[] = "/tmp/quire-rpcc-XXXXXX";
static const int64_t MS = 1000000;

struct totals {
    _Atomic int started, ended, by_status[QR_STATUS_COUNT];
};

struct call {
    struct qr_rpc_call call; /* first */
    struct totals *totals;
    _Atomic int *live; /* of its thread */
    uint8_t *body;
    bool is_echo, waited, wrong;
    _Atomic int ends;
};

static void call_done(struct qr_rpc_call *base, const struct qr_rpc_reply *reply)
{
    struct call *call = (struct call *)base;
    struct totals *totals = call->totals;
    _Atomic int *live = call->live;
    call->wrong = reply->status == QR_OK && call->is_echo &&
                  (reply->bytes != call->call.body[0].iov_len ||
                   memcmp(reply->body, call->body, reply->bytes) != 0);
    assert_false(call->wrong);
    assert_int_equal(atomic_fetch_add(&call->ends, 1), 0);
    atomic_fetch_add(&totals->by_status[reply->status], 1);
    if (!call->waited) {
        memset(call->body, 0xee, call->call.body[0].iov_len); /* it may not be sent any more */
        free(call->body);
        free(call);
    }
    atomic_fetch_add(&totals->ended, 1);
    atomic_fetch_sub(live, 1);
}

struct asker {
    struct qr_rpc_peer *peer;
    struct totals *totals;
    uint64_t random;
    _Atomic int live;
};

static uint64_t draw(struct asker *asker, uint64_t below)
{
    asker->random = asker->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (asker->random >> 33) % below;
}

static void one_call(struct asker *asker)
{
    static const size_t sizes[] = {4, 40, 4000, 70000, 600000};
    static const uint16_t methods[] = {ECHO, ECHO, ECHO, REFUSE, PARK};
    struct call *call = calloc(1, sizeof *call);
    size_t bytes = sizes[draw(asker, 5)];
    call->body = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        call->body[i] = (uint8_t)(i + asker->random);
    call->totals = asker->totals;
    call->live = &asker->live;
    call->waited = draw(asker, 3) == 0;
    call->call = (struct qr_rpc_call){.method = methods[draw(asker, 5)],
                                      .body_count = 1,
                                      .done = call_done,
                                      .timeout_ns = (1 + (int64_t)draw(asker, 20)) * MS};
    call->is_echo = call->call.method == ECHO;
    call->call.body[0] = (struct iovec){call->body, bytes};
    bool cancel = call->waited && draw(asker, 3) == 0;
    atomic_fetch_add(&asker->totals->started, 1);
    atomic_fetch_add(&asker->live, 1);
    bool waited = call->waited;
    qr_rpc_start(asker->peer, &call->call);
    if (!waited)
        return; /* gone maybe */
    if (cancel)
        qr_rpc_cancel(asker->peer, &call->call);
    qr_rpc_wait(asker->peer, &call->call);
    assert_int_equal(atomic_load(&call->ends), 1);
    free(call->body);
    free(call);
}

static void *asker_main(void *arg)
{
    struct asker *asker = arg;
    for (int i = 0; i < CALLS; i++) {
        one_call(asker);
        while (atomic_load(&asker->live) > 200)
            usleep(1000);
    }
    while (atomic_load(&asker->live) > 0)
        usleep(1000);
    return NULL;
}

static void every_call_ends_once(const char *listen_address,
                                 const struct qr_rpc_loop_options *loop_options)
{
    static struct totals totals;
    memset(&totals, 0, sizeof totals);
    static struct asker askers[THREADS];
    struct echo echo = {.env = qr_env_real()};
    struct qr_rpc_loop *client_loop = NULL, *server_loop = NULL;
    struct qr_rpc_client *client = NULL;
    struct qr_err err;
    pthread_t threads[THREADS];
    char address[300];
    pthread_mutex_init(&echo.mu, NULL);
    assert_int_equal(qr_rpc_loop_new(loop_options, &client_loop, &err), QR_OK);
    assert_int_equal(qr_rpc_loop_new(loop_options, &server_loop, &err), QR_OK);
    struct qr_rpc_listener *first = NULL; /* to learn the port */
    struct qr_rpc_listen_options first_options = {
        .address = listen_address, .serve = echo_serve, .ctx = &echo};
    if (qr_rpc_listen(server_loop, &first_options, &first, &err) != QR_OK)
        fail_msg("%s", err.text);
    snprintf(address, sizeof address, "%s", qr_rpc_listener_address(first));
    qr_rpc_listener_free(first);
    struct qr_rpc_client_options options = {
        .address = address, .backoff_max_ns = 5 * MS, .queue_bytes_max = 4 << 20};
    assert_int_equal(qr_rpc_client_new(client_loop, &options, &client, &err), QR_OK);
    for (int i = 0; i < THREADS; i++) {
        askers[i].peer = qr_rpc_client_peer(client);
        askers[i].totals = &totals;
        askers[i].random = (uint64_t)i + 1;
        assert_int_equal(qr_thread_start("asker", 0, asker_main, &askers[i], &threads[i], &err),
                         QR_OK);
    }
    for (int i = 0; i < RESTARTS; i++) {
        struct qr_rpc_listener *listener = NULL;
        struct qr_rpc_listen_options listen = {.address = address,
                                               .serve = echo_serve,
                                               .ctx = &echo,
                                               .workers = i % 3,
                                               .worker_queue_max = 8,
                                               .link_requests_max = 16};
        assert_int_equal(qr_rpc_listen(server_loop, &listen, &listener, &err), QR_OK);
        int until = atomic_load(&totals.ended) + THREADS * CALLS / RESTARTS;
        for (int turn = 0; turn < 400 && atomic_load(&totals.ended) < until; turn++) {
            usleep(500);
            pthread_mutex_lock(&echo.mu); /* what is parked is answered at last, heard or not */
            while (echo.parked_count > 0)
                qr_rpc_answer(echo.parked[--echo.parked_count], NULL, 0);
            pthread_mutex_unlock(&echo.mu);
        }
        qr_rpc_listener_free(listener);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&totals.started), THREADS * CALLS);
    assert_int_equal(atomic_load(&totals.ended), THREADS * CALLS);
    assert_true(totals.by_status[QR_OK] > 0 && totals.by_status[QR_FENCED] > 0 &&
                totals.by_status[QR_CLOSED] > 0 && totals.by_status[QR_CANCELLED] > 0);
    assert_int_equal(totals.by_status[QR_CORRUPT], 0);
    while (echo.parked_count > 0)
        qr_rpc_answer(echo.parked[--echo.parked_count], NULL, 0);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(client_loop);
    qr_rpc_loop_free(server_loop);
    pthread_mutex_destroy(&echo.mu);
}

static void test_every_call_ends_once(void **state)
{
    (void)state;
    char address[80];
    snprintf(address, sizeof address, "unix:%s/chaos", dir);
    every_call_ends_once(address, &(struct qr_rpc_loop_options){.env = qr_env_real()});
}

static void test_every_call_over_tls_ends_once(void **state)
{
    (void)state;
    struct cert ca = cert_new("ca", NULL, 10, NULL);
    struct cert node = cert_new("node", "IP:127.0.0.1", 10, &ca);
    char ca_path[80], cert_path[80], key_path[80];
    cert_save(&ca, dir, "ca");
    cert_save(&node, dir, "node");
    cert_free(&ca);
    cert_free(&node);
    snprintf(ca_path, sizeof ca_path, "%s/ca.crt", dir);
    snprintf(cert_path, sizeof cert_path, "%s/node.crt", dir);
    snprintf(key_path, sizeof key_path, "%s/node.key", dir);
    struct qr_rpc_loop_options options = {
        .env = qr_env_real(), .cert_path = cert_path, .key_path = key_path, .ca_path = ca_path};
    every_call_ends_once("tcp:127.0.0.1:0", &options);
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_call_ends_once),
                                       cmocka_unit_test(test_every_call_over_tls_ends_once)};
    int failed = cmocka_run_group_tests_name("rpc/chaos", tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || failed;
}
