/* tran_int.h - between the two sides of a transaction: tran.c and tran_sqlite.c. */
#pragma once
#include "engine_int.h"

/* COMMIT; nothing if SQLite has no transaction open. A failure has rolled back. */
QR_NODISCARD enum qr_status qri_sqlite_commit(struct qr_session *session, struct qr_err *err);
void qri_sqlite_rollback(struct qr_session *session);
/* The index-th of tran.savepoints, in SQLite. */
QR_NODISCARD enum qr_status qri_sqlite_savepoint(struct qr_session *session, size_t index,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_sqlite_rollback_to(struct qr_session *session, size_t index,
                                                   struct qr_err *err);
/* Its changes are in the op log alone: SQLite has no transaction open. */
bool qri_tran_is_loose(const struct qri_tran *tran);
/* It is small enough to leave SQLite after a statement. */
bool qri_tran_may_loosen(const struct qr_session *session);
/* It has made #tables, and so much is in its op log that it is not played again and again. */
bool qri_tran_is_heavy(const struct qr_session *session);
/* The batch goes straight on to its COMMIT. */
bool qri_tran_commits_soon(const struct qr_session *session);
/* SQLite has rolled back all of it for a statement that found no space, and what came before that
 * statement is in the op log. */
bool qri_tran_survives(const struct qr_session *session);
void qri_savepoints_release(struct qri_tran *tran, size_t from);
/* 3960: a key that was free at the head is not in the transaction's snapshot. */
enum qr_status qri_fail_conflict(struct qr_session *session, struct qr_err *err);

/* ---- tran_kept.c ---- */
/* Keeps the snapshot that is pinned, and the session's catalog, which is of the same commit. */
QR_NODISCARD enum qr_status qri_kept_begin(struct qr_session *session, struct qr_err *err);
/* What is pinned now is the kept snapshot, and the writer lock is not held. Nothing if none is
 * kept. */
void qri_kept_take_catalog(struct qr_session *session);
