/* socket_int.h - loops, links and addresses, shared by the socket side of rpc. */
#pragma once
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "env/thread.h"
#include "rpc/identity.h"
#include "rpc/socket.h"

/* loop.c ------------------------------------------------------------------------------------- */

/* Something the loop serves: a socket, a due time, or both. Loop thread only, but `due`. */
struct qri_source {
    struct qri_source *prev, *next;
    struct qr_rpc_loop *loop;
    int fd; /* -1: none */
    bool closed;
    uint64_t round; /* of the loop, when `due` ran last */
    void (*ready)(struct qri_source *source, uint32_t events);
    void (*due)(struct qri_source *source, int64_t now_ns);
    void (*free)(struct qri_source *source); /* once no event can name it any more; NULL: nothing */
    _Atomic int64_t due_ns;                  /* INT64_MAX: never */
};

struct qri_task {
    struct qri_task *next;
    void (*run)(void *arg);
    void *arg;
    bool done;
};

struct qr_rpc_loop {
    struct qr_env *env;
    struct qr_log log;
    SSL_CTX *tls; /* NULL: no tcp */
    int epoll_fd, wake_fd;
    pthread_t thread;
    struct qri_source *sources, *closed; /* loop thread */
    uint64_t round;                      /* loop thread */
    _Atomic int64_t sleep_until_ns;      /* INT64_MIN: awake */
    pthread_mutex_t mu;
    pthread_cond_t task_done;
    struct qri_task *tasks; /* guarded by mu */
    bool stop;              /* guarded by mu */
};

/* Runs `run` on the loop thread and waits for it. */
void qri_loop_run(struct qr_rpc_loop *loop, void (*run)(void *arg), void *arg);
bool qri_loop_is_here(const struct qr_rpc_loop *loop);
/* Loop thread. The source's callbacks are set, its fd is -1 or watched for reading. */
QR_NODISCARD enum qr_status qri_source_add(struct qr_rpc_loop *loop, struct qri_source *source,
                                           struct qr_err *err);
void qri_source_watch(struct qri_source *source, uint32_t events); /* any thread */
/* Loop thread; closes the fd, and calls `free` later. */
void qri_source_close(struct qri_source *source);
/* Any thread: `due` is to be called at that time or earlier. It sets no later time. */
void qri_source_due(struct qri_source *source, int64_t at_ns);

/* link.c, link_out.c: one connection --------------------------------------------------------- */

enum { QRI_LINK_IN_BYTES = 64 * 1024, QRI_LINK_TLS_BYTES = 16 * 1024 };

struct qri_link;
/* A body too large for the buffer. */
struct qri_message {
    size_t bytes;
    uint8_t body[];
};
struct qri_link_ops {
    /* A frame has come and was checked. `message` is NULL or holds the body; the callee may take it
     * by leaving NULL. A failure ends the link. */
    enum qr_status (*frame)(struct qri_link *link, const struct qr_rpc_frame *frame,
                            const uint8_t *body, struct qri_message **message, struct qr_err *err);
    /* May more frames be handled now? NULL: always. */
    bool (*wants)(struct qri_link *link);
    /* The socket is connected and any TLS handshake is through. */
    enum qr_status (*up)(struct qri_link *link, struct qr_err *err);
    /* Loop thread, no lock held; the link is closed when it returns. */
    void (*down)(struct qri_link *link, const struct qr_err *err);
    void (*due)(struct qri_link *link, int64_t now_ns);
};

struct qri_link {
    struct qri_source source; /* first */
    const struct qri_link_ops *ops;
    void *owner;
    pthread_mutex_t *mu; /* the owner's */
    char who[160];       /* for texts and logs */
    const char *roles;   /* TLS: of which the other side must have one; the owner's; NULL: any */
    struct qr_identity peer; /* TLS, once the handshake is through; empty if `roles` is NULL */
    /* loop thread */
    bool connecting, shaking, paused, greeted;
    uint8_t *in;
    size_t in_start, in_end;
    bool have_header;
    struct qr_rpc_frame frame;
    struct qri_message *message;
    size_t message_got;
    _Atomic int64_t heard_ns;
    /* guarded by mu */
    SSL *ssl;
    bool dead, corked, want_write;
    bool broken; /* writing failed: the loop will find it dead */
    struct qr_rpc_out *out_first, *out_last;
    size_t out_bytes; /* not handed to the socket */
    uint8_t *stage;   /* TLS: plain bytes on their way into records */
    size_t stage_start, stage_end;
};

