/* engine_int.h - the engine's own structures: instance, database, session and its transaction.
 *
 * Locks, in order: instance.mu, database.mu, session.seen_mu. None is held while SQLite, the store
 * or a sink runs. A session and everything below it (frames, links in use) belongs to the thread of
 * its request. */
#pragma once
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "base/arena.h"
#include "base/map.h"
#include "base/sqlmsg.h"
#include "codec/regexp.h"
#include "engine/engine.h"
#include "engine/rowset.h"
#include "expr/eval.h"
#include "expr/language.h"
#include "governor/memory.h"
#include "governor/wait.h"
#include "lock/lock.h"
#include "tsql/parse.h"
#include "tsql/plan.h"
#include "vfs/conn.h"
#include "catalog_int.h"

struct qri_link;
struct qri_unit;
struct qri_frame;
struct qri_cursor;
struct qri_cache;
struct qri_texts;
struct qri_shapes;
struct qri_qstore;

enum {
    QRI_NEST_MAX = 32, /* procedures, triggers, functions, dynamic SQL (217) */
    QRI_SESSION_ID_FIRST = 51,
    QRI_STMT_ARENA_BYTES_MAX = 256 << 20,
    QRI_UNIT_ARENA_BYTES_MAX = 256 << 20,
    QRI_PREPARED_MAX = 10000, /* handles of one session */
};

enum { QRI_DEADLOCKS_KEPT = 32 };

/* A deadlock that was; deadlock_int.h. */
struct qri_deadlock_record {
    int64_t ticks; /* datetime2, UTC; 0: nothing */
    uint32_t server_id;
    uint32_t victim_session_id;
    char *database, *report; /* own */
};
/* The last ones, in a circle. */
struct qri_deadlocks {
    pthread_mutex_t mu;
    struct qri_deadlock_record kept[QRI_DEADLOCKS_KEPT];
    uint64_t count; /* that there have been */
};

struct qr_instance {
    struct qr_instance_options options;
    struct qr_arena arena;
    pthread_mutex_t mu;
    struct qr_session *sessions;   /* guarded by mu */
    uint16_t last_session_id;      /* guarded by mu */
    struct qr_database *databases; /* open ones; guarded by mu */
    int64_t start_ticks;
    struct qri_deadlocks deadlocks;
};

#define QRI_CATALOG_CHANGES UINT64_MAX /* a serial that no catalog has */

struct qr_database {
    struct qr_instance *instance;
    struct qr_database *next; /* guarded by the instance's mu */
    struct {
        uint32_t database_id, own_id, server_id;
    } info;
    /* The rest of it may change: qri_info. What was there stays in the arena. */
    _Atomic(const struct qr_database_info *) newest_info;
    struct qr_arena arena; /* guarded by mu */
    struct qr_store *store;
    struct qr_gov_group *group; /* NULL: its sessions are not governed */
    _Atomic uint64_t deadlocks; /* since it was opened */
    pthread_mutex_t mu;
    /* Held while a commit changes the catalog: whoever sees its pages gets it too. */
    pthread_mutex_t catalog_mu;
    struct qri_catalog *catalog;     /* guarded by catalog_mu; the newest committed one */
    struct qr_lsn catalog_lsn;       /* guarded by catalog_mu; the commit that made it */
    _Atomic uint64_t catalog_serial; /* of `catalog`, one for each; QRI_CATALOG_CHANGES */
    _Atomic uint64_t last_serial;    /* given to any picture, committed or not */
    _Atomic bool follows; /* a replica, or one promoted that nobody has written to: follow.c */
    _Atomic uint64_t followed_lsn; /* up to here the catalog is the newest */
    struct qr_conn *follow_conn;   /* guarded by catalog_mu, like the next */
    struct sqlite3_stmt *follow_stmt;
    struct qr_locks *locks;
    /* Sessions that may hold locks between their statements, and whether a statement runs that took
     * none because there were none: lock_int.h */
    _Atomic uint32_t lockers;
    _Atomic bool lockless;
    _Atomic bool writer_stays; /* who has the writer lock does DDL, and may keep it */
    /* Commits that changed what was locked, by its hash; and that changed more than is known:
     * lock_stamp.c. NULL until somebody becomes a locker. */
    _Atomic(_Atomic uint64_t *) stamps;
    _Atomic uint64_t all_stamped;
    struct qri_link *idle_links; /* guarded by mu; last used first */
    size_t idle_link_count;      /* guarded by mu */
    size_t session_count;        /* guarded by mu */
    struct qri_cache *cache;
    struct qri_texts *texts;   /* texts_int.h */
    struct qri_shapes *shapes; /* shape_int.h */
    struct qri_qstore *qstore; /* qstore_int.h */
};

