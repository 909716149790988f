/* control.c - see ctl/control.h: members, and the start */
#include "control_int.h"
#include "reign_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/peer.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "machines_int.h"
#include "base/banned.h"

enum {
    SHORT_WORKERS = 2,
    OPERATION_WORKERS = 8,
    WORKER_STACK_BYTES = 1 << 20,
    REIGN_STACK_BYTES = 1 << 20
};
static const int64_t SECOND_NS = 1000000000, REPEAT_NS = 20000000,
                     DRAIN_NS = INT64_C(120) * 1000000000,
                     STORAGE_WAIT_NS = INT64_C(20) * 1000000000;

/* ---- members; mu held where said ---- */

struct qri_member *qri_control_find_member(struct qr_control *control, const char *name)
{
    struct qri_member *member = control->members;
    while (member != NULL && strcmp(member->name, name) != 0)
        member = member->next;
    return member;
}

bool qri_control_ready(struct qr_control *control, const char *name) /* held */
{
    const struct qri_member *member = qri_control_find_member(control, name);
    return member != NULL && member->ready;
}

struct qri_member *qri_control_member(struct qr_control *control, const char *name) /* held */
{
    struct qri_member *member = qri_control_find_member(control, name);
    if (member == NULL && (member = calloc(1, sizeof *member)) != NULL) {
        snprintf(member->name, sizeof member->name, "%s", name);
        member->next = control->members;
        control->members = member;
    }
    return member;
}

static bool is_ready_as(struct qr_control *control, const char *name, int pid) /* held */
{
    const struct qri_member *member = qri_control_find_member(control, name);
    return member != NULL && member->ready && (pid == 0 || member->pid == pid);
}

enum qr_status qr_control_wait_ready(struct qr_control *control, const char *name, int pid,
                                     int64_t until_mono_ns, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&control->mu);
    while (status == QR_OK && !is_ready_as(control, name, pid)) {
        int64_t left = until_mono_ns - qr_env_mono_ns(control->options.env);
        if (control->stopping)
            status = qr_fail(err, QR_CANCELLED, "it is being stopped");
        else if (left <= 0)
            status = qr_fail(err, QR_TIMEOUT, "'%s' is not ready in time", name);
        else
            (void)qr_cond_wait(&control->changed, &control->mu, left);
    }
    pthread_mutex_unlock(&control->mu);
    return status;
}

void qr_control_exited(struct qr_control *control, const char *name, bool returns)
{
    pthread_mutex_lock(&control->mu);
    struct qri_member *member = qri_control_find_member(control, name);
    if (member != NULL && !member->is_away) { /* else it has been replaced already */
        qri_watch_exited(control, member);
        member->ready = member->drains = false;
        member->generation += 1;
    }
    if (strcmp(name, QR_ROLE_NAME_GATEWAY) == 0)
        control->gateway_version = 0;
    if (member == NULL || !member->is_away)
        qri_reign_exited(control, name, returns);
    pthread_cond_broadcast(&control->changed);
    pthread_mutex_unlock(&control->mu);
}

void qri_control_tell_gateway(struct qr_control *control, bool wait)
{
    int64_t until = qr_env_mono_ns(control->options.env) + 2 * SECOND_NS;
    pthread_mutex_lock(&control->mu);
    uint64_t version = ++control->version;
    qri_control_look_at_parked(control);
    while (wait && !control->stopping && qri_control_ready(control, QR_ROLE_NAME_GATEWAY) &&
           control->gateway_version < version) {
        int64_t left = until - qr_env_mono_ns(control->options.env);
        if (left <= 0)
            break;
        (void)qr_cond_wait(&control->changed, &control->mu, left);
    }
    pthread_mutex_unlock(&control->mu);
}

/* ---- node calls ---- */

static enum qr_status new_client(struct qr_control *control, const char *socket, bool is_node,
                                 struct qr_rpc_client **ret_client, struct qr_err *err)
{
    char address[QRI_PATH_BYTES + QR_NODE_NAME_BYTES + 16];
    snprintf(address, sizeof address, "unix:%s/%s.%s", control->run_dir, socket,
             is_node ? "node" : "sock");
    /* not patient: who repeats looks whether it is all over */
    struct qr_rpc_client_options options = {.address = address, .backoff_max_ns = REPEAT_NS};
    if (!is_node && qri_machines_have(control, socket))
        return qri_machines_client(control, socket, ret_client, err);
    return qr_rpc_client_new(control->loop, &options, ret_client, err);
}

