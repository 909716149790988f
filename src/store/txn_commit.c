/* txn_commit.c - prepare: all that can fail; publish: what cannot (S3). See txn_int.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "cut.h"
#include "governor/task.h"
#include "txn_int.h"
#include "base/banned.h"

enum {
    CHANGE_COUNTER_OFFSET = 24,
    VERSION_VALID_OFFSET = 92,
    PAGE_RECORD_EXTRA_BYTES = 32,
    GROUP_PIECE_BYTES = 1 << 20, /* of a large one's group, until it goes to its file */
};

static bool is_large(const struct qr_txn *txn)
{
    return txn->pages != NULL;
}

static struct qri_frame *lock_head(struct qr_store *store, _Atomic(struct qri_frame *) *entry,
                                   uint32_t page_no)
{
    pthread_mutex_lock(qri_stripe(store, page_no));
    return qri_head(entry);
}

static void unlock_head(struct qr_store *store, uint32_t page_no)
{
    pthread_mutex_unlock(qri_stripe(store, page_no));
}

/* Lets the old version be as it was before prepare. A base that was made for it goes. */
static void release_old(struct qr_store *store, struct qri_entry *e)
{
    if (e->old->data != NULL) {
        qri_frame_unpin(e->old);
        return;
    }
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, e->page_no, false);
    struct qri_frame *head = lock_head(store, entry, e->page_no);
    assert(head == e->old);
    atomic_store(&head->used, 0);
    bool is_base = head->pages == NULL;
    if (is_base)
        atomic_store(entry, NULL);
    unlock_head(store, e->page_no);
    if (!is_base)
        return;
    atomic_fetch_sub(&store->head_stubs, 1);
    atomic_fetch_sub(&store->base_stubs, 1);
    qri_stub_free(head);
}

void qri_txn_unprepare(struct qr_txn *txn)
{
    for (size_t i = 0; i < txn->count; i++) {
        struct qri_entry *e = &txn->entries[i];
        if (e->old != NULL)
            release_old(txn->store, e);
        if (e->link != NULL && e->link != e->frame)
            qri_stub_free(e->link);
        e->old = e->link = NULL;
    }
    if (txn->log_cost != 0)
        txn->store->backend->unreserve(txn->store, txn->log_cost);
    txn->log_cost = 0;
    qr_buf_clear(&txn->group);
    qr_tmp_file_free(QR_TAKE(txn->group_file));
    txn->prepared = false;
}

/* --- what a page was --- */

/* It stays pinned until publish, so that it cannot be evicted and a snapshot that needs it finds it
 * behind the new version. */
static enum qr_status pin_old(struct qr_txn *txn, struct qri_entry *e, struct qr_err *err)
{
    QR_TRY(qri_version_pin(txn->store, e->page_no, txn->snapshot, true, &e->old, err));
    return e->old != NULL ? QR_OK : qr_fail(err, QR_BUG, "page %u has no version", e->page_no);
}

/* I12: behind the snapshot's end a base is for those alone who read the database from before a
 * shrink. No checkpoint cuts its place off once it is there. */
static bool needs_base(struct qr_txn *txn, uint32_t page_no)
{
    return page_no <= txn->snapshot_db_pages ||
           (page_no <= atomic_load(&txn->store->pages_max) && !qri_cut_is_past(txn->store));
}

static struct qri_frame *link_base(struct qr_txn *txn, _Atomic(struct qri_frame *) *entry,
                                   struct qri_frame **own_base)
{
    struct qr_store *store = txn->store;
    struct qri_frame *base = NULL;
    uint32_t page_no = atomic_load(&(*own_base)->page_no);
    bool is_behind = page_no > txn->snapshot_db_pages;
    if (is_behind)
        pthread_mutex_lock(&store->log.mu);
    if (needs_base(txn, page_no)) {
        base = QR_TAKE(*own_base);
        atomic_store(&base->used, 1);
        atomic_store(entry, qri_stub_mark(base));
        atomic_fetch_add(&store->head_stubs, 1);
        atomic_fetch_add(&store->base_stubs, 1);
    }
    if (is_behind)
        pthread_mutex_unlock(&store->log.mu);
    return base;
}

/* The same without reading it: what is not in memory is a stub, which nobody takes away now. */
static enum qr_status hold_old(struct qr_txn *txn, struct qri_entry *e, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, e->page_no, true);
    struct qri_frame *base = qri_stub_new(e->page_no, NULL, 0);
    if (entry == NULL || base == NULL) {
        free(base);
        return qr_fail(err, QR_NOMEM, "page table");
    }
    struct qri_frame *head = lock_head(store, entry, e->page_no);
    if (head == NULL)
        head = link_base(txn, entry, &base);
    else if (head->data == NULL)
        atomic_store(&head->used, 1);
    else
        atomic_fetch_add(&head->pins, 1);
    e->old = head;
    unlock_head(store, e->page_no);
    free(base);
    return QR_OK;
}

