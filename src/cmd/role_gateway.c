/* role_gateway.c - see cmd_int.h: the process that clients connect to.
 *
 * Its socket is the supervisor's, so that clients wait in the backlog while it starts again. */
#include <stdlib.h>
#include <string.h>
#include "cmd_int.h"
#include "env/thread.h"
#include "gateway/gateway.h"
#include "tunnel/tunnel.h"
#include "base/banned.h"

enum {
    TICK_MS = 10000,
    RETIRED_TICK_MS = 100,
    LAST_S = 40, /* for what is no relay between two requests; more than who is over has */
    GRACE_MS = 3000,
    STOP_MS = 4200,
    PEM_BYTES_MAX = 64 * 1024,
    ASK_BYTES_MAX = 1024
};
static const int64_t AGAIN_NS = 10000000;

/* ---- routes ---- */

struct asked {
    struct qr_rpc_call call; /* first */
    struct qr_route_job *job;
    struct gateway_role *gateway;
    struct qr_buf body;
};

struct gateway_role {
    struct qri_role *role;
    struct qri_gateway_state *state;
    struct qr_router router;
    struct qr_login_directory logins;
    struct qr_buf key_pem, cert_pem;
    struct qr_gateway *gateway;
    struct qri_reports *reports;
    struct qr_rpc_loop *tunnel_loop; /* with --advertise: to nodes on other machines */
    struct qr_tunnel_near *tunnel;
    int64_t until_ns; /* retired: it keeps its connections */
    bool ends;        /* no longer */
};

/* A node on another machine has "tcp:HOST:PORT/NODE"; it is reached through a socket here. */
static enum qr_status place(struct gateway_role *g, struct qr_control_route *route,
                            struct qr_route_job *job)
{
    char *slash = strncmp(route->address, "tcp:", 4) == 0 ? strrchr(route->address, '/') : NULL;
    job->database_id = route->database_id;
    if (slash == NULL) {
        memcpy(job->address, route->address, sizeof route->address);
        return QR_OK;
    }
    if (g->tunnel == NULL)
        return qr_fail(&job->err, QR_PROTOCOL, "a route to another machine");
    *slash = '\0';
    return qr_tunnel_near_address(g->tunnel, slash + 1, route->address, job->address, &job->err);
}

static void route_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct asked *asked = (struct asked *)call;
    struct qr_route_job *job = asked->job;
    struct qr_control_route route;
    _Static_assert(sizeof route.address <= sizeof job->address, "one address, two headers");
    _Static_assert(sizeof job->address >= QR_TUNNEL_ADDRESS_BYTES, "as well");
    job->status = reply->status;
    if (reply->status != QR_OK) {
        job->err = *reply->err;
    } else {
        job->status = qr_control_route_get(reply->body, reply->bytes, &route, &job->err);
        if (job->status == QR_OK)
            job->status = place(asked->gateway, &route, job);
    }
    qr_buf_done(&asked->body);
    free(asked);
    job->done(job);
}

static void route(void *ctx, struct qr_route_job *job)
{
    struct gateway_role *g = ctx;
    struct qri_role *role = g->role;
    struct asked *asked = calloc(1, sizeof *asked);
    struct qr_control_ask ask = {.server = qr_server_of(job->server_id),
                                 .name = job->database,
                                 .read_only = job->read_only_intent,
                                 .unchecked = job->is_unchecked};
    int64_t left_ns = job->deadline_mono_ns - qr_env_mono_ns(role->env);
    if (asked == NULL) {
        job->status = qr_fail(&job->err, QR_NOMEM, "ask a route");
        job->done(job);
        return;
    }
    asked->job = job;
    asked->gateway = g;
    qr_buf_init(&asked->body, ASK_BYTES_MAX);
    qr_control_ask_put(&asked->body, QR_CONTROL_ROUTE, &ask);
    asked->call = (struct qr_rpc_call){
        .method = QR_CONTROL_ROUTE,
        .body_count = 1,
        .body = {{.iov_base = asked->body.data, .iov_len = asked->body.len}},
        .timeout_ns = left_ns > AGAIN_NS ? left_ns : AGAIN_NS,
        .done = route_done,
    };
    qr_rpc_start(qr_rpc_client_peer(role->control), &asked->call);
}

/* ---- events ---- */

/* Subtypes of connection_failed, as sys.event_log numbers them. */
static const struct failure {
    int number;
    const char *reason; /* NULL: any */
    int subtype;
} failures[] = {
    {40615, NULL, 7},                          /* blocked_by_firewall */
    {18452, NULL, 1},                          /* windows_auth_not_supported */
    {18456, "password_change_unsupported", 3}, /* change_password_not_supported */
    {18470, NULL, 5},                          /* login_disabled */
    {18456, "disabled", 5},
    {18456, "unknown_login", 0}, /* invalid_login_name */
    {40532, NULL, 0},
    {18456, NULL, 4}, /* login_failed_for_user */
    {40613, NULL, 9}, /* reconfiguration */
    {0, NULL, 6},     /* failed_to_open_db */
};

/* Names that nobody has given to a database are no rows of anybody's. */
static void login_ended(void *ctx, uint32_t server_id, struct qr_str database, int number,
                        const char *reason)
{
    struct gateway_role *g = ctx;
    const struct failure *f = failures;
    uint32_t server = qr_server_of(server_id);
    bool is_known =
        database.n == 0 || qri_gateway_state_database(g->state, server_id, database) != 0;
    struct qr_str name = is_known ? database : qr_str("master");
    if (number == 0) {
        qri_reports_count(g->reports, server, "connection_successful", 0, name);
        return;
    }
    while (f->number != 0 &&
           (f->number != number || (f->reason != NULL && strcmp(f->reason, reason) != 0)))
        f++;
    qri_reports_count(g->reports, server, "connection_failed", f->subtype, name);
}

