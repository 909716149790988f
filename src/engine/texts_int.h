/* texts_int.h - texts that the plan cache holds, and what running their statements has cost.
 *
 * All units of one text share one of these; it goes with the last of them, as a plan's statistics
 * go when the plan leaves the cache. A text is found by its id, of which its handles are made. */
#pragma once
#include "frame.h"

enum {
    QRI_HANDLE_BYTES = 44,
    QRI_HANDLE_SHORT_BYTES = 20, /* of sys.sysprocesses: all that follows is zero */
};

enum qri_cost_kind {
    QRI_COST_WORKER_US,
    QRI_COST_ELAPSED_US,
    QRI_COST_LOGICAL_READS,
    QRI_COST_PHYSICAL_READS,
    QRI_COST_LOGICAL_WRITES,
    QRI_COST_PAGE_SERVER_READS,
    QRI_COST_ROWS,
    QRI_COST_LOG_BYTES,
    /* Query Store keeps them by number: new ones come last */
    QRI_COST_GRANT_KB,
    QRI_COST_USED_GRANT_KB,
    QRI_COST_IDEAL_GRANT_KB,
    QRI_COST_SPILLED_PAGES, /* of 8 KiB, written to temporary files */
    QRI_COST_KINDS,
};

struct qri_cost {
    int64_t total, last, min, max;
};

/* Runs since a statement's counters were last taken (qri_text_hand_on). */
struct qri_run_cost {
    int64_t total, last, min, max;
    double squares; /* their sum: for deviations */
};
enum { QRI_WAIT_CATEGORIES = 24 }; /* as sys.query_store_wait_stats numbers them */
struct qri_run_waits {
    int64_t counts[QRI_WAIT_CATEGORIES];
    struct qri_run_cost cost[QRI_WAIT_CATEGORIES]; /* microseconds of one run */
};
struct qri_runs {
    int64_t count, first_ticks, last_ticks;
    int64_t until_ticks;         /* from then on runs are of the next interval */
    struct qri_run_waits *waits; /* NULL: none yet */
    struct qri_run_cost cost[QRI_COST_KINDS];
};
/* Plans that were made. */
struct qri_makes {
    int64_t count;
    struct qri_make_cost {
        int64_t total, last, max;
    } of[QRI_MADE_KINDS];
};
void qri_makes_merge(struct qri_makes *into, const struct qri_makes *later);
/* As sys.query_store_runtime_stats numbers them. */
enum qri_run_end { QRI_RUN_REGULAR = 0, QRI_RUN_ABORTED = 3, QRI_RUN_EXCEPTION = 4 };
/* Adds the later of the two to the other; its waits are taken. */
void qri_runs_merge(struct qri_runs *into, struct qri_runs *later);

/* A statement of a text: SELECT, INSERT, UPDATE, DELETE or MERGE that has run. */
struct qri_stmt_cost {
    struct qri_stmt_cost *next;
    uint32_t op;           /* of the unit */
    uint32_t begin, bytes; /* in the text, UTF-8 */
    enum qr_ast_stmt_kind kind;
    uint64_t options_key; /* it was compiled under */
    uint64_t query_hash;
    struct qri_shape *shape; /* of its plan; shape_int.h */
    int64_t generation;      /* how often it was compiled */
    int64_t created_ticks, last_ticks;
    /* of runs that ended well: those that were taken, and those since */
    int64_t count;
    struct qri_cost cost[QRI_COST_KINDS];
    struct qri_runs runs;
    struct qri_makes makes;     /* of its plans since they were last taken */
    struct qri_runs *failed[2]; /* that were aborted, and that ended in an error; NULL: none */
};
/* All of them together, taken or not; the count. */
int64_t qri_stmt_costs(const struct qri_stmt_cost *c, struct qri_cost ret_costs[QRI_COST_KINDS]);

struct qri_text {
    struct qri_texts *texts;
    struct qr_database *db;
    struct qri_text *bucket_next;
    uint64_t id;
    uint32_t refs;             /* units; guarded by the table's mutex */
    _Atomic int64_t use_count; /* units taken */
    _Atomic int64_t
        unit_bytes; /* of one of its units, when it was last put back; 0: not in cache */
    enum qri_unit_kind kind;
    uint32_t object_id;          /* of a module, else 0 */
    bool is_prepared;            /* has parameters declared outside its text */
    uint32_t text_at;            /* statements' positions count from here: behind the parameters */
    struct qr_str text;          /* "(@a int)select @a" */
    pthread_mutex_t mu;          /* of the costs; taken after the table's */
    struct qri_stmt_cost *costs; /* by op */
    struct qri_stmt_cost *found; /* the one found last */
};

