/* txn_private.c - the private pages of a transaction: in memory up to a bound, then in a temporary
 * file; see txn_int.h.
 *
 * Two bounds: what one transaction may hold, and what all of the process may. When those together
 * are over theirs, whoever adds a page writes out one of its own first, down to a little that each
 * may keep; so the second one is exceeded by no more than that. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "txn_int.h"
#include "governor/task.h"
#include "base/banned.h"

enum {
    PAGES_MIN = 4,                 /* that a transaction may keep in memory, whatever the bounds */
    CACHE_PART = 2,                /* no more of the cache than one of so many parts */
    PART_BYTES_MIN = 4 << 20,      /* unless that is less than this */
    PROCESS_KEEPS_BYTES = 1 << 20, /* of each, when the process is over its bound */
};

/* Frames with private pages, in all stores of the process. */
static struct {
    _Atomic uint64_t used, max;
} memory = {.max = UINT64_C(256) << 20};

void qr_store_private_bound(uint64_t bytes_max)
{
    atomic_store(&memory.max, bytes_max);
}

uint64_t qr_store_private_used(void)
{
    return atomic_load_explicit(&memory.used, memory_order_relaxed);
}

static void count_frames(struct qr_txn *txn, int64_t by)
{
    txn->in_memory += (size_t)by;
    atomic_fetch_add_explicit(&memory.used, (uint64_t)(by * (int64_t)txn->store->page_bytes),
                              memory_order_relaxed);
}

