/* Goal: the pieces that everything stands on keep their bounds. */
#include "qr_test.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/large.h"
#include "base/map.h"
#include "base/sqlmsg.h"

static void test_arena_refuses_more_than_its_maximum(void **state)
{
    (void)state;
    struct qr_arena arena;
    qr_arena_init(&arena, 10000);
    assert_non_null(qr_arena_alloc(&arena, 5000));
    assert_null(qr_arena_alloc(&arena, 6000));
    assert_non_null(qr_arena_alloc(&arena, 100));
    qr_arena_done(&arena);
}

static void test_buffer_error_sticks_and_keeps_contents(void **state)
{
    (void)state;
    struct qr_buf buf;
    qr_buf_init(&buf, 8);
    qr_buf_addz(&buf, "12345");
    qr_buf_addz(&buf, "6789");
    qr_buf_addz(&buf, "x");
    assert_int_equal(buf.len, 5);
    assert_int_equal(qr_buf_status(&buf, NULL), QR_TOO_BIG);
    qr_buf_clear(&buf);
    qr_buf_addz(&buf, "12345678");
    assert_string_equal(qr_buf_cstr(&buf), "12345678");
    qr_buf_done(&buf);
}

static size_t counted;

static bool count_in(size_t bytes)
{
    counted += bytes;
    return true;
}

static void count_out(size_t bytes)
{
    counted -= bytes;
}

static void test_a_counted_buffer_counts_what_it_has_also_with_its_nul(void **state)
{
    (void)state;
    struct qr_buf buf;
    qr_large_watch(64, count_in, count_out);
    qr_buf_init_counted(&buf, 1 << 20);
    qr_buf_fill(&buf, 'x', 128);
    assert_int_equal(counted, 128);
    assert_int_equal(strlen(qr_buf_cstr(&buf)), 128);
    assert_int_equal(counted, 129);
    qr_buf_done(&buf);
    assert_int_equal(counted, 0);
    qr_large_watch(0, NULL, NULL);
}

static void test_map_finds_what_was_put_and_not_what_was_removed(void **state)
{
    (void)state;
    struct qr_map map;
    qr_map_init(&map, true);
    static char values[2000];
    char key[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "Key%d", i);
        assert_int_equal(qr_map_put(&map, qr_str(key), &values[i]), QR_OK);
    }
    for (int i = 0; i < 2000; i += 2) {
        snprintf(key, sizeof key, "kEY%d", i);
        assert_ptr_equal(qr_map_remove(&map, qr_str(key)), &values[i]);
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "KEY%d", i);
        assert_ptr_equal(qr_map_get(&map, qr_str(key)), i % 2 == 0 ? NULL : &values[i]);
    }
    assert_int_equal(map.count, 1000);
    qr_map_done(&map);
}

static void test_crc_matches_the_published_vector(void **state)
{
    (void)state;
    assert_int_equal(qr_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(qr_crc32c(qr_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    for (size_t n = 0; n <= 9; n++)
        assert_int_equal(qr_crc32c_join(qr_crc32c(0, "123456789", n),
                                        qr_crc32c(0, &"123456789"[n], 9 - n), 9 - n),
                         0xe3069283u);
    static uint8_t zeros[100000]; /* more bits in the length */
    assert_int_equal(
        qr_crc32c_join(qr_crc32c(0, "12345", 5), qr_crc32c(0, zeros, sizeof zeros), sizeof zeros),
        qr_crc32c(qr_crc32c(0, "12345", 5), zeros, sizeof zeros));
}

static void test_crc_of_the_processor_is_that_of_the_tables(void **state)
{
    enum { BYTES = 5000 };
    static uint8_t bytes[BYTES + 8];
    (void)state;
    for (uint32_t i = 0, x = 1; i < sizeof bytes; i++, x = x * 1664525u + 1013904223u)
        bytes[i] = (uint8_t)(x >> 24);
    for (uint32_t count = 0; count < BYTES; count += count < 900 ? 1 : 13)
        assert_int_equal(qr_crc32c(count, bytes + count % 8, count),
                         qri_crc32c_plain(count, bytes + count % 8, count));
}

static void test_messages_are_sorted_and_format(void **state)
{
    (void)state;
    for (size_t i = 1; i < qr_sqlmsg_count(); i++)
        assert_true(qr_sqlmsg_at(i - 1)->number < qr_sqlmsg_at(i)->number);
    struct qr_err err = {0};
    assert_int_equal(qr_sql_fail(&err, 208, "dbo.nosuch"), QR_SQL);
    assert_string_equal(err.text, "Invalid object name 'dbo.nosuch'.");
    assert_int_equal(err.severity, 16);
}

static void test_wrap_builds_a_chain(void **state)
{
    (void)state;
    struct qr_err err = {0};
    enum qr_status s = qr_fail(&err, QR_IO, "I/O error");
    s = qr_wrap(&err, s, "read footer of '%s'", "x");
    assert_int_equal(s, QR_IO);
    assert_string_equal(err.text, "read footer of 'x': I/O error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_refuses_more_than_its_maximum),
        cmocka_unit_test(test_buffer_error_sticks_and_keeps_contents),
        cmocka_unit_test(test_a_counted_buffer_counts_what_it_has_also_with_its_nul),
        cmocka_unit_test(test_map_finds_what_was_put_and_not_what_was_removed),
        cmocka_unit_test(test_crc_matches_the_published_vector),
        cmocka_unit_test(test_crc_of_the_processor_is_that_of_the_tables),
        cmocka_unit_test(test_messages_are_sorted_and_format),
        cmocka_unit_test(test_wrap_builds_a_chain),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
