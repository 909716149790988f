/* vfs/conn.h - SQLite connections on a store.
 *
 * How a write goes: qr_conn_lock_writer; statements (BEGIN ... COMMIT, or one autocommit statement
 * stepped to its end and reset); qr_conn_unlock_writer; lsn = qr_conn_commit_lsn; answer the client
 * when the store's durable LSN has reached it (store/durable.h). How a read goes: just run it. It
 * pins the durable LSN, so it never waits and shows nothing that a crash could take back (S2).
 *
 * Threads: one at a time per connection (SQLite NOMUTEX); connections of a store are independent.
 * Errors: statements fail with SQLite codes; qr_conn_last_error tells the store's own status. */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "store/counter.h"
#include "store/durable.h"
#include "store/limit.h"
#include "store/store.h"
#include "store/writer.h"

struct qr_conn;

/* Configures SQLite for the whole process. Call before anything else uses SQLite; calling again
 * changes nothing. */
QR_NODISCARD enum qr_status qr_vfs_init(struct qr_err *err);

enum { QR_CONN_CACHE_PAGES = 200 }; /* what SQLite's own cache has unless somebody says else */
struct qr_conn_options {
    int cache_pages; /* SQLite's own cache, for pages being written [QR_CONN_CACHE_PAGES] */
    bool read_only;  /* the connection can not write */
};

/* `options` may be NULL. The connection is configured: page size, journal mode, foreign keys off,
 * DQS off, trusted schema off, defensive, extended result codes on. */
QR_NODISCARD enum qr_status qr_conn_open(struct qr_store *store,
                                         const struct qr_conn_options *options,
                                         struct qr_conn **ret_conn, struct qr_err *err);
/* Finalizes statements that are left, rolls back, releases the writer lock. NULL is accepted. */
void qr_conn_close(struct qr_conn *conn);
void qr_conn_closep(struct qr_conn **conn); /* for QR_AUTO */
sqlite3 *qr_conn_db(struct qr_conn *conn);
struct qr_store *qr_conn_store(struct qr_conn *conn);

/* Snapshot choice for read transactions that begin later: the durable LSN, or `lsn` if that is
 * later (the session's own last commit; its answer must then wait for `lsn`). Stays until changed.
 * While the writer lock is held, the head is chosen instead. `lsn` must not exceed the head. */
void qr_conn_read_at_least(struct qr_conn *conn, struct qr_lsn lsn);
/* Pins a snapshot before a read transaction asks for one; every one uses it until qr_conn_unpin, so
 * that a caller can see what else belongs to that snapshot. Nothing if one is pinned already, or
 * with the writer lock, whose holder reads the head. Taking that lock ends it. */
QR_NODISCARD enum qr_status qr_conn_pin(struct qr_conn *conn, struct qr_err *err);
/* A read transaction that is open keeps the snapshot until it ends. */
void qr_conn_unpin(struct qr_conn *conn);
/* LSN that the last (or running) read transaction is pinned at. An answer may leave once this is
 * durable. After a commit with statements still open it is the commit's LSN. */
struct qr_lsn qr_conn_pinned_lsn(const struct qr_conn *conn);
bool qr_conn_in_read(const struct qr_conn *conn); /* a snapshot is pinned now */

/* The store's writer lock for this connection. A write statement without it fails with
 * SQLITE_BUSY. If a read transaction is open on an older snapshot when the first write comes, the
 * write fails with SQLITE_BUSY_SNAPSHOT: take the lock first, then begin. */
QR_NODISCARD enum qr_status qr_conn_lock_writer(struct qr_conn *conn, uint64_t owner,
                                                qr_writer_poll_fn *poll, void *poll_ctx,
                                                struct qr_err *err);
/* Any thread, provided that no statement is running on the connection. An open SQLite write
 * transaction must have ended or be private (assertion). Nothing if not held. */
void qr_conn_unlock_writer(struct qr_conn *conn);
bool qr_conn_has_writer(const struct qr_conn *conn);

/* Private: a transaction may write without the writer lock, on whatever snapshot it has pinned; its
 * pages are seen by nobody, and the lock may be given back while it is open. To commit, take the
 * lock; if the snapshot is not the head, roll back and do it again on the head. A COMMIT without
 * both fails with SQLITE_IOERR_FSYNC and is rolled back. */
void qr_conn_set_private(struct qr_conn *conn, bool is_private);
/* Keeps the snapshot that is pinned now, whatever is read meanwhile, to come back to it. */
QR_NODISCARD enum qr_status qr_conn_keep(struct qr_conn *conn, struct qr_err *err);
struct qr_lsn qr_conn_kept_lsn(const struct qr_conn *conn); /* 0: none is kept */
/* Transactions that begin later read the kept snapshot, with the writer lock or without. */
void qr_conn_use_kept(struct qr_conn *conn, bool use);
void qr_conn_drop_kept(struct qr_conn *conn); /* nothing if none is kept */
/* The pinned snapshot is the newest commit; lasting only with the writer lock. */
bool qr_conn_at_head(const struct qr_conn *conn);

/* LSN of the last commit that this connection published; 0 if none. A commit without changes does
 * not move it. */
struct qr_lsn qr_conn_commit_lsn(const struct qr_conn *conn);

/* Why SQLite failed, when it was the store: QR_OK if not. Cleared when a transaction begins. */
enum qr_status qr_conn_last_error(const struct qr_conn *conn, struct qr_err *ret_err);
/* The last SQLITE_FULL was that limit and not the disk: the size quota (40544), the elastic pool's
 * (1132), local storage. Ask before the next statement. After any SQLITE_FULL see
 * sqlite3_get_autocommit: unless the statement had a statement journal, SQLite has rolled the whole
 * transaction back. */
enum qr_store_limit qr_conn_over(const struct qr_conn *conn);
/* So much more than the snapshot that was last pinned might pass one of them. */
bool qr_conn_near_limit(const struct qr_conn *conn, uint64_t more_bytes);
/* Bytes that its statements have written to temporary files (sorts, automatic indexes, #tables). */
uint64_t qr_conn_temp_written(const struct qr_conn *conn);
/* The last SQLITE_FULL was the bound of one transaction's changes (40552). */
bool qr_conn_over_limit(const struct qr_conn *conn);
/* The last SQLITE_FULL was the bound of one transaction's log (9002). */
bool qr_conn_over_log(const struct qr_conn *conn);