static enum qr_status find_old(struct qr_txn *txn, struct qri_entry *e, struct qr_err *err)
{
    if (is_large(txn) && e->page_no != 1)
        return hold_old(txn, e, err);
    if (e->page_no > txn->snapshot_db_pages)
        return qri_version_pin_cut_off(txn->store, e->page_no, txn->snapshot, &e->old, err);
    return pin_old(txn, e, err);
}

/* The old version's bytes for the difference. NULL: the whole page goes to the log, because there
 * was none, because it was cut off, so that who replays the log may have no such place any more,
 * or because it would have to come from far away. */
static enum qr_status old_bytes(struct qr_txn *txn, const struct qri_entry *e,
                                const uint8_t **ret_bytes, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    *ret_bytes = NULL;
    if (e->old == NULL || e->page_no > txn->snapshot_db_pages ||
        (e->old->pages == NULL && e->old->data == NULL && store->backend->read_base != NULL))
        return QR_OK;
    *ret_bytes = e->old->data;
    if (e->old->data != NULL)
        return QR_OK;
    uint64_t lsn = 0;
    uint8_t *dst = txn->scratch + store->page_bytes;
    QR_TRY(qri_version_read(store, e->page_no, txn->snapshot, dst, &lsn, err));
    *ret_bytes = dst;
    return QR_OK;
}

/* --- the group --- */

static enum qr_status new_bytes(struct qr_txn *txn, const struct qri_entry *e,
                                const uint8_t **ret_bytes, struct qr_err *err)
{
    *ret_bytes = e->frame != NULL ? e->frame->data : txn->scratch;
    return e->frame != NULL
               ? QR_OK
               : qri_txn_read_private(txn, e, 0, txn->scratch, txn->store->page_bytes, err);
}

static uint64_t file_bytes(const struct qr_txn *txn)
{
    return txn->group_file == NULL ? 0 : qr_tmp_file_bytes(txn->group_file);
}

static enum qr_status check_log(struct qr_txn *txn, struct qr_err *err)
{
    uint64_t max = atomic_load(&txn->store->log_txn_bytes_max);
    txn->over_log = max != 0 && file_bytes(txn) + txn->group.len > max;
    return !txn->over_log
               ? QR_OK
               : qr_fail(err, QR_FULL, "the transaction takes more than %llu bytes of log",
                         (unsigned long long)max);
}

static enum qr_status drain_group(struct qr_txn *txn, struct qr_err *err)
{
    if (!is_large(txn) || txn->group.len < GROUP_PIECE_BYTES)
        return QR_OK;
    QR_TRY(check_log(txn, err));
    if (txn->group_file == NULL)
        QR_TRY(qr_tmp_file_new(txn->store, &txn->group_file, err));
    QR_TRY(qri_txn_write_file(txn, txn->group_file, txn->group.data, txn->group.len,
                              file_bytes(txn), err));
    qr_buf_clear(&txn->group);
    return QR_OK;
}

static enum qr_status prepare_entry(struct qr_txn *txn, struct qri_entry *e, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    const uint8_t *before = NULL, *after = NULL;
    if (e->page_no > txn->new_db_pages)
        return QR_OK; /* written, then cut off */
    if (qri_table_entry(store, e->page_no, true) == NULL)
        return qr_fail(err, QR_NOMEM, "page table");
    QR_TRY(find_old(txn, e, err));
    QR_TRY(old_bytes(txn, e, &before, err));
    QR_TRY(new_bytes(txn, e, &after, err));
    size_t len = txn->group.len;
    qr_record_add_page(&txn->group, e->page_no, before, after, store->page_bytes);
    QR_TRY(qr_buf_status(&txn->group, err));
    if (txn->group.len == len)
        return QR_OK; /* nothing has changed */
    e->link = e->frame != NULL ? e->frame : qri_stub_new(e->page_no, txn->pages, e->slot - 1);
    if (e->link == NULL)
        return qr_fail(err, QR_NOMEM, "page %u", e->page_no);
    txn->page_count++;
    return drain_group(txn, err);
}

/* Pages that came into being without being written (SQLite's pending-byte page; free pages): they
 * get an image too, so that every page of the file is sealed and zeros there mean damage. */
static enum qr_status fill_gaps(struct qr_txn *txn, struct qr_err *err)
{
    for (uint32_t p = txn->snapshot_db_pages + 1; p <= txn->new_db_pages && p != 0; p++) {
        if (qri_txn_find(txn, p) != NULL)
            continue;
        struct qri_entry *e = NULL;
        QR_TRY(qri_txn_add(txn, p, &e, err));
        memset(e->frame->data, 0, txn->store->page_bytes);
    }
    return QR_OK;
}

