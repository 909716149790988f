/* Goal: rows of telemetry become the points that Azure Monitor would have. Method: rows as nodes
 * write them, and of the version before, put into spans that cut them in known places. */
#include "qr_test.h"
#include <math.h>
#include "../metrics_int.h"

static const int64_t SECOND = 1000000000, MINUTE = 60 * SECOND;

static void test_names_of_grains_and_aggregations(void **state)
{
    (void)state;
    assert_string_equal(qri_grain_find(qr_str("pt1h"))->duration, "01:00:00");
    assert_string_equal(qri_grain_find(qr_str("PT60M"))->name, "PT1H");
    assert_string_equal(qri_grain_find(qr_str("PT24H"))->name, "P1D");
    assert_null(qri_grain_find(qr_str("PT3M")));
    assert_null(qri_grain_find(qr_str("")));
    assert_int_equal(qri_aggregations_parse(qr_str("Average, maximum")), QRI_AVERAGE | QRI_MAXIMUM);
    assert_int_equal(qri_aggregations_parse(qr_str("Average,most")), 0);
    assert_int_equal(qri_aggregations_parse(qr_str("")), 0);
    assert_true(qri_metric_is_wanted(qr_str("cpu_percent,STORAGE"), "storage"));
    assert_false(qri_metric_is_wanted(qr_str("cpu_percent"), "cpu"));
    assert_true(qri_metric_is_wanted(qr_str(""), "cpu_limit"));
}

static void test_every_metric_has_what_definitions_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < qri_metric_count; i++) {
        const struct qri_metric *m = &qri_metrics[i];
        if ((m->aggregations & m->primary) == 0 || m->resources == 0)
            fail_msg("%s", m->name);
        for (size_t k = 0; k < i; k++) /* one of each name for a resource */
            if (strcmp(qri_metrics[k].name, m->name) == 0 &&
                (qri_metrics[k].resources & m->resources) != 0)
                fail_msg("%s", m->name);
    }
}

static const struct qri_metric *metric(const char *name, uint8_t resource)
{
    for (size_t i = 0; i < qri_metric_count; i++)
        if (strcmp(qri_metrics[i].name, name) == 0 && (qri_metrics[i].resources & resource) != 0)
            return &qri_metrics[i];
    fail_msg("no metric %s", name);
    return NULL;
}

struct fixture {
    struct qr_arena arena;
    struct qri_span span;
    struct qri_series list[4];
    struct qri_series_set set;
};

static void begin(struct fixture *f, int64_t from, int64_t to, int64_t step, uint8_t resource,
                  const char *const *names)
{
    qr_arena_init(&f->arena, 1 << 20);
    f->span = (struct qri_span){from, to, step};
    f->set = (struct qri_series_set){.span = &f->span, .resource = qr_str("Shop"), .list = f->list};
    for (; names[f->set.count] != NULL; f->set.count++)
        f->list[f->set.count] = (struct qri_series){metric(names[f->set.count], resource), NULL};
    assert_true(qri_series_alloc(&f->arena, &f->set));
}

static void take(struct fixture *f, uint8_t kind, int64_t at, uint64_t count, const char *key,
                 const char *body)
{
    struct qr_telemetry_row row = {
        .kind = kind, .at_wall_ns = at, .count = count, .key = qr_str(key), .body = qr_str(body)};
    assert_int_equal(qri_series_take(&f->set, &row), QR_OK);
}

static void check(const struct fixture *f, size_t series, size_t point, uint8_t aggregation,
                  double want)
{
    double value = 0;
    bool known = qri_point_value(&f->list[series].points[point], aggregation, &value);
    if (isnan(want) ? known : !known || fabs(value - want) > 1e-6)
        fail_msg("%s, point %zu, %s: %d %f", f->list[series].metric->name, point,
                 qri_aggregation_name(aggregation, false), known, value);
}

/* A minute of a database of GP_Gen5_4 (no DTUs). */
static void put_minute(struct fixture *f, int64_t end, double cpu, double least, double most)
{
    char body[QR_MEASURES_BYTES_MAX + 100];
    struct qr_measured m[QR_MEASURES] = {{0}};
    m[QR_MEASURE_CPU] = (struct qr_measured){cpu, least, most};
    m[QR_MEASURE_STORAGE] = (struct qr_measured){250e6, 200e6, 300e6};
    m[QR_MEASURE_STORAGE_LIMIT] = (struct qr_measured){1e9, 1e9, 1e9};
    int n = snprintf(body, sizeof body, "GeneralPurpose 250 %.2f 0 0 3 4 0 1 2 4", cpu);
    qr_measures_put(m, body + n, sizeof body - (size_t)n);
    take(f, QR_TELEMETRY_MINUTE, end, 0, "shop", body);
}

