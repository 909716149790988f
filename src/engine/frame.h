/* frame.h - units (parsed texts with their compiled statements), frames (a unit that runs),
 * queries.
 *
 * A unit is used by one frame at a time; the cache keeps idle ones. Control flow is flattened to a
 * list of operations, so that GOTO, BREAK and CATCH are jumps; which CATCH block an error goes to
 * is known for each operation in advance. */
#pragma once
#include "grant_int.h"
#include "link.h"
#include "rowset_int.h"

/* ---- compiled pieces ---- */

struct qri_dml; /* dml_int.h */

/* One expression or relational statement, compiled for a catalog and set of options. */
struct qri_code {
    struct qr_arena arena;
    struct qri_catalog *catalog, *temp;   /* references: the plan points into them */
    uint64_t catalog_serial, temp_serial; /* last checked against */
    uint64_t options_key;
    uint16_t lock_level; /* of the session then: lock_read.h */
    bool uses_temp;
    const struct qr_expr *expr; /* or */
    struct qr_plan *plan;
    struct qr_plan_accesses accesses; /* of either */
    uint64_t allowed_serial;          /* with this catalog ... */
    uint32_t allowed_user;            /* ... he was found to be allowed all of them; 0: nobody */
    uint32_t schema_id;               /* what names without a schema meant */
    struct qri_sql select;            /* of the plan */
    bool is_counted;                  /* texts_int.h knows it */
    struct qri_made made;
    struct qri_need need; /* of memory: grant_int.h */
    struct qri_dml *dml;
};

enum qri_op_kind {
    QRI_OP_RUN, /* a statement */
    QRI_OP_JUMP,
    QRI_OP_BRANCH, /* to `target` unless `condition` is true */
};

struct qri_op {
    enum qri_op_kind kind;
    uint32_t line;
    const struct qr_ast_stmt *stmt;      /* RUN; BRANCH: the IF or WHILE */
    const struct qr_ast_expr *condition; /* BRANCH */
    uint32_t target;                     /* JUMP, BRANCH */
    int32_t handler;                     /* operation that an error goes to; -1: none here */
    uint16_t catch_depth;                /* CATCH blocks around it */
    uint32_t var_visible;                /* variables declared before it */
    struct qri_code **codes;             /* by place within the statement; NULL: not compiled */
    uint32_t code_count;
};

struct qri_param {
    struct qr_str name;
    bool is_output, is_readonly;
    const struct qr_ast_expr *initial; /* default; NULL: none */
};

enum qri_unit_kind {
    QRI_UNIT_BATCH,
    QRI_UNIT_PROC,
    QRI_UNIT_SCALAR, /* scalar function */
    QRI_UNIT_TABLE,  /* multi-statement table-valued function */
    QRI_UNIT_TRIGGER,
};

struct qri_unit {
    struct qr_arena arena;
    enum qri_unit_kind kind;
    struct qr_tsql_batch *batch;
    struct qri_op *ops;
    size_t op_count, op_capacity;
    struct qr_bind_var *vars; /* parameters first; slot = index */
    size_t var_count, var_capacity;
    struct qri_param *params;
    size_t param_count;
    struct qr_type return_type;  /* SCALAR */
    uint32_t return_slot;        /* TABLE: the variable that RETURN sends */
    struct qri_catalog *catalog; /* reference: types and shapes come from it */
    uint64_t catalog_serial;
    bool has_catalog_types; /* an alias or table type is named */
    struct qri_text *text;  /* texts_int.h; NULL: what it costs is not counted */
    /* of the cache */
    uint64_t hash, options_key;
    struct qr_str key;  /* text and parameter declarations */
    uint32_t object_id; /* of a module, else 0 */
    uint64_t object_version;
    int64_t object_ticks; /* its modify_ticks: a rollback gives versions out again */
    uint64_t era;         /* of the cache, when it was made */
    struct qri_unit *bucket_next, *newer, *older;
    size_t cached_bytes;
};

/* What a unit is made of. */
struct qri_source {
    enum qri_unit_kind kind;
    struct qr_str text;
    struct qr_str params;               /* sp_executesql's declarations */
    const struct qr_cat_object *module; /* modules: text is the object's */
};

/* Takes an idle unit from the cache, or parses. */
QR_NODISCARD enum qr_status qri_unit_take(struct qr_session *session,
                                          const struct qri_source *source,
                                          struct qri_unit **ret_unit, struct qr_err *err);
