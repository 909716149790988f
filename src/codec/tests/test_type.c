/* Goal: types print, parse and combine as the documentation's tables say. */
#include "qr_test.h"
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "codec/type.h"

/* "decimal(10,2)", "nvarchar(max)", "NULL", or digits: a literal. */
static struct qr_type type_of(const char *text)
{
    struct qr_type t = {0};
    if (strcmp(text, "NULL") == 0)
        return t;
    if (*text >= '0' && *text <= '9') {
        assert_int_equal(qr_type_number_literal(qr_str(text), &t, NULL), QR_OK);
        return t;
    }
    const char *open = strchr(text, '(');
    struct qr_str name = {text, open == NULL ? strlen(text) : (size_t)(open - text)};
    if (!qr_type_find(name, &t))
        fail_msg("no type %s", text);
    int args[2] = {0};
    size_t count = 0;
    if (open != NULL) {
        if (strncmp(open, "(max", 4) == 0) {
            args[0] = -1;
            count = 1;
        } else {
            count = (size_t)sscanf(open, "(%d,%d", &args[0], &args[1]);
        }
    }
    struct qr_err err = {0};
    if (qr_type_apply_args(&t, args, count, false, &err) != QR_OK)
        fail_msg("%s: %s", text, err.text);
    return t;
}

static void assert_prints(const struct qr_type *t, const char *want, const char *what)
{
    char text[QR_TYPE_NAME_BYTES];
    if (strcmp(qr_type_print(t, text), want) != 0)
        fail_msg("%s: got %s, want %s", what, text, want);
}

static void test_names_and_synonyms_find_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *name, *prints;
    } rows[] = {
        {"int", "int"},
        {"INTEGER", "int"},
        {"dec(5,1)", "decimal(5,1)"},
        {"numeric", "numeric(18,0)"},
        {"decimal(7)", "decimal(7,0)"},
        {"float(24)", "real"},
        {"float(25)", "float"},
        {"double precision", "float"},
        {"datetime2", "datetime2(7)"},
        {"time(3)", "time(3)"},
        {"datetimeoffset(0)", "datetimeoffset(0)"},
        {"char", "char(1)"},
        {"character varying(20)", "varchar(20)"},
        {"nvarchar(max)", "nvarchar(max)"},
        {"national character varying(7)", "nvarchar(7)"},
        {"varbinary(max)", "varbinary(max)"},
        {"sysname", "nvarchar(128)"},
        {"rowversion", "timestamp"},
        {"timestamp", "timestamp"},
        {"SQL_Variant", "sql_variant"},
        {"varchar(8000)", "varchar(8000)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t = type_of(rows[i].name);
        assert_prints(&t, rows[i].prints, rows[i].name);
    }
    struct qr_type t;
    assert_false(qr_type_find(qr_str("nosuch"), &t));
}

static void test_wrong_arguments_have_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int args[2];
        size_t count;
        bool in_cast;
        int number;
    } rows[] = {
        {"varchar", {0}, 1, false, 1001},     {"varchar", {8001}, 1, false, 131},
        {"nvarchar", {4001}, 1, false, 2717}, {"char", {-1}, 1, false, 1001},
        {"decimal", {39, 0}, 2, false, 2750}, {"decimal", {10, 11}, 2, false, 192},
        {"datetime2", {8}, 1, false, 1002},   {"int", {4}, 1, false, 2716},
        {"int", {4}, 1, true, 291},           {"float", {54}, 1, false, 2750},
        {"datetime", {3}, 1, false, 2716},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t;
        struct qr_err err = {0};
        assert_true(qr_type_find(qr_str(rows[i].name), &t));
        assert_int_equal(qr_type_apply_args(&t, rows[i].args, rows[i].count, rows[i].in_cast, &err),
                         QR_SQL);
        assert_int_equal(err.number, rows[i].number);
    }
    struct qr_type t = qr_type_of(QR_TYPE_VARCHAR);
    assert_int_equal(qr_type_apply_args(&t, NULL, 0, true, NULL), QR_OK);
    assert_int_equal(t.length, 30);
}

