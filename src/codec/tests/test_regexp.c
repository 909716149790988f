/* Goal: patterns match as RE2 matches them. Method: rows of pattern, flags, text and all matches
 * with their groups, or the error. */
#include "qr_test.h"
#include "base/buf.h"
#include "codec/regexp.h"

static enum qr_status matches(const char *pattern, unsigned flags, struct qr_str text,
                              struct qr_buf *out, struct qr_err *err)
{
    struct qr_regexp *re = NULL;
    struct qr_regexp_search search;
    struct qr_arena arena;
    bool found = false;
    QR_TRY(qr_regexp_new(qr_str(pattern), flags, &re, err));
    qr_arena_init(&arena, 64 << 20);
    enum qr_status status =
        qr_regexp_search(re, text, 0, qr_regexp_groups(re), &arena, &search, err);
    while (status == QR_OK && (status = qr_regexp_next(&search, &found, err)) == QR_OK && found) {
        for (size_t i = 0; i < search.slots; i += 2) {
            qr_buf_addz(out, i == 0 ? (out->len > 0 ? " [" : "[") : "|");
            if (search.at[i] != QR_REGEXP_NONE)
                qr_buf_add(out, text.p + search.at[i], (size_t)(search.at[i + 1] - search.at[i]));
            else
                qr_buf_addz(out, "-");
        }
        qr_buf_addz(out, "]");
    }
    qr_arena_done(&arena);
    qr_regexp_free(re);
    return status;
}

