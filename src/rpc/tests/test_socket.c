/* test_socket.c - calls over unix sockets: many, slow, late, cancelled, to servers that die */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "echo.h"
#include "env/thread.h"

extern char **environ;
static char dir[] = "/tmp/quire-rpc-XXXXXX";
static const int64_t MS = 1000000;

struct fixture {
    struct echo echo;
    struct qr_rpc_loop *server_loop, *client_loop;
    struct qr_rpc_listener *listener;
    struct qr_rpc_client *client;
    struct qr_rpc_peer *peer;
    char address[128];
};

static struct fixture *start(struct qr_rpc_listen_options listen,
                             struct qr_rpc_client_options connect)
{
    static int number;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    struct qr_err err;
    snprintf(f->address, sizeof f->address, "unix:%s/s%d", dir, number++);
    f->echo.env = qr_env_real();
    pthread_mutex_init(&f->echo.mu, NULL);
    struct qr_rpc_loop_options loop = {.env = qr_env_real()};
    assert_int_equal(qr_rpc_loop_new(&loop, &f->server_loop, &err), QR_OK);
    assert_int_equal(qr_rpc_loop_new(&loop, &f->client_loop, &err), QR_OK);
    listen.address = connect.address = f->address;
    listen.serve = echo_serve;
    listen.ctx = &f->echo;
    if (qr_rpc_listen(f->server_loop, &listen, &f->listener, &err) != QR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(qr_rpc_client_new(f->client_loop, &connect, &f->client, &err), QR_OK);
    f->peer = qr_rpc_client_peer(f->client);
    return f;
}

static void stop(struct fixture *f)
{
    qr_rpc_client_free(f->client);
    qr_rpc_listener_free(f->listener);
    qr_rpc_loop_free(f->client_loop);
    qr_rpc_loop_free(f->server_loop);
    pthread_mutex_destroy(&f->echo.mu);
    free(f);
}

static enum qr_status call32(struct qr_rpc_peer *peer, uint16_t method, uint32_t value,
                             int64_t timeout_ns, struct qr_buf *reply, struct qr_err *err)
{
    uint8_t bytes[4];
    qr_put32le(bytes, value);
    struct iovec body = {bytes, sizeof bytes};
    return qr_rpc_call_wait(peer, method, &body, 1, timeout_ns, reply, err);
}

static void test_a_call_is_answered(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    assert_false(qr_rpc_client_connected(f->client)); /* it connects with the first call */
    struct qr_buf reply;
    qr_buf_init(&reply, 1 << 20);
    struct iovec body[3] = {{"one ", 4}, {"", 0}, {"two", 3}};
    struct qr_err err;
    assert_int_equal(qr_rpc_call_wait(f->peer, ECHO, body, 3, 0, &reply, &err), QR_OK);
    assert_string_equal(qr_buf_cstr(&reply), "one two");
    assert_true(qr_rpc_client_connected(f->client));
    assert_int_equal(qr_rpc_call_wait(f->peer, ECHO, NULL, 0, 0, NULL, &err), QR_OK);
    qr_buf_done(&reply);
    stop(f);
}

static void check_bodies_of_every_size(uint16_t method)
{
    static const size_t sizes[] = {0,     1,     4095,   65496,   65535,
                                   65536, 65537, 200000, 1 << 20, QR_RPC_BODY_BYTES_MAX};
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    uint8_t *sent = malloc(QR_RPC_BODY_BYTES_MAX + 1);
    assert_non_null(sent);
    for (size_t i = 0; i <= QR_RPC_BODY_BYTES_MAX; i++)
        sent[i] = (uint8_t)(i * 31 + (i >> 8));
    struct qr_err err;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct qr_buf reply;
        qr_buf_init(&reply, QR_RPC_BODY_BYTES_MAX);
        struct iovec body[2] = {{sent, sizes[i] / 3},
                                {sent + sizes[i] / 3, sizes[i] - sizes[i] / 3}};
        assert_int_equal(qr_rpc_call_wait(f->peer, method, body, 2, 0, &reply, &err), QR_OK);
        assert_int_equal(reply.len, sizes[i]);
        assert_memory_equal(reply.data == NULL ? sent : reply.data, sent, sizes[i]);
        qr_buf_done(&reply);
    }
    struct iovec over = {sent, QR_RPC_BODY_BYTES_MAX + 1};
    assert_int_equal(qr_rpc_call_wait(f->peer, method, &over, 1, 0, NULL, &err), QR_TOO_BIG);
    free(sent);
    stop(f);
}

