/* Goal: text survives UTF-16 and code pages, and positions count UTF-16 units. */
#include "qr_test.h"
#include "codec/codepage.h"
#include "codec/utf.h"

#define LONE_HIGH "\xed\xa0\xbd" /* U+D83D */
#define LONE_LOW "\xed\xb8\x80"  /* U+DE00 */
#define SMILE "\xf0\x9f\x98\x80" /* U+1F600, the pair of both */

static struct qr_arena arena;

static int setup(void **state)
{
    (void)state;
    qr_arena_init(&arena, 1 << 22);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    qr_arena_done(&arena);
    return 0;
}

static void test_every_utf16_unit_survives_a_round_trip(void **state)
{
    (void)state;
    uint8_t wire[2 * 65536 + 16], back[2 * 65536 + 16];
    char *utf8 = qr_arena_alloc(&arena, 3 * 65536 + 64);
    for (unsigned i = 0; i < 65536; i++) { /* downwards: no high half stands before a low one */
        wire[2 * i] = (uint8_t)(65535 - i);
        wire[2 * i + 1] = (uint8_t)((65535 - i) >> 8);
    }
    size_t n = qr_utf8_from_utf16le(wire, 65536, utf8);
    struct qr_str text = {utf8, n};
    assert_true(qr_utf_valid(text));
    assert_int_equal(qr_utf16_units(text), 65536);
    assert_int_equal(qr_utf16le_from_utf8(text, back), 65536);
    assert_memory_equal(wire, back, 2 * 65536);
    /* Upwards the last high half and the first low one join, and come apart again. */
    for (unsigned i = 0; i < 65536; i++) {
        wire[2 * i] = (uint8_t)i;
        wire[2 * i + 1] = (uint8_t)(i >> 8);
    }
    n = qr_utf8_from_utf16le(wire, 65536, utf8);
    assert_int_equal(qr_utf16le_from_utf8((struct qr_str){utf8, n}, back), 65536);
    assert_memory_equal(wire, back, 2 * 65536);
}

static void test_supplementary_characters_are_pairs(void **state)
{
    (void)state;
    uint8_t wire[] = {0x3d, 0xd8, 0x00, 0xde, 'a', 0};
    char utf8[16];
    assert_int_equal(qr_utf8_from_utf16le(wire, 3, utf8), 5);
    assert_memory_equal(utf8, SMILE "a", 5);
    assert_int_equal(qr_utf16_units(qr_str(SMILE "a")), 3);
}

static void test_malformed_bytes_are_told(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "a\xe2\x82",
                                      "\xff",
                                      (LONE_HIGH LONE_LOW)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(qr_utf_valid(qr_str(bad[i])));
    assert_true(qr_utf_valid(qr_str(LONE_LOW LONE_HIGH "x")));
    assert_true(qr_utf_valid(qr_str_n("a\0b", 3)));
    uint8_t wire[64];
    assert_int_equal(qr_utf16le_from_utf8(qr_str("a\xff\x80z"), wire), 4);
    assert_int_equal(wire[2], 0xfd);
    assert_int_equal(wire[3], 0xff);
}

static void test_substrings_count_units_and_may_cut_a_pair(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t from, units;
        const char *want;
    } rows[] = {
        {"hello", 1, 3, "ell"},
        {"hello", 4, 9, "o"},
        {"hello", 9, 2, ""},
        {"h\xc3\xa9llo", 1, 2, "\xc3\xa9l"},
        {"a" SMILE "b", 1, 2, SMILE},
        {"a" SMILE "b", 1, 1, LONE_HIGH},
        {"a" SMILE "b", 2, 1, LONE_LOW},
        {"a" SMILE "b", 2, 2, LONE_LOW "b"},
        {"a" SMILE "b", 3, 1, "b"},
        {"a" SMILE "b", 0, 2, "a" LONE_HIGH},
        {SMILE SMILE, 1, 2, LONE_LOW LONE_HIGH},
        {"abc", 1, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_str got;
        assert_int_equal(
            qr_utf_substr(qr_str(rows[i].text), rows[i].from, rows[i].units, &arena, &got), QR_OK);
        if (!qr_str_eq(got, qr_str(rows[i].want)))
            fail_msg("row %zu: got '%.*s'", i, (int)got.n, got.p);
    }
    struct qr_str joined;
    assert_int_equal(qr_utf_join(&arena, qr_str("a" LONE_HIGH), qr_str(LONE_LOW "b"), &joined),
                     QR_OK);
    assert_true(qr_str_eq(joined, qr_str("a" SMILE "b")));
    assert_int_equal(qr_utf_join(&arena, qr_str("ab"), qr_str("cd"), &joined), QR_OK);
    assert_true(qr_str_eq(joined, qr_str("abcd")));
    assert_int_equal(qr_utf_prefix(qr_str("a" SMILE "b"), 2), 1);
    assert_int_equal(qr_utf_prefix(qr_str("a" SMILE "b"), 3), 5);
    assert_int_equal(qr_utf_byte_of_unit(qr_str("\xc3\xa9"
                                                "ab"),
                                         2),
                     3);
}

