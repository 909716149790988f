/* hyper_apply.c - a group of the primary's log becomes a replica's newest commit; see
 * hyper_replica.h.
 *
 * Pages in memory get a new version beside the one that snapshots read; of the others only the
 * last-written LSN is noted. The frames of the group are linked as a primary's are: without the
 * pages' stripes, which may be held for as long as a fetch takes, but with their old versions
 * pinned, so that nobody evicts them. */
#include "hyper_replica.h"
#include <stdlib.h>
#include <string.h>
#include "base/sim_break.h"
#include "base/banned.h"

enum { WINDOW_BYTES = 2 << 20 }; /* larger than any record */

/* Eviction runs under cache.mu; without it a frame that it takes out and puts back, because of our
 * pin, could look as if it were gone. */
static struct qri_frame *pin_newest(struct qr_store *store, uint32_t page_no)
{
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    if (entry == NULL)
        return NULL;
    pthread_mutex_lock(&store->cache.mu);
    struct qri_frame *f = atomic_load(entry);
    if (f != NULL)
        atomic_fetch_add(&f->pins, 1);
    pthread_mutex_unlock(&store->cache.mu);
    return f;
}

/* With fetch_mu held. */
static void note_absent(struct qri_hyper *hy, const struct qri_change *changes, size_t count,
                        uint64_t lsn)
{
    qri_written_note(&hy->written, changes->page_no, lsn);
    struct qri_fetch *fetch = qri_fetch_find(hy->replica, changes->page_no);
    if (fetch == NULL || qr_sim_broken(QR_BREAK_FETCH))
        return;
    for (size_t i = 0; i < count; i++) {
        qr_buf_add64le(&fetch->queue, lsn);
        qr_buf_add(&fetch->queue, changes[i].record, changes[i].bytes);
    }
}

/* From here on pages are fetched as of this commit. */
static void find_pages(struct qri_hyper *hy, size_t from, size_t count, uint64_t lsn)
{
    struct qri_replica *rep = hy->replica;
    pthread_mutex_lock(&rep->fetch_mu);
    rep->applying_lsn = lsn;
    for (size_t i = from, end; i < count; i = end) {
        end = qri_changes_end(rep->changes, count, i);
        struct qri_change *c = &rep->changes[i];
        c->old = pin_newest(hy->store, c->page_no);
        qri_tier_changed(hy->store, c->page_no, lsn); /* behind an eviction that offers it */
        if (c->old == NULL)
            note_absent(hy, c, end - i, lsn);
    }
    pthread_mutex_unlock(&rep->fetch_mu);
}

/* Between the windows of a large group a page may be fetched that a later one changes: as of this
 * commit, so it has the change. Snapshots before it do not see that frame (F4). */
static bool is_applied(const struct qri_change *c, uint64_t lsn)
{
    return c->old != NULL && c->old->lsn == lsn;
}

/* Page 1 is always there once it exists: its image makes it. */
static bool makes_page_1(const struct qri_replica *rep, const struct qri_change *c)
{
    return c->page_no == 1 && c->old == NULL && rep->page_1 == NULL;
}

static enum qr_status make_version(struct qri_hyper *hy, struct qri_change *changes, size_t count,
                                   uint64_t lsn, struct qr_err *err)
{
    struct qr_store *store = hy->store;
    if (changes->old != NULL && changes->old->lsn > lsn)
        return qr_fail(err, QR_BUG, "page %u is of LSN %llu already", changes->page_no,
                       (unsigned long long)changes->old->lsn);
    if (qri_table_entry(store, changes->page_no, true) == NULL)
        return qr_fail(err, QR_NOMEM, "page table");
    struct qri_frame *f = qri_frame_alloc(store, true);
    if (f == NULL)
        return qr_fail(err, QR_NOMEM, "version of page %u", changes->page_no);
    changes->new = f;
    f->lsn = lsn;
    if (changes->old != NULL)
        memcpy(f->data, changes->old->data, store->page_bytes);
    for (size_t i = 0; i < count; i++) {
        struct qr_record record;
        QR_TRY(qr_record_decode(changes[i].record, changes[i].bytes, &record, err));
        if (changes->old == NULL && i == 0 && record.kind != QR_RECORD_IMAGE)
            return qr_fail(err, QR_CORRUPT, "the log changes page 1, which is not there");
        QR_TRY(qr_record_apply(&record, f->data, store->page_bytes, err));
    }
    return QR_OK;
}

