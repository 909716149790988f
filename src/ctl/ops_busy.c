/* ops_busy.c - see ops_int.h: which operations keep others out, and when they are
 * forgotten */
#include "base/sqlmsg.h"
#include "ops_int.h"
#include "base/banned.h"

static const int64_t WAKE_PAUSE_NS = 50000000, EXPIRE_NS = 5000000000;
enum { RESTORES_MAX = QRI_OP_WORKERS / 2, EXPIRE_AT_ONCE = 40 };

static bool restores_one(const struct qri_op *op)
{
    return op->row.kind == QR_OPERATION_RESTORE || op->row.kind == QR_OPERATION_VERIFY;
}

bool qri_ops_wake(struct qr_control *control, const struct qri_op *op)
{
    uint32_t ids[] = {op->row.database_id, op->row.source_id};
    for (size_t i = 0; i < 2; i++)
        while (ids[i] != 0 && !control->stopping &&
               qri_pause_wake(control, ids[i], false, NULL) != QR_OK)
            qr_env_sleep_ns(control->options.env, WAKE_PAUSE_NS);
    return !control->stopping;
}

enum qr_status qri_ops_check_server(struct qr_control *control, uint32_t server, struct qr_err *err)
{
    const struct qri_op *drop = qri_ops_find_active(control, qr_database_id(server, 0));
    if (drop == NULL)
        return QR_OK;
    return qr_fail(err, QR_CONFLICT, "The server '%s' is being deleted.", drop->row.database);
}

enum qr_status qri_ops_check_free(struct qr_control *control, const struct qri_op *op,
                                  const struct qr_database_row *row, struct qr_err *err)
{
    const char *server = row->server;
    struct qri_op *other = qri_ops_find_active(control, row->id);
    if (other == NULL)
        return qri_ops_check_server(control, qr_server_of(row->id), err);
    if (qr_operation_is_update(op->row.kind) && qr_operation_is_update(other->row.kind))
        return qr_sql_fail(err, 40802, server, row->name);
    if (op->row.kind == QR_OPERATION_DROP && other->row.kind == QR_OPERATION_RESTORE)
        return qr_sql_fail(err, 40663, row->name);
    if (op->row.kind == QR_OPERATION_DROP && row->state == QR_DATABASE_CREATING) {
        other->cancel_wished = true;
        return qr_sql_fail(err, 40812, row->name);
    }
    return qr_sql_fail(err, 45182, row->name);
}

enum qr_status qri_ops_check_copies(struct qr_control *control, const struct qri_op *op,
                                    uint32_t source_id, struct qr_err *err)
{
    uint32_t restores = 0;
    bool copied = false;
    for (const struct qri_op *other = control->ops.active; other != NULL;
         other = other->next_active) {
        if (qr_operation_is_over(other->row.state) || other == op)
            continue;
        restores += restores_one(other);
        copied =
            copied || (other->row.kind == QR_OPERATION_COPY && other->row.source_id == source_id);
    }
    if (op->row.kind == QR_OPERATION_COPY && copied)
        return qr_sql_fail(err, 40565);
    if (restores_one(op) && restores >= RESTORES_MAX)
        return qr_sql_fail(err, 40656);
    return QR_OK;
}

bool qri_ops_is_active(struct qr_control *control, uint32_t database_id)
{
    pthread_mutex_lock(&control->ops.mu);
    bool active = qri_ops_find_active(control, database_id) != NULL;
    pthread_mutex_unlock(&control->ops.mu);
    return active;
}

void qri_ops_expire(struct qr_control *control)
{
    struct qri_ops *ops = &control->ops;
    int64_t now = qr_env_mono_ns(control->options.env);
    int64_t before = qr_env_wall_ns(control->options.env) - QR_OPERATION_KEPT_NS;
    pthread_mutex_lock(&ops->mu);
    bool due = now >= ops->expire_at_ns;
    if (due)
        ops->expire_at_ns = now + EXPIRE_NS;
    int left = EXPIRE_AT_ONCE; /* each is a transaction, and others wait meanwhile */
    for (struct qri_op **at = &ops->newest; due && left > 0 && *at != NULL;) {
        struct qri_op *op = *at;
        bool old =
            qr_operation_is_over(op->row.state) && !op->runs && op->row.modify_wall_ns < before;
        if (!old || qri_op_remove(control, op, NULL) != QR_OK) {
            at = &op->next;
            continue;
        }
        *at = op->next;
        ops->count -= 1;
        left -= 1;
        qri_op_free(op);
    }
    pthread_mutex_unlock(&ops->mu);
}
