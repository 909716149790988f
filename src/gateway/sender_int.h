/* sender_int.h - what the two files of a front's handoff thread share.
 *
 * Everything but the inbox is that thread's own. A login is under way as a struct qri_handoff; its
 * connection is held meanwhile, so the sender may write the outcome into it before releasing it. */
#pragma once
#include "handoff_int.h"

enum qri_stage {
    STAGE_NEW,
    STAGE_ROUTE, /* the router has the job */
    STAGE_QUEUE, /* all lanes of the node are taken */
    STAGE_SENT,  /* the node has the login and has not answered */
    STAGE_PAUSE, /* it did not work: another route later */
    STAGE_ORPHAN /* given up while the router has the job: no connection any more */
};

struct qri_handoff {
    struct qr_route_job job; /* first */
    struct qri_sender *sender;
    struct qri_conn *conn;
    struct qri_handoff *next, *next_in_inbox, *next_in_queue;
    enum qri_stage stage;
    int64_t retry_ns;
    struct qri_lane *lane; /* STAGE_SENT */
    int pair_fd;           /* STAGE_SENT with encryption: our end; else -1 */
    struct qr_buf message;
    char database[QRI_HANDOFF_TEXT_BYTES_MAX];
};

struct qri_lane {
    struct qri_lane *next;
    struct qri_node *node;
    struct qri_handoff *handoff; /* NULL: idle */
    int fd;
};

struct qri_node {
    struct qri_node *next;
    struct qri_lane *lanes;
    uint32_t lane_count, idle_count;
    struct qri_handoff *queue, **queue_end;
    char address[QR_ROUTE_ADDRESS_BYTES];
};

/* Routes that a node has taken a login by. */
struct qri_routes {
    struct route *first; /* the newest */
    size_t count;
};

struct qri_sender {
    struct qr_gateway *gateway;
    const struct qr_router *router;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool started;
    struct qri_handoff *handoffs;
    struct qri_node *nodes;
    struct qri_routes routes;
    pthread_mutex_t mu; /* guards everything below */
    pthread_cond_t changed;
    struct qri_handoff *inbox; /* new ones and answered jobs */
    bool stopping, ended;
};

/* handoff_routes.c. `find` sets the job's address and tells whether it could. */
void qri_routes_keep(struct qri_routes *routes, const struct qr_route_job *job);
bool qri_routes_find(const struct qri_routes *routes, struct qr_route_job *job);
void qri_routes_forget(struct qri_routes *routes, const struct qr_route_job *job);
void qri_routes_done(struct qri_routes *routes);

/* handoff_lane.c. The node of that address, made if need be; NULL: no memory. */
struct qri_node *qri_node_of(struct qri_sender *sender, const char *address);
void qri_node_unqueue(struct qri_node *node, const struct qri_handoff *handoff);
void qri_nodes_forget_unused(struct qri_sender *sender);
/* Connects to the node; NULL with the reason in `err`. */
struct qri_lane *qri_lane_new(struct qri_sender *sender, struct qri_node *node, struct qr_err *err);
void qri_lane_close(struct qri_lane *lane);
/* Sends the login with its descriptor; false: errno tells why, and the lane is of no use. */
bool qri_lane_send(struct qri_lane *lane, struct qri_handoff *handoff);
