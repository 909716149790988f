/* lock_key.h - what the lock manager knows rows and keys by.
 *
 * Pure; any thread. Values are memory forms of the columns' own types (whoever compares with a
 * constant converts it first). Keys that SQL Server calls equal - by the column's collation, with
 * trailing blanks, -0.0, the offset of a datetimeoffset left out - have equal hashes; that unequal
 * ones may share a hash costs a wait and nothing else (lock/lock.h). */
#pragma once
#include "dml_int.h"
#include "lock/lock.h"

struct qr_lock_resource qri_lock_table_of(uint32_t object_id);

/* The row itself: `rowid` of a table that has one, else the clustered key in `row` (the table's
 * columns). */
struct qr_lock_resource qri_lock_row_of(const struct qri_table *table, const struct qr_value *row,
                                        int64_t rowid);
/* The key of a unique index that `row` has, if its filter, which is not looked at, takes the row.
 */
struct qr_lock_resource qri_lock_key_of(const struct qri_table *table,
                                        const struct qri_unique *unique,
                                        const struct qr_value *row);
/* The key of the parent that `row` of the child points at. False if it points nowhere (a NULL). */
bool qri_lock_parent_key_of(const struct qri_fk_out *fk, const struct qr_value *row,
                            struct qr_lock_resource *ret_resource);

/* The same from key values alone, in the order of the index: `values[i]` is of
 * `columns[i]`'s type. For a table with a rowid alias the row's is values[0]. */
struct qr_lock_resource qri_lock_row_of_key(const struct qr_cat_object *object,
                                            const struct qr_cat_index *clustered,
                                            const struct qr_value *values);
struct qr_lock_resource qri_lock_key_of_key(const struct qr_cat_object *object,
                                            const struct qr_cat_index *index,
                                            const struct qr_value *values);
/* Is that key the name of the row as well? */
static inline bool qri_key_names_row(const struct qr_cat_object *object,
                                     const struct qr_cat_index *index)
{
    return index->is_clustered && object->storage != QR_STORE_HEAP;
}
/* A heap's row, or one of a table with a rowid alias. */
struct qr_lock_resource qri_lock_row_of_rowid(const struct qr_cat_object *object, int64_t rowid);
