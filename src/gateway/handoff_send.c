/* handoff_send.c - see handoff_int.h: the thread of a front that asks the router where each login
 * goes and hands it over there, again and again until the login's deadline */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/sqlmsg.h"
#include "env/thread.h"
#include "sender_int.h"
#include "base/banned.h"

enum { DENY_MS_MAX = 10000 }; /* for a password that is checked for its time's sake */
enum {
    LANES_MAX = 256,     /* to one node: logins that it opens at once */
    LANES_IDLE_MAX = 8,  /* kept for later logins */
    TICK_MS = 5,         /* while a login is under way */
    PAUSE_MS_FIRST = 10, /* before a route is asked again; doubles */
    PAUSE_MS_MAX = 250,
};

static int64_t now_ns(const struct qri_sender *sender)
{
    return qr_env_mono_ns(sender->gateway->options.env);
}

/* ---- the outcome ---- */

static void unlink_handoff(struct qri_sender *sender, const struct qri_handoff *handoff)
{
    struct qri_handoff **link = &sender->handoffs;
    while (*link != handoff)
        link = &(*link)->next;
    *link = handoff->next;
}

static void free_handoff(struct qri_handoff *handoff)
{
    if (handoff->pair_fd >= 0)
        close(handoff->pair_fd);
    if (handoff->message.data != NULL)
        sodium_memzero(handoff->message.data, handoff->message.len);
    qr_buf_done(&handoff->message);
    free(handoff);
}

/* The login is over for the sender: `err` refuses it, NULL: a node took it. A job that the router
 * still has stays as an orphan. */
static void conclude(struct qri_sender *sender, struct qri_handoff *handoff,
                     const struct qr_err *err)
{
    struct qri_conn *conn = QR_TAKE(handoff->conn);
    conn->login->was_taken = err == NULL;
    if (err == NULL)
        qri_routes_keep(&sender->routes, &handoff->job);
    if (err == NULL)
        conn->relay_fd = handoff->pair_fd;
    else
        conn->login->refusal = *err;
    if (err == NULL)
        handoff->pair_fd = -1;
    if (handoff->stage == STAGE_ROUTE) {
        handoff->stage = STAGE_ORPHAN;
    } else {
        unlink_handoff(sender, handoff);
        free_handoff(handoff);
    }
    qri_conn_release(conn);
}

static void refuse_unavailable(struct qri_sender *sender, struct qri_handoff *handoff)
{
    struct qr_err err = {0};
    char database[QRI_HANDOFF_TEXT_BYTES_MAX + 1] = "master";
    if (handoff->job.database.n > 0) {
        memcpy(database, handoff->database, handoff->job.database.n);
        database[handoff->job.database.n] = '\0';
    }
    char server[QRI_HANDOFF_TEXT_BYTES_MAX + 1];
    qri_login_server_name(handoff->conn, server);
    qr_sql_fail(&err, 40613, database, server, "");
    conclude(sender, handoff, &err);
}

/* Its byte came before anything was written: the connection is the front's. */
static void deny(struct qri_sender *sender, struct qri_handoff *handoff)
{
    struct qr_err err = {0};
    struct qri_conn *conn = handoff->conn;
    atomic_store(&conn->shared, false);
    conn->login->was_denied = true;
    qr_fail(&err, QR_NOT_FOUND, "denied");
    conclude(sender, handoff, &err);
}

static void pause_handoff(struct qri_sender *sender, struct qri_handoff *handoff,
                          const char *reason)
{
    uint32_t doublings = handoff->job.attempt < 8 ? handoff->job.attempt : 8;
    int64_t ms = (int64_t)PAUSE_MS_FIRST << doublings;
    qr_metric_add(&sender->gateway->metrics, QR_GATEWAY_HANDOFFS_FAILED, 1);
    if ((handoff->job.attempt & (handoff->job.attempt - 1)) == 0) /* a failover is not a flood */
        QR_LOG(&sender->gateway->options.log, QR_INFO, "handoff_failed",
               QR_F("db", handoff->job.database), QR_F("node", &handoff->job.address[0]),
               QR_F("attempt", handoff->job.attempt), QR_F("reason", reason));
    atomic_store(&handoff->conn->shared, false);
    if (handoff->pair_fd >= 0)
        close(handoff->pair_fd);
    handoff->pair_fd = -1;
    handoff->stage = STAGE_PAUSE;
    handoff->job.attempt += 1;
    handoff->retry_ns = now_ns(sender) + (ms < PAUSE_MS_MAX ? ms : PAUSE_MS_MAX) * 1000000;
}

