/* zone_file.c - files of a landing zone in a blob store; see zone.h.
 *
 * Four kinds: the lock; one that waits for its name (in memory); a segment, which grows at its end;
 * anything else, read whole. A segment's bytes never change, so what was read of it stays true. */
#include "logsvc/journal.h"
#include "logsvc_int.h"
#include "zone_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static const int64_t MS_NS = 1000000;
enum {
    WINDOW_BYTES = 1 << 20,
    WHOLE_BYTES_MAX = 256 << 20,
    PAUSE_MIN_MS = 20,
    PAUSE_MAX_MS = 2000,
    TRY_MS = 10000,
};

enum kind { KIND_LOCK, KIND_PENDING, KIND_SEGMENT, KIND_WHOLE };

struct zone_file {
    struct qr_file base; /* first */
    struct qri_zone *zone;
    char name[QRI_ZONE_NAME_BYTES];
    enum kind kind;
    pthread_mutex_t mu; /* guards what follows */
    uint64_t end;       /* of a segment: what is known to be there */
    uint64_t window_at;
    struct qr_buf window; /* a piece of a segment; all of a whole one */
};

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

static bool is_segment(const char *name)
{
    const char *file = strrchr(name, '/');
    return file != NULL && strncmp(file, "/journal.", 9) == 0 && !ends_with(name, ".tmp");
}

/* --- files that wait for their names --- */

/* With the zone's mu. */
static struct qri_zone_pending *pending_of(struct qri_zone *z, const char *name, bool make)
{
    struct qri_zone_pending *free_row = NULL;
    for (size_t i = 0; i < QRI_ZONE_PENDING_MAX; i++) {
        struct qri_zone_pending *p = &z->pending[i];
        if (strcmp(p->name, name) == 0)
            return p;
        if (p->name[0] == '\0' && free_row == NULL)
            free_row = p;
    }
    if (!make || free_row == NULL)
        return NULL;
    snprintf(free_row->name, sizeof free_row->name, "%s", name);
    qr_buf_init(&free_row->bytes, QRI_ZONE_PENDING_BYTES_MAX);
    return free_row;
}

/* A new segment is written full of zeros ahead of use; of that only its header becomes bytes. */
static enum qr_status write_pending(struct zone_file *f, const void *src, size_t bytes,
                                    uint64_t offset, struct qr_err *err)
{
    struct qri_zone *z = f->zone;
    if (ends_with(f->name, "journal.tmp") && offset >= QR_JOURNAL_HEADER_BYTES)
        return QR_OK;
    if (ends_with(f->name, "journal.tmp") && bytes > QR_JOURNAL_HEADER_BYTES - offset)
        bytes = QR_JOURNAL_HEADER_BYTES - (size_t)offset;
    pthread_mutex_lock(&z->mu);
    struct qri_zone_pending *p = pending_of(z, f->name, false);
    enum qr_status status = p == NULL ? qr_fail(err, QR_BUG, "'%s' has its name", f->name) : QR_OK;
    if (status == QR_OK && offset + bytes > p->bytes.len) {
        qr_buf_fill(&p->bytes, 0, (size_t)(offset + bytes) - p->bytes.len);
        status = qr_buf_status(&p->bytes, err);
    }
    if (status == QR_OK)
        memcpy(p->bytes.data + offset, src, bytes);
    pthread_mutex_unlock(&z->mu);
    return status;
}

/* --- writing to the store --- */

/* Not what was asked for, and it may pass: of some nobody knows whether it happened. */
static bool may_pass(enum qr_status status)
{
    return status == QR_IO || status == QR_TIMEOUT || status == QR_BUSY || status == QR_CLOSED ||
           status == QR_FULL;
}

/* Is this what is there? */
static bool is_there(struct qri_zone *z, const char *name, uint64_t offset, const void *bytes,
                     size_t count, struct qr_blob_tag *ret_tag)
{
    struct qr_buf buf;
    qr_buf_init(&buf, WHOLE_BYTES_MAX);
    bool same = qr_blob_get(z->blob, name, offset, count, &buf, ret_tag, NULL) == QR_OK &&
                buf.len == count && memcmp(buf.data, bytes, count) == 0;
    qr_buf_done(&buf);
    return same;
}

