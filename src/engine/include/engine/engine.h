/* engine/engine.h - a compute node: databases opened, sessions that run T-SQL in them.
 *
 * Threads: an instance is used by all threads; a session by one thread at a time (its caller
 * serialises), except qr_session_kill, which any thread may call. Results leave through a sink, in
 * the order the protocol needs them; the engine knows no TDS.
 *
 * Commit and answer: when a request has changed data, qr_session_answer_lsn tells the LSN that must
 * be durable before the last byte of the answer may leave ([STORAGE.md] S2). The caller queues
 * the answer on it (vfs: asynchronous notification) instead of blocking a thread. A sink that must
 * send bytes earlier (its buffer is full) first waits for that LSN. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"
#include "codec/value.h"
#include "tsql/plan.h"

struct qr_env;
struct qr_log;
struct qr_instance;
struct qr_database;
struct qr_session;
struct qr_store;
struct qr_database_info;
struct qr_firewall_info;
struct qr_gov_group;
struct qr_gov_task;

/* ---- instance and databases ---- */

/* What the rest of the server knows and the engine asks for; every slot may be called by any
 * thread. NULL slots are not allowed. */
struct qr_replica_info;
struct qr_log_rate;
struct qr_operation_seen;
struct qr_backup_info;
struct qr_telemetry_seen;
struct qr_geo_seen;
struct qr_autoscale_seen;
enum { QR_SID_BYTES_MAX = 85 };

