/* Goal: date functions answer as SQL Server's documentation says. The clock stands at
 * 2022-03-04 05:06:07.1234567 UTC, a Friday. */
#include "mini.h"
#include "qr_test.h"

static void test_clock(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"CONVERT(varchar(30), GETDATE(), 121)", "2022-03-04 05:06:07.123", NULL, 0},
        {"CONVERT(varchar(30), CURRENT_TIMESTAMP, 121)", "2022-03-04 05:06:07.123", NULL, 0},
        {"SYSDATETIME()", "2022-03-04 05:06:07.1234567", "datetime2(7)", 0},
        {"SYSDATETIMEOFFSET()", "2022-03-04 05:06:07.1234567 +00:00", "datetimeoffset(7)", 0},
        {"GETDATE(1)", NULL, NULL, 174},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_arithmetic(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"CONVERT(varchar(30), DATEADD(month, 1, '20060830'), 121)", "2006-09-30 00:00:00.000",
         NULL, 0},
        {"CONVERT(varchar(30), DATEADD(month, 1, '2006-08-31'), 121)", "2006-09-30 00:00:00.000",
         NULL, 0},
        {"DATEADD(day, 1, CAST('2020-02-28' AS date))", "2020-02-29", "date", 0},
        {"DATEADD(hour, 1, CAST('2020-02-28' AS date))", NULL, NULL, 9810},
        {"DATEADD(year, 8000, CAST('2020-02-28' AS date))", NULL, NULL, 517},
        {"DATEADD(nosuch, 1, GETDATE())", NULL, NULL, 155},
        {"DATEDIFF(day, '2005-12-31 23:59:59', '2006-01-01 00:00:00')", "1", "int", 0},
        {"DATEDIFF(year, '2005-12-31 23:59:59.9999999', '2006-01-01 00:00:00.0000000')", "1", NULL,
         0},
        {"DATEDIFF(week, '2022-03-05', '2022-03-06')", "1", NULL, 0},
        {"DATEDIFF(second, '1900-01-01', '2100-01-01')", NULL, NULL, 535},
        {"DATEDIFF_BIG(second, '1900-01-01', '2100-01-01')", "6311433600", "bigint", 0},
        {"DATEDIFF(day, NULL, GETDATE())", "NULL", NULL, 0},
        {"CONVERT(varchar(30), CAST('2020-01-01' AS datetime) + 1.5, 120)", "2020-01-02 12:00:00",
         NULL, 0},
        {"CONVERT(varchar(30), CAST('2020-01-01' AS datetime) - 1, 120)", "2019-12-31 00:00:00",
         NULL, 0},
        {"CAST('2020-01-01' AS date) + 1", NULL, NULL, 206},
        {"EOMONTH(CAST('2020-02-10' AS date))", "2020-02-29", "date", 0},
        {"EOMONTH(CAST('2020-02-10' AS date), -1)", "2020-01-31", NULL, 0},
        {"DATETRUNC(month, CAST('2021-12-08 11:30:15' AS datetime2(0)))", "2021-12-01 00:00:00",
         NULL, 0},
        {"DATE_BUCKET(week, 4, CAST('2020-06-15 21:22:11' AS datetime2(0)))", "2020-06-08 00:00:00",
         NULL, 0},
        {"DATE_BUCKET(month, 1, CAST('2020-06-15 21:22:11' AS datetime2(0)))",
         "2020-06-01 00:00:00", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_parts(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"DATEPART(year, '2007-05-10')", "2007", "int", 0},
        {"DATEPART(weekday, GETDATE())", "6", NULL, 0},
        {"DATEPART(tz, '2007-05-10 00:00:01.1234567 +05:10')", "310", NULL, 0},
        {"DATEPART(dy, '2022-03-04')", "63", NULL, 0},
        {"DATEPART(iso_week, '2021-01-03')", "53", NULL, 0},
        {"DATEPART(ns, CAST('00:00:01.1234567' AS time))", "123456700", NULL, 0},
        {"DATEPART(hour, CAST('2020-01-01' AS date))", NULL, NULL, 9810},
        {"DATENAME(month, '2022-03-04')", "March", "nvarchar(30)", 0},
        {"DATENAME(dw, '2022-03-04')", "Friday", NULL, 0},
        {"DATENAME(day, '2022-03-04')", "4", NULL, 0},
        {"DAY('2015-04-30')", "30", NULL, 0},
        {"MONTH(0)", "1", NULL, 0},
        {"YEAR(0)", "1900", NULL, 0},
        {"ISDATE('2009-05-12 10:19:41.177')", "1", NULL, 0},
        {"ISDATE('2009-13-12')", "0", NULL, 0},
        {"ISDATE(NULL)", "0", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_from_parts(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"DATEFROMPARTS(2010, 12, 31)", "2010-12-31", "date", 0},
        {"DATEFROMPARTS(2010, 2, 30)", NULL, NULL, 289},
        {"DATEFROMPARTS(2010, NULL, 30)", "NULL", NULL, 0},
        {"CONVERT(varchar(30), DATETIMEFROMPARTS(2010, 12, 31, 23, 59, 59, 0), 121)",
         "2010-12-31 23:59:59.000", NULL, 0},
        {"DATETIME2FROMPARTS(2011, 8, 15, 14, 23, 44, 5, 1)", "2011-08-15 14:23:44.5",
         "datetime2(1)", 0},
        {"DATETIME2FROMPARTS(2011, 8, 15, 14, 23, 44, 500, 3)", "2011-08-15 14:23:44.500", NULL, 0},
        {"TIMEFROMPARTS(14, 23, 44, 50, 2)", "14:23:44.50", "time(2)", 0},
        {"TIMEFROMPARTS(24, 0, 0, 0, 0)", NULL, NULL, 289},
        {"TIMEFROMPARTS(1, 0, 0, 0, NULL)", NULL, NULL, 10760},
        {"DATETIMEOFFSETFROMPARTS(2010, 12, 31, 14, 23, 23, 0, 12, 0, 7)",
         "2010-12-31 14:23:23.0000000 +12:00", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_zones(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"SWITCHOFFSET(CAST('2020-01-01 12:00 +00:00' AS datetimeoffset(0)), '-08:00')",
         "2020-01-01 04:00:00 -08:00", "datetimeoffset(0)", 0},
        {"TODATETIMEOFFSET(CAST('2020-01-01 12:00' AS datetime2(0)), 120)",
         "2020-01-01 12:00:00 +02:00", NULL, 0},
        {"TODATETIMEOFFSET(CAST('2020-01-01' AS datetime2(0)), '+15:00')", NULL, NULL, 9812},
        {"CAST('2020-07-01 12:00' AS datetime2(0)) AT TIME ZONE 'UTC'",
         "2020-07-01 12:00:00 +00:00", "datetimeoffset(0)", 0},
        {"CAST('2020-07-01 12:00' AS datetime2(0)) AT TIME ZONE 'Pacific Standard Time'",
         "2020-07-01 12:00:00 -07:00", NULL, 0},
        {"CAST('2020-07-01 12:00 +00:00' AS datetimeoffset(0)) AT TIME ZONE "
         "'Central European Standard Time'",
         "2020-07-01 14:00:00 +02:00", NULL, 0},
        {"GETDATE() AT TIME ZONE 'No Such Time'", NULL, NULL, 9820},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_format(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"FORMAT(CAST('2011-10-01' AS date), 'd')", "10/1/2011", "nvarchar(4000)", 0},
        {"FORMAT(CAST('2011-10-01' AS date), 'd', 'en-gb')", "01/10/2011", NULL, 0},
        {"FORMAT(CAST('2011-10-01' AS date), 'd', 'de-de')", "01.10.2011", NULL, 0},
        {"FORMAT(CAST('2011-10-01' AS date), 'D')", "Saturday, October 1, 2011", NULL, 0},
        {"FORMAT(CAST('2018-01-01 01:00' AS datetime2), 'yyyy-MM-dd hh:mm tt')",
         "2018-01-01 01:00 AM", NULL, 0},
        {"FORMAT(CAST('2018-01-01 14:05:06.789' AS datetime2(3)), 'HH:mm:ss.fff')", "14:05:06.789",
         NULL, 0},
        {"FORMAT(CAST('2018-01-01 14:05' AS datetime), 'dddd, dd MMMM yyyy')",
         "Monday, 01 January 2018", NULL, 0},
        {"FORMAT(CAST('07:35' AS time), 'hh\\:mm')", "07:35", NULL, 0},
        {"FORMAT(CAST('07:35' AS time), 'hh:mm')", "NULL", NULL, 0},
        {"FORMAT(1, 'N')", "1.00", NULL, 0},
        {"FORMAT(1234567.891, 'N')", "1,234,567.89", NULL, 0},
        {"FORMAT(1234567.891, 'N0')", "1,234,568", NULL, 0},
        {"FORMAT(1, 'C')", "$1.00", NULL, 0},
        {"FORMAT(-1234.5, 'C')", "($1,234.50)", NULL, 0},
        {"FORMAT(1234.5, 'C', 'de-de')", "1.234,50 \xE2\x82\xAC", NULL, 0},
        {"FORMAT(0.1234, 'P')", "12.34%", NULL, 0},
        {"FORMAT(123456789, '###-##-####')", "123-45-6789", NULL, 0},
        {"FORMAT(5, '000')", "005", NULL, 0},
        {"FORMAT(1234.5, '#,##0.00')", "1,234.50", NULL, 0},
        {"FORMAT(0.5, '#.##')", ".5", NULL, 0},
        {"FORMAT(-5, '0;(0);zero')", "(5)", NULL, 0},
        {"FORMAT(0, '0;(0);zero')", "zero", NULL, 0},
        {"FORMAT(255, 'X')", "FF", NULL, 0},
        {"FORMAT(42, 'D5')", "00042", NULL, 0},
        {"FORMAT(1234.5, 'E2')", "1.23E+003", NULL, 0},
        {"FORMAT(1234.567e0, 'F1')", "1234.6", NULL, 0},
        {"FORMAT(1.5, 'G')", "1.5", NULL, 0},
        {"FORMAT(1, 'x', 'no-NO')", NULL, NULL, 9818},
        {"FORMAT('a', 'x')", NULL, NULL, 8116},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock), cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_parts), cmocka_unit_test(test_from_parts),
        cmocka_unit_test(test_zones), cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests_name("expr/date", tests, NULL, NULL);
}
