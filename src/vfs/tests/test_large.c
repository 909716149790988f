/* test_large.c - transactions many times larger than the memory they may use: what they read of
 * themselves, what others read meanwhile and afterwards, what a crash leaves. */
#include "qr_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "test_ring.h"
#include "vfs/conn.h"

enum {
    ROWS = 3000,
    TXN_BYTES = 128 << 10, /* of about 4 MB */
    CACHE_BYTES = 1 << 20,
    READERS = 3,
    ROUNDS = 6, /* of large transactions beside readers */
};

static char path[80];

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static struct qr_store *open_store(bool make, bool threads)
{
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    struct qr_store_options options = {.threads_off = !threads,
                                       .sync_off = true,
                                       .server_key = t_server_key(),
                                       .cache_bytes = CACHE_BYTES,
                                       .txn_memory_bytes = TXN_BYTES};
    check(make ? qr_store_create(path, &options, &store, &err)
               : qr_store_open(path, &options, &store, &err),
          &err);
    return store;
}

static struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static void run(struct qr_conn *conn, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)));
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void lock(struct qr_conn *conn)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
}

static void finish(struct qr_conn *conn, const char *how)
{
    struct qr_err err = {0};
    run(conn, how);
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

/* Row a has v = its turn, and b depends on both. */
static void fill(struct qr_conn *conn)
{
    lock(conn);
    run(conn, "BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b BLOB);"
              "CREATE INDEX i ON t(v, a);"
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
              "INSERT INTO t SELECT i, 0, zeroblob(900 + i % 300) FROM n");
    finish(conn, "COMMIT");
}

static void assert_turn(struct qr_conn *conn, int64_t turn, int64_t rows)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE v = %lld", (long long)turn);
    assert_int_equal(number(conn, sql), rows);
    snprintf(sql, sizeof sql,
             "SELECT sum(length(b) = 900 + (a + v * 7) %% 300) FROM t NOT INDEXED WHERE v = %lld",
             (long long)turn);
    assert_int_equal(number(conn, sql), rows);
    assert_int_equal(number(conn, "SELECT count(*) FROM t NOT INDEXED"), rows);
}

/* Changes every row, and adds and removes many. */
static void change_all(struct qr_conn *conn)
{
    run(conn, "UPDATE t SET v = v + 1, b = randomblob(900 + (a + (v + 1) * 7) % 300);"
              "INSERT INTO t SELECT a + 100000, v, b FROM t;"
              "DELETE FROM t WHERE a > 100000");
}

static uint64_t tmp_bytes(struct qr_store *store)
{
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    return stats.tmp_bytes;
}

static void assert_sound(struct qr_conn *conn)
{
    assert_int_equal(number(conn, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static void test_a_large_transaction_reads_itself_and_is_undone_whole(void **state)
{
    (void)state;
    struct qr_store *store = open_store(true, false);
    struct qr_conn *conn = connect_to(store);
    fill(conn); /* large itself: until a checkpoint its pages are where they were */
    assert_true(tmp_bytes(store) > 0);
    check(qr_store_checkpoint(store, NULL), NULL);
    assert_int_equal(tmp_bytes(store), 0);
    lock(conn);
    run(conn, "BEGIN");
    change_all(conn);
    assert_true(tmp_bytes(store) > 4 * TXN_BYTES);
    assert_true(qr_store_private_used() <= 2 * TXN_BYTES);
    assert_turn(conn, 1, ROWS);
    run(conn, "SAVEPOINT s");
    change_all(conn);
    assert_turn(conn, 2, ROWS);
    run(conn, "ROLLBACK TO s");
    assert_turn(conn, 1, ROWS);
    finish(conn, "ROLLBACK");
    assert_int_equal(tmp_bytes(store), 0);
    assert_int_equal(qr_store_private_used(), 0);
    assert_turn(conn, 0, ROWS);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(store, NULL), NULL);
    check(qr_store_remove(qr_env_real(), path, NULL), NULL);
}

/* Goal: a snapshot from before sees what was, whatever the checkpointer and later transactions do
 * with the places of its pages. */
static void test_older_snapshots_keep_what_a_large_commit_replaced(void **state)
{
    (void)state;
    struct qr_store *store = open_store(true, false);
    struct qr_conn *conn = connect_to(store), *readers[4];
    struct qr_err err = {0};
    fill(conn);
    check(qr_store_checkpoint(store, &err), &err);
    for (int turn = 0; turn < 4; turn++) {
        readers[turn] = connect_to(store);
        run(readers[turn], "BEGIN");
        assert_turn(readers[turn], turn, ROWS);
        lock(conn);
        run(conn, "BEGIN");
        change_all(conn);
        finish(conn, "COMMIT");
        for (int i = 0; i <= turn; i++)
            assert_turn(readers[i], i, ROWS);
        assert_turn(conn, turn + 1, ROWS);
        if (turn % 2 == 1)
            check(qr_store_checkpoint(store, &err), &err);
        for (int i = 0; i <= turn; i++)
            assert_turn(readers[i], i, ROWS);
    }
    for (int turn = 0; turn < 4; turn++)
        qr_conn_close(readers[turn]);
    check(qr_store_checkpoint(store, &err), &err);
    assert_turn(conn, 4, ROWS);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(store, NULL), NULL);
    store = open_store(false, false);
    conn = connect_to(store);
    assert_turn(conn, 4, ROWS);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(store, NULL), NULL);
    check(qr_store_remove(qr_env_real(), path, NULL), NULL);
}

