/* dir_write.c - see blob/blob.h: objects as files; put, delete, append */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "dir_int.h"
#include "base/banned.h"

enum { KNOWN_MAX = 8192, LARGE_BYTES = 256 << 10 };
static const int64_t LOCK_POLL_NS = 2000000, LOCK_WAIT_NS = INT64_C(10) * 1000000000;

enum qr_status qri_dir_lock(struct qri_dir *dir, const char *name, struct qri_dir_lock *ret_lock,
                            struct qr_err *err)
{
    unsigned stripe = (unsigned)(qr_crc32c(0, name, strlen(name)) % QRI_DIR_STRIPES);
    struct qri_dir_path path;
    char file_name[16];
    snprintf(file_name, sizeof file_name, "~lock%u", stripe);
    path = qri_dir_path_of(dir, file_name, "");
    pthread_mutex_lock(&dir->stripes[stripe]);
    struct qr_file *file = NULL;
    enum qr_status status = qr_env_open(dir->env, path.z, QR_OPEN_RW | QR_OPEN_CREATE, &file, err);
    int64_t begin = qr_env_mono_ns(dir->env);
    while (status == QR_OK && (status = qr_file_lock(file, err)) == QR_LOCKED) {
        if (qr_env_mono_ns(dir->env) - begin >= LOCK_WAIT_NS) {
            status = qr_fail(err, QR_BUSY, "another process keeps '%s' locked", path.z);
            break;
        }
        qr_env_sleep_ns(dir->env, LOCK_POLL_NS);
        status = QR_OK;
    }
    if (status != QR_OK) {
        qr_file_close(file);
        pthread_mutex_unlock(&dir->stripes[stripe]);
        return status;
    }
    *ret_lock = (struct qri_dir_lock){.mutex = &dir->stripes[stripe], .file = file};
    return QR_OK;
}

void qri_dir_unlock(struct qri_dir_lock *lock)
{
    qr_file_close(lock->file);
    pthread_mutex_unlock(lock->mutex);
}

static bool is_known(struct qri_dir *dir, struct qr_str path)
{
    pthread_mutex_lock(&dir->mu);
    bool known = qr_map_get(&dir->known, path) != NULL;
    pthread_mutex_unlock(&dir->mu);
    return known;
}

static void remember(struct qri_dir *dir, struct qr_str path)
{
    pthread_mutex_lock(&dir->mu);
    if (dir->known.count >= KNOWN_MAX) {
        qr_map_done(&dir->known);
        qr_map_init(&dir->known, false);
    }
    enum qr_status status = qr_map_put(&dir->known, path, dir);
    (void)status; /* without memory it is synced once more */
    pthread_mutex_unlock(&dir->mu);
}

/* The directories of the object exist, and their names are durable: another process may have made
 * them a moment ago without having synced them, so the first use of each syncs in any case. */
static enum qr_status ensure_dirs(struct qri_dir *dir, const char *name, struct qr_err *err)
{
    struct qri_dir_path path, parent;
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        path = qri_dir_path_of(dir, "", "");
        size_t root_bytes = strlen(path.z), part_bytes = (size_t)(slash - name);
        memcpy(path.z + root_bytes, name, part_bytes);
        path.z[root_bytes + part_bytes] = '\0';
        if (is_known(dir, qr_str(path.z)))
            continue;
        enum qr_status status = qr_env_make_dir(dir->env, path.z, err);
        if (status != QR_EXISTS)
            QR_TRY(status);
        qr_env_dir_name(path.z, parent.z);
        QR_TRY(qr_env_sync_dir(dir->env, parent.z, err));
        remember(dir, qr_str(path.z));
    }
    return QR_OK;
}

static enum qr_status sync_parent(struct qri_dir *dir, const char *path, struct qr_err *err)
{
    struct qri_dir_path parent;
    qr_env_dir_name(path, parent.z);
    return qr_env_sync_dir(dir->env, parent.z, err);
}

static void temp_path(struct qri_dir *dir, const char *name, struct qri_dir_path *ret_path)
{
    struct qri_dir_path object;
    uint8_t random[8];
    char hex[17];
    object = qri_dir_path_of(dir, name, "");
    qr_env_dir_name(object.z, ret_path->z);
    qr_env_random(dir->env, random, sizeof random);
    qri_hex(random, sizeof random, hex);
    size_t n = strlen(ret_path->z);
    int more = snprintf(ret_path->z + n, sizeof ret_path->z - n, "/~tmp-%016llx-%s",
                        (unsigned long long)qr_env_wall_ns(dir->env), hex);
    assert(more > 0 && n + (size_t)more < sizeof ret_path->z);
}

