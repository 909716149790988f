/* backup/restore.h - a new store directory from backups.
 *
 * The newest full backup before the time, the newest differential on it, then log to the last
 * commit at or before the time. Takes as long as the data is large. Nothing is a store in the
 * directory before it is all there; what a crash leaves is taken for leftovers by the next try.
 * Errors: QR_NOT_FOUND nothing is kept of that time; QR_EXISTS there is a store; QR_CORRUPT a
 * backup is damaged; those of the blob store and of files. */
#pragma once
#include "backup/backup.h"

struct qr_restored {
    struct qr_lsn lsn; /* the last commit, and its time */
    uint64_t wall_ns;
    uint64_t pages, log_bytes, stored_bytes;
};
/* `wall_ns` UINT64_MAX: all that there is. `dir` must not exist or be left over; its parent must.
 */
QR_NODISCARD enum qr_status qr_backup_restore(const struct qr_backup_place *place, uint64_t wall_ns,
                                              const char *dir, struct qr_restored *ret_restored,
                                              struct qr_err *err);
