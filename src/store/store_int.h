/* store_int.h - what the parts of the filestore share. README.md has the invariants and the order
 * of locks. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "crypt/page.h"
#include "crypt/server_key.h"
#include "base/buf.h"
#include "env/thread.h"
#include "page/datafile.h"
#include "page/record.h"
#include "store/counter.h"
#include "store/durable.h"
#include "store/store.h"
#include "store/tmp.h"
#include "store/txn.h"
#include "behind_int.h"
#include "upkeep_int.h"

enum {
    QRI_CHUNK_PAGES = 1024,    /* page table entries per chunk */
    QRI_CHUNK_COUNT = 1 << 22, /* covers every 32-bit page number */
    QRI_STRIPES = 256,
    QRI_SLAB_BYTES = 1 << 20,
    QRI_LOG_CHUNK_BYTES = 1 << 18,  /* commits are gathered in buffers of this size */
    QRI_LOG_LARGE_BYTES = 32 << 20, /* of a large commit's buffer that is kept for the next */
    QRI_FIRST_LSN = 4096,           /* so that 0 is "none" */
    QRI_FLUSHERS_MAX = 2,
    QRI_SEGMENT_REST_MIN = 2 * QR_SECTOR_BYTES, /* a segment's rest below this stays unused */
};

/* Of a transaction whose members take its log group in memory. */
#define QRI_COPIES_TXN_BYTES_MAX (UINT64_C(1) << 30)
/* Between epochs the LSN jumps by this much: more than could have been written but not hardened. */
#define QRI_EPOCH_LSN_JUMP (UINT64_C(1) << 32)

/* One version of one page. The memory of frames is never unmapped while the store lives, so that a
 * reader may pin a frame first and look afterwards if it is still the right one. */
struct qri_frame {
    _Atomic int32_t pins;
    _Atomic uint32_t page_no;        /* 0: free or private */
    uint64_t lsn;                    /* set before the frame is linked */
    struct qri_frame *older, *newer; /* guarded by the page's stripe, see README */
    struct qri_frame *next;          /* free list, retired or held queue */
    uint64_t superseded_lsn;         /* of the version that replaced this one */
    uint8_t *data;                   /* NULL: a stub (stub.c) */
    struct qri_pages *pages; /* of a stub: the file its page is in, NULL: a base; at spill_slot */
    uint64_t spill_slot;
    _Atomic uint8_t used; /* enum qri_used; but for pins the only thing that reading changes */
};

/* A file of pages that stubs keep. */
struct qri_pages {
    struct qr_tmp_file *file;
    _Atomic uint64_t refs;
};

/* In the page table a stub's address is marked. Without the page's stripe it must not be touched.
 */
static inline bool qri_is_stub(const struct qri_frame *entry)
{
    return ((uintptr_t)entry & 1) != 0;
}
static inline struct qri_frame *qri_stub_mark(struct qri_frame *stub)
{
    return (struct qri_frame *)((uintptr_t)stub | 1);
}
/* With the stripe held: the newest version, whatever it is. */
static inline struct qri_frame *qri_head(_Atomic(struct qri_frame *) *entry)
{
    return (struct qri_frame *)((uintptr_t)atomic_load(entry) & ~(uintptr_t)1);
}

/* How often a frame was used since it came: cache.c lets those used twice be. */
enum qri_used {
    QRI_USED_HOT = 2, /* of the count, which ends at its mask */
    QRI_USED_COUNT = 3,
    QRI_USED_WAS_HOT = 4,
    QRI_USED_NEW = 8, /* a commit made the page; with a count of 1 nobody has read it since */
};

struct qri_chunk {
    _Atomic(struct qri_frame *) heads[QRI_CHUNK_PAGES]; /* newest version; NULL: in the data file */
    _Atomic uint64_t dirty[QRI_CHUNK_PAGES / 64];       /* newer than the data file */
};

