/* table.c - from page number to page versions; see store_int.h. */
#include "cut.h"
#include "governor/task.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/banned.h"

enum qr_status qri_table_init(struct qr_store *store, struct qr_err *err)
{
    void *table = mmap(NULL, QRI_CHUNK_COUNT * sizeof store->table[0], PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        return qr_fail(err, QR_NOMEM, "map the page table");
    store->table = table;
    for (int i = 0; i < QRI_STRIPES; i++)
        pthread_mutex_init(&store->stripes[i], NULL);
    return QR_OK;
}

void qri_table_done(struct qr_store *store)
{
    if (store->table == NULL)
        return;
    for (uint32_t i = 0; i < atomic_load(&store->table_end); i++)
        free(atomic_load(&store->table[i]));
    munmap(store->table, QRI_CHUNK_COUNT * sizeof store->table[0]);
    for (int i = 0; i < QRI_STRIPES; i++)
        pthread_mutex_destroy(&store->stripes[i]);
}

_Atomic(struct qri_frame *) *qri_table_entry(struct qr_store *store, uint32_t page_no, bool make)
{
    _Atomic(struct qri_chunk *) *place = &store->table[page_no / QRI_CHUNK_PAGES];
    struct qri_chunk *chunk = atomic_load_explicit(place, memory_order_acquire);
    if (chunk == NULL) {
        struct qri_chunk *fresh = make ? calloc(1, sizeof *fresh) : NULL;
        if (fresh == NULL)
            return NULL;
        uint32_t end = page_no / QRI_CHUNK_PAGES + 1, known = atomic_load(&store->table_end);
        while (known < end && !atomic_compare_exchange_weak(&store->table_end, &known, end))
            ;
        if (atomic_compare_exchange_strong(place, &chunk, fresh))
            chunk = fresh;
        else
            free(fresh);
    }
    return &chunk->heads[page_no % QRI_CHUNK_PAGES];
}

void qri_table_mark_dirty(struct qr_store *store, uint32_t page_no)
{
    struct qri_chunk *chunk = atomic_load(&store->table[page_no / QRI_CHUNK_PAGES]);
    uint32_t bit = page_no % QRI_CHUNK_PAGES;
    _Atomic uint64_t *word = &chunk->dirty[bit / 64];
    uint64_t mask = UINT64_C(1) << bit % 64;
    if ((atomic_load(word) & mask) == 0 && (atomic_fetch_or(word, mask) & mask) == 0)
        atomic_fetch_add(&store->dirty_pages, 1);
}

void qri_frame_unpin(struct qri_frame *frame)
{
    int32_t before = atomic_fetch_sub(&frame->pins, 1);
    assert(before > 0);
}

static struct qri_frame *try_pin(struct qr_store *store, uint32_t page_no, uint64_t lsn)
{
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    struct qri_frame *f = entry == NULL ? NULL : atomic_load(entry);
    if (f == NULL || qri_is_stub(f))
        return NULL;
    atomic_fetch_add(&f->pins, 1);
    if (atomic_load(entry) == f && f->lsn <= lsn)
        return f;
    qri_frame_unpin(f); /* maybe another page's by now; that one only sees a pin come and go */
    return NULL;
}

struct qri_frame *qri_version_try(struct qr_store *store, uint32_t page_no, uint64_t lsn)
{
    struct qri_frame *f = try_pin(store, page_no, lsn);
    if (f != NULL)
        qri_frame_touch(store, f);
    return f;
}

/* Before the page's stripe is taken, as it may sleep: I/O on disks of this machine is governed,
 * what a page server is asked for is not. Who finds the page there after all has paid for another.
 */
static void wait_turn(struct qr_store *store, uint32_t page_no)
{
    if (store->backend->is_local != NULL && !store->backend->is_local(store, page_no))
        return;
    int64_t ns = qr_gov_io(QR_GOV_READ, store->page_bytes);
    if (ns > 0)
        atomic_fetch_add_explicit(&store->read_queued_ns, (uint64_t)ns, memory_order_relaxed);
}

static enum qr_status read_page(struct qr_store *store, uint32_t page_no, uint8_t *dst,
                                uint64_t *ret_lsn, struct qr_err *err)
{
    int64_t start_ns = qr_env_mono_ns(store->env);
    struct qr_wait_mark mark = qr_wait_begin(QR_WAIT_PAGEIOLATCH_SH);
    enum qr_status status = store->backend->read_page(store, page_no, dst, ret_lsn, err);
    qr_wait_end(mark);
    int64_t ns = qr_env_mono_ns(store->env) - start_ns;
    qri_waited(&store->page_waits, ns);
    qr_gov_io_done(QR_GOV_READ, ns);
    return status;
}

/* With the page's stripe held and no version in memory: makes the data file's version the newest in
 * memory. The stripe keeps others from doing the same, and the checkpointer writes only pages that
 * have a version in memory, so what is read here is whole and is the newest. */
static enum qr_status page_in(struct qr_store *store, uint32_t page_no,
                              _Atomic(struct qri_frame *) *entry, bool must,
                              struct qri_frame **ret_frame, struct qr_err *err)
{
    struct qri_frame *f = qri_frame_alloc(store, must);
    if (f == NULL) {
        *ret_frame = NULL;
        return must ? qr_fail(err, QR_NOMEM, "page %u", page_no) : QR_OK;
    }
    enum qr_status status = read_page(store, page_no, f->data, &f->lsn, err);
    if (status != QR_OK) {
        qri_frame_free(store, f);
        return status;
    }
    qri_frame_came(store, f, page_no);
    atomic_store(&f->page_no, page_no);
    if (store->backend->link_page != NULL)
        return store->backend->link_page(store, page_no, entry, f, ret_frame, err);
    atomic_store(entry, f);
    *ret_frame = f;
    return QR_OK;
}

enum qr_status qri_version_pin(struct qr_store *store, uint32_t page_no, uint64_t lsn, bool must,
                               struct qri_frame **ret_frame, struct qr_err *err)
{
    struct qri_frame *f = qri_version_try(store, page_no, lsn);
    if (f != NULL) {
        *ret_frame = f;
        return QR_OK;
    }
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, true);
    if (entry == NULL)
        return qr_fail(err, QR_NOMEM, "page table");
    enum qr_status status = QR_OK;
    if (atomic_load(entry) == NULL)
        wait_turn(store, page_no);
    pthread_mutex_t *stripe = qri_stripe(store, page_no);
    pthread_mutex_lock(stripe);
    f = qri_head(entry);
    if (f == NULL) {
        atomic_fetch_add_explicit(&store->cache.misses, 1, memory_order_relaxed);
        status = page_in(store, page_no, entry, must, &f, err);
    }
    while (status == QR_OK && f != NULL && f->lsn > lsn)
        f = f->older;
    if (f != NULL && f == qri_head(entry) && f->data == NULL)
        status = qri_stub_load(store, entry, f, must, &f, err);
    if (f != NULL && f->data != NULL && status == QR_OK) {
        atomic_fetch_add(&f->pins, 1);
        qri_frame_touch(store, f);
    } else {
        f = NULL;
    }
    pthread_mutex_unlock(stripe);
    if (status == QR_OK)
        *ret_frame = f;
    return status;
}

