/* datadir.c - see cmd_int.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cmd_int.h"
#include "ctl/place.h"
#include "gateway/cert.h"
#include "base/banned.h"

enum {
    PATH_BYTES_MAX = 4096,
    RUN_BYTES_MAX = 68, /* with a node's name and ending a socket's address has 107 */
};
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

static enum qr_status empty_folder(const struct qri_datadir *dir, const char *path,
                                   struct qr_err *err)
{
    struct sweep sweep = {dir->env, path};
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "empty a directory");
    return qr_env_list(dir->env, path, remove_file, &sweep, err);
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
    return empty_folder(dir, qri_datadir_path(dir, arena, "tmp", NULL), err);
}

/* Children run with it, and so does the URL of the blob store. */
static enum qr_status absolute(const char *path, struct qr_arena *arena, const char **ret_path,
                               struct qr_err *err)
{
    char *real = realpath(path, NULL);
    *ret_path = real == NULL ? NULL : qr_arena_printf(arena, "%s", real);
    free(real);
    return *ret_path != NULL ? QR_OK : qr_fail(err, QR_IO, "find the data directory '%s'", path);
}

enum qr_status qri_datadir_open(struct qr_env *env, const char *path, struct qr_arena *arena,
                                struct qri_datadir *ret_dir, struct qr_err *err)
{
    struct qri_datadir dir = {.env = env, .path = path};
    QR_TRY(qr_wrap(err, make_path(env, path, err), "make the data directory '%s'", path));
    QR_TRY(absolute(path, arena, &dir.path, err));
    enum qr_status status = take_lock(&dir, arena, err);
    if (status == QR_OK)
        status = check_format(&dir, arena, err);
    if (status == QR_OK)
        status = make_layout(&dir, arena, err);
    if (status != QR_OK)
        qri_datadir_close(&dir);
    else
        *ret_dir = dir;
    return status;
}

enum qr_status qri_datadir_resume(struct qr_env *env, const char *path, struct qr_arena *arena,
                                  int lock_fd, struct qri_datadir *ret_dir, struct qr_err *err)
{
    struct qri_datadir dir = {.env = env, .path = path, .lock_fd = lock_fd};
    QR_TRY(absolute(path, arena, &dir.path, err));
    QR_TRY(check_format(&dir, arena, err));
    *ret_dir = dir;
    return QR_OK;
}

int qri_datadir_lock_fd(const struct qri_datadir *dir)
{
    return dir->lock_fd > 0 ? dir->lock_fd : qr_env_real_descriptor(dir->lock);
}

/* ---- regions ---- */

static enum qr_status check_roots(const char *roots, struct qr_err *err)
{
    for (const char *at = roots == NULL ? "" : roots; *at != '\0';) {
        size_t n = strcspn(at, ","), of_name = strcspn(at, "=,");
        uint32_t region = qr_place_region(qr_str_n(at, of_name));
        if (of_name + 1 >= n || region == 0 || at[of_name + 1] != '/')
            return qr_fail(err, QR_INVALID,
                           "--region-roots is NAME=DIR,..., with the names of regions but the "
                           "first ('%s') and absolute paths",
                           qr_place_region_name(0));
        at += n;
        at += *at == ',';
    }
    return QR_OK;
}

enum qr_status qri_datadir_regions(const struct qri_datadir *dir, struct qr_arena *arena,
                                   struct qr_err *err)
{
    QR_TRY(check_roots(dir->region_roots, err));
    for (uint32_t i = 1; i < QR_PLACE_REGIONS; i++) {
        const char *root = qri_region_root(dir, arena, i), *path;
        path = root == NULL ? NULL : qr_arena_printf(arena, "%s/databases", root);
        if (path == NULL)
            return qr_fail(err, QR_NOMEM, "make the directory of a region");
        QR_TRY(qr_wrap(err, make_path(dir->env, path, err), "make the directory '%s'", path));
    }
    return QR_OK;
}

void qri_datadir_close(struct qri_datadir *dir)
{
    qr_file_close(dir->lock);
    dir->lock = NULL;
    if (dir->lock_fd > 0)
        close(dir->lock_fd);
    dir->lock_fd = 0;
}

/* ---- the directory of sockets ---- */

static enum qr_status make_elsewhere(const struct qri_datadir *dir, const char *note,
                                     struct qr_arena *arena, const char **ret_path,
                                     struct qr_err *err)
{
    char path[] = "/tmp/quire-XXXXXX";
    if (mkdtemp(path) == NULL)
        return qr_fail(err, QR_IO, "make a directory for sockets below /tmp");
    *ret_path = qr_arena_printf(arena, "%s", path);
    if (*ret_path == NULL)
        return qr_fail(err, QR_NOMEM, "make a directory for sockets");
    return qr_env_replace_file(dir->env, note, path, strlen(path), err);
}

/* The one that an earlier start made below /tmp. */
static void remove_elsewhere(const struct qri_datadir *dir, const char *note)
{
    struct qr_buf buf;
    qr_buf_init(&buf, PATH_BYTES_MAX);
    if (qr_env_read_file(dir->env, note, &buf, NULL) == QR_OK &&
        strncmp(qr_buf_cstr(&buf), "/tmp/quire-", 11) == 0 &&
        strchr(qr_buf_cstr(&buf) + 11, '/') == NULL &&
        empty_folder(dir, qr_buf_cstr(&buf), NULL) == QR_OK)
        (void)!qr_env_remove_dir(dir->env, qr_buf_cstr(&buf), NULL);
    (void)!qr_env_unlink(dir->env, note, NULL);
    qr_buf_done(&buf);
}

enum qr_status qri_datadir_run(const struct qri_datadir *dir, struct qr_arena *arena,
                               const char **ret_path, struct qr_err *err)
{
    const char *path = qri_datadir_path(dir, arena, "run", NULL);
    const char *note = qri_datadir_path(dir, arena, "run-elsewhere", NULL);
    if (path == NULL || note == NULL)
        return qr_fail(err, QR_NOMEM, "make a directory for sockets");
    remove_elsewhere(dir, note);
    if (strlen(path) > RUN_BYTES_MAX)
        return make_elsewhere(dir, note, arena, ret_path, err);
    enum qr_status status = qr_env_make_dir(dir->env, path, err);
    if (status != QR_OK && status != QR_EXISTS)
        return status;
    *ret_path = path;
    return empty_folder(dir, path, err);
}

void qri_datadir_leave_run(const struct qri_datadir *dir, struct qr_arena *arena)
{
    const char *note = qri_datadir_path(dir, arena, "run-elsewhere", NULL);
    if (note != NULL && (dir->lock != NULL || dir->lock_fd > 0))
        remove_elsewhere(dir, note);
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
