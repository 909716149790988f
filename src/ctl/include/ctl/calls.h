/* ctl/calls.h - the calls between control and the other roles as bytes.
 *
 * Control serves short calls on one address and operations, which take as long as they take, on
 * another, so that an operation that waits for a node never keeps a node's question waiting. Each
 * compute node serves the node calls.
 * All requests have one form, of which each method carries some members (a table in calls.c). What
 * changes databases is an operation (ctl/resources.h): it carries operation_id and no_wait too, and
 * is answered with its row; the answer of the others is empty. Little-endian; a text is u16 bytes
 * and then the text, without NUL. Pure; any thread; decoded bytes are hostile, and texts point into
 * them. QR_PROTOCOL for what breaks a format. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "ctl/registry.h"

enum qr_control_method {
    /* short */
    QR_CONTROL_REGISTER = 0x301, /* role, name, pid: this process is ready; of a compute node on
                                    another machine also node_address, session_address, and it
                                    says so again every second */
    QR_CONTROL_ROUTE,            /* server, name of a database, read_only, unchecked; waits; answer:
                                    struct qr_control_route */
    QR_CONTROL_STATE,            /* version; waits for a newer one; answer: u64 version, items */
    QR_CONTROL_FIND, /* a database by server and name or, if that is empty, by id; answer: a row */
    QR_CONTROL_DATABASES, /* those of a server (or QR_SERVER_ANY) with an id above; answer: rows,
                             not always all */
    QR_CONTROL_RULES,     /* of id; answer: items */
    QR_CONTROL_DUTY,   /* name of a node; answer: u8 enum qr_duty, with QR_DUTY_WAITS: who was the
                          primary before may not be gone, u32 MiB of memory
                          that its objective promises (0: none) */
    QR_CONTROL_LOGIN,  /* server, name; answer: an item */
    QR_CONTROL_SERVER, /* name of a server; answer: an item with its database_id */
    QR_CONTROL_REPORT, /* text: rows of telemetry (ctl/telemetry.h) */
    QR_CONTROL_TELEMETRY, /* doc_kind: of telemetry, server, version: behind that time, name: and
                             that key; answer: rows, not always all */
    QR_CONTROL_LIMITS,    /* id of a database (0: none), name of the node that asks; answer: struct
                             qr_control_limits */
    QR_CONTROL_LOGINS,    /* server, name: with the hash of that one, on this machine only; answer:
                             items, the administrator first */
    QR_CONTROL_MACHINES,  /* answer: items, one for each role that is, or has been, on another
                             machine */
    QR_CONTROL_SURE_TIME, /* answer: i64 ns since 1970, what time it is for what goes for good */
    QR_CONTROL_METHOD_SHORT_LAST = QR_CONTROL_SURE_TIME,
    /* of other machines only */
    QR_CONTROL_JOIN = 0x341, /* role: what such a process has to know; answer: struct
                                qr_control_service */
    QR_CONTROL_TAKE,         /* name of a node: it is about to open its database; QR_BUSY: ours ends
                                first; answer: as DUTY */
    QR_CONTROL_GONE,         /* name of a node, pid: it has closed its database, and ends */
    /* operations */
    QR_CONTROL_CREATE = 0x311, /* server, name, edition ... max_text, copy_of of other_server,
                                  kept, dropped, dropped_wall_ns, restore_wall_ns, ha_replicas,
                                  traits, tags, owner, ... */
    QR_CONTROL_ALTER, /* server, as in all that have a name of a database; name, edition, objective,
                         max_bytes, max_text, ha_replicas, traits, tags, ... */
    QR_CONTROL_RENAME,      /* name, new_name */
    QR_CONTROL_DROP,        /* name */
    QR_CONTROL_SET_RULE,    /* id, name, start, end */
    QR_CONTROL_DELETE_RULE, /* id, name */
    QR_CONTROL_ADD_REPLICA, /* name of the primary, new_name on other_server, objective,
                               ha_replicas */
    QR_CONTROL_FAILOVER,    /* name: an HA replica takes over */
    QR_CONTROL_RETENTION,   /* name, id: for how many days it can be restored; diff_hours: between
                               differential backups; 0 keeps what is */
    QR_CONTROL_GROW,        /* id, slices: a primary has made them */
    QR_CONTROL_UNKEEP,      /* kept: that long-term backup goes; QR_BUSY while it is restored */
    QR_CONTROL_BACKUPS,     /* server and name, or kept, geo; answer: its backups (ctl/backups.h) */
    QR_CONTROL_DROP_SERVER, /* server; an operation as those above are */
    QR_CONTROL_MAKE_SERVER, /* name, new_name: its administrator, hash, text: its document; with
                               its master when it ends */
    QR_CONTROL_REIGN,   /* name of a node, version: the epoch of its copy; it is in the row then */
    QR_CONTROL_MEMBERS, /* name of a node, version: its epoch, slices: the members, as bits */
    QR_CONTROL_POOL_CREATE, /* server, pool, objective: its size, max_bytes, pool_min_pct,
                               pool_max_pct, traits, tags; these three are operations, too */
    QR_CONTROL_POOL_ALTER,  /* the same; what is not said stays */
    QR_CONTROL_POOL_DROP,   /* server, pool */
    QR_CONTROL_BACKED_UP,   /* id, name: the timeline, restore_wall_ns: from when on its first full
                               backup restores it; said again, it changes nothing */
    QR_CONTROL_DROP_GROUP,  /* name: a group and the servers in it; an operation */
    QR_CONTROL_USAGE,       /* server, name; answer: u64 bytes in use, u64 bytes it takes */
    QR_CONTROL_GEO_CHANGE,  /* server and name of a geo-secondary, geo_change, id: of its primary
                               (0: whichever it is); an operation */
    QR_CONTROL_AUTOSCALE_SET, /* server, name, text: settings (ctl/autoscale.h); the rest stays */
    QR_CONTROL_SET_LOGIN,     /* server, name, login_change, new_name, hash, sid, id */
    QR_CONTROL_SET_OWNER,     /* id, owner */
    QR_CONTROL_UNFIT, /* name of a node: the primary of a database with copies cannot use its own
                         files; another member of the record is the primary then */
    QR_CONTROL_OPERATION_LAST = 0x330, /* up to here */
    /* resources, on the address of short calls: ctl/resources.h has them as functions */
    QR_CONTROL_RESOURCE = 0x331, /* name; answer: a database as ARM shows it */
    QR_CONTROL_RESOURCES,        /* those of a server with an id above; answer: not always all */
    QR_CONTROL_OPERATION,        /* operation_id; answer: its row */
    QR_CONTROL_OPERATIONS,       /* server, name, version: with a number below it (0: all); newest
                                    first; pool: those on that pool, and no others */
    QR_CONTROL_CANCEL,           /* operation_id */
    QR_CONTROL_DOC,              /* doc_kind, name; answer: a document */
    QR_CONTROL_DOCS,             /* doc_kind, name: a prefix, new_name: those behind it */
    QR_CONTROL_DOC_PUT,          /* doc_kind, name, text, version */
    QR_CONTROL_DOC_DELETE,       /* doc_kind, name */
    QR_CONTROL_ADMIN_HASH,       /* server, hash */
    QR_CONTROL_POOL,             /* server, pool; answer: a pool */
    QR_CONTROL_POOLS,            /* those of a server with a number above id; not always all */
    QR_CONTROL_LINKS,            /* of geo-secondaries with an id above; answer: struct qr_geo_link
                                    (ctl/peer.h), not always all */
    QR_CONTROL_AUTOSCALE,        /* server, name (empty: all), those with an id above; answer: u32
                                    id, u32 length, settings as text, not always all */
    /* of compute nodes; the database is a row */
    QR_NODE_MAKE = 0x351, /* files of a new database; opens it */
    QR_NODE_FILL,         /* the sample's tables and rows */
    QR_NODE_HOLD,    /* its sessions end as by KILL; closes it and lets nobody in; error 3702 if
                        something else uses it, or they do not end */
    QR_NODE_RELEASE, /* the end of a hold */
    QR_NODE_REMOVE,  /* its files */
    QR_NODE_RESIZE,  /* name, objective or max_bytes have changed */
    QR_NODE_COPY,    /* files as another database has or had them: its row, u64 wall_ns (0: now),
                       u8 geo */
    QR_NODE_FORGET,  /* its backups */
    QR_NODE_PROMOTE, /* the replica takes over; the primary before is gone for sure */
    QR_NODE_KEEP,    /* a long-term backup: its row, its database's */
    QR_NODE_BACKUPS, /* u8 geo; answer: its backups (ctl/backups.h) */
    QR_NODE_CHECK,   /* every page and index of it; QR_CORRUPT names the damage */
    QR_NODE_TIDY,    /* its other copies go */
    QR_NODE_VACATE,  /* it moves to another node: its sessions end, it is closed, and until RELEASE
                        who comes is told to look for another node */
    QR_NODE_MOVE,    /* a database's row, that of its target, u8 enum qr_move_wish; answer: struct
                        qr_move_state */
    QR_NODE_FOLLOW,  /* a primary's row, that of a geo-secondary, u8 enum qr_follow_wish; answer:
                        struct qr_follow_state */
    QR_NODE_REST,    /* u64 ns: if nobody has been in it for so long it is closed, and until RELEASE
                        who comes is told to look for another node; answer: struct qr_rest_state */
    QR_NODE_USED,    /* a row, u64 wall_ns; answer: points behind that time (ctl/autoscale.h) */
    QR_NODE_DRAIN,   /* its sessions go back to the gateway; QR_BUSY: some could not, or it is
                        the primary still */
    QR_NODE_HOT,     /* u32 pages at most; answer: the pages that it uses (ctl/warm.h) */
    QR_NODE_WARM,    /* u8 enum qr_warmth, pages to bring before it takes over; answer: u32 how many
                        came */
    QR_NODE_ANSWER,  /* nothing; any answer, a refusal too, is that of a process that runs */
    QR_NODE_SUCCEED, /* as PROMOTE, but the primary before may not be gone: its lease ends first */
    QR_NODE_LEAVE,   /* a process on another machine ends, as by a signal */
};

