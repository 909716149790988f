/* azure_int.h - Azure Blob Storage, shared by azure*.c. */
#pragma once
#include <curl/curl.h>
#include <pthread.h>
#include "blob_int.h"

enum {
    QRI_AZURE_KEY_BYTES_MAX = 128,
    QRI_AZURE_IDLE_MAX = 16,
    QRI_AZURE_HEADERS_MAX = 16,
    QRI_AZURE_PARAMS_MAX = 6,
    QRI_AZURE_BLOCK_BYTES = 8 << 20,
    QRI_AZURE_MD5_TEXT_BYTES = 28, /* with its NUL: base64 of 16 bytes */
};

struct qri_azure {
    struct qr_blob base; /* first */
    struct qr_env *env;
    struct qr_log log;
    char *origin; /* scheme://authority */
    char *path;   /* of the container: /container, or /account/container with an emulator */
    char *prefix; /* of every object's name: "" or "x/" */
    char account[64];
    bool loopback;
    uint8_t key[QRI_AZURE_KEY_BYTES_MAX]; /* secret */
    size_t key_bytes;                     /* 0: no shared key */
    char *sas;                            /* secret; NULL: none */
    int attempts_max;
    int page_objects; /* of a listing; 0: as the service likes */
    int64_t backoff_ns, backoff_max_ns;
    long request_timeout_s;
    pthread_mutex_t mu;
    CURL *idle[QRI_AZURE_IDLE_MAX]; /* guarded by mu, like its count */
    int idle_count;
};

struct qri_azure_field {
    const char *name; /* lower case */
    const char *value;
};

/* What came back. */
struct qri_azure_response {
    long http;
    int attempts;
    char code[64]; /* the service's word for the error */
    struct qr_blob_tag tag;
    char md5[QRI_AZURE_MD5_TEXT_BYTES];
    char write_id[40], lease_id[64], last_modified[40];
    uint64_t content_bytes;
    int64_t retry_after_s;
};

/* One request, repeated as often as is sensible. */
struct qri_azure_request {
    const char *verb;
    const char *name; /* of the object, without the store's prefix; NULL: the container itself */
    struct qri_azure_field params[QRI_AZURE_PARAMS_MAX];
    int param_count;
    struct qri_azure_field headers[QRI_AZURE_HEADERS_MAX];
    int header_count;
    const void *body;
    size_t body_bytes;
    struct qr_buf *into; /* a body that is wanted is appended; NULL: dropped */
    struct qri_azure_response response;
};

/* azure_http.c */
void qri_azure_param(struct qri_azure_request *request, const char *name, const char *value);
void qri_azure_header(struct qri_azure_request *request, const char *name, const char *value);
/* QR_OK for an answer of 2xx, else the status of the error with its code in the text. */
QR_NODISCARD enum qr_status qri_azure_run(struct qri_azure *azure,
                                          struct qri_azure_request *request, struct qr_err *err);

/* azure_sign.c */

/* "key=..." or "sas=..." or "". */
QR_NODISCARD enum qr_status qri_azure_credential(struct qri_azure *azure, const char *credential,
                                                 struct qr_err *err);
/* The value of the Authorization header; `fields` are all headers of the request, in any order. */
QR_NODISCARD enum qr_status qri_azure_sign(const struct qri_azure *azure,
                                           const struct qri_azure_request *request,
                                           const char *url_path,
                                           const struct qri_azure_field *fields, int field_count,
                                           struct qr_buf *ret_value, struct qr_err *err);
void qri_azure_md5(const void *bytes, size_t count, char ret_text[QRI_AZURE_MD5_TEXT_BYTES]);
void qri_azure_base64(const void *bytes, size_t count,
                      char *dst); /* (count + 2) / 3 * 4 + 1 bytes */

/* azure_url.c */
QR_NODISCARD enum qr_status qri_azure_parse_url(struct qri_azure *azure, const char *url,
                                                struct qr_err *err);

/* azure_list.c */
struct qri_azure_page {
    void *arg;
    enum qr_status (*each)(void *arg, const char *name, const struct qr_blob_info *info);
    struct qr_buf marker; /* of the next page; empty: none */
};
/* Reads one page of a listing; hostile bytes. */
QR_NODISCARD enum qr_status qri_azure_parse_page(const char *xml, size_t bytes,
                                                 struct qri_azure_page *page, struct qr_err *err);
enum qr_status qri_azure_list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                              void *arg, struct qr_err *err);

int64_t qri_azure_wall_ns(const char *date); /* of HTTP; 0: unreadable */

/* azure_put.c */
enum qr_status qri_azure_put(struct qr_blob *blob, const char *name, const void *bytes,
                             size_t count, const char *if_tag, struct qr_blob_tag *ret_tag,
                             struct qr_err *err);
enum qr_status qri_azure_put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                                  uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                                  struct qr_err *err);
enum qr_status qri_azure_append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                                const struct iovec *iov, int iov_count, const char *lease_id,
                                struct qr_err *err);

/* azure.c */
QR_NODISCARD enum qr_status qri_azure_head(struct qri_azure *azure, const char *name,
                                           struct qri_azure_response *ret_response,
                                           struct qr_err *err);
enum qr_status qri_azure_get(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                             struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err);
