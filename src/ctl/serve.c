/* serve.c - see control_int.h: control's calls, and those that wait */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "reign_int.h"
#include "ctl/place.h"
#include "ctl/slo.h"
#include "machines_int.h"
#include "base/banned.h"

enum { ROWS_ANSWER_BYTES = 256 * 1024 }; /* of DATABASES; the next call gets the rest */
static const int64_t STATE_WAIT_NS = INT64_C(20) * 1000000000;

/* ---- what waits; mu held ---- */

static bool park(struct qr_control *control, const struct qri_parked *parked)
{
    struct qri_parked *copy =
        control->stopping || control->parked_count >= QRI_PARKED_MAX ? NULL : malloc(sizeof *copy);
    if (copy == NULL)
        return false;
    *copy = *parked;
    copy->next = control->parked;
    control->parked = copy;
    control->parked_count += 1;
    return true;
}

static void answer_route(struct qr_control *control, const struct qri_parked *p, const char *node)
{
    struct qr_control_route route = {.database_id = p->row.id};
    struct qr_err err = {0};
    struct qr_buf buf;
    qr_buf_init(&buf, 1024);
    const struct qri_member *member = qri_control_member(control, node);
    int n = member != NULL && member->is_away
                ? snprintf(route.address, sizeof route.address, "%s", member->session_address)
                : snprintf(route.address, sizeof route.address, "unix:%s/%s.tds", control->run_dir,
                           node);
    enum qr_status status = n > 0 && (size_t)n < sizeof route.address
                                ? QR_OK
                                : qr_fail(&err, QR_BUG, "a node's address is too long");
    qr_control_route_put(&buf, &route);
    qr_rpc_finish(p->request, &buf, status, &err);
}

static void refuse_route(struct qr_control *control, const struct qri_parked *p)
{
    struct qr_err err = {0};
    if (control->leaves) { /* the next one knows */
        qr_rpc_refuse(p->request, QR_CLOSED, NULL);
        return;
    }
    (void)qr_sql_fail(&err, 40613, p->row.name, p->row.server, "none");
    qr_rpc_refuse(p->request, QR_SQL, &err);
}

/* A server that goes just now has no login any more, and is none. */
static void put_servers(struct qr_registry *registry, struct qr_buf *buf)
{
    char hash[QR_HASH_BYTES_MAX + 1];
    struct qr_server_row row;
    for (size_t i = 0; qr_registry_server_at(registry, i, &row); i++) {
        uint32_t owner = qr_database_id(row.number, 0);
        struct qr_control_item server = {
            .kind = QR_ITEM_DATABASE, .name = qr_str(row.name), .database_id = owner};
        struct qr_control_item login = {.kind = QR_ITEM_LOGIN,
                                        .name = qr_str(row.admin_login),
                                        .text = qr_str(hash),
                                        .database_id = owner};
        if (qr_registry_login_hash(registry, row.number, login.name, hash, &login.flag, NULL) !=
            QR_OK)
            continue;
        login.text = qr_str(hash);
        qr_control_item_put(buf, &server);
        qr_control_item_put(buf, &login);
    }
}

static void put_database(void *ctx, const struct qr_database_row *row)
{
    struct qr_control_item item = {
        .kind = QR_ITEM_DATABASE, .name = qr_str(row->name), .database_id = row->id};
    qr_control_item_put(ctx, &item);
}

static void answer_state(struct qr_control *control, struct qr_rpc_request *own_request)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_err err = {0};
    struct qr_buf buf;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    qr_buf_add64le(&buf, control->version);
    put_servers(registry, &buf);
    enum qr_status status =
        qri_control_put_logins(control, QR_SERVER_ANY, true, qr_str(""), &buf, &err);
    if (status == QR_OK)
        status = qri_control_put_rules(control, true, 0, &buf, &err);
    if (status == QR_OK)
        qr_registry_each_live(registry, put_database, &buf);
    qr_rpc_finish(own_request, &buf, status, &err);
}

