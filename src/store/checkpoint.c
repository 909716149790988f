/* checkpoint.c - brings committed pages into the data file; see store_int.h.
 *
 * A checkpoint at LSN C writes each page that changed in its newest version at or before C: first a
 * batch into the double-write area, synced, then the same pages in place, synced. When all are
 * there, the header says C and log before it may go. Pages newer than the header's LSN (a
 * checkpoint that did not finish) are harmless: recovery skips changes that a page has already. */
#include "copies_int.h"
#include "cut.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "governor/task.h"
#include "page/trailer.h"
#include "base/banned.h"

enum {
    BATCH_BYTES = 4 << 20,
    GROW_BYTES_MAX = 64 << 20, /* space taken ahead in the data file */
    GROW_BYTES_MIN = 1 << 20,
};

/* --- the data file's header --- */

static enum qr_status sync_file(struct qr_store *store, struct qr_file *file, struct qr_err *err)
{
    return store->options.sync_off ? QR_OK : qr_file_sync(file, err);
}

enum qr_status qri_header_write(struct qr_store *store, struct qr_err *err)
{
    struct qr_data_header *h = &store->checkpointer.header;
    uint8_t slot[QR_DATA_HEADER_SLOT_BYTES];
    h->sequence++;
    qr_data_header_encode(slot, h);
    QR_TRY(qr_wrap(err,
                   qr_file_pwrite(store->data_file, slot, sizeof slot,
                                  h->sequence % QR_DATA_HEADER_SLOTS * sizeof slot, err),
                   "write data file header"));
    return qr_wrap(err, sync_file(store, store->data_file, err), "sync data file header");
}

enum qr_status qri_header_read(struct qr_store *store, struct qr_err *err)
{
    bool found = false;
    enum qr_status status = QR_CORRUPT;
    for (int i = 0; i < QR_DATA_HEADER_SLOTS; i++) {
        uint8_t slot[QR_DATA_HEADER_SLOT_BYTES];
        struct qr_data_header h;
        status = qr_file_read_exactly(store->data_file, slot, sizeof slot,
                                      (uint64_t)i * sizeof slot, err);
        if (status == QR_OK)
            status = qr_data_header_decode(slot, &h, err);
        else if (status == QR_TRUNCATED)
            status = qr_fail(err, QR_CORRUPT, "the data file is too short");
        if (status != QR_OK && status != QR_CORRUPT)
            return status;
        if (status == QR_OK && (!found || h.sequence > store->checkpointer.header.sequence)) {
            store->checkpointer.header = h;
            found = true;
        }
    }
    return found ? QR_OK : status;
}

/* --- pages --- */

struct batch {
    uint8_t *buffer; /* double-write header, then pages */
    struct qr_dw_header header;
    uint32_t capacity;
};

static uint8_t *batch_page(const struct qr_store *store, const struct batch *b, uint32_t i)
{
    return b->buffer + QR_DW_HEADER_BYTES + (size_t)i * store->page_bytes;
}

static enum qr_status batch_init(struct qr_store *store, struct batch *b, struct qr_err *err)
{
    b->capacity = BATCH_BYTES / store->page_bytes;
    if (b->capacity > QR_DW_PAGES_MAX)
        b->capacity = QR_DW_PAGES_MAX;
    b->header.page_bytes = store->page_bytes;
    b->header.page_count = 0;
    memcpy(b->header.timeline, store->timeline, QR_TIMELINE_BYTES);
    b->buffer = malloc(QR_DW_HEADER_BYTES + (size_t)b->capacity * store->page_bytes);
    return b->buffer != NULL ? QR_OK : qr_fail(err, QR_NOMEM, "checkpoint buffer");
}

/* Counted as what the checkpoint's thread writes, which waits for nobody with what it holds. */
static enum qr_status write_counted(struct qr_store *store, struct qr_file *file, const void *src,
                                    size_t bytes, uint64_t offset, struct qr_err *err)
{
    int64_t begun_ns = qr_env_mono_ns(store->env);
    struct qr_gov_task *held = qr_gov_hold();
    (void)qr_gov_io(QR_GOV_WRITE, bytes);
    qr_gov_unhold(held);
    enum qr_status status = qr_file_pwrite(file, src, bytes, offset, err);
    qr_gov_io_done(QR_GOV_WRITE, qr_env_mono_ns(store->env) - begun_ns);
    return status;
}

