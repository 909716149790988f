/* ops_show.c - see ops_int.h: what others see of operations, and how they cancel them */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ops_int.h"
#include "registry_int.h"
#include "resources_int.h"
#include "base/banned.h"

enum { ANSWER_BYTES = 256 * 1024 };

enum qr_status qri_ops_get(struct qr_control *control, const struct qr_control_ask *ask,
                           struct qr_buf *answer, struct qr_err *err)
{
    (void)err;
    pthread_mutex_lock(&control->ops.mu);
    const struct qri_op *op = qri_ops_find_id(control, ask->operation_id);
    if (op != NULL)
        qri_operation_put(answer, &op->row);
    pthread_mutex_unlock(&control->ops.mu);
    return op != NULL ? QR_OK : QR_NOT_FOUND;
}

enum qr_status qri_ops_list(struct qr_control *control, const struct qr_control_ask *ask,
                            struct qr_buf *answer, struct qr_err *err)
{
    struct qr_database_row row;
    bool named =
        qr_registry_find_database(control->options.registry, ask->server, ask->name, &row) == QR_OK;
    (void)err;
    pthread_mutex_lock(&control->ops.mu);
    for (struct qri_op *op = control->ops.newest; op != NULL && answer->len < ANSWER_BYTES;
         op = op->next) {
        bool behind = ask->version == 0 || op->row.number < ask->version;
        bool of_name = ask->name.n == 0 || qr_str_ieqz(ask->name, op->row.database) ||
                       (named && op->row.database_id == row.id);
        uint32_t number = qr_number_of(op->row.database_id);
        bool of_pool = number == QR_POOL_OPERATION_NUMBER;
        if (of_pool)
            of_name = qr_str_ieqz(ask->pool, op->row.database);
        bool of_server =
            number != 0 && number != QR_GROUP_OPERATION_NUMBER && of_pool == (ask->pool.n > 0) &&
            (ask->server == QR_SERVER_ANY || qr_server_of(op->row.database_id) == ask->server);
        if (behind && of_server && of_name)
            qri_operation_put(answer, &op->row);
    }
    pthread_mutex_unlock(&control->ops.mu);
    return QR_OK;
}

enum qr_status qri_ops_cancel(struct qr_control *control, const struct qr_control_ask *ask,
                              struct qr_buf *answer, struct qr_err *err)
{
    char id[QR_NAME_BYTES_MAX + 1];
    enum qr_status status = QR_OK;
    (void)answer;
    snprintf(id, sizeof id, "%.*s", (int)ask->operation_id.n, ask->operation_id.p);
    pthread_mutex_lock(&control->ops.mu);
    struct qri_op *op = qri_ops_find_id(control, ask->operation_id);
    if (op == NULL)
        status = qr_sql_fail(err, 45184, id);
    else if (qr_operation_is_over(op->row.state))
        status = qr_sql_fail(err, 40811, id, op->row.database);
    else if (!qri_ops_is_cancellable(op))
        status = qr_sql_fail(err, 45148, "Cancel", id);
    else
        op->cancel_wished = true;
    pthread_mutex_unlock(&control->ops.mu);
    return status;
}

bool qri_ops_has_member(struct qr_control *control, uint32_t database_id, uint32_t member)
{
    pthread_mutex_lock(&control->ops.mu);
    const struct qri_op *op = qri_ops_find_active(control, database_id);
    bool has = op != NULL && op->member == member + 1;
    pthread_mutex_unlock(&control->ops.mu);
    return has;
}

void qri_ops_describe(struct qr_control *control, struct qr_resource_database *d)
{
    pthread_mutex_lock(&control->ops.mu);
    const struct qri_op *op = qri_ops_find_active(control, d->row.id);
    if (op != NULL) {
        d->operation_kind = op->row.kind;
        if (qr_operation_is_update(op->row.kind)) {
            (void)qri_copy_text(d->requested_edition, sizeof d->requested_edition, op->ask.edition);
            (void)qri_copy_text(d->requested_objective, sizeof d->requested_objective,
                                op->ask.objective);
        }
    }
    pthread_mutex_unlock(&control->ops.mu);
}
