/* backup/mirror.h - the same backups in a second place, of another blob store.
 *
 * Objects are copied as they are, with the key that they are encrypted under: the second place can
 * be restored from when there is nothing left of the first. A chain's parts go before its manifest,
 * so what is named there is whole. Chains that the first place has expired go from the second, too;
 * a first place without any is taken for lost, and changes nothing.
 * Threads: one call at a time for either place. A crash leaves parts that the next call writes
 * again. Errors: as backup.h; QR_CONFLICT the second place is of another store. */
#pragma once
#include "backup/backup.h"

struct qr_mirrored {
    uint32_t backups; /* copied now */
    uint64_t bytes;
};
/* `adds` false: only what has expired goes. */
QR_NODISCARD enum qr_status qr_backup_mirror(const struct qr_backup_place *from,
                                             const struct qr_backup_place *to, bool adds,
                                             struct qr_mirrored *ret_mirrored, struct qr_err *err);
