/* Goal: PRELOGIN of real clients is understood, a damaged one refused, the answer byte-exact. */
#include "tds_test.h"
#include "tds/prelogin.h"

/* [MS-TDS] 4.1, without the packet header. */
static const char example[] = "00 001A 0006 01 0020 0001 02 0021 0001 03 0022 0004 04 0026 0001 FF"
                              "09 00 00 00 00 00 01 00 B8 0D 00 00 01";

static void test_the_documented_prelogin_parses(void **state)
{
    (void)state;
    struct hex_bytes in = hex(example);
    struct qr_tds_prelogin p;
    assert_int_equal(qr_tds_prelogin_parse(in.data, in.n, &p, NULL), QR_OK);
    assert_int_equal(p.client_version, 0x09000000);
    assert_int_equal(p.encryption, QR_TDS_ENCRYPT_ON);
    assert_int_equal(p.instance.n, 0);
    assert_int_equal(p.thread_id, 0xB80D0000);
    assert_true(p.wants_mars);
    assert_false(p.has_fedauth);
}

static void test_no_prefix_of_a_prelogin_is_accepted(void **state)
{
    (void)state;
    struct hex_bytes in = hex(example);
    for (size_t n = 0; n < in.n; n++) {
        struct qr_tds_prelogin p;
        uint8_t *exact = malloc(n == 0 ? 1 : n);
        memcpy(exact, in.data, n);
        assert_int_not_equal(qr_tds_prelogin_parse(exact, n, &p, NULL), QR_OK);
        free(exact);
    }
}

static void test_bad_preloginis_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        enum qr_status want;
    } rows[] = {
        {"VERSION is not first", "01 0006 0001 FF 00", QR_PROTOCOL},
        {"ENCRYPTION of two bytes", "00 000B 0006 01 0011 0002 FF 000000000000 0101", QR_PROTOCOL},
        {"option past the end", "00 000B 0006 01 00FF 0001 FF 000000000000 01", QR_TRUNCATED},
        {"no terminator", "00 0005 0006 EEEEEEEEEEEE", QR_TRUNCATED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex_bytes in = hex(rows[i].bytes);
        struct qr_tds_prelogin p;
        if (qr_tds_prelogin_parse(in.data, in.n, &p, NULL) != rows[i].want)
            fail_msg("%s", rows[i].name);
    }
    uint8_t many[QR_TDS_PRELOGIN_OPTIONS_MAX * 5 + 6] = {0};
    for (size_t i = 0; i + 5 <= sizeof many; i += 5) {
        many[i + 2] = 1; /* VERSION at offset 1, four bytes, again and again */
        many[i + 4] = 4;
    }
    struct qr_tds_prelogin p;
    assert_int_equal(qr_tds_prelogin_parse(many, sizeof many, &p, NULL), QR_PROTOCOL);
}

static void test_unknown_options_are_skipped(void **state)
{
    (void)state;
    struct hex_bytes in = hex("00 000B 0006 2A 0011 0003 FF 0A0000000000 'abc'");
    struct qr_tds_prelogin p;
    assert_int_equal(qr_tds_prelogin_parse(in.data, in.n, &p, NULL), QR_OK);
    assert_int_equal(p.client_version, 0x0A000000);
}

static void test_encryption_follows_policy_and_client(void **state)
{
    (void)state;
    static const struct {
        enum qr_tds_encryption_policy policy;
        uint8_t client, answer;
        enum qr_tds_tls_scope scope;
        bool go_on;
    } rows[] = {
        {QR_TDS_POLICY_PLAINTEXT_ALLOWED, 0, 0, QR_TDS_TLS_LOGIN_ONLY, true},
        {QR_TDS_POLICY_PLAINTEXT_ALLOWED, 1, 1, QR_TDS_TLS_ALL, true},
        {QR_TDS_POLICY_PLAINTEXT_ALLOWED, 2, 2, QR_TDS_TLS_NONE, true},
        {QR_TDS_POLICY_LOGIN_ENCRYPTED, 0, 0, QR_TDS_TLS_LOGIN_ONLY, true},
        {QR_TDS_POLICY_LOGIN_ENCRYPTED, 2, 3, QR_TDS_TLS_NONE, false},
        {QR_TDS_POLICY_LOGIN_ENCRYPTED, 3, 1, QR_TDS_TLS_ALL, true},
        {QR_TDS_POLICY_ALL_ENCRYPTED, 0, 3, QR_TDS_TLS_ALL, true},
        {QR_TDS_POLICY_ALL_ENCRYPTED, 2, 3, QR_TDS_TLS_NONE, false},
        {QR_TDS_POLICY_ALL_ENCRYPTED, 0x7F, 3, QR_TDS_TLS_NONE, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t answer = 0xFF;
        enum qr_tds_tls_scope scope = QR_TDS_TLS_NONE;
        bool go_on = qr_tds_encryption_negotiate(rows[i].policy, rows[i].client, &answer, &scope);
        if (go_on != rows[i].go_on || answer != rows[i].answer || scope != rows[i].scope)
            fail_msg("policy %d, client %u", rows[i].policy, rows[i].client);
    }
}

static void test_the_answer_is_byte_exact(void **state)
{
    (void)state;
    struct qr_buf out;
    qr_buf_init(&out, 1000);
    struct qr_tds_prelogin client = {.has_fedauth = true};
    qr_tds_prelogin_write(&out, &client,
                          &(struct qr_tds_prelogin_reply){.version = {12, 0, 0x07, 0xD0},
                                                          .subbuild = 8,
                                                          .encryption = QR_TDS_ENCRYPT_ON,
                                                          .instance_matches = true});
    assert_bytes(out.data, out.len,
                 "00 001F 0006 01 0025 0001 02 0026 0001 03 0027 0000 04 0027 0001 06 0028 0001 FF"
                 "0C 00 07D0 0008 01 00 00 00");
    struct qr_tds_prelogin p;
    assert_int_equal(qr_tds_prelogin_parse(out.data, out.len, &p, NULL), QR_OK);
    qr_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_documented_prelogin_parses),
        cmocka_unit_test(test_no_prefix_of_a_prelogin_is_accepted),
        cmocka_unit_test(test_bad_preloginis_are_refused),
        cmocka_unit_test(test_unknown_options_are_skipped),
        cmocka_unit_test(test_encryption_follows_policy_and_client),
        cmocka_unit_test(test_the_answer_is_byte_exact),
    };
    return cmocka_run_group_tests_name("tds/prelogin", tests, NULL, NULL);
}
