/* test_hyper_grow.c - a database that grows past the slices that it began with; slices of 256 KiB.
 */
#include "hyper_sql.h"
#include "store/hyper_branch.h"

enum { SLICE_BYTES = 256 << 10 };

struct told {
    uint32_t slices; /* what control was told last */
    int refuse;      /* so many more times */
    struct qr_store *store;
};

static enum qr_status on_grown(void *ctx, uint32_t slice_count, struct qr_err *err)
{
    struct told *told = ctx;
    if (told->refuse > 0) {
        told->refuse--;
        return qr_fail(err, QR_TIMEOUT, "control is down");
    }
    struct qr_store_stats stats;
    qr_store_get_stats(told->store, &stats);
    /* No page of the new slice is there yet; nobody holds the writer lock (S1). */
    assert_true(stats.data_bytes < (uint64_t)(slice_count - 1) * SLICE_BYTES);
    assert_int_equal(qr_store_list_writers(told->store, NULL, 0), 0);
    told->slices = slice_count;
    return QR_OK;
}

static struct qr_store *open_with(struct hw *w, const char *name, struct told *told,
                                  uint32_t slice_count)
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
    h.slice_count = slice_count;
    if (told != NULL) {
        h.grown = on_grown;
        h.grown_ctx = told;
    }
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(qr_hyper_open(dir, &o, &h, &store, &err), &err);
    if (told != NULL)
        told->store = store;
    return store;
}

static int insert(struct qr_conn *conn, int from)
{
    char sql[200];
    struct qr_err err = {0};
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i+1 FROM n WHERE i < %d)"
             "INSERT INTO t SELECT i, zeroblob(1000) || i FROM n",
             from, from + 19);
    hw_check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    int rc = run(conn, sql);
    qr_conn_unlock_writer(conn);
    if (rc == SQLITE_OK)
        hw_check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
    return rc;
}

static void test_a_database_grows_from_slice_to_slice(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    struct told told = {.slices = 1};
    hw_begin_sliced(&w, 51, SLICE_BYTES, NULL);
    struct qr_store *store = open_with(&w, "a", &told, 1);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    for (int i = 0; i < 60; i++)
        assert_int_equal(insert(conn, i * 20), SQLITE_OK);
    assert_true(told.slices >= 5);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), 1200);
    assert_sound(conn);
    qr_conn_close(conn);
    hw_kill(&w, "a", store);
    /* Who opens it finds out what it needs, whatever it was told. */
    store = open_with(&w, "b", &told, 1);
    conn = connect_to(store);
    assert_int_equal(number(conn, "SELECT sum(a) FROM t"), 1200 * 1199 / 2);
    for (int i = 60; i < 80; i++)
        assert_int_equal(insert(conn, i * 20), SQLITE_OK);
    assert_sound(conn);
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

static void test_without_another_slice_commits_fail_and_nothing_else(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    struct told told = {.slices = 1, .refuse = 1 << 20};
    hw_begin_sliced(&w, 52, SLICE_BYTES, NULL);
    struct qr_store *store = open_with(&w, "a", &told, 1);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    int i = 0;
    while (i < 60 && insert(conn, i * 20) == SQLITE_OK)
        i++;
    assert_true(i > 5 && i < 20);
    assert_int_equal(sqlite3_errcode(qr_conn_db(conn)), SQLITE_FULL);
    assert_int_equal(qr_conn_over(conn), QR_LIMIT_NONE);
    assert_int_equal(told.slices, 1);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), i * 20);
    told.refuse = 0; /* control is back */
    for (; i < 30; i++)
        assert_int_equal(insert(conn, i * 20), SQLITE_OK);
    assert_true(told.slices >= 2);
    assert_sound(conn);
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

