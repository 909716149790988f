/* Goal: errors are SQL Server's with the right line, and hostile text costs bounded stack, memory
 * and time. */
#include "parse_test.h"
#include <stdlib.h>
#include <time.h>
#include "base/buf.h"

static void test_errors_have_the_number_line_and_text_of_sql_server(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {"select 1 +", 102, 1, "near '+'"},
        {"select\n  1\nfrom", 156, 3, "keyword 'from'"},
        {"select * form t where a = 1", 102, 1, "near 'form'"},
        {"select 1\nselect * from where a = 1", 156, 2, "keyword 'where'"},
        {"SELECT 1 FROM t WHERE a = 'abc", 105, 1,
         "Unclosed quotation mark after the character "
         "string 'abc'."},
        {"select 1 /* a\nb", 113, 1, "Missing end comment mark"},
        {"select [abc", 105, 1, "string 'abc'"},
        {"select 1 as []", 1038, 1, "missing or empty"},
        {"select 1\ncreate view v as select 1", 111, 2, "'CREATE VIEW' must be the first"},
        {"select 1 create proc p as select 1", 111, 1, "'CREATE/ALTER PROCEDURE' must be"},
        {"select * from t with a as (select 1) select 1", 319, 1, "common table expression"},
        {"create foo bar", 343, 1, "Unknown object type 'foo'"},
        {"drop blah x", 343, 1, "Unknown object type 'blah'"},
        {"set nonsense on", 195, 1, "'nonsense' is not a recognized SET option."},
        {"return 1", 178, 1, "RETURN statement with a return value"},
        {"break", 135, 1, "BREAK"},
        {"continue", 136, 1, "CONTINUE"},
        {"a: select 1\nA: select 2", 132, 2, "'A' has already been declared"},
        {"goto b", 133, 1, "label 'b'"},
        {"select a from t where a *= b", 4147, 1, "non-ANSI outer join"},
        {"select a from t where a =* b", 4147, 1, "non-ANSI outer join"},
        {"select 1 where 1", 4145, 1, "near '1'"},
        {"merge t using s on t.a = s.a when matched then delete", 10713, 1, "semi-colon"},
        {"insert t values (1), (1, 2)", 10709, 1, "table value constructor"},
        {"exec p @a = 1, 2", 119, 1, "parameter number 2"},
        {"select a.b.c.d.e.f", 4104, 1, "multi-part"},
        {"select * from a.b.c.d.e", 117, 1, "maximum number of prefixes"},
        {"begin end", 156, 1, "keyword 'end'"},
        {"begin tran begin select 1", 102, 1, "near '1'"},
        {"if 1 = 1", 102, 1, "near '1'"},
        {"select ''''+'", 105, 1, "Unclosed"},
        {"select top from t", 156, 1, "keyword 'from'"},
        {"select `a`", 102, 1, "near '`'"},
        {"end", 156, 1, "keyword 'end'"},
        {"select 1 end", 156, 1, "keyword 'end'"},
        {"create procedure p as begin select 1", 102, 1, "near '1'"},
    };
    check_errors(cases, COUNT_OF(cases));
}

static void test_names_of_more_than_128_characters_are_refused(void **state)
{
    (void)state;
    char sql[400];
    struct qr_err err = {0};
    const char *forms[] = {"select %s", "select [%s]", "declare @%s int"};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char name[130];
        memset(name, 'a', sizeof name);
        name[i == 2 ? 127 : 128] = 0;
        snprintf(sql, sizeof sql, forms[i], name);
        assert_int_equal(parse_status(sql, strlen(sql), &err), QR_OK);
        memset(name, 'a', 129);
        name[129] = 0;
        snprintf(sql, sizeof sql, forms[i], name);
        assert_int_equal(parse_status(sql, strlen(sql), &err), QR_SQL);
        assert_int_equal(err.number, 103);
    }
    struct qr_buf quoted; /* characters count, not bytes */
    qr_buf_init(&quoted, 4096);
    for (int count = 128; count <= 129; count++) {
        qr_buf_clear(&quoted);
        qr_buf_addz(&quoted, "select 1 as [");
        for (int i = 0; i < count; i++)
            qr_buf_addz(&quoted, "\xE4\x80\x81");
        qr_buf_addz(&quoted, "]");
        assert_int_equal(parse_status(qr_buf_cstr(&quoted), quoted.len, &err),
                         count == 128 ? QR_OK : QR_SQL);
    }
    qr_buf_done(&quoted);
}

