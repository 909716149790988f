/* follow.c - the catalog of a database whose commits come from elsewhere (a replica); see
 * engine_int.h
 *
 * There nobody tells that the catalog has changed, so every new snapshot is asked for the version
 * that its META row has: before a statement is compiled the newest one, when it runs its own. */
#include "frame.h"
#include "base/banned.h"

static const char version_sql[] = "SELECT body FROM qcat WHERE kind = 0 AND id = 0";

static enum qr_status decode_version(sqlite3_stmt *stmt, uint64_t *ret_version, struct qr_err *err)
{
    return qri_catalog_version(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                               ret_version, err);
}

static enum qr_status read_version(struct qri_link *link, uint64_t *ret_version, struct qr_err *err)
{
    struct qri_stmt *stmt = NULL;
    bool row = false;
    QR_TRY(qri_stmt_take(link, qri_sql(qr_str(version_sql)), &stmt, err));
    enum qr_status status = qri_stmt_step(link, stmt, &row, err);
    if (status == QR_OK && !row)
        status = qr_fail(err, QR_CORRUPT, "the catalog has no META row");
    if (status == QR_OK)
        status = decode_version(stmt->stmt, ret_version, err);
    qri_stmt_put(link, stmt);
    return status;
}

/* With catalog_mu held. */
static enum qr_status replace(struct qr_database *db, sqlite3 *conn, struct qr_lsn lsn,
                              struct qr_err *err)
{
    struct qri_catalog *fresh = NULL;
    QR_TRY(qr_wrap(err, qri_catalog_load(conn, qri_info(db), &fresh, err), "load the catalog"));
    qri_catalog_unref(db->catalog);
    db->catalog = fresh;
    db->catalog_lsn = lsn;
    atomic_store(&db->catalog_serial, atomic_fetch_add(&db->last_serial, 1) + 1);
    return QR_OK;
}

/* With catalog_mu held; looks with a connection of its own. What fails here fails again, and is
 * told, when a statement pins its snapshot. */
static void look(struct qr_database *db)
{
    uint64_t version = 0;
    if (db->follow_conn == NULL && qr_conn_open(db->store, NULL, &db->follow_conn, NULL) != QR_OK)
        return;
    sqlite3 *conn = qr_conn_db(db->follow_conn);
    if (db->follow_stmt == NULL &&
        sqlite3_prepare_v2(conn, version_sql, -1, &db->follow_stmt, NULL) != SQLITE_OK)
        return;
    if (qr_conn_pin(db->follow_conn, NULL) != QR_OK)
        return;
    struct qr_lsn lsn = qr_conn_pinned_lsn(db->follow_conn);
    bool known = sqlite3_step(db->follow_stmt) == SQLITE_ROW &&
                 decode_version(db->follow_stmt, &version, NULL) == QR_OK;
    sqlite3_reset(db->follow_stmt);
    if (known && (version <= db->catalog->cat.version || replace(db, conn, lsn, NULL) == QR_OK))
        atomic_store(&db->followed_lsn, lsn.v);
    qr_conn_unpin(db->follow_conn);
}

void qri_follow_newest(struct qr_database *db)
{
    if (qr_store_durable_lsn(db->store).v == atomic_load(&db->followed_lsn))
        return;
    pthread_mutex_lock(&db->catalog_mu);
    look(db);
    pthread_mutex_unlock(&db->catalog_mu);
}

void qri_follow_done(struct qr_database *db)
{
    sqlite3_finalize(db->follow_stmt);
    qr_conn_close(db->follow_conn);
}

enum qr_status qri_follow(struct qr_session *session, bool *ret_again, struct qr_err *err)
{
    struct qr_database *db = session->db;
    struct qr_lsn lsn = qr_conn_pinned_lsn(session->link->conn);
    uint64_t version = 0;
    *ret_again = false;
    if (session->followed_serial == session->catalog_serial &&
        qr_lsn_eq(lsn, session->followed_lsn))
        return QR_OK;
    QR_TRY(read_version(session->link, &version, err));
    if (version == session->catalog->cat.version) {
        session->followed_lsn = lsn;
        session->followed_serial = session->catalog_serial;
        return QR_OK;
    }
    *ret_again = true; /* also when another session was faster: a snapshot as new as its catalog */
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&db->catalog_mu);
    if (version > db->catalog->cat.version)
        status = replace(db, session->link->db, lsn, err);
    pthread_mutex_unlock(&db->catalog_mu);
    return status;
}

enum qr_status qri_follow_head(struct qr_session *session, struct qr_err *err)
{
    struct qr_database *db = session->db;
    uint64_t version = 0;
    QR_TRY(read_version(session->link, &version, err));
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&db->catalog_mu);
    if (version != db->catalog->cat.version)
        status = replace(db, session->link->db, qr_store_head_lsn(db->store), err);
    if (status == QR_OK)
        atomic_store(&db->follows, false); /* from here on every change comes by this process */
    pthread_mutex_unlock(&db->catalog_mu);
    return status;
}
