/* quire_key.c - `quire key ...`: another server key for a data directory whose server is stopped.
 *
 * Nothing that is encrypted is written again: data keys are wrapped with the new key. Each step may
 * be cut short and begun again, because until the last one the file has both keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "cmd_int.h"
#include "crypt/keyring.h"
#include "ctl/place.h"
#include "quire_int.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, EXIT_USAGE = 2, CREDENTIAL_BYTES_MAX = 4096 };

struct words {
    const char *data_dir, *server_key_file, *blob, *blob_credential_file, *geo_blob,
        *geo_blob_credential_file, *region_roots;
};

struct rotation {
    struct qr_env *env;
    struct qr_arena arena;
    struct qri_datadir dir;
    const char *root; /* of the region that is walked over */
    struct qr_file *children;
    const struct words *words;
    struct qr_server_key *key;
    uint64_t count;
    enum qr_status status; /* of the walk over databases */
    struct qr_err *err;
};

static int usage(void)
{
    fprintf(stderr, "usage: quire key rotate [--data-dir DIR] [--server-key-file FILE]\n"
                    "                        [--blob URL [--blob-credential-file FILE]]\n"
                    "                        [--region-roots NAME=DIR,...]\n"
                    "                        [--geo-blob URL [--geo-blob-credential-file FILE]]\n"
                    "       quire key id     [--data-dir DIR] [--server-key-file FILE]\n"
                    "The server must be stopped for a rotation; the options are those that it is "
                    "started with.\n");
    return EXIT_USAGE;
}

static bool take_words(int argc, char **argv, struct words *words)
{
    *words = (struct words){"data-dir", "", "", "", "", "", ""};
    const struct {
        const char *name;
        const char **value;
    } rows[] = {{"--data-dir", &words->data_dir},
                {"--server-key-file", &words->server_key_file},
                {"--blob", &words->blob},
                {"--blob-credential-file", &words->blob_credential_file},
                {"--geo-blob", &words->geo_blob},
                {"--geo-blob-credential-file", &words->geo_blob_credential_file},
                {"--region-roots", &words->region_roots}};
    for (int i = 0; i < argc; i += 2) {
        size_t k = 0;
        while (k < sizeof rows / sizeof rows[0] && strcmp(argv[i], rows[k].name) != 0)
            k++;
        if (k == sizeof rows / sizeof rows[0] || i + 1 == argc)
            return false;
        *rows[k].value = argv[i + 1];
    }
    return true;
}

static enum qr_status lock_one(struct rotation *r, const char *name, struct qr_file **ret_file,
                               struct qr_err *err)
{
    const char *path = qri_datadir_path(&r->dir, &r->arena, name, NULL);
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "lock the data directory");
    QR_TRY(qr_env_open(r->env, path, QR_OPEN_RW | QR_OPEN_CREATE, ret_file, err));
    enum qr_status status = qr_file_lock(*ret_file, err);
    return status == QR_LOCKED
               ? qr_fail(err, status, "a server serves the data directory '%s'; stop it first",
                         r->dir.path)
               : status;
}

typedef enum qr_status rewrap_fn(const struct qr_server_key *key, struct qr_env *env,
                                 const char *path, bool *ret_changed, struct qr_err *err);

static enum qr_status rewrap_file(struct rotation *r, const char *path, rewrap_fn *rewrap,
                                  struct qr_err *err)
{
    bool changed = false;
    enum qr_status status = rewrap(r->key, r->env, path, &changed, err);
    r->count += changed;
    if (status == QR_NOT_FOUND) {
        qr_err_reset(err);
        status = QR_OK; /* what is there is not encrypted */
    }
    return status;
}

static bool rewrap_in(struct rotation *r, const char *folder, const char *name, rewrap_fn *rewrap)
{
    const char *path = qr_arena_printf(&r->arena, "%s/%s/%s/key", r->root, folder, name);
    r->status = path == NULL ? qr_fail(r->err, QR_NOMEM, "wrap keys again")
                             : rewrap_file(r, path, rewrap, r->err);
    return r->status == QR_OK;
}

static bool rewrap_database(void *arg, const char *name)
{
    return rewrap_in(arg, "databases", name, qr_key_pair_rewrap);
}

static bool rewrap_cache(void *arg, const char *name)
{
    return rewrap_in(arg, "compute", name, qr_key_file_rewrap);
}

static enum qr_status rewrap_files(struct rotation *r, struct qr_err *err)
{
    static const struct {
        const char *folder;
        qr_env_list_fn *each;
    } folders[] = {{"databases", rewrap_database}, {"compute", rewrap_cache}};
    enum { COUNT = sizeof folders / sizeof folders[0] };
    const char *journal = qri_datadir_path(&r->dir, &r->arena, "log", "key");
    if (journal == NULL)
        return qr_fail(err, QR_NOMEM, "wrap keys again");
    QR_TRY(rewrap_file(r, journal, qr_key_pair_rewrap, err));
    for (size_t i = 0; i < QR_PLACE_REGIONS * COUNT; i++) {
        const char *folder = folders[i % COUNT].folder, *path;
        r->root = qri_region_root(&r->dir, &r->arena, (uint32_t)(i / COUNT));
        path = r->root == NULL ? NULL : qr_arena_printf(&r->arena, "%s/%s", r->root, folder);
        if (path == NULL)
            return qr_fail(err, QR_NOMEM, "wrap keys again");
        r->status = QR_OK;
        r->err = err;
        enum qr_status status = qr_env_list(r->env, path, folders[i % COUNT].each, r, err);
        if (status == QR_NOT_FOUND)
            qr_err_reset(err);
        else
            QR_TRY(status);
        QR_TRY(r->status);
    }
    return QR_OK;
}

