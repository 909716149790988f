/* gateway/auth.h - who may log in: where their password hashes (password/password.h) are
 * looked up. Threads: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"
#include "password/password.h"

enum { QR_LOGIN_BYTES_MAX = 3 * 128 };

enum { QR_LOGIN_SID_BYTES = 85 };

struct qr_login_record {
    char hash[QR_PASSWORD_HASH_BYTES]; /* NUL-terminated */
    char name[QR_LOGIN_BYTES_MAX + 1]; /* as it was made; empty: as it was asked for */
    bool is_admin;                     /* the server administrator */
    bool is_disabled;
    uint16_t roles; /* of the server, as bits */
    uint8_t sid[QR_LOGIN_SID_BYTES];
    size_t sid_bytes;
};

/* Answers quickly and from memory or a local file: it is called on the path of every login. */
struct qr_login_directory {
    void *ctx;
    /* `login` compares without case. QR_NOT_FOUND if that server has none. */
    enum qr_status (*find)(void *ctx, uint32_t server_id, struct qr_str login,
                           struct qr_login_record *ret_record, struct qr_err *err);
};
