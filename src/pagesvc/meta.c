/* meta.c - what a timeline knows beside its pages; see pagesvc_int.h. */
#include "pagesvc_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum { META_HEADER_BYTES = 44, COUNTER_BYTES = 16 };

void qri_meta_done(struct qri_meta *meta)
{
    free(meta->counters);
    *meta = (struct qri_meta){0};
}

static enum qr_status reserve(struct qri_meta *meta, size_t count, struct qr_err *err)
{
    if (count <= meta->capacity)
        return QR_OK;
    if (count > QRI_COUNTERS_MAX)
        return qr_fail(err, QR_TOO_BIG, "more than %d counters", QRI_COUNTERS_MAX);
    size_t capacity = meta->capacity * 2 > count ? meta->capacity * 2 : count + 16;
    struct qri_counter *more = realloc(meta->counters, capacity * sizeof *more);
    if (more == NULL)
        return qr_fail(err, QR_NOMEM, "counters");
    meta->counters = more;
    meta->capacity = capacity;
    return QR_OK;
}

enum qr_status qri_meta_copy(const struct qri_meta *meta, struct qri_meta *ret_copy,
                             struct qr_err *err)
{
    struct qri_meta copy = {.mark = meta->mark, .epoch = meta->epoch};
    QR_TRY(reserve(&copy, meta->count, err));
    if (meta->count > 0)
        memcpy(copy.counters, meta->counters, meta->count * sizeof copy.counters[0]);
    copy.count = meta->count;
    *ret_copy = copy;
    return QR_OK;
}

/* Where `id` is or would be. */
static size_t find(const struct qri_meta *meta, uint64_t id)
{
    size_t low = 0, high = meta->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (meta->counters[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

enum qr_status qri_meta_apply(struct qri_meta *meta, const struct qri_change *change,
                              struct qr_err *err)
{
    if (change->id == 0) {
        meta->epoch = (uint64_t)change->next;
        return QR_OK;
    }
    size_t at = find(meta, change->id);
    bool there = at < meta->count && meta->counters[at].id == change->id;
    struct qri_counter *c = meta->counters;
    if (change->drop) {
        if (there)
            memmove(c + at, c + at + 1, (--meta->count - at) * sizeof *c);
        return QR_OK;
    }
    if (!there) {
        QR_TRY(reserve(meta, meta->count + 1, err));
        c = meta->counters;
        memmove(c + at + 1, c + at, (meta->count++ - at) * sizeof *c);
    }
    c[at] = (struct qri_counter){.id = change->id, .next = change->next};
    return QR_OK;
}

void qri_mark_encode(const struct qri_mark *mark, struct qr_buf *buf)
{
    qr_buf_add64le(buf, mark->lsn);
    qr_buf_add64le(buf, mark->wall_ns);
    qr_buf_add64le(buf, mark->commit_no);
    qr_buf_add32le(buf, mark->db_pages);
}

void qri_mark_decode(const uint8_t bytes[QRI_MARK_BYTES], struct qri_mark *ret_mark)
{
    *ret_mark = (struct qri_mark){.lsn = qr_get64le(bytes),
                                  .wall_ns = qr_get64le(bytes + 8),
                                  .commit_no = qr_get64le(bytes + 16),
                                  .db_pages = qr_get32le(bytes + 24)};
}

void qri_change_encode(const struct qri_change *change, struct qr_buf *buf)
{
    qr_buf_add64le(buf, change->lsn);
    qr_buf_add64le(buf, change->id);
    qr_buf_add64le(buf, (uint64_t)change->next);
    qr_buf_add8(buf, change->drop);
}

void qri_change_decode(const uint8_t bytes[QRI_CHANGE_BYTES], struct qri_change *ret_change)
{
    *ret_change = (struct qri_change){.lsn = qr_get64le(bytes),
                                      .id = qr_get64le(bytes + 8),
                                      .next = (int64_t)qr_get64le(bytes + 16),
                                      .drop = bytes[24] != 0};
}

void qri_meta_encode(const struct qri_meta *meta, struct qr_buf *buf)
{
    qri_mark_encode(&meta->mark, buf);
    qr_buf_add64le(buf, meta->epoch);
    qr_buf_add64le(buf, meta->count);
    for (size_t i = 0; i < meta->count; i++) {
        qr_buf_add64le(buf, meta->counters[i].id);
        qr_buf_add64le(buf, (uint64_t)meta->counters[i].next);
    }
}

enum qr_status qri_meta_decode(const uint8_t *bytes, size_t count, struct qri_meta *ret_meta,
                               struct qr_err *err)
{
    if (count < META_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "meta of %zu bytes", count);
    struct qri_meta meta = {.epoch = qr_get64le(bytes + QRI_MARK_BYTES)};
    qri_mark_decode(bytes, &meta.mark);
    uint64_t counters = qr_get64le(bytes + QRI_MARK_BYTES + 8);
    if (counters > QRI_COUNTERS_MAX || count != META_HEADER_BYTES + counters * COUNTER_BYTES)
        return qr_fail(err, QR_CORRUPT, "meta of %zu bytes for %llu counters", count,
                       (unsigned long long)counters);
    QR_TRY(reserve(&meta, counters, err));
    const uint8_t *p = bytes + META_HEADER_BYTES;
    for (size_t i = 0; i < counters; i++, p += COUNTER_BYTES) {
        meta.counters[i] =
            (struct qri_counter){.id = qr_get64le(p), .next = (int64_t)qr_get64le(p + 8)};
        if (i > 0 && meta.counters[i].id <= meta.counters[i - 1].id) {
            qri_meta_done(&meta);
            return qr_fail(err, QR_CORRUPT, "meta's counters are out of order");
        }
    }
    meta.count = counters;
    qri_meta_done(ret_meta);
    *ret_meta = meta;
    return QR_OK;
}

enum qr_status qri_meta_fold(struct qri_meta *meta, const struct qr_buf *marks,
                             const struct qr_buf *changes, uint64_t lsn, struct qr_err *err)
{
    size_t low = 0, high = marks->len / QRI_MARK_BYTES;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (qr_get64le(marks->data + mid * QRI_MARK_BYTES) <= lsn)
            low = mid + 1;
        else
            high = mid;
    }
    if (low > 0)
        qri_mark_decode(marks->data + (low - 1) * QRI_MARK_BYTES, &meta->mark);
    for (size_t at = 0; at + QRI_CHANGE_BYTES <= changes->len; at += QRI_CHANGE_BYTES) {
        struct qri_change change;
        qri_change_decode(changes->data + at, &change);
        if (change.lsn > lsn)
            break;
        QR_TRY(qri_meta_apply(meta, &change, err));
    }
    return QR_OK;
}
