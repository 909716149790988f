/* identity.c - see rpc/identity.h */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include "identity_int.h"
#include "base/banned.h"

enum { SERIAL_BYTES = 16, ROLE_BYTES_MAX = 15, SAN_BYTES_MAX = 512 };
static const char uri_prefix[] = "quire:role:";
static const char ca_name[] = "quire machines";
static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char name_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

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

/* ---- names and roles ---- */

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < QR_IDENTITY_NAME_BYTES && strspn(name, name_bytes) == n;
}

/* The word at *at, which moves to the next; 0 at the end. */
static size_t next_word(const char **at, const char **ret_word)
{
    *at += strspn(*at, " ");
    *ret_word = *at;
    size_t n = strcspn(*at, " ");
    *at += n;
    return n;
}

static bool has_word(const char *words, const char *word, size_t word_bytes)
{
    const char *at = words, *other;
    size_t n;
    while ((n = next_word(&at, &other)) > 0)
        if (n == word_bytes && memcmp(other, word, n) == 0)
            return true;
    return false;
}

bool qr_identity_plays(const struct qr_identity *identity, const char *roles)
{
    const char *at = roles, *word;
    size_t n;
    while ((n = next_word(&at, &word)) > 0)
        if (has_word(identity->roles, word, n))
            return true;
    return false;
}

/* The roles as a subject alternative name's value. */
static enum qr_status put_roles(const char *roles, char dst[SAN_BYTES_MAX], struct qr_err *err)
{
    const char *at = roles, *word;
    size_t n, used = 0;
    while ((n = next_word(&at, &word)) > 0) {
        if (n > ROLE_BYTES_MAX || strspn(word, lower) < n || used + n + 32 > SAN_BYTES_MAX)
            return qr_fail(err, QR_INVALID, "'%s' are no roles of a machine", roles);
        used += (size_t)snprintf(dst + used, SAN_BYTES_MAX - used, "%sURI:%s%.*s",
                                 used == 0 ? "" : ",", uri_prefix, (int)n, word);
    }
    if (used == 0 || strlen(roles) >= QR_IDENTITY_ROLES_BYTES)
        return qr_fail(err, QR_INVALID, "a machine plays one role at least");
    return QR_OK;
}

/* ---- making ---- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
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

static bool fill(X509 *cert, X509 *issuer, EVP_PKEY *key, struct qr_env *env, const char *name,
                 int days)
{
    time_t now = (time_t)(qr_env_wall_ns(env) / 1000000000);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert, env) &&
           X509_time_adj_ex(X509_getm_notBefore(cert), days < 0 ? days - 1 : -1, 0, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, &now) != NULL &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
}

static enum qr_status put_pem(EVP_PKEY *key, X509 *cert, X509 *ca, struct qr_buf *pem,
                              struct qr_err *err)
{
    QR_AUTO(free_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    if (bio == NULL || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(bio, cert) != 1 || (ca != NULL && PEM_write_bio_X509(bio, ca) != 1))
        return qr_fail(err, QR_BUG, "write a certificate");
    long n = BIO_get_mem_data(bio, &bytes);
    if (n > 0)
        qr_buf_add(pem, bytes, (size_t)n);
    return qr_buf_status(pem, err);
}

enum qr_status qr_identity_make_ca(struct qr_env *env, int days, struct qr_buf *pem,
                                   struct qr_err *err)
{
    QR_AUTO(free_pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    QR_AUTO(free_x509) X509 *cert = X509_new();
    if (key == NULL || cert == NULL)
        return qr_fail(err, QR_NOMEM, "make a CA");
    if (!fill(cert, cert, key, env, ca_name, days) ||
        !add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        X509_sign(cert, key, EVP_sha256()) <= 0)
        return qr_fail(err, QR_BUG, "make a CA");
    return put_pem(key, cert, NULL, pem, err);
}

/* ---- reading ---- */

static enum qr_status read_pem(const char *pem, bool with_key, EVP_PKEY **ret_key, X509 **ret_cert,
                               struct qr_err *err)
{
    size_t n = strnlen(pem, QR_IDENTITY_PEM_BYTES_MAX);
    QR_AUTO(free_bio) BIO *for_key = BIO_new_mem_buf(pem, (int)n);
    QR_AUTO(free_bio) BIO *for_cert = BIO_new_mem_buf(pem, (int)n);
    if (for_key == NULL || for_cert == NULL)
        return qr_fail(err, QR_NOMEM, "read a certificate");
    /* the text stands for a passphrase that nobody is asked for */
    if (with_key)
        *ret_key = PEM_read_bio_PrivateKey(for_key, NULL, NULL, (void *)(uintptr_t) "");
    *ret_cert = PEM_read_bio_X509(for_cert, NULL, NULL, (void *)(uintptr_t) "");
    if (*ret_cert == NULL || (with_key && *ret_key == NULL))
        return qr_fail(err, QR_CORRUPT, "there is no key and certificate");
    return QR_OK;
}

