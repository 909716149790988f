/* near_int.h - the near end's own: near.c has its sessions, near_gate.c its gates, start and stop.
 */
#pragma once
#include <pthread.h>
#include "tunnel_int.h"

enum qri_near_kind { QRI_NEAR_GATE, QRI_NEAR_LINK, QRI_NEAR_SESSION };

/* What an event names: the first member of what follows. */
struct qri_near_watched {
    enum qri_near_kind kind;
    int fd; /* -1: closed */
    struct qri_near_watched *next_closed;
};

struct qri_near_gate {
    struct qri_near_watched watched;
    struct qri_near_gate *next;
    struct qr_rpc_client *client;
    char node[64], address[QR_TUNNEL_ADDRESS_BYTES], path[QR_TUNNEL_ADDRESS_BYTES];
};

struct qri_near_session;
struct qri_near_link {
    struct qri_near_watched watched;
    struct qri_near_link *prev, *next;
    struct qri_near_gate *gate;
    struct qri_near_session *opening; /* whose answer the gateway waits for */
};

struct qri_near_session {
    struct qri_near_watched watched; /* the client's socket, or the gateway's pair */
    struct qri_near_session *prev, *next;
    struct qr_tunnel_near *near;
    struct qr_rpc_peer *peer;
    struct qri_near_link *link; /* while it opens; NULL: the gateway has gone */
    uint64_t id;                /* 0: it opens */
    struct qr_rpc_call open, send, take, hold, close;
    int calls; /* under way */
    bool sending, taking, holding, client_ended, over;
    uint8_t head[8];
    uint8_t *up;       /* the handoff's message, then what is being sent */
    size_t open_bytes; /* of that message */
    int state_fd;      /* what it has with it, if it moves; else -1 */
    size_t state_at;
    uint8_t *state; /* a part of that */
    uint8_t *down;  /* what the client has not read yet */
    size_t down_at, down_bytes;
    int64_t told_ns;
};

struct qr_tunnel_near {
    struct qr_tunnel_near_options options;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t gates_mu;    /* before no other, and held while the rpc loop is waited for */
    struct qri_near_gate *gates; /* guarded by gates_mu, as their count */
    size_t gate_count;
    pthread_mutex_t mu; /* guards all below */
    pthread_cond_t no_calls;
    bool stop;
    struct qri_near_link *links;
    struct qri_near_session *sessions;
    struct qri_near_watched *closed; /* an event may name them until the thread fetches the next */
    size_t link_count, session_count;
    int64_t looked_ns; /* for clients that have vanished */
    uint8_t message[QRI_TUNNEL_MESSAGE_BYTES_MAX];
};

/* ---- near.c; mu held ---- */
/* Adds the socket to those that the thread waits for. */
bool qri_near_watch(struct qr_tunnel_near *near, struct qri_near_watched *w, uint32_t events);
/* The thread; `arg` is the struct qr_tunnel_near. */
void *qri_near_main(void *arg);
/* `tell`: the far end does not know yet. */
void qri_near_end_session(struct qri_near_session *s, bool tell);
void qri_near_close_link(struct qr_tunnel_near *near, struct qri_near_link *link);
/* Without the thread. */
void qri_near_free_closed(struct qr_tunnel_near *near);
