/* handover.c - see ctl/control.h: the program of every process is replaced while it serves.
 *
 * What control knows and nothing else does is which processes are ready and who leads: that is
 * written down and read again. All the rest is metadata, as after a crash; nodes keep what they
 * were told meanwhile, so no operation runs while that happens. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/place.h"
#include "env/thread.h"
#include "ops_int.h"
#include "reign_int.h"
#include "base/banned.h"

enum { FORMAT = 1 };
_Static_assert(FORMAT == 1, "QRI_HANDED_FORMAT (cmd/supervisor_int.h) goes up with it");
static const int64_t AGAIN_NS = 50000000, RELOCATE_NS = INT64_C(120) * 1000000000;

/* ---- operations ---- */

/* held */
static const struct qri_op *find_running(const struct qr_control *control)
{
    const struct qri_op *op = control->ops.active;
    while (op != NULL && !op->runs)
        op = op->next_active;
    return op;
}

enum qr_status qr_control_hold(struct qr_control *control, int64_t until_mono_ns,
                               struct qr_err *err)
{
    struct qri_ops *ops = &control->ops;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&ops->mu);
    ops->held = true;
    const struct qri_op *op = NULL;
    while ((op = find_running(control)) != NULL && status == QR_OK) {
        int64_t left = until_mono_ns - qr_env_mono_ns(control->options.env);
        if (left <= 0 || control->stopping)
            status = qr_fail(err, QR_BUSY, "the operation '%s' of the database '%s' runs",
                             qri_op_kinds[op->row.kind].name, op->row.database);
        else
            (void)qr_cond_wait(&ops->changed, &ops->mu, left < AGAIN_NS ? left : AGAIN_NS);
    }
    ops->held = status == QR_OK;
    if (status != QR_OK)
        pthread_cond_broadcast(&ops->changed);
    pthread_mutex_unlock(&ops->mu);
    return status;
}

void qr_control_go_on(struct qr_control *control)
{
    pthread_mutex_lock(&control->ops.mu);
    control->ops.held = false;
    pthread_cond_broadcast(&control->ops.changed);
    pthread_mutex_unlock(&control->ops.mu);
}

enum qr_status qr_control_relocate(struct qr_control *control, uint32_t database_id,
                                   struct qr_err *err)
{
    struct qr_database_row row;
    int64_t until = qr_env_mono_ns(control->options.env) + RELOCATE_NS;
    if (qr_registry_find_id(control->options.registry, database_id, &row) != QR_OK)
        return QR_OK; /* it has been dropped */
    struct qr_control_ask ask = {
        .server = qr_server_of(row.id), .name = qr_str(row.name), .relocate = true};
    QR_TRY(
        qr_wrap(err, qri_ops_run(control, QR_CONTROL_ALTER, &ask, err), "relocate '%s'", row.name));
    return row.geo_of != 0 || !qr_database_has_nodes(&row)
               ? QR_OK
               : qri_reign_wait(control, &row, until, err);
}

/* ---- members ---- */

void qr_control_drain(struct qr_control *control, const char *node)
{
    struct qr_database_row row = {.id = QR_MASTER_ID};
    uint32_t id = 0;
    if (qr_place_database_of(node, &id))
        row.id = id;
    (void)!qr_registry_find_id(control->options.registry, row.id, &row);
    qri_control_drain_node(control, &row, node);
}

void qr_control_known(struct qr_control *control, const char *name, int pid)
{
    pthread_mutex_lock(&control->mu);
    struct qri_member *member = qri_control_member(control, name);
    if (member != NULL) {
        member->ready = true;
        member->pid = pid;
        member->generation += 1;
    }
    qri_control_look_at_parked(control);
    pthread_cond_broadcast(&control->changed);
    pthread_mutex_unlock(&control->mu);
}

/* ---- what is written down ---- */

static json_t *json_of_members(const struct qr_control *control) /* held */
{
    json_t *members = json_array();
    for (const struct qri_member *m = control->members; m != NULL; m = m->next)
        if (m->ready && !m->is_away)
            (void)json_array_append_new(
                members, json_pack("{s:s, s:i}", "name", &m->name[0], "pid", m->pid));
    return members;
}

