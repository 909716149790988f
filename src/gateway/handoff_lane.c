/* handoff_lane.c - see sender_int.h: connections to nodes, and what goes over them */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "env/descriptor.h"
#include "sender_int.h"
#include "base/banned.h"

struct qri_node *qri_node_of(struct qri_sender *sender, const char *address)
{
    struct qri_node *node = sender->nodes;
    while (node != NULL && strcmp(node->address, address) != 0)
        node = node->next;
    if (node != NULL)
        return node;
    node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    memcpy(node->address, address, strlen(address) + 1);
    node->queue_end = &node->queue;
    node->next = sender->nodes;
    sender->nodes = node;
    return node;
}

void qri_nodes_forget_unused(struct qri_sender *sender)
{
    for (struct qri_node **link = &sender->nodes; *link != NULL;) {
        struct qri_node *node = *link;
        if (node->lane_count > 0 || node->queue != NULL) {
            link = &node->next;
            continue;
        }
        *link = node->next;
        free(node);
    }
}

void qri_lane_close(struct qri_lane *lane)
{
    struct qri_node *node = lane->node;
    struct qri_lane **link = &node->lanes;
    while (*link != lane)
        link = &(*link)->next;
    *link = lane->next;
    node->lane_count -= 1;
    node->idle_count -= lane->handoff == NULL;
    close(lane->fd);
    free(lane);
}

static int connect_node(const char *address_text, struct qr_err *err)
{
    struct sockaddr_un address;
    int send_bytes = 2 * QRI_HANDOFF_BYTES_MAX;
    if (qri_handoff_address(address_text, &address, err) != QR_OK)
        return -1;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        qri_handoff_peer_is_ours(fd)) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
        return fd;
    }
    qr_fail(err, QR_IO, "connect: error %d", errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

struct qri_lane *qri_lane_new(struct qri_sender *sender, struct qri_node *node, struct qr_err *err)
{
    struct qri_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        qr_fail(err, QR_NOMEM, "a connection to a node");
        return NULL;
    }
    lane->fd = connect_node(node->address, err);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = lane};
    if (lane->fd >= 0 && epoll_ctl(sender->epoll_fd, EPOLL_CTL_ADD, lane->fd, &event) != 0) {
        qr_fail(err, QR_IO, "watch a node: error %d", errno);
        close(lane->fd);
        lane->fd = -1;
    }
    if (lane->fd < 0) {
        free(lane);
        return NULL;
    }
    lane->node = node;
    lane->next = node->lanes;
    node->lanes = lane;
    node->lane_count += 1;
    node->idle_count += 1;
    return lane;
}

/* What goes to the node: the socket itself, or one end of a new pair. */
static int descriptor_for(struct qri_handoff *handoff, int *ret_own)
{
    int pair[2];
    *ret_own = -1;
    if (handoff->conn->ssl == NULL) {
        atomic_store(&handoff->conn->shared, true);
        return handoff->conn->fd;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    handoff->pair_fd = pair[0];
    *ret_own = pair[1];
    return pair[1];
}

bool qri_lane_send(struct qri_lane *lane, struct qri_handoff *handoff)
{
    int own, fd = descriptor_for(handoff, &own);
    if (fd < 0)
        return false;
    int state_fd = handoff->conn->login->state_fd, fds[2] = {fd, state_fd};
    bool sent = qr_descriptors_send(lane->fd, handoff->message.data, handoff->message.len, fds,
                                    state_fd >= 0 ? 2 : 1);
    if (own >= 0)
        close(own);
    if (!sent && handoff->pair_fd >= 0) {
        close(handoff->pair_fd);
        handoff->pair_fd = -1;
    }
    return sent;
}

void qri_node_unqueue(struct qri_node *node, const struct qri_handoff *handoff)
{
    struct qri_handoff **link = &node->queue;
    while (*link != handoff)
        link = &(*link)->next_in_queue;
    *link = handoff->next_in_queue;
    if (node->queue_end == &handoff->next_in_queue)
        node->queue_end = link;
}
