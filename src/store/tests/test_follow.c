/* test_follow.c - a copy that no commit waits for has what the store had, in order, and becomes a
 * store of its own. */
#include "copies_world.h"
#include "page/timeline.h"

/* m[0] has the store, m[1] the copy. */
static void open_first(struct world *w, bool make)
{
    struct qr_err err = {0};
    struct qr_store_options options = store_options(w, 0);
    qr_simnet_up(w->m[0].node);
    check(make ? qr_store_create("/db", &options, &w->m[0].store, &err)
               : qr_store_open("/db", &options, &w->m[0].store, &err),
          &err);
    w->primary = 0;
}

static void begin_pair(struct world *w, uint64_t seed)
{
    *w = (struct world){.primary = -1, .hold_bytes = 64 * MIB};
    for (int i = 0; i < 2; i++)
        w->m[i].sim = qr_sim_new(&(struct qr_sim_options){.seed = seed + (uint64_t)i});
    w->net = qr_simnet_new(&(struct qr_simnet_options){.seed = seed, .sim = w->m[0].sim});
    w->m[0].node = qr_simnet_node(w->net, "first");
    w->m[1].node = qr_simnet_node(w->net, "copy");
    qr_simnet_attach(w->net, w->m[1].sim);
    open_first(w, true);
    start(w, 1);
}

static void end_pair(struct world *w)
{
    stop(w, 1, false);
    qr_store_abandon(w->m[0].store);
    qr_simnet_free(w->net);
    for (int i = 0; i < 2; i++)
        qr_sim_free(w->m[i].sim);
}

static struct qr_follow *follow(struct world *w)
{
    struct qr_err err = {0};
    struct qr_follow *f = NULL;
    struct qr_follow_options options = {.store = w->m[0].store,
                                        .peer =
                                            qr_simnet_peer(w->net, w->m[0].node, w->m[1].node, 0),
                                        .answer_ns = SECOND};
    check(qr_follow_new(&options, &f, &err), &err);
    return f;
}

/* A copy that failed is another process the next time. */
static void bring_up(struct world *w, struct qr_follow *f)
{
    struct qr_err err = {0};
    enum qr_status status = QR_TIMEOUT;
    for (int i = 0; i < 10 && status != QR_OK; i++) {
        if (w->m[1].failed) {
            stop(w, 1, false);
            start(w, 1);
        }
        status = qr_follow_step(f, &err);
    }
    check(status, &err);
    look(w, 1);
    assert_int_equal(w->m[1].seen, w->acknowledged);
    assert_true(qr_follow_info(f).follows);
    assert_int_equal(qr_follow_info(f).hardened.v, qr_store_durable_lsn(w->m[0].store).v);
}

static void commits(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(commit(w));
}

static void test_it_has_what_is_durable_and_nothing_else(void **state)
{
    (void)state;
    struct world w;
    begin_pair(&w, 1);
    commits(&w, 5);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    for (int i = 0; i < 20; i++) {
        commits(&w, 3);
        publish(w.m[0].store, ++w.written); /* not durable */
        check(qr_follow_step(f, NULL), &(struct qr_err){0});
        look(&w, 1);
        assert_int_equal(w.m[1].seen, w.acknowledged);
        check(qr_store_flush(w.m[0].store, NULL), &(struct qr_err){0});
        w.acknowledged = w.written;
    }
    bring_up(&w, f);
    assert_true(qr_store_is_read_only(w.m[1].store));
    assert_int_equal(qr_follow_info(f).seeded, 1);
    qr_follow_free(f);
    end_pair(&w);
}

static void test_a_copy_that_was_away_gets_the_log_that_it_missed(void **state)
{
    (void)state;
    struct world w;
    begin_pair(&w, 2);
    commits(&w, 5);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    for (int power = 0; power < 2; power++) {
        commits(&w, 5);
        bring_up(&w, f);
        stop(&w, 1, power == 1);
        commits(&w, 30); /* no commit waits for it */
        assert_int_not_equal(qr_follow_step(f, NULL), QR_OK);
        assert_false(qr_follow_info(f).follows);
        start(&w, 1);
        bring_up(&w, f);
    }
    assert_int_equal(qr_follow_info(f).seeded, 1);
    qr_follow_free(f);
    end_pair(&w);
}