/* Pages that follow one another in the file go out in one write. */
static enum qr_status write_in_place(struct qr_store *store, const struct batch *b,
                                     struct qr_err *err)
{
    const struct qr_dw_header *h = &b->header;
    for (uint32_t i = 0, n; i < h->page_count; i += n) {
        for (n = 1; i + n < h->page_count && h->page_no[i + n] == h->page_no[i] + n; n++)
            ;
        QR_TRY(write_counted(store, store->data_file, batch_page(store, b, i),
                             (size_t)n * store->page_bytes, qri_page_offset(store, h->page_no[i]),
                             err));
    }
    return sync_file(store, store->data_file, err);
}

static enum qr_status write_batch(struct qr_store *store, struct batch *b, struct qr_err *err)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    if (b->header.page_count == 0)
        return QR_OK;
    qr_dw_header_encode(b->buffer, &b->header);
    size_t bytes = QR_DW_HEADER_BYTES + (size_t)b->header.page_count * store->page_bytes;
    QR_TRY(qr_wrap(err, write_counted(store, store->dw_file, b->buffer, bytes, 0, err),
                   "write double-write area"));
    QR_TRY(qr_wrap(err, sync_file(store, store->dw_file, err), "sync double-write area"));
    cp->double_write_pending = true; /* until the places are synced, this copy is the good one */
    int64_t begun_ns = qr_env_mono_ns(store->env);
    QR_TRY(qr_wrap(err, write_in_place(store, b, err), "write data file"));
    atomic_fetch_add(&cp->write_ns, (uint64_t)(qr_env_mono_ns(store->env) - begun_ns));
    cp->double_write_pending = false;
    atomic_fetch_add(&cp->pages_written, b->header.page_count);
    b->header.page_count = 0;
    return QR_OK;
}

/* Space first: what was written to the double-write area must then find its place. */
static enum qr_status grow_data_file(struct qr_store *store, uint32_t pages, struct qr_err *err)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    uint64_t need = qri_page_offset(store, 1) + (uint64_t)pages * store->page_bytes;
    if (need <= cp->file_bytes_ready)
        return QR_OK;
    uint64_t ahead = need / 16;
    ahead = ahead < GROW_BYTES_MIN   ? GROW_BYTES_MIN
            : ahead > GROW_BYTES_MAX ? GROW_BYTES_MAX
                                     : ahead;
    uint64_t from = cp->file_bytes_ready;
    enum qr_status status = qr_file_preallocate(store->data_file, from, need + ahead - from, err);
    if (status == QR_FULL) {
        ahead = 0;
        status = qr_file_preallocate(store->data_file, from, need - from, err);
    }
    QR_TRY(qr_wrap(err, status, "grow the data file to %llu bytes", (unsigned long long)need));
    cp->file_bytes_ready = need + ahead;
    return QR_OK;
}

/* Whether the page's version as of `lsn` is to be written, and whether its place holds a version
 * that a snapshot may need and that is nowhere else. */
static bool look_at_page(struct qr_store *store, uint32_t page_no, uint64_t lsn, bool *ret_base)
{
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    pthread_mutex_t *stripe = qri_stripe(store, page_no);
    pthread_mutex_lock(stripe);
    struct qri_frame *head = qri_head(entry), *f = head;
    assert(head != NULL); /* dirty pages are not evicted */
    while (f != NULL && f->lsn > lsn)
        f = f->older;
    if (f != head)
        qri_table_mark_dirty(store, page_no); /* the next checkpoint's */
    bool is_base = f != NULL && f->data == NULL && f->pages == NULL;
    bool clean =
        f == NULL || is_base || (f != head && f->lsn <= atomic_load(&store->checkpoint_lsn));
    *ret_base = !clean && qri_base_is_there(store, page_no);
    pthread_mutex_unlock(stripe);
    return !clean;
}

