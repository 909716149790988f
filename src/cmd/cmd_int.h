/* cmd_int.h - the parts that quired's main puts together. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "crypt/keyring.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "ctl/registry.h"
#include "engine/engine.h"
#include "env/env.h"
#include "obs/log.h"
#include "obs/options.h"
#include "rpc/socket.h"
#include "session/session.h"

/* ---- options.c ---- */

struct qri_settings {
    const char *data_dir, *listen, *server_name, *admin_login, *admin_password_file, *config,
        *metrics_token_file;
    const char *region_roots, *log_level, *blob, *blob_credential_file, *geo_blob,
        *geo_blob_credential_file, *landing_zone, *role, *name, *run_dir;
    const char *governance, *vcore_cpu, *cgroups, *cgroup_cpu, *cgroup_memory;
    const char *advertise, *log_at, *page_at, *join, *server_key_file;
    int64_t tds_port, https_port, workers, connections_max, cache_mib, cache_total_mib,
        query_memory_mib, landing_zone_mib, rbpex_percent, transaction_memory_mib,
        transaction_max_mib, version_store_max_mib, resource_sample_seconds;
    int64_t tds_fd, https_fd, auto_pause_minute_ms, replica;
    int64_t move_grace_ms, warm_up_seconds, node_silence_s, gateway_drain_s;
    bool allow_plaintext_login, sample, version, help;
};
extern const struct qr_options qri_options;
/* What the table of options cannot say: addresses and names. QR_INVALID names the option. */
QR_NODISCARD enum qr_status qri_settings_check(const struct qri_settings *settings,
                                               struct qr_err *err);

/* What --vcore-cpu says, in millionths of a processor; 0: auto. QR_INVALID. */
QR_NODISCARD enum qr_status qri_vcore_ppm(const char *text, uint32_t *ret_ppm, struct qr_err *err);

/* Of a machine whose options say "HOST" or "HOST:PORT": its first port (QRI_PORT_DEFAULT if none is
 * said) is control's, and the others follow. */
enum {
    QRI_PORT_DEFAULT = 7433,
    QRI_PORT_CONTROL = 0,
    QRI_PORT_LOG,
    QRI_PORT_PAGE,
    QRI_PORT_OPERATE,
    QRI_PORT_NODE,
    QRI_PORT_SESSION,
    QRI_PORT_COUNT
};
/* "tcp:HOST:PORT" of one of them; QR_INVALID names the option. */
QR_NODISCARD enum qr_status qri_machine_address(const char *option, const char *text, unsigned port,
                                                char dst[QR_CONTROL_PLACE_BYTES],
                                                struct qr_err *err);

/* ---- datadir.c: the layout of a data directory ----
 *   lock                  held by the supervisor that serves it
 *   children              held by its child processes together
 *   format                "quire 1"
 *   admin-password        of the first start, mode 0600
 *   server.key            the server key, unless --server-key-file names another file
 *   server-key-id         which key it must be
 *   tls/key.pem, tls/cert.pem
 *   tls/token-key.pem     what tokens of the management API are signed with
 *   meta/meta.db          the metadata store
 *   databases/<timeline>  one directory per database that has files; of one with copies also
 *                         <timeline>.r<n>, of its n-th member
 *   log/, page/           of the log service and the page server
 *   blob/                 the blob store, unless --blob names another
 *   machines/             the service's CA and its own certificate, with --advertise
 *   compute/<node>/       what a compute node keeps for its Hyperscale database
 *   run/                  sockets; emptied at every start
 *   tmp/                  emptied at every start */
struct qri_datadir {
    struct qr_env *env;
    const char *path;         /* absolute */
    const char *region_roots; /* as --region-roots; NULL: not said */
    struct qr_file *lock;
    int lock_fd; /* the same, if it came with the process (handed.c); 0: it did not */
};
/* Makes the directory and what is in it, and takes the lock: QR_LOCKED if another process has it.
 * The absolute path is the arena's. */
QR_NODISCARD enum qr_status qri_datadir_open(struct qr_env *env, const char *path,
                                             struct qr_arena *arena, struct qri_datadir *ret_dir,
                                             struct qr_err *err);
