/* test_shrink.c - a database that got shorter gives its file's space back, when nobody reads what
 * was there any more, and grows again. */
#include "qr_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/endian.h"
#include "store/txn.h"
#include "vfs/conn.h"

enum { TXN_BYTES = 128 << 10, ROUNDS = 8 };

struct fixture {
    char dir[64];
    struct qr_store_options options;
    struct qr_store *store;
    struct qr_conn *conn;
};

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static void must_run(struct qr_conn *conn, const char *sql)
{
    int rc = sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        fail_msg("%s: %s (%d)", sql, sqlite3_errmsg(qr_conn_db(conn)), rc);
}

static void write_sql(struct fixture *f, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(f->conn, 1, NULL, NULL, &err), &err);
    must_run(f->conn, sql);
    qr_conn_unlock_writer(f->conn);
    check(qr_store_wait_durable(f->store, qr_conn_commit_lsn(f->conn), &err), &err);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void assert_sound(struct qr_conn *conn)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(qr_conn_db(conn), "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
}

static int64_t file_bytes(const struct fixture *f)
{
    char path[96];
    struct stat st;
    snprintf(path, sizeof path, "%s/data", f->dir);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void reopen(struct fixture *f, bool crash)
{
    struct qr_err err = {0};
    qr_conn_close(f->conn);
    if (crash)
        qr_store_abandon(f->store);
    else
        check(qr_store_close(f->store, &err), &err);
    check(qr_store_open(f->dir, &f->options, &f->store, &err), &err);
    check(qr_conn_open(f->store, NULL, &f->conn, &err), &err);
}

/* 8 MB in table u, which is then dropped from behind t's few pages. */
static int setup_with(void **state, uint64_t txn_bytes)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct qr_err err = {0};
    assert_non_null(f);
    f->options = (struct qr_store_options){.cache_bytes = 1 << 20, .txn_memory_bytes = txn_bytes};
    snprintf(f->dir, sizeof f->dir, "/tmp/qr-test-shrink.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    check(qr_store_create(f->dir, &f->options, &f->store, &err), &err);
    check(qr_conn_open(f->store, NULL, &f->conn, &err), &err);
    write_sql(f, "PRAGMA auto_vacuum=INCREMENTAL");
    write_sql(f,
              "BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE u(a INTEGER PRIMARY "
              "KEY, b);"
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
              "INSERT INTO u SELECT i, randomblob(8000) FROM n;"
              "INSERT INTO t SELECT a, randomblob(500) FROM u; COMMIT");
    check(qr_store_checkpoint(f->store, &err), &err);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 0);
}

/* Here the groups of those transactions go to files, and their versions are not in memory. */
static int setup_large(void **state)
{
    return setup_with(state, TXN_BYTES);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    qr_conn_close(f->conn);
    check(qr_store_close(f->store, &err), &err);
    check(qr_store_remove(qr_env_real(), f->dir, &err), &err);
    free(f);
    return 0;
}

static void shrink(struct fixture *f)
{
    struct qr_err err = {0};
    write_sql(f, "DELETE FROM u");
    write_sql(f, "PRAGMA incremental_vacuum");
    check(qr_store_checkpoint(f->store, &err), &err);
}

static void test_the_file_gets_shorter_and_grows_again(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    int64_t before = file_bytes(f), sum = number(f->conn, "SELECT sum(length(b)) FROM t");
    assert_true(before > 8000000);
    shrink(f);
    assert_true(file_bytes(f) < 1200000);
    assert_int_equal(number(f->conn, "SELECT sum(length(b)) FROM t"), sum);
    write_sql(f, "INSERT INTO u SELECT a, randomblob(8000) FROM t");
    check(qr_store_checkpoint(f->store, &err), &err);
    assert_true(file_bytes(f) > 8000000);
    assert_sound(f->conn);
    reopen(f, true);
    assert_sound(f->conn);
    assert_int_equal(number(f->conn, "SELECT count(*) FROM u"), 1000);
}

/* What was cut off comes back by the log alone: a crash finds a file that ends before it. */
static void test_growth_after_a_cut_is_recovered_from_the_log(void **state)
{
    struct fixture *f = *state;
    shrink(f);
    write_sql(f, "INSERT INTO u SELECT a, zeroblob(8000) FROM t");
    write_sql(f, "UPDATE u SET b = randomblob(7000) WHERE a % 3 = 0");
    reopen(f, true);
    assert_sound(f->conn);
    assert_int_equal(number(f->conn, "SELECT sum(length(b)) FROM u"), 1000 * 8000 - 333 * 1000);
}

