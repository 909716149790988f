/* test_copies.c - what a primary acknowledged is in every member of the record, and in whoever
 * follows it; members show nothing that could be taken back; a lost one costs no commit. */
#include "copies_world.h"

static void test_a_commit_is_in_every_copy_before_it_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    for (int i = 0; i < 20; i++)
        assert_true(commit(&w));
    qr_simnet_run(w.net, SECOND);
    for (int i = 1; i < COPIES; i++) {
        look(&w, i);
        assert_int_equal(w.m[i].seen, w.acknowledged);
        assert_true(qr_store_is_read_only(w.m[i].store));
        struct qr_writer writer = {.owner = 1};
        assert_int_equal(qr_writer_acquire(w.m[i].store, &writer, NULL, NULL, NULL), QR_READ_ONLY);
    }
    struct qr_copy_info info[QR_COPIES_MAX];
    assert_int_equal(qr_member_list(w.m[0].member, info), COPIES - 1);
    for (size_t i = 0; i < COPIES - 1; i++)
        assert_int_equal(info[i].state, QR_COPY_SYNCHRONOUS);
    end(&w);
}

static void test_a_dead_member_leaves_the_record_first_and_comes_back_by_log(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 2);
    assert_true(commit(&w));
    stop(&w, 2, true);
    int changes = w.changes;
    assert_true(commit(&w));
    assert_int_equal(w.members, 0xb);
    assert_int_equal(w.changes, changes + 1);
    for (int i = 0; i < 30; i++)
        assert_true(commit(&w));
    start(&w, 2);
    settle(&w);
    assert_int_equal(w.members, 0xf);
    assert_true(commit(&w));
    qr_simnet_run(w.net, SECOND);
    look(&w, 2);
    assert_int_equal(w.m[2].seen, w.acknowledged);
    end(&w);
}

static void test_a_member_whose_log_is_gone_is_seeded_again(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 3);
    stop(&w, 1, true);
    for (int i = 0; i < 400; i++) {
        assert_true(commit(&w));
        if (i % 50 == 49) {
            check(qr_store_checkpoint(w.m[0].store, &err), &err);
            qr_archive_release(w.m[0].store, qr_store_durable_lsn(w.m[0].store));
        }
    }
    start(&w, 1);
    settle(&w);
    assert_int_equal(w.members, 0xf);
    look(&w, 1);
    assert_int_equal(w.m[1].seen, w.acknowledged);
    end(&w);
}

/* What only some have when the primary dies was never told, and is given up everywhere. */
static void test_the_old_primary_comes_back_without_what_it_alone_had(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 4);
    for (int i = 0; i < 5; i++)
        assert_true(commit(&w));
    for (int i = 1; i < COPIES; i++) /* it reaches 1, and not 2 and 3 */
        qr_simnet_cut(w.net, w.m[0].node, w.m[i].node, i > 1);
    w.record_dies = true;
    assert_false(commit(&w));
    w.record_dies = false;
    stop(&w, 0, true);
    qr_simnet_heal(w.net);
    qr_simnet_run(w.net, SECOND);
    look(&w, 1);
    assert_int_equal(w.m[1].seen, w.acknowledged); /* it has more, and shows it to nobody */
    check(promote(&w, 2, &err), &err);
    assert_int_equal(read_number(w.m[2].store), w.acknowledged);
    assert_true(commit(&w));
    start(&w, 0);
    settle(&w);
    assert_int_equal(w.members, 0xf);
    assert_true(commit(&w));
    qr_simnet_run(w.net, SECOND);
    for (int i = 0; i < COPIES; i++) {
        look(&w, i);
        assert_int_equal(read_number(w.m[i].store), w.acknowledged);
    }
    end(&w);
}

static void test_a_primary_that_is_cut_off_commits_nothing(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 5);
    assert_true(commit(&w));
    for (int i = 1; i < COPIES; i++) {
        qr_simnet_cut(w.net, w.m[0].node, w.m[i].node, true);
        qr_simnet_cut(w.net, w.m[i].node, w.m[0].node, true);
    }
    check(promote(&w, 1, &err), &err);
    assert_int_equal(w.members, 0xe);
    uint64_t before = qr_store_durable_lsn(w.m[0].store).v;
    assert_true(commit(&w));
    w.primary = 0;
    assert_false(commit(&w));
    assert_true(w.m[0].failed);
    assert_int_equal(qr_store_durable_lsn(w.m[0].store).v, before);
    qr_simnet_heal(w.net);
    stop(&w, 0, false);
    w.primary = 1;
    start(&w, 0);
    settle(&w);
    assert_int_equal(w.members, 0xf);
    look(&w, 0);
    assert_int_equal(w.m[0].seen, w.acknowledged);
    end(&w);
}

static void test_a_late_call_of_an_old_primary_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 6);
    assert_true(commit(&w));
    /* it still reaches the others, but not who is to follow it */
    qr_simnet_cut(w.net, w.m[0].node, w.m[1].node, true);
    check(promote(&w, 1, &err), &err);
    assert_true(commit(&w));
    w.primary = 0;
    assert_false(commit(&w));
    w.primary = 1;
    assert_true(commit(&w));
    for (int i = 2; i < COPIES; i++) {
        qr_simnet_run(w.net, SECOND);
        look(&w, i);
        assert_int_equal(w.m[i].seen, w.acknowledged);
    }
    end(&w);
}

