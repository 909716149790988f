/* tsql/plan.h - what the compiler makes of one relational statement, and what the engine runs.
 *
 * A plan is immutable after qr_tsql_compile and may be run by many threads at once. It lives in the
 * arena it was compiled into, with the expression trees it points to; it depends on one catalog
 * version (and on the shapes of the temporary objects it names) and on the SET options given.
 *
 * All SQLite text in a plan is ours: object, column and index names are numbers, every value is a
 * bound parameter ([TSQL.md] 1). Parameters are numbered ?1.. and described by `params`.
 *
 * What the engine registers in SQLite for the text of plans (all values in storage form):
 *   qx(?p, a...), qv(?p, a...)  scalar; ?p is QR_PARAM_PROGRAM: evaluates program->expr with inputs
 *                               a... of program->input_types; the result is program->expr->type,
 *                               predicates give 0, 1 or NULL. qv is the volatile form (once a row).
 *   qagg(?p, a...)              aggregate; ?p is QR_PARAM_AGG.
 *   qaggw(?p, a...)             the same as a window function; ?p is QR_PARAM_AGG_WINDOW, an
 *                               integer: SQLite keeps the arguments of window functions in a
 *                               table, and a bound pointer does not survive that (it arrives as
 *                               NULL).
 *   qaggs(?p, a..., o...)       aggregate over sorted or distinct rows; ?p is QR_PARAM_AGG_SORTED.
 *   qfor(?p, k...)              aggregate; ?p is QR_PARAM_FOR: the text of FOR JSON, FOR XML. NULL
 *                               when it saw no row.
 *   q1row(x)                    aggregate: its only row's x, NULL without rows, 512 at the second.
 *   qi1 qi2 qi4 qi8 (x)         x itself if it is NULL or an integer that fits tinyint, smallint,
 *                               int, bigint; else 8115 (a REAL comes from SQLite's overflow).
 *   qdiv(a, b), qmod(a, b)      int64 division towards zero; NULL for NULL; 8134 for b = 0.
 *   qvar(n)                     variable in frame slot n as it is now; only in plans of
 *                               QR_PLAN_SELECT_ASSIGN, which assign after each row.
 *   qfail(n)                    raises T-SQL error n.
 *   qdepth(d, max)              d if d <= max, else error 530 (recursion of common table
 *                               expressions).
 *   qstay(x)                    x, and not deterministic: SQLite leaves it where it stands.
 *   qlock(?p, k...)             1 when the row with the key k... is locked as ?p says, 0 when it is
 *                               left out (READPAST); ?p is QR_PARAM_LOCK. NULL keys (an outer join
 *                               found no row): 1. Fails when the lock has to be waited for.
 *   qlockkey(?p, k...)          1 when the keys of ?p's index that begin with k... are locked, and
 *                               for a NULL. Deterministic for SQLite's sake: what names no table of
 *                               its block is evaluated before the block looks for rows.
 *   qrows(?p, a...)             eponymous table-valued function, columns c1.. c1024 without
 *                               affinity (c<column_id> for tables, c1.. by position for the
 *                               others), rowid; ?p is QR_PARAM_ROWS, a... up to QR_ROWS_ARGS_MAX
 *                               arguments, which may be columns of tables further left (APPLY).
 * and the collations that codec/collation.h names.
 *
 * DML follows the one pipeline of [TSQL.md] 3: stage, apply, check. The plan gives the staging
 * SELECT (or the VALUES rows as expressions), and how staged columns map onto the target's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"
#include "codec/value.h"
#include "expr/expr.h"
#include "tsql/ast.h"
#include "tsql/catalog.h"

struct qr_plan;
struct qr_agg_call;

enum { QR_ROWS_ARGS_MAX = 64 };

/* Where a SQLite parameter's value comes from, decided once per execution. */
enum qr_param_kind {
    QR_PARAM_VAR,        /* T-SQL variable in frame slot `slot`, in the storage form of `type` */
    QR_PARAM_EXPR,       /* scalar expression over variables, evaluated once before the statement */
    QR_PARAM_ARG,        /* plan of QR_ROWS_PLAN: the slot-th argument of qrows, of `type` */
    QR_PARAM_PROGRAM,    /* sqlite3_bind_pointer(program, "qr_program"): operand of qx() and qv() */
    QR_PARAM_AGG,        /* sqlite3_bind_pointer(agg, "qr_agg"): operand of the qagg() aggregate, a
                            struct qr_agg_call */
    QR_PARAM_AGG_WINDOW, /* sqlite3_bind_int64((intptr_t)agg): operand of qaggw() */
    QR_PARAM_AGG_SORTED, /* sqlite3_bind_pointer(sorted, "qr_agg_sorted"): operand of qaggs(), a
                            struct qr_plan_agg_sorted */
    QR_PARAM_ROWS, /* sqlite3_bind_pointer(rows, "qr_rows"): operand of qrows(). What stands for
                      the session's data (a table variable) is looked up by the engine, which
                      binds its own structure around `rows` */
    QR_PARAM_FOR,  /* sqlite3_bind_pointer(for_call, "qr_for"): operand of qfor() */
    QR_PARAM_LOCK, /* sqlite3_bind_pointer(lock, "qr_lock"): operand of qlock() */
};

