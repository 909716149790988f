/* backups.c - see ctl/backups.h: both sides of the calls */
#include "ctl/backups.h"
#include <string.h>
#include "control_int.h"
#include "ctl/peer.h"
#include "fields_int.h"
#include "base/banned.h"

#define SEEN(kind, member, max)                                                                    \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_backup_seen, member), max                                   \
    }
static const struct qri_field fields[] = {
    SEEN(CHARS, id, QR_GUID_TEXT_BYTES), SEEN(BYTE, kind, QR_BACKUP_WORD_LOG + 1),
    SEEN(LONG, start_wall_ns, 0),        SEEN(LONG, end_wall_ns, 0),
    SEEN(LONG, commit_wall_ns, 0),       SEEN(LONG, bytes, 0),
    SEEN(FLAG, in_retention, 0),         {QRI_END, 0, 0},
};
static const int64_t LIST_NS = INT64_C(60) * 1000000000;

void qr_backup_seen_put(struct qr_buf *buf, const struct qr_backup_seen *backup)
{
    qri_fields_put(buf, fields, backup);
}

static enum qr_status each_in(const struct qr_buf *reply, qr_backup_fn *each, void *ctx,
                              struct qr_err *err)
{
    for (size_t at = 0; at < reply->len;) {
        struct qr_backup_seen seen = {.kind = 0};
        if (!qri_fields_take(reply->data, reply->len, &at, fields, &seen) || seen.kind == 0)
            return qr_fail(err, QR_PROTOCOL, "a list of backups breaks its format");
        QR_TRY(each(ctx, &seen));
    }
    return QR_OK;
}

enum qr_status qr_control_each_backup(struct qr_rpc_peer *operate, uint32_t server,
                                      struct qr_str name, struct qr_str kept, bool geo,
                                      int64_t timeout_ns, qr_backup_fn *each, void *ctx,
                                      struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server, .name = name, .kept = kept, .geo = geo};
    struct qr_buf reply;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status =
        qr_control_call(operate, QR_CONTROL_BACKUPS, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = each_in(&reply, each, ctx, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_node_backups(struct qr_rpc_peer *peer, const struct qr_database_row *row,
                               bool geo, int64_t timeout_ns, struct qr_buf *reply,
                               struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, 64 * 1024);
    qr_control_row_put(&body, row);
    qr_buf_add8(&body, geo);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, (uint16_t)QR_NODE_BACKUPS, &iov, 1, timeout_ns, reply, err);
    qr_buf_done(&body);
    return status;
}

/* ---- control's side ---- */

enum qr_status qri_backups_note(struct qr_control *control, const struct qr_control_ask *ask,
                                struct qr_err *err)
{
    if (ask->restore_wall_ns == 0 || ask->restore_wall_ns > INT64_MAX)
        return qr_fail(err, QR_INVALID, "a first backup of no time");
    return qr_registry_set_first_backup(control->options.registry, ask->id, ask->name,
                                        (int64_t)ask->restore_wall_ns, err);
}

void qri_backups_serve(struct qr_control *control, const struct qr_control_ask *ask,
                       struct qr_rpc_request *own_request)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    struct qr_rpc_peer *peer = NULL;
    struct qr_err err = {0};
    struct qr_buf answer;
    enum qr_status status = ask->kept.n > 0
                                ? qr_registry_find_kept(registry, ask->kept, &row)
                                : qr_registry_find_database(registry, ask->server, ask->name, &row);
    qr_buf_init(&answer, QR_CONTROL_ANSWER_BYTES_MAX);
    if (status != QR_OK)
        (void)qr_fail(&err, status, "no such database");
    else if (!qr_database_is_hyper(&row) && !qr_is_master(row.id))
        status = qri_control_node(control, QR_NODE_SHARED, &peer, &err);
    if (status == QR_OK && peer != NULL)
        status = qr_node_backups(peer, &row, ask->geo, LIST_NS, &answer, &err);
    qr_rpc_finish(own_request, &answer, status, &err);
}
