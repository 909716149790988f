/* dml_int.h - binding INSERT, UPDATE, DELETE and MERGE; shared by bind_dml.c, bind_insert.c … */
#pragma once
#include "bind_int.h"

/* The table that a statement changes, and how its rows are reached. */
struct qri_target {
    const struct qr_cat_object *object;
    struct qr_str rowset_name;
    bool is_temp;
    struct qri_source *source;   /* as named in the statement: may be a view or CTE over it */
    struct qri_source *base;     /* the table itself */
    struct qri_use *use;         /* of what the statement names; NULL: nobody asks */
    struct qri_object found;     /* without a source: that */
    const struct qr_expr **keys; /* over `source` */
    size_t key_count;
    const struct qr_expr **olds; /* over `source`, pairwise with object->columns */
    const struct qr_expr *check; /* WITH CHECK OPTION: what a new row must meet, or NULL; its
                                    QR_EXPR_INPUT(i) is column i of the object */
};

/* What OUTPUT takes from tables other than the target. */
struct qri_extras {
    const struct qr_expr **exprs;
    size_t count, capacity;
};

/* Adds to the SELECT of a cursor the keys of the tables that can be changed through it: columns
 * with QR_COLUMN_ROW_KEY. */
QR_NODISCARD enum qr_status qri_cursor_keys(struct qri_compile *c, struct qri_query *query);

/* WHERE CURRENT OF: the target's key is that of the row where the cursor stands. `name` has its @
 * if it is a variable's. */
QR_NODISCARD enum qr_status qri_current_of(struct qri_compile *c, const struct qri_target *t,
                                           struct qr_str name, const struct qr_expr **ret_where);

/* A column of the target for a name written in the statement; 207, 271, 272, 8102 … */
QR_NODISCARD enum qr_status qri_target_column(struct qri_compile *c, const struct qri_target *t,
                                              const struct qr_ast_name *name, bool is_insert,
                                              size_t *ret_column);
/* Bits of qr_cat_object.trigger_events. */
enum qri_change {
    QRI_CHANGE_NONE = 0,
    QRI_CHANGE_INSERT = 1,
    QRI_CHANGE_UPDATE = 2,
    QRI_CHANGE_DELETE = 4
};
/* Does an INSTEAD OF trigger of the view take such changes, so that none reaches its tables? */
bool qri_view_has_trigger(const struct qr_cat_object *view, enum qri_change change);
QR_NODISCARD enum qr_status qri_target_of(struct qri_compile *c, const struct qr_ast_source *ast,
                                          struct qri_target *ret_target);
/* Finds the base table below `source`, and makes its key and columns reachable through it.
 * `wanted`: a column that the statement sets (or NULL), to choose among several tables. A view with
 * an INSTEAD OF trigger for the change is the target itself, without a key. */
QR_NODISCARD enum qr_status qri_target_reach(struct qri_compile *c, struct qri_source *source,
                                             const struct qr_ast_name *wanted,
                                             enum qri_change change, struct qri_target *t);
QR_NODISCARD enum qr_status qri_dml_new(struct qri_compile *c, const struct qri_target *t,
                                        struct qr_plan *plan, struct qr_plan_dml **ret_dml);
QR_NODISCARD enum qr_status qri_default(struct qri_compile *c, const struct qr_cat_object *table,
                                        size_t column, const struct qr_expr **ret_expr);
/* "database.schema.table", as messages name it. */
const char *qri_table_z(struct qri_compile *c, const struct qr_cat_object *table);
/* `expr` in the type of the target's column, 2628 if it does not fit. */
QR_NODISCARD enum qr_status qri_assign(struct qri_compile *c, const struct qr_cat_object *table,
                                       size_t column, const struct qr_expr *expr,
                                       const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qri_outputs(struct qri_compile *c, const struct qr_ast_outputs *ast,
                                        const struct qri_target *t, bool has_deleted,
                                        bool has_inserted, struct qri_extras *extras,
                                        struct qr_plan_dml *dml);
/* --- bind_target.c --- */
/* Adds an expression of the query inside to what the source gives, without a name. */
QR_NODISCARD enum qr_status qri_expose(struct qri_compile *c, struct qri_source *source,
                                       const struct qr_expr *inner,
                                       const struct qr_expr **ret_outer);
/* The key of the table that the source is, or filters. NULL: it is neither. */
QR_NODISCARD enum qr_status qri_table_key(struct qri_compile *c, struct qri_source *source,
                                          const struct qr_cat_object **ret_table,
                                          const struct qr_expr ***ret_keys, size_t *ret_count);
/* --- bind_access.c --- */
/* The statement does `need` (INSERT, UPDATE or DELETE) to the target, and to what lies below it;
 * UPDATE: of the columns with a value. */
QR_NODISCARD enum qr_status qri_use_change(struct qri_compile *c, const struct qri_target *t,
                                           uint8_t need, const struct qr_expr *const *values);
/* Reads a column of the row that is changed. */
QR_NODISCARD enum qr_status qri_use_target_column(struct qri_compile *c, const struct qri_target *t,
                                                  size_t column);
/* t->source is what it changes: it is read only where its columns are named. */
void qri_use_as_target(struct qri_target *t);
/* Adds an item to a staging query; its place. */
QR_NODISCARD enum qr_status qri_stage_add(struct qri_compile *c, struct qri_query *stage,
                                          size_t *capacity, const struct qr_expr *expr,
                                          size_t *ret_index);
QR_NODISCARD enum qr_status qri_stage_target(struct qri_compile *c, struct qri_query *stage,
                                             size_t *capacity, const struct qri_target *t,
                                             struct qr_plan_dml *dml);
QR_NODISCARD enum qr_status qri_stage_extras(struct qri_compile *c, struct qri_query *stage,
                                             size_t *capacity, const struct qri_extras *extras,
                                             struct qr_plan_dml *dml);
QR_NODISCARD enum qr_status qri_stage_finish(struct qri_compile *c, struct qri_query *stage,
                                             struct qr_plan_dml *dml);
/* SET items of UPDATE and MERGE. `sets` are new values by target column, NULL where not set. */
struct qri_sets {
    const struct qr_expr **values; /* pairwise with object->columns */
    size_t count;
    struct qri_var_set {
        const struct qr_bind_var *var;
        const struct qr_expr *value;
        size_t column; /* @v = column = x: takes that column's value; else SIZE_MAX */
    } * vars;
    size_t var_count;
};
QR_NODISCARD enum qr_status qri_set_items(struct qri_compile *c, const struct qr_ast_set_items *ast,
                                          const struct qri_target *t, struct qri_sets *ret_sets);
/* The native form of a one-row UPDATE or DELETE; leaves dml->direct empty if there is none. */
QR_NODISCARD enum qr_status qri_direct(struct qri_compile *c, const struct qri_target *t,
                                       const struct qri_query *stage, const struct qri_sets *sets,
                                       struct qr_plan_dml *dml);

/* --- bind_dml*.c --- */
QR_NODISCARD enum qr_status qri_insert(struct qri_compile *c, const struct qr_ast_insert *ast,
                                       struct qr_plan *plan);
QR_NODISCARD enum qr_status qri_update(struct qri_compile *c, const struct qr_ast_update *ast,
                                       struct qr_plan *plan);
QR_NODISCARD enum qr_status qri_delete(struct qri_compile *c, const struct qr_ast_delete *ast,
                                       struct qr_plan *plan);
QR_NODISCARD enum qr_status qri_merge(struct qri_compile *c, const struct qr_ast_merge *ast,
                                      struct qr_plan *plan);
