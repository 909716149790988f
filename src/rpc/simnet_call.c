/* simnet_call.c - see rpc/simnet.h: calls, frames and requests */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "simnet_int.h"
#include "base/banned.h"

enum { CALL_IDLE, CALL_IN_FLIGHT, CALL_DONE };
enum { PPM = 1000000 };

static bool happens(struct qr_simnet *net, uint32_t ppm)
{
    return ppm > 0 && qri_net_random(net, PPM) < ppm;
}

/* One copy of the frame on its way. */
static void deliver_later(struct qri_net_peer *peer, bool to_server, const uint8_t *bytes,
                          size_t count)
{
    struct qr_simnet *net = peer->net;
    const struct qr_simnet_faults *faults = &net->options.faults;
    struct qri_net_event event = {.kind = QRI_NET_FRAME,
                                  .peer = peer,
                                  .to_server = to_server,
                                  .from_boot = peer->from->boot,
                                  .to_boot = peer->to->boot,
                                  .byte_count = count};
    event.bytes = malloc(count);
    assert(event.bytes != NULL);
    memcpy(event.bytes, bytes, count);
    if (happens(net, faults->damage_ppm)) {
        event.bytes[qri_net_random(net, count)] ^= (uint8_t)(1u << qri_net_random(net, 8));
        net->stats.damaged += 1;
    }
    int64_t now = qr_simnet_now_ns(net), arrival = now + qri_net_delay(net);
    int64_t *last = to_server ? &peer->last_call_ns : &peer->last_reply_ns;
    if (happens(net, faults->hold_ppm)) {
        arrival += (int64_t)qri_net_random(net, (uint64_t)faults->hold_ns);
        net->stats.held += 1;
    } else {
        arrival = arrival > *last ? arrival : *last;
        *last = arrival;
    }
    qri_net_add(net, event, arrival - now);
}

static bool is_cut(const struct qri_net_peer *peer, bool to_server)
{
    size_t from = peer->from->index, to = peer->to->index;
    return to_server ? peer->net->cuts[from][to] : peer->net->cuts[to][from];
}

static void send_frame(struct qri_net_peer *peer, bool to_server, struct qr_rpc_frame *frame,
                       const struct iovec *body, int body_count)
{
    struct qr_simnet *net = peer->net;
    const struct qr_simnet_faults *faults = &net->options.faults;
    size_t count = QR_RPC_HEADER_BYTES;
    for (int i = 0; i < body_count; i++)
        count += body[i].iov_len;
    uint8_t *bytes = malloc(count);
    assert(bytes != NULL);
    qr_rpc_frame_put(frame, body, body_count, bytes);
    size_t at = QR_RPC_HEADER_BYTES;
    for (int i = 0; i < body_count; i++) {
        if (body[i].iov_len > 0)
            memcpy(bytes + at, body[i].iov_base, body[i].iov_len);
        at += body[i].iov_len;
    }
    net->stats.sent += 1;
    if (is_cut(peer, to_server)) {
        net->stats.cut += 1;
    } else if (happens(net, faults->drop_ppm)) {
        net->stats.dropped += 1;
    } else {
        deliver_later(peer, to_server, bytes, count);
        if (happens(net, faults->duplicate_ppm)) {
            net->stats.duplicated += 1;
            deliver_later(peer, to_server, bytes, count);
        }
    }
    free(bytes);
}

static void outcome_later(struct qri_net_peer *peer, uint64_t call_id, enum qr_status outcome,
                          int64_t delay_ns)
{
    struct qri_net_event event = {
        .kind = QRI_NET_OUTCOME, .peer = peer, .call_id = call_id, .outcome = outcome};
    qri_net_add(peer->net, event, delay_ns);
}

static void net_start(struct qr_rpc_peer *base, struct qr_rpc_call *call)
{
    struct qri_net_peer *peer = (struct qri_net_peer *)base;
    struct qr_simnet *net = peer->net;
    assert(call->body_count >= 0 && call->body_count <= QR_RPC_IOV_MAX);
    call->id = ++net->last_call_id;
    call->state = CALL_IDLE;
    if (!peer->from->up)
        return; /* what a dead process starts is forgotten */

    int64_t timeout = call->timeout_ns > 0 ? call->timeout_ns : net->options.timeout_ns;
    call->deadline_mono_ns = qr_simnet_now_ns(net) + timeout;
    call->state = CALL_IN_FLIGHT;
    call->prev = NULL;
    call->next = peer->calls;
    if (peer->calls != NULL)
        peer->calls->prev = call;
    peer->calls = call;

    size_t bytes = 0;
    for (int i = 0; i < call->body_count; i++)
        bytes += call->body[i].iov_len;
    if (bytes > QR_RPC_BODY_BYTES_MAX) {
        outcome_later(peer, call->id, QR_TOO_BIG, 0);
        return;
    }
    struct qri_net_event deadline = {.kind = QRI_NET_DEADLINE, .peer = peer, .call_id = call->id};
    qri_net_add(net, deadline, timeout);
    struct qr_rpc_frame frame = {.kind = QR_RPC_CALL,
                                 .method = call->method,
                                 .call_id = call->id,
                                 .timeout_us = (uint64_t)(timeout / 1000) + 1};
    send_frame(peer, true, &frame, call->body, call->body_count);
}

