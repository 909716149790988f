/* server_key_int.h - an open server key */
#pragma once
#include "crypt/server_key.h"

struct qri_one_key {
    uint8_t id[QR_SERVER_KEY_ID_BYTES];
    uint8_t bytes[QR_KEY_BYTES];
    struct qr_cipher_key wrapping;
};
struct qr_server_key {
    char *path;
    struct qri_one_key keys[QR_SERVER_KEYS_MAX]; /* the first is in use */
    size_t count;
};
/* Format and checksum; whose it is and under which key is another matter. */
QR_NODISCARD enum qr_status qri_wrapped_check(const uint8_t *wrapped, size_t wrapped_bytes,
                                              struct qr_err *err);
/* NULL: not in the file. */
const struct qri_one_key *qri_server_key_find(const struct qr_server_key *key,
                                              const uint8_t id[QR_SERVER_KEY_ID_BYTES]);
