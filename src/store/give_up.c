/* give_up.c - a bound on the versions that snapshots keep; see store_int.h.
 *
 * A snapshot left open keeps the old version of every page that changes meanwhile. Beyond the bound
 * the oldest one is given up, then the next: `given_up_lsn` says that transactions' snapshots
 * before it keep nothing any more, and whoever reads with one afterwards gets QR_GONE instead.
 * That LSN moves before the collector looks at the slots, and never past the durable LSN, from
 * which on new snapshots begin; so no snapshot is given up that nobody has seen. */
#include "store_int.h"
#include "versions_int.h"
#include "base/banned.h"

bool qri_snapshot_is_gone(struct qr_store *store, uint64_t lsn)
{
    return lsn < atomic_load_explicit(&store->given_up_lsn, memory_order_acquire);
}

enum qr_status qri_fail_gone(struct qr_err *err)
{
    return qr_fail(err, QR_GONE, "the versions that the snapshot reads were given up for room");
}

bool qri_slot_counts(struct qr_store *store, const struct qri_slot *slot, uint64_t lsn)
{
    return lsn != 0 && (slot->stays || !qri_snapshot_is_gone(store, lsn));
}

struct snapshots {
    uint64_t oldest, count;
};

static struct snapshots look_at_slots(struct qr_store *store)
{
    struct snapshots seen = {0};
    pthread_mutex_lock(&store->slots_mu);
    for (const struct qri_slot *s = store->slots; s != NULL; s = s->next) {
        uint64_t lsn = atomic_load(&s->lsn);
        if (s->stays || !qri_slot_counts(store, s, lsn))
            continue;
        seen.oldest = seen.count == 0 || lsn < seen.oldest ? lsn : seen.oldest;
        seen.count++;
    }
    pthread_mutex_unlock(&store->slots_mu);
    return seen;
}

static uint64_t version_bytes(struct qr_store *store)
{
    return atomic_load(&store->held_count) * store->page_bytes;
}

/* A snapshot that was left open must not stop large transactions and sorts. */
static uint64_t bound(struct qr_store *store)
{
    uint64_t half = atomic_load(&store->tmp_bytes_max) / 2, max = store->options.version_bytes_max;
    return half < max ? half : max;
}

static bool is_over(struct qr_store *store)
{
    bool refused = atomic_load(&store->spill_refused) && qri_cache_is_over(store);
    return refused || version_bytes(store) > bound(store);
}

/* False: none is left that keeps anything. */
static bool give_up_oldest(struct qr_store *store)
{
    uint64_t bytes = version_bytes(store), durable = atomic_load(&store->durable_lsn);
    struct snapshots seen = look_at_slots(store);
    if (seen.count == 0 || seen.oldest >= durable)
        return false;
    atomic_store(&store->given_up_lsn, seen.oldest + 1);
    atomic_fetch_add(&store->given_up_count, 1);
    QR_LOG(&store->options.log, QR_WARN, "snapshot_given_up", QR_F("dir", store->dir),
           QR_F("lsn", (int64_t)seen.oldest), QR_F("version_bytes", (int64_t)bytes),
           QR_F("version_bytes_max", (int64_t)bound(store)));
    return true;
}

void qri_versions_bound(struct qr_store *store)
{
    if (!is_over(store)) {
        atomic_store(&store->spill_refused, false);
        return;
    }
    qri_collect_all(store); /* snapshots between the oldest and the newest may have ended */
    while (is_over(store) && give_up_oldest(store))
        qri_collect_all(store);
    atomic_store(&store->spill_refused, false);
}

void qr_store_get_versions(struct qr_store *store, struct qr_store_versions *ret_versions)
{
    struct snapshots seen = look_at_slots(store);
    *ret_versions = (struct qr_store_versions){
        .bytes = version_bytes(store),
        .bytes_max = bound(store),
        .disk_bytes = atomic_load(&store->spilled_count) * store->page_bytes,
        .count = atomic_load(&store->held_count),
        .snapshots = seen.count,
        .given_up = atomic_load(&store->given_up_count),
        .oldest = qr_lsn(seen.oldest),
        .swept_from_ns = atomic_load(&store->swept_from_ns),
        .swept_ns = atomic_load(&store->swept_ns),
    };
}