struct qr_login_seen;
struct qr_login_wish;
struct qr_instance_host {
    void *ctx;
    /* CREATE/ALTER/DROP DATABASE from master: the control plane's operation, done when it returns.
     */
    enum qr_status (*create_database)(void *ctx, struct qr_session *session,
                                      const struct qr_ast_stmt *stmt, struct qr_err *err);
    enum qr_status (*alter_database)(void *ctx, struct qr_session *session,
                                     const struct qr_ast_stmt *stmt, struct qr_err *err);
    enum qr_status (*drop_database)(void *ctx, struct qr_session *session, struct qr_str name,
                                    bool if_exists, struct qr_err *err);
    /* Rows of sys.databases of that server: calls `each` once a database, in database_id order. */
    enum qr_status (*each_database)(void *ctx, uint32_t server_id,
                                    enum qr_status (*each)(void *each_ctx,
                                                           const struct qr_database_info *info),
                                    void *each_ctx);
    /* Firewall rules of a server or of a database, by its own_id. Addresses are checked here:
     * errors 40609, 40611, 40614. A rule that is not there may be deleted. */
    enum qr_status (*set_firewall_rule)(void *ctx, uint32_t owner_id, struct qr_str name,
                                        struct qr_str start, struct qr_str end, struct qr_err *err);
    enum qr_status (*delete_firewall_rule)(void *ctx, uint32_t owner_id, struct qr_str name,
                                           struct qr_err *err);
    enum qr_status (*each_firewall_rule)(
        void *ctx, uint32_t owner_id,
        enum qr_status (*each)(void *each_ctx, const struct qr_firewall_info *info),
        void *each_ctx);
    /* The SID of that server's login, whatever the case of `name`. QR_NOT_FOUND: there is
     * none. NULL: there are no logins. */
    enum qr_status (*find_login)(void *ctx, uint32_t server_id, struct qr_str name,
                                 uint8_t sid[QR_SID_BYTES_MAX], size_t *ret_sid_bytes,
                                 struct qr_err *err);
    /* Logins of that server, its administrator first. NULL: there are none. */
    enum qr_status (*each_login)(void *ctx, uint32_t server_id,
                                 enum qr_status (*each)(void *each_ctx,
                                                        const struct qr_login_seen *seen),
                                 void *each_ctx);
    /* CREATE, ALTER, DROP LOGIN: errors 15025, 15150, 15151, 15174, 15433, and 15151 for an old
     * password that is wrong. With each_login. */
    enum qr_status (*change_login)(void *ctx, uint32_t server_id, const struct qr_login_wish *wish,
                                   struct qr_err *err);
    /* That login owns the database from now on: qr_database_update says so where it is open. NULL:
     * databases are the administrator's. */
    enum qr_status (*set_owner)(void *ctx, uint32_t own_id, struct qr_str sid, struct qr_err *err);
    /* Who serves the database, the primary first; `store` is its store in this process. */
    enum qr_status (*each_replica)(void *ctx, uint32_t own_id, struct qr_store *store,
                                   enum qr_status (*each)(void *each_ctx,
                                                          const struct qr_replica_info *info),
                                   void *each_ctx);
    /* Who takes the log of that Hyperscale database, and how fast. May be NULL. */
    enum qr_status (*each_log_rate)(void *ctx, uint32_t own_id, struct qr_store *store,
                                    enum qr_status (*each)(void *each_ctx,
                                                           const struct qr_log_rate *rate),
                                    void *each_ctx);
    /* Operations of the server's databases that run or were over lately. May be NULL. */
    enum qr_status (*each_operation)(void *ctx, uint32_t server_id,
                                     enum qr_status (*each)(void *each_ctx,
                                                            const struct qr_operation_seen *seen),
                                     void *each_ctx);
    /* What control keeps of that kind (ctl/telemetry.h) about the server, in order of time, behind
     * that time. May be NULL. */
    enum qr_status (*each_telemetry)(void *ctx, uint8_t kind, uint32_t server_id,
                                     int64_t after_wall_ns,
                                     enum qr_status (*each)(void *each_ctx,
                                                            const struct qr_telemetry_seen *seen),
                                     void *each_ctx);
    /* A session of that database was made the victim of a deadlock. May be NULL; short. */
    void (*deadlock)(void *ctx, uint32_t own_id, struct qr_str database);
    /* Backups of the database, of all in master. May be NULL. */
    enum qr_status (*each_backup)(void *ctx, uint32_t own_id,
                                  enum qr_status (*each)(void *each_ctx,
                                                         const struct qr_backup_info *info),
                                  void *each_ctx);
    /* Links of geo-secondaries whose one end is on that server; NULL: there are none. */
    enum qr_status (*each_geo_link)(void *ctx, uint32_t server_id,
                                    enum qr_status (*each)(void *each_ctx,
                                                           const struct qr_geo_seen *seen),
                                    void *each_ctx);
    /* Settings of the server's databases that have some; NULL: none have. */
    enum qr_status (*each_autoscale)(void *ctx, uint32_t server_id,
                                     enum qr_status (*each)(void *each_ctx,
                                                            const struct qr_autoscale_seen *seen),
                                     void *each_ctx);
};

/* A login as sys.sql_logins has it. */
struct qr_login_seen {
    uint32_t principal_id; /* 1: the administrator */
    struct qr_str name, sid;
    int64_t create_ticks, modify_ticks; /* datetime2 ticks, UTC; 0: not known */
    bool is_admin, is_disabled;
    uint32_t roles; /* 1 << enum qr_server_role */
};
/* Fixed roles of a logical server. Numbers are kept with its logins. */
enum qr_server_role {
    QR_SERVER_DATABASE_CONNECTOR,
    QR_SERVER_DATABASE_MANAGER,
    QR_SERVER_DEFINITION_READER,
    QR_SERVER_LOGIN_MANAGER,
    QR_SERVER_SECURITY_DEFINITION_READER,
    QR_SERVER_STATE_READER,
    QR_SERVER_STATE_MANAGER,
    QR_SERVER_ROLE_COUNT,
};
enum qr_login_wish_kind { /* as ctl/calls.h numbers them */
                          QR_WISH_CREATE_LOGIN,
                          QR_WISH_LOGIN_PASSWORD,
                          QR_WISH_LOGIN_NAME,
                          QR_WISH_LOGIN_ENABLE,
                          QR_WISH_LOGIN_DISABLE,
                          QR_WISH_DROP_LOGIN,
                          QR_WISH_LOGIN_JOIN,
                          QR_WISH_LOGIN_LEAVE,
};
struct qr_login_wish {
    enum qr_login_wish_kind kind;
    struct qr_str name, new_name, sid;
    struct qr_str hash;         /* of the new password */
    struct qr_str old_password; /* has to be right; p NULL: it is not asked for */
    uint32_t roles;             /* that he joins or leaves */
};

