/* prepared_int.h - handles of sp_prepare. */
#pragma once
#include "frame.h"

void qri_prepared_clear(struct qr_session *session);
void qri_session_clear(struct qr_session *session, bool keep_tran);

/* What the requests and the system procedures sp_prepare, sp_execute, sp_unprepare share. Errors go
 * to session->err. */
QR_NODISCARD enum qr_status qri_prepare(struct qr_session *session, struct qr_str text,
                                        struct qr_str params, int32_t *ret_handle);
QR_NODISCARD enum qr_status qri_execute(struct qr_session *session, int32_t handle,
                                        struct qri_call_arg *args, size_t arg_count);
/* What was prepared: copies. 8179. */
QR_NODISCARD enum qr_status qri_prepared_text(struct qr_session *session, int32_t handle,
                                              struct qr_arena *arena, struct qr_str *ret_text,
                                              struct qr_str *ret_params);
QR_NODISCARD enum qr_status qri_unprepare(struct qr_session *session, int32_t handle);

void qri_bulk_clear(struct qr_session *session); /* forgets an INSERT BULK that was announced */
/* The start and the end of every request (request.c). */
QR_NODISCARD enum qr_status qri_request_begin(struct qr_session *session,
                                              const struct qr_sink *sink);
QR_NODISCARD enum qr_status qri_request_end(struct qr_session *session, enum qr_status status,
                                            enum qr_done_kind kind);
