/* Goal: CAST, CONVERT and assignment give SQL Server's values, texts and error numbers. */
#include "codec_test.h"
#include "base/sqlmsg.h"
#include "codec/convert.h"

static struct qr_arena arena;
static struct qr_convert_env env = {&arena, QR_MDY, false};

static int setup(void **state)
{
    (void)state;
    qr_arena_init(&arena, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    qr_arena_done(&arena);
    return 0;
}

/* "0x..." for the binary family, else text. */
static struct qr_value value_named(const struct qr_type *t, const char *text)
{
    struct qr_value v = qr_value_text(text, strlen(text)), out;
    bool hex = qr_type_family(t) == QR_FAMILY_BINARY;
    struct qr_type from = qr_type_sized(QR_TYPE_VARCHAR, 0);
    struct qr_converter c;
    struct qr_err err = {0};
    if (qr_converter_init(&c, &from, t, hex ? 1 : QR_STYLE_DEFAULT, QR_CONVERT_CAST, &err) !=
            QR_OK ||
        qr_convert(&c, &v, &env, &out, &err) != QR_OK)
        fail_msg("make %s of '%s': %s", qr_type_name(t), text, err.text);
    return out;
}

struct row {
    const char *from, *value, *to;
    int style;
    const char *want; /* the text of the result, or */
    int number;       /* the error */
    const char *message;
};

static void check(const struct row *r, enum qr_convert_mode mode)
{
    struct qr_type from = type_named(r->from), to = type_named(r->to);
    struct qr_value in = value_named(&from, r->value), out = qr_value_null();
    struct qr_converter c;
    struct qr_err err = {0};
    char what[256];
    snprintf(what, sizeof what, "%s '%s' to %s, style %d", r->from, r->value, r->to, r->style);
    enum qr_status s = qr_converter_init(&c, &from, &to, r->style, mode, &err);
    if (s == QR_OK)
        s = qr_convert(&c, &in, &env, &out, &err);
    if (r->want == NULL) {
        if (s != QR_SQL || err.number != r->number)
            fail_msg("%s: status %d number %d, want %d", what, s, err.number, r->number);
        if (r->message != NULL && strcmp(err.text, r->message) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", what, err.text, r->message);
        return;
    }
    if (s != QR_OK)
        fail_msg("%s: %s", what, err.text);
    assert_int_equal(out.cell, qr_type_cell(&to));
    struct qr_str text;
    if (qr_type_family(&to) == QR_FAMILY_BINARY) {
        struct qr_type hex = qr_type_sized(QR_TYPE_VARCHAR, 0);
        assert_int_equal(qr_converter_init(&c, &to, &hex, 1, QR_CONVERT_CAST, &err), QR_OK);
        assert_int_equal(qr_convert(&c, &out, &env, &out, &err), QR_OK);
        text = qr_value_bytes(&out);
    } else {
        assert_int_equal(qr_value_text_of(&to, &out, &env, &text, &err), QR_OK);
    }
    if (!qr_str_eq(text, qr_str(r->want)))
        fail_msg("%s: got '%.*s', want '%s'", what, (int)text.n, text.p, r->want);
}

static void check_all(const struct row *rows, size_t count, enum qr_convert_mode mode)
{
    for (size_t i = 0; i < count; i++) {
        struct row r = rows[i];
        check(&r, mode);
    }
}
#define CHECK(rows, mode) check_all(rows, sizeof rows / sizeof rows[0], mode)
#define D QR_STYLE_DEFAULT

static void test_numbers_convert_to_numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"int", "300", "tinyint", D, NULL, 220,
         "Arithmetic overflow error for data type tinyint, value = 300."},
        {"int", "-32769", "smallint", D, NULL, 220, NULL},
        {"bigint", "2147483648", "int", D, NULL, 8115,
         "Arithmetic overflow error converting expression to data type int."},
        {"int", "5", "bit", D, "1", 0, NULL},
        {"decimal(5,2)", "-12.99", "int", D, "-12", 0, NULL},
        {"decimal(12,2)", "9999999999.99", "int", D, NULL, 8115,
         "Arithmetic overflow error converting numeric to data type int."},
        {"money", "1.5", "int", D, "2", 0, NULL},
        {"money", "-1.5", "int", D, "-2", 0, NULL},
        {"float", "2.99", "int", D, "2", 0, NULL},
        {"float", "1e10", "int", D, NULL, 232,
         "Arithmetic overflow error for type int, value = 10000000000.000000."},
        {"float", "1e19", "bigint", D, NULL, 8115, NULL},
        {"float", "9223372036854774784", "bigint", D, "9223372036854774784", 0, NULL},
        {"int", "123", "decimal(5,2)", D, "123.00", 0, NULL},
        {"int", "1234", "decimal(5,2)", D, NULL, 8115,
         "Arithmetic overflow error converting int to data type numeric."},
        {"decimal(10,5)", "1.23456", "decimal(5,2)", D, "1.23", 0, NULL},
        {"decimal(10,5)", "1.23556", "decimal(38,2)", D, "1.24", 0, NULL},
        {"decimal(38,5)", "12345.67891", "decimal(10,1)", D, "12345.7", 0, NULL},
        {"decimal(10,5)", "12345.6", "decimal(5,2)", D, NULL, 8115,
         "Arithmetic overflow error converting numeric to data type numeric."},
        {"float", "0.125", "decimal(5,2)", D, "0.13", 0, NULL},
        {"float", "1e30", "decimal(5,2)", D, NULL, 8115,
         "Arithmetic overflow error converting float to data type numeric."},
        {"float", "1.23456", "money", D, "1.23", 0, NULL},
        {"int", "300000", "smallmoney", D, NULL, 8115, NULL},
        {"decimal(10,5)", "1.99995", "money", D, "2.00", 0, NULL},
        {"decimal(10,5)", "1.5", "float", D, "1.5", 0, NULL},
        {"float", "1e300", "real", D, NULL, 232, NULL},
        {"float", "0.1", "real", D, "0.1", 0, NULL},
        {"bit", "1", "decimal(3,1)", D, "1.0", 0, NULL},
        {"decimal(5,2)", "0.01", "bit", D, "1", 0, NULL},
    };
    CHECK(rows, QR_CONVERT_CAST);
}

