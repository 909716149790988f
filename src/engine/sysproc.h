/* sysproc.h - system procedures: one row is one procedure. */
#pragma once
#include "frame.h"

typedef enum qr_status qri_sysproc_fn(struct qr_session *session, struct qri_call_arg *args,
                                      size_t arg_count, int32_t *ret_status, struct qr_err *err);
struct qri_sysproc {
    const char *name; /* lower case */
    qri_sysproc_fn *run;
};
/* NULL: none of that name. */
const struct qri_sysproc *qri_sysproc_find(struct qr_str name);
/* By name, else by position among the arguments without a name; NULL if it was not given. */
const struct qri_call_arg *qri_sysproc_arg(const struct qri_call_arg *args, size_t count,
                                           const char *name, size_t index);
qri_sysproc_fn qri_sp_sequence_get_range;              /* sysproc_sequence.c */
qri_sysproc_fn qri_sp_cleanup_temporal_history;        /* sysproc_temporal.c */
qri_sysproc_fn qri_sp_setapprole, qri_sp_unsetapprole; /* sysproc_approle.c */
/* Walks the table; NULL past the end. */
const struct qri_sysproc *qri_sysproc_at(size_t index);
