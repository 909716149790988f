/* Goal: a node gets what the front knew of a login, and whatever else comes is refused within its
 * bounds. */
#include "qr_test.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "handoff_int.h"

static char long_text[QRI_HANDOFF_TEXT_BYTES_MAX + 1];

/* Every text at its bound, every flag set: the biggest login there is. */
static struct qr_login login_of(struct qr_tds_login7 *login7)
{
    memset(long_text, 'x', sizeof long_text);
    struct qr_str text = qr_str_n(long_text, QRI_HANDOFF_TEXT_BYTES_MAX);
    *login7 = (struct qr_tds_login7){
        .version = QR_TDS_VERSION_74,
        .packet_bytes = 32767,
        .client_program_version = 0x07000000,
        .client_pid = 4711,
        .odbc_defaults = true,
        .database_fatal = true,
        .wants_use_notice = true,
        .read_only_intent = true,
        .has_extension = true,
        .user_type = 3,
        .time_zone_minutes = -120,
        .lcid = 0x409,
        .client_id = {1, 2, 3, 4, 5, 6},
        .feature_count = QR_TDS_FEATURES_MAX,
    };
    for (size_t i = 0; i < QR_TDS_FEATURES_MAX; i++)
        login7->features[i] = (struct qr_tds_feature){
            .id = (uint8_t)(i + 1), .data = (const uint8_t *)"secret", .data_bytes = 6};
    return (struct qr_login){
        .login7 = login7,
        .user = qr_str("user"),
        .database = text,
        .host = text,
        .application = qr_str(""),
        .library = text,
        .language = text,
        .address = qr_str("10.1.2.3"),
        .packet_bytes = 8000,
        .is_checked = true,
        .is_encrypted = false,
        .sid = qr_str_n(long_text, QR_LOGIN_SID_BYTES),
        .password = text,
        .local_address = qr_str("10.0.0.4"),
        .client_port = 51000,
        .local_port = 1433,
        .roles = 0x42,
    };
}

static struct qr_buf encoded(size_t early_bytes)
{
    struct qr_tds_login7 login7;
    struct qr_login login = login_of(&login7);
    struct qr_buf msg;
    qr_buf_init(&msg, QRI_HANDOFF_BYTES_MAX);
    assert_int_equal(qri_handoff_encode(&login, early_bytes, &msg, NULL), QR_OK);
    qr_buf_fill(&msg, 'e', early_bytes);
    assert_int_equal(qr_buf_status(&msg, NULL), QR_OK);
    return msg;
}

/* The bytes are in memory of exactly their size, so that a sanitizer sees a read behind them. */
static enum qr_status decode(const uint8_t *bytes, size_t count)
{
    struct qr_login login;
    struct qr_tds_login7 login7;
    struct qr_str early;
    uint8_t *copy = malloc(count + 1);
    memcpy(copy + 1, bytes, count);
    enum qr_status status = qri_handoff_decode(copy + 1, count, &login, &login7, &early, NULL);
    free(copy);
    return status;
}

static void test_a_login_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct qr_tds_login7 before7, after7;
    struct qr_login before = login_of(&before7), after;
    struct qr_str early;
    struct qr_buf msg = encoded(1000);
    assert_int_equal(qri_handoff_decode(msg.data, msg.len, &after, &after7, &early, NULL), QR_OK);
    assert_true(qr_str_eq(after.user, before.user));
    assert_true(qr_str_eq(after.database, before.database));
    assert_true(qr_str_eq(after.application, before.application));
    assert_true(qr_str_eq(after.address, before.address));
    assert_int_equal(after.packet_bytes, 8000);
    assert_true(after.is_checked);
    assert_false(after.is_admin || after.is_own_user || after.is_encrypted);
    assert_true(qr_str_eq(after.sid, before.sid) && qr_str_eq(after.password, before.password));
    assert_true(qr_str_eq(after.local_address, before.local_address));
    assert_int_equal(after.client_port, 51000);
    assert_int_equal(after.local_port, 1433);
    assert_int_equal(after.roles, 0x42);
    assert_ptr_equal(after.login7, &after7);
    assert_int_equal(after7.version, QR_TDS_VERSION_74);
    assert_int_equal(after7.client_pid, 4711);
    assert_int_equal(after7.time_zone_minutes, -120);
    assert_true(after7.odbc_defaults && after7.read_only_intent && after7.has_extension);
    assert_false(after7.oledb || after7.language_fatal || after7.unknown_collation_handling);
    assert_memory_equal(after7.client_id, before7.client_id, sizeof after7.client_id);
    assert_int_equal(after7.feature_count, QR_TDS_FEATURES_MAX);
    assert_int_equal(after7.features[9].id, 10);
    assert_int_equal(early.n, 1000);
    assert_int_equal(early.p[999], 'e');
    qr_buf_done(&msg);
}

static void test_the_data_of_features_stays_at_the_front(void **state)
{
    (void)state;
    struct qr_buf msg = encoded(0);
    assert_null(memmem(msg.data, msg.len, "secret", 6));
    qr_buf_done(&msg);
}

