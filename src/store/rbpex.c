/* rbpex.c - see rbpex.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "env/thread.h"
#include "page/block.h"
#include "page/record.h"
#include "page/trailer.h"
#include "rbpex_int.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, QUEUE_PAGES = 256 };

/* --- open --- */

static bool header_is_ours(struct qri_rbpex *rb, const uint8_t *h)
{
    return qr_get32le(h) == QRI_RB_MAGIC && h[4] == QR_FORMAT_VERSION &&
           h[5] == QR_CHECKSUM_CRC32C && qr_get32le(h + 8) == rb->data_key.id &&
           qr_get32le(h + 12) == rb->page_bytes &&
           memcmp(h + 16, rb->timeline.id, QR_TIMELINE_BYTES) == 0 &&
           qr_get32le(h + QRI_RB_HEADER_CRC_OFFSET) == qr_crc32c(0, h, QRI_RB_HEADER_CRC_OFFSET);
}

static enum qr_status write_header(struct qri_rbpex *rb, struct qr_err *err)
{
    uint8_t h[QRI_RB_HEADER_BYTES] = {0};
    qr_env_random(rb->env, &rb->data_id, sizeof rb->data_id);
    qr_put32le(h, QRI_RB_MAGIC);
    h[4] = QR_FORMAT_VERSION;
    h[5] = QR_CHECKSUM_CRC32C;
    qr_put32le(h + 8, rb->data_key.id);
    qr_put32le(h + 12, rb->page_bytes);
    memcpy(h + 16, rb->timeline.id, QR_TIMELINE_BYTES);
    qr_put64le(h + 32, rb->data_id);
    qr_put32le(h + QRI_RB_HEADER_CRC_OFFSET, qr_crc32c(0, h, QRI_RB_HEADER_CRC_OFFSET));
    QR_TRY(qr_file_truncate(rb->data_file, 0, err));
    QR_TRY(qr_file_pwrite(rb->data_file, h, sizeof h, 0, err));
    return qr_file_sync(rb->data_file, err);
}

/* What is kept here can be had again, so a key that does not fit is replaced. */
static enum qr_status take_key(struct qri_rbpex *rb, const struct qr_server_key *server_key,
                               struct qr_err *err)
{
    char path[PATH_BYTES];
    if (server_key == NULL)
        return QR_OK;
    qri_rb_path(rb, path, sizeof path, "key");
    rb->sealed = malloc((size_t)QRI_RB_BATCH * rb->page_bytes);
    if (rb->sealed == NULL)
        return qr_fail(err, QR_NOMEM, "encrypted pages");
    enum qr_status status =
        qr_key_file_take(server_key, rb->env, path, rb->timeline.id, true, &rb->data_key, err);
    if (status != QR_CORRUPT && status != QR_DENIED && status != QR_UNSUPPORTED)
        return status;
    if (err != NULL)
        qr_err_reset(err);
    QR_TRY(qr_env_unlink(rb->env, path, err));
    return qr_key_file_take(server_key, rb->env, path, rb->timeline.id, true, &rb->data_key, err);
}

static void begin_cipher(struct qri_rbpex *rb)
{
    uint8_t owner[QR_TIMELINE_BYTES + 8];
    if (rb->data_key.id == 0)
        return;
    memcpy(owner, rb->timeline.id, QR_TIMELINE_BYTES);
    qr_put64le(owner + QR_TIMELINE_BYTES, rb->data_id);
    qr_page_cipher(&rb->cipher, &rb->data_key, "cache page", owner, sizeof owner);
}

static enum qr_status open_data(struct qri_rbpex *rb, struct qr_err *err)
{
    char path[PATH_BYTES];
    uint8_t h[QRI_RB_HEADER_BYTES] = {0};
    size_t got = 0;
    uint64_t size = 0;
    qri_rb_path(rb, path, sizeof path, "rbpex");
    QR_TRY(qr_env_open(rb->env, path, QR_OPEN_RW | QR_OPEN_CREATE, &rb->data_file, err));
    QR_TRY(qr_file_pread(rb->data_file, h, sizeof h, 0, &got, err));
    if (got < sizeof h || !header_is_ours(rb, h))
        return write_header(rb, err);
    rb->data_id = qr_get64le(h + 32);
    QR_TRY(qr_file_size(rb->data_file, &size, err));
    return size > qri_rb_slot_offset(rb, rb->slot_count)
               ? qr_file_truncate(rb->data_file, qri_rb_slot_offset(rb, rb->slot_count), err)
               : QR_OK;
}

