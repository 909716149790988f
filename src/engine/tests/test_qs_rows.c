/* Goal: rows of Query Store are read by versions that count fewer or more kinds of cost. Method: a
 * row as this version writes it, cut and lengthened by hand. */
#include "qr_test.h"
#include "base/endian.h"
#include "../qstore_int.h"

enum { MORE = 3, HEAD_BYTES = 32 };

static void fill(struct qri_runs *runs)
{
    *runs = (struct qri_runs){.count = 2, .first_ticks = 5, .last_ticks = 9};
    for (int i = 0; i < QRI_COST_KINDS; i++)
        runs->cost[i] = (struct qri_run_cost){.total = 100 + i, .last = i, .min = i, .max = 60 + i};
}

static void check(const uint8_t *bytes, int kinds)
{
    struct qri_runs got;
    assert_true(qri_qs_get_runs(bytes, HEAD_BYTES + (size_t)kinds * QRI_QS_COST_BYTES, &got));
    assert_int_equal(got.count, 2);
    assert_int_equal(got.first_ticks, 5);
    assert_int_equal(got.last_ticks, 9);
    for (int i = 0; i < QRI_COST_KINDS; i++) {
        assert_int_equal(got.cost[i].total, i < kinds ? 100 + i : 0);
        assert_int_equal(got.cost[i].max, i < kinds ? 60 + i : 0);
    }
}

static void test_rows_of_other_versions_are_read(void **state)
{
    (void)state;
    static const int kinds[] = {QRI_COST_GRANT_KB, QRI_COST_KINDS, QRI_COST_KINDS + MORE};
    uint8_t bytes[QRI_QS_RUNS_BYTES + MORE * QRI_QS_COST_BYTES];
    struct qri_runs runs;
    fill(&runs);
    memset(bytes, 0x5a, sizeof bytes);
    qri_qs_put_runs(&runs, bytes);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        qr_put64le(bytes, (uint64_t)kinds[i]);
        check(bytes, kinds[i]);
    }
}

static void test_what_making_plans_took_is_read_of_other_versions(void **state)
{
    (void)state;
    uint8_t bytes[QRI_QS_MAKES_BYTES + 24];
    struct qri_makes makes = {.count = 3}, got;
    for (int i = 0; i < QRI_MADE_KINDS; i++)
        makes.of[i] = (struct qri_make_cost){.total = 10 + i, .last = i, .max = 5 + i};
    memset(bytes, 0x5a, sizeof bytes);
    qri_qs_put_makes(&makes, bytes);
    for (int kinds = QRI_MADE_KINDS - 1; kinds <= QRI_MADE_KINDS + 1; kinds++) {
        qr_put64le(bytes, (uint64_t)kinds);
        assert_true(qri_qs_get_makes(bytes, 16 + (size_t)kinds * 24, &got));
        assert_false(qri_qs_get_makes(bytes, 16 + (size_t)kinds * 24 - 1, &got));
        assert_int_equal(got.count, 0);
        assert_true(qri_qs_get_makes(bytes, 16 + (size_t)kinds * 24, &got));
        assert_int_equal(got.count, 3);
        for (int i = 0; i < QRI_MADE_KINDS; i++)
            assert_int_equal(got.of[i].total, i < kinds ? 10 + i : 0);
    }
    qr_put64le(bytes, UINT64_C(1) << 61); /* times 24 is 0 */
    assert_false(qri_qs_get_makes(bytes, 16, &got));
}

static void test_rows_that_say_another_length_are_none(void **state)
{
    (void)state;
    static const uint64_t kinds[] = {QRI_COST_KINDS - 1, QRI_COST_KINDS + 1, UINT64_MAX,
                                     UINT64_C(1) << 61}; /* times 40 is 0 */
    uint8_t bytes[QRI_QS_RUNS_BYTES];
    struct qri_runs runs, got;
    fill(&runs);
    qri_qs_put_runs(&runs, bytes);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        qr_put64le(bytes, kinds[i]);
        assert_false(qri_qs_get_runs(bytes, sizeof bytes, &got));
        assert_false(qri_qs_get_runs(bytes, HEAD_BYTES, &got));
    }
    qri_qs_put_runs(&runs, bytes);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_false(qri_qs_get_runs(bytes, n, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_other_versions_are_read),
        cmocka_unit_test(test_what_making_plans_took_is_read_of_other_versions),
        cmocka_unit_test(test_rows_that_say_another_length_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
