/* test_hyper.c - SQLite on log service and page server, simulated: a small cache, dying processes,
 * a bad network. */
#include "hyper_sql.h"

enum { ROWS = 3000 };

#define FILL                                                                                       \
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);"                       \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000)"                 \
    "INSERT INTO t SELECT i, (i * 7919 % 3001) || hex(zeroblob(100)) FROM n"

/* In many commits: a transaction's own pages have to stay in memory. */
static void fill_in_pieces(struct qr_conn *conn)
{
    char sql[256];
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b)");
    for (int from = 0; from < ROWS; from += 50) {
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i+1 FROM n WHERE i < %d)"
                 "INSERT INTO t SELECT i, (i * 7919 %% 3001) || hex(zeroblob(200)) FROM n",
                 from + 1, from + 50);
        commit(conn, sql);
        snprintf(sql, sizeof sql, "UPDATE t SET b = 'x' || b WHERE a = %d",
                 1 + from * 7 % (from + 1));
        commit(conn, sql);
    }
}

static void
test_a_database_larger_than_the_cache_is_read_back_and_outlives_its_compute(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 1, NULL);
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    fill_in_pieces(conn);
    hw_check(qr_store_checkpoint(store, &err), &err); /* without threads this frees old versions */
    for (int i = 0; i < 3; i++)
        assert_int_equal(number(conn, "SELECT sum(a) FROM t NOT INDEXED"), ROWS * (ROWS + 1) / 2);
    int64_t changed = number(conn, "SELECT count(*) FROM t WHERE b LIKE 'x%'");
    assert_true(changed > 0);
    assert_sound(conn);
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    assert_true(stats.data_bytes > 4 * HW_CACHE_BYTES);
    assert_true(stats.cache_bytes <= 2 * HW_CACHE_BYTES);
    assert_true(stats.evictions > 100 && stats.pages_read > 100 && stats.pages_ahead > 100);
    publish(conn, "DELETE FROM t"); /* never sent */
    qr_conn_close(conn);
    hw_kill(&w, "a", store);

    store = hw_store(&w, "b");
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT sum(a) FROM t"), ROWS * (ROWS + 1) / 2);
    assert_int_equal(number(conn, "SELECT count(*) FROM t WHERE b LIKE 'x%'"), changed);
    assert_sound(conn);
    commit(conn, "INSERT INTO t VALUES(100000, 'after')");
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    store = hw_store(&w, "c");
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), ROWS + 1);
    assert_sound(conn);
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

static void test_a_fenced_primary_commits_nothing(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 2, NULL);
    struct qr_store *old = hw_store(&w, "a");
    struct qr_conn *old_conn = connect_to(old);
    commit(old_conn, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    struct qr_store *new = hw_store(&w, "b");
    struct qr_conn *new_conn = connect_to(new);
    publish(old_conn, "INSERT INTO t VALUES(2)");
    assert_int_equal(qr_store_wait_durable(old, qr_conn_commit_lsn(old_conn), NULL), QR_CLOSED);
    assert_int_equal(w.fatal_count, 1);
    assert_int_equal(qr_store_health(old), QR_CLOSED);
    assert_int_not_equal(run(old_conn, "SELECT * FROM t"), SQLITE_OK);
    commit(new_conn, "INSERT INTO t VALUES(3)");
    assert_int_equal(number(new_conn, "SELECT sum(a) FROM t"), 4);
    qr_conn_close(old_conn);
    qr_store_abandon(old);
    qr_conn_close(new_conn);
    qr_store_abandon(new);
    hw_end(&w);
}

static void test_commits_outlast_a_power_cut_of_the_log_service(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 3, NULL);
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a)");
    for (int i = 0; i < 20; i++) {
        publish(conn, "INSERT INTO t VALUES(1)");
        if (i % 5 == 0)
            hw_log_fails(&w, 300 * HW_MS);
        commit(conn, "INSERT INTO t VALUES(1)");
    }
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    assert_true(stats.appends_repeated > 0);
    qr_conn_close(conn);
    hw_kill(&w, "a", store);
    store = hw_store(&w, "b");
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), 40);
    qr_conn_close(conn);
    qr_store_abandon(store);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

