/* test_hyper_rbpex.c - SQLite on a hyper store with pages on its own disk behind a small cache:
 * they are read again without the page server, survive the process, and are never stale. */
#include "hyper_world.h"

enum { ROWS = 2000, RBPEX_BYTES = 8 << 20 };

static struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    hw_check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static void commit(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    hw_check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL) != SQLITE_OK) {
        (void)qr_conn_last_error(conn, &err);
        fail_msg("%s: %s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)), err.text);
    }
    qr_conn_unlock_writer(conn);
    hw_check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

static int64_t number(struct qr_conn *conn, const char *sql)
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

static void assert_sound(struct qr_conn *conn)
{
    assert_int_equal(
        number(conn, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
        1);
}

/* About 2 MB in a cache of 256 KiB. */
static void fill(struct qr_conn *conn)
{
    char sql[256];
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b TEXT)");
    for (int from = 0; from < ROWS; from += 50) {
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i+1 FROM n WHERE i < %d)"
                 "INSERT INTO t SELECT i, 0, hex(zeroblob(450)) FROM n",
                 from + 1, from + 50);
        commit(conn, sql);
    }
}

static struct qr_store_stats stats_of(struct qr_store *store)
{
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    return stats;
}

#define SCAN "SELECT sum(length(b)) FROM t"
enum { SCAN_RESULT = ROWS * 900 };

static void test_what_left_memory_is_read_again_without_the_page_server(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 1, NULL);
    w.rbpex_bytes = RBPEX_BYTES;
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    fill(conn);
    struct qr_err err = {0};
    hw_check(qr_store_checkpoint(store, &err), &err); /* without threads this frees old versions */
    for (int i = 0; i < 2; i++)
        assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    struct qr_store_stats before = stats_of(store);
    for (int i = 0; i < 3; i++)
        assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    struct qr_store_stats after = stats_of(store);
    assert_true(after.data_bytes > 6 * HW_CACHE_BYTES);
    assert_true(after.rbpex.hits - before.rbpex.hits > 3 * 300);
    assert_true(after.pages_read - before.pages_read < 100);
    assert_true(after.rbpex.bytes > 0 && after.rbpex.bytes <= RBPEX_BYTES);
    assert_int_equal(after.rbpex.damaged + after.rbpex.failed, 0);
    commit(conn, "UPDATE t SET v = v + 1"); /* what was held of these pages is forgotten */
    assert_int_equal(number(conn, "SELECT sum(v) FROM t"), ROWS);
    assert_true(stats_of(store).rbpex.changed > after.rbpex.changed);
    assert_sound(conn);
    qr_conn_close(conn);
    qr_store_abandon(store);
    hw_end(&w);
}

/* The process dies and starts again in the same directory: pages changed just before, when their
 * older versions lay on the disk already, must not come back. */
static void test_after_a_kill_it_is_warm_and_a_page_changed_last_is_not_stale(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 2, NULL);
    w.rbpex_bytes = RBPEX_BYTES;
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    fill(conn);
    hw_check(qr_store_checkpoint(store, &err), &err);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    commit(conn, "UPDATE t SET v = a WHERE a % 40 = 0");
    int64_t sum = 40 * (ROWS / 40) * (ROWS / 40 + 1) / 2;
    qr_conn_close(conn);
    hw_kill(&w, "a", store); /* before the table on disk heard of it: the log tells */

    qr_simnet_up(qr_simnet_node(w.net, "a"));
    store = hw_store(&w, "a");
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT sum(v) FROM t"), sum);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    struct qr_store_stats stats = stats_of(store);
    assert_true(stats.rbpex.hits > 200);
    assert_true(stats.rbpex.changed > 40);
    assert_int_equal(stats.rbpex.confirmed, 0);
    assert_sound(conn);
    qr_conn_close(conn);
    qr_store_abandon(store);
    hw_end(&w);
}

