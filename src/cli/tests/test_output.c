/* test_output.c - values as tables, lines of fields, YAML and in colours. */
#include <locale.h>
#include <stdlib.h>
#include "qr_test.h"
#include "../cli_int.h"

static char *printed(void (*print)(const json_t *value, FILE *out), const char *document)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    json_t *value = json_loads(document, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    print(value, out);
    json_decref(value);
    fclose(out);
    return text;
}

static void check(void (*print)(const json_t *value, FILE *out), const char *document,
                  const char *want)
{
    char *text = printed(print, document);
    assert_string_equal(text, want);
    free(text);
}

static void test_a_table_has_the_columns_in_their_order_and_leaves_out_empty_ones(void **state)
{
    (void)state;
    check(qri_print_table,
          "[{\"name\":\"a\",\"Size\":-1,\"none\":null,\"list\":[1]},"
          "{\"name\":\"longer name\",\"Size\":10,\"on\":true}]",
          "Name         Size  On\n"
          "-----------  ----  ----\n"
          "a            -1\n"
          "longer name  10    True\n");
    check(qri_print_table, "{\"x\":1.5}", "X\n---\n1.5\n");
    check(qri_print_table, "[]", "");
    check(qri_print_table, "null", "");
    check(qri_print_table, "[\"a\",\"b\"]", "Result\n------\na\nb\n");
    check(qri_print_table, "[[1,\"x\"],[2]]",
          "Column1  Column2\n-------  -------\n1        x\n2\n");
}

static void test_a_table_counts_columns_and_not_bytes(void **state)
{
    (void)state;
    check(qri_print_table, "[{\"n\":\"gr\\u00fcn\",\"m\":1},{\"n\":\"\\u6570\\u636e\",\"m\":2}]",
          "N     M\n----  -\ngr\xc3\xbcn  1\n\xe6\x95\xb0\xe6\x8d\xae  2\n");
}

static void test_nothing_that_was_sent_moves_the_cursor(void **state)
{
    (void)state;
    check(qri_print_table, "[{\"a\\u001b[2J\":\"b\\rc\\n\\u007f\"}]", "A?[2J\n-----\nb?c??\n");
    check(qri_print_tsv, "[\"a\\tb\\nc\"]", "a?b?c\n");
}

static void test_fields_with_tabs(void **state)
{
    (void)state;
    check(qri_print_tsv, "[{\"b\":\"x\",\"a\":1,\"n\":null,\"l\":[1,2],\"t\":false}]",
          "x\t1\tNone\t2\tFalse\n");
    check(qri_print_tsv, "[[1,\"x\"],[2,\"y\"]]", "1\tx\n2\ty\n");
    check(qri_print_tsv, "\"text\"", "text\n");
    check(qri_print_tsv, "[]", "");
}

static void test_yaml(void **state)
{
    (void)state;
    check(qri_print_yaml, "[{\"a\":1,\"b\":[1,{\"c\":\"x\"}],\"d\":{},\"e\":{\"f\":null}}]",
          "- \"a\": 1\n  \"b\":\n    - 1\n    - \"c\": \"x\"\n  \"d\": {}\n"
          "  \"e\":\n    \"f\": null\n");
    check(qri_print_yaml, "[]", "[]\n");
    check(qri_print_yaml, "\"x\"", "\"x\"\n");
}

static void test_colours_are_round_every_value(void **state)
{
    (void)state;
    check(qri_print_coloured, "{\"a\":[1,\"b\\\"{\"]}",
          "{\n  \033[94m\"a\"\033[0m: [\n    \033[36m1\033[0m,\n    \033[33m\"b\\\"{\"\033[0m\n  "
          "]\n}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table_has_the_columns_in_their_order_and_leaves_out_empty_ones),
        cmocka_unit_test(test_a_table_counts_columns_and_not_bytes),
        cmocka_unit_test(test_nothing_that_was_sent_moves_the_cursor),
        cmocka_unit_test(test_fields_with_tabs),
        cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_colours_are_round_every_value),
    };
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    return cmocka_run_group_tests_name("cli/output", tests, NULL, NULL);
}
