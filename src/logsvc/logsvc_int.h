/* logsvc_int.h - what the parts of the log service share. README.md has the invariants and the
 * order of locks. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/map.h"
#include "env/thread.h"
#include "logsvc/logsvc.h"

enum {
    QRI_PLACE_BYTES = 256 << 10, /* of journal that one index entry covers */
    QRI_FLUSHERS = 2,            /* one hardens while the other calls those who waited */
    QRI_WORKERS = 2,             /* run feeds that need the disk */
    QRI_PATH_BYTES_MAX = QR_LOGSVC_DIR_BYTES_MAX + 64,
    QRI_REST_MIN = 2 * QR_SECTOR_BYTES, /* a segment's rest below this stays unused */
};
enum {
    QRI_RING_CALM_PART = 8, /* of it stays in calm times */
    QRI_BLOCK_ALIGN = 4096, /* of memory, for writes past the page cache */
    QRI_BLOCK_BYTES_MAX = QR_JOURNAL_PAYLOAD_BYTES_MAX + QRI_BLOCK_ALIGN,
};

/* --- state.c: what journal entries do to a timeline; pure --- */

enum qri_live { QRI_NONE, QRI_LIVE, QRI_DROPPED };

struct qri_state {
    enum qri_live live;
    bool fresh; /* this epoch has appended nothing yet */
    uint64_t epoch, holder;
    uint64_t epoch_first_lsn; /* where the last epoch that appended began ... */
    uint64_t prev_end_lsn;    /* ... and where the log ended before */
    uint64_t end_lsn, commit_lsn, commit_wall_ns, trimmed_lsn;
};
/* Whether the entry may follow; *ret_why is a literal. */
enum qr_status qri_state_check(const struct qri_state *s, const struct qr_journal_entry *e,
                               const char **ret_why);
void qri_state_apply(struct qri_state *s, const struct qr_journal_entry *e);

/* --- memory --- */

/* One append. Counted; its bytes never change. */
struct qri_piece {
    _Atomic int refs;
    uint32_t bytes;
    uint64_t epoch, lsn, commit_lsn, commit_wall_ns;
    uint8_t flags;
    struct qri_piece *ring_next; /* guarded by mu */
    struct qri_timeline *tl;     /* while it is in the ring; guarded by mu */
    const uint8_t *data;
    void *memory; /* where data lies; NULL: in `copy` */
    uint8_t copy[];
};
/* Takes the append's memory. NULL: no memory. */
struct qri_piece *qri_piece_new(struct qr_logsvc_append *append);
void qri_piece_unref(struct qri_piece *piece);

struct qri_segment {
    uint64_t no;
    uint64_t bytes;
    uint64_t first_block_no;            /* 0: no block in it yet; guarded by mu */
    uint64_t last_block_no;             /* hardened; guarded by mu */
    uint64_t end_offset;                /* hardened up to here; guarded by mu */
    bool has_places;                    /* in their file, or it was tried; guarded by mu */
    bool has_hole;                      /* blocks are lost in it; guarded by mu */
    uint64_t placed_first, placed_last; /* blocks that its file has; 0: none; while reading */
    int refs;                           /* the list's and those of readers; guarded by mu */
    uint64_t writes;                    /* appends to its object */
    struct qr_file *file;
    struct qri_segment *next;
};

/* Where a timeline's log lies in the journal: an append at or behind `lsn` is in a block within
 * QRI_PLACE_BYTES behind `offset`, or after the next place. */
struct qri_place {
    uint64_t lsn, end_lsn; /* of its first append; behind the last one it covers */
    uint64_t segment_no, offset;
    uint64_t commit_lsn, commit_wall_ns; /* before it */
    uint64_t log_before;                 /* bytes of log from some point on up to it */
};

struct qri_reader {
    uint64_t id, applied_lsn;
    enum qr_logsvc_reader kind;
    int64_t seen_ns,
        behind_ns; /* behind_ns: when it was first seen without the last commit; 0: it had it */
};

