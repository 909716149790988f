/* gateway/router.h - what a gateway asks when a login has to be served by another process.
 *
 * Routing comes after the password was right and before anything was answered. The answer is the
 * address of a node's handoff socket (`handoff_address` of its gateway); the login and its socket
 * are handed over there. While a node starts or fails over, the route waits and so does the client.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

enum { QR_ROUTE_ADDRESS_BYTES = 128 }; /* "unix:PATH" and NUL; a PATH has at most 107 bytes */

/* One question; the router's from `route` until it has called `done`. */
struct qr_route_job {
    /* asked */
    uint32_t server_id;
    struct qr_str database; /* as the login named it; n = 0: the default */
    bool read_only_intent;
    bool is_unchecked; /* no login let him in: the database may, by a password of its own (G7) */
    uint32_t attempt;  /* 0, 1, ...: from 1 on the route before did not work, so look again */
    int64_t deadline_mono_ns;
    /* Any thread, also inside `route`, exactly once. Nothing of the job may be touched after. */
    void (*done)(struct qr_route_job *job);
    /* answered before `done` */
    enum qr_status status;
    struct qr_err err; /* QR_SQL: sent to the client, which is refused; any other failure: the route
                          that worked last is tried, and another asked for, until the deadline;
                          then 40613 */
    char address[QR_ROUTE_ADDRESS_BYTES];
    uint32_t database_id;
};

struct qr_router {
    void *ctx;
    /* Must not block: it starts the work, and `done` ends it, at the latest soon after the
     * deadline (the client has been told 40613 by then). Calls come from one thread; many jobs are
     * under way at once. The gateway cannot be freed before all of them are done. */
    void (*route)(void *ctx, struct qr_route_job *job);
};
