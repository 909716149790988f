/* azure.c - see blob/blob.h: Azure Blob Storage; opening, reading, deleting, leases */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "azure_int.h"
#include "base/banned.h"

enum { ATTEMPTS_MAX = 6, MD5_RANGE_BYTES_MAX = 4 << 20 };
static const int64_t BACKOFF_NS = 100000000, BACKOFF_MAX_NS = INT64_C(5000000000);
static const long REQUEST_TIMEOUT_S = 300;

enum qr_status qri_azure_head(struct qri_azure *azure, const char *name,
                              struct qri_azure_response *ret_response, struct qr_err *err)
{
    struct qri_azure_request request = {.verb = "HEAD", .name = name};
    QR_TRY(qri_azure_run(azure, &request, err));
    *ret_response = request.response;
    return QR_OK;
}

/* Is [offset, offset + count) of the object empty, or not all there? Asked when a range cannot be.
 */
static enum qr_status get_nothing(struct qri_azure *azure, const char *name, uint64_t offset,
                                  size_t count, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_azure_response response;
    QR_TRY(qri_azure_head(azure, name, &response, err));
    uint64_t bytes = response.content_bytes;
    if (offset > bytes || (count != SIZE_MAX && count > bytes - offset))
        return qr_fail(err, QR_TRUNCATED, "the object ends at byte %" PRIu64, bytes);
    if (count != 0 && offset < bytes)
        return qr_fail(err, QR_IO, "the object changed while it was read");
    *ret_tag = response.tag;
    return QR_OK;
}

static enum qr_status check_md5(const struct qri_azure_request *request, size_t before,
                                struct qr_err *err)
{
    char md5[QRI_AZURE_MD5_TEXT_BYTES];
    qri_azure_md5(request->into->data + before, request->into->len - before, md5);
    if (request->response.md5[0] != '\0' && md5[0] != '\0' &&
        strcmp(md5, request->response.md5) != 0)
        return qr_fail(err, QR_CORRUPT, "the object's bytes do not match their MD5");
    return QR_OK;
}

enum qr_status qri_azure_get(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                             struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_azure *azure = (struct qri_azure *)blob;
    bool ranged = offset > 0 || count != SIZE_MAX;
    if (count == 0 || offset > INT64_MAX - (uint64_t)INT32_MAX)
        return get_nothing(azure, name, offset, count, ret_tag, err);
    if (count != SIZE_MAX && count > buf->bytes_max - buf->len)
        return qr_fail(err, QR_TOO_BIG, "%zu bytes are more than are wanted", count);
    size_t before = buf->len;
    struct qri_azure_request request = {.verb = "GET", .name = name, .into = buf};
    char range[80];
    if (count == SIZE_MAX)
        snprintf(range, sizeof range, "bytes=%" PRIu64 "-", offset);
    else
        snprintf(range, sizeof range, "bytes=%" PRIu64 "-%" PRIu64, offset, offset + count - 1);
    if (ranged)
        qri_azure_header(&request, "x-ms-range", range);
    bool with_md5 = count <= MD5_RANGE_BYTES_MAX;
    if (with_md5)
        qri_azure_header(&request, "x-ms-range-get-content-md5", "true");
    enum qr_status status = qri_azure_run(azure, &request, err);
    if (status == QR_TRUNCATED)
        return get_nothing(azure, name, offset, count, ret_tag, err);
    QR_TRY(status);
    size_t got = buf->len - before;
    if (got < count && count != SIZE_MAX)
        return qr_fail(err, QR_TRUNCATED, "the object ends at byte %" PRIu64, offset + got);
    if (got > count || (ranged && request.response.http != 206))
        return qr_fail(err, QR_PROTOCOL, "the blob service does not keep to a range");
    if (with_md5 || !ranged)
        QR_TRY(check_md5(&request, before, err));
    *ret_tag = request.response.tag;
    return QR_OK;
}

static enum qr_status azure_stat(struct qr_blob *blob, const char *name,
                                 struct qr_blob_info *ret_info, struct qr_err *err)
{
    struct qri_azure_response response;
    QR_TRY(qri_azure_head((struct qri_azure *)blob, name, &response, err));
    ret_info->bytes = response.content_bytes;
    ret_info->modified_wall_ns = qri_azure_wall_ns(response.last_modified);
    ret_info->tag = response.tag;
    return QR_OK;
}

static bool is_header_value(const char *tag)
{
    for (const char *c = tag; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            return false;
    }
    return strlen(tag) < sizeof((struct qr_blob_tag *)0)->z;
}

static enum qr_status azure_remove(struct qr_blob *blob, const char *name, const char *if_tag,
                                   struct qr_err *err)
{
    struct qri_azure_request request = {.verb = "DELETE", .name = name};
    if (if_tag != NULL) {
        if (!is_header_value(if_tag))
            return qr_fail(err, QR_INVALID, "that is no tag");
        qri_azure_header(&request, "if-match", if_tag);
    }
    enum qr_status status = qri_azure_run((struct qri_azure *)blob, &request, err);
    if (status != QR_NOT_FOUND)
        return status;
    /* Gone by our own hand, if the answer to an earlier attempt was lost. */
    if (if_tag == NULL || request.response.attempts > 1)
        return QR_OK;
    return qr_fail(err, QR_CONFLICT, "the object is gone");
}

