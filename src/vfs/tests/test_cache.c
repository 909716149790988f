/* test_cache.c - a cache of a tenth of the data, with readers, writers and long snapshots at once:
 * what is read is right, memory stays within its bound. Meant for ThreadSanitizer, too. */
#include "qr_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "vfs/conn.h"

enum {
    ROWS = 10000,
    ROW_BYTES = 1000,
    CACHE_BYTES = 1 << 20, /* of 11 MB */
    WRITERS = 2,
    READERS = 3,
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    WRITES_MIN = 100, /* of each writer */
    ROUNDS_MIN = 5,   /* of each reader */
    SNAPSHOTS_MIN = 2,
#else
    WRITES_MIN = 1000,
    ROUNDS_MIN = 25,
    SNAPSHOTS_MIN = 5,
#endif
    WRITES_BETWEEN_LOOKS = WRITES_MIN / 20,
};

static struct qr_store *store;
static _Atomic int wrong;
static _Atomic int64_t reads;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static int at_work;    /* guarded by mu: threads that have not done what they have to do */
static int64_t writes; /* guarded by mu */

/* Each thread goes on beyond its own share until all have done theirs. */
static bool all_done(bool *is_done, bool own_share_done)
{
    pthread_mutex_lock(&mu);
    if (own_share_done && !*is_done) {
        *is_done = true;
        at_work--;
        pthread_cond_broadcast(&progress);
    }
    bool all = at_work == 0;
    pthread_mutex_unlock(&mu);
    return all;
}

static void count_write(void)
{
    pthread_mutex_lock(&mu);
    writes++;
    pthread_cond_broadcast(&progress);
    pthread_mutex_unlock(&mu);
}

static void wait_for_writes(int64_t count)
{
    pthread_mutex_lock(&mu);
    for (int64_t until = writes + count; writes < until && at_work > 0;)
        pthread_cond_wait(&progress, &mu);
    pthread_mutex_unlock(&mu);
}

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
        struct qr_err err;
        (void)qr_conn_last_error(conn, &err);
        fprintf(stderr, "%s: %s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)), err.text);
        abort();
    }
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    else
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)));
    sqlite3_finalize(stmt);
    return value;
}

static struct qr_conn *connect_to_store(void)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, &(struct qr_conn_options){.cache_pages = 20}, &conn, &err), &err);
    return conn;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Moves value between two rows, so that the sum over all rows never changes. */
static void *writer_main(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg * 7919 + 1;
    struct qr_conn *conn = connect_to_store();
    struct qr_err err = {0};
    bool is_done = false;
    for (int done = 0; !all_done(&is_done, done >= WRITES_MIN); done++) {
        char sql[300];
        int a = (int)(next_random(&random) % ROWS), b = (int)(next_random(&random) % ROWS);
        snprintf(
            sql, sizeof sql,
            "BEGIN; UPDATE t SET v = v - 1 WHERE id = %d; UPDATE t SET v = v + 1 WHERE id = %d;"
            "COMMIT",
            a, b);
        check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
        must_run(conn, sql);
        qr_conn_unlock_writer(conn);
        if (next_random(&random) % 8 == 0)
            check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), &err);
        count_write();
    }
    qr_conn_close(conn);
    return NULL;
}

static void *reader_main(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg * 104729 + 1;
    struct qr_conn *conn = connect_to_store();
    bool is_done = false;
    for (int done = 0; !all_done(&is_done, done >= ROUNDS_MIN); done++) {
        char sql[200];
        for (int i = 0; i < 50; i++) {
            snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE id = %d AND length(pad) = %d",
                     (int)(next_random(&random) % ROWS), ROW_BYTES);
            atomic_fetch_add(&wrong, number(conn, sql) != 1);
            atomic_fetch_add(&reads, 1);
        }
        atomic_fetch_add(&wrong, number(conn, "SELECT sum(v) FROM t") != 0);
    }
    qr_conn_close(conn);
    return NULL;
}

/* Holds each snapshot for long; all of it must stay as it was. */
static void *long_reader_main(void *arg)
{
    (void)arg;
    struct qr_conn *conn = connect_to_store();
    bool is_done = false;
    for (int done = 0; !all_done(&is_done, done >= SNAPSHOTS_MIN); done++) {
        must_run(conn, "BEGIN");
        int64_t first = number(conn, "SELECT sum(v * (id % 1000)) FROM t");
        for (int i = 0; i < 6; i++) {
            wait_for_writes(WRITES_BETWEEN_LOOKS);
            atomic_fetch_add(&wrong, number(conn, "SELECT sum(v * (id % 1000)) FROM t") != first);
        }
        must_run(conn, "COMMIT");
    }
    qr_conn_close(conn);
    return NULL;
}

static void fill(void)
{
    struct qr_conn *conn = connect_to_store();
    struct qr_err err = {0};
    char sql[400];
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    snprintf(sql, sizeof sql,
             "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, pad TEXT);"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             "INSERT INTO t SELECT i, 0, printf('%%0%dd', i) FROM n",
             ROWS - 1, ROW_BYTES);
    must_run(conn, sql);
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), &err);
    qr_conn_close(conn);
}

static void run_threads(void)
{
    pthread_t threads[WRITERS + READERS + 1];
    int count = 0;
    at_work = WRITERS + READERS + 1;
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[count++], NULL, writer_main, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[count++], NULL, reader_main, (void *)(uintptr_t)(i + 1));
    pthread_create(&threads[count++], NULL, long_reader_main, NULL);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void test_a_cache_of_a_tenth_of_the_data_reads_right(void **state)
{
    (void)state;
    char dir[] = "/tmp/qr-test-cache.XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct qr_store_options options = {
        .cache_bytes = CACHE_BYTES, .checkpoint_bytes = 1 << 20, .log_segment_bytes = 1 << 20};
    struct qr_err err = {0};
    check(qr_store_create(dir, &options, &store, &err), &err);
    fill();
    check(qr_store_checkpoint(store, &err), &err);
    run_threads();
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    print_message("reads %lld writes %lld evictions %llu misses %llu checkpoints %llu held %llu "
                  "spilled %llu cache %llu\n",
                  (long long)reads, (long long)writes, (unsigned long long)stats.evictions,
                  (unsigned long long)stats.cache_misses, (unsigned long long)stats.checkpoints,
                  (unsigned long long)stats.versions_held,
                  (unsigned long long)stats.versions_spilled,
                  (unsigned long long)stats.cache_bytes);
    assert_int_equal(wrong, 0);
    assert_true(stats.evictions > 100);
    assert_true(stats.checkpoints >= 1);
    assert_true(stats.cache_bytes <= 3 * CACHE_BYTES + (16 << 20)); /* writers wait beyond */
    struct qr_conn *conn = connect_to_store();
    assert_int_equal(number(conn, "SELECT sum(v) FROM t"), 0);
    assert_int_equal(number(conn, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    qr_conn_close(conn);
    check(qr_store_close(store, &err), &err);
    check(qr_store_open(dir, &options, &store, &err), &err);
    conn = connect_to_store();
    assert_int_equal(number(conn, "SELECT sum(v) FROM t"), 0);
    qr_conn_close(conn);
    check(qr_store_close(store, &err), &err);
    check(qr_store_remove(qr_env_real(), dir, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cache_of_a_tenth_of_the_data_reads_right),
    };
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 99;
    return cmocka_run_group_tests_name("vfs/cache", tests, NULL, NULL);
}
