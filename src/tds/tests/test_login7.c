/* Goal: LOGIN7 of real clients is understood, a damaged one is refused without reading outside it.
 */
#include "tds_test.h"
#include "tds/login7.h"
#include "tds_login_bytes.h"

static void assert_text(struct qr_tds_utf16 text, const char *want)
{
    assert_int_equal(text.units, strlen(want));
    for (size_t i = 0; i < text.units; i++)
        assert_int_equal(qr_get16le(text.p + i * 2), want[i]);
}

static void test_the_documented_login_parses(void **state)
{
    (void)state;
    /* [MS-TDS] 4.2, without the packet header: a 7.2 client */
    struct hex_bytes in =
        hex("90000000 02000972 00100000 00000007 00010000 00000000 E0 03 00 00 E0010000 09040000"
            "5E00 0800 6E00 0200 7200 0000 7200 0700 8000 0000 8000 0000 8000 0400 8800 0000 8800"
            "0000 0050 8BE2 B78F 8800 0000 8800 0000 8800 0000 0000 0000"
            "u'skostov1' u'sa' u'OSQL-32' u'ODBC' 0000000000000000");
    struct qr_tds_login7 l;
    assert_int_equal(qr_tds_login7_parse(in.data, in.n, &l, NULL), QR_OK);
    assert_int_equal(l.version, QR_TDS_VERSION_72);
    assert_int_equal(l.packet_bytes, 4096);
    assert_int_equal(l.client_pid, 256);
    assert_true(l.odbc_defaults);
    assert_true(l.language_fatal);
    assert_true(l.database_fatal);
    assert_false(l.read_only_intent);
    assert_text(l.host, "skostov1");
    assert_text(l.user, "sa");
    assert_text(l.password, "");
    assert_text(l.application, "OSQL-32");
    assert_text(l.library, "ODBC");
    assert_int_equal(l.client_id[5], 0x8F);
    assert_int_equal(l.time_zone_minutes, 480);
}

static void test_password_is_revealed_and_wiped(void **state)
{
    (void)state;
    struct hex_bytes in = login_bytes(&(struct login_options){
        .wire_version = 0x74000004, .user = "sa", .password = "p@ss W0rd", .database = "db1"});
    struct qr_tds_login7 l;
    assert_int_equal(qr_tds_login7_parse(in.data, in.n, &l, NULL), QR_OK);
    assert_text(l.password, "p@ss W0rd");
    assert_text(l.database, "db1");
    const uint8_t *password = l.password.p;
    qr_tds_login7_wipe(&l);
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(password[i], 0);
    assert_int_equal(l.password.units, 0);
}

static void test_features_are_listed_and_answered(void **state)
{
    (void)state;
    struct hex_bytes features = hex("01 00000000 0A 01000000 01 02 03000000 AABBCC FF");
    struct hex_bytes in = login_bytes(&(struct login_options){.wire_version = 0x74000004,
                                                              .user = "u",
                                                              .password = "p",
                                                              .database = "",
                                                              .features = features.data,
                                                              .features_bytes = features.n});
    struct qr_tds_login7 l;
    assert_int_equal(qr_tds_login7_parse(in.data, in.n, &l, NULL), QR_OK);
    assert_int_equal(l.feature_count, 3);
    assert_int_equal(qr_tds_login7_feature(&l, QR_TDS_FEATURE_FEDAUTH)->data_bytes, 3);
    assert_null(qr_tds_login7_feature(&l, QR_TDS_FEATURE_AZURESQLSUPPORT));
    assert_null(qr_tds_feature_answer(QR_TDS_FEATURE_SESSIONRECOVERY)->ack);
    assert_int_equal(qr_tds_feature_answer(QR_TDS_FEATURE_UTF8_SUPPORT)->ack[0], 1);
    assert_null(qr_tds_feature_answer(0x77));
}

static void test_bad_features_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        enum qr_status want;
    } rows[] = {
        {"no terminator", "0A 01000000 01", QR_TRUNCATED},
        {"past the end", "0A 01000001 01 FF", QR_TRUNCATED},
        {"twice the same", "0A 01000000 01 0A 01000000 01 FF", QR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex_bytes features = hex(rows[i].bytes);
        struct hex_bytes in = login_bytes(&(struct login_options){.wire_version = 0x74000004,
                                                                  .user = "u",
                                                                  .password = "p",
                                                                  .database = "",
                                                                  .features = features.data,
                                                                  .features_bytes = features.n});
        struct qr_tds_login7 l;
        if (qr_tds_login7_parse(in.data, in.n, &l, NULL) != rows[i].want)
            fail_msg("%s", rows[i].name);
    }
}

/* Every 16-bit field of the fixed part set to extreme values: no read may leave the message, which
 * ASan would see because it is an allocation of its exact size. */
static void test_no_field_reaches_outside_the_message(void **state)
{
    (void)state;
    struct hex_bytes in = login_bytes(&(struct login_options){
        .wire_version = 0x74000004, .user = "user", .password = "pw", .database = "db"});
    static const uint16_t extremes[] = {0, 1, 0x7F, 0x80, 0xFE, 0x100, 0x7FFF, 0xFFFF};
    int accepted = 0, refused = 0;
    for (size_t at = 0; at + 2 <= 94; at += 2) {
        for (size_t e = 0; e < sizeof extremes / sizeof extremes[0]; e++) {
            uint8_t *copy = malloc(in.n);
            memcpy(copy, in.data, in.n);
            qr_put16le(copy + at, extremes[e]);
            struct qr_tds_login7 l;
            if (qr_tds_login7_parse(copy, in.n, &l, NULL) == QR_OK)
                accepted++;
            else
                refused++;
            free(copy);
        }
    }
    assert_true(accepted > 0 && refused > 0);
}

static void test_versions_negotiate_downwards(void **state)
{
    (void)state;
    static const struct {
        uint32_t wire;
        enum qr_tds_version want;
    } rows[] = {
        {0x74000004, QR_TDS_VERSION_74},   {0x730B0003, QR_TDS_VERSION_73B},
        {0x730A0003, QR_TDS_VERSION_73A},  {0x72090002, QR_TDS_VERSION_72},
        {0x71000001, QR_TDS_VERSION_71},   {0x07010000, QR_TDS_VERSION_71},
        {0x70000000, QR_TDS_VERSION_NONE}, {0x75000000, QR_TDS_VERSION_74},
        {0x08000000, QR_TDS_VERSION_74},   {0x00000000, QR_TDS_VERSION_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(qr_tds_version_from_wire(rows[i].wire), rows[i].want);
}

static void test_packet_size_stays_in_its_range(void **state)
{
    (void)state;
    assert_int_equal(qr_tds_packet_bytes_negotiate(0, 4096), 4096);
    assert_int_equal(qr_tds_packet_bytes_negotiate(1, 4096), 512);
    assert_int_equal(qr_tds_packet_bytes_negotiate(8000, 4096), 8000);
    assert_int_equal(qr_tds_packet_bytes_negotiate(1u << 31, 4096), 32767);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_documented_login_parses),
        cmocka_unit_test(test_password_is_revealed_and_wiped),
        cmocka_unit_test(test_features_are_listed_and_answered),
        cmocka_unit_test(test_bad_features_are_refused),
        cmocka_unit_test(test_no_field_reaches_outside_the_message),
        cmocka_unit_test(test_versions_negotiate_downwards),
        cmocka_unit_test(test_packet_size_stays_in_its_range),
    };
    return cmocka_run_group_tests_name("tds/login7", tests, NULL, NULL);
}