/* A feed that waits for a timeline. */
struct qri_watch {
    struct qr_logsvc_feed *feed;
    struct qri_timeline *tl;
    struct qri_watch *prev, *next;
};

struct qri_timeline { /* guarded by mu, but for what never changes */
    struct qr_timeline id;
    char name[QR_TIMELINE_HEX_BYTES];
    struct qr_timeline parent; /* fixed at create, like the next two */
    uint64_t start_lsn, branch_lsn;
    struct qri_state queued, taken, hard; /* with all accepted; with all in a block; durable */
    bool damaged, suspect;                /* suspect: only while the journal is read */
    int refs;                             /* operations and reads under way */
    uint64_t destaged_lsn;
    uint64_t destaged_commit_lsn, destaged_wall_ns; /* the last commit mark before it */
    int64_t undestaged_since_ns;                    /* 0: nothing waits */
    bool deleted;                                   /* dropped, and its objects are gone */
    uint64_t deleted_lsn;                           /* trimmed objects before this are gone */
    uint64_t ring_floor;                            /* log from here on is in the ring */
    uint64_t journal_floor;                         /* log from here on is in the journal */
    struct qri_piece **pieces; /* the ring's of this timeline: a circle, oldest first */
    size_t piece_first, piece_count, piece_capacity;
    struct qri_place *places; /* oldest first */
    size_t place_first, place_count, place_capacity;
    struct qri_reader *readers;
    size_t reader_count, reader_capacity;
    struct qri_watch *watches;
    int64_t lease_until_ns, lease_blocked_until_ns;
};

/* One accepted operation on its way into a block. */
struct qri_op {
    struct qri_op *next;
    struct qri_timeline *tl;
    bool barrier; /* writes nothing: waits for what was accepted before */
    struct qr_journal_entry entry;
    struct qri_piece *piece;
    struct qr_logsvc_append *append; /* one of these two */
    struct qr_logsvc_change *change;
};
struct qri_ops {
    struct qri_op *first, *last;
};
static inline void qri_ops_push(struct qri_ops *ops, struct qri_op *op)
{
    op->next = NULL;
    if (ops->last != NULL)
        ops->last->next = op;
    else
        ops->first = op;
    ops->last = op;
}

/* What a worker does besides feeds. Run with QR_CLOSED if no worker comes to it any more. */
struct qri_job {
    struct qri_job *next;
    void (*run)(struct qr_logsvc *svc, struct qri_job *own_job, enum qr_status status);
};

/* How fast log comes. */
struct qri_load {
    int64_t at_ns, busy_ns, since_ns; /* last looked; last busy; puts off since (0: not) */
    uint64_t bytes;                   /* appended when it was looked at */
    bool puts_off;                    /* what can wait waits */
};

struct qr_logsvc {
    struct qr_env *env;    /* of a landing zone in a blob store, if there is one */
    struct qri_zone *zone; /* NULL: the journal is in files */
    struct qr_logsvc_options options;
    char dir[QR_LOGSVC_DIR_BYTES_MAX + 1];
    uint8_t journal_id[QR_JOURNAL_ID_BYTES];
    uint64_t generation;
    struct qr_data_key data_key; /* id 0: none */
    struct qr_cipher_key cipher; /* of the blocks that this process writes; off: in clear */
    int64_t opened_ns;
    uint32_t append_bytes_max; /* a block with one must fit a segment */
    struct qr_file *lock_file;

