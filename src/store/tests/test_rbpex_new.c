/* test_rbpex_new.c - what a load leaves in RBPEX; the rest is test_rbpex.c */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include "env/sim.h"
#include "rbpex.h"

enum { PAGE_BYTES = 512, SLOTS = 64 };

static void offer(struct qri_rbpex *rb, uint32_t page_no, enum qri_rbpex_offer kind)
{
    static const uint8_t page[PAGE_BYTES];
    qri_rbpex_offer(rb, page_no, 1000, page, kind);
}

static uint32_t held(struct qri_rbpex *rb)
{
    uint32_t count = 0;
    for (uint32_t p = 1; p <= SLOTS; p++)
        count += qri_rbpex_has(rb, p);
    return count;
}

static void test_of_new_pages_no_more_are_taken_than_the_rate_allows(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 4});
    struct qri_rbpex_options o = {.env = qr_sim_env(sim),
                                  .dir = "/n",
                                  .timeline = {{7}},
                                  .page_bytes = PAGE_BYTES,
                                  .bytes = SLOTS * PAGE_BYTES,
                                  .trust_lsn = 1000,
                                  .new_bytes_max = 3 * PAGE_BYTES};
    struct qri_rbpex *rb = NULL;
    struct qri_rbpex_stats stats;
    assert_int_equal(qr_env_make_dir(o.env, "/n", NULL), QR_OK);
    assert_int_equal(qri_rbpex_open(&o, &rb, NULL), QR_OK);
    qri_rbpex_confirm_all(rb, true);
    for (uint32_t p = 1; p <= 5; p++)
        offer(rb, p, QRI_RBPEX_NEW);
    assert_int_equal(held(rb), 3);
    qri_rbpex_get_stats(rb, &stats);
    assert_int_equal(stats.refused, 2);
    offer(rb, 4, QRI_RBPEX_COLD); /* somebody has read it */
    assert_int_equal(held(rb), 4);
    qr_env_sleep_ns(o.env, 1000000);
    offer(rb, 5, QRI_RBPEX_NEW);
    assert_int_equal(held(rb), 5);
    qri_rbpex_free(rb);
    qr_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_new_pages_no_more_are_taken_than_the_rate_allows),
    };
    return cmocka_run_group_tests_name("store/rbpex_new", tests, NULL, NULL);
}
