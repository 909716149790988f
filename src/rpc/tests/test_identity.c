/* test_identity.c - machines' certificates: what they say, and who is spoken with because of it */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "certs.h"
#include "echo.h"
#include "rpc/identity.h"

static char dir[] = "/tmp/quire-rpci-XXXXXX";
static const int64_t SECOND = 1000000000, DAY = INT64_C(86400) * 1000000000;
static struct echo echo = {.mu = PTHREAD_MUTEX_INITIALIZER};
static struct qr_rpc_loop *server_loop;
static struct qr_rpc_listener *listener;
static struct qr_buf ca_pem, other_ca_pem;

static const char *path_of(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s.pem", dir, name);
    return path;
}

static void save(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void issue(struct qr_buf *ca, const char *file, const char *name, const char *roles,
                  int days)
{
    struct qr_identity identity = {0};
    struct qr_buf pem;
    struct qr_err err = {0};
    snprintf(identity.name, sizeof identity.name, "%s", name);
    snprintf(identity.roles, sizeof identity.roles, "%s", roles);
    qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
    if (qr_identity_issue(qr_env_real(), qr_buf_cstr(ca), &identity, days, &pem, &err) != QR_OK)
        fail_msg("%s: %s", file, err.text);
    save(file, qr_buf_cstr(&pem));
    qr_buf_done(&pem);
}

static struct qr_rpc_loop *loop_with(const char *file)
{
    struct qr_rpc_loop *loop = NULL;
    struct qr_err err;
    const char *path = path_of(file);
    struct qr_rpc_loop_options options = {
        .env = qr_env_real(), .cert_path = path, .key_path = path, .ca_path = path};
    if (qr_rpc_loop_new(&options, &loop, &err) != QR_OK)
        fail_msg("%s: %s", file, err.text);
    return loop;
}

static enum qr_status ask(const char *file, const char *roles, struct qr_err *err)
{
    struct qr_rpc_loop *loop = loop_with(file);
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_client_options options = {
        .address = qr_rpc_listener_address(listener), .roles = roles, .timeout_ns = 20 * SECOND};
    assert_int_equal(qr_rpc_client_new(loop, &options, &client, err), QR_OK);
    enum qr_status status = qr_rpc_call_wait(qr_rpc_client_peer(client), ECHO,
                                             &(struct iovec){"hello", 5}, 1, 0, NULL, err);
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
    return status;
}

/* The listener plays control and log, and serves whoever plays page or compute. */
static void test_only_the_roles_that_are_expected_are_spoken_with(void **state)
{
    (void)state;
    static const struct {
        const char *what, *file, *roles;
        enum qr_status want;
    } rows[] = {
        {"a page server", "page", "control", QR_OK},
        {"who plays several roles", "both", "log control", QR_OK},
        {"a gateway, that has no business here", "gateway", "control", QR_CLOSED},
        {"the server is no page server", "page", "page", QR_CLOSED},
        {"a page server of another service", "other_page", "control", QR_CLOSED},
        {"a certificate that ran out", "expired", "control", QR_CLOSED},
        {"one of our CA that names no roles", "plain", "control", QR_CLOSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_err err;
        int before = echo_served(&echo);
        enum qr_status status = ask(rows[i].file, rows[i].roles, &err);
        if (status != rows[i].want)
            fail_msg("%s: %s", rows[i].what, status == QR_OK ? "was served" : err.text);
        assert_int_equal(echo_served(&echo) - before, rows[i].want == QR_OK);
    }
}

static const struct qr_identity *seen;
static struct qr_identity seen_copy;

static void serve_and_note(void *ctx, struct qr_rpc_request *own_request)
{
    seen = own_request->from;
    if (seen != NULL)
        seen_copy = *seen;
    echo_serve(ctx, own_request);
}

static void test_a_request_tells_the_machine_that_asks(void **state)
{
    (void)state;
    struct qr_err err;
    seen = NULL;
    assert_int_equal(ask("both", "control", &err), QR_OK);
    assert_non_null(seen);
    assert_string_equal(seen_copy.name, "machine.b_2");
    assert_string_equal(seen_copy.roles, "compute page");
}

static void test_bytes_in_clear_end_the_connection(void **state)
{
    (void)state;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t hello[QR_RPC_HEADER_BYTES];
    struct qr_rpc_frame frame = {.kind = QR_RPC_HELLO};
    char bytes[256];
    to.sin_port =
        htons((uint16_t)strtoul(strrchr(qr_rpc_listener_address(listener), ':') + 1, NULL, 10));
    int before = echo_served(&echo);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    qr_rpc_frame_put(&frame, NULL, 0, hello);
    assert_int_equal(send(fd, hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    ssize_t n = 1;
    while (n > 0 && poll(&poll_fd, 1, 10000) == 1)
        n = recv(fd, bytes, sizeof bytes, 0); /* an alert may come first */
    assert_true(n <= 0);
    assert_int_equal(echo_served(&echo), before);
    close(fd);
}

static void test_an_identity_says_who_and_until_when(void **state)
{
    (void)state;
    struct qr_identity identity;
    struct qr_buf pem;
    struct qr_err err = {0};
    int64_t until_ns = 0, now_ns = qr_env_wall_ns(qr_env_real());
    qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
    assert_int_equal(qr_env_read_file(qr_env_real(), path_of("both"), &pem, &err), QR_OK);
    assert_int_equal(qr_identity_read(qr_buf_cstr(&pem), &identity, &until_ns, &err), QR_OK);
    assert_string_equal(identity.name, "machine.b_2");
    assert_true(qr_identity_plays(&identity, "log page"));
    assert_true(qr_identity_plays(&identity, "compute"));
    assert_false(qr_identity_plays(&identity, "log control"));
    assert_false(qr_identity_plays(&identity, "pag comput"));
    assert_false(qr_identity_plays(&identity, ""));
    assert_true(until_ns > now_ns + 9 * DAY && until_ns <= now_ns + 10 * DAY);
    qr_buf_done(&pem);
    assert_int_equal(qr_identity_read("no pem", &identity, &until_ns, &err), QR_CORRUPT);
    assert_int_equal(qr_identity_read(qr_buf_cstr(&ca_pem), &identity, &until_ns, &err), QR_DENIED);
}

static void test_no_identity_outlives_its_ca(void **state)
{
    (void)state;
    struct qr_identity identity = {.name = "b", .roles = "page"};
    struct qr_buf ca, pem;
    struct qr_err err = {0};
    int64_t until_ns = 0, now_ns = qr_env_wall_ns(qr_env_real());
    qr_buf_init(&ca, QR_IDENTITY_PEM_BYTES_MAX);
    qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
    assert_int_equal(qr_identity_make_ca(qr_env_real(), 3, &ca, &err), QR_OK);
    assert_int_equal(qr_identity_issue(qr_env_real(), qr_buf_cstr(&ca), &identity, 10, &pem, &err),
                     QR_OK);
    assert_int_equal(qr_identity_read(qr_buf_cstr(&pem), &identity, &until_ns, &err), QR_OK);
    assert_true(until_ns <= now_ns + 3 * DAY);
    qr_buf_done(&ca);
    qr_buf_done(&pem);
}

static void test_names_and_roles_that_break_their_form_are_refused(void **state)
{
    (void)state;
    static const struct qr_identity rows[] = {
        {.name = "", .roles = "page"},           {.name = "b c", .roles = "page"},
        {.name = "b,URI:x", .roles = "page"},    {.name = "b", .roles = ""},
        {.name = "b", .roles = "page,URI:x"},    {.name = "b", .roles = "Page"},
        {.name = "b", .roles = "page\ncontrol"}, {.name = "b", .roles = "averyveryverylongrole"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_buf pem;
        struct qr_err err = {0};
        qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
        if (qr_identity_issue(qr_env_real(), qr_buf_cstr(&ca_pem), &rows[i], 10, &pem, &err) !=
            QR_INVALID)
            fail_msg("'%s' as '%s'", rows[i].name, rows[i].roles);
        assert_int_equal(pem.len, 0);
        qr_buf_done(&pem);
    }
    struct qr_buf pem; /* a machine's own certificate makes no others */
    struct qr_err err = {0};
    struct qr_buf page;
    qr_buf_init(&page, QR_IDENTITY_PEM_BYTES_MAX);
    qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
    assert_int_equal(qr_env_read_file(qr_env_real(), path_of("page"), &page, &err), QR_OK);
    struct qr_identity identity = {.name = "b", .roles = "control"};
    assert_int_equal(
        qr_identity_issue(qr_env_real(), qr_buf_cstr(&page), &identity, 10, &pem, &err),
        QR_CORRUPT);
    qr_buf_done(&page);
    qr_buf_done(&pem);
}

/* A certificate of our CA, made by another program: a name, and no roles. */
static void save_plain(void)
{
    struct cert ca = {0};
    BIO *bio = BIO_new_mem_buf(ca_pem.data, (int)ca_pem.len);
    ca.key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    ca.x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(ca.x509);
    struct cert plain = cert_new("plain", "DNS:plain", 10, &ca);
    FILE *file = fopen(path_of("plain"), "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, plain.key, NULL, NULL, 0, NULL, NULL);
    PEM_write_X509(file, plain.x509);
    PEM_write_X509(file, ca.x509);
    fclose(file);
    cert_free(&plain);
    cert_free(&ca);
}

static int start(void **state)
{
    (void)state;
    struct qr_err err = {0};
    qr_buf_init(&ca_pem, QR_IDENTITY_PEM_BYTES_MAX);
    qr_buf_init(&other_ca_pem, QR_IDENTITY_PEM_BYTES_MAX);
    assert_int_equal(qr_identity_make_ca(qr_env_real(), 100, &ca_pem, &err), QR_OK);
    assert_int_equal(qr_identity_make_ca(qr_env_real(), 100, &other_ca_pem, &err), QR_OK);
    issue(&ca_pem, "server", "a", "control log", 10);
    issue(&ca_pem, "page", "b", "page", 10);
    issue(&ca_pem, "both", "machine.b_2", "compute page", 10);
    issue(&ca_pem, "gateway", "b", "gateway", 10);
    issue(&ca_pem, "expired", "b", "page", -1);
    issue(&other_ca_pem, "other_page", "b", "page", 10);
    save_plain();
    echo.env = qr_env_real();
    server_loop = loop_with("server");
    struct qr_rpc_listen_options options = {.address = "tcp:127.0.0.1:0",
                                            .roles = "page compute",
                                            .serve = serve_and_note,
                                            .ctx = &echo,
                                            .workers = 2};
    if (qr_rpc_listen(server_loop, &options, &listener, &err) != QR_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    qr_rpc_listener_free(listener);
    qr_rpc_loop_free(server_loop);
    qr_buf_done(&ca_pem);
    qr_buf_done(&other_ca_pem);
    return 0;
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_roles_that_are_expected_are_spoken_with),
        cmocka_unit_test(test_a_request_tells_the_machine_that_asks),
        cmocka_unit_test(test_bytes_in_clear_end_the_connection),
        cmocka_unit_test(test_an_identity_says_who_and_until_when),
        cmocka_unit_test(test_no_identity_outlives_its_ca),
        cmocka_unit_test(test_names_and_roles_that_break_their_form_are_refused),
    };
    int failed = cmocka_run_group_tests_name("rpc/identity", tests, start, stop);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || failed;
}
