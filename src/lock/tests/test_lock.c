/* Goal: locks are taken, converted, counted and given back as the header says; queues are fair and
 * whoever gives up leaves nothing behind. */
#include "scene.h"

static void test_a_lock_is_tried_without_waiting(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_X), QR_OK);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_X), QR_OK);
    assert_int_equal(try_it(&s, 2, 'a', QR_LOCK_S), QR_BUSY);
    assert_int_equal(try_it(&s, 2, 'b', QR_LOCK_S), QR_OK);
    assert_int_equal(qr_lock_count(s.owners[1].o, QR_LOCK_OF_TRAN), 1);
    assert_int_equal(held(&s, 1, 'a'), QR_LOCK_X);
    assert_int_equal(held(&s, 2, 'a'), QR_LOCK_NONE);
    release(&s, 1); /* one release, however often it was asked for */
    assert_int_equal(try_it(&s, 2, 'a', QR_LOCK_X), QR_OK);
    scene_close(&s);
}

static void test_kinds_objects_indexes_and_hashes_are_different_things(void **state)
{
    (void)state;
    static const struct qr_lock_resource things[] = {
        {.kind = QR_LOCK_TABLE, .object = 1},
        {.kind = QR_LOCK_ROW, .object = 1},
        {.kind = QR_LOCK_ROW, .object = 2},
        {.kind = QR_LOCK_ROW, .object = 1, .hash = 1},
        {.kind = QR_LOCK_KEY, .object = 1, .hash = 1},
        {.kind = QR_LOCK_KEY, .object = 1, .index = 1, .hash = 1},
        {.kind = QR_LOCK_APP, .hash = 1},
        {.kind = QR_LOCK_DATABASE},
    };
    struct scene s;
    scene_open(&s, 0);
    int count = sizeof things / sizeof things[0];
    for (int i = 0; i < count; i++)
        assert_int_equal(qr_lock_try(s.owners[i].o, QR_LOCK_OF_TRAN, &things[i], QR_LOCK_X, NULL),
                         QR_OK);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            assert_int_equal(
                qr_lock_try(s.owners[i].o, QR_LOCK_OF_TRAN, &things[j], QR_LOCK_S, NULL),
                i == j ? QR_OK : QR_BUSY);
    scene_close(&s);
}

static void test_a_lock_asked_for_again_is_converted(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'A', QR_LOCK_S), QR_OK);
    assert_int_equal(try_it(&s, 2, 'A', QR_LOCK_IS), QR_OK);
    assert_int_equal(try_it(&s, 1, 'A', QR_LOCK_IX), QR_OK);
    assert_int_equal(held(&s, 1, 'A'), QR_LOCK_SIX);
    assert_int_equal(try_it(&s, 1, 'A', QR_LOCK_X), QR_BUSY);
    assert_int_equal(held(&s, 1, 'A'), QR_LOCK_SIX);
    assert_int_equal(try_it(&s, 2, 'A', QR_LOCK_S), QR_BUSY);
    release(&s, 2);
    assert_int_equal(try_it(&s, 1, 'A', QR_LOCK_X), QR_OK);
    scene_close(&s);
}

static void test_scopes_of_one_owner_do_not_stop_each_other(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    struct qr_lock_owner *one = s.owners[1].o, *two = s.owners[2].o;
    struct qr_lock_resource r = thing('0');
    assert_int_equal(qr_lock_try(one, QR_LOCK_OF_SESSION, &r, QR_LOCK_X, NULL), QR_OK);
    assert_int_equal(qr_lock_try(one, QR_LOCK_OF_TRAN, &r, QR_LOCK_S, NULL), QR_OK);
    assert_int_equal(qr_lock_held_any(one, &r), QR_LOCK_X);
    qr_lock_release_all(one, QR_LOCK_OF_TRAN);
    assert_int_equal(qr_lock_held(one, QR_LOCK_OF_TRAN, &r), QR_LOCK_NONE);
    assert_false(qr_lock_may(two, &r, QR_LOCK_S));
    assert_int_equal(qr_lock_try(one, QR_LOCK_OF_TRAN, &r, QR_LOCK_S, NULL), QR_OK);
    qr_lock_release_all(one, QR_LOCK_OF_SESSION);
    assert_true(qr_lock_may(two, &r, QR_LOCK_S));
    assert_false(qr_lock_may(two, &r, QR_LOCK_X));
    assert_true(qr_lock_may(one, &r, QR_LOCK_X));
    scene_close(&s);
}

