/* ctl/registry.h - the logical servers: their administrators, databases and firewall rules, kept in
 * the metadata store and in memory.
 *
 * A server has a number; the first one, which is made at the first start, has 0. A database's id
 * holds the number of its server in its upper bits and below it the number that the server's users
 * see (DB_ID(): master is 1), so an id alone tells whose it is. What belongs to the server itself
 * and not to a database of it (a firewall rule, an operation) has the id with number 0.
 * Names compare without case (ASCII; others exactly) and are UTF-8.
 * Threads: any; one internal lock, the metadata store's is taken inside it.
 * Errors: T-SQL errors (1801, 911, 40804, ...) where a statement could be at fault, else statuses.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"
#include "ctl/meta.h"
#include "env/env.h"

/* Of what it keeps: a later one is refused. */
enum { QR_REGISTRY_FORMAT = 3 };
struct qr_registry;

enum {
    QR_NAME_BYTES_MAX = 128 * 3, /* 128 UTF-16 units */
    QR_WORD_BYTES_MAX = 63,
    QR_HASH_BYTES_MAX = 127,
    QR_TIMELINE_TEXT_BYTES = 36,
    QR_GUID_TEXT_BYTES = 36,
    QR_TAGS_BYTES_MAX = 8192, /* of a resource's tags, as JSON */
    QR_MASTER_ID = 1,         /* of every server */
    QR_SERVER_NAME_BYTES_MAX = 128,
    QR_SERVER_SHIFT = 20,
    QR_SERVER_NUMBER_MAX = 2046,
    QR_DATABASE_NUMBER_MAX = (1 << QR_SERVER_SHIFT) - 1,
    QR_SLICES_MAX = 1024, /* of one database */
    QR_KEPT_SERVER_BYTES_MAX = 128,
    QR_LOGIN_SID_BYTES_MAX = 85,
    QR_OWNER_TEXT_BYTES = 2 * QR_LOGIN_SID_BYTES_MAX,
};

#define QR_SERVER_ANY UINT32_MAX /* where a number of a server restricts: none does */
static inline uint32_t qr_database_id(uint32_t server, uint32_t number)
{
    return server << QR_SERVER_SHIFT | number;
}
static inline uint32_t qr_server_of(uint32_t database_id)
{
    return database_id >> QR_SERVER_SHIFT;
}
/* What the server's users see. */
static inline uint32_t qr_number_of(uint32_t database_id)
{
    return database_id & QR_DATABASE_NUMBER_MAX;
}
static inline bool qr_is_master(uint32_t database_id)
{
    return qr_number_of(database_id) == QR_MASTER_ID;
}

/* A database is made in steps, each recorded, so that a crash between them is tidied up. */
enum qr_database_state {
    QR_DATABASE_CREATING, /* its files may be half there: a start removes them and the row */
    QR_DATABASE_ONLINE,
    QR_DATABASE_DROPPING, /* its files may be half gone: a start removes the rest */
    QR_DATABASE_DROPPED,  /* it can be restored; its name is free */
    QR_DATABASE_PURGING,  /* given up for good; its storage may still be there */
    QR_DATABASE_KEPT,     /* no database: a long-term backup of one, with storage of its own */
};
enum {
    QR_RETENTION_DAYS_MIN = 1,
    QR_RETENTION_DAYS_MAX = 35,
    QR_RETENTION_DAYS = 7,       /* unless the row says otherwise */
    QR_RETENTION_DAYS_BASIC = 7, /* the most, of Basic */
    QR_DIFF_HOURS = 12,          /* between differential backups, or ... */
    QR_DIFF_HOURS_LONG = 24,
};

/* What ARM says of a database beside its tier and size. In a wish 0 means that it is not said; in a
 * row every member is said, as far as the tier has it. */
