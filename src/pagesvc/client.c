/* client.c - see pagesvc/client.h */
#include "pagesvc/client.h"
#include "base/endian.h"
#include "pagesvc_int.h"
#include "base/banned.h"

enum {
    ID_BYTES = 20,
    GOT_BYTES = 16,
    CURSOR_BYTES = 40,
    META_HEADER_BYTES = 44,
    REQUEST_MAX = 128
};

static void add_id(const struct qr_slice_id *id, struct qr_buf *buf)
{
    qr_buf_add(buf, id->timeline.id, QR_TIMELINE_BYTES);
    qr_buf_add32le(buf, id->no);
}

void qr_pages_get_encode(const struct qr_slice_id *id, const struct qr_pages_want *wants,
                         uint32_t count, struct qr_buf *buf)
{
    add_id(id, buf);
    qr_buf_add32le(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        qr_buf_add32le(buf, wants[i].page_no);
        qr_buf_add64le(buf, wants[i].not_modified_since.v);
        qr_buf_add64le(buf, wants[i].lsn.v);
        qr_buf_add64le(buf, wants[i].have.v);
    }
}

enum qr_status qr_pages_got_next(const uint8_t *bytes, size_t count, size_t *at,
                                 struct qr_pages_got *ret_got, struct qr_err *err)
{
    if (count - *at < GOT_BYTES)
        return qr_fail(err, QR_CORRUPT, "answer of %zu bytes", count);
    const uint8_t *p = bytes + *at;
    uint32_t status = qr_get32le(p), page_bytes = qr_get32le(p + 12);
    if (status >= QR_STATUS_COUNT || page_bytes > count - *at - GOT_BYTES)
        return qr_fail(err, QR_CORRUPT, "answer with status %u, %u bytes", status, page_bytes);
    *ret_got = (struct qr_pages_got){.status = (enum qr_status)status,
                                     .version = qr_lsn(qr_get64le(p + 4)),
                                     .page = page_bytes > 0 ? p + GOT_BYTES : NULL,
                                     .bytes = page_bytes};
    *at += GOT_BYTES + page_bytes;
    return QR_OK;
}

enum qr_status qr_pages_meta_decode(const uint8_t *bytes, size_t count,
                                    struct qr_pages_meta *ret_meta, struct qr_err *err)
{
    struct qri_meta meta = {0};
    QR_TRY(qri_meta_decode(bytes, count, &meta, err));
    *ret_meta = (struct qr_pages_meta){.lsn = qr_lsn(meta.mark.lsn),
                                       .wall_ns = meta.mark.wall_ns,
                                       .commit_no = meta.mark.commit_no,
                                       .epoch = meta.epoch,
                                       .db_pages = meta.mark.db_pages,
                                       .counter_count = meta.count,
                                       .counters = bytes + META_HEADER_BYTES};
    qri_meta_done(&meta);
    return QR_OK;
}

void qr_pages_import_encode(const struct qr_slice_id *id, const struct qr_pages_import *import,
                            uint8_t dst[QR_PAGES_IMPORT_HEADER_BYTES])
{
    memcpy(dst, id->timeline.id, QR_TIMELINE_BYTES);
    qr_put32le(dst + 16, id->no);
    qr_put64le(dst + 20, import->lsn.v);
    qr_put32le(dst + 28, import->first_page);
    qr_put32le(dst + 32, import->count);
    dst[36] = (uint8_t)((import->begins ? 1 : 0) | (import->ends ? 2 : 0));
}

enum qr_status qr_pages_import_decode(const uint8_t *bytes, size_t count,
                                      struct qr_pages_import *ret_import, struct qr_err *err)
{
    if (count < QR_PAGES_IMPORT_HEADER_BYTES)
        return qr_fail(err, QR_PROTOCOL, "IMPORT in %zu bytes", count);
    const uint8_t *p = bytes + QR_TIMELINE_BYTES + 4;
    struct qr_pages_import import = {.lsn = qr_lsn(qr_get64le(p)),
                                     .first_page = qr_get32le(p + 8),
                                     .count = qr_get32le(p + 12),
                                     .begins = (p[16] & 1) != 0,
                                     .ends = (p[16] & 2) != 0,
                                     .pages = bytes + QR_PAGES_IMPORT_HEADER_BYTES,
                                     .bytes = count - QR_PAGES_IMPORT_HEADER_BYTES};
    if (p[16] > 3 || import.count == 0)
        return qr_fail(err, QR_PROTOCOL, "IMPORT of %u pages with flags %u", import.count, p[16]);
    *ret_import = import;
    return QR_OK;
}

static enum qr_status call(struct qr_rpc_peer *peer, enum qr_pages_method method,
                           const struct qr_buf *request, struct qr_buf *reply, struct qr_err *err)
{
    struct iovec body = {request->data, request->len};
    return qr_rpc_call_wait(peer, (uint16_t)method, &body, 1, 0, reply, err);
}

