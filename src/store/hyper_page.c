/* hyper_page.c - pages from a page server, with read-ahead; see hyper_int.h. */
#include "hyper_replica.h"
#include <string.h>
#include "governor/task.h"
#include "pagesvc/client.h"
#include "base/banned.h"

static const int64_t CALL_NS = 5000000000, REPEAT_MIN_NS = 1000000, REPEAT_MAX_NS = 256000000;
enum { AHEAD_CACHE_PART = 16 }; /* read-ahead takes no more of the cache than this part */

static enum qr_status first_status(const struct qr_buf *reply)
{
    struct qr_pages_got got;
    size_t at = 0;
    enum qr_status status = qr_pages_got_next(reply->data, reply->len, &at, &got, NULL);
    return status == QR_OK ? got.status : QR_TIMEOUT; /* no answer that one could read */
}

enum qr_status qri_hyper_get(struct qri_hyper *hy, uint32_t slice_no,
                             const struct qr_pages_want *wants, uint32_t count,
                             struct qr_buf *reply, struct qr_err *err)
{
    struct qr_slice_id id = {.timeline = hy->options.timeline, .no = slice_no};
    struct qr_buf ask;
    qr_buf_init(&ask, SIZE_MAX / 4);
    qr_pages_get_encode(&id, wants, count, &ask);
    enum qr_status status = qr_buf_status(&ask, err);
    int64_t until = qr_env_mono_ns(hy->store->env) + hy->options.page_timeout_ns;
    for (int64_t backoff = REPEAT_MIN_NS; status == QR_OK;) {
        qr_buf_clear(reply);
        struct iovec body = {ask.data, ask.len};
        struct qr_err local;
        qr_err_reset(&local);
        int64_t left = until - qr_env_mono_ns(hy->store->env);
        left = left < REPEAT_MIN_NS ? REPEAT_MIN_NS : left < CALL_NS ? left : CALL_NS;
        enum qr_status got =
            qr_rpc_call_wait(hy->options.pages, QR_PAGES_GET, &body, 1, left, reply, &local);
        bool call_failed = got != QR_OK;
        if (!call_failed)
            got = first_status(reply);
        bool again = call_failed ? qri_hyper_may_repeat(got)
                                 : got == QR_TIMEOUT || got == QR_BUSY || got == QR_NOMEM;
        if (!again && !call_failed)
            break;
        if (!again || qr_env_mono_ns(hy->store->env) > until)
            status = qr_fail(err, got, "page server: %.400s",
                             call_failed ? local.text : qr_status_info(got)->meaning);
        else
            qri_hyper_pause(hy, backoff);
        backoff = backoff < REPEAT_MAX_NS ? backoff * 2 : backoff;
    }
    qr_buf_done(&ask);
    return status;
}

/* How many pages to ask for when this one is missed: more with each miss that goes on where the
 * last answer ended. */
static uint32_t choose_window(struct qri_hyper *hy, uint32_t page_no)
{
    uint64_t max =
        atomic_load(&hy->store->cache.bytes_max) / hy->store->page_bytes / AHEAD_CACHE_PART;
    if (max > QRI_AHEAD_BYTES / hy->store->page_bytes)
        max = QRI_AHEAD_BYTES / hy->store->page_bytes;
    if (max > QRI_AHEAD_MAX)
        max = QRI_AHEAD_MAX;
    pthread_mutex_lock(&hy->streams_mu);
    struct qri_stream *s = NULL;
    for (int i = 0; i < QRI_STREAMS && s == NULL; i++)
        if (hy->streams[i].next == page_no)
            s = &hy->streams[i];
    if (s == NULL) {
        s = &hy->streams[hy->stream_hand++ % QRI_STREAMS];
        s->window = 0;
    }
    s->window = s->window == 0 ? 1 : s->window * 4;
    if (s->window > max)
        s->window = max > 0 ? (uint32_t)max : 1;
    uint32_t window = s->window;
    s->next = page_no + window;
    pthread_mutex_unlock(&hy->streams_mu);
    return window;
}

