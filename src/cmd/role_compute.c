/* role_compute.c - see cmd_int.h: the process that runs sessions.
 *
 * The node "shared" hosts master and all databases that have files, each opened by its first login.
 * A node "bc-<id>" hosts one database of Business Critical or Premium, which has files, too.
 * A node "hs-<id>" or "hs-<id>-r<n>" hosts one Hyperscale database, as its primary or a replica of
 * it, which control tells: it is ready when that is open, and ends when nobody has used it for a
 * while; a replica that can take over ends when its primary has. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "blob/blob.h"
#include "cmd_int.h"
#include "ctl/slo.h"
#include "gateway/gateway.h"
#include "governor/governor.h"
#include "store/store.h"
#include "tunnel/tunnel.h"
#include "base/banned.h"

enum {
    TICK_MS = 10000,
    GRACE_MS = 2000,       /* the service stops */
    SWITCH_GRACE_MS = 200, /* another node of the database takes over, and clients wait for it */
    STOP_MS = 4000,
    NODE_WORKERS = 4,
    WORKERS_MAX = 2000, /* requests that run or wait, of all databases */
    WORKER_STACK_BYTES = 8 << 20
};
static const size_t SESSION_BYTES_MAX = (size_t)512 << 20;
static const int64_t TAKE_NS = INT64_C(10) * 1000000000, TAKE_PAUSE_NS = 100000000,
                     GONE_NS = INT64_C(1000000000);

struct compute_role {
    struct qri_role *role;
    struct qri_reports *reports;
    struct qr_rpc_loop *storage_loop;
    struct qr_rpc_client *log, *pages;
    struct qr_keyring *keyring;
    struct qr_blob *blob;     /* for backups of databases that have files */
    struct qr_blob *geo_blob; /* for their copies; NULL: there are none */
    struct qr_keyring *geo_keyring;
    struct qri_geo *geo;
    struct qr_governor *governor;
    struct qri_node *node;
    struct qri_backups *backups;
    struct qr_service service;
    pthread_mutex_t drain_mu; /* held while it drains; guards that `gateway` goes */
    atomic_bool is_drained;   /* nobody is left, and nobody comes */
    struct qr_gateway *gateway;
    struct qr_rpc_listener *listener;
    struct qr_tunnel_far *tunnel; /* with --join: sessions come through it */
    struct qr_rpc_listener *tunnel_listener;
    bool one_database;
    bool has_files; /* of what it hosts: backups are its own to take */
    uint32_t database_id;
};

static enum qr_status drain(void *ctx, struct qr_err *err)
{
    struct compute_role *c = ctx;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&c->drain_mu);
    if (c->gateway == NULL)
        status = qr_fail(err, QR_UNSUPPORTED, "this node does not give its sessions up");
    else if (!qr_gateway_drain(c->gateway, c->role->settings->move_grace_ms))
        status = qr_fail(err, QR_BUSY, "some sessions could not go");
    atomic_store(&c->is_drained, status == QR_OK);
    pthread_mutex_unlock(&c->drain_mu);
    return status;
}

/* What statements work in. Half of it is for grants. */
static uint64_t query_memory(const struct qri_settings *settings)
{
    return settings->query_memory_mib > 0 ? (uint64_t)settings->query_memory_mib << 20
                                          : qri_machine_memory() / 4;
}

static enum qr_status start_governor(struct compute_role *c, uint32_t *ret_vcore_ppm,
                                     struct qr_err *err)
{
    const struct qri_settings *settings = c->role->settings;
    struct qr_gov_options governor = {
        .env = c->role->env,
        .enforce = strcmp(settings->governance, "on") == 0,
        .host_cpu_ns_per_s = qri_host_cpu_ns_per_s(),
        .workers_max = WORKERS_MAX,
        .grant_bytes = query_memory(settings) / 2,
        .memory_bytes = qri_process_memory,
        .memory_bytes_max = qri_machine_memory(),
        .sample_s = (uint32_t)settings->resource_sample_seconds,
    };
    QR_TRY(qri_vcore_ppm(settings->vcore_cpu, ret_vcore_ppm, err));
    QR_TRY(qr_governor_new(&governor, &c->governor, err));
    QR_TRY(qr_governor_start(c->governor, err));
    qr_governor_set_process(c->governor);
    return QR_OK;
}

