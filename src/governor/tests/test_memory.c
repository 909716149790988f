/* Goal: grants of memory never come to more than there is, in a pool and in the process; who waits
 * is let in in the order of coming, small ones not behind large ones; whose time is over gets the
 * least or 8645. Threads are real: each waits for what it can see, not for a time. */
#include <pthread.h>
#include <sched.h>
#include "stage.h"
#include "env/thread.h"

enum { MIB = 1 << 20, THREADS = 8 };

static struct qr_governor *gov;
static struct qr_gov_group *group;

static struct qr_gov_group_options database(uint32_t id, uint64_t pool_key, uint64_t memory_bytes)
{
    return (struct qr_gov_group_options){.database_id = id,
                                         .shown_id = id,
                                         .pool_key = pool_key,
                                         .database = "db",
                                         .objective = "GP_Gen5_2",
                                         .pool_limits = {.memory_bytes = memory_bytes}};
}

/* A pool with 300 MiB of memory has 225 for grants, 213.75 for large ones: 53 each at most. */
static void open_gov_that(bool enforces, uint64_t grant_bytes)
{
    struct qr_gov_options options = {
        .env = qr_env_real(), .enforce = enforces, .grant_bytes = grant_bytes};
    struct qr_gov_group_options of = database(5, 9, 300 * MIB);
    assert_int_equal(qr_governor_new(&options, &gov, NULL), QR_OK);
    assert_int_equal(qr_gov_group_open(gov, &of, &group, NULL), QR_OK);
}

static void open_gov(uint64_t grant_bytes)
{
    open_gov_that(true, grant_bytes);
}

static void close_gov(void)
{
    qr_gov_group_close(group);
    qr_governor_free(gov);
}

static struct qr_gov_semaphore_seen seen(enum qr_gov_semaphore kind)
{
    struct qr_gov_semaphore_seen all[QR_GOV_SEMAPHORES];
    qr_gov_semaphores(gov, 9, all);
    return all[kind];
}

static void wait_for_waiters(enum qr_gov_semaphore kind, uint32_t count)
{
    while (seen(kind).waiters != count)
        sched_yield();
}

struct asker {
    pthread_t thread;
    struct qr_gov_task task;
    struct qr_gov_grant grant;
    struct qr_err err;
    enum qr_status status;
    atomic_bool is_cancelled;
};

static bool asks_for_end(void *ctx)
{
    return atomic_load(&((struct asker *)ctx)->is_cancelled);
}

static const struct qr_gov_task_ops ops = {.cancelled = asks_for_end};

static void *ask(void *arg)
{
    struct asker *a = arg;
    qr_gov_enter(&a->task);
    a->status = qr_gov_grant_take(&a->task, &a->grant, &a->err);
    qr_gov_leave(&a->task);
    return NULL;
}

static void init(struct asker *a, uint64_t ideal_bytes, double cost)
{
    memset(a, 0, sizeof *a);
    qr_gov_task_init(&a->task, group, &ops, a, false);
    a->grant =
        (struct qr_gov_grant){.ideal_bytes = ideal_bytes, .required_bytes = MIB, .cost = cost};
}

static void ask_here(struct asker *a, uint64_t ideal_bytes)
{
    init(a, ideal_bytes, 1);
    (void)ask(a);
    assert_int_equal(a->status, QR_OK);
}