/* True: it has been answered or refused. */
static bool settle(struct qr_control *control, struct qri_parked *p, int64_t now_ns)
{
    bool over = now_ns >= p->deadline_ns || qr_rpc_request_gone(p->request);
    if (p->method == QR_CONTROL_STATE) {
        if (control->version <= p->known_version && !over)
            return false;
        answer_state(control, p->request);
        return true;
    }
    char node[QR_NODE_NAME_BYTES];
    (void)!qr_registry_find_id(control->options.registry, p->row.id, &p->row); /* it may move */
    bool parks = qri_pause_parks(control, &p->row);
    if (!parks && qri_reign_route(control, &p->row, p->read_only, node))
        answer_route(control, p, node);
    else if (over)
        refuse_route(control, p);
    else
        return false;
    return true;
}

void qri_control_look_at_parked(struct qr_control *control)
{
    int64_t now = qr_env_mono_ns(control->options.env);
    for (struct qri_parked **at = &control->parked; *at != NULL;) {
        struct qri_parked *p = *at;
        if (!settle(control, p, now)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        control->parked_count -= 1;
        free(p);
    }
}

void qri_control_refuse_parked(struct qr_control *control)
{
    while (control->parked != NULL) {
        struct qri_parked *p = control->parked;
        control->parked = p->next;
        control->parked_count -= 1;
        if (p->method == QR_CONTROL_ROUTE)
            refuse_route(control, p);
        else
            qr_rpc_refuse(p->request, QR_CLOSED, NULL);
        free(p);
    }
}

/* ---- short calls: each answers, refuses or parks ---- */

static void serve_register(struct qr_control *control, const struct qr_control_ask *ask,
                           struct qr_rpc_request *own_request)
{
    char name[QR_NODE_NAME_BYTES];
    struct qr_err err = {0};
    snprintf(name, sizeof name, "%.*s", (int)ask->name.n, ask->name.p);
    const struct qr_control_host *host = &control->options.host;
    /* under mu, as exited is: a process that is gone cannot be noted after its end */
    pthread_mutex_lock(&control->mu);
    int pid = host->pid(host->ctx, name);
    bool leaves = control->leaves; /* the next one is told, who would not know it else */
    struct qri_member *member =
        !leaves && pid == (int)ask->pid ? qri_control_member(control, name) : NULL;
    if (member != NULL) {
        member->ready = true;
        member->pid = pid;
        member->is_away = false;
        member->generation += 1;
        qri_control_look_at_parked(control);
        pthread_cond_broadcast(&control->changed);
    }
    pthread_mutex_unlock(&control->mu);
    if (leaves) {
        qr_rpc_refuse(own_request, QR_CLOSED, NULL);
        return;
    }
    if (member == NULL) {
        (void)qr_fail(&err, QR_DENIED, "process %u is not our '%s'", ask->pid, name);
        qr_rpc_refuse(own_request, QR_DENIED, &err);
        return;
    }
    QR_LOG(&control->options.log, QR_INFO, "ready", QR_F("name", &name[0]), QR_F("pid", pid));
    qri_away_ended(control, name);
    qr_rpc_answer(own_request, NULL, 0);
    uint32_t id;
    bool alone = qr_place_has_copy(name) && !qri_reign_is_primary(control, name);
    if (qr_place_database_of(name, &id) && !alone) /* it wants nobody that its primary does not */
        qri_reign_want(control, id);
}

void qri_put_duty(struct qr_control *control, const struct qr_database_row *row, const char *name,
                  struct qr_buf *buf)
{
    const struct qr_slo *slo = qr_control_node_slo(control, name);
    uint8_t duty = (uint8_t)qri_reign_duty(control, row, name);
    qr_buf_add8(buf, row->away != 0 ? duty | QR_DUTY_WAITS : duty);
    qr_buf_add32le(buf, slo == NULL ? 0 : slo->memory_mib);
}

static void serve_duty(struct qr_control *control, const struct qr_control_ask *ask,
                       struct qr_rpc_request *own_request)
{
    char name[QR_NODE_NAME_BYTES];
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    uint32_t id = 0;
    snprintf(name, sizeof name, "%.*s", (int)ask->name.n, ask->name.p);
    enum qr_status status = QR_NOT_FOUND;
    if (qr_place_database_of(name, &id))
        status = qr_registry_find_id(control->options.registry, id, &row);
    qr_buf_init(&buf, 16);
    if (status == QR_OK)
        qri_put_duty(control, &row, name, &buf);
    else
        (void)qr_fail(&err, status, "no database has the node '%s'", name);
    qr_rpc_finish(own_request, &buf, status, &err);
}

static void serve_route(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request)
{
    struct qr_err err = {0};
    char node[QR_NODE_NAME_BYTES];
    struct qr_str name = ask->name.n == 0 ? qr_str("master") : ask->name;
    struct qri_parked p = {.request = own_request,
                           .method = QR_CONTROL_ROUTE,
                           .read_only = ask->read_only,
                           .deadline_ns = own_request->deadline_mono_ns};
    if (qr_registry_find_database(control->options.registry, ask->server, name, &p.row) != QR_OK ||
        p.row.state != QR_DATABASE_ONLINE) {
        char text[QR_NAME_BYTES_MAX + 1];
        snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
        (void)qr_sql_fail(&err, 4060, text);
        qr_rpc_refuse(own_request, QR_SQL, &err);
        return;
    }
    if (ask->unchecked && p.row.paused_wall_ns != 0 && p.row.only_logins != 0) {
        (void)qr_sql_fail(&err, 4060, p.row.name); /* nobody in it can know him: it sleeps on */
        qr_rpc_refuse(own_request, QR_SQL, &err);
        return;
    }
    pthread_mutex_lock(&control->mu);
    bool ready = qri_reign_route(control, &p.row, p.read_only, node) ||
                 qri_pause_parks(control, &p.row) ||
                 qri_reign_is_held_back(control, p.row.id); /* it starts nothing */
    const struct qri_member *member = qri_control_find_member(control, node);
    ready |= member != NULL && member->drains; /* who ends it sees to the next one */
    pthread_mutex_unlock(&control->mu);
    enum qr_status status = QR_OK;
    if (!ready && !control->stopping)
        status = qri_away_want(control, node, &err);
    if (!ready && qr_database_has_copies(&p.row)) /* they start together: it waits for them */
        qri_reign_want(control, p.row.id);
    pthread_mutex_lock(&control->mu);
    if (settle(control, &p, qr_env_mono_ns(control->options.env))) {
        pthread_mutex_unlock(&control->mu);
        return;
    }
    if (status == QR_BUSY) /* it is being ended: the gateway asks again */
        qr_rpc_refuse(own_request, QR_BUSY, &err);
    else if (status != QR_OK || !park(control, &p))
        refuse_route(control, &p);
    pthread_mutex_unlock(&control->mu);
}

static void serve_state(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request)
{
    struct qri_parked p = {
        .request = own_request,
        .method = QR_CONTROL_STATE,
        .known_version = ask->version,
        .deadline_ns = qr_env_mono_ns(control->options.env) + STATE_WAIT_NS,
    };
    if (own_request->deadline_mono_ns < p.deadline_ns)
        p.deadline_ns = own_request->deadline_mono_ns;
    pthread_mutex_lock(&control->mu);
    control->gateway_version = ask->version;
    pthread_cond_broadcast(&control->changed);
    if (control->version > ask->version || !park(control, &p))
        answer_state(control, own_request);
    pthread_mutex_unlock(&control->mu);
}

static void serve_find(struct qr_control *control, const struct qr_control_ask *ask,
                       struct qr_rpc_request *own_request)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    enum qr_status status = ask->name.n == 0
                                ? qr_registry_find_id(registry, ask->id, &row)
                                : qr_registry_find_database(registry, ask->server, ask->name, &row);
    qr_buf_init(&buf, ROWS_ANSWER_BYTES);
    if (status == QR_OK)
        qr_control_row_put(&buf, &row);
    else
        (void)qr_fail(&err, status, "no such database");
    qr_rpc_finish(own_request, &buf, status, &err);
}

