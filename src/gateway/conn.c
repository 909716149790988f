/* conn.c - see gateway_int.h: one connection's ownership and the steps of its life */
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "handoff_int.h"
#include "base/banned.h"

enum {
    LINGER_MS = 1000,
    PRELOGIN_BYTES_MAX = 4096,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 5,
    KEEPALIVE_COUNT = 6,
    OUT_BYTES_MAX = 256 * 1024,
};

/* ---- the table of connections ---- */

static void set_socket_options(int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void leave_lobby(struct qr_gateway *gateway, struct slot *slot)
{
    if (slot->is_unauthenticated)
        gateway->unauthenticated -= 1;
    slot->is_unauthenticated = false;
}

void qri_conn_leave_lobby(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    pthread_mutex_lock(&gateway->mu);
    leave_lobby(gateway, &gateway->slots[(uint32_t)conn->id]);
    pthread_mutex_unlock(&gateway->mu);
}

/* A flood of connections that never log in must not keep others out: the oldest gives way, and its
 * owner finds its socket at the end. gateway.mu held, so the descriptor is still its own. */
static void drop_oldest(struct qr_gateway *gateway)
{
    struct slot *oldest = NULL;
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct slot *slot = &gateway->slots[i];
        if (slot->is_unauthenticated && (oldest == NULL || slot->accepted < oldest->accepted))
            oldest = slot;
    }
    if (oldest == NULL)
        return;
    shutdown(oldest->conn->fd, SHUT_RDWR);
    leave_lobby(gateway, oldest);
}

/* Finds a free slot; gateway.mu held. NULL: the limit is reached. */
static struct slot *take_slot(struct qr_gateway *gateway, struct qri_conn *conn, bool in_lobby)
{
    bool may_hold = gateway->options.router != NULL && !in_lobby; /* it moves */
    if (gateway->open >= gateway->options.connections_max && !may_hold)
        return NULL;
    if (in_lobby && gateway->unauthenticated >= gateway->options.unauthenticated_max)
        drop_oldest(gateway);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        uint32_t index = (gateway->next_slot + i) % gateway->slot_count;
        struct slot *slot = &gateway->slots[index];
        if (slot->conn != NULL)
            continue;
        gateway->next_slot = index + 1;
        slot->conn = conn;
        slot->generation += 1;
        slot->accepted = gateway->accepted++;
        slot->is_unauthenticated = in_lobby;
        conn->id = (uint64_t)slot->generation << 32 | index;
        gateway->open += 1;
        gateway->unauthenticated += in_lobby;
        return slot;
    }
    return NULL;
}

static void free_conn(struct qri_conn *conn)
{
    free(atomic_load(&conn->why));
    qri_login_free(conn->login);
    free(conn->facts);
    qri_tds_tls_free(conn);
    qr_buf_done(&conn->in);
    qr_buf_done(&conn->out);
    qr_tds_message_done(&conn->message);
    pthread_mutex_destroy(&conn->mu);
    close(conn->fd);
    free(conn);
}

static struct qri_conn *new_conn(struct qr_gateway *gateway, int own_fd)
{
    struct qri_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        close(own_fd);
        return NULL;
    }
    conn->channel.ops = &qri_channel_ops;
    conn->gateway = gateway;
    conn->fd = own_fd;
    conn->relay_fd = -1;
    atomic_init(&conn->refs, 1);
    pthread_mutex_init(&conn->mu, NULL);
    conn->state = CONN_IDLE;
    conn->phase = PHASE_PRELOGIN;
    qr_buf_init(&conn->in, QRI_INPUT_BYTES_MAX);
    qr_buf_init(&conn->raw, QRI_INPUT_BYTES_MAX);
    qr_buf_init(&conn->out, OUT_BYTES_MAX);
    qr_tds_reader_init(&conn->reader);
    qr_tds_message_init(&conn->message, PRELOGIN_BYTES_MAX);
    return conn;
}

