/* emit_key_int.h - shared by emit_key.c and emit_driven.c: the conditions that say which keys of a
 * source a query looks at. */
#pragma once
#include "emit_int.h"

enum {
    QRI_POINT_CONDITIONS_MAX = 64,
    QRI_POINT_COLUMNS_MAX = 32,
    QRI_POINT_ORS_MAX = 4,
    QRI_POINT_INS_MAX = 8,
};

struct qri_point {
    struct qri_compile *c;
    struct qri_source *source;
    const struct qr_expr *conditions[QRI_POINT_CONDITIONS_MAX];
    size_t condition_count;
    const struct qr_expr *ors[QRI_POINT_ORS_MAX]; /* one of the terms of each holds */
    size_t or_count;
    const struct qri_leaf *ins[QRI_POINT_INS_MAX]; /* x IN (SELECT …) */
    size_t in_count;
    size_t row, row_count; /* of what has several values for the key: … */
    const void *rows;      /* … VALUES, or x IN (…); NULL: nothing */
    enum qr_status status;
};

/* A column of a source. */
struct qri_place {
    const struct qri_source *source;
    size_t column;
};

static inline const struct qr_type *qri_type_at(const struct qri_place *place)
{
    return &place->source->columns[place->column].type;
}

/* Rows that nobody else changes: those of #tables and of table variables. */
static inline bool qri_is_private(const struct qri_source *s)
{
    return s->is_temp || (s->kind == QRI_SOURCE_ROWS && s->rows->kind == QR_ROWS_TABLE);
}

/* So are those of a query that takes some of them as they are: its columns that are columns there.
 */
bool qri_shows_private(const struct qri_source *s, size_t column);
/* `expr` may be NULL. */
void qri_point_add(struct qri_point *p, const struct qr_expr *expr);
/* Adds the conditions of the joins above the source that its rows have to meet to be looked at.
 * False: it is not in there. */
bool qri_point_add_joins(struct qri_point *p, const struct qri_source *s);
/* The column that stands on this side of the condition. */
bool qri_column_of(const struct qr_expr *condition, size_t side, struct qri_place *ret_place);
/* Is what equals a column of the one type, as that compares, equal as the other compares? */
bool qri_compare_alike(const struct qr_type *a, const struct qr_type *b);
