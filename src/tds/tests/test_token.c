/* Goal: every token of an answer is byte-exact, in the forms of 7.1 and of 7.2 and later. */
#include "tds_test.h"
#include "tds/token.h"

static const uint8_t collation[5] = {0x09, 0x04, 0xD0, 0x00, 0x34};

static void put_loginack(struct qr_tds_writer *w)
{
    static const uint8_t version[4] = {12, 0, 0x07, 0xD0};
    qr_tds_put_loginack(w, QR_TDS_VERSION_72, qr_str("Microsoft SQL Server"), version);
}
static void put_loginack_74(struct qr_tds_writer *w)
{
    static const uint8_t version[4] = {12, 0, 0x07, 0xD0};
    qr_tds_put_loginack(w, QR_TDS_VERSION_74, qr_str("M"), version);
}
static void put_database(struct qr_tds_writer *w)
{
    qr_tds_put_env_text(w, QR_TDS_ENV_DATABASE, qr_str("master"), qr_str("master"));
}
static void put_language(struct qr_tds_writer *w)
{
    qr_tds_put_env_text(w, QR_TDS_ENV_LANGUAGE, qr_str("us_english"), qr_str(""));
}
static void put_packet_size(struct qr_tds_writer *w)
{
    qr_tds_put_env_text(w, QR_TDS_ENV_PACKET_SIZE, qr_str("4096"), qr_str("4096"));
}
static void put_collation(struct qr_tds_writer *w)
{
    qr_tds_put_env_collation(w, collation, NULL);
}
static void put_begin(struct qr_tds_writer *w)
{
    qr_tds_put_env_tran(w, QR_TDS_VERSION_72, QR_TDS_ENV_BEGIN, 0x0000003300000001);
}
static void put_commit(struct qr_tds_writer *w)
{
    qr_tds_put_env_tran(w, QR_TDS_VERSION_72, QR_TDS_ENV_COMMIT, 0x0000003300000001);
}
static void put_begin_71(struct qr_tds_writer *w)
{
    qr_tds_put_env_tran(w, QR_TDS_VERSION_71, QR_TDS_ENV_BEGIN, 1);
}
static void put_reset(struct qr_tds_writer *w)
{
    qr_tds_put_env_reset(w);
}
static void put_routing(struct qr_tds_writer *w)
{
    qr_tds_put_env_routing(w, qr_str("node"), 11000);
}
static const struct qr_tds_notice error_notice = {.number = 208,
                                                  .state = 1,
                                                  .severity = 16,
                                                  .text = {"Bad 'x'.", 8},
                                                  .server = {"srv", 3},
                                                  .procedure = {"p", 1},
                                                  .line = 70000};