/* Puts it into the table and under watch; on failure it is freed. */
static enum qr_status admit(struct qri_conn *own_conn, bool in_lobby, struct qr_err *err)
{
    struct qr_gateway *gateway = own_conn->gateway;
    pthread_mutex_lock(&gateway->mu);
    const struct slot *slot = take_slot(gateway, own_conn, in_lobby);
    pthread_mutex_unlock(&gateway->mu);
    if (slot == NULL) {
        free_conn(own_conn);
        return qr_fail(err, QR_BUSY, "too many connections");
    }
    qr_metric_add(&gateway->metrics, QR_GATEWAY_ACCEPTED, 1);
    qr_metric_add(&gateway->metrics, QR_GATEWAY_OPEN, 1);
    enum qr_status status =
        qri_pump_watch(gateway, own_conn->fd, own_conn->id, !own_conn->is_pair, err);
    if (status != QR_OK) {
        pthread_mutex_lock(&own_conn->mu);
        own_conn->state = CONN_RUNNING;
        pthread_mutex_unlock(&own_conn->mu);
        own_conn->aborted = true;
        qri_conn_run(own_conn, NULL);
    }
    return status;
}

enum qr_status qri_conn_accept(struct qr_gateway *gateway, int own_fd,
                               const struct sockaddr_storage *peer, struct qr_err *err)
{
    struct qri_conn *conn = new_conn(gateway, own_fd);
    if (conn == NULL)
        return qr_fail(err, QR_NOMEM, "accept a connection");
    set_socket_options(own_fd);
    qri_address_of(peer, &conn->address);
    conn->deadline_ns =
        qr_env_mono_ns(gateway->options.env) + (int64_t)gateway->options.login_ms_max * 1000000;
    return admit(conn, true, err);
}

static bool is_unix(int fd)
{
    int domain = 0;
    socklen_t bytes = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX;
}

enum qr_status qri_conn_adopt(struct qr_gateway *gateway, int own_fd, struct qri_login *own_login,
                              struct qr_str early, struct qri_link *link, struct qr_err *err)
{
    struct qri_conn *conn = new_conn(gateway, own_fd);
    if (conn == NULL) {
        qri_login_free(own_login);
        return qr_fail(err, QR_NOMEM, "take a connection");
    }
    struct qr_str address = own_login->info.address;
    size_t bytes =
        address.n < sizeof conn->address.text - 1 ? address.n : sizeof conn->address.text - 1;
    memcpy(conn->address.text, address.p, bytes);
    conn->is_pair = is_unix(own_fd);
    conn->login = own_login;
    own_login->conn = conn;
    bool is_node = gateway->options.router == NULL;
    conn->phase = is_node ? PHASE_OPENING : PHASE_RETURNED;
    atomic_store(&conn->serves, is_node);
    conn->state = CONN_RUNNING;        /* a worker's, which gets it below */
    atomic_store(&conn->shared, true); /* until the front has let go of it */
    qr_buf_add(&conn->in, early.p, early.n);
    conn->input = conn->in.data;
    conn->input_bytes = conn->in.len;
    enum qr_status status = qr_buf_status(&conn->in, err);
    if (status != QR_OK) {
        free_conn(conn);
        return status;
    }
    QR_TRY(admit(conn, false, err));
    conn->link = link; /* who takes the link answers on it: the caller, if we failed */
    qri_pump_post(conn);
    return QR_OK;
}

struct qri_conn *qri_conn_ref_by_id(struct qr_gateway *gateway, uint64_t id)
{
    uint32_t index = (uint32_t)(id & (QRI_NODE_SIDE - 1)), generation = (uint32_t)(id >> 32);
    struct qri_conn *conn = NULL;
    pthread_mutex_lock(&gateway->mu);
    if (index < gateway->slot_count && gateway->slots[index].generation == generation) {
        conn = gateway->slots[index].conn;
        if (conn != NULL)
            atomic_fetch_add(&conn->refs, 1);
    }
    pthread_mutex_unlock(&gateway->mu);
    return conn;
}

void qri_conn_unref(struct qri_conn *conn)
{
    if (atomic_fetch_sub(&conn->refs, 1) == 1)
        free_conn(conn);
}

void qri_conn_free_session(struct qri_conn *conn)
{
    if (conn->served == NULL)
        return;
    qri_pump_block_begin(conn->gateway); /* a rollback may take long */
    conn->served->ops->free(conn->served);
    qri_pump_block_end(conn->gateway);
    conn->served = NULL;
    atomic_store(&conn->serves, false);
}