static const struct row {
    const char *pattern;
    unsigned flags;
    const char *text, *want;
} rows[] = {
    /* clang-format off */
    {"a+", 0, "caaat aa", "[aaa] [aa]"},
    {"a+?", 0, "caat", "[a] [a]"},
    {"", 0, "ab", "[] [] []"},
    {"x*", 0, "axb", "[] [x] []"},
    {"a|ab", 0, "ab", "[a]"},
    {"(a|ab)(c|bcd)(d*)", 0, "abcd", "[abcd|a|bcd|]"},
    {"(?:a|ab)(?:c|bcd)$", 0, "abcd", "[abcd]"},
    {"(a+)(b)?", 0, "aab a", "[aab|aa|b] [a|a|-]"},
    {"(?P<first>\\w)(?<second>\\w)", 0, "abc", "[ab|a|b]"},
    {"^a", 0, "a\na", "[a]"},
    {"^a", QR_REGEXP_MULTILINE, "a\na", "[a] [a]"},
    {"a$", 0, "a\na\n", ""},
    {"(?m)a$", 0, "a\na\n", "[a] [a]"},
    {"a.b", 0, "a\nb a\rb", "[a\rb]"},
    {"a.b", QR_REGEXP_DOT_NL, "a\nb", "[a\nb]"},
    {"(?s)a.b(?-s).", 0, "a\nb\na\nbc", "[a\nbc]"},
    {"\\Aa\\z", 0, "a", "[a]"},
    {"\\bfoo\\b", 0, "foo food a_foo foo", "[foo] [foo]"},
    {"\\Boo", 0, "oo foo", "[oo]"},
    {"abc", QR_REGEXP_FOLD, "ABC aBc", "[ABC] [aBc]"},
    {"(?i)a(?-i)b", 0, "AB Ab", "[Ab]"},
    {"[a-z]+", QR_REGEXP_FOLD, "Ab\xc3\x89", "[Ab]"},
    {"[^a-z]", QR_REGEXP_FOLD, "aB1", "[1]"},
    {"\xc3\xa9", QR_REGEXP_FOLD, "\xc3\x89", "[\xc3\x89]"},
    {"k", QR_REGEXP_FOLD, "\xe2\x84\xaa", "[\xe2\x84\xaa]"},
    {"a{2,3}", 0, "aaaaa", "[aaa] [aa]"},
    {"a{2,}?", 0, "aaaaa", "[aa] [aa]"},
    {"a{2}", 0, "aaaaa", "[aa] [aa]"},
    {"a{,2}", 0, "a{,2}", "[a{,2}]"},
    {"a{01}", 0, "a{01}", "[a{01}]"},
    {"(a*)*", 0, "aab", "[aa|aa] [|]"},
    {"(|a)*", 0, "aa", "[|] [|] [|]"},
    {"(|a)+", 0, "aa", "[|] [|] [|]"},
    {"(a*)+$", 0, "baa", "[aa|aa]"},
    {"(?U)a+", 0, "aa", "[a] [a]"},
    {"(?U)a+?", 0, "aa", "[aa]"},
    {"[[:alpha:]_]+", 0, "1ab_2", "[ab_]"},
    {"[[:^alpha:]]+", 0, "ab12", "[12]"},
    {"[]a]+", 0, "a]b", "[a]]"},
    {"[a\\]\\-z]+", 0, "a]-b", "[a]-]"},
    {"[a-]+", 0, "a-b", "[a-]"},
    {"[\\d.]+", 0, "v1.2", "[1.2]"},
    {"[^\\d]", 0, "1a", "[a]"},
    {"\\D\\S\\W", 0, "ab-", "[ab-]"},
    {"\\pL+", 0, "1\xc3\xa9z2", "[\xc3\xa9z]"},
    {"\\p{Greek}", 0, "a\xce\xb1", "[\xce\xb1]"},
    {"\\P{L}\\p{^Lu}", 0, "a1b", "[1b]"},
    {"\\p{So}", 0, "a\xf0\x9f\x98\x80", "[\xf0\x9f\x98\x80]"},
    {"\\x{1F600}\\x41\\101\\0", 0, "\xf0\x9f\x98\x80""AA", ""},
    {"\\x{1F600}\\x41\\101", 0, "\xf0\x9f\x98\x80""AA", "[\xf0\x9f\x98\x80""AA]"},
    {"\\Qa.b\\E+", 0, "axb a.bb", "[a.bb]"},
    {"\\Q(", 0, "(", "[(]"},
    {"\\t\\.\\_", 0, "\t._", "[\t._]"},
    {".", 0, "\xf0\x9f\x98\x80""b", "[\xf0\x9f\x98\x80] [b]"},
    {"^*a", 0, "a", "[a]"},
    {"a{0,1000}", 0, "aaa", "[aaa]"},
    /* what RE2 has not, and what is no pattern */
    {"a(?=b)", 0, "", "invalid perl operator: (?="},
    {"a(?!b)", 0, "", "invalid perl operator: (?!"},
    {"(?<=a)b", 0, "", "invalid perl operator: (?<="},
    {"(?<!a)b", 0, "", "invalid perl operator: (?<!"},
    {"(?>a)", 0, "", "invalid perl operator: (?>"},
    {"(a)\\1", 0, "", "invalid escape sequence: \\1"},
    {"\\Z", 0, "", "invalid escape sequence: \\Z"},
    {"\\k<a>", 0, "", "invalid escape sequence: \\k"},
    {"\\xZ", 0, "", "invalid escape sequence: \\x"},
    {"*", 0, "", "no argument for repetition operator: *"},
    {"a|+?", 0, "", "no argument for repetition operator: +?"},
    {"(?i)*", 0, "", "no argument for repetition operator: *"},
    {"a**", 0, "", "bad repetition operator: **"},
    {"a{2}*", 0, "", "bad repetition operator: {2}*"},
    {"a{2,1}", 0, "", "invalid repetition size: {2,1}"},
    {"a{1001}", 0, "", "invalid repetition size: {1001}"},
    {"(a{100}){11}", 0, "", "invalid repetition size: {11}"},
    {"[z-a]", 0, "", "invalid character class range: z-a"},
    {"[[:foo:]]", 0, "", "invalid character class range: [:foo:]"},
    {"\\p{Foo}", 0, "", "invalid character class range: \\p{Foo}"},
    {"(?P<a>x)(?P<a>y)", 0, "", "invalid named capture group: (?P<a"},
    {"((\\pL|b){30}c|d){30}", 0, "", ""},
    {"(", 0, "", "Missing ')' in the Pattern (."},
    {"(?i", 0, "", "Missing ')' in the Pattern (?i."},
    {"[a", 0, "", "Missing ']' in the Pattern [a."},
    {")", 0, "", "Encountered an unexpected ')' in the Pattern )."},
    {"a\\", 0, "", "Invalid trailing backslash (\\) provided at the end of the Pattern a\\."},
    /* clang-format on */
};