/* ---- the process ---- */

static enum qr_status open_tunnel(struct gateway_role *g, struct qr_err *err)
{
    struct qri_role *role = g->role;
    struct qr_rpc_loop_options loop = qri_role_loop(role, "tunnels");
    struct qr_tunnel_near_options options = {
        .env = role->env, .log = {role->sink, "tunnel"}, .dir = role->settings->run_dir};
    QR_TRY(qr_rpc_loop_new(&loop, &g->tunnel_loop, err));
    options.loop = g->tunnel_loop;
    return qr_tunnel_near_new(&options, &g->tunnel, err);
}

static enum qr_status open_gateway(struct gateway_role *g, struct qr_err *err)
{
    struct qri_role *role = g->role;
    const struct qri_settings *settings = role->settings;
    g->reports = qri_reports_new(role->env, &role->log);
    if (g->reports == NULL)
        return qr_fail(err, QR_NOMEM, "start the gateway");
    QR_TRY(qri_gateway_state_open(role, &g->state, err));
    QR_TRY(qri_datadir_tls(&role->dir, role->arena, &g->key_pem, &g->cert_pem, err));
    if (role->identity != NULL)
        QR_TRY(open_tunnel(g, err));
    g->router = (struct qr_router){.ctx = g, .route = route};
    g->logins = (struct qr_login_directory){.ctx = g->state, .find = qri_gateway_state_login};
    struct qr_gateway_options options = {
        .env = role->env,
        .log = role->log,
        .listen = settings->listen,
        .tds_port = (uint16_t)settings->tds_port,
        .tds_fd = (int)settings->tds_fd,
        .return_address = qri_role_address(role, QR_ROLE_NAME_GATEWAY, "back"),
        .key_pem = qr_buf_cstr(&g->key_pem),
        .cert_pem = qr_buf_cstr(&g->cert_pem),
        .server_name = settings->server_name,
        .router = &g->router,
        .logins = &g->logins,
        .firewall = qri_gateway_state_firewall(g->state),
        .server_id = qri_gateway_state_server,
        .database_id = qri_gateway_state_database,
        .lookup_ctx = g->state,
        .login_ended = login_ended,
        .login_ended_ctx = g,
        .allow_plaintext_login = settings->allow_plaintext_login,
        .workers = (uint32_t)settings->workers,
        .connections_max = (uint32_t)settings->connections_max,
    };
    return qr_gateway_start(&options, &g->gateway, err);
}

/* ---- service and its end ---- */

static bool tick(void *ctx)
{
    struct gateway_role *g = ctx;
    qri_reports_send(g->reports, qr_rpc_client_peer(g->role->control));
    qri_give_back_memory();
    return true;
}

/* Until the last connection is gone, or its time is over. */
static bool retired_tick(void *ctx)
{
    struct gateway_role *g = ctx;
    int64_t now = qr_env_mono_ns(g->role->env);
    if (!g->ends && now >= g->until_ns) {
        qr_gateway_end_relays(g->gateway);
        g->ends = true;
        g->until_ns = now + LAST_S * INT64_C(1000000000);
    }
    return qr_gateway_connections(g->gateway) > 0 && !(g->ends && now >= g->until_ns);
}

static void retire(struct gateway_role *g)
{
    struct qri_role *role = g->role;
    qr_gateway_retire(g->gateway);
    qri_gateway_state_stop(g->state); /* the successor's news are those that count */
    QR_LOG(&role->log, QR_INFO, "retired", QR_F("connections", qr_gateway_connections(g->gateway)));
    g->until_ns = qr_env_mono_ns(role->env) + role->settings->gateway_drain_s * INT64_C(1000000000);
    qr_env_sleep_ns(role->env, RETIRED_TICK_MS * INT64_C(1000000)); /* until it accepts no more */
    qri_role_wait(role, RETIRED_TICK_MS, retired_tick, g);
}

enum qr_status qri_serve_gateway(struct qri_role *role, struct qr_err *err)
{
    struct gateway_role g = {.role = role};
    role->may_retire = true;
    qr_buf_init(&g.key_pem, PEM_BYTES_MAX);
    qr_buf_init(&g.cert_pem, PEM_BYTES_MAX);
    enum qr_status status = open_gateway(&g, err);
    if (status == QR_OK)
        status = qri_role_ready(role, QR_ROLE_GATEWAY, err);
    if (status == QR_OK) {
        if (qri_role_wait(role, TICK_MS, tick, &g) == SIGUSR1)
            retire(&g);
        qri_role_end_within(role, STOP_MS, 0);
    }
    if (g.gateway != NULL && !qr_gateway_stop(g.gateway, GRACE_MS)) {
        qr_log_event(&role->log, QR_WARN, "sessions_left_at_stop", NULL);
        _Exit(0);
    }
    if (g.reports != NULL)
        qri_reports_send(g.reports, qr_rpc_client_peer(role->control));
    qr_rpc_client_stop(
        role->control); /* every route must be answered before the gateway is freed */
    qr_gateway_free(g.gateway);
    qr_tunnel_near_free(g.tunnel);
    qr_rpc_loop_free(g.tunnel_loop);
    qri_gateway_state_close(g.state);
    qri_reports_free(g.reports);
    qr_buf_done(&g.key_pem);
    qr_buf_done(&g.cert_pem);
    return status;
}
