/* bind_int.h - the bound form of a relational statement, between the AST and SQLite's text.
 *
 * The binder turns names into sources (rows), leaves (values that SQLite computes: columns,
 * aggregates, window functions, subqueries) and typed expressions over those leaves; the emitter
 * prints them. Everything lives in the compile's arena. One thread; lives for one compile. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/sqlmsg.h"
#include "base/status.h"
#include "codec/collation.h"
#include "codec/type.h"
#include "expr/agg.h"
#include "expr/analyze.h"
#include "expr/expr.h"
#include "tsql/ast.h"
#include "tsql/catalog.h"
#include "tsql/parse.h"
#include "tsql/plan.h"
#include "hint_int.h"
#include "use_int.h"

enum {
    QRI_NEST_MAX = 64,           /* queries within each other, views and functions included */
    QRI_SELECT_ITEMS_MAX = 2000, /* SQLite: 2,000 columns; error 1056 */
    QRI_JOIN_TABLES_MAX = 64,    /* SQLite's own limit; error 106 */
};

struct qri_query;
struct qri_row_lock;
struct qri_row_locks;
struct qri_source;
struct qri_system_time;
struct qri_scope;
struct qri_leaf;
struct qri_target;

/* What a query gives under a name. */
struct qri_column {
    struct qr_str name; /* n = 0: none */
    struct qr_type type;
    enum qr_collation_label label;
    bool nullable;
    bool is_null; /* sources: NULL in all rows, which has no type of its own; it shows as int */
    uint32_t user_type_id;
    uint32_t flags;                     /* QR_COLUMN_* */
    const struct qr_cat_object *object; /* origin in a base table, else NULL */
    uint32_t column_id;
    const struct qr_plan_mask *mask;           /* who reads it needs UNMASK; NULL: nobody does */
    int64_t identity_seed, identity_increment; /* IDENTITY() of SELECT INTO */
    const struct qr_expr *leaf; /* sources: the interned expression, NULL until used */
    const struct qr_expr *expr; /* sources lowered into their surroundings: what it stands for */
};

enum qri_source_kind {
    QRI_SOURCE_TABLE,   /* t<id>, temp.t<id> or a system virtual table */
    QRI_SOURCE_ROWS,    /* qrows(?, args) */
    QRI_SOURCE_QUERY,   /* derived table, view, common table expression */
    QRI_SOURCE_RECURSE, /* a recursive CTE's reference to itself */
    QRI_SOURCE_PSEUDO,  /* inserted and deleted of OUTPUT: columns are INPUTs */
    QRI_SOURCE_EXPAND,  /* APPLY merged into its surroundings: `left` holds its tables (or NULL) */
    QRI_SOURCE_COUNTER, /* rows 0 .. row_count - 1 in its only column: VALUES and UNPIVOT by CASE */
    QRI_SOURCE_JOIN,
};

struct qri_source {
    enum qri_source_kind kind;
    uint32_t id;          /* s<id> in the text; 0 for joins */
    struct qr_str alias;  /* exposed name */
    struct qr_str schema; /* of an unaliased table: what may stand before its name */
    bool is_aliased;
    bool is_qualified;                  /* the schema was written, so messages write it too */
    const struct qr_cat_object *object; /* TABLE, and ROWS of a table */
    const struct qr_cat_object *module; /* QUERY and EXPAND: the view or function it came from */
    bool is_temp;
    struct qr_plan_rows *rows;
    const struct qr_expr **args; /* of rows, and of APPLY's plan: over columns further left */
    size_t arg_count;
    struct qri_query *query;
    struct qri_column *columns;
    size_t column_count;
    struct qri_scope *scope;      /* where it stands */
    size_t row_count;             /* COUNTER */
    bool is_null_extended;        /* on the inner side of an outer join */
    uint32_t with_id, with_text;  /* ROWS kept in a WITH term, see qri_rows_are_kept */
    bool needs_rid;               /* its rowid must be seen through parentheses around a join */
    bool needs_mark;              /* MERGE asks whether a row is there: query emits column km */
    struct qri_row_lock *on_lock; /* TABLE: emitter: locked in the ON of an outer join; or NULL */
    bool is_target;               /* TABLE: DML changes its rows, and locks them itself */
    bool is_narrow;      /* TABLE: emitter: its conditions, or those of its driver, name keys */
    struct qri_use *use; /* TABLE, views and functions: what is done to it; NULL: nobody asks */
    bool is_filter, has_guard;          /* QUERY: of a filtered table; `guard` is known */
    const struct qr_expr *guard;        /* bind_guard.c: an item of the query; NULL: none */
    struct qri_source *reached;         /* DML through it changes this one of its query's */
    const struct qri_target *pseudo_of; /* PSEUDO */
    bool is_driven;      /* TABLE: emitter: read after all that stands before it in its FROM */
    bool is_after_right; /* TABLE: emitter: left of an inner join, and read after its right */
    uint32_t hints;      /* TABLE: QRI_HINT_* */
    /* JOIN */
    enum qr_ast_join_kind join;
    struct qri_source *left, *right;
    const struct qr_expr *on;
};

