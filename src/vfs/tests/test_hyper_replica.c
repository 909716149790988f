/* test_hyper_replica.c - replicas follow a primary's log, and become primaries. */
#include "hyper_sql.h"

enum { ROWS = 2000 };

static struct qr_store *replica(struct hw *w, const char *name, uint64_t cache_bytes)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = cache_bytes,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, name);
    h.feed_wait_ns = 50 * HW_MS;
    h.feed_answer_ns = 50 * HW_MS;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
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

static void fill(struct qr_conn *conn)
{
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, v INTEGER); CREATE INDEX i ON t(b);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)"
                 "INSERT INTO t SELECT i, (i * 7919 % 3001) || hex(zeroblob(100)), 0 FROM n");
}

static void change(struct qr_conn *conn, int i)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "BEGIN; UPDATE t SET v = v + 1, b = b || 'x' WHERE a = %d; UPDATE t SET v = v - 1 "
             "WHERE a = %d; COMMIT",
             1 + i * 37 % ROWS, 1 + i * 91 % ROWS);
    commit(conn, sql);
}

static void test_a_replica_follows_and_refuses_writers(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 21, NULL);
    struct qr_store *primary = hw_store(&w, "a");
    struct qr_store *early = replica(&w, "r", HW_CACHE_BYTES); /* of an empty database */
    struct qr_conn *conn = connect_to(primary), *early_conn = connect_to(early);
    assert_int_equal(number(early_conn, "SELECT count(*) FROM sqlite_master"), 0);
    fill(conn);
    hw_check(qr_counter_set(primary, 7, 100, &err), &err);
    for (int i = 0; i < 100; i++)
        change(conn, i);
    struct qr_store *late = replica(&w, "s", HW_CACHE_BYTES);
    struct qr_conn *late_conn = connect_to(late);
    catch_up(&w, early, qr_store_durable_lsn(primary));
    catch_up(&w, late, qr_store_durable_lsn(primary));
    struct qr_conn *both[] = {early_conn, late_conn};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(number(both[i], "SELECT count(*) FROM t"), ROWS);
        assert_int_equal(number(both[i], "SELECT sum(v) FROM t"), 0);
        assert_int_equal(number(both[i], "SELECT sum(length(b)) FROM t"),
                         number(conn, "SELECT sum(length(b)) FROM t"));
        assert_sound(both[i]);
        assert_int_equal(qr_conn_lock_writer(both[i], 1, NULL, NULL, &err), QR_READ_ONLY);
        int64_t next = 0;
        assert_true(qr_counter_peek(qr_conn_store(both[i]), 7, &next));
        assert_int_equal(next, 100);
        assert_int_equal(qr_counter_next(qr_conn_store(both[i]), 7, 1, 1, &next, &err),
                         QR_READ_ONLY);
    }
    struct qr_hyper_lag lag;
    qr_hyper_get_lag(early, &lag);
    assert_int_equal(lag.applied_lsn.v, lag.visible_lsn.v);
    assert_int_equal(lag.applied_wall_ns, lag.visible_wall_ns);
    for (int i = 0; i < 2; i++)
        qr_conn_close(both[i]);
    qr_conn_close(conn);
    hw_check(qr_store_close(early, &err), &err);
    hw_check(qr_store_close(late, &err), &err);
    hw_check(qr_store_close(primary, &err), &err);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

/* In a cache that is too small, so that it needs old versions of pages that are not in memory. */
static void test_a_snapshot_on_a_replica_stays_while_commits_are_applied(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 22, NULL);
    struct qr_store *primary = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(primary);
    fill(conn);
    struct qr_store *store = replica(&w, "r", 64 << 10);
    struct qr_conn *old = connect_to(store), *new = connect_to(store);
    hw_check(qr_conn_pin(old, &err), &err);
    int64_t length = number(old, "SELECT sum(length(b)) FROM t");
    for (int i = 0; i < 200; i++) {
        change(conn, i);
        qr_hyper_step(store);
        if (i % 20 == 0) {
            assert_int_equal(number(old, "SELECT sum(length(b)) FROM t"), length);
            assert_int_equal(number(new, "SELECT sum(v) FROM t"), 0);
        }
    }
    commit(conn, "DROP TABLE t; CREATE TABLE u(x); INSERT INTO u VALUES(5)");
    catch_up(&w, store, qr_store_durable_lsn(primary));
    assert_int_equal(number(new, "SELECT sum(x) FROM u"), 5);
    assert_int_equal(number(old, "SELECT sum(length(b)) FROM t"), length);
    assert_sound(old);
    qr_conn_unpin(old);
    assert_int_equal(number(old, "SELECT sum(x) FROM u"), 5);
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    assert_true(stats.evictions > 100);
    qr_conn_close(old);
    qr_conn_close(new);
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    hw_check(qr_store_close(primary, &err), &err);
    hw_end(&w);
}