/* The slice, then up to two numbers and a timeline in the order that the method has. */
static enum qr_status call_with(struct qr_rpc_peer *peer, enum qr_pages_method method,
                                const struct qr_slice_id *id, const uint64_t *first,
                                const struct qr_timeline *timeline, const uint64_t *second,
                                struct qr_err *err)
{
    struct qr_buf request;
    qr_buf_init(&request, REQUEST_MAX);
    add_id(id, &request);
    if (first != NULL)
        qr_buf_add64le(&request, *first);
    if (timeline != NULL)
        qr_buf_add(&request, timeline->id, QR_TIMELINE_BYTES);
    if (second != NULL)
        qr_buf_add64le(&request, *second);
    enum qr_status status = qr_buf_status(&request, err);
    if (status == QR_OK)
        status = call(peer, method, &request, NULL, err);
    qr_buf_done(&request);
    return status;
}

enum qr_status qr_pages_create(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                               uint32_t page_bytes, struct qr_lsn start_lsn, struct qr_err *err)
{
    struct qr_buf request;
    qr_buf_init(&request, REQUEST_MAX);
    add_id(id, &request);
    qr_buf_add32le(&request, page_bytes);
    qr_buf_add64le(&request, start_lsn.v);
    enum qr_status status = qr_buf_status(&request, err);
    if (status == QR_OK)
        status = call(peer, QR_PAGES_CREATE, &request, NULL, err);
    qr_buf_done(&request);
    return status;
}

enum qr_status qr_pages_simple(struct qr_rpc_peer *peer, enum qr_pages_method method,
                               const struct qr_slice_id *id, struct qr_err *err)
{
    return call_with(peer, method, id, NULL, NULL, NULL, err);
}

enum qr_status qr_pages_branch(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                               struct qr_lsn lsn, const struct qr_timeline *child,
                               struct qr_lsn child_start, struct qr_err *err)
{
    return call_with(peer, QR_PAGES_BRANCH, id, &lsn.v, child, &child_start.v, err);
}

enum qr_status qr_pages_pin(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                            const struct qr_timeline *name, struct qr_lsn lsn, struct qr_err *err)
{
    return call_with(peer, QR_PAGES_PIN, id, NULL, name, &lsn.v, err);
}

enum qr_status qr_pages_unpin(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                              const struct qr_timeline *name, struct qr_err *err)
{
    return call_with(peer, QR_PAGES_UNPIN, id, NULL, name, NULL, err);
}

enum qr_status qr_pages_horizon(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                struct qr_lsn lsn, struct qr_err *err)
{
    return call_with(peer, QR_PAGES_HORIZON, id, &lsn.v, NULL, NULL, err);
}

void qr_pages_lease_encode(const struct qr_timeline *timeline, uint64_t holder, struct qr_lsn lsn,
                           int64_t ttl_ns, struct qr_buf *buf)
{
    add_id(&(struct qr_slice_id){*timeline, 0}, buf);
    qr_buf_add64le(buf, holder);
    qr_buf_add64le(buf, lsn.v);
    qr_buf_add64le(buf, (uint64_t)ttl_ns);
}

enum qr_status qr_pages_lease_answer(const uint8_t *bytes, size_t count, struct qr_lsn *ret_horizon,
                                     struct qr_err *err)
{
    if (count != sizeof(uint64_t))
        return qr_fail(err, QR_CORRUPT, "horizon of %zu bytes", count);
    *ret_horizon = qr_lsn(qr_get64le(bytes));
    return QR_OK;
}

enum qr_status qr_pages_cursor(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                               struct qr_slice_cursor *ret_cursor, struct qr_err *err)
{
    struct qr_buf request, reply;
    qr_buf_init(&request, REQUEST_MAX);
    qr_buf_init(&reply, CURSOR_BYTES);
    add_id(id, &request);
    enum qr_status status = qr_buf_status(&request, err);
    if (status == QR_OK)
        status = call(peer, QR_PAGES_CURSOR, &request, &reply, err);
    if (status == QR_OK && reply.len != CURSOR_BYTES)
        status = qr_fail(err, QR_CORRUPT, "cursor of %zu bytes", reply.len);
    if (status == QR_OK) {
        *ret_cursor = (struct qr_slice_cursor){.id = *id,
                                               .next = qr_lsn(qr_get64le(reply.data + 16)),
                                               .visible = qr_lsn(qr_get64le(reply.data + 24)),
                                               .disk = qr_lsn(qr_get64le(reply.data + 32))};
        memcpy(ret_cursor->source.id, reply.data, QR_TIMELINE_BYTES);
    }
    qr_buf_done(&request);
    qr_buf_done(&reply);
    return status;
}
