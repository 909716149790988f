/* test_hyper_lease.c - a primary answers under a lease only (S6). */
#include "hyper_sql.h"

static int64_t now(struct hw *w)
{
    return qr_env_mono_ns(qr_sim_env(w->compute_sim));
}

static void cut_off(struct hw *w, const char *name, bool cut)
{
    struct qr_simnet_node *node = qr_simnet_node(w->net, name);
    qr_simnet_cut(w->net, node, w->log_node, cut);
    qr_simnet_cut(w->net, w->log_node, node, cut);
}

/* What its thread would do for that long. */
static void idle(struct hw *w, struct qr_store *store, int64_t ns)
{
    for (int64_t until = now(w) + ns; now(w) < until;) {
        qr_hyper_step(store);
        qr_simnet_run(w->net, 5 * HW_MS);
    }
}

static struct qr_store *open_leased(struct hw *w, const char *name, bool force)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, name);
    h.force = force;
    h.lease_ttl_ns = 200 * HW_MS;
    h.page_timeout_ns = 300 * HW_MS;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(qr_hyper_open(dir, &o, &h, &store, &err), &err);
    return store;
}

static void test_a_lease_that_is_renewed_holds_off_the_next_primary(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 11, NULL);
    struct qr_store *store = open_leased(&w, "a", true);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    idle(&w, store, 1000 * HW_MS);
    struct qr_logsvc_change fence = {
        .kind = QR_LOGSVC_FENCE, .timeline = w.slice.timeline, .epoch = 9, .holder = 9};
    struct qr_hyper_options h = hw_options(&w, "b");
    assert_int_equal(qr_logsvc_peer_change(h.log, &fence, 0, NULL), QR_LOCKED);
    assert_true(fence.wait_ns > 100 * HW_MS && fence.wait_ns <= 200 * HW_MS);
    /* Somebody waits now, so it is not renewed any more, and that ends the primary. */
    idle(&w, store, 100 * HW_MS);
    assert_int_equal(w.fatal_count, 1);
    assert_int_equal(run(conn, "SELECT * FROM t") == SQLITE_OK, 0);
    qr_conn_close(conn);
    qr_store_abandon(store);
    hw_end(&w);
}

static void test_a_primary_without_a_lease_answers_nothing(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 12, NULL);
    struct qr_store *store = open_leased(&w, "a", true);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    cut_off(&w, "a", true);
    assert_int_equal(number(conn, "SELECT sum(a) FROM t"), 1); /* the lease still runs */
    idle(&w, store, 250 * HW_MS);
    struct qr_err err = {0};
    assert_int_not_equal(run(conn, "SELECT sum(a) FROM t"), SQLITE_OK);
    assert_int_equal(qr_conn_last_error(conn, &err), QR_TIMEOUT);
    cut_off(&w, "a", false);
    assert_int_equal(number(conn, "SELECT sum(a) FROM t"), 1); /* nobody came in between */
    commit(conn, "INSERT INTO t VALUES(2)");
    assert_int_equal(w.fatal_count, 0);
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    hw_end(&w);
}

/* The log service takes the append, because its epoch is still the newest; but a successor waits.
 */
static void test_what_becomes_durable_without_a_lease_is_not_told(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 13, NULL);
    struct qr_store *store = open_leased(&w, "a", true);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a)");
    struct qr_lsn before = qr_store_durable_lsn(store);
    publish(conn, "INSERT INTO t VALUES(1)"); /* not sent yet */
    struct qr_logsvc_change fence = {
        .kind = QR_LOGSVC_FENCE, .timeline = w.slice.timeline, .epoch = 9, .holder = 9};
    struct qr_hyper_options h = hw_options(&w, "b");
    assert_int_equal(qr_logsvc_peer_change(h.log, &fence, 0, NULL), QR_LOCKED);
    qr_simnet_run(w.net, 250 * HW_MS);
    struct qr_err err = {0};
    assert_int_equal(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), QR_CLOSED);
    assert_int_equal(qr_store_durable_lsn(store).v, before.v);
    assert_int_equal(w.fatal_count, 1);
    hw_check(qr_logsvc_peer_change(h.log, &fence, 0, &err), &err);
    assert_int_equal(fence.state.commit_lsn, qr_conn_commit_lsn(conn).v); /* it is not lost */
    qr_conn_close(conn);
    qr_store_abandon(store);
    hw_end(&w);
}

/* Across all of it: at no time do two of them answer. */
static void test_a_cut_off_primary_has_fallen_silent_before_its_successor_serves(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 14, NULL);
    struct qr_store *old = open_leased(&w, "a", true);
    struct qr_conn *old_conn = connect_to(old);
    commit(old_conn, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    cut_off(&w, "a", true);
    struct qr_store *new = open_leased(&w, "b", false); /* waits until the lease is over */
    struct qr_conn *new_conn = connect_to(new);
    commit(new_conn, "INSERT INTO t VALUES(2)");
    assert_int_not_equal(run(old_conn, "SELECT sum(a) FROM t"), SQLITE_OK);
    cut_off(&w, "a", false);
    idle(&w, old, 100 * HW_MS);
    assert_int_equal(w.fatal_count, 1);
    assert_int_equal(number(new_conn, "SELECT sum(a) FROM t"), 3);
    qr_conn_close(old_conn);
    qr_store_abandon(old);
    struct qr_err err = {0};
    qr_conn_close(new_conn);
    hw_check(qr_store_close(new, &err), &err);
    hw_end(&w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_that_is_renewed_holds_off_the_next_primary),
        cmocka_unit_test(test_a_primary_without_a_lease_answers_nothing),
        cmocka_unit_test(test_what_becomes_durable_without_a_lease_is_not_told),
        cmocka_unit_test(test_a_cut_off_primary_has_fallen_silent_before_its_successor_serves),
    };
    return cmocka_run_group_tests_name("vfs/hyper_lease", tests, NULL, NULL);
}
