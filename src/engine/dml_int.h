/* dml_int.h - INSERT, UPDATE, DELETE, MERGE: one pipeline ([TSQL.md] 3).
 *
 * Rows are staged first (old and new values of every column), then applied by key, then foreign
 * keys, cascades, triggers and OUTPUT run over the staged set. Statements that need none of that
 * take a direct path.
 *
 * A change is a row of values: [0, n) the old row, [n, 2n) the new one, [2n] the rowid, then what
 * OUTPUT needs of other tables, and MERGE's action. n is the table's column count; the old part of
 * an inserted row and the new part of a deleted one are NULL. */
#pragma once
#include "frame.h"

/* ---- dml_table.c: a table's SQL ---- */

struct qri_unique {
    const struct qr_cat_index *index;
    uint16_t *columns; /* indexes into the table's columns */
    size_t count;
    struct qri_sql probe;         /* is there another row with these values? */
    const struct qr_expr *filter; /* over the row; NULL: none */
};

/* A foreign key of this table: the row it points to must be there. */
struct qri_fk_out {
    const struct qr_cat_fk *fk;
    const struct qr_cat_object *parent;
    uint16_t *columns;
    struct qri_sql probe;
};

/* A foreign key that points here. */
struct qri_fk_in {
    const struct qr_cat_fk *fk;
    uint16_t *columns; /* of the key, in this table */
    struct qri_table *child;
    uint16_t *child_columns;
    struct qri_sql parent_probe; /* is the old key still (or again) there? */
    struct qri_sql child_rows;   /* the rows that point at it, whole */
};

struct qri_table {
    const struct qr_cat_object *object;
    const char *name, *full_name; /* "dbo.t", "db.dbo.t" for messages */
    bool is_temp, by_rowid, is_heap, is_rowset;
    size_t n;
    uint16_t *stored; /* columns that SQLite keeps */
    size_t stored_count;
    uint16_t *key; /* clustered key's columns, unless by_rowid */
    size_t key_count;
    uint16_t *not_null;
    size_t not_null_count;
    uint16_t identity, rowversion, rowid_column; /* column index; UINT16_MAX: none */
    uint16_t period_start, period_end;           /* likewise */
    struct qri_table *history;                   /* where versions go that end; NULL: nowhere */
    struct qri_sql clean_up;                     /* deletes some that ended before ?1 there */
    struct qri_sql insert, update_all, delete;
    struct qri_sql insert_fed; /* many rows, from a feed */
    struct qri_sql exists;     /* keyed tables: is there a row with this key? */
    struct qri_sql read;       /* the stored columns by key */
    struct qri_unique *uniques;
    size_t unique_count;
    struct qri_fk_out *fks;
    size_t fk_count;
    struct qri_fk_in *refs;
    size_t ref_count;
    const struct qr_expr **defaults, **computed, **checks; /* as in struct qr_plan_dml */
    const struct qr_expr *view_check;
};

/* Tables met already while following foreign keys. */
struct qri_table_set {
    struct qr_arena *arena;
    const struct qr_bind_env *env;
    struct qri_table **items;
    size_t count, capacity;
    struct qr_err *err;
};
/* `plan` gives bound defaults, computed columns and checks, or is NULL: they are bound here. */
QR_NODISCARD enum qr_status qri_table_get(struct qri_table_set *set,
                                          const struct qr_cat_object *object,
                                          const struct qr_plan_dml *plan,
                                          struct qri_table **ret_table);
/* UPDATE of these columns by key. */
QR_NODISCARD enum qr_status qri_table_update_sql(struct qri_table_set *set,
                                                 const struct qri_table *table,
                                                 const uint16_t *columns, size_t count,
                                                 struct qri_sql *ret_sql);

/* ---- prepared statements of the pipeline ---- */

enum qri_event { QRI_INSERT = 1, QRI_UPDATE = 2, QRI_DELETE = 4 };