static void test_patterns_find_what_re2_finds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_buf out;
        struct qr_err err = {0};
        qr_buf_init(&out, 1 << 20);
        enum qr_status status =
            matches(rows[i].pattern, rows[i].flags, qr_str(rows[i].text), &out, &err);
        const char *got = status == QR_OK ? qr_buf_cstr(&out) : err.text;
        bool good = status == QR_OK ? strcmp(got, rows[i].want) == 0
                                    : *rows[i].want != '\0' && strstr(got, rows[i].want) != NULL;
        if (!good)
            print_error("%s on '%s': %s\n", rows[i].pattern, rows[i].text, got);
        assert_true(good);
        qr_buf_done(&out);
    }
}

/* What takes a backtracking engine 2^n steps takes this one n times the pattern's length. */
static void test_no_pattern_runs_wild(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+$", "(a*)*b", "(.*a){20}$"};
    static char text[20001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 'X';
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct qr_buf out;
        struct qr_err err = {0};
        qr_buf_init(&out, 1 << 20);
        assert_int_equal(matches(patterns[i], 0, qr_str_n(text, sizeof text), &out, &err), QR_OK);
        assert_string_equal(qr_buf_cstr(&out), "");
        qr_buf_done(&out);
    }
}

static enum qr_status refuse(void *arg, struct qr_err *err)
{
    (*(int *)arg)++;
    return qr_fail(err, QR_CANCELLED, "stop");
}

static void test_a_long_search_asks_whether_to_go_on(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct qr_regexp *re = NULL;
    struct qr_regexp_search search;
    struct qr_arena arena;
    bool found;
    int asked = 0;
    memset(text, 'a', sizeof text);
    qr_arena_init(&arena, 1 << 20);
    assert_int_equal(qr_regexp_new(qr_str("a*b"), 0, &re, NULL), QR_OK);
    assert_int_equal(qr_regexp_search(re, qr_str_n(text, sizeof text), 0, 0, &arena, &search, NULL),
                     QR_OK);
    search.poll = refuse;
    search.poll_arg = &asked;
    assert_int_equal(qr_regexp_next(&search, &found, NULL), QR_CANCELLED);
    assert_int_equal(asked, 1);
    qr_arena_done(&arena);
    qr_regexp_free(re);
}

static void test_a_cache_keeps_what_was_used_last(void **state)
{
    (void)state;
    struct qr_regexp_cache cache = {0};
    const struct qr_regexp *first = NULL, *again = NULL, *other = NULL;
    assert_int_equal(qr_regexp_cached(&cache, qr_str("a"), 0, &first, NULL), QR_OK);
    assert_int_equal(qr_regexp_cached(&cache, qr_str("a"), QR_REGEXP_FOLD, &other, NULL), QR_OK);
    assert_ptr_not_equal(first, other);
    for (const char *ch = "bcdefghijklmnopqrstuvwxyz"; *ch != '\0'; ch++) {
        assert_int_equal(qr_regexp_cached(&cache, qr_str_n(ch, 1), 0, &other, NULL), QR_OK);
        assert_int_equal(qr_regexp_cached(&cache, qr_str("a"), 0, &again, NULL), QR_OK);
        assert_ptr_equal(first, again);
    }
    qr_regexp_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_find_what_re2_finds),
        cmocka_unit_test(test_no_pattern_runs_wild),
        cmocka_unit_test(test_a_long_search_asks_whether_to_go_on),
        cmocka_unit_test(test_a_cache_keeps_what_was_used_last),
    };
    return cmocka_run_group_tests_name("codec/regexp", tests, NULL, NULL);
}