static void put_error(struct qr_tds_writer *w)
{
    qr_tds_put_notice(w, QR_TDS_VERSION_74, &error_notice);
}
static void put_error_71(struct qr_tds_writer *w)
{
    qr_tds_put_notice(w, QR_TDS_VERSION_71, &error_notice);
}
static void put_info(struct qr_tds_writer *w)
{
    qr_tds_put_notice(w, QR_TDS_VERSION_72,
                      &(struct qr_tds_notice){.number = 5701,
                                              .state = 2,
                                              .text = qr_str("m"),
                                              .server = qr_str("\xC3\xA9"),
                                              .line = 1});
}
static void put_done(struct qr_tds_writer *w)
{
    qr_tds_put_done(w, QR_TDS_VERSION_72, QR_TDS_TOKEN_DONE, QR_TDS_DONE_COUNT, 0xC1, 1);
}
static void put_done_71(struct qr_tds_writer *w)
{
    qr_tds_put_done(w, QR_TDS_VERSION_71, QR_TDS_TOKEN_DONE, QR_TDS_DONE_COUNT, 0xC1, 1);
}
static void put_doneinproc(struct qr_tds_writer *w)
{
    qr_tds_put_done(w, QR_TDS_VERSION_74, QR_TDS_TOKEN_DONEINPROC,
                    QR_TDS_DONE_MORE | QR_TDS_DONE_COUNT, 0xC3, 0x1122334455);
}
static void put_attention(struct qr_tds_writer *w)
{
    qr_tds_put_done(w, QR_TDS_VERSION_72, QR_TDS_TOKEN_DONE, QR_TDS_DONE_ATTN, 0, 0);
}
static void put_return_status(struct qr_tds_writer *w)
{
    qr_tds_put_return_status(w, -6);
}
static void put_order(struct qr_tds_writer *w)
{
    static const int columns[] = {1, -3, 300};
    qr_tds_put_order(w, columns, 3);
}
static void put_no_order(struct qr_tds_writer *w)
{
    qr_tds_put_order(w, NULL, 0);
}
static void put_features(struct qr_tds_writer *w)
{
    struct qr_tds_login7 login = {.has_extension = true, .feature_count = 3};
    login.features[0].id = QR_TDS_FEATURE_SESSIONRECOVERY;
    login.features[1].id = QR_TDS_FEATURE_UTF8_SUPPORT;
    login.features[2].id = 0x7E;
    qr_tds_put_feature_ack(w, &login);
}
static void put_no_features(struct qr_tds_writer *w)
{
    qr_tds_put_feature_ack(w, &(struct qr_tds_login7){.has_extension = false});
}
static void put_empty_extension(struct qr_tds_writer *w)
{
    qr_tds_put_feature_ack(w, &(struct qr_tds_login7){.has_extension = true});
}
static void put_declined_features(struct qr_tds_writer *w)
{
    struct qr_tds_login7 login = {.has_extension = true, .feature_count = 2};
    login.features[0].id = QR_TDS_FEATURE_SESSIONRECOVERY;
    login.features[1].id = 0x7E;
    qr_tds_put_feature_ack(w, &login);
}
static const struct qr_tds_table_name two_tables[] = {
    {.parts = {{NULL, 0}, {NULL, 0}, {"dbo", 3}, {"t", 1}}, .part_count = 2},
    {.parts = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {"u", 1}}, .part_count = 1}};
static void put_tabname(struct qr_tds_writer *w)
{
    qr_tds_put_tabname(w, QR_TDS_VERSION_72, two_tables, 2);
}
static void put_tabname_71(struct qr_tds_writer *w)
{
    qr_tds_put_tabname(w, QR_TDS_VERSION_71, two_tables, 2);
}
static void put_colinfo(struct qr_tds_writer *w)
{
    static const struct qr_tds_colinfo columns[] = {{1, QR_TDS_COLINFO_KEY, {NULL, 0}},
                                                    {1, QR_TDS_COLINFO_DIFFERENT_NAME, {"b", 1}},
                                                    {0, QR_TDS_COLINFO_EXPRESSION, {NULL, 0}}};
    qr_tds_put_colinfo(w, columns, 3);
}