/* How a database is scaled by its load: a row of sys.database_autoscale. Texts without p: NULL. */
struct qr_autoscale_seen {
    uint32_t database_id; /* that users see */
    bool is_on, is_dry;
    struct qr_str database, policy, least, most, metrics, current, reason, requested, error;
    double up, down, window, points_min, warmup, cooldown, cost, horizon;
    int64_t decided_ticks, retry_ticks; /* datetime2 ticks, UTC; 0: NULL */
};

/* One end of a link between a database and its geo-secondary, as its server sees it. */
enum qr_geo_replication_state {
    QR_GEO_PENDING,
    QR_GEO_SEEDING,
    QR_GEO_CATCH_UP,
    QR_GEO_SUSPENDED = 4
};
struct qr_geo_seen {
    uint32_t database_id; /* that users see */
    uint8_t link_id[16];
    struct qr_str partner_server, partner_database;
    bool is_primary;
    enum qr_geo_replication_state state;
    int64_t start_ticks;      /* datetime2 ticks, UTC */
    int64_t replicated_ticks; /* when the secondary was last known to have all; 0: not yet */
    int64_t commit_ticks;     /* of the newest commit that it has; 0: not known */
};

/* A backup as sys.dm_database_backups has it. */
struct qr_backup_info {
    uint8_t id[16], database_guid[16]; /* in comparison order (qr_guid_parse) */
    struct qr_str physical_name, server_name, database_name;
    int64_t start_ticks, finish_ticks; /* datetime2 ticks, UTC */
    char type;                         /* D full, I differential, L log */
    bool in_retention;
};

/* The kinds of ctl/telemetry.h, under names of their own: who implements the slot knows both. */
enum { QR_SEEN_EVENTS = 1, QR_SEEN_DATABASES, QR_SEEN_POOLS, QR_SEEN_BILLED, QR_SEEN_AUTOSCALE };
struct qr_telemetry_seen {
    int64_t at_ticks; /* datetime2 ticks, UTC */
    uint64_t count;   /* of events */
    struct qr_str key, body;
};

/* An operation as sys.dm_operation_status has it. */
struct qr_operation_seen {
    uint8_t id[16];                  /* in comparison order (qr_guid_parse) */
    uint32_t database_id, source_id; /* source_id: of a copy, else 0 */
    struct qr_str database, source;  /* names */
    struct qr_str operation;         /* "ALTER DATABASE" */
    int state;                       /* 0 pending, running, completed, failed, 4 cancelled */
    int percent;
    int error_number, error_severity, error_state; /* 0: none */
    struct qr_str error_text;
    int64_t start_ticks, modify_ticks; /* datetime2 ticks, UTC */
    bool is_copy;                      /* from source_id to database_id */
};

/* As sys.dm_hs_database_replicas numbers them. */
enum qr_replica_role { QR_REPLICA_PRIMARY, QR_REPLICA_HA, QR_REPLICA_GEO, QR_REPLICA_NAMED };

struct qr_replica_info {
    uint8_t id[16], parent_id[16]; /* parent_id: of an HA replica */
    uint8_t group_id[16];          /* the same for all of one primary */
    enum qr_replica_role role;
    bool is_local;
    bool is_silent;      /* nothing was heard of it lately */
    bool is_synchronous; /* every commit waits for it */
    uint32_t database_id;
    struct qr_str database_name, server_name;
    uint64_t applied_lsn, commit_lsn; /* its newest commit; that of the primary */
    int64_t applied_ticks,
        commit_ticks;   /* when they were made: datetime2 ticks, UTC; 0: not known */
    uint64_t lag_bytes; /* of log that it has not applied */
    int64_t lag_ns;
};

