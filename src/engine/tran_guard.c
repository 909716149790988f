/* tran_guard.c - savepoints: those that T-SQL names, and those by which a statement within a
 * transaction is undone alone; see tran_int.h, engine_int.h */
#include <stdio.h>
#include "counter_int.h"
#include "link.h"
#include "oplog_int.h"
#include "tran_int.h"
#include "base/banned.h"

/* ---- going back ---- */

/* SQLite 3.40 moves the last root page of a file with auto_vacuum into the place of one that is
 * dropped, and lists the place it left as free without writing it. ROLLBACK TO then restores that
 * place in the cache alone if it is read there meanwhile, and COMMIT leaves it out of the file:
 * what is written before goes back in the file, too. */
static enum qr_status settle_pages(struct qr_session *session, struct qr_err *err)
{
    if (!session->tran.holds && !session->tran.is_ddl)
        return QR_OK;
    int rc = sqlite3_db_cacheflush(session->link->db);
    return rc == SQLITE_OK ? QR_OK : qri_sqlite_fail(session->link, rc, err);
}

/* ---- those of T-SQL ---- */

void qri_savepoints_release(struct qri_tran *tran, size_t from)
{
    for (size_t i = from; i < tran->savepoint_count; i++)
        qri_pictures_drop(&tran->savepoints[i].pictures);
    tran->savepoint_count = from;
}

enum qr_status qri_sqlite_savepoint(struct qr_session *session, size_t index, struct qr_err *err)
{
    char sql[48];
    snprintf(sql, sizeof sql, "SAVEPOINT t%zu", index);
    session->tran.savepoints[index].guard_depth = session->tran.guard_depth;
    return qri_exec(session->link, sql, err);
}

enum qr_status qri_sqlite_rollback_to(struct qr_session *session, size_t index, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    char sql[48];
    snprintf(sql, sizeof sql, "ROLLBACK TO t%zu", index);
    QR_TRY(settle_pages(session, err));
    QR_TRY(qri_exec(session->link, sql, err));
    tran->guard_depth = tran->savepoints[index].guard_depth;
    qri_oplog_cut(tran->oplog, tran->savepoints[index].mark);
    return QR_OK;
}

/* ---- of statements ---- */

static enum qr_status exec_numbered(struct qr_session *session, const char *format, size_t n,
                                    struct qr_err *err)
{
    char sql[48];
    snprintf(sql, sizeof sql, format, n);
    session->no_interrupt = true;
    enum qr_status status = qri_exec(session->link, sql, err);
    session->no_interrupt = false;
    return status;
}

enum qr_status qri_guard_begin(struct qr_session *session, struct qri_guard *guard,
                               struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    *guard = (struct qri_guard){0};
    QR_TRY(exec_numbered(session, "SAVEPOINT s%zu", tran->guard_depth + 1, err));
    *guard = (struct qri_guard){.depth = ++tran->guard_depth,
                                .savepoint_count = tran->savepoint_count,
                                .counter_count = tran->counter_count,
                                .mark = qri_oplog_mark(tran->oplog)};
    return QR_OK;
}

enum qr_status qri_guard_end(struct qr_session *session, const struct qri_guard *guard,
                             enum qr_status status, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (guard->depth == 0 || guard->depth > tran->guard_depth || !tran->sqlite_open)
        return status;
    tran->guard_depth = guard->depth - 1;
    if (status != QR_OK) { /* the first error counts: what these do is known to be possible */
        qri_savepoints_release(tran, guard->savepoint_count);
        qri_oplog_cut(tran->oplog, guard->mark);
        qri_noted_cut(tran, guard->counter_count);
        if (sqlite3_get_autocommit(session->link->db))
            return status;
        if (settle_pages(session, NULL) == QR_OK &&
            exec_numbered(session, "ROLLBACK TO s%zu", guard->depth, NULL) == QR_OK)
            (void)!exec_numbered(session, "RELEASE s%zu", guard->depth, NULL);
        return status;
    }
    /* releasing would take SAVE TRANSACTIONs made since along; left open it does no harm */
    if (tran->savepoint_count > guard->savepoint_count)
        return QR_OK;
    return exec_numbered(session, "RELEASE s%zu", guard->depth, err);
}
