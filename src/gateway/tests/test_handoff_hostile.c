/* Goal: whatever comes to a node's handoff socket harms nobody, and a node or a router that breaks
 * its word costs a client its login at the deadline and nothing else. */
#include "qr_test.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "handoff_int.h"
#include "handoff_world.h"

enum { LOGIN_MS = 4000, LONG_LOGIN_MS = 15000 };

static const char *select1_path; /* argv[1] */

static int begin(void **state)
{
    struct world *world = malloc(sizeof *world);
    world_init(world);
    *state = world;
    return 0;
}

static int end(void **state)
{
    world_done(*state);
    free(*state);
    return 0;
}

/* ---- a front that is none ---- */

static int connect_node(const struct world *world)
{
    struct sockaddr_un address;
    assert_int_equal(qri_handoff_address(world->address, &address, NULL), QR_OK);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool send_with(int link, const void *bytes, size_t count, const int *fds, int fd_count)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, count};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, (size_t)fd_count * sizeof(int));
    }
    return sendmsg(link, &msg, MSG_NOSIGNAL) == (ssize_t)count;
}

static struct qr_buf a_message(void)
{
    struct qr_tds_login7 login7 = {.version = QR_TDS_VERSION_74};
    struct qr_login login = {.login7 = &login7,
                             .user = qr_str("admin"),
                             .is_checked = true,
                             .address = qr_str("10.0.0.1"),
                             .packet_bytes = 4096};
    struct qr_buf msg;
    qr_buf_init(&msg, 2 * QRI_HANDOFF_BYTES_MAX);
    assert_int_equal(qri_handoff_encode(&login, 0, &msg, NULL), QR_OK);
    return msg;
}

static void assert_link_ends(int link)
{
    uint8_t byte;
    assert_int_equal(recv(link, &byte, 1, 0), 0);
    close(link);
}

static void test_what_is_no_handoff_ends_the_link_and_leaves_nothing(void **state)
{
    struct world *world = *state;
    world_start_node(world);
    int pair[2], file = fileno(stdin);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int seqpacket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct qr_buf msg = a_message();
    struct qr_buf big = a_message();
    qr_buf_fill(&big, 0, QRI_HANDOFF_BYTES_MAX);
    size_t before = world_descriptors();
    const struct {
        const void *bytes;
        size_t count;
        int fds[3], fd_count;
    } rows[] = {
        {"x", 1, {0}, 0},                                    /* no message, no descriptor */
        {"x", 1, {pair[0]}, 1},                              /* no message */
        {msg.data, msg.len - 1, {pair[0]}, 1},               /* cut */
        {msg.data, msg.len, {0}, 0},                         /* no descriptor */
        {msg.data, msg.len, {pair[0], pair[0]}, 2},          /* two */
        {msg.data, msg.len, {pair[0], file, file}, 3},       /* three */
        {msg.data, msg.len, {file}, 1},                      /* no socket */
        {msg.data, msg.len, {seqpacket}, 1},                 /* no stream */
        {big.data, QRI_HANDOFF_BYTES_MAX + 1, {pair[0]}, 1}, /* over the bound */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int link = connect_node(world);
        assert_true(send_with(link, rows[i].bytes, rows[i].count, rows[i].fds, rows[i].fd_count));
        assert_link_ends(link);
    }
    assert_int_equal(world_descriptors(), before);
    assert_int_equal(world_metric(world->node, QR_GATEWAY_ACCEPTED), 0);
    close(pair[0]);
    close(pair[1]);
    close(seqpacket);
    qr_buf_done(&big);
    qr_buf_done(&msg);
}

static void test_messages_of_random_bytes_harm_nobody(void **state)
{
    struct world *world = *state;
    world_start_node(world);
    struct qr_buf msg = a_message();
    unsigned seed = 1;
    for (int i = 0; i < 300; i++) {
        int pair[2], link = connect_node(world);
        uint8_t answer = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        msg.data[(size_t)rand_r(&seed) % msg.len] = (uint8_t)rand_r(&seed);
        assert_true(send_with(link, msg.data, msg.len, pair, 1));
        ssize_t n = recv(link, &answer, 1, 0);
        assert_true(n == 0 || (n == 1 && answer == QRI_HANDOFF_TAKEN));
        close(pair[0]);
        close(pair[1]);
        close(link);
    }
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
    world_start_front(world, LONG_LOGIN_MS);
    static struct client client;
    assert_int_equal(client_login(&client, world_port(world), true, ""), 0);
    client_close(&client);
    qr_buf_done(&msg);
}