/* One after the other until the store has told what became of it; `lease_id` "" : none. */
static enum qr_status append(struct qri_zone *z, const char *name, uint64_t offset,
                             const void *bytes, size_t count, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(z->env) + TRY_MS * MS_NS, pause = PAUSE_MIN_MS * MS_NS;
    for (bool unknown = false;;) {
        struct qr_blob_tag lease = {""};
        enum qr_status status = qri_zone_hold(z, err);
        (void)qri_zone_lease_of(z, name, &lease);
        struct iovec iov = {(void *)(uintptr_t)bytes, count};
        if (status == QR_OK)
            status = qr_blob_append(z->blob, name, offset, &iov, 1, lease.z, err);
        if (status == QR_CONFLICT && unknown && is_there(z, name, offset, bytes, count, NULL))
            status = QR_OK; /* it was ours, and its answer was lost */
        if (status == QR_OK && err != NULL)
            qr_err_reset(err);
        if (!may_pass(status) || qr_env_mono_ns(z->env) > until)
            return status;
        unknown = true;
        qr_env_sleep_ns(z->env, pause);
        pause = pause < PAUSE_MAX_MS * MS_NS ? pause * 2 : pause;
    }
}

/* Blocks go in pieces of what one append may carry. */
static enum qr_status append_all(struct qri_zone *z, const char *name, uint64_t offset,
                                 const uint8_t *bytes, size_t count, struct qr_err *err)
{
    for (size_t at = 0; at < count;) {
        size_t n = count - at < QR_BLOB_APPEND_BYTES_MAX ? count - at : QR_BLOB_APPEND_BYTES_MAX;
        QR_TRY(append(z, name, offset + at, bytes + at, n, err));
        at += n;
    }
    return QR_OK;
}

static struct qri_zone_table *table_of(struct qri_zone *z, const char *name)
{
    return ends_with(name, "/" QRI_TABLE_COPY) ? &z->copy
           : ends_with(name, "/" QRI_TABLE)    ? &z->table
                                               : NULL;
}

/* What is to be written over. The copy is not read unless it is needed; and somebody who has been
 * replaced may have put it just now, once: then it has another tag than we thought. */
static enum qr_status learn_table(struct qri_zone *z, const char *name, struct qri_zone_table *t,
                                  struct qr_err *err)
{
    struct qr_blob_info info = {0};
    if (t->is_known)
        return QR_OK;
    enum qr_status status = t->is_unreadable ? QR_CORRUPT : qr_blob_stat(z->blob, name, &info, err);
    if (status == QR_CORRUPT) /* without a tag; it goes, and nothing is there then */
        status = qr_blob_delete(z->blob, name, NULL, err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    if (err != NULL)
        qr_err_reset(err);
    *t = (struct qri_zone_table){.tag = info.tag, .is_known = true};
    return QR_OK;
}

/* `timelines`: only over what this process read or wrote last, so that whoever has been replaced
 * writes nothing. Its copy comes behind it: over whatever is there. */
static enum qr_status put_table(struct qri_zone *z, const char *name, const struct qr_buf *bytes,
                                struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(z->env) + TRY_MS * MS_NS, pause = PAUSE_MIN_MS * MS_NS;
    struct qri_zone_table *t = table_of(z, name);
    if (t == NULL)
        return qr_fail(err, QR_BUG, "'%s' is no file of a landing zone", name);
    for (bool unknown = false;;) {
        struct qr_blob_tag tag;
        QR_TRY(qri_zone_hold(z, err));
        enum qr_status status = learn_table(z, name, t, err);
        bool is_put = status == QR_OK;
        if (is_put)
            status = qr_blob_put(z->blob, name, bytes->data, bytes->len, t->tag.z, &tag, err);
        if (status == QR_CONFLICT && unknown && is_there(z, name, 0, bytes->data, bytes->len, &tag))
            status = QR_OK;
        if (status == QR_OK) {
            if (err != NULL)
                qr_err_reset(err);
            t->tag = tag;
            return QR_OK;
        }
        bool again = status == QR_CONFLICT && t == &z->copy;
        t->is_known = t->is_known && !again;
        if ((!again && !may_pass(status)) || qr_env_mono_ns(z->env) > until)
            return status == QR_CONFLICT
                       ? qr_fail(err, QR_FENCED, "another log service has '%s'", name)
                       : status;
        unknown = unknown || is_put;
        qr_env_sleep_ns(z->env, pause);
        pause = pause < PAUSE_MAX_MS * MS_NS ? pause * 2 : pause;
    }
}

/* --- slots --- */

/* Only what is asked for, if it is large; else what follows it too. */
static enum qr_status load_window(struct zone_file *f, uint64_t offset, size_t count,
                                  struct qr_err *err)
{
    uint64_t rest = f->end - offset, want = count > WINDOW_BYTES ? count : WINDOW_BYTES;
    qr_buf_clear(&f->window);
    f->window_at = offset;
    return qr_blob_get(f->zone->blob, f->name, offset, (size_t)(want < rest ? want : rest),
                       &f->window, NULL, err);
}

static enum qr_status zone_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                 size_t *ret_bytes, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    if (f->kind != KIND_SEGMENT && f->kind != KIND_WHOLE)
        return qr_fail(err, QR_INVALID, "'%s' cannot be read", f->name);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&f->mu);
    uint64_t rest = offset < f->end ? f->end - offset : 0;
    size_t count = bytes < rest ? bytes : (size_t)rest;
    bool here = offset >= f->window_at && offset - f->window_at <= f->window.len &&
                count <= f->window.len - (offset - f->window_at);
    if (count > 0 && !here)
        status = load_window(f, offset, count, err);
    if (status == QR_OK && count > 0)
        memcpy(dst, f->window.data + (offset - f->window_at), count);
    pthread_mutex_unlock(&f->mu);
    if (status == QR_OK)
        *ret_bytes = count;
    return status;
}