/* The directory of a process that was its supervisor when it ran another program, and still has the
 * lock. Nothing in it is changed. */
QR_NODISCARD enum qr_status qri_datadir_resume(struct qr_env *env, const char *path,
                                               struct qr_arena *arena, int lock_fd,
                                               struct qri_datadir *ret_dir, struct qr_err *err);
int qri_datadir_lock_fd(const struct qri_datadir *dir);
void qri_datadir_close(struct qri_datadir *dir);
/* Makes the directories of the other regions (ctl/place.h); QR_INVALID for --region-roots that are
 * none. */
QR_NODISCARD enum qr_status qri_datadir_regions(const struct qri_datadir *dir,
                                                struct qr_arena *arena, struct qr_err *err);
/* Where the data of a region are; NULL if out of memory. */
const char *qri_region_root(const struct qri_datadir *dir, struct qr_arena *arena, uint32_t region);
/* The directory of a database's files; `name` begins with its timeline, which tells the region. */
const char *qri_database_path(const struct qri_datadir *dir, struct qr_arena *arena,
                              const char *name);
/* The URL of the store of a region's objects, beside --blob ("": not given). */
const char *qri_region_blob(const struct qri_datadir *dir, struct qr_arena *arena, const char *blob,
                            uint32_t region);
/* `path` joined with up to two names, in the arena; NULL if out of memory. */
const char *qri_datadir_path(const struct qri_datadir *dir, struct qr_arena *arena,
                             const char *folder, const char *name);
/* Reads key and certificate; makes them at the first start. */
QR_NODISCARD enum qr_status qri_datadir_tls(const struct qri_datadir *dir, struct qr_arena *arena,
                                            struct qr_buf *key_pem, struct qr_buf *cert_pem,
                                            struct qr_err *err);
/* An empty directory for sockets, in the data directory or, if its path is too long for a socket's
 * address, below /tmp; in the arena. */
QR_NODISCARD enum qr_status qri_datadir_run(const struct qri_datadir *dir, struct qr_arena *arena,
                                            const char **ret_path, struct qr_err *err);
/* "unix:RUN/NAME.sock" of the server that serves that data directory. */
QR_NODISCARD enum qr_status qri_datadir_socket(const char *data_dir, const char *name, char *dst,
                                               size_t dst_bytes, struct qr_err *err);
/* Leaves nothing below /tmp. */
void qri_datadir_leave_run(const struct qri_datadir *dir, struct qr_arena *arena);

/* ---- machines.c ---- */

/* Makes the CA of the service at the first start with --advertise; makes the certificate of this
 * machine anew when less than half of its time is left. */
QR_NODISCARD enum qr_status qri_machines_prepare(const struct qri_datadir *dir,
                                                 struct qr_arena *arena,
                                                 const struct qri_settings *settings,
                                                 struct qr_err *err);

/* ---- keys.c: the server key ---- */

/* Where it is; in the arena, or the option's. */
const char *qri_datadir_key_path(const struct qri_datadir *dir, struct qr_arena *arena,
                                 const char *server_key_file);
/* `make`: in a directory that never had one. QR_NOT_FOUND and QR_DENIED name the key that the
 * directory is encrypted under. */
QR_NODISCARD enum qr_status qri_datadir_key(const struct qri_datadir *dir, struct qr_arena *arena,
                                            const char *server_key_file, bool make,
                                            struct qr_server_key **ret_key, struct qr_err *err);
/* Whether the key in use is that one; else a rotation was cut short. */
bool qri_datadir_key_is_noted(const struct qri_datadir *dir, struct qr_arena *arena,
                              const struct qr_server_key *key);
/* From now on it must be this one. */
QR_NODISCARD enum qr_status qri_datadir_key_note(const struct qri_datadir *dir,
                                                 struct qr_arena *arena,
                                                 const struct qr_server_key *key,
                                                 struct qr_err *err);

/* ---- admin.c: the logical server's first start and its administrator's password ---- */

