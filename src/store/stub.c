/* stub.c - page versions that are not in memory: frames without data; see store_int.h.
 *
 * A stub's page lies in a temporary file (`pages`): the version file of old versions (spill.c), or
 * the file of a large transaction, which every stub of it keeps. Or it is a *base*: the version
 * that the backend had before a large transaction, which did not read it: it is read from there,
 * and a checkpoint that wants its place moves it to the version file first.
 *
 * A stub that is its page's newest version is marked in the page table (its address plus 1): who
 * looks there without the page's stripe must not touch it. With the stripe it may be replaced by a
 * frame with the same page, or leave the table once the page can be read again, as a frame is
 * evicted; but not while a transaction that is being committed is about to supersede it (`used`,
 * set with the stripe): the new version is linked without the stripe, so that stays set for good.
 */
#include <assert.h>
#include <stdlib.h>
#include "store_int.h"
#include "base/banned.h"

struct qri_frame *qri_stub_new(uint32_t page_no, struct qri_pages *pages, uint64_t slot)
{
    struct qri_frame *stub = calloc(1, sizeof *stub);
    if (stub == NULL)
        return NULL;
    atomic_store(&stub->page_no, page_no);
    stub->pages = pages;
    stub->spill_slot = slot;
    if (pages != NULL)
        atomic_fetch_add(&pages->refs, 1);
    return stub;
}

void qri_pages_unref(struct qri_pages *pages)
{
    if (pages == NULL || atomic_fetch_sub(&pages->refs, 1) != 1)
        return;
    qr_tmp_file_free(pages->file);
    free(pages);
}

void qri_stub_free(struct qri_frame *stub)
{
    qri_pages_unref(stub->pages);
    free(stub);
}

enum qr_status qri_stub_read(struct qr_store *store, const struct qri_frame *stub, uint64_t lsn,
                             uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err)
{
    uint32_t page_no = atomic_load(&stub->page_no);
    uint64_t durable = atomic_load(&store->durable_lsn);
    if (stub->pages == NULL && store->backend->read_base != NULL)
        return store->backend->read_base(store, page_no, lsn < durable ? lsn : durable, dst,
                                         ret_lsn, err);
    if (stub->pages == NULL)
        return store->backend->read_page(store, page_no, dst, ret_lsn, err);
    *ret_lsn = stub->lsn;
    return qr_tmp_file_read_exactly(stub->pages->file, dst, store->page_bytes,
                                    stub->spill_slot * store->page_bytes, err);
}

enum qr_status qri_stub_load(struct qr_store *store, _Atomic(struct qri_frame *) *entry,
                             struct qri_frame *stub, bool must, struct qri_frame **ret_frame,
                             struct qr_err *err)
{
    *ret_frame = NULL;
    if (atomic_load(&stub->used) != 0)
        return QR_OK;
    struct qri_frame *f = qri_frame_alloc(store, must);
    if (f == NULL)
        return must ? qr_fail(err, QR_NOMEM, "page %u", atomic_load(&stub->page_no)) : QR_OK;
    enum qr_status status = qri_stub_read(store, stub, stub->lsn, f->data, &f->lsn, err);
    if (status != QR_OK) {
        qri_frame_free(store, f);
        return status;
    }
    f->older = stub->older;
    if (f->older != NULL)
        f->older->newer = f;
    atomic_store(&f->page_no, atomic_load(&stub->page_no));
    atomic_store(entry, f);
    atomic_fetch_sub(&store->head_stubs, 1);
    qri_stub_free(stub);
    *ret_frame = f;
    return QR_OK;
}

/* --- bases --- */

static struct qri_frame *find_base(struct qr_store *store, uint32_t page_no)
{
    struct qri_frame *f = qri_head(qri_table_entry(store, page_no, false));
    while (f != NULL && (f->data != NULL || f->pages != NULL))
        f = f->older;
    return f;
}

bool qri_base_is_there(struct qr_store *store, uint32_t page_no)
{
    return atomic_load(&store->base_stubs) > 0 && find_base(store, page_no) != NULL;
}

enum qr_status qri_base_keep(struct qr_store *store, uint32_t page_no, uint8_t *scratch,
                             struct qr_err *err)
{
    pthread_mutex_t *stripe = qri_stripe(store, page_no);
    uint64_t slot = 0, lsn = 0;
    pthread_mutex_lock(&store->gc_mu);
    pthread_mutex_lock(stripe);
    struct qri_frame *base = find_base(store, page_no);
    enum qr_status status =
        base == NULL ? QR_OK : store->backend->read_page(store, page_no, scratch, &lsn, err);
    if (base != NULL && status == QR_OK)
        status = qri_spill_add(store, scratch, &slot, err);
    if (base != NULL && status == QR_OK) {
        base->pages = &store->spill_pages;
        base->spill_slot = slot;
        base->lsn = lsn;
        atomic_fetch_sub(&store->base_stubs, 1);
    }
    pthread_mutex_unlock(stripe);
    pthread_mutex_unlock(&store->gc_mu);
    return status;
}

/* --- the newest versions of pages --- */

static struct qri_frame *leave_table(struct qr_store *store, uint32_t page_no,
                                     _Atomic(struct qri_frame *) *entry)
{
    pthread_mutex_t *stripe = qri_stripe(store, page_no);
    pthread_mutex_lock(stripe);
    struct qri_frame *stub = qri_is_stub(atomic_load(entry)) ? qri_head(entry) : NULL;
    if (stub != NULL && (stub->older != NULL || atomic_load(&stub->used) != 0 ||
                         stub->lsn > atomic_load(&store->clean_lsn)))
        stub = NULL;
    if (stub != NULL) {
        if (store->backend->evicting != NULL)
            store->backend->evicting(store, page_no, stub->lsn);
        atomic_store(entry, NULL);
        atomic_fetch_sub(&store->head_stubs, 1);
    }
    pthread_mutex_unlock(stripe);
    return stub;
}

static void each_head(struct qr_store *store, bool all)
{
    for (uint32_t c = 0; c < atomic_load(&store->table_end); c++) {
        struct qri_chunk *chunk = atomic_load(&store->table[c]);
        for (uint32_t i = 0; chunk != NULL && i < QRI_CHUNK_PAGES; i++) {
            if (!qri_is_stub(atomic_load(&chunk->heads[i])))
                continue;
            struct qri_frame *stub =
                all ? qri_head(&chunk->heads[i])
                    : leave_table(store, c * QRI_CHUNK_PAGES + i, &chunk->heads[i]);
            if (stub != NULL)
                qri_stub_free(stub);
        }
    }
}

void qri_stubs_sweep(struct qr_store *store)
{
    if (atomic_load(&store->head_stubs) > 0)
        each_head(store, false);
}

void qri_stubs_done(struct qr_store *store)
{
    if (store->table != NULL)
        each_head(store, true);
}
