/* test_versions.c - the bound on old versions: the oldest snapshot is given up and is told so, the
 * others go on, and what a snapshot reads is its own or nothing. */
#include "qr_test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include "test_ring.h"
#include "vfs/conn.h"

enum {
    ROWS = 600,
    ROW_BYTES = 2000, /* so that a few are on a page */
    CACHE_BYTES = 1 << 20,
    VERSION_BYTES = 400 << 10,
    READERS = 3,
    LOOKS = 40, /* of each reader */
};

static const int64_t AWAIT_NS = 60LL * 1000 * 1000 * 1000;
static char path[80];

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
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

/* False: the snapshot was given up. */
static bool try_number(struct qr_conn *conn, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(stmt, 0);
    else
        assert_int_equal(qr_conn_last_error(conn, NULL), QR_GONE);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW;
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    int64_t value = 0;
    assert_true(try_number(conn, sql, &value));
    return value;
}

static void write_as(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    run(conn, sql);
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

static struct qr_store *make_store(void)
{
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    struct qr_store_options options = {.sync_off = true,
                                       .server_key = t_server_key(),
                                       .cache_bytes = CACHE_BYTES,
                                       .version_bytes_max = VERSION_BYTES};
    snprintf(path, sizeof path, "/tmp/quire-versions-test.%d", (int)getpid());
    check(qr_store_create(path, &options, &store, &err), &err);
    return store;
}

static void remove_store(struct qr_store *store)
{
    struct qr_err err = {0};
    check(qr_store_close(store, &err), &err);
    check(qr_store_remove(qr_env_real(), path, &err), &err);
}

static void fill(struct qr_conn *conn)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, pad TEXT);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO t SELECT i, 10, hex(zeroblob(%d)) FROM n",
             ROWS, ROW_BYTES / 2);
    write_as(conn, sql);
}

static struct qr_store_versions versions(struct qr_store *store)
{
    struct qr_store_versions v;
    qr_store_get_versions(store, &v);
    return v;
}

/* What is over the bound already is seen within a second. */
static void await_given_up(struct qr_store *store, uint64_t count)
{
    int64_t until = qr_env_mono_ns(qr_env_real()) + AWAIT_NS;
    while (versions(store).given_up < count) {
        if (qr_env_mono_ns(qr_env_real()) > until)
            fail_msg("%d bytes of versions are kept", (int)versions(store).bytes);
        sched_yield();
    }
}

static void oldest_snapshot_is_given_up(void **state)
{
    (void)state;
    struct qr_store *store = make_store();
    struct qr_conn *writer = connect_to(store), *old = connect_to(store), *new = connect_to(store);
    fill(writer);
    run(old, "BEGIN");
    assert_int_equal(number(old, "SELECT v FROM t WHERE id = 1"), 10);
    assert_int_equal(versions(store).snapshots, 1);
    assert_int_equal(versions(store).oldest.v, qr_conn_pinned_lsn(old).v);
    write_as(writer, "UPDATE t SET v = v + 1"); /* 1.2 MB of old versions */
    run(new, "BEGIN");
    assert_int_equal(number(new, "SELECT sum(v) FROM t"), 11 * ROWS);
    await_given_up(store, 1);
    int64_t sum = 0;
    assert_false(try_number(old, "SELECT sum(v) FROM t", &sum));
    assert_int_equal(versions(store).oldest.v, qr_conn_pinned_lsn(new).v);
    write_as(writer, "UPDATE t SET v = v + 1 WHERE id < 20"); /* below the bound */
    assert_int_equal(number(new, "SELECT sum(v) FROM t"), 11 * ROWS);
    run(new, "COMMIT");
    if (!sqlite3_get_autocommit(qr_conn_db(old)))
        run(old, "ROLLBACK");
    assert_int_equal(number(old, "SELECT sum(v) FROM t"), 11 * ROWS + 19);
    assert_int_equal(versions(store).snapshots, 0);
    assert_int_equal(versions(store).given_up, 1);
    assert_int_equal(versions(store).bytes_max, VERSION_BYTES);
    qr_conn_close(old);
    qr_conn_close(new);
    qr_conn_close(writer);
    remove_store(store);
}

