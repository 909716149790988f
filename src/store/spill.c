/* spill.c - the local version file: old versions that long snapshots need, when memory is short.
 *
 * Its contents mean nothing after a restart. A version that moves there leaves a stub in its chain
 * and in the held queue: a frame without data. See store_int.h. */
#include "store_int.h"
#include <stdlib.h>
#include "base/banned.h"

enum { SPILL_BATCH = 32 }; /* versions moved under one hold of gc_mu */

static enum qr_status open_file(struct qr_store *store, struct qr_err *err)
{
    return store->spill_pages.file != NULL ? QR_OK
                                           : qr_tmp_file_new(store, &store->spill_pages.file, err);
}

static uint64_t take_slot(struct qr_store *store)
{
    return store->spill_free_count > 0 ? store->spill_free[--store->spill_free_count]
                                       : store->spill_slots++;
}

static void give_slot(struct qr_store *store, uint64_t slot)
{
    if (store->spill_free_count == store->spill_free_capacity) {
        size_t capacity = store->spill_free_capacity == 0 ? 256 : store->spill_free_capacity * 2;
        uint64_t *slots = realloc(store->spill_free, capacity * sizeof *slots);
        if (slots == NULL)
            return; /* the slot is lost until the store is opened again */
        store->spill_free = slots;
        store->spill_free_capacity = capacity;
    }
    store->spill_free[store->spill_free_count++] = slot;
}

enum qr_status qri_spill_add(struct qr_store *store, const uint8_t *page, uint64_t *ret_slot,
                             struct qr_err *err)
{
    QR_TRY(open_file(store, err));
    uint64_t slot = take_slot(store);
    enum qr_status status = qr_tmp_file_write(store->spill_pages.file, page, store->page_bytes,
                                              slot * store->page_bytes, err);
    if (status != QR_OK) {
        atomic_store(&store->spill_refused, true);
        give_slot(store, slot);
        /* 40551 is for who fills tempdb, not for who happens to run a checkpoint */
        return status == QR_SQL ? qr_fail(err, QR_FULL, "no space for old versions") : status;
    }
    atomic_fetch_add(&store->spilled_count, 1);
    atomic_fetch_add(&store->spill_pages.refs, 1);
    *ret_slot = slot;
    return QR_OK;
}

static void drop_slot(struct qr_store *store, uint64_t slot)
{
    give_slot(store, slot);
    atomic_fetch_sub(&store->spilled_count, 1);
    atomic_fetch_sub(&store->spill_pages.refs, 1);
}

/* Puts the stub where the frame was, unless somebody is reading it. */
static bool replace_in_chain(struct qr_store *store, struct qri_frame *f, struct qri_frame *stub)
{
    pthread_mutex_t *stripe = qri_stripe(store, atomic_load(&f->page_no));
    pthread_mutex_lock(stripe);
    bool idle = atomic_load(&f->pins) == 0; /* pins of old versions are taken under the stripe */
    if (idle) {
        stub->older = f->older;
        stub->newer = f->newer;
        stub->newer->older = stub;
        if (stub->older != NULL)
            stub->older->newer = stub;
    }
    pthread_mutex_unlock(stripe);
    return idle;
}

/* With gc_mu held. NULL if it stays in memory. */
static struct qri_frame *spill_one(struct qr_store *store, struct qri_frame *f)
{
    uint64_t slot = 0;
    struct qri_frame *stub = qri_stub_new(atomic_load(&f->page_no), NULL, 0);
    if (stub == NULL || qri_spill_add(store, f->data, &slot, NULL) != QR_OK) {
        free(stub);
        return NULL;
    }
    stub->lsn = f->lsn;
    stub->superseded_lsn = f->superseded_lsn;
    stub->pages = &store->spill_pages;
    stub->spill_slot = slot;
    if (replace_in_chain(store, f, stub))
        return stub;
    drop_slot(store, slot);
    free(stub);
    return NULL;
}

/* Goes over the held queue once from where it is; false: nothing could be moved. */
static bool spill_batch(struct qr_store *store, size_t *left)
{
    struct qri_frame *freed = NULL;
    size_t count = 0;
    pthread_mutex_lock(&store->gc_mu);
    if (open_file(store, NULL) != QR_OK)
        *left = 0;
    for (int i = 0; i<SPILL_BATCH && * left> 0 && store->held.first != NULL; i++, --*left) {
        struct qri_frame *f = store->held.first, *stay = f;
        store->held.first = f->next;
        if (store->held.first == NULL)
            store->held.last = NULL;
        if (f->data != NULL) {
            struct qri_frame *stub = spill_one(store, f);
            if (stub != NULL) {
                f->next = freed;
                freed = f;
                count++;
                stay = stub;
            }
        }
        stay->next = NULL;
        *(store->held.last == NULL ? &store->held.first : &store->held.last->next) = stay;
        store->held.last = stay;
    }
    bool more = *left > 0 && store->held.first != NULL;
    pthread_mutex_unlock(&store->gc_mu);
    qri_frames_free(store, freed, count);
    return more;
}

void qri_spill(struct qr_store *store)
{
    pthread_mutex_lock(&store->gc_mu);
    size_t left = store->held.count;
    pthread_mutex_unlock(&store->gc_mu);
    while (qri_cache_is_over(store) && spill_batch(store, &left))
        ;
}

void qri_spill_free(struct qr_store *store, struct qri_frame *stub)
{
    if (stub->pages == &store->spill_pages) {
        drop_slot(store, stub->spill_slot);
        free(stub);
        return;
    }
    if (stub->pages == NULL)
        atomic_fetch_sub(&store->base_stubs, 1);
    qri_stub_free(stub);
}

void qri_spill_done(struct qr_store *store)
{
    struct qri_queue *queues[] = {&store->retired, &store->held};
    for (int i = 0; i < 2; i++) {
        for (struct qri_frame *f = queues[i]->first, *next; f != NULL; f = next) {
            next = f->next;
            if (f->data == NULL)
                qri_spill_free(store, f);
        }
    }
    qri_stubs_done(store);
    qr_tmp_file_free(store->spill_pages.file);
    free(store->spill_free);
}
