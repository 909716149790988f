/* emit_int.h - printing a bound statement as SQLite SQL; shared by emit*.c.
 *
 * Text is made flat: queries that do not look outside become WITH terms w<n>(k1, k2, …), in the
 * order of their dependence; expressions deeper than QRI_NATIVE_DEPTH_MAX become one call of our
 * evaluator. The parser's stack of SQLite is 100 deep, so levels are counted. */
#pragma once
#include "bind_int.h"

enum {
    QRI_TEXT_BYTES_MAX = 16 * 1024 * 1024,
    QRI_NATIVE_DEPTH_MAX = 8, /* nested native nodes of one expression */
    /* Levels estimate how much of the parser's stack is in use where text is printed. */
    QRI_LEVEL_MAX = 92,
    QRI_LEVEL_EXPR_MAX = 52,  /* beyond it expressions become qx() … */
    QRI_LEVEL_QUERY_MAX = 36, /* … and subqueries WITH terms or plans of their own */
    QRI_LEVEL_NODE = 3,       /* "(" operand operator */
    QRI_LEVEL_CALL = 5,
    QRI_LEVEL_QUERY = 8,       /* "(SELECT items FROM tables WHERE" … */
    QRI_UNION_TERMS_MAX = 400, /* SQLite: 500 */
    QRI_QUERIES_MAX = 20000,   /* that WITH terms expand to; error 8623 */
    QRI_PARAMS_MAX = 32000,    /* SQLite: 32,766 */
};

/* Outer columns that a query run by qrows() gets as arguments. */
struct qri_emit_args {
    const struct qr_expr **exprs;
    size_t count, capacity;
};

/* The blocks being printed, inside each other. */
struct qri_emit_block {
    const struct qri_scope *scope;
    const struct qri_emit_block *around;
};

struct qri_emit {
    struct qri_compile *c;
    const struct qri_emit_block *block;
    uint32_t text; /* its number: WITH terms belong to one text */
    struct qr_plan_param *params;
    size_t param_count, param_capacity;
    struct qr_buf with;                /* "w1(k1) AS (…), w2 …" */
    unsigned level;                    /* printed inside each other */
    unsigned depth;                    /* native nodes of the present expression */
    bool conditional;                  /* may not be evaluated: errors must not come early */
    const struct qri_query *grouping;  /* printing one of its grouping sets: … */
    const struct qri_grouping *set;    /* … this one */
    struct qri_emit_args *args;        /* inside a plan of qrows(), else NULL */
    const struct qri_query *locked;    /* printing this block, whose rows are locked around it */
    const struct qri_scope *extending; /* printing its FROM, which has a RIGHT or FULL JOIN */
};

void qri_emit_init(struct qri_emit *em, struct qri_compile *c);
void qri_emit_done(struct qri_emit *em);
/* "WITH … " + body, and the parameters, into the plan's arena. */
QR_NODISCARD enum qr_status qri_emit_finish(struct qri_emit *em, struct qr_buf *body,
                                            struct qr_plan_sql *ret_sql);

/* --- emit.c: parameters --- */
QR_NODISCARD enum qr_status qri_emit_param(struct qri_emit *em, struct qr_buf *out,
                                           const struct qr_plan_param *param);
QR_NODISCARD enum qr_status qri_emit_value(struct qri_emit *em, struct qr_buf *out,
                                           const struct qr_expr *expr);
const char *qri_collate_name(const struct qr_type *type); /* NULL: none needed */
void qri_emit_collate(struct qr_buf *out, const struct qr_type *type);
QR_NODISCARD enum qr_status qri_emit_enter(struct qri_emit *em, unsigned levels);
static inline void qri_emit_leave(struct qri_emit *em, unsigned levels)
{
    em->level -= levels;
}

/* --- emit_expr.c, emit_program.c, emit_leaf.c --- */
QR_NODISCARD enum qr_status qri_emit_expr(struct qri_emit *em, struct qr_buf *out,
                                          const struct qr_expr *expr);
