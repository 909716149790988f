/* Goal: the orders are total, agree with their keys and hashes, and LIKE follows them. */
#include "qr_test.h"
#include "codec/collation.h"
#include "codec/utf.h"
#include "order_int.h"

#define CI QR_ORDER_UNI_CI_AS
#define CS QR_ORDER_UNI_CS_AS
#define AI QR_ORDER_UNI_CI_AI
#define CSAI QR_ORDER_UNI_CS_AI
#define VCI QR_ORDER_SQL_CI_AS
#define VCS QR_ORDER_SQL_CS_AS
#define VAI QR_ORDER_SQL_CI_AI
#define BIN QR_ORDER_BIN2

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void test_weights_are_those_of_this_version(void **state)
{
    (void)state;
    /* Indexes on disk are ordered by them: another digest needs a new QR_COLLATION_TABLE_VERSION
     * and a rebuild of indexes. */
    assert_int_equal(QR_COLLATION_TABLE_VERSION, 1);
    assert_string_equal(qri_weights_digest(), "d953826fb690e5dd");
}

static const struct {
    int order;
    const char *a, *b;
    int want;
} pair_rows[] = {
    {CI, "abc", "ABC", 0},
    {CI, "abc", "abd", -1},
    {CI, "abc", "abc   ", 0},
    {CI, "abc", "abcd", -1},
    {CI, "", "  ", 0},
    {CI, "", "a", -1},
    {CI, "a b", "ab", -1},
    {CI, "\xc3\xa9", "e", 1},
    {CI, "\xc3\xa9", "\xc3\x89", 0},
    {CI, "\xc3\xa9", "f", -1},
    {CI, "\xc3\xa9t\xc3\xa9", "ete", 1},
    {CI, "etf", "\xc3\xa9te", 1},
    {CI, "e\xcc\x81", "\xc3\xa9", 0},
    {CI,
     "stra\xc3\x9f"
     "e",
     "STRASSE", 0},
    {CI, "\xc3\xa6", "ae", 0},
    {CI, "\xc3\xa6", "AF", -1},
    {CI, "co-op", "coop", 1},
    {CI, "co-op", "coor", -1},
    {CI, "co-op", "co-op", 0},
    {CI, "it's", "its", 1},
    {CI, "-", "", 1},
    {CI, "_a", "a", -1},
    {CI, "1", "a", -1},
    {CI, "!", "1", -1},
    {CI, "Z", "a", 1},
    {CI, "\xef\xbc\xa1", "a", 0},            /* full width A */
    {CI, "\xe3\x82\xa2", "\xe3\x81\x82", 0}, /* katakana, hiragana */
    {CI, "\xe4\xb8\xad", "z", 1},
    {CI, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81", -1},
    {CI, "\xce\xb1", "z", 1},
    {CI, "\xd0\xb0", "\xce\xb1", 1},
    {CI, "\xd0\x96", "\xd0\xb6", 0},
    {CS, "abc", "ABC", -1},
    {CS, "abc", "ABD", -1},
    {CS, "a", "a ", 0},
    {CS, "\xc3\xa9", "E", 1},
    {CSAI, "\xc3\xa9", "e", 0},
    {CSAI, "\xc3\xa9", "E", -1},
    {AI, "\xc3\xa9", "E", 0},
    {AI, "\xc3\xb8", "o", 0},
    {AI, "a", "b", -1},
    {VCI, "abc", "ABC", 0},
    {VCI, "abc", "abc ", 0},
    {VCI, "\xc3\xa9", "e", 1},
    {VCI, "\xc3\xa9", "\xc3\x89", 0},
    {VCI, "\xc3\xa9", "f", -1},
    {VCI, "co-op", "coop", -1},
    {VCI, "\xc3\x9f", "ss", 1},
    {VCI, "\xc3\xa6", "ae", 1},
    {VCI, "_", "a", -1},
    {VCI, "~", "1", -1},
    {VCI, "1", "a", -1},
    {VCS, "A", "a", -1},
    {VCS, "a", "B", -1},
    {VAI, "\xc3\xa9", "E", 0},
    {BIN, "A", "a", -1},
    {BIN, "a", "B", 1},
    {BIN, "a", "a  ", 0},
    {BIN, "a", "a\x01", -1},
};

static void test_pairs_compare_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pair_rows / sizeof pair_rows[0]; i++) {
        enum qr_order order = (enum qr_order)pair_rows[i].order;
        int got = sign(qr_order_compare(order, qr_str(pair_rows[i].a), qr_str(pair_rows[i].b)));
        if (got != pair_rows[i].want)
            fail_msg("order %d: '%s' with '%s': %d, want %d", pair_rows[i].order, pair_rows[i].a,
                     pair_rows[i].b, got, pair_rows[i].want);
        assert_int_equal(qr_order_equal(order, qr_str(pair_rows[i].a), qr_str(pair_rows[i].b)),
                         pair_rows[i].want == 0);
    }
}

