/* hyper_int.h - the parts of the backend of store/hyper.h; README.md has why. */
#pragma once
#include "logsvc/peer.h"
#include "store/hyper.h"
#include "store_int.h"

enum {
    QRI_APPENDS = 16,             /* in flight */
    QRI_APPEND_BYTES = 512 << 10, /* of one */
    QRI_SENDING = 4,              /* batches in flight; while so many are, commits gather */
    QRI_STREAMS = 8,              /* scans whose next page is expected */
    QRI_AHEAD_MAX = 512,          /* pages */
    QRI_AHEAD_BYTES = 4 << 20,
    QRI_WRITTEN_BUCKETS = 1 << 12,
    QRI_WRITTEN_WAYS = 4,
};

enum qri_append_state { QRI_APPEND_FREE, QRI_APPEND_FLYING, QRI_APPEND_FAILED, QRI_APPEND_DONE };

struct qri_append {
    struct qr_logsvc_peer_append x; /* first */
    struct qri_hyper *hyper;
    enum qri_append_state state;
    bool ends_batch;
    uint8_t *buffer; /* for bytes that are in a file */
    int64_t start_ns, give_up_ns;
};

/* Log that was taken from the gatherer and is being appended. */
struct qri_sending {
    struct qri_log_chunk *chunks;
    const struct qri_log_chunk *at_chunk; /* NULL: all of it is in flight or done */
    size_t at, record; /* in at_chunk: the next byte; the first record that ends behind it */
};

/* Last-written LSNs of pages that were evicted; what a bucket forgets raises its floor. */
struct qri_written {
    pthread_mutex_t mu;
    struct qri_bucket {
        uint64_t floor, lsn[QRI_WRITTEN_WAYS];
        uint32_t page_no[QRI_WRITTEN_WAYS];
    } * buckets;
};

/* What is not atomic is guarded by the hyper's mu. */
struct qri_lease {
    _Atomic bool wanted; /* this is a primary */
    bool flying;         /* a renewal is on its way */
    _Atomic int64_t until_ns;
    int64_t asked_ns, next_ns; /* of the renewal; when to ask again */
    struct qr_rpc_call call;
    struct qr_buf ask;
};

/* What the page servers keep for our snapshots; guarded by the hyper's mu. */
struct qri_hold {
    bool flying, lost; /* a renewal is on its way; the last answer came too late for a snapshot */
    uint64_t asked_lsn, lsn;
    int64_t asked_ns, next_ns, until_ns; /* next_ns 0: there is none yet */
    struct qr_rpc_call call;
    struct qr_buf ask;
};

struct qri_replica; /* hyper_replica.h */

struct qri_hyper {
    struct qr_store *store;
    struct qri_replica *replica; /* NULL: it never was one */
    uint64_t holder;             /* of our reign */
    struct qr_hyper_options options;
    pthread_mutex_t mu;  /* a leaf but for the peers' own locks; guards what follows */
    pthread_cond_t wake; /* something became durable, or failed, or it ends */
    struct qri_append appends[QRI_APPENDS]; /* a ring, oldest first */
    size_t first, count;
    struct qri_sending sending[QRI_SENDING]; /* likewise */
    size_t sending_first, sending_count;
    int answering; /* threads inside append_done */
    uint64_t sent_lsn, hardened_lsn;
    uint64_t held_lsn; /* durable, and the lease ran out before it could be told; 0: none */
    bool epoch_begun;  /* the first append is durable: others may follow before their answers */
    bool failed, ending, thread_runs;
    pthread_t thread; /* repeats appends, renews the lease */
    struct qri_lease lease;
    struct qri_hold hold;
    struct qr_logsvc_throttle hint;
    int64_t hint_until_ns;
    int64_t refused_since_ns; /* the log service has had no room since then; 0: it has */
    enum qr_status refused;   /* QR_FULL or QR_BUSY: what it said last */
    struct qr_store_rbio rbio[QR_RBIO_COUNT];
    uint64_t append_count, repeat_count;
    pthread_mutex_t grow_mu; /* outermost; guards what follows */
    uint32_t slice_count;
    pthread_mutex_t streams_mu;
    struct qri_stream {
        uint32_t next, window;
    } streams[QRI_STREAMS];
    uint32_t stream_hand;
    _Atomic uint64_t pages_ahead;
    struct qri_tier *tier; /* hyper_rbpex.c; NULL: none */
    struct qri_written written;
};