static void test_application_locks_are_counted(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    struct qr_lock_owner *one = s.owners[1].o;
    struct qr_lock_resource app = thing('0'), row = thing('a');
    for (int i = 0; i < 3; i++) {
        assert_int_equal(qr_lock_try(one, QR_LOCK_OF_SESSION, &app, QR_LOCK_X, NULL), QR_OK);
        assert_int_equal(qr_lock_try(one, QR_LOCK_OF_SESSION, &row, QR_LOCK_X, NULL), QR_OK);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(qr_lock_held(one, QR_LOCK_OF_SESSION, &app), QR_LOCK_X);
        assert_int_equal(qr_lock_release(one, QR_LOCK_OF_TRAN, &app), QR_NOT_FOUND);
        assert_int_equal(qr_lock_release(one, QR_LOCK_OF_SESSION, &app), QR_OK);
    }
    assert_int_equal(qr_lock_held(one, QR_LOCK_OF_SESSION, &app), QR_LOCK_NONE);
    assert_int_equal(qr_lock_release(one, QR_LOCK_OF_SESSION, &app), QR_NOT_FOUND);
    assert_int_equal(qr_lock_release(one, QR_LOCK_OF_SESSION, &row), QR_OK);
    assert_int_equal(qr_lock_release(one, QR_LOCK_OF_SESSION, &row), QR_NOT_FOUND);
    scene_close(&s);
}

static void test_a_mark_gives_back_what_came_after_it(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_S), QR_OK);
    size_t mark = qr_lock_count(s.owners[1].o, QR_LOCK_OF_TRAN);
    assert_int_equal(try_it(&s, 1, 'b', QR_LOCK_X), QR_OK);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_X), QR_OK);
    assert_int_equal(try_it(&s, 1, 'c', QR_LOCK_X), QR_OK);
    qr_lock_release_after(s.owners[1].o, QR_LOCK_OF_TRAN, mark);
    assert_int_equal(held(&s, 1, 'a'), QR_LOCK_X);
    assert_int_equal(held(&s, 1, 'b'), QR_LOCK_NONE);
    assert_int_equal(try_it(&s, 2, 'c', QR_LOCK_X), QR_OK);
    assert_int_equal(qr_lock_count(s.owners[1].o, QR_LOCK_OF_TRAN), mark);
    scene_close(&s);
}

static void test_out_of_memory_is_1204_and_changes_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 256 * 1024);
    struct qr_lock_resource r = {.kind = QR_LOCK_ROW, .object = 1};
    struct qr_err err = {0};
    enum qr_status status = QR_OK;
    for (int round = 0; round < 3; round++) {
        size_t count = 0;
        for (;; count++) {
            r.hash = count;
            status = qr_lock_try(s.owners[1].o, QR_LOCK_OF_TRAN, &r, QR_LOCK_X, &err);
            if (status != QR_OK)
                break;
        }
        assert_int_equal(status, QR_SQL);
        assert_int_equal(err.number, 1204);
        assert_in_range(count, 800, 2000);
        assert_int_equal(qr_lock_count(s.owners[1].o, QR_LOCK_OF_TRAN), count);
        assert_int_equal(count_listed(&s), count);
        assert_true(qr_locks_bytes(s.locks) <= 256 * 1024);
        assert_int_equal(qr_lock_try(s.owners[2].o, QR_LOCK_OF_TRAN, &r, QR_LOCK_X, &err), QR_SQL);
        r.hash = 0; /* a conversion needs none */
        assert_int_equal(qr_lock_try(s.owners[1].o, QR_LOCK_OF_TRAN, &r, QR_LOCK_X, &err), QR_OK);
        assert_int_equal(
            qr_lock_wait(s.owners[2].o, QR_LOCK_OF_TRAN, &r, QR_LOCK_X, NULL, 0, NULL, NULL, &err),
            QR_SQL);
        assert_int_equal(err.number, 1222);
        release(&s, 1);
        assert_int_equal(count_listed(&s), 0);
    }
    scene_close(&s);
}

static void test_many_locks_leave_little_memory_behind(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    struct qr_lock_resource r = {.kind = QR_LOCK_ROW, .object = 1};
    for (r.hash = 0; r.hash < 100000; r.hash++)
        assert_int_equal(qr_lock_try(s.owners[1].o, QR_LOCK_OF_TRAN, &r, QR_LOCK_X, NULL), QR_OK);
    assert_in_range(qr_locks_bytes(s.locks), 100000 * 100, 100000 * 250);
    release(&s, 1);
    assert_in_range(qr_locks_bytes(s.locks), 0, 600 * 1024);
    scene_close(&s);
}