/* Words over an alphabet that has every kind of weight. */
static size_t make_word(unsigned seed, char *dst)
{
    static const char *const letters[] = {
        "a",        "A",        "b", "-",        "'",    " ", "\xc3\xa9",     "e",
        "\xcc\x81", "\xc3\x9f", "s", "\xc3\xa6", "\x01", "1", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"};
    size_t n = 0;
    for (; seed != 0; seed /= 17) {
        if (seed % 17 == 0)
            continue;
        size_t len = strlen(letters[seed % 17 - 1]);
        memcpy(dst + n, letters[seed % 17 - 1], len);
        n += len;
    }
    return n;
}

static void test_compare_hash_and_key_agree(void **state)
{
    (void)state;
    unsigned seed = 12345;
    for (int order = 0; order < QR_ORDER_COUNT; order++) {
        enum qr_order o = (enum qr_order)order;
        for (int i = 0; i < 60000; i++) {
            char a[64], b[64];
            uint8_t ka[1024], kb[1024];
            seed = seed * 1664525u + 1013904223u;
            struct qr_str x = {a, make_word((seed >> 8) % 83521, a)};
            seed = seed * 1664525u + 1013904223u;
            struct qr_str y = {b, make_word((seed >> 8) % 83521, b)};
            int c = sign(qr_order_compare(o, x, y));
            assert_int_equal(sign(qr_order_compare(o, y, x)), -c);
            size_t na = qr_order_key(o, x, ka), nb = qr_order_key(o, y, kb);
            int k = sign(memcmp(ka, kb, na < nb ? na : nb));
            if (k == 0)
                k = (na > nb) - (na < nb);
            if (c != k)
                fail_msg("order %d: '%.*s' with '%.*s': compare %d, key %d", order, (int)x.n, x.p,
                         (int)y.n, y.p, c, k);
            if (c == 0)
                assert_true(qr_order_hash(o, x, 7) == qr_order_hash(o, y, 7));
        }
    }
}

static const struct {
    int order;
    bool national;
    const char *text, *pattern;
    uint32_t escape;
    bool want;
} like_rows[] = {
    {CI, true, "abc", "ABC", 0, true},
    {CI, true, "abc", "a%", 0, true},
    {CI, true, "abc", "%c", 0, true},
    {CI, true, "abc", "%b%", 0, true},
    {CI, true, "abc", "a_c", 0, true},
    {CI, true, "abc", "a_", 0, false},
    {CI, true, "abc", "%", 0, true},
    {CI, true, "", "%", 0, true},
    {CI, true, "", "", 0, true},
    {CI, true, "a", "", 0, false},
    {CI, true, "abc", "[a-c]bc", 0, true},
    {CI, true, "abc", "[^a]bc", 0, false},
    {CI, true, "xbc", "[^a]bc", 0, true},
    {CI, true, "Bbc", "[a-c]bc", 0, true},
    {CI, true, "5%", "5[%]", 0, true},
    {CI, true, "55", "5[%]", 0, false},
    {CI, true, "_n", "[_]n", 0, true},
    {CI, true, "a-b", "a[-x]b", 0, true},
    {CI, true, "[", "[[]", 0, true},
    {CI, true, "]", "]", 0, true},
    {CI, true, "abc_d", "abc!_d", '!', true},
    {CI, true, "abcxd", "abc!_d", '!', false},
    {CI, true, "50%", "%!%", '!', true},
    {CI, true, "50%", "50!%%", '!', true},
    {CI, true, "a", "[a", 0, false},
    {CI, true, "a!", "a!", '!', false},
    {CI, true, "a]", "[!]a]]", '!', true},
    {CI, true, "abc ", "abc", 0, false},
    {CI, false, "abc ", "abc", 0, true},
    {CI, true, "abc", "abc ", 0, false},
    {CI, false, "abc", "abc ", 0, false},
    {CI, false, "abc  ", "%c", 0, true},
    {CI, true, "caf\xc3\xa9", "caf_", 0, true},
    {CI, true, "caf\xc3\xa9", "CAF\xc3\x89", 0, true},
    {CI, true, "caf\xc3\xa9", "cafe", 0, false},
    {AI, true, "caf\xc3\xa9", "cafe", 0, true},
    {CS, true, "abc", "ABC", 0, false},
    {CS, true, "abc", "[A-B]bc", 0, false},
    {VCI, false, "Abc", "a%C", 0, true},
    {BIN, true, "abc", "A%", 0, false},
    {BIN, true, "abc", "[a-c]%", 0, true},
    {BIN, true, "Abc", "[a-c]%", 0, false},
    {CI, true, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "%a%a%a%a%a%a%a%c", 0, false},
    {CI, true, "co-op", "co-op", 0, true},
    {CI, true, "coop", "co-op", 0, false},
    {CI, true, "line1\nline2", "%1%2", 0, true},
    {AI, true,
     "shaEp\xc3\xa9"
     "D",
     "%\xc3\x86%e%", 0, true},
    {CI, true,
     "stra\xc3\x9f"
     "e",
     "STRASSE", 0, true},
    {CI, true, "strasse", "stra\xc3\x9f_", 0, true},
    {CI, true,
     "stra\xc3\x9f"
     "e",
     "stra_e", 0, true},
    {VCI, false, "strasse",
     "stra\xc3\x9f"
     "e",
     0, false},
};

static void test_like_matches_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof like_rows / sizeof like_rows[0]; i++) {
        bool got =
            qr_like((enum qr_order)like_rows[i].order, like_rows[i].national,
                    qr_str(like_rows[i].text), qr_str(like_rows[i].pattern), like_rows[i].escape);
        if (got != like_rows[i].want)
            fail_msg("'%s' like '%s': %d", like_rows[i].text, like_rows[i].pattern, got);
    }
}

