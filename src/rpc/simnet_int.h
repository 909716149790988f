/* simnet_int.h - the simulated network's events, shared by simnet.c and simnet_call.c. */
#pragma once
#include "rpc/simnet.h"

enum { QRI_NET_NODES_MAX = 64, QRI_NET_SIMS_MAX = 64 };

enum qri_net_kind {
    QRI_NET_FRAME,    /* bytes arrive */
    QRI_NET_TIMER,    /* fn(arg) */
    QRI_NET_DEADLINE, /* of a call */
    QRI_NET_OUTCOME,  /* of a call: cancelled, refused, reset */
};

struct qri_net_peer;
struct qri_net_event {
    int64_t at_ns;
    uint64_t sequence;
    enum qri_net_kind kind;
    struct qri_net_peer *peer; /* FRAME, DEADLINE, OUTCOME */
    bool to_server;            /* FRAME */
    uint64_t from_boot, to_boot;
    uint64_t call_id;
    enum qr_status outcome;
    uint8_t *bytes; /* FRAME: owned */
    size_t byte_count;
    struct qr_simnet_node *node; /* TIMER; NULL: the test's own */
    void (*fn)(void *arg);
    void *arg;
};

struct qr_simnet_node {
    struct qr_simnet *net;
    char name[64];
    size_t index;
    bool up;
    uint64_t boot;
    struct {
        qr_rpc_serve_fn *serve;
        void *ctx;
    } ports[QR_SIMNET_PORTS];
};

struct qri_net_request {
    struct qr_rpc_request base; /* first */
    struct qri_net_request *prev, *next;
    struct qri_net_peer *peer;
    uint64_t call_id, from_boot, to_boot;
    bool gone;
    uint8_t body[];
};

struct qri_net_peer {
    struct qr_rpc_peer base; /* first */
    struct qri_net_peer *next;
    struct qr_simnet *net;
    struct qr_simnet_node *from, *to;
    int port;
    struct qr_rpc_call *calls;           /* in flight */
    int64_t last_call_ns, last_reply_ns; /* arrivals: later frames come later */
};

struct qr_simnet {
    struct qr_simnet_options options;
    struct qr_sim *sims[QRI_NET_SIMS_MAX];
    size_t sim_count, node_count;
    struct qr_simnet_node *nodes[QRI_NET_NODES_MAX];
    bool cuts[QRI_NET_NODES_MAX][QRI_NET_NODES_MAX];
    struct qri_net_peer *peers;
    struct qri_net_request *requests; /* not answered */
    struct qri_net_event *heap;
    size_t event_count, event_capacity;
    uint64_t random_state, last_sequence, last_call_id, digest;
    int depth;
    struct qr_simnet_stats stats;
};

uint64_t qri_net_random(struct qr_simnet *net, uint64_t below);
void qri_net_add(struct qr_simnet *net, struct qri_net_event event, int64_t delay_ns);
int64_t qri_net_delay(struct qr_simnet *net);

/* simnet_call.c */
extern const struct qr_rpc_peer_ops qri_net_peer_ops;
void qri_net_frame_arrived(struct qr_simnet *net, struct qri_net_event *event);
/* Ends a call in flight, if it still is. */
void qri_net_end_call(struct qri_net_peer *peer, uint64_t call_id, enum qr_status outcome);
void qri_net_end_all(struct qri_net_peer *peer, enum qr_status outcome);
/* The asker of these requests is gone. */
void qri_net_forget_requests(struct qri_net_peer *peer);