enum qr_status qri_control_node(struct qr_control *control, const char *name,
                                struct qr_rpc_peer **ret_peer, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&control->mu);
    struct qri_member *member = qri_control_member(control, name);
    if (member == NULL)
        status = qr_fail(err, QR_NOMEM, "reach '%s'", name);
    else if (!member->is_away && member->client == NULL)
        status = new_client(control, name, true, &member->client, err);
    if (status == QR_OK)
        *ret_peer = qr_rpc_client_peer(member->is_away ? member->away_client : member->client);
    pthread_mutex_unlock(&control->mu);
    return status;
}

void qri_control_forget_node(struct qr_control *control, const char *name)
{
    pthread_mutex_lock(&control->mu);
    struct qri_member **at = &control->members;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    struct qri_member *member = *at;
    if (member != NULL)
        *at = member->next;
    pthread_mutex_unlock(&control->mu);
    if (member == NULL)
        return;
    qr_rpc_client_free(member->client);
    qr_rpc_client_free(member->away_client);
    qr_rpc_client_free(member->watched.client);
    free(member);
}

bool qri_control_repeats(struct qr_control *control, enum qr_status status, int64_t until_ns)
{
    bool lost =
        status == QR_CLOSED || status == QR_TIMEOUT || status == QR_BUSY || status == QR_CORRUPT;
    if (!lost || control->stopping || qr_env_mono_ns(control->options.env) > until_ns)
        return false;
    qr_env_sleep_ns(control->options.env, REPEAT_NS);
    return true;
}

enum qr_status qri_control_call_node(struct qr_control *control, const char *name,
                                     const struct qr_database_row *row,
                                     enum qr_control_method method, struct qr_err *err)
{
    struct qr_rpc_peer *peer = NULL;
    QR_TRY(qri_control_node(control, name, &peer, err));
    int64_t until = qr_env_mono_ns(control->options.env) + 30 * SECOND_NS;
    bool was_away = qri_machines_is_away(control, name); /* who was there may have gone */
    enum qr_status status;
    do
        status = qr_node_call(peer, method, row, 30 * SECOND_NS, err);
    while (qri_control_repeats(control, status, until) &&
           qri_machines_is_away(control, name) == was_away);
    return status;
}

enum qr_status qri_control_node_call(struct qr_control *control, const struct qr_database_row *row,
                                     enum qr_control_method method, struct qr_err *err)
{
    char name[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, name);
    pthread_mutex_unlock(&control->mu);
    return qri_control_call_node(control, name, row, method, err);
}

bool qri_control_drain_node(struct qr_control *control, const struct qr_database_row *row,
                            const char *name)
{
    struct qr_rpc_peer *peer = NULL;
    struct qr_err err = {0};
    pthread_mutex_lock(&control->mu);
    struct qri_member *member = qri_control_find_member(control, name);
    bool drains = member != NULL && member->ready && !member->is_away;
    if (drains) {
        member->ready = false;
        member->drains = true;
    }
    pthread_mutex_unlock(&control->mu);
    if (!drains)
        return false;
    int64_t began_ns = qr_env_mono_ns(control->options.env);
    enum qr_status status = qri_control_node(control, name, &peer, &err);
    if (status == QR_OK)
        status = qr_node_call(peer, QR_NODE_DRAIN, row, DRAIN_NS, &err);
    bool is_told = status == QR_OK || status == QR_BUSY; /* BUSY: some end with the node */
    QR_LOG(&control->options.log, is_told ? QR_INFO : QR_WARN, "node_drained", QR_F("node", name),
           QR_F("reason", &err.text[0]),
           QR_F("took_ms", (qr_env_mono_ns(control->options.env) - began_ns) / 1000000));
    return status == QR_OK;
}

/* ---- claims ---- */

static bool is_claimed(const struct qr_control *control, uint32_t database_id) /* held */
{
    const struct qri_claim *other = control->claims;
    while (other != NULL && other->database_id != database_id)
        other = other->next;
    return other != NULL;
}

bool qri_control_try_claim(struct qr_control *control, struct qri_claim *claim,
                           uint32_t database_id)
{
    pthread_mutex_lock(&control->mu);
    bool is_free = !is_claimed(control, database_id);
    if (is_free) {
        *claim = (struct qri_claim){control->claims, database_id};
        control->claims = claim;
    }
    pthread_mutex_unlock(&control->mu);
    return is_free;
}

void qri_control_claim(struct qr_control *control, struct qri_claim *claim, uint32_t database_id)
{
    claim->database_id = database_id;
    pthread_mutex_lock(&control->mu);
    while (is_claimed(control, database_id))
        (void)qr_cond_wait(&control->changed, &control->mu, -1);
    claim->next = control->claims;
    control->claims = claim;
    pthread_mutex_unlock(&control->mu);
}

