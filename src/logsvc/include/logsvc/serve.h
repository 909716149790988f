/* logsvc/serve.h - the log service answers calls (logsvc/client.h).
 *
 * A qr_rpc_serve_fn: `ctx` is the struct qr_logsvc. Never blocks: it may run on an rpc loop's
 * thread; answers come from the service's threads. A feed waits at most QR_LOGSVC_SERVE_WAIT_NS,
 * and less when the call's deadline is nearer. End the service only after the listener. */
#pragma once
#include "logsvc/logsvc.h"
#include "rpc/rpc.h"

#define QR_LOGSVC_SERVE_WAIT_NS INT64_C(10000000000)

void qr_logsvc_serve(void *ctx, struct qr_rpc_request *own_request);
