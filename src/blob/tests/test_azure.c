/* test_azure.c - the Azure backend against a service that fails: every answer is scripted */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "azure_int.h"
#include "env/sim.h"
#include "env/thread.h"

/* The service: answers one request after the other, each on a connection of its own, from the
 * script; behind its end with 201. */
enum { REQUESTS_MAX = 64, REQUEST_BYTES_MAX = 1 << 16 };
struct answer {
    int http;
    const char *headers; /* each with its line end */
    const char *body;
    int body_promised; /* Content-Length; 0: as long as the body */
    enum { ANSWER, HANG_UP, HANG } how;
};
static struct {
    int fd;
    int port;
    pthread_t thread;
    pthread_mutex_t mu;
    const struct answer *script; /* guarded by mu, like what follows */
    int script_count, count;
    char *requests[REQUESTS_MAX];
    bool stop;
} service = {.mu = PTHREAD_MUTEX_INITIALIZER};

static char *read_request(int fd)
{
    char *text = calloc(1, REQUEST_BYTES_MAX);
    size_t n = 0, want = SIZE_MAX;
    assert_non_null(text);
    while (n < want && n < REQUEST_BYTES_MAX - 1) {
        ssize_t got = recv(fd, text + n, REQUEST_BYTES_MAX - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        const char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && want == SIZE_MAX) {
            const char *length = strcasestr(text, "\r\ncontent-length:");
            want = (size_t)(end + 4 - text);
            if (length != NULL && length < end)
                want += strtoul(length + 17, NULL, 10);
        }
    }
    return text;
}

static void send_answer(int fd, const struct answer *answer, bool head)
{
    char text[4096];
    const char *body = answer->body == NULL ? "" : answer->body;
    size_t promised = answer->body_promised > 0 ? (size_t)answer->body_promised : strlen(body);
    int n = snprintf(
        text, sizeof text, "HTTP/1.1 %d x\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s",
        answer->http, promised, answer->headers == NULL ? "" : answer->headers, head ? "" : body);
    ssize_t sent = send(fd, text, (size_t)n, MSG_NOSIGNAL);
    (void)sent;
}

