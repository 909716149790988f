/* remote.c - see move_int.h: calls to the log service and the page servers */
#include "logsvc/peer.h"
#include "move_int.h"
#include "base/banned.h"

static const int64_t CALL_NS = INT64_C(5000000000), TIME_NS = INT64_C(60000000000),
                     PAUSE_NS = 20000000, LOOK_NS = 100000000; /* no rest is worth a longer wait */

void qri_remote_init(struct qri_remote *r, const struct qr_move_options *options)
{
    *r = (struct qri_remote){.options = options,
                             .env = options->env != NULL ? options->env : qr_env_real()};
    qr_env_random(r->env, &r->holder, sizeof r->holder);
    qr_buf_init(&r->reply, QR_RPC_BODY_BYTES_MAX);
    r->pace = (struct qri_pace){.env = r->env, .log_end = qri_remote_log_end, .ctx = r};
}

void qri_remote_done(struct qri_remote *r)
{
    qr_buf_done(&r->reply);
}

enum qr_status qri_remote_check(const struct qri_remote *r, struct qr_err *err)
{
    if (r->options->stops == NULL || !r->options->stops(r->options->ctx))
        return QR_OK;
    return qr_fail(err, QR_CANCELLED, "the move is to end");
}

int64_t qri_remote_until(const struct qri_remote *r)
{
    return qr_env_mono_ns(r->env) + TIME_NS;
}

bool qri_remote_repeats(const struct qri_remote *r, enum qr_status status, int64_t until_ns)
{
    bool lost = status == QR_TIMEOUT || status == QR_CLOSED || status == QR_BUSY;
    if (!lost || qri_remote_check(r, NULL) != QR_OK || qr_env_mono_ns(r->env) > until_ns)
        return false;
    qr_env_sleep_ns(r->env, PAUSE_NS);
    return true;
}

enum qr_status qri_remote_state(struct qri_remote *r, struct qr_logsvc_state *ret_state,
                                struct qr_err *err)
{
    int64_t until = qri_remote_until(r);
    enum qr_status status;
    do
        status = qr_logsvc_peer_state(r->options->log_service, &r->options->timeline, CALL_NS,
                                      ret_state, err);
    while (qri_remote_repeats(r, status, until));
    return status;
}

uint64_t qri_remote_log_end(void *ctx, uint64_t known)
{
    struct qri_remote *r = ctx;
    struct qr_logsvc_state state;
    return qr_logsvc_peer_state(r->options->log_service, &r->options->timeline, LOOK_NS, &state,
                                NULL) == QR_OK
               ? state.hardened_lsn
               : known;
}

/* ---- pages ---- */

static void encode_get(const struct qri_remote *r, const uint32_t *pages, uint32_t count,
                       struct qr_lsn lsn, struct qr_buf *ask)
{
    const uint64_t slice_pages = QR_SLICE_BYTES / QR_PAGE_BYTES_DEFAULT;
    struct qr_slice_id id = {r->options->timeline, (uint32_t)(pages[0] / slice_pages)};
    struct qr_pages_want wants[QRI_GET_PAGES];
    for (uint32_t i = 0; i < count; i++)
        wants[i] =
            (struct qr_pages_want){.page_no = pages[i], .not_modified_since = lsn, .lsn = lsn};
    qr_buf_init(ask, 64 + QRI_GET_PAGES * sizeof wants[0]);
    qr_pages_get_encode(&id, wants, count, ask);
}

/* QR_TIMEOUT if the page server was behind. */
static enum qr_status look_at_answer(const struct qr_buf *reply, struct qr_err *err)
{
    struct qr_pages_got got;
    for (size_t at = 0; at < reply->len;) {
        QR_TRY(qr_pages_got_next(reply->data, reply->len, &at, &got, err));
        if (got.status == QR_TIMEOUT)
            return qr_fail(err, QR_TIMEOUT, "the page server is behind");
    }
    return QR_OK;
}

/* One GET of pages in one slice, repeated; the answer is in r->reply. */
static enum qr_status get(struct qri_remote *r, const uint32_t *pages, uint32_t count,
                          struct qr_lsn lsn, struct qr_err *err)
{
    struct qr_buf ask;
    encode_get(r, pages, count, lsn, &ask);
    int64_t until = qri_remote_until(r);
    enum qr_status status = qr_buf_status(&ask, err);
    bool again = status == QR_OK;
    while (again) {
        struct iovec body = {ask.data, ask.len};
        qr_buf_clear(&r->reply);
        status =
            qr_rpc_call_wait(r->options->pages, QR_PAGES_GET, &body, 1, CALL_NS, &r->reply, err);
        if (status == QR_OK)
            status = look_at_answer(&r->reply, err);
        again = qri_remote_repeats(r, status, until);
    }
    qr_buf_done(&ask);
    return status;
}