static size_t index_place(const struct qr_txn *txn, uint32_t page_no)
{
    size_t mask = txn->index_count - 1;
    size_t i = (page_no * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & mask;
    while (txn->index[i] != 0 && txn->entries[txn->index[i] - 1].page_no != page_no)
        i = (i + 1) & mask;
    return i;
}

struct qri_entry *qri_txn_find(const struct qr_txn *txn, uint32_t page_no)
{
    if (txn->count == 0)
        return NULL;
    uint32_t at = txn->index[index_place(txn, page_no)];
    return at == 0 ? NULL : &txn->entries[at - 1];
}

static bool grow_index(struct qr_txn *txn)
{
    uint32_t *index = calloc(txn->index_count * 2, sizeof *index);
    if (index == NULL)
        return false;
    assert(txn->entries != NULL);
    free(txn->index);
    txn->index = index;
    txn->index_count *= 2;
    for (size_t i = 0; i < txn->count; i++)
        txn->index[index_place(txn, txn->entries[i].page_no)] = (uint32_t)i + 1;
    return true;
}

static bool make_room(struct qr_txn *txn)
{
    if ((txn->count + 1) * 2 > txn->index_count && !grow_index(txn))
        return false;
    if (txn->count < txn->capacity)
        return true;
    size_t capacity = txn->capacity == 0 ? 32 : txn->capacity * 2;
    struct qri_entry *entries = realloc(txn->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    txn->entries = entries;
    txn->capacity = capacity;
    return true;
}

/* --- the file --- */

static size_t pages_max(const struct qr_txn *txn)
{
    struct qr_store *store = txn->store;
    uint64_t part = atomic_load_explicit(&store->cache.bytes_max, memory_order_relaxed);
    part = part / CACHE_PART > PART_BYTES_MIN ? part / CACHE_PART : PART_BYTES_MIN;
    uint64_t bytes =
        store->options.txn_memory_bytes < part ? store->options.txn_memory_bytes : part;
    uint64_t used = qr_store_private_used() + store->page_bytes;
    if (used > atomic_load_explicit(&memory.max, memory_order_relaxed) &&
        bytes > PROCESS_KEEPS_BYTES)
        bytes = PROCESS_KEEPS_BYTES;
    size_t pages = bytes / store->page_bytes;
    return pages > PAGES_MIN ? pages : PAGES_MIN;
}

static enum qr_status open_file(struct qr_txn *txn, struct qr_err *err)
{
    if (txn->pages != NULL)
        return QR_OK;
    struct qri_pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL)
        return qr_fail(err, QR_NOMEM, "private pages");
    atomic_store(&pages->refs, 1);
    enum qr_status status = qr_tmp_file_new(txn->store, &pages->file, err);
    if (status == QR_OK)
        txn->pages = pages;
    else
        free(pages);
    return status;
}

enum qr_status qri_txn_write_file(struct qr_txn *txn, struct qr_tmp_file *file, const void *src,
                                  size_t bytes, uint64_t offset, struct qr_err *err)
{
    enum qr_status status = qr_tmp_file_write(file, src, bytes, offset, err);
    if (status != QR_SQL && status != QR_FULL)
        return status;
    txn->over_limit = true;
    return qr_fail(err, QR_FULL, "there is no space for what the transaction changes");
}

static enum qr_status write_out(struct qr_txn *txn, struct qri_entry *e, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    QR_TRY(open_file(txn, err));
    uint32_t slot = e->slot != 0 ? e->slot : txn->slot_count + 1;
    QR_TRY(qri_txn_write_file(txn, txn->pages->file, e->frame->data, store->page_bytes,
                              (uint64_t)(slot - 1) * store->page_bytes, err));
    if (e->slot == 0)
        e->slot = ++txn->slot_count;
    qri_frame_free(store, e->frame);
    e->frame = NULL;
    count_frames(txn, -1);
    return QR_OK;
}

/* Page 1 stays: every statement reads it. */
static enum qr_status keep_bound(struct qr_txn *txn, struct qr_err *err)
{
    size_t max = pages_max(txn);
    while (txn->in_memory >= max) {
        if (txn->hand >= txn->count)
            txn->hand = 0;
        struct qri_entry *e = &txn->entries[txn->hand++];
        if (e->frame != NULL && e->page_no != 1)
            QR_TRY(write_out(txn, e, err));
    }
    return QR_OK;
}

/* --- entries --- */

static enum qr_status give_frame(struct qr_txn *txn, struct qri_frame **ret_frame, uint32_t page_no,
                                 struct qr_err *err)
{
    QR_TRY(keep_bound(txn, err));
    *ret_frame = qri_frame_alloc(txn->store, true);
    if (*ret_frame == NULL)
        return qr_fail(err, QR_NOMEM, "page %u", page_no);
    count_frames(txn, 1);
    return QR_OK;
}

enum qr_status qri_txn_add(struct qr_txn *txn, uint32_t page_no, struct qri_entry **ret_entry,
                           struct qr_err *err)
{
    struct qr_store *store = txn->store;
    struct qri_frame *frame = NULL;
    uint64_t max = store->options.txn_bytes_max;
    if (store->copies != NULL && max > QRI_COPIES_TXN_BYTES_MAX)
        max = QRI_COPIES_TXN_BYTES_MAX;
    if ((txn->count + 1) * (uint64_t)store->page_bytes > max) {
        txn->over_limit = true;
        return qr_fail(err, QR_FULL, "the transaction changes more than %llu bytes of pages",
                       (unsigned long long)max);
    }
    if (!make_room(txn))
        return qr_fail(err, QR_NOMEM, "page %u", page_no);
    QR_TRY(give_frame(txn, &frame, page_no, err));
    assert(txn->entries != NULL);
    txn->index[index_place(txn, page_no)] = (uint32_t)txn->count + 1;
    struct qri_entry *e = &txn->entries[txn->count++];
    *e = (struct qri_entry){.page_no = page_no, .frame = frame};
    *ret_entry = e;
    return QR_OK;
}

enum qr_status qri_txn_read_private(struct qr_txn *txn, const struct qri_entry *e, uint32_t offset,
                                    void *dst, uint32_t bytes, struct qr_err *err)
{
    if (e->frame == NULL)
        return qr_tmp_file_read_exactly(txn->pages->file, dst, bytes,
                                        (uint64_t)(e->slot - 1) * txn->store->page_bytes + offset,
                                        err);
    memcpy(dst, e->frame->data + offset, bytes);
    return QR_OK;
}

enum qr_status qri_txn_check_size(struct qr_txn *txn, uint32_t pages, struct qr_err *err)
{
    static const char *const texts[] = {
        [QR_LIMIT_QUOTA] = "the database has reached its size quota",
        [QR_LIMIT_POOL] = "the elastic pool has reached its storage limit",
        [QR_LIMIT_LOCAL] = "data, log and temporary files have reached the quota of local storage",
    };
    struct qr_store *store = txn->store;
    uint32_t limit = atomic_load(&store->pages_limit);
    if (limit != 0 && pages > limit)
        return qr_fail(err, QR_FULL, "there is no place yet for pages behind %u", limit);
    txn->over = pages <= txn->snapshot_db_pages
                    ? QR_LIMIT_NONE
                    : qr_store_limit_at(store, (uint64_t)pages * store->page_bytes);
    return txn->over == QR_LIMIT_NONE ? QR_OK : qr_fail(err, QR_FULL, "%s", texts[txn->over]);
}

enum qr_status qr_txn_write(struct qr_txn *txn, uint32_t page_no, const void *page,
                            struct qr_err *err)
{
    assert(txn->snapshot != 0 && page_no > 0);
    struct qr_store *store = txn->store;
    qr_gov_logical_writes(1);
    if (txn->prepared)
        qri_txn_unprepare(txn); /* SQLite rolls back after all */
    if (page_no > txn->snapshot_db_pages)
        QR_TRY(qri_txn_check_size(txn, page_no, err));
    struct qri_entry *e = qri_txn_find(txn, page_no);
    if (e == NULL)
        QR_TRY(qri_txn_add(txn, page_no, &e, err));
    else if (e->frame == NULL)
        QR_TRY(give_frame(txn, &e->frame, page_no, err));
    memcpy(e->frame->data, page, store->page_bytes);
    if (page_no > txn->db_pages)
        txn->db_pages = page_no;
    return QR_OK;
}

void qr_txn_truncate(struct qr_txn *txn, uint32_t db_pages)
{
    txn->db_pages = db_pages;
}

static void forget_large(struct qr_txn *txn)
{
    qri_pages_unref(QR_TAKE(txn->pages));
    qr_tmp_file_free(QR_TAKE(txn->group_file));
    free(QR_TAKE(txn->scratch));
    txn->slot_count = 0;
    txn->hand = 0;
}

void qri_txn_clear(struct qr_txn *txn)
{
    if (txn->count * 4 > txn->index_count) {
        memset(txn->index, 0, txn->index_count * sizeof *txn->index);
    } else {
        /* Last in, first out: what a probe for an older entry ran over is still there. */
        for (size_t i = txn->count; i-- > 0;)
            txn->index[index_place(txn, txn->entries[i].page_no)] = 0;
    }
    count_frames(txn, -(int64_t)txn->in_memory);
    txn->count = 0;
    txn->prepared = false;
    txn->over_limit = false;
    if (txn->capacity > 4096) { /* a large transaction leaves nothing behind */
        free(txn->entries);
        txn->entries = NULL;
        txn->capacity = 0;
    }
    if (txn->group.capacity > QRI_LOG_CHUNK_BYTES)
        qr_buf_done(&txn->group), qr_buf_init(&txn->group, SIZE_MAX / 4);
    else
        qr_buf_clear(&txn->group);
    forget_large(txn);
}

void qr_txn_discard(struct qr_txn *txn)
{
    if (txn->count == 0 && !txn->prepared)
        return;
    qri_txn_unprepare(txn);
    struct qri_frame *list = NULL;
    for (size_t i = 0; i < txn->count; i++) {
        struct qri_frame *f = txn->entries[i].frame;
        if (f == NULL)
            continue;
        f->next = list;
        list = f;
    }
    qri_frames_free(txn->store, list, txn->in_memory);
    qri_txn_clear(txn);
    txn->db_pages = txn->snapshot_db_pages;
}
