/* Goal: dates and times parse, print and compute as SQL Server documents, with its range errors. */
#include "codec_test.h"
#include "codec/datetime.h"

enum { SYNTAX = QR_DT_SYNTAX, RANGE = QR_DT_RANGE };

static const char *print(const struct qr_type *t, const struct qr_value *v, int style)
{
    static char text[QR_DT_TEXT_BYTES + 1];
    text[qr_datetime_print(t, v, style, text)] = 0;
    return text;
}

static struct qr_value parse(const struct qr_type *t, const char *text)
{
    struct qr_value v;
    if (qr_datetime_parse(qr_str(text), t, QR_MDY, -1, &v) != QR_DT_OK)
        fail_msg("cannot parse %s", text);
    return v;
}

static void test_calendar_agrees_with_itself_over_all_days(void **state)
{
    (void)state;
    int y = 1, m = 1, d = 1;
    for (int32_t days = 0; days <= QR_DAYS_MAX; days++) {
        int y2, m2, d2;
        qr_ymd_from_days(days, &y2, &m2, &d2);
        if (y != y2 || m != m2 || d != d2 || qr_days_from_ymd(y, m, d) != days)
            fail_msg("day %d: %d-%d-%d", days, y2, m2, d2);
        if (++d > qr_month_days(y, m)) {
            d = 1;
            if (++m > 12) {
                m = 1;
                y++;
            }
        }
    }
    assert_int_equal(y, 10000);
    assert_int_equal(qr_days_from_ymd(1900, 1, 1), QR_DAYS_1900);
    assert_int_equal(qr_days_from_ymd(1753, 1, 1), QR_DAYS_1753);
    assert_false(qr_date_valid(2100, 2, 29));
    assert_true(qr_date_valid(2000, 2, 29));
    assert_false(qr_date_valid(10000, 1, 1));
}

struct parse_row {
    const char *type, *text;
    enum qr_dateformat format;
    int style;
    const char *want; /* style 121 text; NULL: error */
    int error;
};

static void check_parse(const struct parse_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct parse_row *r = &rows[i];
        struct qr_type t = type_named(r->type);
        struct qr_value v;
        enum qr_dt dt = qr_datetime_parse(qr_str(r->text), &t, r->format, r->style, &v);
        if (r->want == NULL) {
            if ((int)dt != r->error)
                fail_msg("%s '%s': got %d (%s), want error %d", r->type, r->text, dt,
                         dt == QR_DT_OK ? print(&t, &v, 121) : "", r->error);
        } else if (dt != QR_DT_OK || strcmp(print(&t, &v, 121), r->want) != 0) {
            fail_msg("%s '%s' style %d: got %d %s, want %s", r->type, r->text, r->style, dt,
                     dt == QR_DT_OK ? print(&t, &v, 121) : "", r->want);
        }
    }
}

