/* blob/regions.h - the stores of several regions as one: an object with a timeline (base/region.h)
 * in its name is in the store of that timeline's region, every other one in that of region 0.
 * Errors: those of blob/blob.h; QR_NOT_FOUND for a region that has no store here. A list whose
 * prefix does not name a timeline is in order within each region. */
#pragma once
#include "base/region.h"
#include "blob/blob.h"

/* Takes the stores, by region; also on failure. One alone is given back as it is. */
QR_NODISCARD enum qr_status qr_blob_regions(struct qr_blob *const *own_stores, size_t count,
                                            struct qr_blob **ret_blob, struct qr_err *err);
