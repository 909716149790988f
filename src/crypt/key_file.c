/* key_file.c - wrapped data keys in files; see crypt/server_key.h */
#include <stdio.h>
#include <string.h>
#include "server_key_int.h"
#include "base/banned.h"

/* ---- in one file ---- */

static enum qr_status read_wrapped(struct qr_env *env, const char *path,
                                   uint8_t dst[QR_WRAPPED_BYTES], struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 2 * QR_WRAPPED_BYTES);
    enum qr_status status = qr_env_read_file(env, path, &buf, err);
    if (status == QR_TOO_BIG || (status == QR_OK && buf.len != QR_WRAPPED_BYTES))
        status = qr_fail(err, QR_CORRUPT, "no wrapped key");
    if (status == QR_OK)
        memcpy(dst, buf.data, QR_WRAPPED_BYTES);
    qr_buf_done(&buf);
    return status;
}

enum qr_status qr_key_file_take(const struct qr_server_key *key, struct qr_env *env,
                                const char *path, const uint8_t owner[QR_KEY_OWNER_BYTES],
                                bool make, struct qr_data_key *ret_key, struct qr_err *err)
{
    uint8_t wrapped[QR_WRAPPED_BYTES];
    enum qr_status status = read_wrapped(env, path, wrapped, err);
    if (status == QR_NOT_FOUND && make) {
        struct qr_data_key made;
        QR_TRY(qr_data_key_make(key, env, owner, &made, wrapped, err));
        status = qr_env_replace_file(env, path, wrapped, sizeof wrapped, err);
        if (status == QR_OK)
            *ret_key = made;
        qr_cipher_forget(&made, sizeof made);
    } else if (status == QR_OK) {
        status = qr_data_key_unwrap(key, wrapped, sizeof wrapped, owner, ret_key, err);
    }
    return qr_wrap(err, status, "key file '%s'", path);
}

enum qr_status qr_key_file_rewrap(const struct qr_server_key *key, struct qr_env *env,
                                  const char *path, bool *ret_changed, struct qr_err *err)
{
    uint8_t wrapped[QR_WRAPPED_BYTES];
    bool changed = false;
    enum qr_status status = read_wrapped(env, path, wrapped, err);
    if (status == QR_OK)
        status = qr_data_key_rewrap(key, env, wrapped, &changed, err);
    if (status == QR_OK && changed)
        status = qr_env_replace_file(env, path, wrapped, sizeof wrapped, err);
    if (status == QR_OK)
        *ret_changed = changed;
    return qr_wrap(err, status, "key file '%s'", path);
}

/* ---- in two files ---- */

enum { PATH_BYTES = 4096 };

struct pair {
    char copy_path[PATH_BYTES];
    uint8_t first[QR_WRAPPED_BYTES], copy[QR_WRAPPED_BYTES];
    enum qr_status first_status, copy_status; /* QR_OK: whole, whoever's it is */
};

static enum qr_status read_whole(struct qr_env *env, const char *path,
                                 uint8_t dst[QR_WRAPPED_BYTES], struct qr_err *err)
{
    QR_TRY(read_wrapped(env, path, dst, err));
    return qri_wrapped_check(dst, QR_WRAPPED_BYTES, err);
}

/* What is not in one place, or damaged there, is taken from the other; of two that differ, as a
 * rotation that was cut short leaves them, the first counts. The error is that of the first. */
static enum qr_status read_pair(struct qr_env *env, const char *path, struct pair *ret_pair,
                                struct qr_err *err)
{
    struct pair *p = ret_pair;
    int n = snprintf(p->copy_path, sizeof p->copy_path, "%s.copy", path);
    if (n < 0 || (size_t)n >= sizeof p->copy_path)
        return qr_fail(err, QR_INVALID, "its path is long");
    p->first_status = read_whole(env, path, p->first, err);
    p->copy_status = read_whole(env, p->copy_path, p->copy, NULL);
    bool is_lost = p->first_status == QR_NOT_FOUND || p->first_status == QR_CORRUPT ||
                   p->first_status == QR_UNSUPPORTED;
    if (!is_lost || p->copy_status == QR_NOT_FOUND)
        return p->first_status;
    if (p->copy_status != QR_OK)
        return p->first_status != QR_NOT_FOUND
                   ? p->first_status
                   : qr_fail(err, p->copy_status, "there is none, and its copy is damaged");
    if (err != NULL)
        qr_err_reset(err);
    memcpy(p->first, p->copy, sizeof p->first);
    return QR_OK;
}

/* Both files have `first` afterwards. One is enough to go on with. */
static enum qr_status write_pair(struct qr_env *env, const char *path, const struct pair *p,
                                 struct qr_err *err)
{
    enum qr_status first = QR_OK, copy = QR_OK;
    if (p->first_status != QR_OK)
        first = qr_env_replace_file(env, path, p->first, sizeof p->first, err);
    if (p->copy_status != QR_OK || memcmp(p->first, p->copy, sizeof p->first) != 0)
        copy = qr_env_replace_file(env, p->copy_path, p->first, sizeof p->first, err);
    return first != QR_OK ? first : copy;
}

enum qr_status qr_key_pair_take(const struct qr_server_key *key, struct qr_env *env,
                                const char *path, const uint8_t owner[QR_KEY_OWNER_BYTES],
                                enum qr_key_use use, struct qr_data_key *ret_key,
                                struct qr_err *err)
{
    struct pair pair;
    enum qr_status status = read_pair(env, path, &pair, err);
    if (status == QR_NOT_FOUND && use == QR_KEY_MAKE) {
        struct qr_data_key made;
        QR_TRY(qr_data_key_make(key, env, owner, &made, pair.first, err));
        status = write_pair(env, path, &pair, err);
        if (status == QR_OK)
            *ret_key = made;
        qr_cipher_forget(&made, sizeof made);
    } else if (status == QR_OK) {
        status = qr_data_key_unwrap(key, pair.first, sizeof pair.first, owner, ret_key, err);
        if (status == QR_OK && use != QR_KEY_LOOK)
            (void)!write_pair(env, path, &pair, NULL); /* else the next time */
    }
    return qr_wrap(err, status, "key file '%s'", path);
}

enum qr_status qr_key_pair_rewrap(const struct qr_server_key *key, struct qr_env *env,
                                  const char *path, bool *ret_changed, struct qr_err *err)
{
    struct pair pair;
    bool changed = false;
    enum qr_status status = read_pair(env, path, &pair, err);
    if (status == QR_OK)
        status = qr_data_key_rewrap(key, env, pair.first, &changed, err);
    if (status == QR_OK && changed)
        pair.first_status = QR_NOT_FOUND; /* what is there is of the former key */
    if (status == QR_OK)
        status = write_pair(env, path, &pair, err);
    if (status == QR_OK)
        *ret_changed = changed;
    return qr_wrap(err, status, "key file '%s'", path);
}
