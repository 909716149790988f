/* azure_http.c - see azure_int.h: one request, its errors, its repetitions */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "azure_int.h"
#include "base/banned.h"

enum { URL_BYTES_MAX = 8192, ERROR_BODY_BYTES_MAX = 65536, RETRY_AFTER_MAX_S = 30 };
static const char version[] = "2021-12-02";

/* What the service says beyond the HTTP status. */
static const struct {
    const char *code;
    enum qr_status status;
} codes[] = {
    /* clang-format off */
    {"ContainerNotFound",                  QR_INVALID },
    {"InvalidBlobType",                    QR_INVALID },
    {"LeaseAlreadyPresent",                QR_LOCKED  },
    {"LeaseIdMismatchWithLeaseOperation",  QR_LOCKED  },
    {"LeaseNotPresentWithLeaseOperation",  QR_LOCKED  },
    {"LeaseIsBreakingAndCannotBeAcquired", QR_LOCKED  },
    {"LeaseIsBreakingAndCannotBeChanged",  QR_LOCKED  },
    {"LeaseIsBrokenAndCannotBeRenewed",    QR_LOCKED  },
    {"LeaseIdMissing",                     QR_LOCKED  },
    {"LeaseLost",                          QR_LOCKED  },
    {"LeaseIdMismatchWithBlobOperation",   QR_LOCKED  },
    {"LeaseNotPresentWithBlobOperation",   QR_LOCKED  },
    {"BlockCountExceedsLimit",             QR_FULL    },
    {"MaxBlobSizeConditionNotMet",         QR_FULL    },
    {"ContainerBeingDeleted",              QR_BUSY    },
    {"Md5Mismatch",                        QR_CORRUPT },
    /* clang-format on */
};
static const struct {
    long http;
    enum qr_status status;
    bool may_pass; /* worth another try */
} https[] = {
    /* clang-format off */
    {400, QR_INVALID,   false},
    {401, QR_DENIED,    false},
    {403, QR_DENIED,    false},
    {404, QR_NOT_FOUND, false},
    {408, QR_TIMEOUT,   true },
    {409, QR_CONFLICT,  false},
    {411, QR_INVALID,   false},
    {412, QR_CONFLICT,  false},
    {413, QR_TOO_BIG,   false},
    {416, QR_TRUNCATED, false},
    {429, QR_BUSY,      true },
    {500, QR_IO,        true },
    {502, QR_IO,        true },
    {503, QR_BUSY,      true },
    {504, QR_TIMEOUT,   true },
    {507, QR_FULL,      false},
    /* clang-format on */
};
static const struct {
    CURLcode code;
    enum qr_status status;
    bool may_pass;
} transports[] = {
    /* clang-format off */
    {CURLE_COULDNT_RESOLVE_HOST,     QR_CLOSED,  true },
    {CURLE_COULDNT_CONNECT,          QR_CLOSED,  true },
    {CURLE_OPERATION_TIMEDOUT,       QR_TIMEOUT, true },
    {CURLE_GOT_NOTHING,              QR_IO,      true },
    {CURLE_SEND_ERROR,               QR_IO,      true },
    {CURLE_RECV_ERROR,               QR_IO,      true },
    {CURLE_PARTIAL_FILE,             QR_IO,      true },
    {CURLE_PEER_FAILED_VERIFICATION, QR_DENIED,  false},
    {CURLE_OUT_OF_MEMORY,            QR_NOMEM,   false},
    /* clang-format on */
};

struct exchange {
    struct qri_azure *azure;
    struct qri_azure_request *request;
    size_t body_sent, into_before;
    struct qr_buf error_body;
    bool too_big;
};

void qri_azure_param(struct qri_azure_request *request, const char *name, const char *value)
{
    assert(request->param_count < QRI_AZURE_PARAMS_MAX);
    request->params[request->param_count++] = (struct qri_azure_field){name, value};
}

void qri_azure_header(struct qri_azure_request *request, const char *name, const char *value)
{
    assert(request->header_count < QRI_AZURE_HEADERS_MAX - 4); /* ours come too */
    request->headers[request->header_count++] = (struct qri_azure_field){name, value};
}