/* Makes the server at the first start; checks names against the options at later ones. A password
 * file given as an option always holds the password; without it the first start makes one. */
QR_NODISCARD enum qr_status qri_admin_prepare(const struct qri_datadir *dir, struct qr_arena *arena,
                                              const struct qri_settings *settings,
                                              struct qr_registry *registry,
                                              const struct qr_log *log, struct qr_err *err);
/* The same where an earlier program of this process has done it: nothing is read or changed. */
QR_NODISCARD enum qr_status qri_admin_resume(struct qr_err *err);

/* ---- role.c: what the processes behind the supervisor have in common ---- */

struct qri_role {
    struct qr_env *env;
    struct qr_log_sink *sink;
    struct qr_log log; /* its component tells the role */
    const struct qri_settings *settings;
    struct qr_arena *arena;
    struct qr_server_key *server_key;
    struct qri_datadir dir; /* no lock: that is the supervisor's */
    const char *name;       /* among control's members */
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *control, *operate; /* wait until there is a connection; operate is NULL
                                                of a log service or page server with --join */
    const char *identity;        /* PEM file for TCP; NULL: there are no other machines */
    const char *control_address; /* with --join; NULL: it is on this machine */
    const struct qr_control_service *service; /* the same */
    struct qr_rpc_listener *watch; /* asked whether this process answers; nodes have another */
    pthread_t registering;
    bool registers;
    bool may_retire;     /* SIGUSR1: a successor serves beside it */
    _Atomic bool leaves; /* a compute node with --join: it does not register again */
};
enum { QRI_EXIT_FATAL = 3 };
/* The addresses of this server, in the arena: "unix:RUN/NAME.ENDING". */
const char *qri_role_address(const struct qri_role *role, const char *name, const char *ending);
/* Options of a loop whose sockets may go to other machines. */
struct qr_rpc_loop_options qri_role_loop(const struct qri_role *role, const char *name);
/* Where a log service or page server listens: for its own machine and for others, either or both.
 * The address is filled in. */
struct qri_role_listeners {
    struct qr_rpc_listener *here, *machines;
};
QR_NODISCARD enum qr_status qri_role_listen(struct qri_role *role,
                                            const struct qr_rpc_listen_options *options,
                                            const char *asker_roles,
                                            struct qri_role_listeners *ret_listeners,
                                            struct qr_err *err);
void qri_role_unlisten(struct qri_role_listeners *listeners);
QR_NODISCARD enum qr_status qri_role_client(struct qri_role *role, struct qr_rpc_loop *loop,
                                            const char *name, bool patient,
                                            struct qr_rpc_client **ret_client, struct qr_err *err);
/* The blob store of the settings. */
struct qr_blob;
QR_NODISCARD enum qr_status qri_role_blob(struct qri_role *role, struct qr_blob **ret_blob,
                                          struct qr_err *err);
/* That of --geo-blob; NULL if there is none, or it cannot be opened now, which is logged. */
void qri_role_geo_blob(struct qri_role *role, struct qr_blob **ret_blob);
/* Tells control that the role is ready, now or when it can be reached. */
QR_NODISCARD enum qr_status qri_role_ready(struct qri_role *role, enum qr_role kind,
                                           struct qr_err *err);
/* Calls `tick` every `tick_ms` until a signal or until it returns false. The signal; SIGUSR1 only
 * for a role that `may_retire`; 0: it was the tick. */
int qri_role_wait(struct qri_role *role, int tick_ms, bool (*tick)(void *ctx), void *ctx);
/* The process ends with `code` if it has not by then. */
void qri_role_end_within(struct qri_role *role, int ms, int code);
/* For struct members named `fatal`, ctx the struct qri_role: the process cannot go on; its
 * supervisor starts another. */
void qri_role_fatal(void *ctx, const struct qr_err *err);
/* Gives memory back that large requests have freed. */
void qri_give_back_memory(void);
/* For roles through which log streams: memory that large messages free is kept for the next ones.
 * It goes back once `work`, bytes so far told with every tick, has hardly grown for a while. */
