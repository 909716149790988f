/* Goal: arithmetic, its result types and numeric functions are SQL Server's. */
#include "mini.h"
#include "qr_test.h"

static void test_integers(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"1 + 2 * 3", "7", "int", 0},
        {"7 / 2", "3", "int", 0},
        {"-7 / 2", "-3", NULL, 0},
        {"-7 % 3", "-1", NULL, 0},
        {"1 / 0", NULL, NULL, 8134},
        {"1 % 0", NULL, NULL, 8134},
        {"2147483647 + 1", NULL, NULL, 8115},
        {"CAST(2147483647 AS bigint) + 1", "2147483648", "bigint", 0},
        {"CAST(9223372036854775807 AS bigint) + 1", NULL, NULL, 8115},
        {"CAST(200 AS tinyint) + CAST(100 AS tinyint)", NULL, NULL, 8115},
        {"CAST(1 AS tinyint) - CAST(2 AS tinyint)", NULL, NULL, 8115},
        {"CAST(1 AS tinyint) + 1000", "1001", "int", 0},
        {"-CAST(5 AS tinyint)", "-5", "smallint", 0},
        {"CAST(-32768 AS smallint) / CAST(-1 AS smallint)", NULL, NULL, 8115},
        {"170 & 75", "10", "int", 0},
        {"170 | 75", "235", NULL, 0},
        {"170 ^ 75", "225", NULL, 0},
        {"~CAST(170 AS tinyint)", "85", "tinyint", 0},
        {"~1", "-2", NULL, 0},
        {"1.5 & 1", NULL, NULL, 402},
        {"-'a'", NULL, NULL, 8117},
        {"LEFT_SHIFT(12345, 5)", "395040", NULL, 0},
        {"RIGHT_SHIFT(-1, 28)", "15", NULL, 0},
        {"BIT_COUNT(-1)", "32", "bigint", 0},
        {"GET_BIT(5, 2)", "1", "bit", 0},
        {"SET_BIT(0, 31)", "-2147483648", NULL, 0},
        {"NULL + 1", "NULL", "int", 0},
        {"GREATEST(1, 5, NULL, 3)", "5", "int", 0},
        {"LEAST('b', 'A', 'c')", "A", NULL, 0},
        {"CHECKSUM_NOPE(1)", NULL, NULL, 195},
        {"BINARY_CHECKSUM('ab')", "1650", "int", 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_decimals(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"1.5 + 1.25", "2.75", "numeric(4,2)", 0},
        {"1.5 * 2", "3.0", NULL, 0},
        {"1.0 / 3", "0.333333", NULL, 0},
        {"CAST(10 AS decimal(10,2)) / 3", "3.333333", NULL, 0},
        {"CAST(1 AS decimal(10,2)) * CAST(1 AS int)", "1.00", NULL, 0},
        {"10.5 % 3", "1.5", NULL, 0},
        {"1.0 / 0", NULL, NULL, 8134},
        {"CAST(99.5 AS decimal(3,1)) + 0.5", "100.0", "decimal(4,1)", 0},
        {"3000000000", "3000000000", "numeric(10,0)", 0},
        {"-1.50", "-1.50", "numeric(3,2)", 0},
        {"$1.5 * 3", "4.50", "money", 0},
        {"$10 / 4", "2.50", "money", 0},
        {"1e0 / 3", "0.333333", "float", 0},
        {"1e308 * 10", NULL, NULL, 8115},
        {"1e0 / 0", NULL, NULL, 8134},
        {"2E + 1", "3", "float", 0},
        {"1.5 + 1e0", "2.5", "float", 0},
        {"CAST(1 AS real) + CAST(2 AS real)", "3", "real", 0},
        {"99999999999999999999999999999999999999 + 1", NULL, NULL, 8115},
        {"1 + NULL", "NULL", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_functions(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"ABS(-1.5)", "1.5", "numeric(2,1)", 0},
        {"ABS(CAST(-2147483648 AS int))", NULL, NULL, 8115},
        {"CEILING(123.45)", "124", "numeric(5,0)", 0},
        {"CEILING(-123.45)", "-123", NULL, 0},
        {"FLOOR(-123.45)", "-124", NULL, 0},
        {"FLOOR($123.45)", "123.00", "money", 0},
        {"ROUND(123.9994, 3)", "123.9990", NULL, 0},
        {"ROUND(123.9995, 3)", "124.0000", NULL, 0},
        {"ROUND(748.58, -1)", "750.00", NULL, 0},
        {"ROUND(748.58, -4)", "0.00", NULL, 0},
        {"ROUND(748.58, -3)", NULL, NULL, 8115},
        {"ROUND(150.75, 0, 1)", "150.00", NULL, 0},
        {"ROUND(1234, -2)", "1200", "int", 0},
        {"SIGN(-2.5)", "-1.0", NULL, 0},
        {"SIGN(0)", "0", "int", 0},
        {"SQRT(16)", "4", "float", 0},
        {"SQRT(-1)", NULL, NULL, 3623},
        {"SQUARE(3)", "9", "float", 0},
        {"POWER(2, 10)", "1024", "int", 0},
        {"POWER(2, 31)", NULL, NULL, 232},
        {"POWER(2, -1)", "0", "int", 0},
        {"POWER(2e0, 0.5)", "1.41421", "float", 0},
        {"POWER(CAST(2 AS bigint), 62)", "4611686018427387904", "bigint", 0},
        {"EXP(1)", "2.71828", "float", 0},
        {"LOG(10)", "2.30259", NULL, 0},
        {"LOG(8, 2)", "3", NULL, 0},
        {"LOG(0)", NULL, NULL, 3623},
        {"LOG10(1000)", "3", NULL, 0},
        {"PI()", "3.14159", "float", 0},
        {"SIN(0)", "0", NULL, 0},
        {"COS(0)", "1", NULL, 0},
        {"ACOS(2)", NULL, NULL, 3623},
        {"ATN2(1, 1)", "0.785398", NULL, 0},
        {"DEGREES(PI())", "180", "float", 0},
        {"DEGREES(3)", "171", "int", 0},
        {"RADIANS(45)", "0", "int", 0},
        {"RADIANS(45.0)", "0.785398163397448279", "decimal(38,18)", 0},
        {"CONVERT(varchar(30), RAND(100), 2)", "7.154366573674853e-001", NULL, 0},
        {"ABS('-5')", "5", "float", 0},
        {"ABS(GETDATE())", NULL, NULL, 8116},
        {"ISNUMERIC('1.5e3')", "1", "int", 0},
        {"ISNUMERIC('abc')", "0", NULL, 0},
        {"ISNUMERIC('$')", "1", NULL, 0},
        {"ISNUMERIC('$1,000.50')", "1", NULL, 0},
        {"ISNUMERIC('')", "0", NULL, 0},
        {"ISNUMERIC(NULL)", "0", NULL, 0},
        {"PARSE('1,234.5' AS decimal(10,2))", "1234.50", NULL, 0},
        {"PARSE('1.234,5' AS decimal(10,2) USING 'de-DE')", "1234.50", NULL, 0},
        {"PARSE('abc' AS int)", NULL, NULL, 9819},
        {"TRY_PARSE('abc' AS int)", "NULL", "int", 0},
        {"PARSE('1' AS int USING 'xx-YY')", NULL, NULL, 9818},
        {"SQL_VARIANT_PROPERTY(1.50, 'Precision')", "3", NULL, 0},
        {"SQL_VARIANT_PROPERTY(N'a', 'BaseType')", "nvarchar", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_random_follows_the_documented_sequence(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    static const char *const want[][2] = {
        {"CONVERT(varchar(30), RAND(100), 2)", "7.154366573674853e-001"},
        {"CONVERT(varchar(30), RAND(), 2)", "2.846338076798200e-001"},
        {"CONVERT(varchar(30), RAND(), 2)", "1.310390"}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mini_run(&m, want[i][0]), QR_OK);
        assert_memory_equal(m.text, want[i][1], 8);
    }
    mini_done(&m);
}

static void test_overflow_is_null_when_warnings_are_off(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    m.b.no_folding = true;
    m.settings.ansi_warnings = m.settings.arithabort = false;
    assert_int_equal(mini_run(&m, "1 / 0"), QR_OK);
    assert_string_equal(m.text, "NULL");
    assert_int_equal(mini_run(&m, "2147483647 + 1"), QR_OK);
    assert_string_equal(m.text, "NULL");
    mini_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_random_follows_the_documented_sequence),
        cmocka_unit_test(test_overflow_is_null_when_warnings_are_off),
    };
    return cmocka_run_group_tests_name("expr/number", tests, NULL, NULL);
}
