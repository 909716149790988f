/* root.c - a slice's manifest in the store, and its copy; see slice_int.h and README.md.
 *
 * The copy is an object beside it, written after it: it may be behind, by what G13 allows. */
#include <string.h>
#include "slice_int.h"
#include "base/banned.h"

/* --- reading --- */

static enum qr_status read_object(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                  const char *name, struct qr_buf *buf,
                                  struct qri_manifest *ret_manifest, struct qr_blob_tag *ret_tag,
                                  struct qr_err *err)
{
    enum qr_status status = qr_blob_get(svc->options.blob, name, 0, SIZE_MAX, buf, ret_tag, err);
    if (status == QR_OK)
        status = qri_manifest_decode(buf->data, buf->len, ret_manifest, err);
    if (status == QR_OK) {
        status = qri_manifest_verify(svc->options.keyring, buf->data, buf->len, err);
        if (status != QR_OK)
            qri_manifest_done(ret_manifest);
    }
    if (status == QR_OK && (ret_manifest->id.no != id->no ||
                            !qr_timeline_eq(&ret_manifest->id.timeline, &id->timeline))) {
        qri_manifest_done(ret_manifest);
        status = qr_fail(err, QR_CORRUPT, "another slice's manifest");
    }
    return qr_wrap(err, status, "read manifest '%s'", name);
}

/* An object that is damaged, by what is known of it before it is looked at: so a put finds out that
 * somebody wrote it since. */
struct damaged {
    const char *name;
    struct qr_blob_tag tag; /* "" if there is none */
    bool is_unreadable;     /* nothing can be said of it */
};

static enum qr_status look_at_damaged(struct qr_pagesvc *svc, struct damaged *d, struct qr_err *err)
{
    struct qr_blob_info info = {0};
    enum qr_status status = qr_blob_stat(svc->options.blob, d->name, &info, NULL);
    d->tag = info.tag;
    d->is_unreadable = status == QR_CORRUPT;
    return status == QR_OK || status == QR_NOT_FOUND || d->is_unreadable
               ? QR_OK
               : qr_fail(err, status, "look at manifest '%s'", d->name);
}

/* Puts the copy where the manifest was, unless another server has done so meanwhile. */
static enum qr_status put_back(struct qr_pagesvc *svc, const struct damaged *d,
                               const struct qr_buf *copy, struct qr_blob_tag *ret_tag,
                               struct qr_err *err)
{
    struct qr_blob *blob = svc->options.blob;
    if (d->is_unreadable)
        QR_TRY(qr_blob_delete(blob, d->name, NULL, err));
    enum qr_status status = qr_blob_put(blob, d->name, copy->data, copy->len,
                                        d->is_unreadable ? "" : d->tag.z, ret_tag, err);
    QR_LOG(&svc->options.log, QR_ERROR, "manifest_damaged", QR_F("object", d->name),
           QR_F("went_on", status == QR_OK ? "its copy was put in its place" : "without it"));
    return qr_wrap(err, status, "put manifest '%s' back", d->name);
}

/* `err` has what is wrong with the manifest, and keeps it if the copy is no better. */
static enum qr_status load_copy(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                const struct damaged *d, enum qr_status damage,
                                struct qri_manifest *ret_manifest, struct qr_blob_tag *ret_tag,
                                bool *ret_put_back, struct qr_err *err)
{
    char copy_name[QRI_NAME_BYTES_MAX];
    struct qr_buf buf;
    struct qr_err local;
    qr_err_reset(&local);
    qri_manifest_copy_name(id, copy_name);
    qr_buf_init(&buf, QRI_MANIFEST_BYTES_MAX);
    enum qr_status status = read_object(svc, id, copy_name, &buf, ret_manifest, NULL, &local);
    if (status != QR_OK) {
        qr_buf_done(&buf);
        bool is_known = status == QR_NOT_FOUND || status == QR_CORRUPT || status == QR_TRUNCATED;
        return is_known ? damage : qr_fail(err, status, "%s", local.text);
    }
    if (err != NULL)
        qr_err_reset(err);
    if (ret_put_back != NULL) {
        status = put_back(svc, d, &buf, ret_tag, err);
        *ret_put_back = status == QR_OK;
        if (status != QR_OK)
            qri_manifest_done(ret_manifest);
    }
    qr_buf_done(&buf);
    return status;
}

