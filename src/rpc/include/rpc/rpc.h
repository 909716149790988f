/* rpc/rpc.h - calls between our own services: pipelined, with deadlines, bounded.
 *
 * A peer is the other side as a caller sees it. Sockets (rpc/socket.h) and the simulated network
 * (rpc/simnet.h) implement it; callers know only this. A call is answered, refused or timed out
 * exactly once; what happened on the other side after QR_TIMEOUT, QR_CLOSED or QR_CANCELLED is not
 * known, so every method must be idempotent or carry what makes it so.
 *
 * Threads: any. `done` runs on the peer's loop thread (simulation: inside wait or a step), with no
 * lock held, and may start further calls (this one again too) but must not block.
 * Errors: the other side's status with its text; QR_TIMEOUT, QR_CLOSED (no connection, or it was
 * lost), QR_BUSY (too many bytes queued), QR_CORRUPT (a damaged frame ended the connection),
 * QR_TOO_BIG (body), QR_CANCELLED (by cancel, or because the peer is being freed: do not try
 * again). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/buf.h"
#include "base/status.h"
#include "rpc/frame.h"

enum { QR_RPC_IOV_MAX = 8 };

struct qr_rpc_peer;

struct qr_rpc_reply {
    enum qr_status status;
    const struct qr_err *err; /* when status is not QR_OK */
    const uint8_t *body;      /* borrowed for the call of `done` */
    size_t bytes;
};

/* A frame on its way out; private to the implementations. */
struct qr_rpc_out {
    struct qr_rpc_out *prev, *next;
    void (*sent)(struct qr_rpc_out *out); /* NULL: nobody waits for it */
    const struct iovec *body;
    int body_count;
    bool queued;
    size_t bytes, sent_bytes; /* of header and body */
    uint8_t header[QR_RPC_HEADER_BYTES];
};

/* Zeroed, then filled in by the caller. Its memory and that of the body stay in place until `done`
 * has been called, or, for whom waits, until wait has returned. */
struct qr_rpc_call {
    uint16_t method;
    int body_count;
    struct iovec body[QR_RPC_IOV_MAX];
    int64_t timeout_ns; /* 0: the peer's default */
    void (*done)(struct qr_rpc_call *call, const struct qr_rpc_reply *reply);

    /* The peer's own from here. */
    struct qr_rpc_call *prev, *next, *chain;
    uint64_t id;
    int64_t deadline_mono_ns;
    int state;
    enum qr_status outcome;
    struct qr_rpc_out out;
};

struct qr_rpc_peer_ops {
    void (*start)(struct qr_rpc_peer *peer, struct qr_rpc_call *call);
    /* `done` comes with QR_CANCELLED unless it came or comes anyway. The memory stays in place
     * until then all the same. */
    void (*cancel)(struct qr_rpc_peer *peer, struct qr_rpc_call *call);
    /* Blocks until `done` of this call has returned. Not on the loop thread. */
    void (*wait)(struct qr_rpc_peer *peer, struct qr_rpc_call *call);
};
struct qr_rpc_peer {
    const struct qr_rpc_peer_ops *ops;
};

/* Never calls `done` itself: that comes from the loop, however soon the outcome is known. */
static inline void qr_rpc_start(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    peer->ops->start(peer, call);
}
static inline void qr_rpc_cancel(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    peer->ops->cancel(peer, call);
}
static inline void qr_rpc_wait(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    peer->ops->wait(peer, call);
}

/* One call, waited for; appends the reply's body to `reply` (may be NULL: the body is dropped). */
QR_NODISCARD enum qr_status qr_rpc_call_wait(struct qr_rpc_peer *peer, uint16_t method,
                                             const struct iovec *body, int body_count,
                                             int64_t timeout_ns, struct qr_buf *reply,
                                             struct qr_err *err);

/* The serving side. */
struct qr_rpc_request_ops;
struct qr_identity;
struct qr_rpc_request {
    const struct qr_rpc_request_ops *ops;
    uint16_t method;
    const uint8_t *body; /* until the reply */
    size_t bytes;
    int64_t deadline_mono_ns;       /* by the environment's clock; INT64_MAX: none */
    const struct qr_identity *from; /* of the asker's certificate (rpc/identity.h), until the reply;
                                       NULL: a process of this machine */
};
struct qr_rpc_request_ops {
    /* Ends the request. `status` QR_OK: `body` is the answer, else an error made by qr_rpc_refuse.
     * `own_memory`: NULL, or where the one part of the body begins; to be freed. */
    void (*reply)(struct qr_rpc_request *own_request, enum qr_status status,
                  const struct iovec *body, int body_count, void *own_memory);
    bool (*gone)(const struct qr_rpc_request *request);
    void *(*take_body)(struct qr_rpc_request *request); /* NULL: there never is one to take */
};

/* Leads to exactly one qr_rpc_answer or qr_rpc_refuse, now or later, from any thread. */
typedef void qr_rpc_serve_fn(void *ctx, struct qr_rpc_request *own_request);

/* The body is borrowed for the call. When the asker is gone nothing happens. A body over
 * QR_RPC_BODY_BYTES_MAX becomes a refusal with QR_TOO_BIG. */
void qr_rpc_answer(struct qr_rpc_request *own_request, const struct iovec *body, int body_count);
/* The same without a copy: what the socket does not take at once is sent from the buffer's memory,
 * which is empty afterwards. */
void qr_rpc_answer_own(struct qr_rpc_request *own_request, struct qr_buf *own_body);
/* `err` may be NULL: the status' own meaning is sent. */
void qr_rpc_refuse(struct qr_rpc_request *own_request, enum qr_status status,
                   const struct qr_err *err);
/* Answers with what the buffer was filled with, or refuses: for `status`, or because that was too
 * much for the buffer. Frees the buffer's memory. */
void qr_rpc_finish(struct qr_rpc_request *own_request, struct qr_buf *own_body,
                   enum qr_status status, struct qr_err *err);
/* Nobody waits any more: cancelled, or the connection is lost. Whoever parks requests asks now and
 * then; an answer is due all the same. */
static inline bool qr_rpc_request_gone(const struct qr_rpc_request *request)
{
    return request->ops->gone(request);
}
/* For who keeps the body beyond the reply: memory in which it lies, the caller's to free, or NULL:
 * it does not lie alone and must be copied. Large ones do. `body` stays where it is. */
static inline void *qr_rpc_request_take_body(struct qr_rpc_request *request)
{
    return request->ops->take_body == NULL ? NULL : request->ops->take_body(request);
}
