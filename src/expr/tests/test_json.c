/* Goal: JSON functions follow the documented lax and strict rules, whatever the text. */
#include "codec/json.h"
#include "expr/rows.h"
#include "mini.h"
#include "qr_test.h"

#define INFO                                                                                       \
    "'{\"info\":{\"type\":1,\"address\":{\"town\":\"Bristol\",\"x y\":[10,null,true]},"            \
    "\"tags\":[\"Sport\",\"Water polo\"]},\"k\\u0041\":\"a\\nb\"}'"

static void test_reading(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"JSON_VALUE(" INFO ", '$.info.address.town')", "Bristol", "nvarchar(4000)", 0},
        {"JSON_VALUE(" INFO ", '$.info.address.\"x y\"[0]')", "10", NULL, 0},
        {"JSON_VALUE(" INFO ", '$.info.address.\"x y\"[1]')", "NULL", NULL, 0},
        {"JSON_VALUE(" INFO ", '$.info.address.\"x y\"[2]')", "true", NULL, 0},
        {"JSON_VALUE(" INFO ", '$.info.type')", "1", NULL, 0},
        {"JSON_VALUE(" INFO ", '$.kA')", "a\nb", NULL, 0},
        {"JSON_VALUE(" INFO ", '$.info.tags')", "NULL", NULL, 0},
        {"JSON_VALUE(" INFO ", 'strict $.info.tags')", NULL, NULL, 13623},
        {"JSON_VALUE(" INFO ", '$.info.none')", "NULL", NULL, 0},
        {"JSON_VALUE(" INFO ", 'strict $.info.none')", NULL, NULL, 13608},
        {"JSON_VALUE(" INFO ", 'info')", NULL, NULL, 13607},
        {"JSON_VALUE('{\"a\":', '$.a')", NULL, NULL, 13609},
        {"JSON_VALUE('x', '$.a')", NULL, NULL, 13609},
        {"JSON_VALUE(NULL, '$.a')", "NULL", NULL, 0},
        {"JSON_QUERY(" INFO ", '$.info.tags')", "[\"Sport\",\"Water polo\"]", "nvarchar(max)", 0},
        {"JSON_QUERY(" INFO ", '$.info.type')", "NULL", NULL, 0},
        {"JSON_QUERY(" INFO ", 'strict $.info.type')", NULL, NULL, 13624},
        {"ISJSON('{\"a\":[1,2,{\"b\":null}]}')", "1", "int", 0},
        {"ISJSON('{\"a\":1,}')", "0", NULL, 0},
        {"ISJSON('true')", "0", NULL, 0},
        {"ISJSON('true', 'VALUE')", "1", NULL, 0},
        {"ISJSON('[]', 'OBJECT')", "0", NULL, 0},
        {"ISJSON('')", "0", NULL, 0},
        {"ISJSON(NULL)", "NULL", NULL, 0},
        {"ISJSON(REPLICATE('[', 128) + REPLICATE(']', 128))", "1", NULL, 0},
        {"ISJSON(REPLICATE('[', 129) + REPLICATE(']', 129))", "0", NULL, 0},
        {"JSON_PATH_EXISTS('{\"a\":{}}', '$.a')", "1", "int", 0},
        {"JSON_PATH_EXISTS('{\"a\":{}}', '$.b')", "0", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_modifying(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"JSON_MODIFY('{\"name\":\"John\"}', '$.name', 'Mike')", "{\"name\":\"Mike\"}",
         "nvarchar(max)", 0},
        {"JSON_MODIFY('{\"name\":\"John\"}', '$.surname', 'Smith')",
         "{\"name\":\"John\",\"surname\":\"Smith\"}", NULL, 0},
        {"JSON_MODIFY('{}', '$.n', 5)", "{\"n\":5}", NULL, 0},
        {"JSON_MODIFY('{\"a\":1,\"b\":2,\"c\":3}', '$.b', NULL)", "{\"a\":1,\"c\":3}", NULL, 0},
        {"JSON_MODIFY('{\"a\":1,\"b\":2}', '$.b', NULL)", "{\"a\":1}", NULL, 0},
        {"JSON_MODIFY('{\"a\":1}', '$.a', NULL)", "{}", NULL, 0},
        {"JSON_MODIFY('{\"a\":1}', 'strict $.a', NULL)", "{\"a\":null}", NULL, 0},
        {"JSON_MODIFY('{\"a\":1}', 'strict $.b', 1)", NULL, NULL, 13608},
        {"JSON_MODIFY('{\"s\":[\"C#\"]}', 'append $.s', 'Azure')", "{\"s\":[\"C#\",\"Azure\"]}",
         NULL, 0},
        {"JSON_MODIFY('{\"s\":[]}', 'append $.s', 'x')", "{\"s\":[\"x\"]}", NULL, 0},
        {"JSON_MODIFY('{}', 'append $.s', 'x')", "{\"s\":[\"x\"]}", NULL, 0},
        {"JSON_MODIFY('{\"s\":[1,2,3]}', '$.s[1]', NULL)", "{\"s\":[1,null,3]}", NULL, 0},
        {"JSON_MODIFY('{\"s\":1}', '$.s', JSON_QUERY('[1,2]'))", "{\"s\":[1,2]}", NULL, 0},
        {"JSON_MODIFY('{\"s\":1}', '$.s', '[1,2]')", "{\"s\":\"[1,2]\"}", NULL, 0},
        {"JSON_MODIFY('{\"s\":1}', '$.s', CAST(1 AS bit))", "{\"s\":true}", NULL, 0},
        {"JSON_MODIFY('{\"s\":1}', '$.s', 'a\"b')", "{\"s\":\"a\\\"b\"}", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_making(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"JSON_OBJECT()", "{}", "nvarchar(max)", 0},
        {"JSON_OBJECT('name', 'val\"ue', 'type', 1, 'n', NULL)",
         "{\"name\":\"val\\\"ue\",\"type\":1,\"n\":null}", NULL, 0},
        {"JSON_OBJECT('a', JSON_ARRAY(1, 'x', NULL), 'b', CAST(1 AS bit))",
         "{\"a\":[1,\"x\"],\"b\":true}", NULL, 0},
        {"JSON_ARRAY(1.50, CAST('2020-01-02' AS date), JSON_OBJECT('k', 2))",
         "[1.50,\"2020-01-02\",{\"k\":2}]", NULL, 0},
        {"JSON_OBJECT(NULL, 1)", NULL, NULL, 8116},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_openjson_walks_objects_and_arrays(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
        enum qr_json_kind kind;
    } want[] = {
        {"s", "\"x\"", QR_JSON_STRING}, {"n", "4.5e1", QR_JSON_NUMBER},
        {"b", "false", QR_JSON_BOOL},   {"z", "null", QR_JSON_NULL},
        {"a", "[1,2]", QR_JSON_ARRAY},  {"o", "{\"k\":[]}", QR_JSON_OBJECT},
    };
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_json_rows rows;
    struct qr_json_row row;
    bool more;
    struct qr_str json = qr_str(
        " {\"s\":\"x\", \"n\":4.5e1 ,\"b\":false,\"z\":null,\"a\":[1,2],\"o\":{\"k\":[]} } ");
    assert_int_equal(qr_json_rows_open(&arena, json, (struct qr_str){NULL, 0}, &rows, NULL), QR_OK);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(qr_json_rows_next(&rows, &arena, &more, &row, NULL), QR_OK);
        assert_true(more);
        assert_true(qr_str_eq(row.key, qr_str(want[i].key)));
        assert_true(qr_str_eq(row.item.text, qr_str(want[i].text)));
        assert_int_equal(row.item.kind, want[i].kind);
    }
    assert_int_equal(qr_json_rows_next(&rows, &arena, &more, &row, NULL), QR_OK);
    assert_false(more);
    assert_int_equal(qr_json_rows_open(&arena, json, qr_str("$.a"), &rows, NULL), QR_OK);
    assert_int_equal(qr_json_rows_next(&rows, &arena, &more, &row, NULL), QR_OK);
    assert_int_equal(qr_json_rows_next(&rows, &arena, &more, &row, NULL), QR_OK);
    assert_true(more && qr_str_eq(row.key, qr_str("1")));
    qr_arena_done(&arena);
}

