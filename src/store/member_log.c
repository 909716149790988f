/* member_log.c - a member's log: checked, applied group by group, hardened, shown when all have it;
 * see copies_int.h.
 *
 * A group makes new versions of its pages beside those that snapshots read, as a commit of our own
 * would, and the log is the primary's, byte for byte. What is hardened is held back until the
 * primary says that every member has it: no snapshot, no checkpoint before that. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "copies_int.h"
#include "base/banned.h"

enum { LOG_SLACK_BYTES = 64 << 20, COUNTERS_BYTES_MAX = 64 << 20, COUNTER_HEADER_BYTES = 8 };

/* --- a group --- */

static enum qr_status make_version(struct qr_store *store, struct qri_change *c, size_t count,
                                   uint64_t lsn, struct qr_err *err)
{
    if (qri_table_entry(store, c->page_no, true) == NULL)
        return qr_fail(err, QR_NOMEM, "page table");
    if (c->page_no <= store->pages_max)
        QR_TRY(qri_version_pin(store, c->page_no, UINT64_MAX, true, &c->old, err));
    struct qri_frame *f = qri_frame_alloc(store, true);
    if (f == NULL)
        return qr_fail(err, QR_NOMEM, "version of page %u", c->page_no);
    c->new = f;
    f->lsn = lsn;
    if (c->old != NULL)
        memcpy(f->data, c->old->data, store->page_bytes);
    for (size_t i = 0; i < count; i++) {
        struct qr_record record;
        QR_TRY(qr_record_decode(c[i].record, c[i].bytes, &record, err));
        if (c->old == NULL && i == 0 && record.kind != QR_RECORD_IMAGE)
            return qr_fail(err, QR_CORRUPT, "the log changes page %u, which is not there",
                           c->page_no);
        QR_TRY(qr_record_apply(&record, f->data, store->page_bytes, err));
    }
    return QR_OK;
}

static enum qr_status make_versions(struct qr_member *m, size_t count, uint64_t lsn,
                                    struct qr_err *err)
{
    for (size_t i = 0, end; i < count; i = end) {
        end = qri_changes_end(m->changes, count, i);
        QR_TRY(make_version(m->store, &m->changes[i], end - i, lsn, err));
    }
    return QR_OK;
}

/* With log.mu held. */
static size_t link_versions(struct qr_member *m, size_t count, uint64_t lsn,
                            struct qri_frame **ret_retired)
{
    struct qr_store *store = m->store;
    struct qri_frame **tail = ret_retired;
    size_t retired = 0;
    for (size_t i = 0; i < count; i++) {
        struct qri_change *c = &m->changes[i];
        if (c->new == NULL)
            continue;
        c->new->older = c->old;
        qri_frame_inherit(store, c->new, c->old);
        atomic_store_explicit(&c->new->page_no, c->page_no, memory_order_relaxed);
        if (c->old != NULL) {
            c->old->newer = c->new;
            c->old->superseded_lsn = lsn;
            c->old->next = NULL;
            *tail = c->old;
            tail = &c->old->next;
            retired++;
        }
        atomic_store(qri_table_entry(store, c->page_no, false), c->new);
        qri_table_mark_dirty(store, c->page_no);
        if (c->old != NULL)
            qri_frame_unpin(c->old);
    }
    return retired;
}

static void publish(struct qr_member *m, size_t count, uint64_t lsn, const struct qr_record *commit)
{
    struct qr_store *store = m->store;
    struct qri_frame *retired = NULL;
    pthread_mutex_lock(&store->log.mu);
    size_t retired_count = link_versions(m, count, lsn, &retired);
    if (commit->commit.db_pages > store->pages_max)
        store->pages_max = commit->commit.db_pages;
    store->commit_no = commit->commit.commit_no;
    store->commit_wall_ns = commit->commit.wall_ns;
    store->log.commit_lsn = lsn;
    atomic_store(&store->head_db_pages, commit->commit.db_pages);
    atomic_store(&store->head_lsn, lsn);
    pthread_mutex_unlock(&store->log.mu);
    qri_retire(store, retired, retired_count);
    (void)qri_collect(store, false);
}

static void give_up(struct qr_member *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (m->changes[i].old != NULL)
            qri_frame_unpin(m->changes[i].old);
        if (m->changes[i].new != NULL)
            qri_frame_free(m->store, m->changes[i].new);
    }
}

static enum qr_status apply(struct qr_member *m, const uint8_t *records, size_t bytes, uint64_t lsn,
                            const struct qr_record *commit, struct qr_err *err)
{
    size_t count = 0;
    QR_TRY(qri_changes_gather(&m->changes, &m->change_capacity, 0, records, bytes, &count, err));
    enum qr_status status = make_versions(m, count, lsn, err);
    if (status == QR_OK)
        publish(m, count, lsn, commit);
    else
        give_up(m, count);
    return status;
}

/* --- records --- */

/* The record at `at`, which is whole. Counters count when they are shown, for a takeover may void
 * them. */
static enum qr_status take_record(struct qr_member *m, const struct qr_record *record,
                                  struct qr_err *err)
{
    size_t from = m->at;
    enum qr_status status = QR_OK;
    m->at += record->bytes;
    m->at_lsn += record->bytes;
    if (record->kind == QR_RECORD_DELTA || record->kind == QR_RECORD_IMAGE)
        return QR_OK;
    if (record->kind == QR_RECORD_COUNTER || record->kind == QR_RECORD_DROP) {
        qr_buf_add64le(&m->counters, m->at_lsn);
        qr_buf_add(&m->counters, m->log.data + from, record->bytes);
        status = qr_buf_status(&m->counters, err);
    }
    if (record->kind == QR_RECORD_COMMIT)
        status = apply(m, m->log.data + m->start, from - m->start, m->at_lsn, record, err);
    m->start = m->at;
    return status;
}

