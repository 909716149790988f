/* tran_sqlite.c - SQLite's side of a transaction, and the bracket around every statement.
 *
 * Whoever writes has the writer lock while the statement runs, and the head as its snapshot. An
 * autocommit statement commits with it. One of a transaction leaves SQLite's transaction open and
 * private: the lock goes back, the pages stay where nobody sees them, and the op log knows how to
 * make them again on the head that is newest when the next statement, or COMMIT, comes. */
#include <assert.h>
#include <stdio.h>
#include "counter_int.h"
#include "link.h"
#include "lock/range.h"
#include "lock_int.h"
#include "oplog_int.h"
#include "tran_int.h"
#include "base/banned.h"

/* ---- begin, rebase, commit, rollback ---- */

static void choose_snapshot(struct qr_session *session)
{
    struct qr_lsn lsn = session->commit_lsn;
    if (session->catalog_lsn.v > lsn.v) /* the catalog names what only this commit made */
        lsn = session->catalog_lsn;
    if (session->tran.seen_lsn.v > lsn.v) /* a transaction never goes back in time */
        lsn = session->tran.seen_lsn;
    qr_conn_read_at_least(session->link->conn, lsn);
}

/* Pins what the statement reads and takes the catalog of the same commit. */
static enum qr_status pin_snapshot(struct qr_session *session, struct qr_err *err)
{
    struct qr_conn *conn = session->link->conn;
    const struct qr_database *db = session->db;
    if (qr_conn_in_read(conn)) /* a statement around this one has */
        return QR_OK;
    for (;;) {
        qri_session_refresh_catalog(session);
        choose_snapshot(session);
        QR_TRY(qr_conn_pin(conn, err));
        if (session->tran.catalog_changed)
            return QR_OK;
        bool again = atomic_load(&db->catalog_serial) != session->catalog_serial;
        enum qr_status status = QR_OK;
        if (!again && atomic_load(&db->follows))
            status = qri_follow(session, &again, err);
        if (status == QR_OK && !again)
            return QR_OK;
        qr_conn_unpin(conn);
        QR_TRY(status);
    }
}

static enum qr_status lock_and_refresh(struct qr_session *session, bool is_commit,
                                       struct qr_err *err)
{
    QR_TRY(qri_lock_writer(session, is_commit, err));
    if (atomic_load(&session->db->follows)) {
        enum qr_status status = qri_follow_head(session, err);
        if (status != QR_OK) {
            qr_conn_unlock_writer(session->link->conn);
            return status;
        }
    }
    qri_session_refresh_catalog(session); /* nobody changes it now */
    return QR_OK;
}

struct replay {
    struct qr_session *session;
    size_t savepoint; /* the next to make */
};

static enum qr_status make_savepoints(void *ctx, uint64_t number, struct qr_err *err)
{
    struct replay *replay = ctx;
    const struct qri_tran *tran = &replay->session->tran;
    while (replay->savepoint < tran->savepoint_count &&
           tran->savepoints[replay->savepoint].mark.count <= number)
        QR_TRY(qri_sqlite_savepoint(replay->session, replay->savepoint++, err));
    return QR_OK;
}

static enum qr_status play(struct qr_session *session, struct qr_err *err)
{
    struct replay replay = {.session = session};
    return qri_oplog_play(session->tran.oplog, session->link, make_savepoints, &replay, err);
}

/* A change that cannot be played ends the transaction. */
static enum qr_status play_failed(struct qr_session *session, enum qr_status status, bool kept,
                                  struct qr_err *err)
{
    if (status == QR_EXISTS && kept)
        status = qri_fail_conflict(session, err);
    else if (status == QR_EXISTS)
        status = qr_fail(err, QR_CORRUPT, "a change that is locked met another's key: %s",
                         sqlite3_errmsg(session->link->db));
    qri_tran_abort(session);
    return status;
}

/* A loose transaction gets its changes back. */
static enum qr_status begin_sqlite(struct qr_session *session, bool write, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    bool is_loose = qri_tran_is_loose(tran);
    if (is_loose && !write)
        qr_conn_set_private(session->link->conn, true);
    QR_TRY(qri_exec(session->link, write ? "BEGIN IMMEDIATE" : "BEGIN", err));
    tran->sqlite_open = true;
    tran->is_write = write || is_loose;
    tran->temp_before = session->temp == NULL ? NULL : qri_catalog_ref(session->temp);
    session->no_interrupt = true;
    enum qr_status status = play(session, err);
    session->no_interrupt = false;
    return status == QR_OK ? QR_OK : play_failed(session, status, false, err);
}

