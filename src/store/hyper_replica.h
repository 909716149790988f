/* hyper_replica.h - a replica's part of a hyper store; README.md has why. */
#pragma once
#include "hyper_int.h"

/* A page that is being fetched: what the log says of it meanwhile is queued (S12). */
struct qri_fetch {
    struct qri_fetch *next;
    uint32_t page_no;
    struct qr_buf queue; /* { u64 LSN of the commit, the record } */
};

struct qri_replica {
    struct qri_hyper *hyper;
    /* The feed's: of its thread, or without threads of whoever runs the peer's events. */
    struct qr_rpc_call call;
    struct qr_buf request, answer;
    enum qr_status answer_status;
    struct qr_buf log;           /* from `start` on the open group, parsed up to `at` */
    struct qr_tmp_file *earlier; /* what was in `log` before, of a large group; NULL: nothing */
    size_t start, at;
    uint64_t at_lsn; /* of the byte at `at` */
    uint64_t next_lsn, log_epoch;
    uint64_t known_epoch, known_commit_lsn;
    struct qri_frame *page_1; /* pinned: every snapshot needs it */
    struct qri_change *changes;
    size_t change_capacity;
    int64_t ask_at_ns; /* not before, after a failure */

    bool flying, stopping, thread_runs; /* guarded by hyper.mu; no more calls */
    pthread_t thread;
    _Atomic uint64_t visible_lsn, visible_wall_ns; /* the log service's last word */
    _Atomic uint64_t applied_wall_ns;

    pthread_mutex_t fetch_mu; /* between a page's stripe and cache.mu; guards what follows */
    uint64_t applying_lsn;    /* pages are fetched as of this commit */
    struct qri_fetch *fetches;
    struct qri_frame *superseded; /* while pages were linked; not yet retired */
    size_t superseded_count;
};

/* hyper_replica.c: the feed */
QR_NODISCARD enum qr_status qri_replica_new(struct qri_hyper *hyper, struct qr_err *err);
void qri_replica_free(struct qri_hyper *hyper);
/* From the visible LSN on. With threads it goes on by itself. */
QR_NODISCARD enum qr_status qri_replica_start(struct qri_hyper *hyper, uint64_t from_lsn,
                                              struct qr_err *err);
void qri_replica_stop(struct qri_hyper *hyper);
/* It goes on where it stopped. */
QR_NODISCARD enum qr_status qri_replica_resume(struct qri_hyper *hyper, struct qr_err *err);
/* Without threads: asks for log if no call is in flight. */
void qri_replica_tick(struct qri_hyper *hyper);
void qri_replica_drive(struct qri_hyper *hyper); /* the same, and waits for the answer */
/* The log service need not wait for this reader any more. */
void qri_replica_forget(struct qri_hyper *hyper);

/* hyper_apply.c: a complete group, of records without the commit mark, becomes the newest commit:
 * what is in replica->earlier, then these. It changes each page once. */
QR_NODISCARD enum qr_status qri_replica_apply(struct qri_hyper *hyper, const uint8_t *records,
                                              size_t bytes, uint64_t lsn,
                                              const struct qr_record *commit, struct qr_err *err);
/* Versions that were superseded while their page was fetched go to the collector. */
void qri_replica_retire(struct qri_hyper *hyper);

/* hyper_fetch.c: pages of a replica */
QR_NODISCARD enum qr_status qri_replica_read_page(struct qr_store *store, uint32_t page_no,
                                                  uint8_t *dst, uint64_t *ret_lsn,
                                                  struct qr_err *err);
QR_NODISCARD enum qr_status qri_replica_link_page(struct qr_store *store, uint32_t page_no,
                                                  _Atomic(struct qri_frame *) *entry,
                                                  struct qri_frame *own_frame,
                                                  struct qri_frame **ret_frame, struct qr_err *err);
QR_NODISCARD enum qr_status qri_replica_read_at(struct qr_store *store, uint32_t page_no,
                                                uint64_t lsn, uint8_t *dst, uint64_t *ret_lsn,
                                                struct qr_err *err);
/* With fetch_mu held: what pages are fetched as of. */
uint64_t qri_fetch_lsn(const struct qr_store *store, const struct qri_replica *replica);
/* With fetch_mu held; NULL: nobody fetches it. */
struct qri_fetch *qri_fetch_find(struct qri_replica *replica, uint32_t page_no);
