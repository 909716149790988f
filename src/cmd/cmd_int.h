/* cmd_int.h - the parts that quired's main puts together. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "ctl/registry.h"
#include "engine/engine.h"
#include "env/env.h"
#include "obs/log.h"
#include "obs/options.h"
#include "session/session.h"

/* ---- options.c ---- */

struct qri_settings {
    const char *data_dir, *listen, *server_name, *admin_login, *admin_password_file, *config;
    const char *log_level;
    int64_t tds_port, https_port, workers, connections_max, cache_mib, query_memory_mib;
    bool allow_plaintext_login, sample, version, help;
};
extern const struct qr_options qri_options;
/* What the table of options cannot say: addresses and names. QR_INVALID names the option. */
QR_NODISCARD enum qr_status qri_settings_check(const struct qri_settings *settings,
                                               struct qr_err *err);

/* ---- datadir.c: the layout of a data directory ----
 *   lock                  held by the process that serves it
 *   format                "quire 1"
 *   admin-password        of the first start, mode 0600
 *   tls/key.pem, tls/cert.pem
 *   meta/meta.db          the metadata store
 *   databases/<timeline>  one directory per database
 *   tmp/                  emptied at every start */
struct qri_datadir {
    struct qr_env *env;
    const char *path;
    struct qr_file *lock;
};
/* Makes the directory and what is in it, and takes the lock: QR_LOCKED if another process has it.
 */
QR_NODISCARD enum qr_status qri_datadir_open(struct qr_env *env, const char *path,
                                             struct qri_datadir *ret_dir, struct qr_err *err);
void qri_datadir_close(struct qri_datadir *dir);
/* `path` joined with up to two names, in the arena; NULL if out of memory. */
const char *qri_datadir_path(const struct qri_datadir *dir, struct qr_arena *arena,
                             const char *folder, const char *name);
/* Reads key and certificate; makes them at the first start. */
QR_NODISCARD enum qr_status qri_datadir_tls(const struct qri_datadir *dir, struct qr_arena *arena,
                                            struct qr_buf *key_pem, struct qr_buf *cert_pem,
                                            struct qr_err *err);

/* ---- admin.c: the logical server's first start and its administrator's password ---- */

/* Makes the server at the first start; checks names against the options at later ones. A password
 * file given as an option always holds the password; without it the first start makes one. */
QR_NODISCARD enum qr_status qri_admin_prepare(const struct qri_datadir *dir, struct qr_arena *arena,
                                              const struct qri_settings *settings,
                                              struct qr_registry *registry,
                                              const struct qr_log *log, struct qr_err *err);

/* ---- firewall_rules.c: rules in the metadata store and, for the gateway, in memory ---- */

struct qr_firewall;
struct qri_firewall_host {
    struct qr_firewall *firewall;
    struct qr_registry *registry;
    const struct qr_log *log;
    pthread_mutex_t *mu; /* one change at a time */
};
QR_NODISCARD enum qr_status qri_firewall_load(struct qr_firewall *firewall,
                                              struct qr_registry *registry,
                                              const struct qr_log *log, struct qr_err *err);
/* The slots of struct qr_instance_host; ctx is the node. */
enum qr_status qri_firewall_set_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                     struct qr_str start, struct qr_str end, struct qr_err *err);
enum qr_status qri_firewall_delete_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                        struct qr_err *err);
enum qr_status qri_firewall_each_rule(void *ctx, uint32_t database_id,
                                      enum qr_status (*each)(void *each_ctx,
                                                             const struct qr_firewall_info *info),
                                      void *each_ctx);
/* After its drop. */
void qri_firewall_forget_database(const struct qri_firewall_host *host, uint32_t database_id);

/* ---- node.c: the databases of this process ---- */

struct qri_node;
struct qri_node_options {
    struct qr_env *env;
    struct qr_log log;
    const struct qri_datadir *dir;
    struct qr_registry *registry;
    struct qr_firewall *firewall;
    uint64_t cache_bytes;        /* of each open database */
    uint64_t query_memory_bytes; /* of all sessions; 0: a quarter of the machine's */
};
/* Finishes what a crash left half done, and makes master. */
QR_NODISCARD enum qr_status qri_node_open(const struct qri_node_options *options,
                                          struct qri_node **ret_node, struct qr_err *err);
/* After the last session: closes every database, with a checkpoint. */
void qri_node_close(struct qri_node *node);
struct qr_session_host *qri_node_session_host(struct qri_node *node);
QR_NODISCARD enum qr_status qri_node_create_database(struct qri_node *node, struct qr_str name,
                                                     const struct qr_database_wish *wish,
                                                     struct qr_err *err);
QR_NODISCARD enum qr_status qri_node_drop_database(struct qri_node *node, struct qr_str name,
                                                   struct qr_err *err);
/* The database, opened if it was not, until qri_node_leave. Errors 4060, 40613, 824. */
QR_NODISCARD enum qr_status qri_node_enter(struct qri_node *node, struct qr_str name,
                                           struct qr_database **ret_db, struct qr_err *err);
void qri_node_leave(struct qri_node *node, struct qr_database *db);
/* Closes databases that nobody has used for a while. */
void qri_node_tick(struct qri_node *node);
/* A new size limit takes effect at once if the database is open. */
void qri_node_resize(struct qri_node *node, uint32_t id, uint64_t max_bytes);
/* The engine's view of a row; it points into the row. */
struct qr_database_info qri_database_info(const struct qr_database_row *row);
struct qr_registry *qri_node_registry(const struct qri_node *node);
const struct qri_firewall_host *qri_node_firewall(const struct qri_node *node);
/* 0: there is no such database. An empty name is the default, master. */
uint32_t qri_node_database_id(void *node, struct qr_str name);

/* ---- database_ddl.c: CREATE, ALTER and DROP DATABASE as the engine asks for them ---- */
struct qr_instance_host qri_database_ddl_host(struct qri_node *node);

/* ---- sample.c ---- */

/* Makes mySampleDatabase with its schema and rows if there is no database of that name. */
QR_NODISCARD enum qr_status qri_sample_prepare(struct qri_node *node, const struct qr_log *log,
                                               struct qr_err *err);
/* How to connect, for people, on standard output. */
void qri_sample_print_help(struct qr_registry *registry, const char *listen,
                           const char *password_path, uint16_t tds_port);