    pthread_mutex_t mu;      /* guards timelines and all that follows up to flush_mu */
    pthread_cond_t wake;     /* flushers */
    pthread_cond_t work;     /* workers */
    struct qr_map timelines; /* id -> struct qri_timeline */
    struct qri_ops queue;
    uint64_t queue_bytes;
    bool flushing;
    int flushers_asleep;
    struct qri_piece *ring_first, *ring_last;
    uint64_t ring_bytes;
    int64_t ring_looked_ns; /* qri_ring_calm, and stats.append_bytes then */
    uint64_t ring_looked_bytes;
    struct qr_logsvc_feed *feeds, *ready; /* waiting for log; waiting for a worker */
    struct qri_job *jobs;                 /* waiting for a worker */
    uint32_t feed_count, feed_turn;
    struct qri_segment *segments; /* oldest first */
    uint64_t segment_count, last_segment_no;
    uint64_t hardened_block_no;
    uint64_t snapshot_block_no; /* `timelines` has the states after it, or is just being written */
    struct qr_logsvc_stats stats;

    pthread_mutex_t flush_mu; /* one flush at a time; guards what follows */
    struct qri_segment *current;
    uint64_t offset; /* in current */
    uint64_t block_no;
    uint8_t *block;

    pthread_mutex_t extend_mu;  /* one new segment at a time */
    _Atomic bool no_room;       /* the last attempt at one failed */
    pthread_mutex_t destage_mu; /* one destage at a time; guards what follows */
    struct qri_load load;
    pthread_mutex_t snapshot_mu; /* one writer of `timelines`; guards first_segment_no */
    uint64_t first_segment_no, first_block_no;

    _Atomic int health; /* enum qr_status */
    _Atomic bool stopping;
    pthread_mutex_t bg_mu;
    pthread_cond_t bg_wake;
    bool destage_wanted; /* guarded by bg_mu */
    size_t destage_from; /* of timelines; guarded by destage_mu */
    bool threads_running;
    pthread_t flushers[QRI_FLUSHERS], workers[QRI_WORKERS], destager, ticker;
    int flusher_count, worker_count;
    bool destager_runs, ticker_runs;
};

/* service.c */
void qri_path(const struct qr_logsvc *svc, const char *name, char dst[QRI_PATH_BYTES_MAX]);
void qri_fail_for_good(struct qr_logsvc *svc, const struct qr_err *err);
enum qr_status qri_check_health(const struct qr_logsvc *svc, struct qr_err *err);
void qri_destage_wake(struct qr_logsvc *svc);

/* timeline.c: all with mu held */
struct qri_timeline *qri_timeline_find(struct qr_logsvc *svc, const struct qr_timeline *id);
struct qri_timeline *qri_timeline_add(struct qr_logsvc *svc, const struct qr_timeline *id);
void qri_timeline_unref(struct qr_logsvc *svc, struct qri_timeline *tl);
void qri_timeline_remove(struct qr_logsvc *svc, struct qri_timeline *tl);
void qri_timeline_created(struct qri_timeline *tl, const struct qr_journal_entry *create);
void qri_timeline_state(const struct qri_timeline *tl, struct qr_logsvc_state *ret_state);
/* Notes that a block at `offset` of the segment has this append; `before` has the last commit
 * before it (0: not known). False: no memory. */
bool qri_timeline_place(struct qri_timeline *tl, const struct qr_journal_entry *append,
                        uint64_t segment_no, uint64_t offset, const struct qri_state *before);
/* The next one: as it is, but for log_before. */
bool qri_timeline_add_place(struct qri_timeline *tl, const struct qri_place *place);
void qri_timeline_forget_places(struct qri_timeline *tl, uint64_t before_segment_no);
/* Log that the LSNs from `lsn` to the end stand for; a jump into an epoch is no log. */
uint64_t qri_timeline_lag(const struct qri_timeline *tl, uint64_t lsn);
struct qr_logsvc_throttle qri_throttle(struct qr_logsvc *svc, struct qri_timeline *tl);
void qri_reader_seen(struct qr_logsvc *svc, struct qri_timeline *tl,
                     const struct qr_logsvc_cursor *cursor);

