/* qstore_int.h - Query Store: what statements have cost, kept in the database.
 *
 * Counters of the plan cache are handed on (texts_int.h) into an inbox. Who looks, and the flush,
 * move them from there into queries with their plans and runs by interval, give these the ids that
 * they have on disk or will have, and merge what is on disk with what is not yet. A flush writes
 * it with a connection of its own, in one transaction. Words: *visible*, of what is in memory, to a
 * snapshot that does not have the flush that wrote it.
 *
 * Locks, in order: the writer lock, qstore.mu (while SQLite runs: only the flush and who looks at a
 * view take it, and no one waits for the writer lock with it), the inbox's mutex (a leaf). */
#pragma once
#include "shape_int.h"
#include "texts_int.h"

enum qri_qs_state { QRI_QS_OFF, QRI_QS_READ_ONLY, QRI_QS_READ_WRITE, QRI_QS_ERROR };
enum qri_qs_capture { QRI_QS_ALL = 1, QRI_QS_AUTO, QRI_QS_NONE, QRI_QS_CUSTOM };

/* A row each of qstore_options.c, and of the table qs_option. */
enum qri_qs_option {
    QRI_QS_STATE,
    QRI_QS_FLUSH_S,
    QRI_QS_INTERVAL_MINUTES,
    QRI_QS_MAX_MB,
    QRI_QS_STALE_DAYS,
    QRI_QS_MAX_PLANS,
    QRI_QS_CAPTURE,
    QRI_QS_SIZE_CLEANUP,
    QRI_QS_WAITS,
    QRI_QS_CAPTURE_COUNT, /* CUSTOM, and what AUTO stands for */
    QRI_QS_CAPTURE_COMPILE_MS,
    QRI_QS_CAPTURE_CPU_MS,
    QRI_QS_CAPTURE_HOURS,
    QRI_QS_OPTIONS,
};

/* ---- in memory; all of it guarded by qstore.mu ---- */

/* Runs of a plan in an interval, ended in one way. */
struct qri_qs_stats {
    struct qri_qs_stats *next;
    int64_t id, interval; /* interval: qri_qs_interval_of */
    int64_t minutes;
    enum qri_run_end end;
    uint64_t lsn; /* of the commit that wrote it; 0: not yet */
    struct qri_runs runs;
};
struct qri_qs_plan {
    struct qri_qs_plan *next;
    struct qri_shape *shape; /* reference */
    int64_t id;              /* 0: not given yet */
    uint64_t hash, lsn;      /* lsn 0: not on disk */
    bool was_on_disk;        /* before this process met it */
    char *xml;               /* own; NULL: on disk, or not made yet */
    int64_t first_ticks, last_ticks, last_run_ticks, compiles;
    int64_t new_compiles; /* since the last flush, as the next */
    struct qri_makes makes;
    struct qri_qs_stats *stats;
};
struct qri_qs_query {
    struct qri_qs_query *next; /* in its bucket, which is that of the text's hash */
    uint64_t text_hash, key;   /* key: of text, object, options */
    struct qr_str text;        /* own */
    uint32_t object_id;
    bool has_params;
    enum qr_ast_stmt_kind kind;
    uint64_t options, query_hash, batch_id;
    bool is_captured;
    bool was_sought;                 /* on disk, where those that were captured before are */
    int64_t id, text_id, context_id; /* 0: not given yet */
    uint64_t lsn;                    /* of the commit that wrote it; 0: not yet */
    bool was_on_disk;                /* before this process met it */
    bool has_text, has_context;      /* somebody else wrote, or will write, these */
    int64_t first_ticks, last_ticks, last_run_ticks, new_compiles;
    int64_t count, cpu_us, make_cpu_us; /* for capturing */
    struct qri_qs_plan *plans;
};

enum { QRI_QS_BUCKETS = 1024 };
enum qri_qs_counter {
    QRI_QS_TEXTS,
    QRI_QS_QUERIES,
    QRI_QS_PLANS,
    QRI_QS_RUNS,
    QRI_QS_CONTEXTS,
    QRI_QS_COUNTERS
};

struct qri_qs_item; /* of the inbox */