static void *service_main(void *arg)
{
    static const struct answer created = {.http = 201};
    (void)arg;
    for (;;) {
        int fd = accept(service.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        char *request = read_request(fd);
        pthread_mutex_lock(&service.mu);
        const struct answer answer =
            service.count < service.script_count ? service.script[service.count] : created;
        if (service.count < REQUESTS_MAX)
            service.requests[service.count++] = request;
        else
            free(request);
        pthread_mutex_unlock(&service.mu);
        char byte;
        if (answer.how == HANG)
            while (recv(fd, &byte, 1, 0) > 0) /* until the client gives up */
                ;
        else if (answer.how == ANSWER)
            send_answer(fd, &answer, strncmp(request, "HEAD", 4) == 0);
        close(fd);
    }
}

static void play(const struct answer *script, int count)
{
    pthread_mutex_lock(&service.mu);
    for (int i = 0; i < service.count; i++)
        free(service.requests[i]);
    service.script = script;
    service.script_count = count;
    service.count = 0;
    pthread_mutex_unlock(&service.mu);
}

static int asked(void)
{
    pthread_mutex_lock(&service.mu);
    int n = service.count;
    pthread_mutex_unlock(&service.mu);
    return n;
}

static char logged[1 << 16];
static size_t logged_bytes;
static void keep_line(void *arg, const char *line, size_t bytes)
{
    (void)arg;
    if (logged_bytes + bytes < sizeof logged) {
        memcpy(logged + logged_bytes, line, bytes);
        logged_bytes += bytes;
        logged[logged_bytes] = '\0';
    }
}

static const char key_text[] = "c2VjcmV0IGtleSBvZiB0aGUgdGVzdHM=";
static struct qr_sim *sim;
static struct qr_log_sink sink = {.write = keep_line, .level = QR_DEBUG};

static struct qr_blob *open_service(const char *credential)
{
    static const struct answer there = {.http = 409,
                                        .headers = "x-ms-error-code: ContainerAlreadyExists\r\n"};
    char url[64];
    struct qr_blob *blob = NULL;
    struct qr_err err;
    struct qr_log log = {.sink = &sink, .comp = "blob"};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/account1/things/deep", service.port);
    play(&there, 1);
    if (qr_blob_open(qr_sim_env(sim), &log, url, credential, &blob, &err) != QR_OK)
        fail_msg("%s", err.text);
    struct qri_azure *azure = (struct qri_azure *)blob;
    azure->request_timeout_s = 1;
    azure->attempts_max = 4;
    return blob;
}

static enum qr_status get_x(struct qr_blob *blob, uint64_t offset, size_t count, struct qr_buf *buf,
                            struct qr_err *err)
{
    qr_buf_clear(buf);
    return qr_blob_get(blob, "x", offset, count, buf, NULL, err);
}

/* What the service answers for ever: how often it is asked, what comes of it. */
static void test_each_failure_has_its_status_and_its_number_of_attempts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct answer answer;
        enum qr_status want;
        int attempts;
        const char *text;
    } rows[] = {
        /* clang-format off */
        {"400", {400, "x-ms-error-code: InvalidHeaderValue\r\n", NULL, 0, ANSWER}, QR_INVALID, 1, "InvalidHeaderValue"},
        {"403", {403, "x-ms-error-code: AuthenticationFailed\r\n", NULL, 0, ANSWER}, QR_DENIED, 1, "AuthenticationFailed"},
        {"403, named in the body only", {403, NULL, "<Error><Code>AuthorizationFailure</Code></Error>", 0, ANSWER}, QR_DENIED, 1, "AuthorizationFailure"},
        {"404", {404, "x-ms-error-code: BlobNotFound\r\n", NULL, 0, ANSWER}, QR_NOT_FOUND, 1, "BlobNotFound"},
        {"404 of the container", {404, "x-ms-error-code: ContainerNotFound\r\n", NULL, 0, ANSWER}, QR_INVALID, 1, "ContainerNotFound"},
        {"409", {409, "x-ms-error-code: SnapshotsPresent\r\n", NULL, 0, ANSWER}, QR_CONFLICT, 1, "SnapshotsPresent"},
        {"409 of a lease", {409, "x-ms-error-code: LeaseAlreadyPresent\r\n", NULL, 0, ANSWER}, QR_LOCKED, 1, "LeaseAlreadyPresent"},
        {"412", {412, "x-ms-error-code: ConditionNotMet\r\n", NULL, 0, ANSWER}, QR_CONFLICT, 1, "ConditionNotMet"},
        {"412 of a lease", {412, "x-ms-error-code: LeaseIdMissing\r\n", NULL, 0, ANSWER}, QR_LOCKED, 1, "LeaseIdMissing"},
        {"429", {429, "x-ms-error-code: TooManyRequests\r\nRetry-After: 1\r\n", NULL, 0, ANSWER}, QR_BUSY, 4, "TooManyRequests"},
        {"500", {500, "x-ms-error-code: InternalError\r\n", NULL, 0, ANSWER}, QR_IO, 4, "InternalError"},
        {"503", {503, "x-ms-error-code: ServerBusy\r\n", NULL, 0, ANSWER}, QR_BUSY, 4, "ServerBusy"},
        {"301", {301, "Location: http://127.0.0.1:1/\r\n", NULL, 0, ANSWER}, QR_IO, 1, "301"},
        {"a truncated body", {206, NULL, "half", 10, ANSWER}, QR_IO, 4, "ask the blob service"},
        {"a connection that is closed", {0, NULL, NULL, 0, HANG_UP}, QR_IO, 4, "ask the blob service"},
        {"no answer", {0, NULL, NULL, 0, HANG}, QR_TIMEOUT, 4, "ask the blob service"},
        {"bytes that do not match", {206, "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "0123456789", 0, ANSWER}, QR_CORRUPT, 1, "MD5"},
        {"fewer bytes than asked", {206, NULL, "012345678", 0, ANSWER}, QR_TRUNCATED, 1, "ends at byte 9"},
        {"more bytes than asked", {206, NULL, "01234567890", 0, ANSWER}, QR_PROTOCOL, 1, "range"},
        {"the range ignored", {200, NULL, "0123456789", 0, ANSWER}, QR_PROTOCOL, 1, "range"},
        /* clang-format on */
    };
    char credential[64];
    snprintf(credential, sizeof credential, "key=%s", key_text);
    struct qr_blob *blob = open_service(credential);
    struct qr_buf buf;
    qr_buf_init(&buf, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer script[8];
        struct qr_err err;
        for (int k = 0; k < 8; k++)
            script[k] = rows[i].answer;
        play(script, 8);
        enum qr_status status = get_x(blob, 0, 10, &buf, &err);
        if (status != rows[i].want || asked() != rows[i].attempts ||
            strstr(err.text, rows[i].text) == NULL)
            fail_msg("%s: %s after %d: %s", rows[i].name, qr_status_info(status)->name, asked(),
                     err.text);
        assert_int_equal(buf.len, 0);
    }
    qr_buf_done(&buf);
    qr_blob_close(blob);
}

static void test_what_passes_is_tried_again_and_succeeds(void **state)
{
    (void)state;
    static const struct answer script[] = {{.http = 503, .headers = "Retry-After: 7\r\n"},
                                           {.http = 206, .body = "01234", .body_promised = 10},
                                           {.http = 206, .body = "0123456789"}};
    struct qr_blob *blob = open_service("");
    struct qr_buf buf;
    struct qr_err err;
    qr_buf_init(&buf, 1000);
    qr_buf_addz(&buf, "");
    play(script, 3);
    int64_t begin = qr_env_mono_ns(qr_sim_env(sim));
    logged_bytes = 0;
    assert_int_equal(get_x(blob, 0, 10, &buf, &err), QR_OK);
    assert_string_equal(qr_buf_cstr(&buf), "0123456789"); /* no half of an earlier attempt */
    assert_true(qr_env_mono_ns(qr_sim_env(sim)) - begin >= INT64_C(7000000000));
    assert_non_null(strstr(logged, "ev=blob_request_repeated"));
    qr_buf_done(&buf);
    qr_blob_close(blob);
}

/* The id under which a write can know itself again, as the request carried it. */
static void write_id_of(int request, char *dst)
{
    pthread_mutex_lock(&service.mu);
    const char *id = strcasestr(service.requests[request], "x-ms-meta-quirewrite: ");
    assert_non_null(id);
    snprintf(dst, 33, "%.32s", id + 22);
    pthread_mutex_unlock(&service.mu);
}

/* The first attempt's answer is lost; the second meets what the first made. */
static void test_a_repeated_write_knows_its_own_result(void **state)
{
    (void)state;
    static const char taken[] = "x-ms-error-code: BlobAlreadyExists\r\n";
    struct qr_blob *blob = open_service("");
    struct qr_blob_tag tag;
    struct qr_err err;
    struct answer script[3] = {{.how = HANG_UP},
                               {.http = 409, .headers = taken},
                               {.http = 200, .headers = "x-ms-meta-quirewrite: somebody else\r\n"}};
    play(script, 3);
    assert_int_equal(qr_blob_put(blob, "x", "1", 1, "", &tag, &err), QR_CONFLICT);
    assert_int_equal(asked(), 3);

    /* The id is chosen by the store, so the service is taught it between the requests: a seed gives
     * the same id to a store that is opened anew. */
    qr_blob_close(blob);
    for (int turn = 0; turn < 2; turn++) {
        static char header[128], id[33];
        struct qr_sim *own = qr_sim_new(&(struct qr_sim_options){.seed = 99});
        struct qr_sim *kept = sim;
        sim = own;
        blob = open_service("");
        snprintf(header, sizeof header, "x-ms-meta-quirewrite: %s\r\nETag: \"0x77\"\r\n", id);
        script[2].headers = header;
        play(script, 3);
        enum qr_status status = qr_blob_put(blob, "x", "1", 1, "", &tag, &err);
        assert_int_equal(status, turn == 0 ? QR_CONFLICT : QR_OK);
        write_id_of(0, id);
        qr_blob_close(blob);
        sim = kept;
        qr_sim_free(own);
    }
    assert_string_equal(tag.z, "\"0x77\"");
}

static void test_a_repeated_append_reads_back_what_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *there;
        enum qr_status want;
    } rows[] = {{"mine", QR_OK}, {"else", QR_CONFLICT}, {"mine, and more", QR_CONFLICT}};
    struct qr_blob *blob = open_service("");
    struct qr_err err;
    for (size_t i = 0; i < 3; i++) {
        struct answer script[3] = {
            {.how = HANG_UP},
            {.http = 412, .headers = "x-ms-error-code: AppendPositionConditionNotMet\r\n"},
            {.http = 206, .body = rows[i].there}};
        play(script, 3);
        assert_int_equal(
            qr_blob_append(blob, "log", 100, &(struct iovec){"mine", 4}, 1, "lease", &err),
            rows[i].want);
    }
    qr_blob_close(blob);
}

