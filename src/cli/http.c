/* http.c - see cli_int.h: one request over TLS. The certificate is always checked; no redirection
 * is followed, because a token must not go elsewhere. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "cli_int.h"
#include "base/banned.h"

enum {
    ANSWER_BYTES_MAX = 256 * 1024 * 1024,
    TOKEN_BYTES_MAX = 64 * 1024,
    CONNECT_S = 10,
    TIMEOUT_S = 120
};

struct exchange {
    struct qri_reply *reply;
    struct qr_buf body;
};

const char *qri_url_encode(struct qr_arena *arena, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    char *url = qr_arena_alloc(arena, strlen(text) * 3 + 1), *at = url;
    for (; url != NULL && *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            *at++ = *text;
        else
            at += snprintf(at, 4, "%%%02X", (unsigned)(unsigned char)*text);
    }
    return url == NULL ? "" : url;
}

static size_t on_header(char *line, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct qri_reply *reply = ((struct exchange *)arg)->reply;
    const char *colon = memchr(line, ':', bytes);
    if (colon == NULL)
        return bytes;
    struct qr_str name = qr_str_n(line, (size_t)(colon - line));
    struct qr_str value = qr_str_trim(qr_str_n(colon + 1, bytes - name.n - 1));
    if (value.n >= QRI_URL_BYTES)
        return bytes; /* none of ours */
    if (qr_str_ieqz(name, "azure-asyncoperation"))
        snprintf(reply->operation, sizeof reply->operation, "%.*s", (int)value.n, value.p);
    else if (qr_str_ieqz(name, "location"))
        snprintf(reply->location, sizeof reply->location, "%.*s", (int)value.n, value.p);
    else if (qr_str_ieqz(name, "retry-after"))
        reply->retry_after_s = strtol(value.p, NULL, 10);
    return bytes;
}

static size_t on_body(char *bytes, size_t one, size_t count, void *arg)
{
    (void)one;
    struct qr_buf *body = &((struct exchange *)arg)->body;
    qr_buf_add(body, bytes, count);
    return body->failed == QR_OK ? count : 0;
}

static enum qr_status fail_transport(struct qri_cli *cli, CURLcode code, const char *detail,
                                     const char *url, struct qr_err *err)
{
    const char *why = *detail != '\0' ? detail : curl_easy_strerror(code);
    int host = (int)strcspn(url + sizeof "https://" - 1, "/") + (int)sizeof "https://" - 1;
    cli->exit_code = QR_CLI_UNREACHABLE;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return qr_fail(err, QR_DENIED,
                       "the certificate of %.*s is not trusted (%s); `quire login --ca FILE` names "
                       "the one that is: tls/cert.pem of its data directory",
                       host, url, why);
    return qr_fail(err, QR_CLOSED, "%.*s does not answer: %s", host, url, why);
}

static void set_request(CURL *curl, const char *method, const char *text, bool is_form,
                        struct curl_slist **headers)
{
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (text == NULL && strcmp(method, "POST") == 0)
        text = "";
    if (text == NULL)
        return;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    *headers =
        curl_slist_append(*headers, is_form ? "Content-Type: application/x-www-form-urlencoded"
                                            : "Content-Type: application/json");
    *headers = curl_slist_append(*headers, "Expect:");
}

static CURLcode perform(struct qri_cli *cli, CURL *curl, struct exchange *x, const char *url,
                        char *detail)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* a name of dots is no way to its parent */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    if (*cli->profile.ca != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, cli->profile.ca);
    return curl_easy_perform(curl);
}

enum qr_status qri_http(struct qri_cli *cli, const char *method, const char *url,
                        const json_t *body, const char *form, const char *token,
                        struct qri_reply *ret_reply, struct qr_err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    struct qr_buf bearer;
    struct exchange x = {.reply = ret_reply};
    *ret_reply = (struct qri_reply){0};
    if (strncmp(url, "https://", 8) != 0)
        return qr_fail(err, QR_INVALID, "'%.200s' does not begin with https://", url);
    if (cli->curl == NULL)
        cli->curl = curl_easy_init();
    CURL *curl = cli->curl;
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    if (curl == NULL || (body != NULL && text == NULL)) {
        free(text);
        return qr_fail(err, QR_NOMEM, "request");
    }
    curl_easy_reset(curl); /* keeps its connection */
    qr_buf_init(&x.body, ANSWER_BYTES_MAX);
    qr_buf_init(&bearer, TOKEN_BYTES_MAX);
    set_request(curl, method, form != NULL ? form : text, form != NULL, &headers);
    qr_buf_printf(&bearer, "Authorization: Bearer %s", token == NULL ? "" : token);
    if (token != NULL)
        headers = curl_slist_append(headers, qr_buf_cstr(&bearer));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = perform(cli, curl, &x, url, detail);
    enum qr_status status = QR_OK;
    if (code != CURLE_OK) {
        status = fail_transport(cli, code, detail, url, err);
    } else {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
        ret_reply->json = json_loadb((const char *)x.body.data, x.body.len, JSON_DECODE_ANY, NULL);
    }
    qr_buf_done(&x.body);
    qr_buf_done(&bearer);
    curl_slist_free_all(headers);
    free(text);
    return status;
}

void qri_reply_done(struct qri_reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
}

void qri_http_done(struct qri_cli *cli)
{
    if (cli->curl != NULL)
        curl_easy_cleanup(cli->curl);
    cli->curl = NULL;
}
