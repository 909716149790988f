/* Runs SQL batches, transaction manager requests and the loop over procedure calls. */
#include <string.h>
#include "base/sqlmsg.h"
#include "session_int.h"
#include "tds/request.h"
#include "base/banned.h"

/* A request that cannot be read: the client learns it, and the connection goes on, because the
 * message was read to its end. */
static void refuse(struct qri_served *s, const struct qr_err *err)
{
    qri_answer_fail(s, err);
}

void qri_run_batch(struct qri_served *s, struct qr_tds_cursor *c)
{
    struct qr_tds_utf16 wire;
    struct qr_err err;
    if (qr_tds_batch_read(c, &wire, &err) != QR_OK) {
        refuse(s, &err);
        return;
    }
    struct qr_str text = qr_tds_utf16_dup(&s->arena_request, wire);
    if (text.p == NULL) {
        qr_fail(&err, QR_NOMEM, "SQL batch of %zu characters", wire.units);
        refuse(s, &err);
        return;
    }
    qri_answer_verdict(s, qr_session_batch(s->engine, text, &s->sink));
}

void qri_run_tran(struct qri_served *s, struct qr_tds_cursor *c)
{
    static const enum qr_tran_request requests[] = {
        [QR_TDS_TM_BEGIN] = QR_TM_BEGIN,
        [QR_TDS_TM_COMMIT] = QR_TM_COMMIT,
        [QR_TDS_TM_ROLLBACK] = QR_TM_ROLLBACK,
        [QR_TDS_TM_SAVE] = QR_TM_SAVE,
    };
    struct qr_tds_tran tran;
    struct qr_err err;
    enum qr_status status = qr_tds_tran_read(c, &tran, &err);
    if (status == QR_UNSUPPORTED)
        status = qr_sql_fail(&err, 40510, "distributed transaction");
    if (status != QR_OK) {
        refuse(s, &err);
        return;
    }
    struct qr_str name = qr_tds_utf16_dup(&s->arena_request, tran.name);
    qri_answer_verdict(s, qr_session_tran(s->engine, requests[tran.kind], name, tran.isolation,
                                          tran.begin_after, &s->sink));
}

static void begin_call(struct qri_served *s)
{
    s->answer.in_call = true;
    s->answer.has_status = false;
    s->answer.has_error = false;
    s->answer.ordinal_base = 0;
    s->answer.handle_param = NULL;
    qri_answer_go_on(s);
}

static void end_call(struct qri_served *s)
{
    qri_answer_end_call(s);
    s->answer.in_call = false;
}

/* Of calls that were not run: a client that wanted that waits for no answer to them. If it is the
 * node that wants to be rid of the session, the first of them fails, or the answer would look as if
 * there had been no more. */
static void leave_out_rest(struct qri_served *s)
{
    if (s->answer.told_evicted || !s->channel->ops->evicted(s->channel))
        return;
    begin_call(s);
    qri_answer_verdict(s, QR_CANCELLED);
    end_call(s);
}

void qri_run_rpc(struct qri_served *s, struct qr_tds_cursor *c)
{
    bool more = true;
    while (more && !s->answer.is_broken) {
        struct qr_tds_rpc rpc;
        struct qr_err err;
        begin_call(s);
        enum qr_status status =
            qr_tds_rpc_read(c, s->client.version, &s->arena_request, &rpc, &more, &err);
        if (status != QR_OK) {
            refuse(s, &err);
            more = false;
        } else if (!rpc.no_exec) {
            qri_run_call(s, &rpc);
        }
        end_call(s);
        if (more && !s->answer.is_broken && s->channel->ops->cancelled(s->channel)) {
            leave_out_rest(s);
            more = false;
        }
    }
}
