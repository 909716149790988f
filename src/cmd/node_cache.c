/* node_cache.c - see node_int.h: the page caches of all databases of a compute node, together
 *
 * Each may be as large as --cache-mib says. As long as all of them could be, and fit, nothing is
 * looked at. Else every second: when they have more than the process's bound, no cache may be
 * larger than a level at which they fit, and those that nobody reads give back what is above it, a
 * step at a time, while those that are read take no more pages. */
#include <stdlib.h>
#include "cache_level.h"
#include "node_int.h"
#include "store/store.h"
#include "base/banned.h"

static const uint64_t STEP_BYTES = UINT64_C(64) << 20;

uint64_t qri_node_cache_bound(const struct qri_node *node)
{
    uint64_t told = node->options.cache_total_bytes;
    return told > 0 ? told : node->machine_bytes / 8 * 3;
}

static void set_level(struct qri_node *node, uint64_t level, const uint64_t *used, size_t count)
{
    uint64_t step = STEP_BYTES;
    size_t i = 0;
    for (struct hosted_link *at = node->opened.after; at != &node->opened && i < count;
         at = at->after) {
        struct hosted *h = qri_hosted_of(at);
        if (h->state != HOSTED_OPEN)
            continue;
        struct qr_store *store = qr_database_store(h->db);
        uint64_t over = used[i] > level ? used[i] - level : 0, less = over < step ? over : step;
        qr_store_set_cache_bytes(store, level);
        if (less > 0)
            qr_store_reclaim_cache(store, used[i] - less);
        step -= less;
        i++;
    }
}

void qri_node_share_caches(struct qri_node *node)
{
    uint64_t full = node->sizes.cache_bytes, bound = qri_node_cache_bound(node);
    uint64_t before = node->cache_level == 0 ? full : node->cache_level;
    if (before >= full && node->open_count <= bound / (full == 0 ? 1 : full))
        return;
    uint64_t *used = calloc(node->open_count + 1, sizeof *used);
    if (used == NULL)
        return;
    size_t count = 0;
    for (struct hosted_link *at = node->opened.after; at != &node->opened; at = at->after)
        if (qri_hosted_of(at)->state == HOSTED_OPEN && count <= node->open_count)
            used[count++] = qr_store_cache_used(qr_database_store(qri_hosted_of(at)->db));
    uint64_t level = qri_cache_level(used, count, before, full, bound);
    if (level < full || before < full)
        set_level(node, level, used, count);
    if ((level < full) != (before < full))
        QR_LOG(&node->options.log, QR_INFO, level < full ? "caches_bounded" : "caches_unbounded",
               QR_F("databases", (uint64_t)count), QR_F("level_mib", level >> 20));
    node->cache_level = level;
    free(used);
}
