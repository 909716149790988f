/* Goal: a session through a tunnel is as one without: every byte, in order, both ways, and its end.
 * Method: both ends in this process over a unix socket, a gateway and a node of a few lines. */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "env/descriptor.h"
#include "../tunnel_int.h"
#include "env/thread.h"

enum { TIME_MS = 20000, NOT_HERE = 2 };
static char dir[] = "/tmp/quire-tunnel-XXXXXX";

struct world {
    struct qr_rpc_loop *near_loop, *far_loop;
    struct qr_tunnel_near *near;
    struct qr_tunnel_far *far;
    struct qr_rpc_listener *listener;
    char far_address[64], node_address[64], gate[QR_TUNNEL_ADDRESS_BYTES];
    int node_fd;     /* the node listens there */
    uint8_t answers; /* what the node says to logins */
};

static int seqpacket(const char *address, bool listens)
{
    struct sockaddr_un to;
    assert_int_equal(qri_tunnel_unix(address, &to, NULL), QR_OK);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (listens) {
        assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
        assert_int_equal(listen(fd, 64), 0);
    } else {
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    }
    return fd;
}

static void wait_ready(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    assert_int_equal(poll(&poll_fd, 1, TIME_MS), 1);
}

static int setup(void **state)
{
    static int number;
    struct world *w = calloc(1, sizeof *w);
    struct qr_err err = {0};
    struct qr_rpc_loop_options loop = {.env = qr_env_real()};
    *state = w;
    snprintf(w->far_address, sizeof w->far_address, "unix:%s/far%d", dir, ++number);
    snprintf(w->node_address, sizeof w->node_address, "unix:%s/node%d", dir, number);
    w->node_fd = seqpacket(w->node_address, true);
    w->answers = QRI_TUNNEL_TAKEN;
    struct qr_tunnel_far_options far = {.env = qr_env_real(), .handoff_address = w->node_address};
    struct qr_rpc_listen_options listen = {.address = w->far_address, .serve = qr_tunnel_far_serve};
    assert_int_equal(qr_tunnel_far_new(&far, &w->far, &err), QR_OK);
    listen.ctx = w->far;
    assert_int_equal(qr_rpc_loop_new(&loop, &w->far_loop, &err), QR_OK);
    assert_int_equal(qr_rpc_loop_new(&loop, &w->near_loop, &err), QR_OK);
    assert_int_equal(qr_rpc_listen(w->far_loop, &listen, &w->listener, &err), QR_OK);
    struct qr_tunnel_near_options near = {.env = qr_env_real(), .loop = w->near_loop, .dir = dir};
    assert_int_equal(qr_tunnel_near_new(&near, &w->near, &err), QR_OK);
    if (qr_tunnel_near_address(w->near, "hs-7", w->far_address, w->gate, &err) != QR_OK)
        fail_msg("%s", err.text);
    return 0;
}

static void end_far(struct world *w)
{
    qr_rpc_listener_free(QR_TAKE(w->listener));
    qr_tunnel_far_free(QR_TAKE(w->far));
}

static int teardown(void **state)
{
    struct world *w = *state;
    qr_tunnel_near_free(w->near);
    end_far(w);
    qr_rpc_loop_free(w->near_loop);
    qr_rpc_loop_free(w->far_loop);
    close(w->node_fd);
    free(w);
    return 0;
}

/* The node's side of a login: its end of the session, and what came with it. */
static int take_session(struct world *w, const char *want, int *ret_state)
{
    char message[256] = "";
    int fds[QRI_TUNNEL_FDS];
    wait_ready(w->node_fd, POLLIN);
    int link = accept(w->node_fd, NULL, NULL);
    wait_ready(link, POLLIN);
    ssize_t n = qri_tunnel_catch(link, message, sizeof message - 1, fds);
    assert_int_equal(n, strlen(want));
    assert_string_equal(message, want);
    assert_true(fds[QRI_TUNNEL_CLIENT] >= 0);
    assert_int_equal(send(link, &w->answers, 1, 0), 1);
    close(link);
    *ret_state = fds[QRI_TUNNEL_MOVED];
    return fds[QRI_TUNNEL_CLIENT];
}