static enum qr_status rewrap_objects(struct rotation *r, const char *url,
                                     const char *credential_file, struct qr_err *err)
{
    struct qr_blob *blob = NULL;
    struct qr_keyring *ring = NULL;
    struct qr_buf credential;
    uint64_t count = 0;
    qr_buf_init(&credential, CREDENTIAL_BYTES_MAX);
    enum qr_status status = url == NULL ? qr_fail(err, QR_NOMEM, "open the blob store") : QR_OK;
    if (status == QR_OK && *credential_file != '\0')
        status = qr_env_read_file(r->env, credential_file, &credential, err);
    while (credential.len > 0 && credential.data[credential.len - 1] <= ' ')
        credential.len--;
    if (status == QR_OK)
        status = qr_blob_open(r->env, NULL, url, qr_buf_cstr(&credential), &blob, err);
    if (status == QR_OK)
        status = qr_keyring_new(r->env, r->key, blob, &ring, err);
    if (status == QR_OK)
        status = qr_keyring_rewrap(ring, &count, err);
    r->count += count;
    qr_keyring_free(ring);
    qr_blob_close(blob);
    qr_buf_done(&credential);
    return status;
}

static enum qr_status rotate(struct rotation *r, struct qr_err *err)
{
    struct qr_server_key *old = NULL;
    QR_TRY(lock_one(r, "lock", &r->dir.lock, err));
    QR_TRY(lock_one(r, "children", &r->children, err));
    /* It must be the one that wraps what is there: then, and only then, may there be another. */
    QR_TRY(qri_datadir_key(&r->dir, &r->arena, r->words->server_key_file, false, &old, err));
    const char *path = qri_datadir_key_path(&r->dir, &r->arena, r->words->server_key_file);
    bool finished = qri_datadir_key_is_noted(&r->dir, &r->arena, old);
    qr_server_key_close(old);
    if (finished) /* but for the old key, perhaps: then this is the next rotation */
        QR_TRY(qr_server_key_retire(r->env, path, err));
    QR_TRY(qr_server_key_renew(r->env, path, err));
    QR_TRY(qr_server_key_open(r->env, path, false, &r->key, err));
    QR_TRY(rewrap_files(r, err));
    const struct words *w = r->words;
    for (uint32_t i = 0; i < QR_PLACE_REGIONS; i++) {
        const char *url = qri_region_blob(&r->dir, &r->arena, w->blob, i);
        QR_TRY(rewrap_objects(r, url, w->blob_credential_file, err));
    }
    if (*w->geo_blob != '\0')
        QR_TRY(rewrap_objects(r, w->geo_blob, w->geo_blob_credential_file, err));
    QR_TRY(qri_datadir_key_note(&r->dir, &r->arena, r->key, err));
    return qr_server_key_retire(r->env, path, err);
}

static enum qr_status show_id(struct rotation *r, struct qr_err *err)
{
    return qri_datadir_key(&r->dir, &r->arena, r->words->server_key_file, false, &r->key, err);
}

int qri_quire_key(int argc, char **argv)
{
    struct words words;
    struct qr_err err;
    qr_err_reset(&err);
    bool is_rotation = argc > 0 && strcmp(argv[0], "rotate") == 0;
    if (argc < 1 || (!is_rotation && strcmp(argv[0], "id") != 0) ||
        !take_words(argc - 1, argv + 1, &words))
        return usage();
    char *real = realpath(words.data_dir, NULL);
    if (real == NULL) {
        fprintf(stderr, "quire: there is no data directory '%s'\n", words.data_dir);
        return EXIT_FAILURE;
    }
    struct rotation r = {
        .env = qr_env_real(), .dir = {.env = qr_env_real(), .path = real}, .words = &words};
    qr_arena_init(&r.arena, 1 << 20);
    enum qr_status status = is_rotation ? rotate(&r, &err) : show_id(&r, &err);
    if (status == QR_OK) {
        char id[QR_SERVER_KEY_ID_HEX_BYTES];
        qr_server_key_id(r.key, id);
        if (is_rotation)
            printf("%llu keys are wrapped with server key %s now\n", (unsigned long long)r.count,
                   id);
        else
            printf("%s\n", id);
    } else {
        fprintf(stderr, "quire: %s\n", err.text);
    }
    qr_server_key_close(r.key);
    qr_file_close(r.children);
    qr_file_close(r.dir.lock);
    qr_arena_done(&r.arena);
    free(real);
    return status == QR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
