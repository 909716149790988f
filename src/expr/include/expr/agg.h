/* expr/agg.h - the table of aggregate functions: typing and accumulation.
 *
 * The binder calls qr_agg_bind and puts the result behind a FOREIGN leaf; the engine registers one
 * SQLite aggregate that takes a pointer to a qr_agg_call and drives the slots. Works as a window
 * aggregate where `inverse` is not NULL. DISTINCT and FILTER are the emitter's.
 * State: `state_bytes` of zeroed memory, aligned to 16; one thread. qr_agg_done must follow every
 * use, also after an error.
 * Errors: at bind 8117, 8116, 174; at step and value 8115 (SUM(int) is int), QR_NOMEM. */
#pragma once
#include "expr/eval.h"

enum qr_agg_flags {
    QR_AGG_COUNTS_NULLS = 1, /* COUNT(*): steps for every row, no arguments */
    QR_AGG_NOT_NULL = 2,     /* never NULL: COUNT */
    QR_AGG_NO_WINDOW = 4,    /* OVER is not allowed: STRING_AGG */
    QR_AGG_WINDOW_ONLY = 8,  /* ROW_NUMBER, LAG ...: typing only, SQLite has them */
    QR_AGG_ORDER = 16,       /* needs ORDER BY in OVER (8726 class; the binder's error) */
    QR_AGG_ANY_ORDER = 32,   /* result does not depend on DISTINCT: MIN, MAX */
    QR_AGG_WITHIN = 64,      /* needs WITHIN GROUP with one expression, which is args[0]; what was
                                written between the parentheses is args[1] */
    QR_AGG_SEES_NULLS = 256, /* steps for NULLs as well */
    QR_AGG_JSON = 512,       /* its text is JSON, as of QR_FUNC_JSON */
    QR_AGG_OVER_ONLY = 128,  /* accumulated here, but with OVER only: PERCENTILE_CONT */
};

struct qr_agg_call;
struct qr_agg {
    const char *name; /* upper case */
    uint8_t args_min, args_max;
    unsigned flags;     /* enum qr_agg_flags */
    const char *native; /* SQLite function that does the same on stored forms, or NULL */
    /* Fills type, label, nullable of `call`; may cast call->args. */
    enum qr_status (*typing)(struct qr_expr_builder *b, struct qr_agg_call *call);
    size_t state_bytes;
    enum qr_status (*step)(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                           const struct qr_value *args, struct qr_err *err);
    enum qr_status (*inverse)(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                              const struct qr_value *args, struct qr_err *err);
    /* May be called many times; does not change what was accumulated. */
    enum qr_status (*value)(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                            struct qr_value *ret_value, struct qr_err *err);
    void (*done)(void *state); /* NULL if the state owns nothing */
};

struct qr_agg_call {
    const struct qr_agg *agg;
    const struct qr_expr **args; /* with implicit casts */
    size_t arg_count;            /* 0 for COUNT(*) */
    bool distinct;
    struct qr_type type; /* of the result */
    enum qr_collation_label label;
    bool nullable;
};

/* NULL when the name is no aggregate or window function. COUNT(*) is COUNT without arguments. */
const struct qr_agg *qr_agg_find(struct qr_str name);
QR_NODISCARD enum qr_status qr_agg_bind(struct qr_expr_builder *b, const struct qr_agg *agg,
                                        const struct qr_expr *const *args, size_t arg_count,
                                        bool distinct, struct qr_agg_call *ret_call);

/* NULL inputs are left out here and set ctx->null_eliminated. `args` have the types of call->args,
 * in memory form. */
QR_NODISCARD enum qr_status qr_agg_step(const struct qr_agg_call *call, void *state,
                                        struct qr_eval *ctx, const struct qr_value *args,
                                        struct qr_err *err);
QR_NODISCARD enum qr_status qr_agg_inverse(const struct qr_agg_call *call, void *state,
                                           struct qr_eval *ctx, const struct qr_value *args,
                                           struct qr_err *err);
/* `state` may be NULL: no row was seen. */
QR_NODISCARD enum qr_status qr_agg_value(const struct qr_agg_call *call, void *state,
                                         struct qr_eval *ctx, struct qr_value *ret_value,
                                         struct qr_err *err);
void qr_agg_done(const struct qr_agg_call *call, void *state);