static int take_login(struct world *w, const char *want)
{
    int state;
    int session = take_session(w, want, &state);
    assert_int_equal(state, -1);
    return session;
}

/* The gateway's: passes one end of a pair, and a state unless that is -1; keeps the other end,
 * which stands for the client. */
static int pass_session(int link, const char *message, int state)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int fds[2] = {pair[1], state};
    assert_true(qr_descriptors_send(link, message, strlen(message), fds, state < 0 ? 1 : 2));
    close(pair[1]);
    return pair[0];
}

static int pass_login(int link, const char *message)
{
    return pass_session(link, message, -1);
}

static int answer_of(int link)
{
    uint8_t answer = 0;
    wait_ready(link, POLLIN);
    return recv(link, &answer, 1, 0) == 1 ? answer : -1;
}

struct opened {
    int client, node, link;
};

static struct opened open_session(struct world *w)
{
    struct opened o = {.link = seqpacket(w->gate, false)};
    o.client = pass_login(o.link, "who and where to");
    o.node = take_login(w, "who and where to");
    assert_int_equal(answer_of(o.link), QRI_TUNNEL_TAKEN);
    return o;
}

static void close_all(struct opened *o)
{
    close(o->client);
    close(o->node);
    close(o->link);
}

static void expect(int fd, const char *want)
{
    char got[64] = "";
    size_t have = 0, n = strlen(want);
    while (have < n) {
        wait_ready(fd, POLLIN);
        ssize_t got_now = recv(fd, got + have, n - have, 0);
        assert_true(got_now > 0);
        have += (size_t)got_now;
    }
    assert_string_equal(got, want);
}

static bool is_over(int fd)
{
    char byte;
    wait_ready(fd, POLLIN);
    return recv(fd, &byte, 1, 0) <= 0;
}

static void test_bytes_pass_both_ways_and_the_end_too(void **state)
{
    struct world *w = *state;
    struct opened o = open_session(w);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(send(o.client, "question", 8, 0), 8);
        expect(o.node, "question");
        assert_int_equal(send(o.node, "answer", 6, 0), 6);
        expect(o.client, "answer");
    }
    assert_int_equal(shutdown(o.client, SHUT_WR), 0); /* the answer may still come */
    assert_true(is_over(o.node));
    assert_int_equal(send(o.node, "late", 4, 0), 4);
    expect(o.client, "late");
    shutdown(o.node, SHUT_RDWR);
    assert_true(is_over(o.client));
    close_all(&o);
}

static void test_the_gateway_hears_what_the_node_says_of_a_login(void **state)
{
    struct world *w = *state;
    w->answers = NOT_HERE;
    int link = seqpacket(w->gate, false);
    int client = pass_login(link, "first");
    close(take_login(w, "first"));
    assert_int_equal(answer_of(link), NOT_HERE);
    assert_true(is_over(client)); /* nobody else has that end */
    close(client);
    w->answers = QRI_TUNNEL_TAKEN;
    client = pass_login(link, "second"); /* the same link goes on */
    int node = take_login(w, "second");
    assert_int_equal(answer_of(link), QRI_TUNNEL_TAKEN);
    assert_int_equal(send(node, "hello", 5, 0), 5);
    expect(client, "hello");
    close(client);
    assert_true(is_over(node));
    close(node);
    close(link);
}