static void test_a_delete_that_was_repeated_finds_nothing_and_is_content(void **state)
{
    (void)state;
    static const struct answer script[] = {{.how = HANG_UP}, {.http = 404}};
    struct qr_blob *blob = open_service("");
    play(script, 2);
    assert_int_equal(qr_blob_delete(blob, "x", "\"0x1\"", NULL), QR_OK);
    play(script + 1, 1);
    assert_int_equal(qr_blob_delete(blob, "x", "\"0x1\"", NULL), QR_CONFLICT);
    play(script + 1, 1);
    assert_int_equal(qr_blob_delete(blob, "x", NULL, NULL), QR_OK);
    qr_blob_close(blob);
}

/* Neither a log line, an error, nor a request may show a secret. */
static void test_secrets_stay_secret(void **state)
{
    (void)state;
    char credential[64];
    struct answer script[8] = {{.http = 500}, {.http = 500}, {.http = 500}, {.how = HANG_UP}};
    static const char sas[] = "sas=sv=2021-12-02&sig=TheSignatureItself%3D";
    snprintf(credential, sizeof credential, "key=%s", key_text);
    for (int turn = 0; turn < 2; turn++) {
        struct qr_buf buf;
        struct qr_err err;
        qr_buf_init(&buf, 1000);
        struct qr_blob *blob = open_service(turn == 0 ? credential : sas);
        logged_bytes = 0;
        play(script, 4);
        assert_int_equal(get_x(blob, 0, 10, &buf, &err), QR_IO);
        const char *secret = turn == 0 ? key_text : "TheSignatureItself";
        assert_true(logged_bytes > 0);
        assert_null(strstr(logged, secret));
        assert_null(strstr(err.text, secret));
        pthread_mutex_lock(&service.mu);
        assert_int_equal(strstr(service.requests[0], key_text) == NULL, true);
        assert_int_equal(strstr(service.requests[0], "?sv=2021-12-02&sig=TheSig") != NULL,
                         turn == 1);
        assert_int_equal(strcasestr(service.requests[0], "authorization: SharedKey account1:") !=
                             NULL,
                         turn == 0);
        pthread_mutex_unlock(&service.mu);
        qr_buf_done(&buf);
        qr_blob_close(blob);
    }
}