/* A crash between the commit that cuts and the checkpoint leaves the file long. */
static void test_a_crash_before_the_checkpoint_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    write_sql(f, "DELETE FROM u");
    write_sql(f, "PRAGMA incremental_vacuum");
    write_sql(f, "INSERT INTO u SELECT a, zeroblob(8000) FROM t WHERE a <= 500");
    reopen(f, true);
    assert_sound(f->conn);
    write_sql(f, "DELETE FROM u");
    write_sql(f, "PRAGMA incremental_vacuum");
    check(qr_store_checkpoint(f->store, &err), &err);
    assert_true(file_bytes(f) < 1200000);
    reopen(f, false);
    assert_sound(f->conn);
    assert_true(file_bytes(f) < 1200000);
}

static void test_a_snapshot_from_before_keeps_the_file_long(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    struct qr_conn *old = NULL;
    check(qr_conn_open(f->store, NULL, &old, &err), &err);
    must_run(old, "BEGIN");
    assert_int_equal(number(old, "SELECT count(*) FROM u"), 1000);
    shrink(f);
    assert_true(file_bytes(f) > 8000000);
    write_sql(f, "INSERT INTO u SELECT a, zeroblob(8000) FROM t");
    check(qr_store_checkpoint(f->store, &err), &err);
    assert_int_equal(number(old, "SELECT count(*) FROM u WHERE b <> zeroblob(8000)"), 1000);
    assert_sound(old);
    must_run(old, "COMMIT");
    assert_int_equal(number(old, "SELECT count(*) FROM u WHERE b <> zeroblob(8000)"), 0);
    qr_conn_close(old);
    shrink(f);
    assert_true(file_bytes(f) < 1200000);
    assert_sound(f->conn);
}

static struct qr_conn *reader(struct fixture *f)
{
    struct qr_err err = {0};
    struct qr_conn *conn = NULL;
    check(qr_conn_open(f->store, NULL, &conn, &err), &err);
    must_run(conn, "BEGIN");
    (void)number(conn, "SELECT count(*) FROM t");
    return conn;
}

static void assert_reads(struct qr_conn *conn, int64_t rows, int64_t bytes)
{
    assert_int_equal(number(conn, "SELECT count(*) FROM u"), rows);
    if (rows > 0)
        assert_int_equal(number(conn, "SELECT sum(length(b)) FROM u"), bytes);
    assert_sound(conn);
}

/* What a commit puts in the place of pages that were cut off is not in memory, nor is what was
 * there: who reads the database from before, between and afterwards finds each its own. */
static void test_growth_keeps_what_older_snapshots_read(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    struct qr_conn *before = reader(f);
    shrink(f);
    struct qr_conn *between = reader(f);
    write_sql(f, "INSERT INTO u SELECT a, randomblob(7000) FROM t WHERE a <= 900");
    struct qr_conn *after = reader(f);
    assert_reads(before, 1000, 8000000);
    check(qr_store_checkpoint(f->store, &err), &err);
    for (int i = 0; i < 2; i++) {
        assert_reads(before, 1000, 8000000);
        assert_reads(between, 0, 0);
        assert_reads(after, 900, 6300000);
        shrink(f);
    }
    qr_conn_close(before);
    assert_reads(between, 0, 0);
    qr_conn_close(between);
    qr_conn_close(after);
    write_sql(f, "INSERT INTO u SELECT a, randomblob(3000) FROM t");
    reopen(f, true);
    assert_reads(f->conn, 1000, 3000000);
    shrink(f);
    assert_true(file_bytes(f) < 1200000);
    reopen(f, true);
    assert_reads(f->conn, 0, 0);
}

struct beside {
    struct fixture *f;
    _Atomic bool stop;
};

static void *checkpoint_always(void *arg)
{
    struct beside *b = arg;
    struct qr_err err = {0};
    while (!atomic_load(&b->stop))
        check(qr_store_checkpoint(b->f->store, &err), &err);
    return NULL;
}

/* All of the rows are of one length, and there are as many as were put there at once. */
static void *read_always(void *arg)
{
    struct beside *b = arg;
    while (!atomic_load(&b->stop)) {
        struct qr_conn *conn = reader(b->f);
        int64_t rows = number(conn, "SELECT count(*) FROM u");
        int64_t same = number(conn, "SELECT count(*) FROM u WHERE length(b) = (SELECT length(b) "
                                    "FROM u LIMIT 1)");
        assert_true(rows == 0 || rows == 1000 || rows == 500);
        assert_int_equal(same, rows);
        qr_conn_close(conn);
    }
    return NULL;
}