enum qr_said { QR_NOT_SAID, QR_SAID_NO, QR_SAID_YES, QR_SAID_COUNT };
enum qr_license {
    QR_LICENSE_NOT_SAID,
    QR_LICENSE_INCLUDED,
    QR_LICENSE_BASE_PRICE,
    QR_LICENSE_COUNT
};
enum qr_redundancy {
    QR_REDUNDANCY_NOT_SAID,
    QR_REDUNDANCY_LOCAL, /* ZONE is recorded as wished; the others copy backups to --geo-blob */
    QR_REDUNDANCY_ZONE,
    QR_REDUNDANCY_GEO,
    QR_REDUNDANCY_GEO_ZONE,
    QR_REDUNDANCY_COUNT,
};
struct qr_database_traits {
    uint8_t zone_redundant, read_scale; /* enum qr_said */
    uint8_t license;                    /* enum qr_license */
    uint8_t redundancy;                 /* enum qr_redundancy, of backups */
    int32_t auto_pause_minutes;         /* serverless: -1 never; else 0 */
    uint32_t min_capacity_pct;          /* serverless: hundredths of a vCore; else 0 */
};

struct qr_database_row {
    uint32_t id;
    char server[QR_SERVER_NAME_BYTES_MAX + 1]; /* "" once the server is gone; it follows the id */
    enum qr_database_state state;
    char name[QR_NAME_BYTES_MAX + 1];
    char edition[QR_WORD_BYTES_MAX + 1];
    char objective[QR_WORD_BYTES_MAX + 1];
    char collation[QR_NAME_BYTES_MAX + 1];
    char timeline[QR_TIMELINE_TEXT_BYTES + 1]; /* a UUID, never used again; names its directory */
    int64_t create_ticks;                      /* 100 ns since 0001-01-01 UTC */
    uint64_t max_bytes;                        /* 0: what the tier's storage can take */
    uint32_t slices;      /* Hyperscale: of 128 GiB that its page servers have; 0: it has files */
    uint32_t replica_of;  /* a named replica: the id of its primary, whose timeline it reads */
    uint32_t geo_of;      /* a geo-secondary: the id of its primary, whose log it follows */
    uint32_t ha_replicas; /* Hyperscale: processes that can take over */
    uint32_t retention_days; /* how far back it can be restored */
    uint32_t diff_hours;     /* between differential backups, of a database that has files */
    int64_t dropped_wall_ns; /* when, if it is DROPPED or PURGING; KEPT: when its database was */
    char parent[QR_TIMELINE_TEXT_BYTES +
                1];                    /* Hyperscale: timeline of which it is a branch, or "" */
    uint64_t branch_lsn;               /* where */
    char guid[QR_GUID_TEXT_BYTES + 1]; /* of the database itself, never used again */
    struct qr_database_traits traits;
    uint32_t encrypted; /* 1: all that it ever stored is */
    /* Of a database with copies, one record: its primary's epoch, which of the members that is, and
     * the members that have all that was acknowledged, as bits; 0: none has served yet. Of one in
     * the shared node: the least epoch that its files are opened in. */
    uint64_t epoch;
    uint32_t primary, members;
    uint32_t away; /* Hyperscale: 1 + the member that is the primary on another machine, or was the
                    * last one and may not know that another follows; 0: none */
    int64_t migrated_wall_ns; /* when it came to Hyperscale from another tier; 0: it did not */
    int64_t kept_wall_ns;    /* KEPT: of when it is; else when the last long-term backup was made */
    int64_t expires_wall_ns; /* KEPT: until when */
    char kept_of[QR_GUID_TEXT_BYTES + 1];           /* KEPT: the guid of its database; else "" */
    char kept_server[QR_KEPT_SERVER_BYTES_MAX + 1]; /* KEPT: its server's name, which may be gone */
    int64_t era_wall_ns; /* since when its data has been where it is; 0: always */
    int64_t made_ticks;  /* when it was made, whatever its name was; 0: by an earlier version */
    /* Where the data of that database (an id) goes to, while it is CREATING; then where it was
     * before: DROPPED, and from what it had can be restored. Nobody names it. 0: a database. */
    uint32_t moved_to;
    uint32_t
        leftovers; /* 1: files of where it was have yet to be backed up for the last time, and go */
    /* CREATING with moved_to: what is kept for the way back, of the server's DTUs, in a pool. */
    uint32_t reserved_dtus;
    char reserved_pool[QR_NAME_BYTES_MAX + 1];
    char pool[QR_NAME_BYTES_MAX + 1]; /* of its server; its objective is ElasticPool. "": none */
    int64_t first_backup_wall_ns;     /* from when on there is what restores it; 0: files: not yet,
                                       * Hyperscale: since it was made */
    int64_t paused_wall_ns;  /* serverless: since when no process has it; 0: it is not paused */
    int64_t resumed_wall_ns; /* when that ended the last time; 0: never */
    uint32_t only_logins;    /* 1: it is paused, and no user in it has a password of his own */
    /* SID of the login that is dbo there, in hexadecimal; of what reads or follows another database
     * that one's. "": the server's administrator. */
    char owner[QR_OWNER_TEXT_BYTES + 1];
};
enum { QR_HA_REPLICAS_MAX = 4, QR_NAMED_REPLICAS_MAX = 30, QR_COPY_SECONDARIES = 3 };
/* Somebody may name it. */
static inline bool qr_database_is_live(const struct qr_database_row *row)
{
    return row->state < QR_DATABASE_DROPPED && row->moved_to == 0;
}
/* Its pages and log are in services, not in files of a compute node. */
static inline bool qr_database_is_hyper(const struct qr_database_row *row)
{
    return row->slices != 0;
}
/* Business Critical and Premium: it has files, in processes of its own, each with a copy. */
bool qr_database_has_copies(const struct qr_database_row *row);
/* Secondaries that it is to have. */
static inline uint32_t qr_database_secondaries(const struct qr_database_row *row)
{
    return qr_database_has_copies(row) ? QR_COPY_SECONDARIES : row->ha_replicas;
}
/* It has processes of its own; the others share one. */
static inline bool qr_database_has_nodes(const struct qr_database_row *row)
{
    return qr_database_is_hyper(row) || qr_database_has_copies(row) || row->geo_of != 0;
}

