/* ctl/resources.h - what control knows, for who serves or shows it: databases as ARM shows them,
 * operations, and documents (subscription, regions, groups, the server, principals, policies).
 *
 * An operation is a change that takes its time. It is started by one of the operation calls of
 * calls.h with `no_wait`: all that can be checked at once is checked then, and the answer is its
 * row. Without `no_wait` the call ends with the operation, and its failure is the call's. Who gives
 * an `operation_id` may repeat the call: the same id never starts a second operation.
 * The calls block (peer->ops->wait), so not on the loop thread; `peer` is that of control.sock, and
 * of operate.sock where it says `operate`. timeout_ns 0: the peer's default.
 * Errors: those of rpc/rpc.h, QR_PROTOCOL, and what control answered. While another operation runs
 * on a database: QR_SQL with 40802 (both change its objective) or 45182; 40812 for DROP during a
 * create. QR_NOT_FOUND has no words: the caller knows which error it is. */
#pragma once
#include "ctl/calls.h"
#include "ctl/pool.h"
#include "rpc/rpc.h"

/* ---- databases ---- */

/* Every member is a copy. */
struct qr_resource_database {
    struct qr_database_row row;
    uint64_t version;       /* raised by every change of the row */
    uint8_t operation_kind; /* of the one that runs on it now, enum qr_operation_kind; or NONE */
    char requested_edition[QR_WORD_BYTES_MAX + 1]; /* as in the row unless a change runs */
    char requested_objective[QR_WORD_BYTES_MAX + 1];
    char
        primary[QR_NAME_BYTES_MAX + 1]; /* of a replica or geo-secondary, and its server; else "" */
    char primary_server[QR_SERVER_NAME_BYTES_MAX + 1];
    int64_t create_wall_ns;
    int64_t earliest_restore_wall_ns; /* 0: it has no backups of its own (a named replica, master),
                                         or none yet */
    uint8_t pause_state;              /* serverless: enum qr_pause_state */
    char tags[QR_TAGS_BYTES_MAX + 1]; /* a JSON object */
};
enum qr_pause_state { QR_PAUSE_NONE, QR_PAUSING, QR_PAUSED, QR_RESUMING, QR_PAUSE_STATE_COUNT };
/* The word that ARM has for its state: "Online", "Creating", "Copying", "Restoring", "Scaling" ...
 */
const char *qr_resource_status(const struct qr_resource_database *database);

/* By name, without case. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_resource_database_get(struct qr_rpc_peer *peer, uint32_t server,
                                                     struct qr_str name, int64_t timeout_ns,
                                                     struct qr_resource_database *ret_database,
                                                     struct qr_err *err);
/* All rows of a server, or of all servers (QR_SERVER_ANY), in order of id, master and dropped ones
 * (row.state) too. `each` may stop it with a status. */
typedef enum qr_status qr_resource_database_fn(void *ctx, const struct qr_resource_database *d);
QR_NODISCARD enum qr_status qr_resource_each_database(struct qr_rpc_peer *peer, uint32_t server,
                                                      int64_t timeout_ns,
                                                      qr_resource_database_fn *each, void *ctx,
                                                      struct qr_err *err);

/* Bytes of its data that are in use, and that it takes; `operate` as for operations, for a node is
 * asked. QR_BUSY: not just now. */
QR_NODISCARD enum qr_status qr_resource_usage(struct qr_rpc_peer *operate, uint32_t server,
                                              struct qr_str name, int64_t timeout_ns,
                                              uint64_t *ret_used, uint64_t *ret_allocated,
                                              struct qr_err *err);

/* ---- operations ---- */

