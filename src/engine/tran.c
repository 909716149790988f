/* tran.c - the session's transaction as T-SQL sees it; see engine_int.h
 *
 * It begins at BEGIN TRAN and may be nothing but a count. SQLite's begins with the first statement
 * that writes, or that has to see one snapshot (tran_sqlite.c). */
#include <assert.h>
#include "counter_int.h"
#include "lock_int.h"
#include "oplog_int.h"
#include "tran_int.h"
#include "base/banned.h"

static _Atomic uint64_t last_descriptor;

/* ---- the catalogs a rollback goes back to ---- */

void qri_pictures_take(struct qr_session *session, struct qri_pictures *ret_pictures)
{
    bool is_own = session->tran.catalog_changed;
    *ret_pictures = (struct qri_pictures){
        .own_main = is_own ? qri_catalog_ref(session->catalog) : NULL,
        .temp = session->temp == NULL ? NULL : qri_catalog_ref(session->temp)};
}

void qri_pictures_go_back(struct qr_session *session, const struct qri_pictures *pictures)
{
    struct qri_tran *tran = &session->tran;
    if (tran->catalog_changed && pictures->own_main == NULL) {
        /* not the one of that time: others may have changed it before we had the writer lock */
        tran->catalog_changed = false;
        session->catalog_serial = 0;
        qri_session_refresh_catalog(session);
    } else if (tran->catalog_changed && pictures->own_main != session->catalog) {
        qri_session_own_catalog(session, qri_catalog_ref(pictures->own_main));
    }
    if (pictures->temp != session->temp)
        qri_session_set_temp(session,
                             pictures->temp == NULL ? NULL : qri_catalog_ref(pictures->temp));
}

void qri_pictures_drop(struct qri_pictures *pictures)
{
    qri_catalog_unref(pictures->own_main);
    qri_catalog_unref(pictures->temp);
}

/* ---- T-SQL's side ---- */

static enum qr_status tell(struct qr_session *session, enum qr_env_change_kind kind,
                           uint64_t descriptor)
{
    if (session->sink == NULL || descriptor == 0) /* 0: an autocommit statement's, in its trigger */
        return QR_OK;
    struct qr_str none = {0};
    return session->sink->env_change(session->sink->ctx, kind, none, none, descriptor);
}

static void forget_names(struct qri_tran *tran)
{
    qri_savepoints_release(tran, 0);
    qr_arena_done(&tran->arena);
    tran->savepoints = NULL;
    tran->savepoint_capacity = 0;
    tran->name = (struct qr_str){0};
}

static void end_tran(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    forget_names(tran);
    tran->count = 0;
    tran->depth = 0;
    tran->doomed = false;
    tran->descriptor = 0;
    tran->first_level = 0;
    qri_oplog_free(tran->oplog);
    tran->oplog = NULL;
    qri_noted_done(tran);
    tran->holds = false;
    tran->seen_lsn = qr_lsn(0);
    qri_locks_release(session);
}

enum qr_status qri_tran_begin(struct qr_session *session, struct qr_str name, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->count == UINT32_MAX)
        return qr_fail(err, QR_TOO_BIG, "too many nested transactions");
    if (tran->count++ > 0)
        return QR_OK;
    qr_arena_init(&tran->arena, 1 << 20);
    tran->name = qr_arena_str(&tran->arena, name);
    tran->descriptor = atomic_fetch_add(&last_descriptor, 1) + 1;
    tran->begin_ticks = qri_now_ticks(session);
    return tell(session, QR_ENV_BEGIN_TRAN, tran->descriptor);
}

void qri_tran_count_own(struct qr_session *session)
{
    qr_arena_init(&session->tran.arena, 1 << 20);
    session->tran.count = 1;
}

void qri_tran_uncount_own(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    if (--tran->count > 0)
        return;
    forget_names(tran);
    tran->doomed = false; /* its statement fails and is undone */
    tran->first_level = 0;
}