static void test_a_promoted_replica_goes_on_with_its_readers(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 23, NULL);
    struct qr_store *a = hw_store(&w, "a");
    struct qr_conn *a_conn = connect_to(a);
    fill(a_conn);
    hw_check(qr_counter_set(a, 7, 100, &err), &err);
    change(a_conn, 0);
    struct qr_store *b = replica(&w, "b", HW_CACHE_BYTES), *c = replica(&w, "c", HW_CACHE_BYTES);
    struct qr_conn *reader = connect_to(b), *writer = connect_to(b), *c_conn = connect_to(c);
    hw_check(qr_conn_pin(reader, &err), &err);
    int64_t length = number(reader, "SELECT sum(length(b)) FROM t");
    for (int i = 1; i < 50; i++)
        change(a_conn, i);
    publish(a_conn, "DELETE FROM t"); /* never sent */
    struct qr_lsn durable = qr_store_durable_lsn(a);
    hw_check(qr_hyper_promote(b, 0, true, &err), &err);
    assert_false(qr_store_is_read_only(b));
    assert_int_equal(qr_store_durable_lsn(b).v, durable.v);
    assert_int_equal(qr_hyper_promote(b, 0, true, &err), QR_INVALID);
    assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"), length);
    int64_t first = 0;
    hw_check(qr_counter_next(b, 7, 1, 1, &first, &err), &err);
    assert_true(first >= 100);
    for (int i = 50; i < 150; i++) {
        change(writer, i);
        if (i % 10 == 0)
            assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"), length);
    }
    assert_int_equal(qr_store_wait_durable(a, qr_conn_commit_lsn(a_conn), &err), QR_CLOSED);
    assert_int_equal(w.fatal_count, 1);
    catch_up(&w, c, qr_store_durable_lsn(b));
    assert_int_equal(number(c_conn, "SELECT sum(v) FROM t"), 0);
    assert_int_equal(number(c_conn, "SELECT sum(length(b)) FROM t"),
                     number(writer, "SELECT sum(length(b)) FROM t"));
    assert_sound(c_conn);
    assert_sound(writer);
    qr_conn_close(a_conn);
    qr_conn_close(reader);
    qr_conn_close(writer);
    qr_conn_close(c_conn);
    qr_store_abandon(a);
    hw_check(qr_store_close(c, &err), &err);
    hw_check(qr_store_close(b, &err), &err);
    struct qr_store *d = hw_store(&w, "d");
    struct qr_conn *d_conn = connect_to(d);
    assert_int_equal(number(d_conn, "SELECT sum(v) FROM t"), 0);
    assert_sound(d_conn);
    qr_conn_close(d_conn);
    hw_check(qr_store_close(d, &err), &err);
    hw_end(&w);
}

static void test_replicas_are_right_on_a_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 32; seed++) {
        struct hw w;
        struct qr_err err = {0};
        struct qr_simnet_faults faults = {.delay_min_ns = HW_MS / 50,
                                          .delay_max_ns = 2 * HW_MS,
                                          .drop_ppm = 4000, /* each costs seconds */
                                          .duplicate_ppm = 20000,
                                          .hold_ppm = 30000,
                                          .hold_ns = 20 * HW_MS};
        hw_begin(&w, seed, &faults);
        struct qr_store *a = hw_store(&w, "a");
        struct qr_conn *conn = connect_to(a);
        fill(conn);
        struct qr_store *b = replica(&w, "b", 128 << 10);
        struct qr_conn *reader = connect_to(b);
        for (int i = 0; i < 60; i++) {
            change(conn, i);
            qr_hyper_step(b);
            if (i % 6 == 0)
                assert_int_equal(number(reader, "SELECT sum(v) FROM t"), 0);
        }
        catch_up(&w, b, qr_store_durable_lsn(a));
        assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"),
                         number(conn, "SELECT sum(length(b)) FROM t"));
        assert_sound(reader);
        qr_conn_close(conn);
        qr_conn_close(reader);
        hw_check(qr_store_close(b, &err), &err);
        hw_check(qr_store_close(a, &err), &err);
        assert_int_equal(w.fatal_count, 0);
        hw_end(&w);
    }
}