static void test_counters_never_repeat_and_are_exact_after_a_clean_close(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    int64_t first = 0, last = 0;
    hw_begin(&w, 4, NULL);
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    hw_check(qr_counter_set(store, 7, 1, &err), &err);
    hw_check(qr_counter_next(store, 7, 10, 1, &last, &err), &err);
    commit(conn, "CREATE TABLE t(a)");
    qr_conn_close(conn);
    hw_kill(&w, "a", store);
    store = hw_store(&w, "b");
    hw_check(qr_counter_next(store, 7, 1, 1, &first, &err), &err);
    assert_true(first >= last + 10);
    hw_check(qr_store_close(store, &err), &err);
    store = hw_store(&w, "c");
    hw_check(qr_counter_next(store, 7, 1, 1, &last, &err), &err);
    assert_int_equal(last, first + 1);
    qr_store_abandon(store);
    hw_end(&w);
}

static void test_a_page_server_that_is_behind_delays_only_what_it_lacks(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 5, NULL);
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    commit(conn, FILL);
    commit(conn, "CREATE TABLE small(a)");
    assert_int_equal(number(conn, "SELECT count(*) FROM t NOT INDEXED"), ROWS);
    w.feeding_stopped = true;
    commit(conn, "INSERT INTO small VALUES(1)");
    int64_t before = qr_simnet_now_ns(w.net);
    assert_int_equal(number(conn, "SELECT sum(a) FROM t NOT INDEXED"), ROWS * (ROWS + 1) / 2);
    assert_true(qr_simnet_now_ns(w.net) - before < 5000 * HW_MS); /* no page waited for the head */
    w.feeding_stopped = false;
    qr_conn_close(conn);
    qr_store_abandon(store);
    hw_end(&w);
}

static void test_nothing_acknowledged_is_lost_on_a_bad_network(void **state)
{
    (void)state;
    const struct qr_simnet_faults faults = {
        .drop_ppm = 20000, .duplicate_ppm = 20000, .hold_ppm = 20000, .damage_ppm = 2000};
    for (uint64_t seed = 10; seed < 22; seed++) {
        struct hw w;
        hw_begin(&w, seed, &faults);
        int64_t acknowledged = 0;
        for (int life = 0; life < 4; life++) {
            char name[8];
            snprintf(name, sizeof name, "c%d", life);
            struct qr_store *store = hw_store(&w, name);
            struct qr_conn *conn = connect_to(store);
            if (life == 0)
                commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
            int64_t found = number(conn, "SELECT count(*) FROM t");
            assert_true(found == acknowledged || found == acknowledged + 50);
            assert_int_equal(number(conn, "SELECT sum(length(b)) FROM t"), found * 400);
            assert_sound(conn);
            acknowledged = found;
            for (int i = 0; i < 8; i++) {
                const char *insert =
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 50)"
                    "INSERT INTO t(b) SELECT hex(randomblob(200)) FROM n";
                commit(conn, insert);
                acknowledged += 50;
            }
            publish(conn, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE "
                          "i < 50) INSERT INTO t(b) SELECT hex(randomblob(200)) FROM n");
            qr_conn_close(conn);
            hw_kill(&w, name, store);
        }
        assert_int_equal(w.fatal_count, 0);
        hw_end(&w);
    }
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_database_larger_than_the_cache_is_read_back_and_outlives_its_compute),
        cmocka_unit_test(test_a_fenced_primary_commits_nothing),
        cmocka_unit_test(test_commits_outlast_a_power_cut_of_the_log_service),
        cmocka_unit_test(test_counters_never_repeat_and_are_exact_after_a_clean_close),
        cmocka_unit_test(test_a_page_server_that_is_behind_delays_only_what_it_lacks),
        cmocka_unit_test(test_nothing_acknowledged_is_lost_on_a_bad_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
