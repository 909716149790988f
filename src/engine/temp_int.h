/* temp_int.h - #tables: whose they are, when they die; their counters; the session's context. */
#pragma once
#include "frame.h"

/* Notes that the running scope made the #table; the scope's end drops it. */
QR_NODISCARD enum qr_status qri_temp_made(struct qri_frame *frame, uint32_t object_id,
                                          struct qr_err *err);
bool qri_temp_is_own(const struct qri_frame *frame, uint32_t object_id);
/* Drops what the frame's scope made and is still there. */
void qri_temp_drop_scope(struct qri_frame *frame);
void qri_temp_drop_all(struct qr_session *session);

/* Counters of #tables live in the session, those of others in the store. */
QR_NODISCARD enum qr_status qri_counter_take(struct qr_session *session, uint64_t counter,
                                             bool is_temp, uint64_t count, int64_t increment,
                                             int64_t *ret_first, struct qr_err *err);
QR_NODISCARD enum qr_status qri_counter_set(struct qr_session *session, uint64_t counter,
                                            bool is_temp, int64_t next, struct qr_err *err);
QR_NODISCARD enum qr_status qri_counter_raise(struct qr_session *session, uint64_t counter,
                                              bool is_temp, int64_t value, int64_t increment,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_counter_drop(struct qr_session *session, uint64_t counter,
                                             bool is_temp, struct qr_err *err);
bool qri_counter_peek(struct qr_session *session, uint64_t counter, bool is_temp,
                      int64_t *ret_next);
/* All of them: for (size_t i = 0; qri_temp_counter_next(session, &i, &counter);) */
struct qri_temp_counter {
    uint64_t id;
    int64_t next;
};
bool qri_temp_counter_next(const struct qr_session *session, size_t *index,
                           struct qri_temp_counter *ret_counter);

void qri_context_clear(struct qr_session *session);