/* By the owner, who stays it for ever: nobody finds the connection any more. */
static void close_conn(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    qri_conn_free_session(conn);
    if (conn->relay_fd >= 0)
        close(conn->relay_fd);
    conn->relay_fd = -1;
    if (atomic_exchange(&conn->relays, false))
        qr_metric_add(&gateway->metrics, QR_GATEWAY_RELAYS, -1);
    if (atomic_load(&conn->shared)) /* closing our copy would not: it may be handed to us again */
        qri_pump_unwatch(gateway, conn->fd);
    else
        shutdown(conn->fd, SHUT_RDWR);
    pthread_mutex_lock(&gateway->mu);
    gateway->slots[(uint32_t)conn->id].conn = NULL;
    gateway->open -= 1;
    leave_lobby(gateway, &gateway->slots[(uint32_t)conn->id]);
    pthread_cond_broadcast(&gateway->gone);
    pthread_mutex_unlock(&gateway->mu);
    qr_metric_add(&gateway->metrics, QR_GATEWAY_OPEN, -1);
    qri_conn_unref(conn);
}

/* ---- requests ---- */

static void end_request(struct qri_conn *conn)
{
    qr_tds_message_clear(&conn->message);
    if (conn->message.body.capacity > QRI_KEEP_BYTES_MAX)
        qr_buf_done(&conn->message.body);
    conn->in_stream = false;
}

static enum qri_step take_tail(struct qri_conn *conn, const struct qr_tail *tail)
{
    conn->tail = *tail;
    conn->close_after = tail->kind == QR_TAIL_CLOSE;
    return tail->kind == QR_TAIL_HELD ? STEP_HELD : STEP_AGAIN;
}

static enum qri_step run_request(struct qri_conn *conn, const struct qr_request *request)
{
    struct qr_tail tail = {0};
    qr_metric_add(&conn->gateway->metrics, QR_GATEWAY_REQUESTS, 1);
    conn->last_poll_ns = qr_env_mono_ns(conn->gateway->options.env);
    conn->evicted = false;
    if (atomic_load(&conn->restless_ns) == QRI_AT_REST)
        atomic_store(&conn->restless_ns, conn->last_poll_ns);
    conn->served->ops->request(conn->served, request, &tail);
    if (conn->in_stream && !conn->stream_end)
        tail.kind = QR_TAIL_CLOSE; /* the rest of the body would be taken for requests */
    end_request(conn);
    return conn->peer_gone && tail.kind != QR_TAIL_HELD ? STEP_CLOSE : take_tail(conn, &tail);
}

void qri_conn_begin_close(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    qri_conn_leave_lobby(conn);
    conn->phase = PHASE_CLOSING;
    atomic_store(&conn->serves, false);
    conn->close_after = false;
    conn->deadline_ns = qr_env_mono_ns(gateway->options.env) + LINGER_MS * INT64_C(1000000);
    shutdown(conn->fd, SHUT_WR); /* a close with unread input would reset what we have just sent */
}

/* The connection cannot go on. A front is told by the order of a close that this is meant. */
static enum qri_step give_up(struct qri_conn *conn)
{
    if (!conn->is_pair)
        return STEP_CLOSE;
    qri_conn_begin_close(conn);
    return STEP_AGAIN;
}

/* The rest of an oversized message is in front of whatever follows, so the connection ends. */
static enum qri_step refuse_size(struct qri_conn *conn)
{
    QR_LOG(&conn->gateway->options.log, QR_WARN, "message_too_big",
           QR_F("address", &conn->address.text[0]), QR_F("phase", (int)conn->phase),
           QR_F("bytes_max", conn->message.body.bytes_max));
    return give_up(conn);
}

static enum qri_step session_message(struct qri_conn *conn)
{
    struct qr_request request = {
        .type = conn->message.type,
        .status = conn->message.status,
        .body = conn->message.body.data,
        .body_bytes = conn->message.body.len,
        .ignored = conn->message.ignored,
    };
    return run_request(conn, &request);
}

/* The body stays in the reader; `first` is what came of it already. */
static enum qri_step bulk_message(struct qri_conn *conn, const struct qr_tds_read *first)
{
    struct qr_request request = {
        .type = QR_TDS_PACKET_BULK, .status = first->message_status, .streams = true};
    conn->in_stream = true;
    conn->stream_end = false;
    conn->stream_first = *first;
    return run_request(conn, &request);
}

