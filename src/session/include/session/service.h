/* session/service.h - the seam between gateway (sockets, TLS, login) and session (requests,
 * tokens).
 *
 * The gateway owns the connection and implements `struct qr_channel`; session implements
 * `struct qr_service` and the sessions it opens. Neither includes anything else of the other, so
 * the gateway is tested with a service of a few lines and session with a channel in memory.
 *
 * Threads: all calls for one connection come from one thread at a time, not always the same one;
 * only `release` and `abort` of the channel may be called from any thread at any time.
 *
 * One request: the gateway collects a message and calls `request` on a worker thread. The session
 * runs it to its end there and writes packets (headers included) with `send` as its buffer fills.
 * What is left at the end it does not send: it returns it as `tail`, and the gateway sends it
 * without blocking a thread. If the answer must wait for durability (STORAGE.md S2) the session
 * first registers its durable wait and returns QR_TAIL_HELD; when the wait is over it calls
 * `release`, which sends the tail and arms the connection for the next request. A registered wait
 * must be over or taken back before the session is freed: see `free`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "tds/login7.h"

struct qr_channel;

/* ---- the gateway's side ---- */

struct qr_channel_ops {
    /* Sends whole packets; may block until the client reads, another worker takes over meanwhile.
     * The bytes may be overwritten after it returns. QR_CLOSED: the client is gone, give up. */
    enum qr_status (*send)(struct qr_channel *channel, const uint8_t *packets, size_t bytes,
                           struct qr_err *err);
    /* The next slice of the body of a request with `streams`; may block like send. *ret_end with no
     * bytes: that was all; *ret_ignored: the client took the request back. Slices stay good until
     * the next call. QR_CLOSED, QR_PROTOCOL: give up, the connection is over. */
    enum qr_status (*receive)(struct qr_channel *channel, const uint8_t **ret_data,
                              size_t *ret_bytes, bool *ret_end, bool *ret_ignored,
                              struct qr_err *err);
    /* Cheap (one non-blocking look at the socket, at most every few milliseconds). True, from then
     * on: the client wants the request stopped or is gone. */
    bool (*cancelled)(struct qr_channel *channel);
    /* True: `cancelled` says so because this process gives its sessions up and has waited for the
     * request long enough. The client, which did not ask for that, is owed an error. */
    bool (*evicted)(struct qr_channel *channel);
    /* True once if an attention has arrived since the last call: the caller owes the client a
     * DONE with the ATTN bit at the end of its answer. */
    bool (*take_attention)(struct qr_channel *channel);
    /* Around anything that may block this thread: lets the pool run another worker. Pairs. */
    void (*block_begin)(struct qr_channel *channel);
    void (*block_end)(struct qr_channel *channel);
    /* Any thread, short, once for each QR_TAIL_HELD; may come before `request` has returned. */
    void (*release)(struct qr_channel *channel);
    /* Any thread: breaks the connection. The session is freed soon. */
    void (*abort)(struct qr_channel *channel);
    /* Any thread, any number of times: the session is over (KILL, its database goes elsewhere). It
     * is freed once no request of it runs; what the client asks for then is answered with `why`,
     * and the connection closes. */
    void (*end)(struct qr_channel *channel, const struct qr_err *why);
};

/* First member of the gateway's connection. */
struct qr_channel {
    const struct qr_channel_ops *ops;
};

/* ---- the session's side ---- */

