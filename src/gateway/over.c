/* over.c - see gateway_int.h: a session can be over before its client is done with the connection:
 * its database goes to another node, it was killed, its node died. The client reads why when it
 * asks for something; a connection that is not used until then is closed, as a server does with
 * idle ones. */
#include <poll.h>
#include "base/sqlmsg.h"
#include "gateway_int.h"
#include "tds/token.h"
#include "base/banned.h"

enum {
    IDLE_MS = 30000,
    SEVERITY_FATAL = 20,
    NOT_PRIMARY = 40143,    /* codes within 40197: of a node that died */
    RECONFIGURATION = 40166 /* and of one that ends */
};

enum qri_step qri_over_begin(struct qri_conn *conn)
{
    qri_conn_free_session(conn);
    conn->phase = PHASE_OVER;
    conn->deadline_ns = qr_env_mono_ns(conn->gateway->options.env) + IDLE_MS * INT64_C(1000000);
    qr_buf_done(&conn->message.body);
    QR_LOG(&conn->gateway->options.log, QR_DEBUG, "session_over",
           QR_F("address", &conn->address.text[0]), QR_F("owed", (int)conn->relay_owed));
    bool owes = conn->attention || conn->relay_owed > 0;
    return owes ? qri_over_answer(conn) : STEP_AGAIN;
}

enum qri_step qri_over_answer(struct qri_conn *conn)
{
    struct qr_err lost = {0};
    const struct qr_err *why = atomic_load(&conn->why);
    if (why == NULL) {
        (void)!qr_sql_fail(&lost, 40197, conn->relay_lost ? NOT_PRIMARY : RECONFIGURATION);
        lost.severity = SEVERITY_FATAL;
        why = &lost;
    }
    struct qr_tds_notice notice = {.number = why->number,
                                   .state = why->state == 0 ? 1 : why->state,
                                   .severity = why->severity,
                                   .text = qr_str(why->text),
                                   .server = qr_str(conn->gateway->options.server_name),
                                   .line = 1};
    struct qr_tds_writer writer;
    qr_tds_writer_init(&writer, QR_TDS_PACKET_BYTES_DEFAULT, 0, qri_stream_append, conn);
    qr_tds_writer_begin(&writer, QR_TDS_PACKET_REPLY);
    qr_tds_put_notice(&writer, conn->version, &notice);
    qr_tds_put_done(&writer, conn->version, QR_TDS_TOKEN_DONE, QR_TDS_DONE_ERROR, 0, 0);
    if (qr_tds_writer_end(&writer, false) != QR_OK)
        qr_buf_done(&conn->out);
    qr_tds_writer_done(&writer);
    conn->attention = false;
    conn->close_after = true;
    return STEP_AGAIN;
}

enum qri_step qri_over_part(struct qri_conn *conn)
{
    if (conn->phase != PHASE_OVER || conn->is_pair) /* its front says it, when it is asked */
        return STEP_CLOSE;
    return qri_over_answer(conn);
}

/* A node that ends a session on purpose sends its last word and the end of its stream, and waits;
 * of one that died or parted, nothing is left at the other end. */
static bool is_gone(int fd)
{
    struct pollfd poll_fd = {.fd = fd};
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0;
}

bool qri_over_node_lost(const struct qri_conn *conn)
{
    return !conn->relay_unframed && qr_tds_reader_idle(&conn->relay_reader) && !conn->peer_gone &&
           is_gone(conn->relay_fd);
}
