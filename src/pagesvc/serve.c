/* serve.c - calls from other processes to this page server; see pagesvc/client.h. */
#include <stdlib.h>
#include "base/endian.h"
#include "pagesvc/client.h"
#include "pagesvc_int.h"
#include "base/banned.h"

enum { ID_BYTES = 20, WANT_BYTES = 28, GOT_BYTES = 16 };

/* A GET on its way: one page after the other is asked for, all at once; the last one answers. */
struct batch {
    struct qr_rpc_request *request;
    _Atomic uint32_t left;
    uint32_t count;
    struct item {
        struct qr_page_get get; /* first */
        struct batch *batch;
        struct qr_buf page;
        enum qr_status status;
    } items[];
};

static void answer(struct batch *batch)
{
    struct qr_buf out;
    qr_buf_init(&out, QR_RPC_BODY_BYTES_MAX);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct item *item = &batch->items[i];
        qr_buf_add32le(&out, item->status);
        qr_buf_add64le(&out, item->get.version.v);
        qr_buf_add32le(&out, (uint32_t)item->page.len);
        qr_buf_add(&out, item->page.data, item->page.len);
        qr_buf_done(&item->page);
    }
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = qr_buf_status(&out, &err);
    if (status == QR_OK)
        qr_rpc_answer(batch->request, &(struct iovec){out.data, out.len}, 1);
    else
        qr_rpc_refuse(batch->request, status, &err);
    qr_buf_done(&out);
    free(batch);
}

static void item_done(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)err;
    struct item *item = (struct item *)(void *)get;
    item->status = status;
    if (status != QR_OK)
        qr_buf_clear(&item->page);
    struct batch *batch = item->batch;
    if (atomic_fetch_sub(&batch->left, 1) == 1)
        answer(batch);
}

static enum qr_status serve_get(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                struct qr_rpc_request *request, struct qr_err *err)
{
    const uint8_t *p = request->body + ID_BYTES;
    size_t bytes = request->bytes - ID_BYTES;
    uint32_t count = bytes < 4 ? 0 : qr_get32le(p);
    if (count == 0 || count > QR_PAGES_GET_MAX || bytes != 4 + (size_t)count * WANT_BYTES)
        return qr_fail(err, QR_PROTOCOL, "GET of %u pages in %zu bytes", count, bytes);
    struct batch *batch = calloc(1, sizeof *batch + count * sizeof batch->items[0]);
    if (batch == NULL)
        return qr_fail(err, QR_NOMEM, "GET of %u pages", count);
    batch->request = request;
    batch->count = count;
    atomic_init(&batch->left, count);
    int64_t deadline = request->deadline_mono_ns == INT64_MAX ? 0 : request->deadline_mono_ns;
    p += 4;
    for (uint32_t i = 0; i < count; i++, p += WANT_BYTES) {
        struct item *item = &batch->items[i];
        qr_buf_init(&item->page, QR_RPC_BODY_BYTES_MAX);
        item->batch = batch;
        item->get = (struct qr_page_get){.id = *id,
                                         .page_no = qr_get32le(p),
                                         .not_modified_since = qr_lsn(qr_get64le(p + 4)),
                                         .lsn = qr_lsn(qr_get64le(p + 12)),
                                         .have = qr_lsn(qr_get64le(p + 20)),
                                         .deadline_mono_ns = deadline,
                                         .dst = &item->page,
                                         .done = item_done};
    }
    for (uint32_t i = 0; i < count; i++) /* the last one's done frees the batch */
        qr_pagesvc_get(svc, &batch->items[i].get);
    return QR_OK;
}

/* --- the other methods: fixed bodies --- */

struct args {
    struct qr_pagesvc *svc;
    struct qr_slice_id id;
    const uint8_t *p; /* behind the slice */
    struct qr_err *err;
};

static struct qr_timeline timeline_at(const uint8_t *p)
{
    struct qr_timeline t;
    memcpy(t.id, p, QR_TIMELINE_BYTES);
    return t;
}
static enum qr_status create(const struct args *a)
{
    return qr_pagesvc_create(a->svc, &a->id, qr_get32le(a->p), qr_lsn(qr_get64le(a->p + 4)),
                             a->err);
}
static enum qr_status attach(const struct args *a)
{
    return qr_pagesvc_attach(a->svc, &a->id, a->err);
}
static enum qr_status branch(const struct args *a)
{
    struct qr_timeline child = timeline_at(a->p + 8);
    return qr_pagesvc_branch(a->svc, &a->id, qr_lsn(qr_get64le(a->p)), &child,
                             qr_lsn(qr_get64le(a->p + 24)), a->err);
}
static enum qr_status pin(const struct args *a)
{
    struct qr_timeline name = timeline_at(a->p);
    return qr_pagesvc_pin(a->svc, &a->id, &name, qr_lsn(qr_get64le(a->p + 16)), a->err);
}
static enum qr_status unpin(const struct args *a)
{
    struct qr_timeline name = timeline_at(a->p);
    return qr_pagesvc_unpin(a->svc, &a->id, &name, a->err);
}
static enum qr_status horizon(const struct args *a)
{
    return qr_pagesvc_set_horizon(a->svc, &a->id, qr_lsn(qr_get64le(a->p)), a->err);
}
static enum qr_status drop(const struct args *a)
{
    return qr_pagesvc_drop(a->svc, &a->id, a->err);
}
static enum qr_status flush(const struct args *a)
{
    return qr_pagesvc_flush(a->svc, &a->id, a->err);
}

