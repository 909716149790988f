/* link.c - see link.h */
#include "link.h"
#include "grant_int.h"
#include "sysview_int.h"
#include "texts_int.h"
#include <assert.h>
#include <stdlib.h>
#include "governor/task.h"
#include "base/banned.h"

enum { PROGRESS_OPS = 2000 }; /* virtual machine steps between looks at the attention flag */

/* ---- statements ---- */

static void unlink_idle(struct qri_link *link, struct qri_stmt *stmt)
{
    struct qri_stmt **at = &link->buckets[stmt->hash % QRI_LINK_BUCKETS];
    while (*at != stmt)
        at = &(*at)->bucket_next;
    *at = stmt->bucket_next;
    *(stmt->newer == NULL ? &link->newest : &stmt->newer->older) = stmt->older;
    *(stmt->older == NULL ? &link->oldest : &stmt->older->newer) = stmt->newer;
    link->idle_count--;
}

static void free_stmt(struct qri_stmt *stmt)
{
    sqlite3_finalize(stmt->stmt);
    free(stmt);
}

static void note_prepared(struct qr_session *session, const struct qri_making *making,
                          sqlite3_stmt *stmt)
{
    int64_t *of = session->made.of;
    qri_making_end(session, making, &of[QRI_MADE_OPTIMIZE_NS], &of[QRI_MADE_OPTIMIZE_CPU_NS]);
    of[QRI_MADE_BYTES] += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_MEMUSED, 0);
}

static enum qr_status prepare(struct qri_link *link, struct qri_sql sql, struct qri_stmt **ret_stmt,
                              struct qr_err *err)
{
    struct qri_stmt *stmt = calloc(1, sizeof *stmt);
    if (stmt == NULL)
        return qr_fail(err, QR_NOMEM, "prepare a statement");
    struct qr_session *session = link->session;
    struct qri_making making = {0};
    if (session != NULL)
        making = qri_making_begin(session);
    int rc = sqlite3_prepare_v3(link->db, sql.text.p, (int)sql.text.n, SQLITE_PREPARE_PERSISTENT,
                                &stmt->stmt, NULL);
    if (session != NULL && rc == SQLITE_OK)
        note_prepared(session, &making, stmt->stmt);
    if (rc != SQLITE_OK) {
        free(stmt);
        enum qr_status status = qri_sqlite_fail(link, rc, err);
        assert(status != QR_OK);
        return status;
    }
    stmt->hash = sql.hash;
    stmt->text = qr_str_n(sqlite3_sql(stmt->stmt), sql.text.n);
    *ret_stmt = stmt;
    return QR_OK;
}

enum qr_status qri_stmt_take(struct qri_link *link, struct qri_sql sql, struct qri_stmt **ret_stmt,
                             struct qr_err *err)
{
    struct qri_stmt *stmt = link->buckets[sql.hash % QRI_LINK_BUCKETS];
    while (stmt != NULL && (stmt->hash != sql.hash || !qr_str_eq(stmt->text, sql.text)))
        stmt = stmt->bucket_next;
    if (stmt == NULL)
        return prepare(link, sql, ret_stmt, err);
    unlink_idle(link, stmt);
    *ret_stmt = stmt;
    return QR_OK;
}

void qri_stmt_put(struct qri_link *link, struct qri_stmt *stmt)
{
    if (stmt == NULL)
        return;
    sqlite3_reset(stmt->stmt);
    sqlite3_clear_bindings(stmt->stmt); /* copies of long values do not wait with it */
    if (link->idle_count >= QRI_LINK_STMTS_MAX) {
        struct qri_stmt *oldest = link->oldest;
        unlink_idle(link, oldest);
        free_stmt(oldest);
    }
    struct qri_stmt **bucket = &link->buckets[stmt->hash % QRI_LINK_BUCKETS];
    stmt->bucket_next = *bucket;
    *bucket = stmt;
    stmt->newer = NULL;
    stmt->older = link->newest;
    *(link->newest == NULL ? &link->oldest : &link->newest->newer) = stmt;
    link->newest = stmt;
    link->idle_count++;
}