static void test_bodies_of_every_size_come_back_as_they_were(void **state)
{
    (void)state;
    check_bodies_of_every_size(ECHO);
}

static void test_bodies_whose_memory_changes_hands_come_back_as_they_were(void **state)
{
    (void)state;
    check_bodies_of_every_size(ECHO_OWN);
}

static void test_a_refusal_travels_with_its_status_and_text(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    struct qr_err err;
    assert_int_equal(qr_rpc_call_wait(f->peer, REFUSE, NULL, 0, 0, NULL, &err), QR_FENCED);
    assert_string_equal(err.text, "epoch 7 has taken over");
    assert_int_equal(err.status, QR_FENCED);
    stop(f);
}

/* Many calls at once: each thread keeps a window full and checks every answer. */
enum { WINDOW = 64, CALLS_PER_THREAD = 4000, THREADS = 4 };

struct flood;
struct slot {
    struct qr_rpc_call call; /* first */
    struct flood *flood;
    uint8_t body[16];
    bool ok;
};
struct flood {
    struct qr_rpc_peer *peer;
    struct slot slots[WINDOW];
    uint64_t seed;
    int wrong;
};

static void flood_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct slot *slot = (struct slot *)call;
    slot->ok = reply->status == QR_OK && reply->bytes == sizeof slot->body &&
               memcmp(reply->body, slot->body, sizeof slot->body) == 0;
}

static void *flood_main(void *arg)
{
    struct flood *flood = arg;
    for (int i = 0; i < CALLS_PER_THREAD + WINDOW; i++) {
        struct slot *slot = &flood->slots[i % WINDOW];
        if (i >= WINDOW) {
            qr_rpc_wait(flood->peer, &slot->call);
            flood->wrong += !slot->ok;
        }
        if (i < CALLS_PER_THREAD) {
            qr_put64le(slot->body, flood->seed);
            qr_put64le(slot->body + 8, (uint64_t)i);
            slot->call = (struct qr_rpc_call){.method = ECHO, .done = flood_done, .body_count = 1};
            slot->call.body[0] = (struct iovec){slot->body, sizeof slot->body};
            qr_rpc_start(flood->peer, &slot->call);
        }
    }
    return NULL;
}

static void flood_with(struct qr_rpc_listen_options listen)
{
    struct fixture *f = start(listen, (struct qr_rpc_client_options){0});
    static struct flood floods[THREADS];
    pthread_t threads[THREADS];
    struct qr_err err;
    memset(floods, 0, sizeof floods);
    for (int i = 0; i < THREADS; i++) {
        floods[i].peer = f->peer;
        floods[i].seed = (uint64_t)i << 40;
        assert_int_equal(qr_thread_start("flood", 0, flood_main, &floods[i], &threads[i], &err),
                         QR_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(floods[i].wrong, 0);
    }
    assert_int_equal(echo_served(&f->echo), THREADS * CALLS_PER_THREAD);
    stop(f);
}

static void test_thousands_of_pipelined_calls_from_several_threads(void **state)
{
    (void)state;
    flood_with((struct qr_rpc_listen_options){0});
}

static void test_thousands_of_calls_served_by_workers(void **state)
{
    (void)state;
    flood_with((struct qr_rpc_listen_options){.workers = 3});
}

/* The server stops reading when it has as much in service as it may, and goes on later. */
static void test_a_server_reads_no_more_than_it_may_keep(void **state)
{
    (void)state;
    flood_with((struct qr_rpc_listen_options){.workers = 2, .link_requests_max = 3});
    flood_with((struct qr_rpc_listen_options){.workers = 2, .link_requests_max = 1});
}

static void test_a_deadline_ends_a_call_and_the_next_goes_on(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    struct qr_err err;
    int64_t begin = qr_env_mono_ns(f->echo.env);
    assert_int_equal(call32(f->peer, PARK, 0, 30 * MS, NULL, &err), QR_TIMEOUT);
    int64_t took = qr_env_mono_ns(f->echo.env) - begin;
    assert_true(took >= 30 * MS && took < 5000 * MS);
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK);
    assert_int_equal(echo_parked(&f->echo), 1);
    assert_true(qr_rpc_request_gone(f->echo.parked[0])); /* the asker said so */
    assert_true(f->echo.parked[0]->deadline_mono_ns <= begin + took + 1000 * MS);
    qr_rpc_answer(f->echo.parked[0], NULL, 0); /* nobody hears it */
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK);
    stop(f);
}

