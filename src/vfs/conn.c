/* conn.c - see vfs/conn.h */
#include "vfs_int.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "page/record.h"
#include "base/banned.h"

enum {
    STATEMENT_JOURNAL_MEMORY_BYTES = 256 << 10,
};

#define PAGES_MAX UINT64_C(4294967294)

/* PROTOTYPE: memory statistics cost 12 to 15 % through a global mutex, the page cache's bulk
 * allocation 80 KB per idle connection. */
static int configure_result;

static void configure_process(void)
{
    int rc = sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, STATEMENT_JOURNAL_MEMORY_BYTES);
    if (rc == SQLITE_OK)
        rc = sqlite3_initialize();
    configure_result = rc;
}

enum qr_status qr_vfs_init(struct qr_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_process);
    if (configure_result != SQLITE_OK)
        return qr_fail(err, QR_BUG, "configure SQLite: %s", sqlite3_errstr(configure_result));
    return QR_OK;
}

static enum qr_status sqlite_fail(struct qr_conn *conn, const char *what, struct qr_err *err)
{
    if (conn->err.status != QR_OK) {
        if (err != NULL)
            *err = conn->err;
        return qr_wrap(err, conn->err.status, "%s", what);
    }
    return qr_fail(err, QR_IO, "%s: %s", what, sqlite3_errmsg(conn->db));
}

