/* tran.c - the session's transaction and SQLite's; see engine_int.h
 *
 * T-SQL's transaction begins at BEGIN TRAN and may be nothing but a count. SQLite's begins with the
 * first statement that writes (or that has to see one snapshot), with the writer lock held, and
 * ends with it: COMMIT publishes, then the lock goes, then the answer waits for the LSN (S2). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "applock_int.h"
#include "frame.h"
#include "base/banned.h"

enum { ISOLATION_REPEATABLE = 3, ISOLATION_SERIALIZABLE = 4, ISOLATION_SNAPSHOT = 5 };

static _Atomic uint64_t last_descriptor;

/* ---- the writer lock ---- */

struct waiting {
    struct qr_session *session;
    int64_t begun_ns;
    bool blocked; /* the pool was told */
};

static enum qr_status poll_wait(void *ctx)
{
    struct waiting *w = ctx;
    struct qr_session *session = w->session;
    if (!w->blocked && session->sink != NULL) {
        w->blocked = true;
        session->sink->block_begin(session->sink->ctx);
    }
    if (atomic_load_explicit(&session->killed, memory_order_relaxed))
        return QR_CLOSED;
    if (session->sink != NULL && session->sink->cancelled(session->sink->ctx))
        return QR_CANCELLED;
    int32_t timeout_ms = session->options.lock_timeout_ms;
    int64_t waited_ns = qr_env_mono_ns(session->db->instance->options.env) - w->begun_ns;
    if (timeout_ms >= 0 && waited_ns / 1000000 >= timeout_ms)
        return QR_TIMEOUT;
    return QR_OK;
}

static enum qr_status lock_writer(struct qr_session *session, struct qr_err *err)
{
    if (qr_conn_has_writer(session->link->conn))
        return QR_OK;
    struct waiting w = {.session = session,
                        .begun_ns = qr_env_mono_ns(session->db->instance->options.env)};
    enum qr_status status =
        qr_conn_lock_writer(session->link->conn, session->id, poll_wait, &w, err);
    if (w.blocked)
        session->sink->block_end(session->sink->ctx);
    if (status == QR_TIMEOUT)
        return qr_sql_fail(err, 1222);
    if (status == QR_READ_ONLY)
        return qr_sql_fail(err, 3906, qri_info(session->db)->name.p);
    return status;
}

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

/* ---- SQLite's side ---- */

static void release_savepoints(struct qri_tran *tran, size_t from)
{
    for (size_t i = from; i < tran->savepoint_count; i++)
        qri_pictures_drop(&tran->savepoints[i].pictures);
    tran->savepoint_count = from;
}

static enum qr_status make_savepoint(struct qr_session *session, size_t index, struct qr_err *err)
{
    char sql[48];
    snprintf(sql, sizeof sql, "SAVEPOINT t%zu", index);
    session->tran.savepoints[index].guard_depth = session->tran.guard_depth;
    return qri_exec(session->link, sql, err);
}

static enum qr_status begin_sqlite(struct qr_session *session, bool write, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    QR_TRY(qri_exec(session->link, write ? "BEGIN IMMEDIATE" : "BEGIN", err));
    tran->sqlite_open = true;
    tran->is_write = write;
    tran->temp_before = session->temp == NULL ? NULL : qri_catalog_ref(session->temp);
    for (size_t i = 0; i < tran->savepoint_count; i++) /* taken before there was anything to save */
        QR_TRY(make_savepoint(session, i, err));
    return QR_OK;
}

static void note_commit(struct qr_session *session)
{
    struct qr_lsn lsn = qr_conn_commit_lsn(session->link->conn);
    session->commit_lsn = qr_lsn_max(session->commit_lsn, lsn);
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

static void forget_sqlite(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    tran->sqlite_open = tran->statement_open = tran->is_write = false;
    tran->guard_depth = 0;
    qri_catalog_unref(tran->temp_before);
    tran->temp_before = NULL;
    qr_conn_unpin(session->link->conn);
    qr_conn_unlock_writer(session->link->conn);
}

static void rollback_sqlite(struct qr_session *session)
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
    forget_sqlite(session);
    if (changed) {
        session->catalog_serial = 0;
        qri_session_refresh_catalog(session);
    }
}

