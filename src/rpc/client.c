/* client.c - see rpc/socket.h: the peer over sockets, its calls */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client_int.h"
#include "base/banned.h"

static const int64_t TIMEOUT_NS = INT64_C(30) * 1000000000;
static const int64_t PING_NS = INT64_C(10) * 1000000000, PING_TCP_NS = INT64_C(5) * 1000000000;
static const int64_t BACKOFF_MAX_NS = INT64_C(1000000000);
enum { QUEUE_BYTES_MAX = 64 << 20 };

void qri_calls_add(struct qri_calls *calls, struct qr_rpc_call *call)
{
    call->next = NULL;
    call->prev = calls->last;
    if (calls->last != NULL)
        calls->last->next = call;
    else
        calls->first = call;
    calls->last = call;
}

void qri_calls_remove(struct qri_calls *calls, struct qr_rpc_call *call)
{
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        calls->first = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    else
        calls->last = call->prev;
    call->prev = call->next = NULL;
}

void qri_client_finish(struct qr_rpc_client *client, struct qr_rpc_call *call,
                       enum qr_status outcome)
{
    call->state = QRI_CALL_FINISHED;
    call->outcome = outcome;
    qri_calls_add(&client->finished, call);
    qri_source_due(&client->timer, 0);
}

static struct qr_rpc_call **find_sent(struct qr_rpc_client *client, uint64_t id)
{
    struct qr_rpc_call **at = &client->buckets[id % QRI_CLIENT_BUCKETS];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->chain;
    return at;
}

struct qr_rpc_call *qri_client_take_sent(struct qr_rpc_client *client, uint64_t id)
{
    struct qr_rpc_call **at = find_sent(client, id);
    struct qr_rpc_call *call = *at;
    if (call != NULL) {
        *at = call->chain;
        call->chain = NULL;
        qri_calls_remove(&client->sent, call);
    }
    return call;
}

void qri_client_send(struct qr_rpc_client *client, struct qr_rpc_call *call)
{
    if (client->sent.first == NULL) {
        client->busy_since_ns = qr_env_mono_ns(client->loop->env);
        qri_source_due(&client->timer, client->busy_since_ns + client->ping_ns);
    }
    call->state = QRI_CALL_SENT;
    call->chain = client->buckets[call->id % QRI_CLIENT_BUCKETS];
    client->buckets[call->id % QRI_CLIENT_BUCKETS] = call;
    qri_calls_add(&client->sent, call);
    call->out.sent_bytes = 0;
    qri_link_send(client->link, &call->out);
}

/* The outcome of a call that is not accepted, or QR_OK. */
static enum qr_status accept_call(struct qr_rpc_client *client, const struct qr_rpc_call *call)
{
    if (client->closing)
        return QR_CANCELLED;
    size_t queued = client->waiting_bytes + (client->link == NULL ? 0 : client->link->out_bytes);
    return queued + call->out.bytes > client->queue_bytes_max ? QR_BUSY : QR_OK;
}

static void client_start(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    struct qr_rpc_client *client = (struct qr_rpc_client *)peer;
    assert(call->body_count >= 0 && call->body_count <= QR_RPC_IOV_MAX);
    int64_t timeout = call->timeout_ns > 0 ? call->timeout_ns : client->timeout_ns;
    size_t bytes = 0;
    for (int i = 0; i < call->body_count; i++)
        bytes += call->body[i].iov_len;
    bool too_big = bytes > QR_RPC_BODY_BYTES_MAX;
    uint8_t header[QR_RPC_HEADER_BYTES];
    struct qr_rpc_frame frame = {.kind = QR_RPC_CALL,
                                 .method = call->method,
                                 .call_id = atomic_fetch_add(&client->last_id, 1) + 1,
                                 .timeout_us = (uint64_t)(timeout / 1000) + 1};
    qr_rpc_frame_put(&frame, call->body, too_big ? 0 : call->body_count, header);
    int64_t deadline = qr_env_mono_ns(client->loop->env) + timeout;

    pthread_mutex_lock(&client->mu);
    call->id = frame.call_id;
    call->deadline_mono_ns = deadline;
    call->chain = NULL;
    call->out = (struct qr_rpc_out){.body = call->body, .body_count = call->body_count};
    call->out.bytes = QR_RPC_HEADER_BYTES + bytes;
    memcpy(call->out.header, header, sizeof header);
    enum qr_status status = too_big ? QR_TOO_BIG : accept_call(client, call);
    if (status != QR_OK) {
        qri_client_finish(client, call, status);
    } else if (client->state == QRI_CLIENT_OPEN) {
        qri_client_send(client, call);
    } else {
        call->state = QRI_CALL_WAITING;
        qri_calls_add(&client->waiting, call);
        client->waiting_bytes += call->out.bytes;
        if (client->state == QRI_CLIENT_DOWN)
            qri_source_due(&client->timer, client->retry_ns);
    }
    bool sooner = status == QR_OK && deadline < client->next_deadline_ns;
    if (sooner) {
        client->next_deadline_ns = deadline;
        qri_source_due(&client->timer, deadline);
    }
    pthread_mutex_unlock(&client->mu);
}

