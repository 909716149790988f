/* longterm.c - old log as objects in the blob store; see logsvc/piece.h for their form.
 *
 * Objects of a timeline do not overlap, and one is written only if its name is free. After a crash
 * the destaged LSN may be older than what was written; the object found under the name is then
 * taken over, because hardened log never changes. There is no list of objects in memory: names sort
 * like LSNs, and a prefix of the wanted LSN's digits lists its neighbours. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "blob/blob.h"
#include "page/compress.h"
#include "base/banned.h"

enum {
    NAME_BYTES = 4 + QR_TIMELINE_HEX_BYTES + 16 + 1, /* the hex digits end with a slash here */
    LSN_DIGITS = 16,
    CUT_BYTES_MIN = 512,   /* no reader needs to get less of a piece, half a record, say */
    DIGITS_CUT_FIRST = 6,  /* 16 MiB of log: a few objects */
    PACK_BYTES_MIN = 4096, /* smaller objects are not compressed */
};

static void object_name(const struct qri_timeline *tl, uint64_t lsn, char dst[NAME_BYTES])
{
    snprintf(dst, NAME_BYTES, "log/%s/%016llx", tl->name, (unsigned long long)lsn);
}

/* --- finding --- */

struct neighbours {
    uint64_t lsn;
    bool any_low, any_high;
    uint64_t low, high; /* the last object at or before lsn, the first one behind */
};

static bool look_at_name(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct neighbours *n = arg;
    size_t len = strlen(name);
    if (len != NAME_BYTES - 1 || strspn(name + len - LSN_DIGITS, "0123456789abcdef") != LSN_DIGITS)
        return true; /* not ours */
    uint64_t first = strtoull(name + len - LSN_DIGITS, NULL, 16);
    if (first > n->lsn) {
        n->high = first;
        n->any_high = true;
        return false;
    }
    n->low = first;
    n->any_low = true;
    return true;
}

static enum qr_status list_around(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                  uint64_t lsn, int digits_cut, struct neighbours *ret_n,
                                  struct qr_err *err)
{
    char prefix[NAME_BYTES];
    object_name(tl, lsn, prefix);
    prefix[NAME_BYTES - 1 - digits_cut] = '\0';
    *ret_n = (struct neighbours){.lsn = lsn};
    return qr_blob_list(svc->options.blob, prefix, look_at_name, ret_n, err);
}

static enum qr_status get_header(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                 uint64_t first_lsn, struct qr_log_object *ret_object,
                                 struct qr_err *err)
{
    char name[NAME_BYTES];
    object_name(tl, first_lsn, name);
    struct qr_buf buf;
    qr_buf_init(&buf, QR_LOG_OBJECT_HEADER_BYTES);
    enum qr_status status =
        qr_blob_get(svc->options.blob, name, 0, QR_LOG_OBJECT_HEADER_BYTES, &buf, NULL, err);
    if (status == QR_TRUNCATED)
        status = qr_fail(err, QR_CORRUPT, "'%s' is too short", name);
    if (status == QR_OK)
        status = qr_log_object_header(buf.data, buf.len, ret_object, err);
    if (status == QR_OK &&
        (ret_object->first_lsn != first_lsn || !qr_timeline_eq(&ret_object->timeline, &tl->id)))
        status = qr_fail(err, QR_CORRUPT, "'%s' holds other log", name);
    qr_buf_done(&buf);
    return status;
}

enum qr_status qri_longterm_find(struct qr_logsvc *svc, const struct qri_timeline *tl, uint64_t lsn,
                                 struct qr_log_object *ret_object, struct qr_err *err)
{
    bool low_seen = false;
    for (int cut = DIGITS_CUT_FIRST; cut <= LSN_DIGITS; cut++) {
        struct neighbours n;
        QR_TRY(list_around(svc, tl, lsn, cut, &n, err));
        if (n.any_low && !low_seen) {
            QR_TRY(get_header(svc, tl, n.low, ret_object, err));
            if (ret_object->end_lsn > lsn)
                return QR_OK;
            low_seen = true; /* lsn lies in a gap behind it */
        }
        /* With the range cut short, something nearer may be in front of it only, never behind. */
        if (n.any_high && (low_seen || cut == LSN_DIGITS))
            return get_header(svc, tl, n.high, ret_object, err);
    }
    return qr_fail(err, QR_NOT_FOUND, "no long-term log at %llu", (unsigned long long)lsn);
}

/* --- reading --- */

