/* password.c - see password/password.h */
#include "password/password.h"
#include <sodium.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

enum { OPS = 2, MEM_BYTES = 19 * 1024 * 1024, CHARS_MIN = 8, KINDS_MIN = 3 };

enum qr_status qr_password_hash(struct qr_str password, char dst[QR_PASSWORD_HASH_BYTES],
                                struct qr_err *err)
{
    _Static_assert(crypto_pwhash_STRBYTES <= QR_PASSWORD_HASH_BYTES, "a hash fits");
    if (sodium_init() < 0)
        return qr_fail(err, QR_BUG, "libsodium did not start");
    if (password.n > QR_PASSWORD_BYTES_MAX)
        return qr_fail(err, QR_TOO_BIG, "password of %zu bytes", password.n);
    char text[crypto_pwhash_STRBYTES];
    if (crypto_pwhash_str_alg(text, password.p, password.n, OPS, MEM_BYTES,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return qr_fail(err, QR_NOMEM, "hash a password");
    memcpy(dst, text, sizeof text);
    return QR_OK;
}

bool qr_password_is_right(const char *hash, struct qr_str password)
{
    return sodium_init() >= 0 && password.n <= QR_PASSWORD_BYTES_MAX &&
           crypto_pwhash_str_verify(hash, password.p, password.n) == 0;
}

static size_t count_chars(struct qr_str text)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.n; i++)
        chars += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return chars;
}

/* What is not ASCII counts as the fourth kind. */
static int count_kinds(struct qr_str text)
{
    bool upper = false, lower = false, digit = false, other = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        upper |= c >= 'A' && c <= 'Z';
        lower |= c >= 'a' && c <= 'z';
        digit |= c >= '0' && c <= '9';
        other |= !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
    }
    return upper + lower + digit + other;
}

static bool holds(struct qr_str text, struct qr_str part)
{
    for (size_t i = 0; part.n > 0 && i + part.n <= text.n; i++)
        if (qr_str_ieq(qr_str_n(text.p + i, part.n), part))
            return true;
    return false;
}

enum qr_status qr_password_check_policy(struct qr_str password, struct qr_str name,
                                        struct qr_err *err)
{
    size_t chars = count_chars(password);
    if (chars < CHARS_MIN)
        return qr_sql_fail(err, 40630);
    if (chars > QR_PASSWORD_CHARS_MAX)
        return qr_sql_fail(err, 40631, (int)QR_PASSWORD_CHARS_MAX);
    if (count_kinds(password) < KINDS_MIN || holds(password, name))
        return qr_sql_fail(err, 40632);
    return QR_OK;
}
