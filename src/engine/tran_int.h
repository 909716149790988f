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
void qri_savepoints_release(struct qri_tran *tran, size_t from);
