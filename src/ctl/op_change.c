/* op_change.c - see ops_int.h: databases are renamed, dropped, failed over.
 *
 * Drop: nobody uses it and nobody may enter, row DROPPING, its process ends or its files go, row
 * DROPPED, which goes after its retention with its storage or backups (retention.c). Its named
 * replicas go with it, and before it. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ops_int.h"
#include "registry_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t TIME_NS = INT64_C(30) * 1000000000, HEIR_NS = INT64_C(10) * 1000000000;

/* Of the ask's name; QR_NOT_FOUND has no words: the statement knows which error it is. */
static enum qr_status find(struct qr_control *control, struct qri_op *op,
                           struct qr_database_row *ret_row, struct qr_err *err)
{
    QR_TRY(qr_registry_find_database(control->options.registry, op->ask.server, op->ask.name,
                                     ret_row));
    op->row.database_id = ret_row->id;
    memcpy(op->row.database, ret_row->name, sizeof op->row.database);
    return qri_ops_check_free(control, op, ret_row, err);
}

void qri_tell_done(struct qr_control *control, struct qri_op *op)
{
    (void)op;
    qri_control_tell_gateway(control, false);
}

/* ---- rename ---- */

enum qr_status qri_rename_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row, other;
    char name[QR_NAME_BYTES_MAX + 1];
    enum qr_status status = find(control, op, &row, err);
    snprintf(name, sizeof name, "%.*s", (int)op->ask.name.n, op->ask.name.p);
    if (status == QR_NOT_FOUND)
        return qr_sql_fail(err, 911, name);
    QR_TRY(status);
    if (op->ask.new_name.n == 0 || op->ask.new_name.n > QR_NAME_BYTES_MAX)
        return qr_fail(err, QR_INVALID, "This name is not possible for the database.");
    snprintf(op->row.other, sizeof op->row.other, "%.*s", (int)op->ask.new_name.n,
             op->ask.new_name.p);
    QR_TRY(qri_check_name(op->ask.new_name, err));
    if (qr_is_master(row.id))
        return qr_fail(err, QR_INVALID, "This name is not possible for the database.");
    if (qr_registry_find_database(control->options.registry, op->ask.server, op->ask.new_name,
                                  &other) == QR_OK &&
        other.id != row.id)
        return qr_sql_fail(err, 1801, op->row.other);
    return qri_geo_check_alone(control, &row, err);
}

enum qr_status qri_rename_record(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(qri_op_row(control, op, &row, err));
    return qr_registry_rename_database(control->options.registry, qr_server_of(row.id),
                                       qr_str(row.name), op->ask.new_name, err);
}

/* Those who have it open. One that opens it later learns the name then. */
enum qr_status qri_rename_nodes(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    (void)err;
    if (qri_op_row(control, op, &row, NULL) != QR_OK)
        return QR_OK;
    if (qr_database_has_nodes(&row))
        (void)!qri_reign_each_ready(control, &row, QR_NODE_RESIZE, NULL);
    else
        (void)!qri_control_node_call(control, &row, QR_NODE_RESIZE, NULL);
    return QR_OK;
}

/* ---- drop ---- */

enum qr_status qri_drop_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row, replica;
    QR_TRY(find(control, op, &row, err));
    if (qr_is_master(row.id))
        return qr_fail(err, QR_INVALID, "master is not dropped");
    for (size_t i = 0; qr_registry_database_at(registry, i, &replica); i++)
        if (replica.replica_of == row.id)
            QR_TRY(qri_ops_check_free(control, op, &replica, err));
    return row.geo_of != 0 ? QR_OK : qri_geo_check_alone(control, &row, err);
}

/* The rows that go: first its replicas, then the database. A replica on a server with a lower
 * number comes before its primary in order of ids. Stops at the first failure. */
static enum qr_status each_row(struct qr_control *control, struct qri_op *op,
                               enum qr_status (*act)(struct qr_control *control,
                                                     const struct qr_database_row *row,
                                                     struct qr_err *err),
                               struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    uint32_t after = 0;
    size_t i = 0;
    while (qr_registry_database_at(registry, i, &row)) {
        bool is_next = row.replica_of == op->row.database_id && row.id > after;
        if (is_next) {
            after = row.id;
            QR_TRY(act(control, &row, err));
            i = 0; /* rows may have gone */
        } else {
            i++;
        }
    }
    if (qr_registry_find_id(registry, op->row.database_id, &row) != QR_OK)
        return QR_OK;
    return act(control, &row, err);
}

static enum qr_status release(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    return qr_database_has_nodes(row) ? qri_reign_each_ready(control, row, QR_NODE_RELEASE, err)
                                      : qri_control_node_call(control, row, QR_NODE_RELEASE, err);
}

/* Nobody uses it, and nobody will until release. */
static enum qr_status hold(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err)
{
    if (!qr_database_has_nodes(row))
        return qri_control_node_call(control, row, QR_NODE_HOLD, err);
    /* a database without a process of its own is used by nobody; one that starts is ended */
    return qri_reign_each_ready(control, row, QR_NODE_HOLD, err);
}

static enum qr_status mark(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err)
{
    if (!qr_database_is_live(row))
        return QR_OK;
    return qr_registry_set_state(control->options.registry, row->id, QR_DATABASE_DROPPING, err);
}

static enum qr_status drop_one(struct qr_control *control, const struct qr_database_row *row,
                               struct qr_err *err)
{
    return row->state == QR_DATABASE_DROPPING ? qri_remove_all(control, row, err) : QR_OK;
}

enum qr_status qri_drop_hold(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    return each_row(control, op, hold, err);
}

enum qr_status qri_drop_release(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    (void)err;
    (void)!each_row(control, op, release, NULL); /* a node that is gone holds nothing */
    return QR_OK;
}

enum qr_status qri_drop_mark(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    return each_row(control, op, mark, err);
}

enum qr_status qri_drop_remove(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    return each_row(control, op, drop_one, err);
}

/* ---- failover ---- */

enum qr_status qri_failover_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(find(control, op, &row, err));
    if (row.geo_of != 0) { /* it changes places with its primary */
        op->row.kind = QR_OPERATION_GEO_CHANGE;
        op->ask.geo_change = QR_GEO_FAILOVER;
        return qri_geo_begin(control, op, err);
    }
    if (!qr_database_has_nodes(&row) || row.replica_of != 0)
        return qr_fail(
            err, QR_INVALID,
            "Only a primary that has secondaries of its own fails over: one in Hyperscale, "
            "Business Critical or Premium.");
    return QR_OK;
}

enum qr_status qri_failover_switch(struct qr_control *control, struct qri_op *op,
                                   struct qr_err *err)
{
    struct qr_database_row row;
    char primary[QR_NODE_NAME_BYTES], heir[QR_NODE_NAME_BYTES];
    QR_TRY(qri_op_row(control, op, &row, err));
    if (qr_database_secondaries(&row) > 0) /* it may have just been made */
        qri_reign_wait_heir(control, &row, qr_env_mono_ns(control->options.env) + HEIR_NS);
    if (qr_database_is_hyper(&row) && qri_reign_heir(control, &row, primary, heir))
        qri_warm(control, op, &row, primary, heir);
    return qri_reign_yield(control, &row, NULL, err);
}

enum qr_status qri_failover_ready(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(control->options.env) + TIME_NS;
    struct qr_database_row row;
    QR_TRY(qri_op_row(control, op, &row, err));
    return qri_reign_wait(control, &row, until, err);
}