/* On another machine it is waited for until the service's own process has ended. */
static enum qr_status take_duty(struct qri_role *role, struct qr_control_duty *ret_duty,
                                struct qr_err *err)
{
    struct qr_rpc_peer *control = qr_rpc_client_peer(role->control);
    bool takes = role->control_address != NULL;
    for (;;) {
        enum qr_status status =
            qr_control_duty(control, qr_str(role->name), takes, takes ? TAKE_NS : 0, ret_duty, err);
        if (!takes || (status != QR_BUSY && status != QR_TIMEOUT && status != QR_CLOSED))
            return status;
        qr_env_sleep_ns(role->env, TAKE_PAUSE_NS);
    }
}

static enum qr_status open_node(struct compute_role *c, struct qr_err *err)
{
    struct qri_role *role = c->role;
    const struct qri_settings *settings = role->settings;
    struct qr_rpc_loop_options loop = qri_role_loop(role, "storage");
    struct qr_control_duty duty = {.duty = QR_DUTY_PRIMARY};
    if (c->one_database)
        QR_TRY(take_duty(role, &duty, err));
    c->reports = qri_reports_new(role->env, &role->log);
    if (c->reports == NULL)
        return qr_fail(err, QR_NOMEM, "start the compute node");
    struct qri_node_sizes sizes = {.option_mib = (uint64_t)settings->cache_mib,
                                   .rbpex_percent = (uint64_t)settings->rbpex_percent};
    qri_node_size(&sizes, duty.memory_mib);
    if (c->one_database)
        QR_LOG(&role->log, QR_INFO, "node_sized", QR_F("cache_mib", sizes.cache_bytes >> 20),
               QR_F("rbpex_mib", sizes.rbpex_bytes >> 20));
    uint32_t vcore_ppm = 0;
    QR_TRY(start_governor(c, &vcore_ppm, err));
    QR_TRY(qr_rpc_loop_new(&loop, &c->storage_loop, err));
    QR_TRY(qri_role_client(role, c->storage_loop, QR_ROLE_NAME_LOG, true, &c->log, err));
    QR_TRY(qri_role_client(role, c->storage_loop, QR_ROLE_NAME_PAGE, true, &c->pages, err));
    struct qri_node_options options = {
        .env = role->env,
        .log = role->log,
        .dir = &role->dir,
        .name = role->name,
        .run_dir = settings->run_dir,
        .duty = duty.duty,
        .waits = duty.waits,
        .is_away = role->control_address != NULL,
        .server_name = settings->server_name,
        .admin_login = settings->admin_login,
        .control = qr_rpc_client_peer(role->control),
        .reports = c->reports,
        .operate = qr_rpc_client_peer(role->operate),
        .log_service = qr_rpc_client_peer(c->log),
        .pages = qr_rpc_client_peer(c->pages),
        .server_key = role->server_key,
        .governor = c->governor,
        .vcore_ppm = vcore_ppm,
        .cgroup_cpu = settings->cgroup_cpu,
        .cgroup_memory = settings->cgroup_memory,
        .keyring = c->keyring,
        .blob = c->blob,
        .geo_blob = c->geo_blob,
        .geo_keyring = c->geo_keyring,
        .fatal = qri_role_fatal,
        .fatal_ctx = role,
        .sizes = sizes,
        .transaction_memory_bytes = (uint64_t)settings->transaction_memory_mib << 20,
        .transaction_bytes_max = (uint64_t)settings->transaction_max_mib << 20,
        .version_bytes_max = (uint64_t)settings->version_store_max_mib << 20,
        .cache_total_bytes = (uint64_t)settings->cache_total_mib << 20,
        .query_memory_bytes = query_memory(settings),
        .connections_max = (uint32_t)settings->connections_max,
        .drain = drain,
        .drain_ctx = c,
    };
    qr_store_private_bound(4 * options.transaction_memory_bytes);
    return qri_node_open(&options, &c->node, err);
}