static const struct {
    const char *a;
    char op;
    const char *b, *want;
    int number;
} arith_rows[] = {
    {"int", '+', "int", "int", 0},
    {"tinyint", '-', "tinyint", "tinyint", 0},
    {"smallint", '*', "bigint", "bigint", 0},
    {"bit", '+', "int", "int", 0},
    {"bit", '+', "bit", NULL, 402},
    {"decimal(10,2)", '+', "decimal(10,2)", "decimal(11,2)", 0},
    {"decimal(10,2)", '*', "int", "decimal(21,2)", 0},
    {"decimal(10,2)", '/', "int", "decimal(21,13)", 0},
    {"decimal(10,2)", '/', "decimal(10,2)", "decimal(23,13)", 0},
    {"decimal(10,4)", '%', "decimal(8,2)", "decimal(10,4)", 0},
    {"decimal(38,10)", '*', "decimal(38,10)", "decimal(38,6)", 0},
    {"decimal(38,20)", '*', "decimal(38,20)", "decimal(38,6)", 0},
    {"decimal(38,10)", '/', "decimal(38,10)", "decimal(38,6)", 0},
    {"decimal(38,10)", '+', "decimal(38,0)", "decimal(38,0)", 0},
    {"decimal(38,10)", '+', "decimal(38,10)", "decimal(38,10)", 0},
    {"decimal(30,10)", '*', "decimal(10,5)", "decimal(38,12)", 0},
    {"decimal(20,10)", '/', "decimal(20,5)", "decimal(38,23)", 0},
    {"1.0", '/', "3", "numeric(7,6)", 0},
    {"2.5", '*', "1.50", "numeric(6,3)", 0},
    {"money", '+', "int", "money", 0},
    {"smallmoney", '*', "money", "money", 0},
    {"money", '*', "decimal(5,2)", "decimal(25,6)", 0},
    {"money", '*', "float", "float", 0},
    {"real", '+', "int", "real", 0},
    {"real", '+', "float", "float", 0},
    {"decimal(5,2)", '+', "real", "real", 0},
    {"float", '%', "int", NULL, 402},
    {"float", '%', "float", NULL, 8117},
    {"datetime", '+', "int", "datetime", 0},
    {"int", '+', "datetime", "datetime", 0},
    {"datetime", '-', "datetime", "datetime", 0},
    {"smalldatetime", '-', "float", "smalldatetime", 0},
    {"datetime", '+', "varchar(10)", "datetime", 0},
    {"datetime", '*', "int", NULL, 8117},
    {"date", '+', "int", NULL, 206},
    {"datetime2", '-', "datetime2", NULL, 8117},
    {"date", '-', "datetime", NULL, 402},
    {"varchar(10)", '+', "varchar(5)", "varchar(15)", 0},
    {"char(10)", '+', "char(5)", "char(15)", 0},
    {"char(10)", '+', "varchar(5)", "varchar(15)", 0},
    {"nvarchar(10)", '+', "varchar(5)", "nvarchar(15)", 0},
    {"nchar(10)", '+', "varchar(5)", "nvarchar(15)", 0},
    {"varchar(8000)", '+', "varchar(8000)", "varchar(8000)", 0},
    {"varchar(max)", '+', "varchar(10)", "varchar(max)", 0},
    {"nvarchar(4000)", '+', "varchar(10)", "nvarchar(4000)", 0},
    {"varbinary(5)", '+', "binary(3)", "varbinary(8)", 0},
    {"varchar(10)", '+', "int", "int", 0},
    {"nvarchar(10)", '*', "decimal(5,2)", "decimal(11,4)", 0},
    {"varchar(10)", '-', "varchar(5)", NULL, 8117},
    {"varbinary(5)", '+', "int", "int", 0},
    {"uniqueidentifier", '+', "int", NULL, 402},
    {"xml", '+', "varchar(5)", NULL, 402},
    {"NULL", '+', "NULL", "int", 0},
    {"NULL", '+', "varchar(5)", "varchar(10)", 0},
    {"decimal(5,2)", '+', "NULL", "decimal(6,2)", 0},
};

static void test_arithmetic_types_follow_the_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof arith_rows / sizeof arith_rows[0]; i++) {
        struct qr_type a = type_of(arith_rows[i].a), b = type_of(arith_rows[i].b), t = {0};
        struct qr_err err = {0};
        enum qr_arith op = (enum qr_arith)(strchr("+-*/%", arith_rows[i].op) - "+-*/%");
        char what[128];
        snprintf(what, sizeof what, "%s %c %s", arith_rows[i].a, arith_rows[i].op, arith_rows[i].b);
        enum qr_status s = qr_type_arith(op, &a, &b, &t, &err);
        if (arith_rows[i].want != NULL) {
            if (s != QR_OK)
                fail_msg("%s: %s", what, err.text);
            assert_prints(&t, arith_rows[i].want, what);
        } else if (s == QR_OK || err.number != arith_rows[i].number) {
            fail_msg("%s: status %d number %d", what, s, err.number);
        }
    }
}