/* ring.c: with mu held */
void qri_ring_push(struct qr_logsvc *svc, struct qri_timeline *tl, struct qri_piece *own_piece);
void qri_ring_evict(struct qr_logsvc *svc, uint64_t bytes_max);
/* Gives most of it back where little log came for half a minute. */
void qri_ring_calm(struct qr_logsvc *svc);
/* Index in tl->pieces' order of the first piece that ends behind lsn; piece_count if none. */
size_t qri_ring_find(const struct qri_timeline *tl, uint64_t lsn);
static inline struct qri_piece *qri_ring_at(const struct qri_timeline *tl, size_t index)
{
    return tl->pieces[(tl->piece_first + index) % tl->piece_capacity];
}

/* append.c */
void qri_op_done(struct qr_logsvc *svc, struct qri_op *own_op, enum qr_status status,
                 const char *why);
void qri_queue_refuse(struct qr_logsvc *svc, struct qri_op *taken, enum qr_status status,
                      const char *why);

/* flush.c */
enum qr_status qri_flush(struct qr_logsvc *svc, struct qr_err *err);
void *qri_flusher_main(void *arg);

/* segment.c */
QR_NODISCARD enum qr_status qri_segment_open(struct qr_logsvc *svc, uint64_t no,
                                             struct qri_segment **ret_segment, struct qr_err *err);
/* Makes the file behind the last one; `ahead`: writes zeros into it first. */
QR_NODISCARD enum qr_status qri_segment_extend(struct qr_logsvc *svc, bool ahead,
                                               struct qr_err *err);
void qri_segment_append(struct qr_logsvc *svc, struct qri_segment *own_segment);
struct qri_segment *qri_segment_ref(struct qr_logsvc *svc, uint64_t no); /* NULL: not there */
void qri_segment_unref(struct qr_logsvc *svc, struct qri_segment *segment);
struct qri_segment *qri_segment_after(struct qr_logsvc *svc, uint64_t no); /* borrowed */
/* Removes or reuses the files before `no`. */
void qri_segment_drop_before(struct qr_logsvc *svc, uint64_t no);
void qri_segments_done(struct qr_logsvc *svc);
bool qri_segment_want_spare(struct qr_logsvc *svc);
/* Space that was never written costs every sync a change of the file system's tables, which zeros
 * written ahead spare it. Large blocks do not feel that, and the zeros would be as much again to
 * write while the disk is busiest. */
bool qri_segment_wants_zeros(struct qr_logsvc *svc);

/* Reads the block at `offset` whole into `block` (QRI_BLOCK_BYTES_MAX), verifies and decrypts it;
 * _stored leaves it encrypted. */