/* Rows are only appended: the number is stored. The names are in qr_operation_info. */
enum qr_operation_kind {
    QR_OPERATION_NONE,
    QR_OPERATION_CREATE,
    QR_OPERATION_COPY,
    QR_OPERATION_RESTORE,
    QR_OPERATION_ADD_REPLICA,
    QR_OPERATION_UPDATE,
    QR_OPERATION_RENAME,
    QR_OPERATION_DROP,
    QR_OPERATION_FAILOVER,
    QR_OPERATION_VERIFY,          /* a restore that is checked, and goes again */
    QR_OPERATION_MIGRATE,         /* from files to Hyperscale */
    QR_OPERATION_REVERSE_MIGRATE, /* and back */
    QR_OPERATION_DROP_SERVER,     /* database_id has number 0; `database` is the server's name */
    QR_OPERATION_POOL_CREATE, /* these three: `database` is the pool's name, and database_id ... */
    QR_OPERATION_POOL_UPDATE,
    QR_OPERATION_POOL_DROP,
    QR_OPERATION_DROP_GROUP, /* `database` is the group's name, and database_id's number ... */
    QR_OPERATION_GEO_CHANGE, /* `database` is a geo-secondary's name, `source_id` its primary */
    QR_OPERATION_KIND_COUNT,
};
enum {
    QR_POOL_OPERATION_NUMBER = QR_DATABASE_NUMBER_MAX, /* ... has this number */
    QR_GROUP_OPERATION_NUMBER = QR_DATABASE_NUMBER_MAX - 1,
};
/* A change that ALTER DATABASE ... MODIFY or a PATCH asks for. */
static inline bool qr_operation_is_update(uint8_t kind)
{
    return kind == QR_OPERATION_UPDATE || kind == QR_OPERATION_MIGRATE ||
           kind == QR_OPERATION_REVERSE_MIGRATE;
}
enum qr_operation_state { /* the first and the last four are those of sys.dm_operation_status */
                          QR_OPERATION_PENDING,
                          QR_OPERATION_RUNNING,
                          QR_OPERATION_SUCCEEDED,
                          QR_OPERATION_FAILED,
                          QR_OPERATION_CANCELLED,
                          QR_OPERATION_UNDOING,    /* it has failed, and leaves nothing half done */
                          QR_OPERATION_CANCELLING, /* the same, because somebody wished so */
                          QR_OPERATION_STATE_COUNT,
};
struct qr_operation_info {
    const char *sql_name;      /* sys.dm_operation_status.operation: "ALTER DATABASE" */
    const char *arm_name;      /* "UpdateLogicalDatabase" */
    const char *database_word; /* ARM's state of the database meanwhile: "Scaling" */
};
const struct qr_operation_info *qr_operation_info(enum qr_operation_kind kind);
static inline bool qr_operation_is_over(enum qr_operation_state state)
{
    return state >= QR_OPERATION_SUCCEEDED && state <= QR_OPERATION_CANCELLED;
}

enum { QR_OPERATION_ERROR_BYTES_MAX = 1000 };
struct qr_operation_row {
    char id[QR_GUID_TEXT_BYTES + 1];
    uint64_t number; /* grows in order of start */
    uint8_t kind, state;
    bool is_cancellable;                  /* now */
    uint32_t percent;                     /* never falls */
    uint32_t database_id, source_id;      /* source_id: of `other`, 0 of a new name */
    char database[QR_NAME_BYTES_MAX + 1]; /* as it was called when the operation began */
    char other[QR_NAME_BYTES_MAX + 1]; /* source of a copy, new name, a named replica's primary */
    char phase[QR_WORD_BYTES_MAX + 1]; /* the step: "storage" */
    int64_t start_wall_ns, modify_wall_ns;
    uint32_t error_number, error_severity, error_state; /* 0: none */
    uint32_t error_status;                              /* enum qr_status of the failure */
    char error_text[QR_OPERATION_ERROR_BYTES_MAX + 1];
};
/* Kept for this long after their end (sys.dm_operation_status: about an hour). */
#define QR_OPERATION_KEPT_NS (INT64_C(3600) * 1000000000)

/* Starts it: `method` is CREATE, ALTER, RENAME, DROP, ADD_REPLICA, GEO_CHANGE, FAILOVER,
 * DROP_SERVER, DROP_GROUP or one of the pools' of calls.h. */
QR_NODISCARD enum qr_status qr_operation_start(struct qr_rpc_peer *operate,
                                               enum qr_control_method method,
                                               const struct qr_control_ask *ask, int64_t timeout_ns,
                                               struct qr_operation_row *ret_row,
                                               struct qr_err *err);
/* QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_operation_get(struct qr_rpc_peer *peer, struct qr_str id,
                                             int64_t timeout_ns, struct qr_operation_row *ret_row,
                                             struct qr_err *err);
/* Newest first; of the server's database that has that name, or had it when the operation began;
 * empty: of all. Those of servers, groups and pools are not among them. */
typedef enum qr_status qr_operation_fn(void *ctx, const struct qr_operation_row *row);
QR_NODISCARD enum qr_status qr_operation_each(struct qr_rpc_peer *peer, uint32_t server,
                                              struct qr_str database, int64_t timeout_ns,
                                              qr_operation_fn *each, void *ctx, struct qr_err *err);
/* Those on a pool. */
QR_NODISCARD enum qr_status qr_operation_each_of_pool(struct qr_rpc_peer *peer, uint32_t server,
                                                      struct qr_str pool, int64_t timeout_ns,
                                                      qr_operation_fn *each, void *ctx,
                                                      struct qr_err *err);
/* Error 45184 there is none, 40811 it is over, 45148 it cannot be cancelled any more. It is asked
 * to stop; its row tells when it has. */
