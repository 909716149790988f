/* datadir.c - see cmd_int.h */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cmd_int.h"
#include "gateway/cert.h"
#include "base/banned.h"

enum { PATH_BYTES_MAX = 4096, PEM_BYTES_MAX = 64 * 1024 };
static const char format_text[] = "quire 1\n";

/* An absent parent is made too, as mkdir -p does. */
static enum qr_status make_path(struct qr_env *env, const char *path, struct qr_err *err)
{
    char part[PATH_BYTES_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return qr_fail(err, QR_INVALID, "a path has 1 to %d bytes", PATH_BYTES_MAX - 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        enum qr_status status = qr_env_make_dir(env, part, err);
        if (status != QR_OK && status != QR_EXISTS)
            return status;
        if (status == QR_OK) {
            char parent[PATH_BYTES_MAX + 2];
            qr_env_dir_name(part, parent);
            QR_TRY(qr_env_sync_dir(env, parent, err));
        }
    }
    return QR_OK;
}

const char *qri_datadir_path(const struct qri_datadir *dir, struct qr_arena *arena,
                             const char *folder, const char *name)
{
    return qr_arena_printf(arena, "%s/%s%s%s", dir->path, folder, name == NULL ? "" : "/",
                           name == NULL ? "" : name);
}

static enum qr_status take_lock(struct qri_datadir *dir, struct qr_arena *arena, struct qr_err *err)
{
    const char *path = qri_datadir_path(dir, arena, "lock", NULL);
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "open the data directory");
    QR_TRY(qr_env_open(dir->env, path, QR_OPEN_RW | QR_OPEN_CREATE, &dir->lock, err));
    enum qr_status status = qr_file_lock(dir->lock, err);
    if (status == QR_LOCKED)
        return qr_fail(err, status, "another quired serves the data directory '%s'", dir->path);
    return status;
}

/* A directory of another program, or of a newer quire, is left alone. */
static enum qr_status check_format(const struct qri_datadir *dir, struct qr_arena *arena,
                                   struct qr_err *err)
{
    const char *path = qri_datadir_path(dir, arena, "format", NULL);
    struct qr_buf buf;
    qr_buf_init(&buf, PATH_BYTES_MAX);
    enum qr_status status = qr_env_read_file(dir->env, path, &buf, err);
    if (status == QR_NOT_FOUND)
        status = qr_env_replace_file(dir->env, path, format_text, sizeof format_text - 1, err);
    else if (status == QR_OK && strcmp(qr_buf_cstr(&buf), format_text) != 0)
        status = qr_fail(err, QR_UNSUPPORTED, "'%s' is of another format than this version knows",
                         dir->path);
    qr_buf_done(&buf);
    return status;
}

struct sweep {
    struct qr_env *env;
    const char *path;
};

static bool remove_file(void *arg, const char *name)
{
    const struct sweep *sweep = arg;
    char path[PATH_BYTES_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", sweep->path, name);
    enum qr_status status = QR_OK;
    if (n > 0 && (size_t)n < sizeof path)
        status = qr_env_unlink(sweep->env, path, NULL);
    return status == QR_OK || status != QR_IO; /* what is no file only takes space */
}

static enum qr_status make_layout(const struct qri_datadir *dir, struct qr_arena *arena,
                                  struct qr_err *err)
{
    static const char *const folders[] = {"tls", "meta", "databases", "tmp"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const char *path = qri_datadir_path(dir, arena, folders[i], NULL);
        enum qr_status status = qr_env_make_dir(dir->env, path, err);
        if (status != QR_OK && status != QR_EXISTS)
            return status;
    }
    QR_TRY(qr_env_sync_dir(dir->env, dir->path, err));
    struct sweep sweep = {dir->env, qri_datadir_path(dir, arena, "tmp", NULL)};
    return qr_env_list(dir->env, sweep.path, remove_file, &sweep, err);
}

enum qr_status qri_datadir_open(struct qr_env *env, const char *path, struct qri_datadir *ret_dir,
                                struct qr_err *err)
{
    struct qri_datadir dir = {.env = env, .path = path};
    struct qr_arena arena;
    QR_TRY(qr_wrap(err, make_path(env, path, err), "make the data directory '%s'", path));
    qr_arena_init(&arena, 64 * PATH_BYTES_MAX);
    enum qr_status status = take_lock(&dir, &arena, err);
    if (status == QR_OK)
        status = check_format(&dir, &arena, err);
    if (status == QR_OK)
        status = make_layout(&dir, &arena, err);
    qr_arena_done(&arena);
    if (status != QR_OK)
        qri_datadir_close(&dir);
    else
        *ret_dir = dir;
    return status;
}

void qri_datadir_close(struct qri_datadir *dir)
{
    qr_file_close(dir->lock);
    dir->lock = NULL;
}

enum qr_status qri_datadir_tls(const struct qri_datadir *dir, struct qr_arena *arena,
                               struct qr_buf *key_pem, struct qr_buf *cert_pem, struct qr_err *err)
{
    const char *key_path = qri_datadir_path(dir, arena, "tls", "key.pem");
    const char *cert_path = qri_datadir_path(dir, arena, "tls", "cert.pem");
    if (key_path == NULL || cert_path == NULL)
        return qr_fail(err, QR_NOMEM, "load the certificate");
    enum qr_status status = qr_env_read_file(dir->env, cert_path, cert_pem, err);
    if (status == QR_OK)
        return qr_env_read_file(dir->env, key_path, key_pem, err);
    if (status != QR_NOT_FOUND)
        return status;
    char host[256];
    if (gethostname(host, sizeof host) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    QR_TRY(qr_cert_make(dir->env, host, key_pem, cert_pem, err));
    /* the certificate last: without it both are made again */
    QR_TRY(qr_env_replace_file(dir->env, key_path, key_pem->data, key_pem->len, err));
    return qr_env_replace_file(dir->env, cert_path, cert_pem->data, cert_pem->len, err);
}