struct qri_dml {
    const struct qr_plan_dml *plan;
    enum qr_plan_kind kind;
    unsigned events; /* enum qri_event, those that its clauses name */
    struct qri_table *table;
    struct qri_sql stage, direct, update;
    uint16_t *set_columns;    /* of UPDATE and MERGE's UPDATE, indexes */
    uint16_t *insert_columns; /* of INSERT (plan->sets), and MERGE's INSERT */
    uint16_t *updated;        /* what `update` sets: the above, computed ones, rowversion */
    size_t updated_count;
    bool key_changes; /* a clustered or unique key may change: two phases if many rows */
    bool fires;       /* a trigger is there for the event */
    bool instead_of;
    bool is_simple;    /* one row needs nothing after it is applied */
    bool gives_keys;   /* a foreign key of the table may get a value: checked once rows are in */
    bool can_be_loose; /* as far as the plan tells: dml_loose.c */
    struct qr_type *change_types;
    size_t change_count;            /* values of a change */
    struct qri_table *output_table; /* OUTPUT INTO */
    /* Its tables, and those that their foreign keys lead to and cascade to. */
    const struct qr_cat_object **reached;
    size_t reached_count;
};

QR_NODISCARD enum qr_status qri_dml_prepare(struct qr_arena *arena, const struct qr_bind_env *env,
                                            const struct qr_plan *plan, struct qri_dml **ret_dml,
                                            struct qr_err *err);

/* ---- running: dml_run.c ---- */

/* What one statement's run carries from step to step. */
struct qri_run {
    struct qri_frame *frame;
    struct qr_session *session;
    const struct qri_dml *dml;
    struct qr_rowset *changes;
    struct qr_rowset *output; /* evaluated rows for the client */
    struct qr_rowset *rowset; /* the target, when it is a table variable */
    struct qr_arena arena;    /* of a row */
    struct qr_eval eval;
    struct qr_value *row; /* change_count values under construction */
    bool instead_of;      /* dml->instead_of, unless that trigger itself is what runs */
    uint64_t stage_max;   /* no more rows need be staged than so many; 0: all */
    uint64_t count;
    struct qr_err *err;
    const char *verb; /* "INSERT", "UPDATE", "DELETE", "MERGE" for messages */
};

/* SELECT INTO: makes the table and fills it. `code` changes when it must be compiled anew. */
QR_NODISCARD enum qr_status qri_select_into(struct qri_frame *frame, struct qri_code **code,
                                            uint64_t *ret_count, struct qr_err *err);

/* ---- dml_row.c: making and checking new rows ---- */
/* Defaults, identity, rowversion, computed columns, NOT NULL and CHECK of an inserted row. `given`
 * tells by column index what the statement supplied. */
QR_NODISCARD enum qr_status qri_row_complete_insert(struct qri_run *run,
                                                    const struct qri_table *table,
                                                    struct qr_value *row, const bool *given);
/* Rowversion, computed columns, NOT NULL and CHECK of an updated row. */
QR_NODISCARD enum qr_status
qri_row_complete_update(struct qri_run *run, const struct qri_table *table, struct qr_value *row);
/* Hidden rowid, or the rowid alias' value; 0 for keyed tables. */
QR_NODISCARD enum qr_status qri_row_id(struct qri_run *run, const struct qri_table *table,
                                       const struct qr_value *row, int64_t *ret_rowid);

/* ---- dml_write.c: applying by key ---- */
struct qri_writer {
    struct qr_session *session;
    struct qri_run *run;
    const struct qri_table *table;
    struct qri_stmt *insert, *update, *delete;
    struct qri_sql update_sql;
    const uint16_t *updated;
    size_t updated_count;
    struct qri_writer *history; /* of versions that end; NULL: none has yet */
    struct qr_value *version;   /* ... the row under construction */
    bool is_locked, has_table;  /* the table: IX at least, X */
    uint32_t lock_count;
};
void qri_writer_init(struct qri_writer *writer, struct qri_run *run, const struct qri_table *table);
void qri_writer_done(struct qri_writer *writer);
/* *ret_ignored: IGNORE_DUP_KEY left the row out. */
QR_NODISCARD enum qr_status qri_write_insert(struct qri_writer *writer, const struct qr_value *row,
                                             int64_t rowid, bool *ret_ignored);