/* Its newer version never left memory, and the mark behind which the log is read is a later one. */
static void test_a_page_changed_before_the_mark_and_never_evicted_is_not_stale(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 5, NULL);
    w.rbpex_bytes = RBPEX_BYTES;
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    fill(conn);
    hw_check(qr_store_checkpoint(store, &err), &err);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    commit(conn, "UPDATE t SET v = 7 WHERE a = 1");
    for (int64_t a = 500; a < ROWS; a += 500) { /* a second later, with a few misses */
        char sql[64];
        qr_simnet_run(w.net, 2000 * HW_MS);
        qr_hyper_step(store);
        snprintf(sql, sizeof sql, "SELECT a FROM t WHERE a = %d", (int)a);
        assert_int_equal(number(conn, sql), a);
    }
    qr_conn_close(conn);
    hw_kill(&w, "a", store);
    qr_simnet_up(qr_simnet_node(w.net, "a"));
    store = hw_store(&w, "a");
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT v FROM t WHERE a = 1"), 7);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    assert_true(stats_of(store).rbpex.hits > 200);
    qr_conn_close(conn);
    qr_store_abandon(store);
    hw_end(&w);
}

static void test_what_is_used_most_is_on_disk_though_it_never_left_memory(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 6, NULL);
    w.rbpex_bytes = RBPEX_BYTES;
    for (int clean = 0; clean < 2; clean++) {
        qr_simnet_up(qr_simnet_node(w.net, "a"));
        struct qr_store *store = hw_store(&w, "a");
        struct qr_conn *conn = connect_to(store);
        if (clean == 0)
            fill(conn);
        else
            commit(conn, "UPDATE t SET v = v + 1"); /* what is held is old */
        hw_check(qr_store_checkpoint(store, &err), &err);
        for (int i = 0; i < 8; i++) {
            assert_int_equal(number(conn, "SELECT a FROM t WHERE a = 1"), 1);
            assert_int_equal(number(conn, SCAN), SCAN_RESULT);
            qr_simnet_run(w.net, 400 * HW_MS);
            qr_hyper_step(store);
        }
        qr_conn_close(conn);
        if (clean == 1)
            hw_check(qr_store_close(store, &err), &err);
        else
            hw_kill(&w, "a", store);
        qr_simnet_up(qr_simnet_node(w.net, "a"));
        store = hw_store(&w, "a");
        conn = connect_to(store);
        assert_int_equal(number(conn, "SELECT a FROM t WHERE a = 1"), 1);
        assert_int_equal(number(conn, "SELECT v FROM t WHERE a = 1"), clean);
        struct qr_store_stats stats = stats_of(store);
        assert_int_equal(stats.pages_read, 0);
        assert_true(stats.rbpex.hits >= 3);
        qr_conn_close(conn);
        hw_kill(&w, "a", store);
    }
    hw_end(&w);
}

static void test_when_the_log_is_too_long_to_read_each_page_is_confirmed_by_the_server(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 3, NULL);
    w.rbpex_bytes = RBPEX_BYTES;
    w.rbpex_log_bytes = 1;
    struct qr_store *store = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(store);
    struct qr_err err = {0};
    fill(conn);
    hw_check(qr_store_checkpoint(store, &err), &err);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    assert_int_equal(number(conn, SCAN), SCAN_RESULT);
    commit(conn, "UPDATE t SET v = v + a WHERE a % 40 = 0");
    int64_t sum = number(conn, "SELECT sum(v) FROM t");
    for (int i = 0; i < 8; i++, sum += 2000) /* log in several pieces, and no miss */
        commit(conn, "UPDATE t SET v = v + a WHERE a = 2000");
    qr_conn_close(conn);
    hw_kill(&w, "a", store);
    for (int life = 0; life < 2; life++) {
        qr_simnet_up(qr_simnet_node(w.net, "a"));
        store = hw_store(&w, "a");
        conn = connect_to(store);
        assert_int_equal(number(conn, "SELECT sum(v) FROM t"), sum);
        struct qr_store_stats stats = stats_of(store);
        assert_true(life == 0 ? stats.rbpex.confirmed > 100 : stats.rbpex.confirmed < 50);
        assert_true(stats.rbpex.hits > 100 && stats.rbpex.hits >= stats.rbpex.confirmed);
        assert_sound(conn);
        qr_conn_close(conn);
        hw_kill(&w, "a", store);
    }
    hw_end(&w);
}

