/* ddl_int.h - what the ddl_*.c files share. */
#pragma once
#include "catalog_change_int.h"
#include "tsql/ast.h"

/* One DDL statement under way on a permanent or a temporary object. */
struct qri_ddl_stmt {
    struct qri_ddl *ddl;
    bool is_temp;
    struct qri_catalog **catalog; /* ddl->main or ddl->temp */
    struct qri_change change;
    struct qr_arena *arena;
    struct qr_err *err;
};

/* Starts a change of the database's or the session's picture (made if there is none yet). */
QR_NODISCARD enum qr_status qri_ddl_begin(struct qri_ddl_stmt *s, struct qri_ddl *ddl, bool is_temp,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_ddl_commit(struct qri_ddl_stmt *s); /* applies the change */

/* ---- names (ddl_name.c) ---- */
struct qri_target {
    uint32_t schema_id;
    struct qr_str schema;
    struct qr_str name;
    bool is_temp;                       /* #name */
    bool is_outer;                      /* a #table of a calling scope, which may be shadowed */
    const struct qr_cat_object *object; /* NULL: there is none */
};
/* Resolves a written name in the DDL's catalogs. 2760 schema, 40515 another database, 2702. */
QR_NODISCARD enum qr_status qri_ddl_resolve(struct qri_ddl *ddl, const struct qr_ast_name *name,
                                            struct qri_target *ret, struct qr_err *err);
bool qri_name_is_temp(const struct qr_ast_name *name);
/* 2714 when the name is taken. */
QR_NODISCARD enum qr_status qri_ddl_want_free(const struct qri_target *target, struct qr_err *err);
/* "dbo.t" as error messages show a written name, in the arena. */
const char *qri_ddl_spell(struct qr_arena *arena, const struct qr_ast_name *name);
const char *qri_z(struct qr_arena *arena, struct qr_str s);
/* "PK__orders____3214EC07A1B2C3D4" */
struct qr_str qri_system_name(struct qr_arena *arena, const char *prefix, struct qr_str table,
                              struct qr_str column, uint32_t object_id);
/* Text of a DEFAULT, CHECK or computed column as the catalog shows it: "((0))", "(getdate())". */
struct qr_str qri_normal_text(struct qr_arena *arena, struct qr_str text, bool quoted_identifier);
/* The same of an index's filter: "([a] IN ((1), (2)))". */
struct qr_str qri_filter_text(struct qr_arena *arena, struct qr_str text, bool quoted_identifier);
/* A parameter's default: a constant, as T-SQL text. */
QR_NODISCARD enum qr_status qri_constant_text(struct qr_arena *arena,
                                              const struct qr_ast_expr *expr,
                                              struct qr_str *ret_text, struct qr_err *err);
/* True if the expression, as the catalog keeps its text, names the column: for its dependencies. */
bool qri_text_names(struct qr_str text, struct qr_str column);
uint32_t qri_new_object_id(struct qri_ddl_stmt *s);

/* ---- tables as rows of SQLite (ddl_sqlite.c) ---- */
QR_NODISCARD enum qr_status qri_sqlite_create_table(struct qri_ddl_stmt *s,
                                                    const struct qr_cat_object *table,
                                                    const char *name_prefix);
QR_NODISCARD enum qr_status qri_sqlite_create_index(struct qri_ddl_stmt *s,
                                                    const struct qr_cat_object *table,
                                                    const struct qr_cat_index *index);
QR_NODISCARD enum qr_status qri_sqlite_drop_index(struct qri_ddl_stmt *s,
                                                  const struct qr_cat_object *table,
                                                  const struct qr_cat_index *index);
/* `table` holds just the one column, which is nullable. */
QR_NODISCARD enum qr_status qri_sqlite_add_column(struct qri_ddl_stmt *s,
                                                  const struct qr_cat_object *table);
QR_NODISCARD enum qr_status qri_sqlite_drop_table(struct qri_ddl_stmt *s,
                                                  const struct qr_cat_object *table);
/* Makes the rows of `from` the rows of `to` (same object id, other columns, types or key), column
 * by column id; a column that `from` lacks gets its default or NULL. Indexes are made anew. */
QR_NODISCARD enum qr_status qri_sqlite_rebuild(struct qri_ddl_stmt *s,
                                               const struct qr_cat_object *from,
                                               const struct qr_cat_object *to);
/* printf into the arena, then run on the connection. */
QR_NODISCARD enum qr_status qri_ddl_sql(struct qri_ddl_stmt *s, const char *fmt, ...)
    QR_PRINTF(2, 3);
/* Chooses storage, rowid_column and has_null_guard from columns and indexes. */
void qri_choose_storage(struct qr_cat_object *table);

/* Walks the rows of a table as it is stored: values in memory form, in column order. The callback's
 * rowid is 0 for keyed tables. */
typedef enum qr_status qri_row_fn(void *ctx, const struct qr_value *row, int64_t rowid,
                                  struct qr_err *err);
QR_NODISCARD enum qr_status qri_table_scan(struct qri_ddl_stmt *s,
                                           const struct qr_cat_object *table, qri_row_fn *each,
                                           void *ctx);
/* A query of our own gives a row. */
bool qri_has_row(struct qri_ddl_stmt *s, const char *sql, enum qr_status *ret_status);
bool qri_table_is_empty(struct qri_ddl_stmt *s, const struct qr_cat_object *table);

/* ---- building tables (ddl_table.c, ddl_constraint.c) ---- */
/* A table under construction: arrays with room to grow. */
struct qri_build {
    struct qri_ddl_stmt *s; /* NULL when a shape is made (no object ids are taken) */
    struct qr_arena *arena;
    const struct qr_bind_env *env;
    struct qr_cat_object *table;
    struct qr_err *err;
    size_t column_capacity, index_capacity, fk_capacity, check_capacity;
    uint32_t next_id;    /* shapes: ids for their constraints */
    bool says_clustered; /* some key or index of the definition does: no other is by default */
    size_t first_column; /* so many it had before */
    uint32_t row_start, row_end; /* of the definition: GENERATED ALWAYS AS ROW ...; 0: none */
    bool *said_null; /* by column id: NULL was written (a key may not turn it into NOT NULL) */
};
void qri_build_init(struct qri_build *b, struct qri_ddl_stmt *s, struct qr_cat_object *table);
uint32_t qri_build_id(struct qri_build *b);
QR_NODISCARD enum qr_status qri_build_column(struct qri_build *b,
                                             const struct qr_ast_column_def *def);
/* MASKED WITH of the definition, for the column's type as it is: 16002 .. 16006. */
QR_NODISCARD enum qr_status qri_column_mask(struct qr_arena *arena,
                                            const struct qr_ast_column_def *def,
                                            struct qr_cat_column *c, struct qr_err *err);
/* An error that keeps a constraint from being made is followed by 1750. Returns `status`. */
QR_NODISCARD enum qr_status qri_constraint_failed(enum qr_status status, struct qr_err *err);
QR_NODISCARD enum qr_status qri_build_constraint(struct qri_build *b,
                                                 const struct qr_ast_constraint *def,
                                                 const struct qr_ast_column_def *column);
QR_NODISCARD enum qr_status qri_build_scheme(struct qri_build *b, struct qr_str scheme);
QR_NODISCARD enum qr_status qri_build_index(struct qri_build *b,
                                            const struct qr_ast_index_def *def);
/* The column's own constraints, then those of the table; then computed columns are typed. */
QR_NODISCARD enum qr_status qri_build_def(struct qri_build *b, const struct qr_ast_table_def *def);
/* Types computed columns that follow column index `first`. */
QR_NODISCARD enum qr_status qri_build_computed(struct qri_build *b, size_t first);
QR_NODISCARD enum qr_status qri_build_done(struct qri_build *b);
/* ddl_cascade.c: the actions of the table's index-th foreign key: 1761, 1762, 1785, 1787. */
QR_NODISCARD enum qr_status qri_build_cascade(struct qri_build *b, size_t index);
/* The trigger is INSTEAD OF what the foreign key's action does to its table. */
bool qri_cascade_meets(const struct qr_cat_fk *fk, const struct qr_cat_object *trigger);
struct qr_cat_column *qri_build_find(const struct qri_build *b, struct qr_str name);
/* A deep enough copy: arrays are new, strings are shared. */
struct qr_cat_object *qri_copy_object(struct qr_arena *arena, const struct qr_cat_object *object);

/* Constraints are objects of their own: puts PK, UQ, F, C, D objects of a table (all of them, or
 * those not yet in `old`), and drops those that only `old` has. */
QR_NODISCARD enum qr_status qri_put_table(struct qri_ddl_stmt *s, struct qr_cat_object *table,
                                          const struct qr_cat_object *old);
QR_NODISCARD enum qr_status qri_start_counters(struct qri_ddl_stmt *s,
                                               const struct qr_cat_object *table);
/* Rows that break a constraint that is being added: 547, 515. */
QR_NODISCARD enum qr_status qri_validate_check(struct qri_ddl_stmt *s,
                                               const struct qr_cat_object *table,
                                               const struct qr_cat_check *check);
QR_NODISCARD enum qr_status qri_validate_fk(struct qri_ddl_stmt *s,
                                            const struct qr_cat_object *table,
                                            const struct qr_cat_fk *fk);
QR_NODISCARD enum qr_status qri_validate_not_null(struct qri_ddl_stmt *s,
                                                  const struct qr_cat_object *table,
                                                  const struct qr_cat_column *column);

/* ---- temporal tables (ddl_temporal.c) ---- */
/* The definition's PERIOD, once its columns are there. */
QR_NODISCARD enum qr_status qri_build_period(struct qri_build *b,
                                             const struct qr_ast_table_def *def);
/* A new period's rows are open: 13575, 13542. */
QR_NODISCARD enum qr_status qri_check_open_rows(struct qri_ddl_stmt *s,
                                                const struct qr_cat_object *table);
QR_NODISCARD enum qr_status qri_drop_period(struct qri_ddl_stmt *s, struct qr_cat_object *table);
/* SYSTEM_VERSIONING = ON (...): makes a history or takes the one named, and puts it; the caller
 * puts `table`. If it is on, only the retention changes. */
QR_NODISCARD enum qr_status qri_versioning_on(struct qri_ddl_stmt *s, struct qr_cat_object *table,
                                              const struct qr_ast_option *option);
QR_NODISCARD enum qr_status qri_versioning_off(struct qri_ddl_stmt *s, struct qr_cat_object *table);
/* What may not be changed of such a table, or of a history. */
QR_NODISCARD enum qr_status qri_refuse_alter(struct qri_ddl_stmt *s,
                                             const struct qr_ast_alter_table *ast,
                                             const struct qr_cat_object *table);
/* 13766: a finite retention needs the clustered index of its history. */
QR_NODISCARD enum qr_status qri_refuse_drop_index(struct qri_ddl_stmt *s,
                                                  const struct qr_cat_object *table,
                                                  const struct qr_cat_index *index);
/* What keeps the versions of a column: neither default, identity nor expression. */
struct qr_cat_column qri_history_column(const struct qr_cat_column *column);
/* An error whose only argument is the table, in three parts. */
enum qr_status qri_fail_table(struct qri_ddl_stmt *s, int number,
                              const struct qr_cat_object *table);

/* ---- statements ---- */
#define QRI_DDL_FN(name)                                                                           \
    QR_NODISCARD enum qr_status name(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,          \
                                     struct qr_err *err)
QRI_DDL_FN(qri_ddl_create_table);
QRI_DDL_FN(qri_ddl_alter_table);
QRI_DDL_FN(qri_ddl_create_index);
QRI_DDL_FN(qri_ddl_alter_index);
QRI_DDL_FN(qri_ddl_view);
QRI_DDL_FN(qri_ddl_procedure);
QRI_DDL_FN(qri_ddl_function);
QRI_DDL_FN(qri_ddl_trigger);
QRI_DDL_FN(qri_ddl_enable_trigger);
QRI_DDL_FN(qri_ddl_create_schema);
QRI_DDL_FN(qri_ddl_alter_schema);
QRI_DDL_FN(qri_ddl_create_type);
QRI_DDL_FN(qri_ddl_sequence);
QRI_DDL_FN(qri_ddl_synonym);
QRI_DDL_FN(qri_ddl_policy);
QRI_DDL_FN(qri_ddl_statistics);
QRI_DDL_FN(qri_ddl_drop);
QRI_DDL_FN(qri_ddl_principal);
QRI_DDL_FN(qri_ddl_permission);
QRI_DDL_FN(qri_ddl_authorization);

/* A schema-bound policy that names the table, view or function; NULL: none does. */
const struct qr_cat_object *qri_policy_of(const struct qr_catalog *cat,
                                          const struct qr_cat_object *o);
/* A policy, or a schema-bound module that names the object, and its column unless that is empty;
 * NULL: none does. */
const struct qr_cat_object *qri_bound_to(const struct qri_ddl_stmt *s,
                                         const struct qr_cat_object *o, struct qr_str column);

QR_NODISCARD enum qr_status qri_ddl_drop_index(struct qri_ddl *ddl,
                                               const struct qr_ast_drop_item *item, bool if_exists,
                                               struct qr_err *err);
QR_NODISCARD enum qr_status qri_ddl_drop_statistics(struct qri_ddl *ddl,
                                                    const struct qr_ast_drop_item *item,
                                                    struct qr_err *err);
/* The statistics stand on the column. */
bool qri_statistics_use(const struct qr_cat_stats *stats, const struct qr_cat_column *c);
/* Of an index or of statistics that are about to be made. */
uint32_t qri_next_index_id(const struct qr_cat_object *t);
QR_NODISCARD enum qr_status qri_ddl_drop_principal(struct qri_ddl *ddl,
                                                   const struct qr_ast_drop_item *item,
                                                   struct qr_str object_class, bool if_exists,
                                                   struct qr_err *err);

/* Rows of permissions on what is dropped go with it (ddl_right.c). `minor_id` 0: all of it. */
QR_NODISCARD enum qr_status qri_drop_rights(struct qri_ddl_stmt *s, enum qr_perm_class on,
                                            uint32_t major_id, uint32_t minor_id);

/* What the statements of a function may not do: 443, 444, 455. */
QR_NODISCARD enum qr_status qri_check_body(const struct qr_ast_function *function,
                                           struct qr_err *err);

/* sp_rename: `class` "OBJECT", "COLUMN", "INDEX", "STATISTICS", "USERDATATYPE" or
 * empty. */
QR_NODISCARD enum qr_status qri_ddl_rename(struct qri_ddl *ddl, struct qr_str name,
                                           struct qr_str new_name, struct qr_str class_name,
                                           struct qr_err *err);