/* Where an expression stands: which leaves it may have. */
enum qri_clause {
    QRI_CLAUSE_NONE, /* no FROM: aggregates are an error */
    QRI_CLAUSE_FROM, /* ON, arguments of table functions */
    QRI_CLAUSE_WHERE,
    QRI_CLAUSE_GROUP,
    QRI_CLAUSE_HAVING,
    QRI_CLAUSE_SELECT,
    QRI_CLAUSE_ORDER,
    QRI_CLAUSE_SET, /* UPDATE … SET, VALUES, MERGE */
    QRI_CLAUSE_OUTPUT,
};

/* The tables whose columns may be named, innermost first. */
struct qri_scope {
    struct qri_scope *outer;
    struct qri_query *query;   /* the block whose FROM this is; NULL for none */
    struct qri_source **items; /* without joins */
    size_t count, capacity;
    size_t first;           /* only items[first ..] are visible: ON sees its join's tables */
    enum qri_clause clause; /* where the query now being bound inside stands */
    bool is_barrier;        /* names do not go further out, but `outer` counts for nesting */
};

enum qri_leaf_kind {
    QRI_LEAF_COLUMN,
    QRI_LEAF_VAR,   /* only made by the emitter, for programs */
    QRI_LEAF_GROUP, /* likewise: an expression that is grouped by, `left` */
    QRI_LEAF_LIVE,  /* a variable that the statement itself assigns row by row: read each time */
    QRI_LEAF_AGG,
    QRI_LEAF_WINDOW,
    QRI_LEAF_SCALAR,
    QRI_LEAF_EXISTS,
    QRI_LEAF_IN,
    QRI_LEAF_QUANTIFIED,
    QRI_LEAF_GROUPING,
    QRI_LEAF_MARK, /* MERGE: is there a row of `source`? */
};

struct qri_order {
    const struct qr_expr *expr;
    size_t item; /* select item that it is, SIZE_MAX: none */
    bool descending;
};

struct qri_window {
    const struct qr_expr **partition;
    size_t partition_count;
    struct qri_order *order;
    size_t order_count;
    const struct qr_ast_frame *frame;
    const struct qr_expr *frame_start, *frame_end;
};

struct qri_leaf {
    enum qri_leaf_kind kind;
    struct qri_source *source; /* COLUMN */
    size_t column;
    struct qri_query *block;   /* AGG, GROUPING: the block it aggregates */
    struct qr_agg_call *agg;   /* AGG, WINDOW over an aggregate, ROW_NUMBER … */
    struct qri_window *window; /* WINDOW */
    struct qri_order *within;  /* WITHIN GROUP */
    size_t within_count;
    struct qri_query *query;    /* subqueries */
    const struct qr_expr *left; /* IN, QUANTIFIED: already of the comparison's type */
    bool negated, all;
    enum qr_cmp cmp;
    const struct qr_expr **args; /* GROUPING */
    size_t arg_count;
    uint32_t slot; /* VAR */
    struct qr_type type;
};