/* A page of a scan was found on our own disk: the scan goes on behind it. */
static void step_over(struct qri_hyper *hy, uint32_t page_no)
{
    pthread_mutex_lock(&hy->streams_mu);
    for (int i = 0; i < QRI_STREAMS; i++)
        if (hy->streams[i].next == page_no)
            hy->streams[i].next++;
    pthread_mutex_unlock(&hy->streams_mu);
}

uint32_t qri_hyper_make_wants(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                              struct qr_pages_want *wants)
{
    struct qri_hyper *hy = store->hyper;
    uint32_t window = choose_window(hy, page_no), count = 0;
    uint32_t pages = atomic_load(&store->head_db_pages), slice_pages = qri_slice_pages(hy);
    for (uint32_t p = page_no; p - page_no < window; p++) {
        _Atomic(struct qri_frame *) *entry = qri_table_entry(store, p, false);
        bool behind = p > pages || p / slice_pages != page_no / slice_pages;
        if (p != page_no &&
            (behind || (entry != NULL && atomic_load(entry) != NULL) || qri_tier_has(hy, p)))
            continue;
        wants[count++] =
            (struct qr_pages_want){.page_no = p,
                                   .lsn = qr_lsn(lsn),
                                   .not_modified_since = qr_lsn(qri_written_lsn(&hy->written, p))};
    }
    return count;
}

/* A page that came along is kept if nothing happened to it meanwhile: it has no frame, and none was
 * evicted since we asked, which would have raised its last-written LSN. One that was raised while
 * we made our wants, beyond the LSN that these ask for, says that what came is too old. */
static bool is_newest(struct qr_store *store, _Atomic(struct qri_frame *) *entry,
                      const struct qr_pages_want *want)
{
    return atomic_load(entry) == NULL && want->not_modified_since.v <= want->lsn.v &&
           qri_written_lsn(&store->hyper->written, want->page_no) == want->not_modified_since.v;
}

static bool keep_in_memory(struct qr_store *store, _Atomic(struct qri_frame *) *entry,
                           const struct qr_pages_want *want, const struct qr_pages_got *got,
                           uint8_t uses)
{
    struct qri_frame *none = NULL, *f = qri_frame_alloc(store, false);
    if (f == NULL)
        return false;
    memcpy(f->data, got->page, store->page_bytes);
    f->lsn = got->version.v;
    qri_frame_came(store, f, want->page_no);
    for (uint8_t i = 0; i < uses; i++)
        qri_frame_touch(store, f);
    atomic_store(&f->page_no, want->page_no);
    if (atomic_compare_exchange_strong(entry, &none, f))
        return true;
    qri_frame_free(store, f);
    return false;
}

/* The stripe is only tried, because another one may be held. On a replica the log raises
 * last-written LSNs, too, under fetch_mu. */
bool qri_hyper_keep(struct qr_store *store, const struct qr_pages_want *want,
                    const struct qr_pages_got *got, enum qr_warmth as)
{
    struct qri_replica *rep = store->hyper->replica;
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, want->page_no, true);
    pthread_mutex_t *stripe = qri_stripe(store, want->page_no);
    bool good = got->status == QR_OK && got->page != NULL && got->bytes == store->page_bytes &&
                got->version.v <= want->lsn.v;
    if (!good || entry == NULL || pthread_mutex_trylock(stripe) != 0)
        return false;
    if (rep != NULL)
        pthread_mutex_lock(&rep->fetch_mu);
    bool kept = is_newest(store, entry, want);
    if (kept && as == QR_WARM_DISK)
        qri_tier_offer(store->hyper, want->page_no, got->version.v, got->page);
    else if (kept)
        kept = keep_in_memory(store, entry, want, got, as == QR_WARM_HOT ? QRI_USED_HOT : 0);
    if (rep != NULL)
        pthread_mutex_unlock(&rep->fetch_mu);
    pthread_mutex_unlock(stripe);
    return kept;
}