static enum qr_status configure(struct qr_conn *conn, int cache_pages, struct qr_err *err)
{
    static const int switches[][2] = {
        {SQLITE_DBCONFIG_DQS_DDL, 0},        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_FKEY, 0},
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
    };
    int reserve = QR_PAGE_RESERVED_BYTES;
    sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve);
    char sql[512];
    /* mmap_size: any value above 0 makes SQLite use xFetch. locking_mode stays NORMAL. */
    snprintf(sql, sizeof sql,
             "PRAGMA page_size=%u; PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=OFF;"
             "PRAGMA mmap_size=1048576; PRAGMA cache_size=%d; PRAGMA secure_delete=OFF;"
             "PRAGMA temp_store=FILE; PRAGMA recursive_triggers=ON",
             qr_store_page_bytes(conn->store), cache_pages);
    if (sqlite3_exec(conn->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fail(conn, "configure connection", err);
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (sqlite3_db_config(conn->db, switches[i][0], switches[i][1], NULL) != SQLITE_OK)
            return sqlite_fail(conn, "configure connection", err);
    return QR_OK;
}

static enum qr_status open_conn(struct qr_conn *conn, const struct qr_conn_options *options,
                                struct qr_err *err)
{
    QR_TRY(qr_txn_new(conn->store, &conn->txn, err));
    QR_TRY(qri_vfs_register(conn, err));
    bool read_only = options != NULL && options->read_only;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (sqlite3_open_v2("/quire", &conn->db, flags, conn->vfs_name) != SQLITE_OK)
        return sqlite_fail(conn, "open connection", err);
    sqlite3_extended_result_codes(conn->db, 1);
    return configure(conn,
                     options != NULL && options->cache_pages > 0 ? options->cache_pages
                                                                 : QR_CONN_CACHE_PAGES,
                     err);
}

enum qr_status qr_conn_open(struct qr_store *store, const struct qr_conn_options *options,
                            struct qr_conn **ret_conn, struct qr_err *err)
{
    QR_AUTO(qr_conn_closep) struct qr_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return qr_fail(err, QR_NOMEM, "connection");
    conn->store = store;
    QR_TRY(open_conn(conn, options, err));
    *ret_conn = QR_TAKE(conn);
    return QR_OK;
}

void qr_conn_close(struct qr_conn *conn)
{
    if (conn == NULL)
        return;
    if (conn->db != NULL) {
        for (sqlite3_stmt *stmt; (stmt = sqlite3_next_stmt(conn->db, NULL)) != NULL;)
            sqlite3_finalize(stmt);
        int rc = sqlite3_close(conn->db);
        assert(rc == SQLITE_OK); /* an open blob or backup would use freed memory later */
        (void)rc;
    }
    if (conn->vfs.zName != NULL)
        sqlite3_vfs_unregister(&conn->vfs);
    qr_conn_unpin(conn);
    qr_conn_drop_kept(conn);
    qr_txn_free(conn->txn);
    qr_writer_release(&conn->writer);
    free(conn->journal.entries);
    free(conn);
}

void qr_conn_closep(struct qr_conn **conn)
{
    qr_conn_close(*conn);
}

sqlite3 *qr_conn_db(struct qr_conn *conn)
{
    return conn->db;
}

struct qr_store *qr_conn_store(struct qr_conn *conn)
{
    return conn->store;
}

void qr_conn_read_at_least(struct qr_conn *conn, struct qr_lsn lsn)
{
    assert(qr_lsn_le(lsn, qr_store_head_lsn(conn->store)));
    conn->at_least = lsn;
}

struct qr_lsn qr_conn_pinned_lsn(const struct qr_conn *conn)
{
    return conn->pinned;
}

bool qr_conn_in_read(const struct qr_conn *conn)
{
    return conn->lock != SQLITE_LOCK_NONE || conn->held;
}

enum qr_status qr_conn_pin(struct qr_conn *conn, struct qr_err *err)
{
    if (qr_conn_in_read(conn) || qr_conn_has_writer(conn))
        return QR_OK;
    if (qri_pin(conn) != SQLITE_OK) {
        if (err != NULL)
            *err = conn->err;
        return conn->err.status;
    }
    conn->held = true;
    return QR_OK;
}

void qr_conn_unpin(struct qr_conn *conn)
{
    if (conn->held && conn->lock == SQLITE_LOCK_NONE)
        qr_txn_unpin(conn->txn);
    conn->held = false;
}

/* So that SQLite refuses the statement that would pass the quota; else the store refuses the
 * commit. The build's own default limit would end at 8 TiB (S9). */
static void tell_page_limit(struct qr_conn *conn)
{
    uint64_t limit = qr_store_max_data_bytes(conn->store) / qr_store_page_bytes(conn->store);
    if (limit == 0 || limit > PAGES_MAX)
        limit = PAGES_MAX;
    if (limit == conn->page_limit)
        return;
    char sql[64];
    sqlite3_stmt *stmt = NULL;
    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%llu", (unsigned long long)limit);
    /* It takes none below the size that the database has: asked again once that is smaller. */
    if (sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        conn->page_limit = sqlite3_column_int64(stmt, 0) == (int64_t)limit ? (uint32_t)limit : 0;
    sqlite3_finalize(stmt);
}

enum qr_status qr_conn_lock_writer(struct qr_conn *conn, uint64_t owner, qr_writer_poll_fn *poll,
                                   void *poll_ctx, struct qr_err *err)
{
    conn->writer.owner = owner;
    tell_page_limit(conn);
    QR_TRY(qr_writer_acquire(conn->store, &conn->writer, poll, poll_ctx, err));
    qr_conn_unpin(conn);
    return QR_OK;
}

void qr_conn_unlock_writer(struct qr_conn *conn)
{
    assert(conn->lock < SQLITE_LOCK_RESERVED || conn->is_private);
    qr_writer_release(&conn->writer);
}

void qr_conn_set_private(struct qr_conn *conn, bool is_private)
{
    assert(is_private || conn->lock < SQLITE_LOCK_RESERVED || qr_conn_has_writer(conn));
    conn->is_private = is_private;
}

enum qr_status qr_conn_keep(struct qr_conn *conn, struct qr_err *err)
{
    assert(conn->kept == NULL && qr_conn_in_read(conn));
    QR_TRY(qr_txn_new(conn->store, &conn->kept, err));
    enum qr_status status = qr_txn_pin_as(conn->kept, conn->txn, err);
    if (status != QR_OK)
        qr_conn_drop_kept(conn);
    return status;
}

struct qr_lsn qr_conn_kept_lsn(const struct qr_conn *conn)
{
    return conn->kept == NULL ? qr_lsn(0) : qr_txn_pinned(conn->kept);
}

void qr_conn_use_kept(struct qr_conn *conn, bool use)
{
    assert(!use || conn->kept != NULL);
    conn->uses_kept = use;
}

void qr_conn_drop_kept(struct qr_conn *conn)
{
    qr_txn_free(conn->kept);
    conn->kept = NULL;
    conn->uses_kept = false;
}

bool qr_conn_at_head(const struct qr_conn *conn)
{
    return qr_txn_at_head(conn->txn);
}

bool qr_conn_has_writer(const struct qr_conn *conn)
{
    return qr_writer_is_held(&conn->writer);
}

struct qr_lsn qr_conn_commit_lsn(const struct qr_conn *conn)
{
    return conn->committed;
}

enum qr_status qr_conn_last_error(const struct qr_conn *conn, struct qr_err *ret_err)
{
    if (ret_err != NULL)
        *ret_err = conn->err;
    return conn->err.status;
}

uint64_t qr_conn_temp_written(const struct qr_conn *conn)
{
    return conn->temp_written;
}

bool qr_conn_over_limit(const struct qr_conn *conn)
{
    return conn->over_limit;
}

bool qr_conn_over_log(const struct qr_conn *conn)
{
    return conn->over_log;
}

enum qr_store_limit qr_conn_over(const struct qr_conn *conn)
{
    bool page_limit = conn->err.status == QR_OK && qr_store_max_data_bytes(conn->store) != 0 &&
                      sqlite3_errcode(conn->db) == SQLITE_FULL; /* SQLite kept to it */
    return page_limit ? QR_LIMIT_QUOTA : conn->over;
}

bool qr_conn_near_limit(const struct qr_conn *conn, uint64_t more_bytes)
{
    uint64_t bytes = (uint64_t)qr_txn_db_pages(conn->txn) * qr_store_page_bytes(conn->store);
    return qr_store_limit_at(conn->store, bytes + more_bytes) != QR_LIMIT_NONE;
}
