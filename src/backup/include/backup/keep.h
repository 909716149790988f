/* backup/keep.h - a copy of what restores a store's newest state, in a place of its own.
 *
 * It has what leads to the newest commit that is in a backup: a full backup, the newest
 * differential on it that is sound, and log. Every part is checked, and encrypted under a key of
 * its own: it needs nothing of what it was made of. A part that is damaged is gone around, by an
 * older full backup and the log behind it. It can be restored like any other place (restore.h).
 * Only `from` has to be known to the keyring.
 * Threads: one call at a time for either place. A crash leaves parts that nothing names; the same
 * call again begins anew. Errors: as backup.h; QR_NOT_FOUND there is no full backup; QR_CORRUPT
 * there is damage that cannot be gone around: nothing is named. */
#pragma once
#include "backup/backup.h"

/* `timeline`: its own, never used before. */
QR_NODISCARD enum qr_status qr_backup_keep(const struct qr_backup_place *from,
                                           const struct qr_backup_place *to,
                                           const struct qr_timeline *timeline,
                                           uint64_t *ret_stored_bytes, struct qr_err *err);