/* With COLLATE where the type needs one: ORDER BY, GROUP BY, DISTINCT, set operations. */
QR_NODISCARD enum qr_status qri_emit_sorted(struct qri_emit *em, struct qr_buf *out,
                                            const struct qr_expr *expr);
enum { QRI_NO_GROUP = -1 };
/* In a grouping set: the group expression that this one is (*ret_operands: 0), or else the longest
 * of those that its first operands are. */
int qri_group_of(const struct qri_emit *em, const struct qr_expr *expr, size_t *ret_operands);
/* The chain with the group expression as its first operand instead of so many. */
QR_NODISCARD enum qr_status qri_chain_of(struct qri_compile *c, const struct qr_expr *expr,
                                         const struct qr_expr *group, size_t operands,
                                         const struct qr_expr **ret_chain);
QR_NODISCARD enum qr_status qri_emit_program(struct qri_emit *em, struct qr_buf *out,
                                             const struct qr_expr *expr);
QR_NODISCARD enum qr_status qri_emit_leaf(struct qri_emit *em, struct qr_buf *out,
                                          const struct qr_expr *expr);
QR_NODISCARD enum qr_status qri_emit_order(struct qri_emit *em, struct qr_buf *out,
                                           const struct qri_order *order, size_t count);

/* before + the query's column + after + " FROM rows". */
QR_NODISCARD enum qr_status qri_emit_select_from(struct qri_emit *em, struct qr_buf *out,
                                                 struct qri_query *query, const char *before,
                                                 const char *after);

/* --- emit_exists.c --- */
QR_NODISCARD enum qr_status qri_emit_exists(struct qri_emit *em, struct qr_buf *out,
                                            const struct qr_expr *expr,
                                            const struct qri_leaf *leaf);

/* --- emit_from.c --- */
/* Rows of table variables, inserted and deleted that are joined or looked up again and again: a
 * materialised WITH term, for which SQLite makes an index as it needs one (not for virtual tables).
 */
bool qri_rows_are_kept(const struct qri_source *source);
/* A query with outer columns as a plan of its own: "qrows(?, columns)", whose columns are c1, c2 …
 */
QR_NODISCARD enum qr_status qri_emit_detached(struct qri_emit *em, struct qr_buf *out,
                                              struct qri_query *query);
QR_NODISCARD enum qr_status qri_emit_from(struct qri_emit *em, struct qr_buf *out,
                                          const struct qri_query *q);
QR_NODISCARD enum qr_status qri_emit_source(struct qri_emit *em, struct qr_buf *out,
                                            struct qri_source *source);

/* --- emit_key.c --- */
enum qri_named { QRI_NAMES_NOTHING, QRI_NAMES_KEY, QRI_NAMES_RANGE };
/* Adds the locks, like `how`, of the keys that the query can look at in the source. */
QR_NODISCARD enum qr_status qri_lock_named(struct qri_compile *c, const struct qri_query *q,
                                           struct qri_source *s, const struct qr_plan_prelock *how,
                                           enum qri_named *ret_named);

/* --- emit_driven.c --- */
struct qri_row_lock;
/* The index of the source whose leading columns are equal to columns of a driver: of a block around
 * anything; further left a narrow table, or rows that are in no permanent table, these also right
 * of it; of a target anything. Then item's lock->index and keys are set, and SQLite will read the
 * source after it. Or the index whose first column is one of a query's values (IN): its lock->index
 * and `in` are set. Else *ret_found is false. */
QR_NODISCARD enum qr_status qri_lock_driven(struct qri_compile *c, const struct qri_query *q,
                                            struct qri_source *s, enum qr_plan_lock_mode mode,
                                            struct qri_row_lock *item, bool *ret_found);
QR_NODISCARD enum qr_status qri_push_prelock(struct qri_compile *c,
                                             const struct qr_plan_prelock *prelock);

/* --- emit_lock.c --- */
struct qri_row_lock {
    const struct qr_plan_lock *lock;
    const struct qr_expr **keys;
    size_t key_count;
    struct qri_query *in; /* the keys are its values; NULL: they are `keys` */
};
struct qri_row_locks {
    struct qri_row_lock *items;
    size_t count;
    struct qri_row_lock *driven; /* keys of sources, locked when their drivers' rows are read */
    size_t driven_count;
    struct qri_row_lock *ins; /* and when the queries of IN are */
    size_t in_count;
};
/* "(SELECT ... FROM w1 WHERE qlockkey(?1, k1)) AS l1 CROSS JOIN ": the values of IN, in one row
 * that SQLite makes before it reads the block's tables. */