static enum qr_status get_object(struct qr_logsvc *svc, const struct qri_timeline *tl, uint64_t lsn,
                                 struct qr_buf *buf, struct qr_log_object *ret_object,
                                 struct qr_err *err)
{
    char name[NAME_BYTES];
    object_name(tl, lsn, name); /* who reads on asks for exactly this */
    enum qr_status status = qr_blob_get(svc->options.blob, name, 0, SIZE_MAX, buf, NULL, err);
    if (status == QR_NOT_FOUND) {
        struct qr_log_object found;
        QR_TRY(qri_longterm_find(svc, tl, lsn, &found, err));
        object_name(tl, found.first_lsn, name);
        qr_buf_clear(buf);
        status = qr_blob_get(svc->options.blob, name, 0, SIZE_MAX, buf, NULL, err);
    }
    QR_TRY(status);
    QR_TRY(qr_wrap(err, qr_log_object_unpack(buf, svc->options.keyring, ret_object, err), "'%s'",
                   name));
    return qr_timeline_eq(&ret_object->timeline, &tl->id)
               ? QR_OK
               : qr_fail(err, QR_CORRUPT, "'%s' holds other log", name);
}

enum qr_status qri_longterm_read(struct qr_logsvc *svc, struct qri_timeline *tl,
                                 struct qri_log_emit *emit, struct qr_err *err)
{
    if (svc->options.blob == NULL)
        return qr_fail(err, QR_CORRUPT, "log at %llu is gone and there is no long-term storage",
                       (unsigned long long)emit->next_lsn);
    struct qr_buf buf;
    qr_buf_init(&buf, QR_LOG_OBJECT_BYTES_MAX + QR_LOG_OBJECT_HEADER_BYTES);
    struct qr_log_object object;
    enum qr_status status = get_object(svc, tl, emit->next_lsn, &buf, &object, err);
    for (size_t at = QR_LOG_OBJECT_HEADER_BYTES; status == QR_OK && at < buf.len && !emit->full;) {
        struct qr_piece piece;
        status = qr_piece_next(buf.data, buf.len, &at, &piece, err);
        /* A whole object may be one merged piece: what is wanted of it is cut out. */
        if (status == QR_OK && piece.first_lsn + piece.bytes > emit->next_lsn) {
            uint64_t from = piece.first_lsn > emit->next_lsn ? piece.first_lsn : emit->next_lsn;
            uint64_t max = emit->bytes_max - emit->bytes;
            if (emit->bytes > 0 && max < CUT_BYTES_MIN)
                break;
            max = max < CUT_BYTES_MIN ? CUT_BYTES_MIN : max;
            if (piece.first_lsn + piece.bytes - from > max) {
                piece.bytes = (uint32_t)(from + max - piece.first_lsn);
                piece.commit_lsn = piece.commit_wall_ns = 0; /* lies behind, or is not known */
            }
            status = qri_log_emit_piece(emit, &piece, err);
        }
    }
    qr_buf_done(&buf);
    return status;
}

/* --- writing --- */

/* The next piece of the timeline's log, without a gap inside. */
static enum qr_status gather(struct qr_logsvc *svc, struct qri_timeline *tl, struct qr_buf *buf,
                             struct qr_log_object *object, struct qr_err *err)
{
    size_t head = QR_LOG_OBJECT_HEADER_BYTES, at = head;
    qr_buf_fill(buf, 0, head);
    uint64_t next = object->first_lsn;
    /* No read for a little more: it would read a block of which the next object needs the rest. */
    for (size_t got = 0; buf->failed == QR_OK && at - head + got < svc->options.object_bytes;) {
        size_t want = svc->options.object_bytes - (at - head);
        QR_TRY(qri_read(svc, tl, next, want, buf, err));
        got = buf->len - at;
        if (got == 0)
            break;
        while (at < buf->len) {
            struct qr_piece piece;
            size_t start = at;
            QR_TRY(qr_piece_next(buf->data, buf->len, &at, &piece, err));
            if (start == head)
                object->first_lsn = next = piece.first_lsn;
            if (piece.first_lsn != next) { /* a jump into an epoch: the next object's */
                buf->len = start;
                object->end_lsn = next;
                return QR_OK;
            }
            next += piece.bytes;
            if (piece.commit_lsn != 0) {
                object->commit_lsn = piece.commit_lsn;
                object->commit_wall_ns = piece.commit_wall_ns;
            }
        }
    }
    object->end_lsn = next;
    return qr_buf_status(buf, err);
}

