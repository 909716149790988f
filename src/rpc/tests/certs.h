/* certs.h - throw-away certificates for the tests. */
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

static inline void cert_extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

/* `issuer` NULL: a CA that signs itself. `days`: until it is not valid any more. */
static inline struct cert cert_new(const char *name, const char *alt_names, long days,
                                   const struct cert *issuer)
{
    static long serial = 1;
    struct cert cert = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    assert_non_null(cert.x509);
    assert_non_null(cert.key);
    X509_set_version(cert.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert.x509), -86400 * 10L);
    X509_gmtime_adj(X509_getm_notAfter(cert.x509), 86400 * days);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509 *by = issuer == NULL ? cert.x509 : issuer->x509;
    X509_set_issuer_name(cert.x509, X509_get_subject_name(by));
    X509_set_pubkey(cert.x509, cert.key);
    cert_extend(cert.x509, by, NID_basic_constraints,
                issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    cert_extend(cert.x509, by, NID_subject_key_identifier, "hash");
    if (alt_names != NULL)
        cert_extend(cert.x509, by, NID_subject_alt_name, alt_names);
    assert_true(X509_sign(cert.x509, issuer == NULL ? cert.key : issuer->key, EVP_sha256()) > 0);
    return cert;
}

/* Writes <dir>/<name>.crt and <dir>/<name>.key. */
static inline void cert_save(const struct cert *cert, const char *dir, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s.crt", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    PEM_write_X509(file, cert->x509);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s.key", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, cert->key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

static inline void cert_free(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
}