enum qr_log_role { /* as sys.dm_hs_database_log_rate numbers them */
                   QR_LOG_UNKNOWN = 0,
                   QR_LOG_STORAGE = 1, /* a page server */
                   QR_LOG_PRIMARY = 2,
                   QR_LOG_REPLICA = 4,
                   QR_LOG_LOCALDESTAGE = 5, /* the log service's journal */
                   QR_LOG_DESTAGE = 6,      /* long-term storage of log */
                   QR_LOG_GEOREPLICA = 10,
};
struct qr_log_rate {
    enum qr_log_role role;
    uint8_t component_id[16], replica_id[16];
    uint64_t max_rate, catchup_rate; /* bytes a second */
    uint64_t catchup_bytes;          /* of log that it has not taken */
    int64_t reported_ticks;          /* datetime2 ticks, UTC */
};

struct qr_firewall_info {
    int id;
    struct qr_str name, start, end;     /* addresses as text */
    int64_t create_ticks, modify_ticks; /* datetime2 ticks, UTC */
};

struct qr_database_info {
    uint32_t database_id; /* that users see; 1 = master */
    /* What the host calls the database and its logical server; its calls get these. */
    uint32_t own_id, server_id;
    struct qr_str server_name; /* n = 0: the instance's */
    struct qr_str name;
    struct qr_str edition;           /* "GeneralPurpose" */
    struct qr_str service_objective; /* "GP_Gen5_2"; "ElasticPool" */
    struct qr_str elastic_pool;      /* its name; n = 0: none */
    struct qr_str collation;
    int64_t create_ticks; /* datetime2 ticks, UTC */
    uint64_t max_bytes;
    uint64_t max_bytes_least, max_bytes_most, max_bytes_usual; /* MAXSIZE may be; 0: not said */
    uint8_t guid[16];  /* as qr_guid_parse gives it; zeros: none */
    bool is_encrypted; /* at rest, all of it */
    /* SID of the login that comes in as dbo; of length 0: the server's administrator alone does. */
    uint8_t owner_sid[QR_SID_BYTES_MAX];
    size_t owner_sid_bytes;
};

struct qr_instance_options {
    struct qr_env *env;
    struct qr_log *log;
    struct qr_str server_name;
    struct qr_str version;    /* of quire */
    uint8_t server_key_id[8]; /* of the key that wraps the databases' keys; zeros: none */
    struct qr_instance_host host;
    size_t plan_cache_bytes_max; /* per database [64 MiB] */
    size_t connections_idle_max; /* pooled SQLite connections per database, or its sessions [16] */
    size_t
        query_memory_bytes_max; /* of all rowsets of the process [a quarter of physical memory] */
};

/* Configures SQLite for the process, with its memory counted; before anything else uses it. Calling
 * again changes nothing; qr_instance_new does it, too. */
QR_NODISCARD enum qr_status qr_engine_init(struct qr_err *err);
QR_NODISCARD enum qr_status qr_instance_new(const struct qr_instance_options *options,
                                            struct qr_instance **ret_instance, struct qr_err *err);
void qr_instance_free(struct qr_instance *instance); /* after every database is closed */

/* Makes the catalog tables in a new, empty store (idempotent), then loads the catalog.
 * Takes ownership of the store on success. */
QR_NODISCARD enum qr_status qr_database_open(struct qr_instance *instance,
                                             const struct qr_database_info *info,
                                             struct qr_store *own_store,
                                             struct qr_database **ret_db, struct qr_err *err);
/* It has another name, owner, objective or size: open sessions see it from their next statement on.
 */
QR_NODISCARD enum qr_status
qr_database_update(struct qr_database *db, const struct qr_database_info *info, struct qr_err *err);
/* Fails with QR_BUSY while sessions use it. Closes the store. */
QR_NODISCARD enum qr_status qr_database_close(struct qr_database *db, struct qr_err *err);
struct qr_store *qr_database_store(struct qr_database *db);
enum { QR_USER_HASH_BYTES = 128 };
/* The password's hash of a user that the database lets in by itself (CREATE USER ... WITH
 * PASSWORD), as qr_password_hash made it. QR_NOT_FOUND: it has none of that name. Any thread. */