enum qr_status qri_dir_open_temp(struct qri_dir *dir, const char *name, unsigned more_flags,
                                 struct qri_dir_path *ret_temp, struct qr_file **ret_file,
                                 struct qr_err *err)
{
    QR_TRY(ensure_dirs(dir, name, err));
    temp_path(dir, name, ret_temp);
    return qr_env_open(dir->env, ret_temp->z,
                       QR_OPEN_WRITE | QR_OPEN_CREATE | QR_OPEN_EXCLUSIVE | more_flags, ret_file,
                       err);
}

void qri_dir_drop_temp(struct qri_dir *dir, const char *temp)
{
    /* After a rename there is nothing to remove; else what stays is removed by a listing. */
    enum qr_status removed = qr_env_unlink(dir->env, temp, NULL);
    (void)removed;
}

static enum qr_status write_bytes(struct qr_file *to, const void *bytes, size_t count,
                                  struct qri_dir_header *header, struct qr_err *err)
{
    uint8_t head[QRI_DIR_HEADER_BYTES];
    header->bytes = count;
    header->data_crc = qr_crc32c(0, bytes, count);
    qri_dir_header_put(header, head);
    struct iovec iov[2] = {{head, sizeof head}, {(void *)(uintptr_t)bytes, count}};
    QR_TRY(qr_file_pwritev(to, iov, count > 0 ? 2 : 1, 0, err));
    return qr_file_sync(to, err);
}

/* With the name locked. */
static enum qr_status check_condition(struct qri_dir *dir, const char *path, const char *if_tag,
                                      struct qr_err *err)
{
    if (if_tag == NULL)
        return QR_OK;
    struct qr_blob_info info;
    enum qr_status status = qri_dir_stat_path(dir, path, &info, err);
    if (status == QR_NOT_FOUND) {
        if (if_tag[0] == '\0')
            return QR_OK;
        return qr_fail(err, QR_CONFLICT, "the object is gone");
    }
    QR_TRY(status);
    if (if_tag[0] == '\0')
        return qr_fail(err, QR_CONFLICT, "the object is there");
    if (strcmp(info.tag.z, if_tag) != 0)
        return qr_fail(err, QR_CONFLICT, "the object was written by another");
    return QR_OK;
}

enum qr_status qri_dir_publish(struct qri_dir *dir, const char *name, const char *temp,
                               const char *if_tag, struct qr_err *err)
{
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~");
    struct qri_dir_lock lock;
    QR_TRY(qri_dir_lock(dir, name, &lock, err));
    enum qr_status status = qri_dir_check_lease(dir, name, "", err);
    if (status == QR_OK)
        status = check_condition(dir, path.z, if_tag, err);
    if (status == QR_OK)
        status = qr_env_rename(dir->env, temp, path.z, err);
    if (status == QR_OK)
        status = sync_parent(dir, path.z, err);
    qri_dir_unlock(&lock);
    return status;
}

void qri_dir_new_header(struct qri_dir *dir, enum qri_dir_kind kind,
                        struct qri_dir_header *ret_header)
{
    *ret_header = (struct qri_dir_header){.kind = kind, .wall_ns = qr_env_wall_ns(dir->env)};
    qr_env_random(dir->env, ret_header->tag, sizeof ret_header->tag);
}

enum qr_status qri_dir_put(struct qr_blob *blob, const char *name, const void *bytes, size_t count,
                           const char *if_tag, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_header header;
    struct qri_dir_path temp;
    struct qr_file *to = NULL;
    if (count >= LARGE_BYTES)
        return qri_dir_put_large(dir, name, bytes, count, if_tag, ret_tag, err);
    qri_dir_new_header(dir, QRI_DIR_WHOLE, &header);
    QR_TRY(qri_dir_open_temp(dir, name, 0, &temp, &to, err));
    enum qr_status status = write_bytes(to, bytes, count, &header, err);
    qr_file_close(to);
    if (status == QR_OK)
        status = qri_dir_publish(dir, name, temp.z, if_tag, err);
    if (status != QR_OK) {
        qri_dir_drop_temp(dir, temp.z);
        return status;
    }
    qri_dir_tag_of(&header, ret_tag);
    return QR_OK;
}

