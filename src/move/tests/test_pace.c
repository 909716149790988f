/* test_pace.c - users first: how a move rests while its source is being written */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "qr_test.h"
#include "env/sim.h"
#include "../move_int.h"
#include "base/banned.h"

static const int64_t MS = 1000000;

struct bed {
    struct qr_sim *sim;
    struct qri_pace pace;
    int64_t commit_every_ns; /* 0: nobody writes */
    int asked;
    bool away; /* who has the log does not answer */
};

static uint64_t log_end(void *ctx, uint64_t known)
{
    struct bed *bed = ctx;
    bed->asked += 1;
    if (bed->away)
        return known;
    return bed->commit_every_ns == 0
               ? 1000
               : 1000 + (uint64_t)(qr_env_mono_ns(bed->pace.env) / bed->commit_every_ns);
}

static void begin(struct bed *bed, int64_t commit_every_ns)
{
    *bed = (struct bed){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 1}),
                        .commit_every_ns = commit_every_ns};
    assert_non_null(bed->sim);
    bed->pace = (struct qri_pace){.env = qr_sim_env(bed->sim), .log_end = log_end, .ctx = bed};
    qri_pace_begin(&bed->pace);
}

/* Pieces of work one after the other; how long it took. */
static int64_t work(struct bed *bed, int pieces, int64_t piece_ns)
{
    int64_t start = qr_env_mono_ns(bed->pace.env);
    for (int i = 0; i < pieces; i++) {
        qr_sim_advance(bed->sim, piece_ns);
        qri_pace_rest(&bed->pace);
    }
    return qr_env_mono_ns(bed->pace.env) - start;
}

static void test_nobody_writes_so_nothing_is_slower(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, 0);
    assert_int_equal(work(&bed, 1000, 7 * MS), 1000 * 7 * MS);
    qr_sim_free(bed.sim);
}

static void test_somebody_writes_so_a_share_of_the_time_is_rest(void **state)
{
    static const int64_t pieces_ms[] = {1, 7, 20, 150, 900}, every_ms[] = {1, 3, 15};
    (void)state;
    for (size_t i = 0; i < sizeof pieces_ms / sizeof pieces_ms[0]; i++)
        for (size_t k = 0; k < sizeof every_ms / sizeof every_ms[0]; k++) {
            struct bed bed;
            begin(&bed, every_ms[k] * MS);
            int64_t busy = 2520 * pieces_ms[i] * MS, took = work(&bed, 2520, pieces_ms[i] * MS);
            assert_in_range(took, busy * 149 / 100, busy * 150 / 100);
            qr_sim_free(bed.sim);
        }
}

/* One commit now and then costs one rest, not all of them. */
static void test_few_commits_are_few_rests(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, 1000 * MS);
    int64_t took = work(&bed, 1000, 20 * MS);
    assert_in_range(took, 1000 * 20 * MS, 1000 * 20 * MS + 21 * 10 * MS);
    qr_sim_free(bed.sim);
}

static void test_a_rest_after_a_long_wait_is_bounded(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, MS);
    assert_int_equal(work(&bed, 1, 60000 * MS), (60000 + 500) * MS);
    qr_sim_free(bed.sim);
}

static void test_short_pieces_do_not_ask_each_time(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, 0);
    int before = bed.asked;
    (void)work(&bed, 2000, MS);
    assert_int_equal(bed.asked - before, 100);
    qr_sim_free(bed.sim);
}

/* The last round: what was written before it began is no reason to rest. */
static void test_what_was_before_a_round_does_not_count(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, MS);
    (void)work(&bed, 10, 20 * MS);
    qr_sim_advance(bed.sim, 50 * MS);
    bed.commit_every_ns = INT64_MAX;
    qri_pace_begin(&bed.pace);
    assert_int_equal(work(&bed, 10, 20 * MS), 10 * 20 * MS);
    qr_sim_free(bed.sim);
}

static void test_once_the_source_is_stopped_nobody_asks_or_rests(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, MS);
    qri_pace_end(&bed.pace);
    qri_pace_begin(&bed.pace);
    int before = bed.asked;
    assert_int_equal(work(&bed, 10, 20 * MS), 10 * 20 * MS);
    assert_int_equal(bed.asked, before);
    qr_sim_free(bed.sim);
}

static void test_a_log_that_cannot_be_asked_is_no_reason_to_rest(void **state)
{
    (void)state;
    struct bed bed;
    begin(&bed, MS);
    bed.away = true;
    assert_int_equal(work(&bed, 10, 20 * MS), 10 * 20 * MS);
    qr_sim_free(bed.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_writes_so_nothing_is_slower),
        cmocka_unit_test(test_somebody_writes_so_a_share_of_the_time_is_rest),
        cmocka_unit_test(test_few_commits_are_few_rests),
        cmocka_unit_test(test_a_rest_after_a_long_wait_is_bounded),
        cmocka_unit_test(test_short_pieces_do_not_ask_each_time),
        cmocka_unit_test(test_what_was_before_a_round_does_not_count),
        cmocka_unit_test(test_once_the_source_is_stopped_nobody_asks_or_rests),
        cmocka_unit_test(test_a_log_that_cannot_be_asked_is_no_reason_to_rest),
    };
    return cmocka_run_group_tests_name("move/pace", tests, NULL, NULL);
}
