/* op_verify.c - see ops_int.h: a restore that is only tried: what was restored is read, every page
 * and index of it, and goes again. The row stays in state CREATING, so nobody enters it. */
#include "ctl/peer.h"
#include "ops_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t READY_NS = INT64_C(120) * 1000000000,
                     CHECK_NS = INT64_C(24) * 3600 * 1000000000; /* by size of the data */

/* Of a database in files any process that has none of it open can do it. */
static enum qr_status find_checker(struct qr_control *control, const struct qr_database_row *row,
                                   struct qr_rpc_peer **ret_peer, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    char node[QR_NODE_NAME_BYTES] = QR_NODE_SHARED;
    if (qr_database_is_hyper(row)) {
        pthread_mutex_lock(&control->mu);
        qri_reign_place(control, row, node);
        pthread_mutex_unlock(&control->mu);
    }
    QR_TRY(host->want(host->ctx, node, err));
    QR_TRY(qr_control_wait_ready(control, node, 0, qr_env_mono_ns(control->options.env) + READY_NS,
                                 err));
    return qri_control_node(control, node, ret_peer, err);
}

enum qr_status qri_verify_check(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_rpc_peer *peer = NULL;
    QR_TRY(qri_op_row(control, op, &row, err));
    int64_t until = qr_env_mono_ns(control->options.env) + READY_NS;
    enum qr_status status;
    do {
        QR_TRY(find_checker(control, &row, &peer, err));
        status = qr_node_call(peer, QR_NODE_CHECK, &row, CHECK_NS, err);
    } while (status != QR_CORRUPT && qri_control_repeats(control, status, until));
    return status;
}

enum qr_status qri_verify_remove(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    if (qr_registry_find_id(control->options.registry, op->row.database_id, &row) != QR_OK ||
        !qr_database_is_live(&row))
        return QR_OK;
    if (!qr_database_is_hyper(&row)) /* closed, where it was checked */
        QR_TRY(qri_control_call_node(control, QR_NODE_SHARED, &row, QR_NODE_HOLD, err));
    return qri_make_undo(control, op, err);
}
