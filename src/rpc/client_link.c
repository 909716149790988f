/* client_link.c - see rpc/socket.h: the peer over sockets, its connection */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "client_int.h"
#include "base/banned.h"

static const int64_t CONNECT_NS = INT64_C(10) * 1000000000;
/* Of that, until the other machine answers at all: the kernel asks again at 1 and 3 s and then ever
 * less often, so a network that came back would not be seen for long. */
static const int64_t REACH_NS = INT64_C(3) * 1000000000;
static const int64_t BACKOFF_FIRST_NS = INT64_C(10) * 1000000;
static const int64_t PROVEN_NS = INT64_C(1000000000); /* a link that lived so long was a good one */
enum { SILENCES_MAX = 3 };

static struct qr_rpc_client *client_of(struct qri_link *link)
{
    return link->owner;
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

static void open_now(struct qr_rpc_client *client)
{
    client->state = QRI_CLIENT_OPEN;
    client->open_ns = qr_env_mono_ns(client->loop->env);
    struct qr_rpc_call *call;
    while ((call = client->waiting.first) != NULL) {
        qri_calls_remove(&client->waiting, call);
        client->waiting_bytes -= call->out.bytes;
        int64_t left_ns = call->deadline_mono_ns - client->open_ns; /* it waited a while */
        qr_rpc_frame_set_timeout(call->out.header, left_ns > 0 ? (uint64_t)left_ns / 1000 + 1 : 1);
        qri_client_send(client, call);
    }
}

static enum qr_status take_reply(struct qr_rpc_client *client, const struct qr_rpc_frame *frame,
                                 const uint8_t *body, struct qr_err *err)
{
    struct qr_rpc_call *call = qri_client_take_sent(client, frame->call_id);
    if (call == NULL)
        return QR_OK; /* it had timed out or was cancelled */
    if (call->out.queued) {
        qri_link_unsend(client->link, &call->out);
        qri_client_finish(client, call, QR_CLOSED);
        return qr_fail(err, QR_PROTOCOL, "%s answers what it was not asked yet",
                       client->address_text);
    }
    struct qr_err refusal;
    struct qr_rpc_reply reply = {.status = frame->status, .body = body, .bytes = frame->body_bytes};
    if (frame->status != QR_OK) {
        qr_rpc_error_get(frame->status, body, frame->body_bytes, &refusal);
        reply = (struct qr_rpc_reply){.status = frame->status, .err = &refusal};
    }
    qri_client_run_done(client, call, &reply);
    return QR_OK;
}

static enum qr_status link_frame(struct qri_link *link, const struct qr_rpc_frame *frame,
                                 const uint8_t *body, struct qri_message **message,
                                 struct qr_err *err)
{
    (void)message;
    struct qr_rpc_client *client = client_of(link);
    struct qr_rpc_frame pong = {.kind = QR_RPC_PONG};
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&client->mu);
    switch (frame->kind) {
    case QR_RPC_HELLO:
        if (client->state == QRI_CLIENT_CONNECTING)
            open_now(client);
        break;
    case QR_RPC_REPLY:
        status = take_reply(client, frame, body, err);
        break;
    case QR_RPC_PING:
        qri_link_send_small(link, &pong, NULL, 0);
        break;
    case QR_RPC_PONG:
        break;
    case QR_RPC_CALL:
    case QR_RPC_CANCEL:
        status = qr_fail(err, QR_PROTOCOL, "%s sends a frame of kind %d to a client",
                         client->address_text, frame->kind);
        break;
    }
    pthread_mutex_unlock(&client->mu);
    return status;
}

/* Calls of which nothing was sent wait for the next link, before those that wait already. */
static void sort_out_sent(struct qr_rpc_client *client, enum qr_status outcome)
{
    struct qri_calls again = {0};
    struct qr_rpc_call *call;
    while ((call = client->sent.first) != NULL) {
        qri_client_take_sent(client, call->id);
        if (call->out.sent_bytes > 0) {
            qri_client_finish(client, call, outcome);
            continue;
        }
        call->state = QRI_CALL_WAITING;
        client->waiting_bytes += call->out.bytes;
        qri_calls_add(&again, call);
    }
    if (again.last == NULL)
        return;
    again.last->next = client->waiting.first;
    if (client->waiting.first != NULL)
        client->waiting.first->prev = again.last;
    else
        client->waiting.last = again.last;
    client->waiting.first = again.first;
}

static void set_retry(struct qr_rpc_client *client, bool proven)
{
    int64_t now = qr_env_mono_ns(client->loop->env);
    if (proven) {
        client->backoff_ns = 0;
        client->retry_ns = now;
    } else {
        int64_t next = client->backoff_ns == 0 ? BACKOFF_FIRST_NS : 2 * client->backoff_ns;
        client->backoff_ns = next < client->backoff_max_ns ? next : client->backoff_max_ns;
        uint32_t random; /* many clients of one server shall not come back at the same moment */
        qr_env_random(client->loop->env, &random, sizeof random);
        client->retry_ns = now + client->backoff_ns / 2 +
                           (int64_t)(random % 1024) * (client->backoff_ns / 2) / 1024;
    }
}

