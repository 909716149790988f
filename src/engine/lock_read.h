/* lock_read.h - statements that read with locks: hints, REPEATABLE READ, SERIALIZABLE.
 *
 * What a plan names beforehand (tables, keys) is waited for before the statement begins; it then
 * reads what was newest when the locks were had. What it locks row by row it locks under the writer
 * lock, like a statement that writes: rows that are sent to a client would be sent again when it
 * has to wait and run again, so they are kept back until it has ended. */
#pragma once
#include "frame.h"

/* What the binder needs to know of it. */
void qri_lock_env(const struct qr_session *session, struct qr_bind_env *env);
/* Would the plan be another one by now? `was` is qri_lock_level() when it was compiled. */
uint16_t qri_lock_level(const struct qr_session *session);
bool qri_lock_level_holds(const struct qr_plan *plan, uint16_t was,
                          const struct qr_session *session);

/* A transaction that began at another level cannot become a SNAPSHOT one: 3951. */
QR_NODISCARD enum qr_status qri_level_check(struct qr_session *session, struct qr_err *err);

/* Before the statement begins, which may be within another one. `as_read`: it will lock as it reads
 * (qri_read_locks); else the tables instead, of which it would have locked keys. */
QR_NODISCARD enum qr_status qri_prelock(struct qri_frame *frame, const struct qr_plan *plan,
                                        bool as_read, struct qr_err *err);

/* An interval that the plan names, in S, U, X or (against those who lock intervals) IX; waits, or
 * leaves that to the statement around this one. *ret_known false: its bounds are not to be known.
 */
QR_NODISCARD enum qr_status qri_prelock_range(struct qri_frame *frame,
                                              const struct qr_plan_prelock *lock,
                                              enum qr_lock_mode mode, bool *ret_known,
                                              struct qr_err *err);

/* The keys of lock->index that begin with `values`, of lock->key_types: under the writer lock. */
QR_NODISCARD enum qr_status qri_lock_read_keys(struct qr_session *session,
                                               const struct qr_plan_lock *lock,
                                               enum qr_lock_mode mode,
                                               const struct qr_value *values,
                                               struct qr_arena *arena, struct qr_err *err);

/* It locks rows as it reads them, so it runs under the writer lock. Within a statement that reads
 * without that there is no locking. */
bool qri_read_locks(const struct qr_session *session, const struct qr_plan *plan);

/* Runs a plan that locks rows, as often as it takes; then each row goes to `row`. `compile` gives
 * the code as it is under the lock. */
typedef enum qr_status qri_compile_fn(void *ctx, struct qri_code **ret_code, struct qr_err *err);
struct qri_locked_read {
    struct qri_frame *frame;
    qri_compile_fn *compile;
    void *compile_ctx;
    qri_select_row_fn *row;
    void *row_ctx;
    uint64_t count; /* rows */
};
QR_NODISCARD enum qr_status qri_read_locked(struct qri_locked_read *read, struct qri_code **code,
                                            struct qr_err *err);

int qri_lock_register(struct qri_link *link); /* qlock(), qlockkey() */