/* `prefix`, then `part` times `count`, then `middle`, then `tail` times `count`. */
static char *repeat(const char *prefix, const char *part, const char *middle, const char *tail,
                    size_t count)
{
    size_t bytes = strlen(prefix) + strlen(middle) + count * (strlen(part) + strlen(tail)) + 1;
    char *sql = malloc(bytes);
    assert_non_null(sql);
    char *at = stpcpy(sql, prefix);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, part);
    at = stpcpy(at, middle);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, tail);
    return sql;
}

static void test_deep_nesting_is_error_191(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *part, *middle, *tail;
    } cases[] = {
        {"select ", "(", "1", ")"},
        {"select ", "- ", "1", ""},
        {"select ", "~", "1", ""},
        {"select ", "f(", "1", ")"},
        {"select ", "case when 1=1 then ", "1", " end"},
        {"select ", "cast(", "1", " as int)"},
        {"select ", "(select ", "1", ")"},
        {"select 1 where ", "not ", "1=1", ""},
        {"select 1 where ", "exists (select 1 where ", "1=1", ")"},
        {"select * from ", "(select * from ", "t", ") a"},
        {"select * from ", "(", "t", ")"},
        {"select * from a ", "join b ", "", " on 1=1"},
        {"", "begin ", "select 1", " end"},
        {"", "if 1=1 ", "select 1", ""},
        {"", "while 1=1 ", "select 1", ""},
        {"", "begin try ", "select 1", " end try begin catch end catch"},
        {"select 1 group by ", "rollup(", "1", ")"},
        {"select a", " collate b", "", ""},
        {"select a", " at time zone 'x'", "", ""},
        {"select * from t with ", "(a ", "", ")"},
        {"select 1 option (table hint ", "(a ", ")", ")"},
        {"", "(", "select 1", ")"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct qr_err err = {0};
        char *sql = repeat(cases[i].prefix, cases[i].part, cases[i].middle, cases[i].tail, 5000);
        assert_int_equal(parse_status(sql, strlen(sql), &err), QR_SQL);
        if (err.number != 191)
            fail_msg("%s%s: %d %s", cases[i].prefix, cases[i].part, err.number, err.text);
        free(sql);
        sql = repeat(cases[i].prefix, cases[i].part, cases[i].middle, cases[i].tail, 5);
        if (parse_status(sql, strlen(sql), &err) != QR_OK)
            fail_msg("%s: %d %s", sql, err.number, err.text);
        free(sql);
    }
}

static void test_long_chains_are_not_deep(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *part, *middle;
    } cases[] = {
        {"select 1", " + 1", ""},
        {"select 1", " * 2 - 1", ""},
        {"select 'a'", " + 'b'", ""},
        {"select 1 where 1=1", " and 1=1", ""},
        {"select 1 where 1=1", " or a=1 and b=2", ""},
        {"select 1", " union all select 1", ""},
        {"select 1", " intersect select 1", ""},
        {"select 1", ", 1", ""},
        {"insert t values (1, 'a')", ", (1, 'a')", ""},
        {"select 1 where a in (1", ", 1", ")"},
        {"if 1=1 select 1", " else if 2=2 select 2", ""},
        {"select 1", ";", ""},
        {"select 1", " select 2", ""},
        {"select case when 1=1 then 1", " when 1=1 then 2", " end"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct qr_err err = {0};
        char *sql = repeat(cases[i].prefix, cases[i].part, cases[i].middle, "", 10000);
        if (parse_status(sql, strlen(sql), &err) != QR_OK)
            fail_msg("%s%s: %d %s", cases[i].prefix, cases[i].part, err.number, err.text);
        free(sql);
    }
}

static void test_joins_are_bounded(void **state)
{
    (void)state;
    struct qr_err err = {0};
    char *sql = repeat("select * from a", " cross join b", "", "", 250);
    assert_int_equal(parse_status(sql, strlen(sql), &err), QR_OK);
    free(sql);
    sql = repeat("select * from a", " cross join b", "", "", 256);
    assert_int_equal(parse_status(sql, strlen(sql), &err), QR_SQL);
    assert_int_equal(err.number, 106);
    free(sql);
}