/* Takes a call that waits for a link or a reply out of everything. */
static void withdraw(struct qr_rpc_client *client, struct qr_rpc_call *call, enum qr_status outcome)
{
    if (call->state == QRI_CALL_WAITING) {
        qri_calls_remove(&client->waiting, call);
        client->waiting_bytes -= call->out.bytes;
    } else {
        qri_client_take_sent(client, call->id);
        bool begun = !call->out.queued || call->out.sent_bytes > 0;
        if (client->link != NULL)
            qri_link_unsend(client->link, &call->out);
        if (begun && client->state == QRI_CLIENT_OPEN) {
            struct qr_rpc_frame frame = {.kind = QR_RPC_CANCEL, .call_id = call->id};
            qri_link_send_small(client->link, &frame, NULL, 0);
        }
    }
    qri_client_finish(client, call, outcome);
}

static void client_cancel(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    struct qr_rpc_client *client = (struct qr_rpc_client *)peer;
    pthread_mutex_lock(&client->mu);
    if (call->state == QRI_CALL_WAITING || call->state == QRI_CALL_SENT)
        withdraw(client, call, QR_CANCELLED);
    pthread_mutex_unlock(&client->mu);
}

static void client_wait(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    struct qr_rpc_client *client = (struct qr_rpc_client *)peer;
    assert(!qri_loop_is_here(client->loop));
    pthread_mutex_lock(&client->mu);
    assert(call->state != QRI_CALL_IDLE);
    if (call->state != QRI_CALL_DONE || client->running_id == call->id) {
        struct qri_waiter waiter = {.next = client->waiters, .call_id = call->id};
        qr_cond_init(&waiter.cond);
        client->waiters = &waiter;
        while (!waiter.finished)
            pthread_cond_wait(&waiter.cond, &client->mu);
        struct qri_waiter **at = &client->waiters;
        while (*at != &waiter)
            at = &(*at)->next;
        *at = waiter.next;
        pthread_cond_destroy(&waiter.cond);
        if (client->waiters == NULL)
            pthread_cond_signal(&client->no_waiters);
    }
    pthread_mutex_unlock(&client->mu);
}

void qri_client_run_done(struct qr_rpc_client *client, struct qr_rpc_call *call,
                         const struct qr_rpc_reply *reply)
{
    uint64_t id = call->id;
    call->state = QRI_CALL_DONE;
    client->running_id = id;
    pthread_mutex_unlock(&client->mu);
    call->done(call, reply); /* may free the call, or start it again */
    pthread_mutex_lock(&client->mu);
    client->running_id = 0;
    for (struct qri_waiter *waiter = client->waiters; waiter != NULL; waiter = waiter->next) {
        if (waiter->call_id == id) {
            waiter->finished = true;
            pthread_cond_signal(&waiter->cond);
        }
    }
}

static void explain(const struct qr_rpc_client *client, enum qr_status outcome, struct qr_err *err)
{
    const char *who = client->address_text;
    qr_err_reset(err);
    if (outcome == QR_TIMEOUT)
        (void)qr_fail(err, outcome, "no answer from %s in time", who);
    else if (outcome == QR_BUSY)
        (void)qr_fail(err, outcome, "too much is queued for %s", who);
    else if (outcome == QR_TOO_BIG)
        (void)qr_fail(err, outcome, "a call to %s is too big for a frame", who);
    else if (outcome == QR_CANCELLED)
        (void)qr_fail(err, outcome, "a call to %s was cancelled", who);
    else
        (void)qr_fail(err, outcome, "%s", client->last_err.text);
}

/* Runs `done` of what is finished now; what `done` adds has its turn after the other sources'. */
static void run_finished(struct qr_rpc_client *client)
{
    struct qri_calls now = client->finished;
    client->finished = (struct qri_calls){0};
    struct qr_rpc_call *call;
    while ((call = now.first) != NULL) {
        qri_calls_remove(&now, call);
        struct qr_err err;
        explain(client, call->outcome, &err);
        struct qr_rpc_reply reply = {.status = call->outcome, .err = &err};
        qri_client_run_done(client, call, &reply);
    }
}

static void expire(struct qr_rpc_client *client, struct qri_calls *calls, int64_t now_ns)
{
    struct qr_rpc_call *next;
    for (struct qr_rpc_call *call = calls->first; call != NULL; call = next) {
        next = call->next;
        if (call->deadline_mono_ns <= now_ns)
            withdraw(client, call, QR_TIMEOUT);
        else if (call->deadline_mono_ns < client->next_deadline_ns)
            client->next_deadline_ns = call->deadline_mono_ns;
    }
}

static void client_due(struct qri_source *source, int64_t now_ns)
{
    struct qr_rpc_client *client =
        (struct qr_rpc_client *)((char *)source - offsetof(struct qr_rpc_client, timer));
    qri_client_check_link(client, now_ns);
    pthread_mutex_lock(&client->mu);
    if (client->next_deadline_ns <= now_ns) {
        client->next_deadline_ns = INT64_MAX;
        expire(client, &client->waiting, now_ns);
        expire(client, &client->sent, now_ns);
    }
    run_finished(client);
    qri_source_due(source, client->next_deadline_ns);
    pthread_mutex_unlock(&client->mu);
}