static struct qr_rpc_call *take_call(struct qri_net_peer *peer, uint64_t call_id)
{
    struct qr_rpc_call *call = peer->calls;
    while (call != NULL && call->id != call_id)
        call = call->next;
    if (call == NULL)
        return NULL;
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        peer->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    call->prev = call->next = NULL;
    return call;
}

static void run_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    call->state = CALL_DONE;
    call->done(call, reply);
}

void qri_net_end_call(struct qri_net_peer *peer, uint64_t call_id, enum qr_status outcome)
{
    struct qr_rpc_call *call = take_call(peer, call_id);
    if (call == NULL)
        return;
    struct qr_err err;
    qr_err_reset(&err);
    (void)qr_fail(&err, outcome, "call of %s to %s: %s", peer->from->name, peer->to->name,
                  qr_status_info(outcome)->meaning);
    struct qr_rpc_reply reply = {.status = outcome, .err = &err};
    if (outcome == QR_TIMEOUT && peer->from->up) {
        struct qr_rpc_frame frame = {.kind = QR_RPC_CANCEL, .call_id = call_id};
        send_frame(peer, true, &frame, NULL, 0);
    }
    run_done(call, &reply);
}

void qri_net_end_all(struct qri_net_peer *peer, enum qr_status outcome)
{
    /* Those that are in flight now; `done` may start more. */
    uint64_t last = peer->net->last_call_id;
    for (;;) {
        struct qr_rpc_call *call = peer->calls;
        while (call != NULL && call->id > last)
            call = call->next;
        if (call == NULL)
            return;
        qri_net_end_call(peer, call->id, outcome);
    }
}

static void net_cancel(struct qr_rpc_peer *base, struct qr_rpc_call *call)
{
    struct qri_net_peer *peer = (struct qri_net_peer *)base;
    if (call->state != CALL_IN_FLIGHT)
        return;
    struct qr_rpc_frame frame = {.kind = QR_RPC_CANCEL, .call_id = call->id};
    send_frame(peer, true, &frame, NULL, 0);
    outcome_later(peer, call->id, QR_CANCELLED, 0);
}

static void net_wait(struct qr_rpc_peer *base, struct qr_rpc_call *call)
{
    struct qri_net_peer *peer = (struct qri_net_peer *)base;
    if (call->state == CALL_IDLE && !peer->from->up) { /* it died, and its caller has to unwind */
        struct qr_err err;
        qr_err_reset(&err);
        (void)qr_fail(&err, QR_CLOSED, "%s is down", peer->from->name);
        run_done(call, &(struct qr_rpc_reply){.status = QR_CLOSED, .err = &err});
        return;
    }
    while (call->state == CALL_IN_FLIGHT) {
        bool ran = qr_simnet_step(peer->net);
        assert(ran); /* its deadline at least is an event */
    }
}

const struct qr_rpc_peer_ops qri_net_peer_ops = {
    .start = net_start,
    .cancel = net_cancel,
    .wait = net_wait,
};

static void unlink_request(struct qr_simnet *net, struct qri_net_request *request)
{
    if (request->prev != NULL)
        request->prev->next = request->next;
    else
        net->requests = request->next;
    if (request->next != NULL)
        request->next->prev = request->prev;
}

static void request_reply(struct qr_rpc_request *base, enum qr_status status,
                          const struct iovec *body, int body_count, void *own_memory)
{
    struct qri_net_request *request = (struct qri_net_request *)base;
    struct qri_net_peer *peer = request->peer;
    unlink_request(peer->net, request);
    if (peer->to->up && peer->to->boot == request->to_boot && !request->gone) {
        struct qr_rpc_frame frame = {
            .kind = QR_RPC_REPLY, .call_id = request->call_id, .status = status};
        send_frame(peer, false, &frame, body, body_count);
    }
    free(own_memory);
    free(request);
}

static bool request_gone(const struct qr_rpc_request *base)
{
    const struct qri_net_request *request = (const struct qri_net_request *)base;
    const struct qri_net_peer *peer = request->peer;
    return request->gone || !peer->to->up || peer->to->boot != request->to_boot;
}