/* SET TRANSACTION ISOLATION LEVEL, numbered as sys.dm_exec_sessions does. */
enum qr_isolation {
    QR_READ_UNCOMMITTED = 1,
    QR_READ_COMMITTED,
    QR_REPEATABLE_READ,
    QR_SERIALIZABLE,
    QR_SNAPSHOT,
};

/* What of env.isolation and env.in_transaction a plan was made for. */
enum qr_heeds {
    QR_HEEDS_NOTHING,
    QR_HEEDS_LOCKS, /* whether reads keep locks: REPEATABLE READ or SERIALIZABLE in a transaction */
    QR_HEEDS_LEVEL, /* the very level */
};

enum qr_plan_lock_mode {
    QR_PLAN_LOCK_NONE,
    QR_PLAN_LOCK_IS,
    QR_PLAN_LOCK_IX,
    QR_PLAN_LOCK_S,
    QR_PLAN_LOCK_U,
    QR_PLAN_LOCK_X,
};

/* Rows of one source, locked as they are read; or keys of one, locked as another's rows are read.
 */
struct qr_plan_lock {
    const struct qr_cat_object *table;
    const struct qr_cat_index *index; /* NULL: rows. Else the keys that begin with these */
    enum qr_plan_lock_mode mode;
    bool read_past;                  /* a row that somebody else has locked is left out */
    bool no_wait;                    /* ... or fails the statement at once (1222) */
    bool is_brief;                   /* nobody may have it, but it need not be kept */
    const struct qr_type *key_types; /* of the clustered key's columns; one bigint: the rowid */
    size_t key_count;
};

/* What is locked before the statement runs: a table; the row and the key of a unique index that the
 * statement names (whether or not there is such a row); or the interval of an index in which it
 * looks. An IX interval without bounds is the whole index, against those who lock intervals. */
struct qr_plan_prelock {
    const struct qr_cat_object *table;
    enum qr_plan_lock_mode mode;
    bool no_wait, is_brief;           /* brief: until the statement's end */
    const struct qr_cat_index *index; /* NULL: the whole table */
    const struct qr_expr **key; /* in the order of the index, of its columns' types, over variables;
                                   if one is NULL or fails, the whole table instead */
    bool is_range;
    bool is_instead;               /* only where the statement cannot lock keys as it reads */
    size_t key_count;              /* of a range: so many leading columns are equal to `key` */
    const struct qr_expr *lo, *hi; /* ... and the next one is between; NULL: no bound. Texts are
                                      not of the column's length */
    bool lo_is_open, hi_is_open;
};

/* A scalar expression that SQLite calls: QR_EXPR_INPUT i is the i-th argument after the pointer.
 * Holds no QR_EXPR_VAR and no QR_EXPR_FOREIGN; variables arrive as arguments. */
struct qr_plan_program {
    const struct qr_expr *expr;
    const struct qr_type *input_types;
    size_t input_count;
};