static json_t *json_of_reigns(const struct qr_control *control) /* held */
{
    json_t *reigns = json_array();
    for (const struct qri_reign *r = control->reigns; r != NULL; r = r->next)
        (void)json_array_append_new(reigns, json_pack("{s:I, s:i, s:s}", "database",
                                                      (json_int_t)r->database_id, "state",
                                                      (int)r->state, "primary", &r->primary[0]));
    return reigns;
}

enum qr_status qr_control_hand_over(struct qr_control *control, struct qr_buf *ret_state,
                                    struct qr_err *err)
{
    pthread_mutex_lock(&control->mu);
    control->leaves = true; /* who registers from now on does so with the next one */
    json_t *state = json_pack("{s:i, s:I, s:o, s:o}", "format", (int)FORMAT, "version",
                              (json_int_t)control->version, "members", json_of_members(control),
                              "reigns", json_of_reigns(control));
    char *text = state == NULL ? NULL : json_dumps(state, JSON_COMPACT);
    json_decref(state);
    if (text == NULL)
        control->leaves = false;
    for (struct qri_member *m = control->members; text != NULL && m != NULL; m = m->next)
        qr_rpc_client_stop(m->client); /* node calls are made again by who goes on */
    pthread_mutex_unlock(&control->mu);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "write down what control knows");
    qr_control_stop(control);
    qr_rpc_client_stop(control->log);
    qr_rpc_client_stop(control->pages);
    qr_buf_add(ret_state, text, strlen(text));
    free(text);
    return qr_buf_status(ret_state, err);
}

static enum qr_status read_members(struct qr_control *control, json_t *members, struct qr_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(members, i, item)
    {
        const char *name = NULL;
        int pid = 0;
        if (json_unpack(item, "{s:s, s:i}", "name", &name, "pid", &pid) != 0 ||
            strlen(name) >= QR_NODE_NAME_BYTES)
            return qr_fail(err, QR_CORRUPT, "what control knew has no such member");
        qr_control_known(control, name, pid);
    }
    return QR_OK;
}

static enum qr_status read_reigns(struct qr_control *control, json_t *reigns, struct qr_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(reigns, i, item)
    {
        const char *primary = NULL;
        json_int_t database = 0;
        int state = 0;
        struct qri_reign was = {.next = NULL};
        if (json_unpack(item, "{s:I, s:i, s:s}", "database", &database, "state", &state, "primary",
                        &primary) != 0 ||
            strlen(primary) >= sizeof was.primary || state < 0 || state > (int)QRI_REIGN_RESTED)
            return qr_fail(err, QR_CORRUPT, "what control knew has no such primary");
        was.database_id = (uint32_t)database;
        was.state = (enum qri_reign_state)state;
        snprintf(was.primary, sizeof was.primary, "%s", primary);
        QR_TRY(qri_reign_restore(control, &was, err));
    }
    return QR_OK;
}

enum qr_status qri_control_handed(struct qr_control *control, struct qr_err *err)
{
    json_t *state = json_loads(control->options.handed, JSON_REJECT_DUPLICATES, NULL), *members,
           *reigns;
    int format = 0;
    json_int_t version = 0;
    enum qr_status status = QR_OK;
    if (state == NULL ||
        json_unpack(state, "{s:i, s:I, s:o, s:o}", "format", &format, "version", &version,
                    "members", &members, "reigns", &reigns) != 0 ||
        format != FORMAT)
        status = qr_fail(err, QR_UNSUPPORTED, "what control knew is of another format");
    if (status == QR_OK)
        status = read_members(control, members, err);
    if (status == QR_OK)
        status = read_reigns(control, reigns, err);
    if (status == QR_OK)
        control->version = (uint64_t)version + 1; /* gateways have what was true then */
    json_decref(state);
    return status;
}

void qri_control_verify(struct qr_control *control)
{
    const struct qr_control_host *host = &control->options.host;
    bool found = control->options.handed != NULL;
    while (found) {
        char name[QR_NODE_NAME_BYTES] = "";
        pthread_mutex_lock(&control->mu);
        for (const struct qri_member *m = control->members; m != NULL; m = m->next)
            if (m->ready && !m->is_away && host->pid(host->ctx, m->name) != m->pid)
                memcpy(name, m->name, sizeof name);
        pthread_mutex_unlock(&control->mu);
        found = name[0] != '\0';
        if (found)
            qr_control_exited(control, name, true);
    }
}
