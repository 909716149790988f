/* telemetry_call.c - see ctl/telemetry.h: reporting, asking, and control's answers */
#include "control_int.h"
#include "ctl/peer.h"
#include "ctl/telemetry.h"
#include "base/banned.h"

enum { ANSWER_BYTES = 256 * 1024 };

/* ---- control ---- */

void qri_telemetry_serve(struct qr_control *control, const struct qr_control_ask *ask,
                         bool is_report, struct qr_rpc_request *own_request)
{
    struct qr_telemetry *telemetry = control->options.telemetry;
    struct qr_err err = {0};
    struct qr_buf buf;
    enum qr_status status = QR_OK;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    if (telemetry == NULL)
        status = qr_fail(&err, QR_UNSUPPORTED, "no telemetry is kept here");
    else if (is_report)
        status = qr_telemetry_add(telemetry, (const uint8_t *)ask->text.p, ask->text.n,
                                  qr_env_wall_ns(control->options.env), &err);
    else
        status = qr_telemetry_list(telemetry, ask->doc_kind, ask->server, (int64_t)ask->version,
                                   ask->name, ANSWER_BYTES, &buf, &err);
    qr_rpc_finish(own_request, &buf, status, &err);
}

/* ---- the others ---- */

enum qr_status qr_telemetry_report(struct qr_rpc_peer *control, const uint8_t *bytes, size_t count,
                                   int64_t timeout_ns, struct qr_err *err)
{
    struct qr_control_ask ask = {.text = qr_str_n((const char *)bytes, count)};
    return qr_control_call(control, QR_CONTROL_REPORT, &ask, timeout_ns, NULL, err);
}

enum qr_status qr_telemetry_each(struct qr_rpc_peer *control, uint8_t kind, uint32_t server,
                                 int64_t after_wall_ns, int64_t timeout_ns, qr_telemetry_fn *each,
                                 void *ctx, struct qr_err *err)
{
    char key[QR_TELEMETRY_KEY_BYTES_MAX];
    struct qr_telemetry_row row = {.at_wall_ns = after_wall_ns};
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        struct qr_control_ask ask = {.doc_kind = kind,
                                     .server = server,
                                     .version = (uint64_t)row.at_wall_ns,
                                     .name = row.key};
        qr_buf_clear(&reply);
        status = qr_control_call(control, QR_CONTROL_TELEMETRY, &ask, timeout_ns, &reply, err);
        for (size_t at = 0; status == QR_OK && at < reply.len;) {
            int64_t before = row.at_wall_ns;
            status = qr_telemetry_next(reply.data, reply.len, &at, &row, err);
            if (status == QR_OK && row.at_wall_ns < before)
                status = qr_fail(err, QR_PROTOCOL, "telemetry comes out of order");
            if (status == QR_OK)
                status = each(ctx, &row);
        }
        memcpy(key, row.key.p == NULL ? "" : row.key.p, row.key.n);
        row.key = qr_str_n(key, row.key.n);
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}
