/* resource_serve.c - see control_int.h: answers about resources */
#include <stdio.h>
#include <string.h>
#include "control_int.h"
#include "registry_int.h"
#include "reign_int.h"
#include "resources_int.h"
#include "base/banned.h"

enum { ANSWER_BYTES = 256 * 1024 }; /* of a list; the next call gets the rest */
static const int64_t WAKE_NS = INT64_C(5) * 1000000000;
static const int64_t DAYS_TO_1970 = 719162, TICKS_A_DAY = INT64_C(864000000000);

/* From when on what was there can be restored; 0: it cannot yet. */
static int64_t begin_there(const struct qr_database_row *row, const struct qr_resource_database *d)
{
    if (!qr_database_is_hyper(row))
        return row->first_backup_wall_ns;
    int64_t made = row->made_ticks != 0 ? qri_made_wall_ns(row) : d->create_wall_ns;
    made = row->era_wall_ns == 0 ? made : row->era_wall_ns;
    return made > row->first_backup_wall_ns ? made : row->first_backup_wall_ns;
}

/* From when on there are backups at all: those of where its data is, and of where it was before. */
static int64_t begin_of(struct qr_control *control, const struct qr_database_row *row,
                        const struct qr_resource_database *d)
{
    struct qr_database_row former;
    int64_t before = 0;
    if (row->era_wall_ns != 0 &&
        qr_registry_find_former(control->options.registry, row->id, &former) == QR_OK)
        before = begin_there(&former, d);
    return before != 0 ? before : begin_there(row, d);
}

static enum qr_status describe(struct qr_control *control, const struct qr_database_row *row,
                               struct qr_resource_database *d, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row primary;
    memset(d, 0, offsetof(struct qr_resource_database, tags));
    d->row = *row;
    memcpy(d->requested_edition, row->edition, sizeof d->requested_edition);
    memcpy(d->requested_objective, row->objective, sizeof d->requested_objective);
    d->create_wall_ns = (row->create_ticks - DAYS_TO_1970 * TICKS_A_DAY) * 100;
    if (row->replica_of == 0 && !qr_is_master(row->id)) {
        int64_t end =
            qr_database_is_live(row) ? qr_env_wall_ns(control->options.env) : row->dropped_wall_ns;
        int64_t first = end - qri_retention_ns(row), begin = begin_of(control, row, d);
        d->earliest_restore_wall_ns = begin == 0 || first < begin ? begin : first;
    }
    uint32_t of = row->replica_of != 0 ? row->replica_of : row->geo_of;
    if (of != 0 && qr_registry_find_id(registry, of, &primary) == QR_OK) {
        memcpy(d->primary, primary.name, sizeof d->primary);
        memcpy(d->primary_server, primary.server, sizeof d->primary_server);
    }
    d->pause_state = (uint8_t)qri_pause_state(control, row);
    qri_ops_describe(control, d);
    return qr_registry_tags(registry, row->id, d->tags, &d->version, err);
}

static enum qr_status get(struct qr_control *control, const struct qr_control_ask *ask,
                          struct qr_buf *answer, struct qr_err *err)
{
    struct qr_resource_database d;
    struct qr_database_row row;
    QR_TRY(qr_registry_find_database(control->options.registry, ask->server, ask->name, &row));
    QR_TRY(describe(control, &row, &d, err));
    qri_resource_put(answer, &d);
    return QR_OK;
}

static enum qr_status list(struct qr_control *control, const struct qr_control_ask *ask,
                           struct qr_buf *answer, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_resource_database d;
    struct qr_database_row row;
    uint32_t after = qri_control_list_after(ask);
    for (size_t i = qr_registry_index_after(registry, after);
         answer->len < ANSWER_BYTES && qr_registry_database_at(registry, i, &row) &&
         qri_control_is_listed(ask, &row);
         i++) {
        enum qr_status status = describe(control, &row, &d, err);
        if (status == QR_OK && row.id > after)
            qri_resource_put(answer, &d);
        else if (status != QR_NOT_FOUND) /* gone meanwhile */
            QR_TRY(status);
    }
    return QR_OK;
}