static enum qr_status add_page(struct qr_store *store, struct batch *b, uint32_t page_no,
                               uint64_t lsn, struct qr_err *err)
{
    bool base = false;
    if (!look_at_page(store, page_no, lsn, &base))
        return QR_OK;
    uint32_t i = b->header.page_count;
    uint64_t version = 0;
    if (base)
        QR_TRY(qri_base_keep(store, page_no, batch_page(store, b, i), err));
    QR_TRY(qri_version_read(store, page_no, lsn, batch_page(store, b, i), &version, err));
    QR_TRY(qr_page_seal_as(&store->page_cipher, batch_page(store, b, i), store->page_bytes, page_no,
                           version, err));
    b->header.page_no[i] = page_no;
    b->header.page_count++;
    return b->header.page_count == b->capacity ? write_batch(store, b, err) : QR_OK;
}

static uint64_t take_bits(struct qr_store *store, _Atomic uint64_t *word)
{
    uint64_t bits = atomic_load(word) == 0 ? 0 : atomic_exchange(word, 0);
    atomic_fetch_sub(&store->dirty_pages, __builtin_popcountll(bits));
    return bits;
}

static enum qr_status write_chunk(struct qr_store *store, struct batch *b, uint32_t chunk_no,
                                  uint64_t lsn, struct qr_err *err)
{
    struct qri_chunk *chunk = atomic_load(&store->table[chunk_no]);
    if (chunk == NULL)
        return QR_OK;
    for (uint32_t w = 0; w < QRI_CHUNK_PAGES / 64; w++) {
        uint32_t first = chunk_no * QRI_CHUNK_PAGES + w * 64;
        uint64_t bits = take_bits(store, &chunk->dirty[w]);
        while (bits != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(bits);
            enum qr_status status = add_page(store, b, first + bit, lsn, err);
            if (status != QR_OK) {
                for (; bits != 0; bits &= bits - 1)
                    qri_table_mark_dirty(store, first + (uint32_t)__builtin_ctzll(bits));
                return status;
            }
            bits &= bits - 1;
        }
    }
    return QR_OK;
}

static enum qr_status write_pages(struct qr_store *store, struct batch *b, uint64_t lsn,
                                  uint32_t pages, struct qr_err *err)
{
    QR_TRY(grow_data_file(store, pages, err));
    for (uint32_t c = 0; c <= pages / QRI_CHUNK_PAGES; c++)
        QR_TRY(write_chunk(store, b, c, lsn, err));
    return write_batch(store, b, err);
}

enum qr_status qri_double_write_restore(struct qr_store *store, struct qr_err *err)
{
    uint8_t header_bytes[QR_DW_HEADER_BYTES];
    struct batch b;
    enum qr_status status =
        qr_file_read_exactly(store->dw_file, header_bytes, sizeof header_bytes, 0, err);
    if (status == QR_OK)
        status = qr_dw_header_decode(header_bytes, &b.header, err);
    if (status == QR_CORRUPT || status == QR_TRUNCATED)
        return QR_OK; /* it was being written, so no place has been touched */
    QR_TRY(status);
    if (b.header.page_bytes != store->page_bytes || b.header.page_count > QR_DW_PAGES_MAX ||
        memcmp(b.header.timeline, store->timeline, QR_TIMELINE_BYTES) != 0)
        return QR_OK;
    size_t pages_bytes = (size_t)b.header.page_count * store->page_bytes;
    b.buffer = malloc(QR_DW_HEADER_BYTES + pages_bytes);
    if (b.buffer == NULL)
        return qr_fail(err, QR_NOMEM, "double-write area");
    status = qr_file_read_exactly(store->dw_file, b.buffer + QR_DW_HEADER_BYTES, pages_bytes,
                                  QR_DW_HEADER_BYTES, err);
    bool intact = status == QR_OK;
    for (uint32_t i = 0; i < b.header.page_count && intact; i++) {
        uint64_t lsn = 0;
        intact = qr_page_verify(batch_page(store, &b, i), store->page_bytes, b.header.page_no[i],
                                &lsn, NULL) == QR_OK;
    }
    if (status == QR_TRUNCATED)
        status = QR_OK;
    if (intact)
        status = qr_wrap(err, write_in_place(store, &b, err), "restore pages");
    free(b.buffer);
    return status;
}

