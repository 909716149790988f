/* listener.c - see rpc/socket.h: the serving side */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "socket_int.h"
#include "base/banned.h"

enum {
    ACCEPTS_MAX = 64, /* at a time */
    LINKS_MAX = 1024,
    REQUESTS_MAX = 4096,
    DIRECT_BYTES = 64 * 1024, /* an answer of this size leaves at once, corked or not */
};
static const size_t LINK_BYTES_MAX = 64 << 20;
static const size_t UNREAD_BYTES_MAX = 256 << 20;
static const int64_t GREETING_NS = INT64_C(10) * 1000000000;

struct served_link;
struct request {
    struct qr_rpc_request base; /* first */
    struct served_link *link;   /* counted */
    struct request *prev, *next;
    uint64_t id;
    _Atomic bool gone;
    struct qri_message *message; /* NULL: the body is behind the struct */
    uint8_t body[];
};

struct served_link {
    struct qri_link link; /* first */
    pthread_mutex_t mu;
    _Atomic int refs;                 /* the loop's, and each request's */
    struct qr_rpc_listener *listener; /* loop thread, while the link is not closed */
    struct served_link *prev, *next;  /* loop thread */
    struct request *requests;         /* guarded by mu, like what follows */
    int request_count, request_count_max;
    size_t request_bytes, request_bytes_max, unread_bytes_max;
};

struct qr_rpc_listener {
    struct qri_source source; /* first */
    struct qr_rpc_listen_options options;
    struct qr_rpc_loop *loop;
    bool is_unix;
    struct qri_workers *workers;
    struct served_link *links; /* loop thread */
    int link_count;
    char address[QRI_ADDRESS_BYTES_MAX];
};

static void unref_link(struct served_link *link)
{
    if (atomic_fetch_sub(&link->refs, 1) == 1) {
        pthread_mutex_destroy(&link->mu);
        free(link);
    }
}

static void link_free(struct qri_source *source)
{
    unref_link((struct served_link *)source);
}

static void free_request(struct request *request)
{
    struct served_link *link = request->link;
    free(request->message);
    free(request);
    unref_link(link);
}

static bool request_gone(const struct qr_rpc_request *base)
{
    return atomic_load(&((const struct request *)base)->gone);
}

/* With mu held: what the socket does not take at once is copied, unless its memory comes along. */
static void send_reply(struct served_link *link, uint64_t id, enum qr_status status,
                       const struct iovec *body, int body_count, void *own_memory)
{
    struct qr_rpc_frame frame = {.kind = QR_RPC_REPLY, .call_id = id, .status = status};
    struct iovec iov[QR_RPC_IOV_MAX + 1];
    uint8_t header[QR_RPC_HEADER_BYTES];
    size_t total = QR_RPC_HEADER_BYTES, sent = 0;
    for (int i = 0; i < body_count; i++) {
        iov[i + 1] = body[i];
        total += body[i].iov_len;
    }
    bool was_corked = link->link.corked;
    if (total >= DIRECT_BYTES)
        link->link.corked = false;
    qr_rpc_frame_put(&frame, body, body_count, header);
    if (!link->link.corked) {
        iov[0] = (struct iovec){.iov_base = header, .iov_len = sizeof header};
        sent = qri_link_write_now(&link->link, iov, body_count + 1);
    }
    if (sent < total) {
        struct qr_rpc_out *out = qri_out_new(header, body, body_count, own_memory);
        own_memory = NULL;
        if (out == NULL) {
            qri_link_break(&link->link);
        } else {
            out->sent_bytes = sent;
            qri_link_send(&link->link, out);
        }
    }
    free(own_memory);
    link->link.corked = was_corked;
    if (link->link.out_bytes > link->unread_bytes_max)
        qri_link_break(&link->link);
}

