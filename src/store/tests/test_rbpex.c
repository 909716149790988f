/* test_rbpex.c - the page file tier alone, on a simulated disk: whatever is lost, torn or damaged,
 * it says what is right or nothing. */
#include "rbpex_model.h"

static void test_what_was_offered_is_found_before_and_after_it_is_written(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 1);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= 8; p++)
        offer(&m, p, QRI_RBPEX_COLD);
    assert_int_equal(look_at_all(&m), 8);
    while (qri_rbpex_step(m.rb))
        ;
    assert_int_equal(look_at_all(&m), 8);
    struct qri_rbpex_stats stats;
    qri_rbpex_get_stats(m.rb, &stats);
    assert_int_equal(stats.written, 8);
    assert_int_equal(stats.hits, 16);
    change(&m, 3);
    assert_false(look(&m, 3));
    assert_int_equal(look_at_all(&m), 7);
    end(&m);
}

static void test_a_full_queue_takes_nothing_and_a_changed_page_is_not_kept(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 2);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= 12; p++)
        offer(&m, p, QRI_RBPEX_HOT);
    assert_int_equal(look_at_all(&m), 8);
    change(&m, 5); /* while it waits */
    m.durable = m.head;
    while (qri_rbpex_step(m.rb))
        ;
    assert_int_equal(look_at_all(&m), 7);
    offer(&m, 5, QRI_RBPEX_HOT);
    assert_true(look(&m, 5));
    end(&m);
}

static void test_a_scan_does_not_drive_out_what_is_read_again(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 3);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= SLOTS; p++) {
        offer(&m, p, QRI_RBPEX_HOT);
        (void)qri_rbpex_step(m.rb);
    }
    for (uint32_t p = SLOTS + 1; p <= PAGES; p++) {
        offer(&m, p, QRI_RBPEX_COLD);
        (void)qri_rbpex_step(m.rb);
    }
    for (uint32_t p = 1; p <= SLOTS; p++)
        assert_true(look(&m, p));
    offer(&m, PAGES, QRI_RBPEX_COLD); /* a second time within a short while */
    (void)qri_rbpex_step(m.rb);
    assert_true(look(&m, PAGES));
    end(&m);
}

static void test_a_clean_close_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 40; seed++) {
        struct model m;
        begin(&m, seed);
        must_open(&m);
        qri_rbpex_confirm_all(m.rb, true);
        work(&m, 400);
        m.durable = m.head;
        uint64_t before = look_at_all(&m);
        assert_true(before > 0);
        close_it(&m, m.durable);
        qr_sim_power_cut(m.sim);
        qri_rbpex_free(m.rb);
        must_open(&m);
        assert_int_equal(qri_rbpex_recovered_lsn(m.rb), m.durable);
        assert_int_equal(look_at_all(&m), 0); /* all is suspect until the log was read */
        read_log(&m);
        assert_int_equal(look_at_all(&m), before);
        end(&m);
    }
}

static void test_after_a_kill_at_any_moment_it_is_warm_and_never_stale(void **state)
{
    (void)state;
    uint64_t found = 0;
    for (uint64_t seed = 100; seed < 400; seed++) {
        struct model m;
        begin(&m, seed);
        must_open(&m);
        qri_rbpex_confirm_all(m.rb, true);
        for (int life = 0; life < 4; life++) {
            work(&m, 50 + (int)pick(&m, 200));
            qr_sim_kill(m.sim);
            qri_rbpex_free(m.rb);
            must_open(&m);
            read_log(&m);
            found += look_at_all(&m);
        }
        end(&m);
    }
    assert_true(found > 300 * 4 * 5);
}

static void test_after_a_power_cut_at_any_moment_it_is_never_stale(void **state)
{
    (void)state;
    uint64_t found = 0;
    for (uint64_t seed = 1000; seed < 1400; seed++) {
        struct model m;
        begin(&m, seed);
        must_open(&m);
        qri_rbpex_confirm_all(m.rb, true);
        for (int life = 0; life < 4; life++) {
            work(&m, 50 + (int)pick(&m, 200));
            qr_sim_power_cut(m.sim);
            qri_rbpex_free(m.rb);
            must_open(&m);
            read_log(&m);
            found += look_at_all(&m);
        }
        end(&m);
    }
    assert_true(found > 400);
}

/* Goal: no I/O error makes it wrong, whether the machine goes on or stops there. Method: fail the
 * n-th I/O, go on, cut power, reopen; raise n until nothing fails any more. */