static void copy_header(const char *value, size_t bytes, char *dst, size_t dst_bytes)
{
    if (bytes < dst_bytes) { /* a longer one is none of ours */
        memcpy(dst, value, bytes);
        dst[bytes] = '\0';
    }
}

static size_t on_header(char *line, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct qri_azure_response *r = &((struct exchange *)arg)->request->response;
    const struct {
        const char *name;
        char *dst;
        size_t dst_bytes;
    } kept[] = {
        {"etag", r->tag.z, sizeof r->tag.z},
        {"content-md5", r->md5, sizeof r->md5},
        {"x-ms-error-code", r->code, sizeof r->code},
        {"x-ms-meta-quirewrite", r->write_id, sizeof r->write_id},
        {"x-ms-lease-id", r->lease_id, sizeof r->lease_id},
        {"last-modified", r->last_modified, sizeof r->last_modified},
    };
    const char *colon = memchr(line, ':', bytes);
    if (bytes > 9 && memcmp(line, "HTTP/", 5) == 0) {
        const char *blank = memchr(line, ' ', bytes - 4);
        r->http = blank == NULL ? 0 : strtol(blank, NULL, 10);
    }
    if (colon == NULL)
        return bytes;
    struct qr_str name = qr_str_n(line, (size_t)(colon - line));
    struct qr_str value = qr_str_trim(qr_str_n(colon + 1, bytes - name.n - 1));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (qr_str_ieqz(name, kept[i].name))
            copy_header(value.p, value.n, kept[i].dst, kept[i].dst_bytes);
    }
    char number[32] = "";
    copy_header(value.p, value.n, number, sizeof number);
    if (qr_str_ieqz(name, "content-length"))
        r->content_bytes = strtoull(number, NULL, 10);
    if (qr_str_ieqz(name, "retry-after"))
        r->retry_after_s = strtoll(number, NULL, 10);
    return bytes;
}

static size_t on_body(char *bytes, size_t one, size_t count, void *arg)
{
    (void)one;
    struct exchange *exchange = arg;
    struct qri_azure_request *request = exchange->request;
    if (request->response.http / 100 != 2) {
        if (exchange->error_body.len + count <= ERROR_BODY_BYTES_MAX)
            qr_buf_add(&exchange->error_body, bytes, count);
        return count;
    }
    if (request->into == NULL)
        return count;
    if (count > request->into->bytes_max - request->into->len) {
        exchange->too_big = true;
        return 0;
    }
    qr_buf_add(request->into, bytes, count);
    return request->into->failed == QR_OK ? count : 0;
}

static size_t on_read(char *dst, size_t one, size_t count, void *arg)
{
    (void)one;
    struct exchange *exchange = arg;
    size_t left = exchange->request->body_bytes - exchange->body_sent;
    size_t n = count < left ? count : left;
    if (n > 0)
        memcpy(dst, (const char *)exchange->request->body + exchange->body_sent, n);
    exchange->body_sent += n;
    return n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct exchange *exchange = arg;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > exchange->request->body_bytes)
        return CURL_SEEKFUNC_FAIL;
    exchange->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static CURL *take_handle(struct qri_azure *azure)
{
    CURL *curl = NULL;
    pthread_mutex_lock(&azure->mu);
    if (azure->idle_count > 0)
        curl = azure->idle[--azure->idle_count];
    pthread_mutex_unlock(&azure->mu);
    return curl != NULL ? curl : curl_easy_init();
}

static void give_handle(struct qri_azure *azure, CURL *curl)
{
    curl_easy_reset(curl); /* keeps its connections */
    pthread_mutex_lock(&azure->mu);
    bool kept = azure->idle_count < QRI_AZURE_IDLE_MAX;
    if (kept)
        azure->idle[azure->idle_count++] = curl;
    pthread_mutex_unlock(&azure->mu);
    if (!kept)
        curl_easy_cleanup(curl);
}

static void set_options(CURL *curl, struct exchange *exchange)
{
    struct qri_azure *azure = exchange->azure;
    struct qri_azure_request *request = exchange->request;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, azure->request_timeout_s);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (azure->loopback)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (strcmp(request->verb, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->verb, "PUT") == 0) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_bytes);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, exchange);
    } else if (strcmp(request->verb, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->verb);
    }
}

