/* txn.c - see store/txn.h */
#include "store_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum {
    INDEX_MIN = 64,
    DB_PAGES_OFFSET = 28, /* in page 1, big-endian */
    FREE_PAGES_OFFSET = 36,
    CHANGE_COUNTER_OFFSET = 24,
    VERSION_VALID_OFFSET = 92,
};

enum { PAGE_RECORD_EXTRA_BYTES = 32 };

struct entry {
    uint32_t page_no;
    bool dropped;            /* nothing changed, or behind the end */
    struct qri_frame *frame; /* private */
    struct qri_frame *old;   /* pinned from prepare to publish; NULL if the page is new */
};

struct qr_txn {
    struct qr_store *store;
    struct qri_slot slot;
    uint64_t snapshot;        /* 0: not pinned */
    struct qri_frame *page_1; /* pinned with the snapshot; NULL: empty database */
    uint32_t snapshot_db_pages, db_pages;
    bool over_quota, over_limit;
    bool prepared;
    uint64_t hits; /* pages found in memory in this read transaction */

    struct entry *entries;
    size_t count, capacity;
    uint32_t *index;    /* of entries by page number: index + 1, 0 free */
    size_t index_count; /* a power of 2 */

    struct qr_buf group;         /* records, from prepare on */
    struct qri_log_chunk *chunk; /* carries group to the log */
    int64_t log_cost;
    uint32_t new_db_pages, new_pages_max, page_count;
};

enum qr_status qr_txn_new(struct qr_store *store, struct qr_txn **ret_txn, struct qr_err *err)
{
    struct qr_txn *txn = calloc(1, sizeof *txn);
    uint32_t *index = calloc(INDEX_MIN, sizeof *index);
    if (txn == NULL || index == NULL) {
        free(txn);
        free(index);
        return qr_fail(err, QR_NOMEM, "transaction");
    }
    txn->store = store;
    txn->index = index;
    txn->index_count = INDEX_MIN;
    qr_buf_init(&txn->group, SIZE_MAX / 4);
    qri_slot_add(store, &txn->slot);
    *ret_txn = txn;
    return QR_OK;
}

void qr_txn_free(struct qr_txn *txn)
{
    if (txn == NULL)
        return;
    qr_txn_discard(txn);
    qr_txn_unpin(txn);
    qri_slot_remove(txn->store, &txn->slot);
    qr_buf_done(&txn->group);
    free(txn->chunk);
    free(txn->entries);
    free(txn->index);
    free(txn);
}

/* Page 1 stays pinned with the snapshot: every read transaction looks at it. */
static enum qr_status pin_page_1(struct qr_txn *txn, struct qr_err *err)
{
    txn->snapshot_db_pages = txn->db_pages = 0;
    txn->page_1 = NULL;
    if (txn->snapshot <= txn->store->empty_lsn)
        return QR_OK; /* nothing was ever committed */
    enum qr_status status = qri_version_pin(txn->store, 1, txn->snapshot, true, &txn->page_1, err);
    if (status == QR_OK && txn->page_1 == NULL)
        status = qr_fail(err, QR_BUG, "page 1 has no version at the snapshot");
    if (status != QR_OK) {
        qr_txn_unpin(txn);
        return status;
    }
    txn->snapshot_db_pages = txn->db_pages = qr_get32be(txn->page_1->data + DB_PAGES_OFFSET);
    return QR_OK;
}

/* After the snapshot is chosen: who may still answer then may have chosen it (S6). */
static enum qr_status begin_snapshot(struct qr_txn *txn, struct qr_err *err)
{
    const struct qri_backend *backend = txn->store->backend;
    enum qr_status status =
        backend->may_answer == NULL ? QR_OK : backend->may_answer(txn->store, err);
    if (status == QR_OK)
        return pin_page_1(txn, err);
    qr_txn_unpin(txn);
    return status;
}

enum qr_status qr_txn_pin(struct qr_txn *txn, struct qr_lsn at_least, struct qr_err *err)
{
    assert(txn->snapshot == 0);
    assert(at_least.v <= atomic_load(&txn->store->head_lsn));
    QR_TRY(qri_store_check(txn->store, err));
    txn->snapshot = qri_slot_pin(txn->store, &txn->slot, at_least.v);
    return begin_snapshot(txn, err);
}

