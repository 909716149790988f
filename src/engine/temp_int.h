/* temp_int.h - #tables: whose they are, when they die; the session's context. */
#pragma once
#include "counter_int.h"
#include "frame.h"

/* Notes that the running scope made the #table; the scope's end drops it. */
QR_NODISCARD enum qr_status qri_temp_made(struct qri_frame *frame, uint32_t object_id,
                                          struct qr_err *err);
bool qri_temp_is_own(const struct qri_frame *frame, uint32_t object_id);
/* Drops what the frame's scope made and is still there. */
void qri_temp_drop_scope(struct qri_frame *frame);
void qri_temp_drop_all(struct qr_session *session);

void qri_context_clear(struct qr_session *session);
