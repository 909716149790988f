/* cipher.c - see crypt/cipher.h */
#include "crypt/cipher.h"
#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum { NONCE_BYTES = 12, LABEL_BYTES_MAX = 32, CONTEXT_BYTES_MAX = 64, TWEAK_BYTES = 16 };

/* A context of one kind and direction, and the key that it was last given. */
struct kept {
    EVP_CIPHER_CTX *ctx;
    uint64_t serial;
};
enum use { GCM_SEAL, GCM_OPEN, XTS_SEAL, XTS_OPEN, USES };

static _Thread_local struct kept kept[USES];
static EVP_CIPHER *gcm, *xts;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t last_serial;

static void free_kept(void *arg)
{
    struct kept *all = arg;
    for (int i = 0; i < USES; i++)
        EVP_CIPHER_CTX_free(all[i].ctx);
    memset(all, 0, sizeof kept);
}

static void prepare(void)
{
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    xts = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);
    int failed = pthread_key_create(&at_thread_end, free_kept);
    assert(gcm != NULL && xts != NULL && failed == 0);
}

/* The thread's context for this use with this key and nonce, or NULL. */
static EVP_CIPHER_CTX *context_for(enum use use, const struct qr_cipher_key *key,
                                   const uint8_t *nonce)
{
    assert(qr_cipher_is_on(key));
    pthread_once(&once, prepare);
    struct kept *k = &kept[use];
    int seals = use == GCM_SEAL || use == XTS_SEAL;
    if (k->ctx == NULL) {
        EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        if (ctx == NULL || pthread_setspecific(at_thread_end, kept) != 0 ||
            EVP_CipherInit_ex2(ctx, use == GCM_SEAL || use == GCM_OPEN ? gcm : xts, NULL, NULL,
                               seals, NULL) != 1) {
            EVP_CIPHER_CTX_free(ctx);
            return NULL;
        }
        k->ctx = ctx;
        k->serial = 0;
    }
    bool same = k->serial == key->serial;
    k->serial = 0;
    if (EVP_CipherInit_ex2(k->ctx, NULL, same ? NULL : key->bytes, nonce, seals, NULL) != 1)
        return NULL;
    k->serial = key->serial;
    return k->ctx;
}

static void hmac(const uint8_t key[QR_KEY_BYTES], const uint8_t *bytes, size_t count,
                 uint8_t dst[QR_KEY_BYTES])
{
    unsigned got = 0;
    const uint8_t *done = HMAC(EVP_sha256(), key, QR_KEY_BYTES, bytes, count, dst, &got);
    assert(done != NULL && got == QR_KEY_BYTES);
}

/* One step of HKDF's expansion (RFC 5869) for each half; data keys are random already. */
void qr_cipher_derive(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                      const char *label, const void *context, size_t context_bytes,
                      const uint8_t salt[QR_SALT_BYTES])
{
    uint8_t info[LABEL_BYTES_MAX + CONTEXT_BYTES_MAX + QR_SALT_BYTES + 2];
    size_t n = strlen(label), at = 0;
    assert(n < LABEL_BYTES_MAX && context_bytes <= CONTEXT_BYTES_MAX && data_key->id != 0);
    memcpy(info, label, n + 1); /* with its NUL: no label is the beginning of another */
    at = n + 1;
    if (context_bytes > 0)
        memcpy(info + at, context, context_bytes);
    at += context_bytes;
    memcpy(info + at, salt, QR_SALT_BYTES);
    at += QR_SALT_BYTES;
    struct qr_cipher_key key = {.serial = atomic_fetch_add(&last_serial, 1) + 1,
                                .id = data_key->id};
    memcpy(key.salt, salt, QR_SALT_BYTES);
    for (uint8_t half = 0; half < 2; half++) {
        info[at] = half + 1;
        hmac(data_key->bytes, info, at + 1, key.bytes + half * QR_KEY_BYTES);
    }
    *ret_key = key;
    qr_cipher_forget(&key, sizeof key);
}

void qr_cipher_make(struct qr_cipher_key *ret_key, struct qr_env *env, const char *label)
{
    struct qr_data_key key = {.id = 1};
    uint8_t salt[QR_SALT_BYTES];
    qr_env_random(env, key.bytes, sizeof key.bytes);
    qr_env_random(env, salt, sizeof salt);
    qr_cipher_derive(ret_key, &key, label, NULL, 0, salt);
    qr_cipher_forget(&key, sizeof key);
}

void qr_cipher_forget(void *key, size_t bytes)
{
    OPENSSL_cleanse(key, bytes);
}

