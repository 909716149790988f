/* gateway/auth.h - who may log in: password hashes and where they are looked up.
 *
 * Hashes are Argon2id strings (19 MiB, 2 passes) as libsodium writes them. Threads: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"
#include "base/str.h"

enum { QR_PASSWORD_HASH_BYTES = 128, QR_PASSWORD_BYTES_MAX = 1024, QR_LOGIN_BYTES_MAX = 3 * 128 };

struct qr_login_record {
    char hash[QR_PASSWORD_HASH_BYTES]; /* NUL-terminated */
    char name[QR_LOGIN_BYTES_MAX + 1]; /* as it was made; empty: as it was asked for */
    bool is_admin;                     /* the server administrator */
    bool is_disabled;
};

/* Answers quickly and from memory or a local file: it is called on the path of every login. */
struct qr_login_directory {
    void *ctx;
    /* `login` compares without case. QR_NOT_FOUND if that server has none. */
    enum qr_status (*find)(void *ctx, uint32_t server_id, struct qr_str login,
                           struct qr_login_record *ret_record, struct qr_err *err);
};

/* Makes a new hash with a random salt; takes about 20 ms and 19 MiB. */
QR_NODISCARD enum qr_status qr_password_hash(struct qr_str password,
                                             char dst[QR_PASSWORD_HASH_BYTES], struct qr_err *err);
