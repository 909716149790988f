/* store/limit.h - how large a store may become, besides its own qr_store_set_max_data_bytes.
 *
 * What would grow a store beyond a limit is refused (QR_FULL, qr_txn_over); what does not grow it
 * goes on, also where the limit is below what there is. Threads: any. */
#pragma once
#include "store/store.h"

/* Of several stores. Who owns it sums up what they and those that are closed have from time to
 * time; between that stores add what they grow by. It outlives the stores. */
struct qr_store_pool {
    _Atomic uint64_t bytes, bytes_max; /* 0: no limit */
};
void qr_store_set_pool(struct qr_store *store, struct qr_store_pool *pool); /* NULL: in none */
uint64_t qr_store_pool_bytes_max(struct qr_store *store);                   /* 0: none */

/* Data, log and temporary files together, on the disk of the node; 0: no limit. */
void qr_store_set_local_bytes(struct qr_store *store, uint64_t bytes);

/* What keeps the database from being so large. */
enum qr_store_limit { QR_LIMIT_NONE, QR_LIMIT_QUOTA, QR_LIMIT_POOL, QR_LIMIT_LOCAL };
enum qr_store_limit qr_store_limit_at(struct qr_store *store, uint64_t data_bytes);