static const struct parse_row datetime_rows[] = {
    {"datetime", "2020-01-02", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "2020-01-02 03:04:05.678", QR_MDY, -1, "2020-01-02 03:04:05.677", 0},
    {"datetime", "2020-01-02 23:59:59.998", QR_MDY, -1, "2020-01-02 23:59:59.997", 0},
    {"datetime", "2020-01-02 23:59:59.999", QR_MDY, -1, "2020-01-03 00:00:00.000", 0},
    {"datetime", "2020-01-02 00:00:00.001", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "2020-01-02 00:00:00.002", QR_MDY, -1, "2020-01-02 00:00:00.003", 0},
    {"datetime", "2020-01-02 00:00:00.005", QR_MDY, -1, "2020-01-02 00:00:00.007", 0},
    {"datetime", "2020-01-02T03:04:05", QR_MDY, -1, "2020-01-02 03:04:05.000", 0},
    {"datetime", "2020-01-02T03:04:05.123", QR_DMY, -1, "2020-01-02 03:04:05.123", 0},
    {"datetime", "2020-01-02T03:04:05Z", QR_MDY, -1, "2020-01-02 03:04:05.000", 0},
    {"datetime", "2020-01-02T03:04:05+01:00", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "2020-02-01", QR_DMY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "20200102", QR_DMY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "20200102 10:20", QR_DMY, -1, "2020-01-02 10:20:00.000", 0},
    {"datetime", "200102", QR_DMY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "500102", QR_DMY, -1, "1950-01-02 00:00:00.000", 0},
    {"datetime", "490102", QR_DMY, -1, "2049-01-02 00:00:00.000", 0},
    {"datetime", "1/2/2020", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "1/2/2020", QR_DMY, -1, "2020-02-01 00:00:00.000", 0},
    {"datetime", "1-2-20", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "1.2.20", QR_YMD, -1, "2001-02-20 00:00:00.000", 0},
    {"datetime", "01/2020/02", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "31/12/2020", QR_MDY, -1, NULL, RANGE},
    {"datetime", "Jan 2 2020", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "January 2, 2020", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "2 jan 2020", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "2 jan 20", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "2-Jan-2020", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "2020 Jan 2", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "Jan 2020", QR_MDY, -1, "2020-01-01 00:00:00.000", 0},
    {"datetime", "2020 jan", QR_MDY, -1, "2020-01-01 00:00:00.000", 0},
    {"datetime", "Jan  2 2020  3:04AM", QR_MDY, -1, "2020-01-02 03:04:00.000", 0},
    {"datetime", "Jan  2 2020  3:04:05:006PM", QR_MDY, -1, "2020-01-02 15:04:05.007", 0},
    {"datetime", "2020", QR_MDY, -1, "2020-01-01 00:00:00.000", 0},
    {"datetime", "10:20", QR_MDY, -1, "1900-01-01 10:20:00.000", 0},
    {"datetime", "4PM", QR_MDY, -1, "1900-01-01 16:00:00.000", 0},
    {"datetime", "4 am", QR_MDY, -1, "1900-01-01 04:00:00.000", 0},
    {"datetime", "12:30 AM", QR_MDY, -1, "1900-01-01 00:30:00.000", 0},
    {"datetime", "12:30 PM", QR_MDY, -1, "1900-01-01 12:30:00.000", 0},
    {"datetime", "10:20:30.5 2020-01-02", QR_MDY, -1, "2020-01-02 10:20:30.500", 0},
    {"datetime", "10:20:30:5", QR_MDY, -1, "1900-01-01 10:20:30.007", 0},
    {"datetime", "", QR_MDY, -1, "1900-01-01 00:00:00.000", 0},
    {"datetime", "   ", QR_MDY, -1, "1900-01-01 00:00:00.000", 0},
    {"datetime", "{ts '2020-01-02 03:04:05'}", QR_MDY, -1, "2020-01-02 03:04:05.000", 0},
    {"datetime", "{d '2020-01-02'}", QR_MDY, -1, "2020-01-02 00:00:00.000", 0},
    {"datetime", "{x '2020-01-02'}", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "2020-01-02 25:00", QR_MDY, -1, NULL, RANGE},
    {"datetime", "2020-01-02 10:60", QR_MDY, -1, NULL, RANGE},
    {"datetime", "2020-02-30", QR_MDY, -1, NULL, RANGE},
    {"datetime", "2020-00-10", QR_MDY, -1, NULL, RANGE},
    {"datetime", "1752-12-31", QR_MDY, -1, NULL, RANGE},
    {"datetime", "9999-12-31 23:59:59.997", QR_MDY, -1, "9999-12-31 23:59:59.997", 0},
    {"datetime", "9999-12-31 23:59:59.999", QR_MDY, -1, NULL, RANGE},
    {"datetime", "2020-01-02 03:04:05.6789", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "abc", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "1", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "1/2", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "2020-01-02-03", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "Mon Jan 2 2020", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "10:20:", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "10:20:30.", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "31/12/2020", QR_MDY, 103, "2020-12-31 00:00:00.000", 0},
    {"datetime", "31.12.20", QR_MDY, 4, "2020-12-31 00:00:00.000", 0},
    {"datetime", "12-31-2020", QR_DMY, 110, "2020-12-31 00:00:00.000", 0},
    {"datetime", "2020.12.31", QR_DMY, 102, "2020-12-31 00:00:00.000", 0},
    {"datetime", "2020-12-31 10:20:30", QR_DMY, 120, "2020-12-31 10:20:30.000", 0},
    {"smalldatetime", "2020-01-02 10:20:29.998", QR_MDY, -1, "2020-01-02 10:20:00.000", 0},
    {"smalldatetime", "2020-01-02 10:20:29.999", QR_MDY, -1, "2020-01-02 10:21:00.000", 0},
    {"smalldatetime", "2079-06-06 23:59", QR_MDY, -1, "2079-06-06 23:59:00.000", 0},
    {"smalldatetime", "2079-06-06 23:59:30", QR_MDY, -1, NULL, RANGE},
    {"smalldatetime", "1899-12-31", QR_MDY, -1, NULL, RANGE},
    {"smalldatetime", "1899-12-31 23:59:29.999", QR_MDY, -1, "1900-01-01 00:00:00.000", 0},
    {"datetime", "2000-04-22Z", QR_MDY, -1, "2000-04-22 00:00:00.000", 0},
    {"datetime", "2000-04-22+05:12", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "2011-08-15 14:30.00", QR_MDY, -1, "2011-08-15 14:30:00.000", 0},
    {"datetime", "3Apr24", QR_MDY, -1, "2024-04-03 00:00:00.000", 0},
    {"datetime", "Apr 16,4", QR_MDY, -1, "2004-04-16 00:00:00.000", 0},
    {"datetime", "Apr 2024 22", QR_MDY, -1, "2024-04-22 00:00:00.000", 0},
    {"datetime", "12 24 Apr", QR_MDY, -1, "2024-04-12 00:00:00.000", 0},
    {"datetime", "2024 9 Apr", QR_MDY, -1, "2024-04-09 00:00:00.000", 0},
    {"datetime", "April 16", QR_MDY, -1, NULL, SYNTAX},
    {"datetime", "3     /        12 /           2024", QR_MDY, -1, "2024-03-12 00:00:00.000", 0},
    {"datetime", "11111", QR_MDY, -1, NULL, SYNTAX},
};

