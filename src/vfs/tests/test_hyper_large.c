/* test_hyper_large.c - transactions larger than their memory on a hyper store, and what its replica
 * makes of them. */
#include "hyper_sql.h"

enum { ROWS = 400, CACHE_BYTES = 160 << 10, TXN_BYTES = 48 << 10 };

static struct qr_store *open_as(struct hw *w, const char *name, bool replica)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = CACHE_BYTES,
                                 .txn_memory_bytes = TXN_BYTES,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, name);
    h.feed_wait_ns = h.feed_answer_ns = 50 * HW_MS;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(replica ? qr_hyper_open_replica(dir, &o, &h, &store, &err)
                     : qr_hyper_open(dir, &o, &h, &store, &err),
             &err);
    return store;
}

static void fill(struct qr_conn *conn)
{
    commit(conn, "BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b BLOB);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
                 "INSERT INTO t SELECT i, 0, randomblob(3000) FROM n; COMMIT");
}

static const char change_all[] = "BEGIN; UPDATE t SET v = v + 1, b = randomblob(3000 + v);"
                                 "INSERT INTO t SELECT a + 1000, v, b FROM t;"
                                 "DELETE FROM t WHERE a > 1000; COMMIT";

static void assert_turn(struct qr_conn *conn, int64_t turn)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE v = %lld AND length(b) >= 3000",
             (long long)turn);
    assert_int_equal(number(conn, sql), ROWS);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), ROWS);
}

static void live(struct hw *w, struct qr_store *primary, struct qr_store *replica, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 20) {
        qr_hyper_step(primary);
        qr_hyper_step(replica);
        qr_simnet_run(w->net, 20 * HW_MS);
    }
}

/* Goal: whoever reads an older snapshot, here or on a replica, reads what was; who dies leaves
 * whole commits. */
static void test_large_commits_are_whole_here_on_a_replica_and_after_a_kill(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct hw w;
        hw_begin(&w, seed * 77, NULL);
        struct qr_store *primary = open_as(&w, "a", false);
        struct qr_conn *conn = connect_to(primary), *old[3];
        fill(conn);
        struct qr_store *replica = open_as(&w, "r", true);
        struct qr_conn *reader = connect_to(replica), *held = connect_to(replica);
        live(&w, primary, replica, 200);
        must_run(held, "BEGIN");
        assert_turn(held, 0);
        for (int turn = 0; turn < 3; turn++) {
            old[turn] = connect_to(primary);
            must_run(old[turn], "BEGIN");
            assert_turn(old[turn], turn);
            commit(conn, change_all);
            assert_turn(conn, turn + 1);
            for (int i = 0; i <= turn; i++)
                assert_turn(old[i], i);
            live(&w, primary, replica, 400);
            assert_turn(reader, turn + 1);
            assert_turn(held, 0);
        }
        struct qr_store_stats stats;
        qr_store_get_stats(replica, &stats);
        assert_true(stats.tmp_bytes_written > 0); /* groups were put aside there */
        assert_sound(reader);
        for (int i = 0; i < 3; i++)
            qr_conn_close(old[i]);
        publish(conn, "BEGIN; UPDATE t SET v = -1; ROLLBACK");
        qr_conn_close(held);
        qr_conn_close(reader);
        qr_conn_close(conn);
        assert_int_equal(qr_store_close(replica, NULL), QR_OK);
        hw_kill(&w, "a", primary);
        primary = open_as(&w, "a2", false);
        conn = connect_to(primary);
        assert_turn(conn, 3);
        assert_sound(conn);
        qr_conn_close(conn);
        assert_int_equal(qr_store_close(primary, NULL), QR_OK);
        assert_int_equal(w.fatal_count, 0);
        hw_end(&w);
    }
}

/* Goal: a large commit that dies in the middle of its appends leaves nothing, at any moment. */
static void test_a_primary_that_dies_while_it_appends_leaves_all_or_nothing(void **state)
{
    (void)state;
    int whole = 0, nothing = 0;
    for (int ms = 0; ms < 48; ms += 4) {
        struct hw w;
        hw_begin(&w, 500 + (uint64_t)ms, NULL);
        struct qr_store *primary = open_as(&w, "a", false);
        struct qr_conn *conn = connect_to(primary);
        fill(conn);
        publish(conn, change_all);
        for (int i = 0; i < ms; i++)
            qr_hyper_step(primary), qr_simnet_run(w.net, HW_MS / 4);
        qr_conn_close(conn);
        hw_kill(&w, "a", primary);
        primary = open_as(&w, "b", false);
        conn = connect_to(primary);
        int64_t turn = number(conn, "SELECT v FROM t WHERE a = 1");
        assert_turn(conn, turn);
        whole += turn == 1;
        nothing += turn == 0;
        assert_sound(conn);
        commit(conn, change_all);
        assert_turn(conn, turn + 1);
        qr_conn_close(conn);
        assert_int_equal(qr_store_close(primary, NULL), QR_OK);
        assert_int_equal(w.fatal_count, 0);
        hw_end(&w);
    }
    assert_true(nothing > 0);
    assert_int_equal(whole + nothing, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_commits_are_whole_here_on_a_replica_and_after_a_kill),
        cmocka_unit_test(test_a_primary_that_dies_while_it_appends_leaves_all_or_nothing),
    };
    return cmocka_run_group_tests_name("vfs/hyper-large", tests, NULL, NULL);
}
