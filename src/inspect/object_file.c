/* object_file.c - an object read as a file; see inspect_int.h. What is read one behind the other
 * comes in few requests. */
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/banned.h"

enum { WINDOW_BYTES = 1 << 20, NAME_MAX_BYTES = QR_BLOB_NAME_BYTES_MAX + 1 };

struct object_file {
    struct qr_file base; /* first */
    struct qr_blob *blob;
    char name[NAME_MAX_BYTES];
    uint64_t bytes, window_at;
    struct qr_buf window;
};

static enum qr_status load(struct object_file *f, uint64_t offset, size_t bytes, struct qr_err *err)
{
    uint64_t rest = f->bytes - offset;
    size_t want = bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES;
    want = want < rest ? want : (size_t)rest;
    qr_buf_clear(&f->window);
    f->window_at = offset;
    return qr_blob_get(f->blob, f->name, offset, want, &f->window, NULL, err);
}

static enum qr_status object_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                   size_t *ret_bytes, struct qr_err *err)
{
    struct object_file *f = (struct object_file *)file;
    if (offset >= f->bytes) {
        *ret_bytes = 0;
        return QR_OK;
    }
    size_t count = bytes < f->bytes - offset ? bytes : (size_t)(f->bytes - offset);
    if (offset < f->window_at || offset - f->window_at > f->window.len ||
        count > f->window.len - (offset - f->window_at)) {
        enum qr_status status = load(f, offset, count, err);
        if (status == QR_TRUNCATED)
            status = qr_fail(err, QR_CORRUPT, "'%s' is shorter than the store says", f->name);
        QR_TRY(status);
    }
    memcpy(dst, f->window.data + (offset - f->window_at), count);
    *ret_bytes = count;
    return QR_OK;
}

static enum qr_status object_size(struct qr_file *file, uint64_t *ret_bytes, struct qr_err *err)
{
    (void)err;
    *ret_bytes = ((struct object_file *)file)->bytes;
    return QR_OK;
}

static void object_close(struct qr_file *file)
{
    struct object_file *f = (struct object_file *)file;
    qr_buf_done(&f->window);
    free(f);
}

/* Nobody writes through it. */
static const struct qr_file_ops object_ops = {
    .pread = object_pread, .size = object_size, .close = object_close};

struct qr_file *qri_object_file(struct qr_blob *blob, const char *name, uint64_t bytes)
{
    struct object_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->base.ops = &object_ops;
    f->blob = blob;
    f->bytes = bytes;
    snprintf(f->name, sizeof f->name, "%s", name);
    qr_buf_init(&f->window, SIZE_MAX / 2);
    return &f->base;
}
