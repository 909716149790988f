/* tunnel_int.h - what the two ends say to each other, and what they share. */
#pragma once
#include <sys/un.h>
#include "tunnel/tunnel.h"

/* All numbers are little-endian. Calls of a session that is not known are refused (QR_NOT_FOUND).
 */
enum qri_tunnel_method {
    QRI_TUNNEL_OPEN = 0x501, /* a handoff's message; answer: its byte (1: taken), u64 session */
    QRI_TUNNEL_SEND,  /* u64 session, bytes for the node; none: the client has no more; answered
                         when the node's socket has taken them */
    QRI_TUNNEL_TAKE,  /* u64 session; waits for bytes of the node; none: it has ended */
    QRI_TUNNEL_HOLD,  /* u64 session: its client reads slowly, but is there */
    QRI_TUNNEL_CLOSE, /* u64 session */
    QRI_TUNNEL_STATE, /* u64 state (0: a new one), bytes of what a session that moves has with it;
                         answer: u64 state */
    QRI_TUNNEL_OPEN_MOVED, /* u64 state, which is used up; as OPEN */
};
enum { QRI_TUNNEL_TAKEN = 1, QRI_TUNNEL_NOT_HERE = 2 }; /* bytes of a handoff */
/* A session that is not heard of for so long has lost its other end. */
static const int64_t QRI_TUNNEL_SILENCE_NS = INT64_C(40) * 1000000000,
                     QRI_TUNNEL_HOLD_NS = INT64_C(10) * 1000000000;

enum {
    QRI_TUNNEL_MESSAGE_BYTES_MAX = 128 * 1024,
    QRI_TUNNEL_STATE_STEP = 256 * 1024,
    QRI_TUNNEL_STATE_BYTES_MAX = 65 << 20, /* as a handoff's (src/gateway) */
    QRI_TUNNEL_STATES_MAX = 64,            /* on their way at once */
};

/* common.c */
QR_NODISCARD enum qr_status qri_tunnel_unix(const char *address, struct sockaddr_un *ret_address,
                                            struct qr_err *err);
/* True: the process at the other end runs as our own user. */
bool qri_tunnel_is_ours(int fd);
/* A whole message with the client's descriptor, and with that of its state if the session moves.
 * Its bytes, 0 at the end, -1 and errno. What it did not bring is -1, as both are of a message that
 * was cut. */
enum { QRI_TUNNEL_CLIENT, QRI_TUNNEL_MOVED, QRI_TUNNEL_FDS };
ssize_t qri_tunnel_catch(int link, void *dst, size_t bytes, int ret_fds[QRI_TUNNEL_FDS]);
