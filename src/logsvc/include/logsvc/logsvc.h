/* logsvc/logsvc.h - the log service: makes log durable for many timelines, feeds it to readers,
 * keeps it for good in a blob store. README.md has the words and the invariants.
 *
 * Threads: any call from any thread. `done` comes exactly once, with no lock held, from the
 * service's threads, from a step, or before the call that started it has returned; it may make
 * further calls but must not block. With threads_off the caller drives flush, destage and tick.
 * Memory is bounded: queue, ring, feeds and readers have maxima; what is over one gets QR_BUSY.
 * With `landing` an open waits until the lease of a process that is gone has run out (15 s), but
 * for one whose `landing_leases` it has.
 * Errors: QR_NOT_FOUND no such timeline, or log that was trimmed; QR_FENCED an older epoch;
 * QR_CONFLICT a gap, an overlap that differs, an epoch nobody opened; QR_CORRUPT damage found;
 * QR_CLOSED the journal failed (fatal was called) or the service is closing: the outcome is open.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "env/env.h"
#include "logsvc/journal.h"
#include "logsvc/piece.h"
#include "obs/log.h"
#include "page/timeline.h"

struct qr_logsvc;
struct qr_blob;
struct qr_keyring;
struct qri_timeline;

enum {
    QR_LOGSVC_APPEND_BYTES_MAX = QR_JOURNAL_DATA_BYTES_MAX,
    QR_LOGSVC_CURSORS_MAX = 1024, /* in one feed */
    QR_LOGSVC_READERS_MAX = 64,   /* of one timeline */
    QR_LOGSVC_READ_BYTES_MAX = 8 << 20,
    QR_LOGSVC_DIR_BYTES_MAX = 900,
};

struct qr_logsvc_options { /* 0 takes the value in brackets */
    struct qr_env *env;
    struct qr_log log;
    const char *dir;            /* its parent must exist */
    struct qr_blob *landing;    /* the journal is kept there, as append objects below `dir` (a name
                                   without a slash in front); NULL: in files */
    const char *landing_leases; /* a file of this process's own machine, in which its leases are
                                   kept: whoever opens with it after the process was killed gives
                                   them back instead of waiting. Copied. [NULL: none] */
    struct qr_blob *blob;       /* NULL: nothing is destaged and the journal only grows */
    struct qr_keyring *keyring; /* encrypts journal and long-term log; NULL: in clear */
    uint32_t landing_appends_max; /* [40000] to one object; the service takes 50,000 */
    uint64_t segment_bytes;       /* [64 MiB]; at least 4 KiB, a block must fit an append */
    uint64_t journal_bytes_max;   /* [1 GiB] appends are refused (QR_BUSY) beyond it; more if
                                     more is there at the open */
    uint64_t ring_bytes;          /* [64 MiB] recent log in memory, an eighth in calm times; feeds
                                     of readers further behind read the disk */
    uint64_t queue_bytes_max;     /* [32 MiB] appends that wait for the journal */
    uint32_t timelines_max;       /* [65536] */
    uint32_t feeds_max;           /* [1024] feeds that wait */
    uint64_t object_bytes;        /* [QR_LOG_OBJECT_BYTES] destaged at once */
    bool compression_off;         /* of long-term log */
    int64_t destage_age_ns;       /* [10 s] log that waits longer is destaged in smaller objects */
    uint64_t storage_lag_bytes;   /* [256 MiB] page servers further behind slow the primary down */
    uint64_t replica_lag_bytes;   /* [256 MiB] */
    uint64_t destage_lag_bytes;   /* [5/8 of journal_bytes_max, at least 512 MiB] */
    uint64_t busy_bytes_per_s;    /* [64 MiB] while log comes as fast, destaging is put off: until
                                     half of the journal is in use, for six times destage_age_ns */
    /* Of the disk that journal and long-term storage share: what is put off leaves twice itself.
     * [NULL: they share none] */
    uint64_t (*free_bytes)(void *ctx);
    void *free_ctx;
    uint32_t delay_us_max;    /* [100000] the most that one append is asked to wait */
    int64_t reader_ttl_ns;    /* [60 s] a silent reader slows nobody after this */
    int64_t lease_ttl_ns_max; /* [10 s] */
    void (*fatal)(void *ctx, const struct qr_err *err); /* NULL: log and abort (S3) */
    void *fatal_ctx;
    bool threads_off;
};

/* Makes the directory if it is missing; takes it exclusively (QR_LOCKED) and raises its generation.
 */
QR_NODISCARD enum qr_status qr_logsvc_open(const struct qr_logsvc_options *options,
                                           struct qr_logsvc **ret_svc, struct qr_err *err);
/* Hardens what is queued, ends feeds with QR_CLOSED, frees. NULL is accepted. */
void qr_logsvc_close(struct qr_logsvc *svc);
/* Ends as a crash would: nothing more is written. Everything unfinished is done with QR_CLOSED. */
void qr_logsvc_abandon(struct qr_logsvc *svc);