uint32_t qri_control_list_after(const struct qr_control_ask *ask)
{
    uint32_t first = ask->server == QR_SERVER_ANY ? 0 : qr_database_id(ask->server, 0);
    return ask->id > first ? ask->id : first;
}

bool qri_control_is_listed(const struct qr_control_ask *ask, const struct qr_database_row *row)
{
    return ask->server == QR_SERVER_ANY || qr_server_of(row->id) == ask->server;
}

static void serve_databases(struct qr_control *control, const struct qr_control_ask *ask,
                            struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    uint32_t after = qri_control_list_after(ask);
    for (size_t i = qr_registry_index_after(control->options.registry, after);
         buf.len < ROWS_ANSWER_BYTES &&
         qr_registry_database_at(control->options.registry, i, &row) &&
         qri_control_is_listed(ask, &row);
         i++)
        if (row.id > after)
            qr_control_row_put(&buf, &row);
    qr_rpc_finish(own_request, &buf, QR_OK, &err);
}

static void serve_rules(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request)
{
    struct qr_err err = {0};
    struct qr_buf buf;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = qri_control_put_rules(control, false, ask->id, &buf, &err);
    qr_rpc_finish(own_request, &buf, status, &err);
}

static void serve_login(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request)
{
    struct qr_registry *registry = control->options.registry;
    char hash[QR_HASH_BYTES_MAX + 1];
    struct qr_server_row row = {.number = ask->server};
    struct qr_control_item item = {.kind = QR_ITEM_LOGIN,
                                   .database_id = qr_database_id(ask->server, 0)};
    struct qr_err err = {0};
    struct qr_buf buf;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    (void)qr_registry_server(registry, ask->server, &row);
    enum qr_status status =
        qr_registry_login_hash(registry, ask->server, ask->name, hash, &item.flag, &err);
    item.name = qr_str(row.admin_login); /* as it was made */
    if (status == QR_OK) {
        item.text = qr_str(hash);
        qr_control_item_put(&buf, &item);
    }
    qr_rpc_finish(own_request, &buf, status, &err);
}