static void test_no_failing_io_makes_it_wrong(void **state)
{
    (void)state;
    static const enum qr_status faults[] = {QR_IO, QR_FULL};
    for (int kind = 0; kind < 4; kind++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            struct model m;
            begin(&m, nth);
            qr_sim_fault_next(m.sim, nth, kind >= 2, faults[kind % 2]);
            if (open_it(&m, NULL) == QR_OK) {
                qri_rbpex_confirm_all(m.rb, true);
                work(&m, 300);
                qr_sim_advance(m.sim, INT64_C(2000000000)); /* time to try again */
                work(&m, 100);
                qri_rbpex_close(m.rb, nth % 2 == 0 ? m.durable : 0);
            }
            fired = qr_sim_fault_fired(m.sim);
            qr_sim_power_cut(m.sim);
            qri_rbpex_free(m.rb);
            must_open(&m);
            read_log(&m);
            (void)look_at_all(&m);
            end(&m);
        }
    }
}

static void test_damage_of_any_file_is_a_miss(void **state)
{
    (void)state;
    uint64_t damaged = 0;
    static const char *const files[] = {"/n/rbpex", "/n/rbpex-table"};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct model m;
        begin(&m, seed);
        must_open(&m);
        qri_rbpex_confirm_all(m.rb, true);
        work(&m, 300);
        m.durable = m.head;
        close_it(&m, m.durable);
        bool reopen = seed % 3 != 0;
        if (reopen)
            qri_rbpex_free(m.rb);
        for (int n = 0; n < 3; n++) {
            const char *file = files[pick(&m, 2)];
            struct qr_buf all;
            qr_buf_init(&all, 1 << 20);
            assert_int_equal(qr_env_read_file(qr_sim_env(m.sim), file, &all, NULL), QR_OK);
            assert_int_equal(qr_sim_flip_bit(m.sim, file, pick(&m, all.len * 8)), QR_OK);
            qr_buf_done(&all);
        }
        if (reopen) {
            must_open(&m);
            read_log(&m);
        }
        (void)look_at_all(&m);
        struct qri_rbpex_stats stats;
        qri_rbpex_get_stats(m.rb, &stats);
        damaged += stats.damaged;
        work(&m, 200);
        (void)look_at_all(&m);
        end(&m);
    }
    assert_true(damaged > 50);
}

static void test_what_the_log_cannot_confirm_stays_in_doubt_until_it_is_asked_for(void **state)
{
    (void)state;
    struct model m;
    uint8_t page[PAGE_BYTES];
    uint64_t lsn = 0;
    begin(&m, 4);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= 8; p++)
        offer(&m, p, QRI_RBPEX_HOT);
    close_it(&m, m.durable);
    qri_rbpex_free(m.rb);
    for (int life = 0; life < 3; life++) { /* doubt outlives a reopen, also behind a mark */
        must_open(&m);
        qri_rbpex_confirm_all(m.rb, life > 0);
        assert_int_equal(qri_rbpex_read(m.rb, 8, page, &lsn), QRI_RBPEX_SUSPECT);
        assert_false(qri_rbpex_has(m.rb, 8));
        m.durable = m.head += 100;
        close_it(&m, m.durable);
        qri_rbpex_free(m.rb);
    }
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    qri_rbpex_confirm(m.rb, 7, START_LSN);
    assert_true(look(&m, 7));
    qri_rbpex_changed(m.rb, 6, START_LSN + 1);
    assert_int_equal(qri_rbpex_read(m.rb, 6, page, &lsn), QRI_RBPEX_NONE);
    close_it(&m, m.durable);
    qri_rbpex_free(m.rb);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    assert_true(look(&m, 7));
    assert_int_equal(qri_rbpex_read(m.rb, 8, page, &lsn), QRI_RBPEX_SUSPECT);
    end(&m);
}

static void test_another_timeline_or_a_log_that_went_back_finds_nothing(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 5);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    change(&m, 1);
    m.durable = m.head;
    offer(&m, 1, QRI_RBPEX_HOT);
    offer(&m, 2, QRI_RBPEX_HOT);
    close_it(&m, 0);
    qri_rbpex_free(m.rb);
    m.durable = START_LSN; /* as if the log had lost its end */
    must_open(&m);
    read_log(&m);
    assert_false(look(&m, 1));
    assert_true(look(&m, 2));
    close_it(&m, m.durable);
    qri_rbpex_free(m.rb);
    struct qri_rbpex_options o = options_of(&m);
    o.timeline = (struct qr_timeline){{9}};
    assert_int_equal(qri_rbpex_open(&o, &m.rb, NULL), QR_OK);
    qri_rbpex_confirm_all(m.rb, true);
    assert_false(look(&m, 2));
    end(&m);
}

