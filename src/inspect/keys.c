/* keys.c - what encrypted storage is read with: the server key, and the blob store that has the
 * timelines' keys; see inspect_int.h. Without them checksums can be verified and no more, and what
 * cannot be read says so. */
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/banned.h"

enum { LEVELS_MAX = 5 };

/* `path` or the nearest directory above it in which `below` is; false: none. */
static bool find_above(struct qr_env *env, const char *path, const char *below,
                       char dst[QRI_PATH_MAX])
{
    char dir[QRI_PATH_MAX], parent[QRI_PATH_MAX + 2], name[QRI_PATH_MAX + 64];
    if ((size_t)snprintf(dir, sizeof dir, "%s", path) >= sizeof dir)
        return false;
    for (int level = 0; level < LEVELS_MAX; level++) {
        struct qr_file *file = NULL;
        snprintf(name, sizeof name, "%s/%s", dir, below);
        if (qr_env_open(env, name, QR_OPEN_READ, &file, NULL) == QR_OK) {
            qr_file_close(file);
            memcpy(dst, dir, sizeof dir);
            return true;
        }
        qr_env_dir_name(dir, parent);
        if (strcmp(parent, dir) == 0 || strcmp(parent, ".") == 0)
            return false;
        memcpy(dir, parent, sizeof dir);
        dir[sizeof dir - 1] = '\0';
    }
    return false;
}

void qri_keys_open(struct qri_run *run, const char *place, const char *server_key_file)
{
    char dir[QRI_PATH_MAX], path[QRI_PATH_MAX + 64];
    struct qr_err err;
    qr_err_reset(&err);
    if (server_key_file != NULL)
        snprintf(path, sizeof path, "%s", server_key_file);
    else if (place != NULL && find_above(run->env, place, "server.key", dir))
        snprintf(path, sizeof path, "%s/server.key", dir);
    else
        return;
    qri_where(run, "%s", path);
    if (!qri_take(run, "server key",
                  qr_server_key_open(run->env, path, false, &run->server_key, &err), &err) ||
        place == NULL)
        return;
    if (find_above(run->env, place, "~format", dir))
        snprintf(path, sizeof path, "file://%s", dir);
    else if (find_above(run->env, place, "blob/~format", dir))
        snprintf(path, sizeof path, "file://%s/blob", dir);
    else
        return;
    if (qri_take(run, "keys", qr_blob_open_made(run->env, NULL, path, "", &run->key_store, &err),
                 &err))
        qri_keys_in(run, run->key_store);
}

void qri_keys_in(struct qri_run *run, struct qr_blob *blob)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (run->server_key != NULL && run->keyring == NULL)
        (void)qri_take(run, "keys",
                       qr_keyring_new(run->env, run->server_key, blob, &run->keyring, &err), &err);
}

void qri_keys_close(struct qri_run *run)
{
    qr_keyring_free(run->keyring);
    qr_blob_close(run->key_store);
    qr_server_key_close(run->server_key);
}