QR_NODISCARD enum qr_status qr_database_user_hash(struct qr_database *db, struct qr_str user,
                                                  char dst[QR_USER_HASH_BYTES], struct qr_err *err);
/* Has a user of it such a password? Any thread. */
bool qr_database_has_passwords(struct qr_database *db);
/* Query Store: should it be written now? `idle_since_ns`: monotonic, when the last session left; 0:
 * some are there. Costs no I/O. */
bool qr_database_statistics_due(struct qr_database *db, int64_t idle_since_ns);
/* Writes it, if there is anything new; as internal work, in a transaction of its own. It waits for
 * the writer lock for a while: QR_TIMEOUT. Closing the database does it, too. Nothing on replicas.
 */
QR_NODISCARD enum qr_status qr_database_flush_statistics(struct qr_database *db,
                                                         struct qr_err *err);
uint32_t qr_database_own_id(const struct qr_database *db); /* what its info said at first */
/* Who pays for what its sessions do (governor/governor.h); before the first of them. NULL: nobody.
 */
void qr_database_set_group(struct qr_database *db, struct qr_gov_group *group);
struct qr_gov_group *qr_database_group(const struct qr_database *db);
/* Of its logical server; it lives as long as the database. */
struct qr_str qr_database_server_name(const struct qr_database *db);
struct qr_str qr_database_edition(const struct qr_database *db); /* of a pool's: the pool's */

/* ---- sink: where a session's results go ---- */

enum qr_done_kind {
    QR_DONE_STATEMENT, /* DONE in a batch, DONEINPROC in a module or RPC */
    QR_DONE_PROC,      /* a procedure ended: DONEPROC, after return status and values */
    QR_DONE_BATCH,     /* the request ended with nothing more to say */
};

struct qr_done {
    enum qr_done_kind kind;
    bool has_count; /* false under SET NOCOUNT ON and for statements without a count */
    uint64_t count;
    bool is_error;    /* the statement failed */
    bool in_module;   /* inside a procedure, dynamic SQL called by RPC */
    uint16_t command; /* DONE.CurCmd: 0xC1 SELECT, 0xC3 INSERT, 0xC4 DELETE, 0xC5 UPDATE, 0xD2 … */
};

enum qr_env_change_kind {
    QR_ENV_DATABASE,
    QR_ENV_LANGUAGE,
    QR_ENV_BEGIN_TRAN,  /* descriptor: of the new transaction */
    QR_ENV_COMMIT_TRAN, /* descriptor: of the transaction that ended */
    QR_ENV_ROLLBACK_TRAN,
};

/* Any slot that returns a failure ends the request: QR_CANCELLED for attention, QR_CLOSED for a
 * connection that is gone. Called on the session's thread. Values are borrowed for the call. */
struct qr_sink {
    void *ctx;
    enum qr_status (*columns)(void *ctx, const struct qr_plan_column *columns, size_t count,
                              const int *order_columns, size_t order_count);
    enum qr_status (*row)(void *ctx, const struct qr_value *values, size_t count);
    enum qr_status (*done)(void *ctx, const struct qr_done *done);
    /* An error (severity above 10) or an informational message (PRINT, RAISERROR 0..10, 5701 …). */
    enum qr_status (*message)(void *ctx, const struct qr_err *message);
    enum qr_status (*return_status)(void *ctx, int32_t status);
    enum qr_status (*return_value)(void *ctx, size_t ordinal, struct qr_str name,
                                   const struct qr_type *type, const struct qr_value *value);
    /* Transaction changes carry the descriptor (8 bytes, never 0 for a live transaction). */
    enum qr_status (*env_change)(void *ctx, enum qr_env_change_kind kind, struct qr_str new_value,
                                 struct qr_str old_value, uint64_t tran_descriptor);
    /* Cheap; called often from running statements and waits (at most every few ms from the progress
     * handler). True: stop now. */
    bool (*cancelled)(void *ctx);
    /* The thread is about to block for long / has stopped blocking: lets a pool run another. */
    void (*block_begin)(void *ctx);
    void (*block_end)(void *ctx);
    /* RAISERROR … WITH NOWAIT: push what is buffered now. */
    enum qr_status (*flush)(void *ctx);
};