static bool is_damage(enum qr_status status)
{
    return status == QR_CORRUPT || status == QR_NOT_FOUND || status == QR_TRUNCATED;
}

static enum qr_status load_manifest(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                    const char *name, struct qri_manifest *ret_manifest,
                                    struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, QRI_MANIFEST_BYTES_MAX);
    enum qr_status status = read_object(svc, id, name, &buf, ret_manifest, ret_tag, err);
    qr_buf_done(&buf);
    return status;
}

enum qr_status qri_manifest_load(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                 struct qri_manifest *ret_manifest, struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    qri_manifest_name(id, name);
    enum qr_status status = load_manifest(svc, id, name, ret_manifest, NULL, err);
    return is_damage(status) ? load_copy(svc, id, NULL, status, ret_manifest, NULL, NULL, err)
                             : status;
}

enum qr_status qri_manifest_restore(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                    struct qri_manifest *ret_manifest, struct qr_blob_tag *ret_tag,
                                    bool *ret_put_back, struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    struct damaged d = {.name = name};
    qri_manifest_name(id, name);
    *ret_put_back = false;
    enum qr_status status = load_manifest(svc, id, name, ret_manifest, ret_tag, err);
    if (!is_damage(status))
        return status;
    if (err != NULL)
        qr_err_reset(err);
    QR_TRY(look_at_damaged(svc, &d, err));
    status = load_manifest(svc, id, name, ret_manifest, ret_tag, err); /* now the tag tells */
    return is_damage(status)
               ? load_copy(svc, id, &d, status, ret_manifest, ret_tag, ret_put_back, err)
               : status;
}

/* --- writing --- */

static enum qr_status to_bytes(struct qr_pagesvc *svc, const struct qri_manifest *m,
                               struct qr_buf *buf, struct qr_err *err)
{
    qr_buf_init(buf, QRI_MANIFEST_BYTES_MAX);
    qri_manifest_encode(m, buf);
    return qri_manifest_seal(svc, m, buf, err);
}

enum qr_status qri_manifest_put_new(struct qr_pagesvc *svc, const struct qri_manifest *m,
                                    struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    struct qr_blob_info copy;
    qri_manifest_copy_name(&m->id, name);
    if (qr_blob_stat(svc->options.blob, name, &copy, NULL) == QR_OK)
        return qr_fail(err, QR_CONFLICT, "there is '%s'", name);
    qri_manifest_name(&m->id, name);
    struct qr_buf buf;
    enum qr_status status = to_bytes(svc, m, &buf, err);
    if (status == QR_OK)
        status = qr_blob_put(svc->options.blob, name, buf.data, buf.len, "", ret_tag, err);
    qr_buf_done(&buf);
    return qr_wrap(err, status, "make manifest '%s'", name);
}

static enum qr_status fence(struct qri_slice *slice, const char *name, struct qr_err *err)
{
    pthread_mutex_lock(&slice->mu);
    slice->health = QR_FENCED;
    pthread_mutex_unlock(&slice->mu);
    return qr_fail(err, QR_FENCED, "another server has manifest '%s'", name);
}

/* The copy is looked at before the manifest: who has taken that over looks at the copy later, so
 * one of the two puts is refused if both write. */
static enum qr_status look_at_copy(struct qri_slice *slice, const char *copy_name,
                                   struct qr_err *err)
{
    struct qr_blob *blob = slice->svc->options.blob;
    struct qr_blob_info copy = {0}, info = {0};
    char name[QRI_NAME_BYTES_MAX];
    enum qr_status status = qr_blob_stat(blob, copy_name, &copy, NULL);
    if (status == QR_CORRUPT) {
        QR_TRY(qr_blob_delete(blob, copy_name, NULL, err));
        status = QR_NOT_FOUND;
    }
    if (status != QR_OK && status != QR_NOT_FOUND)
        return qr_fail(err, status, "look at manifest '%s'", copy_name);
    qri_manifest_name(&slice->id, name);
    QR_TRY(qr_wrap(err, qr_blob_stat(blob, name, &info, err), "look at manifest '%s'", name));
    if (strcmp(info.tag.z, slice->tag.z) != 0)
        return fence(slice, name, err);
    slice->copy_tag = copy.tag; /* "" if there is none */
    slice->copy_known = true;
    return QR_OK;
}