static void test_patindex_and_search_find_the_first_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pattern;
        int want;
    } rows[] = {
        {"interesting data", "%ter%", 2},
        {"xxabcabc", "%abc%", 2},
        {"abc", "abc", 0},
        {"xabc", "abc%", -1},
        {"xabc", "%abc", 1},
        {"a1b2", "%[0-9]%", 1},
        {"aaab", "%a%b", 0},
        {"zab", "%a%b%", 1},
        {"abc", "%x%", -1},
        {"abcabd", "%abd", 3},
        {"abc", "%", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t at = 0;
        bool found = qr_like_index(CI, true, qr_str(rows[i].text), qr_str(rows[i].pattern), &at);
        if ((found ? (int)at : -1) != rows[i].want)
            fail_msg("'%s' in '%s': %d %zu", rows[i].pattern, rows[i].text, found, at);
    }
    size_t at, n;
    assert_true(qr_order_search(CI, qr_str("Hello World"), qr_str("WORLD"), 0, &at, &n));
    assert_int_equal(at, 6);
    assert_int_equal(n, 5);
    assert_true(qr_order_search(CI, qr_str("xx\xc3\x89z"), qr_str("\xc3\xa9"), 1, &at, &n));
    assert_int_equal(at, 2);
    assert_int_equal(n, 2);
    assert_true(qr_order_search(CI, qr_str("aab"), qr_str("ab"), 0, &at, &n));
    assert_int_equal(at, 1);
    assert_false(qr_order_search(CI, qr_str("abc"), qr_str("abcd"), 0, &at, &n));
    assert_false(qr_order_search(BIN, qr_str("abc"), qr_str("B"), 0, &at, &n));
    assert_false(qr_order_search(CI, qr_str("abc"), qr_str(""), 0, &at, &n));
}