static void test_text_converts_to_numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"varchar(20)", " 42 ", "int", D, "42", 0, NULL},
        {"varchar(20)", "", "int", D, "0", 0, NULL},
        {"varchar(20)", "-", "int", D, "0", 0, NULL},
        {"nvarchar(20)", "+7", "tinyint", D, "7", 0, NULL},
        {"varchar(20)", "abc", "int", D, NULL, 245,
         "Conversion failed when converting the varchar value 'abc' to data type int."},
        {"nvarchar(20)", "1.5", "int", D, NULL, 245,
         "Conversion failed when converting the nvarchar value '1.5' to data type int."},
        {"varchar(20)", "99999999999", "int", D, NULL, 248,
         "The conversion of the varchar value '99999999999' overflowed an int column."},
        {"varchar(20)", "99999", "smallint", D, NULL, 244,
         "The conversion of the varchar value '99999' overflowed an INT2 column. Use a larger "
         "integer column."},
        {"varchar(20)", "256", "tinyint", D, NULL, 244,
         "The conversion of the varchar value '256' overflowed an INT1 column. Use a larger "
         "integer column."},
        {"varchar(20)", "x", "bigint", D, NULL, 8114,
         "Error converting data type varchar to bigint."},
        {"varchar(30)", "9223372036854775808", "bigint", D, NULL, 8115, NULL},
        {"varchar(30)", "-9223372036854775808", "bigint", D, "-9223372036854775808", 0, NULL},
        {"varchar(20)", "TRUE", "bit", D, "1", 0, NULL},
        {"varchar(20)", "false", "bit", D, "0", 0, NULL},
        {"varchar(20)", "2", "bit", D, "1", 0, NULL},
        {"varchar(20)", "yes", "bit", D, NULL, 245, NULL},
        {"varchar(20)", "12.345", "decimal(5,2)", D, "12.35", 0, NULL},
        {"varchar(20)", "x", "decimal(5,2)", D, NULL, 8114,
         "Error converting data type varchar to numeric."},
        {"nvarchar(20)", "1234567", "decimal(5,2)", D, NULL, 8115,
         "Arithmetic overflow error converting nvarchar to data type numeric."},
        {"varchar(20)", "1e3", "decimal(9,2)", D, NULL, 8114, NULL},
        {"varchar(20)", "1.5e3", "float", D, "1500", 0, NULL},
        {"varchar(20)", "1d2", "float", D, "100", 0, NULL},
        {"varchar(20)", "", "float", D, "0", 0, NULL},
        {"varchar(20)", "0x10", "float", D, NULL, 8114,
         "Error converting data type varchar to float."},
        {"varchar(20)", "inf", "float", D, NULL, 8114, NULL},
        {"varchar(20)", "1e400", "float", D, NULL, 8115, NULL},
        {"varchar(20)", "$1,234.56", "money", D, "1234.56", 0, NULL},
        {"varchar(20)", "x", "money", D, NULL, 235, NULL},
        {"varchar(20)", "x", "smallmoney", D, NULL, 293, NULL},
        {"varchar(20)", "300000", "smallmoney", D, NULL, 294, NULL},
    };
    CHECK(rows, QR_CONVERT_CAST);
}

