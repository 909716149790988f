/* Goal: a program that cannot take over is found out before anything is changed. Method: formats by
 * the table; programs of the system that are started, fail, say something else, or nothing. */
#include "qr_test.h"
#include <stdio.h>
#include "supervisor_int.h"
#include "upgrade_int.h"

static void test_formats_are_known_or_refused_with_a_reason(void **state)
{
    static const struct {
        int handed, metadata;
        enum qr_status want;
    } rows[] = {
        {QRI_HANDED_FORMAT, QR_REGISTRY_FORMAT, QR_OK},
        {QRI_HANDED_FORMAT, 1, QR_OK}, /* of an earlier release */
        {QRI_HANDED_FORMAT, QR_REGISTRY_FORMAT + 1, QR_UNSUPPORTED},
        {QRI_HANDED_FORMAT + 1, QR_REGISTRY_FORMAT, QR_UNSUPPORTED},
        {0, QR_REGISTRY_FORMAT, QR_INVALID},
        {QRI_HANDED_FORMAT, 0, QR_INVALID},
    };
    static const char *const bad[] = {"", "1", "1,", "x,3", "1,3,", "1;3"};
    char text[32];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_err err = {0};
        snprintf(text, sizeof text, "%d,%d", rows[i].handed, rows[i].metadata);
        assert_int_equal(qri_upgrade_may(text, &err), rows[i].want);
        assert_int_equal(err.text[0] == '\0', rows[i].want == QR_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(qri_upgrade_may(bad[i], NULL), QR_INVALID);
}

static void test_only_a_program_that_says_so_takes_over(void **state)
{
    static const struct {
        const char *program, *script;
        enum qr_status want;
        const char *says;
    } rows[] = {
        {"/bin/sh", "echo 'a warning'; echo 'quire upgrade: yes 2.0'", QR_OK, ""},
        {"/bin/sh", "echo $QUIRE_UPGRADE | grep -q probe:3, && echo 'quire upgrade: yes 2.0'",
         QR_OK, ""},
        {"/bin/sh", "echo 'quire upgrade: yes 2.0'; exit 1", QR_INVALID, "exit status 1"},
        {"/bin/sh", "echo 'quire upgrade: yes 2.0'; kill -9 $$", QR_INVALID, "signal 9"},
        {"/bin/sh", "echo no option", QR_INVALID, "no option"},
        {"/bin/sh", "exit 0", QR_INVALID, "it says nothing"},
        {"/bin/sh", "yes | head -c 100000", QR_INVALID, "exit status 0"},
        {"/nowhere", "", QR_INVALID, "cannot be started"},
        {"/", "", QR_INVALID, "cannot be started"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char script[128], name[] = "sh", flag[] = "-c";
        char *argv[] = {name, flag, script, NULL};
        struct qr_err err = {0};
        snprintf(script, sizeof script, "%s", rows[i].script);
        print_message("%s %s\n", rows[i].program, script);
        const _Atomic bool cancelled = false;
        assert_int_equal(qri_upgrade_probe(qr_env_real(), rows[i].program, argv, &cancelled, &err),
                         rows[i].want);
        assert_non_null(strstr(err.text, rows[i].says));
    }
}

/* The server is told to stop meanwhile: it does not wait for who does not answer, or does not end
 * after it has. */
static void test_nobody_is_waited_for_when_the_server_stops(void **state)
{
    static const char *const scripts[] = {"exec sleep 100", "exec >/dev/null 2>&1; exec sleep 100"};
    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        char script[64], name[] = "sh", flag[] = "-c";
        char *argv[] = {name, flag, script, NULL};
        const _Atomic bool cancelled = true;
        struct qr_err err = {0};
        snprintf(script, sizeof script, "%s", scripts[i]);
        assert_int_equal(qri_upgrade_probe(qr_env_real(), "/bin/sh", argv, &cancelled, &err),
                         QR_CANCELLED);
        assert_non_null(strstr(err.text, "stops"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_are_known_or_refused_with_a_reason),
        cmocka_unit_test(test_only_a_program_that_says_so_takes_over),
        cmocka_unit_test(test_nobody_is_waited_for_when_the_server_stops),
    };
    return cmocka_run_group_tests_name("cmd/upgrade_probe", tests, NULL, NULL);
}