/* STRING_AGG … WITHIN GROUP, SUM(DISTINCT …). The arguments of qaggs() after the pointer are
 * call->args, then the values of `order`: all rows are kept, sorted (stable; `order` empty: as they
 * came), made distinct by call->args[0] if asked, then stepped. Never in a window. */
struct qr_plan_agg_order {
    struct qr_type type;
    bool is_descending;
};
struct qr_plan_agg_sorted {
    const struct qr_agg_call *call;
    const struct qr_plan_agg_order *order;
    size_t order_count;
    bool distinct;
};

enum qr_rows_kind {
    QR_ROWS_TABLE,   /* table variable or TVP `name`, or "inserted" / "deleted" of the trigger */
    QR_ROWS_MODULE,  /* multi-statement table-valued function `object` with arguments */
    QR_ROWS_BUILTIN, /* STRING_SPLIT, GENERATE_SERIES, OPENJSON, ...: `name` in upper case */
    QR_ROWS_PLAN,    /* APPLY over a correlated query: runs `plan` with the arguments */
};

struct qr_plan_openjson_column {
    struct qr_str path; /* "$.name" where none was written */
    bool as_json;
};

struct qr_plan_rows {
    enum qr_rows_kind kind;
    struct qr_str name;
    const struct qr_cat_object *object; /* the module, or the shape of the table */
    const struct qr_plan *plan;
    const struct qr_type *arg_types;
    size_t arg_count;
    const struct qr_type *column_types; /* of all columns, by position */
    size_t column_count;
    const struct qr_plan_openjson_column *openjson; /* OPENJSON ... WITH: pairwise with columns */
    bool has_with;                                  /* OPENJSON ... WITH was written */
};

enum qr_for_kind {
    QR_FORMAT_NONE,
    QR_FORMAT_JSON_AUTO,
    QR_FORMAT_JSON_PATH,
    QR_FORMAT_XML_RAW,
    QR_FORMAT_XML_AUTO,
    QR_FORMAT_XML_PATH,
    QR_FORMAT_XML_EXPLICIT,
    QR_FORMAT_BROWSE, /* the result is ordinary rows */
};

/* What a column of FOR XML EXPLICIT becomes of the element of its tag. */
enum qr_for_directive {
    QR_DIRECTIVE_ATTRIBUTE,
    QR_DIRECTIVE_ELEMENT, /* or text, if the column has no name */
    QR_DIRECTIVE_ELEMENTXSINIL,
    QR_DIRECTIVE_XML, /* the same, not escaped */
    QR_DIRECTIVE_CDATA,
    QR_DIRECTIVE_HIDE,
};

struct qr_plan_for_column {
    struct qr_str name; /* PATH: the path as written; n = 0: no name */
    struct qr_type type;
    bool is_fragment;    /* JSON or XML made by a nested FOR ... or JSON_QUERY: not escaped again */
    uint16_t level;      /* AUTO: nesting of the table it comes from, 0 is the outermost */
    struct qr_str table; /* AUTO: that table's alias; EXPLICIT: the element */
    int tag;             /* EXPLICIT; `name` is that of the attribute or of an element within */
    enum qr_for_directive directive;
};

struct qr_plan_namespace {
    struct qr_str prefix, uri; /* prefix.n = 0: DEFAULT */
};

/* FOR JSON / FOR XML: arguments of qfor() are the columns in order. */
struct qr_plan_for {
    enum qr_for_kind kind;
    struct qr_str row;  /* XML: element of a row; n = 0 with `no_row`: none */
    struct qr_str root; /* n = 0: none */
    bool no_row, elements, xsinil, type_directive, binary_base64; /* XML */
    bool include_null_values, without_array_wrapper;              /* JSON */
    const struct qr_plan_for_column *columns;
    size_t column_count;
    const struct qr_plan_namespace *namespaces; /* XML: on each outermost element */
    size_t namespace_count;
};

