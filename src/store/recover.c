/* recover.c - brings a store to its newest complete commit; see store_int.h.
 *
 * The log is read twice from the last checkpoint on: first to find the last commit mark and the
 * groups that a crash cut off, then to apply what is complete. */
#include "copies_int.h"
#include "log_reader_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum {
    SCAN_BYTES = 256 << 10,
    LARGE_GROUP_BYTES = 16 << 20, /* pages of one so large go to the data file before it ends */
};

struct void_range {
    uint64_t from, to;
};

struct range_list {
    struct void_range *items;
    size_t count;
};

struct findings {
    uint64_t last_commit, commit_no, commit_wall_ns;
    struct range_list voids, large; /* large groups, each up to its commit's LSN */
    uint64_t group_start;           /* of the group being read */
    bool in_group;
};

struct replay {
    const struct findings *found;
    size_t void_index, large_index;
    uint64_t group_start;
    uint64_t group_lsn;         /* of the commit, if the group is large; else 0 */
    struct qri_frame **touched; /* frames of the group being applied */
    size_t touched_count, touched_capacity;
};

typedef enum qr_status record_fn(struct qri_reader *r, void *ctx, const struct qr_record *rec,
                                 uint64_t start_lsn, struct qr_err *err);

/* --- the end --- */

/* Looks at one place for a block that proves damage before it. */
static enum qr_status check_place(struct qri_reader *scan, uint64_t at, uint64_t end_lsn,
                                  struct qr_err *err)
{
    struct qr_block_header h;
    enum qr_status status = qri_reader_load(scan, at, &h, err);
    if (status == QR_CORRUPT)
        return QR_OK;
    QR_TRY(status);
    if (h.synced_lsn <= end_lsn || h.first_lsn <= end_lsn)
        return QR_OK;
    return qr_fail(err, QR_CORRUPT, "the log is damaged at LSN %llu: it goes on at %llu",
                   (unsigned long long)end_lsn, (unsigned long long)h.first_lsn);
}

static enum qr_status scan_segment(struct qri_reader *scan, uint8_t *buffer, uint64_t end_lsn,
                                   struct qr_err *err)
{
    size_t got = 0;
    for (uint64_t at = scan->offset; at < scan->segment->bytes; at += got) {
        QR_TRY(qr_file_pread(scan->segment->file, buffer, SCAN_BYTES, at, &got, err));
        got = got / QR_SECTOR_BYTES * QR_SECTOR_BYTES;
        if (got == 0)
            break;
        for (size_t i = 0; i < got; i += QR_SECTOR_BYTES) {
            struct qr_block_header h;
            if (qr_block_peek(buffer + i, QR_SECTOR_BYTES, &h, NULL) == QR_OK)
                QR_TRY(check_place(scan, at + i, end_lsn, err));
        }
    }
    return QR_OK;
}

/* An intact block that was written when our end was already durable proves that something between
 * was hardened and is damaged now. Without one, the end is where a crash tore the log. After a
 * clean close the header tells where the log must end. */
static enum qr_status check_end(struct qri_reader *r, struct qr_err *err)
{
    uint64_t end_lsn = r->lsn, known_end = r->store->checkpointer.header.log_end_lsn;
    if (end_lsn < known_end)
        return qr_fail(err, QR_CORRUPT,
                       "the log is damaged at LSN %llu: it was hardened up to %llu",
                       (unsigned long long)end_lsn, (unsigned long long)known_end);
    if (r->store->was_clean && end_lsn == known_end)
        return QR_OK;
    uint8_t *buffer = malloc(SCAN_BYTES);
    if (buffer == NULL)
        return qr_fail(err, QR_NOMEM, "scan the log");
    struct qri_reader scan = *r; /* shares the block buffer */
    enum qr_status status;
    do
        status = scan_segment(&scan, buffer, end_lsn, err);
    while (status == QR_OK && qri_reader_next_segment(&scan));
    free(buffer);
    return status;
}

/* --- records --- */

