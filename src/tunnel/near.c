/* near.c - see tunnel/tunnel.h: the end beside the gateway, its sessions.
 *
 * A gate is a socket that handoffs come to; a link is a gateway's connection to it, with one login
 * at a time under way. The end's thread waits for sockets, the rpc loop runs what calls come back
 * with; both hold `mu`. A socket is watched for one event at a time, for what its session waits
 * for. A session has a call of each kind at most, and its memory goes when none is under way and
 * the thread has fetched no event of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/endian.h"
#include "env/descriptor.h"
#include "near_int.h"
#include "base/banned.h"

enum { EVENTS = 32, SWEEP_MS = 1000, LINKS_MAX = 1024 };
static const int64_t CALL_NS = INT64_C(20) * 1000000000, LOOK_NS = INT64_C(10) * 1000000000,
                     FOREVER_NS = INT64_C(315360000) * 1000000000;

/* ---- events; mu held ---- */

static void rearm(struct qr_tunnel_near *near, struct qri_near_watched *w, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = w};
    (void)epoll_ctl(near->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);
}

bool qri_near_watch(struct qr_tunnel_near *near, struct qri_near_watched *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    return epoll_ctl(near->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) == 0;
}

static void bury(struct qr_tunnel_near *near, struct qri_near_watched *w)
{
    w->next_closed = near->closed;
    near->closed = w;
}

/* What the session waits for; nothing: the outcome of a call. */
static void await(struct qri_near_session *s)
{
    uint32_t events =
        (s->sending || s->client_ended ? 0u : EPOLLIN) | (s->down_bytes > 0 ? EPOLLOUT : 0u);
    if (events != 0 && !s->over)
        rearm(s->near, &s->watched, events);
}

/* ---- the end of a session; mu held ---- */

static void settle(struct qri_near_session *s)
{
    struct qr_tunnel_near *near = s->near;
    if (!s->over || s->calls > 0)
        return;
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        near->sessions = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    near->session_count -= 1;
    bury(near, &s->watched);
    if (near->session_count == 0)
        pthread_cond_broadcast(&near->no_calls);
}

static void start(struct qri_near_session *s, struct qr_rpc_call *call, uint16_t method,
                  int64_t timeout_ns, const void *bytes, size_t count,
                  void (*done)(struct qr_rpc_call *call, const struct qr_rpc_reply *reply))
{
    *call = (struct qr_rpc_call){.method = method, .timeout_ns = timeout_ns, .done = done};
    if (method != QRI_TUNNEL_OPEN)
        call->body[call->body_count++] = (struct iovec){s->head, sizeof s->head};
    if (count > 0)
        call->body[call->body_count++] = (struct iovec){(void *)(uintptr_t)bytes, count};
    s->calls += 1;
    qr_rpc_start(s->peer, call); /* `done` comes from the loop */
}

static struct qri_near_session *session_of(struct qr_rpc_call *call, size_t offset)
{
    return (struct qri_near_session *)(void *)((char *)call - offset);
}

static void closed(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_near_session *s = session_of(call, offsetof(struct qri_near_session, close));
    struct qr_tunnel_near *near = s->near;
    (void)reply;
    pthread_mutex_lock(&near->mu);
    s->calls -= 1;
    settle(s);
    pthread_mutex_unlock(&near->mu);
}

/* `tell`: the far end does not know yet. */
void qri_near_end_session(struct qri_near_session *s, bool tell)
{
    if (s->over)
        return;
    s->over = true;
    close(s->watched.fd);
    s->watched.fd = -1;
    if (s->state_fd >= 0)
        close(s->state_fd);
    s->state_fd = -1;
    if (s->taking)
        qr_rpc_cancel(s->peer, &s->take);
    if (tell && s->id != 0)
        start(s, &s->close, QRI_TUNNEL_CLOSE, CALL_NS, NULL, 0, closed);
    settle(s);
}

/* ---- from the node to the client; mu held, or `done` of a call ---- */

static void taken(struct qr_rpc_call *call, const struct qr_rpc_reply *reply);

static void take_more(struct qri_near_session *s)
{
    if (s->taking || s->down_bytes > 0 || s->over)
        return;
    s->taking = true;
    start(s, &s->take, QRI_TUNNEL_TAKE, FOREVER_NS, NULL, 0, taken);
}

