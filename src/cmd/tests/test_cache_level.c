/* Goal: page caches keep to their bound together, small ones stay whole, and what is free goes to
 * those that are full. */
#include "qr_test.h"
#include "cache_level.h"

#define MIB (UINT64_C(1) << 20)
enum { CACHES = 5 };

static void test_levels(void **state)
{
    static const struct {
        uint64_t used_mib[CACHES], level_mib, bound_mib, want_mib; /* full: 256 */
    } rows[] = {
        {{10, 20, 30, 0, 0}, 256, 100, 256},       /* they fit */
        {{100, 100, 100, 100, 100}, 256, 250, 50}, /* even shares */
        {{10, 20, 200, 200, 200}, 256, 150, 40},   /* small ones stay whole */
        {{10, 20, 40, 40, 40}, 40, 150, 40},       /* it is used up */
        {{10, 20, 40, 5, 5}, 40, 140, 100},        /* who is full has what is left */
        {{40, 40, 0, 0, 0}, 40, 140, 70},
        {{0, 0, 0, 0, 0}, 40, 140, 180},
        {{10, 10, 10, 10, 10}, 100, 4096, 256},
        {{256, 256, 256, 256, 256}, 256, 2, 1}, /* never less than that */
    };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        uint64_t used[CACHES], kept = 0;
        for (size_t i = 0; i < CACHES; i++)
            used[i] = rows[r].used_mib[i] * MIB;
        uint64_t level = qri_cache_level(used, CACHES, rows[r].level_mib * MIB, 256 * MIB,
                                         rows[r].bound_mib * MIB);
        if (level / MIB != rows[r].want_mib && (level + 1) / MIB != rows[r].want_mib)
            fail_msg("row %zu: %ju MiB", r, (uintmax_t)(level / MIB));
        for (size_t i = 0; i < CACHES; i++)
            kept += used[i] < level ? used[i] : level;
        assert_true(kept <= rows[r].bound_mib * MIB || level == QRI_CACHE_LEAST_BYTES);
    }
}

static void test_limits_fall_as_pages_go(void **state)
{
    static const struct {
        uint64_t used, limit, level, want;
    } rows[] = {
        {10, 256, 50, 50},   /* it fits */
        {200, 256, 50, 200}, /* it takes no more */
        {120, 200, 50, 120}, /* some went */
        {150, 120, 50, 120}, /* a writer's, which it had to take: it is not let to grow */
        {50, 120, 50, 50},   /* all went */
        {30, 50, 80, 80},    /* others left some */
        {300, 50, 256, 256},
    };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        assert_int_equal(qri_cache_limit(rows[r].used, rows[r].limit, rows[r].level), rows[r].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels),
                                       cmocka_unit_test(test_limits_fall_as_pages_go)};
    return cmocka_run_group_tests_name("cmd/cache_level", tests, NULL, NULL);
}
