/* store/hyper.h - a store that keeps nothing: commits are hardened by a log service, pages come
 * from page servers, this process caches (HYPERSCALE tier). Everything else is store/store.h, txn.h
 * ...
 *
 * A replica is a store like any other, but read-only: it follows the primary's log, so its durable
 * LSN moves by itself from commit to commit, and writers get QR_READ_ONLY. Its snapshots are those
 * of the primary. It can become the primary, with its memory and its readers.
 *
 * One primary writes a timeline; opening raises its epoch, and from then on whoever had it before
 * commits nothing: its next append is refused, which ends that store (options.fatal). The directory
 * holds a lock file and what is local to this process: temporary files, spilled versions.
 * A primary serves under a lease (S6): when it runs out and is not renewed in time, nothing is told
 * to be durable, and snapshots wait and then fail with QR_TIMEOUT. A primary that is told that its
 * epoch is over ends (options.fatal).
 * With threads_off every wait drives the peers (peer->ops->wait), so a simulation runs in one
 * thread. Errors beside those of store.h: QR_GONE a snapshot is older than what page servers keep,
 * QR_FENCED the epoch is not above the current one,
 * QR_LOCKED the primary before still has a lease, QR_TIMEOUT the services did not answer in time.
 */
#pragma once
#include "page/timeline.h"
#include "rpc/rpc.h"
#include "store/store.h"

/* Zero means the default in brackets. */
struct qr_hyper_options {
    struct qr_timeline timeline;
    struct qr_rpc_peer *log, *pages; /* stay until the store is closed; many calls at once */
    uint32_t
        slice_count; /* [1] slices of 128 GiB that `pages` serves: what the database may take */
    uint64_t slice_bytes; /* for tests; the page server's [128 GiB] */
    /* A primary that grows makes the next slice on the page server and tells here how many there
     * are, before it writes the first page of it: whoever branches or drops the timeline must know
     * (durably when this returns QR_OK). Any thread that writes, without the writer lock. [NULL: it
     * does not grow] */
    enum qr_status (*grown)(void *ctx, uint32_t slice_count, struct qr_err *err);
    void *grown_ctx;
    uint64_t epoch; /* above all before [one above] */
    bool force;     /* the process that had it is gone for sure: don't wait for its lease */
    int64_t open_timeout_ns;   /* [30 s] */
    int64_t append_timeout_ns; /* an append without an answer is repeated for so long [60 s] */
    int64_t page_timeout_ns;   /* the same for a page, then the read fails [30 s] */
    /* A primary answers while it holds a lease of so long, which it renews at a third of it; at
     * most the log service's lease_ttl_ns_max [10 s] */
    int64_t lease_ttl_ns;
    /* The page servers keep what our snapshots read for so long after we were heard of last;
     * renewed at a third of it [30 s] */
    int64_t snapshot_lease_ns;
    uint64_t rbpex_bytes; /* pages kept in `dir` behind the cache; at least 16 pages [0: none] */
    uint64_t rbpex_log_bytes; /* of log read at most to trust them after a restart [256 MiB] */
    uint64_t reader_id;       /* a replica's, to the log service [random] */
    uint32_t feed_bytes;      /* of log that a replica takes at once [4 MiB] */
    int64_t feed_wait_ns;     /* how long its call may wait for news [5 s] */
    int64_t feed_answer_ns;   /* on top of that [10 s] */
    /* What repeats wait with. [the environment's sleep] */
    void (*pause)(void *ctx, int64_t ns);
    void *pause_ctx;
};

/* A new timeline with an empty database, in the log service and on the page server. May be
 * repeated. Of the store options only page_bytes counts. */
QR_NODISCARD enum qr_status qr_hyper_create(const struct qr_hyper_options *hyper,
                                            uint32_t page_bytes, struct qr_err *err);
/* `dir` is made if missing. options.page_bytes must be the timeline's. log_bytes_max [64 MiB] is
 * what may be published and not durable yet before writers wait. */