static void test_who_resigned_answers_nobody_and_is_followed_at_once(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 24, NULL);
    struct qr_store *a = hw_store(&w, "a"), *b = replica(&w, "b", HW_CACHE_BYTES);
    struct qr_conn *a_conn = connect_to(a), *a_late = connect_to(a);
    fill(a_conn);
    for (int i = 0; i < 20; i++)
        change(a_conn, i);
    int64_t length = number(a_conn, "SELECT sum(length(b)) FROM t");
    publish(a_conn, "DELETE FROM t"); /* nobody was told of it */
    qr_hyper_resign(a);
    assert_int_equal(qr_conn_pin(a_late, &err), QR_CLOSED);
    assert_int_equal(qr_conn_lock_writer(a_late, 1, NULL, NULL, &err), QR_CLOSED);
    hw_check(qr_hyper_promote(b, 0, true, &err), &err);
    struct qr_conn *b_conn = connect_to(b);
    assert_int_equal(number(b_conn, "SELECT sum(length(b)) FROM t"), length);
    change(b_conn, 21);
    for (int i = 0; i < 100; i++) { /* renewals would be refused by now */
        qr_hyper_step(a);
        qr_simnet_run(w.net, 200 * HW_MS);
    }
    assert_int_equal(w.fatal_count, 0);
    assert_int_equal(qr_store_wait_durable(a, qr_conn_commit_lsn(a_conn), &err), QR_CLOSED);
    assert_sound(b_conn);
    qr_conn_close(a_conn);
    qr_conn_close(a_late);
    qr_conn_close(b_conn);
    qr_store_abandon(a);
    hw_check(qr_store_close(b, &err), &err);
    hw_end(&w);
}

/* --- warming --- */

enum { LISTED_MAX = 4096, BATCH = 16 };

/* All that `from` has, in batches, while the primary commits. Returns how many pages came. */
static size_t warm(struct qr_store *from, struct qr_store *to, struct qr_conn *primary)
{
    static uint32_t pages[LISTED_MAX];
    struct qr_hyper_listed listed;
    struct qr_err err = {0};
    size_t sum = 0;
    qr_hyper_list_pages(from, pages, LISTED_MAX, &listed);
    assert_true(listed.hot > 0 && listed.hot <= listed.memory && listed.memory <= listed.all);
    for (size_t at = 0, n; at < listed.all; at += n) {
        size_t end = at < listed.hot ? listed.hot : at < listed.memory ? listed.memory : listed.all;
        size_t kept = 0;
        n = end - at < BATCH ? end - at : BATCH;
        if (primary != NULL)
            change(primary, (int)at); /* its log comes while the pages are on their way */
        hw_check(qr_hyper_warm(to, pages + at, n,
                               at < listed.hot      ? QR_WARM_HOT
                               : at < listed.memory ? QR_WARM_COLD
                                                    : QR_WARM_DISK,
                               &kept, &err),
                 &err);
        sum += kept;
    }
    return sum;
}

static uint64_t pages_read(struct qr_store *store)
{
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    return stats.pages_read;
}

static void test_a_warmed_replica_takes_over_without_reading_pages(void **state)
{
    (void)state;
    for (int warms = 0; warms < 2; warms++) {
        struct hw w;
        struct qr_err err = {0};
        hw_begin(&w, 41, NULL);
        struct qr_store *a = hw_store(&w, "a");
        struct qr_conn *a_conn = connect_to(a);
        fill(a_conn);
        assert_int_equal(number(a_conn, "SELECT sum(v) FROM t"), 0);
        struct qr_store *b = replica(&w, "b", 4 << 20);
        size_t kept = warms == 1 ? warm(a, b, NULL) : 0;
        hw_check(qr_hyper_promote(b, 0, true, &err), &err);
        uint64_t before = pages_read(b);
        struct qr_conn *b_conn = connect_to(b);
        assert_int_equal(number(b_conn, "SELECT sum(length(b)) FROM t"),
                         number(a_conn, "SELECT sum(length(b)) FROM t"));
        uint64_t read = pages_read(b) - before;
        if (warms == 1)
            assert_in_range(kept, 100, LISTED_MAX);
        if (warms == 1)
            assert_int_equal(read, 0);
        else
            assert_in_range(read, 100, LISTED_MAX);
        assert_sound(b_conn);
        qr_conn_close(a_conn);
        qr_conn_close(b_conn);
        qr_store_abandon(a);
        hw_check(qr_store_close(b, &err), &err);
        hw_end(&w);
    }
}