static enum qr_status make_queue(struct qri_rbpex *rb, uint32_t pages, struct qr_err *err)
{
    rb->item_count = pages == 0 ? QUEUE_PAGES : pages;
    rb->items = calloc(rb->item_count, sizeof *rb->items);
    rb->item_pages = malloc((size_t)rb->item_count * rb->page_bytes);
    if (rb->items == NULL || rb->item_pages == NULL)
        return qr_fail(err, QR_NOMEM, "queue of %u pages", rb->item_count);
    for (uint32_t i = 0; i < rb->item_count; i++)
        rb->items[i].page = rb->item_pages + (size_t)i * rb->page_bytes;
    return QR_OK;
}

static enum qr_status recover(struct qri_rbpex *rb, uint64_t trust_lsn, struct qr_err *err)
{
    QR_TRY(qr_wrap(err, open_data(rb, err), "file of slots"));
    begin_cipher(rb);
    QR_TRY(qr_wrap(err, qri_rb_journal_read(rb, trust_lsn, err), "read the table"));
    if (rb->used_count == 0)
        rb->mark_lsn = trust_lsn;
    rb->recovered_lsn = rb->mark_lsn;
    qri_rb_build_free_list(rb);
    return qr_wrap(err, qri_rb_journal_rewrite(rb, err), "write the table");
}

enum qr_status qri_rbpex_open(const struct qri_rbpex_options *options, struct qri_rbpex **ret_rbpex,
                              struct qr_err *err)
{
    uint64_t slots = options->bytes / options->page_bytes;
    if (slots < QRI_RBPEX_PAGES_MIN || slots > UINT32_MAX / 2)
        return qr_fail(err, QR_INVALID, "%llu pages", (unsigned long long)slots);
    struct qri_rbpex *rb = calloc(1, sizeof *rb);
    if (rb == NULL)
        return qr_fail(err, QR_NOMEM, "page file tier");
    rb->env = options->env;
    rb->timeline = options->timeline;
    rb->page_bytes = options->page_bytes;
    rb->key_crc = qr_crc32c(0, rb->timeline.id, QR_TIMELINE_BYTES);
    rb->new_bytes_max = options->new_bytes_max != 0 ? options->new_bytes_max : QRI_RB_NEW_BYTES_MAX;
    rb->stats.bytes_max = slots * rb->page_bytes;
    pthread_mutex_init(&rb->step_mu, NULL);
    pthread_mutex_init(&rb->mu, NULL);
    qr_cond_init(&rb->wake);
    qr_buf_init(&rb->pending, QRI_RB_BLOCK_MAX);
    qr_buf_init(&rb->writing, QRI_RB_BLOCK_MAX);
    rb->dir = strdup(options->dir);
    enum qr_status status = rb->dir == NULL ? qr_fail(err, QR_NOMEM, "name") : QR_OK;
    if (status == QR_OK)
        status = qri_rb_table_init(rb, (uint32_t)slots, err);
    if (status == QR_OK)
        status = make_queue(rb, options->queue_pages, err);
    if (status == QR_OK)
        status = take_key(rb, options->server_key, err);
    if (status == QR_OK)
        status = recover(rb, options->trust_lsn, err);
    if (status == QR_OK)
        *ret_rbpex = rb;
    else
        qri_rbpex_free(rb);
    return status;
}

