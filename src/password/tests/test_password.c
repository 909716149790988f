/* test_password.c - hashes are of one password alone; the policy. */
#include "qr_test.h"
#include "password/password.h"
#include "base/banned.h"

static void test_a_hash_is_of_its_password_alone(void **state)
{
    (void)state;
    char one[QR_PASSWORD_HASH_BYTES], two[QR_PASSWORD_HASH_BYTES];
    struct qr_err err = {0};
    assert_int_equal(qr_password_hash(qr_str("Secret:1"), one, &err), QR_OK);
    assert_int_equal(qr_password_hash(qr_str("Secret:1"), two, &err), QR_OK);
    assert_string_not_equal(one, two);
    assert_int_equal(strncmp(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    assert_true(qr_password_is_right(one, qr_str("Secret:1")));
    assert_true(qr_password_is_right(two, qr_str("Secret:1")));
    assert_false(qr_password_is_right(one, qr_str("Secret:2")));
    assert_false(qr_password_is_right("no hash", qr_str("Secret:1")));
}

static int policy(const char *password, const char *name)
{
    struct qr_err err = {0};
    enum qr_status status = qr_password_check_policy(qr_str(password), qr_str(name), &err);
    return status == QR_OK ? 0 : err.number;
}

static void test_the_policy(void **state)
{
    (void)state;
    char longest[QR_PASSWORD_CHARS_MAX + 2] = "aB3";
    memset(longest + 3, 'x', sizeof longest - 4);
    assert_int_equal(policy(longest, "ann"), 40631);
    longest[QR_PASSWORD_CHARS_MAX] = '\0';
    assert_int_equal(policy(longest, "ann"), 0);
    assert_int_equal(policy("aB3defg", "ann"), 40630);
    assert_int_equal(policy("aB3\xc3\xa9"
                            "fg",
                            "ann"),
                     40630); /* characters, not bytes */
    assert_int_equal(policy("aB3defgh", "ann"), 0);
    assert_int_equal(policy("abcdefgh1", "ann"), 40632);
    assert_int_equal(policy("abc-efgh1", "ann"), 0);
    assert_int_equal(policy("Joe-Ann-77", "ann"), 40632);
    assert_int_equal(policy("Joe-Ann-77", ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hash_is_of_its_password_alone),
        cmocka_unit_test(test_the_policy),
    };
    return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