/* ---- sessions ---- */

struct qr_session_options {
    struct qr_str login, host_name, app_name, client_library, client_address;
    struct qr_str local_address;      /* that it came to; n = 0: not known */
    uint16_t client_port, local_port; /* 0: not known */
    uint32_t client_pid;
    uint32_t client_interface_version, tds_version;
    uint16_t packet_bytes;
    bool is_encrypted;     /* not only the login */
    bool is_odbc;          /* LOGIN7 fODBC: ANSI defaults on; else DB-Library defaults */
    bool is_admin;         /* the server's administrator: dbo of every database */
    bool is_own_user;      /* the database itself checked the password: `login` is a user of it */
    struct qr_str sid;     /* of the login, in all databases of its server; n = 0: is_own_user */
    uint32_t server_roles; /* 1 << enum qr_server_role */
    bool read_only_intent;
    struct qr_str language;
    struct qr_gov_task *task; /* that its requests run in; outlives it. NULL: none */
    bool is_moved; /* qr_session_restore is next, which gives it its number, if that is free */
};

QR_NODISCARD enum qr_status qr_session_new(struct qr_database *db,
                                           const struct qr_session_options *options,
                                           struct qr_session **ret_session, struct qr_err *err);
/* Rolls back, releases locks, drops temporary objects: nothing more is asked of it, though its
 * client may take time to read the last answer. Between requests. Then only qr_session_free. */
void qr_session_let_go(struct qr_session *session);
/* Does what qr_session_let_go does. Accepts NULL. */
void qr_session_free(struct qr_session *session);
/* By its own name: "us_english" where the login asked for none that is known. Ends with a zero. */
struct qr_str qr_session_language(const struct qr_session *session);
uint16_t qr_session_id(const struct qr_session *session); /* @@SPID, > 50 */
/* So many packets came from its client and went to it; by the session's thread. */
void qr_session_add_packets(struct qr_session *session, uint64_t read, uint64_t written);
/* Ends the session's running statement and marks it dead; any thread. */
void qr_session_kill(struct qr_session *session);
/* True: it was killed, or its database goes elsewhere; *ret_why is then the error for its client,
 * behind which the connection ends. What ended a request without a word of its own was this. */
bool qr_session_is_over(const struct qr_session *session, struct qr_err *ret_why);
/* That error: 596 for KILL, else 40197. */
void qr_session_why_over(bool was_killed, struct qr_err *ret_why);
/* Sees to it that the session is freed soon, even if its client never asks for anything again: as
 * soon as no request of it runs, or with `at_once` by breaking its connection. Any thread, short,
 * until the session is freed. */
void qr_session_on_break(struct qr_session *session, void (*break_it)(void *ctx, bool at_once),
                         void *ctx);
/* All sessions of the database end: what runs is stopped, and nothing begins; with `all`
 * connections are broken, too. Returns at once; any thread. */
enum qr_session_end { QR_END_MOVED, QR_END_KILLED };
void qr_database_end_sessions(struct qr_database *db, enum qr_session_end why, bool all);

/* An argument of a call. `value` has the memory form of `type` (codec/value.h); table-valued: rows.
 */
struct qr_rowset; /* engine/rowset.h: an own row store (table variables, TVPs) */
struct qr_arg {
    struct qr_str name; /* with the @, n = 0: positional */
    struct qr_type type;
    struct qr_value value;
    bool is_output, is_default;
    struct qr_rowset *rowset;    /* table-valued parameter, borrowed; else NULL */
    const bool *column_defaults; /* which of its columns have no values: defaults; NULL: none */
    struct qr_str table_type;    /* its (schema.)type name */
};