enum qri_query_kind { QRI_QUERY_SELECT, QRI_QUERY_SETOP, QRI_QUERY_VALUES };

struct qri_top {
    const struct qr_expr *amount; /* bigint, or float with percent; NULL: none */
    bool percent, with_ties;
};

struct qri_grouping {
    uint8_t *in; /* pairwise with group exprs: 1 = grouped by it in this set */
};

/* Equal aggregates of one block share a leaf, so that ORDER BY COUNT(*) is the item COUNT(*). */
struct qri_agg_use {
    struct qri_agg_use *next;
    const struct qr_expr *expr;
};

struct qri_query {
    enum qri_query_kind kind;
    const struct qr_ast_query *ast;
    struct qri_scope *scope; /* SELECT: of its FROM */
    struct qri_column *outs;
    size_t out_count;
    size_t exposed_count;          /* so many of them, the last, were added for a source of it */
    bool is_correlated;            /* names a column of a table outside itself */
    struct qri_scope *apply_scope; /* APPLY: the scope of the tables left of it */
    bool uses_siblings;            /* … and a column of theirs is named */
    bool is_top;                   /* the statement's own: nothing is asked of its rows */
    bool is_merge;            /* MERGE's own: WHERE asks for rows that a LEFT JOIN makes, too */
    bool is_tested;           /* of EXISTS: nothing is asked of its columns */
    bool is_applied;          /* run by the engine for each outer row: qrows() over a plan */
    struct qri_agg_use *aggs; /* aggregates of this block */
    /* SELECT */
    struct qri_source **from;
    size_t from_count;
    const struct qr_expr *where;
    const struct qr_expr **group;
    size_t group_count;
    struct qri_grouping *sets; /* ROLLUP and the like; count 0: one plain GROUP BY */
    size_t set_count;
    bool is_grouped; /* GROUP BY, HAVING or an aggregate */
    bool has_window;
    const struct qr_expr *having;
    const struct qr_expr **items; /* pairwise with outs */
    bool distinct;
    struct qri_top top;
    struct qr_str *assign_names; /* SELECT @v = …: pairwise with items, or NULL */
    /* SETOP; VALUES */
    struct qri_query **branches;
    uint8_t *ops;
    size_t branch_count;
    const struct qr_expr ***rows;
    size_t row_count;
    /* all */
    struct qri_order *order;
    size_t order_count;
    const struct qr_expr *offset, *fetch;
    struct qri_query
        *for_inner; /* FOR JSON, FOR XML: the rows, this query being the text of them */
    struct qr_plan_for *for_call;
    /* recursion: anchors are branches [0, anchor_count) */
    bool is_recursive;
    size_t anchor_count;
    uint32_t recursion_max;
    /* emitter: its WITH term once it has one */
    struct qri_row_locks *locks; /* emitter: rows to lock; NULL: not known yet */
    bool is_driver;              /* emitter: of IN: its values are keys to lock, in a WITH term */
    uint32_t weight;             /* emitter: queries it expands to, 0 = not known yet */
    uint32_t with_id;
    uint32_t with_text; /* in which text: its number */
};

/* A common table expression in scope. */
struct qri_cte {
    struct qri_cte *next; /* older */
    struct qr_str name;
    const struct qr_ast_cte *ast;
    struct qri_query *query;   /* NULL while it is being bound */
    struct qri_query *partial; /* recursion: the anchors, bound */
    bool uses_itself;
};

/* Parameters of an inline function being expanded: variables that are expressions. */
struct qri_param {
    struct qr_str name;
    const struct qr_expr *expr;
};
struct qri_frame {
    const struct qri_param *params;
    size_t count;
    bool hides_vars; /* views and functions do not see the batch's variables */
};

