/* machines.c - see machines_int.h: processes of this service that run on other machines.
 *
 * Each says again and again that it is there. Who has been silent for LAPSE_NS is lost, whatever
 * its connections say: a machine without power, or behind a network that is cut, ends none. Log
 * service and page server are placed there by the server's options, and nobody else can play them:
 * whoever calls them waits, and the log tells. A compute node is where it says that it is: while
 * that is lost, the server's own host starts one with the next route, and ends it when the other is
 * back. Those of Hyperscale that can write: away.c. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "reign_int.h"
#include "ctl/place.h"
#include "rpc/identity.h"
#include "machines_int.h"
#include "base/banned.h"

static const int64_t LAPSE_NS = INT64_C(5) * 1000000000, AWAY_NS = 250000000,
                     COMES_NS = INT64_C(3) * 1000000000;
enum { WORKERS = 2, OPERATION_WORKERS = 4, WORKER_STACK_BYTES = 1 << 20 };
#define ALL_ROLES QR_ROLE_NAME_LOG " " QR_ROLE_NAME_PAGE " " QR_ROLE_NAME_COMPUTE

/* What another machine may call, and as what; everything else is refused. */
static const struct {
    uint16_t method;
    const char *roles;
} allowed[] = {
    {QR_CONTROL_REGISTER, ALL_ROLES},
    {QR_CONTROL_JOIN, ALL_ROLES},
    {QR_CONTROL_DATABASES, QR_ROLE_NAME_PAGE " " QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_FIND, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_SERVER, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_RULES, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_DUTY, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_TAKE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_GONE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_GROW, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_REPORT, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_TELEMETRY, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_AUTOSCALE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_LIMITS, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_LOGINS, QR_ROLE_NAME_COMPUTE},
    /* what statements of an administrator ask for */
    {QR_CONTROL_CREATE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_ALTER, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_AUTOSCALE_SET, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_RENAME, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_DROP, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_SET_RULE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_DELETE_RULE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_ADD_REPLICA, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_FAILOVER, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_GEO_CHANGE, QR_ROLE_NAME_COMPUTE},
    {QR_CONTROL_SET_OWNER, QR_ROLE_NAME_COMPUTE},
};

static bool may_call(const struct qr_rpc_request *request)
{
    size_t i = 0;
    while (i < sizeof allowed / sizeof allowed[0] && allowed[i].method != request->method)
        i++;
    return i < sizeof allowed / sizeof allowed[0] && request->from != NULL &&
           qr_identity_plays(request->from, allowed[i].roles);
}

static const char *role_name(uint8_t role)
{
    static const char *const names[QR_ROLE_COUNT] = {
        [QR_ROLE_LOG] = QR_ROLE_NAME_LOG,         [QR_ROLE_PAGE] = QR_ROLE_NAME_PAGE,
        [QR_ROLE_GATEWAY] = QR_ROLE_NAME_GATEWAY, [QR_ROLE_COMPUTE] = QR_ROLE_NAME_COMPUTE,
        [QR_ROLE_API] = QR_ROLE_NAME_API,
    };
    return names[role];
}

bool qri_machines_have(const struct qr_control *control, const char *role)
{
    const struct qr_control_machines *machines = control->options.machines;
    return machines != NULL && ((machines->log_away && strcmp(role, QR_ROLE_NAME_LOG) == 0) ||
                                (machines->page_away && strcmp(role, QR_ROLE_NAME_PAGE) == 0));
}

enum qr_status qri_machines_client(struct qr_control *control, const char *role,
                                   struct qr_rpc_client **ret_client, struct qr_err *err)
{
    const struct qr_control_service *service = &control->options.machines->service;
    struct qr_rpc_client_options options = {
        .address = strcmp(role, QR_ROLE_NAME_LOG) == 0 ? service->log : service->page,
        .roles = role,
        .backoff_max_ns = AWAY_NS,
    };
    return qr_rpc_client_new(control->loop, &options, ret_client, err);
}

/* ---- registration ---- */

enum qr_status qri_machines_row(struct qr_control *control, const char *name,
                                struct qr_database_row *ret_row, struct qr_err *err)
{
    uint32_t id = 0;
    if (!qr_place_database_of(name, &id) || qr_place_has_copy(name))
        return qr_fail(err, QR_DENIED, "'%s' is no node for another machine", name);
    if (qr_registry_find_id(control->options.registry, id, ret_row) != QR_OK ||
        ret_row->state != QR_DATABASE_ONLINE)
        return qr_fail(err, QR_NOT_FOUND, "there is no database %u", id);
    return QR_OK;
}

/* Has the process the certificate of what it says it is, and is that placed away? The row is that
 * of a compute node. */
