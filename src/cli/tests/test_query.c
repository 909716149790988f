/* test_query.c - what queries mean: the constructs of the specification, one row each. */
#include <stdlib.h>
#include "qr_test.h"
#include "../query.h"

enum { ARENA_BYTES = 1024 * 1024 };

static const char people[] =
    "{\"people\":[{\"name\":\"Ada\",\"age\":36,\"tags\":[\"x\",\"y\"],\"home\":{\"city\":"
    "\"London\"}},"
    "{\"name\":\"Bob\",\"age\":25,\"tags\":[],\"home\":{\"city\":\"Paris\"}},"
    "{\"name\":\"Cy\",\"age\":50,\"tags\":[\"y\"]}],"
    "\"n\":[5,3,8,1],\"odd name\":1,\"empty\":\"\",\"zero\":0,\"no\":false,\"gone\":null,"
    "\"nested\":[[1,2],[3,[4]],5],\"map\":{\"a\":{\"v\":1},\"b\":{\"v\":2}},\"e\":1.0,"
    "\"text\":\"gr\\u00fcn\"}";
static const char databases[] =
    "[{\"name\":\"a\",\"location\":\"eastus\",\"currentServiceObjectiveName\":\"GP_Gen5_2\","
    "\"currentSku\":{\"tier\":\"GeneralPurpose\"},\"maxSizeBytes\":1},"
    "{\"name\":\"h\",\"location\":\"eastus\",\"currentServiceObjectiveName\":\"HS_Gen5_2\","
    "\"currentSku\":{\"tier\":\"Hyperscale\"},\"maxSizeBytes\":-1,"
    "\"highAvailabilityReplicaCount\":1}]";

static enum qr_status run(const char *document, const char *query, char **ret_text,
                          struct qr_err *err)
{
    struct qr_arena arena;
    const struct qri_query *q = NULL;
    json_t *value = json_loads(document, JSON_DECODE_ANY, NULL), *result = NULL;
    assert_non_null(value);
    qr_arena_init(&arena, ARENA_BYTES);
    enum qr_status status = qri_query_parse(&arena, query, &q, err);
    if (status == QR_OK)
        status = qri_query_run(q, value, &result, err);
    if (status == QR_OK)
        *ret_text = json_dumps(result, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(result);
    json_decref(value);
    qr_arena_done(&arena);
    return status;
}

struct row {
    const char *query, *want;
};

static void check(const char *document, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        struct qr_err err = {0};
        enum qr_status status = run(document, rows[i].query, &text, &err);
        if (status != QR_OK || strcmp(text, rows[i].want) != 0)
            fail_msg("%s: %s, not %s", rows[i].query, status == QR_OK ? text : err.text,
                     rows[i].want);
        free(text);
    }
}

#define CHECK(document, rows) check(document, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_fields_indexes_and_slices(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"zero", "0"},
        {"\"odd name\"", "1"},
        {"missing", "null"},
        {"missing.deeper", "null"},
        {"people[0].name", "\"Ada\""},
        {"people[-1].name", "\"Cy\""},
        {"people[3]", "null"},
        {"people[0].home.city", "\"London\""},
        {"n[1:3]", "[3,8]"},
        {"n[:2]", "[5,3]"},
        {"n[-2:]", "[8,1]"},
        {"n[::2]", "[5,8]"},
        {"n[::-1]", "[1,8,3,5]"},
        {"n[10:-10:-1]", "[1,8,3,5]"},
        {"n[0:100000000000000000:100000000000000000]", "[5]"},
        {"zero[0]", "null"},
        {"zero[1:2]", "null"},
        {"@.zero", "0"},
        {" zero ", "0"},
        {"text", "\"gr\xc3\xbcn\""},
    };
    CHECK(people, rows);
}