struct qri_calm {
    uint64_t work;
    int ticks;
};
void qri_keep_memory(void);
void qri_give_back_when_calm(struct qri_calm *calm, uint64_t work);
int qri_role_run(const struct qri_settings *settings, struct qr_env *env, struct qr_log_sink *sink,
                 struct qr_arena *arena);

/* ---- role_join.c ---- */
/* Opens loop and control's client of a role with --join, and makes its settings whole. */
QR_NODISCARD enum qr_status qri_role_join(struct qri_role *role, struct qr_err *err);
/* Registers every second until the role leaves; ends the process if it has no place any more. */
void qri_role_stay_registered(struct qri_role *role, struct qr_control_ask *ask);

/* ---- role_*.c: start, serve until told to end, end ---- */
QR_NODISCARD enum qr_status qri_serve_api(struct qri_role *role, struct qr_err *err);
QR_NODISCARD enum qr_status qri_serve_log(struct qri_role *role, struct qr_err *err);
QR_NODISCARD enum qr_status qri_serve_page(struct qri_role *role, struct qr_err *err);
QR_NODISCARD enum qr_status qri_serve_gateway(struct qri_role *role, struct qr_err *err);
QR_NODISCARD enum qr_status qri_serve_compute(struct qri_role *role, struct qr_err *err);

/* ---- supervisor.c: the process that is started by hand ---- */
/* `handed`: what an earlier program of this process left (handed.c); NULL: nothing. */
struct qri_handed;
int qri_supervise(const struct qri_settings *settings, char *const *argv, struct qr_env *env,
                  struct qr_log_sink *sink, struct qr_arena *arena,
                  const struct qri_handed *handed);

/* ---- reports.c: events that sys.event_log and sys.database_connection_stats are made of ---- */

struct qri_reports;
struct qri_reports *qri_reports_new(struct qr_env *env,
                                    const struct qr_log *log); /* NULL: no memory */
void qri_reports_free(struct qri_reports *reports);
/* Any thread. Types and subtypes are those of sys.event_log. */
void qri_reports_count(struct qri_reports *reports, uint32_t server, const char *type, int subtype,
                       struct qr_str database);
struct qr_telemetry_row;
/* A row as it is; rows that do not fit until they are sent are lost. */
void qri_reports_row(struct qri_reports *reports, const struct qr_telemetry_row *row);
/* Tells control what was counted; blocks. */
void qri_reports_send(struct qri_reports *reports, struct qr_rpc_peer *control);

/* ---- gateway_state.c: what a gateway holds in memory of control's metadata ---- */

struct qri_gateway_state;
struct qr_firewall;
struct qr_login_record;
/* Asks control for it, and goes on asking. Returns when there is a first state. */
QR_NODISCARD enum qr_status qri_gateway_state_open(struct qri_role *role,
                                                   struct qri_gateway_state **ret_state,
                                                   struct qr_err *err);
/* Asks no more; what is known stays. */
void qri_gateway_state_stop(struct qri_gateway_state *state);
void qri_gateway_state_close(struct qri_gateway_state *state); /* NULL is accepted */
struct qr_firewall *qri_gateway_state_firewall(struct qri_gateway_state *state);
/* Slots of the gateway's options; ctx is the state. */
enum qr_status qri_gateway_state_login(void *ctx, uint32_t server_id, struct qr_str login,
                                       struct qr_login_record *ret_record, struct qr_err *err);
uint32_t qri_gateway_state_database(void *ctx, uint32_t server_id, struct qr_str name);
bool qri_gateway_state_server(void *ctx, struct qr_str name, uint32_t *ret_id);

/* ---- node.c, node_open.c: the databases of a compute process ---- */

struct qri_node;
/* What a process keeps of pages. Of one that has a database for itself it follows the memory of its
 * objective, also while it runs. */
struct qri_node_sizes {
    uint64_t option_mib, rbpex_percent; /* --cache-mib, --rbpex-percent */
    uint64_t cache_bytes;               /* of each open database */
    uint64_t rbpex_bytes;               /* of each Hyperscale database */
};
/* memory_mib 0: not said. */
void qri_node_size(struct qri_node_sizes *sizes, uint32_t memory_mib);

