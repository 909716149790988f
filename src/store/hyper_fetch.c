/* hyper_fetch.c - pages that a replica reads while log arrives; see hyper_replica.h and S12.
 *
 * A fetch is registered before it is sent and asks as of the commit that is being applied; what
 * later commits do to the page is queued. Under fetch_mu either the applier finds the page's frame,
 * or it finds the fetch, or whoever fetches next asks as of a later commit. */
#include "hyper_replica.h"
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "pagesvc/client.h"
#include "base/banned.h"

enum { QUEUE_BYTES_MAX = 256 << 20, LSN_BYTES = 8 };

struct qri_fetch *qri_fetch_find(struct qri_replica *rep, uint32_t page_no)
{
    struct qri_fetch *f = rep->fetches;
    while (f != NULL && f->page_no != page_no)
        f = f->next;
    return f;
}

/* With fetch_mu held. */
static void unregister(struct qri_replica *rep, struct qri_fetch *fetch)
{
    struct qri_fetch **place = &rep->fetches;
    while (*place != fetch)
        place = &(*place)->next;
    *place = fetch->next;
}

static void fetch_free(struct qri_fetch *fetch)
{
    qr_buf_done(&fetch->queue);
    free(fetch);
}

static void give_up(struct qri_replica *rep, struct qri_fetch *fetch)
{
    pthread_mutex_lock(&rep->fetch_mu);
    unregister(rep, fetch);
    pthread_mutex_unlock(&rep->fetch_mu);
    fetch_free(fetch);
}

/* As a primary (promoted) its own commits count, which change only pages that are in memory. */
uint64_t qri_fetch_lsn(const struct qr_store *store, const struct qri_replica *rep)
{
    uint64_t durable = atomic_load(&store->durable_lsn);
    return durable > rep->applying_lsn ? durable : rep->applying_lsn;
}

enum qr_status qri_replica_read_page(struct qr_store *store, uint32_t page_no, uint8_t *dst,
                                     uint64_t *ret_lsn, struct qr_err *err)
{
    struct qri_replica *rep = store->hyper->replica;
    struct qri_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return qr_fail(err, QR_NOMEM, "fetch of page %u", page_no);
    fetch->page_no = page_no;
    qr_buf_init(&fetch->queue, QUEUE_BYTES_MAX);
    struct qr_pages_want wants[QRI_AHEAD_MAX];
    pthread_mutex_lock(&rep->fetch_mu);
    fetch->next = rep->fetches;
    rep->fetches = fetch;
    pthread_mutex_unlock(&rep->fetch_mu);
    uint64_t have = 0;
    if (qri_hyper_find_page(store, page_no, dst, &have)) {
        *ret_lsn = have;
        return QR_OK;
    }
    /* The LSN and the last-written ones at one moment: what comes along is kept by them. */
    pthread_mutex_lock(&rep->fetch_mu);
    uint32_t count = qri_hyper_make_wants(store, page_no, qri_fetch_lsn(store, rep), wants);
    pthread_mutex_unlock(&rep->fetch_mu);
    wants[0].have = qr_lsn(have);
    enum qr_status status = qri_hyper_get_pages(store, wants, count, dst, ret_lsn, err);
    if (status != QR_OK)
        give_up(rep, fetch);
    return status; /* the fetch ends when the page is linked */
}

/* --- linking --- */

/* Frames made from the queue, newest first, on top of the one that was fetched. */
struct chain {
    struct qri_frame *head;
    struct qri_frame *superseded; /* linked by next, oldest last */
    size_t superseded_count;
};

static enum qr_status add_version(struct qr_store *store, struct chain *c, uint64_t lsn,
                                  struct qr_err *err)
{
    struct qri_frame *f = qri_frame_alloc(store, true);
    if (f == NULL)
        return qr_fail(err, QR_NOMEM, "version of page %u", atomic_load(&c->head->page_no));
    memcpy(f->data, c->head->data, store->page_bytes);
    f->lsn = lsn;
    f->older = c->head;
    atomic_store(&f->page_no, atomic_load(&c->head->page_no));
    c->head->newer = f;
    c->head->superseded_lsn = lsn;
    c->head->next = c->superseded;
    c->superseded = c->head;
    c->superseded_count++;
    c->head = f;
    return QR_OK;
}

/* Only what is newer than the page that came. */
static enum qr_status apply_queue(struct qr_store *store, struct chain *c,
                                  const struct qr_buf *queue, struct qr_err *err)
{
    uint64_t fetched_lsn = c->head->lsn, made_lsn = 0;
    for (size_t at = 0; at < queue->len;) {
        struct qr_record record;
        uint64_t lsn = qr_get64le(queue->data + at);
        at += LSN_BYTES;
        QR_TRY(qr_record_decode(queue->data + at, queue->len - at, &record, err));
        at += record.bytes;
        if (lsn <= fetched_lsn && made_lsn == 0)
            continue;
        if (lsn != made_lsn)
            QR_TRY(add_version(store, c, lsn, err));
        made_lsn = lsn;
        QR_TRY(qr_record_apply(&record, c->head->data, store->page_bytes, err));
    }
    return QR_OK;
}

static void chain_free(struct qr_store *store, struct chain *c)
{
    while (c->head != NULL) {
        struct qri_frame *older = c->head->older;
        qri_frame_free(store, c->head);
        c->head = older;
    }
}

/* With fetch_mu held. */
static void publish(struct qri_replica *rep, _Atomic(struct qri_frame *) *entry, struct chain *c)
{
    while (c->superseded != NULL) {
        struct qri_frame *f = c->superseded;
        c->superseded = f->next;
        f->next = rep->superseded;
        rep->superseded = f;
    }
    rep->superseded_count += c->superseded_count;
    atomic_store(entry, c->head);
}

enum qr_status qri_replica_link_page(struct qr_store *store, uint32_t page_no,
                                     _Atomic(struct qri_frame *) *entry,
                                     struct qri_frame *own_frame, struct qri_frame **ret_frame,
                                     struct qr_err *err)
{
    struct qri_replica *rep = store->hyper->replica;
    struct chain chain = {.head = own_frame};
    struct qr_buf taken;
    qr_buf_init(&taken, QUEUE_BYTES_MAX);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&rep->fetch_mu);
    struct qri_fetch *fetch = qri_fetch_find(rep, page_no);
    while (status == QR_OK && fetch->queue.len > 0) {
        struct qr_buf swap = fetch->queue;
        fetch->queue = taken;
        taken = swap;
        pthread_mutex_unlock(&rep->fetch_mu);
        status = apply_queue(store, &chain, &taken, err);
        qr_buf_clear(&taken);
        pthread_mutex_lock(&rep->fetch_mu);
    }
    if (status == QR_OK)
        status = qr_buf_status(&fetch->queue, err); /* a record did not fit */
    if (status == QR_OK)
        publish(rep, entry, &chain);
    unregister(rep, fetch);
    pthread_mutex_unlock(&rep->fetch_mu);
    fetch_free(fetch);
    qr_buf_done(&taken);
    if (status == QR_OK)
        *ret_frame = chain.head;
    else
        chain_free(store, &chain);
    return status;
}

/* A snapshot before what is in memory. Nobody else would find this version, so it gets no frame. */
enum qr_status qri_replica_read_at(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                   uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err)
{
    uint64_t written = qri_written_lsn(&store->hyper->written, page_no);
    struct qr_pages_want want = {.page_no = page_no,
                                 .lsn = qr_lsn(lsn),
                                 .not_modified_since = qr_lsn(written < lsn ? written : lsn)};
    return qri_hyper_get_pages(store, &want, 1, dst, ret_lsn, err);
}