/* Feeds input to the reader until a message is there; a bulk load starts with its first bytes. */
static enum qri_step collect(struct qri_conn *conn)
{
    struct qr_tds_message *message = &conn->message;
    for (;;) {
        size_t used;
        struct qr_tds_read read;
        if (conn->phase < PHASE_SESSION && conn->input_bytes > 0 &&
            qr_tds_reader_idle(&conn->reader) && !qri_login_expects(conn, conn->input[0]))
            return STEP_CLOSE;
        if (qr_tds_reader_step(&conn->reader, conn->input, conn->input_bytes, &used, &read, NULL) !=
            QR_OK)
            return give_up(conn);
        qri_stream_consume(conn, used);
        if (read.kind == QR_TDS_READ_MORE)
            return STEP_AGAIN;
        if (conn->phase == PHASE_SESSION && read.type == QR_TDS_PACKET_BULK)
            return bulk_message(conn, &read);
        if (conn->phase == PHASE_OVER && read.kind == QR_TDS_READ_DATA)
            continue;
        if (conn->phase == PHASE_OVER)
            return qri_over_answer(conn);
        if (read.kind == QR_TDS_READ_DATA) {
            qr_buf_add(&message->body, read.data, read.data_bytes);
            if (message->body.failed != QR_OK)
                return refuse_size(conn);
            continue;
        }
        message->type = read.type;
        message->status = read.message_status;
        message->ignored = read.ignored;
        return conn->phase == PHASE_SESSION ? session_message(conn) : qri_login_message(conn);
    }
}

/* ---- the owner's loop ---- */

static enum qri_step drop_input(struct qri_conn *conn)
{
    conn->input_bytes = 0;
    conn->drained = false;
    qri_tds_tls_free(conn); /* what still comes is not looked at */
    return qri_stream_fill(conn);
}

static enum qri_step next_step(struct qri_conn *conn)
{
    if (atomic_load(&conn->aborted))
        return STEP_CLOSE;
    enum qri_step step = qri_stream_flush(conn);
    if (step != STEP_AGAIN)
        return step;
    bool stopping = atomic_load(&conn->gateway->stopping);
    if (conn->close_after) {
        qri_conn_begin_close(conn);
        /* a front closes its end at once; for a client's time there is none */
        return stopping && !conn->is_pair ? STEP_CLOSE : STEP_AGAIN;
    }
    if (conn->phase == PHASE_CLOSING)
        return drop_input(conn);
    bool between = qr_tds_reader_idle(&conn->reader);
    if (conn->phase == PHASE_SESSION && (atomic_load(&conn->why) != NULL || (stopping && between)))
        return qri_over_begin(conn);
    if (conn->attention &&
        conn->phase ==
            PHASE_SESSION) { /* it came while a request was ending and was not answered with it */
        conn->attention = false;
        struct qr_request request = {.type = QR_TDS_PACKET_ATTENTION};
        return run_request(conn, &request);
    }
    if (stopping && between && conn->phase != PHASE_OVER)
        return STEP_CLOSE;
    if (conn->phase == PHASE_SESSION && between && atomic_load(&conn->gateway->drain) != DRAIN_NO) {
        step = qri_return_step(conn);
        if (step != STEP_INPUT)
            return step;
    }
    step = qri_stream_fill(conn);
    if (step == STEP_INPUT && stopping && between)
        return qri_over_part(conn);
    return step == STEP_AGAIN ? collect(conn) : step;
}

static void note_events(struct qri_conn *conn, unsigned sides)
{
    if ((sides & SIDE_CLIENT) != 0)
        conn->drained = false;
    if ((sides & SIDE_NODE) != 0)
        conn->relay_drained = false;
}

/* A part of the next request is here: it has begun, for those who would wait for its end. conn.mu
 * held. */
static void note_partial(struct qri_conn *conn, enum qri_step step)
{
    struct qr_gateway *gateway = conn->gateway;
    conn->is_partial =
        step == STEP_INPUT && conn->phase == PHASE_SESSION && !qr_tds_reader_idle(&conn->reader);
    if (conn->is_partial && atomic_load(&conn->restless_ns) == QRI_AT_REST)
        atomic_store(&conn->restless_ns, qr_env_mono_ns(gateway->options.env));
}

/* Gives up ownership; true: it could not, go on. */
static bool leave(struct qri_conn *conn, enum qri_step step)
{
    static const enum qri_conn_state states[] = {
        [STEP_INPUT] = CONN_IDLE, [STEP_OUTPUT] = CONN_WRITING, [STEP_HELD] = CONN_HELD};
    bool go_on;
    pthread_mutex_lock(&conn->mu);
    if (step == STEP_HELD) {
        go_on = conn->released;
        conn->released = false;
    } else {
        go_on = conn->pending != 0;
        note_events(conn, conn->pending);
        conn->pending = 0;
        note_partial(conn, step);
    }
    if (!go_on)
        conn->state = states[step];
    pthread_mutex_unlock(&conn->mu);
    return go_on;
}