static enum qr_status check(struct qr_control *control, const struct qr_control_ask *ask,
                            const struct qr_identity *from, const char *name,
                            struct qr_database_row *ret_row, struct qr_err *err)
{
    const char *role = role_name(ask->role);
    if (!qr_identity_plays(from, role))
        return qr_fail(err, QR_DENIED, "machine '%s' has no certificate for the role '%s'",
                       from->name, role);
    if (ask->role != QR_ROLE_COMPUTE)
        return strcmp(name, role) == 0 && qri_machines_have(control, role)
                   ? QR_OK
                   : qr_fail(err, QR_DENIED, "'%s' is not placed on another machine", name);
    QR_TRY(qri_machines_row(control, name, ret_row, err));
    return qri_away_check(control, ret_row, name, err);
}

/* The client of a member's node calls at that address. */
static enum qr_status place_at(struct qr_control *control, struct qri_member *member,
                               const struct qr_control_ask *ask, struct qr_err *err) /* held */
{
    char address[QR_CONTROL_PLACE_BYTES];
    snprintf(address, sizeof address, "%.*s", (int)ask->node_address.n, ask->node_address.p);
    if (member->away_client != NULL && strcmp(address, member->node_address) != 0)
        return qr_fail(err, QR_CONFLICT, "'%s' was at %s before: restart the service to move it",
                       member->name, member->node_address);
    struct qr_rpc_client_options options = {
        .address = address, .roles = QR_ROLE_NAME_COMPUTE, .backoff_max_ns = AWAY_NS};
    if (member->away_client == NULL)
        QR_TRY(qr_rpc_client_new(control->loop, &options, &member->away_client, err));
    memcpy(member->node_address, address, sizeof address);
    int n = snprintf(member->session_address, sizeof member->session_address, "%.*s/%s",
                     (int)ask->session_address.n, ask->session_address.p, member->name);
    return n > 0 && (size_t)n < sizeof member->session_address
               ? QR_OK
               : qr_fail(err, QR_TOO_BIG, "the address of '%s' is too long", member->name);
}

/* True: it was not there before. The row is that of a compute node. */
static enum qr_status note(struct qr_control *control, const struct qr_control_ask *ask,
                           const struct qr_database_row *row, const struct qr_identity *from,
                           const char *name, bool *ret_new, struct qr_err *err) /* held */
{
    const struct qr_control_host *host = &control->options.host;
    struct qri_member *member = qri_control_member(control, name);
    if (member == NULL)
        return qr_fail(err, QR_NOMEM, "register");
    *ret_new = !member->ready || !member->is_away || member->away_pid != ask->pid;
    bool is_node = ask->role == QR_ROLE_COMPUTE, runs = is_node && host->pid(host->ctx, name) != 0;
    if (runs && row->replica_of == 0)
        return qr_fail(err, QR_CONFLICT, "'%s' runs here meanwhile", name);
    if (runs) {
        member->moves |= !member->is_moving; /* the thread of reigns ends ours */
        member->comes_until_ns = qr_env_mono_ns(control->options.env) + COMES_NS;
        pthread_cond_broadcast(&control->changed);
        return qr_fail(err, QR_BUSY, "'%s' still runs here", name);
    }
    if (is_node)
        QR_TRY(place_at(control, member, ask, err));
    member->is_away = member->ready = true;
    member->has_left = false;
    member->comes_until_ns = 0;
    snprintf(member->machine, sizeof member->machine, "%s", from->name);
    member->away_pid = ask->pid;
    member->until_ns = qr_env_mono_ns(control->options.env) + LAPSE_NS;
    if (*ret_new) {
        member->generation += 1;
        if (is_node && row->replica_of != 0)
            qri_reign_lead(control, name);
        qri_control_look_at_parked(control);
        pthread_cond_broadcast(&control->changed);
    }
    return QR_OK;
}

static void serve_register(struct qr_control *control, const struct qr_control_ask *ask,
                           struct qr_rpc_request *own_request)
{
    char name[QR_NODE_NAME_BYTES];
    struct qr_database_row row;
    struct qr_err err = {0};
    bool is_new = false;
    snprintf(name, sizeof name, "%.*s", (int)ask->name.n, ask->name.p);
    enum qr_status status = check(control, ask, own_request->from, name, &row, &err);
    if (status == QR_OK) {
        pthread_mutex_lock(&control->mu);
        status = note(control, ask, &row, own_request->from, name, &is_new, &err);
        pthread_mutex_unlock(&control->mu);
    }
    if (is_new && status == QR_OK)
        QR_LOG(&control->options.log, QR_INFO, "ready", QR_F("name", &name[0]),
               QR_F("pid", ask->pid), QR_F("machine", &own_request->from->name[0]));
    uint32_t id = 0;
    if (status == QR_OK)
        qr_rpc_answer(own_request, NULL, 0);
    else
        qr_rpc_refuse(own_request, status, &err);
    if (status == QR_OK && qr_place_database_of(name, &id)) /* its HA replicas are here */
        qri_reign_want(control, id);
}