/* What the gateway knows once the password was right. Borrowed for the call of `open`. */
struct qr_login {
    const struct qr_tds_login7 *login7; /* passwords are wiped */
    struct qr_str user;                 /* login name without @server */
    struct qr_str database;             /* as asked for, n = 0: the default */
    uint32_t server_id;                 /* of the logical server that the login is for */
    struct qr_str host, application, library, language;
    struct qr_str address; /* of the client, without port */
    uint16_t packet_bytes; /* negotiated; the session tells the client with ENVCHANGE */
    bool is_admin;         /* the server administrator */
    bool is_own_user;      /* `user` is one of the database itself, which has his password */
    struct qr_str sid;     /* of the login; n = 0: is_own_user */
    uint16_t roles;        /* of the server, that the login is in (engine/engine.h) */
    /* Of the gateway alone. Whether a login of that server has let him in, and his password where
     * the database has yet to be asked whether it knows him by himself; n = 0: no more. */
    bool is_checked;
    struct qr_str password;
    uint16_t client_port, local_port; /* 0: not known */
    struct qr_str local_address;
    bool is_encrypted; /* all of the session, not only its login */
    /* The session goes on that another process has saved: `moved` is what it wrote. Its client has
     * had its login's answer and expects none. */
    bool is_moved;
    struct qr_str moved;
};

enum qr_tail_kind {
    QR_TAIL_SEND,  /* send it and go on with the next request */
    QR_TAIL_HELD,  /* send it when released, then go on */
    QR_TAIL_CLOSE, /* send it and close the connection */
};

/* The last packets of an answer; the bytes stay untouched until the next call on the session. */
struct qr_tail {
    enum qr_tail_kind kind;
    const uint8_t *bytes; /* may be NULL with count 0 */
    size_t count;
};

struct qr_request {
    uint8_t type;   /* enum qr_tds_packet_type; ATTENTION: one that came between requests */
    uint8_t status; /* QR_TDS_STATUS_RESET and QR_TDS_STATUS_RESET_SKIP_TRAN */
    bool ignored;   /* the client took it back: the answer is a DONE and nothing else */
    bool streams;   /* BULK: the body comes by `receive`; read it to its end or close */
    const uint8_t *body;
    size_t body_bytes;
};

struct qr_served; /* one open session; its implementation starts with this */

struct qr_served_ops {
    /* Runs one request. It never fails: errors go to the client, or the tail closes. */
    void (*request)(struct qr_served *served, const struct qr_request *request,
                    struct qr_tail *ret_tail);
    /* The connection is over (also in mid-transaction, or while a tail is held: after `free`
     * returned nobody may call `release`). Rolls back; may block. */
    void (*free)(struct qr_served *served);
    /* Between requests, the tail sent: appends the session to `dst`, for the `moved` of another
     * process's `open`, and tells its database by the name of now. It stays usable. QR_BUSY: not
     * now (it is in a transaction); with `late` that is rolled back, and its client told when it
     * asks for something next. Any other failure: it cannot move. May block. NULL: none can. */
    enum qr_status (*save)(struct qr_served *served, bool late, struct qr_buf *dst,
                           struct qr_str *ret_database, struct qr_err *err);
    /* Between requests: `save` would say QR_BUSY. With `save`. */
    bool (*is_busy)(struct qr_served *served);
};
struct qr_served {
    const struct qr_served_ops *ops;
};

enum { QR_SERVICE_HASH_BYTES = 128 };
struct qr_service {
    void *ctx;
    /* Opens a session in the database asked for and makes the login's answer (ENVCHANGE, INFO 5701
     * and 5703, LOGINACK, FEATUREEXTACK, DONE) as the tail, kind QR_TAIL_SEND. On failure (4060,
     * 40613, ...) `err` goes to the client as ERROR, followed by 18456's shape where SQL Server
     * does so, and the gateway closes. */
    enum qr_status (*open)(void *ctx, struct qr_channel *channel, const struct qr_login *login,
                           struct qr_served **ret_served, struct qr_tail *ret_tail,
                           struct qr_err *err);
    /* The hash of the password of the database's own user of that name (login->user), as
     * password/password.h makes it. QR_NOT_FOUND: it has none; else as `open`. NULL: databases
     * have no such users. */
    enum qr_status (*user_hash)(void *ctx, const struct qr_login *login,
                                char dst[QR_SERVICE_HASH_BYTES], struct qr_err *err);
    /* Requests that run are stopped and answered with an error; NULL: they cannot be. */
    void (*end_all)(void *ctx);
};
