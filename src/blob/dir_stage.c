/* dir_stage.c - see blob/blob.h: large objects, written piece by piece, past the machine's page
 * cache unless they are read soon, and read as the files that they are */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "dir_int.h"
#include "base/banned.h"

enum { PIECE_BYTES = 1 << 20, FIRST_BYTES = 32 << 10, DIRECT_ALIGN = 4096 };

/* The first piece has the header and stays in memory until the end, when that is known. */
struct qr_blob_stage {
    struct qri_dir_path temp;
    char name[QR_BLOB_NAME_BYTES_MAX + 1];
    struct qri_dir_header header;
    struct qr_file *file;
    uint8_t *first, *piece; /* `first` grows to a piece; the other comes when that is full */
    size_t first_bytes;     /* of the memory */
    uint64_t bytes;         /* of the object, so far */
    uint64_t at;            /* where the open piece begins in the file; 0: it is the first */
    size_t filled;          /* of the open piece */
    uint32_t rest_crc;      /* of what is behind the first piece, and written */
    bool cached;            /* it may stay in the page cache */
    bool failed;
};

static void free_stage(struct qr_blob_stage *stage)
{
    qr_file_close(stage->file);
    free(stage->first);
    free(stage->piece);
    free(stage);
}

enum qr_status qri_dir_stage_begin(struct qr_blob *blob, const char *name, bool read_soon,
                                   struct qr_blob_stage **ret_stage, struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qr_blob_stage *stage = calloc(1, sizeof *stage);
    uint8_t *first = aligned_alloc(DIRECT_ALIGN, FIRST_BYTES);
    if (stage == NULL || first == NULL) {
        free(stage);
        free(first);
        return qr_fail(err, QR_NOMEM, "write an object");
    }
    stage->first = first;
    stage->first_bytes = FIRST_BYTES;
    stage->filled = QRI_DIR_HEADER_BYTES;
    snprintf(stage->name, sizeof stage->name, "%s", name);
    qri_dir_new_header(dir, QRI_DIR_WHOLE, &stage->header);
    enum qr_status status = qri_dir_open_temp(dir, name, read_soon ? 0 : QR_OPEN_DIRECT,
                                              &stage->temp, &stage->file, err);
    stage->cached = read_soon;
    if (status != QR_OK)
        free_stage(stage);
    else
        *ret_stage = stage;
    return status;
}

/* All but the last sector's bytes can go past the page cache. */
static enum qr_status write_piece(struct qr_file *to, const uint8_t *piece, size_t count,
                                  uint64_t at, struct qr_err *err)
{
    size_t whole = count / DIRECT_ALIGN * DIRECT_ALIGN;
    QR_TRY(qr_file_pwrite(to, piece, whole, at, err));
    return whole == count ? QR_OK
                          : qr_file_pwrite(to, piece + whole, count - whole, at + whole, err);
}

static enum qr_status write_open_piece(struct qr_blob_stage *stage, struct qr_err *err)
{
    stage->rest_crc = qr_crc32c(stage->rest_crc, stage->piece, stage->filled);
    QR_TRY(write_piece(stage->file, stage->piece, stage->filled, stage->at, err));
    if (stage->cached)
        qr_file_write_back(stage->file, stage->at, stage->filled);
    return QR_OK;
}

struct source {
    struct qr_file *file; /* or NULL: */
    const uint8_t *bytes;
    uint64_t count;
};

static enum qr_status read_source(const struct source *from, uint8_t *dst, size_t count,
                                  uint64_t at, struct qr_err *err)
{
    if (from->file != NULL)
        return qr_file_read_exactly(from->file, dst, count, at, err);
    memcpy(dst, from->bytes + at, count);
    return QR_OK;
}

/* Memory for at least one more byte in the open piece, whose number is *ret_room then. */
static enum qr_status make_room(struct qr_blob_stage *stage, size_t *ret_room, struct qr_err *err)
{
    if (stage->filled == PIECE_BYTES) {
        if (stage->at > 0)
            QR_TRY(write_open_piece(stage, err));
        else
            stage->piece = aligned_alloc(DIRECT_ALIGN, PIECE_BYTES);
        if (stage->piece == NULL)
            return qr_fail(err, QR_NOMEM, "write an object");
        stage->at += PIECE_BYTES;
        stage->filled = 0;
    } else if (stage->at == 0 && stage->filled == stage->first_bytes) {
        uint8_t *more = aligned_alloc(DIRECT_ALIGN, stage->first_bytes * 2);
        if (more == NULL)
            return qr_fail(err, QR_NOMEM, "write an object");
        memcpy(more, stage->first, stage->filled);
        free(stage->first);
        stage->first = more;
        stage->first_bytes *= 2;
    }
    *ret_room = (stage->at == 0 ? stage->first_bytes : PIECE_BYTES) - stage->filled;
    return QR_OK;
}

static enum qr_status add(struct qr_blob_stage *stage, const struct source *from,
                          struct qr_err *err)
{
    for (uint64_t at = 0; at < from->count;) {
        size_t room = 0;
        QR_TRY(make_room(stage, &room, err));
        uint64_t rest = from->count - at;
        size_t count = rest < room ? (size_t)rest : room;
        uint8_t *open = stage->at == 0 ? stage->first : stage->piece;
        QR_TRY(read_source(from, open + stage->filled, count, at, err));
        stage->filled += count;
        stage->bytes += count;
        at += count;
    }
    return QR_OK;
}

