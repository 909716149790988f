/* unit_int.h - between unit.c and cache.c. */
#pragma once
#include "frame.h"

/* Parses and flattens. */
QR_NODISCARD enum qr_status qri_unit_new(struct qr_session *session,
                                         const struct qri_source *source, bool quoted_identifier,
                                         struct qri_unit **ret_unit, struct qr_err *err);