/* Its name, objective and size as they are now. */
static inline const struct qr_database_info *qri_info(const struct qr_database *db)
{
    return atomic_load_explicit(&db->newest_info, memory_order_acquire);
}
/* With catalog_mu held: the catalog has the database's name again. */
enum qr_status qri_database_rename_catalog(struct qr_database *db);

/* SET options; a module gets a copy that its end puts back. */
struct qri_options {
    bool quoted_identifier, ansi_nulls, ansi_padding, ansi_warnings, arithabort, arithignore;
    bool concat_null_yields_null, numeric_roundabort, ansi_null_dflt_on, ansi_null_dflt_off;
    bool nocount, xact_abort, implicit_transactions, cursor_close_on_commit;
    bool noexec, parseonly, fmtonly;
    uint8_t datefirst, dateformat;
    bool has_datefirst, has_dateformat; /* set by their own SET: SET LANGUAGE leaves them alone */
    uint8_t isolation; /* 1 read uncommitted, 2 read committed, 3 repeatable, 4 serializable, 5
                          snapshot */
    const char *language;
    int language_id;
    int32_t lock_timeout_ms;  /* -1: for ever */
    int8_t deadlock_priority; /* -10 to 10 */
    int32_t textsize;         /* -1: no limit */
    uint64_t rowcount;        /* 0: no limit */
    uint32_t identity_insert; /* object id, 0: none */
};

/* The catalogs to go back to (references). */
struct qri_pictures {
    struct qri_catalog *own_main; /* NULL: the transaction had not changed it */
    struct qri_catalog *temp;
};

struct qri_oplog;
struct qri_oplog_mark { /* a place in it */
    uint64_t bytes, count;
};

struct qri_savepoint {
    struct qr_str name; /* in the transaction's arena */
    struct qri_pictures pictures;
    uint32_t guard_depth; /* statements' savepoints that lie below it */
    struct qri_oplog_mark mark;
    size_t counter_count;
};

/* What becomes of a counter with the transaction's COMMIT: counter_int.h */
struct qri_noted_counter {
    uint64_t id;
    bool is_temp, is_dropped;
    int64_t next, increment;
};

/* What the session's transaction has locked to change it: lock_stamp.c. */
enum { QRI_STAMPS_MAX = 48 };
struct qri_stamps {
    struct qr_lsn need_lsn; /* the newest commit that changed any of it */
    uint16_t slots[QRI_STAMPS_MAX];
    uint16_t count;
    bool all; /* and more than there is room for */
};

/* The lock that somebody else is in the way of. */
struct qri_conflict {
    struct qr_lock_resource resource;
    enum qr_lock_mode mode;
    bool is_brief; /* it is waited for, and not kept */
};