static void test_a_smaller_file_keeps_what_fits(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 6);
    must_open(&m);
    qri_rbpex_confirm_all(m.rb, true);
    for (uint32_t p = 1; p <= SLOTS; p++) {
        offer(&m, p, QRI_RBPEX_HOT);
        (void)qri_rbpex_step(m.rb);
    }
    close_it(&m, m.durable);
    qri_rbpex_free(m.rb);
    struct qri_rbpex_options o = options_of(&m);
    o.bytes = QRI_RBPEX_PAGES_MIN * PAGE_BYTES;
    assert_int_equal(qri_rbpex_open(&o, &m.rb, NULL), QR_OK);
    qri_rbpex_confirm_all(m.rb, true);
    assert_int_equal(look_at_all(&m), QRI_RBPEX_PAGES_MIN);
    end(&m);
}

/* --- threads --- */

enum {
    THREADS = 4,
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    TURNS = 2000,
#else
    TURNS = 20000,
#endif
};

static struct qri_rbpex *shared;
static _Atomic bool writer_stops;
static _Atomic int wrong;

static void *writer_main(void *arg)
{
    (void)arg;
    while (!atomic_load(&writer_stops)) {
        qri_rbpex_wait(shared, 1000000);
        while (qri_rbpex_step(shared))
            ;
    }
    return NULL;
}

/* However slowly the writer runs. */
static bool enough(void)
{
    struct qri_rbpex_stats stats;
    qri_rbpex_get_stats(shared, &stats);
    return stats.hits > 100 && stats.written > 100;
}

/* Each has pages of its own, as a page's stripe would see to. */
static void *user_main(void *arg)
{
    struct model m = {.random = (uintptr_t)arg, .rb = shared};
    uint64_t lsns[PAGES] = {0}, next = START_LSN;
    uint8_t page[PAGE_BYTES], want[PAGE_BYTES];
    for (int i = 0; i < TURNS || i % 100 != 0 || !enough(); i++) {
        uint32_t n = (uint32_t)pick(&m, PAGES),
                 page_no = 1 + n * THREADS + (uint32_t)(uintptr_t)arg;
        uint64_t lsn = 0;
        switch (pick(&m, 4)) {
        case 0:
            lsns[n] = ++next;
            qri_rbpex_changed(shared, page_no, next);
            break;
        case 1:
            fill(page, page_no, lsns[n]);
            qri_rbpex_offer(shared, page_no, lsns[n], page, (enum qri_rbpex_offer)pick(&m, 4));
            break;
        default:
            if (qri_rbpex_read(shared, page_no, page, &lsn) != QRI_RBPEX_NEWEST)
                break;
            fill(want, page_no, lsns[n]);
            if (lsn != lsns[n] || memcmp(page, want, PAGE_BYTES - QR_PAGE_RESERVED_BYTES) != 0)
                atomic_fetch_add(&wrong, 1);
        }
    }
    return NULL;
}

static void test_threads_find_their_own_pages_while_others_are_written(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 7);
    struct qri_rbpex_options o = options_of(&m);
    o.trust_lsn = 0;
    o.bytes = 2 * PAGES * PAGE_BYTES;
    assert_int_equal(qri_rbpex_open(&o, &m.rb, NULL), QR_OK);
    qri_rbpex_confirm_all(m.rb, true);
    shared = m.rb;
    pthread_t writer, users[THREADS];
    assert_int_equal(pthread_create(&writer, NULL, writer_main, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, user_main, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(users[i], NULL);
    atomic_store(&writer_stops, true);
    qri_rbpex_stop(shared);
    pthread_join(writer, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    struct qri_rbpex_stats stats;
    qri_rbpex_get_stats(m.rb, &stats);
    assert_int_equal(stats.damaged, 0);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_offered_is_found_before_and_after_it_is_written),
        cmocka_unit_test(test_a_full_queue_takes_nothing_and_a_changed_page_is_not_kept),
        cmocka_unit_test(test_a_scan_does_not_drive_out_what_is_read_again),
        cmocka_unit_test(test_a_clean_close_loses_nothing),
        cmocka_unit_test(test_after_a_kill_at_any_moment_it_is_warm_and_never_stale),
        cmocka_unit_test(test_after_a_power_cut_at_any_moment_it_is_never_stale),
        cmocka_unit_test(test_no_failing_io_makes_it_wrong),
        cmocka_unit_test(test_damage_of_any_file_is_a_miss),
        cmocka_unit_test(test_what_the_log_cannot_confirm_stays_in_doubt_until_it_is_asked_for),
        cmocka_unit_test(test_another_timeline_or_a_log_that_went_back_finds_nothing),
        cmocka_unit_test(test_a_smaller_file_keeps_what_fits),
        cmocka_unit_test(test_threads_find_their_own_pages_while_others_are_written),
    };
    return cmocka_run_group_tests_name("store/rbpex", tests, NULL, NULL);
}
