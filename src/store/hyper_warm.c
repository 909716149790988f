/* hyper_warm.c - see store/hyper.h: which pages a node uses, and pages that another node used.
 *
 * They come as read-ahead comes: asked for as of one LSN, with last-written LSNs of that moment,
 * and kept only if nothing happened to them meanwhile (H5), so nothing that is kept was ever stale.
 * What is in memory goes there until little is free: who serves has to find room for what it reads.
 */
#include "hyper_replica.h"
#include <stdlib.h>
#include <string.h>
#include "pagesvc/client.h"
#include "base/banned.h"

_Static_assert((int)QR_HYPER_WARM_MAX <= (int)QRI_AHEAD_MAX, "one call takes them");

enum { FREE_PART = 8 }; /* of the cache, which stays free */

void qr_hyper_list_pages(struct qr_store *store, uint32_t *dst, size_t max,
                         struct qr_hyper_listed *ret_listed)
{
    size_t count = qri_cache_list(store, QRI_USED_COUNT, QRI_USED_COUNT, dst, max);
    count += qri_cache_list(store, QRI_USED_HOT, QRI_USED_COUNT - 1, dst + count, max - count);
    ret_listed->hot = count;
    count += qri_cache_list(store, 0, QRI_USED_HOT - 1, dst + count, max - count);
    ret_listed->memory = count;
    size_t disk = qri_tier_list(store->hyper, dst + count, max - count);
    for (size_t i = ret_listed->memory, end = count + disk; i < end; i++) {
        _Atomic(struct qri_frame *) *entry = qri_table_entry(store, dst[i], false);
        if (entry == NULL || atomic_load(entry) == NULL)
            dst[count++] = dst[i];
    }
    ret_listed->all = count;
}

/* Those that are not here, as of one moment. */
static uint32_t make_wants(struct qr_store *store, const uint32_t *pages, size_t count,
                           uint64_t lsn, struct qr_pages_want *wants)
{
    struct qri_hyper *hy = store->hyper;
    uint32_t wanted = 0, pages_max = atomic_load(&store->head_db_pages);
    for (size_t i = 0; i < count; i++) {
        uint32_t p = pages[i];
        if (p == 0 || p > pages_max)
            continue;
        _Atomic(struct qri_frame *) *entry = qri_table_entry(store, p, false);
        if ((entry != NULL && atomic_load(entry) != NULL) || qri_tier_has(hy, p))
            continue;
        wants[wanted++] =
            (struct qr_pages_want){.page_no = p,
                                   .lsn = qr_lsn(lsn),
                                   .not_modified_since = qr_lsn(qri_written_lsn(&hy->written, p))};
    }
    return wanted;
}

static uint32_t make_wants_now(struct qr_store *store, const uint32_t *pages, size_t count,
                               struct qr_pages_want *wants)
{
    struct qri_replica *rep = store->hyper->replica;
    if (rep == NULL)
        return make_wants(store, pages, count, atomic_load(&store->durable_lsn), wants);
    pthread_mutex_lock(&rep->fetch_mu);
    uint32_t wanted = make_wants(store, pages, count, qri_fetch_lsn(store, rep), wants);
    pthread_mutex_unlock(&rep->fetch_mu);
    return wanted;
}

/* Pages of one slice. */
static enum qr_status bring(struct qr_store *store, const uint32_t *pages, size_t count,
                            enum qr_warmth as, size_t *kept, struct qr_err *err)
{
    struct qri_hyper *hy = store->hyper;
    struct qr_pages_want wants[QR_HYPER_WARM_MAX];
    uint32_t wanted = make_wants_now(store, pages, count, wants);
    if (wanted == 0)
        return QR_OK;
    struct qr_buf reply;
    qr_buf_init(&reply, SIZE_MAX / 4);
    enum qr_status status =
        qri_hyper_get(hy, pages[0] / qri_slice_pages(hy), wants, wanted, &reply, err);
    size_t at = 0;
    for (uint32_t i = 0; i < wanted && status == QR_OK; i++) {
        struct qr_pages_got got;
        status = qr_pages_got_next(reply.data, reply.len, &at, &got, err);
        if (status != QR_OK || got.status != QR_OK)
            continue;
        atomic_fetch_add_explicit(&store->pages_read, 1, memory_order_relaxed);
        *kept += qri_hyper_keep(store, &wants[i], &got, as);
    }
    qr_buf_done(&reply);
    return status;
}

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

enum qr_status qr_hyper_warm(struct qr_store *store, const uint32_t *pages, size_t count,
                             enum qr_warmth as, size_t *ret_kept, struct qr_err *err)
{
    uint32_t sorted[QR_HYPER_WARM_MAX];
    uint32_t slice_pages = qri_slice_pages(store->hyper);
    uint64_t bytes_max = atomic_load(&store->cache.bytes_max);
    *ret_kept = 0;
    if (count > QR_HYPER_WARM_MAX)
        return qr_fail(err, QR_INVALID, "%zu pages at once", count);
    if (as != QR_WARM_DISK &&
        qri_cache_used_bytes(store) + count * store->page_bytes > bytes_max - bytes_max / FREE_PART)
        as = QR_WARM_DISK;
    if (as == QR_WARM_DISK && !qri_tier_has_room(store->hyper, count))
        return QR_OK;
    memcpy(sorted, pages, count * sizeof *pages);
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t from = 0, to; from < count; from = to) {
        to = from + 1;
        while (to < count && sorted[to] / slice_pages == sorted[from] / slice_pages)
            to++;
        QR_TRY(bring(store, sorted + from, to - from, as, ret_kept, err));
    }
    return QR_OK;
}