struct qr_plan_param {
    enum qr_param_kind kind;
    uint32_t slot;
    struct qr_type type;        /* VAR, EXPR, ARG */
    const struct qr_expr *expr; /* EXPR */
    const struct qr_plan_program *program;
    const struct qr_agg_call *agg; /* expr/agg.h */
    const struct qr_plan_agg_sorted *sorted;
    const struct qr_plan_rows *rows;
    const struct qr_plan_for *for_call;
    const struct qr_plan_lock *lock;
};

/* A cursor's rows, with their keys. */
enum { QR_CURSOR_COLUMNS_MAX = 1024 };

enum {
    QR_COLUMN_NULLABLE = 1,
    QR_COLUMN_IDENTITY = 2,
    QR_COLUMN_COMPUTED = 4,
    QR_COLUMN_UPDATABLE = 8, /* a plain column of a base table */
    QR_COLUMN_HIDDEN = 16,   /* key added for browse mode */
    QR_COLUMN_KEY = 32,
    QR_COLUMN_ROW_KEY = 64, /* added to a cursor's rows, and not shown: of the table whose object_id
                               stands as source_column_id */
};

/* A value that shows masked columns: unless the reader has UNMASK on all of them, he gets a mask in
 * its place. */
struct qr_mask_column {
    const struct qr_cat_object *table;
    uint32_t column_id;
};
struct qr_plan_mask {
    struct qr_mask_column *columns;
    size_t count;
    struct qr_str function; /* the column's own; n = 0: default() */
};

struct qr_plan_column {
    struct qr_str name; /* n = 0: no column name */
    struct qr_type type;
    uint32_t user_type_id;
    uint32_t flags;
    /* origin, for TABNAME/COLINFO, sp_describe_first_result_set; object 0: an expression */
    const struct qr_cat_object *source;
    uint32_t source_column_id;
    int64_t identity_seed, identity_increment; /* SELECT INTO: of a QR_COLUMN_IDENTITY column */
    const struct qr_plan_mask *mask;           /* NULL: none */
};

/* SELECT @a = x, @b = y: assigned from every row; the last row wins. */
struct qr_plan_assign {
    uint32_t slot;
    struct qr_type type;
    size_t column_index; /* in the result of `sql` */
};

enum qr_plan_kind {
    QR_PLAN_SELECT,
    QR_PLAN_SELECT_ASSIGN,
    QR_PLAN_SELECT_INTO,
    QR_PLAN_INSERT,
    QR_PLAN_UPDATE,
    QR_PLAN_DELETE,
    QR_PLAN_MERGE,
};

/* One SQLite statement and its parameters. */
struct qr_plan_sql {
    struct qr_str text;
    struct qr_plan_param *params; /* params[i] is ?(i + 1) */
    size_t param_count;
};

enum qr_merge_action { QR_ACTION_INSERT = 1, QR_ACTION_UPDATE = 2, QR_ACTION_DELETE = 3 };

/* Sets one column of the target from a staged value. */
struct qr_plan_set {
    uint32_t column_id;
    size_t stage_index;         /* column of the staged row that holds the new value, … */
    const struct qr_expr *expr; /* … or, if not NULL, an expression over VAR only (VALUES rows) */
    bool is_default;            /* DEFAULT keyword: use the column's default expression */
};

/* Inputs of OUTPUT expressions are numbered: 0..n-1 deleted columns (target order), n..2n-1
 * inserted columns, 2n MERGE's $action as nvarchar(10) (else NULL), from 2n+1 the staged extras
 * (extra_index, extra_count); QR_EXPR_INPUT indexes this row. Variables are QR_EXPR_VAR. */
struct qr_plan_output {
    const struct qr_expr **exprs;
    struct qr_plan_column *columns;
    size_t count;
    const struct qr_cat_object *into; /* OUTPUT … INTO a table, else NULL */
    struct qr_str into_rowset;        /* OUTPUT … INTO @t, else n = 0 */
    bool into_is_temp;
    uint32_t *into_column_ids; /* pairwise with exprs */
};

/* A block predicate of a security policy: a SELECT over `inserted` or `deleted` that gives a row if
 * one of the changed rows is not allowed. */