/* hyper_log.c */
QR_NODISCARD enum qr_status qri_hyper_harden(struct qr_store *store, struct qr_err *err);
QR_NODISCARD enum qr_status qri_hyper_flush(struct qr_store *store, struct qr_err *err);
/* QR_FULL, QR_BUSY: the log service has had no room for log for seconds. */
QR_NODISCARD enum qr_status qri_hyper_delay(struct qr_store *store, qr_writer_poll_fn *poll,
                                            void *poll_ctx);
/* The thread that repeats what had no answer. */
void *qri_hyper_repeater_main(void *hyper);
/* The lease is renewed: what became durable meanwhile may be told. */
void qri_hyper_release_held(struct qri_hyper *hyper);
/* What the thread would do now. */
void qri_hyper_repeat(struct qri_hyper *hyper);
/* No append is in flight afterwards, nor will be. */
void qri_hyper_stop(struct qri_hyper *hyper);
bool qri_hyper_may_repeat(enum qr_status status); /* no answer, or none that decides anything */
void qri_hyper_pause(struct qri_hyper *hyper, int64_t ns);

/* hyper_grow.c */
uint32_t qri_slice_pages(const struct qri_hyper *hyper);
void qri_grow_init(struct qri_hyper *hyper);
/* Makes the next slice if it is time. Waits for the page server; never with the writer lock. */
void qri_grow(struct qri_hyper *hyper);