/* Requests that waited for a worker past their deadline are not served. */
static void test_a_slow_server_does_not_serve_what_nobody_waits_for(void **state)
{
    (void)state;
    struct fixture *f =
        start((struct qr_rpc_listen_options){.workers = 1}, (struct qr_rpc_client_options){0});
    static struct slot slow[8];
    struct qr_err err;
    memset(slow, 0, sizeof slow);
    for (int i = 0; i < 8; i++) {
        qr_put32le(slow[i].body, 200);
        slow[i].call = (struct qr_rpc_call){
            .method = SLEEP_MS, .done = flood_done, .body_count = 1, .timeout_ns = 50 * MS};
        slow[i].call.body[0] = (struct iovec){slow[i].body, sizeof slow[i].body};
        qr_rpc_start(f->peer, &slow[i].call);
    }
    for (int i = 0; i < 8; i++)
        qr_rpc_wait(f->peer, &slow[i].call);
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK);
    assert_int_equal(echo_served(&f->echo), 2);
    stop(f);
}

struct note {
    struct qr_rpc_call call; /* first */
    enum qr_status status;
    int count;
};

static void note_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct note *note = (struct note *)call;
    note->status = reply->status;
    note->count += 1;
}

static void test_a_cancelled_call_ends_once(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    struct note note = {.call = {.method = PARK, .done = note_done}};
    struct qr_err err;
    qr_rpc_start(f->peer, &note.call);
    while (echo_parked(&f->echo) == 0)
        qr_env_sleep_ns(f->echo.env, MS);
    qr_rpc_cancel(f->peer, &note.call);
    qr_rpc_wait(f->peer, &note.call);
    assert_int_equal(note.status, QR_CANCELLED);
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK); /* behind the cancel frame */
    assert_true(qr_rpc_request_gone(f->echo.parked[0]));
    qr_rpc_answer(f->echo.parked[0], NULL, 0);
    qr_rpc_cancel(f->peer, &note.call); /* too late: nothing happens */
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK);
    assert_int_equal(note.count, 1);
    stop(f);
}

/* A cancelled call whose bytes are half in the socket leaves the stream whole. */
static void test_a_large_call_cancelled_half_way_breaks_nothing(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){.workers = 1, .link_requests_max = 1},
                              (struct qr_rpc_client_options){0});
    uint8_t *big = calloc(1, 8 << 20);
    assert_non_null(big);
    qr_put32le(big, 150);
    static struct note first, second;
    first = (struct note){.call = {.method = SLEEP_MS, .done = note_done, .body_count = 1}};
    first.call.body[0] = (struct iovec){big, 4};
    second = (struct note){.call = {.method = ECHO, .done = note_done, .body_count = 1}};
    second.call.body[0] = (struct iovec){big, 8 << 20};
    struct qr_err err;
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK);
    qr_rpc_start(f->peer, &first.call); /* the server reads no further while it sleeps */
    qr_rpc_start(f->peer, &second.call);
    qr_rpc_cancel(f->peer, &second.call);
    qr_rpc_wait(f->peer, &second.call);
    memset(big, 0xff, 8 << 20); /* ours again: what is still to be sent was copied */
    free(big);
    assert_int_equal(second.status, QR_CANCELLED);
    qr_rpc_wait(f->peer, &first.call);
    assert_int_equal(first.status, QR_OK);
    assert_int_equal(call32(f->peer, ECHO, 1, 0, NULL, &err), QR_OK);
    stop(f);
}