static bool is_at_kept(const struct qr_conn *conn)
{
    return qr_lsn_eq(qr_conn_kept_lsn(conn), qr_conn_pinned_lsn(conn));
}

static enum qr_status replay_all(struct qr_session *session, bool kept, struct qr_err *err)
{
    struct qr_conn *conn = session->link->conn;
    bool write = qr_conn_has_writer(conn);
    qr_conn_use_kept(conn, kept);
    if (!sqlite3_get_autocommit(session->link->db))
        QR_TRY(qri_exec(session->link, "ROLLBACK", err));
    qr_conn_unpin(conn);
    if (write)
        qri_session_refresh_catalog(session);
    else if (!kept)
        QR_TRY(pin_snapshot(session, err));
    else
        QR_TRY(qr_conn_pin(conn, err));
    if (kept && !write)
        qri_kept_take_catalog(session);
    QR_TRY(qri_exec(session->link, write ? "BEGIN IMMEDIATE" : "BEGIN", err));
    return play(session, err);
}

/* The transaction's changes on another snapshot: the kept one, the head for who has the writer
 * lock, else what is durable. A failure ends the transaction. */
static enum qr_status rebase_on(struct qr_session *session, bool kept, struct qr_err *err)
{
    assert(!session->tran.holds && session->tran.guard_depth == 0);
    qr_conn_set_private(session->link->conn, true);
    session->no_interrupt = true;
    enum qr_status status = replay_all(session, kept, err);
    session->no_interrupt = false;
    return status == QR_OK ? QR_OK : play_failed(session, status, kept, err);
}

static enum qr_status rebase(struct qr_session *session, struct qr_err *err)
{
    return rebase_on(session, false, err);
}

enum qr_status qri_tran_to_head(struct qr_session *session, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (!tran->at_kept)
        return QR_OK;
    tran->at_kept = false;
    tran->moved = true;
    return rebase(session, err);
}

static void note_commit(struct qr_session *session)
{
    struct qr_lsn lsn = qr_conn_commit_lsn(session->link->conn);
    session->commit_lsn = qr_lsn_max(session->commit_lsn, lsn);
    qri_stamp_commit(session, lsn);
    if (lsn.v > session->answer_lsn)
        session->answer_lsn = lsn.v;
}

/* COMMIT. A reader may see its pages as soon as they are durable, so it must find the catalog then:
 * until `catalog` has followed, whoever asks for it waits. */
static enum qr_status commit_catalog(struct qr_session *session, struct qr_err *err)
{
    struct qr_database *db = session->db;
    pthread_mutex_lock(&db->catalog_mu);
    uint64_t serial = atomic_exchange(&db->catalog_serial, QRI_CATALOG_CHANGES);
    enum qr_status status = qri_exec(session->link, "COMMIT", err);
    if (status == QR_OK) {
        qri_catalog_unref(db->catalog);
        db->catalog = qri_catalog_ref(session->catalog);
        db->catalog_lsn = qr_conn_commit_lsn(session->link->conn);
        serial = session->catalog_serial;
        session->tran.catalog_changed = false;
    }
    atomic_store(&db->catalog_serial, serial);
    if (status == QR_OK) /* the database was renamed meanwhile */
        (void)!qri_database_rename_catalog(db);
    pthread_mutex_unlock(&db->catalog_mu);
    return status;
}

static void unlock_writer(struct qr_session *session)
{
    struct qr_conn *conn = session->link->conn;
    if (qr_conn_has_writer(conn)) {
        atomic_store(&session->db->lockless, false);
        atomic_store(&session->db->writer_stays, false);
    }
    qr_conn_unlock_writer(conn);
}

static void forget_sqlite(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    struct qr_conn *conn = session->link->conn;
    if (tran->holds) /* it is over: the next writer, who may wait for no lock, finds none of it */
        qri_locks_release(session);
    tran->sqlite_open = tran->statement_open = tran->is_write = tran->holds = false;
    tran->at_kept = tran->moved = tran->is_ddl = false;
    tran->guard_depth = 0;
    tran->seen_lsn = qr_lsn(0);
    qri_catalog_unref(tran->temp_before);
    qri_catalog_unref(tran->kept_catalog);
    tran->temp_before = tran->kept_catalog = NULL;
    qr_conn_unpin(conn);
    qr_conn_drop_kept(conn);
    qr_conn_set_private(conn, false);
    unlock_writer(session);
}

