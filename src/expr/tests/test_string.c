/* Goal: string functions answer as SQL Server's documentation says. */
#include "mini.h"
#include "qr_test.h"

static void test_lengths(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"LEN('abc  ')", "3", "int", 0},
        {"LEN('  abc')", "5", NULL, 0},
        {"LEN('')", "0", NULL, 0},
        {"LEN(NULL)", "NULL", NULL, 0},
        {"LEN(12345)", "5", NULL, 0},
        {"LEN(CAST('x' AS nvarchar(max)))", "1", "bigint", 0},
        {"LEN(0x010203)", "3", NULL, 0},
        {"DATALENGTH('abc  ')", "5", "int", 0},
        {"DATALENGTH(N'abc')", "6", NULL, 0},
        {"DATALENGTH(1)", "4", NULL, 0},
        {"DATALENGTH(CAST('a' AS char(10)))", "10", NULL, 0},
        {"LEN()", NULL, NULL, 174},
        {"SUBSTRING('a')", NULL, NULL, 189},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_pieces(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"SUBSTRING('abcdef', 2, 3)", "bcd", "varchar(3)", 0},
        {"SUBSTRING(N'abcdef', 0, 3)", "ab", "nvarchar(3)", 0},
        {"SUBSTRING('abcdef', -1, 3)", "a", NULL, 0},
        {"SUBSTRING('abcdef', 10, 3)", "", NULL, 0},
        {"SUBSTRING('abcdef', 5, 100)", "ef", NULL, 0},
        {"SUBSTRING('abc', 1, -1)", NULL, NULL, 537},
        {"SUBSTRING(0x01020304, 2, 2)", "0x0203", "varbinary(2)", 0},
        {"SUBSTRING(NULL, 1, 1)", NULL, NULL, 8116},
        {"SUBSTRING(12345, 1, 1)", NULL, NULL, 8116},
        {"LEFT(12345, 2)", "12", NULL, 0},
        {"LEFT('abcdef', 2)", "ab", "varchar(2)", 0},
        {"LEFT('ab', 5)", "ab", NULL, 0},
        {"LEFT('ab', -1)", NULL, NULL, 537},
        {"RIGHT('abcdef', 2)", "ef", NULL, 0},
        {"RIGHT('ab', 0)", "", NULL, 0},
        {"RIGHT('ab', -1)", NULL, NULL, 536},
        {"STUFF('abcdef', 2, 3, 'ijklmn')", "aijklmnef", NULL, 0},
        {"STUFF('abcdef', 0, 3, 'x')", "NULL", NULL, 0},
        {"STUFF('abcdef', 7, 1, 'x')", "NULL", NULL, 0},
        {"STUFF('abcdef', 6, 100, NULL)", "abcde", NULL, 0},
        {"STUFF('abc', 2, 0, 'X')", "aXbc", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_searches(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"CHARINDEX('bicycle', 'Reflectors are vital for your bicycle')", "31", "int", 0},
        {"CHARINDEX('B', 'abc')", "2", NULL, 0},
        {"CHARINDEX('B' COLLATE Latin1_General_BIN2, 'abc')", "0", NULL, 0},
        {"CHARINDEX('a', 'abca', 2)", "4", NULL, 0},
        {"CHARINDEX('', 'abc')", "0", NULL, 0},
        {"CHARINDEX('x', NULL)", "NULL", NULL, 0},
        {"PATINDEX('%ter%', 'interesting data')", "3", "int", 0},
        {"PATINDEX('%[^ 0-9A-z]%', 'Please ensure the door is locked!')", "33", NULL, 0},
        {"PATINDEX('abc', 'abc')", "1", NULL, 0},
        {"PATINDEX('%x%', 'abc')", "0", NULL, 0},
        {"REPLACE('abcdefghicde', 'cde', 'xxx')", "abxxxfghixxx", "varchar(8000)", 0},
        {"REPLACE('AbCabc', 'B', 'x')", "AxCaxc", NULL, 0},
        {"REPLACE('abc', '', 'x')", "abc", NULL, 0},
        {"REPLACE('abc', 'b', '')", "ac", NULL, 0},
        {"REPLACE('abc', NULL, 'x')", "NULL", NULL, 0},
        {"REPLACE(N'abc', 'b', 'xyz')", "axyzc", "nvarchar(4000)", 0},
        {"TRANSLATE('2*[3+4]/{7-2}', '[]{}', '()()')", "2*(3+4)/(7-2)", NULL, 0},
        {"TRANSLATE('abc', 'ab', 'x')", NULL, NULL, 9828},
        {"UNISTR(N'a\\00E4\\\\b')", "a\xC3\xA4\\b", "nvarchar(9)", 0},
        {"UNISTR(N'\\D83D\\DE00')", "\xF0\x9F\x98\x80", "nvarchar(10)", 0},
        {"UNISTR(N'#+01F600', '#')", "\xF0\x9F\x98\x80", NULL, 0},
        {"UNISTR(N'#0041\\0042', N'#')", "A\\0042", NULL, 0},
        {"UNISTR(CAST(NULL AS nvarchar(5)))", "NULL", NULL, 0},
        {"UNISTR('a')", NULL, NULL, 8116},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_making_and_trimming(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"UPPER('abcABC')", "ABCABC", "varchar(6)", 0},
        {"LOWER(N'ABC')", "abc", "nvarchar(3)", 0},
        {"LTRIM('  x ')", "x ", NULL, 0},
        {"RTRIM(' x  ')", " x", NULL, 0},
        {"TRIM('  x  ')", "x", NULL, 0},
        {"TRIM('#  test   .', '.,! #')", "test", NULL, 0},
        {"TRIM('xxabxx', 'x', 1)", "abxx", NULL, 0},
        {"TRIM('xxabxx', 'x', 2)", "xxab", NULL, 0},
        {"LTRIM('123abc.', '123abc')", ".", NULL, 0},
        {"REVERSE('abc')", "cba", NULL, 0},
        {"REPLICATE('0', 4)", "0000", "varchar(4)", 0},
        {"REPLICATE('ab', -1)", "NULL", NULL, 0},
        {"DATALENGTH(REPLICATE('ab', 5000))", "8000", NULL, 0},
        {"DATALENGTH(REPLICATE(CAST('ab' AS varchar(max)), 5000))", "10000", NULL, 0},
        {"'[' + SPACE(3) + ']'", "[   ]", NULL, 0},
        {"CONCAT('a', NULL, 1, N'b')", "a1b", NULL, 0},
        {"CONCAT('Happy ', 'Birthday ', 11, '/', '25')", "Happy Birthday 11/25", NULL, 0},
        {"CONCAT('a')", NULL, NULL, 189},
        {"CONCAT_WS(',', 'a', NULL, '', 'b')", "a,,b", NULL, 0},
        {"CONCAT_WS(NULL, 'a', 'b')", "ab", NULL, 0},
        {"STR(123.45, 6, 1)", " 123.5", "varchar(6)", 0},
        {"STR(123.45, 2, 2)", "**", NULL, 0},
        {"STR(FLOOR(123.45), 8, 3)", " 123.000", NULL, 0},
        {"STR(1.5)", "         2", NULL, 0},
        {"STR(-1.5, 5, 1)", " -1.5", NULL, 0},
        {"ASCII('A')", "65", "int", 0},
        {"ASCII('')", "NULL", NULL, 0},
        {"CHAR(65)", "A", "char(1)", 0},
        {"CHAR(256)", "NULL", NULL, 0},
        {"NCHAR(248)", "\xC3\xB8", "nchar(1)", 0},
        {"UNICODE(N'\xC3\x85kergatan 24')", "197", NULL, 0},
        {"QUOTENAME('abc[]def')", "[abc[]]def]", "nvarchar(258)", 0},
        {"QUOTENAME('a\"b', '\"')", "\"a\"\"b\"", NULL, 0},
        {"QUOTENAME('abc', 'x')", "NULL", NULL, 0},
        {"PARSENAME('srv.db.dbo.t', 1)", "t", NULL, 0},
        {"PARSENAME('srv.db.dbo.t', 4)", "srv", NULL, 0},
        {"PARSENAME('[a.b].[c]]d]', 1)", "c]d", NULL, 0},
        {"PARSENAME('a.b', 3)", "NULL", NULL, 0},
        {"PARSENAME('a..c', 2)", "NULL", NULL, 0},
        {"PARSENAME('a.b[c]', 1)", "NULL", NULL, 0},
        {"STRING_ESCAPE('a\"b/c', 'json')", "a\\\"b\\/c", "nvarchar(max)", 0},
        {"SOUNDEX('Smith')", "S530", NULL, 0},
        {"SOUNDEX('Smythe')", "S530", NULL, 0},
        {"DIFFERENCE('Green', 'Greene')", "4", NULL, 0},
        {"DIFFERENCE('Blotchet-Halls', 'Greene')", "0", NULL, 0},
        {"FORMATMESSAGE('Hello %s, %d of %5d', 'you', 3, 42)", "Hello you, 3 of    42", NULL, 0},
        {"FORMATMESSAGE('%i, %03d, %x, %X, %o, 100%%', 7, 7, 255, 255, 8)",
         "7, 007, ff, FF, 10, 100%", NULL, 0},
        {"FORMATMESSAGE('%-5s|', 'ab')", "ab   |", NULL, 0},
        {"FORMATMESSAGE('%s')", "(null)", NULL, 0},
        {"FORMATMESSAGE('%d', 'x')", NULL, NULL, 2786},
        {"FORMATMESSAGE('%q', 1)", NULL, NULL, 2787},
        {"NOSUCH(1)", NULL, NULL, 195},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_concatenation(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"'a' + 'b' + 'c'", "abc", "varchar(3)", 0},
        {"'a' + N'b'", "ab", "nvarchar(2)", 0},
        {"'a' + NULL", "NULL", NULL, 0},
        {"CAST('a' AS char(3)) + 'b'", "a  b", "varchar(4)", 0},
        {"'1' + 2", "3", "int", 0},
        {"'x' + 2", NULL, NULL, 245},
        {"0x01 + 0x02", "0x0102", "varbinary(2)", 0},
        {"DATALENGTH(REPLICATE('a', 5000) + REPLICATE('b', 5000))", "8000", NULL, 0},
        {"DATALENGTH(CAST('' AS varchar(max)) + REPLICATE('a', 5000) + REPLICATE('b', 5000))",
         "10000", NULL, 0},
        {"'a' - 'b'", NULL, NULL, 8117},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_like(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"IIF('abc' LIKE 'A%', 1, 0)", "1", "int", 0},
        {"IIF('abc' LIKE '_b[a-d]', 1, 0)", "1", NULL, 0},
        {"IIF('50%' LIKE '50!%' ESCAPE '!', 1, 0)", "1", NULL, 0},
        {"IIF('abc' NOT LIKE 'x%', 1, 0)", "1", NULL, 0},
        {"IIF(NULL LIKE 'x%', 1, 0)", "0", NULL, 0},
        {"IIF(NOT (NULL LIKE 'x%'), 1, 0)", "0", NULL, 0},
        {"IIF('a' LIKE 'a' ESCAPE 'xy', 1, 0)", NULL, NULL, 506},
        {"IIF(123 LIKE '1%', 1, 0)", "1", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),       cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_searches),      cmocka_unit_test(test_making_and_trimming),
        cmocka_unit_test(test_concatenation), cmocka_unit_test(test_like),
    };
    return cmocka_run_group_tests_name("expr/string", tests, NULL, NULL);
}
