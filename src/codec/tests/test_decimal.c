/* Goal: decimals and money are exact, round as SQL Server does and never overflow in silence. */
#include "qr_test.h"
#include "codec/decimal.h"

static qr_i128 parse(const char *text, int scale)
{
    qr_i128 v = 0;
    if (qr_dec_parse(qr_str(text), 38, scale, &v) != QR_NUM_OK)
        fail_msg("cannot parse %s", text);
    return v;
}

static const char *print(qr_i128 v, int scale)
{
    static char text[QR_DEC_TEXT_BYTES + 1];
    text[qr_dec_print(v, scale, text)] = 0;
    return text;
}

static void test_text_parses_and_prints(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int precision, scale;
        enum qr_num want;
        const char *prints;
    } rows[] = {
        {"0", 5, 2, QR_NUM_OK, "0.00"},
        {" 12.345 ", 5, 2, QR_NUM_OK, "12.35"},
        {"-12.345", 5, 2, QR_NUM_OK, "-12.35"},
        {"12.344999", 5, 2, QR_NUM_OK, "12.34"},
        {"+.5", 5, 0, QR_NUM_OK, "1"},
        {"-.4", 5, 0, QR_NUM_OK, "0"},
        {"5.", 5, 1, QR_NUM_OK, "5.0"},
        {"999.995", 5, 2, QR_NUM_OVERFLOW, ""},
        {"1000", 5, 2, QR_NUM_OVERFLOW, ""},
        {"99999999999999999999999999999999999999", 38, 0, QR_NUM_OK,
         "99999999999999999999999999999999999999"},
        {"100000000000000000000000000000000000000", 38, 0, QR_NUM_OVERFLOW, ""},
        {"0.99999999999999999999999999999999999999", 38, 38, QR_NUM_OK,
         "0.99999999999999999999999999999999999999"},
        {"000000000000000000000000000000000000000000001", 38, 0, QR_NUM_OK, "1"},
        {"0.000000000000000000000000000000000000000000001", 38, 2, QR_NUM_OK, "0.00"},
        {"", 5, 2, QR_NUM_SYNTAX, ""},
        {" ", 5, 2, QR_NUM_SYNTAX, ""},
        {".", 5, 2, QR_NUM_SYNTAX, ""},
        {"-", 5, 2, QR_NUM_SYNTAX, ""},
        {"1e3", 5, 2, QR_NUM_SYNTAX, ""},
        {"1,000", 5, 2, QR_NUM_SYNTAX, ""},
        {"1.2.3", 5, 2, QR_NUM_SYNTAX, ""},
        {"--1", 5, 2, QR_NUM_SYNTAX, ""},
        {"1 2", 5, 2, QR_NUM_SYNTAX, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        qr_i128 v = 0;
        enum qr_num num = qr_dec_parse(qr_str(rows[i].text), rows[i].precision, rows[i].scale, &v);
        if (num != rows[i].want)
            fail_msg("'%s': got %d, want %d", rows[i].text, num, rows[i].want);
        if (num == QR_NUM_OK)
            assert_string_equal(print(v, rows[i].scale), rows[i].prints);
    }
}

struct arith_row {
    const char *a;
    int pa, sa;
    char op;
    const char *b;
    int pb, sb;
    const char *want; /* NULL: overflow, "/0": division by zero */
};