/* What becomes of a geo-secondary. */
enum qr_geo_change {
    QR_GEO_END,      /* it is a database of its own */
    QR_GEO_FAILOVER, /* it changes places with its primary; nothing is lost */
    QR_GEO_FORCE,    /* the same at once, with what it has */
    QR_GEO_CHANGE_COUNT,
};
/* What becomes of a login. Errors 15025, 15150 (of the administrator), 15151, 15174, 15433. */
enum qr_login_change {
    QR_LOGIN_CREATE,
    QR_LOGIN_PASSWORD,
    QR_LOGIN_RENAME,
    QR_LOGIN_ENABLE,
    QR_LOGIN_DISABLE,
    QR_LOGIN_DROP,
    QR_LOGIN_JOIN, /* roles of the server, as bits in `id` */
    QR_LOGIN_LEAVE,
    QR_LOGIN_CHANGE_COUNT,
};
/* The node that has the primary sends the log. Each call starts what is wished if it has not been
 * started; who is not asked for a while ends. */
enum qr_follow_wish {
    QR_FOLLOW_ON,
    QR_FOLLOW_CUT, /* nobody uses the primary from now on, until RELEASE; the rest is sent */
    QR_FOLLOW_END, /* nothing is sent any more when this is answered */
    QR_FOLLOW_WISH_COUNT,
};
enum qr_follow_phase {
    QR_FOLLOW_NONE,
    QR_FOLLOW_SEEDS,     /* all pages are on their way */
    QR_FOLLOW_CATCH_UP,  /* it has what was durable a moment ago */
    QR_FOLLOW_SUSPENDED, /* it, or its primary, is not there */
    QR_FOLLOW_IS_CUT,    /* both are the same, and nobody writes */
    QR_FOLLOW_PHASE_COUNT,
};
struct qr_follow_state {
    uint8_t phase;               /* enum qr_follow_phase */
    uint64_t replicated_wall_ns; /* when it was last known to have all; 0: not yet */
    uint64_t commit_wall_ns;     /* of the newest commit that it has */
};

