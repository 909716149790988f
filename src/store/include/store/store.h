/* store/store.h - the filestore: one database in one directory, durable page versions by LSN.
 *
 * A store holds the newest pages and the versions that snapshots need, appends every commit to a
 * log, hardens the log in groups, and checkpoints pages into the data file. It knows no SQL; vfs
 * makes SQLite work on it.
 *
 * Threads: after open, every call may come from any thread unless it says otherwise. With
 * options.threads the store runs two flushers and a checkpointer thread of its own; without them (a
 * simulation) the caller drives qr_store_flush and qr_store_checkpoint, and waits flush inline.
 * Errors: QR_CORRUPT damaged log or page (this store only), QR_FULL no space or over a limit,
 * QR_LOCKED another process or handle has the directory, QR_IO, QR_NOMEM, QR_CLOSED after a fatal
 * error. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "env/env.h"
#include "obs/log.h"
#include "page/lsn.h"

struct qr_server_key;
struct qr_store;

enum { QR_STORE_PATH_BYTES_MAX = 3072 };

/* Zero means the default in brackets. */
struct qr_store_options {
    struct qr_env *env;  /* [qr_env_real()] */
    struct qr_log log;   /* events: recovered, failed, clock_jumped ... [none] */
    const char *tmp_dir; /* SQLite's temporary files [the store's directory]; copied */
    /* New stores are encrypted under a key of their own that this one wraps, in the file `key`, and
     * so are pages kept behind the cache; who has such files needs it. [in clear]; borrowed */
    const struct qr_server_key *server_key;
    uint32_t page_bytes;        /* at create: 4096 to 65536, a power of 2 [8192] */
    uint64_t cache_bytes;       /* pages in memory, soft limit [64 MiB] */
    uint64_t txn_bytes_max;     /* pages that one transaction changes [1 TiB] */
    uint64_t txn_memory_bytes;  /* of those in memory before they go to a file [64 MiB] */
    uint64_t log_segment_bytes; /* log files grow from 1 MiB to this [16 MiB]; at least 256 KiB */
    uint64_t log_bytes_max; /* log kept since the last checkpoint: writers wait beyond [1 GiB] */
    /* Log behind the checkpoint is kept for backups until they release it (store/archive.h), as
     * much as this; then the oldest goes. [0: none is kept] */
    uint64_t log_hold_bytes;
    uint64_t checkpoint_bytes; /* log written before a checkpoint starts [64 MiB] */
    uint64_t max_data_bytes;   /* size quota of the database [none] */
    uint64_t epoch_min;        /* of an open of files: its epoch is that one or a higher one */
    uint64_t tmp_bytes_max;    /* all temporary files together [64 GiB] */
    /* Old versions that snapshots keep, in memory and in the version file: beyond it the oldest
     * snapshots are given up, and beyond half of tmp_bytes_max. [none but that] */
    uint64_t version_bytes_max;
    bool threads_off; /* no threads: the caller drives flush and checkpoint */
    bool open_moved;  /* one that was moved elsewhere, too: for its last backup (store/archive.h) */
    bool sync_off;    /* tests and benchmarks only: commits are not durable */
    /* Called once when the log can no longer be hardened (S3). [write a line to standard error and
     * abort.] If it returns, every later call answers QR_CLOSED and nothing is acknowledged. */
    void (*fatal)(void *ctx, const struct qr_err *err);
    void *fatal_ctx;
    /* A page of the data file breaks its checksum, or is not there; who needs it gets QR_CORRUPT.
     * Any thread, with locks held: it must not call the store. [nothing] */
    void (*page_damaged)(void *ctx, const struct qr_err *err);
    void *page_damaged_ctx;
};

/* Makes the directory (its parent must exist) and an empty database in it, durably, then opens it.
 * QR_EXISTS if there is a store already; a directory that a crash left half made is made anew. */
QR_NODISCARD enum qr_status qr_store_create(const char *dir, const struct qr_store_options *options,
                                            struct qr_store **ret_store, struct qr_err *err);
/* Recovers if needed: applies the log behind the last checkpoint. QR_NOT_FOUND if there is none. */
QR_NODISCARD enum qr_status qr_store_open(const char *dir, const struct qr_store_options *options,
                                          struct qr_store **ret_store, struct qr_err *err);
/* Hardens everything, writes a checkpoint and exact counters, and frees. All connections must be
 * closed and all waits be over. The store is freed even when an error is returned; nothing
 * acknowledged is lost by that. NULL is accepted. */
enum qr_status qr_store_close(struct qr_store *store, struct qr_err *err);
/* Frees without writing anything more: what a crash would leave. For tests and for DROP DATABASE.
 */
void qr_store_abandon(struct qr_store *store);
/* Removes a closed store's files and its directory. */
QR_NODISCARD enum qr_status qr_store_remove(struct qr_env *env, const char *dir,
                                            struct qr_err *err);