static void serve_server(struct qr_control *control, const struct qr_control_ask *ask,
                         struct qr_rpc_request *own_request)
{
    struct qr_server_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    enum qr_status status = qr_registry_find_server(control->options.registry, ask->name, &row);
    qr_buf_init(&buf, QR_CONTROL_TEXT_BYTES_MAX);
    if (status == QR_OK)
        qr_control_item_put(
            &buf, &(struct qr_control_item){.kind = QR_ITEM_DATABASE,
                                            .name = qr_str(row.name),
                                            .database_id = qr_database_id(row.number, 0)});
    else
        (void)qr_fail(&err, status, "There is no such server.");
    qr_rpc_finish(own_request, &buf, status, &err);
}

static void serve_report(struct qr_control *control, const struct qr_control_ask *ask,
                         struct qr_rpc_request *own_request)
{
    qri_telemetry_serve(control, ask, true, own_request);
}

static void serve_telemetry(struct qr_control *control, const struct qr_control_ask *ask,
                            struct qr_rpc_request *own_request)
{
    qri_telemetry_serve(control, ask, false, own_request);
}

static void (*const short_calls[])(struct qr_control *control, const struct qr_control_ask *ask,
                                   struct qr_rpc_request *own_request) = {
    [QR_CONTROL_REGISTER - QR_CONTROL_REGISTER] = serve_register,
    [QR_CONTROL_ROUTE - QR_CONTROL_REGISTER] = serve_route,
    [QR_CONTROL_STATE - QR_CONTROL_REGISTER] = serve_state,
    [QR_CONTROL_FIND - QR_CONTROL_REGISTER] = serve_find,
    [QR_CONTROL_DATABASES - QR_CONTROL_REGISTER] = serve_databases,
    [QR_CONTROL_RULES - QR_CONTROL_REGISTER] = serve_rules,
    [QR_CONTROL_DUTY - QR_CONTROL_REGISTER] = serve_duty,
    [QR_CONTROL_LOGIN - QR_CONTROL_REGISTER] = serve_login,
    [QR_CONTROL_SERVER - QR_CONTROL_REGISTER] = serve_server,
    [QR_CONTROL_REPORT - QR_CONTROL_REGISTER] = serve_report,
    [QR_CONTROL_TELEMETRY - QR_CONTROL_REGISTER] = serve_telemetry,
    [QR_CONTROL_LIMITS - QR_CONTROL_REGISTER] = qri_limits_serve,
    [QR_CONTROL_LOGINS - QR_CONTROL_REGISTER] = qri_logins_serve,
    [QR_CONTROL_MACHINES - QR_CONTROL_REGISTER] = qri_machines_serve,
    [QR_CONTROL_SURE_TIME - QR_CONTROL_REGISTER] = qri_retention_serve_time,
};