struct qri_compile {
    struct qr_arena *arena;
    const struct qr_bind_env *env;
    struct qr_err *err;
    struct qr_expr_builder b;
    /* state of the place being bound */
    struct qri_scope *scope;
    struct qri_cte *ctes;
    const struct qr_ast_with *namespaces; /* WITH XMLNAMESPACES; NULL: none */
    const struct qri_frame *frame;
    enum qri_clause clause;
    bool in_aggregate, in_window;
    bool allow_outer_aggregates;
    uint32_t nest;
    uint32_t next_source;
    uint32_t next_with;
    uint32_t next_text;
    struct qri_cte *recursing;     /* the set operation about to be bound may recur by this name */
    struct qri_scope *apply_scope; /* the query about to be bound stands right of APPLY */
    bool in_predicate;             /* of a security policy: tables are read as they are */
    const struct qr_cat_object *filtering; /* its filter is about to be put around it */
    bool is_filtered; /* a table has the filter of a security policy, or block predicates */
    bool has_masks;   /* a source has masked columns */
    const struct qri_target *output_of;  /* OUTPUT's inputs are columns of it */
    struct qri_system_time *system_time; /* temporal_int.h: of the view being bound; or NULL */
    bool in_tempdb;                      /* the text of a system view of tempdb is being bound */
    bool lateral;                        /* the source about to be bound stands right of APPLY */
    bool extended;                       /* … on the inner side of an outer join */
    bool extends_left;                   /* the statement has a RIGHT or FULL JOIN */
    uint32_t expanded; /* columns of the block itself that became the expressions they stand for */
    const struct qr_ast_select *assigning; /* its items are being bound; they assign variables */
    size_t assigning_live; /* how many of its items, from the first, may have assigned already */
    const struct qr_ast_set_items *setting; /* of an UPDATE, are being bound */
    bool is_top_query;                      /* the query about to be bound is the statement's own */
    bool in_default;                        /* a column's DEFAULT is being bound */
    bool completes_rows;                    /* … of rows that the engine completes one by one */
    bool in_merge;                          /* a MERGE is */
    bool in_choice;                         /* what stands in CASE, IIF and the like is */
    bool is_branch;                         /* a set operation's query is */
    struct qri_drawn *drawn;                /* sequences that the row being bound has numbers of */
    bool is_tested_query;                   /* … is of EXISTS */
    uint32_t schema_id;                     /* for one-part names: the batch's, or the module's */
    bool fell_through;                      /* one was not there, and found in dbo */
    const struct qr_cat_object *through;    /* the module or table whose text is being bound */
    struct qri_use *uses, *last_use;
    bool reads_user_tables, warns_null_aggregate, is_volatile, has_subquery, has_udf;
    bool udf_reads, udf_locks; /* one may read tables; with hints that lock */
    uint32_t recursion_max;
    const struct qr_cat_object **depends;
    size_t depend_count, depend_capacity;
    struct qr_plan_prelock *prelocks;
    size_t prelock_count, prelock_capacity;
    bool locks_rows;     /* a qlock() was printed */
    uint8_t heeds_level; /* enum qr_heeds */
    /* row expressions: columns are inputs of this table */
    const struct qr_cat_object *row_table;
};

#define QRI_NEW(c, type) ((type *)qr_arena_alloc((c)->arena, sizeof(type)))
#define QRI_ARRAY(c, count, type) ((type *)qr_arena_array((c)->arena, (count), sizeof(type)))

static inline enum qr_status qri_nomem(struct qri_compile *c)
{
    return qr_fail(c->err, QR_NOMEM, "compile statement");
}
/* The variable's value, or its QRI_LEAF_LIVE. */
QR_NODISCARD enum qr_status qri_var_expr(struct qri_compile *c, const struct qr_bind_var *var,
                                         const struct qr_expr **ret_expr);
/* NUL-terminated copy for messages; "" when memory is short. */
const char *qri_text_z(struct qri_compile *c, struct qr_str s);
/* "a.b.c" as written, for messages. */
const char *qri_name_z(struct qri_compile *c, const struct qr_ast_name *name);

