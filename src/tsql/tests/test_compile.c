/* test_compile.c - statements compiled and run on plain SQLite: rows, or the error's number */
#include <stdlib.h>
#include "qr_test.h"
#include "tables.h"

static void run_rows(const struct row *rows, size_t count)
{
    struct shim s;
    setup(&s);
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        char *got = NULL;
        const char *now = shim_run(&s, rows[i].sql);
        if (strcmp(now, rows[i].want) == 0)
            continue;
        got = strdup(now);
        fprintf(stderr, "%s\n  want [%s]\n  got  [%s]\n  as   %s\n", rows[i].sql, rows[i].want, got,
                shim_text(&s, rows[i].sql));
        free(got);
        failed++;
    }
    shim_done(&s);
    assert_int_equal(failed, 0);
}
#define RUN(rows) run_rows(rows, sizeof(rows) / sizeof((rows)[0]))

#include "rows_select.h"
#include "rows_dml.h"

static void select_gives_the_rows_of_sql_server(void **state)
{
    (void)state;
    RUN(select_rows);
}

static void names_that_are_wrong_give_their_errors(void **state)
{
    (void)state;
    RUN(error_rows);
}

static void dml_changes_what_it_should(void **state)
{
    (void)state;
    RUN(dml_rows);
}

/* Goal: the direct form and the staged form of a statement leave the same rows. Method: run each
 * both ways on fresh tables. */
static void direct_and_staged_forms_leave_the_same_rows(void **state)
{
    static const struct direct {
        const char *sql;
        bool is_direct;
    } statements[] = {
        {"update t set c = c + 1 where a = 2", true},
        {"update t set b = 'x', d = c where a = @i", true},
        {"update t set c = null where 3 = a and b = 'three'", true},
        {"update t set c = 5 where a = 2.0", true},
        {"delete t where a = 1", true},
        {"delete l where line = 1 and oid = 1", true},
        {"update l set price = price * 2 where oid = 1 and line = 2", true},
        {"update t set a = 9 where a = 2", false},
        {"update t set c = 1 where a > 2", false},
        {"update t set c = 1 where b = 'one'", false},
        {"update t set c = 1 where a = 2 or a = 3", false},
        {"update t set @out = c = 1 where a = 2", false},
        {"update t set c = 1 from t join u on t.a = u.a where t.a = 1", false},
        {"delete l where oid = 1", false},
        {"update app.e set x = 1 where id = 1", false}, /* z is persisted */
        {"update t set c = (select 1) where a = 2", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        const char *dump = "select * from t order by a; select * from l order by oid, line";
        struct shim a, b;
        setup(&a);
        setup(&b);
        b.prefer_direct = true;
        assert_string_equal(shim_run(&a, statements[i].sql), "");
        assert_string_equal(shim_run(&b, statements[i].sql), "");
        if (b.direct_count != statements[i].is_direct)
            fail_msg("%s: direct %zu", statements[i].sql, b.direct_count);
        char *staged = strdup(shim_run(&a, dump));
        assert_string_equal(staged, shim_run(&b, dump));
        free(staged);
        shim_done(&a);
        shim_done(&b);
    }
}

/* Goal: implicit conversions leave an indexed column bare. Method: SQLite's own plan of the text
 * must be a search by the key, not a scan. */
static void conversions_leave_the_index_of_use(void **state)
{
    static const char *const searches[] = {
        "select b from t where a = 2",
        "select b from t where a = @i",
        "select b from t where a = 2.0",
        "select b from t where a = @big",
        "select b from t where a = @dec",
        "select b from t where a = cast(2 as tinyint)",
        "select b from t where a in (1, 2, 3)",
        "select b from t where a between 1 and @i",
        "select b from t where a > 1 and a < 3",
        "select b from t where a = (select max(x.a) from u x)",
        "select t.b from u join t on t.a = u.a",
        "select x from app.e where name = 'abc'",
        "select x from app.e where name = N'abc'",
        "select x from app.e where name = @s",
        "select x from app.e where name = @ns",
        "select x from app.e where name in (N'a', 'b')",
        "select x from k where code = N'A'",
        "select x from k where code = 'A'",
        "select x from k where code = @s",
        "select x from k where code = @ns",
        "select x from m where amount = 5",
        "select x from m where amount = @i",
        "select x from m where amount = 5.50",
        "select x from m where amount > 5",
        "select x from w where day = '20200101'",
        "select x from w where day >= @s and day < '20200102'",
        "select x from w where day = @dt2",
        "select x from w where day >= @dt2",
        "select x from w where @dt2 > day",
        "select x from w where day between '20200101' and @dt2",
        "select x from m where amount > @dec",
        "select x from m where amount < 1.2345",
        "select b from t where a > @dec",
        "select b from t where a > 2.5",
        "select x from k where code like 'ab%'",
        "select x from k where code like N'ab-c%'",
        "select x from app.e where name like 'ab%'",
        "select b from t where a = 1 or a = 3",
        "update t set c = c + 1 where a = @i",
        "update t set c = c + 1 where a = @big",
        "delete t where a = @i",
    };
    struct shim s;
    size_t failed = 0;
    (void)state;
    setup(&s);
    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", shim_text(&s, searches[i]));
        sqlite3_stmt *stmt = NULL;
        bool search = false;
        if (sqlite3_prepare_v2(s.db, sql, -1, &stmt, NULL) != SQLITE_OK)
            fprintf(stderr, "%s\n", sqlite3_errmsg(s.db));
        while (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW)
            search =
                search || strncmp((const char *)sqlite3_column_text(stmt, 3), "SEARCH", 6) == 0;
        if (!search) {
            fprintf(stderr, "%s\n  as %s\n", searches[i], sql);
            failed++;
        }
        sqlite3_finalize(stmt);
        sqlite3_free(sql);
    }
    shim_done(&s);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_gives_the_rows_of_sql_server),
        cmocka_unit_test(names_that_are_wrong_give_their_errors),
        cmocka_unit_test(dml_changes_what_it_should),
        cmocka_unit_test(direct_and_staged_forms_leave_the_same_rows),
        cmocka_unit_test(conversions_leave_the_index_of_use),
    };
    return cmocka_run_group_tests_name("tsql/compile", tests, NULL, NULL);
}
