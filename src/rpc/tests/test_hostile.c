/* test_hostile.c - what the other side may send instead of frames, to a client and to a server */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/crc.h"
#include "echo.h"
#include "env/thread.h"

static char dir[] = "/tmp/quire-rpch-XXXXXX";
static const int64_t MS = 1000000;
static struct qr_rpc_loop *loop;

static size_t put_frame(uint8_t *dst, enum qr_rpc_kind kind, uint64_t id, const char *body)
{
    struct qr_rpc_frame frame = {.kind = kind, .call_id = id, .method = ECHO};
    struct iovec iov = {(void *)(uintptr_t)body, strlen(body)};
    qr_rpc_frame_put(&frame, &iov, 1, dst);
    memcpy(dst + QR_RPC_HEADER_BYTES, body, strlen(body));
    return QR_RPC_HEADER_BYTES + strlen(body);
}

static void fix_header_crc(uint8_t *header)
{
    qr_put32le(header + 36, qr_crc32c(0, header, 36));
}

/* What follows the greeting: `bytes` after it was damaged in the way of the row. */
static size_t damage(const char *how, uint8_t *bytes, size_t count)
{
    if (strcmp(how, "header") == 0)
        bytes[9] ^= 4;
    else if (strcmp(how, "body") == 0)
        bytes[QR_RPC_HEADER_BYTES] ^= 4;
    else if (strcmp(how, "half") == 0)
        return count - 3;
    else if (strcmp(how, "half header") == 0)
        return 17;
    else if (strcmp(how, "magic") == 0)
        memcpy(bytes, "GET / HTTP/1.1\r\n", 16);
    else if (strcmp(how, "version") == 0)
        bytes[4] = QR_RPC_VERSION + 1;
    else if (strcmp(how, "kind") == 0)
        bytes[5] = QR_RPC_PONG + 1;
    else if (strcmp(how, "too big") == 0)
        qr_put32le(bytes + 16, QR_RPC_BODY_BYTES_MAX + 1);
    if (strcmp(how, "kind") == 0 || strcmp(how, "too big") == 0)
        fix_header_crc(bytes);
    return count;
}

struct fake {
    int listen_fd;
    const char *how;
    bool greets;
};

static bool receive(int fd, uint8_t *dst, size_t bytes)
{
    for (size_t n = 0; n < bytes;) {
        ssize_t got = recv(fd, dst + n, bytes - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    return true;
}

/* One connection: greets, waits for a call, answers with the damaged reply, hangs up. */
static void *fake_server(void *arg)
{
    struct fake *fake = arg;
    uint8_t hello[QR_RPC_HEADER_BYTES], call[QR_RPC_HEADER_BYTES], reply[256];
    int fd = accept(fake->listen_fd, NULL, NULL);
    size_t n = put_frame(hello, QR_RPC_HELLO, 0, "");
    if (!fake->greets)
        n = damage(fake->how, hello, n);
    ssize_t sent = send(fd, hello, n, MSG_NOSIGNAL);
    if (sent > 0 && receive(fd, call, sizeof call) && fake->greets &&
        receive(fd, call, sizeof call)) {
        n = put_frame(reply, QR_RPC_REPLY, qr_get64le(call + 8), "answer");
        n = damage(fake->how, reply, n);
        sent = send(fd, reply, n, MSG_NOSIGNAL);
        assert_true(sent == (ssize_t)n);
    }
    close(fd);
    return NULL;
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void test_a_client_survives_every_damaged_answer(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        bool greets;
        enum qr_status want;
        const char *text;
    } rows[] = {
        {"none", true, QR_OK, ""},
        {"header", true, QR_CORRUPT, "checksum"},
        {"body", true, QR_CORRUPT, "checksum"},
        {"kind", true, QR_CORRUPT, "kind"},
        {"half", true, QR_CLOSED, "closed"},
        {"half header", true, QR_CLOSED, "closed"},
        {"magic", true, QR_CLOSED, "no frame"},
        {"too big", true, QR_CLOSED, "16777217 bytes"},
        {"version", false, QR_CLOSED, "speaks version 2"},
        {"magic", false, QR_CLOSED, "no frame"},
        {"half header", false, QR_CLOSED, "closed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[64], address[80];
        snprintf(path, sizeof path, "%s/fake%zu", dir, i);
        snprintf(address, sizeof address, "unix:%s", path);
        struct fake fake = {.listen_fd = listen_on(path), .how = rows[i].how};
        fake.greets = rows[i].greets;
        pthread_t thread;
        struct qr_err err;
        struct qr_rpc_client *client = NULL;
        struct qr_rpc_client_options options = {.address = address, .timeout_ns = 20000 * MS};
        assert_int_equal(qr_thread_start("fake", 0, fake_server, &fake, &thread, &err), QR_OK);
        assert_int_equal(qr_rpc_client_new(loop, &options, &client, &err), QR_OK);
        qr_err_reset(&err);
        enum qr_status status =
            qr_rpc_call_wait(qr_rpc_client_peer(client), ECHO, NULL, 0, 0, NULL, &err);
        if (status != rows[i].want || strstr(err.text, rows[i].text) == NULL)
            fail_msg("%s: %s: %s", rows[i].how, qr_status_info(status)->name, err.text);
        pthread_join(thread, NULL);
        close(fake.listen_fd);
        qr_rpc_client_free(client);
    }
}

static int connect_to(const char *address)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Does the server end the connection within a while? */
static bool is_ended(int fd)
{
    uint8_t bytes[4096];
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 10000) != 1)
            return false;
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return true;
    }
}

