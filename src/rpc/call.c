/* call.c - see rpc/rpc.h: what is common to sockets and simulation */
#include <assert.h>
#include "rpc/rpc.h"
#include "base/banned.h"

struct waited {
    struct qr_rpc_call call; /* first */
    struct qr_buf *reply;
    struct qr_err *err;
    enum qr_status status;
};

static void waited_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct waited *waited = (struct waited *)call;
    waited->status = reply->status;
    if (reply->status != QR_OK) {
        if (waited->err != NULL)
            *waited->err = *reply->err;
        return;
    }
    if (waited->reply != NULL) {
        qr_buf_add(waited->reply, reply->body, reply->bytes);
        waited->status = qr_buf_status(waited->reply, waited->err);
    }
}

enum qr_status qr_rpc_call_wait(struct qr_rpc_peer *peer, uint16_t method, const struct iovec *body,
                                int body_count, int64_t timeout_ns, struct qr_buf *reply,
                                struct qr_err *err)
{
    assert(body_count >= 0 && body_count <= QR_RPC_IOV_MAX);
    struct waited waited = {
        .call = {.method = method,
                 .body_count = body_count,
                 .timeout_ns = timeout_ns,
                 .done = waited_done},
        .reply = reply,
        .err = err,
    };
    for (int i = 0; i < body_count; i++)
        waited.call.body[i] = body[i];
    qr_rpc_start(peer, &waited.call);
    qr_rpc_wait(peer, &waited.call);
    return waited.status;
}

static void refuse_too_big(struct qr_rpc_request *own_request, size_t bytes)
{
    struct qr_err err;
    qr_err_reset(&err);
    (void)qr_fail(&err, QR_TOO_BIG, "an answer of %zu bytes is too big for a frame", bytes);
    qr_rpc_refuse(own_request, QR_TOO_BIG, &err);
}

void qr_rpc_answer(struct qr_rpc_request *own_request, const struct iovec *body, int body_count)
{
    assert(body_count >= 0 && body_count <= QR_RPC_IOV_MAX);
    size_t bytes = 0;
    for (int i = 0; i < body_count; i++)
        bytes += body[i].iov_len;
    if (bytes > QR_RPC_BODY_BYTES_MAX)
        refuse_too_big(own_request, bytes);
    else
        own_request->ops->reply(own_request, QR_OK, body, body_count, NULL);
}

void qr_rpc_answer_own(struct qr_rpc_request *own_request, struct qr_buf *own_body)
{
    struct iovec body = {.iov_base = own_body->data, .iov_len = own_body->len};
    if (body.iov_len > QR_RPC_BODY_BYTES_MAX) {
        refuse_too_big(own_request, body.iov_len);
    } else {
        own_request->ops->reply(own_request, QR_OK, &body, 1, own_body->data);
        *own_body = (struct qr_buf){.bytes_max = own_body->bytes_max};
    }
    qr_buf_done(own_body);
}

void qr_rpc_refuse(struct qr_rpc_request *own_request, enum qr_status status,
                   const struct qr_err *err)
{
    assert(status != QR_OK);
    struct qr_err own;
    if (err == NULL) {
        qr_err_reset(&own);
        (void)qr_fail(&own, status, "%s", qr_status_info(status)->meaning);
        err = &own;
    }
    uint8_t bytes[QR_RPC_ERROR_BYTES_MAX];
    struct iovec body = {.iov_base = bytes, .iov_len = qr_rpc_error_put(err, bytes)};
    own_request->ops->reply(own_request, status, &body, 1, NULL);
}

void qr_rpc_finish(struct qr_rpc_request *own_request, struct qr_buf *own_body,
                   enum qr_status status, struct qr_err *err)
{
    if (status == QR_OK)
        status = qr_buf_status(own_body, err);
    struct iovec body = {.iov_base = own_body->data, .iov_len = own_body->len};
    if (status == QR_OK)
        qr_rpc_answer(own_request, &body, 1);
    else
        qr_rpc_refuse(own_request, status, err);
    qr_buf_done(own_body);
}