/* Data on its way between files and Hyperscale, by the shared node. Each call starts what is wished
 * if it has not been started, and says at once how far it is; what failed is refused, again and
 * again until UNDO. */
enum qr_move_wish {
    QR_MOVE_SIZE,   /* nothing moves: how much there is (`total`), how much of it in use (`done`) */
    QR_MOVE_FOLLOW, /* copy, then follow */
    QR_MOVE_CUT,    /* nobody uses it from now on; the rest is brought. Files are marked as moved */
    QR_MOVE_UNDO,   /* it ends; files are as they were before CUT */
    QR_MOVE_END,    /* the target counts: what was here is closed */
    QR_MOVE_WISH_COUNT,
};
enum qr_move_phase {
    QR_MOVE_NONE,
    QR_MOVE_COPYING,
    QR_MOVE_FOLLOWING, /* little is left to bring */
    QR_MOVE_CUTTING,
    QR_MOVE_IS_CUT, /* all is there */
    QR_MOVE_PHASE_COUNT,
};
struct qr_move_state {
    uint8_t phase;        /* enum qr_move_phase */
    uint64_t done, total; /* bytes of the copy */
    uint64_t lsn;         /* both sides are the same up to here */
};

/* What a node that starts has to be; of a named replica's members one is the named replica, the
 * others are HA replicas. A geo-secondary is a NAMED_REPLICA, too: it is read. */
