/* verify.c - see backup/backup.h: reads all that is named */
#include <stdlib.h>
#include "backup_int.h"
#include "base/banned.h"

struct verify {
    const struct qr_backup_place *place;
    const struct qr_backup_catalog *catalog;
    struct qr_buf raw;
    uint8_t page[QR_PAGE_BYTES_MAX];
    struct qr_backup_report report;
};

static enum qr_status check_pages(struct verify *v, const struct qr_backup_row *row, uint32_t *last,
                                  struct qr_err *err)
{
    for (size_t at = 0; at < v->raw.len;) {
        uint32_t page_no = 0;
        struct qr_lsn version;
        QR_TRY(qri_page_next(&v->raw, &at, row->page_bytes, &page_no, &version, v->page, err));
        bool follows = row->kind == QR_BACKUP_FULL ? page_no == *last + 1 : page_no > *last;
        if (!follows || page_no > row->pages || version.v > row->last.v)
            return qr_fail(err, QR_CORRUPT, "page %u of LSN %llu follows page %u", page_no,
                           (unsigned long long)version.v, *last);
        *last = page_no;
        v->report.pages++;
    }
    return QR_OK;
}

static enum qr_status no_record(void *ctx, const struct qr_record *rec, uint64_t start_lsn,
                                struct qr_err *err)
{
    (void)ctx, (void)rec, (void)start_lsn, (void)err;
    return QR_OK;
}

static enum qr_status check_log(struct verify *v, struct qri_log_walk *walk, struct qr_err *err)
{
    for (size_t at = 0; at < v->raw.len;) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(v->raw.data, v->raw.len, &at, &piece, err));
        QR_TRY(qri_log_walk_piece(walk, &piece, no_record, NULL, err));
    }
    return QR_OK;
}

static enum qr_status check_set(struct verify *v, const struct qr_backup_row *row,
                                struct qri_log_walk *walk, struct qr_err *err)
{
    uint32_t last = 0;
    uint64_t stored = 0;
    for (uint32_t i = 0; i < row->part_count; i++) {
        struct qri_part part;
        qr_buf_clear(&v->raw);
        QR_TRY(qri_part_get(v->place, row, i, &part, &v->raw, err));
        if (part.content == QRI_CONTENT_PAGES)
            QR_TRY(check_pages(v, row, &last, err));
        if (part.content == QRI_CONTENT_LOG)
            QR_TRY(check_log(v, walk, err));
        stored += part.stored_bytes + QRI_PART_HEADER_BYTES;
        v->report.parts++;
    }
    bool whole = row->kind == QR_BACKUP_FULL  ? last == row->pages
                 : row->kind == QR_BACKUP_LOG ? walk->next_lsn == row->last.v
                                              : true;
    if (!whole || stored != row->stored_bytes)
        return qr_fail(err, QR_CORRUPT, "backup %u of chain %u is not whole", row->seq, row->chain);
    v->report.stored_bytes += stored;
    v->report.backups++;
    return QR_OK;
}

/* Log backups continue each other, or begin where a full backup is. */
static void count_gap(struct verify *v, const struct qr_backup_row *row, uint64_t *log_end)
{
    if (*log_end != 0 && row->first.v != *log_end)
        v->report.gaps++;
    *log_end = row->last.v;
}

static enum qr_status check_all(struct verify *v, struct qr_err *err)
{
    uint64_t log_end = 0;
    for (size_t i = 0; i < v->catalog->count; i++) {
        const struct qr_backup_row *row = &v->catalog->rows[i];
        struct qri_log_walk walk;
        qri_log_walk_init(&walk, row->first.v);
        enum qr_status status = check_set(v, row, &walk, err);
        qri_log_walk_done(&walk);
        QR_TRY(status);
        if (i > 0 && !qr_timeline_eq(&row->timeline, &row[-1].timeline))
            log_end = 0;
        if (row->kind == QR_BACKUP_LOG)
            count_gap(v, row, &log_end);
    }
    return QR_OK;
}

enum qr_status qr_backup_verify(const struct qr_backup_place *place,
                                struct qr_backup_report *ret_report, struct qr_err *err)
{
    struct qr_backup_catalog catalog;
    QR_TRY(qr_wrap(err, qr_backup_list(place, &catalog, err), "list backups"));
    struct verify *v = calloc(1, sizeof *v);
    enum qr_status status =
        v == NULL ? qr_fail(err, QR_NOMEM, "verify") : qri_check_newest(&catalog, NULL, err);
    if (status == QR_OK) {
        v->place = place;
        v->catalog = &catalog;
        qr_buf_init(&v->raw, QRI_PART_RAW_BYTES_MAX + 1);
        status = check_all(v, err);
        qr_buf_done(&v->raw);
    }
    if (status == QR_OK)
        *ret_report = v->report;
    free(v);
    qr_backup_catalog_done(&catalog);
    return status;
}
