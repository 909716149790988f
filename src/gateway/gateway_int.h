/* gateway_int.h - what the files of the gateway share.
 *
 * A connection has one owner at a time: the thread that moved it to CONN_RUNNING under its `mu`.
 * Only the owner touches the fields below "owner's". Lock order: gateway.mu, then conn.mu; pump.mu
 * and auth's mutex are taken alone. */
#pragma once
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"
#include "gateway/gateway.h"
#include "tds/packet.h"
#include "tds/prelogin.h"

enum {
    QRI_READ_BYTES = 64 * 1024,       /* of a worker's buffer */
    QRI_INPUT_BYTES_MAX = 256 * 1024, /* received and not yet consumed, of one connection */
    QRI_KEEP_BYTES_MAX = 32 * 1024,   /* buffers larger than this are freed between requests */
    QRI_ATTENTION_POLL_NS = 2000000,  /* look at the socket at most this often */
    QRI_ADDRESS_BYTES = INET6_ADDRSTRLEN,
    QRI_LOGIN_ROUND_MS = 1000, /* kept back from the login time-out to answer in */
};

struct qr_gateway;
struct qri_conn;
struct qri_link;

/* ---- server_name.c: pure but for the look-up ---- */
struct qri_server_choice {
    uint32_t id;
    struct qr_str name; /* points into what was given */
};
/* `login@server` becomes `login`; `host` is the name that the client connected to. False: there is
 * no server of ret_choice->name. */
bool qri_server_choose(const struct qr_gateway_options *options, struct qr_str *user,
                       struct qr_str host, struct qri_server_choice *ret_choice);

/* ---- auth.c ---- */

enum qri_auth_result {
    QRI_AUTH_OK,
    QRI_AUTH_UNKNOWN_LOGIN,
    QRI_AUTH_WRONG_PASSWORD,
    QRI_AUTH_DISABLED,
    QRI_AUTH_TOO_MANY, /* would have to wait longer than the login may take */
    QRI_AUTH_ERROR,
};
const char *qri_auth_result_name(enum qri_auth_result result);

/* One check of a password; the caller's until `done` is called, on a verifier thread. */
struct qri_auth_job {
    struct qr_str login, password; /* borrowed */
    uint32_t server_id;
    uint8_t address_key[16]; /* IPv6 /64 or IPv4 */
    struct qr_str place;     /* the database, where it may have users of its own; else n = 0 */
    int64_t wait_ns_max;
    /* Of a database's own user: the hash to compare with, "" if it has none of that name. Logins
     * are not looked at. */
    bool is_own;
    char own_hash[QR_PASSWORD_HASH_BYTES];
    bool defers; /* what came of it is told by qri_auth_settle: a node may know him by himself */
    void (*done)(struct qri_auth_job *job);
    /* set before done */
    enum qri_auth_result result;
    bool is_admin;
    char name[QR_LOGIN_BYTES_MAX + 1]; /* the login's own spelling */
    uint8_t sid[QR_LOGIN_SID_BYTES];
    size_t sid_bytes;
    uint16_t roles;
    /* auth's */
    int64_t not_before_ns;
    struct qri_auth_job *next;
};
struct qri_auth;
enum qr_status qri_auth_new(struct qr_env *env, const struct qr_login_directory *logins,
                            struct qri_auth **ret_auth, struct qr_err *err);
void qri_auth_free(struct qri_auth *auth); /* queued jobs are done with QRI_AUTH_ERROR */
void qri_auth_submit(struct qri_auth *auth, struct qri_auth_job *job);
/* Of a job that defers: he was let in, or not. */
void qri_auth_settle(struct qri_auth *auth, const struct qri_auth_job *job, bool was_let_in);

/* ---- pump.c ---- */

struct qri_worker {
    struct qr_gateway *gateway;
    uint8_t input[QRI_READ_BYTES];
};