static enum qr_status make_versions(struct qri_hyper *hy, size_t from, size_t count, uint64_t lsn,
                                    struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    for (size_t i = from, end; i < count; i = end) {
        end = qri_changes_end(rep->changes, count, i);
        struct qri_change *c = &rep->changes[i];
        if (is_applied(c, lsn))
            qri_frame_unpin(QR_TAKE(c->old));
        else if (c->old != NULL || makes_page_1(rep, c))
            QR_TRY(make_version(hy, c, end - i, lsn, err));
    }
    return QR_OK;
}

/* With log.mu held. */
static size_t link_versions(struct qri_hyper *hy, size_t count, uint64_t lsn,
                            struct qri_frame **ret_retired)
{
    struct qri_replica *rep = hy->replica;
    struct qri_frame **tail = ret_retired;
    size_t retired = 0;
    for (size_t i = 0; i < count; i++) {
        struct qri_change *c = &rep->changes[i];
        struct qri_frame *f = c->new;
        if (f == NULL)
            continue;
        f->older = c->old;
        atomic_store_explicit(&f->page_no, c->page_no, memory_order_relaxed);
        if (c->page_no == 1)
            atomic_fetch_add(&f->pins, 1);
        if (c->old != NULL) {
            c->old->newer = f;
            c->old->superseded_lsn = lsn;
            c->old->next = NULL;
            *tail = c->old;
            tail = &c->old->next;
            retired++;
        }
        atomic_store(qri_table_entry(hy->store, c->page_no, false), f);
        qri_tier_changed(hy->store, c->page_no, lsn); /* `old` may have been offered since */
        if (c->old != NULL)
            qri_frame_unpin(c->old);
        if (c->page_no == 1 && rep->page_1 != NULL)
            qri_frame_unpin(rep->page_1);
        if (c->page_no == 1)
            rep->page_1 = f;
    }
    return retired;
}

static void publish(struct qri_hyper *hy, size_t count, uint64_t lsn,
                    const struct qr_record *commit)
{
    struct qr_store *store = hy->store;
    struct qri_frame *retired = NULL;
    pthread_mutex_lock(&store->log.mu);
    size_t retired_count = link_versions(hy, count, lsn, &retired);
    if (commit->commit.db_pages > store->pages_max)
        store->pages_max = commit->commit.db_pages;
    store->durable_pages_max = store->pages_max;
    store->commit_no = store->durable_commit_no = commit->commit.commit_no;
    store->commit_wall_ns = store->durable_commit_wall_ns = commit->commit.wall_ns;
    store->log.commit_lsn = lsn;
    atomic_store(&store->head_db_pages, commit->commit.db_pages);
    _Atomic uint64_t *lsns[] = {&store->head_lsn, &store->durable_lsn, &store->clean_lsn,
                                &store->checkpoint_lsn};
    for (size_t i = 0; i < sizeof lsns / sizeof lsns[0]; i++)
        atomic_store(lsns[i], lsn);
    pthread_mutex_unlock(&store->log.mu);
    atomic_store(&hy->replica->applied_wall_ns, commit->commit.wall_ns);
    qri_retire(store, retired, retired_count);
    qri_replica_retire(hy);
    (void)qri_collect(store, false);
    qri_durable_reached(store, lsn);
}

static void unpin_all(struct qri_hyper *hy, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct qri_change *c = &hy->replica->changes[i];
        if (c->old != NULL)
            qri_frame_unpin(c->old);
        if (c->new != NULL)
            qri_frame_free(hy->store, c->new);
    }
}