enum qr_status qri_remote_meta(struct qri_remote *r, struct qr_lsn lsn,
                               struct qr_pages_meta *ret_meta, struct qr_err *err)
{
    const uint32_t meta_page = 0;
    struct qr_pages_got got;
    size_t at = 0;
    QR_TRY(get(r, &meta_page, 1, lsn, err));
    QR_TRY(qr_pages_got_next(r->reply.data, r->reply.len, &at, &got, err));
    if (got.status != QR_OK || got.page == NULL)
        return qr_fail(err, got.status == QR_OK ? QR_CORRUPT : got.status,
                       "the page server has no meta page");
    return qr_pages_meta_decode(got.page, got.bytes, ret_meta, err);
}

/* A GET that is on its way while the pages before it are taken. */
struct ahead {
    struct qr_rpc_call call; /* first */
    struct qr_buf ask, reply;
    enum qr_status status;
    bool flies;
};

static void answered(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct ahead *a = (struct ahead *)(void *)call;
    a->status = reply->status;
    if (reply->status == QR_OK)
        qr_buf_add(&a->reply, reply->body, reply->bytes);
}

static void begin_ahead(struct qri_remote *r, struct ahead *a, const uint32_t *pages,
                        uint32_t count, struct qr_lsn lsn)
{
    *a = (struct ahead){.flies = true};
    encode_get(r, pages, count, lsn, &a->ask);
    qr_buf_init(&a->reply, QR_RPC_BODY_BYTES_MAX);
    a->call.method = QR_PAGES_GET;
    a->call.body[0] = (struct iovec){a->ask.data, a->ask.len};
    a->call.body_count = 1;
    a->call.timeout_ns = CALL_NS;
    a->call.done = answered;
    qr_rpc_start(r->options->pages, &a->call);
}

/* True: its answer is good, and in r->reply. */
static bool end_ahead(struct qri_remote *r, struct ahead *a)
{
    if (!a->flies)
        return false;
    qr_rpc_wait(r->options->pages, &a->call);
    bool good = a->status == QR_OK && qr_buf_status(&a->reply, NULL) == QR_OK &&
                look_at_answer(&a->reply, NULL) == QR_OK;
    struct qr_buf before = r->reply;
    if (good) {
        r->reply = a->reply;
        a->reply = before;
    }
    a->flies = false;
    qr_buf_done(&a->ask);
    qr_buf_done(&a->reply);
    return good;
}

static enum qr_status take_pages(struct qri_remote *r, const uint32_t *pages, uint32_t count,
                                 struct qr_lsn lsn, qri_page_fn *each, void *ctx,
                                 struct qr_err *err)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct qr_pages_got got;
        QR_TRY(qr_pages_got_next(r->reply.data, r->reply.len, &at, &got, err));
        if (got.status != QR_OK && got.status != QR_NOT_FOUND)
            return qr_fail(err, got.status, "page %u as of LSN %llu", pages[i],
                           (unsigned long long)lsn.v);
        QR_TRY(each(ctx, pages[i], got.version, got.status == QR_OK ? got.page : NULL, got.bytes,
                    err));
    }
    return QR_OK;
}

/* How many of them go into one call: all of one slice. */
static uint32_t count_of(const uint32_t *pages, uint32_t count)
{
    const uint64_t slice_pages = QR_SLICE_BYTES / QR_PAGE_BYTES_DEFAULT;
    uint32_t n = 0;
    while (n < count && n < QRI_GET_PAGES && pages[n] / slice_pages == pages[0] / slice_pages)
        n++;
    return n;
}

enum qr_status qri_remote_get(struct qri_remote *r, const uint32_t *pages, uint32_t count,
                              struct qr_lsn lsn, qri_page_fn *each, void *ctx, struct qr_err *err)
{
    struct ahead ahead = {.flies = false};
    enum qr_status status = QR_OK;
    uint32_t n = 0;
    for (uint32_t from = 0; status == QR_OK && from < count; from += n) {
        n = count_of(pages + from, count - from);
        status = qri_remote_check(r, err);
        if (status == QR_OK && !end_ahead(r, &ahead))
            status = get(r, pages + from, n, lsn, err);
        if (status == QR_OK)
            qri_pace_rest(&r->pace);
        uint32_t next = from + n;
        if (status == QR_OK && next < count)
            begin_ahead(r, &ahead, pages + next, count_of(pages + next, count - next), lsn);
        if (status == QR_OK)
            status = take_pages(r, pages + from, n, lsn, each, ctx, err);
    }
    (void)end_ahead(r, &ahead);
    return status;
}
