/* rowset_int.h - what the engine does with a rowset beyond engine/rowset.h. */
#pragma once
#include "engine/rowset.h"
#include "tsql/catalog.h"

/* Positions run from 0 to qri_rowset_end; deleted rows leave holes. A position is the row's id. */
uint64_t qri_rowset_end(const struct qr_rowset *rowset);
bool qri_rowset_exists(const struct qr_rowset *rowset, uint64_t position);
/* The row at `position` into values[column_count]; false if it is a hole. Bytes live until the
 * rowset is read again or changed; or as long as its version is the same. */
QR_NODISCARD enum qr_status qri_rowset_get(struct qr_rowset *rowset, uint64_t position,
                                           struct qr_value *values, bool *ret_found,
                                           struct qr_err *err);
uint64_t qri_rowset_version(const struct qr_rowset *rowset);
QR_NODISCARD enum qr_status qri_rowset_set(struct qr_rowset *rowset, uint64_t position,
                                           const struct qr_value *values, struct qr_err *err);
void qri_rowset_delete(struct qr_rowset *rowset, uint64_t position);
/* The next IDENTITY value of a table variable; INT64_MIN: not begun. */
int64_t *qri_rowset_identity(struct qr_rowset *rowset);
/* Of rowset_keys.h. */
struct qri_keys;
struct qri_keys **qri_rowset_keys(struct qr_rowset *rowset);
/* Undoing a statement: cuts to `count` positions; puts a position back to what it was. */
void qri_rowset_cut(struct qr_rowset *rowset, uint64_t count);
struct qri_rowset_place {
    uint64_t position;
    uint32_t segment, offset;
};
struct qri_rowset_place qri_rowset_place(const struct qr_rowset *rowset, uint64_t position);
void qri_rowset_restore(struct qr_rowset *rowset, const struct qri_rowset_place *place);
