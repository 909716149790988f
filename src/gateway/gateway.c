/* gateway.c - see gateway/gateway.h */
#include "gateway/gateway.h"
#include <stdlib.h>
#include <sys/resource.h>
#include "env/thread.h"
#include "handoff_int.h"
#include "base/banned.h"

enum {
    CONNECTIONS_MAX_DEFAULT = 4096,
    UNAUTHENTICATED_MAX_DEFAULT = 256,
    LOGIN_MS_MAX_DEFAULT = 15000,
    REQUEST_BYTES_MAX_DEFAULT = 256 * 1024 * 1024,
    AFTER_GRACE_MS = 1000,
    END_MS = 1000,     /* for requests that were told to end */
    SPARE_FILES = 512, /* descriptors that are not connections */
};

static const struct qr_metric metric_rows[QR_GATEWAY_METRIC_COUNT] = {
    [QR_GATEWAY_ACCEPTED] = {"quire_gateway_accepted", "", QR_COUNTER, "connections accepted"},
    [QR_GATEWAY_OPEN] = {"quire_gateway_open", "", QR_GAUGE, "connections open"},
    [QR_GATEWAY_REFUSED] = {"quire_gateway_refused", "", QR_COUNTER,
                            "connections closed at accept because of a limit"},
    [QR_GATEWAY_LOGINS] = {"quire_gateway_logins", "", QR_COUNTER, "logins accepted"},
    [QR_GATEWAY_LOGINS_FAILED] = {"quire_gateway_logins_failed", "", QR_COUNTER, "logins refused"},
    [QR_GATEWAY_REQUESTS] = {"quire_gateway_requests", "", QR_COUNTER, "requests run"},
    [QR_GATEWAY_WORKERS] = {"quire_gateway_workers", "", QR_GAUGE, "worker threads"},
    [QR_GATEWAY_HANDED_OFF] = {"quire_gateway_handed_off", "", QR_COUNTER,
                               "logins that a node took"},
    [QR_GATEWAY_HANDOFFS_FAILED] = {"quire_gateway_handoffs_failed", "", QR_COUNTER,
                                    "routes and handoffs that did not work and were tried again"},
    [QR_GATEWAY_RELAYS] = {"quire_gateway_relays", "", QR_GAUGE,
                           "encrypted sessions relayed to a node"},
    [QR_GATEWAY_RETURNED] = {"quire_gateway_returned", "", QR_COUNTER,
                             "sessions that a node gave up and a front took"},
    [QR_GATEWAY_MOVED] = {"quire_gateway_moved", "", QR_COUNTER,
                          "sessions that went on in another node"},
};

static void set_defaults(struct qr_gateway_options *options)
{
    if (options->connections_max == 0)
        options->connections_max = CONNECTIONS_MAX_DEFAULT;
    if (options->unauthenticated_max == 0)
        options->unauthenticated_max = UNAUTHENTICATED_MAX_DEFAULT;
    if (options->login_ms_max == 0)
        options->login_ms_max = LOGIN_MS_MAX_DEFAULT;
    if (options->request_bytes_max == 0)
        options->request_bytes_max = REQUEST_BYTES_MAX_DEFAULT;
}