static void test_a_message_cut_or_lengthened_anywhere_is_refused(void **state)
{
    (void)state;
    struct qr_buf msg = encoded(7);
    assert_int_equal(decode(msg.data, msg.len), QR_OK);
    for (size_t n = 0; n < msg.len; n++)
        assert_int_not_equal(decode(msg.data, n), QR_OK);
    qr_buf_add8(&msg, 0);
    assert_int_equal(decode(msg.data, msg.len), QR_PROTOCOL);
    qr_buf_done(&msg);
}

static void test_wrong_fields_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
        enum qr_status want;
    } rows[] = {
        {0, 'X', QR_PROTOCOL},
        {4, 1, QR_UNSUPPORTED},
        {7, 0xFF, QR_PROTOCOL} /* flags */,
        {8, 0, QR_OK},
        {33, 0, QR_PROTOCOL} /* packet size below 512 */,
        {35, 33, QR_PROTOCOL},
        {85, 0xFF, QR_TOO_BIG} /* length of the user's name */,
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_buf msg = encoded(0);
        msg.data[rows[i].at] = rows[i].byte;
        assert_int_equal(decode(msg.data, msg.len), rows[i].want);
        qr_buf_done(&msg);
    }
}

/* Who was not let in is asked for by his password; nobody else's travels. */
static void test_a_login_is_one_that_was_let_in_or_one_to_ask_for(void **state)
{
    (void)state;
    static const struct {
        bool is_admin, is_own_user, is_checked, is_moved, has_password;
        enum qr_status want;
        uint16_t roles;
    } rows[] = {
        {false, true, true, true, false, QR_PROTOCOL, 1},
        {false, false, false, false, true, QR_PROTOCOL, 1},
        {false, false, true, false, true, QR_OK, 1},
        {true, false, true, false, false, QR_OK, 0},
        {false, true, true, true, false, QR_OK, 0},
        {false, false, true, false, true, QR_OK, 0},
        {false, false, false, false, true, QR_OK, 0},
        {false, false, false, false, false, QR_PROTOCOL, 0},
        {true, false, false, false, true, QR_PROTOCOL, 0},
        {true, false, true, false, true, QR_PROTOCOL, 0},
        {false, true, true, false, true, QR_PROTOCOL, 0},
        {false, false, true, true, true, QR_PROTOCOL, 0},
        {true, true, true, false, false, QR_PROTOCOL, 0},
        {false, false, false, true, false, QR_PROTOCOL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_tds_login7 login7;
        struct qr_login login = login_of(&login7);
        struct qr_buf msg;
        login.is_admin = rows[i].is_admin;
        login.is_own_user = rows[i].is_own_user;
        login.is_checked = rows[i].is_checked;
        login.is_moved = rows[i].is_moved;
        login.roles = rows[i].roles;
        login.password = qr_str(rows[i].has_password ? "secret" : "");
        qr_buf_init(&msg, QRI_HANDOFF_BYTES_MAX);
        assert_int_equal(qri_handoff_encode(&login, 0, &msg, NULL), QR_OK);
        assert_int_equal(decode(msg.data, msg.len), rows[i].want);
        qr_buf_done(&msg);
    }
}

static void test_what_is_over_a_bound_is_not_sent(void **state)
{
    (void)state;
    struct qr_tds_login7 login7;
    struct qr_login login = login_of(&login7);
    struct qr_buf msg;
    qr_buf_init(&msg, QRI_HANDOFF_BYTES_MAX);
    assert_int_equal(qri_handoff_encode(&login, QRI_HANDOFF_EARLY_BYTES_MAX + 1, &msg, NULL),
                     QR_TOO_BIG);
    login.host = qr_str_n(long_text, sizeof long_text);
    assert_int_equal(qri_handoff_encode(&login, 0, &msg, NULL), QR_TOO_BIG);
    qr_buf_done(&msg);
}

static void test_an_address_is_unix_and_fits(void **state)
{
    (void)state;
    struct sockaddr_un address;
    char text[256];
    assert_int_equal(qri_handoff_address("unix:/run/x", &address, NULL), QR_OK);
    assert_string_equal(address.sun_path, "/run/x");
    assert_int_equal(qri_handoff_address("unix:", &address, NULL), QR_INVALID);
    assert_int_equal(qri_handoff_address("tcp:1.2.3.4", &address, NULL), QR_INVALID);
    assert_int_equal(qri_handoff_address("", &address, NULL), QR_INVALID);
    snprintf(text, sizeof text, "unix:%0107d", 0);
    assert_int_equal(qri_handoff_address(text, &address, NULL), QR_OK);
    snprintf(text, sizeof text, "unix:%0108d", 0);
    assert_int_equal(qri_handoff_address(text, &address, NULL), QR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_login_arrives_as_it_was_sent),
        cmocka_unit_test(test_the_data_of_features_stays_at_the_front),
        cmocka_unit_test(test_a_message_cut_or_lengthened_anywhere_is_refused),
        cmocka_unit_test(test_wrong_fields_are_refused),
        cmocka_unit_test(test_a_login_is_one_that_was_let_in_or_one_to_ask_for),
        cmocka_unit_test(test_what_is_over_a_bound_is_not_sent),
        cmocka_unit_test(test_an_address_is_unix_and_fits),
    };
    return cmocka_run_group_tests_name("gateway/handoff_format", tests, NULL, NULL);
}
