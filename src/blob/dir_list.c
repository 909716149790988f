/* dir_list.c - see blob/blob.h: objects as files; listing in the order of whole names */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dir_int.h"
#include "base/banned.h"

enum { ENTRIES_BYTES_MAX = 256 << 20 };
static const int64_t STALE_NS = INT64_C(3600) * 1000000000;

struct listing {
    struct qri_dir *dir;
    const char *prefix;
    qr_blob_list_fn *each;
    void *arg;
    struct qr_err *err;
    bool go_on;
    char name[QR_BLOB_NAME_BYTES_MAX + 64]; /* of the folder, then of the object */
};

/* The entries of one folder: names of objects without `~`, of folders with a slash behind. */
struct folder {
    struct listing *listing;
    size_t name_bytes; /* of listing->name */
    struct qr_buf names;
    size_t count;
};

/* A temporary file whose writer must be dead long since. */
static void remove_stale(struct listing *listing, size_t name_bytes, const char *entry)
{
    struct qri_dir *dir = listing->dir;
    uint64_t made;
    if (sscanf(entry, "~tmp-%16" SCNx64, &made) != 1 ||
        (int64_t)made > qr_env_wall_ns(dir->env) - STALE_NS)
        return;
    struct qri_dir_path path;
    int n = snprintf(path.z, sizeof path.z, "%s/%.*s%s", dir->root, (int)name_bytes, listing->name,
                     entry);
    if (n > 0 && (size_t)n < sizeof path.z) {
        enum qr_status status = qr_env_unlink(dir->env, path.z, NULL);
        QR_LOG(&dir->log, QR_INFO, "stale_upload_removed", QR_F("path", (const char *)path.z),
               QR_F("removed", status == QR_OK));
    }
}

/* Could a name that begins like this begin with the prefix? */
static bool fits(const struct folder *folder, const char *entry, size_t bytes, bool is_folder)
{
    const struct listing *listing = folder->listing;
    size_t prefix_bytes = strlen(listing->prefix);
    size_t total = folder->name_bytes + bytes + is_folder;
    if (total > QR_BLOB_NAME_BYTES_MAX)
        return false; /* not ours */
    if (folder->name_bytes >= prefix_bytes)
        return true;
    const char *rest = listing->prefix + folder->name_bytes;
    size_t rest_bytes = prefix_bytes - folder->name_bytes;
    size_t n = bytes < rest_bytes ? bytes : rest_bytes;
    if (memcmp(entry, rest, n) != 0)
        return false;
    if (!is_folder)
        return bytes >= rest_bytes;
    return bytes >= rest_bytes || rest[bytes] == '/';
}

static bool take_entry(void *arg, const char *entry)
{
    struct folder *folder = arg;
    size_t bytes = strlen(entry);
    const char *tilde = strchr(entry, '~');
    if (tilde == entry) {
        remove_stale(folder->listing, folder->name_bytes, entry);
        return true;
    }
    bool is_folder = tilde == NULL;
    if (!is_folder && tilde[1] != '\0')
        return true; /* a lease */
    bytes -= !is_folder;
    if (!fits(folder, entry, bytes, is_folder))
        return true;
    qr_buf_add(&folder->names, entry, bytes);
    if (is_folder)
        qr_buf_add8(&folder->names, '/');
    qr_buf_add8(&folder->names, '\0');
    folder->count += 1;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum qr_status tell_object(struct listing *listing)
{
    struct qri_dir_path path;
    struct qr_blob_info info;
    path = qri_dir_path_of(listing->dir, listing->name, "~");
    enum qr_status status = qri_dir_stat_path(listing->dir, path.z, &info, listing->err);
    if (status == QR_NOT_FOUND)
        return QR_OK; /* deleted since */
    if (status == QR_CORRUPT || status == QR_UNSUPPORTED || status == QR_IO) {
        /* it must not hide the others */
        if (listing->err != NULL)
            qr_err_reset(listing->err);
        info = (struct qr_blob_info){.bytes = 0};
        status = QR_OK;
    }
    QR_TRY(qr_wrap(listing->err, status, "'%s'", listing->name));
    listing->go_on = listing->each(listing->arg, listing->name, &info);
    return QR_OK;
}

static enum qr_status walk(struct listing *listing, size_t name_bytes);

static enum qr_status tell_entries(struct folder *folder, const char **sorted)
{
    struct listing *listing = folder->listing;
    for (size_t i = 0; i < folder->count && listing->go_on; i++) {
        size_t bytes = strlen(sorted[i]);
        memcpy(listing->name + folder->name_bytes, sorted[i], bytes + 1);
        if (sorted[i][bytes - 1] == '/') /* depth: a name holds at most 256 slashes */
            QR_TRY(walk(listing, folder->name_bytes + bytes));
        else
            QR_TRY(tell_object(listing));
    }
    return QR_OK;
}

static enum qr_status walk(struct listing *listing, size_t name_bytes)
{
    struct qri_dir_path path;
    struct folder folder = {.listing = listing, .name_bytes = name_bytes};
    qr_buf_init(&folder.names, ENTRIES_BYTES_MAX);
    listing->name[name_bytes] = '\0';
    path = qri_dir_path_of(listing->dir, listing->name, "");
    enum qr_status status =
        qr_env_list(listing->dir->env, path.z, take_entry, &folder, listing->err);
    if (status == QR_OK)
        status = qr_buf_status(&folder.names, listing->err);
    const char **sorted = NULL;
    if (status == QR_OK && folder.count > 0) {
        sorted = malloc(folder.count * sizeof *sorted);
        if (sorted == NULL)
            status = qr_fail(listing->err, QR_NOMEM, "list objects");
    }
    if (sorted != NULL) {
        const char *at = (const char *)folder.names.data;
        for (size_t i = 0; i < folder.count; i++, at += strlen(at) + 1)
            sorted[i] = at;
        /* Folders have their slash behind, so this is the order of the whole names. */
        qsort(sorted, folder.count, sizeof *sorted, by_bytes);
        status = tell_entries(&folder, sorted);
    }
    free(sorted);
    qr_buf_done(&folder.names);
    return status;
}

/* The folder that the prefix names in full, up to its slash; 0: the root. A listing begins there,
 * because those above may hold thousands of others. What can be no folder's name ("..") is left to
 * the comparison. */
static size_t folder_of(struct listing *listing)
{
    const char *slash = strrchr(listing->prefix, '/');
    size_t bytes = slash == NULL ? 0 : (size_t)(slash - listing->prefix);
    memcpy(listing->name, listing->prefix, bytes);
    listing->name[bytes] = '\0';
    if (!qri_blob_is_name(listing->name))
        return 0;
    listing->name[bytes] = '/';
    return bytes + 1;
}

enum qr_status qri_dir_list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                            void *arg, struct qr_err *err)
{
    struct listing listing = {.dir = (struct qri_dir *)blob,
                              .prefix = prefix,
                              .each = each,
                              .arg = arg,
                              .err = err,
                              .go_on = true};
    size_t folder_bytes = folder_of(&listing);
    enum qr_status status = walk(&listing, folder_bytes);
    if (status != QR_NOT_FOUND || folder_bytes == 0)
        return status;
    if (err != NULL)
        qr_err_reset(err);
    return QR_OK; /* there is no such folder */
}