static enum qr_status write_pages_at(struct qr_store *store, uint64_t lsn, uint32_t pages,
                                     struct qr_err *err)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    if (cp->double_write_pending)
        QR_TRY(qri_double_write_restore(store, err));
    cp->double_write_pending = false;
    struct batch b;
    QR_TRY(batch_init(store, &b, err));
    enum qr_status status = write_pages(store, &b, lsn, pages, err);
    if (status != QR_OK)
        for (uint32_t i = 0; i < b.header.page_count; i++)
            qri_table_mark_dirty(store, b.header.page_no[i]);
    free(b.buffer);
    return status;
}

enum qr_status qri_checkpoint_pages(struct qr_store *store, uint64_t lsn, struct qr_err *err)
{
    QR_TRY(write_pages_at(store, lsn, store->pages_max, err));
    atomic_store(&store->clean_lsn, lsn);
    return QR_OK;
}

/* --- a checkpoint --- */

struct target {
    uint64_t lsn, commit_no, commit_wall_ns, log_bytes;
    uint32_t pages;
    bool cuts; /* the file was longer */
    struct qri_log_pos pos;
};

/* Pages behind the end are not written any more, and may leave memory. */
static void forget_dirty_behind(struct qr_store *store, uint32_t pages, uint32_t until)
{
    for (uint64_t p = (uint64_t)pages + 1; p <= until;) {
        struct qri_chunk *chunk = atomic_load(&store->table[p / QRI_CHUNK_PAGES]);
        uint32_t bit = (uint32_t)(p % 64);
        uint64_t mask = UINT64_MAX << bit;
        if (chunk != NULL) {
            _Atomic uint64_t *word = &chunk->dirty[p % QRI_CHUNK_PAGES / 64];
            uint64_t were = atomic_fetch_and(word, ~mask) & mask;
            atomic_fetch_sub(&store->dirty_pages, __builtin_popcountll(were));
        }
        p += chunk == NULL ? QRI_CHUNK_PAGES - p % QRI_CHUNK_PAGES : 64 - bit;
    }
}

/* I12, with log.mu held: the file may end with the database as of `lsn`. A member keeps what it
 * has: what is beyond may be given up, and then the database is longer again. A base, which a
 * commit makes with log.mu held, may be of a page behind the end. */
static bool may_cut(struct qr_store *store, uint64_t lsn)
{
    return atomic_load(&store->head_db_pages) < atomic_load(&store->pages_max) &&
           atomic_load(&store->head_lsn) == lsn && !store->pending.on &&
           atomic_load(&store->base_stubs) == 0 && qri_cut_is_past(store);
}

/* Everything about the newest durable commit, read at once, and a snapshot that keeps its pages. */
static void choose_target(struct qr_store *store, struct target *t)
{
    pthread_mutex_lock(&store->log.mu);
    *t = (struct target){
        .lsn = qri_slot_pin(store, &store->checkpointer.slot, 0),
        .commit_no = store->durable_commit_no,
        .commit_wall_ns = store->durable_commit_wall_ns,
        .log_bytes = atomic_load(&store->log.since_checkpoint),
        .pages = store->durable_pages_max,
        .pos = store->log.durable_pos,
    };
    if (may_cut(store, t->lsn)) {
        t->cuts = true;
        t->pages = atomic_load(&store->head_db_pages);
        forget_dirty_behind(store, t->pages, atomic_load(&store->pages_max));
        atomic_store(&store->pages_max, t->pages);
        store->durable_pages_max = t->pages;
    }
    pthread_mutex_unlock(&store->log.mu);
}