/* A random name in the form of a GUID, which is what leases have. */
static void new_lease_id(struct qri_azure *azure, char dst[40])
{
    uint8_t random[16];
    char hex[33];
    qr_env_random(azure->env, random, sizeof random);
    qri_hex(random, sizeof random, hex);
    snprintf(dst, 40, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static enum qr_status azure_lease(struct qr_blob *blob, const char *name, int ttl_s,
                                  const char *lease_id, struct qr_blob_tag *ret_lease_id,
                                  struct qr_err *err)
{
    struct qri_azure *azure = (struct qri_azure *)blob;
    struct qri_azure_request request = {.verb = "PUT", .name = name};
    char duration[16], proposed[40];
    if (!is_header_value(lease_id))
        return qr_fail(err, QR_INVALID, "that is no lease");
    qri_azure_param(&request, "comp", "lease");
    if (lease_id[0] == '\0') {
        /* The name of the lease is ours, so that a repeated request finds its own lease. */
        new_lease_id(azure, proposed);
        snprintf(duration, sizeof duration, "%d", ttl_s);
        qri_azure_header(&request, "x-ms-lease-action", "acquire");
        qri_azure_header(&request, "x-ms-lease-duration", duration);
        qri_azure_header(&request, "x-ms-proposed-lease-id", proposed);
    } else {
        qri_azure_header(&request, "x-ms-lease-action", "renew");
        qri_azure_header(&request, "x-ms-lease-id", lease_id);
    }
    QR_TRY(qri_azure_run(azure, &request, err));
    snprintf(ret_lease_id->z, sizeof ret_lease_id->z, "%s", request.response.lease_id);
    return QR_OK;
}

static enum qr_status azure_release(struct qr_blob *blob, const char *name, const char *lease_id,
                                    struct qr_err *err)
{
    struct qri_azure_request request = {.verb = "PUT", .name = name};
    if (!is_header_value(lease_id))
        return qr_fail(err, QR_INVALID, "that is no lease");
    qri_azure_param(&request, "comp", "lease");
    qri_azure_header(&request, "x-ms-lease-action", "release");
    qri_azure_header(&request, "x-ms-lease-id", lease_id);
    return qri_azure_run((struct qri_azure *)blob, &request, err);
}

static void azure_close(struct qr_blob *blob)
{
    struct qri_azure *azure = (struct qri_azure *)blob;
    for (int i = 0; i < azure->idle_count; i++)
        curl_easy_cleanup(azure->idle[i]);
    pthread_mutex_destroy(&azure->mu);
    OPENSSL_cleanse(azure->key, sizeof azure->key);
    if (azure->sas != NULL)
        OPENSSL_cleanse(azure->sas, strlen(azure->sas));
    free(azure->sas);
    free(azure->origin);
    free(azure->path);
    free(azure->prefix);
    free(azure);
}

static const struct qr_blob_ops azure_ops = {
    .put = qri_azure_put,
    .put_file = qri_azure_put_file,
    .get = qri_azure_get,
    .stat = azure_stat,
    .remove = azure_remove,
    .list = qri_azure_list,
    .append = qri_azure_append,
    .lease = azure_lease,
    .release = azure_release,
    .close = azure_close,
};

/* Makes the container unless it is there. A SAS often may not: then the first use will tell. */
static enum qr_status ensure_container(struct qri_azure *azure, struct qr_err *err)
{
    struct qri_azure_request request = {.verb = "PUT"};
    qri_azure_param(&request, "restype", "container");
    enum qr_status status = qri_azure_run(azure, &request, err);
    if (status == QR_CONFLICT && strcmp(request.response.code, "ContainerAlreadyExists") == 0)
        return QR_OK;
    return status == QR_DENIED && azure->sas != NULL ? QR_OK : status;
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

static void start_curl(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static enum qr_status azure_start(struct qri_azure *azure, const char *url, const char *credential,
                                  struct qr_err *err)
{
    QR_TRY(qri_azure_parse_url(azure, url, err));
    QR_TRY(qri_azure_credential(azure, credential, err));
    pthread_once(&curl_once, start_curl);
    if (curl_started != CURLE_OK)
        return qr_fail(err, QR_NOMEM, "start libcurl");
    return ensure_container(azure, err);
}

enum qr_status qri_blob_azure_open(struct qr_env *env, const struct qr_log *log, const char *url,
                                   const char *credential, struct qr_blob **ret_blob,
                                   struct qr_err *err)
{
    struct qri_azure *azure = calloc(1, sizeof *azure);
    if (azure == NULL)
        return qr_fail(err, QR_NOMEM, "open a blob store");
    azure->base.ops = &azure_ops;
    azure->env = env;
    if (log != NULL)
        azure->log = *log;
    azure->attempts_max = ATTEMPTS_MAX;
    azure->backoff_ns = BACKOFF_NS;
    azure->backoff_max_ns = BACKOFF_MAX_NS;
    azure->request_timeout_s = REQUEST_TIMEOUT_S;
    pthread_mutex_init(&azure->mu, NULL);
    enum qr_status status = azure_start(azure, url, credential, err);
    if (status != QR_OK) {
        azure_close(&azure->base);
        return qr_wrap(err, status, "open a blob container");
    }
    *ret_blob = &azure->base;
    return QR_OK;
}
