/* node_cache.c - see node_int.h: the page caches of all databases of a compute node, together
 *
 * Each may be as large as --cache-mib says. As long as all of them could be, and fit, nothing is
 * looked at. Else every second: when they have more than the process's bound, none that is below a
 * level at which they fit may pass it, and none that is above takes more pages; they give back what
 * is above it, a step of all together at a time, in turns. */
#include <stdlib.h>
#include "cache_level.h"
#include "node_int.h"
#include "store/store.h"
#include "base/banned.h"

static const uint64_t STEP_BYTES = UINT64_C(256) << 20;

uint64_t qri_node_cache_bound(const struct qri_node *node)
{
    uint64_t told = node->options.cache_total_bytes;
    return told > 0 ? told : node->machine_bytes / 8 * 3;
}

static void set_limit(struct qr_store *store, uint64_t level)
{
    uint64_t used = qr_store_cache_used(store), limit = qr_store_cache_bytes(store);
    qr_store_set_cache_bytes(store, qri_cache_limit(used, limit, level));
}

/* It gives back what is above the level, at most `step`; how much of the step that was. Evicting
 * takes its time, and logins need mu. */
static uint64_t shrink(struct qri_node *node, struct hosted *h, uint64_t level, uint64_t step)
{
    struct qr_store *store = qr_database_store(h->db);
    uint64_t used = qr_store_cache_used(store);
    uint64_t over = used > level ? used - level : 0, less = over < step ? over : step;
    if (less == 0)
        return 0;
    h->is_shrinking = true;
    pthread_mutex_unlock(&node->mu);
    qr_store_reclaim_cache(store, used - less);
    pthread_mutex_lock(&node->mu);
    set_limit(store, level);
    h->is_shrinking = false;
    pthread_cond_broadcast(&node->changed);
    node->cache_turn = h->id;
    return less;
}

static void set_level(struct qri_node *node, uint64_t level)
{
    uint64_t step = STEP_BYTES;
    for (struct hosted_link *at = node->opened.after; at != &node->opened; at = at->after)
        if (qri_hosted_of(at)->state == HOSTED_OPEN)
            set_limit(qr_database_store(qri_hosted_of(at)->db), level);
    struct hosted *last = qri_node_find_hosted(node, node->cache_turn);
    struct hosted_link *at = last == NULL ? &node->opened : &last->opened;
    for (uint32_t left = node->open_count + 1; left > 0 && step > 0 && !node->ends; left--) {
        at = at->after; /* what shrinks stays in the ring */
        if (at != &node->opened && qri_hosted_of(at)->state == HOSTED_OPEN)
            step -= shrink(node, qri_hosted_of(at), level, step);
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
        set_level(node, level);
    if ((level < full) != (before < full))
        QR_LOG(&node->options.log, QR_INFO, level < full ? "caches_bounded" : "caches_unbounded",
               QR_F("databases", (uint64_t)count), QR_F("level_mib", level >> 20));
    node->cache_level = level;
    free(used);
}