struct qri_pump {
    int epoll_fd, ready_fd;
    atomic_uint idle;       /* workers that wait for an event */
    atomic_ullong taken;    /* events taken so far */
    uint64_t taken_at_tick; /* the ticking thread's */
    pthread_mutex_t mu;     /* guards everything below */
    pthread_cond_t park;
    pthread_cond_t ended;
    uint32_t target, workers, extra, runnable, parked, wakes, workers_max;
    bool stopping;
    struct qri_conn *ready_head, *ready_tail; /* owned connections that wait for a worker */
};
enum qr_status qri_pump_init(struct qr_gateway *gateway, struct qr_err *err);
/* Every few milliseconds: when all workers are busy with long requests, one more is let in. */
void qri_pump_tick(struct qr_gateway *gateway);
void qri_pump_stop(struct qr_gateway *gateway); /* returns when no worker is left */
void qri_pump_done(struct qr_gateway *gateway);
/* `id` is a connection's, with QRI_NODE_SIDE for a relay's other socket. Without `output` its
 * events are about input only: every byte that the other end of a pair reads would make one. */
enum qr_status qri_pump_watch(struct qr_gateway *gateway, int fd, uint64_t id, bool output,
                              struct qr_err *err);
/* Changes `output`; with true an event comes at once if the socket takes bytes already. */
void qri_pump_watch_output(struct qr_gateway *gateway, int fd, uint64_t id, bool output);
void qri_pump_unwatch(struct qr_gateway *gateway, int fd);
void qri_pump_post(struct qri_conn *conn); /* the owner hands it to a worker */
void qri_pump_block_begin(struct qr_gateway *gateway);
void qri_pump_block_end(struct qr_gateway *gateway);

/* ---- connections ---- */

enum qri_conn_state {
    CONN_IDLE,    /* nobody's: the next event gives it an owner */
    CONN_RUNNING, /* owned */
    CONN_WRITING, /* nobody's: waits until the socket takes more */
    CONN_HELD,    /* nobody's: waits for release */
};

enum qri_side { /* of a relay; all else has a client only */
                SIDE_CLIENT = 1,
                SIDE_NODE = 2,
                SIDE_LOOK = 4, /* no side: the session is over, or the gateway stops */
};
#define QRI_NODE_SIDE (UINT64_C(1) << 31)

enum qri_phase { /* what the next message has to be */
                 PHASE_PRELOGIN,
                 PHASE_TLS,
                 PHASE_LOGIN,
                 PHASE_CHECKING, /* the password is being checked; input waits */
                 PHASE_ROUTING,  /* a node is looked for and given the login; input waits */
                 PHASE_OPENING,  /* in the node: it came from a front and has no session yet */
                 PHASE_RETURNED, /* in a front: it came from a node, and goes to another */
                 PHASE_SESSION,
                 PHASE_OVER,  /* there is no session any more; what is asked is answered with why */
                 PHASE_RELAY, /* the session is in a node, its encryption here */
                 PHASE_CLOSING, /* all is said; reads until the client closes or the time is up */
                 PHASE_COUNT
};

enum qri_step {
    STEP_AGAIN,  /* look for more to do */
    STEP_INPUT,  /* wait for bytes */
    STEP_OUTPUT, /* wait until the socket takes more */
    STEP_HELD,
    STEP_YIELD, /* more to do, after others had their turn */
    STEP_CLOSE,
};

struct qri_address {
    char text[QRI_ADDRESS_BYTES];
    uint8_t key[16];
    bool is_loopback, is_v4;
    uint32_t v4;
};

struct qri_conn {
    struct qr_channel channel; /* first */
    struct qr_gateway *gateway;
    int fd;
    uint64_t id; /* slot in the low 31 bits, generation above 32 */
    struct qri_address address;
    atomic_uint refs;
    atomic_bool aborted;
    _Atomic int64_t deadline_ns; /* mono; 0 = none; login time-out and lingering close */
    /* The socket is, or may be, another process's too: closing is all that is ours to do. */
    atomic_bool shared;
    atomic_bool relays; /* in PHASE_RELAY, for those who are not the owner */

    pthread_mutex_t mu;
    enum qri_conn_state state;    /* guarded by mu */
    unsigned pending;             /* guarded by mu: enum qri_side, events that came while owned */
    _Atomic(struct qr_err *) why; /* set once, then constant: the session is over, and why */
    atomic_bool half_closed;      /* the client will send no more: short reads prove nothing */
    bool released;                /* guarded by mu: release came before request returned */
    bool is_partial;              /* guarded by mu: idle, and a part of a message has come */
    struct qri_conn *ready_next;  /* pump.mu */