static void test_another_primary_in_between_leaves_nothing_stale(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 4, NULL);
    w.rbpex_bytes = RBPEX_BYTES;
    int64_t sum = 0;
    for (int life = 0; life < 6; life++) {
        const char *name = life % 2 == 0 ? "a" : "b";
        qr_simnet_up(qr_simnet_node(w.net, name));
        struct qr_store *store = hw_store(&w, name);
        struct qr_conn *conn = connect_to(store);
        struct qr_err err = {0};
        if (life == 0)
            fill(conn);
        assert_int_equal(number(conn, "SELECT sum(v) FROM t"), sum);
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE t SET v = v + 1 WHERE a %% 30 = %d", life);
        commit(conn, sql);
        hw_check(qr_store_checkpoint(store, &err), &err);
        sum = number(conn, "SELECT sum(v) FROM t");
        assert_int_equal(number(conn, SCAN), SCAN_RESULT);
        if (life >= 2)
            assert_true(stats_of(store).rbpex.hits > 100);
        qr_conn_close(conn);
        if (life % 3 == 2)
            hw_check(qr_store_close(store, &err), &err);
        else
            hw_kill(&w, name, store);
        if (life % 3 == 2)
            qr_simnet_down(qr_simnet_node(w.net, name));
    }
    hw_end(&w);
}

static struct qr_store *replica(struct hw *w, const char *name)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = HW_CACHE_BYTES,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, name);
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    h.feed_wait_ns = h.feed_answer_ns = 50 * HW_MS;
    hw_check(qr_hyper_open_replica(dir, &o, &h, &store, &err), &err);
    return store;
}

static void catch_up(struct hw *w, struct qr_store *store, struct qr_lsn lsn)
{
    for (int i = 0; i < 10000 && qr_store_durable_lsn(store).v < lsn.v; i++) {
        qr_hyper_step(store);
        qr_simnet_run(w->net, HW_MS);
    }
    assert_int_equal(qr_store_durable_lsn(store).v, lsn.v);
}

/* Pages that the log changes while the replica has them on disk, in memory or both; the replica
 * dies and comes back, and is promoted in the end. */
static void test_what_a_replica_keeps_follows_the_log(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 7, NULL);
    struct qr_store *primary = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(primary);
    fill(conn);
    hw_check(qr_store_checkpoint(primary, &err), &err);
    w.rbpex_bytes = RBPEX_BYTES;
    int64_t sum = 0;
    uint64_t hits = 0, changed = 0;
    for (int life = 0; life < 3; life++) {
        qr_simnet_up(qr_simnet_node(w.net, "b"));
        struct qr_store *store = replica(&w, "b");
        struct qr_conn *reader = connect_to(store);
        catch_up(&w, store, qr_store_durable_lsn(primary));
        for (int i = 0; i < 6; i++) {
            char sql[128];
            assert_int_equal(number(reader, SCAN), SCAN_RESULT);
            assert_int_equal(number(reader, "SELECT sum(v) FROM t"), sum);
            snprintf(sql, sizeof sql, "UPDATE t SET v = v + 1 WHERE a %% 50 = %d", life * 6 + i);
            commit(conn, sql);
            hw_check(qr_store_checkpoint(primary, &err), &err);
            sum += ROWS / 50;
            if (i < 5) /* the last one the replica never sees before it dies */
                catch_up(&w, store, qr_store_durable_lsn(primary));
        }
        struct qr_store_stats stats = stats_of(store);
        hits += stats.rbpex.hits;
        changed += stats.rbpex.changed;
        if (life == 2) {
            hw_check(qr_hyper_promote(store, 0, true, &err), &err);
            assert_int_equal(number(reader, "SELECT sum(v) FROM t"), sum);
            commit(reader, "UPDATE t SET v = v + 1");
            assert_int_equal(number(reader, "SELECT sum(v) FROM t"), sum + ROWS);
            assert_int_equal(number(reader, SCAN), SCAN_RESULT);
            assert_sound(reader);
        }
        qr_conn_close(reader);
        hw_kill(&w, "b", store);
    }
    assert_true(hits > 1000 && changed > 100);
    qr_conn_close(conn);
    qr_store_abandon(primary);
    hw_end(&w);
}