enum qr_status qr_identity_issue(struct qr_env *env, const char *ca_pem,
                                 const struct qr_identity *identity, int days, struct qr_buf *pem,
                                 struct qr_err *err)
{
    QR_AUTO(free_pkey) EVP_PKEY *ca_key = NULL;
    QR_AUTO(free_x509) X509 *ca = NULL;
    QR_AUTO(free_pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    QR_AUTO(free_x509) X509 *cert = X509_new();
    char roles[SAN_BYTES_MAX];
    if (!is_name(identity->name))
        return qr_fail(err, QR_INVALID, "'%s' is no name of a machine", identity->name);
    QR_TRY(put_roles(identity->roles, roles, err));
    QR_TRY(qr_wrap(err, read_pem(ca_pem, true, &ca_key, &ca, err), "read the CA"));
    if (X509_check_ca(ca) != 1 || X509_check_private_key(ca, ca_key) != 1)
        return qr_fail(err, QR_CORRUPT, "what should be a CA is none");
    if (key == NULL || cert == NULL)
        return qr_fail(err, QR_NOMEM, "make a certificate");
    bool ok = fill(cert, ca, key, env, identity->name, days) &&
              add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
              add_extension(cert, ca, NID_subject_alt_name, roles);
    if (ok && ASN1_TIME_compare(X509_get0_notAfter(cert), X509_get0_notAfter(ca)) > 0)
        ok = X509_set1_notAfter(cert, X509_get0_notAfter(ca)) == 1;
    if (!ok || X509_sign(cert, ca_key, EVP_sha256()) <= 0)
        return qr_fail(err, QR_BUG, "make a certificate");
    return put_pem(key, cert, ca, pem, err);
}

static bool take_role(const GENERAL_NAME *alternative, struct qr_identity *identity)
{
    if (alternative->type != GEN_URI)
        return false;
    const ASN1_STRING *uri = alternative->d.uniformResourceIdentifier;
    const char *text = (const char *)ASN1_STRING_get0_data(uri);
    size_t bytes = (size_t)ASN1_STRING_length(uri), skip = sizeof uri_prefix - 1;
    size_t used = strlen(identity->roles);
    if (bytes <= skip || memcmp(text, uri_prefix, skip) != 0 || bytes - skip > ROLE_BYTES_MAX ||
        used + bytes - skip + 2 > sizeof identity->roles)
        return false;
    for (size_t i = skip; i < bytes; i++)
        if (text[i] < 'a' || text[i] > 'z')
            return false;
    snprintf(identity->roles + used, sizeof identity->roles - used, "%s%.*s", used == 0 ? "" : " ",
             (int)(bytes - skip), text + skip);
    return true;
}

enum qr_status qri_identity_of(X509 *cert, struct qr_identity *ret_identity, struct qr_err *err)
{
    struct qr_identity identity = {0};
    char name[QR_IDENTITY_NAME_BYTES + 1] = "";
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                                      sizeof name); /* cut if it is longer */
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool ok = n > 0 && (size_t)n == strlen(name) && is_name(name);
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) /* none: -1 */
        ok &= take_role(sk_GENERAL_NAME_value(alternatives, i), &identity);
    GENERAL_NAMES_free(alternatives);
    if (!ok || identity.roles[0] == '\0')
        return qr_fail(err, QR_DENIED, "the certificate names no machine and its roles");
    snprintf(identity.name, sizeof identity.name, "%s", name);
    *ret_identity = identity;
    return QR_OK;
}

enum qr_status qr_identity_read(const char *pem, struct qr_identity *ret_identity,
                                int64_t *ret_until_wall_ns, struct qr_err *err)
{
    QR_AUTO(free_x509) X509 *cert = NULL;
    struct tm tm;
    QR_TRY(read_pem(pem, false, NULL, &cert, err));
    QR_TRY(qri_identity_of(cert, ret_identity, err));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return qr_fail(err, QR_CORRUPT, "the certificate ends at no time");
    *ret_until_wall_ns = (int64_t)timegm(&tm) * 1000000000;
    return QR_OK;
}
