/* admin.c - see cmd_int.h */
#include <sodium.h>
#include <string.h>
#include "cmd_int.h"
#include "gateway/auth.h"
#include "base/banned.h"

enum { PASSWORD_FILE_BYTES_MAX = 4096, PASSWORD_CHARS = 24 };

/* The first line of the file, in the arena. */
static enum qr_status read_password(struct qr_env *env, struct qr_arena *arena, const char *path,
                                    struct qr_str *ret_password, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, PASSWORD_FILE_BYTES_MAX);
    enum qr_status status = qr_env_read_file(env, path, &buf, err);
    if (status == QR_OK) {
        const char *text = qr_buf_cstr(&buf);
        struct qr_str line = qr_str_n(text, strcspn(text, "\r\n"));
        *ret_password = qr_arena_str(arena, line);
        if (line.n == 0 || line.n > QR_PASSWORD_BYTES_MAX)
            status = qr_fail(err, QR_INVALID, "the first line of '%s' is no password", path);
        else if (ret_password->p == NULL)
            status = qr_fail(err, QR_NOMEM, "read '%s'", path);
        sodium_memzero(buf.data, buf.len);
    }
    qr_buf_done(&buf);
    return status;
}

/* 24 characters of 57, about 140 bits; none that look alike, at least one of each kind. No hyphen
 * comes first: `az login -p` would take it for an option. */
static void make_password(struct qr_env *env, char dst[PASSWORD_CHARS + 2])
{
    static const char chars[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-";
    bool lower, upper, digit;
    do {
        lower = upper = digit = false;
        for (int i = 0; i < PASSWORD_CHARS; i++) {
            uint8_t byte;
            do
                qr_env_random(env, &byte, 1);
            while (byte >= 256 / (sizeof chars - 1) * (sizeof chars - 1)); /* no bias */
            dst[i] = chars[byte % (sizeof chars - 1)];
            lower |= dst[i] >= 'a' && dst[i] <= 'z';
            upper |= dst[i] >= 'A' && dst[i] <= 'Z';
            digit |= dst[i] >= '2' && dst[i] <= '9';
        }
    } while (!lower || !upper || !digit || dst[0] == '-');
    dst[PASSWORD_CHARS] = '\n';
    dst[PASSWORD_CHARS + 1] = '\0';
}

static enum qr_status make_server(const struct qri_datadir *dir, struct qr_arena *arena,
                                  const struct qri_settings *settings, struct qr_registry *registry,
                                  const char *path, const struct qr_log *log, struct qr_err *err)
{
    struct qr_str password;
    enum qr_status status = read_password(dir->env, arena, path, &password, err);
    if (status == QR_NOT_FOUND) {
        char made[PASSWORD_CHARS + 2];
        make_password(dir->env, made);
        status = qr_env_replace_file(dir->env, path, made, PASSWORD_CHARS + 1, err);
        password = qr_arena_str(arena, qr_str_n(made, PASSWORD_CHARS));
        sodium_memzero(made, sizeof made);
        if (status == QR_OK)
            QR_LOG(log, QR_INFO, "admin_password_made", QR_F("file", path));
    }
    QR_TRY(status);
    char hash[QR_PASSWORD_HASH_BYTES];
    QR_TRY(qr_password_hash(password, hash, err));
    const char *name = *settings->server_name != '\0' ? settings->server_name : "server01";
    const char *login = *settings->admin_login != '\0' ? settings->admin_login : "quireadmin";
    QR_TRY(qr_registry_make_server(registry, qr_str(name), qr_str(login), qr_str(hash), NULL, NULL,
                                   err));
    QR_LOG(log, QR_INFO, "server_made", QR_F("server", name), QR_F("admin_login", login));
    return QR_OK;
}

/* The file was given, so it holds: a password that differs from the stored hash replaces it. */
static enum qr_status follow_file(const struct qri_datadir *dir, struct qr_arena *arena,
                                  struct qr_registry *registry, const char *path,
                                  const struct qr_log *log, struct qr_err *err)
{
    struct qr_str password;
    char old[QR_HASH_BYTES_MAX + 1], hash[QR_PASSWORD_HASH_BYTES];
    bool is_admin;
    QR_TRY(read_password(dir->env, arena, path, &password, err));
    QR_TRY(qr_registry_login_hash(registry, 0, qr_str(qr_registry_first_login(registry)), old,
                                  &is_admin, err));
    if (crypto_pwhash_str_verify(old, password.p, password.n) == 0)
        return QR_OK;
    QR_TRY(qr_password_hash(password, hash, err));
    QR_TRY(qr_registry_set_admin_hash(registry, 0, qr_str(hash), err));
    QR_LOG(log, QR_INFO, "admin_password_changed", QR_F("file", path));
    return QR_OK;
}

enum qr_status qri_admin_resume(struct qr_err *err)
{
    return sodium_init() < 0 ? qr_fail(err, QR_BUG, "libsodium did not start") : QR_OK;
}

enum qr_status qri_admin_prepare(const struct qri_datadir *dir, struct qr_arena *arena,
                                 const struct qri_settings *settings, struct qr_registry *registry,
                                 const struct qr_log *log, struct qr_err *err)
{
    bool given = *settings->admin_password_file != '\0';
    const char *path = given ? settings->admin_password_file
                             : qri_datadir_path(dir, arena, "admin-password", NULL);
    QR_TRY(qri_admin_resume(err));
    if (!qr_registry_has_server(registry))
        return make_server(dir, arena, settings, registry, path, log, err);
    const char *name = qr_registry_first_name(registry);
    const char *login = qr_registry_first_login(registry);
    if (*settings->server_name != '\0' && !qr_str_ieqz(qr_str(settings->server_name), name))
        return qr_fail(err, QR_INVALID, "--server-name: this data directory is of server '%s'",
                       name);
    if (*settings->admin_login != '\0' && !qr_str_ieqz(qr_str(settings->admin_login), login))
        return qr_fail(err, QR_INVALID, "--admin-login: the administrator of this server is '%s'",
                       login);
    return given ? follow_file(dir, arena, registry, path, log, err) : QR_OK;
}