static enum qr_status walk_block(struct qri_reader *r, const uint8_t *bytes, size_t count,
                                 uint64_t first_lsn, record_fn *each, void *ctx, struct qr_err *err)
{
    size_t at = 0;
    while (at < count) {
        struct qr_record rec;
        if (r->carry.len == 0) {
            enum qr_status status = qr_record_decode(bytes + at, count - at, &rec, err);
            if (status == QR_TRUNCATED) {
                r->carry_lsn = first_lsn + at;
                qr_buf_add(&r->carry, bytes + at, count - at);
                return qr_buf_status(&r->carry, err);
            }
            QR_TRY(status);
            if (first_lsn + at >= r->until)
                return QR_OK;
            QR_TRY(each(r, ctx, &rec, first_lsn + at, err));
            at += rec.bytes;
            continue;
        }
        uint32_t want = 4;
        if (r->carry.len >= 4)
            QR_TRY(qr_record_length(r->carry.data, &want, err));
        if (r->carry.len < want) {
            size_t take = want - r->carry.len < count - at ? want - r->carry.len : count - at;
            qr_buf_add(&r->carry, bytes + at, take);
            QR_TRY(qr_buf_status(&r->carry, err));
            at += take;
            continue;
        }
        QR_TRY(qr_record_decode(r->carry.data, r->carry.len, &rec, err));
        if (r->carry_lsn >= r->until)
            return QR_OK;
        QR_TRY(each(r, ctx, &rec, r->carry_lsn, err));
        r->carry.len = 0;
    }
    if (r->carry.len >= 4) { /* the block may end exactly with the record */
        uint32_t want = 0;
        struct qr_record rec;
        QR_TRY(qr_record_length(r->carry.data, &want, err));
        if (r->carry.len == want && r->carry_lsn < r->until) {
            QR_TRY(qr_record_decode(r->carry.data, r->carry.len, &rec, err));
            QR_TRY(each(r, ctx, &rec, r->carry_lsn, err));
            r->carry.len = 0;
        }
    }
    return QR_OK;
}

static enum qr_status walk(struct qri_reader *r, record_fn *each, void *ctx, struct qr_err *err)
{
    while (r->lsn < r->until) {
        struct qr_block_header h;
        bool end = false;
        QR_TRY(qri_reader_next_block(r, &h, &end, err));
        if (end)
            return QR_OK;
        QR_TRY(walk_block(r, r->payload, h.raw_bytes, h.first_lsn, each, ctx, err));
    }
    return QR_OK;
}

static enum qr_status reader_init(struct qri_reader *r, struct qr_store *store, struct qr_err *err)
{
    const struct qr_data_header *h = &store->checkpointer.header;
    QR_TRY(qri_reader_init(r, store, qri_logfile_find(store, h->log_segment_no), h->log_offset,
                           h->log_lsn, err));
    if (r->segment == NULL || r->offset > r->segment->bytes)
        return qr_fail(err, QR_CORRUPT, "log segment %llu is not there",
                       (unsigned long long)h->log_segment_no);
    return QR_OK;
}

/* --- first pass --- */

static enum qr_status add_range(struct range_list *list, uint64_t from, uint64_t to,
                                struct qr_err *err)
{
    struct void_range *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return qr_fail(err, QR_NOMEM, "ranges of the log");
    list->items = items;
    list->items[list->count++] = (struct void_range){from, to};
    return QR_OK;
}

static enum qr_status found_commit(struct findings *f, const struct qr_record *rec, uint64_t lsn,
                                   struct qr_err *err)
{
    f->last_commit = lsn;
    f->commit_no = rec->commit.commit_no;
    f->commit_wall_ns = rec->commit.wall_ns;
    bool is_large = f->in_group && lsn - f->group_start > LARGE_GROUP_BYTES;
    f->in_group = false;
    return is_large ? add_range(&f->large, f->group_start, lsn, err) : QR_OK;
}

static enum qr_status find_record(struct qri_reader *r, void *ctx, const struct qr_record *rec,
                                  uint64_t start_lsn, struct qr_err *err)
{
    struct findings *f = ctx;
    switch (rec->kind) {
    case QR_RECORD_DELTA:
    case QR_RECORD_IMAGE:
        if (!f->in_group)
            f->group_start = start_lsn;
        f->in_group = true;
        return QR_OK;
    case QR_RECORD_COMMIT:
        return found_commit(f, rec, start_lsn + rec->bytes, err);
    case QR_RECORD_EPOCH:
        if (rec->epoch.last_commit_lsn != f->last_commit)
            return qr_fail(err, QR_CORRUPT, "epoch %llu follows commit %llu, found %llu",
                           (unsigned long long)rec->epoch.epoch,
                           (unsigned long long)rec->epoch.last_commit_lsn,
                           (unsigned long long)f->last_commit);
        if (f->in_group)
            QR_TRY(add_range(&f->voids, f->group_start, start_lsn, err));
        f->in_group = false;
        return QR_OK;
    case QR_RECORD_COUNTER:
    case QR_RECORD_DROP:
        return f->in_group ? qr_fail(err, QR_CORRUPT, "counter inside a commit")
                           : qri_counters_recover(r->store, rec, err);
    }
    return qr_fail(err, QR_BUG, "record kind %d", rec->kind);
}