static enum qr_status commit_sqlite(struct qr_session *session, struct qr_err *err)
{
    if (!session->tran.sqlite_open)
        return QR_OK;
    session->no_interrupt = true;
    enum qr_status status = session->tran.catalog_changed ? commit_catalog(session, err)
                                                          : qri_exec(session->link, "COMMIT", err);
    session->no_interrupt = false;
    if (status != QR_OK) {
        rollback_sqlite(session);
        return status;
    }
    if (session->tran.is_write)
        note_commit(session);
    forget_sqlite(session);
    return QR_OK;
}

/* ---- statements ---- */

static void choose_snapshot(struct qr_session *session)
{
    struct qr_lsn lsn = session->commit_lsn;
    if (session->catalog_lsn.v > lsn.v) /* the catalog names what only this commit made */
        lsn = session->catalog_lsn;
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

/* At the outermost statement's end, unless a transaction keeps it. */
static void unpin(struct qr_session *session)
{
    if (session->link != NULL && session->tran.depth <= 1 && !session->tran.sqlite_open)
        qr_conn_unpin(session->link->conn);
}

static enum qr_status lock_and_refresh(struct qr_session *session, struct qr_err *err)
{
    QR_TRY(lock_writer(session, err));
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

/* A snapshot that was read from becomes one that is written to. */
static enum qr_status upgrade(struct qr_session *session, struct qr_err *err)
{
    QR_TRY(lock_writer(session, err));
    struct qr_lsn head = qr_store_head_lsn(session->db->store);
    if (qr_conn_in_read(session->link->conn) &&
        !qr_lsn_eq(head, qr_conn_pinned_lsn(session->link->conn))) {
        qr_conn_unlock_writer(session->link->conn);
        session->tran.doomed = true;
        return qr_sql_fail(err, 3960, "the table", "the database");
    }
    session->tran.is_write = true;
    return QR_OK;
}

static enum qr_status begin_access(struct qr_session *session, enum qri_access access,
                                   struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    uint8_t isolation = session->options.isolation;
    bool replica =
        qr_store_is_read_only(session->db->store); /* all its transactions are snapshots */
    bool write = access != QRI_READ && !(replica && access == QRI_WRITE_TEMP);
    if (tran->doomed && access != QRI_READ)
        return qr_sql_fail(err, 3930);
    if (tran->sqlite_open)
        return write && !tran->is_write && tran->count > 0 ? upgrade(session, err) : QR_OK;
    if (access == QRI_READ) {
        if (tran->count == 0 || isolation < ISOLATION_REPEATABLE)
            return pin_snapshot(session, err);
        if (isolation == ISOLATION_SNAPSHOT || replica) {
            QR_TRY(pin_snapshot(session, err));
            return begin_sqlite(session, false, err);
        }
        QR_TRY(lock_and_refresh(session, err)); /* what was read stays as it is */
        return begin_sqlite(session, true, err);
    }
    if (access == QRI_WRITE_TEMP && (tran->count == 0 || replica)) {
        QR_TRY(pin_snapshot(session, err));
        tran->statement_open = tran->count == 0;
        return begin_sqlite(session, false, err);
    }
    QR_TRY(lock_and_refresh(session, err));
    if (access == QRI_WRITE_SINGLE && tran->count == 0)
        return QR_OK;
    tran->statement_open = tran->count == 0;
    enum qr_status status = begin_sqlite(session, true, err);
    if (status != QR_OK)
        qr_conn_unlock_writer(session->link->conn);
    return status;
}

enum qr_status qri_tran_statement_begin(struct qr_session *session, enum qri_access access,
                                        struct qr_err *err)
{
    QR_TRY(qri_link_take(session, err));
    session->has_pending = false;
    enum qr_status status = begin_access(session, access, err);
    if (status == QR_OK)
        session->tran.depth++;
    else if (session->tran.depth == 0 && session->tran.statement_open)
        rollback_sqlite(session);
    if (status != QR_OK)
        unpin(session);
    return status;
}

enum qr_status qri_tran_statement_end(struct qr_session *session, enum qr_status status,
                                      struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    unpin(session);
    if (tran->depth == 0) /* it never began, or a rollback inside has ended everything */
        return status;
    tran->depth--;
    if (tran->depth > 0)
        return status;
    struct qri_link *link = session->link;
    if (tran->sqlite_open && sqlite3_get_autocommit(link->db)) {
        if (status == QR_OK)
            return qri_tran_check(session, err);
        qri_tran_abort(session); /* and the error that made SQLite roll back is the one to tell */
        return status;
    }
    if (tran->sqlite_open && tran->statement_open) {
        if (status == QR_OK)
            status = commit_sqlite(session, err);
        else
            rollback_sqlite(session);
    } else if (!tran->sqlite_open && qr_conn_has_writer(link->conn)) {
        note_commit(session);
        qr_conn_unlock_writer(link->conn);
    }
    /* a writer's too: it ran at the head, which may not be durable yet (S2) */
    struct qr_lsn pinned = qr_conn_pinned_lsn(link->conn);
    if (pinned.v > session->answer_lsn)
        session->answer_lsn = pinned.v;
    return status;
}

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
    *guard = (struct qri_guard){++tran->guard_depth, tran->savepoint_count};
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
        release_savepoints(tran, guard->savepoint_count);
        if (sqlite3_get_autocommit(session->link->db))
            return status;
        if (exec_numbered(session, "ROLLBACK TO s%zu", guard->depth, NULL) == QR_OK)
            (void)!exec_numbered(session, "RELEASE s%zu", guard->depth, NULL);
        return status;
    }
    /* releasing would take SAVE TRANSACTIONs made since along; left open it does no harm */
    if (tran->savepoint_count > guard->savepoint_count)
        return QR_OK;
    return exec_numbered(session, "RELEASE s%zu", guard->depth, err);
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

static void end_tran(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    release_savepoints(tran, 0);
    qr_arena_done(&tran->arena);
    tran->savepoints = NULL;
    tran->savepoint_capacity = 0;
    tran->name = (struct qr_str){0};
    tran->count = 0;
    tran->depth = 0;
    tran->doomed = false;
    tran->descriptor = 0;
    qri_applocks_release(session, false);
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
    return tell(session, QR_ENV_BEGIN_TRAN, tran->descriptor);
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
    enum qr_status status = commit_sqlite(session, err);
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
    if (tran->sqlite_open) {
        char sql[48];
        snprintf(sql, sizeof sql, "ROLLBACK TO t%zu", index);
        QR_TRY(qri_exec(session->link, sql, err));
        tran->guard_depth = save->guard_depth;
    }
    qri_pictures_go_back(session, &save->pictures);
    release_savepoints(tran, index + 1);
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
        rollback_sqlite(session);
    end_tran(session);
    return tell(session, QR_ENV_ROLLBACK_TRAN, descriptor);
}

enum qr_status qri_tran_save(struct qr_session *session, struct qr_str name, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    if (tran->count == 0)
        return qr_sql_fail(err, 628);
    if (tran->doomed)
        return qr_sql_fail(err, 3931);
    tran->savepoints = qr_arena_grow(&tran->arena, tran->savepoints, tran->savepoint_count,
                                     &tran->savepoint_capacity, tran->savepoint_count + 1,
                                     sizeof *tran->savepoints);
    if (tran->savepoints == NULL)
        return qr_fail(err, QR_NOMEM, "save the transaction");
    struct qri_savepoint *save = &tran->savepoints[tran->savepoint_count++];
    *save = (struct qri_savepoint){.name = qr_arena_str(&tran->arena, name)};
    qri_pictures_take(session, &save->pictures);
    if (tran->sqlite_open)
        return make_savepoint(session, tran->savepoint_count - 1, err);
    return QR_OK;
}

void qri_tran_abort(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    uint64_t descriptor = tran->descriptor;
    if (session->link != NULL) {
        rollback_sqlite(session);
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