static enum qr_status zone_pwrite(struct qr_file *file, const void *src, size_t bytes,
                                  uint64_t offset, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    if (f->kind != KIND_PENDING)
        return qr_fail(err, QR_INVALID, "'%s' grows by synced writes only", f->name);
    return write_pending(f, src, bytes, offset, err);
}

static enum qr_status zone_pwritev(struct qr_file *file, const struct iovec *iov, int iov_count,
                                   uint64_t offset, struct qr_err *err)
{
    for (int i = 0; i < iov_count; i++) {
        QR_TRY(zone_pwrite(file, iov[i].iov_base, iov[i].iov_len, offset, err));
        offset += iov[i].iov_len;
    }
    return QR_OK;
}

static enum qr_status zone_sync(struct qr_file *file, struct qr_err *err)
{
    (void)file, (void)err; /* what is in a segment is durable; what waits gets so by its name */
    return QR_OK;
}

/* Who writes to another segment does not go back: the lease on the one before is given up. */
static void note_current(struct zone_file *f)
{
    struct qri_zone *z = f->zone;
    char before[QRI_ZONE_NAME_BYTES];
    pthread_mutex_lock(&z->mu);
    snprintf(before, sizeof before, "%s", z->current);
    snprintf(z->current, sizeof z->current, "%s", f->name);
    pthread_mutex_unlock(&z->mu);
    if (before[0] != '\0' && strcmp(before, f->name) != 0)
        qri_zone_give(z, before);
}

static enum qr_status zone_pwrite_sync(struct qr_file *file, const void *src, size_t bytes,
                                       uint64_t offset, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    if (f->kind != KIND_SEGMENT)
        return zone_pwrite(file, src, bytes, offset, err);
    pthread_mutex_lock(&f->mu);
    uint64_t end = f->end;
    pthread_mutex_unlock(&f->mu);
    if (offset != end)
        return qr_fail(err, QR_INVALID, "'%s' ends at %llu, the write is for %llu", f->name,
                       (unsigned long long)end, (unsigned long long)offset);
    QR_TRY(append_all(f->zone, f->name, offset, src, bytes, err));
    pthread_mutex_lock(&f->mu);
    f->end = offset + bytes;
    pthread_mutex_unlock(&f->mu);
    note_current(f);
    return QR_OK;
}

static enum qr_status zone_preallocate(struct qr_file *file, uint64_t offset, uint64_t bytes,
                                       struct qr_err *err)
{
    (void)file, (void)offset, (void)bytes, (void)err; /* an append object has room */
    return QR_OK;
}

