/* token.c - see arm_int.h: JSON Web Tokens with RS256, and nothing else: the algorithm is never
 * taken from the token */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arm_int.h"
#include "base/banned.h"

enum {
    KEY_BITS = 2048,
    SIGNATURE_BYTES_MAX = 1024,
    TOKEN_BYTES_MAX = 8192,
    CLAIMS_BYTES_MAX = 4096,
    KEY_ID_BYTES = 43, /* base64url of SHA-256 */
    SKEW_S = 60,       /* by which clocks may differ */
};

struct qri_signer {
    EVP_PKEY *key;
    uint8_t digest[SHA256_DIGEST_LENGTH]; /* of the public key */
    char key_id[KEY_ID_BYTES + 1];
};

static void free_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void done_buf(struct qr_buf *buf)
{
    qr_buf_done(buf);
}

static void free_json(json_t **json)
{
    json_decref(*json);
}

/* ---- the key ---- */

enum qr_status qr_arm_make_key(struct qr_buf *key_pem, struct qr_err *err)
{
    EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    bool ok = key != NULL && bio != NULL &&
              PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    long n = ok ? BIO_get_mem_data(bio, &bytes) : 0;
    if (n > 0)
        qr_buf_add(key_pem, bytes, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(key);
    if (!ok)
        return qr_fail(err, QR_NOMEM, "make a key for tokens");
    return qr_buf_status(key_pem, err);
}

enum qr_status qri_signer_new(const char *key_pem, struct qri_signer **ret_signer,
                              struct qr_err *err)
{
    struct qri_signer *signer = calloc(1, sizeof *signer);
    BIO *bio = BIO_new_mem_buf(key_pem, -1);
    unsigned char *der = NULL;
    int der_bytes = 0;
    if (signer != NULL && bio != NULL)
        signer->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (signer != NULL && signer->key != NULL && EVP_PKEY_is_a(signer->key, "RSA"))
        der_bytes = i2d_PUBKEY(signer->key, &der);
    if (der_bytes <= 0) {
        qri_signer_free(signer);
        return qr_fail(err, QR_CORRUPT, "the key for tokens is no RSA key in PEM");
    }
    SHA256(der, (size_t)der_bytes, signer->digest);
    OPENSSL_free(der);
    struct qr_buf id;
    qr_buf_init(&id, KEY_ID_BYTES + 1);
    qri_base64url_put(&id, signer->digest, sizeof signer->digest);
    snprintf(signer->key_id, sizeof signer->key_id, "%s", qr_buf_cstr(&id));
    qr_buf_done(&id);
    *ret_signer = signer;
    return QR_OK;
}

void qri_signer_free(struct qri_signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_free(signer->key);
    free(signer);
}

void qri_signer_guid(const struct qri_signer *signer, const char *what,
                     char dst[QRI_GUID_BYTES + 1])
{
    uint8_t d[SHA256_DIGEST_LENGTH], input[SHA256_DIGEST_LENGTH + 1024];
    size_t n = strlen(what) < 1024 ? strlen(what) : 1024;
    memcpy(input, signer->digest, sizeof signer->digest);
    memcpy(input + sizeof signer->digest, what, n);
    SHA256(input, sizeof signer->digest + n, d);
    d[6] = (uint8_t)((d[6] & 0x0f) | 0x80); /* version 8 of RFC 9562: made by a rule of our own */
    d[8] = (uint8_t)((d[8] & 0x3f) | 0x80);
    snprintf(dst, QRI_GUID_BYTES + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1],
             d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14],
             d[15]);
}

static const char *number_text(const struct qri_signer *signer, const char *param,
                               struct qr_buf *buf)
{
    BIGNUM *number = NULL;
    uint8_t bytes[SIGNATURE_BYTES_MAX];
    if (EVP_PKEY_get_bn_param(signer->key, param, &number) != 1 ||
        BN_num_bytes(number) > (int)sizeof bytes) {
        BN_free(number);
        return "";
    }
    int n = BN_bn2bin(number, bytes);
    BN_free(number);
    qr_buf_clear(buf);
    qri_base64url_put(buf, bytes, (size_t)n);
    return qr_buf_cstr(buf);
}

json_t *qri_signer_jwk(const struct qri_signer *signer)
{
    QR_AUTO(done_buf) struct qr_buf buf;
    qr_buf_init(&buf, 2 * SIGNATURE_BYTES_MAX);
    json_t *jwk = json_pack("{s:s,s:s,s:s,s:s}", "kty", "RSA", "use", "sig", "alg", "RS256", "kid",
                            signer->key_id);
    if (jwk != NULL) {
        json_object_set_new(jwk, "n",
                            json_string(number_text(signer, OSSL_PKEY_PARAM_RSA_N, &buf)));
        json_object_set_new(jwk, "e",
                            json_string(number_text(signer, OSSL_PKEY_PARAM_RSA_E, &buf)));
    }
    return jwk;
}