/* hyper_lease.c */
void qri_lease_init(struct qri_hyper *hyper);
void qri_lease_done(struct qri_hyper *hyper);
bool qri_lease_runs(const struct qri_hyper *hyper);
int64_t qri_lease_due_ns(const struct qri_hyper *hyper); /* with mu held: of the next renewal */
void qri_lease_tick(struct qri_hyper *hyper);            /* asks for a renewal that is due */
/* QR_TIMEOUT, QR_CLOSED */
QR_NODISCARD enum qr_status qri_lease_wait(struct qri_hyper *hyper, int64_t timeout_ns,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_hyper_may_answer(struct qr_store *store, struct qr_err *err);
/* The store has ended: whoever follows need not wait for its lease. Waits a second at most. */
void qri_lease_give_back(struct qri_hyper *hyper);

/* hyper_hold.c */
void qri_hold_init(struct qri_hyper *hyper);
void qri_hold_done(struct qri_hyper *hyper);
/* The first lease, on `lsn` and later. Waits. */
QR_NODISCARD enum qr_status qri_hold_begin(struct qri_hyper *hyper, uint64_t lsn,
                                           struct qr_err *err);
int64_t qri_hold_due_ns(const struct qri_hyper *hyper); /* with mu held: of the next renewal */
void qri_hold_tick(struct qri_hyper *hyper);            /* asks for a renewal that is due */

/* hyper_reign.c: a new epoch, in this order */
QR_NODISCARD enum qr_status qri_reign_fence(struct qri_hyper *hyper,
                                            struct qr_logsvc_state *ret_state, struct qr_err *err);
QR_NODISCARD enum qr_status qri_reign_lease(struct qri_hyper *hyper, struct qr_err *err);
/* The log goes on behind what the fence answered. */
QR_NODISCARD enum qr_status
qri_reign_begin(struct qri_hyper *hyper, const struct qr_logsvc_state *state, struct qr_err *err);

/* hyper_page.c */
QR_NODISCARD enum qr_status qri_hyper_read_base(struct qr_store *store, uint32_t page_no,
                                                uint64_t lsn, uint8_t *dst, uint64_t *ret_lsn,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_hyper_read_page(struct qr_store *store, uint32_t page_no,
                                                uint8_t *dst, uint64_t *ret_lsn,
                                                struct qr_err *err);
/* The wants for a page and those behind it, of its slice, as of `lsn`; QRI_AHEAD_MAX at most. */
struct qr_pages_want;
uint32_t qri_hyper_make_wants(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                              struct qr_pages_want *wants);
/* The page on our own disk; false: there is none, or only one of version *ret_lsn (not 0) in dst
 * that has to be confirmed. */
bool qri_hyper_find_page(struct qr_store *store, uint32_t page_no, uint8_t *dst, uint64_t *ret_lsn);
/* The first page goes to dst, which holds what wants[0].have says, the others to frames of their
 * own. */
QR_NODISCARD enum qr_status qri_hyper_get_pages(struct qr_store *store,
                                                const struct qr_pages_want *wants, uint32_t count,
                                                uint8_t *dst, uint64_t *ret_lsn,
                                                struct qr_err *err);
/* Puts a page that came along where it belongs if it is the newest version, by what the want says
 * and what happened since (H5). */
struct qr_pages_got;
bool qri_hyper_keep(struct qr_store *store, const struct qr_pages_want *want,
                    const struct qr_pages_got *got, enum qr_warmth as);
/* Pages of one slice, until all have an answer; the reply's bytes hold them (qr_pages_got_next). */
QR_NODISCARD enum qr_status qri_hyper_get(struct qri_hyper *hyper, uint32_t slice_no,
                                          const struct qr_pages_want *wants, uint32_t count,
                                          struct qr_buf *reply, struct qr_err *err);

/* hyper_written.c */
QR_NODISCARD enum qr_status qri_written_init(struct qri_written *w, uint64_t start_lsn,
                                             struct qr_err *err);
void qri_written_done(struct qri_written *w);
void qri_written_note(struct qri_written *w, uint32_t page_no, uint64_t lsn);
/* Not below the page's newest version if that is not in memory. */
uint64_t qri_written_lsn(struct qri_written *w, uint32_t page_no);
/* Not above it; 0: it was forgotten. */
uint64_t qri_written_known(struct qri_written *w, uint32_t page_no);

/* hyper_rbpex.c. A tier that does not open is reported and done without. */
void qri_tier_open(struct qri_hyper *hyper, uint64_t visible_lsn);
void qri_tier_close(struct qri_hyper *hyper); /* when everything is durable; keeps it warm */
void qri_tier_free(struct qri_hyper *hyper);
/* The version that it has of the page, copied to dst; 0: none. Unless it is the newest for sure it
 * goes to the page server as what we have. With the page's stripe held, as what follows. */
uint64_t qri_tier_find(struct qri_hyper *hyper, uint32_t page_no, uint8_t *dst, bool *ret_newest);
bool qri_tier_has(struct qri_hyper *hyper, uint32_t page_no);
void qri_tier_confirm(struct qri_hyper *hyper, uint32_t page_no, uint64_t lsn);
void qri_tier_evicted(struct qr_store *store, const struct qri_frame *frame, uint8_t used);
/* For every new version of a page, from whomever it comes, before it can be durable. */
void qri_tier_changed(struct qr_store *store, uint32_t page_no, uint64_t lsn);
/* What stays in memory of another node, or did: kept while there is room. With the page's stripe
 * held, and fetch_mu on a replica; the version is the newest. */
void qri_tier_offer(struct qri_hyper *hyper, uint32_t page_no, uint64_t lsn, const uint8_t *page);
/* There is room for a batch of these; perhaps after some were written. */
bool qri_tier_has_room(struct qri_hyper *hyper, size_t pages);
/* Pages that it has, those that were read there first. */
size_t qri_tier_list(struct qri_hyper *hyper, uint32_t *dst, size_t max);
void qri_tier_stats(struct qri_hyper *hyper, struct qr_store_rbpex *ret_stats);