/* A replica (store/hyper.h), until it is promoted. */
bool qr_store_is_read_only(const struct qr_store *store);
uint32_t qr_store_page_bytes(const struct qr_store *store);
struct qr_lsn qr_store_head_lsn(const struct qr_store *store);    /* newest published commit */
struct qr_lsn qr_store_durable_lsn(const struct qr_store *store); /* newest hardened commit */
/* QR_OK, or what ended the store's service. */
enum qr_status qr_store_health(const struct qr_store *store);
void qr_store_set_max_data_bytes(struct qr_store *store, uint64_t bytes); /* 0: none */
/* Log of one transaction, beyond which its commit fails with QR_FULL; 0: none */
void qr_store_set_log_txn_bytes(struct qr_store *store, uint64_t bytes);
void qr_store_set_tmp_bytes(struct qr_store *store, uint64_t bytes); /* all temporary files */
uint64_t qr_store_max_data_bytes(const struct qr_store *store);
void qr_store_set_cache_bytes(struct qr_store *store, uint64_t bytes);
uint64_t qr_store_cache_bytes(const struct qr_store *store); /* what was set */
/* Memory that it takes: of its pages, and what is kept for the next ones. */
uint64_t qr_store_cache_used(struct qr_store *store);
/* Gives memory back until it takes no more than so many bytes or none can go just now: pages that
 * nobody uses, those used longest ago first, and what is kept for the next ones. The limit stays.
 * What stays because it is changed is written out, so that another call finds it. */
void qr_store_reclaim_cache(struct qr_store *store, uint64_t bytes);
/* Of all stores of the process together: private pages in memory [256 MiB]. Beyond it each
 * transaction may keep 1 MiB. */
void qr_store_private_bound(uint64_t bytes_max);
uint64_t qr_store_private_used(void);

/* Why writers were slowed down (the wait types RBIO_RG_LOCALDESTAGE, _REPLICA, _DESTAGE, _STORAGE).
 */
enum qr_store_rbio_reason {
    QR_RBIO_NONE,
    QR_RBIO_LOCALDESTAGE,
    QR_RBIO_REPLICA,
    QR_RBIO_DESTAGE,
    QR_RBIO_STORAGE,
    QR_RBIO_COUNT,
};
struct qr_store_rbio {
    uint64_t waits, wait_ns, wait_ns_max;
};
/* How often something was waited for, and how long: all of them together and the longest. */
struct qr_store_waits {
    uint64_t count, ns, ns_max;
};

/* The tier of pages on the node's own disk (hyper.h). */
struct qr_store_rbpex {
    uint64_t bytes, bytes_max;
    uint64_t hits, misses;    /* of cache_misses */
    uint64_t confirmed;       /* of hits: a page server said NOT_MODIFIED */
    uint64_t written;         /* pages */
    uint64_t refused;         /* evicted pages that were not taken */
    uint64_t changed;         /* pages forgotten because there is a newer version */
    uint64_t damaged, failed; /* pages that did not pass their checksum; writes that failed */
};

/* Of temporary files: how often, how much, how long it took, and waited for its turn before. */
struct qr_store_tmp_io {
    uint64_t count, bytes, stall_ns, queued_ns;
};

struct qr_store_stats {
    uint64_t data_bytes;     /* size of the database: pages times page size, at head */
    uint64_t used_bytes;     /* without free pages */
    uint64_t file_bytes;     /* data file on disk */
    uint64_t max_data_bytes; /* 0: none */
    struct qr_lsn head_lsn, durable_lsn, checkpoint_lsn;
    uint64_t epoch;
    uint64_t log_bytes;      /* log since the last checkpoint */
    uint64_t log_file_bytes; /* log segments on disk */
    uint64_t log_bytes_written;
    uint64_t commits; /* made here since it was opened */
    uint64_t blocks, syncs, checkpoints;
    uint64_t pages_read, pages_written; /* data file */
    uint64_t pages_write_ns;
    uint64_t cache_bytes, cache_bytes_max; /* frames in use */
    uint64_t cache_hits, cache_misses, evictions;
    uint64_t versions_held;    /* superseded page versions that a snapshot still needs, in memory */
    uint64_t versions_spilled; /* the same, in the local version file */
    uint64_t tmp_bytes_max;
    uint64_t log_txn_bytes_max;                   /* of one transaction; 0: no limit */
    uint64_t tmp_bytes, tmp_bytes_written;        /* temporary files now; written since the open */
    struct qr_store_tmp_io tmp_reads, tmp_writes; /* since the open */
    uint64_t read_queued_ns;          /* that reads waited for their turn (governor/task.h) */
    struct qr_store_waits log_waits;  /* commits whose answer waited to be durable (WRITELOG) */
    struct qr_store_waits page_waits; /* reads of pages that were not in memory (PAGEIOLATCH_SH) */
    struct qr_store_waits log_writes; /* groups of blocks synced, or appends answered */
    struct qr_store_rbio rbio[QR_RBIO_COUNT]; /* hyper.h: zeros elsewhere, as what follows */
    uint64_t appends, appends_repeated;       /* calls to the log service */
    uint64_t pages_ahead;                     /* of pages_read: came before they were asked for */
    struct qr_store_rbpex rbpex;
};
void qr_store_get_stats(struct qr_store *store, struct qr_store_stats *ret_stats);

/* The version store: old versions of pages that snapshots keep. */
struct qr_store_versions {
    uint64_t bytes, bytes_max;       /* in memory and on disk */
    uint64_t disk_bytes;             /* of bytes */
    uint64_t count;                  /* versions */
    uint64_t snapshots;              /* that transactions have pinned */
    uint64_t given_up;               /* snapshots, since the open */
    struct qr_lsn oldest;            /* snapshot of a transaction; 0: none */
    int64_t swept_from_ns, swept_ns; /* the last round of collecting; wall clock, 0: none yet */
};
void qr_store_get_versions(struct qr_store *store, struct qr_store_versions *ret_versions);

/* Hardens what is published. With threads this may only wait for a flusher. */
QR_NODISCARD enum qr_status qr_store_flush(struct qr_store *store, struct qr_err *err);
/* Writes the pages of the newest durable commit into the data file and drops log before it. */
QR_NODISCARD enum qr_status qr_store_checkpoint(struct qr_store *store, struct qr_err *err);