static void add_encoded(struct qr_buf *url, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/";
    for (const char *c = value; *c != '\0'; c++) {
        if (strchr(plain, *c) != NULL)
            qr_buf_add8(url, (uint8_t)*c);
        else
            qr_buf_printf(url, "%%%02X", (unsigned)(unsigned char)*c);
    }
}

static void date_now(struct qri_azure *azure, char *dst, size_t dst_bytes)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(qr_env_wall_ns(azure->env) / 1000000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(dst, dst_bytes, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static enum qr_status add_line(struct curl_slist **list, const char *name, const char *value,
                               struct qr_err *err)
{
    struct qr_buf line;
    qr_buf_init(&line, 4096);
    qr_buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *longer =
        line.failed == QR_OK ? curl_slist_append(*list, qr_buf_cstr(&line)) : NULL;
    qr_buf_done(&line);
    if (longer == NULL)
        return qr_fail(err, QR_NOMEM, "build a request");
    *list = longer;
    return QR_OK;
}

/* The URL, and all headers with the signature. */
static enum qr_status build(struct exchange *exchange, struct qr_buf *url,
                            struct curl_slist **ret_list, struct qr_err *err)
{
    struct qri_azure *azure = exchange->azure;
    struct qri_azure_request *request = exchange->request;
    char date[64], length[24];
    date_now(azure, date, sizeof date);
    snprintf(length, sizeof length, "%zu", request->body_bytes);
    struct qri_azure_field fields[QRI_AZURE_HEADERS_MAX];
    int count = request->header_count;
    memcpy(fields, request->headers, (size_t)count * sizeof fields[0]);
    fields[count++] = (struct qri_azure_field){"x-ms-date", date};
    fields[count++] = (struct qri_azure_field){"x-ms-version", version};

    qr_buf_addz(url, azure->origin);
    size_t path_at = url->len;
    qr_buf_addz(url, azure->path);
    if (request->name != NULL)
        qr_buf_printf(url, "/%s%s", azure->prefix, request->name); /* needs no encoding */
    QR_TRY(qr_buf_status(url, err));
    if (azure->key_bytes > 0) {
        struct qri_azure_field all[QRI_AZURE_HEADERS_MAX + 1];
        struct qr_buf value;
        qr_buf_init(&value, 1024);
        memcpy(all, fields, (size_t)count * sizeof all[0]);
        all[count] = (struct qri_azure_field){"content-length", length};
        enum qr_status status =
            qri_azure_sign(azure, request, qr_buf_cstr(url) + path_at, all, count + 1, &value, err);
        if (status == QR_OK)
            status = add_line(ret_list, "authorization", qr_buf_cstr(&value), err);
        qr_buf_done(&value);
        QR_TRY(status);
    }
    for (int i = 0; i < count; i++)
        QR_TRY(add_line(ret_list, fields[i].name, fields[i].value, err));
    QR_TRY(add_line(ret_list, "expect", "", err)); /* no 100-continue */
    char mark = '?';
    for (int i = 0; i < request->param_count; i++, mark = '&') {
        qr_buf_printf(url, "%c%s=", mark, request->params[i].name);
        add_encoded(url, request->params[i].value);
    }
    if (azure->sas != NULL)
        qr_buf_printf(url, "%c%s", mark, azure->sas);
    return qr_buf_status(url, err);
}

/* <Code>...</Code>, when no header named it. */
static void code_from_body(struct exchange *exchange)
{
    struct qri_azure_response *r = &exchange->request->response;
    const char *body = qr_buf_cstr(&exchange->error_body), *code = strstr(body, "<Code>");
    if (r->code[0] != '\0' || code == NULL)
        return;
    size_t n = strspn(code + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    copy_header(code + 6, n, r->code, sizeof r->code);
}

static enum qr_status judge_http(struct exchange *exchange, bool *ret_may_pass, struct qr_err *err)
{
    struct qri_azure_response *r = &exchange->request->response;
    if (r->http / 100 == 2)
        return QR_OK;
    code_from_body(exchange);
    enum qr_status status = QR_IO;
    for (size_t i = 0; i < sizeof https / sizeof https[0]; i++) {
        if (https[i].http == r->http) {
            status = https[i].status;
            *ret_may_pass = https[i].may_pass;
        }
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].code, r->code) == 0)
            status = codes[i].status;
    }
    return qr_fail(err, status, "the blob service answers %ld %s", r->http, r->code);
}