/* ---- lanes to nodes ---- */

/* Idle lanes that a node has left behind fail at once; a fresh one decides. */
static void dispatch(struct qri_sender *sender, struct qri_node *node, struct qri_handoff *handoff)
{
    struct qr_err err = {0};
    for (bool fresh = false; !fresh;) {
        struct qri_lane *lane = node->lanes;
        while (lane != NULL && lane->handoff != NULL)
            lane = lane->next;
        if (lane == NULL && node->lane_count >= LANES_MAX) {
            handoff->stage = STAGE_QUEUE;
            handoff->next_in_queue = NULL;
            *node->queue_end = handoff;
            node->queue_end = &handoff->next_in_queue;
            return;
        }
        fresh = lane == NULL;
        if (fresh)
            lane = qri_lane_new(sender, node, &err);
        if (lane == NULL)
            break;
        if (qri_lane_send(lane, handoff)) {
            lane->handoff = handoff;
            node->idle_count -= 1;
            handoff->lane = lane;
            handoff->stage = STAGE_SENT;
            return;
        }
        qr_fail(&err, QR_IO, "send: error %d", errno);
        qri_lane_close(lane);
    }
    pause_handoff(sender, handoff, err.text);
}

static void serve_queue(struct qri_sender *sender, struct qri_node *node)
{
    while (node->queue != NULL && (node->idle_count > 0 || node->lane_count < LANES_MAX)) {
        struct qri_handoff *handoff = node->queue;
        qri_node_unqueue(node, handoff);
        dispatch(sender, node, handoff);
    }
}