static bool join_names(void *arg, const char *name, const struct qr_blob_info *info)
{
    qr_buf_printf(arg, "%s:%d:%s ", name, (int)info->bytes, info->tag.z);
    return true;
}

#define BLOB(name, bytes)                                                                          \
    "<Blob><Name>" name "</Name><Properties><Last-Modified>Sun, 27 Sep 2026 18:41:57 GMT"          \
    "</Last-Modified><Etag>0x8</Etag><Content-Length>" bytes                                       \
    "</Content-Length></Properties></Blob>"
#define PAGE(blobs, marker)                                                                        \
    "\xef\xbb\xbf<?xml version=\"1.0\"?><EnumerationResults ServiceEndpoint=\"x\"><Blobs>" blobs   \
    "</Blobs>" marker "</EnumerationResults>"

static void test_a_listing_is_read_page_by_page(void **state)
{
    (void)state;
    static const struct answer two_pages[] = {
        {.http = 200,
         .body =
             PAGE(BLOB("deep/a", "1") BLOB("deep/b&amp;c", "2"), "<NextMarker>m/1 x</NextMarker>")},
        {.http = 200, .body = PAGE(BLOB("deep/d", "3"), "<NextMarker />")}};
    struct qr_blob *blob = open_service("");
    struct qr_buf got;
    struct qr_err err;
    qr_buf_init(&got, 1000);
    play(two_pages, 2);
    if (qr_blob_list(blob, "", join_names, &got, &err) != QR_OK)
        fail_msg("%s", err.text);
    assert_string_equal(qr_buf_cstr(&got), "a:1:\"0x8\" d:3:\"0x8\" "); /* b&c is none of ours */
    pthread_mutex_lock(&service.mu);
    assert_non_null(strstr(service.requests[1], "&marker=m/1%20x"));
    assert_non_null(strstr(service.requests[0], "prefix=deep/"));
    pthread_mutex_unlock(&service.mu);
    qr_buf_done(&got);
    qr_blob_close(blob);
}

static void test_a_broken_listing_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "no xml",
        "<EnumerationResults>",
        "<EnumerationResults><Blobs></EnumerationResults>",
        "<Other></Other>",
        "<EnumerationResults><Blobs><Blob><Name>deep/a&",
        PAGE(BLOB("deep/b", "1") BLOB("deep/a", "1"), ""), /* another order */
        PAGE(BLOB("elsewhere/a", "1"), ""),
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
    };
    struct qr_blob *blob = open_service("");
    struct qr_buf got;
    qr_buf_init(&got, 1000);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct answer script = {.http = 200, .body = bodies[i]};
        play(&script, 1);
        if (qr_blob_list(blob, "", join_names, &got, NULL) != QR_PROTOCOL)
            fail_msg("body %zu", i);
    }
    struct answer same[3];
    for (int i = 0; i < 3; i++)
        same[i] = (struct answer){.http = 200, .body = PAGE("", "<NextMarker>m</NextMarker>")};
    play(same, 3);
    assert_int_equal(qr_blob_list(blob, "", join_names, &got, NULL), QR_PROTOCOL);
    qr_buf_done(&got);
    qr_blob_close(blob);
}