void qri_rbpex_free(struct qri_rbpex *rb)
{
    if (rb == NULL)
        return;
    qr_file_close(rb->data_file);
    qr_file_close(rb->journal.file);
    qri_rb_table_done(rb);
    qr_buf_done(&rb->pending);
    qr_buf_done(&rb->writing);
    free(rb->items);
    free(rb->item_pages);
    free(rb->dir);
    free(rb->sealed);
    qr_cipher_forget(&rb->data_key, sizeof rb->data_key);
    qr_cipher_forget(&rb->cipher, sizeof rb->cipher);
    pthread_cond_destroy(&rb->wake);
    pthread_mutex_destroy(&rb->mu);
    pthread_mutex_destroy(&rb->step_mu);
    free(rb);
}

enum qr_status qri_rbpex_resize(struct qri_rbpex *rb, uint64_t bytes, struct qr_err *err)
{
    uint64_t slots = bytes / rb->page_bytes;
    if (slots < QRI_RBPEX_PAGES_MIN || slots > UINT32_MAX / 2)
        return qr_fail(err, QR_INVALID, "%llu pages", (unsigned long long)slots);
    pthread_mutex_lock(&rb->step_mu);
    pthread_mutex_lock(&rb->mu);
    bool fewer = slots < rb->slot_count;
    enum qr_status status = qri_rb_table_resize(rb, (uint32_t)slots, err);
    if (status == QR_OK)
        rb->stats.bytes_max = slots * rb->page_bytes;
    pthread_mutex_unlock(&rb->mu);
    /* Who reads behind the end just now finds nothing, and asks elsewhere. If it cannot be cut the
     * next open does so. */
    if (status == QR_OK && fewer)
        (void)!qr_file_truncate(rb->data_file, qri_rb_slot_offset(rb, rb->slot_count), NULL);
    pthread_mutex_unlock(&rb->step_mu);
    return status;
}

void qri_rbpex_remove(struct qr_env *env, const char *dir)
{
    static const char *const names[] = {"rbpex-table", "rbpex-table.new", "rbpex", "key"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)!qr_env_unlink(env, path, NULL);
    }
}

/* --- what the owner says --- */

uint64_t qri_rbpex_recovered_lsn(const struct qri_rbpex *rb)
{
    return rb->recovered_lsn;
}

void qri_rbpex_changed(struct qri_rbpex *rb, uint32_t page_no, uint64_t lsn)
{
    pthread_mutex_lock(&rb->mu);
    struct qri_rb_slot *slot = qri_rb_find(rb, page_no);
    if (slot != NULL && slot->lsn < lsn) {
        qri_rb_forget(rb, slot);
        rb->stats.changed++;
        if (rb->pending.len > QRI_RB_PENDING_MANY)
            pthread_cond_signal(&rb->wake);
    }
    pthread_mutex_unlock(&rb->mu);
}

/* With mu held. Where it is told on disk that the slot is in doubt, it is told now that it is not.
 */
static void clear_doubt(struct qri_rbpex *rb, struct qri_rb_slot *slot)
{
    bool lazy = (slot->flags & QRI_RB_LAZY) != 0 || rb->trust == QRI_RB_IN_DOUBT;
    bool was = slot->flags != 0;
    slot->flags = 0;
    if (was && lazy && slot->state == QRI_RB_READY)
        qri_rb_note_put(rb, slot);
}

void qri_rbpex_confirm(struct qri_rbpex *rb, uint32_t page_no, uint64_t lsn)
{
    pthread_mutex_lock(&rb->mu);
    struct qri_rb_slot *slot = qri_rb_find(rb, page_no);
    if (slot != NULL && slot->lsn == lsn)
        clear_doubt(rb, slot);
    rb->stats.hits++;
    rb->stats.confirmed++;
    pthread_mutex_unlock(&rb->mu);
}

void qri_rbpex_confirm_all(struct qri_rbpex *rb, bool all)
{
    pthread_mutex_lock(&rb->mu);
    rb->trust = all ? QRI_RB_CONFIRMED : QRI_RB_IN_DOUBT;
    if (!all) /* the table on disk must say so before a mark does */
        rb->rewrite_wanted = true;
    pthread_mutex_unlock(&rb->mu);
}

