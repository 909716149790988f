/* counter_int.h - numbers of IDENTITY columns, heaps, sequences: where they come from, and what a
 * rollback makes of them.
 *
 * Counters of #tables live in the session, those of others in the store, and neither knows
 * transactions: a number that was taken stays taken. DROP, TRUNCATE and ALTER SEQUENCE do belong to
 * their transaction, so what they make of a counter is noted in it, seen by its session alone, and
 * done after its COMMIT; ROLLBACK, or one to a savepoint, forgets it. Whoever notes keeps others
 * from taking numbers of that counter by the lock on its table; of a sequence others go on with the
 * old numbers until the COMMIT.
 * A crash between the commit and what is done after it leaves a dropped counter, or one that goes
 * on behind both its old and its new numbers: never one that gives a number twice. */
#pragma once
#include "engine_int.h"

QR_NODISCARD enum qr_status qri_counter_take(struct qr_session *session, uint64_t counter,
                                             bool is_temp, uint64_t count, int64_t increment,
                                             int64_t *ret_first, struct qr_err *err);
/* At once, whatever becomes of the transaction. */
QR_NODISCARD enum qr_status qri_counter_set(struct qr_session *session, uint64_t counter,
                                            bool is_temp, int64_t next, struct qr_err *err);
QR_NODISCARD enum qr_status qri_counter_raise(struct qr_session *session, uint64_t counter,
                                              bool is_temp, int64_t value, int64_t increment,
                                              struct qr_err *err);
bool qri_counter_peek(struct qr_session *session, uint64_t counter, bool is_temp,
                      int64_t *ret_next);

/* As the transaction that is open in SQLite ends. One that there was not yet is made at once: the
 * commit that needs it comes later. */
QR_NODISCARD enum qr_status qri_counter_restart(struct qr_session *session, uint64_t counter,
                                                bool is_temp, int64_t next, int64_t increment,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_counter_drop(struct qr_session *session, uint64_t counter,
                                             bool is_temp, struct qr_err *err);

/* Before COMMIT: after a crash no counter is behind. */
QR_NODISCARD enum qr_status qri_noted_prepare(struct qr_session *session, struct qr_err *err);
/* After COMMIT, with its locks held. */
void qri_noted_commit(struct qr_session *session);
/* Forgets what was noted after the first `count`. */
void qri_noted_cut(struct qri_tran *tran, size_t count);
void qri_noted_done(struct qri_tran *tran);
void qri_temp_counters_forget(struct qr_session *session);

/* Those of #tables: for (size_t i = 0; qri_temp_counter_next(session, &i, &counter);) */
struct qri_temp_counter {
    uint64_t id;
    int64_t next;
};
bool qri_temp_counter_next(const struct qr_session *session, size_t *index,
                           struct qri_temp_counter *ret_counter);
