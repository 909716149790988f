/* walk.c - the entries of one page on their way to becoming the page; see pagesvc_int.h. */
#include "pagesvc_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { SCRATCH_BYTES_MAX = 256 << 20 };

void qri_walk_init(struct qri_walk *walk, uint32_t page_no, uint64_t lsn)
{
    *walk = (struct qri_walk){.page_no = page_no, .lsn = lsn};
    qr_buf_init(&walk->scratch, SCRATCH_BYTES_MAX);
}

void qri_walk_done(struct qri_walk *walk)
{
    free(walk->found);
    qr_buf_done(&walk->scratch);
}

enum qr_status qri_walk_add(struct qri_walk *walk, uint64_t lsn, const uint8_t *record,
                            uint32_t bytes, bool copy, struct qr_err *err)
{
    if (walk->count == walk->capacity) {
        size_t capacity = walk->capacity == 0 ? 32 : walk->capacity * 2;
        struct qri_found *more = realloc(walk->found, capacity * sizeof *more);
        if (more == NULL)
            return qr_fail(err, QR_NOMEM, "entries of page %u", walk->page_no);
        walk->found = more;
        walk->capacity = capacity;
    }
    struct qri_found found = {.lsn = lsn, .record = record, .scratch_at = SIZE_MAX, .bytes = bytes};
    if (copy) {
        found.scratch_at = walk->scratch.len;
        qr_buf_add(&walk->scratch, record, bytes);
        QR_TRY(qr_buf_status(&walk->scratch, err));
    }
    walk->found[walk->count++] = found;
    if (bytes > 4 && record[4] == QR_RECORD_IMAGE && lsn > walk->base_lsn) {
        walk->base_lsn = lsn;
        walk->base_found = true;
    }
    return QR_OK;
}

static int by_lsn(const void *a, const void *b)
{
    const struct qri_found *x = a, *y = b;
    return (x->lsn > y->lsn) - (x->lsn < y->lsn);
}

enum qr_status qri_walk_apply(struct qri_walk *walk, uint8_t *page, uint32_t page_bytes,
                              uint64_t *ret_lsn, struct qr_err *err)
{
    if (walk->count > 1)
        qsort(walk->found, walk->count, sizeof walk->found[0], by_lsn);
    uint64_t lsn = 0;
    bool based = false;
    /* From the newest image on: what is older could only be overwritten. */
    size_t first = walk->count;
    while (first > 0 && !based) {
        struct qri_found *f = &walk->found[--first];
        const uint8_t *record =
            f->scratch_at == SIZE_MAX ? f->record : walk->scratch.data + f->scratch_at;
        based = record[4] == QR_RECORD_IMAGE;
    }
    if (walk->count > 0 && !based)
        return qr_fail(err, QR_CORRUPT, "page %u has changes but no image before LSN %llu",
                       walk->page_no, (unsigned long long)walk->lsn);
    for (size_t i = first; i < walk->count; i++) {
        struct qri_found *f = &walk->found[i];
        if (f->lsn <= lsn)
            continue; /* a second copy, from a layer that a crash left in two shapes */
        const uint8_t *bytes =
            f->scratch_at == SIZE_MAX ? f->record : walk->scratch.data + f->scratch_at;
        struct qr_record record;
        QR_TRY(qr_record_decode(bytes, f->bytes, &record, err));
        if (record.kind != QR_RECORD_IMAGE && record.kind != QR_RECORD_DELTA)
            return qr_fail(err, QR_CORRUPT, "record of kind %d in page %u", record.kind,
                           walk->page_no);
        QR_TRY(qr_record_apply(&record, page, page_bytes, err));
        lsn = f->lsn;
    }
    if (lsn == 0)
        return qr_fail(err, QR_NOT_FOUND, "page %u did not exist at LSN %llu", walk->page_no,
                       (unsigned long long)walk->lsn);
    *ret_lsn = lsn;
    return QR_OK;
}
