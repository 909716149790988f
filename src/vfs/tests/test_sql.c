/* test_sql.c - SQLite on a store does what SQLite does, on the machine's own files. */
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "vfs/conn.h"

static char dir[64];

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static struct qr_store *create_store(const struct qr_store_options *options)
{
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    snprintf(dir, sizeof dir, "/tmp/qr-test-sql.XXXXXX");
    assert_non_null(mkdtemp(dir));
    check(qr_store_create(dir, options, &store, &err), &err);
    return store;
}

static struct qr_store *open_store(const struct qr_store_options *options)
{
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    check(qr_store_open(dir, options, &store, &err), &err);
    return store;
}

static void close_and_remove(struct qr_store *store)
{
    struct qr_err err = {0};
    check(qr_store_close(store, &err), &err);
    check(qr_store_remove(qr_env_real(), dir, &err), &err);
}

static struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static int run(struct qr_conn *conn, const char *sql)
{
    return sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL);
}

static void must_run(struct qr_conn *conn, const char *sql)
{
    int rc = run(conn, sql);
    if (rc != SQLITE_OK)
        fail_msg("%s: %s (%s)", sql, sqlite3_errmsg(qr_conn_db(conn)), sqlite3_errstr(rc));
}

/* Under the writer lock, and durable. */
static void write_sql(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    must_run(conn, sql);
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)));
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        fail_msg("%s: %s (%d)", sql, sqlite3_errmsg(qr_conn_db(conn)), rc);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void assert_sound(struct qr_conn *conn)
{
    assert_int_equal(number(conn, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static void test_committed_rows_survive_close_and_open(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn *conn = connect_to(store);
    write_sql(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    for (int i = 0; i < 100; i++)
        write_sql(conn, "INSERT INTO t(b) VALUES(hex(randomblob(100)))");
    int64_t sum = number(conn, "SELECT sum(length(b)) + count(*) FROM t");
    qr_conn_close(conn);
    for (int round = 0; round < 3; round++) {
        struct qr_err err = {0};
        if (round == 1)
            qr_store_abandon(store);
        else
            check(qr_store_close(store, &err), &err);
        store = open_store(NULL);
        conn = connect_to(store);
        assert_int_equal(number(conn, "SELECT sum(length(b)) + count(*) FROM t"), sum);
        assert_sound(conn);
        write_sql(conn, "UPDATE t SET b = b WHERE a = 5");
        write_sql(conn, "INSERT INTO t(b) VALUES('x')");
        sum += 2;
        qr_conn_close(conn);
    }
    close_and_remove(store);
}

static void test_uncommitted_and_rolled_back_changes_are_not_seen(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn *a = connect_to(store), *b = connect_to(store);
    struct qr_err err = {0};
    write_sql(a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1, 'one')");
    check(qr_conn_lock_writer(a, 1, NULL, NULL, &err), &err);
    must_run(a, "BEGIN; UPDATE t SET b = 'two'; INSERT INTO t VALUES(2, 'x')");
    assert_int_equal(number(b, "SELECT count(*) FROM t WHERE b = 'one'"), 1);
    assert_int_equal(number(a, "SELECT count(*) FROM t"), 2);
    must_run(a, "ROLLBACK");
    assert_int_equal(number(a, "SELECT count(*) FROM t WHERE b = 'one'"), 1);
    qr_conn_unlock_writer(a);
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 1);
    assert_int_equal(run(b, "INSERT INTO t VALUES(3, 'no lock')"), SQLITE_BUSY);
    qr_conn_close(a);
    qr_conn_close(b);
    close_and_remove(store);
}

/* Rollbacks after SQLite spilled dirty pages, with savepoints and a failing statement between. */
static void test_rollback_after_spill_restores_every_page(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn_options options = {.cache_pages = 10};
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, &options, &conn, &err), &err);
    write_sql(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE);"
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000)"
                    "INSERT INTO t SELECT i, 'row ' || i || hex(zeroblob(100)) FROM n");
    int64_t sum = number(conn, "SELECT sum(a * length(b)) FROM t");
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    must_run(conn, "BEGIN; UPDATE t SET b = 'new ' || a; SAVEPOINT s; DELETE FROM t WHERE a % 2");
    must_run(conn, "ROLLBACK TO s");
    assert_int_equal(number(conn, "SELECT count(*) FROM t WHERE b LIKE 'new %'"), 5000);
    assert_int_equal(run(conn, "UPDATE t SET b = 'same' WHERE a > 100"), SQLITE_CONSTRAINT_UNIQUE);
    assert_int_equal(number(conn, "SELECT count(*) FROM t WHERE b LIKE 'new %'"), 5000);
    must_run(conn, "ROLLBACK");
    assert_int_equal(number(conn, "SELECT sum(a * length(b)) FROM t"), sum);
    assert_sound(conn);
    must_run(conn, "BEGIN; DELETE FROM t WHERE a % 3; COMMIT");
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err),
          &err); /* readers see that */
    sum = number(conn, "SELECT sum(a * length(b)) FROM t");
    qr_conn_close(conn);
    qr_store_abandon(store);
    store = open_store(NULL);
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT sum(a * length(b)) FROM t"), sum);
    assert_sound(conn);
    qr_conn_close(conn);
    close_and_remove(store);
}