    /* owner's */
    enum qri_phase phase;
    struct qri_worker *worker; /* while a worker runs it, else NULL */
    bool drained;              /* the last read took all there was */
    bool peer_gone, attention, close_after;
    bool evicted; /* its request was told to stop: the node does not wait for it any longer */
    int64_t last_poll_ns;
    const uint8_t *input; /* plain bytes not yet consumed: in the worker's buffer or in `in` */
    size_t input_bytes;
    /* In a node: it has a session, or is about to. For those who are not the owner. */
    atomic_bool serves;
    /* Since the gateway drains: when the request (its first bytes) or the transaction began that it
     * is in, QRI_AT_REST if it is in none, 0 as long as it has not been seen in none. The same. */
    _Atomic int64_t restless_ns;
    /* The same. What the request that runs waits for: POLLOUT, until its client reads, POLLIN,
     * until it sends, or 0; and when, since the gateway drains, something came from it last. */
    atomic_int waits_peer;
    _Atomic int64_t heard_ns;
    uint8_t *facts; /* in a node that may drain: the handoff message to say it again */
    size_t facts_bytes;
    struct qr_buf in;  /* plain bytes kept between runs */
    struct qr_buf raw; /* bytes of an unfinished TLS record, with login-only encryption */
    struct qr_buf out; /* bytes for the socket as they are */
    size_t out_sent;
    struct qr_tail tail; /* plain bytes still to be sent after `out` */
    struct qr_tds_reader reader;
    struct qr_tds_message message;
    bool in_stream, stream_end;      /* a bulk request's body is being handed out */
    struct qr_tds_read stream_first; /* its first slice, MORE once that is handed out */
    enum qr_tds_version version;     /* of TDS, once the login was read */
    enum qr_tds_tls_scope tls_scope;
    SSL *ssl; /* NULL: in clear */
    BIO *ssl_in, *ssl_out;
    struct qri_login *login; /* from LOGIN7 to the end of the login */
    struct qr_served *served;
    struct qri_link *link;             /* PHASE_OPENING: where the front waits for our answer */
    struct qr_tds_reader relay_reader; /* PHASE_RELAY: over what the node sends; `reader`: client */
    uint32_t relay_owed;     /* messages of the client's, one of them the login, not yet answered */
    bool relay_unframed;     /* what passes is no TDS: nothing of our own may come between it */
    bool relay_broken;       /* the node takes nothing any more */
    bool relay_lost;         /* PHASE_OVER: the node is gone */
    int relay_fd;            /* PHASE_RELAY: our end of the pair; -1: none */
    bool relay_drained;      /* as `drained` */
    bool is_pair;            /* `fd` is one end of a pair, whose output is watched only while ... */
    bool wants_output;       /* ... it takes no more: `fd` */
    bool relay_wants_output; /* the same of `relay_fd` */
    bool relay_sent_end;     /* the node knows that the client sends no more */
};

struct qri_login {
    struct qri_conn *conn;
    struct qr_arena arena;
    struct qr_tds_login7 login7;
    struct qr_login info;
    struct qri_auth_job job;
    struct qr_str dialled; /* LOGIN7's name of the server */
    struct qr_str server;  /* name of the logical server; n = 0: not known yet */
    bool was_taken;        /* outcome of PHASE_ROUTING: by a node; else `refusal` says why not */
    bool was_denied;       /* the same: the node knows no such user and password */
    enum qri_auth_result checked; /* what came of the login in the front */
    bool was_checked;             /* PHASE_OPENING: the job's result is there */
    struct qr_err refusal;        /* of PHASE_ROUTING */
    uint8_t *facts;               /* in a node: the message that `info` points into */
    int state_fd;                 /* of a session that moves: an anonymous file; -1: none */
    struct qr_tds_writer writer;  /* for a refusal */
};

enum qri_drain {
    DRAIN_NO,
    DRAIN_WAIT,  /* for what takes long, while all are served */
    DRAIN_EVICT, /* what does goes, all others are served */
    DRAIN_MOVE,  /* who is at rest goes */
    DRAIN_LATE,  /* everybody goes */
};
#define QRI_AT_REST INT64_MAX

