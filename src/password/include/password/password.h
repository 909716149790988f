/* password/password.h - hashes of passwords, and which ones are good enough. Threads: any. */
#pragma once
#include "base/status.h"
#include "base/str.h"

enum { QR_PASSWORD_HASH_BYTES = 128, QR_PASSWORD_BYTES_MAX = 1024, QR_PASSWORD_CHARS_MAX = 128 };

/* Makes a new hash (Argon2id, as libsodium writes it) with a random salt; takes about 20 ms and
 * 19 MiB. */
QR_NODISCARD enum qr_status qr_password_hash(struct qr_str password,
                                             char dst[QR_PASSWORD_HASH_BYTES], struct qr_err *err);
/* Is that the password of the hash? As long and as large. `hash` ends with a zero. */
bool qr_password_is_right(const char *hash, struct qr_str password);
/* The policy, for the account `name`: 40630 too short, 40631 too long, 40632 not complex enough. */
QR_NODISCARD enum qr_status qr_password_check_policy(struct qr_str password, struct qr_str name,
                                                     struct qr_err *err);