/* --- second pass --- */

static enum qr_status base_frame(struct qr_store *store, const struct qr_record *rec,
                                 struct qri_frame **ret_frame, struct qr_err *err)
{
    uint32_t page_no = rec->page.page_no;
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, true);
    if (entry == NULL)
        return qr_fail(err, QR_NOMEM, "page table");
    struct qri_frame *f = atomic_load(entry);
    if (f == NULL && rec->kind == QR_RECORD_IMAGE) {
        f = qri_frame_alloc(store, true);
        if (f == NULL)
            return qr_fail(err, QR_NOMEM, "page %u", page_no);
        f->lsn = 0;
        atomic_store(&f->page_no, page_no);
        atomic_store(entry, f);
    } else if (f == NULL) {
        if (page_no > store->pages_max)
            return qr_fail(err, QR_CORRUPT, "log changes page %u, which is not there", page_no);
        QR_TRY(qri_version_pin(store, page_no, UINT64_MAX, true, &f, err));
        qri_frame_unpin(f);
    }
    *ret_frame = f;
    return QR_OK;
}

static enum qr_status touch(struct replay *rp, struct qri_frame *f, struct qr_err *err)
{
    if (rp->touched_count == rp->touched_capacity) {
        size_t capacity = rp->touched_capacity == 0 ? 256 : rp->touched_capacity * 2;
        struct qri_frame **touched = realloc(rp->touched, capacity * sizeof(struct qri_frame *));
        if (touched == NULL)
            return qr_fail(err, QR_NOMEM, "recovered pages");
        rp->touched = touched;
        rp->touched_capacity = capacity;
    }
    rp->touched[rp->touched_count++] = f;
    return QR_OK;
}

/* In the middle of a large group. Its pages are as of its commit from here on: there is one, and
 * should recovery be cut off, the next one finds that these pages have their changes. */
static enum qr_status write_touched(struct qr_store *store, struct replay *rp, struct qr_err *err)
{
    if (rp->group_lsn == 0 || store->pending.on ||
        rp->touched_count * (uint64_t)store->page_bytes < LARGE_GROUP_BYTES / 4 ||
        !qri_cache_is_over(store))
        return QR_OK;
    for (size_t i = 0; i < rp->touched_count; i++) {
        rp->touched[i]->lsn = rp->group_lsn;
        uint32_t page_no = atomic_load(&rp->touched[i]->page_no);
        if (page_no > store->pages_max)
            store->pages_max = page_no;
    }
    rp->touched_count = 0;
    return qri_checkpoint_pages(store, rp->group_lsn, err);
}

static enum qr_status apply_page(struct qri_reader *r, struct replay *rp,
                                 const struct qr_record *rec, struct qr_err *err)
{
    struct qr_store *store = r->store;
    struct qri_frame *f = NULL;
    QR_TRY(base_frame(store, rec, &f, err));
    /* An unfinished checkpoint may have brought a later version already. One that is dirty in
     * memory came from this log, so it is not later. */
    if (f->lsn > rp->group_start)
        return QR_OK;
    QR_TRY(qr_record_apply(rec, f->data, store->page_bytes, err));
    qri_table_mark_dirty(store, rec->page.page_no);
    f->lsn = UINT64_MAX; /* not to be evicted; the commit mark tells */
    QR_TRY(touch(rp, f, err));
    return write_touched(store, rp, err);
}

static enum qr_status apply_commit(struct qri_reader *r, struct replay *rp,
                                   const struct qr_record *rec, uint64_t lsn, struct qr_err *err)
{
    struct qr_store *store = r->store;
    for (size_t i = 0; i < rp->touched_count; i++)
        rp->touched[i]->lsn = lsn;
    rp->touched_count = 0;
    rp->group_start = rp->group_lsn = 0;
    if (rec->commit.db_pages > store->pages_max)
        store->pages_max = rec->commit.db_pages;
    /* what a member has may be given up, so it stays out of the pages */
    return qri_cache_is_over(store) && !store->pending.on ? qri_checkpoint_pages(store, lsn, err)
                                                          : QR_OK;
}

/* `at` goes on with the LSN. */
static bool is_in(const struct range_list *list, size_t *at, uint64_t lsn)
{
    while (*at < list->count && lsn >= list->items[*at].to)
        ++*at;
    return *at < list->count && lsn >= list->items[*at].from;
}