/* What is no operation that may take its time (ops.c). */
static enum qr_status (*const changes[])(struct qr_control *control,
                                         const struct qr_control_ask *ask, struct qr_err *err) = {
    [QR_CONTROL_SET_RULE - QR_CONTROL_CREATE] = qri_control_set_rule,
    [QR_CONTROL_DELETE_RULE - QR_CONTROL_CREATE] = qri_control_delete_rule,
    [QR_CONTROL_RETENTION - QR_CONTROL_CREATE] = qri_control_set_retention,
    [QR_CONTROL_GROW - QR_CONTROL_CREATE] = qri_control_grow,
    [QR_CONTROL_REIGN - QR_CONTROL_CREATE] = qri_reign_grant,
    [QR_CONTROL_MEMBERS - QR_CONTROL_CREATE] = qri_reign_members,
    [QR_CONTROL_UNKEEP - QR_CONTROL_CREATE] = qri_vault_unkeep,
    [QR_CONTROL_MAKE_SERVER - QR_CONTROL_CREATE] = qri_control_make_server,
    [QR_CONTROL_BACKED_UP - QR_CONTROL_CREATE] = qri_backups_note,
    [QR_CONTROL_DROP_GROUP - QR_CONTROL_CREATE] = NULL,
    [QR_CONTROL_GEO_CHANGE - QR_CONTROL_CREATE] = NULL,
    [QR_CONTROL_AUTOSCALE_SET - QR_CONTROL_CREATE] = qri_autoscale_change,
    [QR_CONTROL_SET_LOGIN - QR_CONTROL_CREATE] = qri_control_set_login,
    [QR_CONTROL_SET_OWNER - QR_CONTROL_CREATE] = qri_control_set_owner,
    [QR_CONTROL_UNFIT - QR_CONTROL_CREATE] = qri_reign_unfit,
};

void qri_control_serve_short(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_control_ask ask;
    struct qr_err err = {0};
    size_t index = (size_t)own_request->method - QR_CONTROL_REGISTER; /* wraps below: too big */
    bool is_short = index < sizeof short_calls / sizeof short_calls[0];
    enum qr_status status =
        !is_short && own_request->method < QR_CONTROL_RESOURCE
            ? qr_fail(&err, QR_UNSUPPORTED, "no short call %u", own_request->method)
            : qr_control_ask_get(own_request->method, own_request->body, own_request->bytes, &ask,
                                 &err);
    if (status == QR_OK && is_short)
        short_calls[index](ctx, &ask, own_request);
    else if (status != QR_OK || !qri_resource_serve(ctx, &ask, own_request))
        qr_rpc_refuse(own_request, status == QR_OK ? QR_UNSUPPORTED : status, &err);
}

void qri_control_serve_operation(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_control_ask ask;
    struct qr_err err = {0};
    size_t index = (size_t)own_request->method - QR_CONTROL_CREATE;
    bool lists =
        own_request->method == QR_CONTROL_BACKUPS || own_request->method == QR_CONTROL_USAGE;
    bool is_known = index < sizeof changes / sizeof changes[0] || lists;
    enum qr_status status =
        !is_known ? qr_fail(&err, QR_UNSUPPORTED, "no operation %u", own_request->method)
                  : qr_control_ask_get(own_request->method, own_request->body, own_request->bytes,
                                       &ask, &err);
    if (status == QR_OK && lists) {
        if (own_request->method == QR_CONTROL_USAGE)
            qri_usage_serve(ctx, &ask, own_request);
        else
            qri_backups_serve(ctx, &ask, own_request);
        return;
    }
    if (status == QR_OK && changes[index] == NULL) {
        qri_ops_serve(ctx, &ask, own_request);
        return;
    }
    if (status == QR_OK)
        status = changes[index](ctx, &ask, &err);
    if (status == QR_OK)
        qr_rpc_answer(own_request, NULL, 0);
    else
        qr_rpc_refuse(own_request, status, &err);
}
