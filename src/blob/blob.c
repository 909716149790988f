/* blob.c - see blob/blob.h: names, URLs, and the way to the backend */
#include <assert.h>
#include <string.h>
#include "blob_int.h"
#include "base/banned.h"

enum { PART_BYTES_MAX = 200 };

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool is_part(const char *part, size_t bytes)
{
    if (bytes == 0 || bytes > PART_BYTES_MAX)
        return false;
    return !(part[0] == '.' && (bytes == 1 || (bytes == 2 && part[1] == '.')));
}

bool qri_blob_is_name(const char *name)
{
    size_t bytes = strnlen(name, QR_BLOB_NAME_BYTES_MAX + 1), part = 0;
    bool good = bytes <= QR_BLOB_NAME_BYTES_MAX;
    for (size_t i = 0; good && i <= bytes; i++) {
        if (i == bytes || name[i] == '/') {
            good = is_part(name + part, i - part);
            part = i + 1;
        } else {
            good = is_name_byte(name[i]);
        }
    }
    return good;
}

static enum qr_status check_name(const char *name, struct qr_err *err)
{
    if (!qri_blob_is_name(name))
        return qr_fail(err, QR_INVALID, "'%.*s' cannot name an object", QR_BLOB_NAME_BYTES_MAX,
                       name);
    return QR_OK;
}

static enum qr_status check_prefix(const char *prefix, struct qr_err *err)
{
    size_t bytes = strnlen(prefix, QR_BLOB_NAME_BYTES_MAX + 1);
    bool good = bytes <= QR_BLOB_NAME_BYTES_MAX;
    for (size_t i = 0; good && i < bytes; i++)
        good = is_name_byte(prefix[i]) || prefix[i] == '/';
    if (!good)
        return qr_fail(err, QR_INVALID, "'%.*s' begins no object's name", QR_BLOB_NAME_BYTES_MAX,
                       prefix);
    return QR_OK;
}

static enum qr_status open_at(struct qr_env *env, const struct qr_log *log, const char *url,
                              const char *credential, bool make, struct qr_blob **ret_blob,
                              struct qr_err *err)
{
    if (strncmp(url, "file:///", 8) == 0)
        return qri_blob_dir_open(env, log, url + 7, make, ret_blob, err);
    if (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0)
        return qri_blob_azure_open(env, log, url, credential, ret_blob, err);
    return qr_fail(err, QR_INVALID, "the URL of a blob store begins with file:/// or https://");
}

enum qr_status qr_blob_open(struct qr_env *env, const struct qr_log *log, const char *url,
                            const char *credential, struct qr_blob **ret_blob, struct qr_err *err)
{
    return open_at(env, log, url, credential, true, ret_blob, err);
}

enum qr_status qr_blob_open_made(struct qr_env *env, const struct qr_log *log, const char *url,
                                 const char *credential, struct qr_blob **ret_blob,
                                 struct qr_err *err)
{
    return open_at(env, log, url, credential, false, ret_blob, err);
}

void qr_blob_close(struct qr_blob *blob)
{
    if (blob != NULL)
        blob->ops->close(blob);
}

enum qr_status qr_blob_put(struct qr_blob *blob, const char *name, const void *bytes, size_t count,
                           const char *if_tag, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_blob_tag unused;
    QR_TRY(check_name(name, err));
    return qr_wrap(
        err,
        blob->ops->put(blob, name, bytes, count, if_tag, ret_tag == NULL ? &unused : ret_tag, err),
        "put '%s'", name);
}

enum qr_status qr_blob_put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                                uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                                struct qr_err *err)
{
    struct qr_blob_tag unused;
    QR_TRY(check_name(name, err));
    return qr_wrap(err,
                   blob->ops->put_file(blob, name, file, bytes, if_tag,
                                       ret_tag == NULL ? &unused : ret_tag, err),
                   "put '%s'", name);
}

enum qr_status qr_blob_get(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                           struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_blob_tag unused;
    QR_TRY(check_name(name, err));
    QR_TRY(qr_buf_status(buf, err));
    size_t before = buf->len;
    enum qr_status status =
        blob->ops->get(blob, name, offset, count, buf, ret_tag == NULL ? &unused : ret_tag, err);
    if (status == QR_OK)
        status = qr_buf_status(buf, err);
    if (status != QR_OK) {
        buf->len = before;
        buf->failed = QR_OK;
    }
    return qr_wrap(err, status, "get '%s'", name);
}

enum qr_status qr_blob_stat(struct qr_blob *blob, const char *name, struct qr_blob_info *ret_info,
                            struct qr_err *err)
{
    QR_TRY(check_name(name, err));
    return qr_wrap(err, blob->ops->stat(blob, name, ret_info, err), "look at '%s'", name);
}

