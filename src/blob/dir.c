/* dir.c - see blob/blob.h: objects as files; opening and reading */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "blob/object_bytes.h"
#include "dir_int.h"
#include "base/banned.h"

static const char format_text[] = "quire blob directory 1\n";
static const uint8_t magic[4] = {'Q', 'R', 'O', 'B'};
enum { VERSION = 1, AT_CRC = QRI_DIR_HEADER_BYTES - 4 };

void qri_hex(const uint8_t *bytes, size_t count, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        dst[2 * i] = digits[bytes[i] >> 4];
        dst[2 * i + 1] = digits[bytes[i] & 15];
    }
    dst[2 * count] = '\0';
}

struct qri_dir_path qri_dir_path_of(const struct qri_dir *dir, const char *name, const char *suffix)
{
    struct qri_dir_path path;
    int n = snprintf(path.z, sizeof path.z, "%s/%s%s", dir->root, name, suffix);
    assert(n > 0 && (size_t)n < sizeof path.z);
    return path;
}

void qri_dir_header_put(const struct qri_dir_header *header, uint8_t dst[QRI_DIR_HEADER_BYTES])
{
    memset(dst, 0, QRI_DIR_HEADER_BYTES);
    memcpy(dst, magic, sizeof magic);
    dst[4] = VERSION;
    dst[5] = (uint8_t)header->kind;
    qr_put64le(dst + 8, header->bytes);
    qr_put64le(dst + 16, (uint64_t)header->wall_ns);
    memcpy(dst + 24, header->tag, sizeof header->tag);
    qr_put32le(dst + 40, header->data_crc);
    qr_put32le(dst + AT_CRC, qr_crc32c(0, dst, AT_CRC));
}

enum qr_status qri_dir_header_get(const uint8_t src[QRI_DIR_HEADER_BYTES],
                                  struct qri_dir_header *ret_header, struct qr_err *err)
{
    if (memcmp(src, magic, sizeof magic) != 0 ||
        qr_get32le(src + AT_CRC) != qr_crc32c(0, src, AT_CRC))
        return qr_fail(err, QR_CORRUPT, "the object's header is damaged");
    if (src[4] != VERSION || (src[5] != QRI_DIR_WHOLE && src[5] != QRI_DIR_APPEND))
        return qr_fail(err, QR_UNSUPPORTED, "the object has version %d, kind %d", src[4], src[5]);
    struct qri_dir_header header = {
        .kind = src[5],
        .bytes = qr_get64le(src + 8),
        .wall_ns = (int64_t)qr_get64le(src + 16),
        .data_crc = qr_get32le(src + 40),
    };
    memcpy(header.tag, src + 24, sizeof header.tag);
    *ret_header = header;
    return QR_OK;
}

enum qr_status qr_blob_object_bytes(const uint8_t *file, size_t count, size_t *ret_start,
                                    struct qr_err *err)
{
    struct qri_dir_header header;
    if (count < QRI_DIR_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "the object's header is cut off");
    *ret_start = QRI_DIR_HEADER_BYTES;
    QR_TRY(qri_dir_header_get(file, &header, err));
    size_t bytes = count - QRI_DIR_HEADER_BYTES;
    if (header.kind == QRI_DIR_WHOLE &&
        (header.bytes != bytes ||
         header.data_crc != qr_crc32c(0, file + QRI_DIR_HEADER_BYTES, bytes)))
        return qr_fail(err, QR_CORRUPT, "the object's length or checksum is wrong");
    return QR_OK;
}

void qri_dir_tag_of(const struct qri_dir_header *header, struct qr_blob_tag *ret_tag)
{
    qri_hex(header->tag, sizeof header->tag, ret_tag->z);
    if (header->kind == QRI_DIR_APPEND) {
        size_t n = strlen(ret_tag->z);
        snprintf(ret_tag->z + n, sizeof ret_tag->z - n, "-%llx", (unsigned long long)header->bytes);
    }
}

enum qr_status qri_dir_open_object(struct qri_dir *dir, const char *path, unsigned flags,
                                   struct qr_file **ret_file, struct qri_dir_header *ret_header,
                                   struct qr_err *err)
{
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    QR_TRY(qr_env_open(dir->env, path, flags, &file, err));
    uint8_t bytes[QRI_DIR_HEADER_BYTES];
    enum qr_status status = qr_file_read_exactly(file, bytes, sizeof bytes, 0, err);
    if (status == QR_TRUNCATED)
        return qr_fail(err, QR_CORRUPT, "the object's header is cut off");
    QR_TRY(status);
    struct qri_dir_header header;
    QR_TRY(qri_dir_header_get(bytes, &header, err));
    uint64_t file_bytes;
    QR_TRY(qr_file_size(file, &file_bytes, err));
    if (header.kind == QRI_DIR_APPEND)
        header.bytes = file_bytes - QRI_DIR_HEADER_BYTES;
    else if (header.bytes != file_bytes - QRI_DIR_HEADER_BYTES)
        return qr_fail(err, QR_IO, "the object has %llu bytes instead of %llu",
                       (unsigned long long)(file_bytes - QRI_DIR_HEADER_BYTES),
                       (unsigned long long)header.bytes);
    *ret_file = QR_TAKE(file);
    *ret_header = header;
    return QR_OK;
}

