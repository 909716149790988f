/* crypt/cipher.h - sealing bytes with AES-256-GCM and pages with AES-256-XTS, through OpenSSL.
 *
 * A key here is never a data key itself: it is derived from one for a single purpose and writer
 * (label, context, salt), so that two of them never count positions under the same key. README.md
 * has the argument why no nonce repeats.
 *
 * Threads: any; a key does not change after it was derived. Each thread keeps its contexts and
 * repeats the key schedule only when the key changes; nothing is allocated after a thread's first
 * call. Errors: QR_NOMEM; QR_CORRUPT when a tag does not fit (then `bytes` are anything). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "env/env.h"

enum {
    QR_KEY_BYTES = 32,
    QR_TAG_BYTES = 16,
    QR_SALT_BYTES = 16,
    QR_SEAL_BYTES =
        QR_SALT_BYTES + QR_TAG_BYTES, /* behind a block that carries its writer's salt */
};

/* A data key: what is stored wrapped. id 0: none, what belongs to it is in clear. */
struct qr_data_key {
    uint32_t id;
    uint8_t bytes[QR_KEY_BYTES];
};

struct qr_cipher_key {
    uint64_t serial; /* names it within the process; 0: none */
    uint32_t id;     /* of the data key that it was derived from; goes into headers */
    uint8_t salt[QR_SALT_BYTES];
    uint8_t bytes[2 * QR_KEY_BYTES]; /* XTS uses both halves */
};

/* From the data key, a literal that names the purpose, and what names the writer or file. */
void qr_cipher_derive(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                      const char *label, const void *context, size_t context_bytes,
                      const uint8_t salt[QR_SALT_BYTES]);
/* Of random bytes that are nowhere else: for a file that only this process reads, until it ends. */
void qr_cipher_make(struct qr_cipher_key *ret_key, struct qr_env *env, const char *label);
static inline bool qr_cipher_is_on(const struct qr_cipher_key *key)
{
    return key->serial != 0;
}
void qr_cipher_forget(void *key, size_t bytes); /* overwrites secrets */

/* In place. No (position, part) may come twice with one key and different bytes. */
QR_NODISCARD enum qr_status qr_gcm_seal(const struct qr_cipher_key *key, uint64_t position,
                                        uint32_t part, const void *aad, size_t aad_bytes,
                                        uint8_t *bytes, size_t count, uint8_t tag[QR_TAG_BYTES],
                                        struct qr_err *err);
/* The same in parts, one behind the other: `dst` takes the sealed bytes and may be `src`. Between
 * begin and end the thread seals nothing else. Parts of many kilobytes cost what one call costs. */
struct qr_gcm {
    void *ctx; /* the thread's */
};
QR_NODISCARD enum qr_status qr_gcm_begin(struct qr_gcm *ret_sealing,
                                         const struct qr_cipher_key *key, uint64_t position,
                                         uint32_t part, const void *aad, size_t aad_bytes,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qr_gcm_add(struct qr_gcm *sealing, const uint8_t *src, uint8_t *dst,
                                       size_t count, struct qr_err *err);
QR_NODISCARD enum qr_status qr_gcm_end(struct qr_gcm *sealing, uint8_t tag[QR_TAG_BYTES],
                                       struct qr_err *err);
QR_NODISCARD enum qr_status qr_gcm_open(const struct qr_cipher_key *key, uint64_t position,
                                        uint32_t part, const void *aad, size_t aad_bytes,
                                        uint8_t *bytes, size_t count,
                                        const uint8_t tag[QR_TAG_BYTES], struct qr_err *err);

/* At least 16 bytes; `dst` may be `src`. The tweak is (position, part). */
QR_NODISCARD enum qr_status qr_xts_seal(const struct qr_cipher_key *key, uint64_t position,
                                        uint64_t part, const uint8_t *src, uint8_t *dst,
                                        size_t count, struct qr_err *err);
QR_NODISCARD enum qr_status qr_xts_open(const struct qr_cipher_key *key, uint64_t position,
                                        uint64_t part, const uint8_t *src, uint8_t *dst,
                                        size_t count, struct qr_err *err);