enum qr_status qr_blob_delete(struct qr_blob *blob, const char *name, const char *if_tag,
                              struct qr_err *err)
{
    QR_TRY(check_name(name, err));
    if (if_tag != NULL && if_tag[0] == '\0')
        return qr_fail(err, QR_INVALID, "delete '%s' only if it is not there", name);
    return qr_wrap(err, blob->ops->remove(blob, name, if_tag, err), "delete '%s'", name);
}

enum qr_status qr_blob_list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                            void *arg, struct qr_err *err)
{
    QR_TRY(check_prefix(prefix, err));
    return qr_wrap(err, blob->ops->list(blob, prefix, each, arg, err), "list '%s'", prefix);
}

/* --- objects that are files --- */

bool qr_blob_has_files(struct qr_blob *blob)
{
    return blob->ops->has_files != NULL && blob->ops->has_files(blob);
}

static enum qr_status check_files(struct qr_blob *blob, struct qr_err *err)
{
    if (!qr_blob_has_files(blob))
        return qr_fail(err, QR_UNSUPPORTED, "the blob store's objects are no files here");
    return QR_OK;
}

enum qr_status qr_blob_stage_begin(struct qr_blob *blob, const char *name, bool read_soon,
                                   struct qr_blob_stage **ret_stage, struct qr_err *err)
{
    QR_TRY(check_files(blob, err));
    QR_TRY(check_name(name, err));
    return qr_wrap(err, blob->ops->stage_begin(blob, name, read_soon, ret_stage, err), "begin '%s'",
                   name);
}

enum qr_status qr_blob_stage_add(struct qr_blob *blob, struct qr_blob_stage *stage,
                                 const void *bytes, size_t count, struct qr_err *err)
{
    return blob->ops->stage_add(blob, stage, bytes, count, err);
}

enum qr_status qr_blob_stage_end(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                 const void *head, size_t head_count, const char *if_tag,
                                 struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_blob_tag unused;
    assert(head_count <= QR_BLOB_HEAD_BYTES_MAX);
    return blob->ops->stage_end(blob, own_stage, head, head_count, if_tag,
                                ret_tag == NULL ? &unused : ret_tag, err);
}

void qr_blob_stage_abandon(struct qr_blob *blob, struct qr_blob_stage *own_stage)
{
    if (own_stage != NULL)
        blob->ops->stage_abandon(blob, own_stage);
}

enum qr_status qr_blob_drop_stages(struct qr_blob *blob, const char *folder, struct qr_err *err)
{
    QR_TRY(check_files(blob, err));
    QR_TRY(check_prefix(folder, err));
    size_t bytes = strlen(folder);
    if (bytes == 0 || folder[0] == '/' || folder[bytes - 1] != '/')
        return qr_fail(err, QR_INVALID, "'%s' is no folder of objects", folder);
    return qr_wrap(err, blob->ops->drop_stages(blob, folder, err), "clean '%s'", folder);
}

enum qr_status qr_blob_open_file(struct qr_blob *blob, const char *name, struct qr_file **ret_file,
                                 uint64_t *ret_start, struct qr_err *err)
{
    QR_TRY(check_files(blob, err));
    QR_TRY(check_name(name, err));
    return qr_wrap(err, blob->ops->open_file(blob, name, ret_file, ret_start, err), "open '%s'",
                   name);
}

enum qr_status qr_blob_append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                              const struct iovec *iov, int iov_count, const char *lease_id,
                              struct qr_err *err)
{
    QR_TRY(check_name(name, err));
    size_t bytes = 0;
    for (int i = 0; i < iov_count; i++)
        bytes += iov[i].iov_len;
    if (bytes == 0 || bytes > QR_BLOB_APPEND_BYTES_MAX)
        return qr_fail(err, QR_INVALID, "append %zu bytes to '%s' at once", bytes, name);
    return qr_wrap(err,
                   blob->ops->append(blob, name, at_offset, iov, iov_count,
                                     lease_id == NULL ? "" : lease_id, err),
                   "append to '%s'", name);
}

enum qr_status qr_blob_lease(struct qr_blob *blob, const char *name, int ttl_s,
                             const char *lease_id, struct qr_blob_tag *ret_lease_id,
                             struct qr_err *err)
{
    QR_TRY(check_name(name, err));
    if (ttl_s < QR_BLOB_LEASE_S_MIN || ttl_s > QR_BLOB_LEASE_S_MAX)
        return qr_fail(err, QR_INVALID, "a lease of %d seconds is not between %d and %d", ttl_s,
                       QR_BLOB_LEASE_S_MIN, QR_BLOB_LEASE_S_MAX);
    return qr_wrap(err, blob->ops->lease(blob, name, ttl_s, lease_id, ret_lease_id, err),
                   "lease '%s'", name);
}

enum qr_status qr_blob_release(struct qr_blob *blob, const char *name, const char *lease_id,
                               struct qr_err *err)
{
    QR_TRY(check_name(name, err));
    return qr_wrap(err, blob->ops->release(blob, name, lease_id, err), "release '%s'", name);
}