static enum qr_status zone_truncate(struct qr_file *file, uint64_t bytes, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    return f->kind == KIND_PENDING && bytes == 0
               ? QR_OK
               : qr_fail(err, QR_UNSUPPORTED, "'%s' cannot be cut", f->name);
}

static enum qr_status zone_size(struct qr_file *file, uint64_t *ret_bytes, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    (void)err;
    pthread_mutex_lock(&f->mu);
    *ret_bytes = f->end;
    pthread_mutex_unlock(&f->mu);
    return QR_OK;
}

static enum qr_status zone_lock(struct qr_file *file, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    if (f->kind != KIND_LOCK)
        return qr_fail(err, QR_INVALID, "'%s' is not the lock", f->name);
    return qri_zone_take(f->zone, f->name, true, err);
}

static void zone_close(struct qr_file *file)
{
    struct zone_file *f = (struct zone_file *)file;
    pthread_mutex_lock(&f->zone->mu);
    struct qri_zone_pending *p =
        f->kind == KIND_PENDING ? pending_of(f->zone, f->name, false) : NULL;
    if (p != NULL)
        p->file = NULL;
    pthread_mutex_unlock(&f->zone->mu);
    pthread_mutex_destroy(&f->mu);
    qr_buf_done(&f->window);
    free(f);
}

static const struct qr_file_ops file_ops = {
    .pread = zone_pread,
    .pwrite = zone_pwrite,
    .pwritev = zone_pwritev,
    .sync = zone_sync,
    .pwrite_sync = zone_pwrite_sync,
    .preallocate = zone_preallocate,
    .truncate = zone_truncate,
    .size = zone_size,
    .lock = zone_lock,
    .close = zone_close,
};

/* --- open --- */

static enum qr_status open_lock(struct zone_file *f, struct qr_err *err)
{
    f->kind = KIND_LOCK;
    enum qr_status status = qr_blob_put(f->zone->blob, f->name, "lock\n", 5, "", NULL, err);
    return status == QR_CONFLICT || status == QR_LOCKED ? QR_OK : status;
}

static enum qr_status open_pending(struct zone_file *f, struct qr_err *err)
{
    struct qri_zone *z = f->zone;
    f->kind = KIND_PENDING;
    pthread_mutex_lock(&z->mu);
    struct qri_zone_pending *p = pending_of(z, f->name, true);
    if (p != NULL) {
        qr_buf_clear(&p->bytes);
        p->file = &f->base;
    }
    pthread_mutex_unlock(&z->mu);
    return p != NULL ? QR_OK : qr_fail(err, QR_BUG, "too many files without a name");
}

/* Without a block an object may still be what an append left that nobody heard of: torn. */
static enum qr_status is_torn(struct zone_file *f, bool *ret_torn, struct qr_err *err)
{
    struct qr_journal_segment header;
    struct qr_buf buf;
    qr_buf_init(&buf, QR_SECTOR_BYTES);
    enum qr_status status =
        qr_blob_get(f->zone->blob, f->name, 0, QR_SECTOR_BYTES, &buf, NULL, err);
    if (status == QR_OK)
        *ret_torn = qr_journal_segment_decode(buf.data, &header, NULL) == QR_CORRUPT;
    qr_buf_done(&buf);
    return status;
}

/* Whoever wrote to it before cannot any more: its lease has ended, and its number is no longer the
 * one that counts. */
static enum qr_status open_segment(struct zone_file *f, unsigned flags, struct qr_err *err)
{
    struct qr_blob_info info;
    f->kind = KIND_SEGMENT;
    if ((flags & QR_OPEN_WRITE) != 0 && !f->zone->read_only) {
        struct qr_blob_info there;
        QR_TRY(qr_blob_stat(f->zone->blob, f->name, &there, err));
        QR_TRY(qri_zone_take(f->zone, f->name, true, err));
        qri_zone_give(f->zone, f->name);
    }
    QR_TRY(qr_blob_stat(f->zone->blob, f->name, &info, err));
    f->end = info.bytes;
    bool unused = info.bytes < QR_JOURNAL_HEADER_BYTES;
    if (info.bytes == QR_JOURNAL_HEADER_BYTES)
        QR_TRY(is_torn(f, &unused, err));
    if (!unused || f->zone->read_only)
        return QR_OK;
    /* It was being made when its maker ended; nothing was ever written to it. */
    QR_TRY(qr_blob_delete(f->zone->blob, f->name, NULL, err));
    return qr_fail(err, QR_NOT_FOUND, "'%s' was never finished", f->name);
}