enum qr_status qri_tran_implicit(struct qr_session *session, struct qr_err *err)
{
    if (!session->options.implicit_transactions || session->tran.count > 0)
        return QR_OK;
    return qri_tran_begin(session, (struct qr_str){0}, err);
}

enum qr_status qri_tran_commit(struct qr_session *session, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->count == 0)
        return qr_sql_fail(err, 3902);
    if (tran->doomed)
        return qr_sql_fail(err, 3930);
    if (tran->count > 1) {
        tran->count--;
        return QR_OK;
    }
    uint64_t descriptor = tran->descriptor;
    enum qr_status status = qri_sqlite_commit(session, err);
    end_tran(session);
    QR_TRY(tell(session, status == QR_OK ? QR_ENV_COMMIT_TRAN : QR_ENV_ROLLBACK_TRAN, descriptor));
    return status;
}

static size_t find_savepoint(const struct qri_tran *tran, struct qr_str name)
{
    size_t i = tran->savepoint_count; /* the newest of that name */
    while (i > 0 && !qr_str_eq(tran->savepoints[i - 1].name, name))
        i--;
    return i - 1;
}

static enum qr_status rollback_to(struct qr_session *session, size_t index, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    struct qri_savepoint *save = &tran->savepoints[index];
    if (tran->doomed)
        return qr_sql_fail(err, 3931);
    if (tran->sqlite_open)
        QR_TRY(qri_sqlite_rollback_to(session, index, err));
    else
        qri_oplog_cut(tran->oplog, save->mark);
    qri_noted_cut(tran, save->counter_count);
    qri_pictures_go_back(session, &save->pictures);
    qri_savepoints_release(tran, index + 1);
    return QR_OK;
}

enum qr_status qri_tran_rollback(struct qr_session *session, struct qr_str name, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->count == 0)
        return qr_sql_fail(err, 3903);
    if (name.n > 0 && !qr_str_ieq(name, tran->name)) {
        size_t index = find_savepoint(tran, name);
        if (index == SIZE_MAX)
            return qr_sql_fail(err, 6401, qr_arena_str(&tran->arena, name).p);
        return rollback_to(session, index, err);
    }
    uint64_t descriptor = tran->descriptor;
    if (session->link != NULL)
        qri_sqlite_rollback(session);
    end_tran(session);
    return tell(session, QR_ENV_ROLLBACK_TRAN, descriptor);
}

enum qr_status qri_tran_save(struct qr_session *session, struct qr_str name, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->count == 0)
        return qr_sql_fail(err, 628);
    if (tran->doomed)
        return qr_sql_fail(err, 3930);
    tran->savepoints = qr_arena_grow(&tran->arena, tran->savepoints, tran->savepoint_count,
                                     &tran->savepoint_capacity, tran->savepoint_count + 1,
                                     sizeof *tran->savepoints);
    if (tran->savepoints == NULL)
        return qr_fail(err, QR_NOMEM, "save the transaction");
    struct qri_savepoint *save = &tran->savepoints[tran->savepoint_count++];
    *save = (struct qri_savepoint){.name = qr_arena_str(&tran->arena, name)};
    qri_pictures_take(session, &save->pictures);
    save->mark = qri_oplog_mark(tran->oplog);
    save->counter_count = tran->counter_count;
    if (tran->sqlite_open)
        return qri_sqlite_savepoint(session, tran->savepoint_count - 1, err);
    return QR_OK;
}

void qri_tran_abort(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    uint64_t descriptor = tran->descriptor;
    if (session->link != NULL) {
        qri_sqlite_rollback(session);
        qr_conn_unlock_writer(session->link->conn);
    }
    bool had = tran->count > 0;
    end_tran(session);
    if (had && tell(session, QR_ENV_ROLLBACK_TRAN, descriptor) != QR_OK)
        qr_session_kill(session);
}

enum qr_status qri_tran_check(struct qr_session *session, struct qr_err *err)
{
    if (!session->tran.sqlite_open || !sqlite3_get_autocommit(session->link->db))
        return QR_OK;
    qri_tran_abort(session);
    return qr_sql_fail(err, 3998);
}
