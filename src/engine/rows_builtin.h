/* rows_builtin.h - built-in functions that return rows: STRING_SPLIT, GENERATE_SERIES, OPENJSON. */
#pragma once
#include "frame.h"

/* `args` have the types of rows->arg_types. The rowset has rows->column_types. */
QR_NODISCARD enum qr_status qri_rows_builtin(struct qri_frame *frame,
                                             const struct qr_plan_rows *rows,
                                             const struct qr_value *args,
                                             struct qr_rowset **ret_rowset, struct qr_err *err);