/* The session's transaction, and how it maps onto SQLite's. */
struct qri_tran {
    uint32_t count;       /* @@TRANCOUNT */
    bool doomed;          /* XACT_STATE() = -1 */
    bool sqlite_open;     /* BEGIN was done on the session's link */
    bool statement_open;  /* that BEGIN belongs to one autocommit statement */
    bool is_write;        /* permanent tables were changed, or are about to be */
    bool holds;           /* the writer lock stays to the end: DDL */
    bool is_ddl;          /* the running statement: with it `holds` begins */
    bool lockful;         /* the running statement takes row locks */
    bool at_kept;         /* SNAPSHOT: a statement that writes finds its rows in its old snapshot */
    bool moved;           /* ... and has come from there to the head, where rows may differ */
    bool catalog_changed; /* session.catalog is this transaction's own */
    struct qri_catalog *kept_catalog; /* SNAPSHOT: of the snapshot that is kept (reference) */
    uint64_t kept_serial;
    struct qr_lsn kept_catalog_lsn;
    uint32_t depth;          /* statements within each other */
    uint32_t guard_depth;    /* savepoints of statements now open */
    struct qr_lsn seen_lsn;  /* what its last statement read: the next one reads no less */
    struct qri_oplog *oplog; /* what it has changed, unless it `holds`; NULL: nothing */
    uint8_t first_level;     /* isolation level of its first access to data; 0: none yet */
    uint64_t descriptor;
    int64_t begin_ticks;
    struct qr_arena arena;
    struct qr_str name;
    struct qri_savepoint *savepoints;
    size_t savepoint_count, savepoint_capacity;
    struct qri_catalog *temp_before; /* #tables when SQLite's transaction began (reference) */
    struct qri_noted_counter *counters;
    size_t counter_count, counter_capacity;
    uint32_t *counter_slots; /* twice the capacity; 0, or a place in `counters` from 1 */
};

/* What ERROR_NUMBER() and its sisters tell inside CATCH. */
struct qri_caught {
    struct qri_caught *outer;
    struct qr_err err;
};

enum qri_unwind {
    QRI_UNWIND_NONE,
    QRI_UNWIND_BATCH, /* reported already; every frame of the request ends */
};

struct qri_prepared {
    int32_t handle;
    struct qri_unit *unit; /* owned; NULL while it runs */
    struct qr_str text, params;
    struct qr_arena arena;
};

/* What other sessions see of one (sys.dm_exec_sessions): its state when its request began or, if it
 * is idle, ended. Its own state changes in the midst of a request, without a lock. */
/* In temporary files, in bytes, by enum qr_gov_temp. */
struct qri_temp_room {
    uint64_t taken[QR_GOV_TEMP_COUNT], freed[QR_GOV_TEMP_COUNT];
};

struct qri_session_seen {
    struct qri_options options;
    bool is_running;
    uint32_t as_user;        /* the user that he has become; 0: he is himself */
    int64_t request_ticks;   /* when the last request began */
    int64_t ended_ticks;     /* when the last one ended; 0: none has */
    int64_t scheduled_ticks; /* all of them together */
    size_t memory_bytes;
    /* what the session had used when its last request began */
    int cpu_ms_before;
    int64_t reads_before, writes_before, logical_reads_before, page_server_reads_before;
    struct qri_temp_room room_before;
    uint8_t context_info[128];
    size_t context_info_bytes;
    int64_t rowcount;
    int32_t error;
    uint32_t nest_level;
    uint32_t tran_count;
    uint64_t tran_id; /* its descriptor; 0: none, or a statement's own */
    int64_t tran_ticks;
    uint64_t tran_ops, tran_bytes; /* what it has changed */
    uint64_t snapshot_lsn;         /* that it keeps; 0: none */
    char tran_name[4 * 32 + 1];
};

/* The statement that runs, or ran last: written by the session's thread, read by any. */
struct qri_running {
    _Atomic uint64_t batch_id; /* text of the request (texts_int.h); 0: none yet */
    _Atomic uint64_t text_id;  /* that of the statement: a module's, maybe */
    _Atomic uint32_t object_id;
    _Atomic uint32_t begin, bytes; /* in that text */
    _Atomic int kind;              /* enum qr_ast_stmt_kind */
};

/* What making one plan took: its SQL (bind), and SQLite's program for that (optimize). CPU time is
 * the time that went by without waits. */
enum qri_made_kind {
    QRI_MADE_BIND_NS,
    QRI_MADE_BIND_CPU_NS,
    QRI_MADE_OPTIMIZE_NS,
    QRI_MADE_OPTIMIZE_CPU_NS,
    QRI_MADE_BYTES, /* of both */
    QRI_MADE_KINDS
};
struct qri_made {
    int64_t of[QRI_MADE_KINDS];
};

