/* mask_int.h - which columns of a query show masked columns of tables: bind_mask.c
 *
 * A mask goes with a column through views, derived tables and common table expressions to where the
 * statement gives values away; conditions, joins and sorting see what is stored. An expression that
 * names a masked column is masked by default(), a bare column by its own function. */
#pragma once
#include "dml_int.h"

/* Those of a table's columns. */
QR_NODISCARD enum qr_status qri_masks_of_table(struct qri_compile *c, struct qri_source *source);
/* What an expression shows; NULL: nothing that is masked. */
QR_NODISCARD enum qr_status qri_mask_of(struct qri_compile *c, const struct qr_expr *expr,
                                        const struct qr_plan_mask **ret_mask);
/* Adds to `*mask`, which becomes default() unless both are one. */
QR_NODISCARD enum qr_status qri_mask_add(struct qri_compile *c, const struct qr_plan_mask *from,
                                         const struct qr_plan_mask **mask);
/* What all columns of a query show, masked by default(). */
QR_NODISCARD enum qr_status qri_mask_of_all(struct qri_compile *c, const struct qri_query *query,
                                            const struct qr_plan_mask **ret_mask);
/* All columns of a source show what its arguments do. */
QR_NODISCARD enum qr_status qri_masks_of_args(struct qri_compile *c, struct qri_source *source);
/* The query's columns show what those of its first `count` branches do; of a recursive one each of
 * them all that any does. */
QR_NODISCARD enum qr_status qri_masks_of_branches(struct qri_compile *c, struct qri_query *query,
                                                  size_t count);
QR_NODISCARD enum qr_status qri_masks_of_rows(struct qri_compile *c, struct qri_query *query);
/* Variables that are assigned row by row and read meanwhile carry on what they got. */
QR_NODISCARD enum qr_status qri_masks_of_live(struct qri_compile *c, struct qri_query *query);
/* What of a staged row goes into the table or variables. */
QR_NODISCARD enum qr_status qri_masks_of_stage(struct qri_compile *c, const struct qri_query *stage,
                                               struct qr_plan_dml *dml);