static enum qr_status dir_get(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                              struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~");
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    struct qri_dir_header header;
    QR_TRY(qri_dir_open_object(dir, path.z, QR_OPEN_READ, &file, &header, err));
    if (offset > header.bytes || (count != SIZE_MAX && count > header.bytes - offset))
        return qr_fail(err, QR_TRUNCATED, "the object ends at byte %llu",
                       (unsigned long long)header.bytes);
    uint64_t want = count == SIZE_MAX ? header.bytes - offset : count;
    if (want > buf->bytes_max - buf->len)
        return qr_fail(err, QR_TOO_BIG, "%llu bytes are too many", (unsigned long long)want);
    uint8_t *dst = qr_buf_reserve(buf, (size_t)want);
    if (dst == NULL && want > 0)
        return qr_buf_status(buf, err);
    if (want > 0)
        QR_TRY(qr_file_read_exactly(file, dst, (size_t)want, QRI_DIR_HEADER_BYTES + offset, err));
    if (header.kind == QRI_DIR_WHOLE && want == header.bytes &&
        qr_crc32c(0, dst, (size_t)want) != header.data_crc)
        return qr_fail(err, QR_CORRUPT, "the object's bytes do not match their checksum");
    buf->len += (size_t)want;
    qri_dir_tag_of(&header, ret_tag);
    return QR_OK;
}

enum qr_status qri_dir_stat_path(struct qri_dir *dir, const char *path,
                                 struct qr_blob_info *ret_info, struct qr_err *err)
{
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    struct qri_dir_header header;
    QR_TRY(qri_dir_open_object(dir, path, QR_OPEN_READ, &file, &header, err));
    ret_info->bytes = header.bytes;
    ret_info->modified_wall_ns = header.wall_ns;
    qri_dir_tag_of(&header, &ret_info->tag);
    return QR_OK;
}

static enum qr_status dir_stat(struct qr_blob *blob, const char *name,
                               struct qr_blob_info *ret_info, struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~");
    return qri_dir_stat_path(dir, path.z, ret_info, err);
}

static void dir_close(struct qr_blob *blob)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    for (int i = 0; i < QRI_DIR_STRIPES; i++)
        pthread_mutex_destroy(&dir->stripes[i]);
    pthread_mutex_destroy(&dir->mu);
    qr_map_done(&dir->known);
    free(dir);
}

static bool dir_has_files(struct qr_blob *blob)
{
    (void)blob;
    return true;
}

static const struct qr_blob_ops dir_ops = {
    .put = qri_dir_put,
    .put_file = qri_dir_put_file,
    .get = dir_get,
    .stat = dir_stat,
    .remove = qri_dir_remove,
    .list = qri_dir_list,
    .append = qri_dir_append,
    .lease = qri_dir_lease,
    .release = qri_dir_release,
    .has_files = dir_has_files,
    .stage_begin = qri_dir_stage_begin,
    .stage_add = qri_dir_stage_add,
    .stage_end = qri_dir_stage_end,
    .stage_abandon = qri_dir_stage_abandon,
    .drop_stages = qri_dir_drop_stages,
    .open_file = qri_dir_open_file,
    .close = dir_close,
};

static enum qr_status make_root(struct qri_dir *dir, struct qr_err *err)
{
    char parent[QRI_DIR_ROOT_BYTES_MAX + 2];
    qr_env_dir_name(dir->root, parent);
    enum qr_status status = qr_env_make_dir(dir->env, dir->root, err);
    if (status != QR_EXISTS)
        QR_TRY(status);
    return qr_env_sync_dir(dir->env, parent, err);
}

/* Sees that it is one of ours, or makes it so. */
static enum qr_status prepare_root(struct qri_dir *dir, bool make, struct qr_err *err)
{
    if (make)
        QR_TRY(make_root(dir, err));
    struct qri_dir_path path = qri_dir_path_of(dir, "~format", "");
    struct qr_buf text;
    qr_buf_init(&text, 256);
    enum qr_status status = qr_env_read_file(dir->env, path.z, &text, err);
    if (status == QR_OK && strcmp(qr_buf_cstr(&text), format_text) != 0)
        status = qr_fail(err, QR_UNSUPPORTED, "'%s' holds another format", dir->root);
    qr_buf_done(&text);
    if (status == QR_NOT_FOUND && !make)
        return qr_fail(err, QR_NOT_FOUND, "it is not there, or is none");
    if (status == QR_NOT_FOUND)
        status = qr_env_replace_file(dir->env, path.z, format_text, sizeof format_text - 1, err);
    return status;
}

enum qr_status qri_blob_dir_open(struct qr_env *env, const struct qr_log *log, const char *path,
                                 bool make, struct qr_blob **ret_blob, struct qr_err *err)
{
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes -= 1;
    if (bytes <= 1 || bytes >= QRI_DIR_ROOT_BYTES_MAX)
        return qr_fail(err, QR_INVALID, "blob directory of %zu bytes", bytes);
    struct qri_dir *dir = calloc(1, sizeof *dir);
    if (dir == NULL)
        return qr_fail(err, QR_NOMEM, "open blob directory '%s'", path);
    dir->base.ops = &dir_ops;
    dir->env = env;
    if (log != NULL)
        dir->log = *log;
    memcpy(dir->root, path, bytes);
    for (int i = 0; i < QRI_DIR_STRIPES; i++)
        pthread_mutex_init(&dir->stripes[i], NULL);
    pthread_mutex_init(&dir->mu, NULL);
    qr_map_init(&dir->known, false);
    enum qr_status status = prepare_root(dir, make, err);
    if (status != QR_OK) {
        dir_close(&dir->base);
        return qr_wrap(err, status, "open blob directory '%s'", path);
    }
    *ret_blob = &dir->base;
    return QR_OK;
}
