/* remote.c - see move_int.h: calls to the log service and the page servers */
#include "logsvc/peer.h"
#include "move_int.h"
#include "base/banned.h"

static const int64_t CALL_NS = INT64_C(5000000000), TIME_NS = INT64_C(60000000000),
                     PAUSE_NS = 20000000;

void qri_remote_init(struct qri_remote *r, const struct qr_move_options *options)
{
    *r = (struct qri_remote){.options = options,
                             .env = options->env != NULL ? options->env : qr_env_real()};
    qr_env_random(r->env, &r->holder, sizeof r->holder);
    qr_buf_init(&r->reply, QR_RPC_BODY_BYTES_MAX);
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

/* One GET of pages in one slice; the answer is in r->reply. */
static enum qr_status get(struct qri_remote *r, uint32_t slice, const uint32_t *pages,
                          uint32_t count, struct qr_lsn lsn, struct qr_err *err)
{
    struct qr_slice_id id = {r->options->timeline, slice};
    struct qr_pages_want wants[QRI_GET_PAGES];
    struct qr_buf ask;
    for (uint32_t i = 0; i < count; i++)
        wants[i] =
            (struct qr_pages_want){.page_no = pages[i], .not_modified_since = lsn, .lsn = lsn};
    qr_buf_init(&ask, 64 + QRI_GET_PAGES * sizeof wants[0]);
    qr_pages_get_encode(&id, wants, count, &ask);
    int64_t until = qri_remote_until(r);
    enum qr_status status = qr_buf_status(&ask, err);
    bool again = status == QR_OK;
    while (again) {
        struct iovec body = {ask.data, ask.len};
        struct qr_pages_got got = {.status = QR_OK};
        size_t at = 0;
        qr_buf_clear(&r->reply);
        status =
            qr_rpc_call_wait(r->options->pages, QR_PAGES_GET, &body, 1, CALL_NS, &r->reply, err);
        while (status == QR_OK && at < r->reply.len && got.status != QR_TIMEOUT)
            status = qr_pages_got_next(r->reply.data, r->reply.len, &at, &got, err);
        if (status == QR_OK && got.status == QR_TIMEOUT)
            status = qr_fail(err, QR_TIMEOUT, "the page server is behind");
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
    QR_TRY(get(r, 0, &meta_page, 1, lsn, err));
    QR_TRY(qr_pages_got_next(r->reply.data, r->reply.len, &at, &got, err));
    if (got.status != QR_OK || got.page == NULL)
        return qr_fail(err, got.status == QR_OK ? QR_CORRUPT : got.status,
                       "the page server has no meta page");
    return qr_pages_meta_decode(got.page, got.bytes, ret_meta, err);
}

enum qr_status qri_remote_get(struct qri_remote *r, const uint32_t *pages, uint32_t count,
                              struct qr_lsn lsn, qri_page_fn *each, void *ctx, struct qr_err *err)
{
    const uint64_t slice_pages = QR_SLICE_BYTES / QR_PAGE_BYTES_DEFAULT;
    for (uint32_t from = 0; from < count;) {
        uint32_t slice = (uint32_t)(pages[from] / slice_pages), n = 0;
        while (from + n < count && n < QRI_GET_PAGES && pages[from + n] / slice_pages == slice)
            n++;
        QR_TRY(qri_remote_check(r, err));
        QR_TRY(get(r, slice, pages + from, n, lsn, err));
        size_t at = 0;
        for (uint32_t i = 0; i < n; i++) {
            struct qr_pages_got got;
            QR_TRY(qr_pages_got_next(r->reply.data, r->reply.len, &at, &got, err));
            if (got.status != QR_OK && got.status != QR_NOT_FOUND)
                return qr_fail(err, got.status, "page %u as of LSN %llu", pages[from + i],
                               (unsigned long long)lsn.v);
            QR_TRY(each(ctx, pages[from + i], got.version, got.status == QR_OK ? got.page : NULL,
                        got.bytes, err));
        }
        from += n;
    }
    return QR_OK;
}