static void test_datetime_text_parses(void **state)
{
    (void)state;
    check_parse(datetime_rows, sizeof datetime_rows / sizeof datetime_rows[0]);
}

static void test_newer_types_parse(void **state)
{
    (void)state;
    static const struct parse_row rows[] = {
        {"date", "2020-01-02", QR_DMY, -1, "2020-01-02", 0},
        {"date", "2020/01/02", QR_DMY, -1, "2020-01-02", 0},
        {"date", "0001-01-01", QR_MDY, -1, "0001-01-01", 0},
        {"date", "9999-12-31", QR_MDY, -1, "9999-12-31", 0},
        {"date", "2020-01-02 10:20:30.1234567 +01:00", QR_MDY, -1, "2020-01-02", 0},
        {"date", "1/2/2020", QR_DMY, -1, "2020-02-01", 0},
        {"date", "2020-02-30", QR_MDY, -1, NULL, SYNTAX},
        {"date", "", QR_MDY, -1, "1900-01-01", 0},
        {"time(7)", "10:20:30.1234567", QR_MDY, -1, "10:20:30.1234567", 0},
        {"time(3)", "10:20:30.1239", QR_MDY, -1, "10:20:30.124", 0},
        {"time(0)", "23:59:59.9", QR_MDY, -1, "00:00:00", 0},
        {"time(7)", "2007-05-08 12:35:29.1234567 +12:15", QR_MDY, -1, "12:35:29.1234567", 0},
        {"time(7)", "24:00", QR_MDY, -1, NULL, SYNTAX},
        {"time(2)", "3:04 pm", QR_MDY, -1, "15:04:00.00", 0},
        {"datetime2(7)", "2007-05-08 12:35:29.1234567 +12:15", QR_MDY, -1,
         "2007-05-08 12:35:29.1234567", 0},
        {"datetime2(7)", "2007-05-08T12:35:29.1234567Z", QR_MDY, -1, "2007-05-08 12:35:29.1234567",
         0},
        {"datetime2(7)", "2007-05-08T12:35", QR_MDY, -1, "2007-05-08 12:35:00.0000000", 0},
        {"datetime2(0)", "9999-12-31 23:59:59.9", QR_MDY, -1, "9999-12-31 23:59:59", 0},
        {"datetime2(7)", "2007-05-08 12:35:29.12345678", QR_MDY, -1, NULL, SYNTAX},
        {"datetimeoffset(7)", "2007-05-08 12:35:29. 1234567 +12:15", QR_MDY, -1,
         "2007-05-08 12:35:29.1234567 +12:15", 0},
        {"datetimeoffset(0)", "2007-05-08 12:35:29-08:00", QR_MDY, -1, "2007-05-08 12:35:29 -08:00",
         0},
        {"datetimeoffset(0)", "2007-05-08", QR_MDY, -1, "2007-05-08 00:00:00 +00:00", 0},
        {"datetimeoffset(0)", "2007-05-08 12:00 +14:00", QR_MDY, -1, "2007-05-08 12:00:00 +14:00",
         0},
        {"datetimeoffset(0)", "2007-05-08 12:00 +14:01", QR_MDY, -1, NULL, SYNTAX},
        {"datetimeoffset(0)", "0001-01-01 00:00 +01:00", QR_MDY, -1, NULL, SYNTAX},
        {"datetimeoffset(0)", "1912-10-25 12:24:32 +10:0", QR_MDY, -1, "1912-10-25 12:24:32 +10:00",
         0},
        {"datetimeoffset(0)", "2007-05-08 12:00 +1:", QR_MDY, -1, NULL, SYNTAX},
    };
    check_parse(rows, sizeof rows / sizeof rows[0]);
}

