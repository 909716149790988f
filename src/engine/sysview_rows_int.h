/* sysview_rows_int.h - between the system catalog and its virtual tables. */
#pragma once
#include "sysview_int.h"

struct qri_sysview_column {
    struct qr_str name;
    struct qr_type type;
    bool nullable, is_constant;
    struct qr_value constant; /* TEXT, INT or NULL */
};

struct qri_sysview_shape {
    const struct qri_sysview *view;
    const char *vtab;
    struct qri_sysview_column *columns;
    size_t column_count;
};
const struct qri_sysview_shape *qri_sysview_shapes(size_t *ret_count);

/* The rows of one view as they were made, or the one that was made last of its items. */
struct qri_sysrows {
    const struct qri_sysview_shape *shape;
    struct qr_arena arena;
    struct qr_value *values; /* row after row */
    size_t row_count, capacity;
    struct qri_sysitems of; /* make NULL: none */
};
