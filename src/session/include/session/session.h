/* session/session.h - the service that gives logged-in connections a session of the engine.
 *
 * It implements struct qr_service (session/service.h) over engine/engine.h: login answers, SQL
 * batches, procedure calls, transaction manager requests, bulk loads, attention and reset.
 * Threads: as service.h says; a service may be used by all threads. */
#pragma once
#include "base/status.h"
#include "base/str.h"
#include "session/service.h"

struct qr_database;

/* What the session asks of whoever wires the server; every slot may be called by any thread. */
struct qr_session_host {
    void *ctx;
    /* The database that a login asked for (login->database, n = 0: the default), kept open until
     * `leave`. 4060 if there is none or the login may not use it, 40613 if it is not available. */
    enum qr_status (*enter)(void *ctx, const struct qr_login *login, struct qr_database **ret_db,
                            struct qr_err *err);
    void (*leave)(void *ctx, struct qr_database *db);
    /* Every session ends as soon as it can: qr_database_end_sessions. NULL: there is no way. */
    void (*end_sessions)(void *ctx);
    struct qr_str server_name; /* in ERROR and INFO tokens */
};

/* `host` must outlive the service. */
void qr_session_service_init(struct qr_service *ret_service, const struct qr_session_host *host);
