/* Goal: modes go together and join as SQL Server documents it. */
#include "qr_test.h"
#include "lock/lock.h"

/* Rows and columns in the order of enum qr_lock_mode; 'y': the two go together. */
static const struct row {
    const char *name, *goes_with;
} matrix[QR_LOCK_MODES] = {
    /* clang-format off */
    /*                          N Ss Sm IS S  U  IX SIX UIX X */
    [QR_LOCK_NONE]  = {"NULL",  "y y y y y y y y y y"},
    [QR_LOCK_SCH_S] = {"Sch-S", "y y n y y y y y y y"},
    [QR_LOCK_SCH_M] = {"Sch-M", "y n n n n n n n n n"},
    [QR_LOCK_IS]    = {"IS",    "y y n y y y y y y n"},
    [QR_LOCK_S]     = {"S",     "y y n y y y n n n n"},
    [QR_LOCK_U]     = {"U",     "y y n y y n n n n n"},
    [QR_LOCK_IX]    = {"IX",    "y y n y n n y n n n"},
    [QR_LOCK_SIX]   = {"SIX",   "y y n y n n n n n n"},
    [QR_LOCK_UIX]   = {"UIX",   "y y n y n n n n n n"},
    [QR_LOCK_X]     = {"X",     "y y n n n n n n n n"},
    /* clang-format on */
};

static void test_every_pair_goes_together_as_documented(void **state)
{
    (void)state;
    for (int a = 0; a < QR_LOCK_MODES; a++) {
        assert_string_equal(qr_lock_mode_name((enum qr_lock_mode)a), matrix[a].name);
        for (int b = 0; b < QR_LOCK_MODES; b++) {
            bool want = matrix[a].goes_with[2 * b] == 'y';
            if (qr_lock_goes_with((enum qr_lock_mode)a, (enum qr_lock_mode)b) != want)
                fail_msg("%s and %s", matrix[a].name, matrix[b].name);
        }
    }
}

static void test_a_join_goes_with_what_both_go_with_and_no_more(void **state)
{
    (void)state;
    for (int a = 0; a < QR_LOCK_MODES; a++)
        for (int b = 0; b < QR_LOCK_MODES; b++)
            for (int c = 0; c < QR_LOCK_MODES; c++) {
                enum qr_lock_mode both = qr_lock_join((enum qr_lock_mode)a, (enum qr_lock_mode)b);
                bool want = qr_lock_goes_with((enum qr_lock_mode)a, (enum qr_lock_mode)c) &&
                            qr_lock_goes_with((enum qr_lock_mode)b, (enum qr_lock_mode)c);
                if (qr_lock_goes_with(both, (enum qr_lock_mode)c) != want)
                    fail_msg("%s + %s = %s, and %s", matrix[a].name, matrix[b].name,
                             matrix[both].name, matrix[c].name);
            }
}

static void test_joining_has_no_order_and_adds_nothing_twice(void **state)
{
    (void)state;
    for (enum qr_lock_mode a = QR_LOCK_NONE; a < QR_LOCK_MODES; a++)
        for (enum qr_lock_mode b = QR_LOCK_NONE; b < QR_LOCK_MODES; b++) {
            enum qr_lock_mode both = qr_lock_join(a, b);
            assert_int_equal(both, qr_lock_join(b, a));
            assert_int_equal(both, qr_lock_join(both, a));
            assert_int_equal(both, qr_lock_join(both, both));
            for (enum qr_lock_mode c = QR_LOCK_NONE; c < QR_LOCK_MODES; c++)
                assert_int_equal(qr_lock_join(both, c), qr_lock_join(a, qr_lock_join(b, c)));
        }
}

static void test_conversions_are_those_of_the_documentation(void **state)
{
    (void)state;
    static const struct {
        enum qr_lock_mode has, asks, gets;
    } rows[] = {
        {QR_LOCK_NONE, QR_LOCK_S, QR_LOCK_S},      {QR_LOCK_S, QR_LOCK_NONE, QR_LOCK_S},
        {QR_LOCK_IS, QR_LOCK_S, QR_LOCK_S},        {QR_LOCK_IS, QR_LOCK_IX, QR_LOCK_IX},
        {QR_LOCK_IS, QR_LOCK_U, QR_LOCK_U},        {QR_LOCK_IS, QR_LOCK_X, QR_LOCK_X},
        {QR_LOCK_S, QR_LOCK_U, QR_LOCK_U},         {QR_LOCK_S, QR_LOCK_IX, QR_LOCK_SIX},
        {QR_LOCK_S, QR_LOCK_X, QR_LOCK_X},         {QR_LOCK_U, QR_LOCK_IX, QR_LOCK_UIX},
        {QR_LOCK_U, QR_LOCK_S, QR_LOCK_U},         {QR_LOCK_U, QR_LOCK_X, QR_LOCK_X},
        {QR_LOCK_IX, QR_LOCK_S, QR_LOCK_SIX},      {QR_LOCK_IX, QR_LOCK_SIX, QR_LOCK_SIX},
        {QR_LOCK_SIX, QR_LOCK_U, QR_LOCK_UIX},     {QR_LOCK_SIX, QR_LOCK_IS, QR_LOCK_SIX},
        {QR_LOCK_UIX, QR_LOCK_S, QR_LOCK_UIX},     {QR_LOCK_SCH_S, QR_LOCK_IX, QR_LOCK_IX},
        {QR_LOCK_X, QR_LOCK_IX, QR_LOCK_X},        {QR_LOCK_SCH_S, QR_LOCK_SCH_M, QR_LOCK_SCH_M},
        {QR_LOCK_X, QR_LOCK_SCH_M, QR_LOCK_SCH_M},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(qr_lock_join(rows[i].has, rows[i].asks), rows[i].gets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_goes_together_as_documented),
        cmocka_unit_test(test_a_join_goes_with_what_both_go_with_and_no_more),
        cmocka_unit_test(test_joining_has_no_order_and_adds_nothing_twice),
        cmocka_unit_test(test_conversions_are_those_of_the_documentation),
    };
    return cmocka_run_group_tests_name("lock/modes", tests, NULL, NULL);
}