QR_NODISCARD enum qr_status qri_write_update(struct qri_writer *writer, const struct qr_value *old,
                                             const struct qr_value *row, int64_t rowid);
QR_NODISCARD enum qr_status qri_write_delete(struct qri_writer *writer, const struct qr_value *old,
                                             int64_t rowid);
/* dml_history.c: the version `old` of a row ends with the transaction's time, and goes to the
 * table's history if it has one: 13535. */
QR_NODISCARD enum qr_status qri_end_version(struct qri_writer *writer, const struct qr_value *old);
/* A new version begins; `is_new`: the row does. */
void qri_begin_version(const struct qri_run *run, const struct qri_table *table,
                       struct qr_value *row, bool is_new);
/* What ended before that is past the table's retention; false: nothing is. */
bool qri_retention_begin(const struct qr_cat_object *table, int64_t now_ticks, int64_t *ret_ticks);
bool qri_ignores_duplicates(const struct qri_table *table);
/* Words the error of the key that `row` broke; `old`: the row that it was made of, or NULL. */
enum qr_status qri_fail_key(struct qri_writer *writer, const struct qr_value *row,
                            const struct qr_value *old, int64_t rowid);
QR_NODISCARD enum qr_status qri_bind_key(struct qri_run *run, const struct qri_table *table,
                                         struct qri_stmt *stmt, size_t first,
                                         const struct qr_value *old, int64_t rowid);
/* Steps a probe; binds the columns of `row`. */
QR_NODISCARD enum qr_status qri_probe(struct qri_run *run, struct qri_sql sql,
                                      const struct qri_table *table, const uint16_t *columns,
                                      size_t count, const struct qr_value *row,
                                      const struct qr_value *own, int64_t own_rowid,
                                      bool *ret_found);

QR_NODISCARD enum qr_status qri_probe_insert(struct qri_run *run, const struct qri_table *table,
                                             const struct qri_unique *unique,
                                             const struct qr_value *row, bool *ret_found);

/* ---- dml_lock.c: before a row changes, and after ---- */
/* `old` NULL: it is inserted; `row` NULL: deleted. QR_AGAIN: see lock_int.h. */
QR_NODISCARD enum qr_status qri_lock_change(struct qri_writer *writer, const struct qr_value *old,
                                            const struct qr_value *row, int64_t rowid);
/* lock_range.c: its keys in every index, against those who have locked intervals of them. */
QR_NODISCARD enum qr_status qri_lock_keys(struct qri_writer *writer, const struct qr_value *old,
                                          const struct qr_value *row);
/* SNAPSHOT: the row at the head is still the one that was found in the snapshot; else 3960. */
QR_NODISCARD enum qr_status qri_check_found(struct qri_writer *writer, const struct qr_value *old,
                                            int64_t rowid);
/* The key that a foreign key of `row` points at stays there until the transaction's end. */
QR_NODISCARD enum qr_status qri_lock_parent(struct qri_run *run, const struct qri_fk_out *out,
                                            const struct qr_value *row);
QR_NODISCARD enum qr_status qri_record_insert(struct qri_writer *writer, const struct qr_value *row,
                                              int64_t rowid);
QR_NODISCARD enum qr_status qri_record_update(struct qri_writer *writer, const struct qr_value *old,
                                              const struct qr_value *row, int64_t rowid);
QR_NODISCARD enum qr_status qri_record_delete(struct qri_writer *writer, const struct qr_value *old,
                                              int64_t rowid);
/* A statement and the values bound to it. The table is what it changes the rows of; 0: any. */
QR_NODISCARD enum qr_status qri_record_sql(struct qr_session *session, uint32_t object_id,
                                           const char *sql, const struct qri_bound *bound,
                                           size_t count, struct qr_err *err);