enum qr_duty { QR_DUTY_PRIMARY, QR_DUTY_HA_REPLICA, QR_DUTY_NAMED_REPLICA, QR_DUTY_COUNT };
enum { QR_DUTY_WAITS = 0x80 };

/* A node closes a database that nobody has used for so long. */
#define QR_NODE_IDLE_NS (INT64_C(300) * 1000000000)

enum {
    QR_CONTROL_TEXT_BYTES_MAX = 1024,
    QR_CONTROL_ANSWER_BYTES_MAX = 8 << 20, /* of a list */
    QR_CONTROL_ADDRESS_BYTES = 128,
};

enum qr_role {
    QR_ROLE_LOG,
    QR_ROLE_PAGE,
    QR_ROLE_GATEWAY,
    QR_ROLE_COMPUTE,
    QR_ROLE_API,
    QR_ROLE_COUNT
};

/* Texts are borrowed. */
struct qr_control_ask {
    struct qr_str name, new_name;
    struct qr_str edition, objective, collation, max_text;
    struct qr_str copy_of;    /* CREATE: the database to copy; n = 0: none */
    struct qr_str kept;       /* CREATE with copy_of: from this long-term backup of it; a guid */
    struct qr_str start, end; /* of a rule, as the statement has them */
    struct qr_str node_address, session_address; /* "tcp:HOST:PORT" */
    struct qr_str operation_id; /* a GUID: asked again, it is not done again; n = 0: control's */
    struct qr_str tags;         /* a JSON object; n = 0: not said */
    struct qr_str text;         /* a document */
    struct qr_str hash;         /* of a password */
    struct qr_str sid;          /* of a login; bytes */
    struct qr_str owner;        /* of a database, as its row says it */
    struct qr_str pool;         /* CREATE, ALTER: it goes into it; its objective is ElasticPool */
    struct qr_database_traits traits;
    uint64_t max_bytes;       /* 0: not said */
    bool dropped;             /* CREATE with copy_of: of one that was dropped ... */
    int64_t dropped_wall_ns;  /* ... at this time, to the millisecond; 0: the last */
    uint64_t restore_wall_ns; /* CREATE with copy_of: as of this time; 0: its newest state */
    uint64_t version;
    uint32_t server;       /* whose `name` is; QR_SERVER_ANY in a list */
    uint32_t other_server; /* whose the other name is */
    uint32_t id, pid, slices, diff_hours;
    uint32_t ha_replicas;                /* one more than wished; 0: not said */
    uint32_t pool_min_pct, pool_max_pct; /* of a database in it; one more than wished */
    uint8_t role;                        /* enum qr_role */
    uint8_t doc_kind;                    /* enum qr_doc_kind */
    uint8_t geo_change;                  /* enum qr_geo_change */
    uint8_t login_change;                /* enum qr_login_change */
    bool no_wait; /* an operation: the answer comes when it has been started */
    bool read_only;
    bool unchecked; /* ROUTE: only a user of the database itself is to come in */
    bool geo;      /* CREATE with copy_of, BACKUPS: from the second store of backups; ADD_REPLICA: a
                      geo-secondary */
    bool verify;   /* CREATE with copy_of: it is checked, and goes again */
    bool relocate; /* ALTER: to new processes, whatever changes */
    bool resizes;  /* control's own: the objective will be another one */
};
void qr_control_ask_put(struct qr_buf *buf, enum qr_control_method method,
                        const struct qr_control_ask *ask);
