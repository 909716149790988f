/* test_rbpex_resize.c - the page file tier gets another size while it is used. */
#include "rbpex_model.h"

static void test_more_room_keeps_what_is_there_and_takes_more(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 4);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= SLOTS; p++) {
        offer(&m, p, QRI_RBPEX_COLD);
        (void)qri_rbpex_step(m.rb);
    }
    resize(&m, PAGES);
    assert_int_equal(look_at_all(&m), SLOTS);
    for (uint32_t p = SLOTS + 1; p <= PAGES; p++) {
        offer(&m, p, QRI_RBPEX_SPARE);
        (void)qri_rbpex_step(m.rb);
    }
    assert_int_equal(look_at_all(&m), PAGES);
    close_it(&m, m.durable);
    qri_rbpex_free(m.rb);
    must_open(&m);
    read_log(&m);
    assert_int_equal(look_at_all(&m), PAGES);
    end(&m);
}

static void test_less_room_forgets_what_does_not_fit_also_what_waits(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 5);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= SLOTS; p++) {
        offer(&m, p, QRI_RBPEX_HOT);
        if (p <= SLOTS - 4)
            (void)qri_rbpex_step(m.rb);
    }
    resize(&m, QRI_RBPEX_PAGES_MIN); /* the last four wait to be written */
    assert_int_equal(look_at_all(&m), QRI_RBPEX_PAGES_MIN);
    while (qri_rbpex_step(m.rb))
        ;
    assert_int_equal(look_at_all(&m), QRI_RBPEX_PAGES_MIN);
    struct qri_rbpex_stats stats;
    qri_rbpex_get_stats(m.rb, &stats);
    assert_int_equal(stats.bytes_max, QRI_RBPEX_PAGES_MIN * PAGE_BYTES);
    assert_int_equal(stats.written, SLOTS - 4);
    assert_int_equal(stats.damaged, 0);
    resize(&m, SLOTS);
    assert_int_equal(look_at_all(&m), QRI_RBPEX_PAGES_MIN);
    struct qr_err err;
    assert_int_equal(qri_rbpex_resize(m.rb, PAGE_BYTES, &err), QR_INVALID);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_room_keeps_what_is_there_and_takes_more),
        cmocka_unit_test(test_less_room_forgets_what_does_not_fit_also_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
