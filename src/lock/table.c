/* table.c - memory of the lock manager: hash tables and pools, all of it counted against bytes_max.
 */
#include "lock_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum {
    BUCKETS_MIN = 64,
    BUCKETS_KEPT = 4096, /* by an empty table */
    CHUNK_BYTES = 16 * 1024,
    CHUNKS_KEPT = 16, /* by an empty pool */
};

struct qri_chunk {
    struct qri_chunk *next;
    void *own_items[]; /* as many as fit */
};
struct qri_free {
    struct qri_free *next;
};

void *qri_alloc(struct qr_locks *m, size_t bytes)
{
    if (bytes > m->options.bytes_max - m->bytes)
        return NULL;
    void *p = calloc(1, bytes);
    if (p != NULL)
        m->bytes += bytes;
    return p;
}

void qri_free(struct qr_locks *m, void *p, size_t bytes)
{
    if (p == NULL)
        return;
    assert(m->bytes >= bytes);
    m->bytes -= bytes;
    free(p);
}

/* ---- tables ---- */

struct qri_node *qri_table_chain(const struct qri_table *table, uint64_t hash)
{
    return table->bucket_count == 0 ? NULL : table->buckets[hash & (table->bucket_count - 1)];
}

static bool resize(struct qr_locks *m, struct qri_table *table, size_t bucket_count)
{
    struct qri_node **buckets = qri_alloc(m, bucket_count * sizeof(struct qri_node *));
    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct qri_node *node = table->buckets[i];
        while (node != NULL) {
            struct qri_node *next = node->next;
            struct qri_node **bucket = &buckets[node->hash & (bucket_count - 1)];
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    qri_free(m, table->buckets, table->bucket_count * sizeof(struct qri_node *));
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    return true;
}

bool qri_table_put(struct qr_locks *m, struct qri_table *table, struct qri_node *node)
{
    if (table->bucket_count == 0 && !resize(m, table, BUCKETS_MIN))
        return false;
    if (table->count >= table->bucket_count) /* without room longer chains do */
        (void)!resize(m, table, table->bucket_count * 2);
    struct qri_node **bucket = &table->buckets[node->hash & (table->bucket_count - 1)];
    node->next = *bucket;
    *bucket = node;
    table->count++;
    return true;
}

void qri_table_remove(struct qr_locks *m, struct qri_table *table, struct qri_node *node)
{
    struct qri_node **at = &table->buckets[node->hash & (table->bucket_count - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    table->count--;
    if (table->count == 0 && table->bucket_count > BUCKETS_KEPT)
        (void)!resize(m, table, BUCKETS_MIN);
}

void qri_locks_table_done(struct qr_locks *m, struct qri_table *table)
{
    assert(table->count == 0);
    qri_free(m, table->buckets, table->bucket_count * sizeof(struct qri_node *));
    *table = (struct qri_table){0};
}

/* ---- pools ---- */

static void cut(struct qri_pool *pool, struct qri_chunk *chunk)
{
    char *item = (char *)chunk->own_items;
    size_t count = (CHUNK_BYTES - sizeof *chunk) / pool->item_bytes;
    for (size_t i = 0; i < count; i++, item += pool->item_bytes) {
        struct qri_free *entry = (struct qri_free *)(void *)item;
        entry->next = pool->free;
        pool->free = entry;
    }
}

void *qri_pool_take(struct qr_locks *m, struct qri_pool *pool)
{
    if (pool->free == NULL) {
        struct qri_chunk *chunk = qri_alloc(m, CHUNK_BYTES);
        if (chunk == NULL)
            return NULL;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->chunk_count++;
        cut(pool, chunk);
    }
    struct qri_free *item = pool->free;
    pool->free = item->next;
    pool->live++;
    memset(item, 0, pool->item_bytes);
    return item;
}

/* Nothing is in use: all but a few chunks go. */
static void shrink(struct qr_locks *m, struct qri_pool *pool, size_t kept)
{
    pool->free = NULL;
    while (pool->chunk_count > kept) {
        struct qri_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        pool->chunk_count--;
        qri_free(m, chunk, CHUNK_BYTES);
    }
    for (struct qri_chunk *chunk = pool->chunks; chunk != NULL; chunk = chunk->next)
        cut(pool, chunk);
}

void qri_pool_give(struct qr_locks *m, struct qri_pool *pool, void *item)
{
    struct qri_free *entry = item;
    entry->next = pool->free;
    pool->free = entry;
    pool->live--;
    if (pool->live == 0 && pool->chunk_count > CHUNKS_KEPT)
        shrink(m, pool, CHUNKS_KEPT);
}

void qri_pool_done(struct qr_locks *m, struct qri_pool *pool)
{
    assert(pool->live == 0);
    shrink(m, pool, 0);
}