static void test_all_copies_at_once_may_lose_power(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 7);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 10; i++)
            assert_true(commit(&w));
        publish(w.m[0].store, ++w.written); /* not hardened */
        for (int i = 0; i < COPIES; i++)
            stop(&w, i, true);
        for (int i = 0; i < COPIES; i++)
            start(&w, i);
        int changes = w.changes;
        check(promote(&w, 0, &err), &err);
        assert_int_equal(w.members, 0xf);
        assert_int_equal(w.changes, changes); /* nobody had to be left behind */
        assert_true(read_number(w.m[0].store) >= w.acknowledged);
        settle(&w);
    }
    end(&w);
}

/* --- everything at once --- */

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* Control's part: a member of the record follows a primary that is gone, or it comes back itself.
 */
static void follow(struct world *w, uint64_t *seed)
{
    struct qr_err err = {0};
    for (int tries = 0; w->primary < 0 && tries < 200; tries++) {
        int i = (int)(next_random(seed) % COPIES);
        if ((w->members >> i & 1) == 0)
            continue;
        if (w->m[i].failed)
            stop(w, i, false);
        if (w->m[i].member == NULL)
            start(w, i);
        if (promote(w, i, &err) != QR_OK) {
            stop(w, i, false);
            start(w, i);
        }
    }
    assert_true(w->primary >= 0);
    uint64_t number = read_number(w->m[w->primary].store);
    if (number < w->acknowledged || number < w->seen || number > w->written)
        fail_msg("of %llu acknowledged and %llu seen there are %llu",
                 (unsigned long long)w->acknowledged, (unsigned long long)w->seen,
                 (unsigned long long)number);
}

static void step(struct world *w, uint64_t *seed)
{
    int i = (int)(next_random(seed) % COPIES), what = (int)(next_random(seed) % 20);
    if (what < 10) {
        if (!commit(w))
            stop(w, w->primary, next_random(seed) % 2 == 0);
    } else if (what < 13) {
        look(w, i);
    } else if (what < 15) {
        bool up = w->m[i].member != NULL;
        if (up)
            stop(w, i, next_random(seed) % 2 == 0);
        if (!up || next_random(seed) % 2 == 0)
            start(w, i);
    } else if (what == 15 && w->primary != i) {
        qr_simnet_cut(w->net, w->m[w->primary].node, w->m[i].node, next_random(seed) % 2 == 0);
    } else if (what == 16 && w->m[i].store != NULL && !w->m[i].failed) {
        (void)!qr_store_checkpoint(w->m[i].store, NULL);
    } else if (what == 17) {
        publish(w->m[w->primary].store, ++w->written);
        stop(w, w->primary, true);
    } else {
        qr_member_step(w->m[w->primary].member);
        qr_simnet_run(w->net, SECOND / 8);
    }
    if (w->primary >= 0 && w->m[w->primary].failed)
        stop(w, w->primary, false);
}

static void run_seed(uint64_t seed)
{
    struct world w;
    uint64_t random = seed;
    begin(&w, seed);
    qr_simnet_set_faults(w.net, &(struct qr_simnet_faults){.drop_ppm = 5000,
                                                           .duplicate_ppm = 20000,
                                                           .hold_ppm = 20000,
                                                           .hold_ns = SECOND / 10});
    for (int i = 0; i < 250; i++) {
        if (w.primary < 0)
            follow(&w, &random);
        step(&w, &random);
    }
    qr_simnet_set_faults(w.net, &(struct qr_simnet_faults){0});
    qr_simnet_heal(w.net);
    for (int i = 0; i < COPIES; i++)
        if (w.m[i].member == NULL)
            start(&w, i);
    if (w.primary < 0)
        follow(&w, &random);
    settle(&w);
    assert_int_equal(w.members, 0xf);
    assert_true(commit(&w));
    qr_simnet_run(w.net, SECOND);
    for (int i = 0; i < COPIES; i++) {
        look(&w, i);
        if (w.m[i].store == NULL) {
            struct qr_err err = {0};
            (void)!qr_member_wait(w.m[i].member, 0, &w.m[i].store, &err);
            fail_msg("seed %llu: copy %d of primary %d: failed %d, %s", (unsigned long long)seed, i,
                     w.primary, w.m[i].failed, err.text);
        }
        assert_int_equal(read_number(w.m[i].store), w.acknowledged);
    }
    end(&w);
}

static void test_kills_losses_and_late_calls_lose_nothing_that_was_told_or_seen(void **state)
{
    (void)state;
    const char *one = getenv("QR_COPIES_SEED");
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 100; seed < 140; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_is_in_every_copy_before_it_is_told),
        cmocka_unit_test(test_a_dead_member_leaves_the_record_first_and_comes_back_by_log),
        cmocka_unit_test(test_a_member_whose_log_is_gone_is_seeded_again),
        cmocka_unit_test(test_the_old_primary_comes_back_without_what_it_alone_had),
        cmocka_unit_test(test_a_primary_that_is_cut_off_commits_nothing),
        cmocka_unit_test(test_a_late_call_of_an_old_primary_changes_nothing),
        cmocka_unit_test(test_all_copies_at_once_may_lose_power),
        cmocka_unit_test(test_kills_losses_and_late_calls_lose_nothing_that_was_told_or_seen),
    };
    return cmocka_run_group_tests_name("store/copies", tests, NULL, NULL);
}