static const struct {
    size_t bytes;
    enum qr_status (*run)(const struct args *args);
} methods[] = {
    [QR_PAGES_CREATE - QR_PAGES_GET] = {12, create},
    [QR_PAGES_ATTACH - QR_PAGES_GET] = {0, attach},
    [QR_PAGES_BRANCH - QR_PAGES_GET] = {32, branch},
    [QR_PAGES_PIN - QR_PAGES_GET] = {24, pin},
    [QR_PAGES_UNPIN - QR_PAGES_GET] = {16, unpin},
    [QR_PAGES_HORIZON - QR_PAGES_GET] = {8, horizon},
    [QR_PAGES_DROP - QR_PAGES_GET] = {0, drop},
    [QR_PAGES_FLUSH - QR_PAGES_GET] = {0, flush},
};

static enum qr_status serve_cursor(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                   struct qr_rpc_request *request, struct qr_err *err)
{
    struct qr_slice_cursor cursor;
    if (!qr_pagesvc_cursor(svc, id, &cursor))
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    uint8_t out[40];
    memcpy(out, cursor.source.id, QR_TIMELINE_BYTES);
    qr_put64le(out + 16, cursor.next.v);
    qr_put64le(out + 24, cursor.visible.v);
    qr_put64le(out + 32, cursor.disk.v);
    qr_rpc_answer(request, &(struct iovec){out, sizeof out}, 1);
    return QR_OK;
}

static enum qr_status serve_lease(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                  struct qr_rpc_request *request, struct qr_err *err)
{
    if (request->bytes != QR_PAGES_LEASE_BYTES)
        return qr_fail(err, QR_PROTOCOL, "LEASE in %zu bytes", request->bytes);
    const uint8_t *p = request->body + ID_BYTES;
    struct qr_lsn horizon;
    uint8_t out[8];
    QR_TRY(qr_pagesvc_lease(svc, &id->timeline, qr_get64le(p), qr_lsn(qr_get64le(p + 8)),
                            (int64_t)qr_get64le(p + 16), &horizon, err));
    qr_put64le(out, horizon.v);
    qr_rpc_answer(request, &(struct iovec){out, sizeof out}, 1);
    return QR_OK;
}

static enum qr_status serve_import(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                   struct qr_rpc_request *request, struct qr_err *err)
{
    uint8_t out[4];
    uint32_t sum = 0;
    struct qr_pages_import import;
    QR_TRY(qr_pages_import_decode(request->body, request->bytes, &import, err));
    QR_TRY(qr_pagesvc_import(svc, id, &import, &sum, err));
    qr_put32le(out, sum);
    qr_rpc_answer(request, &(struct iovec){out, sizeof out}, 1);
    return QR_OK;
}

static enum qr_status serve_fixed(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                  struct qr_rpc_request *request, struct qr_err *err)
{
    size_t method = (size_t)request->method - QR_PAGES_GET;
    if (method >= sizeof methods / sizeof methods[0] || methods[method].run == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "method %u", request->method);
    if (request->bytes != ID_BYTES + methods[method].bytes)
        return qr_fail(err, QR_PROTOCOL, "method %u in %zu bytes", request->method, request->bytes);
    QR_TRY(methods[method].run(&(struct args){svc, *id, request->body + ID_BYTES, err}));
    qr_rpc_answer(request, NULL, 0);
    return QR_OK;
}

void qr_pagesvc_serve(void *svc, struct qr_rpc_request *own_request)
{
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status;
    if (own_request->bytes < ID_BYTES) {
        status = qr_fail(&err, QR_PROTOCOL, "request of %zu bytes", own_request->bytes);
    } else {
        struct qr_slice_id id = {timeline_at(own_request->body),
                                 qr_get32le(own_request->body + QR_TIMELINE_BYTES)};
        status =
            own_request->method == QR_PAGES_GET      ? serve_get(svc, &id, own_request, &err)
            : own_request->method == QR_PAGES_CURSOR ? serve_cursor(svc, &id, own_request, &err)
            : own_request->method == QR_PAGES_LEASE  ? serve_lease(svc, &id, own_request, &err)
            : own_request->method == QR_PAGES_IMPORT ? serve_import(svc, &id, own_request, &err)
                                                     : serve_fixed(svc, &id, own_request, &err);
    }
    if (status != QR_OK)
        qr_rpc_refuse(own_request, status, &err);
}