static void test_values_convert_to_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"int", "12345", "varchar(5)", D, "12345", 0, NULL},
        {"int", "123456", "varchar(5)", D, "*", 0, NULL},
        {"int", "123456", "char(5)", D, "*    ", 0, NULL},
        {"int", "123456", "nvarchar(5)", D, NULL, 8115,
         "Arithmetic overflow error converting expression to data type nvarchar."},
        {"bigint", "123456", "varchar(5)", D, NULL, 8115, NULL},
        {"tinyint", "7", "char(3)", D, "7  ", 0, NULL},
        {"decimal(10,2)", "-0.50", "varchar(10)", D, "-0.50", 0, NULL},
        {"decimal(10,2)", "12345.67", "varchar(5)", D, NULL, 8115,
         "Arithmetic overflow error converting numeric to data type varchar."},
        {"decimal(38,10)", "1234567890123456789.5", "nvarchar(max)", D,
         "1234567890123456789.5000000000", 0, NULL},
        {"money", "1234.5678", "varchar(20)", D, "1234.57", 0, NULL},
        {"money", "1234567.8912", "varchar(20)", 1, "1,234,567.89", 0, NULL},
        {"money", "1234.5678", "varchar(20)", 2, "1234.5678", 0, NULL},
        {"money", "1234.5678", "varchar(3)", D, NULL, 234, NULL},
        {"money", "1", "varchar(20)", 5, NULL, 281, NULL},
        {"float", "1234567", "varchar(30)", D, "1.23457e+006", 0, NULL},
        {"float", "123456", "varchar(30)", D, "123456", 0, NULL},
        {"float", "0.0001", "varchar(30)", D, "0.0001", 0, NULL},
        {"float", "0.00001", "varchar(30)", D, "1e-005", 0, NULL},
        {"float", "-0.1", "varchar(30)", D, "-0.1", 0, NULL},
        {"float", "1e300", "varchar(30)", D, "1e+300", 0, NULL},
        {"float", "1234567", "varchar(30)", 1, "1.2345670e+006", 0, NULL},
        {"float", "1234567", "varchar(30)", 2, "1.234567000000000e+006", 0, NULL},
        {"float", "0.1", "varchar(30)", 3, "1.0000000000000001e-001", 0, NULL},
        {"bit", "1", "varchar(1)", D, "1", 0, NULL},
        {"uniqueidentifier", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "varchar(40)", D,
         "6F9619FF-8B86-D011-B42D-00C04FC964FF", 0, NULL},
        {"uniqueidentifier", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}", "char(36)", D,
         "6F9619FF-8B86-D011-B42D-00C04FC964FF", 0, NULL},
        {"uniqueidentifier", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "char(35)", D, NULL, 8170,
         NULL},
        {"datetime", "2020-01-02 03:04:05.678", "varchar(30)", D, "Jan  2 2020  3:04AM", 0, NULL},
        {"datetime", "2020-01-02 03:04:05.678", "varchar(3)", D, "Jan", 0, NULL},
        {"date", "2020-01-02", "varchar(30)", D, "2020-01-02", 0, NULL},
        {"date", "2020-01-02", "varchar(30)", 108, NULL, 281, NULL},
        {"date", "2020-01-02", "varchar(30)", 999, NULL, 281,
         "999 is not a valid style number when converting from date to a character string."},
        {"varbinary(10)", "0x414243", "varchar(10)", D, "ABC", 0, NULL},
        {"varbinary(10)", "0x41004200", "nvarchar(10)", D, "AB", 0, NULL},
        {"varbinary(10)", "0xdeadbeef", "varchar(20)", 1, "0xDEADBEEF", 0, NULL},
        {"varbinary(10)", "0xdeadbeef", "varchar(20)", 2, "DEADBEEF", 0, NULL},
        {"varbinary(10)", "0xdeadbeef", "varchar(5)", 2, "DEAD", 0, NULL},
        {"varchar(10)", "abcdef", "varchar(3)", D, "abc", 0, NULL},
        {"varchar(10)", "ab", "char(4)", D, "ab  ", 0, NULL},
        {"nvarchar(10)", "\xce\xa9\xe4\xb8\xad", "varchar(10)", D, "O?", 0, NULL},
        {"nvarchar(10)", "caf\xc3\xa9", "varchar(4)", D, "caf\xc3\xa9", 0, NULL},
        {"nvarchar(10)", "a\xf0\x9f\x98\x80z", "nvarchar(2)", D, "a", 0, NULL},
        {"nvarchar(10)", "a\xf0\x9f\x98\x80z", "varchar(10)", D, "a??z", 0, NULL},
        {"varchar(10)", "\xe2\x82\xac", "nvarchar(1)", D, "\xe2\x82\xac", 0, NULL},
    };
    CHECK(rows, QR_CONVERT_CAST);
}