static enum qr_status remove_locked(struct qri_dir *dir, const char *name, const char *if_tag,
                                    struct qr_err *err)
{
    struct qri_dir_path path, lease;
    path = qri_dir_path_of(dir, name, "~");
    lease = qri_dir_path_of(dir, name, "~lease");
    QR_TRY(qri_dir_check_lease(dir, name, "", err));
    QR_TRY(check_condition(dir, path.z, if_tag, err));
    enum qr_status status = qr_env_unlink(dir->env, lease.z, err); /* one that ran out */
    if (status != QR_NOT_FOUND)
        QR_TRY(status);
    status = qr_env_unlink(dir->env, path.z, err);
    if (status != QR_NOT_FOUND)
        QR_TRY(status);
    status = sync_parent(dir, path.z, err); /* also if another's unlink is not durable yet */
    return status == QR_NOT_FOUND ? QR_OK : status;
}

enum qr_status qri_dir_remove(struct qr_blob *blob, const char *name, const char *if_tag,
                              struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_lock lock;
    QR_TRY(qri_dir_lock(dir, name, &lock, err));
    enum qr_status status = remove_locked(dir, name, if_tag, err);
    qri_dir_unlock(&lock);
    return status;
}

/* With the name locked. The header is durable before the name is. */
static enum qr_status create_append_object(struct qri_dir *dir, const char *name, const char *path,
                                           struct qr_err *err)
{
    struct qri_dir_path temp;
    struct qri_dir_header header;
    uint8_t head[QRI_DIR_HEADER_BYTES];
    struct qr_file *file = NULL;
    QR_TRY(qri_dir_open_temp(dir, name, 0, &temp, &file, err));
    qri_dir_new_header(dir, QRI_DIR_APPEND, &header);
    qri_dir_header_put(&header, head);
    enum qr_status status = qr_file_pwrite(file, head, sizeof head, 0, err);
    if (status == QR_OK)
        status = qr_file_sync(file, err);
    qr_file_close(file);
    if (status == QR_OK)
        status = qr_env_rename(dir->env, temp.z, path, err);
    if (status == QR_OK)
        status = sync_parent(dir, path, err);
    return status;
}

static enum qr_status append_locked(struct qri_dir *dir, const char *name, uint64_t at_offset,
                                    const struct iovec *iov, int iov_count, const char *lease_id,
                                    struct qr_err *err)
{
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~");
    QR_TRY(qri_dir_check_lease(dir, name, lease_id, err));
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    struct qri_dir_header header;
    enum qr_status status = qri_dir_open_object(dir, path.z, QR_OPEN_RW, &file, &header, err);
    if (status == QR_NOT_FOUND && at_offset == 0) {
        QR_TRY(create_append_object(dir, name, path.z, err));
        status = qri_dir_open_object(dir, path.z, QR_OPEN_RW, &file, &header, err);
    }
    QR_TRY(status);
    if (header.kind != QRI_DIR_APPEND)
        return qr_fail(err, QR_INVALID, "the object does not grow by appends");
    if (header.bytes != at_offset)
        return qr_fail(err, QR_CONFLICT, "the object ends at byte %llu, not %llu",
                       (unsigned long long)header.bytes, (unsigned long long)at_offset);
    for (int i = 0; i < iov_count; i += QR_FILE_IOV_MAX) {
        int n = iov_count - i < QR_FILE_IOV_MAX ? iov_count - i : QR_FILE_IOV_MAX;
        status = qr_file_pwritev(file, iov + i, n, QRI_DIR_HEADER_BYTES + at_offset, err);
        if (status != QR_OK)
            break;
        for (int k = i; k < i + n; k++)
            at_offset += iov[k].iov_len;
    }
    if (status == QR_OK)
        return qr_file_sync(file, err);
    /* What was written of it must not look like the object's end. */
    enum qr_status cut = qr_file_truncate(file, QRI_DIR_HEADER_BYTES + header.bytes, NULL);
    (void)cut;
    return status;
}

enum qr_status qri_dir_append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                              const struct iovec *iov, int iov_count, const char *lease_id,
                              struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_lock lock;
    QR_TRY(qri_dir_lock(dir, name, &lock, err));
    enum qr_status status = append_locked(dir, name, at_offset, iov, iov_count, lease_id, err);
    qri_dir_unlock(&lock);
    return status;
}