void qri_rbpex_mark(struct qri_rbpex *rb, uint64_t lsn)
{
    pthread_mutex_lock(&rb->mu);
    if (rb->trust != QRI_RB_UNKNOWN && lsn > rb->mark_lsn) {
        rb->mark_lsn = lsn;
        qri_rb_note_mark(rb);
    }
    pthread_mutex_unlock(&rb->mu);
}

/* --- pages in --- */

void qri_rbpex_offer(struct qri_rbpex *rb, uint32_t page_no, uint64_t lsn, const uint8_t *page,
                     enum qri_rbpex_offer kind)
{
    uint32_t slot_no = 0;
    pthread_mutex_lock(&rb->mu);
    struct qri_rb_slot *slot = qri_rb_find(rb, page_no);
    bool here = slot != NULL && slot->lsn == lsn;
    if (here) {
        clear_doubt(rb, slot);
        slot->ref = slot->ref == 0 && kind == QRI_RBPEX_HOT ? 1 : slot->ref;
    } else if (slot != NULL) {
        qri_rb_forget(rb, slot);
        rb->stats.changed++;
    }
    bool full = rb->item_len == rb->item_count;
    bool taken = !here && !full && qri_rb_take_slot(rb, page_no, kind, &slot_no);
    rb->stats.busy += !here && full;
    rb->stats.refused += !here && !full && !taken;
    if (taken) {
        uint32_t at = (rb->item_first + rb->item_len++) % rb->item_count;
        struct qri_rb_item *item = &rb->items[at];
        item->lsn = lsn;
        item->slot = slot_no;
        item->page_no = page_no;
        memcpy(item->page, page, rb->page_bytes - QR_PAGE_RESERVED_BYTES);
        struct qri_rb_slot put = {.lsn = lsn,
                                  .page_no = page_no,
                                  .crc = at,
                                  .state = QRI_RB_QUEUED,
                                  .ref = kind == QRI_RBPEX_HOT};
        qri_rb_put(rb, slot_no, &put);
        if (rb->item_len == 1)
            pthread_cond_signal(&rb->wake);
    }
    pthread_mutex_unlock(&rb->mu);
}

bool qri_rbpex_may_take(struct qri_rbpex *rb, size_t pages)
{
    pthread_mutex_lock(&rb->mu);
    bool may = rb->item_count - rb->item_len >= pages && rb->slot_count - rb->used_count >= pages;
    pthread_mutex_unlock(&rb->mu);
    return may;
}

static size_t list_some(struct qri_rbpex *rb, uint32_t *from, bool was_read, uint32_t *dst,
                        size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&rb->mu);
    if (*from > rb->slot_count) /* there are fewer by now */
        *from = rb->slot_count;
    uint32_t end =
        rb->slot_count - *from < QRI_RB_CHUNK_SLOTS ? rb->slot_count : *from + QRI_RB_CHUNK_SLOTS;
    for (uint32_t i = *from; i < end && count < max; i++) {
        const struct qri_rb_slot *slot = &rb->slots[i];
        if (slot->state == QRI_RB_READY && !qri_rb_is_suspect(rb, slot) &&
            (slot->ref > 0) == was_read)
            dst[count++] = slot->page_no;
    }
    *from = end < rb->slot_count ? end : 0;
    pthread_mutex_unlock(&rb->mu);
    return count;
}

size_t qri_rbpex_list(struct qri_rbpex *rb, uint32_t *dst, size_t max)
{
    size_t count = 0;
    for (int was_read = 1; was_read >= 0; was_read--) {
        uint32_t from = 0;
        do
            count += list_some(rb, &from, was_read == 1, dst + count, max - count);
        while (from != 0);
    }
    return count;
}

/* With mu held: its slot, if that is still for it. */
static struct qri_rb_slot *slot_of(struct qri_rbpex *rb, uint32_t at)
{
    const struct qri_rb_item *item = &rb->items[at];
    if (item->slot >= rb->slot_count) /* there are fewer by now */
        return NULL;
    struct qri_rb_slot *slot = &rb->slots[item->slot];
    bool same = slot->state == QRI_RB_QUEUED && slot->crc == at && slot->lsn == item->lsn &&
                slot->page_no == item->page_no;
    return same ? slot : NULL;
}