static void test_a_gateway_that_gave_up_leaves_no_session(void **state)
{
    struct world *w = *state;
    int link = seqpacket(w->gate, false);
    int client = pass_login(link, "slow");
    wait_ready(w->node_fd, POLLIN);
    int node_link = accept(w->node_fd, NULL, NULL), fds[QRI_TUNNEL_FDS];
    char message[64];
    wait_ready(node_link, POLLIN);
    assert_int_equal(qri_tunnel_catch(node_link, message, sizeof message, fds), 4);
    int node = fds[QRI_TUNNEL_CLIENT];
    close(link); /* before the node's answer */
    close(client);
    assert_int_equal(send(node_link, &w->answers, 1, 0), 1);
    assert_true(is_over(node));
    close(node);
    close(node_link);
}

static int state_of(size_t bytes)
{
    int fd = memfd_create("state", MFD_CLOEXEC);
    for (uint32_t i = 0; i < bytes / sizeof i; i++)
        assert_int_equal(write(fd, &i, sizeof i), sizeof i);
    return fd;
}

static void test_a_session_that_moves_brings_what_it_has(void **state)
{
    static const size_t sizes[] = {4, QRI_TUNNEL_STATE_STEP, 5 * QRI_TUNNEL_STATE_STEP + 8};
    struct world *w = *state;
    int link = seqpacket(w->gate, false);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int brought = state_of(sizes[i]), came = -1;
        int client = pass_session(link, "on its way", brought);
        int node = take_session(w, "on its way", &came);
        assert_int_equal(answer_of(link), QRI_TUNNEL_TAKEN);
        assert_int_equal(lseek(came, 0, SEEK_END), sizes[i]);
        for (uint32_t n = 0, got; n < sizes[i] / sizeof n; n++) {
            assert_int_equal(pread(came, &got, sizeof got, n * sizeof n), sizeof got);
            assert_int_equal(got, n);
        }
        assert_int_equal(send(client, "ask", 3, 0), 3);
        expect(node, "ask");
        close(came);
        close(brought);
        close(client);
        close(node);
    }
    end_far(w); /* a machine that is gone: the client is the gateway's again, and is not read */
    int brought = state_of(QRI_TUNNEL_STATE_STEP * 2), client = pass_session(link, "late", brought);
    assert_int_equal(answer_of(link), QRI_TUNNEL_NOT_HERE);
    close(brought);
    close(client);
    close(link);
}

static void test_a_machine_that_goes_ends_its_sessions(void **state)
{
    struct world *w = *state;
    struct opened o = open_session(w);
    end_far(w);
    assert_true(is_over(o.client));
    close_all(&o);
    int link = seqpacket(w->gate, false); /* and logins are sent back to the gateway */
    int client = pass_login(link, "later");
    assert_int_equal(answer_of(link), NOT_HERE);
    close(client);
    close(link);
}

static void test_a_gateway_process_that_dies_ends_its_sessions(void **state)
{
    struct world *w = *state;
    struct opened o = open_session(w);
    qr_tunnel_near_free(QR_TAKE(w->near));
    assert_true(is_over(o.node));
    assert_true(is_over(o.client));
    close_all(&o);
}

struct stream {
    int fd;
    size_t bytes;
    unsigned seed;
    bool writes, pauses;
    size_t wrong;
};

static void *stream_main(void *arg)
{
    struct stream *s = arg;
    uint8_t chunk[30000];
    for (size_t at = 0; at < s->bytes;) {
        size_t n = s->bytes - at < sizeof chunk ? s->bytes - at : sizeof chunk;
        if (s->writes)
            for (size_t i = 0; i < n; i++)
                chunk[i] = (uint8_t)((at + i) * s->seed + ((at + i) >> 11));
        if (s->pauses && at % (sizeof chunk * 64) == 0)
            qr_env_sleep_ns(qr_env_real(), 5000000);
        ssize_t done = s->writes ? send(s->fd, chunk, n, MSG_NOSIGNAL) : recv(s->fd, chunk, n, 0);
        if (done <= 0) {
            s->wrong += 1;
            return NULL;
        }
        if (!s->writes)
            for (size_t i = 0; i < (size_t)done; i++)
                s->wrong += chunk[i] != (uint8_t)((at + i) * s->seed + ((at + i) >> 11));
        at += (size_t)done;
    }
    return NULL;
}

