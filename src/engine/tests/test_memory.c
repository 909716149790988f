/* test_memory.c - the bound on what the rowsets of all sessions hold together. */
#include "harness.h"

#include "engine/rowset.h"

static const char fill[] = "declare @t table(a int, b varchar(8000))\n"
                           "insert @t select value, replicate('x', 8000)"
                           " from generate_series(1, 1000)\n"
                           "select count(*) as n from @t";
static const char counted[] = "DONE 1000\n"
                              "COLS n int\n"
                              "ROW 1000\n"
                              "DONE 1\n";

static void test_who_would_pass_the_bound_gets_701_and_what_is_freed_serves_others(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    size_t before = qr_rowset_memory_used();
    expect(&c, fill, counted);
    assert_int_equal(qr_rowset_memory_used(), before);
    qr_rowset_memory_bound(before + (4u << 20));
    expect(&c, fill,
           "MSG 701 17 123 line 2: There is insufficient system memory in resource pool 'default'"
           " to run this query.\n"
           "DONE error\n");
    assert_int_equal(qr_rowset_memory_used(), before);
    expect(&c, "select 1 as a", "COLS a int\nROW 1\nDONE 1\n");
    qr_rowset_memory_bound(0);
    expect(&c, fill, counted);
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_would_pass_the_bound_gets_701_and_what_is_freed_serves_others),
    };
    return cmocka_run_group_tests_name("engine/memory", tests, NULL, NULL);
}