struct batch {
    uint32_t count;
    struct {
        uint32_t at, crc;
        bool wanted, written;
    } of[QRI_RB_BATCH];
};

static void take_batch(struct qri_rbpex *rb, struct batch *b)
{
    pthread_mutex_lock(&rb->mu);
    b->count = rb->item_len < QRI_RB_BATCH ? rb->item_len : QRI_RB_BATCH;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t at = (rb->item_first + i) % rb->item_count;
        b->of[i].at = at;
        b->of[i].wanted = slot_of(rb, at) != NULL;
        b->of[i].written = false;
    }
    pthread_mutex_unlock(&rb->mu);
}

/* Slots that lie side by side are written at once. */
static void write_run(struct qri_rbpex *rb, struct batch *b, uint32_t from, uint32_t to)
{
    struct iovec iov[QRI_RB_BATCH];
    for (uint32_t i = from; i < to; i++) {
        struct qri_rb_item *item = &rb->items[b->of[i].at];
        uint8_t *page = item->page; /* whose reserved bytes mean nothing to who reads it */
        if (rb->sealed != NULL) {
            page = rb->sealed + (size_t)(i - from) * rb->page_bytes;
            memcpy(page, item->page, rb->page_bytes);
        }
        if (qr_page_seal_as(&rb->cipher, page, rb->page_bytes, item->page_no, item->lsn, NULL) !=
            QR_OK)
            return; /* not written */
        b->of[i].crc = qri_rb_seal_crc(rb, page);
        iov[i - from] = (struct iovec){page, rb->page_bytes};
    }
    uint64_t offset = qri_rb_slot_offset(rb, rb->items[b->of[from].at].slot);
    bool ok = qr_file_pwritev(rb->data_file, iov, (int)(to - from), offset, NULL) == QR_OK;
    for (uint32_t i = from; i < to; i++)
        b->of[i].written = ok;
}

static void write_batch(struct qri_rbpex *rb, struct batch *b)
{
    for (uint32_t from = 0; from < b->count;) {
        uint32_t to = from + 1;
        if (!b->of[from].wanted) {
            from = to;
            continue;
        }
        while (to < b->count && b->of[to].wanted &&
               rb->items[b->of[to].at].slot == rb->items[b->of[to - 1].at].slot + 1)
            to++;
        write_run(rb, b, from, to);
        from = to;
    }
}

static bool finish_batch(struct qri_rbpex *rb, const struct batch *b)
{
    pthread_mutex_lock(&rb->mu);
    for (uint32_t i = 0; i < b->count; i++) {
        struct qri_rb_slot *slot = slot_of(rb, b->of[i].at);
        rb->stats.written += b->of[i].written;
        rb->stats.failed += b->of[i].wanted && !b->of[i].written;
        if (slot == NULL)
            continue;
        if (b->of[i].written) {
            slot->crc = b->of[i].crc;
            slot->state = QRI_RB_READY;
            qri_rb_note_put(rb, slot);
        } else {
            qri_rb_forget(rb, slot);
        }
    }
    rb->item_first = (rb->item_first + b->count) % rb->item_count;
    rb->item_len -= b->count;
    bool more = rb->item_len > 0;
    pthread_mutex_unlock(&rb->mu);
    return more;
}

bool qri_rbpex_step(struct qri_rbpex *rb)
{
    struct batch b;
    pthread_mutex_lock(&rb->step_mu);
    take_batch(rb, &b);
    write_batch(rb, &b);
    bool more = finish_batch(rb, &b);
    qri_rb_journal_flush(rb);
    pthread_mutex_unlock(&rb->step_mu);
    return more;
}

void qri_rbpex_wait(struct qri_rbpex *rb, int64_t ns)
{
    pthread_mutex_lock(&rb->mu);
    if (!rb->stopping && rb->item_len == 0 && rb->pending.len <= QRI_RB_PENDING_MANY)
        (void)qr_cond_wait(&rb->wake, &rb->mu, ns);
    pthread_mutex_unlock(&rb->mu);
}