static uint64_t hardened_end(struct qr_store *store)
{
    pthread_mutex_lock(&store->log.mu);
    uint64_t lsn = store->log.durable_pos.lsn;
    pthread_mutex_unlock(&store->log.mu);
    return lsn;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* But a member's log is not its own. */
static enum qr_status write_counters(struct qr_store *store, struct qr_err *err)
{
    struct qr_buf records;
    qr_buf_init(&records, SIZE_MAX / 4);
    qri_counters_list(store, &records, nothing, NULL);
    enum qr_status status = qri_counter_file_write(store, &records, err);
    qr_buf_done(&records);
    return status;
}

static enum qr_status finish(struct qr_store *store, const struct target *t, bool closing,
                             struct qr_err *err)
{
    /* Counters are in the log only: they must be behind the new start before the old one goes. */
    if (store->pending.on) {
        QR_TRY(write_counters(store, err));
    } else {
        QR_TRY(qri_counters_log_all(store, closing, err));
        QR_TRY(qri_log_flush(store, err));
    }
    struct qr_data_header *h = &store->checkpointer.header;
    struct qr_data_header before = *h;
    h->checkpoint_lsn = t->lsn;
    h->log_segment_no = t->pos.segment_no;
    h->log_offset = t->pos.offset;
    h->log_lsn = t->pos.lsn;
    h->log_end_lsn = hardened_end(store);
    h->commit_no = t->commit_no;
    h->commit_wall_ns = t->commit_wall_ns;
    h->db_pages = t->pages;
    h->clean = closing;
    enum qr_status status = qri_header_write(store, err);
    if (status != QR_OK) {
        uint64_t sequence = h->sequence;
        *h = before;
        h->sequence = sequence + 1; /* the slot just written may be torn: spare the other one */
        return status;
    }
    atomic_store(&store->checkpoint_lsn, t->lsn);
    atomic_store(&store->clean_lsn, t->lsn);
    atomic_fetch_sub(&store->log.since_checkpoint, t->log_bytes);
    atomic_fetch_add(&store->checkpointer.count, 1);
    if (!store->pending.on)
        qri_counter_file_remove(store);
    qri_logfile_drop_before(store, t->pos.segment_no);
    return QR_OK;
}

/* The header says by now that nothing is there. Where it fails the file stays as long as it is. */
static void cut_file(struct qr_store *store, uint32_t pages)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    uint64_t bytes = qri_page_offset(store, 1) + (uint64_t)pages * store->page_bytes;
    if (bytes < cp->file_bytes_ready && qr_file_truncate(store->data_file, bytes, NULL) == QR_OK)
        cp->file_bytes_ready = bytes;
    cp->cut_wanted = bytes < cp->file_bytes_ready;
}

enum qr_status qri_checkpoint(struct qr_store *store, bool closing, struct qr_err *err)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    QR_TRY(qri_log_flush(store, err));
    while (atomic_load(&store->base_stubs) > 0 && qri_collect(store, true))
        ; /* what nobody needs must not be kept */
    pthread_mutex_lock(&cp->run_mu);
    struct target t;
    choose_target(store, &t);
    enum qr_status status = QR_OK;
    if (t.lsn != atomic_load(&store->checkpoint_lsn) || closing || t.log_bytes > 0 || t.cuts) {
        status = write_pages_at(store, t.lsn, t.pages, err);
        if (status == QR_OK)
            status = finish(store, &t, closing, err);
        cp->cut_wanted |= t.cuts;
        if (status == QR_OK && cp->cut_wanted)
            cut_file(store, t.pages);
    }
    atomic_store(&cp->slot.lsn, 0);
    pthread_mutex_unlock(&cp->run_mu);
    qri_stubs_sweep(store);
    return qr_wrap(err, status, "checkpoint");
}

/* Makes a segment ahead of need, so that no commit waits for one. */
static enum qr_status keep_room(struct qr_store *store)
{
    pthread_mutex_lock(&store->log.mu);
    bool low = qri_logfile_is_low(store);
    pthread_mutex_unlock(&store->log.mu);
    return low ? qri_logfile_extend(store, true, NULL) : QR_OK;
}

/* A full cache is worth a checkpoint only if that makes much of it evictable. */
static bool is_mostly_dirty(struct qr_store *store)
{
    uint64_t dirty_bytes = (uint64_t)atomic_load(&store->dirty_pages) * store->page_bytes;
    return dirty_bytes > atomic_load(&store->cache.bytes_max) / 4;
}

enum qr_status qri_files_upkeep(struct qr_store *store, bool wanted, bool over, struct qr_err *err)
{
    enum qr_status status = QR_OK, room = keep_room(store);
    uint64_t log_bytes = atomic_load(&store->log.since_checkpoint);
    if (wanted && (log_bytes > store->options.checkpoint_bytes ||
                   log_bytes > store->options.log_bytes_max || (over && is_mostly_dirty(store))))
        status = qri_checkpoint(store, false, err);
    return status == QR_OK ? room : status;
}