static enum qr_status apply_record(struct qri_reader *r, void *ctx, const struct qr_record *rec,
                                   uint64_t start_lsn, struct qr_err *err)
{
    struct replay *rp = ctx;
    if (is_in(&rp->found->voids, &rp->void_index, start_lsn))
        return QR_OK;
    if (rec->kind == QR_RECORD_COMMIT)
        return apply_commit(r, rp, rec, start_lsn + rec->bytes, err);
    if (rec->kind != QR_RECORD_DELTA && rec->kind != QR_RECORD_IMAGE)
        return QR_OK;
    if (rp->group_start == 0) {
        rp->group_start = start_lsn;
        if (is_in(&rp->found->large, &rp->large_index, start_lsn))
            rp->group_lsn = rp->found->large.items[rp->large_index].to;
    }
    return qr_wrap(err, apply_page(r, rp, rec, err), "log at LSN %llu",
                   (unsigned long long)start_lsn);
}

static enum qr_status apply_all(struct qr_store *store, const struct findings *found,
                                struct qr_err *err)
{
    struct qri_reader r;
    struct replay rp = {.found = found};
    enum qr_status status = reader_init(&r, store, err);
    r.until = found->last_commit;
    if (status == QR_OK)
        status = walk(&r, apply_record, &rp, err);
    qri_reader_done(&r);
    free(rp.touched);
    return status;
}

static enum qr_status open_segments(struct qr_store *store, struct qr_err *err)
{
    uint64_t first = store->checkpointer.header.log_segment_no;
    for (uint64_t no = first;; no++) {
        struct qri_segment *segment = NULL;
        enum qr_status status = qri_logfile_open(store, no, &segment, err);
        if (status == QR_NOT_FOUND && no > first)
            return QR_OK;
        if (status == QR_NOT_FOUND)
            return qr_fail(err, QR_CORRUPT, "log segment %llu is not there",
                           (unsigned long long)no);
        QR_TRY(status);
        qri_logfile_append(store, segment);
    }
}

struct stale {
    struct qr_store *store;
    char names[16][40];
    size_t count;
};

/* Files that a kill left between two steps: segments before the checkpoint, temporary ones. */
static bool collect_stale(void *arg, const char *name)
{
    struct stale *stale = arg;
    bool is_stale = strncmp(name, "tmp.", 4) == 0 || strcmp(name, "versions.tmp") == 0 ||
                    strcmp(name, "log.tmp") == 0 || strcmp(name, "data.tmp") == 0;
    if (strncmp(name, "log.", 4) == 0 && strcmp(name, "log.tmp") != 0)
        is_stale = qri_logfile_find(stale->store, strtoull(name + 4, NULL, 16)) == NULL;
    if (is_stale && strlen(name) < sizeof stale->names[0])
        snprintf(stale->names[stale->count++], sizeof stale->names[0], "%s", name);
    return stale->count < sizeof stale->names / sizeof stale->names[0];
}

static void remove_stale(struct qr_store *store)
{
    struct stale stale = {.store = store};
    size_t removed;
    do {
        stale.count = removed = 0;
        if (qr_env_list(store->env, store->dir, collect_stale, &stale, NULL) != QR_OK)
            return;
        for (size_t i = 0; i < stale.count; i++) {
            char path[QR_STORE_PATH_BYTES_MAX + 64];
            qri_store_path(store, path, stale.names[i]);
            removed += qr_env_unlink(store->env, path, NULL) == QR_OK;
        }
    } while (removed > 0);
}

/* What the newest block did not know to be synced counts from here on, but its sync may not have
 * been reached, or may have failed; then the kernel can hold bytes that it calls clean and the disk
 * does not have. So those blocks are written again. */
static enum qr_status write_tail_again(struct qr_store *store, uint64_t synced_lsn,
                                       struct qr_err *err)
{
    struct qri_reader r;
    bool end = false;
    enum qr_status status = reader_init(&r, store, err);
    while (status == QR_OK && !end) {
        struct qr_block_header h;
        status = qri_reader_next_block(&r, &h, &end, err);
        uint64_t bytes = end ? 0 : qr_block_file_bytes(h.stored_bytes);
        if (status == QR_OK && !end && h.first_lsn >= synced_lsn)
            status = qr_wrap(
                err, qr_file_pwrite_sync(r.segment->file, r.block, bytes, r.offset - bytes, err),
                "write the log's tail again");
    }
    qri_reader_done(&r);
    return status;
}