struct qr_session {
    struct qr_database *db;
    struct qr_session *prev, *next; /* of instance.sessions */
    uint16_t id;
    struct qr_arena arena; /* login strings */
    struct qr_session_options login;
    struct qri_context *context_now; /* access_int.h: the innermost; NULL: none has begun */
    bool is_owner;                   /* its user is dbo: what access_int.h says goes */
    int64_t login_ticks;
    atomic_int killed; /* 0, or the number of the error that says why it is over */
    void (*break_it)(void *ctx, bool at_once); /* guarded by the instance's mu, as break_ctx */
    void *break_ctx;
    pthread_mutex_t seen_mu;
    struct qri_session_seen seen; /* guarded by seen_mu */
    struct qri_running running;

    const struct qr_sink *sink;  /* of the running request */
    struct qri_link *link;       /* kept between requests while transaction or #tables need it */
    struct qri_catalog *catalog; /* the one in use (reference) */
    uint64_t catalog_serial;
    struct qr_lsn catalog_lsn;   /* the commit that made it */
    struct qr_lsn followed_lsn;  /* a snapshot that it is right for: follow.c */
    uint64_t followed_serial;    /* the serial of then */
    struct qri_catalog *temp;    /* #tables; NULL: none */
    uint64_t temp_serial;        /* changes whenever `temp` does */
    bool views_tempdb;           /* system views show `temp` */
    bool temp_leak;              /* a #table outlives the scope that made it */
    struct qr_map temp_counters; /* key: 8 bytes counter id; value: struct qri_temp_counter */
    struct qri_options options, login_options;
    struct qri_tran tran;
    struct qr_lock_owner *lock_owner; /* NULL: it never took a lock in this database */
    bool is_locker;                   /* counted in db->lockers */
    struct qri_conflict conflict;     /* what QR_AGAIN is about */
    struct qri_stamps stamps;
    size_t escalated_at;      /* so many locks it had when it last tried for a table; 0: never */
    uint32_t row_lock_count;  /* of the running statement that reads with locks */
    struct qr_lsn commit_lsn; /* of the session's last commit */
    uint64_t answer_lsn;

    struct qri_frame *frame; /* innermost */
    uint32_t nest_level;     /* @@NESTLEVEL */
    uint32_t trigger_level;
    struct qri_caught *caught;
    enum qri_unwind unwind;
    struct qr_err err;        /* of the statement that runs */
    struct qr_err err_before; /* another one, told before err; number 0: none */
    bool err_is_compile;      /* err came from the compiler: it ends the scope */
    bool err_is_raised;       /* err came from RAISERROR: XACT_ABORT does not count */
    bool err_is_dynamic;      /* err is a syntax error of dynamic SQL: it ends only the EXEC */
    bool err_is_located;      /* err has the line and procedure of the frame it arose in */
    bool err_is_fatal;        /* err arose under XACT_ABORT ON: it ends the transaction */
    bool err_is_thrown;       /* err came from THROW: the batch ends when nobody catches it */
    struct qr_err pending;    /* raised inside a function that SQLite called */
    bool has_pending;
    _Atomic uint32_t percent_complete; /* of a statement that tells how far it is, else 0 */
    bool null_eliminated;
    bool collects_exec;       /* INSERT ... EXEC runs */
    uint32_t exec_tran_count; /* ... begun with so many transactions */
    bool result_open;         /* columns were sent, their DONE not yet */
    bool copies_vars;         /* the statement assigns variables while its parameters are bound */
    bool no_interrupt;        /* writing: attention waits for the next row */
    uint32_t fn_depth;        /* nesting of functions that SQLite called */
    struct qr_arena fn_arenas[4]; /* by depth; deeper ones are made per call */

