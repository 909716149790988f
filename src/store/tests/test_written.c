/* test_written.c - the bounded map of last-written LSNs never says less than what was noted. */
#include "qr_test.h"
#include "hyper_int.h"

enum { PAGES = 10 * QRI_WRITTEN_BUCKETS * QRI_WRITTEN_WAYS, START = 1000 };

static struct qri_written map;

static int begin(void **state)
{
    (void)state;
    return qri_written_init(&map, START, NULL) == QR_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    qri_written_done(&map);
    return 0;
}

static void test_a_page_that_was_never_noted_has_the_start(void **state)
{
    (void)state;
    assert_int_equal(qri_written_lsn(&map, 17), START);
}

static void test_a_noted_page_is_exact_and_never_goes_back(void **state)
{
    (void)state;
    qri_written_note(&map, 17, 5000);
    qri_written_note(&map, 17, 4000);
    assert_int_equal(qri_written_lsn(&map, 17), 5000);
    qri_written_note(&map, 18, 600); /* read, not changed, since the start */
    assert_int_equal(qri_written_lsn(&map, 18), 600);
}

static void test_what_a_bucket_forgets_raises_its_floor(void **state)
{
    (void)state;
    for (uint32_t p = 1; p <= PAGES; p++)
        qri_written_note(&map, p, START + (uint64_t)p * 7919 % PAGES);
    for (uint32_t p = 1; p <= PAGES; p++) {
        uint64_t lsn = qri_written_lsn(&map, p);
        assert_true(lsn >= START + (uint64_t)p * 7919 % PAGES && lsn < START + PAGES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_page_that_was_never_noted_has_the_start, begin, end),
        cmocka_unit_test_setup_teardown(test_a_noted_page_is_exact_and_never_goes_back, begin, end),
        cmocka_unit_test_setup_teardown(test_what_a_bucket_forgets_raises_its_floor, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