struct qri_slab {
    uint32_t frame_count;
    _Atomic uint32_t hot_count; /* of its frames */
    struct qri_frame frames[];
};

/* A snapshot that keeps versions alive. */
struct qri_slot {
    _Atomic uint64_t lsn;         /* 0: none */
    bool stays;                   /* no transaction's: it is never given up */
    struct qri_slot *prev, *next; /* guarded by slots_mu */
};

struct qri_queue {
    struct qri_frame *first, *last;
    size_t count;
};

struct qri_cache {
    pthread_mutex_t mu;
    struct qri_slab **slabs; /* guarded by mu */
    size_t slab_count, slab_capacity;
    struct qri_frame *free_frames; /* used not long ago */
    struct qri_frame *cold_frames; /* free, without memory: new, or it was given back */
    size_t free_count, cold_count, total_count; /* cold ones count as free, too */
    _Atomic uint64_t bytes_max;
    _Atomic size_t hot_count; /* frames used QRI_USED_HOT times or more */
    bool starved;             /* all that could go is hot; guarded by mu */
    _Atomic uint32_t *ghosts; /* by hash: pages that were taken back without having been hot */
    uint32_t ghost_mask;
    size_t hand_slab, hot_hand_slab;
    uint32_t hand_frame, hot_hand_frame;
    _Atomic uint64_t hits, misses, evictions;
};

/* Bytes on their way to the log. */
struct qri_log_chunk {
    struct qri_log_chunk *next;
    uint8_t *data; /* NULL: in `file`, from its start on, whole records of pages only */
    size_t len, capacity;
    struct qr_tmp_file *file;
};

struct qri_segment {
    uint64_t no;
    struct qr_file *file;
    uint64_t bytes;
    uint64_t first_lsn; /* of its first block; 0: it has none yet. guarded by segments_mu */
    uint64_t after_lsn; /* where the log ended before that block; guarded likewise */
    struct qri_segment *next;
};

struct qri_log_pos {
    uint64_t lsn; /* of the block that starts here */
    uint64_t segment_no, offset;
};

struct qri_log {
    pthread_mutex_t mu;
    pthread_cond_t wake;                /* the flushers sleep here */
    bool flushing, flush_wanted;        /* a batch is being hardened; guarded by mu */
    int flushers_asleep;                /* guarded by mu */
    struct qri_log_chunk *first, *last; /* guarded by mu */
    struct qri_log_chunk *spares;       /* empty buffers; guarded by mu */
    size_t spare_count;
    struct qri_log_chunk *large;    /* empty ones of large commits; guarded by mu */
    size_t large_bytes;             /* their capacity; guarded by mu */
    int64_t large_used_ns;          /* when one was kept or wanted; guarded by mu */
    _Atomic bool large_kept;        /* there are some: upkeep looks after them */
    int64_t queued_cost;            /* promised for what is in the chunks; guarded by mu */
    uint64_t append_lsn;            /* guarded by mu */
    uint64_t commit_lsn;            /* last commit mark appended; guarded by mu */
    struct qr_buf epoch_record;     /* made at open: appending must not fail */
    bool epoch_pending;             /* the EPOCH record is not appended yet; guarded by mu */
    uint64_t last_bytes;            /* size of the last segment; guarded by mu */
    int64_t room;                   /* file bytes not promised to anybody; guarded by mu */
    struct qri_log_pos durable_pos; /* behind the last hardened block; guarded by mu */
    pthread_mutex_t flush_mu;       /* one flush at a time; guards what follows */
    struct qri_segment *current;
    uint64_t offset; /* in current */
    uint64_t written_lsn;
    uint64_t end_lsn; /* of the log that is written: written_lsn, but before a new epoch's jump */
    int64_t gather_again_ns, gather_pause_ns;
    uint8_t *block;               /* QR_BLOCK_PAYLOAD_BYTES_MAX and header and padding; aligned */
    pthread_mutex_t extend_mu;    /* one new segment at a time */
    pthread_mutex_t segments_mu;  /* the list of segments */
    struct qri_segment *segments; /* oldest first */
    int archive_readers;          /* while there are any no segment goes; guarded by segments_mu */
    _Atomic bool keeps_all;       /* somebody follows the log: none of it goes */
    _Atomic uint64_t hold_lsn;    /* log from here on stays for backups, if there is a hold */
    _Atomic uint64_t unneeded_no; /* the checkpoint needs no segment before it */
    _Atomic uint64_t since_checkpoint; /* record bytes appended behind the last checkpoint */
    _Atomic uint64_t file_bytes, bytes_written, blocks, syncs;
};