static EVP_CIPHER_CTX *begin_gcm(enum use use, const struct qr_cipher_key *key, uint64_t position,
                                 uint32_t part, const void *aad, size_t aad_bytes)
{
    uint8_t nonce[NONCE_BYTES];
    int got = 0;
    assert(aad_bytes <= INT_MAX);
    qr_put64le(nonce, position);
    qr_put32le(nonce + 8, part);
    EVP_CIPHER_CTX *ctx = context_for(use, key, nonce);
    if (ctx != NULL && aad_bytes > 0 && EVP_CipherUpdate(ctx, NULL, &got, aad, (int)aad_bytes) != 1)
        return NULL;
    return ctx;
}

enum qr_status qr_gcm_begin(struct qr_gcm *ret_sealing, const struct qr_cipher_key *key,
                            uint64_t position, uint32_t part, const void *aad, size_t aad_bytes,
                            struct qr_err *err)
{
    ret_sealing->ctx = begin_gcm(GCM_SEAL, key, position, part, aad, aad_bytes);
    return ret_sealing->ctx != NULL ? QR_OK : qr_fail(err, QR_NOMEM, "begin to encrypt");
}

enum qr_status qr_gcm_add(struct qr_gcm *sealing, const uint8_t *src, uint8_t *dst, size_t count,
                          struct qr_err *err)
{
    int got = 0;
    assert(count <= INT_MAX);
    return EVP_CipherUpdate(sealing->ctx, dst, &got, src, (int)count) == 1
               ? QR_OK
               : qr_fail(err, QR_NOMEM, "encrypt %zu bytes", count);
}

enum qr_status qr_gcm_end(struct qr_gcm *sealing, uint8_t tag[QR_TAG_BYTES], struct qr_err *err)
{
    int got = 0;
    return EVP_CipherFinal_ex(sealing->ctx, tag, &got) == 1 && /* GCM has no bytes left over */
                   EVP_CIPHER_CTX_ctrl(sealing->ctx, EVP_CTRL_AEAD_GET_TAG, QR_TAG_BYTES, tag) == 1
               ? QR_OK
               : qr_fail(err, QR_NOMEM, "end encrypting");
}

enum qr_status qr_gcm_seal(const struct qr_cipher_key *key, uint64_t position, uint32_t part,
                           const void *aad, size_t aad_bytes, uint8_t *bytes, size_t count,
                           uint8_t tag[QR_TAG_BYTES], struct qr_err *err)
{
    struct qr_gcm sealing;
    QR_TRY(qr_gcm_begin(&sealing, key, position, part, aad, aad_bytes, err));
    QR_TRY(qr_gcm_add(&sealing, bytes, bytes, count, err));
    return qr_gcm_end(&sealing, tag, err);
}

enum qr_status qr_gcm_open(const struct qr_cipher_key *key, uint64_t position, uint32_t part,
                           const void *aad, size_t aad_bytes, uint8_t *bytes, size_t count,
                           const uint8_t tag[QR_TAG_BYTES], struct qr_err *err)
{
    int got = 0;
    if (count > INT_MAX)
        return qr_fail(err, QR_TOO_BIG, "decrypt %zu bytes", count);
    EVP_CIPHER_CTX *ctx = begin_gcm(GCM_OPEN, key, position, part, aad, aad_bytes);
    if (ctx == NULL || EVP_CipherUpdate(ctx, bytes, &got, bytes, (int)count) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, QR_TAG_BYTES, (void *)(uintptr_t)tag) != 1)
        return qr_fail(err, QR_NOMEM, "decrypt %zu bytes", count);
    return EVP_CipherFinal_ex(ctx, bytes + count, &got) == 1
               ? QR_OK
               : qr_fail(err, QR_CORRUPT, "encrypted bytes do not fit their tag");
}

static enum qr_status run_xts(enum use use, const struct qr_cipher_key *key, uint64_t position,
                              uint64_t part, const uint8_t *src, uint8_t *dst, size_t count,
                              struct qr_err *err)
{
    uint8_t tweak[TWEAK_BYTES] = {0};
    int got = 0;
    assert(count >= TWEAK_BYTES && count <= INT_MAX);
    qr_put64le(tweak, position);
    qr_put64le(tweak + 8, part);
    EVP_CIPHER_CTX *ctx = context_for(use, key, tweak);
    if (ctx == NULL || EVP_CipherUpdate(ctx, dst, &got, src, (int)count) != 1)
        return qr_fail(err, QR_NOMEM, "%s a page", use == XTS_SEAL ? "encrypt" : "decrypt");
    return QR_OK;
}

enum qr_status qr_xts_seal(const struct qr_cipher_key *key, uint64_t position, uint64_t part,
                           const uint8_t *src, uint8_t *dst, size_t count, struct qr_err *err)
{
    return run_xts(XTS_SEAL, key, position, part, src, dst, count, err);
}

enum qr_status qr_xts_open(const struct qr_cipher_key *key, uint64_t position, uint64_t part,
                           const uint8_t *src, uint8_t *dst, size_t count, struct qr_err *err)
{
    return run_xts(XTS_OPEN, key, position, part, src, dst, count, err);
}