/* --- timelines --- */

struct qr_logsvc_state {
    uint64_t epoch;        /* 0: nobody ever wrote */
    uint64_t hardened_lsn; /* end of the log */
    uint64_t commit_lsn;   /* the visible LSN: the last hardened commit mark, or the start */
    uint64_t commit_wall_ns;
    uint64_t destaged_lsn; /* long-term storage has everything before it */
    uint64_t trimmed_lsn;  /* log before it is given up */
    uint64_t start_lsn, branch_lsn;
    struct qr_timeline parent; /* zeros: none */
};

enum qr_logsvc_change_kind {
    QR_LOGSVC_CREATE = QR_JOURNAL_CREATE,
    QR_LOGSVC_DROP = QR_JOURNAL_DROP,
    QR_LOGSVC_FENCE = QR_JOURNAL_FENCE,
    QR_LOGSVC_TRIM = QR_JOURNAL_TRIM,
};

/* A change of a timeline, durable when `done` says QR_OK; all are idempotent. Zeroed and filled in
 * by the caller; stays in place until done. create: QR_EXISTS if it is there with other values;
 * commit_lsn (0: start_lsn) and commit_wall_ns are what is visible before its first commit. drop:
 * its log is deleted; QR_OK also if it is unknown. fence: a new reign. QR_FENCED unless `epoch` is
 * above all before, or the same with the same holder. From the moment it is accepted older epochs
 * append nothing. Without `force` QR_LOCKED while a lease runs, and that lease is not renewed any
 * more; try again after wait_ns. trim: long-term log before `lsn` may be deleted; at most up to the
 * visible LSN. */
struct qr_logsvc_change {
    enum qr_logsvc_change_kind kind;
    struct qr_timeline timeline;
    void (*done)(struct qr_logsvc_change *change);
    struct qr_timeline parent; /* create */
    uint64_t branch_lsn, start_lsn, commit_lsn, commit_wall_ns;
    uint64_t epoch, holder; /* fence: holder is a random number of who asks */
    bool force;
    uint64_t lsn; /* trim */

    enum qr_status status;        /* set before done, like what follows */
    const char *why;              /* of a failure; a literal */
    int64_t wait_ns;              /* QR_LOCKED */
    struct qr_logsvc_state state; /* QR_OK; of a fence: all that the older epochs hardened */
};
void qr_logsvc_change(struct qr_logsvc *svc, struct qr_logsvc_change *change);

QR_NODISCARD enum qr_status qr_logsvc_state(struct qr_logsvc *svc,
                                            const struct qr_timeline *timeline,
                                            struct qr_logsvc_state *ret_state, struct qr_err *err);
/* The primary may serve for ttl_ns from now. QR_INVALID beyond lease_ttl_ns_max. QR_FENCED when its
 * epoch is not the current one or somebody waits to fence it. Leases are kept in memory; after a
 * restart every timeline counts as leased for lease_ttl_ns_max. */
QR_NODISCARD enum qr_status qr_logsvc_renew(struct qr_logsvc *svc,
                                            const struct qr_timeline *timeline, uint64_t epoch,
                                            int64_t ttl_ns, struct qr_err *err);

/* --- appending --- */

enum qr_logsvc_reason { /* why the primary should slow down, worst last */
                        QR_THROTTLE_NONE,
                        QR_THROTTLE_LOCAL,   /* the journal fills */
                        QR_THROTTLE_REPLICA, /* a replica is behind */
                        QR_THROTTLE_DESTAGE, /* long-term storage is behind */
                        QR_THROTTLE_STORAGE, /* a page server is behind */
};
struct qr_logsvc_throttle {
    uint32_t delay_us;
    enum qr_logsvc_reason reason;
};

/* Zeroed and filled in by the caller; stays in place until done. Many may be in flight; each starts
 * where the one before ended. An exact duplicate of hardened log is QR_OK again. */
struct qr_logsvc_append {
    struct qr_timeline timeline;
    uint64_t epoch;
    uint64_t first_lsn;
    const uint8_t *bytes; /* copied by the call, unless their memory comes along: */
    void *own_memory;     /* where they lie, from malloc, taken by the call; or NULL */
    uint32_t byte_count;  /* 1 .. QR_LOGSVC_APPEND_BYTES_MAX */
    bool new_epoch; /* the first of its epoch: starts with the EPOCH record; the LSN may jump */
    uint64_t commit_lsn; /* end of the last COMMIT record in it; 0: none */
    uint64_t commit_wall_ns;
    void (*done)(struct qr_logsvc_append *append);

    enum qr_status status; /* set before done, like what follows */
    const char *why;       /* of a failure; a literal */
    uint64_t end_lsn;      /* where the next append must start; of a refusal too, when known */
    uint64_t hardened_lsn, visible_lsn;
    struct qr_logsvc_throttle throttle;
};
void qr_logsvc_append(struct qr_logsvc *svc, struct qr_logsvc_append *append);