static void test_a_copy_whose_log_is_gone_gets_all_pages_again(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin_pair(&w, 3);
    commits(&w, 5);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    qr_simnet_cut(w.net, w.m[0].node, w.m[1].node, true);
    for (int i = 0; i < 400; i++) {
        commits(&w, 1);
        if (i % 50 == 49) {
            check(qr_store_checkpoint(w.m[0].store, &err), &err);
            qr_archive_release(w.m[0].store, qr_store_durable_lsn(w.m[0].store));
        }
    }
    assert_int_not_equal(qr_follow_step(f, NULL), QR_OK);
    qr_simnet_heal(w.net);
    bring_up(&w, f);
    assert_int_equal(qr_follow_info(f).seeded, 2);
    qr_follow_free(f);
    end_pair(&w);
}

/* Its epochs go on in the copy, whether it was closed or has died, and had written or not. */
static void test_the_first_one_comes_back(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin_pair(&w, 4);
    commits(&w, 5);
    for (int i = 0; i < 6; i++) {
        struct qr_follow *f = follow(&w);
        bring_up(&w, f);
        if (i % 3 != 2)
            commits(&w, 7);
        if (i % 3 == 1)
            bring_up(&w, f);
        assert_int_equal(qr_follow_info(f).seeded, i == 0);
        qr_follow_free(f);
        if (i < 3) {
            publish(w.m[0].store, w.written + 1); /* lost */
            qr_simnet_down(w.m[0].node);
            qr_sim_power_cut(w.m[0].sim);
            qr_store_abandon(w.m[0].store);
        } else {
            check(qr_store_close(w.m[0].store, &err), &err);
        }
        open_first(&w, false);
    }
    commits(&w, 1);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    qr_follow_free(f);
    end_pair(&w);
}

static void test_it_opens_as_a_store_of_its_own(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_store *own = NULL;
    begin_pair(&w, 5);
    commits(&w, 25);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    commits(&w, 25);
    bring_up(&w, f);
    qr_follow_free(f);
    stop(&w, 1, true);
    struct qr_timeline timeline = qr_store_timeline(w.m[0].store);
    struct qr_store_options options = store_options(&w, 1);
    check(qr_store_open("/db", &options, &own, &err), &err);
    assert_int_equal(read_number(own), w.acknowledged);
    struct qr_timeline its_own = qr_store_timeline(own);
    assert_memory_not_equal(timeline.id, its_own.id, sizeof timeline.id);
    w.m[1].store = own;
    w.primary = 1;
    commits(&w, 10);
    check(qr_store_close(own, &err), &err);
    check(qr_store_open("/db", &options, &own, &err), &err);
    assert_int_equal(read_number(own), w.acknowledged);
    qr_store_abandon(own);
    w.m[1].store = NULL;
    end_pair(&w);
}

/* What has gone its own way is not continued. */
static void test_a_copy_that_was_written_gets_all_pages(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_store *own = NULL;
    begin_pair(&w, 6);
    commits(&w, 5);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    stop(&w, 1, false);
    struct qr_store_options options = store_options(&w, 1);
    check(qr_store_open("/db", &options, &own, &err), &err);
    w.m[1].store = own;
    publish(own, 1000);
    check(qr_store_flush(own, &err), &err);
    qr_store_abandon(own);
    w.m[1].store = NULL;
    start(&w, 1);
    bring_up(&w, f);
    assert_int_equal(qr_follow_info(f).seeded, 2);
    qr_follow_free(f);
    end_pair(&w);
}

static void test_it_is_stopped(void **state)
{
    (void)state;
    struct world w;
    begin_pair(&w, 7);
    commits(&w, 5);
    struct qr_follow *f = follow(&w);
    bring_up(&w, f);
    qr_follow_stop(f);
    assert_int_equal(qr_follow_step(f, NULL), QR_CANCELLED);
    qr_follow_free(f);
    end_pair(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_has_what_is_durable_and_nothing_else),
        cmocka_unit_test(test_a_copy_that_was_away_gets_the_log_that_it_missed),
        cmocka_unit_test(test_a_copy_whose_log_is_gone_gets_all_pages_again),
        cmocka_unit_test(test_the_first_one_comes_back),
        cmocka_unit_test(test_it_opens_as_a_store_of_its_own),
        cmocka_unit_test(test_a_copy_that_was_written_gets_all_pages),
        cmocka_unit_test(test_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