static enum qr_status parse(struct qr_member *m, const uint8_t *bytes, size_t count,
                            struct qr_err *err)
{
    qr_buf_add(&m->log, bytes, count);
    QR_TRY(qr_buf_status(&m->log, err));
    while (m->log.len - m->at >= QR_RECORD_HEADER_BYTES) {
        uint32_t length;
        struct qr_record record;
        QR_TRY(qr_record_length(m->log.data + m->at, &length, err));
        if (length > m->log.len - m->at)
            break;
        QR_TRY(qr_record_decode(m->log.data + m->at, length, &record, err));
        QR_TRY(take_record(m, &record, err));
    }
    qr_buf_consume(&m->log, m->start);
    m->at -= m->start;
    m->start = 0;
    return QR_OK;
}

/* --- hardening --- */

static enum qr_status harden(struct qr_member *m, const uint8_t *bytes, size_t count,
                             struct qr_err *err)
{
    struct qr_store *store = m->store;
    int64_t cost = qri_log_cost(count);
    struct qri_log_chunk *chunk = calloc(1, sizeof *chunk);
    uint8_t *copy = malloc(count);
    if (chunk == NULL || copy == NULL || store->backend->reserve(store, cost, err) != QR_OK) {
        free(chunk);
        free(copy);
        return qr_fail(err, QR_FULL, "no room for the log");
    }
    memcpy(copy, bytes, count);
    *chunk = (struct qri_log_chunk){.data = copy, .len = count, .capacity = count};
    pthread_mutex_lock(&store->log.mu);
    (void)qri_log_append(store, &chunk, cost);
    pthread_mutex_unlock(&store->log.mu);
    qri_log_free_chunks(chunk);
    store->pending.ragged = m->log.len > 0;
    return qri_files_flush(store, err);
}

/* What the log goes on with: 0 of `count` bytes are new, or QR_CONFLICT. */
static enum qr_status fit(struct qr_member *m, uint64_t epoch, uint64_t first_lsn,
                          const uint8_t *bytes, size_t count, size_t *ret_skip, struct qr_err *err)
{
    struct qr_record record;
    uint64_t end = first_lsn + count;
    *ret_skip = 0;
    if (epoch <= m->log_epoch && end <= m->end_lsn) { /* it came before */
        *ret_skip = count;
        return QR_OK;
    }
    if (epoch == m->log_epoch && first_lsn <= m->end_lsn) {
        *ret_skip = m->end_lsn - first_lsn;
        return QR_OK;
    }
    bool begins = epoch > m->log_epoch && first_lsn >= m->end_lsn &&
                  qr_record_decode(bytes, count, &record, NULL) == QR_OK &&
                  record.kind == QR_RECORD_EPOCH && record.epoch.epoch == epoch &&
                  record.epoch.last_commit_lsn == m->store->log.commit_lsn;
    if (!begins)
        return qr_fail(err, QR_CONFLICT, "log of epoch %llu at LSN %llu does not continue %llu",
                       (unsigned long long)epoch, (unsigned long long)first_lsn,
                       (unsigned long long)m->end_lsn);
    qr_buf_clear(&m->log); /* what the epoch before left open is void */
    m->start = m->at = 0;
    QR_TRY(qri_files_follow_epoch(m->store, epoch, first_lsn, err));
    m->log_epoch = epoch;
    m->end_lsn = m->at_lsn = first_lsn;
    return QR_OK;
}

enum qr_status qri_member_take(struct qr_member *m, uint64_t epoch, uint64_t first_lsn,
                               const uint8_t *bytes, size_t count, struct qr_err *err)
{
    size_t skip = 0;
    QR_TRY(fit(m, epoch, first_lsn, bytes, count, &skip, err));
    if (skip == count)
        return QR_OK;
    QR_TRY(parse(m, bytes + skip, count - skip, err));
    QR_TRY(harden(m, bytes + skip, count - skip, err));
    m->end_lsn = first_lsn + count;
    return QR_OK;
}

enum qr_status qri_member_show(struct qr_member *m, uint64_t lsn, struct qr_err *err)
{
    size_t at = 0;
    while (m->counters.len - at > COUNTER_HEADER_BYTES &&
           qr_get64le(m->counters.data + at) <= lsn) {
        struct qr_record record;
        const uint8_t *p = m->counters.data + at + COUNTER_HEADER_BYTES;
        QR_TRY(qr_record_decode(p, m->counters.len - at - COUNTER_HEADER_BYTES, &record, err));
        QR_TRY(qri_counters_follow(m->store, &record, err));
        at += COUNTER_HEADER_BYTES + record.bytes;
    }
    qr_buf_consume(&m->counters, at);
    if (lsn > m->shown_lsn)
        m->shown_lsn = lsn;
    qri_pending_release(m->store, lsn);
    return QR_OK;
}

enum qr_status qri_member_begin(struct qr_member *m, struct qr_err *err)
{
    struct qr_store *store = m->store;
    (void)err;
    qr_buf_done(&m->log);
    qr_buf_init(&m->log, QRI_COPIES_TXN_BYTES_MAX + LOG_SLACK_BYTES);
    qr_buf_done(&m->counters);
    qr_buf_init(&m->counters, COUNTERS_BYTES_MAX);
    m->start = m->at = 0;
    m->at_lsn = m->end_lsn = store->log.written_lsn;
    m->log_epoch = store->log_epoch;
    m->shown_lsn = 0;
    m->shows = false;
    return QR_OK;
}