struct qri_node_options {
    struct qr_env *env;
    struct qr_log log;
    const struct qri_datadir *dir;
    const char *name; /* of the node */
    const char *run_dir;
    enum qr_duty duty; /* of a node with one database; another one's is PRIMARY */
    bool waits;        /* as struct qr_control_duty says */
    bool is_away;      /* its service is on another machine */
    const char *server_name, *admin_login; /* of the logical server */
    struct qr_rpc_peer *control, *operate;
    struct qri_reports *reports;             /* NULL: nothing is reported */
    struct qr_rpc_peer *log_service, *pages; /* for Hyperscale databases */
    const struct qr_server_key *server_key;
    struct qr_governor *governor;           /* NULL: nothing is counted */
    uint32_t vcore_ppm;                     /* as qri_vcore_ppm says */
    const char *cgroup_cpu, *cgroup_memory; /* directories of its control group; "": none */
    struct qr_keyring *keyring;             /* for backups */
    struct qr_blob *blob;                   /* for backups of the others; NULL: there are none */
    struct qr_blob *geo_blob;               /* for their copies; NULL: there are none */
    struct qr_keyring *geo_keyring;
    void (*fatal)(void *ctx, const struct qr_err *err); /* a store can go on no more */
    void *fatal_ctx;
    struct qri_node_sizes sizes;
    uint64_t transaction_memory_bytes, transaction_bytes_max; /* of each, see store.h */
    uint64_t version_bytes_max;                               /* likewise */
    uint64_t cache_total_bytes;  /* of all page caches; 0: 3/8 of the machine's memory */
    uint64_t query_memory_bytes; /* of all sessions; 0: a quarter of the machine's */
    uint32_t connections_max;    /* what else needs descriptors */
    /* All sessions go back to the gateway that can; QR_BUSY: some could not. */
    enum qr_status (*drain)(void *ctx, struct qr_err *err);
    void *drain_ctx;
};
QR_NODISCARD enum qr_status qri_node_open(const struct qri_node_options *options,
                                          struct qri_node **ret_node, struct qr_err *err);
/* After the last session: closes every database, with a checkpoint. */
void qri_node_close(struct qri_node *node);
struct qr_session_host *qri_node_session_host(struct qri_node *node);
/* The database, opened if it was not, until qri_node_leave. Errors 4060, 40613, 824. */
QR_NODISCARD enum qr_status qri_node_enter(struct qri_node *node, uint32_t server,
                                           struct qr_str name, struct qr_database **ret_db,
                                           struct qr_err *err);
/* The same from its row. */
QR_NODISCARD enum qr_status qri_node_enter_row(struct qri_node *node,
                                               const struct qr_database_row *row,
                                               struct qr_database **ret_db, struct qr_err *err);
/* The same of the database that a node of one database is for; made if it is being created. */
QR_NODISCARD enum qr_status qri_node_open_own(struct qri_node *node,
                                              const struct qr_database_row *row,
                                              struct qr_database **ret_db, struct qr_err *err);
void qri_node_leave(struct qri_node *node, struct qr_database *db);
/* Those that nobody has used for a while are closed by themselves. */
bool qri_node_has_open(struct qri_node *node);
/* node_report.c: what its databases use, for control and for the governor's samples. */
void qri_node_report(struct qri_node *node);
/* Writes what Query Store of its databases has in memory, of those that are due. */
void qri_node_keep_statistics(struct qri_node *node);
bool qri_node_is_primary(const struct qri_node *node);
bool qri_node_takes_over(struct qri_node *node); /* just now; then qri_node_is_primary tells */
const struct qri_node_options *qri_node_options_of(const struct qri_node *node);
/* --- node_open.c --- */
uint64_t qri_process_memory(void); /* of this process; 0: not known */
uint64_t qri_machine_memory(void); /* UINT64_MAX: not known */
/* --- node_limits.c --- */
uint64_t qri_host_cpu_ns_per_s(void); /* that the work of users may have */
/* Now and then: objectives and pools may have changed. Waits for control. */
void qri_node_look_at_limits(struct qri_node *node);
/* --- node_replicas.c --- */
/* By which the log service knows that node of that database. */
uint64_t qri_node_reader_id(uint32_t database_id, uint32_t member);
enum qr_status qri_node_each_replica(void *node, uint32_t database_id, struct qr_store *store,
                                     enum qr_status (*each)(void *ctx,
                                                            const struct qr_replica_info *info),
                                     void *each_ctx);