    int64_t rowcount; /* @@ROWCOUNT */
    int32_t error;    /* @@ERROR */
    struct qri_drawn_number {
        uint32_t object_id;
        int64_t value;
        int64_t place;      /* which row: what was asked, or of QR_NEXT_OF_ROW -1 - its number */
        uint64_t statement; /* ... of which statement */
    } * drawn;              /* of each sequence the last number that a row here got */
    size_t drawn_count, drawn_capacity;
    uint64_t statement_serial;     /* counts statements: no two in a row have the same */
    struct qr_value last_identity; /* @@IDENTITY: INT, or NULL */
    /* No later than the first rowversion of the transaction or statement; 0: it took none. Any
     * thread reads it. */
    _Atomic int64_t first_rowversion;
    int32_t fetch_status;
    int32_t cursor_rows;
    struct qri_cursor *cursors; /* global ones */
    struct qr_rand rand_state;
    struct qr_regexp_cache regexps;
    uint64_t guid_serial;
    struct qr_value batch_identity; /* SCOPE_IDENTITY() of the outermost scope */
    struct qr_map context;          /* SESSION_CONTEXT */
    uint8_t context_info[128];
    size_t context_info_bytes;

    struct qr_eval_settings settings; /* of the running statement */
    struct qr_gov_grant grant;        /* of memory, for a statement that runs: grant_int.h */
    _Atomic uint64_t granted_bytes;   /* of it, for other sessions to see */
    struct qri_frame *grant_frame;    /* whose statement that is; NULL: none has one */
    struct qri_prepared *prepared;
    size_t prepared_count, prepared_capacity;
    int32_t last_handle;
    struct qri_bulk *bulk;
    const struct qr_ast_stmt *bulk_stmt; /* INSERT BULK that waits for its rows */
    struct qri_unit *bulk_unit;
    uint64_t request_count;
    int64_t request_ticks;                /* when the running request began */
    int64_t ended_ticks, scheduled_ticks; /* see struct qri_session_seen */
    uint8_t connection_id[16];
    struct { /* of its task, when a statement's waits were last taken: stats_run.c */
        uint64_t count, ns[QR_WAIT_COUNT];
    } seen_waits;
    _Atomic uint64_t packets_read, packets_written; /* since it was opened, before it moved too */
    struct qri_made made;  /* of statements that its link prepared: stats_run.c */
    uint32_t hit_counters; /* running statements that count hits: stats_run.c */
    struct {               /* used when the request began */
        int cpu_ms;
        int64_t reads, writes, logical_reads, page_server_reads;
        struct qri_temp_room room;
    } before;
};

/* sys.tables.temporal_type: 0, 1 history, 2 system-versioned */
static inline int qri_temporal_type(const struct qr_cat_object *table)
{
    return table->history_id != 0 ? 2 : table->history_of != 0 ? 1 : 0;
}

/* ---- session.c, request.c ---- */
int64_t qri_ticks_of_wall(int64_t wall_ns);
int64_t qri_now_ticks(const struct qr_session *session);
/* Sends what `err` holds as a message; fills line and procedure from the running frame. */
QR_NODISCARD enum qr_status qri_send_error(struct qr_session *session, struct qr_err *err);
/* An informational message of the table, severity <= 10. */
QR_NODISCARD enum qr_status qri_inform(struct qr_session *session, int number, ...);
/* Statements report DONEINPROC here, not DONE. */
bool qri_in_module(const struct qr_session *session);
QR_NODISCARD enum qr_status qri_send_done(struct qr_session *session, bool has_count,
                                          uint64_t count, bool is_error, uint16_t command);
/* QR_CANCELLED or QR_CLOSED when the request must stop. */
QR_NODISCARD enum qr_status qri_check_cancelled(struct qr_session *session, struct qr_err *err);
/* The session's catalog is a new picture, of its transaction alone until that commits. Takes the
 * reference. */
void qri_session_own_catalog(struct qr_session *session, struct qri_catalog *own_catalog);
/* The session gets that number if no other has it; before anybody was told its own. */
void qri_session_take_id(struct qr_session *session, uint16_t id);
/* What a task has taken and given back until now; any thread. */
struct qri_temp_room qri_temp_room_of(const struct qr_gov_task *task);
/* The session as it is now: for its own thread. */
struct qri_session_seen qri_session_look(const struct qr_session *session);
/* Lets the other sessions see it. */
void qri_session_show(struct qr_session *session);
/* What it last showed; any thread, with instance.mu. */
struct qri_session_seen qri_session_shown(struct qr_session *session);
/* Tells who has its connection that it is over; the instance's mu held. */
void qri_session_break(struct qr_session *session, bool at_once);
/* The same, with 40553. */
void qri_session_end_for_memory(struct qr_session *session);
/* Takes the newest catalog; keeps the transaction's own, and that of a snapshot that is open. */
void qri_session_refresh_catalog(struct qr_session *session);
void qri_session_set_temp(struct qr_session *session, struct qri_catalog *own_temp);

