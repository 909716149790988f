/* describe_int.h - what a text would answer with, and the types of its parameters, without running
 * it: sp_describe_first_result_set, sys.dm_exec_describe_first_result_set,
 * sp_describe_undeclared_parameters. */
#pragma once
#include "sysproc.h"

struct qri_describe {
    struct qr_str text, params;
    const struct qr_cat_object *module; /* in place of the text, or NULL */
    bool browse;                        /* @browse_information_mode: tell source columns */
    /* Takes one column of the first result: the values of sp_describe_first_result_set. */
    enum qr_status (*row)(void *ctx, const struct qr_value *values, size_t count);
    void *ctx;
};
QR_NODISCARD enum qr_status qri_describe(struct qr_session *session,
                                         const struct qri_describe *what, struct qr_err *err);

/* The same as a result of its own. */
QR_NODISCARD enum qr_status qri_describe_first_result(struct qr_session *session,
                                                      struct qr_str text, struct qr_str params,
                                                      bool browse, struct qr_err *err);
/* The types that the variables which neither the text nor `params` declares have to have. */
QR_NODISCARD enum qr_status qri_describe_parameters(struct qr_session *session, struct qr_str text,
                                                    struct qr_str params, struct qr_err *err);
/* [MS-TDS] 2.2.5.4: what may be NULL travels as the type of variable length. */
int qri_describe_tds_type(const struct qr_type *type, bool nullable);