QR_NODISCARD enum qr_status qr_control_ask_get(uint16_t method, const uint8_t *bytes, size_t count,
                                               struct qr_control_ask *ret_ask, struct qr_err *err);

/* What the processes that run databases have to know of their limits. */
struct qr_control_limits {
    uint32_t largest_pct; /* hundredths of a vCore of the largest objective in use */
    char objective[QR_WORD_BYTES_MAX + 1]; /* whose limits the database has there; "": not known */
    /* of its elastic pool: */
    uint32_t pool; /* its number among those of all servers; 0: it is in none */
    char pool_size[QR_WORD_BYTES_MAX + 1];
    uint32_t min_pct, max_pct; /* of a database in it */
    uint64_t pool_max_bytes;
};
void qr_control_limits_put(struct qr_buf *buf, const struct qr_control_limits *limits);
QR_NODISCARD enum qr_status qr_control_limits_get(const uint8_t *bytes, size_t count,
                                                  struct qr_control_limits *ret_limits,
                                                  struct qr_err *err);

struct qr_control_route {
    /* Of the node's handoff socket: "unix:/path"; on another machine of the tunnel to it:
     * "tcp:HOST:PORT/NODE". */
    char address[QR_CONTROL_ADDRESS_BYTES];
    uint32_t database_id;
};
void qr_control_route_put(struct qr_buf *buf, const struct qr_control_route *route);
QR_NODISCARD enum qr_status qr_control_route_get(const uint8_t *bytes, size_t count,
                                                 struct qr_control_route *ret_route,
                                                 struct qr_err *err);

/* The service that a process on another machine is a part of. */
enum { QR_CONTROL_URL_BYTES = 2049, QR_CONTROL_PLACE_BYTES = 300 };
struct qr_control_service {
    char server_name[64], admin_login[129];
    char operate[QR_CONTROL_PLACE_BYTES]; /* control's operations: "tcp:HOST:PORT", as below */
    char log[QR_CONTROL_PLACE_BYTES], page[QR_CONTROL_PLACE_BYTES];
    char blob[QR_CONTROL_URL_BYTES]; /* of the blob store; "": no other machine reaches it */
    char landing_zone[8];
    char server_key[256]; /* as in its file: nobody else is told, and it is kept in memory alone */
};
void qr_control_service_put(struct qr_buf *buf, const struct qr_control_service *service);
QR_NODISCARD enum qr_status qr_control_service_get(const uint8_t *bytes, size_t count,
                                                   struct qr_control_service *ret_service,
                                                   struct qr_err *err);

void qr_control_row_put(struct qr_buf *buf, const struct qr_database_row *row);
/* The row at *at, which moves behind it. */
QR_NODISCARD enum qr_status qr_control_row_next(const uint8_t *bytes, size_t count, size_t *at,
                                                struct qr_database_row *ret_row,
                                                struct qr_err *err);

/* What a gateway holds in memory, one item after the other. */
enum qr_control_item_kind {
    QR_ITEM_LOGIN = 1, /* database_id: of the server; name, text: its hash, sid, id, is_disabled,
                          create_ticks, modify_ticks, flag: the administrator */
    QR_ITEM_RULE,      /* database_id, name, start, end, id, create_ticks, modify_ticks */
    QR_ITEM_DATABASE,  /* database_id, name; with number 0 a server */
    QR_ITEM_MACHINE,   /* name of the process, text: its address, flag: it is there now */
};
struct qr_control_item {
    enum qr_control_item_kind kind;
    struct qr_str name, text, sid;
    uint32_t database_id, id, start, end, roles;
    int64_t create_ticks, modify_ticks;
    bool flag, is_disabled;
};
void qr_control_item_put(struct qr_buf *buf, const struct qr_control_item *item);
QR_NODISCARD enum qr_status qr_control_item_next(const uint8_t *bytes, size_t count, size_t *at,
                                                 struct qr_control_item *ret_item,
                                                 struct qr_err *err);