void qri_sqlite_rollback(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    if (!tran->sqlite_open)
        return;
    session->no_interrupt = true;
    if (!sqlite3_get_autocommit(session->link->db))
        sqlite3_exec(session->link->db, "ROLLBACK", NULL, NULL, NULL);
    session->no_interrupt = false;
    assert(sqlite3_get_autocommit(session->link->db));
    if (session->temp != tran->temp_before)
        qri_session_set_temp(session,
                             tran->temp_before == NULL ? NULL : qri_catalog_ref(tran->temp_before));
    bool changed = tran->catalog_changed;
    tran->catalog_changed = false;
    qri_noted_done(tran);
    forget_sqlite(session);
    if (changed) {
        session->catalog_serial = 0;
        qri_session_refresh_catalog(session);
    }
}

/* A deferred transaction comes to the head to be committed there. */
static enum qr_status prepare_commit(struct qr_session *session, struct qr_err *err)
{
    struct qr_conn *conn = session->link->conn;
    if (session->tran.sqlite_open && (!session->tran.is_write || session->tran.holds))
        return QR_OK;
    QR_TRY(lock_and_refresh(session, true, err));
    if (!session->tran.sqlite_open)
        return begin_sqlite(session, true, err);
    return qr_conn_at_head(conn) ? QR_OK : rebase(session, err);
}

enum qr_status qri_sqlite_commit(struct qr_session *session, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (qri_tran_is_loose(tran))
        QR_TRY(qri_link_take(session, err));
    else if (!tran->sqlite_open)
        return QR_OK;
    if (tran->count > 0 && !tran->statement_open && !tran->holds &&
        session->temp == tran->temp_before && qri_oplog_mark(tran->oplog).count == 0) {
        qri_sqlite_rollback(session); /* it only read, or changed no row */
        return QR_OK;
    }
    enum qr_status status = prepare_commit(session, err);
    if (!tran->sqlite_open) { /* a failed rebase has ended it */
        unlock_writer(session);
        return status;
    }
    session->no_interrupt = true;
    if (status == QR_OK)
        status = qri_noted_prepare(session, err);
    if (status == QR_OK)
        status = tran->catalog_changed ? commit_catalog(session, err)
                                       : qri_exec(session->link, "COMMIT", err);
    session->no_interrupt = false;
    if (status != QR_OK) {
        qri_sqlite_rollback(session);
        return status;
    }
    if (tran->is_write)
        note_commit(session);
    qri_noted_commit(session);
    qri_locks_release(session); /* before the next writer comes and finds them */
    forget_sqlite(session);
    return QR_OK;
}

/* ---- the bracket ---- */

/* At the outermost statement's end, unless a transaction keeps it. */
static void unpin(struct qr_session *session)
{
    if (session->link != NULL && session->tran.depth <= 1 && !session->tran.sqlite_open)
        qr_conn_unpin(session->link->conn);
}

/* SNAPSHOT, with the writer lock: rows are found in the transaction's own snapshot. */
static enum qr_status begin_write_in_snapshot(struct qr_session *session, enum qri_access access,
                                              struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    struct qr_conn *conn = session->link->conn;
    bool is_newest = is_at_kept(conn) && qr_conn_at_head(conn);
    if (access == QRI_DDL && !is_newest) { /* with it the transaction reads the head only */
        tran->doomed = true;
        return qr_sql_fail(err, 3964);
    }
    if (is_newest && tran->is_write)
        return QR_OK;
    tran->at_kept = true;
    return tran->is_write && is_at_kept(conn) ? QR_OK : rebase_on(session, true, err);
}

static enum qr_status begin_write_in_tran(struct qr_session *session, enum qri_access access,
                                          struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    struct qr_conn *conn = session->link->conn;
    bool snapshot = session->options.isolation == QR_SNAPSHOT;
    QR_TRY(qri_locker_begin(session, false, err));
    if (snapshot && tran->sqlite_open && !tran->holds && qr_conn_kept_lsn(conn).v == 0)
        QR_TRY(qri_kept_begin(session, err));
    QR_TRY(lock_and_refresh(session, false, err));
    tran->lockful = true;
    tran->moved = false;
    if (!tran->sqlite_open)
        QR_TRY(begin_sqlite(session, true, err));
    else if (snapshot && !tran->holds)
        QR_TRY(begin_write_in_snapshot(session, access, err));
    else if (!tran->holds && (!tran->is_write || !qr_conn_at_head(conn)))
        QR_TRY(rebase(session, err));
    if (snapshot && !tran->holds && qr_conn_kept_lsn(conn).v == 0)
        QR_TRY(qri_kept_begin(session, err));
    if (access != QRI_WRITE) /* it finds no rows first */
        QR_TRY(qri_tran_to_head(session, err));
    tran->is_write = true;
    tran->is_ddl = access == QRI_DDL || (!snapshot && qri_tran_is_heavy(session));
    if (tran->is_ddl)
        atomic_store(&session->db->writer_stays, true);
    return QR_OK;
}