static void test_nothing_is_written_for_pages_that_are_as_they_were(void **state)
{
    (void)state;
    struct qr_store *store = open_store(true, false);
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    fill(conn);
    check(qr_store_checkpoint(store, &err), &err);
    lock(conn);
    run(conn, "BEGIN; UPDATE t SET v = v + 1; UPDATE t SET v = v - 1; UPDATE t SET b = b");
    finish(conn, "COMMIT");
    assert_turn(conn, 0, ROWS);
    lock(conn);
    run(conn, "BEGIN");
    change_all(conn);
    run(conn, "UPDATE t SET v = 1 WHERE a = 7");
    finish(conn, "COMMIT");
    assert_turn(conn, 1, ROWS);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(store, NULL), NULL);
    check(qr_store_remove(qr_env_real(), path, NULL), NULL);
}

static void test_a_crash_leaves_large_commits_whole_and_nothing_of_others(void **state)
{
    (void)state;
    struct qr_store *store = open_store(true, false);
    struct qr_conn *conn = connect_to(store);
    fill(conn);
    for (int turn = 1; turn <= 3; turn++) {
        lock(conn);
        run(conn, "BEGIN");
        change_all(conn);
        finish(conn, "COMMIT");
    }
    lock(conn);
    run(conn, "BEGIN");
    change_all(conn);
    run(conn, "ROLLBACK"); /* what was written of it means nothing to a crash: it has no name */
    qr_conn_unlock_writer(conn);
    qr_conn_close(conn);
    qr_store_abandon(store);
    store = open_store(false, false);
    conn = connect_to(store);
    assert_turn(conn, 3, ROWS);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(store, NULL), NULL);
    check(qr_store_remove(qr_env_real(), path, NULL), NULL);
}

/* Goal: recovery of a group larger than the cache needs no memory for all of it. */
static void test_recovery_of_a_large_commit_stays_within_the_cache(void **state)
{
    (void)state;
    struct qr_store *store = open_store(true, false);
    struct qr_conn *conn = connect_to(store);
    lock(conn);
    run(conn, "BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB);"
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
              "INSERT INTO t SELECT i, randomblob(4000) FROM n");
    finish(conn, "COMMIT");
    qr_conn_close(conn);
    qr_store_abandon(store);
    store = open_store(false, false);
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    assert_true(stats.data_bytes > 38 << 20);
    assert_true(stats.cache_bytes < 16 << 20);
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT count(*) FROM t WHERE length(b) = 4000"), 10000);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(store, NULL), NULL);
    check(qr_store_remove(qr_env_real(), path, NULL), NULL);
}

/* --- beside others --- */

static struct qr_store *shared;
static _Atomic bool over;
static _Atomic int64_t reads;

/* Everybody sees one turn for all rows. */
static void *read_on(void *arg)
{
    (void)arg;
    struct qr_conn *conn = connect_to(shared);
    while (!atomic_load(&over)) {
        int64_t turn = number(conn, "SELECT v FROM t WHERE a = 1");
        run(conn, "BEGIN");
        turn = number(conn, "SELECT v FROM t WHERE a = 1");
        assert_turn(conn, turn, ROWS);
        sched_yield();
        assert_turn(conn, turn, ROWS);
        run(conn, "COMMIT");
        atomic_fetch_add(&reads, 1);
    }
    qr_conn_close(conn);
    return NULL;
}

static void test_readers_beside_large_transactions_see_all_or_nothing(void **state)
{
    (void)state;
    shared = open_store(true, true);
    struct qr_conn *conn = connect_to(shared);
    pthread_t threads[READERS];
    fill(conn);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, NULL), 0);
    for (int turn = 1; turn <= ROUNDS; turn++) {
        int64_t before = atomic_load(&reads);
        lock(conn);
        run(conn, "BEGIN");
        change_all(conn);
        finish(conn, "COMMIT");
        if (turn % 3 == 0)
            check(qr_store_checkpoint(shared, NULL), NULL);
        while (atomic_load(&reads) < before + READERS)
            usleep(1000);
    }
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_turn(conn, ROUNDS, ROWS);
    assert_sound(conn);
    qr_conn_close(conn);
    check(qr_store_close(shared, NULL), NULL);
    check(qr_store_remove(qr_env_real(), path, NULL), NULL);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/quire-large-test.%d", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_large_transaction_reads_itself_and_is_undone_whole),
        cmocka_unit_test(test_older_snapshots_keep_what_a_large_commit_replaced),
        cmocka_unit_test(test_nothing_is_written_for_pages_that_are_as_they_were),
        cmocka_unit_test(test_a_crash_leaves_large_commits_whole_and_nothing_of_others),
        cmocka_unit_test(test_recovery_of_a_large_commit_stays_within_the_cache),
        cmocka_unit_test(test_readers_beside_large_transactions_see_all_or_nothing),
    };
    return cmocka_run_group_tests_name("vfs/large", tests, NULL, NULL);
}