static const struct {
    const char *type, *value;
    int style;
    const char *want;
} style_rows[] = {
    {"datetime", "2020-01-02 03:04:05.007", -1, "Jan  2 2020  3:04AM"},
    {"datetime", "2020-01-02 03:04:05.007", 0, "Jan  2 2020  3:04AM"},
    {"datetime", "2020-11-12 13:04:05.007", 100, "Nov 12 2020  1:04PM"},
    {"datetime", "2020-11-12 10:04:05.007", 100, "Nov 12 2020 10:04AM"},
    {"datetime", "2020-01-02 03:04:05.007", 1, "01/02/20"},
    {"datetime", "2020-01-02 03:04:05.007", 101, "01/02/2020"},
    {"datetime", "2020-01-02 03:04:05.007", 2, "20.01.02"},
    {"datetime", "2020-01-02 03:04:05.007", 102, "2020.01.02"},
    {"datetime", "2020-01-02 03:04:05.007", 3, "02/01/20"},
    {"datetime", "2020-01-02 03:04:05.007", 103, "02/01/2020"},
    {"datetime", "2020-01-02 03:04:05.007", 104, "02.01.2020"},
    {"datetime", "2020-01-02 03:04:05.007", 105, "02-01-2020"},
    {"datetime", "2020-01-02 03:04:05.007", 6, "02 Jan 20"},
    {"datetime", "2020-01-02 03:04:05.007", 106, "02 Jan 2020"},
    {"datetime", "2020-01-02 03:04:05.007", 7, "Jan 02, 20"},
    {"datetime", "2020-01-02 03:04:05.007", 107, "Jan 02, 2020"},
    {"datetime", "2020-01-02 03:04:05.007", 8, "03:04:05"},
    {"datetime", "2020-01-02 03:04:05.007", 24, "03:04:05"},
    {"datetime", "2020-01-02 03:04:05.007", 108, "03:04:05"},
    {"datetime", "2020-01-02 03:04:05.007", 109, "Jan  2 2020  3:04:05:007AM"},
    {"datetime", "2020-01-02 03:04:05.007", 10, "01-02-20"},
    {"datetime", "2020-01-02 03:04:05.007", 110, "01-02-2020"},
    {"datetime", "2020-01-02 03:04:05.007", 111, "2020/01/02"},
    {"datetime", "2020-01-02 03:04:05.007", 12, "200102"},
    {"datetime", "2020-01-02 03:04:05.007", 112, "20200102"},
    {"datetime", "2020-01-02 03:04:05.007", 113, "02 Jan 2020 03:04:05:007"},
    {"datetime", "2020-01-02 03:04:05.007", 114, "03:04:05:007"},
    {"datetime", "2020-01-02 03:04:05.007", 20, "2020-01-02 03:04:05"},
    {"datetime", "2020-01-02 03:04:05.007", 120, "2020-01-02 03:04:05"},
    {"datetime", "2020-01-02 03:04:05.007", 21, "2020-01-02 03:04:05.007"},
    {"datetime", "2020-01-02 03:04:05.007", 25, "2020-01-02 03:04:05.007"},
    {"datetime", "2020-01-02 03:04:05.007", 22, "01/02/20  3:04:05 AM"},
    {"datetime", "2020-01-02 03:04:05.007", 23, "2020-01-02"},
    {"datetime", "2020-01-02 03:04:05.007", 126, "2020-01-02T03:04:05.007"},
    {"datetime", "2020-01-02 03:04:05", 126, "2020-01-02T03:04:05"},
    {"datetime", "2020-01-02 03:04:05.007", 127, "2020-01-02T03:04:05.007"},
    {"datetime", "2019-08-29 13:39:17.090", 131, "28/12/1440  1:39:17:090PM"},
    {"datetime2(0)", "0622-07-18", 131, " 1/01/0001 12:00:00AM"},
    {"datetime2(0)", "0622-07-17", 131, ""},
    {"datetime", "2020-01-02 03:04:05.007", 999, ""},
    {"smalldatetime", "2020-01-02 03:04", 121, "2020-01-02 03:04:00.000"},
    {"date", "2020-01-02", -1, "2020-01-02"},
    {"date", "2020-01-02", 0, "Jan  2 2020"},
    {"date", "2020-01-02", 101, "01/02/2020"},
    {"date", "2020-01-02", 121, "2020-01-02"},
    {"date", "2020-01-02", 126, "2020-01-02"},
    {"date", "2020-01-02", 108, ""},
    {"time(7)", "03:04:05.1234567", -1, "03:04:05.1234567"},
    {"time(0)", "03:04:05", -1, "03:04:05"},
    {"time(7)", "15:04:05.1234567", 100, "3:04PM"},
    {"time(3)", "03:04:05.123", 108, "03:04:05"},
    {"time(3)", "03:04:05.123", 114, "03:04:05.123"},
    {"time(3)", "03:04:05.123", 101, ""},
    {"datetime2(7)", "2020-01-02 03:04:05.1234567", -1, "2020-01-02 03:04:05.1234567"},
    {"datetime2(0)", "2020-01-02 03:04:05", -1, "2020-01-02 03:04:05"},
    {"datetime2(3)", "2020-01-02 03:04:05.123", 0, "Jan  2 2020  3:04AM"},
    {"datetime2(7)", "2020-01-02 03:04:05.1234567", 126, "2020-01-02T03:04:05.1234567"},
    {"datetime2(7)", "2020-01-02 03:04:05.1234567", 113, "02 Jan 2020 03:04:05.1234567"},
    {"datetimeoffset(3)", "2020-01-02 03:04:05.123 +01:30", -1, "2020-01-02 03:04:05.123 +01:30"},
    {"datetimeoffset(3)", "2020-01-02 03:04:05.123 -08:00", 126, "2020-01-02T03:04:05.123-08:00"},
    {"datetimeoffset(3)", "2020-01-02 03:04:05.123 +01:30", 127, "2020-01-02T01:34:05.123Z"},
    {"datetimeoffset(3)", "2020-01-02 03:04:05.123 +01:30", 101, "01/02/2020"},
};