struct qri_qstore {
    struct qr_database *db;
    pthread_mutex_t mu;
    int64_t options[QRI_QS_OPTIONS];
    struct qri_qs_query *buckets[QRI_QS_BUCKETS];
    size_t query_count;
    int64_t last_ids[QRI_QS_COUNTERS]; /* given; -1: not known yet what is on disk */
    uint64_t flushed_lsn;              /* of the last flush that wrote; 0: none has */
    _Atomic int64_t flushed_ns;        /* monotonic; when the last one ended */
    _Atomic int64_t flush_s;           /* as the option says */
    int64_t cleaned_ns;                /* the same, of cleaning; 0: never */
    bool is_full;                      /* over MAX_STORAGE_SIZE_MB */
    bool was_cleaned;                  /* rows were taken away by the transaction that runs */
    int64_t bytes;                     /* on disk */
    _Atomic int64_t interval_minutes;  /* 0: it is off */
    _Atomic bool was_used;             /* there may be something to write */
    pthread_mutex_t inbox_mu;
    struct qri_qs_item *inbox, **inbox_end;
    size_t inbox_bytes;
};

/* ---- qstore.c ---- */
struct qri_qstore *qri_qstore_new(struct qr_database *db);
void qri_qstore_free(struct qri_qstore *qs);
/* With text->mu, from where counters are handed on: `runs` goes into the inbox, or nowhere if the
 * store is off; its waits are taken. */
void qri_qstore_add(struct qri_text *text, struct qri_stmt_cost *cost, struct qri_runs *runs,
                    enum qri_run_end end);
/* When the interval ends in which that is. */
int64_t qri_qstore_interval_end(const struct qr_database *db, int64_t ticks);
int64_t qri_qs_interval_of(const struct qri_qstore *qs, int64_t ticks); /* its first minute */
int64_t qri_qs_interval_ticks(int64_t interval);
/* With qstore.mu: the inbox is emptied. */
void qri_qs_take_inbox(struct qri_qstore *qs);
void qri_qs_forget(struct qri_qstore *qs); /* all that is in memory */
void qri_qs_forget_captured(struct qri_qstore *qs);
void qri_qs_query_free(struct qri_qs_query *query);
void qri_qs_drop_stats(struct qri_qs_plan *plan); /* its runs are not kept */
/* Rows on disk may be gone: what is not written yet gets its ids anew. */
void qri_qs_forget_ids(struct qri_qstore *qs);
bool qri_qs_has_news(struct qri_qstore *qs); /* something captured is not on disk */
int qri_wait_category(enum qr_wait type);
const char *qri_wait_category_name(int category);

/* ---- qstore_disk.c; qstore.mu held ---- */

/* The store's tables through a connection that reads, or writes with the writer lock. */
enum qri_qs_sql {
    QRI_QS_FIND_QUERY,
    QRI_QS_FIND_TEXT,
    QRI_QS_FIND_CONTEXT,
    QRI_QS_FIND_PLAN,
    QRI_QS_COUNT_PLANS,
    QRI_QS_FIND_RUNS,
    QRI_QS_FIND_WAIT,
    QRI_QS_FIND_MAKES,
    QRI_QS_MAKES_OF_QUERY,
    QRI_QS_PUT_QUERY,
    QRI_QS_PUT_TEXT,
    QRI_QS_PUT_CONTEXT,
    QRI_QS_PUT_PLAN,
    QRI_QS_PUT_RUNS,
    QRI_QS_PUT_WAIT,
    QRI_QS_PUT_MAKES,
    QRI_QS_STMTS,
};
struct qri_qs_disk {
    sqlite3 *db;
    bool has_tables;
    sqlite3_stmt *stmts[QRI_QS_STMTS];
};
void qri_qs_disk_open(struct qri_qs_disk *disk, sqlite3 *db);
void qri_qs_disk_close(struct qri_qs_disk *disk);
/* Prepared and reset, with these integers bound to ?1, ?2 ...; NULL: SQLite failed. */
sqlite3_stmt *qri_qs_stmt(struct qri_qs_disk *disk, enum qri_qs_sql which, int count, ...);
QR_NODISCARD enum qr_status qri_qs_make_tables(sqlite3 *db, struct qr_err *err);
/* Options of the database; those that it does not have keep their defaults. */
void qri_qs_read_options(struct qri_qstore *qs, sqlite3 *db);
void qri_qs_options_changed(struct qri_qstore *qs); /* they hold from now on */
/* Those in memory that are on disk go on being captured. */
QR_NODISCARD enum qr_status qri_qs_find_known(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                              struct qr_err *err);
/* Everything captured gets its ids, and its plans what they look like; plans beyond
 * MAX_PLANS_PER_QUERY, and their runs, are dropped. */
