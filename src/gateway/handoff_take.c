/* handoff_take.c - see handoff_int.h: where handoffs come to. In a node the accepting thread waits
 * for fronts and their messages, and a worker opens the session and answers; in a front it waits
 * for nodes that give sessions up.
 *
 * A link is watched for one event at a time and armed again when it has been answered, so a front
 * cannot have two logins under way on it. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "env/descriptor.h"
#include "handoff_int.h"
#include "base/banned.h"

enum {
    LINKS_MAX = 1024, /* of all fronts together */
    BACKLOG = 1024,
    EVENTS = 16,
    LISTENER = -1,
};

struct qri_link {
    int fd; /* -1: free */
};

struct qri_taker {
    int epoll_fd, listen_fd;
    struct sockaddr_un address;
    struct stat file; /* of the socket's name, by which it is known to be ours still */
    pthread_mutex_t mu;
    struct qri_link links[LINKS_MAX];
    uint8_t message[QRI_HANDOFF_BYTES_MAX];
};

/* ---- links ---- */

/* `mu`: a link that is armed may be closed before epoll_ctl has returned. */
static bool arm(struct qri_taker *taker, const struct qri_link *link, int op)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
                                .data.u64 = (uint64_t)(link - taker->links)};
    pthread_mutex_lock(&taker->mu);
    bool ok = epoll_ctl(taker->epoll_fd, op, link->fd, &event) == 0;
    pthread_mutex_unlock(&taker->mu);
    return ok;
}

static void close_link(struct qri_taker *taker, struct qri_link *link)
{
    pthread_mutex_lock(&taker->mu);
    close(link->fd);
    link->fd = -1;
    pthread_mutex_unlock(&taker->mu);
}

