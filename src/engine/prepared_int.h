/* prepared_int.h - handles of sp_prepare. */
#pragma once
#include "frame.h"

void qri_prepared_clear(struct qr_session *session);
void qri_session_clear(struct qr_session *session, bool keep_tran);