bool qri_machines_comes(const struct qr_control *control, const struct qri_member *member)
{
    return qr_env_mono_ns(control->options.env) < member->comes_until_ns;
}

static const char *address_of(const struct qr_control *control, const struct qri_member *member)
{
    const struct qr_control_service *service = &control->options.machines->service;
    if (member->away_client != NULL)
        return member->node_address;
    return strcmp(member->name, QR_ROLE_NAME_LOG) == 0 ? service->log : service->page;
}

void qri_machines_lose(struct qr_control *control, struct qri_member *member)
{
    member->is_away = member->ready = false;
    member->generation += 1;
    member->lapsed = member->away_client != NULL;
    if (member->away_client != NULL)
        qri_reign_exited(control, member->name, true); /* an HA replica of it goes on */
    pthread_cond_broadcast(&control->changed);
}

void qri_machines_tick(struct qr_control *control)
{
    int64_t now = qr_env_mono_ns(control->options.env);
    for (struct qri_member *member = control->members; member != NULL; member = member->next) {
        if (member->comes_until_ns != 0 && now >= member->comes_until_ns) {
            member->comes_until_ns = 0;
            member->lapsed = true;
            pthread_cond_broadcast(&control->changed);
        }
        if (!member->is_away || now < member->until_ns)
            continue;
        QR_LOG(&control->options.log, QR_WARN, "machine_lost", QR_F("node", &member->name[0]),
               QR_F("address", address_of(control, member)));
        qri_machines_lose(control, member);
    }
}

void qri_machines_serve(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request)
{
    static const char *const placed[] = {QR_ROLE_NAME_LOG, QR_ROLE_NAME_PAGE};
    struct qr_err err = {0};
    struct qr_buf buf;
    enum qr_status status = QR_OK;
    (void)ask;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    pthread_mutex_lock(&control->mu);
    for (size_t i = 0; i < sizeof placed / sizeof placed[0] && status == QR_OK; i++)
        if (qri_machines_have(control, placed[i]) && qri_control_member(control, placed[i]) == NULL)
            status = qr_fail(&err, QR_NOMEM, "name '%s'", placed[i]);
    for (struct qri_member *member = control->members; member != NULL; member = member->next) {
        bool is_expected = member->away_client != NULL && !member->has_left;
        if (!is_expected && !qri_machines_have(control, member->name))
            continue;
        struct qr_control_item item = {.kind = QR_ITEM_MACHINE,
                                       .name = qr_str(member->name),
                                       .text = qr_str(address_of(control, member)),
                                       .flag = member->is_away};
        qr_control_item_put(&buf, &item);
    }
    pthread_mutex_unlock(&control->mu);
    qr_rpc_finish(own_request, &buf, status, &err);
}

/* Its sessions go along, if they can, and then it ends. */
static void move(struct qr_control *control, const char *name)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row row;
    uint32_t id;
    if (qr_place_database_of(name, &id) &&
        qr_registry_find_id(control->options.registry, id, &row) == QR_OK)
        (void)qri_control_drain_node(control, &row, name);
    host->end(host->ctx, name);
}

