/* ddl_alter_int.h - between the two sides of ALTER TABLE. */
#pragma once
#include "ddl_int.h"

struct qri_alter {
    struct qri_ddl_stmt s;
    const struct qr_ast_alter_table *ast;
    const struct qr_cat_object *old;
    struct qr_cat_object *now;
    bool rebuild; /* the rows are made anew */
};

QR_NODISCARD enum qr_status qri_alter_column(struct qri_alter *a);
/* Rows and indexes follow the new definition; then the catalog does. */
QR_NODISCARD enum qr_status qri_alter_finish(struct qri_alter *a);
bool qri_index_uses(const struct qr_cat_index *index, const struct qr_cat_column *c);
