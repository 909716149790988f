/* far.c - see tunnel/tunnel.h: the end beside the node.
 *
 * Calls run on the rpc loop and do what can be done at once; the rest is parked in the session, and
 * the end's own thread goes on with it when a socket is ready. Both hold `mu` meanwhile. A socket
 * is watched for one event at a time, for what its session waits for. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/endian.h"
#include "env/thread.h"
#include "env/descriptor.h"
#include "tunnel_int.h"
#include "base/banned.h"

enum { BUCKETS = 1024, EVENTS = 32, SWEEP_MS = 1000 };

struct session {
    struct session *next; /* of its bucket; of those that open; of the closed */
    uint64_t id;          /* 0: it opens */
    int fd;               /* our end of the pair */
    int link;             /* to the node, while it opens; else -1 */
    struct qr_rpc_request *open, *send, *take;
    size_t sent; /* of `send` */
    int64_t heard_ns;
};

/* What a session that moves has with it, while it is on its way. */
struct state {
    struct state *next;
    uint64_t id;
    int fd;
    size_t bytes;
    int64_t heard_ns;
};

struct qr_tunnel_far {
    struct qr_tunnel_far_options options;
    struct sockaddr_un node;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mu; /* guards all below */
    bool stop;
    struct session *buckets[BUCKETS], *opening;
    struct session *closed; /* an event may name them until the thread fetches the next */
    size_t count;
    struct state *states;
    size_t state_count;
    uint8_t bytes[QR_TUNNEL_STEP_BYTES];
};

static int64_t now_ns(const struct qr_tunnel_far *far)
{
    return qr_env_mono_ns(far->options.env);
}

/* ---- sessions; mu held ---- */

static struct session **place_of(struct qr_tunnel_far *far, uint64_t id)
{
    struct session **at = &far->buckets[id % BUCKETS];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void watch(struct qr_tunnel_far *far, struct session *s)
{
    uint32_t events = (s->take != NULL ? EPOLLIN : 0u) | (s->send != NULL ? EPOLLOUT : 0u);
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = s};
    if (s->link >= 0)
        event.events = EPOLLIN | EPOLLONESHOT;
    else if (events == 0)
        return; /* it stays as it is after its last event: not watched */
    (void)epoll_ctl(far->epoll_fd, EPOLL_CTL_MOD, s->link >= 0 ? s->link : s->fd, &event);
}

