/* test_tls.c - calls over TCP: who may speak, and that the bytes arrive */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "certs.h"
#include "echo.h"
#include "env/thread.h"

static char dir[] = "/tmp/quire-rpct-XXXXXX";
static const int64_t MS = 1000000;
static struct echo echo = {.mu = PTHREAD_MUTEX_INITIALIZER};
static struct qr_rpc_loop *server_loop;
static struct qr_rpc_listener *listener;

static struct qr_rpc_loop *loop_with(const char *name, const char *ca)
{
    static char cert[160], key[160], ca_path[160];
    struct qr_rpc_loop *loop = NULL;
    struct qr_err err;
    snprintf(cert, sizeof cert, "%s/%s.crt", dir, name);
    snprintf(key, sizeof key, "%s/%s.key", dir, name);
    snprintf(ca_path, sizeof ca_path, "%s/%s.crt", dir, ca);
    struct qr_rpc_loop_options options = {
        .env = qr_env_real(), .cert_path = cert, .key_path = key, .ca_path = ca_path};
    if (qr_rpc_loop_new(&options, &loop, &err) != QR_OK)
        fail_msg("%s", err.text);
    return loop;
}

static enum qr_status ask(const char *cert, const char *ca, const char *server_name,
                          struct qr_err *err)
{
    struct qr_rpc_loop *loop = loop_with(cert, ca);
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_client_options options = {.address = qr_rpc_listener_address(listener),
                                            .server_name = server_name,
                                            .timeout_ns = 20000 * MS};
    assert_int_equal(qr_rpc_client_new(loop, &options, &client, err), QR_OK);
    enum qr_status status = qr_rpc_call_wait(qr_rpc_client_peer(client), ECHO,
                                             &(struct iovec){"hello", 5}, 1, 0, NULL, err);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
    return status;
}

static void test_only_holders_of_our_certificates_are_served(void **state)
{
    (void)state;
    static const struct {
        const char *name, *cert, *ca, *server_name;
        enum qr_status want;
    } rows[] = {
        {"one of ours", "node2", "ca", NULL, QR_OK},
        {"one of ours, who checks the address", "node2", "ca", "127.0.0.1", QR_OK},
        {"one of ours, who checks the name", "node2", "ca", "node1", QR_OK},
        {"the server is another", "node2", "ca", "node3", QR_CLOSED},
        {"the server has another address", "node2", "ca", "127.0.0.2", QR_CLOSED},
        {"a certificate of another CA", "stranger", "ca", NULL, QR_CLOSED},
        {"a certificate that ran out", "expired", "ca", NULL, QR_CLOSED},
        {"who trusts another CA", "node2", "other_ca", NULL, QR_CLOSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_err err;
        int before = echo_served(&echo);
        if (ask(rows[i].cert, rows[i].ca, rows[i].server_name, &err) != rows[i].want)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_int_equal(echo_served(&echo) - before, rows[i].want == QR_OK);
    }
}

static int connect_plain(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *colon = strrchr(qr_rpc_listener_address(listener), ':');
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static bool is_ended(int fd)
{
    char bytes[4096];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, 10000) == 1) {
        if (recv(fd, bytes, sizeof bytes, 0) <= 0)
            return true;
    }
    return false;
}

static int shake_hands(int version, const char *cert)
{
    char path[160];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, version);
    if (cert != NULL) {
        snprintf(path, sizeof path, "%s/%s.crt", dir, cert);
        SSL_CTX_use_certificate_file(ctx, path, SSL_FILETYPE_PEM);
        snprintf(path, sizeof path, "%s/%s.key", dir, cert);
        SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM);
    }
    SSL *ssl = SSL_new(ctx);
    int fd = connect_plain();
    char bytes[64];
    SSL_set_fd(ssl, fd);
    /* With TLS 1.3 a client without a certificate is told with the first bytes it reads. */
    int ok = SSL_connect(ssl) == 1 && SSL_read(ssl, bytes, sizeof bytes) > 0;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return ok;
}