static enum qr_status begin_write(struct qr_session *session, enum qri_access access,
                                  struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    QR_TRY(lock_and_refresh(session, false, err));
    atomic_store(&session->db->lockless, true);
    tran->lockful = atomic_load(&session->db->lockers) > 0;
    if (tran->lockful)
        atomic_store(&session->db->lockless, false);
    tran->begin_ticks = qri_now_ticks(session); /* so that the lock's order is that of time */
    if (access == QRI_WRITE_SINGLE)
        return QR_OK;
    tran->statement_open = true;
    if (access == QRI_DDL)
        atomic_store(&session->db->writer_stays, true);
    return begin_sqlite(session, true, err);
}

/* Something that was acknowledged, or that the catalog names, is not in the snapshot. */
static bool is_old(const struct qr_session *session)
{
    struct qr_lsn pinned = qr_conn_pinned_lsn(session->link->conn);
    return !qr_lsn_le(qr_store_durable_lsn(session->db->store), pinned) ||
           !qr_lsn_le(session->commit_lsn, pinned) || !qr_lsn_le(session->catalog_lsn, pinned);
}

/* What a statement that does not write permanent tables reads in a transaction open in SQLite: the
 * newest snapshot, or always the same (on a replica all are snapshots). */
static enum qr_status read_again(struct qr_session *session, struct qr_err *err)
{
    const struct qr_conn *conn = session->link->conn;
    if (session->tran.holds)
        return QR_OK;
    if (session->options.isolation != QR_SNAPSHOT && !qr_store_is_read_only(session->db->store))
        return is_old(session) ? rebase(session, err) : QR_OK;
    bool away = qr_conn_kept_lsn(conn).v != 0 && !is_at_kept(conn);
    return away ? rebase_on(session, true, err) : QR_OK;
}

/* Only #tables are written: SQLite's transaction, without the writer lock. */
static enum qr_status begin_temp(struct qr_session *session, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->sqlite_open)
        return read_again(session, err);
    QR_TRY(pin_snapshot(session, err));
    tran->statement_open = tran->count == 0;
    if (tran->statement_open)
        tran->begin_ticks = qri_now_ticks(session);
    return begin_sqlite(session, false, err);
}

/* A statement of a transaction that reads. */
static enum qr_status begin_read(struct qr_session *session, enum qri_access access,
                                 struct qr_err *err)
{
    const struct qri_tran *tran = &session->tran;
    if (tran->count > 0 && tran->sqlite_open)
        return read_again(session, err);
    QR_TRY(pin_snapshot(session, err));
    bool stays = tran->count > 0 && (session->options.isolation == QR_SNAPSHOT ||
                                     qr_store_is_read_only(session->db->store));
    bool sees_own = qri_tran_is_loose(tran) && access == QRI_READ;
    return stays || sees_own ? begin_sqlite(session, false, err) : QR_OK;
}

static enum qr_status pin_what_is_locked(struct qr_session *session, struct qr_err *err)
{
    session->tran.seen_lsn = qr_lsn_max(session->tran.seen_lsn, qri_stamp_need(session));
    return pin_snapshot(session, err);
}

static enum qr_status begin_loose(struct qr_session *session, struct qr_err *err)
{
    QR_TRY(qri_locker_begin(session, true, err));
    session->tran.lockful = true;
    return pin_what_is_locked(session, err);
}

enum qr_status qri_tran_pin_again(struct qr_session *session, struct qr_err *err)
{
    assert(!session->tran.sqlite_open && session->tran.depth == 1);
    qr_conn_unpin(session->link->conn);
    return pin_what_is_locked(session, err);
}

bool qri_tran_sees_locked(const struct qr_session *session)
{
    return qr_lsn_le(qri_stamp_need(session), qr_conn_pinned_lsn(session->link->conn));
}

static enum qr_status begin_access(struct qr_session *session, enum qri_access access,
                                   struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->doomed && access != QRI_READ && access != QRI_READ_APART)
        return qr_sql_fail(err, 3930);
    if (tran->depth > 0 && tran->sqlite_open) /* within a statement that has seen to it */
        return QR_OK;
    if (access == QRI_READ || access == QRI_READ_APART)
        return begin_read(session, access, err);
    if (access == QRI_WRITE_LOOSE)
        return begin_loose(session, err);
    bool is_read_only = qr_store_is_read_only(session->db->store);
    if (access == QRI_DDL_TEMP && !is_read_only && qri_oplog_is_long(tran->oplog))
        access = QRI_DDL; /* S1: too large to be done again and again */
    if (access == QRI_WRITE_TEMP || access == QRI_DDL_TEMP)
        return begin_temp(session, err);
    return tran->count > 0 ? begin_write_in_tran(session, access, err)
                           : begin_write(session, access, err);
}

