/* handoff_int.h - how a login gets from the front to a node: one message with one descriptor, one
 * byte back.
 *
 * A front keeps connections (links) of type SOCK_SEQPACKET to a node's handoff address; at most one
 * login is under way on each. The message is what follows, the descriptor the client's socket or
 * the node's end of a relayed pair. The node opens the session, answers the byte, and only when
 * that was sent does it write to the client. So the login belongs to the front until the byte is
 * in the front's hands or in its receive queue, which the front closes before it gives up: nobody
 * else writes to the client then (H2 of README.md).
 *
 * A session that moves goes the same way twice: from the node that gives it up to the front, at the
 * front's return address, and from there to the node that has its database now. Its message has a
 * second descriptor, an anonymous file with what the session's `save` wrote. */
#pragma once
#include "gateway_int.h"

/* The message, all numbers little-endian:
 *   magic u32, version u16, flags u16 (enum handoff_flags), TDS version u32 (as in LOGINACK),
 *   wish for a packet size u32, client program version u32, client pid u32,
 *   time zone i32, lcid u32, negotiated packet size u16, user type u8, feature count u8,
 *   client id 6 bytes, the login's roles of the server u16, server id u32, client port u16, local
 * port u16, the features' ids u8 each, ten texts (u16 bytes, UTF-8): user, database, host,
 * application, library, language, address, local address, SID (bytes), password, pipelined bytes:
 * u32 count, bytes; the message ends with them. Features come without their data: no session looks
 * at it, and it can be a secret. A password comes with a login that names a database, whose own
 * user he may be; not with a session that moves. Both ends overwrite it. */
enum {
    QRI_HANDOFF_MAGIC = 0x4F485251, /* "QRHO" */
    QRI_HANDOFF_VERSION = 5,
    QRI_HANDOFF_STATE_BYTES_MAX = 65 << 20,
    QRI_HANDOFF_TEXT_BYTES_MAX = 3 * 128, /* LOGIN7's bound of 128 UTF-16 units */
    QRI_HANDOFF_EARLY_BYTES_MAX = QRI_READ_BYTES,
    QRI_HANDOFF_FACTS_BYTES_MAX = 4096,
    QRI_HANDOFF_BYTES_MAX = QRI_HANDOFF_FACTS_BYTES_MAX + QRI_HANDOFF_EARLY_BYTES_MAX,
};
_Static_assert(QRI_HANDOFF_VERSION == 5,
               "QRI_HANDED_FORMAT (cmd/supervisor_int.h) goes up with it");

enum qri_handoff_answer { /* the byte */
                          QRI_HANDOFF_TAKEN = 1,
                          QRI_HANDOFF_NOT_HERE, /* the database cannot be opened here (any more) */
                          QRI_HANDOFF_BUSY,     /* too many connections, or no memory */
                          QRI_HANDOFF_STOPPING,
                          QRI_HANDOFF_DENIED, /* no user of the database, or another password; final
                                               */
                          QRI_HANDOFF_ANSWER_COUNT
};

/* handoff_format.c; pure. Writes all but the pipelined bytes themselves, which follow as they are.
 * QR_TOO_BIG: a text is longer than LOGIN7 allows. */
QR_NODISCARD enum qr_status qri_handoff_encode(const struct qr_login *login, size_t early_bytes,
                                               struct qr_buf *dst, struct qr_err *err);
/* The texts and *ret_early point into `msg`; ret_login->login7 is ret_login7. Hostile input. */
QR_NODISCARD enum qr_status qri_handoff_decode(const uint8_t *msg, size_t msg_bytes,
                                               struct qr_login *ret_login,
                                               struct qr_tds_login7 *ret_login7,
                                               struct qr_str *ret_early, struct qr_err *err);
/* "unix:PATH" to what connect and bind take. QR_INVALID, QR_TOO_BIG. */
struct sockaddr_un;
QR_NODISCARD enum qr_status qri_handoff_address(const char *text, struct sockaddr_un *ret_address,
                                                struct qr_err *err);
/* True: the process at the other end runs as our own user. */
bool qri_handoff_peer_is_ours(int fd);

/* login.c: of the logical server that the login is for. */
void qri_login_server_name(const struct qri_conn *conn, char dst[QRI_HANDOFF_TEXT_BYTES_MAX + 1]);

/* handoff_send.c: the front's thread that asks routes and hands over. */
enum qr_status qri_sender_start(struct qr_gateway *gateway, struct qr_err *err);
void qri_sender_stop(struct qr_gateway *gateway); /* refuses what is under way, and later ones */
/* After stop. False: the router still holds questions, whose answers would come to freed memory. */
bool qri_sender_wait(struct qr_gateway *gateway, int64_t ms);
void qri_sender_free(struct qr_gateway *gateway);
/* By the owner, PHASE_CHECKING: the password was right. */
enum qri_step qri_handoff_begin(struct qri_conn *conn);
/* By the owner, PHASE_ROUTING, once released: the outcome is there. */
enum qri_step qri_handoff_end(struct qri_conn *conn);

/* handoff_take.c: the node's side, run by the accepting thread. */
enum qr_status qri_taker_start(struct qr_gateway *gateway, struct qr_err *err);
int qri_taker_fd(const struct qr_gateway *gateway); /* readable: call qri_taker_run */
/* False: a shortage that will not go away at once. */
bool qri_taker_run(struct qr_gateway *gateway);
void qri_taker_stop(struct qr_gateway *gateway); /* no more handoffs; links end */
void qri_taker_free(struct qr_gateway *gateway); /* once no connection is left */
/* By the owner, PHASE_OPENING: opens the session and answers the front. */
enum qri_step qri_handoff_open(struct qri_conn *conn);
/* By the owner, PHASE_RETURNED: answers the node that gave it up, and looks for another. */
enum qri_step qri_handoff_returned(struct qri_conn *conn);

/* return.c: a node that drains. */
/* By the owner, PHASE_SESSION, between requests. STEP_INPUT: it stays for now; STEP_AGAIN: it is
 * over; STEP_CLOSE: a front has it. */
enum qri_step qri_return_step(struct qri_conn *conn);
void qri_return_done(struct qr_gateway *gateway);

/* relay.c: by the owner, PHASE_RELAY. */
enum qri_step qri_relay_step(struct qri_conn *conn);
