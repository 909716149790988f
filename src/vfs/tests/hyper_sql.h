/* hyper_sql.h - SQL on connections of hyper stores in a simulation. */
#pragma once
#include "hyper_world.h"

static inline struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    hw_check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static inline int run(struct qr_conn *conn, const char *sql)
{
    return sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL);
}

static inline void must_run(struct qr_conn *conn, const char *sql)
{
    if (run(conn, sql) != SQLITE_OK) {
        struct qr_err err = {0};
        (void)qr_conn_last_error(conn, &err);
        fail_msg("%s: %s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)), err.text);
    }
}

/* Publishes it; nothing is durable yet. */
static inline void publish(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    hw_check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    must_run(conn, sql);
    qr_conn_unlock_writer(conn);
}

static inline void commit(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    publish(conn, sql);
    hw_check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

static inline int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        struct qr_err err = {0};
        (void)qr_conn_last_error(conn, &err);
        fail_msg("%s: %s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)), err.text);
    }
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static inline void assert_sound(struct qr_conn *conn)
{
    assert_int_equal(
        number(conn, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
        1);
}