struct qr_plan_block {
    unsigned change; /* which rows: bits of qr_cat_object.trigger_events */
    bool is_before;  /* as they were, `deleted` */
    bool *reads;     /* pairwise with target->columns */
    struct qr_plan_sql sql;
};

struct qr_plan_dml {
    const struct qr_cat_object *target; /* base table, #table, or rowset (then rowset_name) */
    struct qr_str rowset_name;          /* "@t" when the target is a table variable */
    bool target_is_temp;                /* #table: lives in SQLite's temp schema */

    /* Staging SELECT. Layout of a staged row:
     *   [0, key_count)  the row's key: rowid (heap, vtab, rowset, rowid alias), or the clustered
     *                   key's columns in key order (QR_STORE_KEYED)
     *   [old_index, old_index + target->column_count)  current values of all columns
     *   then new values and extras, as sets/outputs say. INSERT has no key and no old part.
     * MERGE: key and old part are NULL for rows that do not match; action_index tells what to do.
     * New values are already of their column's type (2628 and 8115 are raised by the SELECT);
     * NOT NULL (515), CHECK, keys are the engine's to check. */
    struct qr_plan_sql stage;
    size_t stage_column_count;
    struct qr_type *stage_types;
    const struct qr_plan_mask **stage_masks; /* of new values, pairwise; NULL: none */
    size_t key_count, old_index;
    bool is_filtered; /* as of struct qr_plan */
    bool no_wait;     /* NOWAIT: locks are had at once, or 1222 */
    bool may_repeat;  /* a join may stage one target row several times: the first counts; MERGE: an
                         UPDATE or DELETE of one row twice is 8672 */
    size_t extra_index, extra_count; /* what OUTPUT needs of other tables */
    size_t action_index;             /* MERGE: column holding enum qr_merge_action; else SIZE_MAX */
    unsigned merge_actions;          /* MERGE: 1 << each that a clause names */

    /* INSERT … VALUES without subqueries: rows of expressions, no staging SELECT. */
    struct qr_plan_set **value_rows; /* [row] is pairwise with the inserted columns `sets` */
    size_t value_row_count;

    struct qr_plan_set *sets; /* INSERT: inserted columns; UPDATE: assigned ones; MERGE: update */
    size_t set_count;
    struct qr_plan_set *merge_insert_sets;
    size_t merge_insert_count;
    struct qr_plan_assign *assigns; /* UPDATE … SET @v = …; column_index into the staged row */
    size_t assign_count;
    bool identity_insert_needed; /* the statement names the identity column */

    /* Column DEFAULTs that this statement may need, bound and of the column's type; pairwise with
     * target->columns, NULL where the column has none. */
    const struct qr_expr **defaults;
    /* Computed columns (persisted or not) and CHECKs as expressions whose QR_EXPR_INPUT(i) is the
     * new row's column i in target order. NULL entries where not computed / disabled. A computed
     * column that is not persisted has no SQLite column: SELECT expands it, and DML needs it only
     * for CHECKs, OUTPUT and triggers. */
    const struct qr_expr **computed;
    const struct qr_expr **checks;    /* pairwise with target->checks */
    const struct qr_expr *view_check; /* WITH CHECK OPTION, over the same inputs; NULL: none */

    struct qr_plan_block *blocks; /* asked once the rows have changed, before triggers */
    size_t block_count;

    struct qr_plan_output output;      /* count = 0: none */
    struct qr_plan_output output_into; /* OUTPUT … INTO … OUTPUT … gives both */

    /* INSERT … EXEC: the engine runs `exec` and stages its result rows. */
    const struct qr_ast_stmt *exec;

    /* Direct form ([TSQL.md] 3): text empty when not eligible. One native UPDATE or DELETE whose
     * WHERE is equality on a unique key; no trigger, no key or index column change, no foreign
     * key, no CHECK, no OUTPUT. A constraint failure of SQLite (NOT NULL) undoes it: run the stage
     * form then, to get the T-SQL error. */
    struct qr_plan_sql direct;
};