static void test_binary_converts_both_ways(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"int", "1", "varbinary(10)", D, "0x00000001", 0, NULL},
        {"int", "258", "varbinary(2)", D, "0x0102", 0, NULL},
        {"int", "1", "binary(6)", D, "0x000000000001", 0, NULL},
        {"bigint", "-1", "varbinary(8)", D, "0xFFFFFFFFFFFFFFFF", 0, NULL},
        {"tinyint", "255", "varbinary(8)", D, "0xFF", 0, NULL},
        {"bit", "1", "varbinary(8)", D, "0x01", 0, NULL},
        {"decimal(5,2)", "123.45", "varbinary(20)", D, "0x0502000139300000", 0, NULL},
        {"decimal(38,2)", "-1.00", "varbinary(20)", D, "0x2602000064000000", 0, NULL},
        {"money", "1", "varbinary(8)", D, "0x0000000000002710", 0, NULL},
        {"float", "1", "varbinary(8)", D, "0x3FF0000000000000", 0, NULL},
        {"real", "1", "varbinary(8)", D, "0x3F800000", 0, NULL},
        {"datetime", "1900-01-02 00:00:01", "varbinary(8)", D, "0x000000010000012C", 0, NULL},
        {"smalldatetime", "1900-01-02 00:01", "varbinary(8)", D, "0x00010001", 0, NULL},
        {"date", "0001-01-02", "varbinary(8)", D, "0x010000", 0, NULL},
        {"varchar(5)", "ABC", "varbinary(5)", D, "0x414243", 0, NULL},
        {"nvarchar(5)", "AB", "varbinary(5)", D, "0x41004200", 0, NULL},
        {"varchar(5)", "AB", "binary(4)", D, "0x41420000", 0, NULL},
        {"varchar(10)", "0x4142", "varbinary(5)", 1, "0x4142", 0, NULL},
        {"varchar(10)", "4142", "varbinary(5)", 2, "0x4142", 0, NULL},
        {"varchar(10)", "4142", "varbinary(5)", 1, NULL, 8114, NULL},
        {"varchar(10)", "0x414", "varbinary(5)", 1, NULL, 8114, NULL},
        {"varbinary(8)", "0x0102", "int", D, "258", 0, NULL},
        {"varbinary(8)", "0xFFFFFFFF", "int", D, "-1", 0, NULL},
        {"varbinary(8)", "0x0100000002", "int", D, "2", 0, NULL},
        {"varbinary(8)", "0xFF", "tinyint", D, "255", 0, NULL},
        {"varbinary(20)", "0x0502000139300000", "decimal(6,3)", D, "123.450", 0, NULL},
        {"varbinary(20)", "0x01", "decimal(6,3)", D, NULL, 8114, NULL},
        {"varbinary(8)", "0x000000010000012C", "datetime", D, "Jan  2 1900 12:00AM", 0, NULL},
        {"varbinary(8)", "0x010000", "date", D, "0001-01-02", 0, NULL},
        {"varbinary(8)", "0x0102", "float", D, NULL, 529, NULL},
        {"varbinary(16)", "0xFF19966F868B11D0B42D00C04FC964FF", "uniqueidentifier", D,
         "6F9619FF-8B86-D011-B42D-00C04FC964FF", 0, NULL},
        {"uniqueidentifier", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "varbinary(16)", D,
         "0xFF19966F868B11D0B42D00C04FC964FF", 0, NULL},
        {"varchar(10)", "zz", "uniqueidentifier", D, NULL, 8169, NULL},
        {"varbinary(4)", "0x01020304", "varbinary(2)", D, "0x0102", 0, NULL},
        {"varbinary(4)", "0x0102", "binary(4)", D, "0x01020000", 0, NULL},
    };
    CHECK(rows, QR_CONVERT_CAST);
}

