/* cut.h - pages that a shrink has cut off: README.md, I12 */
#pragma once
#include "store_int.h"

/* Every snapshot that is, or may begin, is as of the last cut or later. */
bool qri_cut_is_past(struct qr_store *store);
/* A page behind the end of the database as of `lsn`, the newest: new, or cut off by a shrink. Pins
 * what it was then, if it is in memory, which a new version takes over, or if a snapshot from
 * before may read it; else *ret_frame stays as it is. */
QR_NODISCARD enum qr_status qri_version_pin_cut_off(struct qr_store *store, uint32_t page_no,
                                                    uint64_t lsn, struct qri_frame **ret_frame,
                                                    struct qr_err *err);