/* What a statement does to an object, and who runs it has to be allowed to. */
enum qr_access {
    QR_ACCESS_SELECT = 1, /* table, view, function that returns rows */
    QR_ACCESS_INSERT = 2,
    QR_ACCESS_UPDATE = 4, /* also NEXT VALUE FOR a sequence */
    QR_ACCESS_DELETE = 8,
    QR_ACCESS_EXECUTE = 16, /* scalar function */
    QR_ACCESS_REFERENCES = 32,
};
/* Columns of an object: bit by column_id - 1, of a view or function by its place. */
struct qr_columns {
    const uint8_t *bits;
    size_t bytes; /* 0: none by name (SELECT count(*)), any column will do */
};
/* One for each object that the statement names, in that order, and for those that the text of
 * another one does: `through` is that view, inline function, or table of a DEFAULT, CHECK or
 * computed column. They are asked for only where the owners differ (the ownership chain breaks
 * there). #tables, table variables and the rows of a trigger are not among them. */
struct qr_plan_access {
    const struct qr_cat_object *object;  /* of the database, or of the system catalog */
    const struct qr_cat_object *through; /* NULL: the statement itself names it */
    const struct qr_cat_object *synonym; /* by which it is named; NULL: by its own name */
    uint8_t needs;                       /* enum qr_access, as bits */
    struct qr_columns selects, updates;  /* what is read and changed */
};
struct qr_plan_accesses {
    const struct qr_plan_access *items;
    size_t count;
};

struct qr_plan {
    enum qr_plan_kind kind;
    struct qr_plan_sql select;      /* SELECT kinds */
    struct qr_plan_column *columns; /* what the client sees */
    size_t column_count;
    int *order_columns; /* ORDER token: 1-based result columns, negative = descending is not told */
    size_t order_count;
    struct qr_plan_assign *assigns;
    size_t assign_count;
    const struct qr_ast_name *into_name; /* SELECT INTO */
    enum qr_for_kind for_kind; /* JSON, XML: one row, one column from qfor(); the engine sends it in
                                  pieces as SQL Server does, and no row when it is NULL */
    struct qr_plan_dml *dml;
    bool needs_write_lock; /* any DML of a permanent table, SELECT INTO */
    bool reads_user_tables;
    bool is_volatile;          /* uses RAND/NEWID/GETDATE…: informational */
    bool warns_null_aggregate; /* may raise warning 8153 */
    bool locks_rows;           /* reads with qlock(): runs where it can lock */
    uint8_t heeds_level;       /* enum qr_heeds: when it has to be compiled anew */
    const struct qr_plan_prelock *prelocks;
    size_t prelock_count;
    /* every object it depends on with the version it was compiled against */
    const struct qr_cat_object **depends;
    size_t depend_count;
    struct qr_plan_accesses accesses;
    bool is_filtered;  /* by a security policy: errors tell nothing of values */
    bool fell_through; /* a name was not in the default schema, and is of dbo: until there is one */
};

/* A variable that the statement may name. The frame gives each a slot. */
struct qr_bind_var {
    struct qr_str name; /* with the @ */
    uint32_t slot;
    struct qr_type type;
    uint32_t user_type_id;
    const struct qr_cat_object *table; /* table variable: its shape (QR_STORE_ROWSET), else NULL */
};

/* SET options that change what a statement means. */
struct qr_bind_options {
    bool quoted_identifier, ansi_nulls, ansi_padding, ansi_warnings, arithabort,
        concat_null_yields_null, numeric_roundabort;
    bool columns_not_null; /* a column that says neither is NOT NULL (ANSI_NULL_DFLT_ON is off) */
    uint8_t datefirst;
    uint8_t dateformat; /* codec/datetime.h */
};

/* What names mean where the statement stands. Borrowed for the call; the plan keeps pointers into
 * the catalogs only. */