QR_NODISCARD enum qr_status qr_hyper_open(const char *dir, const struct qr_store_options *options,
                                          const struct qr_hyper_options *hyper,
                                          struct qr_store **ret_store, struct qr_err *err);
/* The same for a replica: epoch, force and append_timeout_ns do not count yet. Its state is that of
 * the newest visible commit when this returns. A replica whose log is gone from the log service, or
 * is damaged, ends (options.fatal). */
QR_NODISCARD enum qr_status qr_hyper_open_replica(const char *dir,
                                                  const struct qr_store_options *options,
                                                  const struct qr_hyper_options *hyper,
                                                  struct qr_store **ret_store, struct qr_err *err);
/* The replica takes the timeline over: whoever had it commits nothing any more, what it hardened is
 * applied, writers are let in. `epoch`, `force`: as in the options. One call at a time. After a
 * failure it is a replica still and may be promoted again. Blocks; readers go on. */
QR_NODISCARD enum qr_status qr_hyper_promote(struct qr_store *store, uint64_t epoch, bool force,
                                             struct qr_err *err);
/* A primary gives its reign up for the one that follows: from now on it answers nobody and hardens
 * nothing, as a store that has failed, but nobody is told (options.fatal). What was told to be
 * durable is. A replica may be promoted with `force` when this has returned. */
void qr_hyper_resign(struct qr_store *store);
/* Another size for the pages on the node's own disk, while the store is used: those that fit stay.
 * A store without such a tier stays without. Waits for a few writes at most. */
QR_NODISCARD enum qr_status qr_hyper_set_rbpex_bytes(struct qr_store *store, uint64_t bytes,
                                                     struct qr_err *err);
/* Warming: a node that is to take over begins with the pages that another one uses. */
enum qr_warmth {
    QR_WARM_DISK, /* to the node's own disk, if there is room */
    QR_WARM_COLD, /* to memory, if there is room; else to disk */
    QR_WARM_HOT,  /* the same, as a page that was used often */
    QR_WARM_COUNT,
};
enum { QR_HYPER_WARM_MAX = 512 }; /* pages at once */
/* Pages that are here, in this order: used most in memory, the others there, on disk only. Where
 * each of the first two parts ends. At most `max` to dst. Advice: they come and go meanwhile. */
struct qr_hyper_listed {
    size_t hot, memory, all;
};
void qr_hyper_list_pages(struct qr_store *store, uint32_t *dst, size_t max,
                         struct qr_hyper_listed *ret_listed);
/* Brings pages, QR_HYPER_WARM_MAX at most, that are not here: a replica's as of what it has
 * applied. Those that do not exist, have no room or change meanwhile are left out. *ret_kept: how
 * many came. Waits for the page server; anything else goes on. */
QR_NODISCARD enum qr_status qr_hyper_warm(struct qr_store *store, const uint32_t *pages,
                                          size_t count, enum qr_warmth as, size_t *ret_kept,
                                          struct qr_err *err);
/* Where a replica is, and where the log service last said that the primary is. Of a primary both
 * are what is durable. Wall times are those of the commits. */
struct qr_hyper_lag {
    struct qr_lsn applied_lsn, visible_lsn;
    uint64_t applied_wall_ns, visible_wall_ns;
};
void qr_hyper_get_lag(struct qr_store *store, struct qr_hyper_lag *ret_lag);
/* Who writers are slowed down for just now. */
enum qr_store_rbio_reason qr_hyper_slowed_by(struct qr_store *store);
/* What the page servers keep for this store (S13): a snapshot from `lsn` on reads its pages, until
 * `until_ns` of the monotonic clock at least. A read behind that may fail with QR_GONE. */
struct qr_hyper_hold {
    struct qr_lsn lsn;
    int64_t until_ns;
};
void qr_hyper_get_hold(struct qr_store *store, struct qr_hyper_hold *ret_hold);
/* With threads_off: sends what was published, renews the lease and repeats what failed, if it is
 * time; a
 * replica asks for log. Does not wait. */
void qr_hyper_step(struct qr_store *store);