enum qr_status qr_txn_pin_head(struct qr_txn *txn, struct qr_err *err)
{
    assert(txn->snapshot == 0);
    QR_TRY(qri_store_check(txn->store, err));
    txn->snapshot = qri_slot_pin(txn->store, &txn->slot, atomic_load(&txn->store->head_lsn));
    return begin_snapshot(txn, err);
}

enum qr_status qr_txn_pin_as(struct qr_txn *txn, const struct qr_txn *holder, struct qr_err *err)
{
    assert(txn->snapshot == 0 && holder->snapshot != 0);
    QR_TRY(qri_store_check(txn->store, err));
    txn->snapshot = holder->snapshot;
    atomic_store(&txn->slot.lsn, txn->snapshot); /* the holder's slot keeps it until then */
    return begin_snapshot(txn, err);
}

void qr_txn_unpin(struct qr_txn *txn)
{
    if (txn->page_1 != NULL)
        qri_frame_unpin(txn->page_1);
    if (txn->hits > 0)
        atomic_fetch_add_explicit(&txn->store->cache.hits, txn->hits, memory_order_relaxed);
    txn->hits = 0;
    txn->page_1 = NULL;
    txn->snapshot = 0;
    atomic_store(&txn->slot.lsn, 0);
}

struct qr_lsn qr_txn_pinned(const struct qr_txn *txn)
{
    return qr_lsn(txn->snapshot);
}

bool qr_txn_at_head(const struct qr_txn *txn)
{
    return txn->snapshot == atomic_load(&txn->store->head_lsn);
}

uint32_t qr_txn_db_pages(const struct qr_txn *txn)
{
    return txn->db_pages;
}

bool qr_txn_has_writes(const struct qr_txn *txn)
{
    return txn->count > 0;
}

bool qr_txn_over_quota(const struct qr_txn *txn)
{
    return txn->over_quota;
}

bool qr_txn_over_limit(const struct qr_txn *txn)
{
    return txn->over_limit;
}

/* --- private pages --- */

