/* rowset_keys.h - finds the rows of a table variable by the values of its keys.
 *
 * One for each unique key of the rowset, from the hash of the key to the row's position. Entries
 * are hints: what is found is compared with the row, so that rows that were deleted or changed may
 * leave theirs. What is needed is that each row that is there has one: rows that came since the
 * last look are taken in first, and whoever puts old rows back forgets all (qri_keys_forget). */
#pragma once
#include "dml_int.h"

struct qri_keys;

/* Is there another row than `own` (UINT64_MAX: any) with the key of `row`? */
QR_NODISCARD enum qr_status qri_keys_find(struct qri_run *run, const struct qri_table *table,
                                          struct qr_rowset *rowset, size_t unique,
                                          const struct qr_value *row, uint64_t own,
                                          bool *ret_found);
/* The row at `position`, which is there, has got that key. */
QR_NODISCARD enum qr_status qri_keys_changed(struct qri_run *run, const struct qri_table *table,
                                             struct qr_rowset *rowset, const struct qr_value *row,
                                             uint64_t position);
void qri_keys_forget(struct qr_rowset *rowset);
