/* test_scan.c - pages that are read again and again stay in memory while a scan of far more than
 * the cache goes by, and leave it when others take their place. */
#include "qr_test.h"
#include <string.h>
#include "env/sim.h"
#include "store/txn.h"
#include "store/writer.h"

enum { PAGE_BYTES = 4096, PAGES = 8000, CACHE_PAGES = 2000, HOT = 1200 };

static struct qr_sim *sim;
static struct qr_store *store;
static struct qr_txn *txn;

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static int begin(void **state)
{
    (void)state;
    enum { COMMIT = 500 };
    static uint8_t page[PAGE_BYTES];
    struct qr_err err = {0};
    struct qr_writer writer = {.owner = 1};
    sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    struct qr_store_options o = {.env = qr_sim_env(sim),
                                 .page_bytes = PAGE_BYTES,
                                 .cache_bytes = CACHE_PAGES * PAGE_BYTES,
                                 .threads_off = true};
    check(qr_store_create("/s", &o, &store, &err), &err);
    check(qr_txn_new(store, &txn, &err), &err);
    for (uint32_t from = 1; from <= PAGES; from += COMMIT) {
        check(qr_writer_acquire(store, &writer, NULL, NULL, &err), &err);
        check(qr_txn_pin_head(txn, &err), &err);
        for (uint32_t p = from; p < from + COMMIT; p++)
            check(qr_txn_write(txn, p, page, &err), &err);
        check(qr_txn_write(txn, 1, page, &err), &err);
        qr_txn_truncate(txn, from + COMMIT - 1);
        check(qr_txn_prepare(txn, &err), &err);
        (void)qr_txn_publish(txn);
        qr_txn_unpin(txn);
        qr_writer_release(&writer);
        check(qr_store_checkpoint(store, &err), &err);
    }
    check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
    return 0;
}

static int end(void **state)
{
    (void)state;
    qr_txn_free(txn);
    qr_store_abandon(store);
    qr_sim_free(sim);
    return 0;
}

/* How many of these pages had to be read from the file. */
static uint64_t read_pages(uint32_t from, uint32_t count)
{
    struct qr_err err = {0};
    struct qr_store_stats before, after;
    qr_store_get_stats(store, &before);
    for (uint32_t p = from; p < from + count; p++) {
        uint8_t byte;
        check(qr_txn_read(txn, p, 0, &byte, 1, false, &err), &err);
    }
    qr_store_get_stats(store, &after);
    return after.cache_misses - before.cache_misses;
}

static void test_a_scan_of_all_pages_leaves_the_hot_ones_in_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        (void)read_pages(100, HOT);
    assert_int_equal(read_pages(100, HOT), 0);
    assert_true(read_pages(2000, 6000) > 5000);
    assert_int_equal(read_pages(100, HOT), 0);
}

static void test_pages_that_are_hot_no_more_make_room_for_those_that_are(void **state)
{
    (void)state;
    enum { MANY = 1400 };
    for (int i = 0; i < 3; i++)
        (void)read_pages(100, MANY);
    assert_int_equal(read_pages(100, MANY), 0);
    uint64_t misses = 1;
    int rounds = 0;
    for (; misses > 0 && rounds < 50; rounds++) {
        misses = 0;
        for (uint32_t at = 0; at < MANY; at += 100)
            for (int again = 0; again < 2; again++)
                misses += read_pages(4000 + at, 100);
    }
    assert_true(rounds < 20);
}

static void test_a_working_set_as_large_as_the_cache_fits(void **state)
{
    (void)state;
    enum { ALL = CACHE_PAGES - 20 };
    for (int i = 0; i < 4; i++)
        (void)read_pages(700, ALL);
    assert_int_equal(read_pages(700, ALL), 0);
}

static uint64_t in_memory(void)
{
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    return stats.cache_bytes;
}

static void test_memory_is_given_back_and_hot_pages_go_last(void **state)
{
    (void)state;
    (void)read_pages(2000, 600); /* once, long ago */
    for (int i = 0; i < 3; i++)
        (void)read_pages(100, HOT);
    assert_true(in_memory() > (HOT + 400) * PAGE_BYTES);
    qr_store_reclaim_cache(store, (HOT + 200) * PAGE_BYTES);
    assert_true(in_memory() <= (HOT + 200) * PAGE_BYTES);
    assert_true(qr_store_cache_used(store) <= (HOT + 200) * PAGE_BYTES); /* nor free ones kept */
    assert_int_equal(read_pages(100, HOT), 0);
    qr_store_reclaim_cache(store, 64 * PAGE_BYTES);
    assert_true(in_memory() <= 64 * PAGE_BYTES);
    assert_true(read_pages(100, HOT) > 0); /* and they come back */
    assert_int_equal(read_pages(100, HOT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_scan_of_all_pages_leaves_the_hot_ones_in_memory,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            test_pages_that_are_hot_no_more_make_room_for_those_that_are, begin, end),
        cmocka_unit_test_setup_teardown(test_memory_is_given_back_and_hot_pages_go_last, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_a_working_set_as_large_as_the_cache_fits, begin, end),
    };
    return cmocka_run_group_tests_name("store/scan", tests, NULL, NULL);
}