/* Room for whole pages at once: a buffer that grows by and by is copied as often. What the records
 * do not need is never touched. */
static enum qr_status reserve_group(struct qr_txn *txn, struct qr_err *err)
{
    uint32_t page_bytes = txn->store->page_bytes;
    uint64_t bytes = txn->count * (uint64_t)(page_bytes + PAGE_RECORD_EXTRA_BYTES);
    if (is_large(txn)) {
        bytes = GROUP_PIECE_BYTES + page_bytes + PAGE_RECORD_EXTRA_BYTES;
        if (txn->scratch == NULL)
            txn->scratch = malloc(2 * (size_t)page_bytes);
        if (txn->scratch == NULL)
            return qr_fail(err, QR_NOMEM, "log group");
    }
    if (bytes <= QRI_LOG_CHUNK_BYTES)
        return QR_OK;
    if (txn->group.capacity < bytes)
        qri_log_lend(txn->store, &txn->group);
    (void)qr_buf_reserve(&txn->group, bytes < QRI_LOG_LARGE_BYTES ? bytes : QRI_LOG_LARGE_BYTES);
    return QR_OK;
}

static enum qr_status build_group(struct qr_txn *txn, struct qr_err *err)
{
    struct qri_entry *first = qri_txn_find(txn, 1);
    txn->new_db_pages = txn->db_pages;
    if (first != NULL) {
        uint8_t *page = first->frame->data;
        if (qr_get32be(page + QRI_DB_PAGES_OFFSET) != 0)
            txn->new_db_pages = qr_get32be(page + QRI_DB_PAGES_OFFSET);
        else
            qr_put32be(page + QRI_DB_PAGES_OFFSET, txn->new_db_pages);
        qr_put32be(page + CHANGE_COUNTER_OFFSET, 0);
        qr_put32be(page + VERSION_VALID_OFFSET, 0);
    }
    QR_TRY(qri_txn_check_size(txn, txn->new_db_pages, err));
    QR_TRY(fill_gaps(txn, err));
    QR_TRY(reserve_group(txn, err));
    txn->page_count = 0;
    assert(txn->count == 0 || txn->entries != NULL);
    for (size_t i = 0; i < txn->count; i++)
        QR_TRY(prepare_entry(txn, &txn->entries[i], err));
    return QR_OK;
}

static enum qr_status make_chunks(struct qr_txn *txn, struct qr_err *err)
{
    struct qri_log_chunk **chunks[] = {&txn->chunk, &txn->file_chunk};
    for (int i = 0; i < (txn->group_file == NULL ? 1 : 2); i++) {
        if (*chunks[i] == NULL)
            *chunks[i] = calloc(1, sizeof **chunks[i]);
        if (*chunks[i] == NULL)
            return qr_fail(err, QR_NOMEM, "log group");
    }
    return QR_OK;
}

static enum qr_status prepare(struct qr_txn *txn, struct qr_err *err)
{
    struct qr_store *store = txn->store;
    QR_TRY(qri_store_check(store, err));
    txn->over = QR_LIMIT_NONE;
    txn->over_log = false;
    QR_TRY(build_group(txn, err));
    if (txn->page_count == 0)
        return QR_OK;
    qr_record_add_commit(&txn->group, 0, 0, 0, 0); /* filled in at publish */
    QR_TRY(qr_buf_status(&txn->group, err));
    QR_TRY(check_log(txn, err));
    QR_TRY(make_chunks(txn, err));
    int64_t cost = qri_log_cost(file_bytes(txn) + txn->group.len);
    QR_TRY(store->backend->reserve(store, cost, err));
    txn->log_cost = cost;
    return QR_OK;
}

enum qr_status qr_txn_prepare(struct qr_txn *txn, struct qr_err *err)
{
    assert(qr_txn_at_head(txn));
    qri_txn_unprepare(txn);
    enum qr_status status = prepare(txn, err);
    txn->prepared = status == QR_OK;
    if (status != QR_OK)
        qri_txn_unprepare(txn); /* what is written next may move private pages to the file */
    return status;
}

/* --- publish --- */

static void seal_group(struct qr_txn *txn)
{
    struct qr_store *store = txn->store;
    uint64_t now = qri_commit_time(store);
    store->commit_no++;
    store->commits_made++;
    txn->group.len -= QR_COMMIT_RECORD_BYTES; /* the room is there, so this cannot fail */
    qr_record_add_commit(&txn->group, txn->new_db_pages, txn->page_count, now, store->commit_no);
    assert(txn->group.failed == QR_OK);
    *txn->chunk = (struct qri_log_chunk){
        .data = txn->group.data, .len = txn->group.len, .capacity = txn->group.capacity};
}