static enum qr_status put_copy(struct qri_slice *slice, const struct qr_buf *bytes,
                               struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    struct qr_blob_tag tag;
    qri_manifest_copy_name(&slice->id, name);
    if (!slice->copy_known)
        QR_TRY(look_at_copy(slice, name, err));
    enum qr_status status = qr_blob_put(slice->svc->options.blob, name, bytes->data, bytes->len,
                                        slice->copy_tag.z, &tag, err);
    slice->copy_known = status == QR_OK;
    QR_TRY(qr_wrap(err, status, "write manifest '%s'", name));
    slice->copy_tag = tag;
    slice->copied_serial = slice->manifest.serial;
    return QR_OK;
}

enum qr_status qri_manifest_put_copy(struct qri_slice *slice, struct qr_err *err)
{
    struct qr_buf buf;
    if (slice->copied_serial == slice->manifest.serial)
        return QR_OK;
    enum qr_status status = to_bytes(slice->svc, &slice->manifest, &buf, err);
    if (status == QR_OK)
        status = put_copy(slice, &buf, err);
    qr_buf_done(&buf);
    return status;
}

/* The answer to an earlier swap of ours may have been lost. The generation tells: it is raised by
 * every attach, so a manifest of our own is one that we wrote, and what it says beyond what we
 * believe was told to nobody. It is written over. (While attaching the generation is another's.) */
static bool is_our_own(struct qri_slice *slice, const char *name)
{
    struct qr_buf buf;
    struct qr_blob_tag tag;
    struct qri_manifest found = {0};
    qr_buf_init(&buf, QRI_MANIFEST_BYTES_MAX);
    bool ours =
        slice->owns &&
        qr_blob_get(slice->svc->options.blob, name, 0, SIZE_MAX, &buf, &tag, NULL) == QR_OK &&
        qri_manifest_decode(buf.data, buf.len, &found, NULL) == QR_OK &&
        found.generation == slice->manifest.generation;
    if (ours)
        slice->tag = tag;
    qri_manifest_done(&found);
    qr_buf_done(&buf);
    return ours;
}

enum qr_status qri_manifest_swap(struct qri_slice *slice, struct qri_manifest *own_next,
                                 struct qr_err *err)
{
    struct qr_buf buf;
    char name[QRI_NAME_BYTES_MAX];
    qri_manifest_name(&slice->id, name);
    enum qr_status status = to_bytes(slice->svc, own_next, &buf, err);
    struct qr_blob_tag tag;
    struct qr_blob *blob = slice->svc->options.blob;
    if (status == QR_OK)
        status = qr_blob_put(blob, name, buf.data, buf.len, slice->tag.z, &tag, err);
    if (status == QR_CONFLICT && is_our_own(slice, name)) {
        if (err != NULL)
            qr_err_reset(err);
        status = qr_blob_put(blob, name, buf.data, buf.len, slice->tag.z, &tag, err);
    }
    if (status == QR_OK) {
        qri_manifest_done(&slice->manifest);
        slice->manifest = *own_next;
        *own_next = (struct qri_manifest){0};
        slice->tag = tag;
        (void)!put_copy(slice, &buf, NULL); /* else the worker does, or who needs it (G13) */
    }
    qr_buf_done(&buf);
    if (status == QR_OK)
        return QR_OK;
    qri_manifest_done(own_next);
    if (status == QR_CONFLICT)
        return fence(slice, name, err);
    if (status == QR_CORRUPT) { /* what is to be replaced: attached anew it has its copy */
        pthread_mutex_lock(&slice->mu);
        slice->health = status;
        pthread_mutex_unlock(&slice->mu);
    }
    return qr_wrap(err, status, "write manifest '%s'", name);
}