static void ask_there(struct asker *a, uint64_t ideal_bytes, double cost)
{
    init(a, ideal_bytes, cost);
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static void test_a_grant_is_a_quarter_at_most_and_small_ones_have_memory_of_their_own(void **state)
{
    struct asker large[4], small;
    (void)state;
    open_gov(0);
    for (int i = 0; i < 4; i++) {
        ask_here(&large[i], 1000 * MIB);
        assert_true(large[i].grant.granted_bytes > 53 * (uint64_t)MIB);
        assert_true(large[i].grant.granted_bytes < 54 * (uint64_t)MIB);
    }
    ask_here(&small, 4 * MIB);
    assert_int_equal(small.grant.granted_bytes, 4 * MIB);
    assert_int_equal(seen(QR_GOV_LARGE).grantees, 4);
    assert_int_equal(seen(QR_GOV_SMALL).granted_bytes, 4 * MIB);
    assert_true(qri_pool_has_grants(gov, qri_pool_of(group)));
    for (int i = 0; i < 4; i++)
        qr_gov_grant_give(&large[i].grant);
    qr_gov_grant_give(&small.grant);
    assert_int_equal(seen(QR_GOV_LARGE).granted_bytes, 0);
    assert_false(qri_pool_has_grants(gov, qri_pool_of(group)));
    close_gov();
}

static void test_rows_of_a_pool_tell_of_its_grants(void **state)
{
    struct asker a;
    struct qr_gov_sample row;
    (void)state;
    open_gov(0);
    qr_governor_tick(gov);
    ask_here(&a, 1000 * MIB);
    for (int i = 1; i < QR_GOV_SAMPLE_S; i++)
        qr_governor_tick(gov);
    assert_int_equal(qr_gov_pool_samples(gov, 9, &row, 1), 1);
    assert_int_equal(row.grantees, 1);
    assert_int_equal(row.granted_bytes, a.grant.granted_bytes);
    assert_int_equal(row.grant_used_bytes + row.grant_waiters + row.grant_timeouts, 0);
    qr_gov_grant_give(&a.grant);
    for (int i = 0; i < QR_GOV_SAMPLE_S; i++)
        qr_governor_tick(gov);
    assert_int_equal(qr_gov_pool_samples(gov, 9, &row, 1), 1);
    assert_int_equal(row.grantees, 0);
    assert_int_equal(row.granted_bytes, 0);
    close_gov();
}

static void test_who_waits_is_let_in_in_order_and_a_small_one_passes_by(void **state)
{
    struct asker large[4], late[THREADS], small;
    (void)state;
    open_gov(0);
    for (int i = 0; i < 4; i++)
        ask_here(&large[i], 1000 * MIB);
    for (uint32_t i = 0; i < THREADS; i++) {
        ask_there(&late[i], 50 * MIB, 1000);
        wait_for_waiters(QR_GOV_LARGE, i + 1);
    }
    ask_here(&small, 2 * MIB);
    while (atomic_load(&late[0].task.wait_type) != QR_WAIT_RESOURCE_SEMAPHORE)
        sched_yield();
    for (int i = 0; i < 4; i++)
        qr_gov_grant_give(&large[i].grant);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(late[i].thread, NULL);
        assert_int_equal(late[i].status, QR_OK);
        assert_true(seen(QR_GOV_LARGE).granted_bytes <= seen(QR_GOV_LARGE).max_bytes);
        assert_int_equal(atomic_load(&late[i].task.waits.of[QR_WAIT_RESOURCE_SEMAPHORE].count), 1);
        qr_gov_grant_give(&late[i].grant);
    }
    for (int i = 1; i < THREADS; i++)
        assert_true(late[i].grant.grant_mono_ns >= late[i - 1].grant.grant_mono_ns);
    qr_gov_grant_give(&small.grant);
    close_gov();
}

static void test_whose_time_is_over_gets_the_least_or_8645(void **state)
{
    struct asker large[5], late;
    (void)state;
    open_gov(0);
    for (int i = 0; i < 4; i++)
        ask_here(&large[i], (i == 3 ? 45 : 1000) * (uint64_t)MIB); /* leaves some 8 MiB */
    ask_there(&late, 50 * MIB, 0);
    pthread_join(late.thread, NULL);
    assert_int_equal(late.status, QR_OK);
    assert_int_equal(late.grant.granted_bytes, MIB);
    assert_int_equal(seen(QR_GOV_LARGE).forced, 1);
    ask_here(&large[4], 7 * MIB);
    struct asker none;
    ask_there(&none, 50 * MIB, 0);
    pthread_join(none.thread, NULL);
    assert_int_equal(none.status, QR_SQL);
    assert_int_equal(none.err.number, 8645);
    assert_string_equal(none.err.text,
                        "A timeout occurred while waiting for memory resources to execute the query"
                        " in resource pool 'SloSharedPool1' (256). Rerun the query.");
    assert_int_equal(seen(QR_GOV_LARGE).timeouts, 2);
    for (int i = 0; i < 5; i++)
        qr_gov_grant_give(&large[i].grant);
    qr_gov_grant_give(&late.grant);
    qr_gov_grant_give(&none.grant); /* it has none */
    assert_int_equal(seen(QR_GOV_LARGE).granted_bytes, 0);
    close_gov();
}

