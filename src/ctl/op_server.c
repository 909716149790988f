/* op_server.c - see ops_int.h: logical servers are made and deleted.
 *
 * A server is made in one transaction with its document; its master comes behind it, and a start
 * makes up for one that a crash prevented. Deleting is an operation: the sessions of its
 * databases end and nobody may enter, rows DROPPING, what they consist of goes, and the server's
 * row. Nothing of a deleted server can be restored but its long-term backups; what others were
 * branched from goes when the last branch does. Named replicas of its databases go with them, on
 * whatever server they are; what follows them elsewhere as a geo-secondary is a database of its own
 * then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ops_int.h"
#include "registry_int.h"
#include "reign_int.h"
#include "base/banned.h"

/* ---- making ---- */

enum qr_status qri_control_make_master(struct qr_control *control, uint32_t server,
                                       struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_control_ask ask = {.server = server, .name = qr_str("master")};
    if (qr_registry_find_id(control->options.registry, qr_database_id(server, QR_MASTER_ID),
                            &row) == QR_OK)
        return QR_OK;
    return qri_ops_run(control, QR_CONTROL_CREATE, &ask, err);
}

enum qr_status qri_control_make_server(struct qr_control *control, const struct qr_control_ask *ask,
                                       struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    char key[QRI_DOC_KEY_BYTES];
    struct qr_meta_op put;
    uint32_t number = 0;
    QR_TRY(qri_docs_new_server(control, ask->name, ask->text, key, &put, err));
    enum qr_status status =
        qr_registry_make_server(registry, ask->name, ask->new_name, ask->hash, &put, &number, err);
    free((char *)(uintptr_t)put.value.p);
    QR_TRY(status);
    QR_LOG(&control->options.log, QR_INFO, "server_made", QR_F("server", ask->name),
           QR_F("number", number), QR_F("admin_login", ask->new_name));
    QR_TRY(qri_control_make_master(control, number, err));
    qri_control_tell_gateway(control, true);
    return QR_OK;
}

/* ---- deleting ---- */

static bool belongs(const struct qr_database_row *row, uint32_t server)
{
    return qr_server_of(row->id) == server ||
           (row->replica_of != 0 && qr_server_of(row->replica_of) == server);
}

typedef enum qr_status act_fn(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err);

/* All rows that go; `replicas` first or, false, the others. Rows may go meanwhile. */
static enum qr_status each_of(struct qr_control *control, const struct qri_op *op, bool replicas,
                              act_fn *act, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    uint32_t server = qr_server_of(op->row.database_id), after = 0;
    struct qr_database_row row;
    while (qr_registry_database_at(registry, qr_registry_index_after(registry, after), &row)) {
        after = row.id;
        if (belongs(&row, server) && (row.replica_of != 0) == replicas)
            QR_TRY(act(control, &row, err));
    }
    return QR_OK;
}

static enum qr_status each_row(struct qr_control *control, const struct qri_op *op, act_fn *act,
                               struct qr_err *err)
{
    QR_TRY(each_of(control, op, true, act, err));
    return each_of(control, op, false, act, err);
}

enum qr_status qri_drop_server_begin(struct qr_control *control, struct qri_op *op,
                                     struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_server_row server;
    struct qr_database_row row;
    QR_TRY(qr_registry_server(registry, op->ask.server, &server));
    if (server.number == 0)
        return qr_fail(err, QR_CONFLICT,
                       "'%s' is the server of addresses without a name, and stays.", server.name);
    op->row.database_id = qr_database_id(server.number, 0);
    snprintf(op->row.database, sizeof op->row.database, "%s", server.name);
    QR_TRY(qri_ops_check_server(control, server.number, err));
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++)
        if (belongs(&row, server.number) && qr_database_is_live(&row))
            QR_TRY(qri_ops_check_free(control, op, &row, err));
    return QR_OK;
}

/* It ends who is there, as in Azure. */
static enum qr_status hold(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err)
{
    if (!qr_database_is_live(row))
        return QR_OK;
    return qr_database_is_hyper(row) ? qri_reign_each_ready(control, row, QR_NODE_VACATE, err)
                                     : qri_home_leave(control, row, err);
}

static enum qr_status release(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    (void)err;
    if (qr_database_is_live(row) && qr_database_is_hyper(row))
        (void)!qri_reign_each_ready(control, row, QR_NODE_RELEASE,
                                    NULL); /* who is gone holds nothing */
    else if (qr_database_is_live(row))
        qri_home_settle(control, row);
    return QR_OK;
}

static enum qr_status mark(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err)
{
    if (!qr_database_is_live(row))
        return QR_OK;
    return qr_registry_set_state(control->options.registry, row->id, QR_DATABASE_DROPPING, err);
}

/* What it consists of, and at once what it could be restored from; what is left of that by then
 * (branches, a service that is not there) the retention thread sees to. */
static enum qr_status remove_one(struct qr_control *control, const struct qr_database_row *row,
                                 struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row now;
    struct qri_claim claim;
    enum qr_status status = QR_OK;
    qri_control_claim(control, &claim, row->id);
    if (qr_registry_find_id(registry, row->id, &now) == QR_OK && qr_database_is_live(&now)) {
        status = qri_geo_set_free(control, row->id, err);
        if (status == QR_OK)
            status = qri_remove_all(control, &now, err);
    }
    if (status == QR_OK && qr_registry_find_id(registry, row->id, &now) == QR_OK &&
        now.state != QR_DATABASE_KEPT && now.state != QR_DATABASE_PURGING) {
        status = qri_retention_purge(control, &now, err);
        if (qr_registry_find_id(registry, row->id, &now) != QR_OK ||
            now.state == QR_DATABASE_PURGING)
            status = QR_OK;
    }
    qri_control_unclaim(control, &claim);
    return status;
}

enum qr_status qri_drop_server_hold(struct qr_control *control, struct qri_op *op,
                                    struct qr_err *err)
{
    return each_row(control, op, hold, err);
}

enum qr_status qri_drop_server_release(struct qr_control *control, struct qri_op *op,
                                       struct qr_err *err)
{
    return each_row(control, op, release, err);
}

enum qr_status qri_drop_server_mark(struct qr_control *control, struct qri_op *op,
                                    struct qr_err *err)
{
    return each_row(control, op, mark, err);
}

enum qr_status qri_drop_server_remove(struct qr_control *control, struct qri_op *op,
                                      struct qr_err *err)
{
    uint32_t server = qr_server_of(op->row.database_id);
    char key[QRI_DOC_KEY_BYTES];
    QR_TRY(each_row(control, op, remove_one, err));
    qri_control_forget_rules(control, qr_database_id(server, 0));
    QR_TRY(qri_docs_forget_server(control, qr_str(op->row.database), err));
    struct qr_meta_op gone = qri_docs_old_server(qr_str(op->row.database), key);
    return qr_registry_remove_server(control->options.registry, server, &gone, err);
}