static void test_projections_end_where_the_specification_says(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"people[*].name", "[\"Ada\",\"Bob\",\"Cy\"]"},
        {"people[*].home.city", "[\"London\",\"Paris\"]"},
        {"people[].tags", "[[\"x\",\"y\"],[],[\"y\"]]"},
        {"people[].tags[]", "[\"x\",\"y\",\"y\"]"},
        {"people[*].tags[0]", "[\"x\",\"y\"]"},
        {"people[*].tags | [0]", "[\"x\",\"y\"]"},
        {"people[*].tags | [0][0]", "\"x\""},
        {"people[:2].name", "[\"Ada\",\"Bob\"]"},
        {"nested[]", "[1,2,3,[4],5]"},
        {"nested[][]", "[1,2,3,4,5]"},
        {"map.*.v", "[1,2]"},
        {"*.v", "[]"},
        {"map.* | [1].v", "2"},
        {"zero[*]", "null"},
        {"zero.*", "null"},
        {"(people[*].name)[0]", "\"Ada\""},
        {"[zero, e]", "[0,1.0]"},
        {"people[*].[name, age]", "[[\"Ada\",36],[\"Bob\",25],[\"Cy\",50]]"},
        {"people[0].{n: name, \"c c\": home.city}", "{\"n\":\"Ada\",\"c c\":\"London\"}"},
        {"people[].{n: name}[?n=='Bob']", "[{\"n\":\"Bob\"}]"},
        {"missing.{a: b}", "null"},
    };
    CHECK(people, rows);
}

static void test_filters_comparisons_and_truth(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"people[?age > `30`].name", "[\"Ada\",\"Cy\"]"},
        {"people[?age >= `25` && age < `50`].name", "[\"Ada\",\"Bob\"]"},
        {"people[?name == 'Bob' || age == `50`].name", "[\"Bob\",\"Cy\"]"},
        {"people[?!home].name", "[\"Cy\"]"},
        {"people[?tags].name", "[\"Ada\",\"Cy\"]"},
        {"people[?contains(tags, 'y')].age", "[36,50]"},
        {"people[?home.city != 'Paris'] | length(@)", "2"},
        {"people[?name=='Ada'].tags[]", "[\"x\",\"y\"]"},
        {"people[?name > 'B'].name", "[\"Bob\",\"Cy\"]"},
        {"e == `1`", "true"},
        {"zero == no", "false"},
        {"gone == missing", "true"},
        {"zero < empty", "null"},
        {"empty || 'other'", "\"other\""},
        {"zero || 'other'", "0"},
        {"no && zero", "false"},
        {"!no", "true"},
        {"!(zero == `0`)", "false"},
        {"n == `[5, 3, 8, 1.0]`", "true"},
        {"`{\"a\": 1}` == `{\"a\": 1.0}`", "true"},
        {"'it\\'s'", "\"it's\""},
        {"`\"a\\`b\"`", "\"a`b\""},
        {"`word`", "\"word\""},
        {"'\\n'", "\"\\\\n\""},
    };
    CHECK(people, rows);
}

static void test_functions(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"abs(`-3`)", "3"},
        {"avg(n)", "4.25"},
        {"avg(`[]`)", "null"},
        {"ceil(`1.2`)", "2"},
        {"floor(`-1.2`)", "-2"},
        {"sum(people[*].age)", "111"},
        {"contains('abc', 'bc')", "true"},
        {"contains(n, `3.0`)", "true"},
        {"starts_with(text, 'gr')", "true"},
        {"ends_with(text, 'un')", "false"},
        {"join(', ', people[].name)", "\"Ada, Bob, Cy\""},
        {"keys(map)", "[\"a\",\"b\"]"},
        {"values(map)", "[{\"v\":1},{\"v\":2}]"},
        {"length(text)", "4"},
        {"length(map)", "2"},
        {"map(&age, people)", "[36,25,50]"},
        {"map(&home.city, people)", "[\"London\",\"Paris\",null]"},
        {"max(n)", "8"},
        {"min(`[]`)", "null"},
        {"max_by(people, &age).name", "\"Cy\""},
        {"min_by(people, &age).name", "\"Bob\""},
        {"max_by(`[{\"a\":1,\"b\":1},{\"a\":1,\"b\":2}]`, &a).b", "1"},
        {"merge(map, `{\"b\":2,\"c\":3}`)", "{\"a\":{\"v\":1},\"b\":2,\"c\":3}"},
        {"not_null(gone, missing, zero)", "0"},
        {"reverse(n)", "[1,8,3,5]"},
        {"reverse(text)", "\"n\xc3\xbcrg\""},
        {"sort(n)", "[1,3,5,8]"},
        {"sort(`[\"b\",\"a\"]`)", "[\"a\",\"b\"]"},
        {"sort_by(people, &age)[].name", "[\"Bob\",\"Ada\",\"Cy\"]"},
        {"sort_by(people, &name)[-1].name", "\"Cy\""},
        {"to_array(zero)", "[0]"},
        {"to_number('12')", "12"},
        {"to_number('x')", "null"},
        {"to_string(map.a)", "\"{\\\"v\\\":1}\""},
        {"type(n)", "\"array\""},
        {"type(e)", "\"number\""},
        {"type(gone)", "\"null\""},
        {"people[?length(tags) > `1`].length(name)", "[3]"},
    };
    CHECK(people, rows);
}

