/* azure_sign.c - see azure_int.h: credentials, signatures of the Shared Key scheme, digests
 *
 * The text to sign is the verb, the values of twelve headers in a fixed order, the x-ms- headers
 * sorted, and the resource: account, path as sent, and the query's parameters sorted, one a line. A
 * length of 0 is signed as nothing. */
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include "azure_int.h"
#include "base/banned.h"

enum { FIELDS_MAX = 32, SIGNED_BYTES_MAX = 16384 };

void qri_azure_base64(const void *bytes, size_t count, char *dst)
{
    EVP_EncodeBlock((unsigned char *)dst, bytes, (int)count);
}

void qri_azure_md5(const void *bytes, size_t count, char ret_text[QRI_AZURE_MD5_TEXT_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    ret_text[0] = '\0'; /* a machine that forbids MD5 goes without */
    if (EVP_Digest(bytes, count, digest, &digest_bytes, EVP_md5(), NULL) == 1)
        qri_azure_base64(digest, 16, ret_text);
}

static enum qr_status take_key(struct qri_azure *azure, const char *text, struct qr_err *err)
{
    size_t n = strlen(text);
    uint8_t key[QRI_AZURE_KEY_BYTES_MAX + 4];
    int got = -1;
    if (n > 0 && n % 4 == 0 && n / 4 * 3 <= QRI_AZURE_KEY_BYTES_MAX)
        got = EVP_DecodeBlock(key, (const unsigned char *)text, (int)n);
    if (got > 0) {
        azure->key_bytes = (size_t)got - (text[n - 1] == '=') - (text[n - 2] == '=');
        memcpy(azure->key, key, azure->key_bytes);
    }
    OPENSSL_cleanse(key, sizeof key);
    if (got <= 0)
        return qr_fail(err, QR_INVALID, "the storage account's key is not base64");
    return QR_OK;
}

enum qr_status qri_azure_credential(struct qri_azure *azure, const char *credential,
                                    struct qr_err *err)
{
    if (credential == NULL || credential[0] == '\0')
        return QR_OK;
    if (strncmp(credential, "key=", 4) == 0)
        return take_key(azure, credential + 4, err);
    if (strncmp(credential, "sas=", 4) != 0)
        return qr_fail(err, QR_INVALID, "a blob credential begins with key= or sas=");
    const char *sas = credential + 4;
    sas += sas[0] == '?';
    for (const char *c = sas; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#')
            return qr_fail(err, QR_INVALID, "the shared access signature is no query of a URL");
    }
    azure->sas = strdup(sas);
    return azure->sas == NULL ? qr_fail(err, QR_NOMEM, "open a blob store") : QR_OK;
}

static const char *value_of(const struct qri_azure_field *fields, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].value;
    }
    return "";
}

static int by_name(const void *a, const void *b)
{
    const struct qri_azure_field *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void add_sorted(struct qr_buf *text, const struct qri_azure_field *fields, int count,
                       const char *only, const char *before, const char *after)
{
    struct qri_azure_field sorted[FIELDS_MAX] = {{0}};
    int n = 0;
    assert(count <= FIELDS_MAX);
    for (int i = 0; i < count; i++) {
        if (strncmp(fields[i].name, only, strlen(only)) == 0)
            sorted[n++] = fields[i];
    }
    qsort(sorted, (size_t)n, sizeof sorted[0], by_name);
    for (int i = 0; i < n; i++)
        qr_buf_printf(text, "%s%s:%s%s", before, sorted[i].name, sorted[i].value, after);
}

enum qr_status qri_azure_sign(const struct qri_azure *azure,
                              const struct qri_azure_request *request, const char *url_path,
                              const struct qri_azure_field *fields, int field_count,
                              struct qr_buf *ret_value, struct qr_err *err)
{
    static const char *const order[] = {"content-encoding",
                                        "content-language",
                                        "content-length",
                                        "content-md5",
                                        "content-type",
                                        "date",
                                        "if-modified-since",
                                        "if-match",
                                        "if-none-match",
                                        "if-unmodified-since",
                                        "range"};
    struct qr_buf text;
    qr_buf_init(&text, SIGNED_BYTES_MAX);
    qr_buf_printf(&text, "%s\n", request->verb);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const char *value = value_of(fields, field_count, order[i]);
        if (i == 2 && strcmp(value, "0") == 0)
            value = "";
        qr_buf_printf(&text, "%s\n", value);
    }
    add_sorted(&text, fields, field_count, "x-ms-", "", "\n");
    qr_buf_printf(&text, "/%s%s", azure->account, url_path);
    add_sorted(&text, request->params, request->param_count, "", "\n", "");
    enum qr_status status = qr_buf_status(&text, err);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    char signature[64];
    if (status == QR_OK && HMAC(EVP_sha256(), azure->key, (int)azure->key_bytes, text.data,
                                text.len, digest, &digest_bytes) == NULL)
        status = qr_fail(err, QR_NOMEM, "sign a request");
    qr_buf_done(&text);
    QR_TRY(status);
    qri_azure_base64(digest, digest_bytes, signature);
    qr_buf_printf(ret_value, "SharedKey %s:%s", azure->account, signature);
    return qr_buf_status(ret_value, err);
}