/* Compresses what was gathered, if that pays, encrypts it, and writes the header before it. */
static enum qr_status pack(struct qr_logsvc *svc, struct qr_buf *buf, struct qr_log_object *object,
                           struct qr_err *err)
{
    size_t head = QR_LOG_OBJECT_HEADER_BYTES, raw = buf->len - head, count = 0;
    size_t bound = qr_compress_bound(QR_COMPRESSION_ZSTD, raw);
    struct qr_buf packed;
    qr_buf_init(&packed, head + bound);
    object->raw_bytes = raw;
    object->compression = QR_COMPRESSION_NONE;
    if (!svc->options.compression_off && raw >= PACK_BYTES_MIN &&
        qr_buf_reserve(&packed, head + bound) != NULL)
        count = qr_compress(QR_COMPRESSION_ZSTD, buf->data + head, raw, packed.data + head, bound);
    if (count > 0) {
        object->compression = QR_COMPRESSION_ZSTD;
        packed.len = head + count;
        packed.bytes_max = buf->bytes_max; /* the next object is gathered in it */
        qr_buf_done(buf);
        *buf = packed;
    } else {
        qr_buf_done(&packed);
    }
    struct qr_cipher_key key;
    bool encrypted = svc->options.keyring != NULL;
    if (encrypted)
        QR_TRY(qri_object_cipher(svc, &object->timeline, &key, err));
    return qr_log_object_seal(buf, object, encrypted ? &key : NULL, err);
}

/* Where the next object of the timeline begins; UINT64_MAX: there is none. */
static enum qr_status first_behind(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                   uint64_t lsn, uint64_t *ret_lsn, struct qr_err *err)
{
    struct neighbours n = {.lsn = lsn};
    for (int cut = DIGITS_CUT_FIRST; cut <= LSN_DIGITS && !n.any_high; cut++)
        QR_TRY(list_around(svc, tl, lsn, cut, &n, err));
    *ret_lsn = n.any_high ? n.high : UINT64_MAX;
    return QR_OK;
}

/* An earlier process wrote the object from the log that is at hand, and its header is damaged, in
 * the store or on the way here: nothing is lost. What lies behind it says where it ended; the last
 * one is written anew. */
static enum qr_status go_past_damaged(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                      const struct qr_buf *buf, struct qr_log_object *object,
                                      struct qr_err *err)
{
    char name[NAME_BYTES];
    struct qr_blob_tag tag;
    struct qr_log_object behind;
    uint64_t next = 0;
    object_name(tl, object->first_lsn, name);
    QR_LOG(&svc->options.log, QR_ERROR, "log_object_damaged", QR_F("object", (const char *)name));
    QR_TRY(first_behind(svc, tl, object->first_lsn, &next, err));
    if (next == UINT64_MAX) {
        QR_TRY(qr_blob_delete(svc->options.blob, name, NULL, err));
        return qr_blob_put(svc->options.blob, name, buf->data, buf->len, "", &tag, err);
    }
    enum qr_status status = get_header(svc, tl, next, &behind, err);
    QR_TRY(status); /* if it is damaged as well qri_longterm_resume is asked, and says so */
    object->end_lsn = next;
    object->commit_lsn = behind.before_commit_lsn;
    object->commit_wall_ns = behind.before_wall_ns;
    return QR_OK;
}

static enum qr_status put_object(struct qr_logsvc *svc, struct qri_timeline *tl, struct qr_buf *buf,
                                 struct qr_log_object *object, struct qr_err *err)
{
    char name[NAME_BYTES];
    struct qr_blob_tag tag;
    QR_TRY(pack(svc, buf, object, err));
    object_name(tl, object->first_lsn, name);
    enum qr_status status =
        qr_blob_put(svc->options.blob, name, buf->data, buf->len, "", &tag, err);
    if (status != QR_CONFLICT)
        return status;
    pthread_mutex_lock(&svc->mu);
    uint64_t end_max = tl->hard.end_lsn;
    pthread_mutex_unlock(&svc->mu);
    struct qr_log_object there;
    status = get_header(svc, tl, object->first_lsn, &there, err);
    if (status == QR_CORRUPT) {
        if (err != NULL)
            qr_err_reset(err);
        QR_TRY(go_past_damaged(svc, tl, buf, object, err));
    } else {
        QR_TRY(status);
        *object = there;
    }
    return object->end_lsn <= end_max
               ? QR_OK
               : qr_fail(err, QR_CORRUPT, "'%s' holds log that was never hardened here", name);
}