struct qr_bind_env {
    const struct qr_catalog *catalog; /* of the database */
    const struct qr_catalog *system;  /* sys, INFORMATION_SCHEMA: same for all databases */
    const struct qr_catalog *temp;    /* the session's #tables (object names keep the #); or NULL */
    const struct qr_bind_var *vars;
    size_t var_count;
    const struct qr_cat_object *inserted, *deleted; /* inside a trigger: shapes, else NULL */
    uint32_t default_schema_id;
    struct qr_bind_options options;
    bool in_function; /* side effects are refused (443), temporary tables too (2772) */
    bool in_view;     /* of a CREATE VIEW: temporary tables are refused (4508) */
    bool takes_locks; /* false: there is nobody to lock rows against; hints are checked only */
    bool in_transaction;
    uint8_t isolation;                     /* enum qr_isolation; 0: read committed */
    const struct qr_expr_untyped *untyped; /* variables of QR_TYPE_NULL are asked for; or NULL */
    /* qr_tsql_bind_row_expr: may the expression be evaluated? NULL: nobody asks. */
    enum qr_status (*want)(void *ctx, const struct qr_plan_accesses *accesses, struct qr_err *err);
    void *want_ctx;
};

/* Compiles a SELECT, INSERT, UPDATE, DELETE or MERGE statement. */
QR_NODISCARD enum qr_status qr_tsql_compile(struct qr_arena *arena_plan,
                                            const struct qr_bind_env *env,
                                            const struct qr_ast_stmt *stmt,
                                            struct qr_plan **ret_plan, struct qr_err *err);

/* Binds a scalar expression of the batch language (SET, IF, RETURN, PRINT, arguments). An
 * expression without subqueries yields `*ret_expr` for qr_expr_eval; one with subqueries (or UDFs
 * that need rows) yields a one-row, one-column `*ret_plan` instead, and *ret_expr = NULL.
 * Conditions are bound by qr_tsql_bind_condition: type bit, NULL = unknown. `ret_accesses`, where
 * it is asked for, is what an expression needs; a plan has its own. */
QR_NODISCARD enum qr_status
qr_tsql_bind_scalar(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                    const struct qr_ast_expr *ast, const struct qr_type *want, /* NULL: as it is */
                    const struct qr_expr **ret_expr, struct qr_plan **ret_plan,
                    struct qr_plan_accesses *ret_accesses, struct qr_err *err);
QR_NODISCARD enum qr_status
qr_tsql_bind_condition(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                       const struct qr_ast_expr *ast, const struct qr_expr **ret_expr,
                       struct qr_plan **ret_plan, struct qr_plan_accesses *ret_accesses,
                       struct qr_err *err);

/* Binds an expression over the columns of one row of `table` (DEFAULT, computed column, CHECK,
 * filter): QR_EXPR_INPUT(i) is column i. Columns are not allowed when `table` is NULL. */
QR_NODISCARD enum qr_status
qr_tsql_bind_row_expr(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                      const struct qr_cat_object *table, struct qr_str text, bool is_condition,
                      const struct qr_type *want, const struct qr_expr **ret_expr,
                      struct qr_err *err);

/* A predicate that a policy is about to get: may its call be bound over the target's rows, and what
 * does it need? */
QR_NODISCARD enum qr_status qr_tsql_check_predicate(
    struct qr_arena *arena, const struct qr_bind_env *env, const struct qr_cat_object *policy,
    const struct qr_cat_predicate *predicate, const struct qr_cat_object *target,
    struct qr_plan_accesses *ret_accesses, struct qr_err *err);

/* Resolves a written type (base, alias or table type) to qr_type. */
QR_NODISCARD enum qr_status qr_tsql_resolve_type(const struct qr_bind_env *env,
                                                 const struct qr_ast_type *ast,
                                                 struct qr_type *ret_type,
                                                 uint32_t *ret_user_type_id, bool *ret_nullable,
                                                 struct qr_err *err);

/* The columns a SELECT would return, for CREATE VIEW, and what it needs (or NULL). */
QR_NODISCARD enum qr_status qr_tsql_describe(struct qr_arena *arena, const struct qr_bind_env *env,
                                             const struct qr_ast_stmt *stmt,
                                             struct qr_plan_column **ret_columns, size_t *ret_count,
                                             struct qr_plan_accesses *ret_accesses,
                                             struct qr_err *err);