/* The article about Hyperscale databases has this query. */
static void test_the_query_of_the_article_lists_hyperscale_databases(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"[].{Name:name, Location:location, SLO:currentServiceObjectiveName, "
         "Tier:currentSku.tier, maxSizeBytes:maxSizeBytes,"
         "HAreplicas:highAvailabilityReplicaCount}[?Tier=='Hyperscale']",
         "[{\"Name\":\"h\",\"Location\":\"eastus\",\"SLO\":\"HS_Gen5_2\",\"Tier\":\"Hyperscale\","
         "\"maxSizeBytes\":-1,\"HAreplicas\":1}]"},
    };
    CHECK(databases, rows);
}

static void test_what_is_no_query_is_refused_with_its_column(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "query, column 1: the query ends too early"},
        {"a.", "query, column 3: a name, '*', '[' or '{' is missing behind '.'"},
        {"a b", "query, column 3: the query should end here"},
        {"a[", "query, column 3: a number, '*' or ':' is missing behind '['"},
        {"a[?b", "query, column 5: ']' is missing"},
        {"{a}", "query, column 3: ':' is missing, as in {name: value}"},
        {"'abc", "query, column 1: the literal has no end"},
        {"`{`", "query, column 1: the literal is no JSON"},
        {"n[::0]", "query, column 6: the step of a slice is not 0"},
        {"n[1::::]", "query, column 6: ']' is missing"},
        {"[99999999999999999999]", "query, column 2: that is no number for an index"},
        {"nope(a)", "query, column 5: there is no function nope()"},
        {"length()", "query, column 7: length() takes 1 argument"},
        {"sort_by(n, age)", "query, column 8: sort_by(): argument 2 is an expression: '&name'"},
        {"length(&a)", "query, column 7: length(): argument 1 is a value, without '&'"},
        {"&a", "query: '&' stands only before an argument of a function"},
        {"length(zero)", "query: length(): argument 1 is not of the type that it takes"},
        {"sort(`[1,\"a\"]`)", "query: sort(): only numbers, or only strings, have an order"},
        {"a # b", "query, column 3: that character has no meaning here"},
        {"a = b", "query, column 3: that character has no meaning here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = NULL;
        struct qr_err err = {0};
        if (run(people, rows[i].query, &text, &err) == QR_OK)
            fail_msg("%s is taken: %s", rows[i].query, text);
        assert_string_equal(err.text, rows[i].want);
    }
}

static void test_a_query_cannot_be_too_deep_or_too_much_work(void **state)
{
    (void)state;
    char query[2048] = "", *text = NULL, *end = query;
    struct qr_err err = {0};
    memset(query, '(', 200);
    assert_int_not_equal(run(people, query, &text, &err), QR_OK);
    assert_string_equal(err.text, "query, column 65: the query is nested too deeply");
    memset(query, 0, sizeof query);
    /* each level makes eight times as many items of the one before it */
    static const char again[] = "[@,@,@,@,@,@,@,@][]|";
    for (int i = 0; i < 12; i++)
        end += snprintf(end, sizeof query - (size_t)(end - query), "%s", again);
    snprintf(end, sizeof query - (size_t)(end - query), "@");
    err = (struct qr_err){0};
    assert_int_not_equal(run("[1]", query, &text, &err), QR_OK);
    assert_string_equal(err.text, "query: that is too much work");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_indexes_and_slices),
        cmocka_unit_test(test_projections_end_where_the_specification_says),
        cmocka_unit_test(test_filters_comparisons_and_truth),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_the_query_of_the_article_lists_hyperscale_databases),
        cmocka_unit_test(test_what_is_no_query_is_refused_with_its_column),
        cmocka_unit_test(test_a_query_cannot_be_too_deep_or_too_much_work),
    };
    return cmocka_run_group_tests_name("cli/query", tests, NULL, NULL);
}
