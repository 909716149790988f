/* store/durable.h - waiting until a commit is durable, with or without a thread.
 *
 * Threads: any. A wait belongs to the caller and must stay in place until it was called back or
 * cancelled. Callbacks run on the thread that hardened the log (a flusher, nearly always), after
 * the sync that made them true; those of one sync in LSN order, those of two syncs perhaps at once
 * on two threads. They must be short and must not call into the store except to read LSNs. */
#pragma once
#include "store/store.h"

struct qr_durable_wait {
    struct qr_lsn lsn;                             /* set by the caller */
    void (*reached)(struct qr_durable_wait *wait); /* set by the caller; use container_of */
    struct qr_durable_wait *prev, *next;           /* the store's, as what follows */
    int64_t since_ns, waited_ns;                   /* waited: set before `reached` is called */
};

/* false: it is durable already, and `reached` will not be called. true: it will be, once. When the
 * store fails for good it never is (nothing may be acknowledged then). */
bool qr_store_on_durable(struct qr_store *store, struct qr_durable_wait *wait);
/* true: taken back, `reached` will not be called. false: it has been called or is being called. */
bool qr_store_cancel_durable(struct qr_store *store, struct qr_durable_wait *wait);
/* Blocks the thread. QR_CLOSED when the store fails for good. */
QR_NODISCARD enum qr_status qr_store_wait_durable(struct qr_store *store, struct qr_lsn lsn,
                                                  struct qr_err *err);