void qri_control_unclaim(struct qr_control *control, struct qri_claim *claim)
{
    pthread_mutex_lock(&control->mu);
    struct qri_claim **at = &control->claims;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    pthread_cond_broadcast(&control->changed);
    pthread_mutex_unlock(&control->mu);
}

/* ---- start and stop ---- */

static enum qr_status listen_at(struct qr_control *control, const char *socket, int workers,
                                qr_rpc_serve_fn *serve, struct qr_rpc_listener **ret_listener,
                                struct qr_err *err)
{
    char address[QRI_PATH_BYTES + 32];
    snprintf(address, sizeof address, "unix:%s/%s.sock", control->run_dir, socket);
    struct qr_rpc_listen_options options = {
        .address = address,
        .serve = serve,
        .ctx = control,
        .workers = workers,
        .worker_stack_bytes = WORKER_STACK_BYTES,
    };
    return qr_rpc_listen(control->loop, &options, ret_listener, err);
}

static enum qr_status open_control(struct qr_control *control, struct qr_err *err)
{
    const struct qr_control_machines *machines = control->options.machines;
    struct qr_rpc_loop_options loop = {
        .env = control->options.env, .log = &control->options.log, .name = "control"};
    if (machines != NULL)
        loop.cert_path = loop.key_path = loop.ca_path = machines->identity;
    QR_TRY(qr_rpc_loop_new(&loop, &control->loop, err));
    QR_TRY(new_client(control, QR_ROLE_NAME_LOG, false, &control->log, err));
    QR_TRY(new_client(control, QR_ROLE_NAME_PAGE, false, &control->pages, err));
    QR_TRY(qri_ops_open(control, err));
    QR_TRY(qri_autoscale_open(control, err));
    QR_TRY(listen_at(control, "control", SHORT_WORKERS, qri_control_serve_short,
                     &control->short_listener, err));
    QR_TRY(listen_at(control, "operate", OPERATION_WORKERS, qri_control_serve_operation,
                     &control->operation_listener, err));
    if (machines != NULL)
        QR_TRY(qri_machines_listen(control, err));
    for (size_t *n = &control->reign_thread_count; *n < QRI_REIGN_WORKERS; *n += 1)
        QR_TRY(qr_thread_start("qr-reign", REIGN_STACK_BYTES, qri_reign_main, control,
                               &control->reign_threads[*n], err));
    return QR_OK;
}

enum qr_status qr_control_new(const struct qr_control_options *options,
                              struct qr_control **ret_control, struct qr_err *err)
{
    struct qr_control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return qr_fail(err, QR_NOMEM, "start control");
    control->options = *options;
    control->version = 1;
    pthread_mutex_init(&control->mu, NULL);
    pthread_mutex_init(&control->rules_mu, NULL);
    pthread_mutex_init(&control->geo_mu, NULL);
    qr_cond_init(&control->changed);
    qri_ops_init(control);
    size_t n = strlen(options->run_dir);
    enum qr_status status = n < sizeof control->run_dir
                                ? QR_OK
                                : qr_fail(err, QR_INVALID, "the path of the run directory is long");
    if (status == QR_OK) {
        memcpy(control->run_dir, options->run_dir, n + 1);
        status = options->handed == NULL ? QR_OK : qri_control_handed(control, err);
    }
    if (status == QR_OK) {
        status = open_control(control, err);
    }
    if (status != QR_OK)
        qr_control_free(control);
    else
        *ret_control = control;
    return status;
}

void qr_control_stop(struct qr_control *control)
{
    pthread_mutex_lock(&control->mu);
    control->stopping = true;
    qri_control_refuse_parked(control); /* a gateway that ends waits for its answers */
    pthread_cond_broadcast(&control->changed);
    pthread_mutex_unlock(&control->mu);
    qri_ops_refuse(control);
}

