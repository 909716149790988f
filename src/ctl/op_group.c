/* op_group.c - see ops_int.h: a resource group is deleted with the servers in it. Each server goes
 * by an operation of its own, one after the other, and the group when there is none left; who makes
 * a server in it meanwhile is refused. A server that cannot go keeps the group, and those behind
 * it. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ops_int.h"
#include "registry_int.h"
#include "base/banned.h"

enum { GROUPS_AT_ONCE = 2 }; /* each keeps a worker busy, and needs another one */
static const int64_t PAUSE_NS = 20000000;

static struct qri_op *find_active(struct qr_control *control, struct qr_str group) /* held */
{
    struct qri_op *op = control->ops.active;
    while (op != NULL &&
           (qr_operation_is_over(op->row.state) || op->row.kind != QR_OPERATION_DROP_GROUP ||
            !qr_str_ieqz(group, op->row.database)))
        op = op->next_active;
    return op;
}

bool qri_group_goes(struct qr_control *control, struct qr_str group)
{
    pthread_mutex_lock(&control->ops.mu);
    bool goes = find_active(control, group) != NULL;
    pthread_mutex_unlock(&control->ops.mu);
    return goes;
}

static enum qr_status check_others(const struct qr_control *control, struct qr_err *err) /* held */
{
    int groups = 0;
    for (const struct qri_op *op = control->ops.active; op != NULL; op = op->next_active)
        groups += op->row.kind == QR_OPERATION_DROP_GROUP && !qr_operation_is_over(op->row.state);
    return groups < GROUPS_AT_ONCE
               ? QR_OK
               : qr_fail(err, QR_CONFLICT, "%d resource groups are just being deleted.", groups);
}

enum qr_status qri_drop_group_begin(struct qr_control *control, struct qri_op *op,
                                    struct qr_err *err)
{
    char name[QR_SERVER_NAME_BYTES_MAX + 1];
    struct qr_server_row first;
    uint32_t after = 0;
    if (op->ask.name.n > QR_NAME_BYTES_MAX)
        return QR_NOT_FOUND;
    QR_TRY(qri_docs_group(control, op->ask.name, op->row.database, sizeof op->row.database, err));
    op->row.database_id = qr_database_id(0, QR_GROUP_OPERATION_NUMBER);
    if (find_active(control, op->ask.name) != NULL)
        return qr_fail(err, QR_CONFLICT, "The resource group '%s' is being deleted.",
                       op->row.database);
    QR_TRY(check_others(control, err));
    while (qri_docs_server_in(control, op->ask.name, &after, name, err) == QR_OK)
        if (qr_registry_find_server(control->options.registry, qr_str(name), &first) == QR_OK &&
            first.number == 0)
            return qr_fail(err, QR_CONFLICT,
                           "The group has the server '%s', which is that of addresses without a "
                           "name, and stays.",
                           first.name);
    return QR_OK;
}

/* Its own operation, or that which somebody else has begun. */
static enum qr_status drop_server(struct qr_control *control, const char *name, struct qr_err *err)
{
    struct qr_server_row server;
    if (qr_registry_find_server(control->options.registry, qr_str(name), &server) != QR_OK)
        return QR_OK;
    if (qri_ops_is_active(control, qr_database_id(server.number, 0))) {
        qr_env_sleep_ns(control->options.env, PAUSE_NS);
        return QR_OK;
    }
    struct qr_control_ask ask = {.server = server.number};
    enum qr_status status = qri_ops_run(control, QR_CONTROL_DROP_SERVER, &ask, err);
    return status == QR_NOT_FOUND ? QR_OK : status;
}

enum qr_status qri_drop_group_servers(struct qr_control *control, struct qri_op *op,
                                      struct qr_err *err)
{
    char name[QR_SERVER_NAME_BYTES_MAX + 1];
    for (;;) {
        uint32_t after = 0;
        enum qr_status status = qri_docs_server_in(control, op->ask.name, &after, name, err);
        if (status == QR_NOT_FOUND)
            return QR_OK;
        QR_TRY(status);
        if (control->stopping)
            return qr_fail(err, QR_CLOSED, "it is being stopped");
        QR_TRY(drop_server(control, name, err));
    }
}

enum qr_status qri_drop_group_record(struct qr_control *control, struct qri_op *op,
                                     struct qr_err *err)
{
    struct qr_control_ask ask = {.doc_kind = QR_DOC_GROUP, .name = op->ask.name};
    enum qr_status status = qri_docs_delete(control, &ask, NULL, err);
    return status == QR_NOT_FOUND ? QR_OK : status;
}