/* --- bind_name.c: objects --- */
enum qri_want { QRI_WANT_ROWS, QRI_WANT_TARGET, QRI_WANT_TABLE_FUNCTION, QRI_WANT_SCALAR_FUNCTION };
struct qri_object {
    const struct qr_cat_object *object;
    const struct qr_cat_object *synonym; /* that was named; NULL: none */
    bool is_temp, is_system;             /* both: a system view of tempdb */
};
/* Follows synonyms. Fails with 208, 40515 (other database), 117 (too many parts). With
 * `may_miss`, object NULL instead of 208. */
QR_NODISCARD enum qr_status qri_object_find(struct qri_compile *c, const struct qr_ast_name *name,
                                            bool may_miss, struct qri_object *ret_object);
QR_NODISCARD enum qr_status qri_depend(struct qri_compile *c, const struct qr_cat_object *object);
QR_NODISCARD enum qr_status qri_type(struct qri_compile *c, const struct qr_ast_type *ast,
                                     bool in_cast, struct qr_type *ret_type,
                                     uint32_t *ret_user_type_id, bool *ret_nullable);
const struct qr_bind_var *qri_bind_var(const struct qr_bind_env *env, struct qr_str name);

/* --- bind_scope.c: columns --- */
struct qri_scope *qri_scope_new(struct qri_compile *c, struct qri_scope *outer,
                                struct qri_query *query);
QR_NODISCARD enum qr_status qri_scope_add(struct qri_compile *c, struct qri_scope *scope,
                                          struct qri_source *source);
QR_NODISCARD enum qr_status qri_bind_column(struct qri_compile *c, const struct qr_ast_name *name,
                                            const struct qr_expr **ret_expr);
/* The expression of one column of a source. */
QR_NODISCARD enum qr_status qri_column_leaf(struct qri_compile *c, struct qri_source *source,
                                            size_t column, const struct qr_expr **ret_expr);
/* A value of the source that is NULL only where an outer join found no row of it. */
/* Parentheses around joins may stand around the table: they hide its rowid. */
bool qri_may_be_nested(const struct qri_source *source);
QR_NODISCARD enum qr_status qri_mark_leaf(struct qri_compile *c, struct qri_source *source,
                                          const struct qr_expr **ret_expr);
bool qri_source_matches(const struct qri_source *source, const struct qr_ast_ident *parts,
                        size_t count);
QR_NODISCARD enum qr_status qri_leaf(struct qri_compile *c, struct qri_leaf *leaf,
                                     const struct qr_expr_foreign *shape,
                                     const struct qr_expr **ret_expr);
static inline struct qri_leaf *qri_leaf_of(const struct qr_expr *expr)
{
    return expr->kind == QR_EXPR_FOREIGN ? (struct qri_leaf *)expr->u.ref : NULL;
}
/* Marks every query between here and the scope of `source` as correlated. */
void qri_mark_correlated(struct qri_compile *c, const struct qri_source *source);

/* --- bind_from.c --- */
QR_NODISCARD enum qr_status qri_from(struct qri_compile *c, const struct qr_ast_sources *ast,
                                     struct qri_query *query);
