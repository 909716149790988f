/* node_int.h - what the files of a compute node share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "cmd_int.h"
#include "env/thread.h"

enum hosted_state { HOSTED_OPENING, HOSTED_OPEN, HOSTED_CLOSING };

struct hosted {
    struct hosted *next;
    uint32_t id;
    enum hosted_state state;
    struct qr_database *db;
    uint32_t refs;
    uint32_t retention_days;
    int64_t idle_since_ns;
    bool has_files, backing_up;
    bool was_used, has_backup; /* was entered since it was opened; a backup, and none is due */
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
    pthread_mutex_t mu;        /* guards the lists */
    pthread_cond_t changed;    /* a database has opened or closed */
    uint32_t hyper_id;         /* of its one Hyperscale database */
    _Atomic enum qr_duty duty; /* as in the options, until it is promoted */
    pthread_mutex_t promote_mu;
    struct hosted *hosted;
    struct held *held; /* databases that nobody may enter: they are dropped, or move */
    struct qri_moves *moves;
    struct qri_copy_node *copy; /* of its one database that has copies */
};

/* ---- node.c ---- */
/* node.mu held; NULL: it is not open. */
struct hosted *qri_node_find_hosted(struct qri_node *node, uint32_t id);
/* node.mu held, and given back while the database is opening or closing. */
struct hosted *qri_node_find_settled(struct qri_node *node, uint32_t id);
void qri_node_close_hosted(struct qri_node *node, struct hosted *hosted);
/* node.mu held; NULL: it may be entered. */
struct held *qri_node_find_held(const struct qri_node *node, uint32_t id);

/* ---- node_store.c ---- */
QR_NODISCARD enum qr_status qri_node_open_files(struct qri_node *node,
                                                const struct qr_database_row *row, bool make,
                                                struct qr_database **ret_db, struct qr_err *err);

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