/* SQLite forgets what the op log knows. */
static void loosen(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    struct qr_lsn seen_lsn = tran->seen_lsn;
    session->no_interrupt = true;
    if (!sqlite3_get_autocommit(session->link->db))
        (void)!qri_exec(session->link, "ROLLBACK", NULL);
    session->no_interrupt = false;
    assert(sqlite3_get_autocommit(session->link->db));
    forget_sqlite(session);
    tran->seen_lsn = seen_lsn;
}

/* Gives the writer lock back; the transaction's pages stay private. */
static void defer(struct qr_session *session)
{
    struct qr_conn *conn = session->link->conn;
    struct qri_tran *tran = &session->tran;
    if (tran->holds || !tran->sqlite_open)
        return;
    tran->at_kept = false;
    qr_conn_set_private(conn, true);
    tran->seen_lsn = qr_conn_pinned_lsn(conn);
    unlock_writer(session);
    if (session->options.isolation == QR_SNAPSHOT)
        qri_kept_take_catalog(session);
    if (tran->depth == 0 && qri_tran_may_loosen(session))
        loosen(session);
}

void qri_tran_rest(struct qr_session *session)
{
    if (session->link != NULL && session->tran.count > 0 && session->tran.sqlite_open)
        defer(session);
}

/* Nothing is left of a statement that could not begin. */
static void begin_failed(struct qr_session *session)
{
    if (session->tran.depth > 0)
        return;
    if (session->tran.statement_open)
        qri_sqlite_rollback(session);
    if (session->tran.sqlite_open)
        defer(session);
    else
        unlock_writer(session);
}

enum qr_status qri_tran_statement_begin(struct qr_session *session, enum qri_access access,
                                        struct qr_err *err)
{
    QR_TRY(qri_link_take(session, err));
    session->has_pending = false;
    enum qr_status status = begin_access(session, access, err);
    if (status == QR_OK)
        session->tran.depth++;
    else
        begin_failed(session);
    if (status != QR_OK)
        unpin(session);
    return status;
}

static enum qr_status end_outermost(struct qr_session *session, enum qr_status status,
                                    struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    struct qr_conn *conn = session->link->conn;
    if (tran->sqlite_open && tran->statement_open) {
        if (status == QR_OK)
            status = qri_sqlite_commit(session, err);
        else
            qri_sqlite_rollback(session);
    } else if (!tran->sqlite_open && qr_conn_has_writer(conn)) {
        note_commit(session);
        if (status != QR_AGAIN)
            qri_locks_release(session);
        unlock_writer(session);
    } else {
        tran->holds |= tran->is_ddl && tran->sqlite_open && status == QR_OK;
        if (status != QR_OK || !qr_conn_has_writer(conn) || !qri_tran_commits_soon(session))
            defer(session);
    }
    tran->is_ddl = false;
    if (tran->count == 0 && status != QR_AGAIN)
        qri_locks_release(session);
    /* what others have committed shows in the answer, so it has to be durable */
    struct qr_lsn pinned = qr_conn_pinned_lsn(conn);
    if (tran->count > 0 && !tran->sqlite_open)
        tran->seen_lsn = qr_lsn_max(tran->seen_lsn, pinned);
    if (pinned.v > session->answer_lsn)
        session->answer_lsn = pinned.v;
    return status;
}

enum qr_status qri_tran_statement_end(struct qr_session *session, enum qr_status status,
                                      struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    unpin(session);
    if (tran->depth <= 1 && status != QR_AGAIN)
        qr_lock_range_give_up(session->lock_owner);
    if (tran->depth == 0) /* it never began, or a rollback inside has ended everything */
        return status;
    tran->depth--;
    if (tran->depth > 0)
        return status;
    if (tran->sqlite_open && sqlite3_get_autocommit(session->link->db)) {
        if (status == QR_OK)
            return qri_tran_check(session, err);
        if (qri_tran_survives(session)) { /* the statement is undone, in the op log by its guard */
            loosen(session);
            return status;
        }
        qri_tran_abort(session); /* and the error that made SQLite roll back is the one to tell */
        return status;
    }
    return end_outermost(session, status, err);
}
