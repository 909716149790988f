/* keys.c - see cmd_int.h: the server key of a data directory */
#include <string.h>
#include "cmd_int.h"
#include "base/banned.h"

enum { ID_FILE_BYTES_MAX = 64 };

const char *qri_datadir_key_path(const struct qri_datadir *dir, struct qr_arena *arena,
                                 const char *server_key_file)
{
    return *server_key_file != '\0' ? server_key_file
                                    : qri_datadir_path(dir, arena, "server.key", NULL);
}

enum qr_status qri_datadir_key_note(const struct qri_datadir *dir, struct qr_arena *arena,
                                    const struct qr_server_key *key, struct qr_err *err)
{
    char line[QR_SERVER_KEY_ID_HEX_BYTES + 1];
    const char *path = qri_datadir_path(dir, arena, "server-key-id", NULL);
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "note the server key");
    qr_server_key_id(key, line);
    size_t n = strlen(line);
    line[n++] = '\n';
    return qr_env_replace_file(dir->env, path, line, n, err);
}

static enum qr_status read_id(const struct qri_datadir *dir, struct qr_arena *arena,
                              char dst[QR_SERVER_KEY_ID_HEX_BYTES], struct qr_err *err)
{
    struct qr_buf buf;
    const char *path = qri_datadir_path(dir, arena, "server-key-id", NULL);
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "read the server key's id");
    qr_buf_init(&buf, ID_FILE_BYTES_MAX);
    enum qr_status status = qr_env_read_file(dir->env, path, &buf, err);
    if (status == QR_OK && buf.len != QR_SERVER_KEY_ID_HEX_BYTES)
        status = qr_fail(err, QR_CORRUPT, "'%s' holds no id of a server key", path);
    if (status == QR_OK) {
        memcpy(dst, buf.data, QR_SERVER_KEY_ID_HEX_BYTES);
        dst[QR_SERVER_KEY_ID_HEX_BYTES - 1] = '\0';
    }
    qr_buf_done(&buf);
    return status;
}

bool qri_datadir_key_is_noted(const struct qri_datadir *dir, struct qr_arena *arena,
                              const struct qr_server_key *key)
{
    char noted[QR_SERVER_KEY_ID_HEX_BYTES], id[QR_SERVER_KEY_ID_HEX_BYTES];
    qr_server_key_id(key, id);
    return read_id(dir, arena, noted, NULL) == QR_OK && strcmp(noted, id) == 0;
}

enum qr_status qri_datadir_key(const struct qri_datadir *dir, struct qr_arena *arena,
                               const char *server_key_file, bool make,
                               struct qr_server_key **ret_key, struct qr_err *err)
{
    char id[QR_SERVER_KEY_ID_HEX_BYTES];
    struct qr_server_key *key = NULL;
    const char *path = qri_datadir_key_path(dir, arena, server_key_file);
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "open the server key");
    enum qr_status status = read_id(dir, arena, id, err);
    bool first = status == QR_NOT_FOUND;
    if (!first)
        QR_TRY(status);
    status = qr_server_key_open(dir->env, path, first && make, &key, err);
    if (status == QR_NOT_FOUND && !first)
        return qr_fail(err, status,
                       "the data directory '%s' is encrypted under server key %s, and the server "
                       "key file '%s' is missing",
                       dir->path, id, path);
    QR_TRY(status);
    if (first && make)
        status = qri_datadir_key_note(dir, arena, key, err);
    else if (!first && !qr_server_key_has(key, id))
        status = qr_fail(err, QR_DENIED,
                         "the data directory '%s' is encrypted under server key %s, and the server "
                         "key file '%s' has another",
                         dir->path, id, path);
    if (status == QR_OK)
        *ret_key = key;
    else
        qr_server_key_close(key);
    return status;
}