static size_t index_place(const struct qr_txn *txn, uint32_t page_no)
{
    size_t mask = txn->index_count - 1;
    size_t i = (page_no * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & mask;
    while (txn->index[i] != 0 && txn->entries[txn->index[i] - 1].page_no != page_no)
        i = (i + 1) & mask;
    return i;
}

static struct entry *find_entry(const struct qr_txn *txn, uint32_t page_no)
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
    struct entry *entries = realloc(txn->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    txn->entries = entries;
    txn->capacity = capacity;
    return true;
}

static enum qr_status add_entry(struct qr_txn *txn, uint32_t page_no, struct entry **ret_entry,
                                struct qr_err *err)
{
    struct qr_store *store = txn->store;
    if ((txn->count + 1) * (uint64_t)store->page_bytes > store->options.txn_bytes_max) {
        txn->over_limit = true;
        return qr_fail(err, QR_FULL, "the transaction changes more than %llu bytes of pages",
                       (unsigned long long)store->options.txn_bytes_max);
    }
    struct qri_frame *frame = make_room(txn) ? qri_frame_alloc(store, true) : NULL;
    if (frame == NULL)
        return qr_fail(err, QR_NOMEM, "page %u", page_no);
    assert(txn->entries != NULL);
    txn->index[index_place(txn, page_no)] = (uint32_t)txn->count + 1;
    struct entry *e = &txn->entries[txn->count++];
    *e = (struct entry){.page_no = page_no, .frame = frame};
    *ret_entry = e;
    return QR_OK;
}

/* Takes prepare back, whole or half done. */
static void unprepare(struct qr_txn *txn)
{
    for (size_t i = 0; i < txn->count; i++) {
        struct entry *e = &txn->entries[i];
        if (e->old != NULL)
            qri_frame_unpin(e->old);
        e->old = NULL;
        e->dropped = false;
    }
    if (txn->log_cost != 0)
        txn->store->backend->unreserve(txn->store, txn->log_cost);
    txn->log_cost = 0;
    qr_buf_clear(&txn->group);
    txn->prepared = false;
}

enum qr_status qr_txn_write(struct qr_txn *txn, uint32_t page_no, const void *page,
                            struct qr_err *err)
{
    assert(txn->snapshot != 0 && page_no > 0);
    struct qr_store *store = txn->store;
    if (txn->prepared)
        unprepare(txn); /* SQLite rolls back after all */
    uint64_t quota = atomic_load(&store->max_data_bytes);
    if (quota != 0 && page_no > txn->snapshot_db_pages &&
        (uint64_t)page_no * store->page_bytes > quota) {
        txn->over_quota = true;
        return qr_fail(err, QR_FULL, "the database has reached its size quota");
    }
    uint32_t limit = atomic_load(&store->pages_limit);
    if (limit != 0 && page_no > limit)
        return qr_fail(err, QR_FULL, "there is no place yet for pages behind %u", limit);
    struct entry *e = find_entry(txn, page_no);
    if (e == NULL)
        QR_TRY(add_entry(txn, page_no, &e, err));
    memcpy(e->frame->data, page, store->page_bytes);
    if (page_no > txn->db_pages)
        txn->db_pages = page_no;
    return QR_OK;
}

void qr_txn_truncate(struct qr_txn *txn, uint32_t db_pages)
{
    txn->db_pages = db_pages;
}

static void clear_entries(struct qr_txn *txn)
{
    if (txn->count * 4 > txn->index_count) {
        memset(txn->index, 0, txn->index_count * sizeof *txn->index);
    } else {
        /* Last in, first out: what a probe for an older entry ran over is still there. */
        for (size_t i = txn->count; i-- > 0;)
            txn->index[index_place(txn, txn->entries[i].page_no)] = 0;
    }
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
}

void qr_txn_discard(struct qr_txn *txn)
{
    if (txn->count == 0 && !txn->prepared)
        return;
    unprepare(txn);
    struct qri_frame *list = NULL;
    for (size_t i = 0; i < txn->count; i++) {
        txn->entries[i].frame->next = list;
        list = txn->entries[i].frame;
    }
    qri_frames_free(txn->store, list, txn->count);
    clear_entries(txn);
    txn->db_pages = txn->snapshot_db_pages;
}

/* --- reads --- */

const uint8_t *qr_txn_fetch(struct qr_txn *txn, uint32_t page_no)
{
    if (page_no > txn->snapshot_db_pages || page_no == 0)
        return NULL;
    if (txn->count > 0 && find_entry(txn, page_no) != NULL)
        return NULL;
    struct qri_frame *f = qri_version_try(txn->store, page_no, txn->snapshot);
    if (f == NULL && qri_version_pin(txn->store, page_no, txn->snapshot, false, &f, NULL) != QR_OK)
        return NULL;
    txn->hits++; /* the few that were read in are counted as misses, too */
    return f == NULL ? NULL : f->data;
}

void qr_txn_unfetch(struct qr_txn *txn, const uint8_t *page)
{
    qri_frame_unpin(qri_frame_of(txn->store, page));
}

static enum qr_status read_copy(struct qr_txn *txn, uint32_t page_no, uint32_t offset, void *dst,
                                uint32_t bytes, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    uint64_t lsn = 0;
    if (bytes == store->page_bytes)
        return qri_version_read(store, page_no, txn->snapshot, dst, &lsn, err);
    uint8_t *page = malloc(store->page_bytes);
    if (page == NULL)
        return qr_fail(err, QR_NOMEM, "page %u", page_no);
    enum qr_status status = qri_version_read(store, page_no, txn->snapshot, page, &lsn, err);
    if (status == QR_OK)
        memcpy(dst, page + offset, bytes);
    free(page);
    return status;
}

enum qr_status qr_txn_read(struct qr_txn *txn, uint32_t page_no, uint32_t offset, void *dst,
                           uint32_t bytes, bool snapshot_only, struct qr_err *err)
{
    assert(txn->snapshot != 0 && page_no > 0 && offset + bytes <= txn->store->page_bytes);
    struct entry *e = snapshot_only ? NULL : find_entry(txn, page_no);
    if (e != NULL) {
        memcpy(dst, e->frame->data + offset, bytes);
        return QR_OK;
    }
    if (page_no > txn->snapshot_db_pages) {
        memset(dst, 0, bytes);
        return QR_OK;
    }
    struct qri_frame *f = NULL;
    if (page_no == 1) {
        memcpy(dst, txn->page_1->data + offset, bytes);
        return QR_OK;
    }
    f = qri_version_try(txn->store, page_no, txn->snapshot);
    if (f == NULL)
        QR_TRY(qri_version_pin(txn->store, page_no, txn->snapshot, false, &f, err));
    if (f == NULL)
        return read_copy(txn, page_no, offset, dst, bytes, err);
    memcpy(dst, f->data + offset, bytes);
    qri_frame_unpin(f);
    return QR_OK;
}

/* --- commit --- */

/* Finds what the page was before. It stays pinned until publish, so that it cannot be evicted and a
 * snapshot that needs it finds it behind the new version. */
static enum qr_status pin_old(struct qr_txn *txn, struct entry *e, struct qr_err *err)
{
    if (e->page_no > txn->store->pages_max)
        return QR_OK;
    QR_TRY(qri_version_pin(txn->store, e->page_no, txn->snapshot, true, &e->old, err));
    return e->old != NULL ? QR_OK : qr_fail(err, QR_BUG, "page %u has no version", e->page_no);
}

static enum qr_status prepare_entry(struct qr_txn *txn, struct entry *e, struct qr_err *err)
{
    if (e->page_no > txn->new_db_pages) {
        e->dropped = true; /* written, then cut off */
        return QR_OK;
    }
    if (qri_table_entry(txn->store, e->page_no, true) == NULL)
        return qr_fail(err, QR_NOMEM, "page table");
    QR_TRY(pin_old(txn, e, err));
    size_t before = txn->group.len;
    qr_record_add_page(&txn->group, e->page_no, e->old == NULL ? NULL : e->old->data,
                       e->frame->data, txn->store->page_bytes);
    e->dropped = txn->group.len == before;
    txn->page_count += !e->dropped;
    return qr_buf_status(&txn->group, err);
}

/* Pages that came into being without being written (SQLite's pending-byte page; free pages): they
 * get an image too, so that every page of the file is sealed and zeros there mean damage. */
static enum qr_status fill_gaps(struct qr_txn *txn, struct qr_err *err)
{
    for (uint32_t p = txn->store->pages_max + 1; p <= txn->new_db_pages && p != 0; p++) {
        if (find_entry(txn, p) != NULL)
            continue;
        struct entry *e = NULL;
        QR_TRY(add_entry(txn, p, &e, err));
        memset(e->frame->data, 0, txn->store->page_bytes);
    }
    return QR_OK;
}

static enum qr_status check_quota(struct qr_txn *txn, struct qr_err *err)
{
    uint64_t quota = atomic_load(&txn->store->max_data_bytes);
    uint32_t limit = atomic_load(&txn->store->pages_limit);
    if (limit != 0 && txn->new_db_pages > limit)
        return qr_fail(err, QR_FULL, "there is no place yet for pages behind %u", limit);
    if (quota == 0 || txn->new_db_pages <= txn->snapshot_db_pages ||
        (uint64_t)txn->new_db_pages * txn->store->page_bytes <= quota)
        return QR_OK;
    txn->over_quota = true;
    return qr_fail(err, QR_FULL, "the database has reached its size quota");
}

/* Room for whole pages at once: a buffer that grows by and by is copied as often. What the records
 * do not need is never touched. */
static void reserve_group(struct qr_txn *txn)
{
    uint64_t bytes = txn->count * (uint64_t)(txn->store->page_bytes + PAGE_RECORD_EXTRA_BYTES);
    if (bytes <= QRI_LOG_CHUNK_BYTES)
        return;
    if (txn->group.capacity < bytes)
        qri_log_lend(txn->store, &txn->group);
    (void)qr_buf_reserve(&txn->group, bytes < QRI_LOG_LARGE_BYTES ? bytes : QRI_LOG_LARGE_BYTES);
}

static enum qr_status build_group(struct qr_txn *txn, struct qr_err *err)
{
    struct entry *first = find_entry(txn, 1);
    txn->new_db_pages = txn->db_pages;
    if (first != NULL) {
        uint8_t *page = first->frame->data;
        if (qr_get32be(page + DB_PAGES_OFFSET) != 0)
            txn->new_db_pages = qr_get32be(page + DB_PAGES_OFFSET);
        else
            qr_put32be(page + DB_PAGES_OFFSET, txn->new_db_pages);
        qr_put32be(page + CHANGE_COUNTER_OFFSET, 0);
        qr_put32be(page + VERSION_VALID_OFFSET, 0);
    }
    QR_TRY(check_quota(txn, err));
    QR_TRY(fill_gaps(txn, err));
    reserve_group(txn);
    txn->page_count = 0;
    assert(txn->count == 0 || txn->entries != NULL);
    for (size_t i = 0; i < txn->count; i++)
        QR_TRY(prepare_entry(txn, &txn->entries[i], err));
    return QR_OK;
}

enum qr_status qr_txn_prepare(struct qr_txn *txn, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    assert(qr_txn_at_head(txn));
    unprepare(txn);
    QR_TRY(qri_store_check(store, err));
    txn->over_quota = false;
    QR_TRY(build_group(txn, err));
    txn->prepared = true;
    if (txn->page_count == 0)
        return QR_OK;
    qr_record_add_commit(&txn->group, 0, 0, 0, 0); /* filled in at publish */
    QR_TRY(qr_buf_status(&txn->group, err));
    if (txn->chunk == NULL)
        txn->chunk = calloc(1, sizeof *txn->chunk);
    if (txn->chunk == NULL)
        return qr_fail(err, QR_NOMEM, "log group");
    int64_t cost = qri_log_cost(txn->group.len);
    QR_TRY(store->backend->reserve(store, cost, err));
    txn->log_cost = cost;
    return QR_OK;
}

static void seal_group(struct qr_txn *txn)
{
    struct qr_store *store = txn->store;
    uint64_t now = qri_commit_time(store);
    store->commit_no++;
    txn->group.len -= QR_COMMIT_RECORD_BYTES; /* the room is there, so this cannot fail */
    qr_record_add_commit(&txn->group, txn->new_db_pages, txn->page_count, now, store->commit_no);
    assert(txn->group.failed == QR_OK);
    *txn->chunk = (struct qri_log_chunk){
        .data = txn->group.data, .len = txn->group.len, .capacity = txn->group.capacity};
}

/* With log.mu held, so that the flusher cannot make durable what is not linked yet. */
static size_t link_versions(struct qr_txn *txn, uint64_t lsn, struct qri_frame **ret_retired,
                            struct qri_frame **ret_unused, size_t *ret_unused_count)
{
    struct qr_store *store = txn->store;
    size_t retired = 0;
    struct qri_frame **tail = ret_retired;
    for (size_t i = 0; i < txn->count; i++) {
        struct entry *e = &txn->entries[i];
        struct qri_frame *f = e->frame;
        if (e->dropped) {
            f->next = *ret_unused;
            *ret_unused = f;
            ++*ret_unused_count;
        } else {
            f->lsn = lsn;
            f->older = e->old;
            qri_frame_inherit(store, f, e->old);
            atomic_store_explicit(&f->page_no, e->page_no, memory_order_relaxed);
            if (e->old != NULL) {
                e->old->newer = f;
                e->old->superseded_lsn = lsn;
                e->old->next = NULL;
                *tail = e->old;
                tail = &e->old->next;
                retired++;
            }
            atomic_store(qri_table_entry(store, e->page_no, false), f);
            qri_table_mark_dirty(store, e->page_no);
            if (store->backend->changed != NULL)
                store->backend->changed(store, e->page_no, lsn);
        }
        if (e->old != NULL)
            qri_frame_unpin(e->old);
    }
    return retired;
}

struct qr_lsn qr_txn_publish(struct qr_txn *txn)
{
    struct qr_store *store = txn->store;
    assert(txn->prepared);
    if (txn->page_count == 0) {
        qr_txn_discard(txn);
        return qr_lsn(txn->snapshot);
    }
    struct qri_frame *retired = NULL, *unused = NULL;
    size_t unused_count = 0;
    pthread_mutex_lock(&store->log.mu);
    seal_group(txn);
    uint64_t lsn = qri_log_append(store, &txn->chunk, txn->log_cost);
    size_t retired_count = link_versions(txn, lsn, &retired, &unused, &unused_count);
    if (txn->new_db_pages > store->pages_max)
        store->pages_max = txn->new_db_pages;
    atomic_store(&store->head_db_pages, txn->new_db_pages);
    atomic_store(&store->head_lsn, lsn);
    store->log.commit_lsn = lsn;
    bool wake = qri_log_want_flush(store);
    pthread_mutex_unlock(&store->log.mu);
    if (wake)
        qri_log_wake(store);

    if (txn->chunk == NULL)
        qr_buf_init(&txn->group, SIZE_MAX / 4); /* the log has taken the bytes */
    txn->log_cost = 0;
    clear_entries(txn);
    qri_retire(store, retired, retired_count);
    qri_frames_free(store, unused, unused_count);
    qr_txn_unpin(txn);
    txn->snapshot = qri_slot_pin(store, &txn->slot, lsn);
    (void)!pin_page_1(txn, NULL); /* at hand: it is the head's */
    (void)qri_collect(store, false);
    return qr_lsn(lsn);
}