static void test_arithmetic_has_the_documented_results(void **state)
{
    (void)state;
    static const struct arith_row rows[] = {
        {"1.10", 10, 2, '+', "2.205", 10, 3, "3.305"},
        {"1.10", 10, 2, '-', "2.205", 10, 3, "-1.105"},
        {"1.10", 3, 2, '*', "2.205", 4, 3, "2.42550"},
        {"2.0", 2, 1, '/', "3", 1, 0, "0.666666"}, /* cut off, not rounded */
        {"-2.0", 2, 1, '/', "3", 1, 0, "-0.666666"},
        {"1", 10, 0, '/', "3", 10, 0, "0.33333333333"},
        {"1", 38, 0, '/', "0.5", 38, 38, "2.000000"},
        {"1", 10, 0, '/', "0", 10, 0, "/0"},
        {"1", 10, 0, '%', "0", 10, 0, "/0"},
        {"7.5", 5, 1, '%', "2", 5, 0, "1.5"},
        {"-7.5", 5, 1, '%', "2", 5, 0, "-1.5"},
        {"7", 5, 0, '%', "-2.25", 5, 2, "0.25"},
        {"5", 38, 0, '%', "99999999999999999999999999999999999999", 38, 0, "5"},
        {"0.0000006", 38, 10, '*', "1.0", 38, 10, "0.000001"}, /* scale 6, rounded */
        {"99999999999999999999999999999999999999", 38, 0, '+', "1", 38, 0, NULL},
        {"99999999999999999999999999999999999999", 38, 0, '*', "2", 38, 0, NULL},
        {"99999999999999999999999999999999999999", 38, 0, '-', "1", 38, 0,
         "99999999999999999999999999999999999998"},
        {"12345678901234567890.123456789", 38, 18, '+', "0.000000000000000001", 38, 18,
         "12345678901234567890.123456789000000001"},
        {"99999999999999999999", 38, 0, '+', "0.5", 38, 18, "100000000000000000000"},
        {"12345678901234567890", 20, 0, '*', "98765432109876543210", 20, 0, NULL},
        {"1234567890123456789", 19, 0, '*', "9876543210987654321", 19, 0,
         "12193263113702179522374638011112635269"},
        {"99999999999999999999999999999999999999", 38, 0, '/',
         "0.00000000000000000000000000000000000001", 38, 38, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct arith_row *r = &rows[i];
        struct qr_type a = qr_type_decimal((uint8_t)r->pa, (uint8_t)r->sa);
        struct qr_type b = qr_type_decimal((uint8_t)r->pb, (uint8_t)r->sb), t;
        enum qr_arith code = (enum qr_arith)(strchr("+-*/%", r->op) - "+-*/%");
        struct qr_dec_op op = qr_dec_op_of(code, &a, &b, &t);
        qr_i128 v = 0;
        enum qr_num num = qr_dec_arith(&op, parse(r->a, r->sa), parse(r->b, r->sb), &v);
        const char *got = num == QR_NUM_OVERFLOW         ? "overflow"
                          : num == QR_NUM_DIVIDE_BY_ZERO ? "/0"
                                                         : print(v, t.scale);
        const char *want = r->want == NULL ? "overflow" : r->want;
        if (strcmp(got, want) != 0)
            fail_msg("%s %c %s: got %s, want %s", r->a, r->op, r->b, got, want);
    }
}

static void test_rounding_floor_and_ceiling(void **state)
{
    (void)state;
    static const struct {
        const char *v;
        int digits;
        bool truncate;
        const char *want;
    } rows[] = {
        {"123.456", 2, false, "123.460"},   {"123.456", 2, true, "123.450"},
        {"-123.455", 2, false, "-123.460"}, {"123.456", 0, false, "123.000"},
        {"123.456", -1, false, "120.000"},  {"155.000", -2, false, "200.000"},
        {"123.456", 9, false, "123.456"},   {"123.456", -40, false, "0.000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        qr_i128 v = 0;
        assert_int_equal(
            qr_dec_round(parse(rows[i].v, 3), 3, 6, rows[i].digits, rows[i].truncate, &v),
            QR_NUM_OK);
        assert_string_equal(print(v, 3), rows[i].want);
    }
    qr_i128 v;
    assert_int_equal(qr_dec_round(parse("750.0", 1), 1, 4, -3, false, &v), QR_NUM_OVERFLOW);
    assert_true(qr_dec_floor(parse("-1.5", 1), 1) == -2);
    assert_true(qr_dec_floor(parse("1.5", 1), 1) == 1);
    assert_true(qr_dec_ceiling(parse("1.5", 1), 1) == 2);
    assert_true(qr_dec_ceiling(parse("-1.5", 1), 1) == -1);
    assert_true(qr_dec_ceiling(parse("2.0", 1), 1) == 2);
}

static void test_comparison_crosses_scales(void **state)
{
    (void)state;
    assert_int_equal(qr_dec_compare(parse("1.50", 2), 2, parse("1.5", 1), 1), 0);
    assert_int_equal(qr_dec_compare(parse("1.51", 2), 2, parse("1.5", 1), 1), 1);
    assert_int_equal(qr_dec_compare(parse("-1", 0), 0, parse("0.1", 38), 38), -1);
    qr_i128 big = parse("99999999999999999999999999999999999999", 0);
    assert_int_equal(qr_dec_compare(big, 0, parse("0.9", 38), 38), 1);
    assert_int_equal(qr_dec_compare(parse("0.9", 38), 38, big, 0), -1);
    assert_int_equal(qr_dec_compare(-big, 0, parse("-0.9", 38), 38), -1);
}

static void test_doubles_go_both_ways_exactly(void **state)
{
    (void)state;
    static const struct {
        double d;
        int precision, scale;
        const char *want;
    } rows[] = {
        {0.1, 38, 20, "0.10000000000000000555"},
        {0.5, 5, 0, "1"},
        {2.5, 5, 0, "3"},
        {-2.5, 5, 0, "-3"},
        {1e20, 38, 0, "100000000000000000000"},
        {1e-30, 38, 10, "0.0000000000"},
        {123.456, 6, 3, "123.456"},
        {0, 5, 2, "0.00"},
        {1e37, 38, 0, "9999999999999999538762658202121142272"},
        {5e-324, 38, 38, "0.00000000000000000000000000000000000000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        qr_i128 v = 0;
        assert_int_equal(qr_dec_from_double(rows[i].d, rows[i].precision, rows[i].scale, &v),
                         QR_NUM_OK);
        assert_string_equal(print(v, rows[i].scale), rows[i].want);
    }
    qr_i128 v;
    assert_int_equal(qr_dec_from_double(1.1e38, 38, 0, &v), QR_NUM_OVERFLOW);
    assert_int_equal(qr_dec_from_double(1000, 5, 2, &v), QR_NUM_OVERFLOW);
    assert_true(qr_dec_to_double(parse("0.1", 1), 1) == 0.1);
    assert_true(qr_dec_to_double(parse("123456789012345678901234567890.12345678", 8), 8) ==
                123456789012345678901234567890.12345678);
    int64_t i64;
    assert_int_equal(qr_dec_to_i64(parse("-12.9", 1), 1, &i64), QR_NUM_OK);
    assert_int_equal(i64, -12);
    assert_int_equal(qr_dec_to_i64(parse("9223372036854775808", 0), 0, &i64), QR_NUM_OVERFLOW);
}

static void test_money_parses_prints_and_computes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum qr_num want;
        int64_t value;
    } rows[] = {
        {"1234.5678", QR_NUM_OK, 12345678},
        {"$1,234.56", QR_NUM_OK, 12345600},
        {"-$5", QR_NUM_OK, -50000},
        {"$-5", QR_NUM_OK, -50000},
        {" \xc2\xa3 12 ", QR_NUM_OK, 120000},
        {"", QR_NUM_OK, 0},
        {"0.00005", QR_NUM_OK, 1},
        {"0.00004", QR_NUM_OK, 0},
        {"922337203685477.5807", QR_NUM_OK, INT64_MAX},
        {"-922337203685477.5808", QR_NUM_OK, INT64_MIN},
        {"922337203685477.5808", QR_NUM_OVERFLOW, 0},
        {"1e3", QR_NUM_SYNTAX, 0},
        {"abc", QR_NUM_SYNTAX, 0},
        {"1.2.3", QR_NUM_SYNTAX, 0},
        {"$$1", QR_NUM_SYNTAX, 0},
        {"99999999999999999999999999999999999999999999", QR_NUM_OVERFLOW, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v = 0;
        enum qr_num num = qr_money_parse(qr_str(rows[i].text), &v);
        if (num != rows[i].want || (num == QR_NUM_OK && v != rows[i].value))
            fail_msg("'%s': %d %lld", rows[i].text, num, (long long)v);
    }
    static const struct {
        int64_t v;
        int style;
        const char *want;
    } prints[] = {
        {12345678, 0, "1234.57"},   {12345678, 1, "1,234.57"},
        {12345678, 2, "1234.5678"}, {-12345678, 1, "-1,234.57"},
        {5000, 0, "0.50"},          {1234567890000, 1, "123,456,789.00"},
        {9999950, 1, "1,000.00"},   {0, 0, "0.00"},
        {-1, 2, "-0.0001"},         {INT64_MIN, 2, "-922337203685477.5808"},
    };
    for (size_t i = 0; i < sizeof prints / sizeof prints[0]; i++) {
        char text[QR_DEC_TEXT_BYTES + 1];
        text[qr_money_print(prints[i].v, prints[i].style, text)] = 0;
        assert_string_equal(text, prints[i].want);
    }
    int64_t v;
    assert_int_equal(qr_money_arith(QR_ARITH_DIV, 1000000, 3390000, &v), QR_NUM_OK);
    assert_int_equal(v, 2949); /* 100 / 339 keeps four digits, cut off */
    assert_int_equal(qr_money_arith(QR_ARITH_MUL, 15000, 15001, &v), QR_NUM_OK);
    assert_int_equal(v, 22501); /* 2.25015 */
    assert_int_equal(qr_money_arith(QR_ARITH_ADD, INT64_MAX, 1, &v), QR_NUM_OVERFLOW);
    assert_int_equal(qr_money_arith(QR_ARITH_DIV, 1, 0, &v), QR_NUM_DIVIDE_BY_ZERO);
    assert_int_equal(qr_money_arith(QR_ARITH_DIV, INT64_MIN, -1, &v), QR_NUM_OVERFLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_parses_and_prints),
        cmocka_unit_test(test_arithmetic_has_the_documented_results),
        cmocka_unit_test(test_rounding_floor_and_ceiling),
        cmocka_unit_test(test_comparison_crosses_scales),
        cmocka_unit_test(test_doubles_go_both_ways_exactly),
        cmocka_unit_test(test_money_parses_prints_and_computes),
    };
    return cmocka_run_group_tests_name("codec/decimal", tests, NULL, NULL);
}