/* A new root page has to have one number; where that is the free list's first page, SQLite journals
 * the next free page as it was in memory when it became free, which nobody wrote. */
static void test_a_rollback_goes_on_behind_a_page_that_was_free(void **state)
{
    (void)state;
    for (int rows = 5; rows <= 80; rows++) {
        struct qr_store *store = create_store(NULL);
        struct qr_conn *conn = connect_to(store);
        struct qr_err err = {0};
        char sql[300];
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)"
                 "INSERT INTO t SELECT i, hex(zeroblob(300)) || i FROM n",
                 rows);
        write_sql(conn, "PRAGMA auto_vacuum = INCREMENTAL;"
                        "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)");
        write_sql(conn, sql);
        write_sql(conn, "DELETE FROM t WHERE a > 0");
        check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
        must_run(conn, "BEGIN; CREATE TABLE u(a PRIMARY KEY, b UNIQUE); ROLLBACK");
        qr_conn_unlock_writer(conn);
        write_sql(conn, "CREATE TABLE u(a PRIMARY KEY, b UNIQUE); INSERT INTO u VALUES(1, 2)");
        assert_sound(conn);
        qr_conn_close(conn);
        close_and_remove(store);
    }
}

static void test_an_old_snapshot_stays_the_same_while_others_write(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn *a = connect_to(store), *b = connect_to(store);
    write_sql(a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)"
                 "INSERT INTO t SELECT i, 0 FROM n");
    must_run(b, "BEGIN");
    assert_int_equal(number(b, "SELECT sum(b) FROM t"), 0);
    struct qr_lsn pinned = qr_conn_pinned_lsn(b);
    for (int i = 0; i < 50; i++) {
        write_sql(a, "UPDATE t SET b = b + 1");
        assert_int_equal(number(b, "SELECT sum(b) FROM t"), 0);
    }
    assert_int_equal(number(a, "SELECT sum(b) FROM t"), 100000);
    assert_true(qr_lsn_eq(qr_conn_pinned_lsn(b), pinned));
    struct qr_err err = {0};
    check(qr_conn_lock_writer(b, 2, NULL, NULL, &err), &err);
    assert_int_equal(run(b, "UPDATE t SET b = 1"), SQLITE_BUSY_SNAPSHOT);
    must_run(b, "COMMIT");
    must_run(b, "UPDATE t SET b = b + 1 WHERE a = 1");
    qr_conn_unlock_writer(b);
    must_run(b, "BEGIN");
    check(qr_store_flush(store, &err), &err);
    qr_conn_read_at_least(b, qr_conn_commit_lsn(b));
    assert_int_equal(number(b, "SELECT sum(b) FROM t"), 100001);
    must_run(b, "COMMIT");
    struct qr_store_stats stats;
    for (int i = 0; i < 100; i++)
        write_sql(a, "UPDATE t SET b = b + 1 WHERE a < 20");
    qr_store_get_stats(store, &stats);
    assert_true(stats.versions_held < 40); /* one version each would be 50 * 4 */
    qr_conn_close(a);
    qr_conn_close(b);
    close_and_remove(store);
}