static void test_like_prefix_is_literal(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        uint32_t escape;
        const char *prefix;
        bool exact;
    } rows[] = {
        {"abc%", 0, "abc", true},   {"abc", 0, "abc", false},  {"%abc", 0, "", false},
        {"a_c%", 0, "a", false},    {"a[bc]%", 0, "a", false}, {"a!%b%", '!', "a%b", true},
        {"abc%d", 0, "abc", false}, {"%", 0, "", true},
    };
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_str prefix;
        bool exact;
        assert_int_equal(
            qr_like_prefix(qr_str(rows[i].pattern), rows[i].escape, &arena, &prefix, &exact),
            QR_OK);
        assert_true(qr_str_eq(prefix, qr_str(rows[i].prefix)));
        assert_int_equal(exact, rows[i].exact);
    }
    qr_arena_done(&arena);
}

static void test_names_and_wire_bytes_find_collations(void **state)
{
    (void)state;
    int count = 0;
    for (uint16_t id = qr_collation_next(0); id != 0; id = qr_collation_next(id)) {
        count++;
        const struct qr_collation *c = qr_collation_get(id);
        assert_int_equal(c->id, id);
        assert_ptr_equal(qr_collation_find(qr_str(c->name)), c);
        const struct qr_collation *back = qr_collation_by_tds(c->tds);
        assert_memory_equal(back->tds, c->tds, 5);
        assert_int_equal(back->order[1], c->order[1]);
    }
    assert_true(count > 800);
    assert_null(qr_collation_get(0));
    assert_null(qr_collation_get(UINT16_MAX));
    assert_int_equal(qr_collation_find(qr_str("chinese_prc_ci_as"))->code_page, 936);
    assert_null(qr_collation_find(qr_str("nosuch")));
    assert_int_equal(qr_collation_find(qr_str("sql_latin1_general_cp1_ci_as"))->id, 1);
    static const uint8_t wire[5] = {0x09, 0x04, 0xd0, 0x00, 0x34};
    assert_int_equal(qr_collation_by_tds(wire)->id, QR_COLLATION_DEFAULT);
}

static void test_labels_follow_collation_precedence(void **state)
{
    (void)state;
    const struct qr_collation_use x_explicit = {QR_LABEL_EXPLICIT, 1},
                                  y_explicit = {QR_LABEL_EXPLICIT, 4};
    const struct qr_collation_use x = {QR_LABEL_IMPLICIT, 1}, y = {QR_LABEL_IMPLICIT, 4};
    const struct qr_collation_use weak = {QR_LABEL_COERCIBLE_DEFAULT, 1};
    struct qr_collation_use got;
    struct qr_err err = {0};
    assert_int_equal(qr_collation_mix(x_explicit, y_explicit, "equal to", &got, &err), QR_SQL);
    assert_int_equal(err.number, 468);
    assert_int_equal(qr_collation_mix(x_explicit, y, "equal to", &got, &err), QR_OK);
    assert_int_equal(got.collation, 1);
    assert_int_equal(qr_collation_mix(weak, y, "equal to", &got, &err), QR_OK);
    assert_int_equal(got.collation, 4);
    assert_int_equal(got.label, QR_LABEL_IMPLICIT);
    assert_int_equal(qr_collation_mix(x, y, "add", &got, &err), QR_OK);
    assert_int_equal(got.label, QR_LABEL_NO_COLLATION);
    assert_int_equal(qr_collation_need(x, y, "equal to", &err), QR_SQL);
    assert_string_equal(err.text,
                        "Cannot resolve the collation conflict between \"Latin1_General_CI_AS\" "
                        "and \"SQL_Latin1_General_CP1_CI_AS\" in the equal to operation.");
    assert_int_equal(qr_collation_need(got, weak, "equal to", &err), QR_SQL);
    assert_int_equal(err.number, 446);
    assert_int_equal(qr_collation_need(got, y_explicit, "equal to", &err), QR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_those_of_this_version),
        cmocka_unit_test(test_pairs_compare_as_documented),
        cmocka_unit_test(test_compare_hash_and_key_agree),
        cmocka_unit_test(test_like_matches_as_documented),
        cmocka_unit_test(test_patindex_and_search_find_the_first_place),
        cmocka_unit_test(test_like_prefix_is_literal),
        cmocka_unit_test(test_names_and_wire_bytes_find_collations),
        cmocka_unit_test(test_labels_follow_collation_precedence),
    };
    return cmocka_run_group_tests_name("codec/collation", tests, NULL, NULL);
}