struct qr_gateway {
    struct qr_gateway_options options;
    struct qri_pump pump;
    struct qri_auth *auth;     /* NULL in a node, as is `tls` */
    struct qri_sender *sender; /* of a front */
    struct qri_taker *taker;   /* of a node */
    SSL_CTX *tls;
    int tds_fd, stop_fd;
    uint16_t tds_port;
    pthread_t accept_thread;
    bool accept_started;
    atomic_bool stopping, cancel_all;
    atomic_bool retired, ends_relays; /* of a front (retire.c) */
    _Atomic enum qri_drain drain;
    _Atomic int64_t evict_ns;  /* when DRAIN_EVICT began; 0: it did not */
    pthread_mutex_t return_mu; /* guards the next; taken alone */
    int return_fd;             /* of a node: to the front's return address; -1: none */

    pthread_mutex_t mu; /* guards everything below */
    pthread_cond_t gone;
    struct slot {
        struct qri_conn *conn;
        uint64_t accepted; /* which of all that were accepted */
        uint32_t generation;
        bool is_unauthenticated; /* counted below */
    } * slots;
    uint64_t accepted;
    uint32_t slot_count, next_slot;
    uint32_t open, unauthenticated;

    _Atomic int64_t metric_values[QR_GATEWAY_METRIC_COUNT];
    struct qr_metrics metrics;
};

/* conn.c: ownership and the state machine */
enum qr_status qri_conn_accept(struct qr_gateway *gateway, int own_fd,
                               const struct sockaddr_storage *peer, struct qr_err *err);
struct qri_conn *qri_conn_ref_by_id(struct qr_gateway *gateway, uint64_t id);
void qri_conn_unref(struct qri_conn *conn);
void qri_conn_event(struct qri_conn *conn, struct qri_worker *worker, enum qri_side side,
                    bool half_closed);
void qri_conn_run(struct qri_conn *conn, struct qri_worker *worker); /* by the owner */
void qri_conn_release(struct qri_conn *conn);                        /* any thread */
void qri_conn_abort(struct qri_conn *conn);                          /* any thread */
void qri_conn_end(struct qri_conn *conn, const struct qr_err *why);  /* any thread */
/* Any thread: an owner sees that something is to be looked at before it leaves, or a worker becomes
 * the owner. */
void qri_conn_wake(struct qri_conn *conn, bool and_writing);
/* It logged in, or ends: it takes no place of those that have yet to log in. gateway.mu not held.
 */
void qri_conn_leave_lobby(struct qri_conn *conn);
void qri_conn_free_session(struct qri_conn *conn); /* by the owner */
void qri_conn_begin_close(
    struct qri_conn *conn); /* after the tail; lingers until the peer closes */
/* In a node: the connection of a login that came from a front and is opened by a worker next. In a
 * front: of a session that a node gives up.
 * `own_login` is the connection's also when this fails, and so is `own_fd`. */
enum qr_status qri_conn_adopt(struct qr_gateway *gateway, int own_fd, struct qri_login *own_login,
                              struct qr_str early, struct qri_link *link, struct qr_err *err);
/* conns.c: all of them */
void qri_conns_abort_late(struct qr_gateway *gateway, int64_t now_ns);
/* Those whose machine or network is gone while something is on the way to them, when keep-alive
 * does not ask: the kernel alone gives up after 15 minutes. Some with each call, going on at
 * `cursor`. */
void qri_conns_abort_vanished(struct qr_gateway *gateway, uint32_t *cursor);
void qri_conns_abort(struct qr_gateway *gateway);
/* A worker looks at each that nobody has, so that it sees that the gateway stops. */
void qri_conns_wake_idle(struct qr_gateway *gateway);
size_t qri_conns_serving(struct qr_gateway *gateway); /* those that have a session */
/* At that time it was in something for so long that the others do not wait for its end. */
bool qri_conn_lingers(const struct qri_conn *conn, int64_t at_ns);
size_t qri_conns_lingering(struct qr_gateway *gateway, int64_t at_ns);
/* Those that lingered at that time and cannot be told so, for since then their clients neither read
 * nor sent: their connections break. */
void qri_conns_abort_stuck(struct qr_gateway *gateway, int64_t at_ns);

/* over.c: connections whose session went before they did. By the owner. */
/* Frees the session; what the client waits for is answered now. Else the connection goes on until
 * its client asks for something, for 30 s. */