/* Opened before anybody comes, so that a route waits instead of a login. */
static enum qr_status open_its_database(struct compute_role *c, struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_database *db = NULL;
    QR_TRY(qr_control_find(qr_rpc_client_peer(c->role->control), 0, qr_str(""), c->database_id, 0,
                           &row, err));
    QR_TRY(qri_node_open_own(c->node, &row, &db, err));
    /* what its first start makes is there for the replicas that follow */
    enum qr_status status = qr_store_flush(qr_database_store(db), err);
    qri_node_leave(c->node, db);
    return status;
}

/* Control and gateway are on another machine. */
static enum qr_status listen_for_machines(struct compute_role *c,
                                          struct qr_rpc_listen_options *listen,
                                          const char *handoff_address, struct qr_err *err)
{
    struct qri_role *role = c->role;
    char address[QR_CONTROL_PLACE_BYTES];
    struct qr_tunnel_far_options far = {
        .env = role->env,
        .log = {role->sink, "tunnel"},
        .handoff_address = handoff_address,
    };
    struct qr_rpc_listen_options sessions = {
        .address = address,
        .roles = "control",
        .serve = qr_tunnel_far_serve,
        .link_requests_max = 4 * QR_TUNNEL_SESSIONS_MAX,
        .link_bytes_max = SESSION_BYTES_MAX,
    };
    QR_TRY(qr_tunnel_far_new(&far, &c->tunnel, err));
    sessions.ctx = c->tunnel;
    QR_TRY(qri_machine_address("advertise", role->settings->advertise, QRI_PORT_SESSION, address,
                               err));
    QR_TRY(qr_rpc_listen(role->loop, &sessions, &c->tunnel_listener, err));
    QR_TRY(
        qri_machine_address("advertise", role->settings->advertise, QRI_PORT_NODE, address, err));
    listen->address = address;
    listen->roles = "control";
    return qr_rpc_listen(role->loop, listen, &c->listener, err);
}

static enum qr_status listen_for_all(struct compute_role *c, struct qr_err *err)
{
    struct qri_role *role = c->role;
    const struct qri_settings *settings = role->settings;
    qr_session_service_init(&c->service, qri_node_session_host(c->node));
    struct qr_gateway_options options = {
        .env = role->env,
        .log = {role->sink, "session"},
        .handoff_address = qri_role_address(role, role->name, "tds"),
        .return_address = role->control_address == NULL
                              ? qri_role_address(role, QR_ROLE_NAME_GATEWAY, "back")
                              : NULL,
        .server_name = settings->server_name,
        .service = &c->service,
        .workers = (uint32_t)settings->workers,
        .connections_max = (uint32_t)settings->connections_max,
    };
    struct qr_rpc_listen_options listen = {
        .address = qri_role_address(role, role->name, "node"),
        .serve = qri_node_serve,
        .ctx = c->node,
        .workers = NODE_WORKERS,
        .worker_stack_bytes = WORKER_STACK_BYTES,
    };
    if (options.handoff_address == NULL || listen.address == NULL)
        return qr_fail(err, QR_NOMEM, "start the compute node");
    QR_TRY(qr_gateway_start(&options, &c->gateway, err));
    if (role->control_address != NULL)
        return listen_for_machines(c, &listen, options.handoff_address, err);
    return qr_rpc_listen(role->loop, &listen, &c->listener, err);
}

static bool tick(void *ctx)
{
    struct compute_role *c = ctx;
    qri_node_report(c->node);
    qri_node_keep_statistics(c->node);
    qri_reports_send(c->reports, qr_rpc_client_peer(c->role->control));
    /* nobody starts it again on this machine, so it does not end when nobody uses it */
    qri_node_look_at_limits(c->node);
    bool open = c->role->control_address != NULL || qri_node_has_open(c->node);
    qri_give_back_memory();
    return open || !c->one_database;
}