/* What one flush takes, all read under log.mu at once. */
struct qri_batch {
    struct qri_log_chunk *chunks;
    int64_t cost;
    uint64_t end_lsn, commit_lsn, commit_no, commit_wall_ns;
    uint32_t pages_max;
    uint64_t synced_lsn, file_bytes;
    uint32_t fill; /* payload bytes in log.block */
    bool unsynced; /* blocks are written and not synced */
};

/* The end of a flushed batch. */
struct qri_hardened {
    uint64_t commit_lsn, commit_no, commit_wall_ns;
    uint32_t pages_max;
    struct qri_log_pos pos;
};

/* What is hardened here and not yet everywhere (a copy of several): nobody is told. Oldest first;
 * guarded by log.mu. */
enum { QRI_PENDING_MAX = 16 };
struct qri_pending {
    _Atomic bool on;
    bool ragged; /* what is flushed next ends in the middle of a group: nothing starts there */
    struct qri_hardened items[QRI_PENDING_MAX];
    size_t count;
};

/* What differs between the stores: how log becomes durable, and where pages come from that are not
 * in memory. All that the two share calls it through this table; README.md says what stays common.
 */
struct qri_backend {
    int flushers; /* threads that call harden */
    /* Promises room for a log group before its commit is published (S3). QR_FULL. */
    enum qr_status (*reserve)(struct qr_store *store, int64_t cost, struct qr_err *err);
    void (*unreserve)(struct qr_store *store, int64_t cost);
    /* Takes what is appended (qri_log_take) and makes it durable, or begins to. A failure has ended
     * the store. */
    enum qr_status (*harden)(struct qr_store *store, struct qr_err *err);
    /* Returns when everything that was appended before the call is durable. */
    enum qr_status (*flush)(struct qr_store *store, struct qr_err *err);
    bool (*is_local)(struct qr_store *store, uint32_t page_no); /* on a disk here; NULL: all are */
    /* The newest version of a page that has no frame, with the page's stripe held. */
    enum qr_status (*read_page)(struct qr_store *store, uint32_t page_no, uint8_t *dst,
                                uint64_t *ret_lsn, struct qr_err *err);
    /* With the page's stripe held, for a store whose versions also come from elsewhere (a replica):
     * links the page that read_page has read and that is in `own_frame` now, with what became known
     * of it meanwhile; *ret_frame is the newest version. NULL: it is simply linked. */
    enum qr_status (*link_page)(struct qr_store *store, uint32_t page_no,
                                _Atomic(struct qri_frame *) *entry, struct qri_frame *own_frame,
                                struct qri_frame **ret_frame, struct qr_err *err);
    /* The version as of `lsn`, when memory has only newer ones or none. NULL with link_page. */
    enum qr_status (*read_at)(struct qr_store *store, uint32_t page_no, uint64_t lsn, uint8_t *dst,
                              uint64_t *ret_lsn, struct qr_err *err);
    /* The version as of `lsn` of a page that a large transaction has superseded, or is about to,
     * without having read it. NULL: read_page still has it, because no checkpoint has written the
     * page since. */
    enum qr_status (*read_base)(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err);
    /* Before the only frame of a page goes; with its stripe and cache.mu held. May be NULL. */
    void (*evicting)(struct qr_store *store, uint32_t page_no, uint64_t lsn);
    /* When it is gone, under the same locks; `hot`: it was used more than once. May be NULL. */
    void (*evicted)(struct qr_store *store, const struct qri_frame *frame, uint8_t used);
    /* A version was published, with log.mu held. May be NULL. */
    void (*changed)(struct qr_store *store, uint32_t page_no, uint64_t lsn);
    /* Writers wait here before they take the lock (S1); QR_FULL, QR_BUSY. May be NULL. */
    enum qr_status (*delay)(struct qr_store *store, qr_writer_poll_fn *poll, void *poll_ctx);
    /* Before a snapshot that was just pinned is read from: QR_OK if what it shows may be told.
     * May wait. May be NULL. */
    enum qr_status (*may_answer)(struct qr_store *store, struct qr_err *err);
    /* The upkeep thread's. `wanted`: somebody lacks room; `over`: the cache is over its limit. */
    enum qr_status (*upkeep)(struct qr_store *store, bool wanted, bool over, struct qr_err *err);
    enum qr_status (*checkpoint)(struct qr_store *store, struct qr_err *err);
    /* A clean close, with no thread running: hardens everything, exact counters too. */
    enum qr_status (*close)(struct qr_store *store, struct qr_err *err);
    void (*abandon)(struct qr_store *store); /* wakes threads that wait in it. May be NULL */
    void (*free)(struct qr_store *store);    /* its part of a store, however far that got */
    void (*stats)(struct qr_store *store, struct qr_store_stats *stats);
};

