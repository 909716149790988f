/* blob/simblob.h - a blob store that fails as its seed decides, in front of another one; for tests.
 *
 * A failure comes before the operation (nothing happened) or behind it (a write happened, and its
 * answer is lost: QR_TIMEOUT), so callers meet both. A get may end early with QR_IO. Conditions,
 * bytes and tags are those of the store behind, which stays the caller's and must outlive this one.
 * Threads: as the store behind, one internal lock. Rates are parts per million of operations. */
#pragma once
#include "blob/blob.h"

struct qr_simblob_faults {
    uint32_t refuse_ppm;  /* QR_BUSY, QR_IO or QR_CLOSED, before anything happens */
    uint32_t lose_ppm;    /* the answer of a write that happened: QR_TIMEOUT */
    uint32_t deny_ppm;    /* QR_DENIED, before anything happens */
    uint32_t full_ppm;    /* QR_FULL of a write, before anything happens */
    int64_t delay_max_ns; /* each operation sleeps up to this long */
};

/* NULL when out of memory. Close it with qr_blob_close. */
struct qr_blob *qr_simblob_new(struct qr_env *env, struct qr_blob *blob, uint64_t seed,
                               const struct qr_simblob_faults *faults);
void qr_simblob_set_faults(struct qr_blob *simblob, const struct qr_simblob_faults *faults);
/* Everything ends with QR_CLOSED until it is told otherwise: the service is gone. */
void qr_simblob_set_gone(struct qr_blob *simblob, bool gone);
/* Its objects are no files here, wherever those of the store behind are (before it is used). */
void qr_simblob_set_remote(struct qr_blob *simblob, bool remote);
uint64_t qr_simblob_operations(struct qr_blob *simblob);
uint64_t qr_simblob_failures(struct qr_blob *simblob);
