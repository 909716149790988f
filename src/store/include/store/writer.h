/* store/writer.h - the writer lock of a store: one writer at a time, first come first served,
 * except that a thread that is running may take a free lock before one that has waited for less
 * than 2 ms: waiting for a thread to wake up takes longer than most commits.
 *
 * Threads: any thread may acquire, and another thread may release (a session moves between
 * workers). The lock belongs to the struct, not to a thread. It is not held while a commit becomes
 * durable (S1): release it after publish, then wait for the LSN. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/store.h"

struct qr_writer {
    uint64_t owner;           /* set by the caller: who this is, for the DMVs (session id); not 0 */
    int64_t since_mono_ns;    /* when the lock was taken, or since when it waits */
    struct qr_store *store;   /* while it holds or waits */
    struct qr_writer *next;   /* guarded by the queue's mutex, as the rest */
    pthread_cond_t *wake;     /* of the thread that waits */
    struct qr_gov_task *task; /* whose debts wait until it is released */
    int state;
};

/* Called while waiting, at least every 20 ms and not with any lock held: QR_OK to go on waiting,
 * any other status gives up and is returned (QR_CANCELLED for attention, QR_TIMEOUT for
 * LOCK_TIMEOUT). */
typedef enum qr_status qr_writer_poll_fn(void *ctx);

/* `writer` must be zeroed but for `owner`, or have been released. `poll` may be NULL. While the log
 * or the cache is over its limit, new writers wait here for the checkpointer. QR_READ_ONLY: the
 * store is a replica. QR_FULL, QR_BUSY: its log service has had no room for log for some seconds.
 */
QR_NODISCARD enum qr_status qr_writer_acquire(struct qr_store *store, struct qr_writer *writer,
                                              qr_writer_poll_fn *poll, void *poll_ctx,
                                              struct qr_err *err);
/* Nothing if not held. */
void qr_writer_release(struct qr_writer *writer);
bool qr_writer_is_held(const struct qr_writer *writer);

struct qr_writer_info {
    uint64_t owner;
    int64_t since_mono_ns;
};
/* [0] is the holder, then those who wait, in order; returns how many there are (may exceed max). */
size_t qr_store_list_writers(struct qr_store *store, struct qr_writer_info *dst, size_t count_max);
