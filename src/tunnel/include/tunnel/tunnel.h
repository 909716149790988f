/* tunnel/tunnel.h - sessions whose node is on another machine.
 *
 * A gateway hands a login to a node with a message and a descriptor (src/gateway/handoff_int.h). A
 * descriptor does not leave its machine, so the near end takes the handoff in the node's place, the
 * far end hands the message to the node with a socket of its own, and the session's bytes pass
 * between the two as calls (rpc/socket.h). Messages are not looked at: the node decodes them.
 *
 * Threads: any for the functions; each end has one thread of its own beside its rpc loop. Each way
 * of a session has at most QR_TUNNEL_STEP_BYTES under way, and waits for its reader alone.
 * Errors: QR_NOMEM, QR_IO, QR_FULL, QR_INVALID (address). */
#pragma once
#include "env/env.h"
#include "obs/log.h"
#include "rpc/rpc.h"
#include "rpc/socket.h"

enum {
    QR_TUNNEL_STEP_BYTES = 64 * 1024,
    QR_TUNNEL_SESSIONS_MAX = 8192, /* of one end */
    QR_TUNNEL_GATES_MAX = 64,      /* nodes that one near end leads to */
    QR_TUNNEL_ADDRESS_BYTES = 128,
};

/* ---- near: beside the gateway ---- */

struct qr_tunnel_near;
struct qr_tunnel_near_options {
    struct qr_env *env;
    struct qr_log log;
    struct qr_rpc_loop *loop; /* with certificates, if nodes have TCP addresses */
    const char *dir;          /* mode 0700, for sockets; borrowed */
};
QR_NODISCARD enum qr_status qr_tunnel_near_new(const struct qr_tunnel_near_options *options,
                                               struct qr_tunnel_near **ret_near,
                                               struct qr_err *err);
/* "unix:DIR/NODE.away", where handoffs for the far end at `address` are taken. The same for the
 * same two; a node whose address has changed keeps the sessions that it had. */
QR_NODISCARD enum qr_status qr_tunnel_near_address(struct qr_tunnel_near *near, const char *node,
                                                   const char *address,
                                                   char dst[QR_TUNNEL_ADDRESS_BYTES],
                                                   struct qr_err *err);
/* Ends all sessions. NULL is accepted. */
void qr_tunnel_near_free(struct qr_tunnel_near *near);

/* ---- far: beside the node ---- */

struct qr_tunnel_far;
struct qr_tunnel_far_options {
    struct qr_env *env;
    struct qr_log log;
    const char *handoff_address; /* "unix:PATH" of the node; borrowed */
};
QR_NODISCARD enum qr_status qr_tunnel_far_new(const struct qr_tunnel_far_options *options,
                                              struct qr_tunnel_far **ret_far, struct qr_err *err);
/* A qr_rpc_serve_fn whose ctx is the struct qr_tunnel_far; for a listener without workers. */
void qr_tunnel_far_serve(void *ctx, struct qr_rpc_request *own_request);
/* Ends all sessions, and refuses what waits. After its listener. NULL is accepted. */
void qr_tunnel_far_free(struct qr_tunnel_far *far);
