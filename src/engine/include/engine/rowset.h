/* engine/rowset.h - rows of our own, outside SQLite's transactions: table variables, table-valued
 * parameters, inserted/deleted, staged rows of a statement, cursors.
 *
 * One thread at a time. Rows are kept serialised, in memory up to a bound, then in an encrypted
 * temporary file of a store.
 * Values are in memory form (codec/value.h) both ways; the rowset copies what it is given. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "codec/type.h"
#include "codec/value.h"

struct qr_rowset;
struct qr_store;

enum { QR_ROWSET_COLUMNS_MAX = 4096 };

/* What all rowsets of the process may hold in memory together; beyond half of it each keeps little,
 * and who would pass it all the same gets error 701. 0: no bound, as it is at first. */
void qr_rowset_memory_bound(size_t bytes_max);
size_t qr_rowset_memory_used(void);

/* `store` is the one whose temporary files it may use, and outlives it; without room in them who
 * adds a row gets 40551. NULL: it stays in memory, up to 1 GiB (QR_FULL). */
QR_NODISCARD enum qr_status qr_rowset_new(const struct qr_type *types, size_t column_count,
                                          struct qr_store *store, struct qr_rowset **ret_rowset,
                                          struct qr_err *err);
void qr_rowset_free(struct qr_rowset *rowset); /* accepts NULL */

size_t qr_rowset_column_count(const struct qr_rowset *rowset);
const struct qr_type *qr_rowset_types(const struct qr_rowset *rowset);
uint64_t qr_rowset_count(const struct qr_rowset *rowset);

/* `values` has column_count entries. */
QR_NODISCARD enum qr_status qr_rowset_append(struct qr_rowset *rowset,
                                             const struct qr_value *values, struct qr_err *err);
void qr_rowset_clear(struct qr_rowset *rowset);