static void test_dates_convert(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"datetime", "1900-01-01 12:00", "int", D, "1", 0, NULL},
        {"datetime", "1900-01-03 06:00", "float", D, "2.25", 0, NULL},
        {"datetime", "1900-01-03 06:00", "decimal(9,2)", D, "2.25", 0, NULL},
        {"int", "1", "datetime", D, "Jan  2 1900 12:00AM", 0, NULL},
        {"float", "1.5", "smalldatetime", D, "Jan  2 1900 12:00PM", 0, NULL},
        {"int", "-100000", "datetime", D, NULL, 8115, NULL},
        {"int", "1", "date", D, NULL, 529, NULL},
        {"date", "0001-01-01", "datetime", D, NULL, 242,
         "The conversion of a date data type to a datetime data type resulted in an out-of-range "
         "value."},
        {"date", "2020-02-29", "datetime2(3)", D, "2020-02-29 00:00:00.000", 0, NULL},
        {"time(7)", "10:20:30.1234567", "datetime", D, "Jan  1 1900 10:20AM", 0, NULL},
        {"datetime2(7)", "2020-02-29 10:20:30.1234567", "time(3)", D, "10:20:30.123", 0, NULL},
        {"datetime2(7)", "2020-02-29 10:20:30.1234567", "datetime2(0)", D, "2020-02-29 10:20:30", 0,
         NULL},
        {"datetime2(7)", "2020-12-31 23:59:59.9999999", "datetime2(0)", D, "2021-01-01 00:00:00", 0,
         NULL},
        {"datetimeoffset(7)", "2020-02-29 10:20:30 +05:30", "datetime2(0)", D,
         "2020-02-29 10:20:30", 0, NULL},
        {"datetime2(0)", "2020-02-29 10:20:30", "datetimeoffset(0)", D,
         "2020-02-29 10:20:30 +00:00", 0, NULL},
        {"datetime", "2079-06-07", "smalldatetime", D, NULL, 242, NULL},
        {"varchar(30)", "2020-13-01", "datetime", D, NULL, 242,
         "The conversion of a varchar data type to a datetime data type resulted in an "
         "out-of-range value."},
        {"nvarchar(30)", "2020-13-01", "date", D, NULL, 241,
         "Conversion failed when converting date and/or time from character string."},
        {"varchar(30)", "xyz", "smalldatetime", D, NULL, 295, NULL},
        {"varchar(30)", "31/12/2020", "datetime", 103, "Dec 31 2020 12:00AM", 0, NULL},
        {"varchar(30)", "31/12/2020", "datetime", D, NULL, 242, NULL},
    };
    CHECK(rows, QR_CONVERT_CAST);
}

static void test_storing_tells_truncation(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"varchar(10)", "abcdef", "varchar(3)", D, NULL, 8152,
         "String or binary data would be truncated."},
        {"varchar(10)", "abc   ", "varchar(3)", D, "abc", 0, NULL},
        {"varbinary(4)", "0x01020304", "varbinary(2)", D, NULL, 8152, NULL},
        {"datetime", "2020-01-01", "int", D, NULL, 257, NULL},
        {"int", "1", "date", D, NULL, 206, "Operand type clash: int is incompatible with date"},
        {"int", "300", "tinyint", D, NULL, 220, NULL},
    };
    CHECK(rows, QR_CONVERT_STORE);
    struct qr_type from = type_named("nvarchar(20)"), to = type_named("varchar(5)");
    struct qr_converter c;
    struct qr_err err = {0};
    struct qr_value in = qr_value_text("abcdefgh", 8), out;
    assert_int_equal(qr_converter_init(&c, &from, &to, D, QR_CONVERT_STORE, &err), QR_OK);
    c.table = "db.dbo.t";
    c.column = "a";
    assert_int_equal(qr_convert(&c, &in, &env, &out, &err), QR_SQL);
    assert_int_equal(err.number, 2628);
    assert_string_equal(err.text, "String or binary data would be truncated in table 'db.dbo.t', "
                                  "column 'a'. Truncated value: 'abcde'.");
}