static void connection_lost(struct qr_rpc_client *client, const struct qr_err *err)
{
    pthread_mutex_lock(&client->mu);
    bool was_open = client->state == QRI_CLIENT_OPEN;
    /* an outage is one line: further attempts that fail are not news */
    enum qr_level level = was_open || client->backoff_ns == 0 ? QR_INFO : QR_DEBUG;
    client->link = NULL;
    client->state = QRI_CLIENT_DOWN;
    client->last_err = *err;
    enum qr_status outcome = err->status == QR_CORRUPT ? QR_CORRUPT : QR_CLOSED;
    set_retry(client, was_open && qr_env_mono_ns(client->loop->env) - client->open_ns >= PROVEN_NS);
    sort_out_sent(client, outcome);
    struct qr_rpc_call *call;
    while (!was_open && !client->patient && (call = client->waiting.first) != NULL) {
        qri_calls_remove(&client->waiting, call);
        client->waiting_bytes -= call->out.bytes;
        qri_client_finish(client, call, outcome);
    }
    if (client->waiting.first != NULL)
        qri_source_due(&client->timer, client->retry_ns);
    pthread_mutex_unlock(&client->mu);
    QR_LOG(&client->loop->log, level, "connection_lost", QR_F("peer", client->address_text),
           QR_F("reason", (const char *)err->text));
}

static void link_down(struct qri_link *link, const struct qr_err *err)
{
    connection_lost(client_of(link), err);
}

static void link_due(struct qri_link *link, int64_t now_ns)
{
    (void)link; /* the client's timer looks after it */
    (void)now_ns;
}

static void link_free(struct qri_source *source)
{
    free(source);
}

static const struct qri_link_ops client_link_ops = {
    .frame = link_frame,
    .up = link_up,
    .down = link_down,
    .due = link_due,
};

static enum qr_status make_link(struct qr_rpc_client *client, struct qri_link **ret_link,
                                struct qr_err *err)
{
    struct qri_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return qr_fail(err, QR_NOMEM, "connect to %s", client->address_text);
    link->ops = &client_link_ops;
    link->owner = client;
    link->mu = &client->mu;
    link->source.free = link_free;
    link->roles = client->roles;
    snprintf(link->who, sizeof link->who, "%s", client->address_text);
    int fd;
    enum qr_status status = qri_address_connect(&client->address, &fd, err);
    if (status != QR_OK) {
        free(link);
        return status;
    }
    status = qri_link_init(link, client->loop, fd, true, err);
    if (status != QR_OK) { /* not in the loop yet */
        close(fd);
        free(link->in);
        free(link);
        return status;
    }
    if (!client->address.is_unix)
        status = qri_tls_start(link, client->loop->tls, false, client->server_name, err);
    if (status == QR_OK && client->address.is_unix)
        status = qri_address_check_user(fd, err);
    if (status != QR_OK) {
        qri_link_close(link);
        return status;
    }
    *ret_link = link;
    return QR_OK;
}

void qri_client_connect(struct qr_rpc_client *client, int64_t now_ns)
{
    struct qr_err err;
    qr_err_reset(&err);
    struct qri_link *link = NULL;
    if (make_link(client, &link, &err) != QR_OK) {
        connection_lost(client, &err);
        return;
    }
    pthread_mutex_lock(&client->mu);
    client->link = link;
    client->state = QRI_CLIENT_CONNECTING;
    int64_t silence_ns = SILENCES_MAX * client->ping_ns;
    silence_ns = silence_ns < CONNECT_NS ? silence_ns : CONNECT_NS;
    client->connect_deadline_ns = now_ns + silence_ns;
    client->reach_deadline_ns = now_ns + (silence_ns < REACH_NS ? silence_ns : REACH_NS);
    qri_source_due(&client->timer, client->reach_deadline_ns);
    pthread_mutex_unlock(&client->mu);
}

/* Asks a silent server whether it is there; true: it does not answer. With mu held. */
static bool silent_too_long(struct qr_rpc_client *client, int64_t now_ns)
{
    if (client->sent.first == NULL)
        return false;
    int64_t heard = atomic_load(&client->link->heard_ns);
    if (heard < client->busy_since_ns)
        heard = client->busy_since_ns;
    if (now_ns - heard >= SILENCES_MAX * client->ping_ns)
        return true;
    if (now_ns - heard >= client->ping_ns && now_ns - client->pinged_ns >= client->ping_ns) {
        struct qr_rpc_frame ping = {.kind = QR_RPC_PING};
        qri_link_send_small(client->link, &ping, NULL, 0);
        client->pinged_ns = now_ns;
    }
    int64_t since = heard > client->pinged_ns ? heard : client->pinged_ns;
    qri_source_due(&client->timer, since + client->ping_ns);
    return false;
}

void qri_client_check_link(struct qr_rpc_client *client, int64_t now_ns)
{
    pthread_mutex_lock(&client->mu);
    struct qri_link *link = client->link;
    bool connect = false, give_up = false;
    if (client->state == QRI_CLIENT_DOWN && client->waiting.first != NULL && !client->closing) {
        connect = client->retry_ns <= now_ns;
        if (!connect)
            qri_source_due(&client->timer, client->retry_ns);
    } else if (client->state == QRI_CLIENT_CONNECTING) {
        int64_t until = link->connecting ? client->reach_deadline_ns : client->connect_deadline_ns;
        give_up = until <= now_ns;
        qri_source_due(&client->timer, give_up ? INT64_MAX : until);
    } else if (client->state == QRI_CLIENT_OPEN) {
        give_up = silent_too_long(client, now_ns);
    }
    pthread_mutex_unlock(&client->mu);
    if (connect)
        qri_client_connect(client, now_ns);
    if (give_up) {
        struct qr_err err;
        qr_err_reset(&err);
        (void)qr_fail(&err, QR_CLOSED, "%s does not answer", client->address_text);
        qri_link_fail(link, &err);
    }
}
