/* node_serve.c - see cmd_int.h: what control asks of a compute node */
#include "cmd_int.h"
#include "base/banned.h"

static const struct {
    uint16_t method;
    enum qr_status (*run)(struct qri_node *node, const struct qr_database_row *row,
                          struct qr_err *err);
} rows[] = {
    {QR_NODE_MAKE, qri_node_make},       {QR_NODE_FILL, qri_sample_fill},
    {QR_NODE_HOLD, qri_node_hold},       {QR_NODE_RELEASE, qri_node_release},
    {QR_NODE_REMOVE, qri_node_remove},   {QR_NODE_RESIZE, qri_node_resize},
    {QR_NODE_PROMOTE, qri_node_promote},
};

void qri_node_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    struct qr_err err = {0};
    size_t at = 0, i = 0;
    while (i < sizeof rows / sizeof rows[0] && rows[i].method != own_request->method)
        i++;
    enum qr_status status =
        i == sizeof rows / sizeof rows[0]
            ? qr_fail(&err, QR_UNSUPPORTED, "no node call %u", own_request->method)
            : qr_control_row_next(own_request->body, own_request->bytes, &at, &row, &err);
    if (status == QR_OK && at != own_request->bytes)
        status = qr_fail(&err, QR_PROTOCOL, "a node call has more than its row");
    if (status == QR_OK)
        status = rows[i].run(ctx, &row, &err);
    if (status == QR_OK)
        qr_rpc_answer(own_request, NULL, 0);
    else
        qr_rpc_refuse(own_request, status, &err);
}
