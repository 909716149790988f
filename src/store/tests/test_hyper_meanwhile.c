/* test_hyper_meanwhile.c - pages that come in the middle of a commit. Goal: none that is kept is
 * stale, none is applied twice, nobody sees half a group. Method: the store's own parts are put
 * where a thread would have to be at that moment. */
#include "hyper_replica.h"
#include "hyper_sql.h"
#include "pagesvc/client.h"

enum { LISTED_MAX = 4096 };

static void fill(struct qr_conn *conn)
{
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 500)"
                 "INSERT INTO t SELECT i, hex(zeroblob(100)) FROM n");
}

static struct qr_store *replica(struct hw *w)
{
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = 4 << 20,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, "r");
    h.feed_wait_ns = h.feed_answer_ns = 50 * HW_MS;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(qr_hyper_open_replica("/r", &o, &h, &store, &err), &err);
    return store;
}

/* Returns how many of the pages are in memory as of that commit. */
static size_t warm(struct qr_store *from, struct qr_store *to, uint64_t lsn)
{
    static uint32_t pages[LISTED_MAX];
    struct qr_hyper_listed listed;
    struct qr_err err = {0};
    size_t n = 0, kept = 0;
    qr_hyper_list_pages(from, pages, LISTED_MAX, &listed);
    for (size_t at = 0; at < listed.all; at += n) {
        n = listed.all - at < QR_HYPER_WARM_MAX ? listed.all - at : QR_HYPER_WARM_MAX;
        hw_check(qr_hyper_warm(to, pages + at, n, QR_WARM_COLD, &kept, &err), &err);
    }
    size_t as_of = 0;
    for (size_t i = 0; i < listed.all; i++) {
        _Atomic(struct qri_frame *) *entry = qri_table_entry(to, pages[i], false);
        struct qri_frame *f = entry == NULL ? NULL : atomic_load(entry);
        as_of += f != NULL && f->lsn == lsn;
    }
    return as_of;
}

static void test_a_page_fetched_between_the_windows_of_a_large_group_has_it(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    hw_begin(&w, 61, NULL);
    struct qr_store *a = hw_store(&w, "a"), *r = NULL;
    struct qr_conn *conn = connect_to(a);
    fill(conn);
    r = replica(&w);
    struct qr_conn *reader = connect_to(r);
    int64_t before = number(conn, "SELECT sum(length(b)) FROM t");
    qri_replica_stop(r->hyper);
    commit(conn, "UPDATE t SET b = b || 'x'");
    qr_simnet_run(w.net, 100 * HW_MS); /* the page server has it */
    uint64_t lsn = qr_store_durable_lsn(a).v;
    pthread_mutex_lock(&r->hyper->replica->fetch_mu);
    r->hyper->replica->applying_lsn = lsn; /* as the first window does */
    pthread_mutex_unlock(&r->hyper->replica->fetch_mu);
    assert_true(warm(a, r, lsn) > 10);
    assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"), before);
    hw_check(qri_replica_resume(r->hyper, &err), &err);
    for (int i = 0; i < 1000 && qr_store_durable_lsn(r).v < lsn && w.fatal_count == 0; i++) {
        qr_hyper_step(r);
        qr_simnet_run(w.net, HW_MS);
    }
    assert_int_equal(w.fatal_count, 0);
    assert_int_equal(number(reader, "SELECT sum(length(b)) FROM t"), before + 500);
    assert_sound(reader);
    qr_conn_close(reader);
    qr_conn_close(conn);
    hw_check(qr_store_close(r, &err), &err);
    hw_check(qr_store_close(a, &err), &err);
    hw_end(&w);
}

/* A want asks as of the LSN that was durable when wants were begun; its page became durable and
 * was evicted before its own turn came. */
static void test_a_page_that_was_evicted_while_wants_were_made_is_not_kept(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 62, NULL);
    struct qr_store *a = hw_store(&w, "a");
    struct qr_conn *conn = connect_to(a);
    fill(conn);
    qr_conn_close(conn);
    hw_check(qr_store_close(a, NULL), &(struct qr_err){0});
    a = hw_store(&w, "a");
    static const uint8_t image[HW_PAGE_BYTES];
    uint64_t durable = qr_store_durable_lsn(a).v;
    uint32_t page_no = atomic_load(&a->head_db_pages);
    struct qri_written *written = &a->hyper->written;
    struct qr_pages_want want = {
        .page_no = page_no, .lsn = qr_lsn(durable), .not_modified_since = qr_lsn(durable + 100)};
    struct qr_pages_got got = {.status = QR_OK,
                               .version = qr_lsn(qri_written_lsn(written, page_no)),
                               .page = image,
                               .bytes = sizeof image};
    assert_true(got.version.v <= durable);
    qri_written_note(written, page_no, durable + 100);
    assert_false(qri_hyper_keep(a, &want, &got, QR_WARM_COLD));
    want.lsn = qr_lsn(durable + 100); /* one that was made behind it gets what is newest */
    assert_true(qri_hyper_keep(a, &want, &got, QR_WARM_COLD));
    qr_store_abandon(a);
    hw_end(&w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_page_fetched_between_the_windows_of_a_large_group_has_it),
        cmocka_unit_test(test_a_page_that_was_evicted_while_wants_were_made_is_not_kept),
    };
    return cmocka_run_group_tests_name("vfs/hyper_meanwhile", tests, NULL, NULL);
}
