/* sim_int.h - the simulated disk's inodes and names, shared by sim.c, sim_disk.c and sim_names.c.
 *
 * All functions here are called with the simulation's lock held. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "env/sim.h"

enum { QRI_SECTOR_BYTES = 512, QRI_NAME_BYTES_MAX = 255 };

struct qri_inode;
struct qri_entry {
    char name[QRI_NAME_BYTES_MAX + 1];
    struct qri_inode *inode; /* counted */
};
struct qri_entries {
    struct qri_entry *items; /* sorted by name */
    size_t count, capacity;
};

struct qri_inode {
    struct qri_inode *prev, *next; /* all inodes of the simulation */
    size_t refs;
    bool is_dir;
    const void *locker; /* the open file that holds the lock */
    /* a file: what programs see, and what a power cut leaves; both zero beyond their size */
    uint8_t *now, *disk;
    uint8_t *dirty; /* one byte for each sector: written since the last sync */
    size_t now_bytes, disk_bytes, capacity;
    /* a directory, in the same two states */
    struct qri_entries entries, disk_entries;
};

/* A change of names that is not durable yet; `from` or `to` is NULL when it only adds or removes.
 */
struct qri_name_op {
    struct qri_inode *from, *to; /* directories, counted */
    struct qri_inode *inode;     /* what `to_name` becomes, counted; NULL with to == NULL */
    char from_name[QRI_NAME_BYTES_MAX + 1], to_name[QRI_NAME_BYTES_MAX + 1];
};

struct qr_sim {
    struct qr_env env;  /* first */
    pthread_mutex_t mu; /* guards everything below */
    struct qr_sim_options options;
    uint64_t random_state;
    int64_t wall_ns, mono_ns;
    uint64_t io_count, fault_at;
    enum qr_status fault_status;
    bool fault_stays, fault_fired, stopped;
    uint64_t boot; /* raised by a power cut: handles of an older boot are dead */
    uint64_t used_bytes;
    struct qri_inode *inodes, *root;
    struct qri_name_op *ops;
    size_t op_count, op_capacity;
};

uint64_t qri_sim_random(struct qr_sim *sim);

/* sim_disk.c: contents */
struct qri_inode *qri_inode_new(struct qr_sim *sim, bool is_dir);
void qri_inode_unref(struct qr_sim *sim, struct qri_inode *inode);
/* Writes at any offset; QR_FULL past the disk limit, QR_NOMEM. */
enum qr_status qri_inode_write(struct qr_sim *sim, struct qri_inode *inode, const void *src,
                               size_t bytes, uint64_t offset);
enum qr_status qri_inode_resize(struct qr_sim *sim, struct qri_inode *inode, uint64_t bytes);
void qri_inode_sync(struct qri_inode *inode);
/* Of these bytes only, and of the size that they need. */
void qri_inode_sync_range(struct qri_inode *inode, size_t offset, size_t bytes);
void qri_inode_sync_failed(struct qr_sim *sim, struct qri_inode *inode);
void qri_inode_power_cut(struct qr_sim *sim, struct qri_inode *inode);

/* sim_names.c: the tree of names. Paths start at one root, with or without a leading slash. */
enum qr_status qri_names_find_parent(struct qr_sim *sim, const char *path,
                                     struct qri_inode **ret_dir,
                                     char ret_name[QRI_NAME_BYTES_MAX + 1]);
struct qri_inode *qri_names_get(const struct qri_entries *entries, const char *name);
enum qr_status qri_names_find(struct qr_sim *sim, const char *path, struct qri_inode **ret_inode);
/* Applies the change to what programs see and notes it as not durable. */
enum qr_status qri_names_change(struct qr_sim *sim, struct qri_inode *from, const char *from_name,
                                struct qri_inode *to, const char *to_name, struct qri_inode *inode);
void qri_names_sync_dir(struct qr_sim *sim, const struct qri_inode *dir);
void qri_names_power_cut(struct qr_sim *sim);
void qri_names_drop_ops(struct qr_sim *sim);
void qri_entries_done(struct qr_sim *sim, struct qri_entries *entries);