QR_NODISCARD enum qr_status qr_operation_cancel(struct qr_rpc_peer *peer, struct qr_str id,
                                                int64_t timeout_ns, struct qr_err *err);

/* ---- elastic pools ---- */

/* QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_resource_pool_get(struct qr_rpc_peer *peer, uint32_t server,
                                                 struct qr_str name, int64_t timeout_ns,
                                                 struct qr_pool_row *ret_pool, struct qr_err *err);
/* Those of a server, in order of their making. `each` may stop it with a status. */
typedef enum qr_status qr_resource_pool_fn(void *ctx, const struct qr_pool_row *pool);
QR_NODISCARD enum qr_status qr_resource_each_pool(struct qr_rpc_peer *peer, uint32_t server,
                                                  int64_t timeout_ns, qr_resource_pool_fn *each,
                                                  void *ctx, struct qr_err *err);

/* ---- documents: JSON objects by kind and name ---- */

/* Numbers travel. What control makes at the first start, with members it relies on: */
enum qr_doc_kind {
    QR_DOC_SUBSCRIPTION, /* "default": subscriptionId, tenantId, displayName */
    QR_DOC_REGION,       /* "eastus", "westus": name, displayName, pairedRegion, storage ("": the
                            server's blob store, else the URL of another one) */
    QR_DOC_GROUP,        /* "myResourceGroup": name, location, tags */
    QR_DOC_SERVER,       /* the logical server's name: name, group, location, tags, adminLogin,
                            createdWallNs, publicNetworkAccess, minimalTlsVersion */
    QR_DOC_PRINCIPAL,    /* none */
    QR_DOC_ROLE,         /* none; names "<object id>/<assignment id>" */
    QR_DOC_POLICY,       /* none; names "<database guid>/<policy>" */
    QR_DOC_POOL,         /* none; pools are rows */
    QR_DOC_AUTOSCALE,    /* none; named by a database's id; written by control alone */
    QR_DOC_KIND_COUNT,
};
enum {
    QR_DOC_NAME_BYTES_MAX = 512, /* compared without case (ASCII) */
    QR_DOC_TEXT_BYTES_MAX = 32768,
};
struct qr_doc {
    struct qr_str name; /* as written */
    struct qr_str text; /* a JSON object */
    uint64_t version;   /* raised by every change; never 0 */
};
/* The texts go to `text`, which qr_doc points into. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_doc_get(struct qr_rpc_peer *peer, enum qr_doc_kind kind,
                                       struct qr_str name, int64_t timeout_ns, struct qr_buf *buf,
                                       struct qr_doc *ret_doc, struct qr_err *err);
typedef enum qr_status qr_doc_fn(void *ctx, const struct qr_doc *doc);
/* In order of name, those that start with `prefix`. */
QR_NODISCARD enum qr_status qr_doc_each(struct qr_rpc_peer *peer, enum qr_doc_kind kind,
                                        struct qr_str prefix, int64_t timeout_ns, qr_doc_fn *each,
                                        void *ctx, struct qr_err *err);
/* `version`: what it has to be, 0 it is new, UINT64_MAX whatever it is; else QR_CONFLICT.
 * QR_INVALID no JSON object; QR_FULL there are too many of that kind; QR_NOT_FOUND a server's
 * without the server: qr_resource_make_server makes both. A server's document has member `number`.
 */
QR_NODISCARD enum qr_status qr_doc_put(struct qr_rpc_peer *peer, enum qr_doc_kind kind,
                                       const struct qr_doc *doc, int64_t timeout_ns,
                                       struct qr_err *err);
/* QR_NOT_FOUND; QR_CONFLICT: a group that has a server (DROP_GROUP deletes it, too), a server, the
 * subscription. */
QR_NODISCARD enum qr_status qr_doc_delete(struct qr_rpc_peer *peer, enum qr_doc_kind kind,
                                          struct qr_str name, int64_t timeout_ns,
                                          struct qr_err *err);
/* A logical server with its document (group and location in it) and its master; `operate` as for
 * operations. QR_EXISTS; QR_NOT_FOUND no such group; error 40652 the region has as many as it may.
 */
enum { QR_SERVERS_A_REGION = 20 };
QR_NODISCARD enum qr_status qr_resource_make_server(struct qr_rpc_peer *operate, struct qr_str name,
                                                    struct qr_str login, struct qr_str hash,
                                                    struct qr_str text, int64_t timeout_ns,
                                                    struct qr_err *err);
/* The administrator's new password, as its hash (base/password or gateway's form). */
QR_NODISCARD enum qr_status qr_resource_set_admin_hash(struct qr_rpc_peer *peer, uint32_t server,
                                                       struct qr_str hash, int64_t timeout_ns,
                                                       struct qr_err *err);
