/* tran_loose.c - when a transaction may leave SQLite and live in its op log alone.
 *
 * A loose transaction holds no SQLite connection and no snapshot; what it has changed is locked.
 * A statement that touches none of the tables it has changed reads what everybody reads. A small
 * change is found at the head, locked and noted. Whatever else comes first plays the op log. */
#include "frame.h"
#include "lock_int.h"
#include "oplog_int.h"
#include "tran_int.h"
#include "base/banned.h"

enum { LOOSE_OPS_MAX = 64 }; /* more of them are not played again for every statement */

bool qri_tran_is_loose(const struct qri_tran *tran)
{
    return !tran->sqlite_open && qri_oplog_mark(tran->oplog).count > 0;
}

bool qri_tran_may_loosen(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    uint64_t ops = qri_oplog_mark(tran->oplog).count;
    return tran->count > 0 && !tran->holds && ops > 0 && ops <= LOOSE_OPS_MAX &&
           session->temp == NULL && tran->temp_before == NULL &&
           session->options.isolation != QR_SNAPSHOT &&
           qr_conn_kept_lsn(session->link->conn).v == 0;
}

bool qri_tran_is_heavy(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    return session->temp != tran->temp_before && qri_oplog_is_long(tran->oplog);
}

bool qri_tran_survives(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    return tran->count > 0 && !tran->statement_open && !tran->holds && session->temp == NULL &&
           tran->temp_before == NULL && tran->savepoint_count == 0 &&
           session->options.isolation != QR_SNAPSHOT &&
           qr_conn_kept_lsn(session->link->conn).v == 0;
}

bool qri_tran_may_write_loose(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    const struct qr_database *db = session->db;
    return tran->count > 0 && tran->depth == 0 && !tran->sqlite_open && !tran->doomed &&
           session->trigger_level == 0 && session->temp == NULL &&
           session->options.isolation <= QR_READ_COMMITTED && !atomic_load(&db->follows) &&
           !qr_store_is_read_only(db->store) && !qri_tran_commits_soon(session);
}

bool qri_tran_reads_apart(const struct qri_tran *tran, const struct qr_plan *plan,
                          const struct qr_cat_object *but)
{
    for (size_t i = 0; i < plan->depend_count; i++) {
        const struct qr_cat_object *object = plan->depends[i];
        if (object->type != QR_CAT_TABLE && object->type != QR_CAT_VIEW &&
            object->type != QR_CAT_SYNONYM)
            return false;
        if (object != but && qri_oplog_changes(tran->oplog, object->object_id))
            return false;
    }
    return true;
}

enum qri_access qri_tran_read_access(const struct qr_session *session, const struct qr_plan *plan)
{
    const struct qri_tran *tran = &session->tran;
    bool apart = qri_tran_is_loose(tran) && session->options.isolation != QR_SNAPSHOT &&
                 qri_tran_reads_apart(tran, plan, NULL);
    return apart ? QRI_READ_APART : QRI_READ;
}

/* The batch goes straight on to its COMMIT: whoever wants the lock gets it sooner if it is not
 * given back and taken again with every statement. */
bool qri_tran_commits_soon(const struct qr_session *session)
{
    enum { LOOK_AHEAD = 32 };
    const struct qri_frame *frame = session->frame;
    if (frame == NULL || session->tran.count > 1)
        return false;
    const struct qri_unit *unit = frame->unit;
    size_t at = (size_t)(frame->op - unit->ops) + 1;
    for (size_t i = at; i < unit->op_count && i < at + LOOK_AHEAD; i++) {
        if (unit->ops[i].kind != QRI_OP_RUN)
            return false;
        switch ((int)unit->ops[i].stmt->kind) {
        case QR_AS_TRANSACTION:
            return ((const struct qr_ast_transaction *)unit->ops[i].stmt)->action ==
                   QR_ATRAN_COMMIT;
        case QR_AS_INSERT:
        case QR_AS_UPDATE:
        case QR_AS_DELETE:
        case QR_AS_MERGE:
        case QR_AS_SELECT:
        case QR_AS_SET_VARIABLE:
            continue;
        default:
            return false;
        }
    }
    return false;
}