void qri_unit_put(struct qr_session *session, struct qri_unit *own_unit); /* accepts NULL */
void qri_unit_free(struct qri_unit *unit);
void qri_code_free(struct qri_code *code);
struct qri_cache *qri_cache_new(size_t bytes_max);
void qri_cache_free(struct qri_cache *cache);
/* Drops what is there; what runs just now is not put back. With a text's id: its idle units. */
void qri_cache_clear(struct qr_database *db, uint64_t text_id);

/* ---- frames ---- */

struct qri_slot {
    char *buf; /* bytes of the variable, if it owns them */
    size_t capacity;
    struct qr_rowset *rowset; /* table variable, made when first used */
    bool rowset_borrowed;
    struct qri_cursor *cursor; /* cursor variable */
};

enum { QRI_FRAME_INLINE_VARS = 16 };

struct qri_trigger_rows {
    const struct qr_cat_object *table;
    struct qr_rowset *inserted, *deleted;
    uint8_t updated[(QR_CAT_COLUMNS_MAX + 7) / 8]; /* by column id - 1, first 1,024 of them */
    uint8_t event;                                 /* bit 0 insert, 1 update, 2 delete */
};

struct qri_frame {
    struct qri_frame *outer;
    struct qr_session *session;
    struct qri_unit *unit;
    const struct qr_cat_object *module; /* NULL: batch, dynamic SQL */
    struct qr_value *vars;
    struct qri_slot *slots;
    size_t var_count;
    struct qr_arena arena;   /* of the running statement */
    const struct qri_op *op; /* running now */
    bool outer_try;          /* an outer frame would catch */
    bool is_scope; /* variables, SCOPE_IDENTITY and #tables of its own: not for a bare batch */
    bool is_rpc;   /* outermost frame of an RPC */
    bool returned;
    uint16_t catch_depth;
    struct qri_caught *caught_before;
    struct qri_options options_before;
    struct qri_context *context_before; /* access_int.h */
    struct qr_value scope_identity;
    int32_t return_status;
    struct qr_value return_value; /* of a scalar function, in `return_arena` */
    struct qr_arena *return_arena;
    const struct qri_trigger_rows *trigger;
    struct qri_cursor *cursors; /* local ones */
    uint32_t *temp_objects;     /* #tables made here; they die with the frame */
    size_t temp_object_count, temp_object_capacity;
    struct qr_value inline_vars[QRI_FRAME_INLINE_VARS];
    struct qri_slot inline_slots[QRI_FRAME_INLINE_VARS];
};

/* Borrows `unit`; pushes onto the session. Variables are NULL. 217 when nested too deeply. */
QR_NODISCARD enum qr_status qri_frame_push(struct qr_session *session, struct qri_frame *frame,
                                           struct qri_unit *unit, struct qr_err *err);
void qri_frame_pop(struct qri_frame *frame);
/* Copies the bytes. */
QR_NODISCARD enum qr_status qri_var_set(struct qri_frame *frame, uint32_t slot,
                                        const struct qr_value *value, struct qr_err *err);
/* Keeps the caller's bytes, which outlive the frame. */
void qri_var_borrow(struct qri_frame *frame, uint32_t slot, const struct qr_value *value);
/* The table variable's rows, made on first use. */
QR_NODISCARD enum qr_status qri_var_rowset(struct qri_frame *frame, uint32_t slot,
                                           struct qr_rowset **ret_rowset, struct qr_err *err);
/* By name; false if there is none. */
bool qri_var_find(const struct qri_frame *frame, struct qr_str name, uint32_t *ret_slot);
/* Converts as an assignment to the variable does, then sets it. */
QR_NODISCARD enum qr_status qri_var_assign(struct qri_frame *frame, uint32_t slot,
                                           const struct qr_type *type, const struct qr_value *value,
                                           struct qr_err *err);

/* Runs the frame's unit from the start. QR_OK: it ended (RETURN, end of text, an error that ended
 * only this scope). QR_SQL: an error in session->err that an outer frame has to treat, or
 * session->unwind says that everything ends. Other statuses end the request. */
QR_NODISCARD enum qr_status qri_frame_run(struct qri_frame *frame);

/* ---- compiling and evaluating within a frame ---- */

void qri_bind_env(const struct qri_frame *frame, const struct qri_op *op, struct qr_bind_env *env);
/* The catalog and the options in use are those it was compiled for, as far as they matter to it. */
/* Who runs it may do what it does. */
QR_NODISCARD enum qr_status qri_want_code_slowly(struct qri_frame *frame, struct qri_code *code,
                                                 struct qr_err *err);
