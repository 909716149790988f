/* upkeep_int.h - the part of store_int.h about the thread that frees versions, gives memory back
 * and does the backend's upkeep. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

/* Reads (0) or writes (1, as enum qr_gov_io has them) of temporary files. */
struct qri_tmp_io {
    _Atomic uint64_t count, bytes, stall_ns, queued_ns;
};

struct qr_store;

struct qri_upkeep {
    pthread_mutex_t mu;
    pthread_cond_t wake, done;
    bool wanted, looks;  /* a round with more room; a round: guarded by mu */
    uint64_t runs;       /* finished ones that were wanted, guarded by mu */
    enum qr_status last; /* of the last one, guarded by mu */
    _Atomic bool dozes;  /* it sleeps without an end, or is about to */
};

void qri_upkeep_init(struct qr_store *store);
void qri_upkeep_done(struct qr_store *store);
void qri_upkeep_want(struct qr_store *store); /* there is too little room somewhere */
/* There is something that it frees after a while; with log.mu held or not. */
void qri_upkeep_look(struct qr_store *store);
void *qri_upkeep_main(void *store);
