/* rows_builtin_int.h - a call of a built-in function that returns rows, between its files. */
#pragma once
#include "rows_builtin.h"

struct qri_builtin {
    struct qri_frame *frame;
    const struct qr_plan_rows *rows;
    const struct qr_value *args;
    struct qr_rowset *out;
    struct qr_arena arena, arena_row;
    struct qr_err *err;
};

/* Also where there is no such argument. */
static inline bool qri_builtin_is_null(const struct qri_builtin *b, size_t index)
{
    return index >= b->rows->arg_count || b->args[index].cell == QR_CELL_NULL;
}

/* ---- rows_stats.c, rows_plan.c ---- */
QR_NODISCARD enum qr_status qri_rows_sql_text(struct qri_builtin *b);
QR_NODISCARD enum qr_status qri_rows_input_buffer(struct qri_builtin *b);
QR_NODISCARD enum qr_status qri_rows_query_plan(struct qri_builtin *b);

/* ---- rows_deadlock.c ---- */
QR_NODISCARD enum qr_status qri_rows_deadlocks(struct qri_builtin *b);

/* ---- rows_regexp.c ---- */
QR_NODISCARD enum qr_status qri_rows_regexp_matches(struct qri_builtin *b);
QR_NODISCARD enum qr_status qri_rows_regexp_split(struct qri_builtin *b);