struct qri_hyper; /* hyper_int.h */

/* See struct qr_store_waits. */
struct qri_waits {
    _Atomic uint64_t count, ns, ns_max;
};
void qri_waited(struct qri_waits *waits, int64_t ns);

struct qri_checkpointer {
    bool ready;
    pthread_mutex_t run_mu;       /* one checkpoint at a time */
    struct qr_data_header header; /* as written last; guarded by run_mu */
    bool double_write_pending; /* the area holds pages whose place may be torn; guarded by run_mu */
    bool cut_wanted;           /* the file is longer than it has to be; guarded by run_mu */
    uint64_t file_bytes_ready; /* space taken in the data file; guarded by run_mu */
    struct qri_slot slot;
    _Atomic uint64_t count, pages_written, write_ns;
};

struct qri_counters; /* counter.c */
struct qri_copies;   /* copies_int.h */

/* One record of a group that comes from elsewhere. */
struct qri_change {
    const uint8_t *record;
    uint32_t page_no, bytes;
    struct qri_frame *old, *new; /* of the first change of the page; old is pinned */
};

struct qr_store {
    const struct qri_backend *backend;
    struct qri_hyper *hyper; /* of that backend, else NULL */
    struct qr_env *env;
    struct qr_store_options options;
    char dir[QR_STORE_PATH_BYTES_MAX + 1], tmp_dir[QR_STORE_PATH_BYTES_MAX + 1];
    uint32_t page_bytes;
    uint8_t timeline[QR_TIMELINE_BYTES];
    uint64_t epoch;
    struct qr_data_key data_key;                  /* of files; id 0: in clear */
    struct qr_cipher_key page_cipher, log_cipher; /* likewise; the log's is this epoch's */
    struct qr_file *lock_file, *data_file, *dw_file;

    _Atomic(struct qri_chunk *) *table; /* QRI_CHUNK_COUNT entries, mapped without reserve */
    _Atomic uint32_t table_end;         /* no chunks from here on */
    pthread_mutex_t stripes[QRI_STRIPES];
    struct qri_cache cache;