enum qr_status qri_stmt_step(struct qri_link *link, struct qri_stmt *stmt, bool *ret_row,
                             struct qr_err *err)
{
    int rc = sqlite3_step(stmt->stmt);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        *ret_row = rc == SQLITE_ROW;
        return QR_OK;
    }
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        return QR_EXISTS;
    return qri_sqlite_fail(link, rc, err);
}

enum qr_status qri_exec(struct qri_link *link, const char *sql, struct qr_err *err)
{
    struct qri_stmt *stmt = NULL;
    QR_TRY(qri_stmt_take(link, qri_sql(qr_str(sql)), &stmt, err));
    bool row = false;
    enum qr_status status = qri_stmt_step(link, stmt, &row, err);
    qri_stmt_put(link, stmt);
    return status;
}

/* ---- errors ---- */

/* An error whose text names the database; `why` is the second argument of the few that have one. */
static enum qr_status database_fail(const struct qri_link *link, int number, const char *why,
                                    struct qr_err *err)
{
    const char *p = qri_info(link->database)->name.p; /* a copy, so it ends with a NUL */
    return why == NULL ? qr_sql_fail(err, number, p) : qr_sql_fail(err, number, p, why);
}

/* Nobody gave the page in the time that one may take. Not what the same status means of a lock, or
 * of the session itself: the client may try again. */
static enum qr_status unreachable(const struct qri_link *link, enum qr_status status,
                                  const struct qr_err *why, struct qr_err *err)
{
    QR_LOG(link->database->instance->options.log, QR_WARN, "storage_unreachable",
           QR_F("db", qri_info(link->database)->name), QR_F("reason", &why->text[0]));
    return qr_sql_fail(err, 40197, (int)status);
}

enum qr_status qri_sqlite_fail(struct qri_link *link, int rc, struct qr_err *err)
{
    struct qr_session *session = link->session;
    if (session != NULL && session->has_pending) {
        session->has_pending = false;
        if (err != NULL)
            *err = session->pending;
        return session->pending.status;
    }
    struct qr_err store_err = {0};
    enum qr_status store_status = qr_conn_last_error(link->conn, &store_err);
    bool is_full = store_status == QR_FULL || (rc & 0xff) == SQLITE_FULL;
    enum qr_store_limit over = is_full ? qr_conn_over(link->conn) : QR_LIMIT_NONE;
    if (over == QR_LIMIT_QUOTA)
        return database_fail(link, 40544, NULL, err);
    if (over == QR_LIMIT_POOL)
        return qr_sql_fail(err, 1132,
                           (int)(qr_store_pool_bytes_max(qr_conn_store(link->conn)) >> 20));
    if (over == QR_LIMIT_LOCAL)
        return qr_sql_fail(err, 1105, "data_0", "", qri_info(link->database)->name.p, "PRIMARY");
    if (is_full && qr_conn_over_log(link->conn))
        return database_fail(link, 9002, "ACTIVE_TRANSACTION", err);
    if (store_status == QR_FULL && qr_conn_over_limit(link->conn))
        return qr_sql_fail(err, 40552);
    bool killed = session != NULL && atomic_load(&session->killed) != 0;
    if (store_status == QR_TIMEOUT || store_status == QR_BUSY ||
        (store_status == QR_CLOSED && !killed))
        return unreachable(link, store_status, &store_err, err);
    if (store_status != QR_OK) {
        if (err != NULL)
            *err = store_err;
        return store_status;
    }
    const char *text = sqlite3_errmsg(link->db);
    switch (rc & 0xff) {
    case SQLITE_INTERRUPT:
        return qr_fail(err, QR_CANCELLED, "the statement was cancelled");
    case SQLITE_NOMEM:
        return qr_fail(err, QR_NOMEM, "run a statement");
    case SQLITE_FULL:
        return qr_fail(err, QR_FULL, "no space is left in the database");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return qr_fail(err, QR_CORRUPT, "%s", text);
    case SQLITE_IOERR:
        return qr_fail(err, QR_IO, "%s", text);
    case SQLITE_TOOBIG:
        return qr_sql_fail(err, 511, (int)0, (int)8060);
    case SQLITE_BUSY:
        return qr_fail(err, QR_BUSY, "%s", text);
    case SQLITE_SCHEMA:
        return qr_fail(err, QR_NOT_FOUND, "%s", text);
    default:
        return qr_fail(err, QR_BUG, "SQLite %d: %s", rc, text);
    }
}

