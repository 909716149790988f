/* arm_world.h - a request without server, network and control, for tests and the fuzzer: whoever is
 * asked knows of nothing. */
#pragma once
#include <stdlib.h>
#include <string.h>
#include "../body_int.h"
#include "../resource_int.h"

static inline void world_start(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    (void)peer;
    (void)call;
}

static inline void world_wait(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    (void)peer;
    static const struct qr_err nothing = {.status = QR_NOT_FOUND};
    call->done(call, &(struct qr_rpc_reply){.status = QR_NOT_FOUND, .err = &nothing});
}

#define WORLD_SUBSCRIPTION "00000000-0000-0000-0000-000000000001"
struct world {
    struct qr_rpc_peer peer;
    struct qr_arm_host host;
    struct qr_arm arm;
};

static inline void world_init(struct world *w)
{
    static const struct qr_rpc_peer_ops ops = {.start = world_start, .wait = world_wait};
    *w = (struct world){.peer = {&ops}};
    w->host = (struct qr_arm_host){&w->peer, &w->peer, "server01"};
    w->arm.options.env = qr_env_real();
    w->arm.options.host = &w->host;
    memcpy(w->arm.subscription, WORLD_SUBSCRIPTION, sizeof w->arm.subscription);
    memcpy(w->arm.tenant, WORLD_SUBSCRIPTION, sizeof w->arm.tenant);
}

static inline void world_request(struct world *w, struct qri_request *r)
{
    *r = (struct qri_request){.arm = &w->arm,
                              .raw_path = "/",
                              .query = "",
                              .api_version = "",
                              .base = "https://localhost",
                              .client = "127.0.0.1"};
    qr_arena_init(&r->arena, QRI_ARENA_BYTES_MAX);
    qr_buf_init(&r->body, QRI_BODY_BYTES_MAX);
    memcpy(r->id, w->arm.subscription, sizeof r->id);
}

static inline void world_free(struct qri_request *r)
{
    json_decref(r->json);
    json_decref(r->answer);
    qr_buf_done(&r->body);
    qr_arena_done(&r->arena);
}