    _Atomic uint64_t head_lsn, durable_lsn;
    _Atomic uint64_t clean_lsn;      /* frames up to here can be read again: evictable */
    _Atomic uint64_t checkpoint_lsn; /* in the data file's header */
    uint64_t empty_lsn;              /* at and before this LSN the database has no pages */
    _Atomic uint32_t head_db_pages;
    _Atomic uint32_t pages_max; /* pages that exist in file or memory; log.mu to write */
    _Atomic uint64_t cut_lsn;   /* the last commit that made the database shorter; or 0 */
    uint64_t commit_no, commit_wall_ns, commits_made; /* head; made since opened; log.mu */
    int64_t clock_base_ns; /* wall minus monotonic clock; guarded by log.mu */
    bool clock_jumped;     /* it was set, and commit times are on their way there; log.mu */
    uint64_t durable_commit_no, durable_commit_wall_ns; /* guarded by log.mu */
    uint32_t durable_pages_max;                         /* guarded by log.mu */
    _Atomic uint64_t max_data_bytes, tmp_bytes, tmp_bytes_max, log_txn_bytes_max;
    _Atomic(struct qr_store_pool *) pool; /* limit.h */
    _Atomic uint64_t local_bytes_max;
    _Atomic uint64_t read_queued_ns; /* that readers waited for their I/O's turn */
    struct qri_tmp_io tmp_io[2];
    pthread_mutex_t tmp_mu;       /* a leaf */
    struct qr_tmp_file *tmp_dead; /* large ones, to be closed by upkeep; guarded by tmp_mu */
    _Atomic uint32_t pages_limit; /* nothing can keep a page behind it; 0: none */
    _Atomic uint64_t pages_read;
    struct qri_waits log_waits, page_waits, log_writes;
    _Atomic int64_t dirty_pages; /* bits set in the table */

    pthread_mutex_t slots_mu;
    struct qri_slot *slots;
    pthread_mutex_t gc_mu;          /* guards the two queues */
    struct qri_queue retired, held; /* superseded versions: not looked at yet; needed */
    uint64_t oldest_slot_seen;
    size_t held_to_check;
    _Atomic uint64_t held_count, spilled_count;
    _Atomic uint64_t given_up_lsn, given_up_count; /* give_up.c */
    _Atomic bool spill_refused;                    /* for want of room */
    _Atomic int64_t swept_from_ns, swept_ns;       /* the last round of the collector; wall clock */
    struct qri_pages spill_pages;                  /* the version file; changed under gc_mu */
    _Atomic uint64_t head_stubs, base_stubs;
    uint64_t spill_slots;
    uint64_t *spill_free;
    size_t spill_free_count, spill_free_capacity;

    struct qri_log log;
    struct qri_upkeep upkeep;
    struct qri_checkpointer checkpointer; /* of the files */
    struct qri_counters *counters;
    struct qri_pending pending;
    struct qri_copies *copies; /* it is the primary of several; guarded by log.flush_mu, and set
                                  once, before read_only is cleared: writers need no lock */
    bool has_counter_file;     /* counters are beside the log, too; run_mu */
    uint64_t recover_until;    /* of the log at open; 0: all */
    uint64_t log_epoch;        /* of the last log that was there at open, or came until promoted */
    uint64_t base_lsn;         /* the commit that our own epoch began at */
    struct qri_behind behind;

    pthread_mutex_t waits_mu;
    struct qr_durable_wait *waits_first, *waits_last; /* sorted by LSN; guarded by waits_mu */

    pthread_mutex_t writer_mu;
    pthread_cond_t writer_wake;
    struct qr_writer *writers_first, *writers_last; /* [0] holds the lock; guarded by writer_mu */

    bool threads_running;
    bool was_clean;         /* closed cleanly before this open */
    _Atomic bool read_only; /* a replica */
    pthread_t flusher_threads[QRI_FLUSHERS_MAX], upkeep_thread;
    int flusher_count;
    _Atomic bool stopping;
    _Atomic int health; /* enum qr_status */
};

static inline uint64_t qri_page_offset(const struct qr_store *store, uint32_t page_no)
{
    return QR_DATA_PAGES_OFFSET + (uint64_t)(page_no - 1) * store->page_bytes;
}
static inline pthread_mutex_t *qri_stripe(struct qr_store *store, uint32_t page_no)
{
    return &store->stripes[page_no % QRI_STRIPES];
}

