/* behind_int.h - a store's followers (follow.c): far behind, they slow writers down. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "store/writer.h"

enum { QRI_FOLLOWERS_MAX = 4 };
struct qri_follower {
    _Atomic uint64_t from; /* it gets log now, and has it up to there; 0: free */
    _Atomic uint64_t seen; /* when it was looked at */
    _Atomic int64_t moved_ns;
    _Atomic bool stands; /* for long: nobody waits for it */
};
struct qri_behind {
    struct qri_follower followers[QRI_FOLLOWERS_MAX];
    _Atomic uint32_t try_no; /* of bringing one in */
    _Atomic int64_t looked_ns, delay_ns;
    _Atomic uint64_t lag_before; /* when it was looked at, in bytes */
};
/* Before a write, while a follower gets log and is far behind: waits so long that it catches up. */
QR_NODISCARD enum qr_status qri_behind_delay(struct qr_store *store, qr_writer_poll_fn *poll,
                                             void *poll_ctx);
