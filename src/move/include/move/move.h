/* move/move.h - the data of a database goes from files to a timeline of log service and page
 * servers (out), and back (in), while it is being written (STORAGE.md S18).
 *
 * Copy takes the pages as of one commit; rounds bring what came meanwhile, each less than the one
 * before; when nobody writes any more a last one brings the rest. LSNs, commit numbers and commit
 * times go on: a commit has the same LSN on both sides. This makes and reads storage; who is sent
 * where, and when it counts, is the caller's.
 * Threads: one at a time per move. Everything blocks (peer->ops->wait).
 * Errors: those of store.h, logsvc.h and pagesvc.h; QR_CANCELLED after `stops`; QR_GONE: what an
 * earlier try has left cannot be gone on with: begin anew with another timeline, or another
 * directory; QR_CORRUPT: both sides differ. */
#pragma once
#include "page/timeline.h"
#include "rpc/rpc.h"
#include "store/store.h"

struct qr_move_options {
    struct qr_env *env; /* NULL: qr_env_real() */
    struct qr_log log;
    struct qr_rpc_peer *log_service, *pages;
    struct qr_timeline timeline; /* of the Hyperscale side */
    uint32_t slices;             /* the same; out: at least so many */
    bool (*stops)(void *ctx);    /* somebody wishes its end; called often */
    /* Of the copy, in bytes. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/* How large the database on the Hyperscale side is, free pages included. */
QR_NODISCARD enum qr_status qr_move_size(const struct qr_move_options *options, uint64_t *ret_bytes,
                                         struct qr_err *err);

/* --- to Hyperscale --- */

struct qr_move_out;
/* The store stays open, is written by others, and keeps its log for us until free. */
QR_NODISCARD enum qr_status qr_move_out_new(const struct qr_move_options *options,
                                            struct qr_store *store, struct qr_move_out **ret_out,
                                            struct qr_err *err);
void qr_move_out_free(struct qr_move_out *own_out); /* NULL is accepted */
/* Makes timeline and slices, brings the pages. Of a timeline that has all pages it goes on with the
 * log. */
QR_NODISCARD enum qr_status qr_move_out_copy(struct qr_move_out *out, struct qr_err *err);
/* Brings the log that is durable now, then compares the pages that it changed. *ret_lsn: the commit
 * up to which both sides are known to be the same. *ret_bytes: of log that this brought. When
 * nobody writes, that is all there is. */
QR_NODISCARD enum qr_status qr_move_out_round(struct qr_move_out *out, struct qr_lsn *ret_lsn,
                                              uint64_t *ret_bytes, struct qr_err *err);
/* Nobody writes the source any more, and its users wait: what is left is done without rests. */
void qr_move_out_hurry(struct qr_move_out *out);
/* How many slices a database of that size has to have. */
uint32_t qr_move_slices(uint64_t data_bytes);

/* --- back to files --- */

struct qr_move_in;
struct qr_server_key;
/* Makes the directory `dir` (its parent must exist); leftovers of an earlier try go. QR_EXISTS if a
 * store is there: it was finished. `server_key`: NULL: in clear. */
QR_NODISCARD enum qr_status qr_move_in_new(const struct qr_move_options *options, const char *dir,
                                           const struct qr_server_key *server_key,
                                           struct qr_move_in **ret_in, struct qr_err *err);
void qr_move_in_free(struct qr_move_in *own_in); /* NULL is accepted */
QR_NODISCARD enum qr_status qr_move_in_copy(struct qr_move_in *in, struct qr_err *err);
/* Brings the pages that have changed since. */
QR_NODISCARD enum qr_status qr_move_in_round(struct qr_move_in *in, struct qr_lsn *ret_lsn,
                                             uint64_t *ret_bytes, struct qr_err *err);
/* As qr_move_out_hurry. */
void qr_move_in_hurry(struct qr_move_in *in);
/* Behind the last round, when nobody writes: the store is there, durably, as of its LSN. */
QR_NODISCARD enum qr_status qr_move_in_finish(struct qr_move_in *in, struct qr_err *err);
/* Compares what the last round brought with what the store, now open, says of it. */
QR_NODISCARD enum qr_status qr_move_in_check(struct qr_move_in *in, struct qr_store *store,
                                             struct qr_err *err);