static void test_readers_see_only_what_is_durable(void **state)
{
    (void)state;
    struct qr_store_options options = {.threads_off = true};
    struct qr_store *store = create_store(&options);
    struct qr_conn *a = connect_to(store), *b = connect_to(store);
    struct qr_err err = {0};
    write_sql(a, "CREATE TABLE t(a)");
    check(qr_conn_lock_writer(a, 1, NULL, NULL, &err), &err);
    must_run(a, "INSERT INTO t VALUES(1)");
    qr_conn_unlock_writer(a);
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 0);
    qr_conn_read_at_least(a, qr_conn_commit_lsn(a));
    assert_int_equal(number(a, "SELECT count(*) FROM t"), 1);
    assert_true(qr_store_durable_lsn(store).v < qr_conn_pinned_lsn(a).v);
    check(qr_store_wait_durable(store, qr_conn_commit_lsn(a), &err), &err);
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 1);
    qr_conn_close(a);
    qr_conn_close(b);
    close_and_remove(store);
}

static void test_size_quota_refuses_growth_and_nothing_else(void **state)
{
    (void)state;
    struct qr_store_options options = {.max_data_bytes = 1 << 20};
    struct qr_store *store = create_store(&options);
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    write_sql(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK)
        rc = run(conn, "INSERT INTO t(b) VALUES(zeroblob(5000))");
    assert_int_equal(rc, SQLITE_FULL);
    assert_int_equal(qr_conn_over(conn), QR_LIMIT_QUOTA);
    must_run(conn, "BEGIN; UPDATE t SET b = zeroblob(4999) WHERE a = 1");
    assert_int_equal(run(conn, "INSERT INTO t(b) VALUES(zeroblob(50000))"), SQLITE_FULL);
    assert_int_equal(qr_conn_over(conn), QR_LIMIT_QUOTA);
    assert_int_equal(sqlite3_get_autocommit(qr_conn_db(conn)), 1);
    assert_int_equal(number(conn, "SELECT length(b) FROM t WHERE a = 1"), 5000);
    int64_t count = number(conn, "SELECT count(*) FROM t");
    assert_in_range(count, 50, 210);
    must_run(conn, "DELETE FROM t WHERE a % 2");
    must_run(conn, "INSERT INTO t(b) VALUES(zeroblob(5000))");
    qr_conn_unlock_writer(conn);
    qr_store_set_max_data_bytes(store, 0);
    write_sql(conn, "INSERT INTO t(b) VALUES(zeroblob(2000000))");
    assert_sound(conn);
    qr_conn_close(conn);
    close_and_remove(store);
}

/* Pages that were cut off come back with other contents; an old snapshot still sees the first ones.
 */
static void test_a_database_shrinks_and_grows_again_under_an_old_snapshot(void **state)
{
    (void)state;
    struct qr_store_options options = {.cache_bytes = 1 << 20};
    struct qr_store *store = create_store(&options);
    struct qr_conn *a = connect_to(store), *b = connect_to(store);
    struct qr_store_stats stats;
    struct qr_err err = {0};
    write_sql(a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 4000)"
                 "INSERT INTO t SELECT i, 'first ' || hex(zeroblob(300)) || i FROM n");
    check(qr_store_checkpoint(store, &err), &err);
    must_run(b, "BEGIN");
    int64_t sum = number(b, "SELECT sum(length(b)) FROM t WHERE b LIKE 'first %'");
    write_sql(a, "DELETE FROM t WHERE a > 100");
    write_sql(a, "VACUUM");
    qr_store_get_stats(store, &stats);
    assert_true(stats.data_bytes < 300000);
    check(qr_store_checkpoint(store, &err), &err);
    write_sql(a, "WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i+1 FROM n WHERE i < 3000)"
                 "INSERT INTO t SELECT i, 'second ' || hex(randomblob(300)) || i FROM n");
    check(qr_store_checkpoint(store, &err), &err);
    assert_int_equal(number(b, "SELECT sum(length(b)) FROM t WHERE b LIKE 'first %'"), sum);
    must_run(b, "COMMIT");
    assert_int_equal(number(b, "SELECT count(*) FROM t WHERE b LIKE 'second %'"), 2900);
    write_sql(a, "UPDATE t SET b = 'third' WHERE a % 7 = 0");
    qr_conn_close(a);
    qr_conn_close(b);
    qr_store_abandon(store);
    store = open_store(&options);
    a = connect_to(store);
    assert_sound(a);
    assert_int_equal(number(a, "SELECT count(*) FROM t WHERE b = 'third'"), 428);
    qr_conn_close(a);
    close_and_remove(store);
}