/* The page that was asked for; dst holds what we said to have. */
static enum qr_status take_first(struct qr_store *store, const struct qr_pages_want *want,
                                 const struct qr_pages_got *got, uint8_t *dst, uint64_t *ret_lsn,
                                 struct qr_err *err)
{
    bool same = got->status == QR_OK && got->page == NULL && want->have.v != 0 &&
                got->version.v == want->have.v;
    bool good = got->status == QR_OK && got->page != NULL && got->bytes == store->page_bytes &&
                got->version.v <= want->lsn.v;
    if (!good && !same)
        return qr_fail(err, got->status == QR_GONE ? QR_GONE : QR_CORRUPT,
                       "page %u from the page server: %s", want->page_no,
                       got->status != QR_OK ? qr_status_info(got->status)->meaning
                                            : "it has another size or is too new");
    if (same)
        qri_tier_confirm(store->hyper, want->page_no, want->have.v);
    else if (want->have.v != 0)
        qri_tier_changed(store, want->page_no, got->version.v);
    if (good)
        memcpy(dst, got->page, store->page_bytes);
    *ret_lsn = got->version.v;
    atomic_fetch_add_explicit(&store->pages_read, 1, memory_order_relaxed);
    qr_gov_page_server_reads(1);
    return QR_OK;
}

static enum qr_status take_answer(struct qr_store *store, const struct qr_pages_want *wants,
                                  uint32_t count, const struct qr_buf *reply, uint8_t *dst,
                                  uint64_t *ret_lsn, struct qr_err *err)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct qr_pages_got got;
        QR_TRY(qr_pages_got_next(reply->data, reply->len, &at, &got, err));
        if (i == 0) {
            QR_TRY(take_first(store, &wants[0], &got, dst, ret_lsn, err));
        } else if (got.status == QR_OK) {
            atomic_fetch_add_explicit(&store->pages_read, 1, memory_order_relaxed);
            qr_gov_page_server_reads(1);
            if (qri_hyper_keep(store, &wants[i], &got, QR_WARM_COLD))
                atomic_fetch_add_explicit(&store->hyper->pages_ahead, 1, memory_order_relaxed);
        }
    }
    return QR_OK;
}

bool qri_hyper_find_page(struct qr_store *store, uint32_t page_no, uint8_t *dst, uint64_t *ret_lsn)
{
    bool newest = false;
    *ret_lsn = qri_tier_find(store->hyper, page_no, dst, &newest);
    if (newest)
        step_over(store->hyper, page_no);
    return newest;
}

enum qr_status qri_hyper_get_pages(struct qr_store *store, const struct qr_pages_want *wants,
                                   uint32_t count, uint8_t *dst, uint64_t *ret_lsn,
                                   struct qr_err *err)
{
    struct qr_buf reply;
    qr_buf_init(&reply, SIZE_MAX / 4);
    enum qr_status status = qri_hyper_get(
        store->hyper, wants[0].page_no / qri_slice_pages(store->hyper), wants, count, &reply, err);
    if (status == QR_OK)
        status = take_answer(store, wants, count, &reply, dst, ret_lsn, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qri_hyper_read_page(struct qr_store *store, uint32_t page_no, uint8_t *dst,
                                   uint64_t *ret_lsn, struct qr_err *err)
{
    uint64_t have = 0;
    if (qri_hyper_find_page(store, page_no, dst, &have)) {
        *ret_lsn = have;
        return QR_OK;
    }
    struct qr_pages_want wants[QRI_AHEAD_MAX];
    uint32_t count = qri_hyper_make_wants(store, page_no, atomic_load(&store->durable_lsn), wants);
    wants[0].have = qr_lsn(have);
    return qri_hyper_get_pages(store, wants, count, dst, ret_lsn, err);
}

enum qr_status qri_hyper_read_base(struct qr_store *store, uint32_t page_no, uint64_t lsn,
                                   uint8_t *dst, uint64_t *ret_lsn, struct qr_err *err)
{
    if (qri_hyper_find_page(store, page_no, dst, ret_lsn) && *ret_lsn <= lsn)
        return QR_OK;
    return qri_replica_read_at(store, page_no, lsn, dst, ret_lsn, err);
}
