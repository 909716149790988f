/* data_key.c - data keys, wrapped; see crypt/server_key.h */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/block.h"
#include "server_key_int.h"
#include "base/banned.h"

enum {
    CRC_AT = 12,
    OWNER_AT = 16,
    SERVER_KEY_AT = 32,
    NONCE_AT = 40,
    KEY_AT = 52,
    TAG_AT = KEY_AT + QR_KEY_BYTES,
    END_AT = TAG_AT + QR_TAG_BYTES,
    WRAP_GCM = 1,
};
static const char magic[4] = {'Q', 'R', 'K', 'Y'};

static uint32_t crc_of(const uint8_t wrapped[QR_WRAPPED_BYTES])
{
    uint8_t copy[QR_WRAPPED_BYTES];
    memcpy(copy, wrapped, sizeof copy);
    qr_put32le(copy + CRC_AT, 0);
    return qr_crc32c(0, copy, sizeof copy);
}

static enum qr_status wrap(const struct qr_server_key *key, struct qr_env *env,
                           const uint8_t owner[QR_KEY_OWNER_BYTES],
                           const struct qr_data_key *data_key, uint8_t dst[QR_WRAPPED_BYTES],
                           struct qr_err *err)
{
    memset(dst, 0, QR_WRAPPED_BYTES);
    memcpy(dst, magic, sizeof magic);
    dst[4] = QR_FORMAT_VERSION;
    dst[5] = QR_CHECKSUM_CRC32C;
    dst[6] = WRAP_GCM;
    qr_put32le(dst + 8, data_key->id);
    memcpy(dst + OWNER_AT, owner, QR_KEY_OWNER_BYTES);
    memcpy(dst + SERVER_KEY_AT, key->keys[0].id, QR_SERVER_KEY_ID_BYTES);
    /* Random, not counted: a server key wraps far fewer than the 2^32 keys that this is good for.
     */
    qr_env_random(env, dst + NONCE_AT, KEY_AT - NONCE_AT);
    memcpy(dst + KEY_AT, data_key->bytes, QR_KEY_BYTES);
    QR_TRY(qr_gcm_seal(&key->keys[0].wrapping, qr_get64le(dst + NONCE_AT),
                       qr_get32le(dst + NONCE_AT + 8), dst, NONCE_AT, dst + KEY_AT, QR_KEY_BYTES,
                       dst + TAG_AT, err));
    qr_put32le(dst + CRC_AT, crc_of(dst));
    return QR_OK;
}

enum qr_status qr_data_key_make(const struct qr_server_key *key, struct qr_env *env,
                                const uint8_t owner[QR_KEY_OWNER_BYTES],
                                struct qr_data_key *ret_key, uint8_t ret_wrapped[QR_WRAPPED_BYTES],
                                struct qr_err *err)
{
    struct qr_data_key made = {.id = 0};
    while (made.id == 0) /* random, so that a key made in place of a lost one is not taken for it */
        qr_env_random(env, &made.id, sizeof made.id);
    qr_env_random(env, made.bytes, sizeof made.bytes);
    enum qr_status status = wrap(key, env, owner, &made, ret_wrapped, err);
    if (status == QR_OK)
        *ret_key = made;
    qr_cipher_forget(&made, sizeof made);
    return status;
}

enum qr_status qri_wrapped_check(const uint8_t *wrapped, size_t wrapped_bytes, struct qr_err *err)
{
    if (wrapped_bytes != QR_WRAPPED_BYTES || memcmp(wrapped, magic, sizeof magic) != 0)
        return qr_fail(err, QR_CORRUPT, "no wrapped key");
    if (wrapped[4] != QR_FORMAT_VERSION || wrapped[5] != QR_CHECKSUM_CRC32C ||
        wrapped[6] != WRAP_GCM || wrapped[7] != 0)
        return qr_fail(err, QR_UNSUPPORTED, "wrapped key of version %u, wrapping %u", wrapped[4],
                       wrapped[6]);
    if (qr_get32le(wrapped + CRC_AT) != crc_of(wrapped) || qr_get32le(wrapped + 8) == 0)
        return qr_fail(err, QR_CORRUPT, "checksum of a wrapped key");
    return QR_OK;
}

enum qr_status qr_data_key_unwrap(const struct qr_server_key *key, const uint8_t *wrapped,
                                  size_t wrapped_bytes, const uint8_t owner[QR_KEY_OWNER_BYTES],
                                  struct qr_data_key *ret_key, struct qr_err *err)
{
    QR_TRY(qri_wrapped_check(wrapped, wrapped_bytes, err));
    if (owner != NULL && memcmp(wrapped + OWNER_AT, owner, QR_KEY_OWNER_BYTES) != 0)
        return qr_fail(err, QR_CORRUPT, "the wrapped key belongs to something else");
    const struct qri_one_key *one = qri_server_key_find(key, wrapped + SERVER_KEY_AT);
    if (one == NULL)
        return qr_fail(err, QR_DENIED,
                       "it needs server key %016llx, which is not in the server key file '%s'",
                       (unsigned long long)qr_get64be(wrapped + SERVER_KEY_AT), key->path);
    uint8_t copy[QR_WRAPPED_BYTES];
    memcpy(copy, wrapped, sizeof copy);
    qr_put32le(copy + CRC_AT, 0);
    enum qr_status status =
        qr_gcm_open(&one->wrapping, qr_get64le(copy + NONCE_AT), qr_get32le(copy + NONCE_AT + 8),
                    copy, NONCE_AT, copy + KEY_AT, QR_KEY_BYTES, copy + TAG_AT, err);
    if (status == QR_OK) {
        ret_key->id = qr_get32le(copy + 8);
        memcpy(ret_key->bytes, copy + KEY_AT, QR_KEY_BYTES);
    }
    qr_cipher_forget(copy, sizeof copy);
    return status;
}

enum qr_status qr_data_key_rewrap(const struct qr_server_key *key, struct qr_env *env,
                                  uint8_t wrapped[QR_WRAPPED_BYTES], bool *ret_changed,
                                  struct qr_err *err)
{
    struct qr_data_key data_key;
    uint8_t owner[QR_KEY_OWNER_BYTES];
    QR_TRY(qr_data_key_unwrap(key, wrapped, QR_WRAPPED_BYTES, NULL, &data_key, err));
    bool same = memcmp(wrapped + SERVER_KEY_AT, key->keys[0].id, QR_SERVER_KEY_ID_BYTES) == 0;
    memcpy(owner, wrapped + OWNER_AT, sizeof owner);
    enum qr_status status = same ? QR_OK : wrap(key, env, owner, &data_key, wrapped, err);
    qr_cipher_forget(&data_key, sizeof data_key);
    if (status == QR_OK)
        *ret_changed = !same;
    return status;
}