/* --- node_log_rate.c --- */
/* Of a Hyperscale database that this node writes; takes a tenth of a second. */
enum qr_status qri_node_each_log_rate(void *node, uint32_t database_id, struct qr_store *store,
                                      enum qr_status (*each)(void *ctx,
                                                             const struct qr_log_rate *rate),
                                      void *each_ctx);
/* The engine's view of a row; it points into the row. */
struct qr_database_info qri_database_info(const struct qr_database_row *row);

/* An open database that has files. It is not closed before the next one is asked for. */
struct qri_open_database {
    uint32_t id;
    uint32_t retention_days;
    const char *timeline; /* borrowed */
    bool idle;            /* nobody has used it for a while: it will be closed */
    struct qr_database *db;
    /* what has come of it, for who asks for the next one */
    bool has_backup;   /* it has one, and none is due */
    bool is_backed_up; /* and all that was in it when it was looked at is in one */
};
/* `open` is the one before, its id 0 for the first one. False: there is no other. */
bool qri_node_next_open(struct qri_node *node, struct qri_open_database *open);
/* Waits so long, or until somebody's backup keeps others from being opened, or until it stops,
 * which is told by qri_node_wake_look. */
void qri_node_wait_look(struct qri_node *node, int64_t ns, const _Atomic bool *stops);
void qri_node_wake_look(struct qri_node *node);

/* ---- node_backup.c ---- */
#define QRI_LOG_HOLD_BYTES (UINT64_C(1) << 30) /* that no backup has, of each database */
struct qri_backups;
/* A thread that takes what is due. */
QR_NODISCARD enum qr_status qri_backups_start(struct qri_node *node,
                                              struct qri_backups **ret_backups, struct qr_err *err);
void qri_backups_stop(struct qri_backups *backups); /* NULL is accepted */
/* Of a database that is being dropped and is not open. */
QR_NODISCARD enum qr_status qri_backup_and_remove(struct qri_node *node,
                                                  const struct qr_database_row *row,
                                                  const char *path, struct qr_err *err);
/* Files of `row` as `source` was at that time (0: as it is now, or was at its end). */
QR_NODISCARD enum qr_status qri_node_copy(struct qri_node *node, const struct qr_database_row *row,
                                          const struct qr_database_row *source, uint64_t wall_ns,
                                          bool geo, struct qr_err *err);
/* The newest state of `source`, which is brought up to date, as a long-term backup. */
QR_NODISCARD enum qr_status qri_node_keep(struct qri_node *node, const struct qr_database_row *kept,
                                          const struct qr_database_row *source, struct qr_err *err);
/* --- node_geo.c --- */
struct qri_geo;
/* A thread that copies backups to the second store; none if there is no such store. */
QR_NODISCARD enum qr_status qri_geo_start(struct qri_node *node, struct qri_geo **ret_geo,
                                          struct qr_err *err);
void qri_geo_stop(struct qri_geo *geo); /* NULL is accepted */
/* The copies of its backups, and their key, go for good. */
QR_NODISCARD enum qr_status qri_geo_forget(struct qri_node *node, const struct qr_database_row *row,
                                           struct qr_err *err);
/* --- node_check.c --- */
/* Reads every page and index of it, as DBCC CHECKDB does. */
QR_NODISCARD enum qr_status qri_node_check(struct qri_node *node, const struct qr_database_row *row,
                                           struct qr_err *err);
/* --- node_backup_show.c --- */
/* Appends its backups (ctl/backups.h). */
QR_NODISCARD enum qr_status qri_node_list_backups(struct qri_node *node,
                                                  const struct qr_database_row *row, bool geo,
                                                  struct qr_buf *buf, struct qr_err *err);