static void take_answer(struct qri_sender *sender, struct qri_lane *lane)
{
    static const char *const reasons[QRI_HANDOFF_ANSWER_COUNT] = {
        [QRI_HANDOFF_NOT_HERE] = "not_here",
        [QRI_HANDOFF_BUSY] = "busy",
        [QRI_HANDOFF_STOPPING] = "stopping",
        [QRI_HANDOFF_DENIED] = "denied",
    };
    struct qri_node *node = lane->node;
    struct qri_handoff *handoff = lane->handoff;
    uint8_t answer = 0;
    ssize_t n = recv(lane->fd, &answer, sizeof answer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool is_answer = n == 1 && handoff != NULL && answer < QRI_HANDOFF_ANSWER_COUNT &&
                     (answer == QRI_HANDOFF_TAKEN || reasons[answer] != NULL);
    if (!is_answer) {
        qri_lane_close(lane);
        if (handoff != NULL)
            pause_handoff(sender, handoff, n == 1 ? "no_answer" : "node_closed");
        serve_queue(sender, node);
        return;
    }
    lane->handoff = NULL;
    node->idle_count += 1;
    if (answer == QRI_HANDOFF_TAKEN)
        conclude(sender, handoff, NULL);
    else if (answer == QRI_HANDOFF_DENIED && !handoff->conn->login->info.is_moved)
        deny(sender, handoff);
    else
        pause_handoff(sender, handoff, reasons[answer]);
    serve_queue(sender, node);
    if (lane->handoff == NULL && node->idle_count > LANES_IDLE_MAX)
        qri_lane_close(lane);
}

/* ---- steps of one login ---- */

static void job_done(struct qr_route_job *job)
{
    struct qri_handoff *handoff = (struct qri_handoff *)job;
    struct qri_sender *sender = handoff->sender;
    uint64_t one = 1;
    pthread_mutex_lock(&sender->mu);
    handoff->next_in_inbox = sender->inbox;
    sender->inbox = handoff;
    ssize_t ignored = write(sender->wake_fd, &one, sizeof one);
    (void)ignored;
    pthread_mutex_unlock(&sender->mu);
}

static void ask_route(struct qri_sender *sender, struct qri_handoff *handoff)
{
    handoff->stage = STAGE_ROUTE;
    handoff->job.status = QR_OK;
    qr_err_reset(&handoff->job.err);
    handoff->job.address[0] = '\0';
    sender->router->route(sender->router->ctx, &handoff->job);
}

static void take_route(struct qri_sender *sender, struct qri_handoff *handoff)
{
    struct qr_route_job *job = &handoff->job;
    handoff->stage = STAGE_PAUSE; /* from here the router has it no more */
    if (job->status == QR_SQL) {
        qri_routes_forget(&sender->routes, job);
        conclude(sender, handoff, &job->err);
        return;
    }
    /* with nobody to ask, databases stay where they are; who is wrong about that is refused there
     */
    if (job->status != QR_OK && !qri_routes_find(&sender->routes, job)) {
        pause_handoff(sender, handoff, job->err.text);
        return;
    }
    bool is_text = memchr(job->address, '\0', sizeof job->address) != NULL;
    struct qri_node *node = is_text ? qri_node_of(sender, job->address) : NULL;
    if (node == NULL)
        pause_handoff(sender, handoff, "no_address");
    else
        dispatch(sender, node, handoff);
}

/* The deadline is over, or the gateway stops. A node that has the login and has not answered loses
 * it: once our end takes no more, either its answer is there or it can never come. */
static void give_up(struct qri_sender *sender, struct qri_handoff *handoff)
{
    if (handoff->stage == STAGE_SENT) {
        struct qri_lane *lane = handoff->lane;
        shutdown(lane->fd, SHUT_RD);
        uint8_t answer = 0;
        bool taken = recv(lane->fd, &answer, sizeof answer, MSG_DONTWAIT) == 1 &&
                     answer == QRI_HANDOFF_TAKEN;
        qri_lane_close(lane);
        if (taken) {
            conclude(sender, handoff, NULL);
            return;
        }
        atomic_store(&handoff->conn->shared, false);
    } else if (handoff->stage == STAGE_QUEUE) {
        qri_node_unqueue(qri_node_of(sender, handoff->job.address), handoff);
    }
    refuse_unavailable(sender, handoff);
}

static void look_at_clock(struct qri_sender *sender, bool stopping)
{
    int64_t now = now_ns(sender);
    for (struct qri_node *node = sender->nodes; node != NULL; node = node->next)
        serve_queue(sender, node); /* lanes may have been closed */
    struct qri_handoff *next;
    for (struct qri_handoff *handoff = sender->handoffs; handoff != NULL; handoff = next) {
        next = handoff->next;
        if (handoff->stage == STAGE_ORPHAN)
            continue;
        if (stopping || now >= handoff->job.deadline_mono_ns)
            give_up(sender, handoff);
        else if (handoff->stage == STAGE_PAUSE && now >= handoff->retry_ns)
            ask_route(sender, handoff);
    }
}

static void take_inbox(struct qri_sender *sender, struct qri_handoff *inbox)
{
    struct qri_handoff *next;
    for (struct qri_handoff *handoff = inbox; handoff != NULL; handoff = next) {
        next = handoff->next_in_inbox;
        if (handoff->stage == STAGE_NEW) {
            handoff->next = sender->handoffs;
            sender->handoffs = handoff;
            ask_route(sender, handoff);
        } else if (handoff->stage == STAGE_ORPHAN) {
            unlink_handoff(sender, handoff);
            free_handoff(handoff);
        } else {
            take_route(sender, handoff);
        }
    }
}

static void *sender_main(void *arg)
{
    struct qri_sender *sender = arg;
    int64_t tick_ns = 0;
    bool stopping = false;
    for (;;) {
        struct epoll_event event;
        uint64_t count;
        bool is_idle = sender->handoffs == NULL && !stopping;
        int n = epoll_wait(sender->epoll_fd, &event, 1, is_idle ? -1 : TICK_MS);
        if (n == 1 && event.data.ptr != NULL)
            take_answer(sender, event.data.ptr);
        else if (n == 1)
            (void)!read(sender->wake_fd, &count, sizeof count);
        pthread_mutex_lock(&sender->mu);
        struct qri_handoff *inbox = QR_TAKE(sender->inbox);
        stopping = sender->stopping;
        bool over = stopping && inbox == NULL && sender->handoffs == NULL;
        if (over) {
            sender->ended = true;
            pthread_cond_broadcast(&sender->changed);
        }
        pthread_mutex_unlock(&sender->mu);
        if (over)
            return NULL;
        take_inbox(sender, inbox);
        int64_t now = now_ns(sender);
        if (stopping || now - tick_ns >= TICK_MS * INT64_C(1000000)) {
            tick_ns = now;
            look_at_clock(sender, stopping);
            qri_nodes_forget_unused(sender);
        }
    }
}

/* ---- the connection's side ---- */

static struct qri_handoff *new_handoff(struct qri_conn *conn)
{
    const struct qr_login *info = &conn->login->info;
    bool is_plain = conn->ssl == NULL;
    struct qri_handoff *handoff = calloc(1, sizeof *handoff);
    if (handoff == NULL)
        return NULL;
    handoff->pair_fd = -1;
    handoff->conn = conn;
    handoff->sender = conn->gateway->sender;
    qr_buf_init(&handoff->message, QRI_HANDOFF_BYTES_MAX);
    /* in clear the node reads on where we stopped; through TLS we relay what is here first */
    size_t early = is_plain ? conn->input_bytes : 0;
    enum qr_status status = qri_handoff_encode(info, early, &handoff->message, NULL);
    qr_buf_add(&handoff->message, conn->input, early);
    if (status != QR_OK || qr_buf_status(&handoff->message, NULL) != QR_OK) {
        free_handoff(handoff);
        return NULL;
    }
    if (is_plain && !info->is_moved) /* if nobody takes it, what it asked is answered here */
        qri_stream_consume(conn, early);
    if (info->database.n > 0)
        memcpy(handoff->database, info->database.p, info->database.n);
    handoff->job = (struct qr_route_job){
        .server_id = info->server_id,
        .database = qr_str_n(handoff->database, info->database.n),
        .read_only_intent = info->login7->read_only_intent,
        .is_unchecked = !info->is_checked,
        .deadline_mono_ns = conn->deadline_ns - QRI_LOGIN_ROUND_MS * INT64_C(1000000),
        .done = job_done,
    };
    return handoff;
}

enum qri_step qri_handoff_begin(struct qri_conn *conn)
{
    struct qri_sender *sender = conn->gateway->sender;
    struct qri_handoff *handoff = new_handoff(conn);
    if (handoff == NULL)
        return STEP_CLOSE;
    conn->phase = PHASE_ROUTING;
    conn->deadline_ns =
        0; /* the sender's from here; nobody may break a socket that is handed over */
    qri_conn_leave_lobby(conn);
    uint64_t one = 1;
    pthread_mutex_lock(&sender->mu);
    bool stopping = sender->stopping;
    if (!stopping) {
        handoff->next_in_inbox = sender->inbox;
        sender->inbox = handoff;
        (void)!write(sender->wake_fd, &one, sizeof one);
    }
    pthread_mutex_unlock(&sender->mu);
    if (!stopping)
        return STEP_HELD;
    free_handoff(handoff);
    return STEP_CLOSE;
}

/* PHASE_ROUTING of a session that moves. */
static enum qri_step end_move(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    const struct qri_login *login = conn->login;
    bool taken = login->was_taken;
    QR_LOG(&gateway->options.log, taken ? QR_INFO : QR_WARN,
           taken ? "session_moved" : "session_lost", QR_F("address", &conn->address.text[0]),
           QR_F("login", login->info.user), QR_F("db", login->info.database),
           QR_F("reason", taken ? "" : &login->refusal.text[0]));
    conn->version = login->login7.version;
    qri_login_free(QR_TAKE(conn->login));
    if (!taken)
        return qri_over_begin(conn);
    qr_metric_add(&gateway->metrics, QR_GATEWAY_MOVED, 1);
    qri_pump_unwatch(gateway, conn->fd);
    return STEP_CLOSE;
}

/* Whom no login has let in is not told whether there is such a database; only to come again. */
static bool is_nowhere(const struct qri_login *login)
{
    return !login->was_taken && !login->was_denied && !login->info.is_checked &&
           login->refusal.number != 40613;
}

/* As long as a node would have taken to check the password. */
static enum qri_step deny_later(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    struct qri_login *login = conn->login;
    login->was_denied = login->job.is_own = true;
    login->job.own_hash[0] = '\0';
    conn->phase = PHASE_CHECKING;
    conn->deadline_ns = qr_env_mono_ns(gateway->options.env) + DENY_MS_MAX * INT64_C(1000000);
    qri_auth_submit(gateway->auth, &login->job);
    return STEP_HELD;
}

enum qri_step qri_handoff_end(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    struct qri_login *login = conn->login;
    if (login->info.is_moved)
        return end_move(conn);
    if (is_nowhere(login))
        return deny_later(conn);
    if (login->job.defers && (login->was_taken || login->was_denied))
        qri_auth_settle(gateway->auth, &login->job, login->was_taken);
    if (!login->was_taken) {
        conn->phase = PHASE_LOGIN;
        conn->deadline_ns =
            qr_env_mono_ns(gateway->options.env) + QRI_LOGIN_ROUND_MS * INT64_C(1000000);
        if (login->was_denied)
            qri_login_denied(conn);
        else
            qri_login_refuse(conn, "not_routed", &login->refusal);
        return STEP_AGAIN;
    }
    bool relayed = conn->relay_fd >= 0;
    QR_LOG(&gateway->options.log, QR_INFO, "login_handed_off",
           QR_F("address", &conn->address.text[0]), QR_F("login", login->info.user),
           QR_F("db", login->info.database), QR_F("relayed", relayed));
    qr_metric_add(&gateway->metrics, QR_GATEWAY_LOGINS, 1);
    qr_metric_add(&gateway->metrics, QR_GATEWAY_HANDED_OFF, 1);
    qri_login_tell_end(conn, 0, "");
    conn->version = login->login7.version;
    qri_login_free(login);
    conn->login = NULL;
    qr_buf_done(&conn->message.body);
    if (!relayed) {
        qri_pump_unwatch(gateway, conn->fd); /* closing our copy would not: the node has another */
        return STEP_CLOSE;
    }
    conn->phase = PHASE_RELAY;
    conn->relay_owed = 1; /* the login */
    qr_tds_reader_init(&conn->relay_reader);
    atomic_store(&conn->relays, true);
    qr_metric_add(&gateway->metrics, QR_GATEWAY_RELAYS, 1);
    return qri_pump_watch(gateway, conn->relay_fd, conn->id | QRI_NODE_SIDE, false, NULL) == QR_OK
               ? STEP_AGAIN
               : STEP_CLOSE;
}

/* ---- start and stop ---- */

enum qr_status qri_sender_start(struct qr_gateway *gateway, struct qr_err *err)
{
    struct qri_sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL)
        return qr_fail(err, QR_NOMEM, "start the gateway");
    gateway->sender = sender;
    sender->gateway = gateway;
    sender->router = gateway->options.router;
    pthread_mutex_init(&sender->mu, NULL);
    qr_cond_init(&sender->changed);
    sender->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sender->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    if (sender->epoll_fd < 0 || sender->wake_fd < 0 ||
        epoll_ctl(sender->epoll_fd, EPOLL_CTL_ADD, sender->wake_fd, &event) != 0)
        return qr_fail(err, QR_IO, "make the handoffs' event queue: error %d", errno);
    QR_TRY(qr_thread_start("handoff", 0, sender_main, sender, &sender->thread, err));
    sender->started = true;
    return QR_OK;
}