void qr_control_free(struct qr_control *control)
{
    if (control == NULL)
        return;
    qr_control_stop(control);
    qri_retention_stop(control);
    qri_vault_stop(control);
    qri_rounds_stop(&control->geo);
    qri_rounds_stop(&control->watch);
    qri_pause_stop(control);
    qri_autoscale_stop(control);
    qri_ops_join(control);
    qri_ops_refuse(control); /* who came meanwhile */
    /* the other processes are gone, so nothing that an operation waits for takes long */
    qr_rpc_listener_free(control->short_listener);
    qr_rpc_listener_free(control->operation_listener);
    qr_rpc_listener_free(control->machine_listener);
    qr_rpc_listener_free(control->machine_operation_listener);
    control->leaves = false;
    qri_ops_refuse(control); /* they have heard it with the listener's end */
    for (size_t i = 0; i < control->reign_thread_count; i++)
        pthread_join(control->reign_threads[i], NULL);
    for (struct qri_member *member = control->members; member != NULL; member = member->next) {
        qr_rpc_client_free(member->client);
        qr_rpc_client_free(member->away_client);
        qr_rpc_client_free(member->watched.client);
    }
    qr_rpc_client_free(control->log);
    qr_rpc_client_free(control->pages);
    qr_rpc_loop_free(control->loop);
    while (control->members != NULL) {
        struct qri_member *member = control->members;
        control->members = member->next;
        free(member);
    }
    qri_reign_done(control);
    qri_geo_done(control);
    qri_pause_done(control);
    qri_autoscale_close(control);
    qri_ops_done(control);
    pthread_cond_destroy(&control->changed);
    pthread_mutex_destroy(&control->rules_mu);
    pthread_mutex_destroy(&control->geo_mu);
    pthread_mutex_destroy(&control->mu);
    free(control);
}

/* Whoever has no Hyperscale database has no use for these two. */
static bool has_hyper(struct qr_registry *registry)
{
    struct qr_database_row row;
    bool found = false;
    for (size_t i = 0; !found && qr_registry_database_at(registry, i, &row); i++)
        found = qr_database_is_hyper(&row);
    return found;
}

/* Log service and page server that do not come, for their storage is damaged or its disk is away,
 * keep their databases only: all others are served, and these as soon as they are there. */
static enum qr_status wait_for_storage(struct qr_control *control, const char *name,
                                       int64_t until_mono_ns, struct qr_err *err)
{
    struct qr_err late = {0};
    int64_t until = qr_env_mono_ns(control->options.env) + STORAGE_WAIT_NS;
    until = until < until_mono_ns ? until : until_mono_ns;
    enum qr_status status = qr_control_wait_ready(control, name, 0, until, &late);
    if (status == QR_TIMEOUT) {
        QR_LOG(&control->options.log, QR_ERROR, "storage_not_ready", QR_F("name", name),
               QR_F("reason", "Hyperscale databases wait for it"));
        return QR_OK;
    }
    return status == QR_OK ? QR_OK : qr_fail(err, status, "%.400s", late.text);
}

enum qr_status qr_control_start(struct qr_control *control, int64_t until_mono_ns,
                                struct qr_err *err)
{
    static const char *const names[] = {QR_NODE_SHARED, QR_ROLE_NAME_GATEWAY, QR_ROLE_NAME_API,
                                        QR_ROLE_NAME_LOG, QR_ROLE_NAME_PAGE};
    enum { STORAGE = 3 };
    const struct qr_control_host *host = &control->options.host;
    size_t count = has_hyper(control->options.registry) ? 5 : STORAGE;
    QR_TRY(qri_docs_prepare(control, err)); /* before anybody asks for them */
    qri_control_verify(control);
    for (size_t i = 0; i < count; i++)
        QR_TRY(host->want(host->ctx, names[i], err));
    for (size_t i = 0; i < STORAGE; i++)
        QR_TRY(qr_control_wait_ready(control, names[i], 0, until_mono_ns, err));
    for (size_t i = STORAGE; i < count; i++)
        if (!qri_machines_have(control, names[i])) /* another machine may be off just now */
            QR_TRY(wait_for_storage(control, names[i], until_mono_ns, err));
    QR_TRY(qri_control_tidy(control, err)); /* storage that is not there goes later */
    qri_away_expect(control);
    qri_ops_resume(control);
    QR_TRY(qri_retention_start(control, err));
    QR_TRY(qri_vault_start(control, err));
    QR_TRY(qri_links_start(control, err));
    QR_TRY(qri_watch_start(control, err));
    QR_TRY(qri_pause_start(control, err));
    QR_TRY(qri_autoscale_start(control, err));
    struct qr_server_row server;
    for (size_t i = 0; qr_registry_server_at(control->options.registry, i, &server); i++)
        if (!qri_ops_is_active(control, qr_database_id(server.number, 0))) /* it is being deleted */
            QR_TRY(qri_control_make_master(control, server.number, err));
    return QR_OK;
}

void qr_control_tick(struct qr_control *control)
{
    pthread_mutex_lock(&control->mu);
    qri_machines_tick(control);
    qri_control_look_at_parked(control);
    pthread_mutex_unlock(&control->mu);
    qri_ops_expire(control);
}