/* struct qr_instance_host */
enum qr_status qri_node_each_backup(void *node, uint32_t database_id,
                                    enum qr_status (*each)(void *ctx,
                                                           const struct qr_backup_info *info),
                                    void *each_ctx);
/* --- quiet.c --- */
/* Keeps the first error in `first`, and drops all else. */
struct qr_sink qri_quiet_sink(struct qr_err *first);
/* --- node_backup.c --- */
enum { QRI_BACKUP_PREFIX_BYTES = 64 };
struct qr_backup_place;
/* `geo`: in the second store; its blob is NULL if there is none. */
struct qr_backup_place qri_backup_place(const struct qri_node *node, bool geo, const char *timeline,
                                        char prefix[QRI_BACKUP_PREFIX_BYTES]);
QR_NODISCARD enum qr_status qri_node_forget(struct qri_node *node,
                                            const struct qr_database_row *row, struct qr_err *err);

/* What node calls ask for (ctl/calls.h). */
QR_NODISCARD enum qr_status qri_node_make(struct qri_node *node, const struct qr_database_row *row,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_hold(struct qri_node *node, const struct qr_database_row *row,
                                          struct qr_err *err);
/* Ends the sessions of a database that moves to another node, and closes it; until it is released
 * nobody enters. */
QR_NODISCARD enum qr_status qri_node_vacate(struct qri_node *node,
                                            const struct qr_database_row *row, struct qr_err *err);
/* Nobody has it open: copies that its first member's process does not keep go. */
/* The points of a database that is open behind that time, as ctl/autoscale.h has them. */
QR_NODISCARD enum qr_status qri_node_used(struct qri_node *node, const struct qr_database_row *row,
                                          int64_t after_wall_ns, struct qr_buf *answer,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_tidy(struct qri_node *node, const struct qr_database_row *row,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_release(struct qri_node *node,
                                             const struct qr_database_row *row, struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_remove(struct qri_node *node,
                                            const struct qr_database_row *row, struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_resize(struct qri_node *node,
                                            const struct qr_database_row *row, struct qr_err *err);
/* As PROMOTE and SUCCEED. */
QR_NODISCARD enum qr_status qri_node_succeed(struct qri_node *node,
                                             const struct qr_database_row *row, struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_promote(struct qri_node *node,
                                             const struct qr_database_row *row, struct qr_err *err);

/* REST: closed and held if no session has been in it for so long. */
struct qr_rest_state;
QR_NODISCARD enum qr_status qri_node_rest(struct qri_node *node, const struct qr_database_row *row,
                                          uint64_t idle_ns, struct qr_rest_state *ret_state,
                                          struct qr_err *err);
/* HOT, WARM (ctl/warm.h): they answer unless they fail. */
struct qr_rpc_request;
QR_NODISCARD enum qr_status qri_node_hot(struct qri_node *node, struct qr_rpc_request *request,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_warm(struct qri_node *node, struct qr_rpc_request *request,
                                          struct qr_err *err);
/* Nobody enters the database (40613), and its sessions end, until no more than so many have it.
 * Until qri_node_release, also after a failure. */
QR_NODISCARD enum qr_status qri_node_seclude(struct qri_node *node,
                                             const struct qr_database_row *row, uint32_t refs,
                                             int64_t until_ns, struct qr_err *err);
/* If it is open and nobody has it. */
void qri_node_close_database(struct qri_node *node, uint32_t id);

/* ---- node_move.c: data that goes to Hyperscale, or comes back ---- */
struct qri_moves;
struct qr_move_state;
void qri_moves_init(struct qri_moves **ret_moves); /* NULL: out of memory */
void qri_moves_end(struct qri_node *node, struct qri_moves *own_moves);
struct qri_moves *qri_node_moves(const struct qri_node *node);
/* MOVE of ctl/calls.h. */
QR_NODISCARD enum qr_status qri_node_move(struct qri_node *node, const struct qr_database_row *row,
                                          const struct qr_database_row *target, uint8_t wish,
                                          struct qr_move_state *ret_state, struct qr_err *err);

/* ---- node_follow.c: a primary's log goes to its geo-secondaries ---- */
struct qri_follows;
struct qr_follow_state;
void qri_follows_init(struct qri_follows **ret_follows); /* NULL: out of memory */
void qri_follows_end(struct qri_node *node);
/* Nothing is sent of that primary (0: of any), which is not entered for it any more, until control
 * asks again. No lock is held. */
void qri_follows_let_go(struct qri_node *node, uint32_t primary_id);
/* FOLLOW of ctl/calls.h. */
QR_NODISCARD enum qr_status qri_node_follow(struct qri_node *node,
                                            const struct qr_database_row *primary,
                                            const struct qr_database_row *secondary, uint8_t wish,
                                            struct qr_follow_state *ret_state, struct qr_err *err);

/* ---- node_serve.c: a qr_rpc_serve_fn whose ctx is the struct qri_node ---- */
void qri_node_serve(void *ctx, struct qr_rpc_request *own_request);

/* What a statement is told when control could not be asked: an error, never an end without one. */
enum qr_status qri_node_asked(enum qr_status status, struct qr_err *err);

/* ---- database_ddl.c, database_geo.c, firewall_rules.c: what statements ask of control ---- */
int64_t qri_ticks_of(int64_t wall_ns); /* datetime2 ticks */
struct qr_instance_host qri_database_ddl_host(struct qri_node *node);
/* Slots of struct qr_instance_host; ctx is the node. */
/* database_autoscale.c: ALTER DATABASE ... SET AUTOSCALE. */
struct qr_ast_option;
QR_NODISCARD enum qr_status qri_autoscale_alter(struct qri_node *node, uint32_t server,
                                                struct qr_str name,
                                                const struct qr_ast_option *option,
                                                struct qr_err *err);
enum qr_status qri_autoscale_each(void *ctx, uint32_t server_id,
                                  enum qr_status (*each)(void *each_ctx,
                                                         const struct qr_autoscale_seen *seen),
                                  void *each_ctx);
enum qr_status qri_geo_each_link(void *ctx, uint32_t server_id,
                                 enum qr_status (*each)(void *each_ctx,
                                                        const struct qr_geo_seen *seen),
                                 void *each_ctx);
/* logins.c */
enum qr_status qri_logins_find(void *ctx, uint32_t server_id, struct qr_str name,
                               uint8_t sid[QR_SID_BYTES_MAX], size_t *ret_sid_bytes,
                               struct qr_err *err);
enum qr_status qri_logins_each(void *ctx, uint32_t server_id,
                               enum qr_status (*each)(void *each_ctx,
                                                      const struct qr_login_seen *seen),
                               void *each_ctx);
enum qr_status qri_logins_change(void *ctx, uint32_t server_id, const struct qr_login_wish *wish,
                                 struct qr_err *err);
enum qr_status qri_logins_own(void *ctx, uint32_t database_id, struct qr_str sid,
                              struct qr_err *err);
/* firewall_rules.c */
enum qr_status qri_firewall_set_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                     struct qr_str start, struct qr_str end, struct qr_err *err);
enum qr_status qri_firewall_delete_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                        struct qr_err *err);
enum qr_status qri_firewall_each_rule(void *ctx, uint32_t database_id,
                                      enum qr_status (*each)(void *each_ctx,
                                                             const struct qr_firewall_info *info),
                                      void *each_ctx);

/* ---- sample.c ---- */

struct qr_control;
/* Control's side: makes mySampleDatabase if there is no database of that name. */
QR_NODISCARD enum qr_status qri_sample_prepare(struct qr_control *control,
                                               struct qr_registry *registry,
                                               const struct qr_log *log, struct qr_err *err);
/* The node's side: its schema and rows. */
QR_NODISCARD enum qr_status qri_sample_fill(struct qri_node *node,
                                            const struct qr_database_row *row, struct qr_err *err);
/* How to connect, for people, on standard output. */
void qri_sample_print_help(struct qr_registry *registry, const char *listen,
                           const char *password_path, uint16_t tds_port);