/* H2: a front that left before it had the answer may have told the client something else. */
static void test_a_node_writes_nothing_for_a_front_that_has_left(void **state)
{
    struct world *world = *state;
    world_start_node(world);
    struct qr_buf msg = a_message();
    for (int i = 0; i < 50; i++) {
        int pair[2], link = connect_node(world);
        uint8_t answer = 0, byte = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_true(send_with(link, msg.data, msg.len, pair, 1));
        close(pair[0]);
        shutdown(link, SHUT_RD); /* from here no answer can come */
        bool answered = recv(link, &answer, 1, MSG_DONTWAIT) == 1;
        close(link);
        bool written = recv(pair[1], &byte, 1, 0) == 1; /* or the end, once the node closed it */
        assert_int_equal(written, answered);
        close(pair[1]);
    }
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
    qr_buf_done(&msg);
}

static void test_links_are_bounded_and_a_silent_one_harms_nobody(void **state)
{
    struct world *world = *state;
    world_start_node(world);
    enum { LINKS = 1200 };
    static int links[LINKS];
    for (int i = 0; i < LINKS; i++)
        links[i] = connect_node(world);
    assert_link_ends(links[LINKS - 1]);
    int silent = links[0];
    for (int i = 1; i < LINKS - 1; i++)
        close(links[i]);
    world_start_front(world, LONG_LOGIN_MS);
    static struct client client;
    assert_int_equal(client_login(&client, world_port(world), false, ""), 0);
    client_close(&client);
    close(silent);
}

/* ---- a node that is none ---- */

static int listen_as_node(const struct world *world)
{
    struct sockaddr_un address;
    assert_int_equal(qri_handoff_address(world->address, &address, NULL), QR_OK);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

/* Takes a link and its message; the descriptor in *ret_fd. */
static int take_handoff(int listener, int *ret_fd)
{
    static uint8_t bytes[QRI_HANDOFF_BYTES_MAX];
    struct iovec iov = {bytes, sizeof bytes};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    int link = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(link >= 0);
    assert_true(recvmsg(link, &msg, MSG_CMSG_CLOEXEC) > 0);
    memcpy(ret_fd, CMSG_DATA(&control.head), sizeof *ret_fd);
    return link;
}

static void test_a_node_that_never_answers_costs_the_login_its_deadline(void **state)
{
    struct world *world = *state;
    int listener = listen_as_node(world);
    world_start_front(world, LOGIN_MS);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        int fd;
        assert_true(client_open(&client, world_port(world), encrypted));
        client_send_login(&client, "", NULL);
        int link = take_handoff(listener, &fd);
        assert_int_equal(client_login_answer(&client), 40613);
        uint8_t taken = QRI_HANDOFF_TAKEN;
        assert_int_equal(send(link, &taken, 1, MSG_NOSIGNAL), -1); /* too late, and it knows */
        close(fd);
        close(link);
        assert_int_equal(client_read(&client, 5000), CLIENT_CLOSED);
        client_close(&client);
    }
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
    close(listener);
}

static void test_a_node_that_dies_or_refuses_in_the_middle_loses_no_login(void **state)
{
    struct world *world = *state;
    static const uint8_t answers[] = {QRI_HANDOFF_BUSY, QRI_HANDOFF_NOT_HERE, QRI_HANDOFF_STOPPING,
                                      0, 0xFF};
    int listener = listen_as_node(world);
    world_start_front(world, LONG_LOGIN_MS);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        int fd;
        assert_true(client_open(&client, world_port(world), encrypted));
        client_send_login(&client, "", "SELECT 8");
        for (size_t i = 0; i < sizeof answers; i++) {
            int link = take_handoff(listener, &fd);
            close(fd);
            (void)!write(link, &answers[i], 1);
            close(link);
        }
        int link = take_handoff(listener, &fd); /* dies without a word */
        close(fd);
        close(listener);
        close(link);
        unlink(world->path);
        world_start_node(world);
        assert_int_equal(client_login_answer(&client), 0);
        assert_int_equal(client_read(&client, 5000), 0);
        assert_true(client_has_row(&client, 8));
        client_close(&client);
        assert_true(world_stop_node(world, 0));
        listener = listen_as_node(world);
    }
    close(listener);
}

/* ---- a router that breaks its word ---- */

static void test_a_router_that_is_late_is_not_waited_for(void **state)
{
    struct world *world = *state;
    static struct client client;
    world_start_node(world);
    world_start_front(world, LOGIN_MS);
    atomic_store(&world->mode, ROUTE_KEEPS);
    int64_t before = world_now_ms();
    assert_int_equal(client_login(&client, world_port(world), true, "there"), 40613);
    assert_true(world_now_ms() - before < LOGIN_MS);
    client_close(&client);
    struct qr_route_job *job = atomic_load(&world->kept);
    memcpy(job->address, world->address, sizeof job->address);
    job->done(job);
    atomic_store(&world->mode, ROUTE_TO_NODE);
    assert_int_equal(client_login(&client, world_port(world), true, ""), 0);
    client_close(&client);
}