static void test_who_is_cancelled_leaves_the_line_and_who_holds_a_lock_never_stands_in_it(void **s)
{
    struct asker large[4], late, holder;
    (void)s;
    open_gov(0);
    for (int i = 0; i < 4; i++)
        ask_here(&large[i], 1000 * MIB);
    init(&holder, 50 * MIB, 1);
    qr_gov_enter(&holder.task);
    struct qr_gov_task *held = qr_gov_hold();
    assert_int_equal(qr_gov_grant_take(&holder.task, &holder.grant, NULL), QR_OK);
    assert_int_equal(holder.grant.granted_bytes, 0);
    qr_gov_unhold(held);
    qr_gov_leave(&holder.task);
    ask_there(&late, 50 * MIB, 1000);
    wait_for_waiters(QR_GOV_LARGE, 1);
    atomic_store(&late.is_cancelled, true);
    pthread_join(late.thread, NULL);
    assert_int_equal(late.status, QR_CANCELLED);
    assert_int_equal(seen(QR_GOV_LARGE).waiters, 0);
    for (int i = 0; i < 4; i++)
        qr_gov_grant_give(&large[i].grant);
    close_gov();
}

static void test_the_process_has_a_bound_of_its_own(void **state)
{
    struct asker a, b;
    (void)state;
    open_gov(100 * MIB); /* 95 for large ones: 23.75 each */
    ask_here(&a, 50 * MIB);
    assert_true(a.grant.granted_bytes < 24 * (uint64_t)MIB);
    ask_here(&b, 50 * MIB);
    qr_gov_grant_give(&a.grant);
    qr_gov_grant_give(&b.grant);
    close_gov();
}

/* Three statements of one database and one of another have all that the process gives; the next of
 * both, for which their pools have room, go on without waiting. */
static void test_nobody_waits_for_what_other_pools_have(void **state)
{
    struct asker hogs[3], others[2], next;
    struct qr_gov_group *own = NULL, *first;
    struct qr_gov_group_options of = database(6, 10, 300 * MIB);
    (void)state;
    open_gov(100 * MIB);
    assert_int_equal(qr_gov_group_open(gov, &of, &own, NULL), QR_OK);
    for (int i = 0; i < 3; i++)
        ask_here(&hogs[i], 50 * MIB);
    first = group;
    group = own;
    ask_here(&others[0], 50 * MIB);
    assert_true(others[0].grant.granted_bytes > 23 * (uint64_t)MIB);
    ask_here(&others[1], 50 * MIB);
    group = first;
    ask_here(&next, 50 * MIB);
    assert_int_equal(others[1].grant.granted_bytes, 0);
    assert_int_equal(next.grant.granted_bytes, 0);
    assert_int_equal(atomic_load(&others[1].task.waits.of[QR_WAIT_RESOURCE_SEMAPHORE].count), 0);
    assert_int_equal(atomic_load(&next.task.waits.of[QR_WAIT_RESOURCE_SEMAPHORE].count), 0);
    for (int i = 0; i < 3; i++)
        qr_gov_grant_give(&hogs[i].grant);
    qr_gov_grant_give(&others[0].grant);
    assert_int_equal(seen(QR_GOV_LARGE).granted_bytes, 0);
    assert_null(gov->grants_first);
    qr_gov_group_close(own);
    close_gov();
}