/* ---- waiting ---- */

static void test_a_request_waits_and_is_woken_by_the_release(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_X), QR_OK);
    start_waiting(&s, 2, 'a', QR_LOCK_S);
    start_waiting(&s, 3, 'a', QR_LOCK_S);
    start_waiting(&s, 4, 'a', QR_LOCK_X);
    release(&s, 1);
    assert_int_equal(come_back(&s, 2), QR_OK);
    assert_int_equal(come_back(&s, 3), QR_OK);
    assert_true(is_waiting(&s, 4, NULL));
    release(&s, 2);
    assert_true(is_waiting(&s, 4, NULL));
    release(&s, 3);
    assert_int_equal(come_back(&s, 4), QR_OK);
    assert_int_equal(held(&s, 4, 'a'), QR_LOCK_X);
    scene_close(&s);
}

static void test_readers_do_not_pass_a_writer_that_waits(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_S), QR_OK);
    start_waiting(&s, 2, 'a', QR_LOCK_X);
    for (int i = 3; i < 6; i++) {
        struct qr_lock_resource r = thing('a');
        assert_int_equal(try_it(&s, i, 'a', QR_LOCK_S), QR_BUSY);
        assert_false(qr_lock_may(s.owners[i].o, &r, QR_LOCK_S));
    }
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_S), QR_OK); /* has it already */
    start_waiting(&s, 3, 'a', QR_LOCK_S);
    release(&s, 1);
    assert_int_equal(come_back(&s, 2), QR_OK);
    assert_true(is_waiting(&s, 3, NULL));
    release(&s, 2);
    assert_int_equal(come_back(&s, 3), QR_OK);
    scene_close(&s);
}

static void test_what_goes_with_all_that_wait_need_not_wait(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_U), QR_OK);
    start_waiting(&s, 2, 'a', QR_LOCK_U);
    assert_int_equal(try_it(&s, 3, 'a', QR_LOCK_S), QR_OK);
    release(&s, 1);
    assert_int_equal(come_back(&s, 2), QR_OK);
    scene_close(&s);
}

static void test_a_conversion_goes_before_new_requests(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_S), QR_OK);
    assert_int_equal(try_it(&s, 2, 'a', QR_LOCK_S), QR_OK);
    start_waiting(&s, 3, 'a', QR_LOCK_X);
    start_waiting(&s, 1, 'a', QR_LOCK_X);
    struct qr_lock_info info = {0};
    assert_true(is_waiting(&s, 1, &info));
    assert_true(info.is_converting);
    assert_int_equal(info.held, QR_LOCK_S);
    assert_int_equal(info.blocking_session_id, 2);
    assert_true(is_waiting(&s, 3, &info));
    assert_false(info.is_converting);
    release(&s, 2);
    assert_int_equal(come_back(&s, 1), QR_OK);
    assert_int_equal(held(&s, 1, 'a'), QR_LOCK_X);
    assert_true(is_waiting(&s, 3, NULL));
    release(&s, 1);
    assert_int_equal(come_back(&s, 3), QR_OK);
    assert_int_equal(atomic_load(&s.deadlocks), 0);
    scene_close(&s);
}

static void test_a_time_out_is_1222_and_frees_those_behind(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_S), QR_OK);
    set_out(&s, 2, 'a', QR_LOCK_X, 0);
    assert_int_equal(come_back(&s, 2), QR_SQL);
    assert_int_equal(s.owners[2].err.number, 1222);
    int64_t begun = qr_env_mono_ns(qr_env_real());
    set_out(&s, 2, 'a', QR_LOCK_X, 70);
    assert_int_equal(come_back(&s, 2), QR_SQL);
    assert_int_equal(s.owners[2].err.number, 1222);
    assert_true(qr_env_mono_ns(qr_env_real()) - begun >= 70 * MS);
    assert_int_equal(count_listed(&s), 1);

    start_waiting(&s, 3, 'a', QR_LOCK_X);
    start_waiting(&s, 4, 'a', QR_LOCK_S);
    atomic_store(&s.owners[3].is_cancelled, true);
    assert_int_equal(come_back(&s, 3), QR_CANCELLED);
    assert_int_equal(come_back(&s, 4), QR_OK); /* only the one that gave up was in its way */
    assert_int_equal(count_listed(&s), 2);
    scene_close(&s);
}

