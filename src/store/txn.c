/* txn.c - see store/txn.h */
#include "txn_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "governor/task.h"
#include "base/banned.h"

enum { INDEX_MIN = 64 };

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
    free(txn->file_chunk);
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
    if (qri_snapshot_is_gone(txn->store, txn->snapshot))
        status = qri_fail_gone(err);
    if (status == QR_OK && txn->page_1 == NULL)
        status = qr_fail(err, QR_BUG, "page 1 has no version at the snapshot");
    if (status != QR_OK) {
        qr_txn_unpin(txn);
        return status;
    }
    txn->snapshot_db_pages = txn->db_pages = qr_get32be(txn->page_1->data + QRI_DB_PAGES_OFFSET);
    return QR_OK;
}

void qri_txn_pin_new(struct qr_txn *txn, uint64_t lsn)
{
    qr_txn_unpin(txn);
    txn->snapshot = qri_slot_pin(txn->store, &txn->slot, lsn);
    (void)!pin_page_1(txn, NULL); /* at hand: it is the head's */
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

enum qr_store_limit qr_txn_over(const struct qr_txn *txn)
{
    return txn->over;
}

bool qr_txn_over_log(const struct qr_txn *txn)
{
    return txn->over_log;
}

bool qr_txn_over_limit(const struct qr_txn *txn)
{
    return txn->over_limit;
}

/* --- reads --- */

const uint8_t *qr_txn_fetch(struct qr_txn *txn, uint32_t page_no)
{
    if (page_no > txn->snapshot_db_pages || page_no == 0)
        return NULL;
    if (txn->count > 0 && qri_txn_find(txn, page_no) != NULL)
        return NULL;
    struct qri_frame *f = qri_version_try(txn->store, page_no, txn->snapshot);
    if (f == NULL && qri_version_pin(txn->store, page_no, txn->snapshot, false, &f, NULL) != QR_OK)
        return NULL;
    if (f != NULL && qri_snapshot_is_gone(txn->store, txn->snapshot)) {
        qri_frame_unpin(f);
        return NULL; /* reading it will tell why */
    }
    qr_gov_logical_reads(1);
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

/* A version that is not the newest, or not in memory. */
static enum qr_status read_version(struct qr_txn *txn, uint32_t page_no, uint32_t offset, void *dst,
                                   uint32_t bytes, struct qr_err *err)
{
    struct qri_frame *f = NULL;
    if (qri_snapshot_is_gone(txn->store, txn->snapshot))
        return qri_fail_gone(err);
    QR_TRY(qri_version_pin(txn->store, page_no, txn->snapshot, false, &f, err));
    if (f == NULL)
        return read_copy(txn, page_no, offset, dst, bytes, err);
    memcpy(dst, f->data + offset, bytes);
    qri_frame_unpin(f);
    return QR_OK;
}

enum qr_status qr_txn_read(struct qr_txn *txn, uint32_t page_no, uint32_t offset, void *dst,
                           uint32_t bytes, bool snapshot_only, struct qr_err *err)
{
    assert(txn->snapshot != 0 && page_no > 0 && offset + bytes <= txn->store->page_bytes);
    qr_gov_logical_reads(bytes == txn->store->page_bytes); /* not: a look at the header */
    struct qri_entry *e = snapshot_only ? NULL : qri_txn_find(txn, page_no);
    if (e != NULL)
        return qri_txn_read_private(txn, e, offset, dst, bytes, err);
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
    if (f == NULL) {
        enum qr_status status = read_version(txn, page_no, offset, dst, bytes, err);
        return qri_snapshot_is_gone(txn->store, txn->snapshot) ? qri_fail_gone(err) : status;
    }
    memcpy(dst, f->data + offset, bytes);
    qri_frame_unpin(f);
    return QR_OK;
}