/* Null if there is no memory. */
struct qri_texts *qri_texts_new(struct qr_database *db);
void qri_texts_free(struct qri_texts *texts); /* when no unit is left */

/* The text of a unit that is being made; NULL if there is no memory. */
struct qri_text *qri_text_ref(struct qri_texts *texts, const struct qri_source *source,
                              uint64_t id);
void qri_text_unref(struct qri_text *text); /* accepts NULL */
void qri_text_used(struct qri_text *text);
void qri_text_put_back(struct qri_text *text, size_t unit_bytes);
/* The cache is cleared of the one with that id, or, with 0, of all; who runs them keeps them. */
void qri_texts_take_out(struct qri_texts *texts, uint64_t id);

/* All of them with `each`, under the table's mutex: it calls nobody. */
QR_NODISCARD enum qr_status qri_texts_each(struct qri_texts *texts,
                                           enum qr_status (*each)(void *ctx, struct qri_text *text),
                                           void *ctx);
/* Hands on what the statements of all of them have counted since the last time. */
void qri_texts_hand_on(struct qri_texts *texts);
void qri_text_hand_on(struct qri_text *text); /* of one, with its mutex */
void qri_stmt_cost_hand_on(struct qri_text *text, struct qri_stmt_cost *c); /* the same */
/* The one with that id without its uses and costs, its text in `arena`; false: it is gone. */
bool qri_text_find(struct qri_texts *texts, uint64_t id, struct qr_arena *arena,
                   struct qri_text *ret_copy);

/* What a session of the asker's server sent last; false: there is none of that number. */
struct qri_input_buffer {
    struct qr_str event; /* "Language Event"; n = 0: it has sent nothing yet */
    struct qr_str text;
};
bool qri_input_buffer(const struct qr_session *asker, int64_t session_id, struct qr_arena *arena,
                      struct qri_input_buffer *ret_input);

/* Handles: what sys.dm_exec_sql_text and sys.dm_exec_query_plan take. */
struct qr_str qri_sql_handle(struct qr_arena *arena, const struct qr_database *db, uint64_t id,
                             uint32_t object_id);
struct qr_str qri_plan_handle(struct qr_arena *arena, const struct qr_database *db, uint64_t id);
bool qri_handle_id(struct qr_str handle, uint64_t *ret_id);
/* As binary(8); NULL for 0. */
struct qr_str qri_hash_bytes(struct qr_arena *arena, uint64_t hash);
struct qri_found_cost {
    uint64_t query_hash, plan_hash;
};
/* Of the statement that begins there; false: it has not run. */
bool qri_text_cost(struct qri_texts *texts, uint64_t id, uint32_t begin,
                   struct qri_found_cost *ret_cost);
/* Where a statement begins and ends in its text, as views tell it: in bytes of UTF-16. */
void qri_text_offsets(const struct qri_text *text, uint32_t begin, uint32_t bytes, int *ret_start,
                      int *ret_end);

/* ---- cache.c: the SQL of a text's statements, of a unit that nobody runs just now ---- */
struct qri_cached_sql {
    uint32_t op, begin, bytes;
    enum qr_ast_stmt_kind kind;
    struct qr_str sql;
};
QR_NODISCARD enum qr_status qri_cache_sqls(struct qri_cache *cache, uint64_t text_id,
                                           struct qr_arena *arena, struct qri_cached_sql **ret_list,
                                           size_t *ret_count);

/* ---- stats_run.c: counting ---- */
struct qri_meter {
    int64_t ticks;            /* when the statement began */
    struct qri_made prepared; /* of the session, then */
    uint64_t waits;           /* that the task had had */
    bool counts_hits;         /* stats_run.c */
    /* of the session's task then, if it has one */
    int64_t cpu_ns, charged_ns, waited_ns;
    uint64_t logical_reads, logical_writes, reads, log_bytes, page_server_reads, temp_bytes;
};
/* The operation is what the session's views show as running. */
void qri_meter_begin(struct qri_frame *frame, const struct qri_op *op, struct qri_meter *meter);
/* For making a plan: when it begins, and what it took. */
struct qri_making {
    int64_t begin_ns, waited_ns;
};
struct qri_making qri_making_begin(const struct qr_session *session);
void qri_making_end(const struct qr_session *session, const struct qri_making *making,
                    int64_t *elapsed_ns, int64_t *cpu_ns); /* adds */
/* It ended, well or not. */
void qri_meter_end(struct qri_frame *frame, const struct qri_op *op, const struct qri_meter *meter,
                   enum qr_status status);