/* cache.c */
QR_NODISCARD enum qr_status qri_cache_init(struct qr_store *store, struct qr_err *err);
void qri_cache_done(struct qr_store *store);
/* `must`: grow past the limit rather than fail. NULL: no frame (or no memory, if must). */
struct qri_frame *qri_frame_alloc(struct qr_store *store, bool must);
void qri_frame_free(struct qr_store *store, struct qri_frame *frame);
void qri_frames_free(struct qr_store *store, struct qri_frame *list, size_t count);
struct qri_frame *qri_frame_of(const struct qr_store *store, const uint8_t *data);
/* Calls `each` for some of the pages that are hot, newest and durable, with their stripe held, and
 * goes on from there at the next call; one caller at a time. Returns how many frames there are. */
size_t qri_cache_each_hot(struct qr_store *store, size_t frames_max,
                          void (*each)(struct qr_store *store, struct qri_frame *frame));
/* Pages whose newest version is in memory and was used so often; at most `max`. Advice: they come
 * and go meanwhile. */
size_t qri_cache_list(struct qr_store *store, uint8_t uses_min, uint8_t uses_max, uint32_t *dst,
                      size_t max);
/* Before a page that was read is linked. */
void qri_frame_came(struct qr_store *store, struct qri_frame *frame, uint32_t page_no);
/* The frame is being used; its pin is held. */
void qri_frame_touch(struct qr_store *store, struct qri_frame *frame);
/* A version that replaces `old` (NULL: none) is as hot as that was. */
void qri_frame_inherit(struct qr_store *store, struct qri_frame *frame, struct qri_frame *old);
uint64_t qri_cache_used_bytes(struct qr_store *store);
bool qri_cache_is_over(struct qr_store *store);
/* Evicts until no more than that is used, as far as that goes. */
void qri_cache_shrink(struct qr_store *store, uint64_t bytes);
/* Gives memory of free frames back, but for so many bytes. */
void qri_cache_trim(struct qr_store *store, uint64_t warm_bytes_max);

/* table.c: from page number to versions */
QR_NODISCARD enum qr_status qri_table_init(struct qr_store *store, struct qr_err *err);
void qri_table_done(struct qr_store *store);
/* The entry, or NULL if its chunk is not there and `make` is false or memory is short. */
_Atomic(struct qri_frame *) *qri_table_entry(struct qr_store *store, uint32_t page_no, bool make);
void qri_table_mark_dirty(struct qr_store *store, uint32_t page_no);
/* Pins the newest version at or before `lsn`, reading it from the data file if need be. *ret_frame
 * is NULL with QR_OK if no frame could be had (then read it with qri_version_read); with `must` the
 * cache grows instead. */
QR_NODISCARD enum qr_status qri_version_pin(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                            bool must, struct qri_frame **ret_frame,
                                            struct qr_err *err);
/* Fast path: the newest version if it is in memory and not too new. */
struct qri_frame *qri_version_try(struct qr_store *store, uint32_t page_no, uint64_t lsn);
void qri_frame_unpin(struct qri_frame *frame);
/* Copies a whole page at `lsn`; *ret_lsn is its version. */
QR_NODISCARD enum qr_status qri_version_read(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                             uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err);

/* log.c */
QR_NODISCARD enum qr_status qri_log_init(struct qr_store *store, struct qr_err *err);
void qri_log_done(struct qr_store *store);
/* File bytes that a group of so many bytes may need. */
int64_t qri_log_cost(uint64_t bytes);
/* With log.mu held. Appends what was reserved at `cost`; takes over the chunk and its data and sets
 * *chunk to NULL if that is better than copying. Returns the LSN behind it. */
uint64_t qri_log_append(struct qr_store *store, struct qri_log_chunk **chunk, int64_t cost);
/* Appends single records that belong to no commit; they are hardened with whatever comes next. */
QR_NODISCARD enum qr_status qri_log_add(struct qr_store *store, const struct qr_buf *records,
                                        struct qr_err *err);