static void test_combination_follows_precedence(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *want;
        int number;
    } rows[] = {
        {"int", "bigint", "bigint", 0},
        {"int", "decimal(5,2)", "decimal(12,2)", 0},
        {"money", "decimal(5,2)", "decimal(19,4)", 0},
        {"decimal(38,0)", "decimal(10,10)", "decimal(38,0)", 0},
        {"decimal(5,2)", "float", "float", 0},
        {"varchar(5)", "nvarchar(3)", "nvarchar(5)", 0},
        {"char(5)", "char(9)", "char(9)", 0},
        {"char(5)", "varchar(9)", "varchar(9)", 0},
        {"nchar(5)", "varchar(9)", "nvarchar(9)", 0},
        {"varchar(8000)", "nvarchar(1)", "nvarchar(4000)", 0},
        {"varchar(max)", "nvarchar(1)", "nvarchar(max)", 0},
        {"varchar(5)", "int", "int", 0},
        {"varchar(5)", "datetime", "datetime", 0},
        {"date", "datetime", "datetime", 0},
        {"datetime", "datetime2(0)", "datetime2(3)", 0},
        {"time(2)", "time(5)", "time(5)", 0},
        {"date", "time", NULL, 206},
        {"date", "int", NULL, 206},
        {"datetime", "int", "datetime", 0},
        {"int", "uniqueidentifier", NULL, 206},
        {"uniqueidentifier", "varchar(36)", "uniqueidentifier", 0},
        {"sql_variant", "int", "sql_variant", 0},
        {"xml", "nvarchar(5)", "xml", 0},
        {"varbinary(4)", "varchar(2)", "varchar(4)", 0},
        {"varbinary(4)", "int", "int", 0},
        {"text", "varchar(2)", "text", 0},
        {"bit", "tinyint", "tinyint", 0},
        {"NULL", "date", "date", 0},
        {"NULL", "NULL", "int", 0},
        {"float", "datetime", "datetime", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type a = type_of(rows[i].a), b = type_of(rows[i].b);
        char what[128];
        snprintf(what, sizeof what, "%s with %s", rows[i].a, rows[i].b);
        for (int swap = 0; swap < 2; swap++) {
            struct qr_type t = {0};
            struct qr_err err = {0};
            enum qr_status s = qr_type_combine(swap ? &b : &a, swap ? &a : &b, &t, &err);
            if (rows[i].want != NULL) {
                if (s != QR_OK)
                    fail_msg("%s: %s", what, err.text);
                assert_prints(&t, rows[i].want, what);
            } else if (s == QR_OK || err.number != rows[i].number) {
                fail_msg("%s: status %d number %d", what, s, err.number);
            }
        }
    }
}