/* What CREATE and ALTER DATABASE may ask for; an empty text or 0 keeps what is or takes the
 * default. */
struct qr_database_wish {
    struct qr_str edition, objective, collation;
    struct qr_str pool; /* it goes into that pool, and may have the objective ElasticPool */
    uint64_t max_bytes;
    struct qr_str max_text;   /* as written, for the error */
    struct qr_str copy_of;    /* CREATE: the database to copy; n = 0: a new one */
    uint64_t restore_wall_ns; /* as it was at this time; 0: as it is now */
    uint32_t ha_replicas;     /* one more than wished */
    struct qr_database_traits traits;
    struct qr_str tags;                       /* n = 0: kept; a JSON object */
    const struct qr_database_row *replica_of; /* CREATE: the primary of a named replica */
    const struct qr_database_row *geo_of; /* CREATE: the primary of a geo-secondary, whose traits it
                                             has as far as its objective allows */
    bool in_clear;                        /* it inherits what is not encrypted */
    bool relocate;       /* ALTER: to new processes; the registry has nothing to do with it */
    uint32_t region;     /* CREATE: where its data will be */
    struct qr_str owner; /* CREATE: as the row has it; not of what reads or follows another one */
};

/* Loads what is there, and brings rows of earlier releases up to date; `env` for time and random.
 * QR_CORRUPT for those of a later one. */
QR_NODISCARD enum qr_status qr_registry_open(struct qr_meta *meta, struct qr_env *env,
                                             struct qr_registry **ret_registry, struct qr_err *err);
void qr_registry_close(struct qr_registry *registry); /* NULL is accepted */

/* False before the first qr_registry_make_server. */
bool qr_registry_has_server(struct qr_registry *registry);
/* The first one gets number 0. `with` happens in the same transaction; NULL: nothing does.
 * QR_EXISTS if there is one of that name, QR_FULL. */
