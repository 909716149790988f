/* crypt/server_key.h - the server key and the data keys that it wraps.
 *
 * The server key is a text file of mode 0600: `quire server key 1`, then a line `ID KEY` in hex for
 * the key in use, and while a rotation runs one more for the key before it. It never encrypts data:
 * it wraps data keys, one for each timeline (and journal), so that a new server key means new
 * wrapping and no data written again.
 *
 * A wrapped key, 128 bytes (little-endian):
 *   0 4 bytes "QRKY"   4 u8 version   5 u8 checksum algorithm   6 u8 wrapping: 1 AES-256-GCM   7 u8
 * 0 8 u32 key id       12 u32 crc of all of it (this field as 0)   16 16 bytes: whose it is 32 8
 * bytes: id of the server key   40 12 bytes of nonce, random   52 32 bytes: the wrapped key 84 16
 * bytes of tag (over bytes 0 to 40, crc as 0, too)   100 zeros
 *
 * Threads: any; a server key does not change once it is open. Errors: QR_NOT_FOUND no such file;
 * QR_DENIED the key of that id is not in the file; QR_CORRUPT; those of env. Their texts name the
 * files, and no text has a key. */
#pragma once
#include "crypt/cipher.h"
#include "env/env.h"

enum {
    QR_WRAPPED_BYTES = 128,
    QR_KEY_OWNER_BYTES = 16,
    QR_SERVER_KEY_ID_BYTES = 8,
    QR_SERVER_KEY_ID_HEX_BYTES = 2 * QR_SERVER_KEY_ID_BYTES + 1,
    QR_SERVER_KEYS_MAX = 2, /* the one in use, and the one before it */
};

struct qr_server_key;

/* `make`: if there is no file, one is made. */
QR_NODISCARD enum qr_status qr_server_key_open(struct qr_env *env, const char *path, bool make,
                                               struct qr_server_key **ret_key, struct qr_err *err);
/* What the file holds, for a process that gets it over a connection: kept in memory alone. `where`
 * is what errors call it. */
enum { QR_SERVER_KEY_TEXT_BYTES_MAX = 255 };
void qr_server_key_text(const struct qr_server_key *key,
                        char dst[QR_SERVER_KEY_TEXT_BYTES_MAX + 1]);
QR_NODISCARD enum qr_status qr_server_key_parse(const char *text, const char *where,
                                                struct qr_server_key **ret_key, struct qr_err *err);
void qr_server_key_close(struct qr_server_key *key); /* NULL is accepted */
/* Adds a new key in front, or finds the one that an earlier call added; nothing is wrapped with the
 * old one any more. */
QR_NODISCARD enum qr_status qr_server_key_renew(struct qr_env *env, const char *path,
                                                struct qr_err *err);
/* Removes all but the key in use, once nothing is wrapped with another. */
QR_NODISCARD enum qr_status qr_server_key_retire(struct qr_env *env, const char *path,
                                                 struct qr_err *err);
/* In hex, of the key in use. */
void qr_server_key_id(const struct qr_server_key *key, char dst[QR_SERVER_KEY_ID_HEX_BYTES]);
void qr_server_key_id_raw(const struct qr_server_key *key, uint8_t dst[QR_SERVER_KEY_ID_BYTES]);
/* Whether the file has the key of this id, in use or before. */
bool qr_server_key_has(const struct qr_server_key *key, const char *id_hex);
const char *qr_server_key_path(const struct qr_server_key *key);

/* A new random data key of `owner`, wrapped. */
QR_NODISCARD enum qr_status qr_data_key_make(const struct qr_server_key *key, struct qr_env *env,
                                             const uint8_t owner[QR_KEY_OWNER_BYTES],
                                             struct qr_data_key *ret_key,
                                             uint8_t ret_wrapped[QR_WRAPPED_BYTES],
                                             struct qr_err *err);
/* Hostile input. QR_CORRUPT also if it is not `owner`'s (NULL: whoever's). */
QR_NODISCARD enum qr_status qr_data_key_unwrap(const struct qr_server_key *key,
                                               const uint8_t *wrapped, size_t wrapped_bytes,
                                               const uint8_t owner[QR_KEY_OWNER_BYTES],
                                               struct qr_data_key *ret_key, struct qr_err *err);
/* Under the server key in use; *ret_changed false: it was so already. */
QR_NODISCARD enum qr_status qr_data_key_rewrap(const struct qr_server_key *key, struct qr_env *env,
                                               uint8_t wrapped[QR_WRAPPED_BYTES], bool *ret_changed,
                                               struct qr_err *err);

/* A wrapped key in a file of its own, beside what it is for. `make`: if there is none. */
QR_NODISCARD enum qr_status qr_key_file_take(const struct qr_server_key *key, struct qr_env *env,
                                             const char *path,
                                             const uint8_t owner[QR_KEY_OWNER_BYTES], bool make,
                                             struct qr_data_key *ret_key, struct qr_err *err);
QR_NODISCARD enum qr_status qr_key_file_rewrap(const struct qr_server_key *key, struct qr_env *env,
                                               const char *path, bool *ret_changed,
                                               struct qr_err *err);

/* The same, with a copy beside it (`path`.copy): for what cannot be had again. One that is lost or
 * damaged is made from the other; QR_CORRUPT if both are. */
enum qr_key_use {
    QR_KEY_LOOK, /* nothing is written */
    QR_KEY_MEND,
    QR_KEY_MAKE, /* one if there is none; and mends */
};
QR_NODISCARD enum qr_status qr_key_pair_take(const struct qr_server_key *key, struct qr_env *env,
                                             const char *path,
                                             const uint8_t owner[QR_KEY_OWNER_BYTES],
                                             enum qr_key_use use, struct qr_data_key *ret_key,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qr_key_pair_rewrap(const struct qr_server_key *key, struct qr_env *env,
                                               const char *path, bool *ret_changed,
                                               struct qr_err *err);
