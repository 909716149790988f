/* node_int.h - what the files of a compute node share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "cmd_int.h"
#include "env/thread.h"
#include "super/cgroup.h"

enum hosted_state { HOSTED_OPENING, HOSTED_OPEN, HOSTED_CLOSING };
enum { HOSTED_BUCKET_BITS = 11 };

/* In a ring: before the first one and after the last is the ring itself. */
struct hosted_link {
    struct hosted_link *before, *after;
};

struct hosted {
    struct hosted *next;             /* in its bucket */
    struct hosted_link opened, idle; /* in the node's rings; idle: while nobody has it */
    uint32_t id;
    enum hosted_state state;
    struct qr_database *db;
    struct qr_gov_group *group; /* NULL: it is not governed */
    uint32_t refs;
    uint32_t sessions;     /* among them */
    int64_t rest_since_ns; /* when the last session left it */
    bool wants_rest;       /* it would be closed if all of it were in a backup */
    uint32_t calm_ticks;   /* for so long it has used little */
    uint32_t retention_days;
    int64_t idle_since_ns;
    bool in_pool; /* of an elastic one */
    bool has_files;
    bool backing_up;           /* or its statistics are written: nobody closes it now */
    bool is_shrinking;         /* its cache, without mu: who closes it waits */
    bool was_used, has_backup; /* was entered since it was opened; a backup, and none is due */
    bool is_backed_up;         /* all that is in it is in a backup: nobody has entered it since */
    bool was_touched;          /* entered since the backups' thread looked at it */
    char timeline[QR_TIMELINE_TEXT_BYTES + 1];
};

struct held {
    struct held *next;
    uint32_t id;
    bool moves; /* to another node or store: who comes has to ask for a route again */
};

struct qri_node {
    struct qri_node_options options;
    struct qr_instance *instance;
    struct qr_session_host session_host;
    pthread_mutex_t mu;          /* guards the lists, and what the rings are beside */
    pthread_cond_t changed;      /* a database has opened or closed */
    uint32_t hyper_id;           /* of its one Hyperscale database */
    _Atomic enum qr_duty duty;   /* as in the options, until it is promoted */
    struct qri_node_sizes sizes; /* the same, until its objective is another one */
    pthread_mutex_t promote_mu;
    struct hosted *buckets[1 << HOSTED_BUCKET_BITS]; /* by id */
    struct hosted_link opened;                       /* all of them, the first opened first */
    struct hosted_link idle;                         /* the first left first */
    uint32_t open_count, idle_count, open_max, idle_max, unused_max, waiting;
    uint64_t machine_bytes;
    uint64_t cache_level; /* that page caches are to keep to; 0: not looked at yet */
    uint32_t cache_turn;  /* the database whose cache gave pages back last */
    bool memory_is_short, ends, closes;
    pthread_t closer;
    pthread_cond_t close_wake, look_wake; /* for those who close, and who take backups */
    bool wants_look;
    struct held *held; /* databases that nobody may enter: they are dropped, or move */
    struct qri_moves *moves;
    struct qri_follows *follows;
    struct node_pool *pools; /* of which a database is or was open here; node_space.c */
    int64_t pools_summed_ns;
    struct qri_copy_node *_Atomic copy; /* of its one database that has copies */
    struct qr_cgroup_limits cgroup;     /* what was written last */
};

/* ---- node_open.c; node.mu is held, but for the last three ---- */
/* NULL: it is not open. */
struct hosted *qri_node_find_hosted(struct qri_node *node, uint32_t id);
/* The same; mu is given back while the database is opening or closing. */
struct hosted *qri_node_find_settled(struct qri_node *node, uint32_t id);
/* Opens it if it is not open; mu is given back meanwhile. `make`: it is new, and nobody can hold
 * it. QR_BUSY, QR_NOT_FOUND: it is held; QR_BUSY also while too many are open. */
QR_NODISCARD enum qr_status qri_node_need_open(struct qri_node *node,
                                               const struct qr_database_row *row, bool make,
                                               struct hosted **ret_hosted, struct qr_err *err);
