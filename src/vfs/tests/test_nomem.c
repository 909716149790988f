/* test_nomem.c - every allocation of ours fails once; nothing acknowledged is lost, nothing
 * crashes.
 *
 * The linker sends the allocations of our own code here (--wrap); SQLite's are its own affair. */
#include "qr_test.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "vfs/conn.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);

static long fail_at, allocations;

static bool fails(void)
{
    return ++allocations == fail_at;
}
void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}
void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}
void *__wrap_realloc(void *p, size_t bytes)
{
    return fails() ? NULL : __real_realloc(p, bytes);
}

static char path[80];
static int acknowledged;

static int run(struct qr_conn *conn, const char *sql)
{
    return sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL);
}

static bool commit(struct qr_store *store, struct qr_conn *conn, const char *sql)
{
    if (qr_conn_lock_writer(conn, 1, NULL, NULL, NULL) != QR_OK)
        return false;
    bool ok = run(conn, sql) == SQLITE_OK;
    if (!ok && sqlite3_get_autocommit(qr_conn_db(conn)) == 0)
        (void)run(conn, "ROLLBACK");
    qr_conn_unlock_writer(conn);
    return ok && qr_store_wait_durable(store, qr_conn_commit_lsn(conn), NULL) == QR_OK;
}

/* Goes on after failures, as a service does. */
static void work(void)
{
    struct qr_store_options options = {.threads_off = true,
                                       .sync_off = true,
                                       .txn_memory_bytes = 64 << 10,
                                       .cache_bytes = 300 << 10,
                                       .log_segment_bytes = 256 << 10};
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    acknowledged = 0;
    for (int i = 0; i < 2 && store == NULL; i++)
        if (qr_store_create(path, &options, &store, NULL) == QR_EXISTS)
            (void)!qr_store_open(path, &options, &store, NULL);
    for (int i = 0; i < 2 && conn == NULL; i++)
        (void)!qr_conn_open(store, NULL, &conn, NULL);
    (void)!qr_counter_set(store, 1, 1, NULL);
    if (!commit(store, conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)"))
        (void)commit(store, conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    for (int i = 0; i < 6; i++) {
        int64_t id;
        (void)!qr_counter_next(store, 1, 1, 1, &id, NULL);
        acknowledged += commit(store, conn,
                               i == 3 ? "BEGIN; INSERT INTO t(b) SELECT zeroblob(400000);"
                                        "UPDATE t SET b = randomblob(400000); ROLLBACK;"
                                        "INSERT INTO t(b) VALUES(randomblob(400000))"
                                      : "INSERT INTO t(b) VALUES(randomblob(9000))");
        if (i % 2 == 1)
            (void)!qr_store_checkpoint(store, NULL);
    }
    qr_conn_close(conn);
    qr_store_abandon(store);
    store = NULL;
    for (int i = 0; i < 2 && store == NULL; i++)
        (void)!qr_store_open(path, &options, &store, NULL);
    (void)!qr_store_close(store, NULL);
}

static int64_t count_rows(void)
{
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    sqlite3_stmt *stmt = NULL;
    if (qr_store_open(path, &(struct qr_store_options){.threads_off = true}, &store, &err) != QR_OK)
        fail_msg("open: %s", err.text);
    assert_int_equal(qr_conn_open(store, NULL, &conn, &err), QR_OK);
    assert_int_equal(sqlite3_prepare_v2(qr_conn_db(conn),
                                        "SELECT count(*), (SELECT integrity_check = 'ok' FROM "
                                        "pragma_integrity_check) FROM t WHERE length(b) > 0",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_column_int64(stmt, 1), 1);
    sqlite3_finalize(stmt);
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, &err), QR_OK);
    return rows;
}

static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    bool fired = true;
    for (long nth = 1; fired; nth++) {
        char dir[] = "/tmp/qr-test-nomem.XXXXXX";
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof path, "%s/db", dir);
        allocations = 0;
        fail_at = nth;
        work();
        fired = allocations >= nth;
        fail_at = 0;
        if (!fired)
            assert_int_equal(acknowledged, 6);
        assert_int_equal(count_rows(), acknowledged);
        assert_int_equal(qr_store_remove(qr_env_real(), path, NULL), QR_OK);
        assert_int_equal(rmdir(dir), 0);
    }
    print_message("%ld allocations\n", allocations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 99;
    return cmocka_run_group_tests_name("vfs/nomem", tests, NULL, NULL);
}