static void test_more_queued_than_allowed_is_refused(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){.workers = 1, .link_requests_max = 1},
                              (struct qr_rpc_client_options){.queue_bytes_max = 8 << 20});
    uint8_t *big = calloc(1, 4 << 20);
    assert_non_null(big);
    qr_put32le(big, 300);
    static struct note notes[12];
    int busy = 0;
    for (int i = 0; i < 12; i++) {
        notes[i] = (struct note){
            .call = {.method = i == 0 ? SLEEP_MS : ECHO, .done = note_done, .body_count = 1}};
        notes[i].call.body[0] = (struct iovec){big, i == 0 ? 4 : 4 << 20};
        qr_rpc_start(f->peer, &notes[i].call);
    }
    for (int i = 0; i < 12; i++) {
        qr_rpc_wait(f->peer, &notes[i].call);
        assert_true(notes[i].status == QR_OK || notes[i].status == QR_BUSY);
        busy += notes[i].status == QR_BUSY;
    }
    assert_true(busy >= 8 && busy < 12);
    free(big);
    stop(f);
}

static void test_a_full_worker_queue_answers_busy(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){.workers = 1, .worker_queue_max = 2},
                              (struct qr_rpc_client_options){0});
    static struct note notes[10];
    uint8_t ms[4];
    qr_put32le(ms, 50);
    int busy = 0;
    for (int i = 0; i < 10; i++) {
        notes[i] = (struct note){.call = {.method = SLEEP_MS, .done = note_done, .body_count = 1}};
        notes[i].call.body[0] = (struct iovec){ms, 4};
        qr_rpc_start(f->peer, &notes[i].call);
    }
    for (int i = 0; i < 10; i++) {
        qr_rpc_wait(f->peer, &notes[i].call);
        assert_true(notes[i].status == QR_OK || notes[i].status == QR_BUSY);
        busy += notes[i].status == QR_BUSY;
    }
    assert_true(busy >= 5 && busy <= 8);
    stop(f);
}

static void test_no_server_is_told_soon_and_a_patient_client_waits(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0},
                              (struct qr_rpc_client_options){.backoff_max_ns = 50 * MS});
    struct qr_err err;
    qr_rpc_listener_free(f->listener);
    f->listener = NULL;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(call32(f->peer, ECHO, 1, 2000 * MS, NULL, &err), QR_CLOSED);
        assert_non_null(strstr(err.text, f->address + 5));
    }
    struct qr_rpc_client *patient = NULL;
    struct qr_rpc_client_options connect = {
        .address = f->address, .patient = true, .backoff_max_ns = 20 * MS};
    assert_int_equal(qr_rpc_client_new(f->client_loop, &connect, &patient, &err), QR_OK);
    assert_int_equal(call32(qr_rpc_client_peer(patient), ECHO, 1, 60 * MS, NULL, &err), QR_TIMEOUT);
    struct note note = {.call = {.method = ECHO, .done = note_done}};
    qr_rpc_start(qr_rpc_client_peer(patient), &note.call);
    qr_env_sleep_ns(f->echo.env, 50 * MS);
    struct qr_rpc_listen_options listen = {
        .address = f->address, .serve = echo_serve, .ctx = &f->echo};
    assert_int_equal(qr_rpc_listen(f->server_loop, &listen, &f->listener, &err), QR_OK);
    qr_rpc_wait(qr_rpc_client_peer(patient), &note.call);
    assert_int_equal(note.status, QR_OK);
    qr_rpc_client_free(patient);
    stop(f);
}