static void test_a_replica_reads_slices_that_came_later_and_grows_when_promoted(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    struct told told = {.slices = 1};
    hw_begin_sliced(&w, 53, SLICE_BYTES, NULL);
    struct qr_store *a = open_with(&w, "a", &told, 1);
    struct qr_conn *conn = connect_to(a);
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    struct qr_store_options o = {.env = qr_sim_env(w.compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = 64 << 10,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = &w};
    struct qr_hyper_options h = hw_options(&w, "r");
    h.feed_wait_ns = h.feed_answer_ns = 50 * HW_MS;
    h.grown = on_grown;
    h.grown_ctx = &told;
    struct qr_store *r = NULL;
    hw_check(qr_hyper_open_replica("/r", &o, &h, &r, &err), &err);
    for (int i = 0; i < 40; i++)
        assert_int_equal(insert(conn, i * 20), SQLITE_OK);
    qr_conn_close(conn);
    uint32_t slices = told.slices;
    assert_true(slices > 2);
    hw_check(qr_hyper_promote(r, 0, true, &err), &err);
    told.store = r;
    conn = connect_to(r);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), 800);
    for (int i = 40; i < 60; i++)
        assert_int_equal(insert(conn, i * 20), SQLITE_OK);
    assert_true(told.slices > slices);
    assert_sound(conn);
    qr_conn_close(conn);
    qr_store_abandon(a);
    hw_check(qr_store_close(r, &err), &err);
    hw_end(&w);
}

/* A restore to before a slice was made has none of its pages, but grows into it, too. */
static void test_branches_of_a_database_that_grew_grow_themselves(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    struct told told = {.slices = 1};
    hw_begin_sliced(&w, 54, SLICE_BYTES, NULL);
    struct qr_store *store = open_with(&w, "a", &told, 1);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    assert_int_equal(insert(conn, 0), SQLITE_OK);
    struct qr_lsn early = qr_store_durable_lsn(store);
    for (int i = 1; i < 40; i++)
        assert_int_equal(insert(conn, i * 20), SQLITE_OK);
    assert_true(told.slices >= 3);
    struct qr_hyper_options h = hw_options(&w, "control");
    struct qr_hyper_services services = {.log = h.log,
                                         .pages = h.pages,
                                         .env = qr_sim_env(w.compute_sim),
                                         .slice_bytes = SLICE_BYTES,
                                         .page_bytes = HW_PAGE_BYTES,
                                         .pause = hw_pause,
                                         .pause_ctx = &w};
    const struct {
        struct qr_hyper_point point;
        int64_t rows;
    } branches[] = {{{.kind = QR_POINT_LSN, .lsn = early}, 20}, {{QR_POINT_NOW}, 800}};
    struct qr_timeline parent = w.slice.timeline;
    for (int k = 0; k < 2; k++) {
        struct qr_timeline child = {{0xc1, (uint8_t)k}};
        struct qr_hyper_base base;
        for (int again = 0; again < 2; again++)
            hw_check(qr_hyper_branch(&services, &parent, told.slices, &branches[k].point, &child,
                                     &base, &err),
                     &err);
        struct told of_child = {.slices = told.slices};
        w.slice.timeline = child;
        struct qr_store *copy = open_with(&w, "b", &of_child, told.slices);
        struct qr_conn *copy_conn = connect_to(copy);
        assert_int_equal(number(copy_conn, "SELECT count(*) FROM t"), branches[k].rows);
        for (int i = 50; i < 90; i++)
            assert_int_equal(insert(copy_conn, i * 20), SQLITE_OK);
        assert_int_equal(number(copy_conn, "SELECT count(*) FROM t"), branches[k].rows + 800);
        assert_sound(copy_conn);
        qr_conn_close(copy_conn);
        hw_check(qr_store_close(copy, &err), &err);
        w.slice.timeline = parent;
    }
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_database_grows_from_slice_to_slice),
        cmocka_unit_test(test_without_another_slice_commits_fail_and_nothing_else),
        cmocka_unit_test(test_a_replica_reads_slices_that_came_later_and_grows_when_promoted),
        cmocka_unit_test(test_branches_of_a_database_that_grew_grow_themselves),
    };
    return cmocka_run_group_tests_name("vfs/hyper_grow", tests, NULL, NULL);
}
