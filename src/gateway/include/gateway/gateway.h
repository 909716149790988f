/* gateway/gateway.h - listens on the TDS port, does PRELOGIN, TLS and LOGIN7, checks
 * firewall and password, and runs the requests of logged-in connections on its workers, or hands
 * the connections to the gateway of another process that does.
 *
 * One library, three forms:
 *   a port, `service`            all in one process
 *   a port, `router`             the front: every login goes to the node that the router names. The
 *                                socket itself goes there, or, when the session is encrypted, one
 *                                end of a pair whose other end the front relays through TLS.
 *   `handoff_address`, `service` the node: sessions come from fronts of the same user only
 *
 * Threads: start, stop and free from one thread; everything else is the gateway's own. What
 * `options` points to must outlive the gateway. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "env/env.h"
#include "gateway/auth.h"
#include "gateway/firewall.h"
#include "gateway/router.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "session/service.h"

struct qr_gateway;

/* Zero means the default in brackets. */
struct qr_gateway_options {
    struct qr_env *env;
    struct qr_log log;
    const char *listen; /* numeric address, IPv4 or IPv6 */
    uint16_t tds_port;  /* 0 picks a free one */
    /* A listening socket that is bound already, instead of the port above; 0 or -1: none. It
     * stays the caller's, so that clients wait in its backlog while no gateway runs. */
    int tds_fd;
    /* "unix:PATH": logins come here from fronts; no port is bound and nothing from `listen` to here
     * counts, nor do key, certificate, logins, firewall and the limits of logins. */
    const char *handoff_address;
    /* "unix:PATH", or NULL. Of a front: sessions that nodes give up come back here, and go on to
     * the node that the router names then; it takes the address over from a front that listens
     * there, which keeps the connections that it has. Of a node: where qr_gateway_drain gives its
     * sessions to.
     */
    const char *return_address;
    const char *key_pem, *cert_pem;
    const char *server_name;          /* of the first logical server, whose id is 0 */
    const struct qr_service *service; /* this or `router`: who serves those that logged in */
    const struct qr_router *router;
    const struct qr_login_directory *logins;
    struct qr_firewall *firewall; /* loopback is always allowed */
    /* The id of the logical server of that name, which logins, firewall rules and databases are
     * asked by; false: there is none. NULL: only the first one is there. */
    bool (*server_id)(void *ctx, struct qr_str name, uint32_t *ret_id);
    /* Whose rules count besides the server's: the id of the database that a login asks for, 0 if
     * there is none of that name. NULL: only the server's rules count. */
    uint32_t (*database_id)(void *ctx, uint32_t server_id, struct qr_str name);
    void *lookup_ctx; /* of these two */
    /* May be NULL. Every login that came to a name and password; number 0: it was let in. `reason`
     * is that of the log. Any thread, short. */
    void (*login_ended)(void *ctx, uint32_t server_id, struct qr_str database, int number,
                        const char *reason);
    void *login_ended_ctx;
    bool allow_plaintext_login;
    uint32_t workers;             /* that run at once [one per processor, at least 2] */
    uint32_t connections_max;     /* [4096] */
    uint32_t unauthenticated_max; /* connections that have not logged in [256] */
    uint32_t login_ms_max;        /* from accept to the end of the login [15000] */
    uint64_t request_bytes_max;   /* one message after the login [256 MiB] */
};

/* Binds the port, or the handoff address, and starts the threads. QR_IO names the address that is
 * in use, QR_INVALID options that do not go together. */
QR_NODISCARD enum qr_status qr_gateway_start(const struct qr_gateway_options *options,
                                             struct qr_gateway **ret_gateway, struct qr_err *err);
uint16_t qr_gateway_tds_port(const struct qr_gateway *gateway);
/* Takes no more connections and logins, closes idle ones, gives running requests `grace_ms` and
 * then cancels them. Relayed sessions count as running until their node ends them. Returns when
 * every session is freed, at the latest 1 s after the grace; false: some were not, and the process
 * should end without freeing the gateway. */
bool qr_gateway_stop(struct qr_gateway *gateway, int64_t grace_ms);
/* Of a node with a `return_address`: gives its sessions back to their front, each between two of
 * its requests, and takes no more. At first all are served, until none is in a request or a
 * transaction for long; those that are when `grace_ms` is over lose it, with 40197, and go. Then
 * each goes as soon as it is in none; what began less than 250 ms before that has the rest of the
 * grace, half a second at least, and those who have gone wait for it. A connection breaks whose
 * client does not read, or does not send the rest of a request. Returns when no session is left, or
 * only such as cannot go now (a request that cannot be cancelled), 2 s after the grace at the
 * latest; false: some are left, for qr_gateway_stop. From one thread, before qr_gateway_stop; again
 * is harmless. */
bool qr_gateway_drain(struct qr_gateway *gateway, int64_t grace_ms);
/* Of a front whose successor listens on the same socket: accepts nobody any more, within 20 ms; all
 * that it has goes on, also what nodes give back to it. */
void qr_gateway_retire(struct qr_gateway *gateway);
size_t qr_gateway_connections(struct qr_gateway *gateway);
/* Relayed sessions end, each when it is between two requests: the answer to its client's next one
 * is 40197. */
void qr_gateway_end_relays(struct qr_gateway *gateway);
void qr_gateway_free(
    struct qr_gateway *gateway); /* after a stop that returned true; NULL is fine */

enum qr_gateway_metric {
    QR_GATEWAY_ACCEPTED,
    QR_GATEWAY_OPEN,
    QR_GATEWAY_REFUSED,
    QR_GATEWAY_LOGINS,
    QR_GATEWAY_LOGINS_FAILED,
    QR_GATEWAY_REQUESTS,
    QR_GATEWAY_WORKERS,
    QR_GATEWAY_HANDED_OFF,
    QR_GATEWAY_HANDOFFS_FAILED,
    QR_GATEWAY_RELAYS,
    QR_GATEWAY_RETURNED,
    QR_GATEWAY_MOVED,
    QR_GATEWAY_METRIC_COUNT
};
const struct qr_metrics *qr_gateway_metrics(const struct qr_gateway *gateway);