/* Random changes, deaths of the process and of the machine, a bad network, bit flips. */
static void test_it_is_never_wrong_whatever_dies(void **state)
{
    (void)state;
    const struct qr_simnet_faults faults = {
        .drop_ppm = 5000, .duplicate_ppm = 5000, .hold_ppm = 5000, .damage_ppm = 1000};
    uint64_t hits = 0, changed = 0, damaged = 0;
    for (uint64_t seed = 100; seed < 104; seed++) {
        struct hw w;
        hw_begin(&w, seed, &faults);
        w.rbpex_bytes = seed % 3 == 0 ? RBPEX_BYTES / 8 : RBPEX_BYTES;
        unsigned random = (unsigned)seed;
        int64_t sum = 0;
        for (int life = 0; life < 4; life++) {
            qr_simnet_up(qr_simnet_node(w.net, "a"));
            struct qr_store *store = hw_store(&w, "a");
            struct qr_conn *conn = connect_to(store);
            struct qr_err err = {0};
            if (life == 0)
                fill(conn);
            assert_int_equal(number(conn, "SELECT sum(v) FROM t"), sum);
            for (int i = 0; i < 8; i++) {
                char sql[128];
                int from = rand_r(&random) % ROWS;
                snprintf(sql, sizeof sql, "UPDATE t SET v = v + 1 WHERE a > %d AND a <= %d", from,
                         from + 40);
                commit(conn, sql);
                hw_check(qr_store_checkpoint(store, &err), &err);
                sum += from + 40 <= ROWS ? 40 : ROWS - from;
                assert_int_equal(number(conn, "SELECT sum(v) FROM t"), sum);
                if (rand_r(&random) % 6 == 0)
                    (void)!qr_sim_flip_bit(w.compute_sim, "/a/rbpex", rand_r(&random) % (8 << 20));
            }
            assert_sound(conn);
            struct qr_store_stats stats = stats_of(store);
            hits += stats.rbpex.hits;
            changed += stats.rbpex.changed;
            damaged += stats.rbpex.damaged;
            qr_conn_close(conn);
            hw_kill(&w, "a", store);
            if (rand_r(&random) % 3 == 0)
                qr_sim_power_cut(w.compute_sim);
        }
        assert_int_equal(w.fatal_count, 0);
        hw_end(&w);
    }
    assert_true(hits > 5000 && changed > 300 && damaged > 0);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_left_memory_is_read_again_without_the_page_server),
        cmocka_unit_test(test_after_a_kill_it_is_warm_and_a_page_changed_last_is_not_stale),
        cmocka_unit_test(test_a_page_changed_before_the_mark_and_never_evicted_is_not_stale),
        cmocka_unit_test(test_what_is_used_most_is_on_disk_though_it_never_left_memory),
        cmocka_unit_test(
            test_when_the_log_is_too_long_to_read_each_page_is_confirmed_by_the_server),
        cmocka_unit_test(test_another_primary_in_between_leaves_nothing_stale),
        cmocka_unit_test(test_what_a_replica_keeps_follows_the_log),
        cmocka_unit_test(test_it_is_never_wrong_whatever_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