void qri_rbpex_stop(struct qri_rbpex *rb)
{
    pthread_mutex_lock(&rb->mu);
    rb->stopping = true;
    pthread_cond_broadcast(&rb->wake);
    pthread_mutex_unlock(&rb->mu);
}

void qri_rbpex_close(struct qri_rbpex *rb, uint64_t lsn)
{
    while (qri_rbpex_step(rb))
        ;
    if (lsn != 0)
        qri_rbpex_mark(rb, lsn);
    (void)qri_rbpex_step(rb);
}

/* --- pages out --- */

bool qri_rbpex_has(struct qri_rbpex *rb, uint32_t page_no)
{
    pthread_mutex_lock(&rb->mu);
    const struct qri_rb_slot *slot = qri_rb_find(rb, page_no);
    bool has = slot != NULL && !qri_rb_is_suspect(rb, slot);
    pthread_mutex_unlock(&rb->mu);
    return has;
}

static bool read_slot(struct qri_rbpex *rb, uint32_t slot_no, const struct qri_rb_slot *slot,
                      uint8_t *dst)
{
    uint64_t lsn = 0;
    return qr_file_read_exactly(rb->data_file, dst, rb->page_bytes, qri_rb_slot_offset(rb, slot_no),
                                NULL) == QR_OK &&
           qri_rb_seal_crc(rb, dst) == slot->crc &&
           qr_page_open_as(&rb->cipher, dst, rb->page_bytes, slot->page_no, &lsn, NULL) == QR_OK &&
           lsn == slot->lsn;
}

/* The page is not what the table says: damage, unless the slot was given away while we read. */
static enum qri_rbpex_found not_there(struct qri_rbpex *rb, const struct qri_rb_slot *was)
{
    pthread_mutex_lock(&rb->mu);
    struct qri_rb_slot *slot = qri_rb_find(rb, was->page_no);
    if (slot != NULL && slot->lsn == was->lsn && slot->crc == was->crc) {
        qri_rb_forget(rb, slot);
        rb->stats.damaged++;
    }
    rb->stats.misses++;
    pthread_mutex_unlock(&rb->mu);
    return QRI_RBPEX_NONE;
}

enum qri_rbpex_found qri_rbpex_read(struct qri_rbpex *rb, uint32_t page_no, uint8_t *dst,
                                    uint64_t *ret_lsn)
{
    pthread_mutex_lock(&rb->mu);
    struct qri_rb_slot *slot = qri_rb_find(rb, page_no);
    if (slot == NULL) {
        rb->stats.misses++;
        pthread_mutex_unlock(&rb->mu);
        return QRI_RBPEX_NONE;
    }
    struct qri_rb_slot was = *slot;
    uint32_t slot_no = (uint32_t)(slot - rb->slots);
    bool suspect = qri_rb_is_suspect(rb, slot);
    if (slot->ref < QRI_RB_REF_MAX)
        slot->ref++;
    if (was.state == QRI_RB_QUEUED)
        memcpy(dst, rb->items[was.crc].page, rb->page_bytes - QR_PAGE_RESERVED_BYTES);
    pthread_mutex_unlock(&rb->mu);
    if (was.state != QRI_RB_QUEUED && !read_slot(rb, slot_no, &was, dst))
        return not_there(rb, &was);
    if (!suspect) {
        pthread_mutex_lock(&rb->mu);
        rb->stats.hits++;
        pthread_mutex_unlock(&rb->mu);
    }
    *ret_lsn = was.lsn;
    return suspect ? QRI_RBPEX_SUSPECT : QRI_RBPEX_NEWEST;
}

void qri_rbpex_get_stats(struct qri_rbpex *rb, struct qri_rbpex_stats *ret_stats)
{
    pthread_mutex_lock(&rb->mu);
    *ret_stats = rb->stats;
    ret_stats->bytes = (uint64_t)rb->used_count * rb->page_bytes;
    pthread_mutex_unlock(&rb->mu);
}