static void request_reply(struct qr_rpc_request *base, enum qr_status status,
                          const struct iovec *body, int body_count, void *own_memory)
{
    struct request *request = (struct request *)base;
    struct served_link *link = request->link;
    pthread_mutex_lock(&link->mu);
    if (request->prev != NULL)
        request->prev->next = request->next;
    else
        link->requests = request->next;
    if (request->next != NULL)
        request->next->prev = request->prev;
    link->request_count -= 1;
    link->request_bytes -= base->bytes;
    if (!link->link.dead && !atomic_load(&request->gone))
        send_reply(link, request->id, status, body, body_count, own_memory);
    else
        free(own_memory);
    if (!link->link.dead && link->link.paused)
        qri_source_due(&link->link.source, 0);
    pthread_mutex_unlock(&link->mu);
    free_request(request);
}

static void *request_take_body(struct qr_rpc_request *base)
{
    return QR_TAKE(((struct request *)base)->message);
}

static const struct qr_rpc_request_ops request_ops = {
    .reply = request_reply,
    .gone = request_gone,
    .take_body = request_take_body,
};

static enum qr_status take_call(struct served_link *link, const struct qr_rpc_frame *frame,
                                const uint8_t *body, struct qri_message **message,
                                struct qr_err *err)
{
    struct qr_rpc_listener *listener = link->listener;
    bool own = *message == NULL;
    struct request *request = calloc(1, sizeof *request + (own ? frame->body_bytes : 0));
    if (request == NULL)
        return qr_fail(err, QR_NOMEM, "receive a call");
    request->base = (struct qr_rpc_request){.ops = &request_ops,
                                            .method = frame->method,
                                            .body = own ? request->body : body,
                                            .bytes = frame->body_bytes,
                                            .deadline_mono_ns = INT64_MAX};
    if (link->link.ssl != NULL)
        request->base.from = &link->link.peer;
    if (own && frame->body_bytes > 0)
        memcpy(request->body, body, frame->body_bytes);
    request->message = QR_TAKE(*message);
    request->id = frame->call_id;
    request->link = link;
    atomic_fetch_add(&link->refs, 1);
    if (frame->timeout_us > 0 && frame->timeout_us < INT64_MAX / 2000)
        request->base.deadline_mono_ns =
            qr_env_mono_ns(listener->loop->env) + (int64_t)frame->timeout_us * 1000;

    pthread_mutex_lock(&link->mu);
    request->next = link->requests;
    if (link->requests != NULL)
        link->requests->prev = request;
    link->requests = request;
    link->request_count += 1;
    link->request_bytes += frame->body_bytes;
    pthread_mutex_unlock(&link->mu);

    if (listener->workers == NULL)
        listener->options.serve(listener->options.ctx, &request->base);
    else if (!qri_workers_put(listener->workers, &request->base))
        qr_rpc_refuse(&request->base, QR_BUSY, NULL);
    return QR_OK;
}

static void take_cancel(struct served_link *link, uint64_t id)
{
    pthread_mutex_lock(&link->mu);
    for (struct request *request = link->requests; request != NULL; request = request->next) {
        if (request->id == id)
            atomic_store(&request->gone, true);
    }
    pthread_mutex_unlock(&link->mu);
}

static enum qr_status link_frame(struct qri_link *base, const struct qr_rpc_frame *frame,
                                 const uint8_t *body, struct qri_message **message,
                                 struct qr_err *err)
{
    struct served_link *link = (struct served_link *)base;
    struct qr_rpc_frame pong = {.kind = QR_RPC_PONG};
    switch (frame->kind) {
    case QR_RPC_HELLO:
    case QR_RPC_PONG:
        return QR_OK;
    case QR_RPC_CALL:
        return take_call(link, frame, body, message, err);
    case QR_RPC_CANCEL:
        take_cancel(link, frame->call_id);
        return QR_OK;
    case QR_RPC_PING:
        pthread_mutex_lock(&link->mu);
        qri_link_send_small(base, &pong, NULL, 0);
        pthread_mutex_unlock(&link->mu);
        return QR_OK;
    case QR_RPC_REPLY:
        break;
    }
    return qr_fail(err, QR_PROTOCOL, "%s sends a frame of kind %d to a server", base->who,
                   frame->kind);
}