QR_NODISCARD enum qr_status qr_registry_make_server(struct qr_registry *registry,
                                                    struct qr_str name, struct qr_str admin_login,
                                                    struct qr_str admin_hash,
                                                    const struct qr_meta_op *with,
                                                    uint32_t *ret_server, struct qr_err *err);
/* Not the first one. Its rows have to be gone or to be PURGING. */
QR_NODISCARD enum qr_status qr_registry_remove_server(struct qr_registry *registry, uint32_t server,
                                                      const struct qr_meta_op *with,
                                                      struct qr_err *err);
struct qr_server_row {
    uint32_t number;
    char name[QR_SERVER_NAME_BYTES_MAX + 1], admin_login[QR_NAME_BYTES_MAX + 1];
};
/* QR_NOT_FOUND, without words. */
enum qr_status qr_registry_find_server(struct qr_registry *registry, struct qr_str name,
                                       struct qr_server_row *ret_row);
enum qr_status qr_registry_server(struct qr_registry *registry, uint32_t number,
                                  struct qr_server_row *ret_row);
/* The index-th in order of number; false behind the last. */
bool qr_registry_server_at(struct qr_registry *registry, size_t index,
                           struct qr_server_row *ret_row);
/* Of the server with that number: "" if there is none. */
void qr_registry_server_name(struct qr_registry *registry, uint32_t server,
                             char dst[QR_SERVER_NAME_BYTES_MAX + 1]);
/* Of the first server; these two do not change while the registry is open. */
const char *qr_registry_first_name(struct qr_registry *registry);
const char *qr_registry_first_login(struct qr_registry *registry);
/* QR_NOT_FOUND if the server has no such login. */
QR_NODISCARD enum qr_status qr_registry_login_hash(struct qr_registry *registry, uint32_t server,
                                                   struct qr_str login,
                                                   char dst[QR_HASH_BYTES_MAX + 1],
                                                   bool *ret_is_admin, struct qr_err *err);
QR_NODISCARD enum qr_status qr_registry_set_admin_hash(struct qr_registry *registry,
                                                       uint32_t server, struct qr_str hash,
                                                       struct qr_err *err);