enum qr_status qri_longterm_store(struct qr_logsvc *svc, struct qri_timeline *tl,
                                  struct qr_buf *buf, struct qr_log_object *object,
                                  struct qr_err *err)
{
    QR_TRY(put_object(svc, tl, buf, object, err));
    pthread_mutex_lock(&svc->mu);
    tl->destaged_lsn = object->end_lsn;
    tl->destaged_commit_lsn = object->commit_lsn;
    tl->destaged_wall_ns = object->commit_wall_ns;
    tl->undestaged_since_ns = object->end_lsn < tl->hard.end_lsn ? qr_env_mono_ns(svc->env) : 0;
    svc->stats.objects_written++;
    svc->stats.object_bytes_written += buf->len;
    pthread_mutex_unlock(&svc->mu);
    return QR_OK;
}

enum qr_status qri_longterm_put(struct qr_logsvc *svc, struct qri_timeline *tl, struct qr_err *err)
{
    struct qr_log_object object = {.timeline = tl->id};
    pthread_mutex_lock(&svc->mu);
    object.first_lsn = tl->destaged_lsn;
    object.before_commit_lsn = object.commit_lsn = tl->destaged_commit_lsn;
    object.before_wall_ns = object.commit_wall_ns = tl->destaged_wall_ns;
    pthread_mutex_unlock(&svc->mu);
    struct qr_buf buf;
    qr_buf_init(&buf, QR_LOG_OBJECT_BYTES_MAX);
    enum qr_status status = gather(svc, tl, &buf, &object, err);
    if (status == QR_OK && buf.len > QR_LOG_OBJECT_HEADER_BYTES)
        status = qri_longterm_store(svc, tl, &buf, &object, err);
    qr_buf_done(&buf);
    return status;
}

/* An object that begins behind the destaged LSN was written by an earlier process, behind all that
 * is before it; else the last one may have what is looked for. */
enum qr_status qri_longterm_resume(struct qr_logsvc *svc, struct qri_timeline *tl,
                                   struct qr_err *err)
{
    struct qr_log_object object;
    uint64_t next = 0;
    pthread_mutex_lock(&svc->mu);
    uint64_t destaged = tl->destaged_lsn, end = tl->hard.end_lsn;
    pthread_mutex_unlock(&svc->mu);
    QR_TRY(first_behind(svc, tl, destaged, &next, err));
    enum qr_status status = next != UINT64_MAX ? get_header(svc, tl, next, &object, err)
                                               : qri_longterm_find(svc, tl, destaged, &object, err);
    if (status == QR_CORRUPT || status == QR_TRUNCATED)
        return qr_fail(err, QR_IO, "long-term log of timeline %s is damaged", tl->name);
    QR_TRY(status);
    if (object.end_lsn > end) /* not of this journal */
        return qr_fail(err, QR_NOT_FOUND, "log at %llu is nowhere", (unsigned long long)destaged);
    pthread_mutex_lock(&svc->mu);
    tl->destaged_lsn = next != UINT64_MAX ? next : object.end_lsn;
    tl->destaged_commit_lsn = next != UINT64_MAX ? object.before_commit_lsn : object.commit_lsn;
    tl->destaged_wall_ns = next != UINT64_MAX ? object.before_wall_ns : object.commit_wall_ns;
    pthread_mutex_unlock(&svc->mu);
    return QR_OK;
}

/* --- deleting --- */

enum { DELETE_MAX = 64 };

struct doomed {
    uint64_t lsn;
    uint64_t first[DELETE_MAX];
    size_t count, max;
    uint64_t last; /* the one before, whose end is not known until the next is seen */
    bool any_last;
};

static bool doom(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct doomed *d = arg;
    size_t len = strlen(name);
    if (len != NAME_BYTES - 1)
        return true;
    uint64_t first = strtoull(name + len - LSN_DIGITS, NULL, 16);
    if (d->any_last && first <= d->lsn && d->count < d->max)
        d->first[d->count++] = d->last; /* it ends before this one begins */
    d->last = first;
    d->any_last = true;
    return first <= d->lsn && d->count < d->max;
}

enum qr_status qri_longterm_delete(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                   uint64_t lsn, uint32_t max, uint32_t *ret_count,
                                   struct qr_err *err)
{
    struct doomed d = {.lsn = lsn, .max = max < DELETE_MAX ? max : DELETE_MAX};
    char prefix[NAME_BYTES];
    snprintf(prefix, sizeof prefix, "log/%s/", tl->name);
    QR_TRY(qr_blob_list(svc->options.blob, prefix, doom, &d, err));
    if (lsn == UINT64_MAX && d.any_last && d.count < d.max)
        d.first[d.count++] = d.last;
    for (size_t i = 0; i < d.count; i++) {
        char name[NAME_BYTES];
        object_name(tl, d.first[i], name);
        QR_TRY(qr_blob_delete(svc->options.blob, name, NULL, err));
    }
    *ret_count = (uint32_t)d.count;
    return QR_OK;
}