static enum qr_status serve(struct compute_role *c, struct qr_err *err)
{
    if (c->has_files)
        QR_TRY(qri_role_blob(c->role, &c->blob, err));
    if (c->has_files)
        QR_TRY(qr_keyring_new(c->role->env, c->role->server_key, c->blob, &c->keyring, err));
    if (c->has_files)
        qri_role_geo_blob(c->role, &c->geo_blob);
    if (c->geo_blob != NULL)
        QR_TRY(
            qr_keyring_new(c->role->env, c->role->server_key, c->geo_blob, &c->geo_keyring, err));
    QR_TRY(open_node(c, err));
    if (c->one_database)
        QR_TRY(open_its_database(c, err));
    if (c->has_files)
        QR_TRY(qri_backups_start(c->node, &c->backups, err));
    if (c->geo_blob != NULL)
        QR_TRY(qri_geo_start(c->node, &c->geo, err));
    QR_TRY(listen_for_all(c, err));
    QR_TRY(qri_role_ready(c->role, QR_ROLE_COMPUTE, err));
    qri_role_wait(c->role, TICK_MS, tick, c);
    qri_role_end_within(c->role, STOP_MS, 0);
    return QR_OK;
}

/* Else it is missed some seconds later. */
static void tell_gone(struct qri_role *role)
{
    struct qr_control_ask ask = {.name = qr_str(role->name), .pid = (uint32_t)getpid()};
    (void)!qr_control_call(qr_rpc_client_peer(role->control), QR_CONTROL_GONE, &ask, GONE_NS, NULL,
                           NULL);
}

enum qr_status qri_serve_compute(struct qri_role *role, struct qr_err *err)
{
    struct compute_role c = {.role = role, .drain_mu = PTHREAD_MUTEX_INITIALIZER};
    c.one_database = qr_place_database_of(role->name, &c.database_id);
    c.has_files = !c.one_database || qr_place_has_copy(role->name);
    enum qr_status status = serve(&c, err);
    /* Clients wait for the next node, which waits for the end of this one. What was acknowledged is
     * in the log service, and what lies here nobody needs any more. */
    if (status == QR_OK && atomic_load(&c.is_drained) && !c.has_files &&
        qri_node_is_primary(c.node))
        _Exit(EXIT_SUCCESS);
    int64_t grace_ms = c.one_database ? SWITCH_GRACE_MS : GRACE_MS;
    if (c.gateway != NULL && !qr_gateway_stop(c.gateway, grace_ms)) {
        qr_log_event(&role->log, QR_WARN, "sessions_left_at_stop", NULL);
        _Exit(EXIT_SUCCESS);
    }
    qr_rpc_listener_free(c.tunnel_listener);
    qr_tunnel_far_free(c.tunnel);
    pthread_mutex_lock(&c.drain_mu); /* it has ended, since the gateway stops */
    struct qr_gateway *gateway = QR_TAKE(c.gateway);
    pthread_mutex_unlock(&c.drain_mu);
    qr_gateway_free(gateway);
    qr_rpc_client_stop(role->operate); /* statements of node calls end with their sessions */
    qr_rpc_listener_free(c.listener);
    qri_geo_stop(c.geo);
    qri_backups_stop(c.backups);
    qri_node_close(c.node);
    if (c.reports != NULL) /* the last that was used */
        qri_reports_send(c.reports, qr_rpc_client_peer(role->control));
    if (c.node != NULL && role->control_address != NULL)
        tell_gone(role);
    qr_governor_stop(c.governor);
    qr_governor_free(c.governor);
    qri_reports_free(c.reports);
    qr_keyring_free(c.keyring);
    qr_blob_close(c.blob);
    qr_keyring_free(c.geo_keyring);
    qr_blob_close(c.geo_blob);
    qr_rpc_client_free(c.log);
    qr_rpc_client_free(c.pages);
    qr_rpc_loop_free(c.storage_loop);
    return status;
}