enum qri_step qri_over_begin(struct qri_conn *conn);
/* Puts the error into `out`; the connection closes behind it. */
enum qri_step qri_over_answer(struct qri_conn *conn);
/* The gateway stops, and the client asks for nothing: where no front is left to answer it later,
 * the error goes ahead, and is what it reads when it asks. */
enum qri_step qri_over_part(struct qri_conn *conn);
/* PHASE_RELAY, the node sends no more: it is gone, in no answer's middle, and the client is not. */
bool qri_over_node_lost(const struct qri_conn *conn);

/* stream.c: bytes in and out */
/* Makes conn->input hold something; STEP_AGAIN if it does, else what to wait for. */
enum qri_step qri_stream_fill(struct qri_conn *conn);
void qri_stream_consume(struct qri_conn *conn, size_t bytes);
bool qri_stream_stash(
    struct qri_conn *conn); /* before the worker's buffer goes; false: no memory */
/* Sends `out` and the tail without blocking: STEP_AGAIN when all is gone. */
enum qri_step qri_stream_flush(struct qri_conn *conn);
void qri_stream_look(struct qri_conn *conn); /* non-blocking: attention, end of file */
/* For a writer: puts packets into `out`, through TLS where there is any; ctx is the connection. */
enum qr_status qri_stream_append(void *ctx, const uint8_t *packets, size_t bytes,
                                 struct qr_err *err);
/* Puts a message of one packet type into `out`, in clear. */
enum qr_status qri_stream_put_packets(struct qri_conn *conn, uint8_t type, const uint8_t *bytes,
                                      size_t count);

/* channel.c */
extern const struct qr_channel_ops qri_channel_ops;

/* tls.c */
enum qr_status qri_tds_tls_context_new(const char *key_pem, const char *cert_pem, SSL_CTX **ret_ctx,
                                       struct qr_err *err);
enum qr_status qri_tds_tls_start(struct qri_conn *conn);
/* Feeds handshake bytes and puts the answer into `out`; *ret_done once it is finished. */
enum qr_status qri_tds_tls_handshake(struct qri_conn *conn, const uint8_t *bytes, size_t count,
                                     bool *ret_done, struct qr_err *err);
/* Appends to conn->in what the received bytes decrypt to. */
enum qr_status qri_tds_tls_decrypt(struct qri_conn *conn, const uint8_t *bytes, size_t count);
/* Appends to conn->out; `count` at most 16 KiB. */
enum qr_status qri_tds_tls_encrypt(struct qri_conn *conn, const uint8_t *bytes, size_t count);
/* Back to clear after the login; QR_PROTOCOL if bytes were pipelined behind it. */
enum qr_status qri_tds_tls_end(struct qri_conn *conn);
void qri_tds_tls_free(struct qri_conn *conn);

/* login.c */
/* May a message of this type come next, before there is a session? */
bool qri_login_expects(const struct qri_conn *conn, uint8_t type);
enum qri_step qri_login_message(struct qri_conn *conn);
/* By the owner, PHASE_CHECKING, once released: the password was checked. */
enum qri_step qri_login_continue(struct qri_conn *conn);
void qri_login_free(struct qri_login *login);
/* The node has denied what was asked of its database: 18456, or 18470. */
void qri_login_denied(struct qri_conn *conn);
void qri_login_checked(struct qri_auth_job *job); /* `done` of a login's job */
/* Nobody may read it any more; it is n = 0 then. */
void qri_wipe_text(struct qr_str *text);
/* Tells options.login_ended; number 0: it was let in. */
void qri_login_tell_end(struct qri_conn *conn, int number, const char *reason);
/* Puts the error (behind 4060 also 18456) and DONE into `out`; the connection closes behind them.
 * `reason` goes into the log. */
void qri_login_refuse(struct qri_conn *conn, const char *reason, const struct qr_err *err);
/* The service's session is there: its answer goes out, then requests come. */
void qri_login_opened(struct qri_conn *conn, const struct qr_tail *tail);

/* listen.c, health.c */
enum qr_status qri_listen_start(struct qr_gateway *gateway, struct qr_err *err);
void qri_listen_stop(struct qr_gateway *gateway);
void qri_address_of(const struct sockaddr_storage *peer, struct qri_address *ret_address);