static void test_much_arrives_whole_while_readers_are_slow(void **state)
{
    struct world *w = *state;
    enum { SESSIONS = 4, BYTES = 12000000 };
    struct opened o[SESSIONS];
    struct stream streams[SESSIONS * 4];
    pthread_t threads[SESSIONS * 4];
    for (unsigned i = 0; i < SESSIONS; i++) {
        o[i] = open_session(w);
        streams[i * 4] = (struct stream){o[i].client, BYTES, 2 * i + 3, true, false, 0};
        streams[i * 4 + 1] = (struct stream){o[i].node, BYTES, 2 * i + 3, false, i % 2, 0};
        streams[i * 4 + 2] = (struct stream){o[i].node, BYTES, 2 * i + 5, true, false, 0};
        streams[i * 4 + 3] = (struct stream){o[i].client, BYTES, 2 * i + 5, false, i % 2, 0};
    }
    for (int i = 0; i < SESSIONS; i++)
        fcntl(o[i].node, F_SETFL, 0); /* blocking, for these threads */
    for (int i = 0; i < SESSIONS * 4; i++)
        assert_int_equal(qr_thread_start("s", 0, stream_main, &streams[i], &threads[i], NULL),
                         QR_OK);
    for (int i = 0; i < SESSIONS * 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(streams[i].wrong, 0);
    }
    for (int i = 0; i < SESSIONS; i++)
        close_all(&o[i]);
}

static void test_calls_that_break_their_form_are_refused(void **state)
{
    struct world *w = *state;
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_client_options options = {.address = w->far_address};
    static const uint8_t bytes[16] = {1, 2, 3};
    static const struct {
        uint16_t method;
        size_t bytes;
        enum qr_status want;
    } rows[] = {
        {QRI_TUNNEL_OPEN, 0, QR_TOO_BIG},          {QRI_TUNNEL_SEND, 0, QR_PROTOCOL},
        {QRI_TUNNEL_SEND, 7, QR_PROTOCOL},         {QRI_TUNNEL_SEND, 16, QR_NOT_FOUND},
        {QRI_TUNNEL_TAKE, 8, QR_NOT_FOUND},        {QRI_TUNNEL_HOLD, 8, QR_NOT_FOUND},
        {QRI_TUNNEL_CLOSE, 8, QR_NOT_FOUND},       {0x500, 8, QR_UNSUPPORTED},
        {QRI_TUNNEL_STATE, 8, QR_PROTOCOL},        {QRI_TUNNEL_STATE, 16, QR_NOT_FOUND},
        {QRI_TUNNEL_STATE, 7, QR_PROTOCOL},        {QRI_TUNNEL_OPEN_MOVED, 8, QR_TOO_BIG},
        {QRI_TUNNEL_OPEN_MOVED, 16, QR_NOT_FOUND}, {0x508, 8, QR_UNSUPPORTED},
    };
    assert_int_equal(qr_rpc_client_new(w->near_loop, &options, &client, NULL), QR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct iovec iov = {(void *)(uintptr_t)bytes, rows[i].bytes};
        enum qr_status status =
            qr_rpc_call_wait(qr_rpc_client_peer(client), rows[i].method, &iov, 1, 0, NULL, NULL);
        if (status != rows[i].want)
            fail_msg("row %zu: %s", i, qr_status_info(status)->name);
    }
    qr_rpc_client_free(client);
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_pass_both_ways_and_the_end_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_gateway_hears_what_the_node_says_of_a_login, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_gateway_that_gave_up_leaves_no_session, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_session_that_moves_brings_what_it_has, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_machine_that_goes_ends_its_sessions, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_gateway_process_that_dies_ends_its_sessions, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_much_arrives_whole_while_readers_are_slow, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_calls_that_break_their_form_are_refused, setup,
                                        teardown),
    };
    int failed = cmocka_run_group_tests_name("tunnel", tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || failed;
}