static void test_a_read_only_connection_reads_and_cannot_write(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn *a = connect_to(store), *b = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, &(struct qr_conn_options){.read_only = true}, &b, &err), &err);
    write_sql(a, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 1);
    check(qr_conn_lock_writer(b, 1, NULL, NULL, &err), &err);
    assert_int_equal(run(b, "INSERT INTO t VALUES(2)"), SQLITE_READONLY);
    qr_conn_unlock_writer(b);
    qr_conn_close(a);
    qr_conn_close(b);
    close_and_remove(store);
}

/* Goal: a transaction that grows beyond its bound is undone whole, and the connection is as good as
 * before, without the writer lock too. */
static void test_a_transaction_too_large_is_undone_and_harms_nobody(void **state)
{
    (void)state;
    struct qr_store_options options = {.txn_bytes_max = 1 << 20};
    struct qr_store *store = create_store(&options);
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    write_sql(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    for (int i = 0; i < 10; i++)
        write_sql(conn, "INSERT INTO t(b) VALUES(zeroblob(100000))");
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    must_run(conn, "BEGIN; UPDATE t SET b = randomblob(100000)");
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK)
        rc = run(conn, "INSERT INTO t(b) VALUES(randomblob(5000))");
    assert_int_equal(rc, SQLITE_FULL);
    assert_true(qr_conn_over_limit(conn));
    assert_int_equal(qr_conn_over(conn), QR_LIMIT_NONE);
    run(conn, "ROLLBACK");
    qr_conn_unlock_writer(conn);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), 10);
    assert_int_equal(number(conn, "SELECT count(*) FROM t WHERE b = zeroblob(100000)"), 10);
    write_sql(conn, "DELETE FROM t WHERE a > 1");
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), 1);
    qr_conn_close(conn);
    close_and_remove(store);
}

static void test_temporary_space_is_bounded(void **state)
{
    (void)state;
    struct qr_store_options options = {.tmp_bytes_max = 1 << 20, .max_data_bytes = 1 << 30};
    struct qr_store *store = create_store(&options);
    struct qr_conn *conn = connect_to(store);
    assert_int_equal(run(conn,
                         "CREATE TEMP TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                         "SELECT i+1 FROM n WHERE i < 20000) SELECT randomblob(500) FROM n"),
                     SQLITE_FULL);
    assert_int_equal(qr_conn_last_error(conn, NULL), QR_SQL);
    assert_int_equal(qr_conn_over(conn), QR_LIMIT_NONE);
    qr_conn_close(conn);
    close_and_remove(store);
}

