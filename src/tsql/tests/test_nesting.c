/* test_nesting.c - every construct nested or repeated to SQL Server's own limit still runs, and
 * beyond ours there is a T-SQL error, never one of SQLite's */
#include <stdlib.h>
#include "qr_test.h"
#include "shim.h"

/* A '#' stands for the number of the repetition. */
static void add(struct qr_buf *sql, const char *text, size_t number)
{
    for (; *text != '\0'; text++)
        if (*text == '#')
            qr_buf_printf(sql, "%zu", number);
        else
            qr_buf_add(sql, text, 1);
}

/* prefix * n, middle, suffix * n */
static char *nest(const char *prefix, const char *middle, const char *suffix, size_t n)
{
    struct qr_buf sql;
    qr_buf_init(&sql, 16 << 20);
    for (size_t i = 0; i < n; i++)
        add(&sql, prefix, i);
    qr_buf_addz(&sql, middle);
    for (size_t i = 0; i < n; i++)
        add(&sql, suffix, i);
    char *text = strdup(qr_buf_cstr(&sql));
    qr_buf_done(&sql);
    return text;
}

static const struct deep {
    const char *what, *head, *prefix, *middle, *suffix, *tail;
    size_t n;
    const char *want; /* NULL: any T-SQL error or result, none of SQLite's */
} deeps[] = {
    /* clang-format off */
    {"scalar subqueries", "select ", "(select ", "1", ")", "", 31, "1"},
    {"correlated scalar subqueries", "select a from t where a = ", "(select max(a) from t where a = ", "1", ")", "", 31, "1"},
    {"truly correlated scalar subqueries", "select a from t t0 where a = ", "(select max(x#.a) from t x# where x#.a = t0.a and x#.a = ", "1", ")", "", 31, "1"},
    {"derived tables", "select * from ", "(select * from ", "t where a = 1", ") x", "", 31, "1|10"},
    {"derived tables with TOP", "select * from ", "(select top 5 * from ", "t where a = 1", ") x", "", 31, "1|10"},
    {"EXISTS", "select a from t where a = 1 and ", "exists (select 1 from t where ", "1 = 1", ")", "", 31, "1"},
    {"IN", "select a from t where a = 1 and a in ", "(select a from t where a in ", "(1)", ")", "", 31, "1"},
    {"parentheses", "select ", "(", "a", ")", " from t where a = 1", 200, "1"},
    {"unary minus", "select ", "- ", "a", "", " from t where a = 1", 100, "1"},
    {"CASE in ELSE", "select ", "case when a = 7 then 0 else ", "a", " end", " from t where a = 1", 60, "1"},
    {"functions", "select ", "abs(", "a", ")", " from t where a = 1", 100, "1"},
    {"ISNULL", "select ", "isnull(null, ", "a", ")", " from t where a = 1", 60, "1"},
    {"CAST", "select ", "cast(", "a", " as bigint)", " from t where a = 1", 100, "1"},
    {"NOT", "select a from t where a = 1 and ", "not (", "a = 2", ")", "", 31, "1"},
    {"mixed AND and OR", "select a from t where ", "(a = 1 and (a = 1 or ", "a = 2", "))", "", 60, "1"},
    {"a long AND", "select a from t where a = 1", "", "", " and a < 9", "", 3000, "1"},
    {"a long OR", "select a from t where a = 1", "", "", " or a = 77", "", 3000, "1"},
    {"a long sum", "select a", "", "", " + 1", " from t where a = 1", 900, "901"},
    {"a long sum of columns", "select a", "", "", " + a", " from t where a = 1", 900, "901"},
    {"a long concatenation", "select len('x'", "", "", " + 'x'", ")", 900, "901"},
    {"a long IN", "select a from t where a in (1", "", "", ", 9", ")", 5000, "1"},
    {"UNION ALL", "select count(*) from (select 1 as x", "", "", " union all select 1", ") y", 1200, "1201"},
    {"UNION", "select count(*) from (select 1 as x", "", "", " union select 1", ") y", 900, "1"},
    {"VALUES", "select count(*) from (values (1)", "", "", ", (2)", ") v(x)", 900, "901"},
    {"joins", "select count(*) from t", "", "", " cross join one o#", "", 62, "2"},
    {"select items", "select 1", "", "", ", a", " from t where a = 99", 1990, ""},
    {"group by", "select 1 from t group by a", "", "", ", a", "", 300, "1\n1"},
    {"order by items", "select 1 from t where a = 1 order by a", "", "", ", b", "", 1, "1"},
    {"COALESCE", "select coalesce(null", "", "", ", a", ") from t where a = 1", 200, "1"},
    {"CONCAT", "select len(concat('x', 'y'", "", "", ", 'z'", "))", 200, "202"},
    /* beyond the limits */
    {"too many subqueries", "select ", "(select ", "1", ")", "", 100, NULL},
    {"too many correlated", "select a from t where a = ", "(select max(a) from t where a = ", "1", ")", "", 60, NULL},
    {"too many EXISTS", "select a from t where a = 1 and ", "exists (select 1 from t where ", "1 = 1", ")", "", 60, NULL},
    {"too many derived tables", "select * from ", "(select * from ", "t", ") x", "", 200, NULL},
    {"too many joins", "select count(*) from t", "", "", " cross join one o#", "", 70, "error 106"},
    {"too many items", "select 1", "", "", ", a", " from t", 4100, "error 1056"},
    {"too many parameters", "select a from t where a in (1", "", "", ", cast(9 as int)", ")", 40000, NULL},
    {"too deep parentheses", "select ", "(", "1", ")", "", 5000, NULL},
    /* clang-format on */
};

