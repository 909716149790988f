/* use_int.h - what a statement does to the objects it names, while it is being bound: bind_access.c
 * makes struct qr_plan_access of it. */
#pragma once
#include "tsql/plan.h"

struct qri_compile;
struct qri_object;
struct qri_source;
struct qri_target;

struct qri_columns {
    uint8_t *bits; /* by column_id - 1 */
    size_t bytes;
};
struct qri_use {
    struct qri_use *next;
    const struct qr_cat_object *object, *through, *synonym; /* as in struct qr_plan_access */
    uint8_t needs;                                          /* enum qr_access */
    bool is_target; /* its rows are changed: reading is asked for only of columns that are read */
    const uint32_t *ids; /* of a view's or function's columns, by place; NULL: their places */
    struct qri_columns selects, updates;
};

/* `*ret_use` NULL: nobody is asked for it (a #table). */
QR_NODISCARD enum qr_status qri_use_new(struct qri_compile *c, const struct qri_object *found,
                                        uint8_t needs, struct qri_use **ret_use);
QR_NODISCARD enum qr_status qri_use_call(struct qri_compile *c, const struct qri_object *found,
                                         uint8_t needs);
/* Its columns are the module's of those names, whatever the statement calls them. */
QR_NODISCARD enum qr_status qri_use_named(struct qri_compile *c, struct qri_source *source,
                                          struct qri_use *use);
/* The statement reads that column of the source by name. */
QR_NODISCARD enum qr_status qri_use_column(struct qri_compile *c, const struct qri_source *source,
                                           size_t column);
/* What stands in a text of the table is done through it, if it is one of the database. */
const struct qr_cat_object *qri_through(const struct qri_compile *c,
                                        const struct qr_cat_object *table);
QR_NODISCARD enum qr_status qri_uses_list(struct qri_compile *c, struct qr_plan_accesses *ret);
/* Those of a part that was bound apart. */
QR_NODISCARD enum qr_status qri_uses_adopt(struct qri_compile *c, const struct qri_compile *part);
