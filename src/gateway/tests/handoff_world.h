/* handoff_world.h - a front and a node in one process, and a router that does as it is told. */
#pragma once
#include <pthread.h>
#include "gateway/gateway.h"
#include "select1.h"
#include "tds_client.h"

enum route_mode {
    ROUTE_TO_NODE,
    ROUTE_REFUSES, /* with 4060 */
    ROUTE_FAILS,   /* with QR_BUSY */
    ROUTE_KEEPS,   /* in `kept`, not answered */
};

struct world {
    char folder[64], path[96], address[QR_ROUTE_ADDRESS_BYTES];
    char return_path[96], return_address[QR_ROUTE_ADDRESS_BYTES];
    char old_path[96]; /* of a node that was replaced */
    struct qr_gateway *front, *node;
    struct qr_router router;
    _Atomic enum route_mode mode;
    _Atomic(struct qr_route_job *) kept;
    atomic_uint routes, last_attempt, retried; /* logins that asked a second time */
    atomic_bool last_read_only;
};

/* Once for each program. */
void world_setup(void);
void world_teardown(void);

void world_init(struct world *world);
void world_done(struct world *world); /* stops and frees what runs */
void world_start_front(struct world *world, uint32_t login_ms_max);
void world_start_front_at(struct world *world, uint32_t login_ms_max, int tds_fd);
void world_start_alone(struct world *world); /* the front serves by itself */
void world_start_node(struct world *world);
/* The node is another process's, which gives its sessions up; a new one takes its place. Returns
 * it; the caller stops it with world_stop_old. */
struct qr_gateway *world_replace_node(struct world *world);
bool world_stop_old(struct world *world, struct qr_gateway *own_old);
bool world_stop_front(struct world *world, int64_t grace_ms);
bool world_stop_node(struct world *world, int64_t grace_ms);
uint16_t world_port(const struct world *world);
int64_t world_metric(const struct qr_gateway *gateway, enum qr_gateway_metric metric);
/* Waits up to ten seconds until the metric is `value`. */
bool world_reaches(const struct qr_gateway *gateway, enum qr_gateway_metric metric, int64_t value);
int64_t world_now_ms(void);
void world_sleep_ms(int64_t ms);
size_t world_descriptors(void); /* open in this process */