static void test_conversion_matrix_has_the_known_cells(void **state)
{
    (void)state;
    static const struct {
        enum qr_type_id from, to;
        enum qr_conversion want;
    } rows[] = {
        {QR_TYPE_INT, QR_TYPE_DATETIME, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_INT, QR_TYPE_DATE, QR_CONVERSION_NONE},
        {QR_TYPE_DATETIME, QR_TYPE_INT, QR_CONVERSION_EXPLICIT},
        {QR_TYPE_DATETIME, QR_TYPE_DATE, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_DATE, QR_TYPE_TIME, QR_CONVERSION_NONE},
        {QR_TYPE_VARCHAR, QR_TYPE_VARBINARY, QR_CONVERSION_EXPLICIT},
        {QR_TYPE_VARBINARY, QR_TYPE_VARCHAR, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_VARBINARY, QR_TYPE_FLOAT, QR_CONVERSION_NONE},
        {QR_TYPE_FLOAT, QR_TYPE_VARBINARY, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_SQL_VARIANT, QR_TYPE_INT, QR_CONVERSION_EXPLICIT},
        {QR_TYPE_INT, QR_TYPE_SQL_VARIANT, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_XML, QR_TYPE_VARCHAR, QR_CONVERSION_EXPLICIT},
        {QR_TYPE_VARCHAR, QR_TYPE_XML, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_UNIQUEIDENTIFIER, QR_TYPE_VARCHAR, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_UNIQUEIDENTIFIER, QR_TYPE_INT, QR_CONVERSION_NONE},
        {QR_TYPE_TEXT, QR_TYPE_VARCHAR, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_NTEXT, QR_TYPE_VARCHAR, QR_CONVERSION_EXPLICIT},
        {QR_TYPE_NVARCHAR, QR_TYPE_IMAGE, QR_CONVERSION_NONE},
        {QR_TYPE_ROWVERSION, QR_TYPE_BIGINT, QR_CONVERSION_IMPLICIT},
        {QR_TYPE_NULL, QR_TYPE_XML, QR_CONVERSION_IMPLICIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(qr_type_conversion(rows[i].from, rows[i].to), rows[i].want);
    struct qr_err err = {0};
    struct qr_type from = qr_type_of(QR_TYPE_DATETIME), to = qr_type_of(QR_TYPE_INT);
    assert_int_equal(qr_type_check_implicit(&from, &to, &err), QR_SQL);
    assert_string_equal(err.text, "Implicit conversion from data type datetime to int is not "
                                  "allowed. Use the CONVERT function to run this query.");
    to = qr_type_of(QR_TYPE_UNIQUEIDENTIFIER);
    assert_int_equal(qr_type_check_explicit(&from, &to, &err), QR_SQL);
    assert_int_equal(err.number, 529);
    /* Every type converts to itself, and precedences differ. */
    for (int a = QR_TYPE_BIT; a < QR_TYPE_COUNT; a++) {
        assert_int_equal(qr_type_conversion((enum qr_type_id)a, (enum qr_type_id)a),
                         QR_CONVERSION_IMPLICIT);
        for (int b = a + 1; b < QR_TYPE_COUNT; b++)
            assert_int_not_equal(qr_type_infos[a].precedence, qr_type_infos[b].precedence);
    }
}

static void test_literals_have_the_least_type(void **state)
{
    (void)state;
    static const struct {
        const char *digits, *want;
    } rows[] = {
        {"0", "int"},
        {"2147483647", "int"},
        {"2147483648", "numeric(10,0)"},
        {"00000000000001", "int"},
        {"1.50", "numeric(3,2)"},
        {"0.5", "numeric(1,1)"},
        {".25", "numeric(2,2)"},
        {"123.", "numeric(3,0)"},
        {"0.0", "numeric(1,1)"},
        {"99999999999999999999999999999999999999", "numeric(38,0)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t;
        assert_int_equal(qr_type_number_literal(qr_str(rows[i].digits), &t, NULL), QR_OK);
        assert_prints(&t, rows[i].want, rows[i].digits);
    }
    struct qr_type t;
    struct qr_err err = {0};
    assert_int_equal(
        qr_type_number_literal(qr_str("999999999999999999999999999999999999999"), &t, &err),
        QR_SQL);
    assert_int_equal(err.number, 1007);
    t = qr_type_string_literal(true, 4001);
    assert_prints(&t, "nvarchar(max)", "long literal");
    t = qr_type_string_literal(false, 0);
    assert_prints(&t, "varchar(1)", "empty literal");
}

static void test_catalog_numbers_match_sys_columns(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int length, precision, scale;
    } rows[] = {
        {"int", 4, 10, 0},
        {"nvarchar(10)", 20, 0, 0},
        {"varchar(max)", -1, 0, 0},
        {"decimal(9,2)", 5, 9, 2},
        {"decimal(38,4)", 17, 38, 4},
        {"datetime", 8, 23, 3},
        {"datetime2(7)", 8, 27, 7},
        {"datetime2(0)", 6, 19, 0},
        {"time(7)", 5, 16, 7},
        {"time(0)", 3, 8, 0},
        {"date", 3, 10, 0},
        {"datetimeoffset(7)", 10, 34, 7},
        {"float", 8, 53, 0},
        {"money", 8, 19, 4},
        {"ntext", 16, 0, 0},
        {"sql_variant", 8016, 0, 0},
        {"uniqueidentifier", 16, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t = type_of(rows[i].type);
        assert_int_equal(qr_type_max_length(&t), rows[i].length);
        assert_int_equal(qr_type_precision(&t), rows[i].precision);
        assert_int_equal(qr_type_scale(&t), rows[i].scale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_synonyms_find_their_type),
        cmocka_unit_test(test_wrong_arguments_have_their_numbers),
        cmocka_unit_test(test_arithmetic_types_follow_the_tables),
        cmocka_unit_test(test_combination_follows_precedence),
        cmocka_unit_test(test_conversion_matrix_has_the_known_cells),
        cmocka_unit_test(test_literals_have_the_least_type),
        cmocka_unit_test(test_catalog_numbers_match_sys_columns),
    };
    return cmocka_run_group_tests_name("codec/type", tests, NULL, NULL);
}