/* ---- opening ---- */

static int on_progress(void *arg)
{
    struct qri_link *link = arg;
    struct qr_session *session = link->session;
    qr_gov_poll();
    if (session == NULL || session->no_interrupt)
        return 0;
    return atomic_load_explicit(&session->killed, memory_order_relaxed) ||
           (session->sink != NULL && session->sink->cancelled(session->sink->ctx));
}

/* Our own text only names our own tables and functions; what else could get in is refused. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *db,
                     const char *trigger)
{
    (void)arg;
    (void)a;
    (void)b;
    (void)db;
    (void)trigger;
    return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

static enum qr_status open_link(struct qr_database *db, struct qri_link **ret_link,
                                struct qr_err *err)
{
    struct qri_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return qr_fail(err, QR_NOMEM, "open a connection");
    link->database = db;
    enum qr_status status = qr_conn_open(db->store, NULL, &link->conn, err);
    if (status == QR_OK) {
        link->db = qr_conn_db(link->conn);
        sqlite3_progress_handler(link->db, PROGRESS_OPS, on_progress, link);
        sqlite3_set_authorizer(link->db, authorize, link);
        status = qri_functions_register(link, err);
    }
    if (status == QR_OK)
        status = qri_rows_register(link, err);
    if (status == QR_OK)
        status = qri_feed_register(link, err);
    if (status == QR_OK)
        status = qri_sysviews_register(link, err);
    if (status != QR_OK) {
        qri_link_free(link);
        return status;
    }
    *ret_link = link;
    return QR_OK;
}

void qri_link_free(struct qri_link *link)
{
    if (link == NULL)
        return;
    while (link->newest != NULL) {
        struct qri_stmt *stmt = link->newest;
        unlink_idle(link, stmt);
        free_stmt(stmt);
    }
    qr_conn_close(link->conn);
    free(link);
}

enum qr_status qri_link_take(struct qr_session *session, struct qr_err *err)
{
    if (session->link != NULL)
        return QR_OK;
    struct qr_database *db = session->db;
    pthread_mutex_lock(&db->mu);
    struct qri_link *link = db->idle_links;
    if (link != NULL) {
        db->idle_links = link->next;
        db->idle_link_count--;
    }
    pthread_mutex_unlock(&db->mu);
    if (link == NULL)
        QR_TRY(open_link(db, &link, err));
    link->next = NULL;
    link->session = session;
    session->link = link;
    return QR_OK;
}

/* Opening one costs more than a small transaction, so each session may need its own again. */
static size_t idle_max(const struct qr_database *db, size_t sessions)
{
    size_t always = db->instance->options.connections_idle_max;
    return sessions > always ? sessions : always;
}

void qri_link_put(struct qr_session *session)
{
    struct qri_link *link = session->link;
    if (link == NULL || session->tran.sqlite_open || session->temp != NULL)
        return;
    assert(sqlite3_get_autocommit(link->db));
    qri_grant_shrink(link);
    struct qr_database *db = session->db;
    session->link = NULL;
    link->session = NULL;
    pthread_mutex_lock(&db->mu);
    bool keep = db->idle_link_count < idle_max(db, db->session_count);
    if (keep) {
        link->next = db->idle_links;
        db->idle_links = link;
        db->idle_link_count++;
    }
    pthread_mutex_unlock(&db->mu);
    if (!keep)
        qri_link_free(link);
}

void qri_link_trim(struct qr_database *db)
{
    struct qri_link *link = NULL;
    pthread_mutex_lock(&db->mu);
    if (db->idle_link_count > idle_max(db, db->session_count - 1)) {
        link = db->idle_links;
        db->idle_links = link->next;
        db->idle_link_count--;
    }
    pthread_mutex_unlock(&db->mu);
    qri_link_free(link);
}

void qri_link_drop(struct qr_session *session)
{
    qri_link_free(session->link);
    session->link = NULL;
}
