/* cert.c - see gateway/cert.h */
#include "gateway/cert.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include "base/banned.h"

enum { VALID_DAYS = 3650, SERIAL_BYTES = 16, KEY_BITS = 2048 };

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_x509(X509 **cert)
{
    X509_free(*cert);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* A name that is not a plain DNS name is left out: it would break out of the extension's syntax. */
static bool is_dns_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 253 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == n;
}

static bool set_serial(X509 *cert, struct qr_env *env)
{
    unsigned char bytes[SERIAL_BYTES];
    qr_env_random(env, bytes, sizeof bytes);
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, struct qr_env *env, const char *host_name)
{
    char names[512];
    bool has_host = host_name != NULL && is_dns_name(host_name);
    snprintf(names, sizeof names, "DNS:localhost,IP:127.0.0.1,IP:::1%s%s", has_host ? ",DNS:" : "",
             has_host ? host_name : "");
    time_t now = (time_t)(qr_env_wall_ns(env) / 1000000000);
    X509_NAME *subject = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert, env) &&
           X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, &now) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)"quire",
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_alt_name, names) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static void add_bio(struct qr_buf *buf, BIO *bio)
{
    char *bytes = NULL;
    long n = BIO_get_mem_data(bio, &bytes);
    if (n > 0)
        qr_buf_add(buf, bytes, (size_t)n);
}

enum qr_status qr_cert_make(struct qr_env *env, const char *host_name, struct qr_buf *key_pem,
                            struct qr_buf *cert_pem, struct qr_err *err)
{
    QR_AUTO(free_pkey) EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    QR_AUTO(free_x509) X509 *cert = X509_new();
    QR_AUTO(free_bio) BIO *key_bio = BIO_new(BIO_s_mem());
    QR_AUTO(free_bio) BIO *cert_bio = BIO_new(BIO_s_mem());
    if (key == NULL || cert == NULL || key_bio == NULL || cert_bio == NULL)
        return qr_fail(err, QR_NOMEM, "make a certificate");
    if (!fill(cert, key, env, host_name) ||
        PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(cert_bio, cert) != 1)
        return qr_fail(err, QR_BUG, "make a certificate");
    add_bio(key_pem, key_bio);
    add_bio(cert_pem, cert_bio);
    QR_TRY(qr_buf_status(key_pem, err));
    return qr_buf_status(cert_pem, err);
}