/* Loop thread. Takes the fd. */
QR_NODISCARD enum qr_status qri_link_init(struct qri_link *link, struct qr_rpc_loop *loop, int fd,
                                          bool connecting, struct qr_err *err);
void qri_link_close(struct qri_link *link); /* loop thread, mu not held */
void qri_link_fail(struct qri_link *link,
                   const struct qr_err *err);          /* the same, and tells the owner */
void qri_link_resume(struct qri_link *link);           /* loop thread: `wants` may have changed */
uint32_t qri_link_events(const struct qri_link *link); /* with mu */

/* link_out.c: with mu held. */

/* Queues, and writes if not corked. out->sent_bytes is 0, or what qri_link_write_now took. */
void qri_link_send(struct qri_link *link, struct qr_rpc_out *out);
/* Gives up: the loop sees the end of the socket and closes the link. */
void qri_link_break(struct qri_link *link);
void qri_link_flush(struct qri_link *link);
/* Takes an `out` back whose memory goes away: removed, or if it has begun, its rest copied. */
void qri_link_unsend(struct qri_link *link, struct qr_rpc_out *out);
void qri_link_drop_all(struct qri_link *link); /* calls `sent` of each */
/* Sends a frame without a body, or with a small one that is copied. */
void qri_link_send_small(struct qri_link *link, struct qr_rpc_frame *frame, const void *body,
                         size_t bytes);
/* Writes what the socket takes of the frame right now, if nothing is queued; returns how much. */
size_t qri_link_write_now(struct qri_link *link, const struct iovec *iov, int iov_count);

/* A new out for a frame whose header is made. Its body is a copy, or is `own_memory` itself, taken
 * in any case. NULL without memory. Its `sent` frees all. */
struct qr_rpc_out *qri_out_new(const uint8_t header[QR_RPC_HEADER_BYTES], const struct iovec *body,
                               int body_count, void *own_memory);

/* tls.c -------------------------------------------------------------------------------------- */

QR_NODISCARD enum qr_status qri_tls_context_new(const struct qr_rpc_loop_options *options,
                                                SSL_CTX **ret_ctx, struct qr_err *err);
QR_NODISCARD enum qr_status qri_tls_start(struct qri_link *link, SSL_CTX *ctx, bool serves,
                                          const char *server_name, struct qr_err *err);
/* One step of the handshake; *ret_done when it is through and the other side is one of link->roles.
 * With mu held. */
QR_NODISCARD enum qr_status qri_tls_handshake(struct qri_link *link, bool *ret_done,
                                              struct qr_err *err);
/* Like recv and send on a socket that does not block: bytes, 0 at the end, -1 and errno. With mu
 * held. */
ssize_t qri_tls_read(struct qri_link *link, void *dst, size_t bytes);
ssize_t qri_tls_write(struct qri_link *link, const void *src, size_t bytes);

/* address.c ---------------------------------------------------------------------------------- */

struct qri_address {
    bool is_unix;
    char host[256], port[8];
    struct sockaddr_un unix_address;
};
QR_NODISCARD enum qr_status qri_address_parse(const char *text, struct qri_address *ret_address,
                                              struct qr_err *err);
/* `ret_text` has QRI_ADDRESS_BYTES_MAX bytes. */
enum { QRI_ADDRESS_BYTES_MAX = 300 };
QR_NODISCARD enum qr_status qri_address_listen(const struct qri_address *address, int *ret_fd,
                                               char *ret_text, struct qr_err *err);
QR_NODISCARD enum qr_status qri_address_connect(const struct qri_address *address, int *ret_fd,
                                                struct qr_err *err);
/* Unix sockets: QR_DENIED unless the other side is our user or root. */
QR_NODISCARD enum qr_status qri_address_check_user(int fd, struct qr_err *err);
void qri_address_tune_tcp(int fd);
void qri_address_tune_unix(int fd);

/* workers.c ---------------------------------------------------------------------------------- */

struct qri_workers;
QR_NODISCARD enum qr_status qri_workers_new(const struct qr_rpc_listen_options *options,
                                            struct qr_env *env, struct qri_workers **ret_workers,
                                            struct qr_err *err);
/* False when the queue is full. */
bool qri_workers_put(struct qri_workers *workers, struct qr_rpc_request *own_request);
/* Waits for those that serve, refuses those that wait. */
void qri_workers_free(struct qri_workers *workers);
