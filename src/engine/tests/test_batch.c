/* test_batch.c - batches through a session, down to the store, as transcripts. */
#include "harness.h"

static const struct batch {
    const char *sql, *want;
} batches[] = {
    {"SELECT 1", "COLS int\nROW 1\nDONE 1\n"},
};

static void test_each_batch_answers_as_written(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++)
        expect(&c, batches[i].sql, batches[i].want);
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_batch_answers_as_written),
    };
    return cmocka_run_group_tests_name("engine/batch", tests, NULL, NULL);
}
