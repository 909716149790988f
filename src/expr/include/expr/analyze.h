/* expr/analyze.h - what the emitter asks about an expression, and how it cuts one into a program.
 *
 * Pure; new nodes go to the arena given. */
#pragma once
#include "expr/expr.h"

/* Values an integer expression (bit to bigint, predicates) can take, before the check that its
 * type demands. Wider than int64 means: native int64 arithmetic could overflow. */
struct qr_interval {
    qr_i128 low, high;
};
/* False if the type is no integer. Intervals saturate at +-2^100. */
bool qr_expr_interval(const struct qr_expr *expr, struct qr_interval *ret_interval);

enum qr_native {
    QR_NATIVE_NO,    /* goes through the evaluator: qx(...) */
    QR_NATIVE_YES,   /* SQLite computes this node on the stored form exactly as T-SQL does, given
                        that its children's values are right */
    QR_NATIVE_RANGE, /* as YES in int64, but the result may leave the type's range: check it once
                        against qr_int_range(type) where the value leaves integer arithmetic */
};
/* Of the node alone; children may be native or not. Leaves are YES. A comparison of strings is YES
 * under COLLATE of args[0]->type.collation. LIKE, CALL, most CASTs are NO. */
enum qr_native qr_expr_native(const struct qr_expr *expr);
/* Range of bit, tinyint, smallint, int, bigint. */
struct qr_interval qr_int_range(enum qr_type_id id);

/* A leafless stable subtree (GETDATE(), @@SPID + 1, RAND()): evaluate once, pass as a parameter. */
bool qr_expr_is_hoistable(const struct qr_expr *expr);

/* Rebuilds the tree with nodes replaced: `replace` is asked for every node from the root down and
 * returns another expression of the same type, or NULL to keep the node and go on below it.
 * Unchanged subtrees are shared. `ret_expr` may equal `expr`. */
QR_NODISCARD enum qr_status
qr_expr_rewrite(struct qr_arena *arena, const struct qr_expr *expr,
                const struct qr_expr *(*replace)(void *arg, const struct qr_expr *expr), void *arg,
                const struct qr_expr **ret_expr, struct qr_err *err);

/* Calls `visit` for every node, parents first; stops and returns false when it returns false. */
bool qr_expr_walk(const struct qr_expr *expr, bool (*visit)(void *arg, const struct qr_expr *expr),
                  void *arg);

/* A program for qx(): `expr` with every distinct FOREIGN node replaced by INPUT(i). Two FOREIGN
 * nodes are one leaf when `u.ref` is the same pointer. */
struct qr_expr_program {
    const struct qr_expr *expr;
    const struct qr_expr **leaves; /* the FOREIGN nodes, by input index */
    size_t leaf_count;
};
QR_NODISCARD enum qr_status qr_expr_program(struct qr_arena *arena, const struct qr_expr *expr,
                                            struct qr_expr_program *ret_program,
                                            struct qr_err *err);

/* Same shape, types, constants, functions and refs: GROUP BY matching, common subexpressions. */
bool qr_expr_equal(const struct qr_expr *a, const struct qr_expr *b);
