/* store/txn.h - pages at a snapshot, and the private pages of one writing transaction.
 *
 * A txn belongs to one connection. Pin chooses the snapshot that reads see; writes go to private
 * pages, which prepare turns into a log group (everything that can fail) and publish makes the new
 * head (cannot fail, S3). Page 1 is stored without SQLite's change counter: bytes 24-27 and 92-95
 * are zero in every version, and whoever hands page 1 to SQLite puts its own there.
 *
 * Threads: one at a time per txn. Write, prepare and publish need the store's writer lock.
 * Errors: QR_CORRUPT, QR_IO, QR_NOMEM; prepare and write also QR_FULL. */
#pragma once
#include "store/limit.h"

struct qr_txn;

QR_NODISCARD enum qr_status qr_txn_new(struct qr_store *store, struct qr_txn **ret_txn,
                                       struct qr_err *err);
void qr_txn_free(struct qr_txn *txn); /* unpins, discards; NULL is accepted */

/* Pins the durable LSN, or `at_least` if that is later. */
QR_NODISCARD enum qr_status qr_txn_pin(struct qr_txn *txn, struct qr_lsn at_least,
                                       struct qr_err *err);
/* Pins the head; for the holder of the writer lock. */
QR_NODISCARD enum qr_status qr_txn_pin_head(struct qr_txn *txn, struct qr_err *err);
/* Pins what `holder` has pinned, and keeps pinned meanwhile. */
QR_NODISCARD enum qr_status qr_txn_pin_as(struct qr_txn *txn, const struct qr_txn *holder,
                                          struct qr_err *err);
void qr_txn_unpin(struct qr_txn *txn);
struct qr_lsn qr_txn_pinned(const struct qr_txn *txn); /* 0: not pinned */
bool qr_txn_at_head(const struct qr_txn *txn);

/* Size of the database at the snapshot, or as the private pages have it. */
uint32_t qr_txn_db_pages(const struct qr_txn *txn);
/* The page at the snapshot without a copy, until unfetch; NULL if there is no such page, if it is
 * private, if memory is short or reading fails: read it then. */
const uint8_t *qr_txn_fetch(struct qr_txn *txn, uint32_t page_no);
void qr_txn_unfetch(struct qr_txn *txn, const uint8_t *page);
/* `bytes` from `offset` in the page; the private version if there is one and `snapshot_only` is
 * false. A page behind the end reads as zeros. */
QR_NODISCARD enum qr_status qr_txn_read(struct qr_txn *txn, uint32_t page_no, uint32_t offset,
                                        void *dst, uint32_t bytes, bool snapshot_only,
                                        struct qr_err *err);

QR_NODISCARD enum qr_status qr_txn_write(struct qr_txn *txn, uint32_t page_no, const void *page,
                                         struct qr_err *err);
/* The private pages' idea of how long the database is. */
void qr_txn_truncate(struct qr_txn *txn, uint32_t db_pages);
QR_NODISCARD enum qr_status qr_txn_prepare(struct qr_txn *txn, struct qr_err *err);
/* After prepare. Returns the commit's LSN; if nothing changed, the pinned one. The txn is then
 * pinned at it. */
struct qr_lsn qr_txn_publish(struct qr_txn *txn);
void qr_txn_discard(struct qr_txn *txn); /* the private pages, prepared or not */
bool qr_txn_has_writes(const struct qr_txn *txn);
/* The last QR_FULL was that limit of the database's size. */
enum qr_store_limit qr_txn_over(const struct qr_txn *txn);
/* The last prepare was refused because of qr_store_set_log_txn_bytes. */
bool qr_txn_over_log(const struct qr_txn *txn);
/* A write was refused because of txn_bytes_max since the last discard or publish. */
bool qr_txn_over_limit(const struct qr_txn *txn);

struct qr_env *qr_store_env(struct qr_store *store);