QR_NODISCARD enum qr_status qri_emit_driving(struct qri_emit *em, struct qr_buf *out,
                                             const struct qri_query *q);
/* "a AND b": the keys of the other driven, as the last conditions of WHERE. */
QR_NODISCARD enum qr_status qri_emit_driven(struct qri_emit *em, struct qr_buf *out,
                                            const struct qri_query *q);
/* Finds out once what the block's tables are locked for: q->locks, c->prelocks. */
QR_NODISCARD enum qr_status qri_block_locks(struct qri_emit *em, struct qri_query *q);
/* Are its rows locked after they are sorted, around it? Then its columns are followed by keys
 * (", key AS l1"), else its WHERE locks. */
bool qri_locks_outside(const struct qri_query *q);
QR_NODISCARD enum qr_status qri_emit_lock_keys(struct qri_emit *em, struct qr_buf *out,
                                               const struct qri_query *q);
/* "qlock(?1, key) AND ...": the keys by the names above, or as they are. */
QR_NODISCARD enum qr_status qri_emit_locks(struct qri_emit *em, struct qr_buf *out,
                                           const struct qri_query *q, bool by_name);
/* The condition of an outer join that leaves out the rows of its inner side that are read past. */
QR_NODISCARD enum qr_status qri_emit_on_locked(struct qri_emit *em, struct qr_buf *out,
                                               const struct qri_row_lock *item,
                                               const struct qr_expr *on);
QR_NODISCARD enum qr_status qri_emit_where_locked(struct qri_emit *em, struct qr_buf *out,
                                                  struct qri_query *q);

/* --- emit_select.c, emit_setop.c --- */
enum qri_form {
    QRI_FORM_PLAIN,  /* columns need no names */
    QRI_FORM_NAMED,  /* columns are k1, k2, … */
    QRI_FORM_EXISTS, /* only whether there is a row */
    QRI_FORM_BRANCH, /* of a set operation: columns carry their collations, no ORDER BY at the end
                      */
};
QR_NODISCARD enum qr_status qri_emit_query(struct qri_emit *em, struct qr_buf *out,
                                           struct qri_query *query, enum qri_form form);
QR_NODISCARD enum qr_status qri_emit_select(struct qri_emit *em, struct qr_buf *out,
                                            struct qri_query *query, enum qri_form form);
QR_NODISCARD enum qr_status qri_emit_grouping_sets(struct qri_emit *em, struct qr_buf *out,
                                                   struct qri_query *query, enum qri_form form);
/* SELECT … GROUP BY … HAVING of a block, without ORDER BY and LIMIT; items may have hidden ones
 * after them: the ORDER BY expressions that are no items, and `extra` text. */
QR_NODISCARD enum qr_status qri_emit_block(struct qri_emit *em, struct qr_buf *out,
                                           struct qri_query *query, enum qri_form form,
                                           bool with_order_items, const char *extra);
/* SELECT into variables that the items read themselves, perhaps in an order: emit_assign.c. */
bool qri_assigns_live(const struct qri_query *query);
QR_NODISCARD enum qr_status qri_emit_assigned(struct qri_emit *em, struct qr_buf *out,
                                              const struct qri_query *query, size_t item,
                                              const struct qr_expr *expr);
QR_NODISCARD enum qr_status qri_emit_assign(struct qri_emit *em, struct qr_buf *out,
                                            struct qri_query *query);
/* ORDER BY and LIMIT of a set operation. */
QR_NODISCARD enum qr_status qri_emit_tail(struct qri_emit *em, struct qr_buf *out,
                                          const struct qri_query *query);
/* The WITH term of a query that does not look outside: assigns query->with_id. */
QR_NODISCARD enum qr_status qri_emit_with(struct qri_emit *em, struct qri_query *query);