static void test_variants_keep_their_base_type(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"int", "42", "sql_variant", D, "42", 0, NULL},
        {"decimal(38,4)", "1.5", "sql_variant", D, "1.5000", 0, NULL},
        {"varchar(5)", "abc", "sql_variant", D, "abc", 0, NULL},
        {"datetimeoffset(0)", "2020-01-01 10:00 +01:00", "sql_variant", D,
         "2020-01-01 10:00:00 +01:00", 0, NULL},
        {"uniqueidentifier", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "sql_variant", D,
         "6F9619FF-8B86-D011-B42D-00C04FC964FF", 0, NULL},
        {"varchar(max)", "abc", "sql_variant", D, NULL, 206,
         "Operand type clash: varchar(max) is incompatible with sql_variant"},
    };
    CHECK(rows, QR_CONVERT_CAST);
    struct qr_type variant = type_named("sql_variant"), i = type_named("int");
    struct qr_value v = value_named(&i, "7"), boxed, out;
    struct qr_type date = type_named("date");
    struct qr_err err = {0};
    assert_int_equal(qr_convert_once(&i, &v, &variant, &env, &boxed, &err), QR_OK);
    assert_int_equal(qr_convert_once(&variant, &boxed, &date, &env, &out, &err), QR_SQL);
    assert_int_equal(err.number, 529);
    assert_int_equal(qr_value_datalength(&variant, &boxed), 4);
}

static void test_equal_types_cost_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        bool nothing;
    } rows[] = {
        {"int", "bigint", true},
        {"bigint", "int", false},
        {"varchar(5)", "varchar(9)", true},
        {"varchar(5)", "nvarchar(5)", true},
        {"nvarchar(5)", "varchar(5)", false},
        {"char(5)", "varchar(5)", true},
        {"varchar(5)", "char(5)", false},
        {"char(5)", "char(5)", true},
        {"decimal(9,2)", "decimal(18,2)", true},
        {"decimal(9,2)", "decimal(19,2)", false},
        {"date", "datetime", false},
        {"datetime2(3)", "datetime2(7)", true},
        {"varbinary(5)", "varbinary(max)", true},
        {"bit", "int", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type from = type_named(rows[i].from), to = type_named(rows[i].to);
        struct qr_converter c;
        assert_int_equal(qr_converter_init(&c, &from, &to, D, QR_CONVERT_STORE, NULL), QR_OK);
        if ((c.fn == NULL) != rows[i].nothing)
            fail_msg("%s to %s", rows[i].from, rows[i].to);
    }
}

/* Whatever the matrix allows has a function, and none of them fails on NULL. */
static void test_every_allowed_pair_has_a_function(void **state)
{
    (void)state;
    for (int a = QR_TYPE_BIT; a <= QR_TYPE_SQL_VARIANT; a++) {
        for (int b = QR_TYPE_BIT; b <= QR_TYPE_SQL_VARIANT; b++) {
            struct qr_type from = qr_type_of((enum qr_type_id)a),
                           to = qr_type_of((enum qr_type_id)b);
            struct qr_converter c;
            struct qr_value v = qr_value_null();
            if (qr_converter_init(&c, &from, &to, D, QR_CONVERT_CAST, NULL) != QR_OK)
                continue;
            assert_int_equal(qr_convert(&c, &v, &env, &v, NULL), QR_OK);
            bool same_form = qr_type_cell(&from) == qr_type_cell(&to);
            if (c.fn == NULL && !same_form)
                fail_msg("no function from %s to %s", qr_type_name(&from), qr_type_name(&to));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_convert_to_numbers),
        cmocka_unit_test(test_text_converts_to_numbers),
        cmocka_unit_test(test_values_convert_to_text),
        cmocka_unit_test(test_binary_converts_both_ways),
        cmocka_unit_test(test_dates_convert),
        cmocka_unit_test(test_storing_tells_truncation),
        cmocka_unit_test(test_variants_keep_their_base_type),
        cmocka_unit_test(test_equal_types_cost_nothing),
        cmocka_unit_test(test_every_allowed_pair_has_a_function),
    };
    return cmocka_run_group_tests_name("codec/convert", tests, setup, teardown);
}