static void test_a_server_ends_damaged_connections_and_serves_the_others(void **state)
{
    (void)state;
    static const char *const rows[] = {"header",      "body",  "kind",    "half",
                                       "half header", "magic", "version", "too big"};
    struct echo echo = {.env = qr_env_real()};
    struct qr_err err;
    struct qr_rpc_listener *listener = NULL;
    struct qr_rpc_client *client = NULL;
    char address[80];
    pthread_mutex_init(&echo.mu, NULL);
    snprintf(address, sizeof address, "unix:%s/server", dir);
    struct qr_rpc_listen_options listen_options = {
        .address = address, .serve = echo_serve, .ctx = &echo};
    struct qr_rpc_client_options options = {.address = address};
    assert_int_equal(qr_rpc_listen(loop, &listen_options, &listener, &err), QR_OK);
    struct qr_rpc_loop *client_loop = NULL;
    assert_int_equal(
        qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = echo.env}, &client_loop, &err), QR_OK);
    assert_int_equal(qr_rpc_client_new(client_loop, &options, &client, &err), QR_OK);
    for (int greets = 0; greets <= 1; greets++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            uint8_t bytes[512];
            int fd = connect_to(address);
            size_t n = greets ? put_frame(bytes, QR_RPC_HELLO, 0, "") : 0;
            size_t more = put_frame(bytes + n, QR_RPC_CALL, 1, "a body");
            n += damage(rows[i], bytes + n, more);
            assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
            shutdown(fd, SHUT_WR);
            if (!is_ended(fd))
                fail_msg("%s", rows[i]);
            close(fd);
            assert_int_equal(
                qr_rpc_call_wait(qr_rpc_client_peer(client), ECHO, NULL, 0, 0, NULL, &err), QR_OK);
        }
    }
    assert_int_equal(echo_served(&echo),
                     2 * sizeof rows / sizeof rows[0]); /* none of the damaged */

    /* Frames that only the other direction has. */
    static const enum qr_rpc_kind wrong[] = {QR_RPC_REPLY};
    uint8_t bytes[512];
    int fd = connect_to(address);
    size_t n = put_frame(bytes, QR_RPC_HELLO, 0, "");
    n += put_frame(bytes + n, wrong[0], 1, "");
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
    assert_true(is_ended(fd));
    close(fd);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(client_loop);
    qr_rpc_listener_free(listener);
    pthread_mutex_destroy(&echo.mu);
}

/* An asker that reads nothing cannot make the server keep all its answers. */
static void test_answers_that_nobody_reads_end_the_connection(void **state)
{
    (void)state;
    struct echo echo = {.env = qr_env_real()};
    struct qr_err err;
    struct qr_rpc_listener *listener = NULL;
    char address[80];
    pthread_mutex_init(&echo.mu, NULL);
    snprintf(address, sizeof address, "unix:%s/unread", dir);
    struct qr_rpc_listen_options options = {
        .address = address, .serve = echo_serve, .ctx = &echo, .unread_bytes_max = 4 << 20};
    assert_int_equal(qr_rpc_listen(loop, &options, &listener, &err), QR_OK);
    uint8_t bytes[256], size[4];
    int fd = connect_to(address);
    size_t n = put_frame(bytes, QR_RPC_HELLO, 0, "");
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
    int sent = 0;
    qr_put32le(size, 1 << 20);
    for (; sent < 1000; sent++) {
        struct qr_rpc_frame frame = {
            .kind = QR_RPC_CALL, .call_id = (uint64_t)sent, .method = BYTES};
        struct iovec iov = {size, sizeof size};
        qr_rpc_frame_put(&frame, &iov, 1, bytes);
        memcpy(bytes + QR_RPC_HEADER_BYTES, size, sizeof size);
        if (send(fd, bytes, QR_RPC_HEADER_BYTES + 4, MSG_NOSIGNAL) < 0)
            break;
        if (sent > 8)
            qr_env_sleep_ns(echo.env, MS);
    }
    assert_true(sent < 1000);
    assert_true(echo_served(&echo) < 64);
    close(fd);
    qr_rpc_listener_free(listener);
    pthread_mutex_destroy(&echo.mu);
}

int main(void)
{
    struct qr_err err;
    if (mkdtemp(dir) == NULL ||
        qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &loop, &err) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_survives_every_damaged_answer),
        cmocka_unit_test(test_a_server_ends_damaged_connections_and_serves_the_others),
        cmocka_unit_test(test_answers_that_nobody_reads_end_the_connection),
    };
    int failed = cmocka_run_group_tests_name("rpc/hostile", tests, NULL, NULL);
    qr_rpc_loop_free(loop);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || failed;
}
