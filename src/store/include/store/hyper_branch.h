/* store/hyper_branch.h - copies, restores, deletions and what is kept of a Hyperscale database, as
 * calls to the log service and the page servers: no data moves, so none takes longer for a larger
 * database.
 *
 * A branch is (parent, LSN). What decides it is the child's timeline in the log service, made
 * first: from then on the same call goes on where it stopped, with that LSN, after any crash. The
 * child is whole when the call has returned QR_OK and opens like any timeline (store/hyper.h); who
 * shows it to users before that shows nothing (S13). Every call may be repeated. They block
 * (peer->ops->wait).
 *
 * Errors beside those of the services: QR_NOT_FOUND no such timeline, or nothing is kept of that
 * time; QR_EXISTS the child is there with another parent; QR_BUSY page servers are behind, or a
 * branch still needs this log: call again later; QR_INVALID the LSN is before what is kept. */
#pragma once
#include "page/timeline.h"
#include "rpc/rpc.h"
#include "store/store.h"

/* Zero means the default in brackets. */
struct qr_hyper_services {
    struct qr_rpc_peer *log, *pages; /* many calls at once */
    struct qr_env *env;              /* [qr_env_real()] */
    uint32_t page_bytes;             /* of the timelines [8192] */
    uint64_t slice_bytes;            /* for tests; the page server's [128 GiB] */
    int64_t timeout_ns;              /* one call of ours takes no longer [30 s] */
    /* What repeats wait with. [the environment's sleep] */
    void (*pause)(void *ctx, int64_t ns);
    void *pause_ctx;
};

enum qr_hyper_point_kind {
    QR_POINT_NOW,  /* the last hardened commit */
    QR_POINT_LSN,  /* the last commit at or before it; a pin keeps it, or the horizon */
    QR_POINT_TIME, /* the last commit at or before that wall clock time (S5) */
};
struct qr_hyper_point {
    enum qr_hyper_point_kind kind;
    struct qr_lsn lsn;
    uint64_t wall_ns;
};
/* The commit that a timeline begins with. */
struct qr_hyper_base {
    struct qr_lsn lsn;
    uint64_t wall_ns;
};

/* `slice_count`: how many slices the parent has; the child gets as many. */
QR_NODISCARD enum qr_status qr_hyper_branch(const struct qr_hyper_services *services,
                                            const struct qr_timeline *parent, uint32_t slice_count,
                                            const struct qr_hyper_point *point,
                                            const struct qr_timeline *child,
                                            struct qr_hyper_base *ret_base, struct qr_err *err);

/* A branch of a timeline, or a branch's branch, that is not dropped itself. Until it has layers of
 * its own it reads the ancestor's log before `until`: the least branch LSN on the way to it. */
struct qr_hyper_heir {
    struct qr_timeline timeline;
    struct qr_lsn until;
};

/* Ends a timeline for good: nobody may have it open. Its pages go when the last branch needs none
 * of them, its log when all heirs have what they need of it as layers (QR_BUSY before that: the
 * pages are dropped, call again). */
QR_NODISCARD enum qr_status qr_hyper_drop(const struct qr_hyper_services *services,
                                          const struct qr_timeline *timeline, uint32_t slice_count,
                                          const struct qr_hyper_heir *heirs, size_t heir_count,
                                          struct qr_err *err);
/* Page servers have given up all pages of a dropped timeline. Whoever dropped it asks now and then:
 * this also makes a page server that was started anew serve what branches still use. */
QR_NODISCARD enum qr_status qr_hyper_is_gone(const struct qr_hyper_services *services,
                                             const struct qr_timeline *timeline,
                                             uint32_t slice_count, bool *ret_gone,
                                             struct qr_err *err);

struct qr_hyper_retained {
    struct qr_hyper_base horizon; /* the earliest commit that can be restored; LSN 0: all of them */
    struct qr_lsn trimmed;        /* log before it was given up */
};
/* Gives up page versions and log that nobody needs to restore the database as of `horizon_wall_ns`
 * or later. Only what heirs and pins do not need goes. */
QR_NODISCARD enum qr_status
qr_hyper_retain(const struct qr_hyper_services *services, const struct qr_timeline *timeline,
                uint32_t slice_count, uint64_t horizon_wall_ns, const struct qr_hyper_heir *heirs,
                size_t heir_count, struct qr_hyper_retained *ret_retained, struct qr_err *err);

/* A backup that outlasts the horizon: the pages as of a commit, under a name of its own that is
 * never used again. QR_POINT_LSN with this LSN restores it. */
QR_NODISCARD enum qr_status qr_hyper_pin(const struct qr_hyper_services *services,
                                         const struct qr_timeline *timeline, uint32_t slice_count,
                                         const struct qr_hyper_point *point,
                                         const struct qr_timeline *name,
                                         struct qr_hyper_base *ret_base, struct qr_err *err);
QR_NODISCARD enum qr_status qr_hyper_unpin(const struct qr_hyper_services *services,
                                           const struct qr_timeline *timeline, uint32_t slice_count,
                                           const struct qr_timeline *name, struct qr_err *err);