static void test_split_and_series_give_their_rows(void **state)
{
    (void)state;
    struct qr_type type = qr_type_sized(QR_TYPE_VARCHAR, 20);
    struct qr_split split;
    struct qr_str value;
    int64_t ordinal;
    assert_int_equal(qr_split_open(&type, qr_str("a,,b"), qr_str(","), &split, NULL), QR_OK);
    static const char *const want[] = {"a", "", "b"};
    for (int i = 0; i < 3; i++) {
        assert_true(qr_split_next(&split, &value, &ordinal));
        assert_true(qr_str_eq(value, qr_str(want[i])));
        assert_int_equal(ordinal, i + 1);
    }
    assert_false(qr_split_next(&split, &value, &ordinal));
    assert_int_equal(qr_split_open(&type, qr_str("a"), qr_str("::"), &split, NULL), QR_SQL);

    struct qr_type int_type = qr_type_of(QR_TYPE_INT);
    struct qr_value start = qr_value_int(1), stop = qr_value_int(10), step = qr_value_int(4), v;
    struct qr_series series;
    assert_int_equal(qr_series_open(&int_type, &start, &stop, &step, &series, NULL), QR_OK);
    for (int i = 1; i <= 9; i += 4) {
        assert_true(qr_series_next(&series, &v));
        assert_int_equal(v.i, i);
    }
    assert_false(qr_series_next(&series, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_modifying),
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_openjson_walks_objects_and_arrays),
        cmocka_unit_test(test_split_and_series_give_their_rows),
    };
    return cmocka_run_group_tests_name("expr/json", tests, NULL, NULL);
}
