/* near_gate.c - see tunnel/tunnel.h: the end beside the gateway, its gates, start and stop */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/thread.h"
#include "near_int.h"
#include "base/banned.h"

enum { BACKLOG = 1024 };
/* A machine is given up two to three times PING_NS after it fell silent, but not before control
 * gives it up (LAPSE_NS in ctl/machines.c): a login that was on its way there then finds who serves
 * in its place. */
static const int64_t CALL_NS = INT64_C(20) * 1000000000, PING_NS = INT64_C(3) * 1000000000;

/* ---- gates ---- */

static enum qr_status listen_at(struct qr_tunnel_near *near, struct qri_near_gate *gate,
                                struct qr_err *err)
{
    struct sockaddr_un address;
    QR_TRY(qri_tunnel_unix(gate->path, &address, err));
    unlink(address.sun_path); /* of a gateway that died: the directory is our server's own */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    gate->watched = (struct qri_near_watched){.kind = QRI_NEAR_GATE, .fd = fd};
    /* before bind: the name never has another mode */
    if (fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0 && qri_near_watch(near, &gate->watched, EPOLLIN))
        return QR_OK;
    enum qr_status status = qr_fail(err, QR_IO, "listen on '%s': error %d", gate->path, errno);
    if (fd >= 0)
        close(fd);
    return status;
}

static enum qr_status make_gate(struct qr_tunnel_near *near, const char *node, const char *address,
                                struct qri_near_gate **ret_gate, struct qr_err *err)
{
    struct qri_near_gate *gate = NULL;
    if (near->gate_count >= QR_TUNNEL_GATES_MAX)
        return qr_fail(err, QR_FULL, "at most %d nodes are on other machines", QR_TUNNEL_GATES_MAX);
    if (strlen(node) >= sizeof gate->node || strlen(address) >= sizeof gate->address)
        return qr_fail(err, QR_INVALID, "'%s' at '%s' is too long", node, address);
    if ((gate = calloc(1, sizeof *gate)) == NULL)
        return qr_fail(err, QR_NOMEM, "open a tunnel");
    snprintf(gate->node, sizeof gate->node, "%s", node);
    snprintf(gate->address, sizeof gate->address, "%s", address);
    int n = snprintf(gate->path, sizeof gate->path, "unix:%s/%s-%zu.away", near->options.dir, node,
                     near->gate_count);
    struct qr_rpc_client_options options = {
        .address = address, .roles = "compute", .timeout_ns = CALL_NS, .ping_ns = PING_NS};
    enum qr_status status = n > 0 && (size_t)n < sizeof gate->path
                                ? QR_OK
                                : qr_fail(err, QR_INVALID, "the path of a socket is too long");
    if (status == QR_OK)
        status = qr_rpc_client_new(near->options.loop, &options, &gate->client, err);
    if (status == QR_OK)
        status = listen_at(near, gate, err);
    if (status != QR_OK) {
        qr_rpc_client_free(gate->client);
        free(gate);
        return status;
    }
    gate->next = near->gates;
    near->gates = gate;
    near->gate_count += 1;
    *ret_gate = gate;
    return QR_OK;
}

enum qr_status qr_tunnel_near_address(struct qr_tunnel_near *near, const char *node,
                                      const char *address, char dst[QR_TUNNEL_ADDRESS_BYTES],
                                      struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&near->gates_mu);
    struct qri_near_gate *gate = near->gates;
    while (gate != NULL && (strcmp(gate->node, node) != 0 || strcmp(gate->address, address) != 0))
        gate = gate->next;
    if (gate == NULL)
        status = make_gate(near, node, address, &gate, err);
    if (status == QR_OK)
        memcpy(dst, gate->path, sizeof gate->path);
    pthread_mutex_unlock(&near->gates_mu);
    return status;
}

/* ---- start and stop ---- */

enum qr_status qr_tunnel_near_new(const struct qr_tunnel_near_options *options,
                                  struct qr_tunnel_near **ret_near, struct qr_err *err)
{
    struct qr_tunnel_near *near = calloc(1, sizeof *near);
    if (near == NULL)
        return qr_fail(err, QR_NOMEM, "open a tunnel");
    near->options = *options;
    pthread_mutex_init(&near->gates_mu, NULL);
    pthread_mutex_init(&near->mu, NULL);
    qr_cond_init(&near->no_calls);
    near->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    near->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    enum qr_status status = QR_OK;
    if (near->epoll_fd < 0 || near->wake_fd < 0 ||
        epoll_ctl(near->epoll_fd, EPOLL_CTL_ADD, near->wake_fd, &event) != 0)
        status = qr_fail(err, QR_IO, "make a tunnel's event queue: error %d", errno);
    if (status == QR_OK)
        status = qr_thread_start("tunnel", 0, qri_near_main, near, &near->thread, err);
    near->thread_runs = status == QR_OK;
    if (status != QR_OK)
        qr_tunnel_near_free(near);
    else
        *ret_near = near;
    return status;
}

static void end_all(struct qr_tunnel_near *near)
{
    uint64_t one = 1;
    pthread_mutex_lock(&near->mu);
    near->stop = true;
    pthread_mutex_unlock(&near->mu);
    if (near->thread_runs) {
        (void)!write(near->wake_fd, &one, sizeof one);
        pthread_join(near->thread, NULL);
    }
    for (struct qri_near_gate *gate = near->gates; gate != NULL; gate = gate->next)
        qr_rpc_client_stop(gate->client); /* every call has come back when this returns */
    pthread_mutex_lock(&near->mu);
    for (struct qri_near_session *s = near->sessions, *next; s != NULL; s = next) {
        next = s->next;
        qri_near_end_session(s, false);
    }
    while (near->session_count > 0)
        qr_cond_wait(&near->no_calls, &near->mu, -1);
    while (near->links != NULL)
        qri_near_close_link(near, near->links);
    pthread_mutex_unlock(&near->mu);
}

void qr_tunnel_near_free(struct qr_tunnel_near *near)
{
    if (near == NULL)
        return;
    end_all(near);
    while (near->gates != NULL) {
        struct qri_near_gate *gate = near->gates;
        near->gates = gate->next;
        unlink(gate->path + 5);
        close(gate->watched.fd);
        qr_rpc_client_free(gate->client);
        free(gate);
    }
    qri_near_free_closed(near);
    if (near->epoll_fd >= 0)
        close(near->epoll_fd);
    if (near->wake_fd >= 0)
        close(near->wake_fd);
    pthread_cond_destroy(&near->no_calls);
    pthread_mutex_destroy(&near->mu);
    pthread_mutex_destroy(&near->gates_mu);
    free(near);
}