/* ---- making ---- */

static void put_json(struct qr_buf *token, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    if (text != NULL)
        qri_base64url_put(token, text, strlen(text));
    else
        token->failed = QR_NOMEM;
    free(text);
}

enum qr_status qri_token_sign(const struct qri_signer *signer, const char *type, json_t *claims,
                              struct qr_buf *token, struct qr_err *err)
{
    QR_AUTO(free_json)
    json_t *header = json_pack("{s:s,s:s,s:s}", "typ", type, "alg", "RS256", "kid", signer->key_id);
    QR_AUTO(free_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t bytes = sizeof signature, start = token->len;
    put_json(token, header);
    qr_buf_add8(token, '.');
    put_json(token, claims);
    QR_TRY(qr_buf_status(token, err));
    if (context == NULL ||
        EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) != 1 ||
        EVP_DigestSign(context, signature, &bytes, token->data + start, token->len - start) != 1)
        return qr_fail(err, QR_NOMEM, "sign a token");
    qr_buf_add8(token, '.');
    qri_base64url_put(token, signature, bytes);
    return qr_buf_status(token, err);
}

/* ---- checking ---- */

const char *qri_token_verdict_text(enum qri_token_verdict verdict)
{
    static const char *const texts[] = {
        [QRI_TOKEN_GOOD] = "The access token is valid.",
        [QRI_TOKEN_MALFORMED] = "The access token is invalid.",
        [QRI_TOKEN_FORGED] = "The access token's signature is invalid.",
        [QRI_TOKEN_EXPIRED] = "The access token expiry is in the past, or it is not valid yet.",
        [QRI_TOKEN_FOREIGN] = "The access token has been obtained for the wrong audience or use.",
    };
    return texts[verdict];
}

static bool split(struct qr_str token, struct qr_str parts[3])
{
    size_t count = 0, start = 0;
    for (size_t i = 0; i <= token.n; i++) {
        if (i < token.n && token.p[i] != '.')
            continue;
        if (count == 3)
            return false;
        parts[count++] = qr_str_n(token.p + start, i - start);
        start = i + 1;
    }
    return count == 3;
}

static bool is_signed(const struct qri_signer *signer, struct qr_str text, struct qr_str signature)
{
    QR_AUTO(done_buf) struct qr_buf bytes;
    QR_AUTO(free_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    qr_buf_init(&bytes, SIGNATURE_BYTES_MAX);
    return qri_base64url_get(signature, &bytes) && context != NULL &&
           EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, signer->key) == 1 &&
           EVP_DigestVerify(context, bytes.data, bytes.len, (const unsigned char *)text.p,
                            text.n) == 1;
}

static json_t *read_json(struct qr_str part)
{
    QR_AUTO(done_buf) struct qr_buf bytes;
    qr_buf_init(&bytes, CLAIMS_BYTES_MAX);
    if (!qri_base64url_get(part, &bytes))
        return NULL;
    json_t *json = json_loadb(qr_buf_cstr(&bytes), bytes.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool is_text(const json_t *json, const char *key, const char *text)
{
    const char *found = json_string_value(json_object_get(json, key));
    return found != NULL && strcmp(found, text) == 0;
}

enum qri_token_verdict qri_token_check(const struct qri_signer *signer, struct qr_str token,
                                       const char *type, const char *audience, int64_t now_s,
                                       json_t **ret_claims)
{
    struct qr_str parts[3];
    if (token.n > TOKEN_BYTES_MAX || !split(token, parts))
        return QRI_TOKEN_MALFORMED;
    struct qr_str text = qr_str_n(token.p, parts[0].n + 1 + parts[1].n);
    if (!is_signed(signer, text, parts[2]))
        return QRI_TOKEN_FORGED;
    QR_AUTO(free_json) json_t *header = read_json(parts[0]);
    QR_AUTO(free_json) json_t *claims = read_json(parts[1]);
    if (header == NULL || claims == NULL)
        return QRI_TOKEN_MALFORMED;
    if (!is_text(header, "alg", "RS256") || !is_text(header, "typ", type) ||
        !is_text(claims, "aud", audience))
        return QRI_TOKEN_FOREIGN;
    const json_t *until = json_object_get(claims, "exp"), *from = json_object_get(claims, "nbf");
    if (!json_is_integer(until) || !json_is_integer(from))
        return QRI_TOKEN_MALFORMED;
    if (now_s >= json_integer_value(until) || now_s + SKEW_S < json_integer_value(from))
        return QRI_TOKEN_EXPIRED;
    *ret_claims = QR_TAKE(claims);
    return QRI_TOKEN_GOOD;
}