QR_NODISCARD enum qr_status qri_block_load(const struct qr_logsvc *svc,
                                           const struct qri_segment *segment, uint64_t offset,
                                           uint8_t *block, struct qr_journal_block *ret_header,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_block_load_stored(const struct qr_logsvc *svc,
                                                  const struct qri_segment *segment,
                                                  uint64_t offset, uint8_t *block,
                                                  struct qr_journal_block *ret_header,
                                                  struct qr_err *err);
/* QR_CORRUPT for a block of another journal, or one that reaches past the segment. */
QR_NODISCARD enum qr_status qri_block_belongs(const struct qr_logsvc *svc,
                                              const struct qri_segment *segment, uint64_t offset,
                                              const struct qr_journal_block *header,
                                              struct qr_err *err);

/* window.c: blocks in order, many at once. */
struct qri_window {
    const struct qr_logsvc *svc;
    uint8_t *bytes;
    size_t ahead, count;             /* read at once unless a block is larger; in `bytes` */
    uint64_t segment_no, base, next; /* bytes[0] is at `base`; what lies before `next` was opened */
};
/* About `wanted` bytes will be read; done also after a failure. */
QR_NODISCARD enum qr_status qri_window_init(struct qri_window *w, const struct qr_logsvc *svc,
                                            size_t wanted, struct qr_err *err);
void qri_window_done(struct qri_window *w);
/* The block at `offset` verified and decrypted; *ret_block is good until the next call. Nothing
 * behind `end_offset` is read ahead: it may be being written. */
QR_NODISCARD enum qr_status qri_window_load(struct qri_window *w, const struct qri_segment *segment,
                                            uint64_t offset, uint64_t end_offset,
                                            const uint8_t **ret_block,
                                            struct qr_journal_block *ret_header,
                                            struct qr_err *err);

/* Of a block's payload, behind its entries. */
static inline uint32_t qri_seal_bytes(const struct qr_logsvc *svc)
{
    return qr_cipher_is_on(&svc->cipher) ? QR_SEAL_BYTES : 0;
}

/* places.c: files that spare an open the reading of whole segments. They are believed only for
 * blocks that `timelines` has the states of; without one, or if it is damaged, the segment is read.
 */
#define QRI_TABLE "timelines"
#define QRI_TABLE_COPY "timelines.copy"
#define QRI_PLACES_PREFIX "places."
struct qri_places_head {
    uint64_t first_block_no, last_block_no, end_offset;
};
struct qri_places_row {
    struct qr_timeline timeline;
    uint64_t commit_lsn, commit_wall_ns; /* after the last block */
    size_t count;
    const uint8_t *places;
};
/* With destage_mu held: of each segment that is written to its end; then the states, now and then.
 */
QR_NODISCARD enum qr_status qri_places_write(struct qr_logsvc *svc, struct qr_err *err);
/* The segment's file goes: it was dropped, or a read found damage in it, which whoever reads the
 * segment at the next open goes around. */
void qri_places_drop(struct qr_logsvc *svc, uint64_t segment_no);
/* Which blocks a segment's file has, as its header says; while the journal is read. */
void qri_places_peek(const struct qr_logsvc *svc, struct qri_segment *segment);
/* Adds them to the index. *ret_took is false if they are not to be believed: nothing has changed
 * then. */
QR_NODISCARD enum qr_status qri_places_take(struct qr_logsvc *svc, struct qri_segment *segment,
                                            bool *ret_took, struct qr_err *err);
/* Pure; hostile input. */
QR_NODISCARD enum qr_status
qri_places_decode(const uint8_t *bytes, size_t count, struct qri_places_head *ret_head,
                  enum qr_status (*each)(void *arg, const struct qri_places_row *row), void *arg,
                  struct qr_err *err);

/* snapshot.c: the file `timelines` */
struct qri_snapshot_head {
    uint8_t journal_id[QR_JOURNAL_ID_BYTES];
    uint64_t generation;
    uint64_t first_segment_no, first_block_no; /* reading the journal starts here */
    uint64_t state_block_no;                   /* the states are those after this block */
    uint64_t count;
};
QR_NODISCARD enum qr_status qri_snapshot_write(struct qr_logsvc *svc, struct qr_err *err);
/* Pure: checks all of it; rows go to `add` (or NULL) in order. */
QR_NODISCARD enum qr_status
qri_snapshot_decode(const uint8_t *bytes, size_t count, struct qri_snapshot_head *ret_head,
                    enum qr_status (*add)(void *arg, const struct qri_timeline *row), void *arg,
                    struct qr_err *err);

/* key.c; without a key ring nothing is encrypted */
QR_NODISCARD enum qr_status qri_key_load(struct qr_logsvc *svc, struct qr_err *err);
/* Makes the key if there is none, and the cipher of this generation's blocks. */
QR_NODISCARD enum qr_status qri_key_use(struct qr_logsvc *svc, struct qr_err *err);
/* For one new object. */
QR_NODISCARD enum qr_status qri_object_cipher(struct qr_logsvc *svc,
                                              const struct qr_timeline *timeline,
                                              struct qr_cipher_key *ret_key, struct qr_err *err);

/* recover.c */
QR_NODISCARD enum qr_status qri_recover(struct qr_logsvc *svc, struct qr_err *err);

/* read.c */

/* Where pieces go, and what may come next. */
struct qri_log_emit {
    struct qr_buf *buf;
    size_t last_at, bytes, bytes_max; /* of log; at least one piece goes through */
    uint64_t next_lsn, until_lsn;     /* pieces that start at or behind until_lsn are not wanted */
    bool full;
};
void qri_log_emit_init(struct qri_log_emit *emit, struct qr_buf *buf, uint64_t from_lsn,
                       uint64_t until_lsn, size_t bytes_max);
/* Cuts off what came before. QR_CORRUPT for a hole. */
QR_NODISCARD enum qr_status qri_log_emit_piece(struct qri_log_emit *emit,
                                               const struct qr_piece *piece, struct qr_err *err);

/* Adds what memory has; *ret_complete false: the log at from_lsn is not in memory. */
QR_NODISCARD enum qr_status qri_read_memory(struct qr_logsvc *svc, struct qri_timeline *tl,
                                            uint64_t from_lsn, size_t bytes_max, struct qr_buf *buf,
                                            bool *ret_complete, struct qr_err *err);
/* From wherever it is. Adds nothing when from_lsn is the end. */
QR_NODISCARD enum qr_status qri_read(struct qr_logsvc *svc, struct qri_timeline *tl,
                                     uint64_t from_lsn, size_t bytes_max, struct qr_buf *buf,
                                     struct qr_err *err);

/* longterm.c */
QR_NODISCARD enum qr_status qri_longterm_read(struct qr_logsvc *svc, struct qri_timeline *tl,
                                              struct qri_log_emit *emit, struct qr_err *err);
/* The header of the object that holds `lsn`, or of the first one behind it. */
QR_NODISCARD enum qr_status qri_longterm_find(struct qr_logsvc *svc, const struct qri_timeline *tl,
                                              uint64_t lsn, struct qr_log_object *ret_object,
                                              struct qr_err *err);
/* When the log at the destaged LSN cannot be read: goes on behind what storage has already.
 * QR_NOT_FOUND: it does not have it. */
QR_NODISCARD enum qr_status qri_longterm_resume(struct qr_logsvc *svc, struct qri_timeline *tl,
                                                struct qr_err *err);
/* Writes the next object; destaged_lsn moves. */
QR_NODISCARD enum qr_status qri_longterm_put(struct qr_logsvc *svc, struct qri_timeline *tl,
                                             struct qr_err *err);
/* Writes what was gathered behind the room for the header; destaged_lsn moves to object->end_lsn,
 * which is another when the object was there already. */
QR_NODISCARD enum qr_status qri_longterm_store(struct qr_logsvc *svc, struct qri_timeline *tl,
                                               struct qr_buf *buf, struct qr_log_object *object,
                                               struct qr_err *err);
/* Deletes objects that end at or before `lsn`, up to `max`. */
QR_NODISCARD enum qr_status qri_longterm_delete(struct qr_logsvc *svc,
                                                const struct qri_timeline *tl, uint64_t lsn,
                                                uint32_t max, uint32_t *ret_count,
                                                struct qr_err *err);

/* stream.c */
/* Destages what has left the ring of these timelines; does nothing for a single one. */
QR_NODISCARD enum qr_status qri_stream_pass(struct qr_logsvc *svc, struct qri_timeline **timelines,
                                            size_t count, struct qr_err *err);

/* destage.c */
void *qri_destager_main(void *arg);

/* feed.c */
/* Moves the feeds that watch the timeline to `*ready`; mu held. */
void qri_feeds_wake(struct qr_logsvc *svc, struct qri_timeline *tl, struct qr_logsvc_feed **ready);
/* Answers them from memory, or leaves them to the workers. */
void qri_feeds_run(struct qr_logsvc *svc, struct qr_logsvc_feed *ready);
void qri_feeds_end(struct qr_logsvc *svc, enum qr_status status);
void qri_job_start(struct qr_logsvc *svc, struct qri_job *own_job);
void *qri_worker_main(void *arg);
void *qri_ticker_main(void *arg);