static void test_case_maps_one_to_one(void **state)
{
    (void)state;
    static const struct {
        const char *text, *upper, *lower;
    } rows[] = {
        {"abcXYZ19", "ABCXYZ19", "abcxyz19"},
        {"stra\xc3\x9f"
         "e \xc3\xbf",
         "STRA\xc3\x9f"
         "E \xc5\xb8",
         "stra\xc3\x9f"
         "e \xc3\xbf"},
        {"\xce\xb1\xce\xa9", "\xce\x91\xce\xa9", "\xce\xb1\xcf\x89"},
        {"\xd0\xb6\xd0\x96", "\xd0\x96\xd0\x96", "\xd0\xb6\xd0\xb6"},
        {"\xc2\xb5", "\xc2\xb5", "\xc2\xb5"},
        {"\xf0\x90\x90\xa8", "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"},
        {"z\xff", "Z\xff", "z\xff"},
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[64];
        size_t n = qr_utf_upper(qr_str(rows[i].text), out);
        assert_true(qr_str_eq((struct qr_str){out, n}, qr_str(rows[i].upper)));
        n = qr_utf_lower(qr_str(rows[i].text), out);
        assert_true(qr_str_eq((struct qr_str){out, n}, qr_str(rows[i].lower)));
    }
}

static void test_every_byte_of_every_page_survives(void **state)
{
    (void)state;
    static const uint16_t ids[] = {437,  850,  874,  1250, 1251, 1252,
                                   1253, 1254, 1255, 1256, 1257, 1258};
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
        uint8_t bytes[256], back[1024];
        char utf8[1024];
        for (int i = 0; i < 256; i++)
            bytes[i] = (uint8_t)i;
        assert_true(qr_codepage_known(ids[k]));
        struct qr_str text = {utf8, qr_codepage_decode(ids[k], bytes, 256, utf8)};
        assert_int_equal(qr_codepage_length(ids[k], text), 256);
        assert_true(qr_codepage_has(ids[k], text));
        assert_int_equal(qr_codepage_encode(ids[k], text, back), 256);
        assert_memory_equal(bytes, back, 256);
    }
    assert_false(qr_codepage_known(12345));
}

static void test_what_a_page_lacks_is_fitted_or_a_question_mark(void **state)
{
    (void)state;
    static const struct {
        uint16_t page;
        const char *text, *want;
    } rows[] = {
        {1252, "caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
        {1252, "\xc4\x81\xce\xa9\xef\xbc\xa1", "aOA"},
        {1252, "\xd0\x96\xe4\xb8\xad", "??"},
        {1252, SMILE, "??"},
        {1251, "\xd0\x96\xc3\xa9", "\xd0\x96?"},
        {936, "\xe4\xb8\xad\xe2\x82\xac\xc3\xa9\xd0\x96",
         "\xe4\xb8\xad\xe2\x82\xac\xc3\xa9\xd0\x96"},
        {932, "\xe3\x81\x82\xef\xbd\xb1\xc3\x9f", "\xe3\x81\x82\xef\xbd\xb1?"},
        {949, "\xed\x95\x9c" SMILE, "\xed\x95\x9c??"},
        {65001, SMILE "\xe4\xb8\xad", SMILE "\xe4\xb8\xad"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_str got;
        assert_int_equal(qr_codepage_fit(rows[i].page, qr_str(rows[i].text), &arena, &got), QR_OK);
        if (!qr_str_eq(got, qr_str(rows[i].want)))
            fail_msg("row %zu: got '%.*s'", i, (int)got.n, got.p);
    }
    assert_int_equal(qr_codepage_first_byte(1252, qr_str("\xe2\x82\xac")), 0x80);
    assert_int_equal(qr_codepage_first_byte(1252, qr_str("")), -1);
    /* Double-byte pages count two bytes a character and never split one. */
    struct qr_str chinese = qr_str("a\xe4\xb8\xad\xe6\x96\x87z");
    uint8_t bytes[16];
    static const uint8_t gbk[] = {'a', 0xd6, 0xd0, 0xce, 0xc4, 'z'};
    assert_int_equal(qr_codepage_length(936, chinese), 6);
    assert_int_equal(qr_codepage_encode(936, chinese, bytes), 6);
    assert_memory_equal(bytes, gbk, 6);
    char utf8[32];
    assert_int_equal(qr_codepage_decode(936, gbk, 6, utf8), chinese.n);
    assert_memory_equal(utf8, chinese.p, chinese.n);
    assert_int_equal(qr_codepage_decode(936, gbk, 2, utf8), 4); /* a lead byte alone: U+FFFD */
    assert_int_equal(qr_codepage_prefix(936, chinese, 4), 4);
    assert_int_equal(qr_codepage_prefix(936, chinese, 5), 7);
    assert_int_equal(qr_codepage_first_byte(936, qr_str("\xe4\xb8\xad")), 0xd6);
    char one[4];
    assert_int_equal(qr_codepage_char(1252, 0x80, one), 3);
    assert_int_equal(qr_codepage_prefix(1252, qr_str("\xc3\xa9\xc3\xa9z"), 2), 4);
    assert_int_equal(qr_codepage_prefix(65001, qr_str("\xc3\xa9\xc3\xa9z"), 3), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_utf16_unit_survives_a_round_trip),
        cmocka_unit_test(test_supplementary_characters_are_pairs),
        cmocka_unit_test(test_malformed_bytes_are_told),
        cmocka_unit_test(test_substrings_count_units_and_may_cut_a_pair),
        cmocka_unit_test(test_case_maps_one_to_one),
        cmocka_unit_test(test_every_byte_of_every_page_survives),
        cmocka_unit_test(test_what_a_page_lacks_is_fitted_or_a_question_mark),
    };
    return cmocka_run_group_tests_name("codec/text", tests, setup, teardown);
}
