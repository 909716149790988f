/* rpc_int.h - shared by rpc.c and tvp.c. */
#pragma once
#include "tds/rpc.h"

/* `units` UTF-16 units as UTF-8 in the arena. */
QR_NODISCARD enum qr_status qri_take_name(struct qr_tds_cursor *c, size_t units,
                                          struct qr_arena *arena, struct qr_str *ret_name,
                                          struct qr_err *err);
/* What follows the TVP token: type name, columns, rows (checked, to be read again). */
QR_NODISCARD enum qr_status qri_tvp_read(struct qr_tds_cursor *c, struct qr_arena *arena,
                                         struct qr_tds_tvp **ret_tvp, struct qr_err *err);