static void test_who_is_cancelled_before_does_not_sleep(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_X), QR_OK);
    atomic_store(&s.owners[2].is_cancelled, true);
    set_out(&s, 2, 'a', QR_LOCK_X, -1);
    assert_int_equal(come_back(&s, 2), QR_CANCELLED);
    assert_int_equal(s.owners[2].err.status, QR_CANCELLED);
    set_out(&s, 2, 'b', QR_LOCK_X, -1); /* what is free is taken */
    assert_int_equal(come_back(&s, 2), QR_OK);
    scene_close(&s);
}

static void test_an_application_lock_waited_for_is_counted_and_named(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    struct qr_lock_resource app = thing('0');
    struct qr_lock_owner *two = s.owners[2].o;
    assert_int_equal(qr_lock_wait(s.owners[1].o, QR_LOCK_OF_SESSION, &app, QR_LOCK_S, "orders", 0,
                                  NULL, NULL, NULL),
                     QR_OK);
    assert_int_equal(
        qr_lock_wait(two, QR_LOCK_OF_TRAN, &app, QR_LOCK_S, "orders", 0, NULL, NULL, NULL), QR_OK);
    set_out(&s, 2, '0', QR_LOCK_X, -1);
    struct qr_lock_info info = {0};
    while (!is_waiting(&s, 2, &info))
        sched_yield();
    assert_int_equal(info.blocking_session_id, 1);
    qr_lock_release_all(s.owners[1].o, QR_LOCK_OF_SESSION);
    assert_int_equal(come_back(&s, 2), QR_OK);
    assert_int_equal(qr_lock_release(two, QR_LOCK_OF_TRAN, &app), QR_OK);
    assert_int_equal(qr_lock_held(two, QR_LOCK_OF_TRAN, &app), QR_LOCK_X);
    assert_int_equal(qr_lock_release(two, QR_LOCK_OF_TRAN, &app), QR_OK);
    assert_int_equal(qr_lock_held(two, QR_LOCK_OF_TRAN, &app), QR_LOCK_NONE);
    scene_close(&s);
}

static void check_name(void *ctx, const struct qr_lock_info *info)
{
    assert_string_equal(info->name, ctx);
    assert_int_equal(info->session_id, 1);
    assert_int_equal(info->scope, QR_LOCK_OF_SESSION);
    assert_int_equal(info->mode, QR_LOCK_S);
    assert_int_equal(info->resource.kind, QR_LOCK_APP);
}

static void test_the_list_shows_names(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    struct qr_lock_resource app = thing('0');
    assert_int_equal(qr_lock_wait(s.owners[1].o, QR_LOCK_OF_SESSION, &app, QR_LOCK_S, "orders", 0,
                                  NULL, NULL, NULL),
                     QR_OK);
    char name[] = "orders";
    assert_int_equal(count_listed(&s), 1);
    qr_locks_list(s.locks, check_name, name);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lock_is_tried_without_waiting),
        cmocka_unit_test(test_kinds_objects_indexes_and_hashes_are_different_things),
        cmocka_unit_test(test_a_lock_asked_for_again_is_converted),
        cmocka_unit_test(test_scopes_of_one_owner_do_not_stop_each_other),
        cmocka_unit_test(test_application_locks_are_counted),
        cmocka_unit_test(test_a_mark_gives_back_what_came_after_it),
        cmocka_unit_test(test_out_of_memory_is_1204_and_changes_nothing),
        cmocka_unit_test(test_many_locks_leave_little_memory_behind),
        cmocka_unit_test(test_a_request_waits_and_is_woken_by_the_release),
        cmocka_unit_test(test_readers_do_not_pass_a_writer_that_waits),
        cmocka_unit_test(test_what_goes_with_all_that_wait_need_not_wait),
        cmocka_unit_test(test_a_conversion_goes_before_new_requests),
        cmocka_unit_test(test_a_time_out_is_1222_and_frees_those_behind),
        cmocka_unit_test(test_who_is_cancelled_before_does_not_sleep),
        cmocka_unit_test(test_an_application_lock_waited_for_is_counted_and_named),
        cmocka_unit_test(test_the_list_shows_names),
    };
    return cmocka_run_group_tests_name("lock/lock", tests, NULL, NULL);
}
