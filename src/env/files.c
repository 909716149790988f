/* files.c - see env/env.h: what is made of the slots, for every environment */
#include "env/env.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum qr_status qr_file_read_exactly(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                    struct qr_err *err)
{
    size_t got;
    QR_TRY(qr_file_pread(file, dst, bytes, offset, &got, err));
    if (got != bytes)
        return qr_fail(err, QR_TRUNCATED, "file ends %zu bytes early", bytes - got);
    return QR_OK;
}

enum qr_status qr_env_read_file(struct qr_env *env, const char *path, struct qr_buf *buf,
                                struct qr_err *err)
{
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    QR_TRY(qr_env_open(env, path, QR_OPEN_READ, &file, err));
    uint64_t file_bytes;
    QR_TRY(qr_wrap(err, qr_file_size(file, &file_bytes, err), "'%s'", path));
    if (file_bytes > buf->bytes_max - buf->len)
        return qr_fail(err, QR_TOO_BIG, "read '%s': %llu bytes are too many", path,
                       (unsigned long long)file_bytes);
    uint8_t *dst = file_bytes == 0 ? NULL : qr_buf_reserve(buf, (size_t)file_bytes);
    if (dst == NULL && file_bytes > 0)
        return qr_fail(err, QR_NOMEM, "read '%s'", path);
    size_t got = 0;
    if (file_bytes > 0)
        QR_TRY(
            qr_wrap(err, qr_file_pread(file, dst, (size_t)file_bytes, 0, &got, err), "'%s'", path));
    buf->len += got;
    return QR_OK;
}

enum qr_status qr_env_replace_file(struct qr_env *env, const char *path, const void *bytes,
                                   size_t count, struct qr_err *err)
{
    size_t path_bytes = strlen(path);
    char *names = malloc(2 * (path_bytes + 8));
    if (names == NULL)
        return qr_fail(err, QR_NOMEM, "replace '%s'", path);
    char *tmp = names, *dir = names + path_bytes + 8;
    memcpy(tmp, path, path_bytes);
    memcpy(tmp + path_bytes, ".tmp", 5);
    qr_env_dir_name(path, dir);

    struct qr_file *file = NULL;
    enum qr_status status =
        qr_env_open(env, tmp, QR_OPEN_WRITE | QR_OPEN_CREATE | QR_OPEN_TRUNCATE, &file, err);
    if (status == QR_OK)
        status = qr_file_pwrite(file, bytes, count, 0, err);
    if (status == QR_OK)
        status = qr_file_sync(file, err);
    qr_file_close(file);
    if (status == QR_OK)
        status = qr_env_rename(env, tmp, path, err);
    if (status == QR_OK)
        status = qr_env_sync_dir(env, dir, err);
    free(names);
    return qr_wrap(err, status, "replace '%s'", path);
}

void qr_env_dir_name(const char *path, char *dst)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        memcpy(dst, ".", 2);
        return;
    }
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    memcpy(dst, path, n);
    dst[n] = '\0';
}