void qri_node_close_hosted(struct qri_node *node, struct hosted *hosted); /* mu given back */
void qri_hosted_enter(struct qri_node *node, struct hosted *hosted);
void qri_hosted_leave(struct qri_node *node, struct hosted *hosted);
struct hosted *qri_hosted_of(struct hosted_link *opened);
/* Some that are idle should be closed soon. */
bool qri_node_is_short(const struct qri_node *node);
void qri_node_init_table(struct qri_node *node);
/* A thread that closes who is idle. */
QR_NODISCARD enum qr_status qri_node_begin_closing(struct qri_node *node, struct qr_err *err);
/* Ends it and closes all. */
void qri_node_close_all(struct qri_node *node);

/* ---- node.c ---- */
/* node.mu held; NULL: it may be entered. */
struct held *qri_node_find_held(const struct qri_node *node, uint32_t id);

/* ---- node_limits.c ---- */
/* What the database may use. Asks control, so without node.mu. */
struct qr_gov_group_options;
void qri_node_limits(struct qri_node *node, const struct qr_database_row *row,
                     struct qr_gov_group_options *ret_options);
/* Its group, with these limits. */
QR_NODISCARD enum qr_status qri_node_govern(struct qri_node *node,
                                            const struct qr_database_row *row,
                                            const struct qr_gov_group_options *options,
                                            struct hosted *hosted, struct qr_err *err);

/* ---- node_cache.c ---- */
/* Of all page caches together. */
uint64_t qri_node_cache_bound(const struct qri_node *node);
/* Every second, by one thread: they keep to it; node.mu is held, and given back meanwhile. */
void qri_node_share_caches(struct qri_node *node);

/* ---- node_cgroup.c ---- */
/* The limits of the process's control group follow those of its databases; node.mu is held. */
void qri_node_bound_process(struct qri_node *node);

/* ---- node_report.c ---- */
/* Of a serverless database that is open; node.mu held. */
void qri_node_report_billed(struct qri_node *node, const struct hosted *hosted);

/* ---- node_rest.c ---- */
/* Of a serverless database, every ten seconds: memory that it does not need goes; node.mu held. */
void qri_node_reclaim(struct qri_node *node, struct hosted *hosted, uint64_t cache_bytes);

/* ---- node_store.c ---- */
QR_NODISCARD enum qr_status qri_node_open_files(struct qri_node *node,
                                                const struct qr_database_row *row, bool make,
                                                struct qr_database **ret_db, struct qr_err *err);

/* The limits of its row are those of the open store from now on. node.mu held. */
QR_NODISCARD enum qr_status qri_node_resize_store(struct qri_node *node,
                                                  const struct qr_database_row *row,
                                                  struct qr_store *store, struct qr_err *err);

/* ---- node_copy.c ---- */
struct qr_store_options;
struct qr_copy_info;
/* Where that member keeps the database; NULL if out of memory. */
const char *qri_copy_path(const struct qri_datadir *dir, struct qr_arena *arena,
                          const struct qr_database_row *row, uint32_t member);
/* As the node's duty says: a primary when its members have what it has, a secondary when it has
 * caught up. Blocks; QR_CANCELLED when the process is told to end. */
QR_NODISCARD enum qr_status qri_copy_open(struct qri_node *node, const struct qr_database_row *row,
                                          const struct qr_store_options *options, const char *path,
                                          struct qr_store **ret_store, struct qr_err *err);
QR_NODISCARD enum qr_status qri_copy_promote(struct qri_node *node, struct qr_err *err);
/* Before its store is closed, and after. */
void qri_copy_stop(struct qri_node *node);
void qri_copy_close(struct qri_node *node);
size_t qri_copy_list(struct qri_node *node, struct qr_copy_info *dst);
/* All but the primary's. */
QR_NODISCARD enum qr_status qri_copy_remove_others(struct qri_node *node,
                                                   const struct qr_database_row *row,
                                                   struct qr_err *err);

/* ---- node_space.c ---- */
/* The store may take what these limits say, and what its pool has left. node.mu held. */
/* What the databases of that pool take, open or not, when they were last summed up, and how much of
 * that is used: of databases that are not open all of it. node.mu is held. */
uint64_t qri_node_pool_bytes(const struct qri_node *node, uint32_t server, const char *name,
                             uint64_t *ret_used);
void qri_node_bound_store(struct qri_node *node, const struct qr_database_row *row,
                          const struct qr_gov_group_options *options, struct qr_store *store);
/* Sums up what the databases of pools take, if that is due. Asks control. */
void qri_node_sum_pools(struct qri_node *node);
void qri_node_free_pools(struct qri_node *node);