static const struct row {
    const char *name;
    void (*put)(struct qr_tds_writer *w);
    const char *bytes;
} rows[] = {
    {"LOGINACK", put_loginack, "AD 3200 01 72090002 14 u'Microsoft SQL Server' 0C0007D0"},
    {"LOGINACK 7.4", put_loginack_74, "AD 0C00 01 74000004 01 u'M' 0C0007D0"},
    {"ENVCHANGE database", put_database, "E3 1B00 01 06 u'master' 06 u'master'"},
    {"ENVCHANGE language", put_language, "E3 1700 02 0A u'us_english' 00"},
    {"ENVCHANGE packet size", put_packet_size, "E3 1300 04 04 u'4096' 04 u'4096'"},
    {"ENVCHANGE collation", put_collation, "E3 0800 07 05 0904D00034 00"},
    {"ENVCHANGE begin", put_begin, "E3 0B00 08 08 0100000033000000 00"},
    {"ENVCHANGE commit", put_commit, "E3 0B00 09 00 08 0100000033000000"},
    {"ENVCHANGE begin for 7.1", put_begin_71, ""},
    {"ENVCHANGE reset", put_reset, "E3 0300 12 00 00"},
    {"ENVCHANGE routing", put_routing, "E3 1200 14 0D00 00 F82A 0400 u'node' 0000"},
    {"ERROR", put_error,
     "AA 2600 D0000000 01 10 0800 u'Bad ' 2700 u'x' 2700 u'.' 03 u'srv' 01 u'p' 70110100"},
    {"ERROR for 7.1", put_error_71,
     "AA 2400 D0000000 01 10 0800 u'Bad ' 2700 u'x' 2700 u'.' 03 u'srv' 01 u'p' FFFF"},
    {"INFO", put_info, "AB 1200 45160000 02 00 0100 u'm' 01 E900 00 01000000"},
    {"DONE", put_done, "FD 1000 C100 0100000000000000"},
    {"DONE for 7.1", put_done_71, "FD 1000 C100 01000000"},
    {"DONEINPROC", put_doneinproc, "FF 1100 C300 5544332211000000"},
    {"DONE of an attention", put_attention, "FD 2000 0000 0000000000000000"},
    {"RETURNSTATUS", put_return_status, "79 FAFFFFFF"},
    {"ORDER", put_order, "A9 0600 0100 0300 2C01"},
    {"ORDER of nothing", put_no_order, ""},
    {"FEATUREEXTACK", put_features, "AE 0A 01000000 01 FF"},
    {"FEATUREEXTACK without features", put_no_features, ""},
    {"FEATUREEXTACK of an empty extension", put_empty_extension, ""},
    {"FEATUREEXTACK that acknowledges nothing", put_declined_features, ""},
    {"TABNAME", put_tabname, "A4 1200 02 0300 u'dbo' 0100 u't' 01 0100 u'u'"},
    {"TABNAME for 7.1", put_tabname_71, "A4 0800 0100 u't' 0100 u'u'"},
    {"COLINFO", put_colinfo, "A5 0C00 01 01 08 02 01 20 01 u'b' 03 00 04"},
};

static void test_tokens_are_byte_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_tds_writer w;
        qr_tds_writer_init(&w, 4096, 51, NULL, NULL);
        qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
        rows[i].put(&w);
        assert_int_equal(qr_tds_writer_end(&w, true), QR_OK);
        print_message("%s\n", rows[i].name);
        assert_bytes(w.buf.data + 8, w.buf.len - 8, rows[i].bytes);
        qr_tds_writer_done(&w);
    }
}

static void test_texts_are_cut_where_their_counts_end(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, 'x', sizeof text);
    struct qr_str long_text = {text, sizeof text};
    struct qr_tds_writer w;
    qr_tds_writer_init(&w, 32767, 51, NULL, NULL);
    qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
    qr_tds_put_env_text(&w, QR_TDS_ENV_DATABASE, long_text, long_text);
    qr_tds_put_notice(
        &w, QR_TDS_VERSION_74,
        &(struct qr_tds_notice){
            .severity = 11, .text = long_text, .server = long_text, .procedure = long_text});
    qr_tds_put_env_routing(&w, long_text, 1);
    assert_int_equal(qr_tds_writer_end(&w, true), QR_OK);
    assert_bytes(w.buf.data + 8, 5, "E3 FF03 01 FF");
    qr_tds_writer_done(&w);
}

static void test_a_pushed_packet_is_short_and_not_the_last(void **state)
{
    (void)state;
    struct qr_tds_writer w;
    qr_tds_writer_init(&w, 4096, 51, NULL, NULL);
    qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
    qr_tds_put_return_status(&w, 0);
    assert_int_equal(qr_tds_writer_push(&w), QR_OK);
    qr_tds_put_return_status(&w, 0);
    assert_int_equal(qr_tds_writer_end(&w, true), QR_OK);
    assert_bytes(w.buf.data, w.buf.len,
                 "04 00 000D 0033 01 00 79 00000000 04 01 000D 0033 02 00 79 00000000");
    qr_tds_writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_byte_exact),
        cmocka_unit_test(test_texts_are_cut_where_their_counts_end),
        cmocka_unit_test(test_a_pushed_packet_is_short_and_not_the_last),
    };
    return cmocka_run_group_tests_name("tds/token", tests, NULL, NULL);
}