/* ---- follow.c ---- */
/* The database's catalog becomes that of the newest commit applied. */
void qri_follow_newest(struct qr_database *db);
void qri_follow_done(struct qr_database *db);
/* Compares the session's catalog with the one of the pinned snapshot; *ret_again: they differ, and
 * the database's is newer now: take that and pin again. */
QR_NODISCARD enum qr_status qri_follow(struct qr_session *session, bool *ret_again,
                                       struct qr_err *err);
/* The first writer of a promoted replica, with the writer lock: the catalog as of the head. */
QR_NODISCARD enum qr_status qri_follow_head(struct qr_session *session, struct qr_err *err);

/* ---- options.c ---- */
void qri_options_init(struct qri_options *options, bool is_odbc);
/* Also the dates' order and first day, unless they were set by themselves. */
void qri_options_language(struct qri_options *options, const struct qr_language *language);
int32_t qri_options_bits(const struct qri_options *options); /* @@OPTIONS */

/* ---- tran.c ---- */
enum qri_access {
    QRI_READ,
    QRI_READ_APART,   /* nothing that the transaction has changed */
    QRI_WRITE_LOOSE,  /* reads, and changes nothing in SQLite: dml_loose.c */
    QRI_WRITE,        /* permanent tables: the writer lock, BEGIN */
    QRI_WRITE_SINGLE, /* the same by one SQLite statement: without BEGIN where none is open */
    QRI_WRITE_TEMP,   /* #tables only */
    QRI_DDL,          /* the writer lock stays until the transaction's end */
    QRI_DDL_TEMP,
};
/* Brackets every statement; may nest (triggers, functions), where only the outermost acts. Between
 * them the session's catalog is the one of what the statement sees: what was compiled before may
 * not hold (qri_code_holds). */
QR_NODISCARD enum qr_status qri_tran_statement_begin(struct qr_session *session,
                                                     enum qri_access access, struct qr_err *err);
/* Commits an autocommit statement, or undoes it; `status` is the statement's. Returns it, or why
 * the commit failed. QR_AGAIN: everything is undone but its locks; see qri_lock_again. */
QR_NODISCARD enum qr_status qri_tran_statement_end(struct qr_session *session,
                                                   enum qr_status status, struct qr_err *err);
/* ---- tran_loose.c ---- */
/* A statement that writes one or a few rows may only note what it changes. */
bool qri_tran_may_write_loose(const struct qr_session *session);
/* The plan reads no table that the transaction has changed, but for one, and runs no module, which
 * might read anything. */
bool qri_tran_reads_apart(const struct qri_tran *tran, const struct qr_plan *plan,
                          const struct qr_cat_object *but);
/* QRI_READ or QRI_READ_APART. */
enum qri_access qri_tran_read_access(const struct qr_session *session, const struct qr_plan *plan);
/* Of a QRI_WRITE_LOOSE statement: its snapshot has the newest commit of all that the transaction
 * has locked; takes one that has (what was compiled may not hold any more). */
bool qri_tran_sees_locked(const struct qr_session *session);
QR_NODISCARD enum qr_status qri_tran_pin_again(struct qr_session *session, struct qr_err *err);

