/* rpc/socket.h - peers and services over unix sockets and TCP with mutual TLS 1.3.
 *
 * A loop is one thread that waits for the sockets of any number of clients and listeners.
 * Addresses: "unix:/path" (the directory is made with mode 0700 if missing, and must be ours alone;
 * the other side's user must be ours or root) or "tcp:host:port", "tcp:[v6]:port" (port 0: any).
 * Threads: every function may be called from any thread, except that what frees waits for the loop
 * and is not for the loop thread itself (not for `done` or a `serve` that runs there). Order of
 * freeing: clients and listeners, then their loop. Errors: QR_INVALID (address, certificates),
 * QR_DENIED (rights of the directory), QR_EXISTS (somebody listens there), QR_IO, QR_NOMEM. */
#pragma once
#include "obs/log.h"
#include "rpc/rpc.h"

struct qr_rpc_loop;
struct qr_rpc_client;
struct qr_rpc_listener;

struct qr_rpc_loop_options {
    struct qr_env *env;
    const struct qr_log *log; /* may be NULL */
    const char *name;         /* of the thread; NULL: "rpc" */
    /* PEM files; all three or none. Without them there is no tcp. */
    const char *cert_path, *key_path, *ca_path;
};

QR_NODISCARD enum qr_status qr_rpc_loop_new(const struct qr_rpc_loop_options *options,
                                            struct qr_rpc_loop **ret_loop, struct qr_err *err);
void qr_rpc_loop_free(struct qr_rpc_loop *loop); /* NULL is accepted */

struct qr_rpc_client_options {
    const char *address;
    /* TCP: the name or address that the certificate must carry; NULL: any certificate of our CA. */
    const char *server_name;
    const char
        *roles; /* TCP: the certificate must carry one of these (rpc/identity.h); NULL: any */
    int64_t timeout_ns; /* of a call that names none; 0: 30 s */
    int64_t ping_ns;    /* silence, while calls are in flight, that is asked about; three times as
                           much ends the connection, or the attempt at one; 0: 10 s, TCP 5 s */
    int64_t backoff_max_ns; /* 0: 1 s */
    size_t queue_bytes_max; /* bytes not handed to the socket yet; 0: 64 MiB */
    bool patient;           /* calls outlast failed attempts to connect, until their own deadline */
};

/* Connects when the first call is started. The strings are copied. */
QR_NODISCARD enum qr_status qr_rpc_client_new(struct qr_rpc_loop *loop,
                                              const struct qr_rpc_client_options *options,
                                              struct qr_rpc_client **ret_client,
                                              struct qr_err *err);
struct qr_rpc_peer *qr_rpc_client_peer(struct qr_rpc_client *client);
/* Is there a connection just now? */
bool qr_rpc_client_connected(struct qr_rpc_client *client);
/* Ends all calls with QR_CANCELLED, those too that are started later: for who shares the client
 * with threads that have to end before it is freed. NULL is accepted. */
void qr_rpc_client_stop(struct qr_rpc_client *client);
/* Ends all calls with QR_CANCELLED, and waits until their `done` have run. NULL is accepted. */
void qr_rpc_client_free(struct qr_rpc_client *client);

struct qr_rpc_listen_options {
    const char *address;
    const char *roles; /* TCP: an asker's certificate must carry one of these; NULL: any certificate
                          of our CA; borrowed until the listener is freed */
    qr_rpc_serve_fn *serve;
    void *ctx;
    int workers; /* threads that run `serve`, which may block there; 0: the loop thread */
    size_t worker_stack_bytes; /* 0: the default of env/thread.h */
    int worker_queue_max;      /* requests waiting for a worker, beyond it QR_BUSY; 0: 4096 */
    int links_max;             /* 0: 1024 */
    int link_requests_max;     /* in service, beyond it the link is not read; 0: 4096 */
    size_t link_bytes_max;     /* of requests in service; the same; 0: 64 MiB */
    size_t unread_bytes_max;   /* of replies; beyond it the link is closed; 0: 256 MiB */
};

QR_NODISCARD enum qr_status qr_rpc_listen(struct qr_rpc_loop *loop,
                                          const struct qr_rpc_listen_options *options,
                                          struct qr_rpc_listener **ret_listener,
                                          struct qr_err *err);
/* As a client would write it, with the real port. */
const char *qr_rpc_listener_address(const struct qr_rpc_listener *listener);
/* Stops accepting, ends the connections, and waits until no `serve` runs and none will. Requests
 * that were not answered yet still have to be, but nobody hears it. NULL is accepted. */
void qr_rpc_listener_free(struct qr_rpc_listener *listener);