/* Debian's soft limit of 1024 files is for programs that use select(). */
static void raise_file_limit(uint32_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static enum qr_status start(struct qr_gateway *gateway, struct qr_err *err)
{
    const struct qr_gateway_options *options = &gateway->options;
    bool is_node = options->handoff_address != NULL;
    if ((options->service == NULL) == (options->router == NULL) ||
        (is_node && options->service == NULL))
        return qr_fail(err, QR_INVALID, "a gateway has a service or a router, a node a service");
    if (is_node) {
        QR_TRY(qri_auth_new(options->env, NULL, &gateway->auth, err)); /* of databases' own users */
        QR_TRY(qri_pump_init(gateway, err));
        return qri_listen_start(gateway, err);
    }
    QR_TRY(qri_tds_tls_context_new(options->key_pem, options->cert_pem, &gateway->tls, err));
    QR_TRY(qri_auth_new(options->env, options->logins, &gateway->auth, err));
    QR_TRY(qri_pump_init(gateway, err));
    if (options->router != NULL)
        QR_TRY(qri_sender_start(gateway, err));
    return qri_listen_start(gateway, err);
}

enum qr_status qr_gateway_start(const struct qr_gateway_options *options,
                                struct qr_gateway **ret_gateway, struct qr_err *err)
{
    struct qr_gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL)
        return qr_fail(err, QR_NOMEM, "start the gateway");
    gateway->options = *options;
    set_defaults(&gateway->options);
    gateway->tds_fd = gateway->stop_fd = gateway->return_fd = -1;
    pthread_mutex_init(&gateway->return_mu, NULL);
    gateway->pump.epoll_fd = gateway->pump.ready_fd = -1;
    pthread_mutex_init(&gateway->mu, NULL);
    qr_cond_init(&gateway->gone);
    gateway->metrics =
        (struct qr_metrics){metric_rows, gateway->metric_values, QR_GATEWAY_METRIC_COUNT};
    /* of a front those that are held while they move do not count: a relayed session has two then
     */
    bool holds = options->router != NULL && options->return_address != NULL;
    gateway->slot_count = gateway->options.connections_max * (holds ? 2 : 1);
    gateway->slots = calloc(gateway->slot_count, sizeof *gateway->slots);
    raise_file_limit(gateway->options.connections_max);

    enum qr_status status =
        gateway->slots == NULL ? qr_fail(err, QR_NOMEM, "start the gateway") : start(gateway, err);
    if (status != QR_OK) {
        qr_gateway_stop(gateway, 0);
        qr_gateway_free(gateway);
        return status;
    }
    *ret_gateway = gateway;
    return QR_OK;
}

uint16_t qr_gateway_tds_port(const struct qr_gateway *gateway)
{
    return gateway->tds_port;
}

const struct qr_metrics *qr_gateway_metrics(const struct qr_gateway *gateway)
{
    return &gateway->metrics;
}

/* True: all connections are gone. */
static bool wait_gone(struct qr_gateway *gateway, int64_t ms)
{
    struct qr_env *env = gateway->options.env;
    int64_t until = qr_env_mono_ns(env) + ms * 1000000;
    pthread_mutex_lock(&gateway->mu);
    while (gateway->open > 0 && qr_env_mono_ns(env) < until)
        qr_cond_wait(&gateway->gone, &gateway->mu, until - qr_env_mono_ns(env));
    bool gone = gateway->open == 0;
    pthread_mutex_unlock(&gateway->mu);
    return gone;
}

bool qr_gateway_stop(struct qr_gateway *gateway, int64_t grace_ms)
{
    atomic_store(&gateway->stopping, true);
    qri_listen_stop(gateway);
    qri_sender_stop(gateway);
    qri_conns_wake_idle(gateway);
    const struct qr_service *service = gateway->options.service;
    bool gone = wait_gone(gateway, grace_ms);
    if (!gone && service != NULL && service->end_all != NULL) {
        service->end_all(service->ctx);
        gone = wait_gone(gateway, END_MS);
    }
    if (!gone) {
        qri_conns_abort(gateway); /* first: what is cut short must not pass for done */
        atomic_store(&gateway->cancel_all, true);
        gone = wait_gone(gateway, AFTER_GRACE_MS);
    }
    if (!gone || !qri_sender_wait(gateway, AFTER_GRACE_MS))
        return false;
    qri_pump_stop(gateway);
    return true;
}

void qr_gateway_free(struct qr_gateway *gateway)
{
    if (gateway == NULL)
        return;
    qri_auth_free(gateway->auth);
    qri_sender_free(gateway);
    qri_taker_free(gateway);
    qri_return_done(gateway);
    qri_pump_done(gateway);
    SSL_CTX_free(gateway->tls);
    free(gateway->slots);
    pthread_cond_destroy(&gateway->gone);
    pthread_mutex_destroy(&gateway->mu);
    free(gateway);
}