static void test_nothing_less_than_mutual_tls_1_3_is_spoken(void **state)
{
    (void)state;
    int fd = connect_plain();
    uint8_t hello[QR_RPC_HEADER_BYTES];
    struct qr_rpc_frame frame = {.kind = QR_RPC_HELLO};
    qr_rpc_frame_put(&frame, NULL, 0, hello);
    assert_int_equal(send(fd, hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
    assert_true(is_ended(fd));
    close(fd);
    assert_int_equal(shake_hands(TLS1_3_VERSION, "node2"), 1);
    assert_int_equal(shake_hands(TLS1_3_VERSION, NULL), 0);
    assert_int_equal(shake_hands(TLS1_2_VERSION, "node2"), 0);
}

struct big {
    struct qr_rpc_call call; /* first */
    uint8_t *bytes;
    size_t count;
    bool ok;
};

static void big_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct big *big = (struct big *)call;
    big->ok = reply->status == QR_OK && reply->bytes == big->count &&
              memcmp(reply->body, big->bytes, big->count) == 0;
}

struct asker {
    struct qr_rpc_peer *peer;
    unsigned seed;
    int wrong;
};

static void *ask_main(void *arg)
{
    struct asker *asker = arg;
    static const size_t sizes[] = {0, 10, 16384, 16385, 70000, 300000, 1 << 20};
    for (int round = 0; round < 12; round++) {
        static _Thread_local struct big bigs[7];
        for (int i = 0; i < 7; i++) {
            bigs[i] = (struct big){.count = sizes[i], .bytes = malloc(sizes[i] + 1)};
            for (size_t k = 0; k < sizes[i]; k++)
                bigs[i].bytes[k] = (uint8_t)(k * asker->seed + (k >> 9) + (size_t)round);
            bigs[i].call = (struct qr_rpc_call){.method = ECHO, .body_count = 1, .done = big_done};
            bigs[i].call.body[0] = (struct iovec){bigs[i].bytes, sizes[i]};
            qr_rpc_start(asker->peer, &bigs[i].call);
        }
        for (int i = 0; i < 7; i++) {
            qr_rpc_wait(asker->peer, &bigs[i].call);
            asker->wrong += !bigs[i].ok;
            free(bigs[i].bytes);
        }
    }
    return NULL;
}

static void test_large_bodies_of_several_threads_arrive_whole(void **state)
{
    (void)state;
    struct qr_rpc_loop *loop = loop_with("node2", "ca");
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_client_options options = {.address = qr_rpc_listener_address(listener)};
    struct qr_err err;
    struct asker askers[3];
    pthread_t threads[3];
    assert_int_equal(qr_rpc_client_new(loop, &options, &client, &err), QR_OK);
    for (unsigned i = 0; i < 3; i++) {
        askers[i] = (struct asker){.peer = qr_rpc_client_peer(client), .seed = 2 * i + 7};
        assert_int_equal(qr_thread_start("ask", 0, ask_main, &askers[i], &threads[i], &err), QR_OK);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].wrong, 0);
    }
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
}

static int start(void **state)
{
    (void)state;
    struct qr_err err;
    struct cert ca = cert_new("our ca", NULL, 10, NULL);
    struct cert other_ca = cert_new("other ca", NULL, 10, NULL);
    struct cert node1 = cert_new("node1", "DNS:node1,IP:127.0.0.1", 10, &ca);
    struct cert node2 = cert_new("node2", "DNS:node2", 10, &ca);
    struct cert expired = cert_new("expired", "DNS:expired", -1, &ca);
    struct cert stranger = cert_new("stranger", "DNS:stranger", 10, &other_ca);
    struct cert *all[] = {&ca, &other_ca, &node1, &node2, &expired, &stranger};
    static const char *const names[] = {"ca", "other_ca", "node1", "node2", "expired", "stranger"};
    for (int i = 0; i < 6; i++) {
        cert_save(all[i], dir, names[i]);
        cert_free(all[i]);
    }
    echo.env = qr_env_real();
    server_loop = loop_with("node1", "ca");
    struct qr_rpc_listen_options options = {
        .address = "tcp:127.0.0.1:0", .serve = echo_serve, .ctx = &echo, .workers = 2};
    if (qr_rpc_listen(server_loop, &options, &listener, &err) != QR_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    qr_rpc_listener_free(listener);
    qr_rpc_loop_free(server_loop);
    return 0;
}

/* A network that drops packets: the queue of a listener that is full does the same to a connection.
 */
static int listen_deaf(int filling[8], char *address, size_t bytes)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_bytes = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
    snprintf(address, bytes, "tcp:127.0.0.1:%d", ntohs(at.sin_port));
    for (int i = 0; i < 8; i++) {
        filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(filling[i], (struct sockaddr *)&at, sizeof at);
    }
    return fd;
}

static void test_a_machine_that_no_packet_reaches_is_given_up_soon_and_asked_again(void **state)
{
    (void)state;
    int filling[8];
    char address[64];
    struct qr_rpc_client *client = NULL;
    struct qr_err err;
    int deaf = listen_deaf(filling, address, sizeof address);
    struct qr_rpc_loop *loop = loop_with("node2", "ca");
    struct qr_rpc_client_options options = {.address = address, .timeout_ns = 20000 * MS};
    assert_int_equal(qr_rpc_client_new(loop, &options, &client, &err), QR_OK);
    int64_t begin_ns = qr_env_mono_ns(qr_env_real());
    assert_int_equal(qr_rpc_call_wait(qr_rpc_client_peer(client), ECHO, &(struct iovec){"hello", 5},
                                      1, 0, NULL, &err),
                     QR_CLOSED);
    assert_true(qr_env_mono_ns(qr_env_real()) - begin_ns < 8000 * MS);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
    for (int i = 0; i < 8; i++)
        close(filling[i]);
    close(deaf);
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_holders_of_our_certificates_are_served),
        cmocka_unit_test(test_nothing_less_than_mutual_tls_1_3_is_spoken),
        cmocka_unit_test(test_large_bodies_of_several_threads_arrive_whole),
        cmocka_unit_test(test_a_machine_that_no_packet_reaches_is_given_up_soon_and_asked_again),
    };
    int failed = cmocka_run_group_tests_name("rpc/tls", tests, start, stop);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || failed;
}