static bool add_to_epoll(struct qr_tunnel_far *far, struct session *s, int fd)
{
    struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = s};
    return epoll_ctl(far->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void refuse(struct qr_rpc_request **request, enum qr_status status)
{
    if (*request != NULL)
        qr_rpc_refuse(QR_TAKE(*request), status, NULL);
}

/* Out of its list, which `at` points into. */
static void close_session(struct qr_tunnel_far *far, struct session **at)
{
    struct session *s = *at;
    *at = s->next;
    far->count -= 1;
    s->next = far->closed;
    far->closed = s;
    refuse(&s->open, QR_CLOSED);
    refuse(&s->send, QR_CLOSED);
    if (s->take != NULL)
        qr_rpc_answer(QR_TAKE(s->take), NULL, 0);
    if (s->link >= 0)
        close(s->link);
    close(s->fd);
    s->link = s->fd = -1;
}

/* ---- opening; mu held ---- */

static struct session **opening_place(struct qr_tunnel_far *far, const struct session *s)
{
    struct session **at = &far->opening;
    while (*at != s)
        at = &(*at)->next;
    return at;
}

/* The node's byte is there, or its connection has ended. */
static void take_answer(struct qr_tunnel_far *far, struct session *s)
{
    uint8_t answer[9] = {0};
    ssize_t n = recv(s->link, answer, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        watch(far, s);
        return;
    }
    struct session **at = opening_place(far, s);
    bool gone = s->open == NULL || qr_rpc_request_gone(s->open);
    bool taken = n == 1 && answer[0] == QRI_TUNNEL_TAKEN;
    if (n != 1)
        refuse(&s->open, QR_CLOSED);
    if (!taken || gone) {
        struct iovec iov = {answer, sizeof answer};
        if (s->open != NULL)
            qr_rpc_answer(QR_TAKE(s->open), &iov, 1);
        close_session(far, at);
        return;
    }
    *at = s->next;
    close(s->link);
    s->link = -1;
    do
        qr_env_random(far->options.env, &s->id, sizeof s->id);
    while (s->id == 0 || *place_of(far, s->id) != NULL);
    s->next = far->buckets[s->id % BUCKETS];
    far->buckets[s->id % BUCKETS] = s;
    s->heard_ns = now_ns(far);
    qr_put64le(answer + 1, s->id);
    struct iovec iov = {answer, sizeof answer};
    qr_rpc_answer(QR_TAKE(s->open), &iov, 1);
}

/* ---- states; mu held ---- */

static struct state **state_place(struct qr_tunnel_far *far, uint64_t id)
{
    struct state **at = &far->states;
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

/* Its descriptor is the caller's. */
static int take_state(struct qr_tunnel_far *far, struct state **at)
{
    struct state *state = *at;
    int fd = state->fd;
    *at = state->next;
    far->state_count -= 1;
    free(state);
    return fd;
}

static struct state *new_state(struct qr_tunnel_far *far)
{
    struct state *state = NULL;
    if (far->state_count < QRI_TUNNEL_STATES_MAX && !far->stop)
        state = calloc(1, sizeof *state);
    if (state == NULL)
        return NULL;
    state->fd = memfd_create("session", MFD_CLOEXEC);
    if (state->fd < 0) {
        free(state);
        return NULL;
    }
    do
        qr_env_random(far->options.env, &state->id, sizeof state->id);
    while (state->id == 0 || *state_place(far, state->id) != NULL);
    state->next = far->states;
    far->states = state;
    far->state_count += 1;
    return state;
}

static enum qr_status add_state(struct qr_tunnel_far *far, const uint8_t *body, size_t bytes,
                                uint64_t *ret_id)
{
    if (bytes <= 8 || bytes - 8 > QRI_TUNNEL_STATE_STEP)
        return QR_PROTOCOL;
    uint64_t id = qr_get64le(body);
    struct state *state = id == 0 ? new_state(far) : *state_place(far, id);
    if (state == NULL)
        return id == 0 ? QR_BUSY : QR_NOT_FOUND;
    bool fits = state->bytes + bytes - 8 <= QRI_TUNNEL_STATE_BYTES_MAX;
    if (!fits ||
        pwrite(state->fd, body + 8, bytes - 8, (off_t)state->bytes) != (ssize_t)(bytes - 8)) {
        close(take_state(far, state_place(far, state->id)));
        return fits ? QR_NOMEM : QR_TOO_BIG;
    }
    state->bytes += bytes - 8;
    state->heard_ns = now_ns(far);
    *ret_id = state->id;
    return QR_OK;
}

static void serve_state(struct qr_tunnel_far *far, struct qr_rpc_request *own_request)
{
    uint64_t id = 0;
    uint8_t answer[8];
    enum qr_status status = add_state(far, own_request->body, own_request->bytes, &id);
    explicit_bzero((void *)(uintptr_t)own_request->body, own_request->bytes);
    qr_put64le(answer, id);
    if (status == QR_OK)
        qr_rpc_answer(own_request, &(struct iovec){answer, sizeof answer}, 1);
    else
        qr_rpc_refuse(own_request, status, NULL);
}

/* Hands the message to the node with one end of a pair, and with what the session has (-1: none).
 */
static enum qr_status hand_over(struct qr_tunnel_far *far, struct session *s,
                                const uint8_t *message, size_t bytes, int state_fd)
{
    int pair[2], send_bytes = 2 * QRI_TUNNEL_MESSAGE_BYTES_MAX;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return QR_BUSY;
    int fds[2] = {pair[1], state_fd};
    s->fd = pair[0];
    s->link = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = s->link >= 0 &&
              connect(s->link, (const struct sockaddr *)&far->node, sizeof far->node) == 0 &&
              qri_tunnel_is_ours(s->link) &&
              setsockopt(s->link, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes) == 0 &&
              qr_descriptors_send(s->link, message, bytes, fds, state_fd >= 0 ? 2 : 1) &&
              add_to_epoll(far, s, s->fd) && add_to_epoll(far, s, s->link);
    close(pair[1]);
    if (ok)
        return QR_OK;
    close(s->fd);
    if (s->link >= 0)
        close(s->link);
    return QR_CLOSED;
}

static void serve_open(struct qr_tunnel_far *far, struct qr_rpc_request *own_request)
{
    bool moves = own_request->method == QRI_TUNNEL_OPEN_MOVED;
    size_t head = moves ? 8 : 0;
    enum qr_status status = QR_TOO_BIG;
    struct session *s = NULL;
    int state_fd = -1;
    if (own_request->bytes > head && own_request->bytes - head <= QRI_TUNNEL_MESSAGE_BYTES_MAX)
        status = far->count < QR_TUNNEL_SESSIONS_MAX && !far->stop ? QR_OK : QR_BUSY;
    if (status == QR_OK && (s = calloc(1, sizeof *s)) == NULL)
        status = QR_NOMEM;
    if (status == QR_OK && moves) {
        struct state **at = state_place(far, qr_get64le(own_request->body));
        status = *at != NULL ? QR_OK : QR_NOT_FOUND;
        state_fd = *at != NULL ? take_state(far, at) : -1;
    }
    if (status == QR_OK)
        status = hand_over(far, s, own_request->body + head, own_request->bytes - head, state_fd);
    if (state_fd >= 0)
        close(state_fd);
    explicit_bzero((void *)(uintptr_t)own_request->body, own_request->bytes); /* a password */
    if (status != QR_OK) {
        free(s);
        qr_rpc_refuse(own_request, status, NULL);
        return;
    }
    s->open = own_request;
    s->next = far->opening;
    far->opening = s;
    far->count += 1;
    watch(far, s);
}

/* ---- bytes; mu held. False: the session is over. ---- */

static bool go_on_sending(struct session *s)
{
    const uint8_t *bytes = s->send->body + 8;
    size_t count = s->send->bytes - 8;
    if (count == 0)
        shutdown(s->fd, SHUT_WR);
    while (s->sent < count) {
        ssize_t n = send(s->fd, bytes + s->sent, count - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true; /* it stays parked */
        if (n < 0)
            break; /* the node is gone, which the other way finds out */
        s->sent += (size_t)n;
    }
    s->sent = 0;
    qr_rpc_answer(QR_TAKE(s->send), NULL, 0);
    return true;
}

static bool go_on_taking(struct qr_tunnel_far *far, struct session *s)
{
    ssize_t n;
    do
        n = recv(s->fd, far->bytes, sizeof far->bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    struct iovec iov = {far->bytes, (size_t)n};
    qr_rpc_answer(QR_TAKE(s->take), &iov, 1);
    return true;
}

static void go_on(struct qr_tunnel_far *far, struct session *s)
{
    bool open = true;
    if (s->send != NULL)
        open = go_on_sending(s);
    if (open && s->take != NULL)
        open = go_on_taking(far, s);
    if (open)
        watch(far, s);
    else
        close_session(far, place_of(far, s->id));
}

/* ---- calls; on the rpc loop ---- */

static void serve_of_session(struct qr_tunnel_far *far, struct qr_rpc_request *own_request)
{
    struct session **at = NULL, *s = NULL;
    if (own_request->bytes >= 8)
        at = place_of(far, qr_get64le(own_request->body));
    if (at != NULL)
        s = *at;
    bool is_send = own_request->method == QRI_TUNNEL_SEND;
    if (s == NULL) {
        qr_rpc_refuse(own_request, own_request->bytes < 8 ? QR_PROTOCOL : QR_NOT_FOUND, NULL);
        return;
    }
    s->heard_ns = now_ns(far);
    if (own_request->method == QRI_TUNNEL_CLOSE || own_request->method == QRI_TUNNEL_HOLD) {
        if (own_request->method == QRI_TUNNEL_CLOSE)
            close_session(far, at);
        qr_rpc_answer(own_request, NULL, 0);
    } else if (is_send ? s->send != NULL : s->take != NULL) {
        qr_rpc_refuse(own_request, QR_CONFLICT, NULL);
    } else {
        *(is_send ? &s->send : &s->take) = own_request;
        go_on(far, s);
    }
}

void qr_tunnel_far_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_tunnel_far *far = ctx;
    pthread_mutex_lock(&far->mu);
    if (own_request->method == QRI_TUNNEL_OPEN || own_request->method == QRI_TUNNEL_OPEN_MOVED)
        serve_open(far, own_request);
    else if (own_request->method == QRI_TUNNEL_STATE)
        serve_state(far, own_request);
    else if (own_request->method > QRI_TUNNEL_OPEN && own_request->method <= QRI_TUNNEL_CLOSE)
        serve_of_session(far, own_request);
    else
        qr_rpc_refuse(own_request, QR_UNSUPPORTED, NULL);
    pthread_mutex_unlock(&far->mu);
}

/* ---- the thread ---- */

/* Whose near end is gone, or whose node does not answer in the login's time; mu held. */
static void sweep(struct qr_tunnel_far *far)
{
    int64_t now = now_ns(far);
    for (struct state **at = &far->states; *at != NULL;) {
        if (now - (*at)->heard_ns > QRI_TUNNEL_SILENCE_NS)
            close(take_state(far, at));
        else
            at = &(*at)->next;
    }
    for (struct session **at = &far->opening; *at != NULL;) {
        struct session *s = *at;
        if (qr_rpc_request_gone(s->open) || now >= s->open->deadline_mono_ns)
            close_session(far, at);
        else
            at = &s->next;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct session **at = &far->buckets[i]; *at != NULL;) {
            struct session *s = *at;
            bool gone = s->take != NULL ? qr_rpc_request_gone(s->take)
                                        : now - s->heard_ns > QRI_TUNNEL_SILENCE_NS;
            if (gone)
                close_session(far, at);
            else
                at = &s->next;
        }
    }
}

static void free_closed(struct qr_tunnel_far *far)
{
    while (far->closed != NULL) {
        struct session *s = far->closed;
        far->closed = s->next;
        free(s);
    }
}

static void *far_main(void *arg)
{
    struct qr_tunnel_far *far = arg;
    struct epoll_event events[EVENTS];
    int64_t swept_ns = now_ns(far);
    pthread_mutex_lock(&far->mu);
    while (!far->stop) {
        free_closed(far);
        pthread_mutex_unlock(&far->mu);
        int n = epoll_wait(far->epoll_fd, events, EVENTS, SWEEP_MS);
        pthread_mutex_lock(&far->mu);
        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;
            if (s == NULL || s->fd < 0) /* to be woken; closed since */
                continue;
            if (s->link >= 0)
                take_answer(far, s);
            else
                go_on(far, s);
        }
        if (now_ns(far) - swept_ns >= SWEEP_MS * INT64_C(1000000)) {
            swept_ns = now_ns(far);
            sweep(far);
        }
    }
    pthread_mutex_unlock(&far->mu);
    return NULL;
}

enum qr_status qr_tunnel_far_new(const struct qr_tunnel_far_options *options,
                                 struct qr_tunnel_far **ret_far, struct qr_err *err)
{
    struct qr_tunnel_far *far = calloc(1, sizeof *far);
    if (far == NULL)
        return qr_fail(err, QR_NOMEM, "open a tunnel");
    far->options = *options;
    pthread_mutex_init(&far->mu, NULL);
    far->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    far->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    enum qr_status status = qri_tunnel_unix(options->handoff_address, &far->node, err);
    if (status == QR_OK && (far->epoll_fd < 0 || far->wake_fd < 0 ||
                            epoll_ctl(far->epoll_fd, EPOLL_CTL_ADD, far->wake_fd, &event) != 0))
        status = qr_fail(err, QR_IO, "make a tunnel's event queue: error %d", errno);
    if (status == QR_OK)
        status = qr_thread_start("tunnel", 0, far_main, far, &far->thread, err);
    far->thread_runs = status == QR_OK;
    if (status != QR_OK)
        qr_tunnel_far_free(far);
    else
        *ret_far = far;
    return status;
}

void qr_tunnel_far_free(struct qr_tunnel_far *far)
{
    uint64_t one = 1;
    if (far == NULL)
        return;
    pthread_mutex_lock(&far->mu);
    far->stop = true;
    pthread_mutex_unlock(&far->mu);
    if (far->thread_runs) {
        (void)!write(far->wake_fd, &one, sizeof one);
        pthread_join(far->thread, NULL);
    }
    while (far->states != NULL)
        close(take_state(far, &far->states));
    while (far->opening != NULL)
        close_session(far, &far->opening);
    for (size_t i = 0; i < BUCKETS; i++)
        while (far->buckets[i] != NULL)
            close_session(far, &far->buckets[i]);
    free_closed(far);
    if (far->epoll_fd >= 0)
        close(far->epoll_fd);
    if (far->wake_fd >= 0)
        close(far->wake_fd);
    pthread_mutex_destroy(&far->mu);
    free(far);
}
