/* return.c - see handoff_int.h: a node that drains gives its sessions back to the front, one by one
 * over one link, and waits for the byte each time: what it hears no answer to it still has (H2). */
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "env/descriptor.h"
#include "env/thread.h"
#include "handoff_int.h"
#include "base/banned.h"

enum {
    ANSWER_MS = 2000,
    LOOK_NS = 1000000,
    EVICT_MS = 1000,
    MOVE_MS_MIN = 500, /* for those whose transaction began while others were waited for */
    LATE_MS = 300,
    BREAK_MS = 100,
};

/* ---- the link ---- */

static int connect_front(const char *address_text)
{
    struct sockaddr_un address;
    if (qri_handoff_address(address_text, &address, NULL) != QR_OK)
        return -1;
    int send_bytes = 2 * QRI_HANDOFF_BYTES_MAX;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        qri_handoff_peer_is_ours(fd)) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static void close_link(struct qr_gateway *gateway)
{
    if (gateway->return_fd >= 0)
        close(gateway->return_fd);
    gateway->return_fd = -1;
}

/* Once our end takes no more, either the byte is there or it can never come. */
static bool wait_taken(struct qr_gateway *gateway)
{
    struct pollfd poll_fd = {.fd = gateway->return_fd, .events = POLLIN};
    uint8_t byte = 0;
    bool answered = poll(&poll_fd, 1, ANSWER_MS) == 1;
    if (!answered)
        shutdown(gateway->return_fd, SHUT_RD);
    ssize_t n = recv(gateway->return_fd, &byte, sizeof byte, MSG_DONTWAIT);
    if (!answered || n != 1)
        close_link(gateway);
    return n == 1 && byte == QRI_HANDOFF_TAKEN;
}

static bool give(struct qr_gateway *gateway, const struct qr_buf *message, const int fds[2])
{
    bool taken = false;
    pthread_mutex_lock(&gateway->return_mu);
    for (int tries = 0; tries < 2; tries++) { /* the front may have started anew since the last */
        if (gateway->return_fd < 0)
            gateway->return_fd = connect_front(gateway->options.return_address);
        if (gateway->return_fd < 0)
            break;
        if (qr_descriptors_send(gateway->return_fd, message->data, message->len, fds, 2)) {
            taken = wait_taken(gateway);
            break;
        }
        close_link(gateway);
    }
    pthread_mutex_unlock(&gateway->return_mu);
    return taken;
}

void qri_return_done(struct qr_gateway *gateway)
{
    close_link(gateway);
    pthread_mutex_destroy(&gateway->return_mu);
}

/* ---- one session ---- */