void qri_sender_stop(struct qr_gateway *gateway)
{
    struct qri_sender *sender = gateway->sender;
    uint64_t one = 1;
    if (sender == NULL)
        return;
    pthread_mutex_lock(&sender->mu);
    sender->stopping = true;
    if (sender->wake_fd >= 0)
        (void)!write(sender->wake_fd, &one, sizeof one);
    pthread_mutex_unlock(&sender->mu);
}

bool qri_sender_wait(struct qr_gateway *gateway, int64_t ms)
{
    struct qri_sender *sender = gateway->sender;
    if (sender == NULL || !sender->started)
        return true;
    int64_t until = now_ns(sender) + ms * 1000000;
    pthread_mutex_lock(&sender->mu);
    while (!sender->ended && now_ns(sender) < until)
        qr_cond_wait(&sender->changed, &sender->mu, until - now_ns(sender));
    bool ended = sender->ended;
    pthread_mutex_unlock(&sender->mu);
    if (ended)
        pthread_join(sender->thread, NULL);
    sender->started = !ended;
    return ended;
}

void qri_sender_free(struct qr_gateway *gateway)
{
    struct qri_sender *sender = QR_TAKE(gateway->sender);
    if (sender == NULL)
        return;
    for (struct qri_node *node = sender->nodes; node != NULL; node = node->next) {
        while (node->lanes != NULL)
            qri_lane_close(node->lanes);
    }
    qri_nodes_forget_unused(sender);
    qri_routes_done(&sender->routes);
    if (sender->epoll_fd >= 0)
        close(sender->epoll_fd);
    if (sender->wake_fd >= 0)
        close(sender->wake_fd);
    pthread_cond_destroy(&sender->changed);
    pthread_mutex_destroy(&sender->mu);
    free(sender);
}
