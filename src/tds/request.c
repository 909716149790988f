/* Implements tds/request.h. */
#include "tds/request.h"
#include <string.h>
#include "base/banned.h"

enum header_type { HEADER_NOTIFICATION = 1, HEADER_TRANSACTION = 2, HEADER_TRACE = 3 };
enum { HEADER_HEAD_BYTES = 6, ISOLATION_MAX = 5 };

static enum qr_status read_header(struct qr_tds_cursor *c, struct qr_tds_all_headers *h,
                                  struct qr_err *err)
{
    uint32_t bytes = qr_tds_take32(c);
    uint16_t type = qr_tds_take16(c);
    if (c->failed || bytes < HEADER_HEAD_BYTES)
        return qr_fail(err, QR_PROTOCOL, "request header is cut");
    const uint8_t *data = qr_tds_take(c, bytes - HEADER_HEAD_BYTES);
    if (data == NULL)
        return qr_fail(err, QR_PROTOCOL, "request header of %u bytes", bytes);
    struct qr_tds_cursor d = qr_tds_cursor(data, bytes - HEADER_HEAD_BYTES);
    const uint8_t *activity;
    switch (type) {
    case HEADER_TRANSACTION:
        h->has_transaction = true;
        h->tran_descriptor = qr_tds_take64(&d);
        h->outstanding_requests = qr_tds_take32(&d);
        break;
    case HEADER_TRACE:
        activity = qr_tds_take(&d, sizeof h->activity_id);
        h->activity_sequence = qr_tds_take32(&d);
        if (activity != NULL)
            memcpy(h->activity_id, activity, sizeof h->activity_id);
        h->has_trace = !d.failed;
        break;
    case HEADER_NOTIFICATION:
        h->has_notification = true;
        break;
    default: /* newer clients may send more */
        break;
    }
    if (d.failed)
        return qr_fail(err, QR_PROTOCOL, "request header of type %u is cut", type);
    return QR_OK;
}

enum qr_status qr_tds_all_headers_read(struct qr_tds_cursor *c, enum qr_tds_version version,
                                       struct qr_tds_all_headers *ret_headers, struct qr_err *err)
{
    struct qr_tds_all_headers h = {0};
    if (version >= QR_TDS_VERSION_72) {
        uint32_t total = qr_tds_take32(c);
        if (c->failed || total < 4)
            return qr_fail(err, QR_PROTOCOL, "request headers are missing");
        const uint8_t *bytes = qr_tds_take(c, total - 4);
        if (bytes == NULL)
            return qr_fail(err, QR_TRUNCATED, "request headers of %u bytes", total);
        struct qr_tds_cursor headers = qr_tds_cursor(bytes, total - 4);
        while (qr_tds_left(&headers) > 0)
            QR_TRY(read_header(&headers, &h, err));
    }
    *ret_headers = h;
    return QR_OK;
}

enum qr_status qr_tds_batch_read(struct qr_tds_cursor *c, struct qr_tds_utf16 *ret_text,
                                 struct qr_err *err)
{
    size_t bytes = qr_tds_left(c);
    if (bytes % 2 != 0)
        return qr_fail(err, QR_PROTOCOL, "SQL batch of %zu bytes is not UTF-16", bytes);
    *ret_text = qr_tds_take_utf16(c, bytes / 2);
    return QR_OK;
}

static struct qr_tds_utf16 read_name(struct qr_tds_cursor *c)
{
    size_t bytes = qr_tds_take8(c); /* B_VARBYTE: bytes, not units */
    if (bytes % 2 != 0)
        c->failed = true;
    return qr_tds_take_utf16(c, bytes / 2);
}

static void read_end(struct qr_tds_cursor *c, struct qr_tds_tran *t)
{
    enum { BEGIN_AFTER = 1 };
    t->name = read_name(c);
    t->begin_after = (qr_tds_take8(c) & BEGIN_AFTER) != 0;
    if (!t->begin_after)
        return;
    t->isolation = qr_tds_take8(c);
    t->begin_name = read_name(c);
}

enum qr_status qr_tds_tran_read(struct qr_tds_cursor *c, struct qr_tds_tran *ret_tran,
                                struct qr_err *err)
{
    uint16_t kind = qr_tds_take16(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "transaction manager request is cut");
    struct qr_tds_tran t = {.kind = (enum qr_tds_tran_kind)kind};
    switch (kind) {
    case QR_TDS_TM_BEGIN:
        t.isolation = qr_tds_take8(c);
        t.name = read_name(c);
        break;
    case QR_TDS_TM_COMMIT:
    case QR_TDS_TM_ROLLBACK:
        read_end(c, &t);
        break;
    case QR_TDS_TM_SAVE:
        t.name = read_name(c);
        break;
    case QR_TDS_TM_GET_DTC_ADDRESS:
    case QR_TDS_TM_PROPAGATE:
    case QR_TDS_TM_PROMOTE:
        return qr_fail(err, QR_UNSUPPORTED, "distributed transactions");
    default:
        return qr_fail(err, QR_PROTOCOL, "transaction manager request of type %u", kind);
    }
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "transaction manager request is cut");
    if (t.isolation > ISOLATION_MAX)
        return qr_fail(err, QR_PROTOCOL, "isolation level %u", t.isolation);
    *ret_tran = t;
    return QR_OK;
}