/* --- reading --- */

/* Appends pieces (logsvc/piece.h) from `from_lsn` on to `buf`: hardened log only, about bytes_max
 * of it, at least one piece if there is any. The first piece starts at from_lsn unless that lies in
 * a gap between epochs. Blocks when the log is not in memory. ret_state is of a moment before. */
QR_NODISCARD enum qr_status qr_logsvc_read(struct qr_logsvc *svc,
                                           const struct qr_timeline *timeline, uint64_t from_lsn,
                                           size_t bytes_max, struct qr_buf *buf,
                                           struct qr_logsvc_state *ret_state, struct qr_err *err);

enum qr_logsvc_reader { QR_READER_OTHER, QR_READER_PAGES, QR_READER_REPLICA, QR_READER_GEO };
enum { QR_LOGSVC_READER_KINDS = QR_READER_GEO + 1 };

struct qr_logsvc_cursor {
    struct qr_timeline timeline;
    uint64_t from_lsn;
    uint64_t reader_id; /* 0: nobody that matters; else its lag slows the primary down */
    enum qr_logsvc_reader kind;
    uint64_t applied_lsn;
    uint64_t known_epoch, known_commit_lsn; /* news of these alone also end the wait */
};

/* Many cursors at once. Done when there is log for one of them, or news, or a cursor fails, or
 * wait_ns is over (then with no entries). The answer is a list of entries (logsvc/client.h). Stays
 * in place until done. */
struct qr_logsvc_feed {
    const struct qr_logsvc_cursor *cursors;
    uint32_t cursor_count;
    size_t bytes_max;
    int64_t wait_ns;
    struct qr_buf *answer; /* the caller's, empty */
    void (*done)(struct qr_logsvc_feed *feed);
    enum qr_status
        status; /* set before done: QR_OK, QR_BUSY, QR_INVALID, QR_CANCELLED, QR_CLOSED */

    struct qr_logsvc_feed *prev, *next; /* the service's from here */
    struct qri_watch *watches;
    int64_t deadline_ns;
    int phase;
};
void qr_logsvc_feed(struct qr_logsvc *svc, struct qr_logsvc_feed *feed);
/* `done` comes with QR_CANCELLED unless it came or comes anyway. */
void qr_logsvc_feed_cancel(struct qr_logsvc *svc, struct qr_logsvc_feed *feed);
/* The reader is gone for good: it slows nobody down. */
void qr_logsvc_reader_forget(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                             uint64_t reader_id);

/* Who follows a timeline, as of what it said last. */
struct qr_logsvc_reader_info {
    uint64_t id, applied_lsn;
    enum qr_logsvc_reader kind;
    uint64_t lag_bytes; /* of log that it has not applied */
    int64_t silent_ns,
        behind_ns; /* since it asked; since when it has lacked a commit, 0: it has all */
};
struct qr_logsvc_readers {
    uint64_t commit_lsn, commit_wall_ns; /* what they could have */
    size_t count;
    struct qr_logsvc_reader_info items[QR_LOGSVC_READERS_MAX];
};
QR_NODISCARD enum qr_status qr_logsvc_readers(struct qr_logsvc *svc,
                                              const struct qr_timeline *timeline,
                                              struct qr_logsvc_readers *ret_readers,
                                              struct qr_err *err);

/* The last commit at or before that time, exactly. QR_NOT_FOUND: before what is kept. Blocks. */
QR_NODISCARD enum qr_status qr_logsvc_find(struct qr_logsvc *svc,
                                           const struct qr_timeline *timeline, uint64_t wall_ns,
                                           uint64_t *ret_commit_lsn, uint64_t *ret_commit_wall_ns,
                                           struct qr_err *err);

struct qr_logsvc_stats {
    uint64_t generation, timelines, damaged_timelines;
    uint64_t appends, append_bytes, blocks, journal_bytes_written, syncs;
    uint64_t journal_bytes, ring_bytes, queue_bytes, feeds_waiting;
    uint64_t objects_written, object_bytes_written, objects_deleted, segments_dropped;
    uint64_t refused_busy, refused_fenced, refused_conflict;
};
void qr_logsvc_stats(struct qr_logsvc *svc, struct qr_logsvc_stats *ret_stats);

/* --- steps, with threads_off --- */

/* Hardens what waits (one block). QR_NOT_FOUND: nothing did. */
QR_NODISCARD enum qr_status qr_logsvc_flush(struct qr_logsvc *svc, struct qr_err *err);
/* Writes up to `objects_max` long-term objects, deletes what was trimmed or dropped, drops
 * segments. *ret_more: there is more to do now. */
QR_NODISCARD enum qr_status qr_logsvc_destage(struct qr_logsvc *svc, uint32_t objects_max,
                                              bool *ret_more, struct qr_err *err);
/* Ends feeds whose wait is over; in calm times gives memory of the ring back. */
void qr_logsvc_tick(struct qr_logsvc *svc);
