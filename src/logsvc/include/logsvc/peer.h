/* logsvc/peer.h - the calls of the log service through a peer, for who asks.
 *
 * All but append block (peer->ops->wait), so not on the loop thread. timeout_ns 0: the peer's
 * default. Errors: those of rpc/rpc.h (the outcome is open; every method may be repeated),
 * QR_PROTOCOL, and what the log service answered (logsvc/logsvc.h). */
#pragma once
#include "logsvc/client.h"
#include "rpc/rpc.h"

/* Sets the change's outputs; returns its status, or that of the call. `done` is not called. */
QR_NODISCARD enum qr_status qr_logsvc_peer_change(struct qr_rpc_peer *peer,
                                                  struct qr_logsvc_change *change,
                                                  int64_t timeout_ns, struct qr_err *err);
QR_NODISCARD enum qr_status
qr_logsvc_peer_state(struct qr_rpc_peer *peer, const struct qr_timeline *timeline,
                     int64_t timeout_ns, struct qr_logsvc_state *ret_state, struct qr_err *err);
QR_NODISCARD enum qr_status qr_logsvc_peer_readers(struct qr_rpc_peer *peer,
                                                   const struct qr_timeline *timeline,
                                                   int64_t timeout_ns,
                                                   struct qr_logsvc_readers *ret_readers,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qr_logsvc_peer_renew(struct qr_rpc_peer *peer,
                                                 const struct qr_timeline *timeline, uint64_t epoch,
                                                 int64_t ttl_ns, int64_t timeout_ns,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qr_logsvc_peer_find(struct qr_rpc_peer *peer,
                                                const struct qr_timeline *timeline,
                                                uint64_t wall_ns, int64_t timeout_ns,
                                                uint64_t *ret_commit_lsn,
                                                uint64_t *ret_commit_wall_ns, struct qr_err *err);
/* `body` takes the whole answer; the pieces start at *ret_pieces_at. */
QR_NODISCARD enum qr_status
qr_logsvc_peer_read(struct qr_rpc_peer *peer, const struct qr_timeline *timeline, uint64_t from_lsn,
                    size_t bytes_max, int64_t timeout_ns, struct qr_buf *body,
                    size_t *ret_pieces_at, struct qr_logsvc_state *ret_state, struct qr_err *err);

/* An append on its way. The caller sets `append` (its `done` too) and the timeout; the bytes stay
 * in place until done. A failed call leaves its status in append.status. */
struct qr_logsvc_peer_append {
    struct qr_logsvc_append append;
    int64_t timeout_ns;
    struct qr_rpc_call call; /* the function's from here */
    uint8_t header[QR_LOGSVC_APPEND_HEADER_BYTES];
};
void qr_logsvc_peer_append(struct qr_rpc_peer *peer, struct qr_logsvc_peer_append *append);
