/* test_hyper_snapshot.c - a snapshot stays readable past retention while its node lives, and is an
 * error, never other data, once the page server has given it up (S13). */
#include "hyper_sql.h"

enum { ROWS = 400, CACHE_BYTES = 160 << 10 };
static const char sum_v[] = "SELECT sum(v) FROM t", sum_length[] = "SELECT sum(length(b)) FROM t";

struct pair {
    struct hw w;
    struct qr_store *primary, *replica;
    struct qr_conn *writer, *reader;
};

static struct qr_store *open_as(struct hw *w, const char *name, bool replica)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = CACHE_BYTES,
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

static void live(struct pair *p, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 20) {
        qr_hyper_step(p->primary);
        qr_hyper_step(p->replica);
        qr_simnet_run(p->w.net, 20 * HW_MS);
    }
}

static void begin(struct pair *p, uint64_t seed)
{
    hw_begin(&p->w, seed, NULL);
    p->primary = open_as(&p->w, "a", false);
    p->writer = connect_to(p->primary);
    commit(p->writer, "CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b BLOB)");
    commit(p->writer, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                      "400) INSERT INTO t SELECT i, 1, randomblob(3900) FROM n");
    p->replica = open_as(&p->w, "r", true);
    p->reader = connect_to(p->replica);
    live(p, 200);
}

static void end(struct pair *p)
{
    assert_int_equal(p->w.fatal_count, 0);
    qr_conn_close(p->reader);
    qr_conn_close(p->writer);
    assert_int_equal(qr_store_close(p->replica, NULL), QR_OK);
    assert_int_equal(qr_store_close(p->primary, NULL), QR_OK);
    hw_end(&p->w);
}

/* Every page changes often enough for images, then retention covers only the last commit. */
static void outlive_retention(struct pair *p)
{
    for (int i = 0; i < 6; i++) {
        commit(p->writer, "UPDATE t SET v = v + 1, b = randomblob(3900)");
        live(p, 100);
    }
    for (int i = 0; i < 4; i++) {
        struct qr_err err = {0};
        hw_check(
            qr_pagesvc_set_horizon(p->w.pages, &p->w.slice, qr_store_durable_lsn(p->primary), &err),
            &err);
        hw_check(qr_pagesvc_flush(p->w.pages, &p->w.slice, &err), &err);
        live(p, 12000);
    }
}

struct got {
    enum qr_status status;
    bool called;
} got;

static void page_done(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)get, (void)err;
    got = (struct got){status, true};
}

/* What the page server says of the meta page as of that LSN. */
static enum qr_status ask_at(struct pair *p, struct qr_lsn lsn)
{
    struct qr_buf dst;
    qr_buf_init(&dst, 1 << 16);
    struct qr_page_get get = {.id = p->w.slice, .lsn = lsn, .dst = &dst, .done = page_done};
    got.called = false;
    qr_pagesvc_get(p->w.pages, &get);
    assert_true(got.called);
    qr_buf_done(&dst);
    return got.status;
}

static void test_a_reader_on_a_replica_outlives_retention(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 61);
    struct qr_lsn first = qr_store_durable_lsn(p.replica);
    must_run(p.reader, "BEGIN");
    assert_int_equal(number(p.reader, sum_v), ROWS);
    outlive_retention(&p);
    assert_int_equal(number(p.reader, sum_v), ROWS); /* ten times its memory, all from long ago */
    assert_int_equal(number(p.reader, sum_length), ROWS * 3900);
    assert_int_equal(ask_at(&p, first), QR_OK);
    must_run(p.reader, "COMMIT");
    assert_int_equal(number(p.reader, sum_v), 7 * ROWS);

    outlive_retention(&p); /* nobody holds it any more */
    assert_int_equal(ask_at(&p, first), QR_GONE);
    assert_int_equal(number(p.reader, sum_v), 13 * ROWS);
    end(&p);
}

static void test_the_lease_outlives_the_page_server(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 62);
    must_run(p.reader, "BEGIN");
    assert_int_equal(number(p.reader, sum_v), ROWS);
    struct qr_err err = {0};
    live(&p, 1000);
    hw_pages_fail(&p.w);
    hw_check(qr_pagesvc_attach(p.w.pages, &p.w.slice, &err), &err);
    /* It knows of no lease yet. */
    outlive_retention(&p);
    assert_int_equal(number(p.reader, sum_v), ROWS);
    must_run(p.reader, "COMMIT");
    end(&p);
}

static void cut_pages(struct pair *p, bool cut)
{
    struct qr_simnet_node *node = qr_simnet_node(p->w.net, "r");
    qr_simnet_cut(p->w.net, node, p->w.pages_node, cut);
    qr_simnet_cut(p->w.net, p->w.pages_node, node, cut);
}

static void test_a_snapshot_whose_lease_ran_out_is_an_error(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 63);
    must_run(p.reader, "BEGIN");
    assert_int_equal(number(p.reader, sum_v), ROWS);
    cut_pages(&p, true);
    live(&p, 31000);
    outlive_retention(&p);
    cut_pages(&p, false);
    live(&p, 3000);

    struct qr_err err = {0};
    assert_int_not_equal(run(p.reader, sum_length), SQLITE_OK);
    assert_int_equal(qr_conn_last_error(p.reader, &err), QR_GONE);
    assert_int_equal(err.number, 3966);
    (void)run(p.reader, "ROLLBACK");
    assert_int_equal(number(p.reader, sum_v), 7 * ROWS);
    assert_sound(p.reader);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reader_on_a_replica_outlives_retention),
        cmocka_unit_test(test_the_lease_outlives_the_page_server),
        cmocka_unit_test(test_a_snapshot_whose_lease_ran_out_is_an_error),
    };
    return cmocka_run_group_tests_name("vfs/hyper_snapshot", tests, NULL, NULL);
}
