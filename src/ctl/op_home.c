/* op_home.c - see ops_int.h: a database moves between the shared node and nodes of its own.
 *
 * Both kinds keep it in files, so what moves is who has them open. Nobody enters while the row
 * changes: the shared node turns away who comes, and routes to nodes of its own wait. What is held
 * back is forgotten with the processes, so a crash leaves the database where its row says. */
#include "ctl/place.h"
#include "ops_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t HOME_NS = INT64_C(120) * 1000000000, PAUSE_NS = 50000000;

bool qri_home_moves(const struct qr_database_row *row, const struct qr_database_row *wanted)
{
    return qr_database_has_copies(row) != qr_database_has_copies(wanted);
}

/* The files that the shared node opens are the first member's: that one has to be the primary. */
static enum qr_status lead_home(struct qr_control *control, const struct qr_database_row *row,
                                struct qr_err *err)
{
    struct qr_env *env = control->options.env;
    int64_t until = qr_env_mono_ns(env) + HOME_NS;
    struct qr_database_row now = *row;
    char home[QR_NODE_NAME_BYTES];
    qr_place_member(row, 0, home);
    for (;;) {
        QR_TRY(qr_registry_find_id(control->options.registry, row->id, &now));
        if (now.primary == 0)
            return QR_OK;
        qri_reign_want(control, row->id);
        bool is_member = (now.members & 1) != 0;
        if (is_member &&
            qr_control_wait_ready(control, home, 0, qr_env_mono_ns(env), NULL) == QR_OK) {
            QR_TRY(qri_reign_yield(control, &now, home, err));
            QR_TRY(qri_reign_wait(control, &now, until, err));
        }
        if (qr_env_mono_ns(env) > until || control->stopping)
            return qr_fail(err, QR_TIMEOUT, "the copies of '%s' are not complete", row->name);
        qr_env_sleep_ns(env, PAUSE_NS);
    }
}

enum qr_status qri_home_leave(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    QR_TRY(qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_VACATE, err));
    if (!qr_database_has_copies(row)) {
        qri_reign_forget(control, row->id); /* of a geo-link's end, with a name for no copy */
        return QR_OK;
    }
    QR_TRY(lead_home(control, row, err));
    qri_reign_hold_back(control, row->id, true);
    qri_reign_end(control, row->id, true);
    return QR_OK;
}

void qri_home_settle(struct qr_control *control, const struct qr_database_row *row)
{
    if (!qr_database_has_copies(row)) /* copies that it may have had */
        (void)!qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_TIDY, NULL);
    (void)!qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_RELEASE, NULL);
    qri_reign_hold_back(control, row->id, false);
    if (qr_database_has_copies(row))
        qri_reign_want(control, row->id); /* it is tried again with the next route */
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
    qri_reign_drain_replicas(control, row);
    (void)qri_control_drain_node(control, row, node);
    qri_reign_end(control, row->id, true);
    qri_reign_want(control, row->id);
    return QR_OK;
}