enum qr_status qri_dir_stage_add(struct qr_blob *blob, struct qr_blob_stage *stage,
                                 const void *bytes, size_t count, struct qr_err *err)
{
    (void)blob;
    assert(!stage->failed);
    enum qr_status status = add(stage, &(struct source){.bytes = bytes, .count = count}, err);
    stage->failed = status != QR_OK;
    return status;
}

static enum qr_status write_end(struct qr_blob_stage *stage, const void *head, size_t head_count,
                                struct qr_err *err)
{
    assert(head_count <= stage->bytes && head_count <= PIECE_BYTES - QRI_DIR_HEADER_BYTES);
    uint8_t *data = stage->first + QRI_DIR_HEADER_BYTES;
    size_t first_bytes = stage->at == 0 ? stage->filled : PIECE_BYTES;
    size_t count = first_bytes - QRI_DIR_HEADER_BYTES;
    if (head_count > 0)
        memcpy(data, head, head_count);
    if (stage->at > 0)
        QR_TRY(write_open_piece(stage, err));
    stage->header.bytes = stage->bytes;
    stage->header.data_crc =
        qr_crc32c_join(qr_crc32c(0, data, count), stage->rest_crc, stage->bytes - count);
    qri_dir_header_put(&stage->header, stage->first);
    QR_TRY(write_piece(stage->file, stage->first, first_bytes, 0, err));
    QR_TRY(qr_file_sync(stage->file, err));
    if (!stage->cached)
        qr_file_uncache(stage->file); /* where the file system knows no direct writes */
    return QR_OK;
}

enum qr_status qri_dir_stage_end(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                 const void *head, size_t head_count, const char *if_tag,
                                 struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    assert(!own_stage->failed);
    enum qr_status status = write_end(own_stage, head, head_count, err);
    qr_file_close(QR_TAKE(own_stage->file));
    if (status == QR_OK)
        status = qri_dir_publish(dir, own_stage->name, own_stage->temp.z, if_tag, err);
    if (status == QR_OK)
        qri_dir_tag_of(&own_stage->header, ret_tag);
    else
        qri_dir_drop_temp(dir, own_stage->temp.z);
    free_stage(own_stage);
    return status;
}

void qri_dir_stage_abandon(struct qr_blob *blob, struct qr_blob_stage *own_stage)
{
    qri_dir_drop_temp((struct qri_dir *)blob, own_stage->temp.z);
    free_stage(own_stage);
}

static enum qr_status put(struct qri_dir *dir, const char *name, const struct source *from,
                          const char *if_tag, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_blob_stage *stage = NULL;
    QR_TRY(qri_dir_stage_begin(&dir->base, name, false, &stage, err));
    enum qr_status status = add(stage, from, err);
    if (status != QR_OK) {
        qri_dir_stage_abandon(&dir->base, stage);
        return status;
    }
    return qri_dir_stage_end(&dir->base, stage, NULL, 0, if_tag, ret_tag, err);
}

enum qr_status qri_dir_put_large(struct qri_dir *dir, const char *name, const void *bytes,
                                 size_t count, const char *if_tag, struct qr_blob_tag *ret_tag,
                                 struct qr_err *err)
{
    struct source from = {.bytes = bytes, .count = count};
    return put(dir, name, &from, if_tag, ret_tag, err);
}

enum qr_status qri_dir_put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                                uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                                struct qr_err *err)
{
    struct source from = {.file = file, .count = bytes};
    return put((struct qri_dir *)blob, name, &from, if_tag, ret_tag, err);
}

/* --- left by a process that is gone --- */

struct sweep {
    struct qri_dir *dir;
    struct qri_dir_path folder;
};

static bool drop_if_staged(void *arg, const char *entry)
{
    const struct sweep *sweep = arg;
    struct qri_dir_path path;
    int n = snprintf(path.z, sizeof path.z, "%s%s", sweep->folder.z, entry);
    if (strncmp(entry, "~tmp-", 5) != 0 || n <= 0 || (size_t)n >= sizeof path.z)
        return true;
    enum qr_status status = qr_env_unlink(sweep->dir->env, path.z, NULL);
    QR_LOG(&sweep->dir->log, QR_INFO, "stale_upload_removed", QR_F("path", (const char *)path.z),
           QR_F("removed", status == QR_OK));
    return true;
}

enum qr_status qri_dir_drop_stages(struct qr_blob *blob, const char *folder, struct qr_err *err)
{
    struct sweep sweep = {.dir = (struct qri_dir *)blob};
    sweep.folder = qri_dir_path_of(sweep.dir, folder, "");
    enum qr_status status =
        qr_env_list(sweep.dir->env, sweep.folder.z, drop_if_staged, &sweep, err);
    if (status != QR_NOT_FOUND)
        return status;
    if (err != NULL)
        qr_err_reset(err);
    return QR_OK;
}

/* --- reading --- */

/* The header's checksum is of the whole object, and its own damage must not take what is behind. */
enum qr_status qri_dir_open_file(struct qr_blob *blob, const char *name, struct qr_file **ret_file,
                                 uint64_t *ret_start, struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~");
    QR_TRY(qr_env_open(dir->env, path.z, QR_OPEN_READ, ret_file, err));
    *ret_start = QRI_DIR_HEADER_BYTES;
    return QR_OK;
}