/* True: the front has the answer, or will find it. */
static bool answer(const struct qr_gateway *gateway, const struct qri_link *link,
                   enum qri_handoff_answer what)
{
    uint8_t byte = (uint8_t)what;
    bool sent = send(link->fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    return arm(gateway->taker, link, EPOLL_CTL_MOD) && sent;
}

static void take_front(struct qr_gateway *gateway, int own_fd)
{
    struct qri_taker *taker = gateway->taker;
    struct qri_link *link = taker->links, *end = link + LINKS_MAX;
    while (link < end && link->fd >= 0)
        link++;
    bool is_ours = qri_handoff_peer_is_ours(own_fd);
    if (!is_ours || link == end) {
        QR_LOG(&gateway->options.log, QR_WARN, "front_refused",
               QR_F("reason", is_ours ? "too_many" : "other_user"));
        close(own_fd);
        return;
    }
    link->fd = own_fd;
    if (!arm(taker, link, EPOLL_CTL_ADD))
        close_link(taker, link);
}

/* False: a shortage that will not go away at once. */
static bool take_fronts(struct qr_gateway *gateway)
{
    for (;;) {
        int fd = accept4(gateway->taker->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        take_front(gateway, fd);
    }
}

/* ---- messages ---- */

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t bytes = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM;
}

/* What came with a message; closed by who does not pass it on. */
struct brought {
    int fds[2]; /* the client's socket, the state */
    size_t count;
};

static void close_brought(struct brought *brought)
{
    while (brought->count > 0)
        close(brought->fds[--brought->count]);
}

static enum qr_status check_brought(const struct qr_gateway *gateway, const struct qr_login *info,
                                    const struct brought *brought, struct qr_err *err)
{
    if (!info->is_moved && gateway->options.router != NULL)
        return qr_fail(err, QR_PROTOCOL, "a node gives back what is no session");
    if (brought->count != (info->is_moved ? 2u : 1u))
        return qr_fail(err, QR_PROTOCOL, "a handoff with %zu descriptors", brought->count);
    if (!is_stream(brought->fds[0]))
        return qr_fail(err, QR_PROTOCOL, "a handoff's descriptor is no stream socket");
    return QR_OK;
}

/* Whatever breaks the form ends the link: its peer is no front, or node, of ours. */
static enum qr_status take_login(struct qr_gateway *gateway, struct qri_link *link, size_t bytes,
                                 struct brought *brought, struct qr_err *err)
{
    struct qri_login *login = calloc(1, sizeof *login);
    struct qr_str early;
    if (login != NULL) {
        qr_arena_init(&login->arena, QRI_HANDOFF_BYTES_MAX);
        login->state_fd = -1;
        login->facts = malloc(bytes);
    }
    if (login == NULL || login->facts == NULL) {
        qri_login_free(login);
        return qr_fail(err, QR_NOMEM, "take a login");
    }
    memcpy(login->facts, gateway->taker->message, bytes);
    sodium_memzero(gateway->taker->message, bytes); /* a password may be in it */
    enum qr_status status =
        qri_handoff_decode(login->facts, bytes, &login->info, &login->login7, &early, err);
    if (status == QR_OK)
        status = check_brought(gateway, &login->info, brought, err);
    if (status != QR_OK) {
        qri_login_free(login);
        return status;
    }
    if (brought->count == 2)
        login->state_fd = brought->fds[1];
    brought->count = 0; /* whatever comes of it */
    return qri_conn_adopt(gateway, brought->fds[0], login, early, link, err);
}

static void take_message(struct qr_gateway *gateway, struct qri_link *link)
{
    struct qri_taker *taker = gateway->taker;
    struct brought brought = {.count = 0};
    int flags = 0;
    ssize_t n = qr_descriptors_receive(link->fd, taker->message, sizeof taker->message, brought.fds,
                                       2, &brought.count, &flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && arm(taker, link, EPOLL_CTL_MOD))
        return;
    if (n <= 0) {
        close_link(taker, link);
        return;
    }
    struct qr_err err = {0};
    enum qr_status status = QR_OK;
    if (brought.count == 0 || (flags & MSG_CTRUNC) != 0)
        status = qr_fail(&err, (flags & MSG_CTRUNC) != 0 ? QR_BUSY : QR_PROTOCOL,
                         "a handoff without its descriptor");
    else if ((flags & MSG_TRUNC) != 0)
        status = qr_fail(&err, QR_TOO_BIG, "a handoff message over its bound");
    else
        status = take_login(gateway, link, (size_t)n, &brought, &err);
    close_brought(&brought);
    if (status == QR_OK)
        return;
    QR_LOG(&gateway->options.log, QR_WARN, "handoff_refused", QR_F("reason", &err.text[0]));
    bool is_short = status == QR_BUSY || status == QR_NOMEM;
    if (!is_short || !answer(gateway, link, QRI_HANDOFF_BUSY))
        close_link(taker, link);
}

bool qri_taker_run(struct qr_gateway *gateway)
{
    struct epoll_event events[EVENTS];
    bool ok = true;
    int n = epoll_wait(gateway->taker->epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == (uint64_t)LISTENER)
            ok = take_fronts(gateway);
        else
            take_message(gateway, &gateway->taker->links[events[i].data.u64]);
    }
    return ok;
}

int qri_taker_fd(const struct qr_gateway *gateway)
{
    return gateway->taker->epoll_fd;
}

/* ---- the session; by a worker ---- */

/* Another node, or this one a little later, may do better: the front asks for a new route. */
static bool may_pass(const struct qr_err *err)
{
    return err->number == 40613 || err->status == QR_FENCED || err->status == QR_CLOSED ||
           err->status == QR_NOMEM || err->status == QR_BUSY;
}

