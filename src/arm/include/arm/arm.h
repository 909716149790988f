/* arm/arm.h - the management API: Azure Resource Manager's REST protocol, its login authority and
 * /healthz, on one HTTPS port.
 *
 * Threads: start, stop and free from one thread; each connection has a thread of its own. What
 * `options` points to must outlive it. Whatever a client can grow is bounded (arm_int.h). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "arm/host.h"
#include "base/status.h"
#include "env/env.h"
#include "obs/log.h"

struct qr_arm;

struct qr_arm_options {
    struct qr_env *env;
    struct qr_log log;
    const char *listen; /* numeric address, IPv4 or IPv6 */
    uint16_t port;      /* 0 picks a free one */
    int listen_fd;      /* bound already, instead of both; 0: none. It stays the caller's */
    const char *key_pem, *cert_pem;
    const char *token_key_pem; /* an RSA key: who has it can make tokens */
    const struct qr_arm_host *host;
    const char *metrics_token;    /* who has it may read /metrics and nothing else; NULL: nobody */
    uint32_t requests_per_minute; /* of one principal [1200] */
    bool cgroup_cpu, cgroup_memory; /* control groups limit compute nodes in these: for /metrics */
};

QR_NODISCARD enum qr_status qr_arm_start(const struct qr_arm_options *options,
                                         struct qr_arm **ret_arm, struct qr_err *err);
uint16_t qr_arm_port(const struct qr_arm *arm);
/* From now on /healthz tells that it stops. */
void qr_arm_drain(struct qr_arm *arm);
/* Waits for the requests under way: whatever they wait for must have been ended before. NULL is
 * accepted. */
void qr_arm_free(struct qr_arm *arm);

/* Appends a new RSA-2048 key as PEM, for tokens. */
QR_NODISCARD enum qr_status qr_arm_make_key(struct qr_buf *key_pem, struct qr_err *err);