static void test_every_style_prints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof style_rows / sizeof style_rows[0]; i++) {
        struct qr_type t = type_named(style_rows[i].type);
        struct qr_value v = parse(&t, style_rows[i].value);
        if (strcmp(print(&t, &v, style_rows[i].style), style_rows[i].want) != 0)
            fail_msg("%s %s style %d: got '%s', want '%s'", style_rows[i].type, style_rows[i].value,
                     style_rows[i].style, print(&t, &v, style_rows[i].style), style_rows[i].want);
    }
}

static void test_date_parts(void **state)
{
    (void)state;
    static const struct {
        const char *type, *value, *part;
        int datefirst, want;
    } rows[] = {
        {"datetime", "2020-11-12 13:14:15.167", "year", 7, 2020},
        {"datetime", "2020-11-12 13:14:15.167", "qq", 7, 4},
        {"datetime", "2020-11-12 13:14:15.167", "m", 7, 11},
        {"datetime", "2020-11-12 13:14:15.167", "dy", 7, 317},
        {"datetime", "2020-11-12 13:14:15.167", "dd", 7, 12},
        {"datetime", "2020-11-12 13:14:15.167", "dw", 7, 5},
        {"datetime", "2020-11-12 13:14:15.167", "dw", 1, 4},
        {"datetime", "2020-11-12 13:14:15.167", "hh", 7, 13},
        {"datetime", "2020-11-12 13:14:15.167", "n", 7, 14},
        {"datetime", "2020-11-12 13:14:15.167", "ss", 7, 15},
        {"datetime", "2020-11-12 13:14:15.167", "ms", 7, 167},
        {"datetime2(7)", "2020-11-12 13:14:15.1234567", "mcs", 7, 123456},
        {"datetime2(7)", "2020-11-12 13:14:15.1234567", "ns", 7, 123456700},
        {"datetimeoffset(7)", "2007-10-30 12:15:32.1234567 +05:10", "tz", 7, 310},
        {"datetimeoffset(7)", "2007-10-30 12:15:32.1234567 +05:10", "wk", 7, 44},
        {"date", "2020-01-01", "wk", 7, 1},
        {"date", "2020-01-05", "wk", 7, 2},
        {"date", "2020-12-31", "wk", 7, 53},
        {"date", "2020-01-05", "wk", 1, 1},
        {"date", "2021-01-01", "isowk", 7, 53},
        {"date", "2020-12-28", "iso_week", 7, 53},
        {"date", "2018-12-31", "isoww", 7, 1},
        {"date", "0001-01-01", "dw", 1, 1},
        {"date", "2020-01-01", "hour", 7, -1},
        {"time(7)", "10:20", "year", 7, -1},
        {"datetime", "2020-01-01", "tz", 7, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t = type_named(rows[i].type);
        struct qr_value v = parse(&t, rows[i].value);
        enum qr_datepart part;
        int got = 0;
        assert_true(qr_datepart_find(qr_str(rows[i].part), &part));
        enum qr_dt dt = qr_datepart(part, &t, &v, rows[i].datefirst, &got);
        if (dt == QR_DT_BAD_PART)
            got = -1;
        if (got != rows[i].want)
            fail_msg("%s of %s: got %d, want %d", rows[i].part, rows[i].value, got, rows[i].want);
    }
    struct qr_type t = type_named("datetimeoffset(0)");
    struct qr_value v = parse(&t, "2007-10-30 12:15:32 -05:10");
    char name[QR_DT_TEXT_BYTES + 1];
    size_t n;
    assert_int_equal(qr_datename(QR_PART_MONTH, &t, &v, 7, name, &n), QR_DT_OK);
    assert_memory_equal(name, "October", n);
    assert_int_equal(qr_datename(QR_PART_WEEKDAY, &t, &v, 7, name, &n), QR_DT_OK);
    assert_memory_equal(name, "Tuesday", n);
    assert_int_equal(qr_datename(QR_PART_TZOFFSET, &t, &v, 7, name, &n), QR_DT_OK);
    assert_memory_equal(name, "-05:10", n);
}

static void test_dateadd(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        int64_t count;
        const char *type, *value, *want; /* NULL: 517; "": bad part */
    } rows[] = {
        {"month", 1, "datetime", "2006-08-31", "2006-09-30 00:00:00.000"},
        {"month", 1, "date", "2020-01-31", "2020-02-29"},
        {"year", -1, "date", "2020-02-29", "2019-02-28"},
        {"quarter", 1, "date", "2020-11-30", "2021-02-28"},
        {"week", 2, "date", "2020-12-25", "2021-01-08"},
        {"weekday", 1, "date", "2020-12-31", "2021-01-01"},
        {"hour", 25, "datetime", "2020-12-31 23:00", "2021-01-02 00:00:00.000"},
        {"ms", 1, "datetime", "2020-01-01", "2020-01-01 00:00:00.000"},
        {"ms", 2, "datetime", "2020-01-01", "2020-01-01 00:00:00.003"},
        {"second", -1, "datetime", "2020-01-01 00:00:00.003", "2019-12-31 23:59:59.003"},
        {"minute", 1, "smalldatetime", "2020-01-01 00:00", "2020-01-01 00:01:00.000"},
        {"ns", 150, "datetime2(7)", "2020-01-01", "2020-01-01 00:00:00.0000002"},
        {"mcs", 1, "datetime2(7)", "2020-01-01", "2020-01-01 00:00:00.0000010"},
        {"hour", 2, "time(0)", "23:00", "01:00:00"},
        {"hour", -2, "time(0)", "01:00", "23:00:00"},
        {"day", 1, "datetimeoffset(0)", "2020-01-31 23:00 +02:00", "2020-02-01 23:00:00 +02:00"},
        {"year", 8000, "datetime", "2020-01-01", NULL},
        {"day", -1, "date", "0001-01-01", NULL},
        {"day", 1, "datetime", "9999-12-31", NULL},
        {"second", 2147483647, "datetime", "9999-12-31", NULL},
        {"hour", 1, "date", "2020-01-01", ""},
        {"day", 1, "time(0)", "01:00", ""},
        {"ns", 1, "datetime", "2020-01-01", ""},
        {"tz", 1, "datetimeoffset(0)", "2020-01-01", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t = type_named(rows[i].type);
        struct qr_value v = parse(&t, rows[i].value), got;
        enum qr_datepart part;
        assert_true(qr_datepart_find(qr_str(rows[i].part), &part));
        enum qr_dt dt = qr_dateadd(part, rows[i].count, &t, &v, &got);
        const char *text = dt == QR_DT_OK         ? print(&t, &got, 121)
                           : dt == QR_DT_BAD_PART ? ""
                                                  : "overflow";
        const char *want = rows[i].want == NULL ? "overflow" : rows[i].want;
        if (strcmp(text, want) != 0)
            fail_msg("%s %lld to %s: got %s, want %s", rows[i].part, (long long)rows[i].count,
                     rows[i].value, text, want);
    }
}

static void test_datediff_counts_boundaries(void **state)
{
    (void)state;
    static const struct {
        const char *part, *a, *b;
        int64_t want;
    } rows[] = {
        /* The documentation's example: each part says 1. */
        {"year", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"quarter", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"month", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"dayofyear", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"day", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"week", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"hour", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"minute", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"second", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"ms", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"mcs", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 1},
        {"ns", "2005-12-31 23:59:59.9999999", "2006-01-01 00:00:00.0000000", 100},
        {"day", "2020-03-01", "2020-02-28", -2},
        {"week", "2020-01-04", "2020-01-05", 1}, /* Saturday, Sunday */
        {"week", "2020-01-05", "2020-01-11", 0},
        {"year", "2020-12-31", "2020-01-01", 0},
    };
    struct qr_type t = type_named("datetime2(7)");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_value a = parse(&t, rows[i].a), b = parse(&t, rows[i].b);
        enum qr_datepart part;
        int64_t got = 0;
        assert_true(qr_datepart_find(qr_str(rows[i].part), &part));
        assert_int_equal(qr_datediff(part, &t, &a, &t, &b, &got), QR_DT_OK);
        if (got != rows[i].want)
            fail_msg("%s %s: got %lld", rows[i].part, rows[i].a, (long long)got);
    }
    struct qr_type dto = type_named("datetimeoffset(0)");
    struct qr_value a = parse(&dto, "2020-01-01 00:30 +01:00"),
                    b = parse(&dto, "2019-12-31 23:30 +00:00");
    int64_t got;
    assert_int_equal(qr_datediff(QR_PART_MINUTE, &dto, &a, &dto, &b, &got), QR_DT_OK);
    assert_int_equal(got, 0);
}