static const struct qr_rpc_request_ops request_ops = {
    .reply = request_reply,
    .gone = request_gone,
};

void qri_net_forget_requests(struct qri_net_peer *peer)
{
    for (struct qri_net_request *r = peer->net->requests; r != NULL; r = r->next) {
        if (r->peer == peer)
            r->gone = true;
    }
}

static void serve_call(struct qri_net_peer *peer, const struct qri_net_event *event,
                       const struct qr_rpc_frame *frame, const uint8_t *body)
{
    struct qr_simnet *net = peer->net;
    struct qri_net_request *request = calloc(1, sizeof *request + frame->body_bytes);
    assert(request != NULL);
    request->base = (struct qr_rpc_request){.ops = &request_ops,
                                            .method = frame->method,
                                            .body = request->body,
                                            .bytes = frame->body_bytes,
                                            .deadline_mono_ns = qr_simnet_now_ns(net) +
                                                                (int64_t)frame->timeout_us * 1000};
    if (frame->body_bytes > 0)
        memcpy(request->body, body, frame->body_bytes);
    request->peer = peer;
    request->call_id = frame->call_id;
    request->from_boot = event->from_boot;
    request->to_boot = peer->to->boot;
    request->next = net->requests;
    if (net->requests != NULL)
        net->requests->prev = request;
    net->requests = request;
    qr_rpc_serve_fn *serve = peer->to->ports[peer->port].serve;
    if (serve == NULL)
        qr_rpc_refuse(&request->base, QR_UNSUPPORTED, NULL);
    else
        serve(peer->to->ports[peer->port].ctx, &request->base);
}

static void cancel_request(struct qri_net_peer *peer, uint64_t call_id)
{
    for (struct qri_net_request *r = peer->net->requests; r != NULL; r = r->next) {
        if (r->peer == peer && r->call_id == call_id)
            r->gone = true;
    }
}

/* The connection ends where the damage is seen, and a moment later on the other side. */
static void end_connection(struct qri_net_peer *peer, bool at_server)
{
    qri_net_forget_requests(peer);
    if (!at_server) {
        qri_net_end_all(peer, QR_CORRUPT);
        return;
    }
    for (struct qr_rpc_call *call = peer->calls; call != NULL; call = call->next)
        outcome_later(peer, call->id, QR_CLOSED, qri_net_delay(peer->net));
}

static void take_reply(struct qri_net_peer *peer, const struct qr_rpc_frame *frame,
                       const uint8_t *body)
{
    struct qr_rpc_call *call = take_call(peer, frame->call_id);
    if (call == NULL)
        return; /* ended already, or a second copy */
    struct qr_err err;
    struct qr_rpc_reply reply = {.status = frame->status, .body = body, .bytes = frame->body_bytes};
    if (frame->status != QR_OK) {
        qr_rpc_error_get(frame->status, body, frame->body_bytes, &err);
        reply = (struct qr_rpc_reply){.status = frame->status, .err = &err};
    }
    run_done(call, &reply);
}

void qri_net_frame_arrived(struct qr_simnet *net, struct qri_net_event *event)
{
    struct qri_net_peer *peer = event->peer;
    struct qr_simnet_node *receiver = event->to_server ? peer->to : peer->from;
    if (is_cut(peer, event->to_server)) {
        net->stats.cut += 1;
        return;
    }
    struct qr_rpc_frame frame;
    const uint8_t *body = event->bytes + QR_RPC_HEADER_BYTES;
    bool intact = qr_rpc_frame_get(event->bytes, &frame, NULL) == QR_OK &&
                  frame.body_bytes + (size_t)QR_RPC_HEADER_BYTES == event->byte_count &&
                  qr_rpc_frame_check(&frame, body, NULL) == QR_OK;
    bool same_boots = peer->from->boot == event->from_boot && peer->to->boot == event->to_boot;
    if (!receiver->up || !same_boots) {
        /* Nobody listens there, or not the one it was meant for. */
        if (event->to_server && intact && !is_cut(peer, false))
            outcome_later(peer, frame.call_id, QR_CLOSED, qri_net_delay(net));
        return;
    }
    net->stats.delivered += 1;
    if (!intact)
        end_connection(peer, event->to_server);
    else if (frame.kind == QR_RPC_CALL && event->to_server)
        serve_call(peer, event, &frame, body);
    else if (frame.kind == QR_RPC_CANCEL && event->to_server)
        cancel_request(peer, frame.call_id);
    else if (frame.kind == QR_RPC_REPLY && !event->to_server)
        take_reply(peer, &frame, body);
}
