/* shape_int.h - the SQL that statements have run, as SQLite plans it: what one run does to which
 * index, and which index it lacks.
 *
 * Statements with one SQL share a shape, under one picture of the catalog: another index makes
 * another plan. A run costs nothing here; what a statement's counters say is handed on now and then
 * (qri_shape_ran), and a shape is explained when somebody wants to know (qri_shapes_settle), or
 * just before DDL changes what the answer would be.
 *
 * Locks: the mutex is a leaf. Cells live as long as the database is open. */
#pragma once
#include "frame.h"

enum qri_use_kind {
    QRI_USE_SEEK,
    QRI_USE_SCAN,
    QRI_USE_LOOKUP,
    QRI_USE_UPDATE,
    QRI_USE_KINDS,
};

struct qri_use {
    uint32_t object_id, index_id; /* index 0: a heap */
    enum qri_use_kind kind;
};

/* An index that a scan would have used. */
enum { QRI_WANT_COLUMNS = 12 };
struct qri_want_columns {
    uint32_t ids[QRI_WANT_COLUMNS]; /* ascending */
    uint32_t count;
};
struct qri_want {
    uint32_t object_id;
    struct qri_want_columns equal, unequal, included;
};

struct qri_shape {
    struct qri_shapes *shapes;
    struct qri_shape *bucket_next;
    uint64_t sql_hash, serial;
    struct qr_str sql; /* ends with a zero; n = 0: it reads nothing */
    uint32_t refs;
    bool is_temp;   /* names #tables: only their session could have it explained */
    bool is_wanted; /* somebody keeps it to know its plan */
    _Atomic bool is_explained;
    _Atomic uint64_t plan_hash; /* of the SQL until it is explained */
    struct qri_use *uses;
    size_t use_count;
    struct qri_want *wants;
    size_t want_count;
    /* runs that were handed on and are in no cell yet */
    int64_t runs, compiles, last_ticks;
    double reads, rows;
};

/* What has happened to an index since the database was opened. */
struct qri_index_use {
    uint32_t object_id, index_id;
    int64_t counts[QRI_USE_KINDS], last_ticks[QRI_USE_KINDS];
};
struct qri_wanted {
    struct qri_want want;
    int64_t seeks, compiles, last_ticks;
    double reads, rows; /* of the statements that wanted it */
};

struct qri_shapes *qri_shapes_new(void);
void qri_shapes_free(struct qri_shapes *shapes); /* when no statement is left */

/* The shape of a statement that has just run; NULL if there is no memory. */
struct qri_shape *qri_shape_ref(struct qr_session *session, const struct qri_code *code);
struct qri_shape *qri_shape_share(struct qri_shape *shape);
void qri_shape_unref(struct qri_shape *shape); /* accepts NULL */
/* Of its SQL until it is explained, then of its plan. NULL: 0. */
uint64_t qri_shape_plan_hash(const struct qri_shape *shape);
bool qri_shape_is_explained(const struct qri_shape *shape);
/* So many runs, the newest then, reading so many pages and yielding so many rows in all. */
void qri_shape_ran(struct qri_shape *shape, int64_t runs, int64_t last_ticks, int64_t reads,
                   int64_t rows);

/* Explains what is not explained yet, on the session's link, which has a snapshot pinned. */
void qri_shapes_settle(struct qr_session *session);

/* Copies; the arena's memory. */
QR_NODISCARD enum qr_status qri_shapes_uses(struct qri_shapes *shapes, struct qr_arena *arena,
                                            struct qri_index_use **ret_list, size_t *ret_count);
QR_NODISCARD enum qr_status qri_shapes_wanted(struct qri_shapes *shapes, struct qr_arena *arena,
                                              struct qri_wanted **ret_list, size_t *ret_count);

/* ---- explain.c: one SQL text ---- */
struct qri_explained {
    uint64_t plan_hash;
    struct qri_use *uses;
    size_t use_count;
    struct qri_want *wants;
    size_t want_count;
};
/* On the session's link. What SQLite cannot plan any more has nothing. */
QR_NODISCARD enum qr_status qri_explain(struct qr_session *session, struct qr_str sql,
                                        struct qr_arena *arena, struct qri_explained *ret);

/* Each line of its EXPLAIN QUERY PLAN; none if SQLite cannot plan it. */
typedef enum qr_status qri_plan_line_fn(void *ctx, const char *line);
QR_NODISCARD enum qr_status qri_explain_lines(struct qr_session *session, struct qr_str sql,
                                              struct qr_arena *arena, qri_plan_line_fn *line,
                                              void *ctx);

/* ---- rows_plan.c: a line of EXPLAIN QUERY PLAN ---- */
struct qri_plan_line {
    const struct qr_cat_object *table; /* NULL: of nothing that is stored */
    const struct qr_cat_index *index;  /* NULL: the heap */
    bool seeks;                        /* else it scans */
    bool is_automatic;                 /* by an index made for the statement */
    bool looks_up;                     /* reads the row besides the index */
};
/* `sql` ends with a zero. */
void qri_plan_line_read(struct qr_session *session, struct qr_str sql, const char *line,
                        struct qri_plan_line *ret_line);
/* The plan of one statement as a showplan; the caller frees it. NULL: no memory. */
char *qri_plan_xml(struct qr_session *session, struct qr_str text, enum qr_ast_stmt_kind kind,
                   struct qr_str sql);