/* What the session's `save` wrote in another process. */
static enum qr_status read_state(struct qri_login *login, uint8_t **ret_own_state,
                                 struct qr_err *err)
{
    struct stat info;
    if (fstat(login->state_fd, &info) != 0 || info.st_size <= 0 ||
        info.st_size > QRI_HANDOFF_STATE_BYTES_MAX)
        return qr_fail(err, QR_PROTOCOL, "a session's state of no size that it can have");
    size_t bytes = (size_t)info.st_size, at = 0;
    uint8_t *state = malloc(bytes);
    if (state == NULL)
        return qr_fail(err, QR_NOMEM, "read a session's state");
    while (at < bytes) {
        ssize_t n = pread(login->state_fd, state + at, bytes - at, (off_t)at);
        if (n <= 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    if (at < bytes) {
        free(state);
        return qr_fail(err, QR_IO, "read a session's state: error %d", errno);
    }
    login->info.moved = qr_str_n((const char *)state, bytes);
    *ret_own_state = state;
    return QR_OK;
}

static enum qr_status open_session(struct qri_conn *conn, struct qr_tail *ret_tail,
                                   struct qr_err *err)
{
    const struct qr_service *service = conn->gateway->options.service;
    struct qri_login *login = conn->login;
    uint8_t *state = NULL;
    if (login->info.is_moved)
        QR_TRY(read_state(login, &state, err));
    enum qr_status status =
        service->open(service->ctx, &conn->channel, &login->info, &conn->served, ret_tail, err);
    login->info.moved = (struct qr_str){0};
    free(state);
    return status;
}

/* What the session will be given back with; without it it cannot be. */
static void keep_facts(struct qri_conn *conn)
{
    struct qr_buf facts;
    if (conn->gateway->options.return_address == NULL)
        return;
    qr_buf_init(&facts, QRI_HANDOFF_FACTS_BYTES_MAX);
    if (qri_handoff_encode(&conn->login->info, 0, &facts, NULL) == QR_OK &&
        qr_buf_status(&facts, NULL) == QR_OK) {
        conn->facts_bytes = facts.len;
        conn->facts = QR_TAKE(facts.data);
    }
    qr_buf_done(&facts);
}

/* A session that cannot go on here: its client is told when it asks for something. */
static enum qri_step lose(struct qri_conn *conn, const struct qr_err *err)
{
    QR_LOG(&conn->gateway->options.log, QR_WARN, "session_lost",
           QR_F("address", &conn->address.text[0]), QR_F("reason", &err->text[0]));
    conn->version = conn->login->login7.version;
    qri_login_free(QR_TAKE(conn->login));
    return qri_over_begin(conn);
}

/* ---- the database's own users ---- */

/* Asks the database whether it knows him by himself; then only his password there counts.
 * STEP_HELD: it is being checked; STEP_AGAIN: it need not be. */
static enum qri_step ask_database(struct qri_conn *conn, struct qr_err *err)
{
    const struct qr_service *service = conn->gateway->options.service;
    struct qri_login *login = conn->login;
    struct qri_auth_job *job = &login->job;
    enum qr_status status = QR_NOT_FOUND;
    _Static_assert(sizeof job->own_hash == QR_SERVICE_HASH_BYTES, "one hash, two headers");
    login->was_checked = true;
    if (service->user_hash != NULL)
        status = service->user_hash(service->ctx, &login->info, job->own_hash, err);
    if (status != QR_OK && status != QR_NOT_FOUND && may_pass(err))
        return STEP_CLOSE;
    if (status != QR_OK)
        job->own_hash[0] = '\0';
    if (status != QR_OK && login->info.is_checked)
        return STEP_AGAIN; /* the login's name is nobody's here; `open` says what else is wrong */
    job->is_own = job->defers = true; /* the front counts failures */
    job->login = login->info.user;
    job->password = login->info.password;
    job->server_id = login->info.server_id;
    job->wait_ns_max = INT64_MAX;
    job->done = qri_login_checked;
    qri_auth_submit(conn->gateway->auth, job);
    return STEP_HELD;
}

/* False: denied. */
static bool take_result(struct qri_login *login)
{
    bool was_asked = login->job.is_own;
    qri_wipe_text(&login->info.password);
    login->job.password = (struct qr_str){NULL, 0};
    if (!was_asked)
        return true;
    if (login->job.result != QRI_AUTH_OK)
        return false;
    login->info.is_own_user = login->info.is_checked = true;
    login->info.sid = (struct qr_str){NULL, 0};
    login->info.roles = 0;
    return true;
}

enum qri_step qri_handoff_open(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    struct qr_err asking = {0};
    bool is_ending = conn->link == NULL || atomic_load(&gateway->stopping) ||
                     atomic_load(&gateway->drain) != DRAIN_NO || atomic_load(&conn->aborted);
    if (!is_ending && conn->login->info.password.n > 0 && !conn->login->was_checked) {
        enum qri_step step = ask_database(conn, &asking);
        if (step == STEP_HELD)
            return step;
        if (step == STEP_CLOSE) {
            answer(gateway, QR_TAKE(conn->link), QRI_HANDOFF_NOT_HERE);
            return step;
        }
    }
    struct qri_link *link = QR_TAKE(conn->link);
    struct qr_err err = {0};
    struct qr_tail tail = {0};
    if (link == NULL)
        return STEP_CLOSE; /* it could not be admitted */
    if (atomic_load(&gateway->stopping) || atomic_load(&gateway->drain) != DRAIN_NO ||
        atomic_load(&conn->aborted)) {
        answer(gateway, link, QRI_HANDOFF_STOPPING);
        return STEP_CLOSE;
    }
    if (!take_result(conn->login)) {
        answer(gateway, link, QRI_HANDOFF_DENIED);
        return STEP_CLOSE;
    }
    enum qr_status status = open_session(conn, &tail, &err);
    if (status != QR_OK && may_pass(&err)) {
        answer(gateway, link, QRI_HANDOFF_NOT_HERE);
        return STEP_CLOSE;
    }
    /* H2: nothing may be written before this has worked */
    if (!answer(gateway, link, QRI_HANDOFF_TAKEN))
        return STEP_CLOSE;
    atomic_store(&conn->shared, false);
    if (status != QR_OK && conn->login->info.is_moved)
        return lose(conn, &err);
    if (status == QR_OK) {
        qr_metric_add(&gateway->metrics, QR_GATEWAY_HANDED_OFF, 1);
        keep_facts(conn);
        qri_login_opened(conn, &tail);
    } else {
        conn->phase = PHASE_LOGIN;
        conn->deadline_ns =
            qr_env_mono_ns(gateway->options.env) + QRI_LOGIN_ROUND_MS * INT64_C(1000000);
        qri_login_refuse(conn, "database_not_opened", &err);
    }
    return STEP_AGAIN;
}

enum qri_step qri_handoff_returned(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    struct qri_link *link = QR_TAKE(conn->link);
    if (link == NULL)
        return STEP_CLOSE;
    if (atomic_load(&gateway->stopping) || atomic_load(&conn->aborted)) {
        answer(gateway, link, QRI_HANDOFF_STOPPING);
        return STEP_CLOSE;
    }
    if (!answer(gateway, link, QRI_HANDOFF_TAKEN)) /* the node has it still */
        return STEP_CLOSE;
    atomic_store(&conn->shared, false);
    qr_metric_add(&gateway->metrics, QR_GATEWAY_RETURNED, 1);
    conn->deadline_ns =
        qr_env_mono_ns(gateway->options.env) + (int64_t)gateway->options.login_ms_max * 1000000;
    return qri_handoff_begin(conn);
}

/* ---- start and stop ---- */

/* A path left behind by one that ended is taken over; a living one is not, but by a front. */
static enum qr_status make_way(const struct sockaddr_un *address, struct qr_err *err)
{
    struct stat info;
    if (lstat(address->sun_path, &info) != 0)
        return QR_OK;
    if (!S_ISSOCK(info.st_mode))
        return qr_fail(err, QR_EXISTS, "'%s' is no socket", address->sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_dead = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!is_dead)
        return qr_fail(err, QR_IO, "'%s' is in use", address->sun_path);
    unlink(address->sun_path);
    return QR_OK;
}

/* Under a name of its own first: who connects meanwhile finds the old one or the new one. */
static enum qr_status replace(int fd, const struct sockaddr_un *address, struct qr_err *err)
{
    struct sockaddr_un aside = {.sun_family = AF_UNIX};
    int n = snprintf(aside.sun_path, sizeof aside.sun_path, "%s.%d", address->sun_path, getpid());
    if (n <= 0 || (size_t)n >= sizeof aside.sun_path)
        return qr_fail(err, QR_INVALID, "'%s' is too long", address->sun_path);
    unlink(aside.sun_path);
    if (bind(fd, (const struct sockaddr *)&aside, sizeof aside) != 0 || listen(fd, BACKLOG) != 0 ||
        rename(aside.sun_path, address->sun_path) != 0)
        return qr_fail(err, QR_IO, "bind '%s': error %d", address->sun_path, errno);
    return QR_OK;
}

static enum qr_status listen_at(struct qri_taker *taker, const struct sockaddr_un *address,
                                bool is_front, struct qr_err *err)
{
    if (!is_front)
        QR_TRY(make_way(address, err));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* before bind: the name never has another mode */
    enum qr_status status = QR_OK;
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
        (!is_front && bind(fd, (const struct sockaddr *)address, sizeof *address) != 0))
        status = qr_fail(err, QR_IO, "bind '%s': error %d", address->sun_path, errno);
    else if (is_front)
        status = replace(fd, address, err);
    if (status != QR_OK) {
        if (fd >= 0)
            close(fd);
        return status;
    }
    taker->listen_fd = fd;
    taker->address = *address; /* ours from here, to be removed */
    (void)lstat(address->sun_path, &taker->file);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)LISTENER};
    if (listen(fd, BACKLOG) != 0 || epoll_ctl(taker->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return qr_fail(err, QR_IO, "listen on '%s': error %d", address->sun_path, errno);
    return QR_OK;
}

enum qr_status qri_taker_start(struct qr_gateway *gateway, struct qr_err *err)
{
    struct sockaddr_un address;
    bool is_node = gateway->options.handoff_address != NULL;
    QR_TRY(qri_handoff_address(is_node ? gateway->options.handoff_address
                                       : gateway->options.return_address,
                               &address, err));
    struct qri_taker *taker = calloc(1, sizeof *taker);
    if (taker == NULL)
        return qr_fail(err, QR_NOMEM, "start the gateway");
    gateway->taker = taker;
    pthread_mutex_init(&taker->mu, NULL);
    taker->listen_fd = -1;
    for (size_t i = 0; i < LINKS_MAX; i++)
        taker->links[i].fd = -1;
    taker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (taker->epoll_fd < 0)
        return qr_fail(err, QR_IO, "make the handoffs' event queue: error %d", errno);
    return listen_at(taker, &address, !is_node, err);
}

void qri_taker_stop(struct qr_gateway *gateway)
{
    struct qri_taker *taker = gateway->taker;
    if (taker == NULL || taker->listen_fd < 0)
        return;
    struct stat now;
    if (lstat(taker->address.sun_path, &now) == 0 && now.st_ino == taker->file.st_ino &&
        now.st_dev == taker->file.st_dev)
        unlink(taker->address.sun_path); /* else a successor has it */
    close(taker->listen_fd);
    taker->listen_fd = -1;
    /* Logins on their way go back to their fronts. Workers may still answer: closed when freed. */
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (taker->links[i].fd >= 0)
            shutdown(taker->links[i].fd, SHUT_RDWR);
    }
}

void qri_taker_free(struct qr_gateway *gateway)
{
    struct qri_taker *taker = QR_TAKE(gateway->taker);
    if (taker == NULL)
        return;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (taker->links[i].fd >= 0)
            close_link(taker, &taker->links[i]);
    }
    if (taker->epoll_fd >= 0)
        close(taker->epoll_fd);
    pthread_mutex_destroy(&taker->mu);
    free(taker);
}