static void test_minutes_have_average_least_and_most(void **state)
{
    (void)state;
    static const char *const names[] = {"cpu_percent", "storage_percent", "cpu_used",
                                        "dtu_consumption_percent", NULL};
    struct fixture f = {0};
    begin(&f, 0, 5 * MINUTE, 2 * MINUTE, QRI_OF_DATABASE, names);
    assert_int_equal(f.set.point_count, 3); /* the last one is half */
    put_minute(&f, MINUTE, 10, 1, 40);
    put_minute(&f, 2 * MINUTE, 30, 20, 35);
    put_minute(&f, 5 * MINUTE, 50, 50, 50);
    put_minute(&f, 6 * MINUTE, 99, 99, 99); /* after the span */
    put_minute(&f, 0, 99, 99, 99);          /* before it */
    check(&f, 0, 0, QRI_AVERAGE, 20);
    check(&f, 0, 0, QRI_MINIMUM, 1);
    check(&f, 0, 0, QRI_MAXIMUM, 40);
    check(&f, 0, 1, QRI_AVERAGE, NAN); /* nothing is known of it */
    check(&f, 0, 2, QRI_AVERAGE, 50);
    check(&f, 1, 0, QRI_MAXIMUM, 30);
    check(&f, 1, 0, QRI_MINIMUM, 20);
    check(&f, 2, 0, QRI_AVERAGE, 0.8); /* 20 % of 4 vCores */
    check(&f, 3, 0, QRI_AVERAGE, NAN); /* it has no DTUs */
    qr_arena_done(&f.arena);
}

static void test_rows_of_the_version_before_have_averages(void **state)
{
    (void)state;
    static const char *const names[] = {"dtu_used", "storage", "sessions_count", "cpu_limit", NULL};
    struct fixture f = {0};
    begin(&f, 0, 5 * MINUTE, 5 * MINUTE, QRI_OF_DATABASE, names);
    take(&f, QR_TELEMETRY_DATABASE, 5 * MINUTE, 0, "shop", "Standard 2 10 60 20 3 4 50 1 2 0.5");
    take(&f, QR_TELEMETRY_DATABASE, 5 * MINUTE, 0, "shop", "Standard 2 10 oops");
    take(&f, QR_TELEMETRY_DATABASE, 5 * MINUTE, 0, "other", "Standard 2 10 99 20 3 4 50 1 2 0.5");
    check(&f, 0, 0, QRI_AVERAGE, 30); /* 60 % of 50 */
    check(&f, 1, 0, QRI_MAXIMUM, 2 << 20);
    check(&f, 2, 0, QRI_AVERAGE, NAN);
    check(&f, 3, 0, QRI_AVERAGE, NAN);
    qr_arena_done(&f.arena);
}

static void test_one_point_may_be_of_centuries(void **state)
{
    (void)state;
    static const char *const names[] = {"storage", NULL};
    const int64_t centuries = INT64_C(280) * 365 * 86400 * SECOND;
    struct fixture f = {0};
    begin(&f, 0, centuries, centuries, QRI_OF_DATABASE, names);
    assert_int_equal(f.set.point_count, 1);
    qr_arena_done(&f.arena);
}

static void test_events_are_counted_where_they_began(void **state)
{
    (void)state;
    static const char *const names[] = {"connection_failed", "blocked_by_firewall", "deadlock",
                                        "app_cpu_billed", NULL};
    struct fixture f = {0};
    begin(&f, 10 * MINUTE, 20 * MINUTE, 5 * MINUTE, QRI_OF_DATABASE, names);
    take(&f, QR_TELEMETRY_EVENT, 10 * MINUTE, 3, "connection_failed/7/shop", "");
    take(&f, QR_TELEMETRY_EVENT, 10 * MINUTE, 2, "connection_failed/4/shop", "");
    take(&f, QR_TELEMETRY_EVENT, 15 * MINUTE, 1, "connection_failed/4/workshop", "");
    take(&f, QR_TELEMETRY_EVENT, 20 * MINUTE, 9, "connection_failed/4/shop", "");
    take(&f, QR_TELEMETRY_BILLED, 16 * MINUTE, 2500000, "shop", "40 50");
    take(&f, QR_TELEMETRY_BILLED, 16 * MINUTE, 9000000, "ha:shop", "");
    check(&f, 0, 0, QRI_TOTAL, 5);
    check(&f, 1, 0, QRI_TOTAL, 3);
    check(&f, 0, 1, QRI_TOTAL, 0);
    check(&f, 2, 0, QRI_TOTAL, 0);
    check(&f, 3, 1, QRI_TOTAL, 2.5);
    qr_arena_done(&f.arena);
}

static void test_measures_are_read_as_they_were_written(void **state)
{
    (void)state;
    char body[QR_MEASURES_BYTES_MAX];
    struct qr_measured written[QR_MEASURES], got[QR_MEASURES];
    for (int i = 0; i < QR_MEASURES; i++)
        written[i] = (struct qr_measured){i + 0.25, i, i * 1e12};
    qr_measures_put(written, body, sizeof body);
    assert_true(qr_measures_parse(qr_str(body), got));
    for (int i = 0; i < QR_MEASURES; i++) {
        assert_true(fabs(got[i].average - written[i].average) < 1e-9);
        assert_true(got[i].least == written[i].least && got[i].most == written[i].most);
    }
    body[40] = '\0'; /* cut off */
    assert_false(qr_measures_parse(qr_str(body), got));
    assert_false(qr_measures_parse(qr_str("Standard 2 10"), got));
    assert_false(qr_measures_parse(qr_str(""), got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_grains_and_aggregations),
        cmocka_unit_test(test_every_metric_has_what_definitions_say),
        cmocka_unit_test(test_minutes_have_average_least_and_most),
        cmocka_unit_test(test_rows_of_the_version_before_have_averages),
        cmocka_unit_test(test_one_point_may_be_of_centuries),
        cmocka_unit_test(test_events_are_counted_where_they_began),
        cmocka_unit_test(test_measures_are_read_as_they_were_written),
    };
    return cmocka_run_group_tests_name("arm/metrics", tests, NULL, NULL);
}