/* What was on its way when its log came is brought up to date or left out, never kept as it was. */
static void test_pages_that_change_while_they_come_are_not_stale(void **state)
{
    (void)state;
    for (uint64_t seed = 50; seed < 54; seed++) {
        struct hw w;
        struct qr_err err = {0};
        struct qr_simnet_faults faults = {.delay_min_ns = HW_MS / 50,
                                          .delay_max_ns = 2 * HW_MS,
                                          .duplicate_ppm = 20000,
                                          .hold_ppm = 30000,
                                          .hold_ns = 20 * HW_MS};
        hw_begin(&w, seed, &faults);
        struct qr_store *a = hw_store(&w, "a");
        struct qr_conn *conn = connect_to(a);
        fill(conn);
        assert_int_equal(number(conn, "SELECT sum(v) FROM t"), 0);
        struct qr_store *b = replica(&w, "b", 4 << 20);
        assert_true(warm(a, b, conn) > 50);
        catch_up(&w, b, qr_store_durable_lsn(a));
        (void)warm(a, b, conn);
        catch_up(&w, b, qr_store_durable_lsn(a));
        struct qr_conn *reader = connect_to(b);
        assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"),
                         number(conn, "SELECT sum(length(b)) FROM t"));
        assert_int_equal(number(reader, "SELECT sum(a * length(b)) FROM t"),
                         number(conn, "SELECT sum(a * length(b)) FROM t"));
        assert_sound(reader);
        qr_conn_close(conn);
        qr_conn_close(reader);
        hw_check(qr_store_close(b, &err), &err);
        hw_check(qr_store_close(a, &err), &err);
        assert_int_equal(w.fatal_count, 0);
        hw_end(&w);
    }
}

/* Memory has an end: what does not fit goes to the node's own disk. */
static void test_what_memory_has_no_room_for_is_warmed_on_disk(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 42, NULL);
    struct qr_store *a = hw_store(&w, "a");
    struct qr_conn *a_conn = connect_to(a);
    fill(a_conn);
    w.rbpex_bytes = 8 << 20;
    struct qr_store *b = replica(&w, "b", 256 << 10);
    assert_true(warm(a, b, NULL) > 100);
    struct qr_store_stats stats;
    qr_store_get_stats(b, &stats);
    assert_in_range(stats.cache_bytes, 1, 256 << 10);
    assert_true(stats.rbpex.bytes > 64 << 10);
    uint64_t before = pages_read(b);
    struct qr_conn *reader = connect_to(b);
    assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"),
                     number(a_conn, "SELECT sum(length(b)) FROM t"));
    qr_store_get_stats(b, &stats);
    assert_true(stats.rbpex.hits > 10);
    assert_in_range(pages_read(b) - before, 0, 20);
    assert_sound(reader);
    qr_conn_close(a_conn);
    qr_conn_close(reader);
    hw_check(qr_store_close(b, &err), &err);
    hw_check(qr_store_close(a, &err), &err);
    hw_end(&w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_replica_follows_and_refuses_writers),
        cmocka_unit_test(test_a_snapshot_on_a_replica_stays_while_commits_are_applied),
        cmocka_unit_test(test_a_promoted_replica_goes_on_with_its_readers),
        cmocka_unit_test(test_replicas_are_right_on_a_bad_network),
        cmocka_unit_test(test_who_resigned_answers_nobody_and_is_followed_at_once),
        cmocka_unit_test(test_a_warmed_replica_takes_over_without_reading_pages),
        cmocka_unit_test(test_pages_that_change_while_they_come_are_not_stale),
        cmocka_unit_test(test_what_memory_has_no_room_for_is_warmed_on_disk),
    };
    return cmocka_run_group_tests_name("vfs/hyper_replica", tests, NULL, NULL);
}