/* How much of it the client takes now; less than none: it is gone. */
static ssize_t write_some(const struct qri_near_session *s, const uint8_t *bytes, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t n = send(s->watched.fd, bytes + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void write_down(struct qri_near_session *s)
{
    ssize_t n = write_some(s, s->down + s->down_at, s->down_bytes);
    if (n < 0) {
        qri_near_end_session(s, true);
        return;
    }
    s->down_at += (size_t)n;
    s->down_bytes -= (size_t)n;
    if (s->down_bytes == 0)
        take_more(s);
}

static void deliver(struct qri_near_session *s, const struct qr_rpc_reply *reply)
{
    ssize_t n = write_some(s, reply->body, reply->bytes);
    size_t rest = n < 0 ? 0 : reply->bytes - (size_t)n;
    if (n < 0 || rest > QR_TUNNEL_STEP_BYTES) {
        qri_near_end_session(s, true);
        return;
    }
    if (rest > 0 && s->down == NULL && (s->down = malloc(QR_TUNNEL_STEP_BYTES)) == NULL) {
        qri_near_end_session(s, true);
        return;
    }
    if (rest > 0)
        memcpy(s->down, reply->body + n, rest);
    s->down_at = 0;
    s->down_bytes = rest;
    s->told_ns = qr_env_mono_ns(s->near->options.env);
    take_more(s);
    await(s);
}

static void taken(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_near_session *s = session_of(call, offsetof(struct qri_near_session, take));
    struct qr_tunnel_near *near = s->near;
    pthread_mutex_lock(&near->mu);
    s->calls -= 1;
    s->taking = false;
    if (s->over)
        settle(s);
    else if (reply->status != QR_OK || reply->bytes == 0) /* the node, or its machine, is gone */
        qri_near_end_session(s, reply->status != QR_OK);
    else
        deliver(s, reply);
    pthread_mutex_unlock(&near->mu);
}

/* ---- from the client to the node ---- */

static void sent(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_near_session *s = session_of(call, offsetof(struct qri_near_session, send));
    struct qr_tunnel_near *near = s->near;
    pthread_mutex_lock(&near->mu);
    s->calls -= 1;
    s->sending = false;
    if (s->over)
        settle(s);
    else if (reply->status != QR_OK)
        qri_near_end_session(s, true);
    else
        await(s);
    pthread_mutex_unlock(&near->mu);
}

static void read_up(struct qri_near_session *s)
{
    ssize_t n;
    do
        n = recv(s->watched.fd, s->up, QR_TUNNEL_STEP_BYTES, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n < 0) {
        qri_near_end_session(s, true);
        return;
    }
    s->client_ended = n == 0;
    s->sending = true;
    /* a node may take its time: as long as anybody waits for the answer to a request */
    start(s, &s->send, QRI_TUNNEL_SEND, FOREVER_NS, s->up, (size_t)n, sent);
}

static void held(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_near_session *s = session_of(call, offsetof(struct qri_near_session, hold));
    struct qr_tunnel_near *near = s->near;
    pthread_mutex_lock(&near->mu);
    s->calls -= 1;
    s->holding = false;
    if (s->over)
        settle(s);
    else if (reply->status != QR_OK)
        qri_near_end_session(s, true);
    pthread_mutex_unlock(&near->mu);
}

/* ---- a login; mu held ---- */

static void tell_gateway(struct qr_tunnel_near *near, struct qri_near_session *s, uint8_t answer)
{
    struct qri_near_link *link = QR_TAKE(s->link);
    bool told = false;
    if (link != NULL) {
        link->opening = NULL;
        told = send(link->watched.fd, &answer, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
        rearm(near, &link->watched, EPOLLIN);
    }
    if (answer != QRI_TUNNEL_TAKEN || !told) { /* the client is the gateway's again */
        qri_near_end_session(s, true);
        return;
    }
    s->told_ns = qr_env_mono_ns(near->options.env);
    take_more(s);
    await(s);
}

static void opened(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_near_session *s = session_of(call, offsetof(struct qri_near_session, open));
    struct qr_tunnel_near *near = s->near;
    uint8_t answer = QRI_TUNNEL_NOT_HERE;
    pthread_mutex_lock(&near->mu);
    s->calls -= 1;
    explicit_bzero(s->up, s->open_bytes);
    if (reply->status == QR_OK && reply->bytes == 9)
        answer = reply->body[0];
    if (reply->status == QR_OK && answer == QRI_TUNNEL_TAKEN) {
        memcpy(s->head, reply->body + 1, sizeof s->head);
        s->id = qr_get64le(s->head);
    } else if (reply->status != QR_OK) {
        QR_LOG(&near->options.log, QR_INFO, "handoff_lost",
               QR_F("status", qr_status_info(reply->status)->name));
    }
    tell_gateway(near, s, answer);
    pthread_mutex_unlock(&near->mu);
}

static void send_state(struct qri_near_session *s);

static void state_sent(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_near_session *s = session_of(call, offsetof(struct qri_near_session, open));
    struct qr_tunnel_near *near = s->near;
    pthread_mutex_lock(&near->mu);
    s->calls -= 1;
    if (reply->status == QR_OK && reply->bytes == sizeof s->head && s->link != NULL && !s->over) {
        memcpy(s->head, reply->body, sizeof s->head);
        send_state(s);
    } else {
        tell_gateway(near, s, QRI_TUNNEL_NOT_HERE);
    }
    pthread_mutex_unlock(&near->mu);
}

/* What a session that moves has with it goes ahead of it. */
static void send_state(struct qri_near_session *s)
{
    ssize_t n = pread(s->state_fd, s->state, QRI_TUNNEL_STATE_STEP, (off_t)s->state_at);
    if (n > 0) {
        s->state_at += (size_t)n;
        start(s, &s->open, QRI_TUNNEL_STATE, CALL_NS, s->state, (size_t)n, state_sent);
        return;
    }
    free(QR_TAKE(s->state));
    if (n < 0)
        tell_gateway(s->near, s, QRI_TUNNEL_NOT_HERE);
    else
        start(s, &s->open, QRI_TUNNEL_OPEN_MOVED, CALL_NS, s->up, s->open_bytes, opened);
}

static struct qri_near_session *new_session(struct qr_tunnel_near *near, size_t bytes,
                                            const int fds[QRI_TUNNEL_FDS])
{
    size_t room = bytes > QR_TUNNEL_STEP_BYTES ? bytes : QR_TUNNEL_STEP_BYTES;
    bool moves = fds[QRI_TUNNEL_MOVED] >= 0;
    struct qri_near_session *s = NULL;
    if (near->session_count < QR_TUNNEL_SESSIONS_MAX && !near->stop)
        s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->up = malloc(room);
    s->state = moves ? malloc(QRI_TUNNEL_STATE_STEP) : NULL;
    s->state_fd = fds[QRI_TUNNEL_MOVED];
    s->watched = (struct qri_near_watched){.kind = QRI_NEAR_SESSION, .fd = fds[QRI_TUNNEL_CLIENT]};
    if (s->up != NULL && (s->state != NULL || !moves) &&
        qri_near_watch(near, &s->watched, EPOLLONESHOT))
        return s;
    free(s->up);
    free(s->state);
    free(s);
    return NULL;
}

static void begin_session(struct qr_tunnel_near *near, struct qri_near_link *link, size_t bytes,
                          const int own_fds[QRI_TUNNEL_FDS])
{
    struct qri_near_session *s = new_session(near, bytes, own_fds);
    if (s == NULL) {
        uint8_t answer = QRI_TUNNEL_NOT_HERE;
        for (int i = 0; i < QRI_TUNNEL_FDS; i++)
            if (own_fds[i] >= 0)
                close(own_fds[i]);
        (void)!send(link->watched.fd, &answer, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        rearm(near, &link->watched, EPOLLIN);
        return;
    }
    memcpy(s->up, near->message, bytes);
    s->open_bytes = bytes;
    explicit_bzero(near->message, bytes); /* a password may be in it */
    s->near = near;
    s->peer = qr_rpc_client_peer(link->gate->client);
    s->link = link;
    link->opening = s;
    s->next = near->sessions;
    if (near->sessions != NULL)
        near->sessions->prev = s;
    near->sessions = s;
    near->session_count += 1;
    if (s->state_fd >= 0)
        send_state(s);
    else
        start(s, &s->open, QRI_TUNNEL_OPEN, CALL_NS, s->up, bytes, opened);
}

void qri_near_close_link(struct qr_tunnel_near *near, struct qri_near_link *link)
{
    if (link->opening != NULL)
        link->opening->link = NULL; /* when its answer comes, nobody wants it */
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        near->links = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    near->link_count -= 1;
    close(link->watched.fd);
    link->watched.fd = -1;
    bury(near, &link->watched);
}

static void link_ready(struct qr_tunnel_near *near, struct qri_near_link *link)
{
    int fds[QRI_TUNNEL_FDS];
    ssize_t n = qri_tunnel_catch(link->watched.fd, near->message, sizeof near->message, fds);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        rearm(near, &link->watched, EPOLLIN);
    else if (n <= 0 || fds[QRI_TUNNEL_CLIENT] < 0)
        qri_near_close_link(near, link);
    else
        begin_session(near, link, (size_t)n, fds);
}

static void gate_ready(struct qr_tunnel_near *near, struct qri_near_gate *gate)
{
    int fd = accept4(gate->watched.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct qri_near_link *link = NULL;
    if (fd >= 0 && qri_tunnel_is_ours(fd) && near->link_count < LINKS_MAX)
        link = calloc(1, sizeof *link);
    if (link == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    link->watched = (struct qri_near_watched){.kind = QRI_NEAR_LINK, .fd = fd};
    link->gate = gate;
    if (!qri_near_watch(near, &link->watched, EPOLLIN | EPOLLONESHOT)) {
        close(fd);
        free(link);
        return;
    }
    link->next = near->links;
    if (near->links != NULL)
        near->links->prev = link;
    near->links = link;
    near->link_count += 1;
}

static void session_ready(struct qri_near_session *s, uint32_t events)
{
    if (s->id == 0)
        return; /* it opens: whatever happened is seen afterwards */
    if (s->down_bytes > 0 && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        write_down(s);
    if (!s->over && !s->sending && !s->client_ended)
        read_up(s);
    await(s);
}

/* ---- the thread ---- */

void qri_near_free_closed(struct qr_tunnel_near *near)
{
    while (near->closed != NULL) {
        struct qri_near_watched *w = near->closed;
        near->closed = w->next_closed;
        if (w->kind == QRI_NEAR_SESSION) {
            free(((struct qri_near_session *)w)->up);
            free(((struct qri_near_session *)w)->state);
            free(((struct qri_near_session *)w)->down);
        }
        free(w);
    }
}

/* A far end forgets sessions that nobody asks of: who waits for a slow client says so. */
static void hold_slow(struct qr_tunnel_near *near)
{
    int64_t now = qr_env_mono_ns(near->options.env);
    for (struct qri_near_session *s = near->sessions; s != NULL; s = s->next) {
        if (s->id == 0 || s->over || s->taking || s->holding ||
            now - s->told_ns < QRI_TUNNEL_HOLD_NS)
            continue;
        s->told_ns = now;
        s->holding = true;
        start(s, &s->hold, QRI_TUNNEL_HOLD, CALL_NS, NULL, 0, held);
    }
}

/* A session's client may have vanished, as a gateway's own (G8 of src/gateway). */
static void end_vanished(struct qr_tunnel_near *near)
{
    int64_t now = qr_env_mono_ns(near->options.env);
    if (now - near->looked_ns < LOOK_NS)
        return;
    near->looked_ns = now;
    for (struct qri_near_session *s = near->sessions, *next; s != NULL; s = next) {
        next = s->next;
        if (s->id != 0 && !s->over && qr_descriptor_vanished(s->watched.fd))
            qri_near_end_session(s, true);
    }
}

static void handle(struct qr_tunnel_near *near, const struct epoll_event *event)
{
    struct qri_near_watched *w = event->data.ptr;
    if (w == NULL || w->fd < 0) /* to be woken; closed since */
        return;
    if (w->kind == QRI_NEAR_GATE)
        gate_ready(near, (struct qri_near_gate *)w);
    else if (w->kind == QRI_NEAR_LINK)
        link_ready(near, (struct qri_near_link *)w);
    else
        session_ready((struct qri_near_session *)w, event->events);
}

void *qri_near_main(void *arg)
{
    struct qr_tunnel_near *near = arg;
    struct epoll_event events[EVENTS];
    pthread_mutex_lock(&near->mu);
    while (!near->stop) {
        qri_near_free_closed(near);
        pthread_mutex_unlock(&near->mu);
        int n = epoll_wait(near->epoll_fd, events, EVENTS, SWEEP_MS);
        pthread_mutex_lock(&near->mu);
        for (int i = 0; i < n; i++)
            handle(near, &events[i]);
        hold_slow(near);
        end_vanished(near);
    }
    pthread_mutex_unlock(&near->mu);
    return NULL;
}