/* What fails shows when it is asked for its size. */
static void wake_for_size(struct qr_control *control, const struct qr_database_row *row)
{
    int64_t until = qr_env_mono_ns(control->options.env) + WAKE_NS;
    if (qri_pause_wake(control, row->id, true, NULL) == QR_OK)
        (void)!qri_reign_wait(control, row, until, NULL);
}

void qri_usage_serve(struct qr_control *control, const struct qr_control_ask *ask,
                     struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    struct qr_move_state state = {.phase = QR_MOVE_NONE};
    struct qr_err err = {0};
    struct qr_buf answer;
    enum qr_status status =
        qr_registry_find_database(control->options.registry, ask->server, ask->name, &row);
    if (status == QR_OK && row.paused_wall_ns != 0)
        wake_for_size(control, &row);
    if (status != QR_OK)
        (void)qr_fail(&err, status, "no such database");
    else if (row.state != QR_DATABASE_ONLINE)
        status = qr_fail(&err, QR_BUSY, "The database '%s' is not online.", row.name);
    else if ((status = qri_move_size(control, &row, &state)) != QR_OK)
        status = qr_fail(&err, QR_BUSY,
                         "How large database '%s' is could not be found out just now.", row.name);
    qr_buf_init(&answer, 16);
    qr_buf_add64le(&answer, state.done);
    qr_buf_add64le(&answer, state.total);
    qr_rpc_finish(own_request, &answer, status, &err);
}

static enum qr_status set_admin_hash(struct qr_control *control, const struct qr_control_ask *ask,
                                     struct qr_buf *answer, struct qr_err *err)
{
    (void)answer;
    QR_TRY(qr_registry_set_admin_hash(control->options.registry, ask->server, ask->hash, err));
    qri_control_tell_gateway(control, true);
    return QR_OK;
}

static enum qr_status (*const calls[])(struct qr_control *control, const struct qr_control_ask *ask,
                                       struct qr_buf *answer, struct qr_err *err) = {
    [QR_CONTROL_RESOURCE - QR_CONTROL_RESOURCE] = get,
    [QR_CONTROL_RESOURCES - QR_CONTROL_RESOURCE] = list,
    [QR_CONTROL_OPERATION - QR_CONTROL_RESOURCE] = qri_ops_get,
    [QR_CONTROL_OPERATIONS - QR_CONTROL_RESOURCE] = qri_ops_list,
    [QR_CONTROL_CANCEL - QR_CONTROL_RESOURCE] = qri_ops_cancel,
    [QR_CONTROL_DOC - QR_CONTROL_RESOURCE] = qri_docs_get,
    [QR_CONTROL_DOCS - QR_CONTROL_RESOURCE] = qri_docs_list,
    [QR_CONTROL_DOC_PUT - QR_CONTROL_RESOURCE] = qri_docs_put,
    [QR_CONTROL_DOC_DELETE - QR_CONTROL_RESOURCE] = qri_docs_delete,
    [QR_CONTROL_ADMIN_HASH - QR_CONTROL_RESOURCE] = set_admin_hash,
    [QR_CONTROL_POOL - QR_CONTROL_RESOURCE] = qri_pool_get,
    [QR_CONTROL_POOLS - QR_CONTROL_RESOURCE] = qri_pool_list,
    [QR_CONTROL_LINKS - QR_CONTROL_RESOURCE] = qri_geo_links,
    [QR_CONTROL_AUTOSCALE - QR_CONTROL_RESOURCE] = qri_autoscale_list,
};

bool qri_resource_serve(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request)
{
    struct qr_err err = {0};
    struct qr_buf answer;
    size_t index = (size_t)own_request->method - QR_CONTROL_RESOURCE;
    if (index >= sizeof calls / sizeof calls[0])
        return false;
    qr_buf_init(&answer, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = calls[index](control, ask, &answer, &err);
    if (status == QR_NOT_FOUND && err.text[0] == '\0')
        (void)qr_fail(&err, status, "no such resource");
    qr_rpc_finish(own_request, &answer, status, &err);
    return true;
}