static enum qr_status follow_counters(struct qr_store *store, const uint8_t *records, size_t bytes,
                                      struct qr_err *err)
{
    for (size_t at = 0; at < bytes;) {
        struct qr_record record;
        QR_TRY(qr_record_decode(records + at, bytes - at, &record, err));
        if (record.kind == QR_RECORD_COUNTER || record.kind == QR_RECORD_DROP)
            QR_TRY(qri_counters_follow(store, &record, err));
        at += record.bytes;
    }
    return QR_OK;
}

/* Versions of the pages in memory that these records change go behind the first *count changes. */
static enum qr_status apply_records(struct qri_hyper *hy, const uint8_t *records, size_t bytes,
                                    uint64_t lsn, size_t *count, struct qr_err *err)
{
    struct qri_replica *rep = hy->replica;
    size_t from = *count, end = from;
    QR_TRY(
        qri_changes_gather(&rep->changes, &rep->change_capacity, from, records, bytes, &end, err));
    find_pages(hy, from, end, lsn);
    *count = end; /* what is pinned there is seen to, also after a failure */
    QR_TRY(make_versions(hy, from, end, lsn, err));
    size_t kept = from;
    for (size_t i = from; i < end; i++)
        if (rep->changes[i].new != NULL)
            rep->changes[kept++] = rep->changes[i];
    *count = kept;
    return follow_counters(hy->store, records, bytes, err);
}

/* A window on a file of records. */
struct window {
    uint8_t *bytes;
    size_t have;
    uint64_t at; /* in the file, behind it */
};

static enum qr_status fill_window(struct window *w, struct qr_tmp_file *file, size_t *ret_whole,
                                  struct qr_err *err)
{
    size_t got = 0, whole = 0;
    QR_TRY(qr_tmp_file_read(file, w->bytes + w->have, WINDOW_BYTES - w->have, w->at, &got, err));
    w->have += got;
    w->at += got;
    while (w->have - whole >= QR_RECORD_HEADER_BYTES) {
        uint32_t length;
        QR_TRY(qr_record_length(w->bytes + whole, &length, err));
        if (length > w->have - whole)
            break;
        whole += length;
    }
    if (whole == 0 && w->have > 0)
        return qr_fail(err, QR_CORRUPT, "a group that was put aside is cut off");
    *ret_whole = whole;
    return QR_OK;
}

static enum qr_status apply_earlier(struct qri_hyper *hy, uint64_t lsn, size_t *count,
                                    struct qr_err *err)
{
    struct window w = {.bytes = malloc(WINDOW_BYTES)};
    enum qr_status status = w.bytes == NULL ? qr_fail(err, QR_NOMEM, "log group") : QR_OK;
    size_t whole = 1;
    while (status == QR_OK && whole > 0) {
        status = fill_window(&w, hy->replica->earlier, &whole, err);
        if (status == QR_OK && whole > 0)
            status = apply_records(hy, w.bytes, whole, lsn, count, err);
        if (status == QR_OK) {
            w.have -= whole;
            memmove(w.bytes, w.bytes + whole, w.have);
        }
    }
    free(w.bytes);
    return status;
}

enum qr_status qri_replica_apply(struct qri_hyper *hy, const uint8_t *records, size_t bytes,
                                 uint64_t lsn, const struct qr_record *commit, struct qr_err *err)
{
    size_t count = 0;
    enum qr_status status =
        hy->replica->earlier == NULL ? QR_OK : apply_earlier(hy, lsn, &count, err);
    if (status == QR_OK)
        status = apply_records(hy, records, bytes, lsn, &count, err);
    if (status == QR_OK)
        publish(hy, count, lsn, commit);
    else
        unpin_all(hy, count);
    return status;
}

void qri_replica_retire(struct qri_hyper *hy)
{
    struct qri_replica *rep = hy->replica;
    pthread_mutex_lock(&rep->fetch_mu);
    struct qri_frame *list = rep->superseded;
    size_t count = rep->superseded_count;
    rep->superseded = NULL;
    rep->superseded_count = 0;
    pthread_mutex_unlock(&rep->fetch_mu);
    qri_retire(hy->store, list, count);
}
