/* limit.c - see store/limit.h */
#include "store/limit.h"
#include "store_int.h"
#include "base/banned.h"

void qr_store_set_pool(struct qr_store *store, struct qr_store_pool *pool)
{
    atomic_store(&store->pool, pool);
}

uint64_t qr_store_pool_bytes_max(struct qr_store *store)
{
    struct qr_store_pool *pool = atomic_load(&store->pool);
    return pool == NULL ? 0 : atomic_load(&pool->bytes_max);
}

void qr_store_set_local_bytes(struct qr_store *store, uint64_t bytes)
{
    atomic_store(&store->local_bytes_max, bytes);
}

static uint64_t head_bytes(struct qr_store *store)
{
    return (uint64_t)atomic_load(&store->head_db_pages) * store->page_bytes;
}

static bool passes_pool(struct qr_store *store, uint64_t more)
{
    struct qr_store_pool *pool = atomic_load(&store->pool);
    uint64_t max = pool == NULL ? 0 : atomic_load(&pool->bytes_max);
    return max != 0 && atomic_load(&pool->bytes) + more > max;
}

enum qr_store_limit qr_store_limit_at(struct qr_store *store, uint64_t data_bytes)
{
    uint64_t now = head_bytes(store), quota = atomic_load(&store->max_data_bytes);
    uint64_t local = atomic_load(&store->local_bytes_max);
    if (data_bytes <= now)
        return QR_LIMIT_NONE;
    if (quota != 0 && data_bytes > quota)
        return QR_LIMIT_QUOTA;
    if (passes_pool(store, data_bytes - now))
        return QR_LIMIT_POOL;
    if (local != 0 &&
        data_bytes + atomic_load(&store->log.file_bytes) + atomic_load(&store->tmp_bytes) > local)
        return QR_LIMIT_LOCAL;
    return QR_LIMIT_NONE;
}

void qri_pool_resized(struct qr_store *store, uint32_t pages_before, uint32_t pages)
{
    struct qr_store_pool *pool = atomic_load(&store->pool);
    uint64_t by = ((uint64_t)pages - pages_before) * store->page_bytes; /* wraps: it got smaller */
    if (pool != NULL && by != 0)
        atomic_fetch_add(&pool->bytes, by);
}