/* Ten megabytes of each; the arena holds at most 60 bytes for each byte of text. */
static void test_ten_megabytes_parse_in_bounded_memory_and_linear_time(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "select a, b + 1, 'text' from dbo.t where a = 1 and b like 'x%';\n",
        "insert into t (a, b, c) values (1, N'abc', 2.5);\n",
        "a",
        "'",
        "(",
        "[",
        "@",
        "/*",
        "--\n",
        "1 ",
        "lbl: ",
        ".",
        ",",
        "select ",
        "begin ",
        "\"",
        "\xC2\xA0",
        "\xF0\x9F\x98\x80",
        "{",
        "0x",
        "$",
        "union ",
        "=",
        "case ",
    };
    enum { BYTES = 10 << 20 };
    char *sql = malloc(BYTES);
    assert_non_null(sql);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t n = strlen(parts[i]);
        for (size_t at = 0; at < BYTES; at++)
            sql[at] = parts[i][at % n];
        struct qr_arena arena;
        struct qr_err err = {0};
        struct qr_tsql_batch *batch;
        struct qr_tsql_options options = {.quoted_identifier = true};
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        qr_arena_init(&arena, (size_t)BYTES * 60);
        enum qr_status status =
            qr_tsql_parse(&arena, sql, BYTES - (i < 2 ? BYTES % n : 0), &options, &batch, &err);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        if (status != QR_OK && status != QR_SQL)
            fail_msg("%s: %s", parts[i], err.text);
        if (i < 2 && status != QR_OK)
            fail_msg("%s: %d %s", parts[i], err.number, err.text);
        assert_true(to.tv_sec - from.tv_sec < 20); /* a square would take days */
        qr_arena_done(&arena);
    }
    free(sql);
}

static void test_a_small_arena_is_an_error_and_no_crash(void **state)
{
    (void)state;
    const char *sql = "with c as (select a, [b]]x], 'it''s' y from t) "
                      "select top 3 * from c where a in (1, 2) order by b option (recompile)";
    for (size_t bytes = 0; bytes < 20000; bytes += 64) {
        struct qr_arena arena;
        struct qr_err err = {0};
        struct qr_tsql_batch *batch;
        struct qr_tsql_options options = {.quoted_identifier = true};
        qr_arena_init(&arena, bytes);
        enum qr_status status = qr_tsql_parse(&arena, sql, strlen(sql), &options, &batch, &err);
        assert_true(status == QR_OK || status == QR_NOMEM);
        qr_arena_done(&arena);
    }
}

/* Every prefix of a text, and the text with each byte replaced, gets an answer. */
static void test_torn_and_damaged_text_gets_an_answer(void **state)
{
    (void)state;
    const char *sql =
        "create procedure p @a int = 1, @b nvarchar(max) output as begin try if exists "
        "(select * from [t] x where x.a like N'%' escape '!') set @a += 1; else exec q "
        "@b = @b out, @c = 0x1F; merge t using s on t.a=s.a when not matched then insert (a) "
        "values (1.5e3) output $action; end try begin catch throw; end catch /* end */";
    static const char damage[] = "\0'\"[](){},.;=@#$/*-+<>\x80\xFF"
                                 "a0";
    char copy[1024];
    struct qr_err err;
    size_t n = strlen(sql);
    assert_int_equal(parse_status(sql, n, &err), QR_OK);
    for (size_t i = 0; i <= n; i++) {
        enum qr_status status = parse_status(sql, i, &err);
        assert_true(status == QR_OK || status == QR_SQL);
        for (size_t d = 0; i < n && d < sizeof damage - 1; d++) {
            memcpy(copy, sql, n + 1);
            copy[i] = damage[d];
            status = parse_status(copy, n, &err);
            assert_true(status == QR_OK || status == QR_SQL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_have_the_number_line_and_text_of_sql_server),
        cmocka_unit_test(test_names_of_more_than_128_characters_are_refused),
        cmocka_unit_test(test_deep_nesting_is_error_191),
        cmocka_unit_test(test_long_chains_are_not_deep),
        cmocka_unit_test(test_joins_are_bounded),
        cmocka_unit_test(test_ten_megabytes_parse_in_bounded_memory_and_linear_time),
        cmocka_unit_test(test_a_small_arena_is_an_error_and_no_crash),
        cmocka_unit_test(test_torn_and_damaged_text_gets_an_answer),
    };
    return cmocka_run_group_tests_name("tsql/parse_limits", tests, NULL, NULL);
}