/* Ours in the place of who was lost, or did not come. Who waits for the primary does so already. */
static void replace(struct qr_control *control, const char *name, uint32_t id)
{
    char primary[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    const struct qri_parked *p = control->parked;
    while (p != NULL && (p->method != QR_CONTROL_ROUTE || p->row.id != id))
        p = p->next;
    qri_reign_primary(control, id, primary);
    bool waits = p != NULL && strcmp(name, primary) == 0 && !qri_control_ready(control, name) &&
                 !qri_reign_is_held_back(control, id);
    pthread_mutex_unlock(&control->mu);
    if (waits)
        (void)!qri_away_want(control, name, NULL); /* the next route tries again */
    qri_reign_want(control, id);
}

bool qri_machines_move(struct qr_control *control)
{
    char name[QR_NODE_NAME_BYTES];
    uint32_t id = 0;
    struct qri_member *member = control->members;
    while (member != NULL && !member->moves && !member->lapsed)
        member = member->next;
    if (member == NULL)
        return false;
    bool moves = member->moves;
    member->moves = member->lapsed = false;
    member->is_moving = moves;
    memcpy(name, member->name, sizeof name);
    (void)qr_place_database_of(name, &id);
    pthread_mutex_unlock(&control->mu);
    if (moves)
        move(control, name);
    else
        replace(control, name, id);
    pthread_mutex_lock(&control->mu);
    member = qri_control_find_member(control, name); /* its database may be gone */
    if (member == NULL || !moves)
        return true;
    member->is_moving = false;
    if (member->moves_to[0] != '\0') /* who was the primary is on its way there */
        qri_reign_moved(control, id, name, member->moves_to);
    member->moves_to[0] = '\0';
    return true;
}

bool qri_machines_is_away(struct qr_control *control, const char *name)
{
    pthread_mutex_lock(&control->mu);
    const struct qri_member *member = control->members;
    while (member != NULL && strcmp(member->name, name) != 0)
        member = member->next;
    bool is_away = member != NULL && member->is_away;
    pthread_mutex_unlock(&control->mu);
    return is_away;
}

/* ---- calls ---- */

static void put_service(const struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_buf *buf)
{
    struct qr_control_service service = control->options.machines->service;
    if (ask->role == QR_ROLE_COMPUTE) /* it reads no object of the blob store */
        service.server_key[0] = '\0';
    qr_control_service_put(buf, &service);
}

static void serve_join(struct qr_control *control, const struct qr_control_ask *ask,
                       struct qr_rpc_request *own_request)
{
    const char *role = role_name(ask->role);
    struct qr_err err = {0};
    struct qr_buf buf;
    enum qr_status status = QR_OK;
    qr_buf_init(&buf, sizeof(struct qr_control_service) + 64);
    if (!qr_identity_plays(own_request->from, role))
        status = qr_fail(&err, QR_DENIED, "machine '%s' has no certificate for the role '%s'",
                         own_request->from->name, role);
    else if (ask->role != QR_ROLE_COMPUTE && !qri_machines_have(control, role))
        status = qr_fail(&err, QR_DENIED, "the role '%s' is not placed on another machine", role);
    else
        put_service(control, ask, &buf);
    qr_rpc_finish(own_request, &buf, status, &err);
}

static void (*const own_calls[])(struct qr_control *control, const struct qr_control_ask *ask,
                                 struct qr_rpc_request *own_request) = {
    [QR_CONTROL_JOIN - QR_CONTROL_JOIN] = serve_join,
    [QR_CONTROL_TAKE - QR_CONTROL_JOIN] = qri_away_serve_take,
    [QR_CONTROL_GONE - QR_CONTROL_JOIN] = qri_away_serve_gone,
};

static void serve_machine(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_control *control = ctx;
    struct qr_control_ask ask;
    struct qr_err err = {0};
    size_t index = (size_t)own_request->method - QR_CONTROL_JOIN; /* wraps below: too big */
    bool registers = own_request->method == QR_CONTROL_REGISTER;
    bool is_own = registers || index < sizeof own_calls / sizeof own_calls[0];
    enum qr_status status = QR_OK;
    if (!may_call(own_request))
        status = qr_fail(&err, QR_DENIED, "call %u is not for this machine", own_request->method);
    else if (is_own)
        status = qr_control_ask_get(own_request->method, own_request->body, own_request->bytes,
                                    &ask, &err);
    if (status != QR_OK)
        qr_rpc_refuse(own_request, status, &err);
    else if (registers)
        serve_register(control, &ask, own_request);
    else if (is_own)
        own_calls[index](control, &ask, own_request);
    else
        qri_control_serve_short(control, own_request);
}

static void serve_machine_operation(void *ctx, struct qr_rpc_request *own_request)
{
    if (may_call(own_request))
        qri_control_serve_operation(ctx, own_request);
    else
        qr_rpc_refuse(own_request, QR_DENIED, NULL);
}

enum qr_status qri_machines_listen(struct qr_control *control, struct qr_err *err)
{
    const struct qr_control_machines *machines = control->options.machines;
    struct qr_rpc_listen_options brief = {
        .address = machines->address,
        .roles = ALL_ROLES,
        .serve = serve_machine,
        .ctx = control,
        .workers = WORKERS,
        .worker_stack_bytes = WORKER_STACK_BYTES,
    };
    struct qr_rpc_listen_options operations = brief;
    operations.address = machines->operate_address;
    operations.roles = QR_ROLE_NAME_COMPUTE;
    operations.serve = serve_machine_operation;
    operations.workers = OPERATION_WORKERS;
    QR_TRY(qr_rpc_listen(control->loop, &brief, &control->machine_listener, err));
    return qr_rpc_listen(control->loop, &operations, &control->machine_operation_listener, err);
}