enum qr_status qri_version_pin_cut_off(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                       struct qri_frame **ret_frame, struct qr_err *err)
{
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    bool needed = page_no <= atomic_load(&store->pages_max) && !qri_cut_is_past(store);
    if (!needed && atomic_load(entry) == NULL)
        return QR_OK;
    enum qr_status status = qri_version_pin(store, page_no, lsn, true, ret_frame, err);
    if (status == QR_OK || status == QR_NOMEM || !qri_cut_is_past(store))
        return status;
    qr_err_reset(err); /* it was evicted just now, and its place is gone */
    return QR_OK;
}

/* With the stripe held. */
static enum qr_status read_locked(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                  uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err)
{
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    struct qri_frame *f = entry == NULL ? NULL : qri_head(entry);
    if (f == NULL && store->backend->read_at == NULL)
        return read_page(store, page_no, dst, ret_lsn, err);
    while (f != NULL && f->lsn > lsn)
        f = f->older;
    if (f == NULL && store->backend->read_at != NULL)
        return store->backend->read_at(store, page_no, lsn, dst, ret_lsn, err);
    if (f == NULL)
        return qr_fail(err, QR_BUG, "page %u has no version at LSN %llu", page_no,
                       (unsigned long long)lsn);
    *ret_lsn = f->lsn;
    if (f->data == NULL)
        return qri_stub_read(store, f, lsn, dst, ret_lsn, err);
    memcpy(dst, f->data, store->page_bytes);
    return QR_OK;
}

enum qr_status qri_version_read(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err)
{
    struct qri_frame *f = try_pin(store, page_no, lsn); /* the checkpointer's reading is no use */
    if (f != NULL) {
        memcpy(dst, f->data, store->page_bytes);
        *ret_lsn = f->lsn;
        qri_frame_unpin(f);
        return QR_OK;
    }
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    if (entry == NULL || atomic_load(entry) == NULL)
        wait_turn(store, page_no);
    pthread_mutex_t *stripe = qri_stripe(store, page_no);
    pthread_mutex_lock(stripe);
    enum qr_status status = read_locked(store, page_no, lsn, dst, ret_lsn, err);
    pthread_mutex_unlock(stripe);
    return status;
}