/* With log.mu held: asks for a flush. true: call qri_log_wake once log.mu is free again. */
bool qri_log_want_flush(struct qr_store *store);
void qri_log_wake(struct qr_store *store);
/* Takes everything appended; false: there was nothing. */
bool qri_log_take(struct qr_store *store, struct qri_batch *b);
/* With log.mu held: keeps some of a hardened batch's buffers; returns those to be freed. */
struct qri_log_chunk *qri_log_keep_spares(struct qr_store *store, struct qri_log_chunk *old);
void qri_log_free_chunks(struct qri_log_chunk *chunk);
/* Gives `group`, which is empty, a large buffer that was kept, if there is one: memory that a load
 * has touched before costs less than what the system has to clear. */
void qri_log_lend(struct qr_store *store, struct qr_buf *group);
/* limit.c: a commit has made the database that large. */
void qri_pool_resized(struct qr_store *store, uint32_t pages_before, uint32_t pages);
/* Frees those that nobody wanted for a while, however many rounds of upkeep there were. */
void qri_log_trim(struct qr_store *store);
/* Hardens everything appended so far. */
QR_NODISCARD enum qr_status qri_log_flush(struct qr_store *store, struct qr_err *err);
void *qri_log_flusher_main(void *store);
/* With log.mu held: the wall clock's time for a commit; grows always, jumps by 5 s at most (S5). */
uint64_t qri_commit_time(struct qr_store *store);
void qri_store_fail(struct qr_store *store, const struct qr_err *err);
QR_NODISCARD enum qr_status qri_store_check(const struct qr_store *store, struct qr_err *err);

/* files.c */
/* A directory with files for a new store, not published: without its data file's name it is none.
 */
struct qr_timeline;
QR_NODISCARD enum qr_status
qri_files_begin(const char *dir, const struct qr_store_options *options,
                const struct qr_timeline *timeline, /* NULL: a new one */
                struct qr_store **ret_store, struct qr_err *err);
QR_NODISCARD enum qr_status qri_files_publish(struct qr_store *store, struct qr_err *err);

/* files_log.c */
QR_NODISCARD enum qr_status qri_files_reserve(struct qr_store *store, int64_t cost,
                                              struct qr_err *err);
void qri_files_unreserve(struct qr_store *store, int64_t cost);
QR_NODISCARD enum qr_status qri_files_flush(struct qr_store *store, struct qr_err *err);

/* segment.c: log files */
/* `ahead`: nobody waits, so write zeros, too; syncs of blocks written there later cost less. */
QR_NODISCARD enum qr_status qri_logfile_create(struct qr_store *store, uint64_t no, bool ahead,
                                               struct qri_segment **ret_segment,
                                               struct qr_err *err);
QR_NODISCARD enum qr_status qri_logfile_open(struct qr_store *store, uint64_t no,
                                             struct qri_segment **ret_segment, struct qr_err *err);
/* Adds one behind the last; raises log.room. */
QR_NODISCARD enum qr_status qri_logfile_extend(struct qr_store *store, bool ahead,
                                               struct qr_err *err);
/* Drops or reuses segments before `no` that no backup waits for. */
void qri_logfile_drop_before(struct qr_store *store, uint64_t no);
/* The first block of a segment is being written, at this LSN. */
void qri_logfile_begins(struct qr_store *store, struct qri_segment *segment, uint64_t lsn);
/* At open: the segments before the first one in the list, which a backup may wait for, and where
 * the log in each begins. `last` is where the log ends, `fresh` if nothing of it is in there. */
QR_NODISCARD enum qr_status qri_logfiles_open_held(struct qr_store *store,
                                                   const struct qri_segment *last, bool fresh,
                                                   struct qr_err *err);
/* The segment whose log has that LSN in it, with all behind it kept until the reader is done. NULL:
 * it is not there any more. */