static enum qr_status judge_transport(struct exchange *exchange, CURLcode code, bool *ret_may_pass,
                                      struct qr_err *err)
{
    if (exchange->too_big)
        return qr_fail(err, QR_TOO_BIG, "the object has more bytes than are wanted");
    if (code == CURLE_WRITE_ERROR)
        return qr_fail(err, QR_NOMEM, "keep what the blob service sends");
    enum qr_status status = QR_IO;
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        if (transports[i].code == code) {
            status = transports[i].status;
            *ret_may_pass = transports[i].may_pass;
        }
    }
    return qr_fail(err, status, "ask the blob service: %s", curl_easy_strerror(code));
}

static enum qr_status run_once(struct exchange *exchange, bool *ret_may_pass, struct qr_err *err)
{
    struct curl_slist *list = NULL;
    struct qr_buf url;
    qr_buf_init(&url, URL_BYTES_MAX);
    enum qr_status status = build(exchange, &url, &list, err);
    CURL *curl = status == QR_OK ? take_handle(exchange->azure) : NULL;
    if (status == QR_OK && curl == NULL)
        status = qr_fail(err, QR_NOMEM, "ask the blob service");
    if (status == QR_OK) {
        set_options(curl, exchange);
        curl_easy_setopt(curl, CURLOPT_URL, qr_buf_cstr(&url));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
        CURLcode code = curl_easy_perform(curl);
        give_handle(exchange->azure, curl);
        status = code == CURLE_OK ? judge_http(exchange, ret_may_pass, err)
                                  : judge_transport(exchange, code, ret_may_pass, err);
    }
    curl_slist_free_all(list);
    qr_buf_done(&url);
    return status;
}

/* Doubles, with half of it by chance, and not before the service wants to hear from us. */
static void pause_before(struct qri_azure *azure, int attempt, int64_t retry_after_s)
{
    int64_t ns = azure->backoff_ns;
    for (int i = 1; i < attempt && ns < azure->backoff_max_ns; i++)
        ns *= 2;
    ns = ns < azure->backoff_max_ns ? ns : azure->backoff_max_ns;
    uint32_t random;
    qr_env_random(azure->env, &random, sizeof random);
    ns = ns / 2 + (int64_t)(random % 1024) * (ns / 2) / 1024;
    if (retry_after_s > RETRY_AFTER_MAX_S)
        retry_after_s = RETRY_AFTER_MAX_S;
    if (retry_after_s > 0 && ns < retry_after_s * 1000000000)
        ns = retry_after_s * 1000000000;
    qr_env_sleep_ns(azure->env, ns);
}

enum qr_status qri_azure_run(struct qri_azure *azure, struct qri_azure_request *request,
                             struct qr_err *err)
{
    struct exchange exchange = {.azure = azure, .request = request};
    exchange.into_before = request->into == NULL ? 0 : request->into->len;
    struct qr_err own;
    qr_err_reset(&own);
    err = err == NULL ? &own : err;
    for (int attempt = 1;; attempt++) {
        bool may_pass = false;
        request->response = (struct qri_azure_response){.attempts = attempt};
        exchange.body_sent = 0;
        if (request->into != NULL)
            request->into->len = exchange.into_before;
        qr_buf_init(&exchange.error_body, ERROR_BODY_BYTES_MAX + 1);
        enum qr_status status = run_once(&exchange, &may_pass, err);
        qr_buf_done(&exchange.error_body);
        if (status == QR_OK || !may_pass || attempt >= azure->attempts_max)
            return status;
        QR_LOG(&azure->log, QR_INFO, "blob_request_repeated", QR_F("verb", request->verb),
               QR_F("name", request->name == NULL ? "" : request->name), QR_F("attempt", attempt),
               QR_F("reason", (const char *)err->text));
        pause_before(azure, attempt, request->response.retry_after_s);
    }
}