/* Each of these runs one request to its end and returns QR_OK if the session can go on, whatever
 * the statements did (their errors went to the sink); QR_CANCELLED after attention; QR_CLOSED when
 * the session is over. The last `done` of a request is sent by the engine. */
QR_NODISCARD enum qr_status qr_session_batch(struct qr_session *session, struct qr_str text,
                                             const struct qr_sink *sink);
/* sp_executesql: `params` is the declaration text ("@a int, @b nvarchar(10) output"). */
QR_NODISCARD enum qr_status qr_session_execute_sql(struct qr_session *session, struct qr_str text,
                                                   struct qr_str params, const struct qr_arg *args,
                                                   size_t arg_count, const struct qr_sink *sink);
/* sp_prepare and sp_prepexec make a handle (> 0); errors go to the sink and give handle 0. */
QR_NODISCARD enum qr_status qr_session_prepare(struct qr_session *session, struct qr_str text,
                                               struct qr_str params, const struct qr_sink *sink,
                                               int32_t *ret_handle);
QR_NODISCARD enum qr_status qr_session_execute(struct qr_session *session, int32_t handle,
                                               const struct qr_arg *args, size_t arg_count,
                                               const struct qr_sink *sink);
QR_NODISCARD enum qr_status qr_session_unprepare(struct qr_session *session, int32_t handle,
                                                 const struct qr_sink *sink);
/* A user or system procedure by (multi-part) name. */
QR_NODISCARD enum qr_status qr_session_call(struct qr_session *session, struct qr_str procedure,
                                            const struct qr_arg *args, size_t arg_count,
                                            const struct qr_sink *sink);

enum qr_tran_request { QR_TM_BEGIN, QR_TM_COMMIT, QR_TM_ROLLBACK, QR_TM_SAVE };
/* [MS-TDS] 2.2.6.9. `isolation`: 0 = leave, 1 read uncommitted … 5 snapshot. `begin_after`: start a
 * new transaction right after COMMIT/ROLLBACK. */
QR_NODISCARD enum qr_status qr_session_tran(struct qr_session *session,
                                            enum qr_tran_request request, struct qr_str name,
                                            uint8_t isolation, bool begin_after,
                                            const struct qr_sink *sink);

/* INSERT BULK: the batch statement announced the columns (qr_session_batch noted them); rows
 * follow in the announced order and types. `end` applies and answers with the count. */
QR_NODISCARD enum qr_status qr_session_bulk_begin(struct qr_session *session,
                                                  const struct qr_plan_column *columns,
                                                  size_t column_count, const struct qr_sink *sink);
QR_NODISCARD enum qr_status qr_session_bulk_row(struct qr_session *session,
                                                const struct qr_value *values);
QR_NODISCARD enum qr_status qr_session_bulk_end(struct qr_session *session, bool cancelled,
                                                const struct qr_sink *sink);

/* sp_reset_connection: SET options, temporary objects, handles, (unless keep_tran) transaction. */
QR_NODISCARD enum qr_status qr_session_reset(struct qr_session *session, bool keep_tran,
                                             const struct qr_sink *sink);

/* The LSN that must be durable before the answer of the request that just ended may leave;
 * 0 = nothing to wait for. */
uint64_t qr_session_answer_lsn(const struct qr_session *session);
uint64_t qr_session_tran_descriptor(const struct qr_session *session); /* 0: no transaction */
uint32_t qr_session_trancount(const struct qr_session *session);
struct qr_str qr_session_database_name(const struct qr_session *session);
struct qr_store *qr_session_store(const struct qr_session *session); /* of its database */
/* As the host told it (struct qr_database_info). */
uint32_t qr_session_server_id(const struct qr_session *session);
/* Of its login; n = 0: of the administrator, or of a user of the database alone. */
struct qr_str qr_session_login_sid(const struct qr_session *session);