/* ---- dml_loose.c: a few rows of a transaction, noted in its op log alone ---- */
enum qri_loose {
    QRI_LOOSE_DONE,
    QRI_LOOSE_AGAIN, /* others have changed what was found */
    QRI_LOOSE_NOT,   /* it has to go the ordinary way */
};
bool qri_dml_can_be_loose(const struct qri_dml *dml, const struct qr_plan *plan);
bool qri_dml_is_loose(const struct qri_run *run, const struct qr_plan *plan);
/* Not DONE: nothing has changed, but locks may have been taken. */
QR_NODISCARD enum qr_status qri_run_loose(struct qri_run *run, struct qri_code *code,
                                          enum qri_loose *ret_outcome);

/* ---- dml_feed.c: inserting many rows by one statement ---- */
struct qri_feed {
    struct qri_writer *writer;
    const struct qr_value *row; /* the table's columns */
    int64_t rowid;
    /* Makes the next row `row` and `rowid`; they stay until the next call. *ret_more false: that
     * was all. It may run other statements on the link. */
    enum qr_status (*next)(struct qri_feed *feed, bool *ret_more, struct qr_err *err);
    /* IGNORE_DUP_KEY has left the row out. */
    enum qr_status (*ignored)(struct qri_feed *feed, struct qr_err *err);
};
QR_NODISCARD enum qr_status qri_write_feed(struct qri_feed *feed);

/* ---- dml_fk.c ---- */
QR_NODISCARD enum qr_status qri_fk_check_row(struct qri_run *run, const struct qri_table *table,
                                             const struct qr_value *row, const char *verb);
/* After `changes` were applied to `table`: foreign keys out and in, with cascades. */
QR_NODISCARD enum qr_status qri_fk_changes(struct qri_run *run, const struct qri_table *table,
                                           struct qr_rowset *changes, unsigned events,
                                           uint32_t depth);

/* ---- dml_trigger.c ---- */
bool qri_table_fires(const struct qr_cat_object *object, unsigned events, bool instead_of);
bool qri_stands_aside(const struct qr_session *session, const struct qr_cat_object *object,
                      unsigned events);
QR_NODISCARD enum qr_status qri_fire(struct qri_run *run, const struct qri_table *table,
                                     struct qr_rowset *changes, enum qri_event event,
                                     const uint16_t *updated, size_t updated_count,
                                     bool instead_of);

/* The rows of one event's changes; the caller frees both sets, also after a failure. */
QR_NODISCARD enum qr_status qri_split_changes(struct qri_run *run, const struct qri_table *table,
                                              struct qr_rowset *changes, enum qri_event event,
                                              struct qri_trigger_rows *rows);

/* ---- dml_policy.c ---- */
/* 33504: a changed row is not what the plan's block predicates allow. */
QR_NODISCARD enum qr_status qri_check_blocks(struct qri_run *run, const struct qri_table *table,
                                             const struct qr_plan_dml *plan,
                                             struct qr_rowset *changes);

/* ---- dml_output.c ---- */
QR_NODISCARD enum qr_status qri_output_rows(struct qri_run *run);
QR_NODISCARD enum qr_status qri_output_send(struct qri_run *run);

/* ---- dml_rowset.c: table variables ---- */
QR_NODISCARD enum qr_status qri_rowset_dml(struct qri_run *run);
QR_NODISCARD enum qr_status qri_rowset_insert(struct qri_run *run, const struct qri_table *table,
                                              struct qr_rowset *rowset, const struct qr_value *row);

/* ---- dml_error.c ---- */
enum qr_status qri_fail_unique(struct qri_run *run, const struct qri_table *table,
                               const struct qri_unique *unique, const struct qr_value *row);
enum qr_status qri_fail_null(struct qri_run *run, const struct qri_table *table, uint16_t column);
enum qr_status qri_fail_check(struct qri_run *run, const struct qri_table *table,
                              const struct qr_cat_check *check);
enum qr_status qri_fail_fk(struct qri_run *run, const char *verb, const char *kind,
                           const struct qr_cat_fk *fk, const struct qr_cat_object *where,
                           uint32_t column_id);