static void test_urls_and_credentials_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *url, *credential;
    } rows[] = {
        {"http://account1.blob.example.net/things", ""}, /* not encrypted, not loopback */
        {"https://account1.blob.example.net", ""},
        {"https://a.blob.example.net/things", ""},
        {"https://account1.blob.example.net/Things", ""},
        {"https://account1.blob.example.net/things/a b", ""},
        {"https://user@account1.blob.example.net/things", ""},
        {"http://127.0.0.1:1/account1/things", "key=***"},
        {"http://127.0.0.1:1/account1/things", "key="},
        {"http://127.0.0.1:1/account1/things", "sas=a b"},
        {"http://127.0.0.1:1/account1/things", "password"},
        {"ftp://127.0.0.1/x", ""},
        {"file://relative", ""},
    };
    struct qr_blob *blob = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_err err;
        if (qr_blob_open(qr_sim_env(sim), NULL, rows[i].url, rows[i].credential, &blob, &err) !=
            QR_INVALID)
            fail_msg("row %zu: %s", i, rows[i].url);
    }
    assert_int_equal(
        qr_blob_open(qr_sim_env(sim), NULL, "http://127.0.0.1:1/account1/things", "", &blob, NULL),
        QR_CLOSED);
}

/* A signature worked out by hand (HMAC-SHA256 with another tool) over the text the service
 * documents. */
static void test_a_signature_is_what_the_service_computes(void **state)
{
    (void)state;
    struct qri_azure azure = {.account = "account1"};
    struct qr_err err;
    char credential[64];
    snprintf(credential, sizeof credential, "key=%s", key_text);
    assert_int_equal(qri_azure_credential(&azure, credential, &err), QR_OK);
    assert_int_equal(azure.key_bytes, 23);
    struct qri_azure_request request = {.verb = "PUT"};
    qri_azure_param(&request, "comp", "block");
    qri_azure_param(&request, "blockid", "QQ==");
    const struct qri_azure_field fields[] = {{"x-ms-version", "2021-12-02"},
                                             {"content-md5", "abc=="},
                                             {"x-ms-date", "Sun, 27 Sep 2026 18:41:57 GMT"},
                                             {"if-match", "\"0x1\""},
                                             {"content-length", "42"}};
    struct qr_buf value;
    qr_buf_init(&value, 1000);
    assert_int_equal(qri_azure_sign(&azure, &request, "/things/x", fields, 5, &value, &err), QR_OK);
    assert_string_equal(qr_buf_cstr(&value),
                        "SharedKey account1:fsujydQFZB4ERSAtLw8MwCUR5FNjjQ94LC6oEDHL6iA=");
    qr_buf_done(&value);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    struct qr_err err;
    sim = qr_sim_new(&(struct qr_sim_options){.seed = 17}); /* pauses cost no time */
    sink.env = qr_sim_env(sim);
    service.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(service.fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(service.fd, 64) != 0 ||
        getsockname(service.fd, (struct sockaddr *)&address, &bytes) != 0 ||
        qr_thread_start("service", 0, service_main, NULL, &service.thread, &err) != QR_OK)
        return 1;
    service.port = ntohs(address.sin_port);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failure_has_its_status_and_its_number_of_attempts),
        cmocka_unit_test(test_what_passes_is_tried_again_and_succeeds),
        cmocka_unit_test(test_a_repeated_write_knows_its_own_result),
        cmocka_unit_test(test_a_repeated_append_reads_back_what_is_there),
        cmocka_unit_test(test_a_delete_that_was_repeated_finds_nothing_and_is_content),
        cmocka_unit_test(test_secrets_stay_secret),
        cmocka_unit_test(test_a_listing_is_read_page_by_page),
        cmocka_unit_test(test_a_broken_listing_is_refused),
        cmocka_unit_test(test_urls_and_credentials_are_checked),
        cmocka_unit_test(test_a_signature_is_what_the_service_computes),
    };
    int failed = cmocka_run_group_tests_name("blob/azure", tests, NULL, NULL);
    shutdown(service.fd, SHUT_RDWR);
    pthread_join(service.thread, NULL);
    close(service.fd);
    play(NULL, 0);
    qr_sim_free(sim);
    return failed;
}