/* A kept snapshot, which goes to another connection's transaction, is given up like any. */
static void kept_snapshot_is_given_up(void **state)
{
    (void)state;
    struct qr_store *store = make_store();
    struct qr_conn *writer = connect_to(store), *old = connect_to(store);
    struct qr_err err = {0};
    fill(writer);
    run(old, "BEGIN");
    assert_int_equal(number(old, "SELECT v FROM t WHERE id = 1"), 10);
    check(qr_conn_keep(old, &err), &err);
    run(old, "COMMIT");
    write_as(writer, "UPDATE t SET v = v + 1");
    await_given_up(store, 1);
    qr_conn_use_kept(old, true);
    int64_t sum = 0;
    assert_false(try_number(old, "SELECT sum(v) FROM t", &sum));
    qr_conn_use_kept(old, false);
    qr_conn_drop_kept(old);
    assert_int_equal(number(old, "SELECT sum(v) FROM t"), 11 * ROWS);
    qr_conn_close(old);
    qr_conn_close(writer);
    remove_store(store);
}

struct crowd {
    struct qr_store *store;
    _Atomic int readers;
    _Atomic uint64_t given_up, right;
};

/* Transfers leave the sum as it is, whatever commit a snapshot is of. */
static void *read_always(void *arg)
{
    struct crowd *crowd = arg;
    struct qr_conn *conn = connect_to(crowd->store);
    for (int look = 0; look < LOOKS; look++) {
        int64_t sum = 0;
        run(conn, "BEGIN");
        bool there = try_number(conn, "SELECT sum(v) FROM t WHERE id < 9", &sum);
        for (int again = 0; there && again < 4; again++) {
            there = try_number(conn, "SELECT sum(v) FROM t", &sum);
            if (there)
                assert_int_equal(sum, 10 * ROWS);
        }
        atomic_fetch_add(there ? &crowd->right : &crowd->given_up, 1);
        if (!sqlite3_get_autocommit(qr_conn_db(conn)))
            run(conn, "ROLLBACK");
    }
    qr_conn_close(conn);
    atomic_fetch_sub(&crowd->readers, 1);
    return NULL;
}

static void snapshot_reads_its_own_or_nothing(void **state)
{
    (void)state;
    struct crowd crowd = {.store = make_store(), .readers = READERS};
    struct qr_conn *writer = connect_to(crowd.store), *idle = connect_to(crowd.store);
    pthread_t threads[READERS];
    fill(writer);
    run(idle, "BEGIN");
    assert_int_equal(number(idle, "SELECT sum(v) FROM t"), 10 * ROWS);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_always, &crowd), 0);
    /* Readers that are fast end before so much is written that the idle one is in the way. */
    for (unsigned n = 1; n <= 3 || atomic_load(&crowd.readers) > 0; n++) {
        char sql[160];
        snprintf(sql, sizeof sql, "UPDATE t SET v = v + %u * (1 - id %% 2 * 2) WHERE id <= %u",
                 n % 7 + 1, n % 3 == 0 ? ROWS : 100 + n % 50 * 2);
        write_as(writer, sql);
    }
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    await_given_up(crowd.store, 1); /* the idle one at the latest */
    int64_t sum = 0;
    assert_false(try_number(idle, "SELECT sum(v) FROM t", &sum));
    assert_int_equal(atomic_load(&crowd.right) + atomic_load(&crowd.given_up), READERS * LOOKS);
    qr_conn_close(idle);
    qr_conn_close(writer);
    remove_store(crowd.store);
}

int main(void)
{
    struct qr_err err = {0};
    check(qr_vfs_init(&err), &err);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_snapshot_is_given_up),
        cmocka_unit_test(kept_snapshot_is_given_up),
        cmocka_unit_test(snapshot_reads_its_own_or_nothing),
    };
    return cmocka_run_group_tests_name("old versions over their bound", tests, NULL, NULL);
}
