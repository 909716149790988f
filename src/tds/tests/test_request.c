/* Goal: headers, batches and transaction requests are read, damaged ones refused. */
#include "tds_test.h"
#include "tds/request.h"

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        enum qr_tds_version version;
        enum qr_status want;
        size_t left;
    } rows[] = {
        {"transaction descriptor", "16000000 12000000 0200 0100000000000000 01000000 AA",
         QR_TDS_VERSION_72, QR_OK, 1},
        {"and a trace",
         "30000000 12000000 0200 0100000000000000 01000000"
         "1A000000 0300 000102030405060708090A0B0C0D0E0F 05000000",
         QR_TDS_VERSION_74, QR_OK, 0},
        {"7.1 has none", "0102", QR_TDS_VERSION_71, QR_OK, 2},
        {"none at all", "04000000", QR_TDS_VERSION_72, QR_OK, 0},
        {"unknown kind", "0A000000 06000000 0900", QR_TDS_VERSION_72, QR_OK, 0},
        {"total too small", "03000000", QR_TDS_VERSION_72, QR_PROTOCOL, 0},
        {"total past the end", "20000000 00", QR_TDS_VERSION_72, QR_TRUNCATED, 0},
        {"header too small", "0A000000 05000000 0200", QR_TDS_VERSION_72, QR_PROTOCOL, 0},
        {"header past the total", "0A000000 FF000000 0200", QR_TDS_VERSION_72, QR_PROTOCOL, 0},
        {"descriptor cut", "0E000000 0A000000 0200 01000000", QR_TDS_VERSION_72, QR_PROTOCOL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex_bytes in = hex(rows[i].bytes);
        struct qr_tds_cursor c = qr_tds_cursor(in.data, in.n);
        struct qr_tds_all_headers h;
        enum qr_status status = qr_tds_all_headers_read(&c, rows[i].version, &h, NULL);
        if (status != rows[i].want || (status == QR_OK && qr_tds_left(&c) != rows[i].left))
            fail_msg("%s", rows[i].name);
    }
}

static void test_batches_are_utf16(void **state)
{
    (void)state;
    struct hex_bytes in = hex("u'SELECT 1'");
    struct qr_tds_cursor c = qr_tds_cursor(in.data, in.n);
    struct qr_tds_utf16 text;
    assert_int_equal(qr_tds_batch_read(&c, &text, NULL), QR_OK);
    assert_int_equal(text.units, 8);
    assert_true(qr_tds_utf16_ieqz(text, "select 1"));
    assert_false(qr_tds_utf16_ieqz(text, "select"));
    assert_false(qr_tds_utf16_ieqz(text, "select 12"));
    c = qr_tds_cursor(in.data, in.n - 1);
    assert_int_equal(qr_tds_batch_read(&c, &text, NULL), QR_PROTOCOL);
}

static void test_transaction_requests(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        enum qr_status want;
        enum qr_tds_tran_kind kind;
        uint8_t isolation;
        size_t name_units;
        bool begin_after;
    } rows[] = {
        {"begin", "0500 02 00", QR_OK, QR_TDS_TM_BEGIN, 2, 0, false},
        {"begin with a name", "0500 00 04 u'ab'", QR_OK, QR_TDS_TM_BEGIN, 0, 2, false},
        {"commit", "0700 00 00", QR_OK, QR_TDS_TM_COMMIT, 0, 0, false},
        {"commit and begin", "0700 00 01 05 02 u'x'", QR_OK, QR_TDS_TM_COMMIT, 5, 0, true},
        {"rollback to a name", "0800 04 u'ab' 00", QR_OK, QR_TDS_TM_ROLLBACK, 0, 2, false},
        {"save", "0900 04 u'sp'", QR_OK, QR_TDS_TM_SAVE, 0, 2, false},
        {"distributed", "0000", QR_UNSUPPORTED, 0, 0, 0, false},
        {"promote", "0600", QR_UNSUPPORTED, 0, 0, 0, false},
        {"unknown", "0A00", QR_PROTOCOL, 0, 0, 0, false},
        {"isolation 6", "0500 06 00", QR_PROTOCOL, 0, 0, 0, false},
        {"odd name", "0900 03 616200", QR_TRUNCATED, 0, 0, 0, false},
        {"name cut", "0900 04 u'a'", QR_TRUNCATED, 0, 0, 0, false},
        {"empty", "", QR_TRUNCATED, 0, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex_bytes in = hex(rows[i].bytes);
        struct qr_tds_cursor c = qr_tds_cursor(in.data, in.n);
        struct qr_tds_tran t;
        enum qr_status status = qr_tds_tran_read(&c, &t, NULL);
        if (status != rows[i].want)
            fail_msg("%s", rows[i].name);
        if (status == QR_OK &&
            (t.kind != rows[i].kind || t.isolation != rows[i].isolation ||
             t.name.units != rows[i].name_units || t.begin_after != rows[i].begin_after))
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_batches_are_utf16),
        cmocka_unit_test(test_transaction_requests),
    };
    return cmocka_run_group_tests_name("tds/request", tests, NULL, NULL);
}