/* A login beside the administrator. */
enum { QR_LOGINS_MAX = 8000 }; /* of all servers together */
struct qr_login_row {
    uint32_t server, id; /* among those of its server; from 2 on */
    char name[QR_NAME_BYTES_MAX + 1], hash[QR_HASH_BYTES_MAX + 1];
    uint8_t sid[QR_LOGIN_SID_BYTES_MAX];
    size_t sid_bytes;
    bool is_disabled;
    uint32_t roles; /* of the server, that he is in: bits, which the engine names */
    int64_t create_ticks, modify_ticks; /* 100 ns since 0001-01-01 UTC */
};
/* Those of a server, or of QR_SERVER_ANY; `each` must not call the registry. */
typedef void qr_registry_login_fn(void *arg, const struct qr_login_row *row);
QR_NODISCARD enum qr_status qr_registry_each_login(struct qr_registry *registry, uint32_t server,
                                                   qr_registry_login_fn *each, void *arg,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qr_registry_find_login(struct qr_registry *registry, uint32_t server,
                                                   struct qr_str name, struct qr_login_row *ret_row,
                                                   struct qr_err *err);
/* Calls that change logins must not overlap. Sets id and times. QR_EXISTS, errors 15433, 49918. */
QR_NODISCARD enum qr_status qr_registry_add_login(struct qr_registry *registry,
                                                  struct qr_login_row *row, struct qr_err *err);
/* The login `name` becomes what the row says, by another name perhaps: QR_EXISTS. */
QR_NODISCARD enum qr_status qr_registry_put_login(struct qr_registry *registry, struct qr_str name,
                                                  struct qr_login_row *row, struct qr_err *err);
QR_NODISCARD enum qr_status qr_registry_remove_login(struct qr_registry *registry, uint32_t server,
                                                     struct qr_str name, struct qr_err *err);

/* Adds the row in state CREATING; the caller makes the files and then sets it ONLINE. Errors 1801,
 * 40804, 40808, 40619, QR_UNSUPPORTED for editions that are not there, QR_NOT_FOUND no server. */
QR_NODISCARD enum qr_status qr_registry_add_database(struct qr_registry *registry, uint32_t server,
                                                     struct qr_str name,
                                                     const struct qr_database_wish *wish,
                                                     struct qr_database_row *ret_row,
                                                     struct qr_err *err);
/* New edition, objective or size. Error 911 and those above. */
QR_NODISCARD enum qr_status qr_registry_alter_database(struct qr_registry *registry,
                                                       uint32_t server, struct qr_str name,
                                                       const struct qr_database_wish *wish,
                                                       struct qr_database_row *ret_row,
                                                       struct qr_err *err);
QR_NODISCARD enum qr_status qr_registry_rename_database(struct qr_registry *registry,
                                                        uint32_t server, struct qr_str name,
                                                        struct qr_str new_name, struct qr_err *err);
QR_NODISCARD enum qr_status qr_registry_set_state(struct qr_registry *registry, uint32_t id,
                                                  enum qr_database_state state, struct qr_err *err);
/* A Hyperscale database has that many slices now; fewer than before changes nothing. QR_NOT_FOUND,
 * QR_FULL beyond QR_SLICES_MAX, QR_INVALID for one that has files. */
QR_NODISCARD enum qr_status qr_registry_grow_database(struct qr_registry *registry, uint32_t id,
                                                      uint32_t slices, struct qr_err *err);
/* That member becomes the primary of a database with copies, in an epoch above all before and above
 * `above`. The primary before, if that is another, is gone for sure: it is a member no more.
 * QR_FENCED: it is no member. */
QR_NODISCARD enum qr_status qr_registry_begin_reign(struct qr_registry *registry, uint32_t id,
                                                    uint32_t member, uint64_t above,
                                                    struct qr_err *err);
/* What the row says of primaries on other machines. */
QR_NODISCARD enum qr_status qr_registry_set_away(struct qr_registry *registry, uint32_t id,
                                                 uint32_t away, struct qr_err *err);
/* The primary of that epoch says who its members are. QR_FENCED: it is the primary no more. */
QR_NODISCARD enum qr_status qr_registry_set_members(struct qr_registry *registry, uint32_t id,
                                                    uint32_t member, uint64_t epoch,
                                                    uint32_t members, struct qr_err *err);
QR_NODISCARD enum qr_status qr_registry_remove_database(struct qr_registry *registry, uint32_t id,
                                                        struct qr_err *err);
/* QR_NOT_FOUND, without words: the caller knows which T-SQL error it is. */
enum qr_status qr_registry_find_database(struct qr_registry *registry, uint32_t server,
                                         struct qr_str name, struct qr_database_row *ret_row);
/* One that was dropped: at that time, or the last of that name if it is 0. QR_NOT_FOUND. */
enum qr_status qr_registry_find_dropped(struct qr_registry *registry, uint32_t server,
                                        struct qr_str name, int64_t dropped_wall_ns,
                                        struct qr_database_row *ret_row);
/* A long-term backup of that database in the making: its row, in state PURGING until
 * qr_registry_set_kept, so that what a crash leaves of its storage goes. */
QR_NODISCARD enum qr_status
qr_registry_add_kept(struct qr_registry *registry, const struct qr_database_row *source,
                     int64_t expires_wall_ns, struct qr_database_row *ret_row, struct qr_err *err);
/* It is there; its database remembers when that was. */
QR_NODISCARD enum qr_status qr_registry_set_kept(struct qr_registry *registry,
                                                 const struct qr_database_row *row,
                                                 uint32_t source_id, struct qr_err *err);
/* Its database was dropped then. */
QR_NODISCARD enum qr_status qr_registry_set_kept_drop(struct qr_registry *registry, uint32_t id,
                                                      int64_t dropped_wall_ns, struct qr_err *err);
/* By its guid, without case. QR_NOT_FOUND. */
enum qr_status qr_registry_find_kept(struct qr_registry *registry, struct qr_str guid,
                                     struct qr_database_row *ret_row);
/* It is a branch of that timeline since. */
QR_NODISCARD enum qr_status qr_registry_set_branch(struct qr_registry *registry, uint32_t id,
                                                   const struct qr_database_row *parent,
                                                   uint64_t branch_lsn, struct qr_err *err);
/* 0 keeps what is. QR_INVALID: out of bounds. */
QR_NODISCARD enum qr_status qr_registry_set_retention(struct qr_registry *registry, uint32_t id,
                                                      uint32_t days, uint32_t diff_hours,
                                                      struct qr_err *err);
/* The next serverless database that is online or paused, from *index on, which moves behind it;
 * rows that come and go meanwhile may be missed. False: there is none. */
bool qr_registry_next_serverless(struct qr_registry *registry, size_t *index,
                                 struct qr_database_row *ret_row);
/* Paused or resumed at that time. `only_logins`: see the row. */
QR_NODISCARD enum qr_status qr_registry_set_paused(struct qr_registry *registry, uint32_t id,
                                                   bool paused, bool only_logins, int64_t wall_ns,
                                                   struct qr_err *err);
/* What was before is gone, or never was; what was said later, and of another timeline, stays. */
QR_NODISCARD enum qr_status qr_registry_set_first_backup(struct qr_registry *registry, uint32_t id,
                                                         struct qr_str timeline, int64_t wall_ns,
                                                         struct qr_err *err);
enum qr_status qr_registry_find_id(struct qr_registry *registry, uint32_t id,
                                   struct qr_database_row *ret_row);
/* The version of its row, and its tags: a JSON object. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_registry_tags(struct qr_registry *registry, uint32_t id,
                                             char dst[QR_TAGS_BYTES_MAX + 1], uint64_t *ret_version,
                                             struct qr_err *err);
/* QR_INVALID: it is no JSON object of texts, or too long. */
QR_NODISCARD enum qr_status qr_registry_set_tags(struct qr_registry *registry, uint32_t id,
                                                 struct qr_str tags, struct qr_err *err);
/* Index of the first row with an id above that. */
size_t qr_registry_index_after(struct qr_registry *registry, uint32_t id);
/* The index-th row in order of id; false behind the last. */
bool qr_registry_database_at(struct qr_registry *registry, size_t index,
                             struct qr_database_row *ret_row);
/* All live rows in order of id, from one moment and without copying them. `each` must not call the
 * registry. */
void qr_registry_each_live(struct qr_registry *registry,
                           void (*each)(void *ctx, const struct qr_database_row *row), void *ctx);

/* ---- owners (registry_owner.c) ---- */

/* The database and all that read or follow it have that owner, as the row says it. QR_INVALID: it
 * is no SID. */
QR_NODISCARD enum qr_status qr_registry_set_owner(struct qr_registry *registry, uint32_t id,
                                                  struct qr_str owner, struct qr_err *err);
/* A live database of that server has that owner. */
bool qr_registry_owns_any(struct qr_registry *registry, uint32_t server, struct qr_str owner);
/* Between bytes and what the row says; no bytes: the administrator. */
void qr_owner_text(struct qr_str sid, char dst[QR_OWNER_TEXT_BYTES + 1]);
size_t qr_owner_sid(const char *owner, uint8_t dst[QR_LOGIN_SID_BYTES_MAX]);

/* ---- geo-secondaries (registry_geo.c) ---- */

enum { QR_GEO_SECONDARIES_MAX = 4 };
/* Another database reads its data, or follows it. */
bool qr_registry_has_followers(struct qr_registry *registry, uint32_t id);
/* The live one with the least id above `after`. False: there is none. */
bool qr_registry_next_geo(struct qr_registry *registry, uint32_t after,
                          struct qr_database_row *ret_row);
/* It has a live one; on that server, if that is not QR_SERVER_ANY. */
bool qr_registry_find_geo(struct qr_registry *registry, uint32_t primary_id, uint32_t server,
                          struct qr_database_row *ret_row);
/* It is a database of its own, in an epoch that nobody had; with `swap` its primary and those that
 * follow that follow it. One transaction. Again: nothing. */
QR_NODISCARD enum qr_status qr_registry_end_geo(struct qr_registry *registry, uint32_t id,
                                                bool swap, struct qr_err *err);

/* ---- data that moves (registry_move.c) ---- */

/* The row of where `source`'s data will be, in state CREATING: as `wanted`, with an id and a
 * timeline of its own. */
QR_NODISCARD enum qr_status qr_registry_add_target(struct qr_registry *registry,
                                                   const struct qr_database_row *wanted,
                                                   struct qr_database_row *ret_target,
                                                   struct qr_err *err);
/* In one transaction: the database is where its target says, and what it was; the target's row is
 * where it was; what was before that is given up (PURGING). Again: nothing. */
QR_NODISCARD enum qr_status qr_registry_switch(struct qr_registry *registry, uint32_t id,
                                               uint32_t target_id, struct qr_err *err);
/* Where its data was before, if it can be restored as of then. QR_NOT_FOUND. */
enum qr_status qr_registry_find_former(struct qr_registry *registry, uint32_t id,
                                       struct qr_database_row *ret_row);

/* Its files have gone. */
QR_NODISCARD enum qr_status qr_registry_set_cleaned(struct qr_registry *registry, uint32_t id,
                                                    struct qr_err *err);

/* ---- elastic pools (registry_pool.c) ---- */

struct qr_pool_row;
struct qr_pool_wish;
struct qr_slo;
/* A new pool, or the change of one. `only_check`: nothing changes. Errors 40857, 40858, those of
 * qr_pool_apply (ctl/pool.h), 40873, 40881, 40889 what is in it does not fit, 40847, 40904. */
QR_NODISCARD enum qr_status qr_registry_put_pool(struct qr_registry *registry, uint32_t server,
                                                 const struct qr_pool_wish *wish, bool is_new,
                                                 bool only_check, struct qr_pool_row *ret_row,
                                                 struct qr_err *err);
/* Error 40877 it is not empty; QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_registry_remove_pool(struct qr_registry *registry, uint32_t server,
                                                    struct qr_str name, bool only_check,
                                                    struct qr_err *err);
/* QR_NOT_FOUND, without words. */
enum qr_status qr_registry_find_pool(struct qr_registry *registry, uint32_t server,
                                     struct qr_str name, struct qr_pool_row *ret_row);
/* The server's first one with a number above that; false: there is none. */
bool qr_registry_pool_after(struct qr_registry *registry, uint32_t server, uint32_t number,
                            struct qr_pool_row *ret_row);
/* The limits that a database has: its objective's, or those that its pool gives to one. NULL: not
 * known. */
const struct qr_slo *qr_registry_limits(struct qr_registry *registry,
                                        const struct qr_database_row *row);

struct qr_rule_row {
    uint32_t database_id; /* with number 0: a rule of the server */
    int id;               /* among the rules of its owner */
    char name[QR_NAME_BYTES_MAX + 1];
    uint32_t start, end;                /* IPv4 addresses in host order, inclusive */
    int64_t create_ticks, modify_ticks; /* 100 ns since 0001-01-01 UTC */
};
/* Calls `each` for every firewall rule, the server's first; it must not call the registry. */
typedef void qr_registry_rule_fn(void *arg, const struct qr_rule_row *row);
QR_NODISCARD enum qr_status qr_registry_each_rule(struct qr_registry *registry,
                                                  qr_registry_rule_fn *each, void *arg,
                                                  struct qr_err *err);
/* Makes the rule or changes the one of that name; calls must not overlap. */
QR_NODISCARD enum qr_status qr_registry_set_rule(struct qr_registry *registry, uint32_t database_id,
                                                 struct qr_str name, uint32_t start, uint32_t end,
                                                 struct qr_err *err);
/* QR_NOT_FOUND if there is none. */
QR_NODISCARD enum qr_status qr_registry_remove_rule(struct qr_registry *registry,
                                                    uint32_t database_id, struct qr_str name,
                                                    struct qr_err *err);
