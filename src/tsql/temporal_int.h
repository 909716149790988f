/* temporal_int.h - FOR SYSTEM_TIME: what bind_from.c and bind_temporal.c share. */
#pragma once
#include "bind_int.h"

/* FOR SYSTEM_TIME of a table, or of a view for the tables in it: bind_temporal.c. */
struct qri_system_time {
    enum qr_ast_temporal kind;
    struct qri_frame times; /* @from and @to */
    size_t use_count;       /* tables that it has been applied to */
};

QR_NODISCARD enum qr_status qri_system_time_bind(struct qri_compile *c,
                                                 const struct qr_ast_table_source *ast,
                                                 struct qri_system_time *ret_time);
/* A table with a history as c->system_time wants it. */
QR_NODISCARD enum qr_status qri_temporal_source(struct qri_compile *c,
                                                const struct qri_object *found,
                                                struct qri_source **ret_source);