static int state_file(const struct qr_buf *state)
{
    int fd = memfd_create("session", MFD_CLOEXEC);
    size_t at = 0;
    while (fd >= 0 && at < state->len) {
        ssize_t n = write(fd, state->data + at, state->len - at);
        if (n < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return fd;
}

static enum qr_status put_message(struct qri_conn *conn, struct qr_str database, struct qr_buf *dst,
                                  struct qr_err *err)
{
    struct qr_login info;
    struct qr_tds_login7 login7;
    struct qr_str early;
    QR_TRY(qri_handoff_decode(conn->facts, conn->facts_bytes, &info, &login7, &early, err));
    info.is_moved = true;
    info.database = database;
    QR_TRY(qri_handoff_encode(&info, conn->input_bytes, dst, err));
    qr_buf_add(dst, conn->input, conn->input_bytes);
    return qr_buf_status(dst, err);
}

/* QR_BUSY: not now. */
static enum qr_status hand_back(struct qri_conn *conn, bool late, struct qr_err *err)
{
    struct qr_buf state, message;
    struct qr_str database = {0};
    qr_buf_init(&state, QRI_HANDOFF_STATE_BYTES_MAX);
    qr_buf_init(&message, QRI_HANDOFF_BYTES_MAX);
    enum qr_status status = conn->served->ops->save(conn->served, late, &state, &database, err);
    if (status == QR_OK)
        status = put_message(conn, database, &message, err);
    int fds[2] = {conn->fd, status == QR_OK ? state_file(&state) : -1};
    if (status == QR_OK && fds[1] < 0)
        status = qr_fail(err, QR_IO, "keep a session's state: error %d", errno);
    if (status == QR_OK) {
        atomic_store(&conn->shared, true);
        if (!give(conn->gateway, &message, fds)) {
            atomic_store(&conn->shared, false);
            status = qr_fail(err, QR_CLOSED, "no front takes it");
        }
    }
    if (fds[1] >= 0)
        close(fds[1]);
    qr_buf_done(&message);
    qr_buf_done(&state);
    return status;
}

/* It is in no transaction. The last of those that were waited for goes at once, with its next
 * request unread: that one might take as long, and this time everybody would wait for it. */
static enum qri_drain rest(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    int64_t now = qr_env_mono_ns(gateway->options.env);
    bool lingered = qri_conn_lingers(conn, now);
    atomic_store(&conn->restless_ns, QRI_AT_REST);
    enum qri_drain waits = DRAIN_WAIT;
    if (lingered && atomic_load(&gateway->drain) == DRAIN_WAIT &&
        qri_conns_lingering(gateway, now) == 0)
        atomic_compare_exchange_strong(&gateway->drain, &waits, DRAIN_MOVE);
    return atomic_load(&gateway->drain);
}

enum qri_step qri_return_step(struct qri_conn *conn)
{
    struct qr_gateway *gateway = conn->gateway;
    const struct qr_served_ops *ops = conn->served->ops;
    if (ops->save == NULL || conn->facts == NULL)
        return STEP_INPUT;
    enum qri_drain drain = atomic_load(&gateway->drain);
    bool late = drain == DRAIN_LATE ||
                (drain == DRAIN_EVICT && qri_conn_lingers(conn, atomic_load(&gateway->evict_ns)));
    if (!late && !ops->is_busy(conn->served))
        drain = rest(conn);
    if (drain == DRAIN_WAIT || (drain == DRAIN_EVICT && !late) ||
        conn->input_bytes > QRI_HANDOFF_EARLY_BYTES_MAX)
        return STEP_INPUT;
    struct qr_err err = {0};
    qri_pump_block_begin(gateway);
    enum qr_status status = hand_back(conn, late, &err);
    qri_pump_block_end(gateway);
    if (status == QR_BUSY)
        return STEP_INPUT;
    if (status == QR_OK) {
        qr_metric_add(&gateway->metrics, QR_GATEWAY_RETURNED, 1);
        qri_pump_unwatch(gateway, conn->fd);
        return STEP_CLOSE;
    }
    QR_LOG(&gateway->options.log, QR_WARN, "session_not_moved",
           QR_F("address", &conn->address.text[0]), QR_F("reason", &err.text[0]));
    return qri_over_begin(conn);
}

/* ---- all sessions ---- */

static int64_t mono_ns(const struct qr_gateway *gateway)
{
    return qr_env_mono_ns(gateway->options.env);
}

/* Until nobody is left that the phase is about, it is over, or the time has come. */
static void wait_for(struct qr_gateway *gateway, enum qri_drain drain, int64_t until_ns)
{
    qri_conns_wake_idle(gateway);
    while (atomic_load(&gateway->drain) == drain) {
        int64_t now = mono_ns(gateway), left = until_ns - now;
        size_t lingering = qri_conns_lingering(
            gateway, drain == DRAIN_WAIT ? now : atomic_load(&gateway->evict_ns));
        /* who was evicted and cannot go is waited for by nobody, until the end */
        size_t count = drain == DRAIN_WAIT || drain == DRAIN_EVICT ? lingering
                       : drain == DRAIN_MOVE ? qri_conns_serving(gateway) - lingering
                                             : qri_conns_serving(gateway);
        if (count == 0 || left <= 0 || atomic_load(&gateway->stopping))
            break;
        pthread_mutex_lock(&gateway->mu);
        (void)!qr_cond_wait(&gateway->gone, &gateway->mu, left < LOOK_NS ? left : LOOK_NS);
        pthread_mutex_unlock(&gateway->mu);
    }
}

static void phase(struct qr_gateway *gateway, enum qri_drain drain, int64_t until_ns)
{
    atomic_store(&gateway->drain, drain);
    wait_for(gateway, drain, until_ns);
}

/* What has taken all of the grace is ended while the others are still served. */
static void evict(struct qr_gateway *gateway)
{
    enum qri_drain waits = DRAIN_WAIT;
    int64_t now = mono_ns(gateway);
    if (qri_conns_lingering(gateway, now) == 0)
        return;
    atomic_store(&gateway->evict_ns, now);
    if (!atomic_compare_exchange_strong(&gateway->drain, &waits, DRAIN_EVICT))
        return; /* the last of them has just gone */
    wait_for(gateway, DRAIN_EVICT, now + EVICT_MS * INT64_C(1000000));
    qri_conns_abort_stuck(gateway, now);
}

/* Whoever did not go by itself. */
static void finish(struct qr_gateway *gateway)
{
    if (qri_conns_serving(gateway) > 0)
        phase(gateway, DRAIN_LATE, mono_ns(gateway) + LATE_MS * INT64_C(1000000));
    if (qri_conns_serving(gateway) == 0)
        return;
    qri_conns_abort_stuck(gateway, INT64_MAX);
    wait_for(gateway, DRAIN_LATE, mono_ns(gateway) + BREAK_MS * INT64_C(1000000));
}

bool qr_gateway_drain(struct qr_gateway *gateway, int64_t grace_ms)
{
    const struct qr_gateway_options *options = &gateway->options;
    if (options->handoff_address == NULL || options->return_address == NULL)
        return false;
    int64_t began = mono_ns(gateway), until = began + grace_ms * 1000000;
    size_t count = qri_conns_serving(gateway);
    phase(gateway, DRAIN_WAIT, until);
    int64_t waited = mono_ns(gateway);
    evict(gateway);
    int64_t move = mono_ns(gateway), move_until = move + MOVE_MS_MIN * INT64_C(1000000);
    phase(gateway, DRAIN_MOVE, move_until > until ? move_until : until);
    finish(gateway);
    size_t left = qri_conns_serving(gateway);
    QR_LOG(&options->log, QR_INFO, "drained", QR_F("sessions", count), QR_F("left", left),
           QR_F("waited_ms", (waited - began) / 1000000),
           QR_F("evicted_ms", (move - waited) / 1000000),
           QR_F("moved_ms", (mono_ns(gateway) - move) / 1000000));
    return left == 0;
}