static enum qr_status open_whole(struct zone_file *f, struct qr_err *err)
{
    struct qri_zone *z = f->zone;
    struct qr_blob_tag tag = {""};
    f->kind = KIND_WHOLE;
    enum qr_status status = qr_blob_get(z->blob, f->name, 0, SIZE_MAX, &f->window, &tag, err);
    struct qri_zone_table *t = table_of(z, f->name);
    if (t != NULL && (status == QR_OK || status == QR_NOT_FOUND || status == QR_CORRUPT))
        *t = (struct qri_zone_table){
            .tag = tag, .is_known = status != QR_CORRUPT, .is_unreadable = status == QR_CORRUPT};
    f->end = f->window.len;
    return status;
}

enum qr_status qri_zone_open_file(struct qr_env *env, const char *path, unsigned flags,
                                  struct qr_file **ret_file, struct qr_err *err)
{
    struct qri_zone *z = (struct qri_zone *)env;
    struct zone_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return qr_fail(err, QR_NOMEM, "open '%s'", path);
    f->base.ops = &file_ops;
    f->zone = z;
    pthread_mutex_init(&f->mu, NULL);
    qr_buf_init(&f->window, WHOLE_BYTES_MAX);
    enum qr_status status = QR_OK;
    if (!qri_zone_name(z, path, f->name))
        status = qr_fail(err, QR_INVALID, "'%s' is too long", path);
    else if (strcmp(f->name, z->lock_name) == 0)
        status = open_lock(f, err);
    else if (ends_with(f->name, ".tmp"))
        status = open_pending(f, err);
    else if (is_segment(f->name))
        status = open_segment(f, flags, err);
    else
        status = open_whole(f, err);
    if (status != QR_OK) {
        zone_close(&f->base);
        return status;
    }
    *ret_file = &f->base;
    return QR_OK;
}

/* --- names --- */

static enum qr_status make_segment(struct qri_zone *z, const char *name, struct qr_buf *header,
                                   struct qr_file *file, struct qr_err *err)
{
    struct zone_file *f = (struct zone_file *)file;
    qr_buf_fill(header, 0, QR_JOURNAL_HEADER_BYTES - header->len);
    QR_TRY(qr_buf_status(header, err));
    enum qr_status status = append_all(z, name, 0, header->data, header->len, err);
    /* One that an earlier try left without a lease: who has the lock may take it. */
    if (status == QR_CONFLICT && is_there(z, name, 0, header->data, header->len, NULL)) {
        if (err != NULL)
            qr_err_reset(err);
        status = QR_OK;
    }
    QR_TRY(status);
    QR_TRY(qri_zone_take(z, name, true, err));
    if (f != NULL) {
        pthread_mutex_lock(&f->mu);
        f->kind = KIND_SEGMENT;
        f->end = header->len;
        snprintf(f->name, sizeof f->name, "%s", name);
        pthread_mutex_unlock(&f->mu);
    }
    return QR_OK;
}

enum qr_status qri_zone_rename(struct qr_env *env, const char *from, const char *to,
                               struct qr_err *err)
{
    struct qri_zone *z = (struct qri_zone *)env;
    char old_name[QRI_ZONE_NAME_BYTES], name[QRI_ZONE_NAME_BYTES];
    if (!qri_zone_name(z, from, old_name) || !qri_zone_name(z, to, name))
        return qr_fail(err, QR_INVALID, "'%s' is too long", to);
    pthread_mutex_lock(&z->mu);
    struct qri_zone_pending *p = pending_of(z, old_name, false), taken = {.name = ""};
    if (p != NULL) {
        taken = *p;
        *p = (struct qri_zone_pending){.name = ""};
    }
    pthread_mutex_unlock(&z->mu);
    if (p == NULL) /* an object keeps its name: a segment is not used twice */
        return qr_fail(err, QR_UNSUPPORTED, "'%s' keeps its name", from);
    enum qr_status status = is_segment(name) ? make_segment(z, name, &taken.bytes, taken.file, err)
                                             : put_table(z, name, &taken.bytes, err);
    qr_buf_done(&taken.bytes);
    return status;
}
