/* lock_int.h - how statements take locks, and what happens when somebody is in the way.
 *
 * A write statement runs under the store's writer lock, where nobody may wait: it tries its locks.
 * On a conflict it fails with QR_AGAIN; the outermost statement undoes what it did, gives the
 * writer lock back, waits for the lock and runs again. What it has locked stays locked, so it gets
 * on.
 *
 * Lockers: sessions that may hold locks while they do not have the writer lock, that is, those in a
 * transaction that has written or reads with locks. While a database has none, write statements
 * take no locks: nobody could be in the way. One of them that runs says so before it looks whether
 * there are any (db->lockless); who becomes one is counted before it looks whether one runs, and
 * passes the writer lock then. */
#pragma once
#include "engine_int.h"
#include "governor/wait.h"

/* LCK_M_X and so on. */
enum qr_wait qri_lock_wait_kind(enum qr_lock_kind kind, enum qr_lock_mode mode);

/* Takes the lock, or notes the conflict: QR_AGAIN. */
QR_NODISCARD enum qr_status qri_lock(struct qr_session *session,
                                     const struct qr_lock_resource *resource,
                                     enum qr_lock_mode mode, struct qr_err *err);
/* Somebody else was in the way: notes the conflict, QR_AGAIN. */
QR_NODISCARD enum qr_status qri_lock_refused(struct qr_session *session,
                                             const struct qr_lock_resource *in_way,
                                             enum qr_lock_mode mode, struct qr_err *err);
QR_NODISCARD enum qr_status qri_lock_table(struct qr_session *session, uint32_t object_id,
                                           enum qr_lock_mode mode, struct qr_err *err);

/* Has the transaction so many locks, of all its statements together, that whole tables are better?
 * *ret_due: it is time to try for one; again after some more, so that one who fails does not try
 * all the time. */
bool qri_locks_are_many(struct qr_session *session, bool *ret_due);

/* Waits for it, unless it is free: LOCK_TIMEOUT's errors, attention and KILL as lock/lock.h says.
 * Not under the writer lock, which who is in the way may need. */
QR_NODISCARD enum qr_status qri_lock_wait(struct qr_session *session, enum qr_lock_scope scope,
                                          const struct qr_lock_resource *resource,
                                          enum qr_lock_mode mode, const char *name,
                                          int32_t timeout_ms, struct qr_err *err);
/* The session has session->lock_owner. */
QR_NODISCARD enum qr_status qri_lock_need_owner(struct qr_session *session, struct qr_err *err);

/* After a statement's end. *ret_again: it met a conflict, has waited, and is to be run again;
 * returns QR_OK then. A statement within another one leaves the wait to that one. */
QR_NODISCARD enum qr_status qri_lock_again(struct qr_session *session, enum qr_status status,
                                           bool *ret_again, struct qr_err *err);

/* Before a transaction's first lock. Who does not take the writer lock next asks to pass by it, so
 * that no statement runs that did not know of him. */
QR_NODISCARD enum qr_status qri_locker_begin(struct qr_session *session, bool passes_by,
                                             struct qr_err *err);
/* All of the transaction, or of an autocommit statement. */
void qri_locks_release(struct qr_session *session);
/* The session leaves the database. */
void qri_locks_leave(struct qr_session *session);

/* The writer lock. `is_commit`: whatever LOCK_TIMEOUT and attention say, it cannot stop here. */
QR_NODISCARD enum qr_status qri_lock_writer(struct qr_session *session, bool is_commit,
                                            struct qr_err *err);

/* ---- lock_stamp.c ---- */
/* The newest commit that changed a resource is known to whoever locks it next, so that it need read
 * no more than what is durable while that commit is. Before the first locker of a database. */
QR_NODISCARD enum qr_status qri_stamps_make(struct qr_database *db, struct qr_err *err);
void qri_stamps_free(struct qr_database *db);
/* The transaction has locked it: it needs its newest commit; and it may change it. */
void qri_stamp_look(struct qr_session *session, const struct qr_lock_resource *resource);
void qri_stamp_note(struct qr_session *session, const struct qr_lock_resource *resource);
/* It has locked more than can be noted. */
void qri_stamp_all(struct qr_session *session);
/* What was noted has changed. Before the locks, and the writer lock, are given back. */
void qri_stamp_commit(struct qr_session *session, struct qr_lsn lsn);
/* The commit that a snapshot must have to show everything locked as it is. */
struct qr_lsn qri_stamp_need(const struct qr_session *session);
