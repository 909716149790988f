/* Goal: of all backups exactly those are kept for long that the policy names. Method: tables of
 * dates, worked out by hand, and years that are walked day by day. */
#include "qr_test.h"
#include <stdlib.h>
#include "ctl/keep.h"

static const int64_t DAY = INT64_C(86400) * 1000000000, HOUR = INT64_C(3600) * 1000000000;

/* Days since 1970-01-01, the slow way. */
static int64_t day(int year, int month, int of_month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t n = of_month - 1;
    for (int y = 1970; y < year; y++)
        n += y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 366 : 365;
    for (int m = 1; m < month; m++)
        n += days[m - 1] + (m == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    return n;
}

static struct qr_keep_span span(const char *text)
{
    struct qr_keep_span s;
    assert_true(qr_keep_span_parse(qr_str(text), &s));
    return s;
}

static struct qr_keep_policy policy(const char *w, const char *m, const char *y, uint32_t week)
{
    return (struct qr_keep_policy){span(w), span(m), span(y), week};
}

static void test_durations_are_iso_8601_within_a_week_and_ten_years(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint32_t years, months, days;
    } rows[] = {
        {"PT0S", true, 0, 0, 0},     {"P0D", true, 0, 0, 0},
        {"0", true, 0, 0, 0},        {"P4W", true, 0, 0, 28},
        {"p12m", true, 0, 12, 0},    {"P5Y", true, 5, 0, 0},
        {"P1Y6M", true, 1, 6, 0},    {"P1M2W3D", true, 0, 1, 17},
        {"30", true, 0, 0, 30},      {"P7D", true, 0, 0, 7},
        {"P10Y", true, 10, 0, 0},    {"P520W", true, 0, 0, 3640},
        {"P6D", false, 0, 0, 0},     {"P11Y", false, 0, 0, 0},
        {"P10Y1D", false, 0, 0, 0},  {"", false, 0, 0, 0},
        {"P", false, 0, 0, 0},       {"P4", false, 0, 0, 0},
        {"4W", false, 0, 0, 0},      {"PW", false, 0, 0, 0},
        {"P1M1Y", false, 0, 0, 0},   {"P1W1W", false, 0, 0, 0},
        {"PT1H", false, 0, 0, 0},    {"-7", false, 0, 0, 0},
        {"P99999Y", false, 0, 0, 0}, {"P999999999999W", false, 0, 0, 0},
        {"P4W ", false, 0, 0, 0},    {"P121M", false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_keep_span s = {0, 0, 0};
        if (qr_keep_span_parse(qr_str(rows[i].text), &s) != rows[i].good)
            fail_msg("'%s'", rows[i].text);
        assert_int_equal(s.years, rows[i].years);
        assert_int_equal(s.months, rows[i].months);
        assert_int_equal(s.days, rows[i].days);
    }
}

static void test_weeks_of_the_year_are_those_of_iso_8601(void **state)
{
    (void)state;
    static const struct {
        int year, month, day, iso_year;
        uint32_t week;
    } rows[] = {
        {1970, 1, 1, 1970, 1},    {2020, 12, 31, 2020, 53}, {2021, 1, 1, 2020, 53},
        {2021, 1, 3, 2020, 53},   {2021, 1, 4, 2021, 1},    {2024, 12, 29, 2024, 52},
        {2024, 12, 30, 2025, 1},  {2025, 1, 5, 2025, 1},    {2024, 2, 29, 2024, 9},
        {2026, 11, 21, 2026, 47}, {2027, 1, 1, 2026, 53},   {2016, 1, 3, 2015, 53},
        {2100, 2, 28, 2100, 8},   {2100, 3, 1, 2100, 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t year = 0;
        uint32_t week = qr_keep_iso_week(day(rows[i].year, rows[i].month, rows[i].day), &year);
        if (week != rows[i].week || year != rows[i].iso_year)
            fail_msg("%d-%d-%d is in week %u of %lld", rows[i].year, rows[i].month, rows[i].day,
                     week, (long long)year);
    }
}

static void test_months_and_years_end_with_the_days_that_they_have(void **state)
{
    (void)state;
    static const struct {
        int from[3];
        const char *span;
        int to[3];
    } rows[] = {
        {{2024, 1, 31}, "P1M", {2024, 2, 29}},    {{2023, 1, 31}, "P1M", {2023, 2, 28}},
        {{2024, 2, 29}, "P1Y", {2025, 2, 28}},    {{2024, 2, 29}, "P4Y", {2028, 2, 29}},
        {{2096, 2, 29}, "P4Y", {2100, 2, 28}},    {{2024, 11, 30}, "P3M", {2025, 2, 28}},
        {{2024, 12, 15}, "P12M", {2025, 12, 15}}, {{2024, 2, 20}, "P2W", {2024, 3, 5}},
        {{2026, 11, 21}, "P10Y", {2036, 11, 21}}, {{2023, 12, 31}, "P1Y2M", {2025, 2, 28}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int *f = rows[i].from, *t = rows[i].to;
        struct qr_keep_span s = span(rows[i].span);
        int64_t end = qr_keep_span_end(&s, day(f[0], f[1], f[2]) * DAY + 7 * HOUR);
        assert_int_equal(end, day(t[0], t[1], t[2]) * DAY + 7 * HOUR); /* the hour stays */
    }
}

static void test_a_yearly_span_needs_its_week(void **state)
{
    (void)state;
    struct qr_keep_policy p = policy("PT0S", "PT0S", "P1Y", 0);
    assert_false(qr_keep_policy_is_whole(&p));
    p.week_of_year = 53;
    assert_false(qr_keep_policy_is_whole(&p));
    p.week_of_year = 52;
    assert_true(qr_keep_policy_is_whole(&p));
    p = policy("PT0S", "PT0S", "PT0S", 0);
    assert_true(qr_keep_policy_is_whole(&p));
    assert_true(qr_keep_policy_is_off(&p));
    int64_t expires = 7;
    assert_false(qr_keep_due(&p, 0, 20000 * DAY, &expires));
    assert_int_equal(expires, 7);
}

/* Looks twice a day from 1 January on; counts what would be kept. */
static int walk(const struct qr_keep_policy *p, int year, int days, int64_t *expires, int max)
{
    int count = 0;
    int64_t last = 0, end = 0;
    for (int64_t now = day(year, 1, 1) * DAY; now < (day(year, 1, 1) + days) * DAY;
         now += 12 * HOUR) {
        if (!qr_keep_due(p, last, now, &end))
            continue;
        assert_true(count < max);
        expires[count++] = end - now;
        last = now;
    }
    return count;
}

static void test_a_year_has_its_weeks_its_months_and_its_week(void **state)
{
    (void)state;
    int64_t expires[80];
    struct qr_keep_policy p = policy("P4W", "PT0S", "PT0S", 0);
    assert_int_equal(walk(&p, 2024, 366, expires, 80), 53); /* it begins with a Monday */
    p = policy("PT0S", "P12M", "PT0S", 0);
    assert_int_equal(walk(&p, 2024, 366, expires, 80), 12);
    p = policy("PT0S", "PT0S", "P5Y", 9);
    assert_int_equal(walk(&p, 2024, 366, expires, 80), 1);
    assert_int_equal(expires[0], day(2029, 2, 26) * DAY - day(2024, 2, 26) * DAY);
    p = policy("PT0S", "PT0S", "P5Y", 1); /* week 1 of 2025 begins on 30 December 2024 */
    assert_int_equal(walk(&p, 2024, 366, expires, 80), 2);
}

/* One that is the first of its week and of its month is kept for the longer span, once. */
static void test_the_longest_span_that_applies_counts(void **state)
{
    (void)state;
    struct qr_keep_policy p = policy("P1W", "P6M", "P10Y", 20);
    int64_t expires[80];
    int n = walk(&p, 2023, 365, expires, 80), weekly = 0, monthly = 0, yearly = 0;
    for (int i = 0; i < n; i++) {
        weekly += expires[i] == 7 * DAY;
        monthly += expires[i] > 8 * DAY && expires[i] < 200 * DAY;
        yearly += expires[i] > 3000 * DAY;
    }
    assert_int_equal(yearly, 1);
    assert_int_equal(monthly, 12);
    assert_int_equal(weekly + monthly + yearly, n);
    assert_in_range(weekly, 40, 53);
}

static void test_a_clock_that_went_back_keeps_nothing_from_being_kept(void **state)
{
    (void)state;
    struct qr_keep_policy p = policy("P1W", "PT0S", "PT0S", 0);
    int64_t now = day(2026, 11, 21) * DAY, expires = 0;
    assert_true(qr_keep_due(&p, now + 400 * DAY, now, &expires));
    assert_int_equal(expires, now + 7 * DAY);
    assert_false(qr_keep_due(&p, now + HOUR, now, &expires)); /* only adjusted */
    assert_false(qr_keep_due(&p, now, now + DAY, &expires));  /* Saturday, Sunday */
    assert_true(qr_keep_due(&p, now, now + 2 * DAY, &expires));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_iso_8601_within_a_week_and_ten_years),
        cmocka_unit_test(test_weeks_of_the_year_are_those_of_iso_8601),
        cmocka_unit_test(test_months_and_years_end_with_the_days_that_they_have),
        cmocka_unit_test(test_a_yearly_span_needs_its_week),
        cmocka_unit_test(test_a_year_has_its_weeks_its_months_and_its_week),
        cmocka_unit_test(test_the_longest_span_that_applies_counts),
        cmocka_unit_test(test_a_clock_that_went_back_keeps_nothing_from_being_kept),
    };
    return cmocka_run_group_tests_name("ctl/keep", tests, NULL, NULL);
}