static void test_counters_never_repeat_and_are_exact_after_a_clean_close(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    int64_t first = 0;
    assert_int_equal(qr_counter_next(store, 7, 1, 1, &first, NULL), QR_NOT_FOUND);
    check(qr_counter_set(store, 7, 100, &err), &err);
    check(qr_counter_set(store, 8, -1, &err), &err);
    check(qr_counter_next(store, 7, 1, 5, &first, &err), &err);
    assert_int_equal(first, 100);
    check(qr_counter_next(store, 7, 3, 5, &first, &err), &err);
    assert_int_equal(first, 105);
    check(qr_counter_next(store, 8, 2, -1, &first, &err), &err);
    assert_int_equal(first, -1);
    write_sql(conn, "CREATE TABLE t(a)");
    qr_conn_close(conn);
    qr_store_abandon(store);
    store = open_store(NULL);
    check(qr_counter_next(store, 7, 1, 5, &first, &err), &err);
    assert_true(first >= 120);
    check(qr_counter_next(store, 8, 1, -1, &first, &err), &err);
    assert_true(first <= -3);
    check(qr_counter_raise(store, 7, 1000000, 5, &err), &err);
    check(qr_store_close(store, &err), &err);
    store = open_store(NULL);
    check(qr_counter_next(store, 7, 1, 5, &first, &err), &err);
    assert_int_equal(first, 1000005);
    check(qr_counter_set(store, 9, INT64_MAX - 2, &err), &err);
    check(qr_counter_next(store, 9, 1, 1, &first, &err), &err);
    assert_int_equal(qr_counter_next(store, 9, 5, 1, &first, NULL), QR_TOO_BIG);
    check(qr_counter_drop(store, 7, &err), &err);
    check(qr_store_close(store, &err), &err);
    store = open_store(NULL);
    assert_int_equal(qr_counter_next(store, 7, 1, 1, &first, NULL), QR_NOT_FOUND);
    close_and_remove(store);
}

static void test_a_second_opener_is_refused(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL), *other = NULL;
    assert_int_equal(qr_store_open(dir, NULL, &other, NULL), QR_LOCKED);
    assert_int_equal(qr_store_create(dir, NULL, &other, NULL), QR_LOCKED);
    struct qr_err err = {0};
    check(qr_store_close(store, &err), &err);
    assert_int_equal(qr_store_create(dir, NULL, &other, NULL), QR_EXISTS);
    check(qr_store_remove(qr_env_real(), dir, &err), &err);
    assert_int_equal(qr_store_open(dir, NULL, &other, NULL), QR_NOT_FOUND);
}

static void test_sorts_and_temporary_tables_use_temporary_files(void **state)
{
    (void)state;
    struct qr_store *store = create_store(NULL);
    struct qr_conn *conn = connect_to(store);
    must_run(conn, "CREATE TEMP TABLE big(a, b)");
    must_run(conn, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000)"
                   "INSERT INTO big SELECT i, hex(randomblob(200)) FROM n");
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    assert_true(stats.tmp_bytes > 4000000);
    assert_int_equal(
        number(conn, "SELECT count(*) FROM (SELECT b FROM big ORDER BY b LIMIT 10000)"), 10000);
    qr_conn_close(conn);
    qr_store_get_stats(store, &stats);
    assert_int_equal(stats.tmp_bytes, 0);
    close_and_remove(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committed_rows_survive_close_and_open),
        cmocka_unit_test(test_uncommitted_and_rolled_back_changes_are_not_seen),
        cmocka_unit_test(test_rollback_after_spill_restores_every_page),
        cmocka_unit_test(test_a_rollback_goes_on_behind_a_page_that_was_free),
        cmocka_unit_test(test_an_old_snapshot_stays_the_same_while_others_write),
        cmocka_unit_test(test_readers_see_only_what_is_durable),
        cmocka_unit_test(test_size_quota_refuses_growth_and_nothing_else),
        cmocka_unit_test(test_a_database_shrinks_and_grows_again_under_an_old_snapshot),
        cmocka_unit_test(test_a_read_only_connection_reads_and_cannot_write),
        cmocka_unit_test(test_a_transaction_too_large_is_undone_and_harms_nobody),
        cmocka_unit_test(test_temporary_space_is_bounded),
        cmocka_unit_test(test_counters_never_repeat_and_are_exact_after_a_clean_close),
        cmocka_unit_test(test_a_second_opener_is_refused),
        cmocka_unit_test(test_sorts_and_temporary_tables_use_temporary_files),
    };
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 99;
    return cmocka_run_group_tests_name("vfs/sql", tests, NULL, NULL);
}
