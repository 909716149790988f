/* choose.c - see backup_int.h: which backups lead to a time */
#include "backup_int.h"
#include "base/banned.h"

static const struct qr_backup_row *older_full(const struct qr_backup_catalog *c,
                                              uint64_t until_wall_ns,
                                              const struct qr_backup_row *than)
{
    const struct qr_backup_row *newest = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct qr_backup_row *row = &c->rows[i];
        if (row->kind == QR_BACKUP_FULL && row->wall_ns <= until_wall_ns &&
            (than == NULL || row->chain < than->chain))
            newest = row; /* they are in order of their chains */
    }
    return newest;
}

/* The differential one on it, taken before `than` (NULL: the newest). */
static const struct qr_backup_row *older_diff(const struct qr_backup_catalog *c,
                                              uint64_t until_wall_ns,
                                              const struct qr_backup_row *full,
                                              const struct qr_backup_row *than)
{
    const struct qr_backup_row *newest = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct qr_backup_row *row = &c->rows[i];
        if (row->kind == QR_BACKUP_DIFF && row->wall_ns <= until_wall_ns &&
            row->chain == full->chain && row->base.v == full->last.v &&
            (than == NULL || row->seq < than->seq))
            newest = row;
    }
    return newest;
}

enum qr_status qri_choose_base(const struct qr_backup_catalog *catalog, uint64_t until_wall_ns,
                               uint32_t attempt, struct qri_choice *ret_choice, struct qr_err *err)
{
    const struct qr_backup_row *full = older_full(catalog, until_wall_ns, NULL), *diff;
    for (; full != NULL; full = older_full(catalog, until_wall_ns, full)) {
        diff = older_diff(catalog, until_wall_ns, full, NULL);
        for (;; attempt--) {
            if (attempt == 0) {
                *ret_choice = (struct qri_choice){full, diff, diff != NULL ? diff : full};
                return QR_OK;
            }
            if (diff == NULL)
                break;
            diff = older_diff(catalog, until_wall_ns, full, diff);
        }
        attempt--;
    }
    return qr_fail(err, QR_NOT_FOUND, "there is no full backup of that time");
}

bool qr_backup_reaches(const struct qr_backup_catalog *c, uint64_t wall_ns)
{
    bool reaches = false;
    for (size_t i = 0; i < c->count && !reaches; i++) {
        const struct qr_backup_row *row = &c->rows[i];
        bool begins = row->kind == QR_BACKUP_LOG || row->wall_ns <= wall_ns; /* it is the base */
        reaches = begins && wall_ns <= row->taken_wall_ns;
    }
    return reaches;
}

const struct qr_backup_row *qri_log_at(const struct qr_backup_catalog *c, uint64_t lsn)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->rows[i].kind == QR_BACKUP_LOG && c->rows[i].first.v <= lsn &&
            lsn < c->rows[i].last.v)
            return &c->rows[i];
    return NULL;
}
