/* policy_int.h - what predicates of security policies make of tables that are named: bind_policy.c
 */
#pragma once
#include "dml_int.h"

/* An enabled security policy has a filter on it, and the statement meets that. */
bool qri_is_filtered(const struct qri_compile *c, const struct qri_object *found);
/* Its rows behind the filter; as of a view, `module` is the object itself. */
QR_NODISCARD enum qr_status qri_filtered_source(struct qri_compile *c,
                                                const struct qri_object *found,
                                                struct qri_source **ret_source);
/* bind_guard.c: terms of a condition that can fail are kept from rows that a filter hides. In the
 * scope of the condition, whose FROM is bound. */
QR_NODISCARD enum qr_status qri_guard(struct qri_compile *c, const struct qr_expr **condition);
/* bind_push.c: what the query's WHERE says of a filtered table's columns is said inside, too, where
 * it names keys to lock. */
QR_NODISCARD enum qr_status qri_push_down(struct qri_compile *c, const struct qri_query *query);
/* dml->blocks of the target. */
QR_NODISCARD enum qr_status qri_blocks(struct qri_compile *c, enum qr_plan_kind kind,
                                       struct qr_plan_dml *dml);
/* Once the columns that are set are known: AFTER UPDATE asks about them alone. */
void qri_blocks_settle(struct qr_plan_dml *dml);
/* An INSERT of the table would be asked about. */
bool qri_blocks_insert(const struct qr_cat_object *table);