static bool link_wants(struct qri_link *base)
{
    struct served_link *link = (struct served_link *)base;
    pthread_mutex_lock(&link->mu);
    bool wants = link->request_count < link->request_count_max &&
                 link->request_bytes < link->request_bytes_max;
    pthread_mutex_unlock(&link->mu);
    return wants;
}

static enum qr_status link_up(struct qri_link *link, struct qr_err *err)
{
    (void)err;
    struct qr_rpc_frame frame = {.kind = QR_RPC_HELLO};
    pthread_mutex_lock(link->mu);
    qri_link_send_small(link, &frame, NULL, 0);
    pthread_mutex_unlock(link->mu);
    return QR_OK;
}

static void forget_link(struct served_link *link)
{
    struct qr_rpc_listener *listener = link->listener;
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        listener->links = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    listener->link_count -= 1;
    link->listener = NULL;
    pthread_mutex_lock(&link->mu);
    for (struct request *request = link->requests; request != NULL; request = request->next)
        atomic_store(&request->gone, true);
    pthread_mutex_unlock(&link->mu);
}

static void link_down(struct qri_link *base, const struct qr_err *err)
{
    struct served_link *link = (struct served_link *)base;
    QR_LOG(&link->listener->loop->log, QR_INFO,
           err->status == QR_DENIED ? "asker_refused" : "asker_lost",
           QR_F("address", (const char *)link->listener->address),
           QR_F("reason", (const char *)err->text));
    forget_link(link);
}

static void link_due(struct qri_link *link, int64_t now_ns)
{
    if (link->greeted)
        return;
    int64_t until = atomic_load(&link->heard_ns) + GREETING_NS;
    if (now_ns < until) {
        qri_source_due(&link->source, until);
        return;
    }
    struct qr_err err;
    qr_err_reset(&err);
    (void)qr_fail(&err, QR_TIMEOUT, "no greeting in time");
    qri_link_fail(link, &err);
}

static const struct qri_link_ops served_link_ops = {
    .frame = link_frame,
    .wants = link_wants,
    .up = link_up,
    .down = link_down,
    .due = link_due,
};

static enum qr_status start_link(struct qr_rpc_listener *listener, struct served_link *link, int fd,
                                 struct qr_err *err)
{
    const struct qr_rpc_listen_options *options = &listener->options;
    link->request_count_max =
        options->link_requests_max > 0 ? options->link_requests_max : REQUESTS_MAX;
    link->request_bytes_max =
        options->link_bytes_max > 0 ? options->link_bytes_max : LINK_BYTES_MAX;
    link->unread_bytes_max =
        options->unread_bytes_max > 0 ? options->unread_bytes_max : UNREAD_BYTES_MAX;
    link->link.ops = &served_link_ops;
    link->link.mu = &link->mu;
    link->link.source.free = link_free;
    link->link.roles = options->roles;
    snprintf(link->link.who, sizeof link->link.who, "an asker of %.100s", listener->address);
    return qri_link_init(&link->link, listener->loop, fd, false, err);
}

static void take_socket(struct qr_rpc_listener *listener, int fd)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (listener->is_unix) {
        if (qri_address_check_user(fd, &err) != QR_OK) {
            QR_LOG(&listener->loop->log, QR_WARN, "asker_refused",
                   QR_F("reason", (const char *)err.text));
            close(fd);
            return;
        }
        qri_address_tune_unix(fd);
    } else {
        qri_address_tune_tcp(fd);
    }
    struct served_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        close(fd);
        return;
    }
    atomic_init(&link->refs, 1);
    pthread_mutex_init(&link->mu, NULL);
    if (start_link(listener, link, fd, &err) != QR_OK) {
        close(fd);
        free(link->link.in);
        unref_link(link);
        return;
    }
    link->listener = listener;
    link->next = listener->links;
    if (listener->links != NULL)
        listener->links->prev = link;
    listener->links = link;
    listener->link_count += 1;
    qri_source_due(&link->link.source, qr_env_mono_ns(listener->loop->env) + GREETING_NS);
    enum qr_status status = listener->is_unix
                                ? link_up(&link->link, &err)
                                : qri_tls_start(&link->link, listener->loop->tls, true, NULL, &err);
    if (status != QR_OK)
        qri_link_fail(&link->link, &err);
}