QR_NODISCARD enum qr_status qri_qs_resolve(struct qri_qstore *qs, struct qr_session *session,
                                           struct qri_qs_disk *disk, struct qr_err *err);
/* ---- qstore_write.c; the same ---- */
QR_NODISCARD enum qr_status qri_qs_write(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                         struct qr_err *err);
/* Sets qs->was_cleaned if there was something to take away. */
QR_NODISCARD enum qr_status qri_qs_clean(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                         int64_t now_ticks, struct qr_err *err);
/* What was written has that LSN; what was written before is on disk for everybody by now. */
void qri_qs_written(struct qri_qstore *qs, uint64_t lsn);
/* Bytes of a row of runs; from and to what is in memory. */
enum {
    QRI_QS_COST_BYTES = 40,
    QRI_QS_RUNS_BYTES = 8 + 24 + QRI_COST_KINDS * QRI_QS_COST_BYTES,
    QRI_QS_WAIT_BYTES = 8 + QRI_QS_COST_BYTES
};
void qri_qs_put_runs(const struct qri_runs *runs, uint8_t dst[QRI_QS_RUNS_BYTES]);
bool qri_qs_get_runs(const void *src, size_t bytes, struct qri_runs *ret_runs);
void qri_qs_put_wait(const struct qri_run_waits *waits, int category,
                     uint8_t dst[QRI_QS_WAIT_BYTES]);
bool qri_qs_get_wait(const void *src, size_t bytes, int category, struct qri_run_waits *waits);

/* ---- qstore_make.c; the same ---- */

enum { QRI_QS_MAKES_BYTES = 16 + QRI_MADE_KINDS * 24 };
void qri_qs_put_makes(const struct qri_makes *makes, uint8_t dst[QRI_QS_MAKES_BYTES]);
bool qri_qs_get_makes(const void *src, size_t bytes, struct qri_makes *ret_makes);
/* Onto what the plan has on disk. Plans on disk are told apart by when they came, too: ids come
 * again, and a version that does not know this table leaves rows behind. */
QR_NODISCARD enum qr_status qri_qs_write_makes(struct qri_qs_disk *disk,
                                               const struct qri_qs_plan *plan, struct qr_err *err);
/* What is on disk of a plan, or of all of a query's; nothing in a database that a version without
 * them has written. */
struct qri_makes qri_qs_makes_of(struct qri_qs_disk *disk, enum qri_qs_sql which, int64_t id);

/* As the views have them: NULL of plans that were written by a version which did not measure. */
struct qri_make_cells {
    double avg;
    int64_t last, max; /* microseconds, or KiB */
};
struct qri_make_cells qri_make_cells(const struct qri_makes *makes, enum qri_made_kind kind);
struct qri_make_cells qri_compile_cells(const struct qri_makes *makes); /* both steps; no max */

/* ---- qstore_flush.c ---- */

/* For a view: the session's snapshot is pinned. Leaves qs->mu held, and `disk` open. */
QR_NODISCARD enum qr_status qri_qstore_look(struct qr_session *session, struct qri_qs_disk *disk,
                                            struct qr_err *err);
void qri_qstore_leave(struct qr_session *session, struct qri_qs_disk *disk);
bool qri_qs_is_visible(struct qr_session *session, uint64_t lsn);

/* Changes the store by an operator's wish: with a connection of its own, all in memory written
 * first. `change` runs in the transaction. */
typedef enum qr_status qri_qs_change_fn(struct qri_qstore *qs, sqlite3 *db, void *ctx,
                                        struct qr_err *err);
QR_NODISCARD enum qr_status qri_qstore_change(struct qr_session *session, bool flush_first,
                                              qri_qs_change_fn *change, void *ctx,
                                              struct qr_err *err);

/* ---- qstore_options.c ---- */
struct qri_qs_option_info {
    const char *name; /* "FLUSH_S", in the table qs_option */
    int64_t initial;
};
extern const struct qri_qs_option_info qri_qs_option_infos[QRI_QS_OPTIONS];
/* Reads it as it is, an unknown database's too. */
struct qr_ast_alter_database;
bool qri_qs_is_wanted(const struct qr_ast_alter_database *stmt); /* SET QUERY_STORE ... */
QR_NODISCARD enum qr_status qri_qs_alter(struct qr_session *session,
                                         const struct qr_ast_alter_database *stmt,
                                         struct qr_err *err);
