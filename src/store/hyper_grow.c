/* hyper_grow.c - a primary grows past the slices that there are; see hyper_int.h.
 *
 * Writers come by before they take the lock (S1). While there is ample room the first of them makes
 * the next slice and the others go on; when there is little, all wait for it. */
#include "hyper_int.h"
#include "pagesvc/client.h"
#include "base/banned.h"

enum { AHEAD_PART = 4, TIGHT_PART = 8 }; /* of a slice, still free */
#define AHEAD_BYTES_MAX (UINT64_C(4) << 30)

uint32_t qri_slice_pages(const struct qri_hyper *hy)
{
    return (uint32_t)(hy->options.slice_bytes / hy->store->page_bytes);
}

static void set_limit(struct qri_hyper *hy)
{
    uint64_t last = (uint64_t)hy->slice_count * qri_slice_pages(hy) - 1; /* there is no page 0 */
    atomic_store(&hy->store->pages_limit, last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
}

void qri_grow_init(struct qri_hyper *hy)
{
    uint32_t pages = qri_slice_pages(hy);
    uint32_t used = atomic_load(&hy->store->head_db_pages) / pages + 1;
    pthread_mutex_lock(&hy->grow_mu);
    hy->slice_count = hy->options.slice_count > used ? hy->options.slice_count : used;
    set_limit(hy);
    pthread_mutex_unlock(&hy->grow_mu);
}

/* It may be there already: a primary before us made it and wrote nothing to it. */
static enum qr_status add_slice(struct qri_hyper *hy, struct qr_err *err)
{
    struct qr_store *store = hy->store;
    struct qr_slice_id id = {.timeline = hy->options.timeline, .no = hy->slice_count};
    /* A commit mark from which on its log comes: nothing was written to it before. */
    struct qr_lsn start = qr_store_durable_lsn(store);
    QR_TRY(qr_pages_create(hy->options.pages, &id, store->page_bytes, start, err));
    QR_TRY(hy->options.grown(hy->options.grown_ctx, hy->slice_count + 1, err));
    hy->slice_count++;
    set_limit(hy);
    QR_LOG(&store->options.log, QR_INFO, "slice_added", QR_F("dir", store->dir),
           QR_F("slices", hy->slice_count));
    return QR_OK;
}

static uint64_t free_bytes(const struct qri_hyper *hy)
{
    uint64_t limit = atomic_load(&hy->store->pages_limit);
    uint64_t used = atomic_load(&hy->store->head_db_pages);
    return (used < limit ? limit - used : 0) * hy->store->page_bytes;
}

/* Neither the format nor the quota lets it use another one. */
static bool is_largest(const struct qri_hyper *hy)
{
    uint64_t limit = atomic_load(&hy->store->pages_limit);
    uint64_t quota = atomic_load(&hy->store->max_data_bytes);
    return limit == UINT32_MAX || (quota != 0 && limit * hy->store->page_bytes >= quota);
}

void qri_grow(struct qri_hyper *hy)
{
    uint64_t slice = hy->options.slice_bytes, ahead = slice / AHEAD_PART;
    ahead = ahead < AHEAD_BYTES_MAX ? ahead : AHEAD_BYTES_MAX;
    if (hy->options.grown == NULL || free_bytes(hy) >= ahead || is_largest(hy))
        return;
    bool tight = free_bytes(hy) < (slice / TIGHT_PART < ahead / 2 ? slice / TIGHT_PART : ahead / 2);
    if (tight)
        pthread_mutex_lock(&hy->grow_mu);
    else if (pthread_mutex_trylock(&hy->grow_mu) != 0)
        return;
    struct qr_err err = {.status = QR_OK};
    if (free_bytes(hy) < ahead && add_slice(hy, &err) != QR_OK)
        QR_LOG(&hy->store->options.log, QR_WARN, "slice_not_added", QR_F("dir", hy->store->dir),
               QR_F("slice", hy->slice_count), QR_F("err", err.text));
    pthread_mutex_unlock(&hy->grow_mu);
}