struct qri_segment *qri_logfile_read_from(struct qr_store *store, uint64_t lsn);
void qri_logfile_read_done(struct qr_store *store);
struct qri_segment *qri_logfile_find(struct qr_store *store, uint64_t no); /* NULL if none */
bool qri_logfile_is_low(
    const struct qr_store *store); /* with log.mu held: make one ahead of need */
void qri_logfile_append(struct qr_store *store, struct qri_segment *segment);
int64_t qri_logfile_room(const struct qri_segment *segment, uint64_t offset);
void qri_logfiles_done(struct qr_store *store);

/* changes.c: page records of a group, sorted by page; *changes grows, and is the caller's. They go
 * behind the first `from` of it. */
QR_NODISCARD enum qr_status qri_changes_gather(struct qri_change **changes, size_t *capacity,
                                               size_t from, const uint8_t *records, size_t bytes,
                                               size_t *ret_end, struct qr_err *err);
size_t qri_changes_end(const struct qri_change *changes, size_t count, size_t from);

/* durable.c */
void qri_durable_reached(struct qr_store *store, uint64_t lsn);

/* counter.c */
QR_NODISCARD enum qr_status qri_counters_init(struct qr_store *store, struct qr_err *err);
void qri_counters_done(struct qr_store *store);
QR_NODISCARD enum qr_status
qri_counters_recover(struct qr_store *store, const struct qr_record *record, struct qr_err *err);
/* The same while others use the counters. */
QR_NODISCARD enum qr_status qri_counters_follow(struct qr_store *store,
                                                const struct qr_record *record, struct qr_err *err);
/* Appends all counters to the log, so that log before them may go. `exact`: nobody takes numbers
 * any more. */
QR_NODISCARD enum qr_status qri_counters_log_all(struct qr_store *store, bool exact,
                                                 struct qr_err *err);

/* Adds all as COUNTER records, as a crash would leave them; calls `meanwhile` with their lock held.
 */
void qri_counters_list(struct qr_store *store, struct qr_buf *records, void (*meanwhile)(void *ctx),
                       void *ctx);

/* checkpoint.c */
QR_NODISCARD enum qr_status qri_checkpoint(struct qr_store *store, bool closing,
                                           struct qr_err *err);
/* Recovery's: writes pages up to `lsn` in place without moving the header, to make room. */
QR_NODISCARD enum qr_status qri_checkpoint_pages(struct qr_store *store, uint64_t lsn,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_files_upkeep(struct qr_store *store, bool wanted, bool over,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_header_write(struct qr_store *store, struct qr_err *err);
QR_NODISCARD enum qr_status qri_header_read(struct qr_store *store, struct qr_err *err);
/* Puts pages that a crash tore back from the double-write area. */
QR_NODISCARD enum qr_status qri_double_write_restore(struct qr_store *store, struct qr_err *err);

/* recover.c */
QR_NODISCARD enum qr_status qri_files_recover(struct qr_store *store, struct qr_err *err);

/* store.c */
QR_NODISCARD enum qr_status qri_store_new(const char *dir, const struct qr_store_options *options,
                                          const struct qri_backend *backend,
                                          struct qr_store **ret_store, struct qr_err *err);
void qri_store_free(struct qr_store *store);
QR_NODISCARD enum qr_status qri_store_start(struct qr_store *store, struct qr_err *err);
/* Of a member that becomes the primary. */
QR_NODISCARD enum qr_status qri_store_start_flushers(struct qr_store *store, struct qr_err *err);
QR_NODISCARD enum qr_status qri_store_lock_dir(struct qr_store *store, struct qr_err *err);
QR_NODISCARD enum qr_status qri_store_open_file(struct qr_store *store, const char *name,
                                                unsigned flags, struct qr_file **ret_file,
                                                struct qr_err *err);
void qri_store_path(const struct qr_store *store, char dst[QR_STORE_PATH_BYTES_MAX + 64],
                    const char *name);

#include "versions_int.h"