static const struct qr_rpc_peer_ops client_ops = {
    .start = client_start,
    .cancel = client_cancel,
    .wait = client_wait,
};

struct adding {
    struct qr_rpc_client *client;
    enum qr_status status;
    struct qr_err *err;
};

static void add_on_loop(void *arg)
{
    struct adding *adding = arg;
    adding->status = qri_source_add(adding->client->loop, &adding->client->timer, adding->err);
}

static void client_destroy(struct qr_rpc_client *client)
{
    pthread_mutex_destroy(&client->mu);
    pthread_cond_destroy(&client->no_waiters);
    free(client->address_text);
    free(client->server_name);
    free(client->roles);
    free(client);
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

enum qr_status qr_rpc_client_new(struct qr_rpc_loop *loop,
                                 const struct qr_rpc_client_options *options,
                                 struct qr_rpc_client **ret_client, struct qr_err *err)
{
    struct qr_rpc_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return qr_fail(err, QR_NOMEM, "make an rpc client");
    client->peer.ops = &client_ops;
    client->loop = loop;
    client->timer = (struct qri_source){.fd = -1, .due = client_due};
    atomic_init(&client->timer.due_ns, INT64_MAX);
    client->timeout_ns = or_default(options->timeout_ns, TIMEOUT_NS);
    client->backoff_max_ns = or_default(options->backoff_max_ns, BACKOFF_MAX_NS);
    client->queue_bytes_max =
        options->queue_bytes_max > 0 ? options->queue_bytes_max : QUEUE_BYTES_MAX;
    client->patient = options->patient;
    client->next_deadline_ns = INT64_MAX;
    pthread_mutex_init(&client->mu, NULL);
    qr_cond_init(&client->no_waiters);
    client->address_text = strdup(options->address);
    client->server_name = options->server_name == NULL ? NULL : strdup(options->server_name);
    client->roles = options->roles == NULL ? NULL : strdup(options->roles);
    enum qr_status status = qri_address_parse(options->address, &client->address, err);
    client->ping_ns = or_default(options->ping_ns, client->address.is_unix ? PING_NS : PING_TCP_NS);
    if (client->address_text == NULL ||
        (options->server_name != NULL && client->server_name == NULL) ||
        (options->roles != NULL && client->roles == NULL))
        status = qr_fail(err, QR_NOMEM, "make an rpc client");
    if (status == QR_OK && !client->address.is_unix && loop->tls == NULL)
        status = qr_fail(err, QR_INVALID, "'%s' needs certificates", options->address);
    if (status == QR_OK) {
        struct adding adding = {.client = client, .err = err};
        qri_loop_run(loop, add_on_loop, &adding);
        status = adding.status;
    }
    if (status != QR_OK) {
        client_destroy(client);
        return status;
    }
    *ret_client = client;
    return QR_OK;
}

struct qr_rpc_peer *qr_rpc_client_peer(struct qr_rpc_client *client)
{
    return &client->peer;
}

bool qr_rpc_client_connected(struct qr_rpc_client *client)
{
    pthread_mutex_lock(&client->mu);
    bool connected = client->state == QRI_CLIENT_OPEN && !client->link->broken;
    pthread_mutex_unlock(&client->mu);
    return connected;
}

static void end_calls(struct qr_rpc_client *client) /* held, given back for each `done` */
{
    client->closing = true;
    while (client->waiting.first != NULL)
        withdraw(client, client->waiting.first, QR_CANCELLED);
    while (client->sent.first != NULL)
        withdraw(client, client->sent.first, QR_CANCELLED);
    while (client->finished.first != NULL)
        run_finished(client);
}

static void stop_on_loop(void *arg)
{
    struct qr_rpc_client *client = arg;
    pthread_mutex_lock(&client->mu);
    end_calls(client);
    pthread_mutex_unlock(&client->mu);
}

void qr_rpc_client_stop(struct qr_rpc_client *client)
{
    if (client != NULL)
        qri_loop_run(client->loop, stop_on_loop, client);
}

static void close_on_loop(void *arg)
{
    struct qr_rpc_client *client = arg;
    pthread_mutex_lock(&client->mu);
    end_calls(client);
    struct qri_link *link = client->link;
    client->link = NULL;
    client->state = QRI_CLIENT_DOWN;
    pthread_mutex_unlock(&client->mu);
    if (link != NULL)
        qri_link_close(link);
    qri_source_close(&client->timer);
}

void qr_rpc_client_free(struct qr_rpc_client *client)
{
    if (client == NULL)
        return;
    qri_loop_run(client->loop, close_on_loop, client);
    pthread_mutex_lock(&client->mu);
    while (client->waiters != NULL)
        pthread_cond_wait(&client->no_waiters, &client->mu);
    pthread_mutex_unlock(&client->mu);
    client_destroy(client);
}
