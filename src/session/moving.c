/* moving.c - see session_int.h: a session that goes to another process, and one that came from
 * another. What is written is a u8 version, a u8 1 if a transaction was lost on the way and its
 * client does not know yet, a u64 with its descriptor, and the engine's session. */
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "engine/moving.h"
#include "session_int.h"
#include "base/banned.h"

enum { VERSION = 1, HEAD_BYTES = 10, RECONFIGURATION = 40166 };
_Static_assert(VERSION == 1, "QRI_HANDED_FORMAT (cmd/supervisor_int.h) goes up with it");

bool qri_moving_is_busy(const struct qri_served *s)
{
    return !qr_session_may_move(s->engine);
}

enum qr_status qri_moving_save(struct qri_served *s, bool late, struct qr_buf *dst,
                               struct qr_err *err)
{
    if (qri_moving_is_busy(s) && !late)
        return qr_fail(err, QR_BUSY, "a transaction is open");
    if (qri_moving_is_busy(s)) {
        uint64_t descriptor;
        qr_session_make_movable(s->engine, &descriptor);
        s->has_lost_tran |= descriptor != 0;
        s->lost_descriptor = descriptor;
    }
    qr_buf_add8(dst, VERSION);
    qr_buf_add8(dst, s->has_lost_tran);
    qr_buf_add64le(dst, s->lost_descriptor);
    return qr_session_save(s->engine, dst, err);
}

enum qr_status qri_moving_restore(struct qri_served *s, struct qr_str state, struct qr_err *err)
{
    const uint8_t *head = (const uint8_t *)state.p;
    if (state.n < HEAD_BYTES || head[0] != VERSION || head[1] > 1)
        return qr_fail(err, QR_UNSUPPORTED, "the state of a session in another form");
    s->has_lost_tran = head[1] == 1;
    s->lost_descriptor = qr_get64le(head + 2);
    return qr_session_restore(s->engine, qr_str_n(state.p + HEAD_BYTES, state.n - HEAD_BYTES), err);
}

void qri_moving_tell_evicted(struct qri_served *s)
{
    struct qr_err err;
    uint64_t descriptor = 0;
    if (qri_moving_is_busy(s))
        qr_session_make_movable(s->engine, &descriptor);
    if (descriptor != 0)
        (void)!s->sink.env_change(s->sink.ctx, QR_ENV_ROLLBACK_TRAN, qr_str(""), qr_str(""),
                                  descriptor);
    (void)!qr_sql_fail(&err, 40197, RECONFIGURATION);
    qri_answer_fail(s, &err);
}

bool qri_moving_tell_lost(struct qri_served *s, const struct qr_request *request)
{
    struct qr_err err;
    if (!s->has_lost_tran || request->ignored)
        return false;
    s->has_lost_tran = false;
    if ((request->status & QR_TDS_STATUS_RESET) !=
        0) /* it is for the next user of the connection */
        return false;
    (void)!s->sink.env_change(s->sink.ctx, QR_ENV_ROLLBACK_TRAN, qr_str(""), qr_str(""),
                              s->lost_descriptor);
    (void)!qr_sql_fail(&err, 40197, RECONFIGURATION);
    qri_answer_fail(s, &err);
    return true;
}