static uint64_t append_group(struct qr_txn *txn)
{
    seal_group(txn);
    if (txn->group_file != NULL) {
        *txn->file_chunk = (struct qri_log_chunk){.file = txn->group_file, .len = file_bytes(txn)};
        txn->group_file = NULL;
        (void)qri_log_append(txn->store, &txn->file_chunk, 0);
    }
    return qri_log_append(txn->store, &txn->chunk, txn->log_cost);
}

struct linked {
    struct qri_frame *retired, **retired_tail, *unused;
    size_t retired_count, unused_count;
};

static void drop_unused(struct qr_store *store, struct qri_entry *e, struct linked *linked)
{
    if (e->old != NULL)
        release_old(store, e);
    if (e->frame == NULL)
        return;
    e->frame->next = linked->unused;
    linked->unused = e->frame;
    linked->unused_count++;
}

static void retire_old(struct qr_store *store, struct qri_entry *e, uint64_t lsn,
                       struct linked *linked)
{
    struct qri_frame *old = e->old;
    old->newer = e->link;
    old->superseded_lsn = lsn;
    old->next = NULL;
    *linked->retired_tail = old;
    linked->retired_tail = &old->next;
    linked->retired_count++;
    if (old->data == NULL) /* `used` stays: who looks just now must not load it over the new head */
        atomic_fetch_sub(&store->head_stubs, 1);
}

/* With log.mu held, so that the flusher cannot make durable what is not linked yet. */
static void link_version(struct qr_store *store, struct qri_entry *e, uint64_t lsn,
                         struct linked *linked)
{
    struct qri_frame *f = e->link;
    bool is_stub = f->data == NULL;
    f->lsn = lsn;
    f->older = e->old;
    if (!is_stub) /* a stub's `used` is no use */
        qri_frame_inherit(store, f, e->old == NULL || e->old->data == NULL ? NULL : e->old);
    else
        atomic_fetch_add(&store->head_stubs, 1);
    atomic_store_explicit(&f->page_no, e->page_no, memory_order_relaxed);
    if (e->old != NULL)
        retire_old(store, e, lsn, linked);
    atomic_store(qri_table_entry(store, e->page_no, false), is_stub ? qri_stub_mark(f) : f);
    qri_table_mark_dirty(store, e->page_no);
    if (store->backend->changed != NULL)
        store->backend->changed(store, e->page_no, lsn);
    if (e->old != NULL && e->old->data != NULL)
        qri_frame_unpin(e->old);
}

static void link_versions(struct qr_txn *txn, uint64_t lsn, struct linked *linked)
{
    linked->retired_tail = &linked->retired;
    for (size_t i = 0; i < txn->count; i++) {
        struct qri_entry *e = &txn->entries[i];
        if (e->link != NULL)
            link_version(txn->store, e, lsn, linked);
    }
}

/* Without log.mu, which is below the stripes. */
static void drop_unchanged(struct qr_txn *txn, struct linked *linked)
{
    for (size_t i = 0; i < txn->count; i++)
        if (txn->entries[i].link == NULL)
            drop_unused(txn->store, &txn->entries[i], linked);
}

struct qr_lsn qr_txn_publish(struct qr_txn *txn)
{
    struct qr_store *store = txn->store;
    assert(txn->prepared);
    if (txn->page_count == 0) {
        qr_txn_discard(txn);
        return qr_lsn(txn->snapshot);
    }
    struct linked linked = {.retired = NULL};
    uint64_t log_bytes = file_bytes(txn) + txn->group.len;
    drop_unchanged(txn, &linked);
    pthread_mutex_lock(&store->log.mu);
    uint64_t lsn = append_group(txn);
    link_versions(txn, lsn, &linked);
    if (txn->new_db_pages > atomic_load(&store->pages_max))
        atomic_store(&store->pages_max, txn->new_db_pages);
    if (txn->new_db_pages < txn->snapshot_db_pages)
        atomic_store(&store->cut_lsn, lsn);
    qri_pool_resized(store, txn->snapshot_db_pages, txn->new_db_pages);
    atomic_store(&store->head_db_pages, txn->new_db_pages);
    atomic_store(&store->head_lsn, lsn);
    store->log.commit_lsn = lsn;
    bool wake = qri_log_want_flush(store);
    pthread_mutex_unlock(&store->log.mu);
    if (wake)
        qri_log_wake(store);
    qr_gov_log_made(log_bytes);

    if (txn->chunk == NULL)
        qr_buf_init(&txn->group, SIZE_MAX / 4); /* the log has taken the bytes */
    txn->log_cost = 0;
    qri_txn_clear(txn);
    qri_retire(store, linked.retired, linked.retired_count);
    qri_frames_free(store, linked.unused, linked.unused_count);
    qri_txn_pin_new(txn, lsn);
    (void)qri_collect(store, false);
    return qr_lsn(lsn);
}