QR_NODISCARD enum qr_status qri_source_bind(struct qri_compile *c, const struct qr_ast_source *ast,
                                            struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_table_source(struct qri_compile *c, const struct qri_object *found,
                                             struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_rowset_source(struct qri_compile *c, struct qr_str name,
                                              const struct qr_cat_object *shape,
                                              struct qri_source **ret_source);
struct qri_source *qri_source_new(struct qri_compile *c, enum qri_source_kind kind,
                                  size_t column_count);
QR_NODISCARD enum qr_status qri_query_source(struct qri_compile *c, struct qri_query *query,
                                             const struct qr_ast_idents *names, struct qr_str what,
                                             struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_no_columns_fail(struct qri_compile *c, struct qr_str what,
                                                bool more);
/* --- bind_sample.c --- */
QR_NODISCARD enum qr_status qri_sample_source(struct qri_compile *c,
                                              const struct qr_ast_table_source *ast,
                                              struct qri_source **ret_source);
/* --- bind_module.c, bind_rows.c, bind_apply.c, bind_pivot.c --- */
QR_NODISCARD enum qr_status qri_view_source(struct qri_compile *c, const struct qri_object *found,
                                            struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_call_source(struct qri_compile *c,
                                            const struct qr_ast_call_source *ast,
                                            struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_function_source(struct qri_compile *c,
                                                const struct qri_object *found,
                                                const struct qr_ast_exprs *args,
                                                struct qri_source **ret_source);
/* The scope for a part of FROM that may look out of the block, but not at its neighbours. */
struct qri_scope *qri_inner_scope(struct qri_compile *c);
QR_NODISCARD enum qr_status qri_rows_args(struct qri_compile *c, struct qri_source *source,
                                          const struct qr_expr **args, size_t arg_count);
QR_NODISCARD enum qr_status qri_apply_lower(struct qri_compile *c, struct qri_source *right,
                                            bool is_outer);
QR_NODISCARD enum qr_status qri_counter_source(struct qri_compile *c, size_t row_count,
                                               struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_counter_case(struct qri_compile *c, struct qri_source *counter,
                                             const struct qr_expr *const *values,
                                             const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_pivot_source(struct qri_compile *c, const struct qr_ast_pivot *ast,
                                             struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_unpivot_source(struct qri_compile *c,
                                               const struct qr_ast_unpivot *ast,
                                               struct qri_source **ret_source);

/* --- bind_hint.c --- */
/* QRI_HINT_*; 321, 1047, 650. */
QR_NODISCARD enum qr_status qri_hints_bind(struct qri_compile *c, const struct qr_ast_options *ast,
                                           uint32_t *ret_bits);
/* Those of a view or common table expression go to the tables it is made of. */
void qri_hints_add(struct qri_source *source, uint32_t bits);
/* The hints after the target's name; `source`: what it is in FROM, or NULL. 1065 for NOLOCK. */
QR_NODISCARD enum qr_status qri_hints_of_target(struct qri_compile *c,
                                                const struct qr_ast_source *target,
                                                struct qri_source *source, uint32_t *ret_bits);
/* TABLOCK of INSERT's target. */
/* The statement calls a function with statements of its own. */
void qri_calls_function(struct qri_compile *c, const struct qr_cat_object *function);
QR_NODISCARD enum qr_status qri_prelock_target(struct qri_compile *c,
                                               const struct qr_cat_object *table, uint32_t hints);
/* enum qr_isolation by the hints, else the session's. */
uint8_t qri_hint_level(const struct qri_compile *c, uint32_t bits);

/* --- bind_expr.c --- */
QR_NODISCARD enum qr_status qri_expr(struct qri_compile *c, const struct qr_ast_expr *ast,
                                     const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_condition(struct qri_compile *c, const struct qr_ast_expr *ast,
                                          const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_exprs(struct qri_compile *c, const struct qr_ast_exprs *ast,
                                      const struct qr_expr ***ret_exprs);
QR_NODISCARD enum qr_status qri_compare(struct qri_compile *c, enum qr_cmp cmp,
                                        const struct qr_expr *left, const struct qr_expr *right,
                                        const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_narrow(struct qri_compile *c, const struct qr_expr *column,
                                       const struct qr_expr **other);
/* Adds to `*expr`, which is value LIKE pattern, the range that an index can be searched for. */
QR_NODISCARD enum qr_status qri_like_range(struct qri_compile *c, const struct qr_expr *value,
                                           const struct qr_expr *pattern,
                                           const struct qr_expr **expr);
QR_NODISCARD enum qr_status qri_and(struct qri_compile *c, const struct qr_expr *a,
                                    const struct qr_expr *b, const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_assign_op(struct qri_compile *c, enum qr_ast_assign assign,
                                          const struct qr_expr *old, const struct qr_expr *value,
                                          const struct qr_expr **ret_expr);
/* T-SQL text (a DEFAULT, a computed column) parsed and bound in the present scope. */
QR_NODISCARD enum qr_status qri_text_expr(struct qri_compile *c, struct qr_str text,
                                          bool is_condition, const struct qr_expr **ret_expr);
/* --- bind_call.c, bind_window.c, bind_subquery.c --- */
QR_NODISCARD enum qr_status qri_call(struct qri_compile *c, const struct qr_ast_call *ast,
                                     const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_predicate_call(struct qri_compile *c, const struct qr_ast_call *ast,
                                               const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_module_args(struct qri_compile *c,
                                            const struct qr_cat_object *module,
                                            const struct qr_ast_exprs *ast,
                                            const struct qr_expr ***ret_args, size_t *ret_count);
QR_NODISCARD enum qr_status qri_aggregate(struct qri_compile *c, const struct qr_ast_call *ast,
                                          const struct qr_agg *agg,
                                          const struct qr_expr **ret_expr);
bool qri_is_xml_method(struct qr_str name); /* as written: in lower case */
QR_NODISCARD enum qr_status qri_xml_method(struct qri_compile *c, const struct qr_expr *object,
                                           struct qr_str method, const struct qr_ast_exprs *args,
                                           const struct qr_expr **ret_expr);
/* The value before the method in a call read as a.b.method(…). */
QR_NODISCARD enum qr_status qri_xml_object(struct qri_compile *c, const struct qr_ast_call *ast,
                                           const struct qr_expr **ret_object);
/* Gives `leaf`, whose call is bound, to the block whose columns it aggregates. */
QR_NODISCARD enum qr_status qri_aggregate_leaf(struct qri_compile *c, struct qri_leaf *leaf,
                                               const struct qr_agg_call *call,
                                               const struct qr_expr **ret_expr);
/* WITHIN GROUP (ORDER BY …) of the call becomes leaf->within. */
QR_NODISCARD enum qr_status qri_bind_within(struct qri_compile *c, const struct qr_ast_call *ast,
                                            struct qri_leaf *leaf);
/* The arguments of a QR_AGG_WITHIN aggregate: what it is sorted by, then what was written. */
QR_NODISCARD enum qr_status qri_within_args(struct qri_compile *c, const struct qr_agg *agg,
                                            const struct qri_order *within, size_t within_count,
                                            const struct qr_expr ***args, size_t *arg_count);
QR_NODISCARD enum qr_status qri_window_call(struct qri_compile *c, const struct qr_ast_call *ast,
                                            const struct qr_agg *agg,
                                            const struct qr_expr **ret_expr);
/* NEXT VALUE FOR … OVER (ORDER BY …): args are those of the function of that name. */
QR_NODISCARD enum qr_status qri_next_value_over(struct qri_compile *c,
                                                const struct qr_ast_window *over,
                                                const struct qr_expr *const args[2],
                                                const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_next_value(struct qri_compile *c, const struct qr_ast_expr *head,
                                           const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_scalar_subquery(struct qri_compile *c,
                                                const struct qr_ast_query *ast,
                                                const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_exists(struct qri_compile *c, const struct qr_ast_query *ast,
                                       const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_in_subquery(struct qri_compile *c, const struct qr_ast_in *ast,
                                            const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_quantified(struct qri_compile *c,
                                           const struct qr_ast_quantified *ast,
                                           const struct qr_expr **ret_expr);

/* --- bind_query.c, bind_select.c, bind_group.c, bind_order.c --- */
/* `outer`: the scope that its names may go out to; NULL: none. */
QR_NODISCARD enum qr_status qri_bind_query(struct qri_compile *c, const struct qr_ast_query *ast,
                                           struct qri_scope *outer, struct qri_query **ret_query);
QR_NODISCARD enum qr_status qri_select(struct qri_compile *c, const struct qr_ast_select *ast,
                                       struct qri_query *query);
/* 305, 306, 13636 where values of the type have no order. */
QR_NODISCARD enum qr_status qri_sortable(struct qri_compile *c, const struct qr_type *type);
QR_NODISCARD enum qr_status qri_query_coerce(struct qri_compile *c, struct qri_query *query,
                                             size_t column, struct qr_type type);
/* Types of the first `count` branches made one. */
QR_NODISCARD enum qr_status qri_unify(struct qri_compile *c, struct qri_query *query, size_t count);
QR_NODISCARD enum qr_status qri_check_recursion(struct qri_compile *c, struct qri_query *query,
                                                const struct qri_cte *cte);
/* NULL if no common table expression has the name. */
QR_NODISCARD enum qr_status qri_cte_source(struct qri_compile *c, const struct qr_ast_name *name,
                                           struct qri_source **ret_source);
QR_NODISCARD enum qr_status qri_with(struct qri_compile *c, const struct qr_ast_with *ast);
QR_NODISCARD enum qr_status qri_values(struct qri_compile *c, const struct qr_ast_rows *ast,
                                       struct qri_query *query);
QR_NODISCARD enum qr_status qri_group_by(struct qri_compile *c, const struct qr_ast_select *ast,
                                         struct qri_query *query);
QR_NODISCARD enum qr_status qri_group_check(struct qri_compile *c, struct qri_query *query);
/* a + b + c is one chain of three: how many of its first operands are those of a group expression
 * that is a shorter one, and so are grouped; 0: none. */
size_t qri_group_operands(const struct qr_expr *group, const struct qr_expr *expr);
QR_NODISCARD enum qr_status qri_order_by(struct qri_compile *c, const struct qr_ast_query *ast,
                                         struct qri_query *query);
/* The argument of TOP, OFFSET or FETCH, which may not name columns of its own FROM (4115). */
QR_NODISCARD enum qr_status qri_limit(struct qri_compile *c, const struct qr_ast_expr *ast,
                                      const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_top_bind(struct qri_compile *c, const struct qr_ast_top *ast,
                                         struct qri_top *ret_top);
QR_NODISCARD enum qr_status qri_for_clause(struct qri_compile *c, const struct qr_ast_query *ast,
                                           struct qri_query *query);
QR_NODISCARD enum qr_status qri_star(struct qri_compile *c, const struct qr_ast_star *ast,
                                     struct qri_query *query, size_t *capacity);
QR_NODISCARD enum qr_status qri_item_add(struct qri_compile *c, struct qri_query *query,
                                         const struct qr_expr *expr, struct qr_str name,
                                         size_t *capacity);
QR_NODISCARD enum qr_status qri_bind_options(struct qri_compile *c,
                                             const struct qr_ast_options *ast);
QR_NODISCARD enum qr_status qri_item_describe(struct qri_compile *c, struct qri_query *query,
                                              size_t item);
QR_NODISCARD enum qr_status qri_enter(struct qri_compile *c);
static inline void qri_leave(struct qri_compile *c)
{
    c->nest--;
}

/* --- compile.c --- */
QR_NODISCARD enum qr_status qri_plan_columns(struct qri_compile *c, const struct qri_query *query,
                                             struct qr_plan *plan);

void qri_compile_init(struct qri_compile *c, struct qr_arena *arena, const struct qr_bind_env *env,
                      struct qr_err *err);
QR_NODISCARD enum qr_status qri_emit_stage(struct qri_compile *c, struct qri_query *query,
                                           struct qr_plan_sql *ret_sql);
/* An expression over one row of `table`, apart from the statement being bound. */
QR_NODISCARD enum qr_status qri_row_expr(struct qri_compile *c, const struct qr_cat_object *table,
                                         struct qr_str text, bool is_condition,
                                         const struct qr_type *want,
                                         const struct qr_expr **ret_expr);

/* --- bind_target.c --- */
/* What names a row of a table: the clustered key's columns, or the rowid. In the scope of `source`.
 */
QR_NODISCARD enum qr_status qri_source_key(struct qri_compile *c, struct qri_source *source,
                                           const struct qr_expr ***ret_keys, size_t *ret_count);