static void test_truncation_month_ends_offsets_and_zones(void **state)
{
    (void)state;
    struct qr_type t = type_named("datetime2(7)"), dto = type_named("datetimeoffset(0)");
    struct qr_value v = parse(&t, "2021-12-08 11:30:15.1234567"), got;
    static const struct {
        enum qr_datepart part;
        const char *want;
    } rows[] = {
        {QR_PART_YEAR, "2021-01-01 00:00:00.0000000"},
        {QR_PART_QUARTER, "2021-10-01 00:00:00.0000000"},
        {QR_PART_MONTH, "2021-12-01 00:00:00.0000000"},
        {QR_PART_WEEK, "2021-12-05 00:00:00.0000000"},
        {QR_PART_ISO_WEEK, "2021-12-06 00:00:00.0000000"},
        {QR_PART_HOUR, "2021-12-08 11:00:00.0000000"},
        {QR_PART_MILLISECOND, "2021-12-08 11:30:15.1230000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(qr_datetrunc(rows[i].part, &t, &v, 7, &got), QR_DT_OK);
        assert_string_equal(print(&t, &got, 121), rows[i].want);
    }
    struct qr_moment m = qr_moment_of(&t, &v);
    int32_t days;
    assert_int_equal(qr_eomonth(&m, 2, &days), QR_DT_OK);
    assert_int_equal(days, qr_days_from_ymd(2022, 2, 28));
    qr_i128 w;
    v = parse(&dto, "1998-09-20 07:45:50 -05:00");
    assert_int_equal(qr_switch_offset(v.w, -480, &w), QR_DT_OK);
    got = qr_value_wide(w);
    assert_string_equal(print(&dto, &got, -1), "1998-09-20 04:45:50 -08:00");
    int minutes;
    assert_true(qr_offset_parse(qr_str("-08:30"), &minutes));
    assert_int_equal(minutes, -510);
    assert_false(qr_offset_parse(qr_str("+15:00"), &minutes));
    static const struct {
        const char *zone, *local;
        int offset;
    } zones[] = {
        {"UTC", "2022-07-01", 0},
        {"Pacific Standard Time", "2022-01-01", -480},
        {"pacific standard time", "2022-07-01", -420},
        {"Central European Standard Time", "2022-03-27 02:01", 60},
        {"Central European Standard Time", "2022-03-27 03:01", 120},
        {"Central European Standard Time", "2022-10-30 02:01", 60},
        {"Central European Standard Time", "2022-10-30 01:01", 120},
        {"AUS Eastern Standard Time", "2022-01-01", 660},
        {"AUS Eastern Standard Time", "2022-07-01", 600},
        {"Eastern Standard Time", "2005-03-20", -300},
        {"India Standard Time", "2022-07-01", 330},
    };
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        int zone = qr_zone_find(qr_str(zones[i].zone));
        assert_true(zone >= 0);
        struct qr_value local = parse(&t, zones[i].local);
        int offset = qr_zone_offset_local(zone, local.i);
        if (offset != zones[i].offset)
            fail_msg("%s at %s: %d", zones[i].zone, zones[i].local, offset);
    }
    int berlin = qr_zone_find(qr_str("W. Europe Standard Time"));
    struct qr_value utc = parse(&t, "2022-03-27 01:00");
    assert_int_equal(qr_zone_offset_utc(berlin, utc.i), 120);
    assert_int_equal(qr_zone_offset_utc(berlin, utc.i - 1), 60);
    assert_int_equal(qr_zone_find(qr_str("Nowhere Standard Time")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar_agrees_with_itself_over_all_days),
        cmocka_unit_test(test_datetime_text_parses),
        cmocka_unit_test(test_newer_types_parse),
        cmocka_unit_test(test_every_style_prints),
        cmocka_unit_test(test_date_parts),
        cmocka_unit_test(test_dateadd),
        cmocka_unit_test(test_datediff_counts_boundaries),
        cmocka_unit_test(test_truncation_month_ends_offsets_and_zones),
    };
    return cmocka_run_group_tests_name("codec/datetime", tests, NULL, NULL);
}
