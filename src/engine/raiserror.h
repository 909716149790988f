/* raiserror.h - RAISERROR's format: like printf, with T-SQL's values. Pure. */
#pragma once
#include "frame.h"

struct qri_raise_arg {
    struct qr_type type;
    struct qr_value value;
};

/* %d %i %u %o %x %X %s with flags, width, precision, *, and h l I64 sizes. 2786 when an argument
 * does not fit its conversion, 2748 for a type that cannot be an argument, 2787 for a bad format. */
QR_NODISCARD enum qr_status qri_raise_format(struct qr_arena *arena, struct qr_str format,
                                             const struct qri_raise_arg *args, size_t arg_count,
                                             struct qr_str *ret_text, struct qr_err *err);
