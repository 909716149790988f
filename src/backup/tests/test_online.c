/* test_online.c - backups while threads write, on a real disk: each is of one commit. */
#include "qr_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "backup/backup.h"
#include "backup/restore.h"
#include "vfs/conn.h"

enum { WRITERS = 3, ROWS = 3000, BACKUPS = 12 };

static struct qr_store *store;
static _Atomic bool stop;
static _Atomic int commits;

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK) {
        fprintf(stderr, "%s: %s\n", qr_status_info(status)->name, err->text);
        abort();
    }
}

static void must_run(struct qr_conn *conn, const char *sql)
{
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)));
        abort();
    }
}

static void commit(struct qr_conn *conn, uint64_t owner, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, owner, NULL, NULL, &err), &err);
    must_run(conn, sql);
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), &err);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)));
        abort();
    }
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* Moves amounts about; the sum never changes, and each commit adds a row. */
static void *writer_main(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    while (!atomic_load(&stop)) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "BEGIN; UPDATE t SET v = v - 1 WHERE a = %d; UPDATE t SET v = v + 1 WHERE a = %d;"
                 "INSERT INTO log(w) VALUES(1); COMMIT",
                 1 + rand_r(&seed) % ROWS, 1 + rand_r(&seed) % ROWS);
        commit(conn, (uint64_t)(uintptr_t)arg, sql);
        atomic_fetch_add(&commits, 1);
    }
    qr_conn_close(conn);
    return NULL;
}

static void restore_and_check(const struct qr_backup_place *place, const char *dir,
                              uint64_t wall_ns, int64_t log_min)
{
    struct qr_err err = {0};
    struct qr_restored restored;
    struct qr_store *copy = NULL;
    struct qr_conn *conn = NULL;
    check(qr_backup_restore(place, wall_ns, dir, &restored, &err), &err);
    check(qr_store_open(dir, NULL, &copy, &err), &err);
    check(qr_conn_open(copy, NULL, &conn, &err), &err);
    assert_int_equal(number(conn, "SELECT sum(v) FROM t"), 0);
    assert_true(number(conn, "SELECT count(*) FROM log") >= log_min);
    assert_int_equal(
        number(conn, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
        1);
    qr_conn_close(conn);
    check(qr_store_close(copy, &err), &err);
    check(qr_store_remove(qr_env_real(), dir, &err), &err);
}

static void test_backups_of_a_database_that_is_written_are_each_of_one_commit(void **state)
{
    (void)state;
    char dir[] = "/tmp/quire-test-backup-XXXXXX", path[64], url[64], copy[64], command[96];
    struct qr_err err = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/db", dir);
    snprintf(url, sizeof url, "file://%s/blob", dir);
    snprintf(copy, sizeof copy, "%s/copy", dir);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    struct qr_backup_place place = {.prefix = "backups/x"};
    check(qr_blob_open(qr_env_real(), NULL, url, "", &place.blob, &err), &err);
    struct qr_store_options o = {.page_bytes = 4096,
                                 .cache_bytes = 1 << 20,
                                 .checkpoint_bytes = 1 << 20,
                                 .log_segment_bytes = 1 << 20,
                                 .log_hold_bytes = UINT64_C(1) << 30};
    check(qr_store_create(path, &o, &store, &err), &err);
    struct qr_conn *conn = NULL;
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    commit(conn, 9,
           "CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b TEXT);"
           "CREATE TABLE log(id INTEGER PRIMARY KEY, w INTEGER);"
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000)"
           "INSERT INTO t SELECT i, 0, hex(zeroblob(400)) FROM n");
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer_main, (void *)(uintptr_t)(i + 1)),
                         0);
    int at_least[BACKUPS];
    uint64_t then[BACKUPS];
    for (int i = 0; i < BACKUPS; i++) {
        struct qr_backup_row row;
        bool taken = false;
        int before = atomic_load(&commits);
        while (atomic_load(&commits) < before + 30)
            qr_env_sleep_ns(qr_env_real(), 1000000);
        at_least[i] = atomic_load(&commits);
        then[i] = (uint64_t)qr_env_wall_ns(qr_env_real());
        enum qr_backup_kind kind = i % 6 == 0   ? QR_BACKUP_FULL
                                   : i % 3 == 0 ? QR_BACKUP_DIFF
                                                : QR_BACKUP_LOG;
        check(qr_backup_take(&place, store, kind, &taken, &row, &err), &err);
        assert_true(taken);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    struct qr_backup_row row;
    bool taken = false;
    check(qr_backup_take(&place, store, QR_BACKUP_LOG, &taken, &row, &err), &err);
    int64_t all = number(conn, "SELECT count(*) FROM log");
    qr_conn_close(conn);
    check(qr_store_close(store, &err), &err);
    for (int i = 1; i < BACKUPS; i += 2)
        restore_and_check(&place, copy, then[i], at_least[i]);
    restore_and_check(&place, copy, UINT64_MAX, all);
    qr_blob_close(place.blob);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backups_of_a_database_that_is_written_are_each_of_one_commit),
    };
    return cmocka_run_group_tests_name("backup/online", tests, NULL, NULL);
}