static void test_checkpoints_and_readers_go_on_beside(void **state)
{
    struct fixture *f = *state;
    struct beside b = {.f = f};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? checkpoint_always : read_always, &b), 0);
    for (int i = 0; i < ROUNDS; i++) {
        write_sql(f, "DELETE FROM u; PRAGMA incremental_vacuum");
        write_sql(f, i % 2 == 0 ? "INSERT INTO u SELECT a, randomblob(3000) FROM t WHERE a <= 500"
                                : "INSERT INTO u SELECT a, randomblob(5000) FROM t");
    }
    atomic_store(&b.stop, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_reads(f->conn, 1000, 5000000);
    reopen(f, true);
    assert_reads(f->conn, 1000, 5000000);
    shrink(f);
    assert_true(file_bytes(f) < 1200000);
}

/* ---- a commit that is prepared while the file might get shorter ---- */

enum { DB_PAGES_OFFSET = 28, PAGE_BYTES = 8192, MANY = 400, FEW = 10 };

/* Pages of the letter; page 1 says how many there are then. */
static void put(struct qr_txn *txn, uint32_t from, uint32_t to, char letter, uint32_t db_pages)
{
    struct qr_err err = {0};
    uint8_t page[PAGE_BYTES];
    memset(page, letter, sizeof page);
    for (uint32_t p = from; p <= to; p++)
        check(qr_txn_write(txn, p, page, &err), &err);
    qr_put32be(page + DB_PAGES_OFFSET, db_pages);
    check(qr_txn_write(txn, 1, page, &err), &err);
    check(qr_txn_prepare(txn, &err), &err);
}

static void publish(struct qr_store *store, struct qr_txn *txn)
{
    struct qr_err err = {0};
    check(qr_store_wait_durable(store, qr_txn_publish(txn), &err), &err);
    qr_txn_unpin(txn);
    check(qr_txn_pin_head(txn, &err), &err);
}

static char letter_of(struct qr_txn *txn, uint32_t page_no)
{
    struct qr_err err = {0};
    char letter = 0;
    check(qr_txn_read(txn, page_no, 100, &letter, 1, true, &err), &err);
    return letter;
}

/* What a commit holds of pages behind the end, because a snapshot might read it, stays where it is,
 * though that snapshot ends before the commit. */
static void test_no_place_goes_that_a_prepared_commit_holds(void **state)
{
    (void)state;
    char dir[] = "/tmp/qr-test-shrink.XXXXXX";
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_txn *writer = NULL, *reader = NULL;
    struct qr_store_options options = {.cache_bytes = 1 << 20, .txn_memory_bytes = TXN_BYTES};
    assert_non_null(mkdtemp(dir));
    check(qr_store_create(dir, &options, &store, &err), &err);
    check(qr_txn_new(store, &writer, &err), &err);
    check(qr_txn_new(store, &reader, &err), &err);
    check(qr_txn_pin_head(writer, &err), &err);
    put(writer, 2, MANY, 'a', MANY);
    publish(store, writer);
    check(qr_store_checkpoint(store, &err), &err); /* nothing of it is in memory any more */
    check(qr_txn_pin(reader, qr_lsn(0), &err), &err);
    put(writer, 2, 2, 'b', FEW);
    publish(store, writer);
    put(writer, FEW + 1, MANY, 'c', MANY);
    qr_txn_unpin(reader);
    check(qr_store_checkpoint(store, &err), &err);
    check(qr_txn_pin(reader, qr_lsn(0), &err), &err);
    publish(store, writer);
    check(qr_store_checkpoint(store, &err), &err);
    assert_int_equal(qr_txn_db_pages(reader), FEW);
    assert_int_equal(letter_of(reader, FEW), 'a');
    assert_int_equal(letter_of(writer, MANY), 'c');
    assert_int_equal(letter_of(writer, 2), 'b');
    qr_txn_free(reader);
    qr_txn_free(writer);
    check(qr_store_close(store, &err), &err);
    check(qr_store_remove(qr_env_real(), dir, &err), &err);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define L(name)                                                                                    \
    {                                                                                              \
#name ", large", name, setup_large, teardown, NULL                                         \
    }

int main(void)
{
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        T(test_the_file_gets_shorter_and_grows_again),
        L(test_the_file_gets_shorter_and_grows_again),
        T(test_growth_after_a_cut_is_recovered_from_the_log),
        L(test_growth_after_a_cut_is_recovered_from_the_log),
        T(test_a_crash_before_the_checkpoint_loses_nothing),
        L(test_a_crash_before_the_checkpoint_loses_nothing),
        T(test_a_snapshot_from_before_keeps_the_file_long),
        L(test_a_snapshot_from_before_keeps_the_file_long),
        T(test_growth_keeps_what_older_snapshots_read),
        L(test_growth_keeps_what_older_snapshots_read),
        T(test_checkpoints_and_readers_go_on_beside),
        L(test_checkpoints_and_readers_go_on_beside),
        cmocka_unit_test(test_no_place_goes_that_a_prepared_commit_holds),
    };
    return cmocka_run_group_tests_name("vfs/shrink", tests, NULL, NULL);
}