static inline enum qr_status qri_want_code(struct qri_frame *frame, struct qri_code *code,
                                           struct qr_err *err)
{
    return frame->session->is_owner ? QR_OK : qri_want_code_slowly(frame, code, err);
}
/* The schema of names without one: the module's, or the user's. */
uint32_t qri_frame_schema(const struct qri_frame *frame);
bool qri_code_holds(struct qri_code *code, const struct qr_session *session);
bool qri_object_is_same(const struct qr_cat_object *a, const struct qr_cat_object *b);
/* The relational statement of the running operation, compiled; frees what no longer holds. */
QR_NODISCARD enum qr_status qri_code_stmt(struct qri_frame *frame, size_t place,
                                          const struct qr_ast_stmt *stmt,
                                          struct qri_code **ret_code, struct qr_err *err);
/* Begins the running operation's statement, which reads; `code` was compiled for it already. */
QR_NODISCARD enum qr_status qri_code_begin_read(struct qri_frame *frame,
                                                const struct qr_ast_stmt *stmt,
                                                struct qri_code **code, struct qr_err *err);
/* Values are in frame->arena or the variables. `want` NULL: as it is; ret_type may be NULL. */
QR_NODISCARD enum qr_status qri_eval_scalar(struct qri_frame *frame, size_t place,
                                            const struct qr_ast_expr *ast,
                                            const struct qr_type *want, struct qr_type *ret_type,
                                            struct qr_value *ret_value, struct qr_err *err);
QR_NODISCARD enum qr_status qri_eval_condition(struct qri_frame *frame, size_t place,
                                               const struct qr_ast_expr *ast, bool *ret_true,
                                               struct qr_err *err);

/* ---- queries: a SQLite statement of a plan that runs ---- */

struct qri_query {
    struct qri_frame *frame;
    struct qri_link *link;
    struct qri_stmt *stmt;
    struct qr_arena arena; /* of its parameters */
};

/* Argument of QR_PARAM_ROWS as bound: looked at by the virtual table. */
struct qri_rows_arg {
    const struct qr_plan_rows *rows;
    struct qri_frame *frame;
    struct qr_rowset *rowset; /* QR_ROWS_TABLE */
};

/* `args`: of QR_PARAM_ARG, else NULL. Binds everything; the statement has begun in the store's
 * sense already (qri_tran_statement_begin). */
QR_NODISCARD enum qr_status qri_query_open(struct qri_frame *frame, const struct qr_plan_sql *sql,
                                           struct qri_sql text, const struct qr_value *args,
                                           struct qri_query *query, struct qr_err *err);
QR_NODISCARD enum qr_status qri_query_next(struct qri_query *query, bool *ret_row,
                                           struct qr_err *err);
void qri_query_close(struct qri_query *query);

