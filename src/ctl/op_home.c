/* op_home.c - see ops_int.h: a database moves between the shared node and nodes of its own.
 *
 * Both kinds keep it in files, so what moves is who has them open. Nobody enters while the row
 * changes: the shared node turns away who comes, and routes to nodes of its own wait. What is held
 * back is forgotten with the processes, so a crash leaves the database where its row says. */
#include "ctl/place.h"
#include "ops_int.h"
#include "base/banned.h"

bool qri_home_moves(const struct qr_database_row *row, const struct qr_database_row *wanted)
{
    return qr_database_has_copies(row) != qr_database_has_copies(wanted);
}

enum qr_status qri_home_leave(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    QR_TRY(qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_VACATE, err));
    if (!qr_database_has_copies(row))
        return QR_OK;
    qri_reign_hold_back(control, row->id, true);
    qri_reign_end(control, row->id, true);
    return QR_OK;
}

void qri_home_settle(struct qr_control *control, const struct qr_database_row *row)
{
    const struct qr_control_host *host = &control->options.host;
    char node[QR_NODE_NAME_BYTES];
    (void)!qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_RELEASE, NULL);
    qri_reign_hold_back(control, row->id, false);
    if (!qr_database_has_copies(row))
        return;
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, node);
    pthread_mutex_unlock(&control->mu);
    (void)!host->want(host->ctx, node, NULL); /* it is tried again with the next route */
}

enum qr_status qri_home_restart(struct qr_control *control, const struct qr_database_row *row)
{
    const struct qr_control_host *host = &control->options.host;
    char node[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, node);
    pthread_mutex_unlock(&control->mu);
    if (host->pid(host->ctx, node) == 0)
        return QR_OK;
    qri_reign_end(control, row->id, true);
    return host->want(host->ctx, node, NULL);
}