static void deep_statements_run_or_fail_as_t_sql(void **state)
{
    struct shim s;
    size_t failed = 0;
    (void)state;
    shim_init(&s);
    shim_table(&s, "t", "a int pk, b int null");
    shim_table(&s, "one", "x int pk");
    shim_freeze(&s);
    assert_string_equal(shim_run(&s, "insert t values (1, 10), (2, 20); insert one values (1)"),
                        "");
    for (size_t i = 0; i < sizeof(deeps) / sizeof(deeps[0]); i++) {
        const struct deep *d = &deeps[i];
        char *body = nest(d->prefix, d->middle, d->suffix, d->n);
        char *sql = malloc(strlen(body) + strlen(d->head) + strlen(d->tail) + 1);
        (void)stpcpy(stpcpy(stpcpy(sql, d->head), body), d->tail);
        const char *got = shim_run(&s, sql);
        bool ok = d->want == NULL ? strstr(got, "SQLite") == NULL : strcmp(got, d->want) == 0;
        if (!ok) {
            fprintf(stderr, "%s: want %s, got %.300s\n", d->what, d->want == NULL ? "" : d->want,
                    got);
            failed++;
        }
        free(sql);
        free(body);
    }
    shim_done(&s);
    assert_int_equal(failed, 0);
}

/* Each expression uses the one before twice: 30 of them would be a billion tables. */
static void doubling_chains_of_with_run_or_fail_as_t_sql(void **state)
{
    struct shim s;
    struct qr_buf sql;
    (void)state;
    shim_init(&s);
    shim_table(&s, "t", "a int pk");
    shim_freeze(&s);
    assert_string_equal(shim_run(&s, "insert t values (1)"), "");
    for (int depth = 6; depth <= 30; depth += 8) {
        qr_buf_init(&sql, 1 << 20);
        qr_buf_addz(&sql, "with c0 as (select a from t)");
        for (int i = 1; i <= depth; i++)
            qr_buf_printf(&sql, ", c%d as (select x.a from c%d x join c%d y on x.a = y.a)", i,
                          i - 1, i - 1);
        qr_buf_printf(&sql, " select a from c%d", depth);
        assert_string_equal(shim_run(&s, qr_buf_cstr(&sql)), depth == 6 ? "1" : "error 8623");
        qr_buf_done(&sql);
    }
    shim_done(&s);
}

/* Views within views, to SQL Server's 32 levels. */
static void views_nest_to_32_levels(void **state)
{
    struct shim s;
    char names[40][8], texts[40][96];
    (void)state;
    shim_init(&s);
    shim_table(&s, "v0", "a int pk");
    for (int i = 1; i <= 33; i++) {
        (void)snprintf(names[i], sizeof names[i], "v%d", i);
        (void)snprintf(texts[i], sizeof texts[i], "create view v%d as select a from v%d", i, i - 1);
        shim_module(&s, QR_CAT_VIEW, names[i], "", texts[i]);
    }
    shim_module(&s, QR_CAT_VIEW, "loop", "", "create view loop as select a from loop");
    shim_freeze(&s);
    assert_string_equal(shim_run(&s, "insert v0 values (5)"), "");
    assert_string_equal(shim_run(&s, "select a from v31"), "5");
    assert_string_equal(shim_run(&s, "select a from loop"), "error 191");
    shim_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deep_statements_run_or_fail_as_t_sql),
        cmocka_unit_test(doubling_chains_of_with_run_or_fail_as_t_sql),
        cmocka_unit_test(views_nest_to_32_levels),
    };
    return cmocka_run_group_tests_name("tsql/nesting", tests, NULL, NULL);
}