static void test_without_enforcement_nobody_waits_and_one_request_is_bounded(void **state)
{
    struct asker a[THREADS];
    (void)state;
    open_gov_that(false, 100 * MIB);
    for (int i = 0; i < THREADS; i++) {
        ask_here(&a[i], 1000 * MIB);
        assert_true(a[i].grant.granted_bytes > 23 * (uint64_t)MIB);
        assert_true(a[i].grant.granted_bytes < 24 * (uint64_t)MIB);
    }
    for (int i = 0; i < THREADS; i++)
        qr_gov_grant_give(&a[i].grant);
    close_gov();
}

/* What it asked for is more than the whole pool has since: it gets what one may have now. */
static void test_who_waits_while_the_pool_becomes_smaller_is_not_in_the_way(void **state)
{
    struct asker large[4], late[2];
    struct qr_gov_group_options small = database(5, 9, 40 * MIB);
    (void)state;
    open_gov(0);
    for (int i = 0; i < 4; i++)
        ask_here(&large[i], 1000 * MIB);
    for (uint32_t i = 0; i < 2; i++) {
        ask_there(&late[i], 50 * MIB, 1);
        wait_for_waiters(QR_GOV_LARGE, i + 1);
    }
    assert_int_equal(qr_gov_group_update(group, &small, NULL), QR_OK);
    for (int i = 0; i < 4; i++)
        qr_gov_grant_give(&large[i].grant);
    for (int i = 0; i < 2; i++) {
        pthread_join(late[i].thread, NULL);
        assert_true(late[i].grant.granted_bytes > 7 * (uint64_t)MIB);
        assert_true(late[i].grant.granted_bytes < 8 * (uint64_t)MIB);
        qr_gov_grant_give(&late[i].grant);
    }
    close_gov();
}

static void test_what_a_task_holds_is_counted_and_for_how_long(void **state)
{
    struct asker a;
    (void)state;
    open_gov(0);
    ask_here(&a, 8 * MIB);
    qr_gov_enter(&a.task);
    qr_gov_memory(10 * MIB);
    assert_int_equal(seen(QR_GOV_LARGE).used_bytes, 8 * MIB); /* no more than was given */
    assert_int_equal(qr_gov_memory_since(&a.task), 0);
    assert_int_equal(qr_gov_memory_in_grants(), 8 * MIB);
    assert_int_equal(qr_gov_memory_beyond(MIB), 3 * MIB);
    qr_gov_memory(10 * MIB);
    assert_true(qr_gov_memory_since(&a.task) != 0);
    qr_gov_memory(-15 * MIB);
    assert_int_equal(qr_gov_memory_in_grants(), 5 * MIB);
    assert_int_equal(qr_gov_memory_beyond(MIB), 0);
    qr_gov_grant_give(&a.grant);
    assert_int_equal(qr_gov_memory_in_grants(), 0);
    qr_gov_memory(-5 * MIB);
    assert_int_equal(qr_gov_memory_since(&a.task), 0);
    assert_int_equal(atomic_load(&a.task.memory_max_bytes), 20 * MIB);
    qr_gov_leave(&a.task);
    close_gov();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_grant_is_a_quarter_at_most_and_small_ones_have_memory_of_their_own),
        cmocka_unit_test(test_rows_of_a_pool_tell_of_its_grants),
        cmocka_unit_test(test_who_waits_is_let_in_in_order_and_a_small_one_passes_by),
        cmocka_unit_test(test_whose_time_is_over_gets_the_least_or_8645),
        cmocka_unit_test(
            test_who_is_cancelled_leaves_the_line_and_who_holds_a_lock_never_stands_in_it),
        cmocka_unit_test(test_the_process_has_a_bound_of_its_own),
        cmocka_unit_test(test_nobody_waits_for_what_other_pools_have),
        cmocka_unit_test(test_without_enforcement_nobody_waits_and_one_request_is_bounded),
        cmocka_unit_test(test_who_waits_while_the_pool_becomes_smaller_is_not_in_the_way),
        cmocka_unit_test(test_what_a_task_holds_is_counted_and_for_how_long),
    };
    return cmocka_run_group_tests_name("governor/memory", tests, NULL, NULL);
}