/* Runs the plan's SELECT; each row goes to `row`. Values' bytes live for the call. */
typedef enum qr_status qri_select_row_fn(void *ctx, const struct qr_value *values, size_t count,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_select_each(struct qri_frame *frame, struct qri_code *code,
                                            qri_select_row_fn *row, void *ctx, uint64_t *ret_count,
                                            struct qr_err *err);

/* ---- statements: interp_*.c; each runs one kind ---- */

typedef enum qr_status qri_stmt_fn(struct qri_frame *frame, const struct qri_op *op,
                                   struct qr_err *err);
struct qri_stmt_kind {
    qri_stmt_fn *run;
    uint8_t code_count; /* compiled pieces; QRI_CODES_BY_STMT: asked of the statement */
};
extern const struct qri_stmt_kind qri_stmt_kinds[QR_AS_KIND_COUNT];

qri_stmt_fn qri_run_declare, qri_run_set_variable, qri_run_set_option, qri_run_return,
    qri_run_print, qri_run_raiserror, qri_run_throw, qri_run_waitfor, qri_run_exec,
    qri_run_transaction, qri_run_select, qri_run_dml, qri_run_truncate, qri_run_insert_bulk,
    qri_run_ddl, qri_run_use, qri_run_database, qri_run_unsupported, qri_run_nothing,
    qri_run_declare_cursor, qri_run_cursor, qri_run_kill, qri_run_dbcc, qri_run_execute_as,
    qri_run_revert;

/* ---- modules ---- */

struct qri_call_arg {
    struct qr_str name; /* with @; n = 0: by position */
    struct qr_type type;
    struct qr_value value;
    struct qr_rowset *rowset;    /* table-valued; NULL: no rows */
    uint32_t user_type_id;       /* of the table variable that it is; a client's has none */
    const bool *column_defaults; /* as in struct qr_arg */
    bool is_default, is_output;
    /* output: where the value goes when the module returns */
    uint32_t out_slot;            /* of the calling frame; UINT32_MAX: none */
    const struct qr_arg *out_arg; /* of an RPC: sent with return_value */
    size_t out_ordinal;
};

/* table_arg.c: a table as the value of a parameter that is one: another variable's rows where they
 * are, a client's as the type of the parameter wants them (8061 and what was wrong with them). */
QR_NODISCARD enum qr_status qri_table_arg(struct qri_frame *frame, uint32_t slot,
                                          const struct qri_call_arg *arg, struct qr_err *err);
/* Calls a procedure object. */
QR_NODISCARD enum qr_status qri_call_procedure(struct qr_session *session,
                                               const struct qr_cat_object *proc,
                                               struct qri_call_arg *args, size_t arg_count,
                                               bool is_rpc, int32_t *ret_status,
                                               struct qr_err *err);
/* Dynamic SQL: sp_executesql with declarations, EXEC ('...') without. */
QR_NODISCARD enum qr_status qri_call_text(struct qr_session *session, struct qr_str text,
                                          struct qr_str params, struct qri_call_arg *args,
                                          size_t arg_count, bool is_rpc, int32_t *ret_status,
                                          struct qr_err *err);
/* Runs the unit with arguments bound to its parameters; gives the unit back to the caller. */
QR_NODISCARD enum qr_status qri_call_unit(struct qr_session *session, struct qri_unit *unit,
                                          const struct qr_cat_object *module,
                                          struct qri_call_arg *args, size_t arg_count, bool is_rpc,
                                          int32_t *ret_status, struct qr_err *err);
/* A multi-statement table-valued function into a new rowset. */
QR_NODISCARD enum qr_status
qri_call_table_function(struct qr_session *session, const struct qr_cat_object *function,
                        const struct qr_type *types, const struct qr_value *args, size_t arg_count,
                        struct qr_rowset **ret_rowset, struct qr_err *err);
/* A name of one to three parts in the running scope; *ret_object NULL if there is none. */
QR_NODISCARD enum qr_status qri_find_object(struct qr_session *session,
                                            const struct qr_ast_name *name,
                                            const struct qr_cat_object **ret_object,
                                            struct qr_err *err);
const struct qr_cat_object *qri_object_by_id(struct qr_session *session, uint32_t object_id);
/* "dbo.t" as written, for messages. */
const char *qri_name_print(struct qr_arena *arena, const struct qr_ast_name *name);
/* A scalar function; the result's bytes go to `arena`. */
QR_NODISCARD enum qr_status
qri_call_scalar(struct qr_session *session, const struct qr_cat_object *function,
                const struct qr_type *types, const struct qr_value *args, size_t arg_count,
                const struct qr_type *return_type, struct qr_arena *arena,
                struct qr_value *ret_value, struct qr_err *err);
/* "a.b.c" as text. A part may stand in [] or ""; without them it is all up to the next dot, also a
 * reserved word or one with blanks, as functions and procedures take names. 2812 if it is no name.
 */
QR_NODISCARD enum qr_status qri_name_parse(struct qr_arena *arena, struct qr_str text,
                                           struct qr_ast_name *ret_name, struct qr_err *err);
/* A system or user procedure. */
QR_NODISCARD enum qr_status qri_call_by_name(struct qr_session *session,
                                             const struct qr_ast_name *name,
                                             struct qri_call_arg *args, size_t arg_count,
                                             bool is_rpc, int32_t *ret_status, struct qr_err *err);
QR_NODISCARD enum qr_status qri_exec_function(struct qr_session *session,
                                              const struct qr_cat_object *function,
                                              struct qri_call_arg *args, size_t arg_count,
                                              int32_t *ret_status, struct qr_err *err);
/* What EXEC names, without WITH RESULT SETS. */
QR_NODISCARD enum qr_status qri_exec_any(struct qri_frame *frame, const struct qr_ast_exec *stmt,
                                         size_t place, struct qr_err *err);
/* EXEC, also as the source of an INSERT; its codes begin at `place`. WITH RESULT SETS holds what is
 * sent against the clause (11535 to 11537, 11553), converts it and renames its columns. */
QR_NODISCARD enum qr_status qri_exec_stmt(struct qri_frame *frame, const struct qr_ast_exec *stmt,
                                          size_t place, struct qr_err *err);