static void listener_ready(struct qri_source *source, uint32_t events)
{
    (void)events;
    struct qr_rpc_listener *listener = (struct qr_rpc_listener *)source;
    int links_max = listener->options.links_max > 0 ? listener->options.links_max : LINKS_MAX;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            /* The connection stays in the backlog: look again a little later. */
            QR_LOG(&listener->loop->log, QR_WARN, "accept_failed", QR_F("error", errno));
            qri_source_watch(source, 0);
            qri_source_due(source, qr_env_mono_ns(listener->loop->env) + 100000000);
            return;
        }
        if (fd < 0)
            return;
        if (listener->link_count >= links_max) {
            QR_LOG(&listener->loop->log, QR_WARN, "asker_refused",
                   QR_F("reason", "too many connections"));
            close(fd);
            continue;
        }
        take_socket(listener, fd);
    }
}

static void listener_due(struct qri_source *source, int64_t now_ns)
{
    (void)now_ns;
    qri_source_watch(source, 1 /* EPOLLIN */);
}

struct adding {
    struct qr_rpc_listener *listener;
    enum qr_status status;
    struct qr_err *err;
};

static void add_on_loop(void *arg)
{
    struct adding *adding = arg;
    adding->status = qri_source_add(adding->listener->loop, &adding->listener->source, adding->err);
}

static enum qr_status listener_start(struct qr_rpc_listener *listener, struct qr_err *err)
{
    struct qri_address address;
    QR_TRY(qri_address_parse(listener->options.address, &address, err));
    listener->is_unix = address.is_unix;
    if (!address.is_unix && listener->loop->tls == NULL)
        return qr_fail(err, QR_INVALID, "'%s' needs certificates", listener->options.address);
    QR_TRY(qri_address_listen(&address, &listener->source.fd, listener->address, err));
    if (listener->options.workers > 0)
        QR_TRY(qri_workers_new(&listener->options, listener->loop->env, &listener->workers, err));
    struct adding adding = {.listener = listener, .err = err};
    qri_loop_run(listener->loop, add_on_loop, &adding);
    return adding.status;
}

enum qr_status qr_rpc_listen(struct qr_rpc_loop *loop, const struct qr_rpc_listen_options *options,
                             struct qr_rpc_listener **ret_listener, struct qr_err *err)
{
    struct qr_rpc_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return qr_fail(err, QR_NOMEM, "listen on '%s'", options->address);
    listener->loop = loop;
    listener->options = *options;
    listener->source = (struct qri_source){.fd = -1, .ready = listener_ready, .due = listener_due};
    atomic_init(&listener->source.due_ns, INT64_MAX);
    enum qr_status status = listener_start(listener, err);
    if (status != QR_OK) {
        if (listener->source.fd >= 0)
            close(listener->source.fd);
        qri_workers_free(listener->workers);
        free(listener);
        return qr_wrap(err, status, "listen on '%s'", options->address);
    }
    listener->options.address = listener->address;
    *ret_listener = listener;
    return QR_OK;
}

const char *qr_rpc_listener_address(const struct qr_rpc_listener *listener)
{
    return listener->address;
}

static void close_on_loop(void *arg)
{
    struct qr_rpc_listener *listener = arg;
    while (listener->links != NULL) {
        struct served_link *link = listener->links;
        forget_link(link);
        qri_link_close(&link->link);
    }
    qri_source_close(&listener->source);
}

void qr_rpc_listener_free(struct qr_rpc_listener *listener)
{
    if (listener == NULL)
        return;
    qri_loop_run(listener->loop, close_on_loop, listener);
    qri_workers_free(listener->workers);
    free(listener);
}