/* What the owner does in phases that are not about the client's messages. */
static enum qri_step (*const steps[PHASE_COUNT])(struct qri_conn *conn) = {
    [PHASE_CHECKING] = qri_login_continue, /* it was released: the result is there */
    [PHASE_ROUTING] = qri_handoff_end,     /* the same */
    [PHASE_OPENING] = qri_handoff_open,    [PHASE_RETURNED] = qri_handoff_returned,
    [PHASE_RELAY] = qri_relay_step,
};

void qri_conn_run(struct qri_conn *conn, struct qri_worker *worker)
{
    conn->worker = worker;
    for (;;) {
        enum qri_step step =
            steps[conn->phase] != NULL ? steps[conn->phase](conn) : next_step(conn);
        if (step == STEP_AGAIN)
            continue;
        if (step != STEP_CLOSE && !qri_stream_stash(conn))
            step = STEP_CLOSE;
        if (step == STEP_CLOSE) {
            close_conn(conn);
            return;
        }
        if (step == STEP_YIELD) {
            qri_pump_post(conn);
            return;
        }
        if (!leave(conn, step))
            return;
    }
}

void qri_conn_event(struct qri_conn *conn, struct qri_worker *worker, enum qri_side side,
                    bool half_closed)
{
    if (half_closed)
        atomic_store(&conn->half_closed, true);
    pthread_mutex_lock(&conn->mu);
    bool mine = conn->state == CONN_IDLE || conn->state == CONN_WRITING;
    if (mine)
        conn->state = CONN_RUNNING;
    else
        conn->pending |= side;
    pthread_mutex_unlock(&conn->mu);
    if (!mine)
        return;
    note_events(conn, side);
    qri_conn_run(conn, worker);
}

/* What a held connection does once it is released, without a worker: send, and become idle.
 * Anything more is a worker's. */
static void finish_held(struct qri_conn *conn)
{
    if (conn->phase == PHASE_SESSION && !conn->close_after && !conn->attention &&
        !atomic_load(&conn->aborted) && !atomic_load(&conn->gateway->stopping) &&
        atomic_load(&conn->gateway->drain) == DRAIN_NO) {
        enum qri_step step = qri_stream_flush(conn);
        if (step == STEP_AGAIN && conn->input_bytes == 0)
            step = STEP_INPUT;
        if ((step == STEP_INPUT || step == STEP_OUTPUT) && !leave(conn, step))
            return;
    }
    qri_pump_post(conn);
}

void qri_conn_release(struct qri_conn *conn)
{
    pthread_mutex_lock(&conn->mu);
    bool mine = conn->state == CONN_HELD;
    if (mine)
        conn->state = CONN_RUNNING;
    else
        conn->released = true;
    pthread_mutex_unlock(&conn->mu);
    if (!mine)
        return;
    atomic_fetch_add(&conn->refs, 1); /* leave() may give it to a worker that closes it */
    finish_held(conn);
    qri_conn_unref(conn);
}

void qri_conn_abort(struct qri_conn *conn)
{
    atomic_store(&conn->aborted, true);
    if (!atomic_load(&conn->shared))
        shutdown(conn->fd, SHUT_RDWR); /* makes an event */
}

void qri_conn_wake(struct qri_conn *conn, bool and_writing)
{
    pthread_mutex_lock(&conn->mu);
    bool mine = conn->state == CONN_IDLE || (and_writing && conn->state == CONN_WRITING);
    if (mine)
        conn->state = CONN_RUNNING;
    else
        conn->pending |= SIDE_LOOK;
    pthread_mutex_unlock(&conn->mu);
    if (!mine)
        return;
    note_events(conn, SIDE_CLIENT); /* what came is looked for */
    qri_pump_post(conn);
}

void qri_conn_end(struct qri_conn *conn, const struct qr_err *why)
{
    struct qr_err *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        qri_conn_abort(conn);
        return;
    }
    *copy = *why;
    struct qr_err *none = NULL;
    if (atomic_compare_exchange_strong(&conn->why, &none, copy))
        qri_conn_wake(conn, true);
    else
        free(copy);
}