/* ---- tran.c, again ---- */
/* The request is over, or has to wait: an open transaction gives the writer lock back. */
void qri_tran_rest(struct qr_session *session);
QR_NODISCARD enum qr_status qri_tran_begin(struct qr_session *session, struct qr_str name,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_tran_commit(struct qr_session *session, struct qr_err *err);
QR_NODISCARD enum qr_status qri_tran_rollback(struct qr_session *session, struct qr_str name,
                                              struct qr_err *err);
/* Between finding rows and changing them: under SNAPSHOT the former is done in the transaction's
 * snapshot, the latter at the head, where a row must be as it was found (3960). */
/* SNAPSHOT: is what a statement uses the same at the head as in the transaction's snapshot? Else
 * 3961, which dooms the transaction. With the writer lock rows are looked for in pages of the
 * snapshot by the catalog of the head; without it the session's catalog is the snapshot's, and the
 * newest committed one is asked. At another level only for what is changed: the change is made
 * again on the snapshot's pages later. */
QR_NODISCARD enum qr_status qri_tran_fits_kept(struct qr_session *session,
                                               const struct qr_cat_object *const *objects,
                                               size_t count, struct qr_err *err);
QR_NODISCARD enum qr_status qri_tran_fits_newest(struct qr_session *session,
                                                 const struct qr_cat_object *const *objects,
                                                 size_t count, struct qr_err *err);
static inline enum qr_status qri_tran_fits(struct qr_session *session,
                                           const struct qr_cat_object *const *objects, size_t count,
                                           bool change, struct qr_err *err)
{
    const struct qri_tran *tran = &session->tran;
    if (tran->count == 0 || !tran->sqlite_open || tran->catalog_changed)
        return QR_OK;
    if (tran->kept_catalog != NULL && tran->kept_catalog != session->catalog)
        return change || session->options.isolation == QR_SNAPSHOT
                   ? qri_tran_fits_kept(session, objects, count, err)
                   : QR_OK;
    return atomic_load_explicit(&session->db->catalog_serial, memory_order_acquire) ==
                   session->catalog_serial
               ? QR_OK
               : qri_tran_fits_newest(session, objects, count, err);
}
QR_NODISCARD enum qr_status qri_tran_to_head(struct qr_session *session, struct qr_err *err);
/* Before a transaction leaves the level SNAPSHOT: it may come back to its snapshot. */
QR_NODISCARD enum qr_status qri_kept_stays(struct qr_session *session, struct qr_err *err);
void qri_pictures_take(struct qr_session *session, struct qri_pictures *ret_pictures);
void qri_pictures_go_back(struct qr_session *session, const struct qri_pictures *pictures);
void qri_pictures_drop(struct qri_pictures *pictures);
QR_NODISCARD enum qr_status qri_tran_save(struct qr_session *session, struct qr_str name,
                                          struct qr_err *err);
/* Ends the transaction whatever its state; used by errors that end it, reset and disconnect. */
void qri_tran_abort(struct qr_session *session);
/* SQLite has rolled back on its own: brings the session's state in line and raises 3998. */
QR_NODISCARD enum qr_status qri_tran_check(struct qr_session *session, struct qr_err *err);
/* IMPLICIT_TRANSACTIONS: the statement begins one if none is open. */
QR_NODISCARD enum qr_status qri_tran_implicit(struct qr_session *session, struct qr_err *err);
/* In a trigger the transaction of an autocommit statement counts as one, and has savepoints. */
void qri_tran_count_own(struct qr_session *session);
void qri_tran_uncount_own(struct qr_session *session);
/* A savepoint around a statement inside an open SQLite transaction. A ROLLBACK TRANSACTION inside
 * the statement (in a trigger) may take it away: then release and rollback do nothing. */
struct qri_guard {
    uint32_t depth; /* 0: none was made */
    size_t savepoint_count, counter_count;
    struct qri_oplog_mark mark;
};
QR_NODISCARD enum qr_status qri_guard_begin(struct qr_session *session, struct qri_guard *guard,
                                            struct qr_err *err);
/* Keeps or undoes what the statement did, by its status, which is returned. */
QR_NODISCARD enum qr_status qri_guard_end(struct qr_session *session, const struct qri_guard *guard,
                                          enum qr_status status, struct qr_err *err);

/* ---- host.c ---- */
extern const struct qr_eval_host qri_eval_host;
void qri_eval_init(struct qr_eval *eval, struct qr_session *session, struct qri_frame *frame,
                   struct qr_arena *arena);
/* Stamps the statement's clock and the options into session->settings. */
void qri_settings_stamp(struct qr_session *session);