static void test_freeing_a_client_ends_its_calls(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    static struct note notes[20];
    for (int i = 0; i < 20; i++) {
        notes[i] = (struct note){.call = {.method = PARK, .done = note_done}};
        qr_rpc_start(f->peer, &notes[i].call);
    }
    qr_rpc_client_free(f->client);
    f->client = NULL;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(notes[i].status, QR_CANCELLED);
        assert_int_equal(notes[i].count, 1);
    }
    qr_rpc_listener_free(f->listener);
    f->listener = NULL;
    for (int i = 0; i < f->echo.parked_count; i++)
        qr_rpc_answer(f->echo.parked[i], NULL, 0); /* after everything is gone */
    stop(f);
}

static void test_the_socket_is_ours_alone(void **state)
{
    (void)state;
    struct fixture *f = start((struct qr_rpc_listen_options){0}, (struct qr_rpc_client_options){0});
    struct stat st;
    assert_int_equal(stat(f->address + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct qr_rpc_listener *second = NULL;
    struct qr_err err;
    struct qr_rpc_listen_options listen = {.address = f->address, .serve = echo_serve};
    assert_int_equal(qr_rpc_listen(f->server_loop, &listen, &second, &err), QR_EXISTS);
    char open_dir[160], address[200];
    snprintf(open_dir, sizeof open_dir, "%s/open", dir);
    assert_int_equal(mkdir(open_dir, 0755), 0);
    snprintf(address, sizeof address, "unix:%s/s", open_dir);
    listen.address = address;
    assert_int_equal(qr_rpc_listen(f->server_loop, &listen, &second, &err), QR_DENIED);
    rmdir(open_dir);
    static const char *const wrong[] = {"",           "unix:relative", "tcp:nohost",
                                        "tcp:h:port", "tcp::1",        "http://x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        listen.address = wrong[i];
        assert_int_equal(qr_rpc_listen(f->server_loop, &listen, &second, &err), QR_INVALID);
    }
    listen.address = "tcp:127.0.0.1:0";
    assert_int_equal(qr_rpc_listen(f->server_loop, &listen, &second, &err), QR_INVALID);
    assert_non_null(strstr(err.text, "certificates"));
    stop(f);
}

/* A server in a process of its own, to be killed. */
static pid_t spawn_server(const char *address)
{
    char *argv[] = {"test_rpc_socket", "serve", (char *)(uintptr_t)address, NULL};
    pid_t pid = -1;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    return pid;
}

static int serve_main(const char *address)
{
    static struct echo echo = {.mu = PTHREAD_MUTEX_INITIALIZER};
    /* A test that fails leaves nobody behind, who would keep its output open, perhaps stopped. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return 1;
    echo.env = qr_env_real();
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_listener *listener = NULL;
    struct qr_err err;
    struct qr_rpc_loop_options options = {.env = echo.env};
    struct qr_rpc_listen_options listen = {
        .address = address, .serve = echo_serve, .ctx = &echo, .workers = 2};
    if (qr_rpc_loop_new(&options, &loop, &err) != QR_OK ||
        qr_rpc_listen(loop, &listen, &listener, &err) != QR_OK)
        return 1;
    for (;;)
        pause();
}

static void test_calls_to_a_killed_server_end_and_the_next_one_serves(void **state)
{
    (void)state;
    char address[128];
    snprintf(address, sizeof address, "unix:%s/killed", dir);
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_client *client = NULL;
    struct qr_err err;
    struct qr_rpc_loop_options options = {.env = qr_env_real()};
    struct qr_rpc_client_options connect = {
        .address = address, .patient = true, .backoff_max_ns = 20 * MS};
    assert_int_equal(qr_rpc_loop_new(&options, &loop, &err), QR_OK);
    assert_int_equal(qr_rpc_client_new(loop, &connect, &client, &err), QR_OK);
    struct qr_rpc_peer *peer = qr_rpc_client_peer(client);
    for (int round = 0; round < 3; round++) {
        pid_t pid = spawn_server(address);
        assert_int_equal(call32(peer, ECHO, 1, 20000 * MS, NULL, &err), QR_OK);
        static struct note notes[100];
        for (int i = 0; i < 100; i++) {
            notes[i] = (struct note){.call = {.method = PARK, .done = note_done}};
            qr_rpc_start(peer, &notes[i].call);
        }
        assert_int_equal(call32(peer, ECHO, 1, 20000 * MS, NULL, &err), QR_OK);
        int64_t begin = qr_env_mono_ns(qr_env_real());
        kill(pid, SIGKILL);
        for (int i = 0; i < 100; i++) {
            qr_rpc_wait(peer, &notes[i].call);
            assert_int_equal(notes[i].status, QR_CLOSED);
        }
        assert_true(qr_env_mono_ns(qr_env_real()) - begin < 5000 * MS);
        waitpid(pid, NULL, 0);
    }
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
}

/* A server that is there but does not move is noticed by pings. */
static void test_a_stopped_server_is_given_up(void **state)
{
    (void)state;
    char address[128];
    snprintf(address, sizeof address, "unix:%s/stopped", dir);
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_client *client = NULL;
    struct qr_err err;
    struct qr_rpc_loop_options options = {.env = qr_env_real()};
    struct qr_rpc_client_options connect = {
        .address = address, .patient = true, .ping_ns = 500 * MS};
    assert_int_equal(qr_rpc_loop_new(&options, &loop, &err), QR_OK);
    assert_int_equal(qr_rpc_client_new(loop, &connect, &client, &err), QR_OK);
    struct qr_rpc_peer *peer = qr_rpc_client_peer(client);
    pid_t pid = spawn_server(address);
    assert_int_equal(call32(peer, SLEEP_MS, 1700, 20000 * MS, NULL, &err), QR_OK); /* pongs do */
    kill(pid, SIGSTOP);
    int stopped = 0; /* one thread takes the signal; until all stand still the others answer */
    assert_int_equal(waitpid(pid, &stopped, WUNTRACED), pid);
    assert_true(WIFSTOPPED(stopped));
    assert_int_equal(call32(peer, ECHO, 1, 20000 * MS, NULL, &err), QR_CLOSED);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve_main(argv[2]);
    if (mkdtemp(dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_is_answered),
        cmocka_unit_test(test_bodies_of_every_size_come_back_as_they_were),
        cmocka_unit_test(test_bodies_whose_memory_changes_hands_come_back_as_they_were),
        cmocka_unit_test(test_a_refusal_travels_with_its_status_and_text),
        cmocka_unit_test(test_thousands_of_pipelined_calls_from_several_threads),
        cmocka_unit_test(test_thousands_of_calls_served_by_workers),
        cmocka_unit_test(test_a_server_reads_no_more_than_it_may_keep),
        cmocka_unit_test(test_a_deadline_ends_a_call_and_the_next_goes_on),
        cmocka_unit_test(test_a_slow_server_does_not_serve_what_nobody_waits_for),
        cmocka_unit_test(test_a_cancelled_call_ends_once),
        cmocka_unit_test(test_a_large_call_cancelled_half_way_breaks_nothing),
        cmocka_unit_test(test_more_queued_than_allowed_is_refused),
        cmocka_unit_test(test_a_full_worker_queue_answers_busy),
        cmocka_unit_test(test_no_server_is_told_soon_and_a_patient_client_waits),
        cmocka_unit_test(test_freeing_a_client_ends_its_calls),
        cmocka_unit_test(test_the_socket_is_ours_alone),
        cmocka_unit_test(test_calls_to_a_killed_server_end_and_the_next_one_serves),
        cmocka_unit_test(test_a_stopped_server_is_given_up),
    };
    int failed = cmocka_run_group_tests_name("rpc/socket", tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || failed;
}
