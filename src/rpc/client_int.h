/* client_int.h - the peer over sockets, shared by client.c and client_link.c. */
#pragma once
#include "socket_int.h"

enum { QRI_CLIENT_BUCKETS = 1024 };

enum qri_call_state {
    QRI_CALL_IDLE,
    QRI_CALL_WAITING,
    QRI_CALL_SENT,
    QRI_CALL_FINISHED,
    QRI_CALL_DONE
};
enum qri_client_state { QRI_CLIENT_DOWN, QRI_CLIENT_CONNECTING, QRI_CLIENT_OPEN };

struct qri_calls {
    struct qr_rpc_call *first, *last;
};
struct qri_waiter {
    struct qri_waiter *next;
    uint64_t call_id;
    bool finished;
    pthread_cond_t cond;
};

struct qr_rpc_client {
    struct qr_rpc_peer peer; /* first */
    struct qr_rpc_loop *loop;
    struct qri_source timer; /* due times of calls and of the connection */
    struct qri_address address;
    char *address_text, *server_name, *roles;
    int64_t timeout_ns, ping_ns, backoff_max_ns;
    size_t queue_bytes_max;
    bool patient;
    _Atomic uint64_t last_id;
    pthread_mutex_t mu; /* guards all below; also the link's */
    enum qri_client_state state;
    struct qri_link *link; /* NULL when down */
    int64_t retry_ns, backoff_ns, open_ns, busy_since_ns, pinged_ns;
    int64_t reach_deadline_ns, connect_deadline_ns; /* of an attempt to connect */
    struct qri_calls waiting, sent,
        finished; /* for a link; for a reply; for the loop to run done */
    struct qr_rpc_call *buckets[QRI_CLIENT_BUCKETS]; /* of `sent`, by id */
    size_t waiting_bytes;
    int64_t next_deadline_ns;
    uint64_t running_id; /* of the call whose `done` runs */
    struct qri_waiter *waiters;
    pthread_cond_t no_waiters;
    struct qr_err last_err; /* why the connection was lost last */
    bool closing;
};

/* client.c; with mu held unless said. */
void qri_calls_add(struct qri_calls *calls, struct qr_rpc_call *call);
void qri_calls_remove(struct qri_calls *calls, struct qr_rpc_call *call);
void qri_client_finish(struct qr_rpc_client *client, struct qr_rpc_call *call,
                       enum qr_status outcome);
void qri_client_send(struct qr_rpc_client *client, struct qr_rpc_call *call);
/* Takes the call out of `sent`; NULL if there is none. */
struct qr_rpc_call *qri_client_take_sent(struct qr_rpc_client *client, uint64_t id);
/* Loop thread; the mutex is released while `done` runs. */
void qri_client_run_done(struct qr_rpc_client *client, struct qr_rpc_call *call,
                         const struct qr_rpc_reply *reply);

/* client_link.c; loop thread, mutex not held */
void qri_client_connect(struct qr_rpc_client *client, int64_t now_ns);
void qri_client_check_link(struct qr_rpc_client *client, int64_t now_ns);