/* The log goes on behind the last intact block, in a new epoch. */
static void continue_log(struct qr_store *store, const struct qri_reader *end,
                         const struct findings *found)
{
    struct qri_log *log = &store->log;
    log->current = end->segment;
    log->offset = end->offset;
    log->append_lsn = log->written_lsn = log->end_lsn = end->lsn;
    log->commit_lsn = store->base_lsn = found->last_commit;
    store->pending.ragged = found->in_group || end->carry.len > 0;
    if (!store->pending.on) {
        log->append_lsn = log->written_lsn = end->lsn + QRI_EPOCH_LSN_JUMP;
        qr_record_add_epoch(&log->epoch_record, store->epoch, found->last_commit,
                            found->commit_wall_ns);
        log->epoch_pending = true;
    }
    log->durable_pos = (struct qri_log_pos){
        .lsn = end->lsn, .segment_no = end->segment->no, .offset = end->offset};
    log->room = qri_logfile_room(end->segment, end->offset);
    log->last_bytes = end->segment->bytes;
    for (struct qri_segment *s = end->segment->next; s != NULL; s = s->next) {
        log->room += qri_logfile_room(s, QR_SEGMENT_HEADER_BYTES);
        log->last_bytes = s->bytes;
    }
    atomic_store(&log->since_checkpoint,
                 (end->lsn - store->checkpointer.header.log_lsn) % QRI_EPOCH_LSN_JUMP);
    store->commit_no = store->durable_commit_no = found->commit_no;
    store->commit_wall_ns = store->durable_commit_wall_ns = found->commit_wall_ns;
    store->durable_pages_max = store->pages_max;
    atomic_store(&store->head_lsn, found->last_commit);
    atomic_store(&store->durable_lsn, found->last_commit);
}

static enum qr_status read_db_pages(struct qr_store *store, struct qr_err *err)
{
    if (store->pages_max == 0)
        return QR_OK;
    struct qri_frame *f = NULL;
    QR_TRY(qri_version_pin(store, 1, UINT64_MAX, true, &f, err));
    atomic_store(&store->head_db_pages, qr_get32be(f->data + 28));
    qri_frame_unpin(f);
    return QR_OK;
}

enum qr_status qri_files_recover(struct qr_store *store, struct qr_err *err)
{
    const struct qr_data_header *h = &store->checkpointer.header;
    struct findings found = {.last_commit = h->checkpoint_lsn,
                             .commit_no = h->commit_no,
                             .commit_wall_ns = h->commit_wall_ns};
    struct qri_reader r = {.store = store};
    store->pages_max = h->db_pages;
    store->empty_lsn = QRI_FIRST_LSN;
    atomic_store(&store->checkpoint_lsn, h->checkpoint_lsn);
    atomic_store(&store->clean_lsn, h->checkpoint_lsn);
    QR_TRY(open_segments(store, err));
    QR_TRY(qri_counter_file_read(store, err));
    enum qr_status status = reader_init(&r, store, err);
    bool cuts = store->recover_until != 0;
    if (cuts)
        r.until = store->recover_until;
    if (status == QR_OK)
        status = walk(&r, find_record, &found, err);
    /* What is behind the cut was given up; it is overwritten, or its epoch is over. */
    cuts = cuts && r.lsn >= store->recover_until;
    if (status == QR_OK && cuts &&
        (r.lsn > store->recover_until || h->checkpoint_lsn > store->recover_until))
        status = qr_fail(err, QR_CONFLICT, "the log cannot be cut at LSN %llu",
                         (unsigned long long)store->recover_until);
    if (status == QR_OK && !cuts)
        status = check_end(&r, err);
    if (status == QR_OK && !store->was_clean && !store->options.sync_off)
        status = write_tail_again(store, r.synced_lsn, err);
    if (status == QR_OK)
        status = apply_all(store, &found, err);
    if (status == QR_OK)
        status = qri_logfiles_open_held(store, r.segment, r.offset == QR_SEGMENT_HEADER_BYTES, err);
    if (status == QR_OK) {
        continue_log(store, &r, &found);
        store->log_epoch = r.epoch != 0 ? r.epoch : h->epoch;
        remove_stale(store);
        status = qr_buf_status(&store->log.epoch_record, err);
    }
    if (status == QR_OK)
        status = read_db_pages(store, err);
    qri_reader_done(&r);
    free(found.voids.items);
    free(found.large.items);
    return status == QR_TRUNCATED ? qr_fail(err, QR_CORRUPT, "the log breaks its format") : status;
}