static void test_an_address_that_is_none_is_asked_again(void **state)
{
    struct world *world = *state;
    static struct client client;
    char right[sizeof world->address];
    world_start_node(world);
    world_start_front(world, LONG_LOGIN_MS);
    memcpy(right, world->address, sizeof right);
    memset(world->address, 'x', sizeof world->address); /* without an end */
    assert_true(client_open(&client, world_port(world), false));
    client_send_login(&client, "", NULL);
    while (atomic_load(&world->last_attempt) < 2)
        world_sleep_ms(1);
    atomic_store(&world->mode, ROUTE_FAILS);
    memcpy(world->address, right, sizeof right);
    atomic_store(&world->mode, ROUTE_TO_NODE);
    assert_int_equal(client_login_answer(&client), 0);
    client_close(&client);
}

/* ---- a node in a process of its own, killed ---- */

struct node_process {
    pid_t pid;
    int in;
};

static struct node_process start_process(const struct world *world)
{
    int in[2], out[2];
    char line[64];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl(select1_path, select1_path, "node", world->path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    assert_true(read(out[0], line, sizeof line) > 0); /* ready */
    close(out[0]);
    return (struct node_process){pid, in[1]};
}

static void kill_process(struct node_process *process)
{
    kill(process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    close(process->in);
}

static void test_a_killed_node_closes_its_clients_and_the_next_one_serves(void **state)
{
    struct world *world = *state;
    static struct client clients[6];
    struct node_process process = start_process(world);
    world_start_front(world, LONG_LOGIN_MS);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i % 2 == 1, ""), 0);
        assert_true(client_select(&clients[i], i));
    }
    client_send_batch(&clients[0], "WAIT");
    client_send_batch(&clients[1], "FLOOD"); /* and nobody reads it */
    client_send_batch(&clients[3], "WAIT");
    assert_int_equal(client_read(&clients[3], 100), CLIENT_TIMED_OUT); /* the node has it */
    kill_process(&process);
    client_send_batch(&clients[5], "SELECT 1"); /* asked when nobody is there */
    static const int words[6] = {CLIENT_CLOSED, 0, CLIENT_CLOSED, 40197, CLIENT_CLOSED, 40197};
    for (int i = 0; i < 6; i++) {
        if (i == 1) /* in the middle of an answer there is no place for a word */
            assert_int_equal(client_skip(&clients[i], 5000), CLIENT_CLOSED);
        else
            assert_int_equal(client_last_word(&clients[i]), words[i]);
        client_close(&clients[i]);
    }
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
    process = start_process(world); /* its predecessor's socket file is still there */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i % 2 == 1, ""), 0);
        assert_true(client_select(&clients[i], i));
        client_close(&clients[i]);
    }
    kill_process(&process);
}

static void test_a_living_node_s_address_is_not_taken_over(void **state)
{
    struct world *world = *state;
    struct qr_gateway *second = NULL;
    struct qr_err err = {0};
    world_start_node(world);
    struct qr_gateway_options options = {.env = qr_env_real(),
                                         .handoff_address = world->address,
                                         .service = &select1_service,
                                         .server_name = "server01"};
    assert_int_equal(qr_gateway_start(&options, &second, &err), QR_IO);
    options.router = &world->router;
    assert_int_equal(qr_gateway_start(&options, &second, &err), QR_INVALID);
    options.service = NULL;
    assert_int_equal(qr_gateway_start(&options, &second, &err), QR_INVALID);
    int link = connect_node(world); /* the first one is still there */
    close(link);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    select1_path = argv[1];
    world_setup();
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_what_is_no_handoff_ends_the_link_and_leaves_nothing),
        IN_WORLD(test_messages_of_random_bytes_harm_nobody),
        IN_WORLD(test_a_node_writes_nothing_for_a_front_that_has_left),
        IN_WORLD(test_links_are_bounded_and_a_silent_one_harms_nobody),
        IN_WORLD(test_a_node_that_never_answers_costs_the_login_its_deadline),
        IN_WORLD(test_a_node_that_dies_or_refuses_in_the_middle_loses_no_login),
        IN_WORLD(test_a_router_that_is_late_is_not_waited_for),
        IN_WORLD(test_an_address_that_is_none_is_asked_again),
        IN_WORLD(test_a_killed_node_closes_its_clients_and_the_next_one_serves),
        IN_WORLD(test_a_living_node_s_address_is_not_taken_over),
    };
    int failed = cmocka_run_group_tests_name("gateway/handoff_hostile", tests, NULL, NULL);
    world_teardown();
    return failed;
}
