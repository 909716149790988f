/* oplog_int.h - what a deferred transaction has changed, to be done again on a newer snapshot.
 *
 * An operation is the SQL of a statement on one row and the cells bound to it; played in order,
 * with the locks of everything they touch held, they cannot fail but for want of memory or space.
 * Small logs stay in memory; larger ones go to a file without a name, within the quota of temporary
 * files. */
#pragma once
#include "link.h"

QR_NODISCARD enum qr_status qri_oplog_new(struct qr_store *store, struct qri_oplog **ret_log,
                                          struct qr_err *err);
void qri_oplog_free(struct qri_oplog *log); /* NULL is accepted */

/* Begins an operation; the cells are added in the order of its parameters, then it is ended. */
QR_NODISCARD enum qr_status qri_oplog_begin(struct qri_oplog *log, uint32_t object_id,
                                            struct qri_sql sql, struct qr_err *err);
/* Something of the table, or of one that is not known (0), is in it, or was before it was cut. NULL
 * is accepted. */
bool qri_oplog_changes(const struct qri_oplog *log, uint32_t object_id);
void qri_oplog_cell(struct qri_oplog *log, const struct qr_type *type,
                    const struct qr_value *value);
void qri_oplog_int(struct qri_oplog *log, int64_t value);
QR_NODISCARD enum qr_status qri_oplog_end(struct qri_oplog *log, struct qr_err *err);

struct qri_oplog_mark qri_oplog_mark(const struct qri_oplog *log); /* NULL: an empty one's */
/* So many rows, or kinds of operations, that it should not be played often. */
bool qri_oplog_is_long(const struct qri_oplog *log); /* NULL is accepted */
/* Forgets what came after the mark. */
void qri_oplog_cut(struct qri_oplog *log, struct qri_oplog_mark mark);
/* Called before the operation with this number, and with their count at the end. */
typedef enum qr_status qri_oplog_at_fn(void *ctx, uint64_t number, struct qr_err *err);
/* Runs all of it on the link, inside its transaction. QR_EXISTS: a key is there. `at` may be NULL;
 * a log of NULL is empty. */
QR_NODISCARD enum qr_status qri_oplog_play(struct qri_oplog *log, struct qri_link *link,
                                           qri_oplog_at_fn *at, void *ctx, struct qr_err *err);
/* The table of the operation that was played last: of the one that failed. 0: not known. */
uint32_t qri_oplog_played_id(const struct qri_oplog *log);
