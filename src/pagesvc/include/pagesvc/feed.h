/* pagesvc/feed.h - the page server's pull from the log service: one feed for all attached slices.
 *
 * One FEED call is in flight at a time; its `done` ingests what came and starts the next. A call
 * that fails waits for the next tick, so who drives it sets the pace of trying again. A slice whose
 * log does not fit (damage, a gap) is detached and attached again by tick; one whose log the
 * service does not have rests for a while. So does one whose memory layers are not written as fast
 * as its log comes: then its lag grows, and the log service slows down who appends.
 *
 * Threads: any. Ingest runs on the loop thread of the peer, and can wait there for a branch of the
 * same slice: give that client a loop of its own. */
#pragma once
#include "pagesvc/pagesvc.h"
#include "rpc/rpc.h"

struct qr_pagefeed;

/* Zero means the default in brackets. */
struct qr_pagefeed_options {
    struct qr_env *env; /* [qr_env_real()] */
    struct qr_log log;  /* [none] */
    struct qr_pagesvc *svc;
    struct qr_rpc_peer *logsvc;
    uint64_t reader_id; /* of this page server's slices 0; those of slice n add n */
    uint32_t bytes_max; /* of log in one answer [4 MiB] */
    int64_t wait_ns;    /* how long an answer may wait for news [5 s] */
    int64_t answer_ns;  /* how long it may take on top of that [10 s] */
    int64_t rest_ns;    /* between attempts at a slice that failed [1 s] */
    uint64_t
        frozen_bytes_max; /* a slice with more that waits to be written gets no log [512 MiB] */
};

QR_NODISCARD enum qr_status qr_pagefeed_new(const struct qr_pagefeed_options *options,
                                            struct qr_pagefeed **ret_feed, struct qr_err *err);
/* Waits for the call in flight; not on the peer's loop thread. NULL is accepted. */
void qr_pagefeed_free(struct qr_pagefeed *feed);
/* Call it a few times a second: starts a call if none is in flight, mends slices (blocks on the
 * blob store then). */
void qr_pagefeed_tick(struct qr_pagefeed *feed);
/* Slices came or went: does not wait for the answer of a feed that lacks them. */
void qr_pagefeed_poke(struct qr_pagefeed *feed);

struct qr_pagefeed_stats {
    uint64_t calls, failed_calls, pieces, piece_bytes, reattached;
};
void qr_pagefeed_get_stats(struct qr_pagefeed *feed, struct qr_pagefeed_stats *ret_stats);
